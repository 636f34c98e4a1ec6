//! Contacts whose gateway was taken for lost, and that it claimed back: the real desk tells, and the figures
//! are those of a day on which nobody slept.

use crate::log::{fold, in_queue, whole_log};
use proptest::prelude::*;
use ringdown_routing::agent::{AgentProfile, Status};
use ringdown_routing::contact::{Channel, PlacedContact, QueuedContact};
use ringdown_routing::desk::Desk;
use ringdown_routing::event::{ContactResult, EndedBy, Event, EventDraft, EventKind};
use ringdown_routing::ids::{AgentId, ContactId, NodeId, OfferToken, QueueId};
use ringdown_routing::queue::QueueRules;
use ringdown_routing::statistics::{Counts, Rules, Scope};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{Change, RestoredPlace, Verb};
use std::time::Duration;

/// How long after the loss of its gateway a contact may be claimed back and be counted anew.
const TWELVE_HOURS: u64 = 12 * 3_600;

const WAITS: u128 = 1;
const TALKS: u128 = 2;
const LEAVES: u128 = 3;

struct Day {
    desk: Desk,
    now: Timestamp,
    events: Vec<Event>,
}

impl Day {
    fn change(&mut self, verb: Verb) {
        let outcome = self.desk.apply(Change { at: self.now, verb });
        self.events.extend(outcome.events);
    }

    fn publish(&mut self, contact: u128, kind: EventKind) {
        let draft = EventDraft::of_contact(self.now, ContactId::from_u128(contact), kind);
        self.events.push(self.desk.publish(draft));
    }

    fn arrive(&mut self, contact: u128) {
        self.publish(
            contact,
            EventKind::Arrived {
                channel: Channel::Voice,
                from: String::new(),
                to: "100".to_owned(),
                via: "trunk".to_owned(),
            },
        );
        let node = NodeId::from("sleeper");
        let id = ContactId::from_u128(contact);
        let queue = QueueId::from("Q");
        self.change(Verb::Enqueue {
            contact: QueuedContact::new(id, queue, Channel::Voice, self.now, node),
        });
    }

    /// The agent has the first who waits.
    fn answer(&mut self) -> OfferToken {
        let proposal = self.desk.decide_one(self.now).expect("somebody waits");
        self.change(proposal.into_verb());
        let token = self.events.iter().rev().find_map(|event| {
            if let EventKind::Offered { token, .. } = event.kind {
                Some(token)
            } else {
                None
            }
        });
        let token = token.expect("it was offered");
        self.change(Verb::Accept { token });
        token
    }

    fn end(&mut self, contact: u128, token: OfferToken) {
        self.change(Verb::Complete {
            contact: ContactId::from_u128(contact),
            by: EndedBy::Caller,
            talk: Duration::from_secs(40),
            hold: Duration::ZERO,
            token: Some(token),
        });
        let result = ContactResult::Answered;
        self.publish(contact, EventKind::Closed { result });
    }

    fn later(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
    }
}

