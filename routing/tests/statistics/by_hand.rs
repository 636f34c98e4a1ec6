//! Small days whose figures were worked out by hand.

use crate::log::{Log, at, enqueued, fold, in_queue, whole_log};
use ringdown_routing::agent::Status;
use ringdown_routing::contact::{Channel, Needs};
use ringdown_routing::event::{ContactResult, EventKind, IdentifiedAs};
use ringdown_routing::ids::{AgentId, OfferToken, QueueId, SkillId};
use ringdown_routing::queue::QueueRules;
use ringdown_routing::statistics::{
    Facet, HandOver, Recorded, Rules, Scope, Statistics, Thresholds,
};
use ringdown_routing::verb::RequeueReason;
use std::collections::BTreeMap;
use std::time::Duration;

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
            let mut reasons = ledger.not_ready_by_reason(at(from), at(to));
            let reasons = reasons.remove(&ann).unwrap_or_default();
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
fn calls_mails_faxes_and_chats_are_counted_each_by_their_channel() {
    let channels = [Channel::Voice, Channel::Email, Channel::Fax, Channel::Chat];
    let mut log = Log::default()
        .serves(0, "ann", "Q")
        .status(0, "ann", Status::Available);
    // Of each channel one is answered after ten seconds times its place, one leaves and one waits.
    for (place, first) in (1..).zip([10, 20, 30, 40]) {
        let begin = place * 200;
        let wait_s = u64::try_from(place * 10).unwrap();
        log = log
            .arrive(begin, first)
            .offer(begin, first, "ann", u64::try_from(first).unwrap())
            .answer(
                begin + place * 10,
                first,
                "ann",
                u64::try_from(first).unwrap(),
                wait_s,
            )
            .end(begin + 100, first, "ann", 60, 0)
            .arrive(begin, first + 1)
            .abandon(begin + 50, first + 1, 50)
            .arrive(begin, first + 2);
    }
    for event in &mut log.events {
        let place = event
            .contact
            .map_or(0, |contact| contact.as_u128() / 10 - 1);
        let meant = channels[usize::try_from(place).unwrap()];
        if let EventKind::Arrived { channel, .. } | EventKind::Enqueued { channel, .. } =
            &mut event.kind
        {
            *channel = meant;
        }
    }
    let ledger = fold(&log.events, whole_log()).ledger(at(0), at(3_600), at(2_000));
    for (place, channel) in (1_u64..).zip(channels) {
        let scope = Scope {
            queue: Some(QueueId::from("Q")),
            channel: Some(channel),
        };
        let figures = ledger.tally(at(0), at(3_600), &scope).figures();
        let counts = figures.counts;
        let told = (
            counts.offered,
            counts.answered,
            counts.abandoned,
            counts.waiting,
        );
        assert_eq!(told, (3, 1, 1, 1), "{channel:?}");
        assert_eq!(figures.asa_s, Some(place as f64 * 10.0), "{channel:?}");
        let is_within = place <= 2;
        assert_eq!(counts.answered_within, u64::from(is_within), "{channel:?}");
        assert!(figures.is_conserved);
    }
    let all = ledger.tally(at(0), at(3_600), &Scope::default()).figures();
    assert_eq!((all.counts.offered, all.counts.answered), (12, 4));
    assert_eq!(ledger.channels(), channels.into_iter().collect());
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

/// Ann answers and hands over to the experts, bob answers there; a contact that ann gave back to the line and that
/// overflows later is nobody's hand-over.
fn handed_over() -> Log {
    let requeued = || EventKind::Requeued {
        reason: RequeueReason::HandedOver,
        retry_at: None,
    };
    let overflowed = |wait_ms| EventKind::Overflowed {
        to: "experts".to_owned(),
        wait_ms,
    };
    let mut log = Log::default();
    for (contact, after) in [(1, 60), (2, 400)] {
        log = log
            .arrive(0, contact)
            .offer(10, contact, "ann", u64::try_from(contact).unwrap())
            .answer(10, contact, "ann", u64::try_from(contact).unwrap(), 10);
        log.add(60_000, Some(contact), Some("ann"), requeued());
        let since = after * 1_000;
        let wait_ms = u64::try_from(since).unwrap();
        log.add(since, Some(contact), None, overflowed(wait_ms));
        log.add(since, Some(contact), None, enqueued(0));
        log = log
            .queue("experts")
            .offer(500, contact, "bob", 10 + u64::try_from(contact).unwrap())
            .queue("experts")
            .answer(
                510,
                contact,
                "bob",
                10 + u64::try_from(contact).unwrap(),
                510,
            )
            .queue("experts")
            .end(600, contact, "bob", 90, 0);
    }
    log
}

#[test]
fn a_hand_over_is_told_of_the_agent_who_had_the_contact() {
    let log = handed_over();
    let wanted = HandOver {
        queue: QueueId::from("Q"),
        to: "experts".to_owned(),
        by: AgentId::from("ann"),
    };
    let backwards = log.events.iter().rev().chain(&log.events).cloned();
    let backwards: Vec<_> = backwards.collect();
    let settled = Rules {
        settle_after: Duration::ZERO,
        ..Rules::default()
    };
    for (events, rules) in [
        (&log.events, whole_log()),
        (&backwards, whole_log()),
        (&log.events, settled),
    ] {
        let ledger = fold(events, rules).ledger(at(0), at(900), at(90_000));
        let told = ledger.hand_overs(at(0), at(900), &Scope::default());
        assert_eq!(told, BTreeMap::from([(wanted.clone(), 1)]));
        assert_eq!(ledger.hand_overs(at(0), at(900), &in_queue("Q")), told);
        assert!(
            ledger
                .hand_overs(at(0), at(900), &in_queue("experts"))
                .is_empty()
        );
        let all = ledger.tally(at(0), at(900), &Scope::default()).counts;
        assert_eq!((all.offered, all.flowed_out, all.answered), (4, 2, 2));
        let of = |agent: &str| {
            let facet = Facet::Agent(AgentId::from(agent));
            ledger.of_facet(at(0), at(900), &facet, &Scope::default()).0
        };
        assert_eq!(of("bob").counts.answered, 2);
        assert_eq!(of("ann").counts.offered, 0);
    }
}
