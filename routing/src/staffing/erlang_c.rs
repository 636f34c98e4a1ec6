//! Erlang C: callers wait as long as it takes.

use super::erlang_b::Blocking;
use crate::elementary::{exp, exp_less_one, ln};

/// A queue without impatience at so many servers; only where the load is less than the servers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErlangC {
    /// C: the share of contacts that wait at all.
    pub probability_of_wait: f64,
    /// a/n.
    pub occupancy: f64,
    /// 1 - C.
    probability_of_no_wait: f64,
    /// (n - a) / AHT: how fast the waits die out, per second.
    decay_per_s: f64,
}

impl ErlangC {
    /// The measures of a load that takes `aht_s` a contact; `None` when it is unstable (n <= a).
    pub fn at(blocking: &mut Blocking, aht_s: f64, servers: u32) -> Option<Self> {
        let load = blocking.load();
        let spare = load.spare(servers);
        if spare <= 0.0 {
            return None;
        }
        let (n, a, b) = (f64::from(servers), load.erlang(), blocking.share(servers));
        // n - a(1-B) as a sum of what is positive, and 1 - C = (n-a)(1-B) / (n - a(1-B)).
        let divisor = spare + a * b;
        Some(Self {
            probability_of_wait: n * b / divisor,
            probability_of_no_wait: spare * blocking.carried_share(servers) / divisor,
            occupancy: a / n,
            decay_per_s: spare / aht_s,
        })
    }

    /// P(W > t) = C e^{-(n-a)t/AHT}.
    pub fn probability_of_longer(&self, wait_s: f64) -> f64 {
        self.probability_of_wait * exp(-self.decay_per_s * wait_s)
    }

    /// Share answered within the threshold; without abandons all four variants are this one.
    pub fn service_level(&self, threshold_s: f64) -> f64 {
        let within = -exp_less_one(-self.decay_per_s * threshold_s);
        self.probability_of_no_wait + self.probability_of_wait * within
    }

    /// C AHT / (n-a).
    pub fn asa_s(&self) -> f64 {
        self.probability_of_wait / self.decay_per_s
    }

    /// The wait that `share` of the contacts do not exceed.
    pub fn wait_percentile_s(&self, share: f64) -> f64 {
        let over = self.probability_of_wait / (1.0 - share);
        if over <= 1.0 {
            0.0
        } else {
            ln(over) / self.decay_per_s
        }
    }
}
