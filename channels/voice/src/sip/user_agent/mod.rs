//! The user agent core: calls as dialogs over transactions, sans-IO.
//!
//! One [`UserAgent`] serves one shard. It is driven by its owner:
//!
//! 1. bytes and time go in by `handle_*` and by the commands (`invite`, `answer`, `hang_up`, ...);
//! 2. then [`UserAgent::poll_transmit`] and [`UserAgent::poll_event`] are emptied;
//! 3. and [`UserAgent::handle_timeout`] is called at [`UserAgent::next_timeout`].
//!
//! A [`DialogId`] is a number with a generation: a command for a dialog that is gone finds
//! [`CommandFault::Gone`], never another dialog. A dialog is found again by the number in our tag, so no table
//! of Call-IDs is kept.
//!
//! What deliberately does not live here: who may call (the source filter and digest server), what a session
//! description says (`sdp`), names of hosts (requests in a dialog go to addresses, or back to where the other
//! side's messages come from), and the choice of a stream for a long request (RFC 3261 §18.1.1): a request
//! goes by the transport of its flow. Ours take some 900 bytes; where long routes make them more than 1,300,
//! the other end is to be configured with `transport=tcp`, or its network has to bear fragments.

mod close;
mod dialog;
mod event;
mod incoming;
mod info;
mod offer;
mod outgoing;
mod outside;
mod request;
mod response;
mod session;
mod settings;
mod silence;
#[cfg(test)]
mod tests;

pub use event::{Cause, Event, Transmit};
pub use incoming::{Progress, Reliability};
pub use settings::{Invite, Limits, OutsideRequest, Place, SessionTimers, Settings, Shard};

use super::alarm::{Alarms, earlier};
use super::flow::{ConnectionId, Flow};
use super::header::Header;
use super::message::{Builder, Malformed, Message, Method};
use super::random::{Random, read_token, write_token};
use super::slab::{Key, Slab};
use super::transaction::{Bounds, ClientId, Layer, ServerId};
use bytes::Bytes;
use dialog::{Dialog, tag_of};
use outside::Outside;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A call, from its INVITE to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialogId(Key);

/// A request the user owes a response to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(ServerId);

/// A request of ours outside of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutsideId(Key);

/// Why a command was not carried out; nothing was changed or sent then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandFault {
    /// The dialog or request is over.
    #[error("the dialog or request is over")]
    Gone,
    /// The dialog is not where this command makes sense.
    #[error("the dialog does not stand where this makes sense")]
    WrongState,
    /// Another change of the session is under way; wait for its event.
    #[error("another change of the session is under way")]
    Busy,
    /// A bound of [`Limits`] is reached.
    #[error("no room for another dialog or request")]
    Full,
}

/// A transport that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportFailure {
    /// A stream ended.
    Connection(ConnectionId),
    /// Nothing reaches that address: a datagram came back, or a stream could not be opened.
    Unreachable(Flow),
}

/// Whose a client transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    dialog: Option<Key>,
    purpose: Purpose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Invite,
    Offer,
    Bye,
    /// CANCEL, PRACK, and the BYE to a fork: their responses change nothing.
    Aside,
    Info,
    Outside(Key),
    /// A server transaction.
    Served,
}

impl Owner {
    const fn of(dialog: Key, purpose: Purpose) -> Self {
        Self {
            dialog: Some(dialog),
            purpose,
        }
    }
}

/// The texts of one of our addresses, made once.
#[derive(Debug)]
struct Written {
    place: Place,
    /// `SIP/2.0/UDP host:port;rport;branch=`
    via: String,
    /// `<sip:user@host:port;transport=..>`
    contact: String,
}

/// All dialogs and transactions of one shard.
#[derive(Debug)]
pub struct UserAgent {
    settings: Settings,
    written: Vec<Written>,
    allow: String,
    random: Random,
    transactions: Layer<Owner>,
    dialogs: Slab<Dialog>,
    outside: Slab<Outside>,
    alarms: Alarms<Key>,
    events: VecDeque<Event>,
}

