//! The state of the desk as its events tell it.
//!
//! One type, two uses: a store in memory decides on it ([`crate::desk::Desk`]), and every node of a
//! shared store keeps one, fed by the stream of events, for the policy, the positions and the wallboard.
//! It changes only by [`View::apply`], so both are the same by construction. It is never asked whether
//! something is allowed; it says what is.

mod follow;
mod keep;
mod lines;
mod ranked_set;
mod ready;

use crate::agent::{Agent, Precedence, Status};
use crate::contact::{PlaceInLine, PlacedContact, QueuedContact, will_do};
use crate::ids::{AgentId, ContactId, OfferToken, QueueId};
use crate::queue::QueueRules;
use crate::time::Timestamp;
use lines::Lines;
use ranked_set::RankedSet;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub use lines::Line;
pub(crate) use ready::{Pace, Standing};

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
    wrap_ups: BTreeSet<(Timestamp, ContactId, AgentId)>,
    /// Waiting contacts by when they go to another queue.
    overflows: BTreeSet<(Timestamp, ContactId)>,
    pauses: BTreeSet<(Timestamp, Pause)>,
    /// Waiting contacts that are somebody's.
    reserved_for: BTreeMap<AgentId, BTreeSet<ContactId>>,
    /// Per queue, how many are offered or with an agent.
    taken: BTreeMap<QueueId, u32>,
    counts: Counts,
    last_event: u64,
    /// The latest instant the lines were told of.
    clock: Timestamp,
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
                agent.profile.queues.contains_key(queue)
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
            .rank(&self.place_of(record))?;
        Some(rank + 1)
    }

    /// The place of a contact in the line of its queue.
    pub fn place_of(&self, record: &QueuedContact) -> PlaceInLine {
        let rules = self.queues.get(&record.queue);
        record.place_in_line(rules.map(|rules| rules.aging).unwrap_or_default())
    }

    /// Whether a contact may be offered to an agent at `now` as far as queue, channel, skills and
    /// reservation go; says nothing of whether they are free.
    pub fn is_eligible(&self, record: &QueuedContact, agent: &Agent, now: Timestamp) -> bool {
        match self.reserved_for_whom(record, now) {
            Some(owner) => *owner == agent.profile.id,
            None => {
                let needed = record.skills.after(record.waited(now));
                agent.profile.serves(&record.queue, record.channel)
                    && will_do(needed, &agent.profile.skills)
            }
        }
    }

    /// Whose a contact is at `now`, as long as they can take it at all.
    fn reserved_for_whom<'r>(
        &self,
        record: &'r QueuedContact,
        now: Timestamp,
    ) -> Option<&'r AgentId> {
        let reserved = record.reserved.as_ref()?;
        let owner = self.agents.get(&reserved.agent)?;
        let holds = reserved.until.is_none_or(|until| until > now)
            && owner.status != Status::LoggedOff
            && owner.profile.serves(&record.queue, record.channel);
        holds.then_some(&reserved.agent)
    }

    /// How many more contacts of a queue may be with agents; `None` has no limit.
    pub fn room_left(&self, queue: &QueueId) -> Option<u32> {
        let most = self.queues.get(queue)?.active_max?;
        let taken = self.taken.get(queue).copied().unwrap_or(0);
        Some(most.saturating_sub(taken))
    }

    /// Whether a queue has as many contacts with agents as it may.
    pub fn is_at_limit(&self, queue: &QueueId) -> bool {
        self.room_left(queue) == Some(0)
    }

    /// Lets time pass: contacts that have waited long enough for other agents stand where those see
    /// them. Costs by the number of these.
    pub fn advance(&mut self, now: Timestamp) {
        self.clock = self.clock.max(now);
        while let Some(contact) = self.lines.changed(self.clock) {
            self.stand_anew(contact);
        }
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

    /// Lines where somebody waits and somebody who may take it is free, by the place of their first
    /// contact, apart for each pace.
    pub(crate) fn ready_by_pace(
        &self,
    ) -> impl Iterator<Item = (Pace, &BTreeSet<(PlaceInLine, usize)>)> {
        self.lines.ready().by_pace()
    }

    /// One of them.
    pub(crate) fn line(&self, at: usize) -> Option<&Line> {
        self.lines.line(at)
    }

    /// Those of them where an agent stands, and how early each comes with that agent.
    pub(crate) fn ready_lines_of(
        &self,
        agent: &AgentId,
    ) -> impl Iterator<Item = (Precedence, &Line)> {
        self.lines.ready_of(agent)
    }

    /// How many agents may be rung at once for a contact, by its queue's rules.
    pub(crate) fn rings_at_once(&self, record: &QueuedContact) -> usize {
        let rules = self.queues.get(&record.queue);
        rules.map_or(1, |rules| rules.rings_at_once(record))
    }

    /// How many contacts are where.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The number of the last event that was applied.
    pub fn last_event(&self) -> u64 {
        self.last_event
    }

    /// When something is due for [`crate::verb::Verb::Expire`] (a wrap-up, the lease of an offer, an
    /// overflow).
    pub fn next_due(&self) -> Option<Timestamp> {
        let lease = self.leases.first().map(|(at, _)| *at);
        let wrap_up = self.wrap_ups.first().map(|(at, ..)| *at);
        let overflow = self.overflows.first().map(|(at, _)| *at);
        lease.into_iter().chain(wrap_up).chain(overflow).min()
    }

    /// Offers whose lease is over at `now`, the oldest first.
    pub(crate) fn leases_over(&self, now: Timestamp) -> impl Iterator<Item = ContactId> {
        self.leases
            .iter()
            .take_while(move |(lease, _)| *lease <= now)
            .map(|(_, contact)| *contact)
    }

    /// Contacts that are due to go to another queue at `now`, the longest due first.
    pub(crate) fn overflows_due(&self, now: Timestamp) -> impl Iterator<Item = ContactId> {
        let due = self.overflows.iter().take_while(move |(at, _)| *at <= now);
        due.map(|(_, contact)| *contact)
    }

    /// Wrap-ups that are over at `now`, the oldest first.
    pub(crate) fn wrap_ups_over(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = &(Timestamp, ContactId, AgentId)> {
        self.wrap_ups
            .iter()
            .take_while(move |(until, ..)| *until <= now)
    }

    /// When the next contact has waited long enough for other agents; in the past when nobody has told
    /// the view of the present.
    pub(crate) fn next_change(&self) -> Option<Timestamp> {
        self.lines.next_change()
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
}
