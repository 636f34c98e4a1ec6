//! One contract for every queue store: the same random days on the model, in memory and in a real Redis,
//! with two gateways, stale tokens, repeats, and gateways that stop between any two steps; every answer,
//! every event and the state are compared.

use crate::acts::{self, Act, Claims, Players};
use crate::redis_server::{Keeps, RedisServer};
use ringdown::acd::RedisPlace;
use ringdown::acd::memory_store::MemoryStore;
use ringdown::acd::redis_store::{Found, RedisStore};
use ringdown::acd::store::{Leadership, QueueStore, Request, StoreLost};
use ringdown_routing::agent::State;
use ringdown_routing::contact::Place;
use ringdown_routing::desk::Desk;
use ringdown_routing::event::{EventDraft, EventKind};
use ringdown_routing::ids::NodeId;
use ringdown_routing::invariants::{self, Witness};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{Answer, Change, Outcome, Verb};
use ringdown_routing::view::View;
use std::time::Duration;

/// A small generator (xorshift64*), so that a seed tells a whole day.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn roll(&mut self) -> [u8; 8] {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D).to_be_bytes()
    }
}

/// A model and the clients of one store, asked the same.
struct Pair<S> {
    model: Desk,
    clients: Vec<S>,
    follower: View,
    witness: Witness,
    seed: u64,
}

impl<S: QueueStore> Pair<S> {
    fn new(model: Desk, clients: Vec<S>, seed: u64) -> Self {
        Self {
            model,
            clients,
            follower: View::default(),
            witness: Witness::default(),
            seed,
        }
    }

    async fn ask(&mut self, client: usize, request: Request, claims: Claims) -> Answer {
        let expected = match request.clone() {
            Request::Change(change) => self.model.apply(change),
            Request::Publish(draft) => Outcome {
                answer: Answer::Done,
                events: vec![self.model.publish(draft)],
            },
        };
        let place = client % self.clients.len();
        let outcome = self.clients[place]
            .ask(vec![request.clone()])
            .await
            .remove(0)
            .unwrap_or_else(|error| panic!("seed {}: {request:?}: {error}", self.seed));
        assert_eq!(outcome, expected, "seed {}: {request:?}", self.seed);
        for event in &outcome.events {
            self.follower.apply(event);
            if claims == Claims::None {
                assert_eq!(self.witness.see(event), Ok(()), "seed {}", self.seed);
            }
        }
        if claims == Claims::None {
            let sound = invariants::state_is_sound(&self.follower);
            assert_eq!(sound, Ok(()), "seed {}", self.seed);
        }
        outcome.answer
    }

    async fn compare_snapshots(&self) {
        let expected = self.model.snapshot();
        for client in &self.clients {
            let snapshot = client.snapshot().await.expect("the store is there");
            assert_eq!(snapshot, expected, "seed {}", self.seed);
        }
        assert_eq!(self.follower.snapshot(), expected, "seed {}", self.seed);
    }

    /// A day of random verbs.
    async fn play_random(mut self, claims: Claims, steps: usize) {
        let mut dice = Dice::new(self.seed);
        let mut players = Players::new(claims);
        for change in players.opening() {
            self.ask(0, Request::Change(change), claims).await;
        }
        for step in 0..steps {
            let [later, verb, who, with, how, client, other, _] = dice.roll();
            let act = Act {
                later,
                verb,
                who,
                with,
                how,
            };
            let change = players.play(act);
            let answer = self
                .ask(usize::from(client), Request::Change(change.clone()), claims)
                .await;
            players.hear(&answer);
            if other.is_multiple_of(8) {
                // The answer was lost on the way, and the verb is sent again.
                self.ask(usize::from(other), Request::Change(change), claims)
                    .await;
            }
            if other == 1 {
                let kind = EventKind::KeyedIn {
                    digits: "12#".to_owned(),
                };
                let draft = EventDraft::of_contact(players.now, acts::contact(who), kind);
                self.ask(usize::from(client), Request::Publish(draft), claims)
                    .await;
            }
            if step % 16 == 0 {
                self.compare_snapshots().await;
            }
        }
        self.compare_snapshots().await;
    }

    /// A day on which gateways follow the protocol, may stop between any two steps for good, and are late
    /// with their answers; afterwards nobody may be stuck.
    async fn play_with_crashes(mut self) {
        let mut dice = Dice::new(self.seed);
        let mut players = Players::new(Claims::None);
        let mut dead = [false; 2];
        for change in players.opening() {
            self.ask(0, Request::Change(change), Claims::None).await;
        }
        for number in 0..2 {
            let verb = Verb::NodeAlive {
                node: acts::node(number),
                lease: Duration::from_secs(20),
            };
            self.change(0, players.now, verb).await;
        }
        for _ in 0..80 {
            let [later, verb, who, with, how, crash, ..] = dice.roll();
            let gateway = how % 2;
            if crash < 3 && !dead.contains(&true) {
                dead[usize::from(gateway)] = true;
            }
            // Verbs 24 to 28 change who works and which node lives; here only the crash does.
            let act = Act {
                later,
                verb: verb % 24,
                who,
                with,
                how,
            };
            let change = players.play(act);
            if dead[usize::from(gateway)] {
                continue;
            }
            let request = Request::Change(change);
            let answer = self.ask(usize::from(gateway), request, Claims::None).await;
            players.hear(&answer);
        }
        self.nobody_is_stuck(players.now, dead).await;
        self.compare_snapshots().await;
    }

