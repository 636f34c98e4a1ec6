//! Who may come in: trunks by address or account, phones by account, and where each phone is.
//!
//! One door for all shards. It is asked at the start of a call and at a registration, never on the way
//! of a message within a call, so one short lock does.

use ringdown_routing::ids::AgentId;
use ringdown_voice::sip::digest::{Ha1, Server, ServerSettings, Stale, Verdict};
use ringdown_voice::sip::flow::{ConnectionId, Flow};
use ringdown_voice::sip::header::Header;
use ringdown_voice::sip::message::Message;
use ringdown_voice::sip::registrar::{
    Binding, NextHop, Registrar, RegistrarEvent, RegistrarSettings, Reply,
};
use ringdown_voice::sip::source_filter::{Admission, SourceFilter, SourceFilterSettings};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What is done with a call that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It is this trunk's.
    Trunk(Arc<str>),
    /// It is the phone of one of our own people.
    Phone(Arc<str>),
    /// It is answered with this.
    Respond(Reply),
    /// It gets no answer.
    Drop,
}

/// Where a phone is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    /// Its contact URI: the Request-URI.
    pub(super) uri: String,
    /// The Path it registered by, topmost first.
    pub(super) path: Vec<String>,
    /// Where the request is sent first.
    pub(super) next_hop: NextHop,
}

/// Accounts that may prove themselves, by user name.
pub(super) type Accounts = BTreeMap<Arc<str>, Account>;

/// One account.
#[derive(Clone, Debug)]
pub(super) struct Account {
    /// The stored secret.
    pub(super) secret: Ha1,
    /// Whose it is.
    pub(super) kind: AccountKind,
}

/// Whose account it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AccountKind {
    /// An agent's phone.
    Agent,
    /// A trunk's, by the trunk's name.
    Trunk(Arc<str>),
}

/// The door; see the [module](self).
#[derive(Debug)]
pub(super) struct Door {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    filter: SourceFilter,
    digest: Server,
    accounts: Accounts,
    registrar: Registrar,
}

/// What the door is made of.
#[derive(Debug)]
pub(super) struct DoorSettings {
    /// Who comes from where.
    pub(super) filter: SourceFilterSettings,
    /// The realm and its nonces.
    pub(super) digest: ServerSettings,
    /// The bounds of registrations.
    pub(super) registrar: RegistrarSettings,
}

impl Door {
    /// Makes a door; `key` is 32 random bytes that nobody else knows.
    pub(super) fn new(settings: DoorSettings, key: [u8; 32], now: Instant) -> Self {
        Self {
            inner: Mutex::new(Inner {
                filter: SourceFilter::new(settings.filter),
                digest: Server::new(settings.digest, key, now),
                accounts: Accounts::new(),
                registrar: Registrar::new(settings.registrar),
            }),
        }
    }

    /// Takes the accounts as they are now; whoever has none any more is out of reach.
    pub(super) fn set_accounts(&self, accounts: Accounts) {
        let mut inner = self.lock();
        let gone: Vec<Arc<str>> = inner
            .registrar
            .users()
            .map(|(user, _)| Arc::clone(user))
            .filter(|user| inner.accounts.contains_key(user) && !accounts.contains_key(user))
            .collect();
        for user in gone {
            inner.registrar.remove_user(&user);
        }
        inner.accounts = accounts;
    }

    /// Takes an agent's phones away.
    pub(super) fn remove_user(&self, agent: &AgentId) {
        self.lock().registrar.remove_user(agent.as_str());
    }

    /// Takes an agent's phone away if it was entered by configuration.
    pub(super) fn remove_static(&self, agent: &AgentId) {
        let mut inner = self.lock();
        if inner
            .registrar
            .bindings(agent.as_str())
            .iter()
            .any(Binding::is_static)
        {
            inner.registrar.remove_user(agent.as_str());
        }
    }

    /// Judges a call that came in; `random` mints the nonce of a challenge.
    pub(super) fn admit(&self, now: Instant, flow: &Flow, invite: &Message, random: u64) -> Entry {
        let inner = &mut *self.lock();
        let source = flow.remote.ip();
        match inner.filter.admit(now, source, invite) {
            Admission::Trunk(name) => Entry::Trunk(name),
            Admission::Silence(_) => Entry::Drop,
            Admission::Refuse => Entry::Respond(reply(403, "Forbidden")),
            Admission::Prove if !inner.may_prove(source, invite) => {
                Entry::Respond(reply(403, "Forbidden"))
            }
            Admission::Prove => match inner.prove(now, invite, Header::ProxyAuthorization) {
                Ok(user) => inner.entry_of(&user, source),
                Err(refusal) => {
                    inner.note(now, source, refusal);
                    let challenge = (
                        407,
                        "Proxy Authentication Required",
                        Header::ProxyAuthenticate,
                    );
                    Entry::Respond(inner.challenge(now, invite, challenge, refusal.stale(), random))
                }
            },
        }
    }

