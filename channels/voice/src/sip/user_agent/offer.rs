//! Changing a session: re-INVITE (RFC 3261 section 14) and UPDATE (RFC 3311), both ways, with glare.

use super::dialog::{
    Answers, Modification, Negotiation, Offer, OfferPurpose, Phase, Side, Unacknowledged,
    is_request_natted, sdp_of,
};
use super::incoming::finish;
use super::request::Refusal;
use super::session::{self, Session};
use super::{Cause, CommandFault, DialogId, Event, Purpose, UserAgent};
use crate::sip::flow::Flow;
use crate::sip::header::Header;
use crate::sip::message::{Message, Method};
use crate::sip::slab::Key;
use crate::sip::transaction::{ClientId, Resend, ServerId};
use bytes::Bytes;
use std::time::{Duration, Instant};

impl UserAgent {
    /// Offers a change by re-INVITE; [`Event::OfferAnswered`] or [`Event::OfferRefused`] follows. A collision is
    /// dealt with here.
    ///
    /// # Errors
    /// The call is gone or not answered yet, or another change is under way.
    pub fn offer(&mut self, now: Instant, id: DialogId, sdp: Bytes) -> Result<(), CommandFault> {
        let dialog = self.dialogs.get(id.0).ok_or(CommandFault::Gone)?;
        if !matches!(dialog.phase, Phase::Confirmed) {
            return Err(CommandFault::WrongState);
        }
        self.begin_offer(now, id.0, Method::Invite, OfferPurpose::Change, sdp)
    }

    /// Offers a change by UPDATE, which works before the answer too, once reliable responses have settled the
    /// first offer.
    ///
    /// # Errors
    /// As for [`Self::offer`]; also when the other side knows no UPDATE.
    pub fn update(&mut self, now: Instant, id: DialogId, sdp: Bytes) -> Result<(), CommandFault> {
        let dialog = self.dialogs.get(id.0).ok_or(CommandFault::Gone)?;
        let is_settled = match &dialog.phase {
            Phase::Incoming(incoming) => incoming.reliable.negotiation == Negotiation::Done,
            Phase::Outgoing(outgoing) => outgoing.negotiation == Negotiation::Done,
            Phase::Confirmed => true,
            Phase::OwingAck(_) | Phase::ClosingAfterAck(_) | Phase::Closing(_) => false,
        };
        if !is_settled || !dialog.peer.has_update {
            return Err(CommandFault::WrongState);
        }
        self.begin_offer(now, id.0, Method::Update, OfferPurpose::Change, sdp)
    }

    pub(super) fn begin_offer(
        &mut self,
        now: Instant,
        key: Key,
        method: Method,
        purpose: OfferPurpose,
        sdp: Bytes,
    ) -> Result<(), CommandFault> {
        let dialog = self.dialogs.get(key).ok_or(CommandFault::Gone)?;
        if !matches!(dialog.modification, Modification::Idle) || dialog.unacknowledged.is_some() {
            return Err(CommandFault::Busy);
        }
        let offer = Offer {
            method,
            purpose,
            sdp,
            attempts: 0,
        };
        if self.send_offer(now, key, offer) {
            Ok(())
        } else {
            Err(CommandFault::Full)
        }
    }

    fn send_offer(&mut self, now: Instant, key: Key, offer: Offer) -> bool {
        let (method, sdp) = (offer.method, offer.sdp.clone());
        let sent = self.send_in_dialog(
            now,
            key,
            method,
            Purpose::Offer,
            |agent, dialog, flow, mut builder| {
                agent.put_contact(&mut builder, flow);
                agent.put_abilities(&mut builder);
                dialog
                    .session
                    .write_request(&mut builder, agent.settings.session_timers);
                finish(builder, Some(&sdp))
            },
        );
        if let Some(dialog) = self.dialogs.get_mut(key) {
            dialog.modification = match sent {
                Some(_) => Modification::Sent(Box::new(offer)),
                None => Modification::Idle,
            };
        }
        sent.is_some()
    }

