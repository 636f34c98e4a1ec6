//! `ringdown simulate`: the real routing policy in virtual time.

use super::Outcome;
use crate::report::progress::Progress;
use crate::simulation::{self, Events, Extent, SimulationFault};
use anyhow::Context;
use std::io::{BufWriter, Read, Write};
use std::path::PathBuf;

/// Arguments of `simulate`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = FORM)]
pub struct Args {
    /// The scenario; `-` reads stdin.
    #[arg(value_name = "SCENARIO.json")]
    scenario: PathBuf,
    /// Leave the events out: memory and output do not grow with them.
    #[arg(long)]
    statistics_only: bool,
}

/// Plays the scenario and prints the answer on stdout; the answer is no when the scenario makes no sense.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let name = args.scenario.display().to_string();
    let text = read(args).with_context(|| format!("{name}: cannot be read"))?;
    let mut progress = Progress::begin("events");
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    let extent = Extent {
        events: if args.statistics_only {
            Events::Left
        } else {
            Events::Told
        },
        events_max: u64::MAX,
    };
    let answered = simulation::read(&text)
        .and_then(|scenario| simulation::answer(&scenario, extent, &mut stdout, || progress.step()))
        .and_then(|()| Ok(writeln!(stdout).and_then(|()| stdout.flush())?));
    progress.end();
    match answered {
        Ok(()) => Ok(Outcome::Good),
        Err(fault @ (SimulationFault::Output(_) | SimulationFault::TooLong(_))) => {
            Err(fault.into())
        }
        Err(SimulationFault::NotJson(fault) | SimulationFault::NotScenario(fault)) => {
            writeln!(std::io::stderr(), "{name}:{fault}")?;
            Ok(Outcome::No)
        }
        Err(SimulationFault::Scenario(faults)) => {
            for fault in faults {
                writeln!(std::io::stderr(), "{name}: {fault}")?;
            }
            Ok(Outcome::No)
        }
    }
}

fn read(args: &Args) -> std::io::Result<Vec<u8>> {
    if args.scenario.as_os_str() == "-" {
        let mut text = Vec::new();
        std::io::stdin().lock().read_to_end(&mut text)?;
        return Ok(text);
    }
    std::fs::read(&args.scenario)
}

/// The form of a scenario, printed by `ringdown simulate --help`.
const FORM: &str = r#"A scenario (times in whole seconds from 0; what is in brackets may be left out, and is what is shown then):

  {"queues":   [{"id":"Q" ["service_level_s":20 "short_abandon_s":5 "ring_timeout_s":15 "strategy":"longest_idle" "aging_per_s":0
                 "decline_back_off_s":30 "waiting_max":null "active_max":null "is_open":true]}],
   "agents":   [{"id":"A","queues":["Q",{"id":"R","precedence":2}] ["skills":{"net":5} "login_s":0 "logout_s":null
                 "idle_since_s":null "answer_after_s":0 "ready_after_rona_s":null "weight":1
                 "capacity":{"voice":1} "capacity_total":null "while_holding":{"voice":{"chat":0}} "interrupted_by":{"email":["voice"]}]}],
   "contacts": [{"id":"c1","at_s":0,"queue":"Q" ["channel":"voice" "talk_s":0 "wrap_up_s":0 "patience_s":null "priority":0
                 "skills":[{"need":{"net":4},"until_s":30}] "sticky":{"agent":"A","for_s":20}]}]}

strategy: longest_idle, least_occupied, fewest_contacts, round_robin, most_skilled, weighted (by the agents' weight).
Who waits is as urgent as priority + aging_per_s x wait; the most urgent goes first, then first come first served.
An agent gets a contact of the queue with the lowest precedence (1 when not given), however urgent the others are.
A skill step holds until until_s of waiting, then the next will do as well, after the last anybody. A sticky contact is
its agent's for for_s of waiting, while they are logged in.
answer_after_s null never answers: the phone rings for ring_timeout_s, the contact goes back to its place, and the agent is
not ready for good, or for ready_after_rona_s. patience_s null waits for ever.
An answer in the second in which the ring ends is an answer; patience that ends in the second of an answer is an abandon.
Within one second: agents freed, agents' status, callers who leave, timers, arrivals; then matching; ties by id.

The answer: {"events":[{"at_s":0,"event":"offered","contact":"c1","agent":"A","queue":"Q"}, ...],
             "end_s":90,"statistics":{"Q":{...}},"desk":{...},"agents":{"A":{...}}}
Events: arrived, blocked (closed or full), offered, answered, ring_timeout, abandoned, overflowed, ended, ready.
Statistics: the fields of `ringdown report --format json`, by the same formulas; null where there is nothing to divide by."#;
