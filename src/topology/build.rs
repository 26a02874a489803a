//! From a checked topology to components that are ready to run, joined by edges. Opens things; starts nothing.

use std::{
    collections::HashMap,
    fs::{DirBuilder, File},
    num::NonZeroUsize,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use pipeline_core::{
    BuildError, Clock, ComponentId, ComponentKind, ComponentMetrics, DeadLetters, Inlet, Outlet,
    RunMode, Sink, SinkContext, Source, SourceContext, UNMATCHED_PORT, edge,
};
use tracing::warn;

use super::{
    check::{Checked, Node, PortRef},
    dead_letter_reader::DeadLetterReader,
    left_out::LeftOutReader,
    stage::{Exit, Stage, Step},
};
use crate::{
    buffer::{self, Buffer, DiskBuffer, LeftBehind, MemoryBuffer},
    config::{BufferKind, Settings},
    live::Taps,
};

/// Batches that wait on one edge. Few on purpose: a slow sink must slow the source, not fill the memory.
const EDGE_BATCHES_MAX: NonZeroUsize = NonZeroUsize::new(4).expect("4 is not 0");

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
}

/// A topology that is ready to run.
pub struct Topology {
    pub(super) sources: Vec<(ComponentId, Box<dyn Source>, Outlet)>,
    pub(super) stages: Vec<(Stage, Inlet)>,
    pub(super) sinks: Vec<BuiltSink>,
    pub(super) buffers: Vec<BuiltBuffer>,
    pub(super) dead_letter_readers: Vec<(DeadLetterReader, Inlet)>,
    pub(super) left_out_readers: Vec<(LeftOutReader, Inlet)>,
}

/// A sink with the edge in front of it.
pub(super) struct BuiltSink {
    pub(super) id: ComponentId,
    pub(super) sink: Box<dyn Sink>,
    pub(super) inlet: Inlet,
}

/// A buffer between the edge that it reads and the one to its sink.
pub(super) struct BuiltBuffer {
    pub(super) sink: ComponentId,
    pub(super) buffer: Buffer,
    pub(super) inlet: Inlet,
    pub(super) outlet: Outlet,
}

impl Topology {
    /// Builds every component of `checked`.
    pub async fn build(
        checked: Checked,
        environment: &Environment,
    ) -> Result<Topology, BuildError> {
        create_private_dir(&environment.data_dir)?;
        let mut builder = Builder::new(&checked.nodes, environment);
        let mut topology = Topology {
            sources: vec![],
            stages: vec![],
            sinks: vec![],
            buffers: vec![],
            dead_letter_readers: vec![],
            left_out_readers: vec![],
        };
        for (number, node) in checked.nodes.iter().enumerate() {
            let id = node.declared.id.clone();
            match &node.declared.settings {
                Some(Settings::Source(config)) => {
                    let source = config.build(builder.source_context(number)?).await?;
                    let spyhole = environment.taps.of(&id).output(&node.outputs[0].port);
                    let outlet = builder.outlet(number, 0).seen_through(spyhole);
                    topology.sources.push((id, source, outlet));
                }
                Some(Settings::Transform(_)) => {
                    if let Some(inlet) = builder.inlets.remove(&number) {
                        topology.stages.push((builder.stage(number), inlet));
                    }
                }
                Some(Settings::Sink(config)) => {
                    let sink = config.build(builder.sink_context(number)?).await?;
                    let (inlet, buffer) = builder.sink_edge(number).await?;
                    let inlet = inlet.seen_through(environment.taps.of(&id).input());
                    topology.sinks.push(BuiltSink { id, sink, inlet });
                    topology.buffers.extend(buffer);
                }
                None => unreachable!("a topology with unread settings is not checked"),
            }
        }
        builder.say_what_was_left_behind();
        topology.dead_letter_readers = builder.dead_letter_readers;
        topology.left_out_readers = builder.left_out_readers;
        Ok(topology)
    }
}

struct Builder<'a> {
    nodes: &'a [Node],
    environment: &'a Environment,
    metrics: Vec<ComponentMetrics>,
    readers: HashMap<PortRef, Vec<usize>>,
    /// The edge in front of each node that has one: sinks, and the first transform of every chain.
    outlets: HashMap<usize, Outlet>,
    inlets: HashMap<usize, Inlet>,
    dead_letter_readers: Vec<(DeadLetterReader, Inlet)>,
    left_out_readers: Vec<(LeftOutReader, Inlet)>,
}

