//! `ringdown check`: is this configuration right?

use super::Outcome;
use crate::config::Config;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", default_value = "ringdown.toml")]
    config: PathBuf,
}

/// Tells every fault on stderr, one a line; silent about a good file but for one line.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut stderr = std::io::stderr().lock();
    match Config::load(&args.config) {
        Ok(config) => {
            writeln!(
                stderr,
                "{}: good ({} queues, {} agents, {} numbers, {} trunks)",
                args.config.display(),
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
