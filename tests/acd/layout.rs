//! A desk in Redis that another release of ringdown wrote.

use crate::redis_server::{Keeps, RedisServer};
use ringdown::acd::RedisPlace;
use ringdown::acd::redis_store::{Found, RedisStore};
use ringdown::acd::store::{QueueStore, Request};
use ringdown_routing::agent::{Agent, Doing, State};
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::{AgentId, ContactId, NodeId, OfferToken, QueueId};
use ringdown_routing::queue::{QueueRules, Strategy};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{Answer, Change, DeclineReason, Verb};
use ringdown_routing::view::Snapshot;
use std::time::Duration;

const AT: Timestamp = Timestamp::from_millis(1_790_000_000_000);

async fn connection(server: &RedisServer) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(server.url()).expect("a socket");
    let connection = client.get_multiplexed_async_connection().await;
    connection.expect("the server is there")
}

fn place(server: &RedisServer) -> RedisPlace {
    RedisPlace::at(server.url())
}

/// What release 0.1 kept of one active chat and one wrap-up.
async fn write_layout_1(server: &RedisServer) {
    let talks = ContactId::from_u128(1).to_string();
    let over = ContactId::from_u128(2).to_string();
    let rules = r#"{"id":"desk","strategy":"longest_idle","ring_timeout":{"secs":15,"nanos":0},
        "wrap_up":{"secs":5,"nanos":0},"decline_back_off":{"secs":30,"nanos":0},"waiting_max":null,
        "is_open":true,"service_level":{"secs":20,"nanos":0},"short_abandon":{"secs":5,"nanos":0}}"#;
    let profile = |name: &str| {
        format!(
            r#"{{"id":"{name}","name":"{name}","queues":["desk"],"skills":{{}},"capacity":{{"voice":1,"chat":1}}}}"#
        )
    };
    let state = |doing: String| {
        format!(
            r#"{{"status":"available","is_reachable":true,"idle_since":1789999990000,{doing}}}"#
        )
    };
    let fields = [
        ("meta", "origin", "old".to_owned()),
        ("meta", "event", "9".to_owned()),
        ("meta", "token", "7".to_owned()),
        ("meta", "entered", "2".to_owned()),
        ("meta", "ended", "1".to_owned()),
        ("queues", "desk", rules.to_owned()),
        ("agents", "anna", profile("anna")),
        ("agents", "bob", profile("bob")),
        (
            "states",
            "anna",
            state(format!(
                r#""state":"talking","contact":"{talks}","token":7"#
            )),
        ),
        (
            "states",
            "bob",
            state(format!(
                r#""state":"wrap_up","contact":"{over}","until":1790000003000"#
            )),
        ),
        (
            "contacts",
            &talks,
            format!(
                r#"{{"id":"{talks}","queue":"desk","channel":"chat","priority":0,"skills":{{"net":3}},"enqueued_at":1789999980000,"node":"n","avoid":{{}}}}"#
            ),
        ),
        (
            "places",
            &talks,
            r#"{"place":"active","agent":"anna","token":7,"answered_at":1789999990000}"#.to_owned(),
        ),
        ("offers", "7", talks.clone()),
    ];
    let mut pipeline = redis::pipe();
    for (key, field, value) in &fields {
        pipeline.hset(format!("{{ringdown:0}}:{key}"), *field, value);
    }
    pipeline.zadd("{ringdown:0}:wrap_ups", "bob", 1_790_000_003_000_i64);
    let _: () = pipeline
        .query_async(&mut connection(server).await)
        .await
        .expect("written");
}

fn agent<'s>(snapshot: &'s Snapshot, name: &str) -> &'s Agent {
    let id = AgentId::from(name);
    let found = snapshot.agents.iter().find(|agent| agent.profile.id == id);
    found.expect("they work here")
}

#[tokio::test]
async fn a_desk_of_the_last_release_is_taken_over_with_its_calls_and_timers() {
    let server = RedisServer::start(Keeps::Nothing);
    write_layout_1(&server).await;
    for _ in 0..2 {
        let (store, found) = RedisStore::open(place(&server), &NodeId::from("new"), AT)
            .await
            .expect("it is read");
        assert_eq!(found, Found::Desk);
        let snapshot = store.snapshot().await.expect("whole");
        let hold = &agent(&snapshot, "anna").holds[&ContactId::from_u128(1)];
        let token = OfferToken::new(7);
        assert_eq!(
            (hold.channel, &hold.doing),
            (Channel::Chat, &Doing::Talking { token })
        );
        assert_eq!(agent(&snapshot, "bob").state(), State::WrapUp);
    }
    let (store, _) = RedisStore::open(place(&server), &NodeId::from("new"), AT)
        .await
        .expect("there");
    let at = Timestamp::from_millis(1_790_000_003_000);
    let change = Change {
        at,
        verb: Verb::Expire,
    };
    let outcome = store
        .ask(vec![Request::Change(change)])
        .await
        .remove(0)
        .expect("done");
    assert_eq!((outcome.answer, outcome.events.len()), (Answer::Done, 1));
    let snapshot = store.snapshot().await.expect("whole");
    assert_eq!(agent(&snapshot, "bob").state(), State::Idle);
}

