//! The staffing formulas against figures computed to 500 places by `fixtures/staffing/make`, the
//! points that are published, and what must hold for every load.

use proptest::prelude::*;
use ringdown_routing::staffing::{
    Blocking, Deadline, ErlangA, ErlangC, ErlangX, Load, Patience, Plan, Question, StaffingFault,
    Stretch, Target, Wait, scheduled,
};
use ringdown_routing::time::Timestamp;
use std::time::Duration;

const REFERENCE: &str = include_str!("../../fixtures/staffing/erlang.csv");

const RETRIALS: &str = include_str!("../../fixtures/staffing/erlang_x.csv");

const PATIENCE: &str = include_str!("../../fixtures/staffing/patience.csv");

/// One row of the reference, by column.
struct Row<'a> {
    names: Vec<&'a str>,
    cells: Vec<&'a str>,
}

impl<'a> Row<'a> {
    fn all(reference: &'static str) -> Vec<Row<'static>> {
        let mut lines = reference.lines().filter(|line| !line.starts_with('#'));
        let names: Vec<&str> = lines.next().expect("a heading").split(',').collect();
        lines
            .map(|line| Row {
                names: names.clone(),
                cells: line.split(',').collect(),
            })
            .collect()
    }

    fn text(&self, name: &str) -> &'a str {
        self.cells[self
            .names
            .iter()
            .position(|have| *have == name)
            .expect("a column")]
    }

    fn number(&self, name: &str) -> f64 {
        self.text(name).parse().expect("a number")
    }

    fn compare(&self, name: &str, ours: f64) {
        let exact = self.number(name);
        let is_close = (ours - exact).abs() <= 1e-9 * exact.abs();
        let is_nothing = exact.abs() < 1e-300 && ours.abs() < 1e-300;
        assert!(
            is_close || is_nothing,
            "{name} of {:?}: {ours:e} for {exact:e}",
            self.cells
        );
    }
}

#[test]
fn patience_agrees_with_a_count_of_everybody_at_every_instant() {
    let rows = Row::all(PATIENCE);
    let mut sets = 0;
    for set in rows.chunk_by(|a, b| a.text("set") == b.text("set")) {
        let whole = |row: &Row<'_>, name| row.text(name).parse().expect("milliseconds");
        let waits = set.iter().filter_map(|row| {
            let wait: fn(u64) -> Wait = match row.text("what") {
                "abandoned" => Wait::abandoned,
                "answered" => Wait::answered,
                "gone" => Wait::gone,
                _ => return None,
            };
            Some(wait(whole(row, "ms")).seen_from(whole(row, "from")))
        });
        let patience = Patience::estimate(waits);
        let steps: Vec<_> = set
            .iter()
            .filter(|row| row.text("what") == "step")
            .collect();
        assert_eq!(patience.curve.len(), steps.len());
        for (ours, step) in patience.curve.iter().zip(steps) {
            step.compare("share", ours.still_patient);
            step.compare("ms", ours.wait_s * 1_000.0);
        }
        let mean = set.iter().find(|row| row.text("what") == "mean");
        let mean = mean.expect("a mean");
        match patience.mean_s {
            Some(mean_s) => mean.compare("ms", mean_s * 1_000.0),
            None => assert_eq!(mean.text("ms"), ""),
        }
        sets += 1;
    }
    assert_eq!(sets, 8);
}

/// A load with handling times of a second, as the reference counts.
fn load(erlang: f64) -> Blocking {
    Blocking::new(Load::of(erlang, 1.0, 1.0))
}

#[test]
fn every_figure_agrees_with_exact_arithmetic_to_nine_digits() {
    let rows = Row::all(REFERENCE);
    assert!(rows.len() >= 60, "{} rows", rows.len());
    for row in rows {
        let agents: u32 = row.text("agents").parse().unwrap();
        let (patience, threshold) = (row.number("patience"), row.number("threshold"));
        let mut blocking = load(row.number("load"));
        row.compare("b", blocking.share(agents));
        match ErlangC::at(&mut blocking, 1.0, agents) {
            Some(queue) => {
                row.compare("c", queue.probability_of_wait);
                row.compare("c_level", queue.service_level(threshold));
                row.compare("c_asa", queue.asa_s());
            }
            None => assert_eq!(row.text("c"), "", "unstable"),
        }
        let queue = ErlangA::at(&mut blocking, 1.0, patience, agents);
        row.compare("wait", queue.probability_of_wait());
        row.compare("abandon", queue.abandon_rate());
        row.compare("mean_wait", queue.mean_wait_s());
        row.compare("occupancy", queue.occupancy());
        row.compare("longer", queue.probability_of_longer(threshold));
        let level = queue.service_level(threshold);
        row.compare("negative", level.negative.unwrap());
        row.compare("positive", level.positive.unwrap());
        row.compare("ignored", level.ignored.unwrap());
        row.compare("handled", level.handled.unwrap());
    }
}

