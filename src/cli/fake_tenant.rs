//! `o365flow fake-tenant`: a made-up tenant to rehearse with, as a process of its own.

use clap::Args;
use fake_tenant::program;
use pipeline_core::Timestamp;

use super::{Failure, run::block_on};

/// Serve made-up tenants on a loopback port, to rehearse with.
///
/// Prints one line of JSON with addresses and credentials, and serves until SIGTERM or until its input closes.
#[derive(Debug, Args)]
pub(super) struct FakeTenant {
    #[command(flatten)]
    arguments: program::Arguments,
}

impl FakeTenant {
    pub(super) fn execute(self, now: Timestamp) -> Result<(), Failure> {
        Ok(block_on(program::serve(self.arguments, now))??)
    }
}
