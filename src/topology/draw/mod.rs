//! The graph as text that other programs draw, and as a picture.

mod layout;
mod svg;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use pipeline_core::{ComponentKind, DEFAULT_PORT};

use super::{check::Checked, kinds};
use crate::config::Declared;

/// A language that graphs are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DrawFormat {
    /// Graphviz.
    Dot,
    /// Mermaid, as Markdown viewers show it.
    Mermaid,
    /// A picture, as browsers show it.
    Svg,
}

/// A graph to be drawn.
pub(super) struct Drawing {
    nodes: Vec<DrawnNode>,
    edges: Vec<DrawnEdge>,
}

struct DrawnNode {
    id: String,
    component_type: String,
    kind: ComponentKind,
}

struct DrawnEdge {
    from: usize,
    to: usize,
    port: String,
    carries: Option<Carried>,
}

/// What passes an edge.
struct Carried {
    summary: String,
    whole: String,
}

impl DrawnEdge {
    /// What is written beside it, line by line.
    fn label(&self) -> Vec<&str> {
        let port = (self.port != DEFAULT_PORT).then_some(self.port.as_str());
        let carries = self.carries.as_ref().map(|carried| carried.summary.as_str());
        port.into_iter().chain(carries).collect()
    }
}

/// Writes the graph of `components`, which need not be right. Where it is known what passes the edges, that stands there.
pub fn draw(components: &[Declared], checked: Option<&Checked>, format: DrawFormat) -> String {
    let drawing = Drawing::new(components, checked);
    match format {
        DrawFormat::Dot => drawing.dot(),
        DrawFormat::Mermaid => drawing.mermaid(),
        DrawFormat::Svg => svg::write(&drawing),
    }
}

impl Drawing {
    fn new(components: &[Declared], checked: Option<&Checked>) -> Drawing {
        let node = |component: &Declared| DrawnNode {
            id: component.id.to_string(),
            component_type: component.component_type.clone(),
            kind: component.kind,
        };
        let mut edges = Vec::new();
        for (to, component) in components.iter().enumerate() {
            for input in &component.inputs {
                let (id, port) = input.split_once('.').unwrap_or((input, DEFAULT_PORT));
                if let Some(from) = components.iter().position(|other| *other.id == *id) {
                    let carries = checked.and_then(|checked| carried(checked, id, port));
                    edges.push(DrawnEdge { from, to, port: port.to_owned(), carries });
                }
            }
        }
        Drawing { nodes: components.iter().map(node).collect(), edges }
    }

    fn dot(&self) -> String {
        let mut text = "digraph o365flow {\n  rankdir=LR;\n".to_owned();
        for (number, node) in self.nodes.iter().enumerate() {
            let shape = match node.kind {
                ComponentKind::Source => "house",
                ComponentKind::Transform => "box",
                ComponentKind::Sink => "cylinder",
            };
            let label = format!("{}\\n{}", escaped(&node.id), escaped(&node.component_type));
            line(&mut text, format_args!("  n{number} [label=\"{label}\", shape={shape}];"));
        }
        for edge in &self.edges {
            let DrawnEdge { from, to, .. } = edge;
            let label: Vec<String> = edge.label().into_iter().map(escaped).collect();
            let label = label.join("\\n");
            let tooltip = edge.carries.as_ref().map(|carried| escaped(&carried.whole));
            let options = [("label", Some(label)), ("tooltip", tooltip)];
            let options = options.into_iter().filter_map(|(name, value)| {
                value.filter(|value| !value.is_empty()).map(|value| format!("{name}=\"{value}\""))
            });
            let options = options.collect::<Vec<_>>().join(", ");
            match options.as_str() {
                "" => line(&mut text, format_args!("  n{from} -> n{to};")),
                options => line(&mut text, format_args!("  n{from} -> n{to} [{options}];")),
            }
        }
        text.push_str("}\n");
        text
    }

    fn mermaid(&self) -> String {
        let mut text = "flowchart LR\n".to_owned();
        for (number, node) in self.nodes.iter().enumerate() {
            let label = format!("{}<br/>{}", escaped(&node.id), escaped(&node.component_type));
            match node.kind {
                ComponentKind::Source => {
                    line(&mut text, format_args!("  n{number}([\"{label}\"])"));
                }
                ComponentKind::Transform => {
                    line(&mut text, format_args!("  n{number}[\"{label}\"]"));
                }
                ComponentKind::Sink => line(&mut text, format_args!("  n{number}[(\"{label}\")]")),
            }
        }
        for edge in &self.edges {
            let DrawnEdge { from, to, .. } = edge;
            let label: Vec<String> = edge.label().into_iter().map(escaped).collect();
            match label.join("<br/>").as_str() {
                "" => line(&mut text, format_args!("  n{from} --> n{to}")),
                label => line(&mut text, format_args!("  n{from} -- \"{label}\" --> n{to}")),
            }
        }
        text
    }
}

fn carried(checked: &Checked, id: &str, port: &str) -> Option<Carried> {
    let kind = checked.leaves_by(id, port)?;
    Some(Carried { summary: kinds::summary(kind), whole: kinds::whole(kind) })
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a String takes all that is written to it");
}

fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "'")
}
