//! Lines opened and closed by hand, and emergencies.

use super::*;
use crate::event_log::EventsQuery;

const OPENING: &str = "/queues/helpdesk/opening";

/// What was done by hand so far, in order: the acts and who did them.
async fn interventions(desk: &Desk) -> Vec<(String, String, Option<QueueId>)> {
    desk.state.parts.log.flush().await.unwrap();
    let query = EventsQuery::Between {
        from: at(0),
        to: at(3_600),
    };
    let page = desk.state.parts.log.page(query, None, 500).await.unwrap();
    page.events
        .into_iter()
        .filter_map(|event| {
            if let EventKind::Intervened { by, act, .. } = event.kind {
                Some((by, act, event.queue))
            } else {
                None
            }
        })
        .collect()
}

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
        let by = |act: &str| ("writer".to_owned(), act.to_owned(), Some(helpdesk.clone()));
        assert_eq!(
            interventions(&desk).await,
            [by("queue_closed"), by("queue_follows_its_hours")],
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
        let acts: Vec<String> = interventions(&desk)
            .await
            .into_iter()
            .map(|(_, act, _)| act)
            .collect();
        assert_eq!(acts, ["emergency_closed", "emergency_ended"]);
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
        assert_eq!(interventions(&desk).await, []);
    });
}
