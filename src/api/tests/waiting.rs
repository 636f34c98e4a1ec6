//! A supervisor's hand on who waits.

use super::*;

#[test]
fn a_waiting_contact_is_moved_and_reprioritised() {
    on_a_desk(async |desk| {
        desk.staff().await;
        desk.enqueue(1, 0).await;
        desk.enqueue(2, 0).await;
        let path = |act: &str| format!("/contacts/{}/{act}", contact(2));
        let first = desk
            .post(&path("priority"), Some("k"), &json!({"priority": 5}))
            .await;
        assert_eq!(first.status, StatusCode::OK, "{first:?}");
        let line = desk.get("/queues/helpdesk/waiting").await.body;
        assert_eq!(
            line["items"][0]["contact"],
            contact(2).to_string(),
            "{line}"
        );
        let moved = desk
            .post(&path("move"), None, &json!({"queue": "network"}))
            .await;
        assert_eq!(moved.body["queue"], "network", "{moved:?}");
        let line = desk.get("/queues/network/waiting").await.body;
        assert_eq!(
            line["items"][0]["contact"],
            contact(2).to_string(),
            "{line}"
        );
        assert_eq!(line["items"][0]["enqueued_at"], "2026-11-18T11:16:20Z");
        assert_eq!(
            desk.interventions().await,
            ["writer contact_reprioritised", "writer contact_moved"]
        );
    });
}

#[test]
fn what_cannot_be_done_to_a_contact_is_refused_and_leaves_it_where_it_is() {
    on_a_desk(async |desk| {
        desk.staff().await;
        desk.enqueue(1, 0).await;
        let known = contact(1).to_string();
        let unknown = contact(9).to_string();
        for (id, act, body, status) in [
            (&unknown, "move", json!({"queue": "network"}), 404),
            (&known, "move", json!({"queue": "nothing"}), 404),
            (&known, "move", json!({}), 422),
            (&known, "priority", json!({"priority": "high"}), 422),
            (&known, "requeue", json!({}), 409),
            (&unknown, "drop", json!({}), 404),
            (&known, "drop", json!({"why": "x"}), 422),
        ] {
            let path = format!("/contacts/{id}/{act}");
            is_problem(&desk.post(&path, None, &body).await, status);
        }
        let line = desk.get("/queues/helpdesk/waiting").await.body;
        assert_eq!(line["items"][0]["contact"], known, "{line}");
        assert!(desk.interventions().await.is_empty());
        let drop = format!("/contacts/{known}/drop");
        assert_eq!(
            desk.post(&drop, None, &json!({})).await.status,
            StatusCode::OK
        );
        is_problem(&desk.post(&drop, None, &json!({})).await, 404);
    });
}
