//! `GET /callers`: who is meant by a number, an address or a name; asked as the channels ask.

use super::ApiState;
use super::extract::Params;
use super::problem::Problem;
use crate::cti::{Candidate, Claim, Identification};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for a search by name; by number and address the CMS's own deadline holds.
const SEARCH_WAIT_MAX: Duration = Duration::from_secs(2);

/// Most letters of what is asked for.
const TEXT_BYTES_MAX: usize = 256;

/// What `GET /callers` takes: exactly one of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallerParams {
    phone: Option<String>,
    email: Option<String>,
    q: Option<String>,
}

/// Looks a caller up: `known`, `ambiguous` (the likeliest first, with reasons), `unknown`, `unavailable`.
pub(super) async fn identify(
    State(state): State<ApiState>,
    Params(params): Params<CallerParams>,
) -> Result<Response, Problem> {
    let identification = match (params.phone, params.email, params.q) {
        (Some(phone), None, None) => {
            let claim = Claim::of_number(
                &with_plus(bounded("phone", &phone)?),
                &state.parts.normaliser,
            );
            state.parts.identifier.identify(&claim).await
        }
        (None, Some(email), None) => {
            let claim = Claim::of_mail(bounded("email", &email)?);
            state.parts.identifier.identify(&claim).await
        }
        (None, None, Some(text)) => search(&state, bounded("q", &text)?).await?,
        (Some(_) | None, Some(_) | None, Some(_) | None) => {
            return Err(Problem::BadRequest(
                "ask for one of phone, email and q".to_owned(),
            ));
        }
    };
    Ok(Json(identification).into_response())
}

async fn search(state: &ApiState, text: &str) -> Result<Identification, Problem> {
    let question = state.parts.cms.search(text);
    let found = match tokio::time::timeout(SEARCH_WAIT_MAX, question).await {
        Ok(Ok(found)) => found,
        Ok(Err(fault)) if fault.is_transient() => return Ok(Identification::Unavailable),
        Ok(Err(fault)) => return Err(fault.into()),
        Err(_) => return Ok(Identification::Unavailable),
    };
    let mut found: Vec<Arc<_>> = found.into_iter().map(Arc::new).collect();
    Ok(match found.len() {
        0 => Identification::Unknown,
        1 => Identification::Known {
            caller: found.remove(0),
        },
        _ => Identification::Ambiguous {
            candidates: found
                .into_iter()
                .map(|caller| Candidate {
                    caller,
                    reasons: Vec::new(),
                })
                .collect(),
        },
    })
}

fn bounded<'t>(name: &str, text: &'t str) -> Result<&'t str, Problem> {
    if text.trim().is_empty() || text.len() > TEXT_BYTES_MAX {
        return Err(Problem::BadRequest(format!(
            "{name} has 1 to {TEXT_BYTES_MAX} letters"
        )));
    }
    Ok(text)
}

/// In a query `+` means a space (WHATWG URL section 5.1); a number that begins with one was sent so.
fn with_plus(phone: &str) -> String {
    match phone.strip_prefix(' ') {
        Some(digits) => format!("+{digits}"),
        None => phone.to_owned(),
    }
}
