//! One connection to a receiver, with several windows under way.
//!
//! A receiver acknowledges windows in the order in which they came, and an acknowledgement does not say which one it
//! means: it is for the oldest that is not done. Whoever waits for a window reads for all; nothing has to be spawned.
//!
//! Invariants: a window counts as delivered only when its last event was acknowledged; an answer that makes no sense, a
//! window that was written in part, or one that was not done in time ends the connection for all. It does not connect
//! again, and repeats nothing: that is the caller's, who learns how many events of a window were taken over before.

use std::{
    collections::VecDeque,
    io,
    num::NonZeroU32,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};

use crate::{Decoder, Frame, FrameError};

/// Bytes of one read: some hundred acknowledgements, or the head of what is none.
const READ_BYTES: usize = 4096;

/// How long a receiver's last words may take when writing to it fails: they say more than the failure.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_millis(100);

/// Why a connection can't be used any more.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// The network's word.
    #[error("the connection broke")]
    Broken(#[source] Arc<io::Error>),
    /// The receiver ended it.
    #[error("the receiver closed the connection")]
    Closed,
    /// The receiver says something else than acknowledgements.
    #[error("the receiver's answer is not understood")]
    Nonsense(#[source] Arc<FrameError>),
    /// More events are acknowledged than were sent.
    #[error("the receiver acknowledged {sequence} events of a window of {events}")]
    AckBeyond {
        /// The acknowledgement.
        sequence: u32,
        /// The window.
        events: u32,
    },
    /// Fewer events are acknowledged than before.
    #[error("the receiver acknowledged {sequence} events after it had acknowledged {acked}")]
    AckBackwards {
        /// The acknowledgement.
        sequence: u32,
        /// The one before.
        acked: u32,
    },
    /// Nothing is under way.
    #[error("the receiver acknowledged {sequence} events when none were under way")]
    AckUnasked {
        /// The acknowledgement.
        sequence: u32,
    },
    /// A window was not acknowledged as a whole in time.
    #[error("{acked} of {events} events were acknowledged within {} s", limit.as_secs_f32())]
    Timeout {
        /// Events that were.
        acked: u32,
        /// The window.
        events: u32,
        /// The time.
        limit: Duration,
    },
    /// Whoever was writing a window has given up, so that its rest will never come.
    #[error("a window was not written to its end")]
    Interrupted,
}

/// A window was not acknowledged as a whole.
#[derive(Clone, Debug, thiserror::Error)]
#[error("a window was not delivered")]
pub struct Undelivered {
    /// Events at the front of the window that were acknowledged before: the receiver has them.
    pub acked: u32,
    /// Why.
    #[source]
    pub error: ClientError,
}

/// A connection over any stream.
#[derive(Debug)]
pub struct Client<S> {
    writer: tokio::sync::Mutex<WriteHalf<S>>,
    reader: tokio::sync::Mutex<Reader<S>>,
    state: Mutex<State>,
    /// Told of each acknowledgement, and of the end.
    changed: Notify,
    ack_timeout: Duration,
}

#[derive(Debug)]
struct Reader<S> {
    stream: ReadHalf<S>,
    decoder: Decoder,
    chunk: Box<[u8; READ_BYTES]>,
}

#[derive(Debug)]
struct State {
    /// The number of the first of `windows`.
    first: u64,
    /// What is under way, in the order of sending.
    windows: VecDeque<Window>,
    /// Since when nothing is under way, or what is has been the oldest.
    since: Instant,
    ended: Option<ClientError>,
}

#[derive(Debug)]
struct Window {
    events: u32,
    acked: u32,
}

/// How a window is doing.
enum Standing {
    UnderWay { deadline: Instant },
    Settled(Result<(), Undelivered>),
}

/// What ended a wait.
enum Attended<T> {
    Ready(T),
    Settled(Result<(), Undelivered>),
}

impl<S: AsyncRead + AsyncWrite> Client<S> {
    /// `ack_timeout` is for a window from the moment that it is the oldest under way to the acknowledgement of its last
    /// event, the writing of it included. Acknowledgements of less do not prolong it.
    pub fn new(stream: S, ack_timeout: Duration) -> Client<S> {
        let (reader, writer) = tokio::io::split(stream);
        let decoder = Decoder::of_receiver();
        let chunk = Box::new([0; READ_BYTES]);
        let (windows, since) = (VecDeque::new(), Instant::now());
        Client {
            writer: tokio::sync::Mutex::new(writer),
            reader: tokio::sync::Mutex::new(Reader { stream: reader, decoder, chunk }),
            state: Mutex::new(State { first: 0, windows, since, ended: None }),
            changed: Notify::new(),
            ack_timeout,
        }
    }

    /// Sends a window of so many events, whose bytes are `parts` one after the other, and waits until the last of them is
    /// acknowledged. Windows are written in the order of the calls, each as soon as the one before is written. When a call
    /// is dropped while its window is written, the connection ends.
    pub async fn deliver(&self, events: NonZeroU32, parts: &[&[u8]]) -> Result<(), Undelivered> {
        let mut writer = self.writer.lock().await;
        let number = self.announce(events)?;
        let unfinished = Unfinished(self);
        let write = async {
            for part in parts {
                writer.write_all(part).await?;
            }
            writer.flush().await
        };
        match self.attend(number, write).await {
            Attended::Ready(Ok(())) => std::mem::forget(unfinished),
            Attended::Ready(Err(error)) => {
                // What is read says itself what becomes of the connection.
                timeout(LAST_WORDS_TIMEOUT, self.read()).await.unwrap_or_default();
                self.end(ClientError::Broken(Arc::new(error)));
            }
            // One that is acknowledged and yet not written ends the connection as well: what follows would be taken for
            // its rest.
            Attended::Settled(result) => return result,
        }
        drop(writer);
        match self.attend(number, std::future::pending::<()>()).await {
            Attended::Settled(result) => result,
            Attended::Ready(()) => Ok(()),
        }
    }

    /// Whether another window can be sent, as far as can be told without waiting.
    pub fn is_open(&self) -> bool {
        // Between windows nobody reads, so that the receiver's end of the connection is seen here.
        let mut ctx = Context::from_waker(Waker::noop());
        let _read = pin!(self.read()).poll(&mut ctx);
        self.state().ended.is_none()
    }

    /// Since when nothing is under way; nothing while something is.
    pub fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        state.windows.is_empty().then_some(state.since)
    }

    /// Sends a window without events, which a receiver may answer and need not, and waits for its answer: whether there
    /// was one in this time. What is no answer of Lumberjack's is an error.
    pub async fn greet(&self, patience: Duration) -> Result<bool, ClientError> {
        let mut writer = self.writer.lock().await;
        let written = async {
            writer.write_all(&crate::window_of(0)).await?;
            writer.flush().await
        };
        if let Err(error) = written.await {
            timeout(LAST_WORDS_TIMEOUT, self.read()).await.unwrap_or_default();
            self.end(ClientError::Broken(Arc::new(error)));
        }
        let answered = timeout(patience, self.read()).await.is_ok();
        match &self.state().ended {
            Some(error) => Err(error.clone()),
            None => Ok(answered),
        }
    }

    /// Notes that a window is going to be written.
    fn announce(&self, events: NonZeroU32) -> Result<u64, Undelivered> {
        let mut state = self.state();
        if let Some(error) = state.ended.clone() {
            return Err(Undelivered { acked: 0, error });
        }
        if state.windows.is_empty() {
            state.since = Instant::now();
        }
        state.windows.push_back(Window { events: events.get(), acked: 0 });
        Ok(state.first + state.windows.len() as u64 - 1)
    }

    /// Reads until `until` is ready, the window is acknowledged, or the connection has ended.
    async fn attend<T>(&self, number: u64, until: impl Future<Output = T>) -> Attended<T> {
        let mut until = pin!(until);
        loop {
            // From here on no change is missed.
            let changed = self.changed.notified();
            let deadline = match self.state().standing(number, self.ack_timeout) {
                Standing::Settled(result) => return Attended::Settled(result),
                Standing::UnderWay { deadline } => deadline,
            };
            tokio::select! {
                biased;
                value = &mut until => return Attended::Ready(value),
                () = changed => {}
                () = sleep_until(deadline) => self.end_late(),
                () = self.read() => {}
            }
        }
    }

    /// Reads once and notes what was said. Cancel-safe.
    async fn read(&self) {
        let mut reader = self.reader.lock().await;
        let Reader { stream, decoder, chunk } = &mut *reader;
        let bytes = match stream.read(&mut chunk[..]).await {
            Ok(0) => return self.end(ClientError::Closed),
            Ok(count) => &chunk[..count],
            Err(error) => return self.end(ClientError::Broken(Arc::new(error))),
        };
        decoder.feed(bytes);
        loop {
            match decoder.next_frame() {
                Ok(None) => return,
                Ok(Some(Frame::Ack(sequence))) => {
                    let noted = self.state().note(sequence);
                    match noted {
                        Ok(()) => self.changed.notify_waiters(),
                        Err(error) => return self.end(error),
                    }
                }
                // The decoder of what receivers say gives nothing else.
                Ok(Some(Frame::Window(_) | Frame::Json { .. })) => {}
                Err(error) => return self.end(ClientError::Nonsense(Arc::new(error))),
            }
        }
    }

    /// Ends the connection for all, unless it has ended before.
    fn end(&self, error: ClientError) {
        self.state().ended.get_or_insert(error);
        self.changed.notify_waiters();
    }

    /// Ends the connection because the oldest window took too long.
    fn end_late(&self) {
        let oldest = self.state().windows.front().map(|window| (window.events, window.acked));
        if let Some((events, acked)) = oldest {
            self.end(ClientError::Timeout { acked, events, limit: self.ack_timeout });
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn standing(&self, number: u64, ack_timeout: Duration) -> Standing {
        let place = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        let Some(window) = place.and_then(|place| self.windows.get(place)) else {
            return Standing::Settled(Ok(()));
        };
        match self.ended.clone() {
            Some(error) => Standing::Settled(Err(Undelivered { acked: window.acked, error })),
            None => Standing::UnderWay { deadline: self.since + ack_timeout },
        }
    }

    /// Notes an acknowledgement, or says why it makes no sense.
    fn note(&mut self, sequence: u32) -> Result<(), ClientError> {
        // Zero says that the receiver is still there.
        if sequence == 0 {
            return Ok(());
        }
        let Some(oldest) = self.windows.front_mut() else {
            return Err(ClientError::AckUnasked { sequence });
        };
        let Window { events, acked } = *oldest;
        if sequence > events {
            return Err(ClientError::AckBeyond { sequence, events });
        }
        if sequence < acked {
            return Err(ClientError::AckBackwards { sequence, acked });
        }
        oldest.acked = sequence;
        if sequence == events {
            self.windows.pop_front();
            self.first += 1;
            self.since = Instant::now();
        }
        Ok(())
    }
}

/// Ends the connection when it is dropped.
struct Unfinished<'a, S: AsyncRead + AsyncWrite>(&'a Client<S>);

impl<S: AsyncRead + AsyncWrite> Drop for Unfinished<'_, S> {
    fn drop(&mut self) {
        self.0.end(ClientError::Interrupted);
    }
}
