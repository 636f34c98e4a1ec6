//! What a gateway does for those whom another one left behind when it died: callers who were cut off are
//! called back, and call-backs that it had taken upon itself stand in the line again.

use super::house::House;
use crate::acd::{About, Told};
use crate::call_backs::{CallBack, CutOff, State};
use crate::cti::Claim;
use crate::database::DatabaseFault;
use ringdown_routing::contact::{Keeper, Place, Priority};
use ringdown_routing::event::{ContactResult, EventKind};
use ringdown_routing::ids::{ContactId, NodeId, OfferToken};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{CALLER_IS_BACK, GATEWAY_LOST, RequeueReason, Verb};
use std::sync::Arc;
use std::time::Duration;

/// Before a database that did not let a lost gateway's call-backs be taken over is asked again. There is one such
/// wait for each gateway that was lost meanwhile.
const TAKE_OVER_PAUSE: Duration = Duration::from_secs(2);

/// Whoever arrived earlier has found another way by now.
const ARRIVED_WITHIN: Duration = Duration::from_secs(4 * 3_600);

/// Notes a call-back for every caller whose gateway died.
pub(super) async fn note_call_backs(house: &House) {
    if !house.acd.is_shared() || house.parties.outbound.is_none() {
        return;
    }
    let now = house.now();
    let cut_off = match house.call_backs.cut_off(now - ARRIVED_WITHIN).await {
        Ok(cut_off) => cut_off,
        Err(fault) => {
            tracing::debug!(%fault, "callers who were cut off cannot be looked for now");
            return;
        }
    };
    for caller in cut_off {
        if is_with_its_gateway(house, caller.contact) {
            continue;
        }
        let contact = caller.contact;
        let priority = priority_of(house, contact).await;
        if let Some(call_back) = call_back_for(house, caller, priority, now).await
            && let Err(fault) = house.call_backs.add_for_cut_off(&call_back).await
        {
            tracing::warn!(%contact, %fault, "a caller who was cut off has no call-back yet");
        }
    }
}

/// The gateway only slept, and has claimed its call back.
fn is_with_its_gateway(house: &House, contact: ContactId) -> bool {
    house.acd.read(|view| view.contact(contact).is_some())
}

/// `None` when nobody can be called.
async fn call_back_for(
    house: &House,
    caller: CutOff,
    priority: Priority,
    now: Timestamp,
) -> Option<CallBack> {
    let number = Claim::of_number(&caller.from, &house.normaliser).key()?;
    let number_rules = house.numbers.get(&caller.dialled);
    let language = number_rules.map_or(&house.language, |number| &number.language);
    let ticket = match caller.ticket {
        Some(ticket) => house.tickets.ticket(ticket).await.ok().flatten(),
        None => None,
    };
    Some(CallBack {
        contact: caller.contact.successor(),
        origin: caller.contact,
        number,
        priority,
        language: language.as_str().to_owned(),
        ticket: ticket.map_or(String::new(), |ticket| {
            ticket.number.chars().filter(char::is_ascii_digit).collect()
        }),
        enqueued_at: caller.enqueued_at,
        due_at: now,
        tries_left: house.call_back_rules(&caller.queue).tries,
        refusals: 0,
        state: State::Waiting,
        asked_by: GATEWAY_LOST.to_owned(),
        asked_at: now,
        dialled: caller.dialled,
        queue: caller.queue,
    })
}

