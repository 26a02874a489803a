//! The running source: one loop that looks for files, reads chunks from them in turn, and notes what was delivered.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use pipeline_core::{
    BuildError, ErrorStage, Outlet, OutletClosed, RunError, RunMode, Shutdown, Source,
    SourceContext,
};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep_until},
};
use tracing::{error, info, warn};

use super::{
    checkpoints::{Checkpoint, Checkpoints, save},
    config::{Config, Mode},
    deliver::{Limits, Sender, Sent, Surroundings},
    identity::{Identity, Inode, state},
    read_error::ReadError,
    reader::{Place, Rules},
    tracked::Tracked,
    watch::{Findings, Found, find},
};

/// How long what was delivered may wait until the checkpoints are written.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// Files that are open at a time: each takes two of the descriptors that sinks and dead letters need as well.
const OPEN_MAX: usize = 100;

/// A source that is ready to run.
pub(super) struct FileSource {
    config: Config,
    context: SourceContext,
    checkpoints: Checkpoints,
    reached: HashMap<Inode, Checkpoint>,
}

impl FileSource {
    pub(super) fn open(config: Config, context: SourceContext) -> Result<FileSource, BuildError> {
        let opened = Checkpoints::open(&context.data_dir);
        let (checkpoints, reached) = opened.map_err(|error| {
            BuildError::new(format!("cannot start the source `{}`", context.id), error)
        })?;
        let reached = reached.into_iter().map(|it| (it.identity.inode, it)).collect();
        Ok(FileSource { config, context, checkpoints, reached })
    }
}

impl Source for FileSource {
    fn run(
        self: Box<Self>,
        outlet: Outlet,
        shutdown: Shutdown,
    ) -> BoxFuture<'static, Result<(), RunError>> {
        Box::pin(async move {
            let FileSource { config, context, checkpoints, reached } = *self;
            let limits = Limits {
                in_flight_bytes_max: config.max_in_flight_bytes,
                schema: config.schema,
                record_path: config.record_path.clone(),
            };
            let of = Surroundings { context: &context, outlet, shutdown: shutdown.clone() };
            let mut work = Work {
                sender: Arc::new(Sender::new(of, limits)),
                is_once: context.mode == RunMode::Once || config.mode == Mode::Once,
                config,
                context,
                reached,
                saved_at: Instant::now(),
                is_dirty: false,
                path: checkpoints.path(),
                files: BTreeMap::new(),
                looks_again: true,
                last: None,
                keys: 0,
                under_way: FuturesUnordered::new(),
                in_flight_bytes: 0,
                unsaved_bytes: 0,
                complained: Vec::new(),
            };
            let result = work.run(&shutdown).await;
            work.finish(&shutdown).await?;
            drop(checkpoints);
            result
        })
    }
}

/// A chunk that is on its way no more.
struct Ended {
    inode: Inode,
    key: u64,
    number: u64,
    bytes: usize,
    end: (Place, Identity),
    /// Whether it is done with, or has to be sent again after the next start.
    is_done: Result<bool, RunError>,
}

struct Work {
    sender: Arc<Sender>,
    config: Config,
    context: SourceContext,
    is_once: bool,
    reached: HashMap<Inode, Checkpoint>,
    saved_at: Instant,
    is_dirty: bool,
    /// Of the checkpoints.
    path: PathBuf,
    files: BTreeMap<Inode, Tracked>,
    /// Whether a run that ends by itself has to look for files: at the start, and for what has taken a name since.
    looks_again: bool,
    /// The file that was read last: the next one comes next.
    last: Option<Inode>,
    keys: u64,
    under_way: FuturesUnordered<BoxFuture<'static, Ended>>,
    in_flight_bytes: usize,
    /// Delivered since the checkpoints were written: what a kill now would repeat, besides what is on its way.
    unsaved_bytes: usize,
    /// Paths that could not be looked at.
    complained: Vec<PathBuf>,
}

