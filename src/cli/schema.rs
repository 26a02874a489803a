//! `o365flow schema`: the JSON schema of the configuration.

use clap::Args;

use super::{Failure, say};
use crate::{components::REGISTRY, config};

/// Print the JSON schema of the configuration, for editors.
///
/// An editor with a language server for TOML completes and explains options by it, where the configuration begins with
/// a line `#:schema FILE`.
#[derive(Debug, Args)]
pub(super) struct Schema {}

impl Schema {
    #[expect(clippy::unused_self, reason = "all commands are called alike")]
    pub(super) fn execute(self) -> Result<(), Failure> {
        say(serde_json::to_string_pretty(&config::schema(REGISTRY))?);
        Ok(())
    }
}
