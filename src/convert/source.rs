//! The section `o365beat` as the source and its one tenant.

use std::time::Duration;

use office365::Cloud;

use super::{
    Notes,
    text::{
        add_line, duration, has_variable, is_optional_variable, quoted, toml_duration, toml_string,
        toml_string_required, toml_strings, variables,
    },
    yaml::Yaml,
};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

/// The options of o365beat that are looked at.
const KNOWN: [&str; 13] = [
    "period",
    "api_timeout",
    "content_max_age",
    "content_types",
    "tenant_domain",
    "directory_id",
    "client_id",
    "client_secret",
    "certificate_path",
    "certificate_pwd",
    "registry_file_path",
    "login_url",
    "resource_url",
];

/// The source's tables.
pub(super) fn table(root: &Yaml, notes: &mut Notes) -> String {
    let nothing = Yaml::Null;
    let beat = root.at("o365beat").unwrap_or(&nothing);
    if beat.map().is_empty() {
        notes.add("there is no section `o365beat`: fill in whose records to collect");
    }
    for (key, _) in beat.map() {
        if !KNOWN.contains(&key.as_str()) {
            notes.add(&format!("`o365beat.{key}` is not carried: o365beat has no such option"));
        }
    }
    let mut toml = "[sources.office365]\ntype = \"office365\"\n".to_owned();
    let types = beat.texts_at("content_types");
    if !types.is_empty() {
        add_line(&mut toml, format_args!("content_types = {}", toml_strings(&types)));
    }
    for (theirs, ours, least, most) in [
        ("period", "poll_interval", SECOND, DAY),
        ("api_timeout", "request_timeout", SECOND, DAY),
        ("content_max_age", "lookback", Duration::from_mins(1), 7 * DAY),
    ] {
        toml.push_str(&time_option(beat, (theirs, ours), (least, most), notes));
    }
    toml.push_str(&tenant(beat, notes));
    let state = beat.text_at("registry_file_path").unwrap_or_else(|| "./o365beat.state".to_owned());
    notes.add(&format!(
        "the place where o365beat stopped is in `{}`: take it over with `o365flow state import`, or up to seven days are collected again",
        variables(&state)
    ));
    toml
}

fn time_option(
    beat: &Yaml,
    (theirs, ours): (&str, &str),
    (least, most): (Duration, Duration),
    notes: &mut Notes,
) -> String {
    let Some(text) = beat.text_at(theirs) else { return String::new() };
    if has_variable(&text) {
        return format!("{ours} = {}\n", toml_string(&text));
    }
    let Some(value) = duration(&text) else {
        notes.add(&format!("`o365beat.{theirs}` is not carried: it is no duration"));
        return String::new();
    };
    let bounded = value.clamp(least, most);
    if bounded != value {
        notes.add(&format!(
            "`{ours}` is {}, as near to `o365beat.{theirs}` as it can be",
            toml_duration(bounded)
        ));
    }
    format!("{ours} = {}\n", toml_duration(bounded))
}

fn tenant(beat: &Yaml, notes: &mut Notes) -> String {
    let mut toml = "\n[[sources.office365.tenants]]\n".to_owned();
    let domain = beat.text_at("tenant_domain");
    let name = match &domain {
        Some(domain) if is_optional_variable(domain) => {
            toml_string(&domain.replace(":}", ":o365}"))
        }
        Some(domain) => toml_string(domain),
        None => "\"o365\"".to_owned(),
    };
    add_line(&mut toml, format_args!("name = {name}"));
    for (theirs, ours) in [("directory_id", "tenant_id"), ("client_id", "client_id")] {
        let text = beat.text_at(theirs).map(|text| toml_string_required(&text));
        if text.is_none() {
            notes.add(&format!("`o365beat.{theirs}` is not set: fill in `{ours}`"));
        }
        let text = text.unwrap_or_else(|| quoted("00000000-0000-0000-0000-000000000000"));
        add_line(&mut toml, format_args!("{ours} = {text}"));
    }
    toml.push_str(&credential(beat, notes));
    toml.push_str(&cloud(beat, notes));
    toml
}

/// A secret or a certificate: o365beat takes whichever is set, and refuses both.
fn credential(beat: &Yaml, notes: &mut Notes) -> String {
    let secret = beat.text_at("client_secret");
    let path = beat.text_at("certificate_path");
    let password = beat.text_at("certificate_pwd").unwrap_or_default();
    let is_set =
        |text: &Option<String>| text.as_deref().is_some_and(|text| !is_optional_variable(text));
    let certificate = |path: &str, required: fn(&str) -> String| {
        // o365beat signed with RS256, which is what an older sign-in server expects as well.
        format!(
            "certificate = {{ path = {}, password = {}, algorithm = \"RS256\" }}",
            required(path),
            toml_string(&password)
        )
    };
    match (&secret, &path) {
        (_, Some(path)) if !is_set(&secret) && is_set(&Some(path.clone())) => {
            format!("{}\n", certificate(path, toml_string))
        }
        (Some(secret), Some(path)) => {
            if is_set(&Some(path.clone())) {
                notes.add("there are both a client secret and a certificate, which o365beat refused: the secret is taken");
            } else {
                notes.add("the certificate is a comment, as its variable may be empty: if it is what you use, it takes the place of `client_secret`");
            }
            let certificate = certificate(path, toml_string_required);
            format!("client_secret = {}\n# {certificate}\n", toml_string_required(secret))
        }
        (None, Some(path)) => format!("{}\n", certificate(path, toml_string_required)),
        (Some(secret), None) => format!("client_secret = {}\n", toml_string_required(secret)),
        (None, None) => {
            notes
                .add("there is neither a client secret nor a certificate: fill in `client_secret`");
            "client_secret = \"${O365_CLIENT_SECRET}\"\n".to_owned()
        }
    }
}

/// The cloud that both URLs belong to, or the URLs.
fn cloud(beat: &Yaml, notes: &mut Notes) -> String {
    let given = |key: &str| beat.text_at(key).map(|url| with_scheme(&url));
    let (login, resource) = (given("login_url"), given("resource_url"));
    if login.is_none() && resource.is_none() {
        return String::new();
    }
    let enterprise = Cloud::Enterprise;
    let default = |host: &str| format!("https://{host}");
    let login = login.unwrap_or_else(|| default(enterprise.login_host()));
    let resource = resource.unwrap_or_else(|| default(enterprise.resource_host()));
    let is_of = |cloud: &&Cloud| {
        login.eq_ignore_ascii_case(&default(cloud.login_host()))
            && resource.eq_ignore_ascii_case(&default(cloud.resource_host()))
    };
    if let Some(cloud) = Cloud::ALL.iter().find(is_of) {
        return format!("cloud = \"{}\"\n", cloud.name());
    }
    notes.add("`login_url` and `resource_url` are those of no cloud that is known, and are carried as they are");
    format!("login_url = {}\nresource_url = {}\n", toml_string(&login), toml_string(&resource))
}

fn with_scheme(url: &str) -> String {
    let url = url.trim_end_matches('/');
    if url.contains("://") || has_variable(url) { url.to_owned() } else { format!("https://{url}") }
}
