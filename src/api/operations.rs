//! The operations listener: `/healthz` (the process lives), `/readyz` (it can take contacts), `/metrics`.
//!
//! It has no tokens: it listens on loopback unless told otherwise, and shows no personal data.

use super::Observers;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Whether the gateway can take contacts: every part that may fail adds a check.
#[derive(Clone, Default)]
pub struct Readiness {
    checks: Arc<Mutex<Vec<(&'static str, Check)>>>,
}

type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

impl Readiness {
    /// Adds a check; it must not wait, and tells in words what is wrong.
    pub fn add(
        &self,
        name: &'static str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) {
        self.checks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((name, Box::new(check)));
    }

    fn ask(&self) -> (StatusCode, Value) {
        let mut parts = Map::new();
        let mut is_ready = true;
        for (name, check) in self
            .checks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            let told = match check() {
                Ok(()) => "ok".to_owned(),
                Err(reason) => {
                    is_ready = false;
                    reason
                }
            };
            parts.insert((*name).to_owned(), Value::String(told));
        }
        let status = if is_ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        (status, json!({ "ready": is_ready, "checks": parts }))
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").finish_non_exhaustive()
    }
}

/// The operations listener's router.
pub fn router(observers: Arc<Observers>, readiness: Readiness) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready).with_state(readiness))
        .route("/metrics", get(metrics).with_state(observers))
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    let (status, body) = readiness.ask();
    (status, Json(body)).into_response()
}

async fn metrics(State(observers): State<Arc<Observers>>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    let text = observers
        .metrics
        .render_with(|out| observers.running.tell(out));
    ([(CONTENT_TYPE, kind)], text).into_response()
}
