//! Two user agents, one clock, and a network that delays, loses, repeats and reorders as told.

use crate::sip::flow::{ConnectionId, Flow, SocketId, Transport};
use crate::sip::message::{Message, Method};
use crate::sip::random::Random;
use crate::sip::user_agent::MAX_FORWARDS;
use crate::sip::user_agent::{DialogId, Event, Invite, Place, Settings, UserAgent};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// 192.0.2.1, which calls in most stories.
    Alice,
    /// 192.0.2.2.
    Bob,
}

impl End {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Alice => Self::Bob,
            Self::Bob => Self::Alice,
        }
    }

    pub(super) fn address(self) -> SocketAddr {
        match self {
            Self::Alice => "192.0.2.1:5060".parse().unwrap(),
            Self::Bob => "192.0.2.2:5060".parse().unwrap(),
        }
    }
}

/// What the network does with one message.
pub(super) enum Fate {
    Lose,
    Delay(Duration),
}

type Rule = Box<dyn FnMut(End, &Message) -> Option<Fate>>;

/// How bad the network is, in percent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    pub(super) lost: u64,
    pub(super) repeated: u64,
    pub(super) jitter_ms: u64,
    /// Messages in which some bytes are others.
    pub(super) corrupted: u64,
}

pub(super) struct Pair {
    pub(super) now: Instant,
    start: Instant,
    agents: [UserAgent; 2],
    pub(super) events: [Vec<Event>; 2],
    /// The calls each end made, as the story tells.
    pub(super) made: [Vec<DialogId>; 2],
    /// `ms end line` of every message sent.
    pub(super) ladder: Vec<String>,
    in_flight: BTreeMap<(Instant, u64), (End, Flow, Bytes)>,
    count: u64,
    steps: u64,
    pub(super) rules: Vec<Rule>,
    pub(super) weather: Weather,
    random: Random,
    transport: Transport,
}

const LATENCY: Duration = Duration::from_millis(10);

impl Pair {
    pub(super) fn new() -> Self {
        Self::with(Transport::Udp, 1, |_| {})
    }

    pub(super) fn with(transport: Transport, seed: u64, change: impl Fn(&mut Settings)) -> Self {
        let agent = |end: End| {
            let mut settings = Settings::new(Place {
                transport,
                socket: SocketId(0),
                address: end.address().to_string(),
            });
            change(&mut settings);
            UserAgent::new(settings, seed.wrapping_mul(2) + end as u64)
        };
        let now = Instant::now();
        Self {
            now,
            start: now,
            agents: [agent(End::Alice), agent(End::Bob)],
            events: [Vec::new(), Vec::new()],
            made: [Vec::new(), Vec::new()],
            ladder: Vec::new(),
            in_flight: BTreeMap::new(),
            count: 0,
            steps: 0,
            rules: Vec::new(),
            weather: Weather::default(),
            random: Random::new(seed),
            transport,
        }
    }

    pub(super) fn into_alice(self) -> UserAgent {
        let [alice, _] = self.agents;
        alice
    }

    pub(super) fn agent(&mut self, end: End) -> &mut UserAgent {
        &mut self.agents[end as usize]
    }

    /// Commands one end now.
    pub(super) fn tell<T>(
        &mut self,
        end: End,
        command: impl FnOnce(&mut UserAgent, Instant) -> T,
    ) -> T {
        let now = self.now;
        let outcome = command(&mut self.agents[end as usize], now);
        self.drain();
        outcome
    }

    pub(super) fn flow_to(&self, end: End) -> Flow {
        let flow = Flow::new(self.transport, end.address());
        if self.transport.is_reliable() {
            flow.over(ConnectionId::new(1))
        } else {
            flow
        }
    }

    pub(super) fn invite_of(&self, caller: End) -> Invite {
        Invite {
            flow: self.flow_to(caller.other()),
            request_uri: format!("sip:desk@{}", caller.other().address()),
            from: format!("\"Caller\" <sip:caller@{}>", caller.address()),
            to: format!("<sip:desk@{}>", caller.other().address()),
            headers: vec![("X-Test".to_owned(), "1".to_owned())],
            max_forwards: MAX_FORWARDS,
            sdp: Some(Bytes::from_static(b"v=0 offer")),
            account: None,
            call_id: None,
        }
    }

