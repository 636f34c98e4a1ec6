//! Server transactions: INVITE (RFC 3261 §17.2.1, RFC 6026 §8.5) and others (RFC 3261 §17.2.2).

use super::{BRANCH_MAGIC, Expired, Layer, Resend, Who, next_due};
use crate::sip::alarm::Alarm;
use crate::sip::flow::{Flow, Transport};
use crate::sip::header::{Header, Via};
use crate::sip::message::{Builder, Message, Method, reason_phrase};
use crate::sip::slab::Key;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// A server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ServerId(Key);

/// RFC 3261 §17.2.1: 100 is sent unless the user answers within this time.
const TRYING_AFTER: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Server<O> {
    hash: u128,
    /// The hash by which the same request over another path is told (RFC 3261 §8.2.2.2).
    merge_hash: Option<u128>,
    owner: Option<O>,
    /// Where responses go.
    flow: Flow,
    method: Method,
    state: State,
    pub(super) alarm: Alarm,
}

#[derive(Debug)]
enum State {
    /// Nothing is sent yet. `due` is when INVITE gets its 100, and when others have waited too long.
    Trying { request: Message, due: Instant },
    /// A provisional response was sent; the user still owes the final one.
    Proceeding {
        request: Message,
        last: Bytes,
        end: Instant,
    },
    /// A final response was sent: repeated until ACK (INVITE, timers G and H) or on request (timer J).
    Completed {
        last: Bytes,
        resend: Option<Resend>,
        end: Instant,
    },
    /// INVITE: the ACK came; further ones are absorbed until timer I.
    Confirmed { end: Instant },
    /// RFC 6026 §8.5: INVITE got 2xx from its user, who also repeats it; repeated INVITEs are absorbed until timer L.
    Accepted { end: Instant },
}

/// What a request means to the user.
#[derive(Debug)]
pub(crate) enum Reception {
    /// A new request; the user owes a response.
    New(ServerId),
    /// A request that came before over another path: it is to be answered 482.
    Merged(ServerId),
    /// A new CANCEL, and the INVITE it means.
    Cancel(ServerId, Option<ServerId>),
    /// An ACK that belongs to a 2xx.
    Ack,
    /// A repetition, or the ACK to a failure: dealt with.
    Absorbed,
    /// No room: answer 503 without state.
    Full,
}

impl<O: Copy> Layer<O> {
    pub(crate) fn receive_request(
        &mut self,
        now: Instant,
        flow: Flow,
        message: &Message,
    ) -> Reception {
        let Some(via) = message.top_via() else {
            return Reception::Absorbed;
        };
        let method = message.method();
        let hash = self.hash_of(message, &via, method);
        if let Some(key) = self.by_hash.get(&hash).copied() {
            return self.receive_again(now, key, method);
        }
        if method == Method::Ack {
            return Reception::Ack;
        }
        if self.servers.len() >= self.room_for(method) {
            return Reception::Full;
        }
        let merge_hash = self.merge_hash_of(message, method);
        let is_merged = merge_hash.is_some_and(|hash| self.by_hash.contains_key(&hash));
        let merge_hash = merge_hash.filter(|_| !is_merged);
        let wait = if method == Method::Invite {
            TRYING_AFTER
        } else {
            self.timings.lifetime()
        };
        let key = self.servers.insert_with(|_| Server {
            hash,
            merge_hash,
            owner: None,
            flow: reply_flow(flow, &via),
            method,
            state: State::Trying {
                request: message.clone(),
                due: now + wait,
            },
            alarm: Alarm::default(),
        });
        self.by_hash.insert(hash, key);
        if let Some(merge_hash) = merge_hash {
            self.by_hash.insert(merge_hash, key);
        }
        self.arm_server(key);
        if is_merged {
            return Reception::Merged(ServerId(key));
        }
        if method == Method::Cancel {
            let invite = self
                .by_hash
                .get(&self.hash_of(message, &via, Method::Invite))
                .copied();
            return Reception::Cancel(ServerId(key), invite.map(ServerId));
        }
        Reception::New(ServerId(key))
    }

