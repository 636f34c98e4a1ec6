//! A queue that rings all: several telephones ring for one caller, and one agent has the call.

use ringdown_harness::PATIENCE;
use ringdown_harness::audio::Voice;
use ringdown_harness::desk::{Desk, DeskPlan};
use ringdown_harness::phone::{Call, Phone};
use serde_json::Value;
use std::path::Path;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

/// A desk with three agents whom `keys` of its queue ring at once.
fn desk_of_three(keys: &str) -> (Desk, [Phone; 3]) {
    let (plan, anna) = DeskPlan::new()
        .queue_keys("strategy = \"ring_all\"\n")
        .queue_keys(keys)
        .agent_with_phone("anna");
    let (plan, bob) = plan.agent_with_phone("bob");
    let (plan, cleo) = plan.agent_with_phone("cleo");
    (plan.open(program()), [anna, bob, cleo])
}

/// Waits until all three ring, and gives their calls.
fn must_all_ring(phones: &mut [Phone; 3]) -> [Call; 3] {
    let calls = phones.each_mut().map(Phone::must_ring);
    let contact = calls[0].invite.must("X-Ringdown-Contact");
    for call in &calls {
        assert_eq!(call.invite.must("X-Ringdown-Contact"), contact);
    }
    calls
}

/// Waits for the CANCEL and gives its Reason, if it has one.
fn reason_of_cancel(phone: &mut Phone, call: &Call) -> Option<String> {
    let id = call.id.clone();
    let cancel = phone.must_receive("CANCEL", |message| {
        message.method() == Some("CANCEL") && message.must("Call-ID") == id
    });
    phone.agree_at_gateway(&cancel);
    phone.decline(call, 487, "Request Terminated");
    cancel.headers("Reason").next().map(str::to_owned)
}

const ELSEWHERE: &str = "SIP ;cause=200 ;text=\"Call completed elsewhere\"";

fn must_talk(caller: &Call, agent: &Call) {
    caller.speak(Voice::Numbered(1));
    agent.speak(Voice::Numbered(2));
    agent.audio.must_hear(Voice::Numbered(1), 25, PATIENCE);
    caller.audio.must_hear(Voice::Numbered(2), 25, PATIENCE);
}

fn ended(desk: &Desk, call: &Call) -> Value {
    let contact = call.invite.must("X-Ringdown-Contact");
    desk.api.wait_until(
        &format!("/api/v1/contacts/{contact}"),
        "its result",
        PATIENCE,
        |contact| contact["result"].is_string(),
    )
}

/// The agents' statuses, by name.
fn statuses(desk: &Desk) -> Vec<String> {
    let agents = desk.api.get_json("/api/v1/agents");
    let items = agents["items"].as_array().expect("a list");
    let status = |agent: &Value| agent["status"].as_str().unwrap_or("").to_owned();
    items.iter().map(status).collect()
}

#[test]
fn all_ring_one_answers_and_the_others_hear_that_it_was_answered_elsewhere() {
    let (desk, mut phones) = desk_of_three("");
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    let offered = must_all_ring(&mut phones);
    let waiting = desk.api.get_json("/api/v1/queues/desk/waiting");
    assert_eq!(waiting["items"][0]["agent"], "anna", "{waiting:#}");
    assert_eq!(
        waiting["items"][0]["others"],
        serde_json::json!(["bob", "cleo"])
    );
    let [mut anna, mut bob, mut cleo] = phones;
    bob.answer(&offered[1]);
    for (phone, offered) in [(&mut anna, &offered[0]), (&mut cleo, &offered[2])] {
        assert_eq!(reason_of_cancel(phone, offered).as_deref(), Some(ELSEWHERE));
    }
    must_talk(&call, &offered[1]);
    caller.hang_up(&mut call);
    bob.must_be_hung_up(&offered[1]);
    let contact = ended(&desk, &offered[1]);
    assert_eq!(
        (&contact["result"], &contact["agent"]),
        (&"answered".into(), &"bob".into())
    );
    let statistics = desk.api.get_json("/api/v1/statistics");
    assert_eq!(statistics["total"]["answered"], 1, "{statistics:#}");
    assert_eq!(statistics["is_conserved"], true, "{statistics:#}");
    // Who was not quick enough is free for the next caller.
    let mut second = caller.call("100");
    caller.must_get(&mut second, 200);
    let mut phones = [anna, bob, cleo];
    must_all_ring(&mut phones);
}

