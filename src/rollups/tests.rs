use super::*;
use crate::database::tests::{at, on_both_engines};
use crate::event_log::EventsQuery;
use crate::report::{By, Format, Period, Report, Shown, Subject, TableName, Words};
use jiff::tz::TimeZone;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use ringdown_routing::agent::{AgentProfile, Status};
use ringdown_routing::contact::{Channel, Needs, Priority};
use ringdown_routing::event::{ContactResult, EndedBy, Event, EventDraft, EventKind};
use ringdown_routing::ids::{
    AgentId, ContactId, EventId, NodeId, OfferToken, QueueId, SkillId, TicketId,
};
use ringdown_routing::statistics::{CallerKey, Distinct, EXACT_MAX, Ledger, Scope};
use ringdown_routing::ticket::{AnswerEnd, AnswerWait, ContactFacets, SymptomFacts, TicketFacts};
use ringdown_routing::time::Timestamp;
use std::collections::BTreeSet;

const MINUTE: i64 = 60;
pub(crate) const HOURS: i64 = 80;

/// Contacts of three days, some of which wait or are worked on for more than a day, by two gateways.
pub(crate) fn random_log(seed: u64) -> Vec<Event> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut drafts = Vec::new();
    for agent in 0..3 {
        let id = AgentId::new(format!("agent-{agent}"));
        for hour in 0..HOURS / 8 {
            let status = match random.random_range(0..3) {
                0 => Status::LoggedOff,
                1 => Status::NotReady("lunch".to_owned()),
                _ => Status::Available,
            };
            let when = at(hour * 8 * 3_600 + random.random_range(0..7 * 3_600));
            drafts.push(EventDraft::of_agent(
                when,
                id.clone(),
                EventKind::AgentStatus { status },
            ));
        }
    }
    for number in 0..150_u64 {
        let arrival = random.random_range(0..(HOURS - 4) * 3_600);
        let contact = ContactId::new(at(arrival), u128::from(number));
        let queue = QueueId::new(format!("queue-{}", random.random_range(0..2)));
        let agent = AgentId::new(format!("agent-{}", random.random_range(0..3)));
        let channel = [Channel::Voice, Channel::Email][random.random_range(0..2)];
        let mut when = arrival;
        let mut tell = |after: i64, kind: EventKind| {
            when += after;
            let draft = EventDraft::of_contact(at(when), contact, kind);
            drafts.push(draft.in_queue(queue.clone()).with_agent(agent.clone()));
        };
        tell(
            0,
            EventKind::Arrived {
                channel,
                from: format!("+8862272088{:02}", random.random_range(0..40)),
                to: format!("{}00", random.random_range(1..4)),
                via: "loopback".to_owned(),
            },
        );
        tell(
            1,
            EventKind::Enqueued {
                priority: Priority::default(),
                channel,
                skills: Needs::default(),
                reserved: None,
                enqueued_at: at(arrival),
                rings_one: false,
                calls_back: None,
                node: NodeId::new("a"),
            },
        );
        let longest = if random.random_range(0..6) == 0 {
            30 * 3_600
        } else {
            20 * MINUTE
        };
        let wait = random.random_range(1..longest);
        let wait_ms = u64::try_from(wait).unwrap() * 1_000;
        match random.random_range(0..8) {
            0 => {}
            1 | 2 => {
                tell(wait, EventKind::Abandoned { wait_ms });
                tell(
                    0,
                    EventKind::Closed {
                        result: ContactResult::Abandoned,
                    },
                );
            }
            3 => {
                tell(
                    wait,
                    EventKind::Failed {
                        cause: "media".to_owned(),
                    },
                );
                tell(
                    0,
                    EventKind::Closed {
                        result: ContactResult::Failed,
                    },
                );
            }
            _ => {
                let token = OfferToken::new(number);
                let deadline = at(arrival + 1 + wait + 30);
                tell(
                    wait,
                    EventKind::Offered {
                        token,
                        deadline,
                        node: NodeId::new("a"),
                    },
                );
                tell(
                    5,
                    EventKind::Answered {
                        token,
                        wait_ms: wait_ms + 5_000,
                    },
                );
                let talk = random.random_range(1..longest);
                let talk_ms = u64::try_from(talk).unwrap() * 1_000;
                tell(
                    talk,
                    EventKind::Ended {
                        by: EndedBy::Caller,
                        talk_ms,
                        hold_ms: 0,
                        wrap_up_until: None,
                        wrap_up_latest: None,
                    },
                );
                tell(
                    0,
                    EventKind::Closed {
                        result: ContactResult::Answered,
                    },
                );
            }
        }
    }
    tell_what_came_of_them(&mut drafts, seed);
    drafts.sort_by_key(|draft| draft.at);
    let numbered = (1..).zip(drafts);
    let numbered = numbered.map(|(number, draft)| {
        let origin = NodeId::new(if draft.agent.is_some() { "a" } else { "b" });
        draft.numbered(EventId { origin, number })
    });
    numbered.collect()
}

