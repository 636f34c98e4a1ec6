//! What holds always, as functions with sentences for names.
//!
//! Tests, replays and simulations call them after every step. Those of the state look at a [`View`];
//! those of history are kept by a [`Witness`] that sees every event once.

use crate::agent::{AgentProfile, Doing};
use crate::contact::{Channel, Place, PlaceInLine};
use crate::event::{Event, EventKind};
use crate::ids::{AgentId, ContactId, OfferToken, QueueId};
use crate::queue::Strategy;
use crate::time::Timestamp;
use crate::verb::RestoredPlace;
use crate::view::{Counts, View};
use std::collections::{BTreeMap, BTreeSet};

/// What was broken, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The name of the invariant.
    pub invariant: &'static str,
    /// Who broke it.
    pub detail: String,
}

type Checked = Result<(), Broken>;

fn check(holds: bool, invariant: &'static str, detail: impl FnOnce() -> String) -> Checked {
    if holds {
        return Ok(());
    }
    Err(Broken {
        invariant,
        detail: detail(),
    })
}

/// All invariants of a state.
pub fn state_is_sound(view: &View) -> Checked {
    arrived_is_waiting_offered_active_and_ended(view)?;
    every_offer_has_its_ringing_agents(view)?;
    no_agent_holds_a_contact_that_is_elsewhere(view)?;
    positions_follow_the_order_of_the_line(view)
}

/// At any instant arrived = waiting + offered + active + ended.
pub fn arrived_is_waiting_offered_active_and_ended(view: &View) -> Checked {
    let mut counted = Counts {
        ended: view.counts().ended,
        ..Counts::default()
    };
    for contact in view.contacts() {
        match contact.place {
            Place::Waiting => counted.waiting += 1,
            Place::Offered { .. } => counted.offered += 1,
            Place::Active { .. } => counted.active += 1,
        }
    }
    counted.entered = counted.waiting + counted.offered + counted.active + counted.ended;
    check(
        counted == view.counts(),
        "arrived_is_waiting_offered_active_and_ended",
        || format!("kept {:?}, counted {counted:?}", view.counts()),
    )
}

/// A contact that is offered has exactly the agents who ring for it, and is found by each one's token.
pub fn every_offer_has_its_ringing_agents(view: &View) -> Checked {
    for contact in view.contacts() {
        if let Place::Offered { .. } = &contact.place {
            for (agent, token) in contact.place.holders() {
                let rings = view
                    .agent(agent)
                    .and_then(|agent| agent.holds.get(&contact.record.id))
                    .map(|hold| &hold.doing);
                let fits = matches!(rings, Some(Doing::Ringing { token: rung, .. }) if *rung == token)
                    && view.contact_of(token) == Some(contact);
                check(fits, "every_offer_has_its_ringing_agents", || {
                    format!("{contact:?} but {rings:?}")
                })?;
            }
        }
    }
    Ok(())
}

/// Nobody is stuck: who rings or talks does so with a contact that is theirs.
pub fn no_agent_holds_a_contact_that_is_elsewhere(view: &View) -> Checked {
    for agent in view.agents() {
        for (held, hold) in &agent.holds {
            let place = view.contact(*held).map(|contact| &contact.place);
            let mut holders = place.into_iter().flat_map(Place::holders);
            let fits = match hold.doing {
                Doing::Ringing { .. } | Doing::Talking { .. } => {
                    holders.any(|(by, _)| *by == agent.profile.id)
                }
                Doing::WrapUp { .. } => place.is_none(),
            };
            check(fits, "no_agent_holds_a_contact_that_is_elsewhere", || {
                format!("{agent:?} but {place:?}")
            })?;
        }
    }
    Ok(())
}

/// The position told to a caller counts those who come before.
pub fn positions_follow_the_order_of_the_line(view: &View) -> Checked {
    for rules in view.queues() {
        let mut last: Option<PlaceInLine> = None;
        for (before, contact) in view.line_of(&rules.id).enumerate() {
            let place = view.place_of(&contact.record);
            let fits = last.is_none_or(|last| last < place)
                && view.position(contact.record.id) == Some(before + 1);
            check(fits, "positions_follow_the_order_of_the_line", || {
                format!("{:?} in {}", contact.record.id, rules.id)
            })?;
            last = Some(place);
        }
    }
    Ok(())
}

/// Once the matcher is quiet, no free agent and no waiting contact whom they may take stay apart.
pub fn no_idle_eligible_agent_and_waiting_eligible_contact_stay_apart(
    view: &View,
    now: Timestamp,
) -> Checked {
    for contact in view.contacts() {
        if contact.place != Place::Waiting {
            continue;
        }
        for agent in view.agents() {
            check(
                !may_meet(view, contact.record.id, &agent.profile.id, now),
                "no_idle_eligible_agent_and_waiting_eligible_contact_stay_apart",
                || format!("{contact:?} and {agent:?}"),
            )?;
        }
    }
    Ok(())
}

