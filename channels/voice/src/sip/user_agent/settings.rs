//! What a user agent is told about the world it lives in.

use crate::sip::digest;
use crate::sip::flow::{Flow, SocketId, Transport};
use crate::sip::message::Method;
use crate::sip::transaction::Timings;
use bytes::Bytes;
use std::time::Duration;

/// How one user agent, a shard of the whole, behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The addresses others reach us at, one per transport and socket; the first serves where none fits.
    pub places: Vec<Place>,
    /// The user part of our Contact.
    pub contact_user: String,
    /// The product, for User-Agent and Server.
    pub product: String,
    /// T1, T2 and T4.
    pub timings: Timings,
    /// RFC 4028.
    pub session_timers: SessionTimers,
    /// Methods that are handed to the user as [`super::Event::Request`]; others are answered 405.
    pub methods: Vec<Method>,
    /// What is bounded, and where.
    pub limits: Limits,
    /// Which part of all calls is ours.
    pub shard: Shard,
}

impl Settings {
    /// Settings for one address, everything else as the RFCs recommend.
    pub fn new(place: Place) -> Self {
        Self {
            places: vec![place],
            contact_user: "ringdown".to_owned(),
            product: concat!("Ringdown/", env!("CARGO_PKG_VERSION")).to_owned(),
            timings: Timings::default(),
            session_timers: SessionTimers::default(),
            methods: vec![Method::Options, Method::Register],
            limits: Limits::default(),
            shard: Shard { index: 0, count: 1 },
        }
    }
}

/// One address others reach us at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The transport.
    pub transport: Transport,
    /// Which of our datagram sockets.
    pub socket: SocketId,
    /// `host:port` as it stands in Via and Contact: the public one behind a NAT.
    pub address: String,
}

/// Session timers (RFC 4028).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionTimers {
    /// Neither offered nor followed.
    Off,
    /// Every session is refreshed, by us when the other side cannot.
    On {
        /// The interval we ask for; 1,800 s (RFC 4028 §4).
        interval: Duration,
        /// The shortest we accept; 90 s (RFC 4028 §5).
        interval_min: Duration,
    },
}

impl Default for SessionTimers {
    fn default() -> Self {
        Self::On {
            interval: Duration::from_secs(1_800),
            interval_min: Duration::from_secs(90),
        }
    }
}

/// Bounds; what is above them is answered 503 with Retry-After, or 413.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most dialogs at once.
    pub dialogs_max: usize,
    /// Most transactions of each side, those that linger included.
    pub transactions_max: usize,
    /// Longest body of a request.
    pub body_bytes_max: usize,
    /// Longest time an INVITE of ours may ring before it is cancelled.
    pub ring_max: Duration,
    /// Longest time an INVITE may wait for our answer before it is refused with 480.
    pub answer_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            dialogs_max: 20_000,
            transactions_max: 200_000,
            body_bytes_max: 16_384,
            ring_max: Duration::from_secs(300),
            answer_max: Duration::from_secs(7_200),
        }
    }
}

/// One of several user agents that share all calls by their Call-ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which one, from 0.
    pub index: usize,
    /// Of how many.
    pub count: usize,
}

/// A call to make.
#[derive(Clone, Debug)]
pub struct Invite {
    /// Where the INVITE is sent.
    pub flow: Flow,
    /// The Request-URI.
    pub request_uri: String,
    /// The From address without a tag: `"Name" <sip:user@host>`.
    pub from: String,
    /// The To address.
    pub to: String,
    /// More header fields, in order; Route among them for an outbound proxy.
    pub headers: Vec<(String, String)>,
    /// Hops it may go: one less than the call had that is passed on (RFC 7332), else [`super::MAX_FORWARDS`].
    pub max_forwards: u8,
    /// The offer; `None` asks the other side for one, which [`super::Event::Answered`] then brings.
    pub sdp: Option<Bytes>,
    /// Who we are when challenged.
    pub account: Option<digest::Account>,
    /// The Call-ID; `None` mints one that belongs to this shard.
    pub call_id: Option<String>,
}

/// A request outside of a dialog: OPTIONS to a trunk, REGISTER at one.
#[derive(Clone, Debug)]
pub struct OutsideRequest {
    /// The method's name.
    pub method: Method,
    /// Where it is sent.
    pub flow: Flow,
    /// The Request-URI.
    pub request_uri: String,
    /// The From address without a tag.
    pub from: String,
    /// The To address.
    pub to: String,
    /// More header fields, in order.
    pub headers: Vec<(String, String)>,
    /// The body and its type.
    pub body: Option<(String, Bytes)>,
    /// Who we are when challenged.
    pub account: Option<digest::Account>,
    /// Call-ID and CSeq number to go on with (a REGISTER keeps them); `None` begins anew.
    pub sequence: Option<(String, u32)>,
}
