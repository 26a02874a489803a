use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use expect_test::{Expect, expect};
use pipeline_core::{
    BuildError, Need, Output, Schema, SinkConfig, SinkContext, Source, SourceConfig, SourceContext,
};
use vrl::{
    path::parse_value_path,
    value::{Kind, kind::Collection},
};

use super::*;
use crate::{
    config::{self, RegistryEntry, Settings, fault::SourceFile},
    transforms::{remap, route},
};

/// A source whose events have an `Id`.
#[derive(Debug)]
struct Ids;

impl SourceConfig for Ids {
    fn outputs(&self) -> Vec<Output> {
        let known = [("Id".into(), Kind::bytes()), ("Count".into(), Kind::integer())].into();
        let event = Kind::object(Collection::from_parts(known, Kind::any()));
        vec![Output::main(Schema { event, metadata: Kind::any_object() })]
    }

    fn build(
        &self,
        _: SourceContext,
    ) -> futures_util::future::BoxFuture<'_, Result<Box<dyn Source>, BuildError>> {
        unreachable!("a check builds nothing")
    }
}

/// A sink that needs `event.id`.
#[derive(Debug)]
struct Keyed;

impl SinkConfig for Keyed {
    fn needs(&self) -> Vec<Need> {
        vec![Need {
            path: parse_value_path("event.id").expect("a path"),
            kind: Kind::bytes(),
            option: "id_field",
        }]
    }

    fn build(
        &self,
        _: SinkContext,
    ) -> futures_util::future::BoxFuture<'_, Result<Box<dyn pipeline_core::Sink>, BuildError>> {
        unreachable!("a check builds nothing")
    }
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

const REGISTRY: &[RegistryEntry] = &[
    RegistryEntry {
        name: "ids",
        kind: ComponentKind::Source,
        schema: |_| schemars::Schema::default(),
        read: |node, faults| {
            config::read_settings::<Empty>(node, faults)
                .map(|Empty {}| Settings::Source(Box::new(Ids)))
        },
    },
    RegistryEntry {
        name: "remap",
        kind: ComponentKind::Transform,
        schema: |_| schemars::Schema::default(),
        read: |node, faults| {
            config::read_settings::<remap::Config>(node, faults)
                .map(|config| Settings::Transform(Box::new(config)))
        },
    },
    RegistryEntry {
        name: "route",
        kind: ComponentKind::Transform,
        schema: |_| schemars::Schema::default(),
        read: |node, faults| {
            config::read_settings::<route::ExclusiveConfig>(node, faults)
                .map(|config| Settings::Transform(Box::new(config)))
        },
    },
    RegistryEntry {
        name: "keyed",
        kind: ComponentKind::Sink,
        schema: |_| schemars::Schema::default(),
        read: |node, faults| {
            config::read_settings::<Empty>(node, faults)
                .map(|Empty {}| Settings::Sink(std::sync::Arc::new(Keyed)))
        },
    },
];

/// Checks a configuration and shows its faults, or its warnings.
#[expect(clippy::needless_pass_by_value, reason = "so that a test reads well")]
fn check_text(text: &str, expected: Expect) {
    let file = Arc::new(SourceFile { path: PathBuf::from("t.toml"), text: text.to_owned() });
    let (config, mut faults) = config::parse(&[file], REGISTRY, &|_| None);
    let no_file = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
    let warnings = match check(config.components, Means::files(&no_file)) {
        Ok(checked) => checked.warnings,
        Err(more) => {
            faults.extend(more);
            Vec::new()
        }
    };
    let errors = faults.iter().map(|fault| format!("error: {fault}"));
    let shown: Vec<String> =
        errors.chain(warnings.iter().map(|fault| format!("warning: {fault}"))).collect();
    expected.assert_eq(&shown.join("\n"));
}

const RIGHT: &str = r#"
[sources.ids]
type = "ids"
[transforms.ecs]
type = "remap"
inputs = ["ids"]
source = ".event.id = .Id"
[sinks.out]
type = "keyed"
inputs = ["ecs"]
"#;

