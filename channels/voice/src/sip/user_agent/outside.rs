//! Our requests outside of a dialog: OPTIONS to see whether a trunk lives, REGISTER at one.

use super::request::put_headers;
use super::{
    CommandFault, Event, MAX_FORWARDS, OutsideId, OutsideRequest, Owner, Purpose, UserAgent,
};
use crate::sip::digest;
use crate::sip::flow::Flow;
use crate::sip::header::Header;
use crate::sip::message::{Builder, Message};
use crate::sip::slab::Key;
use bytes::Bytes;
use std::time::Instant;

/// One such request, until its answer.
#[derive(Debug)]
pub(super) struct Outside {
    flow: Flow,
    sequence: u32,
    attempts: u8,
    digest: Option<Box<digest::Client>>,
}

impl UserAgent {
    /// Sends a request outside of a dialog; [`Event::Response`] follows. A challenge is answered here.
    ///
    /// # Errors
    /// There are too many transactions.
    pub fn request(
        &mut self,
        now: Instant,
        request: OutsideRequest,
    ) -> Result<OutsideId, CommandFault> {
        let (call_id, sequence) = match request.sequence {
            Some(sequence) => sequence,
            None => (self.mint_call_id(), 1),
        };
        let reservation = self.transactions.reserve(
            request.method,
            request.flow,
            Owner {
                dialog: None,
                purpose: Purpose::Aside,
            },
        );
        let (client, branch) = reservation.ok_or(CommandFault::Full)?;
        let key = self.outside.insert_with(|_| Outside {
            flow: request.flow,
            sequence,
            attempts: 0,
            digest: request
                .account
                .map(|account| Box::new(digest::Client::new(account))),
        });
        self.transactions.own_client(
            client,
            Owner {
                dialog: None,
                purpose: Purpose::Outside(key),
            },
        );
        let tag = self.mint_tag();
        let mut builder = Builder::request(request.method, request.request_uri.as_bytes());
        if let Some(written) = self.written(&request.flow) {
            builder.header_parts(Header::Via, &[written.via.as_bytes(), branch.as_bytes()]);
        }
        builder.header_number(Header::MaxForwards, MAX_FORWARDS.into(), "");
        builder.header_parts(
            Header::From,
            &[request.from.as_bytes(), b";tag=", tag.as_bytes()],
        );
        builder
            .header(Header::To, &request.to)
            .header(Header::CallId, &call_id);
        builder.header_number(Header::CSeq, sequence, super::method_suffix(request.method));
        put_headers(&mut builder, &request.headers);
        if !request
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("Contact"))
        {
            self.put_contact(&mut builder, &request.flow);
        }
        self.put_abilities(&mut builder);
        builder.header(Header::UserAgent, &self.settings.product);
        let bytes = match &request.body {
            Some((content_type, body)) => builder.finish_with(content_type, body),
            None => builder.finish(),
        };
        self.transactions.request(now, client, bytes);
        Ok(OutsideId(key))
    }

    pub(super) fn receive_outside_final(
        &mut self,
        now: Instant,
        key: Key,
        status: u16,
        request: &Bytes,
        response: Option<&Message>,
    ) {
        if let (401 | 407, Some(response)) = (status, response)
            && self.request_again(now, key, request, response)
        {
            return;
        }
        if self.outside.remove(key).is_some() {
            self.events.push_back(Event::Response {
                id: OutsideId(key),
                status,
                response: response.cloned(),
            });
        }
    }

    fn request_again(
        &mut self,
        now: Instant,
        key: Key,
        request: &Bytes,
        response: &Message,
    ) -> bool {
        let Some(challenger) = response.status().and_then(digest::Challenger::from_status) else {
            return false;
        };
        let Ok(request) = Message::parse_datagram(request.clone()) else {
            return false;
        };
        let Some(outside) = self.outside.get_mut(key) else {
            return false;
        };
        let Some(digest) = &mut outside.digest else {
            return false;
        };
        if outside.attempts >= super::outgoing::ATTEMPTS_MAX
            || digest
                .handle_challenge(challenger, response.lines(challenger.challenge_header()))
                .is_err()
        {
            return false;
        }
        outside.attempts += 1;
        outside.sequence += 1;
        let (flow, sequence) = (outside.flow, outside.sequence);
        let mut digest = outside.digest.take();
        let reservation = self.transactions.reserve(
            request.method(),
            flow,
            Owner {
                dialog: None,
                purpose: Purpose::Outside(key),
            },
        );
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
            |_, _| {},
        );
        if let Some(outside) = self.outside.get_mut(key) {
            outside.digest = digest;
        }
        self.transactions.request(now, client, bytes);
        true
    }
}
