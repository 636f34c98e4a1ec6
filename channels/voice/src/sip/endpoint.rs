//! Where messages come from and go to: transport, addresses, connection.

use std::net::SocketAddr;

/// A transport of SIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// A stream under TLS.
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket under TLS (RFC 7118).
    Wss,
}

impl Transport {
    /// RFC 3261 §17: retransmission is the transport's own work on a reliable one.
    pub const fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls | Self::Ws | Self::Wss => true,
        }
    }

    /// The name as `Via` writes it.
    pub const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The value of the URI parameter `transport`.
    pub const fn uri_name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws | Self::Wss => "ws",
        }
    }

    /// Reads a name of `Via` or of the URI parameter, without case.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss]
            .into_iter()
            .find(|transport| transport.via_name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// RFC 3261 §19.1.2: the port meant when none is written; RFC 7118 leaves WebSocket to HTTP's.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

/// One accepted or opened stream; the shell gives the numbers and never uses one twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The transport it came by.
    pub transport: Transport,
    /// The address it was sent from.
    pub remote: SocketAddr,
    /// The address it was received at.
    pub local: SocketAddr,
    /// The stream it came on; `None` for datagrams.
    pub connection: Option<ConnectionId>,
}

impl Source {
    /// The way back to the sender.
    pub const fn target(&self) -> Target {
        Target {
            transport: self.transport,
            remote: self.remote,
            connection: self.connection,
        }
    }
}

/// Where a message is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The transport to use.
    pub transport: Transport,
    /// The address to reach.
    pub remote: SocketAddr,
    /// The stream to use when it still stands; otherwise one is opened to `remote`.
    pub connection: Option<ConnectionId>,
}
