//! Plays a message for every case of RFC 4475 (SIP torture tests) and compares what comes of it.
//!
//! `fixtures/sip/rfc4475/NAME.dat` is a message of ours with the peculiarities of the RFC's message of
//! that name; `NAME.expect` beside it says what is right. Each line is `key: value`:
//!
//! - `parse: request|response|fault`, `method`, `status`, `reason`, `sequence`: what the parser makes of it;
//! - `header NAME`, `values NAME` (how many), `from|to|request user`, `from display`, `from|to tag`,
//!   `contact param`, `via transport`, `body: all|none`: what it reads out of it; `\0` is a zero byte;
//! - `stream: message|more|broken`: how the same bytes are framed on a stream;
//! - `answer`: the status an endpoint sends, alternatives joined by `or`, or `none`; `answer unproven`
//!   is that of a REGISTER without proof, `answer header NAME` what the answer says;
//! - `bindings`, `binding`: how many contacts a REGISTER leaves, and the URI of the only one.
//!
//! `RFC4475_MESSAGES=folder` plays the RFC's own files instead, against what does not depend on wording.

#![expect(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    reason = "a fixture that cannot be read is a fault of the test"
)]

use bytes::Bytes;
use ringdown_voice::sdp::Negotiation;
use ringdown_voice::sip::digest::{self, Refusal, Stale, Verdict};
use ringdown_voice::sip::flow::{Flow, SocketId, Transport};
use ringdown_voice::sip::header::{Header, NameAddr};
use ringdown_voice::sip::message::{Frame, Malformed, Message, Method, frame_stream};
use ringdown_voice::sip::registrar::{Registrar, RegistrarSettings};
use ringdown_voice::sip::uri::Uri;
use ringdown_voice::sip::user_agent::{Event, Place, Settings, UserAgent};
use std::path::{Path, PathBuf};
use std::time::Instant;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/sip/rfc4475");

/// Every case of the RFC, in its order.
const CASES: [&str; 49] = [
    "wsinv",
    "intmeth",
    "esc01",
    "escnull",
    "esc02",
    "lwsdisp",
    "longreq",
    "dblreq",
    "semiuri",
    "transports",
    "mpart01",
    "unreason",
    "noreason",
    "badinv01",
    "clerr",
    "ncl",
    "scalar02",
    "scalarlg",
    "quotbal",
    "ltgtruri",
    "lwsruri",
    "lwsstart",
    "trws",
    "escruri",
    "baddate",
    "regbadct",
    "badaspec",
    "baddn",
    "badvers",
    "mismatch01",
    "mismatch02",
    "bigcode",
    "badbranch",
    "insuf",
    "unkscm",
    "novelsc",
    "unksm2",
    "bext01",
    "invut",
    "regaut01",
    "multi01",
    "mcl01",
    "bcast",
    "zeromf",
    "cparam01",
    "cparam02",
    "regescrt",
    "sdp01",
    "inv2543",
];

/// What the RFC's own words decide: these hold for its own messages too.
const OUTCOMES: [&str; 5] = ["parse", "stream", "answer", "answer unproven", "bindings"];

struct Case {
    name: &'static str,
    bytes: Bytes,
    lines: Vec<(String, String)>,
}

