//! `subscriptions/content`: which window is asked for, the page of blobs that answers it, the link to the next.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use http::HeaderName;
use serde_json::{Value, json};

use crate::api::wrong_type;
use crate::fault::Fault;
use crate::feed::{BlobKey, Feed, Span};
use crate::guid::mix;
use crate::reply::{Refused, Reply};
use crate::route::{ContentId, Query};
use crate::settings::{NextPageHeader, RowOrder, Settings};
use crate::tenant::ContentType;

const WINDOW_MAX: TimeDelta = TimeDelta::hours(24);
const AGE_MAX: TimeDelta = TimeDelta::days(7);

/// What the links of a page begin with.
pub(crate) struct Root<'a> {
    pub(crate) base_url: &'a str,
    pub(crate) tenant_id: &'a str,
    pub(crate) content_type: ContentType,
}

/// What is not true about a page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Lie {
    MissingRows(u64),
    RepeatedRows,
    NoNextPage,
    NextPageLoop,
}

impl Lie {
    pub(crate) fn of(fault: Option<&Fault>) -> Option<Lie> {
        match fault? {
            Fault::MissingRows(seed) => Some(Lie::MissingRows(*seed)),
            Fault::RepeatedRows => Some(Lie::RepeatedRows),
            Fault::NoNextPage => Some(Lie::NoNextPage),
            Fault::NextPageLoop => Some(Lie::NextPageLoop),
            _ => None,
        }
    }
}

/// Reads the window and the page asked for, and refuses what the service refuses.
pub(crate) fn read(
    query: &Query,
    content_type: ContentType,
    now: DateTime<Utc>,
) -> Result<Span, Refused> {
    let page = query.value("nextpage");
    let times = (query.value("starttime"), query.value("endtime"));
    let (from, to) = match times {
        (None, None) => (now - WINDOW_MAX, now),
        (Some(start), Some(end)) => (
            read_time("startTime", start, page.is_some())?,
            read_time("endTime", end, page.is_some())?,
        ),
        _ => {
            return Err(bad_window(
                "AF20030",
                "start time and end time must both be specified (or both omitted)",
            ));
        }
    };
    if from > to {
        return Err(bad_window("AF20030", "start time must be before end time"));
    }
    if to - from > WINDOW_MAX {
        return Err(bad_window(
            "AF20030",
            "start time and end time must be less than or equal to 24 hours apart",
        ));
    }
    if from < now - AGE_MAX {
        return Err(bad_window("AF20055", "start time must be no more than 7 days in the past"));
    }
    let span = Span { from, to, after: None };
    let Some(token) = page else { return Ok(span) };
    let after = parse_page_token(token, &span, content_type)
        .ok_or_else(|| Reply::af(400, "AF20031", &format!("Invalid nextPage Input: {token}.")))?;
    Ok(Span { after: Some(after), ..span })
}

fn bad_window(code: &str, rule: &str) -> Refused {
    Reply::af(400, code, &format!("Invalid time window: {rule}."))
}

/// A fraction of a second is taken only where the service itself wrote it: in a link to a next page.
fn read_time(name: &str, text: &str, fraction_allowed: bool) -> Result<DateTime<Utc>, Refused> {
    let parsed = parse_time(text).filter(|(_, fraction)| fraction_allowed || !fraction);
    parsed.map(|(time, _)| time).ok_or_else(|| wrong_type(name, "datetime"))
}

/// Reads one of the three documented forms, with or without `Z`; also says whether it had a fraction.
pub(crate) fn parse_time(text: &str) -> Option<(DateTime<Utc>, bool)> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let fraction = text.get(19..20) == Some(".");
    let time = match text.len() {
        10 => NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0)?,
        16 => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").ok()?,
        19 => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S").ok()?,
        21.. if fraction => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?,
        _ => return None,
    };
    Some((time.and_utc(), fraction))
}

