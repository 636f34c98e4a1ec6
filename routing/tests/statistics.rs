//! The statistics through their door: events in, figures out.

#![expect(clippy::unwrap_used, reason = "test helpers convert small numbers")]

use proptest::prelude::*;
use ringdown_routing::agent::{AgentProfile, Status};
use ringdown_routing::contact::{Channel, Needs, Priority};
use ringdown_routing::event::{
    ContactResult, EndedBy, Event, EventKind, IdentifiedAs, InformedHow,
};
use ringdown_routing::ids::{
    AgentId, ContactId, EventId, IncidentId, NodeId, OfferToken, QueueId, SkillId,
};
use ringdown_routing::queue::QueueRules;
use ringdown_routing::statistics::{
    Facet, Figures, Ledger, Recorded, Rules, Scope, Statistics, Thresholds,
};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::RequeueReason;
use std::time::Duration;

/// A log in the making: the desk's store and the gateway count their events apart.
#[derive(Default)]
struct Log {
    events: Vec<Event>,
    store: u64,
    gateway: u64,
}

impl Log {
    fn add(&mut self, at_ms: i64, contact: Option<u128>, agent: Option<&str>, kind: EventKind) {
        let is_store = !matches!(
            kind,
            EventKind::Arrived { .. }
                | EventKind::Closed { .. }
                | EventKind::Failed { .. }
                | EventKind::Blocked { .. }
                | EventKind::Informed { .. }
        );
        let (origin, counter) = if is_store {
            ("store", &mut self.store)
        } else {
            ("gateway", &mut self.gateway)
        };
        *counter += 1;
        let has_queue = contact.is_some();
        self.events.push(Event {
            id: EventId {
                origin: NodeId::from(origin),
                number: *counter,
            },
            at: Timestamp::from_millis(at_ms),
            contact: contact.map(ContactId::from_u128),
            queue: has_queue.then(|| QueueId::from("Q")),
            agent: agent.map(AgentId::from),
            kind,
        });
    }

    fn queue(mut self, queue: &str) -> Self {
        if let Some(event) = self.events.last_mut() {
            event.queue = Some(QueueId::from(queue));
        }
        self
    }

    fn arrive(mut self, at_s: i64, contact: u128) -> Self {
        let kind = EventKind::Arrived {
            channel: Channel::Voice,
            from: String::new(),
            to: "100".into(),
            via: "trunk".into(),
        };
        self.add(at_s * 1_000, Some(contact), None, kind);
        let kind = enqueued(at_s);
        self.add(at_s * 1_000, Some(contact), None, kind);
        self
    }

    fn offer(mut self, at_s: i64, contact: u128, agent: &str, token: u64) -> Self {
        let kind = EventKind::Offered {
            token: OfferToken::new(token),
            deadline: Timestamp::from_seconds(at_s + 15),
            node: NodeId::from("gateway"),
        };
        self.add(at_s * 1_000, Some(contact), Some(agent), kind);
        self
    }

    fn answer(mut self, at_s: i64, contact: u128, agent: &str, token: u64, wait_s: u64) -> Self {
        let kind = EventKind::Answered {
            token: OfferToken::new(token),
            wait_ms: wait_s * 1_000,
        };
        self.add(at_s * 1_000, Some(contact), Some(agent), kind);
        self
    }

    fn end(mut self, at_s: i64, contact: u128, agent: &str, talk_s: u64, wrap_up_s: i64) -> Self {
        let kind = EventKind::Ended {
            by: EndedBy::Caller,
            talk_ms: talk_s * 1_000,
            hold_ms: 0,
            wrap_up_until: (wrap_up_s > 0).then(|| Timestamp::from_seconds(at_s + wrap_up_s)),
            wrap_up_latest: None,
        };
        self.add(at_s * 1_000, Some(contact), Some(agent), kind);
        self.close(at_s, contact, ContactResult::Answered)
    }

