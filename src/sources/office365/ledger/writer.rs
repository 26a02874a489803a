//! The thread that writes the ledger, so that no worker of the runtime waits for a disk.
//!
//! Invariant: a caller is answered only after the commit that holds its change. Changes that wait together are
//! committed together, which is what makes a commit that waits for the disk affordable.

use std::{
    io,
    thread::{self, JoinHandle},
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{LedgerError, store::Store};

/// Requests that wait for the thread. More than the source has futures that could ask is no use.
const QUEUE_MAX: usize = 1024;

/// Requests in one commit, so that the first of them is not kept waiting for long.
const COMMIT_MAX: usize = 256;

/// The thread, and the way to it.
#[derive(Debug)]
pub(super) struct Writer {
    /// Taken when the writer is dropped, which ends the thread.
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Gives `store` to a thread of its own.
    pub(super) fn start(store: Store) -> io::Result<Writer> {
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let thread =
            thread::Builder::new().name("ledger".to_owned()).spawn(move || serve(store, jobs))?;
        Ok(Writer { queue: Some(queue), thread: Some(thread) })
    }

    /// Has the thread do `work`, and gives its result once that is on disk.
    pub(super) async fn ask<T, F>(&self, work: F) -> Result<T, LedgerError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Request { work, done: None, reply });
        let queue = self.queue.as_ref().ok_or(LedgerError::Closed)?;
        queue.send(job).await.map_err(|_| LedgerError::Closed)?;
        answer.await.unwrap_or(Err(LedgerError::Closed))
    }
}

impl Drop for Writer {
    /// Waits for what was asked already, and for the file to be closed: whoever opens it next finds it free.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the ledger's thread has panicked");
        }
    }
}

/// Something asked of the thread. Can be run again when a commit that it shared has failed.
trait Job: Send {
    fn run(&mut self, db: &Connection) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, committed: rusqlite::Result<()>);
}

struct Request<T, F> {
    work: F,
    /// What the last run gave.
    done: Option<T>,
    reply: oneshot::Sender<Result<T, LedgerError>>,
}

impl<T, F> Job for Request<T, F>
where
    T: Send,
    F: FnMut(&Connection) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, db: &Connection) -> rusqlite::Result<()> {
        self.done = Some((self.work)(db)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: rusqlite::Result<()>) {
        let answer = match (committed, self.done) {
            (Ok(()), Some(done)) => Ok(done),
            (Ok(()), None) => Err(LedgerError::Closed),
            (Err(error), _) => Err(LedgerError::Storage(error)),
        };
        // A caller that no longer waits has been stopped; what it asked for is done all the same.
        drop(self.reply.send(answer));
    }
}

fn serve(mut store: Store, mut queue: mpsc::Receiver<Box<dyn Job>>) {
    let mut jobs = Vec::with_capacity(COMMIT_MAX);
    while queue.blocking_recv_many(&mut jobs, COMMIT_MAX) > 0 {
        let together = store.commit(|db| jobs.iter_mut().try_for_each(|job| job.run(db)));
        if together.is_ok() {
            jobs.drain(..).for_each(|job| job.answer(Ok(())));
        } else {
            // One at a time, so that a request that cannot be done does not fail its neighbours.
            for mut job in jobs.drain(..) {
                let alone = store.commit(|db| job.run(db));
                job.answer(alone);
            }
        }
    }
}
