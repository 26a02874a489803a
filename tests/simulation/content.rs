//! The truth: which blobs and records the tenants have. All of it is made before a simulation begins; the fake tenants
//! serve each blob when its time has come.

use std::collections::HashMap;

use bytes::Bytes;
use chrono::{SubsecRound, TimeDelta};
use fake_tenant::{ContentType, FakeTenants, NewBlob, NewContent};
use o365flow::sources::office365::ledger::RecordId;
use pipeline_core::Timestamp;
use uuid::Uuid;

use crate::{
    dice::{happens, span},
    shape::Shape,
    stage::start,
};

/// How many records back a copy may lie.
const COPY_REACH: usize = 300;

/// A record of one tenant.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) tenant: usize,
    pub(crate) fate: Fate,
}

/// What a sink or transform makes of a record whenever it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Deliver,
    /// Dropped on purpose.
    Filter,
    /// Refused for good.
    Reject,
}

#[derive(Debug)]
pub(crate) struct Blob {
    pub(crate) tenant: usize,
    pub(crate) content_type: ContentType,
    pub(crate) content_id: String,
    pub(crate) created: Timestamp,
    /// When it is listed first.
    pub(crate) available: Timestamp,
    pub(crate) expires: Timestamp,
    /// Numbers of its records; some stand in other blobs too.
    pub(crate) records: Vec<usize>,
    /// Elements that can never be events.
    pub(crate) bad: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) records: Vec<Record>,
    pub(crate) blobs: Vec<Blob>,
    /// Id and name of each tenant.
    tenants: Vec<(&'static str, &'static str)>,
    by_id: HashMap<String, usize>,
    by_key: HashMap<RecordId, usize>,
}

impl Content {
    /// Draws everything and gives it to the tenants.
    pub(crate) fn draw(shape: &Shape, tenants: &FakeTenants, dice: &mut fastrand::Rng) -> Content {
        let tenants_named = shape.tenants.clone();
        let mut content = Content { tenants: tenants_named, ..Content::default() };
        for (tenant, (tenant_id, _)) in shape.tenants.iter().enumerate() {
            let mut plans = Vec::new();
            for content_type in &shape.content_types[tenant] {
                let per_hour = 0.1 + 0.5 * dice.f64();
                let mut at = shape.content_from;
                while at < shape.content_until {
                    at += span(dice, 300.0..7200.0 / per_hour);
                    // Some come in bursts, with the very same time.
                    let burst = if happens(dice, 0.05) { dice.usize(2..8) } else { 1 };
                    plans.extend((0..burst).map(|_| (at.trunc_subsecs(3), *content_type)));
                }
            }
            plans.sort_unstable();
            let mut own = Vec::new();
            for (created, content_type) in plans {
                let blob = content.plan((tenant, content_type), created, (shape, &mut own), dice);
                let id = tenants.add_blob(tenant_id, content_type, content.body(&blob)).unwrap();
                content.blobs.push(Blob { content_id: id, ..blob });
            }
        }
        content
    }

    fn plan(
        &mut self,
        (tenant, content_type): (usize, ContentType),
        created: Timestamp,
        (shape, own): (&Shape, &mut Vec<usize>),
        dice: &mut fastrand::Rng,
    ) -> Blob {
        let late = match dice.u8(..) {
            ..40 => span(dice, 10.0..10_800.0),
            40..48 => span(dice, 10_800.0..4.0 * 86_400.0),
            48.. => TimeDelta::zero(),
        };
        // All have turned up when the calm begins.
        let available = (created + late.min(shape.blob_life / 2)).min(shape.calm_from).max(created);
        let size = match dice.u8(..) {
            0..2 => dice.usize(200..400),
            2..10 => 0,
            10.. => dice.usize(1..9),
        };
        let mut records = Vec::with_capacity(size);
        for _ in 0..size {
            let copies = own.len().saturating_sub(COPY_REACH)..own.len();
            if !copies.is_empty() && happens(dice, 0.12) {
                let copy = own[dice.usize(copies)];
                if !records.contains(&copy) {
                    records.push(copy);
                }
                continue;
            }
            let number = self.add_record(tenant, dice);
            own.push(number);
            records.push(number);
        }
        let bad = usize::from(happens(dice, 0.03));
        let (content_id, expires) = (String::new(), created + shape.blob_life);
        Blob { tenant, content_type, content_id, created, available, expires, records, bad }
    }

    fn add_record(&mut self, tenant: usize, dice: &mut fastrand::Rng) -> usize {
        let number = self.records.len();
        let guid = Uuid::from_u64_pair(dice.u64(..), dice.u64(..)).to_string();
        let id = if happens(dice, 0.05) { format!("{{{}}}", guid.to_uppercase()) } else { guid };
        let fate = match dice.u8(..) {
            0..6 => Fate::Filter,
            6..10 => Fate::Reject,
            10.. => Fate::Deliver,
        };
        self.by_id.insert(id.clone(), number);
        self.by_key.insert(RecordId::new(&id), number);
        self.records.push(Record { id, tenant, fate });
        number
    }

    fn body(&self, blob: &Blob) -> NewBlob {
        let mut elements: Vec<Bytes> = blob
            .records
            .iter()
            .map(|number| {
                let id = &self.records[*number].id;
                format!(
                    r#"{{"CreationTime":"2027-01-15T08:00:00","Id":"{id}","Operation":"{id}"}}"#
                )
                .into()
            })
            .collect();
        if blob.bad > 0 {
            elements.insert(elements.len() / 2, Bytes::from_static(br#"{"Operation":"no id"}"#));
        }
        NewBlob {
            created: blob.created,
            available: Some(blob.available),
            expires: Some(blob.expires),
            content: NewContent::Records(elements),
        }
    }

    /// What the proof calls a blob.
    pub(crate) fn key(&self, blob: &Blob) -> String {
        format!("{}/{}", self.tenants[blob.tenant].0, blob.content_id)
    }

    /// What the source calls the blob's tenant.
    pub(crate) fn tenant_name(&self, blob: &Blob) -> &'static str {
        self.tenants[blob.tenant].1
    }

    /// The number of the record with this id.
    pub(crate) fn by_id(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn by_key(&self, key: &RecordId) -> Option<usize> {
        self.by_key.get(key).copied()
    }
}

impl Blob {
    /// For people.
    pub(crate) fn name(&self) -> String {
        let hours = |time: Timestamp| (time - start()).num_minutes();
        format!(
            "blob {} of tenant {} {} (created {} min, available {} min, expires {} min)",
            self.content_id,
            self.tenant,
            self.content_type.name(),
            hours(self.created),
            hours(self.available),
            hours(self.expires)
        )
    }
}
