//! Where agents' phones are, for all gateways of one desk.
//!
//! A phone registers at one gateway, and a call may be at another. So each gateway tells Redis where the
//! phones are that registered at it, until when, and how others get there; whoever holds the call looks
//! there before it rings. Not part of the desk's truth: what is wrong here costs one offer, which is
//! declined as unreachable, and is set right by the phone's next registration.

use super::redis_store::{RedisStore, from_json};
use super::scripts::SCRIPTS;
use super::shared_desk::{SharedState, lock};
use super::store::StoreLost;
use ringdown_routing::ids::{AgentId, NodeId};
use ringdown_routing::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

/// Where one gateway says an agent's phone is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneAt {
    /// Its contact URI: the Request-URI.
    pub uri: String,
    /// The Route of a request to it, topmost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub route: Vec<String>,
    /// The URI that another gateway sends the request to first; `None` when only the flow of the gateway
    /// it registered at leads there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<String>,
    /// Whether it outlives that gateway.
    pub way: Way,
    /// When it registered last.
    pub since: Timestamp,
    /// When the registration runs out.
    pub until: Timestamp,
}

/// How a phone is reached by other gateways than the one it registered at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Anybody can send there.
    Open,
    /// Only a flow of that gateway leads there, so it hands messages on, and with it the phone is gone.
    Edge,
}

/// An agent's phones by the gateway they registered at.
pub type PhonesOfAgent = BTreeMap<NodeId, PhoneAt>;

/// Most agents whose registrations are reaped at one look.
const REAPED_MAX: usize = 256;

/// The phones of the desk; clones share them.
#[derive(Clone)]
pub struct SharedPhones {
    state: Arc<Mutex<SharedState>>,
}

impl SharedPhones {
    pub(super) fn new(state: Arc<Mutex<SharedState>>) -> Self {
        Self { state }
    }

    /// Tells where a phone is that registered at this gateway, `None` when it does so no more; gives all
    /// the phones that the agent has by then.
    pub async fn tell(
        &self,
        at: Timestamp,
        agent: &AgentId,
        node: &NodeId,
        phone: Option<&PhoneAt>,
    ) -> Result<PhonesOfAgent, StoreLost> {
        let place = phone.map_or_else(String::new, |phone| {
            serde_json::to_string(phone).expect("it is plain data with text keys")
        });
        let store = self.store()?;
        let mut cmd = SCRIPTS.phone.command();
        cmd.arg(2).arg(store.keys().phones());
        cmd.arg(at.as_millis()).arg(agent.as_str());
        cmd.arg(node.as_str()).arg(place);
        let text: String = store.send_one(cmd).await?;
        from_json(text.as_bytes())
    }

    /// Where an agent's phones are at that instant.
    pub async fn find(&self, at: Timestamp, agent: &AgentId) -> Result<PhonesOfAgent, StoreLost> {
        let store = self.store()?;
        let mut cmd = redis::cmd("HGET");
        cmd.arg(&store.keys().phones()[0]).arg(agent.as_str());
        let text: Option<String> = store.send_one(cmd).await?;
        let Some(text) = text else {
            return Ok(PhonesOfAgent::new());
        };
        let mut phones: PhonesOfAgent = from_json(text.as_bytes())?;
        phones.retain(|_, phone| phone.until > at);
        Ok(phones)
    }

    /// Drops what has run out, and gives the agents who have no phone left by it. Of several gateways that
    /// ask, one is told of an agent.
    pub async fn drop_over(&self, at: Timestamp) -> Result<Vec<AgentId>, StoreLost> {
        let store = self.store()?;
        let mut cmd = SCRIPTS.phones_over.command();
        cmd.arg(2).arg(store.keys().phones());
        cmd.arg(at.as_millis()).arg(REAPED_MAX);
        let gone: Vec<String> = store.send_one(cmd).await?;
        Ok(gone.into_iter().map(AgentId::new).collect())
    }

    /// Drops what only a lost gateway led to, and gives the agents who have no phone left by it. Of several
    /// gateways that ask, one is told of an agent.
    pub async fn drop_lost(&self, lost: &NodeId) -> Result<Vec<AgentId>, StoreLost> {
        let store = self.store()?;
        let mut cmd = SCRIPTS.phones_lost.command();
        cmd.arg(2).arg(store.keys().phones()).arg(lost.as_str());
        let gone: Vec<String> = store.send_one(cmd).await?;
        Ok(gone.into_iter().map(AgentId::new).collect())
    }

    fn store(&self) -> Result<RedisStore, StoreLost> {
        lock(&self.state).store.clone().ok_or(StoreLost::Busy)
    }
}

impl fmt::Debug for SharedPhones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedPhones").finish_non_exhaustive()
    }
}
