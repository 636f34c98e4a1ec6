//! Since when agents have the status they have, by the events.

use ringdown_routing::event::{Event, EventKind};
use ringdown_routing::ids::AgentId;
use ringdown_routing::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The instant of every agent's last change of status.
#[derive(Debug, Default)]
pub struct StatusTimes {
    since: Mutex<BTreeMap<AgentId, Timestamp>>,
}

impl StatusTimes {
    /// Takes an event; the latest word of each agent stands, in whatever order they come.
    pub fn record(&self, event: &Event) {
        let Some(agent) = &event.agent else {
            return;
        };
        if let EventKind::AgentStatus { .. } = event.kind {
            let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
            let last = since.entry(agent.clone()).or_insert(event.at);
            *last = (*last).max(event.at);
        } else if let EventKind::AgentRemoved = event.kind {
            let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
            since.remove(agent);
        }
    }

    /// Since when an agent has their status; `None` when no event tells.
    pub fn since(&self, agent: &AgentId) -> Option<Timestamp> {
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.get(agent).copied()
    }
}
