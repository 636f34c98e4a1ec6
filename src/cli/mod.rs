//! The command line: one file per subcommand, each with `Args` and `run`.
//!
//! A subcommand answers [`Outcome::Good`] (exit 0) or [`Outcome::No`] (exit 1: it ran, and the answer
//! is no). An error is exit 1 as well, told on stderr; wrong usage is exit 2 (clap's own).

pub mod agent;
pub mod check;
pub mod cms;
pub mod demo;
pub mod doctor;
pub mod drain;
pub mod emergency;
pub mod erase;
pub mod export;
pub mod forecast;
pub mod incident;
pub mod mail;
pub mod replay;
pub mod report;
pub mod rollup;
pub mod serve;
pub mod simulate;
pub mod staff;
pub mod token;
pub mod trace;

use crate::config::Faults;
use crate::report::{Report, Words};
use clap::{Parser, Subcommand};
use ringdown_routing::contact::Channel;
use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Telephony and multichannel contact-centre gateway.
#[derive(Debug, Parser)]
#[command(name = "ringdown", version, about, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make, list and change agents.
    Agent(agent::Args),
    /// Validate a configuration: every fault as file:line:column and a sentence.
    Check(check::Args),
    /// Fill the embedded CMS.
    Cms(cms::Args),
    /// Run the whole desk on loopback with the sample data.
    Demo(demo::Args),
    /// Tell what is reachable, what is not, and what to do.
    Doctor(doctor::Args),
    /// Take the running gateway out of service without cutting anybody off.
    Drain(drain::Args),
    /// Close the desk or a line at once, and end that.
    Emergency(emergency::Args),
    /// Take a person out of everything that is kept; what is counted stays.
    Erase(erase::Args),
    /// Write events, contacts or tickets of a period to a file.
    Export(export::Args),
    /// Forecast the arrivals of the next days, and the staff they take.
    Forecast(forecast::Args),
    /// Declare the major incident of a service, and end it.
    Incident(incident::Args),
    /// Take one mail from standard input.
    Mail(mail::Args),
    /// Recompute the statistics from an event log.
    Replay(replay::Args),
    /// Print the statistics of a period.
    Report(report::Args),
    /// Count what the log has told since the last time, so that reports need not read it again.
    Rollup(rollup::Args),
    /// Run the gateway.
    Serve(serve::Args),
    /// Run the real routing policy in virtual time; events and statistics as JSON.
    Simulate(simulate::Args),
    /// Tell how many agents a load takes, by Erlang C and Erlang A.
    Staff(staff::Args),
    /// Show a contact's events and SIP messages with times.
    Trace(trace::Args),
    /// Make, list and remove bearer tokens of the API.
    Token(token::Args),
}

/// The configuration that a subcommand works with.
#[derive(Debug, clap::Args)]
pub struct ConfigFile {
    /// The configuration file.
    #[arg(
        id = "config",
        short,
        long,
        value_name = "FILE",
        default_value = "ringdown.toml",
        global = true
    )]
    path: PathBuf,
}

/// What a subcommand that ran has to say to the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, or yes.
    Good,
    /// The answer is no.
    No,
    /// A status of its own, for callers who act on it.
    Status(u8),
}

/// Runs the subcommand that was asked for.
pub fn run(cli: Cli) -> ExitCode {
    let outcome = match cli.command {
        Command::Agent(args) => agent::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Cms(args) => cms::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Drain(args) => drain::run(&args),
        Command::Emergency(args) => emergency::run(&args),
        Command::Erase(args) => erase::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Forecast(args) => forecast::run(&args),
        Command::Incident(args) => incident::run(&args),
        Command::Mail(args) => mail::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Rollup(args) => rollup::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Staff(args) => staff::run(&args),
        Command::Trace(args) => trace::run(&args),
        Command::Token(args) => token::run(&args),
    };
    match outcome {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::No) => ExitCode::from(1),
        Ok(Outcome::Status(status)) => ExitCode::from(status),
        Err(error) => {
            let told = match error.downcast_ref::<Faults>() {
                // Each begins with its place, for editors that jump there.
                Some(faults) => faults.to_string(),
                None => format!("ringdown: {error:#}"),
            };
            // With stderr gone there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "{told}");
            ExitCode::from(1)
        }
    }
}

/// Reads a channel by the word that files and configurations have for it.
fn channel(word: &str) -> Result<Channel, String> {
    serde_json::from_value(serde_json::Value::from(word))
        .map_err(|_| format!("`{word}` is not a channel: voice, email, fax or chat"))
}

/// Says that figures do not add up where they do not, whatever was printed of them: that is an answer of no.
fn must_be_conserved(report: &Report, words: &Words) -> anyhow::Result<Outcome> {
    if report.is_conserved() {
        return Ok(Outcome::Good);
    }
    writeln!(std::io::stderr(), "ringdown: {}", words.not_conserved())?;
    Ok(Outcome::No)
}

/// Runs a subcommand that waits for things, on a small runtime of its own; `serve` brings its own.
pub fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}
