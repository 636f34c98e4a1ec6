//! Simulation: the real desk and the real policy in virtual time.
//!
//! [`simulate`] plays a [`Scenario`]: who calls, how long they wait and talk, who answers after how many
//! rings. Only people and the clock are played; what the desk does is [`crate::desk`], who meets whom is
//! [`crate::policy`], and what is counted is [`crate::statistics`] over the desk's own events.
//!
//! [`expect`] draws many days from a [`WhatIf`] and plays each in the same way.
//!
//! Within one second things happen in this order: agents are freed (conversations and the work after them
//! end), agents change their status, callers leave, timers run out (answers, rings, whatever the desk
//! itself has due), contacts arrive; then matching. Ties go by id. What becomes due at the same second by
//! this (a conversation of zero seconds) follows in the same order.
//!
//! The invariant: the same scenario, its lists in any order, gives the same events and figures.

mod agenda;
mod cast;
mod check;
mod play;
mod scenario;
mod told;
mod what_if;

pub use cast::{AgentPlayer, Caller, Cast, Shift};
pub use check::{SECONDS_MAX, ScenarioFault};
pub use play::{Played, play};
pub use scenario::{
    AnswerAfter, Scenario, ScenarioAgent, ScenarioContact, ScenarioOverflow, ScenarioOverflows,
    ScenarioQueue, ScenarioShift, ScenarioSkillStep, ScenarioSticky,
};
pub use told::{ToldEvent, ToldKind};
pub use what_if::{
    Demand, Distribution, Estimate, Expected, Measures, REPLICATIONS_MAX, REPLICATIONS_USUAL,
    Random, SurvivalStep, Timing, WhatIf, expect,
};

use crate::statistics::{AgentTime, Figures};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// The figures of a scenario that was played to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Simulated {
    /// When the last thing happened.
    pub end_s: i64,
    /// The figures of every queue.
    pub statistics: BTreeMap<String, Figures>,
    /// The figures of all queues together.
    pub desk: Figures,
    /// What every agent's time went to.
    pub agents: BTreeMap<String, AgentTime>,
}

/// Plays a scenario until nothing can happen any more, or until `tell` breaks off; tells every event in
/// order.
///
/// Refuses a scenario that makes no sense, with all its faults, before anything is told.
pub fn simulate(
    scenario: &Scenario,
    mut tell: impl FnMut(&ToldEvent<'_>) -> ControlFlow<()>,
) -> Result<Simulated, Vec<ScenarioFault>> {
    let plan = check::plan(scenario)?;
    let mut narrator = told::Narrator::new(&plan.names);
    let played = play(&plan.cast, plan.callers, |event, view| {
        narrator
            .tell(event, view)
            .map_or(ControlFlow::Continue(()), |told| tell(&told))
    });
    Ok(Simulated::of(&plan.cast, &played))
}

impl Simulated {
    fn of(cast: &Cast, played: &Played) -> Self {
        Self {
            end_s: played.end.as_millis().div_euclid(1_000),
            statistics: cast
                .queues
                .iter()
                .map(|rules| {
                    let figures = played.figures(Some(rules.id.clone()));
                    (rules.id.to_string(), figures)
                })
                .collect(),
            desk: played.figures(None),
            agents: cast
                .agents
                .iter()
                .map(|agent| &agent.profile.id)
                .map(|agent| (agent.to_string(), played.agent_time(agent)))
                .collect(),
        }
    }
}
