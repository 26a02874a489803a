//! `o365flow tap`: events as they pass a component of a running program.

mod show;

use std::{io::IsTerminal, time::Duration};

use clap::{Args, ValueEnum};
use tokio::time::{Instant, sleep, sleep_until};

pub(super) use self::show::harmless;
use self::show::{Format, Shown};
use super::{
    Chain, Failure, complain,
    remote::{Api, ApiError, Message, Messages, Target},
    run::block_on,
    say,
};

/// The time between two tries to reach an API that was there before.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Longer than anybody watches.
const FOREVER: Duration = Duration::from_hours(24 * 365);

/// Show events as they pass a component of a running program.
///
/// Only a few are shown each second; the component does not wait for it. A reload does not end it.
#[derive(Debug, Args)]
pub(super) struct Tap {
    /// The component, or one of its ports: `ecs`, `ecs.dropped`.
    #[arg(value_name = "COMPONENT[.PORT]")]
    place: String,
    #[command(flatten)]
    target: Target,
    /// What to show. By default what leaves; for a sink what arrives. `both` shows what became of each event.
    #[arg(long, value_enum)]
    side: Option<Side>,
    /// Only events for which this VRL condition holds, as `.Workload == "Exchange"`. With `--side both` it is asked of
    /// what arrives.
    #[arg(long, value_name = "VRL")]
    filter: Option<String>,
    /// Events a second, at most.
    #[arg(long, value_name = "EVENTS", default_value = "10")]
    limit: f64,
    /// How to show them. By default `diff` on a terminal where both sides are shown, else `pretty`; `json`, one line an
    /// event, where something else reads it.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// End after so many events.
    #[arg(long, value_name = "EVENTS")]
    count: Option<u64>,
    /// End after this time, as `30s`.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
}

/// Which side of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Side {
    /// What arrives.
    In,
    /// What leaves.
    Out,
    /// What leaves, with what it was when it arrived.
    Both,
}

impl Tap {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let api = self.target.api()?;
        let is_terminal = std::io::stdout().is_terminal();
        let format = self.format.unwrap_or(match (is_terminal, self.side) {
            (true, Some(Side::Both)) => Format::Diff,
            (true, _) => Format::Pretty,
            (false, _) => Format::Json,
        });
        let screen = Shown::new(format, is_terminal && std::env::var_os("NO_COLOR").is_none());
        block_on(async {
            let end = sleep_until(Instant::now() + self.duration.unwrap_or(FOREVER));
            tokio::select! {
                () = end => Ok(()),
                result = self.watch(&api, screen) => result,
                interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
            }
        })?
    }

    /// Shows events until there were enough.
    async fn watch(&self, api: &Api, screen: Shown) -> Result<(), Failure> {
        let mut left = self.count.unwrap_or(u64::MAX);
        let mut messages = self.open(api).await.map_err(ApiError::failure)?;
        complain(format_args!("watching {} at {}", self.place, api.shown()));
        while left > 0 {
            match messages.next().await {
                Ok(message) => left -= self.show(&message, screen),
                Err(error) => {
                    complain(format_args!("{}; trying again", Chain(&error)));
                    messages = self.open_again(api).await?;
                    complain(format_args!("watching {} again", self.place));
                }
            }
        }
        Ok(())
    }

    async fn open(&self, api: &Api) -> Result<Messages, ApiError> {
        let (component, port) = match self.place.split_once('.') {
            Some((component, port)) => (component, Some(port)),
            None => (self.place.as_str(), None),
        };
        let rate = self.limit.to_string();
        let side = self.side.and_then(|side| side.to_possible_value());
        let mut query = vec![("component", component), ("rate", &rate)];
        query.extend(port.map(|port| ("port", port)));
        query.extend(side.as_ref().map(|side| ("side", side.get_name())));
        query.extend(self.filter.as_deref().map(|filter| ("condition", filter)));
        api.open("/api/tap", &query).await
    }

    async fn open_again(&self, api: &Api) -> Result<Messages, Failure> {
        loop {
            sleep(RETRY_INTERVAL).await;
            match self.open(api).await {
                Ok(messages) => return Ok(messages),
                Err(error) if error.can_pass() => {}
                Err(error) => return Err(error.failure()),
            }
        }
    }

    /// Shows a message, and says how many events it is.
    fn show(&self, message: &Message, screen: Shown) -> u64 {
        match message.event.as_str() {
            "event" => {
                say(screen.event(&message.data));
                return 1;
            }
            // A program that reads JSON has no use for it.
            "skipped" if screen.tells_what_was_skipped() => {
                let events = show::number(&message.data, "events");
                complain(format_args!(
                    "{events} more events passed that are not shown (--limit {})",
                    self.limit
                ));
            }
            "gone" => complain(format_args!(
                "a reload has removed the component of {}; waiting for it to come back",
                self.place
            )),
            "back" => complain(format_args!("a reload has brought {} back", self.place)),
            _ => {}
        }
        0
    }
}
