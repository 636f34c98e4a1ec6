//! `POST /contacts/{id}/rating`: what the other side of a contact thinks of it, told by the program that asked, such as
//! a chat's window or a survey of one's own. It stands beside what callers key in and what mails' links bring.

use super::ApiState;
use super::contacts::unknown;
use super::extract::{Body, Key};
use super::problem::Problem;
use super::survey::COMMENT_LETTERS_MAX;
use crate::database::DatabaseFault;
use crate::mail::{Deed, Done};
use crate::satisfaction::Judgement;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ringdown_routing::ids::ContactId;
use serde::Deserialize;
use serde_json::json;

/// What it takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rating {
    /// 1 (badly) to 5.
    score: u8,
    #[serde(default)]
    comment: String,
}

/// Keeps it; of one contact the first word stands.
pub(super) async fn rate(
    State(state): State<ApiState>,
    Key(contact): Key<ContactId>,
    Body(rating): Body<Rating>,
) -> Result<Response, Problem> {
    if !(1..=5).contains(&rating.score) {
        return Err(Problem::Unprocessable("score is 1 to 5".to_owned()));
    }
    let comment = rating.comment.trim();
    if comment.chars().count() > COMMENT_LETTERS_MAX {
        return Err(Problem::Unprocessable(format!(
            "a comment has at most {COMMENT_LETTERS_MAX} letters"
        )));
    }
    let log = &state.parts.log;
    if log.contact(contact).await?.is_none() {
        return Err(unknown(contact));
    }
    let judgement = Judgement {
        contact,
        queue: None,
        score: rating.score,
        comment: comment.to_owned(),
        at: state.now(),
    };
    let deed = Deed::Judge(Box::new(judgement));
    match log.database().do_deed(deed).await? {
        Done::Repeated => Err(Problem::Conflict(format!(
            "contact {contact} was rated before, and the first word stands"
        ))),
        Done::Written { .. } => {
            let told = json!({ "contact": contact, "score": rating.score, "comment": comment });
            Ok((StatusCode::CREATED, Json(told)).into_response())
        }
        done @ (Done::Merged { .. } | Done::Split(_) | Done::Refused(_)) => {
            Err(DatabaseFault::Unreadable(format!("a rating became {done:?}")).into())
        }
    }
}
