//! Played callers and agents: phones of the same stack on a socket of their own.

use super::script::{self, PlayedAnswer};
use anyhow::Context as _;
use rand::SeedableRng;
use rand::rngs::StdRng;
use ringdown_voice::call::{CallCommand, CallControl, CallEvent, Dial, LegId, MediaWish, Reject};
use ringdown_voice::media::prompts::{Prompt, PromptLibrary};
use ringdown_voice::media::{
    self, Clips, MediaEngine, MediaEvent, Owner, PlayId, Repeat, Shard as MediaShard,
};
use ringdown_voice::sip::digest::Account;
use ringdown_voice::sip::flow::{Flow, SocketId, Transmit, Transport};
use ringdown_voice::sip::message::{Message, Method};
use ringdown_voice::sip::shell::{Inbox, Shell, ShellEvent, ShellHandle, ShellSettings};
use ringdown_voice::sip::user_agent::{MAX_FORWARDS, OutsideRequest, Place, Settings, UserAgent};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How often agents' phones register again.
const REGISTER_EVERY: Duration = Duration::from_secs(240);

/// Mean time between two callers.
const CALL_EVERY: Duration = Duration::from_secs(5);

/// Most callers at one time; past it the next one waits.
const CALLERS_MAX: usize = 20;

/// Longest a caller lets it ring.
const RINGS_MAX: Duration = Duration::from_secs(90);

/// The played people.
pub struct Traffic {
    control: CallControl,
    shell: Shell,
    inbox: Inbox,
    media: MediaEngine,
    media_events: mpsc::UnboundedReceiver<MediaEvent>,
    voice: Clips,
    gateway: Flow,
    domain: String,
    agents: Vec<Account>,
    callers: BTreeSet<LegId>,
    /// What each agent's leg does once it is answered.
    talks: BTreeMap<LegId, Duration>,
    due: BTreeSet<(Instant, Due)>,
    random: StdRng,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Register,
    Call,
    PickUp(LegId),
    Decline(LegId),
    HangUp(LegId),
}

impl Traffic {
    /// Opens a socket for the played people of the desk at `gateway`.
    pub fn open(gateway: SocketAddr, domain: &str, agents: Vec<Account>) -> anyhow::Result<Self> {
        let loopback: SocketAddr = ([127, 0, 0, 1], 0).into();
        let (shell, mut inboxes) = Shell::bind(ShellSettings::new(vec![loopback], Vec::new(), 1))?;
        let inbox = inboxes.pop().context("a shell has an inbox")?;
        let (_, address) = shell
            .handle()
            .local_addresses()
            .next()
            .context("a socket is open")?;
        let place = Place {
            transport: Transport::Udp,
            socket: SocketId(0),
            address: address.to_string(),
        };
        let settings = Settings {
            contact_user: "played".to_owned(),
            ..Settings::new(place)
        };
        let (sender, media_events) = mpsc::unbounded_channel();
        let engine = media::Settings {
            ports: PORTS,
            threads: 1,
            ..media::Settings::default()
        };
        let media = MediaEngine::start(&engine, move |_, event| {
            // The people are gone when nobody listens any more.
            let _ = sender.send(event);
        })?;
        let library = PromptLibrary::embedded();
        let english = library.language("en");
        let now = Instant::now();
        Ok(Self {
            control: CallControl::new(UserAgent::new(settings, rand::random())),
            shell,
            inbox,
            media,
            media_events,
            voice: library.phrase(english, &[Prompt::Greeting, Prompt::PleaseHold]),
            gateway: Flow::new(Transport::Udp, gateway),
            domain: domain.to_owned(),
            agents,
            callers: BTreeSet::new(),
            talks: BTreeMap::new(),
            due: BTreeSet::from([(now, Due::Register), (now + FIRST_CALL, Due::Call)]),
            random: StdRng::from_os_rng(),
        })
    }

    /// Plays until the process ends.
    pub async fn play(mut self) {
        let handle = self.shell.handle();
        loop {
            let timer = self.control.next_timeout();
            let due = self
                .due
                .first()
                .map(|(at, _)| *at)
                .into_iter()
                .chain(timer)
                .min();
            let due = due.unwrap_or_else(|| Instant::now() + CALL_EVERY);
            tokio::select! {
                event = self.inbox.recv() => match event {
                    Some(event) => self.on_shell(event),
                    None => return,
                },
                Some(event) = self.media_events.recv() => self.control.handle_media(event),
                () = tokio::time::sleep_until(due.into()) => {}
            }
            let now = Instant::now();
            self.control.handle_timeout(now);
            self.do_due(now);
            self.settle(now, &handle);
        }
    }

    fn on_shell(&mut self, event: ShellEvent) {
        if let ShellEvent::Received(inbound) = event
            && let Ok(message) = Message::parse_datagram(inbound.bytes)
        {
            self.control
                .handle_message(Instant::now(), inbound.flow, message);
        }
    }

    fn settle(&mut self, now: Instant, handle: &ShellHandle) {
        loop {
            if let Some(wish) = self.control.poll_media() {
                self.grant(wish);
            } else if let Some(event) = self.control.poll_event() {
                self.on_call(now, event);
            } else if self.control.poll_other().is_none() {
                break;
            }
        }
        while let Some(sent) = self.control.poll_transmit() {
            // What is not sent is lost on the way; retransmission sees to it.
            let _ = handle.send(Transmit {
                flow: sent.flow,
                bytes: sent.bytes,
            });
        }
    }

