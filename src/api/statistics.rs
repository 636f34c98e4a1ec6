//! `GET /statistics`: the figures of a period with their definitions.

use super::extract::Params;
use super::problem::Problem;
use super::{ApiState, json, reports};
use crate::mail::work::DEFINITIONS;
use crate::report::running::KEPT_FOR;
use crate::report::{By, JsonReport, Period, PeriodFault, Report, Subject, Wish, from_log, period};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::QueueId;
use serde::Deserialize;

/// What `GET /statistics` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatisticsParams {
    from: Option<String>,
    to: Option<String>,
    interval: Option<String>,
    queue: Option<String>,
    channel: Option<Channel>,
    #[serde(default)]
    by: By,
}

/// The statistics of a period; today so far when nobody says which.
pub(super) async fn statistics(
    State(state): State<ApiState>,
    Params(params): Params<StatisticsParams>,
) -> Result<Response, Problem> {
    let wish = Wish {
        from: params.from,
        to: params.to,
        interval: params.interval,
        compare: None,
        queue: params.queue.map(QueueId::new),
        channel: params.channel,
        by: params.by,
    };
    reports::must_be_known(&state, wish.queue.as_ref())?;
    let asked = wish.read(state.now(), &state.parts.reports)?;
    let report = reports::read(&state, asked).await?;
    Ok(Json(JsonReport::of(&report)).into_response())
}

/// What `GET /statistics/answers` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswersParams {
    from: Option<String>,
    to: Option<String>,
}

/// How answers by mail went in a period, and what waits for one now; today so far when nobody says which.
pub(super) async fn answers(
    State(state): State<ApiState>,
    Params(params): Params<AnswersParams>,
) -> Result<Response, Problem> {
    let (now, zone) = (state.now(), state.parts.zone.time_zone());
    let from = period::instant(params.from.as_deref().unwrap_or("today"), now, zone)?;
    let to = period::instant(params.to.as_deref().unwrap_or("now"), now, zone)?;
    let figures = state.mails()?.figures(from, to).await?;
    let mut queues = serde_json::Map::new();
    for (queue, figures) in figures {
        queues.insert(queue.to_string(), json::record(&figures)?);
    }
    let definitions: std::collections::BTreeMap<&str, &str> = DEFINITIONS.into();
    let told = serde_json::json!({ "queues": queues, "definitions": definitions });
    Ok(Json(told).into_response())
}

/// Periods that are not at hand are read from the log, which takes as long as they are.
pub(super) async fn read(
    state: &ApiState,
    period: Period,
    subject: &Subject,
) -> Result<Report, Problem> {
    let running = &state.parts.observers.running;
    if let Some(report) = running.report(&period, &subject.scope, state.now()) {
        return Ok(report.by(subject.by));
    }
    let _turn = state.reporting.acquire().await;
    tracing::debug!(
        kept_s = KEPT_FOR.as_secs(),
        "api: statistics are read from the log"
    );
    let log = &state.parts.log;
    Ok(from_log::report(log, period, subject, state.now(), || {}).await?)
}

impl From<PeriodFault> for Problem {
    fn from(fault: PeriodFault) -> Self {
        Self::BadRequest(fault.to_string())
    }
}
