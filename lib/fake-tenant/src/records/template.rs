//! Reads the templates of records: JSON with placeholders, `{{name}}` or `{{name:arguments}}`; see [`Part`].

use std::sync::LazyLock;

/// One piece of a template.
#[derive(Debug)]
pub(super) enum Part {
    Text(String),
    /// `{{guid}}`: a new one each time.
    Guid,
    /// `{{session}}`: a GUID that stays the same within a record.
    Session,
    /// `{{org}}`, `{{domain}}`, `{{company}}`: the tenant.
    Org,
    Domain,
    Company,
    /// `{{user}}`, `{{userid}}`, `{{puid}}`, `{{upn_}}`: who acts (address, object id, PUID, address with `_`).
    User,
    UserId,
    Puid,
    UserSlug,
    /// `{{other}}`, `{{otherid}}`: somebody else of the tenant.
    Other,
    OtherId,
    /// `{{guest}}`: somebody outside.
    Guest,
    /// `{{ip}}`: the actor's address, plain.
    Ip,
    /// `{{ipform}}`: the same address in one of the forms found in Exchange records, quotes included, or `null`.
    IpForm,
    Agent,
    File,
    /// `{{time}}`: when it happened.
    Time,
    /// `{{int:low:high}}`: a number below `high`.
    Int(i64, i64),
    /// `{{hex:n}}`: so many hexadecimal digits.
    Hex(u32),
    /// `{{pick:a|b|c}}`: one of them.
    Pick(Vec<String>),
}

impl Part {
    fn parse(placeholder: &str) -> Part {
        let (name, arguments) = placeholder.split_once(':').unwrap_or((placeholder, ""));
        match name {
            "guid" => Part::Guid,
            "session" => Part::Session,
            "org" => Part::Org,
            "domain" => Part::Domain,
            "company" => Part::Company,
            "user" => Part::User,
            "userid" => Part::UserId,
            "puid" => Part::Puid,
            "upn_" => Part::UserSlug,
            "other" => Part::Other,
            "otherid" => Part::OtherId,
            "guest" => Part::Guest,
            "ip" => Part::Ip,
            "ipform" => Part::IpForm,
            "agent" => Part::Agent,
            "file" => Part::File,
            "time" => Part::Time,
            "hex" => Part::Hex(arguments.parse().unwrap_or(8)),
            "int" => {
                let (low, high) = arguments.split_once(':').unwrap_or(("0", "1000"));
                Part::Int(low.parse().unwrap_or(0), high.parse().unwrap_or(1000))
            }
            "pick" => Part::Pick(arguments.split('|').map(str::to_owned).collect()),
            // A misspelt placeholder stays visible in the record, where the test finds it.
            _ => Part::Text(format!("{{{{{placeholder}}}}}")),
        }
    }
}

#[derive(Debug)]
pub(super) struct Template {
    weight: u32,
    pub(super) parts: Vec<Part>,
}

impl Template {
    /// Reads a template: a JSON object with its outer braces, over any number of lines.
    fn parse(weight: u32, text: &str) -> Template {
        let joined: String = text.lines().map(str::trim).collect();
        let mut rest = joined.trim().trim_start_matches('{');
        rest = rest.strip_suffix('}').unwrap_or(rest);
        let mut parts = Vec::new();
        while let Some((text, placeholder, after)) = next_placeholder(rest) {
            parts.push(Part::Text(text.to_owned()));
            parts.push(Part::parse(placeholder));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Template { weight, parts }
    }
}

fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (placeholder, after) = rest.split_once("}}")?;
    Some((before, placeholder, after))
}

/// The templates of one content type.
#[derive(Debug)]
pub(super) struct Templates {
    all: Vec<Template>,
    weight: u32,
}

impl Templates {
    /// Reads a template file: each template follows a line `# <weight> <remark>`.
    fn parse(text: &str) -> Templates {
        let sections = text.split("\n# ").map(|section| section.trim_start_matches("# "));
        let all: Vec<Template> = sections
            .filter_map(|section| {
                let (head, body) = section.split_once('\n')?;
                let weight = head.split(' ').next()?.parse().ok()?;
                Some(Template::parse(weight, body))
            })
            .collect();
        let weight = all.iter().map(|template| template.weight).sum();
        Templates { all, weight }
    }

    pub(super) fn pick(&self, dice: &mut fastrand::Rng) -> &Template {
        let mut at = dice.u32(0..self.weight);
        for template in &self.all {
            if at < template.weight {
                return template;
            }
            at -= template.weight;
        }
        unreachable!("the weights add up to their sum")
    }
}

/// By content type, in the order of [`ContentType`].
pub(super) static TEMPLATES: LazyLock<[Templates; 5]> = LazyLock::new(|| {
    [
        include_str!("entra.tmpl"),
        include_str!("exchange.tmpl"),
        include_str!("sharepoint.tmpl"),
        include_str!("general.tmpl"),
        include_str!("dlp.tmpl"),
    ]
    .map(Templates::parse)
});
