//! One page of the list of blobs.
//!
//! A row that cannot be read costs that row, named in the page, not the page. What would end a listing early without
//! anybody noticing, such as a next-page header that is not text, is an error of the whole page. So is a page of more
//! rows than anybody would send: what is kept of a page is bounded, whatever it holds.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderMap;
use http::header::DATE;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::excerpt::excerpt;
use crate::{BlobRef, ContentId, ContentType, parse_time};

/// Names of the header that carries the link to the next page; headers have no case. The reference and the FAQ differ.
const NEXT_PAGE_HEADERS: [&str; 2] = ["nextpageuri", "nextpageurl"];

/// How long a blob is served when its row does not say: the time that Microsoft promises.
const RETENTION: TimeDelta = TimeDelta::days(7);

/// Rows of one page. Up to 600 were seen; two characters make a row, so the limit on bytes alone would let millions in.
const ROWS_MAX: usize = 50_000;

/// Bytes of a link to the next page. Callers keep the links of a listing; some hundred bytes are normal.
const LINK_BYTES_MAX: usize = 8 * 1024;

/// Bad rows of a page that are shown; more are only counted.
const BAD_ROWS_SHOWN_MAX: usize = 10;

/// What one request of a listing gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub blobs: Vec<BlobRef>,
    /// How many rows name no blob that could be fetched.
    pub bad_rows: usize,
    /// The first of them.
    pub bad_rows_shown: Vec<BadRow>,
    /// `None` after the last page.
    pub next: Option<PageLink>,
    /// The server's clock, from the `Date` header.
    pub server_date: Option<DateTime<Utc>>,
}

/// A row that names no blob that could be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    pub index: usize,
    /// The field that is missing or odd.
    pub field: &'static str,
    /// The start of the row.
    pub row: String,
}

/// The link to the next page, as the API gave it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageLink {
    pub content_type: ContentType,
    pub uri: String,
}

/// Any of the fields may be anything: what cannot be used is judged one by one.
#[derive(Deserialize)]
struct Row {
    #[serde(default, rename = "contentType")]
    content_type: Value,
    #[serde(default, rename = "contentId")]
    id: Value,
    #[serde(default, rename = "contentUri")]
    uri: Value,
    #[serde(default, rename = "contentCreated")]
    created: Value,
    #[serde(default, rename = "contentExpiration")]
    expires: Value,
}

/// Reads a page; the error says what is wrong with it as a whole.
pub(crate) fn parse_page(
    content_type: ContentType,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Page, &'static str> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let Rows(rows) = serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            "body is not an array of at most 50,000 rows"
        } else {
            "body is not JSON"
        }
    })?;
    let next = next_page(headers)?.map(|uri| PageLink { content_type, uri });
    let server_date = server_date(headers);
    let blobs = Vec::with_capacity(rows.len());
    let mut page = Page { blobs, bad_rows: 0, bad_rows_shown: Vec::new(), next, server_date };
    for (index, row) in rows.into_iter().enumerate() {
        match parse_row(content_type, row.get(), server_date) {
            Ok(blob) => page.blobs.push(blob),
            Err(field) => {
                page.bad_rows += 1;
                if page.bad_rows <= BAD_ROWS_SHOWN_MAX {
                    let row = excerpt(row.get().as_bytes());
                    page.bad_rows_shown.push(BadRow { index, field, row });
                }
            }
        }
    }
    Ok(page)
}

/// The rows of a page, uncut; too many are an error before they are kept.
struct Rows<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Rows<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Limited;
        impl<'de> Visitor<'de> for Limited {
            type Value = Rows<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Rows<'de>, A::Error> {
                let mut rows = Vec::new();
                while let Some(row) = array.next_element()? {
                    if rows.len() == ROWS_MAX {
                        return Err(A::Error::custom("too many rows"));
                    }
                    rows.push(row);
                }
                Ok(Rows(rows))
            }
        }
        deserializer.deserialize_seq(Limited)
    }
}

/// The server's clock, from the `Date` header.
pub(crate) fn server_date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let date = headers.get(DATE)?.to_str().ok()?;
    httpdate::parse_http_date(date).ok().map(DateTime::from)
}

fn next_page(headers: &HeaderMap) -> Result<Option<String>, &'static str> {
    for name in NEXT_PAGE_HEADERS {
        for value in headers.get_all(name) {
            let uri = value.to_str().map_err(|_| "next-page header is not text")?.trim();
            if uri.len() > LINK_BYTES_MAX {
                return Err("next-page header is too long");
            }
            if !uri.is_empty() {
                return Ok(Some(uri.to_owned()));
            }
        }
    }
    Ok(None)
}