impl UserAgent {
    /// Makes a user agent; `seed` must be unpredictable, or tags and branches can be guessed.
    pub fn new(settings: Settings, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let limits = &settings.limits;
        let lifetime = settings.timings.lifetime();
        // The dialog gives up before: what is left then belongs to nobody.
        let bounds = Bounds {
            transactions_max: limits.transactions_max,
            proceeding_max: limits.ring_max + lifetime,
            unattended_max: limits.answer_max + lifetime,
        };
        let transactions = Layer::new(settings.timings, bounds, random.next());
        Self {
            written: settings
                .places
                .iter()
                .map(|place| write_place(place, &settings.contact_user))
                .collect(),
            allow: write_allow(&settings.methods),
            settings,
            random,
            transactions,
            dialogs: Slab::new(),
            outside: Slab::new(),
            alarms: Alarms::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes one datagram, WebSocket frame or framed stream message; what is no message is answered or dropped.
    pub fn handle_datagram(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        match Message::parse_datagram(bytes) {
            Ok(message) => self.handle_message(now, flow, message),
            Err(malformed) => self.handle_malformed(flow, &malformed),
        }
    }

    /// Answers a request that cannot be read, as far as it can be answered.
    pub fn handle_malformed(&mut self, flow: Flow, malformed: &Malformed) {
        let tag = self.mint_tag();
        if let Some(answer) = malformed.answer(flow.remote, &tag) {
            self.transactions.send(flow, answer, None);
        }
    }

    /// Takes one message.
    pub fn handle_message(&mut self, now: Instant, flow: Flow, message: Message) {
        if message.is_request() {
            self.receive_request(now, flow, message);
        } else {
            self.receive_response(now, flow, message);
        }
        self.drain_expired(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.transactions.handle_timeout(now);
        self.drain_expired(now);
        while let Some((due, key)) = self.alarms.pop(now) {
            let Some(dialog) = self.dialogs.get_mut(key) else {
                continue;
            };
            if dialog.alarm.rings(due) {
                self.wake(now, key);
                self.arm_not_before(key, Some(now + TICK));
            }
        }
    }

    /// When [`Self::handle_timeout`] is to be called; it may find nothing to do.
    pub fn next_timeout(&self) -> Option<Instant> {
        earlier(self.transactions.next_timeout(), self.alarms.next())
    }

    /// Tells that a transport failed: requests on it count as answered 503 (RFC 3261 §8.1.3.1).
    pub fn handle_transport_failure(&mut self, now: Instant, failure: TransportFailure) {
        match failure {
            TransportFailure::Connection(connection) => {
                self.transactions
                    .fail_clients(|flow| flow.connection == Some(connection));
                let lost: Vec<Key> = self
                    .dialogs
                    .iter()
                    .filter(|(_, dialog)| dialog.flow.connection == Some(connection))
                    .map(|(key, _)| key)
                    .collect();
                for key in lost {
                    self.events
                        .push_back(Event::ConnectionLost { id: DialogId(key) });
                }
            }
            TransportFailure::Unreachable(lost) => {
                self.transactions.fail_clients(|flow| {
                    flow.transport == lost.transport && flow.remote == lost.remote
                });
            }
        }
        self.drain_expired(now);
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let outgoing = self.transactions.poll_transmit()?;
        let dialog = outgoing.owner.and_then(|owner| owner.dialog).map(DialogId);
        Some(Transmit {
            flow: outgoing.flow,
            bytes: outgoing.bytes,
            dialog,
        })
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The dialog a received message belongs to; ask after handling it.
    pub fn dialog_of(&self, message: &Message) -> Option<DialogId> {
        let by_tag = if message.is_request() {
            message.to()
        } else {
            message.from()
        };
        let found = by_tag
            .and_then(|name| name.tag())
            .and_then(|tag| self.find_by_tag(tag, message.call_id()));
        let owner = || {
            if message.is_request() {
                self.transactions.owner_of_request(message)
            } else {
                self.transactions.owner_of_response(message)
            }
        };
        found
            .or_else(|| owner().and_then(|owner| owner.dialog))
            .map(DialogId)
    }

    /// How many dialogs there are.
    pub fn dialogs(&self) -> usize {
        self.dialogs.len()
    }

    /// How many transactions there are, lingering ones included.
    pub fn transactions(&self) -> usize {
        self.transactions.len()
    }

    /// Says whether nothing is left: no dialog, no transaction, nothing to send or tell.
    pub fn is_quiet(&self) -> bool {
        self.dialogs.is_empty()
            && self.outside.is_empty()
            && self.transactions.is_empty()
            && self.events.is_empty()
    }

    /// The Call-ID of a dialog.
    pub fn call_id(&self, id: DialogId) -> Option<&[u8]> {
        Some(&self.dialogs.get(id.0)?.names.call_id)
    }

    /// The dialogs there are now, those included that only wait for the end of their BYE.
    pub fn open(&self) -> Vec<DialogId> {
        self.dialogs.iter().map(|(key, _)| DialogId(key)).collect()
    }

    /// Our tag in a dialog.
    pub fn tag(&self, id: DialogId) -> Option<String> {
        self.dialogs
            .get(id.0)
            .map(|dialog| write_token(id.0.index, dialog.nonce))
    }

    fn arm(&mut self, key: Key) {
        self.arm_not_before(key, None);
    }

    /// What was due and is due still waits a tick, so that no dialog can hold up the others.
    fn arm_not_before(&mut self, key: Key, earliest: Option<Instant>) {
        if let Some(dialog) = self.dialogs.get_mut(key)
            && let Some(due) = dialog.due()
        {
            let due = earliest.map_or(due, |earliest| due.max(earliest));
            self.alarms.arm(&mut dialog.alarm, due, key);
        }
        let dialogs = &self.dialogs;
        self.alarms.prune(dialogs.len(), |due, key| {
            dialogs
                .get(key)
                .is_some_and(|dialog| dialog.alarm.is_set_to(due))
        });
    }

    /// RFC 3261 §12.2.2: a dialog is found by Call-ID and tags; our tag names its place.
    fn find_by_tag(&self, tag: &[u8], call_id: &[u8]) -> Option<Key> {
        let (index, nonce) = read_token(tag)?;
        let (key, dialog) = self.dialogs.at(index)?;
        (dialog.nonce == nonce && dialog.names.call_id.as_ref() == call_id).then_some(key)
    }

    /// The dialog a request was sent in: both tags agree.
    fn find_for_request(&self, message: &Message) -> Option<Key> {
        let to = message.to()?;
        let key = self.find_by_tag(to.tag()?, message.call_id())?;
        let from = message.header(Header::From).map_or(b"".as_slice(), tag_of);
        (self.dialogs.get(key)?.names.remote_tag() == from).then_some(key)
    }

    /// A tag that names no dialog, for answers that begin none.
    fn mint_tag(&mut self) -> String {
        write_token(u32::MAX, self.random.next())
    }

    fn written(&self, flow: &Flow) -> Option<&Written> {
        let fits = |written: &&Written| written.place.transport == flow.transport;
        self.written
            .iter()
            .find(|written| fits(written) && written.place.socket == flow.socket)
            .or_else(|| self.written.iter().find(fits))
            .or_else(|| self.written.first())
    }

    /// Begins a request of a dialog with all that RFC 3261 §12.2.1.1 wants.
    fn begin_in_dialog(
        &self,
        dialog: &Dialog,
        method: Method,
        sequence: u32,
        branch: &str,
        flow: &Flow,
    ) -> Builder {
        let (uri, route) = dialog.names.way();
        let mut builder = Builder::request(method, uri);
        if let Some(written) = self.written(flow) {
            builder.header_parts(Header::Via, &[written.via.as_bytes(), branch.as_bytes()]);
        }
        builder.header_number(Header::MaxForwards, dialog.max_forwards.into(), "");
        if let Some(route) = route {
            builder.header(Header::Route, route);
        }
        builder.header(Header::From, &dialog.names.local);
        builder.header(Header::To, &dialog.names.remote);
        builder.header(Header::CallId, &dialog.names.call_id);
        builder.header_number(Header::CSeq, sequence, method_suffix(method));
        builder
    }

    /// Adds what requests and responses that set up or refresh a target carry.
    fn put_contact(&self, builder: &mut Builder, flow: &Flow) {
        if let Some(written) = self.written(flow) {
            builder.header(Header::Contact, &written.contact);
        }
    }

    fn put_abilities(&self, builder: &mut Builder) {
        builder.header(Header::Allow, &self.allow);
        builder.header(
            Header::Supported,
            match self.settings.session_timers {
                SessionTimers::On { .. } => "100rel, timer",
                SessionTimers::Off => "100rel",
            },
        );
    }

    /// Sends a request in a dialog, with credentials when it was challenged before.
    fn send_in_dialog(
        &mut self,
        now: Instant,
        key: Key,
        method: Method,
        purpose: Purpose,
        write: impl FnOnce(&Self, &Dialog, &Flow, Builder) -> Bytes,
    ) -> Option<ClientId> {
        let dialog = self.dialogs.get_mut(key)?;
        dialog.local_sequence = dialog.local_sequence.wrapping_add(1) & 0x7fff_ffff;
        let sequence = dialog.local_sequence;
        let flow = dialog.names.next_hop(dialog.flow, dialog.peer);
        let (client, branch) = self
            .transactions
            .reserve(method, flow, Owner::of(key, purpose))?;
        let random = self.random.next();
        let mut digest = self.dialogs.get_mut(key)?.digest.take();
        let dialog = self.dialogs.get(key)?;
        let mut builder = self.begin_in_dialog(dialog, method, sequence, &branch, &flow);
        if let Some(digest) = &mut digest
            && digest.has_challenge()
        {
            for (name, value) in digest.authorize(
                method.as_str().as_bytes(),
                dialog.names.way().0,
                b"",
                random,
            ) {
                builder.header(name, value);
            }
        }
        builder.header(Header::UserAgent, &self.settings.product);
        let bytes = write(self, dialog, &flow, builder);
        if let Some(dialog) = self.dialogs.get_mut(key) {
            dialog.digest = digest;
        }
        self.transactions.request(now, client, bytes);
        Some(client)
    }
}

/// Shortest time between two wakings of one dialog.
const TICK: Duration = Duration::from_millis(1);
/// Hops that a request of ours may go which passes nothing on (RFC 3261 §8.1.1.6).
pub const MAX_FORWARDS: u8 = 70;

fn method_suffix(method: Method) -> &'static str {
    match method {
        Method::Invite => " INVITE",
        Method::Ack => " ACK",
        Method::Bye => " BYE",
        Method::Cancel => " CANCEL",
        Method::Options => " OPTIONS",
        Method::Register => " REGISTER",
        Method::Prack => " PRACK",
        Method::Update => " UPDATE",
        Method::Info => " INFO",
        Method::Refer => " REFER",
        Method::Notify => " NOTIFY",
        Method::Subscribe => " SUBSCRIBE",
        Method::Message => " MESSAGE",
        Method::Publish => " PUBLISH",
        Method::Other => "",
    }
}

fn write_place(place: &Place, user: &str) -> Written {
    use super::flow::Transport;
    let (scheme, transport) = match place.transport {
        Transport::Udp => ("sip", ""),
        Transport::Tcp => ("sip", ";transport=tcp"),
        Transport::Tls => ("sip", ";transport=tls"),
        Transport::WebSocket => ("sip", ";transport=ws"),
        Transport::SecureWebSocket => ("sips", ";transport=ws"),
    };
    Written {
        via: format!(
            "SIP/2.0/{} {};rport;branch=",
            place.transport.as_str(),
            place.address
        ),
        contact: format!("<{scheme}:{user}@{}{transport}>", place.address),
        place: place.clone(),
    }
}

fn write_allow(methods: &[Method]) -> String {
    let mut allow = String::from("INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE");
    for method in methods {
        if !matches!(method, Method::Options | Method::Other) {
            allow.push_str(", ");
            allow.push_str(method.as_str());
        }
    }
    allow
}
