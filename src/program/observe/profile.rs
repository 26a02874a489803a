//! Where the time of a program went.

use std::time::Duration;

use crate::program::Program;

/// What one statement cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Where it stands, with the first line of its text.
    pub statement: String,
    /// How often it ran.
    pub runs: u64,
    /// The time from its beginning to that of the next statement. What it calls is its own, the statements of its
    /// blocks are not.
    pub time: Duration,
}

/// The statements that ran of a program that was compiled to be observed, the dearest first.
pub fn profile(program: &Program) -> Vec<Cost> {
    let observations = program.observations();
    let statements = observations.iter().flat_map(|observations| &observations.statements);
    let mut costs: Vec<Cost> = statements
        .filter(|statement| statement.runs() > 0)
        .map(|statement| Cost {
            statement: program.show(statement.span),
            runs: statement.runs(),
            time: statement.time(),
        })
        .collect();
    costs.sort_by_key(|cost| std::cmp::Reverse(cost.time));
    costs
}
