//! What of a damaged ledger can be used without believing it: the ids of delivered records.
//!
//! A wrong state of a blob would lose its records, so feeds and blobs are not taken: what the API still has is listed and
//! fetched again. An id that is found here was written for a delivered record; damage does not make up the id of another.
//! So most of what is fetched again is known as a copy and not shipped twice.

use std::path::Path;

use office365::TenantId;
use rusqlite::{Connection, OpenFlags, Row, params};

use super::record_id::decode_ids;

/// What was taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Salvaged {
    pub(super) ids: u64,
    /// Some could not be read.
    is_partial: bool,
}

/// A group of ids as it was found.
struct Group {
    row: i64,
    tenant_id: String,
    at: i64,
    ids: Vec<u8>,
}

/// Copies the seen ids of the damaged file into `db`, a new ledger. An error is one of the new ledger.
pub(super) fn salvage(damaged: &Path, db: &Connection) -> rusqlite::Result<Salvaged> {
    let mut salvaged = Salvaged::default();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let Ok(old) = Connection::open_with_flags(damaged, flags) else {
        return Ok(Salvaged { is_partial: true, ..salvaged });
    };
    // From both ends, as reading stops where the damage is.
    let reached = copy(&old, db, "ASC", i64::MIN, &mut salvaged)?;
    if salvaged.is_partial {
        copy(&old, db, "DESC", reached, &mut salvaged)?;
    }
    Ok(salvaged)
}

/// Copies the groups after row `after`, in the given order, and gives the last row that was reached.
fn copy(
    old: &Connection,
    db: &Connection,
    order: &str,
    after: i64,
    salvaged: &mut Salvaged,
) -> rusqlite::Result<i64> {
    // Not by way of an index, which may be what is damaged.
    let query = format!(
        "SELECT seen.id, tenant_id, at, ids FROM seen NOT INDEXED CROSS JOIN tenants \
         ON tenants.id = seen.tenant WHERE seen.id > ?1 ORDER BY seen.id {order}"
    );
    let mut reached = after;
    let Ok(mut statement) = old.prepare(&query) else {
        salvaged.is_partial = true;
        return Ok(reached);
    };
    let mut rows = statement.query([after])?;
    loop {
        let group = match rows.next() {
            Ok(Some(row)) => read(row),
            Ok(None) => return Ok(reached),
            Err(_) => {
                salvaged.is_partial = true;
                return Ok(reached);
            }
        };
        match group.ok().and_then(|group| Some((valid_ids(&group)?, group))) {
            Some((ids, group)) => {
                reached = group.row;
                add(db, &group)?;
                salvaged.ids += ids;
            }
            None => salvaged.is_partial = true,
        }
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Group> {
    Ok(Group { row: row.get(0)?, tenant_id: row.get(1)?, at: row.get(2)?, ids: row.get(3)? })
}

/// How many ids the group holds; nothing where it is damaged.
fn valid_ids(group: &Group) -> Option<u64> {
    group.tenant_id.parse::<TenantId>().ok()?;
    decode_ids(&group.ids).map(|ids| ids.len() as u64)
}

/// The group keeps its number, so that groups stay in the order of their times. Its blob is not known here any more.
fn add(db: &Connection, group: &Group) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR IGNORE INTO tenants (tenant_id) VALUES (?1)")?
        .execute([&group.tenant_id])?;
    db.prepare_cached(
        "INSERT OR IGNORE INTO seen (id, tenant, blob, at, ids) \
         SELECT ?1, id, 0, ?3, ?4 FROM tenants WHERE tenant_id = ?2",
    )?
    .execute(params![group.row, group.tenant_id, group.at, group.ids])
    .map(drop)
}
