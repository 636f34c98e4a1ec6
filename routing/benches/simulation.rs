//! Contacts simulated per second on one core: `cargo bench -p ringdown-routing --bench simulation`.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use ringdown_routing::simulation::{WhatIf, expect};
use serde_json::json;
use std::io::Write;
use std::ops::ControlFlow;
use std::time::Instant;

/// Contacts of a run, about.
const CONTACTS: u32 = 300_000;

fn main() {
    for (agents, load) in [(50, 0.96), (500, 0.97), (500, 1.1)] {
        measure(agents, load);
    }
}

/// One long day: handle times of 4 minutes with half a minute of work after them, patience of 3 minutes.
fn measure(agents: u32, load: f64) {
    let per_interval = f64::from(agents) * load * 1_800.0 / 270.0;
    let intervals = (f64::from(CONTACTS) / per_interval).ceil() as usize;
    let question: WhatIf = serde_json::from_value(json!({
        "queues": [{"id": "Q"}],
        "agents": [{"id": "A", "queues": ["Q"], "count": agents, "answer_after_s": 3}],
        "demand": [{
            "queue": "Q",
            "arrivals": vec![per_interval; intervals],
            "talk": {"lognormal": {"mean_s": 240, "deviation_s": 180}},
            "wrap_up": {"exponential": {"mean_s": 30}},
            "patience": {"exponential": {"mean_s": 180}},
        }],
        "replications": 1,
    }))
    .expect("it is a question");
    let begun = Instant::now();
    let mut events: u64 = 0;
    let expected = expect(&question, || {
        events += 1;
        ControlFlow::Continue(())
    })
    .expect("it makes sense")
    .expect("nobody breaks off");
    let seconds = begun.elapsed().as_secs_f64();
    let offered = expected.desk.estimate("offered").and_then(|of| of.mean);
    let contacts = offered.unwrap_or(0.0);
    let _ = writeln!(
        std::io::stdout(),
        "{agents} agents at {load} of their capacity: {contacts} contacts, {events} events in {seconds:.2} s: \
         {:.0} contacts a minute, {:.0} events a second",
        contacts / seconds * 60.0,
        events as f64 / seconds,
    );
}
