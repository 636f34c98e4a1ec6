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
use ringdown_routing::view::{Snapshot, View};
use std::ops::Range;
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

/// One thing that a history holds.
enum Step {
    /// This is asked by one of the gateways, and the model's outcome was that.
    Ask {
        client: usize,
        request: Request,
        expected: Outcome,
    },
    /// The whole state is this.
    Look(Snapshot),
}

/// A history as the model has it: what was asked of it, and what came of that. Whoever follows its events
/// is always sound, and arrives at the same state.
struct History {
    model: Desk,
    follower: View,
    witness: Witness,
    claims: Claims,
    seed: u64,
    steps: Vec<Step>,
}

impl History {
    fn begin(seed: u64, claims: Claims) -> Self {
        Self {
            model: Desk::new(NodeId::from(ORIGIN), TOKEN_FLOOR),
            follower: View::default(),
            witness: Witness::default(),
            claims,
            seed,
            steps: Vec::new(),
        }
    }

    fn ask(&mut self, client: usize, request: Request) -> Outcome {
        let expected = match request.clone() {
            Request::Change(change) => self.model.apply(change),
            Request::Publish(draft) => Outcome {
                answer: Answer::Done,
                events: vec![self.model.publish(draft)],
            },
        };
        let seed = self.seed;
        for event in &expected.events {
            self.follower.apply(event);
            if self.claims == Claims::None {
                assert_eq!(self.witness.see(event), Ok(()), "seed {seed}");
            }
        }
        if self.claims == Claims::None && !expected.events.is_empty() {
            let sound = invariants::state_is_sound(&self.follower);
            assert_eq!(sound, Ok(()), "seed {seed}");
        }
        self.steps.push(Step::Ask {
            client,
            request,
            expected: expected.clone(),
        });
        expected
    }

    /// Makes some of the offers those of the policy, so that agents are rung together.
    fn guide(&mut self, change: Change, how: u8) -> Change {
        let is_offer = matches!(change.verb, Verb::Offer { .. });
        let guided = is_offer && how.is_multiple_of(3);
        match self.model.decide_one(change.at).filter(|_| guided) {
            Some(proposal) => Change {
                at: change.at,
                verb: proposal.into_verb(),
            },
            None => change,
        }
    }

    fn change(&mut self, client: usize, at: Timestamp, verb: Verb) -> Answer {
        self.ask(client, Request::Change(Change { at, verb }))
            .answer
    }

    fn look(&mut self) {
        let expected = self.model.snapshot();
        assert_eq!(
            self.follower.snapshot(),
            expected,
            "seed {}: a follower sees another desk",
            self.seed
        );
        self.steps.push(Step::Look(expected));
    }

    /// Random verbs of two gateways, with stale tokens and repeats.
    fn of_a_random_day(seed: u64, claims: Claims, steps: usize) -> Self {
        let mut history = Self::begin(seed, claims);
        let mut dice = Dice::new(seed);
        let mut players = Players::new(claims);
        for change in players.opening() {
            history.ask(0, Request::Change(change));
        }
        let mut client = 0;
        for step in 0..steps {
            let [later, verb, who, with, how, other, again, _] = dice.roll();
            client = (client + usize::from(other < 32)) % GATEWAYS;
            let act = Act {
                later,
                verb,
                who,
                with,
                how,
            };
            let change = history.guide(players.play(act), how);
            let outcome = history.ask(client, Request::Change(change.clone()));
            players.hear(&outcome.events);
            if again.is_multiple_of(8) {
                // The answer was lost on the way, and the verb is sent again.
                history.ask(client, Request::Change(change));
            }
            if again == 1 {
                let kind = EventKind::KeyedIn {
                    digits: "12#".to_owned(),
                };
                let draft = EventDraft::of_contact(players.now, acts::contact(who), kind);
                history.ask(client, Request::Publish(draft));
            }
            if step % 32 == 31 {
                history.look();
            }
        }
        history.look();
        history
    }

    /// Two gateways follow the protocol, each late with its answers as it happens, and one of them stops
    /// for good before a step; afterwards nobody may be stuck. Without a crash the same seed is the same
    /// day to the end.
    fn with_a_crash(seed: u64, steps: usize, crash: Option<Crash>) -> Self {
        let mut history = Self::begin(seed, Claims::None);
        let mut dice = Dice::new(seed);
        let mut players = Players::new(Claims::None);
        for change in players.opening() {
            history.ask(0, Request::Change(change));
        }
        for number in 0..2 {
            let verb = Verb::NodeAlive {
                node: acts::node(number),
                lease: Duration::from_secs(20),
            };
            history.change(0, players.now, verb);
        }
        for step in 0..steps {
            let [later, verb, who, with, how, ..] = dice.roll();
            // Verbs 24 to 28 change who works and which node lives; here only the crash does.
            let act = Act {
                later,
                verb: verb % 24,
                who,
                with,
                how,
            };
            let change = players.play(act);
            let gateway = how % 2;
            if crash.is_some_and(|it| it.gateway == gateway && it.before <= step) {
                continue;
            }
            let change = history.guide(change, who);
            let outcome = history.ask(usize::from(gateway), Request::Change(change));
            players.hear(&outcome.events);
        }
        history.nobody_is_stuck(players.now, crash);
        history.look();
        history
    }

