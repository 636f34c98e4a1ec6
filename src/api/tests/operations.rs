//! The operations listener, and the sockets under both doors.

use super::*;
use crate::api::operations;

#[test]
fn the_operations_listener_tells_health_readiness_and_figures() {
    on_a_desk(async |desk| {
        desk.call(1).await;
        let readiness = operations::Readiness::default();
        readiness.add("database", || Ok(()));
        let router = operations::router(Arc::clone(&desk.state.parts.observers), readiness.clone());
        let ask = async |path: &str| {
            let response = router
                .clone()
                .oneshot(Request::get(path).body(Body::empty()).unwrap())
                .await
                .unwrap();
            let status = response.status();
            let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            (status, String::from_utf8(bytes.to_vec()).unwrap())
        };
        assert_eq!(ask("/healthz").await, (StatusCode::OK, "ok\n".to_owned()));
        assert_eq!(ask("/readyz").await.0, StatusCode::OK);
        readiness.add("redis", || Err("Redis does not answer".to_owned()));
        let (status, body) = ask("/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            body.contains("\"redis\":\"Redis does not answer\""),
            "{body}"
        );
        let (_, figures) = ask("/metrics").await;
        assert!(
            figures.contains("ringdown_contacts_arrived_total{channel=\"voice\"} 1"),
            "{figures}"
        );
        let is_told = |line: &str| figures.lines().any(|told| told == line);
        assert!(
            is_told("ringdown_statistics_unaccounted_contacts 0"),
            "{figures}"
        );
        // A log of which the answer is missing: closed as answered, and nobody knows by whom.
        let sample = include_str!("../../../fixtures/events/half_hour.jsonl");
        for line in sample
            .lines()
            .filter(|line| !line.contains("\"event\": \"answered\""))
        {
            let event = serde_json::from_str(line).unwrap();
            desk.state.parts.observers.observe(&event);
        }
        let mut late: ringdown_routing::event::Event =
            serde_json::from_str(sample.lines().last().unwrap()).unwrap();
        late.id.number += 1;
        late.at = late.at + std::time::Duration::from_secs(7_200);
        desk.state.parts.observers.observe(&late);
        let (_, figures) = ask("/metrics").await;
        let is_told = |line: &str| figures.lines().any(|told| told == line);
        assert!(
            is_told("ringdown_statistics_unaccounted_contacts 1"),
            "{figures}"
        );
        assert!(is_told("ringdown_statistics_holes_total 1"), "{figures}");
    });
}

#[test]
fn a_socket_serves_and_ends_gracefully() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    on_a_desk(async |desk| {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let served = tokio::spawn(serve::serve(listener, desk.router.clone(), stopped));
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut head = [0; 15];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200 OK");
        stop.send(true).unwrap();
        served.await.unwrap().unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
    });
}
