//! The verbs of a contact's way through the line, offers apart.

use super::{Decided, Desk, Rest, about, about_pair, millis};
use crate::contact::{Place, PlacedContact, Priority, QueuedContact, Reserved};
use crate::event::{EndedBy, EventDraft, EventKind};
use crate::ids::{ContactId, OfferToken, QueueId};
use crate::time::Timestamp;
use crate::verb::{Answer, End, Refusal, RequeueReason};
use std::time::Duration;

impl Desk {
    pub(super) fn enqueue(&mut self, at: Timestamp, contact: QueuedContact) -> Decided {
        if self.view.contact(contact.id).is_some() {
            return Ok(Answer::Done);
        }
        if self.ended.how(contact.id).is_some() {
            return Err(Refusal::AlreadyEnded);
        }
        self.may_enter(&contact.queue)?;
        self.emit_enqueued(at, contact);
        Ok(Answer::Done)
    }

    /// Why a queue cannot take one more contact.
    pub(super) fn may_enter(&self, queue: &QueueId) -> Result<(), Refusal> {
        let rules = self.view.queue(queue).ok_or(Refusal::UnknownQueue)?;
        if !rules.is_open {
            return Err(Refusal::QueueClosed);
        }
        let unanswered = self.view.unanswered(queue);
        let is_full = |most| unanswered >= usize::try_from(most).unwrap_or(usize::MAX);
        if rules.waiting_max.is_some_and(is_full) {
            return Err(Refusal::QueueFull);
        }
        Ok(())
    }

    pub(super) fn emit_enqueued(&mut self, at: Timestamp, contact: QueuedContact) {
        let kind = EventKind::Enqueued {
            priority: contact.priority,
            channel: contact.channel,
            skills: contact.skills,
            reserved: contact.reserved,
            enqueued_at: contact.enqueued_at,
            rings_one: contact.rings_one,
            calls_back: contact.calls_back,
            node: contact.node,
        };
        self.emit(EventDraft::of_contact(at, contact.id, kind).in_queue(contact.queue));
    }

    pub(super) fn move_to(&mut self, at: Timestamp, contact: ContactId, to: &QueueId) -> Decided {
        let placed = self.find(contact, Refusal::NotWaiting)?;
        if let Place::Active { .. } = placed.place {
            return Err(Refusal::NotWaiting);
        }
        if placed.record.queue == *to {
            return Ok(Answer::Done);
        }
        self.may_enter(to)?;
        let wait_ms = millis(placed.record.waited(at));
        let kind = EventKind::Overflowed {
            to: to.to_string(),
            wait_ms,
        };
        self.emit(about_pair(at, &placed, kind));
        let record = QueuedContact {
            queue: to.clone(),
            ..placed.record.clone()
        };
        self.emit_enqueued(at, record);
        self.free_holders(at, &placed);
        Ok(Answer::Done)
    }

    pub(super) fn reprioritise(
        &mut self,
        at: Timestamp,
        contact: ContactId,
        priority: Priority,
    ) -> Decided {
        let placed = self.find(contact, Refusal::NotWaiting)?;
        if let Place::Active { .. } = placed.place {
            return Err(Refusal::NotWaiting);
        }
        if placed.record.priority != priority {
            self.emit(about(at, &placed, EventKind::Reprioritised { priority }));
        }
        Ok(Answer::Done)
    }

    pub(super) fn abandon(&mut self, at: Timestamp, contact: ContactId) -> Decided {
        if self.ended.how(contact) == Some(End::Abandoned) {
            return Ok(Answer::Done);
        }
        let placed = self.find(contact, Refusal::NotWaiting)?;
        self.leave_unanswered(at, &placed, End::Abandoned, |wait_ms| {
            EventKind::Abandoned { wait_ms }
        })
    }

    pub(super) fn flow_out(&mut self, at: Timestamp, contact: ContactId, to: String) -> Decided {
        if self.ended.how(contact) == Some(End::FlowedOut) {
            return Ok(Answer::Done);
        }
        let placed = self.find(contact, Refusal::NotWaiting)?;
        self.leave_unanswered(at, &placed, End::FlowedOut, |wait_ms| {
            EventKind::Overflowed { to, wait_ms }
        })
    }

    /// Ends a contact that was not answered; who rings for it is freed. Where its node was lost, nobody can
    /// stop that ring, so its agent rests until the ring must have ended by itself.
    pub(super) fn leave_unanswered(
        &mut self,
        at: Timestamp,
        placed: &PlacedContact,
        end: End,
        kind: impl FnOnce(u64) -> EventKind,
    ) -> Decided {
        if let Place::Active { .. } = placed.place {
            return Err(Refusal::NotWaiting);
        }
        let wait_ms = millis(at.since(placed.record.enqueued_at));
        self.emit(about_pair(at, placed, kind(wait_ms)));
        self.ended.remember(at, placed.record.id, end);
        let rest_until = match &placed.place {
            Place::Offered { deadline, .. } => {
                Some(*deadline).filter(|deadline| end == End::Lost && *deadline > at)
            }
            Place::Waiting | Place::Active { .. } => None,
        };
        for (agent, _) in placed.place.holders() {
            let rest = Rest {
                until: rest_until,
                ..Rest::default()
            };
            self.free_agent(at, agent, placed, rest);
        }
        Ok(Answer::Done)
    }

