//! The HTTP doors: the API under `/api/v1` for programs and pages, and the operations listener.
//!
//! | module | what lives here |
//! |---|---|
//! | `access`, `gate` | who may ask, how often, and that a mutation is done once |
//! | `problem`, `extract` | RFC 9457 refusals, and requests taken apart |
//! | `contacts`, `tickets`, `attachments`, `callers`, `queues`, `agents`, `statistics`, `simulations`, `staffing`, `events` | the answers, one file per noun |
//! | `callbacks` | callers who are called back |
//! | `major_incidents` | what callers hear of before the line |
//! | `offers`, `mails` | what is offered to an agent and in their hands, and what they do with mails |
//! | `reports`, `forecasts` | the report of a period in every format, and arrivals to come with the staff they take |
//! | `pages` | reports, staffing, forecasts and definitions for people, behind a sign-in |
//! | `watchers` | who gets copies of what is answered on a ticket |
//! | `survey` | the page where people say how it went, by a signed link |
//! | `erasures` | persons who are erased |
//! | `openings`, `control`, `waiting` | lines opened and closed by hand, and a supervisor's hand on agents and on who waits |
//! | `feed`, `observers` | the newest events for listeners, bounded, and who else is shown them |
//! | `operations` | `/healthz`, `/readyz`, `/metrics` |
//! | `serve` | sockets: bounded, with time limits, ending gracefully |
//!
//! The invariant: an answer of 4xx changed nothing, and no answer says success for what was not done.

mod access;
mod agents;
mod attachments;
mod callbacks;
mod callers;
mod contacts;
mod control;
mod erasures;
mod events;
mod extract;
mod feed;
mod forecasts;
mod gate;
mod idempotency;
mod json;
mod mails;
mod major_incidents;
mod node;
mod observers;
mod offers;
mod openings;
pub mod operations;
mod pages;
mod problem;
mod queues;
mod ratings;
mod reports;
pub mod serve;
mod simulations;
mod staffing;
mod statistics;
mod status_times;
mod survey;
mod tickets;
mod waiting;
mod watchers;

pub use access::{Caller, Tokens};
pub use feed::Feed;
pub(crate) use json::told;
pub use observers::Observers;
pub use problem::Problem;

use crate::acd::Acd;
use crate::call_backs::CallBacks;
use crate::cms::Cms;
use crate::config::{CallBackRules, Language, NotReadyReason, Zone};
use crate::cti::{Identifier, Normaliser};
use crate::database::Database;
use crate::drain::Drain;
use crate::event_log::EventLog;
use crate::incidents::Incidents;
use crate::mail::MailWork;
use crate::openings::Openings;
use crate::report::Settings;
use crate::roster;
use crate::site_prompts::SitePrompts;
use crate::tickets::Tickets;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, delete, get, patch, post};
use idempotency::Answers;
use ringdown_routing::ids::{AgentId, NodeId, QueueId, SkillId};
use ringdown_routing::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};

/// Most listeners of `GET /events` at one time.
const LISTENERS_MAX: usize = 256;

/// Most simulations at one time: they take a processor each.
const SIMULATIONS_MAX: usize = 1;

/// Most reports that are read from the log at one time; more wait for their turn.
const REPORTS_MAX: usize = 2;

/// How soon a token that was made or taken away counts.
const TOKENS_LOOKED_AT_EVERY: Duration = Duration::from_secs(2);

/// What the API answers from; clones share it.
#[derive(Clone, Debug)]
pub struct ApiState {
    parts: Arc<ApiParts>,
    answers: Arc<Answers>,
    listeners: Arc<Semaphore>,
    simulating: Arc<Semaphore>,
    /// Held while a report is read from the log.
    reporting: Arc<Semaphore>,
    /// Who tries to sign in on the pages.
    tries: Arc<pages::Tries>,
    /// Held while an agent is changed.
    agents_turn: Arc<Mutex<()>>,
}

