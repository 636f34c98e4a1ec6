//! Callers who hear of a major incident before they wait: they stay, leave with it, or leave a message.

use ringdown_harness::PATIENCE;
use ringdown_harness::audio::{Voice, read_wav, tone_share, tone_wav};
use ringdown_harness::desk::{Desk, DeskPlan};
use ringdown_harness::gateway::{self, Gateway};
use ringdown_harness::phone::{Call, Phone};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const CALLER: Voice = Voice::Tone(1_000);

/// A service, and somebody who speaks Mandarin.
const CMS: &str = "\
record,id,name,language,phones,kind
person,p1,王小明,zh-TW,0911111111,
ci,srv-mail,Mail,,,service
";

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

fn run(desk: &Desk, arguments: &[&str]) -> String {
    let arguments = [arguments, &["-c", "ringdown.toml"]].concat();
    let (status, told, fault) = gateway::run(program(), &desk.folder, &arguments);
    assert_eq!(status, 0, "{fault}");
    told
}

fn open(plan: DeskPlan) -> Desk {
    let desk = plan.open(program());
    desk.folder.write("cms.csv", CMS);
    run(&desk, &["cms", "import", "cms.csv"]);
    desk
}

/// Declares the incident of the service, and gives its ticket's key.
fn declare(desk: &Desk, say: Option<&str>) -> Value {
    let wish = json!({"service": "Mail", "queues": ["desk"], "say": say});
    let declared = desk.api.post("/api/v1/major_incidents", &wish);
    assert_eq!(declared.status, 201, "{declared:?}");
    declared.json()["ticket"].clone()
}

/// A call that was answered, and whose keys will be heard.
fn call_in(phone: &mut Phone) -> Call {
    let mut call = phone.call("100");
    phone.must_get(&mut call, 200);
    call.speak(CALLER);
    call.audio.must_hear_packets(10, PATIENCE);
    call
}

/// Waits until the newest contact is over and gives it.
fn newest_ended(desk: &Desk) -> Value {
    let contacts = desk
        .api
        .wait_until("/api/v1/contacts", "a result", PATIENCE, |list| {
            list["items"][0]["result"].is_string()
        });
    contacts["items"][0].clone()
}

fn must_be_talked_to(caller: &mut Phone, call: &mut Call, anna: &mut Phone) {
    let offered = anna.must_ring();
    anna.answer(&offered);
    caller.hang_up(call);
    anna.must_be_hung_up(&offered);
}

#[test]
fn who_stays_is_answered_who_joins_is_attached_and_after_the_end_all_is_as_before() {
    let (plan, mut anna) = DeskPlan::new().agent_with_phone("anna");
    let mut desk = open(plan);
    let ticket = declare(&desk, None);
    let mut caller = desk.caller("0922222222");
    let mut call = call_in(&mut caller);
    assert!(!anna.has_been_called(), "{}", anna.ladder());
    call.audio.key_in("1");
    must_be_talked_to(&mut caller, &mut call, &mut anna);
    let stayed = newest_ended(&desk);
    assert_eq!(stayed["result"], "answered", "{stayed:#}");
    assert_ne!(stayed["ticket"], ticket, "{stayed:#}");

    for restarted in [false, true] {
        if restarted {
            desk.gateway.process.ask_to_end();
            desk.gateway = Gateway::start(program(), &desk.configuration);
            desk.gateway.must_be_ready(&desk.operations);
        }
        let call = call_in(&mut caller);
        call.audio.key_in("2");
        caller.must_be_hung_up(&call);
        let left = newest_ended(&desk);
        assert_eq!(
            (&left["result"], &left["ticket"], &left["queue"]),
            (&json!("informed"), &ticket, &json!("desk")),
            "{left:#}"
        );
    }
    let of_ticket = desk.api.get_json(&format!("/api/v1/tickets/{ticket}"));
    assert_eq!(
        of_ticket["contacts"].as_array().map(Vec::len),
        Some(2),
        "{of_ticket:#}"
    );
    let statistics = desk.api.get_json("/api/v1/statistics");
    let total = &statistics["total"];
    assert_eq!(
        (&total["offered"], &total["answered"], &total["informed"]),
        (&json!(1), &json!(1), &json!(2)),
        "{statistics:#}"
    );
    assert_eq!(statistics["statistics"]["desk"]["informed"], 2);
    assert_eq!(statistics["is_conserved"], true, "{statistics:#}");
    assert!(statistics["definitions"]["informed"].is_string());

    assert!(run(&desk, &["incident", "list"]).contains("srv-mail"));
    run(&desk, &["incident", "end", "srv-mail"]);
    desk.api
        .wait_until("/api/v1/major_incidents", "no incident", PATIENCE, |list| {
            list["items"] == json!([])
        });
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    must_be_talked_to(&mut caller, &mut call, &mut anna);
}

