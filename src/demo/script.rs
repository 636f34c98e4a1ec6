//! What played callers and agents do, by dice.

use rand::Rng;
use std::time::Duration;

/// Somebody who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlayedCaller {
    /// The number shown.
    pub(super) from: String,
    /// The number dialled.
    pub(super) to: String,
    /// When they hang up whatever happens: patience in the line, or all said.
    pub(super) hangs_up_after: Duration,
}

/// What an agent's phone does with a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlayedAnswer {
    /// Is answered, and hung up after the talk.
    PickUp {
        /// From the first ring.
        after: Duration,
        /// From the answer.
        talks: Duration,
    },
    /// Is declined.
    Decline {
        /// From the first ring.
        after: Duration,
    },
    /// Rings on.
    Nothing,
}

/// Numbers of people in the sample CMS, one that several share, and some that nobody knows.
const CALLERS: [&str; 9] = [
    "+886912345601",
    "+886912345602",
    "+886912345603",
    "+886227208800",
    "+886912345605",
    "+33612345678",
    "+886922100201",
    "+886955000111",
    "anonymous",
];

/// The sample desk's numbers, the busier one more often.
const NUMBERS: [&str; 3] = ["100", "100", "200"];

/// Time until the next caller, exponential about the mean, as independent callers come.
pub(super) fn next_call(random: &mut impl Rng, mean: Duration) -> Duration {
    let uniform: f64 = random.random_range(f64::EPSILON..1.0);
    mean.mul_f64(-uniform.ln())
}

/// The next caller.
pub(super) fn caller(random: &mut impl Rng) -> PlayedCaller {
    PlayedCaller {
        from: CALLERS[random.random_range(0..CALLERS.len())].to_owned(),
        to: NUMBERS[random.random_range(0..NUMBERS.len())].to_owned(),
        hangs_up_after: Duration::from_millis(random.random_range(12_000..60_000)),
    }
}

/// What the next ring leads to: nine in ten are answered.
pub(super) fn answer(random: &mut impl Rng) -> PlayedAnswer {
    let after = Duration::from_millis(random.random_range(800..5_000));
    match random.random_range(0..20) {
        0 => PlayedAnswer::Nothing,
        1 => PlayedAnswer::Decline { after },
        _ => PlayedAnswer::PickUp {
            after,
            talks: Duration::from_millis(random.random_range(6_000..25_000)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn callers_come_at_the_mean_rate() {
        let mut random = StdRng::seed_from_u64(7);
        let mean = Duration::from_secs(4);
        let total: Duration = (0..2_000).map(|_| next_call(&mut random, mean)).sum();
        let ratio = total.as_secs_f64() / (2_000.0 * mean.as_secs_f64());
        assert!((0.9..1.1).contains(&ratio), "{ratio}");
    }

    #[test]
    fn rings_are_answered_declined_and_left() {
        let mut random = StdRng::seed_from_u64(7);
        let answers: Vec<_> = (0..200).map(|_| answer(&mut random)).collect();
        let picked = answers
            .iter()
            .filter(|a| matches!(a, PlayedAnswer::PickUp { .. }))
            .count();
        assert!((160..200).contains(&picked), "{picked}");
        assert!(answers.contains(&PlayedAnswer::Nothing));
        assert!(
            answers
                .iter()
                .any(|a| matches!(a, PlayedAnswer::Decline { .. }))
        );
    }
}
