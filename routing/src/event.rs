//! What happened: one typed fact a line. Log lines, counters and statistics derive from these.

use crate::agent::Status;
use crate::contact::{Channel, Priority};
use crate::ids::{AgentId, CallerId, ContactId, EventId, NodeId, OfferToken, QueueId, TicketId};
use crate::time::Timestamp;
use crate::verb::RequeueReason;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One fact of the desk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its identity; the same event stored twice is seen by it.
    pub id: EventId,
    /// When it happened, in milliseconds of UTC.
    pub at: Timestamp,
    /// The contact it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactId>,
    /// The queue it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueId>,
    /// The agent it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// A contact reached the gateway.
    Arrived {
        /// How.
        channel: Channel,
        /// Who, as the channel says it (number, address); empty when withheld.
        from: String,
        /// What was dialled or addressed.
        to: String,
        /// The trunk, mailbox or page it came by.
        via: String,
    },
    /// The CMS was asked who it is.
    Identified {
        /// What came of it.
        outcome: IdentifiedAs,
        /// The person, when known; the first candidate when ambiguous.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caller: Option<CallerId>,
        /// The caller's class 1 to 3, when known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        class: Option<u8>,
    },
    /// A ticket was opened for the contact, or the contact was attached to one.
    TicketLinked {
        /// Its key.
        ticket: TicketId,
        /// Its number as people say it.
        number: String,
        /// Whether it was opened for this contact.
        is_new: bool,
        /// The rule that decided, in a word (`keyed_in`, `repeat_call`, `new`).
        rule: String,
    },
    /// It entered the line (`offered` of the statistics).
    Enqueued {
        /// Its priority.
        priority: Priority,
        /// How it came in.
        channel: Channel,
    },
    /// It was refused before the line: closed, full, without agents, limits.
    Blocked {
        /// Why, in a word.
        reason: String,
    },
    /// Its signalling or media failed.
    Failed {
        /// Why, for the operator.
        cause: String,
    },
    /// Contact and agent were reserved for each other; the phone is to ring.
    Offered {
        /// The offer.
        token: OfferToken,
        /// When the ring must have ended.
        deadline: Timestamp,
        /// The node that holds the contact and must ring.
        node: NodeId,
    },
    /// The agent's phone really rings (180).
    Rang {
        /// The offer.
        token: OfferToken,
    },
    /// The agent declined, was busy or could not be reached.
    Declined {
        /// The offer.
        token: OfferToken,
        /// Why, in a word.
        reason: String,
    },
    /// The agent's phone rang for its whole time.
    RingTimeout {
        /// The offer.
        token: OfferToken,
    },
    /// The offer lapsed because nobody reported its end in time.
    OfferExpired {
        /// The offer.
        token: OfferToken,
    },
    /// It stands in the line again, at its old place.
    Requeued {
        /// Why.
        reason: RequeueReason,
    },
    /// The agent answered.
    Answered {
        /// The offer.
        token: OfferToken,
        /// From the first enqueue to the answer, in milliseconds.
        wait_ms: u64,
    },
    /// The conversation is held.
    Held,
    /// The conversation goes on.
    Resumed,
    /// The caller left before the answer.
    Abandoned {
        /// From the first enqueue, in milliseconds.
        wait_ms: u64,
    },
    /// It left the line unanswered, to somewhere else.
    Overflowed {
        /// Where to.
        to: String,
        /// From the first enqueue, in milliseconds.
        wait_ms: u64,
    },
    /// It ended after an answer.
    Ended {
        /// Who ended it.
        by: EndedBy,
        /// Time spoken, without hold, in milliseconds.
        talk_ms: u64,
        /// Time on hold, in milliseconds.
        hold_ms: u64,
        /// When wrap-up is over at the latest; `None` when there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wrap_up_until: Option<Timestamp>,
    },
    /// The agent is free again: wrap-up is over, or an offer to them ended. The event names the contact
    /// they are free of, so that the wrap-up is counted to it.
    Ready {
        /// Whether this ends wrap-up.
        after_wrap_up: bool,
    },
    /// The agent chose a status, and it is in force now.
    AgentStatus {
        /// The status.
        #[serde(flatten)]
        status: Status,
    },
    /// The agent's phone came within reach or left it.
    AgentReachable {
        /// Whether it can be rung.
        is_reachable: bool,
    },
    /// The caller keyed something in.
    KeyedIn {
        /// The digits, `0-9*#A-D`.
        digits: String,
    },
    /// What the media of one leg was like, told when it closed.
    MediaReport {
        /// Which leg: `caller` or `agent`.
        leg: String,
        /// RTP packets received.
        packets_received: u64,
        /// RTP packets sent.
        packets_sent: u64,
        /// RTP packets that never came.
        packets_lost: u64,
        /// Interarrival jitter at the end, in milliseconds (RFC 3550 §6.4.1).
        jitter_ms: f64,
        /// Whether the leg sent nothing although it should have.
        one_way: bool,
    },
    /// The contact is over for the gateway; the last event it has.
    Closed {
        /// How it ended.
        result: ContactResult,
    },
    /// The rules of a queue changed.
    QueueChanged {
        /// Whether it takes new contacts.
        is_open: bool,
    },
    /// Who an agent is changed.
    AgentChanged {
        /// The queues they serve from now on, so that a queue's occupancy can be told from the log.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        queues: BTreeSet<QueueId>,
    },
    /// An agent was taken away.
    AgentRemoved,
}

/// What came of asking the CMS who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifiedAs {
    /// One person.
    Known,
    /// Several may be meant.
    Ambiguous,
    /// Nobody has that number or address.
    Unknown,
    /// The CMS did not answer in time.
    Unavailable,
}

/// Who ended a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The caller.
    Caller,
    /// The agent.
    Agent,
    /// The gateway (shutdown, limit, session timer).
    System,
    /// Signalling or media broke.
    Failure,
}

/// How a contact ended; every contact has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactResult {
    /// An agent handled it.
    Answered,
    /// The caller left first.
    Abandoned,
    /// It went somewhere else unanswered.
    FlowedOut,
    /// It became a call-back.
    CallBack,
    /// It was refused before the line.
    Blocked,
    /// It failed.
    Failed,
}
