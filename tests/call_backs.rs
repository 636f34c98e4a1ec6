//! Callers who hang up, keep their place and are called back.

#[path = "shared/at_database.rs"]
mod at_database;

use at_database::{at_database, wait_in_database};
use ringdown_harness::PATIENCE;
use ringdown_harness::audio::Voice;
use ringdown_harness::desk::{Desk, DeskPlan};
use ringdown_harness::gateway::Gateway;
use ringdown_harness::phone::{Call, Phone};
use serde_json::{Value, json};
use std::cell::Cell;
use std::path::Path;

const CALLER: Voice = Voice::Numbered(1);
const AGENT: Voice = Voice::Numbered(2);

/// How often is asked before a key is pressed again.
const ASKS_BETWEEN_KEYS: u32 = 150;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

/// A desk whose calls out go to the telephone that is given last.
fn desk_with_trunk(queue_keys: &str) -> (Desk, Phone, Phone) {
    let (plan, anna) = DeskPlan::new().agent_with_phone("anna");
    let (desk, outside) = with_trunk(plan, queue_keys);
    (desk, anna, outside)
}

fn with_trunk(plan: DeskPlan, queue_keys: &str) -> (Desk, Phone) {
    let outside = Phone::new("outside", plan.sip());
    let port = outside.contact();
    let port = port.rsplit(':').next().unwrap_or_default().to_owned();
    let desk = plan
        .trunks(&format!(
            "[[trunk]]\nname = \"loopback\"\naddresses = [\"127.0.0.0/8\"]\n\
             trusted_identity = true\noutbound = \"sip:127.0.0.1:{port}\"\n"
        ))
        .queue_keys(queue_keys)
        .open(program());
    (desk, outside)
}

