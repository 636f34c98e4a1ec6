//! The rows of filed mails, each kind with one statement for the whole batch.

use super::filing::{Attendance, Blob, Decided, Filed, MailToFile};
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

/// The articles' keys.
pub(super) async fn insert_articles(
    engine: Engine,
    connection: &mut AnyConnection,
    mails: &[&MailToFile],
    decided: &[Decided],
    tickets: &[(TicketId, String)],
) -> Result<Vec<i64>, DatabaseFault> {
    let rows: Vec<Value> = mails
        .iter()
        .zip(tickets)
        .map(|(mail, (ticket, _))| {
            let article = &mail.article;
            let id = Some(&mail.identity.message_id).filter(|id| !id.is_empty());
            json!({
                "ticket": ticket,
                "channel": Channel::Email,
                "sender": article.from,
                "recipient": article.to,
                "subject": article.subject,
                "body": article.text,
                "text_new": article.text_new,
                "html": article.html,
                "message_id": id,
                "in_reply_to": article.in_reply_to,
                "automatic": (article.origin != Origin::Person).then_some(article.origin),
                "facts": article.facts.to_string(),
                // The mail's own mark until the contact that it joined is put in its place.
                "contact": mail.arrival.contact,
                "at": mail.arrival.at,
            })
        })
        .collect();
    let inserted: Vec<(i64, String)> = sqlx::query_as(engine.sql(INSERT_ARTICLES))
        .bind(text_of(&rows)?)
        .fetch_all(&mut *connection)
        .await?;
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
    let mut together = small.chunks_exact(TOGETHER);
    for blobs in &mut together {
        let places = (0..TOGETHER).map(|row| format!("(${}, 0, ${})", 2 * row + 1, 2 * row + 2));
        let places: Vec<String> = places.collect();
        let sql = INSERT_BLOB.replace("($1, $2, $3)", &places.join(", "));
        let mut query = sqlx::query(engine.sql(&sql));
        for blob in blobs {
            let octets: Vec<u8> = blob.pieces().flatten().collect();
            query = query.bind(blob.sha256.clone()).bind(octets);
        }
        query.execute(&mut *connection).await?;
    }
    for blob in together.remainder().iter().chain(&large) {
        insert_blob(engine, connection, blob).await?;
    }
    Ok(())
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

/// How many do; one number, so that there is one statement to prepare.
const TOGETHER: usize = 16;

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

const INSERT_ARTICLES: &str = "\
INSERT INTO articles (ticket, channel, direction, sender, recipient, subject, body, text_new, html,
    message_id, in_reply_to, automatic, facts, contact, at)
SELECT CAST(r.value->>'ticket' AS BIGINT), r.value->>'channel', 'in', r.value->>'sender',
    r.value->>'recipient', r.value->>'subject', r.value->>'body', r.value->>'text_new',
    r.value->>'html', r.value->>'message_id', r.value->>'in_reply_to', r.value->>'automatic',
    r.value->>'facts', r.value->>'contact', CAST(r.value->>'at' AS BIGINT)
FROM {rows} WHERE true
RETURNING id, contact";

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

const INSERT_MAILS: &str = "\
INSERT INTO mails (mailbox, message_id, body_sha256, raw_sha256, bytes, envelope_from, envelope_to, sender, peer,
    ticket, article, contact, node, authentication, at)
SELECT r.value->>'mailbox', r.value->>'message_id', r.value->>'body_sha256', r.value->>'raw_sha256',
    CAST(r.value->>'bytes' AS BIGINT), r.value->>'envelope_from', r.value->>'envelope_to', r.value->>'sender',
    r.value->>'peer', CAST(r.value->>'ticket' AS BIGINT), CAST(r.value->>'article' AS BIGINT),
    r.value->>'contact', r.value->>'node', r.value->>'authentication', CAST(r.value->>'at' AS BIGINT)
FROM {rows}";
