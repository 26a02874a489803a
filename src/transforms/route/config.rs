//! What a user writes with `type = "route"` and `type = "exclusive_route"`, and its check.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use pipeline_core::{
    DROPPED_PORT, Output, Prepared, Problem, TransformConfig, TransformContext, UNMATCHED_PORT,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Routes, Takers};
use crate::transforms::dropping::{condition, dropped_output};

/// Events leave by every port whose condition holds: by `NAME.PORT`, for the transform `NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The ports, each with its condition: a VRL program that changes nothing and ends with `true` or `false`. Where one
    /// fails, the event leaves by the port `dropped` as well.
    pub route: BTreeMap<String, String>,
    /// Whether events that no condition takes leave by the port `_unmatched`. With `false` they are dropped on purpose,
    /// which counts as delivered; so they are where nothing reads that port.
    #[serde(default = "yes")]
    pub reroute_unmatched: bool,
}

/// Events leave by the first port whose condition holds: by `NAME.PORT`, for the transform `NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExclusiveConfig {
    /// The ports, in the order in which they are asked.
    pub routes: Vec<ExclusiveRoute>,
    /// Whether events that no condition takes leave by the port `_unmatched`. With `false` they are dropped on purpose,
    /// which counts as delivered; so they are where nothing reads that port.
    #[serde(default = "yes")]
    pub reroute_unmatched: bool,
}

/// One port of an `exclusive_route`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExclusiveRoute {
    /// The port's name.
    pub name: String,
    /// Its condition: a VRL program that changes nothing and ends with `true` or `false`. Where it fails, the event leaves
    /// by the port `dropped`, and no other is asked.
    pub condition: String,
}

fn yes() -> bool {
    true
}

/// A port as declared.
struct Declared<'a> {
    name: &'a str,
    condition: &'a str,
    /// The options in which name and condition stand.
    name_key: String,
    condition_key: String,
}

impl TransformConfig for Config {
    fn ports(&self) -> Vec<String> {
        ports(self.route.keys(), self.reroute_unmatched)
    }

    fn has_default_port(&self) -> bool {
        false
    }

    fn prepare(&self, context: &TransformContext<'_>) -> Result<Prepared, Vec<Problem>> {
        let declared = self.route.iter().map(|(name, condition)| {
            let key = format!("route.{name}");
            Declared { name, condition, name_key: key.clone(), condition_key: key }
        });
        let declared: Vec<Declared<'_>> = declared.collect();
        prepare(&declared, ("route", Takers::All), self.reroute_unmatched, context)
    }
}

impl TransformConfig for ExclusiveConfig {
    fn ports(&self) -> Vec<String> {
        ports(self.routes.iter().map(|route| &route.name), self.reroute_unmatched)
    }

    fn has_default_port(&self) -> bool {
        false
    }

    fn prepare(&self, context: &TransformContext<'_>) -> Result<Prepared, Vec<Problem>> {
        let declared = self.routes.iter().enumerate().map(|(index, route)| Declared {
            name: &route.name,
            condition: &route.condition,
            name_key: format!("routes.{index}.name"),
            condition_key: format!("routes.{index}.condition"),
        });
        let declared: Vec<Declared<'_>> = declared.collect();
        prepare(&declared, ("routes", Takers::First), self.reroute_unmatched, context)
    }
}

fn ports<'a>(names: impl Iterator<Item = &'a String>, has_unmatched: bool) -> Vec<String> {
    let mut ports: Vec<String> = names.cloned().collect();
    ports.extend(has_unmatched.then(|| UNMATCHED_PORT.to_owned()));
    ports.push(DROPPED_PORT.to_owned());
    ports
}

fn prepare(
    declared: &[Declared<'_>],
    (option, takers): (&str, Takers),
    has_unmatched: bool,
    context: &TransformContext<'_>,
) -> Result<Prepared, Vec<Problem>> {
    let input = &context.input;
    let mut problems = wrong_names(declared, option);
    let (mut conditions, mut outputs, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for port in declared {
        match condition(&port.condition_key, port.condition, context, &mut warnings) {
            Ok(condition) => conditions.push(condition),
            Err(problem) => problems.push(problem),
        }
        outputs.push(Output::named(port.name, input.clone()));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    outputs.extend(has_unmatched.then(|| Output::named(UNMATCHED_PORT, input.clone())));
    outputs.push(dropped_output(input));
    let factory = Routes { id: Arc::clone(&context.id), conditions, takers, has_unmatched };
    Ok(Prepared { outputs, factory: Arc::new(factory), warnings, files: Vec::new() })
}

/// What is wrong with the ports' names.
fn wrong_names(declared: &[Declared<'_>], option: &str) -> Vec<Problem> {
    if declared.is_empty() {
        let problem = Problem::at(option, "there is no port");
        return vec![problem.fix("add one, with the condition of the events that leave by it")];
    }
    let (mut problems, mut seen) = (Vec::new(), BTreeSet::new());
    for port in declared {
        let name = port.name;
        let message = if name.is_empty() {
            "a port needs a name".to_owned()
        } else if name == UNMATCHED_PORT || name == DROPPED_PORT {
            format!("the port `{name}` is there already, for what the others do not take")
        } else if !seen.insert(name) {
            format!("there are two ports `{name}`")
        } else {
            continue;
        };
        problems.push(Problem::at(&port.name_key, message).fix("choose another name"));
    }
    problems
}
