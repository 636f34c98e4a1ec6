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
use std::collections::btree_map::Entry;
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

/// The chains of all callers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Callers {
    #[serde(with = "as_pairs")]
    chains: Chains,
    forget_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Default)]
struct Chains {
    by_caller: BTreeMap<CallerKey, Row>,
    count: usize,
}

/// First and last arrival of a chain, in milliseconds.
type Chain = (i64, i64);

/// One caller's chains, the earliest first; nearly everybody has one.
#[derive(Clone, Debug)]
enum Row {
    One(Chain),
    Several(Vec<Chain>),
}

impl Row {
    fn chains(&self) -> &[Chain] {
        match self {
            Self::One(chain) => std::slice::from_ref(chain),
            Self::Several(chains) => chains,
        }
    }

    /// Adds a chain, and puts together what no longer lies farther apart than the window.
    fn add(&mut self, (first, last): Chain) {
        let is_apart = |a: i64, b: i64| b > a.saturating_add(window_ms());
        if let Self::One(own) = self
            && !is_apart(own.1, first)
            && !is_apart(last, own.0)
        {
            *own = (own.0.min(first), own.1.max(last));
            return;
        }
        let mut chains = self.chains().to_vec();
        let from = chains.partition_point(|chain| is_apart(chain.1, first));
        let to = chains.partition_point(|chain| !is_apart(last, chain.0));
        let near = chains.get(from..to).unwrap_or_default().iter();
        let sum = near.fold((first, last), |sum, chain| {
            (sum.0.min(chain.0), sum.1.max(chain.1))
        });
        chains.splice(from..to.max(from), [sum]);
        *self = match chains.as_slice() {
            [chain] => Self::One(*chain),
            _ => Self::Several(chains),
        };
    }
}

impl Chains {
    fn add(&mut self, caller: CallerKey, chain: Chain) {
        match self.by_caller.entry(caller) {
            Entry::Vacant(place) => {
                place.insert(Row::One(chain));
                self.count += 1;
            }
            Entry::Occupied(mut row) => {
                let row = row.get_mut();
                self.count -= row.chains().len();
                row.add(chain);
                self.count += row.chains().len();
            }
        }
        if self.count > CHAINS_MAX
            && let Some((_, row)) = self.by_caller.pop_first()
        {
            self.count -= row.chains().len();
        }
    }

    fn remove(&mut self, caller: CallerKey) -> Option<Row> {
        let row = self.by_caller.remove(&caller)?;
        self.count -= row.chains().len();
        Some(row)
    }

    fn retain(&mut self, is_kept: impl Fn(&Chain) -> bool) {
        self.by_caller.retain(|_, row| {
            let before = row.chains().len();
            if row.chains().iter().all(&is_kept) {
                return true;
            }
            let kept: Vec<Chain> = row.chains().iter().copied().filter(&is_kept).collect();
            self.count -= before - kept.len();
            match kept.as_slice() {
                [] => return false,
                [chain] => *row = Row::One(*chain),
                _ => *row = Row::Several(kept),
            }
            true
        });
    }
}

/// Chains as a list for people (caller and first arrival, last arrival), as bytes for all others: a desk has hundreds
/// of thousands of them.
mod as_pairs {
    use super::super::packed::{put, put_signed, take, take_signed};
    use super::{CallerKey, Chains, Row};
    use serde::de::{Error, SeqAccess, Visitor};
    use serde::{Deserializer, Serializer};
    use std::fmt;

    pub(super) fn serialize<S: Serializer>(chains: &Chains, to: S) -> Result<S::Ok, S::Error> {
        let rows = chains.by_caller.iter().flat_map(|(caller, row)| {
            let chains = row.chains().iter();
            chains.map(move |(first, last)| ((*caller, *first), *last))
        });
        if to.is_human_readable() {
            return to.collect_seq(rows);
        }
        let mut bytes = Vec::with_capacity(chains.count * 14);
        let mut before = (0, 0);
        for ((caller, first), last) in rows {
            put(&mut bytes, caller.as_u64().wrapping_sub(before.0));
            put_signed(&mut bytes, first.wrapping_sub(before.1));
            put_signed(&mut bytes, last.wrapping_sub(first));
            before = (caller.as_u64(), first);
        }
        to.serialize_bytes(&bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Chains, D::Error> {
        from.deserialize_any(Reader)
    }

    struct Reader;

    impl<'de> Visitor<'de> for Reader {
        type Value = Chains;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("chains of arrivals")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Chains, A::Error> {
            let mut chains = Chains::default();
            while let Some(((caller, first), last)) = seq.next_element()? {
                chains.add(caller, (first, last));
            }
            Ok(chains)
        }

        fn visit_bytes<E: Error>(self, mut bytes: &[u8]) -> Result<Chains, E> {
            // Written in order, so that they need not be looked up one by one.
            let mut rows: Vec<(CallerKey, Row)> = Vec::with_capacity(bytes.len() / 10);
            let mut before = (0_u64, 0_i64);
            let mut count = 0;
            while !bytes.is_empty() {
                let next = take(&mut bytes).and_then(|caller| {
                    let first = before.1.wrapping_add(take_signed(&mut bytes)?);
                    let last = first.wrapping_add(take_signed(&mut bytes)?);
                    Some((before.0.checked_add(caller)?, first, last))
                });
                let (caller, first, last) = next.ok_or_else(|| E::custom("whole chains"))?;
                let key = CallerKey::of_hash(caller);
                match rows.last_mut().filter(|(known, _)| *known == key) {
                    Some((_, row)) => {
                        count -= row.chains().len();
                        row.add((first, last));
                        count += row.chains().len();
                    }
                    None => {
                        rows.push((key, Row::One((first, last))));
                        count += 1;
                    }
                }
                before = (caller, first);
            }
            Ok(Chains {
                by_caller: rows.into_iter().collect(),
                count,
            })
        }
    }
}

impl Callers {
    /// Notes that somebody came.
    pub(super) fn note(&mut self, caller: CallerKey, arrived: Timestamp) {
        let at = arrived.as_millis();
        self.chains.add(caller, (at, at));
    }

    /// Whether somebody who came then had come in the window before.
    pub(super) fn has_come_before(&self, caller: CallerKey, arrived: Timestamp) -> bool {
        let at = arrived.as_millis();
        let chains = self
            .chains
            .by_caller
            .get(&caller)
            .map_or(&[][..], Row::chains);
        let before = chains.iter().rev().find(|(first, _)| *first < at);
        before.is_some_and(|(_, last)| at <= last.saturating_add(window_ms()))
    }

    /// Puts other keys in place of some; whether one of them was there.
    pub(super) fn rename(&mut self, names: &BTreeMap<CallerKey, CallerKey>) -> bool {
        let mut is_changed = false;
        for (old, new) in names {
            let Some(row) = self.chains.remove(*old) else {
                continue;
            };
            for chain in row.chains() {
                self.chains.add(*new, *chain);
            }
            is_changed = true;
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
        self.chains.retain(|(_, last)| *last >= oldest);
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
        assert_eq!(callers.chains.count, 2);
        callers.forget(Timestamp::from_seconds(10_000 * 3_600));
        assert_eq!(callers.chains.count, 1);
    }
}
