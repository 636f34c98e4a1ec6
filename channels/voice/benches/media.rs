//! What one packet costs in the media core, without sockets.

use criterion::{Criterion, criterion_group, criterion_main};
use ringdown_voice::media::core::Ports;
use ringdown_voice::media::rtp::{self, Stamp};
use ringdown_voice::media::{Clip, Owner, Play, PlayId, PortCommand, PortId, Repeat, Start};
use ringdown_voice::sdp::{Codec, Direction, Formats, Negotiation, RemoteMedia};
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn remote(port: u16, codec: Codec) -> RemoteMedia {
    let mut formats = Formats {
        pcmu: None,
        pcma: None,
        ..Formats::ours(codec)
    };
    formats.set_number(codec, Some(codec.static_number()));
    RemoteMedia {
        rtp: SocketAddr::from(([192, 0, 2, 1], port)),
        rtcp: SocketAddr::from(([192, 0, 2, 1], port + 1)),
        has_rtcp_mux: false,
        send: formats,
        receive: formats,
        direction: Direction::SendRecv,
        ptime_ms: 20,
    }
}

/// 400 bridged calls; one packet of each leg in turn.
fn relay(criterion: &mut Criterion, name: &str, codecs: [Codec; 2]) {
    let start = Instant::now();
    let mut ports = Ports::new(start, 0, Duration::from_secs(10));
    let ids: Vec<_> = (0..800_u16)
        .map(|index| {
            let id = PortId::new(0, index, 1);
            let random = [u64::from(index) << 33, 1];
            ports.open(start, id, Owner(u64::from(index)), random);
            id
        })
        .collect();
    for (pair, first) in ids.chunks(2).zip((0..).step_by(2)) {
        for (id, side) in pair.iter().zip(0_usize..) {
            let remote = remote(2_000 + 2 * (first + side as u16), codecs[side]);
            ports.handle_command(start, *id, PortCommand::SetRemote(Some(remote)));
        }
        ports.bridge(pair[0], pair[1]);
    }
    let (mut turn, mut sequence) = (0_u16, 0_u16);
    let mut packet = [0xd5; 172];
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| {
            let stamp = Stamp {
                has_marker: false,
                payload_type: codecs[usize::from(turn & 1)].static_number(),
                sequence,
                timestamp: u32::from(sequence) * 160,
                ssrc: u32::from(turn),
            };
            rtp::write_header(&mut packet, stamp);
            let source = SocketAddr::from(([192, 0, 2, 1], 2_000 + 2 * turn));
            let now = start + Duration::from_millis(20) * u32::from(sequence);
            black_box(ports.handle_rtp(now, turn, source, &mut packet, 172));
            turn += 1;
            if turn == 800 {
                turn = 0;
                sequence = sequence.wrapping_add(1);
            }
        });
    });
}

/// 400 waiting calls that hear music; one packet each a turn.
fn play(criterion: &mut Criterion) {
    let start = Instant::now();
    let mut ports = Ports::new(start, 0, Duration::from_secs(10));
    let clip = Arc::new(Clip::silence(Duration::from_secs(20)));
    for index in 0..400_u16 {
        let id = PortId::new(0, index, 1);
        ports.open(start, id, Owner(0), [u64::from(index), 1]);
        let remote = remote(2_000 + 2 * index, Codec::Pcmu);
        ports.handle_command(start, id, PortCommand::SetRemote(Some(remote)));
        let play = Play {
            id: PlayId(1),
            clips: [Arc::clone(&clip)].into(),
            repeat: Repeat::Forever,
            start: Start::Shared,
        };
        ports.handle_command(start, id, PortCommand::Play(play));
    }
    let mut now = start;
    let mut packet = [0; rtp::PACKET_BYTES_MAX];
    criterion.bench_function("play: one packet", |bencher| {
        bencher.iter(|| {
            loop {
                let transmit = ports.poll_transmit(now, &mut packet);
                if transmit.is_some() {
                    break black_box(transmit);
                }
                while ports.poll_event().is_some() {}
                now += Duration::from_millis(2);
                ports.handle_timeout(now);
            }
        });
    });
}

fn negotiate(criterion: &mut Criterion) {
    let offer = b"v=0\r\no=- 7 7 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
        m=audio 5000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";
    let local = SocketAddr::from(([192, 0, 2, 1], 4_000));
    criterion.bench_function("sdp: answer an offer", |bencher| {
        bencher.iter(|| Negotiation::new(local, 1).handle_offer(black_box(offer)));
    });
}

fn media(criterion: &mut Criterion) {
    relay(
        criterion,
        "relay: one packet, same law",
        [Codec::Pcmu, Codec::Pcmu],
    );
    relay(
        criterion,
        "relay: one packet, transcoded",
        [Codec::Pcmu, Codec::Pcma],
    );
    play(criterion);
    negotiate(criterion);
}

criterion_group!(benches, media);
criterion_main!(benches);
