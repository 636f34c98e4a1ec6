//! `POST /forecasts`: arrivals to come, from a CSV or from the desk's own log, with the staff they take and what
//! that staff does when the plan is played. It answers a question and changes nothing.

use super::extract::Body;
use super::problem::Problem;
use super::{ApiState, Caller, reports, statistics};
use crate::forecast::{Arrivals, Asked, AskedFault, Staffed, Told, read_arrivals};
use crate::report::{Interval, Period, Shown, Subject};
use crate::staffing::{Seconds, Share};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jiff::civil::Date;
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::QueueId;
use ringdown_routing::staffing::{Question, Target};
use ringdown_routing::statistics::Scope;
use serde::Deserialize;
use std::time::Duration;

/// Most days of one forecast.
pub(super) const DAYS_MAX: u16 = 62;

/// Most weeks of the log that are read.
pub(super) const WEEKS_MAX: u16 = 26;

/// How often a plan is played when nobody says how often.
pub(super) const RUNS_USUAL: u16 = 10;

/// What `POST /forecasts` takes: the words of `ringdown forecast`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ForecastBody {
    /// Past arrivals as CSV; the desk's own log without it.
    csv: Option<String>,
    /// Weeks of the log.
    weeks: Option<u16>,
    /// Only what was offered to this queue (the log).
    queue: Option<String>,
    /// Only what came by this channel (the log); calls when not given.
    channel: Option<Channel>,
    /// Special days as CSV.
    #[serde(default)]
    holidays: String,
    from: Option<Date>,
    days: Option<u16>,
    interval: Option<String>,
    staff: Option<StaffBody>,
    rehearse: Option<u16>,
}

/// What is asked about the staff of every interval.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StaffBody {
    aht: Seconds,
    target: Option<String>,
    patience: Option<Seconds>,
    #[serde(default)]
    shrinkage: Vec<Share>,
    concurrency: Option<u32>,
}

/// Answers with the forecast as `ringdown forecast --format json` tells it.
pub(super) async fn forecast(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<ForecastBody>,
) -> Result<Response, Problem> {
    let zone = state.parts.zone.time_zone();
    let interval = body.interval.as_deref();
    let interval = interval.map_or(Ok(Interval::HALF_HOUR), Interval::up_to_a_day)?;
    let arrivals = match &body.csv {
        Some(csv) => read_arrivals(csv, zone, interval).map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Problem::Unprocessable(faults.join("; "))
        })?,
        None => {
            caller.must_see_reports()?;
            let weeks = within("weeks", body.weeks.unwrap_or(12), WEEKS_MAX)?;
            let queue = body.queue.map(QueueId::new);
            reports::must_be_known(&state, queue.as_ref())?;
            let scope = Scope {
                queue,
                channel: Some(body.channel.unwrap_or(Channel::Voice)),
            };
            of_the_log(&state, weeks, interval, scope).await?
        }
    };
    let staff = match body.staff {
        None => None,
        Some(staff) => Some(staff.question(interval)?),
    };
    let asked = Asked {
        arrivals,
        special_days: body.holidays,
        first: body.from,
        days: within("days", body.days.unwrap_or(7), DAYS_MAX)?,
        staff,
        runs: body.rehearse.unwrap_or(RUNS_USUAL).min(1_000),
    };
    let (told, staffed) = answer(&state, asked).await??;
    Ok(Json(told.to_json(staffed.as_ref())).into_response())
}

impl StaffBody {
    fn question(self, interval: Interval) -> Result<Question, Problem> {
        let target: Target = self.target.as_deref().unwrap_or("80/20").parse()?;
        let interval_s = interval.as_seconds() as f64;
        Ok(Question {
            patience_s: self.patience.map(Seconds::get),
            shrinkage: self.shrinkage.into_iter().map(Share::get).collect(),
            concurrency: self.concurrency.unwrap_or(1),
            ..Question::new(0.0, interval_s, self.aht.get(), target)
        })
    }
}

/// What was offered in the last weeks.
pub(super) async fn of_the_log(
    state: &ApiState,
    weeks: u16,
    interval: Interval,
    scope: Scope,
) -> Result<Arrivals, Problem> {
    let now = state.now();
    let from = now - WEEK * u32::from(weeks);
    let period = Period::new(from, now, interval, state.parts.zone.time_zone().clone())?;
    let subject = Subject {
        scope,
        shown: Shown::Rows,
        ..Subject::default()
    };
    let report = statistics::read(state, period, &subject).await?;
    Ok(Arrivals::offered(&report))
}

/// Works it out beside the other requests, one at a time.
pub(super) async fn answer(
    state: &ApiState,
    asked: Asked,
) -> Result<Result<(Told, Option<Staffed>), AskedFault>, Problem> {
    let Ok(turn) = state.simulating.clone().try_acquire_owned() else {
        return Err(Problem::Unavailable(
            "other simulations run at the moment".to_owned(),
        ));
    };
    let answered = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        asked.answer()
    });
    answered.await.map_err(|error| {
        tracing::error!(%error, "api: a forecast was not computed");
        Problem::Internal
    })
}

fn within(name: &str, number: u16, most: u16) -> Result<u16, Problem> {
    if (1..=most).contains(&number) {
        return Ok(number);
    }
    Err(Problem::Unprocessable(format!(
        "{name} must be 1 to {most}"
    )))
}

impl From<AskedFault> for Problem {
    fn from(fault: AskedFault) -> Self {
        Self::Unprocessable(fault.to_string())
    }
}

/// Seven days.
const WEEK: Duration = Duration::from_secs(7 * 24 * 3_600);
