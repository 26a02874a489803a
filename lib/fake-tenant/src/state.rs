//! Everything that changes: the tenants with their feeds, budgets, waiting faults. One lock guards it, never across a wait.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::assertion::UsedIds;
use crate::chance::FaultQueue;
use crate::fault::Fault;
use crate::feed::Feed;
use crate::guid::mix;
use crate::history::History;
use crate::records::Org;
use crate::settings::Settings;
use crate::tenant::{ContentType, TenantSpec};
use crate::throttle::Buckets;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    /// Where the API says it lives: the resource of tokens and the start of every link.
    pub(crate) base_url: String,
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) buckets: Buckets,
    pub(crate) faults: FaultQueue,
    pub(crate) used_assertions: UsedIds,
    serial: u64,
}

impl State {
    pub(crate) fn new(settings: Settings, tenants: Vec<TenantSpec>) -> Self {
        let faults = FaultQueue::new(settings.seed, settings.fault_rates.clone());
        let tenants = tenants.into_iter().map(Tenant::new).collect();
        let base_url = "https://manage.office.com".to_owned();
        State {
            settings,
            base_url,
            tenants,
            buckets: Buckets::default(),
            faults,
            used_assertions: UsedIds::default(),
            serial: 0,
        }
    }

    /// A number that no other answer has.
    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        mix(self.settings.seed, self.serial)
    }

    /// Finds a tenant by its id or, as only the sign-in service does, its domain.
    pub(crate) fn tenant_named(&self, name: &str) -> Option<&Tenant> {
        let is_named = |tenant: &&Tenant| {
            tenant.spec.tenant_id == name || tenant.spec.domain.eq_ignore_ascii_case(name)
        };
        self.tenants.iter().find(is_named)
    }

    pub(crate) fn tenant_mut(&mut self, tenant_id: &str) -> Option<&mut Tenant> {
        self.tenants.iter_mut().find(|tenant| tenant.spec.tenant_id == tenant_id)
    }

    /// A feed, brought up to `now`.
    pub(crate) fn feed(
        &mut self,
        tenant_id: &str,
        content_type: ContentType,
        now: DateTime<Utc>,
    ) -> Option<&mut Feed> {
        let feed = &mut self.tenant_mut(tenant_id)?.feeds[content_type as usize];
        feed.advance(now);
        Some(feed)
    }

    pub(crate) fn foreign_host(fault: Option<&Fault>) -> Option<&str> {
        match fault {
            Some(Fault::ForeignHost(host)) => Some(host),
            _ => None,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) spec: TenantSpec,
    pub(crate) org: Arc<Org>,
    /// By content type.
    pub(crate) feeds: [Feed; 5],
}

impl Tenant {
    fn new(spec: TenantSpec) -> Self {
        // Two tenants with the same history must not have the same records.
        let salt =
            |seed| spec.tenant_id.bytes().fold(seed, |salt, byte| mix(salt, u64::from(byte)));
        let feeds = ContentType::ALL.map(|content_type| {
            let history = spec.history.clone();
            let history = history.map(|history| History { seed: salt(history.seed), ..history });
            Feed::new(content_type, salt(0), history, spec.subscribed.contains(&content_type))
        });
        let org = Arc::new(Org::new(&spec.tenant_id, &spec.domain));
        Tenant { spec, org, feeds }
    }
}