/// Waits until the message of the newest contact is on the disk, at least a second of it.
fn must_be_recorded(desk: &Desk) {
    let folder = desk.folder.path().join("data/messages");
    desk.api.wait_until(
        "/api/v1/contacts",
        "a message that grows",
        PATIENCE,
        |list| {
            let contact = list["items"][0]["id"].as_str().unwrap_or("");
            let file = folder.join(format!("{contact}.wav"));
            file.metadata().is_ok_and(|file| file.len() > 16_000)
        },
    );
}

/// Waits until the ticket has a message and gives its sound.
fn must_have_message(desk: &Desk, ticket: &Value) -> Vec<i16> {
    let path = format!("/api/v1/tickets/{ticket}");
    let found = desk.api.wait_until(&path, "a message", PATIENCE, |ticket| {
        articles_with_sound(ticket).next().is_some()
    });
    let articles: Vec<&Value> = articles_with_sound(&found).collect();
    let [article] = articles[..] else {
        panic!("one message, not {articles:#?}");
    };
    assert_eq!(article["from"], "+886922222222", "{article:#}");
    let attachment = &article["attachments"][0];
    assert_eq!(attachment["content_type"], "audio/wav", "{article:#}");
    let sound = desk
        .api
        .get(&format!("{path}/attachments/{}", attachment["id"]));
    assert_eq!(sound.status, 200, "{}", sound.head);
    let file = desk.folder.write("heard.wav", &sound.octets);
    let (rate, samples) = read_wav(&file);
    assert_eq!(rate, 8_000);
    samples
}

fn articles_with_sound(ticket: &Value) -> impl Iterator<Item = &Value> {
    let articles = ticket["articles"].as_array().into_iter().flatten();
    articles.filter(|article| article["attachments"][0].is_object())
}

fn must_hold_what_was_said(samples: &[i16]) {
    assert!(samples.len() >= 7_000, "{}", samples.len());
    let share = tone_share(samples, 8_000, 1_000);
    assert!(share > 0.8, "the message holds {share:.3} of what was said");
}

#[test]
fn a_message_ends_with_hash_or_the_call_and_stands_on_the_ticket() {
    for ends_by_hash in [true, false] {
        let desk = open(DeskPlan::new());
        let ticket = declare(&desk, None);
        let mut caller = desk.caller("0922222222");
        let mut call = call_in(&mut caller);
        call.audio.key_in("3");
        must_be_recorded(&desk);
        if ends_by_hash {
            call.audio.key_in("#");
            caller.must_be_hung_up(&call);
        } else {
            caller.hang_up(&mut call);
        }
        must_hold_what_was_said(&must_have_message(&desk, &ticket));
        let left = newest_ended(&desk);
        assert_eq!(
            (&left["result"], &left["reason"], &left["ticket"]),
            (&json!("informed"), &json!("left_message"), &ticket),
            "{left:#}"
        );
    }
}

#[test]
fn a_message_outlives_the_death_of_the_gateway() {
    let mut desk = open(DeskPlan::new());
    run(&desk, &["incident", "declare", "Mail", "--number", "100"]);
    let open = desk.api.wait_until(
        "/api/v1/major_incidents",
        "the incident that the command declared",
        PATIENCE,
        |list| list["items"][0]["numbers"] == json!(["100"]),
    );
    let ticket = open["items"][0]["ticket"].clone();
    let mut caller = desk.caller("0922222222");
    let call = call_in(&mut caller);
    call.audio.key_in("3");
    must_be_recorded(&desk);
    desk.gateway.process.kill();
    desk.gateway = Gateway::start(program(), &desk.configuration);
    desk.gateway.must_be_ready(&desk.operations);
    must_hold_what_was_said(&must_have_message(&desk, &ticket));
}

/// Waits until a caller is told of an incident, and gives the contact.
fn must_be_told(desk: &Desk, from: &str) -> Value {
    let of = |list: &Value| {
        let contacts = list["items"].as_array()?;
        contacts.iter().find(|it| it["from"] == from).cloned()
    };
    let path = "/api/v1/contacts";
    let waits = |list: &Value| of(list).is_some_and(|contact| contact["state"] == "waiting");
    let list = desk
        .api
        .wait_until(path, "a caller who waits", PATIENCE, waits);
    let contact = of(&list).expect("it was there");
    let id = contact["id"].as_str().expect("it has an id");
    let path = format!("/api/v1/contacts/{id}/events");
    desk.api
        .wait_until(&path, "the incident being told", PATIENCE, |events| {
            let mut events = events["items"].as_array().into_iter().flatten();
            events.any(|event| event["event"] == "incident_told")
        });
    desk.api.get_json(&format!("/api/v1/contacts/{id}"))
}

