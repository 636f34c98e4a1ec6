//! The rows of filed mails, each kind with one statement for the whole batch, or a few where they are large.

use super::filing::{Attendance, Blob, Decided, Filed, MailToFile};
use super::tally::mark;
use crate::database::{DatabaseFault, Engine};
use crate::event_log::{ContactState, without_nul};
use crate::tickets::TicketStatus;
use ringdown_email::automatic::Origin;
use ringdown_email::reading::Pieces;
use ringdown_routing::contact::Channel;
use ringdown_routing::event::ContactResult;
use ringdown_routing::ids::TicketId;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::AnyConnection;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Notes that tickets changed; a person's mail brings one that was over back to work.
pub(super) async fn touch_tickets(
    engine: Engine,
    connection: &mut AnyConnection,
    mails: &[&MailToFile],
    decided: &[Decided],
) -> Result<(), DatabaseFault> {
    let rows: Vec<Value> = mails
        .iter()
        .zip(decided)
        .filter_map(|(mail, decided)| {
            let ticket = decided.place.ticket()?;
            let status = decided.place.reopens().then_some(TicketStatus::Open);
            Some(json!({ "ticket": ticket, "status": status, "at": mail.arrival.at }))
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    execute(engine, connection, TOUCH_TICKETS, &rows).await
}

/// Which tickets follow others, and who takes part in each.
pub(super) async fn note_tickets(
    engine: Engine,
    connection: &mut AnyConnection,
    links: Vec<Value>,
    mails: &[&MailToFile],
    tickets: &[(TicketId, String)],
) -> Result<(), DatabaseFault> {
    if !links.is_empty() {
        execute(engine, connection, INSERT_TICKET_LINKS, &links).await?;
    }
    let addresses: Vec<Value> = mails
        .iter()
        .zip(tickets)
        .flat_map(|(mail, (ticket, _))| {
            let participants = mail.participants.iter();
            participants.map(move |address| json!({ "ticket": ticket, "address": address }))
        })
        .collect();
    if addresses.is_empty() {
        return Ok(());
    }
    execute(engine, connection, INSERT_ADDRESSES, &addresses).await
}

/// The contacts' records, as their first events would make them.
pub(super) async fn note_contacts(
    engine: Engine,
    connection: &mut AnyConnection,
    mails: &[&MailToFile],
    decided: &[Decided],
) -> Result<(), DatabaseFault> {
    let rows: Vec<Value> = mails
        .iter()
        .zip(decided)
        .filter(|(_, decided)| decided.own_contact().is_some())
        .map(|(mail, _)| {
            let arrival = &mail.arrival;
            json!({
                "id": arrival.contact,
                "at": arrival.at,
                "channel": Channel::Email,
                "sender": arrival.from,
                "recipient": arrival.to,
                "via": arrival.mailbox,
                "queue": arrival.queue,
                "caller": arrival.caller,
                "class": arrival.class,
                "outcome": arrival.outcome,
                "result": arrival.is_spam.then_some(ContactResult::Blocked),
                "ended_at": arrival.is_spam.then_some(arrival.at),
                "state": if arrival.is_spam { ContactState::Ended } else { ContactState::Arrived },
            })
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    execute(engine, connection, INSERT_CONTACTS, &rows).await
}

/// The articles' keys. A mail's texts are most of what is stored of it, so they go as values, not within JSON
/// that the engine would have to take apart again.
pub(super) async fn insert_articles(
    engine: Engine,
    connection: &mut AnyConnection,
    mails: &[&MailToFile],
    decided: &[Decided],
    tickets: &[(TicketId, String)],
) -> Result<Vec<i64>, DatabaseFault> {
    let rows: Vec<(&MailToFile, TicketId)> = mails
        .iter()
        .zip(tickets)
        .map(|(mail, (ticket, _))| (*mail, *ticket))
        .collect();
    let mut inserted: Vec<(i64, String)> = Vec::with_capacity(rows.len());
    for rows in together(&rows) {
        let sql = several(INSERT_ARTICLES, rows.len());
        let mut query = sqlx::query_as(engine.sql(&sql));
        for (mail, ticket) in rows {
            let article = &mail.article;
            let id = Some(&mail.identity.message_id).filter(|id| !id.is_empty());
            let automatic = (article.origin != Origin::Person).then_some(article.origin);
            query = query
                .bind(i64::try_from(ticket.as_u64()).unwrap_or(i64::MAX))
                .bind(Channel::Email.as_str().to_owned())
                .bind(storable(&article.from))
                .bind(storable(&article.to))
                .bind(storable(&article.subject))
                .bind(storable(&article.text))
                .bind(storable(&article.text_new))
                .bind(article.html.as_deref().map(storable))
                .bind(id.map(|id| storable(id)))
                .bind(article.in_reply_to.as_deref().map(storable))
                .bind(automatic.map(|origin| mark(origin).to_owned()))
                .bind(article.facts.to_string())
                // The mail's own mark until the contact that it joined is put in its place.
                .bind(mail.arrival.contact.to_string())
                .bind(mail.arrival.at.as_millis());
        }
        inserted.extend(query.fetch_all(&mut *connection).await?);
    }
    let by_contact: BTreeMap<String, i64> = inserted
        .into_iter()
        .map(|(id, contact)| (contact, id))
        .collect();
    let (mut articles, mut joined) = (Vec::with_capacity(mails.len()), Vec::new());
    for (mail, decided) in mails.iter().zip(decided) {
        let contact = mail.arrival.contact.to_string();
        let article = by_contact
            .get(&contact)
            .copied()
            .ok_or_else(|| DatabaseFault::Unreadable(format!("no article for mail {contact}")))?;
        articles.push(article);
        match decided.attendance {
            Attendance::Own(_) => {}
            Attendance::Joins(other) => joined.push(json!({ "id": article, "contact": other })),
            Attendance::Nobody => joined.push(json!({ "id": article, "contact": null })),
        }
    }
    if !joined.is_empty() {
        execute(engine, connection, JOIN_CONTACTS, &joined).await?;
    }
    Ok(articles)
}

/// The octets of mails and of what came with them.
pub(super) async fn insert_files(
    engine: Engine,
    connection: &mut AnyConnection,
    mails: &[&MailToFile],
    articles: &[i64],
) -> Result<(), DatabaseFault> {
    let (mut rows, mut blobs) = (Vec::new(), Vec::new());
    for (mail, article) in mails.iter().zip(articles) {
        blobs.push(&mail.raw);
        for (place, file) in mail.attachments.iter().enumerate() {
            blobs.push(&file.blob);
            rows.push(json!({
                "article": article,
                "place": place,
                "filename": file.filename,
                "content_type": file.content_type,
                "content_id": file.content_id,
                "inline": i64::from(file.is_inline),
                "bytes": file.blob.bytes,
                "sha256": file.blob.sha256,
            }));
        }
    }
    insert_blobs(engine, connection, &blobs).await?;
    if rows.is_empty() {
        return Ok(());
    }
    execute(engine, connection, INSERT_ATTACHMENTS, &rows).await
}

/// Octets of many mails: small ones several to a statement, large ones piece by piece.
async fn insert_blobs(
    engine: Engine,
    connection: &mut AnyConnection,
    blobs: &[&Blob],
) -> Result<(), DatabaseFault> {
    let (small, large): (Vec<&Blob>, Vec<&Blob>) = blobs
        .iter()
        .partition(|blob| (1..=SMALL_BYTES_MAX).contains(&blob.bytes));
    for blobs in together(&small) {
        let sql = several(INSERT_SMALL_BLOBS, blobs.len());
        let mut query = sqlx::query(engine.sql(&sql));
        for blob in blobs {
            let mut octets = Vec::with_capacity(blob.bytes);
            for piece in blob.pieces() {
                octets.extend_from_slice(&piece);
            }
            query = query.bind(blob.sha256.clone()).bind(octets);
        }
        query.execute(&mut *connection).await?;
    }
    for blob in large {
        insert_blob(engine, connection, blob).await?;
    }
    Ok(())
}

/// Parts rows into as few groups as there are statements for, each group of a size of [`TOGETHER`].
fn together<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let size = TOGETHER.into_iter().find(|size| *size <= rest.len())?;
        let (group, behind) = rest.split_at(size);
        rest = behind;
        Some(group)
    })
}

/// An insertion of so many rows: what stands before them, one row, what stands behind. The row's `$` become
/// `$1`, `$2`, ... and count on.
fn several((before, row, behind): (&str, &str, &str), rows: usize) -> String {
    let in_a_row = row.matches('$').count();
    let mut sql = before.to_owned();
    for number in 0..rows {
        sql.push_str(if number == 0 { "(" } else { ", (" });
        let mut parts = row.split('$');
        sql.push_str(parts.next().unwrap_or_default());
        for (place, part) in (number * in_a_row + 1..).zip(parts) {
            // Writing to a text cannot fail.
            let _ = write!(sql, "${place}{part}");
        }
        sql.push(')');
    }
    sql.push_str(behind);
    sql
}

/// Text as an engine can hold it; see [`without_nul`].
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Octets, unless they are there already.
pub(super) async fn insert_blob(
    engine: Engine,
    connection: &mut AnyConnection,
    blob: &Blob,
) -> Result<(), DatabaseFault> {
    for (place, piece) in (0_i64..).zip(blob.pieces()) {
        sqlx::query(engine.sql(INSERT_BLOB))
            .bind(blob.sha256.clone())
            .bind(place)
            .bind(piece.to_vec())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// What is known of each mail from now on, first of all that it was filed.
pub(super) async fn note_mails(
    engine: Engine,
    connection: &mut AnyConnection,
    mails: &[&MailToFile],
    filed: &[Filed],
) -> Result<(), DatabaseFault> {
    let rows: Vec<Value> = mails
        .iter()
        .zip(filed)
        .map(|(mail, filed)| {
            json!({
                "mailbox": mail.identity.mailbox,
                "message_id": mail.identity.message_id,
                "body_sha256": mail.identity.body_sha256,
                "raw_sha256": mail.raw.sha256,
                "bytes": mail.raw.bytes,
                "envelope_from": mail.envelope_from,
                "envelope_to": mail.envelope_to,
                "sender": mail.arrival.from,
                "peer": mail.peer,
                "ticket": filed.ticket,
                "article": filed.article,
                "contact": filed.contact,
                "node": mail.node,
                "authentication": mail.sender.authentication,
                "at": mail.arrival.at,
            })
        })
        .collect();
    execute(engine, connection, INSERT_MAILS, &rows).await
}

/// Runs a statement that reads `{rows}`.
pub(super) async fn execute(
    engine: Engine,
    connection: &mut AnyConnection,
    template: &str,
    rows: &[Value],
) -> Result<(), DatabaseFault> {
    sqlx::query(engine.sql(template))
        .bind(text_of(&rows)?)
        .execute(connection)
        .await?;
    Ok(())
}

/// Rows as the JSON that `{rows}` reads.
pub(super) fn text_of(rows: &impl Serialize) -> Result<String, DatabaseFault> {
    let text = serde_json::to_string(rows)
        .map_err(|error| DatabaseFault::Unreadable(error.to_string()))?;
    Ok(without_nul(text))
}

/// Octets of a blob of which several go into one statement.
const SMALL_BYTES_MAX: usize = 64 * 1_024;

/// Rows that share a statement, the most first; few sizes, so that there are few statements to prepare.
const TOGETHER: [usize; 3] = [16, 4, 1];

/// Octets of one piece of a blob.
pub(crate) const PIECE_BYTES: usize = Pieces::PIECE_BYTES;

const TOUCH_TICKETS: &str = "\
UPDATE tickets SET status = COALESCE(x.status, tickets.status), changed_at = x.at FROM (
    SELECT CAST(r.value->>'ticket' AS BIGINT) AS ticket, MAX(r.value->>'status') AS status,
        MAX(CAST(r.value->>'at' AS BIGINT)) AS at
    FROM {rows} GROUP BY CAST(r.value->>'ticket' AS BIGINT)
) x WHERE tickets.id = x.ticket";

const INSERT_CONTACTS: &str = "\
INSERT INTO contacts (id, changed_at, channel, sender, recipient, via, queue, caller, class, outcome, state,
    arrived_at, ended_at, result)
SELECT r.value->>'id', CAST(r.value->>'at' AS BIGINT), r.value->>'channel', r.value->>'sender',
    r.value->>'recipient', r.value->>'via', r.value->>'queue', r.value->>'caller',
    CAST(r.value->>'class' AS BIGINT), r.value->>'outcome', r.value->>'state',
    CAST(r.value->>'at' AS BIGINT), CAST(r.value->>'ended_at' AS BIGINT), r.value->>'result'
FROM {rows} WHERE true ON CONFLICT (id) DO NOTHING";

const INSERT_TICKET_LINKS: &str = "\
INSERT INTO ticket_links (ticket, origin, why, incident, contact, linked_at, told)
SELECT CAST(r.value->>'ticket' AS BIGINT), CAST(r.value->>'origin' AS BIGINT), r.value->>'why',
    r.value->>'incident', r.value->>'contact', CAST(r.value->>'at' AS BIGINT),
    CASE WHEN r.value->>'incident' IS NULL THEN 1 ELSE 0 END
FROM {rows} WHERE true ON CONFLICT (ticket) DO NOTHING";

const INSERT_ADDRESSES: &str = "\
INSERT INTO ticket_addresses (ticket, address)
SELECT CAST(r.value->>'ticket' AS BIGINT), r.value->>'address' FROM {rows} WHERE true
ON CONFLICT (ticket, address) DO NOTHING";

const INSERT_ARTICLES: (&str, &str, &str) = (
    "INSERT INTO articles (direction, ticket, channel, sender, recipient, subject, body, text_new, html, \
     message_id, in_reply_to, automatic, facts, contact, at) VALUES ",
    "'in', $, $, $, $, $, $, $, $, $, $, $, $, $, $",
    " RETURNING id, contact",
);

const JOIN_CONTACTS: &str = "\
UPDATE articles SET contact = x.contact FROM (
    SELECT CAST(r.value->>'id' AS BIGINT) AS id, r.value->>'contact' AS contact FROM {rows}
) x WHERE articles.id = x.id";

