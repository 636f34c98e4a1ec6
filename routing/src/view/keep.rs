//! The indexes of a view: everything that is put in is put into all of them, and taken out of all.

use super::lines::Wanted;
use super::{Pause, View};
use crate::agent::{Agent, Doing};
use crate::contact::{Place, PlaceInLine, PlacedContact, QueuedContact};
use crate::ids::{AgentId, ContactId, QueueId};
use crate::queue::QueueRules;
use crate::time::Timestamp;
use crate::verb::LEASE_GRACE;

impl View {
    /// Takes the rules of a queue. Who waits there stands where the new rules say.
    pub(super) fn put_rules(&mut self, rules: QueueRules) {
        let is_same_order = |known: &QueueRules| {
            known.aging == rules.aging
                && known.strategy == rules.strategy
                && known.overflow == rules.overflow
        };
        if self.queues.get(&rules.id).is_some_and(is_same_order) {
            let queue = rules.id.clone();
            self.queues.insert(queue.clone(), rules);
            self.tell_limit(&queue);
            return;
        }
        let of_queue = |contact: &&PlacedContact| contact.record.queue == rules.id;
        let ids: Vec<_> = self
            .contacts
            .values()
            .filter(of_queue)
            .map(|contact| contact.record.id)
            .collect();
        let held: Vec<_> = ids
            .into_iter()
            .filter_map(|id| self.take_contact(id))
            .collect();
        self.lines.close_lines(&rules.id);
        let queue = rules.id.clone();
        self.queues.insert(queue.clone(), rules);
        self.tell_limit(&queue);
        for contact in held {
            self.put_contact(contact);
        }
    }

    pub(super) fn put_contact(&mut self, contact: PlacedContact) {
        let record = &contact.record;
        let place = self.place_of(record);
        for (agent, until) in &record.avoid {
            self.pauses
                .insert((*until, Pause::BackOff(record.id, agent.clone())));
        }
        match &contact.place {
            Place::Waiting => {
                self.counts.waiting += 1;
                self.stand(record, place);
                self.overflows.extend(self.overflow_of(record));
            }
            Place::Offered {
                token,
                deadline,
                others,
                ..
            } => {
                self.counts.offered += 1;
                self.offers.insert(*token, record.id);
                let tokens = others.iter().map(|ring| (ring.token, record.id));
                self.offers.extend(tokens);
                self.leases.insert((*deadline + LEASE_GRACE, record.id));
                *self.taken.entry(record.queue.clone()).or_default() += 1;
            }
            Place::Active { token, .. } => {
                self.counts.active += 1;
                self.offers.insert(*token, record.id);
                *self.taken.entry(record.queue.clone()).or_default() += 1;
            }
        }
        self.tell_limit(&contact.record.queue);
        if !matches!(contact.place, Place::Active { .. }) {
            self.unanswered
                .entry(record.queue.clone())
                .or_default()
                .insert(place);
        }
        self.contacts.insert(record.id, contact);
    }

    pub(super) fn take_contact(&mut self, id: ContactId) -> Option<PlacedContact> {
        let contact = self.contacts.remove(&id)?;
        let record = &contact.record;
        for (agent, until) in &record.avoid {
            self.pauses
                .remove(&(*until, Pause::BackOff(id, agent.clone())));
        }
        match &contact.place {
            Place::Waiting => {
                self.counts.waiting -= 1;
                self.lines.remove_contact(id);
                if let Some(overflow) = self.overflow_of(record) {
                    self.overflows.remove(&overflow);
                }
                if let Some(reserved) = &record.reserved
                    && let Some(contacts) = self.reserved_for.get_mut(&reserved.agent)
                {
                    contacts.remove(&id);
                }
            }
            Place::Offered {
                token,
                deadline,
                others,
                ..
            } => {
                self.counts.offered -= 1;
                self.offers.remove(token);
                for ring in others {
                    self.offers.remove(&ring.token);
                }
                self.leases.remove(&(*deadline + LEASE_GRACE, id));
                self.let_go_one(&record.queue);
            }
            Place::Active { token, .. } => {
                self.counts.active -= 1;
                self.offers.remove(token);
                self.let_go_one(&record.queue);
            }
        }
        let place = self.place_of(record);
        if let Some(line) = self.unanswered.get_mut(&record.queue) {
            line.remove(&place);
        }
        Some(contact)
    }