/// The parts of the gateway the API looks at and changes.
#[derive(Debug)]
pub struct ApiParts {
    /// Who may ask.
    pub tokens: Tokens,
    /// The queue: looked at, changed, and asked what time it is.
    pub acd: Acd,
    /// The desk's zone.
    pub zone: Zone,
    /// What happened, and the contacts' records.
    pub log: EventLog,
    /// The tickets.
    pub tickets: Tickets,
    /// Who people are, asked as the channels ask.
    pub identifier: Identifier,
    /// Brings numbers to their one form.
    pub normaliser: Normaliser,
    /// Who people are, by name and key.
    pub cms: Cms,
    /// What every event is shown to.
    pub observers: Arc<Observers>,
    /// This gateway.
    pub node: NodeId,
    /// How far it is out of service.
    pub drain: Drain,
    /// When lines are open.
    pub openings: Arc<Openings>,
    /// What callers hear of before the line.
    pub incidents: Arc<Incidents>,
    /// The site's own prompts.
    pub prompts: Arc<SitePrompts>,
    /// What agents can do.
    pub skills: BTreeSet<SkillId>,
    /// Why agents may take no contacts; anything when there are none.
    pub not_ready_reasons: Vec<NotReadyReason>,
    /// Callers who are called back.
    pub call_backs: CallBacks,
    /// How callers are called back, of every queue.
    pub callback_rules: BTreeMap<QueueId, CallBackRules>,
    /// Whether a trunk takes calls out.
    pub calls_out: bool,
    /// The language of whoever has said nothing.
    pub language: Language,
    /// Where changes are written down.
    pub database: Database,
    /// The desk's name, for people.
    pub site_name: String,
    /// Agents who see the reports.
    pub managers: BTreeSet<AgentId>,
    /// Whether people reach the pages over TLS alone.
    pub is_reached_by_tls: bool,
    /// What the configuration says of reports.
    pub reports: Settings,
    /// What agents do with mails; `None` where none are taken.
    pub(crate) mails: Option<MailWork>,
}

impl ApiState {
    /// Puts the parts together.
    pub fn new(parts: ApiParts) -> Self {
        Self {
            parts: Arc::new(parts),
            answers: Arc::default(),
            listeners: Arc::new(Semaphore::new(LISTENERS_MAX)),
            simulating: Arc::new(Semaphore::new(SIMULATIONS_MAX)),
            reporting: Arc::new(Semaphore::new(REPORTS_MAX)),
            tries: Arc::default(),
            agents_turn: Arc::default(),
        }
    }

