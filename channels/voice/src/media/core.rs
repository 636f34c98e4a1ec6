//! All ports of one thread, without I/O: packets, commands and time in; packets and events out.

use super::clip::{Player, Progress, Start};
use super::port::{Playing, Port, Ready, TICK_MS};
use super::reports::{Leaving, Reporter};
use super::rtcp::{self, COMPOUND_BYTES_MAX, Compound};
use super::rtp;
use super::terms::{MediaEvent, MediaEventKind, Owner, Play, PortCommand, PortId};
use super::wheel::Wheel;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The ports of one media thread.
///
/// The caller hands in packets with [`Ports::handle_rtp`] and [`Ports::handle_rtcp`], calls
/// [`Ports::handle_timeout`] when [`Ports::next_timeout`] says so, and then sends everything that
/// [`Ports::poll_transmit`] gives, tells everything that [`Ports::poll_event`] gives, and closes the
/// sockets that [`Ports::poll_closed`] names, in this order.
#[derive(Debug)]
pub struct Ports {
    ports: Vec<Option<Box<Port>>>,
    clock: Clock,
    silent_after: Duration,
    players: Wheel<PLAYER_SLOTS>,
    sweep: Wheel<SWEEP_SLOTS>,
    playing_due: Vec<u16>,
    reports_due: Vec<u16>,
    leaving: Vec<u16>,
    closed: Vec<u16>,
    events: VecDeque<MediaEvent>,
}

/// The instant of the wall's clock that an instant of ours was.
#[derive(Clone, Copy, Debug)]
struct Clock {
    start: Instant,
    ntp_at_start: u64,
}

/// A packet that is ready to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The port to send it from, by its place.
    pub index: u16,
    /// Which of the port's two sockets.
    pub socket: Socket,
    /// Where to.
    pub to: SocketAddr,
    /// How many bytes of the buffer.
    pub bytes: usize,
}

/// One of a port's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    /// The even one.
    Rtp,
    /// The odd one.
    Rtcp,
}

impl Ports {
    /// Begins with no port; `ntp` is the wall's clock now, as 32.32 seconds since 1900.
    pub fn new(now: Instant, ntp: u64, silent_after: Duration) -> Self {
        Self {
            ports: Vec::new(),
            clock: Clock {
                start: now,
                ntp_at_start: ntp,
            },
            silent_after,
            players: Wheel::new(now, Duration::from_millis(u64::from(TICK_MS))),
            sweep: Wheel::new(now, SWEEP_INTERVAL),
            playing_due: Vec::new(),
            reports_due: Vec::new(),
            leaving: Vec::new(),
            closed: Vec::new(),
            events: VecDeque::new(),
        }
    }

    /// Opens a port; `random` makes its numbers unguessable.
    pub fn open(&mut self, now: Instant, id: PortId, owner: Owner, random: [u64; 2]) {
        let index = usize::from(id.index);
        if self.ports.len() <= index {
            self.ports.resize_with(index + 1, || None);
        }
        self.ports[index] = Some(Box::new(Port::new(now, id, owner, random)));
        self.sweep.insert(now, id.index);
    }

    /// Tells one port what to do; a port that is closed already is told nothing.
    pub fn handle_command(&mut self, now: Instant, id: PortId, command: PortCommand) {
        let Some(port) = self.port_mut(id) else {
            return;
        };
        match command {
            PortCommand::SetRemote(remote) => port.set_remote(now, remote),
            PortCommand::SetDirection(direction) => port.set_allowed(now, direction),
            PortCommand::Play(play) => self.begin_play(now, id, play),
            PortCommand::StopPlay => self.stop_play(id.index),
            PortCommand::Tap(tap) => port.put_tap(tap),
            PortCommand::StopTap(tap) => port.take_tap_off(tap),
            PortCommand::Close => self.begin_close(now, id),
        }
    }

    /// Lets two ports hear each other; whoever they heard before hears nobody.
    pub fn bridge(&mut self, a: PortId, b: PortId) {
        if a == b || self.port_mut(a).is_none() || self.port_mut(b).is_none() {
            return;
        }
        self.leave_bridge(a.index);
        self.leave_bridge(b.index);
        for (one, other) in [(a, b), (b, a)] {
            if let Some(port) = self.port_mut(one) {
                port.bridge = Some(other.index);
                port.outgoing.handle_switch();
            }
        }
    }

    /// Lets two ports hear each other no longer; nothing when they did not.
    pub fn unbridge(&mut self, a: PortId, b: PortId) {
        let is_bridged = self
            .port_mut(a)
            .is_some_and(|port| port.bridge == Some(b.index));
        if is_bridged && self.port_mut(b).is_some() {
            self.leave_bridge(a.index);
        }
    }

