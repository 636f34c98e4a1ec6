//! Stories of ports, on virtual time and without sockets.

use super::*;
use crate::media::clip::{Clip, Repeat};
use crate::media::g711;
use crate::media::rtcp::CanonicalName;
use crate::media::rtp::{HEADER_BYTES, Header, PACKET_BYTES_MAX, Stamp};
use crate::media::terms::{Flow, History, PlayId, Report};
use crate::sdp::{Codec, Direction, Formats, RemoteMedia};
use proptest::prelude::*;
use std::sync::Arc;

#[path = "core_report_tests.rs"]
mod reports;

const NTP: u64 = 0xe000_0000_0000_0000;

/// Ports and the peers at their other ends, on one clock.
struct Desk {
    ports: Ports,
    now: Instant,
    events: Vec<(u16, MediaEventKind)>,
}

/// A packet that left a port.
#[derive(Debug)]
struct Sent {
    index: u16,
    socket: Socket,
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl Sent {
    fn header(&self) -> Header {
        rtp::parse(&self.bytes).unwrap()
    }

    fn payload(&self) -> &[u8] {
        &self.bytes[self.header().payload]
    }
}

fn id(index: u16) -> PortId {
    PortId {
        thread: 0,
        index,
        generation: 1,
    }
}

fn peer(index: u16) -> SocketAddr {
    SocketAddr::new([192, 0, 2, index as u8].into(), 5_000)
}

fn formats(codecs: &[Codec], telephone_event: Option<u8>) -> Formats {
    let mut formats = Formats {
        codec: codecs[0],
        pcmu: None,
        pcma: None,
        telephone_event,
    };
    for codec in codecs {
        formats.set_number(*codec, Some(codec.static_number()));
    }
    formats
}

fn remote(index: u16, codecs: &[Codec]) -> RemoteMedia {
    let formats = formats(codecs, Some(101));
    RemoteMedia {
        rtp: peer(index),
        rtcp: SocketAddr::new(peer(index).ip(), 5_001),
        has_rtcp_mux: false,
        send: formats,
        receive: formats,
        direction: Direction::SendRecv,
        ptime_ms: 20,
    }
}

fn packet(sequence: u16, timestamp: u32, ssrc: u32, payload_type: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; HEADER_BYTES];
    packet.extend(payload);
    let stamp = Stamp {
        has_marker: false,
        payload_type,
        sequence,
        timestamp,
        ssrc,
    };
    rtp::write_header(&mut packet, stamp);
    packet
}

