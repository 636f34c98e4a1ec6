//! `ringdown rollup`: brings the roll-ups forward, or counts them again from zero.

use super::{ConfigFile, Outcome, block_on};
use crate::config::Config;
use crate::database::Database;
use crate::event_log::EventLog;
use crate::report::period::local;
use crate::report::progress::Progress;
use crate::rollups::Rollups;
use ringdown_routing::time::Timestamp;
use std::io::Write;

/// Arguments of `rollup`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Throw away what is counted, and count the whole log again.
    #[arg(long)]
    rebuild: bool,
    #[command(flatten)]
    config: ConfigFile,
}

/// Tells on stdout how far they are; the answer is no while a running gateway does the work.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let config = Config::load(&args.config.path)?;
    let now = || Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
    let (changes, lag) = block_on(async {
        let database = Database::open(&config).await?;
        let rollups = Rollups::new(&EventLog::new(database.clone()));
        if args.rebuild {
            rollups.forget(now()).await?;
        }
        let mut progress = Progress::begin("steps");
        let changes = rollups.catch_up(now(), || progress.step()).await;
        progress.end();
        let changes = changes?;
        rollups.let_go(now()).await?;
        let lag = rollups.lag().await?;
        database.close().await;
        Ok((changes, lag))
    })?;
    let Some(changes) = changes else {
        writeln!(
            std::io::stderr(),
            "ringdown: a running gateway keeps the roll-ups; `--rebuild` takes them from it"
        )?;
        return Ok(Outcome::No);
    };
    let until = lag.until.map_or_else(
        || "nothing to roll up yet".to_owned(),
        |until| {
            let until = local(until, config.site.time_zone.time_zone());
            format!("rolled up until {until}")
        },
    );
    writeln!(std::io::stdout(), "{until}, {changes} steps")?;
    Ok(Outcome::Good)
}
