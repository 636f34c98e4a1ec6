//! The end of a call: BYE from either side, or from both at once (RFC 3261 section 15).

use super::dialog::{Modification, Phase};
use super::request::put_headers;
use super::{Cause, CommandFault, DialogId, Event, Purpose, UserAgent};
use crate::sip::header::{Header, scan};
use crate::sip::message::{Message, Method};
use crate::sip::slab::Key;
use crate::sip::transaction::ServerId;
use std::time::Instant;

impl UserAgent {
    /// Ends a call wherever it stands: BYE when it is answered, CANCEL when it is ours and is not, 480 when it is
    /// theirs and is not. [`Event::Ended`], [`Event::Refused`] or, after 480, nothing follows.
    ///
    /// # Errors
    /// The call is gone.
    pub fn hang_up(
        &mut self,
        now: Instant,
        id: DialogId,
        headers: &[(String, String)],
    ) -> Result<(), CommandFault> {
        let key = id.0;
        let dialog = self.dialogs.get_mut(key).ok_or(CommandFault::Gone)?;
        let is_first_answer_open = dialog
            .unacknowledged
            .as_ref()
            .is_some_and(|response| response.answers == super::dialog::Answers::First);
        match &dialog.phase {
            Phase::Incoming(_) => self.reject(now, id, 480, None, headers)?,
            Phase::Outgoing(_) => {
                let reason = headers
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case("Reason"))
                    .map(|(_, value)| value.as_str());
                self.cancel(now, id, reason)?;
            }
            Phase::OwingAck(_) => {
                self.answer_in_ack(key, None);
                self.send_bye(now, key, Cause::HungUp, headers);
            }
            // RFC 3261 §15: the callee sends no BYE before the ACK came, or can come no more.
            Phase::Confirmed if is_first_answer_open => {
                dialog.phase = Phase::ClosingAfterAck(headers.into())
            }
            Phase::Confirmed => self.send_bye(now, key, Cause::HungUp, headers),
            Phase::ClosingAfterAck(_) | Phase::Closing(_) => {}
        }
        self.arm(key);
        Ok(())
    }

    /// Sends BYE with a Reason made from a status (RFC 3326).
    pub(super) fn send_bye_after(&mut self, now: Instant, key: Key, cause: Cause, status: u16) {
        let reason = match (cause, status) {
            (_, 300..700) => format!("SIP;cause={status}"),
            (Cause::SessionExpired, _) => "SIP;cause=408;text=\"Session expired\"".to_owned(),
            (_, _) => return self.send_bye(now, key, cause, &[]),
        };
        self.send_bye(now, key, cause, &[("Reason".to_owned(), reason)]);
    }

    pub(super) fn send_bye(
        &mut self,
        now: Instant,
        key: Key,
        cause: Cause,
        headers: &[(String, String)],
    ) {
        self.refuse_pending(now, key);
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return;
        };
        match &dialog.phase {
            // A call that is not answered is refused or cancelled instead (RFC 3261 §15).
            Phase::Incoming(incoming) => {
                let invite = incoming.server;
                self.respond_plain(now, invite, 500);
                return self.ended(key, cause, 500);
            }
            Phase::Outgoing(_) => {
                let _ = self.cancel(now, DialogId(key), None);
                return;
            }
            Phase::OwingAck(_)
            | Phase::Confirmed
            | Phase::ClosingAfterAck(_)
            | Phase::Closing(_) => {}
        }
        dialog.phase = Phase::Closing(cause);
        dialog.modification = Modification::Idle;
        let sent = self.send_in_dialog(
            now,
            key,
            Method::Bye,
            Purpose::Bye,
            |_, _, _, mut builder| {
                put_headers(&mut builder, headers);
                builder.finish()
            },
        );
        if sent.is_none() {
            // No room even for a BYE: the other side's session timer ends what we cannot.
            self.ended(key, cause, 503);
        }
    }

    pub(super) fn ended(&mut self, key: Key, cause: Cause, status: u16) {
        if self.dialogs.remove(key).is_some() {
            self.events.push_back(Event::Ended {
                id: DialogId(key),
                cause,
                status,
            });
        }
    }

    /// The final response to our BYE, or none: the call is over either way (RFC 3261 §15.1.1).
    pub(super) fn receive_bye_final(
        &mut self,
        now: Instant,
        key: Key,
        status: u16,
        response: Option<&Message>,
    ) {
        let Some(dialog) = self.dialogs.get_mut(key) else {
            return;
        };
        let Phase::Closing(cause) = dialog.phase else {
            return;
        };
        if let (401 | 407, Some(response)) = (status, response)
            && self.learn_to_retry(now, key, response)
        {
            return self.send_bye(now, key, cause, &[]);
        }
        self.ended(key, cause, status);
    }

    /// RFC 3261 §15.1.2: BYE ends the session, and requests that wait for our answer get 487.
    pub(super) fn receive_bye(
        &mut self,
        now: Instant,
        key: Key,
        server: ServerId,
        message: &Message,
    ) {
        self.respond_plain(now, server, 200);
        self.refuse_pending(now, key);
        let Some(dialog) = self.dialogs.get(key) else {
            return;
        };
        match &dialog.phase {
            Phase::Incoming(incoming) => {
                let invite = incoming.server;
                self.respond_plain(now, invite, 487);
            }
            // RFC 3261 §15: the callee ends its early dialog by a refusal; a BYE there changes nothing for our INVITE.
            Phase::Outgoing(_) => return,
            // Both hung up at once: ours is still to be answered, and what it ends is the same.
            Phase::Closing(_) => return,
            Phase::OwingAck(_) => self.answer_in_ack(key, None),
            Phase::Confirmed | Phase::ClosingAfterAck(_) => {}
        }
        self.ended(key, Cause::ByeReceived, reason_cause(message));
    }
}

/// The cause number of a Reason header field (RFC 3326); 0 without.
fn reason_cause(message: &Message) -> u16 {
    message
        .headers(Header::Reason)
        .filter_map(|value| {
            let at = value.iter().position(|byte| *byte == b';')?;
            u16::try_from(scan::number(
                scan::Params::new(&value[at..]).value("cause")?,
            )?)
            .ok()
        })
        .next()
        .unwrap_or(0)
}
