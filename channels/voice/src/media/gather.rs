//! When a media thread lets packets gather before it looks again.
//!
//! Waking a thread costs about as much as moving a packet. With some dozen calls their packets come one
//! by one, evenly spread, and each would wake the thread anew. So while packets are frequent the thread
//! pauses up to [`PAUSE`] between two looks; nobody hears a millisecond. With few packets it would save
//! nothing, and none is held back.

use std::time::{Duration, Instant};

/// Longest time a packet lies unread for the sake of the next ones.
pub(super) const PAUSE: Duration = Duration::from_millis(1);

/// Over how long packets are counted: the usual time between two packets of a stream.
const WINDOW: Duration = Duration::from_millis(20);

/// Packets in a window from which on a pause gathers more than one: two for each pause, 20 calls.
const FREQUENT: u32 = 40;

/// How frequent packets are lately.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gather {
    window_since: Instant,
    packets: u32,
    is_frequent: bool,
}

impl Gather {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            window_since: now,
            packets: 0,
            is_frequent: false,
        }
    }

    /// Counts the packets of a look that began at `now`.
    pub(super) fn note(&mut self, now: Instant, packets: u32) {
        let passed = now.saturating_duration_since(self.window_since);
        if passed >= WINDOW {
            // A window that was waited through without a packet does not count as a busy one.
            self.is_frequent = self.packets >= FREQUENT && passed < WINDOW * 2;
            self.window_since = now;
            self.packets = 0;
        }
        self.packets = self.packets.saturating_add(packets);
    }

    /// How long to pause before the next look, when the last one began at `looked_at`.
    pub(super) fn pause(&self, looked_at: Instant, now: Instant) -> Option<Duration> {
        if !self.is_frequent {
            return None;
        }
        let passed = now.saturating_duration_since(looked_at);
        PAUSE.checked_sub(passed).filter(|pause| !pause.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Whether there is a pause after 50 ms of looks with one packet each, so far apart.
    fn pauses_with_a_packet_every(gap: Duration) -> bool {
        let start = Instant::now();
        let mut gather = Gather::new(start);
        let mut now = start;
        while now < start + 50 * MS {
            now += gap;
            gather.note(now, 1);
        }
        gather.pause(now, now).is_some()
    }

    #[test]
    fn only_frequent_packets_are_let_gather() {
        assert!(pauses_with_a_packet_every(MS / 5));
        assert!(!pauses_with_a_packet_every(MS));
        assert!(!pauses_with_a_packet_every(20 * MS));
    }

    #[test]
    fn the_time_that_a_look_took_is_part_of_the_pause() {
        let start = Instant::now();
        let mut gather = Gather::new(start);
        gather.note(start, 100);
        gather.note(start + 20 * MS, 100);
        let looked_at = start + 20 * MS;
        assert_eq!(gather.pause(looked_at, looked_at), Some(PAUSE));
        let pause = gather.pause(looked_at, looked_at + MS / 4);
        assert_eq!(pause, Some(PAUSE - MS / 4));
        assert_eq!(gather.pause(looked_at, looked_at + 2 * MS), None);
    }

    #[test]
    fn traffic_that_ends_ends_the_pauses() {
        let start = Instant::now();
        let mut gather = Gather::new(start);
        gather.note(start, 100);
        gather.note(start + 20 * MS, 1);
        assert!(gather.pause(start, start).is_some());
        gather.note(start + 500 * MS, 1);
        assert_eq!(gather.pause(start, start), None);
    }
}
