//! Elementary functions built from `+ - * /`, so that every machine computes the same bits.
//!
//! The system's `exp` and `ln` may differ in the last place from one C library to the next; IEEE 754
//! fixes only the basic operations, the square root and the fused multiply-add. Whatever is compared
//! to the last digit between nodes or between releases goes through here.

use std::f64::consts::{LN_2, LOG2_E};

/// The upper 33 bits of ln 2, so that a multiple of it by any exponent is exact.
const LN_2_UPPER: f64 = 0.693_147_180_369_123_8;

/// What [`LN_2_UPPER`] leaves of ln 2.
const LN_2_LOWER: f64 = 1.908_214_929_270_587_7e-10;

/// Above this `exp` is infinite.
const EXP_MAX: f64 = 709.782_712_893_384;

/// Below this `exp` is zero.
const EXP_MIN: f64 = -745.133_219_101_941_1;

/// Terms of the power series of e^x, enough for |x| <= ln(2)/2 in double precision.
const EXP_TERMS: u32 = 14;

/// e^x, within two units in the last place.
pub(crate) fn exp(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x > EXP_MAX {
        return f64::INFINITY;
    }
    if x < EXP_MIN {
        return 0.0;
    }
    let power = (x * LOG2_E).round();
    let rest = (x - power * LN_2_UPPER) - power * LN_2_LOWER;
    scale(1.0 + exp_less_one_series(rest), power as i32)
}

/// e^x - 1 without cancellation near zero.
pub(crate) fn exp_less_one(x: f64) -> f64 {
    if x.abs() < 0.5 * LN_2 {
        exp_less_one_series(x)
    } else {
        exp(x) - 1.0
    }
}

/// e^-x - 1 + x, which is never negative, without cancellation near zero.
pub(crate) fn exp_curvature(x: f64) -> f64 {
    if x.abs() >= 0.5 {
        return exp(-x) - 1.0 + x;
    }
    // x^2/2 - x^3/6 + x^4/24 - ..., inside out.
    let mut sum = 1.0;
    for term in (3..=EXP_TERMS + 3).rev() {
        sum = 1.0 - sum * x / f64::from(term);
    }
    sum * x * x / 2.0
}

/// The natural logarithm; negative infinity at zero, not a number below.
pub(crate) fn ln(x: f64) -> f64 {
    if x.is_nan() || x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 {
        return f64::NEG_INFINITY;
    }
    if x.is_infinite() {
        return x;
    }
    let (mut mantissa, mut power) = split(x);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        power += 1;
    }
    let power = f64::from(power);
    power * LN_2_UPPER + (power * LN_2_LOWER + ln_one_plus_series(mantissa - 1.0))
}

/// ln(1 + x) without cancellation near zero.
pub(crate) fn ln_one_plus(x: f64) -> f64 {
    if (-0.29..0.41).contains(&x) {
        ln_one_plus_series(x)
    } else {
        ln(1.0 + x)
    }
}

/// x - ln(1 + x), which is never negative, without cancellation near zero.
pub(crate) fn ln_curvature(x: f64) -> f64 {
    if x.abs() >= 0.1 {
        return x - ln_one_plus(x);
    }
    // x^2/2 - x^3/3 + x^4/4 - ..., inside out.
    let mut sum = 0.0;
    for term in (2..=18_u32).rev() {
        sum = 1.0 / f64::from(term) - sum * x;
    }
    sum * x * x
}

/// Power series of e^x - 1 for |x| <= ln(2)/2.
fn exp_less_one_series(x: f64) -> f64 {
    let mut sum = 1.0;
    for term in (2..=EXP_TERMS).rev() {
        sum = 1.0 + sum * x / f64::from(term);
    }
    sum * x
}

/// ln(1+x) = 2 artanh(x / (2 + x)) for 1+x between the roots of 1/2 and 2.
fn ln_one_plus_series(x: f64) -> f64 {
    let ratio = x / (2.0 + x);
    let square = ratio * ratio;
    let mut sum = 0.0;
    for odd in (1..=25_u32).rev().step_by(2) {
        sum = sum * square + 1.0 / f64::from(odd);
    }
    2.0 * ratio * sum
}

/// x * 2^power, in two steps so that results near zero are rounded once only.
fn scale(x: f64, power: i32) -> f64 {
    if power > 1_023 {
        return x * 2.0 * power_of_two(power - 1);
    }
    if power >= -1_022 {
        x * power_of_two(power)
    } else {
        x * power_of_two(power + 64) * power_of_two(-64)
    }
}

/// 2^power for a power of normal numbers.
fn power_of_two(power: i32) -> f64 {
    let biased = u64::try_from((power + 1_023).clamp(0, 2_046)).unwrap_or(0);
    f64::from_bits(biased << 52)
}

/// A positive finite number as mantissa in [1, 2) and power of two.
fn split(x: f64) -> (f64, i32) {
    if x < f64::MIN_POSITIVE {
        let (mantissa, power) = split(x * power_of_two(64));
        return (mantissa, power - 64);
    }
    let bits = x.to_bits();
    let power = i32::try_from(bits >> 52).unwrap_or(0) - 1_023;
    let mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1_023 << 52));
    (mantissa, power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(ours: f64, theirs: f64, what: &str) {
        let scale = theirs.abs().max(f64::MIN_POSITIVE);
        assert!(
            (ours - theirs).abs() <= 1e-15 * scale,
            "{what}: {ours:e} for {theirs:e}"
        );
    }

    /// From -700 to 700, dense near zero.
    fn points() -> impl Iterator<Item = f64> {
        (-3_000..=3_000).map(|step| {
            let unit = f64::from(step) / 3_000.0;
            700.0 * unit * unit * unit
        })
    }

    #[test]
    fn they_agree_with_the_systems_own() {
        for x in points() {
            close(exp(x), x.exp(), "exp");
            close(exp_less_one(x), x.exp_m1(), "exp - 1");
            close(ln(exp(x)), exp(x).ln(), "ln");
            if x > -1.0 {
                close(ln_one_plus(x), x.ln_1p(), "ln(1+x)");
            }
        }
    }

    #[test]
    fn curvatures_have_no_cancellation() {
        for power in 2..40 {
            let x = power_of_two(-power);
            close(exp_curvature(x), exp_series(x), "e^-x - 1 + x");
            close(exp_curvature(-x), exp_series(-x), "e^x - 1 - x");
            close(ln_curvature(x * 0.3), ln_series(x * 0.3), "x - ln(1+x)");
            close(ln_curvature(-x * 0.3), ln_series(-x * 0.3), "-x - ln(1-x)");
        }
    }

    /// Term by term, smallest first.
    fn exp_series(x: f64) -> f64 {
        let mut terms = vec![x * x / 2.0];
        for k in 3..30 {
            let last = terms[terms.len() - 1];
            terms.push(-last * x / f64::from(k));
        }
        terms.iter().rev().sum()
    }

    fn ln_series(x: f64) -> f64 {
        let terms: Vec<f64> = (2..60_i32)
            .map(|k| if k % 2 == 0 { 1.0 } else { -1.0 } * x.powi(k) / f64::from(k))
            .collect();
        terms.iter().rev().sum()
    }

    #[test]
    fn the_ends_are_as_they_must_be() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(1_000.0), f64::INFINITY);
        assert_eq!(exp(-1_000.0), 0.0);
        assert!(exp(-745.0) > 0.0 && exp(709.7).is_finite());
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(ln(0.0), f64::NEG_INFINITY);
        assert!(ln(-1.0).is_nan());
        assert!((ln(5e-324) - 5e-324_f64.ln()).abs() < 1e-12);
    }
}