    pub(super) fn requeue(
        &mut self,
        at: Timestamp,
        contact: ContactId,
        token: Option<OfferToken>,
        reason: RequeueReason,
    ) -> Decided {
        let placed = self.find(contact, Refusal::NotActive)?;
        if placed.place != Place::Waiting {
            if token.is_some_and(|token| placed.place.holder_by(token).is_none()) {
                return Err(Refusal::StaleOffer);
            }
            let retry_at = match reason {
                RequeueReason::LeaseExpired => None,
                RequeueReason::Declined
                | RequeueReason::Unreachable
                | RequeueReason::RingTimeout
                | RequeueReason::BridgeFailed
                | RequeueReason::ByHand
                | RequeueReason::HandedOver
                | RequeueReason::LoggedOff => Some(self.back_off_end(at, &placed)),
            };
            self.emit_requeued(at, &placed, reason, retry_at);
            self.free_holders(at, &placed);
        }
        Ok(Answer::Done)
    }

    pub(super) fn hand_over(
        &mut self,
        at: Timestamp,
        contact: ContactId,
        to: QueueId,
        reserved: Option<Reserved>,
        token: Option<OfferToken>,
    ) -> Decided {
        let placed = self.find(contact, Refusal::NotActive)?;
        if placed.place == Place::Waiting {
            return Err(Refusal::NotActive);
        }
        if token.is_some_and(|token| placed.place.holder_by(token).is_none()) {
            return Err(Refusal::StaleOffer);
        }
        let is_elsewhere = placed.record.queue != to;
        if is_elsewhere {
            self.may_enter(&to)?;
        }
        let retry_at = self.back_off_end(at, &placed);
        self.emit_requeued(at, &placed, RequeueReason::HandedOver, Some(retry_at));
        if is_elsewhere || reserved.is_some() {
            let kind = EventKind::Overflowed {
                to: to.to_string(),
                wait_ms: millis(placed.record.waited(at)),
            };
            self.emit(about(at, &placed, kind));
            let record = QueuedContact {
                queue: to,
                reserved,
                ..placed.record.clone()
            };
            self.emit_enqueued(at, record);
        }
        self.free_holders(at, &placed);
        Ok(Answer::Done)
    }

    /// The contact is in its place again, and nobody who rang for it or had it is asked before `retry_at`.
    fn emit_requeued(
        &mut self,
        at: Timestamp,
        placed: &PlacedContact,
        reason: RequeueReason,
        retry_at: Option<Timestamp>,
    ) {
        for (other, token) in placed.place.holders().skip(1) {
            if let Some(retry_at) = retry_at {
                let kind = EventKind::LeftOffer { token, retry_at };
                self.emit(about(at, placed, kind).with_agent(other.clone()));
            }
        }
        let kind = EventKind::Requeued { reason, retry_at };
        self.emit(about_pair(at, placed, kind));
    }

    pub(super) fn complete(
        &mut self,
        at: Timestamp,
        contact: ContactId,
        token: Option<OfferToken>,
        by: EndedBy,
        talk: Duration,
        hold: Duration,
    ) -> Decided {
        if self.ended.how(contact) == Some(End::Completed) {
            return Ok(Answer::Done);
        }
        let placed = self.view.contact(contact);
        if let Some(Place::Active {
            token: answered, ..
        }) = placed.map(|placed| &placed.place)
            && token.is_some_and(|token| token != *answered)
        {
            return Err(Refusal::StaleOffer);
        }
        self.complete_as(at, contact, End::Completed, by, talk, hold)
    }

    pub(super) fn complete_as(
        &mut self,
        at: Timestamp,
        contact: ContactId,
        end: End,
        by: EndedBy,
        talk: Duration,
        hold: Duration,
    ) -> Decided {
        let placed = self.find(contact, Refusal::NotActive)?;
        let Place::Active { agent, .. } = &placed.place else {
            return Err(Refusal::NotActive);
        };
        let rules = self.view.queue(&placed.record.queue);
        let rules = rules.filter(|rules| rules.wrap_up > Duration::ZERO);
        let wrap_up_until = rules.map(|rules| at + rules.wrap_up);
        let extends = rules.filter(|rules| rules.wrap_up_max > rules.wrap_up);
        let wrap_up_latest = extends.map(|rules| at + rules.wrap_up_max);
        let kind = EventKind::Ended {
            by,
            talk_ms: millis(talk),
            hold_ms: millis(hold),
            wrap_up_until,
            wrap_up_latest,
        };
        self.emit(about(at, &placed, kind).with_agent(agent.clone()));
        self.ended.remember(at, contact, end);
        if wrap_up_until.is_none() {
            let rest = Rest {
                idle_since: Some(at),
                ..Rest::default()
            };
            self.free_agent(at, agent, &placed, rest);
        }
        Ok(Answer::Done)
    }

    /// Until when an agent who had the contact is not asked for it again.
    pub(super) fn back_off_end(&self, at: Timestamp, placed: &PlacedContact) -> Timestamp {
        let back_off = self
            .view
            .queue(&placed.record.queue)
            .map_or(Duration::ZERO, |rules| rules.decline_back_off);
        at + back_off
    }
}