#[test]
fn attempts_and_losses_of_those_who_call_again_agree_with_exact_arithmetic() {
    let rows = Row::all(RETRIALS);
    assert_eq!(rows.len(), 16);
    for row in rows {
        let agents: u32 = row.text("agents").parse().unwrap();
        let (patience, retrial) = (row.number("patience"), row.number("retrial"));
        let mut blocking = load(row.number("load"));
        let queue = ErlangX::at(&mut blocking, 1.0, patience, retrial, agents);
        row.compare("attempts", queue.attempts_each);
        row.compare("abandon", queue.attempt.abandon_rate());
        row.compare("lost", queue.lost_share);
    }
}

#[test]
fn the_published_points_come_out() {
    // 50 agents, 48 calls a minute of a minute each.
    let mut blocking = Blocking::new(Load::of(48.0, 60.0, 60.0));
    let patient = ErlangC::at(&mut blocking, 60.0, 50).unwrap();
    assert!((patient.asa_s() - 20.83).abs() < 0.005);
    assert!((patient.wait_percentile_s(0.9) - 58.1).abs() < 0.05);
    let impatient = ErlangA::at(&mut blocking, 60.0, 120.0, 50);
    assert!((impatient.abandon_rate() - 0.0309).abs() < 5e-5);
    assert!((impatient.mean_wait_s() - 3.71).abs() < 0.005);
}

fn question() -> Question {
    let target = "80/20".parse().expect("a target");
    Question {
        patience_s: Some(180.0),
        shrinkage: vec![0.3],
        ..Question::new(75.0, 1_800.0, 240.0, target)
    }
}

#[test]
fn the_answer_has_the_shape_that_is_promised() {
    let answer = serde_json::to_value(question().answer().unwrap()).unwrap();
    assert_eq!(answer["load_erlang"], 10.0);
    assert_eq!(answer["erlang_c"]["agents"], 14);
    assert_eq!(answer["erlang_c"]["scheduled"], 20);
    assert_eq!(answer["erlang_c"]["stable"], true);
    assert_eq!(answer["erlang_a"]["agents"], 13);
    assert_eq!(answer["erlang_a"]["scheduled"], 19);
    for field in ["probability_of_wait", "service_level", "asa_s", "occupancy"] {
        assert!(answer["erlang_c"][field].is_f64(), "{field}");
    }
    for variant in ["negative", "positive", "ignored", "handled"] {
        assert!(answer["erlang_a"]["service_level"][variant].is_f64());
    }
    assert!(answer.get("erlang_x").is_none() && answer.get("deadline").is_none());
    let patient = Question {
        patience_s: None,
        ..question()
    };
    assert!(patient.answer().unwrap().erlang_a.is_none());
}

#[test]
fn too_few_agents_are_told_in_words_and_without_figures() {
    let few = Question {
        agents: Some(10),
        ..question()
    };
    let answer = serde_json::to_value(few.answer().unwrap()).unwrap();
    let patient = &answer["erlang_c"];
    assert_eq!(patient["stable"], false);
    for field in ["probability_of_wait", "service_level", "asa_s", "occupancy"] {
        assert!(patient[field].is_null(), "{field}");
    }
    let words = patient["explanation"].as_str().unwrap();
    assert!(
        words.contains("10 erlang") && words.contains("at least 11"),
        "{words}"
    );
    assert!(
        answer["erlang_a"]["abandon_rate"].is_f64(),
        "callers who give up keep it stable"
    );
}

#[test]
fn nobody_calling_takes_nobody_and_divides_by_nothing() {
    let nobody = Question {
        calls: 0.0,
        retrial: Some(0.5),
        ..question()
    };
    let answer = nobody.answer().unwrap();
    assert_eq!((answer.erlang_c.agents, answer.erlang_c.scheduled), (0, 0));
    assert!(answer.erlang_c.stable);
    assert_eq!(answer.erlang_c.service_level, None);
    assert_eq!(answer.erlang_a.unwrap().occupancy, None);
    let idle = Question {
        agents: Some(3),
        ..nobody
    };
    assert_eq!(idle.answer().unwrap().erlang_c.occupancy, Some(0.0));
}

#[test]
fn shrinkages_compound_and_whole_numbers_stay_whole() {
    assert_eq!(scheduled(14, &[0.3]), 20);
    assert_eq!(scheduled(21, &[0.3]), 30, "21 / 0.7 is exactly 30");
    assert_eq!(scheduled(13, &[0.3]), 19);
    assert_eq!(scheduled(63, &[0.3, 0.1]), 100);
    assert_eq!(scheduled(100_000, &[0.000_001]), 100_001);
    assert_eq!(scheduled(0, &[0.5]), 0);
}

