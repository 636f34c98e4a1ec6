//! What holds for any day: random stories, told as logs.

use crate::log::{Log, at, fold, in_queue, whole_log};
use proptest::prelude::*;
use ringdown_routing::agent::Status;
use ringdown_routing::contact::Channel;
use ringdown_routing::event::{ContactResult, Event, EventKind, InformedHow};
use ringdown_routing::ids::IncidentId;
use ringdown_routing::statistics::{Ledger, Rules, Scope};
use ringdown_routing::verb::RequeueReason;
use std::time::Duration;

/// What one contact of a random day does.
#[derive(Clone, Debug)]
enum Story {
    Answered {
        wait_s: u64,
        talk_s: u64,
        wrap_up_s: u8,
        is_missed_first: bool,
    },
    Abandoned {
        wait_s: u64,
    },
    FlowedOut {
        wait_s: u64,
    },
    CalledBack {
        wait_s: u64,
    },
    Blocked,
    Informed,
    Failed,
    Waits,
}

fn stories() -> impl Strategy<Value = Vec<(i64, u8, Story)>> {
    let story = prop_oneof![
        4 => (0_u64..90, 1_u64..2_000, 0_u8..60, any::<bool>()).prop_map(|(wait_s, talk_s, wrap_up_s, is_missed_first)| Story::Answered {
            wait_s,
            talk_s,
            wrap_up_s,
            is_missed_first
        }),
        2 => (0_u64..90).prop_map(|wait_s| Story::Abandoned { wait_s }),
        1 => (0_u64..90).prop_map(|wait_s| Story::FlowedOut { wait_s }),
        1 => (0_u64..90).prop_map(|wait_s| Story::CalledBack { wait_s }),
        1 => Just(Story::Blocked),
        1 => Just(Story::Informed),
        1 => Just(Story::Failed),
        1 => Just(Story::Waits),
    ];
    prop::collection::vec((0_i64..14_400, 0_u8..4, story), 1..30)
}

fn tell(stories: &[(i64, u8, Story)]) -> Vec<Event> {
    let arrived = EventKind::Arrived {
        channel: Channel::Voice,
        from: String::new(),
        to: "100".into(),
        via: "t".into(),
    };
    let mut log = Log::default();
    for agent in ["a0", "a1", "a2", "a3"] {
        log = log
            .serves(0, agent, "Q")
            .status(0, agent, Status::Available);
    }
    for (place, (start, agent, story)) in stories.iter().enumerate() {
        let contact = u128::try_from(place).unwrap() + 1;
        let token = u64::try_from(place).unwrap() * 2 + 1;
        let agent = format!("a{agent}");
        let after = |wait_s: &u64| start + i64::try_from(*wait_s).unwrap();
        log = match story {
            Story::Answered {
                wait_s,
                talk_s,
                wrap_up_s,
                is_missed_first,
            } => {
                let answer = after(wait_s);
                let end = answer + i64::try_from(*talk_s).unwrap();
                let mut log = log.arrive(*start, contact);
                if *is_missed_first {
                    log = log.offer(*start, contact, "a0", token).kind(
                        *start,
                        contact,
                        EventKind::Requeued {
                            reason: RequeueReason::RingTimeout,
                            retry_at: None,
                        },
                    );
                }
                let log = log
                    .offer(answer, contact, &agent, token + 1)
                    .answer(answer, contact, &agent, token + 1, *wait_s)
                    .end(end, contact, &agent, *talk_s, i64::from(*wrap_up_s));
                if *wrap_up_s > 0 {
                    log.ready(end + i64::from(*wrap_up_s / 2), contact, &agent, true)
                } else {
                    log
                }
            }
            Story::Abandoned { wait_s } => {
                log.arrive(*start, contact)
                    .abandon(after(wait_s), contact, *wait_s)
            }
            Story::FlowedOut { wait_s } | Story::CalledBack { wait_s } => {
                let result = if matches!(story, Story::FlowedOut { .. }) {
                    ContactResult::FlowedOut
                } else {
                    ContactResult::CallBack
                };
                log.arrive(*start, contact)
                    .kind(
                        after(wait_s),
                        contact,
                        EventKind::Overflowed {
                            to: "elsewhere".into(),
                            wait_ms: wait_s * 1_000,
                        },
                    )
                    .close(after(wait_s), contact, result)
            }
            Story::Blocked => log
                .kind(*start, contact, arrived.clone())
                .kind(
                    *start,
                    contact,
                    EventKind::Blocked {
                        reason: "full".into(),
                    },
                )
                .close(*start, contact, ContactResult::Blocked),
            Story::Informed => {
                let informed = EventKind::Informed {
                    incident: IncidentId::from("i1"),
                    how: InformedHow::KeyedIn,
                };
                log.kind(*start, contact, arrived.clone())
                    .kind(*start + 9, contact, informed)
                    .close(*start + 9, contact, ContactResult::Informed)
            }
            Story::Failed => {
                log.arrive(*start, contact)
                    .close(*start + 1, contact, ContactResult::Failed)
            }
            Story::Waits => log.arrive(*start, contact),
        };
    }
    let mut events = log.events;
    events.sort_by_key(|event| event.at);
    events
}

/// A day's end at which every story is over.
const DAY_S: i64 = 20_000;

