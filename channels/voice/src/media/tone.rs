//! The tones of the telephone network, per region (ITU-T E.180 supplement 2).

use super::clip::Clip;
use std::f64::consts::TAU;

/// Whose tones callers know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Region {
    /// ETSI TR 101 041: one frequency; most of Europe and many others.
    #[default]
    Europe,
    /// The United States and Canada.
    NorthAmerica,
    /// Taiwan.
    Taiwan,
    /// The United Kingdom.
    UnitedKingdom,
    /// Japan.
    Japan,
}

impl Region {
    /// The region of a country's code (ISO 3166-1 alpha-2); Europe's tones for all others.
    pub fn of_country(code: &str) -> Self {
        match code.to_ascii_uppercase().as_str() {
            "US" | "CA" => Self::NorthAmerica,
            "TW" => Self::Taiwan,
            "GB" => Self::UnitedKingdom,
            "JP" => Self::Japan,
            _ => Self::Europe,
        }
    }
}

/// What a tone says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// The other telephone rings.
    Ringback,
    /// The other telephone is in use.
    Busy,
    /// Now speak: one tone of an answering machine.
    Speak,
}

/// One turn of a tone; those of the network are played for ever.
pub fn make(tone: Tone, region: Region) -> Clip {
    let (frequencies, cadence) = pattern(tone, region);
    let mut samples = Vec::new();
    for (on_ms, off_ms) in cadence {
        let length = on_ms * SAMPLES_PER_MS;
        samples.extend((0..length).map(|sample| {
            let edge = sample.min(length - 1 - sample).min(RAMP) as f64 / RAMP as f64;
            sample_of(frequencies, sample) * edge
        }));
        samples.extend(std::iter::repeat_n(0.0, (off_ms * SAMPLES_PER_MS) as usize));
    }
    let samples: Vec<i16> = samples
        .into_iter()
        .map(|sample| (sample * LOUDNESS) as i16)
        .collect();
    Clip::from_samples(&samples)
}

/// Frequencies in Hz, and (on, off) in milliseconds.
type Pattern = (&'static [f64], &'static [(u32, u32)]);

fn pattern(tone: Tone, region: Region) -> Pattern {
    match (tone, region) {
        (Tone::Ringback, Region::Europe) => (&[425.0], &[(1_000, 4_000)]),
        (Tone::Ringback, Region::NorthAmerica) => (&[440.0, 480.0], &[(2_000, 4_000)]),
        (Tone::Ringback, Region::Taiwan) => (&[440.0, 480.0], &[(1_000, 2_000)]),
        (Tone::Ringback, Region::UnitedKingdom) => (&[400.0, 450.0], &[(400, 200), (400, 2_000)]),
        (Tone::Ringback, Region::Japan) => (&[384.0, 416.0], &[(1_000, 2_000)]),
        (Tone::Busy, Region::Europe) => (&[425.0], &[(500, 500)]),
        (Tone::Busy, Region::NorthAmerica | Region::Taiwan) => (&[480.0, 620.0], &[(500, 500)]),
        (Tone::Busy, Region::UnitedKingdom) => (&[400.0], &[(375, 375)]),
        (Tone::Busy, Region::Japan) => (&[400.0], &[(500, 500)]),
        (
            Tone::Speak,
            Region::Europe
            | Region::NorthAmerica
            | Region::Taiwan
            | Region::UnitedKingdom
            | Region::Japan,
        ) => (&[850.0], &[(300, 100)]),
    }
}

/// The mean of the frequencies at one sample.
fn sample_of(frequencies: &[f64], sample: u32) -> f64 {
    let sum: f64 = frequencies
        .iter()
        .map(|frequency| (TAU * frequency * f64::from(sample) / 8_000.0).sin())
        .sum();
    sum / frequencies.len().max(1) as f64
}

const SAMPLES_PER_MS: u32 = 8;
/// Edges of 5 ms, so that a tone begins without a click.
const RAMP: u32 = 40;
/// 13 dB below full scale.
const LOUDNESS: f64 = 7_300.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::g711;
    use crate::sdp::Codec;

    #[test]
    fn every_tone_has_its_cadence_and_its_frequencies() {
        for (tone, region, millis, on_ms, hertz) in [
            (Tone::Ringback, Region::Europe, 5_000, 1_000, 425.0),
            (Tone::Ringback, Region::NorthAmerica, 6_000, 2_000, 480.0),
            (Tone::Ringback, Region::Taiwan, 3_000, 1_000, 440.0),
            (Tone::Ringback, Region::UnitedKingdom, 3_000, 400, 450.0),
            (Tone::Ringback, Region::Japan, 3_000, 1_000, 416.0),
            (Tone::Busy, Region::Europe, 1_000, 500, 425.0),
            (Tone::Busy, Region::Taiwan, 1_000, 500, 620.0),
            (Tone::Busy, Region::NorthAmerica, 1_000, 500, 480.0),
            (Tone::Busy, Region::UnitedKingdom, 750, 375, 400.0),
            (Tone::Busy, Region::Japan, 1_000, 500, 400.0),
            (Tone::Speak, Region::Taiwan, 400, 300, 850.0),
        ] {
            let clip = make(tone, region);
            assert_eq!(clip.samples(), millis * 8);
            let samples: Vec<f64> = clip
                .bytes(Codec::Pcmu)
                .iter()
                .map(|byte| f64::from(g711::decode(Codec::Pcmu, *byte)))
                .collect();
            let on = &samples[..on_ms * 8];
            assert!(strength(on, hertz) > 3_000.0, "{tone:?} {region:?}");
            assert!(strength(on, 1_000.0) < 300.0, "{tone:?} {region:?}");
            assert!(
                samples[on_ms * 8..on_ms * 8 + 800]
                    .iter()
                    .all(|sample| *sample == 0.0)
            );
        }
    }

    /// The amplitude of one frequency (a single bin of the Fourier transform).
    fn strength(samples: &[f64], hertz: f64) -> f64 {
        let (mut real, mut imaginary) = (0.0, 0.0);
        for (sample, at) in samples.iter().zip(0_u32..) {
            let phase = TAU * hertz * f64::from(at) / 8_000.0;
            real += sample * phase.cos();
            imaginary += sample * phase.sin();
        }
        2.0 * (real * real + imaginary * imaginary).sqrt() / samples.len() as f64
    }

    #[test]
    fn countries_have_their_regions() {
        assert_eq!(Region::of_country("tw"), Region::Taiwan);
        assert_eq!(Region::of_country("US"), Region::NorthAmerica);
        assert_eq!(Region::of_country("DE"), Region::Europe);
    }
}