    /// Puts a waiting contact into the line of those who want the same at this time.
    fn stand(&mut self, record: &QueuedContact, place: PlaceInLine) {
        let now = self.clock;
        let only = self.reserved_for_whom(record, now).cloned();
        let any_of = match only {
            Some(_) => Vec::new(),
            None => record.skills.after(record.waited(now)).cloned().collect(),
        };
        if let Some(reserved) = &record.reserved {
            let contacts = self.reserved_for.entry(reserved.agent.clone());
            contacts.or_default().insert(record.id);
        }
        let wanted = Wanted {
            queue: record.queue.clone(),
            channel: record.channel,
            any_of,
            only,
        };
        let rules = self.queues.get(&record.queue);
        let until = record.next_change(now);
        self.lines
            .add_contact(place, wanted, until, rules, &self.agents);
    }

    /// Puts a waiting contact where it belongs now.
    pub(super) fn stand_anew(&mut self, id: ContactId) {
        self.lines.remove_contact(id);
        if let Some(contact) = self.contacts.get(&id) {
            let record = contact.record.clone();
            self.stand(&record, self.place_of(&record));
        }
    }

    /// Looks at the contacts that are this agent's again, because the agent came, left, or serves others.
    pub(super) fn look_at_reserved(&mut self, agent: &AgentId) {
        let contacts = self.reserved_for.get(agent).cloned().unwrap_or_default();
        for contact in contacts {
            self.stand_anew(contact);
        }
    }

    fn overflow_of(&self, record: &QueuedContact) -> Option<(Timestamp, ContactId)> {
        let rules = self.queues.get(&record.queue)?;
        let (at, _) = record.overflow(rules)?;
        Some((at, record.id))
    }

    fn let_go_one(&mut self, queue: &QueueId) {
        if let Some(taken) = self.taken.get_mut(queue) {
            *taken = taken.saturating_sub(1);
        }
        self.tell_limit(queue);
    }

    fn tell_limit(&mut self, queue: &QueueId) {
        let is_reached = self.is_at_limit(queue);
        self.lines.set_limit(queue, is_reached);
    }

    pub(super) fn change_agent(&mut self, id: Option<&AgentId>, change: impl FnOnce(&mut Agent)) {
        if let Some(id) = id
            && let Some(mut agent) = self.take_agent(id)
        {
            change(&mut agent);
            self.put_agent(agent);
        }
    }

    pub(super) fn put_agent(&mut self, agent: Agent) {
        if agent.is_willing() {
            self.lines.add_agent(&agent);
        }
        for (contact, until) in wrap_ups(&agent) {
            let id = agent.profile.id.clone();
            self.wrap_ups.insert((until, contact, id));
        }
        if let Some(until) = agent.rest_until {
            self.pauses
                .insert((until, Pause::Rest(agent.profile.id.clone())));
        }
        self.agents.insert(agent.profile.id.clone(), agent);
    }

    pub(super) fn take_agent(&mut self, id: &AgentId) -> Option<Agent> {
        let agent = self.agents.remove(id)?;
        if agent.is_willing() {
            self.lines.remove_agent(&agent);
        }
        for (contact, until) in wrap_ups(&agent) {
            self.wrap_ups.remove(&(until, contact, id.clone()));
        }
        if let Some(until) = agent.rest_until {
            self.pauses.remove(&(until, Pause::Rest(id.clone())));
        }
        Some(agent)
    }
}

fn wrap_ups(agent: &Agent) -> impl Iterator<Item = (ContactId, Timestamp)> {
    agent
        .holds
        .iter()
        .filter_map(|(contact, hold)| match hold.doing {
            Doing::WrapUp { until, .. } => Some((*contact, until)),
            Doing::Ringing { .. } | Doing::Talking { .. } => None,
        })
}
