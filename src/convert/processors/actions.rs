//! Processors that move, add, change and remove fields.

use super::{
    super::{
        Notes,
        text::{add_line, vrl_path, vrl_string},
        yaml::Yaml,
    },
    block,
};

/// The fields that no processor of Beats removes.
const KEPT: [&str; 2] = ["@timestamp", "@metadata"];

/// `convert`: a field as another type, in its own place or under another name.
pub(super) fn convert(settings: &Yaml, notes: &mut Notes) -> Result<String, String> {
    let is_rename = match settings.text_at("mode").as_deref() {
        None | Some("copy") => false,
        Some("rename") => true,
        Some(_) => return Err("its `mode` is neither copy nor rename".to_owned()),
    };
    let mut program = String::new();
    for field in fields(settings) {
        let Some(from) = field.text_at("from") else { continue };
        let to = field.text_at("to").unwrap_or_else(|| from.clone());
        let kind = field.text_at("type").unwrap_or_default();
        match converted(&from, &to, &kind) {
            Some(mut statements) => {
                if is_rename && from != to {
                    let removal = format!("    del({})\n}}\n", vrl_path(&from));
                    statements.truncate(statements.trim_end().len() - 1);
                    statements.push_str(&removal);
                }
                program.push_str(&statements);
            }
            None => notes
                .add(&format!("`convert` of `{from}` is not carried: there is no type `{kind}`")),
        }
    }
    Ok(program)
}

/// A block that sets `to` if what `from` holds can be converted.
fn converted(from: &str, to: &str, kind: &str) -> Option<String> {
    let (from, to) = (vrl_path(from), vrl_path(to));
    let number = |function: &str| {
        format!(
            "value, error = {function}(text_or_null({from}))\n\
             if error == null && !is_boolean({from}) && text_or_null({from}) != null {{\n    {to} = value\n}}\n"
        )
    };
    Some(match kind {
        "" => block(&format!("exists({from})"), &format!("{to} = {from}\n")),
        "string" => format!(
            "value = text_or_null(encode_nested({from}))\nif value != null {{\n    {to} = value\n}}\n"
        ),
        "integer" | "long" => number("to_int"),
        "float" | "double" => number("to_float"),
        "boolean" => format!(
            "value = text_or_null({from}) || \"\"\n\
             if includes([\"1\", \"t\", \"T\", \"true\", \"TRUE\", \"True\", \"0\", \"f\", \"F\", \"false\", \"FALSE\", \"False\"], value) {{\n    \
             {to} = includes([\"1\", \"t\", \"T\", \"true\", \"TRUE\", \"True\"], value)\n}}\n"
        ),
        "ip" => format!(
            "value = text_or_null({from}) || \"\"\n\
             if is_ipv4(value) || is_ipv6(value) {{\n    {to} = value\n}}\n"
        ),
        _ => return None,
    })
}

/// `rename`: refuses, as in Beats, where the new name is taken.
pub(super) fn rename(settings: &Yaml) -> String {
    moved(settings, |from| format!("del({from})"))
}

/// `copy_fields`: refuses, as in Beats, where the new name is taken.
pub(super) fn copy_fields(settings: &Yaml) -> String {
    moved(settings, str::to_owned)
}

fn moved(settings: &Yaml, take: impl Fn(&str) -> String) -> String {
    let mut program = String::new();
    for field in fields(settings) {
        if let (Some(from), Some(to)) = (field.text_at("from"), field.text_at("to")) {
            let (from, to) = (vrl_path(&from), vrl_path(&to));
            let condition = format!("exists({from}) && !exists({to})");
            program.push_str(&block(&condition, &format!("{to} = {}\n", take(&from))));
        }
    }
    program
}

/// The items of `fields`.
fn fields(settings: &Yaml) -> &[Yaml] {
    settings.at("fields").map(Yaml::list).unwrap_or_default()
}

/// `drop_fields`.
pub(super) fn drop_fields(settings: &Yaml, notes: &mut Notes) -> String {
    let mut program = String::new();
    for field in settings.texts_at("fields") {
        if field.starts_with('/') && field.ends_with('/') {
            notes.add(&format!(
                "`drop_fields` of the pattern `{field}` is not carried: name the fields"
            ));
        } else if !KEPT.contains(&field.as_str()) {
            add_line(&mut program, format_args!("del({})", vrl_path(&field)));
        }
    }
    program
}

