//! The desk on a real redis-server: the same calls, and what its loss costs.

use ringdown_harness::PATIENCE;
use ringdown_harness::audio::Voice;
use ringdown_harness::desk::DeskPlan;
use ringdown_harness::phone::Phone;
use ringdown_harness::place::free_address;
use ringdown_harness::redis::Redis;
use serde_json::json;
use std::path::Path;

const CALLER: Voice = Voice::Numbered(1);
const AGENT: Voice = Voice::Numbered(2);

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

fn on(redis: &Redis) -> DeskPlan {
    DeskPlan::new().section(&format!("[redis]\nurl = \"{}\"\n", redis.url()))
}

#[test]
fn a_call_goes_through_a_queue_that_redis_holds() {
    let redis = Redis::start();
    let (plan, mut anna) = on(&redis).agent_with_phone("anna");
    let desk = plan.open(program());
    let mut caller = desk.caller("0912345678");
    for _ in 0..3 {
        let mut call = caller.call("100");
        caller.must_get(&mut call, 200);
        let offered = anna.must_ring();
        anna.answer(&offered);
        call.speak(CALLER);
        offered.speak(AGENT);
        offered.audio.must_hear(CALLER, 10, PATIENCE);
        call.audio.must_hear(AGENT, 10, PATIENCE);
        caller.hang_up(&mut call);
        anna.must_be_hung_up(&offered);
    }
}

#[test]
fn calls_in_progress_survive_the_loss_of_redis_and_end_in_order() {
    let mut redis = Redis::start();
    let (plan, mut anna) = on(&redis).agent_with_phone("anna");
    let desk = plan.open(program());
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    let offered = anna.must_ring();
    anna.answer(&offered);
    call.speak(CALLER);
    offered.speak(AGENT);
    offered.audio.must_hear(CALLER, 10, PATIENCE);
    redis.kill();
    offered.audio.forget();
    call.audio.forget();
    offered.audio.must_hear(CALLER, 150, PATIENCE);
    call.audio.must_hear(AGENT, 150, PATIENCE);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
}

#[test]
fn a_caller_who_comes_while_redis_is_away_waits_and_is_served_when_it_is_back() {
    let mut redis = Redis::start();
    let (plan, mut anna) = on(&redis).agent_with_phone("anna");
    let desk = plan.open(program());
    redis.kill();
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    call.audio.must_hear_packets(50, PATIENCE);
    redis.restart();
    let offered = anna.must_ring();
    anna.answer(&offered);
    call.speak(CALLER);
    offered.audio.must_hear(CALLER, 10, PATIENCE);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
}

/// A call-back is talked through while Redis goes away, ends before it is back, and its agent has the next call.
fn a_call_back_ends_while_redis_is_away(restart: impl FnOnce(&mut Redis)) {
    let mut redis = Redis::start_keeping();
    let (plan, mut anna) = on(&redis).agent_with_phone("anna");
    let mut outside = Phone::new("outside", plan.sip());
    let trunk = format!(
        "[[trunk]]\nname = \"loopback\"\naddresses = [\"127.0.0.0/8\"]\n\
         trusted_identity = true\noutbound = \"sip:127.0.0.1:{}\"\n",
        outside.port()
    );
    let desk = plan.trunks(&trunk).open(program());
    let order = json!({"number": "0223456789", "queue": "desk"});
    assert_eq!(desk.api.post("/api/v1/callbacks", &order).status, 201);
    let offered = anna.must_ring();
    anna.answer(&offered);
    let mut back = outside.must_ring();
    outside.answer(&back);
    back.speak(CALLER);
    offered.audio.must_hear(CALLER, 10, PATIENCE);
    redis.kill();
    outside.hang_up(&mut back);
    anna.must_be_hung_up(&offered);
    restart(&mut redis);
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    let next = anna.must_ring();
    anna.answer(&next);
    call.speak(CALLER);
    next.audio.must_hear(CALLER, 10, PATIENCE);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&next);
    assert!(!outside.has_been_called(), "{}", outside.ladder());
    let contact = offered.invite.must("X-Ringdown-Contact");
    desk.api.wait_until(
        &format!("/api/v1/contacts/{contact}"),
        "its result",
        PATIENCE,
        |contact| contact["result"] == "answered",
    );
}

