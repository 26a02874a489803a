//! The graph as a picture of its own: no script, no font, nothing from elsewhere. Light and dark as its viewer is set.

use std::fmt::Write;

use pipeline_core::ComponentKind;

use super::{
    Drawing, DrawnEdge, DrawnNode,
    layout::{NODE_HEIGHT, layout},
};

/// About the width of a letter of a name, and of a smaller one.
const LETTER_WIDTH: f64 = 8.2;
const SMALL_LETTER_WIDTH: f64 = 6.2;
const PADDING: f64 = 14.0;
const LINE_HEIGHT: f64 = 13.0;

const STYLE: &str = "\
text{font:14px ui-monospace,monospace;fill:#1b1f24}\
.small{font-size:10.5px;fill:#57606a}\
rect,path.drum{stroke:#57606a;stroke-width:1.2}\
.source{fill:#dff0d8}.transform{fill:#dbeafe}.sink{fill:#fde8d0}\
.edge{fill:none;stroke:#57606a;stroke-width:1.4}\
.head{fill:#57606a}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9da7b3}\
.source{fill:#1f3d24}.transform{fill:#1c3252}.sink{fill:#4a3015}\
rect,path.drum{stroke:#9da7b3}.edge{stroke:#9da7b3}.head{fill:#9da7b3}}";

/// Writes the picture.
pub(super) fn write(drawing: &Drawing) -> String {
    let widths: Vec<f64> = drawing.nodes.iter().map(node_width).collect();
    let edges: Vec<(usize, usize, f64)> =
        drawing.edges.iter().map(|edge| (edge.from, edge.to, label_width(edge))).collect();
    let layout = layout(&widths, &edges);
    let mut picture = Picture(String::new());
    let (width, height) = (layout.width.ceil(), layout.height.ceil());
    picture.add(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-labelledby=\"title\">\n<title id=\"title\">{}</title>\n<style>{STYLE}</style>\n\
         <defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
         orient=\"auto\"><path class=\"head\" d=\"M0 0L8 4L0 8z\"/></marker></defs>",
        escaped(&spoken(drawing))
    ));
    for (edge, points) in drawing.edges.iter().zip(&layout.edges) {
        picture.edge(edge, points);
    }
    for ((node, corner), width) in drawing.nodes.iter().zip(&layout.nodes).zip(&widths) {
        picture.node(node, *corner, *width);
    }
    picture.add(format_args!("</svg>"));
    picture.0
}

/// The graph for those who cannot see it.
fn spoken(drawing: &Drawing) -> String {
    let edges = drawing.edges.iter().map(|edge| {
        let port = if edge.port.is_empty() { String::new() } else { format!(".{}", edge.port) };
        format!("{}{port} to {}", drawing.nodes[edge.from].id, drawing.nodes[edge.to].id)
    });
    format!("Topology: {}", edges.collect::<Vec<_>>().join(", "))
}

fn node_width(node: &DrawnNode) -> f64 {
    let name = letters(&node.id) * LETTER_WIDTH;
    name.max(letters(&node.component_type) * SMALL_LETTER_WIDTH).max(60.0) + 2.0 * PADDING
}

fn label_width(edge: &DrawnEdge) -> f64 {
    let longest = edge.label().into_iter().map(letters).fold(0.0, f64::max);
    longest * SMALL_LETTER_WIDTH
}

fn letters(text: &str) -> f64 {
    f64::from(u32::try_from(text.chars().count()).unwrap_or(u32::MAX))
}

struct Picture(String);

impl Picture {
    fn add(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("a String takes all that is written to it");
    }

    fn node(&mut self, node: &DrawnNode, (x, y): (f64, f64), width: f64) {
        let class = node.kind.as_str();
        self.add(format_args!("<g>"));
        let kind = escaped(&node.component_type);
        self.add(format_args!("<title>{class} {} ({kind})</title>", escaped(&node.id)));
        match node.kind {
            ComponentKind::Sink => {
                // A drum, as stores are drawn.
                let (right, low, high) = (x + width, y + NODE_HEIGHT - 5.0, y + 5.0);
                let half = width / 2.0;
                self.add(format_args!(
                    "<path class=\"drum {class}\" d=\"M{x:.1} {high:.1}A{half:.1} 5 0 0 1 {right:.1} {high:.1}V{low:.1}\
                     A{half:.1} 5 0 0 1 {x:.1} {low:.1}zA{half:.1} 5 0 0 0 {right:.1} {high:.1}\"/>"
                ));
            }
            ComponentKind::Source | ComponentKind::Transform => {
                let radius = if node.kind == ComponentKind::Source { 22 } else { 6 };
                self.add(format_args!(
                    "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{NODE_HEIGHT}\" \
                     rx=\"{radius}\"/>"
                ));
            }
        }
        let middle = x + width / 2.0;
        let (first, second) = (y + 21.0, y + 35.0);
        let name = escaped(&node.id);
        self.add(format_args!(
            "<text x=\"{middle:.1}\" y=\"{first:.1}\" text-anchor=\"middle\">{name}</text>"
        ));
        self.add(format_args!(
            "<text class=\"small\" x=\"{middle:.1}\" y=\"{second:.1}\" text-anchor=\"middle\">{kind}</text>\n</g>"
        ));
    }

    fn edge(&mut self, edge: &DrawnEdge, points: &[(f64, f64)]) {
        let Some(((x, y), rest)) = points.split_first() else { return };
        let mut way = format!("M{x:.1} {y:.1}");
        let (mut x_before, mut y_before) = (*x, *y);
        for (x, y) in rest {
            let half = f64::midpoint(x_before, *x);
            write!(way, "C{half:.1} {y_before:.1} {half:.1} {y:.1} {x:.1} {y:.1}")
                .expect("a String takes all that is written to it");
            (x_before, y_before) = (*x, *y);
        }
        self.add(format_args!("<g>"));
        if let Some(carried) = &edge.carries {
            self.add(format_args!("<title>{}</title>", escaped(&carried.whole)));
        }
        self.add(format_args!("<path class=\"edge\" marker-end=\"url(#head)\" d=\"{way}\"/>"));
        let Some((x_next, y_next)) = rest.first() else { return };
        let (label_x, label_y) = (f64::midpoint(*x, *x_next), f64::midpoint(*y, *y_next));
        let label = edge.label();
        for (number, line) in label.iter().rev().enumerate() {
            let y = label_y - 5.0 - LINE_HEIGHT * letters_of(number);
            let line = escaped(line);
            self.add(format_args!(
                "<text class=\"small\" x=\"{label_x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{line}</text>"
            ));
        }
        self.add(format_args!("</g>"));
    }
}

fn letters_of(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// A text as XML holds it. What XML cannot hold is left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}
