//! Call-backs on the desk in Redis: contacts that no gateway keeps, through the loss of Redis and of gateways.

use crate::redis_server::{Keeps, RedisServer};
use crate::work::{BlockOnElsewhere, DONE, Gateway, movable_clock};
use ringdown::acd::{Clock, Health, Notice};
use ringdown_routing::contact::{CallBackTo, Keeper, Place, QueuedContact};
use ringdown_routing::event::EventKind;
use ringdown_routing::ids::{AgentId, ContactId, OfferToken};
use ringdown_routing::invariants;
use ringdown_routing::queue::QueueRules;
use ringdown_routing::verb::{Answer, DeclineReason, RequeueReason, Verb};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Brings a call-back into the line.
async fn line_up(gateway: &Gateway, number: u128) -> ContactId {
    let contact = QueuedContact {
        node: Keeper::Database.node(),
        rings_one: true,
        ..gateway.contact(number)
    };
    let id = contact.id;
    assert_eq!(gateway.change(Verb::Enqueue { contact }).await, DONE);
    id
}

/// Takes it upon a gateway, as whoever claims its offer does.
async fn take_up(gateway: &mut Gateway, contact: ContactId) -> OfferToken {
    let (_, token) = gateway.hear_offer_of(contact).await;
    gateway.acd.carry(contact);
    assert_eq!(gateway.change(Verb::Accept { token }).await, DONE);
    token
}

async fn must_be_back(gateway: &mut Gateway) {
    gateway.is_well(|health| *health == Health::Good).await;
    gateway
        .hear(|notice| matches!(notice, Notice::Resync).then_some(()))
        .await;
}

fn counts_are_right(gateway: &Gateway) {
    gateway.acd.read(|view| {
        let counted = invariants::arrived_is_waiting_offered_active_and_ended(view);
        assert_eq!(counted, Ok(()));
    });
}

/// Three call-backs are in hand when Redis goes: one ends, one goes on, one's caller is not reached.
async fn redis_goes_away(restart: impl FnOnce(&mut RedisServer)) {
    let mut server = RedisServer::start(Keeps::Everything);
    let mut gateway = Gateway::in_redis(&server, "one", Clock::of_the_machine()).await;
    let agents = ["anna", "bob", "cleo"];
    gateway.furnish(Duration::ZERO, &agents).await;
    let mut contacts = Vec::new();
    for number in [1, 2, 3] {
        let contact = line_up(&gateway, number).await;
        take_up(&mut gateway, contact).await;
        contacts.push(contact);
    }
    server.kill();
    gateway.is_well(|health| *health != Health::Good).await;
    let [ends, goes_on, unreached] = contacts[..] else {
        panic!("{contacts:?}");
    };
    assert_eq!(gateway.complete(ends).await, DONE);
    let reason = RequeueReason::BridgeFailed;
    for verb in [
        Verb::Requeue {
            contact: unreached,
            reason,
            token: None,
        },
        Verb::FlowOut {
            contact: unreached,
            to: "caller_not_reached".to_owned(),
        },
    ] {
        assert_eq!(gateway.change(verb).await, DONE);
    }
    restart(&mut server);
    must_be_back(&mut gateway).await;
    assert_eq!(gateway.place_of(ends), None);
    assert_eq!(gateway.place_of(unreached), None);
    assert!(matches!(
        gateway.place_of(goes_on),
        Some(Place::Active { .. })
    ));
    // Two of the agents are free, and have the next two; the third when hers has ended.
    for number in [4, 5] {
        let contact = line_up(&gateway, number).await;
        gateway.hear_offer_of(contact).await;
    }
    let last = line_up(&gateway, 6).await;
    assert_eq!(gateway.place_of(last), Some(Place::Waiting));
    assert_eq!(gateway.complete(goes_on).await, DONE);
    gateway.hear_offer_of(last).await;
    counts_are_right(&gateway);
}

#[tokio::test]
async fn call_backs_in_hand_survive_a_redis_that_restarts_with_its_data() {
    redis_goes_away(RedisServer::launch).await;
}

#[tokio::test]
async fn call_backs_in_hand_survive_a_redis_that_restarts_empty() {
    redis_goes_away(|server| {
        server.erase();
        server.launch();
    })
    .await;
}

