//! Where incidents are written down.

use super::{Audience, Incident};
use crate::database::{Database, DatabaseFault, Statement, bump};
use ringdown_routing::ids::{CiId, IncidentId, QueueId, TicketId};
use ringdown_routing::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;
use std::collections::BTreeSet;

/// All that nobody ended, the newest first; those whose time is over among them.
pub(super) async fn read_open(database: &Database) -> Result<Vec<Incident>, DatabaseFault> {
    let rows = sqlx::query(
        "SELECT * FROM incidents WHERE ended_at IS NULL ORDER BY declared_at DESC, id DESC",
    )
    .fetch_all(database.reads())
    .await?;
    rows.iter().map(incident).collect()
}

/// One, whether it is over or not.
pub(super) async fn read_one(
    database: &Database,
    id: &IncidentId,
) -> Result<Option<Incident>, DatabaseFault> {
    let row = sqlx::query("SELECT * FROM incidents WHERE id = $1")
        .bind(id.as_str().to_owned())
        .fetch_optional(database.reads())
        .await?;
    row.as_ref().map(incident).transpose()
}

/// Writes one down, unless its service has one already; those whose time is over give way.
pub(super) async fn put(database: &Database, incident: &Incident) -> Result<(), DatabaseFault> {
    let give_way = Statement::new(
        "UPDATE incidents SET ended_at = until_at WHERE ended_at IS NULL AND until_at <= $1",
        vec![incident.declared_at.as_millis().into()],
    );
    let put = Statement::new(
        "INSERT INTO incidents (id, service, service_name, ticket, ticket_number, say, queues, numbers, \
         audience, reason, declared_by, declared_at, from_at, until_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING",
        vec![
            incident.id.as_str().into(),
            incident.service.as_str().into(),
            incident.service_name.as_str().into(),
            i64::try_from(incident.ticket.as_u64())
                .unwrap_or(i64::MAX)
                .into(),
            incident.ticket_number.as_str().into(),
            incident.say.clone().into(),
            json(&incident.queues)?.into(),
            json(&incident.numbers)?.into(),
            incident.audience.as_str().into(),
            incident.reason.as_str().into(),
            incident.by.as_str().into(),
            incident.declared_at.as_millis().into(),
            incident.from_at.as_millis().into(),
            incident.until_at.map(Timestamp::as_millis).into(),
        ],
    );
    database.write(vec![give_way, put, bump(PART)]).await
}

/// Notes that somebody ended one.
pub(super) async fn end(
    database: &Database,
    id: &IncidentId,
    by: &str,
    at: Timestamp,
) -> Result<(), DatabaseFault> {
    let end = Statement::new(
        "UPDATE incidents SET ended_at = $1, ended_by = $2 WHERE id = $3 AND ended_at IS NULL",
        vec![at.as_millis().into(), by.into(), id.as_str().into()],
    );
    database.write(vec![end, bump(PART)]).await
}

fn incident(row: &AnyRow) -> Result<Incident, DatabaseFault> {
    let text = |column| row.try_get::<String, _>(column);
    let millis = |column| row.try_get::<i64, _>(column).map(Timestamp::from_millis);
    let ticket: i64 = row.try_get("ticket")?;
    let until_at: Option<i64> = row.try_get("until_at")?;
    let queues: BTreeSet<QueueId> = parsed(&text("queues")?)?;
    Ok(Incident {
        id: IncidentId::new(text("id")?),
        service: CiId::new(text("service")?),
        service_name: text("service_name")?,
        ticket: TicketId::new(u64::try_from(ticket).unwrap_or(0)),
        ticket_number: text("ticket_number")?,
        say: row.try_get("say")?,
        queues,
        numbers: parsed(&text("numbers")?)?,
        audience: Audience::of(&text("audience")?),
        reason: text("reason")?,
        by: text("declared_by")?,
        declared_at: millis("declared_at")?,
        from_at: millis("from_at")?,
        until_at: until_at.map(Timestamp::from_millis),
    })
}

fn json(list: &impl Serialize) -> Result<String, DatabaseFault> {
    serde_json::to_string(list).map_err(|error| DatabaseFault::Unreadable(error.to_string()))
}

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, DatabaseFault> {
    serde_json::from_str(text)
        .map_err(|error| DatabaseFault::Unreadable(format!("incident: {error}")))
}

/// The part whose revision an incident counts up.
pub(super) const PART: &str = "incidents";