#[test]
fn agents_who_chat_with_three_at_once_are_a_third() {
    let chat = Question {
        concurrency: 3,
        ..question()
    };
    let answer = chat.answer().unwrap();
    assert_eq!(answer.erlang_c.agents, 5, "14 places are 5 agents");
    let places = Question {
        agents: Some(15),
        ..question()
    };
    let service_level = places.answer().unwrap().erlang_c.service_level;
    assert_eq!(answer.erlang_c.service_level, service_level);
}

#[test]
fn a_backlog_is_done_by_its_deadline_and_does_not_grow() {
    let mails = |backlog, agents| Question {
        deadline: Some(Deadline {
            deadline_s: 14_400.0,
            backlog,
        }),
        agents,
        ..question()
    };
    let staff = |question: Question| question.answer().unwrap().deadline.unwrap();
    assert_eq!(staff(mails(0.0, None)).agents, 10, "what comes in is done");
    let many = staff(mails(900.0, None));
    assert_eq!(
        (many.agents, many.longest_wait_s, many.met),
        (15, 14_400.0, true)
    );
    assert!(!staff(mails(900.0, Some(14))).met);
}

#[test]
fn those_who_call_again_are_served_and_counted_again() {
    let mut blocking = Blocking::new(Load::of(48.0, 60.0, 60.0));
    let once = ErlangA::at(&mut blocking, 60.0, 120.0, 45);
    let again = ErlangX::at(&mut blocking, 60.0, 120.0, 0.5, 45);
    assert!(again.attempt.abandon_rate() > once.abandon_rate());
    let told = again.attempts_each * (1.0 - 0.5 * again.attempt.abandon_rate());
    assert!((told - 1.0).abs() < 1e-12, "{told}");
    let answered = again.attempts_each * (1.0 - again.attempt.abandon_rate());
    assert!((answered + again.lost_share - 1.0).abs() < 1e-12);
    let never = ErlangX::at(&mut blocking, 60.0, 120.0, 0.0, 45);
    assert!((never.attempt.abandon_rate() - once.abandon_rate()).abs() < 1e-15);
}

#[test]
fn senseless_questions_are_refused_in_words() {
    let wrong = |question: Question| question.answer().unwrap_err().to_string();
    assert!(
        wrong(Question {
            aht_s: 0.0,
            ..question()
        })
        .starts_with("aht must be more than 0")
    );
    assert!(
        wrong(Question {
            calls: f64::NAN,
            ..question()
        })
        .starts_with("calls must be")
    );
    assert!(
        wrong(Question {
            calls: 1e9,
            ..question()
        })
        .contains("more than is computed")
    );
    assert!(
        wrong(Question {
            shrinkage: vec![1.0],
            ..question()
        })
        .contains("less than 1")
    );
    assert!(
        wrong(Question {
            agents: Some(0),
            ..question()
        })
        .contains("agents must be")
    );
    let retrial = Question {
        retrial: Some(0.5),
        patience_s: None,
        ..question()
    };
    assert_eq!(retrial.answer().unwrap_err(), StaffingFault::NoPatience);
    for text in ["80", "80/", "0/20", "100/20", "80/-1", "x/20", "nan/20"] {
        assert!(text.parse::<Target>().is_err(), "{text}");
    }
    let target: Target = "80%/20s".parse().unwrap();
    assert_eq!((target.share, target.threshold_s), (0.8, 20.0));
}

/// Stretches of half an hour, each with its calls and agents; calls of four minutes, patience of three.
fn plan(stretches: &[(f64, u32)]) -> Plan {
    let half_hour = |number: usize| Timestamp::from_seconds(1_800 * number as i64);
    Plan {
        stretches: stretches
            .iter()
            .enumerate()
            .map(|(number, (calls, agents))| Stretch {
                from: half_hour(number),
                to: half_hour(number + 1),
                calls: *calls,
                agents: *agents,
            })
            .collect(),
        cell: Duration::from_secs(1_800),
        aht_s: 240.0,
        patience_s: Some(180.0),
        target: "80/20".parse().expect("a target"),
    }
}

