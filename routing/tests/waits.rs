//! The waits that a log tells of.

use ringdown_routing::contact::{CallBackTo, Channel, Needs, Priority};
use ringdown_routing::event::{ContactResult, Event, EventKind};
use ringdown_routing::ids::{AgentId, ContactId, EventId, NodeId, QueueId};
use ringdown_routing::staffing::{INSTANTS_MAX, Patience, Wait, WaitCounts, Waits};
use ringdown_routing::time::Timestamp;

/// A log in the making.
#[derive(Default)]
struct Log {
    events: Vec<Event>,
}

impl Log {
    fn tell(&mut self, at: i64, contact: ContactId, queue: &str, kind: EventKind) {
        self.events.push(Event {
            id: EventId {
                origin: NodeId::from("store"),
                number: self.events.len() as u64 + 1,
            },
            at: Timestamp::from_millis(at),
            contact: Some(contact),
            queue: Some(QueueId::from(queue)),
            agent: Some(AgentId::from("ming")),
            kind,
        });
    }

    fn comes(&mut self, at: i64, contact: ContactId, channel: Channel, via: &str) {
        let arrived = EventKind::Arrived {
            channel,
            from: "+886".to_owned(),
            to: "100".to_owned(),
            via: via.to_owned(),
        };
        self.tell(at, contact, "q", arrived);
        self.enters(at, contact, "q", channel, at);
    }

    /// Who was in another line before has the time of their first entry.
    fn enters(&mut self, at: i64, contact: ContactId, queue: &str, channel: Channel, since: i64) {
        let enqueued = EventKind::Enqueued {
            priority: Priority::default(),
            channel,
            skills: Needs::default(),
            reserved: None,
            enqueued_at: Timestamp::from_millis(since),
            rings_one: false,
            calls_back: None,
            node: NodeId::from("gateway"),
        };
        self.tell(at, contact, queue, enqueued);
    }

    fn leaves(&mut self, at: i64, contact: ContactId, queue: &str, wait: i64) {
        let wait_ms = wait.unsigned_abs();
        self.tell(at, contact, queue, EventKind::Abandoned { wait_ms });
    }

    fn closes(&mut self, at: i64, contact: ContactId, result: ContactResult) {
        self.tell(at, contact, "q", EventKind::Closed { result });
    }
}

#[test]
fn more_different_waits_than_are_kept_apart_are_told_less_exactly() {
    let calls = INSTANTS_MAX as u64 * 3 / 2;
    let waits = (1..=calls).map(Wait::abandoned);
    let counts: WaitCounts = waits.clone().collect();
    assert_eq!(counts.resolution_ms(), 2);
    let reversed: WaitCounts = waits.rev().collect();
    assert_eq!(counts, reversed);
    let patience = Patience::of_counts(&counts);
    assert_eq!((patience.resolution_ms, patience.abandoned), (2, calls));
    let mean_ms = patience.mean_s.unwrap() * 1_000.0;
    let exact_ms = (calls + 1) as f64 / 2.0;
    assert!(
        (exact_ms..exact_ms + 2.0).contains(&mean_ms),
        "{mean_ms} for {exact_ms}"
    );
}

#[test]
fn less_exactly_told_waits_are_still_seen_before_they_end() {
    let calls = INSTANTS_MAX as u64 * 5 / 2;
    // Each is seen for the last millisecond only.
    let late = (1..=calls).map(|ms| Wait::answered(ms + 1).seen_from(ms));
    let counts: WaitCounts = late
        .chain([Wait::abandoned(0), Wait::abandoned(u64::MAX)])
        .collect();
    assert_eq!(counts.resolution_ms(), 4);
    let patience = Patience::of_counts(&counts);
    assert_eq!((patience.abandoned, patience.answered), (2, calls));
    assert_eq!(patience.curve.len(), 2);
    assert_eq!(patience.curve[1].still_patient, 0.0);
}

#[test]
fn a_caller_who_could_be_called_back_holds_the_line() {
    let mut log = Log::default();
    let contact = ContactId::from_u128(1);
    log.comes(0, contact, Channel::Voice, "trunk");
    log.leaves(1_000, contact, "q", 1_000);
    log.closes(1_000, contact, ContactResult::Abandoned);
    for event in &mut log.events {
        if let EventKind::Enqueued { calls_back, .. } = &mut event.kind {
            *calls_back = Some(Box::new(CallBackTo {
                number: "+886".to_owned(),
                dialled: "100".to_owned(),
            }));
        }
    }
    let mut waits = Waits::default();
    for event in &log.events {
        waits.record(event);
    }
    assert_eq!(waits.of_all(), [Wait::abandoned(1_000)]);
}
