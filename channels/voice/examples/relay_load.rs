//! Loads the media engine with bridged calls, and a bare relay loop with the same packets.
//!
//! `cargo run --release -p ringdown-voice --example relay_load -- FLOWS PACKETS_PER_SECOND SECONDS ROUNDS`
//!
//! Each flow is one bridged call; 40 of them at 100 packets a second each are 4,000 packets. The two
//! relays take turns, so that what else runs on the machine hits both. One line a run tells the CPU
//! time per packet of the relaying thread alone; the last line is the ratio of the sums.
#![expect(clippy::print_stdout, reason = "its report is what it is run for")]

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use ringdown_voice::media::{MediaEngine, Owner, PortCommand, Settings, Shard, rtp};
use ringdown_voice::sdp::{Codec, Direction, Formats, RemoteMedia};
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

type Fallible<T> = Result<T, Box<dyn Error>>;

/// What the generator is to do.
#[derive(Clone, Copy)]
struct Load {
    flows: usize,
    packets_per_second: f64,
    time: Duration,
}

/// What came of one run.
#[derive(Clone, Copy, Default)]
struct Outcome {
    sent: u64,
    came_back: u64,
    cpu: Duration,
}

impl Outcome {
    fn micros_per_packet(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / (self.came_back.max(1) as f64)
    }

    fn print(&self, name: &str) {
        println!(
            "{{\"relay\":\"{name}\",\"sent\":{},\"came_back\":{},\"cpu_ms\":{:.1},\"us_per_packet\":{:.3}}}",
            self.sent,
            self.came_back,
            self.cpu.as_secs_f64() * 1e3,
            self.micros_per_packet()
        );
    }

    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.came_back += other.came_back;
        self.cpu += other.cpu;
    }
}

fn main() -> Fallible<()> {
    let mut words = std::env::args().skip(1);
    let mut next = |default: &str| words.next().unwrap_or_else(|| default.to_owned());
    let load = Load {
        flows: next("200").parse()?,
        packets_per_second: next("20000").parse()?,
        time: Duration::from_secs(next("3").parse()?),
    };
    let rounds: usize = next("3").parse()?;
    let (mut floor, mut engine) = (Outcome::default(), Outcome::default());
    for _ in 0..rounds {
        let outcome = run_floor(load)?;
        outcome.print("bare loop");
        floor.add(outcome);
        let outcome = run_engine(load)?;
        outcome.print("engine");
        engine.add(outcome);
    }
    println!(
        "{{\"floor_us\":{:.3},\"engine_us\":{:.3},\"ratio\":{:.3}}}",
        floor.micros_per_packet(),
        engine.micros_per_packet(),
        engine.micros_per_packet() / floor.micros_per_packet()
    );
    Ok(())
}

/// The engine with all flows bridged.
fn run_engine(load: Load) -> Fallible<Outcome> {
    let generator = UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let peer = generator.local_addr()?;
    let engine = MediaEngine::start(&Settings::default(), |_, _| {})?;
    let mut ports = Vec::new();
    for flow in 0..load.flows as u64 {
        let mut ids = Vec::new();
        for side in 0..2 {
            let port = engine.open(Owner(2 * flow + side), Shard(0))?;
            let remote = RemoteMedia {
                rtp: peer,
                rtcp: peer,
                has_rtcp_mux: false,
                send: Formats::ours(Codec::Pcmu),
                receive: Formats::ours(Codec::Pcmu),
                direction: Direction::SendRecv,
                ptime_ms: 20,
            };
            engine.command(port.id, PortCommand::SetRemote(Some(remote)))?;
            ports.push(port.rtp);
            ids.push(port.id);
        }
        engine.bridge(ids[0], ids[1])?;
    }
    generate(load, &generator, &ports, "media-0")
}

