//! One port: a leg's incoming stream, its outgoing stream, and what is known of both.

use super::clip::{Player, Progress};
use super::g711;
use super::latch::{Admission, Latch};
use super::outgoing::{Outgoing, PACKET_SAMPLES, samples};
use super::reception::{Place, Reception};
use super::reports::Reports;
use super::rtp::{self, Header, Stamp};
use super::tap::{Reader, TAPS_MAX, Tap, TapFrame, TapId};
use super::telephone_event::{Detector, Digit};
use super::terms::{Flow, History, MediaEvent, MediaEventKind, Owner, PlayId, PortId, Report};
use crate::sdp::{Codec, Direction, RemoteMedia};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The state of one leg's media. A few hundred bytes; audio is never kept.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) id: PortId,
    owner: Owner,
    opened_at: Instant,
    remote: Option<RemoteMedia>,
    allowed: Direction,
    /// What may flow now: settled and allowed.
    direction: Direction,
    latch: Option<Latch>,
    pub(super) reception: Option<Reception>,
    /// Of sources before the present one.
    lost_before: i64,
    pub(super) outgoing: Outgoing,
    pub(super) reports: Reports,
    keys: Detector,
    digits_told: Rate,
    arrivals: Rate,
    pub(super) play: Option<Playing>,
    /// Where packets of the peer go.
    pub(super) bridge: Option<u16>,
    /// Who hears the peer as well.
    taps: Vec<Tap>,
    listening_since: Option<Instant>,
    hearing: Hearing,
    packets_received: u64,
    bytes_received: u64,
    packets_refused: u64,
}

/// A player at work.
#[derive(Debug)]
pub(super) struct Playing {
    pub(super) id: PlayId,
    pub(super) player: Player,
    /// The slot of the tick wheel.
    pub(super) slot: u8,
    /// Ticks until the next packet, for packets longer than a tick.
    wait: u8,
}

impl Playing {
    pub(super) fn new(id: PlayId, player: Player, slot: u8) -> Self {
        Self {
            id,
            player,
            slot,
            wait: 0,
        }
    }
}

/// How many of something there were in the present second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    since: Instant,
    count: u16,
}

impl Rate {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            count: 0,
        }
    }

    /// Counts one more, unless there were too many in this second already.
    pub(super) fn admit(&mut self, now: Instant, most: u16) -> bool {
        if now.saturating_duration_since(self.since) >= Duration::from_secs(1) {
            *self = Self::new(now);
        }
        let is_admitted = self.count < most;
        if is_admitted {
            self.count += 1;
        }
        is_admitted
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hearing {
    /// Heard, or not missed yet.
    Fine,
    /// Missed, and told so.
    Silent,
}

/// What the payload of a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    Audio(Codec),
    TelephoneEvent,
    Unknown,
}

/// A packet that goes on to another port.
#[derive(Debug)]
pub(super) struct Relayed {
    pub(super) to: u16,
    pub(super) header: Header,
    pub(super) payload: Payload,
}

/// A packet that was made ready: where it goes, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) to: SocketAddr,
    pub(super) bytes: usize,
}

impl Port {
    pub(super) fn new(now: Instant, id: PortId, owner: Owner, random: [u64; 2]) -> Self {
        Self {
            id,
            owner,
            opened_at: now,
            remote: None,
            allowed: Direction::SendRecv,
            direction: Direction::Inactive,
            latch: None,
            reception: None,
            lost_before: 0,
            outgoing: Outgoing::new(random[0]),
            reports: Reports::new(now, random[1]),
            keys: Detector::default(),
            digits_told: Rate::new(now),
            arrivals: Rate::new(now),
            play: None,
            bridge: None,
            taps: Vec::new(),
            listening_since: None,
            hearing: Hearing::Fine,
            packets_received: 0,
            bytes_received: 0,
            packets_refused: 0,
        }
    }

    pub(super) fn set_remote(&mut self, now: Instant, remote: Option<RemoteMedia>) {
        if let Some(remote) = &remote {
            match &mut self.latch {
                Some(latch) => latch.handle_signalled(remote.rtp),
                None => self.latch = Some(Latch::new(remote.rtp)),
            }
        }
        self.remote = remote;
        self.settle_direction(now);
    }

