//! One leg's RTCP: our reports to the peer, the peer's to us, and what passes through a bridge.

use super::outgoing::Outgoing;
use super::port::Rate;
use super::reception::Reception;
use super::rtcp::{self, Block, CanonicalName, Compound, SenderFacts};
use std::time::{Duration, Instant};

/// What was said to and heard from one peer in RTCP.
#[derive(Debug)]
pub(super) struct Reports {
    cname: CanonicalName,
    next_at: Instant,
    said: Option<Said>,
    heard: Option<Heard>,
    round_trip: Option<Duration>,
    lost_by_peer: Option<i32>,
    passed_on: Rate,
    /// The port that the peer's reports come from.
    pub(super) source_port: Option<u16>,
}

/// Our last sender report to the peer.
#[derive(Clone, Copy, Debug)]
struct Said {
    ntp_middle: u32,
    at: Instant,
    origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// Our own clock.
    Ours,
    /// The clock of the leg that is bridged with this one.
    Bridge,
}

/// The peer's last sender report.
#[derive(Clone, Copy, Debug)]
struct Heard {
    ntp_middle: u32,
    at: Instant,
}

impl Reports {
    pub(super) fn new(now: Instant, random: u64) -> Self {
        Self {
            cname: CanonicalName(random),
            next_at: now + INTERVAL / 2 + spread(random),
            said: None,
            heard: None,
            round_trip: None,
            lost_by_peer: None,
            passed_on: Rate::new(now),
            source_port: None,
        }
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    pub(super) fn lost_by_peer(&self) -> Option<u64> {
        self.lost_by_peer
            .map(|lost| u64::try_from(lost).unwrap_or(0))
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.next_at
    }

    /// Whether the peer ever got a report, so that it is owed a good-bye (RFC 3550 §6.3.7).
    pub(super) fn has_said(&self) -> bool {
        self.said.is_some()
    }

    /// Learns from the peer's report what became of our stream.
    pub(super) fn handle_report(&mut self, now: Instant, compound: &Compound, our_ssrc: u32) {
        if let Some(sender) = &compound.sender {
            self.heard = Some(Heard {
                ntp_middle: sender.ntp_middle(),
                at: now,
            });
        }
        let about_us = compound
            .blocks
            .iter()
            .flatten()
            .find(|block| block.ssrc == our_ssrc);
        if let Some(block) = about_us {
            self.lost_by_peer = Some(block.lost);
            if let Some(said) = self.said
                && block.last_report != 0
                && block.last_report == said.ntp_middle
            {
                let since = now.saturating_duration_since(said.at);
                self.round_trip = Some(rtcp::round_trip(since, block.delay));
            }
        }
    }

    /// Our own report: what we sent, and what we received of the peer.
    pub(super) fn make_own(
        &mut self,
        now: Instant,
        ntp: u64,
        outgoing: &Outgoing,
        reception: Option<&mut Reception>,
        leaving: Leaving,
    ) -> Compound {
        let (packets, bytes) = outgoing.sent();
        let is_sender = outgoing
            .sent_at()
            .is_some_and(|at| now.saturating_duration_since(at) < INTERVAL * 2);
        let sender = is_sender.then(|| SenderFacts {
            ntp,
            rtp_timestamp: outgoing.timestamp_at(now),
            packets,
            bytes,
        });
        if let Some(sender) = &sender {
            self.said = Some(Said {
                ntp_middle: sender.ntp_middle(),
                at: now,
                origin: Origin::Ours,
            });
        }
        let block = reception.map(|reception| {
            let block = reception.report();
            match self.heard {
                Some(heard) => Block {
                    last_report: heard.ntp_middle,
                    delay: rtcp::short_time(now.saturating_duration_since(heard.at)),
                    ..block
                },
                None => block,
            }
        });
        self.put_off(now);
        Compound {
            ssrc: outgoing.ssrc(),
            sender,
            blocks: [block, None],
            has_bye: leaving == Leaving::Leaves,
        }
    }

    /// RFC 3550 §7.2: passes the report of the bridged leg on, in the numbers that this peer knows.
    ///
    /// `theirs` is the leg that reports, with its own stream and what it said to its peer.
    pub(super) fn translate(
        &mut self,
        now: Instant,
        compound: &Compound,
        theirs: Reporter<'_>,
        ours: &Outgoing,
        our_reception: Option<&Reception>,
    ) -> Option<Compound> {
        if !self.passed_on.admit(now, PASSED_ON_A_SECOND_MAX) {
            return None;
        }
        let (packets, bytes) = ours.sent();
        let sender = compound.sender.as_ref().and_then(|sender| {
            Some(SenderFacts {
                ntp: sender.ntp,
                rtp_timestamp: ours.translate_timestamp(compound.ssrc, sender.rtp_timestamp)?,
                packets,
                bytes,
            })
        });
        let about_them = compound
            .blocks
            .iter()
            .flatten()
            .find(|block| block.ssrc == theirs.outgoing.ssrc());
        let block = about_them
            .zip(our_reception)
            .and_then(|(block, reception)| theirs.translate_block(block, reception));
        if sender.is_none() && block.is_none() {
            return None;
        }
        if let Some(sender) = &sender {
            self.said = Some(Said {
                ntp_middle: sender.ntp_middle(),
                at: now,
                origin: Origin::Bridge,
            });
        }
        self.put_off(now);
        Some(Compound {
            ssrc: ours.ssrc(),
            sender,
            blocks: [block, None],
            has_bye: false,
        })
    }

    pub(super) fn write(
        &self,
        compound: &Compound,
        into: &mut [u8; rtcp::COMPOUND_BYTES_MAX],
    ) -> usize {
        rtcp::write(compound, self.cname, into)
    }

    fn put_off(&mut self, now: Instant) {
        self.next_at = now + INTERVAL + spread(self.cname.0);
    }
}

/// The leg whose peer reports.
pub(super) struct Reporter<'a> {
    pub(super) outgoing: &'a Outgoing,
    pub(super) reports: &'a Reports,
}

impl Reporter<'_> {
    /// What their peer says of our peer's stream, in the numbers of our peer.
    fn translate_block(&self, block: &Block, reception: &Reception) -> Option<Block> {
        let low = self
            .outgoing
            .translate_sequence_back(reception.ssrc(), block.highest_sequence as u16)?;
        let newest = reception.highest_sequence();
        let behind = (newest as u16).wrapping_sub(low);
        let is_bridged = self
            .reports
            .said
            .is_some_and(|said| said.origin == Origin::Bridge);
        Some(Block {
            ssrc: reception.ssrc(),
            highest_sequence: newest.wrapping_sub(u32::from(behind)),
            // A report that names our own clock means nothing to a peer that never saw it.
            last_report: if is_bridged { block.last_report } else { 0 },
            delay: if is_bridged { block.delay } else { 0 },
            ..*block
        })
    }
}

/// Whether a report is the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    Stays,
    Leaves,
}

/// Spreads the legs' reports over two seconds, so that they do not all go at once (RFC 3550 §6.2).
fn spread(random: u64) -> Duration {
    Duration::from_millis(random & 0x7ff)
}

/// A peer reports every few seconds; more than this is a flood or a loop.
const PASSED_ON_A_SECOND_MAX: u16 = 4;
/// RFC 3550 §6.2: five seconds between reports; `spread` makes it four to six.
const INTERVAL: Duration = Duration::from_secs(4);
