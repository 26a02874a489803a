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
    progress::Progress,
    reader::{Chunk, Place, ReadError, Reader, Rules},
    watch::{Findings, Found, find},
};

/// How often the checkpoints are written, at most.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// A file that has not grown for so long ends where it ends: its last line needs no line feed.
const QUIET: Duration = Duration::from_mins(1);

/// A file that has not grown for so long is closed until it does.
const KEPT_OPEN: Duration = Duration::from_mins(10);

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
                last: None,
                keys: 0,
                under_way: FuturesUnordered::new(),
                in_flight_bytes: 0,
                complained: Vec::new(),
            };
            let result = work.run(&shutdown).await;
            work.finish(&shutdown).await?;
            drop(checkpoints);
            result
        })
    }
}

/// A file at work.
struct Tracked {
    /// Tells it from an earlier one with the same inode.
    key: u64,
    path: PathBuf,
    /// Taken while a chunk is read.
    reader: Option<Reader>,
    progress: Progress,
    /// Whether everything was read when the file was in the state `state`.
    is_at_end: bool,
    state: (u64, i64, i64),
    changed: Instant,
    /// Whether what stands at its end was taken for whole.
    is_closed_off: bool,
    is_listed: bool,
    /// Whether it was the same when it was looked at before.
    is_stable: bool,
    /// Whether it is read once it is stable.
    waits: bool,
    /// Why it cannot be read, as long as it stays in `state`.
    failure: Option<String>,
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
    /// The file that was read last: the next one comes next.
    last: Option<Inode>,
    keys: u64,
    under_way: FuturesUnordered<BoxFuture<'static, Ended>>,
    in_flight_bytes: usize,
    /// Paths that could not be looked at.
    complained: Vec<PathBuf>,
}

