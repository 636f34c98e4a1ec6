//! A golden month: what `replay` and `report` make of forty days of a desk is what a script makes of them that knows
//! the definitions and nothing else (`month.py`), every count to the last digit and every ratio to a billionth.

mod desk;
mod story;
#[path = "../shared/workbook.rs"]
mod workbook;
mod workbooks;

use ringdown::config::Config;
use ringdown::database::Database;
use ringdown::event_log::EventLog;
use ringdown::report::{JsonReport, Report, Settings, Wish};
use ringdown::rollups::Rollups;
use ringdown_harness::place::Folder;
use ringdown_harness::postgres::Postgres;
use ringdown_routing::contact::Channel;
use ringdown_routing::event::{Event, EventKind};
use ringdown_routing::ids::{EventId, NodeId, QueueId, TicketId};
use ringdown_routing::ticket::{AnswerEnd, AnswerWait};
use ringdown_routing::time::Timestamp;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// What is asked of the log: by which wall clock, from when to when, in rows of which width, of which queue.
struct Question {
    zone: &'static str,
    zone_in_script: &'static str,
    from: &'static str,
    to: &'static str,
    from_ms: i64,
    to_ms: i64,
    interval: &'static str,
    width_s: i64,
    queue: Option<&'static str>,
}

/// October by Berlin's days (one has 25 hours), its last weekend by half-hours, and a week of Taipei's line by hours.
const QUESTIONS: [Question; 3] = [
    Question {
        zone: "Europe/Berlin",
        zone_in_script: "berlin",
        from: "2026-10-01",
        to: "2026-11-01",
        from_ms: 1_790_805_600_000,
        to_ms: 1_793_487_600_000,
        interval: "1d",
        width_s: 86_400,
        queue: None,
    },
    Question {
        zone: "Europe/Berlin",
        zone_in_script: "berlin",
        from: "2026-10-24T12:00",
        to: "2026-10-26T12:00",
        from_ms: 1_792_836_000_000,
        to_ms: 1_793_012_400_000,
        interval: "30m",
        width_s: 1_800,
        queue: None,
    },
    Question {
        zone: "Asia/Taipei",
        zone_in_script: "taipei",
        from: "2026-10-12",
        to: "2026-10-19",
        from_ms: 1_791_734_400_000,
        to_ms: 1_792_339_200_000,
        interval: "1h",
        width_s: 3_600,
        queue: Some("taipei"),
    },
];

#[test]
fn a_replay_of_the_month_is_what_the_script_counts() {
    let folder = Folder::new();
    let events = desk::month();
    let log = write(&folder, "month.jsonl", &events);
    for (question, golden) in by_script(&log, &QUESTIONS) {
        assert!(
            golden["total"]["answered"].as_u64().expect("a count") > 30,
            "{golden}"
        );
        compare(&replayed(&log, question), &golden);
    }
}

#[test]
fn a_replay_of_the_month_out_of_order_and_twice_over_is_the_same() {
    let folder = Folder::new();
    let events = desk::month();
    let log = write(&folder, "month.jsonl", &events);
    let mut shuffled = Vec::with_capacity(events.len() * 2);
    for (place, part) in events.chunks(50).enumerate() {
        // Neighbours backwards, and every third lot of them once more.
        shuffled.extend(part.iter().rev().cloned());
        if place % 3 == 0 {
            shuffled.extend(part.iter().cloned());
        }
    }
    let other = write(&folder, "shuffled.jsonl", &shuffled);
    for (question, golden) in by_script(&log, &QUESTIONS[..1]) {
        compare(&replayed(&other, question), &golden);
    }
}

#[test]
fn a_report_from_sqlite_is_what_the_script_counts() {
    let folder = Folder::new();
    let url = format!("sqlite:{}/desk.sqlite", folder.path().display());
    compare_reports(&folder, &url);
}

#[test]
fn a_report_from_postgresql_is_what_the_script_counts() {
    let server = Postgres::start();
    compare_reports(&Folder::new(), &server.url());
}

/// Stores the month in a database, and compares each report from there.
fn compare_reports(folder: &Folder, url: &str) {
    let events = desk::month();
    let lines = write(folder, "month.jsonl", &events);
    let runtime = tokio::runtime::Runtime::new().expect("the golden month can be counted");
    runtime.block_on(async {
        let (database, log) = stored(url, &events).await;
        for (question, golden) in by_script(&lines, &QUESTIONS) {
            compare(&reported(&log, question).await, &golden);
        }
        database.close().await;
    });
}

