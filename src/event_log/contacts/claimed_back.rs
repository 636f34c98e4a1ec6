//! Records of contacts that ended with their gateway, and that it claimed back when it woke up.
//!
//! Two gateways write what happened: the one that took the other for lost, and the one that had only slept. So
//! the end and the claim come in any order, and the record is told anew from the whole log of the contact,
//! in the order of the desk: when there is a claim, and when an end comes late or again.

use super::{ContactState, Patch};
use crate::database::{DatabaseFault, Engine};
use crate::event_log::parse;
use ringdown_routing::event::{Event, EventKind};
use ringdown_routing::ids::{ContactId, NodeId};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::GATEWAY_LOST;
use sqlx::{AnyConnection, Row};
use std::collections::{BTreeMap, BTreeSet};

/// The contacts of these events whose end was, or may have been, taken back.
pub(super) fn among(events: &[Event]) -> BTreeSet<ContactId> {
    let is_of_one = |event: &&Event| {
        if let EventKind::Failed { cause } = &event.kind {
            cause == GATEWAY_LOST
        } else if let EventKind::Closed { .. } = &event.kind {
            // That of a lost gateway is told by the desk, which knows the line; a gateway tells its own
            // without.
            event.queue.is_some()
        } else {
            matches!(event.kind, EventKind::Restored { .. })
        }
    };
    events
        .iter()
        .filter(is_of_one)
        .filter_map(|event| event.contact)
        .collect()
}

/// Tells the end of their records anew, of those that were claimed back.
pub(super) async fn tell_anew(
    engine: Engine,
    connection: &mut AnyConnection,
    contacts: &BTreeSet<ContactId>,
) -> Result<(), DatabaseFault> {
    for contact in contacts {
        let rows = sqlx::query("SELECT body FROM events WHERE contact = $1 ORDER BY seq")
            .bind(contact.to_string())
            .fetch_all(&mut *connection)
            .await?;
        let mut events = Vec::with_capacity(rows.len());
        for row in rows {
            events.push(parse(&row.try_get::<String, _>("body")?)?);
        }
        let is_claim = |event: &Event| matches!(event.kind, EventKind::Restored { .. });
        if !events.iter().any(is_claim) {
            continue;
        }
        let patch = told_by(*contact, events);
        let rows = serde_json::to_string(&[&patch])
            .map_err(|error| DatabaseFault::Unreadable(error.to_string()))?;
        sqlx::query(engine.sql(TELL_ANEW))
            .bind(super::super::without_nul(rows))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// What all events of a contact come to: by number within an origin, origins by their first instant.
fn told_by(contact: ContactId, mut events: Vec<Event>) -> Patch {
    let mut first: BTreeMap<NodeId, Timestamp> = BTreeMap::new();
    for event in &events {
        let since = first.entry(event.id.origin.clone()).or_insert(event.at);
        *since = (*since).min(event.at);
    }
    events.sort_by_key(|event| {
        let origin = event.id.origin.clone();
        (first.get(&origin).copied(), origin, event.id.number)
    });
    let mut patch = Patch::of(contact);
    for event in &events {
        patch.take(event);
    }
    if patch.ended_at.is_some() {
        patch.state = Some(ContactState::Ended);
    }
    patch
}

const TELL_ANEW: &str = "\
UPDATE contacts SET
    state = COALESCE(r.value->>'state', contacts.state),
    queue = COALESCE(r.value->>'queue', contacts.queue),
    agent = COALESCE(r.value->>'agent', contacts.agent),
    answered_at = CAST(r.value->>'answered_at' AS BIGINT),
    ended_at = CAST(r.value->>'ended_at' AS BIGINT),
    wait_ms = CAST(r.value->>'wait_ms' AS BIGINT),
    talk_ms = CAST(r.value->>'talk_ms' AS BIGINT),
    hold_ms = CAST(r.value->>'hold_ms' AS BIGINT),
    ended_by = r.value->>'ended_by',
    result = r.value->>'result',
    reason = r.value->>'reason',
    answered_by = COALESCE(r.value->>'answered_by', contacts.answered_by)
FROM {rows} WHERE contacts.id = r.value->>'id'";