    /// After a while of silence the living gateway reaps: every call of the dead one has ended, nobody
    /// rings, and nobody talks to a dead gateway's caller.
    fn nobody_is_stuck(&mut self, now: Timestamp, crash: Option<Crash>) {
        let later = now + Duration::from_secs(30);
        let is_dead = |number| crash.is_some_and(|it| it.gateway == number);
        let living = usize::from(is_dead(0));
        for number in [0, 1] {
            if !is_dead(number) {
                let verb = Verb::NodeAlive {
                    node: acts::node(number),
                    lease: Duration::from_secs(60),
                };
                self.change(living, later, verb);
            }
        }
        // Twice for two nodes; and once more for the wrap-up after the calls of a dead one.
        for wait_s in [0, 0, 10] {
            let at = later + Duration::from_secs(wait_s);
            self.change(living, at, Verb::Expire);
        }
        let seed = self.seed;
        for contact in self.follower.contacts() {
            let outlived = [0, 1]
                .into_iter()
                .any(|number| is_dead(number) && contact.record.node == acts::node(number));
            assert!(
                !outlived || !contact.record.channel.ends_with_its_node(),
                "seed {seed}, {crash:?}: {contact:?} outlived its gateway"
            );
            let rings = matches!(contact.place, Place::Offered { .. });
            assert!(!rings, "seed {seed}, {crash:?}: {contact:?} still rings");
        }
        for agent in self.follower.agents() {
            let is_at_rest = matches!(agent.state(), State::Idle | State::Talking);
            assert!(is_at_rest, "seed {seed}, {crash:?}: {agent:?} is stuck");
        }
    }

    /// Asks the same of the clients of a store, in order: what one gateway asks in a row goes out in one go.
    async fn must_be_that_of<S: QueueStore>(self, clients: &[S; GATEWAYS]) {
        let mut run = Run::default();
        for step in self.steps {
            match step {
                Step::Ask {
                    client,
                    request,
                    expected,
                } => {
                    if run.client != client {
                        run.ask(clients, self.seed).await;
                        run.client = client;
                    }
                    run.requests.push(request);
                    run.expected.push(expected);
                }
                Step::Look(expected) => {
                    run.ask(clients, self.seed).await;
                    let snapshot = clients[run.client].snapshot().await;
                    let snapshot = snapshot.expect("the store is there");
                    assert_eq!(snapshot, expected, "seed {}", self.seed);
                }
            }
        }
        run.ask(clients, self.seed).await;
    }
}

/// A gateway that stops for good before a step.
#[derive(Clone, Copy, Debug)]
struct Crash {
    gateway: u8,
    before: usize,
}

/// What one gateway asks in a row.
#[derive(Default)]
struct Run {
    client: usize,
    requests: Vec<Request>,
    expected: Vec<Outcome>,
}

impl Run {
    async fn ask<S: QueueStore>(&mut self, clients: &[S; GATEWAYS], seed: u64) {
        let requests = std::mem::take(&mut self.requests);
        let expected = std::mem::take(&mut self.expected);
        if requests.is_empty() {
            return;
        }
        let outcomes = clients[self.client].ask(requests.clone()).await;
        assert_eq!(outcomes.len(), requests.len(), "seed {seed}");
        for ((request, outcome), expected) in requests.iter().zip(outcomes).zip(expected) {
            let outcome =
                outcome.unwrap_or_else(|error| panic!("seed {seed}: {request:?}: {error}"));
            assert_eq!(outcome, expected, "seed {seed}: {request:?}");
        }
    }
}

const GATEWAYS: usize = 2;
const ORIGIN: &str = "contract";
const TOKEN_FLOOR: u64 = 1_789_000_000_000;

/// The stores of two gateways in one Redis, whose desk begins anew for each history.
struct Shared {
    _server: RedisServer,
    clients: [RedisStore; GATEWAYS],
    raw: redis::aio::MultiplexedConnection,
}

impl Shared {
    async fn start() -> Self {
        let server = RedisServer::start(Keeps::Nothing);
        let clients = open_both(&server).await;
        let client = redis::Client::open(server.url()).expect("a socket");
        let raw = client.get_multiplexed_async_connection().await;
        Self {
            _server: server,
            clients,
            raw: raw.expect("the server is there"),
        }
    }

