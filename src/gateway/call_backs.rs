//! Callers who are called back: noted, brought into the line when they are due, tried again.

use super::call::{Arrival, Call};
use super::cut_off;
use super::house::House;
use super::inputs::{ShardInput, ShardSender};
use super::rules::DialledNumber;
use crate::acd::Told;
use crate::call_backs::{CallBack, CallBacks, OVER, State};
use crate::call_flow::{AnswerMode, CALLER_NOT_REACHED, NumberRules};
use crate::config::{CallBackOffer, CallBackRules, Language};
use crate::cti::Claim;
use crate::database::DatabaseFault;
use crate::drain::Stage;
use crate::event_log::{ContactRecord, ContactState};
use ringdown_routing::contact::{Channel, Keeper, Needs, QueuedContact, VIA_CALL_BACK};
use ringdown_routing::event::{ContactResult, Event, EventKind};
use ringdown_routing::ids::ContactId;
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{Answer, Refusal, Verb};
use ringdown_voice::sip::user_agent::MAX_FORWARDS;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked which call-backs are due.
const TICK: Duration = Duration::from_secs(1);

/// How long a gateway that drains lets the others take an offer before it does.
const OTHERS_FIRST: Duration = Duration::from_secs(1);

/// How long the line that did not take a call-back is left alone: twice as long each time, to the longest.
const PUT_OFF: Duration = Duration::from_secs(1);
const PUT_OFF_MAX: Duration = Duration::from_secs(8);

/// How long a call-back that talks may be missing in the line of a shared desk: longer than a gateway takes to
/// come back to a Redis that lost it.
const MISSING_MAX: Duration = Duration::from_secs(60);

/// How often it is tried to write down what became of a call-back while the database does not take it; after
/// that the event log tells. The first pause, and the longest: in all some five minutes.
const WRITES_MAX: u32 = 16;
const WRITE_PAUSE: Duration = Duration::from_millis(250);
const WRITE_PAUSE_MAX: Duration = Duration::from_secs(30);

/// What is asked of a caller who is noted: their own press of a key.
const ASKED_BY_CALLER: &str = "caller";

/// Brings call-backs that are due and in no line into theirs, for as long as the gateway runs.
pub(super) async fn keep(house: Arc<House>) {
    let mut tick = tokio::time::interval(TICK);
    let mut missing = Missing::default();
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = house.call_backs_due.notified() => {}
        }
        // Nothing is offered now, and who stands in the line is the shared desk's to say.
        if house.acd.is_alone() {
            continue;
        }
        cut_off::note_call_backs(&house).await;
        match house.call_backs.due(house.now()).await {
            Ok(due) => {
                missing.keep_only(&due);
                for call_back in due {
                    if !cut_off::take_back(&house, &call_back).await {
                        line_up(&house, call_back, &mut missing).await;
                    }
                }
            }
            Err(fault) => tracing::debug!(%fault, "call-backs cannot be read now"),
        }
    }
}

/// Call-backs that talk, as the database has it, and are not to be seen on the desk; since when.
#[derive(Debug, Default)]
struct Missing {
    since: BTreeMap<ContactId, Timestamp>,
}

impl Missing {
    fn keep_only(&mut self, due: &[CallBack]) {
        let due: BTreeSet<ContactId> = due.iter().map(|call_back| call_back.contact).collect();
        self.since.retain(|contact, _| due.contains(contact));
    }

    /// Whether it has been missing for so long that its gateway must be gone.
    fn is_lost(&mut self, contact: ContactId, now: Timestamp) -> bool {
        let since = *self.since.entry(contact).or_insert(now);
        now.since(since) >= MISSING_MAX
    }
}

