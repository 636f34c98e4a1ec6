//! The indexes of a view: everything that is put in is put into all of them, and taken out of all.

use super::{Pause, View};
use crate::agent::{Agent, State};
use crate::contact::{Place, PlacedContact};
use crate::ids::{AgentId, ContactId};
use crate::queue::QueueRules;
use crate::verb::LEASE_GRACE;

impl View {
    /// Takes the rules of a queue. Who waits there stands where the new rules say.
    pub(super) fn put_rules(&mut self, rules: QueueRules) {
        let is_same_order =
            |known: &QueueRules| known.aging == rules.aging && known.strategy == rules.strategy;
        if self.queues.get(&rules.id).is_some_and(is_same_order) {
            self.queues.insert(rules.id.clone(), rules);
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
        self.queues.insert(rules.id.clone(), rules);
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
                let rules = self.queues.get(&record.queue);
                self.lines.add_contact(record, rules, &self.agents);
            }
            Place::Offered {
                token, deadline, ..
            } => {
                self.counts.offered += 1;
                self.offers.insert(*token, record.id);
                self.leases.insert((*deadline + LEASE_GRACE, record.id));
            }
            Place::Active { token, .. } => {
                self.counts.active += 1;
                self.offers.insert(*token, record.id);
            }
        }
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
                self.lines.remove_contact(record);
            }
            Place::Offered {
                token, deadline, ..
            } => {
                self.counts.offered -= 1;
                self.offers.remove(token);
                self.leases.remove(&(*deadline + LEASE_GRACE, id));
            }
            Place::Active { token, .. } => {
                self.counts.active -= 1;
                self.offers.remove(token);
            }
        }
        let place = self.place_of(record);
        if let Some(line) = self.unanswered.get_mut(&record.queue) {
            line.remove(&place);
        }
        Some(contact)
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
        if agent.is_free() {
            self.lines.add_agent(&agent);
        }
        if let State::WrapUp { until, .. } = &agent.state {
            self.wrap_ups.insert((*until, agent.profile.id.clone()));
        }
        if let Some(until) = agent.rest_until {
            self.pauses
                .insert((until, Pause::Rest(agent.profile.id.clone())));
        }
        self.agents.insert(agent.profile.id.clone(), agent);
    }

    pub(super) fn take_agent(&mut self, id: &AgentId) -> Option<Agent> {
        let agent = self.agents.remove(id)?;
        if agent.is_free() {
            self.lines.remove_agent(id);
        }
        if let State::WrapUp { until, .. } = &agent.state {
            self.wrap_ups.remove(&(*until, id.clone()));
        }
        if let Some(until) = agent.rest_until {
            self.pauses.remove(&(until, Pause::Rest(id.clone())));
        }
        Some(agent)
    }
}
