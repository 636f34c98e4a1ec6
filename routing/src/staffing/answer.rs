//! From a question to the staff it takes: the fewest agents that meet the target, or what so many do.

use super::erlang_a::ErlangA;
use super::erlang_b::Blocking;
use super::erlang_c::ErlangC;
use super::erlang_x::ErlangX;
use super::load::Load;
use super::question::{Deadline, Question, SERVERS_MAX, StaffingFault};
use crate::statistics::{Definition, ServiceLevel};
use serde::{Deserialize, Serialize};

/// Relative distance from a whole number that is rounding and no part of another agent: a hundred times
/// the rounding of a product of shares, and a hundred times less than six decimals can make.
const WHOLE_WITHIN: f64 = 1e-13;

/// The staff a question takes, by each model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Offered load.
    pub load_erlang: f64,
    /// Callers who wait as long as it takes.
    pub erlang_c: PatientStaff,
    /// Callers who hang up; only with a mean patience.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erlang_a: Option<ImpatientStaff>,
    /// Callers who hang up, some of whom call again; only with a share that does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erlang_x: Option<RetryingStaff>,
    /// Contacts that may wait for hours; only with a deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<BacklogStaff>,
}

/// Staff and measures by Erlang C. What divides by nothing, and every measure of an unstable queue, is
/// `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PatientStaff {
    /// Agents at work.
    pub agents: u32,
    /// Agents on the roster, shrinkage added.
    pub scheduled: u64,
    /// Whether the queue ever ends: more servers than load.
    pub stable: bool,
    /// What an unstable queue means, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// Share of contacts that wait at all.
    pub probability_of_wait: Option<f64>,
    /// Share answered within the threshold; nobody leaves, so that all four variants are this one.
    pub service_level: Option<f64>,
    /// Average speed of answer.
    pub asa_s: Option<f64>,
    /// Share of the agents' time spent on contacts.
    pub occupancy: Option<f64>,
    /// Percentiles of the wait.
    pub wait_percentiles_s: WaitPercentiles,
}

/// Staff and measures by Erlang A.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImpatientStaff {
    /// Agents at work.
    pub agents: u32,
    /// Agents on the roster, shrinkage added.
    pub scheduled: u64,
    /// Share of contacts that wait at all.
    pub probability_of_wait: Option<f64>,
    /// Share that leaves before the answer.
    pub abandon_rate: Option<f64>,
    /// Mean wait of all contacts, answered or gone.
    pub mean_wait_s: Option<f64>,
    /// Share of the agents' time spent on contacts.
    pub occupancy: Option<f64>,
    /// The four variants.
    pub service_level: ServiceLevel,
    /// Percentiles of the wait of all contacts.
    pub wait_percentiles_s: WaitPercentiles,
}

/// Staff and measures by Erlang X: Erlang A's for each attempt, and what the attempts add up to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetryingStaff {
    /// Attempts for each contact made for the first time.
    pub attempts_each: Option<f64>,
    /// Share of callers who are never answered.
    pub lost_share: Option<f64>,
    /// Measures of an attempt.
    #[serde(flatten)]
    pub attempt: ImpatientStaff,
}

/// Staff for contacts with a deadline, taken as a steady flow: what lies there is done within the
/// deadline, and no less is done than comes in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BacklogStaff {
    /// Agents at work.
    pub agents: u32,
    /// Agents on the roster, shrinkage added.
    pub scheduled: u64,
    /// The deadline.
    pub deadline_s: f64,
    /// Contacts that lie there at the beginning.
    pub backlog: f64,
    /// How long the newest of those wait until they are done.
    pub longest_wait_s: f64,
    /// Whether that keeps the deadline, and the backlog does not grow.
    pub met: bool,
}

/// Waits that so many per cent of the contacts do not exceed, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaitPercentiles {
    /// The median.
    pub p50: Option<f64>,
    /// 80 %.
    pub p80: Option<f64>,
    /// 90 %.
    pub p90: Option<f64>,
    /// 95 %.
    pub p95: Option<f64>,
}

