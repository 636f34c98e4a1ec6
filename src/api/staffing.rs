//! `POST /staffing`: how many agents it takes. It answers a question and changes nothing.

use super::extract::Body;
use super::problem::Problem;
use crate::staffing::{Seconds, Share, Told};
use axum::Json;
use axum::response::{IntoResponse, Response};
use ringdown_routing::staffing::{Deadline, Question, StaffingFault, Target};
use serde::{Deserialize, Deserializer};

/// The interval when nobody says which: half an hour.
const INTERVAL_S: f64 = 1_800.0;

/// What `POST /staffing` takes: the words of `ringdown staff`, times as seconds or with a unit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StaffingBody {
    calls: f64,
    #[serde(alias = "interval_s")]
    interval: Option<Seconds>,
    #[serde(alias = "aht_s")]
    aht: Seconds,
    #[serde(deserialize_with = "target")]
    target: Target,
    #[serde(alias = "patience_s")]
    patience: Option<Seconds>,
    retrial: Option<Share>,
    shrinkage: Option<Shares>,
    agents: Option<u32>,
    concurrency: Option<u32>,
    #[serde(alias = "deadline_s")]
    deadline: Option<Seconds>,
    backlog: Option<f64>,
}

/// One share, or several that compound.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Shares {
    Several(Vec<Share>),
    One(Share),
}

/// Answers with the staff by every model the body gives the figures for.
pub(super) async fn staff(Body(body): Body<StaffingBody>) -> Result<Response, Problem> {
    let question = body.question();
    // A hundred thousand agents take some milliseconds, which the other requests need not wait for.
    let answered = tokio::task::spawn_blocking(move || {
        let answer = question.answer()?;
        Ok::<_, StaffingFault>((question, answer))
    });
    let (question, answer) = answered.await.map_err(|error| {
        tracing::error!(%error, "api: staffing was not computed");
        Problem::Internal
    })??;
    let told = Told {
        question: &question,
        answer: &answer,
        patience: None,
    };
    Ok(Json(told.to_json()).into_response())
}

impl StaffingBody {
    fn question(self) -> Question {
        let shrinkage = match self.shrinkage {
            None => Vec::new(),
            Some(Shares::One(share)) => vec![share.get()],
            Some(Shares::Several(shares)) => shares.into_iter().map(Share::get).collect(),
        };
        Question {
            patience_s: self.patience.map(Seconds::get),
            retrial: self.retrial.map(Share::get),
            shrinkage,
            agents: self.agents,
            concurrency: self.concurrency.unwrap_or(1),
            deadline: self.deadline.map(|deadline| Deadline {
                deadline_s: deadline.get(),
                backlog: self.backlog.unwrap_or(0.0),
            }),
            ..Question::new(
                self.calls,
                self.interval.map_or(INTERVAL_S, Seconds::get),
                self.aht.get(),
                self.target,
            )
        }
    }
}

impl From<StaffingFault> for Problem {
    fn from(fault: StaffingFault) -> Self {
        Self::Unprocessable(fault.to_string())
    }
}

/// Reads `"80/20"`, or the target as an object.
fn target<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Target, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum TextOrObject {
        Text(String),
        Object(Target),
    }
    match TextOrObject::deserialize(deserializer)? {
        TextOrObject::Text(text) => text.parse().map_err(serde::de::Error::custom),
        TextOrObject::Object(target) => Ok(target),
    }
}
