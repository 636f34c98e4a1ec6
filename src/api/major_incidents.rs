//! `GET` and `POST /major_incidents`, `DELETE /major_incidents/{id}`: what callers hear of before the line.

use super::access::Caller;
use super::extract::{Body, Key, checked_line};
use super::idempotency::RequestKey;
use super::problem::Problem;
use super::{ApiState, json};
use crate::incidents::{Audience, DeclareFault, Declared, TicketRef, Wish};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use ringdown_routing::event::EventDraft;
use ringdown_routing::ids::{ContactId, QueueId};
use ringdown_routing::time::Timestamp;
use serde::Deserialize;

/// Most letters of a reason.
const REASON_LETTERS_MAX: usize = 200;

/// Most queues and most numbers that one incident names.
const NAMES_MAX: usize = 1_000;

/// Lists those that hold or will hold, the newest first.
pub(super) async fn list(State(state): State<ApiState>) -> Result<Response, Problem> {
    let open = state.parts.incidents.open(state.now());
    let items = open.iter().map(|incident| json::record(&**incident));
    Ok(json::page(items.collect::<Result<_, _>>()?, None))
}

/// What `POST /major_incidents` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewIncident {
    service: String,
    ticket: Option<TicketRef>,
    say: Option<String>,
    #[serde(default)]
    queues: Vec<QueueId>,
    #[serde(default)]
    numbers: Vec<String>,
    #[serde(default)]
    audience: Audience,
    #[serde(default)]
    reason: String,
    from: Option<jiff::Timestamp>,
    until: Option<jiff::Timestamp>,
}

/// Declares one; with an `Idempotency-Key` at most one, whatever crashes in between.
pub(super) async fn declare(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    key: Option<Extension<RequestKey>>,
    Body(new): Body<NewIncident>,
) -> Result<Response, Problem> {
    if new.queues.len() > NAMES_MAX || new.numbers.len() > NAMES_MAX {
        let sentence = format!("an incident names at most {NAMES_MAX} queues and numbers");
        return Err(Problem::Unprocessable(sentence));
    }
    let now = state.now();
    let instant = |at: jiff::Timestamp| Timestamp::from_millis(at.as_millisecond());
    let wish = Wish {
        key: match key {
            Some(Extension(key)) => ContactId::from_u128(key.as_u128()),
            None => ContactId::new(now, rand::random()),
        },
        service: new.service,
        ticket: new.ticket,
        say: new.say,
        queues: new.queues,
        numbers: new.numbers,
        audience: new.audience,
        reason: checked_line("reason", &new.reason, REASON_LETTERS_MAX)?,
        by: caller.name.to_string(),
        at: now,
        from: new.from.map(instant),
        until: new.until.map(instant),
    };
    let parts = &state.parts;
    let declared = parts
        .incidents
        .declare(wish, &parts.tickets, &parts.prompts);
    let incident = match declared.await? {
        Declared::New(incident) => {
            tell(&state, incident.event());
            incident
        }
        Declared::Before(incident) => incident,
    };
    Ok((StatusCode::CREATED, Json(json::record(&*incident)?)).into_response())
}

/// Ends one, by its id or its service's.
pub(super) async fn end(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Key(which): Key<String>,
) -> Result<Response, Problem> {
    let now = state.now();
    let ended = state.parts.incidents.end(&which, &caller.name, now).await?;
    let Some(incident) = ended else {
        return Err(Problem::NotFound(format!("no major incident `{which}`")));
    };
    tell(&state, incident.event_of_end(now, &caller.name));
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn tell(state: &ApiState, event: EventDraft) {
    if let Err(fault) = state.parts.acd.publish(event) {
        tracing::warn!(%fault, "api: an incident was changed, but its event was not kept");
    }
}

impl From<DeclareFault> for Problem {
    fn from(fault: DeclareFault) -> Self {
        let sentence = fault.to_string();
        match fault {
            DeclareFault::NoService(_)
            | DeclareFault::SeveralServices { .. }
            | DeclareFault::NoTicket(_)
            | DeclareFault::TicketClosed(_)
            | DeclareFault::NoQueue(_)
            | DeclareFault::NoNumber(_)
            | DeclareFault::NoPrompt(_)
            | DeclareFault::OverAlready => Self::Unprocessable(sentence),
            DeclareFault::Declared { .. } => Self::Conflict(sentence),
            DeclareFault::Database(fault) => fault.into(),
        }
    }
}
