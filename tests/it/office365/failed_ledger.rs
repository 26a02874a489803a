//! A ledger that no waiting mends ends the source, with the reason.

use std::{sync::Arc, time::Duration};

use o365flow::sources::office365::ledger::SqliteLedger;
use pipeline_core::Outcome;

use super::rig::{CONTOSO, Rig, history, simulate, tenant};

#[test]
fn damage_that_is_met_at_work_ends_the_source_and_the_next_start_mends_it() {
    simulate(async || {
        let spec = tenant(CONTOSO, "contoso.example").with_history(history(4));
        let mut rig = Rig::new(vec![spec]);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        let ledger = Arc::new(SqliteLedger::open_inline(&path).unwrap());
        rig.ledger = ledger.clone();
        // Nothing is delivered before the damage, and nothing is recorded as that.
        rig.judge = Arc::new(|_, _| Outcome::Errored);
        let damage = async {
            tokio::time::sleep(Duration::from_hours(1)).await;
            let db = rusqlite::Connection::open(&path).unwrap();
            db.pragma_update(None, "wal_checkpoint", "TRUNCATE").unwrap();
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[8192..].fill(0xA5);
            std::fs::write(&path, bytes).unwrap();
            // So that what is cached is read anew.
            db.execute_batch("CREATE TABLE other (x)").unwrap();
        };
        let run = rig.run_for(Duration::from_hours(24));
        let (result, ()) = tokio::join!(run, damage);
        let error = result.unwrap_err();
        assert!(error.to_string().contains("the ledger has failed"), "{error}");

        drop(ledger);
        rig.ledger = Arc::new(SqliteLedger::in_memory().unwrap());
        let now = pipeline_core::Clock::now(&*rig.clock);
        let (_, aside) = SqliteLedger::open_or_replace(&path, now).unwrap();
        assert!(aside.is_some());
        rig.ledger = Arc::new(SqliteLedger::open_inline(&path).unwrap());
        rig.judge = Arc::new(|_, _| Outcome::Delivered);
        rig.run_for(Duration::from_hours(12)).await.unwrap();
        rig.assert_exact();
    });
}
