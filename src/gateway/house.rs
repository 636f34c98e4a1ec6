//! What all shards share: who may come in, what numbers mean, the desk, the CMS, the tickets, the audio.

use super::call::{Arrival, Call};
use super::dialling::{Dialling, Parties};
use super::door::{Door, Entry};
use super::inputs::{ShardInput, ShardSender};
use super::not_asked::NotAsked;
use super::phones::{Phones, Search};
use super::rules::DialledNumber;
use super::speech::Speech;
use super::turned_away::{
    CallRate, Counted, ToldRate, TurnedAway, alive, forbidden, no_such_number, out_of_service,
};
use crate::acd::{About, Acd, Teller};
use crate::call_backs::CallBacks;
use crate::call_flow::{LineRules, Lines, LinkedTicket, Phrase, Refusing};
use crate::config::{CallBackOffer, CallBackRules, Language, LogIn};
use crate::cti::{CallerHeaders, Claim, Identification, Identifier, Normaliser, Trust, claim_of};
use crate::database::{Database, DatabaseFault};
use crate::drain::Drain;
use crate::event_log::EventLog;
use crate::incidents::Incidents;
use crate::incidents::messages::Messages;
use crate::openings::{ClosedBy, Opening, Openings};
use crate::roster::Roster;
use crate::tickets::{Kind, Linked, TicketWish, Tickets};
use crate::trace::{Ladder, TraceSender};
use rand::Rng;
use ringdown_routing::agent::Status;
use ringdown_routing::contact::{CallBackTo, Channel, Priority, QueuedContact, Reserved};
use ringdown_routing::event::{ContactResult, EventDraft, EventKind};
use ringdown_routing::ids::{AgentId, ContactId, NodeId, QueueId};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::Verb;
use ringdown_voice::call::{IncomingCall, LegId};
use ringdown_voice::media::{Clips, MediaEngine, Owner, PortHandle, Repeat, Shard as MediaShard};
use ringdown_voice::sdp;
use ringdown_voice::sip::edge::Edge;
use ringdown_voice::sip::flow::{ConnectionId, Flow, Transmit};
use ringdown_voice::sip::header::Header;
use ringdown_voice::sip::message::Message;
use ringdown_voice::sip::registrar::{Binding, RegistrarEvent, Reply};
use ringdown_voice::sip::source_filter::Admission;
use ringdown_voice::sip::user_agent::MAX_FORWARDS;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// Shared by all shards of one gateway.
#[derive(Debug)]
pub(super) struct House {
    pub(super) node: NodeId,
    pub(super) door: Door,
    /// Phones of the whole desk, if other gateways share it.
    pub(super) phones: Option<Phones>,
    /// Brings the calls of other gateways to phones that only we can reach.
    pub(super) edge: Option<Edge>,
    pub(super) acd: Acd,
    /// Tells the desk what nobody waits for.
    pub(super) teller: Teller,
    pub(super) openings: Arc<Openings>,
    pub(super) incidents: Arc<Incidents>,
    pub(super) messages: Messages,
    pub(super) media: MediaEngine,
    pub(super) identifier: Identifier,
    pub(super) normaliser: Normaliser,
    pub(super) tickets: Tickets,
    pub(super) log: EventLog,
    pub(super) database: Database,
    pub(super) traces: TraceSender,
    pub(super) speech: Speech,
    pub(super) parties: Parties,
    pub(super) numbers: BTreeMap<String, Arc<DialledNumber>>,
    pub(super) lines: Arc<Lines>,
    /// The site's language.
    pub(super) language: Language,
    pub(super) call_backs: CallBacks,
    /// Told when a call-back may be due.
    pub(super) call_backs_due: Notify,
    pub(super) call_back_offers: BTreeMap<QueueId, CallBackOffer>,
    pub(super) call_back_rules: BTreeMap<QueueId, CallBackRules>,
    /// Trunks whose word about the caller is believed.
    pub(super) trusted_trunks: BTreeSet<Arc<str>>,
    pub(super) trace_messages_max: u32,
    /// Whether ladders are kept of answered calls, too.
    pub(super) traces_answered: bool,
    /// Agents as they are now.
    pub(super) rosters: watch::Receiver<Arc<Roster>>,
    /// Longest call.
    pub(super) call_max: Duration,
    /// Most new calls in one second.
    pub(super) rate: CallRate,
    pub(super) turned_away: ToldRate,
    pub(super) not_asked: NotAsked,
    /// Where calls' audio arrives, as we tell it.
    pub(super) media_address: IpAddr,
    pub(super) calls_max: usize,
    pub(super) calls: Arc<AtomicUsize>,
    pub(super) drain: Drain,
}

