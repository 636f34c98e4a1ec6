//! The rules of one line.

use crate::ids::QueueId;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How the next agent is chosen among those who may take a contact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Whoever has been idle longest.
    #[default]
    LongestIdle,
}

/// The rules of one queue, as the policy and the stores need them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRules {
    /// Which queue.
    pub id: QueueId,
    /// How agents are chosen.
    pub strategy: Strategy,
    /// How long an agent's phone rings; default 15 s.
    pub ring_timeout: Duration,
    /// Work after the contact; default 0 s.
    pub wrap_up: Duration,
    /// How long an agent who declined a contact is not asked for it again; default 30 s.
    pub decline_back_off: Duration,
    /// Most contacts that may wait; `None` has no limit of its own.
    pub waiting_max: Option<u32>,
    /// Whether the queue takes new contacts.
    pub is_open: bool,
    /// Service-level threshold T of the statistics; default 20 s.
    pub service_level: Duration,
    /// Abandons shorter than this are "short"; default 5 s.
    pub short_abandon: Duration,
}

impl QueueRules {
    /// The rules of a queue for which nobody said anything.
    pub fn with_defaults(id: QueueId) -> Self {
        Self {
            id,
            strategy: Strategy::LongestIdle,
            ring_timeout: Duration::from_secs(15),
            wrap_up: Duration::ZERO,
            decline_back_off: Duration::from_secs(30),
            waiting_max: None,
            is_open: true,
            service_level: Duration::from_secs(20),
            short_abandon: Duration::from_secs(5),
        }
    }
}
