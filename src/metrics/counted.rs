//! Counters and histograms as a fold over the events.

use super::exposition::{Buckets, Exposition};
use ringdown_routing::event::{ContactResult, Event, EventKind, IdentifiedAs};
use std::collections::BTreeMap;

/// Most label values of one name; further ones are counted as `other`, so that nobody outside can
/// make the monitoring system grow.
const LABELS_MAX: usize = 500;

/// Upper bounds of waits, in seconds.
const WAIT_BOUNDS: [f64; 10] = [
    1.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0,
];

/// Upper bounds of conversations, in seconds.
const TALK_BOUNDS: [f64; 10] = [
    10.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0,
];

/// What was counted since the start.
#[derive(Debug, Default)]
pub(super) struct Counted {
    counters: BTreeMap<Name, BTreeMap<String, u64>>,
    waits: BTreeMap<String, Histogram>,
    abandon_waits: BTreeMap<String, Histogram>,
    talks: BTreeMap<String, Histogram>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Events,
    Arrived,
    Enqueued,
    Answered,
    Abandoned,
    FlowedOut,
    Blocked,
    Failed,
    Closed,
    Offers,
    OffersDeclined,
    RingTimeouts,
    OffersExpired,
    Requeued,
    Identified,
    Tickets,
    RtpReceived,
    RtpSent,
    RtpLost,
    RtpOneWay,
    StoreLost,
    NodesLost,
}

#[derive(Clone, Debug)]
struct Histogram {
    bounds: &'static [f64],
    counts: Vec<u64>,
    sum_ms: u64,
}

impl Counted {
    pub(super) fn record(&mut self, event: &Event) {
        self.count(Name::Events, "", 1);
        let queue = event.queue.as_ref().map_or("", |queue| queue.as_str());
        match &event.kind {
            EventKind::Arrived { channel, .. } => self.count(Name::Arrived, channel.as_str(), 1),
            EventKind::Identified { outcome, .. } => {
                self.count(Name::Identified, identified(*outcome), 1)
            }
            EventKind::TicketLinked { rule, .. } => self.count(Name::Tickets, rule, 1),
            EventKind::Enqueued { .. } => self.count(Name::Enqueued, queue, 1),
            EventKind::Blocked { reason } => self.count(Name::Blocked, reason, 1),
            EventKind::Failed { .. } => self.count(Name::Failed, queue, 1),
            EventKind::Offered { .. } => self.count(Name::Offers, queue, 1),
            EventKind::Declined { .. } => self.count(Name::OffersDeclined, queue, 1),
            EventKind::RingTimeout { .. } => self.count(Name::RingTimeouts, queue, 1),
            EventKind::OfferExpired { .. } => self.count(Name::OffersExpired, queue, 1),
            EventKind::Requeued { .. } => self.count(Name::Requeued, queue, 1),
            EventKind::Answered { wait_ms, .. } => {
                self.count(Name::Answered, queue, 1);
                observe(&mut self.waits, &WAIT_BOUNDS, queue, *wait_ms);
            }
            EventKind::Abandoned { wait_ms } => {
                self.count(Name::Abandoned, queue, 1);
                observe(&mut self.abandon_waits, &WAIT_BOUNDS, queue, *wait_ms);
            }
            EventKind::Overflowed { .. } => self.count(Name::FlowedOut, queue, 1),
            EventKind::Ended { talk_ms, .. } => {
                observe(&mut self.talks, &TALK_BOUNDS, queue, *talk_ms)
            }
            EventKind::Closed { result } => self.count(Name::Closed, ended(*result), 1),
            EventKind::MediaReport {
                leg,
                packets_received,
                packets_sent,
                packets_lost,
                one_way,
                ..
            } => {
                self.count(Name::RtpReceived, leg, *packets_received);
                self.count(Name::RtpSent, leg, *packets_sent);
                self.count(Name::RtpLost, leg, *packets_lost);
                self.count(Name::RtpOneWay, leg, u64::from(*one_way));
            }
            EventKind::StoreLost { .. } => self.count(Name::StoreLost, "", 1),
            EventKind::NodeLost { .. } => self.count(Name::NodesLost, "", 1),
            EventKind::Rang { .. }
            | EventKind::LeftOffer { .. }
            | EventKind::Held
            | EventKind::Resumed
            | EventKind::WrapUpExtended { .. }
            | EventKind::Ready { .. }
            | EventKind::AgentStatus { .. }
            | EventKind::OverflowRefused { .. }
            | EventKind::Reprioritised { .. }
            | EventKind::NextStatus { .. }
            | EventKind::AgentReachable { .. }
            | EventKind::IncidentTold { .. }
            | EventKind::MessageLeft { .. }
            | EventKind::Informed { .. }
            | EventKind::KeyedIn { .. }
            | EventKind::QueueChanged { .. }
            | EventKind::AgentChanged { .. }
            | EventKind::AgentRemoved
            | EventKind::Restored { .. }
            | EventKind::Escalated { .. }
            | EventKind::TicketChanged { .. }
            | EventKind::SymptomRecorded { .. }
            | EventKind::Rated { .. }
            | EventKind::AnswerAwaited { .. }
            | EventKind::AnswerWaitEnded { .. }
            | EventKind::Intervened { .. }
            | EventKind::StoreReturned => {}
        }
    }

