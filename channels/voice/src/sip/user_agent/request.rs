//! Requests as they arrive: what RFC 3261 §8.2 checks, in its order, and where they go then.

use super::dialog::{Dialog, Modification, Phase};
use super::{DialogId, Event, Owner, Purpose, RequestId, UserAgent, session};
use crate::sip::flow::Flow;
use crate::sip::header::{Header, scan};
use crate::sip::message::{Builder, Message, Method};
use crate::sip::slab::Key;
use crate::sip::transaction::{RETRY_AFTER_S, Reception, ServerId, refuse_full};
use crate::sip::uri::{Scheme, Uri};
use bytes::Bytes;
use std::time::Instant;

/// A request that is refused: status, and the header fields that say why.
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) headers: Vec<(Header, String)>,
}

impl Refusal {
    pub(super) const fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
        }
    }

    pub(super) fn with(status: u16, header: Header, value: impl Into<String>) -> Self {
        Self {
            status,
            headers: vec![(header, value.into())],
        }
    }
}

impl UserAgent {
    pub(super) fn receive_request(&mut self, now: Instant, flow: Flow, message: Message) {
        match self.transactions.receive_request(now, flow, &message) {
            Reception::Absorbed => {}
            Reception::Ack => self.receive_ack(now, &message),
            Reception::Full => {
                let tag = self.mint_tag();
                if let Some((flow, answer)) = refuse_full(&message, flow, &tag) {
                    self.transactions.send(flow, answer, None);
                }
            }
            Reception::Merged(server) => self.refuse(now, server, &Refusal::new(482)),
            Reception::Cancel(server, invite) => self.receive_cancel(now, server, invite, &message),
            Reception::New(server) => {
                let has_tag = message.to().is_some_and(|to| to.tag().is_some());
                let outcome = match (self.check(&message), has_tag) {
                    (Err(refusal), _) => Err(refusal),
                    (Ok(()), true) => self.receive_in_dialog(now, server, flow, &message),
                    (Ok(()), false) => self.receive_outside(now, server, flow, message),
                };
                if let Err(refusal) = outcome {
                    self.refuse(now, server, &refusal);
                }
            }
        }
    }

    /// RFC 3261 §8.2.1 to §8.2.3, for every request.
    fn check(&self, message: &Message) -> Result<(), Refusal> {
        match message.method() {
            Method::Other => return Err(Refusal::with(501, Header::Allow, self.allow.clone())),
            method @ (Method::Register
            | Method::Refer
            | Method::Notify
            | Method::Subscribe
            | Method::Message
            | Method::Publish)
                if !self.settings.methods.contains(&method) =>
            {
                return Err(Refusal::with(405, Header::Allow, self.allow.clone()));
            }
            Method::Invite
            | Method::Ack
            | Method::Bye
            | Method::Cancel
            | Method::Options
            | Method::Prack
            | Method::Update
            | Method::Info
            | Method::Register
            | Method::Refer
            | Method::Notify
            | Method::Subscribe
            | Method::Message
            | Method::Publish => {}
        }
        match message
            .request_uri()
            .and_then(Uri::parse)
            .map(|uri| uri.scheme())
        {
            Some(Scheme::Sip | Scheme::Sips | Scheme::Tel) => {}
            Some(Scheme::Other) | None => return Err(Refusal::new(416)),
        }
        let unknown: Vec<_> = message
            .headers(Header::Require)
            .filter(|option| !self.supports(option))
            .map(|option| String::from_utf8_lossy(option).into_owned())
            .collect();
        if !unknown.is_empty() {
            return Err(Refusal::with(420, Header::Unsupported, unknown.join(", ")));
        }
        if message.body().len() > self.settings.limits.body_bytes_max {
            return Err(Refusal::new(413));
        }
        if message.method() == Method::Invite && !accepts_sdp(message) {
            return Err(Refusal::new(406));
        }
        check_content(message)
    }

    fn supports(&self, option: &[u8]) -> bool {
        let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
        let has_timer = match self.settings.session_timers {
            super::SessionTimers::On { .. } => true,
            super::SessionTimers::Off => false,
        };
        is("100rel") || is("path") || is("outbound") || (is("timer") && has_timer)
    }

