//! Who could meet whom: waiting contacts with the same needs, and the free agents who meet them.

use super::ready::{Pace, Ready};
use crate::agent::{Agent, Precedence, Skills};
use crate::contact::{Channel, PlaceInLine, will_do};
use crate::ids::{AgentId, ContactId, QueueId};
use crate::queue::{Aging, QueueRules, Strategy};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What makes two waiting contacts the same to every agent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wanted {
    pub(super) queue: QueueId,
    pub(super) channel: Channel,
    /// Any one of these will do; nothing is needed when there is none.
    pub(super) any_of: Vec<Skills>,
    /// The one agent whose they are.
    pub(super) only: Option<AgentId>,
}

/// Waiting contacts that want the same, and the free agents who may take any of them (rest and back-off
/// apart, which pass with time alone).
#[derive(Clone, Debug)]
pub struct Line {
    wanted: Wanted,
    strategy: Strategy,
    aging: Aging,
    waiting: BTreeSet<PlaceInLine>,
    free: BTreeSet<(Rank, AgentId)>,
}

impl Line {
    /// The contacts, first served first.
    pub fn waiting(&self) -> impl Iterator<Item = &PlaceInLine> {
        self.waiting.iter()
    }

    /// The free agents and the precedence the queue has with them: the lowest first, then as the queue's
    /// strategy has it.
    pub fn free_agents(&self) -> impl Iterator<Item = (Precedence, &AgentId)> {
        self.free
            .iter()
            .map(|(rank, agent)| (rank.precedence, agent))
    }

    /// The queue they wait in.
    pub(crate) fn queue(&self) -> &QueueId {
        &self.wanted.queue
    }

    /// How their agents are chosen.
    pub(crate) fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// How fast those who wait here age.
    pub(crate) fn aging(&self) -> Aging {
        self.aging
    }

    fn suits(&self, agent: &Agent) -> bool {
        let Wanted { queue, channel, .. } = &self.wanted;
        let will_do = match &self.wanted.only {
            Some(only) => *only == agent.profile.id,
            None => will_do(self.wanted.any_of.iter(), &agent.profile.skills),
        };
        will_do && agent.profile.serves(queue, *channel) && agent.is_free_for(*channel)
    }

    fn rank(&self, agent: &Agent) -> Rank {
        let tally = &agent.tally;
        let merit = match self.strategy {
            Strategy::LongestIdle | Strategy::RingAll => 0,
            Strategy::LeastOccupied => tally.occupancy_ppm(),
            Strategy::FewestContacts => u64::from(tally.answered),
            Strategy::RoundRobin => tally.last_offer.map_or(0, |token| token.as_u64()),
            Strategy::MostSkilled => u64::MAX - agent.profile.levels_in(&self.wanted.any_of),
            Strategy::Weighted => {
                let weight = u64::from(agent.profile.weight.max(1));
                (u64::from(tally.answered) + 1) * MILLIONTHS / weight
            }
        };
        let served = agent.profile.queues.get(&self.wanted.queue);
        Rank {
            precedence: served.copied().unwrap_or_default(),
            held: agent.holds.len(),
            merit,
            idle_since: agent.idle_since,
        }
    }
}

/// How early a free agent comes at a line; the lowest is first. Fixed while nothing happens to the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    precedence: Precedence,
    held: usize,
    merit: u64,
    idle_since: Timestamp,
}

/// So that shares of contacts by weight are compared finely enough.
const MILLIONTHS: u64 = 1_000_000;

/// All lines. A contact costs a search among the lines; an agent who becomes free, or is taken, costs a
/// look at each line of their queues, and of their own.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    lines: Vec<Option<Line>>,
    closed: Vec<usize>,
    by_wanted: BTreeMap<Wanted, usize>,
    /// Lines for anybody, by queue.
    by_queue: BTreeMap<QueueId, BTreeSet<usize>>,
    /// Lines for one agent.
    by_agent: BTreeMap<AgentId, BTreeSet<usize>>,
    /// Lines where somebody waits and somebody is free, and whose queue is not at its limit.
    ready: Ready,
    /// Queues with as many contacts with agents as they may have.
    at_limit: BTreeSet<QueueId>,
    /// Every agent who is free for something, the lines they stand at, and how early they come there.
    free: BTreeMap<AgentId, Vec<(usize, Rank)>>,
    /// The same agents by the queues they serve, so that a new line asks no others.
    free_by_queue: BTreeMap<QueueId, BTreeSet<AgentId>>,
    stands: BTreeMap<ContactId, Stand>,
    /// When time alone moves a contact to another line.
    changes: BTreeSet<(Timestamp, ContactId)>,
}