impl Case {
    fn read(name: &'static str) -> Self {
        let own = std::env::var_os("RFC4475_MESSAGES").map(PathBuf::from);
        let fixtures = Path::new(FIXTURES);
        let messages = own.as_deref().unwrap_or(fixtures);
        let bytes = std::fs::read(messages.join(name).with_extension("dat")).unwrap();
        let text = std::fs::read_to_string(fixtures.join(name).with_extension("expect")).unwrap();
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                let (key, value) = line.split_once(':').unwrap();
                (key.to_owned(), value.trim().replace("\\0", "\0"))
            });
        let lines = lines.filter(|(key, _)| own.is_none() || OUTCOMES.contains(&key.as_str()));
        Self {
            name,
            bytes: bytes.into(),
            lines: lines.collect(),
        }
    }

    fn parse(&self) -> Result<Message, Box<Malformed>> {
        Message::parse_datagram(self.bytes.clone())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What the parser says to one key; `None` for keys that are not about parsing.
fn parsed(case: &Case, key: &str) -> Option<String> {
    let outcome = case.parse();
    if key == "stream" {
        return Some(match frame_stream(&case.bytes) {
            Frame::NeedMore => "more".to_owned(),
            Frame::Message(_) => "message".to_owned(),
            Frame::Broken(_) => "broken".to_owned(),
            frame @ (Frame::Ping(_) | Frame::Pong(_)) => panic!("{frame:?}"),
        });
    }
    if key.starts_with("answer") || key.starts_with("binding") {
        return None;
    }
    let message = match outcome {
        Ok(message) => message,
        Err(_) => return Some("fault".to_owned()),
    };
    let (kind, name) = key.split_once(' ').unwrap_or((key, ""));
    let address = match kind {
        "from" => message.from(),
        "to" => message.to(),
        _ => None,
    };
    Some(match (kind, name) {
        ("parse", _) if message.is_request() => "request".to_owned(),
        ("parse", _) => "response".to_owned(),
        ("method", _) => text(message.method_text()),
        ("status", _) => message.status().unwrap().to_string(),
        ("reason", _) => message.reason().into_owned(),
        ("sequence", _) => message.sequence().to_string(),
        ("header", name) => text(message.header(name).unwrap()),
        ("values", name) => message.headers(name).count().to_string(),
        ("request", _) => Uri::parse(message.request_uri().unwrap())
            .unwrap()
            .user_text()
            .unwrap(),
        (_, "user") => address.unwrap().uri().unwrap().user_text().unwrap(),
        (_, "tag") => text(address.unwrap().tag().unwrap_or(b"")),
        (_, "display") => address.unwrap().display_text().into_owned(),
        ("contact", _) => text(contact_param(&message)),
        ("via", _) => text(message.top_via().unwrap().transport),
        ("body", _) => match (message.has_body(), case.bytes.ends_with(&message.body())) {
            (false, _) => "none".to_owned(),
            (true, true) => "all".to_owned(),
            (true, false) => "part".to_owned(),
        },
        _ => panic!("{}: nobody knows the key {key}", case.name),
    })
}

/// The name of the first parameter of the first contact's URI.
fn contact_param(message: &Message) -> &[u8] {
    let contact = message.headers(Header::Contact).next().unwrap();
    let uri = NameAddr::parse(contact).unwrap().uri_bytes();
    Uri::parse(uri).unwrap().params().next().unwrap().0
}

#[test]
fn parser_reads_every_case_as_the_rfc_says() {
    let mut faults = Vec::new();
    for name in CASES {
        let case = Case::read(name);
        for (key, expected) in &case.lines {
            match parsed(&case, key) {
                Some(found) if found != *expected => {
                    faults.push(format!("{name}: {key} is {found:?}, expected {expected:?}"));
                }
                Some(_) | None => {}
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// An endpoint as the gateway makes one: a user agent with a registrar and a session's other half.
struct Endpoint {
    now: Instant,
    user_agent: UserAgent,
    registrar: Registrar,
    digest: digest::Server,
    proof: Proof,
}

/// Whether a REGISTER counts as its user's own, or has to prove it.
#[derive(Clone, Copy, PartialEq)]
enum Proof {
    Given,
    Wanted,
}

impl Endpoint {
    fn new(proof: Proof) -> Self {
        let now = Instant::now();
        let place = |transport| Place {
            transport,
            socket: SocketId(0),
            address: "192.0.2.1:5060".to_owned(),
        };
        let mut settings = Settings::new(place(Transport::Udp));
        settings.places.push(place(Transport::Tcp));
        let server = digest::ServerSettings::new("desk.example");
        Self {
            now,
            user_agent: UserAgent::new(settings, 4_475),
            registrar: Registrar::new(RegistrarSettings::default()),
            digest: digest::Server::new(server, [1; 32], now),
            proof,
        }
    }

    /// Plays a datagram and gives the last response, after everything that follows by itself.
    fn play(&mut self, bytes: Bytes) -> Option<Message> {
        let flow = Flow::new(Transport::Udp, "192.0.2.200:5060".parse().unwrap());
        self.user_agent.handle_datagram(self.now, flow, bytes);
        while let Some(event) = self.user_agent.poll_event() {
            self.attend(event);
        }
        let sent = std::iter::from_fn(|| self.user_agent.poll_transmit());
        let sent: Vec<_> = sent.map(|transmit| read_answer(transmit.bytes)).collect();
        assert!(sent.iter().all(|message| !message.is_request()));
        sent.into_iter().next_back()
    }

    fn attend(&mut self, event: Event) {
        let now = self.now;
        if let Event::Incoming { id, invite, .. } = event {
            let local = "192.0.2.1:40000".parse().unwrap();
            let mut session = Negotiation::new(local, 1);
            let outcome = match session.handle_offer(&invite.body()) {
                Ok(answer) => self.user_agent.answer(now, id, answer),
                Err(refusal) => {
                    let status = refusal.status();
                    self.user_agent.reject(now, id, status, None, &[])
                }
            };
            outcome.unwrap();
        } else if let Event::Request {
            request,
            message,
            flow,
            ..
        } = event
        {
            let (status, headers) = match message.method() == Method::Register {
                true => self.register(flow, &message),
                false => (200, Vec::new()),
            };
            let outcome = self
                .user_agent
                .respond(now, request, status, &headers, None);
            outcome.unwrap();
        }
    }

    fn register(&mut self, flow: Flow, message: &Message) -> (u16, Vec<(String, String)>) {
        if self.proof == Proof::Wanted {
            let uri = message.request_uri().unwrap();
            let values = message.lines(Header::Authorization);
            let verdict = self
                .digest
                .judge(self.now, b"REGISTER", uri, values, |_| None);
            assert_eq!(verdict, Verdict::Refused(Refusal::NoCredentials));
            let challenges = self.digest.challenges(self.now, Stale::No, 1);
            let headers = challenges.map(|value| ("WWW-Authenticate".to_owned(), value));
            return (401, headers.into());
        }
        let reply = self
            .registrar
            .handle_register(self.now, flow, message, &user_of(message));
        (reply.status, reply.to_fields())
    }
}

/// Reads what was sent; the answer to what cannot be read repeats what could not be read.
fn read_answer(bytes: Bytes) -> Message {
    match Message::parse_datagram(bytes) {
        Ok(message) => message,
        Err(malformed) => malformed.salvaged().unwrap().clone(),
    }
}

fn user_of(message: &Message) -> String {
    let user = message.to().and_then(|to| to.uri()?.user_text());
    user.unwrap_or_default()
}

/// Whether a status is among alternatives such as `2xx or 400`.
fn is_among(alternatives: &str, status: &str) -> bool {
    alternatives.split(" or ").any(|one| match one {
        "2xx" => status.starts_with('2'),
        one => one == status,
    })
}

#[test]
fn endpoint_answers_every_case_as_the_rfc_says() {
    let mut faults = Vec::new();
    for name in CASES {
        let case = Case::read(name);
        let mut endpoint = Endpoint::new(Proof::Given);
        let answer = endpoint.play(case.bytes.clone());
        let status = |answer: &Option<Message>| match answer {
            Some(response) => response.status().unwrap().to_string(),
            None => "none".to_owned(),
        };
        let user = case.parse().map(|message| user_of(&message));
        let bindings = endpoint.registrar.bindings(user.as_deref().unwrap_or(""));
        for (key, expected) in &case.lines {
            let found = match key.as_str() {
                "answer" => status(&answer),
                "answer unproven" => status(&Endpoint::new(Proof::Wanted).play(case.bytes.clone())),
                "bindings" => bindings.len().to_string(),
                "binding" => bindings
                    .first()
                    .map_or_else(String::new, |b| b.uri.to_string()),
                key => match (key.strip_prefix("answer header "), &answer) {
                    (None, _) => continue,
                    (Some(header), Some(answer)) => text(answer.header(header).unwrap_or(b"")),
                    (Some(_), None) => String::new(),
                },
            };
            if !is_among(expected, &found) {
                faults.push(format!("{name}: {key} is {found:?}, expected {expected:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_file_of_the_folder_is_a_case() {
    for entry in std::fs::read_dir(FIXTURES).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(CASES.contains(&name), "{}", path.display());
    }
}
