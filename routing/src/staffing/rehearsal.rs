//! A plan rehearsed: the real policy plays it, and the queue of one interval is carried into the next.
//!
//! The formulas take every interval for itself and for ever. Whoever plans a day wants to know what the
//! morning's queue does to the noon, and what the fifth agent who comes at half past nine is worth. So the
//! plan is played on the desk of [`crate::simulation`], over and over with other callers, and what the
//! desk's own statistics count is the answer.

use super::question::Target;
use crate::agent::AgentProfile;
use crate::contact::{Channel, Priority};
use crate::elementary::ln;
use crate::ids::{AgentId, ContactId, QueueId};
use crate::queue::QueueRules;
use crate::simulation::{AgentPlayer, Caller, Cast, Shift, play};
use crate::statistics::{Figures, Rules, Scope, Statistics, Tally};
use crate::time::Timestamp;
use std::ops::ControlFlow;
use std::time::Duration;

/// A plan: who comes and who works, stretch by stretch, in order and without gaps.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The stretches.
    pub stretches: Vec<Stretch>,
    /// Width of the cells that add up to every stretch.
    pub cell: Duration,
    /// Mean handle time, exponential.
    pub aht_s: f64,
    /// Mean patience, exponential; `None` waits for ever.
    pub patience_s: Option<f64>,
    /// What is counted as in time.
    pub target: Target,
}

/// One stretch of a plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
    /// Contacts that are expected, at even chances over the stretch.
    pub calls: f64,
    /// Agents at work, each with one contact at a time.
    pub agents: u32,
}

/// What came of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Rehearsal {
    /// Each stretch, all runs added up.
    pub stretches: Vec<Figures>,
    /// The whole plan, all runs added up.
    pub total: Figures,
    /// Mean and spread of the runs' negative service level over the whole plan.
    pub service_level: Option<Estimate>,
}

/// A mean with what it may be off by.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Estimate {
    /// Mean of the runs.
    pub mean: f64,
    /// In nineteen cases of twenty the true mean lies within this distance; `None` for a single run.
    pub within: Option<f64>,
}

/// The standard normal's 97.5 %.
const NORMAL_97_5: f64 = 1.959_963_984_540_054;

impl Plan {
    /// Plays the plan so many times with different callers; the same seed gives the same callers.
    pub fn rehearse(&self, runs: u16, seed: u64) -> Rehearsal {
        let cast = self.cast();
        let mut sums = vec![Tally::default(); self.stretches.len()];
        let mut total = Tally::default();
        let mut levels = Vec::new();
        for run in 0..u64::from(runs) {
            let run = self.play(&cast, Chance::new(seed.wrapping_add(run)));
            let mut whole = Tally::default();
            for (sum, tally) in sums.iter_mut().zip(&run) {
                add(sum, tally);
                add(&mut whole, tally);
            }
            levels.extend(whole.figures().service_level.negative);
            add(&mut total, &whole);
        }
        Rehearsal {
            stretches: sums.iter().map(Tally::figures).collect(),
            total: total.figures(),
            service_level: Estimate::of(&levels),
        }
    }

    fn play(&self, cast: &Cast, chance: Chance) -> Vec<Tally> {
        let mut fold = Statistics::new(Rules {
            interval: self.cell,
            ..Rules::default()
        });
        let callers = Callers {
            plan: self,
            chance,
            place: 0,
            at_ms: None,
            number: 0,
        };
        let played = play(cast, callers, |event, _| {
            fold.record(event);
            ControlFlow::Continue(())
        });
        let first = self.stretches.first().map(|stretch| stretch.from);
        let last = self.stretches.last().map(|stretch| stretch.to);
        let (Some(first), Some(last)) = (first, last) else {
            return Vec::new();
        };
        let ledger = fold.ledger(first, last, played.end.max(last));
        let tallies = self
            .stretches
            .iter()
            .map(|stretch| ledger.tally(stretch.from, stretch.to, &Scope::default()));
        tallies.collect()
    }

