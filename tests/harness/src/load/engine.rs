//! The loop: four sockets, a heap of what is due, and the phases of a run.

use super::leg::{Due, Leg, Side, Stage};
use super::media::{self, GROUPS, Metronome, Stamp};
use super::outcome::{NO_ANSWER, Outcome};
use super::{Audio, Ending, Plan, Refill};
use crate::measure::{machine_busy_s, processor_s, resident_kb};
use crate::sip::{self, SipText};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// Longest time the loop waits for a packet.
const POLL_TIME_MAX: Duration = Duration::from_millis(20);

/// Most datagrams read from one socket before the others have their turn.
const READS_MAX: usize = 256;

/// Most calls started in one turn of the loop.
const STARTS_MAX: usize = 50;

/// Over how long the calls that are left are ended.
const GOODBYE_TIME: Duration = Duration::from_secs(3);

/// How long the end of the last call is waited for.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(15);

/// Frames later than this show that the generator itself has too little processor time.
const LATE: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Ramp,
    Settle { until: Instant },
    Window { since: Instant },
    Drain { since: Instant },
}

/// Runs a plan to its end; fails only when a port is taken or the machine refuses sockets.
pub fn run(plan: &Plan) -> Result<Outcome> {
    let mut engine = Engine::new(plan)?;
    while engine.turn()? {}
    Ok(engine.finish())
}

/// The sockets of one side.
struct Line {
    sip: UdpSocket,
    sip_port: u16,
    audio: UdpSocket,
    audio_port: u16,
    /// Legs by Call-ID, while they live.
    by_call: HashMap<String, usize>,
    /// Legs by the gateway's RTP address.
    by_audio: HashMap<SocketAddr, usize>,
}

struct Engine<'p> {
    plan: &'p Plan,
    run: String,
    began: Instant,
    poll: Poll,
    events: Events,
    callers: Line,
    agents: Line,
    legs: Vec<Leg>,
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    groups: Vec<Vec<usize>>,
    metronome: Metronome,
    next_call: Instant,
    /// Since when an agent is free, by number, until it is called again.
    free_since: HashMap<u32, Instant>,
    callers_alive: usize,
    agents_up: usize,
    phase: Phase,
    random: u64,
    /// Processor time at the window's start: gateway, ours, machine.
    processor: (f64, f64, f64),
    outcome: Outcome,
}

impl Line {
    fn open(poll: &Poll, sip_port: u16, token: usize) -> Result<Self> {
        let mut sip = bind(sip_port)?;
        let mut audio = bind(0)?;
        poll.registry()
            .register(&mut sip, Token(token), Interest::READABLE)?;
        poll.registry()
            .register(&mut audio, Token(token + 1), Interest::READABLE)?;
        Ok(Self {
            sip_port: sip.local_addr()?.port(),
            audio_port: audio.local_addr()?.port(),
            sip,
            audio,
            by_call: HashMap::new(),
            by_audio: HashMap::new(),
        })
    }

    fn send(&self, text: &str, peer: SocketAddr) {
        // A full socket buffer loses the datagram as a network would; SIP sends it again.
        let _ = self.sip.send_to(text.as_bytes(), peer);
    }
}

fn bind(port: u16) -> Result<UdpSocket> {
    UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .map_err(|fault| Error::new(fault.kind(), format!("port {port}: {fault}")))
}

impl<'p> Engine<'p> {
    fn new(plan: &'p Plan) -> Result<Self> {
        let now = Instant::now();
        let poll = Poll::new()?;
        let mut outcome = Outcome::default();
        outcome.window.resident_kb.0 = plan.pid.map_or(0, resident_kb);
        Ok(Self {
            plan,
            run: format!(
                "{:x}{:x}",
                std::process::id(),
                std::time::UNIX_EPOCH
                    .elapsed()
                    .map_or(0, |time| time.as_millis() & 0xff_ffff)
            ),
            began: now,
            callers: Line::open(&poll, plan.caller_port, 0)?,
            agents: Line::open(&poll, plan.agent_port, 2)?,
            poll,
            events: Events::with_capacity(16),
            legs: Vec::new(),
            due: BinaryHeap::new(),
            groups: vec![Vec::new(); GROUPS],
            metronome: Metronome::new(now),
            next_call: now,
            free_since: HashMap::new(),
            callers_alive: 0,
            agents_up: 0,
            phase: Phase::Ramp,
            random: 0x9e37_79b9_7f4a_7c15,
            processor: (0.0, 0.0, 0.0),
            outcome,
        })
    }

