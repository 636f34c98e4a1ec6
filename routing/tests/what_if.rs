//! Days drawn at random: they agree with the formulas where there are formulas, and with themselves.

use ringdown_routing::simulation::{Estimate, Expected, WhatIf, expect};
use ringdown_routing::staffing::{Blocking, ErlangA, ErlangC, Load};
use serde_json::{Value, json};
use std::ops::ControlFlow;

/// Ten agents with exponential handle times of three minutes on average, and so many calls an hour.
fn ten_agents(calls_per_hour: f64, patience: &Value) -> Value {
    json!({
        "queues": [{"id": "Q"}],
        "agents": [{"id": "A", "queues": ["Q"], "count": 10}],
        "demand": [{
            "queue": "Q",
            "interval_s": 3_600,
            "arrivals": vec![calls_per_hour; 20],
            "talk": {"exponential": {"mean_s": 180}},
            "patience": patience,
        }],
        "replications": 10,
        "seed": 1,
    })
}

fn run(question: Value) -> Expected {
    let question: WhatIf = serde_json::from_value(question).expect("it is a question");
    expect(&question, || ControlFlow::Continue(()))
        .unwrap_or_else(|faults| panic!("{faults:?}"))
        .expect("nobody broke off")
}

fn estimate(expected: &Expected, measure: &str) -> Estimate {
    expected
        .desk
        .estimate(measure)
        .unwrap_or_else(|| panic!("there is no measure {measure}"))
}

fn holds(expected: &Expected, measure: &str, exact: f64) {
    let estimate = estimate(expected, measure);
    let (low, high) = estimate.low.zip(estimate.high).expect("there are several");
    assert!(
        (low..=high).contains(&exact),
        "{measure}: {exact} is not within {low} and {high}"
    );
}

#[test]
fn patient_callers_wait_as_erlang_c_says() {
    let expected = run(ten_agents(150.0, &Value::Null));
    let mut blocking = Blocking::new(Load::of(150.0, 180.0, 3_600.0));
    let exact = ErlangC::at(&mut blocking, 180.0, 10).expect("the queue is stable");
    holds(&expected, "asa_s", exact.asa_s());
    holds(
        &expected,
        "service_level.negative",
        exact.service_level(20.0),
    );
    assert_eq!(estimate(&expected, "abandoned").mean, Some(0.0));
}

#[test]
fn impatient_callers_leave_as_erlang_a_says() {
    let patience = json!({"exponential": {"mean_s": 120}});
    let expected = run(ten_agents(240.0, &patience));
    let mut blocking = Blocking::new(Load::of(240.0, 180.0, 3_600.0));
    let exact = ErlangA::at(&mut blocking, 180.0, 120.0, 10);
    let service_level = exact.service_level(20.0);
    holds(&expected, "abandon_rate", exact.abandon_rate());
    for (variant, exact) in [
        ("negative", service_level.negative),
        ("positive", service_level.positive),
        ("ignored", service_level.ignored),
        ("handled", service_level.handled),
    ] {
        let exact = exact.expect("somebody calls");
        holds(&expected, &format!("service_level.{variant}"), exact);
    }
}

/// STATISTICS: n = 50, 48 calls a minute of 60 s, patience 120 s: abandon .0309.
#[test]
fn the_known_point_of_a_large_desk_is_met() {
    let expected = run(json!({
        "queues": [{"id": "Q"}],
        "agents": [{"id": "A", "queues": ["Q"], "count": 50}],
        "demand": [{
            "queue": "Q", "interval_s": 60, "arrivals": vec![48.0; 120],
            "talk": {"exponential": {"mean_s": 60}}, "patience": {"exponential": {"mean_s": 120}},
        }],
        "replications": 5,
        "seed": 3,
    }));
    holds(&expected, "abandon_rate", 0.0309);
}

#[test]
fn the_same_seed_gives_the_same_answer_and_another_seed_another() {
    let question = |seed: u64| {
        let mut question = ten_agents(200.0, &json!({"exponential": {"mean_s": 60}}));
        question["replications"] = json!(2);
        question["demand"][0]["arrivals"] = json!([200, 100.5]);
        question["seed"] = json!(seed);
        serde_json::to_string(&run(question)).expect("it can be written")
    };
    assert_eq!(question(5), question(5));
    assert_ne!(question(5), question(6));
}

#[test]
fn who_calls_does_not_depend_on_who_answers() {
    let offered = |agents: u32| {
        let mut question = ten_agents(200.0, &json!({"exponential": {"mean_s": 60}}));
        question["agents"][0]["count"] = json!(agents);
        question["demand"][0]["arrivals"] = json!([200, 150]);
        question["replications"] = json!(3);
        estimate(&run(question), "offered")
    };
    assert_eq!(offered(5), offered(20));
}

