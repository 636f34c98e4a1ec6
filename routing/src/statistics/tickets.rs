//! What is added up of tickets, of symptoms, and of what callers thought of it.
//!
//! Tickets live for weeks, so nothing is kept of them here: each event tells what the ticket counted for
//! before and what it counts for now, and the difference is added to the interval in which it was opened.
//! That is why the sums have a sign: a part of a log may take away more than it gave.

use crate::ticket::{SymptomFacts, TicketFacts};
use crate::time::Timestamp;
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
    /// Of these, those whose priority has a target.
    pub with_target: i64,
    /// Of these, solved within the target of their priority.
    pub solved_within: i64,
    /// Reviewed and closed after they were solved.
    pub reviewed: i64,
    /// Sum over these of the time from solving to closing, in milliseconds.
    pub review_ms: i64,
}

impl TicketCounts {
    /// What one ticket counts for.
    pub(super) fn of(ticket: &TicketFacts) -> Self {
        let since = |from: Timestamp, to: Timestamp| {
            i64::try_from(to.since(from).as_millis()).unwrap_or(i64::MAX)
        };
        let opened_at = ticket.opened_at;
        let is_first_line =
            ticket.is_eligible && ticket.solved_at.is_some() && ticket.escalated_at.is_none();
        let is_first_contact = is_first_line && ticket.is_at_first_contact && !ticket.came_again;
        let to_solve = ticket
            .solved_at
            .map(|solved_at| since(opened_at, solved_at));
        let is_within = match (to_solve, ticket.target_ms) {
            (Some(took_ms), Some(target_ms)) => {
                u64::try_from(took_ms).is_ok_and(|it| it <= target_ms)
            }
            (Some(_) | None, _) => false,
        };
        let review = ticket.solved_at.zip(ticket.closed_at);
        Self {
            opened: 1,
            incidents: i64::from(ticket.is_incident),
            eligible: i64::from(ticket.is_eligible),
            first_contact_solved: i64::from(is_first_contact),
            first_line_solved: i64::from(is_first_line),
            first_line_ms: to_solve.filter(|_| is_first_line).unwrap_or(0),
            escalated: i64::from(ticket.escalated_at.is_some()),
            escalate_ms: ticket.escalated_at.map_or(0, |at| since(opened_at, at)),
            solved: i64::from(ticket.solved_at.is_some()),
            with_target: i64::from(ticket.solved_at.is_some() && ticket.target_ms.is_some()),
            solved_within: i64::from(is_within),
            reviewed: i64::from(review.is_some()),
            review_ms: review.map_or(0, |(solved_at, closed_at)| since(solved_at, closed_at)),
        }
    }

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
        join(&mut self.with_target, rhs.with_target);
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

impl SymptomCounts {
    /// What one contact counts for.
    pub(super) fn of(facts: &SymptomFacts) -> Self {
        let is_within = facts.is_answered && facts.wait_ms <= facts.service_level_ms;
        Self {
            contacts: 1,
            answered: i64::from(facts.is_answered),
            answered_within: i64::from(is_within),
            tolerable: i64::from(facts.wait_ms <= facts.tolerable_ms),
            wait_ms: i64::try_from(facts.wait_ms).unwrap_or(i64::MAX),
        }
    }
}

impl SubAssign for SymptomCounts {
    fn sub_assign(&mut self, rhs: Self) {
        self.contacts = self.contacts.wrapping_sub(rhs.contacts);
        self.answered = self.answered.wrapping_sub(rhs.answered);
        self.answered_within = self.answered_within.wrapping_sub(rhs.answered_within);
        self.tolerable = self.tolerable.wrapping_sub(rhs.tolerable);
        self.wait_ms = self.wait_ms.wrapping_sub(rhs.wait_ms);
    }
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
    /// What one answer counts for; a mark that does not exist counts for nothing.
    pub(super) fn of(score: u8) -> Self {
        let mut counts = Self::default();
        let place = usize::from(score).checked_sub(1);
        if let Some(count) = place.and_then(|place| counts.marks.get_mut(place)) {
            *count = 1;
        }
        counts
    }

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
