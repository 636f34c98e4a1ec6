//! Agents: what a person chose (status), what the system sees (state), and what they can do.

pub mod served;

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

/// What the system sees of one agent: the most that any of their contacts asks of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Holds no contact.
    Idle,
    /// An offer is out; the phone rings.
    Ringing,
    /// Handles a contact.
    Talking,
    /// Work after a contact.
    WrapUp,
}

/// What an agent does with one contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Doing {
    /// It is offered to them; the phone rings.
    Ringing {
        /// The offer's token.
        token: OfferToken,
        /// When the offer lapses.
        deadline: Timestamp,
    },
    /// They handle it.
    Talking {
        /// The token of the offer that was accepted.
        token: OfferToken,
    },
    /// Work after it.
    WrapUp {
        /// When the agent is free of it by itself.
        until: Timestamp,
        /// Until when that may be extended.
        latest: Timestamp,
    },
}

/// One contact in an agent's hands; it takes up capacity until they are free of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// How the contact came in.
    pub channel: Channel,
    /// What they do with it.
    #[serde(flatten)]
    pub doing: Doing,
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
    /// Contacts held at once over all channels; `None` has no limit of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_total: Option<u16>,
    /// What holding one contact of a channel leaves of the capacity of another: with
    /// `voice -> chat -> 0` no chat is offered during a call. Channels that are not named are independent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub while_holding: BTreeMap<Channel, BTreeMap<Channel, u16>>,
    /// By which channels a contact of a channel may be interrupted: for their contacts it counts as not
    /// held.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub interrupted_by: BTreeMap<Channel, BTreeSet<Channel>>,
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
            capacity_total: None,
            while_holding: BTreeMap::new(),
            interrupted_by: BTreeMap::new(),
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

    /// Ends the time with contacts; it is counted once, however many there were.
    pub(crate) fn end_busy_time(&mut self, at: Timestamp) {
        if let Some(since) = self.busy_since.take() {
            let busy = at.since(since).as_millis();
            self.busy_ms = (self.busy_ms).saturating_add(u64::try_from(busy).unwrap_or(u64::MAX));
        }
    }
}

/// An agent as the desk holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// What does not change while they work.
    pub profile: AgentProfile,
    /// What they chose.
    pub status: Status,
    /// What they chose while they held contacts, to be taken when the last is over; never lost, never
    /// overwritten by an end.
    pub next_status: Option<Status>,
    /// The contacts in their hands.
    pub holds: BTreeMap<ContactId, Hold>,
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
            holds: BTreeMap::new(),
            is_reachable: false,
            idle_since: at,
            rest_until: None,
            tally: Tally::since(at),
        }
    }

    /// What the system sees.
    pub fn state(&self) -> State {
        let mut state = State::Idle;
        for hold in self.holds.values() {
            state = match (&hold.doing, state) {
                (Doing::Talking { .. }, _) | (_, State::Talking) => State::Talking,
                (Doing::Ringing { .. }, _) | (_, State::Ringing) => State::Ringing,
                (Doing::WrapUp { .. }, State::Idle | State::WrapUp) => State::WrapUp,
            };
        }
        state
    }

    /// Whether they want contacts at all: available, within reach, and nothing else chosen for afterwards.
    pub fn is_willing(&self) -> bool {
        self.status == Status::Available && self.next_status.is_none() && self.is_reachable
    }

    /// Whether they could be offered a contact of a channel, rest apart.
    pub fn is_free_for(&self, channel: Channel) -> bool {
        let held = self.holds.values().map(|hold| hold.channel);
        self.is_willing() && self.profile.has_room(held, channel)
    }

    /// Whether they are with a contact or its wrap-up.
    pub(crate) fn is_busy(&self) -> bool {
        self.holds.values().any(|hold| match hold.doing {
            Doing::Ringing { .. } => false,
            Doing::Talking { .. } | Doing::WrapUp { .. } => true,
        })
    }

    /// Whether they are left alone at `now` because their phone was busy.
    pub fn is_resting(&self, now: Timestamp) -> bool {
        self.rest_until.is_some_and(|until| until > now)
    }
}

impl AgentProfile {
    /// Whether contacts of a queue and channel are theirs to take at all.
    pub fn serves(&self, queue: &QueueId, channel: Channel) -> bool {
        self.queues.contains_key(queue) && self.capacity.get(&channel).is_some_and(|most| *most > 0)
    }

    /// Whether one more contact of `channel` may be offered to who holds contacts of these channels.
    pub fn has_room(&self, held: impl Iterator<Item = Channel>, channel: Channel) -> bool {
        let mut most = self.capacity.get(&channel).copied().unwrap_or(0);
        let (mut of_channel, mut in_all) = (0_u16, 0_u16);
        for other in held {
            let gives_way = self.interrupted_by.get(&other);
            if other == channel {
                of_channel = of_channel.saturating_add(1);
            } else if gives_way.is_some_and(|to| to.contains(&channel)) {
                continue;
            } else if let Some(left) = self
                .while_holding
                .get(&other)
                .and_then(|of| of.get(&channel))
            {
                most = most.min(*left);
            }
            in_all = in_all.saturating_add(1);
        }
        of_channel < most && self.capacity_total.is_none_or(|total| in_all < total)
    }

    /// The sum of their levels in the skills that any of these names.
    pub(crate) fn levels_in(&self, any_of: &[Skills]) -> u64 {
        let named: BTreeSet<_> = any_of.iter().flat_map(Skills::keys).collect();
        let levels = named.into_iter().filter_map(|skill| self.skills.get(skill));
        levels.map(|level| u64::from(*level)).sum()
    }
}
