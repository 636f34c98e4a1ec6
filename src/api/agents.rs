//! `GET /agents`, `POST /agents/{id}/status`.

use super::access::Caller;
use super::extract::{Body, Key, Params, checked_line, limit};
use super::problem::Problem;
use super::{ApiState, json};
use crate::acd::StoreLost;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use ringdown_routing::agent::{Agent, Hold, Served, Skills, State as AgentState, Status, served};
use ringdown_routing::event::EventDraft;
use ringdown_routing::ids::{AgentId, ContactId, QueueId};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::Verb;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most letters of a reason.
const REASON_LETTERS_MAX: usize = 100;

/// The warning of an agent who is longer not ready than their reason allows.
const NOT_READY_TOO_LONG: &str = "not_ready_too_long";

/// The reason of an agent who gave none.
const REASON_USUAL: &str = "other";

/// One agent as they are now.
#[derive(Debug, Serialize)]
pub(super) struct AgentNow {
    id: AgentId,
    name: String,
    #[serde(with = "served")]
    queues: Served,
    skills: Skills,
    #[serde(flatten)]
    status: Status,
    next_status: Option<Status>,
    /// Since when they have that status, as far as it is known.
    status_since_at: Option<Timestamp>,
    /// What a supervisor should look at.
    warning: Option<&'static str>,
    state: &'static str,
    /// The oldest of the contacts.
    contact: Option<ContactId>,
    /// All in their hands, by id.
    contacts: BTreeMap<ContactId, Hold>,
    is_reachable: bool,
    idle_since_at: Timestamp,
}

impl From<&Agent> for AgentNow {
    fn from(agent: &Agent) -> Self {
        Self {
            id: agent.profile.id.clone(),
            name: agent.profile.name.clone(),
            queues: agent.profile.queues.clone(),
            skills: agent.profile.skills.clone(),
            status: agent.status.clone(),
            next_status: agent.next_status.clone(),
            status_since_at: None,
            warning: None,
            state: match agent.state() {
                AgentState::Idle => "idle",
                AgentState::Ringing => "ringing",
                AgentState::Talking => "talking",
                AgentState::WrapUp => "wrap_up",
            },
            contact: agent.holds.keys().next().copied(),
            contacts: agent.holds.clone(),
            is_reachable: agent.is_reachable,
            idle_since_at: agent.idle_since,
        }
    }
}

impl AgentNow {
    /// The same with what the clock says.
    fn timed(mut self, state: &ApiState) -> Self {
        self.status_since_at = state.parts.observers.statuses.since(&self.id);
        if let (Status::NotReady(reason), Some(since)) = (&self.status, self.status_since_at) {
            let waited = state.now().since(since).as_secs();
            let reasons = state.parts.not_ready_reasons.iter();
            let mut limits = reasons
                .filter(|it| it.id == *reason)
                .filter_map(|it| it.max_s);
            let is_over = limits.any(|max_s| waited > u64::from(max_s));
            self.warning = is_over.then_some(NOT_READY_TOO_LONG);
        }
        self
    }
}

/// What `GET /agents` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    queue: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// Lists agents, by id.
pub(super) async fn list(
    State(state): State<ApiState>,
    Params(params): Params<ListParams>,
) -> Result<Response, Problem> {
    let limit = limit(params.limit)?;
    let queue = params.queue.map(QueueId::new);
    let agents: Vec<AgentNow> = state.parts.acd.read(|view| {
        view.agents()
            .filter(|agent| {
                params
                    .cursor
                    .as_deref()
                    .is_none_or(|cursor| agent.profile.id.as_str() > cursor)
            })
            .filter(|agent| {
                queue
                    .as_ref()
                    .is_none_or(|queue| agent.profile.queues.contains_key(queue))
            })
            .take(limit)
            .map(AgentNow::from)
            .collect()
    });
    let agents: Vec<AgentNow> = agents.into_iter().map(|it| it.timed(&state)).collect();
    let next = agents
        .last()
        .filter(|_| agents.len() == limit)
        .map(|agent| agent.id.to_string());
    let items = agents.iter().map(json::record).collect::<Result<_, _>>()?;
    Ok(json::page(items, next))
}

