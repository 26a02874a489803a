//! Joins the components of a checked topology by edges: what lies between its sources and the edges in front of its
//! sinks. Opens nothing and starts nothing.

use std::{collections::HashMap, num::NonZeroUsize, sync::Arc};

use pipeline_core::{
    ComponentId, ComponentKind, ComponentMetrics, Inlet, Outlet, UNMATCHED_PORT, edge,
};

use super::{
    build::Environment,
    check::{Node, PortRef},
    dead_letter_reader::DeadLetterReader,
    left_out::LeftOutReader,
    stage::{Exit, Stage, Step},
};

/// Batches that wait on one edge. Few on purpose: a slow sink must slow the source, not fill the memory.
pub(super) const EDGE_BATCHES_MAX: NonZeroUsize = NonZeroUsize::new(4).expect("4 is not 0");

/// What lies between sources and sinks, ready to run.
#[derive(Default)]
pub(super) struct Between {
    pub(super) stages: Vec<(Stage, Inlet)>,
    pub(super) dead_letter_readers: Vec<(DeadLetterReader, Inlet)>,
    pub(super) left_out_readers: Vec<(LeftOutReader, Inlet)>,
}

/// Joins `nodes`, where `sinks` has the edge in front of each sink. Gives what lies between, and where each source sends
/// its events.
pub(super) fn wire(
    nodes: &[Node],
    environment: &Environment,
    sinks: &HashMap<ComponentId, Outlet>,
) -> (Between, HashMap<ComponentId, Outlet>) {
    let mut wiring = Wiring::new(nodes, environment, sinks);
    let mut sources = HashMap::new();
    for (number, node) in nodes.iter().enumerate() {
        match node.declared.kind {
            ComponentKind::Source => {
                let id = &node.declared.id;
                let spyhole = environment.taps.of(id).output(&node.outputs[0].port);
                sources.insert(id.clone(), wiring.outlet(number, 0).seen_through(spyhole));
            }
            ComponentKind::Transform => {
                if let Some(inlet) = wiring.inlets.remove(&number) {
                    let stage = wiring.stage(number);
                    wiring.between.stages.push((stage, inlet));
                }
            }
            ComponentKind::Sink => {}
        }
    }
    (wiring.between, sources)
}

/// The counters of a component.
pub(super) fn metrics_of(node: &Node) -> ComponentMetrics {
    let declared = &node.declared;
    ComponentMetrics::new(declared.kind, &declared.component_type, &declared.id)
}

struct Wiring<'a> {
    nodes: &'a [Node],
    environment: &'a Environment,
    metrics: Vec<ComponentMetrics>,
    readers: HashMap<PortRef, Vec<usize>>,
    /// The edge in front of each node that has one: sinks, and the first transform of every chain.
    outlets: HashMap<usize, Outlet>,
    /// Where the first transform of every chain takes its events.
    inlets: HashMap<usize, Inlet>,
    between: Between,
}

impl<'a> Wiring<'a> {
    fn new(
        nodes: &'a [Node],
        environment: &'a Environment,
        sinks: &HashMap<ComponentId, Outlet>,
    ) -> Wiring<'a> {
        let mut readers: HashMap<PortRef, Vec<usize>> = HashMap::new();
        for (number, node) in nodes.iter().enumerate() {
            for &input in &node.inputs {
                readers.entry(input).or_default().push(number);
            }
        }
        let mut wiring = Wiring {
            nodes,
            environment,
            metrics: nodes.iter().map(metrics_of).collect(),
            readers,
            outlets: HashMap::new(),
            inlets: HashMap::new(),
            between: Between::default(),
        };
        let fused: Vec<usize> = nodes
            .iter()
            .enumerate()
            .flat_map(|(node, it)| (0..it.outputs.len()).map(move |port| PortRef { node, port }))
            .filter_map(|port| wiring.next_step(port))
            .collect();
        for (number, node) in nodes.iter().enumerate() {
            match node.declared.kind {
                ComponentKind::Transform if !fused.contains(&number) => {
                    let (outlet, inlet) = edge(EDGE_BATCHES_MAX, &wiring.metrics[number]);
                    wiring.outlets.insert(number, outlet);
                    wiring.inlets.insert(number, inlet);
                }
                ComponentKind::Sink => {
                    let entry = sinks.get(&node.declared.id);
                    wiring.outlets.extend(entry.map(|entry| (number, entry.clone())));
                }
                ComponentKind::Source | ComponentKind::Transform => {}
            }
        }
        wiring
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
        self.between.left_out_readers.push((reader, inlet));
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
        self.between.dead_letter_readers.push((reader, inlet));
        outlet
    }
}