    /// RFC 3261 §17.2.3. An ACK looks for its INVITE. Without the branch of this RFC (§8.1.1.7) the parts
    /// that RFC 2543 compared are taken instead.
    fn hash_of(&self, message: &Message, via: &Via<'_>, method: Method) -> u128 {
        let method = match method {
            Method::Ack | Method::Invite => b"INVITE".as_slice(),
            Method::Bye
            | Method::Cancel
            | Method::Options
            | Method::Register
            | Method::Prack
            | Method::Update
            | Method::Info
            | Method::Refer
            | Method::Notify
            | Method::Subscribe
            | Method::Message
            | Method::Publish
            | Method::Other => message.method_text(),
        };
        let port = via.port.unwrap_or(0).to_be_bytes();
        match via.branch() {
            Some(branch)
                if branch.len() > BRANCH_MAGIC.len()
                    && branch[..BRANCH_MAGIC.len()]
                        .eq_ignore_ascii_case(BRANCH_MAGIC.as_bytes()) =>
            {
                self.random
                    .keyed_hash(&[b"branch", branch, via.host, &port, method])
            }
            Some(_) | None => {
                let from = message.from();
                let tag = from.as_ref().and_then(|from| from.tag()).unwrap_or(b"");
                let sequence = message.sequence().to_be_bytes();
                let uri = message.request_uri().unwrap_or(b"");
                self.random.keyed_hash(&[
                    b"old",
                    message.call_id(),
                    &sequence,
                    tag,
                    uri,
                    via.host,
                    &port,
                    via.branch().unwrap_or(b""),
                    method,
                ])
            }
        }
    }

    fn merge_hash_of(&self, message: &Message, method: Method) -> Option<u128> {
        if method == Method::Cancel || message.to().is_none_or(|to| to.tag().is_some()) {
            return None;
        }
        let from = message.from()?;
        let sequence = message.sequence().to_be_bytes();
        Some(self.random.keyed_hash(&[
            b"merge",
            message.call_id(),
            from.tag().unwrap_or(b""),
            &sequence,
            message.method_text(),
        ]))
    }

    fn receive_again(&mut self, now: Instant, key: Key, method: Method) -> Reception {
        let timings = self.timings;
        let Some(server) = self.servers.get_mut(key) else {
            return Reception::Absorbed;
        };
        let (flow, owner) = (server.flow, server.owner);
        match (&mut server.state, method) {
            (State::Completed { .. }, Method::Ack) => {
                if flow.transport.is_reliable() {
                    self.remove_server(key);
                } else {
                    server.state = State::Confirmed {
                        end: now + timings.t4,
                    };
                    self.arm_server(key);
                }
            }
            // Only an old client sends the ACK to a 2xx with the branch of its INVITE.
            (State::Accepted { .. }, Method::Ack) => return Reception::Ack,
            (State::Proceeding { last, .. } | State::Completed { last, .. }, _)
                if method != Method::Ack =>
            {
                let last = last.clone();
                self.send(flow, last, owner);
            }
            (
                State::Trying { .. }
                | State::Proceeding { .. }
                | State::Completed { .. }
                | State::Confirmed { .. }
                | State::Accepted { .. },
                _,
            ) => {}
        }
        Reception::Absorbed
    }

    /// Names the owner, to be given back with what belongs to the transaction.
    pub(crate) fn own(&mut self, id: ServerId, owner: O) {
        if let Some(server) = self.servers.get_mut(id.0) {
            server.owner = Some(owner);
        }
    }

    /// The request, while a final response is owed.
    pub(crate) fn request_of(&self, id: ServerId) -> Option<&Message> {
        match &self.servers.get(id.0)?.state {
            State::Trying { request, .. } | State::Proceeding { request, .. } => Some(request),
            State::Completed { .. } | State::Confirmed { .. } | State::Accepted { .. } => None,
        }
    }

    /// Where the responses of a server transaction go.
    pub(crate) fn flow_of_server(&self, id: ServerId) -> Option<Flow> {
        self.servers.get(id.0).map(|server| server.flow)
    }

    /// The owner of a server transaction.
    pub(crate) fn owner_of_server(&self, id: ServerId) -> Option<O> {
        self.servers.get(id.0)?.owner
    }

    /// The owner of the transaction a request repeats or acknowledges.
    pub(crate) fn owner_of_request(&self, message: &Message) -> Option<O> {
        let via = message.top_via()?;
        let method = if message.method() == Method::Cancel {
            Method::Invite
        } else {
            message.method()
        };
        self.servers
            .get(*self.by_hash.get(&self.hash_of(message, &via, method))?)?
            .owner
    }

    /// Begins a response; `None` when a final one was sent.
    pub(crate) fn response(
        &self,
        id: ServerId,
        status: u16,
        reason: Option<&str>,
        tag: Option<&str>,
    ) -> Option<Builder> {
        let remote = self.servers.get(id.0)?.flow.remote;
        let request = self.request_of(id)?;
        Some(Builder::response_to(
            request,
            remote,
            status,
            reason.unwrap_or_else(|| reason_phrase(status)),
            tag,
        ))
    }

