//! `POST /contacts/{id}/move`, `/priority`, `/requeue` and `/drop`: a supervisor's hand on who waits.

use super::access::Caller;
use super::extract::{Body, Key};
use super::problem::Problem;
use super::{ApiState, json};
use crate::gateway::DROPPED;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use ringdown_routing::contact::{Channel, Keeper, Place, PlacedContact, Priority};
use ringdown_routing::event::EventDraft;
use ringdown_routing::ids::{ContactId, QueueId};
use ringdown_routing::verb::{RequeueReason, Verb};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What `POST /contacts/{id}/move` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewQueue {
    queue: QueueId,
}

/// Moves a waiting contact to another queue; its first time of entry is kept.
pub(super) async fn to_queue(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Key(contact): Key<ContactId>,
    Body(wish): Body<NewQueue>,
) -> Result<Response, Problem> {
    let mut placed = unanswered(&state, contact)?;
    let to = wish.queue;
    let (from, verb) = (
        placed.record.queue.clone(),
        Verb::Move {
            contact,
            to: to.clone(),
        },
    );
    state.order(verb).await?;
    let details = [("from", from.to_string()), ("to", to.to_string())];
    tell(&state, &caller, "contact_moved", contact, &details);
    placed.record.queue = to;
    placed.place = Place::Waiting;
    now(&placed)
}

/// What `POST /contacts/{id}/priority` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPriority {
    priority: i32,
}

/// Gives a waiting contact another priority, and with it another place.
pub(super) async fn reprioritise(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Key(contact): Key<ContactId>,
    Body(wish): Body<NewPriority>,
) -> Result<Response, Problem> {
    let mut placed = unanswered(&state, contact)?;
    let priority = Priority(wish.priority);
    state
        .order(Verb::Reprioritise { contact, priority })
        .await?;
    let details = [("priority", wish.priority.to_string())];
    tell(&state, &caller, "contact_reprioritised", contact, &details);
    placed.record.priority = priority;
    now(&placed)
}

/// What the acts without choice take.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Takes a call from the agent it rings for or talks to; it waits at its old place.
pub(super) async fn requeue(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Key(contact): Key<ContactId>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Response, Problem> {
    let mut placed = call(&state, contact)?;
    let agents: Vec<_> = placed
        .place
        .holders()
        .map(|(agent, _)| agent.as_str())
        .collect();
    if agents.is_empty() {
        return Err(Problem::Conflict("the contact waits already".to_owned()));
    }
    let agent = agents.join(" ");
    let reason = RequeueReason::ByHand;
    state
        .order(Verb::Requeue {
            contact,
            reason,
            token: None,
        })
        .await?;
    tell(
        &state,
        &caller,
        "contact_requeued",
        contact,
        &[("agent", agent)],
    );
    placed.place = Place::Waiting;
    now(&placed)
}

/// Takes a waiting call out of the line: the caller hears good-bye.
pub(super) async fn drop_call(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Key(contact): Key<ContactId>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Response, Problem> {
    let placed = call(&state, contact)?;
    let to = DROPPED.to_owned();
    state.order(Verb::FlowOut { contact, to }).await?;
    tell(&state, &caller, "contact_dropped", contact, &[]);
    Ok(
        Json(serde_json::json!({ "contact": placed.record.id, "state": "dropped" }))
            .into_response(),
    )
}

fn found(state: &ApiState, contact: ContactId) -> Result<PlacedContact, Problem> {
    let placed = state.parts.acd.read(|view| view.contact(contact).cloned());
    placed.ok_or_else(|| Problem::NotFound(format!("no contact `{contact}` waits or is active")))
}

fn unanswered(state: &ApiState, contact: ContactId) -> Result<PlacedContact, Problem> {
    let placed = found(state, contact)?;
    match placed.place {
        Place::Waiting | Place::Offered { .. } => Ok(placed),
        Place::Active { .. } => Err(Problem::Conflict("an agent has the contact".to_owned())),
    }
}

/// A call with somebody on the line; other contacts have nobody who would be rung off.
fn call(state: &ApiState, contact: ContactId) -> Result<PlacedContact, Problem> {
    let placed = found(state, contact)?;
    match (placed.record.channel, placed.record.keeper()) {
        (Channel::Voice, Keeper::Node(_)) => Ok(placed),
        (Channel::Voice, Keeper::Database) => Err(Problem::Conflict(
            "the contact is a call-back: see /callbacks".to_owned(),
        )),
        (Channel::Email | Channel::Fax | Channel::Chat, _) => Err(Problem::Conflict(
            "only a call can be handled so".to_owned(),
        )),
    }
}

fn tell(
    state: &ApiState,
    caller: &Caller,
    act: &str,
    contact: ContactId,
    details: &[(&str, String)],
) {
    let details: BTreeMap<String, String> = details
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    state.tell_intervention(caller, act, details, |draft| EventDraft {
        contact: Some(contact),
        ..draft
    });
}

/// A contact in the line, as it is after the change; with a shared store this node hears of its own change
/// a moment later.
#[derive(Debug, Serialize)]
struct ContactNow {
    contact: ContactId,
    queue: QueueId,
    priority: Priority,
    state: &'static str,
}

fn now(placed: &PlacedContact) -> Result<Response, Problem> {
    let record = &placed.record;
    let now = ContactNow {
        contact: record.id,
        queue: record.queue.clone(),
        priority: record.priority,
        state: match placed.place {
            Place::Waiting => "waiting",
            Place::Offered { .. } => "offered",
            Place::Active { .. } => "active",
        },
    };
    Ok(Json(json::record(&now)?).into_response())
}
