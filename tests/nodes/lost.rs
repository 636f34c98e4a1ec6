//! Three gateways, and the one that dispatches dies or falls asleep: what becomes of its callers, of those
//! who wait elsewhere, and of the agent whose phone rang for it.

use crate::{Shared, answered_and_heard, line_up, look, stand_in_line};
use ringdown_harness::PATIENCE;
use ringdown_harness::audio::Voice;
use ringdown_harness::desk::Desk;
use ringdown_harness::phone::{Call, Phone};
use ringdown_routing::ids::ContactId;
use serde_json::Value;
use std::time::{Duration, Instant};

const CALLED_BACK: Voice = Voice::Numbered(7);

/// The gateways by what they do: the one that dispatches, and the two others.
fn by_role(shared: &Shared, gateways: [Desk; 3]) -> (Desk, Desk, Desk) {
    let place = shared.leader(&gateways.each_ref());
    let mut others: Vec<Desk> = gateways.into();
    let leader = others.remove(place);
    let [a, b] = others.try_into().expect("two are left");
    (leader, a, b)
}

/// The contacts that wait, first served first.
fn line(desk: &Desk) -> Vec<String> {
    let told = desk.api.get_json("/api/v1/queues/desk/waiting");
    let items = told["items"].as_array().expect("a list").iter();
    items.map(|item| text(&item["contact"])).collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Waits until one caller is to be called back, and gives the contact that stands for them; both gateways
/// must know of one.
fn is_to_be_called_back(gateways: [&Desk; 2]) -> String {
    let [one, other] = gateways.map(|desk| {
        look(desk, "/api/v1/callbacks", "a call-back", |answer| {
            let items = answer["items"].as_array()?;
            assert!(items.len() < 2, "{answer:#}");
            Some(text(&items.first()?["contact"]))
        })
    });
    assert_eq!(one, other);
    one
}

/// The agent takes a call-back, and then the caller is reached by the trunk and both hear each other.
fn is_called_back(anna: &mut Phone, outside: &mut Phone, contact: &str, number: &str) {
    let offered = anna.must_ring();
    takes_call_back(anna, offered, outside, contact, number);
}

fn takes_call_back(
    anna: &mut Phone,
    offered: Call,
    outside: &mut Phone,
    contact: &str,
    number: &str,
) {
    assert_eq!(offered.invite.must("X-Ringdown-Contact"), contact);
    anna.answer(&offered);
    let mut reached = outside.must_ring();
    let target = reached.invite.as_str().lines().next().unwrap_or_default();
    assert!(target.contains(number), "{target}");
    outside.answer(&reached);
    reached.speak(CALLED_BACK);
    offered.audio.must_hear(CALLED_BACK, 10, PATIENCE);
    outside.hang_up(&mut reached);
    anna.must_be_hung_up(&offered);
}

fn serves(anna: &mut Phone, caller: &mut Phone, call: &mut Call) {
    let offered = answered_and_heard(anna, call);
    caller.hang_up(call);
    anna.must_be_hung_up(&offered);
}

#[test]
fn the_dispatcher_dies_and_another_serves_those_who_wait_elsewhere_in_their_order() {
    let shared = Shared::start();
    let (gateways, mut anna, mut outside) = shared.three_gateways("");
    let (mut leader, a, b) = by_role(&shared, gateways);
    let (mut busy, mut busy_call) = line_up(&a, "0912345670");
    let first_offered = answered_and_heard(&mut anna, &busy_call);
    let (mut first, mut first_call) = line_up(&b, "0912345671");
    stand_in_line(&a, 1);
    let (mut second, mut second_call) = line_up(&a, "0912345672");
    stand_in_line(&b, 2);
    leader.gateway.process.kill();
    busy.hang_up(&mut busy_call);
    anna.must_be_hung_up(&first_offered);
    serves(&mut anna, &mut first, &mut first_call);
    serves(&mut anna, &mut second, &mut second_call);
    // It is one of the two, or there is none.
    shared.leader(&[&a, &b]);
    assert!(!outside.has_been_called(), "nobody was cut off");
}

#[test]
fn who_waited_at_a_gateway_that_died_is_called_back_at_the_old_place() {
    let shared = Shared::start();
    let (gateways, mut anna, mut outside) = shared.three_gateways("");
    let (mut leader, a, b) = by_role(&shared, gateways);
    let (mut busy, mut busy_call) = line_up(&a, "0912345670");
    let first_offered = answered_and_heard(&mut anna, &busy_call);
    let (_gone, _lost_call) = line_up(&leader, "0912345671");
    stand_in_line(&a, 1);
    let (mut second, mut second_call) = line_up(&b, "0912345672");
    stand_in_line(&a, 2);
    // A number that nobody can call: this one only fails.
    let (_nobody, _anonymous_call) = line_up(&leader, "anonymous");
    stand_in_line(&a, 3);
    leader.gateway.process.kill();
    let call_back = is_to_be_called_back([&a, &b]);
    stand_in_line(&a, 2);
    assert_eq!(line(&a)[0], call_back, "the old place is kept");
    let failed = |answer: Value| {
        let contacts = answer["items"].as_array()?;
        let lost = contacts
            .iter()
            .filter(|contact| contact["result"] == "failed");
        let all_lost = lost
            .clone()
            .all(|contact| contact["reason"] == "gateway_lost");
        (lost.count() == 2 && all_lost).then_some(())
    };
    look(&b, "/api/v1/contacts", "two who failed", failed);
    busy.hang_up(&mut busy_call);
    anna.must_be_hung_up(&first_offered);
    is_called_back(&mut anna, &mut outside, &call_back, "912345671");
    serves(&mut anna, &mut second, &mut second_call);
    let none = |answer: Value| answer["items"].as_array()?.is_empty().then_some(());
    look(&a, "/api/v1/callbacks", "no call-back", none);
}

#[test]
fn an_agent_whose_phone_rings_for_a_gateway_that_died_is_not_rung_beside_it() {
    let shared = Shared::start();
    let rings = Duration::from_secs(5);
    let (gateways, mut anna, mut outside) = shared.three_gateways("ring_timeout_s = 5\n");
    let (mut leader, a, b) = by_role(&shared, gateways);
    let (_gone, _lost_call) = line_up(&leader, "0912345671");
    let ringing = anna.must_ring();
    let since = Instant::now();
    assert_eq!(
        ringing.invite.must("Expires"),
        "5",
        "the ring ends by itself"
    );
    let (mut second, mut second_call) = line_up(&a, "0912345672");
    leader.gateway.process.kill();
    let call_back = is_to_be_called_back([&a, &b]);
    let offered = anna.must_ring();
    // The offer was made a little before its INVITE came here.
    let slack = Duration::from_millis(500);
    assert!(since.elapsed() + slack >= rings, "{:?}", since.elapsed());
    takes_call_back(&mut anna, offered, &mut outside, &call_back, "912345671");
    serves(&mut anna, &mut second, &mut second_call);
}

#[test]
fn who_was_talking_at_a_gateway_that_died_comes_before_all_who_still_wait() {
    let shared = Shared::start();
    let (gateways, mut anna, mut outside) = shared.three_gateways("");
    let (mut leader, a, b) = by_role(&shared, gateways);
    let (_gone, lost_call) = line_up(&leader, "0912345671");
    let lost = answered_and_heard(&mut anna, &lost_call);
    let lost = lost.invite.must("X-Ringdown-Contact").parse::<ContactId>();
    let lost = lost.expect("a contact");
    let (mut second, mut second_call) = line_up(&a, "0912345672");
    stand_in_line(&b, 1);
    let (mut third, mut third_call) = line_up(&b, "0912345673");
    stand_in_line(&a, 2);
    leader.gateway.process.kill();
    // Anna is free with the end of that talk, and its caller is the next she has.
    let contact = lost.successor().to_string();
    is_called_back(&mut anna, &mut outside, &contact, "912345671");
    serves(&mut anna, &mut second, &mut second_call);
    serves(&mut anna, &mut third, &mut third_call);
    let none = |answer: Value| answer["items"].as_array()?.is_empty().then_some(());
    look(&a, "/api/v1/callbacks", "no call-back", none);
    let once = |answer: Value| {
        let items = answer["items"].as_array()?.iter();
        let of_it = items.filter(|event| event["event"] == "arrived");
        (of_it.count() == 1).then_some(())
    };
    let path = format!("/api/v1/contacts/{contact}/events");
    look(&b, &path, "that it arrived once", once);
}

#[test]
fn callers_of_a_dispatcher_that_only_slept_are_served_once_and_in_their_order() {
    let shared = Shared::start();
    let (gateways, mut anna, mut outside) = shared.three_gateways("");
    let (leader, a, b) = by_role(&shared, gateways);
    let (mut busy, mut busy_call) = line_up(&a, "0912345670");
    let first_offered = answered_and_heard(&mut anna, &busy_call);
    let (mut first, mut first_call) = line_up(&leader, "0912345671");
    stand_in_line(&a, 1);
    let (mut second, mut second_call) = line_up(&b, "0912345672");
    stand_in_line(&a, 2);
    leader.gateway.process.signal("STOP");
    is_to_be_called_back([&a, &b]);
    shared.leader(&[&a, &b]);
    leader.gateway.process.signal("CONT");
    // Its caller is still on the line: nobody need be called.
    let none = |answer: Value| answer["items"].as_array()?.is_empty().then_some(());
    look(&a, "/api/v1/callbacks", "no call-back", none);
    stand_in_line(&b, 2);
    busy.hang_up(&mut busy_call);
    anna.must_be_hung_up(&first_offered);
    serves(&mut anna, &mut first, &mut first_call);
    serves(&mut anna, &mut second, &mut second_call);
    stand_in_line(&a, 0);
    assert!(!outside.has_been_called(), "{}", outside.ladder());
}

#[test]
fn a_dispatcher_that_drains_hands_over_at_once() {
    let shared = Shared::start();
    let (gateways, _anna, _outside) = shared.three_gateways("");
    let (leader, a, b) = by_role(&shared, gateways);
    // Nothing ends by itself: it has a call until the end of the test.
    let (_stays, _call) = line_up(&leader, "0912345671");
    let answer = leader
        .api
        .post("/api/v1/node/drain", &serde_json::json!({}));
    assert_eq!(answer.status, 200);
    shared.leader(&[&a, &b]);
}

/// A caller presses the key for a call-back and hangs up; gives the contact that waits for them.
fn asks_for_a_call_back(desk: &Desk, other: &Desk, number: &str) -> String {
    let (mut caller, call) = line_up(desk, number);
    stand_in_line(other, 1);
    call.speak(Voice::Numbered(3));
    call.audio.must_hear_packets(25, PATIENCE);
    call.audio.key_in("1#");
    caller.must_be_hung_up(&call);
    is_to_be_called_back([desk, other])
}

#[test]
fn who_asked_for_a_call_back_keeps_the_place_when_the_gateway_dies() {
    let shared = Shared::start();
    let keys = "callback_offer = { after_s = 0 }\ndecline_back_off_s = 1\n";
    let (gateways, mut anna, mut outside) = shared.three_gateways(keys);
    let (mut leader, a, b) = by_role(&shared, gateways);
    let (mut busy, mut busy_call) = line_up(&a, "0912345670");
    let first_offered = answered_and_heard(&mut anna, &busy_call);
    let call_back = asks_for_a_call_back(&leader, &a, "0912345671");
    let (mut second, mut second_call) = line_up(&b, "0912345672");
    stand_in_line(&a, 2);
    leader.gateway.process.kill();
    shared.leader(&[&a, &b]);
    busy.hang_up(&mut busy_call);
    anna.must_be_hung_up(&first_offered);
    assert_eq!(line(&a)[0], call_back);
    is_called_back(&mut anna, &mut outside, &call_back, "912345671");
    serves(&mut anna, &mut second, &mut second_call);
}

#[test]
fn a_call_back_is_tried_again_when_the_gateway_dies_that_placed_it() {
    let shared = Shared::start();
    let keys = "callback_offer = { after_s = 0 }\ndecline_back_off_s = 1\n";
    let (gateways, mut anna, mut outside) = shared.three_gateways(keys);
    let (busy_at, desk) = (&gateways[0], &gateways[1]);
    let (mut busy, mut busy_call) = line_up(busy_at, "0912345670");
    let first_offered = answered_and_heard(&mut anna, &busy_call);
    let call_back = asks_for_a_call_back(desk, busy_at, "0912345671");
    busy.hang_up(&mut busy_call);
    anna.must_be_hung_up(&first_offered);
    let offered = anna.must_ring();
    anna.answer(&offered);
    let reached = outside.must_ring();
    outside.answer(&reached);
    reached.speak(CALLED_BACK);
    offered.audio.must_hear(CALLED_BACK, 10, PATIENCE);
    // Any of them may have taken it.
    let via = offered.invite.must("Via").to_owned();
    let mut gateways = gateways;
    let is_placing = |desk: &&mut Desk| via.contains(&desk.sip.to_string());
    let placing = gateways.iter_mut().find(is_placing);
    placing.expect("one of them has").gateway.process.kill();
    is_called_back(&mut anna, &mut outside, &call_back, "912345671");
}

#[test]
fn a_gateway_that_slept_through_a_call_back_lets_go_what_another_has_taken_over() {
    let shared = Shared::start();
    let keys = "callback_offer = { after_s = 0 }\ndecline_back_off_s = 1\n";
    let (gateways, mut anna, mut outside) = shared.three_gateways(keys);
    let (busy_at, desk) = (&gateways[0], &gateways[1]);
    let (mut busy, mut busy_call) = line_up(busy_at, "0912345670");
    let first_offered = answered_and_heard(&mut anna, &busy_call);
    let call_back = asks_for_a_call_back(desk, busy_at, "0912345671");
    busy.hang_up(&mut busy_call);
    anna.must_be_hung_up(&first_offered);
    let asleep = anna.must_ring();
    anna.answer(&asleep);
    let reached = outside.must_ring();
    outside.answer(&reached);
    reached.speak(CALLED_BACK);
    asleep.audio.must_hear(CALLED_BACK, 10, PATIENCE);
    let via = asleep.invite.must("Via").to_owned();
    let placing = gateways
        .iter()
        .find(|desk| via.contains(&desk.sip.to_string()))
        .expect("one of them has");
    placing.gateway.process.signal("STOP");
    // Another asks her again; who wakes up late ends what it still has, and only that.
    let offered = anna.must_ring();
    placing.gateway.process.signal("CONT");
    anna.must_be_hung_up(&asleep);
    outside.must_be_hung_up(&reached);
    takes_call_back(&mut anna, offered, &mut outside, &call_back, "912345671");
    let is_answered = |answer: Value| (answer["result"] == "answered").then_some(());
    let path = format!("/api/v1/contacts/{call_back}");
    look(busy_at, &path, "one end of it", is_answered);
    let none = |answer: Value| answer["items"].as_array()?.is_empty().then_some(());
    look(desk, "/api/v1/callbacks", "no call-back", none);
}
