//! Client transactions: INVITE (RFC 3261 §17.1.1, RFC 6026 §8.4) and others (RFC 3261 §17.1.2).

use super::{BRANCH_MAGIC, Expired, Layer, Outgoing, Resend, Silence, Who, next_due, read_own};
use crate::sip::alarm::Alarm;
use crate::sip::flow::Flow;
use crate::sip::header::Header;
use crate::sip::message::{Builder, Message, Method};
use crate::sip::random::{read_token, write_token};
use crate::sip::slab::Key;
use bytes::Bytes;
use std::time::Instant;

/// A client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClientId(Key);

/// Most answers of different forks to one INVITE that are acknowledged; others are not heard.
const FORKS_MAX: usize = 8;

#[derive(Debug)]
pub(super) struct Client<O> {
    nonce: u64,
    owner: O,
    flow: Flow,
    method: Method,
    /// The transaction of the CANCEL that shares this one's branch.
    cancel: Option<Key>,
    state: State,
    pub(super) alarm: Alarm,
}

#[derive(Debug)]
enum State {
    /// The branch is given out, nothing is sent.
    Reserved,
    /// Calling, or Trying: no response yet.
    Calling {
        request: Bytes,
        resend: Option<Resend>,
        end: Instant,
    },
    /// A provisional response came; others than INVITE end by timer F. RFC 3261 gives INVITE no end here: its user
    /// cancels it, and should the final response be lost with the other side, a bound of our own ends it.
    Proceeding {
        request: Bytes,
        resend: Option<Resend>,
        end: Instant,
    },
    /// INVITE got 300 or above: every repetition is acknowledged until timer D; others: until timer K.
    Completed { ack: Option<Bytes>, end: Instant },
    /// RFC 6026 §8.4: INVITE got 2xx: repetitions, and answers of other forks, are taken until timer M.
    Accepted {
        acks: Vec<(u128, Bytes)>,
        end: Instant,
    },
}

/// What a response means to the user.
#[derive(Debug)]
pub(crate) enum Reply<O> {
    /// 1xx.
    Provisional { owner: O },
    /// The final response; the request is given back. A 2xx to INVITE wants [`Layer::acknowledge`].
    Final {
        client: ClientId,
        owner: O,
        request: Bytes,
    },
    /// A 2xx of another fork after the first.
    Forked { client: ClientId },
    /// A repetition, dealt with.
    Absorbed,
    /// The response to nothing we sent.
    Stray,
}

impl<O: Copy> Layer<O> {
    /// Makes room for a request and gives the branch to write into its Via; `None` when full.
    pub(crate) fn reserve(
        &mut self,
        method: Method,
        flow: Flow,
        owner: O,
    ) -> Option<(ClientId, String)> {
        if self.clients.len() >= self.room_for(method) {
            return None;
        }
        let nonce = self.random.next();
        let key = self.clients.insert_with(|_| Client {
            nonce,
            owner,
            flow,
            method,
            cancel: None,
            state: State::Reserved,
            alarm: Alarm::default(),
        });
        Some((
            ClientId(key),
            format!("{BRANCH_MAGIC}{}", write_token(key.index, nonce)),
        ))
    }

    /// Sends the request that was written with the reserved branch.
    pub(crate) fn request(&mut self, now: Instant, id: ClientId, request: Bytes) {
        let Some(client) = self.clients.get_mut(id.0) else {
            return;
        };
        let resend =
            (!client.flow.transport.is_reliable()).then(|| Resend::after(now, self.timings.t1));
        self.transmits.push_back(Outgoing {
            flow: client.flow,
            bytes: request.clone(),
            owner: Some(client.owner),
        });
        client.state = State::Calling {
            request,
            resend,
            end: now + self.timings.lifetime(),
        };
        self.arm_client(id.0);
    }

    /// RFC 3261 §9.1: cancels an INVITE that had a provisional response and no final one.
    pub(crate) fn cancel(
        &mut self,
        now: Instant,
        invite: ClientId,
        owner: O,
        reason: Option<&str>,
    ) {
        let Some(client) = self.clients.get(invite.0) else {
            return;
        };
        let State::Proceeding { request, .. } = &client.state else {
            return;
        };
        if client.cancel.is_some() {
            return;
        }
        let (flow, nonce) = (client.flow, client.nonce);
        let Some(request) = read_own(request) else {
            return;
        };
        let mut cancel = same_hop(
            &request,
            "CANCEL",
            request.header(Header::To).unwrap_or(b""),
        );
        if let Some(reason) = reason {
            cancel.header(Header::Reason, reason);
        }
        let cancel = cancel.finish();
        let key = self.clients.insert_with(|_| Client {
            nonce,
            owner,
            flow,
            method: Method::Cancel,
            cancel: None,
            state: State::Reserved,
            alarm: Alarm::default(),
        });
        if let Some(client) = self.clients.get_mut(invite.0) {
            client.cancel = Some(key);
            // RFC 3261 §9.1: without a final response in 64*T1 the INVITE counts as cancelled.
            if let State::Proceeding { end, .. } = &mut client.state {
                *end = now + self.timings.lifetime();
            }
        }
        self.arm_client(invite.0);
        self.request(now, ClientId(key), cancel);
    }

