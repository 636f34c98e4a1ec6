//! What is asked about staff, and what is wrong with a question.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Largest load that is computed, in erlang.
pub const LOAD_MAX: f64 = 200_000.0;

/// Most servers (agents times what each handles at once) that are computed.
pub const SERVERS_MAX: u32 = 400_000;

/// Longest time of any kind, in seconds: ten years.
const SECONDS_MAX: f64 = 315_576_000.0;

/// Smallest part of the paid time that shrinkages leave together: beyond, the roster is a number of nobody's.
const PRESENT_MIN: f64 = 0.01;

/// Largest share of callers who try again.
const RETRIAL_MAX: f64 = 0.99;

/// A question about staff. Times are in seconds, shares between 0 and 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// Contacts that arrive in the interval.
    pub calls: f64,
    /// Length of the interval.
    pub interval_s: f64,
    /// Average handle time: talk, hold and wrap-up.
    pub aht_s: f64,
    /// What is to be reached.
    pub target: Target,
    /// Mean patience; without it there is no Erlang A.
    pub patience_s: Option<f64>,
    /// Share of those who gave up that try again; without it there is no Erlang X.
    pub retrial: Option<f64>,
    /// Shares of the paid time in which an agent is not there, each taken of what the others leave.
    pub shrinkage: Vec<f64>,
    /// Tell the measures of so many agents, not of the fewest that meet the target.
    pub agents: Option<u32>,
    /// Contacts one agent handles at once; the handle time is that of such a contact.
    pub concurrency: u32,
    /// Contacts that may wait for hours, such as mails.
    pub deadline: Option<Deadline>,
}

impl Question {
    /// A question with the usual rest: no patience known, no shrinkage, one contact at a time.
    pub fn new(calls: f64, interval_s: f64, aht_s: f64, target: Target) -> Self {
        Self {
            calls,
            interval_s,
            aht_s,
            target,
            patience_s: None,
            retrial: None,
            shrinkage: Vec::new(),
            agents: None,
            concurrency: 1,
            deadline: None,
        }
    }
}

/// A service level: this share within this wait.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The share, between 0 and 1.
    pub share: f64,
    /// The wait, in seconds.
    pub threshold_s: f64,
}

impl FromStr for Target {
    type Err = StaffingFault;

    /// Reads `80/20`: 80 % within 20 seconds.
    fn from_str(text: &str) -> Result<Self, StaffingFault> {
        let fault = || StaffingFault::Target(text.to_owned());
        let (percent, seconds) = text.split_once('/').ok_or_else(fault)?;
        let percent = percent.trim().trim_end_matches('%');
        let seconds = seconds.trim().trim_end_matches('s');
        let percent: f64 = percent.trim().parse().map_err(|_| fault())?;
        let threshold_s: f64 = seconds.trim().parse().map_err(|_| fault())?;
        let target = Self {
            share: percent / 100.0,
            threshold_s,
        };
        target.check().map_err(|_| fault())?;
        Ok(target)
    }
}

impl Target {
    fn check(self) -> Result<(), StaffingFault> {
        let is_share = self.share > 0.0 && self.share < 1.0;
        if is_share && (0.0..=SECONDS_MAX).contains(&self.threshold_s) {
            return Ok(());
        }
        Err(StaffingFault::Target(format!(
            "{}/{}",
            self.share * 100.0,
            self.threshold_s
        )))
    }
}

/// A promise to contacts that may wait for hours.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deadline {
    /// Each is done within this time, in seconds.
    pub deadline_s: f64,
    /// Contacts that lie there already when the interval begins.
    pub backlog: f64,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq)]
pub enum StaffingFault {
    /// A figure that is too small, too large or no number: its name, and what it must be.
    Figure(&'static str, &'static str),
    /// Not a service level.
    Target(String),
    /// More load than is computed.
    Load(f64),
    /// A backlog that takes more than is computed to be done by its deadline.
    Backlog(f64),
    /// More servers than are computed.
    Servers,
    /// A question that needs a mean patience, which is not given.
    NoPatience,
}

impl fmt::Display for StaffingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Figure(name, wanted) => write!(f, "{name} must be {wanted}"),
            Self::Target(text) => write!(
                f,
                "`{text}` is not a target: give percent/seconds, such as 80/20; the percent lie between 0 \
                 and 100, and no number of agents promises all of 100"
            ),
            Self::Load(erlang) => write!(
                f,
                "the load of {erlang:.0} erlang is more than is computed ({LOAD_MAX:.0})"
            ),
            Self::Backlog(erlang) => write!(
                f,
                "the backlog is {erlang:.0} erlang until its deadline, more than is computed ({LOAD_MAX:.0})"
            ),
            Self::Servers => write!(f, "agents times concurrency must not exceed {SERVERS_MAX}"),
            Self::NoPatience => f.write_str(
                "callers who try again must have given up first: give their mean patience too",
            ),
        }
    }
}

impl std::error::Error for StaffingFault {}

impl Question {
    /// Whether every figure is one that can be computed with.
    pub(super) fn check(&self) -> Result<(), StaffingFault> {
        let seconds = "more than 0 seconds and at most ten years";
        let is_time = |s: f64| s > 0.0 && s <= SECONDS_MAX;
        expect(
            self.calls.is_finite() && self.calls >= 0.0,
            "calls",
            "a number of 0 or more",
        )?;
        expect(is_time(self.interval_s), "interval", seconds)?;
        expect(is_time(self.aht_s), "aht", seconds)?;
        expect(self.patience_s.is_none_or(is_time), "patience", seconds)?;
        expect(
            self.retrial
                .is_none_or(|share| (0.0..=RETRIAL_MAX).contains(&share)),
            "retrial",
            "a share from 0 to 0.99",
        )?;
        expect(
            self.shrinkage.iter().all(|s| (0.0..1.0).contains(s)),
            "shrinkage",
            "a share of at least 0 and less than 1, such as 0.3",
        )?;
        expect(
            self.shrinkage.iter().map(|s| 1.0 - s).product::<f64>() >= PRESENT_MIN,
            "shrinkage",
            "shares that together leave at least a hundredth of the paid time",
        )?;
        expect(self.agents != Some(0), "agents", "1 or more")?;
        expect(self.concurrency > 0, "concurrency", "1 or more")?;
        expect(
            self.deadline.is_none_or(|d| is_time(d.deadline_s)),
            "deadline",
            seconds,
        )?;
        expect(
            self.deadline
                .is_none_or(|d| d.backlog.is_finite() && d.backlog >= 0.0),
            "backlog",
            "a number of 0 or more",
        )?;
        self.target.check()?;
        if self.retrial.is_some() && self.patience_s.is_none() {
            return Err(StaffingFault::NoPatience);
        }
        let erlang = self.calls * self.aht_s / self.interval_s;
        if !erlang.is_finite() || erlang > LOAD_MAX {
            return Err(StaffingFault::Load(erlang));
        }
        if let Some(deadline) = self.deadline {
            let erlang = deadline.backlog * self.aht_s / deadline.deadline_s;
            if !erlang.is_finite() || erlang > LOAD_MAX {
                return Err(StaffingFault::Backlog(erlang));
            }
        }
        let servers = u64::from(self.agents.unwrap_or(1)) * u64::from(self.concurrency);
        if servers > u64::from(SERVERS_MAX) {
            return Err(StaffingFault::Servers);
        }
        Ok(())
    }
}

fn expect(holds: bool, name: &'static str, wanted: &'static str) -> Result<(), StaffingFault> {
    if holds {
        Ok(())
    } else {
        Err(StaffingFault::Figure(name, wanted))
    }
}
