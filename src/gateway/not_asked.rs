//! Questions of calls that the desk could not take: each is counted, the first of a second is logged.

use super::turned_away::CallRate;
use crate::acd::StoreLost;
use ringdown_routing::ids::ContactId;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// How often the desk could not be asked.
#[derive(Debug)]
pub(super) struct NotAsked {
    times: AtomicU64,
    logged: CallRate,
}

impl NotAsked {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            times: AtomicU64::new(0),
            logged: CallRate::new(LOGGED_PER_SECOND_MAX, now),
        }
    }

    /// The desk could not be asked what a call wants of it; the call asks again, or does without.
    pub(super) fn count(&self, now: Instant, contact: ContactId, fault: &StoreLost) {
        let before = self.times.fetch_add(1, Ordering::Relaxed);
        if self.logged.admits(now) {
            let times = before.saturating_add(1);
            tracing::warn!(%contact, %fault, times, "the desk could not be asked; the call asks again");
        }
    }

    /// Times since the start.
    pub(super) fn times(&self) -> u64 {
        self.times.load(Ordering::Relaxed)
    }
}

/// Lines of log in one second.
const LOGGED_PER_SECOND_MAX: u32 = 1;
