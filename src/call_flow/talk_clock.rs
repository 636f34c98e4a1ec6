//! How long was spoken, and how long somebody was on hold.

use std::time::{Duration, Instant};

/// Adds up talk and hold.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TalkClock {
    since: Option<Instant>,
    held_since: Option<Instant>,
    pub(super) talk: Duration,
    pub(super) hold: Duration,
}

impl TalkClock {
    pub(super) fn start(&mut self, now: Instant) {
        self.since = Some(now);
    }

    pub(super) fn hold(&mut self, now: Instant) {
        if let Some(since) = self.since.take() {
            self.talk += now.saturating_duration_since(since);
            self.held_since = Some(now);
        }
    }

    pub(super) fn resume(&mut self, now: Instant) {
        if let Some(since) = self.held_since.take() {
            self.hold += now.saturating_duration_since(since);
            self.since = Some(now);
        }
    }

    pub(super) fn stop(&mut self, now: Instant) {
        self.resume(now);
        if let Some(since) = self.since.take() {
            self.talk += now.saturating_duration_since(since);
        }
    }
}
