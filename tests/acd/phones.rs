//! Where phones are, as several gateways tell each other.

use crate::redis_server::{Keeps, RedisServer};
use crate::work::Gateway;
use ringdown::acd::phones::{PhoneAt, SharedPhones, Way};
use ringdown::acd::{Clock, Health};
use ringdown_routing::ids::{AgentId, NodeId};
use ringdown_routing::time::Timestamp;

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() + second * 1_000)
}

fn phone(uri: &str, since: i64, until: i64) -> PhoneAt {
    PhoneAt {
        uri: uri.to_owned(),
        route: Vec::new(),
        next_hop: Some(uri.to_owned()),
        way: Way::Open,
        since: at(since),
        until: at(until),
    }
}

async fn two_gateways(server: &RedisServer) -> [(Gateway, SharedPhones); 2] {
    let open = async |name| {
        let gateway = Gateway::in_redis(server, name, Clock::of_the_machine()).await;
        let phones = gateway.acd.phones().expect("the desk is shared");
        (gateway, phones)
    };
    [open("one").await, open("two").await]
}

#[tokio::test]
async fn a_phone_is_known_to_every_gateway_until_it_is_taken_back() {
    let server = RedisServer::start(Keeps::Nothing);
    let [(_a, a), (_b, b)] = two_gateways(&server).await;
    let [one, two] = ["one", "two"].map(NodeId::from);
    let anna = AgentId::from("anna \"é\"");
    let by_edge = PhoneAt {
        route: vec!["<sip:x@y;lr>".to_owned(), "<sip:proxy;lr>".to_owned()],
        ..phone("sip:anna@10.0.0.5", 0, 60)
    };
    let known = a.tell(at(0), &anna, &one, Some(&by_edge)).await;
    assert_eq!(known.expect("told").len(), 1);
    let elsewhere = phone("sip:anna@10.0.0.6", 5, 65);
    let known = b
        .tell(at(5), &anna, &two, Some(&elsewhere))
        .await
        .expect("told");
    assert_eq!(known[&one], by_edge);
    assert_eq!(known[&two], elsewhere);
    assert_eq!(a.find(at(5), &anna).await.expect("found"), known);
    assert_eq!(
        a.tell(at(6), &anna, &one, None).await.expect("told").len(),
        1
    );
    assert!(
        b.tell(at(7), &anna, &two, None)
            .await
            .expect("told")
            .is_empty()
    );
    assert!(a.find(at(7), &anna).await.expect("found").is_empty());
    assert!(
        a.drop_over(at(999)).await.expect("reaped").is_empty(),
        "nothing is left"
    );
}

#[tokio::test]
async fn what_runs_out_is_dropped_and_one_gateway_is_told_who_has_no_phone_left() {
    let server = RedisServer::start(Keeps::Nothing);
    let [(_a, a), (_b, b)] = two_gateways(&server).await;
    let [one, two] = ["one", "two"].map(NodeId::from);
    let [anna, bob] = ["anna", "bob"].map(AgentId::from);
    for (agent, node, until) in [(&anna, &one, 10), (&anna, &two, 20), (&bob, &two, 10)] {
        let phone = phone("sip:p@10.0.0.5", 0, until);
        a.tell(at(0), agent, node, Some(&phone))
            .await
            .expect("told");
    }
    assert!(a.drop_over(at(9)).await.expect("reaped").is_empty());
    assert_eq!(a.find(at(10), &anna).await.expect("found").len(), 1);
    assert_eq!(b.drop_over(at(10)).await.expect("reaped"), [bob]);
    assert!(
        a.drop_over(at(10)).await.expect("reaped").is_empty(),
        "told already"
    );
    assert_eq!(a.drop_over(at(20)).await.expect("reaped"), [anna]);
}

#[tokio::test]
async fn what_only_a_lost_gateway_led_to_goes_with_it() {
    let server = RedisServer::start(Keeps::Nothing);
    let [(_a, a), (_b, b)] = two_gateways(&server).await;
    let [one, two] = ["one", "two"].map(NodeId::from);
    let [anna, bob, cleo] = ["anna", "bob", "cleo"].map(AgentId::from);
    let open = phone("sip:p@10.0.0.5", 0, 60);
    let by_edge = PhoneAt {
        way: Way::Edge,
        ..open.clone()
    };
    for (agent, node, phone) in [
        (&anna, &two, &by_edge),
        (&bob, &two, &open),
        (&cleo, &two, &by_edge),
        (&cleo, &one, &by_edge),
    ] {
        let told = a.tell(at(0), agent, node, Some(phone)).await;
        told.expect("told");
    }
    assert_eq!(a.drop_lost(&two).await.expect("dropped"), [anna]);
    let again = b.drop_lost(&two).await.expect("dropped");
    assert!(again.is_empty(), "told already");
    assert_eq!(a.find(at(0), &bob).await.expect("found").len(), 1);
    let left = a.find(at(0), &cleo).await.expect("found");
    assert!(left.contains_key(&one) && left.len() == 1, "{left:?}");
}

#[tokio::test]
async fn without_redis_nobody_knows_and_afterwards_it_is_told_again() {
    let mut server = RedisServer::start(Keeps::Nothing);
    let [(gateway, phones), _] = two_gateways(&server).await;
    let (one, anna) = (NodeId::from("one"), AgentId::from("anna"));
    server.kill();
    gateway.is_well(|health| *health != Health::Good).await;
    assert!(phones.find(at(0), &anna).await.is_err());
    server.launch();
    gateway.is_well(|health| *health == Health::Good).await;
    let here = phone("sip:anna@10.0.0.5", 0, 60);
    let known = phones
        .tell(at(0), &anna, &one, Some(&here))
        .await
        .expect("told");
    assert_eq!(known.len(), 1);
}
