//! What is added up of answers by mail.
//!
//! A wait is told when it begins and when it ends, each time with all that is counted of it, so nothing is
//! remembered between the two, and the order of the events does not matter. One that another line has from then on
//! is told as well, with the line that had it. The backlog of a line is what began there or was brought to it, less
//! what was taken away or ended.

use crate::ticket::{AnswerEnd, AnswerWait};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// Waits for an answer by mail, by the interval in which the first unanswered mail arrived; adding two gives
/// those of both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnswerCounts {
    /// Began, by the line that the mail came by.
    pub awaited: u64,
    /// Over, by the line that had it then: answered by whatever line, or dropped.
    pub ended: u64,
    /// Of these, over without an answer.
    pub dropped: u64,
    /// Sum over those of the backlog of the instant they began, in milliseconds of UTC.
    pub waiting_since_ms: i64,
    /// First answers to a ticket, by the line of the agent who gave them.
    pub first: GivenCounts,
    /// Later answers, in the same way.
    pub next: GivenCounts,
    /// Brought to this line while they went on.
    pub moved_in: u64,
    /// Taken from this line to another.
    pub moved_out: u64,
}

/// Answers that were given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GivenCounts {
    /// How many.
    pub given: u64,
    /// Sum of the waits, opening hours only, in milliseconds.
    pub working_ms: u64,
    /// Sum of the waits by the clock, in milliseconds.
    pub elapsed_ms: u64,
    /// Those for which a time was due.
    pub due: u64,
    /// Of these, given by that time.
    pub in_time: u64,
}

impl AnswerCounts {
    /// What a wait counts for where it began.
    pub(super) fn begun(wait: &AnswerWait) -> Self {
        Self {
            awaited: 1,
            waiting_since_ms: wait.since.as_millis(),
            ..Self::default()
        }
    }

    /// What it counts for where it is brought to.
    pub(super) fn moved_in(wait: &AnswerWait) -> Self {
        Self {
            moved_in: 1,
            waiting_since_ms: wait.since.as_millis(),
            ..Self::default()
        }
    }

    /// What it counts for where it is taken from.
    pub(super) fn moved_out(wait: &AnswerWait) -> Self {
        Self {
            moved_out: 1,
            waiting_since_ms: wait.since.as_millis().wrapping_neg(),
            ..Self::default()
        }
    }

    /// What its end counts for where it was then.
    pub(super) fn over(wait: &AnswerWait, end: AnswerEnd) -> Self {
        Self {
            ended: 1,
            dropped: match end {
                AnswerEnd::Given { .. } => 0,
                AnswerEnd::Dropped => 1,
            },
            waiting_since_ms: wait.since.as_millis().wrapping_neg(),
            ..Self::default()
        }
    }

    /// What an answer counts for where it was given.
    pub(super) fn given(wait: &AnswerWait, at: Timestamp, working_ms: u64) -> Self {
        let elapsed = at.since(wait.since).as_millis();
        let given = GivenCounts {
            given: 1,
            working_ms,
            elapsed_ms: u64::try_from(elapsed).unwrap_or(u64::MAX),
            due: u64::from(wait.due_at.is_some()),
            in_time: u64::from(wait.due_at.is_some_and(|due_at| at <= due_at)),
        };
        let none = GivenCounts::default();
        let (first, next) = if wait.is_first {
            (given, none)
        } else {
            (none, given)
        };
        Self {
            first,
            next,
            ..Self::default()
        }
    }

    /// Waits that are not over and that no other line has.
    pub fn backlog(&self) -> u64 {
        let came = self.awaited + self.moved_in;
        came.saturating_sub(self.ended + self.moved_out)
    }

    /// The sum of their ages at an instant, in milliseconds.
    pub(super) fn backlog_age_ms(&self, as_of: Timestamp) -> u64 {
        let backlog = i64::try_from(self.backlog()).unwrap_or(i64::MAX);
        let now = as_of.as_millis().wrapping_mul(backlog);
        // Each is less than the instants it comes of; only their sums may have wrapped, and the difference
        // unwraps them.
        u64::try_from(now.wrapping_sub(self.waiting_since_ms)).unwrap_or(0)
    }

    /// All answers.
    pub fn all(&self) -> GivenCounts {
        let mut all = self.first;
        all += self.next;
        all
    }
}

impl AddAssign for AnswerCounts {
    fn add_assign(&mut self, rhs: Self) {
        self.awaited += rhs.awaited;
        self.ended += rhs.ended;
        self.dropped += rhs.dropped;
        self.waiting_since_ms = self.waiting_since_ms.wrapping_add(rhs.waiting_since_ms);
        self.first += rhs.first;
        self.next += rhs.next;
        self.moved_in += rhs.moved_in;
        self.moved_out += rhs.moved_out;
    }
}

impl AddAssign for GivenCounts {
    fn add_assign(&mut self, rhs: Self) {
        self.given += rhs.given;
        self.working_ms = self.working_ms.saturating_add(rhs.working_ms);
        self.elapsed_ms = self.elapsed_ms.saturating_add(rhs.elapsed_ms);
        self.due += rhs.due;
        self.in_time += rhs.in_time;
    }
}
