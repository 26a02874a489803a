//! Processors that read something out of a text: times, JSON, patterns.

use super::{
    super::{
        Notes,
        text::{add, add_line, has_variable, regex_of, vrl_path, vrl_regex, vrl_string},
        yaml::Yaml,
    },
    block,
};

/// Go's layout of a time, piece by piece, with what chrono calls the same. Longer ones come first.
const LAYOUT: [(&str, &str); 27] = [
    ("2006", "%Y"),
    ("January", "%B"),
    ("Jan", "%b"),
    ("Monday", "%A"),
    ("Mon", "%a"),
    ("MST", "%Z"),
    ("Z07:00", "%:z"),
    ("-07:00", "%:z"),
    ("Z0700", "%z"),
    ("-0700", "%z"),
    (".000000000", "%.f"),
    (".999999999", "%.f"),
    (".000000", "%.f"),
    (".999999", "%.f"),
    (".000", "%.f"),
    (".999", "%.f"),
    ("01", "%m"),
    ("02", "%d"),
    ("_2", "%e"),
    ("15", "%H"),
    ("03", "%I"),
    ("04", "%M"),
    ("05", "%S"),
    ("06", "%y"),
    ("PM", "%p"),
    ("pm", "%P"),
    ("%", "%%"),
];

/// `timestamp`: the first layout that fits gives the time.
pub(super) fn timestamp(settings: &Yaml, notes: &mut Notes) -> Result<String, String> {
    let field = settings.text_at("field").ok_or("it names no field")?;
    let target = settings.text_at("target_field").unwrap_or_else(|| "@timestamp".to_owned());
    let path = vrl_path(&field);
    let zone = settings.text_at("timezone").filter(|zone| zone != "UTC");
    let mut program = "time = null\n".to_owned();
    for layout in
        settings.at("layouts").map(Yaml::list).unwrap_or_default().iter().filter_map(Yaml::text)
    {
        let body = match layout.as_str() {
            "UNIX" => {
                format!("time = from_unix_timestamp(to_int(text_or_null({path})) ?? -1) ?? null\n")
            }
            "UNIX_MS" => format!(
                "time = from_unix_timestamp(to_int(text_or_null({path})) ?? -1, unit: \"milliseconds\") ?? null\n"
            ),
            layout => {
                let Some(format) = format_of(layout) else {
                    notes.add(&format!("the layout `{layout}` of `timestamp` is not carried"));
                    continue;
                };
                format!(
                    "time = parse_timestamp(text_or_null({path}), format: {}, timezone: {}) ?? null\n",
                    vrl_string(&format),
                    vrl_string(zone.as_deref().unwrap_or("UTC"))
                )
            }
        };
        program.push_str(&block("time == null", &body));
    }
    Ok(program + &block("time != null", &format!("{} = time\n", vrl_path(&target))))
}

/// A layout of Go's as a format of chrono's.
fn format_of(layout: &str) -> Option<String> {
    // Only this form of chrono's knows `Z` for UTC.
    if let Some(start) = layout.strip_suffix("Z07:00")
        && start.starts_with("2006-01-02T15:04:05")
    {
        return Some("%+".to_owned());
    }
    let mut format = String::new();
    let mut rest = layout;
    while let Some(first) = rest.chars().next() {
        if let Some((piece, name)) = LAYOUT.iter().find(|(piece, _)| rest.starts_with(piece)) {
            format.push_str(name);
            rest = &rest[piece.len()..];
        } else if first.is_ascii_digit() {
            // Digits of a form that is not in the table would pass for themselves, and never match.
            return None;
        } else {
            format.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    Some(format)
}

/// `decode_json_fields`: in the place of the text, below `target`, or in the root.
pub(super) fn decode_json_fields(settings: &Yaml) -> String {
    let with_arrays = settings.flag_at("process_array", false);
    let overwrites = settings.flag_at("overwrite_keys", false);
    let mut program = String::new();
    for field in settings.texts_at("fields") {
        let path = vrl_path(&field);
        add_line(&mut program, format_args!("decoded = parse_json(text_or_null({path})) ?? null"));
        let kinds = if with_arrays {
            "is_object(decoded) || is_array(decoded)"
        } else {
            "is_object(decoded)"
        };
        let body = match settings.at("target").map(Yaml::text) {
            None => format!("{path} = decoded\n"),
            Some(Some(target)) if !target.is_empty() => {
                format!("{} = decoded\n", vrl_path(&target))
            }
            Some(_) => {
                let is_free = if overwrites { "true" } else { "(get(., [key]) ?? null) == null" };
                format!(
                    "for_each(object(decoded) ?? {{}}) -> |key, value| {{\n    \
                     if {is_free} {{ . = set(., [key], value) ?? . }}\n}}\n"
                )
            }
        };
        program.push_str(&block(kinds, &body));
    }
    program
}

/// `dissect`, of keys with fixed text between them.
pub(super) fn dissect(settings: &Yaml) -> Result<String, String> {
    let tokenizer = settings.text_at("tokenizer").ok_or("it has no tokenizer")?;
    if has_variable(&tokenizer) {
        return Err("there is a variable in its tokenizer".to_owned());
    }
    let field = settings.text_at("field").unwrap_or_else(|| "message".to_owned());
    let prefix = match settings.at("target_prefix").map(Yaml::text) {
        Some(prefix) => prefix.unwrap_or_default(),
        None => "dissect".to_owned(),
    };
    let (pattern, keys) = pattern_of(&tokenizer)?;
    let targets: Vec<String> = keys
        .iter()
        .map(|key| {
            vrl_path(&if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") })
        })
        .collect();
    let mut body = String::new();
    for (number, target) in targets.iter().enumerate() {
        add_line(&mut body, format_args!("{target} = parsed.k{number}"));
    }
    let mut condition = "parsed != null".to_owned();
    if !settings.flag_at("overwrite_keys", false) {
        for target in &targets {
            add(&mut condition, format_args!(" && !exists({target})"));
        }
    }
    Ok(format!(
        "parsed = parse_regex(text_or_null({}), {}) ?? null\n{}",
        vrl_path(&field),
        vrl_regex(&pattern),
        block(&condition, &body)
    ))
}

/// The regular expression of a tokenizer, whose groups are `k0`, `k1` and so on, and the keys that they are for.
fn pattern_of(tokenizer: &str) -> Result<(String, Vec<String>), String> {
    let (mut pattern, mut keys) = ("(?s)^".to_owned(), Vec::new());
    let mut rest = tokenizer;
    while let Some((before, inner)) = rest.split_once("%{") {
        pattern.push_str(&regex_of(before));
        let (key, after) = inner.split_once('}').ok_or("its tokenizer has no closing brace")?;
        let any = if after.is_empty() { ".*" } else { ".*?" };
        if key.is_empty() || key.starts_with('?') {
            pattern.push_str(any);
        } else if key.starts_with(['+', '&', '*']) || key.contains(['/', '#', '|', '>']) {
            return Err(format!("there is nothing like `%{{{key}}}` here"));
        } else {
            add(&mut pattern, format_args!("(?P<k{}>{any})", keys.len()));
            keys.push(key.to_owned());
        }
        rest = after;
    }
    pattern.push_str(&regex_of(rest));
    if keys.is_empty() { Err("its tokenizer has no keys".to_owned()) } else { Ok((pattern, keys)) }
}