#[test]
fn what_is_stored_is_a_replay_to_the_last_digit_with_tickets_marks_and_answers() {
    let folder = Folder::new();
    let mut events = desk::month();
    events.extend(answers(&events));
    events.sort_by_key(|event| event.at);
    let lines = write(&folder, "month.jsonl", &events);
    let question = &QUESTIONS[0];
    let runtime = tokio::runtime::Runtime::new().expect("the golden month can be counted");
    let stored = runtime.block_on(async {
        let url = format!("sqlite:{}/desk.sqlite", folder.path().display());
        let (database, log) = stored(&url, &events).await;
        let stored = reported(&log, question).await;
        database.close().await;
        stored
    });
    // Both are read from text by one reader, whose last bit may not be the number's.
    let stored: Value = serde_json::from_str(&stored.to_string()).expect("it is one JSON document");
    let as_of = stored["as_of"].as_str().expect("an instant");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringdown"));
    let zone = [
        "--time-zone",
        question.zone,
        "--interval",
        question.interval,
    ];
    let span = [
        "--from",
        question.from,
        "--to",
        question.to,
        "--as-of",
        as_of,
    ];
    let command = command.arg("replay").arg(&lines).args(zone).args(span);
    let replayed = document(command.args(["--format", "json"]));
    let mut unlike = Vec::new();
    for field in [
        "statistics",
        "total",
        "intervals",
        "numbers",
        "caller_classes",
        "skills",
        "contacts_by_agent",
        "agents",
        "is_conserved",
    ] {
        differences(field, &replayed[field], &stored[field], &mut unlike);
    }
    assert_eq!(unlike, Vec::<String>::new(), "replayed, and stored");
    let total = &stored["total"];
    let is_told = |field: &str| total[field].as_f64().is_some_and(|figure| figure > 0.0);
    for field in [
        "answers_given",
        "answer_backlog",
        "answer_time_s",
        "answers_in_time",
        "satisfaction",
        "solved_within_target",
        "tolerable_wait_share",
        "first_contact_resolution",
    ] {
        assert!(is_told(field), "{field}: {}", total[field]);
    }
}

/// A database in which all of that happened and was rolled up.
async fn stored(url: &str, events: &[Event]) -> (Database, EventLog) {
    let database = Database::connect(url, 2, 1_000_000)
        .await
        .expect("the golden month can be counted");
    let log = EventLog::new(database.clone());
    for event in events {
        assert!(log.append(event.clone()));
    }
    log.flush().await.expect("the golden month can be counted");
    let end = Timestamp::from_millis(desk::END_MS);
    let steps = Rollups::new(&log).catch_up(end, || ()).await;
    let steps = steps.expect("the golden month can be counted");
    assert!(steps.is_some_and(|steps| steps > 30));
    (database, log)
}

/// Where two documents are not the same, with what either has.
fn differences(path: &str, one: &Value, other: &Value, unlike: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(fields), Value::Object(others)) if fields.len() == others.len() => {
            for (name, field) in fields {
                differences(&format!("{path}.{name}"), field, &other[name], unlike);
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (place, (item, other)) in items.iter().zip(others).enumerate() {
                differences(&format!("{path}[{place}]"), item, other, unlike);
            }
        }
        _ if one != other => unlike.push(format!("{path}: {one}, {other}")),
        _ => {}
    }
}

/// Waits for an answer by mail, of every third mail: some answered in time, some late, some dropped, some still on.
fn answers(events: &[Event]) -> Vec<Event> {
    let agent = events.iter().find_map(|event| event.agent.clone());
    let is_mail = |event: &&Event| {
        let EventKind::Enqueued { channel, .. } = &event.kind else {
            return false;
        };
        *channel == Channel::Email
    };
    let mut told = Vec::new();
    for (place, mail) in (0_u64..).zip(events.iter().filter(is_mail).step_by(3)) {
        let queue = mail.queue.clone().expect("a mail enters a line");
        let ticket = TicketId::new(900_000 + place);
        let wait = AnswerWait {
            since: mail.at,
            queue,
            is_first: place.is_multiple_of(2),
            due_at: Some(mail.at + desk::seconds(7_200)),
            facets: Box::default(),
        };
        let mut tell = |after_s: i64, kind: EventKind| {
            let ended = matches!(kind, EventKind::AnswerWaitEnded { .. });
            let number = 1 + told.len() as u64;
            told.push(Event {
                id: EventId {
                    origin: NodeId::from("answers"),
                    number,
                },
                at: mail.at + desk::seconds(after_s),
                agent: agent.clone().filter(|_| ended),
                kind,
                ..mail.clone()
            });
        };
        let from = None;
        tell(
            0,
            EventKind::AnswerAwaited {
                ticket,
                wait: wait.clone(),
                from,
            },
        );
        let working_ms = 1_000 * (place % 9_000);
        let end = match place % 5 {
            0 => continue,
            1 => AnswerEnd::Dropped,
            _ => AnswerEnd::Given { working_ms },
        };
        let after_s = if place % 5 == 2 { 90_000 } else { 3_000 };
        tell(after_s, EventKind::AnswerWaitEnded { ticket, wait, end });
    }
    told
}

