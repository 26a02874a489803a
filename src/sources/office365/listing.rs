//! One window of a feed: its pages, one after the other, into the ledger.
//!
//! A listing that is too long, or breaks because its links have grown too old while it was made, is given up: the feed
//! goes on with shorter windows from the same start. What was entered by then stays, as it was listed.

use std::{collections::HashSet, sync::Arc};

use office365::{Page, Window};

use super::{
    feed::Feed,
    plan::{self, ListingStep, WindowLength},
    poll_error::PollError,
};

/// What became of the listing of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// All of it is in the ledger.
    Whole,
    /// It did not come to its end; shorter windows are next.
    Broken,
}

impl Feed {
    /// Lists a window, and learns from it how long the next ones may be.
    pub(super) async fn list_window(&mut self, window: Window) -> Result<Listed, PollError> {
        let content_type = self.handle.content_type;
        let page = self.tenant.client.list_content(content_type, window).await?;
        let broken = match self.follow_pages(window, page).await {
            Ok(Some(pages)) => {
                self.window_length = self.window_length.after_listing(window, pages);
                return Ok(Listed::Whole);
            }
            Ok(None) => PollError::Endless { window },
            // A shorter listing is over before its links are too old.
            Err(error) if error.step() == ListingStep::Again => error,
            Err(error @ PollError::Endless { .. }) => {
                self.window_length =
                    self.window_length.after_break(window).unwrap_or(self.window_length);
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        let Some(shorter) = self.window_length.after_break(window) else { return Err(broken) };
        let (component_id, tenant) = (&*self.tenant.shared.id, &self.tenant.name);
        let reason = broken.text();
        tracing::info!(component_id, tenant, %content_type, %window, reason, "window is listed in halves");
        self.window_length = shorter;
        Ok(Listed::Broken)
    }

    /// Enters all pages of a window, and gives their number; nothing where there are too many.
    async fn follow_pages(
        &mut self,
        window: Window,
        first: Page,
    ) -> Result<Option<usize>, PollError> {
        let tenant = Arc::clone(&self.tenant);
        // Later pages go on with what there was at the first.
        let until = plan::listed_until(&tenant.shared.listing, window, first.server_date);
        let (mut links, mut page) = (HashSet::new(), first);
        loop {
            tenant.compare_clocks();
            let next = page.next.take();
            let is_last = next.is_none();
            self.enter(page, is_last.then_some(until)).await;
            let Some(link) = next else { return Ok(Some(links.len() + 1)) };
            if links.len() + 1 >= WindowLength::pages_max(window) {
                return Ok(None);
            }
            if !links.insert(link.clone()) {
                return Err(PollError::Endless { window });
            }
            page = tenant.client.next_page(&link).await?;
        }
    }
}
