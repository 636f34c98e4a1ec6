//! What a decision and a verb cost, by how many wait: `cargo bench -p ringdown-routing --bench desk`.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use ringdown_routing::agent::{AgentProfile, Skills, Status};
use ringdown_routing::contact::{Channel, Needs, Place, Priority, QueuedContact};
use ringdown_routing::desk::Desk;
use ringdown_routing::event::EndedBy;
use ringdown_routing::ids::{AgentId, ContactId, NodeId, QueueId, SkillId};
use ringdown_routing::queue::QueueRules;
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{Answer, Change, Verb};
use std::fmt;
use std::io::Write;
use std::time::{Duration, Instant};

const AGENTS: u64 = 10_000;
const QUEUES: u64 = 1_000;
const CYCLES: u64 = 20_000;

/// How many wait in the smallest and in the largest of the desks that are compared.
const FEW: u64 = 1_000;
const MANY: u64 = 100_000;

fn main() {
    let few = measure(FEW);
    measure(10_000);
    let many = measure(MANY);
    let mut out = std::io::stdout().lock();
    let rows = [
        ("one agent becomes free", few.one_by_one, many.one_by_one),
        ("all agents are free, one decision", few.rush, many.rush),
        ("all agents are free, many in a look", few.looks, many.looks),
    ];
    for (when, few, many) in rows {
        let ratio = |of: fn(&Spread) -> u128| of(&many) as f64 / of(&few).max(1) as f64;
        let _ = writeln!(
            out,
            "a decision with {MANY} waiting costs that with {FEW}, {when}: mean x {:.2}, p50 x {:.2}, p99 x {:.2}",
            ratio(|spread| spread.mean_ns),
            ratio(|spread| spread.p50_ns),
            ratio(|spread| spread.p99_ns),
        );
    }
}

/// What a decision costs on one desk.
struct Measured {
    /// When all agents are free at once.
    rush: Spread,
    /// The same, by the look that proposes many.
    looks: Spread,
    /// When one agent becomes free after the other.
    one_by_one: Spread,
}

/// All agents are free at once and many wait; then calls end one by one, each freeing an agent for the next.
fn measure(waiting: u64) -> Measured {
    let mut floor = Floor::open();
    let filled = Instant::now();
    for _ in 0..waiting + AGENTS {
        floor.enqueue();
    }
    let enqueue_ns = filled.elapsed().as_nanos() / u128::from(waiting + AGENTS);
    let looks = (0..CYCLES / 100)
        .map(|_| {
            let begun = Instant::now();
            let proposals = floor.desk.decide(floor.now);
            let each = u32::try_from(proposals.len().max(1)).unwrap_or(1);
            begun.elapsed() / each
        })
        .collect();
    let mut rush = Vec::new();
    loop {
        let begun = Instant::now();
        drop(floor.desk.decide_one(floor.now));
        let decided = begun.elapsed();
        // A few agents may be left whom nobody who waits may be offered to.
        if let Some(contact) = floor.meet() {
            rush.push(decided);
            floor.talking.push(contact);
        } else if u64::try_from(floor.talking.len()).unwrap_or(AGENTS) < AGENTS {
            floor.enqueue();
        } else {
            break;
        }
    }
    floor.keep_waiting(waiting);
    let mut hand_over = Vec::new();
    let mut decide = Vec::new();
    for cycle in 0..CYCLES {
        if floor.desk.view().counts().waiting <= waiting {
            floor.enqueue();
        }
        let place = usize::try_from(cycle % AGENTS).unwrap_or(0);
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
    let measured = Measured {
        rush: Spread::of(rush),
        looks: Spread::of(looks),
        one_by_one: Spread::of(decide),
    };
    let mut out = std::io::stdout().lock();
    let _ = writeln!(
        out,
        "{} waiting x {AGENTS} agents x {QUEUES} queues:\n  \
         decide, one agent becomes free: {}\n  \
         decide, all agents are free: {}\n  \
         a proposal of a look, all agents are free: {}\n  \
         look of a quiet desk: {}\n  \
         complete + decide + offer + accept: {}\n  \
         enqueue {enqueue_ns} ns; position {position:?} in {position_ns} ns",
        counts.waiting,
        measured.one_by_one,
        measured.rush,
        measured.looks,
        Spread::of(quiet),
        Spread::of(hand_over),
    );
    measured
}

/// How long something took.
struct Spread {
    mean_ns: u128,
    p50_ns: u128,
    p99_ns: u128,
    max_ns: u128,
}

impl Spread {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let at = |share: usize| times[(times.len() - 1) * share / 100].as_nanos();
        let sum: Duration = times.iter().sum();
        Self {
            mean_ns: sum.as_nanos() / times.len() as u128,
            p50_ns: at(50),
            p99_ns: at(99),
            max_ns: at(100),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            mean_ns,
            p50_ns,
            p99_ns,
            max_ns,
        } = self;
        let per_s = 1_000_000_000 / (*mean_ns).max(1);
        write!(
            f,
            "mean {mean_ns} p50 {p50_ns} p99 {p99_ns} max {max_ns} ns, {per_s} a second"
        )
    }
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
            let level = u8::try_from(number / QUEUES % 5).unwrap_or(0);
            (profile.skills).insert(skill(), level);
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
        if (number / QUEUES).is_multiple_of(4) {
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

    /// Lets so many wait: the last who came go, or more come.
    fn keep_waiting(&mut self, waiting: u64) {
        let ids: Vec<ContactId> = (self.desk.view().contacts())
            .filter(|contact| contact.place == Place::Waiting)
            .map(|contact| contact.record.id)
            .collect();
        let most = usize::try_from(waiting).unwrap_or(usize::MAX);
        for contact in ids.iter().skip(most).copied() {
            self.change(Verb::Abandon { contact });
        }
        for _ in ids.len()..most {
            self.enqueue();
        }
    }

    fn complete(&mut self, contact: ContactId) {
        self.change(Verb::Complete {
            contact,
            by: EndedBy::Caller,
            talk: Duration::from_secs(60),
            hold: Duration::ZERO,
            token: None,
        });
    }
}

fn queue(number: u64) -> QueueId {
    QueueId::new(format!("queue {number}").as_str())
}

fn skill() -> SkillId {
    SkillId::from("network")
}
