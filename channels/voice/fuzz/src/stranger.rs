//! A user agent with a stranger at the other end, who sends inputs as they are, or answers what it hears
//! with tags and branches right and everything else doubtful, so that calls get far before they go wrong.

use super::mutation::Dice;
use bytes::Bytes;
use ringdown_voice::sip::digest::Account;
use ringdown_voice::sip::flow::{ConnectionId, Flow, SocketId, Transport};
use ringdown_voice::sip::header::Header;
use ringdown_voice::sip::message::{Builder, Message, Method, frame_stream};
use ringdown_voice::sip::user_agent::{
    DialogId, Event, Invite, Limits, Place, Progress, Reliability, Settings, TransportFailure,
    UserAgent,
};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The user agent, its user who decides by the input's own bytes, and the stranger.
pub struct Line {
    user_agent: UserAgent,
    calls: VecDeque<DialogId>,
    heard: VecDeque<Message>,
    invites: u64,
}

impl Default for Line {
    fn default() -> Self {
        let place = |transport| Place {
            transport,
            socket: SocketId(0),
            address: "192.0.2.1:5060".to_owned(),
        };
        let mut settings = Settings::new(place(Transport::Udp));
        settings.places.push(place(Transport::Tcp));
        settings.limits = Limits {
            dialogs_max: DIALOGS_MAX,
            transactions_max: TRANSACTIONS_MAX,
            ..Limits::default()
        };
        Self {
            user_agent: UserAgent::new(settings, 1),
            calls: VecDeque::new(),
            heard: VecDeque::new(),
            invites: 0,
        }
    }
}

impl Line {
    /// Lets one input happen; what is done with it is thrown by dice that the input itself seeds.
    pub fn feed(&mut self, now: Instant, input: &[u8]) {
        let seed = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let dice = &mut Dice::new(seed);
        let flow = flow(dice);
        match dice.below(100) {
            0..30 => self.receive(now, flow, Bytes::copy_from_slice(input)),
            30..45 => {
                let invite = self.invite(dice, input);
                self.receive(now, flow, invite);
            }
            45..80 => {
                if let Some(reply) = self.reply(dice, input) {
                    self.receive(now, flow, reply);
                }
            }
            80..99 => self.act(now, dice, input),
            _ => {
                let failure = match dice.below(2) {
                    0 => TransportFailure::Unreachable(flow),
                    _ => TransportFailure::Connection(ConnectionId::new(1)),
                };
                self.user_agent.handle_transport_failure(now, failure);
            }
        }
        self.attend(now, dice, input);
        self.wait(now);
        assert!(self.user_agent.dialogs() <= DIALOGS_MAX);
        assert!(self.user_agent.transactions() <= TRANSACTIONS_MAX);
    }

    /// Lets a day pass in which nobody says anything: every call and transaction has to end by itself.
    pub fn fall_silent(&mut self, mut now: Instant) {
        let end = now + Duration::from_secs(24 * 3_600);
        while let Some(due) = self.user_agent.next_timeout().filter(|due| *due <= end) {
            now = now.max(due);
            self.wait(now);
            while self.user_agent.poll_event().is_some() {}
        }
        assert_eq!(self.user_agent.dialogs(), 0, "a call stays for ever");
        assert_eq!(self.user_agent.transactions(), 0, "a transaction stays");
    }

    fn receive(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        let _ = frame_stream(&bytes);
        if let Ok(message) = Message::parse_datagram(bytes.clone()) {
            let _ = self.user_agent.dialog_of(&message);
        }
        self.user_agent.handle_datagram(now, flow, bytes);
    }

    fn wait(&mut self, now: Instant) {
        if self.user_agent.next_timeout().is_some_and(|due| due <= now) {
            self.user_agent.handle_timeout(now);
        }
        let mut sent = 0;
        while let Some(transmit) = self.user_agent.poll_transmit() {
            sent += 1;
            assert!(sent < 10_000, "one input sets off a storm");
            // Answers to what cannot be read repeat it.
            if let Ok(message) = Message::parse_datagram(transmit.bytes) {
                self.heard.push_back(message);
            }
        }
        while self.heard.len() > HEARD_MAX {
            self.heard.pop_front();
        }
    }

