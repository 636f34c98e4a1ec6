//! A contact as the queue sees it: what it needs, and since when it waits.

mod needs;

use crate::ids::{AgentId, ContactId, IdFault, NodeId, OfferToken, QueueId};
use crate::queue::{Aging, QueueRules};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub(crate) use needs::will_do;
pub use needs::{Needs, SkillStep};

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

    /// Whether such a contact is over when the process that holds it is gone: a call is, a message is
    /// in the database.
    pub fn ends_with_its_node(self) -> bool {
        match self {
            Self::Voice => true,
            Self::Email | Self::Fax | Self::Chat => false,
        }
    }
}

/// Who keeps a contact: whose word about it counts, and what it ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper<'n> {
    /// This gateway has its legs or took its message in.
    Node(&'n NodeId),
    /// The database: a call-back, which no gateway's end ends and which any gateway may carry out.
    Database,
}

impl<'n> Keeper<'n> {
    /// The keeper that is meant by the node of a contact, as records and events name it.
    pub fn of(node: &'n NodeId) -> Self {
        if node.as_str() == CALL_BACKS {
            Self::Database
        } else {
            Self::Node(node)
        }
    }

    /// The node by which records and events name it.
    pub fn node(self) -> NodeId {
        match self {
            Self::Node(node) => node.clone(),
            Self::Database => NodeId::from(CALL_BACKS),
        }
    }

    /// The gateway, if it is one.
    pub fn gateway(self) -> Option<&'n NodeId> {
        match self {
            Self::Node(node) => Some(node),
            Self::Database => None,
        }
    }
}

/// The node of contacts that the database keeps; no gateway has such a name.
const CALL_BACKS: &str = "call-backs";

/// How urgent a contact is: a higher number goes first; 0 is usual.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Priority(pub i32);

/// A contact that is one agent's: the last one's for a time, or that of whom the caller asked for.
///
/// While it holds, nobody else is offered the contact, and the skills it needs do not matter. It holds
/// while that agent is logged in and serves the queue and the channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// Who.
    pub agent: AgentId,
    /// Until when; `None` is for as long as it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A caller who can be called back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallBackTo {
    /// Their number, as the desk keys it (`+886227208889`, or an internal number).
    pub number: String,
    /// What they had dialled.
    pub dialled: String,
}

/// How a call-back came in, as its [`Arrived`](crate::event::EventKind::Arrived) says.
pub const VIA_CALL_BACK: &str = "call_back";

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
    /// Skills an agent must have, and how that relaxes with waiting.
    #[serde(default)]
    pub skills: Needs,
    /// Whose it is, if it is somebody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<Reserved>,
    /// When it first entered a queue; kept across re-queues, so that its place is kept.
    pub enqueued_at: Timestamp,
    /// When it entered this queue, which is later where it was moved; kept by the desk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered_at: Option<Timestamp>,
    /// How many of the queue's overflow steps could not take it; kept by the desk.
    #[serde(default, skip_serializing_if = "is_none_yet")]
    pub overflows_refused: u16,
    /// Whether it rings one agent at a time even where its queue rings all, because whoever takes it has
    /// more to do than to answer (an agent who is asked for a call-back dials next).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rings_one: bool,
    /// Whom to call back when its node is lost while they are on the line; `None` when nobody can be. It stays on
    /// the record of the call-back that then stands for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_back: Option<Box<CallBackTo>>,
    /// The node that holds its legs or messages; [`QueuedContact::keeper`] says what that means.
    pub node: NodeId,
    /// Agents who declined or let it ring, with the instant until which they are not asked again; kept
    /// by the desk.
    #[serde(default)]
    pub avoid: std::collections::BTreeMap<AgentId, Timestamp>,
}

/// The place of a contact in its line: the most urgent first, then first come first served, then by id so
/// that the order is total. It does not change while the queue's [`Aging`] does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceInLine {
    /// The urgency at the epoch, in millionths of a priority point; [`Aging`] adds the same to all of a
    /// queue, so the order is free of the present.
    urgency: std::cmp::Reverse<i64>,
    enqueued_at: Timestamp,
    id: ContactId,
}

impl PlaceInLine {
    /// The contact that stands there.
    pub fn contact(&self) -> ContactId {
        self.id
    }

    /// The same place as seen at `now`: comparable with those of lines that age otherwise.
    pub(crate) fn seen_at(mut self, aging: Aging, now: Timestamp) -> Self {
        let aged = i64::from(aging.thousandths()).saturating_mul(now.as_millis());
        self.urgency.0 = self.urgency.0.saturating_add(aged);
        self
    }
}

/// Written `URGENCY_MILLIS_ID`, for cursors: the same contact at the same place has the same text.
impl fmt::Display for PlaceInLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let enqueued_ms = self.enqueued_at.as_millis();
        write!(f, "{}_{enqueued_ms}_{}", self.urgency.0, self.id)
    }
}

impl FromStr for PlaceInLine {
    type Err = IdFault;

    fn from_str(text: &str) -> Result<Self, IdFault> {
        let parse = || {
            let mut parts = text.splitn(3, '_');
            Some(Self {
                urgency: std::cmp::Reverse(parts.next()?.parse().ok()?),
                enqueued_at: Timestamp::from_millis(parts.next()?.parse().ok()?),
                id: parts.next()?.parse().ok()?,
            })
        };
        parse().ok_or(IdFault {
            wanted: "place in a line",
        })
    }
}

