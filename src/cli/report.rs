//! `ringdown report`: the statistics of a period, from the event log.

use super::{ConfigFile, Outcome, block_on, channel, must_be_conserved};
use crate::acd::Clock;
use crate::config::{Config, Language};
use crate::database::Database;
use crate::event_log::EventLog;
use crate::mailed_reports::MailedReports;
use crate::report::progress::Progress;
use crate::report::{By, Format, Interval, Settings, Shown, TableName, Wish, Words};
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::QueueId;
use ringdown_routing::time::Timestamp;
use std::io::{IsTerminal, Write};
use std::sync::Arc;

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// First instant: RFC 3339, a local time, a day, today, yesterday.
    #[arg(long, default_value = "today")]
    from: String,
    /// First instant after the period.
    #[arg(long, default_value = "now")]
    to: String,
    /// Width of the rows: whole minutes that divide a day (1m, 15m, 30m, 1h), 1d, 1w (from Monday), 1mo.
    #[arg(long, default_value = "30m")]
    interval: Interval,
    /// Compare with the period that begins then: as many whole months where both begin with one, else as many days
    /// and hours by the wall clock: 2026-10-01, yesterday.
    #[arg(long, value_name = "FROM")]
    compare: Option<String>,
    /// Only this queue.
    #[arg(long)]
    queue: Option<String>,
    /// Only this channel: voice, email, fax, chat.
    #[arg(long, value_parser = channel)]
    channel: Option<Channel>,
    /// What the rows are on.
    #[arg(long, value_enum, default_value_t)]
    by: By,
    /// This table alone, as columns, CSV or JSON.
    #[arg(long, value_enum)]
    table: Option<TableName>,
    /// Mail the latest of this [[report]] once more, now, through the running gateway.
    #[arg(long, value_name = "ID", conflicts_with_all = ["compare", "queue", "channel", "by", "table", "format"])]
    mail: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Language of the headings; the site's when not given.
    #[arg(long)]
    language: Option<Language>,
}

/// Prints the report on stdout.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let config = Config::load(&args.config.path)?;
    if let Some(id) = &args.mail {
        return mail(config, id);
    }
    let queue = args.queue.as_deref().map(QueueId::from);
    if let Some(queue) = &queue
        && config.queue(queue).is_none()
    {
        writeln!(
            std::io::stderr(),
            "ringdown: there is no queue `{queue}` in {}",
            args.config.path.display()
        )?;
        return Ok(Outcome::No);
    }
    let settings = Settings::of(&config);
    let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
    let wish = Wish {
        from: Some(args.from.clone()),
        to: Some(args.to.clone()),
        interval: Some(args.interval.to_string()),
        compare: args.compare.clone(),
        queue,
        channel: args.channel,
        by: args.by,
    };
    let shown = Shown::of(args.table, args.format);
    let asked = wish.read(now, &settings)?.showing(shown);
    let report = block_on(async {
        let database = Database::open(&config).await?;
        let log = EventLog::new(database.clone());
        let mut progress = Progress::begin("events");
        let report = asked.report(&log, &settings, now, || progress.step()).await;
        progress.end();
        database.close().await;
        Ok(report?)
    })?;
    let language = args.language.as_ref().unwrap_or(&config.site.language);
    let mut stdout = std::io::stdout().lock();
    if args.table.is_some() && matches!(args.format, Format::Html | Format::Xlsx) {
        anyhow::bail!("a table alone is printed as table, csv or json");
    }
    if args.format == Format::Xlsx && stdout.is_terminal() {
        anyhow::bail!("a workbook is no text: send it to a file, `> report.xlsx`");
    }
    let words = Words::of(language);
    match args.table {
        Some(table) => report.print_table(table, args.format, words, &mut stdout)?,
        None => report.print(args.format, words, &mut stdout)?,
    }
    must_be_conserved(&report, words)
}

/// Puts a report into the outbox; the gateway that runs, or the next one, sends it.
fn mail(config: Config, id: &str) -> anyhow::Result<Outcome> {
    let to = block_on(async {
        let database = Database::open(&config).await?;
        let (log, clock) = (EventLog::new(database.clone()), Clock::of_the_machine());
        let reports = MailedReports::new(Arc::new(config), database.clone(), log, clock);
        let mailed = reports.mail_now(id).await;
        database.close().await;
        Ok(mailed)
    })?;
    match to {
        Ok(to) => {
            writeln!(
                std::io::stderr(),
                "`{id}` is in the outbox for {}",
                to.join(", ")
            )?;
            Ok(Outcome::Good)
        }
        Err(fault) => {
            writeln!(std::io::stderr(), "ringdown: {fault}")?;
            Ok(Outcome::No)
        }
    }
}
