//! The roster: who the agents are, from the configuration and from `ringdown agent`.
//!
//! An agent made by the command adds to those of the file, or takes the place of the one with the same
//! id; what a supervisor changed of an agent ([`AgentChange`]) comes over both. A running gateway sees a change within a second ([`watch`]). SIP passwords are kept only as the
//! hashes that digest authentication needs, web passwords only as Argon2id (RFC 9106).

mod change;
mod password;
mod sign_ins;
mod tokens;

pub use change::{AgentChange, Queues, changes, put_change};
pub use password::{PasswordFault, WebPassword, generate};
pub use sign_ins::{
    SIGNED_IN_FOR, SignedInBy, proof_of, sign_in_by_password, sign_in_by_token, sign_out,
    signed_in, web_password,
};
pub use tokens::{StoredToken, add_token, remove_token, tokens};

use crate::config::{Agent, Config, LogIn};
use crate::database::{Database, DatabaseFault, Statement, bump};
use ringdown_routing::agent::AgentProfile;
use ringdown_routing::ids::AgentId;
use ringdown_voice::sip::digest::Ha1;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// All agents of the desk.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    agents: BTreeMap<AgentId, RosterAgent>,
}

/// One agent as the gateway needs them.
#[derive(Clone, Debug, PartialEq)]
pub struct RosterAgent {
    /// Queues, skills and capacity.
    pub profile: AgentProfile,
    /// A phone behind another exchange; agents without one register.
    pub contact: Option<String>,
    /// What makes the agent available at first.
    pub log_in: LogIn,
    /// What a registration is judged by; `None` when the agent cannot register.
    pub ha1: Option<Ha1>,
    /// What a log-in on the web is judged by; `None` when the agent cannot log in there.
    pub web_password: Option<WebPassword>,
    /// Where the agent comes from.
    pub origin: Origin,
}

/// Where an agent comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The configuration file.
    File,
    /// `ringdown agent`.
    Command,
}

impl Roster {
    /// The agents of the configuration alone.
    pub fn configured(config: &Config) -> Self {
        let agents = config.agents.iter();
        Self {
            agents: agents
                .map(|agent| (agent.id.clone(), configured(agent, config)))
                .collect(),
        }
    }

    /// The agents of the configuration and the database.
    pub async fn load(database: &Database, config: &Config) -> Result<Self, DatabaseFault> {
        let mut roster = Self::configured(config);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT profile, contact, log_in, realm, ha1, password_hash FROM agents ORDER BY id",
        )
        .fetch_all(database.reads())
        .await?;
        for row in rows {
            let agent = stored(row, config.sip.realm())?;
            roster.agents.insert(agent.profile.id.clone(), agent);
        }
        for (id, change) in changes(database).await? {
            if let Some(agent) = roster.agents.get_mut(&id) {
                change.apply(&mut agent.profile);
            }
        }
        Ok(roster)
    }

    /// One agent.
    pub fn agent(&self, id: &AgentId) -> Option<&RosterAgent> {
        self.agents.get(id)
    }

    /// All agents, by id.
    pub fn iter(&self) -> impl Iterator<Item = &RosterAgent> {
        self.agents.values()
    }
}

/// The roster now and after every change, for a running gateway; ends when nobody watches any more.
pub async fn watch(
    database: &Database,
    config: Arc<Config>,
) -> Result<watch::Receiver<Arc<Roster>>, DatabaseFault> {
    let mut revision = database.revision(PART).await?;
    let roster = Roster::load(database, &config).await?;
    let (sender, receiver) = watch::channel(Arc::new(roster));
    let database = database.clone();
    tokio::spawn(async move {
        while !sender.is_closed() {
            tokio::time::sleep(REFRESH_EVERY).await;
            let Ok(current) = database.revision(PART).await else {
                continue;
            };
            if current == revision {
                continue;
            }
            match Roster::load(&database, &config).await {
                Ok(roster) => {
                    revision = current;
                    sender.send_replace(Arc::new(roster));
                }
                Err(fault) => tracing::warn!(%fault, "agents: a change cannot be read"),
            }
        }
    });
    Ok(receiver)
}

/// Writes an agent, in the place of one with the same id.
pub async fn put_agent(
    database: &Database,
    realm: &str,
    agent: &RosterAgent,
) -> Result<(), DatabaseFault> {
    let profile = serde_json::to_string(&agent.profile)
        .map_err(|error| DatabaseFault::Unreadable(error.to_string()))?;
    let log_in = match agent.log_in {
        LogIn::WithPhone => "with_phone",
        LogIn::ByHand => "by_hand",
    };
    let put = Statement::new(
        "INSERT INTO agents (id, profile, contact, log_in, realm, ha1, password_hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET \
         profile = excluded.profile, contact = excluded.contact, log_in = excluded.log_in, \
         realm = excluded.realm, ha1 = excluded.ha1, password_hash = excluded.password_hash",
        vec![
            agent.profile.id.as_str().into(),
            profile.into(),
            agent.contact.clone().into(),
            log_in.into(),
            realm.into(),
            agent.ha1.as_ref().map(ToString::to_string).into(),
            agent.web_password.as_ref().map(ToString::to_string).into(),
        ],
    );
    let forget = change::forget(&agent.profile.id);
    database.write(vec![put, forget, bump(PART)]).await
}

/// Takes an agent made by the command away; one of the file's with the same id shows again.
pub async fn remove_agent(database: &Database, id: &AgentId) -> Result<(), DatabaseFault> {
    let remove = Statement::new("DELETE FROM agents WHERE id = $1", vec![id.as_str().into()]);
    database
        .write(vec![remove, change::forget(id), bump(PART)])
        .await
}

type Row = (
    String,
    Option<String>,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
);

fn configured(agent: &Agent, config: &Config) -> RosterAgent {
    let password = agent.sip_password.as_ref();
    RosterAgent {
        profile: agent.profile(),
        contact: agent.contact.clone(),
        log_in: agent.log_in,
        ha1: password.map(|it| Ha1::new(agent.id.as_str(), config.sip.realm(), it.expose())),
        web_password: None,
        origin: Origin::File,
    }
}

fn stored(row: Row, realm: &str) -> Result<RosterAgent, DatabaseFault> {
    let (profile, contact, log_in, stored_realm, ha1, web_password) = row;
    let unreadable = |error: String| DatabaseFault::Unreadable(format!("agent: {error}"));
    let profile: AgentProfile =
        serde_json::from_str(&profile).map_err(|error| unreadable(error.to_string()))?;
    let is_of_realm = stored_realm.as_deref() == Some(realm);
    if ha1.is_some() && !is_of_realm {
        tracing::warn!(
            agent = %profile.id,
            "the SIP realm has changed since the agent's password was set: set it again \
             with `ringdown agent passwd`"
        );
    }
    Ok(RosterAgent {
        contact,
        log_in: if log_in == "by_hand" {
            LogIn::ByHand
        } else {
            LogIn::WithPhone
        },
        ha1: ha1
            .filter(|_| is_of_realm)
            .map(|text| text.parse())
            .transpose()
            .map_err(|fault: ringdown_voice::sip::digest::Ha1Fault| {
                unreadable(fault.to_string())
            })?,
        web_password: web_password.map(WebPassword::from_stored),
        profile,
        origin: Origin::Command,
    })
}

/// The part whose revision a change counts up.
const PART: &str = "agents";

/// How often a change is looked for.
const REFRESH_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
