//! The atomic verbs of the desk, and what a store answers.
//!
//! A store (in memory or Redis) holds what waits and who is free, and changes it only by these. A
//! verb either happens whole, with its events, or not at all. A late or wrong verb is answered, not
//! obeyed: correctness never depends on who proposes.

use crate::agent::{AgentProfile, Status};
use crate::contact::{Priority, QueuedContact, Reserved};
use crate::event::{EndedBy, Event};
use crate::ids::{AgentId, ContactId, NodeId, OfferToken, QueueId};
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
    /// Takes an agent away; refused (`AgentNotFree`) while they ring or talk. An agent who is not
    /// there is away already: `Done`.
    RemoveAgent {
        /// Which agent.
        agent: AgentId,
    },
    /// A contact enters a queue. The same contact again is answered `Done` and changes nothing, or
    /// `AlreadyEnded` when it has ended lately. What `avoid` it brings is not taken.
    Enqueue {
        /// The contact.
        contact: QueuedContact,
    },
    /// An agent chose a status; while they ring, talk or wrap up it is kept until the last contact is over,
    /// and nothing new is offered meanwhile; but who was logged off with contacts in hand (restored ones) has
    /// it at once. Becoming available starts the idle time.
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
    /// Reserves contact and agent for each other, if the one still waits and the other is still free:
    /// mints a token, sets the ring's deadline and, by [`LEASE_GRACE`] later, the end of the lease. Where the
    /// queue rings all, so with several agents in one step, or none of them: each has a token of their own,
    /// the deadline and the lease are one.
    Offer {
        /// The contact.
        contact: ContactId,
        /// The agent.
        agent: AgentId,
        /// Who else is rung.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        others: Vec<AgentId>,
    },
    /// The agent answered: commits the offer by its token. Again with the same token: `Done`. Whoever else
    /// rings for the contact is freed with the idle time intact, and their token is stale from then on.
    Accept {
        /// The offer.
        token: OfferToken,
    },
    /// The agent refused, was busy, or the phone could not be reached: the contact is re-queued in its
    /// place and the agent is not asked for it again for the queue's back-off. Who refused starts a new
    /// idle time; who was busy keeps theirs and is asked for nothing during the back-off (else every
    /// waiting contact would try the busy phone in turn); who could not be reached keeps theirs and is
    /// out of reach until `AgentReachable` says otherwise. Of several who ring, that one alone is out of
    /// it, and the contact is re-queued with the last.
    Decline {
        /// The offer.
        token: OfferToken,
        /// Why.
        reason: DeclineReason,
    },
    /// The phone rang for its whole time (RONA): the contact is re-queued in its place and the agent
    /// becomes not ready with the reason [`RING_ON_NO_ANSWER`] once they hold no other contact, or what
    /// they chose meanwhile. Of several who ring, as with `Decline`.
    RingTimeout {
        /// The offer.
        token: OfferToken,
    },
    /// The caller left before the answer. Every ringing agent is freed with the idle time intact. After an
    /// `Accept` it is refused (`NotWaiting`): that contact ends by `Complete`.
    Abandon {
        /// The contact.
        contact: ContactId,
    },
    /// The contact goes back to the line at its old place although it had been answered or offered
    /// (the bridge could not be built, its node lost the agent's leg). The agent keeps their idle time
    /// and is not asked for it again for the back-off, except after `LeaseExpired`. A contact that waits
    /// already: `Done`.
    Requeue {
        /// The contact.
        contact: ContactId,
        /// Why.
        reason: RequeueReason,
        /// By which offer it was answered or rings; refused `StaleOffer` when others have it or ring for it since.
        /// `None` is whoever.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<OfferToken>,
    },
    /// The contact leaves the line unanswered, to somewhere else.
    FlowOut {
        /// The contact.
        contact: ContactId,
        /// Where to, in words or as a queue's name.
        to: String,
    },
    /// The contact goes to another queue in one step, keeping its first time of entry, its needs and whose
    /// it is; who rings for it is freed. Refused as an `Enqueue` there would be, and then it stays where
    /// it is. In that queue already: `Done`.
    Move {
        /// The contact.
        contact: ContactId,
        /// The other queue.
        to: QueueId,
    },
    /// An agent passes a contact on in one step, answered or ringing: it stands in this line or another one,
    /// keeping its first time of entry, and is kept for somebody when `reserved` says so. Who had it is not
    /// asked for it again for the back-off while it stays as it is in its line. Refused `NotActive` when it
    /// waits, and as an `Enqueue` would be in another queue, and then the agent still has it.
    HandOver {
        /// The contact.
        contact: ContactId,
        /// The queue; its own, when only the agent changes.
        to: QueueId,
        /// For whom it is kept there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reserved: Option<Reserved>,
        /// By which offer who passes it on rings for it or has it; refused `StaleOffer` when that is not so any
        /// more. `None` is whoever has it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<OfferToken>,
    },
    /// The contact gets another priority, and with it another place.
    Reprioritise {
        /// The contact.
        contact: ContactId,
        /// The new priority.
        priority: Priority,
    },
    /// The contact ended after an answer: the agent goes to wrap-up, or to idle without one. Again for
    /// a contact that was completed: `Done`.
    Complete {
        /// The contact.
        contact: ContactId,
        /// Who ended it.
        by: EndedBy,
        /// Time spoken, without hold.
        talk: Duration,
        /// Time on hold.
        hold: Duration,
        /// By which offer it was answered; refused `StaleOffer` when another one has been answered since. `None`
        /// is whichever.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<OfferToken>,
    },
    /// The agent ends the wrap-up of a contact before its time, or all they have; `Done` when there is
    /// none.
    EndWrapUp {
        /// Which agent.
        agent: AgentId,
        /// After which contact; `None` is all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        contact: Option<ContactId>,
    },
    /// The agent needs longer for the work after a contact: its end moves on, at most to the queue's
    /// `wrap_up_max` after the contact's end. Refused `NoWrapUp` when there is none, and `NoTimeLeft` when
    /// it cannot be extended any more.
    ExtendWrapUp {
        /// Which agent.
        agent: AgentId,
        /// After which contact.
        contact: ContactId,
        /// By how much.
        by: Duration,
    },
    /// A node lives; when it does not say so again in time, `Expire` ends its calls.
    NodeAlive {
        /// Which node.
        node: NodeId,
        /// How long it may stay silent from now; zero says good-bye.
        lease: Duration,
    },
    /// After a lost store came back: what the asking node knows of a contact of its own. Its own word
    /// is better than the store's, because only it rings and bridges the contact; but an offer made
    /// since, an answer the store knows of, and an end the store knows of (other than that of a lost
    /// node) stand. Who was taken for cut off and is not, is not called back unless an agent does so already.
    /// Refused (`StaleOffer`) when the answer is by a token of another contact's.
    Restore {
        /// The contact.
        contact: QueuedContact,
        /// Where it is.
        place: RestoredPlace,
    },
    /// Does what is due, at most [`REAPED_MAX`] of each kind: ends wrap-ups that are over and offers whose
    /// lease ran out, moves contacts that have waited long enough for their queue's overflow, ends the
    /// calls of one node that gave no sign of life: they fail with the cause [`GATEWAY_LOST`], an agent whose
    /// phone rang for one rests until that ring must have ended, and where the caller can be called back, the
    /// [successor](crate::ids::ContactId::successor) stands at the old place in the same step. Run by every
    /// node.
    Expire,
}

