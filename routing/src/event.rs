//! What happened: one typed fact a line. Log lines, counters and statistics derive from these.

use crate::agent::{AgentProfile, Status};
use crate::contact::{CallBackTo, Channel, Needs, Priority, QueuedContact, Reserved};
use crate::ids::{
    AgentId, CallerId, ContactId, EventId, IncidentId, NodeId, OfferToken, QueueId, TicketId,
};
use crate::queue::QueueRules;
use crate::ticket::{AnswerEnd, AnswerWait, ContactFacets, SymptomFacts, TicketFacts};
use crate::time::Timestamp;
use crate::verb::{DeclineReason, Refusal, RequeueReason, RestoredPlace};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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

/// One fact before its number: what a part of the gateway hands to the desk to be put in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventDraft {
    /// When it happened.
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

impl EventDraft {
    /// A fact about one contact.
    pub fn of_contact(at: Timestamp, contact: ContactId, kind: EventKind) -> Self {
        Self {
            at,
            contact: Some(contact),
            queue: None,
            agent: None,
            kind,
        }
    }

    /// A fact about one agent.
    pub fn of_agent(at: Timestamp, agent: AgentId, kind: EventKind) -> Self {
        Self {
            at,
            contact: None,
            queue: None,
            agent: Some(agent),
            kind,
        }
    }

    /// A fact about the desk itself.
    pub fn of_desk(at: Timestamp, kind: EventKind) -> Self {
        Self {
            at,
            contact: None,
            queue: None,
            agent: None,
            kind,
        }
    }

    /// The same fact with the queue it concerns.
    pub fn in_queue(mut self, queue: QueueId) -> Self {
        self.queue = Some(queue);
        self
    }

    /// The same fact with the agent it concerns.
    pub fn with_agent(mut self, agent: AgentId) -> Self {
        self.agent = Some(agent);
        self
    }

    /// The fact with its number.
    pub fn numbered(self, id: EventId) -> Event {
        Event {
            id,
            at: self.at,
            contact: self.contact,
            queue: self.queue,
            agent: self.agent,
            kind: self.kind,
        }
    }
}

