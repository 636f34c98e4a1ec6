//! The desk: the truth about who waits and who is free, changed only by verbs.
//!
//! This is what `routing` says a verb does. The store in memory is this type behind a lock; the Lua files
//! of the store in Redis do the same, and one contract test drives both.
//!
//! A verb is decided on the [`View`] as it is, and what it does is nothing but the events it emits, which
//! the view then follows. So whoever is fed those events elsewhere arrives at the same state.

mod contacts;
mod offers;
mod recovery;
mod staff;

use crate::agent::Status;
use crate::contact::PlacedContact;
use crate::event::{Event, EventDraft, EventKind};
use crate::ids::{AgentId, ContactId, EventId, NodeId};
use crate::policy::{self, Proposal};
use crate::time::Timestamp;
use crate::verb::{Answer, Change, ENDED_KEPT, ENDED_KEPT_MAX, End, Outcome, Refusal, Verb};
use crate::view::{Snapshot, View};
use std::collections::{BTreeMap, BTreeSet};

/// The desk in memory.
#[derive(Clone, Debug)]
pub struct Desk {
    origin: NodeId,
    view: View,
    last_token: u64,
    /// Until when each node may stay silent.
    nodes: BTreeMap<NodeId, Timestamp>,
    ended: Ended,
    /// Events of the verb that is being applied.
    emitted: Vec<Event>,
}

impl Desk {
    /// An empty desk, whose events bear `origin` and whose tokens are above `token_floor`.
    ///
    /// A floor that grows with every start (milliseconds of UTC do) keeps an answer to an offer of an
    /// earlier life from fitting an offer of this one.
    pub fn new(origin: NodeId, token_floor: u64) -> Self {
        Self::from_snapshot(origin, token_floor, Snapshot::default())
    }

    /// A desk that goes on from a snapshot. It does not know which contacts had ended before.
    pub fn from_snapshot(origin: NodeId, token_floor: u64, snapshot: Snapshot) -> Self {
        Self {
            origin,
            view: View::from_snapshot(snapshot),
            last_token: token_floor,
            nodes: BTreeMap::new(),
            ended: Ended::default(),
            emitted: Vec::new(),
        }
    }

    /// The state, indexed for questions.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Who should meet now, by [`policy::decide`].
    pub fn decide(&mut self, now: Timestamp) -> Vec<Proposal> {
        policy::decide(&mut self.view, now)
    }

    /// Who should meet first, by [`policy::decide_one`].
    pub fn decide_one(&mut self, now: Timestamp) -> Option<Proposal> {
        policy::decide_one(&mut self.view, now)
    }

    /// The whole state.
    pub fn snapshot(&self) -> Snapshot {
        self.view.snapshot()
    }

    /// The origin of its events.
    pub fn origin(&self) -> &NodeId {
        &self.origin
    }

    /// Does what is asked, or says why not; what happened comes with the answer.
    pub fn apply(&mut self, change: Change) -> Outcome {
        let at = change.at;
        let answer = match change.verb {
            Verb::SetQueue { rules } => self.set_queue(at, rules),
            Verb::SetAgent { profile } => self.set_agent(at, profile),
            Verb::RemoveAgent { agent } => self.remove_agent(at, agent),
            Verb::Enqueue { contact } => self.enqueue(at, contact),
            Verb::AgentStatus { agent, status } => self.agent_status(at, agent, status),
            Verb::AgentReachable {
                agent,
                is_reachable,
            } => self.agent_reachable(at, agent, is_reachable),
            Verb::Offer {
                contact,
                agent,
                others,
            } => self.offer(at, contact, &agent, &others),
            Verb::Accept { token } => self.accept(at, token),
            Verb::Decline { token, reason } => self.decline(at, token, reason),
            Verb::RingTimeout { token } => self.ring_timeout(at, token),
            Verb::Abandon { contact } => self.abandon(at, contact),
            Verb::Requeue {
                contact,
                reason,
                token,
            } => self.requeue(at, contact, token, reason),
            Verb::FlowOut { contact, to } => self.flow_out(at, contact, to),
            Verb::Move { contact, to } => self.move_to(at, contact, &to),
            Verb::HandOver {
                contact,
                to,
                reserved,
                token,
            } => self.hand_over(at, contact, to, reserved, token),
            Verb::Reprioritise { contact, priority } => self.reprioritise(at, contact, priority),
            Verb::Complete {
                contact,
                by,
                talk,
                hold,
                token,
            } => self.complete(at, contact, token, by, talk, hold),
            Verb::EndWrapUp { agent, contact } => self.end_wrap_up(at, agent, contact),
            Verb::ExtendWrapUp { agent, contact, by } => {
                self.extend_wrap_up(at, agent, contact, by)
            }
            Verb::NodeAlive { node, lease } => self.node_alive(at, node, lease),
            Verb::Restore { contact, place } => self.restore(at, contact, place),
            Verb::Expire => self.expire(at),
        };
        Outcome {
            answer: answer.unwrap_or_else(|reason| Answer::Refused { reason }),
            events: std::mem::take(&mut self.emitted),
        }
    }

