//! What a ticket, a symptom, a mark and a wait for an answer are counted by beside their line: the facets of the contact
//! that they are about, read from its record when they are told.

use crate::database::{DatabaseFault, Engine};
use crate::event_log::without_nul;
use ringdown_routing::event::{ContactResult, Event, EventKind};
use ringdown_routing::ids::{AgentId, ContactId, SkillId};
use ringdown_routing::ticket::ContactFacets;
use serde_json::json;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::collections::BTreeSet;

/// The columns that [`facets_of`] reads, of the contact `c`.
macro_rules! facet_columns {
    () => {
        "c.recipient AS number, c.class AS class, c.skills AS skills, \
         CASE WHEN c.answered_by IS NULL AND c.result = 'answered' THEN c.agent ELSE c.answered_by END AS answered_by"
    };
}
pub(crate) use facet_columns;

/// What a contact is counted by; nothing where a row has no contact.
pub(crate) fn facets_of(row: &AnyRow) -> Result<ContactFacets, DatabaseFault> {
    let text = |name: &str| row.try_get::<Option<String>, _>(name);
    let class: Option<i64> = row.try_get("class")?;
    let skills: Option<BTreeSet<SkillId>> = super::telling::written(text("skills")?)?;
    let answered_by = text("answered_by")?.filter(|agent| !agent.is_empty());
    Ok(ContactFacets {
        number: text("number")?,
        class: class.and_then(|class| u8::try_from(class).ok()),
        skills: skills.unwrap_or_default(),
        agent: answered_by.map(AgentId::new),
    })
}

/// Marks the tickets that were opened for contacts of which these events tell more: whose they are, or who came.
/// Whether there were any that the log was told of before. Part of the writer's transaction, after the events.
pub(crate) async fn mark_learnt(
    engine: Engine,
    connection: &mut AnyConnection,
    events: &[Event],
) -> Result<bool, DatabaseFault> {
    // Who is known at arrival is known to the ticket from its start.
    let is_arrival = |event: &&Event| matches!(event.kind, EventKind::Arrived { .. });
    let arrived: BTreeSet<ContactId> = events
        .iter()
        .filter(is_arrival)
        .filter_map(|event| event.contact)
        .collect();
    let is_at_arrival = |event: &Event| {
        matches!(event.kind, EventKind::Identified { .. })
            && event.contact.is_some_and(|it| arrived.contains(&it))
    };
    let rows: Vec<serde_json::Value> = events
        .iter()
        .filter(|event| tells_facets(&event.kind) && !is_at_arrival(event))
        .filter_map(|event| Some(json!({ "contact": event.contact?, "at": event.at })))
        .collect();
    if rows.is_empty() {
        return Ok(false);
    }
    let marked = sqlx::query(engine.sql(MARK_LEARNT))
        .bind(without_nul(serde_json::Value::Array(rows).to_string()))
        .execute(connection)
        .await?;
    Ok(marked.rows_affected() > 0)
}

/// Whether more is known of a contact's facets after an event. What it needs is told before it is answered or ends.
fn tells_facets(kind: &EventKind) -> bool {
    if let EventKind::Closed { result } = kind {
        // One that was answered has told all by then.
        return *result != ContactResult::Answered;
    }
    matches!(
        kind,
        EventKind::Answered { .. } | EventKind::Identified { class: Some(_), .. }
    )
}

const MARK_LEARNT: &str = "\
UPDATE tickets SET told_at = NULL, learnt_at = x.at FROM (
    SELECT l.ticket AS ticket, MAX(CAST(r.value->>'at' AS BIGINT)) AS at
    FROM {rows} JOIN ticket_contacts l ON l.contact = r.value->>'contact' AND l.rule = 'new'
    GROUP BY l.ticket
) x WHERE tickets.id = x.ticket AND tickets.told_at IS NOT NULL";
