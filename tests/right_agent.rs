//! Whom a call rings: the agent whose number it is, the one who helped last, one with the skill.

use ringdown_harness::PATIENCE;
use ringdown_harness::desk::{Desk, DeskPlan};
use ringdown_harness::phone::Phone;
use serde_json::json;
use std::path::Path;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

fn set_status(desk: &Desk, agent: &str, status: &str) {
    let path = format!("/api/v1/agents/{agent}/status");
    let answer = desk.api.post(&path, &json!({ "status": status }));
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Calls, is answered by this agent and hangs up.
fn must_reach(desk: &Desk, caller: &mut Phone, number: &str, agent: &mut Phone) {
    let mut call = caller.call(number);
    caller.must_get(&mut call, 200);
    let offered = agent.must_ring();
    agent.answer(&offered);
    caller.hang_up(&mut call);
    agent.must_be_hung_up(&offered);
    let contact = offered.invite.must("X-Ringdown-Contact");
    desk.api.wait_until(
        &format!("/api/v1/contacts/{contact}"),
        "its end",
        PATIENCE,
        |contact| contact["result"] == "answered",
    );
}

#[test]
fn a_caller_is_kept_for_the_agent_who_helped_last() {
    let (plan, mut anna) = DeskPlan::new().agent_with_phone("anna");
    let (plan, mut bob) = plan.agent_with_phone("bob");
    let desk = plan
        .queue_keys("affinity = { within_s = 3600, for_s = 30 }\n")
        .open(program());
    let mut caller = desk.caller("0912345678");
    set_status(&desk, "anna", "not_ready");
    must_reach(&desk, &mut caller, "100", &mut bob);
    set_status(&desk, "anna", "available");
    // Somebody else gets whoever is idle longest, after which that is Bob no more.
    set_status(&desk, "bob", "not_ready");
    must_reach(&desk, &mut desk.caller("0922222222"), "100", &mut anna);
    set_status(&desk, "bob", "available");
    must_reach(&desk, &mut caller, "100", &mut bob);
    must_reach(&desk, &mut desk.caller("0922222222"), "100", &mut anna);
}

#[test]
fn a_number_of_an_agents_own_rings_nobody_else() {
    let (plan, mut anna) = DeskPlan::new().agent_with_phone("anna");
    let (plan, mut bob) = plan.agent_with_phone("bob");
    let desk = plan
        .section("[[number]]\nnumber = \"300\"\nqueue = \"desk\"\nagent = \"bob\"\n")
        .open(program());
    let mut caller = desk.caller("0912345678");
    for _ in 0..2 {
        must_reach(&desk, &mut caller, "300", &mut bob);
    }
    assert!(!anna.has_been_called());
}

#[test]
fn a_number_that_needs_a_skill_waits_for_it_and_then_takes_anybody() {
    let (plan, mut anna) = DeskPlan::new().agent_with_phone("anna");
    let desk = plan
        .section("[[skill]]\nid = \"net\"\n")
        .section(
            "[[number]]\nnumber = \"300\"\nqueue = \"desk\"\n\
             skills = [{ need = { net = 4 }, until_s = 60 }]\n",
        )
        .open(program());
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("300");
    caller.must_get(&mut call, 200);
    desk.api
        .wait_until("/api/v1/queues", "somebody who waits", PATIENCE, |list| {
            list["items"][0]["waiting"] == 1
        });
    assert!(!anna.has_been_called());
    // The supervisor finds out that Anna can do it.
    let changed = desk.api.try_send(
        "PATCH",
        "/api/v1/agents/anna",
        "",
        "{\"skills\":{\"net\":5}}",
    );
    assert_eq!(changed.expect("an answer").status, 200);
    let offered = anna.must_ring();
    anna.answer(&offered);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
}
