//! The door to media: opens ports and hands commands to the threads that own them, never waiting.

use super::port_range::PortRange;
use super::terms::{MediaEvent, Owner, PortCommand, PortId, Shard};
use super::threads::{Order, Sockets, Thread, ThreadParts};
use socket2::SockRef;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

/// How media is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address that the sockets are bound to.
    pub bind: IpAddr,
    /// The address that peers are told; another one than `bind` behind a router.
    pub advertised: IpAddr,
    /// The UDP ports to use, two for each leg.
    pub ports: RangeInclusive<u16>,
    /// Threads that move packets, 1 to 64; [`Settings::threads_for`] gives the usual number.
    pub threads: usize,
    /// How long a peer may send nothing before `Silent` is told.
    pub silent_after: Duration,
}

impl Settings {
    /// One thread for two cores: the other one is for signalling.
    pub fn threads_for(cores: usize) -> usize {
        (cores / 2).clamp(1, THREADS_MAX)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            advertised: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: 10_000..=59_999,
            threads: 1,
            silent_after: Duration::from_secs(10),
        }
    }
}

/// All media threads; a handle that is cloned freely. The threads end with the last handle.
#[derive(Clone, Debug)]
pub struct MediaEngine {
    shared: Arc<Shared>,
}

/// A port that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortHandle {
    /// Its name for commands.
    pub id: PortId,
    /// Where the peer is to send, for the session description.
    pub rtp: SocketAddr,
}

/// Why a port was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFault {
    /// Every pair of the range is used, by us or by others.
    #[error("no free pair of UDP ports in the media port range")]
    PortsExhausted,
    /// The system gives no socket: descriptors, memory, or the address is not ours.
    #[error("cannot open a media socket")]
    Socket(#[source] io::Error),
    /// The thread that would own it is gone.
    #[error("the media threads have ended")]
    Stopped,
}

/// Why a command was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandFault {
    /// Too many commands wait; the thread does not keep up.
    #[error("too many media commands are waiting")]
    Busy,
    /// The two ports belong to different threads; legs of one call are opened for one shard.
    #[error("ports of different shards cannot be bridged")]
    Apart,
    /// The thread that owns the port is gone.
    #[error("the media threads have ended")]
    Stopped,
}

#[derive(Debug)]
struct Shared {
    bind: IpAddr,
    advertised: IpAddr,
    range: Arc<Mutex<PortRange>>,
    mailboxes: Vec<Mailbox>,
    random: RandomState,
    random_count: AtomicU64,
    send_failures: Arc<AtomicU64>,
}

/// One thread's inbox.
#[derive(Debug)]
struct Mailbox {
    orders: mpsc::Sender<Order>,
    bell: Arc<Bell>,
}

/// Wakes a thread once for any number of orders.
#[derive(Debug)]
pub(super) struct Bell {
    waker: mio::Waker,
    is_rung: AtomicBool,
    waiting: AtomicUsize,
}

impl Bell {
    fn new(waker: mio::Waker) -> Self {
        Self {
            waker,
            is_rung: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
        }
    }

    fn ring(&self) {
        if !self.is_rung.swap(true, Ordering::AcqRel) {
            // A waker that fails has lost its thread; the sender learns that from the channel.
            let _ = self.waker.wake();
        }
    }

    /// To be called before the orders are taken, so that a later one rings again.
    pub(super) fn reset(&self) {
        self.is_rung.store(false, Ordering::Release);
    }

