//! Who comes before whom: precedence, ageing, strategies.

use crate::floor::{Floor, agent, rules};
use proptest::prelude::*;
use ringdown_routing::agent::{AgentProfile, Precedence};
use ringdown_routing::contact::{Channel, Needs};
use ringdown_routing::ids::{AgentId, ContactId, QueueId, SkillId};
use ringdown_routing::queue::{QueueRules, Strategy as Choice};
use ringdown_routing::verb::{Answer, Verb};
use std::collections::BTreeSet;
use std::time::Duration;

proptest! {
    /// With ageing `a` and priorities from `p` to `q`, a contact is passed only by those that entered at
    /// most `(q - p) / a` later, however many come.
    #[test]
    fn bypass_is_bounded_by_aging(
        aging in 1_u32..5_000,
        days in prop::collection::vec((0_u64..40, -3_i32..=4, any::<bool>()), 1..120),
    ) {
        let mut floor = Floor::open([rules("desk", aging, Choice::LongestIdle)]);
        floor.log_in(agent("anna", &["desk"]));
        let mut entered = std::collections::BTreeMap::new();
        let mut talks = None;
        for (later, priority, is_over) in days {
            floor.later(later);
            entered.insert(floor.enqueue("desk", priority), floor.now);
            if is_over && let Some(contact) = talks.take() {
                floor.end(contact);
            }
            if talks.is_none() && let Some((contact, _)) = floor.meet() {
                talks = Some(contact);
                let at = entered.remove(&contact).expect("it entered");
                let bound_ms = 7 * 1_000_000 / u64::from(aging);
                for passed in entered.values() {
                    let later_by = at.since(*passed);
                    prop_assert!(later_by <= Duration::from_millis(bound_ms), "{later_by:?}");
                }
            }
        }
    }

    /// Within equal priority, first come first served, whatever the ageing.
    #[test]
    fn equals_are_served_in_the_order_they_came(
        aging in 0_u32..5_000,
        priorities in prop::collection::vec((0_u64..3, 0_i32..3), 1..60),
    ) {
        let mut floor = Floor::open([rules("desk", aging, Choice::LongestIdle)]);
        let mut contacts = Vec::new();
        for (later, priority) in priorities {
            floor.later(later);
            contacts.push((floor.enqueue("desk", priority), priority));
        }
        floor.log_in(agent("anna", &["desk"]));
        let mut served = Vec::new();
        while let Some((contact, _)) = floor.meet() {
            served.push(contact);
            floor.end(contact);
        }
        for priority in 0..3 {
            let of = |id: &ContactId| contacts.iter().any(|(other, p)| other == id && *p == priority);
            let came = contacts.iter().map(|(id, _)| *id).filter(|id| of(id));
            let went = served.iter().copied().filter(|id| of(id));
            prop_assert!(came.eq(went));
        }
    }
}

/// Longest that a caller is looked for before the line, by default.
const LOOK_UP_MS: u64 = 800;

proptest! {
    /// Callers enter their line when it is known who they are, or that nobody can tell in time. Whoever is
    /// offered then came before all who stand in the line; so a caller is passed only while still being looked
    /// for, by one who met an agent idle at that very moment.
    #[test]
    fn a_slow_identification_costs_nobody_their_place(
        callers in prop::collection::vec((0_u64..600, 0..=LOOK_UP_MS, 1_u64..4_000), 1..40),
    ) {
        let wrap_up = Duration::ZERO;
        let mut floor = Floor::open([QueueRules { wrap_up, ..rules("desk", 0, Choice::LongestIdle) }]);
        for name in ["anna", "bob"] {
            floor.log_in(agent(name, &["desk"]));
        }
        let start = floor.now;
        let mut agenda = BTreeSet::new();
        let mut came = Vec::new();
        for (gap_ms, look_up_ms, talk_ms) in callers {
            floor.now = floor.now + Duration::from_millis(gap_ms);
            let contact = floor.contact("desk", Channel::Voice);
            let enters_at = floor.now + Duration::from_millis(look_up_ms);
            agenda.insert((enters_at, came.len(), Step::Enters));
            came.push((contact, enters_at, talk_ms));
        }
        floor.now = start;
        let mut offered = BTreeSet::new();
        while let Some((at, caller, step)) = agenda.pop_first() {
            floor.now = at;
            match step {
                Step::Enters => {
                    floor.enter(came[caller].0.clone());
                }
                Step::Ends => floor.end(came[caller].0.id),
            }
            while let Some((contact, _)) = floor.meet() {
                let place = came.iter().position(|(it, ..)| it.id == contact).expect("they came");
                offered.insert(place);
                agenda.insert((at + Duration::from_millis(came[place].2), place, Step::Ends));
                for passed in (0..place).filter(|earlier| !offered.contains(earlier)) {
                    let (record, enters_at, _) = &came[passed];
                    prop_assert!(at < *enters_at || agenda.contains(&(at, passed, Step::Enters)), "they stand in the line");
                    prop_assert!(at.since(record.enqueued_at) <= Duration::from_millis(LOOK_UP_MS));
                }
            }
        }
        prop_assert_eq!(offered.len(), came.len());
    }
}