    fn grant(&self, wish: MediaWish) {
        let granted = match wish {
            MediaWish::Command { port, command } => self.media.command(port, command),
            MediaWish::Bridge { a, b } => self.media.bridge(a, b),
            MediaWish::Unbridge { a, b } => self.media.unbridge(a, b),
        };
        if let Err(fault) = granted {
            tracing::warn!(%fault, "a played phone's audio failed");
        }
    }

    fn command(&mut self, now: Instant, command: CallCommand) {
        let media = &self.media;
        self.control.handle_command(now, command, &mut |leg| {
            media.open(Owner(leg.0), MediaShard(0)).ok()
        });
    }

    fn do_due(&mut self, now: Instant) {
        while let Some((at, due)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, due));
            match due {
                Due::Register => self.register(now),
                Due::Call => self.call(now),
                Due::PickUp(leg) => self.pick_up(now, leg),
                Due::Decline(leg) => {
                    let reject = Reject {
                        status: 603,
                        reason: "Decline",
                        retry_after_s: None,
                    };
                    self.command(now, CallCommand::Reject { leg, reject });
                }
                Due::HangUp(leg) => self.command(now, CallCommand::HangUp { leg }),
            }
        }
    }

    fn register(&mut self, now: Instant) {
        for account in self.agents.clone() {
            let user = &account.username;
            let address = format!("<sip:{user}@{}>", self.domain);
            let place = self.shell.handle().local_addresses().next();
            let contact = place.map_or_else(String::new, |(_, at)| format!("<sip:{user}@{at}>"));
            let request = OutsideRequest {
                method: Method::Register,
                flow: self.gateway,
                request_uri: format!("sip:{}", self.domain),
                from: address.clone(),
                to: address,
                headers: vec![
                    ("Contact".to_owned(), contact),
                    (
                        "Expires".to_owned(),
                        (REGISTER_EVERY.as_secs() + 60).to_string(),
                    ),
                ],
                body: None,
                account: Some(account),
                sequence: None,
            };
            if let Err(fault) = self.control.user_agent().request(now, request) {
                tracing::warn!(%fault, "a played phone could not register");
            }
        }
        self.due.insert((now + REGISTER_EVERY, Due::Register));
    }

    fn call(&mut self, now: Instant) {
        let next = script::next_call(&mut self.random, CALL_EVERY);
        self.due.insert((now + next, Due::Call));
        if self.callers.len() >= CALLERS_MAX {
            return;
        }
        let caller = script::caller(&mut self.random);
        let leg = self.control.mint_leg();
        let host = self.gateway.remote;
        let dial = Dial {
            flow: self.gateway,
            request_uri: format!("sip:{}@{host}", caller.to),
            from: format!("<sip:{}@{}>", caller.from, self.domain),
            to: format!("<sip:{}@{host}>", caller.to),
            headers: Vec::new(),
            max_forwards: MAX_FORWARDS,
            account: None,
            deadline: now + RINGS_MAX,
            partner: None,
        };
        self.callers.insert(leg);
        self.due
            .insert((now + caller.hangs_up_after, Due::HangUp(leg)));
        self.command(
            now,
            CallCommand::Dial {
                leg,
                dial: Box::new(dial),
            },
        );
    }

    fn pick_up(&mut self, now: Instant, leg: LegId) {
        self.command(now, CallCommand::Answer { leg });
        if let Some(talks) = self.talks.remove(&leg) {
            self.due.insert((now + talks, Due::HangUp(leg)));
        }
    }

    fn on_call(&mut self, now: Instant, event: CallEvent) {
        match event {
            CallEvent::Incoming(incoming) => self.ring(now, incoming.leg),
            CallEvent::Answered { leg } | CallEvent::PickedUp { leg } => {
                let (clips, repeat) = (self.voice.clone(), Repeat::Forever);
                self.command(
                    now,
                    CallCommand::Play {
                        leg,
                        play: PlayId(1),
                        clips,
                        repeat,
                    },
                );
            }
            CallEvent::Ended { leg, .. } | CallEvent::Refused { leg, .. } => self.forget(leg),
            CallEvent::Released { leg, .. } => self.forget(leg),
            CallEvent::EarlyOpen { .. }
            | CallEvent::Ringing { .. }
            | CallEvent::Digit { .. }
            | CallEvent::PlayEnded { .. }
            | CallEvent::Held { .. }
            | CallEvent::Resumed { .. }
            | CallEvent::Silent { .. } => {}
        }
    }

    fn ring(&mut self, now: Instant, leg: LegId) {
        self.command(now, CallCommand::Ring { leg });
        match script::answer(&mut self.random) {
            PlayedAnswer::PickUp { after, talks } => {
                self.talks.insert(leg, talks);
                self.due.insert((now + after, Due::PickUp(leg)));
            }
            PlayedAnswer::Decline { after } => {
                self.due.insert((now + after, Due::Decline(leg)));
            }
            PlayedAnswer::Nothing => {}
        }
    }

    fn forget(&mut self, leg: LegId) {
        self.callers.remove(&leg);
        self.talks.remove(&leg);
        self.due.retain(|(_, due)| {
            !matches!(due, Due::PickUp(other) | Due::Decline(other) | Due::HangUp(other) if *other == leg)
        });
    }
}

/// Ports of the played people's audio, apart from the desk's.
const PORTS: std::ops::RangeInclusive<u16> = 30_000..=30_999;

/// When the first caller comes: the agents have registered by then.
const FIRST_CALL: Duration = Duration::from_secs(2);
