//! How soon a contact that comes is offered to a free agent, and an agent who hangs up has the next, in memory
//! and through a real Redis; how many verbs a second the store takes, and what a contact costs Redis: `cargo bench -p ringdown --bench acd`.

#[path = "../acd/redis_server.rs"]
#[expect(
    dead_code,
    reason = "the benchmark neither kills nor restarts its server"
)]
mod redis_server;

use redis_server::{Keeps, RedisServer};
use ringdown::acd::{
    Acd, AtStart, Clock, EventSink, Notice, RedisPlace, Subscription, Surroundings,
};
use ringdown_routing::agent::{AgentProfile, Status};
use ringdown_routing::contact::{Channel, QueuedContact};
use ringdown_routing::event::{EndedBy, EventKind};
use ringdown_routing::ids::{AgentId, ContactId, NodeId, OfferToken, QueueId};
use ringdown_routing::queue::QueueRules;
use ringdown_routing::verb::{Answer, Verb};
use std::io::Write;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const AGENTS: u32 = 200;
const CYCLES: usize = 2_000;

#[tokio::main(worker_threads = 2)]
async fn main() {
    for waiting in [200, 10_000] {
        let acd = Acd::in_memory(surroundings());
        measure("memory", acd, waiting, None).await;
    }
    for waiting in [200, 10_000] {
        let server = RedisServer::start(Keeps::Nothing);
        let place = RedisPlace::at(server.url());
        let acd = Acd::in_redis(place, AtStart::RequireRedis, surroundings())
            .await
            .expect("the server is there");
        measure("redis", acd, waiting, Some(&server)).await;
    }
}

fn surroundings() -> Surroundings {
    Surroundings {
        node: NodeId::from("bench"),
        clock: Clock::of_the_machine(),
        sink: EventSink::at_once(|_| {}),
    }
}

async fn measure(store: &str, acd: Acd, waiting: u128, server: Option<&RedisServer>) {
    let mut heard = acd.subscribe();
    furnish(&acd).await;
    // Everybody is busy first, so that the rest waits.
    let mut last = 0;
    let mut talking = Vec::new();
    let mut first_offers = Vec::new();
    for _ in 0..AGENTS {
        last += 1;
        let begun = Instant::now();
        ask(&acd, enqueue(&acd, last)).await;
        let (contact, token) = hear_offer(&mut heard).await;
        first_offers.push(begun.elapsed());
        ask(&acd, Verb::Accept { token }).await;
        talking.push(contact);
    }
    let (rate, filled) = fill(&acd, last, waiting).await;
    last = filled;
    let mut hand_over = Vec::new();
    let spent = processor_time(server).await;
    for cycle in 0..CYCLES {
        let place = cycle % talking.len();
        while heard.try_next().is_some() {}
        let begun = Instant::now();
        ask(&acd, complete(talking[place])).await;
        let (contact, token) = hear_offer(&mut heard).await;
        hand_over.push(begun.elapsed());
        ask(&acd, Verb::Accept { token }).await;
        talking[place] = contact;
        last += 1;
        ask(&acd, enqueue(&acd, last)).await;
    }
    let spent = processor_time(server).await.saturating_sub(spent);
    let per_contact = spent / u32::try_from(CYCLES).unwrap_or(u32::MAX);
    let counts = acd.read(|view| view.counts());
    let mut out = std::io::stdout().lock();
    let _ = writeln!(
        out,
        "{store}, {} waiting, {AGENTS} agents:\n  \
         enqueue to offer, an agent is free: {}\n  \
         hang-up to the next offer: {}\n  \
         {rate:.0} enqueues a second",
        counts.waiting,
        spread(first_offers),
        spread(hand_over),
    );
    if server.is_some() {
        let _ = writeln!(
            out,
            "  Redis CPU per contact (enqueue, offer, accept, complete): {} us",
            per_contact.as_micros(),
        );
    }
}

/// What a server has spent so far; a contact of a cycle is enqueued, offered, accepted and completed.
async fn processor_time(server: Option<&RedisServer>) -> Duration {
    let Some(server) = server else {
        return Duration::ZERO;
    };
    let client = redis::Client::open(server.url()).expect("an address");
    let connection = client.get_multiplexed_async_connection().await;
    let mut connection = connection.expect("the server is there");
    let asked = redis::cmd("INFO").arg("cpu").to_owned();
    let info: String = asked.query_async(&mut connection).await.expect("it tells");
    let kinds = ["used_cpu_user:", "used_cpu_sys:"];
    let seconds = info.lines().filter_map(|line| {
        let number = kinds.iter().find_map(|kind| line.strip_prefix(kind))?;
        number.trim().parse::<f64>().ok()
    });
    Duration::from_secs_f64(seconds.sum())
}

/// Enqueues many without waiting for each answer.
async fn fill(acd: &Acd, last: u128, waiting: u128) -> (f64, u128) {
    let begun = Instant::now();
    let (sender, mut answered) = mpsc::unbounded_channel();
    for number in 1..=waiting {
        let sender = sender.clone();
        acd.submit(enqueue(acd, last + number), move |answer| {
            drop(sender.send(answer));
        });
    }
    drop(sender);
    let mut answers = 0_u32;
    while let Some(answer) = answered.recv().await {
        assert!(matches!(answer, Ok(Answer::Done)), "{answer:?}");
        answers += 1;
    }
    let rate = f64::from(answers) / begun.elapsed().as_secs_f64();
    (rate, last + waiting)
}

async fn furnish(acd: &Acd) {
    let mut rules = QueueRules::with_defaults(QueueId::from("desk"));
    rules.ring_timeout = Duration::from_secs(600);
    ask(acd, Verb::SetQueue { rules }).await;
    for number in 0..AGENTS {
        let agent = AgentId::new(format!("agent {number}").as_str());
        let queues = [QueueId::from("desk")];
        let profile = AgentProfile::new(agent.clone(), agent.as_str()).serving(queues);
        ask(acd, Verb::SetAgent { profile }).await;
        let is_reachable = true;
        let reachable = Verb::AgentReachable {
            agent: agent.clone(),
            is_reachable,
        };
        ask(acd, reachable).await;
        let status = Status::Available;
        ask(acd, Verb::AgentStatus { agent, status }).await;
    }
}

fn enqueue(acd: &Acd, number: u128) -> Verb {
    Verb::Enqueue {
        contact: QueuedContact::new(
            ContactId::from_u128(number),
            QueueId::from("desk"),
            Channel::Voice,
            acd.now(),
            NodeId::from("bench"),
        ),
    }
}

fn complete(contact: ContactId) -> Verb {
    Verb::Complete {
        contact,
        by: EndedBy::Caller,
        talk: Duration::from_secs(60),
        hold: Duration::ZERO,
        token: None,
    }
}

async fn ask(acd: &Acd, verb: Verb) {
    let answer = acd.change(verb).await;
    assert!(matches!(answer, Ok(Answer::Done)), "{answer:?}");
}

async fn hear_offer(heard: &mut Subscription) -> (ContactId, OfferToken) {
    loop {
        let Some(Notice::Event(event)) = heard.next().await else {
            continue;
        };
        if let (EventKind::Offered { token, .. }, Some(contact)) = (&event.kind, event.contact) {
            return (contact, *token);
        }
    }
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_micros();
    format!("p50 {} p99 {} max {} us", at(50), at(99), at(100))
}