/// What happens to a caller of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Enters,
    Ends,
}

#[test]
fn without_aging_the_urgent_come_first_however_long_the_others_wait() {
    let mut floor = Floor::open([rules("desk", 0, Choice::LongestIdle)]);
    floor.enqueue("desk", 0);
    floor.later(100_000);
    let urgent = floor.enqueue("desk", 1);
    floor.log_in(agent("anna", &["desk"]));
    assert_eq!(floor.meet(), Some((urgent, "anna".to_owned())));
}

#[test]
fn new_rules_put_those_who_wait_in_their_new_order() {
    let mut floor = Floor::open([rules("desk", 0, Choice::LongestIdle)]);
    let patient = floor.enqueue("desk", 0);
    floor.later(11);
    let urgent = floor.enqueue("desk", 1);
    let view = floor.desk.view();
    assert_eq!(
        (view.position(patient), view.position(urgent)),
        (Some(2), Some(1))
    );
    let rules = rules("desk", 100, Choice::LongestIdle);
    floor.done(Verb::SetQueue { rules });
    let view = floor.desk.view();
    assert_eq!(
        (view.position(patient), view.position(urgent)),
        (Some(1), Some(2))
    );
    floor.log_in(agent("anna", &["desk"]));
    assert_eq!(floor.meet(), Some((patient, "anna".to_owned())));
}

#[test]
fn between_queues_that_age_differently_the_present_decides() {
    let slow = rules("slow", 100, Choice::LongestIdle);
    let fast = rules("fast", 1_000, Choice::LongestIdle);
    for (wait_s, first) in [(4, "slow"), (6, "fast")] {
        let mut floor = Floor::open([slow.clone(), fast.clone()]);
        let in_slow = floor.enqueue("slow", 5);
        let in_fast = floor.enqueue("fast", 0);
        floor.later(wait_s);
        floor.log_in(agent("anna", &["slow", "fast"]));
        let expected = if first == "slow" { in_slow } else { in_fast };
        assert_eq!(floor.meet(), Some((expected, "anna".to_owned())));
    }
}

#[test]
fn a_queue_with_lower_precedence_waits_until_the_first_is_empty_but_not_for_others_agents() {
    let usual = || ["first", "second"].map(|queue| rules(queue, 0, Choice::LongestIdle));
    let mut floor = Floor::open(usual());
    let mut anna = agent("anna", &["first", "second"]);
    anna.queues.insert(QueueId::from("second"), Precedence(2));
    let urgent = floor.enqueue("second", 9);
    floor.later(1);
    let plain = floor.enqueue("first", 0);
    floor.log_in(anna);
    assert_eq!(floor.meet(), Some((plain, "anna".to_owned())));
    // Somebody for whom the second queue comes first takes it although anna has been idle longer.
    floor.end(plain);
    floor.later(5);
    floor.log_in(agent("bob", &["second"]));
    assert_eq!(floor.meet(), Some((urgent, "bob".to_owned())));
}