/// The least that any relay does: one packet received, the same packet sent.
fn run_floor(load: Load) -> Fallible<Outcome> {
    let generator = UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let peer = generator.local_addr()?;
    let mut poll = Poll::new()?;
    let mut sockets = Vec::new();
    let mut ports = Vec::new();
    for place in 0..2 * load.flows {
        let mut socket = UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        poll.registry()
            .register(&mut socket, Token(place), Interest::READABLE)?;
        ports.push(socket.local_addr()?);
        sockets.push(socket);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let relay = thread::Builder::new().name("floor".into()).spawn(move || {
        let mut events = Events::with_capacity(1_024);
        let mut packet = [0; rtp::PACKET_BYTES_MAX];
        while !told.load(Ordering::Relaxed) {
            if poll
                .poll(&mut events, Some(Duration::from_millis(100)))
                .is_err()
            {
                return;
            }
            for event in &events {
                let Token(place) = event.token();
                while let Ok((bytes, _)) = sockets[place].recv_from(&mut packet) {
                    let _ = sockets[place ^ 1].send_to(&packet[..bytes], peer);
                }
            }
        }
    })?;
    let outcome = generate(load, &generator, &ports, "floor");
    stop.store(true, Ordering::Relaxed);
    let _ = relay.join();
    outcome
}

/// Sends audio to the ports in turn, at an even pace, and counts what comes back.
fn generate(
    load: Load,
    socket: &UdpSocket,
    ports: &[SocketAddr],
    thread_name: &str,
) -> Fallible<Outcome> {
    let mut sequences = vec![0_u16; ports.len()];
    let mut packet = [0xd5; 172];
    let mut heard = [0; rtp::PACKET_BYTES_MAX];
    let mut outcome = Outcome::default();
    // One round goes ahead, so that every source is known before the clock starts.
    for port in ports {
        send(socket, *port, &mut packet, 0, *port)?;
        thread::yield_now();
    }
    thread::sleep(Duration::from_millis(300));
    while socket.recv_from(&mut heard).is_ok() {}
    sequences.fill(1);
    let cpu_before = cpu_of(thread_name)?;
    let start = Instant::now();
    let mut turn = 0;
    while start.elapsed() < load.time {
        let due = (start.elapsed().as_secs_f64() * load.packets_per_second) as u64;
        while outcome.sent < due {
            send(
                socket,
                ports[turn],
                &mut packet,
                sequences[turn],
                ports[turn],
            )?;
            sequences[turn] = sequences[turn].wrapping_add(1);
            turn = (turn + 1) % ports.len();
            outcome.sent += 1;
            if outcome.sent.is_multiple_of(16) {
                while socket.recv_from(&mut heard).is_ok() {
                    outcome.came_back += 1;
                }
            }
        }
        while socket.recv_from(&mut heard).is_ok() {
            outcome.came_back += 1;
        }
        thread::sleep(Duration::from_micros(500));
    }
    thread::sleep(Duration::from_millis(200));
    while socket.recv_from(&mut heard).is_ok() {
        outcome.came_back += 1;
    }
    outcome.cpu = cpu_of(thread_name)?.saturating_sub(cpu_before);
    Ok(outcome)
}

fn send(
    socket: &UdpSocket,
    to: SocketAddr,
    packet: &mut [u8],
    sequence: u16,
    source: SocketAddr,
) -> Fallible<()> {
    let stamp = rtp::Stamp {
        has_marker: false,
        payload_type: 0,
        sequence,
        timestamp: u32::from(sequence) * 160,
        ssrc: u32::from(source.port()),
    };
    rtp::write_header(packet, stamp);
    socket.send_to(packet, to)?;
    Ok(())
}

/// CPU time of the threads of this process with a name (Linux: `/proc/self/task/*/schedstat`).
fn cpu_of(name: &str) -> Fallible<Duration> {
    let mut nanos = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        let is_named =
            std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim_end() == name);
        if is_named {
            let schedstat = std::fs::read_to_string(task.join("schedstat"))?;
            nanos += schedstat
                .split_whitespace()
                .next()
                .unwrap_or("0")
                .parse::<u64>()?;
        }
    }
    Ok(Duration::from_nanos(nanos))
}
