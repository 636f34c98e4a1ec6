//! `GET /events`: the desk's events as they happen (server-sent events, WHATWG HTML section 9.2).

use super::ApiState;
use super::extract::Params;
use super::feed::{Heard, Line, Listener};
use super::problem::Problem;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use ringdown_routing::ids::{EventId, NodeId};
use serde::Deserialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// How often a silent connection is kept from being taken for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What `GET /events` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListenParams {
    after: Option<String>,
}

/// Sends events from now on, or from behind the one named by `after` (or `Last-Event-ID`) on.
///
/// When events between are not at hand any more, an event named `gap` says so first; whoever
/// follows the desk reads its state anew then.
pub(super) async fn listen(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Params(params): Params<ListenParams>,
) -> Result<Response, Problem> {
    let permit = Arc::clone(&state.listeners)
        .try_acquire_owned()
        .map_err(|_| Problem::Unavailable("too many listen already".to_owned()))?;
    let header = headers
        .get("last-event-id")
        .map(|value| value.to_str().unwrap_or(""));
    let after = params
        .after
        .as_deref()
        .or(header)
        .map(event_id)
        .transpose()?;
    let feed = &state.parts.observers.feed;
    let (listener, has_gap) = match after {
        None => (feed.listen(), false),
        Some(id) => match feed.listen_after(&id) {
            Some(listener) => (listener, false),
            None => (feed.listen(), true),
        },
    };
    let stream = sent(state, listener, has_gap, permit);
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(stream).keep_alive(keep_alive).into_response())
}

struct Sending {
    state: ApiState,
    listener: Listener,
    ready: VecDeque<Arc<Line>>,
    has_gap: bool,
    _permit: OwnedSemaphorePermit,
}

fn sent(
    state: ApiState,
    listener: Listener,
    has_gap: bool,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Sent, Infallible>> {
    let sending = Sending {
        state,
        listener,
        ready: VecDeque::new(),
        has_gap,
        _permit: permit,
    };
    stream::unfold(sending, |mut sending| async move {
        loop {
            if std::mem::take(&mut sending.has_gap) {
                return Some((Ok(Sent::default().event("gap").data("{}")), sending));
            }
            if let Some(line) = sending.ready.pop_front() {
                let sent = Sent::default().id(id_text(&line.id)).data(&line.json);
                return Some((Ok(sent), sending));
            }
            match sending
                .state
                .parts
                .observers
                .feed
                .hear(&mut sending.listener)
            {
                Heard::Gap => sending.has_gap = true,
                Heard::Lines(lines) if lines.is_empty() => {
                    if !sending.listener.wait().await {
                        return None;
                    }
                }
                Heard::Lines(lines) => sending.ready.extend(lines),
            }
        }
    })
}

/// An event's id as the client gives it back: origin and number.
fn id_text(id: &EventId) -> String {
    format!("{}:{}", id.origin, id.number)
}

fn event_id(text: &str) -> Result<EventId, Problem> {
    let parse = || {
        let (origin, number) = text.rsplit_once(':')?;
        Some(EventId {
            origin: NodeId::from(origin),
            number: number.parse().ok()?,
        })
    };
    parse().ok_or_else(|| Problem::BadRequest(format!("after: `{text}` is not the id of an event")))
}
