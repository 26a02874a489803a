//! The error codes of the API: what each means, what to do, and its class.
//!
//! Matched on the code only: Microsoft's wordings vary.

use crate::ErrorClass as Class;
use crate::Hint;

/// One code of the table.
#[derive(Clone, Copy, Debug)]
pub struct AfCode {
    pub code: &'static str,
    pub class: Class,
    pub hint: Hint,
}

/// What is known about `code`.
pub fn af_code(code: &str) -> Option<&'static AfCode> {
    AF_CODES.iter().find(|row| row.code.eq_ignore_ascii_case(code))
}

const RETRY: Class = Class::Retry { after: None };

const fn row(code: &'static str, class: Class, cause: &'static str, fix: &'static str) -> AfCode {
    AfCode { code, class, hint: Hint { cause, fix } }
}

const REPORT: &str = "report it, with this message: the program sent a wrong request";
const WAIT: &str =
    "nothing to do: it is tried again; if it stays for hours, open a case with Microsoft support";

/// Every code that the API is known to give.
pub const AF_CODES: &[AfCode] = &[
    row(
        "AF10001",
        Class::MissingPermission,
        "the access token lacks the permission for this content type",
        "in the app registration add the application permission ActivityFeed.Read (ActivityFeed.ReadDlp for DLP.All) \
         of Office 365 Management APIs and grant admin consent",
    ),
    row("AF20001", Class::OurBug, "a parameter of the request is missing", REPORT),
    row("AF20002", Class::OurBug, "a parameter of the request has the wrong type", REPORT),
    row(
        "AF20003",
        Class::Misconfigured,
        "the webhook expires in the past",
        "set a later expiration of the webhook",
    ),
    row(
        "AF20010",
        Class::Misconfigured,
        "the tenant of the request is not the tenant of the access token",
        "make tenant_id the tenant in which the app signs in",
    ),
    row(
        "AF20011",
        Class::Misconfigured,
        "the tenant is unknown to the API, was deleted, or unified audit logging is off",
        "check tenant_id and cloud, and turn on auditing in the Microsoft Purview portal (it takes hours to show)",
    ),
    row(
        "AF20012",
        Class::Misconfigured,
        "the tenant is not set up right on Microsoft's side",
        "turn on auditing in the Microsoft Purview portal; if it is on, open a case with Microsoft support",
    ),
    row(
        "AF20013",
        Class::Misconfigured,
        "the tenant id is not a GUID",
        "set tenant_id to the tenant's GUID, not its domain",
    ),
    row(
        "AF20020",
        Class::Misconfigured,
        "the content type is not valid",
        "check content_types; some clouds lack some types",
    ),
    row(
        "AF20021",
        Class::Misconfigured,
        "the webhook did not pass its validation",
        "check that the webhook answers 200 over https, or remove it",
    ),
    row(
        "AF20022",
        Class::Unsubscribed,
        "there is no subscription for the content type",
        "nothing to do: it is started; content from before that is not available",
    ),
    row(
        "AF20023",
        Class::Disabled,
        "an administrator of the tenant or the service disabled the subscription",
        "ask the tenant's administrator; it is started again once",
    ),
    row("AF20024", Class::AlreadyEnabled, "the subscription is enabled already", "nothing to do"),
    row(
        "AF20030",
        Class::WindowRefused,
        "the times of the listing are refused: more than 24 h apart, more than 7 days back, or in the wrong order",
        "check the clock of this machine",
    ),
    row(
        "AF20031",
        Class::BadPage,
        "the link to the next page is not valid any more",
        "nothing to do: the window is listed again",
    ),
    row(
        "AF20050",
        Class::Lost,
        "the blob does not exist",
        "nothing to do: its records are lost, unless another collector has them",
    ),
    row(
        "AF20051",
        Class::Lost,
        "the blob has expired",
        "fetch sooner: blobs are served for about 7 days",
    ),
    row(
        "AF20052",
        Class::Lost,
        "the API does not accept the id of the blob",
        "report it, with the id",
    ),
    row("AF20053", Class::OurBug, "more than one language was asked for", REPORT),
    row("AF20054", Class::OurBug, "the language that was asked for is not valid", REPORT),
    row(
        "AF20055",
        Class::WindowRefused,
        "the times of the listing are refused: more than 24 h apart or more than 7 days back",
        "check the clock of this machine",
    ),
    row(
        "AF429",
        Class::Throttled { after: None },
        "the tenant made too many requests, or requests carry no publisher id",
        "lower max_requests_per_minute, set publisher_id to your own tenant's GUID, or ask Microsoft support for more",
    ),
    row("AF50000", RETRY, "the API had an internal error", WAIT),
    row("AF50005", RETRY, "the API had an internal error", WAIT),
    row("AF50006", RETRY, "the API had an internal error", WAIT),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_has_a_cause_and_a_fix() {
        let codes: HashSet<&str> = AF_CODES.iter().map(|row| row.code).collect();
        assert_eq!(codes.len(), AF_CODES.len(), "a code stands there twice");
        for row in AF_CODES {
            assert!(!row.hint.cause.is_empty() && !row.hint.fix.is_empty(), "{}", row.code);
        }
        for code in [
            "AF10001", "AF20001", "AF20002", "AF20003", "AF20010", "AF20011", "AF20012", "AF20013",
            "AF20020", "AF20021", "AF20022", "AF20023", "AF20024", "AF20030", "AF20031", "AF20050",
            "AF20051", "AF20052", "AF20053", "AF20054", "AF20055", "AF429", "AF50000", "AF50005",
            "AF50006",
        ] {
            assert!(codes.contains(code), "{code} is not known");
        }
    }
}
