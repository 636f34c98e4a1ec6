//! A supervisor moves, takes back and drops calls while their callers are on the line.

use ringdown_harness::PATIENCE;
use ringdown_harness::desk::{Desk, DeskPlan};
use ringdown_harness::phone::Phone;
use serde_json::{Value, json};
use std::path::Path;

/// A second queue, and an agent who serves it alone.
const SECOND_LINE: &str = "[[queue]]\nid = \"second\"\n";

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

/// A desk where Anna serves the queue `desk` and Bob the queue `second`.
fn two_lines(queue_keys: &str) -> (Desk, Phone, Phone) {
    let (plan, anna) = DeskPlan::new().agent_with_phone("anna");
    let bob = Phone::new("bob", plan.sip());
    let desk = plan
        .queue_keys(queue_keys)
        .section(SECOND_LINE)
        .section(&format!(
            "[[agent]]\nid = \"bob\"\nqueues = [\"second\"]\ncontact = \"{}\"\n",
            bob.contact()
        ))
        .open(program());
    (desk, anna, bob)
}

fn waiting_contact(desk: &Desk) -> String {
    let line = desk.api.wait_until(
        "/api/v1/queues/desk/waiting",
        "somebody who waits",
        PATIENCE,
        |line| line["items"][0]["contact"].is_string(),
    );
    line["items"][0]["contact"]
        .as_str()
        .unwrap_or("")
        .to_owned()
}

fn act(desk: &Desk, contact: &str, act: &str, body: &Value) {
    let answer = desk
        .api
        .post(&format!("/api/v1/contacts/{contact}/{act}"), body);
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn result_of(desk: &Desk, contact: &str) -> Value {
    let contact = desk.api.wait_until(
        &format!("/api/v1/contacts/{contact}"),
        "its result",
        PATIENCE,
        |contact| contact["result"].is_string(),
    );
    contact["result"].clone()
}

#[test]
fn a_call_that_rings_is_moved_and_rings_elsewhere() {
    let (desk, mut anna, mut bob) = two_lines("");
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    let offered = anna.must_ring();
    let contact = offered.invite.must("X-Ringdown-Contact").to_owned();
    act(&desk, &contact, "move", &json!({"queue": "second"}));
    anna.must_be_cancelled(&offered);
    let offered = bob.must_ring();
    bob.answer(&offered);
    caller.hang_up(&mut call);
    bob.must_be_hung_up(&offered);
    assert_eq!(result_of(&desk, &contact), "answered");
    let statistics = desk.api.get_json("/api/v1/statistics");
    assert_eq!(statistics["is_conserved"], true, "{statistics:#}");
}

#[test]
fn a_call_is_taken_from_the_agent_and_keeps_its_place() {
    let (desk, mut anna, _bob) = two_lines("decline_back_off_s = 0\n");
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    let rung = anna.must_ring();
    let contact = rung.invite.must("X-Ringdown-Contact").to_owned();
    act(&desk, &contact, "requeue", &json!({}));
    anna.must_be_cancelled(&rung);
    let talked = anna.must_ring();
    anna.answer(&talked);
    act(&desk, &contact, "requeue", &json!({}));
    anna.must_be_hung_up(&talked);
    let again = anna.must_ring();
    assert_eq!(again.invite.must("X-Ringdown-Contact"), contact);
    anna.answer(&again);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&again);
    assert_eq!(result_of(&desk, &contact), "answered");
}

#[test]
fn a_waiting_call_is_dropped_with_a_good_bye() {
    let desk = DeskPlan::new().open(program());
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    let contact = waiting_contact(&desk);
    act(&desk, &contact, "drop", &json!({}));
    caller.must_be_hung_up(&call);
    assert_eq!(result_of(&desk, &contact), "flowed_out");
}

#[test]
fn a_wait_that_is_too_long_leads_into_the_second_line() {
    let (desk, mut anna, mut bob) =
        two_lines("wait_max_s = 1\nwhen_waited = { queue = \"second\" }\n");
    let status = json!({"status": "not_ready"});
    let answer = desk.api.post("/api/v1/agents/anna/status", &status);
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    let offered = bob.must_ring();
    bob.answer(&offered);
    caller.hang_up(&mut call);
    bob.must_be_hung_up(&offered);
    assert!(!anna.has_been_called());
}

#[test]
fn a_reason_for_being_away_is_one_of_the_sites_and_is_counted() {
    let (plan, _anna) = DeskPlan::new().agent_with_phone("anna");
    let desk = plan
        .section("[[not_ready_reason]]\nid = \"lunch\"\nmax_s = 1\n")
        .section("[[not_ready_reason]]\nid = \"training\"\nproductive = true\n")
        .open(program());
    let away = |reason: Value| {
        let wish = json!({"status": "not_ready", "reason": reason});
        desk.api.post("/api/v1/agents/anna/status", &wish)
    };
    for unknown in [json!("nap"), Value::Null] {
        let refused = away(unknown);
        assert_eq!(refused.status, 422, "{refused:?}");
        assert!(refused.body.contains("lunch, training"), "{refused:?}");
    }
    let reasons = desk.api.get_json("/api/v1/not_ready_reasons");
    assert_eq!(reasons["items"][1]["productive"], true, "{reasons:#}");
    assert_eq!(away(json!("lunch")).status, 200);
    let agents = desk
        .api
        .wait_until("/api/v1/agents", "a warning", PATIENCE, |list| {
            list["items"][0]["warning"] == "not_ready_too_long"
        });
    assert!(agents["items"][0]["status_since_at"].is_string());
    assert_eq!(away(json!("training")).status, 200);
    let statistics = desk.api.wait_until(
        "/api/v1/statistics",
        "time in training",
        PATIENCE,
        |statistics| statistics["agents"]["anna"]["not_ready_productive_ms"] != json!(0),
    );
    let anna = &statistics["agents"]["anna"];
    let of = |reason: &str| anna["not_ready_by_reason_ms"][reason].as_u64().unwrap_or(0);
    assert!(of("lunch") > 1_000 && of("training") > 0, "{anna:#}");
    assert_eq!(
        Some(of("lunch") + of("training")),
        anna["not_ready_ms"].as_u64()
    );
    let agents = desk.api.get_json("/api/v1/agents");
    assert_eq!(agents["items"][0]["warning"], Value::Null, "{agents:#}");
}
