//! The desk at this instant, by event: who waits, since when, and what the agents do.
//!
//! This goes by the order in which events come and knows nothing of intervals; it must never be
//! mixed with the ledger, and whatever shows both says which is which.

use crate::agent::Status;
use crate::contact::Channel;
use crate::event::{Event, EventKind};
use crate::ids::{AgentId, ContactId, QueueId};
use crate::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// What the desk looks like after the last event.
#[derive(Clone, Debug, Default)]
pub struct Live {
    contacts: BTreeMap<ContactId, Standing>,
    agents: BTreeMap<AgentId, AgentNow>,
}

#[derive(Clone, Debug)]
struct Standing {
    queue: QueueId,
    channel: Channel,
    since: Timestamp,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Waits,
    Rings,
    Talks,
}

/// An agent at this instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgentNow {
    /// What they chose.
    #[serde(flatten)]
    pub status: Status,
    /// What they do.
    pub doing: Doing,
    /// Since when.
    pub since: Timestamp,
    /// Whether their phone can be rung.
    pub is_reachable: bool,
}

/// What an agent does at this instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    /// Nothing with a contact.
    Nothing,
    /// The phone rings.
    Ringing,
    /// Talks.
    Talking,
    /// Has a caller on hold.
    Holding,
    /// Works after a contact.
    WrapUp,
}

/// A queue at this instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueueNow {
    /// Stand in the line, those offered to an agent included.
    pub waiting: u64,
    /// Of these, those for whom an agent's phone rings.
    pub ringing: u64,
    /// Talk with an agent.
    pub talking: u64,
    /// The wait of whoever stands longest, in milliseconds.
    pub longest_wait_ms: u64,
}

impl Live {
    /// Follows one event.
    pub fn record(&mut self, event: &Event) {
        if let Some(contact) = event.contact {
            self.follow_contact(contact, event);
        }
        if let Some(agent) = &event.agent {
            self.follow_agent(agent, event);
        }
    }

    /// Every queue in which somebody stands or talks.
    pub fn queues(&self, now: Timestamp) -> BTreeMap<QueueId, QueueNow> {
        let mut queues: BTreeMap<QueueId, QueueNow> = BTreeMap::new();
        for standing in self.contacts.values() {
            let queue = queues.entry(standing.queue.clone()).or_default();
            match standing.place {
                Place::Waits => queue.waiting += 1,
                Place::Rings => {
                    queue.waiting += 1;
                    queue.ringing += 1;
                }
                Place::Talks => {
                    queue.talking += 1;
                    continue;
                }
            }
            let wait_ms = u64::try_from(now.since(standing.since).as_millis()).unwrap_or(u64::MAX);
            queue.longest_wait_ms = queue.longest_wait_ms.max(wait_ms);
        }
        queues
    }

    /// Every agent who is known.
    pub fn agents(&self) -> &BTreeMap<AgentId, AgentNow> {
        &self.agents
    }

    /// Contacts that stand or talk, by channel.
    pub fn by_channel(&self) -> BTreeMap<Channel, u64> {
        let mut sums = BTreeMap::new();
        for standing in self.contacts.values() {
            *sums.entry(standing.channel).or_default() += 1;
        }
        sums
    }

    fn follow_contact(&mut self, contact: ContactId, event: &Event) {
        let place = match &event.kind {
            EventKind::Enqueued { channel, .. } => {
                if let Some(queue) = &event.queue {
                    let since = self
                        .contacts
                        .get(&contact)
                        .map_or(event.at, |standing| standing.since);
                    self.contacts.insert(
                        contact,
                        Standing {
                            queue: queue.clone(),
                            channel: *channel,
                            since,
                            place: Place::Waits,
                        },
                    );
                }
                return;
            }
            EventKind::Offered { .. } => Place::Rings,
            EventKind::Requeued { .. }
            | EventKind::Declined { .. }
            | EventKind::RingTimeout { .. }
            | EventKind::OfferExpired { .. } => Place::Waits,
            EventKind::Answered { .. } => Place::Talks,
            EventKind::Abandoned { .. }
            | EventKind::Overflowed { .. }
            | EventKind::Ended { .. }
            | EventKind::Closed { .. } => {
                self.contacts.remove(&contact);
                return;
            }
            EventKind::Arrived { .. }
            | EventKind::Identified { .. }
            | EventKind::TicketLinked { .. }
            | EventKind::Blocked { .. }
            | EventKind::Failed { .. }
            | EventKind::Rang { .. }
            | EventKind::Held
            | EventKind::Resumed
            | EventKind::Ready { .. }
            | EventKind::AgentStatus { .. }
            | EventKind::AgentReachable { .. }
            | EventKind::KeyedIn { .. }
            | EventKind::MediaReport { .. }
            | EventKind::QueueChanged { .. }
            | EventKind::AgentChanged { .. }
            | EventKind::AgentRemoved
            | EventKind::NextStatus { .. }
            | EventKind::Restored { .. }
            | EventKind::NodeLost { .. }
            | EventKind::StoreLost { .. }
            | EventKind::StoreReturned => return,
        };
        if let Some(standing) = self.contacts.get_mut(&contact) {
            standing.place = place;
        }
    }

    fn follow_agent(&mut self, agent: &AgentId, event: &Event) {
        if matches!(event.kind, EventKind::AgentRemoved) {
            self.agents.remove(agent);
            return;
        }
        let now = self.agents.entry(agent.clone()).or_insert(AgentNow {
            status: Status::LoggedOff,
            doing: Doing::Nothing,
            since: event.at,
            is_reachable: true,
        });
        let doing = match &event.kind {
            EventKind::AgentStatus { status } => {
                now.status = status.clone();
                now.doing
            }
            EventKind::AgentReachable { is_reachable } => {
                now.is_reachable = *is_reachable;
                return;
            }
            EventKind::Offered { .. } => Doing::Ringing,
            EventKind::Answered { .. } | EventKind::Resumed => Doing::Talking,
            EventKind::Held => Doing::Holding,
            EventKind::Ended {
                wrap_up_until: Some(_),
                ..
            } => Doing::WrapUp,
            EventKind::Ended {
                wrap_up_until: None,
                ..
            }
            | EventKind::Requeued { .. }
            | EventKind::Declined { .. }
            | EventKind::RingTimeout { .. }
            | EventKind::OfferExpired { .. }
            | EventKind::Abandoned { .. }
            | EventKind::Overflowed { .. }
            | EventKind::Ready { .. } => Doing::Nothing,
            EventKind::Arrived { .. }
            | EventKind::Identified { .. }
            | EventKind::TicketLinked { .. }
            | EventKind::Enqueued { .. }
            | EventKind::Blocked { .. }
            | EventKind::Failed { .. }
            | EventKind::Rang { .. }
            | EventKind::KeyedIn { .. }
            | EventKind::MediaReport { .. }
            | EventKind::Closed { .. }
            | EventKind::QueueChanged { .. }
            | EventKind::AgentChanged { .. }
            | EventKind::AgentRemoved
            | EventKind::NextStatus { .. }
            | EventKind::Restored { .. }
            | EventKind::NodeLost { .. }
            | EventKind::StoreLost { .. }
            | EventKind::StoreReturned => return,
        };
        now.doing = doing;
        now.since = event.at;
    }
}
