//! Reports as others read them: a workbook by openpyxl, an exported log by `replay` and by hyparquet, a mailed report
//! by a real Postfix and Python's mail parser.

#[path = "shared/workbook.rs"]
mod workbook;

use ringdown_harness::PATIENCE;
use ringdown_harness::desk::{Desk, DeskPlan};
use ringdown_harness::gateway::Gateway;
use ringdown_harness::mail::{MailSink, Smarthost, TlsStart};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use workbook::{Workbook, python};

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

fn ringdown(desk: &Desk, arguments: &[&str]) -> Output {
    let output = Command::new(program())
        .args(arguments)
        .args(["-c".as_ref(), desk.configuration.as_os_str()])
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    output
}

fn json(octets: &[u8]) -> Value {
    serde_json::from_slice(octets).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(octets));
    })
}

/// A desk on which one caller was answered and another one left.
fn desk_of_two_calls(plan: DeskPlan) -> Desk {
    let plan = plan.queue_keys("wrap_up_s = 0\n");
    let (plan, mut anna) = plan.agent_with_phone("anna");
    let desk = plan.open(program());
    let mut caller = desk.caller("0911111111");
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    let mut offered = anna.must_ring();
    let first = offered.invite.must("X-Ringdown-Contact").to_owned();
    anna.answer(&offered);
    anna.hang_up(&mut offered);
    caller.must_be_hung_up(&call);
    let mut other = desk.caller("0922222222");
    let mut call = other.call("100");
    other.must_get(&mut call, 200);
    let offered = anna.must_ring();
    let second = offered.invite.must("X-Ringdown-Contact").to_owned();
    other.hang_up(&mut call);
    anna.must_be_cancelled(&offered);
    for contact in [first, second] {
        let path = format!("/api/v1/contacts/{contact}/events");
        desk.api.wait_until(&path, "its end", PATIENCE, |told| {
            let mut events = told["items"].as_array().into_iter().flatten();
            events.any(|event| event["event"] == "closed")
        });
    }
    desk
}

#[test]
fn calls_of_a_gateway_that_died_are_over_in_the_report_of_the_next() {
    let (plan, mut anna) = DeskPlan::new().agent_with_phone("anna");
    let mut desk = plan.open(program());
    let mut talker = desk.caller("0911111111");
    let mut call = talker.call("100");
    talker.must_get(&mut call, 200);
    let offered = anna.must_ring();
    anna.answer(&offered);
    let mut waiter = desk.caller("0922222222");
    let mut call = waiter.call("100");
    waiter.must_get(&mut call, 200);
    let is_stored = |told: &Value| {
        let states = told["items"].as_array().into_iter().flatten();
        let mut states: Vec<_> = states.filter_map(|it| it["state"].as_str()).collect();
        states.sort_unstable();
        states == ["active", "waiting"]
    };
    let path = "/api/v1/contacts";
    desk.api.wait_until(path, "both calls", PATIENCE, is_stored);
    desk.gateway.process.kill();
    let counts = |desk: &Desk| {
        let told =
            json(&ringdown(desk, &["report", "--interval", "1d", "--format", "json"]).stdout);
        ["offered", "answered", "in_progress", "waiting", "failed"]
            .map(|field| told["total"][field].as_u64().expect("a count"))
    };
    assert_eq!(counts(&desk), [2, 1, 1, 1, 0]);
    desk.gateway = Gateway::start(program(), &desk.configuration);
    desk.gateway.must_be_ready(&desk.operations);
    assert_eq!(counts(&desk), [1, 1, 0, 0, 1], "who waited has failed");
}

