//! How well people say it went, whichever way they say it: one answer for each contact, and the first one stands.
//!
//! The caller keys it in, the sender of a mail has a link, and a program that asks by itself, such as a chat's window,
//! tells it by the API; either way it is a deed ([`crate::mail::Deed`]), whose transaction keeps the row of
//! `satisfaction`, notes it on the ticket and tells the event log (`tickets::telling`).

use crate::database::{DatabaseFault, Engine};
use ringdown_routing::ids::{ContactId, QueueId};
use ringdown_routing::time::Timestamp;
use sqlx::AnyConnection;

/// What somebody says of a contact; its ticket and agent are those of its record.
#[derive(Clone, Debug)]
pub(crate) struct Judgement {
    pub(crate) contact: ContactId,
    /// The line that asked; `None` is that of the record.
    pub(crate) queue: Option<QueueId>,
    /// 1 (badly) to 5.
    pub(crate) score: u8,
    pub(crate) comment: String,
    pub(crate) at: Timestamp,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is the contact's first word, and this is the key of its ticket, if it has one.
    First { ticket: Option<i64> },
    /// Something was said before, and stands.
    Before,
}

/// Keeps it; part of the writer's transaction.
pub(crate) async fn keep(
    engine: Engine,
    connection: &mut AnyConnection,
    judgement: &Judgement,
) -> Result<Kept, DatabaseFault> {
    let new: Option<(Option<i64>,)> = sqlx::query_as(engine.sql(INSERT))
        .bind(judgement.contact.to_string())
        .bind(judgement.queue.as_ref().map(ToString::to_string))
        .bind(i64::from(judgement.score))
        .bind(judgement.comment.clone())
        .bind(judgement.at.as_millis())
        .fetch_optional(connection)
        .await?;
    Ok(new.map_or(Kept::Before, |(ticket,)| Kept::First { ticket }))
}

const INSERT: &str = "\
INSERT INTO satisfaction (contact, ticket, queue, agent, score, comment, at)
VALUES ($1, (SELECT ticket FROM contacts WHERE id = $1),
    COALESCE(CAST($2 AS TEXT), (SELECT queue FROM contacts WHERE id = $1)),
    (SELECT agent FROM contacts WHERE id = $1), $3, $4, $5)
ON CONFLICT (contact) DO NOTHING RETURNING ticket";