    /// Throws the desk away and opens it as `open.lua` does, under the model's name.
    async fn begin_anew(&mut self) {
        let mut pipeline = redis::pipe();
        pipeline.cmd("FLUSHALL").ignore();
        let meta = [
            ("origin", ORIGIN.to_owned()),
            ("token", TOKEN_FLOOR.to_string()),
            ("event", "0".to_owned()),
            ("entered", "0".to_owned()),
            ("ended", "0".to_owned()),
        ];
        pipeline.hset_multiple(META, &meta).ignore();
        let begun: Result<(), _> = pipeline.query_async(&mut self.raw).await;
        begun.expect("the server is there");
    }

    async fn must_tell(&mut self, histories: impl IntoIterator<Item = History>) {
        for history in histories {
            self.begin_anew().await;
            history.must_be_that_of(&self.clients).await;
        }
    }
}

const META: &str = "{ringdown:desk}:meta";

fn place(server: &RedisServer) -> RedisPlace {
    RedisPlace {
        shard: "desk".to_owned(),
        connect_timeout: Duration::from_secs(5),
        command_timeout: Duration::from_secs(5),
        ..RedisPlace::at(server.url())
    }
}

const OPENED_AT: Timestamp = Timestamp::from_millis(1_789_000_000_000);

/// Two gateways' stores of one desk.
async fn open_both(server: &RedisServer) -> [RedisStore; GATEWAYS] {
    let open = async |number| {
        let opened = RedisStore::open(place(server), &acts::node(number), OPENED_AT).await;
        opened.expect("the server is there")
    };
    let (one, found_by_one) = open(0).await;
    let (two, found_by_two) = open(1).await;
    assert_eq!((found_by_one, found_by_two), (Found::Nothing, Found::Desk));
    assert_eq!(one.origin(), two.origin());
    [one, two]
}

fn in_memory() -> [MemoryStore; GATEWAYS] {
    let store = MemoryStore::new(Desk::new(NodeId::from(ORIGIN), TOKEN_FLOOR));
    [store.clone(), store]
}

/// Days on which each gateway stops before every step in turn.
fn with_every_crash(seeds: Range<u64>, steps: usize) -> impl Iterator<Item = History> {
    seeds.flat_map(move |seed| {
        let crashes = (0..steps).map(move |before| {
            let gateway = u8::try_from((seed as usize + before) % GATEWAYS).unwrap_or(0);
            Some(Crash { gateway, before })
        });
        let crashes = std::iter::once(None).chain(crashes);
        crashes.map(move |crash| History::with_a_crash(seed, steps, crash))
    })
}

#[tokio::test]
async fn the_store_in_memory_obeys_the_contract() {
    for seed in 0..100 {
        for claims in [Claims::None, Claims::Random] {
            let history = History::of_a_random_day(seed, claims, 120);
            history.must_be_that_of(&in_memory()).await;
        }
    }
    for history in with_every_crash(0..4, 40) {
        history.must_be_that_of(&in_memory()).await;
    }
}

#[tokio::test]
async fn the_store_in_redis_obeys_the_contract() {
    let mut shared = Shared::start().await;
    let short = (0..1_000).map(|seed| History::of_a_random_day(seed, Claims::None, 40));
    shared.must_tell(short).await;
    let long = (1_000..1_010).map(|seed| History::of_a_random_day(seed, Claims::None, 400));
    shared.must_tell(long).await;
}

#[tokio::test]
async fn claims_after_a_loss_are_judged_alike() {
    let mut shared = Shared::start().await;
    let short = (0..1_000).map(|seed| History::of_a_random_day(seed, Claims::Random, 40));
    shared.must_tell(short).await;
    let long = (1_000..1_010).map(|seed| History::of_a_random_day(seed, Claims::Random, 400));
    shared.must_tell(long).await;
}

#[tokio::test]
async fn a_gateway_that_stops_between_any_two_steps_leaves_nobody_stuck() {
    let mut shared = Shared::start().await;
    shared.must_tell(with_every_crash(0..20, 48)).await;
}

#[tokio::test]
async fn one_node_leads_until_it_resigns_or_its_lease_ends() {
    let server = RedisServer::start(Keeps::Nothing);
    let [store, _] = open_both(&server).await;
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
    let [store, _] = open_both(&server).await;
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
    let answers = store.ask(vec![Request::Change(change)]).await;
    assert!(matches!(answers[0], Err(StoreLost::Emptied)), "{answers:?}");
    let snapshot = store.snapshot().await;
    assert!(matches!(snapshot, Err(StoreLost::Emptied)), "{snapshot:?}");
}
