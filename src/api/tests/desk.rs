//! Queues and agents as they are now, and statuses chosen.

use super::*;

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
