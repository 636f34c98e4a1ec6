//! `ringdown staff`: how many agents it takes, by Erlang C and by Erlang A beside it.

use super::{Cli, Outcome};
use crate::staffing::{Format, Seconds, Share, Told};
use anyhow::Context;
use clap::CommandFactory;
use clap::error::ErrorKind;
use ringdown_routing::event::Event;
use ringdown_routing::ids::QueueId;
use ringdown_routing::staffing::{Deadline, FoldHealth, Patience, Question, Target, WaitsFold};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// Arguments of `staff`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Contacts that arrive in the interval.
    #[arg(long, value_name = "NUMBER")]
    calls: f64,
    /// Length of the interval: 1800, 30m, 1h.
    #[arg(long, default_value = "30m")]
    interval: Seconds,
    /// Average handle time (talk, hold and wrap-up): 240, 4m.
    #[arg(long)]
    aht: Seconds,
    /// Service level, percent/seconds.
    #[arg(long, default_value = "80/20")]
    target: Target,
    /// Mean patience of the callers: 180, 3m. Without it there is no Erlang A.
    #[arg(long, conflicts_with = "patience_from")]
    patience: Option<Seconds>,
    /// Estimate the mean patience from the waits in an event log (JSON Lines, `-` reads stdin).
    #[arg(long, value_name = "EVENTS.jsonl")]
    patience_from: Option<PathBuf>,
    /// With --patience-from: only waits in this queue.
    #[arg(long, requires = "patience_from")]
    queue: Option<String>,
    /// Share of those who gave up that call again: 0.4, 40%. Adds Erlang X.
    #[arg(long, value_name = "SHARE")]
    retrial: Option<Share>,
    /// Share of the paid time an agent is away: 0.3, 30%; several compound.
    #[arg(long, value_name = "SHARE")]
    shrinkage: Vec<Share>,
    /// The measures of so many agents, not of the fewest that meet the target.
    #[arg(long, value_name = "NUMBER")]
    agents: Option<u32>,
    /// Contacts one agent handles at once, as in chat; --aht is then the time of such a contact.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    concurrency: u32,
    /// Contacts that may wait, such as mails, are done within this time: 4h.
    #[arg(long)]
    deadline: Option<Seconds>,
    /// With --deadline: contacts that lie there already.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 0.0,
        requires = "deadline"
    )]
    backlog: f64,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints the staff on stdout; a queue that never ends is an answer too.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let patience = match &args.patience_from {
        Some(path) => Some(estimate(path, args.queue.as_deref())?),
        None => None,
    };
    let estimated_s = match &patience {
        Some(patience) => Some(patience.mean_s.context(
            "nobody in that log left while waiting, so that nothing is known of patience",
        )?),
        None => None,
    };
    let question = Question {
        patience_s: estimated_s.or(args.patience.map(Seconds::get)),
        retrial: args.retrial.map(Share::get),
        shrinkage: args.shrinkage.iter().map(|share| share.get()).collect(),
        agents: args.agents,
        concurrency: args.concurrency,
        deadline: args.deadline.map(|deadline| Deadline {
            deadline_s: deadline.get(),
            backlog: args.backlog,
        }),
        ..Question::new(args.calls, args.interval.get(), args.aht.get(), args.target)
    };
    let answer = match question.answer() {
        Ok(answer) => answer,
        Err(fault) => Cli::command()
            .error(ErrorKind::ValueValidation, fault)
            .exit(),
    };
    let mut stdout = std::io::stdout().lock();
    let told = Told {
        question: &question,
        answer: &answer,
        patience: patience.as_ref(),
    };
    told.print(args.format, &mut stdout)?;
    Ok(Outcome::Good)
}

/// Reads the waits of the calls in an event log; who waits for an answer to a message does not hold the line.
fn estimate(path: &Path, queue: Option<&str>) -> anyhow::Result<Patience> {
    let name = path.display();
    let lines: Box<dyn BufRead> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        let file = File::open(path).with_context(|| format!("{name}: cannot be read"))?;
        Box::new(BufReader::new(file))
    };
    let mut waits = WaitsFold::new(queue.map(QueueId::from));
    for (number, line) in (1..).zip(lines.lines()) {
        let line = line.with_context(|| format!("{name}:{number}: cannot be read"))?;
        if line.trim().is_empty() {
            continue;
        }
        let event: Event = serde_json::from_str(&line)
            .with_context(|| format!("{name}:{number}: not an event"))?;
        waits.record(&event);
    }
    let FoldHealth { late, cut_short } = waits.health();
    if late > 0 {
        writeln!(
            std::io::stderr(),
            "{name}: {late} events came more than an hour after newer ones, too late to be counted: sort the log by time"
        )?;
    }
    if cut_short > 0 {
        writeln!(
            std::io::stderr(),
            "{name}: {cut_short} contacts are counted as they stood before their end, because too many were under way"
        )?;
    }
    Ok(Patience::of_counts(&waits.counts()))
}
