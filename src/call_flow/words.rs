//! The words of a call's flow: its rules, its inputs and its commands.

use ringdown_routing::contact::{Needs, Priority};
use ringdown_routing::event::{ContactResult, EventKind, IdentifiedAs};
use ringdown_routing::ids::{AgentId, CallerId, IncidentId, OfferToken, QueueId, TicketId};
use ringdown_routing::verb::{Answer, Verb};
use ringdown_voice::call::{CallCommand, LegEnd, LegId, Refused};
use ringdown_voice::media::PlayId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// When a call to a number is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerMode {
    /// On arrival: greeting, announcements, music.
    AtOnce,
    /// When an agent answers: the caller hears ringing and pays nothing for waiting.
    AtAgent,
}

/// What a number's callers get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberRules {
    /// The queue they stand in.
    pub queue: QueueId,
    /// When they are answered.
    pub answer: AnswerMode,
    /// Whether a greeting is played first.
    pub greeting: Option<Phrase>,
    /// Whether they are asked to key in a ticket number, and how long they have for it.
    pub ask_ticket: Option<Duration>,
    /// Skills that agents must have; those of the line when empty.
    pub needs: Needs,
    /// The agent whose number it is.
    pub agent: Option<AgentId>,
    /// What holds in each line they may come to stand in.
    pub lines: Arc<Lines>,
}

impl NumberRules {
    /// How long callers have to key a ticket number in; `None` when they are not asked, and who is
    /// answered at the agent hears no question before.
    pub fn time_to_key_in(&self) -> Option<Duration> {
        match self.answer {
            AnswerMode::AtOnce => self.ask_ticket,
            AnswerMode::AtAgent => None,
        }
    }
}

/// The rules of every line.
pub type Lines = BTreeMap<QueueId, Arc<LineRules>>;

/// What holds while a call stands in a line, or wants to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineRules {
    /// Time between two announcements of position and wait; `None` announces nothing.
    pub announce_every: Option<Duration>,
    /// Whether music (or silence) is played while waiting.
    pub music: Option<Phrase>,
    /// Longest wait in this line; then the way out of [`Refusing::Waited`] is taken.
    pub wait_max: Duration,
    /// Priority of callers of class 1, 2 and 3, and of those whose class nobody knows.
    pub priority_by_class: [Priority; 4],
    /// Skills that agents must have.
    pub needs: Needs,
    /// Whether callers are kept for the agent who helped them last.
    pub affinity: Option<Affinity>,
    /// Whether the line is left alone while nobody is logged in.
    pub needs_agents: bool,
    /// What becomes of those who wait when the line closes.
    pub at_closing: AtClosing,
    /// Whether callers who wait long may keep their place and be called back.
    pub offers_call_back: bool,
    /// Whether callers are asked how it went when the agent has hung up.
    pub asks_how_it_went: bool,
    /// What happens to a call that the line does not take, or not any longer.
    pub ways_out: WaysOut,
}

/// How a caller is kept for the agent who helped them last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Affinity {
    /// How long ago that may have been.
    pub within: Duration,
    /// How long the caller is kept for them.
    pub kept_for: Duration,
}

/// What becomes of a waiting call when its line closes by its hours or by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtClosing {
    /// It waits until it is served.
    Stay,
    /// It takes the way out.
    Leave,
}

/// The way out for each reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaysOut {
    /// The queue is closed.
    pub closed: WayOut,
    /// An emergency has closed it.
    pub emergency: WayOut,
    /// The queue is full.
    pub full: WayOut,
    /// Nobody is logged in for it.
    pub no_agents: WayOut,
    /// The wait was too long.
    pub waited: WayOut,
}

/// What a call that the line does not take hears, and where it goes then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WayOut {
    /// What is said instead of the built-in reason.
    pub say: Option<Phrase>,
    /// What follows.
    pub then: Then,
}

/// Where a call goes that the line does not take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// It ends.
    #[default]
    HangUp,
    /// It stands in another queue instead.
    Queue(QueueId),
    /// It is connected to another number or SIP URI.
    Transfer(Arc<str>),
}

/// Something to be played, in the caller's language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phrase {
    /// The desk has taken the call.
    Greeting,
    /// Music on hold.
    Music,
    /// A piece of the site's own music, by its name; for ever.
    Piece(Arc<str>),
    /// A prompt of the site's own, by its name.
    Named(Arc<str>),
    /// Position in the line and estimated wait.
    Position,
    /// Asks for a ticket number.
    AskTicket,
    /// The ticket number was understood.
    TicketNoted,
    /// The agent was lost, the place is kept.
    AgentLost,
    /// A key keeps the place and has the caller called back.
    CallBackOffer,
    /// Asks for the number to call back.
    CallBackNumber,
    /// A major incident, in the words of the site's own prompt or the built-in ones, and the choice.
    Incident(Option<Arc<str>>),
    /// Asks to speak after the tone, and the tone.
    LeaveMessage,
    /// The caller is noted for the incident.
    IncidentNoted,
    /// Asks how it went, for a key from 1 to 5.
    HowItWent,
    /// Thanks for that.
    ThankYou,
    /// Why the line does not take the call.
    Reason(Refusing),
}