proptest! {
    #[test]
    fn every_contact_is_accounted_for(stories in stories()) {
        let events = tell(&stories);
        let statistics = fold(&events, Rules::default());
        let ledger = statistics.ledger(at(0), at(DAY_S), at(DAY_S));
        prop_assert!(ledger.every_contact_is_accounted_for());
        let counts = ledger.tally(at(0), at(DAY_S), &Scope::default()).counts;
        let total = counts.offered + counts.blocked + counts.informed + counts.failed + counts.left_before_queue;
        prop_assert_eq!(total, u64::try_from(stories.len()).unwrap());
        let how_many = |wanted: fn(&Story) -> bool| u64::try_from(stories.iter().filter(|(_, _, story)| wanted(story)).count()).unwrap();
        prop_assert_eq!(counts.answered, how_many(|story| matches!(story, Story::Answered { .. })));
        prop_assert_eq!(counts.abandoned, how_many(|story| matches!(story, Story::Abandoned { .. })));
        prop_assert_eq!(counts.callbacks, how_many(|story| matches!(story, Story::CalledBack { .. })));
        prop_assert_eq!(counts.waiting, how_many(|story| matches!(story, Story::Waits)));
        prop_assert_eq!(statistics.health().late, 0);
        prop_assert_eq!(statistics.health().with_holes, 0);
    }

    #[test]
    fn order_and_repetition_change_nothing(stories in stories(), shuffled in any::<prop::sample::Index>(), seed in any::<u64>()) {
        let events = tell(&stories);
        let plain = fold(&events, whole_log()).ledger(at(0), at(DAY_S), at(DAY_S));
        let mut mixed: Vec<Event> = events.iter().chain(events.iter().skip(shuffled.index(events.len()))).cloned().collect();
        mixed.sort_by_key(|event| {
            let key = event.id.number.wrapping_add(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            key.rotate_left(u32::try_from(event.id.origin.as_str().len()).unwrap() * 7)
        });
        let other = fold(&mixed, whole_log()).ledger(at(0), at(DAY_S), at(DAY_S));
        prop_assert_eq!(plain, other);
    }

    #[test]
    fn settling_as_it_goes_counts_the_same_as_keeping_everything(stories in stories()) {
        let events = tell(&stories);
        let kept = fold(&events, whole_log()).ledger(at(0), at(DAY_S), at(DAY_S));
        let settled = fold(&events, Rules { settle_after: Duration::from_secs(1), ..Rules::default() });
        prop_assert_eq!(kept, settled.ledger(at(0), at(DAY_S), at(DAY_S)));
    }

    #[test]
    fn two_quarters_add_up_to_the_half_hour(stories in stories()) {
        let events = tell(&stories);
        let quarters = fold(&events, Rules::default()).ledger(at(0), at(DAY_S), at(DAY_S));
        let halves = fold(&events, Rules { interval: Duration::from_secs(1_800), ..Rules::default() }).ledger(at(0), at(DAY_S), at(DAY_S));
        for start in (0..DAY_S).step_by(1_800) {
            let (from, to) = (at(start), at(start + 1_800));
            prop_assert_eq!(quarters.tally(from, to, &in_queue("Q")), halves.tally(from, to, &in_queue("Q")));
            prop_assert_eq!(quarters.spread(from, to, &in_queue("Q")), halves.spread(from, to, &in_queue("Q")));
        }
    }

    #[test]
    fn logged_in_time_never_exceeds_the_clock(stories in stories()) {
        let events = tell(&stories);
        let ledger = fold(&events, Rules::default()).ledger(at(0), at(DAY_S), at(DAY_S));
        for agent in ledger.agents() {
            prop_assert_eq!(ledger.agent_time(at(0), at(DAY_S), &agent).logged_in_ms(), u64::try_from(DAY_S * 1_000).unwrap());
        }
    }

    #[test]
    fn ledgers_of_parts_add_up_to_that_of_the_whole_in_any_order(stories in stories(), cuts in prop::collection::vec(0_i64..DAY_S, 1..4), turn in 0_usize..4) {
        let events = tell(&stories);
        let statistics = fold(&events, Rules::default());
        let whole = statistics.ledger(at(0), at(DAY_S), at(DAY_S));
        let mut cuts: Vec<i64> = cuts.into_iter().chain([0, DAY_S]).collect();
        cuts.sort_unstable();
        let mut parts: Vec<Ledger> = cuts
            .windows(2)
            .map(|cut| statistics.ledger(at(cut[0]), at(cut[1]), at(DAY_S)))
            .collect();
        let turn = turn % parts.len();
        parts.rotate_left(turn);
        let mut sum = Ledger::empty(at(0));
        for part in &parts {
            // As they come out of a store.
            let stored = serde_json::to_string(part).unwrap();
            sum += serde_json::from_str::<Ledger>(&stored).unwrap();
        }
        prop_assert_eq!(&sum, &whole);
        let mut from_the_right = Ledger::empty(at(0));
        for part in parts.iter().rev() {
            let mut joined = part.clone();
            joined += from_the_right;
            from_the_right = joined;
        }
        prop_assert_eq!(&from_the_right, &whole);
        let mut of_hours = Ledger::empty(at(0));
        for (_, hour) in whole.clone().cut(Duration::from_secs(3_600)) {
            of_hours += hour;
        }
        let (from, to) = (at(0), at(DAY_S));
        prop_assert_eq!(of_hours.spread(from, to, &in_queue("Q")), whole.spread(from, to, &in_queue("Q")));
        let day = whole.clone().coarsened(Duration::from_secs(86_400));
        prop_assert_eq!(day.tally(from, to, &in_queue("Q")), whole.tally(from, to, &in_queue("Q")));
        prop_assert_eq!(day.spread(from, to, &in_queue("Q")), whole.spread(from, to, &in_queue("Q")));
    }
}
