//! The rules of one line.

use crate::contact::{Channel, QueuedContact};
use crate::ids::QueueId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How the next agent is chosen among those who may take a contact and for whom the queue has the same
/// precedence. Who holds fewer contacts comes first; ties go to who has been idle longest, then by name.
///
/// What is counted is counted since the agent logged in ([`crate::agent::Tally`]), and as it was when
/// they were last freed, so that the order of those who are free does not change with time alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Whoever has been idle longest.
    #[default]
    LongestIdle,
    /// Whoever spent the smallest share of the time since they logged in on contacts (talk, hold and
    /// wrap-up).
    LeastOccupied,
    /// Whoever answered the fewest contacts.
    FewestContacts,
    /// In turn: whoever was offered a contact the longest time ago.
    RoundRobin,
    /// Whoever has the most of what the contact needs: the highest sum of levels in the skills named by
    /// the steps of need it has reached.
    MostSkilled,
    /// In proportion to the agents' weights: the least (answered + 1) / weight.
    Weighted,
    /// All who may take it at once, at most [`QueueRules::ring_all_max`], and whoever answers first has it;
    /// where there are more, whoever has been idle longest. Who comes free while it rings is not added.
    RingAll,
}

/// How many phones ring at once for one contact where the queue rings all and nobody said.
pub const RING_ALL_MAX_USUAL: u16 = 16;

/// The most phones that may ring at once for one contact: each is a call that the gateway places and, all but
/// one, takes back.
pub const RING_ALL_MAX_MOST: u16 = 64;

/// How fast waiting makes a contact more urgent, in thousandths of a priority point per second.
///
/// A contact's urgency at an instant is `priority + aging x time waited since its first enqueue`. Within a
/// queue all age alike, so who comes before whom never changes with time, and a contact is passed only by
/// those of higher priority that come at most `difference of priorities / aging` later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "u32")]
pub struct Aging(u32);

impl Aging {
    /// None: strict priority.
    pub const NONE: Self = Self(0);

    /// A thousand points a second, above which nothing but the time of entry counts anyway.
    pub const MAX: Self = Self(1_000_000);

    /// Takes thousandths of a point per second, at most [`Aging::MAX`].
    pub const fn from_thousandths(thousandths_per_s: u32) -> Self {
        if thousandths_per_s > Self::MAX.0 {
            return Self::MAX;
        }
        Self(thousandths_per_s)
    }

    /// Thousandths of a point per second.
    pub const fn thousandths(self) -> u32 {
        self.0
    }
}

impl From<u32> for Aging {
    fn from(thousandths_per_s: u32) -> Self {
        Self::from_thousandths(thousandths_per_s)
    }
}

/// Where a contact goes that has waited in a queue for a time. A step whose queue is closed, full or not
/// there is passed over, and the contact waits for the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverflowStep {
    /// The wait in this queue, not in those before it; more than none.
    pub after: Duration,
    /// The other queue.
    pub to: QueueId,
}

/// The rules of one queue, as the policy and the stores need them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRules {
    /// Which queue.
    pub id: QueueId,
    /// How agents are chosen.
    pub strategy: Strategy,
    /// With [`Strategy::RingAll`], most phones that ring at once for one contact; 16 by default.
    #[serde(
        default = "ring_all_max_usual",
        skip_serializing_if = "is_ring_all_max_usual"
    )]
    pub ring_all_max: u16,
    /// How fast waiting makes a contact more urgent; none by default, which is strict priority.
    #[serde(default)]
    pub aging: Aging,
    /// How long an agent's phone rings; default 15 s.
    pub ring_timeout: Duration,
    /// How long an offer of a contact stands that rings no phone, by its channel; `ring_timeout` where a
    /// channel is missing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub take_timeout: BTreeMap<Channel, Duration>,
    /// Work after the contact; default 0 s.
    pub wrap_up: Duration,
    /// To how much wrap-up may be extended by the agent; never less than `wrap_up`, and by default no more.
    #[serde(default)]
    pub wrap_up_max: Duration,
    /// How long an agent who declined a contact is not asked for it again; default 30 s.
    pub decline_back_off: Duration,
    /// Most contacts that may wait; `None` has no limit of its own.
    pub waiting_max: Option<u32>,
    /// Most contacts that may be offered or with an agent at once; `None` has no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_max: Option<u32>,
    /// Where contacts go that wait here for long, in order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overflow: Vec<OverflowStep>,
    /// Whether the queue takes new contacts.
    pub is_open: bool,
    /// Service-level threshold T of the statistics; default 20 s.
    pub service_level: Duration,
    /// Abandons shorter than this are "short"; default 5 s.
    pub short_abandon: Duration,
}

fn ring_all_max_usual() -> u16 {
    RING_ALL_MAX_USUAL
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_ring_all_max_usual(most: &u16) -> bool {
    *most == RING_ALL_MAX_USUAL
}

impl QueueRules {
    /// How many agents may be rung at once for a contact of this queue.
    pub fn rings_at_once(&self, contact: &QueuedContact) -> usize {
        match self.strategy {
            Strategy::RingAll if !contact.rings_one => usize::from(self.ring_all_max.max(1)),
            Strategy::RingAll
            | Strategy::LongestIdle
            | Strategy::LeastOccupied
            | Strategy::FewestContacts
            | Strategy::RoundRobin
            | Strategy::MostSkilled
            | Strategy::Weighted => 1,
        }
    }

    /// The rules of a queue for which nobody said anything.
    pub fn with_defaults(id: QueueId) -> Self {
        Self {
            id,
            strategy: Strategy::LongestIdle,
            ring_all_max: RING_ALL_MAX_USUAL,
            aging: Aging::NONE,
            ring_timeout: Duration::from_secs(15),
            take_timeout: BTreeMap::new(),
            wrap_up: Duration::ZERO,
            wrap_up_max: Duration::ZERO,
            decline_back_off: Duration::from_secs(30),
            waiting_max: None,
            active_max: None,
            overflow: Vec::new(),
            is_open: true,
            service_level: Duration::from_secs(20),
            short_abandon: Duration::from_secs(5),
        }
    }

    /// How long an offer of a contact of this channel stands.
    pub fn offer_timeout(&self, channel: Channel) -> Duration {
        let own = self.take_timeout.get(&channel);
        own.copied().unwrap_or(self.ring_timeout)
    }
}
