//! One call, whole, through the real gateway: telephones at both ends, and what the desk says afterwards.

use ringdown_harness::PATIENCE;
use ringdown_harness::audio::Voice;
use ringdown_harness::desk::{Desk, DeskPlan};
use ringdown_harness::phone::{Call, Phone};
use ringdown_harness::place::free_port;
use ringdown_harness::sip;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;

const CALLER: Voice = Voice::Numbered(1);
const AGENT: Voice = Voice::Numbered(2);

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

/// A desk with one agent, whose telephone is given.
fn desk_with_agent() -> (Desk, Phone) {
    let (plan, phone) = DeskPlan::new().agent_with_phone("anna");
    (plan.open(program()), phone)
}

fn contact_id(call: &Call) -> String {
    call.invite.must("X-Ringdown-Contact").to_owned()
}

/// Waits until the contact has come to its end and gives it.
fn ended(desk: &Desk, contact: &str) -> Value {
    desk.api.wait_until(
        &format!("/api/v1/contacts/{contact}"),
        "its result",
        PATIENCE,
        |contact| contact["result"].is_string(),
    )
}

/// The caller's number without its leading zero, as E.164 ends with it.
fn caller_number(call: &Call) -> String {
    call.invite
        .must("From")
        .trim_start_matches("<sip:0")
        .split('@')
        .next()
        .unwrap_or("")
        .to_owned()
}

fn must_talk(caller: &Call, agent: &Call) {
    caller.speak(CALLER);
    agent.speak(AGENT);
    agent.audio.must_hear(CALLER, 25, PATIENCE);
    caller.audio.must_hear(AGENT, 25, PATIENCE);
}

#[test]
fn caller_and_agent_hear_each_other_byte_for_byte_and_the_desk_remembers() {
    let (desk, mut anna) = desk_with_agent();
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    let offered = anna.must_ring();
    anna.answer(&offered);
    must_talk(&call, &offered);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
    let contact = ended(&desk, &contact_id(&offered));
    assert_eq!(contact["result"], "answered", "{contact:#}");
    assert_eq!(contact["queue"], "desk", "{contact:#}");
    let tickets = desk
        .api
        .get_json(&format!("/api/v1/tickets?contact={}", contact_id(&offered)));
    assert_eq!(
        tickets["items"].as_array().map(Vec::len),
        Some(1),
        "{tickets:#}"
    );
    assert!(!offered.invite.must("X-Ringdown-Ticket").is_empty());
    let statistics = desk.api.get_json("/api/v1/statistics");
    assert_eq!(statistics["total"]["offered"], 1, "{statistics:#}");
    assert_eq!(statistics["total"]["answered"], 1, "{statistics:#}");
    assert_eq!(statistics["is_conserved"], true, "{statistics:#}");
}

#[test]
fn a_number_answered_at_the_agent_rings_until_then_and_the_agent_hangs_up() {
    let (desk, mut anna) = desk_with_agent();
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("200");
    let mut offered = anna.must_ring();
    caller.must_get(&mut call, 180);
    anna.send_answer(&offered);
    caller.must_get(&mut call, 200);
    anna.must_be_acknowledged(&offered);
    must_talk(&call, &offered);
    anna.hang_up(&mut offered);
    caller.must_be_hung_up(&call);
    assert_eq!(ended(&desk, &contact_id(&offered))["result"], "answered");
}

#[test]
fn keys_pressed_by_the_caller_reach_the_agent() {
    let (desk, mut anna) = desk_with_agent();
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    let offered = anna.must_ring();
    anna.answer(&offered);
    must_talk(&call, &offered);
    call.audio.key_in("42#");
    offered.audio.must_hear_digits("42#", PATIENCE);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
}

#[test]
fn a_waiting_caller_hears_something_and_leaves_a_trace() {
    let desk = DeskPlan::new().open(program());
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    call.audio.must_hear_packets(50, PATIENCE);
    caller.hang_up(&mut call);
    let contacts = desk.api.wait_until(
        "/api/v1/contacts",
        "one abandoned contact",
        PATIENCE,
        |list| list["items"][0]["result"] == "abandoned",
    );
    let id = contacts["items"][0]["id"].as_str().unwrap_or("").to_owned();
    let tickets = desk.api.wait_until(
        &format!("/api/v1/tickets?contact={id}"),
        "its ticket",
        PATIENCE,
        |list| {
            list["items"]
                .as_array()
                .is_some_and(|items| items.len() == 1)
        },
    );
    assert!(tickets["items"][0]["number"].is_string(), "{tickets:#}");
}

