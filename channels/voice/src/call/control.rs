//! The legs of one shard: dialogs, descriptions and media ports brought together.

mod happenings;

use super::leg::{Hold, Leg, LegMedia, LegState, Rings};
use super::words::{
    CallCommand, CallEvent, Dial, IncomingCall, LegEnd, LegId, MediaWish, Refused, Reject,
};
use crate::media::{
    MediaEvent, MediaEventKind, Play, PortCommand, PortHandle, PortId, Repeat, Start,
};
use crate::sdp::{Codec, Direction, Negotiation};
use crate::sip::flow::Flow;
use crate::sip::header::Header;
use crate::sip::message::{Malformed, Message};
use crate::sip::registrar::Reply;
use crate::sip::user_agent::{
    Cause, CommandFault, DialogId, Event, Invite, Progress, Reliability, RequestId, Transmit,
    TransportFailure, UserAgent,
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

/// The calls of one shard; see the [module](super).
#[derive(Debug)]
pub struct CallControl {
    user_agent: UserAgent,
    legs: BTreeMap<LegId, Leg>,
    leg_of_dialog: BTreeMap<DialogId, LegId>,
    /// Dialogs of legs that are gone, until their last messages were sent.
    gone: Vec<DialogId>,
    deadlines: BTreeSet<(Instant, LegId)>,
    events: VecDeque<CallEvent>,
    wishes: VecDeque<MediaWish>,
    /// Requests outside a dialog, for whoever registers phones.
    others: VecDeque<Event>,
    legs_minted: u64,
}

impl CallControl {
    /// Takes over a user agent.
    pub fn new(user_agent: UserAgent) -> Self {
        Self {
            user_agent,
            legs: BTreeMap::new(),
            leg_of_dialog: BTreeMap::new(),
            gone: Vec::new(),
            deadlines: BTreeSet::new(),
            events: VecDeque::new(),
            wishes: VecDeque::new(),
            others: VecDeque::new(),
            legs_minted: 0,
        }
    }

    /// The user agent, for requests outside a dialog.
    pub fn user_agent(&mut self) -> &mut UserAgent {
        &mut self.user_agent
    }

    /// Mints the name of a leg that is to be dialled.
    pub fn mint_leg(&mut self) -> LegId {
        self.legs_minted += 1;
        LegId(self.legs_minted)
    }

    /// Legs that are not over.
    pub fn leg_count(&self) -> usize {
        self.legs.len()
    }

    /// The dialog of a leg, for whoever traces its messages.
    pub fn dialog_of(&self, leg: LegId) -> Option<DialogId> {
        self.legs.get(&leg).map(|leg| leg.state.dialog())
    }

    /// The leg of a dialog; told until the last message of a leg that is gone was sent.
    pub fn leg_of(&self, dialog: DialogId) -> Option<LegId> {
        self.leg_of_dialog.get(&dialog).copied()
    }

    /// The leg a message belongs to, asked before it is handled.
    pub fn leg_of_message(&self, message: &Message) -> Option<LegId> {
        self.leg_of(self.user_agent.dialog_of(message)?)
    }

    fn living_leg_of(&self, dialog: DialogId) -> Option<LegId> {
        self.leg_of(dialog)
            .filter(|leg| self.legs.contains_key(leg))
    }

    /// Takes a parsed message from the network.
    pub fn handle_message(&mut self, now: Instant, flow: Flow, message: Message) {
        self.user_agent.handle_message(now, flow, message);
        self.drain_user_agent(now);
    }

    /// Answers what cannot be read, as far as it can be answered.
    pub fn handle_malformed(&mut self, flow: Flow, malformed: &Malformed) {
        self.user_agent.handle_malformed(flow, malformed);
    }

    /// When [`CallControl::handle_timeout`] is due.
    pub fn next_timeout(&mut self) -> Option<Instant> {
        let ring = self.deadlines.first().map(|(at, _)| *at);
        match (ring, self.user_agent.next_timeout()) {
            (Some(ring), Some(agent)) => Some(ring.min(agent)),
            (ring, agent) => ring.or(agent),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, leg)) = self.deadlines.first().copied() {
            if at > now {
                break;
            }
            self.deadlines.pop_first();
            self.on_ring_deadline(now, leg);
        }
        self.user_agent.handle_timeout(now);
        self.drain_user_agent(now);
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.user_agent.poll_transmit();
        if transmit.is_none() {
            for dialog in self.gone.drain(..) {
                self.leg_of_dialog.remove(&dialog);
            }
        }
        transmit
    }

    /// The next thing that happened to a leg.
    pub fn poll_event(&mut self) -> Option<CallEvent> {
        self.events.pop_front()
    }

    /// The next request outside a dialog (REGISTER, OPTIONS); to be answered at the user agent.
    pub fn poll_other(&mut self) -> Option<Event> {
        self.others.pop_front()
    }

    /// The next wish to the media engine.
    pub fn poll_media(&mut self) -> Option<MediaWish> {
        self.wishes.pop_front()
    }

    /// Takes what the media engine noticed; the owner of a port is the number of its leg.
    pub fn handle_media(&mut self, event: MediaEvent) {
        let leg = LegId(event.owner.0);
        let is_here = self.legs.contains_key(&leg);
        match event.kind {
            MediaEventKind::Closed(report) => {
                self.events.push_back(CallEvent::Released {
                    leg,
                    report: Some(report),
                });
            }
            MediaEventKind::PlayEnded { play } if is_here => {
                self.events.push_back(CallEvent::PlayEnded { leg, play });
            }
            MediaEventKind::Digit { symbol, .. } if is_here => {
                self.events
                    .push_back(CallEvent::Digit { leg, digit: symbol });
            }
            MediaEventKind::Silent { .. } if is_here => {
                self.events.push_back(CallEvent::Silent { leg });
            }
            MediaEventKind::PlayEnded { .. }
            | MediaEventKind::Digit { .. }
            | MediaEventKind::Silent { .. }
            | MediaEventKind::Latched { .. }
            | MediaEventKind::HeardAgain => {}
        }
    }

    /// Answers a request outside of a call.
    pub fn respond(&mut self, now: Instant, request: RequestId, reply: &Reply) {
        let headers = header_lines(reply);
        let done = self
            .user_agent
            .respond(now, request, reply.status, &headers, None);
        gone_is_told(done);
    }

    /// Leaves a request outside of a call without an answer.
    pub fn ignore_request(&mut self, request: RequestId) {
        self.user_agent.ignore_request(request);
    }

    /// Leaves an incoming leg without an answer.
    pub fn ignore(&mut self, leg_id: LegId) {
        if let Some(dialog) = self.unanswered(leg_id) {
            self.user_agent.ignore(dialog);
            self.forget(leg_id);
        }
    }

    /// Is told that what was sent could not be delivered, or that a connection has ended.
    pub fn handle_transport_failure(&mut self, now: Instant, failure: TransportFailure) {
        self.user_agent.handle_transport_failure(now, failure);
        self.drain_user_agent(now);
    }

    /// Turns an incoming leg away with a response that somebody else made.
    pub fn turn_away(&mut self, now: Instant, leg_id: LegId, reply: &Reply) {
        if let Some(dialog) = self.unanswered(leg_id) {
            let headers = header_lines(reply);
            let reason = Some(reply.reason);
            gone_is_told(
                self.user_agent
                    .reject(now, dialog, reply.status, reason, &headers),
            );
            self.forget(leg_id);
        }
    }

    /// Does as it is told. A command for a leg that is gone does nothing: its end was told already.
    ///
    /// `open_port` gives a leg its media port, or `None` when there is none left.
    pub fn handle_command(
        &mut self,
        now: Instant,
        command: CallCommand,
        open_port: &mut dyn FnMut(LegId) -> Option<PortHandle>,
    ) {
        match command {
            CallCommand::Ring { leg } => {
                if let Some(dialog) = self.unanswered(leg) {
                    self.progress(now, dialog, Progress::Ringing, None);
                }
            }
            CallCommand::OpenEarly { leg } => self.open_early(now, leg, open_port),
            CallCommand::Answer { leg } => self.answer(now, leg, open_port),
            CallCommand::Reject { leg, reject } => self.reject(now, leg, reject),
            CallCommand::Dial { leg, dial } => self.dial(now, leg, *dial, open_port),
            CallCommand::Play {
                leg,
                play,
                clips,
                repeat,
            } => {
                let start = match repeat {
                    Repeat::Once => Start::Beginning,
                    Repeat::Forever => Start::Shared,
                };
                self.tell_port(
                    leg,
                    PortCommand::Play(Play {
                        id: play,
                        clips,
                        repeat,
                        start,
                    }),
                );
            }
            CallCommand::StopPlay { leg } => self.tell_port(leg, PortCommand::StopPlay),
            CallCommand::Tap { leg, tap } => self.tell_port(leg, PortCommand::Tap(tap)),
            CallCommand::StopTap { leg, tap } => self.tell_port(leg, PortCommand::StopTap(tap)),
            CallCommand::Bridge { a, b } => self.bridge(a, b),
            CallCommand::Unbridge { leg } => self.unbridge(leg),
            CallCommand::HangUp { leg } => self.hang_up(now, leg, None),
            CallCommand::StandDown { leg } => self.hang_up(now, leg, Some(COMPLETED_ELSEWHERE)),
        }
        self.drain_user_agent(now);
    }

    // Commands.

    fn unanswered(&self, leg: LegId) -> Option<DialogId> {
        match self.legs.get(&leg)?.state {
            LegState::Incoming { dialog, .. } | LegState::Early { dialog, .. } => Some(dialog),
            LegState::Dialling { .. } | LegState::Up { .. } => None,
        }
    }

    fn open_early(
        &mut self,
        now: Instant,
        leg_id: LegId,
        open_port: &mut dyn FnMut(LegId) -> Option<PortHandle>,
    ) {
        let Some(LegState::Incoming { dialog, .. }) = self.legs.get(&leg_id).map(|leg| &leg.state)
        else {
            return;
        };
        let dialog = *dialog;
        let Some(described) = self.describe(now, leg_id, open_port) else {
            return;
        };
        self.progress(
            now,
            dialog,
            Progress::SessionProgress,
            Some(described.clone()),
        );
        if let Some(leg) = self.legs.get_mut(&leg_id) {
            leg.state = LegState::Early { dialog, described };
        }
        self.events.push_back(CallEvent::EarlyOpen { leg: leg_id });
    }

    fn answer(
        &mut self,
        now: Instant,
        leg_id: LegId,
        open_port: &mut dyn FnMut(LegId) -> Option<PortHandle>,
    ) {
        let (dialog, described) = match self.legs.get(&leg_id).map(|leg| &leg.state) {
            Some(LegState::Incoming { dialog, .. }) => {
                let dialog = *dialog;
                let Some(described) = self.describe(now, leg_id, open_port) else {
                    return;
                };
                (dialog, described)
            }
            Some(LegState::Early { dialog, described }) => (*dialog, described.clone()),
            Some(LegState::Dialling { .. } | LegState::Up { .. }) | None => return,
        };
        gone_is_told(self.user_agent.answer(now, dialog, described));
        if let Some(leg) = self.legs.get_mut(&leg_id) {
            leg.state = LegState::Up { dialog };
        }
        self.events.push_back(CallEvent::Answered { leg: leg_id });
    }

    fn progress(&mut self, now: Instant, id: DialogId, progress: Progress, sdp: Option<Bytes>) {
        let reliability = if sdp.is_some() {
            Reliability::Acknowledged
        } else {
            Reliability::Plain
        };
        gone_is_told(self.user_agent.ring(now, id, progress, sdp, reliability));
    }

    /// Gives an incoming leg its port, and its description from that and the offer.
    ///
    /// `None` when the leg is gone, or ended here because nothing fits or no port is left.
    fn describe(
        &mut self,
        now: Instant,
        leg_id: LegId,
        open_port: &mut dyn FnMut(LegId) -> Option<PortHandle>,
    ) -> Option<Bytes> {
        let leg = self.legs.get_mut(&leg_id)?;
        let LegState::Incoming { dialog, offer } = &leg.state else {
            return None;
        };
        let (dialog, offer) = (*dialog, offer.clone());
        let Some(port) = open_port(leg_id) else {
            self.reject(now, leg_id, NO_PORT);
            self.end_leg(leg_id, LegEnd::Lost);
            return None;
        };
        let mut negotiation = Negotiation::new(port.rtp, leg_id.0);
        let described = match &offer {
            Some(offer) => negotiation.handle_offer(offer).ok(),
            None => Some(negotiation.make_offer()),
        };
        leg.media = Some(LegMedia {
            port,
            negotiation,
            hold: Hold::Off,
            early: None,
        });
        if described.is_some() {
            self.tell_remote(leg_id);
        } else {
            gone_is_told(self.user_agent.reject(now, dialog, 488, None, &[]));
            self.end_leg(leg_id, LegEnd::NotAcceptable);
        }
        described
    }

    fn reject(&mut self, now: Instant, leg_id: LegId, reject: Reject) {
        let Some(dialog) = self.unanswered(leg_id) else {
            return;
        };
        let retry_after = reject
            .retry_after_s
            .map(|seconds| (Header::RetryAfter.as_str().to_owned(), seconds.to_string()));
        let headers: Vec<(String, String)> = retry_after.into_iter().collect();
        let reason = Some(reject.reason);
        gone_is_told(
            self.user_agent
                .reject(now, dialog, reject.status, reason, &headers),
        );
        self.forget(leg_id);
    }

    fn dial(
        &mut self,
        now: Instant,
        leg_id: LegId,
        dial: Dial,
        open_port: &mut dyn FnMut(LegId) -> Option<PortHandle>,
    ) {
        let Some(port) = open_port(leg_id) else {
            self.events.push_back(CallEvent::Refused {
                leg: leg_id,
                why: Refused::NoPort,
            });
            self.events.push_back(CallEvent::Released {
                leg: leg_id,
                report: None,
            });
            return;
        };
        let mut negotiation = Negotiation::new(port.rtp, leg_id.0);
        if let Some(codec) = dial.partner.and_then(|partner| self.codec_of(partner)) {
            negotiation.prefer(codec);
        }
        let offer = negotiation.make_offer();
        let deadline = dial.deadline;
        let invited = self.user_agent.invite(
            now,
            Invite {
                flow: dial.flow,
                request_uri: dial.request_uri,
                from: dial.from,
                to: dial.to,
                headers: dial.headers,
                max_forwards: dial.max_forwards,
                sdp: Some(offer),
                account: dial.account,
                call_id: None,
            },
        );
        let media = Some(LegMedia {
            port,
            negotiation,
            hold: Hold::Off,
            early: None,
        });
        let Ok(dialog) = invited else {
            let command = PortCommand::Close;
            self.wishes.push_back(MediaWish::Command {
                port: port.id,
                command,
            });
            self.events.push_back(CallEvent::Refused {
                leg: leg_id,
                why: Refused::NoPort,
            });
            return;
        };
        self.leg_of_dialog.insert(dialog, leg_id);
        self.deadlines.insert((deadline, leg_id));
        let state = LegState::Dialling {
            dialog,
            deadline,
            rings: Rings::NotYet,
        };
        self.legs.insert(
            leg_id,
            Leg {
                state,
                media,
                bridged_to: None,
            },
        );
    }

    fn codec_of(&self, leg: LegId) -> Option<Codec> {
        self.legs
            .get(&leg)?
            .media
            .as_ref()?
            .negotiation
            .remote()
            .map(|remote| remote.codec())
    }

    fn bridge(&mut self, a: LegId, b: LegId) {
        let (Some(port_a), Some(port_b)) = (self.port_of(a), self.port_of(b)) else {
            return;
        };
        self.unbridge(a);
        self.unbridge(b);
        for (leg, other) in [(a, b), (b, a)] {
            if let Some(leg) = self.legs.get_mut(&leg) {
                leg.bridged_to = Some(other);
            }
        }
        self.wishes.push_back(MediaWish::Bridge {
            a: port_a,
            b: port_b,
        });
    }

    fn unbridge(&mut self, leg_id: LegId) {
        let Some(other) = self
            .legs
            .get_mut(&leg_id)
            .and_then(|leg| leg.bridged_to.take())
        else {
            return;
        };
        if let Some(other) = self.legs.get_mut(&other) {
            other.bridged_to = None;
        }
        if let (Some(a), Some(b)) = (self.port_of(leg_id), self.port_of(other)) {
            self.wishes.push_back(MediaWish::Unbridge { a, b });
        }
    }

    fn hang_up(&mut self, now: Instant, leg_id: LegId, reason: Option<&str>) {
        let Some(leg) = self.legs.get(&leg_id) else {
            return;
        };
        match leg.state {
            LegState::Incoming { .. } | LegState::Early { .. } => {
                self.reject(now, leg_id, UNAVAILABLE);
            }
            LegState::Dialling { dialog, .. } => {
                gone_is_told(self.user_agent.cancel(now, dialog, reason));
                self.forget(leg_id);
            }
            LegState::Up { dialog } => {
                let name = Header::Reason.as_str();
                let reason = reason.map(|reason| (name.to_owned(), reason.to_owned()));
                let headers: Vec<(String, String)> = reason.into_iter().collect();
                gone_is_told(self.user_agent.hang_up(now, dialog, &headers));
                self.forget(leg_id);
            }
        }
    }

    fn on_ring_deadline(&mut self, now: Instant, leg_id: LegId) {
        let Some(LegState::Dialling { dialog, rings, .. }) =
            self.legs.get(&leg_id).map(|leg| &leg.state)
        else {
            return;
        };
        let why = match rings {
            Rings::Yes => Refused::NoAnswer,
            Rings::NotYet => Refused::Unreachable { status: 408 },
        };
        let dialog = *dialog;
        gone_is_told(self.user_agent.cancel(now, dialog, None));
        self.events
            .push_back(CallEvent::Refused { leg: leg_id, why });
        self.forget(leg_id);
    }

    // Details.

    fn port_of(&self, leg: LegId) -> Option<PortId> {
        Some(self.legs.get(&leg)?.media.as_ref()?.port.id)
    }

    fn tell_port(&mut self, leg: LegId, command: PortCommand) {
        if let Some(port) = self.port_of(leg) {
            self.wishes.push_back(MediaWish::Command { port, command });
        }
    }

    /// Tells the port where its audio goes since the last description.
    fn tell_remote(&mut self, leg_id: LegId) {
        let remote = self
            .legs
            .get(&leg_id)
            .and_then(|leg| leg.media.as_ref())
            .and_then(|media| media.negotiation.remote());
        self.tell_port(leg_id, PortCommand::SetRemote(remote));
    }

    /// Tells when the far side put us on hold or took us off it.
    fn tell_hold(&mut self, leg_id: LegId) {
        let Some(media) = self
            .legs
            .get_mut(&leg_id)
            .and_then(|leg| leg.media.as_mut())
        else {
            return;
        };
        let hold = match media.negotiation.remote().map(|remote| remote.direction) {
            Some(Direction::SendRecv | Direction::SendOnly) => Hold::Off,
            Some(Direction::RecvOnly | Direction::Inactive) | None => Hold::ByFarSide,
        };
        if hold == std::mem::replace(&mut media.hold, hold) {
            return;
        }
        self.events.push_back(match hold {
            Hold::ByFarSide => CallEvent::Held { leg: leg_id },
            Hold::Off => CallEvent::Resumed { leg: leg_id },
        });
    }

    fn clear_deadline(&mut self, leg_id: LegId) {
        if let Some(LegState::Dialling { deadline, .. }) =
            self.legs.get(&leg_id).map(|leg| &leg.state)
        {
            self.deadlines.remove(&(*deadline, leg_id));
        }
    }

    fn end_leg(&mut self, leg_id: LegId, how: LegEnd) {
        self.events.push_back(CallEvent::Ended { leg: leg_id, how });
        self.forget(leg_id);
    }

    /// Lets go of a leg and its port; the port's report still finds its name. Comes after whatever else is
    /// told of the leg: `Released` is the last word.
    fn forget(&mut self, leg_id: LegId) {
        self.unbridge(leg_id);
        self.clear_deadline(leg_id);
        let Some(leg) = self.legs.remove(&leg_id) else {
            return;
        };
        self.gone.push(leg.state.dialog());
        match leg.media {
            Some(LegMedia { port, .. }) => {
                let command = PortCommand::Close;
                self.wishes.push_back(MediaWish::Command {
                    port: port.id,
                    command,
                });
            }
            None => self.events.push_back(CallEvent::Released {
                leg: leg_id,
                report: None,
            }),
        }
    }
}

