//! `GET` and `POST /callbacks`, `DELETE /callbacks/{id}`: callers who are called back.

use super::access::Caller;
use super::control::refused;
use super::extract::{Body, Key, Params, limit};
use super::idempotency::RequestKey;
use super::problem::Problem;
use super::{ApiState, json};
use crate::acd::Told;
use crate::call_backs::{CANCELLED, CallBack, Ordered, State as CallBackState};
use crate::cti::Claim;
use crate::report::is_lost;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use ringdown_routing::contact::Priority;
use ringdown_routing::event::{ContactResult, EventDraft, EventKind};
use ringdown_routing::ids::{ContactId, QueueId};
use ringdown_routing::verb::Verb;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What `GET /callbacks` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    limit: Option<usize>,
}

/// Lists those that are not over, by their time.
pub(super) async fn list(
    State(state): State<ApiState>,
    Params(params): Params<ListParams>,
) -> Result<Response, Problem> {
    let open = state.parts.call_backs.open(limit(params.limit)?).await?;
    let items = open.iter().map(json::record).collect::<Result<_, _>>()?;
    Ok(json::page(items, None))
}

/// What `POST /callbacks` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCallBack {
    /// Whom to call; not with `contact`.
    number: Option<String>,
    /// The line; that of the contact when not given.
    queue: Option<QueueId>,
    /// A call that was abandoned, blocked or failed: who called is called back, with their place and ticket.
    contact: Option<ContactId>,
    /// Not before.
    at: Option<jiff::Timestamp>,
    #[serde(default)]
    priority: i32,
}

/// Orders a call-back; with an `Idempotency-Key` at most one, whatever crashes in between. 409 with the `contact` of
/// the one that is open, when the call has one, or, where no call is named, the number has one in that line.
pub(super) async fn order(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    key: Option<Extension<RequestKey>>,
    Body(new): Body<NewCallBack>,
) -> Result<Response, Problem> {
    if !state.parts.calls_out {
        let sentence = "no trunk has `outbound`, so nobody can be called back".to_owned();
        return Err(Problem::Conflict(sentence));
    }
    let now = state.now();
    let due_at = state.in_the_future(new.at)?.unwrap_or(now);
    let missed = match new.contact {
        Some(contact) => Some(missed_call(&state, contact).await?),
        None => None,
    };
    let (number, place) = match (&new.number, missed) {
        (Some(number), None) => (number.clone(), None),
        (None, Some(missed)) => (missed.number.clone(), Some(missed)),
        (Some(_), Some(_)) | (None, None) => {
            let sentence = "give either `number` and `queue`, or `contact`".to_owned();
            return Err(Problem::Unprocessable(sentence));
        }
    };
    let Some(number) = Claim::of_number(&number, &state.parts.normaliser).key() else {
        let sentence = format!("`{number}` is not a number that can be called");
        return Err(Problem::Unprocessable(sentence));
    };
    let queue = new
        .queue
        .or_else(|| place.as_ref().and_then(|missed| missed.queue.clone()))
        .ok_or_else(|| Problem::Unprocessable("queue is missing".to_owned()))?;
    let Some(rules) = state.parts.callback_rules.get(&queue) else {
        return Err(Problem::NotFound(format!("no queue `{queue}`")));
    };
    let contact = ContactId::new(now, rand::random());
    let call_back = CallBack {
        contact,
        origin: new.contact.unwrap_or(contact),
        number,
        dialled: place
            .as_ref()
            .map_or(String::new(), |it| it.dialled.clone()),
        queue,
        priority: Priority(new.priority),
        language: state.parts.language.to_string(),
        ticket: place.as_ref().map_or(String::new(), |it| it.ticket.clone()),
        enqueued_at: place.as_ref().map_or(due_at, |it| it.enqueued_at),
        due_at,
        tries_left: rules.tries,
        refusals: 0,
        state: CallBackState::Waiting,
        asked_by: caller.name.to_string(),
        asked_at: now,
    };
    let key = key.map(|Extension(key)| key.to_text());
    let ordered = state.parts.call_backs.order(&call_back, key.as_deref());
    let stored = match ordered.await? {
        Ordered::New(stored) => stored,
        Ordered::Before(before) => return answer_again(&call_back, &before),
        Ordered::HasOne(other) => return Err(ordered_already(&call_back, other)),
    };
    let details = BTreeMap::from([("due_at".to_owned(), due_at.as_millis().to_string())]);
    let queue = stored.queue.clone();
    state.tell_intervention(&caller, "call_back_ordered", details, |draft| EventDraft {
        contact: Some(contact),
        queue: Some(queue),
        ..draft
    });
    Ok((StatusCode::CREATED, Json(json::record(&stored)?)).into_response())
}

