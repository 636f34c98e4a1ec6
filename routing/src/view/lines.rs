//! Who could meet whom: waiting contacts with the same needs, and the free agents who meet them.

use crate::agent::{Agent, Precedence, Skills};
use crate::contact::{Channel, PlaceInLine, QueuedContact};
use crate::ids::{AgentId, QueueId};
use crate::queue::{Aging, QueueRules, Strategy};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Waiting contacts of one queue and channel that need the same skills, and the free agents who may take
/// any of them (rest and back-off apart, which pass with time alone).
#[derive(Clone, Debug)]
pub struct Line {
    queue: QueueId,
    channel: Channel,
    skills: Skills,
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

    /// How fast those who wait here age.
    pub(crate) fn aging(&self) -> Aging {
        self.aging
    }

    fn suits(&self, agent: &Agent) -> bool {
        agent
            .profile
            .can_take(&self.queue, self.channel, &self.skills)
    }

    fn is_of(&self, contact: &QueuedContact) -> bool {
        self.channel == contact.channel
            && self.skills == contact.skills
            && self.queue == contact.queue
    }

    fn rank(&self, agent: &Agent) -> Rank {
        Rank::of(agent, &self.queue, self.strategy, &self.skills)
    }
}

/// How early a free agent comes at a line; the lowest is first. Fixed while the agent is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    precedence: Precedence,
    merit: u64,
    idle_since: Timestamp,
}

impl Rank {
    fn of(agent: &Agent, queue: &QueueId, strategy: Strategy, needed: &Skills) -> Self {
        let tally = &agent.tally;
        let merit = match strategy {
            Strategy::LongestIdle => 0,
            Strategy::LeastOccupied => tally.occupancy_ppm(),
            Strategy::FewestContacts => u64::from(tally.answered),
            Strategy::RoundRobin => tally.last_offer.map_or(0, |token| token.as_u64()),
            Strategy::MostSkilled => u64::MAX - agent.profile.levels_in(needed),
            Strategy::Weighted => {
                let weight = u64::from(agent.profile.weight.max(1));
                (u64::from(tally.answered) + 1) * MILLIONTHS / weight
            }
        };
        let served = agent.profile.queues.get(queue);
        Self {
            precedence: served.copied().unwrap_or_default(),
            merit,
            idle_since: agent.idle_since,
        }
    }
}

/// So that shares of contacts by weight are compared finely enough.
const MILLIONTHS: u64 = 1_000_000;

/// All lines. A contact costs a search in its queue's lines; an agent who becomes free, or is taken,
/// costs a look at each line of their queues.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    lines: Vec<Option<Line>>,
    by_queue: BTreeMap<QueueId, Vec<usize>>,
    /// Lines where somebody waits and somebody is free.
    ready: BTreeSet<usize>,
    /// Every free agent, the lines they stand at, and how early they come there.
    free: BTreeMap<AgentId, Vec<(usize, Rank)>>,
}

/// Most lines of one queue that are kept although nobody waits in them; rebuilding one costs a look at
/// every free agent.
const EMPTY_LINES_MAX: usize = 64;

impl Lines {
    /// Lines with at least one waiting contact and one free agent who may take it.
    pub(super) fn ready(&self) -> impl Iterator<Item = &Line> {
        self.ready
            .iter()
            .filter_map(|at| self.lines.get(*at).and_then(Option::as_ref))
    }

    pub(super) fn add_contact(
        &mut self,
        contact: &QueuedContact,
        rules: Option<&QueueRules>,
        agents: &BTreeMap<AgentId, Agent>,
    ) {
        let at = match self.find(contact) {
            Some(at) => at,
            None => self.open_line(contact, rules, agents),
        };
        if let Some(Some(line)) = self.lines.get_mut(at) {
            line.waiting.insert(contact.place_in_line(line.aging));
        }
        self.refresh(at);
    }

    pub(super) fn remove_contact(&mut self, contact: &QueuedContact) {
        let Some(at) = self.find(contact) else {
            return;
        };
        if let Some(Some(line)) = self.lines.get_mut(at) {
            line.waiting.remove(&contact.place_in_line(line.aging));
        }
        self.refresh(at);
    }

