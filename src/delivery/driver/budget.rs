//! How much may be tried again. Pure.
//!
//! Nothing is ever given up, but a server on its knees must not get more requests for failing than it would for
//! answering. Each success earns a part of a retry; a failure spends one. When none is left, one request at a time finds
//! out whether the server is back, and with each that gets through twice as many may go. So after an outage of an hour no
//! herd arrives.

/// Retries that can be saved up: enough for a hiccup in which every request under way fails, and fails again.
const RETRIES_MAX: u32 = 10;

/// Successes that earn one retry.
const SUCCESSES_PER_RETRY: u32 = 5;

/// The retries that are left, and how many requests may go when there are none.
#[derive(Debug)]
pub(super) struct Budget {
    /// In parts of a retry, of which a success earns one.
    parts: u32,
    /// Requests that may be under way while the server comes back; nothing when it is there.
    probing: Option<usize>,
}

impl Budget {
    pub(super) fn new() -> Budget {
        Budget { parts: RETRIES_MAX * SUCCESSES_PER_RETRY, probing: None }
    }

    /// Requests that may be under way, where there could be `limit` of them.
    pub(super) fn allowed(&self, limit: usize) -> usize {
        self.probing.unwrap_or(limit).min(limit)
    }

    /// A request got through, while `limit` of them could be under way.
    pub(super) fn succeeded(&mut self, limit: usize) {
        self.parts = (self.parts + 1).min(RETRIES_MAX * SUCCESSES_PER_RETRY);
        self.probing = self
            .probing
            .map(|allowed| allowed.saturating_mul(2))
            .filter(|allowed| *allowed < limit);
    }

    /// A request failed and has to be repeated.
    pub(super) fn failed(&mut self) {
        match self.parts.checked_sub(SUCCESSES_PER_RETRY) {
            Some(left) => self.parts = left,
            None => self.probing = Some(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hiccup_changes_nothing() {
        let mut budget = Budget::new();
        for _ in 0..RETRIES_MAX {
            budget.failed();
            assert_eq!(budget.allowed(8), 8);
        }
    }

    #[test]
    fn a_failing_server_is_probed_and_comes_back_step_by_step() {
        let mut budget = Budget::new();
        for _ in 0..1000 {
            budget.failed();
        }
        assert_eq!(budget.allowed(8), 1);
        let after_each: Vec<usize> = (0..4)
            .map(|_| {
                budget.succeeded(8);
                budget.allowed(8)
            })
            .collect();
        assert_eq!(after_each, [2, 4, 8, 8]);
        // What was earned on the way is less than a retry.
        budget.failed();
        assert_eq!(budget.allowed(8), 1);
    }

    #[test]
    fn one_failure_in_six_is_paid_for_by_the_others() {
        let mut budget = Budget::new();
        for _ in 0..1000 {
            for _ in 0..SUCCESSES_PER_RETRY {
                budget.succeeded(8);
            }
            budget.failed();
            assert_eq!(budget.allowed(8), 8);
        }
    }

    #[test]
    fn what_is_saved_up_has_a_bound() {
        let mut budget = Budget::new();
        for _ in 0..1_000_000 {
            budget.succeeded(8);
        }
        for _ in 0..=RETRIES_MAX {
            budget.failed();
        }
        assert_eq!(budget.allowed(8), 1);
    }
}
