//! Scenarios over HTTP: played, refused with what is wrong, and nothing changed.

use super::*;

fn scenario() -> Value {
    json!({
        "queues": [{"id": "Q"}],
        "agents": [{"id": "A", "queues": ["Q"]}],
        "contacts": [
            {"id": "c1", "at_s": 0, "queue": "Q", "talk_s": 60},
            {"id": "c2", "at_s": 5, "queue": "Q", "talk_s": 30}
        ]
    })
}

#[test]
fn a_scenario_is_played_for_whoever_may_look_and_the_desk_is_left_alone() {
    on_a_desk(async |desk| {
        let body = scenario().to_string();
        let got = desk
            .ask(request(Method::POST, "/simulations", "reader", None, &body))
            .await;
        assert_eq!(got.status, StatusCode::OK, "{got:?}");
        assert_eq!(got.body["statistics"]["Q"]["asa_s"], 27.5);
        assert_eq!(
            got.body["events"][1],
            json!({"at_s": 0, "event": "offered", "contact": "c1", "agent": "A", "queue": "Q"})
        );
        let queues = desk.get("/queues").await;
        let items = queues.body["items"].as_array().unwrap();
        assert!(items.iter().all(|queue| queue["id"] != "Q"), "{queues:?}");
    });
}

#[test]
fn events_are_left_out_when_only_the_statistics_are_wanted() {
    on_a_desk(async |desk| {
        let path = "/simulations?statistics_only=true";
        let got = desk.post(path, None, &scenario()).await;
        assert_eq!(got.body["statistics"]["Q"]["answered"], 2);
        assert_eq!(got.body.get("events"), None);
    });
}

#[test]
fn a_scenario_may_be_long_and_not_endless() {
    on_a_desk(async |desk| {
        let contacts = |count: u32| -> Value {
            (0..count)
                .map(|n| json!({"id": n.to_string(), "at_s": n, "queue": "Q"}))
                .collect()
        };
        let mut wish = scenario();
        wish["contacts"] = contacts(8_000);
        let got = desk.post("/simulations", None, &wish).await;
        assert_eq!(got.status, StatusCode::OK, "{got:?}");
        assert_eq!(got.body["statistics"]["Q"]["answered"], 8_000);
        wish["contacts"] = contacts(80_000);
        is_problem(&desk.post("/simulations", None, &wish).await, 413);
    });
}

#[test]
fn what_is_wrong_with_a_scenario_is_told() {
    on_a_desk(async |desk| {
        let mut wish = scenario();
        wish["contacts"][1]["queue"] = json!("R");
        wish["contacts"][0]["at_s"] = json!(-1);
        let got = desk.post("/simulations", None, &wish).await;
        is_problem(&got, 422);
        let detail = got.body["detail"].as_str().unwrap();
        assert!(detail.contains("contacts[1].queue: there is no queue `R`"));
        assert!(detail.contains("contacts[0].at_s: -1 s is negative"));

        wish["contakts"] = json!([]);
        let got = desk.post("/simulations", None, &wish).await;
        is_problem(&got, 422);
        let detail = got.body["detail"].as_str().unwrap();
        assert!(detail.contains("did you mean `contacts`?"), "{detail}");

        let half = request(Method::POST, "/simulations", "writer", None, "{\"queues\":");
        is_problem(&desk.ask(half).await, 400);
    });
}

#[test]
fn a_what_if_is_answered_with_intervals_and_refused_with_its_fault() {
    on_a_desk(async |desk| {
        let mut wish = json!({
            "queues": [{"id": "Q"}],
            "agents": [{"id": "A", "queues": ["Q"], "count": 2}],
            "demand": [{"queue": "Q", "arrivals": [10], "talk": {"constant": 60}}],
            "replications": 3
        });
        let got = desk.post("/simulations", None, &wish).await;
        assert_eq!(got.status, StatusCode::OK, "{got:?}");
        assert_eq!(got.body["statistics"]["Q"]["aht_s"]["mean"], 60.0);
        wish["demand"][0]["talk"] = json!({"exponential": {"mean": 60}});
        let got = desk.post("/simulations", None, &wish).await;
        is_problem(&got, 422);
        assert!(got.body["detail"].as_str().unwrap().contains("`mean_s`"));
    });
}
