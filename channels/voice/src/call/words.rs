//! The words of call control: what it is told and what it tells.

use crate::media::{Clips, PlayId, PortCommand, PortId, Repeat, Report, Tap, TapId};
use crate::sip::digest::Account;
use crate::sip::flow::Flow;
use crate::sip::message::Message;
use std::time::Instant;

/// One leg of a call, unique within its shard for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(pub u64);

/// What call control is told to do.
#[derive(Clone, Debug)]
pub enum CallCommand {
    /// Tells an incoming leg that somebody is being rung (180), without media.
    Ring {
        /// The leg.
        leg: LegId,
    },
    /// Opens media towards an incoming leg before the answer (183), to speak without charging.
    OpenEarly {
        /// The leg.
        leg: LegId,
    },
    /// Answers an incoming leg (200).
    Answer {
        /// The leg.
        leg: LegId,
    },
    /// Refuses an incoming leg that was not answered.
    Reject {
        /// The leg.
        leg: LegId,
        /// What is said to the far side.
        reject: Reject,
    },
    /// Rings somebody.
    Dial {
        /// The new leg; taken from [`CallControl::mint_leg`](super::CallControl::mint_leg).
        leg: LegId,
        /// Whom and how.
        dial: Box<Dial>,
    },
    /// Plays to a leg; replaces what is playing.
    Play {
        /// The leg.
        leg: LegId,
        /// Told again in [`CallEvent::PlayEnded`].
        play: PlayId,
        /// The clips, one after the other.
        clips: Clips,
        /// Once, or for ever.
        repeat: Repeat,
    },
    /// Ends what is playing to a leg.
    StopPlay {
        /// The leg.
        leg: LegId,
    },
    /// Lets somebody hear what a leg's far side says, until the leg ends.
    Tap {
        /// The leg.
        leg: LegId,
        /// Who hears it.
        tap: Tap,
    },
    /// Takes a tap off again.
    StopTap {
        /// The leg.
        leg: LegId,
        /// Which.
        tap: TapId,
    },
    /// Joins the media of two legs, in both directions, until one of them ends.
    Bridge {
        /// One leg.
        a: LegId,
        /// The other.
        b: LegId,
    },
    /// Parts two joined legs.
    Unbridge {
        /// Either of them.
        leg: LegId,
    },
    /// Ends a leg whatever its state: CANCEL, BYE or a final refusal.
    HangUp {
        /// The leg.
        leg: LegId,
    },
    /// Ends a leg because another phone that rang beside it has the call: as `HangUp`, with a Reason that
    /// keeps it out of the list of missed calls (RFC 3326).
    StandDown {
        /// The leg.
        leg: LegId,
    },
}

/// A refusal of an incoming leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject {
    /// SIP status, 300 to 699.
    pub status: u16,
    /// Reason phrase.
    pub reason: &'static str,
    /// Seconds after which trying again is useful (Retry-After, RFC 3261 §20.33).
    pub retry_after_s: Option<u32>,
}

/// Whom to ring and how.
#[derive(Clone, Debug)]
pub struct Dial {
    /// Where the request is sent.
    pub flow: Flow,
    /// Request-URI.
    pub request_uri: String,
    /// From header without its tag: a name-addr.
    pub from: String,
    /// To header: a name-addr.
    pub to: String,
    /// Further header lines, name and value.
    pub headers: Vec<(String, String)>,
    /// Hops it may go (RFC 7332 §2).
    pub max_forwards: u8,
    /// Digest credentials, when the far side may ask.
    pub account: Option<Account>,
    /// When ringing must have ended; the leg dies by itself then.
    pub deadline: Instant,
    /// The leg whose codec is to be preferred, so that nothing need be transcoded.
    pub partner: Option<LegId>,
}

/// What call control tells.
#[derive(Clone, Debug)]
pub enum CallEvent {
    /// A call came in.
    Incoming(Box<IncomingCall>),
    /// An incoming leg's media is open (183 sent), so playing is heard.
    EarlyOpen {
        /// The leg.
        leg: LegId,
    },
    /// An incoming leg was answered by us; playing is heard.
    Answered {
        /// The leg.
        leg: LegId,
    },
    /// A dialled phone rings.
    Ringing {
        /// The leg.
        leg: LegId,
    },
    /// A dialled phone was answered.
    PickedUp {
        /// The leg.
        leg: LegId,
    },
    /// A dialled leg came to nothing; the leg is gone.
    Refused {
        /// The leg.
        leg: LegId,
        /// Why.
        why: Refused,
    },
    /// A leg is over; the leg is gone.
    Ended {
        /// The leg.
        leg: LegId,
        /// How.
        how: LegEnd,
    },
    /// The far side keyed something in.
    Digit {
        /// The leg.
        leg: LegId,
        /// `0-9*#A-D`.
        digit: char,
    },
    /// What was ordered was played to its end.
    PlayEnded {
        /// The leg.
        leg: LegId,
        /// Which playing.
        play: PlayId,
    },
    /// The far side put us on hold.
    Held {
        /// The leg.
        leg: LegId,
    },
    /// The far side took us off hold.
    Resumed {
        /// The leg.
        leg: LegId,
    },
    /// The far side sends no media although it should.
    Silent {
        /// The leg.
        leg: LegId,
    },
    /// A leg's media port is closed; the last word on every leg.
    Released {
        /// The leg.
        leg: LegId,
        /// Counters and quality; `None` when it never had a port.
        report: Option<Box<Report>>,
    },
}

/// A call that came in.
#[derive(Clone, Debug)]
pub struct IncomingCall {
    /// Its leg.
    pub leg: LegId,
    /// The INVITE as it was received.
    pub invite: Message,
    /// Where it came from.
    pub flow: Flow,
}

/// Why a dialled leg came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The deadline passed while it rang.
    NoAnswer,
    /// 486, 600.
    Busy,
    /// 603, 480 and other words of a person or phone that does not want to.
    Declined {
        /// SIP status.
        status: u16,
    },
    /// No phone answered at all: no route, no response, 404, 408, 5xx.
    Unreachable {
        /// SIP status; 408 when nothing was heard.
        status: u16,
    },
    /// We had no port left.
    NoPort,
}

/// How a leg ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegEnd {
    /// The far side hung up after the answer (BYE).
    HungUp,
    /// The far side left before the answer (CANCEL).
    Cancelled,
    /// We ended it.
    Local,
    /// Signalling broke: no ACK, session timer, transport, 481.
    Lost,
    /// No common codec or a broken session description (488).
    NotAcceptable,
}

/// What call control wants of the media engine.
#[derive(Clone, Debug)]
pub enum MediaWish {
    /// Tell a port something.
    Command {
        /// The port.
        port: PortId,
        /// What.
        command: PortCommand,
    },
    /// Join two ports.
    Bridge {
        /// One.
        a: PortId,
        /// The other.
        b: PortId,
    },
    /// Part two ports.
    Unbridge {
        /// One.
        a: PortId,
        /// The other.
        b: PortId,
    },
}
