//! `POST /erasures`, `GET /erasures/{id}`: persons who are erased.

use super::access::Caller;
use super::extract::{Body, Key};
use super::problem::Problem;
use super::{ApiState, json};
use crate::erasure::{ErasureFault, Erasures, Wish};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use ringdown_routing::ids::CallerId;
use serde::Deserialize;

/// Most names of one person.
const NAMES_MAX: usize = 100;

/// What `POST /erasures` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewErasure {
    #[serde(default)]
    phones: Vec<String>,
    #[serde(default)]
    emails: Vec<String>,
    #[serde(default)]
    callers: Vec<CallerId>,
    #[serde(default)]
    forget_in_cms: bool,
}

/// Orders one and begins it; the same again while it is under way is the same one.
pub(super) async fn order(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewErasure>,
) -> Result<Response, Problem> {
    if new.phones.len() + new.emails.len() + new.callers.len() > NAMES_MAX {
        let sentence = format!("a person has at most {NAMES_MAX} numbers, addresses and keys");
        return Err(Problem::Unprocessable(sentence));
    }
    let wish = Wish {
        phones: new.phones,
        emails: new.emails,
        callers: new.callers,
        forget_in_cms: new.forget_in_cms,
    };
    let erasures = Erasures::new(&state.parts.log, state.parts.normaliser);
    let now = state.now();
    let erasure = erasures.order(&wish, &caller.name, now).await?;
    tokio::spawn(async move {
        if let Err(fault) = erasures.carry_out(now).await {
            tracing::warn!(%fault, "an erasure was interrupted, and will be gone on with");
        }
    });
    Ok((StatusCode::ACCEPTED, Json(json::record(&erasure)?)).into_response())
}

/// How one stands.
pub(super) async fn one(
    State(state): State<ApiState>,
    Key(id): Key<String>,
) -> Result<Response, Problem> {
    let erasures = Erasures::new(&state.parts.log, state.parts.normaliser);
    let erasure = erasures.one(&id).await?;
    let erasure = erasure.ok_or_else(|| Problem::NotFound(format!("no erasure `{id}`")))?;
    Ok(Json(json::record(&erasure)?).into_response())
}

impl From<ErasureFault> for Problem {
    fn from(fault: ErasureFault) -> Self {
        match fault {
            ErasureFault::Nobody | ErasureFault::NotAnIdentity(_) => {
                Self::Unprocessable(fault.to_string())
            }
            ErasureFault::IsLive(_) | ErasureFault::UnderWay(_) => {
                Self::Conflict(fault.to_string())
            }
            ErasureFault::StillRead => Self::Unavailable(fault.to_string()),
            ErasureFault::Database(fault) => fault.into(),
        }
    }
}
