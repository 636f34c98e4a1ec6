//! The thin layer that owns SIP's sockets: bytes in to the shards, bytes out from them.
//!
//! ```text
//! UDP socket -- one task, reads until empty --+                    +-- Inbox of shard 0
//! TCP listener -- one task per connection ----+-- by Call-ID hash --+-- Inbox of shard 1
//!                                                                   ...
//! shard -- ShellHandle::send -- UDP: straight into the socket; TCP: the connection's queue
//! ```
//!
//! It decides nothing about SIP. What it must answer by itself, because it never reaches a core, are
//! keep-alives (RFC 5626 §3.5) and an INVITE for which no shard has room (503).
//!
//! Bounded: each shard's inbox, each connection's send queue, the connections, how long one may be
//! idle or take to send one message. A full inbox stops reading of streams, so that TCP slows the
//! sender down, and drops datagrams, which their senders repeat; both are counted.
//!
//! Another stream transport (TLS) is one more acceptor in front of `connection::serve`.

mod connection;
mod counts;
mod keep_alive;
mod overload;
mod pool;
#[cfg(test)]
mod tests;
mod udp;

pub use counts::ShellCounts;

use super::flow::{Flow, Inbound, SocketId, Transmit, Transport};
use super::message::shard_of;
use connection::Context;
use counts::Counters;
use pool::Pool;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// What a [`Shell`] opens, and its bounds.
#[derive(Clone, Debug)]
pub struct ShellSettings {
    /// Addresses of the datagram sockets; the place of each is its [`SocketId`].
    pub udp: Vec<SocketAddr>,
    /// Addresses of the stream listeners.
    pub tcp: Vec<SocketAddr>,
    /// How many shards share the messages.
    pub shards: usize,
    /// Most messages that wait for one shard.
    pub inbox_max: usize,
    /// Bytes the kernel is asked to keep for a datagram socket that we read too late.
    pub receive_buffer_bytes: usize,
    /// Most connections at once.
    pub connections_max: usize,
    /// Most connections at once from one address; many phones may share one behind a NAT.
    pub connections_per_address_max: usize,
    /// Most messages that wait for one connection to take them.
    pub send_queue_max: usize,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long the first message of a connection, or the rest of a begun one, may take.
    pub message_timeout: Duration,
    /// How long a connection may be silent; longer than any registration lasts.
    pub idle_timeout: Duration,
}

impl ShellSettings {
    /// The defaults for these addresses.
    pub const fn new(udp: Vec<SocketAddr>, tcp: Vec<SocketAddr>, shards: usize) -> Self {
        Self {
            udp,
            tcp,
            shards,
            inbox_max: 4_096,
            receive_buffer_bytes: 4 << 20,
            connections_max: 4_096,
            connections_per_address_max: 1_024,
            send_queue_max: 128,
            connect_timeout: Duration::from_secs(4),
            // 64 times T1, the life of a transaction (RFC 3261 §17.1.1.2 timer B).
            message_timeout: Duration::from_secs(32),
            idle_timeout: Duration::from_secs(3_900),
        }
    }
}