    /// Alice calls; both ids, once Bob has heard.
    pub(super) fn call(&mut self) -> (DialogId, DialogId) {
        let invite = self.invite_of(End::Alice);
        let alice = self
            .tell(End::Alice, |agent, now| agent.invite(now, invite))
            .unwrap();
        self.run_for(Duration::from_millis(20));
        (alice, self.incoming(End::Bob))
    }

    /// Alice calls and Bob answers; both are confirmed.
    pub(super) fn answered_call(&mut self) -> (DialogId, DialogId) {
        let (alice, bob) = self.call();
        self.tell(End::Bob, |agent, now| agent.answer(now, bob, answer()))
            .unwrap();
        self.run_for(Duration::from_millis(50));
        assert!(self.heard(
            End::Alice,
            |event| matches!(event, Event::Answered { id, .. } if *id == alice)
        ));
        assert!(self.heard(
            End::Bob,
            |event| matches!(event, Event::Confirmed { id, .. } if *id == bob)
        ));
        (alice, bob)
    }

    pub(super) fn incoming(&self, end: End) -> DialogId {
        self.events[end as usize]
            .iter()
            .rev()
            .find_map(|event| {
                if let Event::Incoming { id, .. } = event {
                    Some(*id)
                } else {
                    None
                }
            })
            .expect("a call came in")
    }

    pub(super) fn heard(&self, end: End, is_it: impl Fn(&Event) -> bool) -> bool {
        self.events[end as usize].iter().any(is_it)
    }

    pub(super) fn count_of(&self, end: End, is_it: impl Fn(&Event) -> bool) -> usize {
        self.events[end as usize]
            .iter()
            .filter(|event| is_it(event))
            .count()
    }

    /// How many messages whose first line begins so that end sent.
    pub(super) fn sent(&self, end: End, line: &str) -> usize {
        let wanted = format!("{end:?} {line}");
        self.ladder
            .iter()
            .filter(|entry| {
                entry
                    .split_once(' ')
                    .is_some_and(|(_, rest)| rest.starts_with(&wanted))
            })
            .count()
    }

    /// Loses the first `count` messages of that end that fit.
    pub(super) fn lose(
        &mut self,
        end: End,
        mut count: usize,
        fits: impl Fn(&Message) -> bool + 'static,
    ) {
        self.rules.push(Box::new(move |from, message| {
            let is_lost = from == end && count > 0 && fits(message);
            count -= usize::from(is_lost);
            is_lost.then_some(Fate::Lose)
        }));
    }

    /// Delays every message of that end that fits.
    pub(super) fn delay(
        &mut self,
        end: End,
        by: Duration,
        fits: impl Fn(&Message) -> bool + 'static,
    ) {
        self.rules.push(Box::new(move |from, message| {
            (from == end && fits(message)).then_some(Fate::Delay(by))
        }));
    }

