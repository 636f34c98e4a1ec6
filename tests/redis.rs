//! The desk on a real redis-server: the same calls, and what its loss costs.

use ringdown_harness::PATIENCE;
use ringdown_harness::audio::Voice;
use ringdown_harness::desk::DeskPlan;
use ringdown_harness::place::free_address;
use ringdown_harness::redis::Redis;
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
