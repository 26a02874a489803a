//! What is asked of the table of seen records. Runs inside a transaction of its caller's.
//!
//! A row holds the ids of one group of records that were delivered together: appending a row costs what its bytes
//! cost, where one row per id would touch a page of an index for each.
//!
//! Invariant: a row that is damaged holds no id. A copy of its records would be sent again, and nothing is lost.

use pipeline_core::Timestamp;
use rusqlite::{Connection, OptionalExtension, params, types::ValueRef};

use super::{
    BlobRow, RecordId, SeenGroup, SeenRow, Sighting, TenantRow,
    record_id::{decode_ids, encode_ids},
    store::millis,
};

/// Groups that one pruning deletes, so that it never holds the ledger up for long.
const PRUNED_GROUPS_MAX: u32 = 2000;

pub(super) fn add(
    db: &Connection,
    tenant: TenantRow,
    blob: BlobRow,
    ids: &[RecordId],
    at: Timestamp,
) -> rusqlite::Result<SeenRow> {
    db.prepare_cached("INSERT INTO seen (tenant, blob, at, ids) VALUES (?1, ?2, ?3, ?4)")?
        .insert(params![tenant.0, blob.0, millis(at), encode_ids(ids)])
        .map(SeenRow)
}

pub(super) fn find(
    db: &Connection,
    wanted: &[(RecordId, Vec<SeenRow>)],
) -> rusqlite::Result<Vec<Option<Sighting>>> {
    let mut found = Vec::with_capacity(wanted.len());
    let mut read = GroupReader::default();
    for (id, rows) in wanted {
        let mut sighting = None;
        for row in rows {
            if let Some(blob) = read.blob_with(db, *row, id)? {
                sighting = Some(Sighting { row: *row, blob });
                break;
            }
        }
        found.push(sighting);
    }
    Ok(found)
}

/// Reads groups, keeping the last one: a repeated blob asks for the ids of one group one after the other.
#[derive(Default)]
struct GroupReader(Option<(SeenRow, BlobRow, Vec<RecordId>)>);

impl GroupReader {
    fn blob_with(
        &mut self,
        db: &Connection,
        row: SeenRow,
        id: &RecordId,
    ) -> rusqlite::Result<Option<BlobRow>> {
        if self.0.as_ref().is_none_or(|(last, _, _)| *last != row) {
            self.0 = db
                .prepare_cached("SELECT blob, ids FROM seen WHERE id = ?1")?
                .query_row([row.0], |found| {
                    Ok((row, BlobRow(found.get(0)?), ids_of(row, found.get_ref(1)?)))
                })
                .optional()?;
        }
        Ok(self.0.as_ref().filter(|(_, _, ids)| ids.contains(id)).map(|(_, blob, _)| *blob))
    }
}

pub(super) fn groups(
    db: &Connection,
    tenant: TenantRow,
    after: SeenRow,
    limit: u32,
) -> rusqlite::Result<Vec<SeenGroup>> {
    db.prepare_cached(
        "SELECT id, ids FROM seen WHERE id > ?1 AND tenant = ?2 ORDER BY id LIMIT ?3",
    )?
    .query_map(params![after.0, tenant.0, limit], |row| {
        let number = SeenRow(row.get(0)?);
        Ok(SeenGroup { row: number, ids: ids_of(number, row.get_ref(1)?) })
    })?
    .collect()
}

fn ids_of(row: SeenRow, found: ValueRef<'_>) -> Vec<RecordId> {
    found.as_blob().ok().and_then(decode_ids).unwrap_or_else(|| {
        tracing::warn!(row = row.0, "a group of record ids in the ledger is damaged and not used");
        Vec::new()
    })
}

/// Deletes old groups; says whether more may be left. Groups are in the order of their times, nearly: a clock that
/// went back only keeps some of them longer.
pub(super) fn prune(db: &Connection, seen_before: Timestamp) -> rusqlite::Result<bool> {
    let deleted = db
        .prepare_cached(
            "DELETE FROM seen WHERE at < ?1 AND id IN (SELECT id FROM seen ORDER BY id LIMIT ?2)",
        )?
        .execute(params![millis(seen_before), PRUNED_GROUPS_MAX])?;
    Ok(deleted == PRUNED_GROUPS_MAX as usize)
}
