//! From a checked topology to components that are ready to run, joined by edges. Opens things; starts nothing.

use std::{
    fs::{DirBuilder, File},
    future::ready,
    num::NonZeroUsize,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use pipeline_core::{
    BuildError, Clock, ComponentId, ComponentKind, ComponentMetrics, DeadLetters, Inlet, Outlet,
    RunMode, Sink, SinkConfig, SinkContext, Source, SourceContext, Withdrawal, edge_to_sink,
};
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::{
    check::{Checked, Node},
    wire::{EDGE_BATCHES_MAX, metrics_of},
};
use crate::{
    buffer::{self, Buffer, DiskBuffer, LeftBehind, MemoryBuffer},
    config::{BufferConfig, BufferKind, Settings},
    live::Taps,
};

/// How long is waited for what a sink that has ended may still hold, and how often is looked.
const OPENING_TIMEOUT: Duration = Duration::from_secs(5);
const OPENING_INTERVAL: Duration = Duration::from_millis(50);

/// What a topology is built with.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The folder for all state.
    pub data_dir: PathBuf,
    /// Whether the sources end by themselves.
    pub mode: RunMode,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where events go that can never be delivered.
    pub dead_letters: Arc<dyn DeadLetters>,
    /// How many batches one chain of transforms works on side by side: the number of cores.
    pub workers_max: NonZeroUsize,
    /// Where events can be watched.
    pub taps: Taps,
    /// Who is told of components that are gone after a reload.
    pub farewell: Arc<dyn Farewell>,
}

/// Is told of components that are gone: nothing counts for them any more.
pub trait Farewell: std::fmt::Debug + Send + Sync {
    /// The component has ended, and the topology has none of this name.
    fn gone(&self, id: &ComponentId);
}

/// A topology that is ready to run.
pub struct Topology {
    pub(super) checked: Checked,
    pub(super) environment: Environment,
    pub(super) parts: Parts,
}

/// What of a topology is to be started.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) sources: Vec<(ComponentId, Box<dyn Source>)>,
    pub(super) sinks: Vec<BuiltSink>,
}

/// A sink with the edge in front of it.
pub(super) struct BuiltSink {
    pub(super) id: ComponentId,
    pub(super) opening: SinkOpening,
    pub(super) claims: Vec<PathBuf>,
    pub(super) inlet: Inlet,
    /// Leads to the sink, or to the buffer in front of it.
    pub(super) entry: Outlet,
    pub(super) buffer: Option<BuiltBuffer>,
    pub(super) withdrawal: Withdrawal,
}

/// A buffer between the edge that it reads and the one to its sink.
pub(super) struct BuiltBuffer {
    pub(super) opening: Opening,
    pub(super) inlet: Inlet,
    pub(super) outlet: Outlet,
}

/// A sink that is opened, or will be when it is started: another one may have what it needs until then.
pub(super) type SinkOpening = BoxFuture<'static, Result<Box<dyn Sink>, BuildError>>;

/// A buffer that is opened, or will be when it is started: a file can be used by one buffer at a time.
pub(super) type Opening = BoxFuture<'static, Result<Buffer, BuildError>>;

impl Topology {
    /// Builds every component of `checked`.
    pub async fn build(
        checked: Checked,
        environment: &Environment,
    ) -> Result<Topology, BuildError> {
        create_private_dir(&environment.data_dir)?;
        let builder = Builder { nodes: &checked.nodes, environment };
        let mut parts = Parts::default();
        for node in &checked.nodes {
            match node.declared.kind {
                ComponentKind::Source => {
                    parts.sources.extend(builder.source(&node.declared.id).await?);
                }
                ComponentKind::Sink => {
                    parts.sinks.push(builder.sink(node, SinkPlan::NOW).await?);
                }
                ComponentKind::Transform => {}
            }
        }
        builder.say_what_was_left_behind();
        Ok(Topology { environment: environment.clone(), parts, checked })
    }