/// The error is the name of the field at fault. Without its times a blob can be fetched all the same: it then counts as
/// created at `listed`.
fn parse_row(
    asked: ContentType,
    row: &str,
    listed: Option<DateTime<Utc>>,
) -> Result<BlobRef, &'static str> {
    let row: Row = serde_json::from_str(row).map_err(|_| "row")?;
    let expires = row.expires.as_str().and_then(parse_time);
    let created = row.created.as_str().and_then(parse_time);
    let created = created
        .or_else(|| expires?.checked_sub_signed(RETENTION))
        .or(listed)
        .ok_or("contentCreated")?;
    Ok(BlobRef {
        content_type: row.content_type.as_str().and_then(|name| name.parse().ok()).unwrap_or(asked),
        id: ContentId(text(row.id).ok_or("contentId")?),
        uri: text(row.uri).ok_or("contentUri")?,
        created,
        expires: expires.or(created.checked_add_signed(RETENTION)).unwrap_or(created),
    })
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text),
        Value::String(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Array(_)
        | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn page(body: &str) -> Result<Page, &'static str> {
        parse_page(ContentType::Exchange, &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn a_bad_row_costs_only_itself() {
        let page = page(
            r#"[
            {"contentType":"audit.exchange","contentId":"a$b","contentUri":"https://h/a$b",
             "contentCreated":"2026-01-01T00:00:00.000Z","contentExpiration":"2026-01-08T00:00:00.000Z","new":1},
            {"contentId":"c","contentUri":"https://h/c","contentCreated":"2026-01-01T00:00:00"},
            {"contentId":"d","contentUri":"https://h/d","contentCreated":"soon"},
            {"contentId":5,"contentUri":"https://h/e","contentCreated":"2026-01-01T00:00:00"},
            {"contentId":"f","contentUri":null,"contentCreated":"2026-01-01T00:00:00"},
            null
        ]"#,
        )
        .unwrap();
        let ids: Vec<_> = page.blobs.iter().map(|blob| blob.id.0.as_str()).collect();
        assert_eq!(ids, ["a$b", "c"]);
        assert_eq!(page.blobs[1].content_type, ContentType::Exchange);
        assert_eq!(page.blobs[0].expires, page.blobs[1].expires);
        assert_eq!(page.bad_rows, 4);
        let bad: Vec<_> = page.bad_rows_shown.iter().map(|row| (row.index, row.field)).collect();
        assert_eq!(bad, [(2, "contentCreated"), (3, "contentId"), (4, "contentUri"), (5, "row")]);
    }

    #[test]
    fn what_is_not_an_array_is_no_empty_page() {
        for body in ["", "{}", "<html>", "[{}", "null"] {
            assert!(page(body).is_err(), "{body}");
        }
        assert!(page("\u{feff}[]").is_ok());
    }

    #[test]
    fn rows_without_number_are_refused_and_bad_ones_counted() {
        let rows = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
        assert!(page(&rows(ROWS_MAX + 1)).is_err());
        let page = page(&rows(ROWS_MAX)).unwrap();
        assert_eq!((page.bad_rows, page.bad_rows_shown.len()), (ROWS_MAX, BAD_ROWS_SHOWN_MAX));
    }

    #[test]
    fn finds_the_next_page_under_either_name() {
        for name in ["NextPageUri", "Nextpageuri", "NEXTPAGEURL"] {
            let mut headers = HeaderMap::new();
            headers.insert(
                http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_static(" https://h/api/v1/x?nextpage=a$b \t"),
            );
            let page = parse_page(ContentType::Exchange, &headers, b"[]").unwrap();
            assert_eq!(page.next.unwrap().uri, "https://h/api/v1/x?nextpage=a$b");
        }
    }

    #[test]
    fn a_link_that_cannot_be_read_is_not_the_end() {
        let mut headers = HeaderMap::new();
        headers.insert("nextpageuri", HeaderValue::from_bytes(b"https://h/\xff").unwrap());
        assert!(parse_page(ContentType::Exchange, &headers, b"[]").is_err());
        let endless = format!("https://h/{}", "x".repeat(LINK_BYTES_MAX));
        headers.insert("nextpageuri", HeaderValue::try_from(endless).unwrap());
        assert!(parse_page(ContentType::Exchange, &headers, b"[]").is_err());
        headers.insert("nextpageuri", HeaderValue::from_static("  "));
        assert_eq!(parse_page(ContentType::Exchange, &headers, b"[]").unwrap().next, None);
    }

    #[test]
    fn gives_the_clock_of_the_server() {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, HeaderValue::from_static("Thu, 01 Jan 2026 00:00:00 GMT"));
        let page = parse_page(ContentType::Exchange, &headers, b"[]").unwrap();
        assert_eq!(page.server_date, parse_time("2026-01-01T00:00:00"));
    }
}
