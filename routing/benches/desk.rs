//! What a decision and a verb cost, by how many wait: `cargo bench -p ringdown-routing --bench desk`.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use ringdown_routing::agent::{AgentProfile, Skills, Status};
use ringdown_routing::contact::{Channel, Needs, Priority, QueuedContact};
use ringdown_routing::desk::Desk;
use ringdown_routing::event::EndedBy;
use ringdown_routing::ids::{AgentId, ContactId, NodeId, QueueId, SkillId};
use ringdown_routing::queue::QueueRules;
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{Answer, Change, Verb};
use std::io::Write;
use std::time::{Duration, Instant};

const AGENTS: u64 = 10_000;
const QUEUES: u64 = 1_000;
const CYCLES: u64 = 20_000;

fn main() {
    for waiting in [1_000, 10_000, 100_000] {
        measure(waiting);
    }
}

/// All agents are free at once and many wait; then calls end one by one, each freeing an agent for the next.
fn measure(waiting: u64) {
    let mut floor = Floor::open();
    let filled = Instant::now();
    for _ in 0..waiting + AGENTS {
        floor.enqueue();
    }
    let enqueue_ns = filled.elapsed().as_nanos() / u128::from(waiting + AGENTS);
    let mut rush = Vec::new();
    let mut begun = Instant::now();
    while let Some(contact) = floor.meet() {
        rush.push(begun.elapsed());
        floor.talking.push(contact);
        begun = Instant::now();
    }
    let agents = u64::try_from(floor.talking.len()).unwrap_or(1);
    let mut hand_over = Vec::new();
    let mut decide = Vec::new();
    for cycle in 0..CYCLES {
        floor.enqueue();
        let place = usize::try_from(cycle % agents).unwrap_or(0);
        let begun = Instant::now();
        floor.complete(floor.talking[place]);
        let decided = Instant::now();
        let proposal = floor.desk.decide_one(floor.now);
        decide.push(decided.elapsed());
        let mut next = floor.meet();
        if next.is_some() {
            hand_over.push(begun.elapsed());
        }
        // Nobody waits whom this agent may take: go on until somebody comes.
        while next.is_none() {
            floor.enqueue();
            next = floor.meet();
        }
        floor.talking[place] = next.expect("the loop ends with one");
        drop(proposal);
    }
    let mut quiet = Vec::new();
    for _ in 0..CYCLES {
        let begun = Instant::now();
        drop(floor.desk.decide(floor.now));
        quiet.push(begun.elapsed());
    }
    let counts = floor.desk.view().counts();
    let last = floor.last;
    let begun = Instant::now();
    let position = floor.desk.view().position(ContactId::from_u128(last));
    let position_ns = begun.elapsed().as_nanos();
    let mut out = std::io::stdout().lock();
    let _ = writeln!(
        out,
        "{} waiting, {agents} of {AGENTS} agents talk, {QUEUES} queues: enqueue {enqueue_ns} ns; \
         all free at once: decide + offer + accept {}; then one by one: decide {}; quiet {}; \
         complete + decide + offer + accept {}; position {position:?} in {position_ns} ns",
        counts.waiting,
        spread(rush),
        spread(decide),
        spread(quiet),
        spread(hand_over),
    );
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_nanos();
    format!("p50 {} p99 {} max {} ns", at(50), at(99), at(100))
}

struct Floor {
    desk: Desk,
    now: Timestamp,
    last: u128,
    talking: Vec<ContactId>,
}

impl Floor {
    fn open() -> Self {
        let mut floor = Self {
            desk: Desk::new(NodeId::from("bench"), 0),
            now: Timestamp::from_seconds(1_790_000_000),
            last: 0,
            talking: Vec::new(),
        };
        for number in 0..QUEUES {
            let rules = QueueRules::with_defaults(queue(number));
            floor.change(Verb::SetQueue { rules });
        }
        for number in 0..AGENTS {
            let agent = AgentId::new(format!("agent {number}").as_str());
            let queues = [queue(number % QUEUES), queue((number + 1) % QUEUES)];
            let mut profile = AgentProfile::new(agent.clone(), agent.as_str()).serving(queues);
            (profile.skills).insert(skill(), u8::try_from(number % 5).unwrap_or(0));
            floor.change(Verb::SetAgent { profile });
            let is_reachable = true;
            floor.change(Verb::AgentReachable {
                agent: agent.clone(),
                is_reachable,
            });
            let status = Status::Available;
            floor.change(Verb::AgentStatus { agent, status });
        }
        floor
    }

    fn change(&mut self, verb: Verb) -> Answer {
        self.now = self.now + Duration::from_millis(1);
        let at = self.now;
        self.desk.apply(Change { at, verb }).answer
    }

    fn enqueue(&mut self) {
        self.last += 1;
        let number = u64::try_from(self.last).unwrap_or(0);
        let mut skills = Skills::new();
        if number.is_multiple_of(4) {
            skills.insert(skill(), 2);
        }
        let contact = QueuedContact {
            priority: Priority(i32::try_from(number % 3).unwrap_or(0)),
            skills: Needs::always(skills),
            ..QueuedContact::new(
                ContactId::from_u128(self.last),
                queue(number % QUEUES),
                Channel::Voice,
                self.now,
                NodeId::from("bench"),
            )
        };
        self.change(Verb::Enqueue { contact });
    }

    /// Decides, offers and accepts once.
    fn meet(&mut self) -> Option<ContactId> {
        let proposal = self.desk.decide_one(self.now)?;
        let contact = proposal.contact;
        let Answer::Reserved { token, .. } = self.change(proposal.into_verb()) else {
            return None;
        };
        self.change(Verb::Accept { token });
        Some(contact)
    }

    fn complete(&mut self, contact: ContactId) {
        self.change(Verb::Complete {
            contact,
            by: EndedBy::Caller,
            talk: Duration::from_secs(60),
            hold: Duration::ZERO,
        });
    }
}

fn queue(number: u64) -> QueueId {
    QueueId::new(format!("queue {number}").as_str())
}

fn skill() -> SkillId {
    SkillId::from("network")
}
