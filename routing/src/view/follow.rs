//! How a view follows the events.

use super::{Pause, View};
use crate::agent::{Agent, Doing, Hold, Status, Tally};
use crate::contact::{Channel, Place, PlacedContact, QueuedContact, Ring};
use crate::event::{Event, EventKind};
use crate::ids::{AgentId, ContactId, OfferToken};
use crate::time::Timestamp;
use crate::verb::RestoredPlace;
use std::collections::BTreeMap;

impl View {
    /// Follows one event. An event about something unknown changes nothing: the view was not told of it,
    /// and a snapshot will.
    pub fn apply(&mut self, event: &Event) {
        self.last_event = event.id.number;
        match &event.kind {
            EventKind::Enqueued {
                priority,
                channel,
                skills,
                reserved,
                enqueued_at,
                rings_one,
                calls_back,
                node,
            } => {
                if let (Some(id), Some(queue)) = (event.contact, &event.queue) {
                    self.enter(QueuedContact {
                        id,
                        queue: queue.clone(),
                        channel: *channel,
                        priority: *priority,
                        skills: skills.clone(),
                        reserved: reserved.clone(),
                        enqueued_at: *enqueued_at,
                        entered_at: Some(event.at),
                        overflows_refused: 0,
                        rings_one: *rings_one,
                        calls_back: calls_back.clone(),
                        node: node.clone(),
                        avoid: BTreeMap::new(),
                    });
                }
            }
            EventKind::Offered {
                token, deadline, ..
            } => self.apply_offered(event, *token, *deadline),
            EventKind::Answered { token, .. } => {
                if let (Some(id), Some(agent)) = (event.contact, &event.agent) {
                    self.answer(id, agent, *token, event.at);
                }
            }
            EventKind::Requeued { retry_at, .. } => self.apply_requeued(event, *retry_at),
            EventKind::LeftOffer { token, retry_at } => {
                self.apply_left_offer(event, *token, *retry_at);
            }
            EventKind::OverflowRefused { .. } => {
                self.change_record(event, |record| {
                    record.overflows_refused = record.overflows_refused.saturating_add(1);
                });
            }
            EventKind::Reprioritised { priority } => {
                self.change_record(event, |record| record.priority = *priority);
            }
            EventKind::Abandoned { .. } | EventKind::Overflowed { .. } => self.leave(event.contact),
            EventKind::Ended {
                wrap_up_until,
                wrap_up_latest,
                ..
            } => {
                self.leave(event.contact);
                self.apply_wrap_up(event, *wrap_up_until, *wrap_up_latest);
            }
            EventKind::WrapUpExtended { until: later } => {
                self.change_hold(event, |hold| match &mut hold.doing {
                    Doing::WrapUp { until, .. } => *until = *later,
                    Doing::Ringing { .. } | Doing::Talking { .. } => {}
                });
            }
            EventKind::Restored { record, place } => self.apply_restored(event, record, place),
            EventKind::Ready {
                idle_since,
                rest_until,
                ..
            } => self.change_agent(event.agent.as_ref(), |agent| {
                match event.contact {
                    Some(contact) => drop(agent.holds.remove(&contact)),
                    None => agent.holds.clear(),
                }
                if !agent.is_busy() {
                    agent.tally.end_busy_time(event.at);
                }
                agent.tally.freed_at = event.at;
                agent.idle_since = *idle_since;
                agent.rest_until = *rest_until;
            }),
            EventKind::AgentStatus { status } => self.apply_status(event, status),
            EventKind::NextStatus { status } => self.change_agent(event.agent.as_ref(), |agent| {
                agent.next_status = (agent.status != *status).then(|| status.clone());
            }),
            EventKind::AgentReachable { is_reachable } => {
                self.change_agent(event.agent.as_ref(), |agent| {
                    agent.is_reachable = *is_reachable;
                });
            }
            EventKind::AgentChanged { profile } => {
                let id = &profile.id;
                if self.agents.contains_key(id) {
                    self.change_agent(Some(id), |agent| {
                        agent.profile = (**profile).clone();
                    });
                } else {
                    self.put_agent(Agent::new((**profile).clone(), event.at));
                }
                self.look_at_reserved(id);
            }
            EventKind::AgentRemoved => {
                if let Some(id) = &event.agent {
                    self.take_agent(id);
                    self.look_at_reserved(id);
                }
            }
            EventKind::QueueChanged { rules } => {
                self.put_rules((**rules).clone());
            }
            EventKind::Arrived { .. }
            | EventKind::Identified { .. }
            | EventKind::TicketLinked { .. }
            | EventKind::Blocked { .. }
            | EventKind::Failed { .. }
            | EventKind::Rang { .. }
            | EventKind::Declined { .. }
            | EventKind::RingTimeout { .. }
            | EventKind::OfferExpired { .. }
            | EventKind::Held
            | EventKind::Resumed
            | EventKind::KeyedIn { .. }
            | EventKind::IncidentTold { .. }
            | EventKind::MessageLeft { .. }
            | EventKind::Informed { .. }
            | EventKind::MediaReport { .. }
            | EventKind::Closed { .. }
            | EventKind::NodeLost { .. }
            | EventKind::StoreLost { .. }
            | EventKind::Escalated { .. }
            | EventKind::TicketChanged { .. }
            | EventKind::SymptomRecorded { .. }
            | EventKind::Rated { .. }
            | EventKind::AnswerAwaited { .. }
            | EventKind::AnswerWaitEnded { .. }
            | EventKind::Intervened { .. }
            | EventKind::StoreReturned => {}
        }
    }

