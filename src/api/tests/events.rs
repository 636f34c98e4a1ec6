//! Events as listeners and observers hear them.

use super::*;
use crate::api::feed::{Heard, Listener};
use ringdown_routing::event::EventDraft;

#[test]
fn observers_follow_the_bus() {
    on_a_desk(async |desk| {
        let observers = Arc::clone(&desk.state.parts.observers);
        let following = observers.follow(&desk.state.parts.acd, &desk.state.parts.log);
        let followed = tokio::spawn(following);
        desk.staff().await;
        desk.enqueue(1, 0).await;
        while !desk
            .state
            .parts
            .observers
            .metrics
            .render()
            .contains("ringdown_contacts_enqueued_total")
        {
            tokio::task::yield_now().await;
        }
        followed.abort();
    });
}

/// Waits for the next event that somebody intervened, and gives the act.
async fn next_intervention(listener: &mut Listener, feed: &Feed) -> String {
    loop {
        if let Heard::Lines(lines) = feed.hear(listener) {
            for line in lines {
                let event: Value = serde_json::from_str(&line.json).unwrap();
                if event["event"] == "intervened" {
                    return event["act"].as_str().unwrap().to_owned();
                }
            }
        }
        assert!(listener.wait().await);
    }
}

fn intervened(act: &str) -> EventDraft {
    EventDraft::of_desk(
        now(),
        EventKind::Intervened {
            by: "tests".to_owned(),
            act: act.to_owned(),
            details: std::collections::BTreeMap::new(),
        },
    )
}

#[test]
fn an_event_counts_whether_log_bus_or_a_command_told_of_it_first() {
    on_a_desk(async |desk| {
        let parts = &desk.state.parts;
        let observers = &parts.observers;
        let mut listener = observers.feed.listen();
        let following = Arc::clone(observers).follow(&parts.acd, &parts.log);
        // On the bus, and in the log before that is read for the first time.
        parts.acd.publish(intervened("stored_first")).unwrap();
        parts.log.flush().await.unwrap();
        let followed = tokio::spawn(following);
        let heard = next_intervention(&mut listener, &observers.feed).await;
        assert_eq!(heard, "stored_first");
        parts.acd.publish(intervened("told_first")).unwrap();
        let heard = next_intervention(&mut listener, &observers.feed).await;
        assert_eq!(heard, "told_first");
        // By a command that runs beside the gateway.
        let beside = parts.log.append_beside(intervened("beside"));
        beside.await.unwrap();
        let heard = next_intervention(&mut listener, &observers.feed).await;
        assert_eq!(heard, "beside");
        let text = observers.metrics.render();
        assert!(
            text.lines().any(|line| line == "ringdown_events_total 3"),
            "{text}"
        );
        followed.abort();
    });
}

#[test]
fn listeners_hear_events_and_go_on_where_they_were() {
    on_a_desk(async |desk| {
        desk.call(1).await;
        let mut request = request(Method::GET, "/events", "reader", None, "");
        request
            .headers_mut()
            .insert("last-event-id", "node-a:10".parse().unwrap());
        let text = first_chunk(&desk, request).await;
        assert!(text.starts_with("id: node-a:11\ndata: {"), "{text}");
        assert!(text.contains("\"event\":\"closed\""), "{text}");
        let text = first_chunk(
            &desk,
            self::request(Method::GET, "/events?after=gone:7", "reader", None, ""),
        )
        .await;
        assert!(text.starts_with("event: gap"), "{text}");
    });
}

/// The first piece of an answer without end.
async fn first_chunk(desk: &Desk, request: Request<Body>) -> String {
    let response = desk.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body().into_data_stream();
    let chunk = futures_util::StreamExt::next(&mut body)
        .await
        .unwrap()
        .unwrap();
    String::from_utf8(chunk.to_vec()).unwrap()
}
