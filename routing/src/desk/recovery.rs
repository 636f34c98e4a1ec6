//! The verbs that mend: what is due, nodes that stopped, and a store that came back.

use super::{Decided, Desk, Rest, about, about_pair};
use crate::contact::{Channel, Keeper, Place, PlacedContact, QueuedContact, VIA_CALL_BACK};
use crate::event::{ContactResult, EndedBy, EventDraft, EventKind};
use crate::ids::{AgentId, ContactId, NodeId};
use crate::time::Timestamp;
use crate::verb::{
    Answer, CALLER_IS_BACK, End, GATEWAY_LOST, REAPED_MAX, Refusal, RequeueReason, RestoredPlace,
};
use std::time::Duration;

impl Desk {
    pub(super) fn node_alive(&mut self, at: Timestamp, node: NodeId, lease: Duration) -> Decided {
        self.nodes.insert(node, at + lease);
        Ok(Answer::Done)
    }

    pub(super) fn expire(&mut self, at: Timestamp) -> Decided {
        let over: Vec<_> = self
            .view
            .wrap_ups_over(at)
            .take(REAPED_MAX)
            .cloned()
            .collect();
        for (until, contact, agent) in over {
            self.free_from_wrap_up(at, &agent, contact, until);
        }
        let lapsed: Vec<_> = self
            .view
            .leases_over(at)
            .take(REAPED_MAX)
            .filter_map(|id| self.view.contact(id).cloned())
            .collect();
        for placed in lapsed {
            self.reap_offer(at, &placed);
        }
        let due: Vec<_> = self.view.overflows_due(at).take(REAPED_MAX).collect();
        for contact in due {
            self.overflow(at, contact);
        }
        let silent = self
            .nodes
            .iter()
            .filter(|(_, until)| **until <= at)
            .min_by(|a, b| (a.1, a.0).cmp(&(b.1, b.0)))
            .map(|(node, _)| node.clone());
        if let Some(node) = silent {
            self.lose_node(at, node);
        }
        self.ended.forget_old(at);
        Ok(Answer::Done)
    }

    fn reap_offer(&mut self, at: Timestamp, placed: &PlacedContact) {
        self.tell_expired(at, placed, |_| true);
        let kind = EventKind::Requeued {
            reason: RequeueReason::LeaseExpired,
            retry_at: None,
        };
        self.emit(about_pair(at, placed, kind));
        self.free_holders(at, placed);
    }

    /// Tells of every agent who rings and whom `is_meant` means that the offer lapsed.
    fn tell_expired(
        &mut self,
        at: Timestamp,
        placed: &PlacedContact,
        is_meant: impl Fn(&AgentId) -> bool,
    ) {
        for (agent, token) in placed.place.holders() {
            if is_meant(agent) {
                let kind = EventKind::OfferExpired { token };
                self.emit(about(at, placed, kind).with_agent(agent.clone()));
            }
        }
    }

    /// Moves a contact to the first of the queues for which it has waited long enough that can take it.
    fn overflow(&mut self, at: Timestamp, contact: ContactId) {
        while let Some(placed) = self.view.contact(contact).cloned()
            && let Some(rules) = self.view.queue(&placed.record.queue)
            && let Some((due, to)) = placed.record.overflow(rules)
            && due <= at
        {
            let to = to.clone();
            // A queue is no other than itself.
            let moved = if to == placed.record.queue {
                Err(Refusal::UnknownQueue)
            } else {
                self.move_to(at, contact, &to)
            };
            let Err(reason) = moved else {
                return;
            };
            let kind = EventKind::OverflowRefused { to, reason };
            self.emit(about(at, &placed, kind));
        }
    }

    fn lose_node(&mut self, at: Timestamp, node: NodeId) {
        self.nodes.remove(&node);
        let orphans: Vec<PlacedContact> = self
            .view
            .contacts()
            .filter(|placed| placed.record.ends_with(&node))
            .cloned()
            .collect();
        self.emit(EventDraft::of_desk(at, EventKind::NodeLost { node }));
        for placed in orphans {
            self.end_orphan(at, &placed);
        }
    }

    fn end_orphan(&mut self, at: Timestamp, placed: &PlacedContact) {
        let id = placed.record.id;
        // Both verbs are refused only in the place that the other one is for.
        let (done, result) = match &placed.place {
            Place::Waiting | Place::Offered { .. } => (
                self.leave_unanswered(at, placed, End::Lost, |wait_ms| EventKind::Abandoned {
                    wait_ms,
                }),
                ContactResult::Failed,
            ),
            Place::Active { answered_at, .. } => (
                self.complete_as(
                    at,
                    id,
                    End::Lost,
                    EndedBy::Failure,
                    at.since(*answered_at),
                    Duration::ZERO,
                ),
                ContactResult::Answered,
            ),
        };
        if done.is_ok() {
            let cause = GATEWAY_LOST.to_owned();
            self.emit(about(at, placed, EventKind::Failed { cause }));
            self.emit(about(at, placed, EventKind::Closed { result }));
            self.keep_place(at, &placed.record);
        }
    }