/// Brings a call-back into its line unless it stands there, or writes down how it ended.
async fn line_up(house: &House, call_back: CallBack, missing: &mut Missing) {
    let contact = call_back.contact;
    if house.acd.read(|view| view.contact(contact).is_some()) {
        missing.since.remove(&contact);
        return;
    }
    // It is not even told of before the line is open.
    if house.why_closed(&call_back.queue).is_some() {
        return;
    }
    let told = match house.log.contact(contact).await {
        Ok(told) => told,
        Err(fault) => {
            tracing::debug!(%contact, %fault, "a call-back cannot be looked up now");
            return;
        }
    };
    if let Some(end) = told.as_ref().and_then(end_of) {
        return write_end(house, &call_back, end).await;
    }
    let talks = call_back.state == State::Talking && house.acd.is_shared();
    if talks && !missing.is_lost(contact, house.now()) {
        return;
    }
    if told.is_none_or(|told| told.arrived_at.is_none()) {
        house.publish(
            contact,
            EventKind::Arrived {
                channel: Channel::Voice,
                from: call_back.number.clone(),
                to: call_back.dialled.clone(),
                via: VIA_CALL_BACK.to_owned(),
            },
        );
    }
    let queued = queued_contact(house, &call_back);
    match house.acd.change(Verb::Enqueue { contact: queued }).await {
        Ok(Answer::Done | Answer::Reserved { .. }) => {}
        Ok(Answer::Refused { reason }) => {
            match reason {
                // It waits until the line is open or has room. Of one that has ended the log tells how in a
                // moment.
                Refusal::QueueClosed | Refusal::QueueFull | Refusal::AlreadyEnded => {}
                Refusal::UnknownQueue
                | Refusal::UnknownContact
                | Refusal::UnknownAgent
                | Refusal::NotWaiting
                | Refusal::NotActive
                | Refusal::AgentNotFree
                | Refusal::NotEligible
                | Refusal::QueueAtItsLimit
                | Refusal::TooManyAtOnce
                | Refusal::NoWrapUp
                | Refusal::NoTimeLeft
                | Refusal::StaleOffer => {
                    tracing::warn!(%contact, ?reason, "a call-back cannot stand in its line");
                }
            }
            put_off(house, &call_back).await;
        }
        Err(fault) => {
            tracing::warn!(%contact, %fault, "a call-back could not be brought into its line")
        }
    }
}

fn queued_contact(house: &House, call_back: &CallBack) -> QueuedContact {
    let rules = house.lines.get(&call_back.queue);
    QueuedContact {
        priority: call_back.priority,
        skills: rules.map(|rules| rules.needs.clone()).unwrap_or_default(),
        // Whoever takes it waits for the caller next, so one after the other is asked.
        rings_one: true,
        ..QueuedContact::new(
            call_back.contact,
            call_back.queue.clone(),
            Channel::Voice,
            call_back.enqueued_at,
            Keeper::Database.node(),
        )
    }
}

async fn put_off(house: &House, call_back: &CallBack) {
    let longer = 2_u32.saturating_pow(call_back.refusals);
    let pause = PUT_OFF.saturating_mul(longer).min(PUT_OFF_MAX);
    let contact = call_back.contact;
    let until = house.now() + pause;
    if let Err(fault) = house.call_backs.put_off(contact, until).await {
        tracing::debug!(%contact, %fault, "a call-back was not put off");
    }
}

/// How the log says that the contact of a call-back ended.
fn end_of(told: &ContactRecord) -> Option<ContactResult> {
    // Between the end of the talk and the last word its gateway may have died.
    let talked = told.state == Some(ContactState::Ended) && told.talk_ms.is_some();
    told.result.or(talked.then_some(ContactResult::Answered))
}

/// Writes down what the log knows and the database should.
async fn write_end(house: &House, call_back: &CallBack, end: ContactResult) {
    let contact = call_back.contact;
    let call_backs = &house.call_backs;
    let again = house.mint_contact(shard_of(contact));
    let due_at = house.now() + house.call_back_rules(&call_back.queue).retry_after;
    let written = match end {
        ContactResult::Answered => call_backs.end(contact, State::Done).await,
        ContactResult::CallBack => call_backs.try_again(contact, again, due_at).await,
        ContactResult::FlowedOut if went_to(house, contact).await == CALLER_NOT_REACHED => {
            call_backs.try_again(contact, again, due_at).await
        }
        // Somebody took it back.
        ContactResult::FlowedOut => call_backs.end(contact, State::Cancelled).await,
        ContactResult::Failed
        | ContactResult::Abandoned
        | ContactResult::Blocked
        | ContactResult::Informed => call_backs.stand_anew(contact, again).await,
    };
    match written {
        Ok(()) => tracing::info!(%contact, ?end, "the end of a call-back was still to be written"),
        Err(fault) => tracing::debug!(%contact, %fault, "the end of a call-back is not written"),
    }
}

/// Where a contact left its line to.
async fn went_to(house: &House, contact: ContactId) -> String {
    let events = house.log.events_of(contact).await.unwrap_or_default();
    let last = events.into_iter().rev().find_map(|event| {
        if let EventKind::Overflowed { to, .. } = event.kind {
            Some(to)
        } else {
            None
        }
    });
    last.unwrap_or_default()
}

