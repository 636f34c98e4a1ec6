//! Statistics: a fold over the event log that can be run again from zero and gives the same figures.
//!
//! [`Statistics::record`] takes events one by one, in any order and any number of times; what they
//! mean is worked out when a [`Ledger`] is read. A contact counts in the interval in which it arrived,
//! and a later end revises that interval; agents' time is split by the clock. The live view of
//! the desk, which goes by event, is another thing: see [`crate::event`].
//!
//! Memory is bounded by the contacts that are open, were closed within [`Rules::settle_after`], or were cut off within
//! twelve hours by the loss of their gateway, which may claim them back, and by the number of intervals; the spread of a cell's times takes some hundred numbers at most. An event that comes later than that for a closed contact is not
//! counted any more, and is seen in [`Health::late`].
//!
//! The invariant: O = A + B + F + CB + still waiting, in every cell, after any events in any order.

mod agent_time;
mod answers;
mod callers;
mod counts;
mod cutting;
mod differences;
mod distinct;
mod entries;
mod facet;
mod facts;
mod figures;
mod hand_overs;
mod journey;
mod kinds;
mod ledger;
mod packed;
mod reasons;
mod seen;
mod sighting;
mod sketch;
mod step;
mod tickets;

pub use answers::{AnswerCounts, GivenCounts};
pub use callers::REPEAT_WINDOW;
pub use counts::{Activity, AgentTime, Cause, Cell, Counts};
pub use distinct::{CallerKey, Distinct, DistinctCount, EXACT_MAX};
pub use facet::Facet;
pub use figures::{
    ATTRIBUTION, DEFINITIONS, Definition, FailureParts, Figures, SPREAD_DEFINITIONS, ServiceLevel,
};
pub use hand_overs::HandOver;
pub(crate) use journey::CLAIM_MAX;
pub use ledger::{Ledger, Scope, Spread, Tally};
pub use sketch::{Percentiles, Sketch};
pub use tickets::{RatingCounts, SymptomCounts, TicketCounts};

use crate::agent::Status;
use crate::event::{ContactResult, Event, EventKind};
use crate::ids::{AgentId, CallerId, ContactId, EventId, QueueId};
use crate::queue::QueueRules;
use crate::time::Timestamp;
use crate::verb::{GATEWAY_LOST, RequeueReason, RestoredPlace};
use agent_time::{AgentLine, Keys};
use callers::Callers;
use facet::{FacetKey, Facets};
use journey::{CellKey, Ending, Journey, QueueKey};
use ledger::Sheet;
use reasons::{ReasonKey, Reasons};
use seen::{OriginKey, Seen};
use serde::{Deserialize, Serialize};
use sighting::Sighting;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use step::{Act, Step};

/// Most contacts held open; the oldest is counted as it stands when there are more.
const OPEN_MAX: usize = 1_000_000;

/// How long after its close a contact is kept whose log has a hole.
const HOLE_GRACE: Duration = Duration::from_secs(3_600);

/// Most changes of one queue's rules kept; older ones are forgotten.
const RULES_MAX: usize = 1_024;

/// Most letters of a cause that are kept.
const CAUSE_LETTERS_MAX: usize = 120;

/// How the fold counts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rules {
    /// Width of the cells that are kept, aligned to UTC; every interval asked for is a multiple of it.
    /// 15 minutes fit the hours and days of every time zone.
    pub interval: Duration,
    /// How late an event may come and still be counted; the bound of what is kept of closed contacts.
    pub settle_after: Duration,
    /// Thresholds of queues of which neither the log nor `queues` tells any.
    pub thresholds: Thresholds,
    /// Thresholds by queue, in place of those in force by the log when a contact arrived.
    pub queues: BTreeMap<QueueId, Thresholds>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(900),
            settle_after: Duration::from_secs(300),
            thresholds: Thresholds::default(),
            queues: BTreeMap::new(),
        }
    }
}

/// What is "in time" and what is "at once" for a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    /// T, in milliseconds; default 20,000.
    pub service_level_ms: u64,
    /// Abandons strictly shorter than this are short, in milliseconds; default 5,000.
    pub short_abandon_ms: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            service_level_ms: 20_000,
            short_abandon_ms: 5_000,
        }
    }
}

