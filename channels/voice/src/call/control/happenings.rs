//! What the user agent tells, and what it means for the legs.

use super::*;

impl CallControl {
    // What the user agent tells.

    pub(super) fn drain_user_agent(&mut self, now: Instant) {
        while let Some(event) = self.user_agent.poll_event() {
            self.on_event(now, event);
        }
    }

    pub(super) fn on_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Incoming { id, invite, flow } => self.on_incoming(id, invite, flow),
            Event::Progress { id, status, sdp } => self.on_progress(id, status, sdp),
            Event::Answered { id, sdp } => self.on_answered(now, id, sdp),
            Event::Confirmed { id, sdp } => self.on_confirmed(now, id, sdp),
            Event::Refused { id, status, .. } => self.on_refused(id, status),
            Event::OfferReceived { id, sdp } => self.on_offer(now, id, sdp),
            Event::OfferWithdrawn { .. } | Event::ConnectionLost { .. } => {}
            Event::OfferAnswered { id, sdp } => self.on_offer_answered(id, sdp),
            Event::OfferRefused { id, .. } => self.on_offer_refused(id),
            Event::Cancelled { id, .. } => self.on_dialog_end(id, LegEnd::Cancelled),
            Event::Ended { id, cause, .. } => self.on_dialog_end(id, leg_end(cause)),
            Event::InfoReceived {
                id,
                content_type,
                body,
            } => {
                if let Some(leg) = self.living_leg_of(id)
                    && let Some(digit) = digit_of_info(&content_type, &body)
                {
                    self.events.push_back(CallEvent::Digit { leg, digit });
                }
            }
            other @ (Event::Request { .. } | Event::Response { .. }) => {
                self.others.push_back(other);
            }
        }
    }

    pub(super) fn on_incoming(&mut self, dialog: DialogId, invite: Message, flow: Flow) {
        let leg = self.mint_leg();
        let body = invite.body();
        let offer = Some(body).filter(|body| !body.is_empty());
        self.leg_of_dialog.insert(dialog, leg);
        let state = LegState::Incoming { dialog, offer };
        self.legs.insert(
            leg,
            Leg {
                state,
                media: None,
                bridged_to: None,
            },
        );
        self.events
            .push_back(CallEvent::Incoming(Box::new(IncomingCall {
                leg,
                invite,
                flow,
            })));
    }

    pub(super) fn on_progress(&mut self, dialog: DialogId, status: u16, sdp: Option<Bytes>) {
        let Some(leg_id) = self.living_leg_of(dialog) else {
            return;
        };
        if let Some(media) = self.legs.get_mut(&leg_id).and_then(|l| l.media.as_mut()) {
            media.early = sdp.or_else(|| media.early.take());
        }
        if status < 180 {
            return;
        }
        if let Some(LegState::Dialling { rings, .. }) =
            self.legs.get_mut(&leg_id).map(|leg| &mut leg.state)
            && *rings == Rings::NotYet
        {
            *rings = Rings::Yes;
            self.events.push_back(CallEvent::Ringing { leg: leg_id });
        }
    }

    pub(super) fn on_answered(&mut self, now: Instant, dialog: DialogId, sdp: Option<Bytes>) {
        let Some(leg_id) = self.living_leg_of(dialog) else {
            // Answered as we gave it up; nobody is there any more.
            gone_is_told(self.user_agent.hang_up(now, dialog, &[]));
            return;
        };
        let is_described = match (
            self.legs.get_mut(&leg_id).and_then(|l| l.media.as_mut()),
            sdp,
        ) {
            // Without a body the answer came with a reliable provisional response (RFC 3262 §5).
            (Some(media), sdp) => sdp
                .or_else(|| media.early.take())
                .is_some_and(|sdp| media.negotiation.handle_answer(&sdp).is_ok()),
            (None, _) => false,
        };
        self.clear_deadline(leg_id);
        if !is_described {
            gone_is_told(self.user_agent.hang_up(now, dialog, &[]));
            let why = Refused::Unreachable { status: 488 };
            self.events
                .push_back(CallEvent::Refused { leg: leg_id, why });
            self.forget(leg_id);
            return;
        }
        if let Some(leg) = self.legs.get_mut(&leg_id) {
            leg.state = LegState::Up { dialog };
        }
        self.tell_remote(leg_id);
        self.events.push_back(CallEvent::PickedUp { leg: leg_id });
    }

    /// The ACK brings the answer when our 200 carried the offer (RFC 3264 §5).
    pub(super) fn on_confirmed(&mut self, now: Instant, dialog: DialogId, sdp: Option<Bytes>) {
        let Some(leg_id) = self.living_leg_of(dialog) else {
            return;
        };
        let Some(media) = self
            .legs
            .get_mut(&leg_id)
            .and_then(|leg| leg.media.as_mut())
        else {
            return;
        };
        if !media.negotiation.is_offering() {
            return;
        }
        if sdp.is_some_and(|sdp| media.negotiation.handle_answer(&sdp).is_ok()) {
            self.tell_remote(leg_id);
        } else {
            gone_is_told(self.user_agent.hang_up(now, dialog, &[]));
            self.end_leg(leg_id, LegEnd::NotAcceptable);
        }
    }

    pub(super) fn on_refused(&mut self, dialog: DialogId, status: u16) {
        let Some(leg_id) = self.living_leg_of(dialog) else {
            return;
        };
        let why = match status {
            486 | 600 => Refused::Busy,
            403 | 480 | 487 | 603 | 607 | 608 => Refused::Declined { status },
            _ => Refused::Unreachable { status },
        };
        self.events
            .push_back(CallEvent::Refused { leg: leg_id, why });
        self.forget(leg_id);
    }

    /// A re-INVITE or UPDATE: hold, resume, another address, or a refresh without an offer.
    pub(super) fn on_offer(&mut self, now: Instant, dialog: DialogId, sdp: Option<Bytes>) {
        let Some(leg_id) = self.living_leg_of(dialog) else {
            gone_is_told(self.user_agent.refuse_offer(now, dialog, 488));
            return;
        };
        let media = self
            .legs
            .get_mut(&leg_id)
            .and_then(|leg| leg.media.as_mut());
        let described = match (media, sdp) {
            (Some(media), Some(sdp)) => media.negotiation.handle_offer(&sdp).ok(),
            (Some(media), None) => Some(media.negotiation.make_offer()),
            (None, _) => None,
        };
        match described {
            Some(described) => {
                gone_is_told(self.user_agent.answer_offer(now, dialog, described));
                self.tell_remote(leg_id);
                self.tell_hold(leg_id);
            }
            None => gone_is_told(self.user_agent.refuse_offer(now, dialog, 488)),
        }
    }

    pub(super) fn on_offer_answered(&mut self, dialog: DialogId, sdp: Option<Bytes>) {
        let Some(leg_id) = self.living_leg_of(dialog) else {
            return;
        };
        if let Some(media) = self
            .legs
            .get_mut(&leg_id)
            .and_then(|leg| leg.media.as_mut())
            && media.negotiation.is_offering()
            && sdp.is_some_and(|sdp| media.negotiation.handle_answer(&sdp).is_ok())
        {
            self.tell_remote(leg_id);
            self.tell_hold(leg_id);
        }
    }

    pub(super) fn on_offer_refused(&mut self, dialog: DialogId) {
        if let Some(leg_id) = self.living_leg_of(dialog)
            && let Some(media) = self
                .legs
                .get_mut(&leg_id)
                .and_then(|leg| leg.media.as_mut())
        {
            media.negotiation.withdraw_offer();
        }
    }

    /// A dialog that is over, whoever ended it; a leg we gave up before is gone already.
    pub(super) fn on_dialog_end(&mut self, dialog: DialogId, how: LegEnd) {
        let Some(leg_id) = self.living_leg_of(dialog) else {
            return;
        };
        let was_dialled = matches!(
            self.legs.get(&leg_id).map(|leg| &leg.state),
            Some(LegState::Dialling { .. })
        );
        if was_dialled {
            let why = Refused::Unreachable { status: 408 };
            self.events
                .push_back(CallEvent::Refused { leg: leg_id, why });
            self.forget(leg_id);
        } else {
            self.end_leg(leg_id, how);
        }
    }
}
