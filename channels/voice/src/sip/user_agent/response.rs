//! Responses as they arrive, and silence instead of them.

use super::dialog::{Modification, Phase, is_contact_natted};
use super::{Cause, DialogId, Event, Purpose, UserAgent};
use crate::sip::flow::Flow;
use crate::sip::header::Header;
use crate::sip::message::Message;
use crate::sip::slab::Key;
use crate::sip::transaction::{ClientId, Expired, Reply, ServerId, Silence};
use bytes::Bytes;
use std::time::Instant;

impl UserAgent {
    pub(super) fn receive_response(&mut self, now: Instant, flow: Flow, message: Message) {
        match self.transactions.receive_response(now, &message) {
            Reply::Stray | Reply::Absorbed => {}
            Reply::Provisional { owner } => {
                if let (Purpose::Invite, Some(key)) = (owner.purpose, owner.dialog) {
                    self.learn_way(key, flow, &message);
                    self.receive_provisional(now, key, &message);
                    self.arm(key);
                }
            }
            Reply::Forked { client } => self.end_fork(now, client, &message),
            Reply::Final {
                client,
                owner,
                request,
            } => {
                if let (Purpose::Invite | Purpose::Offer, Some(key)) = (owner.purpose, owner.dialog)
                {
                    self.learn_way(key, flow, &message);
                }
                self.receive_final(now, owner.dialog, owner.purpose, client, &request, &message);
                if let Some(key) = owner.dialog {
                    self.arm(key);
                }
            }
        }
    }

    /// Notes whether the other side can be reached by the Contact of its response.
    fn learn_way(&mut self, key: Key, flow: Flow, message: &Message) {
        if let Some(dialog) = self.dialogs.get_mut(key)
            && message.header(Header::Contact).is_some()
        {
            dialog.peer.is_natted = is_contact_natted(message, flow);
        }
    }

    fn receive_final(
        &mut self,
        now: Instant,
        dialog: Option<Key>,
        purpose: Purpose,
        client: ClientId,
        request: &Bytes,
        message: &Message,
    ) {
        let status = message.status().unwrap_or(500);
        match (purpose, dialog) {
            (Purpose::Invite, Some(key)) => {
                self.receive_invite_final(now, key, client, request, message)
            }
            (Purpose::Offer, Some(key)) => {
                self.receive_offer_response(now, key, client, request, message)
            }
            (Purpose::Bye, Some(key)) => self.receive_bye_final(now, key, status, Some(message)),
            (Purpose::Info, Some(key)) => self.receive_info_final(now, key, status),
            (Purpose::Outside(key), _) => {
                self.receive_outside_final(now, key, status, request, Some(message))
            }
            (
                Purpose::Aside
                | Purpose::Served
                | Purpose::Invite
                | Purpose::Offer
                | Purpose::Bye
                | Purpose::Info,
                _,
            ) => {}
        }
    }

    /// RFC 5057 §5.1: 481 to a request in a dialog ends it; other failures of INFO do not.
    fn receive_info_final(&mut self, now: Instant, key: Key, status: u16) {
        let is_confirmed = self
            .dialogs
            .get(key)
            .is_some_and(|dialog| matches!(dialog.phase, Phase::Confirmed));
        if status == 481 && is_confirmed {
            self.send_bye_after(now, key, Cause::PeerLost, status);
        }
    }

    /// Deals with requests that got no response, and those of theirs that our user left open.
    pub(super) fn drain_expired(&mut self, now: Instant) {
        while let Some(expired) = self.transactions.poll_expired() {
            match expired {
                Expired::Unattended(server) => self.refuse_unattended(now, server),
                Expired::Unanswered {
                    owner,
                    request,
                    cause,
                } => {
                    // RFC 3261 §8.1.3.1.
                    let status = match cause {
                        Silence::Timeout => 408,
                        Silence::Transport => 503,
                    };
                    match (owner.purpose, owner.dialog) {
                        (Purpose::Invite, Some(key)) => self.invite_unanswered(key, status),
                        (Purpose::Offer, Some(key)) => self.offer_unanswered(now, key, status),
                        (Purpose::Bye, Some(key)) => self.receive_bye_final(now, key, status, None),
                        (Purpose::Outside(key), _) => {
                            self.receive_outside_final(now, key, status, &request, None)
                        }
                        (
                            Purpose::Aside
                            | Purpose::Served
                            | Purpose::Info
                            | Purpose::Invite
                            | Purpose::Offer
                            | Purpose::Bye,
                            _,
                        ) => {}
                    }
                    if let Some(key) = owner.dialog {
                        self.arm(key);
                    }
                }
            }
        }
    }

    /// A request of theirs that our user left open too long.
    fn refuse_unattended(&mut self, now: Instant, server: ServerId) {
        let dialog = self
            .transactions
            .owner_of_server(server)
            .and_then(|owner| owner.dialog);
        self.respond_plain(now, server, 500);
        if let Some(key) = dialog
            && let Some(dialog) = self.dialogs.get_mut(key)
            && matches!(dialog.modification, Modification::Received(open) if open == server)
        {
            dialog.modification = Modification::Idle;
            self.events
                .push_back(Event::OfferWithdrawn { id: DialogId(key) });
        }
    }

    fn invite_unanswered(&mut self, key: Key, status: u16) {
        let Some(dialog) = self.dialogs.get(key) else {
            return;
        };
        let Phase::Outgoing(outgoing) = &dialog.phase else {
            return;
        };
        let is_cancelled = !matches!(
            outgoing.cancel,
            super::dialog::Cancel::NoSilent | super::dialog::Cancel::NoHeard
        );
        self.refused(key, if is_cancelled { 487 } else { status }, None);
    }

    /// Does what is due in one dialog.
    pub(super) fn wake(&mut self, now: Instant, key: Key) {
        self.wake_incoming(now, key);
        self.wake_outgoing(now, key);
        self.wake_unacknowledged(now, key);
        self.wake_colliding(now, key);
        self.wake_session(now, key);
    }
}