fn header_lines(reply: &Reply) -> Vec<(String, String)> {
    reply
        .headers
        .iter()
        .map(|(header, value)| (header.as_str().to_owned(), value.clone()))
        .collect()
}

const NO_PORT: Reject = Reject {
    status: 503,
    reason: "No Media Port Left",
    retry_after_s: Some(10),
};

/// Why a phone stops that rang beside the one that was answered; RFC 3326 §2, and its example for forked
/// calls.
const COMPLETED_ELSEWHERE: &str = "SIP ;cause=200 ;text=\"Call completed elsewhere\"";

const UNAVAILABLE: Reject = Reject {
    status: 480,
    reason: "Temporarily Unavailable",
    retry_after_s: None,
};

/// A command for a dialog that is over changes nothing: its last word is an event on its way to us.
fn gone_is_told(done: Result<(), CommandFault>) {
    if let Err(fault) = done {
        tracing::debug!(%fault, "a command came too late for its dialog");
    }
}

fn leg_end(cause: Cause) -> LegEnd {
    match cause {
        Cause::ByeReceived => LegEnd::HungUp,
        Cause::HungUp | Cause::Cancelled => LegEnd::Local,
        Cause::AckMissing
        | Cause::PeerLost
        | Cause::SessionExpired
        | Cause::PrackMissing
        | Cause::Unattended
        | Cause::Protocol => LegEnd::Lost,
    }
}

/// Reads the digit of an INFO with `application/dtmf-relay` (`Signal=5`) or `application/dtmf`, the
/// two forms that phones use without a standard.
fn digit_of_info(content_type: &str, body: &[u8]) -> Option<char> {
    let content_type = content_type.to_ascii_lowercase();
    let body = std::str::from_utf8(body).ok()?;
    let text = match content_type.split(';').next().unwrap_or("").trim() {
        "application/dtmf-relay" => body.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("signal").then_some(value)
        })?,
        "application/dtmf" => body,
        _ => return None,
    };
    match text.trim() {
        "10" => Some('*'),
        "11" => Some('#'),
        text => {
            let mut chars = text.chars();
            let digit = chars.next()?.to_ascii_uppercase();
            (chars.next().is_none() && matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D'))
                .then_some(digit)
        }
    }
}