    fn ready(mut self, at_s: i64, contact: u128, agent: &str, after_wrap_up: bool) -> Self {
        self.add(
            at_s * 1_000,
            Some(contact),
            Some(agent),
            EventKind::Ready {
                after_wrap_up,
                idle_since: at(at_s),
                rest_until: None,
            },
        );
        self
    }

    fn abandon(mut self, at_s: i64, contact: u128, wait_s: u64) -> Self {
        self.add(
            at_s * 1_000,
            Some(contact),
            None,
            EventKind::Abandoned {
                wait_ms: wait_s * 1_000,
            },
        );
        self.close(at_s, contact, ContactResult::Abandoned)
    }

    fn close(mut self, at_s: i64, contact: u128, result: ContactResult) -> Self {
        self.add(
            at_s * 1_000,
            Some(contact),
            None,
            EventKind::Closed { result },
        );
        self
    }

    fn kind(mut self, at_s: i64, contact: u128, kind: EventKind) -> Self {
        self.add(at_s * 1_000, Some(contact), None, kind);
        self
    }

    fn status(mut self, at_s: i64, agent: &str, status: Status) -> Self {
        self.add(
            at_s * 1_000,
            None,
            Some(agent),
            EventKind::AgentStatus { status },
        );
        self
    }

    fn serves(mut self, at_s: i64, agent: &str, queue: &str) -> Self {
        let queues = [QueueId::from(queue)];
        let profile = AgentProfile::new(AgentId::from(agent), agent).serving(queues);
        let profile = Box::new(profile);
        self.add(
            at_s * 1_000,
            None,
            Some(agent),
            EventKind::AgentChanged { profile },
        );
        self
    }

    fn ledger(&self, as_of_s: i64) -> Ledger {
        fold(&self.events, whole_log()).ledger(at(0), at(as_of_s + 1), at(as_of_s))
    }

