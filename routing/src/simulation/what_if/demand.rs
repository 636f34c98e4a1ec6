//! Callers drawn from a demand, one by one in the order of their arrival.

use super::Demand;
use super::random::{Distribution, Random};
use crate::contact::{Channel, Needs, Priority};
use crate::ids::{ContactId, QueueId};
use crate::simulation::cast::Caller;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::iter::Peekable;
use std::time::Duration;

/// How many come when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// The table has the expected number; how many really come is Poisson, as with independent callers.
    #[default]
    Poisson,
    /// Exactly as many as in the table, each at a random instant of the interval.
    Exact,
}

/// One demand, ready to be drawn from.
#[derive(Clone, Debug)]
pub(super) struct Line<'d> {
    pub(super) demand: &'d Demand,
    pub(super) queue: QueueId,
    pub(super) skills: Needs,
}

/// All callers of one replication, the demands merged.
#[derive(Debug)]
pub(super) struct Crowd<'d> {
    lines: Vec<Peekable<Arrivals<'d>>>,
    next_id: u128,
}

impl<'d> Crowd<'d> {
    /// The callers of a replication: the same for the same seed and number, whoever answers them.
    pub(super) fn new(lines: &[Line<'d>], seed: u64, replication: u64) -> Self {
        let arrivals = |(place, line): (u64, &Line<'d>)| {
            Arrivals::new(line.clone(), seed, &[replication, place]).peekable()
        };
        Self {
            lines: (0..).zip(lines).map(arrivals).collect(),
            next_id: 0,
        }
    }
}

impl Iterator for Crowd<'_> {
    type Item = Caller;

    fn next(&mut self) -> Option<Caller> {
        let first = (self.lines.iter_mut())
            .enumerate()
            .filter_map(|(place, line)| line.peek().map(|caller| (caller.at, place)))
            .min()?;
        let mut caller = self.lines.get_mut(first.1)?.next()?;
        caller.id = ContactId::from_u128(self.next_id);
        self.next_id += 1;
        Some(caller)
    }
}

/// The callers of one demand.
#[derive(Debug)]
struct Arrivals<'d> {
    line: Line<'d>,
    instants: Instants<'d>,
    people: Random,
}

impl<'d> Arrivals<'d> {
    fn new(line: Line<'d>, seed: u64, place: &[u64]) -> Self {
        let [when, who] = [0, 1].map(|purpose| {
            let place = [place, &[purpose]].concat();
            Random::stream(seed, &place)
        });
        Self {
            instants: Instants {
                demand: line.demand,
                random: when,
                interval: 0,
                within: 0.0,
                drawn: VecDeque::new(),
            },
            people: who,
            line,
        }
    }
}

impl Iterator for Arrivals<'_> {
    type Item = Caller;

    fn next(&mut self) -> Option<Caller> {
        let at = self.instants.next()?;
        let demand = self.line.demand;
        let mut time = |of: &Distribution| of.draw(&mut self.people);
        let talk = time(&demand.talk);
        let wrap_up = demand.wrap_up.as_ref().and_then(&mut time);
        let patience = demand.patience.as_ref().and_then(&mut time);
        Some(Caller {
            id: ContactId::from_u128(0),
            at,
            queue: self.line.queue.clone(),
            channel: demand.channel.unwrap_or(Channel::Voice),
            priority: Priority(demand.priority),
            skills: self.line.skills.clone(),
            reserved: None,
            talk: talk.unwrap_or(Duration::ZERO),
            wrap_up: wrap_up.unwrap_or(Duration::ZERO),
            patience,
        })
    }
}

/// The instants of arrival of one demand.
#[derive(Debug)]
struct Instants<'d> {
    demand: &'d Demand,
    random: Random,
    interval: usize,
    /// How far into the interval, as a share of it.
    within: f64,
    /// Instants of an interval that are drawn already (exact timing).
    drawn: VecDeque<Timestamp>,
}

impl Iterator for Instants<'_> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        match self.demand.timing {
            Timing::Poisson => self.next_of_poisson(),
            Timing::Exact => self.next_of_exact(),
        }
    }
}

impl Instants<'_> {
    /// A Poisson process whose rate steps with the table: an exponential amount of expected arrivals
    /// passes between two of them.
    fn next_of_poisson(&mut self) -> Option<Timestamp> {
        let mut amount = self.random.exponential();
        loop {
            let expected = *self.demand.arrivals.get(self.interval)?;
            let left = expected * (1.0 - self.within);
            if amount < left {
                self.within += amount / expected;
                return Some(self.instant(self.within));
            }
            amount -= left;
            self.interval += 1;
            self.within = 0.0;
        }
    }

    fn next_of_exact(&mut self) -> Option<Timestamp> {
        while self.drawn.is_empty() {
            let count = *self.demand.arrivals.get(self.interval)?;
            let mut drawn: Vec<Timestamp> = (0..count.round() as u64)
                .map(|_| {
                    let within = self.random.share();
                    self.instant(within)
                })
                .collect();
            drawn.sort_unstable();
            self.drawn = drawn.into();
            self.interval += 1;
        }
        self.drawn.pop_front()
    }

    fn instant(&self, within: f64) -> Timestamp {
        let interval_ms = self.demand.interval_s * 1_000;
        let start = i64::try_from(self.interval)
            .unwrap_or(i64::MAX)
            .saturating_mul(interval_ms);
        let offset = (within * interval_ms as f64) as i64;
        let from = self.demand.from_s.saturating_mul(1_000);
        Timestamp::from_millis(from.saturating_add(start).saturating_add(offset))
    }
}
