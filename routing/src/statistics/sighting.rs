//! Who came with a contact, and why a stay of it ended as it did: what is counted beside its numbers.

use super::callers::Callers;
use super::counts::{Cause, Cell, Counts};
use super::distinct::CallerKey;
use super::journey::{Journey, Stay};
use super::reasons::Reasons;

/// What is known of one stay, to be added to every cell that it counts in.
#[derive(Debug)]
pub(super) struct Sighting {
    who: Option<CallerKey>,
    counts: Counts,
    cause: Option<Cause>,
}

impl Sighting {
    /// Finds it out.
    pub(super) fn of(journey: &Journey, callers: &Callers, causes: &Reasons, stay: &Stay) -> Self {
        let mut counts = stay.counts;
        let has_come = counts != Counts::default();
        let who = journey.who().filter(|_| has_come);
        if let (Some(who), Some(arrived)) = (who, journey.arrived) {
            counts.identified = 1;
            counts.repeated = u64::from(callers.has_come_before(who, arrived));
        }
        let why = || match journey.ending().cause {
            Some(cause) => causes.name(cause).to_owned(),
            None => String::new(),
        };
        let cause = if counts.blocked > 0 {
            Some(Cause::Blocked(why()))
        } else if counts.failed > 0 {
            Some(Cause::Failed(why()))
        } else {
            let to = stay.to.map(|to| causes.name(to).to_owned());
            to.map(Cause::FlowedTo)
        };
        Self { who, counts, cause }
    }

    /// Adds it to a cell.
    pub(super) fn add_to(&self, cell: &mut Cell) {
        cell.add_stay(self.counts);
        if let Some(who) = self.who {
            cell.callers.add(who);
        }
        self.tell_hand_over(cell);
    }

    /// Adds to the cell of the agent who handed it over where it went; the stay counts for whoever answers it.
    pub(super) fn tell_hand_over(&self, cell: &mut Cell) {
        if let Some(cause) = &self.cause {
            *cell.causes.entry(cause.clone()).or_default() += 1;
        }
    }
}