    /// Sends the ACK to a 2xx, and repeats it for every repetition of that 2xx.
    pub(crate) fn acknowledge(&mut self, id: ClientId, response: &Message, ack: Bytes, flow: Flow) {
        let fork = self.fork_of(response);
        let mut owner = None;
        if let Some(client) = self.clients.get_mut(id.0) {
            client.flow = flow;
            owner = Some(client.owner);
            if let State::Accepted { acks, .. } = &mut client.state
                && acks.len() < FORKS_MAX
                && acks.iter().all(|(known, _)| *known != fork)
            {
                acks.push((fork, ack.clone()));
            }
        }
        self.send(flow, ack, owner);
    }

    /// RFC 3261 §17.1.3: a response belongs to the request with its branch and method.
    pub(crate) fn receive_response(&mut self, now: Instant, message: &Message) -> Reply<O> {
        let (Some(key), Some(status)) = (self.find_client(message), message.status()) else {
            return Reply::Stray;
        };
        let fork = match status {
            200..300 if message.method() == Method::Invite => self.fork_of(message),
            _ => 0,
        };
        let (timings, proceeding_max) = (self.timings, self.proceeding_max);
        let Some(client) = self.clients.get_mut(key) else {
            return Reply::Stray;
        };
        let (id, owner, flow) = (ClientId(key), client.owner, client.flow);
        let is_invite = client.method == Method::Invite;
        match &mut client.state {
            State::Reserved => return Reply::Stray,
            State::Calling {
                request,
                resend,
                end,
            } if status < 200 => {
                // Timers A and B end here; E goes on at T2, F as set.
                let (resend, end) = if is_invite {
                    (None, now + proceeding_max)
                } else {
                    (resend.map(|_| Resend::after(now, timings.t2)), *end)
                };
                client.state = State::Proceeding {
                    request: std::mem::take(request),
                    resend,
                    end,
                };
                self.arm_client(key);
                return Reply::Provisional { owner };
            }
            State::Proceeding { .. } if status < 200 => {
                return Reply::Provisional { owner };
            }
            State::Calling { request, .. } | State::Proceeding { request, .. } => {
                let request = std::mem::take(request);
                self.finish_client(now, key, &request, message, status);
                return Reply::Final {
                    client: id,
                    owner,
                    request,
                };
            }
            State::Completed { ack: Some(ack), .. } if status >= 300 => {
                let ack = ack.clone();
                self.send(flow, ack, Some(owner));
            }
            State::Completed { .. } => {}
            State::Accepted { acks, .. } if fork != 0 => {
                match acks.iter().find(|(known, _)| *known == fork) {
                    Some((_, ack)) => {
                        let ack = ack.clone();
                        self.send(flow, ack, Some(owner));
                    }
                    // The user has not acknowledged the first answer yet, or heard enough forks.
                    None if acks.is_empty() || acks.len() >= FORKS_MAX => {}
                    None => {
                        return Reply::Forked { client: id };
                    }
                }
            }
            State::Accepted { .. } => {}
        }
        Reply::Absorbed
    }

    /// The owner of the transaction a response belongs to.
    pub(crate) fn owner_of_response(&self, message: &Message) -> Option<O> {
        self.clients
            .get(self.find_client(message)?)
            .map(|client| client.owner)
    }

    /// Treats every request under way that `is_lost` as failed (RFC 3261 §17.1.4).
    pub(crate) fn fail_clients(&mut self, is_lost: impl Fn(&Flow) -> bool) {
        let lost: Vec<Key> = self
            .clients
            .iter()
            .filter(|(_, client)| {
                is_lost(&client.flow)
                    && matches!(
                        client.state,
                        State::Calling { .. } | State::Proceeding { .. }
                    )
            })
            .map(|(key, _)| key)
            .collect();
        for key in lost {
            self.give_up(key, Silence::Transport);
        }
    }

    /// Names another owner.
    pub(crate) fn own_client(&mut self, id: ClientId, owner: O) {
        if let Some(client) = self.clients.get_mut(id.0) {
            client.owner = owner;
        }
    }

    /// Where a request was sent.
    pub(crate) fn flow_of_client(&self, id: ClientId) -> Option<Flow> {
        self.clients.get(id.0).map(|client| client.flow)
    }

    fn find_client(&self, message: &Message) -> Option<Key> {
        let via = message.top_via()?;
        let (index, nonce) = read_token(via.branch()?.strip_prefix(BRANCH_MAGIC.as_bytes())?)?;
        let (key, client) = self
            .clients
            .at(index)
            .filter(|(_, client)| client.nonce == nonce)?;
        match (message.method(), client.method) {
            (Method::Cancel, Method::Invite) => client.cancel,
            (received, sent) => (received == sent).then_some(key),
        }
    }

