//! A recording: packets of a tap become a WAV file of 16-bit samples, a gap becomes silence.
//!
//! Time is the timestamps' alone. The file is whole after every second, so that what was said is not lost
//! with the process.

use super::g711;
use super::tap::TapFrame;
use hound::{SampleFormat, WavSpec, WavWriter};
use std::io::{Seek, Write};
use std::time::Duration;

/// When a recording ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordingLimits {
    /// Its longest.
    pub length_max: Duration,
    /// The longest silence in it.
    pub silence_max: Duration,
}

/// How a recording came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingEnd {
    /// The tap was taken off, or the leg is over.
    Stopped,
    /// Nobody has spoken for long.
    Silent,
    /// It is as long as it may be.
    Full,
}

/// What was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its length.
    pub duration: Duration,
    /// The time up to the last sound in it; zero when there was none.
    pub voiced: Duration,
}

/// A recording at work.
pub struct Recording<W: Write + Seek> {
    writer: WavWriter<W>,
    length_max: u32,
    silence_max: u32,
    /// The source, and the timestamp that comes next.
    stream: Option<(u32, u32)>,
    samples: u32,
    voiced: u32,
    flushed: u32,
}

impl<W: Write + Seek> Recording<W> {
    /// Begins a file.
    pub fn new(file: W, limits: RecordingLimits) -> Result<Self, hound::Error> {
        let spec = WavSpec {
            channels: 1,
            sample_rate: RATE,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        Ok(Self {
            writer: WavWriter::new(file, spec)?,
            length_max: samples_of(limits.length_max),
            silence_max: samples_of(limits.silence_max),
            stream: None,
            samples: 0,
            voiced: 0,
            flushed: 0,
        })
    }

    /// Takes a packet; tells when that was the end. What comes later than its place is left out.
    pub fn take(&mut self, frame: &TapFrame) -> Result<Option<RecordingEnd>, hound::Error> {
        let gap = match self.stream {
            Some((ssrc, next)) if ssrc == frame.ssrc => frame.timestamp.wrapping_sub(next),
            Some(_) | None => 0,
        };
        if gap > u32::MAX / 2 {
            return Ok(None);
        }
        // A clock that jumps is no silence.
        let gap = if gap > GAP_MAX { 0 } else { gap };
        for _ in 0..gap {
            self.write(0)?;
        }
        let mut loudness = 0_u64;
        for byte in &frame.payload {
            let sample = g711::decode(frame.codec, *byte);
            loudness += u64::from(sample.unsigned_abs());
            self.write(sample)?;
        }
        let length = u32::try_from(frame.payload.len()).unwrap_or(0);
        self.stream = Some((frame.ssrc, frame.timestamp.wrapping_add(length)));
        if loudness > QUIET * u64::from(length) {
            self.voiced = self.samples;
        }
        if self.samples - self.flushed >= RATE {
            self.writer.flush()?;
            self.flushed = self.samples;
        }
        Ok(self.end())
    }

    /// Ends the file.
    pub fn finish(self) -> Result<Recorded, hound::Error> {
        let recorded = Recorded {
            duration: duration_of(self.samples),
            voiced: duration_of(self.voiced),
        };
        self.writer.finalize()?;
        Ok(recorded)
    }

    fn end(&self) -> Option<RecordingEnd> {
        if self.samples >= self.length_max {
            Some(RecordingEnd::Full)
        } else if self.samples - self.voiced >= self.silence_max {
            Some(RecordingEnd::Silent)
        } else {
            None
        }
    }

    fn write(&mut self, sample: i16) -> Result<(), hound::Error> {
        if self.samples < self.length_max {
            self.samples += 1;
            self.writer.write_sample(sample)?;
        }
        Ok(())
    }
}

fn samples_of(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros() / 125).unwrap_or(u32::MAX)
}

fn duration_of(samples: u32) -> Duration {
    Duration::from_micros(u64::from(samples) * 125)
}

/// Samples a second of G.711.
const RATE: u32 = 8_000;

/// Longest gap that is filled; beyond it the peer's clock has jumped.
const GAP_MAX: u32 = 10 * RATE;