/// The shard that a contact was minted for.
fn shard_of(contact: ContactId) -> u8 {
    u8::try_from(contact.as_u128() & 0xff).unwrap_or(0)
}

/// Somebody, or time, gave a call-back another line or priority: it has them after a restart, too.
pub(super) async fn follow(house: &House, event: &Event) {
    let Some(contact) = event.contact else {
        return;
    };
    let call_backs = &house.call_backs;
    let changed = if let (EventKind::Enqueued { node, .. }, Some(queue)) =
        (&event.kind, &event.queue)
        && Keeper::of(node) == Keeper::Database
    {
        call_backs.move_to(contact, queue).await
    } else if let EventKind::Reprioritised { priority } = event.kind {
        call_backs.reprioritise(contact, priority).await
    } else {
        return;
    };
    if let Err(fault) = changed {
        tracing::warn!(%contact, %fault, "a call-back's new place was not kept");
    }
}

/// An agent was reserved for a call-back: one of the gateways takes it upon itself.
pub(super) fn claim(house: &Arc<House>, event: Arc<Event>, shards: &[ShardSender]) {
    let (Some(contact), EventKind::Offered { token, .. }) = (event.contact, &event.kind) else {
        return;
    };
    // Who drains leaves it to the others; where nobody else has taken it, it is served all the same.
    let others_first = match house.drain.stage() {
        Stage::Open => Duration::ZERO,
        Stage::Draining { .. } => OTHERS_FIRST,
        Stage::Ended { .. } => return,
    };
    let place = usize::from(shard_of(contact)) % shards.len().max(1);
    let Some(shard) = shards.get(place).cloned() else {
        return;
    };
    let (house, token) = (Arc::clone(house), *token);
    tokio::spawn(async move {
        tokio::time::sleep(others_first).await;
        cut_off::note_before_claim(&house, contact).await;
        match house.call_backs.claim(contact, token, &house.node).await {
            Ok(Some(call_back)) => {
                let call_back = Box::new(call_back);
                shard.tell(ShardInput::CallBack { call_back, event }).await;
            }
            Ok(None) => leave_line_if_over(&house, contact).await,
            // The offer lapses with its lease, and the contact is offered again.
            Err(fault) => tracing::warn!(%contact, %fault, "a call-back could not be claimed"),
        }
    });
}

/// What was taken back, or has ended, just as it came into the line takes no agent again.
async fn leave_line_if_over(house: &House, contact: ContactId) {
    match house.call_backs.one(contact).await {
        // Another gateway serves it.
        Ok(Some(known)) if known.state.is_open() => return,
        // A call-back that is tried again has another contact.
        Ok(Some(_) | None) => {}
        Err(fault) => {
            tracing::warn!(%contact, %fault, "a call-back could not be looked up");
            return;
        }
    }
    let to = OVER.to_owned();
    let left = house.acd.change_told(Verb::FlowOut { contact, to }).await;
    if matches!(left, Ok(Told::Changed)) {
        let result = ContactResult::FlowedOut;
        house.publish(contact, EventKind::Closed { result });
    }
}

impl House {
    /// Whether a waiting call is offered a call-back by now.
    pub(super) fn may_call_back(&self, contact: ContactId, call: &Call) -> bool {
        let Some(offer) = self.call_back_offers.get(call.flow.line()) else {
            return false;
        };
        let CallBackOffer {
            after,
            position_over,
            wait_over,
        } = offer;
        let now = self.now();
        let waited = now.since(call.lines_up_since);
        let outlook = self.outlook(contact, call);
        let position = outlook.position;
        let estimate = position.and_then(|position| {
            self.speech
                .estimated_wait(&outlook.line, position, outlook.agents)
        });
        let is_over = |limit: &Option<Duration>, time: Option<Duration>| {
            limit.is_some_and(|limit| time.is_some_and(|time| time >= limit))
        };
        is_over(after, Some(waited))
            || is_over(wait_over, estimate)
            || position_over.is_some_and(|most| position.is_some_and(|position| position > most))
    }

