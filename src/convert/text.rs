//! How converted values are written: strings of TOML, strings and paths of VRL, and the variables in them.
//!
//! Beats writes `${VAR:default}` where we write `${VAR:-default}`, and knows no escape for a dollar sign; here `$$` is
//! one. So whatever is copied passes through [`variables`].

use std::{fmt, time::Duration};

/// Adds to `text`.
pub(super) fn add(text: &mut String, more: fmt::Arguments<'_>) {
    text.push_str(&more.to_string());
}

/// Adds a line to `text`.
pub(super) fn add_line(text: &mut String, line: fmt::Arguments<'_>) {
    add(text, line);
    text.push('\n');
}

/// A string of TOML, with the variables of Beats turned into ours.
pub(super) fn toml_string(text: &str) -> String {
    quoted(&variables(text))
}

/// A string of TOML for a value that must not be empty: a variable without a value is then named as such.
pub(super) fn toml_string_required(text: &str) -> String {
    quoted(&variables(text).replace(":-}", "}"))
}

/// A string of TOML, exactly as it is.
pub(super) fn quoted(text: &str) -> String {
    let mut written = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            letter if letter.is_control() => {
                add(&mut written, format_args!("\\u{:04X}", u32::from(letter)));
            }
            letter => written.push(letter),
        }
    }
    written.push('"');
    written
}

/// An array of strings of TOML.
pub(super) fn toml_strings<'a>(texts: impl IntoIterator<Item = &'a String>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| toml_string(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// A program of VRL as a string of TOML.
pub(super) fn toml_program(program: &str) -> String {
    let is_odd = |letter: char| letter.is_control() && letter != '\n';
    if program.contains("'''") || program.contains(is_odd) {
        return quoted(program);
    }
    format!("'''\n{program}'''")
}

/// Whether a text is a variable that gives nothing unless it is set: `${VAR:}`.
pub(super) fn is_optional_variable(text: &str) -> bool {
    text.starts_with("${") && text.ends_with(":}") && text.matches("${").count() == 1
}

/// Whether a variable stands in a text.
pub(super) fn has_variable(text: &str) -> bool {
    text.contains("${")
}

/// The names of the variables in a text that have no default, and so may be in a keystore of Beats.
pub(super) fn bare_variables(text: &str) -> Vec<String> {
    let inner = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
    inner.map(|(name, _)| name).filter(|name| !name.contains(':')).map(str::to_owned).collect()
}

/// Turns the variables of Beats into ours.
pub(super) fn variables(text: &str) -> String {
    let mut written = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        written.push_str(&rest[..at]);
        rest = &rest[at..];
        let inner = rest.strip_prefix("${").and_then(|inner| inner.split_once('}'));
        if let Some((inner, after)) = inner {
            match inner.split_once(':') {
                Some((name, message)) if message.starts_with('?') => {
                    add(&mut written, format_args!("${{{name}}}"));
                }
                Some((name, default)) => add(&mut written, format_args!("${{{name}:-{default}}}")),
                None => add(&mut written, format_args!("${{{inner}}}")),
            }
            rest = after;
        } else {
            written.push_str("$$");
            rest = &rest[1..];
        }
    }
    written + rest
}

/// A duration of Go or Beats, as `1h30m`; a number counts seconds.
pub(super) fn duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let mut sum = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|letter: char| letter.is_ascii_digit()).unwrap_or(rest.len());
        let seconds = match &rest[..unit] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return None,
        };
        sum = sum.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = &rest[unit..];
    }
    Some(sum)
}

/// A duration as we write it.
pub(super) fn toml_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration.subsec_millis() > 0 {
        return format!("\"{}ms\"", duration.as_millis());
    }
    match seconds {
        0 => "\"0s\"".to_owned(),
        seconds if seconds.is_multiple_of(86400) => format!("\"{}d\"", seconds / 86400),
        seconds if seconds.is_multiple_of(3600) => format!("\"{}h\"", seconds / 3600),
        seconds if seconds.is_multiple_of(60) => format!("\"{}m\"", seconds / 60),
        seconds => format!("\"{seconds}s\""),
    }
}

/// A field of an event as a path of VRL: `.a.b`.
pub(super) fn vrl_path(field: &str) -> String {
    let mut path = String::new();
    for step in field.split('.') {
        let is_plain = !step.is_empty()
            && step.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !step.starts_with(|first: char| first.is_ascii_digit());
        path.push('.');
        path.push_str(&if is_plain { step.to_owned() } else { vrl_string(step) });
    }
    path
}

/// A string of VRL, as it stands in a program in TOML: variables stay variables.
pub(super) fn vrl_string(text: &str) -> String {
    let mut written = String::from("\"");
    for letter in variables(text).chars() {
        match letter {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            // Or a template would begin.
            '{' if written.ends_with('{') => written.push_str("\\{"),
            letter => written.push(letter),
        }
    }
    written.push('"');
    written
}

/// A regular expression of VRL, as it stands in a program in TOML.
pub(super) fn vrl_regex(pattern: &str) -> String {
    format!("r'{}'", pattern.replace('\'', "\\x27").replace('$', "$$"))
}

/// A text as a regular expression that it alone matches.
pub(super) fn regex_of(text: &str) -> String {
    let mut pattern = String::new();
    for letter in text.chars() {
        if r"\.+*?()|[]{}^$#&-~/".contains(letter) {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}
