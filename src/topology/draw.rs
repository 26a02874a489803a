//! The graph as text that other programs draw.

use std::fmt::Write;

use pipeline_core::ComponentKind;

use crate::config::Declared;

/// A language that graphs are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DrawFormat {
    /// Graphviz.
    Dot,
    /// Mermaid, as Markdown viewers show it.
    Mermaid,
}

/// Writes the graph of `components`, which need not be right.
pub fn draw(components: &[Declared], format: DrawFormat) -> String {
    let mut text = match format {
        DrawFormat::Dot => "digraph o365flow {\n  rankdir=LR;\n".to_owned(),
        DrawFormat::Mermaid => "flowchart LR\n".to_owned(),
    };
    for (number, component) in components.iter().enumerate() {
        write_node(&mut text, number, component, format);
    }
    for (number, component) in components.iter().enumerate() {
        for input in &component.inputs {
            let (id, port) = input.split_once('.').unwrap_or((input, ""));
            if let Some(feeder) = components.iter().position(|other| *other.id == *id) {
                write_edge(&mut text, (feeder, number), port, format);
            }
        }
    }
    if format == DrawFormat::Dot {
        text.push_str("}\n");
    }
    text
}

fn write_node(text: &mut String, number: usize, component: &Declared, format: DrawFormat) {
    let label = format!("{}\\n{}", escaped(&component.id), escaped(&component.component_type));
    let written = match (format, component.kind) {
        (DrawFormat::Dot, ComponentKind::Source) => {
            writeln!(text, "  n{number} [label=\"{label}\", shape=house];")
        }
        (DrawFormat::Dot, ComponentKind::Transform) => {
            writeln!(text, "  n{number} [label=\"{label}\", shape=box];")
        }
        (DrawFormat::Dot, ComponentKind::Sink) => {
            writeln!(text, "  n{number} [label=\"{label}\", shape=cylinder];")
        }
        (DrawFormat::Mermaid, kind) => {
            let label = label.replace("\\n", "<br/>");
            match kind {
                ComponentKind::Source => writeln!(text, "  n{number}([\"{label}\"])"),
                ComponentKind::Transform => writeln!(text, "  n{number}[\"{label}\"]"),
                ComponentKind::Sink => writeln!(text, "  n{number}[(\"{label}\")]"),
            }
        }
    };
    written.expect("a String takes all that is written to it");
}

fn write_edge(text: &mut String, (from, to): (usize, usize), port: &str, format: DrawFormat) {
    let written = match (format, escaped(port).as_str()) {
        (DrawFormat::Dot, "") => writeln!(text, "  n{from} -> n{to};"),
        (DrawFormat::Dot, port) => writeln!(text, "  n{from} -> n{to} [label=\"{port}\"];"),
        (DrawFormat::Mermaid, "") => writeln!(text, "  n{from} --> n{to}"),
        (DrawFormat::Mermaid, port) => writeln!(text, "  n{from} -- \"{port}\" --> n{to}"),
    };
    written.expect("a String takes all that is written to it");
}

fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "'")
}
