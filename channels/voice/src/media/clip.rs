//! Audio to be played: encoded once, shared by all who hear it.

use super::g711;
use crate::sdp::Codec;
use std::sync::Arc;
use std::time::Duration;

/// A piece of audio at 8 kHz, encoded in both laws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clip {
    pcmu: Box<[u8]>,
    pcma: Box<[u8]>,
}

impl Clip {
    /// Encodes samples of 8 kHz.
    pub fn from_samples(samples: &[i16]) -> Self {
        let encode = |codec: Codec| {
            samples
                .iter()
                .map(|sample| g711::encode(codec, *sample))
                .collect()
        };
        Self {
            pcmu: encode(Codec::Pcmu),
            pcma: encode(Codec::Pcma),
        }
    }

    /// Silence of a length.
    pub fn silence(duration: Duration) -> Self {
        let samples = usize::try_from(duration.as_micros() / 125).unwrap_or(0);
        Self::from_samples(&vec![0; samples.min(SAMPLES_MAX)])
    }

    /// Its bytes in a codec.
    pub fn bytes(&self, codec: Codec) -> &[u8] {
        match codec {
            Codec::Pcmu => &self.pcmu,
            Codec::Pcma => &self.pcma,
        }
    }

    /// Its length in samples.
    pub fn samples(&self) -> usize {
        self.pcmu.len()
    }

    /// Its length in time.
    pub fn duration(&self) -> Duration {
        Duration::from_micros(self.samples() as u64 * 125)
    }
}

/// Several clips, played one after the other.
pub type Clips = Arc<[Arc<Clip>]>;

/// What happens at the end of the last clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It is over.
    Once,
    /// It begins again.
    Forever,
}

/// Where playing begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the beginning.
    Beginning,
    /// Where everybody else who hears these clips is: music on hold that runs for all alike.
    Shared,
}

/// How far somebody has heard some clips.
#[derive(Clone, Debug)]
pub struct Player {
    clips: Clips,
    repeat: Repeat,
    clip: usize,
    offset: usize,
}

/// Whether a player goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more.
    Playing,
    /// That was the last of it.
    Ended,
}

impl Player {
    /// Begins, `skipped` samples from the start (counted around when it repeats).
    pub fn new(clips: Clips, repeat: Repeat, skipped: u64) -> Self {
        let total: u64 = clips.iter().map(|clip| clip.samples() as u64).sum();
        let mut offset = match repeat {
            Repeat::Once => skipped.min(total),
            Repeat::Forever => skipped.checked_rem(total).unwrap_or(0),
        } as usize;
        let mut clip = 0;
        while let Some(samples) = clips.get(clip).map(|clip| clip.samples())
            && offset >= samples
        {
            offset -= samples;
            clip += 1;
        }
        Self {
            clips,
            repeat,
            clip,
            offset,
        }
    }

    /// Fills a packet; what is behind the end is silence.
    pub fn fill(&mut self, codec: Codec, packet: &mut [u8]) -> Progress {
        let mut filled = 0;
        let mut is_anew = false;
        while filled < packet.len() {
            let Some(clip) = self.clips.get(self.clip) else {
                // Clips without a sample would be begun again for ever.
                if self.repeat == Repeat::Once || is_anew {
                    packet[filled..].fill(g711::silence(codec));
                    return Progress::Ended;
                }
                is_anew = true;
                self.clip = 0;
                self.offset = 0;
                continue;
            };
            let rest = clip.bytes(codec).get(self.offset..).unwrap_or_default();
            let take = rest.len().min(packet.len() - filled);
            packet[filled..filled + take].copy_from_slice(&rest[..take]);
            filled += take;
            self.offset += take;
            is_anew &= take == 0;
            if take == rest.len() {
                self.clip += 1;
                self.offset = 0;
            }
        }
        if self.clip >= self.clips.len() && self.repeat == Repeat::Once {
            Progress::Ended
        } else {
            Progress::Playing
        }
    }
}

/// Longest clip: ten minutes.
pub const SAMPLES_MAX: usize = 8_000 * 600;

#[cfg(test)]
mod tests {
    use super::*;

    fn clips(lengths: &[usize]) -> Clips {
        lengths
            .iter()
            .zip(1..)
            .map(|(length, mark)| Arc::new(Clip::from_samples(&vec![mark * 1_000; *length])))
            .collect()
    }

    /// Plays packets of 4 samples and gives which clip each sample came from, `.` for silence.
    fn heard(player: &mut Player, packets: usize) -> (String, Progress) {
        let mut text = String::new();
        let mut progress = Progress::Playing;
        for _ in 0..packets {
            let mut packet = [0; 4];
            progress = player.fill(Codec::Pcma, &mut packet);
            for byte in packet {
                let sample = g711::decode(Codec::Pcma, byte);
                text.push(match (i32::from(sample) + 100) / 1_000 {
                    0 => '.',
                    mark => char::from_digit(mark as u32, 10).unwrap(),
                });
            }
        }
        (text, progress)
    }

    #[test]
    fn clips_follow_one_another_without_a_seam() {
        let mut player = Player::new(clips(&[3, 0, 6]), Repeat::Once, 0);
        assert_eq!(
            heard(&mut player, 2),
            ("11133333".into(), Progress::Playing)
        );
        assert_eq!(heard(&mut player, 1), ("3...".into(), Progress::Ended));
    }

    #[test]
    fn the_end_is_told_with_the_last_sample() {
        let mut player = Player::new(clips(&[4]), Repeat::Once, 0);
        assert_eq!(heard(&mut player, 1), ("1111".into(), Progress::Ended));
    }

    #[test]
    fn a_loop_begins_again_and_can_be_joined_anywhere() {
        let mut player = Player::new(clips(&[3, 3]), Repeat::Forever, 0);
        assert_eq!(
            heard(&mut player, 3),
            ("111222111222".into(), Progress::Playing)
        );
        let mut player = Player::new(clips(&[3, 3]), Repeat::Forever, 6_004);
        assert_eq!(heard(&mut player, 1).0, "2211");
    }

    #[test]
    fn nothing_to_play_ends_at_once() {
        for repeat in [Repeat::Once, Repeat::Forever] {
            for lengths in [&[][..], &[0, 0][..]] {
                let mut player = Player::new(clips(lengths), repeat, 7);
                assert_eq!(heard(&mut player, 1), ("....".into(), Progress::Ended));
            }
        }
    }

    #[test]
    fn silence_has_its_length() {
        let clip = Clip::silence(Duration::from_millis(250));
        assert_eq!(clip.samples(), 2_000);
        assert_eq!(clip.duration(), Duration::from_millis(250));
        assert!(clip.bytes(Codec::Pcmu).iter().all(|byte| *byte == 0xff));
    }
}