/// Writes down whom an agent is reserved for, where the desk put a caller who was cut off into the line and
/// nobody has read that in the log yet.
pub(super) async fn note_before_claim(house: &House, contact: ContactId) {
    let placed = house.acd.read(|view| view.contact(contact).cloned());
    let Some((record, caller)) = placed.and_then(|placed| {
        let caller = placed.record.calls_back.clone();
        caller.map(|caller| (placed.record, *caller))
    }) else {
        return;
    };
    // A call of a gateway that lives is nobody's call-back.
    if record.keeper() != Keeper::Database {
        return;
    }
    let now = house.now();
    let noted = async {
        if house.call_backs.one(contact).await?.is_some() {
            return Ok(());
        }
        let origin = contact.successor();
        let told = house.log.contact(origin).await?;
        let cut_off = CutOff {
            contact: origin,
            from: caller.number,
            dialled: caller.dialled,
            queue: record.queue,
            ticket: told.and_then(|told| told.ticket),
            enqueued_at: record.enqueued_at,
        };
        match call_back_for(house, cut_off, record.priority, now).await {
            Some(call_back) => house.call_backs.add_for_cut_off(&call_back).await,
            None => Ok(()),
        }
    };
    let noted: Result<(), DatabaseFault> = noted.await;
    if let Err(fault) = noted {
        tracing::warn!(%contact, %fault, "a caller who was cut off has no call-back yet");
    }
}

/// The priority it had last in any line.
async fn priority_of(house: &House, contact: ContactId) -> Priority {
    let events = house.log.events_of(contact).await.unwrap_or_default();
    let told = events.iter().rev().find_map(|event| {
        if let EventKind::Enqueued { priority, .. } | EventKind::Reprioritised { priority } =
            &event.kind
        {
            Some(*priority)
        } else {
            None
        }
    });
    told.unwrap_or_default()
}

/// Takes the call-back of a caller back whose own gateway has the call again: that gateway does so, before
/// an agent has it. True when nobody need be called for now.
pub(super) async fn take_back(house: &House, call_back: &CallBack) -> bool {
    if call_back.asked_by != GATEWAY_LOST || !is_with_its_gateway(house, call_back.origin) {
        return false;
    }
    let contact = call_back.contact;
    let (is_ours, place) = house.acd.read(|view| {
        let origin = view.contact(call_back.origin);
        let is_ours = origin.is_some_and(|origin| origin.record.node == house.node);
        (
            is_ours,
            view.contact(contact).map(|known| known.place.clone()),
        )
    });
    if !is_ours {
        return true;
    }
    match place {
        Some(Place::Offered { .. } | Place::Active { .. }) => return true,
        Some(Place::Waiting) => {
            let to = CALLER_IS_BACK.to_owned();
            match house.acd.change_told(Verb::FlowOut { contact, to }).await {
                Ok(Told::Changed) => {
                    let result = ContactResult::FlowedOut;
                    house.publish(contact, EventKind::Closed { result });
                }
                Ok(Told::Before) => {}
                Ok(Told::Refused(_)) | Err(_) => return true,
            }
        }
        None => {}
    }
    if let Err(fault) = house.call_backs.end(contact, State::Cancelled).await {
        tracing::warn!(%contact, %fault, "a call-back could not be taken back");
    }
    true
}

/// Puts call-backs back into the line that a lost gateway had an agent for.
pub(super) async fn take_over(house: Arc<House>, lost: NodeId) {
    // Their agents are held by nobody else, so a database that is away is waited for.
    let taken = loop {
        match house.call_backs.take_over(&lost, &house.node).await {
            Ok(taken) => break taken,
            Err(fault) => {
                tracing::warn!(%lost, %fault, "the call-backs of a lost gateway are not taken over yet");
                tokio::time::sleep(TAKE_OVER_PAUSE).await;
            }
        }
    };
    for (contact, token) in taken {
        if has_agent(&house, contact, token) {
            // The phone of that agent does not know yet that its call is dead.
            let reason = RequeueReason::BridgeFailed;
            let token = Some(token);
            let requeue = Verb::Requeue {
                contact,
                reason,
                token,
            };
            house.teller.tell(About::Contact(contact), requeue);
        }
    }
}

/// An offer that was not accepted lapses by itself.
fn has_agent(house: &House, contact: ContactId, wanted: OfferToken) -> bool {
    house.acd.read(|view| {
        let place = view.contact(contact).map(|known| &known.place);
        matches!(place, Some(Place::Active { token, .. }) if *token == wanted)
    })
}
