//! Phones that registered at one gateway and are rung by another.

use crate::{CALLER, Shared, answered_and_heard, line_up, look, program};
use ringdown_harness::PATIENCE;
use ringdown_harness::audio::{AudioEnd, Voice, tone_share};
use ringdown_harness::baresip::Baresip;
use ringdown_harness::desk::Desk;
use ringdown_harness::phone::Phone;
use ringdown_harness::sip;
use ringdown_harness::tcp_phone::TcpPhone;
use serde_json::Value;

const AGENT: Voice = Voice::Numbered(2);

/// Two gateways where anna and bob register; registrations may be short.
fn gateways(shared: &Shared) -> [Desk; 2] {
    let open = || {
        shared
            .plan()
            .sip_keys("registration_min_s = 2\n")
            .agent_with_password("anna", "secret")
            .agent_with_password("bob", "secret")
            .open(program())
    };
    [open(), open()]
}

fn registered(name: &str, at: &Desk, expires_s: u32) -> Phone {
    let mut phone = Phone::new(name, at.sip).with_password("secret");
    assert_eq!(phone.register(expires_s), 200);
    phone
}

/// Waits until a gateway sees an agent within reach, or out of it.
fn is_reachable(desk: &Desk, name: &str, wanted: bool) {
    let is_so = |answer: Value| {
        let agents = answer["items"].as_array()?;
        let agent = agents.iter().find(|agent| agent["id"] == name)?;
        (agent["is_reachable"] == wanted).then_some(())
    };
    look(desk, "/api/v1/agents", &format!("{name} {wanted}"), is_so);
}

#[test]
fn a_phone_rings_for_a_call_at_another_gateway_than_it_registered_at() {
    let shared = Shared::start();
    let [one, two] = gateways(&shared);
    let mut anna = registered("anna", &two, 60);
    let (mut caller, mut call) = line_up(&one, "0912345678");
    let offered = answered_and_heard(&mut anna, &call);
    assert!(
        offered.invite.must("Via").contains(&one.sip.to_string()),
        "{}",
        offered.invite.as_str()
    );
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
}

#[test]
fn baresip_is_rung_by_a_gateway_that_it_never_spoke_to() {
    let shared = Shared::start();
    let [one, two] = gateways(&shared);
    let mut baresip = Baresip::start("anna", "secret", two.sip, 440);
    baresip.must_register();
    let (mut caller, mut call) = line_up(&one, "0912345678");
    baresip.must_ring();
    baresip.answer();
    baresip.must_be_established();
    call.speak(Voice::Tone(1000));
    call.audio.forget();
    call.audio.must_hear_packets(100, PATIENCE);
    let heard = tone_share(&call.audio.samples(), 8000, 440);
    assert!(
        heard > 0.8,
        "the caller heard {heard:.3} of the agent's tone"
    );
    caller.hang_up(&mut call);
    baresip.wait_for_event("CALL_CLOSED");
}

/// Anna's phone is at the second gateway and rings for a call of the first; what `stops` does to it ends
/// that, and bob, who comes then, gets the same caller.
fn a_ring_stops(expires_s: u32, stops: impl FnOnce(&mut Phone)) {
    let shared = Shared::start();
    let [one, two] = gateways(&shared);
    let mut anna = registered("anna", &two, expires_s);
    let (mut caller, mut call) = line_up(&one, "0912345678");
    let ringing = anna.must_ring();
    stops(&mut anna);
    anna.must_be_cancelled(&ringing);
    let mut bob = registered("bob", &two, 60);
    let offered = answered_and_heard(&mut bob, &call);
    let contact = "X-Ringdown-Contact";
    assert_eq!(offered.invite.must(contact), ringing.invite.must(contact));
    caller.hang_up(&mut call);
    bob.must_be_hung_up(&offered);
}

#[test]
fn a_phone_that_unregisters_stops_to_ring_for_the_other_gateway() {
    a_ring_stops(60, |anna| assert_eq!(anna.register(0), 200));
}

#[test]
fn a_phone_whose_registration_runs_out_stops_to_ring_for_the_other_gateway() {
    a_ring_stops(2, |_| {});
}

#[test]
fn who_has_registered_at_two_gateways_is_within_reach_until_both_have_lost_the_phone() {
    let shared = Shared::start();
    let [one, two] = gateways(&shared);
    let mut at_one = registered("anna", &one, 60);
    let mut at_two = registered("anna", &two, 60);
    is_reachable(&one, "anna", true);
    assert_eq!(at_two.register(0), 200);
    // The one that is left is rung, also by the gateway that lost the other.
    let (mut caller, mut call) = line_up(&two, "0912345678");
    let offered = answered_and_heard(&mut at_one, &call);
    caller.hang_up(&mut call);
    at_one.must_be_hung_up(&offered);
    assert_eq!(at_one.register(0), 200);
    is_reachable(&two, "anna", false);
    assert!(!at_two.has_been_called(), "{}", at_two.ladder());
}