#[test]
fn a_call_back_that_ends_while_redis_is_away_leaves_its_agent_free() {
    a_call_back_ends_while_redis_is_away(Redis::restart_with_data);
}

#[test]
fn a_call_back_that_ends_while_redis_loses_everything_leaves_its_agent_free() {
    a_call_back_ends_while_redis_is_away(Redis::restart);
}

#[test]
fn a_call_back_that_talks_through_a_redis_that_loses_everything_stays_with_its_agent() {
    let mut redis = Redis::start_keeping();
    let (plan, mut anna) = on(&redis).agent_with_phone("anna");
    let (plan, mut bob) = plan.agent_with_phone("bob");
    let mut outside = Phone::new("outside", plan.sip());
    let trunk = format!(
        "[[trunk]]\nname = \"loopback\"\naddresses = [\"127.0.0.0/8\"]\n\
         trusted_identity = true\noutbound = \"sip:127.0.0.1:{}\"\n",
        outside.port()
    );
    let desk = plan.trunks(&trunk).open(program());
    let away = json!({ "status": "not_ready" });
    assert_eq!(
        desk.api.post("/api/v1/agents/bob/status", &away).status,
        200
    );
    let order = json!({"number": "0223456789", "queue": "desk"});
    assert_eq!(desk.api.post("/api/v1/callbacks", &order).status, 201);
    let offered = anna.must_ring();
    anna.answer(&offered);
    let mut back = outside.must_ring();
    outside.answer(&back);
    back.speak(CALLER);
    offered.audio.must_hear(CALLER, 10, PATIENCE);
    let talks = |list: &serde_json::Value| list["items"][0]["state"] == "talking";
    let callbacks = "/api/v1/callbacks";
    desk.api
        .wait_until(callbacks, "that they talk", PATIENCE, talks);
    redis.kill();
    redis.restart();
    // While Redis is away nobody is offered anything. So when bob has the next caller, the desk is there again, and
    // anna is not free in it.
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    let here = json!({ "status": "available" });
    assert_eq!(
        desk.api.post("/api/v1/agents/bob/status", &here).status,
        200
    );
    let next = bob.must_ring();
    bob.answer(&next);
    call.speak(CALLER);
    next.audio.must_hear(CALLER, 10, PATIENCE);
    let open = desk.api.get_json(callbacks);
    assert_eq!(open["items"][0]["state"], "talking", "{open:#}");
    let contact = offered.invite.must("X-Ringdown-Contact");
    let path = format!("/api/v1/contacts/{contact}");
    assert_eq!(desk.api.get_json(&path)["state"], "active");
    offered.audio.forget();
    offered.audio.must_hear(CALLER, 50, PATIENCE);
    // It stands in no line, so it is not offered again when its agent is free.
    let queues = desk.api.get_json("/api/v1/queues");
    assert_eq!(queues["items"][0]["waiting"], 0, "{queues:#}");
    outside.hang_up(&mut back);
    anna.must_be_hung_up(&offered);
    desk.api
        .wait_until(&path, "its result", PATIENCE, |contact| {
            contact["result"] == "answered"
        });
    desk.api.wait_until(callbacks, "none", PATIENCE, |list| {
        list["items"] == json!([])
    });
    caller.hang_up(&mut call);
    bob.must_be_hung_up(&next);
    assert!(!outside.has_been_called(), "{}", outside.ladder());
}

#[test]
fn redis_that_is_not_there_at_the_start_is_said_in_a_sentence() {
    let nobody = free_address();
    let desk = DeskPlan::new()
        .section(&format!("[redis]\nurl = \"redis://{nobody}/\"\n"))
        .start(program());
    let wanted = nobody.to_string();
    let line = desk
        .gateway
        .process
        .wait_for_line("where Redis was looked for", |line| {
            line.contains("Redis") && line.contains(&wanted)
        });
    assert!(line.len() > 30, "{line}");
}
