//! The commands. One file each; this one knows the arguments and turns errors into exit codes.

mod backfill;
mod candidate;
mod completions;
mod convert;
mod dead_letter;
mod demo;
mod doctor;
mod execute;
mod fake_tenant;
mod files_read;
mod graph;
mod keystore;
mod load;
mod man;
mod preview;
mod progress;
mod record_input;
mod reload;
mod remote;
mod replay;
mod report;
mod run;
mod schema;
mod scope;
mod setup;
mod ship_again;
mod start_and_end;
mod state;
mod subscriptions;
mod summary;
mod tap;
mod test;
mod top;
mod validate;
mod view;
mod vrl;
mod when;

use std::{error::Error, fmt, io::Write as _, process::ExitCode, sync::Arc};

use chrono::SecondsFormat;
use clap::{Parser, Subcommand};
use pipeline_core::{Clock, Timestamp};

use crate::{
    config::fault::Fault,
    telemetry::{LogFormat, LogOptions, Logs},
};

/// The heading of the options that all commands have.
const LOGGING: &str = "Logging";

/// Office 365 audit logs into Elasticsearch and other sinks, with nothing lost.
#[derive(Debug, Parser)]
#[command(name = "o365flow", version, about, max_term_width = 100)]
pub struct Arguments {
    /// What to log on standard error: a level, or levels by module as `info,o365flow::sinks=debug`.
    #[arg(
        long,
        global = true,
        value_name = "LEVEL",
        env = "O365FLOW_LOG",
        default_value = "info",
        help_heading = LOGGING
    )]
    log: String,
    /// How log lines look; by default text on a terminal, JSON otherwise.
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        env = "O365FLOW_LOG_FORMAT",
        help_heading = LOGGING
    )]
    log_format: Option<LogFormat>,
    #[command(subcommand)]
    command: Command,
}

/// Each command's own documentation is its help.
#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Backfill(backfill::Backfill),
    Replay(replay::Replay),
    Doctor(doctor::Doctor),
    Setup(setup::SetupCommand),
    Subscriptions(subscriptions::SubscriptionsCommand),
    Validate(validate::Validate),
    Report(report::Report),
    State(state::State),
    Test(test::Test),
    Vrl(vrl::Vrl),
    Preview(preview::Preview),
    Graph(graph::Graph),
    Top(top::Top),
    Tap(tap::Tap),
    Schema(schema::Schema),
    Completions(completions::Completions),
    #[command(hide = true)]
    Man(man::Man),
    Convert(convert::Convert),
    DeadLetter(dead_letter::DeadLetter),
    Keystore(keystore::KeystoreCommand),
    Demo(demo::Demo),
    FakeTenant(fake_tenant::FakeTenant),
}

/// Why a command did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// The configuration is wrong. Exit code 78, as `sysexits.h` has it; 1 where all that is wrong may pass.
    Config(Vec<Fault>),
    /// It was right, and something failed. Exit code 1.
    Failed(Box<dyn Error + Send + Sync>),
    /// The arguments make no sense together, or with the configuration. Exit code 2, as for those that clap refuses.
    Usage(Box<dyn Error + Send + Sync>),
    /// What was asked is answered, in the negative, and has been shown. Exit code 1.
    Negative,
}

impl Failure {
    fn usage(error: impl Error + Send + Sync + 'static) -> Failure {
        Failure::Usage(Box::new(error))
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Failed(Box::new(error))
    }
}

/// Runs the command that `arguments` name, by the time that `clock` tells.
pub fn run(arguments: Arguments, clock: Arc<dyn Clock>) -> ExitCode {
    let options = LogOptions { filter: &arguments.log, format: arguments.log_format };
    Logs::install(&options, Arc::clone(&clock));
    let result = match arguments.command {
        Command::Run(command) => command.execute(clock),
        Command::Backfill(command) => command.execute(clock),
        Command::Replay(command) => command.execute(clock),
        Command::Doctor(command) => command.execute(&*clock),
        Command::Setup(command) => command.execute(),
        Command::Subscriptions(command) => command.execute(clock.now()),
        Command::Validate(command) => command.execute(),
        Command::Report(command) => command.execute(&clock),
        Command::State(command) => command.execute(&*clock),
        Command::Test(command) => command.execute(&clock),
        Command::Vrl(command) => command.execute(),
        Command::Preview(command) => command.execute(&clock),
        Command::Graph(command) => command.execute(),
        Command::Top(command) => command.execute(),
        Command::Tap(command) => command.execute(),
        Command::Schema(command) => command.execute(),
        Command::Completions(command) => command.execute(),
        Command::Man(command) => command.execute(),
        Command::Convert(command) => command.execute(),
        Command::DeadLetter(command) => command.execute(&clock),
        Command::Keystore(command) => command.execute(),
        Command::Demo(command) => command.execute(&*clock),
        Command::FakeTenant(command) => command.execute(clock.now()),
    };
    if let Some(logs) = Logs::installed() {
        logs.sum_up();
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Config(faults)) => {
            show_faults(&faults);
            // A service manager gives up at 78, and is not to do so for what may be there at the next start.
            let may_pass = faults.iter().all(|fault| fault.may_pass);
            if may_pass { ExitCode::FAILURE } else { ExitCode::from(78) }
        }
        Err(Failure::Failed(error)) => {
            complain(format_args!("error: {}", Chain(&*error)));
            ExitCode::FAILURE
        }
        Err(Failure::Usage(error)) => {
            complain(format_args!("error: {}", Chain(&*error)));
            ExitCode::from(2)
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
    drop(writeln!(std::io::stdout(), "{line}"));
}

/// Writes a line to standard error.
fn complain(line: impl fmt::Display) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// A time as all commands show it: in UTC, to the second.
fn rfc3339(time: Timestamp) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
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
