//! `POST /contacts/{id}/answer`, `/close`, `/hand_over` and `/spam`, `POST /tickets/{id}/merge` and `/split`:
//! what agents do with mails.

use super::access::Caller;
use super::extract::{Body, Key, checked_line};
use super::gate::DoneBefore;
use super::idempotency::RequestKey;
use super::problem::Problem;
use super::tickets::{TicketKey, checked_subject};
use super::{ApiState, json};
use crate::kept_answers::RequestMark;
use crate::mail::MailWork;
use crate::mail::work::{AnswerWish, Ending, HandOver, Held, WorkFault};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use ringdown_email::EmailAddress;
use ringdown_routing::event::EventDraft;
use ringdown_routing::ids::{AgentId, ContactId, QueueId, TicketId};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Most addresses of one answer, in `to` and in `cc` each.
const ADDRESSES_MAX: usize = 20;

/// Most files of one answer.
const FILES_MAX: usize = 20;

/// Most letters of a ticket's result.
const RESULT_LETTERS_MAX: usize = 500;

/// What `POST /contacts/{id}/answer` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAnswer {
    text: String,
    html: Option<String>,
    to: Option<Vec<String>>,
    cc: Option<Vec<String>>,
    /// Files that came in by `POST /contacts/{id}/attachments`, by their ids.
    #[serde(default)]
    attachments: Vec<String>,
    /// Whether the contact is over with it.
    #[serde(default)]
    close: bool,
    /// What the ticket is then; `solved` when not given.
    status: Option<Ending>,
}

/// Answers a mail; with an `Idempotency-Key` at most once, whatever crashes in between.
pub(super) async fn answer(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    key: Option<Extension<RequestKey>>,
    Key(contact): Key<ContactId>,
    Body(wish): Body<NewAnswer>,
) -> Result<Response, Problem> {
    let work = state.mails()?;
    let key = key.map_or_else(rand::random, |Extension(key)| key.as_u128());
    let wish = wish.checked(key)?;
    // The gateway may have ended before it could say that it was done.
    if let Some((agent, answered)) = work.answered_before(contact, key).await? {
        if let Some(agent) = &agent {
            caller.must_act_for(agent)?;
        }
        return Ok(Json(json::record(&answered)?).into_response());
    }
    let held = held(work, &caller, contact).await?;
    let files = wish.files.len();
    let answered = work.answer(&held, wish).await?;
    let mut details = vec![
        ("ticket", answered.ticket.to_string()),
        ("message_id", answered.message_id.clone()),
    ];
    if files > 0 {
        details.push(("attachments", files.to_string()));
    }
    state.tell_of_mail(&caller, "mail_answered", &held, &details);
    Ok(Json(json::record(&answered)?).into_response())
}

impl NewAnswer {
    fn checked(self, key: u128) -> Result<AnswerWish, Problem> {
        let refuse = |sentence: &str| Err(Problem::Unprocessable(sentence.to_owned()));
        if self.text.trim().is_empty() {
            return refuse("text is empty");
        }
        if self.status.is_some() && !self.close {
            return refuse("`status` goes with `close`");
        }
        if self.attachments.len() > FILES_MAX {
            return Err(Problem::Unprocessable(format!(
                "an answer has at most {FILES_MAX} attachments"
            )));
        }
        Ok(AnswerWish {
            text: self.text,
            html: self.html.filter(|html| !html.trim().is_empty()),
            to: self.to.map(|to| addresses("to", to)).transpose()?,
            cc: self.cc.map(|cc| addresses("cc", cc)).transpose()?,
            files: self.attachments,
            ending: self.close.then(|| self.status.unwrap_or_default()),
            key,
        })
    }
}

