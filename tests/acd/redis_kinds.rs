//! The desk on every kind of Redis: behind Sentinels, in a Cluster, by TLS; and what their failovers cost.

use crate::work::{DONE, Gateway, ids, surroundings};
use ringdown::acd::{Acd, AtStart, Clock, Health, RedisPlace, RedisServers, TlsFiles};
use ringdown::config::Secret;
use ringdown_harness::redis::{Certificates, Cluster, Redis, Watched};
use ringdown_routing::contact::Place;
use ringdown_routing::ids::{ContactId, NodeId, OfferToken};
use ringdown_routing::invariants;
use ringdown_routing::verb::{Answer, Verb};
use std::time::Duration;

async fn open(name: &str, place: RedisPlace) -> Gateway {
    let node = NodeId::from(name);
    let (surroundings, written) = surroundings(&node, Clock::of_the_machine());
    let acd = Acd::in_redis(place, AtStart::RequireRedis, surroundings).await;
    Gateway::new(node, acd.expect("the desk is there"), written)
}

fn behind(watched: &Watched) -> RedisPlace {
    RedisPlace {
        servers: RedisServers::Sentinels {
            sentinels: vec![Secret::new(watched.address().to_string())],
            master: watched.master_name().to_owned(),
        },
        ..RedisPlace::at("")
    }
}

fn in_cluster(cluster: &Cluster) -> RedisPlace {
    RedisPlace {
        servers: RedisServers::Seeds(cluster.urls().map(Secret::new).collect()),
        command_timeout: Duration::from_secs(5),
        ..RedisPlace::at("")
    }
}

const META: &str = "{ringdown:0}:meta";

/// One caller talks, one agent's phone rings, one caller waits.
struct Morning {
    gateway: Gateway,
    ringing: OfferToken,
}

const TALKS: ContactId = ContactId::from_u128(1);
const RINGS: ContactId = ContactId::from_u128(2);
const WAITS: ContactId = ContactId::from_u128(3);

impl Morning {
    async fn begin(mut gateway: Gateway) -> Self {
        gateway.furnish(Duration::ZERO, &["anna", "bob"]).await;
        gateway.enqueue(1).await;
        let (_, token) = gateway.hear_offer_of(TALKS).await;
        assert_eq!(gateway.change(Verb::Accept { token }).await, DONE);
        gateway.enqueue(2).await;
        let (_, ringing) = gateway.hear_offer_of(RINGS).await;
        gateway.enqueue(3).await;
        Self { gateway, ringing }
    }

    /// The call goes on, the phone that rings is answered, who waits is served: each by whom it was.
    async fn must_go_on(mut self) -> Gateway {
        let gateway = &mut self.gateway;
        assert!(matches!(
            gateway.place_of(TALKS),
            Some(Place::Active { .. })
        ));
        let token = self.ringing;
        let answer = gateway.change(Verb::Accept { token }).await;
        assert_eq!(answer, DONE, "{:?}", gateway.place_of(RINGS));
        assert_eq!(gateway.place_of(WAITS), Some(Place::Waiting));
        assert_eq!(gateway.complete(TALKS).await, DONE);
        let (_, next) = gateway.hear_offer_of(WAITS).await;
        assert!(next > token, "a token was given twice");
        assert_eq!(gateway.change(Verb::Accept { token: next }).await, DONE);
        assert_eq!(gateway.complete(RINGS).await, DONE);
        assert_eq!(gateway.complete(WAITS).await, DONE);
        gateway.acd.read(|view| {
            let counted = invariants::arrived_is_waiting_offered_active_and_ended(view);
            assert_eq!(counted, Ok(()));
        });
        let written = gateway.written();
        assert_eq!(
            ids(&written).len(),
            written.len(),
            "an event's id was given twice"
        );
        self.gateway
    }
}

