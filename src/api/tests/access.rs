//! Who is let in, how often, and with what kind of request.

use super::*;

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
