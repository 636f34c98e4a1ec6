//! Feeds bytes from a stranger to everything that reads them, and says what must hold of the outcome.
//!
//! One place for three users: the fuzz targets, `examples/pound_inputs.rs` (millions of mutated
//! inputs) and `tests/pound_inputs.rs` (some thousands with every test run). A broken rule panics.

use super::stranger::{Line, pause};
use bytes::Bytes;
use ringdown_voice::media::telephone_event::Detector;
use ringdown_voice::media::{reception::Reception, rtcp, rtp};
use ringdown_voice::sdp::{Codec, Negotiation, parse as parse_sdp};
use ringdown_voice::sip::digest::{self, Challenge, Challenger, Credentials, Stale};
use ringdown_voice::sip::flow::{ConnectionId, Flow, Transport};
use ringdown_voice::sip::header::{CSeq, Header, NameAddr, RAck, SessionExpires, Via};
use ringdown_voice::sip::message::{Builder, Frame, Message, frame_stream, shard_of};
use ringdown_voice::sip::registrar::{Registrar, RegistrarSettings};
use ringdown_voice::sip::source_filter::{SourceFilter, SourceFilterSettings};
use ringdown_voice::sip::uri::Uri;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// One door that strangers' bytes come in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// One datagram to the message parser, and every value it finds to the value parsers.
    Message,
    /// Bytes of a stream to the framing.
    Stream,
    /// Header values to the digest parsers, server and client.
    Digest,
    /// A REGISTER that was let in, to the registrar, and any request to the source filter.
    Registrar,
    /// A session description to the parser and to offer/answer.
    Sdp,
    /// A packet to the readers of RTP, RTCP and telephone events.
    Rtp,
    /// A message to a user agent in the middle of its calls.
    UserAgent,
}

/// Every door.
pub const DOORS: [Door; 7] = [
    Door::Message,
    Door::Stream,
    Door::Digest,
    Door::Registrar,
    Door::Sdp,
    Door::Rtp,
    Door::UserAgent,
];

/// What stands behind the doors and keeps state from input to input.
pub struct House {
    now: Instant,
    count: u64,
    digest: digest::Server,
    registrar: Registrar,
    filter: SourceFilter,
    detector: Detector,
    reception: Reception,
    line: Line,
}

impl Default for House {
    fn default() -> Self {
        let now = Instant::now();
        let settings = digest::ServerSettings {
            nonces_max: 64,
            ..digest::ServerSettings::new("desk.example")
        };
        Self {
            now,
            count: 0,
            digest: digest::Server::new(settings, [7; 32], now),
            registrar: Registrar::new(RegistrarSettings {
                users_max: 64,
                ..RegistrarSettings::default()
            }),
            filter: SourceFilter::new(SourceFilterSettings {
                sources_max: 64,
                ..SourceFilterSettings::default()
            }),
            detector: Detector::default(),
            reception: Reception::new(1, 1),
            line: Line::default(),
        }
    }
}

impl House {
    /// Feeds one input; time goes on a little with each.
    pub fn feed(&mut self, door: Door, input: &[u8]) {
        self.count += 1;
        self.now += pause(self.count);
        match door {
            Door::Message => message(input),
            Door::Stream => stream(input),
            Door::Digest => self.digest(input),
            Door::Registrar => self.register(input),
            Door::Sdp => sdp(input),
            Door::Rtp => self.rtp(input),
            Door::UserAgent => self.line.feed(self.now, input),
        }
    }

    /// Checks that nothing stays behind when the inputs end.
    pub fn leave(&mut self) {
        self.now += Duration::from_secs(24 * 3_600);
        self.registrar.handle_timeout(self.now);
        assert_eq!(self.registrar.users().count(), 0, "a registration stays");
        self.line.fall_silent(self.now);
    }

    fn flow(&self) -> Flow {
        let low = self.count.to_be_bytes()[7];
        let remote = SocketAddr::new(IpAddr::from([192, 0, 2, low]), 5_060);
        if low.is_multiple_of(2) {
            Flow::new(Transport::Udp, remote)
        } else {
            Flow::new(Transport::Tcp, remote).over(ConnectionId::new(u64::from(low)))
        }
    }

    fn digest(&mut self, input: &[u8]) {
        for challenge in Challenge::parse_all(input).into_iter().flatten() {
            assert!(challenge.realm.len() + challenge.nonce.len() <= input.len());
        }
        if let Ok(credentials) = Credentials::parse(input) {
            assert!(credentials.username.len() <= input.len());
        }
        let secret = digest::Ha1::new("anna", "desk.example", "secret");
        let verdict = self.digest.judge(
            self.now,
            b"REGISTER",
            b"sip:desk.example",
            [input],
            |user| (user == "anna").then_some(secret),
        );
        assert!(
            !matches!(verdict, digest::Verdict::Accepted { .. }),
            "nobody knows the password"
        );
        let mut client = digest::Client::new(digest::Account::new("anna", "secret"));
        if client.handle_challenge(Challenger::Server, [input]).is_ok() {
            for (_, value) in client.authorize(b"INVITE", b"sip:1@h", b"", self.count) {
                assert!(Credentials::parse(value.as_bytes()).is_ok(), "{value}");
            }
        }
        let random = self.count;
        assert!(!self.digest.challenges(self.now, Stale::No, random)[0].is_empty());
        assert!(self.digest.nonces_in_use() <= 64);
    }

