//! Could events be delivered? Each host is connected to, with TLS where it is set, and sent a window without events: a
//! receiver may answer it and need not, and what answers something else is none.

use std::{error::Error, time::Duration};

use lumberjack::Client;
use net::{SendErrorKind, StreamConnector};
use pipeline_core::Finding;

use super::{config::Config, host::Host};

/// How long a receiver may take to say something. Most say nothing: people wait for it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Looks whether what `config` says could work.
pub(super) async fn probe(config: &Config) -> Vec<Finding> {
    let connector = match config.connector() {
        Ok(connector) => connector,
        Err(error) => {
            let finding = Finding::fail("tls", with_causes(&error));
            return vec![finding.fix("name readable PEM files in the table `tls`")];
        }
    };
    let mut findings = Vec::new();
    for host in &config.hosts {
        findings.extend(look_at(&connector, host, config.tls.enabled).await);
    }
    findings
}

async fn look_at(connector: &StreamConnector, host: &Host, has_tls: bool) -> Vec<Finding> {
    let address = host.address();
    let stream = match connector.connect(address).await {
        Ok(stream) => stream,
        Err(error) => {
            let kind = error.kind();
            let check = if kind == SendErrorKind::Tls { "tls" } else { "connect" };
            let finding = Finding::fail(check, with_causes(&error));
            return vec![finding.cause(cause(kind, has_tls)).fix(kind.fix())];
        }
    };
    let mut findings = vec![Finding::ok("connect", format!("{address} answers"))];
    if has_tls {
        let found = format!("the certificate of {address} is trusted, and is for this name");
        findings.push(Finding::ok("tls", found));
    }
    let client = Client::new(stream, ANSWER_TIMEOUT);
    findings.push(match client.greet(ANSWER_TIMEOUT).await {
        Ok(true) => Finding::ok("protocol", format!("{address} speaks Lumberjack 2")),
        Ok(false) => {
            Finding::ok("protocol", format!("{address} waits for events, as Logstash does"))
        }
        Err(error) => {
            let finding = Finding::fail("protocol", format!("{address}: {}", with_causes(&error)));
            let (cause, fix) = if has_tls {
                (
                    "the receiver refuses this client, or something else than a receiver of Beats answers",
                    "set `crt_file` and `key_file` in `tls` if it wants a certificate, and check the port",
                )
            } else {
                (
                    "the receiver wants TLS, or something else than a receiver of Beats answers",
                    "set tls.enabled if the receiver speaks TLS, and check the port",
                )
            };
            finding.cause(cause).fix(fix)
        }
    });
    findings
}

fn cause(kind: SendErrorKind, has_tls: bool) -> &'static str {
    match kind {
        SendErrorKind::Connect | SendErrorKind::Closed if has_tls => {
            "the host is not known here, is down, refuses connections, or does not speak TLS"
        }
        kind => kind.cause(),
    }
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(error) = behind {
        text = format!("{text}: {error}");
        behind = error.source();
    }
    text
}
