//! What was found, as text for people and as JSON for programs. The keys of the JSON stay as they are.

use std::fmt;

use pipeline_core::{Finding, Health};
use serde_json::{Value, json};

use super::{Subject, SubjectKind};

/// Room for the longest name of a check.
const CHECK_WIDTH: usize = 12;

/// All that was looked at.
#[derive(Default)]
pub(super) struct Report(pub(super) Vec<Subject>);

impl Report {
    /// The worst that was found.
    pub(super) fn health(&self) -> Health {
        let all = self.0.iter().flat_map(|subject| &subject.findings);
        all.map(|finding| finding.health).max().unwrap_or(Health::Ok)
    }

    fn count(&self, health: Health) -> usize {
        let all = self.0.iter().flat_map(|subject| &subject.findings);
        all.filter(|finding| finding.health == health).count()
    }

    pub(super) fn json(&self) -> Value {
        let finding = |finding: &Finding| {
            json!({
                "check": finding.check, "health": finding.health.as_str(), "found": finding.found,
                "cause": finding.cause, "fix": finding.fix,
            })
        };
        let subject = |subject: &Subject| {
            let findings: Vec<Value> = subject.findings.iter().map(finding).collect();
            let mut shown =
                json!({"kind": subject.kind.name(), "name": subject.name, "findings": findings});
            if let SubjectKind::Tenant { source } = &subject.kind {
                shown["source"] = json!(source);
            }
            shown
        };
        let subjects: Vec<Value> = self.0.iter().map(subject).collect();
        json!({"health": self.health().as_str(), "subjects": subjects})
    }
}

impl SubjectKind {
    fn name(&self) -> &'static str {
        match self {
            SubjectKind::State => "state",
            SubjectKind::Tenant { .. } => "tenant",
            SubjectKind::Sink => "sink",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for subject in &self.0 {
            write!(formatter, "{} {}", subject.kind.name(), subject.name)?;
            match &subject.kind {
                SubjectKind::Tenant { source } => writeln!(formatter, " (source {source})")?,
                SubjectKind::State | SubjectKind::Sink => writeln!(formatter)?,
            }
            if subject.findings.is_empty() {
                writeln!(formatter, "  {:<4}  nothing to look at", Health::Ok.as_str())?;
            }
            for finding in &subject.findings {
                write_finding(formatter, finding)?;
            }
            writeln!(formatter)?;
        }
        write!(
            formatter,
            "{} ok, {} to look at, {} failed",
            self.count(Health::Ok),
            self.count(Health::Warn),
            self.count(Health::Fail)
        )
    }
}

fn write_finding(formatter: &mut fmt::Formatter<'_>, finding: &Finding) -> fmt::Result {
    let Finding { check, health, found, cause, fix } = finding;
    writeln!(formatter, "  {:<4}  {check:<CHECK_WIDTH$}  {found}", health.as_str())?;
    for (word, text) in [("cause", cause), ("fix", fix)] {
        if let Some(text) = text {
            writeln!(formatter, "        {:<CHECK_WIDTH$}  {word}: {text}", "")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn report() -> Report {
        let kind = SubjectKind::Tenant { source: "office365".to_owned() };
        let findings = vec![
            Finding::ok("dns", "login.example is 192.0.2.1"),
            Finding::fail("token", "refused").cause("the secret is wrong").fix("copy it again"),
        ];
        let tenant = Subject { kind, name: "contoso".to_owned(), findings };
        let sink = Subject { kind: SubjectKind::Sink, name: "out".to_owned(), findings: vec![] };
        Report(vec![tenant, sink])
    }

    #[test]
    fn people_read_what_was_found_line_by_line() {
        expect![[r"
            tenant contoso (source office365)
              ok    dns           login.example is 192.0.2.1
              fail  token         refused
                                  cause: the secret is wrong
                                  fix: copy it again

            sink out
              ok    nothing to look at

            1 ok, 0 to look at, 1 failed"]]
        .assert_eq(&report().to_string());
    }

    #[test]
    fn programs_read_the_same() {
        let shown = report().json();
        assert_eq!(shown["health"], "fail");
        assert_eq!(shown["subjects"][0]["source"], "office365");
        assert_eq!(shown["subjects"][0]["findings"][1]["fix"], "copy it again");
        assert_eq!(shown["subjects"][0]["findings"][0]["fix"], Value::Null);
        assert_eq!(shown["subjects"][1]["findings"], json!([]));
    }
}
