//! The registrar: who can be reached where (RFC 3261 §10, Path of RFC 3327, flows of RFC 5626).
//!
//! A location table keyed by user. [`Registrar::handle_register`] takes a parsed REGISTER of a user
//! whose digest was judged already and gives the response's status and headers; what changed is told
//! by [`Registrar::poll_event`]. Static contacts, such as a phone behind another exchange, are
//! entries that never expire.
//!
//! Bounded: users, contacts of a user, bytes kept of a contact.

mod binding;
mod request;
#[cfg(test)]
mod tests;

pub use binding::{Binding, NextHop, Quality};

use super::flow::{ConnectionId, Flow};
use super::header::Header;
use super::message::Message;
use binding::{Lifetime, Order};
use request::{Asked, ContactAsked, Contacts};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The bounds of a [`Registrar`].
#[derive(Clone, Copy, Debug)]
pub struct RegistrarSettings {
    /// Shortest registration; a phone that asks for less is answered 423 (RFC 3261 §10.3).
    pub expires_min: Duration,
    /// Granted when a phone asks for nothing.
    pub expires_default: Duration,
    /// Longest registration; a phone that asks for more is granted this.
    pub expires_max: Duration,
    /// Most contacts of one user, static ones included.
    pub contacts_max: usize,
    /// Most users with contacts.
    pub users_max: usize,
}

impl Default for RegistrarSettings {
    fn default() -> Self {
        Self {
            expires_min: Duration::from_secs(60),
            expires_default: Duration::from_secs(600),
            expires_max: Duration::from_secs(3_600),
            contacts_max: 8,
            users_max: 20_000,
        }
    }
}

/// The response to a REGISTER: everything but what is copied from the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The reason phrase.
    pub reason: &'static str,
    /// Header fields to add.
    pub headers: Vec<(Header, String)>,
}

impl Reply {
    fn new(status: u16, reason: &'static str) -> Self {
        Self {
            status,
            reason,
            headers: Vec::new(),
        }
    }

    /// The header fields as names and values.
    pub fn to_fields(&self) -> Vec<(String, String)> {
        self.headers
            .iter()
            .map(|(header, value)| (header.as_str().to_owned(), value.clone()))
            .collect()
    }

    fn with(mut self, header: Header, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }
}

/// What the location table says about a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrarEvent {
    /// The user had no contact and can be reached now.
    Registered {
        /// The user.
        user: Arc<str>,
        /// Where, most preferred first.
        bindings: Arc<[Binding]>,
    },
    /// The user can still be reached, elsewhere or by another way than before.
    Moved {
        /// The user.
        user: Arc<str>,
        /// Where, most preferred first.
        bindings: Arc<[Binding]>,
    },
    /// The user can be reached as before, and for longer.
    Refreshed {
        /// The user.
        user: Arc<str>,
    },
    /// The last contact was taken back by the user's phone, or by us.
    Unregistered {
        /// The user.
        user: Arc<str>,
    },
    /// The last contact ran out without being refreshed.
    Expired {
        /// The user.
        user: Arc<str>,
    },
    /// The connection of the last contact broke, and nothing leads to it any more.
    ConnectionLost {
        /// The user.
        user: Arc<str>,
    },
}

/// The location table.
#[derive(Debug)]
pub struct Registrar {
    settings: RegistrarSettings,
    users: BTreeMap<Arc<str>, Vec<Binding>>,
    /// When the next contact of each user runs out.
    deadlines: BTreeSet<(Instant, Arc<str>)>,
    /// Which users have a contact on a connection.
    connections: BTreeSet<(ConnectionId, Arc<str>)>,
    events: VecDeque<RegistrarEvent>,
}

