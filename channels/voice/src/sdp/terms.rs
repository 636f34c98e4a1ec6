//! What a session description settles: codecs, payload numbers, directions, addresses.

use std::net::SocketAddr;

/// An audio codec that the gateway speaks: G.711 at 8,000 samples a second, one byte a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// G.711 μ-law, static payload number 0 (RFC 3551 §6).
    Pcmu,
    /// G.711 A-law, static payload number 8 (RFC 3551 §6).
    Pcma,
}

impl Codec {
    /// All of them, in the order in which we offer them.
    pub const ALL: [Self; 2] = [Self::Pcmu, Self::Pcma];

    /// The payload number that RFC 3551 §6 gives it.
    pub const fn static_number(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// The encoding name of `a=rtpmap`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Pcmu => Self::Pcma,
            Self::Pcma => Self::Pcmu,
        }
    }
}

/// Which way media flows, seen from the one who says it (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// Only from the speaker; the usual form of hold.
    SendOnly,
    /// Only to the speaker.
    RecvOnly,
    /// Neither way.
    Inactive,
}

impl Direction {
    /// The direction in which the speaker sends and receives, or does not.
    pub const fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether the speaker sends.
    pub const fn is_sending(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the speaker receives.
    pub const fn is_receiving(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same streams seen from the other side.
    pub const fn reversed(self) -> Self {
        Self::new(self.is_receiving(), self.is_sending())
    }

    /// What both allow.
    pub const fn and(self, other: Self) -> Self {
        Self::new(
            self.is_sending() && other.is_sending(),
            self.is_receiving() && other.is_receiving(),
        )
    }

    /// The attribute's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// The direction that an attribute's name says, if it is one.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        [
            Self::SendRecv,
            Self::SendOnly,
            Self::RecvOnly,
            Self::Inactive,
        ]
        .into_iter()
        .find(|direction| name.eq_ignore_ascii_case(direction.name().as_bytes()))
    }
}

/// The payload numbers that one side receives, and which codec it likes best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Formats {
    /// The codec named first.
    pub codec: Codec,
    /// The number for PCMU, when it is taken.
    pub pcmu: Option<u8>,
    /// The number for PCMA, when it is taken.
    pub pcma: Option<u8>,
    /// The number for telephone events (RFC 4733), when they are taken.
    pub telephone_event: Option<u8>,
}

impl Formats {
    /// What we offer: both codecs by their static numbers, telephone events as 101.
    pub const fn ours(first: Codec) -> Self {
        Self {
            codec: first,
            pcmu: Some(Codec::Pcmu.static_number()),
            pcma: Some(Codec::Pcma.static_number()),
            telephone_event: Some(TELEPHONE_EVENT_NUMBER),
        }
    }

    /// The number for a codec, when it is taken.
    pub const fn number(&self, codec: Codec) -> Option<u8> {
        match codec {
            Codec::Pcmu => self.pcmu,
            Codec::Pcma => self.pcma,
        }
    }

    /// Sets the number for a codec.
    pub const fn set_number(&mut self, codec: Codec, number: Option<u8>) {
        match codec {
            Codec::Pcmu => self.pcmu = number,
            Codec::Pcma => self.pcma = number,
        }
    }

    /// The codec that a number means.
    pub fn codec_of(&self, number: u8) -> Option<Codec> {
        Codec::ALL
            .into_iter()
            .find(|codec| self.number(*codec) == Some(number))
    }
}

/// The number we offer for telephone events; dynamic, 101 by long custom.
pub const TELEPHONE_EVENT_NUMBER: u8 = 101;

/// What was settled about one audio stream: where it goes and what may go there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteMedia {
    /// Where the peer wants RTP.
    pub rtp: SocketAddr,
    /// Where the peer wants RTCP; the address of `rtp` when both share it.
    pub rtcp: SocketAddr,
    /// Whether RTP and RTCP share one port both ways (RFC 5761).
    pub has_rtcp_mux: bool,
    /// The numbers to put on packets to the peer; `send.codec` is the one to use.
    pub send: Formats,
    /// The numbers on packets from the peer.
    pub receive: Formats,
    /// What *we* may do: `SendOnly` when the peer is on hold by us, `RecvOnly` when we are held.
    pub direction: Direction,
    /// Audio per packet that the peer likes to receive, in milliseconds.
    pub ptime_ms: u8,
}

impl RemoteMedia {
    /// The codec to send.
    pub const fn codec(&self) -> Codec {
        self.send.codec
    }
}