/// The order is there already, as this call-back.
fn ordered_already(wish: &CallBack, other: ContactId) -> Problem {
    let whom = if wish.origin == wish.contact {
        format!("`{}` in `{}`", wish.number, wish.queue)
    } else {
        format!("the contact `{}`", wish.origin)
    };
    Problem::ConflictWith {
        detail: format!("{whom} is called back already, as `{other}`"),
        contact: other,
    }
}

/// Has somebody called back whose call was lost, on their own line, now.
pub(super) async fn call_back_lost(
    state: &ApiState,
    caller: &Caller,
    contact: ContactId,
) -> Result<(), Problem> {
    let new = NewCallBack {
        number: None,
        queue: None,
        contact: Some(contact),
        at: None,
        priority: 0,
    };
    let (state, caller) = (State(state.clone()), Extension(caller.clone()));
    order(state, caller, None, Body(new)).await.map(|_| ())
}

/// What was stored under the key before, if it is what is asked for now.
fn answer_again(wish: &CallBack, before: &CallBack) -> Result<Response, Problem> {
    if (&wish.number, &wish.queue) != (&before.number, &before.queue) {
        let sentence = "this Idempotency-Key was used for another request".to_owned();
        return Err(Problem::Unprocessable(sentence));
    }
    Ok((StatusCode::CREATED, Json(json::record(before)?)).into_response())
}

/// What a call-back takes over from a call that was missed.
struct Missed {
    number: String,
    dialled: String,
    queue: Option<QueueId>,
    ticket: String,
    enqueued_at: ringdown_routing::time::Timestamp,
}

async fn missed_call(state: &ApiState, contact: ContactId) -> Result<Missed, Problem> {
    let record = state.parts.log.contact(contact).await?;
    let record = record.ok_or_else(|| Problem::NotFound(format!("no contact `{contact}`")))?;
    if !record.result.is_some_and(is_lost) {
        let sentence =
            "only a call that was abandoned, blocked or failed is called back by its contact"
                .to_owned();
        return Err(Problem::Conflict(sentence));
    }
    let ticket = match record.ticket {
        Some(ticket) => state.parts.tickets.ticket(ticket).await?,
        None => None,
    };
    Ok(Missed {
        number: record.from.unwrap_or_default(),
        dialled: record.to.unwrap_or_default(),
        queue: record.queue,
        ticket: ticket.map_or(String::new(), |ticket| {
            ticket.number.chars().filter(char::is_ascii_digit).collect()
        }),
        enqueued_at: record
            .enqueued_at
            .or(record.arrived_at)
            .unwrap_or_else(|| state.now()),
    })
}

/// Takes a call-back back that no agent has yet.
pub(super) async fn cancel(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Key(contact): Key<ContactId>,
) -> Result<Response, Problem> {
    let call_backs = &state.parts.call_backs;
    let known = call_backs.one(contact).await?;
    let known = known.ok_or_else(|| Problem::NotFound(format!("no call-back `{contact}`")))?;
    match known.state {
        CallBackState::Waiting => {}
        CallBackState::Pending
        | CallBackState::Talking
        | CallBackState::Done
        | CallBackState::Failed
        | CallBackState::Cancelled => {
            let sentence = format!("the call-back is {}", known.state.as_str());
            return Err(Problem::Conflict(sentence));
        }
    }
    leave_line(&state, contact).await?;
    call_backs.end(contact, CallBackState::Cancelled).await?;
    // A gateway may have read it as waiting, and brought it into the line meanwhile.
    if let Err(problem) = leave_line(&state, contact).await {
        tracing::debug!(%contact, ?problem, "api: a call-back leaves its line at its next offer");
    }
    state.tell_intervention(&caller, "call_back_cancelled", BTreeMap::new(), |draft| {
        EventDraft {
            contact: Some(contact),
            ..draft
        }
    });
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Takes the contact of a call-back out of the line, if it stands there.
async fn leave_line(state: &ApiState, contact: ContactId) -> Result<(), Problem> {
    let acd = &state.parts.acd;
    if acd.read(|view| view.contact(contact).is_none()) {
        return Ok(());
    }
    let to = CANCELLED.to_owned();
    match acd.change_told(Verb::FlowOut { contact, to }).await? {
        Told::Changed => {}
        // It has left the line meanwhile, and whoever brought that about has told so.
        Told::Before => return Ok(()),
        Told::Refused(reason) => return Err(refused(reason)),
    }
    let closed = EventKind::Closed {
        result: ContactResult::FlowedOut,
    };
    let draft = EventDraft::of_contact(state.now(), contact, closed);
    if let Err(fault) = acd.publish(draft) {
        tracing::warn!(%contact, %fault, "api: the end of a call-back was not kept");
    }
    Ok(())
}
