//! The one stream that a leg hears: one source, one count, one clock, whoever feeds it.

use super::rtp::{Header, Stamp};
use std::time::Instant;

/// Stamps everything that goes to one leg, so that play, bridge and hold are one stream to it.
///
/// A relayed stream keeps its own gaps and disorder: its numbers are shifted, not counted anew.
#[derive(Clone, Debug)]
pub struct Outgoing {
    ssrc: u32,
    /// The newest that was sent.
    sequence: u16,
    timestamp: u32,
    sent_at: Option<Instant>,
    feed: Feed,
    packets: u32,
    bytes: u32,
}

/// Who feeds the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feed {
    /// Nobody, or somebody new: the next packet begins a talkspurt.
    Nobody,
    /// A player, packet by packet.
    Player,
    /// The stream of another leg, with what to add to its numbers.
    Relay {
        ssrc: u32,
        sequence_shift: u16,
        timestamp_shift: u32,
        /// Its newest packet, before shifting.
        sequence: u16,
        timestamp: u32,
        /// Packets since it began, up to a bound: later ones than these belong to its past.
        age: u16,
    },
}

/// What to do with a packet of another leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shifted {
    /// The first of a talkspurt.
    pub has_marker: bool,
    /// Its new sequence number.
    pub sequence: u16,
    /// Its new timestamp.
    pub timestamp: u32,
}

impl Outgoing {
    /// Begins a stream at numbers that nobody can guess (RFC 3550 §5.1).
    pub fn new(random: u64) -> Self {
        Self {
            ssrc: (random >> 32) as u32,
            sequence: (random >> 16) as u16 & 0x7fff,
            timestamp: (random as u32) << 8,
            sent_at: None,
            feed: Feed::Nobody,
            packets: 0,
            bytes: 0,
        }
    }

    /// The source that the leg hears.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets and payload bytes sent so far.
    pub fn sent(&self) -> (u32, u32) {
        (self.packets, self.bytes)
    }

    /// When the last packet was sent.
    pub fn sent_at(&self) -> Option<Instant> {
        self.sent_at
    }

    /// Lets the next packet begin a talkspurt.
    pub fn handle_switch(&mut self) {
        self.feed = Feed::Nobody;
    }

    /// The stream's clock at an instant, for sender reports.
    pub fn timestamp_at(&self, now: Instant) -> u32 {
        self.timestamp.wrapping_add(self.samples_since_sent(now))
    }

