use super::*;
use ringdown_routing::event::EventKind;
use ringdown_routing::ids::{EventId, NodeId, OfferToken, QueueId};
use ringdown_routing::time::Timestamp;

fn event(kind: EventKind, queue: &str) -> Event {
    Event {
        id: EventId {
            origin: NodeId::from("n"),
            number: 1,
        },
        at: Timestamp::from_millis(0),
        contact: None,
        queue: Some(QueueId::from(queue)),
        agent: None,
        kind,
    }
}

#[test]
fn events_become_counters_and_histograms() {
    let metrics = Metrics::default();
    for wait_ms in [500, 5_000, 20_000, 4_000_000] {
        metrics.record(&event(
            EventKind::Answered {
                token: OfferToken::new(1),
                wait_ms,
            },
            "Q",
        ));
    }
    let text = metrics.render();
    for line in [
        "# TYPE ringdown_contacts_answered_total counter",
        "ringdown_contacts_answered_total{queue=\"Q\"} 4",
        "ringdown_answer_wait_seconds_bucket{queue=\"Q\",le=\"1\"} 1",
        "ringdown_answer_wait_seconds_bucket{queue=\"Q\",le=\"5\"} 2",
        "ringdown_answer_wait_seconds_bucket{queue=\"Q\",le=\"20\"} 3",
        "ringdown_answer_wait_seconds_bucket{queue=\"Q\",le=\"+Inf\"} 4",
        "ringdown_answer_wait_seconds_sum{queue=\"Q\"} 4025.5",
        "ringdown_answer_wait_seconds_count{queue=\"Q\"} 4",
        "ringdown_events_total 4",
    ] {
        assert!(text.lines().any(|told| told == line), "{line}\n{text}");
    }
}

#[test]
fn readers_are_asked_at_every_answer() {
    let metrics = Metrics::default();
    metrics.add(|out| {
        out.gauge(
            "ringdown_sip_calls",
            "Calls now.",
            &[("shard", "a\"\\\n")],
            3.5,
        )
    });
    let line = "ringdown_sip_calls{shard=\"a\\\"\\\\\\n\"} 3.5";
    assert!(metrics.render().contains(line), "{}", metrics.render());
}

#[test]
fn labels_from_outside_are_bounded() {
    let metrics = Metrics::default();
    for number in 0..2_000 {
        metrics.record(&event(
            EventKind::Blocked {
                reason: format!("r{number}"),
            },
            "Q",
        ));
    }
    let text = metrics.render();
    assert!(
        text.lines()
            .filter(|line| line.starts_with("ringdown_contacts_blocked_total"))
            .count()
            <= 501
    );
    assert!(
        text.contains("ringdown_contacts_blocked_total{reason=\"other\"} 1500"),
        "{text}"
    );
}
