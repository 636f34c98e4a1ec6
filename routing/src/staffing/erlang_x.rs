//! Erlang X: some of those who gave up call again, and are counted as load a second time.

use super::erlang_a::ErlangA;
use super::erlang_b::Blocking;

/// Steps of the search for the load that feeds itself; it gains at least a bit a step.
const STEPS_MAX: u32 = 60;

/// Relative precision of that load.
const PRECISION: f64 = 1e-13;

/// A queue whose impatient callers try again.
#[derive(Clone, Copy, Debug)]
pub struct ErlangX {
    /// The measures of each attempt.
    pub attempt: ErlangA,
    /// Attempts for each contact that is made for the first time.
    pub attempts_each: f64,
    /// Share of callers who are never answered.
    pub lost_share: f64,
}

impl ErlangX {
    /// The measures when a share `retrial` (less than 1) of every abandoned attempt is made again: the
    /// attempts g times the load with `g (1 - retrial x P(abandon at g)) = 1`.
    pub fn at(
        blocking: &mut Blocking,
        aht_s: f64,
        patience_s: f64,
        retrial: f64,
        servers: u32,
    ) -> Self {
        let load = blocking.load();
        let first_try = ErlangA::at(blocking, aht_s, patience_s, servers);
        let at = |factor: f64| {
            let mut fed = Blocking::new(load.times(factor));
            ErlangA::at(&mut fed, aht_s, patience_s, servers)
        };
        let excess = |factor: f64, attempt: &ErlangA| {
            factor * (1.0 - retrial * attempt.abandon_rate()) - 1.0
        };
        // The excess grows with g: it is negative at 1, and not at 1/(1 - retrial). False position,
        // with the Illinois rule for an end that stays.
        let mut low = (1.0, excess(1.0, &first_try));
        let most = 1.0 / (1.0 - retrial);
        let mut high = (most, excess(most, &at(most)));
        let mut best = (1.0, first_try);
        let mut was_above = None;
        for _ in 0..STEPS_MAX {
            if low.1 == 0.0 || high.0 - low.0 <= PRECISION * high.0 {
                break;
            }
            let factor = (low.0 * high.1 - high.0 * low.1) / (high.1 - low.1);
            let attempt = at(factor);
            let here = (factor, excess(factor, &attempt));
            best = (factor, attempt);
            if here.1.abs() <= PRECISION {
                break;
            }
            let is_above = here.1 > 0.0;
            let stays = was_above == Some(is_above);
            let (moved, other) = if is_above {
                (&mut high, &mut low)
            } else {
                (&mut low, &mut high)
            };
            *moved = here;
            if stays {
                other.1 *= 0.5;
            }
            was_above = Some(is_above);
        }
        let (attempts_each, attempt) = best;
        Self {
            attempt,
            attempts_each,
            lost_share: attempts_each * attempt.abandon_rate() * (1.0 - retrial),
        }
    }
}