fn addresses(name: &str, given: Vec<String>) -> Result<Vec<EmailAddress>, Problem> {
    if given.len() > ADDRESSES_MAX {
        return Err(Problem::Unprocessable(format!(
            "{name} has at most {ADDRESSES_MAX} addresses"
        )));
    }
    let parse = |text: String| {
        EmailAddress::parse(&text).ok_or_else(|| {
            Problem::Unprocessable(format!("{name}: `{text}` is not a mail address"))
        })
    };
    given.into_iter().map(parse).collect()
}

/// What `POST /contacts/{id}/close` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Closing {
    #[serde(default)]
    status: Ending,
    /// How it ended, in words for the desk.
    result: String,
    /// What the sender is told, where the line tells that a mail is done.
    #[serde(default)]
    text: String,
}

/// Ends the work on a mail, and its ticket with a result.
pub(super) async fn close(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    mark: Mark,
    Key(contact): Key<ContactId>,
    Body(wish): Body<Closing>,
) -> Result<Response, Problem> {
    let work = state.mails()?;
    let result = checked_line("result", &wish.result, RESULT_LETTERS_MAX)?;
    let held = held(work, &caller, contact).await?.marked(marked(mark));
    let now = work
        .close(&held, wish.status, &result, wish.text.trim())
        .await?;
    state.tell_of_mail(&caller, "mail_closed", &held, &[("result", result)]);
    Ok(told(&held, &serde_json::json!({ "state": now })))
}

/// What `POST /contacts/{id}/hand_over` takes: a queue, an agent, or both.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Goal {
    /// Its own when not given.
    queue: Option<QueueId>,
    /// For whom it is kept there.
    agent: Option<AgentId>,
    /// What the next one is to know; stands on the ticket.
    #[serde(default)]
    note: String,
}

/// Passes a mail on to a line or to an agent; it keeps its age.
pub(super) async fn hand_over(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    mark: Mark,
    Key(contact): Key<ContactId>,
    Body(goal): Body<Goal>,
) -> Result<Response, Problem> {
    let work = state.mails()?;
    let held = held(work, &caller, contact).await?.marked(marked(mark));
    if goal.queue.is_none() && goal.agent.is_none() {
        let sentence = "give `queue`, `agent` or both";
        return Err(Problem::Unprocessable(sentence.to_owned()));
    }
    if goal.agent.as_ref() == Some(&held.agent) {
        let sentence = "that agent has it already";
        return Err(Problem::Conflict(sentence.to_owned()));
    }
    let to = goal.queue.or_else(|| held.queue().cloned());
    let to = to.ok_or_else(|| Problem::Unprocessable("give `queue`".to_owned()))?;
    let mut details = vec![("queue", to.to_string())];
    details.extend(goal.agent.iter().map(|agent| ("agent", agent.to_string())));
    let goal = HandOver {
        to,
        keep_for: goal.agent,
        note: goal.note.trim().to_owned(),
    };
    let now = work.hand_over(&held, goal, &caller.name).await?;
    state.tell_of_mail(&caller, "mail_handed_over", &held, &details);
    Ok(told(&held, &serde_json::json!({ "state": now })))
}

/// What the acts without choice take.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Marks a mail as spam: its ticket is closed as such, and nobody is answered.
pub(super) async fn mark_spam(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    mark: Mark,
    Key(contact): Key<ContactId>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Response, Problem> {
    let work = state.mails()?;
    let held = held(work, &caller, contact).await?.marked(marked(mark));
    let now = work.mark_spam(&held, &caller.name).await?;
    state.tell_of_mail(&caller, "mail_marked_spam", &held, &[]);
    Ok(told(&held, &serde_json::json!({ "state": now })))
}

/// What `POST /tickets/{id}/merge` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MergeGoal {
    into: TicketId,
}

