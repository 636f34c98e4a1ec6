use super::*;
use crate::acd::{Clock, Surroundings};
use crate::config::{Config, Rights, Secret, Token};
use crate::database::Database;
use crate::database::tests::{arrived, at, contact, event, run, sqlite};
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use ringdown_harness::place::Folder;
use ringdown_routing::agent::{AgentProfile, Skills, one_call};
use ringdown_routing::contact::{Channel, Priority, QueuedContact};
use ringdown_routing::event::{ContactResult, EventKind};
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
        };
        let tokens = [
            token("reader", Rights::Read),
            token("writer", Rights::Write),
        ];
        let observers = Arc::new(Observers::new(Rules::default()));
        let state = state(&database, &tokens, observers);
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

    async fn how_many_tickets(&self) -> usize {
        self.get("/tickets").await.body["items"]
            .as_array()
            .unwrap()
            .len()
    }
}

fn state(database: &Database, tokens: &[Token], observers: Arc<Observers>) -> ApiState {
    let config = Config::demo();
    let (identifier, _later) = Identifier::start(database, &config);
    ApiState::new(ApiParts {
        tokens: Tokens::new(tokens),
        acd: Acd::in_memory(Surroundings {
            node: NodeId::from("node-a"),
            clock: Clock::new(now),
            sink: Box::new(|_| {}),
        }),
        zone: Zone::utc(),
        log: EventLog::new(database.clone()),
        tickets: Tickets::new(database.clone(), &config),
        identifier,
        normaliser: Normaliser::new(config.site.region),
        cms: Cms::new(database.clone()),
        observers,
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

#[test]
fn nobody_is_let_in_without_a_token() {
    on_a_desk(async |desk| {
        let without = Request::get("/api/v1/contacts")
            .body(Body::empty())
            .unwrap();
        let got = desk.ask(without).await;
        is_problem(&got, 401);
        assert!(
            got.headers["www-authenticate"]
                .to_str()
                .unwrap()
                .starts_with("Bearer")
        );
        is_problem(
            &desk
                .ask(request(Method::GET, "/contacts", "guess", None, ""))
                .await,
            401,
        );
        assert_eq!(desk.get("/contacts").await.status, StatusCode::OK);
    });
}

#[test]
fn a_reader_changes_nothing() {
    on_a_desk(async |desk| {
        let body = json!({"subject": "Printer"}).to_string();
        is_problem(
            &desk
                .ask(request(Method::POST, "/tickets", "reader", None, &body))
                .await,
            403,
        );
        assert_eq!(desk.how_many_tickets().await, 0);
    });
}

#[test]
fn contacts_are_listed_page_by_page_newest_first() {
    on_a_desk(async |desk| {
        for number in 1..=5 {
            desk.call(number).await;
        }
        let first = desk.get("/contacts?limit=3").await.body;
        assert_eq!(first["items"].as_array().unwrap().len(), 3);
        assert_eq!(first["items"][0]["id"], contact(5).to_string());
        assert_eq!(
            first["items"][0]["arrived_at"], "2026-11-18T11:06:45Z",
            "{first}"
        );
        assert_eq!(first["items"][0]["result"], "abandoned");
        let cursor = first["next"].as_str().unwrap();
        let second = desk
            .get(&format!("/contacts?limit=3&cursor={cursor}"))
            .await
            .body;
        assert_eq!(second["items"].as_array().unwrap().len(), 2);
        assert!(second.get("next").is_none(), "{second}");
    });
}

#[test]
fn one_contact_is_shown_with_its_events() {
    on_a_desk(async |desk| {
        desk.call(1).await;
        let id = contact(1);
        assert_eq!(
            desk.get(&format!("/contacts/{id}")).await.body["from"],
            "+886911000111"
        );
        let events = desk.get(&format!("/contacts/{id}/events")).await.body;
        assert_eq!(events["items"][0]["event"], "arrived");
        assert_eq!(events["items"][1]["event"], "closed");
        assert_eq!(events["items"][0]["time"], "2026-11-18T11:06:41Z");
        is_problem(&desk.get(&format!("/contacts/{}", contact(9))).await, 404);
        is_problem(
            &desk.get(&format!("/contacts/{}/events", contact(9))).await,
            404,
        );
        is_problem(&desk.get("/contacts/nonsense").await, 404);
    });
}

#[test]
fn a_ticket_is_opened_found_and_changed() {
    on_a_desk(async |desk| {
        let got = desk
            .post(
                "/tickets",
                None,
                &json!({"subject": " Printer ", "impact": 1, "urgency": 1}),
            )
            .await;
        assert_eq!(got.status, StatusCode::CREATED, "{got:?}");
        assert_eq!(
            (&got.body["subject"], &got.body["priority"]),
            (&json!("Printer"), &json!(1))
        );
        let path = got.headers["location"]
            .to_str()
            .unwrap()
            .trim_start_matches("/api/v1")
            .to_owned();
        let change = json!({"status": "solved", "urgency": 3}).to_string();
        let changed = desk
            .ask(request(Method::PATCH, &path, "writer", None, &change))
            .await;
        assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
        let found = desk
            .get(&format!(
                "/tickets?number={}",
                got.body["number"].as_str().unwrap()
            ))
            .await
            .body;
        assert_eq!(
            (&found["items"][0]["status"], &found["items"][0]["priority"]),
            (&json!("solved"), &json!(3))
        );
        assert_eq!(desk.get(&path).await.body, found["items"][0]);
    });
}

#[test]
fn the_same_key_opens_one_ticket() {
    on_a_desk(async |desk| {
        let body = json!({"subject": "Printer"});
        let first = desk.post("/tickets", Some("k1"), &body).await;
        let again = desk.post("/tickets", Some("k1"), &body).await;
        assert_eq!(
            (again.status, &again.body),
            (StatusCode::CREATED, &first.body)
        );
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(again.headers["location"], first.headers["location"]);
        is_problem(
            &desk
                .post("/tickets", Some("k1"), &json!({"subject": "Other"}))
                .await,
            422,
        );
        assert_eq!(desk.how_many_tickets().await, 1);
        // A gateway that was started anew has forgotten the answer, and still opens no second one.
        let token = Token {
            name: "writer".to_owned(),
            token: Secret::new("writer"),
            rights: Rights::Write,
        };
        let state = state(
            &desk.database,
            &[token],
            Arc::clone(&desk.state.parts.observers),
        );
        let restarted = Desk {
            router: router(state.clone()),
            state,
            database: desk.database.clone(),
            _folder: Folder::new(),
        };
        let after = restarted.post("/tickets", Some("k1"), &body).await;
        assert_eq!(after.body["id"], first.body["id"]);
        assert_eq!(desk.how_many_tickets().await, 1);
    });
}

#[test]
fn a_refused_request_changes_nothing_and_frees_its_key() {
    on_a_desk(async |desk| {
        for (body, status) in [
            ("{\"subject\":\"\"}", 422),
            ("{\"subject\":\"x\",\"impact\":4}", 422),
            ("{\"subject\":\"x\",\"colour\":1}", 422),
            ("{}", 422),
            ("{\"subject\":", 400),
            ("", 400),
        ] {
            is_problem(
                &desk
                    .ask(request(Method::POST, "/tickets", "writer", Some("k"), body))
                    .await,
                status,
            );
        }
        assert_eq!(desk.how_many_tickets().await, 0);
        let got = desk
            .post("/tickets", Some("k"), &json!({"subject": "Printer"}))
            .await;
        assert_eq!(got.status, StatusCode::CREATED);
        let change = |path: &str, body: &str| request(Method::PATCH, path, "writer", None, body);
        is_problem(
            &desk
                .ask(change("/tickets/999", "{\"status\":\"solved\"}"))
                .await,
            404,
        );
        is_problem(
            &desk
                .ask(change("/tickets/1", "{\"status\":\"lost\"}"))
                .await,
            422,
        );
    });
}

#[test]
fn bodies_are_json_and_bounded() {
    on_a_desk(async |desk| {
        let mut plain = request(
            Method::POST,
            "/tickets",
            "writer",
            None,
            "{\"subject\":\"x\"}",
        );
        plain
            .headers_mut()
            .insert("content-type", "text/plain".parse().unwrap());
        is_problem(&desk.ask(plain).await, 415);
        let huge = json!({"subject": "x".repeat(300_000)}).to_string();
        is_problem(
            &desk
                .ask(request(Method::POST, "/tickets", "writer", None, &huge))
                .await,
            413,
        );
        let long_key = "k".repeat(256);
        is_problem(
            &desk
                .post("/tickets", Some(&long_key), &json!({"subject": "x"}))
                .await,
            400,
        );
        assert_eq!(desk.how_many_tickets().await, 0);
    });
}

#[test]
fn queries_that_say_nothing_sensible_are_refused() {
    on_a_desk(async |desk| {
        for path in [
            "/contacts?limit=0",
            "/contacts?limit=501",
            "/contacts?colour=red",
            "/contacts?cursor=x",
            "/tickets?contact=x",
            "/statistics?from=soon",
            "/statistics?interval=7m",
            "/statistics?from=2000-01-01&to=2026-01-01&interval=1m",
            "/statistics?from=2026-01-02&to=2026-01-01",
            "/statistics?channel=smoke",
            "/events?after=x",
        ] {
            is_problem(&desk.get(path).await, 400);
        }
    });
}

#[test]
fn callers_are_looked_up_as_the_channels_do_it() {
    on_a_desk(async |desk| {
        use crate::cms::import::{Format, import, read};
        let people = read(Format::Csv, include_str!("../../fixtures/cms/desk.csv"));
        import(&desk.state.parts.cms, &desk.state.parts.normaliser, people)
            .await
            .unwrap();
        desk.state.parts.identifier.refresh().await.unwrap();
        let known = desk.get("/callers?phone=0912345601").await.body;
        assert_eq!(
            (&known["outcome"], &known["caller"]["id"]),
            (&json!("known"), &json!("tpg-001")),
            "{known}"
        );
        assert_eq!(
            desk.get("/callers?phone=+886912345601").await.body,
            known,
            "a plus that became a space"
        );
        assert_eq!(desk.get("/callers?phone=%2B886912345601").await.body, known);
        let shared = desk.get("/callers?phone=035630001").await.body;
        assert_eq!(shared["outcome"], "ambiguous");
        assert_eq!(
            shared["candidates"][0]["reasons"],
            json!(["own_number", "first_class"])
        );
        let mail = desk
            .get("/callers?email=Sophie.Martin%2Bx@tpg.example")
            .await
            .body;
        assert_eq!(mail["caller"]["id"], "tpg-008", "{mail}");
        assert_eq!(
            desk.get("/callers?phone=0955555555").await.body,
            json!({"outcome": "unknown"})
        );
        assert_eq!(
            desk.get("/callers?q=Sophie").await.body["caller"]["id"],
            "tpg-008"
        );
        is_problem(&desk.get("/callers").await, 400);
        is_problem(&desk.get("/callers?q=a&phone=1").await, 400);
        let ticket = desk
            .post(
                "/tickets",
                None,
                &json!({"subject": "Printer", "caller": "tpg-008"}),
            )
            .await
            .body;
        assert_eq!(ticket["caller"], "tpg-008");
        assert!(ticket["organisation"].is_string(), "{ticket}");
        is_problem(
            &desk
                .post(
                    "/tickets",
                    None,
                    &json!({"subject": "x", "caller": "nobody"}),
                )
                .await,
            422,
        );
        assert_eq!(desk.how_many_tickets().await, 1);
    });
}

impl Desk {
    async fn change(&self, verb: Verb) {
        assert_eq!(
            self.state.parts.acd.change(verb).await.unwrap(),
            Answer::Done
        );
    }

    /// Opens a queue with an agent whose phone is within reach.
    async fn staff(&self) {
        let queue = QueueId::from("helpdesk");
        let profile = AgentProfile {
            id: AgentId::from("ming"),
            name: "王小明".to_owned(),
            queues: BTreeSet::from([queue.clone()]),
            skills: Skills::new(),
            capacity: one_call(),
        };
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
            id: contact(number),
            queue: QueueId::from("helpdesk"),
            channel: Channel::Voice,
            priority: Priority(priority),
            skills: Skills::new(),
            enqueued_at: at(580),
            node: NodeId::from("node-a"),
            avoid: std::collections::BTreeMap::new(),
        };
        self.change(Verb::Enqueue { contact }).await;
    }
}

#[test]
fn queues_are_shown_as_they_are_now() {
    on_a_desk(async |desk| {
        desk.staff().await;
        for (number, priority) in [(1, 0), (2, 5), (3, 0)] {
            desk.enqueue(number, priority).await;
        }
        let queue = desk.get("/queues").await.body["items"][0].clone();
        assert_eq!(
            (&queue["waiting"], &queue["longest_wait_s"]),
            (&json!(3), &json!(20.0)),
            "{queue}"
        );
        assert_eq!(
            (&queue["is_open"], &queue["agents_free"]),
            (&json!(true), &json!(0))
        );
        let first = desk.get("/queues/helpdesk/waiting?limit=2").await.body;
        assert_eq!(
            first["items"][0]["contact"],
            contact(2).to_string(),
            "priority first"
        );
        assert_eq!(
            (&first["items"][0]["position"], &first["items"][0]["wait_s"]),
            (&json!(1), &json!(20.0))
        );
        let cursor = first["next"].as_str().unwrap();
        let rest = desk
            .get(&format!("/queues/helpdesk/waiting?limit=2&cursor={cursor}"))
            .await
            .body;
        assert_eq!(
            rest["items"][0]["contact"],
            contact(3).to_string(),
            "{rest}"
        );
        assert_eq!(rest["items"][0]["enqueued_at"], "2026-11-18T11:16:20Z");
        assert!(rest.get("next").is_none());
        is_problem(&desk.get("/queues/nothing/waiting").await, 404);
        is_problem(&desk.get("/queues/helpdesk/waiting?cursor=x").await, 400);
    });
}

#[test]
fn an_agent_chooses_a_status_and_gets_the_next_caller() {
    on_a_desk(async |desk| {
        desk.staff().await;
        desk.enqueue(1, 0).await;
        let path = "/agents/ming/status";
        let lunch = desk
            .post(
                path,
                None,
                &json!({"status": "not_ready", "reason": "午餐"}),
            )
            .await;
        assert_eq!(lunch.status, StatusCode::OK, "{lunch:?}");
        assert_eq!(
            (&lunch.body["status"], &lunch.body["reason"]),
            (&json!("not_ready"), &json!("午餐"))
        );
        assert_eq!(
            desk.post(path, Some("k"), &json!({"status": "available"}))
                .await
                .status,
            StatusCode::OK
        );
        let agent = desk.get("/agents").await.body["items"][0].clone();
        assert_eq!(
            (&agent["status"], &agent["state"]),
            (&json!("available"), &json!("ringing")),
            "{agent}"
        );
        assert_eq!(agent["contact"], contact(1).to_string());
        // While the phone rings a choice waits for its turn.
        let later = desk
            .post(path, None, &json!({"status": "logged_off"}))
            .await
            .body;
        assert_eq!(
            (&later["status"], &later["next_status"]["status"]),
            (&json!("available"), &json!("logged_off"))
        );
        let again = desk
            .post(path, Some("k"), &json!({"status": "available"}))
            .await;
        assert_eq!(again.headers["idempotency-replayed"], "true");
        let agent = desk.get("/agents?queue=helpdesk").await.body["items"][0].clone();
        assert_eq!(
            agent["next_status"]["status"], "logged_off",
            "an answer given again changes nothing"
        );
    });
}

#[test]
fn a_status_that_cannot_be_is_refused() {
    on_a_desk(async |desk| {
        desk.staff().await;
        is_problem(
            &desk
                .post(
                    "/agents/nobody/status",
                    None,
                    &json!({"status": "available"}),
                )
                .await,
            404,
        );
        for wrong in [
            json!({"status": "asleep"}),
            json!({"status": "available", "reason": "x"}),
            json!({"status": "not_ready", "reason": "x".repeat(101)}),
            json!({"reason": "x"}),
        ] {
            is_problem(&desk.post("/agents/ming/status", None, &wrong).await, 422);
        }
        assert_eq!(
            desk.get("/agents").await.body["items"][0]["status"],
            "logged_off"
        );
    });
}

#[test]
fn observers_follow_the_bus() {
    on_a_desk(async |desk| {
        let observers = Arc::clone(&desk.state.parts.observers);
        let following = observers.follow(&desk.state.parts.acd, &desk.state.parts.log);
        let followed = tokio::spawn(following);
        desk.staff().await;
        desk.enqueue(1, 0).await;
        while !desk
            .state
            .parts
            .observers
            .metrics
            .render()
            .contains("ringdown_contacts_enqueued_total")
        {
            tokio::task::yield_now().await;
        }
        followed.abort();
    });
}

#[test]
fn statistics_come_from_the_log_or_from_memory_and_are_the_same() {
    on_a_desk(async |desk| {
        for number in 1..=4 {
            desk.call(number).await;
        }
        let path = "/statistics?from=2026-11-18T11:00Z&to=2026-11-18T12:00Z";
        let from_log = desk.get(path).await.body;
        assert_eq!(from_log["total"]["left_before_queue"], 4, "{from_log}");
        assert_eq!(from_log["definitions"]["abandon_rate"], "B / O");
        desk.state
            .parts
            .observers
            .running
            .is_whole_since(at(-7_200));
        let mut from_memory = desk.get(path).await.body;
        assert_eq!(from_memory["log"]["events"], 8);
        from_memory["log"] = from_log["log"].clone();
        assert_eq!(from_memory, from_log);
    });
}

#[test]
fn a_token_that_asks_too_often_is_told_when_to_come_back() {
    on_a_desk(async |desk| {
        let mut last = desk.get("/contacts/nonsense").await;
        for _ in 0..200 {
            last = desk.get("/contacts/nonsense").await;
        }
        is_problem(&last, 429);
        assert_eq!(last.headers["retry-after"], "1");
    });
}

#[test]
fn a_database_that_is_gone_is_told_as_503() {
    on_a_desk(async |desk| {
        desk.database.close().await;
        let got = desk.get("/contacts").await;
        is_problem(&got, 503);
        assert_eq!(got.headers["retry-after"], "5");
        is_problem(
            &desk
                .post("/tickets", Some("k"), &json!({"subject": "x"}))
                .await,
            503,
        );
    });
}

#[test]
fn listeners_hear_events_and_go_on_where_they_were() {
    on_a_desk(async |desk| {
        desk.call(1).await;
        let mut request = request(Method::GET, "/events", "reader", None, "");
        request
            .headers_mut()
            .insert("last-event-id", "node-a:10".parse().unwrap());
        let text = first_chunk(&desk, request).await;
        assert!(text.starts_with("id: node-a:11\ndata: {"), "{text}");
        assert!(text.contains("\"event\":\"closed\""), "{text}");
        let text = first_chunk(
            &desk,
            self::request(Method::GET, "/events?after=gone:7", "reader", None, ""),
        )
        .await;
        assert!(text.starts_with("event: gap"), "{text}");
    });
}

/// The first piece of an answer without end.
async fn first_chunk(desk: &Desk, request: Request<Body>) -> String {
    let response = desk.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body().into_data_stream();
    let chunk = futures_util::StreamExt::next(&mut body)
        .await
        .unwrap()
        .unwrap();
    String::from_utf8(chunk.to_vec()).unwrap()
}

#[test]
fn the_description_names_every_path_and_method_and_no_other() {
    on_a_desk(async |desk| {
        let document: Value = serde_json::from_str(OPENAPI).unwrap();
        let described = document["paths"].as_object().unwrap();
        let routed: BTreeSet<&str> = routes()
            .iter()
            .map(|(path, _)| *path)
            .chain(["/openapi.json"])
            .collect();
        assert_eq!(
            described
                .keys()
                .map(String::as_str)
                .collect::<BTreeSet<_>>(),
            routed
        );
        for (path, operations) in described {
            let url = path.replace("{id}", "1");
            for method in [
                Method::GET,
                Method::POST,
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
            ] {
                let is_described = operations.get(method.as_str().to_lowercase()).is_some();
                let mut without = request(method.clone(), &url, "writer", None, "{");
                if path == "/openapi.json" && is_described {
                    without.headers_mut().remove("authorization");
                }
                let response = desk.router.clone().oneshot(without).await.unwrap();
                let is_there = response.status() != StatusCode::METHOD_NOT_ALLOWED;
                assert_eq!(is_there, is_described, "{method} {path}");
                assert!(
                    is_there || response.headers().contains_key("allow"),
                    "{method} {path}"
                );
            }
        }
    });
}

#[test]
fn every_refusal_the_description_promises_is_a_problem_document() {
    on_a_desk(async |desk| {
        is_problem(&desk.get("/nothing").await, 404);
        is_problem(
            &desk
                .ask(request(Method::DELETE, "/tickets", "writer", None, ""))
                .await,
            405,
        );
        let outside = Request::get("/elsewhere").body(Body::empty()).unwrap();
        is_problem(&desk.ask(outside).await, 404);
    });
}

#[test]
fn references_of_the_description_lead_somewhere() {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let mut open = vec![&document];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(target)) = fields.get("$ref") {
                    assert!(
                        document.pointer(target.trim_start_matches('#')).is_some(),
                        "{target}"
                    );
                }
                open.extend(fields.values());
            }
            Value::Array(items) => open.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

#[test]
fn the_operations_listener_tells_health_readiness_and_figures() {
    on_a_desk(async |desk| {
        desk.call(1).await;
        let readiness = operations::Readiness::default();
        readiness.add("database", || Ok(()));
        let router = operations::router(Arc::clone(&desk.state.parts.observers), readiness.clone());
        let ask = async |path: &str| {
            let response = router
                .clone()
                .oneshot(Request::get(path).body(Body::empty()).unwrap())
                .await
                .unwrap();
            let status = response.status();
            let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            (status, String::from_utf8(bytes.to_vec()).unwrap())
        };
        assert_eq!(ask("/healthz").await, (StatusCode::OK, "ok\n".to_owned()));
        assert_eq!(ask("/readyz").await.0, StatusCode::OK);
        readiness.add("redis", || Err("Redis does not answer".to_owned()));
        let (status, body) = ask("/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            body.contains("\"redis\":\"Redis does not answer\""),
            "{body}"
        );
        let (_, figures) = ask("/metrics").await;
        assert!(
            figures.contains("ringdown_contacts_arrived_total{channel=\"voice\"} 1"),
            "{figures}"
        );
    });
}

#[test]
fn a_socket_serves_and_ends_gracefully() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    on_a_desk(async |desk| {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let served = tokio::spawn(serve::serve(listener, desk.router.clone(), stopped));
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut head = [0; 15];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200 OK");
        stop.send(true).unwrap();
        served.await.unwrap().unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
    });
}