/// Serves contacts one after the other, each taking a minute, and tells who got them.
fn served(strategy: Choice, agents: Vec<AgentProfile>, contacts: usize) -> Vec<String> {
    let mut floor = Floor::open([rules("desk", 0, strategy)]);
    for profile in agents {
        floor.log_in(profile);
        floor.later(1);
    }
    (0..contacts)
        .map(|_| {
            let contact = floor.enqueue("desk", 0);
            let (met, name) = floor.meet().expect("somebody is free");
            assert_eq!(met, contact);
            floor.later(60);
            floor.end(contact);
            name
        })
        .collect()
}

#[test]
fn who_answered_fewest_comes_first() {
    let agents = ["anna", "bob", "cleo"].map(|name| agent(name, &["desk"]));
    let names = served(Choice::FewestContacts, agents.to_vec(), 6);
    assert_eq!(names, ["anna", "bob", "cleo", "anna", "bob", "cleo"]);
}

#[test]
fn who_was_asked_longest_ago_comes_first_in_turn() {
    let mut floor = Floor::open([rules("desk", 0, Choice::RoundRobin)]);
    for name in ["anna", "bob"] {
        floor.log_in(agent(name, &["desk"]));
    }
    // Anna is asked and the caller leaves, so she has been idle longest, yet it is Bob's turn.
    let caller = floor.enqueue("desk", 0);
    let (contact, agent) = (caller, AgentId::from("anna"));
    let offered = floor.ask(Verb::Offer {
        contact,
        agent,
        others: Vec::new(),
    });
    assert!(matches!(offered, Answer::Reserved { .. }), "{offered:?}");
    floor.done(Verb::Abandon { contact: caller });
    let next = floor.enqueue("desk", 0);
    assert_eq!(floor.meet(), Some((next, "bob".to_owned())));
}

#[test]
fn contacts_are_shared_by_weight() {
    let weights = [("anna", 1), ("bob", 3)];
    let agents = weights.map(|(name, weight)| AgentProfile {
        weight,
        ..agent(name, &["desk"])
    });
    let names = served(Choice::Weighted, agents.to_vec(), 40);
    let of_anna = names.iter().filter(|name| *name == "anna").count();
    assert_eq!(of_anna, 10);
}

#[test]
fn who_was_least_with_contacts_comes_first() {
    let mut floor = Floor::open([rules("desk", 0, Choice::LeastOccupied)]);
    floor.log_in(agent("anna", &["desk"]));
    let long = floor.enqueue("desk", 0);
    assert_eq!(floor.meet(), Some((long, "anna".to_owned())));
    floor.log_in(agent("bob", &["desk"]));
    floor.later(10);
    let short = floor.enqueue("desk", 0);
    assert_eq!(floor.meet(), Some((short, "bob".to_owned())));
    floor.later(90);
    floor.end(long);
    floor.later(1);
    floor.end(short);
    // Bob has been idle for less time, but was with contacts for 91 s of 101 and Anna for all of hers.
    let next = floor.enqueue("desk", 0);
    assert_eq!(floor.meet(), Some((next, "bob".to_owned())));
}

#[test]
fn who_has_most_of_what_the_contact_needs_comes_first() {
    let mut floor = Floor::open([rules("desk", 0, Choice::MostSkilled)]);
    for (name, level) in [("anna", 2), ("bob", 9)] {
        let mut profile = agent(name, &["desk"]);
        profile.skills.insert(SkillId::from("net"), level);
        floor.log_in(profile);
        floor.later(1);
    }
    let mut contact = floor.contact("desk", Channel::Voice);
    contact.skills = Needs::always([(SkillId::from("net"), 1)].into());
    let id = floor.enter(contact);
    assert_eq!(floor.meet(), Some((id, "bob".to_owned())));
}

#[test]
fn served_queues_are_read_in_both_spellings_and_written_in_the_shorter() {
    let text = r#"{"id":"anna","name":"Anna","queues":["a",{"id":"b","precedence":2}]}"#;
    let profile: AgentProfile = serde_json::from_str(text).expect("a profile");
    assert_eq!(profile.queues[&QueueId::from("a")], Precedence(1));
    assert_eq!(profile.queues[&QueueId::from("b")], Precedence(2));
    let written = serde_json::to_string(&profile).expect("JSON");
    assert!(
        written.contains(r#""queues":["a",{"id":"b","precedence":2}]"#),
        "{written}"
    );
    assert!(!written.contains("weight"), "{written}");
}
