//! How many events the statistics fold takes in a second on one core: `cargo bench -p ringdown-routing --bench
//! statistics`. Told as elements a second; the aim is two million.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ringdown_routing::contact::{Channel, Priority};
use ringdown_routing::event::{ContactResult, EndedBy, Event, EventKind, IdentifiedAs};
use ringdown_routing::ids::{
    AgentId, CallerId, ContactId, EventId, NodeId, OfferToken, QueueId, TicketId,
};
use ringdown_routing::statistics::{Rules, Scope, Statistics};
use ringdown_routing::ticket::{ContactFacets, TicketFacts};
use ringdown_routing::time::Timestamp;
use std::hint::black_box;
use std::time::Duration;

const CONTACTS: i64 = 20_000;
const AGENTS: i64 = 200;
const CALLERS: i64 = 8_000;
const QUEUES: i64 = 10;

fn fold(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fold");
    for (name, told) in [
        ("calls", Told::Calls),
        ("calls with tickets", Told::CallsWithTickets),
    ] {
        let events = day(told);
        group.throughput(Throughput::Elements(events.len() as u64));
        group.sample_size(20);
        group.measurement_time(Duration::from_secs(5));
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || Statistics::new(Rules::default()),
                |statistics| {
                    for event in &events {
                        black_box(statistics.record(event));
                    }
                },
                BatchSize::PerIteration,
            );
        });
        group.bench_function(format!("{name}, ledger read"), |bencher| {
            let mut statistics = Statistics::new(Rules::default());
            for event in &events {
                statistics.record(event);
            }
            let end = Timestamp::from_seconds(1_000_000);
            bencher.iter(|| {
                let ledger = statistics.ledger(Timestamp::from_millis(0), end, end);
                black_box(ledger.tally(Timestamp::from_millis(0), end, &Scope::default()))
            });
        });
    }
    group.finish();
}

/// What the log tells of a call.
#[derive(Clone, Copy)]
enum Told {
    /// Its way through the line.
    Calls,
    /// Also the ticket it opened, and how that stood later.
    CallsWithTickets,
}

fn enqueued(at_ms: i64) -> EventKind {
    EventKind::Enqueued {
        priority: Priority(0),
        channel: Channel::Voice,
        skills: Default::default(),
        reserved: None,
        enqueued_at: Timestamp::from_millis(at_ms),
        rings_one: false,
        calls_back: None,
        node: NodeId::from("gateway"),
    }
}

/// Part of a day of answered calls at 20 a second, interleaved as they happen.
fn day(told: Told) -> Vec<Event> {
    let mut events = Vec::new();
    for number in 0..CONTACTS {
        let start = number * 50;
        let at = Timestamp::from_millis;
        let agent = AgentId::from(format!("agent-{}", number % AGENTS).as_str());
        let queue = QueueId::from(format!("queue-{}", number % QUEUES).as_str());
        // Callers in an order that is not that of their names.
        let who = number * 7_919 % CALLERS;
        let caller = (who % 4 != 0).then(|| CallerId::from(format!("person-{who}").as_str()));
        let token = OfferToken::new(number.unsigned_abs());
        let outcome = match caller {
            Some(_) => IdentifiedAs::Known,
            None => IdentifiedAs::Unknown,
        };
        let class = caller.as_ref().map(|_| 2);
        let arrived = EventKind::Arrived {
            channel: Channel::Voice,
            from: format!("+4312345{who:05}"),
            to: format!("10{}", number % QUEUES),
            via: "trunk".into(),
        };
        let identified = EventKind::Identified {
            outcome,
            caller,
            class,
        };
        let offered = EventKind::Offered {
            token,
            deadline: at(start + 16_000),
            node: NodeId::from("gateway"),
        };
        let answered = EventKind::Answered {
            token,
            wait_ms: 3_000,
        };
        let ended = EventKind::Ended {
            by: EndedBy::Caller,
            talk_ms: 5_000,
            hold_ms: 0,
            wrap_up_until: None,
            wrap_up_latest: None,
        };
        let ready = EventKind::Ready {
            after_wrap_up: false,
            idle_since: at(start + 8_000),
            rest_until: None,
        };
        let closed = EventKind::Closed {
            result: ContactResult::Answered,
        };
        let mut steps = vec![
            (0, None, arrived),
            (5, None, identified),
            (10, None, enqueued(start)),
            (1_000, Some(&agent), offered),
            (3_000, Some(&agent), answered),
            (8_000, Some(&agent), ended),
            (8_000, Some(&agent), ready),
            (8_010, None, closed),
        ];
        if let Told::CallsWithTickets = told {
            let (opened, solved) = ticket(number, start, &queue);
            steps.extend([(20, None, opened), (9_000, None, solved)]);
        }
        for (after, agent, kind) in steps {
            events.push(Event {
                id: EventId {
                    origin: NodeId::from("store"),
                    number: 0,
                },
                at: at(start + after),
                contact: Some(ContactId::new(at(start), number.unsigned_abs().into())),
                queue: Some(queue.clone()),
                agent: agent.cloned(),
                kind,
            });
        }
    }
    events.sort_by_key(|event| event.at);
    for (place, event) in events.iter_mut().enumerate() {
        event.id.number = place as u64 + 1;
    }
    events
}

/// A ticket as it is opened, and as it is solved.
fn ticket(number: i64, opened_ms: i64, queue: &QueueId) -> (EventKind, EventKind) {
    let opened = TicketFacts {
        opened_at: Timestamp::from_millis(opened_ms),
        queue: Some(queue.clone()),
        channel: Channel::Voice,
        is_incident: number % 3 != 0,
        priority: 2,
        is_eligible: true,
        escalated_at: None,
        solved_at: None,
        is_at_first_contact: false,
        came_again: false,
        target_ms: Some(14_400_000),
        closed_at: None,
        facets: ContactFacets::default(),
    };
    let solved = TicketFacts {
        solved_at: Some(Timestamp::from_millis(opened_ms + 9_000)),
        is_at_first_contact: true,
        ..opened.clone()
    };
    let ticket = TicketId::new(number.unsigned_abs());
    let changed = |before, now| EventKind::TicketChanged {
        ticket,
        before,
        now: Box::new(now),
    };
    let before = Some(Box::new(opened.clone()));
    (changed(None, opened), changed(before, solved))
}

criterion_group!(benches, fold);
criterion_main!(benches);
