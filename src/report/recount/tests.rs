use super::*;
use crate::database::tests::at;
use crate::report::period;
use crate::rollups::tests::{printed, random_log};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use ringdown_routing::contact::{Channel, Needs, Priority};
use ringdown_routing::event::{ContactResult, EndedBy, EventDraft, EventKind};
use ringdown_routing::ids::{AgentId, ContactId, EventId, NodeId, OfferToken, QueueId};

const KATHMANDU: &str = "Asia/Kathmandu";

fn question(interval: &str, by: By) -> Question {
    Question {
        from: None,
        to: None,
        as_of: None,
        interval: interval.parse().unwrap(),
        zone: TimeZone::get(KATHMANDU).unwrap(),
        scope: Scope::default(),
        by,
    }
}

fn recounted(events: &[Event], question: &Question) -> Report {
    let mut recount = Recount::new(question.clone()).unwrap();
    for event in events {
        recount.record(event);
    }
    recount.report().unwrap().unwrap()
}

/// The same by a fold that keeps everything until it is asked.
fn folded(events: &[Event], question: &Question) -> Report {
    let mut fold = Statistics::new(Rules {
        interval: question.interval.cell(),
        settle_after: DISORDER_MAX,
        ..Rules::default()
    });
    for event in events {
        fold.record(event);
    }
    let first = events.iter().map(|event| event.at).min().unwrap();
    let last = fold.newest().unwrap();
    let read = |text: &Option<String>, otherwise: Timestamp| match text {
        Some(text) => period::instant(text, last, &question.zone).unwrap(),
        None => otherwise,
    };
    let from = read(&question.from, first);
    let to = read(&question.to, last + Duration::from_millis(1));
    let period = Period::new(from, to, question.interval, question.zone.clone()).unwrap();
    let as_of = read(&question.as_of, last);
    Report::of(&fold, period, question.scope.clone(), as_of)
        .by(question.by)
        .since(Some(first))
}

/// Half an hour of disorder, and every fifth event twice.
fn disordered(mut events: Vec<Event>, seed: u64) -> Vec<Event> {
    let mut random = StdRng::seed_from_u64(seed);
    let again: Vec<Event> = events.iter().step_by(5).cloned().collect();
    events.extend(again);
    let mut told: Vec<(Timestamp, Event)> = events
        .into_iter()
        .map(|event| {
            let told_at = event.at + Duration::from_secs(random.random_range(0..1_800));
            (told_at, event)
        })
        .collect();
    told.sort_by_key(|(told_at, _)| *told_at);
    told.into_iter().map(|(_, event)| event).collect()
}

#[test]
fn what_is_added_up_on_the_way_is_what_is_kept_to_the_end_whatever_is_asked() {
    let told = |hour: i64| Some(period::local(at(hour * 3_600), &TimeZone::UTC));
    let (begin, end) = (|| told(20), || told(50));
    let word = |text: &str| Some(text.to_owned());
    let events = disordered(random_log(1), 1);
    for by in By::ALL {
        for interval in ["1h", "1d", "1mo"] {
            for (from, to, as_of) in [
                (None, None, None),
                (begin(), None, None),
                (None, end(), end()),
                (begin(), end(), None),
                (word("yesterday"), None, None),
                (word("yesterday"), word("today"), begin()),
                (begin(), word("now"), None),
                (end(), end(), None),
            ] {
                let question = Question {
                    from,
                    to,
                    as_of,
                    ..question(interval, by)
                };
                let told = printed(&recounted(&events, &question));
                assert_eq!(told, printed(&folded(&events, &question)), "{question:?}");
            }
        }
    }
}

#[test]
fn a_queue_or_a_channel_alone_is_added_up_as_it_is_kept() {
    let events = disordered(random_log(3), 3);
    for (queue, channel, interval) in [
        (Some("queue-1"), None, "1d"),
        (None, Some(Channel::Email), "10m"),
        (Some("queue-0"), Some(Channel::Voice), "1mo"),
    ] {
        for by in By::ALL {
            let scope = Scope {
                queue: queue.map(QueueId::from),
                channel,
            };
            let question = Question {
                scope,
                ..question(interval, by)
            };
            let told = printed(&recounted(&events, &question));
            assert_eq!(told, printed(&folded(&events, &question)), "{question:?}");
        }
    }
}

#[test]
fn who_came_before_the_first_event_of_the_log_is_not_in_its_period() {
    // The log begins in the middle: its first contacts entered the line hours before.
    let events: Vec<Event> = random_log(4)
        .into_iter()
        .filter(|event| event.at >= at(30 * 3_600))
        .collect();
    for by in By::ALL {
        for interval in ["1h", "1d"] {
            let question = question(interval, by);
            let told = printed(&recounted(&events, &question));
            assert_eq!(told, printed(&folded(&events, &question)), "{question:?}");
        }
    }
}