impl Work {
    async fn run(&mut self, shutdown: &Shutdown) -> Result<(), RunError> {
        let mut look_at = Instant::now();
        while !shutdown.is_draining() {
            let is_due = if self.is_once { self.looks_again } else { Instant::now() >= look_at };
            if is_due {
                self.looks_again = false;
                self.look().await?;
                look_at = Instant::now() + self.config.poll_interval;
            }
            while let Some(Some(ended)) = self.under_way.next().now_or_never() {
                self.note(ended)?;
            }
            self.save_if_due().await;
            let has_room =
                self.under_way.is_empty() || self.in_flight_bytes < self.config.max_in_flight_bytes;
            if has_room && let Some(inode) = self.next_file() {
                self.read(inode, shutdown).await?;
                continue;
            }
            if self.is_once && self.under_way.is_empty() {
                return self.once_result();
            }
            tokio::select! {
                biased;
                () = shutdown.draining() => {}
                Some(ended) = self.under_way.next() => self.note(ended)?,
                () = sleep_until(look_at), if !self.is_once => {}
                () = sleep_until(self.saved_at + SAVE_INTERVAL), if self.is_dirty => {}
            }
        }
        Ok(())
    }

    /// Waits for what is on its way, and writes down how far everything is.
    async fn finish(&mut self, shutdown: &Shutdown) -> Result<(), RunError> {
        loop {
            tokio::select! {
                biased;
                ended = self.under_way.next() => match ended {
                    Some(ended) => self.note(ended)?,
                    None => break,
                },
                () = shutdown.abandoned() => break,
            }
        }
        self.save().await.map_err(|error| RunError::new("cannot write the checkpoints", error))
    }

    /// Files that could not be read are an error of a run that ends by itself.
    fn once_result(&self) -> Result<(), RunError> {
        let mut failed = self.files.values().filter_map(|file| file.failure.as_ref());
        match (failed.next().map(|failure| &failure.message), failed.count()) {
            (None, _) => Ok(()),
            (Some(first), 0) => Err(RunError::plain(first.clone())),
            (Some(first), more) => {
                Err(RunError::plain(format!("{first}, and {more} more files cannot be read")))
            }
        }
    }

    /// The next file, in turn, that may have more to read. At [`OPEN_MAX`] open ones it is one of them.
    fn next_file(&mut self) -> Option<Inode> {
        let opens = |file: &Tracked| file.is_due() && file.reader.is_none();
        if self.is_full() && self.files.values().any(opens) {
            self.files.values_mut().for_each(Tracked::put_away);
        }
        let is_full = self.is_full();
        let is_next = |file: &Tracked| file.is_due() && !(is_full && file.reader.is_none());
        let after =
            self.files.iter().filter(|(inode, _)| self.last.is_some_and(|last| **inode > last));
        let mut turn = after.chain(self.files.iter());
        turn.find(|(_, file)| is_next(file)).map(|(inode, _)| *inode)
    }

    fn is_full(&self) -> bool {
        self.files.values().filter(|file| file.reader.is_some()).count() >= OPEN_MAX
    }

    /// Looks which files there are, and which have changed.
    async fn look(&mut self) -> Result<(), RunError> {
        let (include, exclude) = (self.config.include.clone(), self.config.exclude.clone());
        let found = spawn_blocking(move || find(&include, &exclude)).await;
        let Findings { files, errors } =
            found.map_err(|error| RunError::new("looking for files failed", error))?;
        for (path, error) in &errors {
            if !self.complained.contains(path) {
                self.context.metrics.error("read_failed", ErrorStage::Receiving);
                warn!(component_id = &*self.context.id, path = %path.display(), %error, "cannot look at a file or folder");
            }
        }
        self.complained = errors.into_iter().map(|(path, _)| path).collect();
        let now = Instant::now();
        for file in self.files.values_mut() {
            file.is_listed = false;
        }
        for (inode, found) in files {
            self.found(inode, found, now);
        }
        for file in self.files.values_mut() {
            file.leave_if_quiet(now);
        }
        self.files.retain(|_, file| file.is_of_use());
        Ok(())
    }

    fn found(&mut self, inode: Inode, found: Found, now: Instant) {
        if let Some(checkpoint) = self.reached.get_mut(&inode) {
            checkpoint.seen = self.context.clock.now();
        }
        let state = state(&found.metadata);
        if let Some(file) = self.files.get_mut(&inode).filter(|file| !file.is_cut_short(state)) {
            file.found(found.path, state, now);
        } else {
            self.keys += 1;
            self.files.insert(inode, Tracked::new(self.keys, found.path, state, now));
        }
    }