    pub(super) fn set_allowed(&mut self, now: Instant, allowed: Direction) {
        self.allowed = allowed;
        self.settle_direction(now);
    }

    fn settle_direction(&mut self, now: Instant) {
        let before = self.direction;
        self.direction = self.remote.map_or(Direction::Inactive, |remote| {
            remote.direction.and(self.allowed)
        });
        // A peer that holds us may play music or nothing; only a conversation must be heard.
        if self.direction != Direction::SendRecv {
            self.listening_since = None;
            self.hearing = Hearing::Fine;
        } else if before != Direction::SendRecv {
            self.listening_since = Some(now);
        }
        if before.is_sending() && !self.direction.is_sending() {
            self.outgoing.handle_switch();
        }
    }

    pub(super) fn remote(&self) -> Option<&RemoteMedia> {
        self.remote.as_ref()
    }

    pub(super) fn put_tap(&mut self, tap: Tap) {
        if self.taps.len() < TAPS_MAX {
            self.taps.push(tap);
        }
    }

    pub(super) fn take_tap_off(&mut self, id: TapId) {
        self.taps.retain(|tap| tap.id() != id);
    }

    /// Ends all taps; also where the port lives on for its last report.
    pub(super) fn take_taps_off(&mut self) {
        self.taps = Vec::new();
    }

    /// Where RTP to the peer goes, when anything may go.
    pub(super) fn destination(&self) -> Option<SocketAddr> {
        self.latch.as_ref().map(Latch::destination)
    }

    pub(super) fn event(&self, kind: MediaEventKind) -> MediaEvent {
        MediaEvent {
            port: self.id,
            owner: self.owner,
            kind,
        }
    }

    /// Takes a packet from the network; gives it back when it goes on to another port.
    pub(super) fn handle_rtp(
        &mut self,
        now: Instant,
        source: SocketAddr,
        packet: &[u8],
        events: &mut VecDeque<MediaEvent>,
    ) -> Option<Relayed> {
        let (Some(remote), Some(latch)) = (&self.remote, &mut self.latch) else {
            self.packets_refused += 1;
            return None;
        };
        let header = match rtp::parse(packet) {
            // A report that strayed to this port would upset the count (RFC 5761 §4).
            Ok(header) if !rtp::is_rtcp(packet) => header,
            Ok(_) | Err(_) => {
                self.packets_refused += 1;
                return None;
            }
        };
        let formats = &remote.receive;
        let payload = match formats.codec_of(header.payload_type) {
            Some(codec) => Payload::Audio(codec),
            None if formats.telephone_event == Some(header.payload_type) => Payload::TelephoneEvent,
            None => Payload::Unknown,
        };
        match latch.handle_packet(now, source, &header) {
            Admission::Known => {}
            Admission::Latched => events.push_back(MediaEvent {
                port: self.id,
                owner: self.owner,
                kind: MediaEventKind::Latched { source },
            }),
            Admission::Refused => {
                self.packets_refused += 1;
                return None;
            }
        }
        if !self.arrivals.admit(now, PACKETS_A_SECOND_MAX) {
            self.packets_refused += 1;
            return None;
        }
        self.packets_received += 1;
        self.bytes_received += packet.len() as u64;
        if self.hearing == Hearing::Silent {
            self.hearing = Hearing::Fine;
            events.push_back(self.event(MediaEventKind::HeardAgain));
        }
        self.note_place(&header);
        self.note_payload(now, packet, &header, payload, events);
        if let Payload::Audio(codec) = payload
            && !self.taps.is_empty()
        {
            self.fill_taps(codec, &header, packet);
        }
        let to = self.bridge.filter(|_| self.direction.is_receiving())?;
        Some(Relayed {
            to,
            header,
            payload,
        })
    }

