//! Random numbers from a seed: the same on every machine and in every release.

use crate::elementary::{exp, ln};
use crate::simulation::SECONDS_MAX;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators"): a counter
/// with a mixing function. Its period of 2^64 is far above what a run draws.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

/// The odd constant by which the counter grows: 2^64 divided by the golden ratio.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A stream of its own for each `place` below the seed: what is drawn from one does not depend on
    /// how much is drawn from another.
    pub fn stream(seed: u64, place: &[u64]) -> Self {
        let mixed = place.iter().fold(mix(seed), |state, step| {
            mix(state ^ step.wrapping_add(1).wrapping_mul(GAMMA))
        });
        Self::new(mixed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GAMMA);
        mix(self.state)
    }

    /// Uniform in (0, 1), never the ends themselves.
    pub fn share(&mut self) -> f64 {
        // The middle of one of 2^53 equal parts.
        ((self.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Exponential with mean 1, by inversion.
    pub fn exponential(&mut self) -> f64 {
        -ln(self.share())
    }

    /// Standard normal, by Marsaglia's polar method.
    pub fn normal(&mut self) -> f64 {
        loop {
            let (x, y) = (2.0 * self.share() - 1.0, 2.0 * self.share() - 1.0);
            let square = x * x + y * y;
            if square < 1.0 && square > 0.0 {
                return x * (-2.0 * ln(square) / square).sqrt();
            }
        }
    }

    /// Uniform among `0..count`; 0 when there is nothing to choose from.
    pub fn below(&mut self, count: usize) -> usize {
        let wide = u128::from(self.next_u64()) * count as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }
}

/// The finalizer of SplitMix64 (Stafford's variant 13).
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// How a time is distributed; times in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Distribution {
    /// Always the same.
    Constant(f64),
    /// Exponential with this mean: memoryless, as Erlang's formulas have it.
    Exponential {
        /// The mean.
        mean_s: f64,
    },
    /// Lognormal with this mean and standard deviation: as handle times usually are.
    Lognormal {
        /// The mean.
        mean_s: f64,
        /// The standard deviation.
        deviation_s: f64,
    },
    /// One of these, each as likely as the others.
    Empirical(Vec<f64>),
    /// As the Kaplan-Meier curve of observed waits has it: the points of the curve, and never for those
    /// who outwait its end.
    Survival(Vec<SurvivalStep>),
}

/// One point of a survival curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SurvivalStep {
    /// The time.
    pub at_s: f64,
    /// Share that lasts longer.
    pub longer: f64,
}

impl Distribution {
    /// Draws a time; `None` is for ever.
    pub fn draw(&self, random: &mut Random) -> Option<Duration> {
        let seconds = match self {
            Self::Constant(seconds) => *seconds,
            Self::Exponential { mean_s } => mean_s * random.exponential(),
            Self::Lognormal {
                mean_s,
                deviation_s,
            } => {
                if *mean_s <= 0.0 {
                    return Some(Duration::ZERO);
                }
                let spread = deviation_s / mean_s;
                let variance = ln(1.0 + spread * spread);
                mean_s * exp(variance.sqrt() * random.normal() - variance / 2.0)
            }
            Self::Empirical(times) => times.get(random.below(times.len())).copied()?,
            Self::Survival(steps) => {
                let share = random.share();
                steps.iter().find(|step| step.longer < share)?.at_s
            }
        };
        let bounded = seconds.min(SECONDS_MAX as f64);
        Some(Duration::from_millis((bounded * 1_000.0).round() as u64))
    }

    /// What is wrong with it, in a sentence.
    pub(super) fn fault(&self) -> Option<String> {
        let is_time = |seconds: &f64| (0.0..=SECONDS_MAX as f64).contains(seconds);
        let is_sound = match self {
            Self::Constant(seconds) => is_time(seconds),
            Self::Exponential { mean_s } => is_time(mean_s),
            Self::Lognormal {
                mean_s,
                deviation_s,
            } => is_time(mean_s) && is_time(deviation_s),
            Self::Empirical(times) => !times.is_empty() && times.iter().all(is_time),
            Self::Survival(steps) => {
                let falls = steps
                    .windows(2)
                    .all(|pair| pair[0].at_s < pair[1].at_s && pair[0].longer >= pair[1].longer);
                falls
                    && steps
                        .iter()
                        .all(|step| is_time(&step.at_s) && (0.0..=1.0).contains(&step.longer))
            }
        };
        (!is_sound).then(|| {
            format!(
                "needs times within 0 and {SECONDS_MAX} s (at least one; of a curve, rising, with shares that fall within 1 and 0)"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_and_deviation(distribution: &Distribution) -> (f64, f64) {
        let mut random = Random::new(7);
        let draws: Vec<f64> = (0..200_000)
            .map(|_| distribution.draw(&mut random).unwrap().as_secs_f64())
            .collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let square = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>();
        (mean, (square / draws.len() as f64).sqrt())
    }

    /// The first numbers of the reference implementation (splitmix64.c by Vigna) for the seed 1234567.
    #[test]
    fn numbers_are_those_of_the_reference() {
        let mut random = Random::new(1_234_567);
        let numbers = [(); 5].map(|()| random.next_u64());
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ]
        );
    }

    #[test]
    fn times_have_the_mean_and_the_deviation_they_were_given() {
        let (mean, deviation) = mean_and_deviation(&Distribution::Exponential { mean_s: 180.0 });
        assert!((mean - 180.0).abs() < 1.5, "{mean}");
        assert!((deviation - 180.0).abs() < 2.5, "{deviation}");
        let (mean, deviation) = mean_and_deviation(&Distribution::Lognormal {
            mean_s: 240.0,
            deviation_s: 120.0,
        });
        assert!((mean - 240.0).abs() < 1.5, "{mean}");
        assert!((deviation - 120.0).abs() < 2.5, "{deviation}");
        let (mean, _) = mean_and_deviation(&Distribution::Empirical(vec![10.0, 20.0, 60.0]));
        assert!((mean - 30.0).abs() < 0.5, "{mean}");
    }

    #[test]
    fn a_curve_that_does_not_reach_zero_leaves_some_who_never_give_up() {
        let curve = Distribution::Survival(vec![
            SurvivalStep {
                at_s: 10.0,
                longer: 0.6,
            },
            SurvivalStep {
                at_s: 30.0,
                longer: 0.25,
            },
        ]);
        let mut random = Random::new(7);
        let draws: Vec<_> = (0..100_000).map(|_| curve.draw(&mut random)).collect();
        let share = |wanted: Option<u64>| {
            let is_wanted = |draw: &&Option<Duration>| **draw == wanted.map(Duration::from_secs);
            draws.iter().filter(is_wanted).count() as f64 / draws.len() as f64
        };
        assert!((share(Some(10)) - 0.4).abs() < 0.01);
        assert!((share(Some(30)) - 0.35).abs() < 0.01);
        assert!((share(None) - 0.25).abs() < 0.01);
    }
}
