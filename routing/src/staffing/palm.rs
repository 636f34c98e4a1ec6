//! The integrals under Erlang A, after Palm, Baccelli and Hebuterne.
//!
//! With t in units of the mean patience, c = n x patience / AHT and x = a x patience / AHT, the offered
//! wait of a contact has a density proportional to `e^f(t)` with `f(t) = x (1 - e^-t) - c t`. It rises to
//! one top at `ln(x/c)` (at 0 when the load is less than the servers) and falls from there on both sides.
//! Written around its top, `f(top + v) - f(top) = -(slope v + weight (e^-v - 1 + v))`, nothing cancels
//! however large c and x are, and a handful of Gauss panels gives any of its integrals to 1e-13.

use super::load::Load;
use crate::elementary::{exp, exp_curvature, exp_less_one, ln_curvature, ln_one_plus};

/// Where `e^-drop` is nothing beside the whole, with room for the factor `e^-t`.
const DROP_MAX: f64 = 60.0;

/// How far the exponent may fall within one panel.
const PANEL_DROP_MAX: f64 = 6.0;

/// Widest panel near the top, where `e^-t` still bends.
const PANEL_WIDTH: f64 = 0.5;

/// Abscissae and weights of the Gauss-Legendre rule with 16 points, positive half.
const GAUSS: [(f64, f64); 8] = [
    (0.095_012_509_837_637_44, 0.189_450_610_455_068_5),
    (0.281_603_550_779_258_9, 0.182_603_415_044_923_6),
    (0.458_016_777_657_227_4, 0.169_156_519_395_002_54),
    (0.617_876_244_402_643_7, 0.149_595_988_816_576_73),
    (0.755_404_408_355_003, 0.124_628_971_255_533_87),
    (0.865_631_202_387_831_7, 0.095_158_511_682_492_78),
    (0.944_575_023_073_232_6, 0.062_253_523_938_647_89),
    (0.989_400_934_991_649_9, 0.027_152_459_411_754_095),
];

/// The density of the offered wait, in units of the mean patience, with its top at one.
#[derive(Clone, Copy, Debug)]
pub(super) struct WaitDensity {
    slope: f64,
    weight: f64,
    /// Where the top is.
    top: f64,
    /// f(top), zero when the top is at the beginning.
    pub(super) top_log: f64,
}

/// Integrals over one stretch of the wait.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Mass {
    /// Of the density: contacts whose turn comes here.
    pub(super) offered: f64,
    /// Times `e^-t`: those of them who are still there.
    pub(super) stayed: f64,
    /// Times `1 - e^-t`: those of them who have left before.
    pub(super) left: f64,
}

impl WaitDensity {
    /// The density for so many servers, with a mean patience of `patience` handling times.
    pub(super) fn of(load: Load, servers: u32, patience: f64) -> Self {
        let (a, n, spare) = (load.erlang(), f64::from(servers), load.spare(servers));
        if spare >= 0.0 {
            return Self {
                slope: spare * patience,
                weight: a * patience,
                top: 0.0,
                top_log: 0.0,
            };
        }
        let excess = -spare / n;
        let weight = n * patience;
        Self {
            slope: 0.0,
            weight,
            top: ln_one_plus(excess),
            top_log: weight * ln_curvature(excess),
        }
    }

    /// Integrals over `from..to`; `to` may be infinite.
    pub(super) fn mass(&self, from: f64, to: f64) -> Mass {
        let (from, to) = (from - self.top, to - self.top);
        let mut mass = Mass::default();
        if to > 0.0 {
            self.add_panels(from.max(0.0), to, 1.0, &mut mass);
        }
        if from < 0.0 {
            self.add_panels(to.min(0.0), from, -1.0, &mut mass);
        }
        mass
    }

    /// How far the exponent is below its top.
    fn drop(&self, v: f64) -> f64 {
        self.slope * v + self.weight * exp_curvature(v)
    }

    /// Walks from `begin`, the end nearer to the top, away from it to `end` or to where nothing is left.
    fn add_panels(&self, begin: f64, end: f64, direction: f64, mass: &mut Mass) {
        let mut here = begin;
        let mut drop_here = self.drop(here);
        let drop_end = drop_here + DROP_MAX;
        while (end - here) * direction > 0.0 && drop_here < drop_end {
            let mut width = if direction > 0.0 {
                PANEL_WIDTH.max(here)
            } else {
                PANEL_WIDTH
            };
            width = width.min((end - here) * direction);
            let mut next = here + direction * width;
            while self.drop(next) - drop_here > PANEL_DROP_MAX {
                width *= 0.5;
                next = here + direction * width;
            }
            if next == here {
                return;
            }
            self.add_panel(here.min(next), width, mass);
            here = next;
            drop_here = self.drop(here);
        }
    }

    fn add_panel(&self, from: f64, width: f64, mass: &mut Mass) {
        let half = 0.5 * width;
        for (abscissa, weight) in GAUSS {
            for v in [
                from + half * (1.0 - abscissa),
                from + half * (1.0 + abscissa),
            ] {
                let t = self.top + v;
                let density = half * weight * exp(-self.drop(v));
                mass.offered += density;
                mass.stayed += density * exp(-t);
                mass.left -= density * exp_less_one(-t);
            }
        }
    }
}
