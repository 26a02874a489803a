//! Do the fields that sinks need reach them?

use pipeline_core::{Fit, Need, Problem, Schema, SinkConfig};
use vrl::value::Kind;

use super::{Checker, PortRef};

impl Checker<'_> {
    /// Warns of fields that a sink should have and need not.
    pub(super) fn check_hopes(
        &mut self,
        node: usize,
        sink: &dyn SinkConfig,
        schemas: &[(PortRef, Schema)],
    ) {
        for hope in sink.hopes() {
            for (input, schema) in schemas {
                if hope.fit(&schema.event) == Fit::Always {
                    continue;
                }
                let (feeder, path) = (&self.components[input.node].id, &hope.path);
                let message = format!(
                    "not every event of `{feeder}` has `{path}` as {}, which whoever receives them makes up then",
                    wanted(&hope)
                );
                let warning =
                    Problem::at(hope.option, message).fix(format!("set `.{path}` in a remap"));
                self.warnings.push(self.components[node].fault(warning));
            }
        }
    }

    pub(super) fn check_needs(
        &mut self,
        node: usize,
        sink: &dyn SinkConfig,
        schemas: &[(PortRef, Schema)],
    ) {
        for need in sink.needs() {
            for (input, schema) in schemas {
                let feeder = &self.components[input.node].id;
                let path = &need.path;
                match need.fit(&schema.event) {
                    Fit::Always => {}
                    Fit::Sometimes => {
                        let message = format!(
                            "not every event of `{feeder}` has `{path}` as {}",
                            wanted(&need)
                        );
                        let warning = Problem::at(need.option, message);
                        let warning = warning.fix(
                            "events without it will go to the dead letters; set it in a remap",
                        );
                        self.warnings.push(self.components[node].fault(warning));
                    }
                    Fit::Never => {
                        let message = format!(
                            "needs `{path}`, and nothing on the way through `{feeder}` sets it"
                        );
                        let problem = Problem::at(need.option, message);
                        self.report(
                            node,
                            problem.fix(format!(
                                "set `.{path}` in a remap, or set another `{}`",
                                need.option
                            )),
                        );
                    }
                    Fit::WrongKind => {
                        let message = format!(
                            "needs `{path}` as {}, and `{feeder}` sets it as something else",
                            wanted(&need)
                        );
                        let problem = Problem::at(need.option, message);
                        self.report(
                            node,
                            problem.fix("convert it in a remap, as with `to_string`"),
                        );
                    }
                }
            }
        }
    }
}

fn wanted(need: &Need) -> String {
    if need.kind == Kind::bytes() { "a string".to_owned() } else { need.kind.to_string() }
}