/// Why the shell could not be set up; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// Another program, or another Ringdown, has the address.
    #[error(
        "the {transport} address {address} is taken by another program: stop that program, or choose another address in [sip]"
    )]
    Taken {
        /// What was to be opened.
        transport: Transport,
        /// Where.
        address: SocketAddr,
    },
    /// The machine has no such address.
    #[error(
        "this machine has no address {}: choose one of its own in [sip], or 0.0.0.0 for all of them",
        address.ip()
    )]
    NotOurs {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The port is reserved for the administrator.
    #[error("port {} needs administrator rights: choose a port above 1023 in [sip]", address.port())]
    NotAllowed {
        /// What was asked for.
        address: SocketAddr,
    },
    /// Any other reason.
    #[error("cannot open the {transport} address {address}")]
    Other {
        /// What was to be opened.
        transport: Transport,
        /// Where.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl ShellError {
    fn new(transport: Transport, address: SocketAddr, source: io::Error) -> Self {
        let kind = source.kind();
        if kind == io::ErrorKind::AddrInUse {
            Self::Taken { transport, address }
        } else if kind == io::ErrorKind::AddrNotAvailable {
            Self::NotOurs { address }
        } else if kind == io::ErrorKind::PermissionDenied {
            Self::NotAllowed { address }
        } else {
            Self::Other {
                transport,
                address,
                source,
            }
        }
    }
}

/// What a shard is told.
#[derive(Clone, Debug)]
pub enum ShellEvent {
    /// A message came in.
    Received(Inbound),
    /// What this shard sent could not be delivered (RFC 3261 §8.1.3.1: as if 503 had come back).
    SendFailed(Transmit),
    /// A connection has ended; every shard is told. Its id is in the flow.
    ConnectionLost(Flow),
}

/// Where a shard receives; [`mpsc::Receiver::recv_many`] takes a whole batch.
pub type Inbox = mpsc::Receiver<ShellEvent>;

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendFault {
    /// The socket's or the connection's queue is full.
    #[error("the send queue is full")]
    Full,
    /// There is no socket for that kind of address, or no room for another connection.
    #[error("there is no way to that address")]
    NoWay,
}

/// The sockets' owner; dropping it closes them.
#[derive(Debug)]
pub struct Shell {
    handle: ShellHandle,
    tasks: JoinSet<()>,
}

/// Sends; cheap to clone, one for each shard.
#[derive(Clone, Debug)]
pub struct ShellHandle {
    sockets: Arc<[udp::Socket]>,
    listeners: Arc<[SocketAddr]>,
    pool: Arc<Pool>,
    counters: Arc<Counters>,
}

impl Shell {
    /// Opens every socket, or none, and begins to read.
    ///
    /// # Errors
    /// The first address that cannot be opened.
    pub fn bind(settings: ShellSettings) -> Result<(Self, Vec<Inbox>), ShellError> {
        let sockets = settings
            .udp
            .iter()
            .map(|address| {
                udp::Socket::bind(*address, settings.receive_buffer_bytes)
                    .map_err(|source| ShellError::new(Transport::Udp, *address, source))
            })
            .collect::<Result<Arc<[_]>, _>>()?;
        let listeners = settings
            .tcp
            .iter()
            .map(|address| {
                listen(*address).map_err(|source| ShellError::new(Transport::Tcp, *address, source))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let (inboxes, receivers): (Vec<_>, Vec<_>) = (0..settings.shards.max(1))
            .map(|_| mpsc::channel(settings.inbox_max.max(1)))
            .unzip();
        let counters = Arc::new(Counters::default());
        let context = Arc::new(Context {
            shards: Shards(inboxes.into()),
            counters: Arc::clone(&counters),
            settings,
        });
        let handle = ShellHandle {
            sockets,
            listeners: listeners.iter().map(|(_, address)| *address).collect(),
            pool: Pool::new(Arc::clone(&context)),
            counters,
        };
        let mut tasks = JoinSet::new();
        for (place, socket) in handle.sockets.iter().enumerate() {
            let id = SocketId(u8::try_from(place).unwrap_or(u8::MAX));
            tasks.spawn(udp::read(socket.clone(), id, Arc::clone(&context)));
        }
        for (listener, _) in listeners {
            tasks.spawn(connection::accept(listener, Arc::clone(&handle.pool)));
        }
        Ok((Self { handle, tasks }, receivers))
    }

    /// A handle for sending.
    pub fn handle(&self) -> ShellHandle {
        self.handle.clone()
    }

    /// Closes every socket and connection.
    pub async fn close(mut self) {
        self.handle.pool.close_all();
        self.tasks.shutdown().await;
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.handle.pool.close_all();
    }
}

impl ShellHandle {
    /// Sends a message now: a datagram leaves before this returns, a stream message is queued.
    ///
    /// A stream without a living connection is opened; when that fails, the shard of the message is
    /// told by [`ShellEvent::SendFailed`].
    ///
    /// # Errors
    /// When it certainly will not be sent. Of datagrams, retransmission takes care.
    pub fn send(&self, transmit: Transmit) -> Result<(), SendFault> {
        let outcome = match transmit.flow.transport {
            Transport::Udp => self.send_datagram(&transmit),
            Transport::Tcp => self.pool.send(transmit),
            Transport::Tls | Transport::WebSocket | Transport::SecureWebSocket => {
                Err(SendFault::NoWay)
            }
        };
        let counter = match outcome {
            Ok(()) => &self.counters.sent,
            Err(SendFault::Full) => &self.counters.send_full,
            Err(SendFault::NoWay) => &self.counters.send_failed,
        };
        Counters::add(counter);
        outcome
    }

    /// The local addresses: of datagram sockets by their [`SocketId`], then of listeners.
    pub fn local_addresses(&self) -> impl Iterator<Item = (Transport, SocketAddr)> {
        let udp = self.sockets.iter().map(|s| (Transport::Udp, s.address()));
        let tcp = self.listeners.iter().map(|a| (Transport::Tcp, *a));
        udp.chain(tcp)
    }

    /// What was counted since the start.
    pub fn counts(&self) -> ShellCounts {
        self.counters.read(self.pool.connections())
    }

    fn send_datagram(&self, transmit: &Transmit) -> Result<(), SendFault> {
        let remote = transmit.flow.remote;
        let suits = |socket: &&udp::Socket| socket.address().is_ipv4() == remote.is_ipv4();
        let named = self.sockets.get(usize::from(transmit.flow.socket.0));
        let socket = named
            .filter(suits)
            .or_else(|| self.sockets.iter().find(suits))
            .ok_or(SendFault::NoWay)?;
        match socket.send(&transmit.bytes, remote) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(SendFault::Full),
            Err(_) => Err(SendFault::NoWay),
        }
    }
}

/// The senders' side of the inboxes.
#[derive(Debug)]
struct Shards(Box<[mpsc::Sender<ShellEvent>]>);

impl Shards {
    fn of(&self, bytes: &[u8]) -> &mpsc::Sender<ShellEvent> {
        &self.0[shard_of(bytes, self.0.len())]
    }
}

fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() {
        tokio::net::TcpSocket::new_v4()?
    } else {
        tokio::net::TcpSocket::new_v6()?
    };
    // Only lets a restarted process have its port back; a living listener still keeps it.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// Connections that the kernel keeps until we accept them.
const BACKLOG: u32 = 1_024;
