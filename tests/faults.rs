//! What the operator is told when something is wrong, and what calls do meanwhile.

use ringdown_harness::PATIENCE;
use ringdown_harness::desk::DeskPlan;
use ringdown_harness::gateway::{self, Gateway};
use ringdown_harness::place::Folder;
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

/// That no second gateway without Redis comes to this database while a first one is there, however that ends.
fn a_database_has_one_gateway_without_redis(url: &str, break_connections: impl FnOnce(&Gateway)) {
    let plan = || DeskPlan::new().section(&format!("[database]\nurl = \"{url}\"\n"));
    let must_be_refused = || {
        let mut second = plan().start(program());
        let status = second.gateway.process.wait_for_end(PATIENCE);
        let told = second.gateway.process.transcript();
        assert_eq!(status.code(), Some(1), "{told}");
        assert!(
            told.contains("another gateway that runs uses this database"),
            "{told}"
        );
    };
    let mut first = plan().open(program());
    must_be_refused();
    // What runs beside a gateway does so as ever.
    let configuration = first.configuration.display().to_string();
    for beside in [
        &["report", "--format", "json"][..],
        &["export", "events", "--from", "2020-01-01"],
        &["token", "list"],
        &["erase", "--phone", "+886912345678"],
    ] {
        let arguments: Vec<&str> = beside
            .iter()
            .copied()
            .chain(["-c", &configuration])
            .collect();
        let (status, _, told) = gateway::run(program(), &first.folder, &arguments);
        assert_eq!(status, 0, "{beside:?}: {told}");
    }
    break_connections(&first.gateway);
    must_be_refused();
    for kill in [true, false] {
        if kill {
            first.gateway.process.kill();
        } else {
            first.gateway.process.ask_to_end();
        }
        first.gateway = Gateway::start(program(), &first.configuration);
        first.gateway.must_be_ready(&first.operations);
    }
    must_be_refused();
}

#[test]
fn a_second_gateway_without_redis_is_refused_on_sqlite() {
    let folder = Folder::new();
    let url = format!("sqlite:{}/desk.sqlite", folder.path().display());
    a_database_has_one_gateway_without_redis(&url, |_| {});
}

#[test]
fn a_second_gateway_without_redis_is_refused_on_postgres_after_a_lost_connection_too() {
    let postgres = Postgres::start();
    a_database_has_one_gateway_without_redis(&postgres.url(), |gateway| {
        postgres.end_sessions("ringdown gateway");
        gateway
            .process
            .wait_for_line("that it is held again", |line| {
                line.contains("other gateways are kept off the database again")
            });
    });
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