    pub(super) fn note_taken(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl MediaEngine {
    /// Starts the threads; `events` is called on them and must not wait.
    pub fn start<F>(settings: &Settings, events: F) -> io::Result<Self>
    where
        F: Fn(Shard, MediaEvent) + Send + Clone + 'static,
    {
        let random = RandomState::new();
        let range = PortRange::new(settings.ports.clone(), random.hash_one(0_u64));
        let range = Arc::new(Mutex::new(range));
        let send_failures = Arc::new(AtomicU64::new(0));
        let mut mailboxes = Vec::new();
        for number in 0..settings.threads.clamp(1, THREADS_MAX) {
            let poll = mio::Poll::new()?;
            let waker = mio::Waker::new(poll.registry(), super::threads::BELL)?;
            let bell = Arc::new(Bell::new(waker));
            let (orders, inbox) = mpsc::channel();
            let thread = Thread::new(ThreadParts {
                poll,
                inbox,
                bell: Arc::clone(&bell),
                range: Arc::clone(&range),
                send_failures: Arc::clone(&send_failures),
                silent_after: settings.silent_after,
                events: events.clone(),
            });
            thread::Builder::new()
                .name(format!("media-{number}"))
                .stack_size(STACK_BYTES)
                .spawn(move || thread.run())?;
            mailboxes.push(Mailbox { orders, bell });
        }
        Ok(Self {
            shared: Arc::new(Shared {
                bind: settings.bind,
                advertised: settings.advertised,
                range,
                mailboxes,
                random,
                random_count: AtomicU64::new(1),
                send_failures,
            }),
        })
    }

    /// Opens a port for one leg. Its events go to `shard`; legs that will hear each other are
    /// opened for the same shard.
    pub fn open(&self, owner: Owner, shard: Shard) -> Result<PortHandle, OpenFault> {
        let shared = &*self.shared;
        let thread = usize::from(shard.0) % shared.mailboxes.len();
        for attempt in 0..BIND_TRIES {
            let pair = match attempt {
                ..TRIES_IN_TURN => shared.range().take(),
                _ => shared.range().take_anywhere(shared.random()),
            };
            let pair = pair.ok_or(OpenFault::PortsExhausted)?;
            let sockets = match bind_pair(shared.bind, pair.rtp) {
                Ok((rtp, rtcp)) => Sockets { rtp, rtcp, shard },
                Err(error) => {
                    shared.range().give_back(pair.index);
                    if error.kind() == io::ErrorKind::AddrInUse {
                        continue;
                    }
                    return Err(OpenFault::Socket(error));
                }
            };
            let id = PortId {
                thread: thread as u8,
                index: pair.index,
                generation: pair.generation,
            };
            let order = Order::Open {
                id,
                owner,
                random: [shared.random(), shared.random()],
                sockets: Box::new(sockets),
            };
            if self.send(thread, order).is_err() {
                shared.range().give_back(pair.index);
                return Err(OpenFault::Stopped);
            }
            return Ok(PortHandle {
                id,
                rtp: SocketAddr::new(shared.advertised, pair.rtp),
            });
        }
        Err(OpenFault::PortsExhausted)
    }

    /// Tells one port what to do. `Close` is always taken; a port that is closed ignores commands.
    pub fn command(&self, port: PortId, command: PortCommand) -> Result<(), CommandFault> {
        let thread = usize::from(port.thread);
        let is_close = matches!(command, PortCommand::Close);
        if !is_close {
            self.check_room(thread)?;
        }
        self.send(thread, Order::Command { id: port, command })
    }

    /// Lets two ports hear each other.
    pub fn bridge(&self, a: PortId, b: PortId) -> Result<(), CommandFault> {
        if a.thread != b.thread {
            return Err(CommandFault::Apart);
        }
        self.check_room(usize::from(a.thread))?;
        self.send(usize::from(a.thread), Order::Bridge { a, b })
    }

    /// Lets two ports hear each other no longer.
    pub fn unbridge(&self, a: PortId, b: PortId) -> Result<(), CommandFault> {
        self.check_room(usize::from(a.thread))?;
        self.send(usize::from(a.thread), Order::Unbridge { a, b })
    }

    /// Pairs of ports that are used now, and how many there are.
    pub fn ports_used(&self) -> (usize, usize) {
        let range = self.shared.range();
        (range.pairs() - range.pairs_free(), range.pairs())
    }

    /// Packets that the system did not take, since the start.
    pub fn send_failures(&self) -> u64 {
        self.shared.send_failures.load(Ordering::Relaxed)
    }

    fn check_room(&self, thread: usize) -> Result<(), CommandFault> {
        let mailbox = self
            .shared
            .mailboxes
            .get(thread)
            .ok_or(CommandFault::Stopped)?;
        if mailbox.bell.waiting.load(Ordering::Relaxed) >= ORDERS_MAX {
            return Err(CommandFault::Busy);
        }
        Ok(())
    }

    fn send(&self, thread: usize, order: Order) -> Result<(), CommandFault> {
        let mailbox = self
            .shared
            .mailboxes
            .get(thread)
            .ok_or(CommandFault::Stopped)?;
        mailbox.bell.waiting.fetch_add(1, Ordering::Relaxed);
        mailbox
            .orders
            .send(order)
            .map_err(|_| CommandFault::Stopped)?;
        mailbox.bell.ring();
        Ok(())
    }
}

impl Shared {
    fn range(&self) -> std::sync::MutexGuard<'_, PortRange> {
        self.range.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers that a peer cannot guess from others: a keyed hash of a count.
    fn random(&self) -> u64 {
        self.random
            .hash_one(self.random_count.fetch_add(1, Ordering::Relaxed))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for mailbox in &self.mailboxes {
            // A thread that is gone already needs no stopping.
            let _ = mailbox.orders.send(Order::Stop);
            mailbox.bell.ring();
        }
    }
}

fn bind_pair(address: IpAddr, port: u16) -> io::Result<(UdpSocket, UdpSocket)> {
    let rtp = UdpSocket::bind((address, port))?;
    let rtcp = UdpSocket::bind((address, port + 1))?;
    rtp.set_nonblocking(true)?;
    rtcp.set_nonblocking(true)?;
    let socket = SockRef::from(&rtp);
    // Some systems allow no marking; audio goes unmarked then.
    let _ = match address {
        IpAddr::V4(_) => socket.set_tos_v4(TRAFFIC_CLASS),
        IpAddr::V6(_) => socket.set_tclass_v6(TRAFFIC_CLASS),
    };
    Ok((rtp, rtcp))
}

/// RFC 4594 §4.1: telephony is marked EF (46), in the upper six bits.
const TRAFFIC_CLASS: u32 = 46 << 2;
/// Most media threads.
pub const THREADS_MAX: usize = 64;
/// Pairs that are tried when other programs sit on the range: with a tenth of it free, one call in a
/// thousand finds none.
const BIND_TRIES: u32 = 72;
/// Pairs of these that are tried in turn before any.
const TRIES_IN_TURN: u32 = 4;
/// Commands that may wait for one thread; closing a port is taken beyond it.
const ORDERS_MAX: usize = 65_536;
/// A media thread keeps one packet on its stack.
const STACK_BYTES: usize = 256 * 1024;