#[test]
fn a_right_topology_has_no_faults() {
    check_text(RIGHT, expect![[""]]);
}

#[test]
fn a_field_that_nothing_sets_is_found_for_each_input() {
    check_text(
        &RIGHT.replace(r#"["ecs"]"#, r#"["ecs", "ids"]"#),
        expect![[r#"
        error: t.toml:8:8: sink `out`: needs `event.id`, and nothing on the way through `ids` sets it
          fix: set `.event.id` in a remap, or set another `id_field`"#]],
    );
    check_text(
        &RIGHT.replace(".event.id = .Id", ".event.id = .Count"),
        expect![[r#"
        error: t.toml:8:8: sink `out`: needs `event.id` as a string, and `ecs` sets it as something else
          fix: convert it in a remap, as with `to_string`"#]],
    );
    check_text(
        &RIGHT.replace(".event.id = .Id", "if .Count == 1 { .event.id = .Id }"),
        expect![[r#"
            warning: t.toml:8:8: sink `out`: not every event of `ecs` has `event.id` as a string
              fix: events without it will go to the dead letters; set it in a remap"#]],
    );
}

#[test]
fn kinds_travel_through_programs() {
    let chained = r#"
[sources.ids]
type = "ids"
[transforms.first]
type = "remap"
inputs = ["ids"]
source = ".number = length(.Id)"
[transforms.second]
type = "remap"
inputs = ["first"]
source = ".event.id = to_string(.number)\n.wrong = downcase(.number)"
[sinks.out]
type = "keyed"
inputs = ["second"]
"#;
    check_text(
        chained,
        expect![[r#"
        error: t.toml:11:1: transform `second`: source line 2: invalid argument type (E110)
            error[E110]: invalid argument type
              ┌─ source:2:19
              │
            2 │ .wrong = downcase(.number)
              │                   ^^^^^^^
              │                   │
              │                   this expression resolves to the exact type integer
              │                   but the parameter "value" expects the exact type string
              │
              = try: ensuring an appropriate type at runtime
              =
              =     .number = string!(.number)
              =     downcase(.number)
              =
              = try: coercing to an appropriate type and specifying a default value as a fallback in case coercion fails
              =
              =     .number = to_string(.number) ?? "default"
              =     downcase(.number)
              =
              = see documentation about error handling at https://errors.vrl.dev/#handling
              = learn more about error code 110 at https://errors.vrl.dev/110
              = see language documentation at https://vrl.dev
              = try your code in the VRL REPL, learn more at https://vrl.dev/examples"#]],
    );
}

#[test]
fn all_faults_of_a_graph_are_found_at_once() {
    let broken = r#"
[sources.ids]
type = "ids"
[sources.unread]
type = "ids"
[transforms.a]
type = "remap"
inputs = ["b", "idz"]
source = ".x = 1"
[transforms.b]
type = "remap"
inputs = ["a", "a", "ids.port"]
source = ".y = nonsense("
[transforms.c]
type = "remapp"
inputs = ["ids"]
[sinks.out]
type = "keyed"
inputs = ["c.anything", "out2"]
colour = "red"
[sinks.out2]
type = "keyed"
[sinks.ids]
type = "keyed"
"#;
    check_text(
        broken,
        expect![[r#"
        error: t.toml:15:8: there is no transform of type `remapp`
          fix: did you mean `remap`?
        error: t.toml:20:1: unknown option `colour`
          fix: remove it: there are no options here
        error: t.toml:21:8: sink `out2` has no inputs
          fix: add `inputs = ["…"]` with the names of the components that feed it
        error: t.toml:23:8: there is a component `ids` already, at t.toml:2:10
          fix: give one of them another name
        error: t.toml:8:16: transform `a`: there is no component `idz`
          fix: did you mean `ids`?
        error: t.toml:12:16: transform `b`: `a` is listed twice, so its events would arrive twice
          fix: remove one of them
        error: t.toml:12:21: transform `b`: there is no output `ids.port`
          fix: its outputs are: ids
        error: t.toml:19:25: sink `out`: `out2` is a sink; nothing leaves it
          fix: name a source or a transform
        error: t.toml:12:1: transform `b`: feeds itself: b → a → b
          fix: remove one of these components from the inputs of the next
        error: t.toml:4:10: source `unread`: nothing reads `unread`: its events have nowhere to go
          fix: add `"unread"` to the inputs of a sink
        error: t.toml:13:1: transform `b`: source line 1: syntax error (E204)
            error[E204]: syntax error
              ┌─ source:1:15
              │
            1 │ .y = nonsense(
              │               ^
              │
              │               unexpected end of program
              │               expected one of: "identifier", "string literal", "raw string literal", "integer literal", "float literal", "regex literal", "timestamp literal", "function call", "reserved identifier", "path literal", "if", "else", "null", "true", "false", "abort", "return", "break", "\n", "!", "[", "{", "(", ")"
              │
              = see language documentation at https://vrl.dev
              = try your code in the VRL REPL, learn more at https://vrl.dev/examples"#]],
    );
}

#[test]
fn a_topology_needs_a_source_and_a_sink() {
    check_text(
        "",
        expect![[r#"
        error: the configuration has no source
          fix: add a table `[sources.name]`
        error: the configuration has no sink
          fix: add a table `[sinks.name]`"#]],
    );
}

const ROUTED: &str = r#"
[sources.ids]
type = "ids"
[transforms.by]
type = "route"
inputs = ["ids"]
[[transforms.by.routes]]
name = "one"
condition = ".Count == 1"
[transforms.ecs]
type = "remap"
inputs = ["by.one"]
source = ".event.id = .Id"
[sinks.out]
type = "keyed"
inputs = ["ecs"]
"#;

#[test]
fn a_route_has_its_ports_and_no_default_one() {
    check_text(
        ROUTED,
        expect![[r#"
        warning: t.toml:4:13: transform `by`: nothing reads `by._unmatched`: its events are dropped
          fix: add `"by._unmatched"` to the inputs of a sink, or set `reroute_unmatched = false`"#]],
    );
    check_text(
        &ROUTED.replace("by.one", "by"),
        expect![[r#"
        error: t.toml:12:11: transform `ecs`: there is no output `by`
          fix: its outputs are: by.one, by._unmatched, by.dropped
        error: t.toml:4:13: transform `by`: nothing reads `by.one`: its events have nowhere to go
          fix: add `"by.one"` to the inputs of a sink"#]],
    );
    check_text(
        &ROUTED.replace("by.one", "by.two"),
        expect![[r#"
        error: t.toml:12:11: transform `ecs`: there is no output `by.two`
          fix: its outputs are: by.one, by._unmatched, by.dropped
        error: t.toml:4:13: transform `by`: nothing reads `by.one`: its events have nowhere to go
          fix: add `"by.one"` to the inputs of a sink"#]],
    );
    check_text(
        &ROUTED.replace(
            "[[transforms.by.routes]]",
            "reroute_unmatched = false\n[[transforms.by.routes]]",
        ),
        expect![[""]],
    );
}

#[test]
fn a_condition_that_is_wrong_is_told_at_its_line() {
    check_text(
        &ROUTED.replace("\".Count == 1\"", "\".Count\""),
        expect![[r#"
        error: t.toml:9:1: transform `by`: routes.0.condition: the condition gives integer, not true or false
            its last expression is its answer, as in `.Workload == "Exchange"`"#]],
    );
    check_text(
        &ROUTED.replace("\".Count == 1\"", "\"\\n.Count = 1\\ntrue\""),
        expect![[r#"
        error: t.toml:9:1: transform `by`: routes.0.condition line 2: mutation of read-only value (E315)
            error[E315]: mutation of read-only value
              ┌─ routes.0.condition:2:1
              │
            2 │ .Count = 1
              │ ^^^^^^^^ mutation of read-only value
              │
              = see language documentation at https://vrl.dev
              = try your code in the VRL REPL, learn more at https://vrl.dev/examples"#]],
    );
}
