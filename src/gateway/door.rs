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

/// A registration as other gateways need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Registration {
    /// The contact URI.
    pub(super) uri: String,
    /// The Path it came by, topmost first.
    pub(super) path: Vec<String>,
    /// Where others send a request first; `None` when only we can.
    pub(super) open_way: Option<Arc<[u8]>>,
    /// The way by which we do.
    pub(super) flow: Flow,
    /// When it was made or refreshed last.
    pub(super) since: Instant,
    /// When it runs out.
    pub(super) until: Instant,
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
            // Whoever may have an account from there is challenged, whether or not the name they give has
            // one: a refusal would tell which names exist.
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

    /// Judges by its source alone who asks for something that needs no proof.
    pub(super) fn look_at(&self, now: Instant, flow: &Flow, request: &Message) -> Admission {
        self.lock().filter.admit(now, flow.remote.ip(), request)
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

    /// Where an agent's own registration leads, the most preferred contact, for other gateways.
    pub(super) fn registration(&self, agent: &AgentId) -> Option<Registration> {
        let inner = self.lock();
        let bindings = inner.registrar.bindings(agent.as_str()).iter();
        bindings
            .filter_map(|binding| {
                Some(Registration {
                    uri: binding.uri.to_string(),
                    path: binding.path.iter().map(ToString::to_string).collect(),
                    open_way: binding.open_way(),
                    flow: binding.flow,
                    since: binding.registered_at()?,
                    until: binding.expires_at()?,
                })
            })
            .next()
    }

    /// Everybody who has registered.
    pub(super) fn registered(&self) -> Vec<Arc<str>> {
        let inner = self.lock();
        let has_registered = |bindings: &[Binding]| bindings.iter().any(|it| !it.is_static());
        let users = inner.registrar.users();
        users
            .filter(|(_, bindings)| has_registered(bindings))
            .map(|(user, _)| Arc::clone(user))
            .collect()
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

/// A reply without further headers.
pub(super) fn reply(status: u16, reason: &'static str) -> Reply {
    Reply {
        status,
        reason,
        headers: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use ringdown_voice::sip::flow::Transport;

    fn door(now: Instant) -> Door {
        let settings = DoorSettings {
            filter: SourceFilterSettings::default(),
            digest: ServerSettings::new("desk"),
            registrar: RegistrarSettings::default(),
        };
        let door = Door::new(settings, [7; 32], now);
        let anna = Account {
            secret: Ha1::new("anna", "desk", "secret"),
            kind: AccountKind::Agent,
        };
        door.set_accounts(Accounts::from([("anna".into(), anna)]));
        door
    }

    fn request(method: &str, user: &str, proof: &str) -> Message {
        let text = format!(
            "{method} sip:100@desk SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1\r\n\
             From: <sip:{user}@desk>;tag=1\r\nTo: <sip:{user}@desk>\r\nCall-ID: 1\r\n\
             CSeq: 1 {method}\r\nMax-Forwards: 70\r\nUser-Agent: phone\r\n{proof}\r\n"
        );
        Message::parse_datagram(Bytes::from(text)).unwrap()
    }

    fn from(address: &str) -> Flow {
        Flow::new(Transport::Udp, address.parse().unwrap())
    }

    /// What a stranger gets who says to be `user`, first without and then with a wrong password.
    fn answers(method: &str, user: &str) -> Vec<Reply> {
        let now = Instant::now();
        let (door, flow) = (door(now), from("127.0.0.1:5070"));
        let ask = |proof: &str| {
            let request = request(method, user, proof);
            match method {
                "REGISTER" => door.register(now, flow, &request, 1).unwrap(),
                _ => {
                    let entry = door.admit(now, &flow, &request, 1);
                    let Entry::Respond(reply) = entry else {
                        panic!("{entry:?}");
                    };
                    reply
                }
            }
        };
        let first = ask("");
        let challenge = &first.headers[0].1;
        let nonce = challenge
            .split("nonce=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let proof = |header| {
            format!(
                "{header}: Digest username=\"{user}\", realm=\"desk\", nonce=\"{}\", uri=\"sip:100@desk\", \
                 algorithm=SHA-256, response=\"{}\", qop=auth, nc=00000001, cnonce=\"c\"\r\n",
                nonce.unwrap(),
                "0".repeat(64)
            )
        };
        let header = match method {
            "REGISTER" => "Authorization",
            _ => "Proxy-Authorization",
        };
        let second = ask(&proof(header));
        vec![first, second]
    }

    #[test]
    fn a_name_that_exists_is_answered_like_one_that_does_not() {
        for (method, status) in [("INVITE", 407), ("REGISTER", 401)] {
            let known = answers(method, "anna");
            assert_eq!(known, answers(method, "mallory"), "{method}");
            assert!(
                known.iter().all(|reply| reply.status == status),
                "{known:?}"
            );
            assert!(known.iter().all(|reply| reply.headers.len() == 2));
        }
    }

    #[test]
    fn who_comes_from_nowhere_is_not_even_challenged() {
        let now = Instant::now();
        let (door, stranger) = (door(now), from("192.0.2.1:5060"));
        let invite = request("INVITE", "anna", "");
        assert_eq!(
            door.admit(now, &stranger, &invite, 1),
            Entry::Respond(reply(403, "Forbidden"))
        );
    }
}
