//! INFO (RFC 6086): digits as older devices send them; no packages.

use super::dialog::Phase;
use super::request::{Refusal, put_headers};
use super::{CommandFault, DialogId, Event, Purpose, UserAgent};
use crate::sip::header::{Header, scan};
use crate::sip::message::{Message, Method};
use crate::sip::slab::Key;
use crate::sip::transaction::ServerId;
use std::time::Instant;

/// The bodies that stand for digits.
const DIGITS: [&str; 2] = ["application/dtmf-relay", "application/dtmf"];

impl UserAgent {
    pub(super) fn receive_info(
        &mut self,
        now: Instant,
        key: Key,
        server: ServerId,
        message: &Message,
    ) -> Result<(), Refusal> {
        if message.header(Header::InfoPackage).is_some() {
            // RFC 6086 §4.2.2: no package is ours, as an empty Recv-Info says.
            return Err(Refusal::with(469, Header::RecvInfo, ""));
        }
        if !message.has_body() {
            self.respond_plain(now, server, 200);
            return Ok(());
        }
        let value = message.header(Header::ContentType).unwrap_or(b"");
        let end = value
            .iter()
            .position(|byte| *byte == b';')
            .unwrap_or(value.len());
        let given = scan::trim(&value[..end]);
        let Some(content_type) = DIGITS
            .iter()
            .find(|known| known.as_bytes().eq_ignore_ascii_case(given))
        else {
            return Err(Refusal::with(415, Header::Accept, DIGITS.join(", ")));
        };
        self.respond_plain(now, server, 200);
        self.events.push_back(Event::InfoReceived {
            id: DialogId(key),
            content_type: (*content_type).to_owned(),
            body: message.body(),
        });
        Ok(())
    }

    /// Sends an INFO in a call; its answer changes nothing, unless the other side has lost the call.
    ///
    /// # Errors
    /// The call is gone or not answered, or there are too many transactions.
    pub fn send_info(
        &mut self,
        now: Instant,
        id: DialogId,
        content_type: &str,
        body: &[u8],
        headers: &[(String, String)],
    ) -> Result<(), CommandFault> {
        let dialog = self.dialogs.get(id.0).ok_or(CommandFault::Gone)?;
        if !matches!(dialog.phase, Phase::Confirmed) {
            return Err(CommandFault::WrongState);
        }
        self.send_in_dialog(
            now,
            id.0,
            Method::Info,
            Purpose::Info,
            |_, _, _, mut builder| {
                put_headers(&mut builder, headers);
                builder.finish_with(content_type, body)
            },
        )
        .map(|_| ())
        .ok_or(CommandFault::Full)
    }
}
