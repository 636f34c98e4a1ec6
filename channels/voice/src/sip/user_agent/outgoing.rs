//! Calls that go out: INVITE, its forks, cancelling, and the ACK (RFC 3261 section 13, RFC 3262 §4).

use super::dialog::{
    Cancel, Dialog, HasSdp, Modification, Names, Negotiation, Outgoing, OwingAck, Peer, Phase,
    Side, route_set, sdp_of,
};
use super::incoming::{finish, retry_after};
use super::request::put_headers;
use super::session::{Session, min_se};
use super::{
    Cause, CommandFault, DialogId, Event, Invite, MAX_FORWARDS, Owner, Purpose, SessionTimers,
    UserAgent,
};
use crate::sip::digest;
use crate::sip::flow::Flow;
use crate::sip::header::{Header, NameAddr, scan};
use crate::sip::message::{Builder, Message, Method, shard_of_call_id};
use crate::sip::random::write_token;
use crate::sip::slab::Key;
use crate::sip::transaction::ClientId;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// Most times one request is sent anew after 401, 407, 422 or 491.
pub(super) const ATTEMPTS_MAX: u8 = 5;
/// Most early dialogs of one INVITE whose reliable responses are acknowledged.
const EARLY_MAX: usize = 8;

impl UserAgent {
    /// Calls somebody.
    ///
    /// # Errors
    /// [`CommandFault::Full`] when there is no room for another dialog.
    pub fn invite(&mut self, now: Instant, invite: Invite) -> Result<DialogId, CommandFault> {
        if self.dialogs.len() >= self.settings.limits.dialogs_max {
            return Err(CommandFault::Full);
        }
        let call_id = match &invite.call_id {
            Some(call_id) => call_id.clone(),
            None => self.mint_call_id(),
        };
        let nonce = self.random.next();
        let sequence = u32::try_from(self.random.below(1 << 16)).unwrap_or(0) + 1;
        let end = now + self.settings.limits.ring_max;
        let reservation = self.transactions.reserve(
            Method::Invite,
            invite.flow,
            Owner {
                dialog: None,
                purpose: Purpose::Invite,
            },
        );
        let (client, branch) = reservation.ok_or(CommandFault::Full)?;
        let sdp = invite.sdp.clone();
        let key = self.dialogs.insert_with(|key| Dialog {
            nonce,
            side: Side::Caller,
            phase: Phase::Outgoing(Box::new(Outgoing {
                client,
                cancel: Cancel::NoSilent,
                end,
                has_offer: if sdp.is_some() {
                    HasSdp::Yes
                } else {
                    HasSdp::No
                },
                negotiation: Negotiation::Open,
                attempts: 0,
                heard: Vec::new(),
            })),
            modification: Modification::Idle,
            unacknowledged: None,
            flow: invite.flow,
            max_forwards: invite.max_forwards,
            names: Names {
                call_id: call_id.into_bytes().into(),
                local: format!("{};tag={}", invite.from, write_token(key.index, nonce))
                    .into_bytes()
                    .into(),
                remote: invite.to.as_bytes().into(),
                target: invite.request_uri.as_bytes().into(),
                routes: Box::default(),
            },
            local_sequence: sequence,
            remote_sequence: None,
            peer: Peer::default(),
            session: Session::Off,
            digest: invite
                .account
                .map(|account| Box::new(digest::Client::new(account))),
            sdp: sdp.clone().unwrap_or_default(),
            alarm: crate::sip::alarm::Alarm::default(),
        });
        self.transactions
            .own_client(client, Owner::of(key, Purpose::Invite));
        if let Some(dialog) = self.dialogs.get(key) {
            let mut builder =
                self.begin_in_dialog(dialog, Method::Invite, sequence, &branch, &invite.flow);
            put_headers(&mut builder, &invite.headers);
            self.put_contact(&mut builder, &invite.flow);
            builder.header(Header::Allow, &self.allow);
            // Without an offer of ours a reliable response could bring one, which only an answer could acknowledge.
            match (self.settings.session_timers, sdp.is_some()) {
                (SessionTimers::On { .. }, true) => {
                    builder.header(Header::Supported, "100rel, timer")
                }
                (SessionTimers::On { .. }, false) => builder.header(Header::Supported, "timer"),
                (SessionTimers::Off, true) => builder.header(Header::Supported, "100rel"),
                (SessionTimers::Off, false) => &mut builder,
            };
            dialog
                .session
                .write_request(&mut builder, self.settings.session_timers);
            builder.header(Header::UserAgent, &self.settings.product);
            let bytes = finish(builder, sdp.as_ref());
            self.transactions.request(now, client, bytes);
        }
        self.arm(key);
        Ok(DialogId(key))
    }