/// Whether a waiting contact may be offered to an agent at `now`: eligibility in one sentence.
pub fn may_meet(view: &View, contact: ContactId, agent: &AgentId, now: Timestamp) -> bool {
    let (Some(contact), Some(agent)) = (view.contact(contact), view.agent(agent)) else {
        return false;
    };
    let record = &contact.record;
    contact.place == Place::Waiting
        && agent.is_free_for(record.channel)
        && !agent.is_resting(now)
        && view.is_eligible(record, agent, now)
        && !view.is_at_limit(&record.queue)
        && !record.is_avoiding(&agent.profile.id, now)
}

/// Sees every event once, in order, and remembers enough to say when history is impossible.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    contacts: BTreeMap<ContactId, Seen>,
    channels: BTreeMap<ContactId, Channel>,
    profiles: BTreeMap<AgentId, AgentProfile>,
    /// How many agents each queue may ring at once.
    at_once: BTreeMap<QueueId, usize>,
    holds: BTreeMap<AgentId, BTreeSet<ContactId>>,
    last_token: Option<OfferToken>,
    last_number: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Waiting,
    Offered(Offered),
    Active(AgentId, OfferToken),
    /// It left for elsewhere by the event of this number; in the next it may enter another queue.
    FlowedOut(String, u64),
    Ended,
}

/// The phones that ring for a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Offered {
    rings: BTreeMap<OfferToken, AgentId>,
    deadline: Timestamp,
    /// The number of the last event that made one ring.
    number: u64,
}

impl Witness {
    /// Takes the next event; fails on the first that cannot follow what was seen.
    pub fn see(&mut self, event: &Event) -> Checked {
        check(
            event.id.number == self.last_number + 1,
            "events_are_numbered_without_gaps",
            || format!("{} after {}", event.id.number, self.last_number),
        )?;
        self.last_number = event.id.number;
        self.see_agent(event);
        if let (EventKind::QueueChanged { rules }, Some(queue)) = (&event.kind, &event.queue) {
            let at_once = match rules.strategy {
                Strategy::RingAll => usize::from(rules.ring_all_max),
                Strategy::LongestIdle
                | Strategy::LeastOccupied
                | Strategy::FewestContacts
                | Strategy::RoundRobin
                | Strategy::MostSkilled
                | Strategy::Weighted => 1,
            };
            self.at_once.insert(queue.clone(), at_once);
        }
        match event.contact {
            Some(contact) => self.see_contact(contact, event),
            None => Ok(()),
        }
    }

    /// How many contacts have ended; each ended exactly once, or `see` would have said so.
    pub fn ended(&self) -> usize {
        self.contacts
            .values()
            .filter(|seen| matches!(seen, Seen::Ended | Seen::FlowedOut(..)))
            .count()
    }

    fn see_agent(&mut self, event: &Event) {
        let Some(agent) = &event.agent else {
            return;
        };
        if let EventKind::AgentChanged { profile } = &event.kind {
            self.profiles.insert(agent.clone(), (**profile).clone());
        } else if event.kind == EventKind::AgentRemoved {
            self.holds.remove(agent);
        } else if let EventKind::Ready { .. } = &event.kind
            && let Some(holds) = self.holds.get_mut(agent)
            && let Some(contact) = &event.contact
        {
            holds.remove(contact);
        }
    }

    /// Whether an agent may be offered one more contact, by what history tells of their capacity.
    fn has_room(&self, agent: &AgentId, contact: ContactId) -> bool {
        let held = self.holds.get(agent).into_iter().flatten();
        let held = held.filter_map(|contact| self.channels.get(contact).copied());
        match (self.profiles.get(agent), self.channels.get(&contact)) {
            (Some(profile), Some(channel)) => profile.has_room(held, *channel),
            (None, _) | (_, None) => true,
        }
    }

    /// The phones that ring already for a contact which this event makes ring: none when it waited, some
    /// where its queue rings so many and they were reserved in the same step. `None` when it may not.
    fn rung_together(
        &self,
        event: &Event,
        before: &Option<Seen>,
        deadline: Timestamp,
    ) -> Option<BTreeMap<OfferToken, AgentId>> {
        match before {
            Some(Seen::Waiting) => Some(BTreeMap::new()),
            Some(Seen::Offered(offered)) => {
                let at_once = event
                    .queue
                    .as_ref()
                    .and_then(|queue| self.at_once.get(queue));
                let is_same_step =
                    offered.number + 1 == event.id.number && offered.deadline == deadline;
                let is_new = |agent: &AgentId| Some(agent) != event.agent.as_ref();
                let may = is_same_step
                    && at_once.is_some_and(|most| offered.rings.len() < *most)
                    && offered.rings.values().all(is_new);
                may.then(|| offered.rings.clone())
            }
            Some(Seen::Active(..) | Seen::FlowedOut(..) | Seen::Ended) | None => None,
        }
    }

