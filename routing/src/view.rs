//! The state of the desk as its events tell it.
//!
//! One type, two uses: a store in memory decides on it ([`crate::desk::Desk`]), and every node of a
//! shared store keeps one, fed by the stream of events, for the policy, the positions and the wallboard.
//! It changes only by [`View::apply`], so both are the same by construction. It is never asked whether
//! something is allowed; it says what is.

mod lines;
mod ranked_set;

use crate::agent::{Agent, State, Status};
use crate::contact::{Place, PlaceInLine, PlacedContact, QueuedContact};
use crate::event::{Event, EventKind};
use crate::ids::{AgentId, ContactId, OfferToken, QueueId};
use crate::queue::QueueRules;
use crate::time::Timestamp;
use crate::verb::{LEASE_GRACE, RestoredPlace};
use lines::Lines;
use ranked_set::RankedSet;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub use lines::Line;

/// The desk at one instant, whole: what a view is built from when it has missed events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The rules of every queue, by name.
    pub queues: Vec<QueueRules>,
    /// Every agent, by name.
    pub agents: Vec<Agent>,
    /// Every contact that waits, is offered or is active, by id.
    pub contacts: Vec<PlacedContact>,
    /// How many contacts ever entered.
    pub entered: u64,
    /// How many of them have ended.
    pub ended: u64,
    /// The number of the last event that is contained.
    pub last_event: u64,
}

/// The state of the desk, indexed for the policy.
#[derive(Clone, Debug, Default)]
pub struct View {
    queues: BTreeMap<QueueId, QueueRules>,
    agents: BTreeMap<AgentId, Agent>,
    contacts: BTreeMap<ContactId, PlacedContact>,
    /// Offers that stand, and offers that were accepted while their contact is active.
    offers: BTreeMap<OfferToken, ContactId>,
    /// Per queue, who waits for an answer (waiting or offered), first served first.
    unanswered: BTreeMap<QueueId, RankedSet<PlaceInLine>>,
    lines: Lines,
    leases: BTreeSet<(Timestamp, ContactId)>,
    wrap_ups: BTreeSet<(Timestamp, AgentId)>,
    pauses: BTreeSet<(Timestamp, Pause)>,
    counts: Counts,
    last_event: u64,
}

/// Something that only time ends and that keeps a pair apart until then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pause {
    BackOff(ContactId, AgentId),
    Rest(AgentId),
}

/// How many contacts are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Ever entered.
    pub entered: u64,
    /// In the line.
    pub waiting: u64,
    /// Reserved for a ringing agent.
    pub offered: u64,
    /// With an agent.
    pub active: u64,
    /// Over.
    pub ended: u64,
}

impl View {
    /// Takes the state of a snapshot.
    pub fn from_snapshot(snapshot: Snapshot) -> Self {
        let mut view = Self::default();
        for rules in snapshot.queues {
            view.queues.insert(rules.id.clone(), rules);
        }
        for agent in snapshot.agents {
            view.put_agent(agent);
        }
        for contact in snapshot.contacts {
            view.put_contact(contact);
        }
        view.counts.entered = snapshot.entered;
        view.counts.ended = snapshot.ended;
        view.last_event = snapshot.last_event;
        view
    }