/// Agents serve other queues every few hours.
fn changes_of_queues(seed: u64) -> Vec<Event> {
    let mut drafts = Vec::new();
    let mut random = StdRng::seed_from_u64(seed ^ 0xa9e);
    for agent in 0..3 {
        let id = AgentId::new(format!("agent-{agent}"));
        for hour in (0..HOURS).step_by(5) {
            let served = random.random_range(0..4);
            let queues = (0..2).filter(|queue| served >> queue & 1 == 1);
            let queues = queues.map(|queue| QueueId::new(format!("queue-{queue}")));
            let profile = Box::new(AgentProfile::new(id.clone(), "agent").serving(queues));
            let when = at(hour * 3_600 + random.random_range(0..5 * 3_600));
            let kind = EventKind::AgentChanged { profile };
            drafts.push(EventDraft::of_agent(when, id.clone(), kind));
        }
    }
    let origin = NodeId::new("c");
    let numbered = (1..).zip(drafts).map(|(number, draft)| {
        let origin = origin.clone();
        draft.numbered(EventId { origin, number })
    });
    numbered.collect()
}

/// Tickets, symptoms, marks and waits for an answer by mail of what has arrived, told up to a day later.
fn tell_what_came_of_them(drafts: &mut Vec<EventDraft>, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed ^ 0x5eed);
    let mut told = Vec::new();
    let is_arrival = |draft: &&EventDraft| matches!(draft.kind, EventKind::Arrived { .. });
    // One in five, so that the writer's tests have room for all of the log.
    let arrivals = drafts.iter().filter(is_arrival).step_by(5);
    for (number, draft) in (1_u64..).zip(arrivals) {
        let EventKind::Arrived { channel, to, .. } = &draft.kind else {
            continue;
        };
        let facets = ContactFacets {
            number: Some(to.clone()),
            class: Some(random.random_range(1..4)),
            skills: BTreeSet::from([SkillId::new("vpn")]),
            agent: None,
        };
        let mut later = |least: u64| {
            let after = random.random_range(least..86_400);
            draft.at + Duration::from_secs(after)
        };
        let (solved_at, rated_at, answered_at) = (later(600), later(60), later(60));
        let about = |at: Timestamp, kind: EventKind| EventDraft {
            at,
            kind,
            ..draft.clone()
        };
        let ticket = TicketId::new(number);
        let opened = TicketFacts {
            opened_at: draft.at,
            queue: draft.queue.clone(),
            channel: *channel,
            is_incident: true,
            priority: 2,
            is_eligible: true,
            escalated_at: None,
            solved_at: None,
            is_at_first_contact: false,
            came_again: false,
            target_ms: Some(14_400_000),
            closed_at: None,
            facets: facets.clone(),
        };
        let solved = TicketFacts {
            solved_at: Some(solved_at),
            facets: ContactFacets {
                agent: draft.agent.clone(),
                ..facets.clone()
            },
            ..opened.clone()
        };
        let symptom = SymptomFacts {
            symptom: "slow".to_owned(),
            arrived_at: draft.at,
            channel: *channel,
            class: facets.class,
            wait_ms: number * 1_000,
            is_answered: true,
            service_level_ms: 20_000,
            tolerable_ms: 60_000,
            facets: solved.facets.clone(),
        };
        let changed = |before: Option<&TicketFacts>, now: &TicketFacts| EventKind::TicketChanged {
            ticket,
            before: before.cloned().map(Box::new),
            now: Box::new(now.clone()),
        };
        for (at, kind) in [
            (draft.at, changed(None, &opened)),
            (solved_at, changed(Some(&opened), &solved)),
        ] {
            let of_desk = EventDraft::of_desk(at, kind);
            told.push(of_desk.in_queue(draft.queue.clone().unwrap()));
        }
        let (before, now) = (None, Box::new(symptom));
        told.push(about(solved_at, EventKind::SymptomRecorded { before, now }));
        let rated = EventKind::Rated {
            score: u8::try_from(number % 5).unwrap() + 1,
            arrived_at: draft.at,
            channel: *channel,
            facets: Box::new(facets.clone()),
        };
        told.push(about(rated_at, rated));
        if *channel != Channel::Email {
            continue;
        }
        let mut wait = AnswerWait {
            since: draft.at,
            queue: draft.queue.clone().unwrap(),
            is_first: number.is_multiple_of(2),
            due_at: Some(draft.at + Duration::from_secs(14_400)),
            facets: Box::new(facets),
        };
        let awaited = |wait: &AnswerWait, from| EventKind::AnswerAwaited {
            ticket,
            wait: wait.clone(),
            from,
        };
        told.push(about(draft.at, awaited(&wait, None)));
        if number.is_multiple_of(3) {
            let from = std::mem::replace(&mut wait.queue, QueueId::new("queue-1"));
            let moved_at = draft.at + Duration::from_secs(30);
            told.push(about(moved_at, awaited(&wait, Some(from))));
        }
        let working_ms = number * 60_000;
        let end = match number % 4 {
            0 => continue,
            1 => AnswerEnd::Dropped,
            _ => AnswerEnd::Given { working_ms },
        };
        told.push(about(
            answered_at,
            EventKind::AnswerWaitEnded { ticket, wait, end },
        ));
    }
    drafts.extend(told);
}

