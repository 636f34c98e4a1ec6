//! Staffing is a question: a reader may ask it, and nothing is changed by it.

use super::*;

async fn ask(desk: &Desk, body: Value) -> Got {
    let body = body.to_string();
    desk.ask(request(Method::POST, "/staffing", "reader", None, &body))
        .await
}

#[test]
fn a_reader_asks_for_staff_in_seconds_or_with_units() {
    on_a_desk(async |desk| {
        let plain = json!({"calls": 75, "interval_s": 1800, "aht": 240, "target": "80/20", "patience_s": 180, "shrinkage": 0.3});
        let got = ask(&desk, plain).await;
        assert_eq!(got.status, StatusCode::OK, "{got:?}");
        assert_eq!(got.body["load_erlang"], 10.0);
        assert_eq!(got.body["erlang_c"]["scheduled"], 20);
        assert_eq!(got.body["erlang_a"]["agents"], 13);
        let units = json!({
            "calls": 75, "interval": "30m", "aht": "4m", "target": {"share": 0.8, "threshold_s": 20},
            "patience": "3m", "shrinkage": ["20%", 0.125],
        });
        let same = ask(&desk, units).await;
        assert_eq!(same.body["erlang_a"], got.body["erlang_a"]);
    });
}

#[test]
fn an_unstable_queue_is_an_answer_and_a_senseless_question_none() {
    on_a_desk(async |desk| {
        let few = json!({"calls": 75, "aht": 240, "target": "80/20", "agents": 10});
        let got = ask(&desk, few).await;
        assert_eq!(got.status, StatusCode::OK, "{got:?}");
        assert_eq!(got.body["erlang_c"]["stable"], false);
        assert_eq!(got.body["erlang_c"]["asa_s"], Value::Null);
        assert!(got.body.get("erlang_a").is_none());
        for (body, status) in [
            (json!({"calls": 75, "aht": 0, "target": "80/20"}), 422),
            (json!({"calls": -1, "aht": 9, "target": "80/20"}), 422),
            (json!({"calls": 1, "aht": 9, "target": "100/20"}), 422),
            (json!({"calls": 1, "aht": 9}), 422),
            (
                json!({"calls": 1, "aht": 9, "target": "80/20", "paitence": 9}),
                422,
            ),
        ] {
            is_problem(&ask(&desk, body).await, status);
        }
    });
}