/// Mean amplitude up to which nobody speaks: 42 dB below full scale, above the noise of telephone lines.
const QUIET: u64 = 260;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::Codec;
    use hound::WavReader;
    use std::io::Cursor;

    const LIMITS: RecordingLimits = RecordingLimits {
        length_max: Duration::from_secs(3),
        silence_max: Duration::from_secs(1),
    };

    /// A packet of 20 ms, the `number`th of its source.
    fn frame(codec: Codec, ssrc: u32, number: u32, sample: i16) -> TapFrame {
        TapFrame {
            codec,
            ssrc,
            timestamp: (number * 160).wrapping_sub(320),
            payload: vec![g711::encode(codec, sample); 160].into(),
        }
    }

    /// What a recording of these packets holds, and where it ended.
    fn record(frames: &[TapFrame]) -> (Vec<i16>, Recorded, Option<RecordingEnd>) {
        let mut bytes = Cursor::new(Vec::new());
        let mut recording = Recording::new(&mut bytes, LIMITS).unwrap();
        let mut end = None;
        for frame in frames {
            end = end.or(recording.take(frame).unwrap());
        }
        let recorded = recording.finish().unwrap();
        let reader = WavReader::new(Cursor::new(bytes.into_inner())).unwrap();
        let samples = reader.into_samples::<i16>().map(Result::unwrap).collect();
        (samples, recorded, end)
    }

    #[test]
    fn packets_of_either_law_become_samples_and_a_gap_becomes_silence() {
        for codec in Codec::ALL {
            let numbers = [0, 1, 4, 3, 5];
            let frames = numbers.map(|number| frame(codec, 7, number, 8_000));
            let (samples, recorded, end) = record(&frames);
            assert_eq!(end, None);
            // The fourth came too late for its place.
            assert_eq!(samples.len(), 6 * 160);
            let loud = g711::decode(codec, g711::encode(codec, 8_000));
            for (place, wanted) in [(0, loud), (1, loud), (2, 0), (3, 0), (4, loud), (5, loud)] {
                let packet = &samples[place * 160..(place + 1) * 160];
                assert!(packet.iter().all(|it| *it == wanted), "{codec:?} {place}");
            }
            assert_eq!(recorded.duration, Duration::from_millis(120));
            assert_eq!(recorded.voiced, recorded.duration);
        }
    }

    #[test]
    fn another_source_goes_on_where_the_last_one_ended() {
        let frames = [
            frame(Codec::Pcma, 1, 0, 8_000),
            frame(Codec::Pcma, 2, 900, 8_000),
            // A clock that jumps by an hour.
            frame(Codec::Pcma, 2, 180_000, 8_000),
        ];
        assert_eq!(record(&frames).0.len(), 3 * 160);
    }

    #[test]
    fn silence_and_length_end_it() {
        let speaks = |number| frame(Codec::Pcmu, 1, number, 5_000);
        let says_nothing = |number| frame(Codec::Pcmu, 1, number, 40);
        let silent: Vec<_> = (0..10)
            .map(speaks)
            .chain((10..60).map(says_nothing))
            .collect();
        let (samples, recorded, end) = record(&silent);
        assert_eq!(end, Some(RecordingEnd::Silent));
        assert_eq!(recorded.voiced, Duration::from_millis(200));
        assert_eq!(samples.len(), 60 * 160);
        let (samples, recorded, end) = record(&(0..200).map(speaks).collect::<Vec<_>>());
        assert_eq!(end, Some(RecordingEnd::Full));
        assert_eq!(recorded.duration, LIMITS.length_max);
        assert_eq!(samples.len(), 24_000);
    }

    #[test]
    fn the_file_is_whole_every_second() {
        let path = std::env::temp_dir().join(format!("ringdown-recording-{}", std::process::id()));
        let mut recording = Recording::new(std::fs::File::create(&path).unwrap(), LIMITS).unwrap();
        for number in 0..60 {
            recording
                .take(&frame(Codec::Pcmu, 1, number, 5_000))
                .unwrap();
        }
        // The process dies here.
        std::mem::forget(recording);
        let found = WavReader::open(&path).unwrap();
        assert!(found.duration() >= 8_000, "{}", found.duration());
        std::fs::remove_file(path).unwrap();
    }
}
