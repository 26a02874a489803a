//! One feed: seeing to its subscription, listing its windows, entering what is listed in the ledger.
//!
//! Invariant: a window counts as listed only in the transaction that adds its last page. It decides nothing itself,
//! `plan` does, and it fetches nothing: `tenant` takes what is due from the ledger.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use office365::{Page, Started};
use pipeline_core::{ErrorStage, Timestamp};
use tokio::time::Instant;

use super::{
    listing::Listed,
    plan::{self, ListingRules, ListingStep, Progress, SubscriptionStep, Unlisted, WindowLength},
    poll_error::PollError,
    tenant::{FeedHandle, Tenant},
};

/// How often one poll starts its listing anew.
const RESTARTS_MAX: u32 = 3;

/// Polls of one feed in a run that ends by itself, when they fail.
const ONCE_POLLS_MAX: u32 = 6;

/// How long the list of subscriptions is believed while listings work.
const SUBSCRIPTION_CHECK: Duration = Duration::from_hours(1);

/// The part of `relist_all_interval` that is left to chance.
const RELIST_JITTER: f64 = 0.2;

/// A feed at work.
pub(super) struct Feed {
    pub(super) tenant: Arc<Tenant>,
    pub(super) handle: Arc<FeedHandle>,
    listed_until: Option<Timestamp>,
    start_attempted: Option<Timestamp>,
    listed_from: Option<Timestamp>,
    relisted_at: Option<Timestamp>,
    /// The part of `relist_all_interval` that this feed waits, so that feeds that began together drift apart.
    relist_part: f64,
    /// How far the listing of everything has come that is under way: one that fails goes on from there.
    relisted_to: Option<Timestamp>,
    pub(super) window_length: WindowLength,
    subscription_checked: Option<Instant>,
    /// What the ledger was last told of the subscription.
    subscription_recorded: Option<bool>,
    /// The API said since the last check that there is no enabled subscription.
    was_refused: bool,
    /// It was polled since the start.
    is_polled: bool,
    /// Failed polls in a row.
    failures: u32,
    /// Rows that named no blob, since the start.
    bad_rows: usize,
}

impl Feed {
    pub(super) fn new(tenant: Arc<Tenant>, handle: Arc<FeedHandle>) -> Feed {
        let relist_part = tenant.with_random(|random| 1.0 - RELIST_JITTER * random.f64());
        Feed {
            relist_part,
            listed_until: handle.opened.listed_until,
            start_attempted: handle.opened.start_attempted,
            listed_from: handle.opened.listed_from,
            relisted_at: handle.opened.relisted_at,
            relisted_to: None,
            window_length: WindowLength::LONGEST,
            subscription_checked: None,
            subscription_recorded: None,
            was_refused: false,
            is_polled: false,
            failures: 0,
            bad_rows: 0,
            tenant,
            handle,
        }
    }