    fn fill_taps(&mut self, codec: Codec, header: &Header, packet: &[u8]) {
        let Some(payload) = packet.get(header.payload.clone()) else {
            return;
        };
        self.taps.retain(|tap| {
            let frame = TapFrame {
                codec,
                ssrc: header.ssrc,
                timestamp: header.timestamp,
                payload: payload.into(),
            };
            tap.take(frame) == Reader::Listens
        });
    }

    fn note_place(&mut self, header: &Header) {
        match &mut self.reception {
            Some(reception) if reception.ssrc() == header.ssrc => {
                let lost = reception.lost();
                if reception.handle_sequence(header.sequence) == Place::Restarted {
                    self.lost_before += i64::from(lost);
                    self.keys.restart();
                }
            }
            before => {
                let mut reception = Reception::new(header.ssrc, header.sequence);
                reception.handle_sequence(header.sequence);
                if let Some(before) = before.replace(reception) {
                    self.lost_before += i64::from(before.lost());
                    self.keys.restart();
                }
            }
        }
    }

    fn note_payload(
        &mut self,
        now: Instant,
        packet: &[u8],
        header: &Header,
        payload: Payload,
        events: &mut VecDeque<MediaEvent>,
    ) {
        match payload {
            Payload::Audio(_) => {
                // Packets of one telephone event share a timestamp, so only audio tells jitter.
                if let Some(reception) = &mut self.reception {
                    reception.handle_arrival(samples(self.opened_at, now), header.timestamp);
                }
                if self.keys.is_pressed() {
                    self.note_quiet_keys(now, events);
                }
            }
            Payload::TelephoneEvent => {
                let bytes = packet.get(header.payload.clone()).unwrap_or_default();
                let digits = self.keys.handle_payload(now, header.timestamp, bytes);
                for digit in digits.into_iter().flatten() {
                    self.tell_digit(now, digit, events);
                }
            }
            Payload::Unknown => self.packets_refused += 1,
        }
    }

    pub(super) fn note_quiet_keys(&mut self, now: Instant, events: &mut VecDeque<MediaEvent>) {
        if let Some(digit) = self.keys.handle_quiet(now) {
            self.tell_digit(now, digit, events);
        }
    }

    /// Tells a digit, unless there are more than any finger or dialler makes.
    fn tell_digit(&mut self, now: Instant, digit: Digit, events: &mut VecDeque<MediaEvent>) {
        if !self.digits_told.admit(now, DIGITS_A_SECOND_MAX) {
            return;
        }
        events.push_back(self.event(MediaEventKind::Digit {
            symbol: digit.symbol,
            duration: digit.duration,
        }));
    }

    /// Makes another leg's packet one of this leg's stream, in place.
    pub(super) fn relay(
        &mut self,
        now: Instant,
        relayed: &Relayed,
        packet: &mut [u8],
    ) -> Option<Ready> {
        let (Some(remote), Some(latch)) = (&self.remote, &self.latch) else {
            return None;
        };
        if !self.direction.is_sending() || self.play.is_some() {
            return None;
        }
        let header = &relayed.header;
        let (number, transcode_from) = match relayed.payload {
            Payload::Audio(codec) => match remote.send.number(codec) {
                Some(number) => (Some(number), None),
                None => (remote.send.number(codec.other()), Some(codec)),
            },
            Payload::TelephoneEvent => (remote.send.telephone_event, None),
            Payload::Unknown => (None, None),
        };
        let Some(payload_type) = number else {
            self.outgoing.skip_relayed(header);
            return None;
        };
        let shifted = self.outgoing.stamp_relayed(now, header)?;
        if let Some(codec) = transcode_from
            && let Some(payload) = packet.get_mut(header.payload.clone())
        {
            g711::transcode(codec, payload);
        }
        rtp::restamp(
            packet,
            Stamp {
                has_marker: shifted.has_marker,
                payload_type,
                sequence: shifted.sequence,
                timestamp: shifted.timestamp,
                ssrc: self.outgoing.ssrc(),
            },
        );
        Some(Ready {
            to: latch.destination(),
            bytes: packet.len(),
        })
    }

