//! What the fold has counted, ready to be added up by queue, channel and interval.

use super::Statistics;
use super::agent_time::TimeSheet;
use super::counts::{Activity, AgentTime, Counts};
use super::figures::Figures;
use super::journey::QueueKey;
use crate::contact::Channel;
use crate::ids::{AgentId, QueueId};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The cells of a span of time, as known at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// The instant up to which it is known.
    pub as_of: Timestamp,
    contacts: BTreeMap<(i64, Option<QueueId>, Channel), Counts>,
    agents: BTreeMap<(i64, AgentId), AgentTime>,
    serving: BTreeMap<QueueId, BTreeSet<AgentId>>,
}

/// Which part of the desk is meant; empty means all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Only this queue, and the agents who serve it.
    pub queue: Option<QueueId>,
    /// Only this channel; agents' time is never split by channel.
    pub channel: Option<Channel>,
}

/// The sums of a scope and span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The contacts that arrived.
    pub counts: Counts,
    /// The time of the agents.
    pub agent_time: AgentTime,
}

impl Tally {
    /// The figures of these sums.
    pub fn figures(&self) -> Figures {
        Figures::of(self.counts, self.agent_time)
    }
}

impl Ledger {
    /// Adds up the cells that start in `from..to`.
    pub fn tally(&self, from: Timestamp, to: Timestamp, scope: &Scope) -> Tally {
        let mut tally = Tally::default();
        for ((_, queue, channel), counts) in span(&self.contacts, from, to, (None, Channel::Voice))
        {
            let is_meant = scope
                .queue
                .as_ref()
                .is_none_or(|wanted| queue.as_ref() == Some(wanted))
                && scope.channel.is_none_or(|wanted| wanted == *channel);
            if is_meant {
                tally.counts += *counts;
            }
        }
        let none = BTreeSet::new();
        let serving = scope
            .queue
            .as_ref()
            .map(|queue| self.serving.get(queue).unwrap_or(&none));
        for ((_, agent), time) in self.agents_in(from, to) {
            if serving.is_none_or(|agents| agents.contains(agent)) {
                tally.agent_time += *time;
            }
        }
        tally
    }

    /// One agent's time in the cells that start in `from..to`.
    pub fn agent_time(&self, from: Timestamp, to: Timestamp, agent: &AgentId) -> AgentTime {
        let mut sum = AgentTime::default();
        for ((_, who), time) in self.agents_in(from, to) {
            if who == agent {
                sum += *time;
            }
        }
        sum
    }

    /// Every queue that has contacts in the ledger or is served by an agent.
    pub fn queues(&self) -> BTreeSet<QueueId> {
        self.contacts
            .keys()
            .filter_map(|(_, queue, _)| queue.clone())
            .chain(self.serving.keys().cloned())
            .collect()
    }

    /// Every agent who has time in the ledger.
    pub fn agents(&self) -> BTreeSet<AgentId> {
        self.agents.keys().map(|(_, agent)| agent.clone()).collect()
    }

    /// Whether O = A + B + F + CB + still waiting holds in every cell.
    pub fn every_contact_is_accounted_for(&self) -> bool {
        self.contacts
            .values()
            .all(Counts::every_contact_is_accounted_for)
    }

    fn agents_in(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Iterator<Item = (&(i64, AgentId), &AgentTime)> {
        let first = (from.as_millis(), AgentId::from(""));
        let end = (to.as_millis().max(from.as_millis()), AgentId::from(""));
        self.agents.range(first..end)
    }
}

type Cells = BTreeMap<(i64, Option<QueueId>, Channel), Counts>;

/// The cells that start in `from..to`; `least` is the least key of an interval.
fn span(
    cells: &Cells,
    from: Timestamp,
    to: Timestamp,
    least: (Option<QueueId>, Channel),
) -> impl Iterator<Item = (&(i64, Option<QueueId>, Channel), &Counts)> {
    let (queue, channel) = least;
    let end = to.as_millis().max(from.as_millis());
    cells.range((from.as_millis(), queue.clone(), channel)..(end, queue, channel))
}

/// Reads a ledger out of the fold: what is settled, and what is still kept open.
pub(super) fn read(fold: &Statistics, from: Timestamp, to: Timestamp, as_of: Timestamp) -> Ledger {
    let wanted = from.as_millis()..to.as_millis();
    let name = |key: QueueKey| fold.queues.get(key.place()).map(|line| line.id.clone());
    let mut ledger = Ledger {
        as_of,
        contacts: BTreeMap::new(),
        agents: BTreeMap::new(),
        serving: BTreeMap::new(),
    };
    for (key, counts) in &fold.cells {
        if wanted.contains(&key.start) {
            *ledger
                .contacts
                .entry((key.start, key.queue.and_then(name), key.channel))
                .or_default() += *counts;
        }
    }
    for journey in fold.open.values() {
        let mut copy;
        let straight = if journey.is_straight() {
            journey
        } else {
            copy = journey.clone();
            copy.straighten(&fold.seen);
            &copy
        };
        straight.count(&fold.rules, &fold.queues, as_of, &mut |key, counts| {
            if wanted.contains(&key.start) {
                *ledger
                    .contacts
                    .entry((key.start, key.queue.and_then(name), key.channel))
                    .or_default() += counts;
            }
        });
    }
    for ((start, agent), time) in &fold.agent_cells {
        if wanted.contains(start) {
            *ledger.agents.entry((*start, agent.clone())).or_default() += *time;
        }
    }
    let width = fold.rules.interval_ms();
    for (agent, line) in &fold.agents {
        let mut cells = BTreeMap::new();
        line.count(&fold.seen, as_of, &mut Sheet::new(agent, width, &mut cells));
        for ((start, agent), time) in cells {
            if wanted.contains(&start) {
                *ledger.agents.entry((start, agent)).or_default() += time;
            }
        }
        let queues = line
            .serves
            .as_ref()
            .map_or(&line.was_offered, |(_, _, queues)| queues);
        for queue in queues.iter().filter_map(|key| name(*key)) {
            ledger
                .serving
                .entry(queue)
                .or_default()
                .insert(agent.clone());
        }
    }
    ledger
}

/// One agent's cells, by interval.
pub(super) struct Sheet<'a> {
    agent: &'a AgentId,
    width: i64,
    cells: &'a mut BTreeMap<(i64, AgentId), AgentTime>,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(
        agent: &'a AgentId,
        width: i64,
        cells: &'a mut BTreeMap<(i64, AgentId), AgentTime>,
    ) -> Self {
        Self {
            agent,
            width,
            cells,
        }
    }

    fn cell(&mut self, start: i64) -> &mut AgentTime {
        self.cells.entry((start, self.agent.clone())).or_default()
    }
}

impl TimeSheet for Sheet<'_> {
    fn spend(&mut self, from: Timestamp, to: Timestamp, activity: Activity) {
        let (mut from, to) = (from.as_millis(), to.as_millis());
        while from < to {
            let start = from.div_euclid(self.width).saturating_mul(self.width);
            let end = to.min(start.saturating_add(self.width));
            let millis = u64::try_from(end.saturating_sub(from)).unwrap_or(0);
            self.cell(start).add(activity, millis);
            from = end;
        }
    }

    fn sums(&mut self, at: Timestamp) -> &mut AgentTime {
        let start = at
            .as_millis()
            .div_euclid(self.width)
            .saturating_mul(self.width);
        self.cell(start)
    }
}