    fn apply_status(&mut self, event: &Event, status: &Status) {
        let Some(id) = &event.agent else {
            return;
        };
        self.change_agent(Some(id), |agent| {
            if agent.holds.is_empty()
                && *status == Status::Available
                && agent.status != Status::Available
            {
                agent.idle_since = event.at;
            }
            if agent.status == Status::LoggedOff && *status != Status::LoggedOff {
                agent.tally = Tally::since(event.at);
            }
            agent.status = status.clone();
            agent.next_status = None;
        });
        self.look_at_reserved(id);
    }

    fn apply_offered(&mut self, event: &Event, token: OfferToken, deadline: Timestamp) {
        let (Some(id), Some(agent)) = (event.contact, &event.agent) else {
            return;
        };
        if let Some(mut contact) = self.take_contact(id) {
            let agent = agent.clone();
            match contact.place {
                // One more phone of the same offer.
                Place::Offered { deadline: of, .. } if of == deadline => {
                    contact.place.also_rings(Ring { agent, token });
                }
                Place::Waiting | Place::Offered { .. } | Place::Active { .. } => {
                    contact.place = Place::Offered {
                        agent,
                        token,
                        deadline,
                        others: Vec::new(),
                    };
                }
            }
            self.put_contact(contact);
        }
        let channel = self.channel_of(id);
        self.change_agent(Some(agent), |agent| {
            agent.tally.last_offer = Some(token);
            let doing = Doing::Ringing { token, deadline };
            agent.holds.insert(id, Hold { channel, doing });
        });
    }

    fn apply_requeued(&mut self, event: &Event, retry_at: Option<Timestamp>) {
        let Some(id) = event.contact else {
            return;
        };
        if let (Some(agent), Some(until)) = (&event.agent, retry_at)
            && let Some(contact) = self.contacts.get_mut(&id)
        {
            let before = contact.record.avoid.insert(agent.clone(), until);
            if let Some(before) = before {
                self.pauses
                    .remove(&(before, Pause::BackOff(id, agent.clone())));
            }
            self.pauses
                .insert((until, Pause::BackOff(id, agent.clone())));
        }
        self.place(id, Place::Waiting);
    }

    fn apply_left_offer(&mut self, event: &Event, token: OfferToken, retry_at: Timestamp) {
        if let (Some(id), Some(agent)) = (event.contact, &event.agent)
            && let Some(mut contact) = self.take_contact(id)
        {
            contact.place.stop_ringing(token);
            contact.record.avoid.insert(agent.clone(), retry_at);
            self.put_contact(contact);
        }
    }

    fn apply_wrap_up(
        &mut self,
        event: &Event,
        until: Option<Timestamp>,
        latest: Option<Timestamp>,
    ) {
        if let Some(until) = until {
            let latest = latest.unwrap_or(until);
            self.change_hold(event, |hold| hold.doing = Doing::WrapUp { until, latest });
        }
    }

    /// Changes what the event's agent does with the event's contact, if they have it.
    fn change_hold(&mut self, event: &Event, change: impl FnOnce(&mut Hold)) {
        let Some(contact) = event.contact else {
            return;
        };
        self.change_agent(event.agent.as_ref(), |agent| {
            if let Some(hold) = agent.holds.get_mut(&contact) {
                change(hold);
            }
        });
    }

    fn change_record(&mut self, event: &Event, change: impl FnOnce(&mut QueuedContact)) {
        if let Some(id) = event.contact
            && let Some(mut contact) = self.take_contact(id)
        {
            change(&mut contact.record);
            self.put_contact(contact);
        }
    }

    fn channel_of(&self, contact: ContactId) -> Channel {
        let placed = self.contacts.get(&contact);
        placed.map_or(Channel::Voice, |placed| placed.record.channel)
    }

    fn apply_restored(&mut self, event: &Event, record: &QueuedContact, place: &RestoredPlace) {
        match place {
            RestoredPlace::Waiting { .. } => {
                self.enter(record.clone());
                if let Some(mut contact) = self.take_contact(record.id) {
                    contact.place = Place::Waiting;
                    let avoid = record.avoid.iter();
                    contact
                        .record
                        .avoid
                        .extend(avoid.map(|(agent, until)| (agent.clone(), *until)));
                    self.put_contact(contact);
                }
            }
            RestoredPlace::Active {
                agent,
                token,
                answered_at,
            } => {
                self.enter(record.clone());
                self.answer(record.id, agent, *token, *answered_at);
            }
            RestoredPlace::Ended { wrap_up_until, .. } => {
                self.leave(Some(record.id));
                self.apply_wrap_up(event, *wrap_up_until, None);
            }
        }
    }

    /// A contact comes in, if it is not here.
    fn enter(&mut self, record: QueuedContact) {
        if !self.contacts.contains_key(&record.id) {
            self.counts.entered += 1;
            self.put_contact(PlacedContact {
                record,
                place: Place::Waiting,
            });
        }
    }

    fn answer(&mut self, id: ContactId, agent: &AgentId, token: OfferToken, at: Timestamp) {
        self.place(
            id,
            Place::Active {
                agent: agent.clone(),
                token,
                answered_at: at,
            },
        );
        let channel = self.channel_of(id);
        self.change_agent(Some(agent), |agent| {
            agent.tally.take_up_contact(at);
            let doing = Doing::Talking { token };
            agent.holds.insert(id, Hold { channel, doing });
        });
    }

    fn leave(&mut self, id: Option<ContactId>) {
        if let Some(id) = id
            && self.take_contact(id).is_some()
        {
            self.counts.ended += 1;
        }
    }

    fn place(&mut self, id: ContactId, place: Place) {
        if let Some(mut contact) = self.take_contact(id) {
            contact.place = place;
            self.put_contact(contact);
        }
    }
}
