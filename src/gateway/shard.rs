//! One shard: its calls, and the doing of what their flows decide.
//!
//! A shard is one task. It owns its calls outright, so nothing of a call is locked or shared; what
//! takes time (a slow CMS, the database, a remote desk) is asked on the side and comes back as a
//! [`ShardInput`].

mod commands;
mod dials;

use super::call::{Call, LastAgent, LegRole};
use super::call_backs::CallBackChange;
use super::dialling::Dialling;
use super::house::House;
use super::inputs::{ShardInput, ShardSender};
use super::ladder::{note_received, note_sent};
use super::turned_away::TurnedAway;
use crate::call_backs::CallBack;
use crate::call_flow::{
    self, CallBackFlow, CallBackPlan, Command, Course, FlowCaller, HeldBy, Input, LinkedTicket,
    MessageKept, Offer, Phrase,
};
use crate::cti::Identification;
use crate::incidents::messages;
use crate::trace::{self, Ladder};
use bytes::Bytes;
use ringdown_routing::contact::Priority;
use ringdown_routing::event::{ContactResult, Event, EventKind};
use ringdown_routing::ids::{AgentId, ContactId, QueueId};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{Answer, Refusal, Verb};
use ringdown_voice::call::{
    CallCommand, CallControl, CallEvent, Dial, IncomingCall, LegId, MediaWish,
};
use ringdown_voice::media::{PlayId, Report};
use ringdown_voice::sip::flow::{ConnectionId, Flow, Transmit};
use ringdown_voice::sip::message::{Message, Method};
use ringdown_voice::sip::user_agent::{self, TransportFailure};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// The calls whose Call-ID falls to this shard.
pub(super) struct Shard {
    house: Arc<House>,
    sender: ShardSender,
    control: CallControl,
    calls: BTreeMap<ContactId, Call>,
    /// Outlives the call until the leg's media report is here.
    legs: BTreeMap<LegId, (ContactId, LegRole)>,
    due: BTreeSet<(Instant, ContactId)>,
    /// When calls have lasted as long as any may; entries outlive short calls.
    ends: VecDeque<(Instant, ContactId)>,
    inputs: VecDeque<(ContactId, Input)>,
    /// Messages of calls that are other gateways', on their way; sent before the next are read.
    passed: VecDeque<Transmit>,
    /// Legs whose far side's name is being looked up, so that nothing rings yet.
    looked_up: BTreeSet<LegId>,
    /// Emptied and used again for each input.
    said: Vec<Command>,
}

impl Shard {
    pub(super) fn new(house: Arc<House>, sender: ShardSender, control: CallControl) -> Self {
        Self {
            house,
            sender,
            control,
            calls: BTreeMap::new(),
            legs: BTreeMap::new(),
            due: BTreeSet::new(),
            ends: VecDeque::new(),
            inputs: VecDeque::new(),
            passed: VecDeque::new(),
            looked_up: BTreeSet::new(),
            said: Vec::new(),
        }
    }

    /// Whether every call is over and everything about it was said.
    pub(super) fn is_quiet(&self) -> bool {
        self.calls.is_empty() && self.control.leg_count() == 0
    }

    /// Takes bytes that came in.
    pub(super) fn handle_bytes(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        match Message::parse_datagram(bytes) {
            Ok(message) => {
                if let Some(passed) = self.house.pass_on(flow, &message) {
                    self.passed.push_back(passed);
                    return;
                }
                if let Some(leg) = self.control.leg_of_message(&message) {
                    self.note(leg, |ladder, at, leg| {
                        note_received(ladder, at, leg, &message)
                    });
                }
                self.control.handle_message(now, flow, message);
            }
            Err(malformed) => {
                // The source of a datagram can be forged; who blames it could silence somebody's phone.
                if flow.connection.is_some() {
                    self.house.door.handle_garbage(now, &flow);
                }
                self.control.handle_malformed(flow, &malformed);
            }
        }
    }

    /// Is told that nothing can be sent some way.
    pub(super) fn handle_failure(&mut self, now: Instant, failure: TransportFailure) {
        self.control.handle_transport_failure(now, failure);
    }

