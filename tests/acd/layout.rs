//! A desk in Redis that another release of ringdown wrote.

use crate::redis_server::{Keeps, RedisServer};
use ringdown::acd::RedisPlace;
use ringdown::acd::redis_store::{Found, RedisStore};
use ringdown::acd::store::{QueueStore, Request};
use ringdown_routing::agent::{Agent, Doing, State};
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::{AgentId, ContactId, NodeId, OfferToken};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{Answer, Change, Verb};
use ringdown_routing::view::Snapshot;

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
