//! What holds of every simulation, on random scenarios.

use proptest::prelude::*;
use ringdown_routing::agent::{Precedence, Served};
use ringdown_routing::ids::QueueId;
use ringdown_routing::queue::Strategy as By;
use ringdown_routing::simulation::{
    AnswerAfter, Scenario, ScenarioAgent, ScenarioContact, ScenarioQueue, ScenarioSkillStep,
    Simulated, simulate,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// An event with names of its own, to be kept.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    at_s: i64,
    event: String,
    contact: Option<String>,
    agent: Option<String>,
    queue: Option<String>,
}

fn play(scenario: &Scenario) -> (Vec<Told>, Simulated) {
    let mut events = Vec::new();
    let simulated = simulate(scenario, |event| {
        let word = serde_json::to_value(event.event).expect("it is a word");
        events.push(Told {
            at_s: event.at_s,
            event: word.as_str().expect("it is a word").to_owned(),
            contact: event.contact.map(str::to_owned),
            agent: event.agent.map(str::to_owned),
            queue: event.queue.map(str::to_owned),
        });
        ControlFlow::Continue(())
    });
    (events, simulated.expect("random scenarios make sense"))
}

fn from_json<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value).expect("the rest has defaults")
}

fn queue(id: &'static str) -> impl Strategy<Value = ScenarioQueue> {
    let rules = (
        1..20_i64,
        prop::option::weighted(0.2, 0..4_u32),
        0..200_u32,
        (strategy(), 1..4_u16),
    );
    rules.prop_map(
        move |(ring, waiting_max, aging, (strategy, at_once))| ScenarioQueue {
            ring_timeout_s: ring,
            ring_all_max: at_once,
            waiting_max,
            aging_per_s: f64::from(aging) / 1_000.0,
            strategy,
            ..from_json(serde_json::json!({"id": id}))
        },
    )
}

fn served() -> impl Strategy<Value = Served> {
    let precedence = || (1..3_u8).prop_map(Precedence);
    prop_oneof![Just(vec!["Q"]), Just(vec!["R"]), Just(vec!["Q", "R"]),]
        .prop_flat_map(move |queues| {
            let with_precedence = |queue| (Just(QueueId::from(queue)), precedence());
            queues.into_iter().map(with_precedence).collect::<Vec<_>>()
        })
        .prop_map(Served::from_iter)
}

fn strategy() -> impl Strategy<Value = By> {
    prop_oneof![
        Just(By::LongestIdle),
        Just(By::LeastOccupied),
        Just(By::FewestContacts),
        Just(By::RoundRobin),
        Just(By::MostSkilled),
        Just(By::Weighted),
        Just(By::RingAll),
    ]
}

fn level() -> impl Strategy<Value = BTreeMap<String, u8>> {
    prop::option::of(1..4_u8).prop_map(|level| {
        level
            .map(|level| ("net".to_owned(), level))
            .into_iter()
            .collect()
    })
}

fn agent(number: usize) -> impl Strategy<Value = ScenarioAgent> {
    let presence = (
        0..60_i64,
        prop::option::weighted(0.3, 1..100_i64),
        prop::option::of(-50..1_i64),
    );
    let ringing = (
        prop::option::weighted(0.9, 0..20_i64),
        prop::option::of(0..40_i64),
    );
    (served(), level(), presence, ringing).prop_map(
        move |(queues, skills, (login, stay, idle_since), (after, back))| ScenarioAgent {
            queues,
            skills,
            login_s: login,
            logout_s: stay.map(|stay| login + stay),
            idle_since_s: idle_since,
            answer_after_s: after.map_or(AnswerAfter::Never, AnswerAfter::Seconds),
            ready_after_rona_s: back,
            ..from_json(serde_json::json!({"id": format!("A{number}")}))
        },
    )
}

fn contact(number: usize) -> impl Strategy<Value = ScenarioContact> {
    let times = (0..100_i64, 0..40_i64, 0..10_i64);
    let patience = prop::option::weighted(0.9, 0..60_i64);
    let needs = prop::option::weighted(0.3, 1..4_u8);
    (
        times,
        patience,
        needs,
        0..3_i32,
        prop_oneof![Just("Q"), Just("R")],
    )
        .prop_map(
            move |((at, talk, wrap_up), patience, needs, priority, queue)| ScenarioContact {
                at_s: at,
                talk_s: talk,
                wrap_up_s: wrap_up,
                patience_s: patience,
                priority,
                skills: needs
                    .map(|level| ScenarioSkillStep {
                        need: BTreeMap::from([("net".to_owned(), level)]),
                        until_s: None,
                    })
                    .into_iter()
                    .collect(),
                ..from_json(
                    serde_json::json!({"id": format!("c{number}"), "at_s": 0, "queue": queue}),
                )
            },
        )
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let agents = (0..5_usize).prop_flat_map(|count| (0..count).map(agent).collect::<Vec<_>>());
    let contacts = (0..25_usize).prop_flat_map(|count| (0..count).map(contact).collect::<Vec<_>>());
    (queue("Q"), queue("R"), agents, contacts).prop_map(|(q, r, agents, contacts)| Scenario {
        queues: vec![q, r],
        agents,
        contacts,
    })
}

