//! What a request says, taken apart; whatever is wrong with it becomes a problem document.

use super::problem::Problem;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use std::str::FromStr;

/// Most bytes of a body.
pub(super) const BODY_BYTES_MAX: usize = 256 * 1_024;

/// Most bytes of the body of a question, which changes nothing.
pub(super) const QUESTION_BYTES_MAX: usize = 2 * 1_024 * 1_024;

/// Rows of a page when nobody says how many.
const LIMIT_USUAL: usize = 50;

/// Most rows of a page.
const LIMIT_MAX: usize = 500;

/// The query of a URL; an unknown key is a fault.
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(params) = Query::<T>::from_request_parts(parts, state)
            .await
            .map_err(|fault| Problem::BadRequest(fault.body_text()))?;
        Ok(Self(params))
    }
}

/// The one variable of a path.
#[derive(Debug)]
pub(super) struct Key<T>(pub(super) T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Key<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|fault| Problem::BadRequest(fault.body_text()))?;
        text.parse()
            .map(Self)
            .map_err(|_| Problem::NotFound(format!("`{text}` names nothing here")))
    }
}

/// The bytes of a body that says it is JSON.
#[derive(Debug)]
pub(super) struct JsonBytes(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBytes {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(is_json);
        if !is_json {
            return Err(Problem::UnsupportedMediaType);
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|fault| {
            if fault.status() == StatusCode::PAYLOAD_TOO_LARGE {
                return Problem::TooLarge {
                    bytes_max: QUESTION_BYTES_MAX,
                };
            }
            Problem::BadRequest(fault.body_text())
        })?;
        Ok(Self(bytes))
    }
}

/// A JSON body; an unknown key is a fault.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let JsonBytes(bytes) = JsonBytes::from_request(request, state).await?;
        // A list would be taken for the fields in the order in which we wrote them down.
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
            let sentence = "the body must be an object, not a list".to_owned();
            return Err(Problem::Unprocessable(sentence));
        }
        match serde_json::from_slice(&bytes) {
            Ok(body) => Ok(Self(body)),
            Err(fault) if fault.is_data() => Err(Problem::Unprocessable(fault.to_string())),
            Err(fault) => Err(Problem::BadRequest(fault.to_string())),
        }
    }
}

/// RFC 8259 section 11, and the suffix of RFC 6839 section 3.1 for patches.
fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or("").trim();
    let kind = kind.to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// How many rows are wanted.
pub(super) fn limit(wanted: Option<usize>) -> Result<usize, Problem> {
    match wanted {
        None => Ok(LIMIT_USUAL),
        Some(limit @ 1..=LIMIT_MAX) => Ok(limit),
        Some(_) => Err(Problem::BadRequest(format!("limit is 1 to {LIMIT_MAX}"))),
    }
}

/// A text of one line and at most so many letters, without the space around it.
pub(super) fn checked_line(name: &str, text: &str, letters_max: usize) -> Result<String, Problem> {
    let text = text.trim();
    if text.chars().count() > letters_max || text.chars().any(char::is_control) {
        return Err(Problem::Unprocessable(format!(
            "{name} has at most {letters_max} letters on one line"
        )));
    }
    Ok(text.to_owned())
}

/// Reads an optional word of the query.
pub(super) fn parsed<T: FromStr>(name: &str, text: Option<&str>) -> Result<Option<T>, Problem> {
    text.map(|text| {
        text.parse()
            .map_err(|_| Problem::BadRequest(format!("{name}: `{text}` is not valid")))
    })
    .transpose()
}