/// Brings everything of a ticket to another one: articles, contacts, and what comes back to it later.
pub(super) async fn merge(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    mark: Mark,
    done: Option<Extension<DoneBefore>>,
    Key(TicketKey(from)): Key<TicketKey>,
    Body(goal): Body<MergeGoal>,
) -> Result<Response, Problem> {
    if done.is_none() {
        let mark = marked(mark);
        let by = (&*caller.name, mark.as_ref());
        state.mails()?.merge(from, goal.into, by).await?;
        let details = [("from", from.to_string()), ("into", goal.into.to_string())];
        let details = details.map(|(name, value)| (name.to_owned(), value));
        state.tell_intervention(&caller, "ticket_merged", BTreeMap::from(details), |it| it);
    }
    let ticket = state.parts.tickets.ticket(goal.into).await?;
    Ok(Json(json::record(&ticket.ok_or(Problem::Internal)?)?).into_response())
}

/// What `POST /tickets/{id}/split` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SplitWish {
    /// The article's key.
    article: String,
    /// The new ticket's; that of the article when not given.
    subject: Option<String>,
}

/// Makes a ticket of one mail of a ticket.
pub(super) async fn split(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    mark: Mark,
    Key(TicketKey(from)): Key<TicketKey>,
    Body(wish): Body<SplitWish>,
) -> Result<Response, Problem> {
    let unknown = || Problem::NotFound(format!("no article `{}`", wish.article));
    let article: i64 = wish.article.parse().map_err(|_| unknown())?;
    let subject = wish.subject.as_deref().map(checked_subject).transpose()?;
    let work = state.mails()?;
    let mark = marked(mark);
    let by = (&*caller.name, mark.as_ref());
    let split = work.split(from, article, subject, by).await?;
    let details = [
        ("from", from.to_string()),
        ("ticket", split.ticket.to_string()),
    ];
    let details = details.map(|(name, value)| (name.to_owned(), value));
    state.tell_intervention(&caller, "ticket_split", BTreeMap::from(details), |draft| {
        EventDraft {
            contact: Some(split.contact),
            ..draft
        }
    });
    Ok((StatusCode::CREATED, Json(json::record(&split)?)).into_response())
}

/// What a request with an `Idempotency-Key` is known by.
pub(super) type Mark = Option<Extension<RequestMark>>;

pub(super) fn marked(mark: Mark) -> Option<RequestMark> {
    mark.map(|Extension(mark)| mark)
}

pub(super) async fn held(
    work: &MailWork,
    caller: &Caller,
    contact: ContactId,
) -> Result<Held, Problem> {
    let held = work.held(contact).await?;
    caller.must_act_for(&held.agent)?;
    Ok(held)
}

fn told(held: &Held, more: &serde_json::Value) -> Response {
    let mut now = serde_json::json!({ "contact": held.contact, "ticket": held.ticket });
    if let (Some(now), Some(more)) = (now.as_object_mut(), more.as_object()) {
        now.extend(more.clone());
    }
    Json(now).into_response()
}

impl ApiState {
    pub(super) fn mails(&self) -> Result<&MailWork, Problem> {
        let mails = self.parts.mails.as_ref();
        mails.ok_or_else(|| Problem::Conflict("this desk takes no mail".to_owned()))
    }

    fn tell_of_mail(&self, caller: &Caller, act: &str, held: &Held, details: &[(&str, String)]) {
        let details: BTreeMap<String, String> = details
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        self.tell_intervention(caller, act, details, |draft| EventDraft {
            contact: Some(held.contact),
            agent: Some(held.agent.clone()),
            ..draft
        });
    }
}

impl From<WorkFault> for Problem {
    fn from(fault: WorkFault) -> Self {
        match fault {
            WorkFault::Unknown(sentence) => Self::NotFound(sentence),
            WorkFault::NotNow(sentence) => Self::Conflict(sentence),
            WorkFault::Unfit(sentence) => Self::Unprocessable(sentence),
            WorkFault::TooLarge(bytes_max) => Self::TooLarge {
                bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
            },
            WorkFault::Database(fault) => fault.into(),
            WorkFault::Store(lost) => lost.into(),
        }
    }
}
