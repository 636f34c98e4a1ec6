//! What is seen of the desk at one instant.

use super::columns::{fitted, fitted_right};
use ringdown_routing::agent::{State, Status};
use ringdown_routing::contact::Place;
use ringdown_routing::event::Event;
use ringdown_routing::ids::{AgentId, QueueId};
use ringdown_routing::statistics::Figures;
use ringdown_routing::time::Timestamp;
use ringdown_routing::view::View;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// The first line: the site, what to dial, the time.
    pub title: String,
    /// Queues, by name.
    pub queues: Vec<QueueRow>,
    /// Agents, by name.
    pub agents: Vec<AgentRow>,
    /// The newest events, oldest first, told in a line each.
    pub events: Vec<String>,
    /// What signalling, media and stores do, name and value.
    pub counters: Vec<(String, String)>,
}

/// One queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueRow {
    /// Its name for people.
    pub name: String,
    /// In the line now, those for whom a phone rings included.
    pub waiting: usize,
    /// With an agent now.
    pub talking: usize,
    /// The wait of whoever stands first in time, now.
    pub longest_wait: Option<Duration>,
    /// Agents who are free now.
    pub free: usize,
    /// The figures of today so far.
    pub today: ServiceLevelToday,
}

/// The figures of today that fit into a line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ServiceLevelToday {
    /// O.
    pub offered: u64,
    /// A.
    pub answered: u64,
    /// B.
    pub abandoned: u64,
    /// A_T / O.
    pub negative: Option<f64>,
    /// Average speed of answer, in seconds.
    pub asa_s: Option<f64>,
}

/// One agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AgentRow {
    /// Their name for people.
    pub name: String,
    /// What they do, in a word.
    pub doing: String,
    /// With whom, when somebody rings or talks: the contact's last letters.
    pub with: String,
    /// For how long, where the desk knows it.
    pub since: Option<Duration>,
}

impl From<&Figures> for ServiceLevelToday {
    fn from(figures: &Figures) -> Self {
        Self {
            offered: figures.counts.offered,
            answered: figures.counts.answered,
            abandoned: figures.counts.abandoned,
            negative: figures.service_level.negative,
            asa_s: figures.asa_s,
        }
    }
}

impl Frame {
    /// Takes queues and agents out of the desk; `name` tells a queue's name for people.
    pub fn look(view: &View, now: Timestamp, name: &dyn Fn(&QueueId) -> String) -> Self {
        let mut talking: BTreeMap<&QueueId, usize> = BTreeMap::new();
        let mut answered: BTreeMap<&AgentId, Timestamp> = BTreeMap::new();
        for contact in view.contacts() {
            if let Place::Active {
                agent, answered_at, ..
            } = &contact.place
            {
                *talking.entry(&contact.record.queue).or_default() += 1;
                answered.insert(agent, *answered_at);
            }
        }
        let queues = view.queues().map(|rules| {
            let first = view
                .line_of(&rules.id)
                .map(|contact| contact.record.enqueued_at)
                .min();
            let free = view.agents().filter(|agent| {
                agent.profile.queues.contains_key(&rules.id)
                    && agent.is_willing()
                    && agent.state() == State::Idle
            });
            QueueRow {
                name: name(&rules.id),
                waiting: view.unanswered(&rules.id),
                talking: talking.get(&rules.id).copied().unwrap_or(0),
                longest_wait: first.map(|enqueued_at| now.since(enqueued_at)),
                free: free.count(),
                today: ServiceLevelToday::default(),
            }
        });
        let agents = view.agents().map(|agent| {
            let id = &agent.profile.id;
            let (doing, since) = match (agent.state(), &agent.status) {
                (State::Ringing, _) => ("ringing".to_owned(), None),
                (State::Talking, _) => ("talking".to_owned(), answered.get(id).copied()),
                (State::WrapUp, _) => ("wrap-up".to_owned(), None),
                (State::Idle, Status::Available) if !agent.is_reachable => {
                    ("out of reach".to_owned(), None)
                }
                (State::Idle, Status::Available) => ("idle".to_owned(), Some(agent.idle_since)),
                (State::Idle, Status::NotReady(reason)) => (format!("not ready: {reason}"), None),
                (State::Idle, Status::LoggedOff) => ("logged off".to_owned(), None),
            };
            let with = agent
                .holds
                .keys()
                .next()
                .map_or_else(String::new, |contact| {
                    let id = contact.to_string();
                    id.get(id.len().saturating_sub(6)..)
                        .unwrap_or("")
                        .to_owned()
                });
            AgentRow {
                name: agent.profile.name.clone(),
                doing,
                with,
                since: since.map(|since| now.since(since)),
            }
        });
        Self {
            queues: queues.collect(),
            agents: agents.collect(),
            ..Self::default()
        }
    }