#[test]
fn who_waits_when_it_is_declared_hears_it_and_may_leave_for_it() {
    let desk = open(DeskPlan::new());
    let (mut first, mut second) = (desk.caller("0922222221"), desk.caller("0922222222"));
    let (first_call, second_call) = (call_in(&mut first), call_in(&mut second));
    desk.api
        .wait_until("/api/v1/queues", "two who wait", PATIENCE, |list| {
            list["items"][0]["waiting"] == 2
        });
    let ticket = declare(&desk, None);
    let told = must_be_told(&desk, "+886922222221");
    must_be_told(&desk, "+886922222222");
    let own = told["ticket"].clone();
    assert_ne!(own, ticket, "{told:#}");

    second_call.audio.key_in("3");
    must_be_recorded(&desk);
    second_call.audio.key_in("#");
    second.must_be_hung_up(&second_call);
    must_hold_what_was_said(&must_have_message(&desk, &ticket));
    let left = newest_ended(&desk);
    assert_eq!(
        (&left["result"], &left["reason"], &left["ticket"]),
        (&json!("informed"), &json!("left_message"), &ticket),
        "{left:#}"
    );

    first_call.audio.key_in("2");
    first.must_be_hung_up(&first_call);
    let path = format!("/api/v1/contacts/{}", told["id"].as_str().unwrap_or(""));
    let left = desk.api.wait_until(&path, "its end", PATIENCE, |contact| {
        contact["result"].is_string()
    });
    assert_eq!(
        (&left["result"], &left["ticket"]),
        (&json!("informed"), &ticket),
        "{left:#}"
    );
    let merged = desk.api.get_json(&format!("/api/v1/tickets/{own}"));
    assert_eq!(
        (&merged["status"], &merged["merged_into"]),
        (&json!("closed"), &ticket),
        "{merged:#}"
    );
    // They stood in the line: for it they flowed out.
    let statistics = desk.api.get_json("/api/v1/statistics");
    let total = &statistics["total"];
    assert_eq!(
        (&total["offered"], &total["flowed_out"], &total["informed"]),
        (&json!(2), &json!(2), &json!(0)),
        "{statistics:#}"
    );
    assert_eq!(statistics["is_conserved"], true, "{statistics:#}");
}

#[test]
fn callers_hear_the_sites_own_words_in_their_language() {
    let plan = DeskPlan::new().queue_keys("greeting = \"none\"\n");
    for (language, hertz) in [("en", 440), ("zh-TW", 620)] {
        let tone = tone_wav(hertz, Duration::from_secs(3));
        plan.folder()
            .write(&format!("prompts/{language}/mail_down.wav"), tone);
    }
    let desk = open(plan.media_keys("prompts = \"prompts\"\n"));
    declare(&desk, Some("mail_down"));
    for (number, hertz) in [("0922222222", 440), ("0911111111", 620)] {
        let mut caller = desk.caller(number);
        let mut call = caller.call("100");
        caller.must_get(&mut call, 200);
        call.audio.must_hear_packets(100, PATIENCE);
        let share = tone_share(&call.audio.samples(), 8_000, hertz);
        assert!(share > 0.8, "{number} heard {share:.3} of {hertz} Hz");
        caller.hang_up(&mut call);
    }
}

#[test]
fn who_pays_nothing_for_waiting_hears_it_before_the_answer() {
    let (plan, mut anna) = DeskPlan::new().agent_with_phone("anna");
    let desk = open(plan);
    let ticket = declare(&desk, None);
    let mut caller = desk.caller("0922222222");
    let mut early = |key: &str| {
        let mut call = caller.call("200");
        caller.must_get(&mut call, 183);
        call.speak(CALLER);
        call.audio.must_hear_packets(10, PATIENCE);
        call.audio.key_in(key);
        (caller.final_status(&mut call), call)
    };
    let (status, _) = early("2");
    assert_eq!(status, 480);
    let left = newest_ended(&desk);
    assert_eq!(
        (&left["result"], &left["ticket"]),
        (&json!("informed"), &ticket),
        "{left:#}"
    );
    assert!(!anna.has_been_called());
    let (status, mut call) = early("3");
    assert_eq!(status, 200, "who speaks is answered");
    caller.hang_up(&mut call);
}
