//! Flows: over what, and between whom, messages travel (RFC 3261 §18, RFC 5626 §3.1).

use bytes::Bytes;
use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

/// What carries a message (RFC 3261 §18, RFC 7118).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream of messages, told apart by Content-Length.
    Tcp,
    /// The same over TLS.
    Tls,
    /// One message per WebSocket frame.
    WebSocket,
    /// The same over TLS.
    SecureWebSocket,
}

impl Transport {
    /// The name in a Via.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::WebSocket => "WS",
            Self::SecureWebSocket => "WSS",
        }
    }

    /// Reads the name in a Via or a `transport` parameter, in any case; `None` for others.
    pub fn from_wire(name: &[u8]) -> Option<Self> {
        [
            Self::Udp,
            Self::Tcp,
            Self::Tls,
            Self::WebSocket,
            Self::SecureWebSocket,
        ]
        .into_iter()
        .find(|transport| name.eq_ignore_ascii_case(transport.as_str().as_bytes()))
    }

    /// Whether what is sent arrives or an error is told, so that transactions need not repeat
    /// (RFC 3261 §17.1.1.2).
    pub const fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls | Self::WebSocket | Self::SecureWebSocket => true,
        }
    }

    /// The port when a URI or a Via names none (RFC 3261 §19.1.2, RFC 7118 §5).
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5_060,
            Self::Tls => 5_061,
            Self::WebSocket => 80,
            Self::SecureWebSocket => 443,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One connection of a reliable transport; never used again within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// Takes the number that the shell counted up.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One of our datagram sockets, by its place in the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u8);

/// Where a message came from, or shall go to.
///
/// What came in over a flow is answered over it: by the same datagram socket, so that the mapping of
/// a NAT in between is used, or by the same connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// What carries it.
    pub transport: Transport,
    /// The other end.
    pub remote: SocketAddr,
    /// Which of our datagram sockets; without meaning for connections.
    pub socket: SocketId,
    /// Which connection; `None` lets the shell take or open one to `remote`, as it also does when
    /// this one is gone (RFC 3261 §18.2.2).
    pub connection: Option<ConnectionId>,
}

impl Flow {
    /// A flow to `remote` from our first socket, or over whichever connection there is.
    pub const fn new(transport: Transport, remote: SocketAddr) -> Self {
        Self {
            transport,
            remote,
            socket: SocketId(0),
            connection: None,
        }
    }

    /// The same with this connection.
    pub const fn over(self, connection: ConnectionId) -> Self {
        Self {
            connection: Some(connection),
            ..self
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.transport, self.remote)
    }
}

/// One whole message as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// Where it came from.
    pub flow: Flow,
    /// Its bytes; of a stream exactly one message.
    pub bytes: Bytes,
    /// When it was received.
    pub at: Instant,
}

/// One whole message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where it goes.
    pub flow: Flow,
    /// Its bytes.
    pub bytes: Bytes,
}
