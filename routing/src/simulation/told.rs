//! What happened, in the words of a scenario.

use crate::agent::Status;
use crate::event::{Event, EventKind};
use crate::ids::{AgentId, ContactId, QueueId};
use crate::verb::RING_ON_NO_ANSWER;
use crate::view::View;
use serde::Serialize;
use std::collections::BTreeSet;

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ToldEvent<'a> {
    /// When.
    pub at_s: i64,
    /// What.
    pub event: ToldKind,
    /// The contact it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<&'a str>,
    /// The agent it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<&'a str>,
    /// The queue the contact stands in, or stood in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<&'a str>,
    /// Where it overflowed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<&'a str>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ToldKind {
    /// A contact came and was put into its queue.
    Arrived,
    /// The queue did not take it: closed or full.
    Blocked,
    /// The agent's phone began to ring for it.
    Offered,
    /// The agent answered.
    Answered,
    /// The phone rang for its whole time; the agent is not ready from now on.
    RingTimeout,
    /// The caller gave up.
    Abandoned,
    /// It waited too long and went to another queue.
    Overflowed,
    /// The conversation ended.
    Ended,
    /// The agent takes contacts again: the work after one is done, or they came back after a ring that
    /// nobody answered.
    Ready,
}

/// Turns the desk's events into those of a scenario.
#[derive(Debug)]
pub(super) struct Narrator<'a> {
    /// The contacts' names, by their id.
    contacts: &'a [&'a str],
    /// Contacts that ended and are worked on.
    worked_on: BTreeSet<ContactId>,
    /// Agents who are not ready because they let it ring.
    rung_out: BTreeSet<AgentId>,
}

impl<'a> Narrator<'a> {
    pub(super) fn new(contacts: &'a [&'a str]) -> Self {
        Self {
            contacts,
            worked_on: BTreeSet::new(),
            rung_out: BTreeSet::new(),
        }
    }

    /// The event in the words of a scenario; `None` when it is not told there.
    pub(super) fn tell<'e>(&mut self, event: &'e Event, view: &View) -> Option<ToldEvent<'e>>
    where
        'a: 'e,
    {
        let kind = self.kind_of(event, view)?;
        let place = |id: ContactId| usize::try_from(id.as_u128()).ok();
        let name = |id| place(id).and_then(|place| self.contacts.get(place).copied());
        let is_of_contact = kind != ToldKind::Ready;
        Some(ToldEvent {
            at_s: event.at.as_millis().div_euclid(1_000),
            event: kind,
            contact: event.contact.filter(|_| is_of_contact).and_then(name),
            agent: event.agent.as_ref().map(AgentId::as_str),
            queue: event
                .queue
                .as_ref()
                .filter(|_| is_of_contact)
                .map(QueueId::as_str),
            to: if let EventKind::Overflowed { to, .. } = &event.kind {
                Some(to)
            } else {
                None
            },
        })
    }

    fn kind_of(&mut self, event: &Event, view: &View) -> Option<ToldKind> {
        Some(match &event.kind {
            EventKind::Arrived { .. } => ToldKind::Arrived,
            EventKind::Blocked { .. } => ToldKind::Blocked,
            EventKind::Offered { .. } => ToldKind::Offered,
            EventKind::Answered { .. } => ToldKind::Answered,
            EventKind::RingTimeout { .. } => ToldKind::RingTimeout,
            EventKind::Abandoned { .. } => ToldKind::Abandoned,
            EventKind::Overflowed { .. } => ToldKind::Overflowed,
            EventKind::Ended { .. } => {
                self.worked_on.extend(event.contact);
                ToldKind::Ended
            }
            EventKind::Ready { .. } => {
                let is_after_contact = self.worked_on.remove(&event.contact?);
                let agent = view.agent(event.agent.as_ref()?)?;
                (is_after_contact && agent.is_willing()).then_some(ToldKind::Ready)?
            }
            EventKind::AgentStatus { status } => {
                let agent = event.agent.as_ref()?;
                let was_away = self.rung_out.remove(agent);
                if matches!(status, Status::NotReady(why) if why == RING_ON_NO_ANSWER) {
                    self.rung_out.insert(agent.clone());
                }
                (was_away && *status == Status::Available).then_some(ToldKind::Ready)?
            }
            EventKind::Identified { .. }
            | EventKind::TicketLinked { .. }
            | EventKind::Enqueued { .. }
            | EventKind::Failed { .. }
            | EventKind::Rang { .. }
            | EventKind::Declined { .. }
            | EventKind::OfferExpired { .. }
            | EventKind::LeftOffer { .. }
            | EventKind::Requeued { .. }
            | EventKind::Held
            | EventKind::Resumed
            | EventKind::OverflowRefused { .. }
            | EventKind::Reprioritised { .. }
            | EventKind::NextStatus { .. }
            | EventKind::WrapUpExtended { .. }
            | EventKind::Escalated { .. }
            | EventKind::TicketChanged { .. }
            | EventKind::SymptomRecorded { .. }
            | EventKind::Rated { .. }
            | EventKind::AnswerAwaited { .. }
            | EventKind::AnswerWaitEnded { .. }
            | EventKind::Intervened { .. }
            | EventKind::AgentReachable { .. }
            | EventKind::KeyedIn { .. }
            | EventKind::IncidentTold { .. }
            | EventKind::MessageLeft { .. }
            | EventKind::Informed { .. }
            | EventKind::MediaReport { .. }
            | EventKind::Closed { .. }
            | EventKind::QueueChanged { .. }
            | EventKind::AgentChanged { .. }
            | EventKind::AgentRemoved
            | EventKind::Restored { .. }
            | EventKind::NodeLost { .. }
            | EventKind::StoreLost { .. }
            | EventKind::StoreReturned => return None,
        })
    }
}
