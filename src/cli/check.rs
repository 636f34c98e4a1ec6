//! `ringdown check`: is this configuration right?

use super::{ConfigFile, Outcome};
use crate::config::Config;
use std::io::Write;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigFile,
}

/// Tells every fault on stderr, one a line; silent about a good file but for one line.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut stderr = std::io::stderr().lock();
    match Config::load(&args.config.path) {
        Ok(config) => {
            writeln!(
                stderr,
                "{}: good ({} queues, {} agents, {} numbers, {} trunks)",
                args.config.path.display(),
                config.queues.len(),
                config.agents.len(),
                config.numbers.len(),
                config.trunks.len()
            )?;
            Ok(Outcome::Good)
        }
        Err(faults) => {
            writeln!(stderr, "{faults}")?;
            Ok(Outcome::No)
        }
    }
}
