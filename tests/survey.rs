//! Callers, and people called back, who are asked how it went when the agent has hung up, and key it in.

use ringdown_harness::PATIENCE;
use ringdown_harness::audio::Voice;
use ringdown_harness::desk::{Desk, DeskPlan};
use ringdown_harness::phone::{Call, Phone};
use serde_json::{Value, json};
use std::path::Path;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

/// A call that the agent has ended, with its contact; the caller stays on the line.
fn agent_hangs_up(desk: &Desk, caller: &mut Phone, anna: &mut Phone) -> (Call, String) {
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    call.speak(Voice::Tone(1_000));
    call.audio.must_hear_packets(10, PATIENCE);
    let mut offered = anna.must_ring();
    let contact = offered.invite.must("X-Ringdown-Contact").to_owned();
    anna.answer(&offered);
    anna.hang_up(&mut offered);
    must_tell(desk, &contact, "ended");
    (call, contact)
}

/// Waits for an event of a contact, and gives it.
fn must_tell(desk: &Desk, contact: &str, event: &str) -> Value {
    let path = format!("/api/v1/contacts/{contact}/events");
    let is_it = |told: &&Value| told["event"] == event;
    let find = |list: &Value| list["items"].as_array()?.iter().find(is_it).cloned();
    let list = desk
        .api
        .wait_until(&path, event, PATIENCE, |list| find(list).is_some());
    find(&list).unwrap_or(Value::Null)
}

#[test]
fn the_score_is_kept_and_the_agent_has_the_next_call_meanwhile() {
    let plan = DeskPlan::new().queue_keys("survey = \"after_call\"\nwrap_up_s = 0\n");
    let (plan, mut anna) = plan.agent_with_phone("anna");
    let desk = plan.open(program());
    let mut caller = desk.caller("0911111111");
    let (first, contact) = agent_hangs_up(&desk, &mut caller, &mut anna);
    // The first caller is still asked while the agent talks to the second.
    let mut other = desk.caller("0922222222");
    let mut second = other.call("100");
    other.must_get(&mut second, 200);
    let offered = anna.must_ring();
    anna.answer(&offered);
    first.audio.key_in("84");
    let rated = must_tell(&desk, &contact, "rated");
    assert_eq!(
        (&rated["score"], &rated["channel"]),
        (&json!(4), &json!("voice")),
        "{rated:#}"
    );
    assert_eq!(notes(&desk, &contact), ["How it went: 4 of 5."]);
    caller.must_be_hung_up(&first);
    other.hang_up(&mut second);
    anna.must_be_hung_up(&offered);
}

/// What stands on the ticket of a contact about how it went.
fn notes(desk: &Desk, contact: &str) -> Vec<String> {
    let record = desk.api.get_json(&format!("/api/v1/contacts/{contact}"));
    let ticket = desk
        .api
        .get_json(&format!("/api/v1/tickets/{}", record["ticket"]));
    let articles = ticket["articles"].as_array().into_iter().flatten();
    let texts = articles.filter_map(|article| article["text"].as_str());
    let said = texts.filter(|text| text.starts_with("How it went"));
    said.map(str::to_owned).collect()
}

#[test]
fn who_was_called_back_is_asked_as_well() {
    let (plan, mut anna) = DeskPlan::new().agent_with_phone("anna");
    let mut outside = Phone::new("outside", plan.sip());
    let desk = plan
        .trunks(&format!(
            "[[trunk]]\nname = \"loopback\"\naddresses = [\"127.0.0.0/8\"]\n\
             trusted_identity = true\noutbound = \"sip:127.0.0.1:{}\"\n",
            outside.port()
        ))
        .queue_keys("survey = \"after_call\"\nwrap_up_s = 0\n")
        .open(program());
    let order = json!({"number": "0223456789", "queue": "desk"});
    assert_eq!(desk.api.post("/api/v1/callbacks", &order).status, 201);
    let mut offered = anna.must_ring();
    let contact = offered.invite.must("X-Ringdown-Contact").to_owned();
    anna.answer(&offered);
    let back = outside.must_ring();
    outside.answer(&back);
    back.speak(Voice::Numbered(1));
    offered.speak(Voice::Numbered(2));
    back.audio.must_hear(Voice::Numbered(2), 10, PATIENCE);
    anna.hang_up(&mut offered);
    must_tell(&desk, &contact, "ended");
    back.audio.key_in("5");
    let rated = must_tell(&desk, &contact, "rated");
    assert_eq!(rated["score"], 5, "{rated:#}");
    assert_eq!(notes(&desk, &contact), ["How it went: 5 of 5."]);
    outside.must_be_hung_up(&back);
    let closed = must_tell(&desk, &contact, "closed");
    assert_eq!(closed["result"], "answered", "{closed:#}");
}

#[test]
fn who_hangs_up_has_given_no_answer() {
    let plan = DeskPlan::new().queue_keys("survey = \"after_call\"\n");
    let (plan, mut anna) = plan.agent_with_phone("anna");
    let desk = plan.open(program());
    let mut caller = desk.caller("0911111111");
    let (mut call, contact) = agent_hangs_up(&desk, &mut caller, &mut anna);
    caller.hang_up(&mut call);
    must_tell(&desk, &contact, "closed");
    let events = desk.api.get(&format!("/api/v1/contacts/{contact}/events"));
    assert!(!events.body.contains("\"rated\""), "{}", events.body);
}