fn write(folder: &Folder, name: &str, events: &[Event]) -> std::path::PathBuf {
    let mut lines = String::new();
    for event in events {
        let line = serde_json::to_string(event).expect("the golden month can be counted");
        let _ = writeln!(lines, "{line}");
    }
    folder.write(name, lines)
}

/// Each question with what the script answers.
fn by_script<'q>(log: &Path, questions: &'q [Question]) -> Vec<(&'q Question, Value)> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/month.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(log);
    for question in questions {
        let span = format!("{},{}", question.from_ms, question.to_ms);
        let rows = format!("{},{}", question.width_s, question.zone_in_script);
        let queue = question.queue.map(|queue| format!(",{queue}"));
        command.arg(format!("{span},{rows}{}", queue.unwrap_or_default()));
    }
    let told = printed(&mut command);
    let golden = serde_json::Deserializer::from_slice(&told).into_iter::<Value>();
    let golden: Result<Vec<Value>, _> = golden.collect();
    let golden = golden.expect("it is one JSON document for each question");
    assert_eq!(golden.len(), questions.len());
    questions.iter().zip(golden).collect()
}

fn replayed(log: &Path, question: &Question) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringdown"));
    command
        .arg("replay")
        .arg(log)
        .args(["--format", "json", "--time-zone", question.zone]);
    command.args([
        "--from",
        question.from,
        "--to",
        question.to,
        "--interval",
        question.interval,
    ]);
    if let Some(queue) = question.queue {
        command.args(["--queue", queue]);
    }
    document(&mut command)
}

fn document(command: &mut Command) -> Value {
    serde_json::from_slice(&printed(command)).expect("it is one JSON document")
}

fn printed(command: &mut Command) -> Vec<u8> {
    let output = command.output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    output.stdout
}

async fn reported(log: &EventLog, question: &Question) -> Value {
    let wish = Wish {
        from: Some(question.from.to_owned()),
        to: Some(question.to.to_owned()),
        interval: Some(question.interval.to_owned()),
        queue: question.queue.map(QueueId::from),
        ..Wish::default()
    };
    let report = report(log, wish, question.zone).await;
    serde_json::to_value(JsonReport::of(&report)).expect("the golden month can be counted")
}

/// What is wished for, by the wall clock of a zone.
async fn report(log: &EventLog, wish: Wish, zone: &str) -> Report {
    let now = Timestamp::from_millis(desk::END_MS);
    let zone = jiff::tz::TimeZone::get(zone).expect("the golden month can be counted");
    let settings = Settings::of(&Config::demo()).in_zone(zone);
    let asked = wish
        .read(now, &settings)
        .expect("the golden month can be counted");
    asked
        .report(log, &settings, now, || ())
        .await
        .expect("the golden month can be counted")
}

/// Everything that the script tells is in the report and is the same.
fn compare(report: &Value, golden: &Value) {
    assert_eq!(report["is_conserved"], true);
    let mut faults = String::new();
    let mut compared = 0;
    for (name, wanted) in golden.as_object().expect("an object") {
        compared += walk(name, &report[name], wanted, &mut faults);
    }
    assert!(
        faults.is_empty(),
        "of {compared} figures these differ:\n{faults}"
    );
    assert!(compared > 5_000, "only {compared} figures");
}

fn walk(path: &str, told: &Value, wanted: &Value, faults: &mut String) -> usize {
    match wanted {
        Value::Object(fields) => {
            let each = fields.iter();
            each.map(|(name, wanted)| walk(&format!("{path}.{name}"), &told[name], wanted, faults))
                .sum()
        }
        Value::Array(items) => {
            let count = told.as_array().map_or(0, Vec::len);
            if count != items.len() {
                let _ = writeln!(faults, "{path}: {count} of {}", items.len());
            }
            let each = items.iter().enumerate();
            each.map(|(place, wanted)| {
                walk(&format!("{path}[{place}]"), &told[place], wanted, faults)
            })
            .sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            if !is_same(path, told, wanted) {
                let _ = writeln!(faults, "{path}: {told}, by the script {wanted}");
            }
            1
        }
    }
}

fn is_same(path: &str, told: &Value, wanted: &Value) -> bool {
    match (told.as_f64(), wanted.as_f64()) {
        // A percentile is told by the middle of a bucket, right to a 128th and to a millisecond.
        (Some(told), Some(wanted)) if path.contains(".percentiles.") => {
            (told - wanted).abs() <= wanted / 128.0 + 0.001
        }
        (Some(_), Some(_)) if told.is_u64() && wanted.is_u64() => told == wanted,
        (Some(told), Some(wanted)) => (told - wanted).abs() <= 1e-9 * wanted.abs(),
        _ => told == wanted,
    }
}
