//! The event log: every fact of the desk once, in the order it was stored, for ever.
//!
//! Statistics, contact records and `ringdown replay` are folds over it. An event is known by its id, so
//! storing it twice changes nothing. Appending never waits and never fails a call: see
//! [`crate::database`] for what happens when the disk is full.

mod contacts;
mod left_open;
mod reading;

pub use contacts::{ContactRecord, ContactState, ContactsQuery};
pub(crate) use reading::parse;
pub use reading::{Cursor, EventsQuery, ExportFault, PAGE_MAX, Page};

use crate::database::{Database, DatabaseFault, Engine, bump};
use ringdown_routing::event::{Event, EventDraft};
use ringdown_routing::ids::{EventId, NodeId};
use sqlx::AnyConnection;

/// The event log of the desk; clones share it.
#[derive(Clone, Debug)]
pub struct EventLog {
    database: Database,
}

impl EventLog {
    /// The log in this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Where it lies.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Takes an event to be stored within a moment; false when it had to be let go (counted in
    /// [`Database::health`]).
    pub fn append(&self, event: Event) -> bool {
        self.database.writer().append(event)
    }

    /// Stores the event of a command that runs beside the gateways: as that of a node of its own, which
    /// nobody else is. Gateways that run look for it, see [`EventLog::written_beside`].
    pub async fn append_beside(&self, draft: EventDraft) -> Result<(), DatabaseFault> {
        let id = EventId {
            origin: NodeId::new(format!("{:016x}", rand::random::<u64>())),
            number: 1,
        };
        if !self.append(draft.numbered(id)) {
            return Err(DatabaseFault::Backlog);
        }
        self.flush().await?;
        self.database.write(vec![bump(BESIDE)]).await
    }

    /// How many events commands beside the gateways have stored: when it has grown, the log has some that
    /// the bus did not tell of.
    pub async fn written_beside(&self) -> Result<i64, DatabaseFault> {
        self.database.revision(BESIDE).await
    }

    /// Listens to the events that are written with tickets and answers by this process.
    pub(crate) fn told(&self) -> tokio::sync::broadcast::Receiver<Event> {
        self.database.told()
    }

    /// Waits until everything appended before is committed.
    pub async fn flush(&self) -> Result<(), DatabaseFault> {
        self.database.flush().await
    }
}

/// The part whose revision counts those events.
const BESIDE: &str = "events";

/// Stores the events and folds them into the contacts' records; part of the writer's transaction.
pub(crate) async fn store(
    engine: Engine,
    connection: &mut AnyConnection,
    events: &[Event],
) -> Result<(), DatabaseFault> {
    let rows = serde_json::to_string(events)
        .map_err(|error| DatabaseFault::Unreadable(error.to_string()))?;
    sqlx::query(engine.sql(INSERT_EVENTS))
        .bind(without_nul(rows))
        .execute(&mut *connection)
        .await?;
    contacts::fold(engine, connection, events).await
}

/// No engine can hold U+0000 in text (PostgreSQL refuses it, SQLite ends the text there), and anybody can
/// send it in a header, so it becomes U+FFFD.
pub(crate) fn without_nul(json: String) -> String {
    if !json.contains(NUL) {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    let mut rest = json.as_str();
    while let Some(place) = rest.find(NUL) {
        let (before, after) = rest.split_at(place);
        out.push_str(before);
        let escapes = before.len() - before.trim_end_matches('\\').len();
        // After an odd number of backslashes this one is escaped itself, and the text is a plain `u0000`.
        let is_nul = escapes.is_multiple_of(2);
        out.push_str(if is_nul { "\\ufffd" } else { NUL });
        rest = &after[NUL.len()..];
    }
    out.push_str(rest);
    out
}

/// U+0000 as JSON writes it.
const NUL: &str = "\\u0000";

const INSERT_EVENTS: &str = "\
INSERT INTO events (origin, number, at, contact, queue, agent, kind, body)
SELECT r.value->'id'->>'origin', CAST(r.value->'id'->>'number' AS BIGINT),
       CAST(r.value->>'at' AS BIGINT), r.value->>'contact', r.value->>'queue', r.value->>'agent',
       r.value->>'event', CAST(r.value AS TEXT)
FROM {rows} WHERE true
ON CONFLICT DO NOTHING";

#[cfg(test)]
mod tests;
