//! `GET` and `POST /tickets`, `GET` and `PATCH /tickets/{id}`.

use super::extract::{Body, Key, Params, limit, parsed};
use super::idempotency::RequestKey;
use super::problem::Problem;
use super::{ApiState, json};
use crate::tickets::{Grade, Kind, Ticket, TicketChange, TicketWish, TicketsQuery};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::{CallerId, CiId, ContactId, OrganisationId, QueueId, TicketId};
use serde::Deserialize;

/// Most letters of a subject.
const SUBJECT_LETTERS_MAX: usize = 500;

/// Most CIs of one ticket.
const CIS_MAX: usize = 100;

/// What `GET /tickets` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    contact: Option<String>,
    number: Option<String>,
    caller: Option<String>,
    message_id: Option<String>,
    cursor: Option<u64>,
    limit: Option<usize>,
}

/// Lists tickets, newest first; the one asked for by contact, number or mail comes whole.
pub(super) async fn list(
    State(state): State<ApiState>,
    Params(params): Params<ListParams>,
) -> Result<Response, Problem> {
    let limit = limit(params.limit)?;
    if let Some(message_id) = &params.message_id {
        let found = state.parts.tickets.ticket_of_mail(message_id).await?;
        let items = found.iter().map(json::record).collect::<Result<_, _>>()?;
        return Ok(json::page(items, None));
    }
    let query = TicketsQuery {
        number: params.number,
        contact: parsed::<ContactId>("contact", params.contact.as_deref())?,
        caller: params.caller.map(CallerId::new),
        before: params.cursor.map(TicketId::new),
    };
    let is_about_one = query.number.is_some() || query.contact.is_some();
    let tickets = state.parts.tickets.list(&query, limit).await?;
    let next = tickets
        .last()
        .filter(|_| tickets.len() == limit && !is_about_one)
        .map(|ticket| ticket.id.to_string());
    let mut items = Vec::with_capacity(tickets.len());
    for ticket in &tickets {
        if is_about_one && let Some(whole) = state.parts.tickets.ticket(ticket.id).await? {
            items.push(json::record(&whole)?);
        } else {
            items.push(json::record(ticket)?);
        }
    }
    Ok(json::page(items, next))
}

/// One ticket, whole.
pub(super) async fn one(
    State(state): State<ApiState>,
    Key(id): Key<TicketKey>,
) -> Result<Response, Problem> {
    let ticket = state
        .parts
        .tickets
        .ticket(id.0)
        .await?
        .ok_or_else(|| unknown(id.0))?;
    Ok(Json(json::record(&ticket)?).into_response())
}

/// What `POST /tickets` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTicket {
    subject: String,
    #[serde(default)]
    kind: Kind,
    impact: Option<Grade>,
    urgency: Option<Grade>,
    caller: Option<CallerId>,
    organisation: Option<OrganisationId>,
    /// Class 1 to 3, from which the impact follows when it is not given; the caller's own when not given.
    class: Option<u8>,
    queue: Option<QueueId>,
    #[serde(default)]
    cis: Vec<CiId>,
    /// What the caller complains of.
    symptom: Option<String>,
}

