//! Events as listeners and observers hear them.

use super::*;

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
