//! Real softphones and registrations.

use ringdown_harness::PATIENCE;
use ringdown_harness::audio::{Voice, tone_share};
use ringdown_harness::baresip::Baresip;
use ringdown_harness::desk::{Desk, DeskPlan};
use ringdown_harness::linphone::Linphone;
use ringdown_harness::phone::{Call, Phone};
use ringdown_harness::tcp_phone::TcpPhone;
use std::path::Path;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

#[test]
fn baresip_registers_takes_a_call_from_the_queue_and_both_hear_each_other() {
    let desk = DeskPlan::new()
        .agent_with_password("anna", "secret")
        .open(program());
    let mut baresip = Baresip::start("anna", "secret", desk.sip, 440);
    baresip.must_register();
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("200");
    baresip.must_ring();
    caller.must_get(&mut call, 180);
    baresip.answer();
    caller.must_get(&mut call, 200);
    baresip.must_be_established();
    call.speak(Voice::Tone(1000));
    call.audio.must_hear_packets(100, PATIENCE);
    let heard = tone_share(&call.audio.samples(), 8000, 440);
    assert!(
        heard > 0.8,
        "the caller heard {heard:.3} of the agent's tone"
    );
    caller.hang_up(&mut call);
    baresip.wait_for_event("CALL_CLOSED");
    let (rate, samples) = baresip.heard().expect("baresip recorded the call");
    let heard = tone_share(&samples, rate, 1000);
    assert!(
        heard > 0.8,
        "the agent heard {heard:.3} of the caller's tone"
    );
}

#[test]
fn linphone_registers_takes_a_call_from_the_queue_and_both_hear_each_other() {
    let desk = DeskPlan::new()
        .agent_with_password("anna", "secret")
        .open(program());
    let mut linphone = Linphone::start("anna", "secret", desk.sip, 440);
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("200");
    linphone.must_ring();
    caller.must_get(&mut call, 180);
    linphone.answer();
    caller.must_get(&mut call, 200);
    call.speak(Voice::Tone(1000));
    call.audio.must_hear_packets(100, PATIENCE);
    let heard = tone_share(&call.audio.samples(), 8000, 440);
    assert!(
        heard > 0.8,
        "the caller heard {heard:.3} of the agent's tone"
    );
    caller.hang_up(&mut call);
    linphone.must_be_over();
    let (rate, samples) = linphone.heard();
    let heard = tone_share(&samples, rate, 1000);
    assert!(
        heard > 0.8,
        "the agent heard {heard:.3} of the caller's tone"
    );
}

#[test]
fn linphone_dials_the_desk_and_talks_to_the_agent() {
    let desk = DeskPlan::new()
        .agent_with_password("anna", "secret")
        .agent_with_password("bob", "secret")
        .open(program());
    let mut linphone = Linphone::start("bob", "secret", desk.sip, 440);
    let mut anna = Phone::new("anna", desk.sip).with_password("secret");
    assert_eq!(anna.register(60), 200);
    linphone.dial("200");
    let offered = anna.must_ring();
    anna.send_answer(&offered);
    anna.must_be_acknowledged(&offered);
    linphone.must_talk();
    offered.audio.must_hear_packets(100, PATIENCE);
    let heard = tone_share(&offered.audio.samples(), 8000, 440);
    assert!(
        heard > 0.8,
        "the agent heard {heard:.3} of the caller's tone"
    );
    linphone.hang_up();
    anna.must_be_hung_up(&offered);
}

#[test]
fn a_wrong_password_never_registers_and_a_right_one_does() {
    let desk = DeskPlan::new()
        .agent_with_password("anna", "secret")
        .open(program());
    let mut thief = Phone::new("anna", desk.sip).with_password("guess");
    assert!(matches!(thief.register(60), 401 | 403));
    let mut stranger = Phone::new("mallory", desk.sip).with_password("secret");
    assert!(matches!(stranger.register(60), 401 | 403 | 404));
    let mut anna = Phone::new("anna", desk.sip).with_password("secret");
    assert_eq!(anna.register(60), 200);
}

