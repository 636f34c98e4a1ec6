//! Contacts that go to another queue: by hand, by time.

use crate::floor::{Floor, agent, rules};
use ringdown_routing::contact::Priority;
use ringdown_routing::event::EventKind;
use ringdown_routing::ids::{ContactId, QueueId};
use ringdown_routing::queue::{OverflowStep, QueueRules, Strategy as Choice};
use ringdown_routing::verb::{Refusal, Verb};
use std::time::Duration;

fn named(queue: &str, steps: &[(u64, &str)]) -> QueueRules {
    let step = |(after_s, to): &(u64, &str)| OverflowStep {
        after: Duration::from_secs(*after_s),
        to: QueueId::from(*to),
    };
    QueueRules {
        overflow: steps.iter().map(step).collect(),
        ..rules(queue, 0, Choice::LongestIdle)
    }
}

fn queue_of(floor: &Floor, contact: ContactId) -> String {
    let placed = floor.desk.view().contact(contact).expect("it is here");
    placed.record.queue.to_string()
}

#[test]
fn a_moved_contact_keeps_its_first_place_and_frees_who_rings() {
    let mut floor = Floor::open([named("a", &[]), named("b", &[])]);
    floor.log_in(agent("anna", &["a", "b"]));
    let moved = floor.enqueue("a", 0);
    floor.later(1);
    let other = floor.enqueue("b", 0);
    floor.offer(moved, "anna");
    let to = QueueId::from("b");
    let contact = moved;
    let before = floor.desk.view().counts();
    floor.done(Verb::Move {
        contact,
        to: to.clone(),
    });
    floor.done(Verb::Move { contact, to });
    let view = floor.desk.view();
    assert_eq!(
        (view.position(moved), view.position(other)),
        (Some(1), Some(2))
    );
    assert_eq!(view.unanswered(&QueueId::from("a")), 0);
    let after = view.counts();
    assert_eq!(
        (after.entered, after.ended),
        (before.entered + 1, before.ended + 1)
    );
    assert_eq!(floor.next(), Some((moved, "anna".to_owned())));
}

#[test]
fn a_contact_that_cannot_go_stays_where_it_is() {
    let mut floor = Floor::open([named("a", &[]), named("b", &[])]);
    let closed = QueueRules {
        is_open: false,
        ..named("b", &[])
    };
    floor.done(Verb::SetQueue { rules: closed });
    let contact = floor.enqueue("a", 0);
    for (to, reason) in [("b", Refusal::QueueClosed), ("c", Refusal::UnknownQueue)] {
        let to = QueueId::from(to);
        floor.refused(Verb::Move { contact, to }, reason);
    }
    assert_eq!(queue_of(&floor, contact), "a");
}

#[test]
fn who_waited_long_enough_overflows_and_their_wait_here_begins_anew() {
    let mut floor = Floor::open([
        named("a", &[(60, "b")]),
        named("b", &[(60, "c")]),
        named("c", &[]),
    ]);
    let contact = floor.enqueue("a", 0);
    for (wait_s, queue) in [(59, "a"), (1, "b"), (59, "b"), (1, "c"), (600, "c")] {
        floor.later(wait_s);
        floor.done(Verb::Expire);
        assert_eq!(queue_of(&floor, contact), queue);
    }
    assert_eq!(floor.desk.view().next_due(), None);
}

#[test]
fn a_full_overflow_is_passed_over_and_the_next_one_taken_in_time() {
    let full = QueueRules {
        waiting_max: Some(0),
        ..named("full", &[])
    };
    let mut floor = Floor::open([
        named("a", &[(10, "full"), (30, "b")]),
        full,
        named("b", &[]),
    ]);
    let contact = floor.enqueue("a", 0);
    floor.later(10);
    let outcome = floor.outcome(Verb::Expire);
    let [event] = outcome.events.as_slice() else {
        panic!("{outcome:?}");
    };
    let reason = Refusal::QueueFull;
    let to = QueueId::from("full");
    assert_eq!(event.kind, EventKind::OverflowRefused { to, reason });
    floor.later(10);
    floor.done(Verb::Expire);
    assert_eq!(queue_of(&floor, contact), "a");
    floor.later(10);
    floor.done(Verb::Expire);
    assert_eq!(queue_of(&floor, contact), "b");
}

#[test]
fn nobody_is_taken_from_a_phone_that_rings_but_goes_when_it_has_rung_out() {
    let mut floor = Floor::open([named("a", &[(5, "b")]), named("b", &[])]);
    floor.log_in(agent("anna", &["a"]));
    let contact = floor.enqueue("a", 0);
    let token = floor.offer(contact, "anna");
    floor.later(10);
    floor.done(Verb::Expire);
    assert_eq!(queue_of(&floor, contact), "a");
    floor.done(Verb::RingTimeout { token });
    floor.done(Verb::Expire);
    assert_eq!(queue_of(&floor, contact), "b");
}

#[test]
fn another_priority_is_another_place() {
    let mut floor = Floor::open([named("a", &[])]);
    let [first, second] = [(); 2].map(|()| floor.enqueue("a", 0));
    floor.done(Verb::Reprioritise {
        contact: second,
        priority: Priority(1),
    });
    let view = floor.desk.view();
    assert_eq!(
        (view.position(first), view.position(second)),
        (Some(2), Some(1))
    );
    floor.log_in(agent("anna", &["a"]));
    assert_eq!(floor.meet(), Some((second, "anna".to_owned())));
    let (contact, priority) = (second, Priority(0));
    floor.refused(
        Verb::Reprioritise { contact, priority },
        Refusal::NotWaiting,
    );
}