/// What a caller who waits can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outlook {
    /// The line.
    pub(super) line: QueueId,
    /// The place in it, from 1; `None` when it does not wait there (any more).
    pub(super) position: Option<usize>,
    /// Agents at work for the line.
    pub(super) agents: usize,
}

impl House {
    /// The instant, for events.
    pub(super) fn now(&self) -> Timestamp {
        self.acd.now()
    }

    /// A new contact's id; its lowest eight bits name the shard that has the call.
    pub(super) fn mint_contact(&self, shard: u8) -> ContactId {
        let random = (rand::rng().random::<u128>() & !0xff) | u128::from(shard);
        ContactId::new(self.now(), random)
    }

    /// Tells a fact about a contact.
    pub(super) fn publish(&self, contact: ContactId, kind: EventKind) {
        self.publish_in(None, contact, kind);
    }

    /// Tells a fact about a contact, and the queue it concerns.
    pub(super) fn publish_in(&self, queue: Option<QueueId>, contact: ContactId, kind: EventKind) {
        let draft = EventDraft {
            queue,
            ..EventDraft::of_contact(self.now(), contact, kind)
        };
        if let Err(fault) = self.acd.publish(draft) {
            tracing::warn!(%contact, %fault, "an event of a call was not kept");
        }
    }

    /// Judges a call at the door and reads who calls, and where to.
    pub(super) fn receive(
        &self,
        now: Instant,
        incoming: &IncomingCall,
    ) -> Result<Arrival, TurnedAway> {
        let invite = &incoming.invite;
        let (via, trust) = match self.door.admit(now, &incoming.flow, invite, rand::random()) {
            Entry::Trunk(name) if self.trusted_trunks.contains(&name) => (name, Trust::Trusted),
            Entry::Trunk(name) => (name, Trust::Untrusted),
            // A phone has proved who it is, and its From is its user's.
            Entry::Phone(user) => (user, Trust::Trusted),
            Entry::Respond(reply) => return Err(TurnedAway::With(reply)),
            Entry::Drop => return Err(TurnedAway::Silently),
        };
        if !self.drain.takes_calls() {
            return Err(TurnedAway::With(out_of_service()));
        }
        let to = dialled_number(invite);
        let Some(number) = self.numbers.get(&to) else {
            return Err(TurnedAway::With(no_such_number()));
        };
        let arrival = Arrival {
            number: Arc::clone(number),
            to: to.into(),
            via,
            claim: self.claim(invite, trust),
            max_forwards: hops_of(invite),
        };
        if self.calls.load(Ordering::Relaxed) >= self.calls_max || !self.rate.admits(now) {
            return Err(TurnedAway::full(arrival));
        }
        // Nobody is to be rung for a call that could not be answered.
        let offer = invite.body();
        if !offer.is_empty()
            && let Some(refusal) = sdp::refusal_of(&offer, self.media_address)
        {
            return Err(TurnedAway::mute(arrival, refusal));
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(arrival)
    }

    /// Tells of a call that was for a number of ours and was not let in, so that it counts with its line.
    pub(super) fn count_turned_away(&self, now: Instant, contact: ContactId, counted: Counted) {
        if !self.turned_away.is_told(now) {
            return;
        }
        let queue = Some(counted.arrival.number.rules.queue.clone());
        self.publish(contact, counted.arrival.to_event());
        let result = counted.result();
        self.publish_in(queue, contact, counted.fact);
        self.publish(contact, EventKind::Closed { result });
    }

    fn claim(&self, invite: &Message, trust: Trust) -> Claim {
        let from = invite.header_text(Header::From).unwrap_or_default();
        let asserted: Vec<_> = invite
            .lines(Header::PAssertedIdentity)
            .map(|value| String::from_utf8_lossy(value))
            .collect();
        let asserted: Vec<&str> = asserted.iter().map(AsRef::as_ref).collect();
        let remote_party = invite.header_text(Header::RemotePartyId);
        let privacy = invite.header_text(Header::Privacy);
        let headers = CallerHeaders {
            from: &from,
            asserted: &asserted,
            remote_party: remote_party.as_deref(),
            privacy: privacy.as_deref(),
        };
        claim_of(&headers, trust, &self.normaliser)
    }

    /// Answers whether we live, to those who may call us; `None` leaves it unanswered.
    pub(super) fn tell_alive(&self, now: Instant, flow: &Flow, request: &Message) -> Option<Reply> {
        match self.door.look_at(now, flow, request) {
            Admission::Silence(_) => None,
            Admission::Refuse => Some(forbidden()),
            Admission::Trunk(_) | Admission::Prove if self.drain.takes_calls() => Some(alive()),
            Admission::Trunk(_) | Admission::Prove => Some(out_of_service()),
        }
    }

    /// Takes a REGISTER; `None` leaves it unanswered.
    pub(super) fn register(&self, now: Instant, flow: Flow, request: &Message) -> Option<Reply> {
        let reply = self.door.register(now, flow, request, rand::random());
        self.tell_reach();
        reply
    }

    /// What is sent on of a message between another gateway and a phone; `None` when it is ours to take.
    pub(super) fn pass_on(&self, from: Flow, message: &Message) -> Option<Transmit> {
        self.edge.as_ref()?.pass(from, message)
    }

    /// Asks the CMS: the answer at once, or later to the shard.
    pub(super) fn identify(
        &self,
        sender: &ShardSender,
        contact: ContactId,
        claim: &Claim,
    ) -> Option<Box<Identification>> {
        if let Some(known) = self.identifier.identify_now(claim) {
            return Some(Box::new(known));
        }
        let (identifier, claim, sender) = (self.identifier.clone(), claim.clone(), sender.clone());
        tokio::spawn(async move {
            let identification = Box::new(identifier.identify(&claim).await);
            if *identification == Identification::Unavailable {
                identifier.try_again(contact, claim);
            }
            sender
                .tell(ShardInput::Identified {
                    contact,
                    identification,
                })
                .await;
        });
        None
    }

    /// Asks for the ticket; it is told to the shard, or that it was not there in time.
    pub(super) fn link_ticket(
        &self,
        sender: &ShardSender,
        contact: ContactId,
        call: &Call,
        keyed_in: Option<String>,
    ) {
        let wish = self.ticket_wish(contact, call, keyed_in);
        self.tell_ticket(sender, contact, self.tickets.open(wish));
    }

    /// Tells the shard of the ticket when it is committed, or that it was not in time.
    pub(super) fn tell_ticket(
        &self,
        sender: &ShardSender,
        contact: ContactId,
        linking: impl Future<Output = Result<Linked, DatabaseFault>> + Send + 'static,
    ) {
        let sender = sender.clone();
        tokio::spawn(async move {
            let linked = tokio::time::timeout(TICKET_DEADLINE, linking).await;
            let ticket = match linked {
                Ok(Ok(linked)) => Some(LinkedTicket {
                    id: linked.ticket,
                    number: linked.number.as_str().into(),
                    is_new: linked.is_new(),
                    rule: linked.rule.as_str(),
                }),
                Ok(Err(fault)) => {
                    tracing::warn!(%contact, %fault, "the call goes on without its ticket's number");
                    None
                }
                Err(_) => {
                    tracing::warn!(%contact, "the ticket is late: the call goes on without its number");
                    None
                }
            };
            sender.tell(ShardInput::Ticket { contact, ticket }).await;
        });
    }

    /// Looks for the agent who helped the caller last, and tells the shard; false when the line does not
    /// keep callers for them.
    pub(super) fn look_for_last_agent(
        &self,
        sender: &ShardSender,
        contact: ContactId,
        call: &Call,
        line: &QueueId,
    ) -> bool {
        let Some(affinity) = self.lines.get(line).and_then(|rules| rules.affinity) else {
            return false;
        };
        let since = self.now() - affinity.within;
        let caller = call.known().map(|caller| caller.id.clone());
        let number = call.arrival.claim.shown.clone();
        let (log, sender) = (self.log.clone(), sender.clone());
        tokio::spawn(async move {
            let looked = log.last_agent(caller.as_ref(), &number, since);
            let agent = match tokio::time::timeout(LAST_AGENT_DEADLINE, looked).await {
                Ok(Ok(agent)) => agent,
                Ok(Err(fault)) => {
                    tracing::warn!(%contact, %fault, "a caller's last agent is not known now");
                    None
                }
                // Late is as good as nobody.
                Err(_) => None,
            };
            sender.tell(ShardInput::LastAgent { contact, agent }).await;
        });
        true
    }

    /// Whose a call is: that of the agent whose number was dialled, or of the one who helped last.
    fn reserved(
        &self,
        call: &Call,
        line: Option<&LineRules>,
        since: Timestamp,
    ) -> Option<Reserved> {
        if let Some(agent) = call.arrival.number.rules.agent.clone() {
            return Some(Reserved { agent, until: None });
        }
        Some(Reserved {
            agent: call.last_agent.known()?.clone(),
            until: Some(since + line?.affinity?.kept_for),
        })
    }

    pub(super) fn ticket_wish(
        &self,
        contact: ContactId,
        call: &Call,
        keyed_in: Option<String>,
    ) -> TicketWish {
        let known = call.known();
        let name = known.map_or(call.arrival.claim.shown.as_str(), |caller| {
            caller.name.as_str()
        });
        TicketWish {
            contact,
            at: self.now(),
            channel: Channel::Voice,
            from: call.arrival.claim.shown.clone(),
            queue: Some(call.arrival.number.rules.queue.clone()),
            caller: known.map(|caller| caller.id.clone()),
            organisation: known
                .and_then(|caller| caller.organisation.as_ref())
                .map(|organisation| organisation.id.clone()),
            class: known.and_then(|caller| caller.class),
            cis: known
                .filter(|caller| caller.cis.len() == 1)
                .map(|caller| caller.cis.iter().map(|ci| ci.id.clone()).collect())
                .unwrap_or_default(),
            keyed_in,
            kind: Kind::Incident,
            subject: self.speech.ticket_subject(call.language(), name),
        }
    }

    /// Why a line is closed; `None` while it takes calls.
    pub(super) fn why_closed(&self, line: &QueueId) -> Option<Refusing> {
        match self.openings.opening(line) {
            Opening::Open { .. } => None,
            Opening::Closed(ClosedBy::Hours | ClosedBy::Hand) => Some(Refusing::Closed),
            Opening::Closed(ClosedBy::Emergency { .. }) => Some(Refusing::Emergency),
        }
    }

    /// The line that takes the callers of a queue, another one when its hours follow the sun.
    pub(super) fn line_of(&self, queue: QueueId) -> QueueId {
        match self.openings.opening(&queue) {
            Opening::Open { line } => line,
            Opening::Closed(_) => queue,
        }
    }

    /// The verb that brings a call into a line, or why the desk need not be asked.
    pub(super) fn entry_verb(
        &self,
        contact: ContactId,
        call: &Call,
        queue: QueueId,
        priority: Priority,
    ) -> Result<Verb, Refusing> {
        if let Some(reason) = self.why_closed(&queue) {
            return Err(reason);
        }
        let number = &call.arrival.number.rules;
        let rules = number.lines.get(&queue);
        let needs_agents = rules.is_some_and(|rules| rules.needs_agents);
        if needs_agents && self.acd.read(|view| view.agents_at_work(&queue)) == 0 {
            return Err(Refusing::NoAgents);
        }
        let since = call.lines_up_since;
        let node = self.node.clone();
        Ok(Verb::Enqueue {
            contact: QueuedContact {
                priority,
                reserved: self.reserved(call, rules.map(AsRef::as_ref), since),
                skills: if number.needs.is_empty() {
                    rules.map(|rules| rules.needs.clone()).unwrap_or_default()
                } else {
                    number.needs.clone()
                },
                calls_back: self.calls_back(call),
                ..QueuedContact::new(contact, queue, Channel::Voice, since, node)
            },
        })
    }

    /// Whom another gateway is to call back if this one dies under them. What the caller shows counts, and only
    /// a number is called.
    fn calls_back(&self, call: &Call) -> Option<Box<CallBackTo>> {
        if !self.acd.is_shared() || self.parties.outbound.is_none() {
            return None;
        }
        let number = Claim::of_number(&call.arrival.claim.shown, &self.normaliser).key()?;
        let dialled = call.arrival.to.to_string();
        Some(Box::new(CallBackTo { number, dialled }))
    }

    /// How to ring an agent, with the caller's record on the INVITE.
    pub(super) fn dial_agent(
        &self,
        contact: ContactId,
        call: &Call,
        agent: &AgentId,
        deadline: Instant,
    ) -> Dialling {
        let location = self.door.locate(agent);
        let dial = self.parties.agent(contact, call, agent, deadline);
        if self.registers_anywhere(agent) {
            return Dialling::Search(dial, Search::new(agent, location));
        }
        location.map_or(Dialling::Nowhere, |location| Parties::lead(dial, location))
    }

    /// Whether the agent's phone may be one that registered at another gateway.
    fn registers_anywhere(&self, agent: &AgentId) -> bool {
        let rosters = self.rosters.borrow();
        let has_password = rosters.agent(agent).is_some_and(|it| it.ha1.is_some());
        self.phones.is_some() && has_password
    }

    /// How to reach the number of a way out.
    pub(super) fn dial_number(&self, call: &Call, to: &str, deadline: Instant) -> Dialling {
        self.parties.number(call, to, deadline)
    }

    /// How to reach who is called back. They see what they had dialled; who never called sees a number that
    /// leads to the line, else the trunk's account.
    pub(super) fn dial_caller(&self, call: &Call, to: &str, deadline: Instant) -> Dialling {
        let line = call.flow.line();
        let of_line = self.numbers.iter();
        let mut of_line = of_line.filter(|(_, number)| number.rules.queue == *line);
        let account = self.parties.outbound.as_ref();
        let account = account.and_then(|trunk| trunk.account.as_ref());
        let own_number = Some(&*call.arrival.to)
            .filter(|dialled| !dialled.is_empty())
            .or_else(|| of_line.next().map(|(number, _)| number.as_str()))
            .or_else(|| account.map(|account| account.username.as_str()))
            .unwrap_or_default();
        self.parties.caller(call, to, own_number, deadline)
    }

    /// What to play for a phrase, in the call's language.
    pub(super) fn speak(
        &self,
        contact: ContactId,
        call: &Call,
        phrase: &Phrase,
    ) -> (Clips, Repeat) {
        let language = call.language();
        if *phrase == Phrase::Position {
            let outlook = self.outlook(contact, call);
            return (self.speech.position(language, &outlook), Repeat::Once);
        }
        if *phrase == Phrase::Reason(Refusing::Emergency)
            && let Opening::Closed(ClosedBy::Emergency { say: Some(say) }) =
                self.openings.opening(call.flow.line())
        {
            return (self.speech.named(language, &say), Repeat::Once);
        }
        self.speech.phrase(language, phrase)
    }

    /// Where a contact stands now: in the line the desk has it in, wherever it came from.
    pub(super) fn outlook(&self, contact: ContactId, call: &Call) -> Outlook {
        self.acd.read(|view| {
            let placed = view.contact(contact);
            let line = placed.map_or(call.flow.line(), |placed| &placed.record.queue);
            Outlook {
                position: view.position(contact),
                agents: view.agents_at_work(line),
                line: line.clone(),
            }
        })
    }

    /// A media port for a leg; `None` when there is none left.
    pub(super) fn open_port(&self, leg: LegId, shard: u8) -> Option<PortHandle> {
        match self.media.open(Owner(leg.0), MediaShard(shard.into())) {
            Ok(port) => Some(port),
            Err(fault) => {
                tracing::warn!(%fault, "a call got no media port");
                None
            }
        }
    }

    /// An empty ladder for a new call.
    pub(super) fn new_ladder(&self, begun: Timestamp) -> Ladder {
        Ladder::new(begun, self.trace_messages_max)
    }

    /// Keeps the ladder of a call that is over: of answered ones only as configured.
    pub(super) fn keep_trace(&self, contact: ContactId, result: ContactResult, ladder: Ladder) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
        match result {
            ContactResult::Answered if !self.traces_answered => return,
            ContactResult::Answered
            | ContactResult::Failed
            | ContactResult::Blocked
            | ContactResult::Informed
            | ContactResult::Abandoned
            | ContactResult::FlowedOut
            | ContactResult::CallBack => {}
        }
        self.traces.keep(ladder.into_trace(contact));
    }

