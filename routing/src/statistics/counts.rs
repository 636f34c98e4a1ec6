//! What is added up: contacts by interval of arrival, and agents' time by the clock.

use super::answers::AnswerCounts;
use super::distinct::Distinct;
use super::sketch::Sketch;
use super::tickets::{RatingCounts, SymptomCounts, TicketCounts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// Contacts of one queue, channel and interval, and their times; adding two gives those of both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// O: entered the queue.
    pub offered: u64,
    /// A: an agent answered.
    pub answered: u64,
    /// B: the caller left before that.
    pub abandoned: u64,
    /// F: overflowed or transferred before the answer.
    pub flowed_out: u64,
    /// CB: turned into a call-back.
    pub callbacks: u64,
    /// Entered and stands there still.
    pub waiting: u64,
    /// Entered, and the log does not tell what became of it; 0 in a whole log.
    pub unaccounted: u64,
    /// S: abandoned with a wait strictly less than the queue's limit for short ones.
    pub short_abandoned: u64,
    /// A_T: answered with a wait up to the queue's threshold.
    pub answered_within: u64,
    /// B_T: abandoned with a wait up to the queue's threshold.
    pub abandoned_within: u64,
    /// Refused before the queue: all trunks or limits full, closed. Outside O.
    pub blocked: u64,
    /// Lost by signalling or media before any outcome. Outside O.
    pub failed: u64,
    /// Left before the queue (during the greeting or menu). Outside O.
    pub left_before_queue: u64,
    /// Heard of a major incident and left before the queue, noted for it. Outside O.
    #[serde(default)]
    pub informed: u64,
    /// Of A, those whose conversation goes on.
    pub in_progress: u64,
    /// Of all who came, inside and outside O, those of whom a caller, number or address is known.
    #[serde(default)]
    pub identified: u64,
    /// Of these, those whose caller had come with another contact in the seven days before.
    #[serde(default)]
    pub repeated: u64,
    /// Sum over A of the wait, in milliseconds.
    pub answer_wait_ms: u64,
    /// Sum over B of the wait, in milliseconds.
    pub abandon_wait_ms: u64,
    /// Longest wait of those answered, abandoned and still waiting, in milliseconds.
    pub longest_wait_ms: u64,
    /// Time spoken, without hold, in milliseconds.
    pub talk_ms: u64,
    /// Time on hold, in milliseconds.
    pub hold_ms: u64,
    /// Work after the contact, in milliseconds.
    pub wrap_up_ms: u64,
}

impl Counts {
    /// O = A + B + F + CB + still waiting: nobody who entered the line is lost from the count.
    pub fn every_contact_is_accounted_for(&self) -> bool {
        self.unaccounted == 0
            && self.offered
                == self.answered + self.abandoned + self.flowed_out + self.callbacks + self.waiting
    }

    /// Time spent on contacts: talk, hold and wrap-up, in milliseconds.
    pub fn handle_ms(&self) -> u64 {
        self.talk_ms + self.hold_ms + self.wrap_up_ms
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, rhs: Self) {
        self.offered += rhs.offered;
        self.answered += rhs.answered;
        self.abandoned += rhs.abandoned;
        self.flowed_out += rhs.flowed_out;
        self.callbacks += rhs.callbacks;
        self.waiting += rhs.waiting;
        self.unaccounted += rhs.unaccounted;
        self.short_abandoned += rhs.short_abandoned;
        self.answered_within += rhs.answered_within;
        self.abandoned_within += rhs.abandoned_within;
        self.blocked += rhs.blocked;
        self.failed += rhs.failed;
        self.left_before_queue += rhs.left_before_queue;
        self.informed += rhs.informed;
        self.in_progress += rhs.in_progress;
        self.identified += rhs.identified;
        self.repeated += rhs.repeated;
        self.answer_wait_ms = self.answer_wait_ms.saturating_add(rhs.answer_wait_ms);
        self.abandon_wait_ms = self.abandon_wait_ms.saturating_add(rhs.abandon_wait_ms);
        self.longest_wait_ms = self.longest_wait_ms.max(rhs.longest_wait_ms);
        self.talk_ms = self.talk_ms.saturating_add(rhs.talk_ms);
        self.hold_ms = self.hold_ms.saturating_add(rhs.hold_ms);
        self.wrap_up_ms = self.wrap_up_ms.saturating_add(rhs.wrap_up_ms);
    }
}

/// Most symptoms kept apart.
const SYMPTOMS_MAX: usize = 64;

/// What stands for those that are not kept apart.
const OTHERS: &str = "(others)";

/// Why a contact was refused or failed, or where it went on to; what is shown of it is the word or text
/// that its event has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Refused before the line, by its reason.
    Blocked(String),
    /// Failed, by its cause.
    Failed(String),
    /// Left the line for that one, or for that other place.
    FlowedTo(String),
}