impl Desk {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            ports: Ports::new(now, NTP, Duration::from_secs(10)),
            now,
            events: Vec::new(),
        }
    }

    /// Two legs that are bridged, PCMU at both ends.
    fn bridged() -> Self {
        let mut desk = Self::new();
        desk.open(1, &[Codec::Pcmu]);
        desk.open(2, &[Codec::Pcmu]);
        desk.ports.bridge(id(1), id(2));
        desk
    }

    fn open(&mut self, index: u16, codecs: &[Codec]) {
        let random = [u64::from(index) << 33 | 0x7777_7777, u64::from(index)];
        self.ports
            .open(self.now, id(index), Owner(u64::from(index)), random);
        self.command(index, PortCommand::SetRemote(Some(remote(index, codecs))));
    }

    fn command(&mut self, index: u16, command: PortCommand) {
        self.ports.handle_command(self.now, id(index), command);
        self.note_events();
    }

    fn play(&mut self, index: u16, samples: usize, repeat: Repeat) {
        let clip = Arc::new(Clip::from_samples(&vec![8_000; samples]));
        let play = Play {
            id: PlayId(9),
            clips: [clip].into(),
            repeat,
            start: Start::Beginning,
        };
        self.command(index, PortCommand::Play(play));
    }

    fn receive_from(&mut self, index: u16, source: SocketAddr, bytes: Vec<u8>) -> Option<Sent> {
        let mut buffer = [0; PACKET_BYTES_MAX];
        buffer[..bytes.len()].copy_from_slice(&bytes);
        let transmit = self
            .ports
            .handle_rtp(self.now, index, source, &mut buffer, bytes.len());
        self.note_events();
        transmit.map(|transmit| Sent {
            index: transmit.index,
            socket: transmit.socket,
            to: transmit.to,
            bytes: buffer[..transmit.bytes].to_vec(),
        })
    }

    fn receive(&mut self, index: u16, bytes: Vec<u8>) -> Option<Sent> {
        self.receive_from(index, peer(index), bytes)
    }

    fn receive_rtcp(&mut self, index: u16, compound: &Compound) -> Option<(Sent, Compound)> {
        let mut bytes = [0; COMPOUND_BYTES_MAX];
        let length = rtcp::write(compound, CanonicalName(5), &mut bytes);
        let mut into = [0; COMPOUND_BYTES_MAX];
        let source = SocketAddr::new(peer(index).ip(), 5_001);
        let transmit =
            self.ports
                .handle_rtcp(self.now, index, source, &bytes[..length], &mut into)?;
        let bytes = into[..transmit.bytes].to_vec();
        let compound = rtcp::parse(&bytes).unwrap();
        let Transmit {
            index, socket, to, ..
        } = transmit;
        Some((
            Sent {
                index,
                socket,
                to,
                bytes,
            },
            compound,
        ))
    }

    /// Lets time pass and gives what was sent meanwhile.
    fn pass(&mut self, millis: u64) -> Vec<Sent> {
        let end = self.now + Duration::from_millis(millis);
        let mut sent = Vec::new();
        while let Some(at) = self.ports.next_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.ports.handle_timeout(self.now);
            self.drain(&mut sent);
        }
        self.now = end;
        sent
    }

    fn drain(&mut self, sent: &mut Vec<Sent>) {
        let mut buffer = [0; PACKET_BYTES_MAX];
        while let Some(transmit) = self.ports.poll_transmit(self.now, &mut buffer) {
            sent.push(Sent {
                index: transmit.index,
                socket: transmit.socket,
                to: transmit.to,
                bytes: buffer[..transmit.bytes].to_vec(),
            });
        }
        self.note_events();
    }

    fn note_events(&mut self) {
        while let Some(event) = self.ports.poll_event() {
            assert_eq!(event.owner, Owner(u64::from(event.port.index)));
            self.events.push((event.port.index, event.kind));
        }
    }

    fn digits(&self) -> String {
        let symbols = self.events.iter().filter_map(|(_, kind)| {
            if let MediaEventKind::Digit { symbol, .. } = kind {
                Some(*symbol)
            } else {
                None
            }
        });
        symbols.collect()
    }

    fn close(&mut self, index: u16) -> (Report, Vec<Sent>) {
        self.command(index, PortCommand::Close);
        let mut sent = Vec::new();
        self.drain(&mut sent);
        assert_eq!(self.ports.poll_closed(), Some(index));
        match self.events.pop() {
            Some((_, MediaEventKind::Closed(report))) => (*report, sent),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_bridge_passes_payload_both_ways_byte_for_byte() {
    let mut desk = Desk::bridged();
    let payload: Vec<u8> = (0..160).map(|byte| byte as u8).collect();
    for (from, to) in [(1, 2), (2, 1)] {
        let sent = desk.receive(from, packet(7, 800, 99, 0, &payload)).unwrap();
        assert_eq!(
            (sent.index, sent.socket, sent.to),
            (to, Socket::Rtp, peer(to))
        );
        assert_eq!(sent.payload(), payload);
        assert_eq!(sent.header().payload_type, 0);
        assert_ne!(sent.header().ssrc, 99, "each leg hears one source of ours");
    }
}

#[test]
fn payload_is_transcoded_only_where_the_ends_differ() {
    let bytes: Vec<u8> = (0..=255).collect();
    for (a, b, from, expected_type, is_same) in [
        (
            &[Codec::Pcmu][..],
            &[Codec::Pcma][..],
            Codec::Pcmu,
            8,
            false,
        ),
        (&[Codec::Pcma], &[Codec::Pcmu], Codec::Pcma, 0, false),
        (
            &[Codec::Pcmu, Codec::Pcma],
            &[Codec::Pcmu, Codec::Pcma],
            Codec::Pcma,
            8,
            true,
        ),
        (
            &[Codec::Pcma],
            &[Codec::Pcmu, Codec::Pcma],
            Codec::Pcma,
            8,
            true,
        ),
    ] {
        let mut desk = Desk::new();
        desk.open(1, a);
        desk.open(2, b);
        desk.ports.bridge(id(1), id(2));
        let sent = desk
            .receive(1, packet(7, 800, 99, from.static_number(), &bytes))
            .unwrap();
        assert_eq!(sent.header().payload_type, expected_type);
        let mut expected = bytes.clone();
        if !is_same {
            g711::transcode(from, &mut expected);
        }
        assert_eq!(sent.payload(), expected);
    }
}

#[test]
fn play_bridge_hold_bridge_is_one_stream_to_the_leg() {
    let mut desk = Desk::bridged();
    let mut stream: Vec<Sent> = Vec::new();
    let relayed = |desk: &mut Desk, ssrc: u32, first: u16| {
        let mut sent = Vec::new();
        for step in 0..5_u16 {
            desk.now += Duration::from_millis(20);
            let timestamp = u32::from(step) * 160 + ssrc;
            sent.extend(desk.receive(
                2,
                packet(first.wrapping_add(step), timestamp, ssrc, 0, &[1; 160]),
            ));
        }
        sent
    };
    desk.play(1, 800, Repeat::Once);
    stream.extend(desk.pass(200));
    let first = relayed(&mut desk, 77, 65_533);
    stream.extend(first);
    desk.play(1, 160, Repeat::Forever);
    stream.extend(desk.pass(1_000));
    assert!(
        relayed(&mut desk, 77, 2).is_empty(),
        "a play is heard instead of the bridge"
    );
    desk.command(1, PortCommand::StopPlay);
    let second = relayed(&mut desk, 77, 7);
    stream.extend(second);
    let third = relayed(&mut desk, 78, 40_000);
    stream.extend(third);
    let stream: Vec<Header> = stream
        .iter()
        .filter(|sent| sent.index == 1 && sent.socket == Socket::Rtp)
        .map(Sent::header)
        .collect();
    assert_eq!(stream.len(), 5 + 5 + 50 + 5 + 5);
    for pair in stream.windows(2) {
        assert_eq!(pair[1].ssrc, pair[0].ssrc);
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!((160..4_000).contains(&step), "{pair:?}");
    }
    let markers: Vec<usize> = (0..stream.len())
        .filter(|at| stream[*at].has_marker)
        .collect();
    assert_eq!(
        markers,
        [0, 5, 10, 60, 65],
        "a talkspurt begins with each switch"
    );
}

#[test]
fn a_play_ends_once_and_tells_so() {
    let mut desk = Desk::new();
    desk.open(1, &[Codec::Pcma]);
    desk.play(1, 400, Repeat::Once);
    let sent = desk.pass(200);
    assert_eq!(sent.len(), 3, "50 ms are three packets");
    assert_eq!(sent[0].header().payload_type, 8);
    assert_eq!(sent[0].payload()[0], g711::encode(Codec::Pcma, 8_000));
    assert_eq!(sent[2].payload()[159], g711::silence(Codec::Pcma));
    assert_eq!(
        desk.events,
        [(1, MediaEventKind::PlayEnded { play: PlayId(9) })]
    );
}

#[test]
fn longer_packets_are_sent_to_those_who_ask_for_them() {
    let mut desk = Desk::new();
    desk.open(1, &[Codec::Pcmu]);
    let remote = RemoteMedia {
        ptime_ms: 40,
        ..remote(1, &[Codec::Pcmu])
    };
    desk.command(1, PortCommand::SetRemote(Some(remote)));
    desk.play(1, 8_000, Repeat::Once);
    let sent = desk.pass(1_100);
    assert_eq!(sent.len(), 25);
    assert!(sent.iter().all(|sent| sent.payload().len() == 320));
    let [first, second] = [sent[0].header(), sent[1].header()];
    assert_eq!(second.timestamp.wrapping_sub(first.timestamp), 320);
    assert_eq!(second.sequence.wrapping_sub(first.sequence), 1);
}

#[test]
fn shared_music_is_at_the_same_place_for_all() {
    let mut desk = Desk::new();
    let ramp: Vec<i16> = (0..4_000).map(|sample| sample * 8).collect();
    let clips: crate::media::Clips = [Arc::new(Clip::from_samples(&ramp))].into();
    let mut heard = Vec::new();
    for index in 1..4 {
        desk.open(index, &[Codec::Pcmu]);
        let clips = clips.clone();
        let play = Play {
            id: PlayId(1),
            clips,
            repeat: Repeat::Forever,
            start: Start::Shared,
        };
        desk.command(index, PortCommand::Play(play));
        desk.pass(140);
    }
    for sent in desk.pass(20) {
        heard.push(sent.payload().to_vec());
    }
    assert_eq!(heard.len(), 3);
    assert!(heard.iter().all(|packet| *packet == heard[0]));
}

#[test]
fn a_held_leg_is_sent_nothing_and_its_announcement_still_ends() {
    let mut desk = Desk::bridged();
    desk.command(1, PortCommand::SetDirection(Direction::RecvOnly));
    assert!(desk.receive(2, packet(1, 0, 5, 0, &[0; 160])).is_none());
    assert!(
        desk.receive(1, packet(1, 0, 6, 0, &[0; 160])).is_some(),
        "it still speaks"
    );
    desk.play(1, 800, Repeat::Once);
    assert!(desk.pass(200).is_empty());
    assert_eq!(
        desk.events.last().unwrap().1,
        MediaEventKind::PlayEnded { play: PlayId(9) }
    );
    desk.command(1, PortCommand::SetDirection(Direction::SendRecv));
    let after = desk.receive(2, packet(2, 160, 5, 0, &[0; 160])).unwrap();
    assert!(after.header().has_marker);
}

fn key(event: u8, end: bool, duration: u16) -> [u8; 4] {
    let [high, low] = duration.to_be_bytes();
    [event, if end { 0x8a } else { 0x0a }, high, low]
}

#[test]
fn keys_are_relayed_in_the_peers_number_and_told_once() {
    let mut desk = Desk::bridged();
    let mut remote_2 = remote(2, &[Codec::Pcmu]);
    remote_2.send.telephone_event = Some(97);
    desk.command(2, PortCommand::SetRemote(Some(remote_2)));
    let audio = desk
        .receive(1, packet(10, 1_600, 5, 0, &[0; 160]))
        .unwrap()
        .header();
    let ends = [false, false, true, true, true];
    for (end, place) in ends.into_iter().zip(1_u16..) {
        desk.now += Duration::from_millis(20);
        let payload = key(5, end, 160 * place);
        let sent = desk
            .receive(1, packet(10 + place, 1_760, 5, 101, &payload))
            .unwrap();
        assert_eq!(sent.header().payload_type, 97);
        assert_eq!(sent.header().timestamp, audio.timestamp.wrapping_add(160));
        assert_eq!(sent.header().sequence, audio.sequence.wrapping_add(place));
        assert_eq!(sent.payload(), payload);
    }
    assert_eq!(desk.digits(), "5");
}

#[test]
fn keys_to_a_peer_without_them_leave_no_gap() {
    let mut desk = Desk::bridged();
    let mut remote_2 = remote(2, &[Codec::Pcmu]);
    remote_2.send.telephone_event = None;
    desk.command(2, PortCommand::SetRemote(Some(remote_2)));
    let before = desk
        .receive(1, packet(10, 0, 5, 0, &[0; 160]))
        .unwrap()
        .header();
    assert!(
        desk.receive(1, packet(11, 160, 5, 101, &key(1, true, 800)))
            .is_none()
    );
    let after = desk
        .receive(1, packet(12, 320, 5, 0, &[0; 160]))
        .unwrap()
        .header();
    assert_eq!(after.sequence, before.sequence.wrapping_add(1));
    assert_eq!(desk.digits(), "1");
}

#[test]
fn a_key_whose_end_got_lost_is_told_by_what_follows_or_by_time() {
    let mut desk = Desk::bridged();
    desk.receive(1, packet(10, 0, 5, 101, &key(11, false, 160)));
    desk.now += Duration::from_millis(300);
    desk.receive(1, packet(13, 480, 5, 0, &[0; 160]));
    assert_eq!(desk.digits(), "#");
    desk.receive(1, packet(14, 640, 5, 101, &key(3, false, 160)));
    desk.pass(1_300);
    assert_eq!(desk.digits(), "#3");
}

#[test]
fn a_flood_of_keys_is_cut() {
    let mut desk = Desk::bridged();
    for sequence in 0..5_000_u16 {
        desk.now += Duration::from_micros(100);
        let timestamp = u32::from(sequence) * 10 + 1;
        desk.receive(1, packet(sequence, timestamp, 5, 101, &key(1, true, 8)));
    }
    assert_eq!(desk.digits().len(), 30);
    desk.now += Duration::from_secs(1);
    desk.receive(1, packet(5_000, 90_000, 5, 101, &key(2, true, 800)));
    assert!(desk.digits().ends_with("12"));
}

#[test]
fn a_flood_of_packets_is_cut_to_what_a_phone_can_send() {
    let mut desk = Desk::bridged();
    let mut passed = 0;
    for sequence in 0..5_000_u16 {
        desk.now += Duration::from_micros(100);
        let packet = packet(sequence, u32::from(sequence) * 160, 5, 0, &[0; 160]);
        passed += u32::from(desk.receive(1, packet).is_some());
    }
    assert_eq!(passed, 1_000);
    desk.now += Duration::from_secs(1);
    assert!(
        desk.receive(1, packet(5_000, 800_000, 5, 0, &[0; 160]))
            .is_some()
    );
}

#[test]
fn loss_and_jitter_are_reported() {
    let mut desk = Desk::bridged();
    for step in 0..500_u16 {
        desk.now += Duration::from_millis(20);
        if step % 10 == 3 {
            continue;
        }
        let late = if step % 2 == 0 { 4 } else { 0 };
        desk.now += Duration::from_millis(late);
        desk.receive(1, packet(step, u32::from(step) * 160, 5, 0, &[0; 160]));
        desk.now -= Duration::from_millis(late);
    }
    let (report, _) = desk.close(1);
    assert_eq!((report.packets_received, report.packets_lost), (450, 50));
    assert_eq!(report.bytes_received, 450 * 172);
    let jitter = report.jitter_ms();
    assert!((3.0..4.1).contains(&jitter), "{jitter}");
    assert_eq!(report.flow, Flow::AsAgreed);
    let (report, _) = desk.close(2);
    assert_eq!((report.packets_sent, report.bytes_sent), (450, 72_000));
}

#[test]
fn one_way_audio_is_noticed_and_its_end_too() {
    let mut desk = Desk::new();
    desk.open(1, &[Codec::Pcmu]);
    desk.play(1, 160, Repeat::Forever);
    desk.pass(12_000);
    let never = MediaEventKind::Silent {
        history: History::NeverHeard,
    };
    assert_eq!(desk.events, [(1, never)]);
    let mut other = Desk::bridged();
    std::mem::swap(&mut desk, &mut other);
    let (report, _) = other.close(1);
    assert!(report.is_one_way());
    desk.receive(1, packet(1, 0, 5, 0, &[0; 160]));
    desk.events.clear();
    desk.pass(12_000);
    desk.receive(1, packet(2, 160, 5, 0, &[0; 160]));
    let told: Vec<&MediaEventKind> = desk
        .events
        .iter()
        .filter(|(index, _)| *index == 1)
        .map(|(_, kind)| kind)
        .collect();
    let silent = MediaEventKind::Silent {
        history: History::HeardBefore,
    };
    assert_eq!(told, [&silent, &MediaEventKind::HeardAgain]);
}

#[test]
fn a_peer_on_hold_is_not_missed() {
    let mut desk = Desk::new();
    desk.open(1, &[Codec::Pcmu]);
    for direction in [
        Direction::SendOnly,
        Direction::RecvOnly,
        Direction::Inactive,
    ] {
        desk.command(1, PortCommand::SetDirection(direction));
        desk.pass(60_000);
    }
    assert_eq!(desk.events, []);
    assert_eq!(desk.close(1).0.flow, Flow::AsAgreed);
}

#[test]
fn audio_goes_back_to_where_it_comes_from() {
    let mut desk = Desk::bridged();
    let public: SocketAddr = "203.0.113.1:61000".parse().unwrap();
    assert!(
        desk.receive_from(1, public, packet(1, 0, 5, 0, &[0; 160]))
            .is_none()
    );
    assert!(
        desk.receive_from(1, public, packet(2, 160, 5, 0, &[0; 160]))
            .is_some()
    );
    assert_eq!(
        desk.events,
        [(1, MediaEventKind::Latched { source: public })]
    );
    let back = desk.receive(2, packet(1, 0, 6, 0, &[0; 160])).unwrap();
    assert_eq!(back.to, public);
}

#[test]
fn injected_packets_reach_nobody_and_are_counted() {
    let mut desk = Desk::bridged();
    desk.receive(1, packet(1, 0, 5, 0, &[0; 160]));
    let thief: SocketAddr = "198.51.100.66:9".parse().unwrap();
    for sequence in 2..20 {
        let stolen = desk.receive_from(1, thief, packet(sequence, 0, 5, 0, &[9; 160]));
        assert!(stolen.is_none());
    }
    assert!(desk.receive(1, vec![1, 2, 3]).is_none());
    assert_eq!(
        desk.receive(2, packet(1, 0, 6, 0, &[0; 160])).unwrap().to,
        peer(1)
    );
    assert_eq!(desk.close(1).0.packets_refused, 19);
}

#[test]
fn a_closed_port_hears_no_command_and_its_place_is_free() {
    let mut desk = Desk::bridged();
    desk.close(1);
    desk.command(1, PortCommand::Close);
    desk.play(1, 800, Repeat::Once);
    assert!(
        desk.receive(2, packet(1, 0, 5, 0, &[0; 160])).is_none(),
        "its bridge is gone"
    );
    let again = PortId {
        generation: 2,
        ..id(1)
    };
    desk.ports.open(desk.now, again, Owner(1), [3, 4]);
    desk.command(1, PortCommand::Close);
    assert_eq!(desk.ports.poll_closed(), None, "the old id means nothing");
    desk.close(2);
    desk.ports
        .handle_command(desk.now, again, PortCommand::Close);
    desk.drain(&mut Vec::new());
    assert_eq!(
        desk.ports.next_timeout(),
        None,
        "nothing is left to wait for"
    );
}

#[test]
fn bridging_elsewhere_leaves_the_old_bridge() {
    let mut desk = Desk::bridged();
    desk.open(3, &[Codec::Pcmu]);
    desk.ports.bridge(id(1), id(3));
    assert!(desk.receive(2, packet(1, 0, 5, 0, &[0; 160])).is_none());
    assert_eq!(
        desk.receive(1, packet(1, 0, 5, 0, &[0; 160]))
            .unwrap()
            .index,
        3
    );
    desk.ports.unbridge(id(1), id(2));
    assert!(
        desk.receive(1, packet(2, 160, 5, 0, &[0; 160])).is_some(),
        "that was no bridge"
    );
    desk.ports.unbridge(id(3), id(1));
    assert!(desk.receive(1, packet(3, 320, 5, 0, &[0; 160])).is_none());
}

#[test]
fn a_port_stays_small() {
    assert!(size_of::<Port>() <= 768, "{}", size_of::<Port>());
}

proptest! {
    #[test]
    fn no_packets_panic_and_each_leg_keeps_its_source(
        packets in prop::collection::vec(
            (1_u16..3, 0_u8..3, prop::collection::vec(any::<u8>(), 0..40), 0_u64..50), 0..60)
    ) {
        let mut desk = Desk::bridged();
        let mut sources: [Option<u32>; 3] = [None; 3];
        for (index, kind, mut bytes, millis) in packets {
            desk.now += Duration::from_millis(millis);
            if kind > 0 && bytes.len() >= 2 {
                bytes[0] = 0x80;
                bytes[1] &= if kind == 1 { 0x88 } else { 0xff };
            }
            if let Some(sent) = desk.receive(index, bytes.clone()) {
                let known = sources[usize::from(sent.index)].get_or_insert(sent.header().ssrc);
                prop_assert_eq!(*known, sent.header().ssrc);
            }
            let mut into = [0; COMPOUND_BYTES_MAX];
            desk.ports.handle_rtcp(desk.now, index, peer(index), &bytes, &mut into);
        }
    }
}
