//! A report for people.

use std::fmt::{self, Display, Formatter};

use pipeline_core::Timestamp;

use super::{FeedReport, Figures, FoundBy, Grouping, MissingBlob, SourceReport, Verification};

/// Pending blobs that are named of each feed.
const PENDING_NAMED_MAX: usize = 5;

/// Missing blobs that are named of each feed; JSON has all of them.
const MISSING_NAMED_MAX: usize = 20;

/// Shows a report.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a>(pub &'a SourceReport);

impl Display for Table<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let report = self.0;
        writeln!(
            out,
            "source {}: content created from {} to {}",
            report.source,
            time(report.since),
            time(report.until)
        )?;
        for feed in &report.feeds {
            writeln!(out)?;
            write_feed(out, feed, report)?;
        }
        writeln!(out, "\nall feeds")?;
        write_head(out, Grouping::Feed)?;
        write_row(out, "total", &report.totals)?;
        writeln!(out)?;
        write_verdict(out, report)
    }
}

fn write_feed(out: &mut Formatter<'_>, feed: &FeedReport, report: &SourceReport) -> fmt::Result {
    write!(out, "{}", feed.name())?;
    match (feed.listed_from, feed.listed_until) {
        (from, Some(until)) => {
            let from = from.map_or_else(|| "?".to_owned(), time);
            write!(out, ": listed from {from} to {}", time(until))?;
        }
        (_, None) => write!(out, ": never listed")?,
    }
    if !feed.configured {
        write!(out, "; not in the configuration any more")?;
    }
    if feed.subscription_enabled == Some(false) {
        write!(out, "; its subscription is not enabled")?;
    }
    writeln!(out)?;
    if !feed.periods.is_empty() || feed.totals.blobs.listed > 0 {
        write_head(out, report.by)?;
        for period in &feed.periods {
            let format = if report.by == Grouping::Day { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M" };
            write_row(out, &period.start.format(format).to_string(), &period.figures)?;
        }
        write_row(out, "total", &feed.totals)?;
    }
    write_remarks(out, feed)
}

fn write_head(out: &mut Formatter<'_>, by: Grouping) -> fmt::Result {
    let first = match by {
        Grouping::Hour => "hour (UTC)",
        Grouping::Day => "day (UTC)",
        Grouping::Feed => "",
    };
    write!(
        out,
        "  {first:<16} {:>9} {:>9} {:>7} {:>6} |",
        "blobs", "delivered", "pending", "lost"
    )?;
    write!(out, " {:>11} {:>11} {:>9}", "records", "delivered", "filtered")?;
    writeln!(out, " {:>10} {:>12}", "duplicates", "dead letters")
}

fn write_row(out: &mut Formatter<'_>, name: &str, figures: &Figures) -> fmt::Result {
    let (blobs, records) = (&figures.blobs, &figures.records);
    write!(out, "  {name:<16} {:>9} {:>9}", blobs.listed, blobs.delivered)?;
    write!(out, " {:>7} {:>6} |", blobs.pending, blobs.lost)?;
    write!(out, " {:>11} {:>11} {:>9}", records.received, records.delivered, records.filtered)?;
    write!(out, " {:>10} {:>12}", records.duplicates, records.dead_lettered())?;
    writeln!(out, "{}", if figures.sums_add_up { "" } else { "  DOES NOT ADD UP" })
}

fn write_remarks(out: &mut Formatter<'_>, feed: &FeedReport) -> fmt::Result {
    for blob in &feed.lost {
        let (created, expired) = (time(blob.created), time(blob.expires));
        let reason = blob.reason.as_deref().unwrap_or("no reason is known");
        let id = &blob.content_id;
        writeln!(out, "  LOST {id}, created {created}, expired {expired}: {reason}")?;
    }
    for gap in &feed.gaps {
        let (start, end, found) = (time(gap.start), time(gap.end), time(gap.found));
        writeln!(out, "  GAP from {start} to {end}: never listed, and past listing on {found}")?;
    }
    for id in &feed.unbalanced {
        writeln!(out, "  WRONG SUM {id}: its records are not all accounted for")?;
    }
    for blob in feed.pending.iter().take(PENDING_NAMED_MAX) {
        let (created, expires) = (time(blob.created), time(blob.expires));
        write!(out, "  pending {}, created {created}, expires {expires}", blob.content_id)?;
        match &blob.reason {
            Some(reason) => writeln!(out, ", {} attempts: {reason}", blob.attempts)?,
            None => writeln!(out)?,
        }
    }
    feed.verification.as_ref().map_or(Ok(()), |verification| write_verification(out, verification))
}

fn write_verification(out: &mut Formatter<'_>, verification: &Verification) -> fmt::Result {
    if let (Some(from), Some(until)) = (verification.from, verification.until) {
        write!(out, "  verified from {} to {}: ", time(from), time(until))?;
        write!(out, "the API lists {} blobs, ", verification.listed)?;
        write!(out, "{} are in the ledger", verification.known)?;
        write!(out, ", {} are not due yet", verification.not_due)?;
        write!(out, ", {} are late", verification.late)?;
        writeln!(out, ", {} are missing", verification.missing.len())?;
    }
    for MissingBlob { content_id, created, found_by, .. } in
        verification.missing.iter().take(MISSING_NAMED_MAX)
    {
        let found_by = match found_by {
            FoundBy::NextRelisting => "the next listing of everything lists it",
            FoundBy::Nothing => "nothing will list it, as `relist_all_interval` is 0",
        };
        writeln!(out, "  MISSING {content_id}, created {}: {found_by}", time(*created))?;
    }
    if verification.missing.len() > MISSING_NAMED_MAX {
        let more = verification.missing.len() - MISSING_NAMED_MAX;
        writeln!(out, "  MISSING {more} more, which `--format json` names")?;
    }
    if verification.bad_rows > 0 {
        writeln!(out, "  UNREADABLE {} rows of listings name no blob", verification.bad_rows)?;
    }
    if let Some(error) = &verification.error {
        writeln!(out, "  NOT VERIFIED to the end: {error}")?;
    }
    Ok(())
}

fn write_verdict(out: &mut Formatter<'_>, report: &SourceReport) -> fmt::Result {
    let verified = || report.feeds.iter().filter_map(|feed| feed.verification.as_ref());
    let feeds = |is_meant: fn(&FeedReport) -> bool| {
        report.feeds.iter().filter(|feed| is_meant(feed)).count() as u64
    };
    let gaps = report.feeds.iter().map(|feed| feed.gaps.len() as u64).sum();
    let missing = verified().map(|one| one.missing.len() as u64).sum();
    let bad_rows = verified().map(|one| one.bad_rows).sum();
    let unverified = verified().filter(|one| one.error.is_some()).count() as u64;
    let faults = [
        (report.totals.blobs.lost, "blob is lost", "blobs are lost"),
        (gaps, "span was never listed", "spans were never listed"),
        (
            feeds(|feed| !feed.totals.sums_add_up),
            "feed has a sum that does not add up",
            "feeds have sums that do not add up",
        ),
        (
            feeds(|feed| feed.configured && feed.listed_until.is_none()),
            "feed was never listed",
            "feeds were never listed",
        ),
        (missing, "blob is missing", "blobs are missing"),
        (bad_rows, "row of a listing is unreadable", "rows of listings are unreadable"),
        (unverified, "feed could not be verified", "feeds could not be verified"),
    ];
    if !report.complete {
        let faults = faults.into_iter().filter(|(count, ..)| *count > 0);
        let faults: Vec<String> =
            faults.map(|(count, one, many)| counted(count, one, many)).collect();
        return write!(out, "NOT COMPLETE: {}", faults.join(", "));
    }
    write!(out, "complete: nothing is lost, every sum adds up")?;
    if verified().next().is_some() {
        write!(out, ", all that the API lists is in the ledger")?;
    }
    match report.totals.blobs.pending {
        0 => Ok(()),
        count => write!(out, "; {}", counted(count, "blob is pending", "blobs are pending")),
    }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn time(at: Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
