//! `GET /agents/{id}/offers`, `POST /offers/{id}/accept` and `/decline`: what is offered to an agent and in
//! their hands, taken and refused. A call is taken by its phone.

use super::access::Caller;
use super::agents::unknown;
use super::control::refused;
use super::extract::{Body, Key};
use super::problem::Problem;
use super::{ApiState, json};
use crate::tickets::{TicketStatus, TicketSummary, TicketsQuery};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use ringdown_routing::agent::Doing;
use ringdown_routing::contact::{Channel, Place, PlacedContact, Priority};
use ringdown_routing::event::EventDraft;
use ringdown_routing::ids::{AgentId, ContactId, OfferToken, QueueId};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{Answer, DeclineReason, Verb};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One contact that is offered to an agent or in their hands.
#[derive(Debug, Serialize)]
struct InHand {
    contact: ContactId,
    channel: Channel,
    /// `offered`, `active` or `wrap_up`.
    state: &'static str,
    /// By which it is accepted or declined.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<OfferToken>,
    /// When the offer lapses, or the wrap-up ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    until_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<QueueId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
    /// When it first entered a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    enqueued_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_at: Option<Timestamp>,
    /// When the answer to it is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<Timestamp>,
    /// Who wrote or called.
    from: Option<String>,
    ticket: Option<TicketSummary>,
}

/// Lists what is offered to an agent and in their hands, by contact.
pub(super) async fn list(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Key(id): Key<String>,
) -> Result<Response, Problem> {
    let agent = AgentId::new(id);
    caller.may_look_at(&agent)?;
    let held = state.parts.acd.read(|view| {
        let found = view.agent(&agent)?;
        let of = |contact: &ContactId| view.contact(*contact).cloned();
        let holds = found.holds.iter();
        let holds = holds.map(|(contact, hold)| (*contact, hold.clone(), of(contact)));
        Some(holds.collect::<Vec<_>>())
    });
    let held = held.ok_or_else(|| unknown(&agent))?;
    let mut items = Vec::with_capacity(held.len());
    for (contact, hold, placed) in held {
        let (ticket, from) = told_of(&state, contact).await?;
        let due = match &ticket {
            Some(ticket) => state.parts.tickets.answer_due(ticket.id).await?,
            None => None,
        };
        let (word, token, until_at) = match hold.doing {
            Doing::Ringing { token, deadline } => ("offered", Some(token), Some(deadline)),
            Doing::Talking { token } => ("active", Some(token), None),
            Doing::WrapUp { until, .. } => ("wrap_up", None, Some(until)),
        };
        let record = placed.as_ref().map(|placed| &placed.record);
        items.push(json::record(&InHand {
            contact,
            channel: hold.channel,
            state: word,
            token,
            until_at,
            queue: record.map(|record| record.queue.clone()),
            priority: record.map(|record| record.priority),
            enqueued_at: record.map(|record| record.enqueued_at),
            answered_at: placed.as_ref().and_then(answered_at),
            due_at: due.and_then(|due| due.due_at),
            from,
            ticket,
        })?);
    }
    Ok(json::page(items, None))
}

async fn told_of(
    state: &ApiState,
    contact: ContactId,
) -> Result<(Option<TicketSummary>, Option<String>), Problem> {
    let query = TicketsQuery {
        contact: Some(contact),
        ..TicketsQuery::default()
    };
    let ticket = state.parts.tickets.list(&query, 1).await?.pop();
    let record = state.parts.log.contact(contact).await?;
    Ok((ticket, record.and_then(|record| record.from)))
}

fn answered_at(placed: &PlacedContact) -> Option<Timestamp> {
    match placed.place {
        Place::Active { answered_at, .. } => Some(answered_at),
        Place::Waiting | Place::Offered { .. } => None,
    }
}

/// What the acts without choice take.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// The agent takes what is offered; again with the same token: the same answer.
pub(super) async fn accept(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Key(token): Key<TokenKey>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Response, Problem> {
    let (contact, agent) = standing(&state, &caller, token.0)?;
    state.order(Verb::Accept { token: token.0 }).await?;
    tell(&state, &caller, "offer_accepted", contact, &agent);
    let (ticket, _) = told_of(&state, contact).await?;
    if let Some(ticket) = ticket.filter(|ticket| ticket.status == TicketStatus::Open) {
        let change = crate::tickets::TicketChange {
            status: Some(TicketStatus::InProgress),
            ..Default::default()
        };
        state
            .parts
            .tickets
            .change(ticket.id, &change, state.now())
            .await?;
    }
    // Taken is taken: after a restart it is theirs still.
    state.parts.log.flush().await?;
    let now = serde_json::json!({ "contact": contact, "agent": agent, "token": token.0, "state": "active" });
    Ok(Json(now).into_response())
}

/// The agent does not take what is offered; it stands in its old place again.
pub(super) async fn decline(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Key(token): Key<TokenKey>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Response, Problem> {
    let (contact, agent) = standing(&state, &caller, token.0)?;
    let verb = Verb::Decline {
        token: token.0,
        reason: DeclineReason::Declined,
    };
    match state.parts.acd.change(verb).await? {
        Answer::Done => {}
        Answer::Refused { reason } => return Err(refused(reason)),
        Answer::Reserved { .. } => return Err(Problem::Internal),
    }
    tell(&state, &caller, "offer_declined", contact, &agent);
    let now = serde_json::json!({
        "contact": contact,
        "agent": agent,
        "state": state_without(&state, contact, token.0),
    });
    Ok(Json(now).into_response())
}

/// How a contact stands that one of those who were asked for it declined: others may ring still, or have
/// it. A shared desk may not have told us of the decline yet.
fn state_without(state: &ApiState, contact: ContactId, declined: OfferToken) -> &'static str {
    state.parts.acd.read(|view| {
        let placed = view.contact(contact);
        match placed.map(|placed| &placed.place) {
            Some(Place::Waiting) => "waiting",
            Some(place @ Place::Offered { .. }) => {
                if place.holders().any(|(_, token)| token != declined) {
                    "offered"
                } else {
                    "waiting"
                }
            }
            Some(Place::Active { .. }) => "active",
            None => "ended",
        }
    })
}

/// The contact and the agent of an offer that stands or was accepted.
fn standing(
    state: &ApiState,
    caller: &Caller,
    token: OfferToken,
) -> Result<(ContactId, AgentId), Problem> {
    let placed = state.parts.acd.read(|view| view.contact_of(token).cloned());
    let over = || Problem::Conflict("the offer is over".to_owned());
    let placed = placed.ok_or_else(over)?;
    let agent = placed.place.holder_by(token).ok_or_else(over)?;
    caller.must_act_for(agent)?;
    match placed.record.channel {
        Channel::Voice => Err(Problem::Conflict(
            "a call is answered and refused at its phone".to_owned(),
        )),
        Channel::Email | Channel::Fax | Channel::Chat => Ok((placed.record.id, agent.clone())),
    }
}

fn tell(state: &ApiState, caller: &Caller, act: &str, contact: ContactId, agent: &AgentId) {
    let agent = agent.clone();
    state.tell_intervention(caller, act, BTreeMap::new(), |draft| EventDraft {
        contact: Some(contact),
        agent: Some(agent),
        ..draft
    });
}

/// An offer's token in a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenKey(OfferToken);

impl std::str::FromStr for TokenKey {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(OfferToken::new).map(Self)
    }
}