impl<'a> Builder<'a> {
    fn new(nodes: &'a [Node], environment: &'a Environment) -> Builder<'a> {
        let metrics_of = |node: &Node| {
            let declared = &node.declared;
            ComponentMetrics::new(declared.kind, &declared.component_type, &declared.id)
        };
        let mut readers: HashMap<PortRef, Vec<usize>> = HashMap::new();
        for (number, node) in nodes.iter().enumerate() {
            for &input in &node.inputs {
                readers.entry(input).or_default().push(number);
            }
        }
        let mut builder = Builder {
            nodes,
            environment,
            metrics: nodes.iter().map(metrics_of).collect(),
            readers,
            outlets: HashMap::new(),
            inlets: HashMap::new(),
            dead_letter_readers: Vec::new(),
            left_out_readers: Vec::new(),
        };
        let fused: Vec<usize> = nodes
            .iter()
            .enumerate()
            .flat_map(|(node, it)| (0..it.outputs.len()).map(move |port| PortRef { node, port }))
            .filter_map(|port| builder.next_step(port))
            .collect();
        for (number, node) in nodes.iter().enumerate() {
            if node.declared.kind != ComponentKind::Source && !fused.contains(&number) {
                let metrics = &builder.metrics[number];
                let (outlet, inlet) = match node.declared.buffer {
                    // What the sink gets, it gets from the buffer, which counts what waits.
                    Some(_) => edge(EDGE_BATCHES_MAX, &metrics.unseen()),
                    None => edge(EDGE_BATCHES_MAX, metrics),
                };
                builder.outlets.insert(number, outlet);
                builder.inlets.insert(number, inlet);
            }
        }
        builder
    }

    /// The transform that can be fused behind a transform's port: its only reader, and fed by nothing else.
    fn next_step(&self, port: PortRef) -> Option<usize> {
        if self.nodes[port.node].declared.kind != ComponentKind::Transform {
            return None;
        }
        let &[next] = self.readers.get(&port)?.as_slice() else { return None };
        let next_node = &self.nodes[next];
        (next_node.declared.kind == ComponentKind::Transform && next_node.inputs.len() == 1)
            .then_some(next)
    }

    fn stage(&mut self, first: usize) -> Stage {
        let mut steps = Vec::new();
        // The nodes of the steps: each comes after the one that feeds it.
        let mut numbers = vec![first];
        while let Some(&node) = numbers.get(steps.len()) {
            let mut exits = Vec::new();
            for port in 0..self.nodes[node].outputs.len() {
                exits.push(match self.next_step(PortRef { node, port }) {
                    Some(next) => {
                        numbers.push(next);
                        let writer = self.writer(node, port);
                        Exit::Step { number: numbers.len() - 1, writer }
                    }
                    None if self.is_discarded(node, port) => Exit::Discard,
                    None => Exit::Outlet(self.outlet(node, port)),
                });
            }
            let prepared =
                self.nodes[node].prepared.as_ref().expect("a checked transform is prepared");
            steps.push(Step {
                id: self.nodes[node].declared.id.clone(),
                factory: Arc::clone(&prepared.factory),
                metrics: self.metrics[node].clone(),
                tap: self.environment.taps.of(&self.nodes[node].declared.id).of_transform(),
                ports: self.port_names(node),
                exits,
            });
        }
        Stage::new(steps, Arc::clone(&self.environment.clock), self.environment.workers_max)
    }

    fn port_names(&self, node: usize) -> Vec<String> {
        self.nodes[node].outputs.iter().map(|output| output.port.clone()).collect()
    }

    fn is_discarded(&self, node: usize, port: usize) -> bool {
        self.nodes[node].outputs[port].port == UNMATCHED_PORT
            && !self.readers.contains_key(&PortRef { node, port })
    }

    /// The counters of what leaves by a port.
    fn writer(&self, node: usize, port: usize) -> ComponentMetrics {
        self.metrics[node].of_output(&self.nodes[node].outputs[port].port)
    }

    /// Where a port leads. What a `dropped` port lets out goes to the dead letters if nobody reads it.
    fn outlet(&mut self, node: usize, port: usize) -> Outlet {
        let readers = self.readers.get(&PortRef { node, port }).cloned().unwrap_or_default();
        if self.nodes[node].left_out.contains(&port) {
            return self.left_out_edge(node);
        }
        if readers.is_empty() {
            // What is kept as dead letters counts as discarded, not as sent.
            return self.dead_letter_edge(node);
        }
        let outlets: Vec<Outlet> =
            readers.iter().map(|reader| self.outlets[reader].clone()).collect();
        Outlet::fan_out(&outlets, &self.writer(node, port))
    }

    fn left_out_edge(&mut self, node: usize) -> Outlet {
        let id = self.nodes[node].declared.id.clone();
        let reader_id: ComponentId = format!("{id}.left_out").into();
        let reader_metrics = ComponentMetrics::new(ComponentKind::Sink, "left_out", &reader_id);
        let (outlet, inlet) = edge(EDGE_BATCHES_MAX, &reader_metrics);
        let reader = LeftOutReader { id, metrics: self.metrics[node].clone() };
        self.left_out_readers.push((reader, inlet));
        outlet
    }

    fn dead_letter_edge(&mut self, node: usize) -> Outlet {
        let id = &self.nodes[node].declared.id;
        let reader_id: ComponentId = format!("{id}.dropped").into();
        let reader_metrics = ComponentMetrics::new(ComponentKind::Sink, "dead_letters", &reader_id);
        let (outlet, inlet) = edge(EDGE_BATCHES_MAX, &reader_metrics);
        let reader = DeadLetterReader {
            id: id.clone(),
            dead_letters: Arc::clone(&self.environment.dead_letters),
            clock: Arc::clone(&self.environment.clock),
            metrics: self.metrics[node].clone(),
        };
        self.dead_letter_readers.push((reader, inlet));
        outlet
    }

    /// The edge that a sink reads, and the buffer that leads to it, if there is one.
    async fn sink_edge(
        &mut self,
        number: usize,
    ) -> Result<(Inlet, Option<BuiltBuffer>), BuildError> {
        let declared = &self.nodes[number].declared;
        let metrics = &self.metrics[number];
        let inlet = self.inlets.remove(&number).expect("every sink has an edge in front of it");
        let path = buffer::file_of(&state_dir(&self.environment.data_dir, &declared.id));
        let clock = Arc::clone(&self.environment.clock);
        let Some(config) = &declared.buffer else {
            return Ok((inlet, None));
        };
        let buffer = match config.kind {
            BufferKind::Memory => Buffer::Memory(Box::new(MemoryBuffer::new(config, metrics))),
            BufferKind::Disk => {
                let opened = DiskBuffer::open(&declared.id, &path, config, (metrics, clock));
                Buffer::Disk(Box::new(opened.await?))
            }
        };
        let (outlet, sink_inlet) = edge(EDGE_BATCHES_MAX, &metrics.without_buffer());
        let built = BuiltBuffer { sink: declared.id.clone(), buffer, inlet, outlet };
        Ok((sink_inlet, Some(built)))
    }

    /// Warns of buffers on disk that belong to no sink that has one.
    fn say_what_was_left_behind(&self) {
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

    fn source_context(&self, number: usize) -> Result<SourceContext, BuildError> {
        let id = self.nodes[number].declared.id.clone();
        Ok(SourceContext {
            data_dir: self.component_dir(&id)?,
            id,
            mode: self.environment.mode,
            clock: Arc::clone(&self.environment.clock),
            dead_letters: Arc::clone(&self.environment.dead_letters),
            metrics: self.metrics[number].clone(),
        })
    }

    fn sink_context(&self, number: usize) -> Result<SinkContext, BuildError> {
        let id = self.nodes[number].declared.id.clone();
        Ok(SinkContext {
            data_dir: self.component_dir(&id)?,
            id,
            clock: Arc::clone(&self.environment.clock),
            dead_letters: Arc::clone(&self.environment.dead_letters),
            metrics: self.metrics[number].clone(),
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