    /// A call that is sound but for what the input adds.
    fn invite(&mut self, dice: &mut Dice, input: &[u8]) -> Bytes {
        self.invites += 1;
        let number = self.invites;
        let mut invite = Builder::request(Method::Invite, b"sip:desk@192.0.2.1");
        let via = format!("SIP/2.0/UDP 192.0.2.9:5062;rport;branch=z9hG4bKcall{number}");
        invite.header(Header::Via, via);
        invite.header(Header::From, "<sip:stranger@192.0.2.9>;tag=stranger");
        invite.header(Header::To, "<sip:desk@192.0.2.1>");
        invite.header(Header::CallId, format!("call{number}@192.0.2.9"));
        invite.header(Header::CSeq, "1 INVITE");
        invite.header(Header::MaxForwards, "70");
        invite.header(Header::Supported, "100rel, timer");
        finish(invite, dice, input)
    }

    /// What comes back to something we sent.
    fn reply(&self, dice: &mut Dice, input: &[u8]) -> Option<Bytes> {
        let heard = self.heard.get(dice.below(self.heard.len().max(1)))?;
        let reply = match heard.status() {
            None => {
                let status = STATUSES[dice.below(STATUSES.len())];
                let tag = ["stranger", "other"][dice.below(8) / 7];
                Builder::response(heard, status, "Perhaps", Some(tag))
            }
            Some(_) => {
                let method = METHODS[dice.below(METHODS.len())];
                let step = [0, 1, 1, 2][dice.below(4)];
                let number = (heard.sequence() + step) & 0x7fff_ffff;
                // An ACK to a refusal, and a CANCEL, have the branch of their INVITE.
                let branch = dice.below(512).to_string();
                let via = format!("SIP/2.0/UDP 192.0.2.9:5062;rport;branch=z9hG4bK{branch}");
                let mut request = Builder::request(method, b"sip:ringdown@192.0.2.1");
                match dice.below(3) {
                    0 => drop(request.copy(heard, Header::Via)),
                    _ => drop(request.header(Header::Via, via)),
                }
                request.copy(heard, Header::From);
                request.copy(heard, Header::To);
                request.copy(heard, Header::CallId);
                request.header_number(Header::CSeq, number, &format!(" {}", method.as_str()));
                request.header(Header::MaxForwards, "70");
                if let Some(number) = heard.header(Header::RSeq) {
                    let sequence = heard.sequence().to_string();
                    let parts: [&[u8]; 4] = [number, b" ", sequence.as_bytes(), b" INVITE"];
                    request.header_parts(Header::RAck, &parts);
                }
                request
            }
        };
        Some(finish(reply, dice, input))
    }

    /// Our user does something by itself.
    fn act(&mut self, now: Instant, dice: &mut Dice, input: &[u8]) {
        let sdp = Bytes::copy_from_slice(&input[..input.len().min(200)]);
        let call = self.calls.get(dice.below(self.calls.len().max(1))).copied();
        let Some(id) = call.filter(|_| dice.below(3) > 0) else {
            let invite = Invite {
                flow: flow(dice),
                request_uri: "sip:stranger@192.0.2.9".to_owned(),
                from: "\"Desk\" <sip:desk@192.0.2.1>".to_owned(),
                to: "<sip:stranger@192.0.2.9>".to_owned(),
                headers: Vec::new(),
                max_forwards: 70,
                sdp: (dice.below(3) > 0).then_some(sdp),
                account: Some(Account::new("desk", "secret")),
                call_id: None,
            };
            if let Ok(id) = self.user_agent.invite(now, invite) {
                self.remember(now, id);
            }
            return;
        };
        let agent = &mut self.user_agent;
        // A command that makes no sense where the call stands is refused; that is an answer too.
        let _ = match dice.below(12) {
            0 => agent.answer(now, id, sdp),
            1 => agent.ring(now, id, Progress::Ringing, None, Reliability::Plain),
            2 => agent.ring(
                now,
                id,
                Progress::SessionProgress,
                Some(sdp),
                Reliability::Acknowledged,
            ),
            3 => agent.hang_up(now, id, &[]),
            4 => agent.offer(now, id, sdp),
            5 => agent.update(now, id, sdp),
            6 => agent.send_info(now, id, "application/dtmf-relay", &sdp, &[]),
            7 => agent.reject(now, id, 486, None, &[]),
            _ => agent.answer_offer(now, id, sdp),
        };
    }

