//! The audio end of a telephone: RTP over its own socket, G.711, and ears.
//!
//! A [`Voice`] is recognised byte by byte: every frame carries who speaks and its number, so a test
//! says exactly what was heard of whom. Where real programs listen, a tone is measured instead.

use std::collections::{BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Samples, and so bytes of G.711, in a frame of 20 ms.
pub const FRAME_BYTES: usize = 160;

/// Time between two frames.
const FRAME_TIME: Duration = Duration::from_millis(20);

/// Length of an RTP header without extensions; RFC 3550 §5.1.
const RTP_HEADER_BYTES: usize = 12;

/// The payload type of telephone events that our session descriptions offer; RFC 4733.
const TELEPHONE_EVENT: u8 = 101;

/// Most payloads kept; later ones are only counted.
const PAYLOADS_MAX: usize = 50_000;

/// What a test can say into a telephone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Frames that no other voice has, numbered from 0.
    Numbered(u8),
    /// A sine of so many hertz, in G.711 mu-law.
    Tone(u16),
    /// Nothing: no packets are sent.
    Mute,
}

impl Voice {
    /// The payload of one frame.
    pub fn frame(self, number: u32) -> [u8; FRAME_BYTES] {
        let mut bytes = [0xff; FRAME_BYTES];
        match self {
            Self::Numbered(who) => {
                let mut state = u64::from(who) << 32 | u64::from(number) | 1 << 63;
                for (at, byte) in bytes.iter_mut().enumerate() {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    *byte = match at {
                        0 => b'V',
                        1 => who,
                        2..6 => number.to_be_bytes()[at - 2],
                        _ => state.to_le_bytes()[3],
                    };
                }
            }
            Self::Tone(hertz) => {
                for (at, byte) in bytes.iter_mut().enumerate() {
                    let sample = f64::from(number) * 160.0 + at as f64;
                    let level =
                        (std::f64::consts::TAU * f64::from(hertz) * sample / 8000.0).sin() * 8000.0;
                    *byte = mu_law(level as i16);
                }
            }
            Self::Mute => {}
        }
        bytes
    }

    /// The number of a frame of this voice; `None` when a single byte is not as it was said.
    pub fn number_of(self, payload: &[u8]) -> Option<u32> {
        let Self::Numbered(_) = self else { return None };
        let number = u32::from_be_bytes(payload.get(2..6)?.try_into().ok()?);
        (payload == self.frame(number)).then_some(number)
    }
}

/// One end of an audio path: a socket, what it says and what it hears.
#[derive(Debug)]
pub struct AudioEnd {
    port: u16,
    shared: Arc<Shared>,
    worker: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    is_over: AtomicBool,
    state: Mutex<EndState>,
    changed: Condvar,
}

#[derive(Debug)]
struct EndState {
    voice: Voice,
    remote: Option<SocketAddr>,
    heard: Vec<Vec<u8>>,
    sources: BTreeSet<u32>,
    packets_sent: u32,
    events_sent: u32,
    packets_heard: u64,
    digits: String,
    last_event: Option<u32>,
    keyed: u32,
    /// Telephone events to send, one a frame time: marker and payload type, timestamp, payload.
    events: VecDeque<(u8, u32, [u8; 4])>,
}