#[test]
fn a_caller_who_leaves_while_the_phone_rings_frees_the_agent() {
    let (desk, mut anna) = desk_with_agent();
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("200");
    let offered = anna.must_ring();
    caller.must_get(&mut call, 180);
    caller.cancel(&call);
    assert_eq!(caller.final_status(&mut call), 487);
    anna.must_be_cancelled(&offered);
    assert_eq!(ended(&desk, &contact_id(&offered))["result"], "abandoned");
    let mut second = caller.call("200");
    let offered = anna.must_ring();
    anna.send_answer(&offered);
    caller.must_get(&mut second, 200);
    anna.must_be_acknowledged(&offered);
    caller.hang_up(&mut second);
    anna.must_be_hung_up(&offered);
}

#[test]
fn a_waiting_caller_who_hangs_up_while_the_phone_rings_frees_the_agent() {
    let (desk, mut anna) = desk_with_agent();
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    let offered = anna.must_ring();
    caller.hang_up(&mut call);
    anna.must_be_cancelled(&offered);
    assert_eq!(ended(&desk, &contact_id(&offered))["result"], "abandoned");
}

#[test]
fn leaving_and_answering_at_the_same_moment_ends_in_order_every_time() {
    let (desk, mut anna) = desk_with_agent();
    let mut caller = desk.caller("0912345678");
    for _ in 0..20 {
        let mut call = caller.call("200");
        let offered = anna.must_ring();
        caller.must_get(&mut call, 180);
        anna.send_answer(&offered);
        caller.cancel(&call);
        let status = caller.final_status(&mut call);
        // The agent's answer stands in every case: it is acknowledged, and ended when nobody is there.
        anna.must_be_acknowledged(&offered);
        match status {
            200 => caller.hang_up(&mut call),
            other => assert_eq!(other, 487, "{}", caller.ladder()),
        }
        anna.must_be_hung_up(&offered);
        let result = ended(&desk, &contact_id(&offered))["result"].clone();
        assert!(
            if status == 200 {
                result == "answered"
            } else {
                result == "abandoned" || result == "answered"
            },
            "{status}: {result}"
        );
    }
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let (desk, mut anna) = desk_with_agent();
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("200");
    let offered = anna.must_ring();
    caller.must_get(&mut call, 180);
    caller.cancel(&call);
    assert_eq!(caller.final_status(&mut call), 487);
    anna.must_receive("CANCEL", |message| message.method() == Some("CANCEL"));
    anna.send_answer(&offered);
    anna.must_be_acknowledged(&offered);
    anna.must_be_hung_up(&offered);
    assert_eq!(ended(&desk, &contact_id(&offered))["result"], "abandoned");
}

#[test]
fn a_declined_caller_goes_to_the_next_agent() {
    for (status, reason) in [
        (603, "Decline"),
        (486, "Busy Here"),
        (480, "Temporarily Unavailable"),
    ] {
        let (plan, mut anna) = DeskPlan::new().agent_with_phone("anna");
        let (plan, mut bob) = plan.agent_with_phone("bob");
        let desk = plan.open(program());
        let mut caller = desk.caller("0912345678");
        let mut call = caller.call("200");
        // Ties go by id: anna first.
        let refused = anna.must_ring();
        anna.decline(&refused, status, reason);
        let offered = bob.must_ring();
        assert_eq!(contact_id(&refused), contact_id(&offered));
        bob.send_answer(&offered);
        caller.must_get(&mut call, 200);
        bob.must_be_acknowledged(&offered);
        caller.hang_up(&mut call);
        bob.must_be_hung_up(&offered);
        assert!(!anna.has_been_called(), "{}", anna.ladder());
    }
}

#[test]
fn a_phone_that_rings_for_its_whole_time_makes_its_agent_not_ready() {
    let (plan, mut anna) = DeskPlan::new()
        .queue_keys("ring_timeout_s = 1\n")
        .agent_with_phone("anna");
    let (plan, mut bob) = plan.agent_with_phone("bob");
    let desk = plan.open(program());
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("200");
    let unanswered = anna.must_ring();
    anna.must_be_cancelled(&unanswered);
    let offered = bob.must_ring();
    bob.send_answer(&offered);
    caller.must_get(&mut call, 200);
    bob.must_be_acknowledged(&offered);
    caller.hang_up(&mut call);
    bob.must_be_hung_up(&offered);
    let agents = desk.api.get_json("/api/v1/agents");
    let anna = agents["items"]
        .as_array()
        .and_then(|agents| agents.iter().find(|agent| agent["id"] == "anna"))
        .cloned()
        .unwrap_or_default();
    assert_eq!(anna["status"], "not_ready", "{agents:#}");
}

