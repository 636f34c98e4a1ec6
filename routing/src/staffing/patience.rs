//! How long callers are willing to wait, estimated from what waits there were.
//!
//! A caller who was answered would have waited on, nobody knows how long: their wait is censored, and so is that of
//! one who went to another line, was to be called back, or waits still. Averaging the waits of those who left would
//! take the impatient for everybody, so the share still patient is estimated by Kaplan and Meier's product. Who came
//! from another line, where they would not have been seen had they left, is at risk only from that instant on (late
//! entry, or left truncation: Klein and Moeschberger, Survival Analysis, section 4.6).

use super::wait_counts::WaitCounts;
use serde::{Deserialize, Serialize};

/// One wait and how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wait {
    /// From which instant of the wait on it was seen, in milliseconds; 0 is from its begin.
    pub from_ms: u64,
    /// How long it was, from its begin, in milliseconds.
    pub ms: u64,
    /// What ended it.
    pub end: WaitEnd,
}

/// What ended a wait. Of equal waits those who left come first: whoever was answered then was still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WaitEnd {
    /// The caller left.
    Abandoned,
    /// An agent answered.
    Answered,
    /// Something else: it went to another place, was to be called back, failed, or goes on still.
    Gone,
}

impl Wait {
    /// The caller left after so many milliseconds.
    pub fn abandoned(ms: u64) -> Self {
        Self::ended(ms, WaitEnd::Abandoned)
    }

    /// An agent answered after so many milliseconds.
    pub fn answered(ms: u64) -> Self {
        Self::ended(ms, WaitEnd::Answered)
    }

    /// It ended in another way after so many milliseconds, or goes on.
    pub fn gone(ms: u64) -> Self {
        Self::ended(ms, WaitEnd::Gone)
    }

    /// The same wait, seen from one of its instants on.
    pub fn seen_from(self, from_ms: u64) -> Self {
        Self { from_ms, ..self }
    }

    fn ended(ms: u64, end: WaitEnd) -> Self {
        Self {
            from_ms: 0,
            ms,
            end,
        }
    }
}

/// What the waits say about patience.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Patience {
    /// Waits that ended by leaving.
    pub abandoned: u64,
    /// Waits that were cut short by an answer.
    pub answered: u64,
    /// Waits that were cut short by something else, or go on.
    #[serde(default)]
    pub gone: u64,
    /// Mean patience in seconds: the area under the curve, its tail taken for exponential where the
    /// longest waits were answered. `None` when nobody left.
    pub mean_s: Option<f64>,
    /// The wait at which half of the callers would have left; `None` when the curve does not go so low.
    pub median_s: Option<f64>,
    /// The curve, one step for each wait at which somebody left.
    pub curve: Vec<Step>,
    /// To how many milliseconds the waits are told: 1, unless there were too many different ones (see
    /// [`WaitCounts::resolution_ms`]).
    #[serde(default = "exact", skip_serializing_if = "is_exact")]
    pub resolution_ms: u64,
}

/// One step of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The wait in seconds.
    pub wait_s: f64,
    /// Share of callers willing to wait longer.
    pub still_patient: f64,
}

impl Patience {
    /// Estimates patience from waits in any order.
    pub fn estimate(waits: impl IntoIterator<Item = Wait>) -> Self {
        Self::of_counts(&waits.into_iter().collect())
    }

    /// Estimates patience from waits that were counted.
    pub fn of_counts(counts: &WaitCounts) -> Self {
        let mut entries = counts.entries().peekable();
        let mut patience = Self {
            abandoned: 0,
            answered: 0,
            gone: 0,
            mean_s: None,
            median_s: None,
            curve: Vec::new(),
            resolution_ms: counts.resolution_ms(),
        };
        let mut at_risk = 0;
        let mut walk = Walk::default();
        for (ms, end, count) in counts.ends() {
            // Who comes at that very instant has not been there before it; who was there from the begin, has.
            while let Some((entry, came)) = entries.next_if(|(at, _)| *at == 0 || *at < ms) {
                walk.go_on_to(seconds(entry), at_risk);
                at_risk += came;
            }
            walk.go_on_to(seconds(ms), at_risk);
            match end {
                WaitEnd::Abandoned => {
                    patience.abandoned += count;
                    walk.still_patient *= (at_risk - count) as f64 / at_risk as f64;
                    patience.curve.push(Step {
                        wait_s: seconds(ms),
                        still_patient: walk.still_patient,
                    });
                }
                WaitEnd::Answered => patience.answered += count,
                WaitEnd::Gone => patience.gone += count,
            }
            at_risk -= count;
        }
        if patience.abandoned > 0 {
            let tail = walk.still_patient * walk.exposure_s / patience.abandoned as f64;
            patience.mean_s = Some(walk.area_s + tail);
        }
        patience.median_s = patience
            .curve
            .iter()
            .find(|step| step.still_patient <= 0.5)
            .map(|step| step.wait_s);
        patience
    }
}

