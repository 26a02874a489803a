use proptest::prelude::*;

use super::{layout::layout, svg, *};

fn node(id: &str, kind: ComponentKind) -> DrawnNode {
    DrawnNode { id: id.to_owned(), component_type: format!("<{id}>"), kind }
}

fn drawing() -> Drawing {
    let edge = |from, to, port: &str, carries: Option<&str>| DrawnEdge {
        from,
        to,
        port: port.to_owned(),
        carries: carries.map(|summary| Carried {
            summary: summary.to_owned(),
            whole: format!("all of \"{summary}\""),
        }),
    };
    Drawing {
        nodes: vec![
            node("office365", ComponentKind::Source),
            node("map", ComponentKind::Transform),
            node("elastic", ComponentKind::Sink),
            node("letters", ComponentKind::Sink),
        ],
        edges: vec![
            edge(0, 1, "", Some("{Id: string, …}")),
            edge(1, 2, "", None),
            edge(1, 3, "dropped", Some("{Id: string, …}")),
        ],
    }
}

#[test]
fn edges_say_what_passes_them_in_every_language() {
    let drawing = drawing();
    let dot = drawing.dot();
    let whole = "[label=\"{Id: string, …}\", tooltip=\"all of '{Id: string, …}'\"];";
    assert!(dot.contains(&format!("n0 -> n1 {whole}")), "{dot}");
    assert!(dot.contains("  n1 -> n2;\n"), "{dot}");
    assert!(dot.contains("n1 -> n3 [label=\"dropped\\n{Id: string, …}\""), "{dot}");
    let mermaid = drawing.mermaid();
    assert!(mermaid.contains("n0 -- \"{Id: string, …}\" --> n1"), "{mermaid}");
    assert!(mermaid.contains("n1 --> n2"), "{mermaid}");
    let svg = svg::write(&drawing);
    for part in [
        "Topology: office365 to map, map to elastic, map.dropped to letters",
        "<title>all of &quot;{Id: string, …}&quot;</title>",
        ">dropped</text>",
        "&lt;office365&gt;",
    ] {
        assert!(svg.contains(part), "{part} is not in {svg}");
    }
}

/// Any graph without cycles.
fn graph() -> impl Strategy<Value = (usize, Vec<(usize, usize, f64)>)> {
    (1_usize..20).prop_flat_map(|nodes| {
        let edge = (0..nodes, 0..nodes, 0.0..200.0_f64);
        let edges = prop::collection::vec(edge, 0..40).prop_map(|edges| {
            edges
                .into_iter()
                .filter(|(from, to, _)| from != to)
                .map(|(from, to, label)| (from.min(to), from.max(to), label))
                .collect()
        });
        (Just(nodes), edges)
    })
}

proptest! {
    #[test]
    fn nodes_stand_apart_and_behind_what_feeds_them((nodes, edges) in graph()) {
        let widths = vec![100.0; nodes];
        let layout = layout(&widths, &edges);
        for (number, (x, y)) in layout.nodes.iter().enumerate() {
            prop_assert!(*x >= 0.0 && *y >= 0.0);
            prop_assert!(x + 100.0 <= layout.width && y + layout::NODE_HEIGHT <= layout.height);
            for (other_x, other_y) in &layout.nodes[number + 1..] {
                let apart = (x - other_x).abs() >= 100.0 || (y - other_y).abs() > layout::NODE_HEIGHT;
                prop_assert!(apart);
            }
        }
        for ((from, to, label), points) in edges.iter().zip(&layout.edges) {
            prop_assert!(layout.nodes[*from].0 + 100.0 + label <= layout.nodes[*to].0);
            prop_assert!(points.len() >= 2);
        }
    }
}