    /// Stamps the next packet of a player that holds `samples`.
    pub fn stamp_played(&mut self, now: Instant, samples: u32, payload_type: u8) -> Stamp {
        let has_marker = self.feed != Feed::Player;
        if self.sent_at.is_some() {
            let step = if has_marker {
                self.samples_since_sent(now).max(samples)
            } else {
                samples
            };
            self.timestamp = self.timestamp.wrapping_add(step);
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.feed = Feed::Player;
        self.note_sent(now, samples);
        Stamp {
            has_marker,
            payload_type,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        }
    }

    /// Stamps a packet of another leg; `None` when it belongs before the switch to that leg.
    pub fn stamp_relayed(&mut self, now: Instant, header: &Header) -> Option<Shifted> {
        if let Feed::Relay {
            ssrc,
            sequence_shift,
            timestamp_shift,
            sequence,
            timestamp,
            age,
        } = &mut self.feed
            && *ssrc == header.ssrc
        {
            let step = header.sequence.wrapping_sub(*sequence);
            if step < SEQUENCE_HALF {
                let elapsed = self.sent_at.map_or(0, |sent_at| samples(sent_at, now));
                let advance = header.timestamp.wrapping_sub(*timestamp);
                if step < STEP_MAX && advance <= elapsed.saturating_add(CLOCK_JUMP) {
                    *sequence = header.sequence;
                    *timestamp = header.timestamp;
                    *age = age.saturating_add(step);
                    let shifted = Shifted {
                        has_marker: header.has_marker,
                        sequence: header.sequence.wrapping_add(*sequence_shift),
                        timestamp: header.timestamp.wrapping_add(*timestamp_shift),
                    };
                    self.sequence = shifted.sequence;
                    self.timestamp = shifted.timestamp;
                    self.note_sent(now, header.payload.len() as u32);
                    return Some(shifted);
                }
            } else {
                let behind = sequence.wrapping_sub(header.sequence);
                if behind <= LATE_MAX {
                    if behind > *age {
                        return None;
                    }
                    let shifted = Shifted {
                        has_marker: header.has_marker,
                        sequence: header.sequence.wrapping_add(*sequence_shift),
                        timestamp: header.timestamp.wrapping_add(*timestamp_shift),
                    };
                    self.packets = self.packets.wrapping_add(1);
                    self.bytes = self.bytes.wrapping_add(header.payload.len() as u32);
                    return Some(shifted);
                }
            }
        }
        Some(self.begin_relay(now, header))
    }

    /// A packet of another leg is not passed on: its number is closed up, so it counts as no loss.
    pub fn skip_relayed(&mut self, header: &Header) {
        if let Feed::Relay {
            ssrc,
            sequence_shift,
            sequence,
            ..
        } = &mut self.feed
            && *ssrc == header.ssrc
            && header.sequence.wrapping_sub(*sequence) == 1
        {
            *sequence = header.sequence;
            *sequence_shift = sequence_shift.wrapping_sub(1);
        }
    }

    /// The timestamp of the other leg's clock as this leg hears it; `None` when it is not fed by it.
    pub fn translate_timestamp(&self, from_ssrc: u32, timestamp: u32) -> Option<u32> {
        match self.feed {
            Feed::Relay {
                ssrc,
                timestamp_shift,
                ..
            } if ssrc == from_ssrc => Some(timestamp.wrapping_add(timestamp_shift)),
            Feed::Relay { .. } | Feed::Nobody | Feed::Player => None,
        }
    }

    /// The other leg's sequence number that this leg heard as `sequence`.
    pub fn translate_sequence_back(&self, from_ssrc: u32, sequence: u16) -> Option<u16> {
        match self.feed {
            Feed::Relay {
                ssrc,
                sequence_shift,
                ..
            } if ssrc == from_ssrc => Some(sequence.wrapping_sub(sequence_shift)),
            Feed::Relay { .. } | Feed::Nobody | Feed::Player => None,
        }
    }

    /// Joins a new feed behind what was sent, as far as time went on.
    fn begin_relay(&mut self, now: Instant, header: &Header) -> Shifted {
        if self.sent_at.is_some() {
            let step = self.samples_since_sent(now).max(PACKET_SAMPLES);
            self.timestamp = self.timestamp.wrapping_add(step);
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.feed = Feed::Relay {
            ssrc: header.ssrc,
            sequence_shift: self.sequence.wrapping_sub(header.sequence),
            timestamp_shift: self.timestamp.wrapping_sub(header.timestamp),
            sequence: header.sequence,
            timestamp: header.timestamp,
            age: 0,
        };
        self.note_sent(now, header.payload.len() as u32);
        Shifted {
            has_marker: true,
            sequence: self.sequence,
            timestamp: self.timestamp,
        }
    }

    fn note_sent(&mut self, now: Instant, bytes: u32) {
        self.sent_at = Some(now);
        self.packets = self.packets.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(bytes);
    }

    fn samples_since_sent(&self, now: Instant) -> u32 {
        self.sent_at.map_or(0, |sent_at| samples(sent_at, now))
    }
}

/// Samples of 8 kHz between two instants.
pub fn samples(from: Instant, to: Instant) -> u32 {
    (to.saturating_duration_since(from).as_micros() / 125) as u32
}

/// Audio of one packet of 20 ms; the least step between two feeds.
pub const PACKET_SAMPLES: u32 = 160;
const SEQUENCE_HALF: u16 = 1 << 15;
/// A larger step in the sequence is a new count of the same source (RFC 3550 appendix A.1).
const STEP_MAX: u16 = 3_000;
/// A packet later than this is a new count of the same source (RFC 3550 appendix A.1).
const LATE_MAX: u16 = 100;
/// A clock that runs ahead of time by more than this was set anew: 10 s.
const CLOCK_JUMP: u32 = 80_000;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    struct Leg {
        outgoing: Outgoing,
        start: Instant,
    }

    fn leg() -> Leg {
        Leg {
            outgoing: Outgoing::new(0x1111_2222_3333_4444),
            start: Instant::now(),
        }
    }

    impl Leg {
        fn relay(&mut self, at: u64, ssrc: u32, sequence: u16, timestamp: u32) -> Option<Shifted> {
            let header = Header {
                has_marker: false,
                payload_type: 0,
                sequence,
                timestamp,
                ssrc,
                payload: 12..172,
            };
            let now = self.start + Duration::from_millis(at);
            self.outgoing.stamp_relayed(now, &header)
        }

        fn play(&mut self, at: u64) -> Stamp {
            let now = self.start + Duration::from_millis(at);
            self.outgoing.stamp_played(now, 160, 0)
        }
    }

    #[test]
    fn play_bridge_play_is_one_stream() {
        let mut leg = leg();
        let first = leg.play(0);
        let second = leg.play(20);
        assert!(first.has_marker && !second.has_marker);
        assert_eq!(second.sequence, first.sequence + 1);
        assert_eq!(second.timestamp, first.timestamp + 160);
        let bridged = leg.relay(60, 9, 50_000, 7).unwrap();
        assert!(bridged.has_marker);
        assert_eq!(bridged.sequence, second.sequence + 1);
        assert_eq!(bridged.timestamp, second.timestamp + 320, "40 ms went by");
        let next = leg.relay(80, 9, 50_001, 167).unwrap();
        assert!(!next.has_marker);
        assert_eq!(
            (next.sequence, next.timestamp),
            (bridged.sequence + 1, bridged.timestamp + 160)
        );
        leg.outgoing.handle_switch();
        let played = leg.play(1_080);
        assert!(played.has_marker);
        assert_eq!(played.sequence, next.sequence + 1);
        assert_eq!(played.timestamp, next.timestamp + 8_000);
    }

    #[test]
    fn gaps_and_disorder_of_a_relayed_stream_stay_as_they_are() {
        let mut leg = leg();
        let first = leg.relay(0, 9, 65_530, 0).unwrap();
        let sequences: Vec<i32> = [65_532_u16, 65_531, 3, 2]
            .into_iter()
            .map(|sequence| {
                let timestamp = u32::from(sequence.wrapping_sub(65_530)) * 160;
                let shifted = leg.relay(20, 9, sequence, timestamp).unwrap();
                assert_eq!(shifted.timestamp, first.timestamp.wrapping_add(timestamp));
                i32::from(shifted.sequence) - i32::from(first.sequence)
            })
            .collect();
        assert_eq!(sequences, [2, 1, 9, 8]);
    }

    #[test]
    fn packets_from_before_the_switch_are_left_out() {
        let mut leg = leg();
        leg.play(0);
        leg.relay(20, 9, 100, 16_000).unwrap();
        assert_eq!(leg.relay(21, 9, 99, 15_840), None);
        leg.relay(40, 9, 102, 16_320).unwrap();
        assert!(leg.relay(41, 9, 101, 16_160).is_some());
        assert_eq!(leg.relay(42, 9, 98, 15_680), None);
    }

    #[test]
    fn another_source_or_a_new_count_joins_behind() {
        let mut leg = leg();
        let mut last = leg.relay(0, 9, 100, 0).unwrap();
        for (at, ssrc, sequence, timestamp) in [
            (20, 10, 5, 999_999),
            (40, 10, 40_000, 0),
            (60, 10, 40_001, 0x8000_0000),
        ] {
            let next = leg.relay(at, ssrc, sequence, timestamp).unwrap();
            assert!(next.has_marker);
            assert_eq!(next.sequence, last.sequence + 1);
            assert_eq!(next.timestamp, last.timestamp + 160);
            last = next;
        }
    }

    #[test]
    fn a_packet_that_is_not_passed_on_leaves_no_gap() {
        let mut leg = leg();
        let first = leg.relay(0, 9, 100, 0).unwrap();
        let skipped = Header {
            has_marker: false,
            payload_type: 13,
            sequence: 101,
            timestamp: 160,
            ssrc: 9,
            payload: 12..13,
        };
        leg.outgoing.skip_relayed(&skipped);
        let next = leg.relay(40, 9, 102, 320).unwrap();
        assert_eq!(next.sequence, first.sequence + 1);
        assert_eq!(next.timestamp, first.timestamp + 320);
    }
}
