//! What the events of tickets, symptoms, ratings and answers by mail tell: all that is counted of them, so
//! that a log can be counted without the ticket store, and without anybody's opening hours.

use crate::contact::Channel;
use crate::ids::{AgentId, QueueId, SkillId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What else the contact is counted by that something is told of, as far as it was known then. A log that was
/// written before this was told has none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactFacets {
    /// The number or address it came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The class of its caller 1 to 3, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<u8>,
    /// The skills it needed at once.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub skills: BTreeSet<SkillId>,
    /// The agent whose answer to it stands: after a hand-over, whoever answered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
}

impl ContactFacets {
    /// Whether nothing is told.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How a ticket stands, as far as it is counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketFacts {
    /// When it was opened; it counts in that interval.
    pub opened_at: Timestamp,
    /// The line that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueId>,
    /// How the contact came that it was opened for.
    pub channel: Channel,
    /// Whether it is an incident (something does not work) and not a request.
    pub is_incident: bool,
    /// Its priority, 1 the most urgent.
    pub priority: u8,
    /// Whether the first line could have solved it: opened for a contact, not that of a major incident and
    /// not merged into another.
    pub is_eligible: bool,
    /// When it was first brought to another line than the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalated_at: Option<Timestamp>,
    /// When it was solved; `None` again when it was reopened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub solved_at: Option<Timestamp>,
    /// Whether that was at the first contact.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_at_first_contact: bool,
    /// Whether the same caller came about the same service within seven days after that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub came_again: bool,
    /// Within which time tickets of its priority are to be solved, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_ms: Option<u64>,
    /// When it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// Those of the contact it was opened for; nothing for one that was opened by hand.
    #[serde(default, skip_serializing_if = "ContactFacets::is_empty")]
    pub facets: ContactFacets,
}

/// A symptom of one contact, with what the contact waited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SymptomFacts {
    /// The symptom, as configured.
    pub symptom: String,
    /// When the contact arrived; it counts in that interval.
    pub arrived_at: Timestamp,
    /// How it came.
    pub channel: Channel,
    /// The class of its caller 1 to 3, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<u8>,
    /// What it waited, in milliseconds.
    pub wait_ms: u64,
    /// Whether an agent answered it.
    pub is_answered: bool,
    /// T of its queue, in milliseconds.
    pub service_level_ms: u64,
    /// How long callers of its class put up with that symptom, in milliseconds.
    pub tolerable_ms: u64,
    /// What else the contact is counted by.
    #[serde(default, skip_serializing_if = "ContactFacets::is_empty")]
    pub facets: ContactFacets,
}

/// One time that a ticket waits for an answer by mail: from its first unanswered mail to the next answer of an
/// agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerWait {
    /// When that mail arrived; the wait counts in that interval.
    pub since: Timestamp,
    /// The line that has the mail, and whose backlog the wait is: it came by that, or was brought there.
    pub queue: QueueId,
    /// Whether no agent has answered the ticket before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_first: bool,
    /// When the answer is due by the hours of the line it came by; `None` when no time is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// Those of the contact of that mail when the wait began, and no agent: who answers is told with the answer.
    #[serde(default, skip_serializing_if = "ContactFacets::is_empty")]
    pub facets: Box<ContactFacets>,
}

/// How a ticket's waiting for an answer by mail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerEnd {
    /// An agent answered.
    Given {
        /// How much of the wait lay in the opening hours of the line of that agent, in milliseconds.
        working_ms: u64,
    },
    /// Nobody answers any more: the ticket was closed, merged or put aside.
    Dropped,
}
