//! What a supervisor changed of an agent while the desk runs: it comes over what the configuration or
//! `ringdown agent` says, until the command sets the agent anew.

use super::PART;
use crate::database::{Database, DatabaseFault, Statement, bump};
use ringdown_routing::agent::{AgentProfile, Served, Skills, served};
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::AgentId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was changed; what is missing stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentChange {
    /// All queues served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queues: Option<Queues>,
    /// All skills held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skills: Option<Skills>,
    /// Contacts held at once, of every channel served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<BTreeMap<Channel, u16>>,
}

/// Queues served, written as everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Queues(#[serde(with = "served")] pub Served);

impl AgentChange {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Lays the change over a profile.
    pub fn apply(&self, profile: &mut AgentProfile) {
        if let Some(Queues(queues)) = &self.queues {
            profile.queues.clone_from(queues);
        }
        if let Some(skills) = &self.skills {
            profile.skills.clone_from(skills);
        }
        if let Some(capacity) = &self.capacity {
            profile.capacity.clone_from(capacity);
        }
    }

    /// This change with a later one over it.
    pub fn followed_by(self, later: &Self) -> Self {
        Self {
            queues: later.queues.clone().or(self.queues),
            skills: later.skills.clone().or(self.skills),
            capacity: later.capacity.clone().or(self.capacity),
        }
    }
}

/// The changes of all agents.
pub async fn changes(database: &Database) -> Result<BTreeMap<AgentId, AgentChange>, DatabaseFault> {
    let rows: Vec<(String, String)> = sqlx::query_as("SELECT id, change FROM agent_changes")
        .fetch_all(database.reads())
        .await?;
    rows.into_iter()
        .map(|(id, change)| {
            let change = serde_json::from_str(&change)
                .map_err(|error| DatabaseFault::Unreadable(format!("agent {id}: {error}")))?;
            Ok((AgentId::new(id), change))
        })
        .collect()
}

/// Writes down all that is changed of an agent; nothing for an empty change.
pub async fn put_change(
    database: &Database,
    agent: &AgentId,
    change: &AgentChange,
) -> Result<(), DatabaseFault> {
    if change.is_empty() {
        return database.write(vec![forget(agent), bump(PART)]).await;
    }
    let text = serde_json::to_string(change)
        .map_err(|error| DatabaseFault::Unreadable(error.to_string()))?;
    let put = Statement::new(
        "INSERT INTO agent_changes (id, change) VALUES ($1, $2) \
         ON CONFLICT (id) DO UPDATE SET change = excluded.change",
        vec![agent.as_str().into(), text.into()],
    );
    database.write(vec![put, bump(PART)]).await
}

/// The statement that forgets what was changed of an agent.
pub(super) fn forget(agent: &AgentId) -> Statement {
    Statement::new(
        "DELETE FROM agent_changes WHERE id = $1",
        vec![agent.as_str().into()],
    )
}
