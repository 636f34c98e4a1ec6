//! Who could meet whom: waiting contacts with the same needs, and the free agents who meet them.

use crate::agent::{Agent, Skills};
use crate::contact::{Channel, PlaceInLine, QueuedContact};
use crate::ids::{AgentId, QueueId};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Waiting contacts of one queue and channel that need the same skills, and the free agents who may take
/// any of them (rest and back-off apart, which pass with time alone).
#[derive(Clone, Debug)]
pub struct Line {
    queue: QueueId,
    channel: Channel,
    skills: Skills,
    waiting: BTreeSet<PlaceInLine>,
    free: BTreeSet<(Timestamp, AgentId)>,
}

impl Line {
    /// The contacts, first served first.
    pub fn waiting(&self) -> impl Iterator<Item = &PlaceInLine> {
        self.waiting.iter()
    }

    /// The free agents, longest idle first, ties by name.
    pub fn free_agents(&self) -> impl Iterator<Item = &AgentId> {
        self.free.iter().map(|(_, agent)| agent)
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
}

/// All lines. A contact costs a search in its queue's lines; an agent who becomes free, or is taken,
/// costs a look at each line of their queues.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    lines: Vec<Option<Line>>,
    by_queue: BTreeMap<QueueId, Vec<usize>>,
    /// Lines where somebody waits and somebody is free.
    ready: BTreeSet<usize>,
    /// Every free agent, since when, and the lines they stand at.
    free: BTreeMap<AgentId, (Timestamp, Vec<usize>)>,
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
        agents: &BTreeMap<AgentId, Agent>,
    ) {
        let at = match self.find(contact) {
            Some(at) => at,
            None => self.open_line(contact, agents),
        };
        if let Some(Some(line)) = self.lines.get_mut(at) {
            line.waiting.insert(contact.place_in_line());
        }
        self.refresh(at);
    }

    pub(super) fn remove_contact(&mut self, contact: &QueuedContact) {
        let Some(at) = self.find(contact) else {
            return;
        };
        if let Some(Some(line)) = self.lines.get_mut(at) {
            line.waiting.remove(&contact.place_in_line());
        }
        self.refresh(at);
    }

    pub(super) fn add_agent(&mut self, agent: &Agent) {
        let mut joined = Vec::new();
        for queue in &agent.profile.queues {
            for at in self.by_queue.get(queue).into_iter().flatten() {
                if let Some(Some(line)) = self.lines.get_mut(*at)
                    && line.suits(agent)
                {
                    line.free
                        .insert((agent.idle_since, agent.profile.id.clone()));
                    joined.push(*at);
                }
            }
        }
        for at in &joined {
            self.refresh(*at);
        }
        self.free
            .insert(agent.profile.id.clone(), (agent.idle_since, joined));
    }

    pub(super) fn remove_agent(&mut self, agent: &AgentId) {
        let Some((idle_since, joined)) = self.free.remove(agent) else {
            return;
        };
        let key = (idle_since, agent.clone());
        for at in joined {
            if let Some(Some(line)) = self.lines.get_mut(at) {
                line.free.remove(&key);
            }
            self.refresh(at);
        }
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

    fn open_line(&mut self, contact: &QueuedContact, agents: &BTreeMap<AgentId, Agent>) -> usize {
        self.close_empty_lines(&contact.queue);
        let mut line = Line {
            queue: contact.queue.clone(),
            channel: contact.channel,
            skills: contact.skills.clone(),
            waiting: BTreeSet::new(),
            free: BTreeSet::new(),
        };
        let at = self
            .lines
            .iter()
            .position(Option::is_none)
            .unwrap_or(self.lines.len());
        for (id, (idle_since, joined)) in &mut self.free {
            if agents.get(id).is_some_and(|agent| line.suits(agent)) {
                line.free.insert((*idle_since, id.clone()));
                joined.push(at);
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
        for (_, joined) in self.free.values_mut() {
            joined.retain(|at| lines[*at].is_some());
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