fn shuffled() -> impl Strategy<Value = (Scenario, Scenario)> {
    scenario().prop_flat_map(|scenario| {
        let original = scenario.clone();
        (
            Just(scenario.queues).prop_shuffle(),
            Just(scenario.agents).prop_shuffle(),
            Just(scenario.contacts).prop_shuffle(),
        )
            .prop_map(move |(queues, agents, contacts)| {
                let shuffled = Scenario {
                    queues,
                    agents,
                    contacts,
                };
                (original.clone(), shuffled)
            })
    })
}

proptest! {
    #[test]
    fn the_order_of_the_lists_changes_nothing((original, shuffled) in shuffled()) {
        prop_assert_eq!(play(&original), play(&shuffled));
    }

    #[test]
    fn every_contact_arrives_once_and_ends_at_most_once(scenario in scenario()) {
        let (events, simulated) = play(&scenario);
        let mut ended: BTreeMap<&str, u32> = BTreeMap::new();
        let mut arrived = BTreeSet::new();
        for told in &events {
            let contact = told.contact.as_deref().unwrap_or("");
            match told.event.as_str() {
                "arrived" => prop_assert!(arrived.insert(contact)),
                "blocked" | "abandoned" | "ended" => *ended.entry(contact).or_default() += 1,
                _ => {}
            }
        }
        prop_assert_eq!(arrived.len(), scenario.contacts.len());
        prop_assert!(ended.values().all(|times| *times == 1));
        for figures in simulated.statistics.values() {
            prop_assert!(figures.is_conserved);
        }
        let waiting = simulated.desk.counts.waiting;
        prop_assert_eq!(usize::try_from(waiting).unwrap(), arrived.len() - ended.len());
        prop_assert_eq!(simulated.desk.counts.in_progress, 0);
    }

    #[test]
    fn no_agent_has_two_contacts_and_no_contact_two_agents_unless_all_ring(scenario in scenario()) {
        let (events, _) = play(&scenario);
        let at_once = |queue: Option<&String>| {
            let rules = scenario.queues.iter().find(|rules| Some(&rules.id) == queue);
            let rules = rules.filter(|rules| rules.strategy == By::RingAll);
            rules.map_or(1, |rules| usize::from(rules.ring_all_max))
        };
        let mut holds: BTreeMap<String, String> = BTreeMap::new();
        let mut answered: BTreeSet<String> = BTreeSet::new();
        for told in events {
            let (contact, agent) = (told.contact.unwrap_or_default(), told.agent);
            match (told.event.as_str(), agent) {
                ("offered", Some(agent)) => {
                    let ring = holds.values().filter(|held| **held == contact).count();
                    prop_assert!(ring < at_once(told.queue.as_ref()), "{}", contact);
                    prop_assert!(!answered.contains(&contact), "{}", contact);
                    prop_assert_eq!(holds.insert(agent, contact), None);
                }
                ("answered", Some(agent)) => {
                    prop_assert_eq!(holds.get(&agent), Some(&contact));
                    prop_assert!(answered.insert(contact.clone()), "{} is won twice", contact);
                    holds.retain(|other, held| *held != contact || *other == agent);
                }
                ("ended", Some(agent)) => {
                    prop_assert_eq!(holds.remove(&agent), Some(contact));
                }
                ("abandoned", Some(agent)) => {
                    prop_assert_eq!(holds.get(&agent), Some(&contact));
                    holds.retain(|_, held| *held != contact);
                }
                ("ring_timeout", Some(agent)) => {
                    prop_assert_eq!(holds.remove(&agent), Some(contact));
                }
                _ => {}
            }
        }
        prop_assert!(holds.is_empty(), "{:?} are not let go", holds);
    }

    #[test]
    fn the_figures_are_those_that_the_events_tell(scenario in scenario()) {
        let (events, simulated) = play(&scenario);
        let arrivals: BTreeMap<&str, i64> = events
            .iter()
            .filter(|told| told.event == "arrived")
            .filter_map(|told| Some((told.contact.as_deref()?, told.at_s)))
            .collect();
        for (queue, figures) in &simulated.statistics {
            let waits = |word: &str| -> Vec<i64> {
                events
                    .iter()
                    .filter(|told| told.event == word && told.queue.as_ref() == Some(queue))
                    .filter_map(|told| Some(told.at_s - arrivals[told.contact.as_deref()?]))
                    .collect()
            };
            let (answered, abandoned) = (waits("answered"), waits("abandoned"));
            let counts = figures.counts;
            prop_assert_eq!(counts.answered, answered.len() as u64);
            prop_assert_eq!(counts.abandoned, abandoned.len() as u64);
            prop_assert_eq!(counts.offered, (waits("arrived").len() - waits("blocked").len()) as u64);
            prop_assert_eq!(counts.short_abandoned, abandoned.iter().filter(|wait| **wait < 5).count() as u64);
            prop_assert_eq!(counts.answered_within, answered.iter().filter(|wait| **wait <= 20).count() as u64);
            let sum: i64 = answered.iter().sum();
            let mean = (!answered.is_empty()).then(|| sum as f64 / answered.len() as f64);
            prop_assert_eq!(figures.asa_s, mean);
        }
    }
}