impl Registrar {
    /// Makes an empty table.
    pub const fn new(settings: RegistrarSettings) -> Self {
        Self {
            settings,
            users: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            connections: BTreeSet::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes a REGISTER that came over `flow` from `username`, as the digest proved it.
    ///
    /// A user registers only itself: another user in To is answered 403. All contacts of a request
    /// are taken or none (RFC 3261 §10.3 step 7).
    pub fn handle_register(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Message,
        username: &str,
    ) -> Reply {
        let asked = match Asked::read(request) {
            Ok(asked) => asked,
            Err(reply) => return reply,
        };
        if asked.user != username {
            return Reply::new(403, "Not Your Address");
        }
        let before = self.users.get(username).cloned().unwrap_or_default();
        let after = match self.update(now, flow, &asked, before.clone()) {
            Ok(after) => after,
            Err(reply) => return reply,
        };
        if before.is_empty() && !after.is_empty() && self.users.len() >= self.settings.users_max {
            return Reply::new(503, "Registrar Full").with(Header::RetryAfter, RETRY_AFTER_S);
        }
        let reply = accept(now, &asked, &after);
        self.put(username, &before, after, |user| {
            RegistrarEvent::Unregistered { user }
        });
        reply
    }

    /// Enters a contact that does not register itself; `uri` is where it is, `flow` how to get there.
    ///
    /// False when the table is full.
    pub fn add_static(&mut self, user: &str, uri: &str, flow: Flow) -> bool {
        let before = self.users.get(user).cloned().unwrap_or_default();
        let is_new = before.is_empty();
        if before.len() >= self.settings.contacts_max
            || is_new && self.users.len() >= self.settings.users_max
        {
            return false;
        }
        let mut after = before.clone();
        after.retain(|binding| !binding.is_at(uri.as_bytes()));
        after.push(Binding::new_static(uri, flow));
        self.put(user, &before, after, |user| RegistrarEvent::Unregistered {
            user,
        });
        true
    }

    /// Takes out every contact of a user, static ones too, as when an agent is deleted.
    pub fn remove_user(&mut self, user: &str) {
        if let Some(before) = self.users.get(user).cloned() {
            self.put(user, &before, Vec::new(), |user| {
                RegistrarEvent::Unregistered { user }
            });
        }
    }

    /// Where a user can be reached, most preferred first.
    pub fn bindings(&self, user: &str) -> &[Binding] {
        self.users.get(user).map_or(&[], Vec::as_slice)
    }

    /// Every user who can be reached.
    pub fn users(&self) -> impl Iterator<Item = (&Arc<str>, &[Binding])> {
        self.users
            .iter()
            .map(|(user, bindings)| (user, bindings.as_slice()))
    }

    /// Is told that a connection has ended: what led over it leads nowhere (RFC 5626 §4.2.1), but for
    /// phones that can be connected to.
    pub fn handle_connection_lost(&mut self, connection: ConnectionId) {
        let first = (connection, Arc::<str>::from(""));
        let affected: Vec<_> = self
            .connections
            .range(first..)
            .take_while(|(found, _)| *found == connection)
            .map(|(_, user)| Arc::clone(user))
            .collect();
        for user in affected {
            let before = self.users.get(&user).cloned().unwrap_or_default();
            let after = before
                .iter()
                .filter_map(|binding| binding.clone().without_connection(connection))
                .collect();
            self.put(&user, &before, after, |user| {
                RegistrarEvent::ConnectionLost { user }
            });
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Takes out what has run out.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((deadline, user)) = self.deadlines.first() {
            if *deadline > now {
                return;
            }
            let user = Arc::clone(user);
            let before = self.users.get(&user).cloned().unwrap_or_default();
            let mut after = before.clone();
            after.retain(|binding| !binding.has_expired(now));
            self.put(&user, &before, after, |user| RegistrarEvent::Expired {
                user,
            });
        }
    }

    /// The next change of the table.
    pub fn poll_event(&mut self) -> Option<RegistrarEvent> {
        self.events.pop_front()
    }

    /// Computes the user's contacts after the request (RFC 3261 §10.3 steps 6 and 7).
    fn update(
        &self,
        now: Instant,
        flow: Flow,
        asked: &Asked<'_>,
        mut bindings: Vec<Binding>,
    ) -> Result<Vec<Binding>, Reply> {
        bindings.retain(|binding| !binding.has_expired(now));
        let order = Order {
            call_id: asked.call_id.into(),
            sequence: asked.sequence,
        };
        match &asked.contacts {
            Contacts::None => {}
            Contacts::All => {
                if bindings.iter().any(|binding| !binding.yields_to(&order)) {
                    return Err(out_of_order());
                }
                bindings.retain(Binding::is_static);
            }
            Contacts::Some(contacts) => {
                for contact in contacts {
                    self.update_one(now, flow, asked, contact, &order, &mut bindings)?;
                }
            }
        }
        bindings.sort_by(Binding::compare_preference);
        Ok(bindings)
    }

    fn update_one(
        &self,
        now: Instant,
        flow: Flow,
        asked: &Asked<'_>,
        contact: &ContactAsked<'_>,
        order: &Order,
        bindings: &mut Vec<Binding>,
    ) -> Result<(), Reply> {
        let granted = self.grant(contact.expires.or(asked.expires))?;
        let place = bindings.iter().position(|b| b.is_same_as(contact));
        match (place, granted) {
            (Some(place), _) if !bindings[place].yields_to(order) => return Err(out_of_order()),
            // What configuration entered stays, whatever the phone there says of itself.
            (Some(place), _) if bindings[place].is_static() => {}
            (Some(place), None) => {
                bindings.remove(place);
            }
            (Some(place), Some(granted)) => {
                let granted = Lifetime::granted(now, granted);
                bindings[place] = Binding::new(asked, contact, flow, order.clone(), granted);
            }
            (None, None) => {}
            (None, Some(granted)) => {
                if bindings.len() >= self.settings.contacts_max {
                    return Err(Reply::new(403, "Too Many Contacts"));
                }
                let granted = Lifetime::granted(now, granted);
                bindings.push(Binding::new(asked, contact, flow, order.clone(), granted));
            }
        }
        Ok(())
    }

    /// How long a contact is granted; `None` means that it is taken out.
    fn grant(&self, asked_s: Option<u32>) -> Result<Option<Duration>, Reply> {
        let settings = &self.settings;
        let asked = asked_s.map_or(settings.expires_default, |seconds| {
            Duration::from_secs(seconds.into())
        });
        if asked.is_zero() {
            return Ok(None);
        }
        // RFC 3261 §10.3: only an interval below one hour may be called too brief.
        if asked < settings.expires_min && asked < Duration::from_secs(3_600) {
            let min = settings.expires_min.as_secs().to_string();
            return Err(Reply::new(423, "Interval Too Brief").with(Header::MinExpires, min));
        }
        Ok(Some(asked.min(settings.expires_max)))
    }

    /// Replaces a user's contacts and says what that means.
    fn put(
        &mut self,
        user: &str,
        before: &[Binding],
        after: Vec<Binding>,
        gone: impl FnOnce(Arc<str>) -> RegistrarEvent,
    ) {
        let user = match self.users.get_key_value(user) {
            Some((user, _)) => Arc::clone(user),
            None => Arc::from(user),
        };
        for binding in before {
            if let Some(connection) = binding.flow.connection {
                self.connections.remove(&(connection, Arc::clone(&user)));
            }
        }
        for binding in &after {
            if let Some(connection) = binding.flow.connection {
                self.connections.insert((connection, Arc::clone(&user)));
            }
        }
        if let Some(deadline) = first_deadline(before) {
            self.deadlines.remove(&(deadline, Arc::clone(&user)));
        }
        if let Some(deadline) = first_deadline(&after) {
            self.deadlines.insert((deadline, Arc::clone(&user)));
        }
        match (before, after.as_slice()) {
            ([], []) => {}
            ([], _) => self.events.push_back(RegistrarEvent::Registered {
                user: Arc::clone(&user),
                bindings: Arc::from(after.as_slice()),
            }),
            (_, []) => self.events.push_back(gone(Arc::clone(&user))),
            (before, after) if has_moved(before, after) => {
                self.events.push_back(RegistrarEvent::Moved {
                    user: Arc::clone(&user),
                    bindings: Arc::from(after),
                });
            }
            (before, after) if !deadlines(before).eq(deadlines(after)) => {
                let user = Arc::clone(&user);
                self.events.push_back(RegistrarEvent::Refreshed { user });
            }
            _ => {}
        }
        if after.is_empty() {
            self.users.remove(&user);
        } else {
            self.users.insert(user, after);
        }
    }
}

/// The 200: every contact with what is left of it (RFC 3261 §10.3 step 8), the Path as it came
/// (RFC 3327 §5.3), and `outbound` where it was used (RFC 5626 §6).
fn accept(now: Instant, asked: &Asked<'_>, bindings: &[Binding]) -> Reply {
    let mut reply = Reply::new(200, "OK");
    for binding in bindings {
        reply = reply.with(Header::Contact, binding.to_contact(now));
    }
    for path in &asked.path {
        reply = reply.with(Header::Path, *path);
    }
    reply = reply.with(Header::Supported, "path, outbound");
    if asked.uses_outbound() {
        reply = reply.with(Header::Require, "outbound");
    }
    reply
}

/// RFC 3261 §10.3 step 7: an older request than the one that made the binding fails.
fn out_of_order() -> Reply {
    Reply::new(500, "Older Than The Registration")
}

fn deadlines(bindings: &[Binding]) -> impl Iterator<Item = Instant> {
    bindings.iter().filter_map(Binding::expires_at)
}

fn first_deadline(bindings: &[Binding]) -> Option<Instant> {
    deadlines(bindings).min()
}

fn has_moved(before: &[Binding], after: &[Binding]) -> bool {
    before.len() != after.len() || before.iter().zip(after).any(|(a, b)| !a.leads_where(b))
}

/// How long a phone waits when the table is full.
const RETRY_AFTER_S: &str = "300";
