//! Where the components of a graph stand in a picture: in layers from left to right, each behind all that feed it, with
//! few crossings. Pure.

/// A picture's nodes and edges, in pixels.
#[derive(Debug, PartialEq)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// The upper left corner of each node.
    pub(super) nodes: Vec<(f64, f64)>,
    /// For each edge, the points that it goes through, its ends included.
    pub(super) edges: Vec<Vec<(f64, f64)>>,
}

pub(super) const NODE_HEIGHT: f64 = 44.0;
const MARGIN: f64 = 16.0;
const ROW_GAP: f64 = 34.0;
/// Between two layers, besides the label of the widest edge between them.
const LAYER_GAP: f64 = 48.0;

/// Times that the layers are put in order by those before them, and by those behind.
const SWEEPS: usize = 4;

/// What stands in a layer: a node, or an edge that goes past.
struct Place {
    layer: usize,
    width: f64,
    feeders: Vec<usize>,
    readers: Vec<usize>,
}

/// Puts nodes of these widths in their places. `edges` have the numbers of two nodes and the width of a label.
pub(super) fn layout(widths: &[f64], edges: &[(usize, usize, f64)]) -> Layout {
    let layers = layers(widths.len(), edges);
    let mut places: Vec<Place> = widths
        .iter()
        .zip(&layers)
        .map(|(&width, &layer)| Place { layer, width, feeders: vec![], readers: vec![] })
        .collect();
    let chains: Vec<Vec<usize>> =
        edges.iter().map(|&(from, to, _)| chain(&mut places, from, to)).collect();
    let last = layers.iter().max().copied().unwrap_or(0);
    let order = ordered(&places, last);
    let labels = |layer: usize| {
        let of_layer = edges.iter().filter(|(from, ..)| layers[*from] == layer);
        of_layer.map(|(.., label)| *label).fold(0.0, f64::max)
    };
    let tallest = order.iter().map(Vec::len).max().unwrap_or(0);
    let rows = |count: usize| {
        let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        (count * (NODE_HEIGHT + ROW_GAP) - ROW_GAP).max(0.0)
    };
    let mut corners = vec![(0.0, 0.0); places.len()];
    let mut x = MARGIN;
    for (layer, members) in order.iter().enumerate() {
        let top = MARGIN + (rows(tallest) - rows(members.len())) / 2.0;
        for (row, &member) in members.iter().enumerate() {
            corners[member] = (x, top + rows(row) + if row > 0 { ROW_GAP } else { 0.0 });
        }
        let widest = members.iter().map(|&member| places[member].width).fold(0.0, f64::max);
        x += widest + if layer < last { LAYER_GAP + labels(layer) } else { MARGIN };
    }
    let middle = |place: usize| corners[place].1 + NODE_HEIGHT / 2.0;
    let points = |chain: &Vec<usize>| {
        let mut points = vec![(corners[chain[0]].0 + places[chain[0]].width, middle(chain[0]))];
        points.extend(chain[1..].iter().map(|&place| (corners[place].0, middle(place))));
        points
    };
    Layout {
        width: x,
        height: rows(tallest) + 2.0 * MARGIN,
        edges: chains.iter().map(points).collect(),
        nodes: corners[..widths.len()].to_vec(),
    }
}

/// For each node the length of the longest way to it. A cycle, which no topology that runs has, ends somewhere.
fn layers(nodes: usize, edges: &[(usize, usize, f64)]) -> Vec<usize> {
    let mut layers = vec![0; nodes];
    for _ in 0..nodes {
        for &(from, to, _) in edges {
            if from != to && layers[to] <= layers[from] && layers[from] + 1 < nodes {
                layers[to] = layers[from] + 1;
            }
        }
    }
    layers
}

/// Joins two nodes, by way of a place in each layer between them.
fn chain(places: &mut Vec<Place>, from: usize, to: usize) -> Vec<usize> {
    let mut chain = vec![from];
    for layer in places[from].layer + 1..places[to].layer {
        places.push(Place { layer, width: 0.0, feeders: vec![], readers: vec![] });
        chain.push(places.len() - 1);
    }
    chain.push(to);
    for pair in chain.windows(2) {
        places[pair[0]].readers.push(pair[1]);
        places[pair[1]].feeders.push(pair[0]);
    }
    chain
}

/// The members of each layer from top to bottom, each near the middle of its neighbours.
fn ordered(places: &[Place], last: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<Vec<usize>> = vec![Vec::new(); last + 1];
    for (number, place) in places.iter().enumerate() {
        order[place.layer].push(number);
    }
    let mut rows = vec![0.0; places.len()];
    let count = |order: &[Vec<usize>], rows: &mut Vec<f64>| {
        for members in order {
            let mut row = -f64::from(u32::try_from(members.len()).unwrap_or(u32::MAX)) / 2.0;
            for &member in members {
                rows[member] = row;
                row += 1.0;
            }
        }
    };
    count(&order, &mut rows);
    for sweep in 0..2 * SWEEPS {
        let forward = sweep % 2 == 0;
        for step in 0..=last {
            let layer = if forward { step } else { last - step };
            let wanted = |member: usize| {
                let place = &places[member];
                let neighbours = if forward { &place.feeders } else { &place.readers };
                match neighbours.len() {
                    0 => rows[member],
                    many => {
                        let sum: f64 = neighbours.iter().map(|&other| rows[other]).sum();
                        sum / f64::from(u32::try_from(many).unwrap_or(u32::MAX))
                    }
                }
            };
            let mut members: Vec<(f64, usize)> =
                order[layer].iter().map(|&member| (wanted(member), member)).collect();
            members.sort_by(|left, right| left.0.total_cmp(&right.0));
            order[layer] = members.into_iter().map(|(_, member)| member).collect();
            count(&order, &mut rows);
        }
    }
    order
}
