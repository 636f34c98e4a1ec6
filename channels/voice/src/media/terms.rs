//! The words of media: what a port is told, and what it tells.

use super::clip::{Clips, Repeat, Start};
use super::tap::{Tap, TapId};
use crate::sdp::{Direction, RemoteMedia};
use std::net::SocketAddr;
use std::time::Duration;

/// One RTP port of ours, for the life of one leg; a later leg on the same port has another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId {
    /// The thread that owns it.
    pub(super) thread: u8,
    /// Its place in the port range.
    pub(super) index: u16,
    /// How often that place was used before.
    pub(super) generation: u32,
}

impl PortId {
    /// Names a port; the engine does so for those who use it.
    pub const fn new(thread: u8, index: u16, generation: u32) -> Self {
        Self {
            thread,
            index,
            generation,
        }
    }
}

/// Who opened a port, in the opener's own numbers; every event carries it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(pub u64);

/// The signalling shard that a port's events go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(pub u16);

/// One order to play, in the opener's own numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlayId(pub u64);

/// What one port is told to do.
#[derive(Clone, Debug)]
pub enum PortCommand {
    /// What was settled with the peer; `None` when it has no audio stream (any more).
    SetRemote(Option<RemoteMedia>),
    /// What the gateway allows on top of what was settled; both ways at first.
    SetDirection(Direction),
    /// Play, instead of what was played and of what the bridge brings.
    Play(Play),
    /// Stop playing; the bridge is heard again. No `PlayEnded` follows.
    StopPlay,
    /// Let somebody hear what the peer says from now on.
    Tap(Tap),
    /// Take that tap off again.
    StopTap(TapId),
    /// End, and tell the report.
    Close,
}

/// What is to be played.
#[derive(Clone, Debug)]
pub struct Play {
    /// Which order it is; `PlayEnded` names it.
    pub id: PlayId,
    /// The clips, in order.
    pub clips: Clips,
    /// What happens at the end.
    pub repeat: Repeat,
    /// Where it begins.
    pub start: Start,
}

/// What happened at one port.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaEvent {
    /// Where.
    pub port: PortId,
    /// Whose it is.
    pub owner: Owner,
    /// What.
    pub kind: MediaEventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaEventKind {
    /// The peer was heard from this address, for the first time or instead of another.
    Latched {
        /// The address.
        source: SocketAddr,
    },
    /// The last sample of an order was sent; not told when it was stopped or replaced.
    PlayEnded {
        /// The order.
        play: PlayId,
    },
    /// The peer pressed a key (RFC 4733).
    Digit {
        /// `0-9`, `*`, `#` or `A-D`.
        symbol: char,
        /// For how long.
        duration: Duration,
    },
    /// Nothing came for a while although the peer should send.
    Silent {
        /// Whether anything had ever come.
        history: History,
    },
    /// After a silence, packets come again.
    HeardAgain,
    /// It is over.
    Closed(Box<Report>),
}

/// Whether a peer was ever heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// Never: audio is one-way, or the peer waits for us.
    NeverHeard,
    /// It fell silent.
    HeardBefore,
}

/// What the media of one leg was like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// RTP packets that came from the peer.
    pub packets_received: u64,
    /// Their bytes, without IP and UDP headers.
    pub bytes_received: u64,
    /// RTP packets sent to the peer.
    pub packets_sent: u64,
    /// Their payload bytes.
    pub bytes_sent: u64,
    /// RTP packets of the peer that never came.
    pub packets_lost: u64,
    /// Interarrival jitter at the end (RFC 3550 §6.4.1).
    pub jitter: Duration,
    /// Round trip to the peer, when its reports told (RFC 3550 §6.4.1).
    pub round_trip: Option<Duration>,
    /// Packets of ours that the peer says it never got.
    pub packets_lost_by_peer: Option<u64>,
    /// Packets that were not the peer's: another source, no RTP, or an unknown payload.
    pub packets_refused: u64,
    /// Which way audio went.
    pub flow: Flow,
}

impl Report {
    /// Whether the peer sent nothing although it should have, while it was sent to.
    pub fn is_one_way(&self) -> bool {
        self.flow == Flow::OnlySent
    }

    /// The jitter in milliseconds.
    pub fn jitter_ms(&self) -> f64 {
        self.jitter.as_secs_f64() * 1_000.0
    }
}

/// Which way audio went while both ways were agreed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// As agreed, or too short to tell.
    #[default]
    AsAgreed,
    /// The peer was sent to, and nothing came back.
    OnlySent,
    /// Nothing went either way.
    Neither,
}
