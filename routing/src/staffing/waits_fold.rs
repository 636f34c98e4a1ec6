//! The waits of a log of any length, counted as its events come: what is kept grows with the contacts that are under
//! way and not with all that ever were.
//!
//! A contact of which no event is expected any more is settled: its waits are counted, and it is forgotten. The counts
//! are those of [`Waits`](super::Waits), which keeps everything, as long as no event comes later than
//! [`DISORDER_MAX`]; one that does is left out where its contact is forgotten, for half a contact would be taken for a
//! caller who waits to this day.

use super::told::{Fact, Told};
use super::wait_counts::WaitCounts;
use crate::event::Event;
use crate::ids::{ContactId, QueueId};
use crate::statistics::CLAIM_MAX;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How late an event may come and still be counted.
pub const DISORDER_MAX: Duration = Duration::from_secs(3_600);

/// Most contacts kept; the oldest is counted as it stands when there are more.
const KEPT_MAX: usize = 200_000;

/// Counts the waits of calls as they end: in one line, as that has seen them, or in all, from the first entry to the
/// last end. Events come in the order of time, or later by as much as [`DISORDER_MAX`], once or several times.
#[derive(Clone, Debug)]
pub struct WaitsFold {
    queue: Option<QueueId>,
    kept: BTreeMap<ContactId, Kept>,
    /// When each of them is looked at next.
    due: BTreeSet<(Timestamp, ContactId)>,
    first: Option<Timestamp>,
    newest: Option<Timestamp>,
    counts: WaitCounts,
    health: FoldHealth,
}

/// What a fold had to leave out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FoldHealth {
    /// Events that came too late for their contact.
    pub late: u64,
    /// Contacts counted as they stood, because too many were under way.
    pub cut_short: u64,
}

/// A contact that is under way, or was so until just now.
#[derive(Clone, Debug)]
struct Kept {
    told: Told,
    /// The instant of the latest fact on it.
    last: Timestamp,
    due: Timestamp,
}

impl WaitsFold {
    /// None so far, in a line or, when that is `None`, in all.
    pub fn new(queue: Option<QueueId>) -> Self {
        Self {
            queue,
            kept: BTreeMap::new(),
            due: BTreeSet::new(),
            first: None,
            newest: None,
            counts: WaitCounts::default(),
            health: FoldHealth::default(),
        }
    }

    /// Takes one event.
    pub fn record(&mut self, event: &Event) {
        self.first = Some(self.first.map_or(event.at, |first| first.min(event.at)));
        if let (Some(contact), Some(fact)) = (event.contact, Fact::of(event)) {
            self.take(contact, event, fact);
        }
        if self.newest.is_none_or(|newest| event.at > newest) {
            self.newest = Some(event.at);
            self.settle_due(event.at);
        }
    }

    /// The waits, as known at the newest event.
    pub fn counts(mut self) -> WaitCounts {
        while let Some((_, kept)) = self.kept.pop_first() {
            self.count(&kept.told);
        }
        self.counts
    }

    /// How many contacts are kept.
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// What had to be left out.
    pub fn health(&self) -> FoldHealth {
        self.health
    }

    fn take(&mut self, contact: ContactId, event: &Event, fact: Fact) {
        let kept = self.kept.get(&contact);
        let is_kept = kept.is_some();
        if !is_kept && self.is_old(event.at) {
            self.health.late += 1;
            return;
        }
        // Who is forgotten leaves one line before entering the other, and is kept again since then, but not known.
        let is_known = kept.is_some_and(|kept| kept.told.is_known());
        if !is_known && self.was_settled(&fact) {
            return;
        }
        if !is_kept {
            self.make_room();
        }
        let kept = self.kept.entry(contact).or_insert_with(|| Kept {
            told: Told::default(),
            last: event.at,
            due: Timestamp::from_millis(i64::MAX),
        });
        kept.told.take(event, fact);
        kept.last = kept.last.max(event.at);
        // It may have closed; where it only goes on, it is looked at too early, which is no harm.
        let due = kept.due.min(kept.quiet_until());
        if due != kept.due {
            self.due.remove(&(kept.due, contact));
            self.due.insert((due, contact));
            kept.due = due;
        }
    }

    /// Whether no event of so long ago is expected any more.
    fn is_old(&self, at: Timestamp) -> bool {
        self.newest.is_some_and(|newest| at + DISORDER_MAX < newest)
    }

    /// Whether a contact that is not known was so once: it enters another line, and its first entry was long ago, but
    /// not before the log began. Such is one that is handed over after a day, or a call-back that is moved.
    fn was_settled(&self, fact: &Fact) -> bool {
        let began = |since: Timestamp| self.first.is_some_and(|first| first <= since);
        let first_entry = fact.entered_at();
        first_entry.is_some_and(|since| self.is_old(since) && began(since))
    }

    fn make_room(&mut self) {
        while self.kept.len() >= KEPT_MAX
            && let Some((contact, kept)) = self.kept.pop_first()
        {
            self.due.remove(&(kept.due, contact));
            self.count(&kept.told);
            self.health.cut_short += 1;
        }
    }

    /// Counts for good what no event is expected for any more.
    fn settle_due(&mut self, newest: Timestamp) {
        while let Some((at, contact)) = self.due.first().copied()
            && at < newest
        {
            self.due.pop_first();
            let Some(kept) = self.kept.get_mut(&contact) else {
                continue;
            };
            if let Some(again) = kept.look_again(newest) {
                kept.due = again;
                self.due.insert((again, contact));
            } else if let Some(kept) = self.kept.remove(&contact) {
                self.count(&kept.told);
            }
        }
    }

    fn count(&mut self, told: &Told) {
        if !told.is_call() {
            return;
        }
        match &self.queue {
            Some(queue) => self.counts.extend(told.in_queue(queue, self.newest)),
            None => self.counts.extend(told.whole(self.newest)),
        }
    }
}

impl Kept {
    /// Until when there may be news of it.
    fn quiet_until(&self) -> Timestamp {
        match self.told.is_over() {
            true => self.last + DISORDER_MAX,
            // A conversation need not tell anything until it ends, and who is claimed back goes on.
            false => self.last + CLAIM_MAX + DISORDER_MAX,
        }
    }

    /// When it is to be looked at again; `None` when no event is expected any more. Who waits on is kept.
    fn look_again(&self, newest: Timestamp) -> Option<Timestamp> {
        let quiet_until = self.quiet_until();
        if quiet_until >= newest {
            return Some(quiet_until);
        }
        (self.told.is_call() && self.told.waits()).then(|| newest + CLAIM_MAX)
    }
}