    /// Is told that a connection has ended: phones behind it are out of reach.
    pub(super) fn handle_connection_lost(&self, connection: ConnectionId) {
        self.door.handle_connection_lost(connection);
        self.tell_reach();
    }

    /// Takes out registrations that have run out.
    pub(super) fn expire_registrations(&self, now: Instant) {
        self.door.handle_timeout(now);
        self.tell_reach();
    }

    /// Tells the desk which agents came within reach or left it.
    pub(super) fn tell_reach(&self) {
        while let Some(event) = self.door.poll_event() {
            match (event, &self.phones) {
                (RegistrarEvent::Registered { user, bindings }, Some(phones))
                    if !bindings.iter().all(Binding::is_static) =>
                {
                    phones.note([user]);
                }
                (RegistrarEvent::Registered { user, .. }, _) => {
                    self.set_reach(&user, Reach::Within);
                }
                (
                    RegistrarEvent::Moved { user, .. }
                    | RegistrarEvent::Refreshed { user }
                    | RegistrarEvent::Unregistered { user }
                    | RegistrarEvent::Expired { user }
                    | RegistrarEvent::ConnectionLost { user },
                    Some(phones),
                ) => phones.note([user]),
                (RegistrarEvent::Moved { .. } | RegistrarEvent::Refreshed { .. }, None) => {}
                (
                    RegistrarEvent::Unregistered { user }
                    | RegistrarEvent::Expired { user }
                    | RegistrarEvent::ConnectionLost { user },
                    None,
                ) => self.set_reach(&user, Reach::Outside),
            }
        }
    }