    /// Takes a packet from an RTP socket, the first `bytes` of the buffer; what is to be sent on is
    /// in the same buffer.
    pub fn handle_rtp(
        &mut self,
        now: Instant,
        index: u16,
        source: SocketAddr,
        buffer: &mut [u8],
        bytes: usize,
    ) -> Option<Transmit> {
        let port = self.ports.get_mut(usize::from(index))?.as_mut()?;
        let packet = buffer.get_mut(..bytes)?;
        if rtp::is_rtcp(packet) && port.remote().is_some_and(|remote| remote.has_rtcp_mux) {
            let mut report = [0; COMPOUND_BYTES_MAX];
            let transmit = self.handle_rtcp(now, index, source, packet, &mut report)?;
            buffer
                .get_mut(..transmit.bytes)?
                .copy_from_slice(report.get(..transmit.bytes)?);
            return Some(transmit);
        }
        let relayed = port.handle_rtp(now, source, packet, &mut self.events)?;
        let to = self.ports.get_mut(usize::from(relayed.to))?.as_mut()?;
        let ready = to.relay(now, &relayed, packet)?;
        Some(Transmit {
            index: relayed.to,
            socket: Socket::Rtp,
            to: ready.to,
            bytes: ready.bytes,
        })
    }

    /// Takes a packet from an RTCP socket; what is to be sent on is written to `into`.
    pub fn handle_rtcp(
        &mut self,
        now: Instant,
        index: u16,
        source: SocketAddr,
        packet: &[u8],
        into: &mut [u8; COMPOUND_BYTES_MAX],
    ) -> Option<Transmit> {
        let port = self.ports.get_mut(usize::from(index))?.as_mut()?;
        if port.destination().map(|to| to.ip()) != Some(source.ip()) {
            return None;
        }
        let compound = rtcp::parse(packet).ok()?;
        port.reports.source_port = Some(source.port());
        let our_ssrc = port.outgoing.ssrc();
        port.reports.handle_report(now, &compound, our_ssrc);
        let to = port.bridge?;
        self.pass_report_on(now, index, to, &compound, into)
    }

    fn pass_report_on(
        &mut self,
        now: Instant,
        from: u16,
        to: u16,
        compound: &Compound,
        into: &mut [u8; COMPOUND_BYTES_MAX],
    ) -> Option<Transmit> {
        let [from, port] = self
            .ports
            .get_disjoint_mut([usize::from(from), usize::from(to)])
            .ok()?;
        let (from, port) = (from.as_ref()?, port.as_mut()?);
        let reporter = Reporter {
            outgoing: &from.outgoing,
            reports: &from.reports,
        };
        let translated = port.reports.translate(
            now,
            compound,
            reporter,
            &port.outgoing,
            port.reception.as_ref(),
        )?;
        let bytes = port.reports.write(&translated, into);
        transmit_report(to, port, bytes)
    }