    /// A caller who was cut off and can be called back keeps the place: before anybody else is offered an
    /// agent, a call-back stands there for them.
    fn keep_place(&mut self, at: Timestamp, lost: &QueuedContact) {
        let Some(caller) = lost.calls_back.clone() else {
            return;
        };
        let successor = lost.id.successor();
        // Once is enough, though the gateway came back and was lost again.
        if self.view.contact(successor).is_some() || self.ended.how(successor).is_some() {
            return;
        }
        let arrived = EventKind::Arrived {
            channel: Channel::Voice,
            from: caller.number,
            to: caller.dialled,
            via: VIA_CALL_BACK.to_owned(),
        };
        self.emit(EventDraft::of_contact(at, successor, arrived));
        let record = QueuedContact {
            id: successor,
            rings_one: true,
            node: Keeper::Database.node(),
            ..lost.clone()
        };
        self.emit_enqueued(at, record);
    }

    /// The caller was on the line all the time: the call-back that stands for them leaves it, unless an agent
    /// has it already.
    fn give_place_back(&mut self, at: Timestamp, caller: ContactId) {
        let Some(call_back) = self.view.contact(caller.successor()).cloned() else {
            return;
        };
        let to = CALLER_IS_BACK.to_owned();
        let left = self.leave_unanswered(at, &call_back, End::FlowedOut, |wait_ms| {
            EventKind::Overflowed { to, wait_ms }
        });
        if left.is_ok() {
            let result = ContactResult::FlowedOut;
            self.emit(about(at, &call_back, EventKind::Closed { result }));
        }
    }

    pub(super) fn restore(
        &mut self,
        at: Timestamp,
        record: QueuedContact,
        place: RestoredPlace,
    ) -> Decided {
        if let RestoredPlace::Active { token, .. } = place
            && let Some(other) = self.view.contact_of(token)
            && other.record.id != record.id
        {
            return Err(Refusal::StaleOffer);
        }
        let (id, mut was_lost) = (record.id, false);
        if let Some(how) = self.ended.how(id) {
            match (&place, how) {
                (RestoredPlace::Ended { .. }, _) => return Ok(Answer::Done),
                (_, End::Lost) => was_lost = true,
                (_, End::Completed | End::Abandoned | End::FlowedOut) => {
                    return Err(Refusal::AlreadyEnded);
                }
            }
        }
        if was_lost {
            self.ended.forget(id);
        }
        if self.view.queue(&record.queue).is_none() {
            return Err(Refusal::UnknownQueue);
        }
        let known = self.view.contact(record.id).cloned();
        match place {
            RestoredPlace::Waiting { offer_over } => {
                let held = known.as_ref().map(|known| known.place.holders());
                let newest = held.and_then(|held| held.map(|(_, token)| token).max());
                let is_over = newest.is_some_and(|newest| offer_over >= Some(newest));
                if known.is_none() || is_over {
                    self.emit_restored(at, &record, &RestoredPlace::Waiting { offer_over }, None);
                    if let Some(known) = &known {
                        self.free_holders(at, known);
                    }
                }
            }
            RestoredPlace::Active {
                agent,
                token,
                answered_at,
            } => {
                let place = RestoredPlace::Active {
                    agent: agent.clone(),
                    token,
                    answered_at,
                };
                self.restore_active(at, &record, known.as_ref(), &agent, &place);
            }
            RestoredPlace::Ended { end, wrap_up_until } => {
                self.ended.remember(at, record.id, end);
                if let Some(known) = &known {
                    let place = RestoredPlace::Ended { end, wrap_up_until };
                    let holder = known.place.holder().cloned();
                    self.emit_restored(at, &record, &place, holder.clone());
                    // Of several who rang the first stands for whoever had it.
                    for (agent, _) in known.place.holders() {
                        let had_it = holder.as_ref() == Some(agent);
                        if !had_it || wrap_up_until.is_none() {
                            let is_completed = had_it && end == End::Completed;
                            let rest = Rest {
                                idle_since: is_completed.then_some(at),
                                ..Rest::default()
                            };
                            self.free_agent(at, agent, known, rest);
                        }
                    }
                }
            }
        }
        if was_lost {
            self.give_place_back(at, id);
        }
        Ok(Answer::Done)
    }

    /// The node talks; the store thought it waits or rings, or had not heard of it.
    fn restore_active(
        &mut self,
        at: Timestamp,
        record: &QueuedContact,
        known: Option<&PlacedContact>,
        agent: &AgentId,
        place: &RestoredPlace,
    ) {
        if let Some(known) = known {
            match &known.place {
                Place::Active { .. } => return,
                Place::Waiting => {}
                Place::Offered { .. } => self.tell_expired(at, known, |rung| rung != agent),
            }
        }
        if let RestoredPlace::Active { token, .. } = place {
            self.last_token = self.last_token.max(token.as_u64());
        }
        self.emit_restored(at, record, place, Some(agent.clone()));
        if let Some(known) = known {
            let displaced = known.place.holders().filter(|(rung, _)| *rung != agent);
            for (rung, _) in displaced {
                self.free_agent(at, rung, known, Rest::default());
            }
        }
    }

    fn emit_restored(
        &mut self,
        at: Timestamp,
        record: &QueuedContact,
        place: &RestoredPlace,
        agent: Option<AgentId>,
    ) {
        let kind = EventKind::Restored {
            record: Box::new(record.clone()),
            place: place.clone(),
        };
        let mut draft = EventDraft::of_contact(at, record.id, kind).in_queue(record.queue.clone());
        draft.agent = agent;
        self.emit(draft);
    }
}