#[test]
fn a_phone_that_is_not_there_costs_the_caller_no_more_than_the_ring() {
    let nobody = format!("sip:anna@127.0.0.1:{}", free_port());
    let (plan, mut bob) = DeskPlan::new()
        .queue_keys("ring_timeout_s = 2\n")
        .agent_at("anna", &nobody)
        .agent_with_phone("bob");
    let desk = plan.open(program());
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("200");
    let offered = bob.must_ring();
    bob.send_answer(&offered);
    caller.must_get(&mut call, 200);
    bob.must_be_acknowledged(&offered);
    caller.hang_up(&mut call);
    bob.must_be_hung_up(&offered);
}

#[test]
fn callers_are_served_in_the_order_in_which_they_came() {
    let (desk, mut anna) = desk_with_agent();
    let mut first = desk.caller("0912345670");
    let mut talk = first.call("100");
    first.must_get(&mut talk, 200);
    let mut offered = anna.must_ring();
    anna.answer(&offered);
    let mut callers: Vec<Phone> = (1..5)
        .map(|number| desk.caller(&format!("091234567{number}")))
        .collect();
    let mut calls = Vec::new();
    for caller in &mut callers {
        let mut call = caller.call("100");
        caller.must_get(&mut call, 200);
        calls.push(call);
    }
    desk.api
        .wait_until("/api/v1/contacts", "four who wait", PATIENCE, |list| {
            list["items"].as_array().is_some_and(|items| {
                items
                    .iter()
                    .filter(|contact| contact["state"] == "waiting")
                    .count()
                    == 4
            })
        });
    anna.hang_up(&mut offered);
    first.must_be_hung_up(&talk);
    for (caller, call) in callers.iter_mut().zip(&mut calls) {
        let mut offered = anna.must_ring();
        let number = caller_number(call);
        assert!(
            offered.invite.must("From").contains(&number),
            "{} came before {number}",
            offered.invite.must("From")
        );
        anna.answer(&offered);
        must_talk(call, &offered);
        anna.hang_up(&mut offered);
        caller.must_be_hung_up(call);
    }
}

#[test]
fn a_number_nobody_has_is_not_found_and_a_stranger_is_forbidden() {
    let desk = DeskPlan::new().open(program());
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("999");
    assert_eq!(caller.final_status(&mut call), 404);
    let closed = DeskPlan::new()
        .trunks("")
        .sip_keys("phones = [\"192.0.2.0/24\"]\n")
        .open(program());
    let mut stranger = closed.caller("0912345678");
    let mut call = stranger.call("100");
    assert_eq!(stranger.final_status(&mut call), 403);
}

#[test]
fn who_calls_from_among_the_phones_is_challenged_whatever_the_name() {
    let desk = DeskPlan::new()
        .trunks("")
        .agent_with_password("anna", "secret")
        .open(program());
    for name in ["anna", "mallory"] {
        let mut phone = desk.caller(name);
        let mut call = phone.call("100");
        assert_eq!(phone.final_status(&mut call), 407, "{name}");
    }
}

#[test]
fn a_caller_who_has_heard_music_hears_the_agent_afterwards() {
    let (desk, mut anna) = desk_with_agent();
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    let offered = anna.must_ring();
    call.audio.must_hear_packets(400, PATIENCE);
    anna.answer(&offered);
    must_talk(&call, &offered);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
}

/// What the statistics have of the line so far.
fn counts(desk: &Desk, what: &str, is_there: impl Fn(&Value) -> bool) -> Value {
    let path = "/api/v1/statistics?queue=desk";
    desk.api
        .wait_until(path, what, PATIENCE, |told| is_there(&told["total"]))
}

