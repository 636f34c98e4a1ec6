//! A contact as the queue sees it: what it needs, and since when it waits.

use crate::agent::Skills;
use crate::ids::{AgentId, ContactId, NodeId, QueueId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The way a contact came in; the policy uses it only for capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A call.
    Voice,
    /// An e-mail.
    Email,
    /// A fax.
    Fax,
    /// A web chat.
    Chat,
}

impl Channel {
    /// The word used in JSON, in configuration and in Redis.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::Email => "email",
            Self::Fax => "fax",
            Self::Chat => "chat",
        }
    }
}

/// How urgent a contact is: a higher number goes first; 0 is usual.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Priority(pub i32);

/// A contact that waits, is offered or is being handled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedContact {
    /// Which contact.
    pub id: ContactId,
    /// The queue it stands in.
    pub queue: QueueId,
    /// How it came in.
    pub channel: Channel,
    /// Its priority at entry.
    pub priority: Priority,
    /// Skills an agent must have, each with the least level that will do.
    #[serde(default)]
    pub skills: Skills,
    /// When it first entered a queue; kept across re-queues, so that its place is kept.
    pub enqueued_at: Timestamp,
    /// The node that holds its legs or messages.
    pub node: NodeId,
    /// Agents who declined or let it ring, with the instant until which they are not asked again.
    #[serde(default)]
    pub avoid: std::collections::BTreeMap<AgentId, Timestamp>,
}