    /// Reads a chunk of a file, and sends it.
    async fn read(&mut self, inode: Inode, shutdown: &Shutdown) -> Result<(), RunError> {
        self.last = Some(inode);
        let rules =
            Rules { format: self.config.format, record_bytes_max: self.config.record_bytes_max };
        let known = self.reached.get(&inode).cloned();
        let Some(file) = self.files.get_mut(&inode) else { return Ok(()) };
        let is_opened = file.reader.is_none();
        let task = file.task(inode, rules, known, self.is_once);
        let read = spawn_blocking(move || task.run()).await;
        let mut read = match read.map_err(|error| RunError::new("reading a file failed", error))? {
            Ok(read) => read,
            Err(error) => {
                self.fail(inode, &error);
                return Ok(());
            }
        };
        if read.is_replaced {
            // It is found as a new one.
            self.files.remove(&inode);
            self.looks_again = true;
            return Ok(());
        }
        if is_opened && let Some(reader) = &read.reader {
            info!(component_id = &*self.context.id, path = %reader.path.display(), records = reader.place().records, "reading a file");
        }
        let Some(chunk) = read.chunk.take() else {
            file.ended(read, self.is_once);
            return Ok(());
        };
        file.reader = read.reader;
        let (key, number) = (file.key, file.progress.start());
        let (sender, path) = (Arc::clone(&self.sender), file.path.clone());
        let Some(sent) = self.send(sender.send(&path, chunk.items), shutdown).await? else {
            return Ok(());
        };
        self.in_flight_bytes += chunk.bytes;
        let (bytes, end) = (chunk.bytes, (chunk.end, chunk.identity));
        self.under_way.push(Box::pin(async move {
            let is_done = sender.settle(sent).await;
            let is_done = is_done.map_err(|closed| RunError::new("cannot send", closed));
            Ended { inode, key, number, bytes, end, is_done }
        }));
        Ok(())
    }

    /// Waits until a chunk is sent. Nothing if there is no time for it any more.
    async fn send(
        &mut self,
        sending: impl Future<Output = Result<Sent, OutletClosed>>,
        shutdown: &Shutdown,
    ) -> Result<Option<Sent>, RunError> {
        let mut sending = pin!(sending);
        loop {
            tokio::select! {
                biased;
                () = shutdown.abandoned() => return Ok(None),
                // What is sent again may hold the memory that this waits for.
                Some(ended) = self.under_way.next() => self.note(ended)?,
                sent = &mut sending => {
                    return sent.map(Some).map_err(|closed| RunError::new("cannot send", closed));
                }
            }
        }
    }

    fn fail(&mut self, inode: Inode, failure: &ReadError) {
        let id = &*self.context.id;
        self.context.metrics.error("read_failed", ErrorStage::Receiving);
        error!(
            component_id = id,
            error = failure as &dyn std::error::Error,
            "a file cannot be read; it is tried again when that can be of use"
        );
        if let Some(file) = self.files.get_mut(&inode) {
            file.fail(failure, Instant::now());
        }
    }

    fn note(&mut self, ended: Ended) -> Result<(), RunError> {
        let Ended { inode, key, number, bytes, end, is_done } = ended;
        self.in_flight_bytes -= bytes;
        if !is_done? {
            return Ok(());
        }
        self.unsaved_bytes += bytes;
        let Some(file) = self.files.get_mut(&inode).filter(|file| file.key == key) else {
            return Ok(());
        };
        if let Some((place, identity)) = file.progress.done(number, end) {
            let (offset, records) = (place.offset, place.records);
            let (path, seen) = (file.path.clone(), self.context.clock.now());
            self.reached.insert(inode, Checkpoint { identity, path, offset, records, seen });
            self.is_dirty = true;
        }
        Ok(())
    }

    async fn save_if_due(&mut self) {
        let is_much = self.unsaved_bytes >= self.config.max_in_flight_bytes / 2;
        if self.is_dirty && (is_much || self.saved_at.elapsed() >= SAVE_INTERVAL) {
            // What could not be written is written with what comes next; until then more is repeated after a kill.
            if let Err(failure) = self.save().await {
                self.context.metrics.error("checkpoint_failed", ErrorStage::Processing);
                error!(
                    component_id = &*self.context.id,
                    error = &failure as &dyn std::error::Error,
                    "cannot write the checkpoints"
                );
                (self.saved_at, self.unsaved_bytes) = (Instant::now(), 0);
            }
        }
    }

    async fn save(&mut self) -> std::io::Result<()> {
        if !self.is_dirty {
            return Ok(());
        }
        let (path, now) = (self.path.clone(), self.context.clock.now());
        let files: Vec<Checkpoint> = self.reached.values().cloned().collect();
        spawn_blocking(move || save(&path, files, now)).await.map_err(std::io::Error::other)??;
        (self.is_dirty, self.saved_at, self.unsaved_bytes) = (false, Instant::now(), 0);
        Ok(())
    }
}
