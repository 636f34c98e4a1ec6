//! How many events the statistics fold takes in a second on one core: `cargo bench -p ringdown-routing`.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use ringdown_routing::contact::{Channel, Priority};
use ringdown_routing::event::{ContactResult, EndedBy, Event, EventKind, IdentifiedAs};
use ringdown_routing::ids::{AgentId, ContactId, EventId, NodeId, OfferToken, QueueId};
use ringdown_routing::statistics::{Rules, Scope, Statistics};
use ringdown_routing::time::Timestamp;
use std::io::Write;
use std::time::Instant;

const CONTACTS: i64 = 200_000;
const AGENTS: i64 = 200;

fn main() {
    let events = day();
    let mut statistics = Statistics::new(Rules::default());
    let begun = Instant::now();
    for event in &events {
        statistics.record(event);
    }
    let folded = begun.elapsed();
    let span = (
        Timestamp::from_millis(0),
        Timestamp::from_seconds(1_000_000),
    );
    let begun = Instant::now();
    let ledger = statistics.ledger(span.0, span.1, span.1);
    let tally = ledger.tally(span.0, span.1, &Scope::default());
    let read = begun.elapsed();
    let per_event = folded.as_nanos() / events.len() as u128;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(
        out,
        "{} events, {per_event} ns each, {:.2} million/s; ledger in {read:?}; {} answered; {:?}",
        events.len(),
        1_000.0 / per_event as f64,
        tally.counts.answered,
        statistics.health(),
    );
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

/// A day of answered calls at 20 a second, eight events each, interleaved as they happen.
fn day() -> Vec<Event> {
    let mut events = Vec::new();
    for number in 0..CONTACTS {
        let start = number * 50;
        let agent = AgentId::from(format!("agent-{}", number % AGENTS).as_str());
        let token = OfferToken::new(number.unsigned_abs());
        let steps = [
            (
                0,
                None,
                EventKind::Arrived {
                    channel: Channel::Voice,
                    from: "+43123456".into(),
                    to: "100".into(),
                    via: "trunk".into(),
                },
            ),
            (
                5,
                None,
                EventKind::Identified {
                    outcome: IdentifiedAs::Unknown,
                    caller: None,
                    class: None,
                },
            ),
            (10, None, enqueued(start)),
            (
                1_000,
                Some(&agent),
                EventKind::Offered {
                    token,
                    deadline: Timestamp::from_millis(start + 16_000),
                    node: NodeId::from("gateway"),
                },
            ),
            (
                3_000,
                Some(&agent),
                EventKind::Answered {
                    token,
                    wait_ms: 3_000,
                },
            ),
            (
                8_000,
                Some(&agent),
                EventKind::Ended {
                    by: EndedBy::Caller,
                    talk_ms: 5_000,
                    hold_ms: 0,
                    wrap_up_until: None,
                    wrap_up_latest: None,
                },
            ),
            (
                8_000,
                Some(&agent),
                EventKind::Ready {
                    after_wrap_up: false,
                    idle_since: Timestamp::from_millis(start + 8_000),
                    rest_until: None,
                },
            ),
            (
                8_010,
                None,
                EventKind::Closed {
                    result: ContactResult::Answered,
                },
            ),
        ];
        for (after, agent, kind) in steps {
            events.push(Event {
                id: EventId {
                    origin: NodeId::from("store"),
                    number: 0,
                },
                at: Timestamp::from_millis(start + after),
                contact: Some(ContactId::new(
                    Timestamp::from_millis(start),
                    number.unsigned_abs().into(),
                )),
                queue: Some(QueueId::from("support")),
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
