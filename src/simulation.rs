//! Scenarios as text: read with the place of what is wrong, answered as one JSON document.

use crate::config::sentence_of;
use ringdown_routing::simulation::{Scenario, ScenarioFault, simulate};
use std::fmt;
use std::io::{self, Write};
use std::ops::ControlFlow;

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
    /// More happens than may be told.
    #[error("more than {0} events happen; make the scenario shorter")]
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
    /// Most events that may happen.
    pub events_max: u64,
}

/// Whether the events are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// One by one, before the statistics.
    Told,
    /// Not at all; memory and output do not grow with them.
    Left,
}

/// Reads a scenario.
pub fn read(text: &[u8]) -> Result<Scenario, SimulationFault> {
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

/// Plays a scenario and writes the answer, one event a line; `step` is called for each.
///
/// Nothing is written when the scenario makes no sense.
pub fn answer(
    scenario: &Scenario,
    extent: Extent,
    out: &mut impl Write,
    mut step: impl FnMut(),
) -> Result<(), SimulationFault> {
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
        if written.is_err() || count > extent.events_max {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })
    .map_err(SimulationFault::Scenario)?;
    written?;
    if count > extent.events_max {
        return Err(SimulationFault::TooLong(extent.events_max));
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

const OPENING: &str = "{\n  \"events\": [\n    ";

fn lines(faults: &[ScenarioFault]) -> String {
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    told.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_in_which_too_much_happens_is_broken_off() {
        let scenario = read(
            br#"{"queues":[{"id":"Q"}],
                 "contacts":[{"id":"a","at_s":0,"queue":"Q"},{"id":"b","at_s":1,"queue":"Q"}]}"#,
        )
        .unwrap();
        let told = |events_max| {
            let extent = Extent {
                events: Events::Told,
                events_max,
            };
            answer(&scenario, extent, &mut Vec::new(), || {})
        };
        assert!(told(2).is_ok());
        assert!(matches!(told(1), Err(SimulationFault::TooLong(1))));
    }
}
