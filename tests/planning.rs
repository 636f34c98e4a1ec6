//! `staff` and `forecast` as a shell sees it: what is on stdout, what on stderr, and the exit status.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn ringdown(arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringdown"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"))
        .args(arguments.split_whitespace())
        .output()
        .expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(arguments: &str) -> Value {
    let output = ringdown(arguments);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(text(&output.stderr), "");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn staff_prints_one_document_with_both_models() {
    let staff = json(
        "staff --calls 75 --interval 30m --aht 240 --target 80/20 --patience 180 --shrinkage 0.2 --shrinkage 12.5% --format json",
    );
    assert_eq!(staff["load_erlang"], 10.0);
    assert_eq!(staff["erlang_c"]["agents"], 14);
    assert_eq!(staff["erlang_c"]["scheduled"], 20);
    assert_eq!(staff["erlang_a"]["agents"], 13);
    assert_eq!(staff["erlang_a"]["scheduled"], 19);
    let table = ringdown("staff --calls 75 --aht 4m --agents 10");
    assert_eq!(table.status.code(), Some(0));
    assert!(text(&table.stdout).contains("It takes at least 11 agents"));
}

#[test]
fn patience_comes_from_the_waits_of_a_log() {
    let staff = json(
        "staff --calls 75 --aht 240 --patience-from events/half_hour.jsonl --queue helpdesk --format json",
    );
    assert_eq!(staff["patience"]["abandoned"], 1);
    assert_eq!(staff["question"]["patience_s"], staff["patience"]["mean_s"]);
    let nobody =
        ringdown("staff --calls 75 --aht 240 --patience-from events/half_hour.jsonl --queue x");
    assert_eq!(nobody.status.code(), Some(1));
    assert!(text(&nobody.stderr).contains("nothing is known of patience"));
}

#[test]
fn who_waits_for_an_answer_by_mail_tells_nothing_of_patience() {
    let folder = ringdown_harness::place::Folder::new();
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/events/half_hour.jsonl");
    let events = std::fs::read_to_string(events).expect("the log is there");
    let mails = events.replace("\"channel\": \"voice\"", "\"channel\": \"email\"");
    assert_ne!(mails, events);
    let mails = folder.write("mails.jsonl", mails);
    let told = ringdown(&format!(
        "staff --calls 75 --aht 240 --patience-from {}",
        mails.display()
    ));
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    assert!(text(&told.stderr).contains("nothing is known of patience"));
    // Nor are they arrivals that are staffed by Erlang.
    let forecast = |channel: &str| {
        let arguments = format!(
            "forecast {} {channel} --time-zone Asia/Taipei",
            mails.display()
        );
        ringdown(&arguments).status.code()
    };
    assert_eq!(forecast(""), Some(1));
    assert_eq!(forecast("--channel email"), Some(0));
}

#[test]
fn waits_that_come_too_late_in_a_log_are_told_of() {
    let folder = ringdown_harness::place::Folder::new();
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/events/half_hour.jsonl");
    let events = std::fs::read_to_string(events).expect("the log is there");
    // Two hours after the first of them.
    let newer = r#"{"id": {"origin": "other", "number": 1}, "at": 1795402800000, "agent": "ming", "event": "agent_status", "status": "available"}"#;
    let log = folder.write("late.jsonl", format!("{newer}\n{events}"));
    let told = ringdown(&format!(
        "staff --calls 75 --aht 240 --patience-from {}",
        log.display()
    ));
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    assert!(text(&told.stderr).contains("too late to be counted"));
}

#[test]
fn wrong_usage_is_exit_2() {
    for arguments in [
        "staff --aht 240",
        "staff --calls 75 --aht 0",
        "staff --calls 75 --aht 240 --target 100/20",
        "staff --calls 75 --aht 240 --shrinkage 1",
        "staff --calls 75 --aht 240 --agents 0",
        "staff --calls nan --aht 240",
        "staff --calls 75 --aht 240 --retrial 0.5",
        "staff --calls 75 --aht 240 --deadline 1s --backlog 1e300",
        "forecast forecast/arrivals.csv --queue helpdesk",
        "forecast events/half_hour.jsonl --channel telex",
    ] {
        let output = ringdown(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {output:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty());
    }
}

/// Berlin's clock is put back within these twelve weeks.
const PAST: &str =
    "forecast forecast/arrivals.csv --time-zone Europe/Berlin --holidays forecast/holidays.csv";

#[test]
fn forecast_tells_days_intervals_and_the_back_test_that_chose_the_method() {
    let forecast = json(&format!("{PAST} --format json"));
    assert_eq!(forecast["from"], "2026-11-02T00:00:00+01:00");
    assert_eq!(forecast["days_known"], 84);
    assert_eq!(forecast["method"], "median");
    let error = forecast["methods"][0]["weighted_absolute_error"]
        .as_f64()
        .expect("a share");
    assert!((0.05..0.2).contains(&error), "{error}");
    assert_eq!(forecast["back_test"].as_array().map(Vec::len), Some(28));
    let monday = forecast["days"][0]["expected"].as_f64().expect("a number");
    assert!((850.0..1_050.0).contains(&monday), "{monday}");
    assert_eq!(forecast["days"][1]["factor"], 0.5, "the outing");
    assert_eq!(forecast["days"][6]["expected"], 0.0, "Sundays are closed");
    assert_eq!(forecast["intervals"].as_array().map(Vec::len), Some(336));
    assert_eq!(forecast["warnings"], serde_json::json!([]));
}

#[test]
fn a_day_of_changed_clocks_has_its_own_number_of_half_hours() {
    let forward = json(&format!("{PAST} --from 2027-03-28 --days 1 --format json"));
    assert_eq!(forward["intervals"].as_array().map(Vec::len), Some(46));
    let back = json(&format!("{PAST} --from 2027-10-31 --days 1 --format json"));
    assert_eq!(back["intervals"].as_array().map(Vec::len), Some(50));
}

#[test]
fn forecast_plans_staff_as_table_and_csv() {
    let staffed =
        format!("{PAST} --days 1 --staff --aht 4m --patience 180 --shrinkage 0.3 --rehearse 2");
    let csv = text(&ringdown(&format!("{staffed} --format csv")).stdout);
    let busiest = csv
        .lines()
        .find(|line| line.starts_with("2026-11-02T10:00"))
        .expect("ten o'clock");
    let fields: Vec<&str> = busiest.split(',').collect();
    let agents: u32 = fields[6].parse().expect("agents by Erlang A");
    assert!((8..16).contains(&agents), "{busiest}");
    let table = text(&ringdown(&staffed).stdout);
    assert!(table.contains("A agents") && table.contains("weighted absolute error"));
    assert!(
        !table.contains("2026-11-02 03:00"),
        "a quiet night hides the day"
    );
    assert!(table.contains("Played 2 times by the real policy"));
    let played = json(&format!("{staffed} --format json"));
    let level = played["rehearsal"]["service_level_negative"]["mean"]
        .as_f64()
        .expect("a share");
    assert!((0.75..0.97).contains(&level), "{level}");
    assert!(played["intervals"][20]["rehearsal"]["abandon_rate"].is_f64());
}

#[test]
fn an_event_log_is_a_past_as_well() {
    let forecast = json("forecast events/half_hour.jsonl --time-zone Asia/Taipei --format json");
    assert_eq!(forecast["days_known"], 1);
    assert!(
        text(&ringdown("forecast events/half_hour.jsonl").stdout).contains("Beware: only 0 days")
    );
}

#[test]
fn faults_of_a_past_have_line_and_column() {
    let output = ringdown("forecast forecast/make");
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(told.starts_with("forecast/make:"), "{told}");
    assert!(told.contains(":1: `") && output.stdout.is_empty(), "{told}");
    assert_eq!(
        ringdown("forecast forecast/nothing.csv").status.code(),
        Some(1)
    );
    let log = ringdown("forecast events/half_hour.jsonl --queue nowhere");
    assert_eq!(log.status.code(), Some(1));
    assert!(
        text(&log.stderr).contains("there is no queue `nowhere` (there are: helpdesk)"),
        "{log:?}"
    );
    let beyond = ringdown("forecast forecast/arrivals.csv --from 9999-12-30");
    assert_eq!(beyond.status.code(), Some(1));
    assert!(
        text(&beyond.stderr).contains("between the years 1970 and 9999"),
        "{beyond:?}"
    );
    let folder = ringdown_harness::place::Folder::new();
    let ages = folder.write("ages.csv", "2026-01-01 00:00\n9999-12-31 23:59\n");
    let ages = ringdown(&format!("forecast {}", ages.display()));
    assert_eq!(ages.status.code(), Some(1));
    assert!(
        text(&ages.stderr).contains("longer than 3660 days"),
        "{ages:?}"
    );
    assert_eq!(
        ringdown("forecast forecast/arrivals.csv --staff")
            .status
            .code(),
        Some(2)
    );
}
