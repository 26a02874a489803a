//! The transform `filter`: only events for which a condition holds go on.
//!
//! Invariant: an event is dropped only when the condition says no of it. One of which the condition cannot tell leaves
//! by the port `dropped`.

use std::sync::Arc;

use pipeline_core::{
    Batch, Clock, ComponentId, ComponentMetrics, DROPPED_PORT, Output, Outputs, Prepared, Problem,
    Transform, TransformConfig, TransformContext, TransformFactory,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dropping::{Dropping, condition, dropped_output};
use crate::program::{Condition, Judge};

/// Number of the default port.
const MAIN: usize = 0;

/// Number of the port `dropped`.
const DROPPED: usize = 1;

/// Only events for which a condition holds go on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The condition: a VRL program that changes nothing and ends with `true` or `false`. Where it is `false`, the event
    /// is dropped on purpose, which counts as delivered. Where it fails, the event leaves by the port `dropped`.
    pub condition: String,
}

impl TransformConfig for Config {
    fn ports(&self) -> Vec<String> {
        vec![DROPPED_PORT.to_owned()]
    }

    fn prepare(&self, context: &TransformContext<'_>) -> Result<Prepared, Vec<Problem>> {
        let (input, mut warnings) = (&context.input, Vec::new());
        let condition = condition("condition", &self.condition, context, &mut warnings)
            .map_err(|problem| vec![problem])?;
        let factory = Filter { id: Arc::clone(&context.id), condition };
        let outputs = vec![Output::main(input.clone()), dropped_output(input)];
        Ok(Prepared { outputs, factory: Arc::new(factory), warnings, files: Vec::new() })
    }
}

/// A checked filter, from which workers are made.
struct Filter {
    id: ComponentId,
    condition: Condition,
}

impl TransformFactory for Filter {
    fn worker(&self, metrics: &ComponentMetrics, _clock: &Arc<dyn Clock>) -> Box<dyn Transform> {
        let dropping = Dropping::new(&self.id, metrics);
        Box::new(Worker { judge: Judge::new(&self.condition), dropping })
    }
}

struct Worker {
    judge: Judge,
    dropping: Dropping,
}

impl Transform for Worker {
    fn transform(&mut self, batch: Batch, outputs: &mut Outputs) {
        for mut event in batch {
            match self.judge.holds(&mut event) {
                Ok(true) => outputs.push(MAIN, event),
                Ok(false) => self.dropping.filter(event),
                Err(failure) => {
                    self.dropping.count(&failure);
                    self.dropping.note(&mut event, failure);
                    outputs.push(DROPPED, event);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::transforms::testing::{Bench, problems};

    #[tokio::test]
    async fn only_events_for_which_the_condition_holds_go_on() {
        let bench = Bench::new::<Config>("condition = 'int!(.n) > 1 && %tenant != \"x\"'");
        let records = ["{\"n\":1}", "{\"n\":2}", "{\"n\":\"x\"}", "{}"];
        expect![[r#"
            > { "n": 2 }
            dropped> { "n": "x" } ("condition line 1: int!(.n): expected integer, got string")
            dropped> {  } ("condition line 1: int!(.n): expected integer, got null")
            FDDD"#]]
        .assert_eq(&bench.show(&records).await);
    }

    #[test]
    fn what_is_no_condition_is_a_problem_at_its_option() {
        expect!["condition: condition: the condition gives any, not true or false"]
            .assert_eq(&problems::<Config>("condition = '.n'"));
        expect!["condition: condition line 1: mutation of read-only value (E315)"]
            .assert_eq(&problems::<Config>("condition = '.n = true'"));
        expect!["condition: condition line 1: syntax error (E204)"]
            .assert_eq(&problems::<Config>("condition = '.n =='"));
    }
}