fn set_status(desk: &Desk, status: &str) {
    let answer = desk
        .api
        .post("/api/v1/agents/anna/status", &json!({ "status": status }));
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn must_talk(caller: &Call, agent: &Call) {
    caller.speak(CALLER);
    agent.speak(AGENT);
    agent.audio.must_hear(CALLER, 25, PATIENCE);
    caller.audio.must_hear(AGENT, 25, PATIENCE);
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

#[test]
fn a_caller_hangs_up_keeps_the_place_and_is_called_back_through_the_trunk() {
    let (desk, mut anna, mut outside) = desk_with_trunk("callback_offer = { after_s = 0 }\n");
    set_status(&desk, "not_ready");
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    desk.api
        .wait_until("/api/v1/queues", "somebody who waits", PATIENCE, |list| {
            list["items"][0]["waiting"] == 1
        });
    call.speak(CALLER);
    call.audio.must_hear_packets(25, PATIENCE);
    call.audio.key_in("1#");
    caller.must_be_hung_up(&call);
    let contacts = desk
        .api
        .wait_until("/api/v1/contacts", "the call-back", PATIENCE, |list| {
            list["items"].as_array().is_some_and(|items| {
                items.iter().any(|it| it["result"] == "call_back")
                    && items.iter().any(|it| it["state"] == "waiting")
            })
        });
    let place = |wanted: &str| {
        let items = contacts["items"].as_array().expect("a list");
        let found = items.iter().find(|it| it["via"] == wanted).expect(wanted);
        found["enqueued_at"].clone()
    };
    assert_eq!(place("loopback"), place("call_back"), "{contacts:#}");

    set_status(&desk, "available");
    let offered = anna.must_ring();
    anna.answer(&offered);
    let back = outside.must_ring();
    assert!(
        back.invite.start_line().contains("sip:+886912345678@"),
        "{}",
        back.invite.start_line()
    );
    // They see the number they had dialled, and nothing that only the desk is to know.
    let from = back.invite.must("From");
    assert!(from.contains("<sip:100@"), "{from}");
    let told = ["X-Ringdown-Contact", "X-Ringdown-Ticket"].map(|name| back.invite.header(name));
    assert_eq!(told, [None, None]);
    outside.answer(&back);
    must_talk(&back, &offered);
    let mut back = back;
    outside.hang_up(&mut back);
    anna.must_be_hung_up(&offered);
    let contact = offered.invite.must("X-Ringdown-Contact").to_owned();
    let done = ended(&desk, &contact);
    assert_eq!(done["result"], "answered", "{done:#}");
    let tickets = desk.api.get_json("/api/v1/tickets");
    assert_eq!(
        tickets["items"].as_array().map(Vec::len),
        Some(1),
        "{tickets:#}"
    );
    let statistics = desk.api.get_json("/api/v1/statistics");
    let total = &statistics["total"];
    assert_eq!(
        (&total["offered"], &total["answered"], &total["callbacks"]),
        (&json!(2), &json!(1), &json!(1)),
        "{statistics:#}"
    );
    assert_eq!(statistics["is_conserved"], true, "{statistics:#}");
    let open = desk.api.get_json("/api/v1/callbacks");
    assert_eq!(open["items"], json!([]), "{open:#}");
}

#[test]
fn a_call_back_that_is_ordered_is_tried_again_when_nobody_answers() {
    let (desk, mut anna, mut outside) =
        desk_with_trunk("callback = { tries = 2, retry_after_s = 1, ring_s = 20 }\n");
    let ordered = desk.api.post(
        "/api/v1/callbacks",
        &json!({"number": "0223456789", "queue": "desk"}),
    );
    assert_eq!(ordered.status, 201, "{ordered:?}");
    let first = anna.must_ring();
    anna.answer(&first);
    let unanswered = outside.must_ring();
    outside.decline(&unanswered, 486, "Busy Here");
    anna.must_be_hung_up(&first);
    let second = anna.must_ring();
    anna.answer(&second);
    let back = outside.must_ring();
    outside.answer(&back);
    must_talk(&back, &second);
    let mut second = second;
    anna.hang_up(&mut second);
    outside.must_be_hung_up(&back);
    let contact = first.invite.must("X-Ringdown-Contact").to_owned();
    assert_eq!(ended(&desk, &contact)["result"], "call_back");
    let contact = second.invite.must("X-Ringdown-Contact").to_owned();
    assert_eq!(ended(&desk, &contact)["result"], "answered");
}

#[test]
fn a_caller_without_a_number_is_not_called_back_at_an_address_of_theirs() {
    let (desk, mut anna, mut outside) = desk_with_trunk("callback_offer = { after_s = 0 }\n");
    set_status(&desk, "not_ready");
    let mut caller = desk.caller("eve");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    wait_for_waiting(&desk, 1);
    call.speak(CALLER);
    call.audio.must_hear_packets(25, PATIENCE);
    call.audio.key_in("1#");
    // Only a caller who was refused can choose again, and key in where they can be reached. What is keyed
    // while the gateway decides is lost, so it is keyed until there is a call-back.
    let asked = Cell::new(0_u32);
    let is_kept = |list: &Value| {
        let is_kept = list["items"] != json!([]);
        if !is_kept && asked.get().is_multiple_of(ASKS_BETWEEN_KEYS) {
            call.audio.key_in("1");
            call.audio.key_in("0912345678#");
        }
        asked.set(asked.get() + 1);
        is_kept
    };
    let kept = desk
        .api
        .wait_until("/api/v1/callbacks", "a call-back", PATIENCE, is_kept);
    let kept = &kept["items"];
    assert_eq!(kept[0]["number"], "+886912345678", "{kept:#}");
    caller.must_be_hung_up(&call);
    set_status(&desk, "available");
    must_call_back(&mut anna, &mut outside, "+886912345678");
    assert!(!caller.has_been_called(), "{}", caller.ladder());
    no_call_back_is_open(&desk);
    let contacts = desk.api.get_json("/api/v1/contacts");
    let items = contacts["items"].as_array().map(Vec::len);
    assert_eq!(items, Some(2), "{contacts:#}");
}

fn no_call_back_is_open(desk: &Desk) {
    desk.api
        .wait_until("/api/v1/callbacks", "none", PATIENCE, |list| {
            list["items"] == json!([])
        });
}

#[test]
fn who_was_served_is_not_called_again_though_that_was_not_written_down() {
    let (mut desk, mut anna, mut outside) = desk_with_trunk("");
    order(&desk, "0223456789", None);
    must_call_back(&mut anna, &mut outside, "+886223456789");
    no_call_back_is_open(&desk);
    // The end was lost with the gateway, and the next one knows only what is in the database.
    desk.gateway.process.kill();
    in_database(&desk, "UPDATE call_backs SET state = 'talking'");
    desk.gateway = Gateway::start(program(), &desk.configuration);
    desk.gateway.must_be_ready(&desk.operations);
    no_call_back_is_open(&desk);
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    let offered = anna.must_ring();
    anna.answer(&offered);
    must_talk(&call, &offered);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
    assert!(!outside.has_been_called(), "{}", outside.ladder());
}

#[test]
fn who_was_talking_when_the_gateway_died_is_called_again() {
    let (mut desk, mut anna, mut outside) = desk_with_trunk("");
    order(&desk, "0223456789", None);
    let offered = anna.must_ring();
    anna.answer(&offered);
    let back = outside.must_ring();
    outside.answer(&back);
    must_talk(&back, &offered);
    desk.api
        .wait_until("/api/v1/callbacks", "that they talk", PATIENCE, |list| {
            list["items"][0]["state"] == "talking"
        });
    let contact = offered.invite.must("X-Ringdown-Contact").to_owned();
    let path = format!("/api/v1/callbacks/{contact}");
    let late = desk.api.try_send("DELETE", &path, "", "");
    assert_eq!(late.expect("an answer").status, 409);
    desk.gateway.process.kill();
    desk.gateway = Gateway::start(program(), &desk.configuration);
    desk.gateway.must_be_ready(&desk.operations);
    must_call_back(&mut anna, &mut outside, "+886223456789");
    no_call_back_is_open(&desk);
}

#[test]
fn a_call_back_waits_until_its_line_has_room_and_arrives_once() {
    let (desk, mut anna, mut outside) = desk_with_trunk("waiting_max = 1\n");
    set_status(&desk, "not_ready");
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    wait_for_waiting(&desk, 1);
    order(&desk, "0223456789", None);
    let counted = "SELECT refusals FROM call_backs";
    wait_in_database(&desk, counted, |refusals| refusals >= 2);
    set_status(&desk, "available");
    let offered = anna.must_ring();
    anna.answer(&offered);
    must_talk(&call, &offered);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
    must_call_back(&mut anna, &mut outside, "+886223456789");
    no_call_back_is_open(&desk);
    let arrived = "SELECT COUNT(*) FROM events WHERE kind = 'arrived' \
                   AND contact IN (SELECT contact FROM call_backs)";
    wait_in_database(&desk, arrived, |arrived| arrived == 1);
}

#[test]
fn a_call_back_that_is_cancelled_while_its_agents_phone_rings_stops_the_ring() {
    let (desk, mut anna, mut outside) = desk_with_trunk("");
    let order = json!({"number": "0223456789", "queue": "desk"});
    let ordered = desk.api.post("/api/v1/callbacks", &order);
    assert_eq!(ordered.status, 201, "{ordered:?}");
    let offered = anna.must_ring();
    let contact = offered.invite.must("X-Ringdown-Contact").to_owned();
    let path = format!("/api/v1/callbacks/{contact}");
    let cancelled = desk.api.try_send("DELETE", &path, "", "");
    assert_eq!(cancelled.expect("an answer").status, 204);
    anna.must_be_cancelled(&offered);
    assert_eq!(ended(&desk, &contact)["result"], "flowed_out");
    assert!(!outside.has_been_called(), "{}", outside.ladder());
}

fn order(desk: &Desk, number: &str, at: Option<&str>) {
    let wish = json!({"number": number, "queue": "desk", "at": at});
    let ordered = desk.api.post("/api/v1/callbacks", &wish);
    assert_eq!(ordered.status, 201, "{ordered:?}");
}

fn wait_for_waiting(desk: &Desk, count: u64) {
    desk.api
        .wait_until("/api/v1/queues", "who waits", PATIENCE, |list| {
            list["items"][0]["waiting"] == count
        });
}

/// The agent answers, the one outside answers, and the agent hangs up.
fn must_call_back(anna: &mut Phone, outside: &mut Phone, number: &str) {
    let offered = anna.must_ring();
    anna.answer(&offered);
    let back = outside.must_ring();
    let line = back.invite.start_line();
    assert!(line.contains(number), "{line}");
    outside.answer(&back);
    let mut offered = offered;
    anna.hang_up(&mut offered);
    outside.must_be_hung_up(&back);
}

#[test]
fn an_emergency_holds_call_backs_until_it_is_over() {
    let (desk, mut anna, mut outside) = desk_with_trunk("");
    set_status(&desk, "not_ready");
    order(&desk, "0223456781", None);
    wait_for_waiting(&desk, 1);
    let emergency = |closed: bool| {
        let answer = desk
            .api
            .post("/api/v1/emergency", &json!({ "closed": closed }));
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    emergency(true);
    // One that becomes due meanwhile is not even brought into the line.
    order(&desk, "0223456782", None);
    // The desk is in this process: whoever is to be offered is so when this returns.
    set_status(&desk, "available");
    let agents = desk.api.get_json("/api/v1/agents");
    assert_eq!(agents["items"][0]["state"], "idle", "{agents:#}");
    wait_for_waiting(&desk, 1);
    let contacts = desk.api.get_json("/api/v1/contacts");
    let items = contacts["items"].as_array().map(Vec::len);
    assert_eq!(items, Some(1), "{contacts:#}");
    assert!(!anna.has_been_called(), "{}", anna.ladder());
    emergency(false);
    must_call_back(&mut anna, &mut outside, "+886223456781");
    must_call_back(&mut anna, &mut outside, "+886223456782");
}

#[test]
fn a_phone_that_unregisters_while_a_call_back_rings_stops_and_the_next_one_rings() {
    let plan = DeskPlan::new()
        .agent_with_password("anna", "secret")
        .agent_with_password("bob", "secret");
    let sip = plan.sip();
    let (desk, mut outside) = with_trunk(plan, "");
    let mut anna = Phone::new("anna", sip).with_password("secret");
    assert_eq!(anna.register(60), 200);
    order(&desk, "0223456783", None);
    let offered = anna.must_ring();
    assert_eq!(anna.register(0), 200);
    anna.must_be_cancelled(&offered);
    let mut bob = Phone::new("bob", sip).with_password("secret");
    assert_eq!(bob.register(60), 200);
    must_call_back(&mut bob, &mut outside, "+886223456783");
    assert!(!anna.has_been_called(), "{}", anna.ladder());
}

/// Orders a call-back, and gives its contact when it stands in the line.
fn ordered(desk: &Desk, number: &str) -> String {
    let order = json!({"number": number, "queue": "desk"});
    let answer = desk.api.post("/api/v1/callbacks", &order);
    assert_eq!(answer.status, 201, "{answer:?}");
    wait_for_waiting(desk, 1);
    let contact = answer.json()["contact"].clone();
    contact.as_str().expect("it has a contact").to_owned()
}

#[test]
fn a_call_back_in_the_line_that_is_over_leaves_it_at_its_first_offer() {
    let (desk, mut anna, mut outside) = desk_with_trunk("");
    set_status(&desk, "not_ready");
    let contact = ordered(&desk, "0223456789");
    // It was taken back at another gateway in the instant in which this one brought it into the line.
    in_database(&desk, "UPDATE call_backs SET state = 'cancelled'");
    set_status(&desk, "available");
    assert_eq!(ended(&desk, &contact)["result"], "flowed_out");
    wait_for_waiting(&desk, 0);
    assert!(!anna.has_been_called(), "{}", anna.ladder());
    assert!(!outside.has_been_called(), "{}", outside.ladder());
}

/// Changes what is in the desk's database, as another gateway would.
fn in_database(desk: &Desk, statement: &'static str) {
    at_database(desk, async |connection| {
        let done = sqlx::query(statement).execute(connection).await;
        done.expect("the statement is SQL");
    });
}

#[test]
fn a_lone_gateway_that_drains_serves_call_backs_while_somebody_is_on_the_line() {
    let (mut desk, mut anna, mut outside) = desk_with_trunk("");
    set_status(&desk, "not_ready");
    let contact = ordered(&desk, "0223456789");
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    wait_for_waiting(&desk, 2);
    let drained = desk.api.post("/api/v1/node/drain", &json!({}));
    assert_eq!(drained.status, 200, "{drained:?}");
    set_status(&desk, "available");
    let offered = anna.must_ring();
    assert_eq!(offered.invite.must("X-Ringdown-Contact"), contact);
    anna.answer(&offered);
    let mut back = outside.must_ring();
    outside.answer(&back);
    must_talk(&back, &offered);
    outside.hang_up(&mut back);
    anna.must_be_hung_up(&offered);
    let offered = anna.must_ring();
    anna.answer(&offered);
    must_talk(&call, &offered);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
    let ended = desk.gateway.process.wait_for_end(PATIENCE);
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn a_call_back_that_is_moved_stands_there_in_the_database_too() {
    let (plan, _anna) = DeskPlan::new().agent_with_phone("anna");
    let desk = plan
        .trunks(
            "[[trunk]]\nname = \"loopback\"\naddresses = [\"127.0.0.0/8\"]\n\
             outbound = \"sip:127.0.0.1:9\"\n",
        )
        .section("[[queue]]\nid = \"other\"\n")
        .open(program());
    set_status(&desk, "not_ready");
    let contact = ordered(&desk, "0223456789");
    let change = |what: &str, wish: Value| {
        let path = format!("/api/v1/contacts/{contact}/{what}");
        let answer = desk.api.post(&path, &wish);
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    change("move", json!({ "queue": "other" }));
    change("priority", json!({ "priority": 3 }));
    desk.api
        .wait_until("/api/v1/callbacks", "its new place", PATIENCE, |list| {
            let kept = &list["items"][0];
            kept["contact"] == contact && kept["queue"] == "other" && kept["priority"] == 3
        });
}
