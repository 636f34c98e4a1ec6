//! Calls that come in: ringing, reliably if wanted (RFC 3262), answering, refusing.

use super::dialog::{
    Answers, HasSdp, Modification, Negotiation, Phase, ReliableResponse, Unacknowledged, sdp_of,
};
use super::request::{Refusal, put_headers};
use super::session::Session;
use super::{CommandFault, DialogId, Event, UserAgent};
use crate::sip::header::{Header, RAck, scan};
use crate::sip::message::{Builder, Message, Method, reason_phrase};
use crate::sip::random::write_token;
use crate::sip::slab::Key;
use crate::sip::transaction::{Resend, ServerId};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// What a caller is told before the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// 180
    Ringing,
    /// 181
    Forwarded,
    /// 182
    Queued,
    /// 183
    SessionProgress,
}

impl Progress {
    const fn status(self) -> u16 {
        match self {
            Self::Ringing => 180,
            Self::Forwarded => 181,
            Self::Queued => 182,
            Self::SessionProgress => 183,
        }
    }
}

/// Whether a provisional response is to arrive for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reliability {
    /// Only when the caller requires it.
    Plain,
    /// When the caller can (RFC 3262).
    Acknowledged,
}

impl UserAgent {
    /// Tells the caller about progress, with our answer as early media when `sdp` is given.
    ///
    /// # Errors
    /// The call is gone or answered, or too many reliable responses wait for their PRACK.
    pub fn ring(
        &mut self,
        now: Instant,
        id: DialogId,
        progress: Progress,
        sdp: Option<Bytes>,
        reliability: Reliability,
    ) -> Result<(), CommandFault> {
        let key = id.0;
        let dialog = self.dialogs.get_mut(key).ok_or(CommandFault::Gone)?;
        let Phase::Incoming(incoming) = &mut dialog.phase else {
            return Err(CommandFault::WrongState);
        };
        let request = self
            .transactions
            .request_of(incoming.server)
            .ok_or(CommandFault::Gone)?;
        let is_required = request
            .headers(Header::Require)
            .any(|option| option.eq_ignore_ascii_case(b"100rel"));
        let is_reliable =
            is_required || (reliability == Reliability::Acknowledged && dialog.peer.has_reliable);
        if is_reliable && incoming.reliable.under_way.is_some() {
            if incoming.reliable.queue.len() >= RELIABLE_QUEUE_MAX {
                return Err(CommandFault::Busy);
            }
            incoming.reliable.queue.push_back((progress.status(), sdp));
            return Ok(());
        }
        if is_reliable {
            self.ring_reliably(now, key, progress.status(), sdp);
        } else {
            self.ring_plainly(now, key, progress.status(), sdp);
        }
        self.arm(key);
        Ok(())
    }

    fn ring_plainly(&mut self, now: Instant, key: Key, status: u16, sdp: Option<Bytes>) {
        let Some((server, builder)) = self.begin_invite_response(key, status, None) else {
            return;
        };
        let bytes = finish(builder, sdp.as_ref());
        self.transactions
            .respond(now, server, status, bytes.clone());
        if let Some(dialog) = self.dialogs.get_mut(key)
            && let Phase::Incoming(incoming) = &mut dialog.phase
        {
            incoming.repeat = Some((now + REPEAT_EVERY, bytes));
        }
    }

