//! `ringdown forecast`: arrivals of the past, from a file or the event log, to those of the next days, and
//! the staff they take.

use super::replay::{self, time_zone};
use super::{Cli, Outcome, block_on, channel};
use crate::config::Config;
use crate::database::Database;
use crate::event_log::EventLog;
use crate::forecast::{
    Arrivals, AskedFault, Fault, Format, PAST_DAYS_MAX, Told, day, must_be_dates, read_arrivals,
    read_special_days, staffed,
};
use crate::report::progress::Progress;
use crate::report::{By, Interval, Period, Shown, Subject, from_log, recount};
use crate::staffing::{Seconds, Share};
use anyhow::Context;
use clap::CommandFactory;
use clap::error::ErrorKind;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ringdown_routing::contact::Channel;
use ringdown_routing::forecast::Forecast;
use ringdown_routing::ids::QueueId;
use ringdown_routing::staffing::{Question, Target};
use ringdown_routing::statistics::Scope;
use ringdown_routing::time::Timestamp;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Seven days; a week of changed clocks is an hour off, which is no matter for where the past begins.
const WEEK: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Arguments of `forecast`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Past arrivals: CSV (`timestamp,count`, `timestamp` alone, or `date,00:00,00:30,...`), or an event
    /// log (.jsonl). Without it, the desk's own event log.
    #[arg(value_name = "FILE.csv")]
    file: Option<PathBuf>,
    /// The configuration file of the desk whose event log is read.
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "ringdown.toml",
        conflicts_with = "file"
    )]
    config: PathBuf,
    /// With the desk's own log: weeks of the past that are read.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=26), conflicts_with = "file")]
    weeks: u16,
    /// Only contacts offered to this queue (event logs).
    #[arg(long)]
    queue: Option<String>,
    /// Only contacts of this channel (event logs): voice, email, fax, chat.
    #[arg(long, default_value = "voice", value_parser = channel)]
    channel: Channel,
    /// Days to forecast.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=366))]
    days: u16,
    /// First day to forecast; the day after the last known one when not given.
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// Width of the intervals: 15m, 30m, 1h.
    #[arg(long, default_value = "30m", value_parser = Interval::up_to_a_day)]
    interval: Interval,
    /// Special days, past and to come: `date[,name[,factor]]` a line.
    #[arg(long, value_name = "FILE")]
    holidays: Option<PathBuf>,
    /// Time zone of the wall clock; UTC, or that of the desk.
    #[arg(long, value_parser = time_zone)]
    time_zone: Option<TimeZone>,
    /// Tell the agents each interval takes.
    #[arg(long, requires = "aht")]
    staff: bool,
    /// With --staff: average handle time: 240, 4m.
    #[arg(long, requires = "staff")]
    aht: Option<Seconds>,
    /// With --staff: service level, percent/seconds.
    #[arg(long, default_value = "80/20")]
    target: Target,
    /// With --staff: mean patience of the callers; adds Erlang A.
    #[arg(long, requires = "staff")]
    patience: Option<Seconds>,
    /// With --staff: share of the paid time an agent is away; several compound.
    #[arg(long, value_name = "SHARE", requires = "staff")]
    shrinkage: Vec<Share>,
    /// With --staff: contacts one agent handles at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    concurrency: u32,
    /// With --staff: how often the plan is played by the real policy; 0 not at all.
    #[arg(long, value_name = "RUNS", default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=1000))]
    rehearse: u16,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints the forecast on stdout; the answer is no when a file has faults or says nothing.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let Some(arrivals) = args.arrivals()? else {
        return Ok(Outcome::No);
    };
    if arrivals.days() > PAST_DAYS_MAX {
        writeln!(std::io::stderr(), "ringdown: {}", AskedFault::TooLong)?;
        return Ok(Outcome::No);
    }
    let mut history = arrivals.history();
    if let Some(path) = &args.holidays {
        match read_special_days(&text(path)?) {
            Ok(days) => {
                for (date, special) in days {
                    history.mark(day(date), special);
                }
            }
            Err(faults) => return tell(path, &faults).map(|()| Outcome::No),
        }
    }
    let first = args.from.map(day).or(history.next_day());
    let Some(first) = first.filter(|_| history.days() > 0) else {
        writeln!(std::io::stderr(), "ringdown: nothing is known of the past")?;
        return Ok(Outcome::No);
    };
    if let Err(fault) = must_be_dates(first, args.days) {
        writeln!(std::io::stderr(), "ringdown: {fault}")?;
        return Ok(Outcome::No);
    }
    let forecast = Forecast::of(&history, first, args.days);
    let told = Told::new(&arrivals, &history, forecast);
    let staffed = match args.question() {
        None => None,
        Some(question) => match staffed(&told, &question, (args.rehearse, f64::INFINITY)) {
            Ok(staffed) => Some(staffed),
            Err(fault) => Cli::command()
                .error(ErrorKind::ValueValidation, fault)
                .exit(),
        },
    };
    let mut stdout = std::io::stdout().lock();
    told.print(staffed.as_ref(), args.format, &mut stdout)?;
    Ok(Outcome::Good)
}