    fn figures(&self, as_of_s: i64) -> Figures {
        self.ledger(as_of_s)
            .tally(at(0), at(as_of_s + 1), &in_queue("Q"))
            .figures()
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn enqueued(at_s: i64) -> EventKind {
    EventKind::Enqueued {
        priority: Priority(0),
        channel: Channel::Voice,
        skills: Needs::default(),
        reserved: None,
        enqueued_at: at(at_s),
        rings_one: false,
        node: NodeId::from("gateway"),
    }
}

fn in_queue(queue: &str) -> Scope {
    Scope {
        queue: Some(QueueId::from(queue)),
        channel: None,
    }
}

fn whole_log() -> Rules {
    Rules {
        settle_after: Duration::MAX,
        ..Rules::default()
    }
}

fn fold(events: &[Event], rules: Rules) -> Statistics {
    let mut statistics = Statistics::new(rules);
    for event in events {
        statistics.record(event);
    }
    statistics
}

#[test]
fn time_not_ready_is_split_by_reason_and_by_the_clock() {
    let away = |reason: &str| Status::NotReady(reason.into());
    let log = Log::default()
        .status(0, "ann", Status::Available)
        .status(100, "ann", away("lunch"))
        .status(1_000, "ann", away("meeting"))
        .status(1_100, "ann", away("lunch"))
        .status(1_150, "ann", Status::LoggedOff);
    let ann = AgentId::from("ann");
    // Settled for good at once, and still open: the same.
    for settle_after in [Duration::ZERO, Duration::MAX] {
        let rules = Rules {
            settle_after,
            ..Rules::default()
        };
        let ledger = fold(&log.events, rules).ledger(at(0), at(1_800), at(2_000));
        for (from, to, lunch, meeting) in [(0, 900, 800, 0), (900, 1_800, 150, 100)] {
            let reasons = ledger.not_ready_by_reason(at(from), at(to), &ann);
            let wanted = [("lunch", lunch), ("meeting", meeting)]
                .map(|(reason, seconds)| (reason.to_owned(), seconds * 1_000_u64));
            let wanted = wanted.into_iter().filter(|(_, millis)| *millis > 0);
            assert_eq!(reasons, wanted.collect());
            let whole = ledger.agent_time(at(from), at(to), &ann).not_ready_ms;
            assert_eq!(reasons.values().sum::<u64>(), whole);
        }
    }
}

#[test]
fn a_small_morning_gives_the_figures_worked_out_by_hand() {
    let log = Log::default()
        .serves(0, "ann", "Q")
        .status(0, "ann", Status::Available)
        .arrive(100, 1)
        .offer(105, 1, "ann", 1)
        .answer(110, 1, "ann", 1, 10)
        .arrive(120, 2)
        .arrive(121, 3)
        .abandon(124, 3, 3)
        .end(210, 1, "ann", 100, 30)
        .ready(230, 1, "ann", true)
        .offer(230, 2, "ann", 2)
        .answer(240, 2, "ann", 2, 120)
        .end(300, 2, "ann", 60, 0)
        .arrive(310, 4);
    let figures = log.figures(400);
    assert_eq!(figures.counts.offered, 4);
    assert_eq!(figures.counts.answered, 2);
    assert_eq!(figures.counts.abandoned, 1);
    assert_eq!(figures.counts.short_abandoned, 1);
    assert_eq!(figures.counts.waiting, 1);
    assert_eq!(figures.counts.answered_within, 1);
    assert_eq!(figures.asa_s, Some(65.0));
    assert_eq!(figures.aht_s, Some((100.0 + 60.0 + 20.0) / 2.0));
    assert_eq!(figures.longest_wait_s, Some(120.0));
    assert_eq!(figures.service_level.negative, Some(0.25));
    assert_eq!(figures.service_level.positive, Some(0.5));
    assert!(figures.is_conserved);
    let time = figures.agent_time;
    assert_eq!(time.talk_ms, 160_000);
    assert_eq!(time.wrap_up_ms, 20_000);
    assert_eq!(time.ringing_ms, 15_000);
    assert_eq!(time.idle_ms, 105_000 + 100_000);
    assert_eq!(figures.logged_in_ms, 400_000);
    assert_eq!(figures.occupancy, Some(180.0 / 385.0));
    assert_eq!(figures.utilisation, Some(180.0 / 400.0));
}

#[test]
fn an_abandon_of_exactly_the_limit_is_not_short() {
    let figures = Log::default()
        .arrive(100, 1)
        .abandon(105, 1, 5)
        .figures(200);
    assert_eq!(
        (figures.counts.abandoned, figures.counts.short_abandoned),
        (1, 0)
    );
}

#[test]
fn the_threshold_in_force_at_the_arrival_decides() {
    let strict = QueueRules {
        service_level: Duration::from_secs(10),
        ..QueueRules::with_defaults(QueueId::from("Q"))
    };
    let mut log = Log::default();
    log.add(
        0,
        None,
        None,
        EventKind::QueueChanged {
            rules: Box::new(QueueRules::with_defaults(QueueId::from("Q"))),
        },
    );
    let mut log = log
        .arrive(100, 1)
        .offer(101, 1, "ann", 1)
        .answer(115, 1, "ann", 1, 15);
    log.add(
        150_000,
        None,
        None,
        EventKind::QueueChanged {
            rules: Box::new(strict),
        },
    );
    let log = log
        .arrive(200, 2)
        .offer(201, 2, "bob", 2)
        .answer(215, 2, "bob", 2, 15);
    assert_eq!(log.figures(300).counts.answered_within, 1);
    let rules = Rules {
        queues: [(
            QueueId::from("Q"),
            Thresholds {
                service_level_ms: 15_000,
                short_abandon_ms: 0,
            },
        )]
        .into(),
        ..whole_log()
    };
    let tally = fold(&log.events, rules)
        .ledger(at(0), at(300), at(300))
        .tally(at(0), at(300), &in_queue("Q"));
    assert_eq!(tally.counts.answered_within, 2);
}

#[test]
fn an_answer_of_exactly_the_threshold_is_in_time() {
    let log = Log::default()
        .arrive(100, 1)
        .offer(101, 1, "ann", 1)
        .answer(120, 1, "ann", 1, 20);
    assert_eq!(log.figures(200).counts.answered_within, 1);
}

#[test]
fn refused_and_failed_contacts_stand_outside_the_offered() {
    let arrived = EventKind::Arrived {
        channel: Channel::Voice,
        from: String::new(),
        to: "100".into(),
        via: "t".into(),
    };
    let log = Log::default()
        .arrive(100, 1)
        .abandon(130, 1, 30)
        .kind(140, 2, arrived.clone())
        .kind(
            140,
            2,
            EventKind::Blocked {
                reason: "closed".into(),
            },
        )
        .close(141, 2, ContactResult::Blocked)
        .kind(150, 3, arrived)
        .kind(
            150,
            3,
            EventKind::Failed {
                cause: "488".into(),
            },
        )
        .close(151, 3, ContactResult::Failed)
        .arrive(160, 4)
        .kind(
            170,
            4,
            EventKind::Failed {
                cause: "no RTP".into(),
            },
        )
        .close(171, 4, ContactResult::Failed);
    let figures = log.figures(200);
    assert_eq!(figures.counts.offered, 1);
    assert_eq!((figures.counts.blocked, figures.counts.failed), (1, 2));
    assert_eq!(figures.handling_rate, Some(0.0));
    assert_eq!(figures.failure_rate, Some(1.0));
    assert!(figures.is_conserved);
}

#[test]
fn an_overflow_is_flowed_out_of_one_queue_and_offered_in_the_other() {
    let log = Log::default()
        .arrive(100, 1)
        .kind(
            160,
            1,
            EventKind::Overflowed {
                to: "R".into(),
                wait_ms: 60_000,
            },
        )
        .kind(160, 1, enqueued(100))
        .queue("R")
        .offer(165, 1, "bob", 1)
        .queue("R")
        .answer(170, 1, "bob", 1, 70)
        .queue("R")
        .end(200, 1, "bob", 30, 0);
    let q = log.figures(300);
    let r = log
        .ledger(300)
        .tally(at(0), at(301), &in_queue("R"))
        .figures();
    assert_eq!(
        (q.counts.offered, q.counts.flowed_out, q.counts.answered),
        (1, 1, 0)
    );
    assert_eq!((r.counts.offered, r.counts.answered), (1, 1));
    assert_eq!(r.asa_s, Some(70.0));
    assert!(q.is_conserved && r.is_conserved);
}

#[test]
fn a_bridge_that_failed_takes_the_answer_back() {
    let log = Log::default()
        .arrive(100, 1)
        .offer(101, 1, "ann", 1)
        .answer(105, 1, "ann", 1, 5)
        .kind(
            106,
            1,
            EventKind::Requeued {
                reason: RequeueReason::BridgeFailed,
                retry_at: None,
            },
        )
        .abandon(130, 1, 30);
    let counts = log.figures(200).counts;
    assert_eq!((counts.answered, counts.abandoned), (0, 1));
}

#[test]
fn a_contact_counts_in_the_interval_of_its_arrival_and_its_agent_by_the_clock() {
    let log = Log::default()
        .serves(0, "ann", "Q")
        .arrive(890, 1)
        .offer(890, 1, "ann", 1)
        .answer(895, 1, "ann", 1, 5)
        .end(995, 1, "ann", 100, 0);
    let ledger = log.ledger(2_000);
    let first = ledger.tally(at(0), at(900), &in_queue("Q"));
    let second = ledger.tally(at(900), at(1_800), &in_queue("Q"));
    assert_eq!((first.counts.answered, first.counts.talk_ms), (1, 100_000));
    assert_eq!(second.counts, Default::default());
    assert_eq!(
        (first.agent_time.talk_ms, second.agent_time.talk_ms),
        (5_000, 95_000)
    );
}

#[test]
fn an_agent_who_sees_no_answer_rings_and_then_is_not_ready() {
    let log = Log::default()
        .serves(0, "ann", "Q")
        .status(0, "ann", Status::Available)
        .arrive(100, 1)
        .offer(100, 1, "ann", 1);
    let mut log = log;
    log.add(
        115_000,
        Some(1),
        Some("ann"),
        EventKind::RingTimeout {
            token: OfferToken::new(1),
        },
    );
    let log = log.status(115, "ann", Status::NotReady("ring_no_answer".into()));
    let time = log.figures(200).agent_time;
    assert_eq!(
        (time.idle_ms, time.ringing_ms, time.not_ready_ms),
        (100_000, 15_000, 85_000)
    );
    assert_eq!((time.offers, time.ring_timeouts), (1, 1));
}

#[test]
fn a_contact_closed_long_ago_needs_no_memory_and_is_counted_once() {
    let mut statistics = Statistics::new(Rules::default());
    let mut log = Log::default();
    for contact in 0..2_000 {
        let now = i64::try_from(contact).unwrap() * 10;
        log = log.arrive(now, contact).abandon(now + 8, contact, 8);
    }
    for event in log.events.iter().chain(&log.events) {
        statistics.record(event);
    }
    assert!(statistics.health().kept < 40, "{:?}", statistics.health());
    assert_eq!(statistics.health().duplicates, 8_000);
    let tally =
        statistics
            .ledger(at(0), at(30_000), at(30_000))
            .tally(at(0), at(30_000), &in_queue("Q"));
    assert_eq!(
        (tally.counts.offered, tally.counts.abandoned),
        (2_000, 2_000)
    );
}

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
}

#[test]
fn a_contact_counts_under_its_number_its_callers_class_and_its_skills() {
    let is_of_class = |class| EventKind::Identified {
        outcome: IdentifiedAs::Known,
        caller: None,
        class: Some(class),
    };
    let mut needs_net = enqueued(1);
    if let EventKind::Enqueued { skills, .. } = &mut needs_net {
        *skills = Needs::always([(SkillId::from("net"), 4)].into());
    }
    let log = Log::default()
        .arrive(0, 1)
        .kind(1, 1, is_of_class(3))
        .kind(2, 1, is_of_class(1))
        .kind(2, 1, needs_net)
        .abandon(30, 1, 30)
        .arrive(40, 2)
        .abandon(45, 2, 5);
    let ledger = log.ledger(100);
    let of = |facet: Facet| {
        let (tally, spread) = ledger.of_facet(at(0), at(101), &facet, &in_queue("Q"));
        (tally.counts.abandoned, spread.abandon_wait_s.p90)
    };
    let wait = |seconds: f64| move |told: f64| (told / seconds - 1.0).abs() < 1.0 / 128.0;
    let (left, p90) = of(Facet::Number("100".to_owned()));
    assert!(left == 2 && p90.is_some_and(wait(30.0)));
    assert_eq!(of(Facet::CallerClass(1)).0, 1, "the latest word");
    assert_eq!(of(Facet::CallerClass(3)).0, 0);
    assert_eq!(of(Facet::Skill(SkillId::from("net"))).0, 1);
    let elsewhere = ledger.of_facet(at(0), at(101), &Facet::CallerClass(1), &in_queue("R"));
    assert_eq!(elsewhere.0.counts.abandoned, 0);
}

#[test]
fn a_word_on_who_called_that_comes_late_is_no_hole() {
    let mut log = Log::default().arrive(0, 1).abandon(9, 1, 9);
    for hour in 1..9 {
        log = log.arrive(hour * 3_600, 100 + u128::try_from(hour).unwrap());
        log = log.abandon(hour * 3_600 + 9, 100 + u128::try_from(hour).unwrap(), 9);
        if hour == 2 {
            let kind = EventKind::Identified {
                outcome: IdentifiedAs::Known,
                caller: None,
                class: Some(2),
            };
            log = log.kind(hour * 3_600, 1, kind);
        }
    }
    let statistics = fold(&log.events, Rules::default());
    assert_eq!(statistics.health().late, 0);
}

#[test]
fn the_same_event_twice_is_told() {
    let log = Log::default().arrive(0, 1);
    let mut statistics = Statistics::new(Rules::default());
    assert_eq!(statistics.record(&log.events[0]), Recorded::Taken);
    assert_eq!(statistics.record(&log.events[0]), Recorded::Duplicate);
}