    /// After a while of silence the living gateway reaps: every call of the dead one has ended, nobody
    /// rings, and nobody talks to a dead gateway's caller.
    async fn nobody_is_stuck(&mut self, now: Timestamp, dead: [bool; 2]) {
        let later = now + Duration::from_secs(30);
        for (number, is_dead) in [0, 1].into_iter().zip(dead) {
            if !is_dead {
                let verb = Verb::NodeAlive {
                    node: acts::node(number),
                    lease: Duration::from_secs(60),
                };
                self.change(1, later, verb).await;
            }
        }
        // Twice for two nodes; and once more for the wrap-up after the calls of a dead one.
        for wait_s in [0, 0, 10] {
            let at = later + Duration::from_secs(wait_s);
            self.change(1, at, Verb::Expire).await;
        }
        for contact in self.follower.contacts() {
            let is_dead = dead
                .into_iter()
                .zip(0..)
                .any(|(is_dead, number)| is_dead && contact.record.node == acts::node(number));
            assert!(
                !is_dead || !contact.record.channel.ends_with_its_node(),
                "seed {}: {contact:?} outlived its gateway",
                self.seed
            );
            let rings = matches!(contact.place, Place::Offered { .. });
            assert!(!rings, "seed {}: {contact:?} still rings", self.seed);
        }
        for agent in self.follower.agents() {
            let is_at_rest = matches!(agent.state(), State::Idle | State::Talking);
            assert!(is_at_rest, "seed {}: {agent:?} is stuck", self.seed);
        }
    }

    async fn change(&mut self, client: usize, at: Timestamp, verb: Verb) -> Answer {
        let request = Request::Change(Change { at, verb });
        self.ask(client, request, Claims::None).await
    }
}

fn place(server: &RedisServer, shard: &str) -> RedisPlace {
    RedisPlace {
        shard: shard.to_owned(),
        connect_timeout: Duration::from_secs(5),
        command_timeout: Duration::from_secs(5),
        ..RedisPlace::at(server.url())
    }
}

const OPENED_AT: Timestamp = Timestamp::from_millis(1_789_000_000_000);

/// Two gateways' stores in one shard, and the model that knows its origin.
async fn open_redis(server: &RedisServer, seed: u64) -> Pair<RedisStore> {
    let shard = format!("day {seed}");
    let mut clients = Vec::new();
    for number in 0..2 {
        let (client, found) =
            RedisStore::open(place(server, &shard), &acts::node(number), OPENED_AT)
                .await
                .expect("the server is there");
        let expected = if number == 0 {
            Found::Nothing
        } else {
            Found::Desk
        };
        assert_eq!(found, expected);
        clients.push(client);
    }
    let model = Desk::new(clients[0].origin().clone(), 1_789_000_000_000);
    Pair::new(model, clients, seed)
}

fn open_memory(seed: u64) -> Pair<MemoryStore> {
    let desk = || Desk::new(NodeId::from("one"), 7);
    let store = MemoryStore::new(desk());
    Pair::new(desk(), vec![store.clone(), store], seed)
}

#[tokio::test]
async fn the_store_in_memory_obeys_the_contract() {
    for seed in 0..150 {
        open_memory(seed).play_random(Claims::None, 120).await;
        open_memory(seed).play_random(Claims::Random, 120).await;
        open_memory(seed).play_with_crashes().await;
    }
}

#[tokio::test]
async fn the_store_in_redis_obeys_the_contract() {
    let server = RedisServer::start(Keeps::Nothing);
    for seed in 0..60 {
        let pair = open_redis(&server, seed).await;
        pair.play_random(Claims::None, 120).await;
    }
}

#[tokio::test]
async fn claims_after_a_loss_are_judged_alike() {
    let server = RedisServer::start(Keeps::Nothing);
    for seed in 1_000..1_060 {
        let pair = open_redis(&server, seed).await;
        pair.play_random(Claims::Random, 120).await;
    }
}

#[tokio::test]
async fn a_gateway_that_stops_between_any_two_steps_leaves_nobody_stuck() {
    let server = RedisServer::start(Keeps::Nothing);
    for seed in 2_000..2_060 {
        open_redis(&server, seed).await.play_with_crashes().await;
    }
}

#[tokio::test]
async fn one_node_leads_until_it_resigns_or_its_lease_ends() {
    let server = RedisServer::start(Keeps::Nothing);
    let pair = open_redis(&server, 1).await;
    let store = &pair.clients[0];
    let [one, two] = [acts::node(0), acts::node(1)];
    let long = Duration::from_secs(60);
    assert_eq!(
        store.lead(&one, long).await.expect("there"),
        Leadership::Ours
    );
    assert_eq!(
        store.lead(&one, long).await.expect("there"),
        Leadership::Ours
    );
    assert_eq!(
        store.lead(&two, long).await.expect("there"),
        Leadership::Theirs
    );
    store.resign(&two).await.expect("there");
    assert_eq!(
        store.lead(&two, long).await.expect("there"),
        Leadership::Theirs
    );
    store.resign(&one).await.expect("there");
    assert_eq!(
        store.lead(&two, long).await.expect("there"),
        Leadership::Ours
    );
}

#[tokio::test]
async fn a_verb_on_an_erased_desk_is_a_loss_and_not_an_answer() {
    let server = RedisServer::start(Keeps::Nothing);
    let pair = open_redis(&server, 1).await;
    let client = redis::Client::open(server.url()).expect("a socket");
    let mut connection = client
        .get_multiplexed_async_connection()
        .await
        .expect("there");
    let _: () = redis::cmd("FLUSHALL")
        .query_async(&mut connection)
        .await
        .expect("flushed");
    let change = Change {
        at: OPENED_AT,
        verb: Verb::Expire,
    };
    let answers = pair.clients[0].ask(vec![Request::Change(change)]).await;
    assert!(matches!(answers[0], Err(StoreLost::Emptied)), "{answers:?}");
    let snapshot = pair.clients[0].snapshot().await;
    assert!(matches!(snapshot, Err(StoreLost::Emptied)), "{snapshot:?}");
}