impl From<&QueueRules> for Thresholds {
    fn from(rules: &QueueRules) -> Self {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            service_level_ms: millis(rules.service_level),
            short_abandon_ms: millis(rules.short_abandon),
        }
    }
}

impl Rules {
    /// The start of the cell that holds an instant, in milliseconds of UTC.
    fn interval_of(&self, at: Timestamp) -> i64 {
        let width = self.interval_ms();
        at.as_millis().div_euclid(width).saturating_mul(width)
    }

    fn hole_grace(&self) -> Duration {
        self.settle_after.max(HOLE_GRACE)
    }

    fn interval_ms(&self) -> i64 {
        i64::try_from(self.interval.as_millis())
            .unwrap_or(i64::MAX)
            .max(1)
    }
}

/// What became of a recorded event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is counted, or told nothing that counts.
    Taken,
    /// It was recorded before; nothing changed.
    Duplicate,
}

/// How sound the fold is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Events recorded.
    pub events: u64,
    /// Events that had been recorded before.
    pub duplicates: u64,
    /// Contacts of which only a late or orphaned part was told, and which are not counted.
    pub late: u64,
    /// Contacts counted as they stood, because their log has a hole or too many were open.
    pub with_holes: u64,
    /// Contacts kept because they are open or closed only just now.
    pub kept: usize,
}

/// A queue as the log tells of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct QueueLine {
    id: QueueId,
    /// Thresholds by the instant from which they were in force.
    thresholds: BTreeMap<(Timestamp, EventId), Thresholds>,
}

impl QueueLine {
    /// The thresholds that were in force at an instant; before the first word on it, the first.
    fn thresholds(&self, rules: &Rules, at: Timestamp) -> Thresholds {
        if let Some(thresholds) = rules.queues.get(&self.id) {
            return *thresholds;
        }
        self.thresholds
            .iter()
            .take_while(|((since, _), _)| *since <= at)
            .last()
            .or_else(|| self.thresholds.iter().next())
            .map_or(rules.thresholds, |(_, thresholds)| *thresholds)
    }
}

/// Time not ready by interval, agent and reason, in milliseconds.
type NotReadyCells = BTreeMap<(i64, AgentId, ReasonKey), u64>;

/// Time of the agents who served a queue, by interval.
type ServedCells = BTreeMap<(i64, QueueKey), AgentTime>;

/// The fold.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Statistics {
    rules: Rules,
    seen: Seen,
    newest: Timestamp,
    swept: Timestamp,
    open: BTreeMap<ContactId, Box<Journey>>,
    due: BTreeSet<(Timestamp, ContactId)>,
    cells: BTreeMap<CellKey, Cell>,
    facets: Facets,
    facet_cells: BTreeMap<(CellKey, FacetKey), Cell>,
    queues: Vec<QueueLine>,
    queue_keys: BTreeMap<QueueId, QueueKey>,
    agents: BTreeMap<AgentId, AgentLine>,
    agent_cells: BTreeMap<(i64, AgentId), AgentTime>,
    reasons: Reasons,
    not_ready_cells: NotReadyCells,
    callers: Callers,
    causes: Reasons,
    health: Health,
    #[serde(default)]
    served_cells: ServedCells,
}

