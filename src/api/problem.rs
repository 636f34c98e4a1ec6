//! Refusals as RFC 9457 problem documents: whose fault, and whether trying again is useful.

use crate::database::DatabaseFault;
use axum::Json;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use ringdown_routing::ids::ContactId;
use serde::Serialize;

/// Seconds after which a client may try again what we could not do.
const RETRY_AFTER_S: u32 = 5;

/// Why a request was refused; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The request cannot be understood; the sentence says what is wrong with it.
    BadRequest(String),
    /// No token, or one that nobody has.
    Unauthorized,
    /// The token may not do this.
    Forbidden,
    /// There is no such thing; the sentence says what.
    NotFound(String),
    /// The path is there, the method is not.
    MethodNotAllowed,
    /// It cannot be now; the sentence says why.
    Conflict(String),
    /// It is so already, by this contact.
    ConflictWith {
        /// A sentence that says so.
        detail: String,
        /// The contact; a member of the document.
        contact: ContactId,
    },
    /// The body has more bytes than are taken.
    TooLarge {
        /// How many are taken.
        bytes_max: usize,
    },
    /// The body is not JSON.
    UnsupportedMediaType,
    /// The body is JSON, and says something that cannot be.
    Unprocessable(String),
    /// Too many requests of one token.
    TooManyRequests {
        /// Seconds until the next is taken.
        retry_after_s: u32,
    },
    /// Something we need does not answer; the sentence is for the operator.
    Unavailable(String),
    /// A fault of ours.
    Internal,
}

#[derive(Serialize)]
struct Document {
    r#type: String,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<ContactId>,
}

impl Problem {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) | Self::ConflictWith { .. } => StatusCode::CONFLICT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn told(&self) -> (&'static str, &'static str, Option<String>) {
        match self {
            Self::BadRequest(detail) => (
                "bad-request",
                "The request cannot be understood",
                Some(detail.clone()),
            ),
            Self::Unauthorized => (
                "unauthorized",
                "A bearer token is needed",
                Some(
                    "send the header `Authorization: Bearer TOKEN` with a token of this desk"
                        .to_owned(),
                ),
            ),
            Self::Forbidden => (
                "forbidden",
                "This token may not do that",
                Some("a token with the right `write` is needed, or the agent's own".to_owned()),
            ),
            Self::NotFound(detail) => ("not-found", "There is no such thing", Some(detail.clone())),
            Self::MethodNotAllowed => ("method-not-allowed", "This cannot be done here", None),
            Self::Conflict(detail) | Self::ConflictWith { detail, .. } => {
                ("conflict", "This cannot be done now", Some(detail.clone()))
            }
            Self::TooLarge { bytes_max } => (
                "too-large",
                "The body is too large",
                Some(format!("at most {bytes_max} bytes are taken")),
            ),
            Self::UnsupportedMediaType => (
                "unsupported-media-type",
                "The body must be JSON",
                Some("send the header `Content-Type: application/json`".to_owned()),
            ),
            Self::Unprocessable(detail) => (
                "unprocessable",
                "The body says something that cannot be",
                Some(detail.clone()),
            ),
            Self::TooManyRequests { .. } => {
                ("too-many-requests", "Too many requests of this token", None)
            }
            Self::Unavailable(detail) => (
                "unavailable",
                "Something this needs does not answer",
                Some(detail.clone()),
            ),
            Self::Internal => (
                "internal",
                "A fault of the gateway; its log says more",
                None,
            ),
        }
    }

    fn contact(&self) -> Option<ContactId> {
        if let Self::ConflictWith { contact, .. } = self {
            Some(*contact)
        } else {
            None
        }
    }

    fn headers(&self) -> Option<(axum::http::HeaderName, HeaderValue)> {
        match self {
            Self::Unauthorized => Some((
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"ringdown\""),
            )),
            Self::TooManyRequests { retry_after_s } => {
                Some((RETRY_AFTER, HeaderValue::from(*retry_after_s)))
            }
            Self::Unavailable(_) => Some((RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S))),
            Self::BadRequest(_)
            | Self::Forbidden
            | Self::NotFound(_)
            | Self::MethodNotAllowed
            | Self::Conflict(_)
            | Self::ConflictWith { .. }
            | Self::TooLarge { .. }
            | Self::UnsupportedMediaType
            | Self::Unprocessable(_)
            | Self::Internal => None,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (slug, title, detail) = self.told();
        let document = Document {
            r#type: format!("urn:ringdown:problem:{slug}"),
            title,
            status: self.status().as_u16(),
            detail,
            contact: self.contact(),
        };
        let mut response = (self.status(), Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some((name, value)) = self.headers() {
            headers.insert(name, value);
        }
        debug_assert!(!headers.contains_key(ALLOW), "the router adds it");
        response
    }
}

impl From<DatabaseFault> for Problem {
    fn from(fault: DatabaseFault) -> Self {
        if let DatabaseFault::LetGo(_) = fault {
            Self::Unprocessable(fault.to_string())
        } else if fault.is_transient() {
            tracing::warn!(%fault, "api: the database failed a request");
            // What the server says may hold addresses; the client is told only that it is the database.
            Self::Unavailable("the database cannot be used at the moment".to_owned())
        } else {
            tracing::error!(%fault, "api: the database refused a request");
            Self::Internal
        }
    }
}
