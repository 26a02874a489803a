//! The proof: what the sink got, what the ledger says, and what the tenants had, compared.

use std::{collections::HashMap, path::Path};

use chrono::TimeDelta;
use fake_tenant::FakeTenants;
use pipeline_core::{DeadLetter, Timestamp};
use rusqlite::Connection;

use crate::{
    content::{Blob, Content, Fate},
    journal::{Ending, Entry},
    shape::Shape,
    stage::start,
    tally::Tally,
    weather::{Trouble, Weather},
};

/// A blob must be delivered when there was so much time without trouble between its appearance and its expiry: a listing
/// of everything, and the longest wait.
const CALM_NEEDED: TimeDelta = TimeDelta::hours(9);

/// Codes by which the API says that a client broke one of its rules. That a window reaches too far back is judged where
/// it is asked for: the link to a next page can be too old by no fault of the client's.
const RULES: [&str; 11] = [
    "AF10001", "AF20001", "AF20002", "AF20003", "AF20010", "AF20011", "AF20013", "AF20020",
    "AF20030", "AF20031", "AF20052",
];

/// Violations of one kind that are told; the rest is a number.
const TOLD_MAX: usize = 4;

#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) violations: Vec<String>,
    /// How often it came to what.
    pub(crate) delivered: usize,
    pub(crate) repeated: usize,
    pub(crate) rejected: usize,
    pub(crate) lost_blobs: usize,
    pub(crate) unlisted_blobs: usize,
    blobs: usize,
    gaps: usize,
    cut: usize,
    unadmitted: usize,
}

/// What the ledger says at the end.
#[derive(Debug)]
struct Books {
    /// By tenant and content id.
    blobs: HashMap<String, Row>,
    gaps: Vec<Gap>,
}

/// A span that was never listed, in milliseconds since 1970.
#[derive(Debug)]
struct Gap {
    feed: String,
    start: i64,
    end: i64,
}

/// What the ledger says of a blob.
#[derive(Debug)]
struct Row {
    state: i64,
    finished: Option<i64>,
    /// Records, and what became of them.
    counts: [u64; 6],
    error: String,
}

/// What became of a record.
#[derive(Clone, Debug, Default)]
struct Way {
    written: usize,
    filtered: bool,
    rejected: bool,
    remembered: Option<Timestamp>,
    /// Processes that wrote it without its being remembered, and whether the sink admitted it.
    unremembered: Vec<(usize, bool)>,
}

pub(crate) fn judge(
    shape: &Shape,
    content: &Content,
    (entries, weather): (&[(Timestamp, Entry)], &Weather),
    (letters, tenants): (&[DeadLetter], &FakeTenants),
    ledger: &Path,
) -> Verdict {
    let mut verdict = Verdict::default();
    let ledger = Books::read(ledger);
    let ways = verdict.follow_records(shape, content, entries);
    let offered = content.blobs.iter().filter(|blob| content.is_offered(blob, tenants));
    verdict.check_blobs(content, offered.collect(), (&ledger, &ways), weather);
    verdict.check_letters(content, &ledger, letters);
    for refusal in &tenants.stats().refusals {
        if RULES.contains(&refusal.code.as_str()) || refusal.code == "AF429" {
            verdict.violate(format!("a rule was broken {} times: {}", refusal.count, refusal.code));
        }
    }
    verdict
}

impl Books {
    fn read(path: &Path) -> Books {
        let db = Connection::open(path).unwrap();
        let mut query = db
            .prepare(
                "SELECT content_id, tenant_id, state, finished, records, delivered, filtered, duplicates, rejected, \
                 dead_lettered, error FROM blobs JOIN feeds ON feeds.id = feed JOIN tenants ON tenants.id = tenant",
            )
            .unwrap();
        let blobs = query.query_map([], |row| {
            let key = format!("{}/{}", row.get::<_, String>(1)?, row.get::<_, String>(0)?);
            let mut counts = [0; 6];
            for (at, count) in counts.iter_mut().enumerate() {
                *count = row.get::<_, Option<i64>>(at + 4)?.unwrap_or(0).cast_unsigned();
            }
            let error = row.get::<_, Option<String>>(10)?.unwrap_or_default();
            Ok((key, Row { state: row.get(2)?, finished: row.get(3)?, counts, error }))
        });
        let blobs = blobs.unwrap().map(Result::unwrap).collect();
        let mut query = db
            .prepare(
                "SELECT tenant_id, content_type, start, end FROM gaps JOIN feeds ON feeds.id = feed \
                 JOIN tenants ON tenants.id = tenant",
            )
            .unwrap();
        let gaps = query.query_map([], |row| {
            let feed = format!("{}/{}", row.get::<_, String>(0)?, row.get::<_, String>(1)?);
            Ok(Gap { feed, start: row.get(2)?, end: row.get(3)? })
        });
        Books { blobs, gaps: gaps.unwrap().map(Result::unwrap).collect() }
    }
}

