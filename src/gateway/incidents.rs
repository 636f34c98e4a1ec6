//! Callers who hear of a major incident before the line: which one, its ticket, the messages they leave.

use super::call::Call;
use super::house::House;
use super::inputs::{ShardInput, ShardSender};
use crate::call_flow::{IncidentNotice, MessageKept};
use crate::incidents::Incident;
use crate::incidents::messages::{MESSAGE_MAX, MessageFacts};
use ringdown_routing::ids::ContactId;
use ringdown_voice::media::Tap;
use std::sync::Arc;

impl House {
    /// The incident that a caller is to hear of, if there is one for whom and where they call.
    pub(super) fn incident_of(&self, call: &Call) -> Option<Arc<Incident>> {
        let cis = call.known().map_or(&[][..], |caller| &caller.cis);
        self.incidents.concerning(
            &call.arrival.number.rules.queue,
            &call.arrival.to,
            |service| cis.iter().any(|ci| ci.id == *service),
            self.now(),
        )
    }

    /// Attaches a contact to the ticket of the incident its caller heard of; told like any ticket.
    pub(super) fn attach_to_incident(&self, sender: &ShardSender, contact: ContactId, call: &Call) {
        let wish = self.ticket_wish(contact, call, None);
        match &call.incident {
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
    ) -> Option<Tap> {
        let incident = call.incident.as_ref()?;
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