    /// One turn of the loop; `false` when the run is over.
    fn turn(&mut self) -> Result<bool> {
        let now = Instant::now();
        let mut wake = now + POLL_TIME_MAX;
        wake = wake.min(self.due.peek().map_or(wake, |Reverse((at, _))| *at));
        if self.plan.audio == Audio::Both {
            wake = wake.min(self.metronome.next());
        }
        if self.may_call() {
            wake = wake.min(self.next_call);
        }
        match self
            .poll
            .poll(&mut self.events, Some(wake.saturating_duration_since(now)))
        {
            Err(fault) if fault.kind() != ErrorKind::Interrupted => return Err(fault),
            Ok(()) | Err(_) => {}
        }
        self.read_sip(Side::Caller);
        self.read_sip(Side::Agent(0));
        self.read_audio(Side::Caller);
        self.read_audio(Side::Agent(0));
        self.speak();
        self.do_what_is_due();
        self.start_calls();
        Ok(self.step_phase())
    }

    fn may_call(&self) -> bool {
        let wants_more = match self.phase {
            Phase::Ramp => true,
            Phase::Window { .. } => self.plan.refill == Refill::Yes || self.plan.calls.is_some(),
            Phase::Settle { .. } | Phase::Drain { .. } => false,
        };
        wants_more
            && self.callers_alive < self.plan.callers_max
            && self
                .plan
                .calls
                .is_none_or(|calls| self.outcome.calls < calls)
    }

    fn start_calls(&mut self) {
        let pause = Duration::from_secs_f64(1.0 / self.plan.rate.max(0.001));
        let now = Instant::now();
        for _ in 0..STARTS_MAX {
            if !self.may_call() {
                // Callers who could not come are not made up for in a burst.
                self.next_call = self.next_call.max(now);
                return;
            }
            if now < self.next_call {
                return;
            }
            self.next_call += pause;
            let index = self.legs.len();
            let (leg, invite) = Leg::caller(
                index,
                &self.run,
                &self.plan.number,
                self.plan.gateway,
                self.callers.sip_port,
                self.callers.audio_port,
                now,
            );
            self.callers.by_call.insert(leg.call_id.clone(), index);
            self.legs.push(leg);
            self.callers.send(&invite, self.plan.gateway);
            self.callers_alive += 1;
            self.outcome.calls += 1;
            self.outcome.window.calls += u64::from(self.is_window());
            self.look_at(index, now);
        }
    }

    fn is_window(&self) -> bool {
        matches!(self.phase, Phase::Window { .. })
    }

    /// Puts a leg into the heap again for whatever it waits for.
    fn look_at(&mut self, index: usize, now: Instant) {
        match self.legs[index].due(now) {
            Due::Later(at) => self.due.push(Reverse((at, index))),
            Due::Nothing => {}
            Due::HangUp => self.hang_up(index, now),
            Due::Again(text) => {
                self.outcome.retransmissions += 1;
                let peer = self.legs[index].peer;
                self.line(self.legs[index].side).send(&text, peer);
                self.look_at(index, now);
            }
            Due::GiveUp => {
                if self.legs[index].side == Side::Caller
                    && self.legs[index].stage == Stage::Inviting
                {
                    self.fail(NO_ANSWER);
                }
                self.end(index, now);
            }
        }
    }

