//! `POST /simulations`: a scenario or a what-if played on the real routing policy in virtual time.

use super::ApiState;
use super::extract::{JsonBytes, Params};
use super::problem::Problem;
use crate::simulation::{self, Events, Extent, SimulationFault};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

/// Most events of one simulation that are told: 16 MB.
const TOLD_MAX: u64 = 200_000;

/// Most events of one simulation that are not: about ten seconds of one processor.
const LEFT_MAX: u64 = 2_000_000;

/// What `POST /simulations` takes beside the question.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SimulationParams {
    #[serde(default)]
    statistics_only: bool,
}

/// Answers a scenario or a what-if; changes nothing of the desk.
pub(super) async fn simulate(
    State(state): State<ApiState>,
    Params(params): Params<SimulationParams>,
    JsonBytes(question): JsonBytes,
) -> Result<Response, Problem> {
    let Ok(turn) = state.simulating.clone().try_acquire_owned() else {
        return Err(Problem::Unavailable(
            "other simulations run at the moment".to_owned(),
        ));
    };
    let extent = Extent {
        events: if params.statistics_only {
            Events::Left
        } else {
            Events::Told
        },
        told_max: TOLD_MAX,
        left_max: LEFT_MAX,
    };
    let played = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let mut answer = Vec::new();
        let question = simulation::read(&question)?;
        simulation::answer(&question, extent, &mut answer, || {})?;
        Ok(answer)
    });
    match played.await {
        Ok(Ok(answer)) => Ok(([(CONTENT_TYPE, "application/json")], answer).into_response()),
        Ok(Err(fault)) => Err(problem(&fault)),
        Err(_) => Err(Problem::Internal),
    }
}

fn problem(fault: &SimulationFault) -> Problem {
    match fault {
        SimulationFault::NotJson(_) => Problem::BadRequest(fault.to_string()),
        SimulationFault::NotScenario(_)
        | SimulationFault::Scenario(_)
        | SimulationFault::TooLong(_) => Problem::Unprocessable(fault.to_string()),
        SimulationFault::Output(_) => Problem::Internal,
    }
}
