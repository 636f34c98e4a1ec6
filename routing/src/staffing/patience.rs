//! How long callers are willing to wait, estimated from what waits there were.
//!
//! A caller who was answered would have waited on, nobody knows how long: their wait is censored.
//! Averaging the waits of those who left would take the impatient for everybody, so the share still
//! patient is estimated by Kaplan and Meier's product.

use serde::{Deserialize, Serialize};

/// One wait and how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wait {
    /// The caller left after so many milliseconds.
    Abandoned(u64),
    /// An agent answered after so many milliseconds.
    Answered(u64),
}

/// What the waits say about patience.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Patience {
    /// Waits that ended by leaving.
    pub abandoned: u64,
    /// Waits that were cut short by an answer.
    pub answered: u64,
    /// Mean patience in seconds: the area under the curve, its tail taken for exponential where the
    /// longest waits were answered. `None` when nobody left.
    pub mean_s: Option<f64>,
    /// The wait at which half of the callers would have left; `None` when the curve does not go so low.
    pub median_s: Option<f64>,
    /// The curve, one step for each wait at which somebody left.
    pub curve: Vec<Step>,
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
        // Of equal waits those who left come first: whoever was answered then was still there.
        let mut waits: Vec<(u64, bool)> = waits
            .into_iter()
            .map(|wait| match wait {
                Wait::Abandoned(ms) => (ms, false),
                Wait::Answered(ms) => (ms, true),
            })
            .collect();
        waits.sort_unstable();
        let mut patience = Self {
            abandoned: 0,
            answered: 0,
            mean_s: None,
            median_s: None,
            curve: Vec::new(),
        };
        let mut at_risk = waits.len() as u64;
        let mut walk = Walk::default();
        for same in waits.chunk_by(|a, b| a == b) {
            let count = same.len() as u64;
            if let [(ms, was_answered), ..] = *same {
                walk.go_on_to(seconds(ms), at_risk);
                if was_answered {
                    patience.answered += count;
                } else {
                    patience.abandoned += count;
                    walk.still_patient *= (at_risk - count) as f64 / at_risk as f64;
                    patience.curve.push(Step {
                        wait_s: seconds(ms),
                        still_patient: walk.still_patient,
                    });
                }
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

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use Wait::{Abandoned, Answered};

    #[test]
    fn the_textbook_curve() {
        // Leaving at 6 (three of 21), 7, 10, 13, 16, 22, 23; the others censored: Freireich's 6-MP arm.
        let left = [6, 6, 6, 7, 10, 13, 16, 22, 23];
        let stayed = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35];
        let waits = left
            .iter()
            .map(|s| Abandoned(s * 1_000))
            .chain(stayed.iter().map(|s| Answered(s * 1_000)));
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
                Abandoned(patience_ms as u64)
            } else {
                Answered(30_000)
            }
        });
        let mean_s = Patience::estimate(waits).mean_s.unwrap();
        assert!((mean_s - 120.0).abs() < 0.5, "{mean_s}");
    }

    #[test]
    fn where_nobody_left_nothing_is_known() {
        let patience = Patience::estimate([Answered(5_000), Answered(9_000)]);
        assert_eq!((patience.mean_s, patience.median_s), (None, None));
        assert_eq!(Patience::estimate([]).answered, 0);
    }
}