    /// RFC 3262 §3: numbered, repeated until PRACK, one at a time.
    fn ring_reliably(&mut self, now: Instant, key: Key, status: u16, sdp: Option<Bytes>) {
        let first = u32::try_from(self.random.below(1 << 30)).unwrap_or(0) + 1;
        let timings = self.settings.timings;
        let Some((server, mut builder)) = self.begin_invite_response(key, status, None) else {
            return;
        };
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return;
        };
        let Phase::Incoming(incoming) = &mut dialog.phase else {
            return;
        };
        let reliable = &mut incoming.reliable;
        reliable.number = if reliable.number == 0 {
            first
        } else {
            reliable.number + 1
        };
        builder.header(Header::Require, "100rel");
        builder.header_number(Header::RSeq, reliable.number, "");
        let bytes = finish(builder, sdp.as_ref());
        reliable.under_way = Some(ReliableResponse {
            bytes: bytes.clone(),
            resend: Resend::after(now, timings.t1),
            end: now + timings.lifetime(),
            has_sdp: if sdp.is_some() {
                HasSdp::Yes
            } else {
                HasSdp::No
            },
        });
        if let Some(sdp) = sdp {
            dialog.sdp = sdp;
        }
        self.transactions.respond(now, server, status, bytes);
    }

    /// Begins a response to the first INVITE, with what makes a dialog of it (RFC 3261 §12.1.1).
    fn begin_invite_response(
        &self,
        key: Key,
        status: u16,
        reason: Option<&str>,
    ) -> Option<(ServerId, Builder)> {
        let dialog = self.dialogs.get(key)?;
        let Phase::Incoming(incoming) = &dialog.phase else {
            return None;
        };
        let tag = write_token(key.index, dialog.nonce);
        let mut builder =
            self.transactions
                .response(incoming.server, status, reason, Some(&tag))?;
        if status < 300 {
            builder.copy(
                self.transactions.request_of(incoming.server)?,
                Header::RecordRoute,
            );
            self.put_contact(&mut builder, &dialog.flow);
            self.put_abilities(&mut builder);
        }
        builder.header(Header::Server, &self.settings.product);
        Some((incoming.server, builder))
    }

    /// Answers the call with 200; `sdp` answers the caller's offer, or is ours when it made none. While a reliable
    /// provisional response waits for its PRACK the 200 waits too (RFC 3262 §3).
    ///
    /// # Errors
    /// The call is gone or answered.
    pub fn answer(&mut self, now: Instant, id: DialogId, sdp: Bytes) -> Result<(), CommandFault> {
        let key = id.0;
        let dialog = self.dialogs.get_mut(key).ok_or(CommandFault::Gone)?;
        let Phase::Incoming(incoming) = &mut dialog.phase else {
            return Err(CommandFault::WrongState);
        };
        if incoming.reliable.under_way.is_some() {
            incoming.reliable.held_answer = Some(sdp);
            return Ok(());
        }
        self.send_answer(now, key, sdp);
        self.arm(key);
        Ok(())
    }

    fn send_answer(&mut self, now: Instant, key: Key, sdp: Bytes) {
        let timings = self.settings.timings;
        let Some((server, mut builder)) = self.begin_invite_response(key, 200, None) else {
            return;
        };
        let Some(request) = self.transactions.request_of(server) else {
            return;
        };
        let sequence = request.sequence();
        let Some(flow) = self.transactions.flow_of_server(server) else {
            return;
        };
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return;
        };
        dialog.session = Session::from_request(
            now,
            self.settings.session_timers,
            request,
            dialog.peer.has_timer,
        );
        dialog
            .session
            .write_response(&mut builder, dialog.peer.has_timer);
        let is_done = matches!(&dialog.phase, Phase::Incoming(incoming) if incoming.reliable.negotiation == Negotiation::Done);
        // RFC 3262 §5: an answer that a reliable response gave is not given again.
        let bytes = finish(builder, (!is_done).then_some(&sdp));
        if !is_done {
            dialog.sdp = sdp;
        }
        dialog.phase = Phase::Confirmed;
        dialog.unacknowledged = Some(Box::new(Unacknowledged {
            bytes: bytes.clone(),
            flow,
            sequence,
            resend: Resend::after(now, timings.t1),
            end: now + timings.lifetime(),
            answers: Answers::First,
        }));
        self.transactions.respond(now, server, 200, bytes);
    }

    /// Refuses the call with a status from 300 on. The dialog is gone at once, and no event follows.
    ///
    /// # Errors
    /// The call is gone or answered.
    pub fn reject(
        &mut self,
        now: Instant,
        id: DialogId,
        status: u16,
        reason: Option<&str>,
        headers: &[(String, String)],
    ) -> Result<(), CommandFault> {
        let key = id.0;
        let dialog = self.dialogs.get(key).ok_or(CommandFault::Gone)?;
        if !matches!(dialog.phase, Phase::Incoming(_)) || !(300..700).contains(&status) {
            return Err(CommandFault::WrongState);
        }
        let reason = reason.unwrap_or_else(|| reason_phrase(status));
        if let Some((server, mut builder)) = self.begin_invite_response(key, status, Some(reason)) {
            put_headers(&mut builder, headers);
            self.transactions
                .respond(now, server, status, builder.finish());
        }
        self.refuse_pending(now, key);
        self.dialogs.remove(key);
        Ok(())
    }

    /// PRACK (RFC 3262 §3).
    pub(super) fn receive_prack(
        &mut self,
        now: Instant,
        key: Key,
        server: ServerId,
        message: &Message,
    ) -> Result<(), Refusal> {
        let rack = message
            .header(Header::RAck)
            .and_then(RAck::parse)
            .ok_or(Refusal::new(400))?;
        let dialog = self.dialogs.get_mut(key).ok_or(Refusal::new(481))?;
        let Phase::Incoming(incoming) = &mut dialog.phase else {
            return Err(Refusal::new(481));
        };
        let invite = self
            .transactions
            .request_of(incoming.server)
            .ok_or(Refusal::new(481))?;
        let is_match = rack.response == incoming.reliable.number
            && rack.method == Method::Invite
            && rack.sequence == invite.sequence();
        let is_asked = !invite.has_body();
        let response = incoming
            .reliable
            .under_way
            .take_if(|_| is_match)
            .ok_or(Refusal::new(481))?;
        let sdp = sdp_of(message);
        if response.has_sdp == HasSdp::Yes {
            incoming.reliable.negotiation = Negotiation::Done;
        }
        match sdp {
            // Ours was the offer, this is the answer; otherwise it is a new offer (RFC 3262 §5).
            Some(sdp) if is_asked && response.has_sdp == HasSdp::Yes => {
                self.respond_plain(now, server, 200);
                self.events.push_back(Event::OfferAnswered {
                    id: DialogId(key),
                    sdp: Some(sdp),
                });
            }
            Some(sdp) if matches!(dialog.modification, Modification::Idle) => {
                dialog.modification = Modification::Received(server);
                self.events.push_back(Event::OfferReceived {
                    id: DialogId(key),
                    sdp: Some(sdp),
                });
            }
            Some(_) => return Err(Refusal::with(500, Header::RetryAfter, "1")),
            None => self.respond_plain(now, server, 200),
        }
        self.after_prack(now, key);
        Ok(())
    }

    fn after_prack(&mut self, now: Instant, key: Key) {
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return;
        };
        let Phase::Incoming(incoming) = &mut dialog.phase else {
            return;
        };
        if let Some(sdp) = incoming.reliable.held_answer.take() {
            self.send_answer(now, key, sdp);
        } else if let Some((status, sdp)) = incoming.reliable.queue.pop_front() {
            self.ring_reliably(now, key, status, sdp);
        }
    }

    /// What is due for a call that waits for our answer.
    pub(super) fn wake_incoming(&mut self, now: Instant, key: Key) {
        let timings = self.settings.timings;
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return;
        };
        let Phase::Incoming(incoming) = &mut dialog.phase else {
            return;
        };
        if incoming.end <= now {
            let _ = self.reject(now, DialogId(key), 480, None, &[]);
            return self.events.push_back(Event::Ended {
                id: DialogId(key),
                cause: super::Cause::Unattended,
                status: 480,
            });
        }
        if let Some(response) = &mut incoming.reliable.under_way {
            if response.end <= now {
                // RFC 3262 §3: without PRACK the call is refused.
                let _ = self.reject(now, DialogId(key), 504, None, &[]);
                return self.events.push_back(Event::Ended {
                    id: DialogId(key),
                    cause: super::Cause::PrackMissing,
                    status: 504,
                });
            }
            if response.resend.at <= now {
                response.resend = response.resend.doubled(now, timings.lifetime());
                let bytes = response.bytes.clone();
                self.transactions.respond(now, incoming.server, 180, bytes);
            }
        }
        if let Some((at, bytes)) = &mut incoming.repeat
            && *at <= now
        {
            *at = now + REPEAT_EVERY;
            // A reliable response under way is repeated more often than that.
            if incoming.reliable.under_way.is_some() {
                return;
            }
            self.transactions
                .respond(now, incoming.server, 180, bytes.clone());
        }
    }

    /// Repeats a 2xx, or gives up on its ACK (RFC 3261 §13.3.1.4).
    pub(super) fn wake_unacknowledged(&mut self, now: Instant, key: Key) {
        let timings = self.settings.timings;
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return;
        };
        let Some(response) = &mut dialog.unacknowledged else {
            return;
        };
        if response.end <= now {
            dialog.unacknowledged = None;
            match std::mem::replace(&mut dialog.phase, Phase::Confirmed) {
                Phase::ClosingAfterAck(headers) => {
                    self.send_bye(now, key, super::Cause::HungUp, &headers)
                }
                Phase::Closing(cause) => dialog.phase = Phase::Closing(cause),
                Phase::Incoming(_) | Phase::Outgoing(_) | Phase::OwingAck(_) | Phase::Confirmed => {
                    self.send_bye(now, key, super::Cause::AckMissing, &[])
                }
            }
            return;
        }
        if response.resend.at <= now {
            response.resend = response.resend.doubled(now, timings.t2);
            let bytes = response.bytes.clone();
            let flow = response.flow;
            self.transactions.send(
                flow,
                bytes,
                Some(super::Owner::of(key, super::Purpose::Served)),
            );
        }
    }
}

/// RFC 3261 §13.3.1.1: proxies forget a call that rings silently for three minutes.
const REPEAT_EVERY: Duration = Duration::from_secs(60);
/// Most reliable responses that wait for the PRACK of the one before.
const RELIABLE_QUEUE_MAX: usize = 4;

/// Ends a message with a session description, if there is one.
pub(super) fn finish(builder: Builder, sdp: Option<&Bytes>) -> Bytes {
    match sdp {
        Some(sdp) if !sdp.is_empty() => builder.finish_with("application/sdp", sdp),
        Some(_) | None => builder.finish(),
    }
}

/// Seconds of Retry-After; a comment or parameters may follow (RFC 3261 §20.33).
pub(super) fn retry_after(message: &Message) -> Option<u32> {
    let value = message.header(Header::RetryAfter)?;
    let end = value
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(value.len());
    u32::try_from(scan::number(&value[..end])?).ok()
}