#[test]
fn the_newest_registration_is_rung_wherever_it_is() {
    let shared = Shared::start();
    let [one, two] = gateways(&shared);
    let mut old = registered("anna", &one, 60);
    is_reachable(&two, "anna", true);
    let mut new = registered("anna", &two, 60);
    // Bob's registration comes after anna's by the same way, so hers is known when his is.
    let bob = registered("bob", &two, 60);
    is_reachable(&one, "bob", true);
    drop(bob);
    let (mut caller, mut call) = line_up(&one, "0912345678");
    let offered = answered_and_heard(&mut new, &call);
    caller.hang_up(&mut call);
    new.must_be_hung_up(&offered);
    assert!(!old.has_been_called(), "{}", old.ladder());
}

#[test]
fn a_phone_outlives_the_gateway_it_registered_at_until_it_runs_out() {
    let shared = Shared::start();
    let [one, mut two] = gateways(&shared);
    let mut anna = registered("anna", &two, 4);
    is_reachable(&one, "anna", true);
    two.gateway.process.kill();
    let (mut caller, mut call) = line_up(&one, "0912345678");
    let offered = anna.must_ring();
    anna.answer(&offered);
    call.speak(CALLER);
    offered.audio.must_hear(CALLER, 10, PATIENCE);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
    is_reachable(&one, "anna", false);
}

#[test]
fn registrations_are_told_again_to_a_redis_that_lost_them() {
    let mut shared = Shared::start();
    let [one, two] = gateways(&shared);
    let mut anna = registered("anna", &two, 60);
    is_reachable(&one, "anna", true);
    shared.redis.restart();
    let is_back = |_: Value| {
        let known = shared.redis.ask("hexists {ringdown:0}:phones anna");
        (known == "1").then_some(())
    };
    look(&two, "/api/v1/node", "anna's phone in Redis", is_back);
    let (mut caller, mut call) = line_up(&one, "0912345678");
    let offered = answered_and_heard(&mut anna, &call);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
}

#[test]
fn a_phone_behind_a_nat_is_rung_by_way_of_the_gateway_it_registered_at() {
    let shared = Shared::start();
    let [one, two] = gateways(&shared);
    let phone = Phone::new("anna", two.sip).with_password("secret");
    let mut anna = phone.behind_nat();
    assert_eq!(anna.register(60), 200);
    let (mut caller, call) = line_up(&one, "0912345678");
    let mut offered = answered_and_heard(&mut anna, &call);
    offered.speak(AGENT);
    call.audio.must_hear(AGENT, 10, PATIENCE);
    // What the phone says within the call finds its way back, and so does what the gateway says.
    anna.hang_up(&mut offered);
    caller.must_be_hung_up(&call);
    let (mut second, mut second_call) = line_up(&one, "0912345679");
    let offered = answered_and_heard(&mut anna, &second_call);
    second.hang_up(&mut second_call);
    anna.must_be_hung_up(&offered);
    // The caller leaves while it rings; and it may refuse.
    let (mut third, mut third_call) = line_up(&one, "0912345670");
    let ringing = anna.must_ring();
    third.hang_up(&mut third_call);
    anna.must_be_cancelled(&ringing);
    let (mut fourth, mut fourth_call) = line_up(&one, "0912345671");
    let ringing = anna.must_ring();
    anna.decline(&ringing, 486, "Busy Here");
    fourth.hang_up(&mut fourth_call);
}

#[test]
fn a_phone_on_a_connection_is_rung_by_way_of_the_gateway_that_has_it_and_goes_with_it() {
    let shared = Shared::start();
    let [one, two] = gateways(&shared);
    let mut anna = TcpPhone::register("anna", "secret", two.sip);
    let (mut caller, mut call) = line_up(&one, "0912345678");
    let invite = anna.receive();
    assert_eq!(invite.method(), Some("INVITE"), "{}", invite.as_str());
    let audio = AudioEnd::open();
    let contact = "Contact: <sip:anna@127.0.0.1:9;transport=tcp>\r\n";
    let body = sip::g711_offer(audio.port());
    anna.send(&sip::response(&invite, 200, "OK", "a", contact, &body));
    assert_eq!(anna.receive().method(), Some("ACK"));
    call.speak(CALLER);
    audio.must_hear(CALLER, 10, PATIENCE);
    caller.hang_up(&mut call);
    let bye = anna.receive();
    assert_eq!(bye.method(), Some("BYE"), "{}", bye.as_str());
    anna.send(&sip::response(&bye, 200, "OK", "a", "", ""));
    drop(anna);
    // A phone on an address that others see might be connected to; it is out of reach once that failed.
    let (_waits, _call) = line_up(&one, "0912345679");
    is_reachable(&one, "anna", false);
}

#[test]
fn a_phone_behind_a_nat_is_out_of_reach_with_the_gateway_it_registered_at() {
    let shared = Shared::start();
    let [one, mut two] = gateways(&shared);
    let phone = Phone::new("anna", two.sip).with_password("secret");
    let mut anna = phone.behind_nat();
    assert_eq!(anna.register(60), 200);
    is_reachable(&one, "anna", true);
    two.gateway.process.kill();
    is_reachable(&one, "anna", false);
    // It registers where it still can.
    let mut anna = registered("anna", &one, 60);
    let (mut caller, mut call) = line_up(&one, "0912345678");
    let offered = answered_and_heard(&mut anna, &call);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
}
