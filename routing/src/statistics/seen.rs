//! Which events were counted already, in memory that does not grow with their number.
//!
//! An origin counts its events up from 1, so what was seen of it is a few runs of numbers: one run
//! when nothing is missing. Closed contacts need no memory of their own for this.

use crate::ids::{EventId, NodeId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most runs of numbers kept for one origin; with more, the gap between the two oldest runs is given
/// up, and an event that would still come for it is taken for a duplicate.
const RUNS_MAX: usize = 65_536;

/// An origin by its place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct OriginKey(pub(super) u32);

/// What was seen, by origin.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    keys: BTreeMap<NodeId, OriginKey>,
    origins: Vec<Origin>,
    last: usize,
}

impl Seen {
    /// Notes an event; `None` when it was noted before.
    pub(super) fn note(&mut self, id: &EventId) -> Option<OriginKey> {
        let place = self.place(&id.origin);
        self.last = place;
        let origin = self.origins.get_mut(place)?;
        origin
            .note(id.number)
            .then(|| OriginKey(u32::try_from(place).unwrap_or(u32::MAX)))
    }

    /// The name behind a key, for an order that does not depend on who was seen first.
    pub(super) fn name(&self, key: OriginKey) -> Option<&NodeId> {
        self.origins
            .get(usize::try_from(key.0).unwrap_or(usize::MAX))
            .map(|origin| &origin.name)
    }

    fn place(&mut self, name: &NodeId) -> usize {
        if self
            .origins
            .get(self.last)
            .is_some_and(|origin| origin.name == *name)
        {
            return self.last;
        }
        if let Some(key) = self.keys.get(name) {
            return usize::try_from(key.0).unwrap_or(usize::MAX);
        }
        let place = self.origins.len();
        self.keys.insert(
            name.clone(),
            OriginKey(u32::try_from(place).unwrap_or(u32::MAX)),
        );
        self.origins.push(Origin {
            name: name.clone(),
            tail: None,
            runs: BTreeMap::new(),
        });
        place
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Origin {
    name: NodeId,
    /// The run with the highest numbers, kept apart because nearly every event extends it.
    tail: Option<(u64, u64)>,
    /// All other runs, first number to last number.
    runs: BTreeMap<u64, u64>,
}

impl Origin {
    /// Whether the number is new.
    fn note(&mut self, number: u64) -> bool {
        let Some((first, last)) = self.tail else {
            self.tail = Some((number, number));
            return true;
        };
        if last.checked_add(1) == Some(number) {
            self.tail = Some((first, number));
            return true;
        }
        if number > last {
            self.runs.insert(first, last);
            self.tail = Some((number, number));
            self.bound();
            return true;
        }
        if number >= first {
            return false;
        }
        self.note_below_tail(number, first, last)
    }

    fn note_below_tail(&mut self, number: u64, tail_first: u64, tail_last: u64) -> bool {
        let below = self
            .runs
            .range(..=number)
            .next_back()
            .map(|(first, last)| (*first, *last));
        if below.is_some_and(|(_, last)| number <= last) {
            return false;
        }
        let first = match below {
            Some((first, last)) if last + 1 == number => first,
            Some(_) | None => number,
        };
        if number + 1 == tail_first {
            self.runs.remove(&first);
            self.tail = Some((first, tail_last));
            return true;
        }
        let last = self.runs.remove(&(number + 1)).unwrap_or(number);
        self.runs.insert(first, last);
        self.bound();
        true
    }

    fn bound(&mut self) {
        if self.runs.len() <= RUNS_MAX {
            return;
        }
        if let Some((first, _)) = self.runs.pop_first()
            && let Some((_, last)) = self.runs.pop_first()
        {
            self.runs.insert(first, last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn id(number: u64) -> EventId {
        EventId {
            origin: NodeId::from("n"),
            number,
        }
    }

    proptest! {
        #[test]
        fn every_number_is_new_exactly_once(numbers in prop::collection::vec(1_u64..60, 0..200)) {
            let mut seen = Seen::default();
            let mut set = BTreeSet::new();
            for number in numbers {
                prop_assert_eq!(seen.note(&id(number)).is_some(), set.insert(number));
            }
        }
    }

    #[test]
    fn too_many_gaps_give_up_the_oldest() {
        let mut seen = Seen::default();
        let runs = u64::try_from(RUNS_MAX).unwrap() + 3;
        for number in 1..=runs {
            assert!(seen.note(&id(number * 2)).is_some());
        }
        assert!(seen.note(&id(3)).is_none(), "the oldest gap is closed");
        assert!(
            seen.note(&id(runs * 2 - 1)).is_some(),
            "a young gap is open"
        );
    }
}