/// Where a contact stands, and when that is over by itself.
#[derive(Clone, Copy, Debug)]
struct Stand {
    line: usize,
    place: PlaceInLine,
    until: Option<Timestamp>,
}

/// Most lines of one queue that are kept although nobody waits in them; rebuilding one costs a look at
/// every free agent of the queue.
const EMPTY_LINES_MAX: usize = 64;

impl Lines {
    /// The lines that are ready.
    pub(super) fn ready(&self) -> &Ready {
        &self.ready
    }

    /// One line.
    pub(super) fn line(&self, at: usize) -> Option<&Line> {
        self.lines.get(at).and_then(Option::as_ref)
    }

    /// Those of them where an agent stands, and how early the queue comes with that agent.
    pub(super) fn ready_of(&self, agent: &AgentId) -> impl Iterator<Item = (Precedence, &Line)> {
        let stands = self.free.get(agent).into_iter().flatten();
        let ready = stands.filter(|(at, _)| self.ready.contains(*at));
        ready.filter_map(|(at, rank)| Some((rank.precedence, self.line(*at)?)))
    }

    /// When the next contact moves to another line.
    pub(super) fn next_change(&self) -> Option<Timestamp> {
        self.changes.first().map(|(at, _)| *at)
    }

    /// A contact that stands in the wrong line at `now`.
    pub(super) fn changed(&self, now: Timestamp) -> Option<ContactId> {
        let (at, contact) = self.changes.first()?;
        (*at <= now).then_some(*contact)
    }

    pub(super) fn add_contact(
        &mut self,
        place: PlaceInLine,
        wanted: Wanted,
        until: Option<Timestamp>,
        rules: Option<&QueueRules>,
        agents: &BTreeMap<AgentId, Agent>,
    ) {
        let line = match self.by_wanted.get(&wanted) {
            Some(at) => *at,
            None => self.open_line(wanted, rules, agents),
        };
        if let Some(Some(line)) = self.lines.get_mut(line) {
            line.waiting.insert(place);
        }
        let contact = place.contact();
        self.stands.insert(contact, Stand { line, place, until });
        self.changes.extend(until.map(|until| (until, contact)));
        self.refresh(line);
    }

    pub(super) fn remove_contact(&mut self, contact: ContactId) {
        let Some(Stand { line, place, until }) = self.stands.remove(&contact) else {
            return;
        };
        if let Some(until) = until {
            self.changes.remove(&(until, contact));
        }
        let Some(Some(emptied)) = self.lines.get_mut(line) else {
            return;
        };
        emptied.waiting.remove(&place);
        if emptied.waiting.is_empty() && emptied.wanted.only.is_some() {
            self.close_line(line);
        } else {
            self.refresh(line);
        }
    }

    pub(super) fn add_agent(&mut self, agent: &Agent) {
        let id = &agent.profile.id;
        let queues = agent.profile.queues.keys();
        let open = queues.filter_map(|queue| self.by_queue.get(queue));
        let candidates = open.chain(self.by_agent.get(id)).flatten();
        let mut joined = Vec::new();
        for at in candidates {
            if let Some(Some(line)) = self.lines.get_mut(*at)
                && line.suits(agent)
            {
                let rank = line.rank(agent);
                line.free.insert((rank, id.clone()));
                joined.push((*at, rank));
            }
        }
        for (at, _) in &joined {
            self.refresh(*at);
        }
        self.free.insert(id.clone(), joined);
        for queue in agent.profile.queues.keys() {
            let of_queue = self.free_by_queue.entry(queue.clone()).or_default();
            of_queue.insert(id.clone());
        }
    }

    pub(super) fn remove_agent(&mut self, agent: &Agent) {
        let id = &agent.profile.id;
        for (at, rank) in self.free.remove(id).into_iter().flatten() {
            if let Some(Some(line)) = self.lines.get_mut(at) {
                line.free.remove(&(rank, id.clone()));
            }
            self.refresh(at);
        }
        for queue in agent.profile.queues.keys() {
            if let Some(of_queue) = self.free_by_queue.get_mut(queue) {
                of_queue.remove(id);
            }
        }
    }