    fn receive_outside(
        &mut self,
        now: Instant,
        server: ServerId,
        flow: Flow,
        message: Message,
    ) -> Result<(), Refusal> {
        match message.method() {
            Method::Invite => self.receive_invite(now, server, flow, message),
            Method::Bye
            | Method::Prack
            | Method::Update
            | Method::Info
            | Method::Cancel
            | Method::Ack => Err(Refusal::new(481)),
            Method::Options if !self.settings.methods.contains(&Method::Options) => {
                self.answer_options(now, server);
                Ok(())
            }
            Method::Options
            | Method::Register
            | Method::Refer
            | Method::Notify
            | Method::Subscribe
            | Method::Message
            | Method::Publish
            | Method::Other => {
                self.events.push_back(Event::Request {
                    request: RequestId(server),
                    dialog: None,
                    message,
                    flow,
                });
                Ok(())
            }
        }
    }

    fn receive_in_dialog(
        &mut self,
        now: Instant,
        server: ServerId,
        flow: Flow,
        message: &Message,
    ) -> Result<(), Refusal> {
        let key = self.find_for_request(message).ok_or(Refusal::new(481))?;
        self.transactions
            .own(server, Owner::of(key, Purpose::Served));
        let dialog = self.dialogs.get_mut(key).ok_or(Refusal::new(481))?;
        // RFC 3261 §12.2.2: requests out of order are refused; gaps are not.
        if dialog
            .remote_sequence
            .is_some_and(|last| message.sequence() < last)
        {
            return Err(Refusal::new(500));
        }
        dialog.remote_sequence = Some(message.sequence());
        // RFC 5626 §5.3: what follows goes back the way that is used now; a translator may have changed it.
        if flow.transport == dialog.flow.transport
            && (flow.transport.is_reliable() || dialog.peer.is_natted)
        {
            dialog.flow = flow;
        }
        match message.method() {
            Method::Bye => self.receive_bye(now, key, server, message),
            Method::Invite | Method::Update => {
                self.receive_offer(now, key, server, flow, message)?
            }
            Method::Prack => self.receive_prack(now, key, server, message)?,
            Method::Info => self.receive_info(now, key, server, message)?,
            Method::Options => self.answer_options(now, server),
            Method::Refer
            | Method::Notify
            | Method::Subscribe
            | Method::Message
            | Method::Publish => {
                self.events.push_back(Event::Request {
                    request: RequestId(server),
                    dialog: Some(DialogId(key)),
                    message: message.clone(),
                    flow,
                });
            }
            Method::Register | Method::Cancel | Method::Ack | Method::Other => {
                return Err(Refusal::with(405, Header::Allow, self.allow.clone()));
            }
        }
        self.arm(key);
        Ok(())
    }

    /// RFC 3261 §11.2.
    fn answer_options(&mut self, now: Instant, server: ServerId) {
        let tag = self.tag_for(server);
        let Some(mut answer) = self.transactions.response(server, 200, None, Some(&tag)) else {
            return;
        };
        self.put_abilities(&mut answer);
        answer.header(
            Header::Accept,
            "application/sdp, application/dtmf-relay, application/dtmf",
        );
        answer.header(Header::Server, &self.settings.product);
        self.transactions.respond(now, server, 200, answer.finish());
    }

    /// The tag for a response to a request: the dialog's own, which its To carries already, or a fresh one.
    pub(super) fn tag_for(&mut self, server: ServerId) -> String {
        let dialog = self
            .transactions
            .owner_of_server(server)
            .and_then(|owner| owner.dialog);
        match dialog.and_then(|key| Some((key, self.dialogs.get(key)?))) {
            Some((key, dialog)) => crate::sip::random::write_token(key.index, dialog.nonce),
            None => self.mint_tag(),
        }
    }

    pub(super) fn refuse(&mut self, now: Instant, server: ServerId, refusal: &Refusal) {
        let tag = self.tag_for(server);
        let Some(mut answer) = self
            .transactions
            .response(server, refusal.status, None, Some(&tag))
        else {
            return;
        };
        for (header, value) in &refusal.headers {
            answer.header(*header, value);
        }
        answer.header(Header::Server, &self.settings.product);
        self.transactions
            .respond(now, server, refusal.status, answer.finish());
    }

    /// Sends a response without a body.
    pub(super) fn respond_plain(&mut self, now: Instant, server: ServerId, status: u16) {
        self.refuse(now, server, &Refusal::new(status));
    }

