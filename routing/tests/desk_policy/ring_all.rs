//! Several phones ring for one contact, and one agent wins it.

use crate::floor::{Floor, START, agent, rules};
use ringdown_routing::agent::{Agent, AgentProfile, Precedence, State, Status};
use ringdown_routing::contact::{Channel, Needs, Place, Reserved, SkillStep};
use ringdown_routing::ids::{AgentId, ContactId, OfferToken, QueueId, SkillId};
use ringdown_routing::queue::{QueueRules, Strategy};
use ringdown_routing::statistics::Scope;
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{DeclineReason, RING_ON_NO_ANSWER, Refusal, RequeueReason, Verb};
use std::collections::BTreeMap;
use std::time::Duration;

const ALL: [&str; 3] = ["anna", "bob", "cleo"];

fn desk_rules() -> QueueRules {
    rules("desk", 0, Strategy::RingAll)
}

/// Three agents, who came one second after the other.
fn open(desk: QueueRules) -> Floor {
    let mut floor = Floor::open([desk, rules("other", 0, Strategy::LongestIdle)]);
    for name in ALL {
        floor.log_in(agent(name, &["desk", "other"]));
        floor.later(1);
    }
    floor
}

fn known<'f>(floor: &'f Floor, name: &str) -> &'f Agent {
    let found = floor.desk.view().agent(&AgentId::from(name));
    found.expect("they work here")
}

fn idle_since(floor: &Floor) -> [Timestamp; 3] {
    ALL.map(|name| known(floor, name).idle_since)
}

fn states(floor: &Floor) -> [State; 3] {
    ALL.map(|name| known(floor, name).state())
}

fn place(floor: &Floor, contact: ContactId) -> Place {
    let placed = floor.desk.view().contact(contact);
    placed.expect("it is here").place.clone()
}

fn names(agents: &[&str]) -> Vec<String> {
    agents.iter().map(ToString::to_string).collect()
}

fn offer(contact: ContactId, agents: &[&str]) -> Verb {
    let mut agents = agents.iter().map(|name| AgentId::from(*name));
    Verb::Offer {
        contact,
        agent: agents.next().expect("somebody"),
        others: agents.collect(),
    }
}

fn decline(token: OfferToken, reason: DeclineReason) -> Verb {
    Verb::Decline { token, reason }
}

#[test]
fn all_who_may_take_it_are_rung_the_longest_idle_first_up_to_the_bound() {
    let mut floor = open(desk_rules());
    let caller = floor.enqueue("desk", 0);
    assert_eq!(floor.ring_next(), Some((caller, names(&ALL))));
    floor.done(Verb::SetQueue {
        rules: QueueRules {
            ring_all_max: 2,
            ..desk_rules()
        },
    });
    assert_eq!(floor.ring_next(), Some((caller, names(&["anna", "bob"]))));
    let elsewhere = floor.enqueue("other", 5);
    assert_eq!(floor.ring_next(), Some((elsewhere, names(&["anna"]))));
}

#[test]
fn whoever_answers_first_has_it_and_the_others_keep_their_idle_time() {
    let mut floor = open(desk_rules());
    let caller = floor.enqueue("desk", 0);
    let before = idle_since(&floor);
    let offers = floor.ring_all();
    assert_eq!(states(&floor), [State::Ringing; 3]);
    floor.later(3);
    let token = offers["bob"];
    floor.done(Verb::Accept { token });
    assert_eq!(states(&floor), [State::Idle, State::Talking, State::Idle]);
    assert_eq!(idle_since(&floor), before);
    // Again by the winner, and too late by the others.
    floor.done(Verb::Accept { token });
    for late in ["anna", "cleo"] {
        let token = offers[late];
        floor.refused(Verb::Accept { token }, Refusal::StaleOffer);
        floor.refused(Verb::RingTimeout { token }, Refusal::StaleOffer);
        floor.refused(decline(token, DeclineReason::Busy), Refusal::StaleOffer);
    }
    assert!(
        matches!(place(&floor, caller), Place::Active { agent, .. } if agent.as_str() == "bob")
    );
}

#[test]
fn who_declines_is_out_of_it_and_the_others_ring_on() {
    let mut floor = open(desk_rules());
    let caller = floor.enqueue("desk", 0);
    let later = floor.enqueue("desk", 0);
    let offers = floor.ring_all();
    floor.later(1);
    floor.done(decline(offers["anna"], DeclineReason::Declined));
    assert_eq!(
        states(&floor),
        [State::Idle, State::Ringing, State::Ringing]
    );
    // Who is out of it takes the next one, and is left alone with this one for the back-off.
    assert_eq!(floor.ring_next(), Some((later, names(&["anna"]))));
    floor.done(decline(offers["bob"], DeclineReason::Busy));
    floor.done(decline(offers["cleo"], DeclineReason::Unreachable));
    assert_eq!(place(&floor, caller), Place::Waiting);
    assert_eq!(floor.desk.view().position(caller), Some(1));
    assert_eq!(known(&floor, "anna").idle_since, floor.now);
    assert!(known(&floor, "bob").is_resting(floor.now));
    assert!(!known(&floor, "cleo").is_reachable);
    floor.later(30);
    assert_eq!(floor.ring_next(), Some((caller, names(&["bob", "anna"]))));
}