    /// Takes a REGISTER; `None` leaves it without an answer.
    pub(super) fn register(
        &self,
        now: Instant,
        flow: Flow,
        request: &Message,
        random: u64,
    ) -> Option<Reply> {
        let inner = &mut *self.lock();
        let source = flow.remote.ip();
        match inner.filter.admit(now, source, request) {
            Admission::Silence(_) => return None,
            Admission::Refuse => return Some(reply(403, "Forbidden")),
            Admission::Trunk(_) | Admission::Prove => {}
        }
        match inner.prove(now, request, Header::Authorization) {
            Ok(user) => Some(inner.registrar.handle_register(now, flow, request, &user)),
            Err(refusal) => {
                inner.note(now, source, refusal);
                let challenge = (401, "Unauthorized", Header::WwwAuthenticate);
                Some(inner.challenge(now, request, challenge, refusal.stale(), random))
            }
        }
    }

    /// Enters a phone that does not register itself; false when there is no room.
    pub(super) fn add_static(&self, agent: &AgentId, uri: &str, flow: Flow) -> bool {
        self.lock().registrar.add_static(agent.as_str(), uri, flow)
    }

    /// Where an agent's phone is, the most preferred contact.
    pub(super) fn locate(&self, agent: &AgentId) -> Option<Location> {
        let inner = self.lock();
        let binding: &Binding = inner.registrar.bindings(agent.as_str()).first()?;
        Some(Location {
            uri: binding.uri.to_string(),
            path: binding.path.iter().map(ToString::to_string).collect(),
            next_hop: binding.next_hop(),
        })
    }

    /// Is told that a connection has ended.
    pub(super) fn handle_connection_lost(&self, connection: ConnectionId) {
        self.lock().registrar.handle_connection_lost(connection);
    }

    /// Is told that a source sent what cannot be read.
    pub(super) fn handle_garbage(&self, now: Instant, flow: &Flow) {
        self.lock().filter.handle_failure(now, flow.remote.ip());
    }

    /// Takes out registrations that have run out.
    pub(super) fn handle_timeout(&self, now: Instant) {
        self.lock().registrar.handle_timeout(now);
    }

    /// The next change of who is within reach.
    pub(super) fn poll_event(&self) -> Option<RegistrarEvent> {
        self.lock().registrar.poll_event()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while holding the lock is a bug told elsewhere; the tables are whole between calls.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn prove(
        &mut self,
        now: Instant,
        request: &Message,
        header: Header,
    ) -> Result<Arc<str>, ringdown_voice::sip::digest::Refusal> {
        let method = request.method_text();
        let uri = request.request_uri().unwrap_or_default();
        let accounts = &self.accounts;
        let verdict = self
            .digest
            .judge(now, method, uri, request.lines(header), |user| {
                accounts.get(user).map(|account| account.secret.clone())
            });
        match verdict {
            Verdict::Accepted { username } => Ok(username.into()),
            Verdict::Refused(refusal) => Err(refusal),
        }
    }

    fn note(
        &mut self,
        now: Instant,
        source: std::net::IpAddr,
        refusal: ringdown_voice::sip::digest::Refusal,
    ) {
        if refusal.is_suspicious() {
            self.filter.handle_failure(now, source);
        }
    }

    fn entry_of(&self, user: &Arc<str>, source: std::net::IpAddr) -> Entry {
        match self.accounts.get(user).map(|account| &account.kind) {
            Some(AccountKind::Trunk(name)) if self.filter.may_be_trunk(name, source) => {
                Entry::Trunk(Arc::clone(name))
            }
            Some(AccountKind::Agent) if self.filter.is_phone(source) => {
                Entry::Phone(Arc::clone(user))
            }
            Some(AccountKind::Trunk(_) | AccountKind::Agent) | None => {
                Entry::Respond(reply(403, "Forbidden"))
            }
        }
    }

    /// Whether anybody who might call from there has an account: a trunk's caller has any number in From,
    /// a phone has its own name there.
    fn may_prove(&self, source: std::net::IpAddr, invite: &Message) -> bool {
        let user = invite
            .from()
            .and_then(|from| from.uri())
            .and_then(|uri| uri.user_text())
            .unwrap_or_default();
        self.accounts
            .iter()
            .any(|(name, account)| match &account.kind {
                AccountKind::Agent => **name == *user,
                AccountKind::Trunk(trunk) => self.filter.may_be_trunk(trunk, source),
            })
    }

    fn challenge(
        &self,
        now: Instant,
        request: &Message,
        (status, reason, header): (u16, &'static str, Header),
        stale: Stale,
        random: u64,
    ) -> Reply {
        let mut reply = reply(status, reason);
        let challenges = self.digest.challenges(now, stale, random);
        for challenge in fit_for(request, challenges) {
            reply.headers.push((header, challenge));
        }
        reply
    }
}

/// The challenges that the asking phone can make use of. RFC 8760 §2.3 would have it take the first it
/// knows; these do not, and would never register.
fn fit_for(request: &Message, [sha256, md5]: [String; 2]) -> Vec<String> {
    match request.header_text(Header::UserAgent).as_deref() {
        // baresip before 2.0 gives up at the sight of an algorithm that it lacks.
        Some(name) if name.starts_with("baresip v0.") || name.starts_with("baresip v1.") => {
            vec![md5]
        }
        // SIPp 3.6 has no name and takes the first.
        None => vec![md5, sha256],
        Some(_) => vec![sha256, md5],
    }
}

fn reply(status: u16, reason: &'static str) -> Reply {
    Reply {
        status,
        reason,
        headers: Vec::new(),
    }
}
