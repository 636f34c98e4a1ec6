//! `ringdown simulate`: the real routing policy in virtual time.

use super::Outcome;
use crate::report::progress::Progress;
use crate::simulation::history::History;
use crate::simulation::{self, Events, Extent, Question, SimulationFault, arrivals};
use anyhow::{Context, bail};
use ringdown_routing::simulation::WhatIf;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Arguments of `simulate`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = FORM)]
pub struct Args {
    /// The scenario, or the what-if; `-` reads stdin.
    #[arg(value_name = "SCENARIO.json")]
    scenario: PathBuf,
    /// Leave the events out: memory and output do not grow with them.
    #[arg(long)]
    statistics_only: bool,
    /// What-if: how many days are drawn, in place of what the file says.
    #[arg(long)]
    replications: Option<u64>,
    /// What-if: the seed of the days, in place of what the file says.
    #[arg(long)]
    seed: Option<u64>,
    /// What-if: expected contacts, in place of the file's arrivals: a table with queue,at_s,contacts.
    #[arg(long, value_name = "FILE.csv")]
    arrivals: Option<PathBuf>,
    /// What-if: the demand as an event log tells of it, in place of the file's.
    #[arg(long, value_name = "EVENTS.jsonl", conflicts_with = "arrivals")]
    history: Option<PathBuf>,
}

/// Simulates and prints the answer on stdout; the answer is no when the question makes no sense.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let name = args.scenario.display().to_string();
    let text = read(&args.scenario).with_context(|| format!("{name}: cannot be read"))?;
    let question = match simulation::read(&text) {
        Ok(question) => prepare(args, question)?,
        Err(fault) => return refuse(&name, fault),
    };
    let mut progress = Progress::begin("events");
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    let extent = Extent {
        events: if args.statistics_only {
            Events::Left
        } else {
            Events::Told
        },
        told_max: u64::MAX,
        left_max: u64::MAX,
    };
    let answered = simulation::answer(&question, extent, &mut stdout, || progress.step())
        .and_then(|()| Ok(writeln!(stdout).and_then(|()| stdout.flush())?));
    progress.end();
    match answered {
        Ok(()) => Ok(Outcome::Good),
        Err(fault) => refuse(&name, fault),
    }
}

fn refuse(name: &str, fault: SimulationFault) -> anyhow::Result<Outcome> {
    match fault {
        SimulationFault::NotJson(fault) | SimulationFault::NotScenario(fault) => {
            writeln!(std::io::stderr(), "{name}:{fault}")?;
            Ok(Outcome::No)
        }
        SimulationFault::Scenario(faults) => {
            for fault in faults {
                writeln!(std::io::stderr(), "{name}: {fault}")?;
            }
            Ok(Outcome::No)
        }
        SimulationFault::Output(_) | SimulationFault::TooLong(_) => Err(fault.into()),
    }
}

/// The question with what the arguments say in place of the file.
fn prepare(args: &Args, question: Question) -> anyhow::Result<Question> {
    let mut what_if = match question {
        Question::WhatIf(what_if) => what_if,
        Question::Scenario(scenario) => {
            let is_about_days = args.replications.is_some()
                || args.seed.is_some()
                || args.arrivals.is_some()
                || args.history.is_some();
            if is_about_days {
                bail!(
                    "{}: a scenario is one given day; a what-if has a `demand`",
                    args.scenario.display()
                );
            }
            return Ok(Question::Scenario(scenario));
        }
    };
    what_if.replications = args.replications.unwrap_or(what_if.replications);
    what_if.seed = args.seed.unwrap_or(what_if.seed);
    if let Some(path) = &args.arrivals {
        let table =
            File::open(path).with_context(|| format!("{}: cannot be read", path.display()))?;
        arrivals::fill(&mut what_if, table).with_context(|| path.display().to_string())?;
    }
    if let Some(path) = &args.history {
        remember(&mut what_if, path)?;
    }
    Ok(Question::WhatIf(what_if))
}

fn remember(what_if: &mut WhatIf, path: &Path) -> anyhow::Result<()> {
    let name = path.display();
    let log = File::open(path).with_context(|| format!("{name}: cannot be read"))?;
    let mut history = History::default();
    for (number, line) in (1..).zip(BufReader::new(log).lines()) {
        let line = line.with_context(|| format!("{name}:{number}: cannot be read"))?;
        if line.trim().is_empty() {
            continue;
        }
        let event = serde_json::from_str(&line)
            .with_context(|| format!("{name}:{number}: not an event"))?;
        history.record(&event);
    }
    what_if.demand = history.demand();
    if what_if.demand.is_empty() {
        bail!("{name}: tells of nobody who was answered");
    }
    Ok(())
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    if path.as_os_str() == "-" {
        let mut text = Vec::new();
        std::io::stdin().lock().read_to_end(&mut text)?;
        return Ok(text);
    }
    std::fs::read(path)
}