    /// Makes the next packet of the player; tells when it was the last one.
    pub(super) fn play(&mut self, now: Instant, packet: &mut [u8]) -> (Option<Ready>, Progress) {
        let Some(playing) = &mut self.play else {
            return (None, Progress::Playing);
        };
        if playing.wait > 0 {
            playing.wait -= 1;
            return (None, Progress::Playing);
        }
        let ticks = self.remote.map_or(1, |remote| {
            (remote.ptime_ms / TICK_MS).clamp(1, PACKET_TICKS_MAX)
        });
        playing.wait = ticks - 1;
        let samples = PACKET_SAMPLES * u32::from(ticks);
        let end = rtp::HEADER_BYTES + samples as usize;
        let Some(packet) = packet.get_mut(..end) else {
            return (None, Progress::Ended);
        };
        let codec = self.remote.map_or(Codec::Pcmu, |remote| remote.codec());
        let progress = playing.player.fill(codec, &mut packet[rtp::HEADER_BYTES..]);
        let (Some(remote), Some(latch)) = (&self.remote, &self.latch) else {
            return (None, progress);
        };
        let Some(number) = remote
            .send
            .number(codec)
            .filter(|_| self.direction.is_sending())
        else {
            self.outgoing.handle_switch();
            return (None, progress);
        };
        rtp::write_header(packet, self.outgoing.stamp_played(now, samples, number));
        let ready = Ready {
            to: latch.destination(),
            bytes: end,
        };
        (Some(ready), progress)
    }

    /// Whether a report would say anything: something was sent or received.
    pub(super) fn has_anything_to_report(&self) -> bool {
        self.remote.is_some() && (self.reception.is_some() || self.outgoing.sent_at().is_some())
    }

    /// Looks whether the peer fell silent although it should send.
    pub(super) fn note_silence(
        &mut self,
        now: Instant,
        silent_after: Duration,
        events: &mut VecDeque<MediaEvent>,
    ) {
        let Some(since) = self.listening_since else {
            return;
        };
        let heard_at = self.latch.as_ref().and_then(Latch::heard_at);
        let since = heard_at.map_or(since, |heard_at| heard_at.max(since));
        let is_silent = now.saturating_duration_since(since) >= silent_after;
        if is_silent && self.hearing == Hearing::Fine {
            self.hearing = Hearing::Silent;
            let history = if self.packets_received == 0 {
                History::NeverHeard
            } else {
                History::HeardBefore
            };
            events.push_back(self.event(MediaEventKind::Silent { history }));
        }
    }

    pub(super) fn report(&self, now: Instant) -> Report {
        let (packets_sent, bytes_sent) = self.outgoing.sent();
        let lost = self.reception.as_ref().map_or(0, Reception::lost);
        let jitter = self.reception.as_ref().map_or(0, Reception::jitter);
        let listened = self
            .listening_since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let flow = if self.packets_received > 0 || listened < FLOW_AFTER {
            Flow::AsAgreed
        } else if packets_sent > 0 {
            Flow::OnlySent
        } else {
            Flow::Neither
        };
        Report {
            packets_received: self.packets_received,
            bytes_received: self.bytes_received,
            packets_sent: u64::from(packets_sent),
            bytes_sent: u64::from(bytes_sent),
            packets_lost: u64::try_from(self.lost_before + i64::from(lost)).unwrap_or(0),
            jitter: Duration::from_micros(u64::from(jitter) * 125),
            round_trip: self.reports.round_trip(),
            packets_lost_by_peer: self.reports.lost_by_peer(),
            packets_refused: self.packets_refused,
            flow,
        }
    }
}

/// The players' beat, in milliseconds.
pub(super) const TICK_MS: u8 = 20;
/// A dialler makes ten a second (50 ms on, 50 ms off); a flood of events is no dialler.
const DIGITS_A_SECOND_MAX: u16 = 30;
/// Twenty times what a telephone sends. It also breaks the loop of two bridged legs that were
/// described as each other's peers.
const PACKETS_A_SECOND_MAX: u16 = 1_000;
/// Longest packet that a player sends, in ticks.
const PACKET_TICKS_MAX: u8 = 3;
/// A peer that sent nothing for less than this may just be slow to begin.
const FLOW_AFTER: Duration = Duration::from_secs(2);
