//! What a user writes under `[[tests]]`: events for transforms, and what has to come out. The words are Vector's.
//!
//! Tests are no options: a topology that runs does not look at them.

use std::collections::BTreeMap;

use pipeline_core::Problem;
use schemars::JsonSchema;
use serde::Deserialize;
use vrl::value::ObjectMap;

use super::{
    fault::Fault,
    read,
    tree::{Entry, Node, Value},
};

/// A test of a topology's transforms.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestCase {
    /// What it is called.
    pub name: String,
    /// The event that goes in, where it is one.
    pub input: Option<TestInput>,
    /// The events that go in, in their order.
    #[serde(default)]
    pub inputs: Vec<TestInput>,
    /// What has to come out.
    #[serde(default)]
    pub outputs: Vec<TestOutput>,
    /// Outputs by which nothing may leave.
    #[serde(default)]
    pub no_outputs_from: Vec<String>,
}

/// An event that goes in.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestInput {
    /// The transform that gets it.
    pub insert_at: String,
    /// How the event is given.
    #[serde(default, rename = "type")]
    pub kind: InputKind,
    /// Its fields, with `type = "log"`.
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
    pub log_fields: Option<ObjectMap>,
    /// A JSON object, with `type = "log"` or `"raw"`.
    pub value: Option<String>,
    /// A program that makes it of an empty event, with `type = "vrl"`.
    pub source: Option<String>,
}

/// How an event is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// By its fields, or as JSON text.
    #[default]
    Log,
    /// As JSON text.
    Raw,
    /// By a program.
    Vrl,
}

/// What has to come out.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestOutput {
    /// The output: a transform, or `transform.port`.
    pub extract_from: OneOrMany,
    /// What has to hold for one event that leaves there. None: that there is one.
    #[serde(default)]
    pub conditions: Vec<TestCondition>,
}

/// A name, or several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// The names.
    pub fn names(&self) -> &[String] {
        match self {
            OneOrMany::One(name) => std::slice::from_ref(name),
            OneOrMany::Many(names) => names,
        }
    }
}

/// What has to hold for an event.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestCondition {
    /// The language.
    #[serde(default, rename = "type")]
    pub kind: ConditionKind,
    /// A program that gives `true`, or in which an `assert` fails.
    pub source: String,
}

/// The language of a condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConditionKind {
    /// VRL.
    #[default]
    Vrl,
}

/// A test at its place.
#[derive(Clone, Debug)]
pub struct DeclaredTest {
    /// What it says.
    pub case: TestCase,
    node: Node,
}

impl DeclaredTest {
    /// Turns a problem of this test's into a fault at its line.
    pub fn fault(&self, problem: Problem) -> Fault {
        let mut fault = self.node.fault(problem);
        fault.message = format!("test `{}`: {}", self.case.name, fault.message);
        fault
    }
}

/// Reads what stands under `tests`.
pub(super) fn read_tests(entry: Entry, faults: &mut Vec<Fault>) -> Vec<DeclaredTest> {
    let Value::Array(items) = entry.node.value else {
        let fault = Fault::at(&entry.key_span, "`tests` has to be an array of tables");
        faults.push(fault.fix("write `[[tests]]`"));
        return Vec::new();
    };
    let mut tests = Vec::new();
    for node in items {
        if let Some(case) = read::read(&node, faults) {
            tests.push(DeclaredTest { case, node });
        }
    }
    tests
}