/// The formula of every figure, printed beside them.
pub const DEFINITIONS: &[Definition] = &[
    define("load_erlang", "a = calls x AHT / interval"),
    define(
        "agents",
        "n: those given, else the fewest that meet the target (erlang_a: by A_T/O)",
    ),
    define(
        "scheduled",
        "ceil(n / (1 - shrinkage)); several shrinkages compound",
    ),
    define(
        "erlang_c.probability_of_wait",
        "C = nB / (n - a(1-B)), B_k = a B_{k-1} / (k + a B_{k-1})",
    ),
    define(
        "erlang_c.service_level",
        "1 - C e^{-(n-a)T/AHT}; nobody leaves: the same in all four variants",
    ),
    define("erlang_c.asa_s", "C AHT / (n - a)"),
    define("erlang_c.occupancy", "a / n"),
    define(
        "erlang_a",
        "birth-death chain with death rate min(k,n)/AHT + (k-n)+/patience",
    ),
    define("erlang_a.abandon_rate", "B / O"),
    define(
        "erlang_a.mean_wait_s",
        "mean wait of all contacts, answered or gone",
    ),
    define("erlang_a.occupancy", "a (1 - abandon_rate) / n"),
    define(
        "erlang_a.service_level",
        "negative A_T/O, positive (A_T+B_T)/O, ignored A_T/(O-B_T), handled A_T/A",
    ),
    define(
        "erlang_x",
        "erlang_a at a load of a x attempts_each, where attempts_each (1 - retrial x abandon_rate) = 1",
    ),
    define("deadline.agents", "ceil(max(a, backlog x AHT / deadline))"),
    define(
        "wait_percentiles_s",
        "smallest t with P(W > t) <= 1 - p, over all contacts",
    ),
];

const fn define(field: &'static str, formula: &'static str) -> Definition {
    Definition { field, formula }
}

impl Question {
    /// Answers it, by every model it gives the figures for.
    pub fn answer(&self) -> Result<Answer, StaffingFault> {
        self.check()?;
        let load = Load::of(self.calls, self.aht_s, self.interval_s);
        let mut desk = Desk {
            question: self,
            blocking: Blocking::new(load),
        };
        let erlang_c = desk.patient();
        let erlang_a = self.patience_s.map(|patience_s| desk.impatient(patience_s));
        let erlang_x = self
            .patience_s
            .zip(self.retrial)
            .map(|(patience_s, retrial)| desk.retrying(patience_s, retrial));
        let deadline = self.deadline.map(|deadline| desk.backlog(deadline));
        Ok(Answer {
            load_erlang: load.erlang(),
            erlang_c,
            erlang_a,
            erlang_x,
            deadline,
        })
    }
}

/// Agents to put on the roster so that `agents` are at work: ceil(n / (1 - shrinkage)), compounded.
pub fn scheduled(agents: u32, shrinkage: &[f64]) -> u64 {
    let present: f64 = shrinkage.iter().map(|share| 1.0 - share).product();
    let wanted = f64::from(agents) / present;
    let nearest = wanted.round();
    if (wanted - nearest).abs() <= WHOLE_WITHIN * nearest {
        nearest as u64
    } else {
        wanted.ceil() as u64
    }
}

/// A question at work, with the blocking of its load as far as it was needed.
struct Desk<'a> {
    question: &'a Question,
    blocking: Blocking,
}