    /// Our user hears what happened, and mostly does what is due.
    fn attend(&mut self, now: Instant, dice: &mut Dice, input: &[u8]) {
        let sdp = Bytes::copy_from_slice(&input[..input.len().min(200)]);
        let mut told = 0;
        while let Some(event) = self.user_agent.poll_event() {
            told += 1;
            assert!(told < 10_000, "one input sets off a storm of events");
            if let Event::Incoming { id, .. } = event {
                self.remember(now, id);
                if dice.below(2) == 0 {
                    let _ = self.user_agent.answer(now, id, sdp.clone());
                }
            } else if let Event::Request { request, .. } = event {
                let headers = [(
                    "X-Odd".to_owned(),
                    String::from_utf8_lossy(input).into_owned(),
                )];
                let _ = self.user_agent.respond(now, request, 200, &headers, None);
            } else if let Event::OfferReceived { id, .. } = event {
                let _ = self.user_agent.answer_offer(now, id, sdp.clone());
            }
        }
    }

    fn remember(&mut self, now: Instant, id: DialogId) {
        self.calls.push_back(id);
        while self.calls.len() > HEARD_MAX {
            // Whoever is forgotten must not stay for ever.
            if let Some(id) = self.calls.pop_front() {
                let _ = self.user_agent.hang_up(now, id, &[]);
            }
        }
    }
}

/// Ends a message of the stranger's with header lines and a body of the input's own.
fn finish(mut message: Builder, dice: &mut Dice, input: &[u8]) -> Bytes {
    message.header(
        Header::Contact,
        "<sip:stranger@192.0.2.9:5062;transport=udp>",
    );
    let lines = input.split(|byte| *byte == b'\n').skip(1);
    for line in lines.take(dice.below(6).saturating_sub(3)) {
        if let Some(colon) = line.iter().position(|byte| *byte == b':')
            && let Ok(name) = std::str::from_utf8(&line[..colon])
        {
            message.header(name, &line[colon + 1..]);
        }
    }
    let body_from = input.windows(4).position(|part| part == b"\r\n\r\n");
    let body = body_from.map_or(&b""[..], |at| &input[at + 4..]);
    let kinds = ["application/sdp", "application/dtmf-relay", "text/odd"];
    match dice.below(8) {
        0..3 => message.finish(),
        kind => message.finish_with(
            kinds[kind.saturating_sub(5)],
            &body[..body.len().min(2_000)],
        ),
    }
}

fn flow(dice: &mut Dice) -> Flow {
    let remote = ([192, 0, 2, 9], 5_062).into();
    if dice.below(3) == 0 {
        Flow::new(Transport::Tcp, remote).over(ConnectionId::new(1))
    } else {
        Flow::new(Transport::Udp, remote)
    }
}

/// How far time goes on after an input: mostly little, at times past every timer.
pub fn pause(count: u64) -> Duration {
    if count.is_multiple_of(1_009) {
        Duration::from_secs(40)
    } else if count.is_multiple_of(20_011) {
        Duration::from_secs(8_000)
    } else {
        Duration::from_millis(count % 50)
    }
}

const DIALOGS_MAX: usize = 64;
const TRANSACTIONS_MAX: usize = 256;
/// Messages of ours that the stranger remembers, and calls that our user does.
const HEARD_MAX: usize = 32;
const STATUSES: [u16; 18] = [
    200, 200, 100, 180, 183, 199, 200, 202, 302, 401, 404, 407, 422, 481, 486, 491, 503, 606,
];
const METHODS: [Method; 12] = [
    Method::Ack,
    Method::Ack,
    Method::Ack,
    Method::Bye,
    Method::Invite,
    Method::Update,
    Method::Prack,
    Method::Cancel,
    Method::Info,
    Method::Options,
    Method::Refer,
    Method::Register,
];