    fn do_what_is_due(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((at, index))) = self.due.peek().copied() {
            if at > now {
                return;
            }
            self.due.pop();
            self.look_at(index, now);
        }
    }

    fn fail(&mut self, told: &str) {
        *self.outcome.failures.entry(told.to_owned()).or_default() += 1;
        self.outcome.window.failed += u64::from(self.is_window());
    }

    fn hang_up(&mut self, index: usize, now: Instant) {
        let side = self.legs[index].side;
        let port = self.line(side).sip_port;
        let text = self.legs[index].bye(port, now);
        let peer = self.legs[index].peer;
        self.line(side).send(&text, peer);
        if let Side::Agent(agent) = side {
            self.agents_up -= 1;
            self.free_since.insert(agent, now);
        }
        self.look_at(index, now);
    }

    /// Takes a leg out of everything; its record stays for the counts.
    fn end(&mut self, index: usize, now: Instant) {
        let leg = &mut self.legs[index];
        let (side, was) = (leg.side, leg.stage);
        if was == Stage::Over {
            return;
        }
        leg.stage = Stage::Over;
        leg.is_speaking = false;
        leg.settle();
        let (call_id, audio) = (leg.call_id.clone(), leg.media);
        let line = if side == Side::Caller {
            &mut self.callers
        } else {
            &mut self.agents
        };
        line.by_call.remove(&call_id);
        if let Some(audio) = audio.filter(|audio| line.by_audio.get(audio) == Some(&index)) {
            line.by_audio.remove(&audio);
        }
        match side {
            Side::Caller => self.callers_alive -= 1,
            Side::Agent(agent) if was == Stage::Up => {
                self.agents_up -= 1;
                self.free_since.insert(agent, now);
            }
            Side::Agent(_) => {}
        }
    }

    fn line(&self, side: Side) -> &Line {
        match side {
            Side::Caller => &self.callers,
            Side::Agent(_) => &self.agents,
        }
    }

    fn read_sip(&mut self, side: Side) {
        let mut datagram = [0; 65_536];
        for _ in 0..READS_MAX {
            let Ok((count, peer)) = self.line(side).sip.recv_from(&mut datagram) else {
                return;
            };
            let Some(message) = SipText::parse(&datagram[..count]) else {
                continue;
            };
            let now = Instant::now();
            let known = self
                .line(side)
                .by_call
                .get(message.must("Call-ID"))
                .copied();
            match (message.status(), known) {
                (Some(status), Some(index)) => self.handle_response(index, status, &message, now),
                (Some(_), None) => {}
                (None, known) => self.handle_request(side, known, &message, peer, now),
            }
        }
    }

    fn handle_response(&mut self, index: usize, status: u16, message: &SipText, now: Instant) {
        let side = self.legs[index].side;
        match message.cseq().1 {
            "BYE" if status >= 200 && self.legs[index].stage == Stage::Leaving => {
                self.end(index, now)
            }
            "INVITE" if side == Side::Caller => match status {
                ..200 => self.legs[index].settle(),
                200..300 => self.take_answer(index, message, now),
                300.. => {
                    let text = self.legs[index].ack_failure(message);
                    self.callers.send(&text, self.legs[index].peer);
                    let was_cancelled = status == 487 && matches!(self.phase, Phase::Drain { .. });
                    if self.legs[index].stage == Stage::Inviting {
                        if !was_cancelled {
                            self.fail(message.start_line().trim_start_matches("SIP/2.0 "));
                        }
                        self.end(index, now);
                    }
                }
            },
            _ => {}
        }
    }

    fn take_answer(&mut self, index: usize, message: &SipText, now: Instant) {
        let leg = &mut self.legs[index];
        if leg.stage == Stage::Inviting {
            leg.take_answer(message);
            leg.stage = Stage::Up;
            leg.settle();
            if let Ending::Caller(after) = self.plan.ending {
                leg.hang_up_at = Some(now + after);
            }
            if matches!(self.phase, Phase::Drain { .. }) {
                leg.hang_up_at = Some(now);
            }
            let waited = now - leg.began;
            self.outcome.answered += 1;
            if self.is_window() {
                self.outcome.window.answered += 1;
                self.outcome.window.invite_to_answer.add(waited);
            }
            self.begin_to_speak(index);
        }
        let text = self.legs[index].ack(self.callers.sip_port);
        self.callers.send(&text, self.legs[index].peer);
        self.look_at(index, now);
    }

    fn begin_to_speak(&mut self, index: usize) {
        let Some(audio) = self.legs[index].media else {
            return;
        };
        match self.legs[index].side {
            Side::Caller => self.callers.by_audio.insert(audio, index),
            Side::Agent(_) => self.agents.by_audio.insert(audio, index),
        };
        if self.plan.audio == Audio::Both && !self.legs[index].is_speaking {
            self.legs[index].is_speaking = true;
            self.groups[index % GROUPS].push(index);
        }
    }

    fn handle_request(
        &mut self,
        side: Side,
        known: Option<usize>,
        message: &SipText,
        peer: SocketAddr,
        now: Instant,
    ) {
        match (message.method().unwrap_or(""), known) {
            ("INVITE", None) if side != Side::Caller => self.ring(message, peer, now),
            ("INVITE", Some(index)) if self.legs[index].stage == Stage::Answering => {
                let kept = self.legs[index].kept().unwrap_or("").to_owned();
                self.agents.send(&kept, peer);
            }
            ("INVITE", Some(index)) => self.respond(index, message, peer, 200, "OK", true),
            ("ACK", Some(index)) if self.legs[index].stage == Stage::Answering => {
                self.be_connected(index, now)
            }
            ("ACK", Some(_) | None) => {}
            ("BYE", Some(index)) => {
                self.respond(index, message, peer, 200, "OK", false);
                let ends_here = matches!(
                    (self.plan.ending, side),
                    (Ending::Caller(_), Side::Agent(_)) | (Ending::Agent(_), Side::Caller)
                );
                if self.legs[index].stage == Stage::Up
                    && !ends_here
                    && !matches!(self.phase, Phase::Drain { .. })
                {
                    self.outcome.ended_by_gateway += 1;
                }
                self.end(index, now);
            }
            ("CANCEL", Some(index)) => {
                self.outcome.agent_cancels += 1;
                self.respond(index, message, peer, 200, "OK", false);
            }
            (_, Some(index)) => self.respond(index, message, peer, 200, "OK", false),
            (method, None) => {
                let (status, reason) = if method == "OPTIONS" {
                    (200, "OK")
                } else {
                    (481, "Call/Transaction Does Not Exist")
                };
                self.line(side).send(
                    &sip::response(message, status, reason, "none", "", ""),
                    peer,
                );
            }
        }
    }

    /// An agent's phone rings, and is answered at once.
    fn ring(&mut self, invite: &SipText, peer: SocketAddr, now: Instant) {
        let user = invite
            .target()
            .strip_prefix("sip:a")
            .and_then(|rest| rest.split('@').next())
            .and_then(|number| number.parse().ok());
        let Some(agent) = user else {
            self.agents.send(
                &sip::response(invite, 404, "Not Found", "none", "", ""),
                peer,
            );
            return;
        };
        self.outcome.agent_calls += 1;
        if let (Some(free), true) = (self.free_since.remove(&agent), self.is_window()) {
            self.outcome.window.dispatch.add(now - free);
        }
        let index = self.legs.len();
        let mut leg = Leg::agent(agent, index, invite, peer, now);
        leg.stage = Stage::Answering;
        self.agents.by_call.insert(leg.call_id.clone(), index);
        self.legs.push(leg);
        self.respond(index, invite, peer, 180, "Ringing", false);
        let text = self.response_text(index, invite, 200, "OK", true);
        self.agents.send(&text, peer);
        self.legs[index].keep(text, now);
        self.look_at(index, now);
    }

    fn be_connected(&mut self, index: usize, now: Instant) {
        let (talk, phase) = (self.plan.ending, self.phase);
        let spread = self.next_random();
        let leg = &mut self.legs[index];
        leg.stage = Stage::Up;
        leg.settle();
        if let (Ending::Agent(talk), Phase::Window { .. }) = (talk, phase) {
            leg.hang_up_at = Some(now + talk.mul_f64(0.5 + spread));
        }
        if matches!(phase, Phase::Drain { .. }) {
            leg.hang_up_at = Some(now);
        }
        self.agents_up += 1;
        self.outcome.agent_answered += 1;
        self.begin_to_speak(index);
        self.look_at(index, now);
    }

    fn respond(
        &mut self,
        index: usize,
        request: &SipText,
        peer: SocketAddr,
        status: u16,
        reason: &str,
        with_audio: bool,
    ) {
        let text = self.response_text(index, request, status, reason, with_audio);
        self.line(self.legs[index].side).send(&text, peer);
    }

    fn response_text(
        &self,
        index: usize,
        request: &SipText,
        status: u16,
        reason: &str,
        with_audio: bool,
    ) -> String {
        let leg = &self.legs[index];
        let line = self.line(leg.side);
        let user = match leg.side {
            Side::Caller => format!("c{index}"),
            Side::Agent(agent) => format!("a{agent}"),
        };
        let contact = format!("Contact: <sip:{user}@127.0.0.1:{}>\r\n", line.sip_port);
        let body = if with_audio {
            sip::g711_offer(line.audio_port)
        } else {
            String::new()
        };
        sip::response(request, status, reason, leg.tag(), &contact, &body)
    }

    fn speak(&mut self) {
        if self.plan.audio == Audio::Silent {
            return;
        }
        let now = Instant::now();
        while let Some((group, late)) = self.metronome.tick(now) {
            let is_late = late > LATE && self.is_window();
            self.outcome.window.late += u64::from(is_late);
            let mut members = std::mem::take(&mut self.groups[group]);
            members.retain(|index| self.legs[*index].is_speaking);
            for index in &members {
                let leg = &mut self.legs[*index];
                let Some(audio) = leg.media else { continue };
                let stamp = Stamp {
                    leg: u32::try_from(*index).unwrap_or(u32::MAX),
                    number: leg.frames_sent,
                    sent: self.began.elapsed(),
                };
                leg.frames_sent += 1;
                let side = leg.side;
                let is_sent = self
                    .line(side)
                    .audio
                    .send_to(&media::frame(stamp), audio)
                    .is_ok();
                self.outcome.window.frames_sent += u64::from(is_sent && self.is_window());
            }
            self.groups[group] = members;
        }
    }

    fn read_audio(&mut self, side: Side) {
        let mut datagram = [0; 2_048];
        for _ in 0..READS_MAX * 4 {
            let line = if side == Side::Caller {
                &self.callers
            } else {
                &self.agents
            };
            let Ok((count, peer)) = line.audio.recv_from(&mut datagram) else {
                return;
            };
            let listener = line.by_audio.get(&peer).copied();
            let is_window = self.is_window();
            let Some(stamp) = media::stamp_of(&datagram[..count]) else {
                self.outcome.window.frames_foreign += u64::from(is_window);
                continue;
            };
            if is_window {
                self.outcome.window.frames_heard += 1;
                self.outcome
                    .window
                    .one_way
                    .add(self.began.elapsed().saturating_sub(stamp.sent));
            }
            if let Some(index) = listener {
                let leg = &mut self.legs[index];
                leg.is_crossed |= leg.heard_of.is_some_and(|other| other != stamp.leg);
                leg.heard_of = Some(stamp.leg);
            }
        }
    }

    /// Goes on to the next phase when it is time; `false` when the last one is over.
    fn step_phase(&mut self) -> bool {
        let now = Instant::now();
        match self.phase {
            Phase::Ramp if self.plan.calls.is_some() => self.open_window(now),
            Phase::Ramp => {
                if self.callers_alive >= self.plan.callers_max
                    || now - self.began >= self.plan.ramp_max
                {
                    self.phase = Phase::Settle {
                        until: now + self.plan.settle,
                    };
                }
            }
            Phase::Settle { until } if now >= until => self.open_window(now),
            Phase::Settle { .. } => {}
            Phase::Window { since } => {
                let is_done = self
                    .plan
                    .calls
                    .is_some_and(|calls| self.outcome.calls >= calls)
                    && self.is_quiet();
                if is_done || now - since >= self.plan.window {
                    self.close_window(since, now);
                }
            }
            Phase::Drain { since } => return !self.is_quiet() && now - since < DRAIN_TIME_MAX,
        }
        true
    }

    fn is_quiet(&self) -> bool {
        self.callers.by_call.is_empty() && self.agents.by_call.is_empty()
    }

    fn open_window(&mut self, now: Instant) {
        self.phase = Phase::Window { since: now };
        self.processor = self.processor_now();
        self.outcome.window.resident_kb.1 = self.plan.pid.map_or(0, resident_kb);
        self.outcome.window.callers_at_start = self.callers_alive;
        self.outcome.window.agents_at_start = self.agents_up;
        if let Ending::Agent(talk) = self.plan.ending {
            for index in 0..self.legs.len() {
                let spread = self.next_random();
                let leg = &mut self.legs[index];
                if leg.stage == Stage::Up && leg.side != Side::Caller {
                    leg.hang_up_at = Some(now + talk.mul_f64(spread));
                    self.look_at(index, now);
                }
            }
        }
    }

    fn close_window(&mut self, since: Instant, now: Instant) {
        let (gateway, generator, machine) = self.processor_now();
        let window = &mut self.outcome.window;
        window.length = now - since;
        window.gateway_s = gateway - self.processor.0;
        window.generator_s = generator - self.processor.1;
        window.others_s = machine - self.processor.2 - window.gateway_s - window.generator_s;
        self.phase = Phase::Drain { since: now };
        for index in 0..self.legs.len() {
            let spread = self.next_random();
            let leg = &mut self.legs[index];
            match (leg.side, leg.stage) {
                (Side::Caller, Stage::Up) => {
                    leg.hang_up_at = Some(now + GOODBYE_TIME.mul_f64(spread))
                }
                (Side::Caller, Stage::Inviting) => {
                    let text = leg.cancel(self.callers.sip_port);
                    self.callers.send(&text, self.plan.gateway);
                }
                (Side::Caller, Stage::Answering | Stage::Leaving | Stage::Over)
                | (Side::Agent(_), _) => continue,
            }
            self.look_at(index, now);
        }
    }

    /// Gateway's, our and the machine's processor time so far, in seconds.
    fn processor_now(&self) -> (f64, f64, f64) {
        (
            self.plan.pid.map_or(0.0, processor_s),
            processor_s(std::process::id()),
            machine_busy_s(),
        )
    }

    fn next_random(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn finish(mut self) -> Outcome {
        let live = |leg: &&Leg| leg.stage != Stage::Over;
        self.outcome.left_over = self.legs.iter().filter(live).count() as u64;
        self.outcome.heard = self
            .legs
            .iter()
            .filter(|leg| leg.heard_of.is_some())
            .count() as u64;
        self.outcome.crossed = self.legs.iter().filter(|leg| leg.is_crossed).count() as u64;
        self.outcome
    }
}