/// Why the line does not take a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusing {
    /// The queue is closed.
    Closed,
    /// An emergency has closed it.
    Emergency,
    /// The queue is full.
    Full,
    /// Nobody is logged in for it.
    NoAgents,
    /// The wait was too long.
    Waited,
    /// Somebody took it out of the line.
    Dropped,
    /// It will be called back.
    CallBack,
    /// The caller heard of a major incident in the line and leaves noted for it.
    Incident,
    /// Something of ours does not work.
    Fault,
}

impl Refusing {
    /// The word used in events and statistics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "queue_closed",
            Self::Emergency => "emergency",
            Self::Full => "queue_full",
            Self::NoAgents => "no_agents",
            Self::Waited => "waited_too_long",
            Self::Dropped => "dropped",
            Self::CallBack => "call_back",
            Self::Incident => "incident",
            Self::Fault => "fault",
        }
    }
}

/// Who is calling, as far as the flow cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowCaller {
    /// What came of asking.
    pub outcome: IdentifiedAs,
    /// The person, when known.
    pub caller: Option<CallerId>,
    /// Class 1 to 3, when known.
    pub class: Option<u8>,
}

/// A major incident that a caller is to hear of, before the line or in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentNotice {
    /// Which.
    pub incident: IncidentId,
    /// The site's own prompt that tells of it; the built-in one when `None`.
    pub say: Option<Arc<str>>,
    /// The longest message that a caller may leave.
    pub message_max: Duration,
}

/// What became of a message that a caller left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKept {
    /// It is on the disk, this long, on its way to the ticket.
    Whole(Duration),
    /// Nothing was said.
    Empty,
    /// It could not be recorded.
    Failed,
}

/// The ticket of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedTicket {
    /// Its key.
    pub id: TicketId,
    /// Its number as people say it.
    pub number: Arc<str>,
    /// Whether it was opened for this call.
    pub is_new: bool,
    /// The rule that decided.
    pub rule: &'static str,
}

/// Who put the other on hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBy {
    /// The caller.
    Caller,
    /// The agent: the caller hears music.
    Agent,
}

/// An agent reserved for a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its token.
    pub token: OfferToken,
    /// The agent.
    pub agent: AgentId,
    /// The leg to ring the agent on.
    pub leg: LegId,
    /// When the ring must have ended.
    pub deadline: Instant,
}

/// What a flow is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// The CMS said who it is, or its deadline passed.
    Identified(FlowCaller),
    /// A major incident holds for the number that was called; told before who it is, or while the caller waits
    /// when it was declared.
    IncidentHolds(IncidentNotice),
    /// The caller's message is recorded, or is not.
    MessageKept(MessageKept),
    /// The ticket is linked; `None` when the store could not do it in time.
    TicketLinked(Option<LinkedTicket>),
    /// The desk answered the one verb that was on its way.
    Verb(Answer),
    /// The line that the call is about to enter: another one than was named when its hours follow the sun.
    LineChosen(QueueId),
    /// The line that the call stands in was closed.
    LineClosed(Refusing),
    /// The line that the call stands in was opened again.
    LineOpened,
    /// The desk moved the call to another line, by hand or by time.
    Moved(QueueId),
    /// Somebody took the call from the agent it rings for or talks to; it waits again.
    TakenFromAgent,
    /// This gateway begins the call-back anew, for the desk has given it to an agent again.
    Superseded,
    /// Somebody took the call out of the line.
    Dropped,
    /// The wait is long enough to offer a call-back.
    MayCallBack,
    /// The call-back is in the database.
    CallBackNoted,
    /// The call-back could not be noted: no number, or no database.
    CallBackRefused,
    /// The line does not take the call, for a reason that the desk was not even asked about.
    NotTaken(Refusing),
    /// The desk could not be asked what was on its way: its store failed, or it takes no more at the
    /// moment. It is asked again.
    DeskLost,
    /// The desk reserved an agent for this call.
    Offered(Offer),
    /// The offer was taken back by the desk (its lease ran out, an agent was moved).
    OfferLapsed {
        /// The offer.
        token: OfferToken,
    },
    /// The desk committed an agent's answer: whatever was offered before that to others is over.
    Answered {
        /// The offer to that agent.
        token: OfferToken,
    },
    /// An agent's phone is out of reach: unregistered, expired, or its connection lost.
    AgentGone {
        /// The agent.
        agent: AgentId,
    },
    /// The agent's leg could not even be dialled.
    AgentUnreachable {
        /// The leg.
        leg: LegId,
    },
    /// Our early media towards the caller is open.
    EarlyOpen,
    /// The caller's leg was answered.
    CallerAnswered,
    /// The caller's leg is over.
    CallerEnded(LegEnd),
    /// The caller keyed something in.
    CallerDigit(char),
    /// Something was played to the caller to its end.
    PlayEnded(PlayId),
    /// The agent's phone rings.
    AgentRings {
        /// The leg.
        leg: LegId,
    },
    /// The agent's phone was answered.
    AgentPickedUp {
        /// The leg.
        leg: LegId,
    },
    /// The agent's leg came to nothing.
    AgentRefused {
        /// The leg.
        leg: LegId,
        /// Why.
        why: Refused,
    },
    /// The agent's leg is over.
    AgentEnded {
        /// The leg.
        leg: LegId,
        /// How.
        how: LegEnd,
    },
    /// One side put the other on hold.
    Held(HeldBy),
    /// It was taken off hold.
    Resumed(HeldBy),
    /// The gateway stops, or the call has lasted as long as any may.
    Shutdown,
}

