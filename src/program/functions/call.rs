//! A call of a function of ours: one argument of any kind in, one value out, no failure.
//!
//! The argument is looked at where it stands. VRL copies what an expression reads; a copy of a large array only to read
//! it costs more than the function itself.

use vrl::{
    compiler::expression::{Expr, Variant},
    parser::ast::Ident,
    path::{OwnedSegment, OwnedTargetPath, OwnedValuePath},
    prelude::*,
};

/// What `compile` of a function of ours gives: a call that applies `function` to the argument `value`, and whose result
/// is of kind `result`.
pub(super) fn call(
    arguments: &ArgumentList,
    function: fn(&Value) -> Value,
    result: TypeDef,
) -> Box<dyn Expression> {
    let argument = Argument::new(arguments, "value");
    Call { argument, function, result: result.infallible() }.as_expr()
}

#[derive(Clone, Debug)]
struct Call {
    argument: Argument,
    function: fn(&Value) -> Value,
    result: TypeDef,
}

impl FunctionExpression for Call {
    fn resolve(&self, context: &mut Context) -> Resolved {
        self.argument.look(context, self.function)
    }

    fn type_def(&self, _state: &TypeState) -> TypeDef {
        self.result.clone()
    }
}

/// An argument of any kind, which is looked at and not kept.
#[derive(Clone, Debug)]
pub(super) enum Argument {
    /// A path in the event: read without a copy.
    Path(OwnedTargetPath),
    /// A variable, or a path in one: read without a copy.
    Variable(Ident, OwnedValuePath),
    /// A list that is written out, of which each element is looked at where it stands.
    List(Vec<Elements>),
    /// Anything else.
    Other(Box<dyn Expression>),
}

impl Argument {
    /// The argument `name`, which the function's parameters have as required.
    pub(super) fn new(arguments: &ArgumentList, name: &'static str) -> Argument {
        Argument::of(arguments.required_expr(name))
    }

    /// What `expression` reads.
    pub(super) fn of(expression: Expr) -> Argument {
        match &expression {
            Expr::Query(query) => {
                if let Some(path) = query.external_path() {
                    return Argument::Path(path.clone());
                }
                if let Some(variable) = query.variable_ident() {
                    return Argument::Variable(variable.clone(), query.path().clone());
                }
            }
            Expr::Variable(variable) => {
                return Argument::Variable(variable.ident().clone(), OwnedValuePath::root());
            }
            Expr::Container(container) => {
                if let Variant::Array(elements) = &container.variant {
                    return Argument::List(Elements::of(elements.iter().cloned()));
                }
            }
            _ => {}
        }
        Argument::Other(Box::new(expression))
    }

    /// Lets `look` see the argument's value; null where there is none.
    pub(super) fn look<T>(
        &self,
        context: &mut Context<'_>,
        look: impl FnOnce(&Value) -> T,
    ) -> Result<T, ExpressionError> {
        match self {
            Argument::Path(path) => {
                let found = context.target().target_get(path).ok().flatten();
                Ok(look(found.unwrap_or(&Value::Null)))
            }
            Argument::Variable(variable, path) => {
                let found = context.state().variable(variable).and_then(|value| value.get(path));
                Ok(look(found.unwrap_or(&Value::Null)))
            }
            Argument::List(_) => Ok(look(&self.value(context)?)),
            Argument::Other(expression) => Ok(look(&expression.resolve(context)?)),
        }
    }

    /// Lets `look` see each value of a list, whether it is written out in the program or not; what is no list as the
    /// only one.
    pub(super) fn look_at_each(
        &self,
        context: &mut Context<'_>,
        look: &mut dyn FnMut(&Value),
    ) -> Result<(), ExpressionError> {
        if let Argument::List(list) = self {
            return list.iter().try_for_each(|elements| elements.look(context, look));
        }
        self.look(context, |value| match value {
            Value::Array(values) => values.iter().for_each(look),
            one => look(one),
        })
    }

    /// The argument's value.
    pub(super) fn value(&self, context: &mut Context<'_>) -> Resolved {
        match self {
            Argument::Path(_) | Argument::Variable(..) => self.look(context, Value::clone),
            Argument::List(_) => {
                let mut values = Vec::new();
                self.look_at_each(context, &mut |value| values.push(value.clone()))?;
                Ok(Value::Array(values))
            }
            Argument::Other(expression) => expression.resolve(context),
        }
    }
}

/// Elements of a list that follow each other.
#[derive(Clone, Debug)]
pub(super) enum Elements {
    /// Fields of one object in the event, which is looked up once for all of them.
    Fields(OwnedTargetPath, Vec<KeyString>),
    /// Any one element.
    One(Argument),
}

impl Elements {
    fn of(expressions: impl Iterator<Item = Expr>) -> Vec<Elements> {
        let mut list: Vec<Elements> = Vec::new();
        for argument in expressions.map(Argument::of) {
            let Some((parent, name)) = field_of(&argument) else {
                list.push(Elements::One(argument));
                continue;
            };
            match list.last_mut() {
                Some(Elements::Fields(same, names)) if *same == parent => names.push(name),
                _ => list.push(Elements::Fields(parent, vec![name])),
            }
        }
        list
    }

    fn look(
        &self,
        context: &mut Context<'_>,
        look: &mut dyn FnMut(&Value),
    ) -> Result<(), ExpressionError> {
        match self {
            Elements::Fields(parent, names) => {
                let object = context.target().target_get(parent).ok().flatten();
                let object = object.and_then(Value::as_object);
                for name in names {
                    look(object.and_then(|object| object.get(name)).unwrap_or(&Value::Null));
                }
                Ok(())
            }
            Elements::One(argument) => argument.look(context, look),
        }
    }
}

/// The object in the event of which an argument is a field, and the field's name.
fn field_of(argument: &Argument) -> Option<(OwnedTargetPath, KeyString)> {
    let Argument::Path(path) = argument else { return None };
    let (OwnedSegment::Field(name), parent) = path.path.segments.split_last()? else { return None };
    let parent = OwnedValuePath { segments: parent.to_vec() };
    Some((OwnedTargetPath { prefix: path.prefix, path: parent }, name.clone()))
}
