//! Contacts and their statistics, as the log has them.

use super::*;

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
fn a_contact_is_rated_once() {
    on_a_desk(async |desk| {
        desk.call(1).await;
        let path = format!("/contacts/{}/rating", contact(1));
        let rating = json!({"score": 4, "comment": " 很快就解決了 "});
        is_problem(&desk.post(&path, None, &json!({"score": 6})).await, 422);
        let long = json!({"score": 4, "comment": "長".repeat(2_001)});
        is_problem(&desk.post(&path, None, &long).await, 422);
        let reader = request(Method::POST, &path, "reader", None, &rating.to_string());
        is_problem(&desk.ask(reader).await, 403);
        let nobody = format!("/contacts/{}/rating", contact(9));
        is_problem(&desk.post(&nobody, None, &rating).await, 404);

        let first = desk.post(&path, Some("r1"), &rating).await;
        assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
        assert_eq!(
            first.body,
            json!({"contact": contact(1), "score": 4, "comment": "很快就解決了"})
        );
        let again = desk.post(&path, Some("r1"), &rating).await;
        assert_eq!(
            (again.status, again.body),
            (StatusCode::CREATED, first.body)
        );
        is_problem(&desk.post(&path, None, &json!({"score": 1})).await, 409);

        let events = desk.get(&format!("/contacts/{}/events", contact(1))).await;
        let events = events.body["items"].as_array().unwrap().clone();
        let rated: Vec<&Value> = events.iter().filter(|it| it["event"] == "rated").collect();
        assert_eq!(rated.len(), 1, "{events:?}");
        assert_eq!(rated[0]["score"], 4, "{rated:?}");
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
