//! From one sample rate to another, by a windowed sinc in as many phases as the two rates have.

use std::f64::consts::PI;

/// Brings samples from one rate to another; both are above 0.
///
/// What the lower rate cannot hold is filtered away first, so that nothing folds back.
pub fn resample(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    if from == to || samples.is_empty() {
        return samples.to_vec();
    }
    let common = greatest_common_divisor(from, to);
    let (step, phases) = (u64::from(from / common), u64::from(to / common));
    let filter = Filter::new(from, to, phases);
    let count = (samples.len() as u64 * phases).div_ceil(step);
    (0..count)
        .map(|output| {
            let place = output * step;
            filter.apply(samples, place / phases, place % phases)
        })
        .collect()
}

struct Filter {
    /// Taps of one phase; the middle is between the two in the middle.
    length: usize,
    taps: Vec<f32>,
}

impl Filter {
    fn new(from: u32, to: u32, phases: u64) -> Self {
        // In cycles per input sample: just below half of the lower rate.
        let lower = f64::from(from.min(to)) / f64::from(from);
        let cutoff = 0.5 * lower * PASSED;
        let half = (LOBES / lower).ceil() as usize;
        let length = 2 * half;
        let mut taps = Vec::with_capacity(length * phases as usize);
        for phase in 0..phases {
            let shift = phase as f64 / phases as f64;
            let first = taps.len();
            taps.extend((0..length).map(|tap| {
                let at = tap as f64 - (half as f64 - 1.0) - shift;
                (sinc(2.0 * cutoff * at) * blackman(at / half as f64)) as f32
            }));
            // Each phase passes a constant unchanged.
            let sum: f32 = taps[first..].iter().sum();
            for tap in &mut taps[first..] {
                *tap /= sum;
            }
        }
        Self { length, taps }
    }

    fn apply(&self, samples: &[f32], place: u64, phase: u64) -> f32 {
        let taps = self.taps.chunks_exact(self.length).nth(phase as usize);
        let first = place as i64 - (self.length as i64 / 2 - 1);
        let mut sum = 0.0;
        for (tap, at) in taps.unwrap_or_default().iter().zip(first..) {
            if let Some(sample) = usize::try_from(at).ok().and_then(|at| samples.get(at)) {
                sum += tap * sample;
            }
        }
        sum
    }
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 {
        1.0
    } else {
        (PI * x).sin() / (PI * x)
    }
}

/// The Blackman window over -1 to 1: 74 dB below in the stop band.
fn blackman(x: f64) -> f64 {
    if x.abs() >= 1.0 {
        return 0.0;
    }
    0.42 + 0.5 * (PI * x).cos() + 0.08 * (2.0 * PI * x).cos()
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

/// Zero crossings of the sinc at each side.
const LOBES: f64 = 24.0;
/// Share of the lower rate's band that is passed; telephones pass 3.4 of 4 kHz.
const PASSED: f64 = 0.92;

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, rate: u32) -> Vec<f32> {
        (0..rate)
            .map(|sample| (2.0 * PI * hertz * f64::from(sample) / f64::from(rate)).sin() as f32)
            .collect()
    }

    /// The loudest sample of the middle, in dB of full scale.
    fn loudness_db(samples: &[f32]) -> f32 {
        let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
        let peak = middle
            .iter()
            .fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        20.0 * peak.max(1e-9).log10()
    }

    #[test]
    fn speech_passes_and_what_would_fold_back_does_not() {
        for rate in [16_000, 22_050, 44_100, 48_000] {
            for hertz in [100.0, 1_000.0, 3_300.0] {
                let passed = loudness_db(&resample(&tone(hertz, rate), rate, 8_000));
                assert!(passed.abs() < 0.3, "{hertz} Hz at {rate}: {passed} dB");
            }
            for hertz in [4_500.0, 5_000.0, 7_000.0] {
                let folded = loudness_db(&resample(&tone(hertz, rate), rate, 8_000));
                assert!(folded < -55.0, "{hertz} Hz at {rate}: {folded} dB");
            }
        }
    }

    #[test]
    fn length_and_constants_are_kept() {
        let ones = vec![1.0; 44_100];
        let resampled = resample(&ones, 44_100, 8_000);
        assert_eq!(resampled.len(), 8_000);
        assert!((resampled[4_000] - 1.0).abs() < 1e-4);
        assert_eq!(resample(&ones[..600], 6_000, 8_000).len(), 800);
        assert!(resample(&[], 44_100, 8_000).is_empty());
    }
}