/// Where the walk along the waits stands.
struct Walk {
    wait_s: f64,
    still_patient: f64,
    /// Area under the curve so far.
    area_s: f64,
    /// All time waited so far, by everybody.
    exposure_s: f64,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            wait_s: 0.0,
            still_patient: 1.0,
            area_s: 0.0,
            exposure_s: 0.0,
        }
    }
}

impl Walk {
    fn go_on_to(&mut self, wait_s: f64, waiting: u64) {
        let step_s = wait_s - self.wait_s;
        self.area_s += step_s * self.still_patient;
        self.exposure_s += step_s * waiting as f64;
        self.wait_s = wait_s;
    }
}

fn exact() -> u64 {
    1
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde gives a reference to every field"
)]
fn is_exact(resolution_ms: &u64) -> bool {
    *resolution_ms == exact()
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn the_textbook_curve() {
        // Leaving at 6 (three of 21), 7, 10, 13, 16, 22, 23; the others censored: Freireich's 6-MP arm.
        let left = [6, 6, 6, 7, 10, 13, 16, 22, 23];
        let stayed = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35];
        let waits = left
            .iter()
            .map(|s| Wait::abandoned(s * 1_000))
            .chain(stayed.iter().map(|s| Wait::answered(s * 1_000)));
        let patience = Patience::estimate(waits);
        let expected = [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482];
        assert_eq!(patience.curve.len(), expected.len());
        for (step, share) in patience.curve.iter().zip(expected) {
            assert!((step.still_patient - share).abs() < 5e-5, "{step:?}");
        }
        assert_eq!(patience.median_s, Some(23.0));
        assert_eq!((patience.abandoned, patience.answered), (9, 12));
    }

    #[test]
    fn exponential_patience_is_found_again_although_most_were_answered() {
        // Patience by its quantiles, mean 120 s; everybody is answered after 30 s.
        let waits = (0..10_000_u32).map(|place| {
            let share = (f64::from(place) + 0.5) / 10_000.0;
            let patience_ms = -120_000.0 * crate::elementary::ln(1.0 - share);
            if patience_ms < 30_000.0 {
                Wait::abandoned(patience_ms as u64)
            } else {
                Wait::answered(30_000)
            }
        });
        let mean_s = Patience::estimate(waits).mean_s.unwrap();
        assert!((mean_s - 120.0).abs() < 0.5, "{mean_s}");
    }

    #[test]
    fn who_comes_from_another_line_is_at_risk_from_that_instant_on() {
        // By hand: at 10 one of the 3 there from the begin leaves (the two that come at 20 are not there), at 20 one
        // goes elsewhere, at 25 one of 3 leaves, at 30 one is answered, at 40 the last one leaves.
        let waits = [
            Wait::abandoned(10_000),
            Wait::gone(20_000),
            Wait::abandoned(40_000),
            Wait::abandoned(25_000).seen_from(20_000),
            Wait::answered(30_000).seen_from(20_000),
            // Gone before anybody saw it.
            Wait::abandoned(22_000).seen_from(22_000),
        ];
        let patience = Patience::estimate(waits);
        let told: Vec<(f64, f64)> = patience
            .curve
            .iter()
            .map(|step| (step.wait_s, step.still_patient))
            .collect();
        let two_thirds = 2.0 / 3.0;
        let wanted = [
            (10.0, two_thirds),
            (25.0, two_thirds * two_thirds),
            (40.0, 0.0),
        ];
        assert_eq!(told, wanted);
        assert_eq!(
            (patience.abandoned, patience.answered, patience.gone),
            (3, 1, 1)
        );
        // 10 of everybody, 15 of two thirds, 15 of four ninths.
        let mean_s = patience.mean_s.unwrap();
        assert!((mean_s - (10.0 + 10.0 + 15.0 * 4.0 / 9.0)).abs() < 1e-12);
    }

    #[test]
    fn who_leaves_at_once_is_at_risk_at_the_begin() {
        let patience = Patience::estimate([Wait::abandoned(0), Wait::answered(1_000)]);
        assert_eq!(patience.curve[0].still_patient, 0.5);
    }

    #[test]
    fn where_nobody_left_nothing_is_known() {
        let patience = Patience::estimate([Wait::answered(5_000), Wait::gone(9_000)]);
        assert_eq!((patience.mean_s, patience.median_s), (None, None));
        assert_eq!((patience.answered, patience.gone), (1, 1));
        assert_eq!(Patience::estimate([]).answered, 0);
    }
}