    /// Lets time pass: players, reports and silences become due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.players.collect(now, &mut self.playing_due);
        let mut swept = Vec::new();
        self.sweep.collect(now, &mut swept);
        for index in swept {
            let Some(Some(port)) = self.ports.get_mut(usize::from(index)) else {
                continue;
            };
            port.note_quiet_keys(now, &mut self.events);
            port.note_silence(now, self.silent_after, &mut self.events);
            if port.reports.is_due(now) && port.has_anything_to_report() {
                self.reports_due.push(index);
            }
        }
    }

    /// When `handle_timeout` is to be called; `None` when nothing waits for time.
    pub fn next_timeout(&self) -> Option<Instant> {
        match (self.players.next_at(), self.sweep.next_at()) {
            (Some(players), Some(sweep)) => Some(players.min(sweep)),
            (players, sweep) => players.or(sweep),
        }
    }

    /// The next packet that became due, written to `into`.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        into: &mut [u8; rtp::PACKET_BYTES_MAX],
    ) -> Option<Transmit> {
        while let Some(index) = self.playing_due.pop() {
            if let Some(ready) = self.make_played(now, index, into) {
                return Some(Transmit {
                    index,
                    socket: Socket::Rtp,
                    to: ready.to,
                    bytes: ready.bytes,
                });
            }
        }
        while let Some(index) = self.reports_due.pop() {
            let transmit = self.make_report(now, index, Leaving::Stays, into);
            if transmit.is_some() {
                return transmit;
            }
        }
        while let Some(index) = self.leaving.pop() {
            let transmit = self.make_report(now, index, Leaving::Leaves, into);
            self.finish_close(index);
            if transmit.is_some() {
                return transmit;
            }
        }
        None
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        self.events.pop_front()
    }

    /// The next port whose sockets are done with, by its place.
    pub fn poll_closed(&mut self) -> Option<u16> {
        self.closed.pop()
    }

    fn make_played(&mut self, now: Instant, index: u16, into: &mut [u8]) -> Option<Ready> {
        let port = self.ports.get_mut(usize::from(index))?.as_mut()?;
        let (ready, progress) = port.play(now, into);
        let ended = match progress {
            Progress::Playing => None,
            Progress::Ended => port.play.as_ref().map(|playing| playing.id),
        };
        if let Some(play) = ended {
            let event = port.event(MediaEventKind::PlayEnded { play });
            self.events.push_back(event);
            self.stop_play(index);
        }
        ready
    }

    fn make_report(
        &mut self,
        now: Instant,
        index: u16,
        leaving: Leaving,
        into: &mut [u8; rtp::PACKET_BYTES_MAX],
    ) -> Option<Transmit> {
        let ntp = self.clock.ntp_at(now);
        let port = self.ports.get_mut(usize::from(index))?.as_mut()?;
        if leaving == Leaving::Leaves && !port.reports.has_said() {
            return None;
        }
        let compound =
            port.reports
                .make_own(now, ntp, &port.outgoing, port.reception.as_mut(), leaving);
        let into = into.first_chunk_mut::<COMPOUND_BYTES_MAX>()?;
        let bytes = port.reports.write(&compound, into);
        transmit_report(index, port, bytes)
    }

    fn begin_play(&mut self, now: Instant, id: PortId, play: Play) {
        self.stop_play(id.index);
        let skipped = match play.start {
            Start::Beginning => 0,
            Start::Shared => {
                let since = now.saturating_duration_since(self.clock.start);
                u64::try_from(since.as_micros() / 125).unwrap_or(0)
            }
        };
        let player = Player::new(play.clips, play.repeat, skipped);
        let slot = self.players.insert_crowded(now, id.index);
        if let Some(port) = self.port_mut(id) {
            port.outgoing.handle_switch();
            port.play = Some(Playing::new(play.id, player, slot));
        }
    }

    fn stop_play(&mut self, index: u16) {
        let Some(Some(port)) = self.ports.get_mut(usize::from(index)) else {
            return;
        };
        if let Some(playing) = port.play.take() {
            port.outgoing.handle_switch();
            self.players.remove(playing.slot, index);
        }
    }

    fn begin_close(&mut self, now: Instant, id: PortId) {
        self.stop_play(id.index);
        self.leave_bridge(id.index);
        self.sweep.remove_any(id.index);
        if let Some(port) = self.port_mut(id) {
            port.take_taps_off();
            let report = Box::new(port.report(now));
            let event = port.event(MediaEventKind::Closed(report));
            self.events.push_back(event);
            self.leaving.push(id.index);
        }
    }

    fn finish_close(&mut self, index: u16) {
        if let Some(slot) = self.ports.get_mut(usize::from(index))
            && slot.take().is_some()
        {
            self.closed.push(index);
        }
    }

    fn leave_bridge(&mut self, index: u16) {
        let left = self
            .ports
            .get_mut(usize::from(index))
            .and_then(Option::as_mut)
            .and_then(|port| port.bridge.take());
        if let Some(Some(other)) = left.and_then(|left| self.ports.get_mut(usize::from(left))) {
            other.bridge = None;
        }
    }

    fn port_mut(&mut self, id: PortId) -> Option<&mut Port> {
        let port = self.ports.get_mut(usize::from(id.index))?.as_deref_mut()?;
        (port.id == id).then_some(port)
    }
}

impl Clock {
    fn ntp_at(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start);
        let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
        self.ntp_at_start
            .wrapping_add(since.as_secs() << 32)
            .wrapping_add(fraction)
    }
}

/// Where a report of a port goes, and from which of its sockets.
fn transmit_report(index: u16, port: &Port, bytes: usize) -> Option<Transmit> {
    let remote = port.remote()?;
    let rtp = port.destination()?;
    if rtp.ip().is_unspecified() {
        return None;
    }
    let (socket, to) = if remote.has_rtcp_mux {
        (Socket::Rtp, rtp)
    } else if let Some(source_port) = port.reports.source_port {
        (Socket::Rtcp, SocketAddr::new(rtp.ip(), source_port))
    } else if rtp == remote.rtp {
        (Socket::Rtcp, remote.rtcp)
    } else {
        // Behind a router the signalled port means nothing; the next one is the best guess.
        (
            Socket::Rtcp,
            SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1)),
        )
    };
    Some(Transmit {
        index,
        socket,
        to,
        bytes,
    })
}

/// Players beat in ten groups 2 ms apart, so that thousands of packets do not go at once.
const PLAYER_SLOTS: usize = 10;
/// Every port is looked at once a second for what it did not do.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// The ports are looked at in twenty groups 50 ms apart.
const SWEEP_SLOTS: usize = 20;

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
