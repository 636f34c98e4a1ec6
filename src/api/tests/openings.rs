//! Lines opened and closed by hand, and emergencies.

use super::*;

const OPENING: &str = "/queues/helpdesk/opening";

#[test]
fn a_line_is_closed_by_hand_and_follows_its_hours_again() {
    on_a_desk(async |desk| {
        let closed = desk
            .post(
                OPENING,
                Some("k"),
                &json!({"opening": "closed", "until": "2026-11-18T12:00:00Z", "reason": "fire drill"}),
            )
            .await;
        assert_eq!(closed.status, StatusCode::OK, "{closed:?}");
        assert_eq!(
            (&closed.body["is_open"], &closed.body["closed_by"]),
            (&json!(false), &json!("hand"))
        );
        let helpdesk = QueueId::from("helpdesk");
        assert!(
            desk.state
                .parts
                .acd
                .read(|view| !view.queue(&helpdesk).unwrap().is_open)
        );
        let again = desk
            .post(
                OPENING,
                Some("k"),
                &json!({"opening": "closed", "until": "2026-11-18T12:00:00Z", "reason": "fire drill"}),
            )
            .await;
        assert_eq!(again.headers["idempotency-replayed"], "true");
        let by_hours = desk
            .post(OPENING, None, &json!({"opening": "by_hours"}))
            .await;
        assert_eq!(by_hours.body["is_open"], true, "{by_hours:?}");
        assert_eq!(by_hours.body["closed_by"], Value::Null);
        assert_eq!(
            desk.interventions().await,
            ["writer queue_closed", "writer queue_follows_its_hours"],
            "an answer given again is no second intervention"
        );
    });
}

#[test]
fn an_emergency_closes_every_line_until_it_is_ended() {
    on_a_desk(async |desk| {
        let closed = desk
            .post(
                "/emergency",
                None,
                &json!({"closed": true, "reason": "火警"}),
            )
            .await;
        assert_eq!(closed.status, StatusCode::OK, "{closed:?}");
        assert_eq!(
            (
                &closed.body["items"][0]["queue"],
                &closed.body["items"][0]["by"]
            ),
            (&Value::Null, &json!("writer"))
        );
        for queue in desk.get("/queues").await.body["items"].as_array().unwrap() {
            assert_eq!(queue["closed_by"], "emergency", "{queue}");
        }
        let ended = desk
            .post("/emergency", None, &json!({"closed": false}))
            .await;
        assert_eq!(ended.body["items"], json!([]));
        assert_eq!(desk.get("/emergency").await.body["items"], json!([]));
        assert_eq!(desk.get("/queues").await.body["items"][0]["is_open"], true);
        assert_eq!(
            desk.interventions().await,
            ["writer emergency_closed", "writer emergency_ended"]
        );
    });
}

#[test]
fn an_opening_that_cannot_be_is_refused_and_changes_nothing() {
    on_a_desk(async |desk| {
        for (path, body, status) in [
            ("/queues/nothing/opening", json!({"opening": "closed"}), 404),
            (OPENING, json!({"opening": "ajar"}), 422),
            (
                OPENING,
                json!({"opening": "closed", "until": "2026-11-18T11:00:00Z"}),
                422,
            ),
            (
                OPENING,
                json!({"opening": "closed", "until": "tomorrow"}),
                422,
            ),
            (OPENING, json!({"opening": "by_hours", "reason": "x"}), 422),
            (OPENING, json!({"opening": "closed", "reason": "a\nb"}), 422),
            (
                "/emergency",
                json!({"closed": true, "queue": "nothing"}),
                404,
            ),
            (
                "/emergency",
                json!({"closed": true, "say": "no_such_prompt"}),
                422,
            ),
            ("/emergency", json!({"closed": false, "say": "fire"}), 422),
        ] {
            is_problem(&desk.post(path, None, &body).await, status);
        }
        let refused = desk
            .ask(request(
                Method::POST,
                OPENING,
                "reader",
                None,
                "{\"opening\":\"closed\"}",
            ))
            .await;
        is_problem(&refused, 403);
        assert_eq!(desk.get("/queues").await.body["items"][0]["is_open"], true);
        assert!(desk.interventions().await.is_empty());
    });
}