const INSERT_ATTACHMENTS: &str = "\
INSERT INTO attachments (article, place, filename, content_type, content_id, inline, bytes, sha256)
SELECT CAST(r.value->>'article' AS BIGINT), CAST(r.value->>'place' AS BIGINT), r.value->>'filename',
    r.value->>'content_type', r.value->>'content_id', CAST(r.value->>'inline' AS BIGINT),
    CAST(r.value->>'bytes' AS BIGINT), r.value->>'sha256'
FROM {rows}";

const INSERT_BLOB: &str = "\
INSERT INTO blobs (sha256, place, body) VALUES ($1, $2, $3) ON CONFLICT (sha256, place) DO NOTHING";

const INSERT_SMALL_BLOBS: (&str, &str, &str) = (
    "INSERT INTO blobs (place, sha256, body) VALUES ",
    "0, $, $",
    " ON CONFLICT (sha256, place) DO NOTHING",
);

const INSERT_MAILS: &str = "\
INSERT INTO mails (mailbox, message_id, body_sha256, raw_sha256, bytes, envelope_from, envelope_to, sender, peer,
    ticket, article, contact, node, authentication, at)
SELECT r.value->>'mailbox', r.value->>'message_id', r.value->>'body_sha256', r.value->>'raw_sha256',
    CAST(r.value->>'bytes' AS BIGINT), r.value->>'envelope_from', r.value->>'envelope_to', r.value->>'sender',
    r.value->>'peer', CAST(r.value->>'ticket' AS BIGINT), CAST(r.value->>'article' AS BIGINT),
    r.value->>'contact', r.value->>'node', r.value->>'authentication', CAST(r.value->>'at' AS BIGINT)
FROM {rows}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_in_groups_for_which_there_is_a_statement() {
        let rows: Vec<usize> = (0..39).collect();
        let groups: Vec<&[usize]> = together(&rows).collect();
        let sizes: Vec<usize> = groups.iter().map(|group| group.len()).collect();
        assert_eq!(sizes, [16, 16, 4, 1, 1, 1]);
        assert_eq!(groups.concat(), rows);
        assert_eq!(together::<usize>(&[]).count(), 0);
    }

    #[test]
    fn the_places_of_several_rows_count_on() {
        assert_eq!(
            several(
                ("INSERT INTO t (x, y, z) VALUES ", "0, $, $", " RETURNING x"),
                3
            ),
            "INSERT INTO t (x, y, z) VALUES (0, $1, $2), (0, $3, $4), (0, $5, $6) RETURNING x"
        );
    }
}