/// Lists why agents may take no contacts; empty when they may write what they like.
pub(super) async fn not_ready_reasons(State(state): State<ApiState>) -> Result<Response, Problem> {
    let reasons = state.parts.not_ready_reasons.iter();
    let items = reasons.map(json::record).collect::<Result<_, _>>()?;
    Ok(json::page(items, None))
}

/// Where reasons are configured, an agent has one of them.
fn must_be_known(state: &ApiState, status: &Status) -> Result<(), Problem> {
    let reasons = &state.parts.not_ready_reasons;
    match status {
        Status::NotReady(reason)
            if !reasons.is_empty() && !reasons.iter().any(|known| known.id == *reason) =>
        {
            let known: Vec<&str> = reasons.iter().map(|reason| reason.id.as_str()).collect();
            Err(Problem::Unprocessable(format!(
                "no reason `{reason}`: it is one of {}",
                known.join(", ")
            )))
        }
        Status::NotReady(_) | Status::Available | Status::LoggedOff => Ok(()),
    }
}

/// What `POST /agents/{id}/status` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewStatus {
    status: StatusWord,
    reason: Option<String>,
}

/// A status without its reason.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StatusWord {
    Available,
    NotReady,
    LoggedOff,
}

/// Sets what an agent chose; while they hold a contact it comes into force when that is over.
pub(super) async fn set_status(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Key(id): Key<String>,
    Body(wish): Body<NewStatus>,
) -> Result<Response, Problem> {
    let (agent, status) = (AgentId::new(id), wish.checked()?);
    must_be_known(&state, &status)?;
    caller.must_act_for(&agent)?;
    let verb = Verb::AgentStatus {
        agent: agent.clone(),
        status: status.clone(),
    };
    state.order(verb).await?;
    let details = match &status {
        Status::Available => BTreeMap::from([("status".to_owned(), "available".to_owned())]),
        Status::LoggedOff => BTreeMap::from([("status".to_owned(), "logged_off".to_owned())]),
        Status::NotReady(reason) => BTreeMap::from([
            ("status".to_owned(), "not_ready".to_owned()),
            ("reason".to_owned(), reason.clone()),
        ]),
    };
    let told = agent.clone();
    state.tell_intervention(&caller, "status_chosen", details, |draft| EventDraft {
        agent: Some(told),
        ..draft
    });
    let found = state.parts.acd.read(|view| view.agent(&agent).cloned());
    let mut found = found.ok_or_else(|| unknown(&agent))?;
    // With a shared store this node hears of its own change a moment later.
    if found.holds.is_empty() {
        found.status = status;
    } else if found.status != status {
        found.next_status = Some(status);
    }
    Ok(Json(json::record(&AgentNow::from(&found))?).into_response())
}

impl NewStatus {
    fn checked(self) -> Result<Status, Problem> {
        let reason = self.reason.unwrap_or_default();
        let reason = checked_line("reason", &reason, REASON_LETTERS_MAX)?;
        let reason = Some(reason).filter(|reason| !reason.is_empty());
        match (self.status, reason) {
            (StatusWord::NotReady, reason) => Ok(Status::NotReady(
                reason.unwrap_or_else(|| REASON_USUAL.to_owned()),
            )),
            (StatusWord::Available, None) => Ok(Status::Available),
            (StatusWord::LoggedOff, None) => Ok(Status::LoggedOff),
            (StatusWord::Available | StatusWord::LoggedOff, Some(_)) => Err(
                Problem::Unprocessable("only not_ready has a reason".to_owned()),
            ),
        }
    }
}

pub(super) fn unknown(agent: &AgentId) -> Problem {
    Problem::NotFound(format!("no agent `{agent}`"))
}

impl From<StoreLost> for Problem {
    fn from(lost: StoreLost) -> Self {
        tracing::warn!(%lost, "api: the queue store failed a request");
        Self::Unavailable("the queue cannot be changed at the moment".to_owned())
    }
}
