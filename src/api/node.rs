//! `GET /node`, `POST` and `DELETE /node/drain`: the gateway that is asked, and taking it out of service.

use super::access::Caller;
use super::extract::Body;
use super::problem::Problem;
use super::{ApiState, json};
use crate::drain::{Stage, TooLate};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use ringdown_routing::contact::Place;
use ringdown_routing::ids::NodeId;
use ringdown_routing::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The time a drain gets when nobody says how long.
const DEADLINE_USUAL_S: f64 = 600.0;

/// The longest time of a drain: a day.
const DEADLINE_MAX_S: f64 = 86_400.0;

/// The gateway that was asked.
#[derive(Debug, Serialize)]
struct NodeNow {
    id: NodeId,
    state: &'static str,
    /// Calls that are not over.
    calls: usize,
    /// Of these, those who stand in a line.
    waiting: usize,
    /// When a drain ends, whoever is still there.
    until_at: Option<Timestamp>,
    /// Calls that were not over when the drain ended.
    cut_off: Option<usize>,
}

/// Shows the gateway that was asked.
pub(super) async fn show(State(state): State<ApiState>) -> Result<Response, Problem> {
    let parts = &state.parts;
    let (word, until_at, cut_off) = match parts.drain.stage() {
        Stage::Open => ("open", None, None),
        Stage::Draining { until } => ("draining", Some(until), None),
        Stage::Ended { cut_off } => ("ended", None, Some(cut_off)),
    };
    let waiting = parts.acd.read(|view| {
        let own = view
            .contacts()
            .filter(|contact| contact.record.node == parts.node);
        own.filter(|contact| !matches!(contact.place, Place::Active { .. }))
            .count()
    });
    let node = NodeNow {
        id: parts.node.clone(),
        state: word,
        calls: parts.drain.calls(),
        waiting,
        until_at,
        cut_off,
    };
    Ok(Json(json::record(&node)?).into_response())
}

/// What `POST /node/drain` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    deadline_s: Option<f64>,
}

/// Takes the gateway out of service; it ends with its last call, or when the time is over.
pub(super) async fn drain(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Body(wish): Body<Wish>,
) -> Result<Response, Problem> {
    let deadline_s = wish.deadline_s.unwrap_or(DEADLINE_USUAL_S);
    if !(0.0..=DEADLINE_MAX_S).contains(&deadline_s) {
        let sentence = format!("deadline_s is 0 to {DEADLINE_MAX_S}");
        return Err(Problem::Unprocessable(sentence));
    }
    let until = state.now() + Duration::from_secs_f64(deadline_s);
    state.parts.drain.begin(until)?;
    state.parts.acd.hand_lead_over();
    tracing::info!(deadline_s, "draining: no new calls are taken");
    let mut details = this_node(&state);
    details.insert("until_at".to_owned(), until.as_millis().to_string());
    state.tell_intervention(&caller, "drain_begun", details, |draft| draft);
    show(State(state)).await
}

/// Takes calls again.
pub(super) async fn undo(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    state.parts.drain.undo()?;
    tracing::info!("the drain is undone: calls are taken again");
    state.tell_intervention(&caller, "drain_undone", this_node(&state), |draft| draft);
    show(State(state)).await
}

fn this_node(state: &ApiState) -> BTreeMap<String, String> {
    BTreeMap::from([("node".to_owned(), state.parts.node.to_string())])
}

impl From<TooLate> for Problem {
    fn from(late: TooLate) -> Self {
        Self::Conflict(late.to_string())
    }
}
