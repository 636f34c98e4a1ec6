//! What the operator is told when something is wrong, and what calls do meanwhile.

use ringdown_harness::PATIENCE;
use ringdown_harness::desk::DeskPlan;
use ringdown_harness::gateway;
use ringdown_harness::postgres::Postgres;
use std::net::TcpListener;
use std::net::UdpSocket;
use std::path::Path;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

#[test]
fn a_wrong_configuration_is_told_with_file_line_and_column() {
    let plan = DeskPlan::new()
        .section("[[number]]\nnumber = \"300\"\nqueue = \"dsk\"\n")
        .section("[sips]\n");
    let path = plan.write();
    let file = path
        .file_name()
        .expect("it has a name")
        .to_string_lossy()
        .into_owned();
    for command in ["check", "serve"] {
        let (status, said, told) = gateway::run(program(), plan.folder(), &[command, "-c", &file]);
        assert_eq!(status, 1, "{command}: {told}");
        assert!(
            said.is_empty(),
            "{command} says faults on standard output: {said}"
        );
        let has_place = |sentence: &str| {
            told.lines().any(|line| {
                line.contains(sentence)
                    && line
                        .split(':')
                        .nth(2)
                        .is_some_and(|column| column.parse::<u32>().is_ok())
            })
        };
        assert!(
            has_place("there is no queue `dsk`; did you mean `desk`?"),
            "{command}: {told}"
        );
        assert!(
            has_place("unknown key `sips`; did you mean `sip`?"),
            "{command}: {told}"
        );
    }
}

#[test]
fn a_good_configuration_is_good() {
    let plan = DeskPlan::new();
    plan.write();
    let (status, _, told) =
        gateway::run(program(), plan.folder(), &["check", "-c", "ringdown.toml"]);
    assert_eq!(status, 0, "{told}");
}

#[test]
fn a_configuration_that_is_not_there_is_told() {
    let plan = DeskPlan::new();
    let (status, _, told) =
        gateway::run(program(), plan.folder(), &["serve", "-c", "nowhere.toml"]);
    assert_eq!(status, 1, "{told}");
    assert!(told.contains("nowhere.toml"), "{told}");
}

#[test]
fn a_taken_port_is_told_with_its_number() {
    let plan = DeskPlan::new();
    let _other = UdpSocket::bind(plan.sip()).expect("the port is free");
    let wanted = plan.sip().to_string();
    let mut desk = plan.start(program());
    let status = desk.gateway.process.wait_for_end(PATIENCE);
    assert_eq!(
        status.code(),
        Some(1),
        "{}",
        desk.gateway.process.transcript()
    );
    assert!(
        desk.gateway.process.transcript().contains(&wanted),
        "{}",
        desk.gateway.process.transcript()
    );

    let plan = DeskPlan::new();
    let _other = TcpListener::bind(plan.web()).expect("the port is free");
    let wanted = plan.web().to_string();
    let mut desk = plan.start(program());
    let status = desk.gateway.process.wait_for_end(PATIENCE);
    assert_eq!(
        status.code(),
        Some(1),
        "{}",
        desk.gateway.process.transcript()
    );
    assert!(
        desk.gateway.process.transcript().contains(&wanted),
        "{}",
        desk.gateway.process.transcript()
    );
}

#[test]
fn a_database_that_hangs_costs_no_call() {
    let postgres = Postgres::start();
    let (plan, mut anna) = DeskPlan::new()
        .section(&format!("[database]\nurl = \"{}\"\n", postgres.url()))
        .agent_with_phone("anna");
    let desk = plan.open(program());
    // The CMS and the tickets: nobody can read who calls, nobody can write a ticket.
    let held = ["people", "phones", "tickets"].map(|table| postgres.hold_table(table));
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("200");
    let offered = anna.must_ring();
    anna.send_answer(&offered);
    caller.must_get(&mut call, 200);
    anna.must_be_acknowledged(&offered);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
    drop(held);
    let id = offered.invite.must("X-Ringdown-Contact");
    desk.api.wait_until(
        &format!("/api/v1/tickets?contact={id}"),
        "the ticket, late",
        PATIENCE,
        |list| {
            list["items"]
                .as_array()
                .is_some_and(|items| items.len() == 1)
        },
    );
    // However late it entered the line, it did so at the place of its arrival.
    let events = format!("/api/v1/contacts/{id}/events");
    let events = desk.api.get_json(&events);
    let told = |kind: &str, field: &str| {
        let mut events = events["items"].as_array().into_iter().flatten();
        let event = events.find(|event| event["event"] == kind);
        event.and_then(|event| event[field].as_i64())
    };
    let [arrived, place, entered] = [
        told("arrived", "at"),
        told("enqueued", "enqueued_at"),
        told("enqueued", "at"),
    ];
    assert!(
        arrived.is_some() && arrived <= place && place <= entered,
        "{events:#}"
    );
}

#[test]
fn a_caller_who_leaves_before_the_ticket_is_there_ends_once_and_has_one() {
    let postgres = Postgres::start();
    let desk = DeskPlan::new()
        .section(&format!("[database]\nurl = \"{}\"\n", postgres.url()))
        .open(program());
    let held = postgres.hold_table("tickets");
    let mut caller = desk.caller("0912345678");
    let mut call = caller.call("200");
    caller.must_get(&mut call, 180);
    caller.cancel(&call);
    assert_eq!(caller.final_status(&mut call), 487);
    drop(held);
    let contacts = desk.api.wait_until(
        "/api/v1/contacts",
        "one abandoned contact with a ticket",
        PATIENCE,
        |list| list["items"][0]["result"] == "abandoned" && !list["items"][0]["ticket"].is_null(),
    );
    assert_eq!(contacts["items"].as_array().map(Vec::len), Some(1));
    let id = contacts["items"][0]["id"].as_str().unwrap_or("").to_owned();
    let events = desk.api.get_json(&format!("/api/v1/contacts/{id}/events"));
    let ends = events["items"].as_array().map_or(0, |events| {
        events
            .iter()
            .filter(|event| event["event"] == "closed")
            .count()
    });
    assert_eq!(ends, 1, "{events:#}");
    let total = desk.api.get_json("/api/v1/statistics")["total"].clone();
    assert_eq!(
        (&total["offered"], &total["abandoned"]),
        (&1.into(), &1.into())
    );
}

#[test]
fn a_full_disk_costs_no_call_and_is_told() {
    let (plan, mut anna) = DeskPlan::new().files_kb_max(1_000).agent_with_phone("anna");
    let mut desk = plan.open(program());
    let mut caller = desk.caller("0912345678");
    let is_told = |line: &str| line.contains("WARN") || line.contains("ERROR");
    for _ in 0..400 {
        let mut call = caller.call("200");
        let offered = anna.must_ring();
        anna.send_answer(&offered);
        caller.must_get(&mut call, 200);
        anna.must_be_acknowledged(&offered);
        caller.hang_up(&mut call);
        anna.must_be_hung_up(&offered);
        if desk.gateway.process.transcript().lines().any(is_told) {
            break;
        }
    }
    let line = desk
        .gateway
        .process
        .wait_for_line("that it cannot write", is_told);
    assert!(
        line.contains("database") || line.contains("disk") || line.contains("written"),
        "{line}"
    );
    let mut call = caller.call("200");
    let offered = anna.must_ring();
    anna.send_answer(&offered);
    caller.must_get(&mut call, 200);
    anna.must_be_acknowledged(&offered);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
    assert!(desk.gateway.process.is_running());
}