/// `include_fields`: all else goes, but for the time and the id that sinks go by.
pub(super) fn include_fields(settings: &Yaml, notes: &mut Notes) -> String {
    // The id is set once more at the end, because a sink has to see that it is.
    let mut program = "time = .\"@timestamp\"\nid = .event.id\nkept = {}\n".to_owned();
    let mut kept = vec!["event.id".to_owned()];
    for field in settings.texts_at("fields") {
        if field.starts_with('/') && field.ends_with('/') {
            notes.add(&format!(
                "`include_fields` of the pattern `{field}` is not carried: name the fields"
            ));
        } else if !KEPT.contains(&field.as_str()) && !kept.contains(&field) {
            kept.push(field);
        }
    }
    notes.add(
        "`include_fields` keeps `event.id` besides what it names, so that no event is stored twice",
    );
    for field in kept {
        let path = vrl_path(&field);
        let steps: Vec<String> = field.split('.').map(vrl_string).collect();
        let body = format!("kept = set(kept, [{}], {path}) ?? kept\n", steps.join(", "));
        program.push_str(&block(&format!("exists({path})"), &body));
    }
    program + ". = kept\n.\"@timestamp\" = time\n.event.id = id\n"
}

/// `add_fields`: below `fields`, unless `target` says otherwise.
pub(super) fn add_fields(settings: &Yaml) -> String {
    added(settings, "fields", "fields")
}

/// `add_labels`.
pub(super) fn add_labels(settings: &Yaml) -> String {
    added(settings, "labels", "labels")
}

fn added(settings: &Yaml, key: &str, target: &str) -> String {
    let target = match settings.at("target").map(Yaml::text) {
        Some(target) => target.unwrap_or_default(),
        None => target.to_owned(),
    };
    settings.at(key).map(|fields| set_fields(&target, fields)).unwrap_or_default()
}

/// Sets all that `fields` holds below `target`; an empty one is the root.
pub(in crate::convert) fn set_fields(target: &str, fields: &Yaml) -> String {
    let mut program = String::new();
    for (field, value) in fields.leaves() {
        let path = if target.is_empty() { field } else { format!("{target}.{field}") };
        add_line(&mut program, format_args!("{} = {}", vrl_path(&path), literal(value)));
    }
    program
}

/// A value as VRL writes it.
fn literal(value: &Yaml) -> String {
    match value {
        Yaml::Null => "null".to_owned(),
        Yaml::Boolean(value) => value.to_string(),
        Yaml::Number(number) => number.clone(),
        Yaml::Text(text) => vrl_string(text),
        Yaml::List(items) => {
            format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", "))
        }
        Yaml::Map(map) => {
            let entries =
                map.iter().map(|(key, value)| format!("{}: {}", vrl_string(key), literal(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// `add_tags`.
pub(super) fn add_tags(settings: &Yaml) -> String {
    let target = settings.text_at("target").unwrap_or_else(|| "tags".to_owned());
    settings.at("tags").map(|tags| append_tags(&target, tags)).unwrap_or_default()
}

/// Adds `tags` behind those that are there.
pub(in crate::convert) fn append_tags(target: &str, tags: &Yaml) -> String {
    let path = vrl_path(target);
    let tags = Yaml::List(tags.list().to_vec());
    format!("{path} = compact(flatten([{path}, {}]))\n", literal(&tags))
}

/// `truncate_fields`.
pub(super) fn truncate_fields(settings: &Yaml, notes: &mut Notes) -> Result<String, String> {
    let (limit, is_bytes) =
        match (settings.text_at("max_characters"), settings.text_at("max_bytes")) {
            (Some(characters), _) => (characters, false),
            (None, Some(bytes)) => (bytes, true),
            (None, None) => return Err("it has no limit".to_owned()),
        };
    if limit.parse::<u32>().is_err() {
        return Err("its limit is no number".to_owned());
    }
    if is_bytes {
        notes.add("`truncate_fields` counts characters here, where it counted bytes");
    }
    let mut program = String::new();
    for field in settings.texts_at("fields") {
        let path = vrl_path(&field);
        let body = format!(
            "value, error = truncate(text_or_null({path}), limit: {limit})\nif error == null {{\n    {path} = value\n}}\n"
        );
        program.push_str(&block(&format!("is_string({path})"), &body));
    }
    Ok(program)
}
