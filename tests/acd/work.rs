//! The desk at work: dispatching, the bus, several nodes on one Redis, and a Redis that goes away.

use crate::redis_server::{Keeps, RedisServer};
use ringdown::acd::{
    Acd, AtStart, Clock, EventSink, Health, Notice, PublishFault, RedisPlace, Subscription,
    Surroundings,
};
use ringdown_routing::agent::{AgentProfile, State, Status};
use ringdown_routing::contact::{Channel, Place, QueuedContact};
use ringdown_routing::event::{ContactResult, EndedBy, Event, EventDraft, EventKind};
use ringdown_routing::ids::{AgentId, ContactId, EventId, NodeId, OfferToken, QueueId};
use ringdown_routing::invariants;
use ringdown_routing::queue::QueueRules;
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{Answer, DeclineReason, Refusal, Verb};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);
pub(crate) const DONE: Answer = Answer::Done;

pub(crate) type Written = Arc<Mutex<Vec<Event>>>;

/// One gateway: its desk, what it hears, and what it wrote down.
pub(crate) struct Gateway {
    node: NodeId,
    pub(crate) acd: Acd,
    heard: Subscription,
    written: Written,
}

impl Gateway {
    pub(crate) fn new(node: NodeId, acd: Acd, written: Written) -> Self {
        let heard = acd.subscribe();
        Self {
            node,
            acd,
            heard,
            written,
        }
    }

    pub(crate) fn in_memory() -> Self {
        let node = NodeId::from("alone");
        let began = tokio::time::Instant::now();
        let clock = Clock::new(move || START + began.elapsed());
        let (surroundings, written) = surroundings(&node, clock);
        Self::new(node, Acd::in_memory(surroundings), written)
    }

    pub(crate) async fn in_redis(server: &RedisServer, name: &str, clock: Clock) -> Self {
        let node = NodeId::from(name);
        let (surroundings, written) = surroundings(&node, clock);
        let acd = Acd::in_redis(place(server), AtStart::RequireRedis, surroundings)
            .await
            .expect("the server is there");
        Self::new(node, acd, written)
    }

    pub(crate) async fn change(&self, verb: Verb) -> Answer {
        let asked = format!("{verb:?}");
        self.acd
            .change(verb)
            .await
            .unwrap_or_else(|lost| panic!("{asked}: {lost}"))
    }

    pub(crate) async fn furnish(&self, wrap_up: Duration, agents: &[&str]) {
        let mut rules = QueueRules::with_defaults(queue());
        rules.wrap_up = wrap_up;
        assert_eq!(self.change(Verb::SetQueue { rules }).await, DONE);
        for name in agents {
            let agent = AgentId::from(*name);
            let profile = profile(name);
            assert_eq!(self.change(Verb::SetAgent { profile }).await, DONE);
            let is_reachable = true;
            let verb = Verb::AgentReachable {
                agent: agent.clone(),
                is_reachable,
            };
            assert_eq!(self.change(verb).await, DONE);
            let status = Status::Available;
            assert_eq!(self.change(Verb::AgentStatus { agent, status }).await, DONE);
        }
    }

    pub(crate) fn contact(&self, number: u128) -> QueuedContact {
        let id = ContactId::from_u128(number);
        let (now, node) = (self.acd.now(), self.node.clone());
        QueuedContact::new(id, queue(), Channel::Voice, now, node)
    }

    pub(crate) async fn enqueue(&self, number: u128) -> ContactId {
        let contact = self.contact(number);
        let id = contact.id;
        assert_eq!(self.change(Verb::Enqueue { contact }).await, DONE);
        id
    }

    pub(crate) async fn complete(&self, contact: ContactId) -> Answer {
        self.change(Verb::Complete {
            contact,
            by: EndedBy::Caller,
            talk: Duration::from_secs(3),
            hold: Duration::ZERO,
            token: None,
        })
        .await
    }

