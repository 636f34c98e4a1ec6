//! A log in the making, and short words for what tests ask of it.

use ringdown_routing::agent::{AgentProfile, Status};
use ringdown_routing::contact::{Channel, Needs, Priority};
use ringdown_routing::event::{ContactResult, EndedBy, Event, EventKind};
use ringdown_routing::ids::{AgentId, ContactId, EventId, NodeId, OfferToken, QueueId};
use ringdown_routing::statistics::{Figures, Ledger, Rules, Scope, Statistics};
use ringdown_routing::time::Timestamp;
use std::time::Duration;

/// A log in the making: the desk's store and the gateway count their events apart.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) events: Vec<Event>,
    store: u64,
    gateway: u64,
}

impl Log {
    pub(crate) fn add(
        &mut self,
        at_ms: i64,
        contact: Option<u128>,
        agent: Option<&str>,
        kind: EventKind,
    ) {
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

    pub(crate) fn queue(mut self, queue: &str) -> Self {
        if let Some(event) = self.events.last_mut() {
            event.queue = Some(QueueId::from(queue));
        }
        self
    }

    pub(crate) fn arrive(mut self, at_s: i64, contact: u128) -> Self {
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

    pub(crate) fn offer(mut self, at_s: i64, contact: u128, agent: &str, token: u64) -> Self {
        let kind = EventKind::Offered {
            token: OfferToken::new(token),
            deadline: Timestamp::from_seconds(at_s + 15),
            node: NodeId::from("gateway"),
        };
        self.add(at_s * 1_000, Some(contact), Some(agent), kind);
        self
    }

    pub(crate) fn answer(
        mut self,
        at_s: i64,
        contact: u128,
        agent: &str,
        token: u64,
        wait_s: u64,
    ) -> Self {
        let kind = EventKind::Answered {
            token: OfferToken::new(token),
            wait_ms: wait_s * 1_000,
        };
        self.add(at_s * 1_000, Some(contact), Some(agent), kind);
        self
    }

    pub(crate) fn end(
        mut self,
        at_s: i64,
        contact: u128,
        agent: &str,
        talk_s: u64,
        wrap_up_s: i64,
    ) -> Self {
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

    pub(crate) fn ready(
        mut self,
        at_s: i64,
        contact: u128,
        agent: &str,
        after_wrap_up: bool,
    ) -> Self {
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

    pub(crate) fn abandon(mut self, at_s: i64, contact: u128, wait_s: u64) -> Self {
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

    pub(crate) fn close(mut self, at_s: i64, contact: u128, result: ContactResult) -> Self {
        self.add(
            at_s * 1_000,
            Some(contact),
            None,
            EventKind::Closed { result },
        );
        self
    }

    pub(crate) fn kind(mut self, at_s: i64, contact: u128, kind: EventKind) -> Self {
        self.add(at_s * 1_000, Some(contact), None, kind);
        self
    }

    pub(crate) fn status(mut self, at_s: i64, agent: &str, status: Status) -> Self {
        self.add(
            at_s * 1_000,
            None,
            Some(agent),
            EventKind::AgentStatus { status },
        );
        self
    }

    pub(crate) fn serves(self, at_s: i64, agent: &str, queue: &str) -> Self {
        self.serves_all(at_s, agent, &[queue])
    }

    pub(crate) fn serves_all(mut self, at_s: i64, agent: &str, queues: &[&str]) -> Self {
        let queues = queues.iter().map(|queue| QueueId::from(*queue));
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

    pub(crate) fn ledger(&self, as_of_s: i64) -> Ledger {
        fold(&self.events, whole_log()).ledger(at(0), at(as_of_s + 1), at(as_of_s))
    }

    pub(crate) fn figures(&self, as_of_s: i64) -> Figures {
        self.ledger(as_of_s)
            .tally(at(0), at(as_of_s + 1), &in_queue("Q"))
            .figures()
    }
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

pub(crate) fn enqueued(at_s: i64) -> EventKind {
    EventKind::Enqueued {
        priority: Priority(0),
        channel: Channel::Voice,
        skills: Needs::default(),
        reserved: None,
        enqueued_at: at(at_s),
        rings_one: false,
        calls_back: None,
        node: NodeId::from("gateway"),
    }
}

pub(crate) fn in_queue(queue: &str) -> Scope {
    Scope {
        queue: Some(QueueId::from(queue)),
        channel: None,
    }
}

pub(crate) fn whole_log() -> Rules {
    Rules {
        settle_after: Duration::MAX,
        ..Rules::default()
    }
}

pub(crate) fn fold(events: &[Event], rules: Rules) -> Statistics {
    let mut statistics = Statistics::new(rules);
    for event in events {
        statistics.record(event);
    }
    statistics
}