#[test]
fn of_two_who_answer_at_the_same_moment_one_talks_and_the_other_is_ended_in_order() {
    let (desk, mut phones) = desk_of_three("");
    let mut caller = desk.caller("0912345678");
    for _ in 0..10 {
        let mut call = caller.call("200");
        let offered = must_all_ring(&mut phones);
        let [anna, bob, cleo] = &mut phones;
        bob.send_answer(&offered[1]);
        anna.send_answer(&offered[0]);
        caller.must_get(&mut call, 200);
        // Both answers are acknowledged, and one of the two has the call.
        anna.must_be_acknowledged(&offered[0]);
        bob.must_be_acknowledged(&offered[1]);
        cleo.must_be_cancelled(&offered[2]);
        call.speak(Voice::Numbered(1));
        let contact = ended_or_active(&desk, &offered[0]);
        let (winner, loser, won, lost) = if contact["agent"] == "anna" {
            (anna, bob, &offered[0], &offered[1])
        } else {
            (bob, anna, &offered[1], &offered[0])
        };
        loser.must_be_hung_up(lost);
        won.audio.must_hear(Voice::Numbered(1), 10, PATIENCE);
        caller.hang_up(&mut call);
        winner.must_be_hung_up(won);
        assert_eq!(ended(&desk, won)["result"], "answered");
    }
}

/// Waits until somebody has the contact, and gives it.
fn ended_or_active(desk: &Desk, call: &Call) -> Value {
    let contact = call.invite.must("X-Ringdown-Contact");
    desk.api.wait_until(
        &format!("/api/v1/contacts/{contact}"),
        "who has it",
        PATIENCE,
        |contact| contact["state"] == "active",
    )
}

#[test]
fn one_who_declines_is_out_of_it_and_the_others_ring_on() {
    let (desk, mut phones) = desk_of_three("");
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("200");
    let offered = must_all_ring(&mut phones);
    let [mut anna, mut bob, mut cleo] = phones;
    anna.decline(&offered[0], 603, "Decline");
    bob.decline(&offered[1], 486, "Busy Here");
    cleo.send_answer(&offered[2]);
    caller.must_get(&mut call, 200);
    cleo.must_be_acknowledged(&offered[2]);
    must_talk(&call, &offered[2]);
    assert!(!anna.has_been_called() && !bob.has_been_called());
    caller.hang_up(&mut call);
    cleo.must_be_hung_up(&offered[2]);
    assert_eq!(statuses(&desk), ["available"; 3]);
}

#[test]
fn when_nobody_answers_all_whose_phones_rang_are_not_ready() {
    let (desk, mut phones) = desk_of_three("ring_timeout_s = 1\n");
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    let [anna, bob, cleo] = &mut phones;
    let offered = [anna.must_ring(), bob.must_ring(), cleo.must_be_called()];
    for (phone, offered) in [anna, bob].into_iter().zip(&offered) {
        // Nobody has taken it: it is a missed call.
        assert_eq!(reason_of_cancel(phone, offered), None);
    }
    desk.api
        .wait_until("/api/v1/agents", "who let it ring", PATIENCE, |agents| {
            let is = |place: usize, status: &str| agents["items"][place]["status"] == status;
            // Cleo's phone never rang, so it is the phone that is at fault.
            is(0, "not_ready") && is(1, "not_ready") && is(2, "available")
        });
    desk.api
        .wait_until("/api/v1/queues", "who waits", PATIENCE, |list| {
            list["items"][0]["waiting"] == 1 && list["items"][0]["ringing"] == 0
        });
    caller.hang_up(&mut call);
    assert_eq!(ended(&desk, &offered[0])["result"], "abandoned");
}

#[test]
fn a_caller_who_hangs_up_while_three_ring_stops_them_all_and_frees_them() {
    let (desk, mut phones) = desk_of_three("");
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    let offered = must_all_ring(&mut phones);
    caller.hang_up(&mut call);
    for (phone, offered) in phones.iter_mut().zip(&offered) {
        assert_eq!(reason_of_cancel(phone, offered), None);
    }
    assert_eq!(ended(&desk, &offered[0])["result"], "abandoned");
    let mut second = caller.call("100");
    caller.must_get(&mut second, 200);
    must_all_ring(&mut phones);
}

#[test]
fn no_more_phones_ring_at_once_than_the_queue_says() {
    let (desk, [mut anna, mut bob, mut cleo]) = desk_of_three("ring_all_max = 2\n");
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("200");
    // Ties go by id.
    let first = anna.must_ring();
    let second = bob.must_ring();
    bob.send_answer(&second);
    caller.must_get(&mut call, 200);
    bob.must_be_acknowledged(&second);
    anna.must_be_cancelled(&first);
    assert!(!cleo.has_been_called());
    caller.hang_up(&mut call);
    bob.must_be_hung_up(&second);
}