    /// Polls until the source stops, or, where it ends by itself, until one poll has succeeded or too many have
    /// failed; the error then says why.
    pub(super) async fn run(mut self) -> Result<(), String> {
        let tenant = Arc::clone(&self.tenant);
        let shared = &tenant.shared;
        loop {
            let result = tokio::select! {
                biased;
                () = tenant.stop.cancelled() => return Ok(()),
                // In a place of its own, which is free between two polls: there may be thousands of feeds.
                result = AssertUnwindSafe(Box::pin(self.poll())).catch_unwind() => {
                    result.unwrap_or(Err(PollError::Panicked))
                }
            };
            let step = result.as_ref().err().map(PollError::step);
            self.failures = if step.is_some() { self.failures.saturating_add(1) } else { 0 };
            match &result {
                Ok(()) => tenant.metrics.throttling(false),
                Err(error) => self.report(error),
            }
            self.handle.refresh_status(&tenant).await;
            if shared.is_once {
                match result {
                    Ok(()) if self.bad_rows > 0 => {
                        return Err(format!("{} blobs were listed unreadably", self.bad_rows));
                    }
                    Ok(()) => return Ok(()),
                    Err(error) if self.is_final(step) => return Err(error.text()),
                    Err(_) => {}
                }
            }
            let wait = tenant.with_random(|random| {
                let wait = plan::next_poll(step, self.failures, shared.poll_interval, random);
                let is_first = !std::mem::replace(&mut self.is_polled, step.is_none());
                // What started together is polled at times of its own from here on.
                if is_first && step.is_none() { wait.mul_f64(random.f64()) } else { wait }
            });
            tokio::select! {
                biased;
                () = tenant.stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Whether a run that ends by itself gives the feed up.
    fn is_final(&self, step: Option<ListingStep>) -> bool {
        let can_pass = matches!(step, Some(ListingStep::Soon(_) | ListingStep::Pause(_)));
        !can_pass || self.failures >= ONCE_POLLS_MAX
    }

    async fn poll(&mut self) -> Result<(), PollError> {
        self.tenant.refresh_token().await?;
        let mut restarts = 0;
        loop {
            let listed = match self.tenant.shared.replay.clone() {
                Some(replay) => self.list_again(&replay).await,
                None => self.list_new().await,
            };
            let Err(error) = listed else { return Ok(()) };
            restarts += 1;
            match error.step() {
                ListingStep::Subscribe if self.tenant.shared.replay.is_some() => return Err(error),
                ListingStep::Subscribe if restarts <= RESTARTS_MAX => {
                    self.was_refused = true;
                    self.subscription_checked = None;
                }
                ListingStep::Again if restarts <= RESTARTS_MAX => {}
                ListingStep::Subscribe
                | ListingStep::Again
                | ListingStep::Pause(_)
                | ListingStep::Soon(_)
                | ListingStep::Later => return Err(error),
            }
        }
    }

    async fn list_new(&mut self) -> Result<(), PollError> {
        self.see_to_subscription().await?;
        // What is new comes first: an old day that cannot be listed must not keep it waiting.
        self.list().await?;
        self.relist().await
    }

    async fn see_to_subscription(&mut self) -> Result<(), PollError> {
        let is_fresh = |checked: Instant| checked.elapsed() < SUBSCRIPTION_CHECK;
        if self.subscription_checked.is_some_and(is_fresh) {
            return Ok(());
        }
        let (tenant, handle) = (&self.tenant, &self.handle);
        let (persist, ledger) = (&tenant.shared.persist, tenant.shared.persist.ledger());
        let (content_type, row) = (handle.content_type, handle.opened.feed);
        let listed = tenant.client.list_subscriptions().await?;
        // By the clock of who counts the minutes, as it just answered: the local one may be set meanwhile.
        let now = tenant.client.server_now().unwrap_or_else(|| tenant.shared.clock.now());
        let step = plan::subscription_step(
            content_type,
            &listed,
            self.was_refused,
            self.start_attempted,
            now,
        );
        let is_enabled = step == SubscriptionStep::Ready;
        handle.metrics.subscription(is_enabled);
        if self.subscription_recorded != Some(is_enabled) {
            let record = || ledger.record_subscription(row, is_enabled);
            persist.until_done("write down a subscription", record).await;
            self.subscription_recorded = Some(is_enabled);
        }
        match step {
            SubscriptionStep::Ready => {}
            SubscriptionStep::WaitUntil(until) => return Err(PollError::Unsubscribed { until }),
            SubscriptionStep::Start => {
                self.start_attempted = Some(now);
                // Before the request: whatever becomes of it, the next one must wait.
                let record = || ledger.record_start_attempt(row, now);
                persist.until_done("write down the start of a subscription", record).await;
                let started = tenant.client.start_subscription(content_type).await?;
                handle.metrics.subscription(true);
                let is_new = started == Started::Now;
                let (component_id, tenant) = (&*tenant.shared.id, &tenant.name);
                tracing::info!(component_id, tenant, %content_type, is_new, "subscription started");
            }
        }
        self.was_refused = false;
        self.subscription_checked = Some(Instant::now());
        Ok(())
    }

    /// Lists every window up to now.
    async fn list(&mut self) -> Result<(), PollError> {
        let tenant = Arc::clone(&self.tenant);
        let rules = &tenant.shared.listing;
        if self.listed_until.is_none() {
            self.begin(plan::first_start(rules, tenant.api_now())).await;
        }
        let end = plan::listing_end(rules, tenant.api_now());
        let mut progress = self.progress(end);
        tenant.wait_out_pause().await;
        while let Some(next) = plan::next_window(rules, &progress, tenant.api_now()) {
            if let Some(missed) = next.missed {
                // Before the window is listed: a kill just after that must not hide it.
                self.write_down_missed(missed).await;
            }
            if self.list_window(next.window).await? == Listed::Whole {
                if let Some(missed) = next.missed {
                    // Or it would be missed again after a kill.
                    tenant.shared.quiet.write().await;
                    self.report_missed(missed);
                }
                progress.position = Some(next.window.end());
            }
            progress = Progress { position: progress.position, ..self.progress(end) };
            tenant.wait_out_pause().await;
        }
        Ok(())
    }

    /// A poll's progress before its first window.
    fn progress(&self, end: Timestamp) -> Progress {
        let (listed_from, listed_until) = (self.listed_from, self.listed_until);
        Progress { listed_from, listed_until, position: None, end, length: self.window_length }
    }

    /// Writes down where a feed begins that was never listed. Its first listing is one of everything.
    async fn begin(&mut self, from: Timestamp) {
        let (persist, feed) = (&self.tenant.shared.persist, self.handle.opened.feed);
        let record = || persist.ledger().record_first_listing(feed, from);
        persist.until_done("write down where a feed begins", record).await;
        self.listed_from = self.listed_from.or(Some(from));
        self.write_down_relisting().await;
    }

    /// Lists again, when it is time, all that the API still lists and that no poll lists again anyway.
    async fn relist(&mut self) -> Result<(), PollError> {
        let tenant = Arc::clone(&self.tenant);
        let rules = &ListingRules {
            relist_all_interval: tenant
                .shared
                .listing
                .relist_all_interval
                .mul_f64(self.relist_part),
            ..tenant.shared.listing
        };
        let Some(listed_until) = self.listed_until else { return Ok(()) };
        if !plan::is_relisting_due(rules, self.relisted_at, tenant.api_now()) {
            return Ok(());
        }
        let end = listed_until - plan::delta(rules.relist_overlap);
        let mut progress = Progress { position: self.relisted_to, ..self.progress(end) };
        tenant.wait_out_pause().await;
        while let Some(window) =
            plan::next_relisted_window(rules, self.listed_from, &progress, tenant.api_now())
        {
            if self.list_window(window).await? == Listed::Whole {
                progress.position = Some(window.end());
                self.relisted_to = progress.position;
            }
            progress.length = self.window_length;
            tenant.wait_out_pause().await;
        }
        self.relisted_to = None;
        self.write_down_relisting().await;
        Ok(())
    }

    async fn write_down_relisting(&mut self) {
        let (shared, feed) = (&self.tenant.shared, self.handle.opened.feed);
        let (persist, now) = (&shared.persist, self.tenant.api_now());
        let record = || persist.ledger().record_relisting(feed, now);
        persist.until_done("write down a listing of everything", record).await;
        self.relisted_at = Some(now);
    }

    /// Enters a page in the ledger; with the last one of a window, how far the feed is listed.
    pub(super) async fn enter(&mut self, mut page: Page, until: Option<Timestamp>) {
        if let Some(replay) = &self.tenant.shared.replay {
            replay.retain(&mut page);
        }
        let (shared, handle) = (&self.tenant.shared, &self.handle);
        let (component_id, tenant, content_type) =
            (&*shared.id, &self.tenant.name, handle.content_type);
        self.bad_rows += page.bad_rows;
        for _ in 0..page.bad_rows {
            shared.metrics.error("bad_listing_row", ErrorStage::Receiving);
        }
        for row in &page.bad_rows_shown {
            let (field, row) = (row.field, &row.row);
            tracing::error!(component_id, tenant, %content_type, field, row, "listing names a blob that cannot be fetched");
        }
        let added = match until {
            // Most pages are of quiet feeds and name nothing: how far those are listed is written down together.
            Some(until) if page.blobs.is_empty() => {
                shared.quiet.note(handle.opened.feed, until);
                0
            }
            Some(_) | None => {
                let ledger = shared.persist.ledger();
                let add = || ledger.add_page(handle.opened.feed, page.blobs.clone(), until);
                shared.persist.until_done("enter a page of a listing", add).await
            }
        };
        handle.metrics.listed(added);
        if let Some(until) = until {
            self.listed_until = self.listed_until.max(Some(until));
            handle.metrics.listed_until(self.listed_until.unwrap_or(until));
        }
        if added > 0 {
            handle.note_change();
            tracing::debug!(component_id, tenant, %content_type, blobs = added, "blobs listed");
            self.tenant.wake.notify_one();
        }
    }

    fn report(&self, error: &PollError) {
        let (shared, tenant) = (&self.tenant.shared, &self.tenant.name);
        let (component_id, content_type) = (&*shared.id, self.handle.content_type);
        shared.metrics.error(error.metric_type(), ErrorStage::Receiving);
        if let ListingStep::Pause(pause) = error.step() {
            self.tenant.note_throttled(&self.handle);
            self.tenant.pause(pause, &error.text());
        }
        if !self.failures.is_power_of_two() {
            return;
        }
        let (failures, reason) = (self.failures, error.text());
        let hint = error.hint();
        let (cause, fix) = (hint.map(|hint| hint.cause), hint.map(|hint| hint.fix));
        tracing::error!(
            component_id, tenant, %content_type, failures, reason, cause, fix, "feed could not be listed"
        );
    }

    async fn write_down_missed(&self, missed: Unlisted) {
        let (persist, feed) = (&self.tenant.shared.persist, self.handle.opened.feed);
        let now = self.tenant.api_now();
        let record = || persist.ledger().record_gap(feed, missed.start..missed.end, now);
        persist.until_done("write down what was never listed", record).await;
    }

    fn report_missed(&self, missed: Unlisted) {
        let shared = &self.tenant.shared;
        shared.metrics.error("listing_gap", ErrorStage::Receiving);
        self.handle.metrics.never_listed();
        tracing::error!(
            component_id = &*shared.id,
            tenant = self.tenant.name,
            content_type = self.handle.content_type.name(),
            from = %missed.start,
            to = %missed.end,
            "content created in this time was never listed and is listed no more"
        );
    }
}