    /// Sends a response; after a final one nothing more is taken.
    pub(crate) fn respond(&mut self, now: Instant, id: ServerId, status: u16, response: Bytes) {
        let (timings, unattended_max) = (self.timings, self.unattended_max);
        let Some(server) = self.servers.get_mut(id.0) else {
            return;
        };
        let (flow, owner) = (server.flow, server.owner);
        let is_reliable = flow.transport.is_reliable();
        let (request, end) = match &server.state {
            State::Trying { request, due } if server.method != Method::Invite => (request, *due),
            State::Trying { request, .. } => (request, now + unattended_max),
            State::Proceeding { request, end, .. } => (request, *end),
            State::Completed { .. } | State::Confirmed { .. } | State::Accepted { .. } => return,
        };
        let end_of_linger = now + timings.lifetime();
        match (server.method, status) {
            (_, ..200) => {
                server.state = State::Proceeding {
                    request: request.clone(),
                    last: response.clone(),
                    end,
                }
            }
            (Method::Invite, 200..300) => server.state = State::Accepted { end: end_of_linger },
            (Method::Invite, _) => {
                let resend = (!is_reliable).then(|| Resend::after(now, timings.t1));
                server.state = State::Completed {
                    last: response.clone(),
                    resend,
                    end: end_of_linger,
                };
            }
            (_, _) if is_reliable => {
                self.remove_server(id.0);
                return self.send(flow, response, owner);
            }
            (_, _) => {
                server.state = State::Completed {
                    last: response.clone(),
                    resend: None,
                    end: end_of_linger,
                }
            }
        }
        self.arm_server(id.0);
        self.send(flow, response, owner);
    }

    /// Forgets a request that gets no answer at all; the same one again is new.
    pub(crate) fn forget(&mut self, id: ServerId) {
        self.remove_server(id.0);
    }

    fn remove_server(&mut self, key: Key) {
        let Some(server) = self.servers.remove(key) else {
            return;
        };
        self.by_hash.remove(&server.hash);
        if let Some(merge_hash) = server.merge_hash {
            self.by_hash.remove(&merge_hash);
        }
    }

    pub(super) fn wake_server(&mut self, now: Instant, due: Instant, key: Key) {
        let timings = self.timings;
        let Some(server) = self.servers.get_mut(key) else {
            return;
        };
        if !server.alarm.rings(due) {
            return;
        }
        match &mut server.state {
            State::Trying { request, due } if *due <= now => {
                if server.method != Method::Invite {
                    return self.expired.push_back(Expired::Unattended(ServerId(key)));
                }
                let trying = Builder::response_to(
                    request,
                    server.flow.remote,
                    100,
                    reason_phrase(100),
                    None,
                )
                .finish();
                return self.respond(now, ServerId(key), 100, trying);
            }
            State::Proceeding { end, .. } if *end <= now => {
                return self.expired.push_back(Expired::Unattended(ServerId(key)));
            }
            State::Completed { end, .. } | State::Confirmed { end } | State::Accepted { end }
                if *end <= now =>
            {
                return self.remove_server(key);
            }
            State::Completed {
                last,
                resend: Some(resend),
                ..
            } if resend.at <= now => {
                // Timer G (RFC 3261 §17.2.1).
                *resend = resend.doubled(now, timings.t2);
                let (flow, last, owner) = (server.flow, last.clone(), server.owner);
                self.send(flow, last, owner);
            }
            State::Trying { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Confirmed { .. }
            | State::Accepted { .. } => {}
        }
        self.arm_server(key);
    }

    fn arm_server(&mut self, key: Key) {
        let Some(server) = self.servers.get_mut(key) else {
            return;
        };
        let due = match &server.state {
            State::Trying { due, .. } => Some(*due),
            State::Proceeding { end, .. } => Some(*end),
            State::Completed { resend, end, .. } => next_due(*resend, Some(*end)),
            State::Confirmed { end } | State::Accepted { end } => Some(*end),
        };
        if let Some(due) = due {
            self.alarms.arm(&mut server.alarm, due, Who::Server(key));
        }
    }
}

/// RFC 3261 §18.2.2, RFC 3581 §4: a response to a datagram goes to where it came from, but to the port of
/// sent-by when `rport` is not asked for.
fn reply_flow(flow: Flow, via: &Via<'_>) -> Flow {
    let mut reply = flow;
    if flow.transport == Transport::Udp && via.params.get("rport").is_none() {
        reply
            .remote
            .set_port(via.port.unwrap_or(Transport::Udp.default_port()));
    }
    reply
}

/// RFC 3261 §20.33: seconds after which a refused client may come again.
pub(crate) const RETRY_AFTER_S: u32 = 10;

/// The answer without state to a request there is no room for.
pub(crate) fn refuse_full(message: &Message, flow: Flow, tag: &str) -> Option<(Flow, Bytes)> {
    let via = message.top_via()?;
    let mut answer = Builder::response_to(message, flow.remote, 503, reason_phrase(503), Some(tag));
    answer.header_number(Header::RetryAfter, RETRY_AFTER_S, "");
    Some((reply_flow(flow, &via), answer.finish()))
}
