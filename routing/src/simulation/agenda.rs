//! What is to happen and when, in the order in which one second goes.

use crate::ids::{ContactId, OfferToken};
use crate::time::Timestamp;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// An agent by their place in the cast, which is the order of their names.
pub(super) type AgentPlace = usize;

/// One thing that people do at an instant.
///
/// The order of the variants is the order within one second: agents freed, then their status, then
/// callers who leave, then timers; within each by the ids that stand first. Arrivals come after these,
/// then matching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    /// Agents freed.
    Freed(AgentPlace, ContactId, Freed),
    /// Agents' status.
    Status(AgentPlace, StatusAct),
    /// A caller who was not answered leaves.
    Leaves(ContactId),
    /// What an offer comes to, unless it ended before; where several ring, answers come before rings that
    /// end.
    Offer(ContactId, OfferEnd, OfferToken),
}

/// How an agent comes free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Freed {
    /// The conversation ends.
    Talked,
    /// The work after it ends.
    WrappedUp,
}

/// What an agent does with their status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StatusAct {
    LogsOut,
    LogsIn,
    ComesBack,
}

/// What an offer comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OfferEnd {
    IsAnswered,
    RingsOut,
}

/// What is to happen, soonest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Agenda {
    entries: BinaryHeap<Reverse<(Timestamp, Act)>>,
}

impl Agenda {
    pub(super) fn plan(&mut self, at: Timestamp, act: Act) {
        self.entries.push(Reverse((at, act)));
    }

    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.entries.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes the next thing that is due at `now`.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<Act> {
        if self.next_at()? > now {
            return None;
        }
        self.entries.pop().map(|Reverse((_, act))| act)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_second_goes_from_freed_to_timers_and_by_id_whatever_was_planned_first() {
        let contact = ContactId::from_u128;
        let token = OfferToken::new;
        let in_order = [
            Act::Freed(0, contact(9), Freed::Talked),
            Act::Freed(1, contact(1), Freed::Talked),
            Act::Freed(1, contact(1), Freed::WrappedUp),
            Act::Freed(1, contact(2), Freed::Talked),
            Act::Status(0, StatusAct::LogsOut),
            Act::Status(0, StatusAct::LogsIn),
            Act::Status(1, StatusAct::LogsOut),
            Act::Leaves(contact(1)),
            Act::Leaves(contact(2)),
            Act::Offer(contact(1), OfferEnd::IsAnswered, token(8)),
            Act::Offer(contact(1), OfferEnd::RingsOut, token(7)),
            Act::Offer(contact(2), OfferEnd::IsAnswered, token(1)),
        ];
        let now = Timestamp::from_seconds(40);
        let mut agenda = Agenda::default();
        agenda.plan(
            now + std::time::Duration::from_secs(1),
            Act::Leaves(contact(0)),
        );
        for (place, act) in in_order.iter().enumerate() {
            // From both ends to the middle.
            agenda.plan(
                now,
                if place % 2 == 0 {
                    *act
                } else {
                    in_order[in_order.len() - place]
                },
            );
        }
        let due: Vec<Act> = std::iter::from_fn(|| agenda.take_due(now)).collect();
        assert_eq!(due, in_order);
        assert_eq!(agenda.next_at(), Some(Timestamp::from_seconds(41)));
    }
}
