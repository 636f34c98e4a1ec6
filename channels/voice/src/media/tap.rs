//! Taps: what a port's peer says, also heard by somebody beside the bridge (recording, monitoring).
//!
//! A port hands each packet of audio to its taps as it came, before anything is stamped or transcoded. A
//! tap never waits: a reader who does not keep up loses packets, which are counted and leave a gap in the
//! timestamps. A tap ends when its port closes or is told so, and when its reader has gone.

use crate::sdp::Codec;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};

/// One tap, in the opener's own numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TapId(pub u64);

/// The end of a tap that is put on a port.
#[derive(Clone, Debug)]
pub struct Tap {
    id: TapId,
    frames: SyncSender<TapFrame>,
    lost: Arc<AtomicU64>,
}

/// The end of a tap that is read; nothing more comes when the other end is gone.
#[derive(Debug)]
pub struct Tapped {
    /// The packets, in the order in which they came.
    pub frames: Receiver<TapFrame>,
    lost: Arc<AtomicU64>,
}

/// The audio of one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapFrame {
    /// How it is encoded.
    pub codec: Codec,
    /// The source; with another one the timestamps begin anew.
    pub ssrc: u32,
    /// Its first sample, on the source's clock of 8 kHz.
    pub timestamp: u32,
    /// The samples, a byte each.
    pub payload: Box<[u8]>,
}

/// Whether a tap is still read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// It is.
    Listens,
    /// Nobody will read it any more.
    Gone,
}

/// A tap of which at most `frames_max` packets wait to be read.
pub fn tap(id: TapId, frames_max: usize) -> (Tap, Tapped) {
    let (frames, receiver) = mpsc::sync_channel(frames_max);
    let lost = Arc::new(AtomicU64::new(0));
    let tap = Tap {
        id,
        frames,
        lost: Arc::clone(&lost),
    };
    let tapped = Tapped {
        frames: receiver,
        lost,
    };
    (tap, tapped)
}

impl Tap {
    /// Its number.
    pub fn id(&self) -> TapId {
        self.id
    }

    /// Hands a packet on, or counts it as lost.
    pub(super) fn take(&self, frame: TapFrame) -> Reader {
        match self.frames.try_send(frame) {
            Ok(()) => Reader::Listens,
            Err(TrySendError::Full(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                Reader::Listens
            }
            Err(TrySendError::Disconnected(_)) => Reader::Gone,
        }
    }
}

impl Tapped {
    /// Packets that the reader was too slow for.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Most taps of one port; what is put on beyond them ends at once.
pub(super) const TAPS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(timestamp: u32) -> TapFrame {
        TapFrame {
            codec: Codec::Pcmu,
            ssrc: 1,
            timestamp,
            payload: Box::default(),
        }
    }

    #[test]
    fn a_reader_who_does_not_keep_up_loses_packets_and_is_told_how_many() {
        let (tap, tapped) = tap(TapId(1), 2);
        for timestamp in 0..5 {
            assert_eq!(tap.take(frame(timestamp)), Reader::Listens);
        }
        let read: Vec<u32> = tapped.frames.try_iter().map(|it| it.timestamp).collect();
        assert_eq!((read, tapped.lost()), (vec![0, 1], 3));
        drop(tapped);
        assert_eq!(tap.take(frame(5)), Reader::Gone);
    }
}
