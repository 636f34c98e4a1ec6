//! What is declared at one gateway holds at the others: a major incident, an emergency.

use crate::{CALLER, Shared, answered_and_heard, line_up, look, program, stand_in_line};
use ringdown_harness::PATIENCE;
use ringdown_harness::desk::Desk;
use ringdown_harness::gateway::run;
use ringdown_harness::phone::{Call, Phone};
use serde_json::{Value, json};

fn set_status(desk: &Desk, status: &str) {
    let answer = desk
        .api
        .post("/api/v1/agents/anna/status", &json!({ "status": status }));
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn command(desk: &Desk, arguments: &[&str]) {
    let configuration = desk.configuration.display().to_string();
    let arguments = [arguments, &["-c", &configuration]].concat();
    let (status, _, fault) = run(program(), &desk.folder, &arguments);
    assert_eq!(status, 0, "{fault}");
}

/// The contact of a caller, once it has what is wanted.
fn contact_from(desk: &Desk, from: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    look(desk, "/api/v1/contacts", what, |answer| {
        let contacts = answer["items"].as_array()?;
        let contact = contacts.iter().find(|contact| contact["from"] == from)?;
        wanted(contact).then(|| contact.clone())
    })
}

/// Waits until a caller was told of an incident.
fn must_be_told(desk: &Desk, from: &str) {
    let contact = contact_from(desk, from, "their contact", |_| true);
    let id = contact["id"].as_str().unwrap_or_default();
    let path = format!("/api/v1/contacts/{id}/events");
    look(desk, &path, "an incident that was told", |answer| {
        let events = answer["items"].as_array()?;
        let is_told = |event: &Value| event["event"] == "incident_told";
        events.iter().any(is_told).then_some(())
    });
}

/// The caller leaves for the incident, and their contact is on its ticket.
fn leaves_for_it(desk: &Desk, caller: &mut Phone, call: &Call, from: &str, ticket: &Value) {
    call.audio.key_in("2");
    caller.must_be_hung_up(call);
    let left = contact_from(desk, from, "its end", |it| it["result"].is_string());
    assert_eq!(
        (&left["result"], &left["ticket"]),
        (&json!("informed"), ticket),
        "{left:#}"
    );
}

#[test]
fn an_incident_declared_at_one_gateway_is_heard_at_the_other_and_ended_there() {
    let shared = Shared::start();
    let (one, two, mut anna) = shared.two_gateways();
    one.folder.write(
        "cms.csv",
        "record,id,name,language,phones,kind\nci,srv-mail,Mail,,,service\n",
    );
    command(&one, &["cms", "import", "cms.csv"]);
    set_status(&one, "not_ready");
    let (mut waits, waiting) = line_up(&two, "0912345671");
    waiting.speak(CALLER);
    waiting.audio.must_hear_packets(10, PATIENCE);
    stand_in_line(&one, 1);
    let declared = one
        .api
        .post("/api/v1/major_incidents", &json!({"service": "Mail"}));
    assert_eq!(declared.status, 201, "{declared:?}");
    let ticket = declared.json()["ticket"].clone();

    must_be_told(&two, "+886912345671");
    leaves_for_it(&two, &mut waits, &waiting, "+886912345671", &ticket);
    stand_in_line(&one, 0);
    let (mut comes, coming) = line_up(&two, "0912345672");
    coming.speak(CALLER);
    coming.audio.must_hear_packets(10, PATIENCE);
    must_be_told(&one, "+886912345672");
    leaves_for_it(&one, &mut comes, &coming, "+886912345672", &ticket);

    command(&two, &["incident", "end", "srv-mail"]);
    let none = |answer: Value| (answer["items"] == json!([])).then_some(());
    look(&one, "/api/v1/major_incidents", "no incident", none);
    set_status(&two, "available");
    let (mut caller, mut call) = line_up(&one, "0912345673");
    let offered = answered_and_heard(&mut anna, &call);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
}

#[test]
fn an_emergency_declared_at_one_gateway_holds_call_backs_at_all() {
    let shared = Shared::start();
    let (gateways, mut anna, mut outside) = shared.three_gateways("");
    let [one, two, three] = &gateways;
    let order = |desk: &Desk, number: &str| {
        let wish = json!({"number": number, "queue": "desk"});
        let ordered = desk.api.post("/api/v1/callbacks", &wish);
        assert_eq!(ordered.status, 201, "{ordered:?}");
    };
    let emergency = |desk: &Desk, closed: bool| {
        let wish = json!({ "closed": closed });
        let answer = desk.api.post("/api/v1/emergency", &wish);
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    set_status(one, "not_ready");
    order(two, "0223456781");
    stand_in_line(one, 1);
    emergency(one, true);
    for desk in &gateways {
        let is_closed =
            |answer: Value| (answer["items"][0]["closed_by"] == "emergency").then_some(());
        look(desk, "/api/v1/queues", "that it is closed", is_closed);
    }
    order(three, "0223456782");
    set_status(three, "available");
    for desk in &gateways {
        let is_idle = |answer: Value| {
            let agent = &answer["items"][0];
            (agent["status"] == "available" && agent["state"] == "idle").then_some(())
        };
        look(desk, "/api/v1/agents", "an agent who is free", is_idle);
        stand_in_line(desk, 1);
    }
    assert!(!anna.has_been_called(), "{}", anna.ladder());
    // Whoever ends it: those who were held are called in the order of their orders.
    emergency(two, false);
    for number in ["223456781", "223456782"] {
        let mut offered = anna.must_ring();
        anna.answer(&offered);
        let back = outside.must_ring();
        let line = back.invite.start_line();
        assert!(line.contains(number), "{line}");
        outside.answer(&back);
        anna.hang_up(&mut offered);
        outside.must_be_hung_up(&back);
    }
}
