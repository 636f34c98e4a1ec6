//! Gateways that die or fall asleep, and what the others make of it.

use crate::redis_server::{Keeps, RedisServer};
use crate::work::{BlockOnElsewhere, DONE, Gateway, Written, ids, movable_clock, place};
use ringdown::acd::{Acd, AtStart, Clock, EventSink, Health, Notice, Surroundings};
use ringdown_routing::contact::Place;
use ringdown_routing::event::{Event, EventKind};
use ringdown_routing::ids::{AgentId, NodeId};
use ringdown_routing::verb::{DeclineReason, Verb};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A gateway whose log takes events and never gets them written.
async fn with_a_log_that_hangs(server: &RedisServer, name: &str, clock: Clock) -> Gateway {
    let node = NodeId::from(name);
    let taken = Written::default();
    let kept = taken.clone();
    let append = move |event: &std::sync::Arc<Event>| {
        kept.lock()
            .expect("nobody panicked")
            .push(Event::clone(event));
        true
    };
    let surroundings = Surroundings {
        node: node.clone(),
        clock,
        sink: EventSink::new(append, std::future::pending::<bool>),
    };
    let acd = Acd::in_redis(place(server), AtStart::RequireRedis, surroundings)
        .await
        .expect("the server is there");
    Gateway::new(node, acd, taken)
}

#[tokio::test]
async fn what_a_gateway_did_not_write_before_it_died_another_writes_down() {
    let server = RedisServer::start(Keeps::Everything);
    let (clock, ahead) = movable_clock();
    let dying = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let theirs = clock.clone();
    let first = dying.block_on_elsewhere(async {
        let mut gateway = with_a_log_that_hangs(&server, "dying", theirs).await;
        gateway.furnish(Duration::ZERO, &["anna"]).await;
        let contact = gateway.enqueue(1).await;
        let (_, token) = gateway.hear_offer_of(contact).await;
        assert_eq!(gateway.change(Verb::Accept { token }).await, DONE);
        // It goes without a word: nothing of it is dropped in order.
        std::mem::forget(gateway);
        contact
    });
    let mut living = Gateway::in_redis(&server, "living", clock).await;
    dying.shutdown_background();
    ahead.store(16_000, Ordering::Relaxed);
    let is_lost = |notice: &Notice| match notice {
        Notice::Event(event) => matches!(event.kind, EventKind::NodeLost { .. }).then_some(()),
        Notice::Resync => None,
    };
    living.hear(is_lost).await;
    let wanted = |written: &[Event]| {
        let numbers: BTreeSet<u64> = ids(written).iter().map(|id| id.number).collect();
        let last = numbers.last().copied().unwrap_or_default();
        numbers.into_iter().eq(1..=last)
    };
    let whole = async {
        // Each event of its own that it tells is a moment to look again.
        while !wanted(&living.written()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), whole)
        .await
        .expect("the log has every event");
    let answered = |event: &Event| {
        event.contact == Some(first) && matches!(event.kind, EventKind::Answered { .. })
    };
    assert!(living.written().iter().any(answered));
}

#[tokio::test]
async fn what_a_full_log_let_go_is_written_down_later() {
    let server = RedisServer::start(Keeps::Everything);
    let node = NodeId::from("one");
    let written = Written::default();
    let kept = written.clone();
    let is_full = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let full = is_full.clone();
    let append = move |event: &std::sync::Arc<Event>| {
        let has_room = !full.load(Ordering::Relaxed);
        if has_room {
            kept.lock()
                .expect("nobody panicked")
                .push(Event::clone(event));
        }
        has_room
    };
    let (clock, ahead) = movable_clock();
    let surroundings = Surroundings {
        node: node.clone(),
        clock,
        sink: EventSink::new(append, || async { true }),
    };
    let acd = Acd::in_redis(place(&server), AtStart::RequireRedis, surroundings)
        .await
        .expect("the server is there");
    let mut gateway = Gateway::new(node, acd, written);
    gateway.furnish(Duration::ZERO, &["anna"]).await;
    let contact = gateway.enqueue(1).await;
    gateway.hear_offer_of(contact).await;
    assert!(gateway.written().is_empty());
    is_full.store(false, Ordering::Relaxed);
    // Until its next word to Redis.
    ahead.store(6_000, Ordering::Relaxed);
    let offered = |event: &Event| matches!(event.kind, EventKind::Offered { .. });
    let whole = async {
        while !gateway.written().iter().any(offered) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), whole)
        .await
        .expect("the log has every event");
    let numbers: BTreeSet<u64> = ids(&gateway.written()).iter().map(|id| id.number).collect();
    let last = numbers.len() as u64;
    assert!(numbers.into_iter().eq(1..=last));
}

#[tokio::test]
async fn a_phone_is_not_out_of_reach_for_a_ring_that_a_gateway_gave_up_alone() {
    let mut server = RedisServer::start(Keeps::Everything);
    let mut gateway = Gateway::in_redis(&server, "one", Clock::of_the_machine()).await;
    gateway.furnish(Duration::ZERO, &["anna"]).await;
    let contact = gateway.enqueue(1).await;
    let (agent, token) = gateway.hear_offer_of(contact).await;
    server.kill();
    gateway.is_well(|health| *health != Health::Good).await;
    // It heard nothing of the phone: it may have slept, and the others may have rung it since.
    let reason = DeclineReason::Unreachable;
    assert_eq!(gateway.change(Verb::Decline { token, reason }).await, DONE);
    server.launch();
    gateway.is_well(|health| *health == Health::Good).await;
    let is_reachable = |agent: &AgentId| {
        let view = gateway.acd.snapshot();
        let mut agents = view.agents.iter();
        agents.any(|known| known.profile.id == *agent && known.is_reachable)
    };
    assert!(is_reachable(&agent));
    assert_eq!(gateway.place_of(contact), Some(Place::Waiting));
}