#[tokio::test]
async fn a_call_back_in_the_line_does_not_end_after_a_redis_that_was_away() {
    let mut server = RedisServer::start(Keeps::Everything);
    let (clock, ahead) = movable_clock();
    let mut gateway = Gateway::in_redis(&server, "one", clock).await;
    gateway.furnish(Duration::ZERO, &[]).await;
    let contact = line_up(&gateway, 1).await;
    server.kill();
    gateway.is_well(|health| *health != Health::Good).await;
    server.launch();
    must_be_back(&mut gateway).await;
    // Every gateway that Redis knows of has been silent for longer than it may, but for this one, which says
    // so before it looks.
    ahead.store(40_000, Ordering::Relaxed);
    let own = gateway.enqueue(2).await;
    gateway.change(Verb::Expire).await;
    assert_eq!(gateway.place_of(own), Some(Place::Waiting));
    assert_eq!(gateway.place_of(contact), Some(Place::Waiting));
    let lost = |kind: &EventKind| matches!(kind, EventKind::NodeLost { .. });
    assert!(!gateway.written().iter().any(|event| lost(&event.kind)));
}

#[tokio::test]
async fn a_call_back_that_another_gateway_took_over_meanwhile_is_theirs() {
    let server = RedisServer::start(Keeps::Everything);
    let (clock, ahead) = movable_clock();
    let mut other = Gateway::in_redis(&server, "other", clock).await;
    let mut slow = Gateway::in_redis(&server, "slow", Clock::of_the_machine()).await;
    slow.furnish(Duration::ZERO, &["anna", "bob"]).await;
    // An offer outlasts by far what puts the other's clock ahead.
    let rules = QueueRules {
        ring_timeout: Duration::from_secs(600),
        ..QueueRules::with_defaults("desk".into())
    };
    assert_eq!(slow.change(Verb::SetQueue { rules }).await, DONE);
    let contact = line_up(&slow, 1).await;
    take_up(&mut slow, contact).await;
    let told = |notice: &Notice, wanted: fn(&EventKind) -> bool| match notice {
        Notice::Event(event) => wanted(&event.kind).then_some(()),
        Notice::Resync => None,
    };
    let answered = |kind: &EventKind| matches!(kind, EventKind::Answered { .. });
    other.hear(|notice| told(notice, answered)).await;
    // By the other's clock the slow one has been silent for longer than it may: its call-back is given to
    // another agent, who declines.
    let reason = RequeueReason::BridgeFailed;
    assert_eq!(
        other
            .change(Verb::Requeue {
                contact,
                reason,
                token: None
            })
            .await,
        DONE
    );
    let (agent, token) = other.hear_offer_of(contact).await;
    assert_eq!(agent, AgentId::from("bob"));
    other.acd.carry(contact);
    ahead.store(16_000, Ordering::Relaxed);
    slow.hear(|notice| matches!(notice, Notice::Resync).then_some(()))
        .await;
    let place = slow.place_of(contact);
    let stands = matches!(&place, Some(Place::Offered { token: of, .. }) if *of == token);
    assert!(stands, "{place:?}");
    let reason = DeclineReason::Declined;
    assert_eq!(other.change(Verb::Decline { token, reason }).await, DONE);
    let late = slow.complete(contact).await;
    assert!(matches!(late, Answer::Refused { .. }), "{late:?}");
    counts_are_right(&other);
}

#[tokio::test]
async fn who_was_talking_at_a_gateway_that_died_is_offered_before_all_who_wait() {
    let server = RedisServer::start(Keeps::Everything);
    let (clock, ahead) = movable_clock();
    let dying = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let theirs = clock.clone();
    let caller = dying.block_on_elsewhere(async {
        let mut gateway = Gateway::in_redis(&server, "dying", theirs).await;
        gateway.furnish(Duration::ZERO, &["anna"]).await;
        let contact = QueuedContact {
            calls_back: Some(Box::new(CallBackTo {
                number: "+886912345678".to_owned(),
                dialled: "100".to_owned(),
            })),
            ..gateway.contact(1)
        };
        let id = contact.id;
        assert_eq!(gateway.change(Verb::Enqueue { contact }).await, DONE);
        let (_, token) = gateway.hear_offer_of(id).await;
        assert_eq!(gateway.change(Verb::Accept { token }).await, DONE);
        // It goes without a word: nothing of it is dropped in order.
        std::mem::forget(gateway);
        id
    });
    let mut living = Gateway::in_redis(&server, "living", clock).await;
    let waits = living.enqueue(2).await;
    dying.shutdown_background();
    ahead.store(16_000, Ordering::Relaxed);
    let offered = |notice: &Notice| match notice {
        Notice::Event(event) => matches!(event.kind, EventKind::Offered { .. })
            .then_some(event.contact)
            .flatten(),
        Notice::Resync => None,
    };
    let first = living.hear(offered).await;
    assert_eq!(first, caller.successor());
    assert_eq!(living.place_of(waits), Some(Place::Waiting));
    counts_are_right(&living);
}
