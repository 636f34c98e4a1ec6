//! `replay`, `report`, `trace` and `doctor` as a shell sees them: what is on stdout, what on stderr, and
//! the exit status.

use ringdown_harness::place::{Folder, free_address, free_port, rtp_range};
use serde_json::Value;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn ringdown(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringdown"))
        .args(arguments)
        .output()
        .expect("the binary runs")
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// The sample configuration with a folder of its own, this SIP port, and no other port that anybody has.
fn configuration(folder: &Folder, sip_port: u16) -> String {
    let sample =
        std::fs::read_to_string(fixture("config/ringdown.toml")).expect("the sample is there");
    let mut own = sample.replace("127.0.0.1:5060", &format!("127.0.0.1:{sip_port}"));
    for port in [2525, 2424, 8080, 9090] {
        let listener = format!("\"127.0.0.1:{port}\"");
        assert!(own.contains(&listener), "the sample listens on {port}");
        own = own.replace(&listener, &format!("\"{}\"", free_address()));
    }
    // The ports of the harness lie in the range for RTP that the sample has.
    let (first, last) = rtp_range();
    let range = format!("port_min = {first}\nport_max = {last}");
    let own = own.replace("port_min = 20000\nport_max = 29999", &range);
    assert!(own.contains(&range), "the sample names its ports");
    let path = folder.path().join("ringdown.toml");
    std::fs::write(&path, own).expect("the folder can be written");
    path.display().to_string()
}

#[test]
fn replay_prints_one_document_and_nothing_else() {
    let log = fixture("events/half_hour.jsonl");
    let output = ringdown(&[
        "replay",
        &log.display().to_string(),
        "--format",
        "json",
        "--time-zone",
        "Asia/Taipei",
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(text(&output.stderr), "", "no progress in a pipe");
    let report = json(&output);
    assert_eq!(report["statistics"]["helpdesk"]["offered"], 3);
    assert_eq!(
        report["statistics"]["helpdesk"]["service_level"]["ignored"],
        0.5
    );
    assert_eq!(report["intervals"][0]["start"], "2026-11-23T09:00:00+08:00");
}

#[test]
fn replay_tells_lines_that_are_no_events_and_counts_the_others() {
    let folder = Folder::new();
    let path = folder.path().join("log.jsonl");
    let good =
        std::fs::read_to_string(fixture("events/half_hour.jsonl")).expect("the sample is there");
    std::fs::write(&path, format!("{{\"half\n{good}")).expect("the folder can be written");
    let output = ringdown(&["replay", &path.display().to_string(), "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("log.jsonl:1: not an event"),
        "{output:?}"
    );
    assert_eq!(json(&output)["statistics"]["helpdesk"]["offered"], 3);
}

#[test]
fn a_log_that_does_not_add_up_is_an_answer_of_no_and_said_whatever_is_printed() {
    let folder = Folder::new();
    let sample =
        std::fs::read_to_string(fixture("events/half_hour.jsonl")).expect("the sample is there");
    // Closed as answered, and no word of who answered.
    let lines: Vec<&str> = sample
        .lines()
        .filter(|line| !line.contains("\"event\": \"answered\""))
        .collect();
    let hole = folder.write("hole.jsonl", lines.join("\n"));
    for format in ["table", "csv", "json", "html"] {
        let output = ringdown(&["replay", &hole.display().to_string(), "--format", format]);
        assert_eq!(output.status.code(), Some(1), "{format}");
        let told = text(&output.stderr);
        assert!(
            told.contains("NOT everybody is accounted for"),
            "{format}: {told}"
        );
        assert!(!output.stdout.is_empty());
    }
}

#[test]
fn replay_of_a_queue_that_the_log_does_not_name_is_an_answer_of_no() {
    let log = fixture("events/half_hour.jsonl").display().to_string();
    let output = ringdown(&["replay", &log, "--queue", "nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "no figures of what is not there");
    let told = text(&output.stderr);
    assert!(
        told.contains("there is no queue `nowhere` (there are: helpdesk)"),
        "{told}"
    );
    let mails = ringdown(&["replay", &log, "--channel", "email", "--format", "json"]);
    assert_eq!(json(&mails)["total"]["offered"], 0);
    let calls = ringdown(&["replay", &log, "--channel", "voice", "--format", "json"]);
    assert_eq!(json(&calls)["total"]["offered"], 3);
}

#[test]
fn wrong_usage_is_exit_2() {
    for arguments in [
        &["replay"][..],
        &["replay", "x", "--interval", "7m"],
        &["replay", "x", "--time-zone", "Mars/Olympus"],
        &["trace", "not-a-contact"],
    ] {
        assert_eq!(ringdown(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_report_of_a_new_desk_is_empty_and_sound() {
    let folder = Folder::new();
    let configuration = configuration(&folder, free_port());
    let output = ringdown(&["report", "-c", &configuration, "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = json(&output);
    assert_eq!(report["total"]["offered"], 0);
    assert_eq!(report["total"]["asa_s"], Value::Null);
    assert_eq!(report["time_zone"], "Asia/Taipei");
    let table = text(&ringdown(&["report", "-c", &configuration]).stdout);
    assert!(
        table.contains("服務水準") && table.contains("定義"),
        "the site's language: {table}"
    );
    let unknown = ringdown(&["report", "-c", &configuration, "--queue", "nothing"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        text(&unknown.stderr).contains("no queue `nothing`"),
        "{unknown:?}"
    );
}

#[test]
fn an_export_that_cannot_be_is_told_and_never_an_empty_one() {
    let folder = Folder::new();
    let configuration = configuration(&folder, free_port());
    let nowhere = folder.path().join("nowhere").join("events.csv");
    let nowhere = nowhere.display().to_string();
    for (arguments, told) in [
        (
            ["--from", "2026-12-01", "--to", "2026-11-01"],
            "the period ends before it begins",
        ),
        (["--from", "today", "-o", &nowhere], &nowhere),
    ] {
        let export = ["export", "events", "-c", &configuration];
        let output = ringdown(&[&export[..], &arguments].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(text(&output.stderr).contains(told), "{output:?}");
    }
}

#[test]
fn a_contact_nobody_knows_has_no_trace() {
    let folder = Folder::new();
    let configuration = configuration(&folder, free_port());
    let output = ringdown(&["trace", "01M7Q5CQG00000000000000005", "-c", &configuration]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("no contact"), "{output:?}");
}

#[test]
fn the_doctor_tells_a_taken_port_and_what_to_do() {
    let folder = Folder::new();
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let port = taken.local_addr().expect("it has an address").port();
    let configuration = configuration(&folder, port);
    let output = ringdown(&["doctor", "-c", &configuration]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = text(&output.stdout);
    let line = told
        .lines()
        .find(|line| line.contains("sip udp"))
        .unwrap_or("");
    assert!(
        line.starts_with("FAIL") && line.contains(&format!("ss -lptun sport = :{port}")),
        "{told}"
    );
    let output = ringdown(&["doctor", "-c", &configuration, "--format", "json"]);
    assert_eq!(json(&output)["ok"], false);
    let nowhere = ringdown(&["doctor", "-c", "/nowhere/ringdown.toml"]);
    assert_eq!(nowhere.status.code(), Some(1));
}