/// One page of the listing, with the link to the next in a header.
pub(crate) fn page(
    feed: &Feed,
    asked: &Span,
    root: &Root<'_>,
    (settings, lie): (&Settings, Option<Lie>),
    now: DateTime<Utc>,
) -> Reply {
    let mut keys = Vec::new();
    let mut rows = Vec::new();
    let mut more = false;
    for (key, blob) in feed.listed(asked, now) {
        if rows.len() == settings.page_size.max(1) {
            more = true;
            break;
        }
        keys.push(key);
        rows.push(row(key, blob.expires, root));
    }
    if settings.row_order == RowOrder::Shuffled {
        fastrand::Rng::with_seed(mix(settings.seed, rows.len() as u64)).shuffle(&mut rows);
    }
    match lie {
        Some(Lie::MissingRows(seed)) => {
            let mut dice = fastrand::Rng::with_seed(seed);
            rows.retain(|_| dice.bool());
        }
        Some(Lie::RepeatedRows) => rows.extend_from_within(..rows.len().div_ceil(2)),
        Some(Lie::NoNextPage | Lie::NextPageLoop) | None => {}
    }
    let reply = Reply::json(200, &Value::Array(rows));
    let itself = asked.after.as_ref().filter(|_| lie == Some(Lie::NextPageLoop));
    let last = itself.or(keys.last());
    match last {
        Some(last) if more && lie != Some(Lie::NoNextPage) => {
            let name = match settings.next_page_header {
                NextPageHeader::NextPageUri => HeaderName::from_static("nextpageuri"),
                NextPageHeader::NextPageUrl => HeaderName::from_static("nextpageurl"),
            };
            reply.with_header(name, &next_page(*last, asked, root))
        }
        _ => reply,
    }
}

fn row(key: BlobKey, expires: DateTime<Utc>, root: &Root<'_>) -> Value {
    let Root { base_url, tenant_id, content_type } = root;
    let id = ContentId { content_type: *content_type, key }.text();
    json!({
        "contentUri": format!("{base_url}/api/v1.0/{tenant_id}/activity/feed/audit/{id}"),
        "contentId": id,
        "contentType": content_type.name(),
        "contentCreated": key.0.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        "contentExpiration": expires.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
    })
}

/// As seen on the wire: another version in the path, names in lower case, times with seven fraction digits.
fn next_page(last: BlobKey, asked: &Span, root: &Root<'_>) -> String {
    let Root { base_url, tenant_id, content_type } = root;
    let time = |time: DateTime<Utc>| {
        format!("{}.{:07}Z", time.format("%Y-%m-%dT%H:%M:%S"), time.timestamp_subsec_nanos() / 100)
    };
    let (name, from, to) = (content_type.name(), time(asked.from), time(asked.to));
    let token = page_token(last, asked, *content_type);
    format!(
        "{base_url}/api/v1/{tenant_id}/activity/feed/subscriptions/content?contenttype={name}&starttime={from}&endtime={to}&nextpage={token}"
    )
}

/// The place after which a page begins, bound to the listing it belongs to.
fn page_token((created, number): BlobKey, asked: &Span, content_type: ContentType) -> String {
    let millis = created.timestamp_millis();
    let place = mix(millis.cast_unsigned(), u64::from(number));
    let window = mix(micros(asked.from), micros(asked.to));
    format!("{millis:014}{number:010}{:016x}", mix(mix(place, window), content_type as u64))
}

/// Links carry a tenth of a microsecond, clocks may be finer.
fn micros(time: DateTime<Utc>) -> u64 {
    time.timestamp_micros().cast_unsigned()
}

fn parse_page_token(token: &str, asked: &Span, content_type: ContentType) -> Option<BlobKey> {
    let (millis, rest) = token.split_at_checked(14)?;
    let (number, _) = rest.split_at_checked(10)?;
    let key = (DateTime::from_timestamp_millis(millis.parse().ok()?)?, number.parse().ok()?);
    (page_token(key, asked, content_type) == token).then_some(key)
}