impl Verdict {
    /// Says how often it came to what.
    pub(crate) fn add_to(&self, tally: &mut Tally) {
        for (what, times) in [
            ("records delivered", self.delivered),
            ("records repeated", self.repeated),
            ("records rejected", self.rejected),
            ("records written and not admitted", self.unadmitted),
            ("blobs offered", self.blobs),
            ("blobs lost", self.lost_blobs),
            ("blobs never listed", self.unlisted_blobs),
            ("gaps reported", self.gaps),
            ("processes cut off", self.cut),
        ] {
            tally.add(what, times);
        }
    }

    fn violate(&mut self, what: String) {
        self.violations.push(what);
    }

    /// Goes through what happened in order, and finds records that came again without need.
    fn follow_records(
        &mut self,
        shape: &Shape,
        content: &Content,
        entries: &[(Timestamp, Entry)],
    ) -> Vec<Way> {
        let mut ways = vec![Way::default(); content.records.len()];
        let endings: HashMap<usize, Ending> = entries
            .iter()
            .filter_map(|(_, entry)| match entry {
                Entry::Ended { life, ending } => Some((*life, *ending)),
                _ => None,
            })
            .collect();
        let window = TimeDelta::from_std(shape.dedupe_window).unwrap();
        for (at, entry) in entries {
            match entry {
                Entry::Written { record, life, admitted } => {
                    let way = &mut ways[*record];
                    way.written += 1;
                    self.unadmitted += usize::from(!admitted);
                    if window.is_zero() {
                        continue;
                    }
                    self.repeated += usize::from(way.written > 1);
                    let id = &content.records[*record].id;
                    if let Some(remembered) = way.remembered.filter(|it| *at < *it + window) {
                        self.violate(format!(
                            "record {id} came again at {at}, remembered since {remembered}"
                        ));
                    }
                    for (former, was_admitted) in way.unremembered.drain(..) {
                        if was_admitted
                            && (former == *life || endings.get(&former) == Some(&Ending::Drained))
                        {
                            self.violate(format!(
                                "record {id} came again at {at}, in process {life} after {former}"
                            ));
                        }
                    }
                    way.unremembered.push((*life, *admitted));
                }
                Entry::Filtered { record } => ways[*record].filtered = true,
                Entry::Rejected { record } => ways[*record].rejected = true,
                Entry::Remembered { record } => {
                    let way = &mut ways[*record];
                    way.remembered = Some(*at);
                    way.unremembered.clear();
                    if way.written == 0 && !way.filtered && !way.rejected {
                        let id = &content.records[*record].id;
                        self.violations
                            .push(format!("record {id} is remembered, and was neither written nor filtered nor rejected"));
                    }
                }
                Entry::Unknown { id } => self.violate(format!("`{id}` is no record of a tenant")),
                Entry::TooFarBack { query } => {
                    self.violate(format!(
                        "a window that is listed no more was asked for at {at}: {query}"
                    ));
                }
                Entry::Ended { ending, .. } => self.cut += usize::from(*ending == Ending::Cut),
            }
        }
        self.delivered = ways.iter().filter(|way| way.written > 0).count();
        self.rejected = ways.iter().filter(|way| way.rejected).count();
        ways
    }

