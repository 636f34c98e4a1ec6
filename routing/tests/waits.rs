//! The waits that a log tells of.

use ringdown_routing::contact::{CallBackTo, Channel, Needs, Priority};
use ringdown_routing::event::{ContactResult, Event, EventKind};
use ringdown_routing::ids::{AgentId, ContactId, EventId, NodeId, QueueId};
use ringdown_routing::staffing::{Wait, Waits};
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
