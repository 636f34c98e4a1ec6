//! The desk and the policy against random days, with every invariant checked after every step.

mod acts;

use acts::{Act, Claims, Players};
use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};
use proptest::strategy::Strategy as _;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use ringdown_routing::agent::Agent;
use ringdown_routing::contact::PlacedContact;
use ringdown_routing::desk::Desk;
use ringdown_routing::event::EventKind;
use ringdown_routing::ids::{AgentId, NodeId, QueueId};
use ringdown_routing::invariants::{self, Witness};
use ringdown_routing::policy::{self, Proposal};
use ringdown_routing::queue::{Aging, Strategy};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{Answer, Change, Verb};
use ringdown_routing::view::View;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

fn act() -> impl proptest::strategy::Strategy<Value = Act> {
    any::<[u8; 5]>().prop_map(|[later, verb, who, with, how]| Act {
        later,
        verb,
        who,
        with,
        how,
    })
}

/// A day with one who watches: applies changes and checks what holds always.
struct Day {
    desk: Desk,
    /// Fed by events alone.
    follower: View,
    witness: Witness,
    players: Players,
}

impl Day {
    fn new(claims: Claims) -> Self {
        let mut day = Self {
            desk: Desk::new(NodeId::from("desk"), 0),
            follower: View::default(),
            witness: Witness::default(),
            players: Players::new(claims),
        };
        for change in day.players.opening() {
            assert_eq!(day.apply(change), Answer::Done);
        }
        day
    }

    fn apply(&mut self, change: Change) -> Answer {
        let before = self.desk.snapshot();
        let outcome = self.desk.apply(change.clone());
        for event in &outcome.events {
            self.follower.apply(event);
            assert_eq!(self.witness.see(event), Ok(()));
        }
        if let Answer::Refused { .. } = outcome.answer {
            assert!(outcome.events.is_empty(), "refused, yet {outcome:?}");
            assert_eq!(before, self.desk.snapshot());
        }
        assert_eq!(invariants::state_is_sound(self.desk.view()), Ok(()));
        self.order_is_kept(&before);
        self.players.hear(&outcome.events);
        outcome.answer
    }

    /// A contact keeps its place whatever happens to it, other than a new priority.
    fn order_is_kept(&self, before: &ringdown_routing::view::Snapshot) {
        for old in &before.contacts {
            if let Some(new) = self.desk.view().contact(old.record.id) {
                if old.record.priority != new.record.priority {
                    continue;
                }
                let aging = Aging::from_thousandths(500);
                let place = old.record.place_in_line(aging);
                assert_eq!(place, new.record.place_in_line(aging));
            }
        }
    }
}

/// What the policy promises, said the slow way: of all pairs that may meet, the one with the lowest
/// precedence, then the most urgent contact, then the agent whom the strategy has first; and so on with
/// those who are left. Where the queue rings all, with every other agent for whom that contact comes first.
fn decide_slowly(view: &View, now: Timestamp) -> Vec<Proposal> {
    let mut pairs = Vec::new();
    for contact in view.contacts() {
        for agent in view.agents() {
            if invariants::may_meet(view, contact.record.id, &agent.profile.id, now) {
                let precedence = agent.profile.queues[&contact.record.queue];
                let key = (
                    precedence,
                    urgency(view, contact, now),
                    contact.record.enqueued_at,
                    contact.record.id,
                    agent.holds.len(),
                    merit(view, contact, agent, now),
                    agent.idle_since,
                    agent.profile.id.clone(),
                );
                pairs.push(key);
            }
        }
    }
    pairs.sort();
    let mut proposals = Vec::new();
    let mut met: BTreeMap<QueueId, u32> = BTreeMap::new();
    while let Some((.., agent)) = pairs.first() {
        let (contact, agent) = (pairs[0].3, agent.clone());
        let record = &view.contact(contact).expect("it waits").record;
        let rules = view.queue(&record.queue).expect("who waits has a queue");
        let comes_first = |place: usize, id: &AgentId| {
            let mut earlier = pairs[..place].iter();
            earlier.all(|(.., other)| other != id)
        };
        let others = pairs.iter().enumerate().filter(|(place, pair)| {
            pair.3 == contact && pair.7 != agent && comes_first(*place, &pair.7)
        });
        let others: Vec<_> = others
            .map(|(_, pair)| pair.7.clone())
            .take(rules.rings_at_once(record) - 1)
            .collect();
        *met.entry(record.queue.clone()).or_default() += 1;
        pairs.retain(|pair| {
            let queue = &view.contact(pair.3).expect("it waits").record.queue;
            let of_queue = met.get(queue).copied().unwrap_or(0);
            let is_full = view.room_left(queue).is_some_and(|left| of_queue >= left);
            let is_taken = pair.3 == contact || pair.7 == agent || others.contains(&pair.7);
            !is_taken && !is_full
        });
        proposals.push(Proposal {
            contact,
            agent,
            others,
        });
    }
    proposals
}

/// `priority + aging x waited`, in millionths, the highest first.
fn urgency(view: &View, contact: &PlacedContact, now: Timestamp) -> Reverse<i64> {
    let record = &contact.record;
    let rules = view.queue(&record.queue).expect("who waits has a queue");
    let waited_ms = now.as_millis() - record.enqueued_at.as_millis();
    let aged = i64::from(rules.aging.thousandths()) * waited_ms;
    Reverse(i64::from(record.priority.0) * 1_000_000 + aged)
}