    /// The whole state.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            queues: self.queues.values().cloned().collect(),
            agents: self.agents.values().cloned().collect(),
            contacts: self.contacts.values().cloned().collect(),
            entered: self.counts.entered,
            ended: self.counts.ended,
            last_event: self.last_event,
        }
    }

    /// The rules of a queue.
    pub fn queue(&self, queue: &QueueId) -> Option<&QueueRules> {
        self.queues.get(queue)
    }

    /// All queues, by name.
    pub fn queues(&self) -> impl Iterator<Item = &QueueRules> {
        self.queues.values()
    }

    /// One agent.
    pub fn agent(&self, agent: &AgentId) -> Option<&Agent> {
        self.agents.get(agent)
    }

    /// All agents, by name.
    pub fn agents(&self) -> impl Iterator<Item = &Agent> {
        self.agents.values()
    }

    /// How many agents who serve the queue are logged in and within reach, busy or not: with none, nobody
    /// will come.
    pub fn agents_at_work(&self, queue: &QueueId) -> usize {
        self.agents()
            .filter(|agent| {
                agent.profile.queues.contains(queue)
                    && agent.status != Status::LoggedOff
                    && agent.is_reachable
            })
            .count()
    }

    /// A contact that waits, is offered or is active.
    pub fn contact(&self, contact: ContactId) -> Option<&PlacedContact> {
        self.contacts.get(&contact)
    }

    /// All contacts, by id.
    pub fn contacts(&self) -> impl Iterator<Item = &PlacedContact> {
        self.contacts.values()
    }

    /// The contact of an offer that stands or was accepted.
    pub fn contact_of(&self, token: OfferToken) -> Option<&PlacedContact> {
        self.contacts.get(self.offers.get(&token)?)
    }

    /// Where a contact stands in its queue among those who wait for an answer: 1 is next. `None` when it
    /// does not wait.
    pub fn position(&self, contact: ContactId) -> Option<usize> {
        let record = &self.contacts.get(&contact)?.record;
        let rank = self
            .unanswered
            .get(&record.queue)?
            .rank(&record.place_in_line())?;
        Some(rank + 1)
    }

    /// How many wait for an answer in a queue, those whose agent rings included.
    pub fn unanswered(&self, queue: &QueueId) -> usize {
        self.unanswered.get(queue).map_or(0, RankedSet::len)
    }

    /// Those who wait for an answer in a queue, first served first.
    pub fn line_of(&self, queue: &QueueId) -> impl Iterator<Item = &PlacedContact> {
        self.unanswered
            .get(queue)
            .into_iter()
            .flat_map(RankedSet::iter)
            .filter_map(|place| self.contacts.get(&place.contact()))
    }

    /// Lines where somebody waits and somebody who may take it is free.
    pub fn ready_lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.ready()
    }

    /// How many contacts are where.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The number of the last event that was applied.
    pub fn last_event(&self) -> u64 {
        self.last_event
    }

    /// When something is due for [`crate::verb::Verb::Expire`] (a wrap-up or the lease of an offer).
    pub fn next_due(&self) -> Option<Timestamp> {
        let lease = self.leases.first().map(|(at, _)| *at);
        let wrap_up = self.wrap_ups.first().map(|(at, _)| *at);
        lease.into_iter().chain(wrap_up).min()
    }

    /// Offers whose lease is over at `now`, the oldest first.
    pub(crate) fn leases_over(&self, now: Timestamp) -> impl Iterator<Item = ContactId> {
        self.leases
            .iter()
            .take_while(move |(lease, _)| *lease <= now)
            .map(|(_, contact)| *contact)
    }

    /// Agents whose wrap-up is over at `now`, the oldest first, with its end.
    pub(crate) fn wrap_ups_over(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = &(Timestamp, AgentId)> {
        self.wrap_ups
            .iter()
            .take_while(move |(until, _)| *until <= now)
    }

    /// When the next back-off or rest after `now` ends.
    pub(crate) fn next_pause_end(&self, now: Timestamp) -> Option<Timestamp> {
        let next = now + std::time::Duration::from_millis(1);
        self.pauses
            .range(
                (
                    next,
                    Pause::BackOff(ContactId::from_u128(0), AgentId::from("")),
                )..,
            )
            .next()
            .map(|(until, _)| *until)
    }

    /// Follows one event. An event about something unknown changes nothing: the view was not told of it,
    /// and a snapshot will.
    pub fn apply(&mut self, event: &Event) {
        self.last_event = event.id.number;
        match &event.kind {
            EventKind::Enqueued {
                priority,
                channel,
                skills,
                enqueued_at,
                node,
            } => {
                if let (Some(id), Some(queue)) = (event.contact, &event.queue) {
                    self.enter(QueuedContact {
                        id,
                        queue: queue.clone(),
                        channel: *channel,
                        priority: *priority,
                        skills: skills.clone(),
                        enqueued_at: *enqueued_at,
                        node: node.clone(),
                        avoid: BTreeMap::new(),
                    });
                }
            }
            EventKind::Offered {
                token, deadline, ..
            } => self.apply_offered(event, *token, *deadline),
            EventKind::Answered { token, .. } => {
                if let (Some(id), Some(agent)) = (event.contact, &event.agent) {
                    self.answer(id, agent, *token, event.at);
                }
            }
            EventKind::Requeued { retry_at, .. } => self.apply_requeued(event, *retry_at),
            EventKind::Abandoned { .. } | EventKind::Overflowed { .. } => self.leave(event.contact),
            EventKind::Ended { wrap_up_until, .. } => {
                self.leave(event.contact);
                self.apply_wrap_up(event, *wrap_up_until);
            }
            EventKind::Restored { record, place } => self.apply_restored(event, record, place),
            EventKind::Ready {
                idle_since,
                rest_until,
                ..
            } => self.change_agent(event.agent.as_ref(), |agent| {
                agent.state = State::Idle;
                agent.idle_since = *idle_since;
                agent.rest_until = *rest_until;
            }),
            EventKind::AgentStatus { status } => self.change_agent(event.agent.as_ref(), |agent| {
                if agent.state == State::Idle
                    && *status == Status::Available
                    && agent.status != Status::Available
                {
                    agent.idle_since = event.at;
                }
                agent.status = status.clone();
                agent.next_status = None;
            }),
            EventKind::NextStatus { status } => self.change_agent(event.agent.as_ref(), |agent| {
                agent.next_status = (agent.status != *status).then(|| status.clone());
            }),
            EventKind::AgentReachable { is_reachable } => {
                self.change_agent(event.agent.as_ref(), |agent| {
                    agent.is_reachable = *is_reachable;
                });
            }
            EventKind::AgentChanged { profile } => {
                if self.agents.contains_key(&profile.id) {
                    self.change_agent(Some(&profile.id), |agent| {
                        agent.profile = (**profile).clone();
                    });
                } else {
                    self.put_agent(Agent::new((**profile).clone(), event.at));
                }
            }
            EventKind::AgentRemoved => {
                if let Some(id) = &event.agent {
                    self.take_agent(id);
                }
            }
            EventKind::QueueChanged { rules } => {
                self.queues.insert(rules.id.clone(), (**rules).clone());
            }
            EventKind::Arrived { .. }
            | EventKind::Identified { .. }
            | EventKind::TicketLinked { .. }
            | EventKind::Blocked { .. }
            | EventKind::Failed { .. }
            | EventKind::Rang { .. }
            | EventKind::Declined { .. }
            | EventKind::RingTimeout { .. }
            | EventKind::OfferExpired { .. }
            | EventKind::Held
            | EventKind::Resumed
            | EventKind::KeyedIn { .. }
            | EventKind::MediaReport { .. }
            | EventKind::Closed { .. }
            | EventKind::NodeLost { .. }
            | EventKind::StoreLost { .. }
            | EventKind::StoreReturned => {}
        }
    }

    fn apply_offered(&mut self, event: &Event, token: OfferToken, deadline: Timestamp) {
        let (Some(id), Some(agent)) = (event.contact, &event.agent) else {
            return;
        };
        self.place(
            id,
            Place::Offered {
                agent: agent.clone(),
                token,
                deadline,
            },
        );
        self.change_agent(Some(agent), |agent| {
            agent.state = State::Ringing {
                contact: id,
                token,
                deadline,
            };
        });
    }

    fn apply_requeued(&mut self, event: &Event, retry_at: Option<Timestamp>) {
        let Some(id) = event.contact else {
            return;
        };
        if let (Some(agent), Some(until)) = (&event.agent, retry_at)
            && let Some(contact) = self.contacts.get_mut(&id)
        {
            let before = contact.record.avoid.insert(agent.clone(), until);
            if let Some(before) = before {
                self.pauses
                    .remove(&(before, Pause::BackOff(id, agent.clone())));
            }
            self.pauses
                .insert((until, Pause::BackOff(id, agent.clone())));
        }
        self.place(id, Place::Waiting);
    }

    fn apply_wrap_up(&mut self, event: &Event, until: Option<Timestamp>) {
        let (Some(contact), Some(until)) = (event.contact, until) else {
            return;
        };
        self.change_agent(event.agent.as_ref(), |agent| {
            if agent.state.contact() == Some(contact) {
                agent.state = State::WrapUp { contact, until };
            }
        });
    }

    fn apply_restored(&mut self, event: &Event, record: &QueuedContact, place: &RestoredPlace) {
        match place {
            RestoredPlace::Waiting { .. } => {
                self.enter(record.clone());
                if let Some(mut contact) = self.take_contact(record.id) {
                    contact.place = Place::Waiting;
                    let avoid = record.avoid.iter();
                    contact
                        .record
                        .avoid
                        .extend(avoid.map(|(agent, until)| (agent.clone(), *until)));
                    self.put_contact(contact);
                }
            }
            RestoredPlace::Active {
                agent,
                token,
                answered_at,
            } => {
                self.enter(record.clone());
                self.answer(record.id, agent, *token, *answered_at);
            }
            RestoredPlace::Ended { wrap_up_until, .. } => {
                self.leave(Some(record.id));
                self.apply_wrap_up(event, *wrap_up_until);
            }
        }
    }

    /// A contact comes in, if it is not here.
    fn enter(&mut self, record: QueuedContact) {
        if !self.contacts.contains_key(&record.id) {
            self.counts.entered += 1;
            self.put_contact(PlacedContact {
                record,
                place: Place::Waiting,
            });
        }
    }

    fn answer(&mut self, id: ContactId, agent: &AgentId, token: OfferToken, at: Timestamp) {
        self.place(
            id,
            Place::Active {
                agent: agent.clone(),
                token,
                answered_at: at,
            },
        );
        self.change_agent(Some(agent), |agent| {
            let is_theirs = match &agent.state {
                State::Idle | State::WrapUp { .. } => true,
                State::Ringing { contact, .. } | State::Talking { contact, .. } => *contact == id,
            };
            if is_theirs {
                agent.state = State::Talking { contact: id, token };
            }
        });
    }

    fn leave(&mut self, id: Option<ContactId>) {
        if let Some(id) = id
            && self.take_contact(id).is_some()
        {
            self.counts.ended += 1;
        }
    }

    fn place(&mut self, id: ContactId, place: Place) {
        if let Some(mut contact) = self.take_contact(id) {
            contact.place = place;
            self.put_contact(contact);
        }
    }

    fn put_contact(&mut self, contact: PlacedContact) {
        let record = &contact.record;
        for (agent, until) in &record.avoid {
            self.pauses
                .insert((*until, Pause::BackOff(record.id, agent.clone())));
        }
        match &contact.place {
            Place::Waiting => {
                self.counts.waiting += 1;
                self.lines.add_contact(record, &self.agents);
            }
            Place::Offered {
                token, deadline, ..
            } => {
                self.counts.offered += 1;
                self.offers.insert(*token, record.id);
                self.leases.insert((*deadline + LEASE_GRACE, record.id));
            }
            Place::Active { token, .. } => {
                self.counts.active += 1;
                self.offers.insert(*token, record.id);
            }
        }
        if !matches!(contact.place, Place::Active { .. }) {
            self.unanswered
                .entry(record.queue.clone())
                .or_default()
                .insert(record.place_in_line());
        }
        self.contacts.insert(record.id, contact);
    }

    fn take_contact(&mut self, id: ContactId) -> Option<PlacedContact> {
        let contact = self.contacts.remove(&id)?;
        let record = &contact.record;
        for (agent, until) in &record.avoid {
            self.pauses
                .remove(&(*until, Pause::BackOff(id, agent.clone())));
        }
        match &contact.place {
            Place::Waiting => {
                self.counts.waiting -= 1;
                self.lines.remove_contact(record);
            }
            Place::Offered {
                token, deadline, ..
            } => {
                self.counts.offered -= 1;
                self.offers.remove(token);
                self.leases.remove(&(*deadline + LEASE_GRACE, id));
            }
            Place::Active { token, .. } => {
                self.counts.active -= 1;
                self.offers.remove(token);
            }
        }
        if let Some(line) = self.unanswered.get_mut(&record.queue) {
            line.remove(&record.place_in_line());
        }
        Some(contact)
    }

    fn change_agent(&mut self, id: Option<&AgentId>, change: impl FnOnce(&mut Agent)) {
        if let Some(id) = id
            && let Some(mut agent) = self.take_agent(id)
        {
            change(&mut agent);
            self.put_agent(agent);
        }
    }

    fn put_agent(&mut self, agent: Agent) {
        if agent.is_free() {
            self.lines.add_agent(&agent);
        }
        if let State::WrapUp { until, .. } = &agent.state {
            self.wrap_ups.insert((*until, agent.profile.id.clone()));
        }
        if let Some(until) = agent.rest_until {
            self.pauses
                .insert((until, Pause::Rest(agent.profile.id.clone())));
        }
        self.agents.insert(agent.profile.id.clone(), agent);
    }

    fn take_agent(&mut self, id: &AgentId) -> Option<Agent> {
        let agent = self.agents.remove(id)?;
        if agent.is_free() {
            self.lines.remove_agent(id);
        }
        if let State::WrapUp { until, .. } = &agent.state {
            self.wrap_ups.remove(&(*until, id.clone()));
        }
        if let Some(until) = agent.rest_until {
            self.pauses.remove(&(until, Pause::Rest(id.clone())));
        }
        Some(agent)
    }
}
