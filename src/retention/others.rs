//! Contacts, mails and recordings, a bounded batch at a time.

use super::blobs;
use crate::database::{Database, DatabaseFault, Statement};
use ringdown_routing::ids::ContactId;
use ringdown_routing::time::Timestamp;
use serde_json::{Value, json};

/// Most contacts that go in one transaction.
const CONTACTS_MAX: i64 = 1_000;

/// Most mails, letters or recordings, whose octets are many.
const MAILS_MAX: i64 = 100;

/// Lets a batch of contacts go that ended before; how many.
pub(super) async fn contacts(database: &Database, before: Timestamp) -> Result<u64, DatabaseFault> {
    // Ids stand in the order of arrival, and whoever ended before arrived before.
    let found: Vec<(String,)> = sqlx::query_as(
        "SELECT id FROM contacts WHERE id < $1 AND ended_at < $2 ORDER BY id LIMIT $3",
    )
    .bind(ContactId::new(before, 0).to_string())
    .bind(before.as_millis())
    .bind(CONTACTS_MAX)
    .fetch_all(database.reads())
    .await?;
    if found.is_empty() {
        return Ok(0);
    }
    let rows: Vec<Value> = found.iter().map(|(id,)| json!({"id": id})).collect();
    let rows = Value::from(rows).to_string();
    let of_rows = |sql: &'static str| Statement::new(sql, vec![rows.clone().into()]);
    // Which ticket a contact had stays: how many contacts a ticket took is counted when it is solved.
    database
        .write(vec![
            of_rows("DELETE FROM sip_traces WHERE contact IN (SELECT r.value->>'id' FROM {rows})"),
            of_rows(
                "DELETE FROM call_backs WHERE contact IN (SELECT r.value->>'id' FROM {rows}) \
                 AND state NOT IN ('pending', 'waiting', 'talking')",
            ),
            of_rows("UPDATE satisfaction SET comment = '' WHERE contact IN (SELECT r.value->>'id' FROM {rows})"),
            of_rows("DELETE FROM contacts WHERE id IN (SELECT r.value->>'id' FROM {rows})"),
        ])
        .await?;
    Ok(u64::try_from(found.len()).unwrap_or(u64::MAX))
}

/// Lets a batch of mails go, and of letters that are not to be sent any more, whose tickets are over; how many.
pub(super) async fn mails(database: &Database, before: Timestamp) -> Result<u64, DatabaseFault> {
    let mails: Vec<(i64, i64, String)> = sqlx::query_as(
        "SELECT m.id, m.article, m.raw_sha256 FROM mails m JOIN tickets t ON t.id = m.ticket \
         WHERE m.at < $1 AND t.status IN ('solved', 'closed') ORDER BY m.at LIMIT $2",
    )
    .bind(before.as_millis())
    .bind(MAILS_MAX)
    .fetch_all(database.reads())
    .await?;
    let letters: Vec<(i64, String)> = sqlx::query_as(
        "SELECT o.id, o.sha256 FROM outbox o LEFT JOIN tickets t ON t.id = o.ticket \
         WHERE o.at < $1 AND o.state IN ('sent', 'failed', 'unsure') \
         AND (t.id IS NULL OR t.status IN ('solved', 'closed')) ORDER BY o.id LIMIT $2",
    )
    .bind(before.as_millis())
    .bind(MAILS_MAX)
    .fetch_all(database.reads())
    .await?;
    let count = mails.len() + letters.len();
    if count == 0 {
        return Ok(0);
    }
    let articles = rows_of(mails.iter().map(|(_, article, _)| *article));
    let attached: Vec<(String,)> = sqlx::query_as(database.engine().sql(
        "SELECT DISTINCT sha256 FROM attachments WHERE article IN (SELECT CAST(r.value->>'id' AS BIGINT) FROM {rows})",
    ))
    .bind(articles.clone())
    .fetch_all(database.reads())
    .await?;
    let raw = mails.iter().map(|(_, _, sha256)| sha256.clone());
    let sent = letters.iter().map(|(_, sha256)| sha256.clone());
    let octets: Vec<String> = raw
        .chain(sent)
        .chain(attached.into_iter().map(|(it,)| it))
        .collect();
    let mut statements = vec![
        of_ids("attachments", "article", articles),
        of_ids("mails", "id", rows_of(mails.iter().map(|(id, _, _)| *id))),
        of_ids("outbox", "id", rows_of(letters.iter().map(|(id, _)| *id))),
    ];
    statements.extend(blobs::let_go(&octets));
    blobs::write(database, statements).await?;
    Ok(u64::try_from(count).unwrap_or(u64::MAX))
}

/// Lets a batch of recordings go; how many.
pub(super) async fn recordings(
    database: &Database,
    before: Timestamp,
) -> Result<u64, DatabaseFault> {
    let found: Vec<(i64, String)> = sqlx::query_as(
        "SELECT t.id, t.sha256 FROM attachments t JOIN articles a ON a.id = t.article \
         WHERE a.channel = 'voice' AND a.at < $1 AND t.content_type LIKE 'audio/%' ORDER BY t.id LIMIT $2",
    )
    .bind(before.as_millis())
    .bind(MAILS_MAX)
    .fetch_all(database.reads())
    .await?;
    if found.is_empty() {
        return Ok(0);
    }
    let octets: Vec<String> = found.iter().map(|(_, sha256)| sha256.clone()).collect();
    let mut statements = vec![of_ids(
        "attachments",
        "id",
        rows_of(found.iter().map(|(id, _)| *id)),
    )];
    statements.extend(blobs::let_go(&octets));
    blobs::write(database, statements).await?;
    Ok(u64::try_from(found.len()).unwrap_or(u64::MAX))
}

fn rows_of(ids: impl Iterator<Item = i64>) -> String {
    let rows: Vec<Value> = ids.map(|id| json!({"id": id})).collect();
    Value::from(rows).to_string()
}

fn of_ids(table: &'static str, column: &'static str, rows: String) -> Statement {
    let sql = format!(
        "DELETE FROM {table} WHERE {column} IN (SELECT CAST(r.value->>'id' AS BIGINT) FROM {{rows}})"
    );
    Statement::new(sql, vec![rows.into()])
}
