//! `PATCH /agents/{id}`, `POST /agents/{id}/wrap_up`: a supervisor's hand on the agents.

use super::access::Caller;
use super::agents::{AgentNow, unknown};
use super::extract::{Body, Key};
use super::problem::Problem;
use super::{ApiState, json};
use crate::roster::{self, AgentChange, Queues};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use ringdown_routing::event::{EventDraft, EventKind};
use ringdown_routing::ids::{AgentId, ContactId};
use ringdown_routing::verb::{Answer, Refusal, Verb};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Most contacts of one channel that an agent may be given at once.
const CAPACITY_MAX: u16 = 100;

/// Changes what an agent serves, can do and holds at once; contacts in their hands stay.
pub(super) async fn change_agent(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Key(id): Key<String>,
    Body(change): Body<AgentChange>,
) -> Result<Response, Problem> {
    let agent = AgentId::new(id);
    check(&state, &change)?;
    // One change at a time, so that none is laid over what another has just replaced.
    let _turn = state.agents_turn.lock().await;
    let known = state.parts.acd.read(|view| view.agent(&agent).cloned());
    let mut known = known.ok_or_else(|| unknown(&agent))?;
    let database = &state.parts.database;
    let before = roster::changes(database)
        .await?
        .remove(&agent)
        .unwrap_or_default();
    let after = before.clone().followed_by(&change);
    roster::put_change(database, &agent, &after).await?;
    change.apply(&mut known.profile);
    let verb = Verb::SetAgent {
        profile: known.profile.clone(),
    };
    if let Err(problem) = state.order(verb).await {
        roster::put_change(database, &agent, &before).await?;
        return Err(problem);
    }
    state.tell_intervention(&caller, "agent_changed", details(&change), |draft| {
        EventDraft {
            agent: Some(agent),
            ..draft
        }
    });
    Ok(Json(json::record(&AgentNow::from(&known))?).into_response())
}

fn check(state: &ApiState, change: &AgentChange) -> Result<(), Problem> {
    let refuse = |sentence: String| Err(Problem::Unprocessable(sentence));
    if change.is_empty() {
        return refuse("nothing is to be changed".to_owned());
    }
    if let Some(Queues(queues)) = &change.queues {
        let is_known = |view: &ringdown_routing::view::View, queue| view.queue(queue).is_some();
        let strange = state
            .parts
            .acd
            .read(|view| queues.keys().find(|queue| !is_known(view, queue)).cloned());
        if let Some(queue) = strange {
            return refuse(format!("no queue `{queue}`"));
        }
    }
    for (skill, level) in change.skills.iter().flatten() {
        if !state.parts.skills.contains(skill) {
            return refuse(format!("no skill `{skill}`"));
        }
        if *level == 0 {
            return refuse(format!("the level of `{skill}` counts from 1"));
        }
    }
    let capacity = change.capacity.iter().flatten();
    match capacity.map(|(_, most)| *most).max() {
        Some(most) if most > CAPACITY_MAX => {
            refuse(format!("a capacity is at most {CAPACITY_MAX}"))
        }
        Some(_) | None => Ok(()),
    }
}

/// The change in words: each field as its JSON.
fn details(change: &AgentChange) -> BTreeMap<String, String> {
    match serde_json::to_value(change) {
        Ok(serde_json::Value::Object(fields)) => fields
            .into_iter()
            .map(|(name, value)| (name, value.to_string()))
            .collect(),
        Ok(_) | Err(_) => BTreeMap::new(),
    }
}

/// What `POST /agents/{id}/wrap_up` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrapUpWish {
    act: WrapUpAct,
    /// After which contact; to end it, all when not given.
    contact: Option<ContactId>,
    /// Only to extend it.
    by_s: Option<u32>,
}

/// What is to become of a wrap-up.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WrapUpAct {
    End,
    Extend,
}

