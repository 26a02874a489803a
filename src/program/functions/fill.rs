//! `fill`: fields of an object in the event, set where there is something to set.
//!
//! In VRL's own words that takes a variable, a `compact`, a comparison and an assignment, each of which copies.

use vrl::{
    path::{OwnedTargetPath, OwnedValuePath, PathPrefix},
    prelude::*,
};

use super::literal::Literal;

/// `fill(path, fields)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fill;

impl Function for Fill {
    fn identifier(&self) -> &'static str {
        "fill"
    }

    fn summary(&self) -> &'static str {
        "fields of an object, set as far as there is something to set"
    }

    fn usage(&self) -> &'static str {
        "Sets those of `fields` that hold anything in the object at `path`, which need not be there yet; its other \
         fields stay. Null, empty text, and arrays and objects that hold nothing else are left out, as by `compact`. \
         Where nothing is left, nothing is done. Says whether anything was set."
    }

    fn category(&self) -> &'static str {
        Category::Object.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::BOOLEAN
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] = &[
            Parameter::required("path", kind::ANY, "Where the object is in the event."),
            Parameter::required("fields", kind::OBJECT | kind::NULL, "The fields to set."),
        ];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! {
                title: "An object that is not there yet",
                source: r#"{ fill(.group, { "id": "42", "name": .GroupName }); .group }"#,
                result: Ok(r#"{ "id": "42" }"#),
            },
            example! {
                title: "An object with other fields",
                source: r#"{ .user = { "id": "42" }; fill(.user, { "name": "alice" }); .user }"#,
                result: Ok(r#"{ "id": "42", "name": "alice" }"#),
            },
            example! {
                title: "Nothing to set",
                source: r#"fill(.group, { "name": .GroupName })"#,
                result: Ok("false"),
            },
        ]
    }

    fn compile(
        &self,
        state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let query = arguments.required_query("path")?;
        let Some(path) = query.external_path().cloned() else {
            return Err(Box::new(function::Error::UnexpectedExpression {
                keyword: "path",
                expected: "a path in the event",
                expr: Box::new(query.into()),
            }));
        };
        let whole = arguments.required("fields");
        let fields = Literal::of(arguments.required_expr("fields"), state);
        Ok(Box::new(Call { path, fields, whole }))
    }
}

#[derive(Clone, Debug)]
struct Call {
    path: OwnedTargetPath,
    fields: Literal,
    /// The same as `fields`, for its kind.
    whole: Box<dyn Expression>,
}

impl Expression for Call {
    fn resolve(&self, context: &mut Context) -> Resolved {
        let Some(Value::Object(fields)) = self.fields.filled(context)? else {
            return Ok(Value::Boolean(false));
        };
        match context.target_mut().target_get_mut(&self.path) {
            Ok(Some(Value::Object(there))) => there.extend(fields),
            // The target of an event has no insertion that fails.
            _ => drop(context.target_mut().target_insert(&self.path, Value::Object(fields))),
        }
        Ok(Value::Boolean(true))
    }

    fn type_info(&self, state: &TypeState) -> TypeInfo {
        let mut state = state.clone();
        let fields = self.whole.apply_type_info(&mut state);
        let (event, metadata) =
            (state.external.target_kind().clone(), state.external.metadata_kind().clone());
        let set = |kind: Kind| with_fields(kind, &self.path.path, fields.kind());
        let (event, metadata) = match self.path.prefix {
            PathPrefix::Event => (set(event), metadata),
            PathPrefix::Metadata => (event, set(metadata)),
        };
        state.external = state::ExternalEnv::new_with_kind(event, metadata);
        TypeInfo::new(state, TypeDef::boolean().impure().maybe_fallible(fields.is_fallible()))
    }
}

/// What is known of `kind` when any of `fields` may have been set at `path` of it.
fn with_fields(kind: Kind, path: &OwnedValuePath, fields: &Kind) -> Kind {
    let Some(fields) = fields.as_object() else { return kind };
    let before = kind.at_path(path);
    let mut object = before.as_object().cloned().unwrap_or_else(Collection::empty);
    let maybe = |before: Kind, after: &Kind| {
        let mut after = after.clone();
        after.remove_null();
        before.union(after)
    };
    for (name, after) in fields.known() {
        let unknown = object.unknown_kind();
        let known = object.known_mut().entry(name.clone()).or_insert(unknown);
        *known = maybe(std::mem::replace(known, Kind::never()), after);
    }
    if fields.unknown_kind().contains_any_defined() {
        let after = fields.unknown_kind();
        let unknown = object.unknown_kind();
        for (name, known) in object.known_mut() {
            if !fields.known().contains_key(name) {
                *known = maybe(std::mem::replace(known, Kind::never()), &after);
            }
        }
        object.set_unknown(maybe(unknown, &after));
    }
    let mut filled = kind.clone();
    filled.set_at_path(path, Kind::object(object));
    kind.union(filled)
}