#[test]
fn when_nobody_answers_each_who_let_it_ring_is_not_ready() {
    let mut floor = open(desk_rules());
    let caller = floor.enqueue("desk", 0);
    let offers = floor.ring_all();
    floor.later(15);
    floor.done(Verb::RingTimeout {
        token: offers["anna"],
    });
    assert!(matches!(place(&floor, caller), Place::Offered { .. }));
    // Bob's phone gave no sign.
    floor.done(decline(offers["bob"], DeclineReason::Unreachable));
    floor.done(Verb::RingTimeout {
        token: offers["cleo"],
    });
    assert_eq!(place(&floor, caller), Place::Waiting);
    let rang = (Status::NotReady(RING_ON_NO_ANSWER.to_owned()), State::Idle);
    assert_eq!(floor.state("anna"), rang);
    assert_eq!(floor.state("bob"), (Status::Available, State::Idle));
    assert_eq!(floor.state("cleo"), rang);
}

#[test]
fn a_caller_who_leaves_frees_all_with_their_idle_time_intact() {
    let mut floor = open(desk_rules());
    let caller = floor.enqueue("desk", 0);
    let before = idle_since(&floor);
    let offers = floor.ring_all();
    floor.later(4);
    floor.choose("cleo", Status::LoggedOff);
    floor.done(Verb::Abandon { contact: caller });
    assert_eq!(states(&floor), [State::Idle; 3]);
    assert_eq!(idle_since(&floor), before);
    assert_eq!(floor.state("cleo"), (Status::LoggedOff, State::Idle));
    for token in offers.into_values() {
        floor.refused(Verb::Accept { token }, Refusal::StaleOffer);
    }
}

#[test]
fn a_contact_that_several_ring_for_is_passed_on_and_all_are_free() {
    let mut floor = open(desk_rules());
    let idle = idle_since(&floor);
    let contact = floor.enqueue("desk", 0);
    let rung = floor.ring_all();
    assert_eq!(rung.len(), 3);
    let pass_on = |to: &str, reserved| Verb::HandOver {
        contact,
        to: QueueId::from(to),
        reserved,
        token: None,
    };
    floor.done(pass_on("desk", None));
    assert_eq!(
        (states(&floor), idle_since(&floor)),
        ([State::Idle; 3], idle)
    );
    for token in rung.into_values() {
        floor.refused(Verb::Accept { token }, Refusal::StaleOffer);
    }
    // Whose phone rang for it is left alone with it for the back-off.
    assert_eq!(floor.ring_next(), None);
    floor.later(30);
    assert_eq!(floor.ring_all().len(), 3);

    let reserved = Reserved {
        agent: AgentId::from("bob"),
        until: None,
    };
    floor.done(pass_on("other", Some(reserved)));
    assert_eq!(
        (states(&floor), idle_since(&floor)),
        ([State::Idle; 3], idle)
    );
    assert_eq!(place(&floor, contact), Place::Waiting);
    assert_eq!(floor.ring_next(), Some((contact, names(&["bob"]))));
}

#[test]
fn all_are_reserved_or_none() {
    let mut floor = open(desk_rules());
    let caller = floor.enqueue("desk", 0);
    floor.choose("cleo", Status::LoggedOff);
    floor.refused(offer(caller, &ALL), Refusal::AgentNotFree);
    floor.refused(offer(caller, &["anna", "dora"]), Refusal::UnknownAgent);
    assert_eq!(states(&floor), [State::Idle; 3]);
    assert_eq!(place(&floor, caller), Place::Waiting);
    assert_eq!(floor.ring_next(), Some((caller, names(&["anna", "bob"]))));
}

#[test]
fn only_ring_all_rings_more_than_one() {
    let mut floor = open(QueueRules {
        ring_all_max: 2,
        ..desk_rules()
    });
    let caller = floor.enqueue("desk", 0);
    let elsewhere = floor.enqueue("other", 0);
    let many = Refusal::TooManyAtOnce;
    floor.refused(offer(elsewhere, &["anna", "bob"]), many);
    floor.refused(offer(caller, &ALL), many);
    floor.refused(offer(caller, &["anna", "anna"]), many);
    let mut one = floor.contact("desk", Channel::Voice);
    one.rings_one = true;
    let one = floor.enter(one);
    floor.refused(offer(one, &["anna", "bob"]), many);
    floor.done(Verb::Abandon { contact: caller });
    floor.done(Verb::Abandon { contact: elsewhere });
    assert_eq!(floor.ring_next(), Some((one, names(&["anna"]))));
}