    pub(super) fn tell(&self, out: &mut Exposition) {
        for (name, values) in &self.counters {
            let (text, help, label) = name.told();
            for (value, count) in values {
                match label {
                    Some(label) => out.counter(text, help, &[(label, value.as_str())], *count),
                    None => out.counter(text, help, &[], *count),
                }
            }
        }
        let histograms = [
            (
                "ringdown_answer_wait_seconds",
                "Wait of contacts that were answered, from the first enqueue.",
                &self.waits,
            ),
            (
                "ringdown_abandon_wait_seconds",
                "Wait of contacts whose caller left.",
                &self.abandon_waits,
            ),
            (
                "ringdown_talk_seconds",
                "Time spoken per contact, without hold.",
                &self.talks,
            ),
        ];
        for (name, help, by_queue) in histograms {
            for (queue, histogram) in by_queue {
                let buckets = Buckets {
                    bounds: histogram.bounds,
                    counts: &histogram.counts,
                    sum: seconds(histogram.sum_ms),
                };
                out.histogram(name, help, &[("queue", queue.as_str())], &buckets);
            }
        }
    }

    fn count(&mut self, name: Name, label: &str, more: u64) {
        *bounded(self.counters.entry(name).or_default(), label, || 0) += more;
    }
}

fn observe(
    by_label: &mut BTreeMap<String, Histogram>,
    bounds: &'static [f64],
    label: &str,
    millis: u64,
) {
    let histogram = bounded(by_label, label, || Histogram {
        bounds,
        counts: vec![0; bounds.len() + 1],
        sum_ms: 0,
    });
    let value = seconds(millis);
    let bucket = histogram.bounds.partition_point(|bound| *bound < value);
    if let Some(count) = histogram.counts.get_mut(bucket) {
        *count += 1;
    }
    histogram.sum_ms = histogram.sum_ms.saturating_add(millis);
}

fn bounded<'a, T>(
    by_label: &'a mut BTreeMap<String, T>,
    label: &str,
    new: impl FnOnce() -> T,
) -> &'a mut T {
    let label = if by_label.contains_key(label) || by_label.len() < LABELS_MAX {
        label
    } else {
        "other"
    };
    if !by_label.contains_key(label) {
        by_label.insert(label.to_owned(), new());
    }
    #[expect(clippy::expect_used, reason = "the entry was inserted just now")]
    by_label.get_mut(label).expect("the label is there")
}

fn seconds(millis: u64) -> f64 {
    millis as f64 / 1_000.0
}

