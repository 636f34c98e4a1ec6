//! WAV files of any rate and depth, turned to clips of 8 kHz.

use super::clip::{Clip, SAMPLES_MAX};
use super::resample::resample;
use hound::{SampleFormat, WavReader};
use std::io::Read;

/// Why a file is no clip.
#[derive(Debug, thiserror::Error)]
pub enum WavFault {
    /// Not a WAV file of plain samples, or cut off.
    #[error("not a WAV file of PCM samples, or damaged")]
    Unreadable(#[from] hound::Error),
    /// A rate that no recording has.
    #[error("sample rate {0} Hz is outside 4,000 to 192,000 Hz")]
    Rate(u32),
    /// No channel, or more than eight.
    #[error("{0} channels; 1 to 8 can be mixed")]
    Channels(u16),
    /// Longer than [`SAMPLES_MAX`] at 8 kHz.
    #[error("longer than ten minutes")]
    Long,
    /// There is nothing in it.
    #[error("no samples")]
    Empty,
}

/// Reads a WAV file: its channels are mixed to one, and its rate is brought to 8 kHz.
pub fn read<R: Read>(file: R) -> Result<Clip, WavFault> {
    let mut reader = WavReader::new(file)?;
    let spec = reader.spec();
    if !(RATE_MIN..=RATE_MAX).contains(&spec.sample_rate) {
        return Err(WavFault::Rate(spec.sample_rate));
    }
    if !(1..=CHANNELS_MAX).contains(&spec.channels) {
        return Err(WavFault::Channels(spec.channels));
    }
    let seconds_max = SAMPLES_MAX as u64 / u64::from(RATE);
    if u64::from(reader.duration()) > seconds_max * u64::from(spec.sample_rate) {
        return Err(WavFault::Long);
    }
    let samples = match spec.sample_format {
        SampleFormat::Float => mix(reader.samples::<f32>(), spec.channels)?,
        SampleFormat::Int => {
            let full_scale = (1_i64 << (spec.bits_per_sample.clamp(8, 32) - 1)) as f32;
            let samples = reader
                .samples::<i32>()
                .map(|sample| sample.map(|sample| sample as f32 / full_scale));
            mix(samples, spec.channels)?
        }
    };
    if samples.is_empty() {
        return Err(WavFault::Empty);
    }
    let samples: Vec<i16> = resample(&samples, spec.sample_rate, RATE)
        .into_iter()
        .map(|sample| (sample * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16)
        .collect();
    Ok(Clip::from_samples(&samples))
}

/// The mean of the channels, frame by frame; a frame that is cut off is left out.
fn mix(
    samples: impl Iterator<Item = Result<f32, hound::Error>>,
    channels: u16,
) -> Result<Vec<f32>, hound::Error> {
    let mut mixed = Vec::new();
    let mut frame = (0.0, 0);
    for sample in samples {
        let sample = sample?;
        // A float that is no number would spread to its neighbours in the filter.
        frame.0 += if sample.is_finite() { sample } else { 0.0 };
        frame.1 += 1;
        if frame.1 == channels {
            mixed.push(frame.0 / f32::from(channels));
            frame = (0.0, 0);
        }
    }
    Ok(mixed)
}

/// The rate of G.711.
const RATE: u32 = 8_000;
const RATE_MIN: u32 = 4_000;
const RATE_MAX: u32 = 192_000;
const CHANNELS_MAX: u16 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::g711;
    use crate::sdp::Codec;
    use hound::{WavSpec, WavWriter};
    use std::io::Cursor;

    /// Half a second of 1 kHz at half of full scale, in every channel.
    fn file(rate: u32, channels: u16, bits: u16, format: SampleFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let spec = WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: bits,
            sample_format: format,
        };
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        for sample in 0..rate / 2 {
            let phase = std::f32::consts::TAU * 1_000.0 * sample as f32 / rate as f32;
            for _ in 0..channels {
                let value = 0.5 * phase.sin();
                match format {
                    SampleFormat::Float => writer.write_sample(value).unwrap(),
                    SampleFormat::Int => {
                        let full_scale = (1_i64 << (bits - 1)) as f32 - 1.0;
                        writer.write_sample((value * full_scale) as i32).unwrap();
                    }
                }
            }
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    #[test]
    fn every_common_form_gives_the_same_tone() {
        for (rate, channels, bits, format) in [
            (8_000, 1, 16, SampleFormat::Int),
            (8_000, 2, 8, SampleFormat::Int),
            (11_025, 1, 16, SampleFormat::Int),
            (16_000, 1, 24, SampleFormat::Int),
            (44_100, 2, 16, SampleFormat::Int),
            (48_000, 2, 32, SampleFormat::Float),
            (96_000, 1, 32, SampleFormat::Int),
        ] {
            let clip = read(Cursor::new(file(rate, channels, bits, format))).unwrap();
            assert_eq!(clip.samples(), 4_000, "{rate}");
            let middle = clip
                .bytes(Codec::Pcmu)
                .iter()
                .enumerate()
                .skip(400)
                .take(3_200);
            for (at, byte) in middle {
                let phase = std::f32::consts::TAU * 1_000.0 * at as f32 / 8_000.0;
                let expected = 0.5 * phase.sin() * 32_767.0;
                let error = f32::from(g711::decode(Codec::Pcmu, *byte)) - expected;
                assert!(
                    error.abs() < 900.0,
                    "{rate} {channels} {bits} at {at}: {error}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_clip_is_said() {
        assert!(matches!(
            read(&b"RIFFnonsense"[..]),
            Err(WavFault::Unreadable(_))
        ));
        let empty = WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        for (spec, expected) in [
            (empty, "no samples"),
            (
                WavSpec {
                    sample_rate: 100,
                    ..empty
                },
                "sample rate 100",
            ),
            (
                WavSpec {
                    channels: 9,
                    ..empty
                },
                "9 channels",
            ),
        ] {
            let mut bytes = Cursor::new(Vec::new());
            WavWriter::new(&mut bytes, spec)
                .unwrap()
                .finalize()
                .unwrap();
            let fault = read(&bytes.get_ref()[..]).unwrap_err().to_string();
            assert!(fault.contains(expected), "{fault}");
        }
    }
}
