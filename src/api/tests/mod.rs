//! The API through its door: requests in, answers out, one file per story.

mod access;
mod callbacks;
mod callers;
mod contacts;
mod control;
mod description;
mod desk;
mod erasures;
mod events;
mod large_answers;
mod major_incidents;
mod node;
mod openings;
mod operations;
mod pages;
mod simulations;
mod staffing;
mod tickets;
mod waiting;

use super::*;
use crate::acd::{Clock, EventSink, Surroundings};
use crate::call_backs::CallBacks;
use crate::config::{Config, Rights, Secret, Token};
use crate::database::Database;
use crate::database::tests::{arrived, at, contact, event, run, sqlite};
use crate::event_log::EventsQuery;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use ringdown_harness::place::Folder;
use ringdown_routing::agent::AgentProfile;
use ringdown_routing::contact::{Channel, Priority, QueuedContact};
use ringdown_routing::event::{ContactResult, Event, EventKind};
use ringdown_routing::ids::{AgentId, NodeId, QueueId};
use ringdown_routing::queue::QueueRules;
use ringdown_routing::statistics::Rules;
use ringdown_routing::verb::{Answer, Verb};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::future::Future;
use tower::ServiceExt;

fn now() -> Timestamp {
    at(600)
}

/// A desk with a database of its own, and the API in front of it.
struct Desk {
    router: Router,
    state: ApiState,
    database: Database,
    _folder: Folder,
}

/// An answer, taken apart.
#[derive(Debug)]
struct Got {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    body: Value,
}

impl Desk {
    async fn new() -> Self {
        let (folder, database) = sqlite().await;
        let token = |name: &str, rights| Token {
            name: name.to_owned(),
            token: Secret::new(name),
            rights,
            agent: None,
        };
        // Who tries every path would be too fast for one token.
        let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"];
        let mut tokens = vec![
            token("reader", Rights::Read),
            token("writer", Rights::Write),
        ];
        tokens.extend(methods.map(|method| token(method, Rights::Write)));
        let observers = Arc::new(Observers::new(Rules::default()));
        let state = state(&database, &tokens, observers).await;
        Self {
            router: router(state.clone()),
            state,
            database,
            _folder: folder,
        }
    }

    /// Stores a call that came in and was left, and shows it to the observers.
    async fn call(&self, number: u64) {
        let id = contact(u128::from(number));
        let kinds = [
            arrived("+886911000111"),
            EventKind::Closed {
                result: ContactResult::Abandoned,
            },
        ];
        for (place, kind) in (0..).zip(kinds) {
            let event = event(
                number * 10 + place,
                i64::try_from(number).unwrap(),
                id,
                kind,
            );
            self.state.parts.observers.observe(&event);
            assert!(self.state.parts.log.append(event));
        }
        self.state.parts.log.flush().await.unwrap();
    }