pub(crate) fn period(interval: &str, from: i64, to: i64) -> Period {
    let zone = TimeZone::get("Asia/Kathmandu").unwrap();
    Period::new(at(from), at(to), interval.parse().unwrap(), zone).unwrap()
}

/// A period that begins at any instant, in milliseconds, and lasts so many seconds.
pub(crate) fn period_from(from_ms: i64, interval: &str, seconds: i64) -> Period {
    let from = Timestamp::from_millis(from_ms);
    let to = Timestamp::from_millis(from_ms + seconds * 1_000);
    Period::new(from, to, interval.parse().unwrap(), TimeZone::UTC).unwrap()
}

pub(crate) fn printed(report: &Report) -> String {
    let mut out = Vec::new();
    let words = Words::of(&"en".parse().unwrap());
    report.print(Format::Json, words, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// One table, or the rows without any.
fn as_csv(report: &Report, table: Option<TableName>) -> String {
    let mut out = Vec::new();
    let words = Words::of(&"en".parse().unwrap());
    match table {
        Some(table) => report.print_table(table, Format::Csv, words, &mut out),
        None => report.print(Format::Csv, words, &mut out),
    }
    .unwrap();
    String::from_utf8(out).unwrap()
}

/// The whole log, folded from zero in the order of time.
async fn whole(log: &EventLog, period: Period, scope: &Scope, now: Timestamp) -> Report {
    let mut fold = zero();
    let all = EventsQuery::Between {
        from: Timestamp::from_millis(i64::MIN),
        to: Timestamp::from_millis(i64::MAX),
    };
    log.for_each(all, |event| {
        fold.record(&event);
    })
    .await
    .unwrap();
    Report::of(&fold, period, scope.clone(), now)
}

async fn agree(log: &EventLog, rollups: &Rollups, now: Timestamp) {
    let scopes = [
        Scope::default(),
        Scope {
            queue: Some(QueueId::from("queue-1")),
            channel: None,
        },
    ];
    for (scope, by) in scopes.into_iter().zip([By::Agent, By::Number, By::Skill]) {
        for (interval, from, to) in [
            ("30m", 0, 24 * 3_600),
            ("1d", 0, HOURS * 3_600),
            ("1mo", 0, HOURS * 3_600),
            ("1h", 30 * 3_600, 31 * 3_600),
        ] {
            let period = period(interval, from, to);
            let Some(report) = rollups.report(&period, &scope, now, || ()).await.unwrap() else {
                continue;
            };
            let wanted = whole(log, period.clone(), &scope, now).await;
            assert_eq!(
                printed(&report.by(By::Queue)),
                printed(&wanted),
                "{interval} from {from}"
            );
            if interval != "1d" {
                continue;
            }
            let by_facet = rollups.clone().reading(Facets::ByInterval);
            let report = by_facet.report(&period, &scope, now, || ()).await.unwrap();
            for by in [By::Agent, By::Number, By::Skill, By::CallerClass] {
                let (told, wanted) = (report.clone().unwrap().by(by), wanted.clone().by(by));
                assert_eq!(printed(&told), printed(&wanted), "{interval} by {by:?}");
            }
            // Rows alone.
            let only = rollups.clone().reading(Facets::Only(by));
            let told = only.report(&period, &scope, now, || ()).await.unwrap();
            let (told, by_it) = (told.unwrap().by(by), wanted.clone().by(by));
            assert_eq!(as_csv(&told, None), as_csv(&by_it, None), "rows by {by:?}");
            // The rows without a table, and each table that needs no facets.
            let without = rollups.clone().reading(Facets::Unread);
            let told = without.report(&period, &scope, now, || ()).await.unwrap();
            let told = told.unwrap().by(By::Queue);
            assert!(told.facets.is_empty());
            let tables = TableName::ALL.into_iter().map(Some);
            for table in tables.chain([None]) {
                let subject = Subject {
                    shown: Shown::of(table, Format::Csv),
                    ..Subject::default()
                };
                if subject.facets() == Facets::Unread {
                    let (told, wanted) = (as_csv(&told, table), as_csv(&wanted, table));
                    assert_eq!(told, wanted, "{interval} {table:?}");
                }
            }
        }
    }
}

#[test]
fn a_report_from_roll_ups_is_that_of_the_whole_log_whatever_comes_when() {
    on_both_engines(|database| async move {
        let log = EventLog::new(database.clone());
        let rollups = Rollups::new(&log);
        let mut random = StdRng::seed_from_u64(1);
        let mut events = random_log(7);
        events.extend(changes_of_queues(7));
        // Most come in order, some hours late, some twice.
        let late = events.len() / 10;
        events.shuffle(&mut random);
        let mut held: Vec<Event> = events.split_off(events.len() - late);
        events.sort_by_key(|event| event.at);
        let again: Vec<Event> = events.iter().step_by(17).cloned().collect();
        let mut counted = 0;
        for (place, chunk) in events.chunks(events.len() / 12).enumerate() {
            chunk
                .iter()
                .for_each(|event| assert!(log.append(event.clone())));
            let now = chunk.last().unwrap().at;
            let (come, stay): (Vec<_>, Vec<_>) = held
                .into_iter()
                .partition(|event| event.at < now && random.random_range(0..3) == 0);
            held = stay;
            come.into_iter()
                .for_each(|event| assert!(log.append(event)));
            again
                .iter()
                .filter(|event| event.at < now)
                .for_each(|event| {
                    log.append(event.clone());
                });
            log.flush().await.unwrap();
            // What came late is not rolled up yet, and counts all the same.
            agree(&log, &rollups, now).await;
            counted += rollups.catch_up(now, || ()).await.unwrap().unwrap();
            if place % 4 == 3 {
                agree(&log, &rollups, now).await;
            }
        }
        assert!(counted > 80, "{counted} steps");
        held.into_iter()
            .for_each(|event| assert!(log.append(event)));
        log.flush().await.unwrap();
        let now = at((HOURS + 100) * 3_600);
        rollups.catch_up(now, || ()).await.unwrap();
        agree(&log, &rollups, now).await;
        assert!(!rollups.lag().await.unwrap().late);
        let widths: Vec<(i64,)> =
            sqlx::query_as("SELECT DISTINCT width FROM rollups ORDER BY width")
                .fetch_all(database.reads())
                .await
                .unwrap();
        let kept = levels::LEVELS.map(|level| (levels::millis(level.width),));
        assert_eq!(widths, kept, "everything is cut up");
        rollups.forget(now).await.unwrap();
        rollups.catch_up(now, || ()).await.unwrap();
        agree(&log, &rollups, now).await;
        assert!(rollups.lag().await.unwrap().until.is_some());
    });
}

#[test]
fn one_gateway_does_the_work_until_its_lease_is_over() {
    on_both_engines(|database| async move {
        let log = EventLog::new(database.clone());
        random_log(3)
            .into_iter()
            .for_each(|event| assert!(log.append(event)));
        log.flush().await.unwrap();
        let (one, other) = (Rollups::new(&log), Rollups::new(&log));
        // Later than every event, and than the longest talk.
        let now = at((HOURS + 100) * 3_600);
        assert_eq!(one.advance(now).await.unwrap(), Advance::Moved);
        assert_eq!(other.advance(now).await.unwrap(), Advance::Elsewhere);
        let later = now + Duration::from_secs(3_600);
        assert_eq!(other.advance(later).await.unwrap(), Advance::Moved);
        assert_eq!(one.advance(later).await.unwrap(), Advance::Elsewhere);
        other.let_go(later).await.unwrap();
        one.catch_up(later, || ()).await.unwrap().unwrap();
        agree(&log, &one, later).await;
    });
}

/// As sums were written before the largest of them became bytes.
pub(crate) fn plain<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    let mut serializer = rmp_serde::Serializer::new(&mut out).with_human_readable();
    serde::Serialize::serialize(value, &mut serializer).unwrap();
    out
}

#[test]
fn what_was_written_as_plain_values_is_read_as_well() {
    let mut fold = zero();
    for event in random_log(9) {
        fold.record(&event);
    }
    let read_again: Statistics = super::read(&plain(&fold)).unwrap();
    assert_eq!(write(&read_again).unwrap(), write(&fold).unwrap());
    let ledger = fold.take_settled();
    for written in [plain(&ledger), write(&ledger).unwrap()] {
        assert_eq!(super::read::<Ledger>(&written).unwrap(), ledger);
    }
    assert!(write(&ledger).unwrap().len() < plain(&ledger).len());
    let mut many = Distinct::default();
    for caller in 0..EXACT_MAX + 1 {
        many.add(CallerKey::of_caller(&caller.to_string()));
    }
    for written in [plain(&many), write(&many).unwrap()] {
        assert_eq!(super::read::<Distinct>(&written).unwrap(), many);
    }
    // Bytes that tell nothing sensible are refused.
    for wrong in [
        &[0xc4, 1, 2][..],
        &[0xc4, 2, 0, 0],
        &[0xc4, 1, 1],
        &[0xc4, 0],
    ] {
        assert!(super::read::<Distinct>(wrong).is_err(), "{wrong:?}");
    }
}
