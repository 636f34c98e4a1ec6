//! What the rows of a report are on: queues, agents, skills, channels, numbers or classes of callers.

use super::answers::has_answers;
use super::{Report, Row, Span};
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::QueueId;
use ringdown_routing::statistics::{
    AgentTime, Cell, Counts, Facet, Ledger, RatingCounts, Scope, Spread, SymptomCounts, Tally,
    TicketCounts,
};
use serde::Deserialize;
use std::collections::BTreeMap;

/// By what a report is divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum By {
    /// The line they stood in.
    #[default]
    Queue,
    /// Who answered; with that agent's own time.
    Agent,
    /// What was needed at once; a contact counts under each of its skills.
    Skill,
    /// How they came.
    Channel,
    /// The number or address they came to.
    Number,
    /// The class of the caller.
    CallerClass,
}

impl By {
    /// Every one, in the order in which they are offered.
    pub const ALL: [Self; 6] = [
        Self::Queue,
        Self::Agent,
        Self::Skill,
        Self::Channel,
        Self::Number,
        Self::CallerClass,
    ];

    /// The word for it in addresses, files and commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Agent => "agent",
            Self::Skill => "skill",
            Self::Channel => "channel",
            Self::Number => "number",
            Self::CallerClass => "caller_class",
        }
    }

    /// Whether its intervals are those of facets, which roll-ups keep apart from the others.
    pub(crate) fn is_of_facets(self) -> bool {
        match self {
            Self::Queue | Self::Channel => false,
            Self::Agent | Self::Skill | Self::Number | Self::CallerClass => true,
        }
    }

    /// Whether its rows are on such.
    pub(crate) fn holds(self, facet: &Facet) -> bool {
        match facet {
            Facet::Number(_) | Facet::Other => self == Self::Number,
            Facet::CallerClass(_) => self == Self::CallerClass,
            Facet::Skill(_) => self == Self::Skill,
            Facet::Agent(_) => self == Self::Agent,
        }
    }
}

/// One of those that a report is divided by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// A line.
    Queue(QueueId),
    /// A channel.
    Channel(Channel),
    /// An agent, skill, number or class.
    Facet(Facet),
}

impl Group {
    /// What it is called.
    pub fn name(&self) -> String {
        match self {
            Self::Queue(queue) => queue.to_string(),
            Self::Channel(channel) => channel.as_str().to_owned(),
            Self::Facet(Facet::Number(number)) => number.clone(),
            Self::Facet(Facet::CallerClass(class)) => class.to_string(),
            Self::Facet(Facet::Skill(skill)) => skill.to_string(),
            Self::Facet(Facet::Agent(agent)) => agent.to_string(),
            Self::Facet(Facet::Other) => "(other)".to_owned(),
        }
    }

    /// Its sums and spread in a span.
    pub(super) fn sums(&self, ledger: &Ledger, span: Span, scope: &Scope) -> (Tally, Spread) {
        let both = |scope: &Scope| ledger.figures(span.from, span.to, scope);
        match self {
            Self::Queue(queue) => both(&Scope {
                queue: Some(queue.clone()),
                channel: scope.channel,
            }),
            Self::Channel(channel) => {
                let (tally, spread) = both(&Scope {
                    queue: scope.queue.clone(),
                    channel: Some(*channel),
                });
                // Agents' time is never split by channel.
                let agent_time = AgentTime::default();
                (
                    Tally {
                        agent_time,
                        ..tally
                    },
                    spread,
                )
            }
            Self::Facet(facet) => {
                let (mut tally, spread) = ledger.of_facet(span.from, span.to, facet, scope);
                if let Facet::Agent(agent) = facet {
                    tally.agent_time = ledger.agent_time(span.from, span.to, agent);
                }
                (tally, spread)
            }
        }
    }
}