    /// A Call-ID that [`shard_of_call_id`] gives to this shard.
    pub(super) fn mint_call_id(&mut self) -> String {
        let shard = self.settings.shard;
        let mut call_id = String::new();
        // Each try fits with one chance in `count`; the bound is never met in practice, and then only costs
        // a message that another shard passes on.
        for _ in 0..shard.count.saturating_mul(64).max(1) {
            call_id = format!("{:016x}{:016x}", self.random.next(), self.random.next());
            if shard_of_call_id(call_id.as_bytes(), shard.count) == shard.index {
                break;
            }
        }
        call_id
    }

    /// Gives up a call that is not answered yet. [`Event::Refused`] follows with 487, or [`Event::Ended`] when the
    /// answer came first.
    ///
    /// # Errors
    /// The call is gone or answered.
    pub fn cancel(
        &mut self,
        now: Instant,
        id: DialogId,
        reason: Option<&str>,
    ) -> Result<(), CommandFault> {
        let dialog = self.dialogs.get_mut(id.0).ok_or(CommandFault::Gone)?;
        let Phase::Outgoing(outgoing) = &mut dialog.phase else {
            return Err(CommandFault::WrongState);
        };
        match outgoing.cancel {
            // RFC 3261 §9.1: CANCEL waits for a provisional response, or it may overtake the INVITE.
            Cancel::NoSilent => outgoing.cancel = Cancel::Wanted(reason.map(str::to_owned)),
            Cancel::NoHeard => {
                outgoing.cancel = Cancel::Sent(reason.map(str::to_owned));
                let client = outgoing.client;
                self.transactions
                    .cancel(now, client, Owner::of(id.0, Purpose::Aside), reason);
            }
            Cancel::Wanted(_) | Cancel::Sent(_) => {}
        }
        Ok(())
    }