#[test]
fn shifts_and_a_table_of_exact_arrivals_are_kept() {
    let expected = run(json!({
        "queues": [{"id": "Q"}, {"id": "R"}],
        "agents": [
            {"id": "early", "queues": ["Q"], "count": 2, "shifts": [{"from_s": 0, "to_s": 1_800}]},
            {"id": "late", "queues": ["R"], "shifts": [{"from_s": 1_800, "to_s": 3_600}]},
        ],
        "demand": [
            {"queue": "Q", "arrivals": [20, 10], "timing": "exact", "talk": {"constant": 30},
             "patience": {"constant": 40}},
            {"queue": "R", "from_s": 1_800, "arrivals": [6], "timing": "exact",
             "talk": {"empirical": [10, 20]}, "wrap_up": {"lognormal": {"mean_s": 20, "deviation_s": 5}}},
        ],
        "replications": 4,
    }));
    let of = |queue: &str, measure: &str| {
        let measures = expected.statistics.get(queue).expect("it is a queue");
        measures.estimate(measure).and_then(|of| of.mean)
    };
    assert_eq!(of("Q", "offered"), Some(30.0));
    assert_eq!(of("R", "offered"), Some(6.0));
    assert!(
        of("Q", "abandoned") >= Some(10.0),
        "nobody is there for the second half hour"
    );
    assert_eq!(of("R", "abandoned"), Some(0.0));
}

/// Two who are slow, one who is quick and one who lets it ring, and a call every three minutes.
fn four_phones(strategy: &Value) -> Expected {
    run(json!({
        "queues": [{"id": "Q", "strategy": strategy, "ring_all_max": 4, "ring_timeout_s": 15}],
        "agents": [
            {"id": "A", "queues": ["Q"], "count": 2, "answer_after_s": 9, "idle_since_s": -10},
            {"id": "B", "queues": ["Q"], "answer_after_s": 2},
            {"id": "C", "queues": ["Q"], "answer_after_s": null, "ready_after_rona_s": 5},
        ],
        "demand": [{
            "queue": "Q", "interval_s": 3_600, "arrivals": [20, 20], "timing": "exact",
            "talk": {"constant": 30},
        }],
        "replications": 3,
        "seed": 2,
    }))
}

#[test]
fn where_all_ring_the_quickest_who_is_free_decides_how_long_a_caller_waits() {
    let mean = |expected: &Expected, measure: &str| {
        let mean = estimate(expected, measure).mean;
        mean.unwrap_or_else(|| panic!("nothing is known of {measure}"))
    };
    let (all, one) = (
        four_phones(&json!("ring_all")),
        four_phones(&json!("longest_idle")),
    );
    for expected in [&all, &one] {
        assert_eq!(mean(expected, "offered"), 40.0);
        assert_eq!(mean(expected, "answered"), 40.0);
    }
    // Nobody is answered sooner than the quickest answers, and the slow ones step in while that one talks.
    assert!((2.0..4.0).contains(&mean(&all, "asa_s")), "{all:?}");
    assert!(mean(&one, "asa_s") > 4.0, "{one:?}");
    // A ring that somebody else answers is not held against whoever let it ring; as the longest idle of
    // all they would be asked alone again and again.
    assert!(mean(&all, "service_level.negative") >= mean(&one, "service_level.negative"));
}

#[test]
fn everything_that_makes_no_sense_is_told_at_once() {
    let question: WhatIf = serde_json::from_value(json!({
        "queues": [{"id": "Q"}],
        "agents": [{"id": "A", "queues": ["Q"], "count": 0},
                   {"id": "B", "shifts": [{"from_s": 5, "to_s": 5}]}],
        "demand": [{"queue": "X", "interval_s": 0, "arrivals": [-1],
                    "talk": {"empirical": []}, "patience": {"exponential": {"mean_s": -3}}}],
        "replications": 0,
    }))
    .expect("it is a question");
    let faults = expect(&question, || ControlFlow::Continue(())).expect_err("it makes no sense");
    let places: Vec<&str> = faults.iter().map(|fault| fault.place.as_str()).collect();
    assert_eq!(
        places,
        [
            "agents[0].count",
            "agents[1].shifts[0]",
            "demand[0].queue",
            "demand[0].interval_s",
            "demand[0].arrivals",
            "demand[0].talk",
            "demand[0].patience",
            "replications",
        ]
    );
}