    pub(super) fn add_agent(&mut self, agent: &Agent) {
        let id = &agent.profile.id;
        let mut joined = Vec::new();
        for queue in agent.profile.queues.keys() {
            for at in self.by_queue.get(queue).into_iter().flatten() {
                if let Some(Some(line)) = self.lines.get_mut(*at)
                    && line.suits(agent)
                {
                    let rank = line.rank(agent);
                    line.free.insert((rank, id.clone()));
                    joined.push((*at, rank));
                }
            }
        }
        for (at, _) in &joined {
            self.refresh(*at);
        }
        self.free.insert(id.clone(), joined);
    }

    pub(super) fn remove_agent(&mut self, agent: &AgentId) {
        for (at, rank) in self.free.remove(agent).into_iter().flatten() {
            if let Some(Some(line)) = self.lines.get_mut(at) {
                line.free.remove(&(rank, agent.clone()));
            }
            self.refresh(at);
        }
    }

    /// Closes the lines of a queue whose rules change; nobody waits in them.
    pub(super) fn close_lines(&mut self, queue: &QueueId) {
        for at in self.by_queue.remove(queue).into_iter().flatten() {
            self.lines[at] = None;
            self.ready.remove(&at);
        }
        self.forget_closed();
    }

    fn find(&self, contact: &QueuedContact) -> Option<usize> {
        let candidates = self.by_queue.get(&contact.queue)?;
        candidates.iter().copied().find(|at| {
            self.lines
                .get(*at)
                .and_then(Option::as_ref)
                .is_some_and(|line| line.is_of(contact))
        })
    }

    fn open_line(
        &mut self,
        contact: &QueuedContact,
        rules: Option<&QueueRules>,
        agents: &BTreeMap<AgentId, Agent>,
    ) -> usize {
        self.close_empty_lines(&contact.queue);
        let mut line = Line {
            queue: contact.queue.clone(),
            channel: contact.channel,
            skills: contact.skills.clone(),
            strategy: rules.map(|rules| rules.strategy).unwrap_or_default(),
            aging: rules.map(|rules| rules.aging).unwrap_or_default(),
            waiting: BTreeSet::new(),
            free: BTreeSet::new(),
        };
        let at = self
            .lines
            .iter()
            .position(Option::is_none)
            .unwrap_or(self.lines.len());
        for (id, joined) in &mut self.free {
            if let Some(agent) = agents.get(id)
                && line.suits(agent)
            {
                let rank = line.rank(agent);
                line.free.insert((rank, id.clone()));
                joined.push((at, rank));
            }
        }
        if at == self.lines.len() {
            self.lines.push(Some(line));
        } else {
            self.lines[at] = Some(line);
        }
        self.by_queue
            .entry(contact.queue.clone())
            .or_default()
            .push(at);
        at
    }

    /// Closes the empty lines of a queue once there are too many, so that needs nobody has any more cost
    /// nothing.
    fn close_empty_lines(&mut self, queue: &QueueId) {
        let Some(of_queue) = self.by_queue.get_mut(queue) else {
            return;
        };
        let lines = &mut self.lines;
        let is_empty = |at: &usize| {
            lines
                .get(*at)
                .and_then(Option::as_ref)
                .is_none_or(|line| line.waiting.is_empty())
        };
        let (empty, used): (Vec<usize>, Vec<usize>) =
            of_queue.iter().copied().partition(|at| is_empty(at));
        if empty.len() < EMPTY_LINES_MAX {
            return;
        }
        *of_queue = used;
        for at in &empty {
            lines[*at] = None;
        }
        self.forget_closed();
    }

    fn forget_closed(&mut self) {
        let lines = &self.lines;
        for joined in self.free.values_mut() {
            joined.retain(|(at, _)| lines[*at].is_some());
        }
    }

    fn refresh(&mut self, at: usize) {
        let is_ready = self
            .lines
            .get(at)
            .and_then(Option::as_ref)
            .is_some_and(|line| !line.waiting.is_empty() && !line.free.is_empty());
        if is_ready {
            self.ready.insert(at);
        } else {
            self.ready.remove(&at);
        }
    }
}
