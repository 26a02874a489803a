//! Runs one transform, for its tests.

use std::{io, sync::Arc};

use pipeline_core::{
    Batch, ComponentKind, DEFAULT_PORT, Outcome, Outputs, Prepared, Problem, Receipt, Transform,
    TransformConfig, TransformContext,
    testing::{self, ManualClock},
};
use serde::de::DeserializeOwned;
use vrl::path;

use crate::program::{tables::Tables, tests::record_schema};

/// A transform of type `C`, prepared from its options.
pub(super) struct Bench {
    pub(super) prepared: Prepared,
}

/// Prepares the options in `toml`.
pub(super) fn prepare<C: TransformConfig + DeserializeOwned>(
    toml: &str,
) -> Result<Prepared, Vec<Problem>> {
    let config: C = toml::from_str(toml).unwrap_or_else(|error| panic!("{toml}: {error}"));
    let no_file = |_: &std::path::Path| Err(io::Error::from(io::ErrorKind::NotFound));
    let prepared = config.prepare(&TransformContext {
        id: "it".into(),
        input: record_schema(),
        read_file: &no_file,
        tables: &Tables::default(),
    })?;
    let default = config.has_default_port().then(|| DEFAULT_PORT.to_owned());
    let declared: Vec<String> = default.into_iter().chain(config.ports()).collect();
    let made: Vec<&String> = prepared.outputs.iter().map(|output| &output.port).collect();
    assert_eq!(made, declared.iter().collect::<Vec<_>>(), "the ports are those that were declared");
    Ok(prepared)
}

/// What is wrong with the options in `toml`: the key and the message of each problem.
pub(super) fn problems<C: TransformConfig + DeserializeOwned>(toml: &str) -> String {
    let problems = prepare::<C>(toml).err().unwrap_or_else(|| panic!("{toml}: nothing wrong"));
    let shown = problems.iter().map(|it| format!("{}: {}", it.key.join("."), it.message));
    shown.collect::<Vec<_>>().join("\n")
}

impl Bench {
    pub(super) fn new<C: TransformConfig + DeserializeOwned>(toml: &str) -> Bench {
        let prepared = prepare::<C>(toml);
        Bench { prepared: prepared.unwrap_or_else(|problems| panic!("{toml}: {problems:?}")) }
    }

    /// A worker, as one task has it.
    pub(super) fn worker(&self) -> Box<dyn Transform> {
        let metrics = testing::metrics(ComponentKind::Transform, "it");
        let clock: Arc<dyn pipeline_core::Clock> = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
        self.prepared.factory.worker(&metrics, &clock)
    }

    /// What leaves by each port, and the receipt for all.
    pub(super) fn pass(
        &self,
        worker: &mut dyn Transform,
        records: &[&str],
    ) -> (Vec<Batch>, Receipt) {
        let (batch, receipt) = testing::batch(records);
        let mut outputs = Outputs::new(self.prepared.outputs.len());
        worker.transform(batch, &mut outputs);
        (outputs.into_batches(), receipt)
    }

    /// Sends `records` through, and shows what leaves by each port, with the reason for what is dropped, and in the end
    /// what became of each record.
    pub(super) async fn show(&self, records: &[&str]) -> String {
        let (batches, receipt) = self.pass(&mut *self.worker(), records);
        let mut seen = Vec::new();
        for (output, batch) in self.prepared.outputs.iter().zip(batches) {
            for event in batch {
                let why = event.metadata().get(path!("dropped", "message"));
                let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
                seen.push(format!("{}> {}{why}", output.port, event.value()));
                event.settle(Outcome::Delivered);
            }
        }
        let letters = |outcome: &Outcome| format!("{outcome:?}").remove(0);
        let fates: String = receipt.await.outcomes().iter().map(letters).collect();
        seen.push(fates);
        seen.join("\n")
    }
}