    fn cast(&self) -> Cast {
        let queue = queue();
        let most = self.stretches.iter().map(|stretch| stretch.agents).max();
        Cast {
            queues: vec![QueueRules {
                service_level: whole_ms(self.target.threshold_s),
                ..QueueRules::with_defaults(queue.clone())
            }],
            agents: (0..most.unwrap_or(0))
                .map(|place| {
                    // Names that sort as the numbers do.
                    let name = format!("{place:06}");
                    let id = AgentId::from(name.as_str());
                    AgentPlayer {
                        profile: AgentProfile::new(id, name).serving([queue.clone()]),
                        shifts: self.shifts(place),
                        idle_since: None,
                        answer_after: Some(Duration::ZERO),
                        ready_after_rona: None,
                    }
                })
                .collect(),
        }
    }

    /// When the agent at a place works: wherever more than so many are wanted.
    fn shifts(&self, place: u32) -> Vec<Shift> {
        let mut shifts: Vec<Shift> = Vec::new();
        for stretch in self
            .stretches
            .iter()
            .filter(|stretch| stretch.agents > place)
        {
            match shifts.last_mut() {
                Some(last) if last.to == Some(stretch.from) => last.to = Some(stretch.to),
                Some(_) | None => shifts.push(Shift {
                    from: stretch.from,
                    to: Some(stretch.to),
                }),
            }
        }
        shifts
    }
}

impl Estimate {
    fn of(runs: &[f64]) -> Option<Self> {
        let count = runs.len() as f64;
        let mean = (!runs.is_empty()).then(|| runs.iter().sum::<f64>() / count)?;
        let squares: f64 = runs.iter().map(|run| (run - mean) * (run - mean)).sum();
        let within =
            (runs.len() > 1).then(|| NORMAL_97_5 * (squares / (count - 1.0) / count).sqrt());
        Some(Self { mean, within })
    }
}

/// The callers of one run, in the order of their arrival: Poisson's, with exponential handle times and
/// patience.
struct Callers<'a> {
    plan: &'a Plan,
    chance: Chance,
    place: usize,
    /// Where in the current stretch the last one came, in milliseconds of UTC.
    at_ms: Option<f64>,
    number: u128,
}

impl Iterator for Callers<'_> {
    type Item = Caller;

    fn next(&mut self) -> Option<Caller> {
        let at = loop {
            let stretch = self.plan.stretches.get(self.place)?;
            let (from, to) = (
                stretch.from.as_millis() as f64,
                stretch.to.as_millis() as f64,
            );
            let last = self.at_ms.unwrap_or(from);
            let at = if stretch.calls > 0.0 {
                last + self.chance.exponential((to - from) / stretch.calls)
            } else {
                to
            };
            if at < to {
                self.at_ms = Some(at);
                break Timestamp::from_millis(at as i64);
            }
            self.place += 1;
            self.at_ms = None;
        };
        self.number += 1;
        let talk = whole_ms(self.chance.exponential(self.plan.aht_s));
        let patience_s = self.plan.patience_s;
        Some(Caller {
            id: ContactId::from_u128(self.number),
            at,
            queue: queue(),
            channel: Channel::Voice,
            priority: Priority(0),
            skills: Default::default(),
            reserved: None,
            talk,
            wrap_up: Duration::ZERO,
            patience: patience_s.map(|mean_s| whole_ms(self.chance.exponential(mean_s))),
        })
    }
}

/// Chances that are the same for the same seed: Steele, Lea and Flood's SplitMix64.
struct Chance(u64);

impl Chance {
    /// Seeds that follow each other give sequences that have nothing to do with each other.
    fn new(seed: u64) -> Self {
        let mut mixer = Self(seed);
        Self(mixer.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        // More than 0 and at most 1.
        let share = ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        -mean * ln(share)
    }
}

fn queue() -> QueueId {
    QueueId::from("plan")
}

fn add(sum: &mut Tally, tally: &Tally) {
    sum.counts += tally.counts;
    sum.agent_time += tally.agent_time;
}

fn whole_ms(seconds: f64) -> Duration {
    Duration::from_millis((seconds * 1_000.0).round() as u64)
}
