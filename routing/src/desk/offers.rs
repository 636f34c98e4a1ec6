//! The verbs of an offer: made, answered, refused, rung out.

use super::{Decided, Desk, Rest, about, millis};
use crate::agent::Status;
use crate::contact::{Place, PlacedContact, QueuedContact};
use crate::event::{EventDraft, EventKind};
use crate::ids::{AgentId, ContactId, OfferToken};
use crate::time::Timestamp;
use crate::verb::{Answer, DeclineReason, RING_ON_NO_ANSWER, Refusal, RequeueReason};

impl Desk {
    pub(super) fn offer(
        &mut self,
        at: Timestamp,
        contact: ContactId,
        agent: &AgentId,
        others: &[AgentId],
    ) -> Decided {
        let placed = self.find(contact, Refusal::NotWaiting)?;
        if placed.place != Place::Waiting {
            return Err(Refusal::NotWaiting);
        }
        let record = &placed.record;
        let rules = self
            .view
            .queue(&record.queue)
            .ok_or(Refusal::UnknownQueue)?;
        let is_twice = |(place, other)| other == agent || others[..place].contains(other);
        if others.len() >= rules.rings_at_once(record) || others.iter().enumerate().any(is_twice) {
            return Err(Refusal::TooManyAtOnce);
        }
        self.may_be_offered(at, record, agent)?;
        for other in others {
            self.may_be_offered(at, record, other)?;
        }
        if self.view.is_at_limit(&record.queue) {
            return Err(Refusal::QueueAtItsLimit);
        }
        let deadline = at + rules.offer_timeout(record.channel);
        let token = self.reserve(at, record, agent, deadline);
        for other in others {
            self.reserve(at, record, other, deadline);
        }
        Ok(Answer::Reserved { token, deadline })
    }

    /// Why a waiting contact cannot be offered to an agent, the queue's limits apart.
    fn may_be_offered(
        &self,
        at: Timestamp,
        record: &QueuedContact,
        agent: &AgentId,
    ) -> Result<(), Refusal> {
        let candidate = self.view.agent(agent).ok_or(Refusal::UnknownAgent)?;
        if !candidate.is_free_for(record.channel) || candidate.is_resting(at) {
            return Err(Refusal::AgentNotFree);
        }
        if !self.view.is_eligible(record, candidate, at) || record.is_avoiding(agent, at) {
            return Err(Refusal::NotEligible);
        }
        Ok(())
    }

    fn reserve(
        &mut self,
        at: Timestamp,
        record: &QueuedContact,
        agent: &AgentId,
        deadline: Timestamp,
    ) -> OfferToken {
        self.last_token += 1;
        let token = OfferToken::new(self.last_token);
        let kind = EventKind::Offered {
            token,
            deadline,
            node: record.node.clone(),
        };
        let draft = EventDraft::of_contact(at, record.id, kind)
            .in_queue(record.queue.clone())
            .with_agent(agent.clone());
        self.emit(draft);
        token
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
                let winner = placed.place.holder_by(token).ok_or(Refusal::StaleOffer)?;
                let wait_ms = millis(at.since(placed.record.enqueued_at));
                let kind = EventKind::Answered { token, wait_ms };
                self.emit(about(at, &placed, kind).with_agent(winner.clone()));
                let losers = placed.place.holders().filter(|(agent, _)| *agent != winner);
                for (loser, _) in losers {
                    self.free_agent(at, loser, &placed, Rest::default());
                }
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
        let kind = EventKind::Declined { token, reason };
        self.emit(about(at, &placed, kind).with_agent(agent.clone()));
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
        self.leave_offer(at, &placed, token, requeue_reason, retry_at);
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
        let kind = EventKind::RingTimeout { token };
        self.emit(about(at, &placed, kind).with_agent(agent.clone()));
        self.leave_offer(at, &placed, token, RequeueReason::RingTimeout, retry_at);
        let rest = Rest {
            status: Some(Status::NotReady(RING_ON_NO_ANSWER.to_owned())),
            ..Rest::default()
        };
        self.free_agent(at, &agent, &placed, rest);
        Ok(Answer::Done)
    }

    /// One phone does not ring any longer: with the last the contact is back in the line.
    fn leave_offer(
        &mut self,
        at: Timestamp,
        placed: &PlacedContact,
        token: OfferToken,
        reason: RequeueReason,
        retry_at: Timestamp,
    ) {
        let is_last = placed.place.holders().nth(1).is_none();
        let kind = if is_last {
            EventKind::Requeued {
                reason,
                retry_at: Some(retry_at),
            }
        } else {
            EventKind::LeftOffer { token, retry_at }
        };
        let mut draft = about(at, placed, kind);
        draft.agent = placed.place.holder_by(token).cloned();
        self.emit(draft);
    }

    fn standing_offer(&self, token: OfferToken) -> Result<(PlacedContact, AgentId), Refusal> {
        let placed = self.view.contact_of(token).ok_or(Refusal::StaleOffer)?;
        match &placed.place {
            Place::Offered { .. } => {
                let agent = placed.place.holder_by(token).ok_or(Refusal::StaleOffer)?;
                Ok((placed.clone(), agent.clone()))
            }
            Place::Waiting | Place::Active { .. } => Err(Refusal::StaleOffer),
        }
    }
}
