//! A person is erased by the command while the gateway runs, and by one that is killed at any moment.

use ringdown_harness::PATIENCE;
use ringdown_harness::desk::{Desk, DeskPlan};
use ringdown_harness::phone::Phone;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What is in every way of writing the number of the person.
const PERSON: &str = "911111111";

/// The same of somebody who stays.
const OTHER: &str = "922222222";

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

fn command(desk: &Desk, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments);
    command.args(["-c".as_ref(), desk.configuration.as_os_str()]);
    command
}

fn run(desk: &Desk, arguments: &[&str]) -> Output {
    let output = command(desk, arguments).output();
    output.expect("the binary runs")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What is counted of all who came so far, without the agents' time, which goes on.
fn counted(desk: &Desk) -> [Value; 3] {
    let report = [
        "report",
        "--interval",
        "1h",
        "--by",
        "number",
        "--format",
        "json",
    ];
    let report: Value =
        serde_json::from_slice(&run(desk, &report).stdout).expect("a report in JSON");
    assert_eq!(report["is_conserved"], true);
    let total = &report["total"];
    [
        report["numbers"].clone(),
        total["tickets"].clone(),
        total["distinct_callers"].clone(),
    ]
}

/// A call that is answered and ends; its contact.
fn call(desk: &Desk, anna: &mut Phone, from: &str) {
    let mut caller = desk.caller(from);
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    let mut offered = anna.must_ring();
    let contact = offered.invite.must("X-Ringdown-Contact").to_owned();
    anna.answer(&offered);
    anna.hang_up(&mut offered);
    caller.must_be_hung_up(&call);
    let path = format!("/api/v1/contacts/{contact}/events");
    desk.api.wait_until(&path, "its end", PATIENCE, |told| {
        let mut events = told["items"].as_array().into_iter().flatten();
        events.any(|event| event["event"] == "closed")
    });
}

/// A desk that the person and somebody else called.
fn desk() -> (Desk, Phone) {
    let plan = DeskPlan::new().queue_keys("wrap_up_s = 0\n");
    let (plan, mut anna) = plan.agent_with_phone("anna");
    let desk = plan.open(program());
    for number in [PERSON, OTHER, PERSON] {
        call(&desk, &mut anna, &format!("0{number}"));
    }
    (desk, anna)
}

/// The files of a folder in which some octets stand.
fn files_with(folder: &Path, octets: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_with(&path, octets));
        } else {
            let read = std::fs::read(&path).unwrap_or_default();
            let mut windows = read.windows(octets.len());
            if windows.any(|window| window == octets.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

fn must_be_gone(desk: &Desk) {
    let data = desk.folder.path().join("data");
    assert_eq!(files_with(&data, PERSON), Vec::<String>::new());
    assert_ne!(files_with(&data, OTHER), Vec::<String>::new());
    for subject in ["events", "contacts", "tickets"] {
        let exported = told(&run(desk, &["export", subject, "--from", "2020-01-01"]));
        assert!(!exported.contains(PERSON), "{exported}");
        assert!(exported.contains(OTHER), "{subject}: {exported}");
    }
}

#[test]
fn whom_the_command_erases_is_in_no_file_and_every_count_stays() {
    let (desk, mut anna) = desk();
    let refused = run(&desk, &["erase"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("nobody is named"));

    let mut caller = desk.caller(&format!("0{PERSON}"));
    let mut live = caller.call("100");
    caller.must_get(&mut live, 200);
    let offered = anna.must_ring();
    let refused = run(&desk, &["erase", "--phone", &format!("0{PERSON}")]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("a contact that is not over"));
    let contact = offered.invite.must("X-Ringdown-Contact").to_owned();
    caller.hang_up(&mut live);
    anna.must_be_cancelled(&offered);
    let path = format!("/api/v1/contacts/{contact}");
    desk.api
        .wait_until(&path, "its result", PATIENCE, |contact| {
            contact["result"].is_string()
        });
    let before = counted(&desk);

    let erased = run(&desk, &["erase", "--phone", &format!("0{PERSON}")]);
    assert_eq!(erased.status.code(), Some(0), "{erased:?}");
    assert!(
        told(&erased).starts_with("erased: 3 contacts, "),
        "{erased:?}"
    );
    must_be_gone(&desk);
    assert_eq!(counted(&desk), before);
    let again = run(&desk, &["erase", "--resume"]);
    assert_eq!(told(&again), "no erasure is under way\n");
}

/// Runs a command, and kills it when so many writes were seen in the database's log.
fn kill_after(writes: usize, desk: &Desk, mut command: Command) {
    let log = desk.folder.path().join("data/ringdown.sqlite-wal");
    let written = || {
        let log = std::fs::metadata(&log).ok();
        log.and_then(|log| Some((log.len(), log.modified().ok()?)))
    };
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let (mut before, mut seen) = (written(), 0);
    while seen < writes && child.try_wait().expect("a child").is_none() {
        let now = written();
        seen += usize::from(now != before);
        before = now;
    }
    let _ = child.kill();
    child.wait().expect("it ends");
}

#[test]
fn an_erasure_that_is_killed_at_any_moment_is_gone_on_with() {
    let (desk, _anna) = desk();
    let before = counted(&desk);
    let number = format!("0{PERSON}");
    let erase = ["erase", "--phone", &number];
    // Each dies later than the one before; the same order again is the same erasure.
    for writes in [0, 1, 2, 3, 5, 8, 13] {
        kill_after(writes, &desk, command(&desk, &erase));
    }
    let resumed = run(&desk, &["erase", "--resume"]);
    assert_eq!(resumed.status.code(), Some(0), "{resumed:?}");
    let again = run(&desk, &erase);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    must_be_gone(&desk);
    assert_eq!(counted(&desk), before);
}
