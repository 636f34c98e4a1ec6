//! Symmetric RTP (RFC 4961): the peer's real address is learnt from its packets, and kept from others.

use super::rtp::Header;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Where one peer sends from, and how sure that is.
///
/// A source is taken when it is the signalled address, or after two packets in sequence. Another
/// one is taken only when the present one fell silent (RFC 7362 §4 describes the theft of a stream
/// that this prevents), or when it is the signalled address itself.
#[derive(Clone, Debug)]
pub struct Latch {
    signalled: SocketAddr,
    source: Option<Source>,
    candidate: Option<Candidate>,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    address: SocketAddr,
    ssrc: u32,
    heard_at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    address: SocketAddr,
    ssrc: u32,
    sequence_next: u16,
}

/// Whether a packet comes from our peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// From the source that is known.
    Known,
    /// From a source that is the peer's from now on.
    Latched,
    /// From somebody else, or not proven yet.
    Refused,
}

impl Latch {
    /// Awaits packets from where the peer said it would be.
    pub fn new(signalled: SocketAddr) -> Self {
        Self {
            signalled,
            source: None,
            candidate: None,
        }
    }

    /// Takes a new signalled address; the same one again changes nothing.
    pub fn handle_signalled(&mut self, signalled: SocketAddr) {
        if self.signalled != signalled {
            *self = Self::new(signalled);
        }
    }

    /// Judges a packet by its source.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        address: SocketAddr,
        header: &Header,
    ) -> Admission {
        if let Some(source) = &mut self.source
            && source.address == address
        {
            source.heard_at = now;
            source.ssrc = header.ssrc;
            return Admission::Known;
        }
        self.handle_stranger(now, address, header)
    }

    /// Where to send: the source when it is known, else the signalled address.
    pub fn destination(&self) -> SocketAddr {
        self.source.map_or(self.signalled, |source| source.address)
    }

    /// Whether a source was learnt.
    pub fn is_latched(&self) -> bool {
        self.source.is_some()
    }

    /// When the source was heard last.
    pub fn heard_at(&self) -> Option<Instant> {
        self.source.map(|source| source.heard_at)
    }

    fn handle_stranger(&mut self, now: Instant, address: SocketAddr, header: &Header) -> Admission {
        let is_proven = self.candidate.is_some_and(|candidate| {
            candidate.address == address
                && candidate.ssrc == header.ssrc
                && header.sequence.wrapping_sub(candidate.sequence_next) < PROOF_GAP_MAX
        });
        let is_admitted = address == self.signalled
            || match self.source {
                None => is_proven,
                Some(source) => {
                    let quiet = now.saturating_duration_since(source.heard_at);
                    let needed = if source.ssrc == header.ssrc {
                        QUIET_SAME_SSRC
                    } else {
                        QUIET_OTHER_SSRC
                    };
                    is_proven && quiet >= needed
                }
            };
        if !is_admitted {
            self.candidate = Some(Candidate {
                address,
                ssrc: header.ssrc,
                sequence_next: header.sequence.wrapping_add(1),
            });
            return Admission::Refused;
        }
        self.candidate = None;
        self.source = Some(Source {
            address,
            ssrc: header.ssrc,
            heard_at: now,
        });
        Admission::Latched
    }
}

/// Packets that may be missing between the two that prove a source.
const PROOF_GAP_MAX: u16 = 5;
/// The same stream from another address: a router gave it another port, five packets are missing.
const QUIET_SAME_SSRC: Duration = Duration::from_millis(100);
/// Another stream from another address: longer than any jitter of the old one.
const QUIET_OTHER_SSRC: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNALLED: &str = "192.0.2.9:5000";
    const PUBLIC: &str = "203.0.113.1:61000";
    const THIEF: &str = "198.51.100.66:7000";

    /// (milliseconds, source, SSRC, sequence, judgement); gives where packets go in the end.
    fn check(packets: &[(u64, &str, u32, u16, Admission)], destination: &str) {
        let start = Instant::now();
        let mut latch = Latch::new(SIGNALLED.parse().unwrap());
        for (at, source, ssrc, sequence, expected) in packets {
            let header = Header {
                has_marker: false,
                payload_type: 0,
                sequence: *sequence,
                timestamp: 0,
                ssrc: *ssrc,
                payload: 12..172,
            };
            let now = start + Duration::from_millis(*at);
            let admission = latch.handle_packet(now, source.parse().unwrap(), &header);
            assert_eq!(admission, *expected, "at {at} from {source}");
        }
        assert_eq!(latch.destination(), destination.parse().unwrap());
    }

    use Admission::{Known, Latched, Refused};

    #[test]
    fn the_signalled_address_is_taken_at_once() {
        check(
            &[
                (0, SIGNALLED, 1, 10, Latched),
                (20, SIGNALLED, 1, 11, Known),
            ],
            SIGNALLED,
        );
    }

    #[test]
    fn another_address_is_taken_after_two_packets_in_sequence() {
        check(
            &[(0, PUBLIC, 1, 10, Refused), (20, PUBLIC, 1, 11, Latched)],
            PUBLIC,
        );
        check(
            &[(0, PUBLIC, 1, 10, Refused), (20, PUBLIC, 1, 900, Refused)],
            SIGNALLED,
        );
        check(
            &[(0, PUBLIC, 1, 10, Refused), (20, THIEF, 1, 11, Refused)],
            SIGNALLED,
        );
    }

    #[test]
    fn a_stream_that_lives_cannot_be_stolen() {
        check(
            &[
                (0, PUBLIC, 1, 10, Refused),
                (20, PUBLIC, 1, 11, Latched),
                (30, THIEF, 7, 1, Refused),
                (31, THIEF, 7, 2, Refused),
                (40, PUBLIC, 1, 12, Known),
                (50, THIEF, 1, 13, Refused),
                (51, THIEF, 1, 14, Refused),
            ],
            PUBLIC,
        );
    }

    #[test]
    fn the_signalled_address_takes_its_stream_back() {
        check(
            &[
                (0, THIEF, 7, 1, Refused),
                (20, THIEF, 7, 2, Latched),
                (30, SIGNALLED, 1, 10, Latched),
                (40, THIEF, 7, 3, Refused),
                (50, THIEF, 7, 4, Refused),
            ],
            SIGNALLED,
        );
    }

    #[test]
    fn a_rebound_port_is_followed_soon_when_the_stream_is_the_same() {
        check(
            &[
                (0, SIGNALLED, 1, 10, Latched),
                (90, PUBLIC, 1, 14, Refused),
                (110, PUBLIC, 1, 15, Latched),
            ],
            PUBLIC,
        );
    }

    #[test]
    fn another_stream_is_followed_after_a_long_silence() {
        check(
            &[
                (0, SIGNALLED, 1, 10, Latched),
                (1_900, PUBLIC, 2, 1, Refused),
                (1_920, PUBLIC, 2, 2, Refused),
                (2_000, PUBLIC, 2, 3, Latched),
            ],
            PUBLIC,
        );
    }
}