/// The forms of a scenario and of a what-if, printed by `ringdown simulate --help`.
const FORM: &str = r#"A scenario (times in whole seconds from 0; what is in brackets may be left out, and is what is shown then):

  {"queues":   [{"id":"Q" ["service_level_s":20 "short_abandon_s":5 "ring_timeout_s":15 "strategy":"longest_idle" "ring_all_max":16 "aging_per_s":0
                 "overflow":{"after_s":60,"to":"R"} "decline_back_off_s":30 "waiting_max":null "active_max":null "is_open":true]}],
   "agents":   [{"id":"A","queues":["Q",{"id":"R","precedence":2}] ["count":1 "skills":{"net":5} "login_s":0 "logout_s":null
                 "shifts":[{"from_s":0,"to_s":14400}]
                 "idle_since_s":null "answer_after_s":0 "ready_after_rona_s":null "weight":1
                 "capacity":{"voice":1} "capacity_total":null "while_holding":{"voice":{"chat":0}} "interrupted_by":{"email":["voice"]}]}],
   "contacts": [{"id":"c1","at_s":0,"queue":"Q" ["channel":"voice" "talk_s":0 "wrap_up_s":0 "patience_s":null "priority":0
                 "skills":[{"need":{"net":4},"until_s":30}] "sticky":{"agent":"A","for_s":20}]}]}

strategy: longest_idle, least_occupied, fewest_contacts, round_robin, most_skilled, weighted (by the agents' weight),
ring_all (all who may take it at once, at most ring_all_max; whoever answers first has it).
Who waits is as urgent as priority + aging_per_s x wait; the most urgent goes first, then first come first served.
An agent gets a contact of the queue with the lowest precedence (1 when not given), however urgent the others are.
overflow may be a list of steps: the first is for who waited that long in the queue, and so on. shifts stand in place of
login_s and logout_s; more than one agent of a kind (count) are called A-1, A-2 ...
A skill step holds until until_s of waiting, then the next will do as well, after the last anybody. A sticky contact is
its agent's for for_s of waiting, while they are logged in.
answer_after_s null never answers: the phone rings for ring_timeout_s, the contact goes back to its place, and the agent is
not ready for good, or for ready_after_rona_s. patience_s null waits for ever.
An answer in the second in which the ring ends is an answer; patience that ends in the second of an answer is an abandon.
Within one second: agents freed, agents' status, callers who leave, timers, arrivals; then matching; ties by id.

The answer: {"events":[{"at_s":0,"event":"offered","contact":"c1","agent":"A","queue":"Q"}, ...],
             "end_s":90,"statistics":{"Q":{...}},"desk":{...},"agents":{"A":{...}}}
Events: arrived, blocked (closed or full), offered, answered, ring_timeout, abandoned, overflowed, ended, ready.
Statistics: the fields of `ringdown report --format json`, by the same formulas; null where there is nothing to divide by.

A what-if has a demand in place of contacts, and draws many days from it:

  {"queues": [...], "agents": [...],
   "demand": [{"queue":"Q","arrivals":[80,95.5,60],"talk":{"lognormal":{"mean_s":240,"deviation_s":180}}
               ["interval_s":1800 "from_s":0 "timing":"poisson" "wrap_up":null "patience":null
                "channel":"voice" "priority":0 "skills":[]]}]
   ["replications":30 "seed":0]}

arrivals: contacts expected in each interval. timing: poisson (so many on average) or exact (just so many, at random instants).
Times: {"constant":60}, {"exponential":{"mean_s":60}}, {"lognormal":{"mean_s":60,"deviation_s":30}}, {"empirical":[31,12,70]},
{"survival":[{"at_s":20,"longer":0.9}]} (a Kaplan-Meier curve; who outwaits it never leaves); wrap_up null is none, patience null for ever.
The same seed gives the same callers, whoever answers them, so that two plans are compared on the same days.
The answer: {"replications":30,"seed":0,"statistics":{"Q":{"asa_s":{"mean":..,"low":..,"high":..,"deviation":..,"replications":30},
...}},"desk":{...}}: low and high are the 95 % interval of the mean (Student's t) over the days."#;
