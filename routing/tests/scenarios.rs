//! Scenarios with the expected answer beside each: `fixtures/scenarios/NAME.json` and `NAME.answer.json`.
//! `UPDATE=1 cargo test -p ringdown-routing --test scenarios` writes the answers anew; look at the diff.
#![expect(
    clippy::disallowed_methods,
    reason = "a test is told by its environment whether to write"
)]

use ringdown_routing::simulation::{Scenario, simulate};
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Least number of scenarios; a folder that cannot be found must not pass for an empty one.
const SCENARIOS_MIN: usize = 25;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/scenarios")
}

#[test]
fn every_scenario_gives_the_answer_beside_it() {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
        .filter(|name| !name.ends_with(".answer"))
        .collect();
    names.sort();
    assert!(names.len() >= SCENARIOS_MIN, "{names:?}");
    let mut faults = String::new();
    for name in names {
        let scenario = read(&folder().join(format!("{name}.json")));
        let beside = folder().join(format!("{name}.answer.json"));
        let got = answer(&scenario);
        if std::env::var("UPDATE").is_ok() {
            std::fs::write(&beside, &got).unwrap();
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        if got != expected {
            let _ = writeln!(
                faults,
                "{name}: expected\n{expected}\ngot\n{got}\n(UPDATE=1 rewrites the answers)"
            );
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

fn read(path: &Path) -> Scenario {
    let text = std::fs::read_to_string(path).expect("the scenario can be read");
    serde_json::from_str(&text).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}

/// The answer as `ringdown simulate` gives it, one event a line.
fn answer(scenario: &Scenario) -> String {
    let mut events = Vec::new();
    let simulated = simulate(scenario, |event| {
        events.push(serde_json::to_string(event).expect("an event can be written"));
        ControlFlow::Continue(())
    })
    .unwrap_or_else(|faults| panic!("{faults:?}"));
    let figures = serde_json::to_string_pretty(&simulated).expect("figures can be written");
    let rest = figures.strip_prefix('{').expect("it is an object");
    if events.is_empty() {
        return format!("{{\n  \"events\": [],{rest}\n");
    }
    let events = events.join(",\n    ");
    format!("{{\n  \"events\": [\n    {events}\n  ],{rest}\n")
}
