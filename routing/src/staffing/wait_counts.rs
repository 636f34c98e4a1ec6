//! Waits counted: how many began to be seen and how many ended in which way, by the millisecond. That is all that the
//! estimate of patience asks of them, so that a million waits take no more room than the instants they ended at.

use super::patience::{Wait, WaitEnd};
use std::collections::BTreeMap;

/// Most different ends, and most different beginnings, that are kept apart; with more, instants are told half as
/// exactly. It takes some ten megabytes, and is enough for a million calls of which most wait for seconds.
pub const INSTANTS_MAX: usize = 262_144;

/// How many waits there were. The order in which they are added does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitCounts {
    resolution_ms: u64,
    entries: BTreeMap<u64, u64>,
    ends: BTreeMap<(u64, WaitEnd), u64>,
}

impl Default for WaitCounts {
    fn default() -> Self {
        Self {
            resolution_ms: 1,
            entries: BTreeMap::new(),
            ends: BTreeMap::new(),
        }
    }
}

impl WaitCounts {
    /// Adds one wait; one that was seen for no time tells nothing.
    pub fn add(&mut self, wait: Wait) {
        let is_seen = wait.from_ms == 0 || wait.from_ms < wait.ms;
        if !is_seen {
            return;
        }
        let entry = rounded_down(wait.from_ms, self.resolution_ms);
        let end = (rounded_up(wait.ms, self.resolution_ms), wait.end);
        *self.entries.entry(entry).or_default() += 1;
        *self.ends.entry(end).or_default() += 1;
        while self.entries.len().max(self.ends.len()) > INSTANTS_MAX {
            self.coarsen();
        }
    }

    /// To how many milliseconds the waits are told: 1, or a power of two when there were too many different ones. A
    /// wait is then told for longer by less than twice as much, and never for shorter.
    pub fn resolution_ms(&self) -> u64 {
        self.resolution_ms
    }

    /// The instants from which waits were seen, in milliseconds from their begin, and of how many; in their order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u64, u64)> {
        self.entries.iter().map(|(ms, count)| (*ms, *count))
    }

    /// The instants at which waits ended, in milliseconds from their begin, how, and how many; in their order.
    pub(super) fn ends(&self) -> impl Iterator<Item = (u64, WaitEnd, u64)> {
        let ends = self.ends.iter();
        ends.map(|((ms, end), count)| (*ms, *end, *count))
    }

    /// Tells instants half as exactly: the same as if they had never been told any better. Who is seen goes in before
    /// they go out, because the one is rounded down and the other up.
    fn coarsen(&mut self) {
        self.resolution_ms = self.resolution_ms.saturating_mul(2);
        for (ms, count) in std::mem::take(&mut self.entries) {
            *self
                .entries
                .entry(rounded_down(ms, self.resolution_ms))
                .or_default() += count;
        }
        for ((ms, end), count) in std::mem::take(&mut self.ends) {
            let end = (rounded_up(ms, self.resolution_ms), end);
            *self.ends.entry(end).or_default() += count;
        }
    }
}

impl Extend<Wait> for WaitCounts {
    fn extend<I: IntoIterator<Item = Wait>>(&mut self, waits: I) {
        for wait in waits {
            self.add(wait);
        }
    }
}

impl FromIterator<Wait> for WaitCounts {
    fn from_iter<I: IntoIterator<Item = Wait>>(waits: I) -> Self {
        let mut counts = Self::default();
        counts.extend(waits);
        counts
    }
}

fn rounded_down(ms: u64, to_ms: u64) -> u64 {
    ms / to_ms * to_ms
}

fn rounded_up(ms: u64, to_ms: u64) -> u64 {
    ms.div_ceil(to_ms).saturating_mul(to_ms)
}
