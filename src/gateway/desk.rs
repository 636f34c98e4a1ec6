//! Queues, agents and opening hours brought to the desk, and its events brought to the shards.

use super::house::{House, Reach};
use super::inputs::{ShardInput, ShardSender, tell_shard_of};
use super::{call_backs, cut_off, phones};
use crate::acd::{Notice, Subscription};
use crate::call_backs::{CANCELLED, OVER};
use ringdown_routing::agent::{Doing, Hold};
use ringdown_routing::contact::{Channel, Keeper};
use ringdown_routing::event::{Event, EventKind};
use ringdown_routing::ids::{AgentId, ContactId};
use ringdown_routing::verb::{CALLER_IS_BACK, DeclineReason, RequeueReason};
use ringdown_routing::view::View;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where a contact goes that somebody takes out of the line; no queue has such a name.
pub(crate) const DROPPED: &str = "dropped by hand";

/// How often opening hours and registrations are looked at.
const TICK: Duration = Duration::from_secs(1);

/// How long an agent whose phone could not be reached is left alone; each such agent was just offered a
/// contact, so no more of these waits than agents.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Opens and closes queues by their hours, looks for major incidents, takes out registrations that have run out, and
/// tells the desk again what it could not take.
pub(super) async fn keep_hours(house: Arc<House>) {
    let mut tick = tokio::time::interval(TICK);
    loop {
        tick.tick().await;
        house.teller.tell_again();
        house.expire_registrations(Instant::now());
        house.openings.keep_up().await;
        house.incidents.keep_up(house.now()).await;
    }
}

/// Tells the calls when a line is opened or closed.
pub(super) async fn tell_openings(house: Arc<House>, shards: Vec<ShardSender>) {
    let mut changes = house.openings.changes();
    while changes.changed().await.is_ok() {
        for shard in &shards {
            shard.tell(ShardInput::OpeningsChanged).await;
        }
    }
}

/// Tells the calls when a major incident came into force, wherever it was declared.
pub(super) async fn tell_incidents(house: Arc<House>, shards: Vec<ShardSender>) {
    let mut tick = tokio::time::interval(TICK);
    let mut known = house.incidents.in_force(house.now());
    loop {
        tick.tick().await;
        let in_force = house.incidents.in_force(house.now());
        if !in_force.is_subset(&known) {
            for shard in &shards {
                shard.tell(ShardInput::IncidentsChanged).await;
            }
        }
        known = in_force;
    }
}

/// Brings this node's offers to the shards that ring them; the observers follow the desk by themselves.
pub(super) async fn follow(house: Arc<House>, mut events: Subscription, shards: Vec<ShardSender>) {
    while let Some(notice) = events.next().await {
        match notice {
            Notice::Event(event) => {
                house.speech.learn(&event);
                try_again_later(&house, &event);
                keep_what_is_beside(&house, &event);
                if is_for_a_call_back(&event) {
                    if rings_first(&event, &house) {
                        call_backs::claim(&house, event, &shards);
                    }
                } else if is_for_a_call(&event, &house) {
                    if let Some(contact) = event.contact {
                        tell_shard_of(&shards, contact, ShardInput::Desk(event)).await;
                    }
                } else if let Some((contacts, agent)) = rings_to_stop(&event, &house) {
                    for contact in contacts {
                        let agent = agent.clone();
                        let gone = ShardInput::AgentGone { contact, agent };
                        tell_shard_of(&shards, contact, gone).await;
                    }
                }
            }
            // Offers that were missed lapse with their lease and are made again.
            Notice::Resync => {
                tracing::warn!("events of the desk were missed");
                house.tell_all_registrations();
                for shard in &shards {
                    shard.tell(ShardInput::EventsMissed).await;
                }
            }
        }
    }
}

/// What an event means for what is kept beside the desk, done on the side: the call-backs in the database,
/// the phones of a lost gateway.
fn keep_what_is_beside(house: &Arc<House>, event: &Arc<Event>) {
    let house = Arc::clone(house);
    if let EventKind::NodeLost { node } = &event.kind {
        tokio::spawn(phones::drop_lost(Arc::clone(&house), node.clone()));
        tokio::spawn(cut_off::take_over(house, node.clone()));
    } else if changes_a_call_back(event) {
        let event = Arc::clone(event);
        tokio::spawn(async move { call_backs::follow(&house, &event).await });
    }
}