/// Ends or extends an agent's work after a contact.
pub(super) async fn wrap_up(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Key(id): Key<String>,
    Body(wish): Body<WrapUpWish>,
) -> Result<Response, Problem> {
    let agent = AgentId::new(id);
    caller.must_act_for(&agent)?;
    let (act, verb) = match (wish.act, wish.contact, wish.by_s) {
        (WrapUpAct::End, contact, None) => {
            let agent = agent.clone();
            ("wrap_up_ended", Verb::EndWrapUp { agent, contact })
        }
        (WrapUpAct::Extend, Some(contact), Some(by_s @ 1..)) => {
            let (agent, by) = (agent.clone(), Duration::from_secs(by_s.into()));
            let verb = Verb::ExtendWrapUp { agent, contact, by };
            ("wrap_up_extended", verb)
        }
        (WrapUpAct::End, _, Some(_)) | (WrapUpAct::Extend, _, _) => {
            let sentence = "extend takes `contact` and `by_s` above 0, end takes no `by_s`";
            return Err(Problem::Unprocessable(sentence.to_owned()));
        }
    };
    state.order(verb).await?;
    let told = agent.clone();
    let by = wish.by_s.map(|by_s| ("by_s".to_owned(), by_s.to_string()));
    state.tell_intervention(&caller, act, by.into_iter().collect(), |draft| EventDraft {
        agent: Some(told),
        contact: wish.contact,
        ..draft
    });
    let known = state.parts.acd.read(|view| view.agent(&agent).cloned());
    let known = known.ok_or_else(|| unknown(&agent))?;
    Ok(Json(json::record(&AgentNow::from(&known))?).into_response())
}

impl ApiState {
    /// Asks the desk for a change; what it refuses is a problem.
    pub(super) async fn order(&self, verb: Verb) -> Result<(), Problem> {
        match self.parts.acd.change(verb).await? {
            Answer::Done => Ok(()),
            Answer::Refused { reason } => Err(refused(reason)),
            Answer::Reserved { .. } => Err(Problem::Internal),
        }
    }

    /// Tells that somebody changed the desk by hand, and it was done.
    pub(super) fn tell_intervention(
        &self,
        caller: &Caller,
        act: &str,
        details: BTreeMap<String, String>,
        about: impl FnOnce(EventDraft) -> EventDraft,
    ) {
        let kind = EventKind::Intervened {
            by: caller.name.to_string(),
            act: act.to_owned(),
            details,
        };
        let draft = about(EventDraft::of_desk(self.now(), kind));
        if let Err(fault) = self.parts.acd.publish(draft) {
            tracing::warn!(%fault, act, "api: a change was made, but its event was not kept");
        }
    }
}

pub(super) fn refused(reason: Refusal) -> Problem {
    match reason {
        Refusal::UnknownQueue => Problem::NotFound("no such queue".to_owned()),
        Refusal::UnknownContact => {
            Problem::NotFound("no such contact waits, rings or is active".to_owned())
        }
        Refusal::UnknownAgent => Problem::NotFound("no such agent".to_owned()),
        Refusal::QueueClosed => Problem::Conflict("the queue is closed".to_owned()),
        Refusal::QueueFull => Problem::Conflict("the queue is full".to_owned()),
        Refusal::NotWaiting => Problem::Conflict("the contact does not wait any more".to_owned()),
        Refusal::NotActive => Problem::Conflict("no agent has the contact".to_owned()),
        Refusal::AgentNotFree => Problem::Conflict("the agent is not free".to_owned()),
        Refusal::NotEligible => Problem::Conflict("the agent may not take that".to_owned()),
        Refusal::QueueAtItsLimit => {
            Problem::Conflict("the queue has as many contacts with agents as it may".to_owned())
        }
        Refusal::TooManyAtOnce => {
            Problem::Conflict("the queue does not ring so many agents at once".to_owned())
        }
        Refusal::NoWrapUp => Problem::Conflict("the agent does not wrap that up".to_owned()),
        Refusal::NoTimeLeft => Problem::Conflict("the wrap-up can be no longer".to_owned()),
        Refusal::StaleOffer => Problem::Conflict("the offer is over".to_owned()),
        Refusal::AlreadyEnded => Problem::Conflict("the contact has ended".to_owned()),
    }
}
