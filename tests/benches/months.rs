//! How long the report of a month takes, and how much memory, by the number of its contacts.
//!
//! `cargo bench -p ringdown --bench months -- [--contacts 10000,100000,1000000] [--engine sqlite|postgres|none]`
//! fills a database the way a desk does: every event through the event log's writer, which also keeps the contacts'
//! records, then the roll-ups from the log. It goes on past the month until the busiest hour of the next morning, so
//! that a report has an hour of events to count that no roll-up has. Then each report is read by a process of its
//! own: from opening the database to the printed report once, five times more for the median, the processor time of
//! those (without a server's own), and the most memory the process had. At last the events of the same months go
//! through `ringdown replay` and `ringdown staff --patience-from`, which keep no database; `--engine none` measures
//! them alone.
//!
//! `--url URL` takes that database in place of one of its own, with one number of contacts: filled where it is empty,
//! read as it is where it is not, and left as it is then.
//!
//! One JSON object a line on standard output.

#[path = "months/log.rs"]
mod log;

use log::{Month, NOW_S, START_S};
use ringdown::config::Config;
use ringdown::database::Database;
use ringdown::event_log::EventLog;
use ringdown::report::{By, Format, JsonReport, Settings, Shown, TableName, Wish, Words};
use ringdown::rollups::Rollups;
use ringdown_harness::place::Folder;
use ringdown_harness::{measure, postgres};
use ringdown_routing::time::Timestamp;
use serde_json::json;
use std::io::{BufWriter, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |name: &str| {
        let place = words.iter().position(|word| word == name)?;
        words.get(place + 1).map(String::as_str)
    };
    let runtime = tokio::runtime::Runtime::new()?;
    if let (Some(url), Some(kind)) = (word("--url"), word("--read")) {
        return runtime.block_on(read(url, kind));
    }
    let sizes = word("--contacts").unwrap_or("10000,100000,1000000");
    if let Some(url) = word("--url") {
        let contacts: u32 = sizes.parse()?;
        if runtime.block_on(is_empty(url))? {
            runtime.block_on(fill(url, contacts))?;
        }
        return read_each(url, contacts);
    }
    let is_wanted = |engine| word("--engine").is_none_or(|only| only == engine);
    for contacts in sizes.split(',') {
        let contacts: u32 = contacts.parse()?;
        if is_wanted("sqlite") {
            let folder = Folder::new();
            let url = format!("sqlite:{}/desk.sqlite", folder.path().display());
            runtime.block_on(fill(&url, contacts))?;
            read_each(&url, contacts)?;
        }
        if is_wanted("postgres") {
            let server = postgres::Postgres::start();
            runtime.block_on(fill(&server.url(), contacts))?;
            read_each(&server.url(), contacts)?;
        }
        for arguments in LOG_READERS {
            pipe_log(contacts, arguments)?;
        }
    }
    Ok(())
}

/// The reports that are read: what they are by, the width of their rows, and as what they are printed.
const KINDS: [&str; 13] = [
    "queue/1d/csv",
    "queue/1mo/csv",
    "queue/1h/csv",
    "queue/30m/csv",
    "agent/1d/csv",
    "skill/1d/csv",
    "channel/1d/csv",
    "number/1d/csv",
    "caller_class/1d/csv",
    "agent/30m/csv",
    "queue/1d/lost",
    "queue/1d/repeat_callers",
    "queue/1d/statistics",
];

/// What reads an event log from standard input.
const LOG_READERS: [&str; 2] = [
    "replay - --interval 1d --format csv",
    "staff --calls 75 --aht 240 --patience-from -",
];

/// Whether nothing was counted there.
async fn is_empty(url: &str) -> Outcome<bool> {
    let database = Database::connect(url, 1, 1_000).await?;
    let lag = Rollups::new(&EventLog::new(database.clone())).lag().await?;
    database.close().await;
    Ok(lag.until.is_none())
}

/// Stores the month through the log, and counts it.
async fn fill(url: &str, contacts: u32) -> Outcome {
    let began = Instant::now();
    let database = Database::connect(url, 4, 400_000).await?;
    let log = EventLog::new(database.clone());
    let mut events: u64 = 0;
    let mut month = Month::of(contacts);
    while let Some(day) = month.next_day() {
        for chunk in day.chunks(20_000) {
            for event in chunk {
                if !log.append(event.clone()) {
                    return Err("the database is too slow".into());
                }
                events += 1;
            }
            log.flush().await?;
        }
    }
    let stored_s = began.elapsed().as_secs_f64();
    let now = Timestamp::from_seconds(NOW_S);
    let rollups = Rollups::new(&log);
    rollups.catch_up(now, || ()).await?;
    database.close().await;
    tell(&json!({
        "filled": engine(url), "contacts": contacts, "events": events, "stored_s": stored_s,
        "rolled_up_s": began.elapsed().as_secs_f64() - stored_s,
        "peak_kb": measure::peak_kb(std::process::id()),
    }))
}