    /// RFC 3261 §9.2: a CANCEL is answered itself, and ends the INVITE that has no final response.
    fn receive_cancel(
        &mut self,
        now: Instant,
        server: ServerId,
        invite: Option<ServerId>,
        message: &Message,
    ) {
        let Some(invite) = invite else {
            return self.respond_plain(now, server, 481);
        };
        if let Some(owner) = self.transactions.owner_of_server(invite) {
            self.transactions.own(server, owner);
        }
        self.respond_plain(now, server, 200);
        let key = self
            .transactions
            .owner_of_server(invite)
            .and_then(|owner| owner.dialog);
        let Some((key, dialog)) = key.and_then(|key| Some((key, self.dialogs.get_mut(key)?)))
        else {
            return;
        };
        if let Phase::Incoming(incoming) = &dialog.phase
            && incoming.server == invite
        {
            self.respond_plain(now, invite, 487);
            self.dialogs.remove(key);
            let reason = message
                .header_text(Header::Reason)
                .map(std::borrow::Cow::into_owned);
            self.events.push_back(Event::Cancelled {
                id: DialogId(key),
                reason,
            });
        } else if matches!(dialog.modification, Modification::Received(pending) if pending == invite)
        {
            dialog.modification = Modification::Idle;
            self.respond_plain(now, invite, 487);
            self.events
                .push_back(Event::OfferWithdrawn { id: DialogId(key) });
        }
    }

    /// Answers a request handed out by [`Event::Request`].
    ///
    /// # Errors
    /// The request was answered before, or gave up.
    pub fn respond(
        &mut self,
        now: Instant,
        request: RequestId,
        status: u16,
        headers: &[(String, String)],
        body: Option<(&str, Bytes)>,
    ) -> Result<(), super::CommandFault> {
        let tag = self.tag_for(request.0);
        let mut answer = self
            .transactions
            .response(request.0, status, None, Some(&tag))
            .ok_or(super::CommandFault::Gone)?;
        if status == 405
            || (self
                .transactions
                .request_of(request.0)
                .is_some_and(|request| request.method() == Method::Options)
                && status < 300)
        {
            self.put_abilities(&mut answer);
        }
        put_headers(&mut answer, headers);
        answer.header(Header::Server, &self.settings.product);
        let bytes = match body {
            Some((content_type, body)) => answer.finish_with(content_type, &body),
            None => answer.finish(),
        };
        self.transactions.respond(now, request.0, status, bytes);
        Ok(())
    }

    /// The first INVITE of a call.
    fn receive_invite(
        &mut self,
        now: Instant,
        server: ServerId,
        flow: Flow,
        message: Message,
    ) -> Result<(), Refusal> {
        // RFC 7332: a back-to-back user agent sends the call on, so the hops count.
        if message.header(Header::MaxForwards).and_then(scan::number) == Some(0) {
            return Err(Refusal::new(483));
        }
        if let Some(min_se) = session::is_too_short(self.settings.session_timers, &message) {
            return Err(Refusal::with(422, Header::MinSe, min_se.to_string()));
        }
        // RFC 3261 §12.1.1: without a Contact there is nobody to send the BYE to.
        if super::dialog::target_of_invite(&message).is_none() {
            return Err(Refusal::new(400));
        }
        if self.dialogs.len() >= self.settings.limits.dialogs_max {
            return Err(Refusal::with(
                503,
                Header::RetryAfter,
                RETRY_AFTER_S.to_string(),
            ));
        }
        let nonce = self.random.next();
        let answer_max = self.settings.limits.answer_max;
        let key = self.dialogs.insert_with(|key| {
            Dialog::from_invite(key, nonce, server, flow, &message, now + answer_max)
        });
        self.transactions
            .own(server, Owner::of(key, Purpose::Served));
        self.arm(key);
        self.events.push_back(Event::Incoming {
            id: DialogId(key),
            invite: message,
            flow,
        });
        Ok(())
    }

    /// The ACK to a 2xx (RFC 3261 §13.3.1.4).
    fn receive_ack(&mut self, now: Instant, message: &Message) {
        let Some(key) = self.find_for_request(message) else {
            return;
        };
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return;
        };
        let Some(unacknowledged) = dialog
            .unacknowledged
            .take_if(|response| response.sequence == message.sequence())
        else {
            return;
        };
        let id = DialogId(key);
        let sdp = super::dialog::sdp_of(message);
        match (unacknowledged.answers, &mut dialog.phase) {
            (super::dialog::Answers::First, Phase::ClosingAfterAck(headers)) => {
                let headers = std::mem::take(headers);
                self.send_bye(now, key, super::Cause::HungUp, &headers);
            }
            (
                super::dialog::Answers::First,
                Phase::Incoming(_) | Phase::Outgoing(_) | Phase::OwingAck(_) | Phase::Confirmed,
            ) => {
                self.events.push_back(Event::Confirmed { id, sdp });
            }
            (super::dialog::Answers::Question, Phase::Confirmed) => {
                self.events.push_back(Event::OfferAnswered { id, sdp })
            }
            (
                super::dialog::Answers::First
                | super::dialog::Answers::Offer
                | super::dialog::Answers::Question,
                _,
            ) => {}
        }
        self.arm(key);
    }
}