impl Work {
    async fn run(&mut self, shutdown: &Shutdown) -> Result<(), RunError> {
        let mut look_at = Instant::now();
        let mut has_looked = false;
        while !shutdown.is_draining() {
            if Instant::now() >= look_at && !(self.is_once && has_looked) {
                self.look().await?;
                has_looked = true;
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
        match (failed.next(), failed.count()) {
            (None, _) => Ok(()),
            (Some(first), 0) => Err(RunError::plain(first.clone())),
            (Some(first), more) => {
                Err(RunError::plain(format!("{first}, and {more} more files cannot be read")))
            }
        }
    }

    /// The next file, in turn, that may have more to read.
    fn next_file(&self) -> Option<Inode> {
        let has_more = |file: &Tracked| !file.is_at_end && file.failure.is_none();
        let after =
            self.files.iter().filter(|(inode, _)| self.last.is_some_and(|last| **inode > last));
        let mut turn = after.chain(self.files.iter());
        turn.find(|(_, file)| has_more(file)).map(|(inode, _)| *inode)
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
        self.leave_quiet_files(now);
        Ok(())
    }

    fn found(&mut self, inode: Inode, found: Found, now: Instant) {
        if let Some(checkpoint) = self.reached.get_mut(&inode) {
            checkpoint.seen = self.context.clock.now();
        }
        let state = state(&found.metadata);
        let known = self.files.get_mut(&inode).filter(|file| {
            let read = file.reader.as_ref().and_then(Reader::bytes_read);
            // Cut short, as by `copytruncate`: what is there now is another file.
            read.is_none_or(|read| read <= state.0)
        });
        let Some(file) = known else {
            self.keys += 1;
            let file = Tracked {
                key: self.keys,
                path: found.path,
                reader: None,
                progress: Progress::default(),
                is_at_end: false,
                state,
                changed: now,
                is_closed_off: false,
                is_listed: true,
                is_stable: false,
                waits: false,
                failure: None,
            };
            self.files.insert(inode, file);
            return;
        };
        file.path = found.path;
        file.is_listed = true;
        file.is_stable = file.state == state;
        if !file.is_stable {
            (file.state, file.changed) = (state, now);
            (file.is_at_end, file.is_closed_off, file.failure) = (false, false, None);
        } else if file.waits {
            (file.is_at_end, file.waits) = (false, false);
        }
    }

    /// Takes what stands at the end of quiet files for whole, and closes them after a while.
    fn leave_quiet_files(&mut self, now: Instant) {
        for file in self.files.values_mut().filter(|file| file.is_at_end) {
            let quiet = now.duration_since(file.changed);
            if quiet >= QUIET && !file.is_closed_off && file.reader.is_some() {
                (file.is_closed_off, file.is_at_end) = (true, false);
            }
            let is_done = file.is_at_end && file.progress.is_idle();
            if is_done && quiet >= KEPT_OPEN {
                file.reader = None;
            }
        }
        self.files.retain(|_, file| {
            file.is_listed
                || !file.progress.is_idle()
                || (file.reader.is_some() && file.failure.is_none())
        });
    }

    /// Reads a chunk of a file, and sends it.
    async fn read(&mut self, inode: Inode, shutdown: &Shutdown) -> Result<(), RunError> {
        self.last = Some(inode);
        let rules =
            Rules { format: self.config.format, record_bytes_max: self.config.record_bytes_max };
        let known = self.reached.get(&inode).cloned();
        let Some(file) = self.files.get_mut(&inode) else { return Ok(()) };
        let (path, reader) = (file.path.clone(), file.reader.take());
        let is_opened = reader.is_none();
        let task = Task {
            reader,
            path,
            rules,
            known,
            is_whole: self.is_once || file.is_closed_off,
            is_stable: self.is_once || file.is_stable,
        };
        let read = spawn_blocking(move || task.run()).await;
        let read = match read.map_err(|error| RunError::new("reading a file failed", error))? {
            Ok(read) => read,
            Err(error) => {
                self.fail(inode, &error);
                return Ok(());
            }
        };
        if read.is_replaced {
            // It is found as a new one.
            self.files.remove(&inode);
            return Ok(());
        }
        if is_opened && let Some(reader) = &read.reader {
            info!(component_id = &*self.context.id, path = %reader.path.display(), records = reader.place().records, "reading a file");
        }
        file.reader = read.reader;
        let Some(chunk) = read.chunk else {
            file.is_at_end = true;
            file.waits = read.waits;
            file.state = read.state.unwrap_or(file.state);
            let grows = file.reader.as_ref().is_some_and(|reader| reader.bytes_read().is_some());
            if self.is_once || !grows {
                file.reader = None;
            }
            return Ok(());
        };
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
            "a file cannot be read, until it changes"
        );
        if let Some(file) = self.files.get_mut(&inode) {
            file.failure = Some(failure.to_string());
            file.reader = None;
        }
    }

    fn note(&mut self, ended: Ended) -> Result<(), RunError> {
        let Ended { inode, key, number, bytes, end, is_done } = ended;
        self.in_flight_bytes -= bytes;
        if !is_done? {
            return Ok(());
        }
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
        if self.is_dirty && self.saved_at.elapsed() >= SAVE_INTERVAL {
            // What could not be written is written with what comes next; until then more is repeated after a kill.
            if let Err(failure) = self.save().await {
                self.context.metrics.error("checkpoint_failed", ErrorStage::Processing);
                error!(
                    component_id = &*self.context.id,
                    error = &failure as &dyn std::error::Error,
                    "cannot write the checkpoints"
                );
                self.saved_at = Instant::now();
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
        (self.is_dirty, self.saved_at) = (false, Instant::now());
        Ok(())
    }
}

/// What a chunk is read with.
struct Task {
    /// Nothing if the file has to be opened.
    reader: Option<Reader>,
    path: PathBuf,
    rules: Rules,
    /// How far it was delivered when it was read last.
    known: Option<Checkpoint>,
    /// Whether nothing will be added to the file.
    is_whole: bool,
    /// Whether it was the same when it was looked at before.
    is_stable: bool,
}

/// What came of it.
#[derive(Default)]
struct Outcome {
    reader: Option<Reader>,
    /// The file's state from before, so that what is written meanwhile is seen later.
    state: Option<(u64, i64, i64)>,
    /// Nothing at the end of the file.
    chunk: Option<Chunk>,
    /// The file can only be read as a whole, and may not be complete yet.
    waits: bool,
    /// Something else was written into the file.
    is_replaced: bool,
}

impl Task {
    fn run(self) -> Result<Outcome, ReadError> {
        let reader = match self.reader {
            Some(reader) if !reader.is_same_file()? => {
                return Ok(Outcome { is_replaced: true, ..Outcome::default() });
            }
            Some(reader) => Some(reader),
            None => Reader::open(&self.path, self.rules, |file| {
                let Some(known) = &self.known else { return Ok(None) };
                let place = Place { offset: known.offset, records: known.records };
                Ok(known.identity.is(file)?.then_some(place))
            })?,
        };
        let Some(mut reader) = reader else { return Ok(Outcome::default()) };
        let state = reader.file().metadata().map(|metadata| state(&metadata)).ok();
        let can_grow = reader.bytes_read().is_some();
        if !can_grow && !self.is_stable {
            return Ok(Outcome { state, waits: true, ..Outcome::default() });
        }
        let chunk = reader.next_chunk(self.is_whole || !can_grow)?;
        Ok(Outcome { reader: Some(reader), state, chunk, ..Outcome::default() })
    }
}