#[test]
fn what_is_kept_does_not_grow_with_the_length_of_the_log() {
    // The month is one row, of whichever length the log is.
    for by in [By::Queue, By::Agent, By::Number] {
        let kept = |days: i64| most_kept(&calls_every_ten_minutes(days), &question("1mo", by));
        assert_eq!(kept(8), kept(2), "by {by:?}");
    }
    let in_rows = |hours: i64| {
        let told = |hour: i64| Some(period::local(begin(hour), &TimeZone::UTC));
        let question = Question {
            from: told(0),
            to: told(hours),
            ..question("1h", By::Queue)
        };
        most_kept(&calls_every_ten_minutes(2), &question)
    };
    assert!(in_rows(48) > 3 * in_rows(4), "every row has its cells");
}

#[test]
fn an_instant_that_cannot_be_read_is_refused_before_any_event() {
    for place in 0..3 {
        let mut question = question("1h", By::Queue);
        let wrong = Some("the day before yesterday".to_owned());
        match place {
            0 => question.from = wrong,
            1 => question.to = wrong,
            _ => question.as_of = wrong,
        }
        assert!(Recount::new(question).is_err());
    }
    let empty = Recount::new(question("1h", By::Queue)).unwrap();
    assert!(empty.is_empty());
    assert!(empty.report().unwrap().is_none());
}

/// The most cells and contacts that were kept, which is before and after what is counted for good is added up.
fn most_kept(events: &[Event], question: &Question) -> usize {
    let mut recount = Recount::new(question.clone()).unwrap();
    let mut most = 0;
    for event in events {
        let added = recount.added;
        let mut kept = 0;
        if event.at > added + ADD_EVERY {
            kept = kept_by(&recount);
        }
        recount.record(event);
        if recount.added != added {
            kept = kept.max(kept_by(&recount));
        }
        most = most.max(kept);
    }
    assert!(most > 20, "{most}");
    most
}

fn kept_by(recount: &Recount) -> usize {
    let in_fold = recount.fold.ledger(BEFORE_ALL, AFTER_ALL, recount.added);
    recount.fold.health().kept + cells(&in_fold) + cells(&recount.sums)
}

fn cells(ledger: &Ledger) -> usize {
    let told = serde_json::to_value(ledger).unwrap();
    let count = |list: &serde_json::Value| list.as_array().unwrap().len();
    let of_facets = told["facets"].as_array().unwrap().iter();
    let of_facets: usize = of_facets.map(|facet| count(&facet[1])).sum();
    let plain = ["contacts", "agents", "not_ready"].map(|name| count(&told[name]));
    plain.iter().sum::<usize>() + of_facets
}

/// An instant of the first hours of November in Kathmandu and after.
fn begin(hour: i64) -> Timestamp {
    Timestamp::from_seconds(1_793_494_800 + hour * 3_600)
}

/// A call every ten minutes, by ten people to three numbers, answered by two agents in two lines.
fn calls_every_ten_minutes(days: i64) -> Vec<Event> {
    let mut drafts = Vec::new();
    for call in 0..days * 144 {
        let arrived = begin(0) + Duration::from_secs(600) * u32::try_from(call).unwrap();
        let contact = ContactId::new(arrived, u128::try_from(call).unwrap());
        let token = OfferToken::new(u64::try_from(call).unwrap());
        let agent = AgentId::new(format!("agent-{}", call % 2));
        let told = [
            (
                0,
                EventKind::Arrived {
                    channel: Channel::Voice,
                    from: format!("+88622720881{}", call % 10),
                    to: format!("{}", 100 + call % 3),
                    via: "loopback".to_owned(),
                },
            ),
            (
                1,
                EventKind::Enqueued {
                    priority: Priority::default(),
                    channel: Channel::Voice,
                    skills: Needs::default(),
                    reserved: None,
                    enqueued_at: arrived,
                    rings_one: false,
                    calls_back: None,
                    node: NodeId::new("a"),
                },
            ),
            (
                20,
                EventKind::Answered {
                    token,
                    wait_ms: 20_000,
                },
            ),
            (
                200,
                EventKind::Ended {
                    by: EndedBy::Caller,
                    talk_ms: 180_000,
                    hold_ms: 0,
                    wrap_up_until: None,
                    wrap_up_latest: None,
                },
            ),
            (
                200,
                EventKind::Closed {
                    result: ContactResult::Answered,
                },
            ),
        ];
        for (after_s, kind) in told {
            let at = arrived + Duration::from_secs(after_s);
            let draft = EventDraft::of_contact(at, contact, kind);
            let draft = draft.in_queue(QueueId::new(format!("queue-{}", call % 2)));
            drafts.push(match after_s {
                0 | 1 => draft,
                _ => draft.with_agent(agent.clone()),
            });
        }
    }
    let origin = NodeId::new("a");
    let numbered = (1..).zip(drafts).map(|(number, draft)| {
        let origin = origin.clone();
        draft.numbered(EventId { origin, number })
    });
    numbered.collect()
}