    /// Puts a fact that no verb made (an arrival, a media report) in order with the others.
    pub fn publish(&mut self, draft: EventDraft) -> Event {
        let event = self.number(draft);
        self.view.apply(&event);
        event
    }

    fn emit(&mut self, draft: EventDraft) {
        let event = self.number(draft);
        self.view.apply(&event);
        self.emitted.push(event);
    }

    fn number(&self, draft: EventDraft) -> Event {
        draft.numbered(EventId {
            origin: self.origin.clone(),
            number: self.view.last_event() + 1,
        })
    }

    /// A contact that is here, or why it is not.
    fn find(&self, contact: ContactId, if_ended: Refusal) -> Result<PlacedContact, Refusal> {
        match self.view.contact(contact) {
            Some(placed) => Ok(placed.clone()),
            None if self.ended.how(contact).is_some() => Err(if_ended),
            None => Err(Refusal::UnknownContact),
        }
    }

    /// Takes an agent's hands off a contact. With their last one, what they chose meanwhile comes into
    /// force. Nothing when the agent is gone or does not hold it.
    fn free_agent(&mut self, at: Timestamp, agent: &AgentId, contact: &PlacedContact, rest: Rest) {
        let Some(held) = self.view.agent(agent) else {
            return;
        };
        if !held.holds.contains_key(&contact.record.id) {
            return;
        }
        let idle_since = rest.idle_since.unwrap_or(held.idle_since);
        self.settle_status(at, agent, rest.status);
        let ready = EventKind::Ready {
            after_wrap_up: false,
            idle_since,
            rest_until: rest.until,
        };
        self.emit(about(at, contact, ready).with_agent(agent.clone()));
    }

    /// Takes everybody's hands off a contact who ring for it or have it.
    fn free_holders(&mut self, at: Timestamp, contact: &PlacedContact) {
        for (agent, _) in contact.place.holders() {
            self.free_agent(at, agent, contact, Rest::default());
        }
    }
}

impl Desk {
    /// Before an agent is free of a contact: if it is their last, what they chose comes into force, or the
    /// status they are to have; else that is what they come to when the last is over. What they chose is
    /// never overwritten.
    fn settle_status(&mut self, at: Timestamp, agent: &AgentId, or: Option<Status>) {
        let Some(held) = self.view.agent(agent) else {
            return;
        };
        let kind = if held.holds.len() > 1 {
            let waits = or.filter(|_| held.next_status.is_none());
            waits.map(|status| EventKind::NextStatus { status })
        } else {
            let status = held.next_status.clone().or(or);
            let status = status.filter(|status| *status != held.status);
            status.map(|status| EventKind::AgentStatus { status })
        };
        if let Some(kind) = kind {
            self.emit(EventDraft::of_agent(at, agent.clone(), kind));
        }
    }
}

/// What becomes of an agent who is freed, beyond being idle.
#[derive(Default)]
struct Rest {
    /// A new idle time; `None` keeps the old one.
    idle_since: Option<Timestamp>,
    /// Until when nothing is offered to them.
    until: Option<Timestamp>,
    /// The status they are put in, unless they chose one.
    status: Option<Status>,
}

type Decided = Result<Answer, Refusal>;

/// A draft about a contact and its queue.
fn about(at: Timestamp, contact: &PlacedContact, kind: EventKind) -> EventDraft {
    EventDraft::of_contact(at, contact.record.id, kind).in_queue(contact.record.queue.clone())
}

/// A draft about a contact, its queue, and the agent who has it, or who rings first for it.
fn about_pair(at: Timestamp, contact: &PlacedContact, kind: EventKind) -> EventDraft {
    let mut draft = about(at, contact, kind);
    draft.agent = contact.place.holder().cloned();
    draft
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Contacts that ended lately.
#[derive(Clone, Debug, Default)]
struct Ended {
    how: BTreeMap<ContactId, End>,
    by_time: BTreeSet<(Timestamp, ContactId)>,
}

impl Ended {
    fn how(&self, contact: ContactId) -> Option<End> {
        self.how.get(&contact).copied()
    }

    fn remember(&mut self, at: Timestamp, contact: ContactId, how: End) {
        if self.how.insert(contact, how).is_none() {
            self.by_time.insert((at, contact));
        }
    }

    fn forget(&mut self, contact: ContactId) {
        self.how.remove(&contact);
        self.by_time.retain(|(_, id)| *id != contact);
    }

    fn forget_old(&mut self, at: Timestamp) {
        while let Some((ended_at, contact)) = self.by_time.first().copied()
            && (ended_at <= at - ENDED_KEPT || self.by_time.len() > ENDED_KEPT_MAX)
        {
            self.by_time.pop_first();
            self.how.remove(&contact);
        }
    }
}
