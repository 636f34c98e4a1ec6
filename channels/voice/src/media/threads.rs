//! The shell of media: one thread with its sockets and clock. It holds no decisions.

use super::core::{Ports, Socket, Transmit};
use super::engine::Bell;
use super::gather::Gather;
use super::port_range::PortRange;
use super::rtcp::COMPOUND_BYTES_MAX;
use super::rtp::PACKET_BYTES_MAX;
use super::terms::{MediaEvent, Owner, PortCommand, PortId, Shard};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use std::io::ErrorKind;
use std::net::UdpSocket as StdUdpSocket;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What a thread is ordered to do.
pub(super) enum Order {
    Open {
        id: PortId,
        owner: Owner,
        random: [u64; 2],
        sockets: Box<Sockets>,
    },
    Command {
        id: PortId,
        command: PortCommand,
    },
    Bridge {
        a: PortId,
        b: PortId,
    },
    Unbridge {
        a: PortId,
        b: PortId,
    },
    Stop,
}

/// The bound sockets of one port.
pub(super) struct Sockets {
    pub(super) rtp: StdUdpSocket,
    pub(super) rtcp: StdUdpSocket,
    pub(super) shard: Shard,
}

/// What a thread is made of.
pub(super) struct ThreadParts<F> {
    pub(super) poll: Poll,
    pub(super) inbox: mpsc::Receiver<Order>,
    pub(super) bell: Arc<Bell>,
    pub(super) range: Arc<Mutex<PortRange>>,
    pub(super) send_failures: Arc<AtomicU64>,
    pub(super) silent_after: Duration,
    pub(super) events: F,
}

/// One media thread.
pub(super) struct Thread<F> {
    parts: ThreadParts<F>,
    ports: Ports,
    sockets: Vec<Option<Registered>>,
    /// Sockets that were left with packets unread, for the sake of the others.
    unread: Vec<Token>,
    gather: Gather,
}

struct Registered {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    shard: Shard,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    GoesOn,
    Ends,
}

impl<F: Fn(Shard, MediaEvent)> Thread<F> {
    pub(super) fn new(parts: ThreadParts<F>) -> Self {
        let (now, silent_after) = (Instant::now(), parts.silent_after);
        Self {
            parts,
            ports: Ports::new(now, ntp_now(), silent_after),
            sockets: Vec::new(),
            unread: Vec::new(),
            gather: Gather::new(now),
        }
    }

