//! The way to the sign-in and to the API: names, connections, certificates, clocks. No credential is sent.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta};
use http::{Request, header::DATE};
use office365::{Credential, Origin};
use pipeline_core::{Finding, Timestamp};
use tokio::time::timeout;

use super::{Patient, chain};

/// A clock that differs this much deserves a look; assertions of a certificate are refused from a few minutes on.
const SKEW_WARN: TimeDelta = TimeDelta::seconds(60);
const SKEW_FAIL: TimeDelta = TimeDelta::minutes(5);

/// Addresses of a host that are shown.
const ADDRESSES_MAX: usize = 3;

/// What answers.
pub(super) struct Reached {
    pub(super) login: bool,
    pub(super) api: bool,
}

impl Patient<'_> {
    /// Looks at both hosts.
    pub(super) async fn network(&mut self) -> Reached {
        let urls = self.settings.urls.clone();
        // A managed identity signs in at its own endpoint, which the sign-in itself shows.
        let is_elsewhere = matches!(self.settings.credential, Credential::ManagedIdentity(_));
        let login = is_elsewhere || self.host(&urls.login).await;
        let api = self.host(&urls.resource).await;
        Reached { login, api }
    }

    /// Whether the host answers.
    async fn host(&mut self, origin: &Origin) -> bool {
        let request = Request::get(format!("{origin}/")).body(Bytes::new());
        let Ok(request) = request else {
            self.findings.push(Finding::fail("connect", format!("{origin} is not an address")));
            return false;
        };
        // A proxy resolves the name itself.
        let proxy = self.proxies.server_for(request.uri()).map(ToString::to_string);
        if let Some(proxy) = proxy {
            let found = format!("{origin} is reached through {proxy}");
            self.findings.push(Finding::ok("proxy", found));
        } else if !self.resolve(origin).await {
            return false;
        }
        match self.transport.send(request).await {
            Ok(response) => {
                let found = format!("{origin} answers (HTTP {})", response.status().as_u16());
                self.findings.push(Finding::ok("connect", found));
                let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
                let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
                if let Some(date) = date {
                    let clock = clock(origin, DateTime::from(date), self.clock.now());
                    self.findings.push(clock);
                }
                true
            }
            Err(error) => {
                let (found, kind) = (format!("{origin}: {}", chain(&error)), error.kind());
                let finding = Finding::fail("connect", found);
                self.findings.push(finding.cause(kind.cause()).fix(kind.fix()));
                false
            }
        }
    }

    /// Whether the host's name leads to addresses.
    async fn resolve(&mut self, origin: &Origin) -> bool {
        let host = origin.host().trim_matches(['[', ']']);
        let lookup = tokio::net::lookup_host((host, origin.port()));
        let failed = match timeout(self.config.request_timeout, lookup).await {
            Ok(Ok(addresses)) => {
                let mut shown: Vec<String> =
                    addresses.map(|found| found.ip().to_string()).collect();
                shown.dedup();
                shown.truncate(ADDRESSES_MAX);
                self.findings.push(Finding::ok("dns", format!("{host} is {}", shown.join(", "))));
                return true;
            }
            Ok(Err(error)) => format!("{host}: {error}"),
            Err(_) => format!("{host}: no answer in time"),
        };
        let cause =
            "the name is misspelt, or this machine's name server does not know it or is away";
        let fix = "check login_url, resource_url and cloud, and DNS on this machine";
        self.findings.push(Finding::fail("dns", failed).cause(cause).fix(fix));
        false
    }
}

/// What the host's clock says about this machine's.
fn clock(origin: &Origin, theirs: Timestamp, ours: Timestamp) -> Finding {
    let skew = ours - theirs;
    let seconds = skew.num_seconds().abs();
    let direction = if skew < TimeDelta::zero() { "behind" } else { "ahead of" };
    let found = format!("this machine's clock is {seconds} s {direction} {}'s", origin.host());
    let cause = "the clock of this machine is not kept right";
    let fix = "turn on time synchronisation (NTP)";
    match skew.abs() {
        skew if skew >= SKEW_FAIL => Finding::fail("clock", found).cause(cause).fix(fix),
        skew if skew >= SKEW_WARN => Finding::warn("clock", found).cause(cause).fix(fix),
        _ => Finding::ok("clock", found),
    }
}

#[cfg(test)]
mod tests {
    use pipeline_core::Health;

    use super::*;

    #[test]
    fn a_clock_is_judged_by_how_far_it_is_off() {
        let origin: Origin = "https://manage.office.com".parse().unwrap();
        let now = DateTime::UNIX_EPOCH;
        for (seconds, health, part) in [
            (0, Health::Ok, "0 s ahead of manage.office.com"),
            (-59, Health::Ok, "59 s behind"),
            (60, Health::Warn, "60 s ahead"),
            (-299, Health::Warn, "299 s behind"),
            (300, Health::Fail, "300 s ahead"),
            (-86_400, Health::Fail, "86400 s behind"),
        ] {
            let finding = clock(&origin, now, now + TimeDelta::seconds(seconds));
            assert_eq!(finding.health, health, "{seconds}");
            assert!(finding.found.contains(part), "{}", finding.found);
            assert_eq!(finding.fix.is_some(), health != Health::Ok);
        }
    }
}
