//! Lines that open and close while callers wait: emergencies, closing by hand, hours that follow the sun.

use ringdown_harness::PATIENCE;
use ringdown_harness::desk::{Desk, DeskPlan};
use ringdown_harness::gateway::{self, Gateway};
use serde_json::{Value, json};
use std::path::Path;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

/// Runs `ringdown emergency` beside the gateway.
fn emergency(desk: &Desk, act: &str) {
    let arguments = ["emergency", act, "-c", "ringdown.toml"];
    let (status, _, told) = gateway::run(program(), &desk.folder, &arguments);
    assert_eq!(status, 0, "{told}");
}

fn must_be_closed_by(desk: &Desk, wanted: &Value) {
    desk.api.wait_until(
        "/api/v1/queues",
        "its queue to open or close",
        PATIENCE,
        |list| list["items"][0]["closed_by"] == *wanted,
    );
}

#[test]
fn an_emergency_clears_the_line_survives_a_restart_and_is_ended_by_command() {
    let (plan, mut anna) = DeskPlan::new().agent_with_phone("anna");
    let mut desk = plan.open(program());
    let mut busy = desk.caller("0911111111");
    let mut talk = busy.call("100");
    busy.must_get(&mut talk, 200);
    let offered = anna.must_ring();
    anna.answer(&offered);
    let mut waiting = desk.caller("0922222222");
    let mut call = waiting.call("100");
    waiting.must_get(&mut call, 200);
    desk.api
        .wait_until("/api/v1/queues", "somebody who waits", PATIENCE, |list| {
            list["items"][0]["waiting"] == 1
        });
    let closed = desk.api.post("/api/v1/emergency", &json!({"closed": true}));
    assert_eq!(closed.status, 200, "{closed:?}");
    // The line is cleared after the message; the talk goes on.
    waiting.must_be_hung_up(&call);
    let contacts = desk
        .api
        .wait_until("/api/v1/contacts", "who flowed out", PATIENCE, |list| {
            list["items"][0]["result"] == "flowed_out"
        });
    assert_eq!(contacts["items"][1]["result"], Value::Null, "{contacts:#}");
    busy.hang_up(&mut talk);
    anna.must_be_hung_up(&offered);

    desk.gateway.process.ask_to_end();
    desk.gateway = Gateway::start(program(), &desk.configuration);
    desk.gateway.must_be_ready(&desk.operations);
    must_be_closed_by(&desk, &json!("emergency"));
    let mut late = desk.caller("0933333333");
    let mut call = late.call("200");
    assert_eq!(late.final_status(&mut call), 480);

    emergency(&desk, "end");
    must_be_closed_by(&desk, &Value::Null);
    let mut call = late.call("200");
    let offered = anna.must_ring();
    anna.send_answer(&offered);
    late.must_get(&mut call, 200);
    anna.must_be_acknowledged(&offered);
    late.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
    let events = gateway::run(
        program(),
        &desk.folder,
        &["emergency", "list", "-c", "ringdown.toml"],
    );
    assert_eq!((events.0, events.1.as_str()), (0, ""), "{}", events.2);
}

#[test]
fn a_queue_closed_by_hand_keeps_who_waits_and_sends_the_next_away() {
    let (plan, mut anna) = DeskPlan::new().agent_with_phone("anna");
    let desk = plan.open(program());
    let status = |status: &Value| desk.api.post("/api/v1/agents/anna/status", status);
    assert_eq!(status(&json!({"status": "not_ready"})).status, 200);
    let mut first = desk.caller("0911111111");
    let mut call = first.call("100");
    first.must_get(&mut call, 200);
    desk.api
        .wait_until("/api/v1/queues", "somebody who waits", PATIENCE, |list| {
            list["items"][0]["waiting"] == 1
        });
    let closed = desk
        .api
        .post("/api/v1/queues/desk/opening", &json!({"opening": "closed"}));
    assert_eq!(closed.status, 200, "{closed:?}");
    let mut second = desk.caller("0922222222");
    let mut late = second.call("200");
    assert_eq!(second.final_status(&mut late), 480);
    assert_eq!(status(&json!({"status": "available"})).status, 200);
    let offered = anna.must_ring();
    anna.answer(&offered);
    first.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
}

#[test]
fn callers_of_a_queue_that_follows_the_sun_reach_the_group_that_is_awake() {
    let every_day = |spans: &str| {
        ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
            .map(|day| format!("{day} = [{spans}]\n"))
            .concat()
    };
    let (plan, mut anna) = DeskPlan::new().agent_with_phone("anna");
    let desk = plan
        .section(&format!("[hours.asleep]\n{}", every_day("")))
        .section(&format!("[hours.awake]\n{}", every_day("\"00:00-24:00\"")))
        .section(
            "[[queue]]\nid = \"world\"\nhours = [\n\
             { hours = \"asleep\", time_zone = \"Asia/Taipei\" },\n\
             { hours = \"awake\", time_zone = \"Europe/Berlin\", queue = \"desk\" },\n]\n",
        )
        .section("[[number]]\nnumber = \"300\"\nqueue = \"world\"\n")
        .open(program());
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("300");
    caller.must_get(&mut call, 200);
    let offered = anna.must_ring();
    anna.answer(&offered);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
    let queues = desk.api.get_json("/api/v1/queues");
    assert_eq!(queues["items"][1]["line"], "desk", "{queues:#}");
}