    /// Hands bytes to one end as if the other had sent them.
    pub(super) fn inject(&mut self, to: End, text: impl Into<Vec<u8>>) {
        let (now, flow) = (self.now, self.flow_to(to.other()));
        self.agents[to as usize].handle_datagram(now, flow, Bytes::from(text.into()));
        self.drain();
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// Runs until nothing is left to happen, at most an hour.
    pub(super) fn run_out(&mut self) {
        let end = self.now + Duration::from_secs(3_600);
        while !self.is_quiet() && self.step(end) {}
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.in_flight.is_empty() && self.agents.iter().all(UserAgent::is_quiet)
    }

    #[track_caller]
    pub(super) fn expect_quiet(&mut self) {
        self.run_out();
        assert!(
            self.is_quiet(),
            "left over: {:#?}\n{}",
            self.agents,
            self.ladder.join("\n")
        );
    }

    fn step(&mut self, end: Instant) -> bool {
        let arrival = self.in_flight.keys().next().copied();
        let timers: Vec<_> = self.agents.iter().map(UserAgent::next_timeout).collect();
        let next = [arrival.map(|(at, _)| at), timers[0], timers[1]]
            .into_iter()
            .flatten()
            .min();
        let Some(next) = next.filter(|next| *next <= end) else {
            return false;
        };
        self.now = self.now.max(next);
        self.steps += 1;
        assert!(
            self.steps < 100_000,
            "this never ends:\n{}",
            self.ladder.join("\n")
        );
        if let Some(key) = arrival.filter(|(at, _)| *at <= self.now)
            && let Some((to, flow, bytes)) = self.in_flight.remove(&key)
        {
            self.agents[to as usize].handle_datagram(self.now, flow, bytes);
        }
        for agent in &mut self.agents {
            if agent.next_timeout().is_some_and(|due| due <= self.now) {
                agent.handle_timeout(self.now);
            }
        }
        self.drain();
        true
    }

    fn drain(&mut self) {
        for end in [End::Alice, End::Bob] {
            while let Some(transmit) = self.agents[end as usize].poll_transmit() {
                let line = transmit
                    .bytes
                    .split(|byte| *byte == b'\r')
                    .next()
                    .unwrap_or(b"");
                let elapsed = self.now.duration_since(self.start).as_millis();
                self.ladder.push(format!(
                    "{elapsed} {end:?} {}",
                    String::from_utf8_lossy(line)
                ));
                let Ok(message) = Message::parse_datagram(transmit.bytes.clone()) else {
                    // Only an answer to a request whose own header fields cannot be read repeats them.
                    assert!(
                        [b"SIP/2.0 400", b"SIP/2.0 505", b"SIP/2.0 513"]
                            .iter()
                            .any(|start| line.starts_with(*start)),
                        "{:?}",
                        transmit.bytes
                    );
                    continue;
                };
                let fate = self.rules.iter_mut().find_map(|rule| rule(end, &message));
                if transmit.flow.remote != end.other().address() {
                    continue;
                }
                self.fly(end, &transmit.bytes, fate);
            }
            while let Some(event) = self.agents[end as usize].poll_event() {
                self.events[end as usize].push(event);
            }
        }
    }

    fn corrupt(&mut self, bytes: &Bytes) -> Bytes {
        if self.random.below(100) >= self.weather.corrupted {
            return bytes.clone();
        }
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.random.below(3) {
            let place = usize::try_from(self.random.below(bytes.len() as u64)).unwrap();
            let with = b"0123456789;=,<>\"@:\r\n \0\xff%az"
                [usize::try_from(self.random.below(26)).unwrap()];
            match self.random.below(3) {
                0 => bytes[place] = with,
                1 => bytes.insert(place, with),
                _ => drop(bytes.remove(place)),
            }
        }
        bytes.into()
    }

    fn fly(&mut self, from: End, bytes: &Bytes, fate: Option<Fate>) {
        let lossy = !self.transport.is_reliable();
        let mut copies = 1;
        let mut delay = LATENCY;
        match fate {
            Some(Fate::Lose) => copies = 0,
            Some(Fate::Delay(by)) => delay += by,
            None if lossy => {
                if self.random.below(100) < self.weather.lost {
                    copies = 0;
                } else if self.random.below(100) < self.weather.repeated {
                    copies = 2;
                }
            }
            None => {}
        }
        for _ in 0..copies {
            let jitter = if lossy {
                Duration::from_millis(self.random.below(self.weather.jitter_ms + 1))
            } else {
                Duration::ZERO
            };
            let bytes = self.corrupt(bytes);
            self.count += 1;
            self.in_flight.insert(
                (self.now + delay + jitter, self.count),
                (from.other(), self.flow_to(from), bytes),
            );
        }
    }
}

pub(super) fn answer() -> Bytes {
    Bytes::from_static(b"v=0 answer")
}

pub(super) fn is(method: Method) -> impl Fn(&Message) -> bool {
    move |message| message.is_request() && message.method() == method
}

pub(super) fn answers(method: Method, status: u16) -> impl Fn(&Message) -> bool {
    move |message| message.status() == Some(status) && message.method() == method
}