    /// 1xx to our INVITE.
    pub(super) fn receive_provisional(&mut self, now: Instant, key: Key, response: &Message) {
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return;
        };
        let Phase::Outgoing(outgoing) = &mut dialog.phase else {
            return;
        };
        let client = outgoing.client;
        match std::mem::replace(&mut outgoing.cancel, Cancel::NoHeard) {
            Cancel::NoSilent | Cancel::NoHeard => {}
            Cancel::Wanted(reason) => {
                outgoing.cancel = Cancel::Sent(reason.clone());
                self.transactions.cancel(
                    now,
                    client,
                    Owner::of(key, Purpose::Aside),
                    reason.as_deref(),
                );
            }
            sent @ Cancel::Sent(_) => outgoing.cancel = sent,
        }
        let status = response.status().unwrap_or(100);
        if status == 100 {
            return;
        }
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return;
        };
        dialog.peer.learn(response);
        let tag = response
            .to()
            .as_ref()
            .and_then(|to| to.tag())
            .map(<[u8]>::to_vec);
        if let Some(tag) = &tag {
            // RFC 3261 §12.1.2: an early dialog. With several forks the last one heard is the one we talk in.
            dialog.names.remote = scan::unfold(response.header(Header::To).unwrap_or(b"")).into();
            if tag.is_empty() || response.contact().is_some() {
                dialog.names.refresh_target(response);
                dialog.names.routes = route_set(response, Side::Caller);
            }
        }
        let is_reliable = response
            .headers(Header::Require)
            .any(|option| option.eq_ignore_ascii_case(b"100rel"));
        let number = response
            .header(Header::RSeq)
            .and_then(scan::number)
            .and_then(|number| u32::try_from(number).ok());
        let sdp = sdp_of(response);
        if let (true, Some(number), Some(tag)) = (is_reliable, number, tag) {
            match self.hear_reliable(key, tag.into(), number) {
                // RFC 3262 §4: a repetition, or one after a gap, is not taken.
                Heard::Again | Heard::OutOfOrder => return,
                Heard::Next => self.send_prack(now, key, response, number),
            }
            if let Some(dialog) = self.dialogs.get_mut(key)
                && let Phase::Outgoing(outgoing) = &mut dialog.phase
                && sdp.is_some()
            {
                outgoing.negotiation = Negotiation::Done;
            }
        }
        self.events.push_back(Event::Progress {
            id: DialogId(key),
            status,
            sdp,
        });
    }

    fn hear_reliable(&mut self, key: Key, tag: Box<[u8]>, number: u32) -> Heard {
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return Heard::Again;
        };
        let Phase::Outgoing(outgoing) = &mut dialog.phase else {
            return Heard::Again;
        };
        let is_full = outgoing.heard.len() >= EARLY_MAX;
        match outgoing.heard.iter_mut().find(|(known, _)| *known == tag) {
            Some((_, last)) if number == last.wrapping_add(1) => {
                *last = number;
                Heard::Next
            }
            Some((_, last)) if number <= *last => Heard::Again,
            Some(_) => Heard::OutOfOrder,
            None if is_full => Heard::OutOfOrder,
            None => {
                outgoing.heard.push((tag, number));
                Heard::Next
            }
        }
    }

    fn send_prack(&mut self, now: Instant, key: Key, response: &Message, number: u32) {
        let sequence = response.sequence();
        // Without room the response is repeated, and so is this.
        let _ = self.send_in_dialog(
            now,
            key,
            Method::Prack,
            Purpose::Aside,
            |_, _, _, mut builder| {
                builder.header_parts(
                    Header::RAck,
                    &[format!("{number} {sequence} INVITE").as_bytes()],
                );
                builder.finish()
            },
        );
    }

    /// The final response to our INVITE.
    pub(super) fn receive_invite_final(
        &mut self,
        now: Instant,
        key: Key,
        client: ClientId,
        request: &Bytes,
        response: &Message,
    ) {
        let status = response.status().unwrap_or(500);
        let Some(dialog) = self.dialogs.get_mut(key) else {
            if status < 300 {
                self.end_fork(now, client, response);
            }
            return;
        };
        let Phase::Outgoing(outgoing) = &mut dialog.phase else {
            return;
        };
        match status {
            ..300 => self.receive_answer(now, key, client, request, response),
            401 | 407 | 422
                if outgoing.attempts < ATTEMPTS_MAX
                    && matches!(outgoing.cancel, Cancel::NoSilent | Cancel::NoHeard) =>
            {
                outgoing.attempts += 1;
                if !self.learn_to_retry(now, key, response) || !self.invite_again(now, key, request)
                {
                    self.refused(key, status, Some(response));
                }
            }
            _ => self.refused(key, status, Some(response)),
        }
    }

    pub(super) fn refused(&mut self, key: Key, status: u16, response: Option<&Message>) {
        self.dialogs.remove(key);
        self.events.push_back(Event::Refused {
            id: DialogId(key),
            status,
            reason: response.map_or_else(
                || crate::sip::message::reason_phrase(status).to_owned(),
                |response| response.reason().into_owned(),
            ),
            retry_after: response.and_then(retry_after),
            response: response.cloned(),
        });
    }

    /// Takes a challenge, or the shortest session interval of the other side; says whether trying again makes sense.
    pub(super) fn learn_to_retry(&mut self, now: Instant, key: Key, response: &Message) -> bool {
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return false;
        };
        let status = response.status().unwrap_or(0);
        match digest::Challenger::from_status(status) {
            Some(challenger) => {
                let Some(digest) = &mut dialog.digest else {
                    return false;
                };
                digest
                    .handle_challenge(challenger, response.lines(challenger.challenge_header()))
                    .is_ok()
            }
            None => match (min_se(response), self.settings.session_timers) {
                // RFC 4028 §7.3: the refused request is sent again with at least their Min-SE.
                (Some(seconds), SessionTimers::On { interval, .. }) => {
                    let interval = Duration::from_secs(seconds.into()).max(interval);
                    dialog.session = Session::Refreshing {
                        interval,
                        at: now + interval / 2,
                    };
                    true
                }
                (Some(_) | None, _) => false,
            },
        }
    }

    /// Sends our INVITE again with what was learnt: new CSeq and branch, all else the same (RFC 3261 §8.1.3.5).
    fn invite_again(&mut self, now: Instant, key: Key, request: &Bytes) -> bool {
        let Ok(request) = Message::parse_datagram(request.clone()) else {
            return false;
        };
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return false;
        };
        dialog.local_sequence += 1;
        let (sequence, flow) = (dialog.local_sequence, dialog.flow);
        let session = dialog.session;
        let mut digest = dialog.digest.take();
        let reservation =
            self.transactions
                .reserve(Method::Invite, flow, Owner::of(key, Purpose::Invite));
        let Some((client, branch)) = reservation else {
            return false;
        };
        let random = self.random.next();
        let bytes = self.write_again(
            &request,
            &flow,
            &branch,
            sequence,
            digest.as_deref_mut(),
            random,
            |agent, builder| {
                session.write_request(builder, agent.settings.session_timers);
            },
        );
        if let Some(dialog) = self.dialogs.get_mut(key) {
            dialog.digest = digest;
            if let Phase::Outgoing(outgoing) = &mut dialog.phase {
                outgoing.client = client;
                outgoing.cancel = Cancel::NoSilent;
            }
        }
        self.transactions.request(now, client, bytes);
        true
    }

    /// Writes a request again with another branch, CSeq and credentials.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one part of the message that differs"
    )]
    pub(super) fn write_again(
        &self,
        request: &Message,
        flow: &Flow,
        branch: &str,
        sequence: u32,
        digest: Option<&mut digest::Client>,
        random: u64,
        write: impl FnOnce(&Self, &mut Builder),
    ) -> Bytes {
        let uri = request.request_uri().unwrap_or(b"");
        let mut builder = Builder::request_of(request.method_text(), uri);
        if let Some(written) = self.written(flow) {
            builder.header_parts(Header::Via, &[written.via.as_bytes(), branch.as_bytes()]);
        }
        for (name, value) in request.all_headers() {
            use crate::sip::header::HeaderName::Known;
            let is_new = matches!(
                name,
                Known(
                    Header::Via
                        | Header::CSeq
                        | Header::ContentLength
                        | Header::Authorization
                        | Header::ProxyAuthorization
                        | Header::SessionExpires
                        | Header::MinSe
                )
            );
            if !is_new {
                builder.header(name, value);
            }
        }
        builder.header_parts(
            Header::CSeq,
            &[format!("{sequence} ").as_bytes(), request.method_text()],
        );
        if let Some(digest) = digest
            && digest.has_challenge()
        {
            for (name, value) in
                digest.authorize(request.method_text(), uri, &request.body(), random)
            {
                builder.header(name, value);
            }
        }
        write(self, &mut builder);
        builder.finish_body(&request.body())
    }

    /// The first 2xx (RFC 3261 §13.2.2.4).
    fn receive_answer(
        &mut self,
        now: Instant,
        key: Key,
        client: ClientId,
        request: &Bytes,
        response: &Message,
    ) {
        let timers = self.settings.session_timers;
        let lifetime = self.settings.timings.lifetime();
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return;
        };
        let Phase::Outgoing(outgoing) = &dialog.phase else {
            return;
        };
        let cancelled = match &outgoing.cancel {
            Cancel::Wanted(reason) | Cancel::Sent(reason) => Some(reason.clone()),
            Cancel::NoSilent | Cancel::NoHeard => None,
        };
        let (has_offer, is_settled) = (
            outgoing.has_offer,
            outgoing.negotiation == Negotiation::Done,
        );
        dialog.names.remote = scan::unfold(response.header(Header::To).unwrap_or(b"")).into();
        dialog.names.refresh_target(response);
        dialog.names.routes = route_set(response, Side::Caller);
        dialog.peer.learn(response);
        dialog.session = Session::from_response(now, timers, response);
        dialog.phase = Phase::Confirmed;
        let sdp = sdp_of(response);
        let id = DialogId(key);
        if let Some(reason) = cancelled {
            self.acknowledge(key, client, response, request, None);
            // Who answered too late hears why, as they would have by the CANCEL (RFC 3326).
            let reason = reason.map(|reason| (Header::Reason.as_str().to_owned(), reason));
            let headers: Vec<(String, String)> = reason.into_iter().collect();
            return self.send_bye(now, key, Cause::Cancelled, &headers);
        }
        match (has_offer, &sdp) {
            (HasSdp::No, Some(_)) => {
                let Some(dialog) = self.dialogs.get_mut(key) else {
                    return;
                };
                dialog.phase = Phase::OwingAck(Box::new(OwingAck {
                    client,
                    response: response.clone(),
                    request: request.clone(),
                    end: now + lifetime / 2,
                }));
                self.events.push_back(Event::Answered { id, sdp });
            }
            (HasSdp::Yes, None) if !is_settled => {
                self.acknowledge(key, client, response, request, None);
                self.send_bye_after(now, key, Cause::Protocol, 0);
            }
            (HasSdp::No, None) => {
                self.acknowledge(key, client, response, request, None);
                self.send_bye_after(now, key, Cause::Protocol, 0);
            }
            (HasSdp::Yes, _) => {
                self.acknowledge(key, client, response, request, None);
                self.events.push_back(Event::Answered {
                    id,
                    sdp: if is_settled { None } else { sdp },
                });
            }
        }
    }

    /// Sends the ACK that waits for our answer.
    pub(super) fn answer_in_ack(&mut self, key: Key, sdp: Option<&Bytes>) {
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return;
        };
        match std::mem::replace(&mut dialog.phase, Phase::Confirmed) {
            Phase::OwingAck(owing) => {
                self.acknowledge(key, owing.client, &owing.response, &owing.request, sdp)
            }
            other @ (Phase::Incoming(_)
            | Phase::Outgoing(_)
            | Phase::Confirmed
            | Phase::ClosingAfterAck(_)
            | Phase::Closing(_)) => dialog.phase = other,
        }
    }

    /// Writes and sends the ACK to a 2xx (RFC 3261 §13.2.2.4): CSeq and credentials of the INVITE, a branch of its own.
    pub(super) fn acknowledge(
        &mut self,
        key: Key,
        client: ClientId,
        response: &Message,
        request: &Bytes,
        sdp: Option<&Bytes>,
    ) {
        let branch = self.mint_branch();
        let Some(dialog) = self.dialogs.get(key) else {
            return;
        };
        let flow = dialog.names.next_hop(dialog.flow, dialog.peer);
        let mut builder =
            self.begin_in_dialog(dialog, Method::Ack, response.sequence(), &branch, &flow);
        if dialog.digest.is_some()
            && let Ok(request) = Message::parse_datagram(request.clone())
        {
            builder.copy(&request, Header::Authorization);
            builder.copy(&request, Header::ProxyAuthorization);
        }
        let ack = finish(builder, sdp);
        self.transactions.acknowledge(client, response, ack, flow);
    }

    fn mint_branch(&mut self) -> String {
        format!(
            "{}{}",
            crate::sip::transaction::BRANCH_MAGIC,
            self.mint_tag()
        )
    }

    /// A 2xx nobody wants: of another fork than the first, or after the call was given up. It is acknowledged and
    /// hung up (RFC 3261 §13.2.2.4).
    pub(super) fn end_fork(&mut self, now: Instant, client: ClientId, response: &Message) {
        let Some(flow) = self.transactions.flow_of_client(client) else {
            return;
        };
        let unfolded = |header| scan::unfold(response.header(header).unwrap_or(b"")).into();
        let mut names = Names {
            call_id: response.call_id().into(),
            local: unfolded(Header::From),
            remote: unfolded(Header::To),
            target: response
                .to()
                .map_or_else(Box::default, |to: NameAddr<'_>| to.uri_bytes().into()),
            routes: route_set(response, Side::Caller),
        };
        names.refresh_target(response);
        let flow = names.next_hop(flow, Peer::default());
        let branch = self.mint_branch();
        let ack = self.write_for_fork(&names, Method::Ack, response.sequence(), &branch, &flow);
        self.transactions.acknowledge(client, response, ack, flow);
        let owner = Owner {
            dialog: self
                .transactions
                .owner_of_response(response)
                .and_then(|owner| owner.dialog),
            purpose: Purpose::Aside,
        };
        if let Some((client, branch)) = self.transactions.reserve(Method::Bye, flow, owner) {
            let bye =
                self.write_for_fork(&names, Method::Bye, response.sequence() + 1, &branch, &flow);
            self.transactions.request(now, client, bye);
        }
    }

    fn write_for_fork(
        &self,
        names: &Names,
        method: Method,
        sequence: u32,
        branch: &str,
        flow: &Flow,
    ) -> Bytes {
        let (uri, route) = names.way();
        let mut builder = Builder::request(method, uri);
        if let Some(written) = self.written(flow) {
            builder.header_parts(Header::Via, &[written.via.as_bytes(), branch.as_bytes()]);
        }
        builder.header_number(Header::MaxForwards, MAX_FORWARDS.into(), "");
        if let Some(route) = route {
            builder.header(Header::Route, route);
        }
        builder
            .header(Header::From, &names.local)
            .header(Header::To, &names.remote)
            .header(Header::CallId, &names.call_id);
        builder.header_number(Header::CSeq, sequence, super::method_suffix(method));
        builder.finish()
    }

    /// What is due for a call of ours that is not answered or not acknowledged.
    pub(super) fn wake_outgoing(&mut self, now: Instant, key: Key) {
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return;
        };
        match &dialog.phase {
            Phase::Outgoing(outgoing) if outgoing.end <= now => {
                let _ = self.cancel(now, DialogId(key), None);
            }
            Phase::OwingAck(owing) if owing.end <= now => {
                self.answer_in_ack(key, None);
                self.send_bye_after(now, key, Cause::Unattended, 0);
            }
            Phase::Outgoing(_)
            | Phase::OwingAck(_)
            | Phase::Incoming(_)
            | Phase::Confirmed
            | Phase::ClosingAfterAck(_)
            | Phase::Closing(_) => {}
        }
    }
}

/// What a reliable provisional response is (RFC 3262 §4).
enum Heard {
    Next,
    Again,
    OutOfOrder,
}
