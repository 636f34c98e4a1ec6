//! Callers who hear of a major incident before the line or in it: which one, its ticket, the messages they leave.

use super::call::Call;
use super::house::House;
use super::inputs::{ShardInput, ShardSender};
use crate::call_flow::{IncidentNotice, MessageKept};
use crate::incidents::Incident;
use crate::incidents::messages::{MESSAGE_MAX, MessageFacts};
use ringdown_routing::ids::{CiId, ContactId, IncidentId, QueueId};
use ringdown_voice::media::Tap;
use std::sync::Arc;

/// Most incidents that one caller is told of.
const INCIDENTS_TOLD_MAX: usize = 8;

impl House {
    /// The incident that a caller is to hear of and was not told of yet, if there is one for whom and where
    /// they call.
    pub(super) fn news_for(&self, call: &mut Call) -> Option<IncidentNotice> {
        if call.incidents.len() >= INCIDENTS_TOLD_MAX {
            return None;
        }
        let incident = self.incident_of(call)?;
        if call.incidents.iter().any(|told| told.id == incident.id) {
            return None;
        }
        let notice = IncidentNotice::from(&*incident);
        call.incidents.push(incident);
        Some(notice)
    }

    fn incident_of(&self, call: &Call) -> Option<Arc<Incident>> {
        let cis = call.known().map_or(&[][..], |caller| &caller.cis);
        let has = |service: &CiId| cis.iter().any(|ci| ci.id == *service);
        let of_line = |line: &QueueId| {
            let dialled = &call.arrival.to;
            self.incidents.concerning(line, dialled, has, self.now())
        };
        of_line(call.flow.line()).or_else(|| of_line(&call.arrival.number.rules.queue))
    }

    /// Attaches a contact to the ticket of the incident its caller heard of; told like any ticket.
    pub(super) fn attach_to_incident(
        &self,
        sender: &ShardSender,
        contact: ContactId,
        call: &Call,
        incident: &IncidentId,
    ) {
        let wish = self.ticket_wish(contact, call, None);
        match call.incidents.iter().find(|told| told.id == *incident) {
            Some(incident) => {
                let linking = self.tickets.attach_to_incident(wish, incident.ticket);
                self.tell_ticket(sender, contact, linking);
            }
            None => self.tell_ticket(sender, contact, self.tickets.open(wish)),
        }
    }

    /// The tap that records a caller's message; `None` when it cannot be recorded now.
    pub(super) fn record_message(
        &self,
        sender: &ShardSender,
        contact: ContactId,
        call: &Call,
        incident: &IncidentId,
    ) -> Option<Tap> {
        let incident = call.incidents.iter().find(|told| told.id == *incident)?;
        let facts = MessageFacts {
            contact,
            incident: incident.id.clone(),
            ticket: incident.ticket,
            from: call.arrival.claim.shown.clone(),
            to: call.arrival.to.to_string(),
            at: self.now(),
            title: self.speech.message_title(&self.language).to_owned(),
        };
        let sender = sender.clone();
        let told = move |kept: MessageKept| {
            if !sender.tell_now(ShardInput::MessageKept { contact, kept }) {
                tracing::error!(%contact, "the end of a message found its shard full");
            }
        };
        self.messages
            .record(facts, told)
            .inspect_err(|fault| tracing::error!(%contact, %fault, "no message can be left now"))
            .ok()
    }
}

impl From<&Incident> for IncidentNotice {
    fn from(incident: &Incident) -> Self {
        Self {
            incident: incident.id.clone(),
            say: incident.say.as_deref().map(Into::into),
            message_max: MESSAGE_MAX,
        }
    }
}