/// What a flow wants done.
#[derive(Clone, Debug)]
pub enum Command {
    /// Ask the CMS who it is; answered by [`Input::Identified`] within the deadline.
    Identify,
    /// Link the ticket; answered by [`Input::TicketLinked`].
    LinkTicket {
        /// Digits that the caller keyed in.
        keyed_in: Option<String>,
    },
    /// Attach the contact to the ticket of the incident that its caller was told of; answered by
    /// [`Input::TicketLinked`].
    AttachToIncident {
        /// Which.
        incident: IncidentId,
    },
    /// Record what the caller says from now on; answered by [`Input::MessageKept`] when that is over.
    RecordMessage {
        /// The incident it is for.
        incident: IncidentId,
    },
    /// End that recording.
    EndMessage,
    /// Bring the call into the line; answered like a verb.
    Enqueue {
        /// The queue.
        queue: QueueId,
        /// Its priority.
        priority: Priority,
    },
    /// Move the waiting call to another queue's line; answered like a verb.
    Move {
        /// The queue.
        to: QueueId,
    },
    /// Change the desk; answered by [`Input::Verb`], or not taken ([`Input::DeskLost`]).
    Change(Verb),
    /// Append an event about this call.
    Publish(EventKind),
    /// Ring an agent, with the caller's record on the INVITE.
    RingAgent {
        /// The leg to dial, minted by the flow's owner.
        leg: LegId,
        /// The agent.
        agent: AgentId,
        /// When the ring must have ended.
        deadline: Instant,
    },
    /// Connect the caller to another number or SIP URI, on this leg.
    TransferOut {
        /// The leg to dial.
        leg: LegId,
        /// Where to.
        to: Arc<str>,
        /// When it must have been answered.
        deadline: Instant,
    },
    /// Play a phrase to the caller in the caller's language.
    Play {
        /// Told again at its end.
        play: PlayId,
        /// What.
        phrase: Phrase,
    },
    /// Play a phrase to another leg than the caller's.
    PlayTo {
        /// The leg.
        leg: LegId,
        /// Told again at its end.
        play: PlayId,
        /// What.
        phrase: Phrase,
    },
    /// Look whether the wait is long enough to offer a call-back; if so, told by [`Input::MayCallBack`].
    LookWhetherToOffer,
    /// Note a call-back; answered by [`Input::CallBackNoted`] or [`Input::CallBackRefused`].
    TakeCallBack {
        /// The number that the caller keyed in; their own when `None`.
        number: Option<String>,
    },
    /// The caller has left the line for the call-back that was noted: it counts.
    KeepCallBack,
    /// An agent was found as the caller left: the call-back that was noted is nothing.
    DropCallBack,
    /// Dial the caller of a call-back.
    CallCaller {
        /// The leg to dial.
        leg: LegId,
        /// Whom.
        number: Arc<str>,
        /// The leg of the agent who waits for them.
        agent_leg: LegId,
        /// When it must have been answered.
        deadline: Instant,
    },
    /// The caller of a call-back was reached, and talks with the agent.
    CallBackTalks,
    /// That talk is over.
    CallBackDone,
    /// The caller of a call-back was not reached.
    CallBackMissed,
    /// Forget the call; its contact waits in the line for the next agent.
    StandAside,
    /// Keep what the caller says of how it went, 1 (badly) to 5.
    KeepScore {
        /// The key.
        score: u8,
    },
    /// Do something with a leg.
    Voice(CallCommand),
    /// The call is over, and how: nothing follows.
    Close(ContactResult),
}
