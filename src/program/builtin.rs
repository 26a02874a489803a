//! The programs that come with the binary, and their tables.

use std::{io, path::Path};

use super::source::ReadFile;

/// Path, as a configuration names it, and text of each file in the binary.
const FILES: &[(&str, &str)] = &[
    ("vrl/ecs.vrl", include_str!("../../vrl/ecs.vrl")),
    ("vrl/ecs/address.vrl", include_str!("../../vrl/ecs/address.vrl")),
    ("vrl/ecs/alerts.vrl", include_str!("../../vrl/ecs/alerts.vrl")),
    ("vrl/ecs/categorize.vrl", include_str!("../../vrl/ecs/categorize.vrl")),
    ("vrl/ecs/common.vrl", include_str!("../../vrl/ecs/common.vrl")),
    ("vrl/ecs/compliance.vrl", include_str!("../../vrl/ecs/compliance.vrl")),
    ("vrl/ecs/copilot.vrl", include_str!("../../vrl/ecs/copilot.vrl")),
    ("vrl/ecs/defender.vrl", include_str!("../../vrl/ecs/defender.vrl")),
    ("vrl/ecs/dlp.vrl", include_str!("../../vrl/ecs/dlp.vrl")),
    ("vrl/ecs/entra.vrl", include_str!("../../vrl/ecs/entra.vrl")),
    ("vrl/ecs/exchange.vrl", include_str!("../../vrl/ecs/exchange.vrl")),
    ("vrl/ecs/identity.vrl", include_str!("../../vrl/ecs/identity.vrl")),
    ("vrl/ecs/mode.vrl", include_str!("../../vrl/ecs/mode.vrl")),
    ("vrl/ecs/outcome.vrl", include_str!("../../vrl/ecs/outcome.vrl")),
    ("vrl/ecs/powerplatform.vrl", include_str!("../../vrl/ecs/powerplatform.vrl")),
    ("vrl/ecs/related.vrl", include_str!("../../vrl/ecs/related.vrl")),
    ("vrl/ecs/sharepoint.vrl", include_str!("../../vrl/ecs/sharepoint.vrl")),
    ("vrl/ecs/teams.vrl", include_str!("../../vrl/ecs/teams.vrl")),
    ("vrl/ecs/user_agent.vrl", include_str!("../../vrl/ecs/user_agent.vrl")),
    ("vrl/flatten.vrl", include_str!("../../vrl/flatten.vrl")),
    ("vrl/o365beat.vrl", include_str!("../../vrl/o365beat.vrl")),
    ("vrl/ocsf.vrl", include_str!("../../vrl/ocsf.vrl")),
    ("vrl/ocsf/activity.vrl", include_str!("../../vrl/ocsf/activity.vrl")),
    ("vrl/ocsf/base.vrl", include_str!("../../vrl/ocsf/base.vrl")),
    ("vrl/ocsf/class.vrl", include_str!("../../vrl/ocsf/class.vrl")),
    ("vrl/ocsf/findings.vrl", include_str!("../../vrl/ocsf/findings.vrl")),
    ("vrl/ocsf/finish.vrl", include_str!("../../vrl/ocsf/finish.vrl")),
    ("vrl/ocsf/observables.vrl", include_str!("../../vrl/ocsf/observables.vrl")),
    ("vrl/ocsf/people.vrl", include_str!("../../vrl/ocsf/people.vrl")),
    ("vrl/ocsf/things.vrl", include_str!("../../vrl/ocsf/things.vrl")),
    ("vrl/redact.vrl", include_str!("../../vrl/redact.vrl")),
];

/// What stands in for a file `path` that does not exist.
pub fn builtin(path: &Path) -> Option<&'static str> {
    let path = path.strip_prefix(".").unwrap_or(path);
    FILES.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| *text)
}

/// Reads the file at `path`, or takes the built-in one of that name where there is none.
pub fn read_or_builtin(path: &Path, read_file: ReadFile<'_>) -> io::Result<String> {
    match (read_file(path), builtin(path)) {
        (Err(error), Some(text)) if error.kind() == io::ErrorKind::NotFound => Ok(text.to_owned()),
        (outcome, _) => outcome,
    }
}
