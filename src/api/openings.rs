//! `POST /queues/{id}/opening`, `GET` and `POST /emergency`: lines opened and closed by hand.

use super::access::Caller;
use super::extract::{Body, Key, checked_line};
use super::problem::Problem;
use super::{ApiState, json, queues};
use crate::openings::{Kind, Order, OrderFault};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use ringdown_routing::ids::QueueId;
use ringdown_routing::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Most letters of a reason.
const REASON_LETTERS_MAX: usize = 200;

/// What `POST /queues/{id}/opening` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOpening {
    opening: Wish,
    until: Option<jiff::Timestamp>,
    #[serde(default)]
    reason: String,
}

/// How a line is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wish {
    Open,
    Closed,
    ByHours,
}

/// Opens or closes a line by hand, or lets it follow its hours again.
pub(super) async fn set(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Key(id): Key<String>,
    Body(wish): Body<NewOpening>,
) -> Result<Response, Problem> {
    let queue = known(&state, QueueId::new(id))?;
    let openings = &state.parts.openings;
    let until = state.in_the_future(wish.until)?;
    let is_open = match wish.opening {
        Wish::Open => true,
        Wish::Closed => false,
        Wish::ByHours => {
            if until.is_some() || !wish.reason.is_empty() {
                let sentence = "by_hours takes neither until nor reason".to_owned();
                return Err(Problem::Unprocessable(sentence));
            }
            openings
                .take_back(Some(&queue), Kind::ByHand, &caller.name)
                .await?;
            return queues::one_now(&state, &queue);
        }
    };
    let order = Order {
        queue: Some(queue.clone()),
        kind: Kind::ByHand,
        is_open,
        say: None,
        reason: checked_line("reason", &wish.reason, REASON_LETTERS_MAX)?,
        by: caller.name.to_string(),
        at: state.now(),
        until,
    };
    openings.give(order).await?;
    queues::one_now(&state, &queue)
}

/// What `POST /emergency` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEmergency {
    closed: bool,
    queue: Option<QueueId>,
    say: Option<String>,
    #[serde(default)]
    reason: String,
    until: Option<jiff::Timestamp>,
}

/// An emergency that is in force.
#[derive(Debug, Serialize)]
struct EmergencyNow<'o> {
    queue: Option<&'o QueueId>,
    say: Option<&'o str>,
    reason: &'o str,
    by: &'o str,
    since_at: Timestamp,
    until_at: Option<Timestamp>,
}

/// Closes the desk or a line because of an emergency, or ends that; answers as [`emergencies`].
pub(super) async fn set_emergency(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Body(wish): Body<NewEmergency>,
) -> Result<Response, Problem> {
    let queue = wish.queue.map(|queue| known(&state, queue)).transpose()?;
    let openings = &state.parts.openings;
    if wish.closed {
        if let Some(say) = &wish.say
            && !state.parts.prompts.look_again(say)
        {
            return Err(Problem::Unprocessable(format!(
                "no {say}.wav that can be played is in the folders of [media]"
            )));
        }
        let order = Order {
            queue,
            kind: Kind::Emergency,
            is_open: false,
            say: wish.say,
            reason: checked_line("reason", &wish.reason, REASON_LETTERS_MAX)?,
            by: caller.name.to_string(),
            at: state.now(),
            until: state.in_the_future(wish.until)?,
        };
        openings.give(order).await?;
    } else if wish.say.is_some() || wish.until.is_some() || !wish.reason.is_empty() {
        let sentence = "the end of an emergency takes only `queue`".to_owned();
        return Err(Problem::Unprocessable(sentence));
    } else {
        openings
            .take_back(queue.as_ref(), Kind::Emergency, &caller.name)
            .await?;
    }
    emergencies(State(state)).await
}

/// Lists the emergencies in force, that of the whole desk first.
pub(super) async fn emergencies(State(state): State<ApiState>) -> Result<Response, Problem> {
    let orders = state.parts.openings.ordered().await;
    let emergencies = orders.iter().filter(|order| order.kind == Kind::Emergency);
    let items = emergencies
        .map(|order| {
            json::record(&EmergencyNow {
                queue: order.queue.as_ref(),
                say: order.say.as_deref(),
                reason: &order.reason,
                by: &order.by,
                since_at: order.at,
                until_at: order.until,
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Json(serde_json::json!({ "items": items })).into_response())
}

fn known(state: &ApiState, queue: QueueId) -> Result<QueueId, Problem> {
    if state.parts.openings.knows(&queue) {
        Ok(queue)
    } else {
        Err(Problem::NotFound(format!("no queue `{queue}`")))
    }
}

impl From<OrderFault> for Problem {
    fn from(fault: OrderFault) -> Self {
        match fault {
            OrderFault::Database(fault) => fault.into(),
            OrderFault::Store(lost) => lost.into(),
        }
    }
}
