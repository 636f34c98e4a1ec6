//! Who looks at a page.

use super::sign_in::must_be_signed_in;
use super::tongue::Tongue;
use crate::api::{ApiState, Caller};
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

/// Somebody who is signed in and asks for a page; who is not is shown the way to the sign-in.
pub(super) struct Visitor {
    pub(super) caller: Caller,
    pub(super) tongue: Tongue,
    /// The page's own path and query.
    pub(super) here: String,
}

/// What the address says of the language.
#[derive(Debug, Deserialize)]
struct Spoken {
    language: Option<String>,
}

impl FromRequestParts<ApiState> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Response> {
        let here = parts.uri.to_string();
        let caller = must_be_signed_in(state, &parts.headers, &here).await?;
        let Query(spoken) =
            Query::<Spoken>::try_from_uri(&parts.uri).map_err(IntoResponse::into_response)?;
        let (language, site) = (spoken.language.as_deref(), &state.parts.language);
        Ok(Self {
            caller,
            tongue: Tongue::of(language, &parts.headers, site),
            here,
        })
    }
}
