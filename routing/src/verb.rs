//! The atomic verbs of the desk, and what a store answers.
//!
//! A store (in memory or Redis) holds what waits and who is free, and changes it only by these. A
//! verb either happens whole, with its events, or not at all. A late or wrong verb is answered, not
//! obeyed: correctness never depends on who proposes.

use crate::agent::{AgentProfile, Status};
use crate::contact::QueuedContact;
use crate::event::EndedBy;
use crate::ids::{AgentId, ContactId, OfferToken, QueueId};
use crate::queue::QueueRules;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One wish to change the desk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Verb {
    /// Sets the rules of a queue (at start, when configuration changes, or to close and open it).
    SetQueue {
        /// The whole new rules.
        rules: QueueRules,
    },
    /// Sets who an agent is; keeps status and state of an agent who is already there.
    SetAgent {
        /// The whole new profile.
        profile: AgentProfile,
    },
    /// Takes an agent away; refused while they hold a contact.
    RemoveAgent {
        /// Which agent.
        agent: AgentId,
    },
    /// A contact enters a queue. The same contact again is answered `Done` and changes nothing.
    Enqueue {
        /// The contact.
        contact: QueuedContact,
    },
    /// An agent chose a status; during a contact it is kept for afterwards.
    AgentStatus {
        /// Which agent.
        agent: AgentId,
        /// The choice.
        status: Status,
    },
    /// An agent's phone came within reach or left it.
    AgentReachable {
        /// Which agent.
        agent: AgentId,
        /// Whether it can be rung.
        is_reachable: bool,
    },
    /// Reserves contact and agent for each other, if the one still waits and the other is still free.
    Offer {
        /// The contact.
        contact: ContactId,
        /// The agent.
        agent: AgentId,
    },
    /// The agent answered: commits the offer by its token.
    Accept {
        /// The offer.
        token: OfferToken,
    },
    /// The agent refused, was busy, or the phone could not be reached: the contact is re-queued in its
    /// place and the agent is not asked for it again for the queue's back-off.
    Decline {
        /// The offer.
        token: OfferToken,
        /// Why.
        reason: DeclineReason,
    },
    /// The phone rang for its whole time (RONA): the contact is re-queued in its place and the agent
    /// becomes not ready.
    RingTimeout {
        /// The offer.
        token: OfferToken,
    },
    /// The caller left before the answer. A ringing agent is freed with the idle time intact.
    Abandon {
        /// The contact.
        contact: ContactId,
    },
    /// The contact goes back to the line at its old place although it had been answered or offered
    /// (the bridge could not be built, its node lost the agent's leg).
    Requeue {
        /// The contact.
        contact: ContactId,
        /// Why.
        reason: RequeueReason,
    },
    /// The contact leaves the line unanswered, to somewhere else.
    FlowOut {
        /// The contact.
        contact: ContactId,
        /// Where to, in words or as a queue's name.
        to: String,
    },
    /// The contact ended after an answer: the agent goes to wrap-up, or to idle without one.
    Complete {
        /// The contact.
        contact: ContactId,
        /// Who ended it.
        by: EndedBy,
        /// Time spoken, without hold.
        talk: Duration,
        /// Time on hold.
        hold: Duration,
    },
    /// The agent ends the wrap-up before its time.
    EndWrapUp {
        /// Which agent.
        agent: AgentId,
    },
    /// Reaps what is due: offers whose lease ran out (by a grace after their deadline) and wrap-ups
    /// that are over. Run by every node.
    Expire,
}

/// Why an offer came to nothing before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclineReason {
    /// The agent pressed "reject".
    Declined,
    /// The phone was busy.
    Busy,
    /// The phone could not be reached; the agent becomes unreachable as well.
    Unreachable,
}

/// Why a contact stands in the line again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequeueReason {
    /// The agent declined or was busy.
    Declined,
    /// The agent's phone could not be reached.
    Unreachable,
    /// The phone rang for its whole time.
    RingTimeout,
    /// The lease of the offer ran out: the node that rang is gone or stuck.
    LeaseExpired,
    /// The agent answered, but the conversation could not be set up.
    BridgeFailed,
}

/// What a store answers to a verb.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// It is so now (or was so already).
    Done,
    /// The offer stands.
    Reserved {
        /// Its token; only with it the answer is committed.
        token: OfferToken,
        /// When the ring must have ended.
        deadline: Timestamp,
    },
    /// It cannot be; nothing changed.
    Refused {
        /// Why.
        reason: Refusal,
    },
}

/// Why a verb changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No such queue.
    UnknownQueue,
    /// No such contact waits, rings or is active.
    UnknownContact,
    /// No such agent.
    UnknownAgent,
    /// The queue is closed.
    QueueClosed,
    /// The queue is full.
    QueueFull,
    /// The contact is not waiting any more.
    NotWaiting,
    /// The contact is not active (was not answered, or has ended).
    NotActive,
    /// The agent is not free: not available, busy, out of reach, or without capacity.
    AgentNotFree,
    /// The agent does not serve that queue or channel, lacks a skill, or is to be left alone for a while.
    NotEligible,
    /// The token is not that of a standing offer.
    StaleOffer,
}

/// One change asked of a store: who asks, when, what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The instant, by the asking node's clock.
    pub at: Timestamp,
    /// The wish.
    pub verb: Verb,
}

/// The queue a waiting or active contact is in, used by look-ups.
pub type Placement = (QueueId, ContactId);