    /// Draws it: at most `height` lines, each exactly `width` columns wide.
    pub fn lines(&self, width: usize, height: usize) -> Vec<String> {
        let mut lines = vec![fitted(&self.title, width), String::new()];
        lines.push(queue_heading(width));
        lines.extend(self.queues.iter().map(|row| queue_line(row, width)));
        lines.push(String::new());
        // What waits matters most, then who can help, then what just happened.
        let counters = self.counter_lines(width);
        let left = height.saturating_sub(lines.len() + counters.len() + 1);
        let events_min = left.min(4);
        let agents = self.agents.len().min(left.saturating_sub(events_min + 2));
        lines.push(agent_heading(width));
        lines.extend(
            self.agents
                .iter()
                .take(agents)
                .map(|row| agent_line(row, width)),
        );
        if agents < self.agents.len() {
            lines.push(fitted(
                &format!("... and {} more", self.agents.len() - agents),
                width,
            ));
        }
        lines.push(String::new());
        lines.extend(counters);
        let room = height.saturating_sub(lines.len() + 1);
        lines.push(fitted("EVENTS", width));
        let skip = self.events.len().saturating_sub(room);
        lines.extend(
            self.events
                .iter()
                .skip(skip)
                .map(|event| fitted(event, width)),
        );
        lines.truncate(height);
        lines.iter().map(|line| fitted(line, width)).collect()
    }

    fn counter_lines(&self, width: usize) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for (name, value) in &self.counters {
            let told = format!("{name} {value}");
            match lines.last_mut() {
                Some(line) if line.chars().count() + told.chars().count() + 3 <= width => {
                    line.push_str("   ");
                    line.push_str(&told);
                }
                Some(_) | None => lines.push(told),
            }
        }
        lines
    }
}

/// One event in a line: its time of day, its word, and whom it is about.
pub(super) fn told(event: &Event, clock: &str) -> String {
    let word = serde_json::to_value(&event.kind)
        .ok()
        .and_then(|value| value.get("event")?.as_str().map(str::to_owned))
        .unwrap_or_default();
    let contact = event.contact.map(|contact| contact.to_string());
    let contact = contact
        .as_deref()
        .and_then(|id| id.get(id.len().saturating_sub(6)..))
        .unwrap_or("");
    let queue = event.queue.as_ref().map_or("", |queue| queue.as_str());
    let agent = event.agent.as_ref().map_or("", |agent| agent.as_str());
    format!("{clock}  {word:<16} {contact:<6}  {queue}  {agent}")
        .trim_end()
        .to_owned()
}

/// The width of a name, of what is left beside the other columns.
fn name_width(width: usize, others: usize) -> usize {
    width.saturating_sub(others).clamp(8, 24)
}

/// Widths of a queue's columns behind its name.
const QUEUE_COLUMNS: [(&str, usize); 9] = [
    ("waiting", 8),
    ("longest", 8),
    ("talking", 8),
    ("free", 6),
    ("| today", 8),
    ("answ.", 7),
    ("aband.", 7),
    ("SL A_T/O", 9),
    ("ASA s", 7),
];

fn queue_others() -> usize {
    QUEUE_COLUMNS.iter().map(|(_, width)| width).sum()
}

fn queue_heading(width: usize) -> String {
    let mut line = fitted("QUEUES (now)", name_width(width, queue_others()));
    for (heading, width) in QUEUE_COLUMNS {
        line.push_str(&fitted_right(heading, width));
    }
    line
}

fn queue_line(row: &QueueRow, width: usize) -> String {
    let cells = [
        row.waiting.to_string(),
        row.longest_wait.map_or_else(|| "-".to_owned(), clock),
        row.talking.to_string(),
        row.free.to_string(),
        format!("| {}", row.today.offered),
        row.today.answered.to_string(),
        row.today.abandoned.to_string(),
        row.today
            .negative
            .map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0)),
        row.today
            .asa_s
            .map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1}")),
    ];
    let mut line = fitted(&row.name, name_width(width, queue_others()));
    for (cell, (_, width)) in cells.iter().zip(QUEUE_COLUMNS) {
        line.push_str(&fitted_right(cell, width));
    }
    line
}

fn agent_heading(width: usize) -> String {
    format!(
        "{}{}{}{}",
        fitted("AGENTS (now)", name_width(width, 40)),
        fitted("", 2),
        fitted("doing", 24),
        "with    for"
    )
}

fn agent_line(row: &AgentRow, width: usize) -> String {
    let since = row.since.map_or_else(String::new, clock);
    format!(
        "{}{}{}{}  {since}",
        fitted(&row.name, name_width(width, 40)),
        fitted("", 2),
        fitted(&row.doing, 24),
        fitted(&row.with, 6)
    )
}

/// `1:05`, or `2:01:05` from an hour on.
fn clock(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds / 3_600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}