impl Dialog {
    fn from_invite(
        key: Key,
        nonce: u64,
        server: ServerId,
        flow: Flow,
        invite: &Message,
        end: Instant,
    ) -> Self {
        use super::dialog::{
            Incoming, Names, Negotiation, Peer, Reliable, Side, is_request_natted, route_set,
        };
        let tag = crate::sip::random::write_token(key.index, nonce);
        let to = scan::unfold(invite.header(Header::To).unwrap_or(b""));
        let mut peer = Peer {
            is_natted: is_request_natted(invite, flow),
            ..Peer::default()
        };
        peer.learn(invite);
        Self {
            nonce,
            side: Side::Callee,
            phase: Phase::Incoming(Box::new(Incoming {
                server,
                end,
                repeat: None,
                reliable: Reliable {
                    number: 0,
                    under_way: None,
                    queue: std::collections::VecDeque::new(),
                    held_answer: None,
                    negotiation: Negotiation::Open,
                },
            })),
            modification: Modification::Idle,
            unacknowledged: None,
            flow,
            max_forwards: super::MAX_FORWARDS,
            names: Names {
                call_id: invite.call_id().into(),
                local: [to.as_ref(), b";tag=", tag.as_bytes()].concat().into(),
                remote: scan::unfold(invite.header(Header::From).unwrap_or(b"")).into(),
                target: super::dialog::target_of_invite(invite).unwrap_or_default(),
                routes: route_set(invite, Side::Callee),
            },
            local_sequence: 0,
            remote_sequence: Some(invite.sequence()),
            peer,
            session: session::Session::Off,
            digest: None,
            sdp: Bytes::new(),
            alarm: crate::sip::alarm::Alarm::default(),
        }
    }
}

/// RFC 3261 §8.2.3: bodies and encodings that are not understood are refused, unless they are optional.
fn check_content(message: &Message) -> Result<(), Refusal> {
    let is_ours = matches!(
        message.method(),
        Method::Invite | Method::Update | Method::Prack
    );
    if !message.has_body() || !is_ours || is_optional(message) {
        return Ok(());
    }
    let is_encoded = message
        .headers(Header::ContentEncoding)
        .any(|coding| !coding.eq_ignore_ascii_case(b"identity"));
    if is_encoded {
        return Err(Refusal::with(415, Header::AcceptEncoding, "identity"));
    }
    match super::dialog::sdp_of(message) {
        Some(_) => Ok(()),
        None => Err(Refusal::with(415, Header::Accept, "application/sdp")),
    }
}

/// RFC 3261 §20.1: no Accept means application/sdp, an empty one nothing at all.
fn accepts_sdp(message: &Message) -> bool {
    message.header(Header::Accept).is_none()
        || message.headers(Header::Accept).any(|range| {
            let end = range.iter().position(|byte| *byte == b';');
            let range = scan::trim(&range[..end.unwrap_or(range.len())]);
            ["application/sdp", "application/*", "*/*"]
                .iter()
                .any(|ours| range.eq_ignore_ascii_case(ours.as_bytes()))
        })
}

/// RFC 3261 §20.11: a body marked so may be passed over.
fn is_optional(message: &Message) -> bool {
    let Some(value) = message.header(Header::ContentDisposition) else {
        return false;
    };
    let end = value
        .iter()
        .position(|byte| *byte == b';')
        .unwrap_or(value.len());
    scan::Params::new(&value[end..])
        .value("handling")
        .is_some_and(|handling| handling.eq_ignore_ascii_case(b"optional"))
}

/// Adds header fields the user gives.
pub(super) fn put_headers(builder: &mut Builder, headers: &[(String, String)]) {
    for (name, value) in headers {
        if scan::is_token(name.as_bytes()) {
            builder.header(name.as_str(), value);
        }
    }
}
