//! The components of a configuration: each entry of `[sources]`, `[transforms]` and `[sinks]` with its type, its inputs
//! and its settings. Whether they fit together is not looked at here.

use pipeline_core::ComponentKind;

use super::{
    Declared, Registry, RegistryEntry, buffer,
    fault::{Fault, Span, nearest},
    read,
    tree::{Entry, Node, Table, Value},
};

/// Longest name of a component: files are called after it, with something added.
const NAME_BYTES_MAX: usize = 100;

/// Adds the components of one section to `components`.
pub(super) fn declare(
    section: Entry,
    kind: ComponentKind,
    registry: &Registry,
    components: &mut Vec<Declared>,
    faults: &mut Vec<Fault>,
) {
    let Value::Table(Table(entries)) = section.node.value else {
        let fault = Fault::at(
            &section.key_span,
            format!("`{}` has to be a table of components", section.key),
        );
        faults.push(fault.fix(format!("write `[{}.name]`", section.key)));
        return;
    };
    for entry in entries {
        if let Some(earlier) = components.iter().find(|earlier| *earlier.id == *entry.key) {
            let message =
                format!("there is a component `{}` already, at {}", entry.key, earlier.key_span);
            faults.push(Fault::at(&entry.key_span, message).fix("give one of them another name"));
        } else if !is_name(&entry.key) {
            let fault =
                Fault::at(&entry.key_span, format!("`{}` can't be a component's name", entry.key));
            faults.push(fault.fix("use letters, digits, `_` and `-`, 100 of them at most"));
        } else if let Some(declared) = declare_one(entry, kind, registry, faults) {
            components.push(declared);
        }
    }
}

/// Whether a component can be called so: it names a folder as well, and behind a dot stands a port.
fn is_name(key: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=NAME_BYTES_MAX).contains(&key.len()) && key.bytes().all(is_plain)
}

fn declare_one(
    entry: Entry,
    kind: ComponentKind,
    registry: &Registry,
    faults: &mut Vec<Fault>,
) -> Option<Declared> {
    let Entry { key, key_span, node } = entry;
    let Value::Table(table) = &node.value else {
        faults.push(Fault::at(&key_span, format!("{} `{key}` has to be a table", kind.as_str())));
        return None;
    };
    let faults_before = faults.len();
    let mut own = table.clone();
    let inputs = match own.remove("inputs") {
        Some(entry) if kind == ComponentKind::Source => {
            faults
                .push(Fault::at(&entry.key_span, "a source has no inputs").fix("remove `inputs`"));
            Vec::new()
        }
        Some(entry) => read::read(&entry.node, faults).unwrap_or_default(),
        None if kind == ComponentKind::Source => Vec::new(),
        None => {
            let fault = Fault::at(&key_span, format!("{} `{key}` has no inputs", kind.as_str()));
            faults.push(
                fault.fix("add `inputs = [\"…\"]` with the names of the components that feed it"),
            );
            Vec::new()
        }
    };
    let buffer = own.remove("buffer").and_then(|entry| buffer::read(&entry, kind, faults));
    let type_entry = own.remove("type");
    let component_type =
        type_entry.as_ref().and_then(|entry| entry.node.as_str()).unwrap_or_default().to_owned();
    let type_span = type_entry.as_ref().map_or(&key_span, |entry| &entry.node.span);
    let registered = find(&component_type, kind, type_span, registry, faults);
    let own = Node::new(key_span.clone(), Value::Table(own));
    let settings = registered.and_then(|registered| (registered.read)(&own, faults));
    node.hide_variables(&mut faults[faults_before..]);
    let id = key.into();
    let depends_on = Vec::new();
    Some(Declared {
        id,
        kind,
        component_type,
        inputs,
        buffer,
        settings,
        depends_on,
        node,
        key_span,
    })
}

fn find<'a>(
    name: &str,
    kind: ComponentKind,
    span: &Span,
    registry: &'a Registry,
    faults: &mut Vec<Fault>,
) -> Option<&'a RegistryEntry> {
    let mut of_kind = registry.iter().filter(|entry| entry.kind == kind);
    let found = of_kind.clone().find(|entry| entry.name == name);
    if found.is_none() {
        let names: Vec<&str> = of_kind.by_ref().map(|entry| entry.name).collect();
        let kind = kind.as_str();
        let fault = match name {
            "" => Fault::at(span, format!("the {kind} has no `type`")),
            name => Fault::at(span, format!("there is no {kind} of type `{name}`")),
        };
        let of_other_kind = registry.iter().find(|entry| entry.name == name);
        faults.push(match (nearest(name, names.iter().copied()), of_other_kind) {
            (Some(meant), _) => fault.fix(format!("did you mean `{meant}`?")),
            (None, Some(other)) => {
                let other = other.kind.as_str();
                fault.fix(format!("`{name}` is a {other}: write `[{other}s.…]`"))
            }
            (None, None) => fault.fix(format!("the types of {kind} are: {}", names.join(", "))),
        });
    }
    found
}
