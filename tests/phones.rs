//! Real softphones and registrations.

use ringdown_harness::PATIENCE;
use ringdown_harness::audio::{Voice, tone_share};
use ringdown_harness::baresip::Baresip;
use ringdown_harness::desk::{Desk, DeskPlan};
use ringdown_harness::digest::{self, Credentials};
use ringdown_harness::phone::{Call, Phone};
use ringdown_harness::sip::SipText;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
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

/// As much of a telephone on TCP as it takes to be rung.
struct TcpPhone {
    stream: BufReader<TcpStream>,
}

impl TcpPhone {
    fn register(name: &str, password: &str, gateway: SocketAddr) -> Self {
        let stream = TcpStream::connect(gateway).expect("the gateway listens on TCP");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a patience that is not zero");
        let local = stream.local_addr().expect("a connected socket");
        let mut phone = Self {
            stream: BufReader::new(stream),
        };
        let target = format!("sip:{gateway}");
        let mut proof = String::new();
        for cseq in 1..=2 {
            let text = format!(
                "REGISTER {target} SIP/2.0\r\nVia: SIP/2.0/TCP {local};branch=z9hG4bKtcp{cseq}\r\nMax-Forwards: 70\r\nFrom: <sip:{name}@{gateway}>;tag=tcp\r\nTo: <sip:{name}@{gateway}>\r\nCall-ID: tcp-{local}\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:{name}@{local};transport=tcp>\r\nExpires: 60\r\n{proof}Content-Length: 0\r\n\r\n"
            );
            let sent = phone.stream.get_mut().write_all(text.as_bytes());
            sent.expect("the connection stands");
            let response = phone.receive();
            if response.status() == Some(200) {
                return phone;
            }
            let credentials = Credentials {
                user: name.to_owned(),
                password: password.to_owned(),
            };
            let challenge = response.must("WWW-Authenticate");
            let value = digest::answer(challenge, &credentials, "REGISTER", &target, 1, "c");
            proof = format!("Authorization: {value}\r\n");
        }
        panic!("{name} was not registered");
    }

    /// The next message.
    fn receive(&mut self) -> SipText {
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            let read = self.stream.read_line(&mut text);
            assert!(
                read.expect("a line in time") > 0,
                "the connection ended: {text}"
            );
        }
        let head = SipText::parse(text.as_bytes()).expect("a message");
        let length: usize = head.must("Content-Length").parse().expect("a number");
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("the whole body");
        head
    }
}
