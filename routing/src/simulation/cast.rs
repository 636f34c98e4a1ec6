//! Who plays: the rules of the lines, the agents and how they answer, the callers and how they wait.

use crate::agent::AgentProfile;
use crate::contact::{Channel, Needs, Priority, Reserved};
use crate::ids::{ContactId, QueueId};
use crate::queue::QueueRules;
use crate::time::Timestamp;
use std::time::Duration;

/// Everybody but the callers, who come one by one.
#[derive(Clone, Debug, Default)]
pub struct Cast {
    /// The lines.
    pub queues: Vec<QueueRules>,
    /// The agents, by name.
    pub agents: Vec<AgentPlayer>,
}

/// An agent and what they do.
#[derive(Clone, Debug)]
pub struct AgentPlayer {
    /// Who.
    pub profile: AgentProfile,
    /// When they are at work, in order and apart from each other.
    pub shifts: Vec<Shift>,
    /// Since when they count as idle at their first login; `None` since the login.
    pub idle_since: Option<Timestamp>,
    /// How long their phone rings before they answer; `None` never answers.
    pub answer_after: Option<Duration>,
    /// How long after a ring that nobody answered they are available again; `None` never.
    pub ready_after_rona: Option<Duration>,
}

/// One stretch of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// When the agent logs in.
    pub from: Timestamp,
    /// When the agent logs out; a contact they have is brought to its end first. `None` never.
    pub to: Option<Timestamp>,
}

/// A caller and what they do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Which contact; ties are settled by it.
    pub id: ContactId,
    /// When it arrives.
    pub at: Timestamp,
    /// The queue it enters.
    pub queue: QueueId,
    /// How it comes.
    pub channel: Channel,
    /// Its priority at entry.
    pub priority: Priority,
    /// What the agent must know.
    pub skills: Needs,
    /// Whose it is at first.
    pub reserved: Option<Reserved>,
    /// How long the conversation takes.
    pub talk: Duration,
    /// How long its agent works on it afterwards.
    pub wrap_up: Duration,
    /// How long it waits for an answer; `None` for ever.
    pub patience: Option<Duration>,
}