impl Desk<'_> {
    fn patient(&mut self) -> PatientStaff {
        let (aht_s, target) = (self.question.aht_s, self.question.target);
        let agents = self.fewest(|blocking, servers| {
            ErlangC::at(blocking, aht_s, servers)
                .is_some_and(|queue| queue.service_level(target.threshold_s) >= target.share)
        });
        let servers = self.servers(agents);
        let queue = ErlangC::at(&mut self.blocking, aht_s, servers);
        // Shares of nobody are no figures, although the formulas have a value for them.
        let (stable, queue) = (
            queue.is_some() || self.is_idle(),
            queue.filter(|_| !self.is_idle()),
        );
        PatientStaff {
            agents,
            scheduled: scheduled(agents, &self.question.shrinkage),
            stable,
            explanation: (!stable).then(|| self.explain(agents)),
            probability_of_wait: queue.map(|queue| queue.probability_of_wait),
            service_level: queue.map(|queue| queue.service_level(target.threshold_s)),
            asa_s: queue.map(|queue| queue.asa_s()),
            occupancy: queue
                .map(|queue| queue.occupancy)
                .or(self.idle_occupancy(agents)),
            wait_percentiles_s: WaitPercentiles::by(|share| {
                queue.map(|queue| queue.wait_percentile_s(share))
            }),
        }
    }

    fn impatient(&mut self, patience_s: f64) -> ImpatientStaff {
        let (aht_s, target) = (self.question.aht_s, self.question.target);
        let agents = self.fewest(|blocking, servers| {
            let queue = ErlangA::at(blocking, aht_s, patience_s, servers);
            queue.answered_within(target.threshold_s) >= target.share
        });
        let servers = self.servers(agents);
        let queue =
            (!self.is_idle()).then(|| ErlangA::at(&mut self.blocking, aht_s, patience_s, servers));
        self.impatient_staff(agents, queue)
    }

    fn retrying(&mut self, patience_s: f64, retrial: f64) -> RetryingStaff {
        let (aht_s, target) = (self.question.aht_s, self.question.target);
        let agents = self.fewest(|blocking, servers| {
            let queue = ErlangX::at(blocking, aht_s, patience_s, retrial, servers);
            queue.attempt.answered_within(target.threshold_s) >= target.share
        });
        let servers = self.servers(agents);
        let queue = (!self.is_idle())
            .then(|| ErlangX::at(&mut self.blocking, aht_s, patience_s, retrial, servers));
        RetryingStaff {
            attempts_each: queue.map(|queue| queue.attempts_each),
            lost_share: queue.map(|queue| queue.lost_share),
            attempt: self.impatient_staff(agents, queue.map(|queue| queue.attempt)),
        }
    }

    fn backlog(&self, deadline: Deadline) -> BacklogStaff {
        let load = self.blocking.load();
        let work_s = deadline.backlog * self.question.aht_s;
        let wanted = load.erlang().max(work_s / deadline.deadline_s);
        let agents = self.question.agents.unwrap_or_else(|| {
            let slots = wanted / f64::from(self.question.concurrency);
            slots.ceil() as u32
        });
        let servers = f64::from(agents) * f64::from(self.question.concurrency);
        let longest_wait_s = if work_s > 0.0 { work_s / servers } else { 0.0 };
        BacklogStaff {
            agents,
            scheduled: scheduled(agents, &self.question.shrinkage),
            deadline_s: deadline.deadline_s,
            backlog: deadline.backlog,
            longest_wait_s,
            met: servers >= wanted,
        }
    }

    fn impatient_staff(&self, agents: u32, queue: Option<ErlangA>) -> ImpatientStaff {
        let threshold_s = self.question.target.threshold_s;
        ImpatientStaff {
            agents,
            scheduled: scheduled(agents, &self.question.shrinkage),
            probability_of_wait: queue.map(|queue| queue.probability_of_wait()),
            abandon_rate: queue.map(|queue| queue.abandon_rate()),
            mean_wait_s: queue.map(|queue| queue.mean_wait_s()),
            occupancy: queue
                .map(|queue| queue.occupancy())
                .or(self.idle_occupancy(agents)),
            service_level: queue.map_or(NO_LEVEL, |queue| queue.service_level(threshold_s)),
            wait_percentiles_s: WaitPercentiles::by(|share| {
                queue.map(|queue| queue.wait_percentile_s(share))
            }),
        }
    }

    /// The agents asked for, or the fewest that will do, which more always do as well.
    fn fewest(&mut self, mut will_do: impl FnMut(&mut Blocking, u32) -> bool) -> u32 {
        if let Some(agents) = self.question.agents {
            return agents;
        }
        if self.is_idle() {
            return 0;
        }
        let concurrency = self.question.concurrency;
        let most = (SERVERS_MAX / concurrency).max(1);
        let mut will_do = |agents: u32| will_do(&mut self.blocking, agents * concurrency);
        let (mut too_few, mut enough) = (0, 1);
        while enough < most && !will_do(enough) {
            (too_few, enough) = (enough, (2 * enough).min(most));
        }
        while enough - too_few > 1 {
            let middle = too_few + (enough - too_few) / 2;
            if will_do(middle) {
                enough = middle;
            } else {
                too_few = middle;
            }
        }
        enough
    }

    fn servers(&self, agents: u32) -> u32 {
        agents * self.question.concurrency
    }

    fn is_idle(&self) -> bool {
        self.blocking.load().erlang() == 0.0
    }

    /// Agents whom nobody calls are idle; without agents there is nothing to divide by.
    fn idle_occupancy(&self, agents: u32) -> Option<f64> {
        (self.is_idle() && agents > 0).then_some(0.0)
    }

    fn explain(&self, agents: u32) -> String {
        format!(
            "The contacts bring {} erlang of work and {agents} agents handle at most {}: more comes in than \
             is done, and the queue grows as long as this lasts, unless callers give up. It takes at least {} \
             agents for a wait that ends.",
            self.blocking.load().erlang(),
            self.servers(agents),
            (self.blocking.load().erlang() / f64::from(self.question.concurrency)).floor() + 1.0,
        )
    }
}

impl WaitPercentiles {
    fn by(wait_s: impl Fn(f64) -> Option<f64>) -> Self {
        Self {
            p50: wait_s(0.5),
            p80: wait_s(0.8),
            p90: wait_s(0.9),
            p95: wait_s(0.95),
        }
    }
}

const NO_LEVEL: ServiceLevel = ServiceLevel {
    negative: None,
    positive: None,
    ignored: None,
    handled: None,
};