    /// Moves packets until it is told to stop.
    pub(super) fn run(mut self) {
        let mut ready = Events::with_capacity(READY_MAX);
        let mut packet = [0; PACKET_BYTES_MAX];
        loop {
            let timeout = self.timeout();
            if let Err(error) = self.parts.poll.poll(&mut ready, timeout)
                && error.kind() != ErrorKind::Interrupted
            {
                tracing::error!(%error, "media thread ends: it cannot wait for packets");
                return;
            }
            let looked_at = Instant::now();
            let (mut now, mut packets) = (looked_at, 0);
            // Orders come first: whoever orders and then sends a packet expects this order here.
            let life = self.take_orders(now);
            for token in std::mem::take(&mut self.unread) {
                packets += self.receive(now, token, &mut packet);
            }
            for (event, count) in ready.iter().zip(1_usize..) {
                if event.token() != BELL {
                    packets += self.receive(now, event.token(), &mut packet);
                }
                if count.is_multiple_of(CLOCK_EVERY) {
                    now = Instant::now();
                }
            }
            self.ports.handle_timeout(now);
            self.drain(now, &mut packet);
            if life == Life::Ends {
                return;
            }
            self.gather.note(looked_at, packets);
            let pause = self.gather.pause(looked_at, Instant::now());
            if let Some(pause) = pause.filter(|_| self.unread.is_empty()) {
                thread::sleep(pause);
            }
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.unread.is_empty() {
            return Some(Duration::ZERO);
        }
        self.ports
            .next_timeout()
            .map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Readiness is told once, so a socket is read until it is empty, or noted as unread. Gives how many
    /// packets there were.
    fn receive(&mut self, now: Instant, token: Token, packet: &mut [u8; PACKET_BYTES_MAX]) -> u32 {
        let (index, socket) = place_of(token);
        for packets in 0..BURST_MAX {
            let Some(Some(sockets)) = self.sockets.get(usize::from(index)) else {
                return packets;
            };
            let received = match socket {
                Socket::Rtp => sockets.rtp.recv_from(packet),
                Socket::Rtcp => sockets.rtcp.recv_from(packet),
            };
            let (bytes, source) = match received {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return packets,
                // An answer to an earlier packet of ours (port unreachable): the next may be audio.
                Err(_) => continue,
            };
            if bytes == packet.len() {
                // The system may have cut it; no telephone sends packets of this size.
                continue;
            }
            match socket {
                Socket::Rtp => {
                    if let Some(transmit) = self.ports.handle_rtp(now, index, source, packet, bytes)
                    {
                        self.send(transmit, packet);
                    }
                }
                Socket::Rtcp => {
                    let received = packet.get(..bytes).unwrap_or_default();
                    let mut report = [0; COMPOUND_BYTES_MAX];
                    let transmit =
                        self.ports
                            .handle_rtcp(now, index, source, received, &mut report);
                    if let Some(transmit) = transmit {
                        self.send(transmit, &report);
                    }
                }
            }
        }
        self.unread.push(token);
        BURST_MAX
    }

    fn take_orders(&mut self, now: Instant) -> Life {
        self.parts.bell.reset();
        while let Ok(order) = self.parts.inbox.try_recv() {
            self.parts.bell.note_taken();
            match order {
                Order::Open {
                    id,
                    owner,
                    random,
                    sockets,
                } => {
                    self.ports.open(now, id, owner, random);
                    if let Err(error) = self.register(id.index, *sockets) {
                        tracing::warn!(%error, "a media port cannot be watched, it is closed");
                        self.ports.handle_command(now, id, PortCommand::Close);
                    }
                }
                Order::Command { id, command } => self.ports.handle_command(now, id, command),
                Order::Bridge { a, b } => self.ports.bridge(a, b),
                Order::Unbridge { a, b } => self.ports.unbridge(a, b),
                Order::Stop => return Life::Ends,
            }
        }
        Life::GoesOn
    }

    fn register(&mut self, index: u16, sockets: Sockets) -> std::io::Result<()> {
        let place = usize::from(index);
        if self.sockets.len() <= place {
            self.sockets.resize_with(place + 1, || None);
        }
        let registered = self.sockets[place].insert(Registered {
            rtp: UdpSocket::from_std(sockets.rtp),
            rtcp: UdpSocket::from_std(sockets.rtcp),
            shard: sockets.shard,
        });
        let registry = self.parts.poll.registry();
        for (socket, token) in [
            (&mut registered.rtp, token_of(index, Socket::Rtp)),
            (&mut registered.rtcp, token_of(index, Socket::Rtcp)),
        ] {
            registry.register(socket, token, Interest::READABLE)?;
        }
        Ok(())
    }

    fn drain(&mut self, now: Instant, packet: &mut [u8; PACKET_BYTES_MAX]) {
        while let Some(transmit) = self.ports.poll_transmit(now, packet) {
            self.send(transmit, packet);
        }
        while let Some(event) = self.ports.poll_event() {
            if let Some(Some(sockets)) = self.sockets.get(usize::from(event.port.index)) {
                (self.parts.events)(sockets.shard, event);
            }
        }
        while let Some(index) = self.ports.poll_closed() {
            if let Some(slot) = self.sockets.get_mut(usize::from(index)) {
                // Closing a socket takes it out of the poll.
                *slot = None;
            }
            let range = self.parts.range.lock();
            range
                .unwrap_or_else(PoisonError::into_inner)
                .give_back(index);
        }
    }

    fn send(&self, transmit: Transmit, packet: &[u8]) {
        let sockets = self.sockets.get(usize::from(transmit.index));
        let (Some(Some(sockets)), Some(bytes)) = (sockets, packet.get(..transmit.bytes)) else {
            return;
        };
        let sent = match transmit.socket {
            Socket::Rtp => sockets.rtp.send_to(bytes, transmit.to),
            Socket::Rtcp => sockets.rtcp.send_to(bytes, transmit.to),
        };
        if sent.is_err() {
            // Audio that cannot be sent now is worth nothing later.
            self.parts.send_failures.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn token_of(index: u16, socket: Socket) -> Token {
    Token(2 * usize::from(index) + if socket == Socket::Rtp { 0 } else { 1 })
}

fn place_of(token: Token) -> (u16, Socket) {
    let socket = if token.0.is_multiple_of(2) {
        Socket::Rtp
    } else {
        Socket::Rtcp
    };
    ((token.0 / 2) as u16, socket)
}

/// The wall's clock as 32.32 seconds since 1900 (RFC 3550 §4).
fn ntp_now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    ((since.as_secs() + NTP_TO_UNIX_S) << 32) | fraction
}

/// The token of the bell; ports have those below 131,072.
pub(super) const BELL: Token = Token(usize::MAX);
/// Sockets that are told ready at once; the rest is told at the next turn.
const READY_MAX: usize = 1_024;
/// Packets read from one socket before the others have their turn.
const BURST_MAX: u32 = 32;
/// Sockets between two looks at the clock: 0.1 ms at 3 µs a packet.
const CLOCK_EVERY: usize = 32;
/// Seconds from 1900 to 1970.
const NTP_TO_UNIX_S: u64 = 2_208_988_800;