    fn fork_of(&self, response: &Message) -> u128 {
        let to = response.to();
        self.random
            .keyed_hash(&[b"fork", to.as_ref().and_then(|to| to.tag()).unwrap_or(b"")])
            .max(1)
    }

    fn finish_client(
        &mut self,
        now: Instant,
        key: Key,
        request: &Bytes,
        response: &Message,
        status: u16,
    ) {
        let timings = self.timings;
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        let is_reliable = client.flow.transport.is_reliable();
        match (client.method, status) {
            (Method::Invite, 200..300) => {
                client.state = State::Accepted {
                    acks: Vec::new(),
                    end: now + timings.lifetime(),
                }
            }
            (Method::Invite, _) => {
                let ack = read_own(request).map(|request| ack_of_failure(&request, response));
                let (flow, owner) = (client.flow, client.owner);
                client.state = State::Completed {
                    ack: ack.clone(),
                    end: now + timings.lifetime(),
                };
                if let Some(ack) = ack {
                    self.send(flow, ack, Some(owner));
                }
                if is_reliable {
                    return self.remove_client(key);
                }
            }
            (_, _) if is_reliable => return self.remove_client(key),
            (_, _) => {
                client.state = State::Completed {
                    ack: None,
                    end: now + timings.t4,
                }
            }
        }
        self.arm_client(key);
    }

    fn remove_client(&mut self, key: Key) {
        if let Some(client) = self.clients.remove(key)
            && let Some(cancel) = client.cancel
        {
            self.clients.remove(cancel);
        }
    }

    fn give_up(&mut self, key: Key, cause: Silence) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        let owner = client.owner;
        let request = match &mut client.state {
            State::Calling { request, .. } | State::Proceeding { request, .. } => {
                Some(std::mem::take(request))
            }
            State::Reserved | State::Completed { .. } | State::Accepted { .. } => None,
        };
        self.remove_client(key);
        if let Some(request) = request {
            self.expired.push_back(Expired::Unanswered {
                owner,
                request,
                cause,
            });
        }
    }

    pub(super) fn wake_client(&mut self, now: Instant, due: Instant, key: Key) {
        let timings = self.timings;
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        if !client.alarm.rings(due) {
            return;
        }
        let is_invite = client.method == Method::Invite;
        match &mut client.state {
            State::Reserved => {}
            State::Calling { end, .. } if *end <= now => {
                return self.give_up(key, Silence::Timeout);
            }
            State::Proceeding { end, .. } if *end <= now => {
                return self.give_up(key, Silence::Timeout);
            }
            State::Completed { end, .. } | State::Accepted { end, .. } if *end <= now => {
                return self.remove_client(key);
            }
            State::Calling {
                request,
                resend: Some(resend),
                ..
            }
            | State::Proceeding {
                request,
                resend: Some(resend),
                ..
            } if resend.at <= now => {
                // Timer A doubles without bound, timer E up to T2 (RFC 3261 §17.1.1.2, §17.1.2.2).
                *resend = resend.doubled(
                    now,
                    if is_invite {
                        timings.lifetime()
                    } else {
                        timings.t2
                    },
                );
                self.transmits.push_back(Outgoing {
                    flow: client.flow,
                    bytes: request.clone(),
                    owner: Some(client.owner),
                });
            }
            State::Calling { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Accepted { .. } => {}
        }
        self.arm_client(key);
    }

    fn arm_client(&mut self, key: Key) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        let due = match &client.state {
            State::Reserved => None,
            State::Calling { resend, end, .. } => next_due(*resend, Some(*end)),
            State::Proceeding { resend, end, .. } => next_due(*resend, Some(*end)),
            State::Completed { end, .. } | State::Accepted { end, .. } => Some(*end),
        };
        if let Some(due) = due {
            self.alarms.arm(&mut client.alarm, due, Who::Client(key));
        }
    }
}

/// RFC 3261 §17.1.1.3: the ACK to 300 and above goes the way of the INVITE, with its branch.
fn ack_of_failure(request: &Message, response: &Message) -> Bytes {
    let to = response.header(Header::To).unwrap_or(b"");
    let mut ack = same_hop(request, "ACK", to);
    // RFC 3261 §22.1: an ACK carries the credentials of its INVITE, since it cannot be challenged.
    ack.copy(request, Header::Authorization);
    ack.copy(request, Header::ProxyAuthorization);
    ack.finish()
}

/// A CANCEL or ACK that is matched with its INVITE at every hop: same Request-URI, top Via and routes.
fn same_hop(request: &Message, method: &str, to: &[u8]) -> Builder {
    let mut built = Builder::request_of(method.as_bytes(), request.request_uri().unwrap_or(b""));
    built.header(
        Header::Via,
        request.headers(Header::Via).next().unwrap_or(b""),
    );
    built.copy(request, Header::Route);
    built.copy(request, Header::From);
    built.header(Header::To, to);
    built.copy(request, Header::CallId);
    built.header(Header::CSeq, format!("{} {method}", request.sequence()));
    built.header(Header::MaxForwards, "70");
    built
}
