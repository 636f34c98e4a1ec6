//! Call-backs ordered, listed and taken back.

use super::*;

#[test]
fn a_call_back_is_ordered_once_and_taken_back() {
    on_a_desk(async |desk| {
        let body =
            json!({"number": "02 2345 6789", "queue": "helpdesk", "at": "2026-11-18T12:00:00Z"});
        let ordered = desk.post("/callbacks", Some("k"), &body).await;
        assert_eq!(ordered.status, StatusCode::CREATED, "{ordered:?}");
        assert_eq!(
            (
                &ordered.body["number"],
                &ordered.body["due_at"],
                &ordered.body["asked_by"]
            ),
            (
                &json!("+886223456789"),
                &json!("2026-11-18T12:00:00Z"),
                &json!("writer")
            )
        );
        let again = desk.post("/callbacks", Some("k"), &body).await;
        assert_eq!(again.headers["idempotency-replayed"], "true");
        let open = desk.get("/callbacks").await.body["items"].clone();
        assert_eq!(open.as_array().unwrap().len(), 1, "{open}");
        let path = format!("/callbacks/{}", ordered.body["contact"].as_str().unwrap());
        let cancel = || request(Method::DELETE, &path, "writer", None, "");
        assert_eq!(desk.ask(cancel()).await.status, StatusCode::NO_CONTENT);
        is_problem(&desk.ask(cancel()).await, 409);
        assert_eq!(desk.get("/callbacks").await.body["items"], json!([]));
        assert_eq!(
            desk.interventions().await,
            ["writer call_back_ordered", "writer call_back_cancelled"]
        );
    });
}

#[test]
fn orders_come_one_after_the_other_whatever_their_keys_are() {
    on_a_desk(async |desk| {
        let mut contacts = Vec::new();
        for key in 1..6 {
            let body = json!({"number": format!("02 2345 678{key}"), "queue": "helpdesk"});
            let ordered = desk
                .post("/callbacks", Some(&format!("key {key}")), &body)
                .await;
            assert_eq!(ordered.status, StatusCode::CREATED, "{ordered:?}");
            let contact = ordered.body["contact"].as_str().unwrap();
            let contact: ringdown_routing::ids::ContactId = contact.parse().unwrap();
            contacts.push(contact.as_u128() >> 80);
        }
        // The clock of the desk stands, and every id begins with it.
        let minted = u128::try_from(now().as_millis()).unwrap();
        assert_eq!(contacts, [minted; 5]);
    });
}

#[test]
fn who_orders_a_call_back_twice_is_told_of_the_one_that_is_open() {
    on_a_desk(async |desk| {
        let body = json!({"number": "02 2345 6789", "queue": "helpdesk"});
        let ordered = desk.post("/callbacks", None, &body).await;
        assert_eq!(ordered.status, StatusCode::CREATED, "{ordered:?}");
        let contact = &ordered.body["contact"];
        for key in [None, Some("another")] {
            let later = json!({
                "number": "+886 2 2345 6789", "queue": "helpdesk", "at": "2026-11-18T12:00:00Z"
            });
            let again = desk.post("/callbacks", key, &later).await;
            is_problem(&again, 409);
            assert_eq!(&again.body["contact"], contact);
        }
        let path = format!("/callbacks/{}", contact.as_str().unwrap());
        let cancelled = desk.ask(request(Method::DELETE, &path, "writer", None, ""));
        assert_eq!(cancelled.await.status, StatusCode::NO_CONTENT);
        let later = desk.post("/callbacks", None, &body).await;
        assert_eq!(later.status, StatusCode::CREATED, "{later:?}");
    });
}

#[test]
fn an_abandoned_call_is_called_back_in_its_old_place() {
    on_a_desk(async |desk| {
        desk.call(1).await;
        let missed = contact(1).to_string();
        let body = json!({"contact": missed, "queue": "helpdesk"});
        let ordered = desk.post("/callbacks", None, &body).await;
        assert_eq!(ordered.status, StatusCode::CREATED, "{ordered:?}");
        assert_eq!(ordered.body["number"], "+886911000111");
        assert_eq!(ordered.body["origin"], missed);
        let again = desk.post("/callbacks", None, &body).await;
        is_problem(&again, 409);
        assert_eq!(again.body["contact"], ordered.body["contact"]);
        for (wrong, status) in [
            (json!({"queue": "helpdesk"}), 422),
            (
                json!({"number": "1", "contact": missed, "queue": "helpdesk"}),
                422,
            ),
            (json!({"number": "nobody", "queue": "helpdesk"}), 422),
            (json!({"number": "0223456789"}), 422),
            (json!({"number": "0223456789", "queue": "nothing"}), 404),
            (
                json!({"contact": contact(9).to_string(), "queue": "helpdesk"}),
                404,
            ),
            (
                json!({"number": "0223456789", "queue": "helpdesk", "at": "2020-01-01T00:00:00Z"}),
                422,
            ),
        ] {
            is_problem(&desk.post("/callbacks", None, &wrong).await, status);
        }
    });
}
