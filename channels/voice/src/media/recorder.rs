//! The shell of recordings: each has a thread that reads its tap and writes its file. No decision is here.

use super::recording::{Recorded, Recording, RecordingEnd, RecordingLimits};
use super::tap::{Tap, TapId, Tapped, tap};
use std::fs::File;
use std::io::{self, BufWriter};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

/// Begins recordings, at most so many at one time.
#[derive(Clone, Debug)]
pub struct Recorder {
    running: Arc<AtomicUsize>,
    most: usize,
}

/// Why there is no recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingFault {
    /// As many as may be are at work.
    #[error("{0} recordings are at work already")]
    Full(usize),
    /// The file cannot be written, or no thread was to be had.
    #[error("a recording cannot be written: {0}")]
    Io(#[from] io::Error),
    /// What was written is no WAV file.
    #[error("a recording cannot be written: {0}")]
    Wav(#[from] hound::Error),
}

impl Recorder {
    /// A recorder of at most `most` recordings at one time.
    pub fn new(most: usize) -> Self {
        Self {
            running: Arc::default(),
            most,
        }
    }

    /// Gives the tap that fills the file which `open` makes; `ended` is told when the file is whole, whatever
    /// ended it. Both run on the recording's own thread.
    pub fn begin(
        &self,
        id: TapId,
        open: impl FnOnce() -> io::Result<File> + Send + 'static,
        limits: RecordingLimits,
        ended: impl FnOnce(Result<(Recorded, RecordingEnd), RecordingFault>) + Send + 'static,
    ) -> Result<Tap, RecordingFault> {
        let slot = self.take_slot()?;
        let (tap, tapped) = tap(id, FRAMES_MAX);
        thread::Builder::new()
            .name("recording".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let written = open()
                    .map_err(RecordingFault::from)
                    .and_then(|file| write(file, &tapped, limits));
                // The room is free before anybody hears that it is.
                drop((tapped, slot));
                ended(written);
            })?;
        Ok(tap)
    }

    fn take_slot(&self) -> Result<Slot, RecordingFault> {
        let most = self.most;
        let taken = |running: usize| (running < most).then_some(running + 1);
        let is_free = self
            .running
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken);
        match is_free {
            Ok(_) => Ok(Slot(Arc::clone(&self.running))),
            Err(_) => Err(RecordingFault::Full(most)),
        }
    }
}

/// Room for one recording.
struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn write(
    file: File,
    tapped: &Tapped,
    limits: RecordingLimits,
) -> Result<(Recorded, RecordingEnd), RecordingFault> {
    let mut recording = Recording::new(BufWriter::new(file), limits)?;
    // A peer that sends nothing while nobody speaks is silent by the clock.
    let begun = Instant::now();
    let end = loop {
        match tapped.frames.recv_timeout(limits.silence_max) {
            Ok(frame) => match recording.take(&frame)? {
                Some(end) => break end,
                None if begun.elapsed() >= limits.length_max + LATE_MAX => {
                    break RecordingEnd::Full;
                }
                None => {}
            },
            Err(RecvTimeoutError::Timeout) => break RecordingEnd::Silent,
            Err(RecvTimeoutError::Disconnected) => break RecordingEnd::Stopped,
        }
    };
    if tapped.lost() > 0 {
        tracing::warn!(
            packets = tapped.lost(),
            "a recording has gaps: the disk is slow"
        );
    }
    Ok((recording.finish()?, end))
}

/// Packets that wait for a slow disk: ten seconds of them.
const FRAMES_MAX: usize = 500;

/// How much longer than its length a recording may take, whatever its peer's clock does.
const LATE_MAX: Duration = Duration::from_secs(30);

const STACK_BYTES: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::tap::{Reader, TapFrame};
    use crate::sdp::Codec;
    use std::sync::mpsc;

    const LIMITS: RecordingLimits = RecordingLimits {
        length_max: Duration::from_secs(60),
        silence_max: Duration::from_secs(60),
    };

    #[test]
    fn the_end_of_the_tap_ends_the_file_and_frees_its_room() {
        let path = std::env::temp_dir().join(format!("ringdown-recorder-{}", std::process::id()));
        let recorder = Recorder::new(1);
        let (ended, told) = mpsc::channel();
        let create = || {
            let path = path.clone();
            move || File::create(path)
        };
        let tap = recorder
            .begin(TapId(1), create(), LIMITS, move |end| {
                ended.send(end).unwrap()
            })
            .unwrap();
        let full = recorder.begin(TapId(2), create(), LIMITS, |_| {});
        assert!(matches!(full, Err(RecordingFault::Full(1))), "{full:?}");
        for number in 0..10 {
            let frame = TapFrame {
                codec: Codec::Pcma,
                ssrc: 1,
                timestamp: number * 160,
                payload: vec![0x2a; 160].into(),
            };
            assert_eq!(tap.take(frame), Reader::Listens);
        }
        drop(tap);
        let (recorded, end) = told.recv().unwrap().unwrap();
        assert_eq!(
            (recorded.duration, end),
            (Duration::from_millis(200), RecordingEnd::Stopped)
        );
        assert_eq!(hound::WavReader::open(&path).unwrap().duration(), 1_600);
        let (ended, told) = mpsc::channel();
        let again = recorder.begin(TapId(3), create(), LIMITS, move |end| {
            ended.send(end).unwrap();
        });
        drop(again.unwrap());
        told.recv().unwrap().unwrap();
        std::fs::remove_file(path).unwrap();
    }
}