    fn see_contact(&mut self, contact: ContactId, event: &Event) -> Checked {
        let before = self.contacts.get(&contact).cloned();
        let say = || format!("{event:?} after {before:?}");
        let agent = event.agent.clone().unwrap_or_else(|| AgentId::from(""));
        let after = match &event.kind {
            EventKind::Enqueued { channel, .. } => {
                self.channels.insert(contact, *channel);
                let queue = event.queue.as_ref().map(QueueId::as_str);
                let enters = match &before {
                    None => true,
                    Some(Seen::FlowedOut(to, number)) => {
                        queue == Some(to) && event.id.number == number + 1
                    }
                    Some(Seen::Waiting | Seen::Offered(..) | Seen::Active(..) | Seen::Ended) => {
                        false
                    }
                };
                check(enters, "a_contact_enters_once", say)?;
                Seen::Waiting
            }
            EventKind::Offered {
                token, deadline, ..
            } => {
                check(
                    !matches!(before, Some(Seen::Ended | Seen::FlowedOut(..))),
                    "an_abandoned_contact_never_rings",
                    say,
                )?;
                let offered = self.rung_together(event, &before, *deadline);
                let only_ring_all = "only_ring_all_rings_more_than_one";
                check(offered.is_some(), only_ring_all, say)?;
                check(
                    self.has_room(&agent, contact),
                    "capacity_is_never_exceeded",
                    say,
                )?;
                check(self.last_token < Some(*token), "tokens_grow", say)?;
                self.last_token = Some(*token);
                self.holds.entry(agent.clone()).or_default().insert(contact);
                let mut rings = offered.unwrap_or_default();
                rings.insert(*token, agent);
                Seen::Offered(Offered {
                    rings,
                    deadline: *deadline,
                    number: event.id.number,
                })
            }
            EventKind::Answered { token, .. } => {
                check(
                    !matches!(before, Some(Seen::Active(..))),
                    "a_contact_is_never_won_by_two_agents",
                    say,
                )?;
                let rings = matches!(&before, Some(Seen::Offered(offered)) if offered.rings.get(token) == Some(&agent));
                check(rings, "an_answer_is_that_of_a_standing_offer", say)?;
                Seen::Active(agent, *token)
            }
            EventKind::LeftOffer { token, .. } => {
                let Some(Seen::Offered(mut offered)) = before.clone() else {
                    return check(false, "only_who_rings_leaves_an_offer", say);
                };
                let rang = offered.rings.remove(token);
                check(
                    rang == Some(agent) && !offered.rings.is_empty(),
                    "only_who_rings_beside_others_leaves_an_offer",
                    say,
                )?;
                Seen::Offered(offered)
            }
            EventKind::Requeued { .. } => {
                check(
                    matches!(before, Some(Seen::Offered(..) | Seen::Active(..))),
                    "only_who_left_the_line_returns_to_it",
                    say,
                )?;
                Seen::Waiting
            }
            EventKind::Abandoned { .. } => {
                check(
                    matches!(before, Some(Seen::Waiting | Seen::Offered(..))),
                    "every_arrival_ends_exactly_once",
                    say,
                )?;
                Seen::Ended
            }
            EventKind::Overflowed { to, .. } => {
                check(
                    matches!(before, Some(Seen::Waiting | Seen::Offered(..))),
                    "every_arrival_ends_exactly_once",
                    say,
                )?;
                Seen::FlowedOut(to.clone(), event.id.number)
            }
            EventKind::Ended { .. } => {
                check(
                    matches!(before, Some(Seen::Active(..))),
                    "every_arrival_ends_exactly_once",
                    say,
                )?;
                Seen::Ended
            }
            EventKind::Restored { place, .. } => match place {
                RestoredPlace::Waiting { .. } => Seen::Waiting,
                RestoredPlace::Active { agent, token, .. } => {
                    self.holds.entry(agent.clone()).or_default().insert(contact);
                    Seen::Active(agent.clone(), *token)
                }
                RestoredPlace::Ended { .. } => Seen::Ended,
            },
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
            | EventKind::OverflowRefused { .. }
            | EventKind::Reprioritised { .. }
            | EventKind::WrapUpExtended { .. }
            | EventKind::Ready { .. }
            | EventKind::AgentStatus { .. }
            | EventKind::NextStatus { .. }
            | EventKind::AgentReachable { .. }
            | EventKind::KeyedIn { .. }
            | EventKind::IncidentTold { .. }
            | EventKind::MessageLeft { .. }
            | EventKind::Informed { .. }
            | EventKind::MediaReport { .. }
            | EventKind::Closed { .. }
            | EventKind::QueueChanged { .. }
            | EventKind::AgentChanged { .. }
            | EventKind::AgentRemoved
            | EventKind::NodeLost { .. }
            | EventKind::StoreLost { .. }
            | EventKind::Escalated { .. }
            | EventKind::TicketChanged { .. }
            | EventKind::SymptomRecorded { .. }
            | EventKind::Rated { .. }
            | EventKind::AnswerAwaited { .. }
            | EventKind::AnswerWaitEnded { .. }
            | EventKind::Intervened { .. }
            | EventKind::StoreReturned => return Ok(()),
        };
        self.contacts.insert(contact, after);
        Ok(())
    }
}
