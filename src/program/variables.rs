//! The variables of a session that a statement names, so that they can be put back if it fails.
//!
//! VRL lets nobody look at variables from outside: programs of our own read and write them.

use vrl::{
    compiler::{
        CompileConfig, Program, TargetValue, TimeZone, TypeState, compile_with_state,
        runtime::Runtime, state::ExternalEnv,
    },
    value::{Kind, ObjectMap, Secrets, Value},
};

/// Where the values are while they are put back.
const VALUES: &str = "values";

/// Variables and their values.
#[derive(Debug)]
pub(super) struct Variables {
    names: Vec<String>,
    values: Value,
}

impl Variables {
    /// Those that `text` names, of all that `types` knows.
    pub(super) fn of(text: &str, types: &TypeState, runtime: &mut Runtime) -> Variables {
        let mut names: Vec<&str> =
            text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_')).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| compiled(name, types).is_some_and(|_| is_variable(name)));
        let list = format!("[{}]", names.join(", "));
        let values = compiled(&list, types).map(|program| run(&program, Value::Null, runtime));
        let names = names.into_iter().map(str::to_owned).collect();
        Variables { names, values: values.unwrap_or(Value::Null) }
    }

    /// Gives all of them the values that they had.
    pub(super) fn put_back(self, types: &TypeState, runtime: &mut Runtime) {
        let assign = |(index, name)| format!("{name} = .{VALUES}[{index}]");
        let statements: Vec<String> = self.names.iter().enumerate().map(assign).collect();
        if let Some(program) = compiled(&statements.join("\n"), types) {
            run(&program, self.values, runtime);
        }
    }
}

/// Whether a word that compiles is no literal.
fn is_variable(word: &str) -> bool {
    let starts_as_one = word.starts_with(|first: char| first.is_alphabetic() || first == '_');
    starts_as_one && !["null", "true", "false"].contains(&word)
}

/// A program that knows the variables, and nothing of the event.
fn compiled(text: &str, types: &TypeState) -> Option<Program> {
    let external = ExternalEnv::new_with_kind(Kind::any(), Kind::any());
    let types = TypeState { local: types.local.clone(), external };
    let mut config = CompileConfig::default();
    config.disable_unused_expression_check();
    let compiled = compile_with_state(text, &[], &types, config);
    compiled.ok().map(|compiled| compiled.program)
}

/// What `program` says of an event that holds `values`.
fn run(program: &Program, values: Value, runtime: &mut Runtime) -> Value {
    let mut target = TargetValue {
        value: Value::Object(ObjectMap::from([(VALUES.into(), values)])),
        metadata: Value::Object(ObjectMap::new()),
        secrets: Secrets::default(),
    };
    // Programs of nothing but variables and paths do not fail.
    runtime.resolve(&mut target, program, &TimeZone::default()).unwrap_or(Value::Null)
}