/// What happened.
///
/// The events of the verbs carry all that a view needs to follow the desk without
/// asking it. A verb's events come in the order written there: first the fact about the offer, then
/// the contact's new place, then the agent's new status, then `Ready`.
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
        /// Skills an agent must have, and how that relaxes with waiting.
        #[serde(default, skip_serializing_if = "Needs::is_empty")]
        skills: Needs,
        /// Whose it is, if it is somebody's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reserved: Option<Reserved>,
        /// When it first entered a queue: its place among equals.
        enqueued_at: Timestamp,
        /// Whether it rings one agent at a time even where the queue rings all.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        rings_one: bool,
        /// Whom to call back when its node is lost.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        calls_back: Option<Box<CallBackTo>>,
        /// The node that holds it.
        node: NodeId,
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
    /// Contact and agent were reserved for each other; the phone is to ring. Where a queue rings all, one for
    /// each agent, one after the other and with one deadline.
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
        /// Why.
        reason: DeclineReason,
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
    /// One of several agents does not ring any longer (declined, busy, out of reach, rung out; told just
    /// before); the others ring on.
    LeftOffer {
        /// The offer to that agent.
        token: OfferToken,
        /// Until when that agent is not asked for the contact again.
        retry_at: Timestamp,
    },
    /// It stands in the line again, at its old place; `agent` of the event is who had it, or who rang last.
    Requeued {
        /// Why.
        reason: RequeueReason,
        /// Until when that agent is not asked for it again; `None` when they may be asked at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
    },
    /// The agent answered; where others rang too, they are free now, and `Ready` of each follows.
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
    /// It left the line unanswered, to somewhere else. Where that is another queue of the desk, `Enqueued`
    /// follows at once, with its first time of entry kept.
    Overflowed {
        /// Where to.
        to: String,
        /// From the first enqueue, in milliseconds.
        wait_ms: u64,
    },
    /// It should have gone to another queue, which could not take it; it waits on.
    OverflowRefused {
        /// The other queue.
        to: QueueId,
        /// Why not.
        reason: Refusal,
    },
    /// Somebody gave it another priority.
    Reprioritised {
        /// That.
        priority: Priority,
    },
    /// The answer to it is due soon; what becomes of it by the line's rule has its own events.
    Escalated {
        /// When it is due.
        due_at: Timestamp,
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
        /// Until when the wrap-up may be extended; `None` when it may not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wrap_up_latest: Option<Timestamp>,
    },
    /// The agent needs longer for the work after the contact.
    WrapUpExtended {
        /// When wrap-up is over at the latest.
        until: Timestamp,
    },
    /// The agent is free of a contact: its wrap-up is over, it ended without one, or an offer of it came to
    /// nothing. Whether they take another is their status's and their other contacts' affair. The event
    /// names the contact, so that the wrap-up is counted to it.
    Ready {
        /// Whether this ends wrap-up.
        after_wrap_up: bool,
        /// Since when they count as idle; older than the event when an offer ended without their fault.
        idle_since: Timestamp,
        /// Until when they are asked for nothing at all, because their phone was busy.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rest_until: Option<Timestamp>,
    },
    /// The agent chose a status (or let it ring and was made not ready), and it is in force now.
    AgentStatus {
        /// The status.
        #[serde(flatten)]
        status: Status,
    },
    /// The agent chose a status while they hold contacts (or let one ring and is to be not ready); it comes
    /// into force when the last of these is over, and until then nothing more is offered to them.
    NextStatus {
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
    /// The caller hears of a major incident before the line, and may choose.
    IncidentTold {
        /// Which.
        incident: IncidentId,
    },
    /// The caller left before the line, noted for the incident that they heard of.
    Informed {
        /// Which.
        incident: IncidentId,
        /// How they left.
        how: InformedHow,
    },
    /// The caller left a message, which is a recording on the contact's ticket.
    MessageLeft {
        /// Its length, in milliseconds.
        duration_ms: u64,
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
    /// The rules of a queue were set.
    QueueChanged {
        /// The whole new rules.
        rules: Box<QueueRules>,
    },
    /// Who an agent is was set.
    AgentChanged {
        /// The whole new profile; its queues tell whose time counts to which queue from now on.
        profile: Box<AgentProfile>,
    },
    /// An agent was taken away.
    AgentRemoved,
    /// After the store came back, a node told it what it knows of a contact of its own. Not a new fact
    /// about the contact: what happened to it meanwhile has its own events, so statistics pass over this.
    Restored {
        /// The contact.
        record: Box<QueuedContact>,
        /// Where it is.
        place: RestoredPlace,
    },
    /// A node gave no sign of life for its whole lease; its calls are over.
    NodeLost {
        /// Which node.
        node: NodeId,
    },
    /// The queue store cannot be reached: this node keeps its own contacts and offers nothing new.
    StoreLost {
        /// Why, for the operator.
        cause: String,
    },
    /// The queue store is back, and this node has told it what happened meanwhile.
    StoreReturned,
    /// A ticket was opened or changed; written in the transaction that did it. What is counted of a ticket is
    /// the difference between the two, so that the log needs no memory of tickets.
    TicketChanged {
        /// Its key.
        ticket: TicketId,
        /// How it stood; `None` when it is new.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Box<TicketFacts>>,
        /// How it stands.
        now: Box<TicketFacts>,
    },
    /// A symptom was recorded for a contact that was answered or has left.
    SymptomRecorded {
        /// What was recorded before, and holds no more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Box<SymptomFacts>>,
        /// What was recorded.
        now: Box<SymptomFacts>,
    },
    /// A caller said how well it went; the first word of a contact stands, and is the only one told.
    Rated {
        /// 1 (badly) to 5.
        score: u8,
        /// When the contact arrived that they were asked about; it counts in that interval.
        arrived_at: Timestamp,
        /// How it came.
        channel: Channel,
        /// What else it is counted by; its agent is that of the event.
        #[serde(default, skip_serializing_if = "ContactFacets::is_empty")]
        facets: Box<ContactFacets>,
    },
    /// A ticket waits for an answer by mail from now on; written in the transaction that stored the mail. Told again
    /// when its mail is in another line. The event names the contact, and the line that has it.
    AnswerAwaited {
        /// Its key.
        ticket: TicketId,
        /// The wait.
        wait: AnswerWait,
        /// The line that had it before; `None` when the wait begins.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<QueueId>,
    },
    /// A ticket waits no more for an answer by mail; written in the transaction that ended it. The event names
    /// the line of the agent who answered, and that agent.
    AnswerWaitEnded {
        /// Its key.
        ticket: TicketId,
        /// The wait, as it was told last.
        wait: AnswerWait,
        /// How it ended.
        end: AnswerEnd,
    },
    /// Somebody changed the desk by hand from outside (API, command line), and it was done. The event
    /// names the contact, queue or agent it was done to.
    Intervened {
        /// Who: the token's name, or the program.
        by: String,
        /// What, in a word (`queue_closed`, `contact_moved`).
        act: String,
        /// With what, by name.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        details: BTreeMap<String, String>,
    },
}

/// What came of asking the CMS who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifiedAs {
    /// One person.
    Known,
    /// One person, by an address that anybody can write into a mail and nobody confirmed.
    Claimed,
    /// Several may be meant.
    Ambiguous,
    /// Nobody has that number or address.
    Unknown,
    /// The CMS did not answer in time.
    Unavailable,
}

impl IdentifiedAs {
    /// Whether it is one person, as far as is known.
    pub fn is_somebody(self) -> bool {
        match self {
            Self::Known | Self::Claimed => true,
            Self::Ambiguous | Self::Unknown | Self::Unavailable => false,
        }
    }
}

/// How a caller left who had heard of a major incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InformedHow {
    /// By the key for it.
    KeyedIn,
    /// After a message of their own.
    LeftMessage,
    /// They hung up when they had heard it.
    HungUp,
}

impl InformedHow {
    /// The word in JSON and in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyedIn => "keyed_in",
            Self::LeftMessage => "left_message",
            Self::HungUp => "hung_up",
        }
    }
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
    /// It heard of a major incident and left before the line, noted for it.
    Informed,
    /// It failed.
    Failed,
}
