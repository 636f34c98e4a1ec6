//! The audio of all legs of one side: one socket, a frame every 20 ms and leg.

use std::time::{Duration, Instant};

/// Audio is sent in so many groups, one a millisecond, so that the load is even.
pub(super) const GROUPS: usize = 20;

/// Time between two groups.
pub(super) const GROUP_TIME: Duration = Duration::from_millis(1);

/// An RTP header and 20 ms of G.711.
const FRAME_BYTES: usize = 12 + 160;

/// Marks a frame as one of ours.
const MARK: &[u8; 4] = b"RDLD";

/// What a frame of ours says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The leg that sent it.
    pub(super) leg: u32,
    /// Its number within that leg.
    pub(super) number: u32,
    /// When it was sent, since the run began.
    pub(super) sent: Duration,
}

/// A frame of G.711 that carries a stamp.
pub(super) fn frame(stamp: Stamp) -> [u8; FRAME_BYTES] {
    let mut bytes = [0xd5; FRAME_BYTES];
    bytes[0] = 0x80;
    bytes[1] = if stamp.number == 0 { 0x80 } else { 0 };
    bytes[2..4].copy_from_slice(&(stamp.number as u16).to_be_bytes());
    bytes[4..8].copy_from_slice(&stamp.number.wrapping_mul(160).to_be_bytes());
    bytes[8..12].copy_from_slice(&(0x4c44_0000 + stamp.leg).to_be_bytes());
    bytes[12..16].copy_from_slice(MARK);
    bytes[16..20].copy_from_slice(&stamp.leg.to_be_bytes());
    bytes[20..24].copy_from_slice(&stamp.number.to_be_bytes());
    bytes[24..32].copy_from_slice(
        &u64::try_from(stamp.sent.as_nanos())
            .unwrap_or(u64::MAX)
            .to_be_bytes(),
    );
    bytes
}

/// The stamp of a frame; `None` when it is not one of ours.
pub(super) fn stamp_of(packet: &[u8]) -> Option<Stamp> {
    let payload = packet.get(12..)?;
    if payload.get(..4)? != MARK {
        return None;
    }
    let number = |at: usize| {
        Some(u32::from_be_bytes(
            payload.get(at..at + 4)?.try_into().ok()?,
        ))
    };
    let sent = u64::from_be_bytes(payload.get(12..20)?.try_into().ok()?);
    Some(Stamp {
        leg: number(4)?,
        number: number(8)?,
        sent: Duration::from_nanos(sent),
    })
}

/// Paces the groups.
#[derive(Debug)]
pub(super) struct Metronome {
    next: Instant,
    group: usize,
}

impl Metronome {
    /// Begins now.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            next: now,
            group: 0,
        }
    }

    /// When the next group is due.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// The group that is due, and how late it is.
    pub(super) fn tick(&mut self, now: Instant) -> Option<(usize, Duration)> {
        let late = now.checked_duration_since(self.next)?;
        let group = self.group;
        self.group = (group + 1) % GROUPS;
        self.next += GROUP_TIME;
        Some((group, late))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_comes_back_and_music_has_none() {
        let stamp = Stamp {
            leg: 7,
            number: 70_000,
            sent: Duration::from_micros(5),
        };
        assert_eq!(stamp_of(&frame(stamp)), Some(stamp));
        assert_eq!(stamp_of(&[0xff; FRAME_BYTES]), None);
        assert_eq!(stamp_of(&[0x80; 5]), None);
    }
}
