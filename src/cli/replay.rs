//! `ringdown replay`: recompute the statistics from an event log.

use super::{Outcome, channel, must_be_conserved};
use crate::config::Language;
use crate::report::progress::Progress;
use crate::report::recount::{Question, Recount};
use crate::report::{By, Format, Interval, Words};
use anyhow::Context;
use jiff::tz::TimeZone;
use ringdown_routing::contact::Channel;
use ringdown_routing::event::Event;
use ringdown_routing::ids::QueueId;
use ringdown_routing::statistics::Scope;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Most lines told one by one that are not events.
const FAULTS_TOLD_MAX: u64 = 10;

/// Arguments of `replay`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The event log: one event as JSON a line; `-` reads stdin.
    #[arg(value_name = "EVENTS.jsonl")]
    events: PathBuf,
    /// First instant; the first event's when not given.
    #[arg(long)]
    from: Option<String>,
    /// First instant after the period; the last event's when not given.
    #[arg(long)]
    to: Option<String>,
    /// As known at this instant: who waited and worked then still does; the last event's when not given.
    #[arg(long)]
    as_of: Option<String>,
    /// Width of the rows: whole minutes that divide a day (1m, 15m, 30m, 1h), 1d, 1w (from Monday), 1mo.
    #[arg(long, default_value = "30m")]
    interval: Interval,
    /// Only this queue.
    #[arg(long)]
    queue: Option<String>,
    /// Only this channel: voice, email, fax, chat.
    #[arg(long, value_parser = channel)]
    channel: Option<Channel>,
    /// What the rows are on.
    #[arg(long, value_enum, default_value_t)]
    by: By,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Language of the headings: en, zh-TW.
    #[arg(long, default_value = "en")]
    language: Language,
    /// Time zone whose wall clock cuts the rows.
    #[arg(long, default_value = "UTC", value_parser = time_zone)]
    time_zone: TimeZone,
}

/// Reads the file, prints the report on stdout; the answer is no when a line was not an event, when the figures do not
/// add up, and of a queue that the log does not name.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let Read {
        recount,
        faults,
        queues,
    } = read(&args.events, args.question())?;
    if !is_named(args.queue.as_deref(), &queues, &args.events)? {
        return Ok(Outcome::No);
    }
    let report = recount.report()?;
    let report = report.with_context(|| no_events(&args.events))?;
    let mut stdout = std::io::stdout().lock();
    if args.format == Format::Xlsx && stdout.is_terminal() {
        anyhow::bail!("a workbook is no text: send it to a file, `> report.xlsx`");
    }
    let words = Words::of(&args.language);
    report.print(args.format, words, &mut stdout)?;
    let sound = must_be_conserved(&report, words)?;
    Ok(if faults == 0 { sound } else { Outcome::No })
}

impl Args {
    fn question(&self) -> Question {
        Question {
            from: self.from.clone(),
            to: self.to.clone(),
            as_of: self.as_of.clone(),
            interval: self.interval,
            zone: self.time_zone.clone(),
            scope: Scope {
                queue: self.queue.as_deref().map(QueueId::from),
                channel: self.channel,
            },
            by: self.by,
        }
    }
}

/// Whether the log tells of a queue; of one it does not, every figure would be 0.
pub(super) fn is_named(
    queue: Option<&str>,
    named: &BTreeSet<QueueId>,
    path: &Path,
) -> anyhow::Result<bool> {
    let Some(queue) = queue.filter(|queue| !named.contains(&QueueId::from(*queue))) else {
        return Ok(true);
    };
    let named: Vec<&str> = named.iter().map(QueueId::as_str).collect();
    writeln!(
        std::io::stderr(),
        "{}: there is no queue `{queue}` (there are: {})",
        path.display(),
        named.join(", ")
    )?;
    Ok(false)
}

/// An event log that was read and counted.
pub(super) struct Read {
    /// What was counted; there is an event.
    pub(super) recount: Recount,
    /// Lines that are not events.
    pub(super) faults: u64,
    /// Every queue that an event names.
    pub(super) queues: BTreeSet<QueueId>,
}

/// Reads an event log and counts it; lines that are not events are told on stderr.
pub(super) fn read(path: &Path, question: Question) -> anyhow::Result<Read> {
    let name = path.display();
    let mut recount = Recount::new(question)?;
    let lines: Box<dyn BufRead> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        let file = File::open(path).with_context(|| format!("{name}: cannot be read"))?;
        Box::new(BufReader::new(file))
    };
    let mut progress = Progress::begin("events");
    let mut faults: u64 = 0;
    let mut queues = BTreeSet::new();
    for (number, line) in (1..).zip(lines.lines()) {
        let line = line.with_context(|| format!("{name}:{number}: cannot be read"))?;
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str::<Event>(&line) {
            Ok(event) => {
                recount.record(&event);
                if let Some(queue) = &event.queue
                    && !queues.contains(queue)
                {
                    queues.insert(queue.clone());
                }
            }
            Err(error) => {
                faults += 1;
                if faults <= FAULTS_TOLD_MAX {
                    writeln!(std::io::stderr(), "{name}:{number}: not an event: {error}")?;
                }
            }
        }
        progress.step();
    }
    progress.end();
    if faults > 0 {
        writeln!(
            std::io::stderr(),
            "{name}: {faults} lines are not events and are not counted"
        )?;
    }
    if recount.is_empty() {
        anyhow::bail!(no_events(path));
    }
    Ok(Read {
        recount,
        faults,
        queues,
    })
}

/// What is told of a log without any.
pub(super) fn no_events(path: &Path) -> String {
    format!("{}: no events", path.display())
}

/// Reads a time zone's IANA name.
pub(super) fn time_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name)
        .map_err(|_| format!("`{name}` is not a time zone such as `Asia/Taipei` or `UTC`"))
}