/// Has every kind of report read by a process of its own.
fn read_each(url: &str, contacts: u32) -> Outcome {
    for kind in KINDS {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--url", url, "--read", kind]);
        let out = command.stderr(Stdio::inherit()).output()?;
        let told: serde_json::Value = serde_json::from_slice(&out.stdout)?;
        tell(&json!({"engine": engine(url), "contacts": contacts, "report": kind, "told": told}))?;
    }
    Ok(())
}

/// Reads one kind of report, once from opening the database on and then again.
async fn read(url: &str, kind: &str) -> Outcome {
    let mut parts = kind.split('/');
    let (by, interval, how) = (parts.next(), parts.next(), parts.next().unwrap_or("csv"));
    let by = By::ALL.into_iter().find(|known| Some(known.as_str()) == by);
    let now = Timestamp::from_seconds(NOW_S);
    let settings = Settings::of(&Config::demo());
    let wish = Wish {
        from: Some("2026-10-01".to_owned()),
        to: Some("2026-11-01".to_owned()),
        interval: interval.map(str::to_owned),
        by: by.unwrap_or_default(),
        ..Wish::default()
    };
    let table = TableName::ALL
        .into_iter()
        .find(|table| table.as_str() == how);
    let shown = match how {
        "statistics" => Shown::Everything,
        _ => Shown::of(table, Format::Csv),
    };
    let began = Instant::now();
    let database = Database::connect(url, 4, 1_000).await?;
    let log = EventLog::new(database.clone());
    let mut times = Vec::new();
    let (mut bytes, mut processor_s) = (0, 0.0);
    let pid = std::process::id();
    for _ in 0..6 {
        let asked = wish.read(now, &settings)?.showing(shown);
        let before = Instant::now();
        let report = asked.report(&log, &settings, now, || ()).await?;
        let read = before.elapsed();
        let mut out = Vec::new();
        let words = Words::of(&"en".parse()?);
        match (table, how) {
            (Some(table), _) => report.print_table(table, Format::Csv, words, &mut out)?,
            (None, "statistics") => serde_json::to_writer(&mut out, &JsonReport::of(&report))?,
            (None, _) => report.print(Format::Csv, words, &mut out)?,
        }
        bytes = out.len();
        times.push((before.elapsed(), read));
        if times.len() == 1 {
            times = vec![(began.elapsed(), read)];
            processor_s = measure::processor_s(pid);
        }
    }
    let first_ms = times.remove(0).0.as_secs_f64() * 1e3;
    times.sort();
    let (whole, read) = times.get(times.len() / 2).copied().unwrap_or_default();
    let millis = |time: Duration| (time.as_secs_f64() * 1e4).round() / 10.0;
    let processor_s = measure::processor_s(pid) - processor_s;
    let peak_kb = measure::peak_kb(pid);
    database.close().await;
    tell(&json!({
        "first_ms": first_ms.round(), "median_ms": millis(whole), "of_that_read_ms": millis(read),
        "processor_ms": processor_s * 1e3 / times.len() as f64, "printed_bytes": bytes, "peak_kb": peak_kb,
    }))
}

/// Sends the month's events to a `ringdown` with these arguments, and looks at its memory while they come.
fn pipe_log(contacts: u32, arguments: &str) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringdown"));
    command.args(arguments.split(' '));
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let began = Instant::now();
    let mut child = command.spawn()?;
    let pid = child.id();
    let mut input = BufWriter::new(child.stdin.take().ok_or("no input")?);
    let mut month = Month::of(contacts);
    let mut peaks = Vec::new();
    while let Some(day) = month.next_day() {
        for event in day {
            serde_json::to_writer(&mut input, &event)?;
            input.write_all(b"\n")?;
        }
        input.flush()?;
        peaks.push(measure::peak_kb(pid));
    }
    drop(input);
    let mut peak_kb = 0;
    while child.try_wait()?.is_none() {
        peak_kb = peak_kb.max(measure::peak_kb(pid));
        std::thread::sleep(Duration::from_millis(10));
    }
    let peak_kb = peaks.iter().copied().fold(peak_kb, u64::max);
    tell(&json!({
        "read": arguments, "contacts": contacts, "peak_kb": peak_kb,
        "peak_kb_after_each_week": peaks.iter().step_by(7).collect::<Vec<_>>(),
        "took_s": began.elapsed().as_secs_f64(), "began_s": START_S,
    }))
}

fn engine(url: &str) -> &'static str {
    match url.starts_with("sqlite:") {
        true => "sqlite",
        false => "postgres",
    }
}

fn tell(told: &serde_json::Value) -> Outcome {
    writeln!(std::io::stdout(), "{told}")?;
    Ok(())
}
