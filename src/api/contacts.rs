//! `GET /contacts`, `/contacts/{id}`, `/contacts/{id}/events`.

use super::extract::{Key, Params, limit, parsed};
use super::problem::Problem;
use super::{ApiState, json};
use crate::event_log::{ContactsQuery, Cursor, EventsQuery};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use ringdown_routing::ids::{CallerId, ContactId, QueueId, TicketId};
use serde::Deserialize;

/// What `GET /contacts` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    queue: Option<String>,
    caller: Option<String>,
    ticket: Option<u64>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// Lists contacts, newest first.
pub(super) async fn list(
    State(state): State<ApiState>,
    Params(params): Params<ListParams>,
) -> Result<Response, Problem> {
    let limit = limit(params.limit)?;
    let query = ContactsQuery {
        before: parsed("cursor", params.cursor.as_deref())?,
        queue: params.queue.map(QueueId::new),
        caller: params.caller.map(CallerId::new),
        ticket: params.ticket.map(TicketId::new),
    };
    let contacts = state.parts.log.contacts(&query, limit).await?;
    let next = contacts
        .last()
        .filter(|_| contacts.len() == limit)
        .map(|contact| contact.id.to_string());
    let items = contacts
        .iter()
        .map(json::record)
        .collect::<Result<_, _>>()?;
    Ok(json::page(items, next))
}

/// One contact's record.
pub(super) async fn one(
    State(state): State<ApiState>,
    Key(id): Key<ContactId>,
) -> Result<Response, Problem> {
    let contact = state
        .parts
        .log
        .contact(id)
        .await?
        .ok_or_else(|| unknown(id))?;
    Ok(Json(json::record(&contact)?).into_response())
}

/// What `GET /contacts/{id}/events` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsParams {
    cursor: Option<String>,
    limit: Option<usize>,
}

/// One contact's events, oldest first.
pub(super) async fn events(
    State(state): State<ApiState>,
    Key(id): Key<ContactId>,
    Params(params): Params<EventsParams>,
) -> Result<Response, Problem> {
    let after: Option<Cursor> = parsed("cursor", params.cursor.as_deref())?;
    let page = state
        .parts
        .log
        .page(EventsQuery::OfContact(id), after, limit(params.limit)?)
        .await?;
    if page.events.is_empty() && state.parts.log.contact(id).await?.is_none() {
        return Err(unknown(id));
    }
    let items = page
        .events
        .iter()
        .map(json::event)
        .collect::<Result<_, _>>()?;
    Ok(json::page(items, page.next.map(|next| next.to_string())))
}

pub(super) fn unknown(id: ContactId) -> Problem {
    Problem::NotFound(format!("no contact {id}"))
}
