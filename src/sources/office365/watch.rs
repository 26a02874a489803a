//! Looks at the folder of tenants' files every few seconds, on a thread where waiting for a disk holds nobody up.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use super::tenants_dir::{Look, TenantsDir};

/// The time between two looks. A change takes effect after two.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The folder, and when it is looked at next.
pub(super) struct Watch {
    folder: Arc<Mutex<TenantsDir>>,
    due: Instant,
    /// The look that is being taken.
    under_way: Option<JoinHandle<io::Result<Look>>>,
}

impl Watch {
    /// Looks for the first time at once.
    pub(super) fn new(folder: TenantsDir) -> Watch {
        Watch { folder: Arc::new(Mutex::new(folder)), due: Instant::now(), under_way: None }
    }

    /// The next look. May be dropped and called again without loss.
    pub(super) async fn next_look(&mut self) -> io::Result<Look> {
        if self.under_way.is_none() {
            sleep_until(self.due).await;
        }
        let folder = &self.folder;
        let look = self.under_way.get_or_insert_with(|| {
            let folder = Arc::clone(folder);
            tokio::task::spawn_blocking(move || {
                folder.lock().unwrap_or_else(PoisonError::into_inner).look()
            })
        });
        let looked = look.await;
        self.under_way = None;
        self.due = Instant::now() + LOOK_INTERVAL;
        looked.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}