/// How long after the end of the ring a reservation lives on, so that a late answer or the news of a
/// refusal still finds it; only then is it taken for abandoned by its node.
pub const LEASE_GRACE: Duration = Duration::from_secs(2);

/// The reason of the not-ready status of an agent who let it ring.
pub const RING_ON_NO_ANSWER: &str = "ring on no answer";

/// Why a contact failed whose gateway died: the cause in its [`Failed`](crate::event::EventKind::Failed).
pub const GATEWAY_LOST: &str = "gateway_lost";

/// Where the call-back of a caller goes whose gateway was taken for lost and has the call again; no queue has
/// such a name.
pub const CALLER_IS_BACK: &str = "caller_is_back";

/// Most wrap-ups and most offers one `Expire` reaps, so that no verb is long.
pub const REAPED_MAX: usize = 256;

/// How long an ended contact is remembered, so that a repeated verb is answered and not obeyed.
pub const ENDED_KEPT: Duration = Duration::from_secs(600);

/// Most ended contacts remembered; the oldest go first.
pub const ENDED_KEPT_MAX: usize = 20_000;

/// Where a node says a contact of its own is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "place", rename_all = "snake_case")]
pub enum RestoredPlace {
    /// It waits.
    Waiting {
        /// The last offer of it that the node knows to be over, and with it all before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        offer_over: Option<OfferToken>,
    },
    /// An agent handles it.
    Active {
        /// Who.
        agent: AgentId,
        /// The offer that was accepted.
        token: OfferToken,
        /// When.
        answered_at: Timestamp,
    },
    /// It ended.
    Ended {
        /// How.
        end: End,
        /// The end of the wrap-up of the agent who had it; `None` when there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wrap_up_until: Option<Timestamp>,
    },
}

/// How a contact left the desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// After an answer.
    Completed,
    /// The caller left the line.
    Abandoned,
    /// It went elsewhere unanswered.
    FlowedOut,
    /// Its node was taken for lost. When that node comes back and says otherwise, its word stands.
    Lost,
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
    /// Somebody took it from the agent.
    ByHand,
    /// The agent passed it on.
    HandedOver,
    /// The agent is not at work any more.
    LoggedOff,
}

/// What a store answers to a verb.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// It is so now (or was so already).
    Done,
    /// The offer stands.
    Reserved {
        /// Its token; only with it the answer is committed. Of several agents the first one's; the events
        /// tell the others'.
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
    /// The agent does not serve that queue or channel, lacks a skill, is to be left alone for a while, or
    /// the contact is another's.
    NotEligible,
    /// The queue has as many contacts with agents as it may.
    QueueAtItsLimit,
    /// The queue, or the contact, does not ring so many agents at once; or one was named twice.
    TooManyAtOnce,
    /// The agent does not wrap that contact up.
    NoWrapUp,
    /// The wrap-up is as long already as it may be.
    NoTimeLeft,
    /// The token is not that of a standing offer.
    StaleOffer,
    /// The contact has ended; it does not come back.
    AlreadyEnded,
}

/// One change asked of a store: when (by the asking node's clock) and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The instant, by the asking node's clock.
    pub at: Timestamp,
    /// The wish.
    pub verb: Verb,
}

/// What came of a change: the answer, and the events that happened in the same step.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The answer.
    pub answer: Answer,
    /// What happened, in order; empty when nothing changed.
    pub events: Vec<Event>,
}
