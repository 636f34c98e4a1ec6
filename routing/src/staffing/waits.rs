//! The waits that a log tells of, each once for every line it was spent in.
//!
//! A caller's patience runs from their first entry into a line on: who is sent to another line waits on, and is as
//! impatient as before. So the first line has seen them up to the instant they left it, and the second one from that
//! instant on (a wait with a late entry, see [`Wait::seen_from`]); neither may take the whole for its own. Where
//! lines are not told apart, it is one wait. It is over at the first conversation: who is handed over after that
//! has another patience. Who left word to be called back does not hold the line.

use super::patience::Wait;
use super::told::{Fact, Told};
use crate::event::Event;
use crate::ids::{ContactId, QueueId};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// The waits of a log's contacts, all of which it keeps: [`WaitsFold`](super::WaitsFold) is for logs of any length.
/// Events may come in any order and more than once.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    contacts: BTreeMap<ContactId, Told>,
    newest: Option<Timestamp>,
}

impl Waits {
    /// None so far, as known at an instant, or at the newest event if that is later.
    pub fn known_at(at: Timestamp) -> Self {
        Self {
            newest: Some(at),
            ..Self::default()
        }
    }

    /// Takes one event.
    pub fn record(&mut self, event: &Event) {
        self.newest = self.newest.max(Some(event.at));
        if let (Some(contact), Some(fact)) = (event.contact, Fact::of(event)) {
            self.contacts.entry(contact).or_default().take(event, fact);
        }
    }

    /// The waits of calls as one line has seen them, as known at the newest event.
    pub fn in_queue(&self, queue: &QueueId) -> Vec<Wait> {
        let calls = self.calls();
        calls
            .flat_map(|told| told.in_queue(queue, self.newest))
            .collect()
    }

    /// The waits of calls from their first entry into any line to the end of the last one.
    pub fn of_all(&self) -> Vec<Wait> {
        let calls = self.calls();
        calls.filter_map(|told| told.whole(self.newest)).collect()
    }

    /// The wait of one contact, of whatever channel, from its first entry into any line to the end of the last one.
    pub fn of(&self, contact: ContactId) -> Option<Wait> {
        let told = self.contacts.get(&contact)?;
        told.whole(self.newest).filter(|_| !told.is_call_back())
    }

    fn calls(&self) -> impl Iterator<Item = &Told> {
        self.contacts.values().filter(|told| told.is_call())
    }
}
