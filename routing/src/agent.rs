//! Agents: what a person chose (status), what the system sees (state), and what they can do.

pub mod served;

use crate::contact::Channel;
use crate::ids::{AgentId, ContactId, OfferToken, QueueId, SkillId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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

/// How early a queue comes among those an agent serves: 1, the usual, is first. An agent who may take
/// contacts of several queues gets one of the queue with the lowest number, however urgent the others are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Precedence(pub u8);

impl Default for Precedence {
    fn default() -> Self {
        Self(1)
    }
}

/// The queues an agent serves, and how early each comes. Written as a list of names, and of
/// `{"id": .., "precedence": ..}` for those that do not come first.
pub type Served = BTreeMap<QueueId, Precedence>;

/// What does not change while an agent works: set by configuration or the `agent` command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentProfile {
    /// Which agent.
    pub id: AgentId,
    /// Name shown to people.
    pub name: String,
    /// Queues served.
    #[serde(with = "served")]
    pub queues: Served,
    /// Skills held.
    #[serde(default)]
    pub skills: Skills,
    /// Contacts held at once, per channel; a channel that is missing is not served.
    #[serde(default = "one_call")]
    pub capacity: BTreeMap<Channel, u16>,
    /// Share of the contacts where a queue's strategy goes by weight, relative to the others'; at least
    /// 1, the usual.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: u16,
}

impl AgentProfile {
    /// Somebody without queues and skills, who takes one call at a time.
    pub fn new(id: AgentId, name: impl Into<String>) -> Self {
        Self {
            id,
            name: name.into(),
            queues: Served::new(),
            skills: Skills::new(),
            capacity: one_call(),
            weight: 1,
        }
    }

    /// The same agent serving these queues, all with the usual precedence.
    pub fn serving(mut self, queues: impl IntoIterator<Item = QueueId>) -> Self {
        let usual = |queue| (queue, Precedence::default());
        self.queues = queues.into_iter().map(usual).collect();
        self
    }
}

fn one() -> u16 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_one(weight: &u16) -> bool {
    *weight == 1
}

/// One call at a time, and nothing else: what an agent's capacity is when nobody said.
pub fn one_call() -> BTreeMap<Channel, u16> {
    BTreeMap::from([(Channel::Voice, 1)])
}

/// What an agent has done since they logged in, as far as a strategy looks at it. Changed by events alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// When they logged in.
    pub logged_in_at: Timestamp,
    /// Contacts answered.
    pub answered: u32,
    /// Time with a contact (talk, hold, wrap-up) that is over, in milliseconds.
    pub busy_ms: u64,
    /// Since when they are with a contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_since: Option<Timestamp>,
    /// When they were last freed.
    pub freed_at: Timestamp,
    /// The last offer made to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_offer: Option<OfferToken>,
}

impl Tally {
    /// That of an agent who logs in.
    pub fn since(at: Timestamp) -> Self {
        Self {
            logged_in_at: at,
            freed_at: at,
            ..Self::default()
        }
    }

    /// The share of the time from log-in to when they were last freed that they were with contacts, in
    /// millionths.
    pub fn occupancy_ppm(&self) -> u64 {
        let staffed = self.freed_at.since(self.logged_in_at).as_millis();
        let staffed_ms = u64::try_from(staffed).unwrap_or(u64::MAX);
        (self.busy_ms.saturating_mul(1_000_000))
            .checked_div(staffed_ms)
            .unwrap_or(0)
    }

    pub(crate) fn take_up_contact(&mut self, at: Timestamp) {
        self.answered = self.answered.saturating_add(1);
        self.busy_since.get_or_insert(at);
    }

    pub(crate) fn be_freed(&mut self, at: Timestamp) {
        if let Some(since) = self.busy_since.take() {
            let busy = at.since(since).as_millis();
            self.busy_ms = (self.busy_ms).saturating_add(u64::try_from(busy).unwrap_or(u64::MAX));
        }
        self.freed_at = at;
    }
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
    /// What they have done since they logged in.
    #[serde(default)]
    pub tally: Tally,
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
            tally: Tally::since(at),
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
        self.queues.contains_key(queue)
            && self.capacity.get(&channel).is_some_and(|most| *most > 0)
            && skills
                .iter()
                .all(|(skill, least)| self.skills.get(skill).is_some_and(|level| level >= least))
    }

    /// The sum of their levels in these skills.
    pub(crate) fn levels_in(&self, skills: &Skills) -> u64 {
        let levels = skills.keys().filter_map(|skill| self.skills.get(skill));
        levels.map(|level| u64::from(*level)).sum()
    }
}