#[test]
fn a_call_whose_audio_nobody_could_answer_rings_nobody_and_counts_as_failed() {
    let (desk, mut anna) = desk_with_agent();
    let mut caller = desk.caller("0912345678");
    let offer = sip::g711_offer(4000).replace("IN IP4 127.0.0.1", "IN IP6 2001:db8::1");
    caller.send_raw(&format!(
        "INVITE sip:200@{gateway} SIP/2.0\r\n{via}Max-Forwards: 70\r\nFrom: <sip:0912345678@127.0.0.1>;tag=a\r\n\
         To: <sip:200@{gateway}>\r\nCall-ID: mute\r\nCSeq: 1 INVITE\r\nContact: <{contact}>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{offer}",
        gateway = desk.sip,
        via = caller.via("mute"),
        contact = caller.contact(),
        length = offer.len(),
    ));
    let refused = caller.must_receive("488", |got| got.status() == Some(488));
    let warning = refused.must("Warning");
    assert!(warning.starts_with("301 "), "{warning}");
    let told = counts(&desk, "the failed call", |total| total["failed"] == 1);
    assert_eq!(told["total"]["offered"], 0, "{told}");
    assert!(!anna.has_been_called(), "{}", anna.ladder());
}

#[test]
fn a_call_beyond_the_limit_is_told_so_and_counts_as_blocked_with_its_line() {
    let desk = DeskPlan::new()
        .section("\n[limits]\ncalls_max = 1\n")
        .open(program());
    let mut first = desk.caller("0911111111");
    let mut call = first.call("100");
    first.must_get(&mut call, 200);
    let mut second = desk.caller("0922222222");
    let mut late = second.call("100");
    assert_eq!(second.final_status(&mut late), 503);
    counts(&desk, "the blocked call", |total| total["blocked"] == 1);
    first.hang_up(&mut call);
}

#[test]
fn a_call_to_a_closed_line_counts_as_blocked_with_its_line() {
    let desk = DeskPlan::new().open(program());
    let closed = desk.api.post(
        "/api/v1/queues/desk/opening",
        &serde_json::json!({"opening": "closed"}),
    );
    assert_eq!(closed.status, 200, "{closed:?}");
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("200");
    assert_eq!(caller.final_status(&mut call), 480);
    counts(&desk, "the blocked call", |total| total["blocked"] == 1);
}

/// Asks the gateway whether it lives, as proxies and scanners do.
fn options(phone: &mut Phone, gateway: SocketAddr, name: &str, user_agent: &str) {
    phone.send_raw(&format!(
        "OPTIONS sip:{gateway} SIP/2.0\r\n{via}Max-Forwards: 70\r\nFrom: <sip:{name}@127.0.0.1>;tag=a\r\n\
         To: <sip:{gateway}>\r\nCall-ID: {name}\r\nCSeq: 1 OPTIONS\r\nUser-Agent: {user_agent}\r\nContent-Length: 0\r\n\r\n",
        via = phone.via(name),
    ));
}

#[test]
fn a_stranger_is_not_told_that_a_gateway_lives_here() {
    let trunk = "[[trunk]]\nname = \"carrier\"\naddresses = [\"192.0.2.1/32\"]\n";
    let desk = DeskPlan::new()
        .trunks(trunk)
        .sip_keys("phones = [\"192.0.2.0/24\"]\n")
        .open(program());
    let mut stranger = desk.caller("stranger");
    options(&mut stranger, desk.sip, "ask", "a proxy");
    stranger.must_receive("403", |got| got.status() == Some(403));
    let known = DeskPlan::new().open(program());
    let mut proxy = known.caller("proxy");
    options(&mut proxy, known.sip, "ask", "a proxy");
    proxy.must_receive("200", |got| got.status() == Some(200));
}

#[test]
fn a_call_that_is_passed_on_has_one_hop_less() {
    let (desk, mut anna) = desk_with_agent();
    let mut caller = desk.caller("0912345678");
    let offer = sip::g711_offer(4000);
    caller.send_raw(&format!(
        "INVITE sip:200@{gateway} SIP/2.0\r\n{via}Max-Forwards: 5\r\nFrom: <sip:0912345678@127.0.0.1>;tag=a\r\n\
         To: <sip:200@{gateway}>\r\nCall-ID: far\r\nCSeq: 1 INVITE\r\nContact: <{contact}>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{offer}",
        gateway = desk.sip,
        via = caller.via("far"),
        contact = caller.contact(),
        length = offer.len(),
    ));
    let offered = anna.must_ring();
    assert_eq!(offered.invite.must("Max-Forwards"), "4");
    anna.decline(&offered, 603, "Decline");
}
