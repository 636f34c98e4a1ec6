//! The media engine on real loopback sockets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use ringdown_voice::media::{
    Clip, CommandFault, MediaEngine, MediaEvent, MediaEventKind, OpenFault, Owner, Play, PlayId,
    PortCommand, PortHandle, Repeat, Report, Settings, Shard, Start, rtp,
};
use ringdown_voice::sdp::{Codec, Direction, Formats, RemoteMedia};
use std::net::{SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::{Arc, mpsc};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// An engine, and what it tells.
struct Desk {
    engine: MediaEngine,
    events: mpsc::Receiver<(Shard, MediaEvent)>,
}

/// A telephone: a socket that sends and hears RTP.
struct Phone {
    socket: UdpSocket,
    port: PortHandle,
    sequence: u16,
}

impl Desk {
    fn start(threads: usize) -> Self {
        Self::start_within(10_000..=19_999, threads)
    }

    fn start_within(ports: RangeInclusive<u16>, threads: usize) -> Self {
        let (sender, events) = mpsc::channel();
        let settings = Settings {
            ports,
            threads,
            ..Settings::default()
        };
        let engine = MediaEngine::start(&settings, move |shard, event| {
            let _ = sender.send((shard, event));
        })
        .unwrap();
        Self { engine, events }
    }

    fn phone(&self, owner: u64, shard: Shard, codec: Codec) -> Phone {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let port = self.engine.open(Owner(owner), shard).unwrap();
        let rtp = socket.local_addr().unwrap();
        let mut formats = Formats {
            pcmu: None,
            pcma: None,
            ..Formats::ours(codec)
        };
        formats.set_number(codec, Some(codec.static_number()));
        let remote = RemoteMedia {
            rtp,
            rtcp: SocketAddr::new(rtp.ip(), rtp.port().wrapping_add(1)),
            has_rtcp_mux: false,
            send: formats,
            receive: formats,
            direction: Direction::SendRecv,
            ptime_ms: 20,
        };
        self.engine
            .command(port.id, PortCommand::SetRemote(Some(remote)))
            .unwrap();
        Phone {
            socket,
            port,
            sequence: 65_530,
        }
    }

    fn next(&self) -> (Shard, MediaEvent) {
        self.events.recv_timeout(PATIENCE).expect("an event")
    }

    fn close(&self, phone: &Phone) -> Report {
        self.engine
            .command(phone.port.id, PortCommand::Close)
            .unwrap();
        loop {
            let (_, event) = self.next();
            if let MediaEventKind::Closed(report) = event.kind {
                return *report;
            }
        }
    }
}

impl Phone {
    fn speak(&mut self, codec: Codec, payload: &[u8]) {
        let mut packet = vec![0; rtp::HEADER_BYTES];
        packet.extend(payload);
        let stamp = rtp::Stamp {
            has_marker: false,
            payload_type: codec.static_number(),
            sequence: self.sequence,
            timestamp: u32::from(self.sequence) * 160,
            ssrc: 7,
        };
        rtp::write_header(&mut packet, stamp);
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.send_to(&packet, self.port.rtp).unwrap();
    }

    fn hear(&self) -> (rtp::Header, Vec<u8>) {
        let mut packet = [0; 2_000];
        let (bytes, source) = self.socket.recv_from(&mut packet).expect("audio");
        assert_eq!(source, self.port.rtp);
        let header = rtp::parse(&packet[..bytes]).unwrap();
        let payload = packet[header.payload.clone()].to_vec();
        (header, payload)
    }
}

fn payload(number: u16) -> Vec<u8> {
    (0..160)
        .map(|byte| (byte as u8).wrapping_mul(number as u8))
        .collect()
}

#[test]
fn a_bridge_carries_payload_both_ways_byte_for_byte() {
    let desk = Desk::start(1);
    let mut caller = desk.phone(1, Shard(0), Codec::Pcmu);
    let mut agent = desk.phone(2, Shard(0), Codec::Pcmu);
    desk.engine.bridge(caller.port.id, agent.port.id).unwrap();
    let mut last: [Option<u16>; 2] = [None; 2];
    for number in 0..200 {
        caller.speak(Codec::Pcmu, &payload(number));
        let (header, heard) = agent.hear();
        assert_eq!(heard, payload(number));
        if let Some(last) = last[0].replace(header.sequence) {
            assert_eq!(header.sequence, last.wrapping_add(1));
        }
        agent.speak(Codec::Pcmu, &payload(number + 7));
        let (header, heard) = caller.hear();
        assert_eq!(heard, payload(number + 7));
        if let Some(last) = last[1].replace(header.sequence) {
            assert_eq!(header.sequence, last.wrapping_add(1));
        }
    }
    for phone in [&caller, &agent] {
        let report = desk.close(phone);
        assert_eq!((report.packets_received, report.packets_sent), (200, 200));
        assert_eq!(report.packets_lost, 0);
    }
}

#[test]
fn two_laws_are_bridged_by_transcoding() {
    let desk = Desk::start(1);
    let mut caller = desk.phone(1, Shard(0), Codec::Pcma);
    let agent = desk.phone(2, Shard(0), Codec::Pcmu);
    desk.engine.bridge(caller.port.id, agent.port.id).unwrap();
    caller.speak(Codec::Pcma, &payload(3));
    let (header, heard) = agent.hear();
    let mut expected = payload(3);
    ringdown_voice::media::g711::transcode(Codec::Pcma, &mut expected);
    assert_eq!((header.payload_type, heard), (0, expected));
}

#[test]
fn a_burst_loses_nothing() {
    let desk = Desk::start(1);
    let mut caller = desk.phone(1, Shard(0), Codec::Pcmu);
    let agent = desk.phone(2, Shard(0), Codec::Pcmu);
    desk.engine.bridge(caller.port.id, agent.port.id).unwrap();
    for _ in 0..3 {
        for number in 0..100 {
            caller.speak(Codec::Pcmu, &payload(number));
        }
        for number in 0..100 {
            assert_eq!(agent.hear().1, payload(number));
        }
    }
}

#[test]
fn a_clip_is_heard_whole_and_its_end_told_to_its_own_shard() {
    let desk = Desk::start(2);
    let phone = desk.phone(42, Shard(5), Codec::Pcmu);
    let ramp: Vec<i16> = (0..480).map(|sample| sample * 60).collect();
    let clip = Arc::new(Clip::from_samples(&ramp));
    let play = Play {
        id: PlayId(3),
        clips: [Arc::clone(&clip)].into(),
        repeat: Repeat::Once,
        start: Start::Beginning,
    };
    desk.engine
        .command(phone.port.id, PortCommand::Play(play))
        .unwrap();
    let heard: Vec<u8> = (0..3).flat_map(|_| phone.hear().1).collect();
    assert_eq!(heard, clip.bytes(Codec::Pcmu));
    let (shard, event) = desk.next();
    assert_eq!(
        (shard, event.owner, event.port),
        (Shard(5), Owner(42), phone.port.id)
    );
    assert_eq!(event.kind, MediaEventKind::PlayEnded { play: PlayId(3) });
}

#[test]
fn a_range_that_is_used_up_is_said_and_comes_back() {
    let (sender, events) = mpsc::channel();
    // The system picks the place; whoever else sits in these eight ports takes some of the pairs.
    let free = UdpSocket::bind("127.0.0.1:0").unwrap();
    let base = free.local_addr().unwrap().port().min(65_000) & !1;
    drop(free);
    let settings = Settings {
        ports: base..=base + 7,
        ..Settings::default()
    };
    let engine = MediaEngine::start(&settings, move |_, event| {
        let _ = sender.send(event);
    })
    .unwrap();
    let mut open: Vec<PortHandle> = Vec::new();
    let fault = loop {
        match engine.open(Owner(open.len() as u64), Shard(0)) {
            Ok(port) => open.push(port),
            Err(fault) => break fault,
        }
    };
    assert!(matches!(fault, OpenFault::PortsExhausted));
    assert!(open.len() <= 4);
    for port in &open {
        assert_eq!(port.rtp.port() % 2, 0);
        engine.command(port.id, PortCommand::Close).unwrap();
        let closed = events.recv_timeout(PATIENCE).expect("closed");
        assert!(matches!(closed.kind, MediaEventKind::Closed(_)));
    }
    assert_eq!(engine.ports_used().1, 4);
}

#[test]
fn ports_of_different_threads_are_not_bridged() {
    let desk = Desk::start(2);
    let a = desk.phone(1, Shard(0), Codec::Pcmu);
    let b = desk.phone(2, Shard(1), Codec::Pcmu);
    let apart = desk.engine.bridge(a.port.id, b.port.id);
    assert_eq!(apart, Err(CommandFault::Apart));
}

#[test]
fn the_threads_end_with_the_last_handle() {
    let desk = Desk::start(2);
    let other = desk.engine.clone();
    let phone = desk.phone(1, Shard(1), Codec::Pcmu);
    drop(desk.engine);
    other.command(phone.port.id, PortCommand::Close).unwrap();
    let (_, closed) = desk.events.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(closed.kind, MediaEventKind::Closed(_)));
    drop(other);
    let ended = desk.events.recv_timeout(PATIENCE);
    assert_eq!(ended, Err(mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn nonsense_from_the_network_stops_nothing() {
    let desk = Desk::start(1);
    let mut caller = desk.phone(1, Shard(0), Codec::Pcmu);
    let agent = desk.phone(2, Shard(0), Codec::Pcmu);
    desk.engine.bridge(caller.port.id, agent.port.id).unwrap();
    for length in [0, 1, 11, 12, 13, 500, 1_600, 9_000] {
        for first in [0, 0x80, 0xbf, 0xff] {
            let mut bytes = vec![first; length];
            if let Some(second) = bytes.get_mut(1) {
                // A payload number that nobody agreed on.
                *second = 0x7f;
            }
            caller.socket.send_to(&bytes, caller.port.rtp).unwrap();
        }
    }
    caller.speak(Codec::Pcmu, &payload(5));
    // Some of the nonsense is RTP by its form; nothing of it is passed on.
    assert_eq!(agent.hear().1, payload(5));
    assert!(desk.close(&caller).packets_refused > 20);
}

/// Another program that has its own calls in the range takes neighbouring ports.
#[test]
fn a_long_row_of_ports_that_others_have_keeps_no_call_out() {
    let (first, last) = (9_000, 9_499);
    let others: Vec<UdpSocket> = (first..last - 100)
        .filter_map(|port| UdpSocket::bind(("127.0.0.1", port)).ok())
        .collect();
    let desk = Desk::start_within(first..=last, 1);
    for owner in 0..40 {
        desk.engine
            .open(Owner(owner), Shard(0))
            .unwrap_or_else(|fault| panic!("{fault}: call {owner}, {} others", others.len()));
    }
}
