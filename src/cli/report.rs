//! `ringdown report`: the statistics of a period, from the event log.

use super::{Outcome, block_on};
use crate::config::{Config, Language};
use crate::database::{Database, DatabaseFault};
use crate::event_log::EventLog;
use crate::report::progress::Progress;
use crate::report::{Format, Interval, Period, Words, from_log, period};
use ringdown_routing::ids::QueueId;
use ringdown_routing::statistics::Scope;
use ringdown_routing::time::Timestamp;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", default_value = "ringdown.toml")]
    config: PathBuf,
    /// First instant: RFC 3339, a local time, a day, today, yesterday.
    #[arg(long, default_value = "today")]
    from: String,
    /// First instant after the period.
    #[arg(long, default_value = "now")]
    to: String,
    /// Width of the rows: 15m, 30m, 1h, 1d.
    #[arg(long, default_value = "30m")]
    interval: Interval,
    /// Compare with the period of the same length that begins then: 2026-11-16, yesterday.
    #[arg(long, value_name = "FROM")]
    compare: Option<String>,
    /// Only this queue.
    #[arg(long)]
    queue: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Language of the headings; the site's when not given.
    #[arg(long)]
    language: Option<Language>,
}

/// Prints the report on stdout.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let config = match Config::load(&args.config) {
        Ok(config) => config,
        Err(faults) => {
            writeln!(std::io::stderr(), "{faults}")?;
            return Ok(Outcome::No);
        }
    };
    let queue = args.queue.as_deref().map(QueueId::from);
    if let Some(queue) = &queue
        && config.queue(queue).is_none()
    {
        writeln!(
            std::io::stderr(),
            "ringdown: there is no queue `{queue}` in {}",
            args.config.display()
        )?;
        return Ok(Outcome::No);
    }
    let zone = config.site.time_zone.time_zone().clone();
    let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
    let from = period::instant(&args.from, now, &zone)?;
    let to = period::instant(&args.to, now, &zone)?;
    let other = match &args.compare {
        None => None,
        Some(text) => {
            let other_from = period::instant(text, now, &zone)?;
            let other_to = other_from + to.since(from);
            Some(Period::new(
                other_from,
                other_to,
                args.interval,
                zone.clone(),
            )?)
        }
    };
    let period = Period::new(from, to, args.interval, zone)?;
    let scope = Scope {
        queue,
        channel: None,
    };
    let report = block_on(async {
        let database = Database::open(&config).await?;
        let log = EventLog::new(database.clone());
        let mut progress = Progress::begin("events");
        let report = async {
            let step = || progress.step();
            let report = from_log::report(&log, period, scope.clone(), now, step).await?;
            let Some(other) = other else {
                return Ok(report);
            };
            let other = from_log::report(&log, other, scope, now, || ()).await?;
            Ok::<_, DatabaseFault>(report.compared_with(other))
        }
        .await;
        progress.end();
        database.close().await;
        Ok(report?)
    })?;
    let language = args.language.as_ref().unwrap_or(&config.site.language);
    let mut stdout = std::io::stdout().lock();
    if args.format == Format::Xlsx && stdout.is_terminal() {
        anyhow::bail!("a workbook is no text: send it to a file, `> report.xlsx`");
    }
    let report = report.with_reasons(&config.not_ready_reasons);
    report.print(args.format, Words::of(language), &mut stdout)?;
    Ok(Outcome::Good)
}
