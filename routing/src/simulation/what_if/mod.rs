//! What if: a day drawn at random many times over, and what its figures are likely to be.
//!
//! Where a scenario says who calls when, a what-if says how many are expected per interval and how times
//! are distributed. Each replication is a whole run of the real policy; a figure is told as the mean over
//! the replications with the 95 % interval of that mean. The callers of a replication depend on the seed
//! alone, never on who answers them, so two plans are compared on the same days.

mod demand;
mod estimate;
mod random;

pub use demand::Timing;
pub use estimate::{Estimate, Measures};
pub use random::{Distribution, Random, SurvivalStep};

use super::cast::Cast;
use super::check::{Check, SECONDS_MAX, ScenarioFault};
use super::play::play;
use super::scenario::{ScenarioAgent, ScenarioQueue, ScenarioSkillStep};
use crate::contact::Channel;
use crate::ids::QueueId;
use demand::{Crowd, Line};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Replications when nobody says how many.
pub const REPLICATIONS_USUAL: u64 = 30;

/// Most replications.
pub const REPLICATIONS_MAX: u64 = 100_000;

/// Most contacts that one interval of a demand may expect.
const ARRIVALS_MAX: f64 = 10_000_000.0;

/// The question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhatIf {
    /// The lines, as in a scenario.
    pub queues: Vec<ScenarioQueue>,
    /// Who answers, as in a scenario.
    #[serde(default)]
    pub agents: Vec<ScenarioAgent>,
    /// Who calls.
    pub demand: Vec<Demand>,
    /// How many days are drawn.
    #[serde(default = "replications_usual")]
    pub replications: u64,
    /// From which the days are drawn: the same seed, the same days.
    #[serde(default)]
    pub seed: u64,
}

/// Contacts of one kind: how many, and what they are like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demand {
    /// The queue they enter.
    pub queue: String,
    /// How they come; calls when not given.
    #[serde(default)]
    pub channel: Option<Channel>,
    /// When the first interval begins.
    #[serde(default)]
    pub from_s: i64,
    /// Width of the intervals of `arrivals`.
    #[serde(default = "half_hour")]
    pub interval_s: i64,
    /// How many are expected in each interval.
    pub arrivals: Vec<f64>,
    /// Whether exactly so many come, or so many on average.
    #[serde(default)]
    pub timing: Timing,
    /// How long conversations take.
    pub talk: Distribution,
    /// How long the work after them takes; none when null.
    #[serde(default)]
    pub wrap_up: Option<Distribution>,
    /// How long callers wait; for ever when null.
    #[serde(default)]
    pub patience: Option<Distribution>,
    /// A higher number goes first.
    #[serde(default)]
    pub priority: i32,
    /// What the agent must know, step by step.
    #[serde(default)]
    pub skills: Vec<ScenarioSkillStep>,
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub struct Expected {
    /// How many days were drawn.
    pub replications: u64,
    /// From what.
    pub seed: u64,
    /// The measures of every queue.
    pub statistics: BTreeMap<String, Measures>,
    /// The measures of all queues together.
    pub desk: Measures,
}

/// Draws the days, plays each and tells what is to be expected; `tell` is called for every event of the
/// desk and may break off, which gives `None`.
pub fn expect(
    question: &WhatIf,
    mut tell: impl FnMut() -> ControlFlow<()>,
) -> Result<Option<Expected>, Vec<ScenarioFault>> {
    let (cast, lines) = plan(question)?;
    let mut statistics = vec![Measures::default(); cast.queues.len()];
    let mut desk = Measures::default();
    for replication in 0..question.replications {
        let mut goes_on = ControlFlow::Continue(());
        let crowd = Crowd::new(&lines, question.seed, replication);
        let played = play(&cast, crowd, |_, _| {
            goes_on = tell();
            goes_on
        });
        if goes_on.is_break() {
            return Ok(None);
        }
        for (measures, rules) in statistics.iter_mut().zip(&cast.queues) {
            measures.add(&played.figures(Some(rules.id.clone())));
        }
        desk.add(&played.figures(None));
    }
    let names = cast.queues.iter().map(|rules| rules.id.to_string());
    Ok(Some(Expected {
        replications: question.replications,
        seed: question.seed,
        statistics: names.zip(statistics).collect(),
        desk,
    }))
}

fn plan(question: &WhatIf) -> Result<(Cast, Vec<Line<'_>>), Vec<ScenarioFault>> {
    let mut check = Check::new(&question.queues, &question.agents);
    let cast = Cast {
        queues: check.queues(&question.queues),
        agents: check.agents(&question.agents),
    };
    let lines = (question.demand.iter().enumerate())
        .map(|(place, demand)| line(&mut check, &format!("demand[{place}]"), demand))
        .collect();
    if !(1..=REPLICATIONS_MAX).contains(&question.replications) {
        let sentence = format!("is not within 1 and {REPLICATIONS_MAX}");
        check.fault("replications", sentence);
    }
    check.done((cast, lines))
}

fn line<'d>(check: &mut Check<'_>, at: &str, demand: &'d Demand) -> Line<'d> {
    check.is_queue(format!("{at}.queue"), &demand.queue);
    check.instant(at, "from_s", demand.from_s);
    check.duration(at, "interval_s", demand.interval_s);
    if demand.interval_s == 0 {
        check.fault(format!("{at}.interval_s"), "must be at least 1");
    }
    let end = i64::try_from(demand.arrivals.len())
        .unwrap_or(i64::MAX)
        .saturating_mul(demand.interval_s);
    if end > SECONDS_MAX {
        check.fault(
            format!("{at}.arrivals"),
            format!("lasts longer than {SECONDS_MAX} s"),
        );
    }
    let is_count = |count: &&f64| !(0.0..=ARRIVALS_MAX).contains(*count);
    if let Some(wrong) = demand.arrivals.iter().find(is_count) {
        let sentence = format!("{wrong} is not within 0 and {ARRIVALS_MAX}");
        check.fault(format!("{at}.arrivals"), sentence);
    }
    let times = [
        ("talk", Some(&demand.talk)),
        ("wrap_up", demand.wrap_up.as_ref()),
        ("patience", demand.patience.as_ref()),
    ];
    for (name, distribution) in times {
        if let Some(fault) = distribution.and_then(Distribution::fault) {
            check.fault(format!("{at}.{name}"), fault);
        }
    }
    Line {
        demand,
        queue: QueueId::from(demand.queue.as_str()),
        skills: check.needs(at, &demand.skills),
    }
}

const fn half_hour() -> i64 {
    1_800
}

const fn replications_usual() -> u64 {
    REPLICATIONS_USUAL
}