    /// Tells the other gateways of every phone that registered here.
    pub(super) fn tell_all_registrations(&self) {
        if let Some(phones) = &self.phones {
            phones.note(self.door.registered());
        }
    }

    fn set_reach(&self, user: &str, reach: Reach) {
        let agent = AgentId::new(user);
        self.tell_of_agent(&agent, self.reach_verb(&agent, reach));
        if let Some(verb) = self.log_in_verb(&agent, reach) {
            self.tell_of_agent(&agent, verb);
        }
    }

    /// What tells the desk whether an agent's phone can be rung.
    pub(super) fn reach_verb(&self, agent: &AgentId, reach: Reach) -> Verb {
        Verb::AgentReachable {
            agent: agent.clone(),
            is_reachable: reach == Reach::Within,
        }
    }

    /// A phone within reach logs its agent in, and out of reach out, unless they do so by hand.
    pub(super) fn log_in_verb(&self, agent: &AgentId, reach: Reach) -> Option<Verb> {
        let log_in = self.rosters.borrow().agent(agent)?.log_in;
        // Who is at lunch stays there when another gateway starts and finds their phone, too.
        let was_out = self.acd.read(|view| {
            let known = view.agent(agent);
            known.is_none_or(|agent| agent.status == Status::LoggedOff)
        });
        let status = match reach {
            Reach::Within if was_out => Status::Available,
            Reach::Within => return None,
            Reach::Outside => Status::LoggedOff,
        };
        let agent = agent.clone();
        (log_in == LogIn::WithPhone).then_some(Verb::AgentStatus { agent, status })
    }

    /// Changes what the desk knows of an agent, where nobody waits for the answer.
    pub(super) fn tell_of_agent(&self, agent: &AgentId, verb: Verb) {
        self.teller.tell(About::Agent(agent.clone()), verb);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Within,
    Outside,
}

/// The hops that a call may still go.
fn hops_of(invite: &Message) -> u8 {
    let told = invite.header_text(Header::MaxForwards);
    let hops = told.and_then(|text| text.trim().parse::<u8>().ok());
    hops.map_or(MAX_FORWARDS, |hops| hops.min(MAX_FORWARDS))
}

/// The user part of the Request-URI, unescaped: what was dialled.
fn dialled_number(invite: &Message) -> String {
    invite
        .request_uri()
        .and_then(ringdown_voice::sip::uri::Uri::parse)
        .and_then(|uri| uri.user_text())
        .unwrap_or_default()
}

/// Longest that a call waits for its ticket before it stands in the line without the number.
const TICKET_DEADLINE: Duration = Duration::from_millis(500);

/// Longest that a call waits for the name of its caller's last agent.
const LAST_AGENT_DEADLINE: Duration = Duration::from_millis(200);