    /// Is told that a connection has ended.
    pub(super) fn handle_connection_lost(&mut self, now: Instant, connection: ConnectionId) {
        self.control
            .handle_transport_failure(now, TransportFailure::Connection(connection));
        self.house.handle_connection_lost(connection);
    }

    /// The next message to send.
    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        if let Some(passed) = self.passed.pop_front() {
            return Some(passed);
        }
        let sent = self.control.poll_transmit()?;
        if let Some(leg) = sent.dialog.and_then(|dialog| self.control.leg_of(dialog)) {
            self.note(leg, |ladder, at, leg| {
                note_sent(ladder, at, leg, &sent.bytes)
            });
        }
        Some(Transmit {
            flow: sent.flow,
            bytes: sent.bytes,
        })
    }

    fn note(&mut self, leg: LegId, note: impl FnOnce(&mut Ladder, Timestamp, trace::Leg)) {
        if let Some((contact, role)) = self.legs.get(&leg)
            && let Some(call) = self.calls.get_mut(contact)
        {
            note(&mut call.ladder, self.house.now(), role.ladder_leg());
        }
    }

    /// When [`Shard::handle_timeout`] is due.
    pub(super) fn next_timeout(&mut self) -> Option<Instant> {
        let call = self.due.first().map(|(at, _)| *at);
        let end = self.ends.front().map(|(at, _)| *at);
        [call, end, self.control.next_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.control.handle_timeout(now);
        self.end_long_calls(now);
        while let Some((at, contact)) = self.due.first().copied() {
            if at > now {
                break;
            }
            self.due.pop_first();
            let mut said = std::mem::take(&mut self.said);
            if let Some(call) = self.calls.get_mut(&contact) {
                call.due = None;
                call.flow.handle_timeout(now, &mut said);
            }
            self.obey(now, contact, said);
        }
    }

    /// All calls may last equally long, so the oldest entry is the first that is due. Entries of calls
    /// that are over are dropped as they come to the front.
    fn end_long_calls(&mut self, now: Instant) {
        while let Some((at, contact)) = self.ends.front().copied() {
            if self.calls.contains_key(&contact) {
                if at > now {
                    break;
                }
                self.inputs.push_back((contact, Input::Shutdown));
            }
            self.ends.pop_front();
        }
    }

    /// Takes what was asked on the side, or what another part of the gateway tells.
    pub(super) fn handle_input(&mut self, now: Instant, input: ShardInput) {
        match input {
            ShardInput::Media(event) => self.control.handle_media(event),
            ShardInput::Desk(event) => self.on_desk_event(now, &event),
            ShardInput::AgentGone { contact, agent } => {
                self.inputs.push_back((contact, Input::AgentGone { agent }));
            }
            ShardInput::Verb { contact, outcome } => {
                let input = outcome.map_or_else(
                    |fault| {
                        self.house.not_asked.count(now, contact, &fault);
                        Input::DeskLost
                    },
                    Input::Verb,
                );
                self.inputs.push_back((contact, input));
            }
            ShardInput::Identified {
                contact,
                identification,
            } => {
                self.on_identified(contact, identification);
            }
            ShardInput::Ticket { contact, ticket } => self.on_ticket(contact, ticket),
            ShardInput::LastAgent { contact, agent } => self.on_last_agent(contact, agent),
            ShardInput::Resolved { leg, dial } => self.on_resolved(now, leg, dial),
            ShardInput::OpeningsChanged => self.on_openings_changed(),
            ShardInput::IncidentsChanged => self.on_incidents_changed(),
            ShardInput::EventsMissed => self.look_at_call_backs(),
            ShardInput::CallBackTaken { contact, is_noted } => {
                let input = if is_noted {
                    Input::CallBackNoted
                } else {
                    Input::CallBackRefused
                };
                self.inputs.push_back((contact, input));
            }
            ShardInput::MessageKept { contact, kept } => {
                self.inputs.push_back((contact, Input::MessageKept(kept)));
            }
            ShardInput::CallBack { call_back, event } => self.on_call_back(now, *call_back, &event),
            ShardInput::Shutdown => {
                let contacts: Vec<ContactId> = self.calls.keys().copied().collect();
                self.inputs
                    .extend(contacts.into_iter().map(|id| (id, Input::Shutdown)));
            }
        }
    }

    /// Works off what has piled up, until there is nothing left but to send.
    pub(super) fn settle(&mut self, now: Instant) {
        loop {
            if let Some(wish) = self.control.poll_media() {
                self.grant(wish);
            } else if let Some(event) = self.control.poll_event() {
                self.on_call_event(now, event);
            } else if let Some((contact, input)) = self.inputs.pop_front() {
                self.feed(now, contact, input);
            } else if let Some(request) = self.control.poll_other() {
                self.on_request(now, request);
            } else {
                break;
            }
        }
    }

    fn grant(&self, wish: MediaWish) {
        let media = &self.house.media;
        let granted = match wish {
            MediaWish::Command { port, command } => media.command(port, command),
            MediaWish::Bridge { a, b } => media.bridge(a, b),
            MediaWish::Unbridge { a, b } => media.unbridge(a, b),
        };
        if let Err(fault) = granted {
            tracing::warn!(%fault, "the media engine did not take an order");
        }
    }

    // What calls tell.

    fn on_call_event(&mut self, now: Instant, event: CallEvent) {
        let (leg, input) = match event {
            CallEvent::Incoming(incoming) => return self.on_incoming(now, *incoming),
            CallEvent::Released { leg, report } => return self.on_released(leg, report.as_deref()),
            CallEvent::Silent { leg } => return self.on_silent(leg),
            CallEvent::EarlyOpen { leg } => (leg, Input::EarlyOpen),
            CallEvent::Answered { leg } => (leg, Input::CallerAnswered),
            CallEvent::Ringing { leg } => (leg, Input::AgentRings { leg }),
            CallEvent::PickedUp { leg } => (leg, Input::AgentPickedUp { leg }),
            CallEvent::Refused { leg, why } => (leg, Input::AgentRefused { leg, why }),
            CallEvent::Ended { leg, how } => match self.legs.get(&leg) {
                // That of an earlier try is of no interest to the call any more.
                Some((contact, LegRole::Caller))
                    if self
                        .calls
                        .get(contact)
                        .is_some_and(|call| call.caller_leg != leg) =>
                {
                    return;
                }
                Some((_, LegRole::Caller)) => (leg, Input::CallerEnded(how)),
                Some((_, LegRole::Rung(_))) | None => (leg, Input::AgentEnded { leg, how }),
            },
            CallEvent::Digit { leg, digit } => match self.legs.get(&leg) {
                Some((_, LegRole::Caller)) => (leg, Input::CallerDigit(digit)),
                Some((_, LegRole::Rung(_))) | None => return,
            },
            CallEvent::PlayEnded { leg, play } => (leg, Input::PlayEnded(play)),
            CallEvent::Held { leg } => (leg, Input::Held(self.holder(leg))),
            CallEvent::Resumed { leg } => (leg, Input::Resumed(self.holder(leg))),
        };
        if let Some((contact, _)) = self.legs.get(&leg) {
            self.inputs.push_back((*contact, input));
        }
    }

    fn holder(&self, leg: LegId) -> HeldBy {
        match self.legs.get(&leg) {
            Some((_, LegRole::Caller)) => HeldBy::Caller,
            Some((_, LegRole::Rung(_))) | None => HeldBy::Agent,
        }
    }

    fn on_incoming(&mut self, now: Instant, incoming: IncomingCall) {
        let leg = incoming.leg;
        let arrival = match self.house.receive(now, &incoming) {
            Ok(arrival) => arrival,
            Err(TurnedAway::Silently) => return self.control.ignore(leg),
            Err(TurnedAway::With(reply)) => return self.control.turn_away(now, leg, &reply),
            Err(TurnedAway::Counted(reply, counted)) => {
                let contact = self.house.mint_contact(self.sender.index());
                self.house.count_turned_away(now, contact, *counted);
                return self.control.turn_away(now, leg, &reply);
            }
        };
        let contact = self.house.mint_contact(self.sender.index());
        self.house.publish(contact, arrival.to_event());
        let at = self.house.now();
        let way_out_leg = self.control.mint_leg();
        self.legs.insert(leg, (contact, LegRole::Caller));
        let rules = Arc::clone(&arrival.number.rules);
        let flow = call_flow::Flow::new(contact, leg, way_out_leg, rules);
        let flow = Course::Incoming(Box::new(flow));
        let mut call = Call::new(at, flow, leg, arrival, self.house.new_ladder(at));
        note_received(&mut call.ladder, at, trace::Leg::Caller, &incoming.invite);
        call.ladder.call_id(
            trace::Leg::Caller,
            &String::from_utf8_lossy(incoming.invite.call_id()),
        );
        let mut said = std::mem::take(&mut self.said);
        call.flow.start(&mut said);
        self.calls.insert(contact, call);
        self.ends.push_back((now + self.house.call_max, contact));
        self.obey(now, contact, said);
    }

    /// An agent is reserved for a call-back.
    fn on_call_back(&mut self, now: Instant, call_back: CallBack, event: &Event) {
        let EventKind::Offered {
            token, deadline, ..
        } = &event.kind
        else {
            return;
        };
        let Some(agent) = event.agent.clone() else {
            return;
        };
        let contact = call_back.contact;
        if self.calls.contains_key(&contact) {
            // Its desk gave it to somebody else meanwhile; nobody goes on talking beside that.
            self.feed(now, contact, Input::Superseded);
        }
        // Legs of this call are those from here on.
        let caller_leg = self.control.mint_leg();
        let at = self.house.now();
        let offer = Offer {
            token: *token,
            agent,
            leg: self.control.mint_leg(),
            deadline: now + deadline.since(at),
        };
        let language = call_back.language.parse();
        let language = language.unwrap_or_else(|_| self.house.language.clone());
        let arrival = self.house.arrival_of(&call_back, language);
        let plan = CallBackPlan {
            contact,
            line: call_back.queue.clone(),
            offer,
            caller_leg,
            number: call_back.number.as_str().into(),
            ticket: Some(call_back.ticket).filter(|ticket| !ticket.is_empty()),
            rings_for: self.house.call_back_rules(&call_back.queue).ring,
            tries_left: call_back.tries_left,
            asks_how_it_went: self.house.asks_how_it_went(&call_back.queue),
        };
        let flow = Course::CallBack(Box::new(CallBackFlow::new(plan)));
        let ladder = self.house.new_ladder(at);
        let mut call = Call::of_call_back(at, flow, caller_leg, arrival, ladder);
        let mut said = std::mem::take(&mut self.said);
        call.flow.start(&mut said);
        self.calls.insert(contact, call);
        self.house.acd.carry(contact);
        self.house.calls.fetch_add(1, Ordering::Relaxed);
        self.ends.push_back((now + self.house.call_max, contact));
        self.obey(now, contact, said);
    }

    /// The last word on a leg; with the last leg the call is forgotten.
    fn on_released(&mut self, leg: LegId, report: Option<&Report>) {
        let Some((contact, role)) = self.legs.remove(&leg) else {
            return;
        };
        if let Some(report) = report {
            let event = EventKind::MediaReport {
                leg: role.as_str().to_owned(),
                packets_received: report.packets_received,
                packets_sent: report.packets_sent,
                packets_lost: report.packets_lost,
                jitter_ms: report.jitter_ms(),
                one_way: report.is_one_way(),
            };
            self.house.publish(contact, event);
        }
        // A leg that is older than its call is of an earlier try.
        if let Some(call) = self.calls.get_mut(&contact)
            && (leg >= call.caller_leg)
        {
            call.legs = call.legs.saturating_sub(1);
            self.forget_if_over(contact);
        }
    }

    fn on_silent(&mut self, leg: LegId) {
        self.note(leg, |ladder, at, leg| {
            ladder.note(at, leg, "no audio comes from this side")
        });
    }

    /// A request outside of a call: a registration, or a question whether we live.
    fn on_request(&mut self, now: Instant, event: user_agent::Event) {
        let user_agent::Event::Request {
            request,
            message,
            flow,
            ..
        } = event
        else {
            return;
        };
        let reply = if message.method() == Method::Register {
            self.house.register(now, flow, &message)
        } else {
            self.house.tell_alive(now, &flow, &message)
        };
        match reply {
            Some(reply) => self.control.respond(now, request, &reply),
            None => self.control.ignore_request(request),
        }
    }

    // What the desk, the CMS and the ticket store tell.

    fn on_desk_event(&mut self, now: Instant, event: &Event) {
        let Some(contact) = event.contact.filter(|id| self.calls.contains_key(id)) else {
            return;
        };
        let input = if let EventKind::Offered {
            token, deadline, ..
        } = &event.kind
        {
            let Some(agent) = event.agent.clone() else {
                return;
            };
            let leg = self.control.mint_leg();
            let deadline = now + deadline.since(self.house.now());
            Input::Offered(Offer {
                token: *token,
                agent,
                leg,
                deadline,
            })
        } else if let EventKind::OfferExpired { token } = &event.kind {
            Input::OfferLapsed { token: *token }
        } else if let EventKind::Answered { token, .. } = &event.kind {
            Input::Answered { token: *token }
        } else if let (EventKind::Enqueued { .. }, Some(line)) = (&event.kind, &event.queue) {
            Input::Moved(line.clone())
        } else if let EventKind::Requeued { .. } = &event.kind {
            Input::TakenFromAgent
        } else if let EventKind::Overflowed { .. } = &event.kind {
            Input::Dropped
        } else {
            return;
        };
        self.inputs.push_back((contact, input));
    }

    /// Every call is told how it is with its line; most do not mind.
    fn on_openings_changed(&mut self) {
        for (contact, call) in &self.calls {
            let input = match self.house.why_closed(call.flow.line()) {
                Some(reason) => Input::LineClosed(reason),
                None => Input::LineOpened,
            };
            self.inputs.push_back((*contact, input));
        }
    }

    /// A call-back that another gateway took over meanwhile is not ours any more.
    fn look_at_call_backs(&mut self) {
        for (contact, call) in &self.calls {
            let Course::CallBack(flow) = &call.flow else {
                continue;
            };
            let is_ours = self.house.acd.read(|view| {
                let placed = view.contact(*contact);
                placed.is_some_and(|placed| placed.place.holder_by(flow.token()).is_some())
            });
            if !is_ours {
                self.inputs.push_back((*contact, Input::TakenFromAgent));
            }
        }
    }

    /// Who was on the phone before hears of a major incident where they stand; who is not known yet does so in
    /// a moment.
    fn on_incidents_changed(&mut self) {
        for (contact, call) in &mut self.calls {
            if call.identification.is_some()
                && let Some(notice) = self.house.news_for(call)
            {
                self.inputs
                    .push_back((*contact, Input::IncidentHolds(notice)));
            }
        }
    }

    fn on_identified(&mut self, contact: ContactId, identification: Box<Identification>) {
        let Some(call) = self.calls.get_mut(&contact) else {
            return;
        };
        let who = FlowCaller {
            outcome: identification.outcome(),
            caller: identification.caller_id(),
            class: identification.caller().and_then(|caller| caller.class),
        };
        call.identification = Some(identification);
        if let Some(notice) = self.house.news_for(call) {
            self.inputs
                .push_back((contact, Input::IncidentHolds(notice)));
        }
        self.inputs.push_back((contact, Input::Identified(who)));
    }

    fn on_ticket(&mut self, contact: ContactId, ticket: Option<LinkedTicket>) {
        let Some(call) = self.calls.get_mut(&contact) else {
            return;
        };
        call.ticket.clone_from(&ticket);
        self.inputs
            .push_back((contact, Input::TicketLinked(ticket)));
    }

    fn on_last_agent(&mut self, contact: ContactId, agent: Option<AgentId>) {
        let Some(call) = self.calls.get_mut(&contact) else {
            return;
        };
        let last_agent = agent.map_or(LastAgent::Nobody, LastAgent::Is);
        let asked = std::mem::replace(&mut call.last_agent, last_agent);
        if let LastAgent::Asked { line, priority } = asked {
            self.enter_line(contact, line, priority);
        }
    }

    fn enter_line(&mut self, contact: ContactId, line: QueueId, priority: Priority) {
        let Some(call) = self.calls.get(&contact) else {
            return;
        };
        match self.house.entry_verb(contact, call, line, priority) {
            Ok(verb) => self.change(contact, verb),
            Err(reason) => self.inputs.push_back((contact, Input::NotTaken(reason))),
        }
    }
}
