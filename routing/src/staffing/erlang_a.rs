//! Erlang A: callers wait as long as their patience lasts.
//!
//! The birth-death chain with death rate `min(k,n) mu + (k-n)+ theta`, solved in closed form: its states up
//! to n are Erlang B's, and what lies above them are the integrals of [`palm`](super::palm).

use super::erlang_b::Blocking;
use super::palm::{Mass, WaitDensity};
use crate::elementary::{exp, exp_less_one};
use crate::statistics::ServiceLevel;

/// Halvings that bring a percentile from hours to below a microsecond.
const HALVINGS: u32 = 60;

/// A queue with impatience at so many servers.
#[derive(Clone, Copy, Debug)]
pub struct ErlangA {
    density: WaitDensity,
    patience_s: f64,
    /// Makes shares of all contacts out of masses.
    share_per_mass: f64,
    /// Share of contacts that find a free server.
    served_at_once: f64,
    /// Everything behind the queue's door.
    whole: Mass,
    /// a/n.
    load_each: f64,
}

impl ErlangA {
    /// The measures of a load that takes `aht_s` a contact, with callers who wait `patience_s` on
    /// average before they leave; at least one server.
    pub fn at(blocking: &mut Blocking, aht_s: f64, patience_s: f64, servers: u32) -> Self {
        let load = blocking.load();
        let n = f64::from(servers);
        let patience = patience_s / aht_s;
        let density = WaitDensity::of(load, servers, patience);
        let whole = density.mass(0.0, f64::INFINITY);
        // Per unit of the state "all busy, nobody waits", scaled by the density's top: below it lie
        // (1-B)/B, above it S = n patience/AHT x the mass. All times B, which may be next to nothing.
        let scale = n * patience * blocking.share(servers);
        let below = blocking.carried_share(servers) * exp(-density.top_log);
        let total = below + scale * whole.offered;
        Self {
            density,
            patience_s,
            share_per_mass: scale / total,
            served_at_once: below / total,
            whole,
            load_each: load.erlang() / n,
        }
    }

    /// Share of contacts that find every server busy.
    pub fn probability_of_wait(&self) -> f64 {
        self.share_per_mass * self.whole.offered
    }

    /// Share of contacts that leave before the answer.
    pub fn abandon_rate(&self) -> f64 {
        self.share_per_mass * self.whole.left
    }

    /// Mean time until the answer or until the caller leaves, over all contacts.
    pub fn mean_wait_s(&self) -> f64 {
        // Callers leave at the rate 1/patience while they wait, so that P(abandon) = E[wait] / patience.
        self.abandon_rate() * self.patience_s
    }

    /// Share of the servers' time spent on contacts.
    pub fn occupancy(&self) -> f64 {
        self.load_each * self.answered_rate()
    }

    /// The four variants at a threshold.
    pub fn service_level(&self, threshold_s: f64) -> ServiceLevel {
        let answered_within = self.answered_within(threshold_s);
        let abandoned_within = self.abandoned_within(threshold_s);
        let later = self.probability_of_longer(threshold_s);
        ServiceLevel {
            negative: Some(answered_within),
            positive: Some(answered_within + abandoned_within),
            ignored: quotient(answered_within, answered_within + later),
            handled: quotient(answered_within, self.answered_rate()),
        }
    }

    /// A_T/O, the negative service level, without the other three.
    pub fn answered_within(&self, threshold_s: f64) -> f64 {
        let within = self.density.mass(0.0, threshold_s / self.patience_s);
        self.served_at_once + self.share_per_mass * within.stayed
    }

    /// P(W > t): share that after so long is neither answered nor gone.
    pub fn probability_of_longer(&self, wait_s: f64) -> f64 {
        let t = wait_s / self.patience_s;
        self.share_per_mass * self.density.mass(t, f64::INFINITY).offered * exp(-t)
    }

    /// The wait, until the answer or until leaving, that `share` of the contacts do not exceed.
    pub fn wait_percentile_s(&self, share: f64) -> f64 {
        let over = 1.0 - share;
        if self.probability_of_wait() <= over {
            return 0.0;
        }
        let (mut low, mut high) = (0.0, self.patience_s);
        while self.probability_of_longer(high) > over {
            (low, high) = (high, 2.0 * high);
        }
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if self.probability_of_longer(middle) > over {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }

    fn answered_rate(&self) -> f64 {
        self.served_at_once + self.share_per_mass * self.whole.stayed
    }

    /// B_T/O: left within the threshold. Those whose turn came by then have left before it; those whose
    /// turn would come later leave at their own pace.
    fn abandoned_within(&self, threshold_s: f64) -> f64 {
        let t = threshold_s / self.patience_s;
        let turn_later = self.density.mass(t, f64::INFINITY).offered;
        let turn_within = self.density.mass(0.0, t).left;
        let impatient = -exp_less_one(-t);
        self.share_per_mass * (turn_within + impatient * turn_later)
    }
}

fn quotient(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}