async fn is_lost_and_back(gateway: &Gateway, meanwhile: impl FnOnce()) {
    gateway.is_well(|health| *health != Health::Good).await;
    meanwhile();
    gateway.is_well(|health| *health == Health::Good).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_survive_a_failover_of_the_master() {
    let mut watched = Watched::start();
    let day = Morning::begin(open("one", behind(&watched)).await).await;
    // The replica has it all before the master dies.
    watched.master.must_be_copied();
    watched.master.kill();
    is_lost_and_back(&day.gateway, || watched.must_fail_over()).await;
    day.must_go_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_that_loses_the_last_second_loses_no_call() {
    let mut watched = Watched::start();
    let mut gateway = open("one", behind(&watched)).await;
    gateway.furnish(Duration::ZERO, &["anna", "bob"]).await;
    gateway.enqueue(1).await;
    let (_, early) = gateway.hear_offer_of(TALKS).await;
    watched.master.must_be_copied();
    // From here on the replica hears nothing.
    watched.cut_off_the_replica();
    assert_eq!(gateway.change(Verb::Accept { token: early }).await, DONE);
    gateway.enqueue(2).await;
    let (_, lost) = gateway.hear_offer_of(RINGS).await;
    gateway.enqueue(3).await;
    watched.master.kill();
    is_lost_and_back(&gateway, || {
        watched.replica.thaw();
        watched.must_fail_over();
    })
    .await;
    // The offer that the new master never saw is over, and is not mistaken for a new one.
    assert!(matches!(gateway.place_of(TALKS), Some(Place::Active { token, .. }) if token == early));
    let again = match gateway.place_of(RINGS) {
        Some(Place::Offered { token, .. }) => token,
        _ => gateway.hear_offer_of(RINGS).await.1,
    };
    assert!(again > lost, "{again:?} {lost:?}");
    let late = gateway.change(Verb::Accept { token: lost }).await;
    assert!(matches!(late, Answer::Refused { .. }), "{late:?}");
    let day = Morning {
        gateway,
        ringing: again,
    };
    day.must_go_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desk_moves_from_node_to_node_of_a_cluster_while_it_works() {
    let cluster = Cluster::start();
    let day = Morning::begin(open("one", in_cluster(&cluster)).await).await;
    let mut health = day.gateway.acd.health();
    health.mark_unchanged();
    let from = cluster.holder_of(META);
    let moving = cluster.begin_move(META, from, (from + 1) % 3);
    moving.move_keys();
    // Between the two nodes nothing can be answered; the answer waits until the desk has arrived.
    let acd = day.gateway.acd.clone();
    let contact = day.gateway.contact(4);
    let leaves = contact.id;
    let asked = tokio::spawn(async move { acd.change(Verb::Enqueue { contact }).await });
    moving.finish();
    let answer = asked.await.expect("it is answered");
    assert!(matches!(answer, Ok(Answer::Done)), "{answer:?}");
    assert_eq!(
        day.gateway.change(Verb::Abandon { contact: leaves }).await,
        DONE
    );
    assert!(
        !health.has_changed().expect("the desk is open"),
        "it was never lost"
    );
    assert_ne!(cluster.holder_of(META), from);
    day.must_go_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_survive_the_death_of_a_node_of_a_cluster() {
    let mut cluster = Cluster::start();
    let holder = cluster.holder_of(META);
    cluster.add_replica_of(holder);
    let day = Morning::begin(open("one", in_cluster(&cluster)).await).await;
    cluster.nodes[holder].must_be_copied();
    cluster.nodes[holder].kill();
    is_lost_and_back(&day.gateway, || {}).await;
    day.must_go_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desk_is_reached_by_tls_with_a_certificate_and_an_account() {
    let certificates = Certificates::new();
    let server = Redis::start_with_tls(&certificates);
    let [certificate, key] = certificates.client();
    let stranger = RedisPlace::at(format!("rediss://{}", server.address()));
    let place = RedisPlace {
        user: Some("desk".to_owned()),
        password: Some(Secret::new("secret")),
        tls: TlsFiles {
            ca: Some(certificates.authority()),
            client: Some((certificate, key)),
        },
        ..stranger.clone()
    };
    Morning::begin(open("one", place).await)
        .await
        .must_go_on()
        .await;

    let node = NodeId::from("stranger");
    let (surroundings, _) = surroundings(&node, Clock::of_the_machine());
    let refused = Acd::in_redis(stranger, AtStart::RequireRedis, surroundings).await;
    assert!(
        refused.is_err(),
        "nobody vouches for the server's certificate"
    );
}
