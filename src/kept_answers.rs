//! Answers to requests with an `Idempotency-Key`, in the database: a request that is sent again to a gateway that
//! was started anew, or to another one, is answered again and not done again.
//!
//! What a command on a mail writes is noted as done in the same transaction, so that a gateway which ends before
//! it could answer leaves no doubt. Everything else is noted before it is answered.

use crate::database::{Database, DatabaseFault, Engine, Statement};
use ringdown_routing::time::Timestamp;
use sqlx::AnyConnection;
use std::time::Duration;

/// A request with a key, as it is told from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestMark {
    /// The key as one of its sender's, in hexadecimal.
    pub(crate) key: String,
    /// What it asks for, in hexadecimal.
    pub(crate) fingerprint: String,
}

/// What a request was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptAnswer {
    /// What it asked for.
    pub(crate) fingerprint: String,
    /// The HTTP status.
    pub(crate) status: u16,
    /// The JSON; empty when it was done and its answer is to be made anew.
    pub(crate) body: String,
}

/// The answer that a key has had already.
pub(crate) async fn find(
    database: &Database,
    mark: &RequestMark,
    now: Timestamp,
) -> Result<Option<KeptAnswer>, DatabaseFault> {
    let found: Option<(String, i64, String)> = sqlx::query_as(
        "SELECT fingerprint, status, body FROM kept_answers WHERE key = $1 AND at >= $2",
    )
    .bind(mark.key.clone())
    .bind((now - KEPT_FOR).as_millis())
    .fetch_optional(database.reads())
    .await?;
    Ok(found.map(|(fingerprint, status, body)| KeptAnswer {
        fingerprint,
        status: u16::try_from(status).unwrap_or(200),
        body,
    }))
}

/// Keeps an answer, and lets go of old ones.
pub(crate) async fn keep(
    database: &Database,
    mark: &RequestMark,
    (status, body): (u16, String),
    now: Timestamp,
) -> Result<(), DatabaseFault> {
    let kept = Statement::new(
        KEEP,
        vec![
            mark.key.as_str().into(),
            mark.fingerprint.as_str().into(),
            i64::from(status).into(),
            body.into(),
            now.as_millis().into(),
        ],
    );
    let old = Statement::new(
        "DELETE FROM kept_answers WHERE at < $1",
        vec![(now - KEPT_FOR).as_millis().into()],
    );
    database.write(vec![kept, old]).await
}

/// Notes a request as done; part of the writer's transaction.
pub(crate) async fn note(
    engine: Engine,
    connection: &mut AnyConnection,
    mark: &RequestMark,
    (status, body): (u16, String),
    at: Timestamp,
) -> Result<(), DatabaseFault> {
    sqlx::query(engine.sql(KEEP))
        .bind(mark.key.clone())
        .bind(mark.fingerprint.clone())
        .bind(i64::from(status))
        .bind(body)
        .bind(at.as_millis())
        .execute(connection)
        .await?;
    Ok(())
}

/// The statement that forgets a request which could not be done after all.
pub(crate) fn removal(mark: &RequestMark) -> Statement {
    Statement::new(
        "DELETE FROM kept_answers WHERE key = $1",
        vec![mark.key.as_str().into()],
    )
}

/// How long an answer is kept.
pub(crate) const KEPT_FOR: Duration = Duration::from_secs(24 * 3_600);

const KEEP: &str = "\
INSERT INTO kept_answers (key, fingerprint, status, body, at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, status = excluded.status,
    body = excluded.body, at = excluded.at";