#[test]
fn a_steady_plan_that_is_rehearsed_agrees_with_erlang_a() {
    // Two days; what differs from the formula is the empty desk of the first minutes.
    let rehearsal = plan(&[(75.0, 12); 96]).rehearse(10, 7);
    let mut blocking = Blocking::new(Load::of(75.0, 240.0, 1_800.0));
    let exact = ErlangA::at(&mut blocking, 240.0, 180.0, 12);
    let level = rehearsal.service_level.expect("somebody came");
    let within = level.within.expect("several runs");
    let exact_level = exact.answered_within(20.0);
    assert!(within < 0.01, "{level:?}");
    assert!(
        (level.mean - exact_level).abs() < 1.5 * within + 0.002,
        "{level:?} {exact_level}"
    );
    let abandoned = rehearsal.total.abandon_rate.expect("somebody came");
    assert!(
        (abandoned - exact.abandon_rate()).abs() < 0.005,
        "{abandoned}"
    );
    let occupancy = rehearsal.total.occupancy.expect("somebody worked");
    assert!((occupancy - exact.occupancy()).abs() < 0.01, "{occupancy}");
    assert!(rehearsal.total.is_conserved);
}

#[test]
fn a_queue_is_carried_into_the_next_stretch() {
    let quiet = (5.0, 12);
    let after_rush = plan(&[quiet, (200.0, 12), quiet]).rehearse(20, 1);
    let undisturbed = plan(&[quiet, quiet, quiet]).rehearse(20, 1);
    let level = |rehearsal: &ringdown_routing::staffing::Rehearsal| {
        rehearsal.stretches[2]
            .service_level
            .negative
            .expect("somebody came")
    };
    assert!(level(&after_rush) < level(&undisturbed) - 0.03);
    assert!(level(&undisturbed) > 0.99);
}

#[test]
fn the_same_seed_gives_the_same_rehearsal_and_another_another() {
    let plan = plan(&[(30.0, 6), (40.0, 7)]);
    assert_eq!(plan.rehearse(2, 5), plan.rehearse(2, 5));
    assert_ne!(plan.rehearse(2, 5), plan.rehearse(2, 6));
    let nobody = Plan {
        stretches: Vec::new(),
        ..plan
    };
    assert_eq!(nobody.rehearse(2, 5).service_level, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_fewest_agents_meet_the_target_and_one_less_does_not(
        calls in 1_u32..200, aht_s in 10_u32..900, percent in 1_u32..99, threshold_s in 0_u32..120, patience_s in 5_u32..2_000,
    ) {
        let target = Target { share: f64::from(percent) / 100.0, threshold_s: threshold_s.into() };
        let question = Question {
            patience_s: Some(patience_s.into()),
            ..Question::new(calls.into(), 1_800.0, aht_s.into(), target)
        };
        let answer = question.answer().unwrap();
        let at = |agents| Question { agents: Some(agents), ..question.clone() }.answer().unwrap();
        let (patient, impatient) = (answer.erlang_c, answer.erlang_a.unwrap());
        prop_assert!(patient.service_level.unwrap() >= target.share);
        prop_assert!(impatient.service_level.negative.unwrap() >= target.share);
        if patient.agents > 1 {
            prop_assert!(at(patient.agents - 1).erlang_c.service_level.is_none_or(|level| level < target.share));
        }
        if impatient.agents > 1 {
            prop_assert!(at(impatient.agents - 1).erlang_a.unwrap().service_level.negative.unwrap() < target.share);
        }
    }

    #[test]
    fn shares_are_shares_and_agree_with_each_other(
        agents in 1_u32..400, erlang in 0.01..400.0_f64, patience in 0.001..100.0_f64, threshold in 0.0..5.0_f64,
    ) {
        let queue = ErlangA::at(&mut load(erlang), 1.0, patience, agents);
        let level = queue.service_level(threshold);
        let (negative, positive) = (level.negative.unwrap(), level.positive.unwrap());
        prop_assert!(0.0 <= negative && negative <= positive && positive <= 1.0 + 1e-12);
        prop_assert!((positive + queue.probability_of_longer(threshold) - 1.0).abs() < 1e-11);
        prop_assert!(level.ignored.unwrap() <= 1.0 + 1e-12 && level.handled.unwrap() <= 1.0 + 1e-12);
        prop_assert!(queue.occupancy() <= 1.0 + 1e-12 && queue.abandon_rate() <= queue.probability_of_wait());
        let p90 = queue.wait_percentile_s(0.9);
        prop_assert!(queue.probability_of_longer(p90) <= 0.1 + 1e-9);
    }

    #[test]
    fn endless_patience_is_erlang_c(agents in 1_u32..300, share in 0.1..0.97_f64) {
        let mut blocking = load(f64::from(agents) * share);
        let patient = ErlangC::at(&mut blocking, 1.0, agents).unwrap();
        let impatient = ErlangA::at(&mut blocking, 1.0, 1e8, agents);
        prop_assert!((impatient.probability_of_wait() - patient.probability_of_wait).abs() < 1e-5);
        prop_assert!((impatient.mean_wait_s() - patient.asa_s()).abs() < 1e-4 * patient.asa_s().max(1.0));
    }
}
