//! `GET /queues`, `/queues/{id}/waiting`: the lines as they are now, by event.

use super::extract::{Key, Params, limit, parsed};
use super::problem::Problem;
use super::{ApiState, json};
use crate::openings::Opening;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use ringdown_routing::agent::State as AgentState;
use ringdown_routing::contact::{Channel, Place, PlaceInLine, PlacedContact, Priority};
use ringdown_routing::ids::{AgentId, ContactId, QueueId};
use ringdown_routing::queue::QueueRules;
use ringdown_routing::time::Timestamp;
use ringdown_routing::view::View;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One line as it is now.
#[derive(Debug, Serialize)]
struct QueueNow {
    id: QueueId,
    is_open: bool,
    /// `hours`, `hand` or `emergency` while it is closed.
    closed_by: Option<&'static str>,
    /// Where its contacts stand, when not in itself: its hours follow the sun.
    line: Option<QueueId>,
    /// In the line, those offered to an agent included.
    waiting: usize,
    /// Of these, those for whom a phone rings.
    ringing: usize,
    /// With an agent.
    talking: usize,
    longest_wait_s: Option<f64>,
    /// Logged in and within reach.
    agents_at_work: usize,
    /// Of these, those who could take a contact now.
    agents_free: usize,
    waiting_max: Option<u32>,
    service_level_s: f64,
}

/// Lists every queue.
pub(super) async fn list(State(state): State<ApiState>) -> Result<Response, Problem> {
    let queues = now(&state, |_| true);
    let items = queues.iter().map(json::record).collect::<Result<_, _>>()?;
    Ok(json::page(items, None))
}

/// One line as it is now.
pub(super) fn one_now(state: &ApiState, id: &QueueId) -> Result<Response, Problem> {
    let queues = now(state, |queue| queue == id);
    let queue = queues.first();
    let queue = queue.ok_or_else(|| Problem::NotFound(format!("no queue `{id}`")))?;
    Ok(Json(json::record(queue)?).into_response())
}

fn now(state: &ApiState, is_wanted: impl Fn(&QueueId) -> bool) -> Vec<QueueNow> {
    let now = state.now();
    let mut queues = state.parts.acd.read(|view| {
        let placed = placed(view);
        let wanted = view.queues().filter(|rules| is_wanted(&rules.id));
        wanted
            .map(|rules| queue(view, rules, &placed, now))
            .collect::<Vec<_>>()
    });
    for queue in &mut queues {
        match state.parts.openings.opening(&queue.id) {
            Opening::Open { line } => queue.line = (line != queue.id).then_some(line),
            Opening::Closed(by) => queue.closed_by = Some(by.as_str()),
        }
        // With a shared store this node hears of its own change a moment later.
        if state.parts.openings.knows(&queue.id) {
            queue.is_open = queue.closed_by.is_none();
        }
    }
    queues
}

/// How many ring and talk, by queue.
fn placed(view: &View) -> BTreeMap<&QueueId, (usize, usize)> {
    let mut placed: BTreeMap<&QueueId, (usize, usize)> = BTreeMap::new();
    for contact in view.contacts() {
        let (ringing, talking) = placed.entry(&contact.record.queue).or_default();
        match contact.place {
            Place::Waiting => {}
            Place::Offered { .. } => *ringing += 1,
            Place::Active { .. } => *talking += 1,
        }
    }
    placed
}

fn queue(
    view: &View,
    rules: &QueueRules,
    placed: &BTreeMap<&QueueId, (usize, usize)>,
    now: Timestamp,
) -> QueueNow {
    let (ringing, talking) = placed.get(&rules.id).copied().unwrap_or_default();
    let first = view
        .line_of(&rules.id)
        .map(|contact| contact.record.enqueued_at)
        .min();
    let is_free = |agent: &&ringdown_routing::agent::Agent| {
        agent.profile.queues.contains_key(&rules.id)
            && agent.is_willing()
            && agent.state() == AgentState::Idle
    };
    QueueNow {
        id: rules.id.clone(),
        is_open: rules.is_open,
        closed_by: None,
        line: None,
        waiting: view.unanswered(&rules.id),
        ringing,
        talking,
        longest_wait_s: first.map(|enqueued_at| now.since(enqueued_at).as_secs_f64()),
        agents_at_work: view.agents_at_work(&rules.id),
        agents_free: view.agents().filter(is_free).count(),
        waiting_max: rules.waiting_max,
        service_level_s: rules.service_level.as_secs_f64(),
    }
}

/// What `GET /queues/{id}/waiting` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitingParams {
    cursor: Option<String>,
    limit: Option<usize>,
}

/// One who waits.
#[derive(Debug, Serialize)]
struct WaitingNow {
    contact: ContactId,
    /// From 1.
    position: usize,
    channel: Channel,
    priority: Priority,
    enqueued_at: Timestamp,
    wait_s: f64,
    state: &'static str,
    /// Whose phone rings; of several, who was chosen first.
    agent: Option<AgentId>,
    /// Whose phones ring beside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    others: Vec<AgentId>,
}

/// Lists who waits in a queue, first served first.
pub(super) async fn waiting(
    State(state): State<ApiState>,
    Key(id): Key<String>,
    Params(params): Params<WaitingParams>,
) -> Result<Response, Problem> {
    let limit = limit(params.limit)?;
    let after: Option<PlaceInLine> = parsed("cursor", params.cursor.as_deref())?;
    let (id, now) = (QueueId::new(id), state.now());
    let line: Option<Vec<(PlaceInLine, usize, PlacedContact)>> = state.parts.acd.read(|view| {
        view.queue(&id)?;
        let behind = view
            .line_of(&id)
            .zip(1..)
            .map(|(contact, position)| (view.place_of(&contact.record), position, contact))
            .skip_while(|(place, ..)| after.is_some_and(|after| *place <= after));
        Some(
            behind
                .take(limit)
                .map(|(place, position, contact)| (place, position, contact.clone()))
                .collect(),
        )
    });
    let line = line.ok_or_else(|| Problem::NotFound(format!("no queue `{id}`")))?;
    let next = line
        .last()
        .filter(|_| line.len() == limit)
        .map(|(place, ..)| place.to_string());
    let items = line
        .iter()
        .map(|(_, position, contact)| json::record(&told(*position, contact, now)))
        .collect::<Result<_, _>>()?;
    Ok(json::page(items, next))
}

fn told(position: usize, contact: &PlacedContact, now: Timestamp) -> WaitingNow {
    let record = &contact.record;
    let state = match &contact.place {
        Place::Waiting => "waiting",
        Place::Offered { .. } => "offered",
        Place::Active { .. } => "active",
    };
    let mut holders = contact.place.holders().map(|(agent, _)| agent.clone());
    WaitingNow {
        contact: record.id,
        position,
        channel: record.channel,
        priority: record.priority,
        enqueued_at: record.enqueued_at,
        wait_s: now.since(record.enqueued_at).as_secs_f64(),
        state,
        agent: holders.next(),
        others: holders.collect(),
    }
}
