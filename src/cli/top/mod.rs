//! `o365flow top`: what a running program does, as tables that keep up with it.

mod screen;
mod state;
mod tables;
#[cfg(test)]
mod tests;

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use clap::Args;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use tokio::{
    sync::mpsc,
    task::spawn_blocking,
    time::{Instant, sleep, timeout_at},
};

use self::{
    screen::{Screen, Wish},
    state::State,
    tables::plain,
};
use super::{
    Chain, Failure,
    remote::{Api, ApiError, Message, Target},
    run::block_on,
    say,
};

/// The time between two tries to reach an API that is gone.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The longest time between two drawings, and between a key and what it does.
const DRAW_INTERVAL: Duration = Duration::from_millis(100);

/// How long `--once` waits for rates and feeds: they come within two seconds.
const ONCE_TIMEOUT: Duration = Duration::from_secs(15);

/// Messages that wait to be drawn. More wait at the sender.
const MESSAGES_WAITING_MAX: usize = 64;

/// Show what a running program does: its components, its feeds, its problems.
///
/// Keys: tab or 1, 2, 3 for the table, arrows to move, s to sort, / to filter, p to pause, q to quit.
#[derive(Debug, Args)]
pub(super) struct Top {
    #[command(flatten)]
    target: Target,
    /// Print the tables once and end.
    #[arg(long)]
    once: bool,
}

/// There is nothing to draw on.
#[derive(Debug, thiserror::Error)]
#[error("standard output is no terminal; to print the tables, use `--once`")]
struct NoTerminal;

/// The API said nothing that could be shown.
#[derive(Debug, thiserror::Error)]
#[error("the API at {url} did not say what runs within {} s", ONCE_TIMEOUT.as_secs())]
struct NothingToShow {
    url: String,
}

/// What comes from the API.
enum News {
    Message(Message),
    /// It is there.
    Connected,
    /// It is not.
    Gone(ApiError),
}

impl Top {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let api = self.target.api()?;
        if self.once {
            return block_on(async {
                say(plain(&once(&api).await?));
                Ok(())
            })?;
        }
        if !(io::stdout().is_terminal() && io::stdin().is_terminal()) {
            return Err(Failure::usage(NoTerminal));
        }
        block_on(async {
            let (sender, news) = mpsc::channel(MESSAGES_WAITING_MAX);
            let shown = api.shown();
            tokio::select! {
                // It ends when it may not ask.
                error = listen(&api, sender) => Err(error.failure()),
                ended = spawn_blocking(move || on_terminal(news, &shown)) => Ok(ended??),
            }
        })?
    }
}

/// What is so now.
async fn once(api: &Api) -> Result<State, Failure> {
    let mut state = State::default();
    let mut messages = api.open("/api/events", &[]).await.map_err(ApiError::failure)?;
    let end = Instant::now() + ONCE_TIMEOUT;
    while !state.has_rates() {
        let message = timeout_at(end, messages.next()).await;
        let message = message.map_err(|_| NothingToShow { url: api.shown() })?;
        state.take(&message.map_err(ApiError::failure)?);
    }
    state.take_problems(api.read("/api/problems").await.map_err(ApiError::failure)?);
    state.take_feeds(api.read("/api/feeds").await.map_err(ApiError::failure)?);
    Ok(state)
}

/// Sends on what the API sends, for as long as it may be asked.
async fn listen(api: &Api, news: mpsc::Sender<News>) -> ApiError {
    loop {
        let error = match pass_on(api, &news).await {
            Ok(never) => match never {},
            Err(error) if error.can_pass() => error,
            Err(error) => return error,
        };
        // Nobody listens only when the screen is about to end.
        drop(news.send(News::Gone(error)).await);
        sleep(RETRY_INTERVAL).await;
    }
}

async fn pass_on(
    api: &Api,
    news: &mpsc::Sender<News>,
) -> Result<std::convert::Infallible, ApiError> {
    let mut messages = api.open("/api/events", &[]).await?;
    drop(news.send(News::Connected).await);
    for problem in api.read::<Vec<serde_json::Value>>("/api/problems").await? {
        let message = Message { event: "problem".to_owned(), data: problem.to_string() };
        drop(news.send(News::Message(message)).await);
    }
    loop {
        drop(news.send(News::Message(messages.next().await?)).await);
    }
}

/// Draws and reads keys until it is told to end. The terminal is left as it was, also by a panic.
fn on_terminal(mut news: mpsc::Receiver<News>, address: &str) -> io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let (mut state, mut screen) = (State::default(), Screen::default());
    let mut connection = format!("connecting to {address}");
    let result = loop {
        while let Ok(news) = news.try_recv() {
            match news {
                News::Message(message) => state.take(&message),
                News::Connected => address.clone_into(&mut connection),
                News::Gone(error) => {
                    state.forget_counts();
                    connection = format!("{}; trying again", Chain(&error));
                }
            }
        }
        let drawn = terminal.draw(|frame| screen.draw(frame, &state, &connection));
        if let Err(error) = drawn {
            break Err(error);
        }
        match read_key(&mut screen, &state) {
            Ok(Wish::Stay) => {}
            Ok(Wish::Quit) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    ratatui::try_restore()?;
    result
}

/// Waits for a key for a while. A resized terminal only has to be drawn again.
fn read_key(screen: &mut Screen, state: &State) -> io::Result<Wish> {
    if !event::poll(DRAW_INTERVAL)? {
        return Ok(Wish::Stay);
    }
    match event::read()? {
        Event::Key(key) if key.kind != KeyEventKind::Release => Ok(screen.press(key, state)),
        _ => Ok(Wish::Stay),
    }
}
