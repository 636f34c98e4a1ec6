//! The verbs of an offer: made, answered, refused, rung out.

use super::{Decided, Desk, Rest, about_pair, millis};
use crate::agent::Status;
use crate::contact::{Place, PlacedContact};
use crate::event::{EventDraft, EventKind};
use crate::ids::{AgentId, ContactId, OfferToken};
use crate::time::Timestamp;
use crate::verb::{Answer, DeclineReason, RING_ON_NO_ANSWER, Refusal, RequeueReason};

impl Desk {
    pub(super) fn offer(&mut self, at: Timestamp, contact: ContactId, agent: AgentId) -> Decided {
        let placed = self.find(contact, Refusal::NotWaiting)?;
        if placed.place != Place::Waiting {
            return Err(Refusal::NotWaiting);
        }
        let candidate = self.view.agent(&agent).ok_or(Refusal::UnknownAgent)?;
        let record = &placed.record;
        if !candidate.is_free_for(record.channel) || candidate.is_resting(at) {
            return Err(Refusal::AgentNotFree);
        }
        if !self.view.is_eligible(record, candidate, at) || record.is_avoiding(&agent, at) {
            return Err(Refusal::NotEligible);
        }
        if self.view.is_at_limit(&record.queue) {
            return Err(Refusal::QueueAtItsLimit);
        }
        let rules = self
            .view
            .queue(&record.queue)
            .ok_or(Refusal::UnknownQueue)?;
        let deadline = at + rules.offer_timeout(record.channel);
        self.last_token += 1;
        let token = OfferToken::new(self.last_token);
        let kind = EventKind::Offered {
            token,
            deadline,
            node: record.node.clone(),
        };
        let draft = EventDraft::of_contact(at, contact, kind)
            .in_queue(record.queue.clone())
            .with_agent(agent);
        self.emit(draft);
        Ok(Answer::Reserved { token, deadline })
    }

    pub(super) fn accept(&mut self, at: Timestamp, token: OfferToken) -> Decided {
        let placed = self
            .view
            .contact_of(token)
            .ok_or(Refusal::StaleOffer)?
            .clone();
        match &placed.place {
            Place::Waiting => Err(Refusal::StaleOffer),
            Place::Active { .. } => Ok(Answer::Done),
            Place::Offered { .. } => {
                let wait_ms = millis(at.since(placed.record.enqueued_at));
                self.emit(about_pair(
                    at,
                    &placed,
                    EventKind::Answered { token, wait_ms },
                ));
                Ok(Answer::Done)
            }
        }
    }

    pub(super) fn decline(
        &mut self,
        at: Timestamp,
        token: OfferToken,
        reason: DeclineReason,
    ) -> Decided {
        let (placed, agent) = self.standing_offer(token)?;
        let retry_at = self.back_off_end(at, &placed);
        self.emit(about_pair(
            at,
            &placed,
            EventKind::Declined { token, reason },
        ));
        let (requeue_reason, rest) = match reason {
            DeclineReason::Declined => (
                RequeueReason::Declined,
                Rest {
                    idle_since: Some(at),
                    ..Rest::default()
                },
            ),
            DeclineReason::Busy => (
                RequeueReason::Declined,
                Rest {
                    until: Some(retry_at),
                    ..Rest::default()
                },
            ),
            DeclineReason::Unreachable => (RequeueReason::Unreachable, Rest::default()),
        };
        self.back_in_line(at, &placed, requeue_reason, retry_at);
        if reason == DeclineReason::Unreachable
            && self.view.agent(&agent).is_some_and(|a| a.is_reachable)
        {
            let kind = EventKind::AgentReachable {
                is_reachable: false,
            };
            self.emit(EventDraft::of_agent(at, agent.clone(), kind));
        }
        self.free_agent(at, &agent, &placed, rest);
        Ok(Answer::Done)
    }

    pub(super) fn ring_timeout(&mut self, at: Timestamp, token: OfferToken) -> Decided {
        let (placed, agent) = self.standing_offer(token)?;
        let retry_at = self.back_off_end(at, &placed);
        self.emit(about_pair(at, &placed, EventKind::RingTimeout { token }));
        self.back_in_line(at, &placed, RequeueReason::RingTimeout, retry_at);
        let rest = Rest {
            status: Some(Status::NotReady(RING_ON_NO_ANSWER.to_owned())),
            ..Rest::default()
        };
        self.free_agent(at, &agent, &placed, rest);
        Ok(Answer::Done)
    }

    fn back_in_line(
        &mut self,
        at: Timestamp,
        placed: &PlacedContact,
        reason: RequeueReason,
        retry_at: Timestamp,
    ) {
        let kind = EventKind::Requeued {
            reason,
            retry_at: Some(retry_at),
        };
        self.emit(about_pair(at, placed, kind));
    }

    fn standing_offer(&self, token: OfferToken) -> Result<(PlacedContact, AgentId), Refusal> {
        let placed = self.view.contact_of(token).ok_or(Refusal::StaleOffer)?;
        match &placed.place {
            Place::Offered { agent, .. } => Ok((placed.clone(), agent.clone())),
            Place::Waiting | Place::Active { .. } => Err(Refusal::StaleOffer),
        }
    }
}