impl AudioEnd {
    /// Opens a socket on a free even port of loopback; it listens at once and speaks after [`AudioEnd::speak_to`].
    pub fn open() -> Self {
        let socket = (0..1000)
            .filter_map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok())
            .find(|socket| {
                socket
                    .local_addr()
                    .is_ok_and(|address| address.port() % 2 == 0)
            })
            .expect("there is a free even port");
        let port = socket
            .local_addr()
            .expect("a bound socket has an address")
            .port();
        let state = EndState {
            voice: Voice::Mute,
            remote: None,
            heard: Vec::new(),
            sources: BTreeSet::new(),
            packets_sent: 0,
            events_sent: 0,
            packets_heard: 0,
            digits: String::new(),
            last_event: None,
            keyed: 0,
            events: VecDeque::new(),
        };
        let shared = Arc::new(Shared {
            is_over: AtomicBool::new(false),
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let worker = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || run(&socket, &shared)
        });
        Self {
            port,
            shared,
            worker: Some(worker),
        }
    }

    /// The port for the session description.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Speaks with `voice` to `remote` from now on.
    pub fn speak_to(&self, remote: SocketAddr, voice: Voice) {
        let mut state = self.state();
        state.remote = Some(remote);
        state.voice = voice;
    }

    /// Keys in digits by RFC 4733 telephone events, payload type 101, three end packets each.
    pub fn key_in(&self, digits: &str) {
        let mut state = self.state();
        for digit in digits.chars() {
            let event = "0123456789*#ABCD"
                .find(digit)
                .expect("a key of a telephone") as u8;
            state.keyed += 1;
            let timestamp = 1_000_000 + state.keyed * 8000;
            for step in 0_u16..6 {
                let kind = if step == 0 {
                    0x80 | TELEPHONE_EVENT
                } else {
                    TELEPHONE_EVENT
                };
                let volume = if step >= 3 { 0x80 | 10 } else { 10 };
                let duration = (160 * (step.min(3) + 1)).to_be_bytes();
                state.events.push_back((
                    kind,
                    timestamp,
                    [event, volume, duration[0], duration[1]],
                ));
            }
        }
    }

    /// Waits until `frames` frames of `voice` with numbers in unbroken order have been heard, byte for
    /// byte, and gives the first and the last number of that run; fails after `patience`.
    pub fn must_hear(&self, voice: Voice, frames: u32, patience: Duration) -> (u32, u32) {
        let run = self.wait(patience, |state| {
            longest_run(state, voice).filter(|(first, last)| last - first + 1 >= frames)
        });
        run.unwrap_or_else(|| {
            let state = self.state();
            panic!(
                "{frames} unbroken frames of {voice:?} were not heard in {patience:?}: {} packets came, longest run {:?}",
                state.packets_heard,
                longest_run(&state, voice)
            )
        })
    }

    /// Waits until so many packets of whatever kind were heard; fails after `patience`.
    pub fn must_hear_packets(&self, packets: u64, patience: Duration) {
        let count = self.wait(patience, |state| {
            (state.packets_heard >= packets).then_some(state.packets_heard)
        });
        assert!(
            count.is_some(),
            "{packets} packets were not heard in {patience:?}, only {}",
            self.state().packets_heard
        );
    }

    /// Waits until these digits were heard as RFC 4733 events, each once; fails after `patience`.
    pub fn must_hear_digits(&self, digits: &str, patience: Duration) {
        let heard = self.wait(patience, |state| (state.digits == digits).then_some(()));
        assert!(
            heard.is_some(),
            "the digits {digits} were not heard in {patience:?}, but {:?}",
            self.state().digits
        );
    }

    /// Forgets what was heard.
    pub fn forget(&self) {
        let mut state = self.state();
        state.heard.clear();
        state.packets_heard = 0;
        state.sources.clear();
    }

    /// Everything heard, as samples.
    pub fn samples(&self) -> Vec<i16> {
        self.state()
            .heard
            .iter()
            .flatten()
            .map(|byte| linear(*byte))
            .collect()
    }

    /// Packets heard so far.
    pub fn packets_heard(&self) -> u64 {
        self.state().packets_heard
    }

    /// How many synchronisation sources (SSRC) were heard.
    pub fn sources(&self) -> usize {
        self.state().sources.len()
    }

    fn wait<T>(&self, patience: Duration, found: impl Fn(&EndState) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut state = self.state();
        loop {
            if let Some(it) = found(&state) {
                return Some(it);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = self
                .shared
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, EndState> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AudioEnd {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

/// Sends a frame every 20 ms and hears whatever comes in between.
fn run(socket: &UdpSocket, shared: &Shared) {
    let mut next_frame = Instant::now();
    let mut datagram = [0; 2048];
    while !shared.is_over.load(Ordering::Relaxed) {
        let now = Instant::now();
        if now >= next_frame {
            speak(socket, shared);
            next_frame += FRAME_TIME;
            continue;
        }
        let _ = socket.set_read_timeout(Some((next_frame - now).max(Duration::from_micros(100))));
        if let Ok((count, _)) = socket.recv_from(&mut datagram) {
            hear(&datagram[..count], shared);
        }
    }
}

fn speak(socket: &UdpSocket, shared: &Shared) {
    let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(remote) = state.remote else { return };
    let number = state.packets_sent;
    let event = state.events.pop_front();
    if event.is_none() && state.voice == Voice::Mute {
        return;
    }
    state.packets_sent += 1;
    let frame = state.voice.frame(number - state.events_sent);
    if event.is_some() {
        state.events_sent += 1;
    }
    drop(state);
    let marker = if number == 0 { 0x80 } else { 0 };
    let (kind, timestamp) = event.map_or((marker, number * 160), |(kind, timestamp, _)| {
        (kind, timestamp)
    });
    let mut packet = vec![0x80, kind];
    packet.extend((number as u16).to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(0xa0d1_0001_u32.to_be_bytes());
    match event {
        Some((_, _, payload)) => packet.extend(payload),
        None => packet.extend(frame),
    }
    let _ = socket.send_to(&packet, remote);
}

fn hear(packet: &[u8], shared: &Shared) {
    if packet.len() < RTP_HEADER_BYTES || packet[0] >> 6 != 2 {
        return;
    }
    let payload = &packet[RTP_HEADER_BYTES..];
    let source = u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]);
    let timestamp = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
    let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
    state.packets_heard += 1;
    state.sources.insert(source);
    if packet[1] & 0x7f == TELEPHONE_EVENT && payload.len() >= 4 {
        let is_new = state.last_event.replace(timestamp) != Some(timestamp);
        state.digits.extend(
            "0123456789*#ABCD"
                .chars()
                .nth(usize::from(payload[0]))
                .filter(|_| is_new),
        );
    } else if state.heard.len() < PAYLOADS_MAX {
        state.heard.push(payload.to_vec());
    }
    drop(state);
    shared.changed.notify_all();
}

/// The longest run of frames of a voice whose numbers go up by one.
fn longest_run(state: &EndState, voice: Voice) -> Option<(u32, u32)> {
    let mut best: Option<(u32, u32)> = None;
    let mut current: Option<(u32, u32)> = None;
    for number in state
        .heard
        .iter()
        .filter_map(|payload| voice.number_of(payload))
    {
        current = match current {
            Some((first, last)) if number == last + 1 => Some((first, number)),
            Some(_) | None => Some((number, number)),
        };
        if let (Some((first, last)), length) =
            (current, best.map_or(0, |(first, last)| last - first + 1))
            && last - first + 1 > length
        {
            best = current;
        }
    }
    best
}

/// How strong a tone is in a signal: 1.0 when it is nothing but that tone, 0.0 when it is not there.
/// The algorithm of Goertzel over blocks of 100 ms, weighted by their energy.
pub fn tone_share(samples: &[i16], sample_rate: u32, hertz: u16) -> f64 {
    let block = usize::try_from(sample_rate / 10).unwrap_or(800);
    let (mut tone, mut whole) = (0.0, 0.0);
    for samples in samples.chunks_exact(block) {
        let coefficient =
            2.0 * (std::f64::consts::TAU * f64::from(hertz) / f64::from(sample_rate)).cos();
        let (mut before, mut last, mut energy) = (0.0, 0.0, 0.0);
        for sample in samples {
            let sample = f64::from(*sample);
            (before, last) = (last, sample + coefficient * last - before);
            energy += sample * sample;
        }
        tone += (last * last + before * before - coefficient * last * before) * 2.0
            / samples.len() as f64;
        whole += energy;
    }
    if whole == 0.0 { 0.0 } else { tone / whole }
}

/// Reads a WAV file of 16-bit samples, one channel; gives its rate and samples. Takes what is there of a
/// file that is still being written.
pub fn read_wav(path: &std::path::Path) -> (u32, Vec<i16>) {
    let bytes = std::fs::read(path)
        .unwrap_or_else(|fault| panic!("{} cannot be read: {fault}", path.display()));
    let word = |at: usize| {
        bytes.get(at..at + 4).map_or(0, |word| {
            u32::from_le_bytes([word[0], word[1], word[2], word[3]])
        })
    };
    let mut at = 12;
    while at + 8 <= bytes.len() && &bytes[at..at + 4] != b"data" {
        at += 8 + word(at + 4) as usize;
    }
    let samples = bytes.get(at + 8..).unwrap_or_default();
    (
        word(24),
        samples
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect(),
    )
}

/// A WAV file of a tone: 16 bit, one channel, 8 kHz.
pub fn tone_wav(hertz: u16, length: Duration) -> Vec<u8> {
    let count = u32::try_from(length.as_millis() * 8).unwrap_or(u32::MAX / 4);
    let mut bytes = Vec::new();
    bytes.extend(b"RIFF");
    bytes.extend((36 + count * 2).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend(8000_u32.to_le_bytes());
    bytes.extend(16_000_u32.to_le_bytes());
    bytes.extend(b"\x02\0\x10\0data");
    bytes.extend((count * 2).to_le_bytes());
    for at in 0..count {
        let level =
            (std::f64::consts::TAU * f64::from(hertz) * f64::from(at) / 8000.0).sin() * 8000.0;
        bytes.extend((level as i16).to_le_bytes());
    }
    bytes
}

/// One sample as G.711 mu-law.
fn mu_law(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(32_635) + 132;
    let exponent = 24 - i32::try_from(magnitude.leading_zeros()).unwrap_or(0);
    let mantissa = magnitude >> (exponent + 3) & 15;
    !(sign | u8::try_from(exponent << 4 | mantissa).unwrap_or(0x7f))
}

/// One byte of G.711 mu-law as a sample.
fn linear(byte: u8) -> i16 {
    let byte = !byte;
    let magnitude = (i16::from(byte & 15) << 3 | 132) << (byte >> 4 & 7);
    let level = magnitude - 132;
    if byte & 0x80 == 0 { level } else { -level }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mu_law_and_back_is_close() {
        for sample in (-32_000..32_000).step_by(37) {
            let back = linear(mu_law(sample));
            assert!(
                (i32::from(back) - i32::from(sample)).abs() <= i32::from(sample).abs() / 16 + 8,
                "{sample} became {back}"
            );
        }
    }

    #[test]
    fn a_tone_is_found_and_another_is_not() {
        let samples: Vec<i16> = (0..50)
            .flat_map(|number| Voice::Tone(440).frame(number))
            .map(linear)
            .collect();
        assert!(tone_share(&samples, 8000, 440) > 0.95);
        assert!(tone_share(&samples, 8000, 800) < 0.05);
    }

    #[test]
    fn a_voice_goes_from_end_to_end_byte_for_byte() {
        let (here, there) = (AudioEnd::open(), AudioEnd::open());
        here.speak_to(
            SocketAddr::from((Ipv4Addr::LOCALHOST, there.port())),
            Voice::Numbered(7),
        );
        let (first, last) = there.must_hear(Voice::Numbered(7), 10, crate::PATIENCE);
        assert!(last - first >= 9);
        assert!(
            Voice::Numbered(8)
                .number_of(&Voice::Numbered(7).frame(1))
                .is_none()
        );
    }
}
