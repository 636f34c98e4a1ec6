//! Agents: what a person chose (status), what the system sees (state), and what they can do.

use crate::contact::Channel;
use crate::ids::{AgentId, ContactId, OfferToken, QueueId, SkillId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Skills with levels; 1 is the lowest.
pub type Skills = BTreeMap<SkillId, u8>;

/// What the agent chose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", content = "reason", rename_all = "snake_case")]
pub enum Status {
    /// Takes contacts.
    Available,
    /// Logged in, takes none; the reason is for the manager's report.
    NotReady(String),
    /// Not at work.
    #[default]
    LoggedOff,
}

/// What the system sees of one agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Holds no contact.
    #[default]
    Idle,
    /// One offer is out; the phone rings.
    Ringing {
        /// The offered contact.
        contact: ContactId,
        /// The offer's token.
        token: OfferToken,
        /// When the offer lapses.
        deadline: Timestamp,
    },
    /// Handles a contact.
    Talking {
        /// The contact.
        contact: ContactId,
        /// The token of the offer that was accepted.
        token: OfferToken,
    },
    /// Work after the contact.
    WrapUp {
        /// The contact that ended.
        contact: ContactId,
        /// When the agent is free again by itself.
        until: Timestamp,
    },
}

impl State {
    /// The contact that rings, is talked to, or is being wrapped up.
    pub fn contact(&self) -> Option<ContactId> {
        match self {
            Self::Idle => None,
            Self::Ringing { contact, .. }
            | Self::Talking { contact, .. }
            | Self::WrapUp { contact, .. } => Some(*contact),
        }
    }
}

/// What does not change while an agent works: set by configuration or the `agent` command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentProfile {
    /// Which agent.
    pub id: AgentId,
    /// Name shown to people.
    pub name: String,
    /// Queues served.
    pub queues: BTreeSet<QueueId>,
    /// Skills held.
    #[serde(default)]
    pub skills: Skills,
    /// Contacts held at once, per channel; a channel that is missing is not served.
    #[serde(default = "one_call")]
    pub capacity: BTreeMap<Channel, u16>,
}

/// One call at a time, and nothing else: what an agent's capacity is when nobody said.
pub fn one_call() -> BTreeMap<Channel, u16> {
    BTreeMap::from([(Channel::Voice, 1)])
}

/// An agent as the desk holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// What does not change while they work.
    pub profile: AgentProfile,
    /// What they chose.
    pub status: Status,
    /// What they chose during a contact, to be taken when it is over; never lost, never overwritten by its end.
    pub next_status: Option<Status>,
    /// What the system sees.
    pub state: State,
    /// Whether a phone (or desktop) can be reached at all.
    pub is_reachable: bool,
    /// Since when they are idle, for "longest idle"; an offer that came to nothing through no fault of
    /// theirs leaves it as it was.
    pub idle_since: Timestamp,
    /// Until when they are asked for nothing, because their phone was busy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest_until: Option<Timestamp>,
}

impl Agent {
    /// Somebody new: logged off, idle, out of reach until a phone is seen.
    pub fn new(profile: AgentProfile, at: Timestamp) -> Self {
        Self {
            profile,
            status: Status::LoggedOff,
            next_status: None,
            state: State::Idle,
            is_reachable: false,
            idle_since: at,
            rest_until: None,
        }
    }

    /// Whether they could be offered a contact, rest apart.
    pub fn is_free(&self) -> bool {
        self.status == Status::Available && self.state == State::Idle && self.is_reachable
    }

    /// Whether they are left alone at `now` because their phone was busy.
    pub fn is_resting(&self, now: Timestamp) -> bool {
        self.rest_until.is_some_and(|until| until > now)
    }
}

impl AgentProfile {
    /// Whether they may take what stands in `queue`, came by `channel` and needs `skills`; says nothing
    /// of whether they are free.
    pub fn can_take(&self, queue: &QueueId, channel: Channel, skills: &Skills) -> bool {
        self.queues.contains(queue)
            && self.capacity.get(&channel).is_some_and(|most| *most > 0)
            && skills
                .iter()
                .all(|(skill, least)| self.skills.get(skill).is_some_and(|level| level >= least))
    }
}
