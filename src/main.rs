//! The `ringdown` command.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    ringdown::cli::run(ringdown::cli::Cli::parse())
}
