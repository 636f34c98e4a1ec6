//! The lines where somebody waits and somebody is free, by how early their first contact comes.

use crate::agent::Precedence;
use crate::contact::PlaceInLine;
use crate::queue::Aging;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Where a pair stands among all that may meet: the queue's precedence with the agent, then the contact's
/// place as seen at an instant, which makes lines comparable that age otherwise.
pub(crate) type Standing = (Precedence, PlaceInLine);

/// What lines have in common whose order among each other never changes with time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pace {
    /// The precedence of the queue with the first of the free agents.
    pub(super) precedence: Precedence,
    /// How fast those who wait there age.
    pub(super) aging: Aging,
}

impl Pace {
    /// The earliest that any pair of a line can stand at `now` whose first contact has this place.
    pub(crate) fn earliest(self, first: PlaceInLine, now: Timestamp) -> Standing {
        (self.precedence, first.seen_at(self.aging, now))
    }
}

/// Ready lines by the places of their first contacts, apart for each pace. There are as many paces as
/// the desk knows ageing rates and precedences together: a few, so the first line of all is found by a look
/// at the first of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Ready {
    by_pace: BTreeMap<Pace, BTreeSet<(PlaceInLine, usize)>>,
    known: BTreeMap<usize, (Pace, PlaceInLine)>,
}

impl Ready {
    /// Says how a line stands: with its pace and the place of its first contact while it is ready.
    pub(super) fn note(&mut self, line: usize, standing: Option<(Pace, PlaceInLine)>) {
        if self.known.get(&line).copied() == standing {
            return;
        }
        if let Some((pace, first)) = self.known.remove(&line)
            && let Some(lines) = self.by_pace.get_mut(&pace)
        {
            lines.remove(&(first, line));
            if lines.is_empty() {
                self.by_pace.remove(&pace);
            }
        }
        if let Some((pace, first)) = standing {
            self.known.insert(line, (pace, first));
            self.by_pace.entry(pace).or_default().insert((first, line));
        }
    }

    pub(super) fn contains(&self, line: usize) -> bool {
        self.known.contains_key(&line)
    }

    /// The lines of each pace, the one whose first contact comes first at their head.
    pub(super) fn by_pace(&self) -> impl Iterator<Item = (Pace, &BTreeSet<(PlaceInLine, usize)>)> {
        self.by_pace.iter().map(|(pace, lines)| (*pace, lines))
    }
}
