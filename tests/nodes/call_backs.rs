//! A call-back that is over and stands in the line of several gateways all the same.

use crate::{Shared, answered_and_heard, line_up, look, stand_in_line};
use ringdown_harness::PATIENCE;
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use std::str::FromStr;

/// Takes every call-back back, as a gateway does whose word has not come to the others yet.
fn cancel_in_database(shared: &Shared) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let options = PgConnectOptions::from_str(&shared.postgres.url()).expect("an address");
        let mut connection = options.connect().await.expect("the desk's database");
        let done = sqlx::query("UPDATE call_backs SET state = 'cancelled'")
            .execute(&mut connection)
            .await;
        done.expect("the statement is SQL");
    });
}

#[test]
fn a_call_back_that_is_over_has_one_end_however_many_gateways_take_it_out_of_the_line() {
    let shared = Shared::start();
    let (gateways, mut anna, mut outside) = shared.three_gateways("");
    let [first, ..] = &gateways;
    let set_status = |status: &str| {
        let wish = json!({ "status": status });
        let answer = first.api.post("/api/v1/agents/anna/status", &wish);
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    set_status("not_ready");
    let order = json!({"number": "0223456789", "queue": "desk"});
    let ordered = first.api.post("/api/v1/callbacks", &order);
    assert_eq!(ordered.status, 201, "{ordered:?}");
    let contact = ordered.json()["contact"].clone();
    let contact = contact.as_str().expect("it has a contact").to_owned();
    for desk in &gateways {
        stand_in_line(desk, 1);
    }
    cancel_in_database(&shared);
    set_status("available");
    let path = format!("/api/v1/contacts/{contact}");
    let is_over = |told: Value| (told["result"] == "flowed_out").then_some(());
    look(first, &path, "its end", is_over);
    // Each of them has seen that offer when it has brought a caller of its own to her.
    for desk in &gateways {
        let (mut caller, mut call) = line_up(desk, "0912345678");
        let offered = answered_and_heard(&mut anna, &call);
        caller.hang_up(&mut call);
        anna.must_be_hung_up(&offered);
        let served = offered.invite.must("X-Ringdown-Contact");
        let path = format!("/api/v1/contacts/{served}");
        let is_served = |told: &Value| told["result"] == "answered";
        desk.api.wait_until(&path, "its end", PATIENCE, is_served);
    }
    let events = first.api.get_json(&format!("{path}/events"));
    let items = events["items"].as_array().expect("a list").iter();
    let ends = items.filter(|event| event["event"] == "closed");
    assert_eq!(ends.count(), 1, "{events:#}");
    assert!(!outside.has_been_called(), "{}", outside.ladder());
}