    /// Says whether a queue has as many contacts with agents as it may.
    pub(super) fn set_limit(&mut self, queue: &QueueId, is_reached: bool) {
        let is_news = if is_reached {
            self.at_limit.insert(queue.clone())
        } else {
            self.at_limit.remove(queue)
        };
        if is_news {
            for at in self.of_queue(queue) {
                self.refresh(at);
            }
        }
    }

    /// Closes the lines of a queue whose rules change; nobody waits in them.
    pub(super) fn close_lines(&mut self, queue: &QueueId) {
        for at in self.of_queue(queue) {
            self.close_line(at);
        }
    }

    fn of_queue(&self, queue: &QueueId) -> Vec<usize> {
        let from = Wanted {
            queue: queue.clone(),
            channel: Channel::Voice,
            any_of: Vec::new(),
            only: None,
        };
        self.by_wanted
            .range(from..)
            .take_while(|(wanted, _)| wanted.queue == *queue)
            .map(|(_, at)| *at)
            .collect()
    }

    fn open_line(
        &mut self,
        wanted: Wanted,
        rules: Option<&QueueRules>,
        agents: &BTreeMap<AgentId, Agent>,
    ) -> usize {
        self.close_empty_lines(&wanted.queue);
        let at = self.closed.pop().unwrap_or_else(|| {
            self.lines.push(None);
            self.lines.len() - 1
        });
        match &wanted.only {
            Some(agent) => self.by_agent.entry(agent.clone()).or_default().insert(at),
            None => (self.by_queue.entry(wanted.queue.clone()).or_default()).insert(at),
        };
        self.by_wanted.insert(wanted.clone(), at);
        let mut line = Line {
            wanted,
            strategy: rules.map(|rules| rules.strategy).unwrap_or_default(),
            aging: rules.map(|rules| rules.aging).unwrap_or_default(),
            waiting: BTreeSet::new(),
            free: BTreeSet::new(),
        };
        let of_queue = self.free_by_queue.get(&line.wanted.queue);
        for id in of_queue.into_iter().flatten() {
            if let (Some(agent), Some(joined)) = (agents.get(id), self.free.get_mut(id))
                && line.suits(agent)
            {
                let rank = line.rank(agent);
                line.free.insert((rank, id.clone()));
                joined.push((at, rank));
            }
        }
        self.lines[at] = Some(line);
        at
    }

    /// Closes the empty lines of a queue once there are too many, so that needs nobody has any more cost
    /// nothing.
    fn close_empty_lines(&mut self, queue: &QueueId) {
        let of_queue = self.by_queue.get(queue).into_iter().flatten();
        let is_empty = |at: &usize| {
            let line = self.line(*at);
            line.is_none_or(|line| line.waiting.is_empty())
        };
        let empty: Vec<usize> = of_queue.copied().filter(is_empty).collect();
        if empty.len() >= EMPTY_LINES_MAX {
            for at in empty {
                self.close_line(at);
            }
        }
    }

    fn close_line(&mut self, at: usize) {
        let Some(line) = self.lines.get_mut(at).and_then(Option::take) else {
            return;
        };
        for (_, agent) in &line.free {
            if let Some(joined) = self.free.get_mut(agent) {
                joined.retain(|(other, _)| *other != at);
            }
        }
        self.by_wanted.remove(&line.wanted);
        match &line.wanted.only {
            Some(agent) => forget(&mut self.by_agent, agent, at),
            None => forget(&mut self.by_queue, &line.wanted.queue, at),
        }
        self.ready.note(at, None);
        self.closed.push(at);
    }

    fn refresh(&mut self, at: usize) {
        let line = self.line(at);
        let standing = line.and_then(|line| {
            let (rank, _) = line.free.first()?;
            let pace = Pace {
                precedence: rank.precedence,
                aging: line.aging,
            };
            let is_at_limit = self.at_limit.contains(&line.wanted.queue);
            (line.waiting.first().copied())
                .filter(|_| !is_at_limit)
                .map(|first| (pace, first))
        });
        self.ready.note(at, standing);
    }
}

fn forget<K: Ord>(index: &mut BTreeMap<K, BTreeSet<usize>>, key: &K, at: usize) {
    if let Some(members) = index.get_mut(key) {
        members.remove(&at);
        if members.is_empty() {
            index.remove(key);
        }
    }
}