    /// The final response to our re-INVITE or UPDATE.
    pub(super) fn receive_offer_response(
        &mut self,
        now: Instant,
        key: Key,
        client: ClientId,
        request: &Bytes,
        response: &Message,
    ) {
        let status = response.status().unwrap_or(500);
        let is_invite = response.method() == Method::Invite;
        if is_invite && status < 300 {
            self.acknowledge(key, client, response, request, None);
        }
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return;
        };
        if !matches!(
            dialog.phase,
            Phase::Confirmed | Phase::Incoming(_) | Phase::Outgoing(_)
        ) {
            return;
        }
        let Modification::Sent(mut offer) =
            std::mem::replace(&mut dialog.modification, Modification::Idle)
        else {
            return;
        };
        let (id, side) = (DialogId(key), dialog.side);
        match status {
            ..300 => {
                dialog.peer.learn(response);
                dialog.names.refresh_target(response);
                dialog.session =
                    Session::from_response(now, self.settings.session_timers, response);
                if !offer.sdp.is_empty() {
                    dialog.sdp = offer.sdp;
                }
                if offer.purpose == OfferPurpose::Change {
                    self.events.push_back(Event::OfferAnswered {
                        id,
                        sdp: sdp_of(response),
                    });
                }
            }
            401 | 407 | 422
                if offer.attempts < super::outgoing::ATTEMPTS_MAX
                    && self.learn_to_retry(now, key, response) =>
            {
                offer.attempts += 1;
                self.send_offer(now, key, *offer);
            }
            491 if offer.attempts < super::outgoing::ATTEMPTS_MAX => {
                // RFC 3261 §14.1: the owner of the Call-ID waits 2.1 to 4 s, the other up to 2 s, in steps of 10 ms.
                offer.attempts += 1;
                let steps = match side {
                    Side::Caller => 210 + self.random.below(191),
                    Side::Callee => self.random.below(201),
                };
                let at = now + Duration::from_millis(steps * 10);
                if let Some(dialog) = self.dialogs.get_mut(key) {
                    dialog.modification = Modification::Colliding(offer, at);
                }
            }
            // RFC 3261 §12.2.1.2, RFC 5057 §5.1: the dialog is no more.
            408 | 481 => self.send_bye_after(now, key, Cause::PeerLost, status),
            _ => self.offer_failed(now, key, &offer, status),
        }
    }

    fn offer_failed(&mut self, now: Instant, key: Key, offer: &Offer, status: u16) {
        match offer.purpose {
            OfferPurpose::Change => self.events.push_back(Event::OfferRefused {
                id: DialogId(key),
                status,
            }),
            OfferPurpose::Refresh => {
                let Some(dialog) = self.dialogs.get_mut(key) else {
                    return;
                };
                // A peer that refuses UPDATE after all is refreshed by re-INVITE next time; one that refuses both is
                // there, which is what the refresh is for.
                if offer.method == Method::Update && matches!(status, 405 | 501) {
                    dialog.peer.has_update = false;
                }
                if let Session::Refreshing { interval, at } = &mut dialog.session {
                    *at = now + *interval / 4;
                }
            }
        }
    }

    /// No response came to our re-INVITE or UPDATE, or it could not be sent.
    pub(super) fn offer_unanswered(&mut self, now: Instant, key: Key, status: u16) {
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return;
        };
        if let Phase::Confirmed = dialog.phase {
            dialog.modification = Modification::Idle;
            self.send_bye_after(now, key, Cause::PeerLost, status);
        } else if let Modification::Sent(_) = dialog.modification {
            dialog.modification = Modification::Idle;
            self.events.push_back(Event::OfferRefused {
                id: DialogId(key),
                status,
            });
        }
    }

    /// What is due for a change that collided.
    pub(super) fn wake_colliding(&mut self, now: Instant, key: Key) {
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return;
        };
        if !matches!(&dialog.modification, Modification::Colliding(_, at) if *at <= now) {
            return;
        }
        match dialog.phase {
            Phase::Incoming(_) | Phase::Outgoing(_) | Phase::Confirmed => {}
            Phase::OwingAck(_) | Phase::ClosingAfterAck(_) | Phase::Closing(_) => {
                dialog.modification = Modification::Idle;
                return;
            }
        }
        if dialog.unacknowledged.is_some() {
            if let Modification::Colliding(_, at) = &mut dialog.modification {
                *at = now + self.settings.timings.t1;
            }
            return;
        }
        if let Modification::Colliding(offer, _) =
            std::mem::replace(&mut dialog.modification, Modification::Idle)
        {
            let purpose = offer.purpose;
            if !self.send_offer(now, key, *offer) && purpose == OfferPurpose::Change {
                self.events.push_back(Event::OfferRefused {
                    id: DialogId(key),
                    status: 503,
                });
            }
        }
    }

    /// Refreshes a session, or hangs up one that nobody refreshed (RFC 4028 §10).
    pub(super) fn wake_session(&mut self, now: Instant, key: Key) {
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return;
        };
        if !matches!(dialog.phase, Phase::Confirmed) {
            return;
        }
        match &mut dialog.session {
            Session::Refreshing { interval, at } if *at <= now => {
                *at = now + *interval / 4;
                let (method, sdp) = if dialog.peer.has_update {
                    (Method::Update, Bytes::new())
                } else {
                    (Method::Invite, dialog.sdp.clone())
                };
                // A change that is under way refreshes the session as well.
                let _ = self.begin_offer(now, key, method, OfferPurpose::Refresh, sdp);
            }
            Session::Watching { end, .. } if *end <= now => {
                self.send_bye_after(now, key, Cause::SessionExpired, 0)
            }
            Session::Off | Session::Refreshing { .. } | Session::Watching { .. } => {}
        }
    }

    /// A re-INVITE or UPDATE of theirs (RFC 3261 §14.2, RFC 3311 §5.2).
    pub(super) fn receive_offer(
        &mut self,
        now: Instant,
        key: Key,
        server: ServerId,
        flow: Flow,
        message: &Message,
    ) -> Result<(), Refusal> {
        let sdp = sdp_of(message);
        let is_update = message.method() == Method::Update;
        let is_bare_update = is_update && sdp.is_none();
        if let Some(min_se) = session::is_too_short(self.settings.session_timers, message) {
            return Err(Refusal::with(422, Header::MinSe, min_se.to_string()));
        }
        let retry = Refusal::with(500, Header::RetryAfter, self.random.below(11).to_string());
        let dialog = self.dialogs.get_mut(key).ok_or(Refusal::new(481))?;
        match &dialog.phase {
            Phase::Confirmed => {}
            Phase::Incoming(incoming)
                if is_update
                    && (is_bare_update || incoming.reliable.negotiation == Negotiation::Done) => {}
            Phase::Outgoing(outgoing)
                if is_update && (is_bare_update || outgoing.negotiation == Negotiation::Done) => {}
            Phase::Incoming(_) => return Err(retry),
            Phase::Outgoing(_) | Phase::OwingAck(_) => return Err(Refusal::new(491)),
            Phase::ClosingAfterAck(_) | Phase::Closing(_) => return Err(Refusal::new(481)),
        }
        if !is_bare_update {
            match &dialog.modification {
                Modification::Received(_) => return Err(retry),
                Modification::Sent(_) => return Err(Refusal::new(491)),
                Modification::Idle | Modification::Colliding(..)
                    if dialog.unacknowledged.is_some() =>
                {
                    return Err(retry);
                }
                Modification::Idle | Modification::Colliding(..) => {}
            }
        }
        dialog.peer.learn(message);
        dialog.peer.is_natted = is_request_natted(message, flow);
        dialog.names.refresh_target(message);
        if is_bare_update {
            self.answer_change(now, key, server, None);
            return Ok(());
        }
        if let Modification::Colliding(offer, _) =
            std::mem::replace(&mut dialog.modification, Modification::Received(server))
            && offer.purpose == OfferPurpose::Change
        {
            // Theirs came first after the collision; ours no longer fits the session.
            self.events.push_back(Event::OfferRefused {
                id: DialogId(key),
                status: 491,
            });
        }
        self.events.push_back(Event::OfferReceived {
            id: DialogId(key),
            sdp,
        });
        Ok(())
    }

    /// Answers the offer that [`Event::OfferReceived`] or, for an INVITE without one, [`Event::Answered`] brought.
    ///
    /// # Errors
    /// The call is gone, or no offer is open.
    pub fn answer_offer(
        &mut self,
        now: Instant,
        id: DialogId,
        sdp: Bytes,
    ) -> Result<(), CommandFault> {
        let key = id.0;
        let dialog = self.dialogs.get_mut(key).ok_or(CommandFault::Gone)?;
        match (&dialog.phase, &dialog.modification) {
            (Phase::OwingAck(_), _) => {
                self.answer_in_ack(key, Some(&sdp));
                if let Some(dialog) = self.dialogs.get_mut(key) {
                    dialog.sdp = sdp;
                }
            }
            (_, Modification::Received(server)) => {
                let server = *server;
                self.answer_change(now, key, server, Some(sdp));
            }
            (_, Modification::Idle | Modification::Sent(_) | Modification::Colliding(..)) => {
                return Err(CommandFault::WrongState);
            }
        }
        self.arm(key);
        Ok(())
    }

    /// Refuses the offer that [`Event::OfferReceived`] brought, 488 being the usual status. An offer that came in
    /// the answer to our INVITE cannot be refused: the call is hung up.
    ///
    /// # Errors
    /// The call is gone, or no offer is open.
    pub fn refuse_offer(
        &mut self,
        now: Instant,
        id: DialogId,
        status: u16,
    ) -> Result<(), CommandFault> {
        let key = id.0;
        let dialog = self.dialogs.get_mut(key).ok_or(CommandFault::Gone)?;
        match (&dialog.phase, &dialog.modification) {
            (Phase::OwingAck(_), _) => {
                self.answer_in_ack(key, None);
                self.send_bye_after(now, key, Cause::HungUp, status);
            }
            (_, Modification::Received(server)) => {
                let server = *server;
                dialog.modification = Modification::Idle;
                self.respond_plain(now, server, status);
            }
            (_, Modification::Idle | Modification::Sent(_) | Modification::Colliding(..)) => {
                return Err(CommandFault::WrongState);
            }
        }
        self.arm(key);
        Ok(())
    }

    fn answer_change(&mut self, now: Instant, key: Key, server: ServerId, sdp: Option<Bytes>) {
        let timings = self.settings.timings;
        let tag = self.tag_for(server);
        let Some(mut builder) = self.transactions.response(server, 200, None, Some(&tag)) else {
            return;
        };
        let Some(request) = self.transactions.request_of(server) else {
            return;
        };
        let (method, sequence, has_offer) =
            (request.method(), request.sequence(), request.has_body());
        let Some(dialog) = self.dialogs.get(key) else {
            return;
        };
        let Some(flow) = self.transactions.flow_of_server(server) else {
            return;
        };
        self.put_contact(&mut builder, &dialog.flow);
        self.put_abilities(&mut builder);
        let has_timer = dialog.peer.has_timer;
        let session = if method == Method::Prack {
            dialog.session
        } else {
            Session::from_request(now, self.settings.session_timers, request, has_timer)
        };
        if method != Method::Prack {
            session.write_response(&mut builder, has_timer);
        }
        builder.header(Header::Server, &self.settings.product);
        let bytes = finish(builder, sdp.as_ref());
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return;
        };
        dialog.session = session;
        if let Some(sdp) = sdp {
            dialog.sdp = sdp;
            dialog.modification = Modification::Idle;
        }
        if method == Method::Invite {
            dialog.unacknowledged = Some(Box::new(Unacknowledged {
                bytes: bytes.clone(),
                flow,
                sequence,
                resend: Resend::after(now, timings.t1),
                end: now + timings.lifetime(),
                answers: if has_offer {
                    Answers::Offer
                } else {
                    Answers::Question
                },
            }));
        }
        self.transactions.respond(now, server, 200, bytes);
        self.arm(key);
    }

    /// Refuses a change of theirs that is open when the dialog ends (RFC 3261 §15.1.2).
    pub(super) fn refuse_pending(&mut self, now: Instant, key: Key) {
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return;
        };
        if let Modification::Received(server) =
            std::mem::replace(&mut dialog.modification, Modification::Idle)
        {
            self.respond_plain(now, server, 487);
        }
    }
}