/// What is kept of a queue, channel and interval: the counts, how the times are spread, who came, and
/// what became of the tickets. Everything in it adds up: parts in any order and grouping give the same
/// cell, to the last bit, and what it takes does not grow with the number of contacts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The counts and sums.
    pub counts: Counts,
    /// Waits of those answered.
    pub answer_waits: Sketch,
    /// Waits of those who left.
    pub abandon_waits: Sketch,
    /// Time spent on each contact that ended: talk, hold and wrap-up.
    pub handle_times: Sketch,
    /// Who came, inside and outside O.
    #[serde(default)]
    pub callers: Distinct,
    /// Why contacts were refused or failed, and where they went.
    #[serde(default, with = "super::entries")]
    pub causes: BTreeMap<Cause, u64>,
    /// The tickets that were opened.
    #[serde(default)]
    pub tickets: TicketCounts,
    /// The contacts with a symptom recorded, by symptom.
    #[serde(default)]
    pub symptoms: BTreeMap<String, SymptomCounts>,
    /// What callers thought of it.
    #[serde(default)]
    pub ratings: RatingCounts,
    /// The waits for an answer by mail.
    #[serde(default)]
    pub answers: AnswerCounts,
    /// Those of them that got one, opening hours only.
    #[serde(default)]
    pub answer_times: Sketch,
}

impl Cell {
    /// The counts of a symptom; beyond what a desk tells apart they are counted together.
    pub(super) fn symptom(&mut self, symptom: &str) -> &mut SymptomCounts {
        let is_full = self.symptoms.len() >= SYMPTOMS_MAX && !self.symptoms.contains_key(symptom);
        let name = if is_full { OTHERS } else { symptom };
        self.symptoms.entry(name.to_owned()).or_default()
    }

    /// Adds the counts of one stay of one contact, whose sums are that contact's own times.
    pub(super) fn add_stay(&mut self, stay: Counts) {
        if stay.answered > 0 {
            self.answer_waits.add(stay.answer_wait_ms);
        }
        if stay.answered > stay.in_progress {
            self.handle_times.add(stay.handle_ms());
        }
        if stay.abandoned > 0 {
            self.abandon_waits.add(stay.abandon_wait_ms);
        }
        self.counts += stay;
    }
}

impl AddAssign<&Self> for Cell {
    fn add_assign(&mut self, rhs: &Self) {
        self.counts += rhs.counts;
        self.answer_waits += &rhs.answer_waits;
        self.abandon_waits += &rhs.abandon_waits;
        self.handle_times += &rhs.handle_times;
        self.callers += &rhs.callers;
        for (cause, count) in &rhs.causes {
            *self.causes.entry(cause.clone()).or_default() += count;
        }
        self.tickets += rhs.tickets;
        for (symptom, counts) in &rhs.symptoms {
            *self.symptoms.entry(symptom.clone()).or_default() += *counts;
        }
        self.ratings += rhs.ratings;
        self.answers += rhs.answers;
        self.answer_times += &rhs.answer_times;
    }
}

/// What an agent does at an instant, as far as it is counted; the first that fits wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// Speaks with a caller.
    Talk,
    /// Has a caller on hold.
    Hold,
    /// Works after a contact.
    WrapUp,
    /// The phone rings.
    Ringing,
    /// Available, and the phone is out of reach.
    Unreachable,
    /// Available, and free.
    Idle,
    /// Logged in, takes no contacts.
    NotReady,
}

/// One agent's (or several agents') time within an interval, split by the clock, and what was asked
/// of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentTime {
    /// Available and free, in milliseconds.
    pub idle_ms: u64,
    /// The phone rings, in milliseconds.
    pub ringing_ms: u64,
    /// Speaks, in milliseconds.
    pub talk_ms: u64,
    /// Has a caller on hold, in milliseconds.
    pub hold_ms: u64,
    /// Works after a contact, in milliseconds.
    pub wrap_up_ms: u64,
    /// Logged in and takes no contacts, in milliseconds.
    pub not_ready_ms: u64,
    /// Available with the phone out of reach, in milliseconds.
    pub unreachable_ms: u64,
    /// Offers made to them.
    pub offers: u64,
    /// Offers they answered.
    pub answers: u64,
    /// Offers they declined (or whose phone was busy or out of reach).
    pub declines: u64,
    /// Offers that rang for their whole time.
    pub ring_timeouts: u64,
}

impl AgentTime {
    /// Talk, hold and wrap-up, in milliseconds.
    pub fn handle_ms(&self) -> u64 {
        self.talk_ms + self.hold_ms + self.wrap_up_ms
    }

    /// All time logged in, in milliseconds.
    pub fn logged_in_ms(&self) -> u64 {
        self.handle_ms() + self.idle_ms + self.ringing_ms + self.not_ready_ms + self.unreachable_ms
    }

    pub(super) fn add(&mut self, activity: Activity, millis: u64) {
        let sum = match activity {
            Activity::Talk => &mut self.talk_ms,
            Activity::Hold => &mut self.hold_ms,
            Activity::WrapUp => &mut self.wrap_up_ms,
            Activity::Ringing => &mut self.ringing_ms,
            Activity::Unreachable => &mut self.unreachable_ms,
            Activity::Idle => &mut self.idle_ms,
            Activity::NotReady => &mut self.not_ready_ms,
        };
        *sum = sum.saturating_add(millis);
    }
}

impl AddAssign for AgentTime {
    fn add_assign(&mut self, rhs: Self) {
        self.idle_ms += rhs.idle_ms;
        self.ringing_ms += rhs.ringing_ms;
        self.talk_ms += rhs.talk_ms;
        self.hold_ms += rhs.hold_ms;
        self.wrap_up_ms += rhs.wrap_up_ms;
        self.not_ready_ms += rhs.not_ready_ms;
        self.unreachable_ms += rhs.unreachable_ms;
        self.offers += rhs.offers;
        self.answers += rhs.answers;
        self.declines += rhs.declines;
        self.ring_timeouts += rhs.ring_timeouts;
    }
}