    /// The transforms of each stage.
    #[cfg(test)]
    pub(super) fn stage_names(&self) -> Vec<String> {
        let entry = |sink: &BuiltSink| (sink.id.clone(), sink.entry.clone());
        let entries = self.parts.sinks.iter().map(entry).collect();
        let (between, _) = super::wire::wire(&self.checked.nodes, &self.environment, &entries);
        between.stages.iter().map(|(stage, _)| stage.name()).collect()
    }
}

/// What of a sink is opened, and when.
#[derive(Clone, Copy)]
pub(super) struct SinkPlan {
    pub(super) buffer: BufferPlan,
    /// Whether the sink is opened when it is started.
    pub(super) opens_later: bool,
}

impl SinkPlan {
    const NOW: SinkPlan = SinkPlan { buffer: BufferPlan::Open, opens_later: false };
}

/// What is done about the buffer in front of a sink.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BufferPlan {
    /// It is opened now.
    Open,
    /// It is opened when it is started, as another one has its file until then.
    OpenLater,
    /// There is one already, which stays.
    Keep,
}

/// Opens components.
pub(super) struct Builder<'a> {
    pub(super) nodes: &'a [Node],
    pub(super) environment: &'a Environment,
}

impl Builder<'_> {
    /// The source `id`, if there is one.
    pub(super) async fn source(
        &self,
        id: &ComponentId,
    ) -> Result<Option<(ComponentId, Box<dyn Source>)>, BuildError> {
        let is_it = |node: &&Node| node.declared.id == *id;
        let Some(node) = self.nodes.iter().find(is_it) else { return Ok(None) };
        let Some(Settings::Source(config)) = &node.declared.settings else { return Ok(None) };
        let source = config.build(self.source_context(node)?).await?;
        Ok(Some((id.clone(), source)))
    }

    /// A sink with the edges around it.
    pub(super) async fn sink(&self, node: &Node, plan: SinkPlan) -> Result<BuiltSink, BuildError> {
        let Some(Settings::Sink(config)) = &node.declared.settings else {
            unreachable!("a checked sink has the settings of one")
        };
        let (id, metrics) = (node.declared.id.clone(), metrics_of(node));
        let context = self.sink_context(node)?;
        let opening: SinkOpening = if plan.opens_later {
            Box::pin(open_patiently(Arc::clone(config), context))
        } else {
            Box::pin(ready(Ok(config.build(context).await?)))
        };
        let claims = config.claims();
        let spyhole = self.environment.taps.of(&id).input();
        let withdrawal = Withdrawal::default();
        let new_edge = |metrics: &ComponentMetrics| {
            edge_to_sink(EDGE_BATCHES_MAX, metrics, withdrawal.clone())
        };
        let Some(config) = node.declared.buffer.clone() else {
            let (entry, inlet) = new_edge(&metrics);
            let inlet = inlet.seen_through(spyhole);
            return Ok(BuiltSink { id, opening, claims, inlet, entry, buffer: None, withdrawal });
        };
        let (outlet, inlet) = new_edge(&metrics.without_buffer());
        let inlet = inlet.seen_through(spyhole);
        if plan.buffer == BufferPlan::Keep {
            let entry = outlet;
            return Ok(BuiltSink { id, opening, claims, inlet, entry, buffer: None, withdrawal });
        }
        let mut file = self.open_buffer(&id, config, metrics.clone());
        if plan.buffer == BufferPlan::Open {
            file = Box::pin(ready(Ok(file.await?)));
        }
        // What the sink gets, it gets from the buffer, which counts what waits.
        let (entry, buffer_inlet) = new_edge(&metrics.unseen());
        let buffer = Some(BuiltBuffer { opening: file, inlet: buffer_inlet, outlet });
        Ok(BuiltSink { id, opening, claims, inlet, entry, buffer, withdrawal })
    }

    fn open_buffer(
        &self,
        id: &ComponentId,
        config: BufferConfig,
        metrics: ComponentMetrics,
    ) -> Opening {
        let (id, clock) = (id.clone(), Arc::clone(&self.environment.clock));
        let path = buffer::file_of(&state_dir(&self.environment.data_dir, &id));
        Box::pin(async move {
            Ok(match config.kind {
                BufferKind::Memory => {
                    Buffer::Memory(Box::new(MemoryBuffer::new(&config, &metrics)))
                }
                BufferKind::Disk => {
                    let opened = DiskBuffer::open(&id, &path, &config, (&metrics, clock));
                    Buffer::Disk(Box::new(opened.await?))
                }
            })
        })
    }

    /// Warns of buffers on disk that belong to no sink that has one.
    pub(super) fn say_what_was_left_behind(&self) {
        let left = match buffer::left_behind(&self.environment.data_dir) {
            Ok(left) => left,
            Err(error) => {
                warn!(%error, "cannot look for buffers that were left behind");
                return;
            }
        };
        let has_buffer = |name: &str| {
            self.nodes.iter().map(|node| &node.declared).any(|declared| {
                let kind = declared.buffer.as_ref().map(|config| config.kind);
                *declared.id == *name && kind == Some(BufferKind::Disk)
            })
        };
        for LeftBehind { sink, path, events } in left {
            if !has_buffer(&sink) {
                warn!(
                    sink,
                    path = %path.display(),
                    events,
                    "a buffer on disk holds events, and no sink of this name has a buffer of type `disk`: they are not sent; \
                     declare the sink with its buffer again until it is empty, or remove the file to give them up"
                );
            }
        }
    }

    fn source_context(&self, node: &Node) -> Result<SourceContext, BuildError> {
        let id = node.declared.id.clone();
        Ok(SourceContext {
            data_dir: self.component_dir(&id)?,
            id,
            mode: self.environment.mode,
            clock: Arc::clone(&self.environment.clock),
            dead_letters: Arc::clone(&self.environment.dead_letters),
            metrics: metrics_of(node),
        })
    }

    fn sink_context(&self, node: &Node) -> Result<SinkContext, BuildError> {
        let id = node.declared.id.clone();
        Ok(SinkContext {
            data_dir: self.component_dir(&id)?,
            id,
            clock: Arc::clone(&self.environment.clock),
            dead_letters: Arc::clone(&self.environment.dead_letters),
            metrics: metrics_of(node),
        })
    }

    fn component_dir(&self, id: &ComponentId) -> Result<PathBuf, BuildError> {
        let dir = state_dir(&self.environment.data_dir, id);
        create_private_dir(&dir)?;
        // What will be acknowledged once it is in there must not go with the folder's name when the power fails.
        File::open(&self.environment.data_dir).and_then(|parent| parent.sync_all()).map_err(
            |error| {
                BuildError::new(format!("cannot sync the folder of `{}`", dir.display()), error)
            },
        )?;
        Ok(dir)
    }
}

/// Opens a sink that needs what another one had that has just ended: a call that blocks may still hold it.
async fn open_patiently(
    config: Arc<dyn SinkConfig>,
    context: SinkContext,
) -> Result<Box<dyn Sink>, BuildError> {
    let patience = Instant::now() + OPENING_TIMEOUT;
    loop {
        match config.build(context.clone()).await {
            Err(_) if Instant::now() < patience => sleep(OPENING_INTERVAL).await,
            opened => return opened,
        }
    }
}

/// The folder in `data_dir` that a component keeps its state in.
pub fn state_dir(data_dir: &Path, id: &ComponentId) -> PathBuf {
    data_dir.join(&**id)
}

/// Makes a folder that only the program's own user can enter: what lies in it is audit data.
pub fn create_private_dir(dir: &Path) -> Result<(), BuildError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| {
        BuildError::new(format!("cannot make the folder `{}`", dir.display()), error)
    })
}
