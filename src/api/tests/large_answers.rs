//! Answers of any size to a change that is sent again.

use super::*;
use crate::api::gate::gate;
use axum::middleware;
use axum::routing::post;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A change that counts how often it is done, and answers with so many letters.
fn change(state: &ApiState, done: &Arc<AtomicUsize>, letters: usize) -> Router {
    let done = Arc::clone(done);
    let act = move || {
        let time = done.fetch_add(1, Ordering::SeqCst);
        let answer = json!({ "time": time, "text": "a".repeat(letters) });
        async move { axum::Json(answer) }
    };
    let gate = middleware::from_fn_with_state(state.clone(), gate);
    Router::new().route("/contacts", post(act)).layer(gate)
}

async fn send(router: &Router) -> (StatusCode, bool, Vec<u8>) {
    let request = Request::post("/contacts")
        .header("authorization", "Bearer writer")
        .header("idempotency-key", "once")
        .body(Body::empty())
        .unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let again = parts.headers.contains_key("idempotency-replayed");
    (parts.status, again, body.to_vec())
}

#[test]
fn a_change_with_a_large_answer_is_done_once_and_answered_again_by_any_gateway() {
    run(async {
        for letters in [10, 100_000, 3_000_000] {
            let desk = Desk::new().await;
            let done = Arc::new(AtomicUsize::new(0));
            let here = change(&desk.state, &done, letters);
            let (status, again, first) = send(&here).await;
            assert_eq!((status, again), (StatusCode::OK, false), "{letters}");
            assert!(first.len() > letters);
            assert_eq!(send(&here).await, (StatusCode::OK, true, first.clone()));
            // Another gateway has nothing of it in memory.
            let mut other = desk.state.clone();
            other.answers = Arc::default();
            let there = change(&other, &done, letters);
            assert_eq!(send(&there).await, (StatusCode::OK, true, first));
            assert_eq!(done.load(Ordering::SeqCst), 1, "{letters}");
        }
    });
}