/// The strategies, by their definitions; the lowest is first.
fn merit(view: &View, contact: &PlacedContact, agent: &Agent, now: Timestamp) -> u64 {
    let rules = view.queue(&contact.record.queue).expect("it has a queue");
    let tally = &agent.tally;
    match rules.strategy {
        Strategy::LongestIdle | Strategy::RingAll => 0,
        Strategy::LeastOccupied => tally.occupancy_ppm(),
        Strategy::FewestContacts => u64::from(tally.answered),
        Strategy::RoundRobin => tally.last_offer.map_or(0, |token| token.as_u64()),
        Strategy::MostSkilled => {
            let record = &contact.record;
            let steps = record.skills.after(record.waited(now));
            let needed: BTreeSet<_> = steps.flat_map(|need| need.keys()).collect();
            let levels = needed
                .into_iter()
                .filter_map(|skill| agent.profile.skills.get(skill));
            1_000 - levels.map(|level| u64::from(*level)).sum::<u64>()
        }
        Strategy::Weighted => {
            (u64::from(tally.answered) + 1) * 1_000_000 / u64::from(agent.profile.weight)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_invariant_holds_after_every_step(acts in prop::collection::vec(act(), 0..150)) {
        let mut day = Day::new(Claims::None);
        for act in acts {
            let change = day.players.play(act);
            day.apply(change);
        }
        prop_assert_eq!(day.follower.snapshot(), day.desk.snapshot());
    }

    #[test]
    fn a_view_fed_by_events_equals_the_desk(acts in prop::collection::vec(act(), 0..150)) {
        let mut players = Players::new(Claims::Random);
        let mut desk = Desk::new(NodeId::from("desk"), 0);
        let mut follower = View::default();
        let opening = players.opening();
        for change in opening.into_iter().map(Ok).chain(acts.into_iter().map(Err)) {
            let change = change.unwrap_or_else(|act| players.play(act));
            let outcome = desk.apply(change);
            for event in &outcome.events {
                let text = serde_json::to_string(event).expect("events are JSON");
                let read = serde_json::from_str(&text).expect("what was written is read");
                prop_assert_eq!(event, &read);
                follower.apply(&read);
            }
            players.hear(&outcome.events);
            let view = desk.view();
            prop_assert_eq!(invariants::arrived_is_waiting_offered_active_and_ended(view), Ok(()));
        }
        prop_assert_eq!(follower.snapshot(), desk.snapshot());
    }

    #[test]
    fn the_policy_equals_its_slow_reading(acts in prop::collection::vec(act(), 0..150)) {
        let mut day = Day::new(Claims::None);
        for act in acts {
            let change = day.players.play(act);
            day.apply(change);
            let now = day.players.now;
            let decided = day.desk.decide(now);
            prop_assert_eq!(&decided, &decide_slowly(day.desk.view(), now));
            let first = day.desk.decide_one(now);
            prop_assert_eq!(first.as_ref(), decided.first());
            let mut rebuilt = View::from_snapshot(day.desk.snapshot());
            prop_assert_eq!(&decided, &policy::decide(&mut rebuilt, now));
            prop_assert_eq!(&decided, &policy::decide(&mut day.follower, now));
        }
    }

    #[test]
    fn no_idle_eligible_agent_and_waiting_eligible_contact_stay_apart(
        acts in prop::collection::vec(act(), 0..150)
    ) {
        let mut day = Day::new(Claims::None);
        for act in acts {
            let change = day.players.play(act);
            day.apply(change);
            let at = day.players.now;
            while let Some(proposal) = day.desk.decide_one(at) {
                let answer = day.apply(Change { at, verb: proposal.into_verb() });
                let is_reserved = matches!(answer, Answer::Reserved { .. });
                prop_assert!(is_reserved, "the policy proposed what the desk refuses: {:?}", answer);
            }
            let apart = invariants::no_idle_eligible_agent_and_waiting_eligible_contact_stay_apart(
                day.desk.view(),
                at,
            );
            prop_assert_eq!(apart, Ok(()));
            if let Some(wake) = policy::next_timeout(day.desk.view(), at) {
                prop_assert!(wake > at);
            }
        }
    }
}

/// A day on a desk that counts one contact of each agent too few, watched by who knows what they may hold; what
/// that one says first.
fn day_of_a_desk_that_overbooks(acts: &[Act]) -> Result<(), String> {
    let mut players = Players::new(Claims::None);
    let mut desk = Desk::new(NodeId::from("desk"), 0);
    let mut witness = Witness::default();
    let opening = players.opening();
    for change in opening.into_iter().map(Ok).chain(acts.iter().map(Err)) {
        let mut change = change.unwrap_or_else(|act| players.play(*act));
        let mut true_profile = None;
        if let Verb::SetAgent { profile } = &mut change.verb {
            true_profile = Some(profile.clone());
            for most in profile.capacity.values_mut() {
                *most += 1;
            }
            profile.capacity_total = profile.capacity_total.map(|most| most + 1);
        }
        let outcome = desk.apply(change);
        for mut event in outcome.events.iter().cloned() {
            if let (EventKind::AgentChanged { profile }, Some(known)) =
                (&mut event.kind, &true_profile)
            {
                **profile = known.clone();
            }
            witness
                .see(&event)
                .map_err(|broken| format!("{broken:?}"))?;
        }
        players.hear(&outcome.events);
    }
    Ok(())
}

/// The proof that the property above would find such a desk, and tell it by a day that one can read.
#[test]
fn a_desk_that_overbooks_is_found_and_its_day_shrinks_to_a_few_acts() {
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(400)
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let found = runner.run(&prop::collection::vec(act(), 0..150), |acts| {
        day_of_a_desk_that_overbooks(&acts).map_err(TestCaseError::fail)
    });
    let Err(TestError::Fail(reason, acts)) = found else {
        panic!("it was not found: {found:?}");
    };
    assert!(
        reason.message().contains("capacity_is_never_exceeded"),
        "{reason}"
    );
    // Two contacts come in, and each is offered to the same agent.
    assert!(acts.len() <= 4, "{acts:?}");
}
