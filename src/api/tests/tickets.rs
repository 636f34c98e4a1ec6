//! Tickets opened, found and changed, each once.

use super::*;

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
            agent: None,
        };
        let state = state(
            &desk.database,
            &[token],
            Arc::clone(&desk.state.parts.observers),
        )
        .await;
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