fn identified(outcome: IdentifiedAs) -> &'static str {
    match outcome {
        IdentifiedAs::Known => "known",
        IdentifiedAs::Claimed => "claimed",
        IdentifiedAs::Ambiguous => "ambiguous",
        IdentifiedAs::Unknown => "unknown",
        IdentifiedAs::Unavailable => "unavailable",
    }
}

fn ended(result: ContactResult) -> &'static str {
    match result {
        ContactResult::Answered => "answered",
        ContactResult::Abandoned => "abandoned",
        ContactResult::FlowedOut => "flowed_out",
        ContactResult::CallBack => "call_back",
        ContactResult::Blocked => "blocked",
        ContactResult::Informed => "informed",
        ContactResult::Failed => "failed",
    }
}

impl Name {
    /// Name, help, and what its values are labelled with.
    fn told(self) -> (&'static str, &'static str, Option<&'static str>) {
        let queue = Some("queue");
        match self {
            Self::Events => ("ringdown_events_total", "Events of the desk.", None),
            Self::Arrived => (
                "ringdown_contacts_arrived_total",
                "Contacts that reached the gateway.",
                Some("channel"),
            ),
            Self::Enqueued => (
                "ringdown_contacts_enqueued_total",
                "Contacts that entered a queue.",
                queue,
            ),
            Self::Answered => (
                "ringdown_contacts_answered_total",
                "Contacts that an agent answered.",
                queue,
            ),
            Self::Abandoned => (
                "ringdown_contacts_abandoned_total",
                "Contacts whose caller left the queue.",
                queue,
            ),
            Self::FlowedOut => (
                "ringdown_contacts_flowed_out_total",
                "Contacts that left the queue for elsewhere.",
                queue,
            ),
            Self::Blocked => (
                "ringdown_contacts_blocked_total",
                "Contacts refused before the queue.",
                Some("reason"),
            ),
            Self::Failed => (
                "ringdown_contacts_failed_total",
                "Contacts whose signalling or media failed.",
                queue,
            ),
            Self::Closed => (
                "ringdown_contacts_closed_total",
                "Contacts that are over.",
                Some("result"),
            ),
            Self::Offers => ("ringdown_offers_total", "Offers made to agents.", queue),
            Self::OffersDeclined => (
                "ringdown_offers_declined_total",
                "Offers that were declined, busy or unreachable.",
                queue,
            ),
            Self::RingTimeouts => (
                "ringdown_ring_timeouts_total",
                "Offers that rang for their whole time.",
                queue,
            ),
            Self::OffersExpired => (
                "ringdown_offers_expired_total",
                "Offers whose lease ran out.",
                queue,
            ),
            Self::Requeued => (
                "ringdown_contacts_requeued_total",
                "Contacts put back at their old place.",
                queue,
            ),
            Self::Identified => (
                "ringdown_identifications_total",
                "Look-ups of callers in the CMS.",
                Some("outcome"),
            ),
            Self::Tickets => (
                "ringdown_tickets_linked_total",
                "Contacts linked to a ticket, by rule.",
                Some("rule"),
            ),
            Self::RtpReceived => (
                "ringdown_rtp_packets_received_total",
                "RTP packets received, told when a leg closes.",
                Some("leg"),
            ),
            Self::RtpSent => (
                "ringdown_rtp_packets_sent_total",
                "RTP packets sent, told when a leg closes.",
                Some("leg"),
            ),
            Self::RtpLost => (
                "ringdown_rtp_packets_lost_total",
                "RTP packets that never came, told when a leg closes.",
                Some("leg"),
            ),
            Self::RtpOneWay => (
                "ringdown_rtp_one_way_legs_total",
                "Legs that sent no audio although they should have.",
                Some("leg"),
            ),
            Self::StoreLost => (
                "ringdown_queue_store_lost_total",
                "Times the queue store could not be reached.",
                None,
            ),
            Self::NodesLost => (
                "ringdown_nodes_lost_total",
                "Gateways that gave no sign of life.",
                None,
            ),
        }
    }
}
