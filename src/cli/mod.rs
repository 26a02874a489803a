//! The commands. One file each; this one knows the arguments and turns errors into exit codes.

mod backfill;
mod convert;
mod demo;
mod doctor;
mod execute;
mod fake_tenant;
mod graph;
mod keystore;
mod load;
mod progress;
mod replay;
mod report;
mod run;
mod ship_again;
mod state;
mod subscriptions;
mod summary;
mod test;
mod validate;
mod when;

use std::{error::Error, fmt, process::ExitCode, sync::Arc};

use clap::{Parser, Subcommand};
use pipeline_core::Clock;

use crate::{
    config::fault::Fault,
    telemetry::{self, LogFormat},
};

/// Office 365 audit logs into Elasticsearch and other sinks, with nothing lost.
#[derive(Debug, Parser)]
#[command(name = "o365flow", version, about, max_term_width = 100)]
pub struct Arguments {
    /// What to log: a level, or levels by module as `info,o365flow::sinks=debug`.
    #[arg(long, global = true, env = "O365FLOW_LOG", default_value = "info")]
    log: String,
    /// How log lines look; by default text on a terminal, JSON otherwise.
    #[arg(long, global = true, env = "O365FLOW_LOG_FORMAT")]
    log_format: Option<LogFormat>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a topology.
    Run(run::Run),
    /// Ship a span of content again.
    Backfill(backfill::Backfill),
    /// Ship single blobs again.
    Replay(replay::Replay),
    /// Look at tenants, sinks and state: what works, what does not, and what to do.
    Doctor(doctor::Doctor),
    /// Show, start and stop the tenants' subscriptions.
    Subscriptions(subscriptions::SubscriptionsCommand),
    /// Check a configuration, without starting anything.
    Validate(validate::Validate),
    /// Show hour by hour what was listed, delivered, dropped and lost.
    Report(report::Report),
    /// Go on where the predecessor stopped.
    State(state::State),
    /// Run the golden tests of VRL programs.
    Test(test::Test),
    /// Draw a topology's graph.
    Graph(graph::Graph),
    /// Write the topology that does what an `o365beat.yml` did.
    Convert(convert::Convert),
    /// Keep secrets in an encrypted file.
    Keystore(keystore::KeystoreCommand),
    /// Show a whole run: a made-up tenant with a week of history, mapped and delivered.
    Demo(demo::Demo),
    /// Serve made-up tenants to rehearse with.
    FakeTenant(fake_tenant::FakeTenant),
}

/// Why a command did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// The configuration is wrong. Exit code 78, as `sysexits.h` has it.
    Config(Vec<Fault>),
    /// It was right, and something failed. Exit code 1.
    Failed(Box<dyn Error + Send + Sync>),
    /// What was asked is answered, in the negative, and has been shown. Exit code 1.
    Negative,
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Failed(Box::new(error))
    }
}

/// Runs the command that `arguments` name, by the time that `clock` tells.
pub fn run(arguments: Arguments, clock: Arc<dyn Clock>) -> ExitCode {
    telemetry::init_logs(&arguments.log, arguments.log_format);
    let result = match arguments.command {
        Command::Run(command) => command.execute(clock),
        Command::Backfill(command) => command.execute(clock),
        Command::Replay(command) => command.execute(clock),
        Command::Doctor(command) => command.execute(&*clock),
        Command::Subscriptions(command) => command.execute(clock.now()),
        Command::Validate(command) => command.execute(),
        Command::Report(command) => command.execute(&clock),
        Command::State(command) => command.execute(&*clock),
        Command::Test(command) => command.execute(),
        Command::Graph(command) => command.execute(),
        Command::Convert(command) => command.execute(),
        Command::Keystore(command) => command.execute(),
        Command::Demo(command) => command.execute(&*clock),
        Command::FakeTenant(command) => command.execute(clock.now()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Config(faults)) => {
            show_faults(&faults);
            ExitCode::from(78)
        }
        Err(Failure::Failed(error)) => {
            complain(format_args!("error: {}", Chain(&*error)));
            ExitCode::FAILURE
        }
        Err(Failure::Negative) => ExitCode::FAILURE,
    }
}

/// Shows what is wrong with a configuration.
fn show_faults(faults: &[Fault]) {
    for fault in faults {
        complain(format_args!("error: {fault}"));
    }
    let noun = if faults.len() == 1 { "error" } else { "errors" };
    complain(format_args!("{} {noun} in the configuration", faults.len()));
}

/// Writes a line to standard output. A reader that has gone away is no error.
fn say(line: impl fmt::Display) {
    use std::io::Write;
    drop(writeln!(std::io::stdout(), "{line}"));
}

/// Writes a line to standard error.
fn complain(line: impl fmt::Display) {
    use std::io::Write;
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// An error with all that is behind it.
struct Chain<'a>(&'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut behind = self.0.source();
        while let Some(error) = behind {
            write!(formatter, ": {error}")?;
            behind = error.source();
        }
        Ok(())
    }
}
