//! What is added up of tickets, of symptoms, and of what callers thought of it.
//!
//! Tickets live for weeks, so nothing is kept of them here: each event tells what the ticket counted for
//! before and what it counts for now, and the difference is added to the interval in which it was opened.
//! That is why the sums have a sign: a part of a log may take away more than it gave.

use serde::{Deserialize, Serialize};
use std::ops::{AddAssign, SubAssign};

/// Tickets by the interval in which they were opened; adding two gives those of both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TicketCounts {
    /// Opened.
    pub opened: i64,
    /// Of these, incidents; the others are service requests.
    pub incidents: i64,
    /// Opened for a contact, and not that of a major incident: the base of the resolution rates.
    pub eligible: i64,
    /// Of the eligible, solved by the first line at the first contact, and nobody came again.
    pub first_contact_solved: i64,
    /// Of the eligible, solved by the first line.
    pub first_line_solved: i64,
    /// Sum over these of the time from opening to solving, in milliseconds.
    pub first_line_ms: i64,
    /// Brought to another line than the first.
    pub escalated: i64,
    /// Sum over these of the time from opening to that, in milliseconds.
    pub escalate_ms: i64,
    /// Solved, by whatever line.
    pub solved: i64,
    /// Of these, solved within the target of their priority.
    pub solved_within: i64,
    /// Reviewed and closed after they were solved.
    pub reviewed: i64,
    /// Sum over these of the time from solving to closing, in milliseconds.
    pub review_ms: i64,
}

impl TicketCounts {
    fn each(&mut self, rhs: Self, join: impl Fn(&mut i64, i64)) {
        join(&mut self.opened, rhs.opened);
        join(&mut self.incidents, rhs.incidents);
        join(&mut self.eligible, rhs.eligible);
        join(&mut self.first_contact_solved, rhs.first_contact_solved);
        join(&mut self.first_line_solved, rhs.first_line_solved);
        join(&mut self.first_line_ms, rhs.first_line_ms);
        join(&mut self.escalated, rhs.escalated);
        join(&mut self.escalate_ms, rhs.escalate_ms);
        join(&mut self.solved, rhs.solved);
        join(&mut self.solved_within, rhs.solved_within);
        join(&mut self.reviewed, rhs.reviewed);
        join(&mut self.review_ms, rhs.review_ms);
    }
}

impl AddAssign for TicketCounts {
    fn add_assign(&mut self, rhs: Self) {
        self.each(rhs, |a, b| *a = a.wrapping_add(b));
    }
}

impl SubAssign for TicketCounts {
    fn sub_assign(&mut self, rhs: Self) {
        self.each(rhs, |a, b| *a = a.wrapping_sub(b));
    }
}

/// Contacts with one symptom, by their interval of arrival; adding two gives those of both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SymptomCounts {
    /// Contacts for which it was recorded.
    pub contacts: i64,
    /// Of these, answered.
    pub answered: i64,
    /// Of the answered, within the threshold of their queue.
    pub answered_within: i64,
    /// Contacts that waited no longer than callers of their class put up with.
    pub tolerable: i64,
    /// Sum of their waits, in milliseconds.
    pub wait_ms: i64,
}

impl AddAssign for SymptomCounts {
    fn add_assign(&mut self, rhs: Self) {
        self.contacts = self.contacts.wrapping_add(rhs.contacts);
        self.answered = self.answered.wrapping_add(rhs.answered);
        self.answered_within = self.answered_within.wrapping_add(rhs.answered_within);
        self.tolerable = self.tolerable.wrapping_add(rhs.tolerable);
        self.wait_ms = self.wait_ms.wrapping_add(rhs.wait_ms);
    }
}

/// What callers thought of it, by the interval in which what they were asked about began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RatingCounts {
    /// Answers with each mark, 1 (worst) to 5 (best).
    pub marks: [i64; 5],
}

impl RatingCounts {
    /// How many answered.
    pub fn count(&self) -> i64 {
        self.marks.iter().sum()
    }

    /// The sum of their marks.
    pub fn sum(&self) -> i64 {
        (1..)
            .zip(self.marks)
            .map(|(mark, count)| mark * count)
            .sum()
    }
}

impl AddAssign for RatingCounts {
    fn add_assign(&mut self, rhs: Self) {
        for (count, more) in self.marks.iter_mut().zip(rhs.marks) {
            *count = count.wrapping_add(more);
        }
    }
}