/// One contact talks, two wait; the gateway sleeps, or does not; then all end in good order.
fn day(sleeps: Option<u64>) -> Vec<Event> {
    let mut day = Day {
        desk: Desk::new(NodeId::from("desk"), 0),
        now: Timestamp::from_seconds(0),
        events: Vec::new(),
    };
    let mut rules = QueueRules::with_defaults(QueueId::from("Q"));
    rules.wrap_up = Duration::ZERO;
    let ann = AgentId::from("ann");
    day.change(Verb::SetQueue { rules });
    day.change(Verb::SetAgent {
        profile: AgentProfile::new(ann.clone(), "ann").serving([QueueId::from("Q")]),
    });
    day.change(Verb::AgentReachable {
        agent: ann.clone(),
        is_reachable: true,
    });
    day.change(Verb::AgentStatus {
        agent: ann,
        status: Status::Available,
    });
    day.change(Verb::NodeAlive {
        node: NodeId::from("sleeper"),
        lease: Duration::from_secs(20),
    });
    day.arrive(TALKS);
    day.later(1);
    day.arrive(WAITS);
    day.later(1);
    day.arrive(LEAVES);
    let token = day.answer();
    let held: Vec<PlacedContact> = day.desk.view().contacts().cloned().collect();
    day.later(30);
    if let Some(seconds) = sleeps {
        day.change(Verb::Expire);
        day.later(seconds);
        for placed in held {
            let (agent, answered_at) = (AgentId::from("ann"), Timestamp::from_seconds(2));
            let place = if placed.record.id == ContactId::from_u128(TALKS) {
                RestoredPlace::Active {
                    agent,
                    token,
                    answered_at,
                }
            } else {
                RestoredPlace::Waiting { offer_over: None }
            };
            day.change(Verb::Restore {
                contact: placed.record,
                place,
            });
        }
    }
    // The sleep is in the waits that follow, or is not.
    day.now = day.now.max(Timestamp::from_seconds(60_000));
    day.end(TALKS, token);
    let token = day.answer();
    day.change(Verb::Abandon {
        contact: ContactId::from_u128(LEAVES),
    });
    let result = ContactResult::Abandoned;
    day.publish(LEAVES, EventKind::Closed { result });
    day.later(40);
    day.end(WAITS, token);
    day.events
}

fn counted(events: &[Event], rules: Rules, scope: &Scope) -> (Counts, Vec<String>) {
    let (from, to) = (Timestamp::from_seconds(0), Timestamp::from_seconds(900));
    let as_of = Timestamp::from_seconds(100_000);
    let sum = fold(events, rules)
        .ledger(from, to, as_of)
        .sum(from, to, scope);
    let causes = sum.causes.keys().map(|cause| format!("{cause:?}"));
    (sum.counts, causes.collect())
}

#[test]
fn who_was_claimed_back_counts_for_what_became_of_them_and_not_as_failed() {
    let awake = counted(&day(None), whole_log(), &in_queue("Q"));
    assert_eq!((awake.0.answered, awake.0.abandoned), (2, 1));
    assert_eq!((awake.0.in_progress, awake.0.waiting), (0, 0));
    // Also for longer than contacts that are over, or have a hole in their log, are kept otherwise.
    for sleeps in [5, 1_000, 4_000, TWELVE_HOURS - 1] {
        for rules in [whole_log(), Rules::default()] {
            let slept = counted(&day(Some(sleeps)), rules, &in_queue("Q"));
            assert_eq!(slept, awake, "{sleeps}");
        }
    }
}

#[test]
fn who_is_claimed_back_after_more_than_twelve_hours_counts_as_failed_in_every_fold() {
    for sleeps in [TWELVE_HOURS, 2 * TWELVE_HOURS] {
        let events = day(Some(sleeps));
        for rules in [whole_log(), Rules::default()] {
            let (counts, causes) = counted(&events, rules, &in_queue("Q"));
            let ends = (counts.failed, counts.answered, counts.abandoned);
            assert_eq!(ends, (2, 1, 0), "{sleeps}: {counts:?}");
            assert_eq!(counts.offered, 1, "the one who talked was answered");
            assert_eq!(causes.len(), 1, "{causes:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_in_any_order_with_repeats_counts_the_same(
        mut order in Just((0..200_usize).collect::<Vec<_>>()).prop_shuffle(),
        repeats in prop::collection::vec(0_usize..200, 0..20),
    ) {
        let events = day(Some(5));
        order.extend(repeats);
        let shuffled: Vec<Event> =
            order.into_iter().filter_map(|place| events.get(place).cloned()).collect();
        let scope = in_queue("Q");
        prop_assert_eq!(
            counted(&shuffled, whole_log(), &scope),
            counted(&events, whole_log(), &scope)
        );
    }
}
