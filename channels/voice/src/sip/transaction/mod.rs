//! Transactions: the four machines of RFC 3261 section 17, with the Accepted states of RFC 6026.
//!
//! A transaction is a small value in a numbered place. A client transaction is found by the place its
//! branch names, a server transaction by a keyed hash of what RFC 3261 §17.2.3 compares; a finished
//! one keeps the bytes it may have to repeat, and nothing else, for its linger time. The machines know
//! no dialogs: their user gives each an owner `O`, and gets it back with every answer.

mod client;
mod server;
#[cfg(test)]
mod tests;

use super::alarm::{Alarms, earlier};
use super::flow::Flow;
use super::message::{Message, Method};
use super::random::Random;
use super::slab::{Key, Slab};
use bytes::Bytes;
use client::Client;
use server::Server;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

pub(crate) use client::{ClientId, Reply};
pub(crate) use server::{RETRY_AFTER_S, Reception, ServerId, refuse_full};

/// The three times all timers derive from (RFC 3261 §17.1.1.1 and table 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// Round-trip estimate; 500 ms.
    pub t1: Duration,
    /// Longest retransmission interval; 4 s.
    pub t2: Duration,
    /// Longest life of a message in the network; 5 s.
    pub t4: Duration,
}

impl Timings {
    /// 64*T1: timers B, F, H, J, L and M, and D on UDP, for which RFC 3261 §17.1.1.2 wants 32 s at least.
    pub const fn lifetime(&self) -> Duration {
        self.t1.saturating_mul(64)
    }
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
        }
    }
}

/// When to send something again, and how long to wait after that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resend {
    pub(super) at: Instant,
    pub(super) interval: Duration,
}

impl Resend {
    pub(super) fn after(now: Instant, interval: Duration) -> Self {
        Self {
            at: now + interval,
            interval,
        }
    }

    /// The next time, the interval doubled up to `interval_max`.
    pub(super) fn doubled(self, now: Instant, interval_max: Duration) -> Self {
        Self::after(now, self.interval.saturating_mul(2).min(interval_max))
    }
}

/// Bytes to send, and whose they are.
#[derive(Debug)]
pub(crate) struct Outgoing<O> {
    pub(crate) flow: Flow,
    pub(crate) bytes: Bytes,
    pub(crate) owner: Option<O>,
}

/// What the machines tell their user when time passes or a transport fails.
#[derive(Debug)]
pub(crate) enum Expired<O> {
    /// No final response came in time (timers B and F), or the request could not be sent.
    Unanswered {
        owner: O,
        request: Bytes,
        cause: Silence,
    },
    /// The user gave no final response to a request other than INVITE in 64*T1.
    Unattended(ServerId),
}

/// Why no response came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// RFC 3261 §8.1.3.1: a timeout counts as 408.
    Timeout,
    /// RFC 3261 §8.1.3.1: a transport error counts as 503.
    Transport,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Client(Key),
    Server(Key),
}

/// What a layer bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) transactions_max: usize,
    pub(crate) proceeding_max: Duration,
    pub(crate) unattended_max: Duration,
}

/// All transactions of one user agent.
#[derive(Debug)]
pub(crate) struct Layer<O> {
    timings: Timings,
    /// Most transactions of each side; requests that end something get a quarter more.
    transactions_max: usize,
    /// Longest time an INVITE may stay provisional; its user gives up before.
    proceeding_max: Duration,
    /// Longest time an INVITE may wait for its user, who refuses it before.
    unattended_max: Duration,
    random: Random,
    clients: Slab<Client<O>>,
    servers: Slab<Server<O>>,
    /// Server transactions by their own key, and by that of a merged request (RFC 3261 §8.2.2.2).
    by_hash: BTreeMap<u128, Key>,
    alarms: Alarms<Who>,
    transmits: VecDeque<Outgoing<O>>,
    expired: VecDeque<Expired<O>>,
}

impl<O: Copy> Layer<O> {
    pub(crate) fn new(timings: Timings, bounds: Bounds, seed: u64) -> Self {
        Self {
            timings,
            transactions_max: bounds.transactions_max,
            proceeding_max: bounds.proceeding_max,
            unattended_max: bounds.unattended_max,
            random: Random::new(seed),
            clients: Slab::new(),
            servers: Slab::new(),
            by_hash: BTreeMap::new(),
            alarms: Alarms::new(),
            transmits: VecDeque::new(),
            expired: VecDeque::new(),
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.alarms.next()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some((due, who)) = self.alarms.pop(now) {
            match who {
                Who::Client(key) => self.wake_client(now, due, key),
                Who::Server(key) => self.wake_server(now, due, key),
            }
        }
        self.prune_alarms();
    }

    fn prune_alarms(&mut self) {
        let (clients, servers) = (&self.clients, &self.servers);
        self.alarms
            .prune(clients.len() + servers.len(), |due, who| match who {
                Who::Client(key) => clients
                    .get(key)
                    .is_some_and(|client| client.alarm.is_set_to(due)),
                Who::Server(key) => servers
                    .get(key)
                    .is_some_and(|server| server.alarm.is_set_to(due)),
            });
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Outgoing<O>> {
        self.transmits.pop_front()
    }

    pub(crate) fn poll_expired(&mut self) -> Option<Expired<O>> {
        self.expired.pop_front()
    }

    /// Sends bytes that belong to no transaction: ACK to 2xx, repeated 2xx, stateless answers.
    pub(crate) fn send(&mut self, flow: Flow, bytes: Bytes, owner: Option<O>) {
        self.transmits.push_back(Outgoing { flow, bytes, owner });
    }

    /// How many transactions there are, lingering ones included.
    pub(crate) fn len(&self) -> usize {
        self.clients.len() + self.servers.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.servers.is_empty()
    }

    fn room_for(&self, method: Method) -> usize {
        match method {
            Method::Bye | Method::Cancel | Method::Prack => {
                self.transactions_max + self.transactions_max / 4
            }
            Method::Invite
            | Method::Ack
            | Method::Options
            | Method::Register
            | Method::Update
            | Method::Info
            | Method::Refer
            | Method::Notify
            | Method::Subscribe
            | Method::Message
            | Method::Publish
            | Method::Other => self.transactions_max,
        }
    }
}

/// The earliest of a repetition and an end.
fn next_due(resend: Option<Resend>, end: Option<Instant>) -> Option<Instant> {
    earlier(resend.map(|resend| resend.at), end)
}

/// RFC 3261 §8.1.1.7: branches that are unique by this RFC begin so.
pub(crate) const BRANCH_MAGIC: &str = "z9hG4bK";

/// Reads bytes this stack wrote; `None` cannot happen, and would only lose a repetition.
fn read_own(bytes: &Bytes) -> Option<Message> {
    Message::parse_datagram(bytes.clone()).ok()
}
