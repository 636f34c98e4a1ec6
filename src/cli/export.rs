//! `ringdown export`: events, contacts or tickets of a period as CSV, JSON Lines or Parquet.

use super::{ConfigFile, Outcome, block_on};
use crate::config::Config;
use crate::database::Database;
use crate::export::{Format, Partial, Subject, export};
use crate::report::{PeriodFault, period};
use anyhow::Context as _;
use ringdown_routing::time::Timestamp;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::PathBuf;

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What is written.
    #[arg(value_enum)]
    subject: Subject,
    /// First instant: RFC 3339, a local time, a day, today, yesterday.
    #[arg(long, default_value = "today")]
    from: String,
    /// First instant after the period.
    #[arg(long, default_value = "now")]
    to: String,
    /// How it is written.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The file, which has this name only when it is whole; standard output when not given.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

/// Writes the rows; how many is told on stderr.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let config = Config::load(&args.config.path)?;
    let zone = config.site.time_zone.time_zone();
    let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
    let from = period::instant(&args.from, now, zone)?;
    let to = period::instant(&args.to, now, zone)?;
    if to < from {
        return Err(PeriodFault::Backwards.into());
    }
    let mut partial = None;
    let out: Box<dyn Write + Send> = match &args.output {
        Some(path) => {
            let made = Partial::create(path);
            let (made, file) =
                made.with_context(|| format!("{} cannot be written", path.display()))?;
            partial = Some(made);
            Box::new(BufWriter::new(file))
        }
        None if args.format == Format::Parquet && std::io::stdout().is_terminal() => {
            anyhow::bail!("Parquet is no text: send it to a file, `-o events.parquet`")
        }
        None => Box::new(BufWriter::new(std::io::stdout())),
    };
    let rows = block_on(async {
        let database = Database::open(&config).await?;
        let rows = export(&database, args.subject, from, to, args.format, out).await;
        database.close().await;
        Ok(rows?)
    })?;
    if let Some(partial) = partial {
        partial.finish()?;
    }
    writeln!(std::io::stderr(), "{rows} rows")?;
    Ok(Outcome::Good)
}
