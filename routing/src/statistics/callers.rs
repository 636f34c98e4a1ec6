//! Who came before: whether a contact's caller had come with another one in the days before.
//!
//! Of each caller only chains are kept: from the first to the last arrival of a row of them in which no
//! two neighbours lie farther apart than the window. Where an arrival lies within such a chain, or
//! within the window after its end, another one was in the window before it; so the answer is exact,
//! whatever the order in which the arrivals were told, and a caller takes one entry, however often they come.

use super::distinct::CallerKey;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A contact of the same caller this long before makes one repeated.
pub const REPEAT_WINDOW: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How long a chain is kept after its end: the window, and again as much for contacts that are counted
/// late because they took so long.
const KEPT_FOR: Duration = Duration::from_secs(14 * 24 * 3_600);

/// How often old chains are given up.
const FORGET_EVERY: Duration = Duration::from_secs(24 * 3_600);

/// Most chains kept. A desk with more callers in a fortnight has their lowest keys given up, which are a
/// fair sample of all, and tells too few of these as repeated.
const CHAINS_MAX: usize = 1 << 20;

/// The chains, by caller and first arrival: the last arrival.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Callers {
    #[serde(with = "super::entries")]
    chains: BTreeMap<(CallerKey, i64), i64>,
    forget_at: Option<Timestamp>,
}

impl Callers {
    /// Notes that somebody came.
    pub(super) fn note(&mut self, caller: CallerKey, arrived: Timestamp) {
        let at = arrived.as_millis();
        let mut first = at;
        let mut last = at;
        if let Some((key, end)) = self.before((caller, at.saturating_add(1)))
            && at <= end.saturating_add(window_ms())
        {
            if at <= end {
                return;
            }
            first = key.1;
        }
        let next = self.chains.range((caller, at.saturating_add(1))..).next();
        if let Some(((who, start), end)) = next
            && *who == caller
            && *start <= at.saturating_add(window_ms())
        {
            last = *end;
            let start = *start;
            self.chains.remove(&(caller, start));
        }
        self.chains.insert((caller, first), last);
        if self.chains.len() > CHAINS_MAX {
            self.chains.pop_first();
        }
    }

    /// Whether somebody who came then had come in the window before.
    pub(super) fn has_come_before(&self, caller: CallerKey, arrived: Timestamp) -> bool {
        let at = arrived.as_millis();
        self.before((caller, at))
            .is_some_and(|(_, end)| at <= end.saturating_add(window_ms()))
    }

    /// Puts other keys in place of some; whether one of them was there.
    pub(super) fn rename(&mut self, names: &BTreeMap<CallerKey, CallerKey>) -> bool {
        let mut is_changed = false;
        for (old, new) in names {
            let of_old = self.chains.range((*old, i64::MIN)..=(*old, i64::MAX));
            let of_old: Vec<(i64, i64)> =
                of_old.map(|((_, first), last)| (*first, *last)).collect();
            for (first, last) in of_old {
                self.chains.remove(&(*old, first));
                self.chains.insert((*new, first), last);
                is_changed = true;
            }
        }
        is_changed
    }

    /// Gives up what no contact is asked about any more.
    pub(super) fn forget(&mut self, newest: Timestamp) {
        if self.forget_at.is_some_and(|at| newest < at) {
            return;
        }
        self.forget_at = Some(newest + FORGET_EVERY);
        let oldest = (newest - KEPT_FOR).as_millis();
        self.chains.retain(|_, last| *last >= oldest);
    }

    /// The caller's chain that begins latest before.
    fn before(&self, before: (CallerKey, i64)) -> Option<((CallerKey, i64), i64)> {
        let (key, end) = self.chains.range(..before).next_back()?;
        (key.0 == before.0).then_some((*key, *end))
    }
}

fn window_ms() -> i64 {
    i64::try_from(REPEAT_WINDOW.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn chains_tell_what_all_arrivals_would(arrivals in prop::collection::vec((0_u8..3, 0_i64..40), 1..40)) {
            let at = |day: i64| Timestamp::from_seconds(day * 86_400);
            let key = |who: u8| CallerKey::of_caller(&who.to_string());
            let mut callers = Callers::default();
            for (who, day) in &arrivals {
                callers.note(key(*who), at(*day));
            }
            for (who, day) in &arrivals {
                let before = arrivals.iter().any(|(other, then)| other == who && (1..=7).contains(&(day - then)));
                prop_assert_eq!(callers.has_come_before(key(*who), at(*day)), before);
            }
        }
    }

    #[test]
    fn old_chains_are_given_up_and_a_frequent_caller_takes_one_entry() {
        let mut callers = Callers::default();
        let who = CallerKey::of_caller("often");
        for hour in 0..10_000 {
            callers.note(who, Timestamp::from_seconds(hour * 3_600));
        }
        callers.note(CallerKey::of_caller("once"), Timestamp::from_seconds(0));
        assert_eq!(callers.chains.len(), 2);
        callers.forget(Timestamp::from_seconds(10_000 * 3_600));
        assert_eq!(callers.chains.len(), 1);
    }
}