    /// Each blob was delivered with all its records, or it is said that it was not, and there is a reason.
    fn check_blobs(
        &mut self,
        content: &Content,
        offered: Vec<&Blob>,
        (ledger, ways): (&Books, &[Way]),
        weather: &Weather,
    ) {
        let mut told = 0;
        self.blobs = offered.len();
        self.gaps = ledger.gaps.len();
        for blob in offered {
            let row = ledger.blobs.get(&content.key(blob));
            let fault = match row {
                Some(row) if row.state == 2 => delivered_fault(content, blob, row, ways),
                Some(row) if row.state == 3 => {
                    self.lost_blobs += 1;
                    lost_fault(blob, row, weather)
                }
                Some(row) => Some(format!("is pending at the end: {row:?}")),
                None => {
                    self.unlisted_blobs += 1;
                    unlisted_fault(content, blob, ledger, weather)
                }
            };
            if let Some(fault) = fault {
                told += 1;
                if told <= TOLD_MAX {
                    self.violate(format!("{} {fault}", blob.name()));
                }
            }
        }
        if told > TOLD_MAX {
            self.violate(format!("and {} blobs more", told - TOLD_MAX));
        }
    }

    /// What can never be an event is in the dead letters.
    fn check_letters(&mut self, content: &Content, ledger: &Books, letters: &[DeadLetter]) {
        for blob in content.blobs.iter().filter(|blob| blob.bad > 0) {
            let is_delivered =
                ledger.blobs.get(&content.key(blob)).is_some_and(|row| row.state == 2);
            if is_delivered && !letters.iter().any(|letter| letter.origin == blob.content_id) {
                self.violate(format!("{} has a bad record that is nowhere", blob.name()));
            }
        }
    }
}

/// What is wrong with a blob that the ledger calls delivered.
fn delivered_fault(content: &Content, blob: &Blob, row: &Row, ways: &[Way]) -> Option<String> {
    let [records, parts @ ..] = row.counts;
    if records != parts.iter().sum::<u64>() {
        return Some(format!("has counts that do not add up: {row:?}"));
    }
    if records != (blob.records.len() + blob.bad) as u64 {
        return Some(format!("has {} records and {} bad: {row:?}", blob.records.len(), blob.bad));
    }
    let is_safe = |number: &usize| {
        let way = &ways[*number];
        match content.records[*number].fate {
            Fate::Deliver => way.written > 0,
            Fate::Filter => way.filtered,
            Fate::Reject => way.rejected,
        }
    };
    let missing = blob.records.iter().filter(|number| !is_safe(number)).count();
    (missing > 0).then(|| format!("is delivered without {missing} of its records"))
}

fn lost_fault(blob: &Blob, row: &Row, weather: &Weather) -> Option<String> {
    if row.finished.is_none_or(|at| at < blob.expires.timestamp_millis()) {
        return Some(format!("was given up before its expiry: {row:?}"));
    }
    needless(blob, weather, "is lost", &row.error)
}

fn unlisted_fault(
    content: &Content,
    blob: &Blob,
    ledger: &Books,
    weather: &Weather,
) -> Option<String> {
    let is_reported = ledger.gaps.iter().any(|gap| {
        gap.feed == content.feed(blob)
            && (gap.start..gap.end).contains(&blob.created.timestamp_millis())
    });
    // What turns up late, where all was listed before, and is gone before the API can be asked again, nobody can know.
    let is_knowable = blob.available == blob.created;
    if is_reported || !is_knowable {
        needless(blob, weather, "was never listed", "")
    } else {
        Some("was never listed, and no gap is reported".to_owned())
    }
}

/// Whether there was time enough without trouble.
fn needless(blob: &Blob, weather: &Weather, what: &str, reason: &str) -> Option<String> {
    let calm = longest_calm(blob, weather);
    let minutes = calm.num_minutes();
    (calm >= CALM_NEEDED).then(|| format!("{what} in spite of {minutes} min of calm: {reason}"))
}

/// The longest span of a blob's life in which nothing kept the source from listing and delivering it.
fn longest_calm(blob: &Blob, weather: &Weather) -> TimeDelta {
    let is_harmful = |trouble| !matches!(trouble, Trouble::SinkSlow | Trouble::DiskSlow);
    let mut spells: Vec<_> = weather
        .spells
        .iter()
        .filter(|spell| {
            is_harmful(spell.trouble) && spell.tenant.is_none_or(|it| it == blob.tenant)
        })
        .map(|spell| (spell.from, spell.to))
        .collect();
    spells.sort_unstable();
    let (mut calm, mut from) = (TimeDelta::zero(), blob.available.max(start()));
    for (begin, end) in spells {
        calm = calm.max(begin.min(blob.expires) - from);
        from = from.max(end);
    }
    calm.max(blob.expires - from)
}