/// Millionths in a priority point.
const MILLIONTHS: i64 = 1_000_000;

impl QueuedContact {
    /// A contact of usual priority that any agent of its queue may take.
    pub fn new(
        id: ContactId,
        queue: QueueId,
        channel: Channel,
        enqueued_at: Timestamp,
        node: NodeId,
    ) -> Self {
        Self {
            id,
            queue,
            channel,
            priority: Priority::default(),
            skills: Needs::default(),
            reserved: None,
            enqueued_at,
            entered_at: None,
            overflows_refused: 0,
            rings_one: false,
            calls_back: None,
            node,
            avoid: std::collections::BTreeMap::new(),
        }
    }

    /// Its place in the line of a queue that ages so; the same after every re-queue.
    pub fn place_in_line(&self, aging: Aging) -> PlaceInLine {
        let points = i64::from(self.priority.0) * MILLIONTHS;
        // Thousandths per second are millionths per millisecond.
        let aged = i64::from(aging.thousandths()).saturating_mul(self.enqueued_at.as_millis());
        PlaceInLine {
            urgency: std::cmp::Reverse(points.saturating_sub(aged)),
            enqueued_at: self.enqueued_at,
            id: self.id,
        }
    }

    /// Who keeps it.
    pub fn keeper(&self) -> Keeper<'_> {
        Keeper::of(&self.node)
    }

    /// Whether it is over when that node is gone.
    pub fn ends_with(&self, node: &NodeId) -> bool {
        self.keeper().gateway() == Some(node) && self.channel.ends_with_its_node()
    }

    /// How long it has waited at `now`, since its first enqueue.
    pub fn waited(&self, now: Timestamp) -> Duration {
        now.since(self.enqueued_at)
    }

    /// When it is due to go to another queue by these rules of its own, and to which.
    pub fn overflow<'r>(&self, rules: &'r QueueRules) -> Option<(Timestamp, &'r QueueId)> {
        let step = rules.overflow.get(usize::from(self.overflows_refused))?;
        let since = self.entered_at.unwrap_or(self.enqueued_at);
        Some((since + step.after, &step.to))
    }

    /// When time alone next changes who may take it, after `now`.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let step = self.skills.next_change(self.waited(now));
        let step = step.map(|waited| self.enqueued_at + waited);
        let reserved = self.reserved.as_ref().and_then(|reserved| reserved.until);
        step.into_iter()
            .chain(reserved.filter(|until| *until > now))
            .min()
    }

    /// Whether `agent` is to be left alone with this contact at `now`.
    pub fn is_avoiding(&self, agent: &AgentId, now: Timestamp) -> bool {
        self.avoid.get(agent).is_some_and(|until| *until > now)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none_yet(count: &u16) -> bool {
    *count == 0
}

/// Where a contact is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "place", rename_all = "snake_case")]
pub enum Place {
    /// In the line.
    Waiting,
    /// Reserved for an agent whose phone rings, or for several where the queue rings all.
    Offered {
        /// Who; of several, who was chosen first.
        agent: AgentId,
        /// The offer to that agent.
        token: OfferToken,
        /// When the ring must have ended.
        deadline: Timestamp,
        /// Who else rings, each by an offer of their own; whoever answers first has it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        others: Vec<Ring>,
    },
    /// An agent handles it.
    Active {
        /// Who.
        agent: AgentId,
        /// The offer that was accepted.
        token: OfferToken,
        /// When it was answered.
        answered_at: Timestamp,
    },
}

/// One agent's phone that rings for a contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ring {
    /// Whose.
    pub agent: AgentId,
    /// The offer to them.
    pub token: OfferToken,
}

impl Place {
    /// The agents who ring for it or have it, each with their token, in the order they were chosen in.
    pub fn holders(&self) -> impl Iterator<Item = (&AgentId, OfferToken)> {
        let (first, others) = match self {
            Self::Waiting => (None, &[][..]),
            Self::Offered {
                agent,
                token,
                others,
                ..
            } => (Some((agent, *token)), others.as_slice()),
            Self::Active { agent, token, .. } => (Some((agent, *token)), &[][..]),
        };
        let others = others.iter().map(|ring| (&ring.agent, ring.token));
        first.into_iter().chain(others)
    }

    /// The first of these.
    pub fn holder(&self) -> Option<&AgentId> {
        self.holders().next().map(|(agent, _)| agent)
    }

    /// The agent whom an offer was made to, while it stands or is accepted.
    pub fn holder_by(&self, token: OfferToken) -> Option<&AgentId> {
        let mut holders = self.holders();
        holders.find_map(|(agent, of)| (of == token).then_some(agent))
    }

    /// The same place with one more phone that rings; one that rings for nobody stays as it is.
    pub(crate) fn also_rings(&mut self, ring: Ring) {
        if let Self::Offered { others, .. } = self {
            others.push(ring);
        }
    }

    /// The same place without one of the phones that ring; without the last the contact waits.
    pub(crate) fn stop_ringing(&mut self, over: OfferToken) {
        let Self::Offered {
            agent,
            token,
            others,
            ..
        } = self
        else {
            return;
        };
        if *token != over {
            others.retain(|ring| ring.token != over);
        } else if others.is_empty() {
            *self = Self::Waiting;
        } else {
            let next = others.remove(0);
            (*agent, *token) = (next.agent, next.token);
        }
    }
}

/// A contact and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedContact {
    /// The contact.
    pub record: QueuedContact,
    /// Where it is.
    pub place: Place,
}
