//! Simulations as text: a scenario or a what-if is read with the place of what is wrong, and answered as
//! one JSON document.
//!
//! | module | what lives here |
//! |---|---|
//! | [`arrivals`] | expected contacts from a table (CSV) |
//! | [`history`] | demand as an event log tells of it |

pub mod arrivals;
pub mod history;

use crate::config::sentence_of;
use ringdown_routing::simulation::{Scenario, ScenarioFault, WhatIf, expect, simulate};
use serde::de::{DeserializeOwned, IgnoredAny};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::ops::ControlFlow;

/// What is to be simulated.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// What happens when just these callers come.
    Scenario(Scenario),
    /// What is to be expected when so many come.
    WhatIf(WhatIf),
}

/// Why a scenario has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SimulationFault {
    /// The text is not JSON.
    #[error("{0}")]
    NotJson(TextFault),
    /// It is JSON, and not a scenario.
    #[error("{0}")]
    NotScenario(TextFault),
    /// It is one that makes no sense: all that is wrong with it.
    #[error("{}", lines(.0))]
    Scenario(Vec<ScenarioFault>),
    /// More happens than is waited for.
    #[error("more than {0} events happen; ask for less")]
    TooLong(u64),
    /// The answer cannot be written.
    #[error("the answer cannot be written")]
    Output(#[from] io::Error),
}

/// Where a text is wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFault {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong and, where we know, what to write instead.
    pub sentence: String,
}

impl fmt::Display for TextFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.sentence)
    }
}

/// What is told of a run, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Whether the events are told, or the statistics alone.
    pub events: Events,
    /// Most events that may happen when they are told.
    pub told_max: u64,
    /// Most events that may happen when they are not.
    pub left_max: u64,
}

/// Whether the events are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// One by one, before the statistics.
    Told,
    /// Not at all; memory and output do not grow with them.
    Left,
}

/// Reads a scenario, or a what-if, which is known by its key `demand`.
pub fn read(text: &[u8]) -> Result<Question, SimulationFault> {
    let keys: Option<BTreeMap<String, IgnoredAny>> = serde_json::from_slice(text).ok();
    if keys.is_some_and(|keys| keys.contains_key("demand")) {
        read_as(text).map(Question::WhatIf)
    } else {
        read_as(text).map(Question::Scenario)
    }
}

fn read_as<T: DeserializeOwned>(text: &[u8]) -> Result<T, SimulationFault> {
    serde_json::from_slice(text).map_err(|fault| {
        let told = fault.to_string();
        let message = told
            .rsplit_once(" at line ")
            .map_or(&*told, |(told, _)| told);
        let wrong = TextFault {
            line: fault.line(),
            column: fault.column(),
            sentence: sentence_of(message),
        };
        if fault.is_data() {
            SimulationFault::NotScenario(wrong)
        } else {
            SimulationFault::NotJson(wrong)
        }
    })
}

/// Simulates and writes the answer; `step` is called for each event.
///
/// Nothing is written when the question makes no sense.
pub fn answer(
    question: &Question,
    extent: Extent,
    out: &mut impl Write,
    step: impl FnMut(),
) -> Result<(), SimulationFault> {
    match question {
        Question::Scenario(scenario) => tell_scenario(scenario, extent, out, step),
        Question::WhatIf(what_if) => tell_what_if(what_if, extent.left_max, out, step),
    }
}

/// One event a line, then the figures.
fn tell_scenario(
    scenario: &Scenario,
    extent: Extent,
    out: &mut impl Write,
    mut step: impl FnMut(),
) -> Result<(), SimulationFault> {
    let events_max = match extent.events {
        Events::Told => extent.told_max,
        Events::Left => extent.left_max,
    };
    let mut count: u64 = 0;
    let mut written = Ok(());
    let simulated = simulate(scenario, |event| {
        step();
        count += 1;
        if extent.events == Events::Told {
            let before = if count == 1 { OPENING } else { ",\n    " };
            written = out
                .write_all(before.as_bytes())
                .and_then(|()| Ok(serde_json::to_writer(&mut *out, event)?));
        }
        if written.is_err() || count > events_max {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })
    .map_err(SimulationFault::Scenario)?;
    written?;
    if count > events_max {
        return Err(SimulationFault::TooLong(events_max));
    }
    let figures = serde_json::to_string_pretty(&simulated).map_err(io::Error::from)?;
    let rest = figures.strip_prefix('{').unwrap_or(&figures);
    match (extent.events, count) {
        (Events::Told, 0) => write!(out, "{{\n  \"events\": [],{rest}")?,
        (Events::Told, _) => write!(out, "\n  ],{rest}")?,
        (Events::Left, _) => write!(out, "{{{rest}")?,
    }
    Ok(())
}

fn tell_what_if(
    what_if: &WhatIf,
    events_max: u64,
    out: &mut impl Write,
    mut step: impl FnMut(),
) -> Result<(), SimulationFault> {
    let mut count: u64 = 0;
    let expected = expect(what_if, || {
        step();
        count += 1;
        if count > events_max {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })
    .map_err(SimulationFault::Scenario)?
    .ok_or(SimulationFault::TooLong(events_max))?;
    serde_json::to_writer_pretty(out, &expected).map_err(io::Error::from)?;
    Ok(())
}

const OPENING: &str = "{\n  \"events\": [\n    ";

fn lines(faults: &[ScenarioFault]) -> String {
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    told.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tell(question: &Question, told_max: u64) -> Result<String, SimulationFault> {
        let extent = Extent {
            events: Events::Told,
            told_max,
            left_max: told_max,
        };
        let mut out = Vec::new();
        answer(question, extent, &mut out, || {})?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn a_scenario_in_which_too_much_happens_is_broken_off() {
        let scenario = read(
            br#"{"queues":[{"id":"Q"}],
                 "contacts":[{"id":"a","at_s":0,"queue":"Q"},{"id":"b","at_s":1,"queue":"Q"}]}"#,
        )
        .unwrap();
        assert!(tell(&scenario, 2).is_ok());
        assert!(matches!(
            tell(&scenario, 1),
            Err(SimulationFault::TooLong(1))
        ));
    }

    #[test]
    fn a_what_if_is_known_by_its_demand() {
        let what_if = read(
            br#"{"queues":[{"id":"Q"}],
                 "demand":[{"queue":"Q","arrivals":[5],"timing":"exact","talk":{"constant":9}}]}"#,
        )
        .unwrap();
        let answer: serde_json::Value =
            serde_json::from_str(&tell(&what_if, 9_999).unwrap()).unwrap();
        assert_eq!(answer["replications"], 30);
        assert_eq!(answer["statistics"]["Q"]["waiting"]["mean"], 5.0);
        assert_eq!(answer["desk"]["service_level"]["negative"]["high"], 0.0);
        assert!(matches!(
            tell(&what_if, 9),
            Err(SimulationFault::TooLong(9))
        ));
        let wrong = read(br#"{"queues":[],"demand":[],"sed":1}"#);
        assert!(
            wrong
                .unwrap_err()
                .to_string()
                .contains("did you mean `seed`?")
        );
    }
}