/// Opens a ticket; with an `Idempotency-Key` at most one, whatever crashes in between.
pub(super) async fn open(
    State(state): State<ApiState>,
    key: Option<Extension<RequestKey>>,
    Body(new): Body<NewTicket>,
) -> Result<Response, Problem> {
    let subject = checked_subject(&new.subject)?;
    if new.class.is_some_and(|class| !(1..=3).contains(&class)) {
        return Err(Problem::Unprocessable("class is 1, 2 or 3".to_owned()));
    }
    if new.cis.len() > CIS_MAX {
        return Err(Problem::Unprocessable(format!(
            "a ticket has at most {CIS_MAX} CIs"
        )));
    }
    check_words(&state, new.queue.as_ref(), new.symptom.as_deref())?;
    let caller =
        match &new.caller {
            None => None,
            Some(id) => {
                let known = state.parts.cms.caller(id).await?;
                Some(known.ok_or_else(|| {
                    Problem::Unprocessable(format!("the CMS knows no caller `{id}`"))
                })?)
            }
        };
    let organisation = caller
        .as_ref()
        .and_then(|caller| caller.organisation.as_ref());
    let now = state.now();
    let contact = match key {
        Some(Extension(key)) => ContactId::from_u128(key.as_u128()),
        None => ContactId::new(now, rand::random()),
    };
    let wish = TicketWish {
        contact,
        at: now,
        channel: Channel::Chat,
        from: String::new(),
        queue: new.queue,
        caller: new.caller,
        organisation: new
            .organisation
            .or_else(|| organisation.map(|it| it.id.clone())),
        class: new
            .class
            .or_else(|| caller.as_ref().and_then(|caller| caller.class)),
        cis: new.cis,
        keyed_in: None,
        kind: new.kind,
        subject,
    };
    let linked = state.parts.tickets.open_by_hand(wish).await?;
    let graded = TicketChange {
        impact: new.impact,
        urgency: new.urgency,
        symptom: new.symptom,
        ..TicketChange::default()
    };
    let is_changed =
        graded.impact.is_some() || graded.urgency.is_some() || graded.symptom.is_some();
    let ticket = if is_changed {
        state
            .parts
            .tickets
            .change(linked.ticket, &graded, now)
            .await?
    } else {
        state.parts.tickets.ticket(linked.ticket).await?
    };
    let ticket = ticket.ok_or(Problem::Internal)?;
    let location = format!("/api/v1/tickets/{}", ticket.id);
    Ok((
        StatusCode::CREATED,
        [(LOCATION, location)],
        Json(json::record(&ticket)?),
    )
        .into_response())
}

/// Changes a ticket.
pub(super) async fn change(
    State(state): State<ApiState>,
    Key(id): Key<TicketKey>,
    Body(mut change): Body<TicketChange>,
) -> Result<Response, Problem> {
    if let Some(subject) = &change.subject {
        change.subject = Some(checked_subject(subject)?);
    }
    check_words(&state, change.queue.as_ref(), change.symptom.as_deref())?;
    let ticket: Option<Ticket> = state
        .parts
        .tickets
        .change(id.0, &change, state.now())
        .await?;
    let ticket = ticket.ok_or_else(|| unknown(id.0))?;
    Ok(Json(json::record(&ticket)?).into_response())
}

/// Refuses lines and symptoms that nobody has configured.
fn check_words(
    state: &ApiState,
    queue: Option<&QueueId>,
    symptom: Option<&str>,
) -> Result<(), Problem> {
    let tickets = &state.parts.tickets;
    if let Some(symptom) = symptom
        && !tickets.knows_symptom(symptom)
    {
        return Err(Problem::Unprocessable(format!(
            "`{symptom}` is no symptom of `[tickets] tolerable_wait_s`"
        )));
    }
    if let Some(queue) = queue
        && !tickets.knows_queue(queue)
    {
        return Err(Problem::Unprocessable(format!(
            "there is no queue `{queue}`"
        )));
    }
    Ok(())
}

/// A ticket's key in a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct TicketKey(pub(super) TicketId);

impl std::str::FromStr for TicketKey {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(TicketId::new).map(Self)
    }
}

pub(super) fn checked_subject(subject: &str) -> Result<String, Problem> {
    let subject = subject.trim();
    let letters = subject.chars().count();
    if letters == 0 || letters > SUBJECT_LETTERS_MAX || subject.chars().any(char::is_control) {
        return Err(Problem::Unprocessable(format!(
            "subject has 1 to {SUBJECT_LETTERS_MAX} letters on one line"
        )));
    }
    Ok(subject.to_owned())
}

fn unknown(id: TicketId) -> Problem {
    Problem::NotFound(format!("no ticket {id}"))
}
