//! `POST /simulations`: a scenario played on the real routing policy in virtual time.

use super::ApiState;
use super::extract::{JsonBytes, Params};
use super::problem::Problem;
use crate::simulation::{self, Events, Extent, SimulationFault};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

/// Most events of one simulation: about two seconds of one processor and, told, 16 MB.
const EVENTS_MAX: u64 = 200_000;

/// What `POST /simulations` takes beside the scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SimulationParams {
    #[serde(default)]
    statistics_only: bool,
}

/// Plays a scenario; changes nothing of the desk.
pub(super) async fn simulate(
    State(state): State<ApiState>,
    Params(params): Params<SimulationParams>,
    JsonBytes(scenario): JsonBytes,
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
        events_max: EVENTS_MAX,
    };
    let played = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let mut answer = Vec::new();
        let scenario = simulation::read(&scenario)?;
        simulation::answer(&scenario, extent, &mut answer, || {})?;
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
