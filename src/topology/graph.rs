//! Directed graphs over numbered nodes: cycles, and an order in which every node comes after what feeds it.

/// For each node, the nodes that feed it.
pub(super) struct Graph {
    feeders: Vec<Vec<usize>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    OnPath,
    Done,
}

/// What a walk over the whole graph finds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Walk {
    /// Every node, after all that feed it; with cycles, as far as that can be.
    pub(super) order: Vec<usize>,
    /// The nodes of each cycle, along the flow.
    pub(super) cycles: Vec<Vec<usize>>,
}

impl Graph {
    /// A graph in which node `n` is fed by `feeders[n]`.
    pub(super) fn new(feeders: Vec<Vec<usize>>) -> Graph {
        Graph { feeders }
    }

    /// Visits every node once.
    pub(super) fn walk(&self) -> Walk {
        let mut walk = Walk::default();
        let mut marks = vec![Mark::New; self.feeders.len()];
        for node in 0..self.feeders.len() {
            self.visit(node, &mut marks, &mut Vec::new(), &mut walk);
        }
        walk
    }

    fn visit(&self, node: usize, marks: &mut [Mark], path: &mut Vec<usize>, walk: &mut Walk) {
        match marks[node] {
            Mark::Done => return,
            Mark::OnPath => {
                let start = path.iter().position(|&earlier| earlier == node).unwrap_or_default();
                // The path runs against the flow.
                walk.cycles.push(path[start..].iter().rev().copied().collect());
                return;
            }
            Mark::New => {}
        }
        marks[node] = Mark::OnPath;
        path.push(node);
        for &feeder in &self.feeders[node] {
            self.visit(feeder, marks, path, walk);
        }
        path.pop();
        marks[node] = Mark::Done;
        walk.order.push(node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(feeders: &[&[usize]], order: &[usize], cycles: &[&[usize]]) {
        let walk = Graph::new(feeders.iter().map(|of| of.to_vec()).collect()).walk();
        let cycles = cycles.iter().map(|cycle| cycle.to_vec()).collect();
        assert_eq!(walk, Walk { order: order.to_vec(), cycles });
    }

    #[test]
    fn feeders_come_first() {
        check(&[&[1], &[2], &[]], &[2, 1, 0], &[]);
        check(&[&[], &[0], &[0], &[1, 2]], &[0, 1, 2, 3], &[]);
    }

    #[test]
    fn cycles_are_found_along_the_flow() {
        check(&[&[2], &[0], &[1]], &[1, 2, 0], &[&[1, 2, 0]]);
        check(&[&[0]], &[0], &[&[0]]);
    }
}