    /// Notes a call-back; the answer is told to the shard.
    pub(super) fn take_call_back(
        &self,
        sender: &ShardSender,
        contact: ContactId,
        call: &Call,
        keyed_in: Option<String>,
    ) {
        // Of an address nothing is called but its number: the caller must not choose where an INVITE goes.
        let given = keyed_in.unwrap_or_else(|| call.arrival.claim.shown.clone());
        let number = Claim::of_number(&given, &self.normaliser).key();
        let now = self.now();
        let call_back = CallBack {
            contact: self.mint_contact(sender.index()),
            origin: contact,
            number: number.unwrap_or_default(),
            dialled: call.arrival.to.to_string(),
            queue: call.flow.line().clone(),
            priority: self.priority_of(contact),
            language: call.language().as_str().to_owned(),
            ticket: call.ticket.as_ref().map_or(String::new(), |ticket| {
                ticket.number.chars().filter(char::is_ascii_digit).collect()
            }),
            enqueued_at: call.lines_up_since,
            due_at: now,
            tries_left: self.call_back_rules(call.flow.line()).tries,
            refusals: 0,
            state: State::Pending,
            asked_by: ASKED_BY_CALLER.to_owned(),
            asked_at: now,
        };
        let (call_backs, sender) = (self.call_backs.clone(), sender.clone());
        tokio::spawn(async move {
            let is_noted = if call_back.number.is_empty() {
                false
            } else {
                let added = call_backs.add(&call_back).await;
                added
                    .inspect_err(|fault| tracing::warn!(%contact, %fault, "no call-back was noted"))
                    .is_ok()
            };
            sender
                .tell(ShardInput::CallBackTaken { contact, is_noted })
                .await;
        });
    }

    fn priority_of(&self, contact: ContactId) -> ringdown_routing::contact::Priority {
        let priority = |view: &ringdown_routing::view::View| {
            view.contact(contact).map(|placed| placed.record.priority)
        };
        self.acd.read(priority).unwrap_or_default()
    }

    /// How callers of a line are tried.
    pub(super) fn call_back_rules(&self, line: &ringdown_routing::ids::QueueId) -> CallBackRules {
        self.call_back_rules.get(line).copied().unwrap_or_default()
    }

    /// What a call-back's call is like: as if the caller had called again.
    pub(super) fn arrival_of(&self, call_back: &CallBack, language: Language) -> Arrival {
        let rules = NumberRules {
            queue: call_back.queue.clone(),
            answer: AnswerMode::AtOnce,
            greeting: None,
            ask_ticket: None,
            needs: Needs::default(),
            agent: None,
            lines: Arc::clone(&self.lines),
        };
        Arrival {
            number: Arc::new(DialledNumber {
                rules: Arc::new(rules),
                language,
            }),
            to: call_back.dialled.as_str().into(),
            via: VIA_CALL_BACK.into(),
            claim: Claim::of_number(&call_back.number, &self.normaliser),
            max_forwards: MAX_FORWARDS,
        }
    }

    /// Does what a call wants of its call-back, on the side.
    pub(super) fn change_call_back(self: &Arc<Self>, contact: ContactId, change: CallBackChange) {
        let house = Arc::clone(self);
        tokio::spawn(async move {
            let mut pause = WRITE_PAUSE;
            for _ in 0..WRITES_MAX {
                match write_change(&house.call_backs, contact, change).await {
                    Ok(()) => return house.call_backs_due.notify_one(),
                    Err(fault) => {
                        tracing::warn!(%contact, %fault, "a call-back is not changed yet");
                    }
                }
                tokio::time::sleep(pause).await;
                pause = pause.saturating_mul(2).min(WRITE_PAUSE_MAX);
            }
            tracing::error!(%contact, ?change, "a call-back could not be changed");
        });
    }
}

async fn write_change(
    call_backs: &CallBacks,
    contact: ContactId,
    change: CallBackChange,
) -> Result<(), DatabaseFault> {
    match change {
        CallBackChange::Keep => call_backs.keep(contact).await,
        CallBackChange::Drop => call_backs.drop_pending(contact).await,
        CallBackChange::Talks => call_backs.talk(contact).await,
        CallBackChange::Done => call_backs.end(contact, State::Done).await,
        CallBackChange::Missed { again, due_at } => {
            call_backs.try_again(contact, again, due_at).await
        }
    }
}

/// What becomes of a call-back.
#[derive(Clone, Copy, Debug)]
pub(super) enum CallBackChange {
    /// The caller has left the line for it.
    Keep,
    /// The caller was served after all.
    Drop,
    /// The caller was reached, and talks with the agent.
    Talks,
    /// That talk is over.
    Done,
    /// The caller was not reached.
    Missed {
        /// The contact of the next try.
        again: ContactId,
        /// When that is due.
        due_at: Timestamp,
    },
}