impl Args {
    /// The past; `None` when it cannot be read, which was told.
    fn arrivals(&self) -> anyhow::Result<Option<Arrivals>> {
        let zone = self.time_zone.clone().unwrap_or(TimeZone::UTC);
        let Some(path) = &self.file else {
            let config = Config::load(&self.config)?;
            if let Some(queue) = &self.queue
                && config.queue(&QueueId::from(queue.as_str())).is_none()
            {
                let name = self.config.display();
                writeln!(
                    std::io::stderr(),
                    "ringdown: there is no queue `{queue}` in {name}"
                )?;
                return Ok(None);
            }
            return self.of_desk(&config).map(Some);
        };
        if path
            .extension()
            .is_some_and(|extension| extension == "jsonl")
        {
            let log = replay::read(path, self.recounted(zone))?;
            if !replay::is_named(self.queue.as_deref(), &log.queues, path)? {
                return Ok(None);
            }
            let report = log.recount.report()?;
            let report = report.with_context(|| replay::no_events(path))?;
            return Ok(Some(Arrivals::offered(&report)));
        }
        if self.queue.is_some() {
            Cli::command()
                .error(
                    ErrorKind::ArgumentConflict,
                    "--queue is for event logs (.jsonl): a CSV does not tell of queues",
                )
                .exit();
        }
        match read_arrivals(&text(path)?, &zone, self.interval) {
            Ok(arrivals) => Ok(Some(arrivals)),
            Err(faults) => tell(path, &faults).map(|()| None),
        }
    }

    fn of_desk(&self, config: &Config) -> anyhow::Result<Arrivals> {
        let site_zone = || config.site.time_zone.time_zone().clone();
        let zone = self.time_zone.clone().unwrap_or_else(site_zone);
        let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        let from = now - WEEK * u32::from(self.weeks);
        let period = Period::new(from, now, self.interval, zone)?;
        let subject = Subject {
            scope: self.scope(),
            shown: Shown::Rows,
            ..Subject::default()
        };
        let report = block_on(async {
            let database = Database::open(config).await?;
            let log = EventLog::new(database.clone());
            let mut progress = Progress::begin("events");
            let step = || progress.step();
            let report = from_log::report(&log, period, &subject, now, step).await;
            progress.end();
            database.close().await;
            Ok(report?)
        })?;
        Ok(Arrivals::offered(&report))
    }

    /// The whole of an event log up to its last event.
    fn recounted(&self, zone: TimeZone) -> recount::Question {
        recount::Question {
            from: None,
            to: Some("now".to_owned()),
            as_of: None,
            interval: self.interval,
            zone,
            scope: self.scope(),
            by: By::Queue,
        }
    }

    fn scope(&self) -> Scope {
        Scope {
            queue: self.queue.as_deref().map(QueueId::from),
            channel: Some(self.channel),
        }
    }

    /// What is asked about the staff of every interval.
    fn question(&self) -> Option<Question> {
        let aht = self.aht.filter(|_| self.staff)?;
        let interval_s = self.interval.as_seconds() as f64;
        Some(Question {
            patience_s: self.patience.map(Seconds::get),
            shrinkage: self.shrinkage.iter().map(|share| share.get()).collect(),
            concurrency: self.concurrency,
            ..Question::new(0.0, interval_s, aht.get(), self.target)
        })
    }
}

fn text(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))
}

fn tell(path: &Path, faults: &[Fault]) -> anyhow::Result<()> {
    let mut stderr = std::io::stderr().lock();
    for fault in faults {
        writeln!(stderr, "{}:{fault}", path.display())?;
    }
    Ok(())
}