    async fn ask(&self, request: Request<Body>) -> Got {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Got {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    async fn get(&self, path: &str) -> Got {
        self.ask(request(Method::GET, path, "reader", None, ""))
            .await
    }

    async fn post(&self, path: &str, key: Option<&str>, body: &Value) -> Got {
        self.ask(request(
            Method::POST,
            path,
            "writer",
            key,
            &body.to_string(),
        ))
        .await
    }

    async fn patch(&self, path: &str, body: &Value) -> Got {
        let text = body.to_string();
        self.ask(request(Method::PATCH, path, "writer", None, &text))
            .await
    }

    /// What was done by hand so far, in order: who did it, and what.
    async fn interventions(&self) -> Vec<String> {
        self.state.parts.log.flush().await.unwrap();
        let query = EventsQuery::Between {
            from: at(0),
            to: at(3_600),
        };
        let page = self.state.parts.log.page(query, None, 500).await.unwrap();
        let told = page.events.into_iter().filter_map(|event| {
            if let EventKind::Intervened { by, act, .. } = event.kind {
                Some(format!("{by} {act}"))
            } else {
                None
            }
        });
        told.collect()
    }

    async fn how_many_tickets(&self) -> usize {
        self.get("/tickets").await.body["items"]
            .as_array()
            .unwrap()
            .len()
    }

    async fn change(&self, verb: Verb) {
        assert_eq!(
            self.state.parts.acd.change(verb).await.unwrap(),
            Answer::Done
        );
    }

    /// Opens a queue with an agent whose phone is within reach.
    async fn staff(&self) {
        let queue = QueueId::from("helpdesk");
        let ming = AgentId::from("ming");
        let profile = AgentProfile::new(ming, "王小明").serving([queue.clone()]);
        self.change(Verb::SetQueue {
            rules: QueueRules::with_defaults(queue),
        })
        .await;
        self.change(Verb::SetAgent { profile }).await;
        self.change(Verb::AgentReachable {
            agent: AgentId::from("ming"),
            is_reachable: true,
        })
        .await;
    }

    async fn enqueue(&self, number: u128, priority: i32) {
        let contact = QueuedContact {
            priority: Priority(priority),
            ..QueuedContact::new(
                contact(number),
                QueueId::from("helpdesk"),
                Channel::Voice,
                at(580),
                NodeId::from("node-a"),
            )
        };
        self.change(Verb::Enqueue { contact }).await;
    }
}

async fn state(database: &Database, tokens: &[Token], observers: Arc<Observers>) -> ApiState {
    let config = Arc::new(Config::demo());
    let (identifier, _later) = Identifier::start(database, &config);
    let log = EventLog::new(database.clone());
    let sink = log.clone();
    let acd = Acd::in_memory(Surroundings {
        node: NodeId::from("node-a"),
        clock: Clock::new(now),
        // The numbers of the rest are those of the events that tests store by themselves.
        sink: EventSink::at_once(move |event| {
            if matches!(event.kind, EventKind::Intervened { .. }) {
                assert!(sink.append(Event::clone(event)));
            }
        }),
    });
    let openings = Openings::start(Arc::clone(&config), acd.clone(), database.clone()).await;
    let incidents = Incidents::start(Arc::clone(&config), database.clone()).await;
    ApiState::new(ApiParts {
        tokens: Tokens::new(tokens),
        acd,
        zone: Zone::utc(),
        log,
        tickets: Tickets::new(database.clone(), &config),
        identifier,
        normaliser: Normaliser::new(config.site.region),
        cms: Cms::new(database.clone()),
        observers,
        openings: Arc::new(openings.unwrap()),
        incidents: Arc::new(incidents.unwrap()),
        prompts: Arc::new(SitePrompts::new(&config)),
        skills: config.skills.iter().map(|skill| skill.id.clone()).collect(),
        not_ready_reasons: config.not_ready_reasons.clone(),
        call_backs: CallBacks::new(database.clone()),
        callback_rules: config
            .queues
            .iter()
            .map(|queue| (queue.id.clone(), queue.callback))
            .collect(),
        calls_out: true,
        language: config.site.language.clone(),
        database: database.clone(),
        site_name: config.site.name.clone(),
        managers: config.web.managers.iter().cloned().collect(),
        is_reached_by_tls: config.web.is_reached_by_tls(),
        node: NodeId::from("node-a"),
        drain: Drain::new(Arc::default()),
        reports: Settings::of(&config),
        mails: None,
    })
}

fn request(
    method: Method,
    path: &str,
    token: &str,
    key: Option<&str>,
    body: &str,
) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

/// Runs a test on a desk of its own.
fn on_a_desk<F: Future<Output = ()>>(test: impl FnOnce(Arc<Desk>) -> F) {
    run(async {
        let desk = Arc::new(Desk::new().await);
        test(Arc::clone(&desk)).await;
        desk.database.close().await;
    });
}

fn is_problem(got: &Got, status: u16) {
    assert_eq!(got.status.as_u16(), status, "{got:?}");
    assert_eq!(
        got.headers["content-type"], "application/problem+json",
        "{got:?}"
    );
    assert_eq!(got.body["status"], status);
    assert!(got.body["title"].is_string() && got.body["type"].is_string());
}
