//! What was received of one source: order, loss and jitter (RFC 3550 appendix A).

use super::rtcp::Block;

/// The state of one source, as RFC 3550 appendix A.1 keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reception {
    ssrc: u32,
    base_sequence: u32,
    highest_sequence: u16,
    cycles: u32,
    /// The sequence number that would prove a jump to be a restart.
    awaited_sequence: Option<u16>,
    received: u32,
    expected_before: u32,
    received_before: u32,
    transit: Option<u32>,
    /// Sixteen times the jitter, as appendix A.8 keeps it.
    jitter_scaled: u32,
}

/// What a packet is among those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The newest.
    Next,
    /// Late, or a second copy.
    Late,
    /// The first of a new count by the same source.
    Restarted,
    /// Far from the others; not counted until the next one confirms it.
    Stray,
}

impl Reception {
    /// Begins with the first packet of a source.
    pub fn new(ssrc: u32, sequence: u16) -> Self {
        Self {
            ssrc,
            base_sequence: u32::from(sequence),
            highest_sequence: sequence.wrapping_sub(1),
            cycles: if sequence == 0 {
                // The packet before the first belongs to the cycle before.
                0_u32.wrapping_sub(1 << 16)
            } else {
                0
            },
            awaited_sequence: None,
            received: 0,
            expected_before: 0,
            received_before: 0,
            transit: None,
            jitter_scaled: 0,
        }
    }

    /// The source.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Appendix A.1: puts a packet in its place.
    pub fn handle_sequence(&mut self, sequence: u16) -> Place {
        let step = sequence.wrapping_sub(self.highest_sequence);
        let place = if step != 0 && step < DROPOUT_MAX {
            if sequence < self.highest_sequence {
                self.cycles = self.cycles.wrapping_add(1 << 16);
            }
            self.highest_sequence = sequence;
            Place::Next
        } else if step == 0 || step > u16::MAX - MISORDER_MAX {
            Place::Late
        } else if self.awaited_sequence == Some(sequence) {
            let jitter_scaled = self.jitter_scaled;
            *self = Self::new(self.ssrc, sequence);
            self.jitter_scaled = jitter_scaled;
            self.handle_sequence(sequence);
            return Place::Restarted;
        } else {
            self.awaited_sequence = Some(sequence.wrapping_add(1));
            return Place::Stray;
        };
        self.received = self.received.wrapping_add(1);
        place
    }

    /// Appendix A.8: `arrival` is when the packet came, in the units of its timestamp.
    pub fn handle_arrival(&mut self, arrival: u32, timestamp: u32) {
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let difference = (transit.wrapping_sub(before) as i32).unsigned_abs();
            // A jump of the clock is no jitter.
            if difference < CLOCK_JUMP {
                self.jitter_scaled = self
                    .jitter_scaled
                    .saturating_add(difference)
                    .saturating_sub((self.jitter_scaled + 8) >> 4);
            }
        }
    }

    /// Packets that came.
    pub fn received(&self) -> u32 {
        self.received
    }

    /// Appendix A.3: packets that did not come; negative when some came twice.
    pub fn lost(&self) -> i32 {
        self.expected().wrapping_sub(self.received) as i32
    }

    /// Interarrival jitter, in units of the timestamp.
    pub fn jitter(&self) -> u32 {
        self.jitter_scaled >> 4
    }

    /// The highest sequence number, with its cycles.
    pub fn highest_sequence(&self) -> u32 {
        self.cycles.wrapping_add(u32::from(self.highest_sequence))
    }

    /// Appendix A.3: the block of the next report; the loss since the last one begins anew.
    pub fn report(&mut self) -> Block {
        let expected = self.expected();
        let expected_since = expected.wrapping_sub(self.expected_before);
        let received_since = self.received.wrapping_sub(self.received_before);
        self.expected_before = expected;
        self.received_before = self.received;
        let lost_since = expected_since.saturating_sub(received_since);
        let fraction_lost = (u64::from(lost_since) << 8)
            .checked_div(u64::from(expected_since))
            .unwrap_or(0);
        Block {
            ssrc: self.ssrc,
            fraction_lost: u8::try_from(fraction_lost).unwrap_or(u8::MAX),
            lost: self.lost(),
            highest_sequence: self.highest_sequence(),
            jitter: self.jitter(),
            last_report: 0,
            delay: 0,
        }
    }

    fn expected(&self) -> u32 {
        self.highest_sequence()
            .wrapping_sub(self.base_sequence)
            .wrapping_add(1)
    }
}

/// RFC 3550 appendix A.1: a gap this long is a restart.
const DROPOUT_MAX: u16 = 3_000;
/// RFC 3550 appendix A.1: a packet this late is still one of ours.
const MISORDER_MAX: u16 = 100;
/// Differences of transit above one second of 8 kHz come from a clock that was set anew.
const CLOCK_JUMP: u32 = 8_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn received(sequences: &[u16]) -> (Reception, Vec<Place>) {
        let mut reception = Reception::new(1, sequences[0]);
        let places = sequences
            .iter()
            .map(|sequence| reception.handle_sequence(*sequence))
            .collect();
        (reception, places)
    }

    #[test]
    fn loss_is_counted_across_the_wrap() {
        let (mut reception, places) = received(&[65_534, 65_535, 1, 2]);
        assert!(places.iter().all(|place| *place == Place::Next));
        assert_eq!(reception.lost(), 1);
        assert_eq!(reception.highest_sequence(), 65_538);
        let block = reception.report();
        assert_eq!((block.lost, block.fraction_lost), (1, 51));
        assert_eq!(reception.report().fraction_lost, 0, "nothing lost since");
    }

    #[test]
    fn starting_at_zero_is_no_cycle() {
        let (reception, _) = received(&[0, 1, 2]);
        assert_eq!((reception.highest_sequence(), reception.lost()), (2, 0));
    }

    #[test]
    fn late_and_double_packets_are_late() {
        let (reception, places) = received(&[10, 12, 11, 12]);
        assert_eq!(places[2..], [Place::Late, Place::Late]);
        assert_eq!(reception.lost(), -1);
    }

    #[test]
    fn a_jump_counts_only_when_the_next_packet_confirms_it() {
        let (reception, places) = received(&[10, 11, 30_000, 12, 40_000, 40_001, 40_002]);
        assert_eq!(
            places[2..],
            [
                Place::Stray,
                Place::Next,
                Place::Stray,
                Place::Restarted,
                Place::Next
            ]
        );
        assert_eq!((reception.received(), reception.lost()), (2, 0));
    }

    #[test]
    fn jitter_follows_appendix_a8() {
        let mut reception = Reception::new(1, 0);
        for packet in 0..1_000_u32 {
            // Every other packet is 80 samples late: the jitter settles near 80.
            let late = if packet % 2 == 0 { 0 } else { 80 };
            reception.handle_arrival(packet * 160 + late, packet * 160);
        }
        assert!(
            (78..=80).contains(&reception.jitter()),
            "{}",
            reception.jitter()
        );
        let before = reception.jitter();
        reception.handle_arrival(0, 0x7000_0000);
        assert_eq!(reception.jitter(), before, "a clock set anew is no jitter");
    }
}