fn changes_a_call_back(event: &Event) -> bool {
    if let EventKind::Enqueued { node, .. } = &event.kind {
        is_kept_beside(Keeper::of(node))
    } else {
        matches!(event.kind, EventKind::Reprioritised { .. })
    }
}

fn is_for_a_call_back(event: &Event) -> bool {
    if let EventKind::Offered { node, .. } = &event.kind {
        is_kept_beside(Keeper::of(node))
    } else {
        false
    }
}

/// Whether any gateway may carry it out.
fn is_kept_beside(keeper: Keeper<'_>) -> bool {
    match keeper {
        Keeper::Database => true,
        Keeper::Node(_) => false,
    }
}

/// Whether the agent of an offer is the first who is rung: a call-back of a release that did not mark it so
/// may be offered to several, and one gateway asks one agent.
fn rings_first(event: &Event, house: &House) -> bool {
    let agent = event.contact.and_then(|contact| {
        let first = |view: &View| view.contact(contact)?.place.holder().cloned();
        house.acd.read(first)
    });
    agent == event.agent
}

/// Offers are for the node that rings; what others do to a contact concerns whoever has its call.
fn is_for_a_call(event: &Event, house: &House) -> bool {
    if let EventKind::Offered { node, .. } = &event.kind {
        Keeper::of(node) == Keeper::Node(&house.node)
    } else if let EventKind::Enqueued { node, .. } = &event.kind {
        match Keeper::of(node) {
            Keeper::Node(node) => *node == house.node,
            Keeper::Database => true,
        }
    } else if let EventKind::Requeued { reason, .. } = &event.kind {
        *reason == RequeueReason::ByHand || is_of_a_call_back(event, house)
    } else if let EventKind::Overflowed { to, .. } = &event.kind {
        [DROPPED, CANCELLED, OVER, CALLER_IS_BACK].contains(&to.as_str())
    } else {
        matches!(
            event.kind,
            EventKind::OfferExpired { .. } | EventKind::Answered { .. }
        )
    }
}

/// Whether an event is about a call-back: any gateway may have it, and another may take it from one that sleeps.
fn is_of_a_call_back(event: &Event, house: &House) -> bool {
    let contact = event.contact;
    contact.is_some_and(|contact| {
        house.acd.read(|view| {
            let placed = view.contact(contact);
            placed.is_some_and(|placed| is_kept_beside(placed.record.keeper()))
        })
    })
}

/// The calls that ring at a phone which the event says is out of reach now, and whose phone it is.
fn rings_to_stop(event: &Event, house: &House) -> Option<(Vec<ContactId>, AgentId)> {
    let EventKind::AgentReachable {
        is_reachable: false,
    } = event.kind
    else {
        return None;
    };
    let agent = event.agent.clone()?;
    let is_ringing =
        |hold: &Hold| hold.channel == Channel::Voice && matches!(hold.doing, Doing::Ringing { .. });
    let contacts = house.acd.read(|view| {
        let holds = view.agent(&agent)?.holds.iter();
        let ringing = holds.filter(|(_, hold)| is_ringing(hold));
        Some(ringing.map(|(contact, _)| *contact).collect())
    })?;
    Some((contacts, agent))
}

/// A phone that could not be reached is tried again after a while, if it is still where it was.
fn try_again_later(house: &Arc<House>, event: &Event) {
    let EventKind::Declined {
        reason: DeclineReason::Unreachable,
        ..
    } = event.kind
    else {
        return;
    };
    let (Some(agent), house) = (event.agent.clone(), Arc::clone(house)) else {
        return;
    };
    tokio::spawn(async move {
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
        if let Some(phones) = &house.phones {
            phones.note([agent.as_str().into()]);
        } else if house.door.locate(&agent).is_some() {
            house.tell_of_agent(&agent, house.reach_verb(&agent, Reach::Within));
        }
    });
}
