//! From the configuration to a source that can run: its ledger opened, its way to the network made.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use net::{ClientSettings, HttpClient, TlsSettings, Transport};
use pipeline_core::{BuildError, Output, Problem, Source, SourceConfig, SourceContext};

use super::{
    config::Config,
    ledger::{Ledger, LedgerError, SqliteLedger},
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

    fn build(&self, context: SourceContext) -> BoxFuture<'_, Result<Box<dyn Source>, BuildError>> {
        Box::pin(async move {
            let ledger = open_ledger(context.data_dir.join(LEDGER_FILE)).await?;
            let transport = self.transport()?;
            let seed = fastrand::u64(..);
            let source = self.build_on(Arc::new(ledger), transport, seed, context)?;
            Ok(Box::new(source) as Box<dyn Source>)
        })
    }
}

pub(super) async fn open_ledger(path: PathBuf) -> Result<SqliteLedger, BuildError> {
    let open = move || {
        SqliteLedger::open(Path::new(&path)).map_err(|error| match error {
            error @ (LedgerError::InUse { .. } | LedgerError::Newer { .. }) => {
                BuildError::plain(error.to_string())
            }
            error => BuildError::new(format!("cannot use the ledger `{}`", path.display()), error),
        })
    };
    // Opening waits for the disk, and for the lock of a process that is just ending.
    tokio::task::spawn_blocking(open)
        .await
        .map_err(|error| BuildError::new("cannot open the ledger", error))?
}

impl Config {
    /// The way to the API and to the sign-in.
    pub(super) fn transport(&self) -> Result<Arc<dyn Transport>, BuildError> {
        let settings = ClientSettings {
            timeouts: self.timeouts(),
            tls: TlsSettings { ca_file: self.tls.ca_file.clone(), ..TlsSettings::default() },
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
