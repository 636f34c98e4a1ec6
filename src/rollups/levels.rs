//! The widths of the cells that are kept, and which of them add up to the spans of a report.

use ringdown_routing::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Cells of one width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// How wide, aligned to UTC.
    pub(super) width: Duration,
    /// The width of the span whose cells are one row.
    pub(super) row: Duration,
}

/// How many widths are kept.
const COUNT: usize = 4;

/// The narrowest first; each width is that of a row before, so that of a row either all is read or, where a span
/// begins or ends within it, some.
pub(super) const LEVELS: [Level; COUNT] = [
    Level::of(super::CELL, HOUR),
    Level::of(HOUR, FOUR_HOURS),
    Level::of(FOUR_HOURS, super::DAY),
    Level::of(super::DAY, super::DAY),
];

const HOUR: Duration = Duration::from_secs(3_600);
const FOUR_HOURS: Duration = Duration::from_secs(4 * 3_600);

impl Level {
    const fn of(width: Duration, row: Duration) -> Self {
        Self { width, row }
    }
}

/// The cells of one level that are wanted, by the rows they are in.
pub(super) type Wanted = BTreeMap<Timestamp, BTreeSet<Timestamp>>;

/// For each level the cells that add up to these spans, as few as can be: a wider one wherever it fits.
pub(super) fn cells_of(spans: &[(Timestamp, Timestamp)]) -> [Wanted; COUNT] {
    let mut wanted: [Wanted; COUNT] = Default::default();
    for (from, to) in spans {
        let mut at = *from;
        while at < *to {
            let fitting = LEVELS.iter().zip(&mut wanted).rev();
            let mut fitting = fitting.filter(|(level, _)| {
                let is_aligned = floor_to(at, level.width) == at;
                is_aligned && at + level.width <= *to
            });
            let Some((level, wanted)) = fitting.next() else {
                break;
            };
            let row = wanted.entry(floor_to(at, level.row)).or_default();
            row.insert(at);
            at = at + level.width;
        }
    }
    wanted
}

/// The last instant up to `at` that is a multiple of a width since the epoch.
pub(super) fn floor_to(at: Timestamp, width: Duration) -> Timestamp {
    let width = millis(width).max(1);
    Timestamp::from_millis(at.as_millis().div_euclid(width).saturating_mul(width))
}

/// A width in milliseconds.
pub(super) fn millis(width: Duration) -> i64 {
    i64::try_from(width.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::CELL;
    use super::*;
    use proptest::prelude::*;

    fn at(cells: i64) -> Timestamp {
        Timestamp::from_millis(cells * millis(CELL))
    }

    #[test]
    fn days_of_taipei_are_six_cells_each_and_those_of_kathmandu_twelve() {
        // Midnight there is 16:00 and 18:15 UTC.
        for (midnight, counts) in [(64, [0, 0, 12, 0]), (73, [8, 6, 10, 0])] {
            let spans: Vec<_> = (0..2)
                .map(|day| (at(midnight + day * 96), at(midnight + day * 96 + 96)))
                .collect();
            let wanted = cells_of(&spans);
            let told = wanted.map(|rows| rows.values().map(BTreeSet::len).sum::<usize>());
            assert_eq!(told, counts, "{midnight}");
        }
        let month = [(at(-32), at(31 * 96 - 32))];
        let told = cells_of(&month).map(|rows| rows.values().map(BTreeSet::len).sum::<usize>());
        assert_eq!(told, [0, 0, 6, 30]);
    }

    proptest! {
        #[test]
        fn every_quarter_hour_of_the_spans_is_in_one_cell(
            first in -500_i64..500,
            lengths in prop::collection::vec(1_i64..400, 1..8),
        ) {
            let mut from = first;
            let mut spans = Vec::new();
            for length in lengths {
                spans.push((at(from), at(from + length)));
                from += length;
            }
            let mut covered = Vec::new();
            for (level, rows) in LEVELS.iter().zip(cells_of(&spans)) {
                for (row, cells) in rows {
                    for cell in cells {
                        prop_assert_eq!(floor_to(cell, level.width), cell);
                        prop_assert!(row <= cell && cell + level.width <= row + level.row);
                        let end = cell + level.width;
                        let holds = |span: &&(Timestamp, Timestamp)| span.0 <= cell && end <= span.1;
                        prop_assert_eq!(spans.iter().filter(holds).count(), 1);
                        let quarters = millis(level.width) / millis(CELL);
                        let first = cell.as_millis() / millis(CELL);
                        covered.extend(first..first + quarters);
                    }
                }
            }
            covered.sort_unstable();
            prop_assert_eq!(covered, (first..from).collect::<Vec<_>>());
        }
    }
}