/// The groups that a scope has.
pub(super) fn groups(ledger: &Ledger, by: By, scope: &Scope) -> Vec<Group> {
    match by {
        By::Queue => match &scope.queue {
            Some(queue) => vec![Group::Queue(queue.clone())],
            None => ledger.queues().into_iter().map(Group::Queue).collect(),
        },
        By::Channel => match scope.channel {
            Some(channel) => vec![Group::Channel(channel)],
            None => ledger.channels().into_iter().map(Group::Channel).collect(),
        },
        By::Agent => {
            let named = ledger.facets().filter(|facet| by.holds(facet)).cloned();
            let mut facets: std::collections::BTreeSet<Facet> = named.collect();
            if scope.queue.is_none() {
                facets.extend(ledger.agents().into_iter().map(Facet::Agent));
            }
            facets.into_iter().map(Group::Facet).collect()
        }
        By::Skill | By::Number | By::CallerClass => {
            let facets = ledger.facets().filter(|facet| by.holds(facet));
            facets.cloned().map(Group::Facet).collect()
        }
    }
}

/// Each queue's cell over all of a period, and of what is in none where no queue is asked for.
pub(super) fn queues(ledger: &Ledger, whole: Span, scope: &Scope) -> Vec<(Option<QueueId>, Cell)> {
    let mut cells: Vec<(Option<QueueId>, Cell)> = Vec::new();
    for group in groups(ledger, By::Queue, scope) {
        if let Group::Queue(queue) = group {
            let of_queue = Scope {
                queue: Some(queue.clone()),
                channel: scope.channel,
            };
            cells.push((Some(queue), ledger.sum(whole.from, whole.to, &of_queue)));
        }
    }
    if scope.queue.is_none() {
        let outside = ledger.sum_outside(whole.from, whole.to, scope.channel);
        cells.push((None, outside));
    }
    cells
}

/// Whether a ticket, a symptom or a mark was counted, be it of a contact that came before the period.
fn has_judgements(tally: &Tally) -> bool {
    tally.tickets != TicketCounts::default()
        || tally.symptoms != SymptomCounts::default()
        || tally.ratings != RatingCounts::default()
}

/// Whether anything was counted; of thousands of numbers only those are told that somebody came to.
pub(super) fn is_something(tally: &Tally) -> bool {
    tally.counts != Counts::default()
        || tally.agent_time != AgentTime::default()
        || has_judgements(tally)
        || has_answers(tally)
}

impl Report {
    /// The same report divided by something else.
    pub fn by(mut self, by: By) -> Self {
        self.by = by;
        let groups = groups(&self.ledger, by, &self.scope);
        let whole = self.period.whole();
        let sums = |group: &Group, span| group.sums(&self.ledger, span, &self.scope);
        let mut totals = BTreeMap::new();
        for group in groups {
            let (tally, spread) = match &group {
                Group::Queue(queue) => self.of_queue(queue),
                Group::Channel(_) | Group::Facet(_) => sums(&group, whole),
            };
            if !by.is_of_facets() || is_something(&tally) {
                totals.insert(group, (tally, spread));
            }
        }
        let mut rows = Vec::new();
        for span in &self.period.spans {
            for group in totals.keys() {
                let (tally, spread) = sums(group, *span);
                if !by.is_of_facets() || is_something(&tally) {
                    rows.push(Row {
                        span: *span,
                        group: group.clone(),
                        tally,
                        spread,
                    });
                }
            }
        }
        self.groups = totals;
        self.rows = rows;
        self
    }

    /// A queue's sums over the whole period.
    fn of_queue(&self, queue: &QueueId) -> (Tally, Spread) {
        let whole = self.period.whole();
        let known = self.queues.iter();
        let mut known = known.filter(|(known, _)| known.as_ref() == Some(queue));
        let none = Cell::default();
        let cell = known.next().map_or(&none, |(_, cell)| cell);
        let scope = Scope {
            queue: Some(queue.clone()),
            channel: self.scope.channel,
        };
        self.ledger.figures_of(cell, whole.from, whole.to, &scope)
    }
}
