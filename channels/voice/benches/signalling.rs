//! CPU per call of the signalling core as a UAS: INVITE, 200, ACK, BYE, 200.
//!
//! `core` measures the core alone, `udp` the same behind a socket on loopback, both by the CPU time of the
//! answering thread (what the caller spends is not counted), so that other load does not blur them. A thousand calls begin per second of
//! virtual or real time, so that finished transactions linger by the ten thousand, as on a busy gateway.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringdown_voice::sip::flow::{Flow, SocketId, Transport};
use ringdown_voice::sip::user_agent::{DialogId, Event, Place, Settings, UserAgent};
use std::hint::black_box;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const SDP: &str = "v=0\r\no=- 3894 3894 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8 101\r\n\
a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";

fn invite(number: u64, local: SocketAddr) -> Bytes {
    Bytes::from(format!(
        "INVITE sip:desk@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK-{number}-i;rport\r\nMax-Forwards: 70\r\n\
         From: \"Caller {number}\" <sip:caller@{local}>;tag=f{number}\r\nTo: <sip:desk@127.0.0.1:5060>\r\nCall-ID: {number}-4f2a@127.0.0.1\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:caller@{local}>\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE\r\nSupported: timer, replaces\r\n\
         User-Agent: Bench/1.0\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    ))
}

fn in_dialog(method: &str, sequence: u32, number: u64, tag: &str, local: SocketAddr) -> Bytes {
    Bytes::from(format!(
        "{method} sip:ringdown@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK-{number}-{method};rport\r\nMax-Forwards: 70\r\n\
         From: \"Caller {number}\" <sip:caller@{local}>;tag=f{number}\r\nTo: <sip:desk@127.0.0.1:5060>;tag={tag}\r\nCall-ID: {number}-4f2a@127.0.0.1\r\n\
         CSeq: {sequence} {method}\r\nContent-Length: 0\r\n\r\n"
    ))
}

fn agent() -> UserAgent {
    let place = Place {
        transport: Transport::Udp,
        socket: SocketId(0),
        address: "127.0.0.1:5060".to_owned(),
    };
    UserAgent::new(Settings::new(place), 7)
}

/// Does what the owner of a user agent does after each input, and answers what comes in.
fn serve(
    agent: &mut UserAgent,
    now: Instant,
    answer: &Bytes,
    mut send: impl FnMut(&[u8], SocketAddr),
) -> Option<DialogId> {
    let mut came = None;
    while let Some(event) = agent.poll_event() {
        if let Event::Incoming { id, .. } = event {
            agent
                .answer(now, id, answer.clone())
                .expect("a new call can be answered");
            came = Some(id);
        }
    }
    while let Some(transmit) = agent.poll_transmit() {
        send(&transmit.bytes, transmit.flow.remote);
    }
    if agent.next_timeout().is_some_and(|due| due <= now) {
        agent.handle_timeout(now);
    }
    came
}

/// One call, from its INVITE to the answer to its BYE.
fn play(agent: &mut UserAgent, now: Instant, flow: Flow, number: u64, answer: &Bytes) {
    agent.handle_datagram(now, flow, invite(number, flow.remote));
    let drop = |bytes: &[u8], _| {
        black_box(bytes);
    };
    let id = serve(agent, now, answer, drop).expect("a call came in");
    let tag = agent.tag(id).expect("the dialog stands");
    for (method, sequence) in [("ACK", 1), ("BYE", 2)] {
        agent.handle_datagram(
            now,
            flow,
            in_dialog(method, sequence, number, &tag, flow.remote),
        );
        serve(agent, now, answer, drop);
    }
}

fn core(c: &mut Criterion) {
    let mut group = c.benchmark_group("signalling");
    group.throughput(Throughput::Elements(1)).sample_size(30);
    group.bench_function("core: INVITE 200 ACK BYE 200", |b| {
        let local: SocketAddr = "127.0.0.1:5090".parse().expect("an address");
        let flow = Flow::new(Transport::Udp, local);
        let answer = Bytes::from_static(SDP.as_bytes());
        let mut agent = agent();
        let mut now = Instant::now();
        let mut number = 0;
        for _ in 0..40_000 {
            number += 1;
            now += Duration::from_millis(1);
            play(&mut agent, now, flow, number, &answer);
        }
        b.iter_custom(|calls| {
            let first = number;
            let begun = cpu_time();
            for _ in 0..calls {
                number += 1;
                now += Duration::from_millis(1);
                play(&mut agent, now, flow, number, &answer);
            }
            let spent = cpu_time() - begun;
            // What it costs to write the caller's messages is not ours.
            let begun = cpu_time();
            for number in first..first + calls {
                black_box(invite(number, local));
                for method in ["ACK", "BYE"] {
                    black_box(in_dialog(method, 1, number, "0-0123456789abcdef", local));
                }
            }
            spent.saturating_sub(cpu_time() - begun)
        });
    });
    group.finish();
}

/// CPU time of this thread, as the scheduler counts it.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(
        text.split(' ')
            .next()
            .and_then(|nanos| nanos.parse().ok())
            .unwrap_or(0),
    )
}

/// Answers until it has heard that many messages, and gives its CPU time.
fn answer_calls(socket: &UdpSocket, agent: &mut UserAgent, messages: u64) -> Duration {
    let answer = Bytes::from_static(SDP.as_bytes());
    let mut buffer = vec![0_u8; 65_536];
    let begun = cpu_time();
    for _ in 0..messages {
        let (length, remote) = socket.recv_from(&mut buffer).expect("the socket stands");
        let now = Instant::now();
        agent.handle_datagram(
            now,
            Flow::new(Transport::Udp, remote),
            Bytes::copy_from_slice(&buffer[..length]),
        );
        serve(agent, now, &answer, |bytes, to| {
            socket.send_to(bytes, to).expect("the socket stands");
        });
    }
    cpu_time() - begun
}

fn udp(c: &mut Criterion) {
    let mut group = c.benchmark_group("signalling");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    group.bench_function("udp: INVITE 200 ACK BYE 200", |b| {
        let server = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let to = server.local_addr().expect("bound");
        let client = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let local = client.local_addr().expect("bound");
        let (ask, asked) = mpsc::channel::<u64>();
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut agent = agent();
            for messages in asked {
                let _ = tell.send(answer_calls(&server, &mut agent, messages));
            }
        });
        let mut number = 0;
        let mut buffer = [0_u8; 4_096];
        b.iter_custom(|calls| {
            ask.send(calls * 3).expect("the thread stands");
            for _ in 0..calls {
                number += 1;
                client.send_to(&invite(number, local), to).expect("sent");
                let (length, _) = client.recv_from(&mut buffer).expect("answered");
                let text = String::from_utf8_lossy(&buffer[..length]);
                let tag = text
                    .split("tag=")
                    .nth(2)
                    .and_then(|rest| rest.split('\r').next())
                    .expect("a To tag")
                    .to_owned();
                client
                    .send_to(&in_dialog("ACK", 1, number, &tag, local), to)
                    .expect("sent");
                client
                    .send_to(&in_dialog("BYE", 2, number, &tag, local), to)
                    .expect("sent");
                client.recv_from(&mut buffer).expect("answered");
            }
            told.recv().expect("the thread stands")
        });
        drop(ask);
        thread.join().expect("the thread ends");
    });
    group.finish();
}

criterion_group!(benches, core, udp);
criterion_main!(benches);
