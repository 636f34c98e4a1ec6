//! Keys pressed during a call, as telephone events (RFC 4733).

use std::time::{Duration, Instant};

/// A key that was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digit {
    /// `0-9`, `*`, `#` or `A-D`.
    pub symbol: char,
    /// For how long, as far as its packets tell.
    pub duration: Duration,
}

/// Turns the packets of telephone events to digits: each press once, whatever gets lost.
#[derive(Clone, Debug, Default)]
pub struct Detector {
    pressed: Option<Press>,
    /// The press that was told last, so that its repeated end packets tell nothing.
    told: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    timestamp: u32,
    event: u8,
    /// Of this segment, in samples; longer presses have several (RFC 4733 §2.5.1.3).
    duration: u16,
    duration_before: u32,
    heard_at: Instant,
}

impl Detector {
    /// Takes the payload of one packet; tells at most two digits, when the end of the first got lost.
    pub fn handle_payload(
        &mut self,
        now: Instant,
        timestamp: u32,
        payload: &[u8],
    ) -> [Option<Digit>; 2] {
        let Some([event, flags, high, low]) = payload.first_chunk::<4>() else {
            return [None; 2];
        };
        if usize::from(*event) >= SYMBOLS.len() || self.told == Some(timestamp) {
            return [None; 2];
        }
        let duration = u16::from_be_bytes([*high, *low]);
        let mut press = Press {
            timestamp,
            event: *event,
            duration,
            duration_before: 0,
            heard_at: now,
        };
        let mut lost_end = None;
        if let Some(before) = self.pressed {
            if before.timestamp == timestamp {
                press.duration = press.duration.max(before.duration);
                press.duration_before = before.duration_before;
            } else if before.is_older_than(timestamp) {
                if before.is_continued_by(&press) {
                    press.duration_before = before.duration_before + u32::from(before.duration);
                } else {
                    lost_end = Some(before.digit());
                }
            } else {
                return [None; 2];
            }
        } else if self.told.is_some_and(|told| !is_newer(timestamp, told)) {
            return [None; 2];
        }
        let has_ended = flags & END != 0;
        if has_ended {
            self.pressed = None;
            self.told = Some(timestamp);
            [lost_end, Some(press.digit())]
        } else {
            self.pressed = Some(press);
            [lost_end, None]
        }
    }

    /// Tells the digit whose end packets all got lost, once nothing was heard of it for a while.
    pub fn handle_quiet(&mut self, now: Instant) -> Option<Digit> {
        let press = self.pressed?;
        if now.saturating_duration_since(press.heard_at) < QUIET {
            return None;
        }
        self.pressed = None;
        self.told = Some(press.timestamp);
        Some(press.digit())
    }

    /// Whether a key is down, as far as is known.
    pub fn is_pressed(&self) -> bool {
        self.pressed.is_some()
    }

    /// Forgets everything: the source counts its timestamps anew.
    pub fn restart(&mut self) {
        self.told = None;
    }
}

impl Press {
    fn digit(&self) -> Digit {
        let samples = self.duration_before + u32::from(self.duration);
        Digit {
            symbol: char::from(SYMBOLS[usize::from(self.event)]),
            duration: Duration::from_micros(u64::from(samples) * 125),
        }
    }

    fn is_older_than(&self, timestamp: u32) -> bool {
        is_newer(timestamp, self.timestamp)
    }

    /// RFC 4733 §2.5.1.3: a press longer than a segment goes on in the next, right behind it.
    fn is_continued_by(&self, next: &Self) -> bool {
        self.event == next.event
            && self.duration == u16::MAX
            && next.timestamp == self.timestamp.wrapping_add(u32::from(u16::MAX))
    }
}

fn is_newer(timestamp: u32, than: u32) -> bool {
    (timestamp.wrapping_sub(than) as i32) > 0
}

/// RFC 4733 §3.2, table 3.
const SYMBOLS: &[u8; 16] = b"0123456789*#ABCD";
const END: u8 = 0x80;
/// RFC 4733 §2.5.1.2 has a packet every 50 ms at most; four missing ones end a press.
const QUIET: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(symbol: char, end: bool, duration: u16) -> [u8; 4] {
        let event = SYMBOLS
            .iter()
            .position(|s| char::from(*s) == symbol)
            .unwrap();
        let [high, low] = duration.to_be_bytes();
        [event as u8, if end { 0x8a } else { 0x0a }, high, low]
    }

    /// (milliseconds, timestamp, symbol, end, duration) -> symbols told.
    fn check(packets: &[(u64, u32, char, bool, u16)], expected: &str) {
        let mut detector = Detector::default();
        let start = Instant::now();
        let mut told = String::new();
        for (at, timestamp, symbol, end, duration) in packets {
            let now = start + Duration::from_millis(*at);
            let payload = packet(*symbol, *end, *duration);
            let digits = detector.handle_payload(now, *timestamp, &payload);
            told.extend(digits.iter().flatten().map(|digit| digit.symbol));
        }
        let late = start + Duration::from_secs(60);
        told.extend(detector.handle_quiet(late).map(|digit| digit.symbol));
        assert_eq!(told, expected);
    }

    #[test]
    fn three_end_packets_are_one_digit() {
        check(
            &[
                (0, 1000, '5', false, 160),
                (20, 1000, '5', false, 320),
                (40, 1000, '5', true, 480),
                (41, 1000, '5', true, 480),
                (42, 1000, '5', true, 480),
            ],
            "5",
        );
    }

    #[test]
    fn a_lost_end_is_still_one_digit() {
        check(
            &[(0, 1000, '#', false, 160), (20, 1000, '#', false, 320)],
            "#",
        );
        check(
            &[
                (0, 1000, '1', false, 160),
                (200, 3000, '1', false, 160),
                (220, 3000, '1', true, 320),
                (240, 3000, '1', true, 320),
            ],
            "11",
        );
    }

    #[test]
    fn only_an_end_packet_arriving_is_a_digit() {
        check(&[(0, 1000, '*', true, 800)], "*");
    }

    #[test]
    fn packets_that_come_out_of_order_add_nothing() {
        check(
            &[
                (0, 1000, '2', true, 480),
                (1, 1000, '2', false, 320),
                (100, 4000, '3', true, 480),
                (101, 1000, '2', true, 480),
                (102, 500, '9', false, 160),
            ],
            "23",
        );
    }

    #[test]
    fn a_long_press_over_two_segments_is_one_digit() {
        let mut detector = Detector::default();
        let now = Instant::now();
        detector.handle_payload(now, 0, &packet('7', false, u16::MAX));
        detector.handle_payload(now, 65_535, &packet('7', false, 160));
        let told = detector.handle_payload(now, 65_535, &packet('7', true, 465));
        assert_eq!(
            told,
            [
                None,
                Some(Digit {
                    symbol: '7',
                    duration: Duration::from_millis(8_250)
                })
            ]
        );
    }

    #[test]
    fn flash_and_short_payloads_are_nothing() {
        let mut detector = Detector::default();
        let now = Instant::now();
        assert_eq!(
            detector.handle_payload(now, 1, &[16, 0x80, 0, 1]),
            [None; 2]
        );
        assert_eq!(detector.handle_payload(now, 1, &[1, 0x80]), [None; 2]);
    }
}
