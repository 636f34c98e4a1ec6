//! One alarm per object, in a heap.
//!
//! An object keeps the instant it is to be woken at; a heap entry counts only while it is that instant.
//! Putting an alarm off therefore costs nothing: the object sets it again when it is woken too early.

use super::slab::Key;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// The alarms of many objects.
#[derive(Debug)]
pub(crate) struct Alarms<K> {
    heap: BinaryHeap<Reverse<(Instant, K)>>,
}

/// When an object is to be woken; kept in the object.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Alarm(Option<Instant>);

impl<K: Ord + Copy> Alarms<K> {
    pub(crate) const fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
        }
    }

    /// Wakes the object no later than `due`.
    pub(crate) fn arm(&mut self, alarm: &mut Alarm, due: Instant, key: K) {
        if alarm.0.is_none_or(|set| due < set) {
            alarm.0 = Some(due);
            self.heap.push(Reverse((due, key)));
        }
    }

    /// Forgets the entries that count no more, once they are most; `is_live` looks into the object. An object that
    /// ended early leaves its entry behind, which could be hours away.
    pub(crate) fn prune(&mut self, objects: usize, is_live: impl Fn(Instant, K) -> bool) {
        if self.heap.len() > 4 * objects + STALE_MAX {
            self.heap.retain(|Reverse((due, key))| is_live(*due, *key));
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// The next instant at which something may be due; it may prove to be nothing.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }

    /// Takes an entry that is due; it counts only when [`Alarm::rings`] says so.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(Instant, K)> {
        let Reverse((due, _)) = self.heap.peek()?;
        if *due > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}

/// Entries without an object that are left alone.
const STALE_MAX: usize = 256;

impl Alarm {
    /// Says whether the entry is the object's own.
    pub(crate) fn is_set_to(self, due: Instant) -> bool {
        self.0 == Some(due)
    }

    /// Says whether the entry is the object's own, and unsets it then.
    pub(crate) fn rings(&mut self, due: Instant) -> bool {
        let is_own = self.0 == Some(due);
        if is_own {
            self.0 = None;
        }
        is_own
    }
}

/// The earlier of two instants that may be none.
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, None) => one,
        (None, other) => other,
    }
}

/// Keys of the heap stay small.
const _: () = assert!(size_of::<Key>() == 8);