    /// Keeps the tokens of the database up to date while the gateway runs.
    pub fn follow_tokens(&self, database: Database) -> impl Future<Output = ()> + Send + 'static {
        let parts = Arc::clone(&self.parts);
        async move {
            let mut known = None;
            loop {
                match database.revision("tokens").await {
                    Ok(revision) if known == Some(revision) => {}
                    Ok(revision) => match roster::tokens(&database).await {
                        Ok(tokens) => {
                            parts.tokens.set_stored(&tokens);
                            known = Some(revision);
                        }
                        Err(fault) => tracing::debug!(%fault, "api: tokens cannot be read now"),
                    },
                    Err(fault) => tracing::debug!(%fault, "api: tokens cannot be read now"),
                }
                tokio::time::sleep(TOKENS_LOOKED_AT_EVERY).await;
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.parts.acd.now()
    }

    /// An instant at which something is to end.
    fn in_the_future(&self, until: Option<jiff::Timestamp>) -> Result<Option<Timestamp>, Problem> {
        let until = until.map(|until| Timestamp::from_millis(until.as_millisecond()));
        if until.is_some_and(|until| until <= self.now()) {
            return Err(Problem::Unprocessable("until has passed".to_owned()));
        }
        Ok(until)
    }
}

/// Every path behind the gate, with what answers it.
fn routes() -> Vec<(&'static str, MethodRouter<ApiState>)> {
    vec![
        ("/contacts", get(contacts::list)),
        ("/contacts/{id}", get(contacts::one)),
        ("/contacts/{id}/events", get(contacts::events)),
        ("/contacts/{id}/move", post(waiting::to_queue)),
        ("/contacts/{id}/priority", post(waiting::reprioritise)),
        ("/contacts/{id}/requeue", post(waiting::requeue)),
        ("/contacts/{id}/rating", post(ratings::rate)),
        ("/contacts/{id}/drop", post(waiting::drop_call)),
        ("/contacts/{id}/answer", post(mails::answer)),
        ("/contacts/{id}/attachments", post(attachments::take)),
        ("/contacts/{id}/close", post(mails::close)),
        ("/contacts/{id}/hand_over", post(mails::hand_over)),
        ("/contacts/{id}/spam", post(mails::mark_spam)),
        ("/offers/{id}/accept", post(offers::accept)),
        ("/offers/{id}/decline", post(offers::decline)),
        ("/tickets", get(tickets::list).post(tickets::open)),
        ("/tickets/{id}", get(tickets::one).patch(tickets::change)),
        ("/tickets/{id}/merge", post(mails::merge)),
        ("/tickets/{id}/split", post(mails::split)),
        ("/tickets/{id}/watchers", post(watchers::add)),
        ("/tickets/{id}/watchers/{address}", delete(watchers::remove)),
        ("/tickets/{id}/attachments/{aid}", get(attachments::one)),
        ("/callers", get(callers::identify)),
        ("/queues", get(queues::list)),
        ("/queues/{id}/waiting", get(queues::waiting)),
        ("/queues/{id}/opening", post(openings::set)),
        (
            "/emergency",
            get(openings::emergencies).post(openings::set_emergency),
        ),
        (
            "/major_incidents",
            get(major_incidents::list).post(major_incidents::declare),
        ),
        ("/major_incidents/{id}", delete(major_incidents::end)),
        ("/callbacks", get(callbacks::list).post(callbacks::order)),
        ("/callbacks/{id}", delete(callbacks::cancel)),
        ("/agents", get(agents::list)),
        ("/agents/{id}", patch(control::change_agent)),
        ("/agents/{id}/wrap_up", post(control::wrap_up)),
        ("/agents/{id}/status", post(agents::set_status)),
        ("/not_ready_reasons", get(agents::not_ready_reasons)),
        ("/agents/{id}/offers", get(offers::list)),
        ("/node", get(node::show)),
        ("/node/drain", post(node::drain).delete(node::undo)),
        ("/statistics", get(statistics::statistics)),
        ("/statistics/answers", get(statistics::answers)),
        ("/simulations", post(simulations::simulate)),
        ("/staffing", post(staffing::staff)),
        ("/reports", get(reports::report)),
        ("/forecasts", post(forecasts::forecast)),
        ("/erasures", post(erasures::order)),
        ("/erasures/{id}", get(erasures::one)),
        ("/events", get(events::listen)),
    ]
}

/// The API's router.
pub fn router(state: ApiState) -> Router {
    let mut behind_the_gate = Router::new();
    for (path, answers) in routes() {
        behind_the_gate = behind_the_gate.route(path, answers);
    }
    let behind_the_gate = behind_the_gate
        .fallback(|| async { Problem::NotFound("no such path".to_owned()) })
        .method_not_allowed_fallback(|| async { Problem::MethodNotAllowed })
        .layer(DefaultBodyLimit::max(extract::QUESTION_BYTES_MAX))
        .layer(from_fn_with_state(state.clone(), gate::gate))
        .with_state(state.clone());
    let survey = Router::new()
        .route("/survey/{token}", get(survey::show).post(survey::answer))
        .layer(DefaultBodyLimit::max(survey::BODY_BYTES_MAX))
        .with_state(state.clone());
    let pages = pages::router(state);
    Router::new()
        .merge(survey)
        .merge(pages)
        .route("/api/v1/openapi.json", get(openapi))
        .nest("/api/v1", behind_the_gate)
        .fallback(|| async { Problem::NotFound("no such path".to_owned()) })
}

/// The description of this API, which needs no token.
pub const OPENAPI: &str = include_str!("openapi.json");

async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], OPENAPI)
}

#[cfg(test)]
mod tests;
