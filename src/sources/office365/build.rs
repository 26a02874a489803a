//! From the configuration to a source that can run: its ledger opened, its way to the network made.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use net::{ClientSettings, HttpClient, TlsSettings, Transport};
use pipeline_core::{BuildError, ErrorStage, Output, Problem, Source, SourceConfig, SourceContext};
use vrl::value::Value;

use super::{
    chunk,
    config::Config,
    ledger::{Ledger, LedgerError, SetAside, SqliteLedger},
    schema,
    source::Office365,
};

/// The ledger's file in the source's folder.
pub(super) const LEDGER_FILE: &str = "ledger.db";

impl SourceConfig for Config {
    fn outputs(&self) -> Vec<Output> {
        schema::outputs(&self.record_path)
    }

    fn problems(&self) -> Vec<Problem> {
        Config::problems(self)
    }

    fn read_record(&self, record: &[u8]) -> Option<Value> {
        chunk::read_again(record, &self.record_path)
    }

    fn build(&self, context: SourceContext) -> BoxFuture<'_, Result<Box<dyn Source>, BuildError>> {
        Box::pin(async move {
            let ledger = open_ledger(&context).await?;
            let transport = self.transport()?;
            let seed = fastrand::u64(..);
            let source = self.build_on(Arc::new(ledger), transport, seed, context)?;
            Ok(Box::new(source) as Box<dyn Source>)
        })
    }
}

/// Where the ledger of a source is that keeps its state in `state_dir`.
pub fn ledger_path(state_dir: &Path) -> PathBuf {
    state_dir.join(LEDGER_FILE)
}

pub(super) async fn open_ledger(context: &SourceContext) -> Result<SqliteLedger, BuildError> {
    let (path, now) = (ledger_path(&context.data_dir), context.clock.now());
    // Opening waits for the disk, and for the lock of a process that is just ending.
    let opened = tokio::task::spawn_blocking(move || SqliteLedger::open_or_replace(&path, now));
    let opened = opened.await.map_err(|error| BuildError::new("cannot open the ledger", error))?;
    let (ledger, aside) = opened.map_err(|error| match error {
        error @ (LedgerError::InUse { .. } | LedgerError::Newer { .. }) => {
            BuildError::plain(error.to_string())
        }
        error => BuildError::new("cannot use the ledger", error),
    })?;
    if let Some(SetAside { path, reason, salvaged_ids }) = aside {
        context.metrics.error("ledger_damaged", ErrorStage::Processing);
        tracing::error!(
            component_id = &*context.id,
            set_aside = %path.display(),
            reason,
            salvaged_ids,
            "the ledger is damaged: it was set aside, and a new one is begun; all that the API still has is listed and fetched \
             again"
        );
    }
    Ok(ledger)
}

impl Config {
    /// The way to the API and to the sign-in.
    pub(super) fn transport(&self) -> Result<Arc<dyn Transport>, BuildError> {
        let settings = ClientSettings {
            timeouts: self.timeouts(),
            tls: TlsSettings { ca_file: self.tls.ca_file.clone(), ..TlsSettings::default() },
            proxy: self.proxy.settings()?,
            ..ClientSettings::default()
        };
        let client = HttpClient::new(&settings)
            .map_err(|error| BuildError::new("cannot make connections to the API", error))?;
        Ok(Arc::new(client))
    }

    /// As [`SourceConfig::build`], with a ledger and a network of the caller's; `seed` decides all that is random.
    pub fn build_on(
        &self,
        ledger: Arc<dyn Ledger>,
        transport: Arc<dyn Transport>,
        seed: u64,
        context: SourceContext,
    ) -> Result<Office365, BuildError> {
        if let Some(problem) = Config::problems(self).first() {
            let key = problem.key.join(".");
            return Err(BuildError::plain(format!("`{key}` cannot be used: {}", problem.message)));
        }
        Ok(Office365::new(self.clone(), ledger, transport, seed, context))
    }
}