#[test]
fn an_independent_reader_finds_in_the_workbook_what_the_document_says() {
    let desk = desk_of_two_calls(DeskPlan::new());
    let told = json(&ringdown(&desk, &["report", "--format", "json"]).stdout);
    assert_eq!(told["total"]["offered"], 2, "{told:#}");
    assert_eq!(told["total"]["abandoned"], 1);
    let workbook = ringdown(&desk, &["report", "--format", "xlsx"]).stdout;
    let path = desk.folder.path().join("report.xlsx");
    std::fs::write(&path, workbook).expect("it is written");
    let book = Workbook::read(&path);
    let column = |sheet: &str, head: &str| -> Vec<Value> {
        let (heads, rows) = book.sheet(sheet);
        let place = heads.iter().position(|name| name == head);
        let place = place.unwrap_or_else(|| panic!("no column {head}: {heads:?}"));
        rows.into_iter().map(|row| row[place].clone()).collect()
    };
    for field in ["offered", "answered", "abandoned"] {
        let intervals = column("interval", field);
        let sum: f64 = intervals.iter().filter_map(Value::as_f64).sum();
        assert_eq!(Some(sum), told["total"][field].as_f64(), "{field}");
    }
    let wanted = &told["tables"]["lost"]["rows"][0];
    assert_eq!(wanted["from"], "+886922222222");
    assert_eq!(
        column("lost", "contact (contact)"),
        [wanted["contact"].clone()]
    );
    // The whole of it is held against the document in the golden month.
    let (heads, definitions) = book.sheet("Definitions");
    assert_eq!(heads[0], "offered");
    assert!(definitions.iter().any(|row| row[0] == "repeat_callers"));
}

#[test]
fn a_replay_of_the_exported_log_is_what_is_stored() {
    let desk = desk_of_two_calls(DeskPlan::new());
    let log = desk.folder.path().join("events.jsonl");
    let log = log.display().to_string();
    for by in ["queue", "agent", "number"] {
        let stored = ["report", "--interval", "1m", "--by", by, "--format", "json"];
        let stored = json(&ringdown(&desk, &stored).stdout);
        ringdown(
            &desk,
            &["export", "events", "--from", "2020-01-01", "-o", &log],
        );
        let text = |field: &str| stored[field].as_str().expect("an instant").to_owned();
        let (from, to, as_of) = (text("from"), text("to"), text("as_of"));
        let replayed = Command::new(program())
            .args([
                "replay",
                &log,
                "--interval",
                "1m",
                "--by",
                by,
                "--format",
                "json",
            ])
            .args(["--from", &from, "--to", &to, "--as-of", &as_of])
            .output()
            .expect("the binary runs");
        assert_eq!(replayed.status.code(), Some(0), "{replayed:?}");
        let replayed = json(&replayed.stdout);
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
            assert_eq!(replayed[field], stored[field], "{field} by {by}");
        }
        assert_eq!(stored["is_conserved"], true);
        assert_eq!(stored["total"]["offered"], 2);
        for table in ["volume", "failures", "transfers", "symptoms", "resolution"] {
            let rows = |report: &Value| report["tables"][table]["rows"].clone();
            if table != "symptoms" {
                assert_eq!(rows(&replayed), rows(&stored), "{table}");
            }
        }
    }
}

const COLUMNAR: &str = "\
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
const file = await asyncBufferFromFile(process.argv[1])
const { schema } = await parquetMetadataAsync(file)
const rows = await parquetReadObjects({ file })
const plain = (_, value) => typeof value === 'bigint' ? Number(value) : value
console.log(JSON.stringify({ columns: schema.slice(1).map(column => column.name), rows }, plain))
";

/// What hyparquet, set up by `.ci/setup`, reads in a Parquet file: the columns' names and the rows.
fn columnar(file: &Path) -> Value {
    let output = Command::new("node")
        .args(["--input-type=module", "-e", COLUMNAR])
        .arg(file)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers"))
        .output()
        .expect("node runs");
    assert!(output.status.success(), "{output:?}");
    json(&output.stdout)
}