    fn register(&mut self, input: &[u8]) {
        let Ok(message) = Message::parse_datagram(Bytes::copy_from_slice(input)) else {
            return;
        };
        let flow = self.flow();
        let _ = self.filter.admit(self.now, flow.remote.ip(), &message);
        assert!(self.filter.sources_remembered() <= 64);
        if message.is_request() {
            let user = message.to().and_then(|to| to.uri()?.user_text());
            let user = user.unwrap_or_default();
            let reply = self
                .registrar
                .handle_register(self.now, flow, &message, &user);
            let mut response = Builder::response(&message, reply.status, reply.reason, Some("t"));
            for (header, value) in &reply.headers {
                response.header(*header, value);
            }
            Message::parse_datagram(response.finish()).expect("our own response is sound");
        }
        if let Some(connection) = flow.connection.filter(|_| self.count.is_multiple_of(8)) {
            self.registrar.handle_connection_lost(connection);
        }
        self.registrar.handle_timeout(self.now);
        assert!(self.registrar.users().count() <= 64);
        assert!(self.registrar.users().all(|(_, all)| all.len() <= 8));
        for (_, bindings) in self.registrar.users() {
            for binding in bindings {
                let _ = binding.next_hop();
            }
        }
        while self.registrar.poll_event().is_some() {}
    }

    fn rtp(&mut self, input: &[u8]) {
        let mut packet = input.to_vec();
        if let Ok(header) = rtp::parse(&packet) {
            let payload = &packet[header.payload.clone()];
            self.detector
                .handle_payload(self.now, header.timestamp, payload);
            self.reception.handle_sequence(header.sequence);
            self.reception
                .handle_arrival(header.timestamp.wrapping_mul(3), header.timestamp);
            self.reception.report();
            let stamp = rtp::Stamp {
                has_marker: header.has_marker,
                payload_type: header.payload_type,
                sequence: header.sequence,
                timestamp: header.timestamp,
                ssrc: header.ssrc,
            };
            rtp::restamp(&mut packet, stamp);
            assert_eq!(packet, input, "the same stamp changes nothing");
        }
        self.detector.handle_quiet(self.now);
        let _ = rtp::is_rtcp(&packet);
        if let Ok(compound) = rtcp::parse(&packet) {
            for block in compound.blocks.into_iter().flatten() {
                rtcp::round_trip(Duration::from_millis(20), block.delay);
            }
        }
    }
}

fn message(input: &[u8]) {
    let shard = shard_of(input, 7);
    assert!(shard < 7);
    match Message::parse_datagram(Bytes::copy_from_slice(input)) {
        Ok(message) => {
            assert!(!message.call_id().is_empty());
            assert!(message.bytes().len() <= input.len());
            values(&message);
            let response = Builder::response(&message, 486, "Busy Here", Some("tag"));
            let response = response.finish();
            let copy = Message::parse_datagram(response).expect("our own response is sound");
            assert_eq!(copy.call_id(), message.call_id());
            assert_eq!(copy.sequence(), message.sequence());
        }
        Err(malformed) => {
            if let Some(message) = malformed.salvaged() {
                values(message);
            }
            let _ = (malformed.status(), malformed.to_string());
        }
    }
}

fn values(message: &Message) {
    for (name, value) in message.all_headers() {
        assert!(message.header(name).is_some());
        let _ = Via::parse(value);
        let _ = CSeq::parse(value);
        let _ = RAck::parse(value);
        let _ = SessionExpires::parse(value);
        if let Some(address) = NameAddr::parse(value) {
            let _ = (address.display_text(), address.tag());
            let _ = address.params().count();
            if let Some(uri) = address.uri() {
                let _ = (uri.user_text(), uri.ip(), uri.params().count());
            }
        }
    }
    for header in [Header::Contact, Header::Route, Header::Require] {
        let _ = message.headers(header).count();
    }
    let _ = message.request_uri().and_then(Uri::parse);
    let _ = (message.top_via(), message.reason(), message.cseq());
    let _ = (message.body(), message.method_text().len());
}

fn stream(input: &[u8]) {
    let mut rest = input;
    loop {
        let length = match frame_stream(rest) {
            Frame::NeedMore => return assert!(rest.len() <= 70_000),
            Frame::Broken(_) => return,
            Frame::Ping(length) | Frame::Pong(length) => length,
            Frame::Message(length) => {
                let whole = &rest[..length];
                let parsed = Message::parse_datagram(Bytes::copy_from_slice(whole));
                if let Ok(message) = parsed {
                    assert_eq!(message.bytes().len() + leading_blanks(whole), length);
                }
                // A border is not found before it is there.
                assert_eq!(frame_stream(&whole[..length - 1]), Frame::NeedMore);
                length
            }
        };
        assert!(length > 0, "a stream goes on");
        rest = &rest[length..];
    }
}

fn leading_blanks(bytes: &[u8]) -> usize {
    let is_blank = |byte: &&u8| matches!(byte, b'\r' | b'\n');
    bytes.iter().take_while(is_blank).count()
}

fn sdp(input: &[u8]) {
    let (description, faults) = parse_sdp(input);
    assert!(faults.len() <= input.len() + 8);
    for media in &description.media {
        let _ = media.payload_numbers().count();
        let _ = description.connection_of(media);
        let _ = description.direction_of(media);
    }
    let local = SocketAddr::from(([192, 0, 2, 1], 40_000));
    let mut callee = Negotiation::new(local, 1);
    if let Ok(answer) = callee.handle_offer(input) {
        let (ours, faults) = parse_sdp(&answer);
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(ours.media.len(), description.media.len());
        assert_eq!(callee.current().as_deref(), Some(answer.as_ref()));
    }
    let mut caller = Negotiation::new(local, 2);
    caller.prefer(Codec::Pcma);
    let offer = caller.make_offer();
    assert!(!offer.is_empty());
    if caller.handle_answer(input).is_ok() {
        let _ = caller.remote();
        assert!(!caller.make_offer().is_empty());
        caller.withdraw_offer();
    }
}
