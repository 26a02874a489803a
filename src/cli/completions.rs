//! `o365flow completions`: what a shell needs to complete commands and options.

use std::io;

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::{Arguments, Failure};

/// Print what a shell needs to complete commands and options.
///
/// For bash, as root: `o365flow completions bash > /usr/share/bash-completion/completions/o365flow`. The Debian package
/// brings those for bash, zsh and fish.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    #[expect(clippy::unnecessary_wraps, reason = "all commands are called alike")]
    pub(super) fn execute(self) -> Result<(), Failure> {
        // Made whole first: `generate` panics where a reader has gone away.
        let mut script = Vec::new();
        generate(self.shell, &mut Arguments::command(), "o365flow", &mut script);
        drop(io::Write::write_all(&mut io::stdout(), &script));
        Ok(())
    }
}
