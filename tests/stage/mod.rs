//! What every test of the source `office365` stands on: made-up tenants, their clock, a network without sockets, and a
//! ledger whose requests can be met on their way. It decides nothing about what goes wrong.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod clock;
mod gated_ledger;
mod in_process;

use chrono::DateTime;
use fake_tenant::TenantSpec;
use o365flow::sources::office365::Config;
use pipeline_core::Timestamp;

pub(crate) use self::{
    clock::SimulatedClock,
    gated_ledger::{Gate, Gated, disk_full},
    in_process::InProcess,
};

pub(crate) const CONTOSO: &str = "2d6f1f0c-9c4e-4f0b-8a58-0d4b1c3c7a11";
pub(crate) const FABRIKAM: &str = "5e0a9b7e-0f4d-4a8e-b7f1-3f0c8d1e2b22";
const CLIENT: &str = "7f1c9c58-55cb-4a3c-9a3e-5a1c1f5b2d22";
const SECRET: &str = "a~secret+of/its=own";

/// The time at which simulations begin.
pub(crate) fn start() -> Timestamp {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// A tenant of the fake API with every feed subscribed to.
pub(crate) fn tenant(id: &str, domain: &str) -> TenantSpec {
    TenantSpec::new(id, domain, CLIENT, SECRET).subscribed_to_all()
}

/// The configuration of the named tenants.
pub(crate) fn config(tenants: &[(&str, &str)]) -> Config {
    let tables = tenants.iter().map(|(name, id)| {
        format!(
            "[[tenants]]\nname = '{name}'\ntenant_id = '{id}'\nclient_id = '{CLIENT}'\nclient_secret = '{SECRET}'\n"
        )
    });
    toml::from_str(&tables.collect::<String>()).unwrap()
}