#[test]
fn who_has_the_queue_later_is_left_for_what_comes_before() {
    let mut floor = Floor::open([desk_rules(), rules("other", 0, Strategy::LongestIdle)]);
    floor.log_in(agent("anna", &["desk"]));
    for name in ["bob", "cleo"] {
        floor.later(1);
        let mut profile = agent(name, &["desk", "other"]);
        profile.queues.insert(QueueId::from("desk"), Precedence(2));
        floor.log_in(profile);
    }
    let caller = floor.enqueue("desk", 0);
    assert_eq!(floor.ring_next(), Some((caller, names(&ALL))));
    // Bob and Cleo have the other queue first; so this is theirs, and neither is rung for the first.
    floor.later(1);
    let elsewhere = floor.enqueue("other", 0);
    let both = floor.desk.decide(floor.now);
    let told: Vec<_> = both
        .iter()
        .map(|next| (next.contact, next.agent.as_str(), next.others.len()))
        .collect();
    assert_eq!(told, [(caller, "anna", 0), (elsewhere, "bob", 0)]);
    floor.done(Verb::Abandon { contact: elsewhere });
    assert_eq!(floor.ring_next(), Some((caller, names(&ALL))));
}

#[test]
fn needs_hold_for_each_who_is_rung_and_relax_as_for_one() {
    let mut floor = open(desk_rules());
    let net = SkillId::from("net");
    for (name, level) in [("bob", 4), ("cleo", 4)] {
        floor.done(Verb::SetAgent {
            profile: AgentProfile {
                skills: BTreeMap::from([(net.clone(), level)]),
                ..agent(name, &["desk"])
            },
        });
    }
    let mut contact = floor.contact("desk", Channel::Voice);
    contact.skills = Needs::in_steps(vec![SkillStep {
        need: BTreeMap::from([(net, 4)]),
        until: Some(Duration::from_secs(30)),
    }]);
    let caller = floor.enter(contact);
    assert_eq!(floor.ring_next(), Some((caller, names(&["bob", "cleo"]))));
    floor.refused(offer(caller, &["bob", "anna"]), Refusal::NotEligible);
    floor.later(30);
    assert_eq!(floor.ring_next(), Some((caller, names(&ALL))));
}

#[test]
fn an_offer_that_lapses_or_is_taken_back_frees_all() {
    let mut floor = open(QueueRules {
        active_max: Some(1),
        ..desk_rules()
    });
    let caller = floor.enqueue("desk", 0);
    let before = idle_since(&floor);
    floor.ring_all();
    // However many ring, it is one contact with agents.
    assert_eq!(floor.desk.view().room_left(&QueueId::from("desk")), Some(0));
    floor.later(17);
    floor.done(Verb::Expire);
    assert_eq!(place(&floor, caller), Place::Waiting);
    assert_eq!(
        (states(&floor), idle_since(&floor)),
        ([State::Idle; 3], before)
    );
    assert_eq!(floor.ring_next(), Some((caller, names(&ALL))));
    floor.ring_all();
    floor.done(Verb::Requeue {
        contact: caller,
        reason: RequeueReason::ByHand,
        token: None,
    });
    assert_eq!(
        (states(&floor), idle_since(&floor)),
        ([State::Idle; 3], before)
    );
    // By hand it is kept from all of them for a while.
    assert_eq!(floor.ring_next(), None);
    floor.later(30);
    floor.ring_all();
    floor.done(Verb::Move {
        contact: caller,
        to: QueueId::from("other"),
    });
    assert_eq!(
        (states(&floor), idle_since(&floor)),
        ([State::Idle; 3], before)
    );
    assert_eq!(floor.ring_next(), Some((caller, names(&["anna"]))));
}

#[test]
fn a_ring_of_many_is_one_wait_and_each_agents_own_ringing_time() {
    let mut floor = open(desk_rules());
    let caller = floor.enqueue("desk", 0);
    let offers = floor.ring_all();
    floor.later(4);
    floor.done(decline(offers["anna"], DeclineReason::Declined));
    floor.later(2);
    let token = offers["bob"];
    floor.done(Verb::Accept { token });
    floor.later(60);
    floor.end(caller);
    let hour = Duration::from_secs(3_600);
    let (from, to) = (START - hour, START + hour);
    let ledger = floor.statistics.ledger(from, to, floor.now);
    let scope = Scope {
        queue: Some(QueueId::from("desk")),
        channel: None,
    };
    let figures = ledger.tally(from, to, &scope).figures();
    assert_eq!(figures.asa_s, Some(6.0));
    let time = |name: &str| {
        let time = ledger.agent_time(from, to, &AgentId::from(name));
        (time.offers, time.answers, time.declines, time.ringing_ms)
    };
    assert_eq!(time("anna"), (1, 0, 1, 4_000));
    assert_eq!(time("bob"), (1, 1, 0, 6_000));
    assert_eq!(time("cleo"), (1, 0, 0, 6_000));
}