#[test]
fn an_independent_reader_finds_in_a_columnar_export_what_the_lines_say() {
    let desk = desk_of_two_calls(DeskPlan::new());
    for (subject, rows_at_least) in [("events", 10), ("contacts", 2), ("tickets", 1)] {
        let exported = |format: &str| {
            let path = desk.folder.path().join(format!("{subject}.{format}"));
            let name = path.display().to_string();
            let span = ["--from", "2020-01-01", "--format", format, "-o", &name];
            ringdown(&desk, &[&["export", subject][..], &span].concat());
            path
        };
        let lines = std::fs::read_to_string(exported("jsonl")).expect("lines");
        let csv = std::fs::read_to_string(exported("csv")).expect("lines");
        let read = columnar(&exported("parquet"));
        let rows = read["rows"].as_array().expect("rows");
        assert!(rows.len() >= rows_at_least, "{subject}: {read:#}");
        assert_eq!(rows.len(), lines.lines().count(), "{subject}");
        let heads = csv.lines().next().unwrap_or_default();
        let columns = read["columns"].as_array().expect("columns").iter();
        let columns: Vec<_> = columns.filter_map(Value::as_str).collect();
        assert_eq!(columns.join(","), heads, "{subject}");
        for (row, line) in rows.iter().zip(lines.lines()) {
            let told = json(line.as_bytes());
            match row["body"].as_str() {
                Some(body) => assert_eq!(json(body.as_bytes()), told, "{subject}"),
                None => assert_eq!(*row, told, "{subject}"),
            }
        }
    }
}

const MAIL: &str = "\
import email, email.policy, json, sys
mail = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=email.policy.SMTP)
body = lambda kind: mail.get_body((kind,)).get_content()
files = {part.get_filename(): part.get_content() for part in mail.iter_attachments()}
print(json.dumps({'subject': mail['Subject'], 'to': mail['To'], 'plain': body('plain'), 'html': body('html'),
  'files': {name: text if isinstance(text, str) else text[:2].decode() for name, text in files.items()},
  'defects': [str(it) for part in mail.walk() for it in part.defects]}))
";

#[test]
fn a_mailed_report_comes_through_postfix_with_bars_that_mail_programs_show() {
    let sink = MailSink::start(|_| {});
    let smarthost = Smarthost::start(sink.address(), TlsStart::ByCommand);
    let keys = format!(
        "[email.smarthost]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"starttls\"\nauthority = \"{}\"\n\
         [[report]]\nid = \"daily\"\nto = [\"boss@desk.example\"]\nfrom = \"reports@desk.example\"\nevery = \"day\"\n\
         language = \"zh-TW\"\n",
        smarthost.address().port(),
        smarthost.authority().display()
    );
    let (plan, _anna) = DeskPlan::new().agent_with_phone("anna");
    let desk = plan.section(&keys).open(program());
    ringdown(&desk, &["report", "--mail", "daily"]);
    let sent = sink.wait_for(1).remove(0);
    assert_eq!(sent.to, "boss@desk.example");
    let path = desk.folder.path().join("report.eml");
    std::fs::write(&path, &sent.text).expect("it is written");
    let read = python(MAIL, &path);
    assert_eq!(read["defects"], serde_json::json!([]), "{read:#}");
    let text = |pointer: &str| {
        let text = read.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("no {pointer}: {read:#}"))
            .to_owned()
    };
    let html = text("/html");
    assert!(
        !html.contains("<svg") && html.contains("<table class=\"cells\""),
        "{html}"
    );
    assert!(text("/plain").contains("服務水準") && text("/subject").contains("來話統計"));
    let files = read["files"].as_object().expect("files").clone();
    let mut kinds: Vec<_> = files
        .keys()
        .filter_map(|name| name.rsplit_once('.'))
        .collect();
    kinds.sort_unstable_by_key(|(_, kind)| *kind);
    let [(_, "html"), (_, "xlsx")] = kinds[..] else {
        panic!("{kinds:?}");
    };
    for (name, file) in &files {
        let file = file.as_str().unwrap_or_default();
        if name.ends_with(".html") {
            assert!(file.contains("<svg") && file.contains("</html>"), "{file}");
        } else {
            assert_eq!(file, "PK");
        }
    }
}