impl Statistics {
    /// Starts from zero.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            seen: Seen::default(),
            newest: Timestamp::from_millis(i64::MIN),
            swept: Timestamp::from_millis(i64::MIN),
            open: BTreeMap::new(),
            due: BTreeSet::new(),
            cells: BTreeMap::new(),
            facets: Facets::default(),
            facet_cells: BTreeMap::new(),
            queues: Vec::new(),
            queue_keys: BTreeMap::new(),
            agents: BTreeMap::new(),
            agent_cells: BTreeMap::new(),
            reasons: Reasons::default(),
            not_ready_cells: BTreeMap::new(),
            callers: Callers::default(),
            causes: Reasons::default(),
            health: Health::default(),
            served_cells: ServedCells::new(),
        }
    }

    /// Counts one event; the same event again changes nothing.
    pub fn record(&mut self, event: &Event) -> Recorded {
        let Some(origin) = self.seen.note(&event.id) else {
            self.health.duplicates += 1;
            return Recorded::Duplicate;
        };
        self.health.events += 1;
        if let Some(contact) = event.contact {
            self.record_contact(contact, event, origin);
        }
        if let Some(agent) = &event.agent {
            self.record_agent(agent, event, origin);
        }
        if let EventKind::QueueChanged { rules } = &event.kind {
            self.record_rules(event, rules);
        }
        self.record_difference(event);
        if event.at > self.newest {
            self.newest = event.at;
            self.sweep();
        }
        Recorded::Taken
    }

    /// How it counts.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The instant of the newest event; `None` before the first.
    pub fn newest(&self) -> Option<Timestamp> {
        (self.health.events > 0).then_some(self.newest)
    }

    /// How sound the fold is.
    pub fn health(&self) -> Health {
        Health {
            kept: self.open.len(),
            ..self.health
        }
    }

    /// Contacts counted for good that entered a line and of which no event tells what became; 0 of a whole log.
    pub fn unaccounted(&self) -> u64 {
        self.cells
            .values()
            .map(|cell| cell.counts.unaccounted)
            .sum()
    }

    /// Everything counted for intervals that start in `from..to`, as known at `as_of`.
    pub fn ledger(&self, from: Timestamp, to: Timestamp, as_of: Timestamp) -> Ledger {
        ledger::read(self, from, to, as_of)
    }

    /// Hands over what is counted for good, and keeps the rest: the fold goes on as if nothing had happened,
    /// and what it is handed over in parts adds up to what it would have kept.
    pub fn take_settled(&mut self) -> Ledger {
        let settled = ledger::settled(self, i64::MIN..i64::MAX, self.newest);
        self.cells.clear();
        self.facet_cells.clear();
        self.agent_cells.clear();
        self.not_ready_cells.clear();
        self.served_cells.clear();
        settled
    }

    /// Puts other keys in place of callers' keys, wherever one is kept; whether one was. Every count stays.
    pub fn rename_callers(&mut self, names: &BTreeMap<CallerKey, CallerKey>) -> bool {
        let mut is_changed = false;
        for cell in self.cells.values_mut().chain(self.facet_cells.values_mut()) {
            is_changed |= cell.callers.rename(names);
        }
        for journey in self.open.values_mut() {
            is_changed |= journey.rename(names);
        }
        self.callers.rename(names) || is_changed
    }

    /// Puts other numbers in place of those that contacts came to and that `instead` has another for, which nothing else
    /// has; whether there was one. Every count stays.
    pub fn rename_numbers(&mut self, instead: impl Fn(&str) -> Option<String>) -> bool {
        self.facets.rename_numbers(instead)
    }

    /// Gives up the cells of intervals that start before `before`, which nobody will ask for again.
    pub fn forget_before(&mut self, before: Timestamp) {
        self.cells.retain(|key, _| key.start >= before.as_millis());
        self.facet_cells
            .retain(|(key, _), _| key.start >= before.as_millis());
        self.agent_cells
            .retain(|(start, _), _| *start >= before.as_millis());
        self.not_ready_cells
            .retain(|(start, _, _), _| *start >= before.as_millis());
        self.served_cells
            .retain(|(start, _), _| *start >= before.as_millis());
    }

    /// Lets agents serve the queues of the last word on it: for a fold that was kept before it knew, at every
    /// instant, which they were.
    pub fn serve_by_last_word(&mut self) {
        for line in self.agents.values_mut() {
            line.serve_by_last_word();
        }
    }

    fn record_contact(&mut self, contact: ContactId, event: &Event, origin: OriginKey) {
        let act = match &event.kind {
            EventKind::Arrived {
                channel, from, to, ..
            } => {
                let meant_for = event.queue.as_ref().map(|queue| self.queue_key(queue));
                let number = self.facets.key(Facet::Number(to.clone()));
                let journey = self.open.entry(contact).or_default();
                if journey.arrived.is_none_or(|before| event.at < before) {
                    journey.number = Some(number);
                }
                journey.arrived = Some(journey.arrived.map_or(event.at, |at| at.min(event.at)));
                journey.channel = Some(*channel);
                journey.meant_for = journey.meant_for.or(meant_for);
                journey.from = journey.from.or(CallerKey::of_address(from));
                let (from, caller) = (journey.from, journey.caller.map(|(_, caller)| caller));
                for who in from.into_iter().chain(caller) {
                    self.callers.note(who, event.at);
                }
                return;
            }
            EventKind::Blocked { reason } => {
                let queue = event.queue.as_ref().map(|queue| self.queue_key(queue));
                let cause = self.cause(event, reason);
                let journey = self.touch(contact, event.at);
                journey.blocked_in.get_or_insert(queue);
                journey.cause = earliest(journey.cause, cause);
                return;
            }
            EventKind::Informed { .. } => {
                let queue = event.queue.as_ref().map(|queue| self.queue_key(queue));
                let journey = self.touch(contact, event.at);
                journey.meant_for = journey.meant_for.or(queue);
                return;
            }
            EventKind::Failed { cause } => {
                let cause = self.cause(event, cause);
                let queue = event.queue.as_ref().map(|queue| self.queue_key(queue));
                let journey = self.touch(contact, event.at);
                journey.has_failed = true;
                journey.meant_for = journey.meant_for.or(queue);
                journey.cause = earliest(journey.cause, cause);
                Act::Failed(cause.2)
            }
            EventKind::Closed { result } => {
                self.close(contact, event.at, *result);
                Act::Closed(*result)
            }
            EventKind::Restored { record, place } => match place {
                RestoredPlace::Waiting { .. } => Act::RestoredWaiting,
                RestoredPlace::Active {
                    agent, answered_at, ..
                } => Act::RestoredActive {
                    wait_ms: u64::try_from(answered_at.since(record.enqueued_at).as_millis())
                        .unwrap_or(u64::MAX),
                    agent: Some(self.facets.key(Facet::Agent(agent.clone()))),
                },
                // Its own events tell how.
                RestoredPlace::Ended { .. } => return,
            },
            EventKind::Enqueued {
                channel,
                enqueued_at,
                skills,
                ..
            } => {
                let Some(queue) = &event.queue else {
                    return;
                };
                let queue = self.queue_key(queue);
                let facets = &mut self.facets;
                let at_once = skills.after(Duration::ZERO).flat_map(|need| need.keys());
                let needed = at_once.map(|skill| facets.key(Facet::Skill(skill.clone())));
                let journey = self.open.entry(contact).or_default();
                journey.skills.extend(needed);
                journey.channel.get_or_insert(*channel);
                Act::Enqueued {
                    queue,
                    since: *enqueued_at,
                }
            }
            EventKind::Answered { wait_ms, .. } => {
                let agent = event.agent.as_ref();
                Act::Answered {
                    wait_ms: *wait_ms,
                    agent: agent.map(|agent| self.facets.key(Facet::Agent(agent.clone()))),
                }
            }
            EventKind::Requeued { reason, .. } => match &event.agent {
                Some(agent) if *reason == RequeueReason::HandedOver => Act::HandedOver {
                    by: self.facets.key(Facet::Agent(agent.clone())),
                },
                Some(_) | None => Act::Requeued,
            },
            EventKind::Abandoned { wait_ms } => Act::Abandoned { wait_ms: *wait_ms },
            EventKind::Overflowed { to, .. } => Act::FlowedOut {
                to: self.causes.key(to),
            },
            EventKind::Ended {
                talk_ms,
                hold_ms,
                wrap_up_until,
                ..
            } => Act::Ended {
                talk_ms: *talk_ms,
                hold_ms: *hold_ms,
                wrap_up_until: *wrap_up_until,
            },
            EventKind::WrapUpExtended { until } => Act::WrapUpExtended { until: *until },
            EventKind::Ready {
                after_wrap_up: true,
                ..
            } => Act::WrapUpOver,
            EventKind::Identified {
                outcome,
                caller,
                class,
            } => {
                let caller = caller.as_ref().filter(|_| outcome.is_somebody());
                self.identify(contact, event.at, caller, *class);
                return;
            }
            EventKind::Ready {
                after_wrap_up: false,
                ..
            }
            | EventKind::TicketLinked { .. }
            | EventKind::Offered { .. }
            | EventKind::Rang { .. }
            | EventKind::Declined { .. }
            | EventKind::RingTimeout { .. }
            | EventKind::OfferExpired { .. }
            | EventKind::LeftOffer { .. }
            | EventKind::Held
            | EventKind::Resumed
            | EventKind::AgentStatus { .. }
            | EventKind::AgentReachable { .. }
            | EventKind::KeyedIn { .. }
            | EventKind::IncidentTold { .. }
            | EventKind::MessageLeft { .. }
            | EventKind::MediaReport { .. }
            | EventKind::QueueChanged { .. }
            | EventKind::AgentChanged { .. }
            | EventKind::AgentRemoved
            | EventKind::OverflowRefused { .. }
            | EventKind::Reprioritised { .. }
            | EventKind::NextStatus { .. }
            | EventKind::NodeLost { .. }
            | EventKind::StoreLost { .. }
            | EventKind::Escalated { .. }
            | EventKind::TicketChanged { .. }
            | EventKind::SymptomRecorded { .. }
            | EventKind::Rated { .. }
            | EventKind::AnswerAwaited { .. }
            | EventKind::AnswerWaitEnded { .. }
            | EventKind::Intervened { .. }
            | EventKind::StoreReturned => return,
        };
        let step = Step {
            origin,
            number: event.id.number,
            at: event.at,
            act,
        };
        self.touch(contact, event.at).push(step);
    }

    /// Notes who it is.
    fn identify(
        &mut self,
        contact: ContactId,
        at: Timestamp,
        caller: Option<&CallerId>,
        class: Option<u8>,
    ) {
        let class = class.map(|class| (at, class, self.facets.key(Facet::CallerClass(class))));
        let caller = caller.map(|caller| (at, CallerKey::of_caller(caller.as_str())));
        if class.is_none() && caller.is_none() {
            return;
        }
        let journey = self.touch(contact, at);
        if let Some(class) = class
            && journey.class.as_ref().is_none_or(|before| **before < class)
        {
            journey.class = Some(Box::new(class));
        }
        journey.caller = journey.caller.max(caller);
        if let (Some((_, who)), Some(arrived)) = (caller, journey.arrived) {
            self.callers.note(who, arrived);
        }
    }

    fn cause(&mut self, event: &Event, text: &str) -> (Timestamp, u64, ReasonKey) {
        let short: String = text.chars().take(CAUSE_LETTERS_MAX).collect();
        (event.at, event.id.number, self.causes.key(&short))
    }

    /// Notes a contact that is not told itself, because it came before what is read of the log: whose it was
    /// and when it arrived, so that a later one of the same caller counts as repeated.
    pub fn remember(&mut self, caller: CallerKey, arrived: Timestamp) {
        self.callers.note(caller, arrived);
    }

    /// The contact's journey; one that begins in its middle is looked at again after a grace.
    fn touch(&mut self, contact: ContactId, at: Timestamp) -> &mut Journey {
        let due = &mut self.due;
        let hole_grace = self.rules.hole_grace();
        self.open.entry(contact).or_insert_with(|| {
            due.insert((at + hole_grace, contact));
            Box::default()
        })
    }

    fn close(&mut self, contact: ContactId, at: Timestamp, result: ContactResult) {
        let settle_at = at + self.rules.settle_after;
        let journey = self.touch(contact, at);
        // Closed twice can only be two nodes' word on one contact; the earlier one stands.
        let closed = journey
            .closed
            .map_or((at, result), |before| earlier(before, (at, result)));
        journey.closed = Some(closed);
        self.due.insert((settle_at, contact));
    }

    fn record_agent(&mut self, agent: &AgentId, event: &Event, origin: OriginKey) {
        let offered_in = match (&event.kind, &event.queue) {
            (EventKind::Offered { .. }, Some(queue)) => Some(self.queue_key(queue)),
            _ => None,
        };
        let serves = if let EventKind::AgentChanged { profile } = &event.kind {
            let keys = profile.queues.keys().map(|queue| self.queue_key(queue));
            Some(keys.collect())
        } else {
            None
        };
        let reason = if let EventKind::AgentStatus {
            status: Status::NotReady(reason),
        } = &event.kind
        {
            Some(self.reasons.key(reason))
        } else {
            None
        };
        let line = match self.agents.get_mut(agent) {
            Some(line) => line,
            None => self.agents.entry(agent.clone()).or_default(),
        };
        let keys = Keys {
            reason,
            offered_in,
            serves,
        };
        line.record(event, origin, keys);
    }

    fn record_rules(&mut self, event: &Event, rules: &QueueRules) {
        let key = self.queue_key(&rules.id);
        let Some(queue) = self.queues.get_mut(key.place()) else {
            return;
        };
        queue
            .thresholds
            .insert((event.at, event.id.clone()), Thresholds::from(rules));
        if queue.thresholds.len() > RULES_MAX {
            queue.thresholds.pop_first();
        }
    }

    /// Counts for good what no event is expected for any more.
    fn sweep(&mut self) {
        let horizon = self.newest - self.rules.settle_after;
        if horizon < self.swept {
            return;
        }
        self.callers.forget(self.newest);
        // An eighth of the window later is soon enough, and keeps the work per event small.
        self.swept = horizon + self.rules.settle_after / 8 + Duration::from_millis(1);
        let width = self.rules.interval_ms();
        for (agent, line) in &mut self.agents {
            let cells = (
                &mut self.agent_cells,
                &mut self.not_ready_cells,
                &mut self.served_cells,
            );
            let mut sheet = Sheet::new(agent, width, cells);
            line.settle(&self.seen, horizon, &mut sheet);
        }
        while let Some((at, contact)) = self.due.first().copied()
            && at <= self.newest
        {
            self.due.pop_first();
            self.settle(contact, at);
        }
        while self.open.len() > OPEN_MAX
            && let Some((_, journey)) = self.open.pop_first()
        {
            self.health.with_holes += 1;
            self.count_for_good(*journey);
        }
    }

    /// Settles a contact whose time has come; one with a hole waits for the grace after its close.
    fn settle(&mut self, contact: ContactId, at: Timestamp) {
        let Some(journey) = self.open.get_mut(&contact) else {
            return;
        };
        journey.straighten(&self.seen);
        let Ending { closed, cause, .. } = journey.ending();
        // A gateway that only slept claims its contacts back when it wakes up.
        let may_come_back = cause.is_some_and(|cause| self.causes.name(cause) == GATEWAY_LOST);
        if journey.has_begun() && closed.is_none() {
            return;
        }
        let is_whole = journey.is_whole();
        let grace = if may_come_back {
            CLAIM_MAX.saturating_add(self.rules.settle_after)
        } else {
            self.rules.hole_grace()
        };
        let give_up_at = closed.map_or(at, |(closed_at, _)| closed_at + grace);
        if (!is_whole || may_come_back) && at < give_up_at {
            self.due.insert((give_up_at, contact));
            return;
        }
        let Some(journey) = self.open.remove(&contact) else {
            return;
        };
        if !journey.has_begun() {
            self.health.late += u64::from(!journey.is_only_named());
        } else if !is_whole {
            self.health.with_holes += 1;
        }
        self.count_for_good(*journey);
    }

    fn count_for_good(&mut self, mut journey: Journey) {
        journey.straighten(&self.seen);
        let (cells, facet_cells) = (&mut self.cells, &mut self.facet_cells);
        journey.count(&self.rules, &self.queues, self.newest, &mut |key, stay| {
            let seen = Sighting::of(&journey, &self.callers, &self.causes, &stay);
            seen.add_to(cells.entry(key).or_default());
            for facet in journey.facets().chain(stay.agent) {
                let cell = facet_cells.entry((key, facet)).or_default();
                seen.add_to(cell);
            }
            if let Some(by) = stay.handed_over_by {
                seen.tell_hand_over(facet_cells.entry((key, by)).or_default());
            }
        });
    }

    fn queue_key(&mut self, queue: &QueueId) -> QueueKey {
        if let Some(key) = self.queue_keys.get(queue) {
            return *key;
        }
        let key = QueueKey(u32::try_from(self.queues.len()).unwrap_or(u32::MAX));
        self.queues.push(QueueLine {
            id: queue.clone(),
            thresholds: BTreeMap::new(),
        });
        self.queue_keys.insert(queue.clone(), key);
        key
    }
}

fn earliest<T: Ord>(a: Option<T>, b: T) -> Option<T> {
    Some(match a {
        Some(a) => a.min(b),
        None => b,
    })
}

fn earlier(
    a: (Timestamp, ContactResult),
    b: (Timestamp, ContactResult),
) -> (Timestamp, ContactResult) {
    if (b.0, b.1 as u8) < (a.0, a.1 as u8) {
        b
    } else {
        a
    }
}