    /// Listens until something is heard that `wanted` makes something of.
    pub(crate) async fn hear<T>(&mut self, wanted: impl Fn(&Notice) -> Option<T>) -> T {
        let listen = async {
            loop {
                let notice = self.heard.next().await.expect("the desk is open");
                if let Some(found) = wanted(&notice) {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), listen)
            .await
            .expect("it is heard in time")
    }

    pub(crate) async fn hear_offer_of(&mut self, contact: ContactId) -> (AgentId, OfferToken) {
        self.hear(|notice| offer_of(notice, contact)).await
    }

    pub(crate) async fn is_well(&self, wanted: impl Fn(&Health) -> bool) {
        let mut health = self.acd.health();
        let wait = health.wait_for(|health| wanted(health));
        tokio::time::timeout(Duration::from_secs(60), wait)
            .await
            .expect("the health changes in time")
            .expect("the desk is open");
    }

    pub(crate) fn place_of(&self, contact: ContactId) -> Option<Place> {
        self.acd
            .read(|view| view.contact(contact).map(|contact| contact.place.clone()))
    }

    pub(crate) fn agent(&self, name: &str) -> (Status, State) {
        self.acd.read(|view| {
            let agent = view.agent(&AgentId::from(name)).expect("they work here");
            (agent.status.clone(), agent.state())
        })
    }

    pub(crate) fn written(&self) -> Vec<Event> {
        self.written.lock().expect("nobody panicked").clone()
    }
}

fn offer_of(notice: &Notice, contact: ContactId) -> Option<(AgentId, OfferToken)> {
    match notice {
        Notice::Event(event) if event.contact == Some(contact) => {
            let EventKind::Offered { token, .. } = &event.kind else {
                return None;
            };
            Some((event.agent.clone()?, *token))
        }
        Notice::Event(_) | Notice::Resync => None,
    }
}

pub(crate) fn surroundings(node: &NodeId, clock: Clock) -> (Surroundings, Written) {
    let written = Written::default();
    let kept = written.clone();
    let known = Mutex::new(BTreeMap::new());
    // As the log does: an event is known by its id, and may be brought twice.
    let sink = EventSink::at_once(move |event| {
        let mut known = known.lock().expect("nobody panicked");
        let before = known.entry(event.id.clone()).or_insert_with(|| {
            let mut written = kept.lock().expect("nobody panicked");
            written.push(Event::clone(event));
            event.clone()
        });
        assert_eq!(before, event, "an id was given twice");
    });
    let surroundings = Surroundings {
        node: node.clone(),
        clock,
        sink,
    };
    (surroundings, written)
}

pub(crate) fn place(server: &RedisServer) -> RedisPlace {
    RedisPlace {
        shard: "desk".to_owned(),
        connect_timeout: Duration::from_secs(2),
        command_timeout: Duration::from_secs(2),
        ..RedisPlace::at(server.url())
    }
}

/// The machine's clock, which can be put forward.
pub(crate) fn movable_clock() -> (Clock, Arc<AtomicI64>) {
    let ahead = Arc::new(AtomicI64::new(0));
    let moved = ahead.clone();
    let machine = Clock::of_the_machine();
    let clock = Clock::new(move || {
        let ahead = u64::try_from(moved.load(Ordering::Relaxed)).expect("never back");
        machine.now() + Duration::from_millis(ahead)
    });
    (clock, ahead)
}

fn queue() -> QueueId {
    QueueId::from("desk")
}

fn profile(name: &str) -> AgentProfile {
    AgentProfile::new(AgentId::from(name), name).serving([queue()])
}

pub(crate) fn ids(events: &[Event]) -> BTreeSet<EventId> {
    events.iter().map(|event| event.id.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_agent_who_hangs_up_has_the_next_contact_before_the_call_returns() {
    let mut gateway = Gateway::in_memory();
    gateway.furnish(Duration::ZERO, &["anna"]).await;
    let first = gateway.enqueue(1).await;
    let second = gateway.enqueue(2).await;
    assert_eq!(gateway.acd.position(second), Some(2));
    let (_, token) = gateway.hear_offer_of(first).await;
    assert_eq!(gateway.change(Verb::Accept { token }).await, DONE);
    assert_eq!(gateway.acd.position(second), Some(1));
    while gateway.heard.try_next().is_some() {}

    let verb = Verb::Complete {
        contact: first,
        by: EndedBy::Agent,
        talk: Duration::from_secs(1),
        hold: Duration::ZERO,
        token: None,
    };
    assert_eq!(gateway.acd.try_change_now(verb), Some(DONE));
    let mut heard = Vec::new();
    while let Some(Notice::Event(event)) = gateway.heard.try_next() {
        heard.push(event.kind.clone());
    }
    assert!(
        matches!(
            heard[..],
            [
                EventKind::Ended { .. },
                EventKind::Ready { .. },
                EventKind::Offered { .. }
            ]
        ),
        "{heard:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn wrap_up_and_back_off_end_by_themselves() {
    let mut gateway = Gateway::in_memory();
    gateway.furnish(Duration::from_secs(20), &["anna"]).await;
    let first = gateway.enqueue(1).await;
    let (_, token) = gateway.hear_offer_of(first).await;
    gateway.change(Verb::Accept { token }).await;
    gateway.complete(first).await;
    let second = gateway.enqueue(2).await;
    assert_eq!(gateway.place_of(second), Some(Place::Waiting));

    let before = gateway.acd.now();
    let (_, token) = gateway.hear_offer_of(second).await;
    let waited = gateway.acd.now().since(before);
    assert!(
        (19_900..=20_100).contains(&waited.as_millis()),
        "{waited:?}"
    );

    let before = gateway.acd.now();
    let reason = DeclineReason::Declined;
    gateway.change(Verb::Decline { token, reason }).await;
    gateway.hear_offer_of(second).await;
    let waited = gateway.acd.now().since(before);
    assert!(
        (29_900..=30_100).contains(&waited.as_millis()),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_offer_that_nobody_ends_lapses_and_is_made_again() {
    let mut gateway = Gateway::in_memory();
    gateway.furnish(Duration::ZERO, &["anna"]).await;
    let contact = gateway.enqueue(1).await;
    let (_, first) = gateway.hear_offer_of(contact).await;
    let (_, second) = gateway.hear_offer_of(contact).await;
    assert!(first < second);
    let late = gateway.change(Verb::Accept { token: first }).await;
    let reason = Refusal::StaleOffer;
    assert_eq!(late, Answer::Refused { reason });
    assert_eq!(gateway.change(Verb::Accept { token: second }).await, DONE);
}

#[tokio::test(start_paused = true)]
async fn who_lags_is_told_to_look_again_and_every_event_is_written_once() {
    let mut gateway = Gateway::in_memory();
    gateway.furnish(Duration::ZERO, &[]).await;
    let contact = gateway.enqueue(1).await;
    let digits = "1".to_owned();
    for _ in 0..=ringdown::acd::bus::EVENTS_BEHIND_MAX {
        let kind = EventKind::KeyedIn {
            digits: digits.clone(),
        };
        let draft = EventDraft::of_contact(gateway.acd.now(), contact, kind);
        gateway.acd.publish(draft).expect("it is a fact");
    }
    assert_eq!(gateway.heard.next().await, Some(Notice::Resync));
    let written = gateway.written();
    assert_eq!(ids(&written).len(), written.len());
    let last = gateway.acd.snapshot().last_event;
    assert_eq!(u64::try_from(written.len()), Ok(last));

    let lie = EventDraft::of_contact(
        gateway.acd.now(),
        contact,
        EventKind::Abandoned { wait_ms: 1 },
    );
    let refused = gateway.acd.publish(lie);
    assert!(matches!(refused, Err(PublishFault::MadeByAVerb)));
}

#[tokio::test]
async fn two_gateways_share_one_desk() {
    let server = RedisServer::start(Keeps::Everything);
    let mut one = Gateway::in_redis(&server, "one", Clock::of_the_machine()).await;
    let mut two = Gateway::in_redis(&server, "two", Clock::of_the_machine()).await;
    one.furnish(Duration::ZERO, &["anna"]).await;
    let first = one.enqueue(1).await;
    let (_, token) = one.hear_offer_of(first).await;
    let second = two.enqueue(2).await;
    assert_eq!(one.change(Verb::Accept { token }).await, DONE);
    let kind = EventKind::Closed {
        result: ContactResult::Answered,
    };
    assert_eq!(one.complete(first).await, DONE);
    let draft = EventDraft::of_contact(one.acd.now(), first, kind);
    one.acd.publish(draft).expect("it is a fact");
    // Whoever leads offers the other gateway's contact, and that gateway hears of it.
    let (agent, token) = two.hear_offer_of(second).await;
    assert_eq!(agent, AgentId::from("anna"));
    assert_eq!(two.change(Verb::Accept { token }).await, DONE);
    assert_eq!(two.complete(second).await, DONE);
    let ended = |notice: &Notice| match notice {
        Notice::Event(event) if event.contact == Some(second) => {
            matches!(event.kind, EventKind::Ended { .. }).then_some(())
        }
        Notice::Event(_) | Notice::Resync => None,
    };
    one.hear(ended).await;

    let (of_one, of_two) = (one.written(), two.written());
    assert!(ids(&of_one).is_disjoint(&ids(&of_two)));
    let numbers: BTreeSet<u64> = ids(&of_one)
        .union(&ids(&of_two))
        .map(|id| id.number)
        .collect();
    let last = numbers.last().copied().expect("something happened");
    assert!(numbers.into_iter().eq(1..=last));
}

#[tokio::test]
async fn when_a_gateway_dies_another_dispatches_and_ends_its_calls() {
    let server = RedisServer::start(Keeps::Everything);
    let (clock, ahead) = movable_clock();
    let dying = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let leader_clock = clock.clone();
    let url_of = place(&server);
    let first = dying.block_on_elsewhere(async move {
        let node = NodeId::from("dying");
        let (surroundings, written) = surroundings(&node, leader_clock);
        let acd = Acd::in_redis(url_of, AtStart::RequireRedis, surroundings)
            .await
            .expect("the server is there");
        let mut gateway = Gateway::new(node, acd, written);
        gateway.furnish(Duration::ZERO, &["anna"]).await;
        let contact = gateway.enqueue(1).await;
        let (_, token) = gateway.hear_offer_of(contact).await;
        assert_eq!(gateway.change(Verb::Accept { token }).await, DONE);
        // It goes without a word: nothing of it is dropped in order.
        std::mem::forget(gateway);
        contact
    });
    let mut living = Gateway::in_redis(&server, "living", clock).await;
    let second = living.enqueue(2).await;
    let talks = living.place_of(first);
    assert!(matches!(talks, Some(Place::Active { .. })), "{talks:?}");
    dying.shutdown_background();
    ahead.store(16_000, Ordering::Relaxed);
    let (agent, _) = living.hear_offer_of(second).await;
    assert_eq!(agent, AgentId::from("anna"));
    assert_eq!(living.place_of(first), None);
}

#[tokio::test]
async fn a_gateway_taken_for_lost_claims_its_callers_back() {
    let server = RedisServer::start(Keeps::Everything);
    let (clock, ahead) = movable_clock();
    let mut other = Gateway::in_redis(&server, "other", clock).await;
    let mut slow = Gateway::in_redis(&server, "slow", Clock::of_the_machine()).await;
    slow.furnish(Duration::ZERO, &[]).await;
    let contact = slow.enqueue(1).await;
    let is_of = |notice: &Notice, wanted: fn(&EventKind) -> bool| match notice {
        Notice::Event(event) => wanted(&event.kind).then_some(event.contact),
        Notice::Resync => None,
    };
    let entered = |kind: &EventKind| matches!(kind, EventKind::Enqueued { .. });
    other.hear(|notice| is_of(notice, entered)).await;
    // By the other's clock the slow one has been silent for longer than it may.
    ahead.store(16_000, Ordering::Relaxed);
    let is_lost = |kind: &EventKind| matches!(kind, EventKind::NodeLost { .. });
    slow.hear(|notice| is_of(notice, is_lost)).await;
    let restored = |kind: &EventKind| matches!(kind, EventKind::Restored { .. });
    let found = other.hear(|notice| is_of(notice, restored)).await;
    assert_eq!(found, Some(contact));
    assert_eq!(slow.place_of(contact), Some(Place::Waiting));
}

#[tokio::test]
async fn scripts_that_were_flushed_are_loaded_again() {
    let server = RedisServer::start(Keeps::Everything);
    let mut gateway = Gateway::in_redis(&server, "one", Clock::of_the_machine()).await;
    gateway.furnish(Duration::ZERO, &["anna"]).await;
    let mut connection = connect(&server).await;
    let _: () = redis::cmd("SCRIPT")
        .arg("FLUSH")
        .query_async(&mut connection)
        .await
        .expect("flushed");
    let contact = gateway.enqueue(1).await;
    gateway.is_well(|health| *health == Health::Good).await;
    if !matches!(gateway.place_of(contact), Some(Place::Offered { .. })) {
        gateway.hear_offer_of(contact).await;
    }
}

#[tokio::test]
async fn a_desk_in_a_cluster_is_found_where_its_slot_is() {
    let [asked, holder] = [(); 2].map(|()| RedisServer::start_cluster_node());
    let [mut to_asked, mut to_holder] = [connect(&asked).await, connect(&holder).await];
    let _: () = redis::cmd("CLUSTER")
        .arg("ADDSLOTSRANGE")
        .arg(0)
        .arg(16_383)
        .query_async(&mut to_holder)
        .await
        .expect("it holds every slot");
    let (clients, cluster) = holder.ports().expect("it listens on ports");
    let _: () = redis::cmd("CLUSTER")
        .arg("MEET")
        .arg("127.0.0.1")
        .arg(clients)
        .arg(cluster)
        .query_async(&mut to_asked)
        .await
        .expect("they meet");
    // Until the nodes have met the Cluster serves nobody, which is a lost Redis like any other.
    let node = NodeId::from("one");
    let (surroundings, written) = surroundings(&node, Clock::of_the_machine());
    let acd = Acd::in_redis(place(&asked), AtStart::StartAlone, surroundings)
        .await
        .expect("it starts alone");
    let mut gateway = Gateway::new(node, acd, written);
    gateway.is_well(|health| *health == Health::Good).await;
    gateway.furnish(Duration::ZERO, &["anna"]).await;
    let contact = gateway.enqueue(1).await;
    let (_, token) = gateway.hear_offer_of(contact).await;
    assert_eq!(gateway.change(Verb::Accept { token }).await, DONE);
    let keys: i64 = redis::cmd("DBSIZE")
        .query_async(&mut to_holder)
        .await
        .expect("the server is there");
    assert!(keys > 0);
}

async fn connect(server: &RedisServer) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(server.url()).expect("an address");
    let connection = client.get_multiplexed_async_connection().await;
    connection.expect("the server is there")
}

/// Runs a future on a runtime from within another one.
pub(crate) trait BlockOnElsewhere {
    fn block_on_elsewhere<T: Send>(&self, future: impl Future<Output = T> + Send) -> T;
}

impl BlockOnElsewhere for tokio::runtime::Runtime {
    fn block_on_elsewhere<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        std::thread::scope(|scope| {
            let run = scope.spawn(|| self.block_on(future));
            run.join().expect("it does not panic")
        })
    }
}

/// A day on which Redis goes away in the middle of everything; `restart` brings it back.
async fn redis_goes_away(restart: impl FnOnce(&mut RedisServer)) -> Gateway {
    let mut server = RedisServer::start(Keeps::Everything);
    let mut gateway = Gateway::in_redis(&server, "one", Clock::of_the_machine()).await;
    gateway
        .furnish(Duration::ZERO, &["anna", "bob", "cleo"])
        .await;
    let mut tokens = BTreeMap::new();
    for number in [1, 2, 3] {
        let contact = gateway.enqueue(number).await;
        let (_, token) = gateway.hear_offer_of(contact).await;
        tokens.insert(number, token);
    }
    let [ends, goes_on, rings, waits, leaves, comes] = [1, 2, 3, 4, 5, 6].map(ContactId::from_u128);
    for number in [1, 2] {
        let token = tokens[&number];
        assert_eq!(gateway.change(Verb::Accept { token }).await, DONE);
    }
    gateway.enqueue(4).await;
    gateway.enqueue(5).await;

    server.kill();
    gateway.is_well(|health| *health != Health::Good).await;
    assert_eq!(gateway.complete(ends).await, DONE);
    let leave = Verb::Abandon { contact: leaves };
    assert_eq!(gateway.change(leave).await, DONE);
    // Her phone rang when Redis went; she answers.
    let token = tokens[&3];
    assert_eq!(gateway.change(Verb::Accept { token }).await, DONE);
    gateway.enqueue(6).await;
    assert_eq!(gateway.acd.position(waits), Some(1));
    assert_eq!(gateway.acd.position(comes), Some(2));
    let verb = Verb::AgentStatus {
        agent: AgentId::from("bob"),
        status: Status::NotReady("lunch".to_owned()),
    };
    assert_eq!(gateway.change(verb).await, DONE);

    restart(&mut server);
    gateway.is_well(|health| *health == Health::Good).await;
    gateway
        .hear(|notice| matches!(notice, Notice::Resync).then_some(()))
        .await;
    // Anna is free: who waited longest comes first, and those who talk still do.
    let view = gateway.acd.snapshot();
    let place = |id: ContactId| {
        let contact = view.contacts.iter().find(|known| known.record.id == id)?;
        Some(contact.place.clone())
    };
    assert!(matches!(place(goes_on), Some(Place::Active { .. })));
    assert!(matches!(place(rings), Some(Place::Active { .. })));
    assert_eq!((place(ends), place(leaves)), (None, None));
    assert_eq!(place(comes), Some(Place::Waiting));
    let token = match place(waits) {
        Some(Place::Offered { token, .. }) => token,
        Some(Place::Waiting) => gateway.hear_offer_of(waits).await.1,
        other => panic!("{other:?}"),
    };
    assert_eq!(gateway.change(Verb::Accept { token }).await, DONE);
    assert_eq!(gateway.complete(goes_on).await, DONE);
    let (status, state) = gateway.agent("bob");
    assert_eq!(status, Status::NotReady("lunch".to_owned()));
    assert_eq!(state, State::Idle);
    assert_eq!(gateway.place_of(comes), Some(Place::Waiting));
    assert_eq!(gateway.complete(rings).await, DONE);
    gateway.hear_offer_of(comes).await;
    gateway.acd.read(|view| {
        let counted = invariants::arrived_is_waiting_offered_active_and_ended(view);
        assert_eq!(counted, Ok(()));
    });
    gateway
}

/// Each contact of that day is written down as entering once, and as ending at most once.
fn nothing_is_written_twice(gateway: &Gateway) {
    let written = gateway.written();
    assert_eq!(ids(&written).len(), written.len(), "{written:#?}");
    let mut entered = BTreeMap::new();
    let mut ended = BTreeMap::new();
    for event in &written {
        let Some(contact) = event.contact else {
            continue;
        };
        if let EventKind::Enqueued { .. } = event.kind {
            *entered.entry(contact).or_insert(0) += 1;
        }
        if let EventKind::Ended { .. } | EventKind::Abandoned { .. } = event.kind {
            *ended.entry(contact).or_insert(0) += 1;
        }
    }
    assert_eq!(entered.len(), 6);
    assert!(entered.values().all(|times| *times == 1), "{entered:?}");
    assert!(ended.values().all(|times| *times == 1), "{ended:?}");
    assert_eq!(ended.len(), 4, "{ended:?}");
}

#[tokio::test]
async fn calls_survive_a_redis_that_restarts_with_its_data() {
    let gateway = redis_goes_away(RedisServer::launch).await;
    nothing_is_written_twice(&gateway);
}

#[tokio::test]
async fn calls_survive_a_redis_that_restarts_empty() {
    let gateway = redis_goes_away(|server| {
        server.erase();
        server.launch();
    })
    .await;
    nothing_is_written_twice(&gateway);
}

#[tokio::test]
async fn without_redis_at_start_the_operator_is_told_or_the_node_waits_alone() {
    let mut server = RedisServer::start(Keeps::Everything);
    server.kill();
    let node = NodeId::from("one");
    let (refused, _) = surroundings(&node, Clock::of_the_machine());
    let fault = Acd::in_redis(place(&server), AtStart::RequireRedis, refused)
        .await
        .expect_err("nobody is there");
    let sentence = fault.to_string();
    assert!(sentence.contains("correct `[redis]`"), "{sentence}");

    let (alone, written) = surroundings(&node, Clock::of_the_machine());
    let acd = Acd::in_redis(place(&server), AtStart::StartAlone, alone)
        .await
        .expect("it starts alone");
    let mut gateway = Gateway::new(node, acd, written);
    gateway.furnish(Duration::ZERO, &["anna"]).await;
    let contact = gateway.enqueue(1).await;
    assert_eq!(gateway.place_of(contact), Some(Place::Waiting));
    server.launch();
    gateway.is_well(|health| *health == Health::Good).await;
    if gateway.place_of(contact) == Some(Place::Waiting) {
        gateway.hear_offer_of(contact).await;
    }
}