#[test]
fn a_phone_that_unregisters_is_not_rung_and_its_caller_waits_for_the_next() {
    let desk = DeskPlan::new()
        .agent_with_password("anna", "secret")
        .agent_with_password("bob", "secret")
        .open(program());
    let mut anna = Phone::new("anna", desk.sip).with_password("secret");
    assert_eq!(anna.register(60), 200);
    assert_eq!(anna.register(0), 200);
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("200");
    caller.must_get(&mut call, 180);
    let mut bob = Phone::new("bob", desk.sip).with_password("secret");
    assert_eq!(bob.register(60), 200);
    let offered = bob.must_ring();
    bob.send_answer(&offered);
    caller.must_get(&mut call, 200);
    bob.must_be_acknowledged(&offered);
    caller.hang_up(&mut call);
    bob.must_be_hung_up(&offered);
    assert!(!anna.has_been_called(), "{}", anna.ladder());
}

/// A desk where anna and bob register; anna has done so for a while, and her phone rings.
fn ringing_at_anna(keys: &str, expires_s: u32) -> (Desk, Phone, Phone, Ring) {
    let desk = DeskPlan::new()
        .sip_keys(keys)
        .agent_with_password("anna", "secret")
        .agent_with_password("bob", "secret")
        .open(program());
    let mut anna = Phone::new("anna", desk.sip).with_password("secret");
    assert_eq!(anna.register(expires_s), 200);
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("200");
    let offered = anna.must_ring();
    caller.must_get(&mut call, 180);
    let ring = Ring {
        caller,
        call,
        offered,
    };
    let bob = Phone::new("bob", desk.sip).with_password("secret");
    (desk, anna, bob, ring)
}

/// A caller, and what rings for them.
struct Ring {
    caller: Phone,
    call: Call,
    offered: Call,
}

impl Ring {
    /// The ring at anna's ends at once, and bob gets the same caller.
    fn must_go_on_to(mut self, anna: &mut Phone, bob: &mut Phone) {
        anna.must_be_cancelled(&self.offered);
        assert_eq!(bob.register(60), 200);
        let offered = bob.must_ring();
        let contact = |call: &Call| call.invite.must("X-Ringdown-Contact").to_owned();
        assert_eq!(contact(&offered), contact(&self.offered));
        bob.send_answer(&offered);
        self.caller.must_get(&mut self.call, 200);
        bob.must_be_acknowledged(&offered);
        self.caller.hang_up(&mut self.call);
        bob.must_be_hung_up(&offered);
    }
}

#[test]
fn a_phone_that_unregisters_while_it_rings_stops_and_the_caller_goes_to_the_next() {
    let (_desk, mut anna, mut bob, ring) = ringing_at_anna("", 60);
    assert_eq!(anna.register(0), 200);
    ring.must_go_on_to(&mut anna, &mut bob);
}

#[test]
fn a_phone_whose_registration_expires_while_it_rings_stops() {
    let (_desk, mut anna, mut bob, ring) = ringing_at_anna("registration_min_s = 2\n", 2);
    ring.must_go_on_to(&mut anna, &mut bob);
}

#[test]
fn a_phone_whose_connection_is_lost_while_it_rings_loses_the_caller_to_the_next() {
    let desk = DeskPlan::new()
        .agent_with_password("anna", "secret")
        .agent_with_password("bob", "secret")
        .open(program());
    let mut anna = TcpPhone::register("anna", "secret", desk.sip);
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("200");
    let offered = anna.receive();
    assert_eq!(offered.method(), Some("INVITE"), "{}", offered.as_str());
    drop(anna);
    let mut bob = Phone::new("bob", desk.sip).with_password("secret");
    assert_eq!(bob.register(60), 200);
    let again = bob.must_ring();
    let contact = "X-Ringdown-Contact";
    assert_eq!(again.invite.must(contact), offered.must(contact));
    bob.send_answer(&again);
    caller.must_get(&mut call, 200);
    bob.must_be_acknowledged(&again);
    caller.hang_up(&mut call);
    bob.must_be_hung_up(&again);
}