/// What the last release kept of a call that rings, and of an agent who is free.
async fn write_layout_2(server: &RedisServer) {
    let rings = ContactId::from_u128(1).to_string();
    let profile = |name: &str| {
        format!(
            r#"{{"id":"{name}","name":"{name}","queues":["desk"],"skills":{{}},"capacity":{{"voice":1}}}}"#
        )
    };
    let state = |holds: &str| {
        format!(
            r#"{{"status":"available","is_reachable":true,"idle_since":1789999990000,"holds":{{{holds}}},
            "tally":{{"logged_in_at":1789999900000,"answered":0,"busy_ms":0,"freed_at":1789999900000}}}}"#
        )
    };
    let holds = format!(
        r#""{rings}":{{"channel":"voice","state":"ringing","token":7,"deadline":1790000010000}}"#
    );
    let rules = r#"{"id":"desk","strategy":"longest_idle","ring_timeout":{"secs":15,"nanos":0},
        "wrap_up":{"secs":0,"nanos":0},"decline_back_off":{"secs":30,"nanos":0},"waiting_max":null,
        "is_open":true,"service_level":{"secs":20,"nanos":0},"short_abandon":{"secs":5,"nanos":0}}"#;
    let fields = [
        ("meta", "origin", "old".to_owned()),
        ("meta", "layout", "2".to_owned()),
        ("meta", "event", "9".to_owned()),
        ("meta", "token", "7".to_owned()),
        ("meta", "entered", "1".to_owned()),
        ("meta", "ended", "0".to_owned()),
        ("queues", "desk", rules.to_owned()),
        ("agents", "anna", profile("anna")),
        ("agents", "bob", profile("bob")),
        ("states", "anna", state(&holds)),
        ("states", "bob", state("")),
        (
            "contacts",
            &rings,
            format!(
                r#"{{"id":"{rings}","queue":"desk","channel":"voice","priority":0,"skills":[],"enqueued_at":1789999980000,"node":"n","avoid":{{}}}}"#
            ),
        ),
        (
            "places",
            &rings,
            r#"{"place":"offered","agent":"anna","token":7,"deadline":1790000010000}"#.to_owned(),
        ),
        ("offers", "7", rings.clone()),
        ("unanswered", "desk", "1".to_owned()),
        ("taken", "desk", "1".to_owned()),
    ];
    let mut pipeline = redis::pipe();
    for (key, field, value) in &fields {
        pipeline.hset(format!("{{ringdown:0}}:{key}"), *field, value);
    }
    pipeline.zadd("{ringdown:0}:leases", &rings, 1_790_000_012_000_i64);
    let _: () = pipeline
        .query_async(&mut connection(server).await)
        .await
        .expect("written");
}

#[tokio::test]
async fn an_offer_of_the_last_release_is_declined_and_its_contact_rung_at_all() {
    let server = RedisServer::start(Keeps::Nothing);
    write_layout_2(&server).await;
    let (store, _) = RedisStore::open(place(&server), &NodeId::from("new"), AT)
        .await
        .expect("it is read");
    let contact = ContactId::from_u128(1);
    let rules = QueueRules {
        strategy: Strategy::RingAll,
        decline_back_off: Duration::ZERO,
        ..QueueRules::with_defaults(QueueId::from("desk"))
    };
    let (anna, bob) = (AgentId::from("anna"), AgentId::from("bob"));
    let verbs = [
        Verb::SetQueue { rules },
        Verb::Decline {
            token: OfferToken::new(7),
            reason: DeclineReason::Declined,
        },
        Verb::Offer {
            contact,
            agent: bob,
            others: vec![anna],
        },
    ];
    let changes = verbs.map(|verb| Request::Change(Change { at: AT, verb }));
    let mut answers = store.ask(changes.to_vec()).await;
    let offered = answers.pop().expect("three").expect("done");
    assert!(
        matches!(offered.answer, Answer::Reserved { .. }),
        "{offered:?}"
    );
    assert_eq!(offered.events.len(), 2);
    let snapshot = store.snapshot().await.expect("whole");
    let holders = snapshot.contacts[0].place.holders();
    let names: Vec<&str> = holders.map(|(agent, _)| agent.as_str()).collect();
    assert_eq!(names, ["bob", "anna"]);
    let states = snapshot.agents.iter().map(Agent::state);
    assert!(states.eq([State::Ringing; 2]));
}

#[tokio::test]
async fn a_desk_of_a_later_release_is_refused_in_words() {
    let server = RedisServer::start(Keeps::Nothing);
    write_layout_1(&server).await;
    let mut redis = connection(&server).await;
    let mut cmd = redis::cmd("HSET");
    cmd.arg("{ringdown:0}:meta").arg("layout").arg(99);
    let _: i64 = cmd.query_async(&mut redis).await.expect("written");
    let opened = RedisStore::open(place(&server), &NodeId::from("new"), AT).await;
    let told = opened.map(|_| ()).expect_err("it is not read").to_string();
    assert!(
        told.contains("a later release of ringdown wrote this desk"),
        "{told}"
    );
}
