//! What the store knows of mails, and of the tickets they name, before they are filed.

use super::filing::{Filed, MailIdentity, MailToFile};
use super::rows::text_of;
use crate::cti::mail_key;
use crate::database::{DatabaseFault, Engine};
use ringdown_email::threading::{Answered, Clue, KnownTicket, TicketState};
use ringdown_routing::ids::{ContactId, OrganisationId, TicketId};
use ringdown_routing::time::Timestamp;
use serde_json::{Value, json};
use sqlx::AnyConnection;
use std::collections::{BTreeMap, BTreeSet};

/// A ticket that a mail's clue leads to.
#[derive(Clone, Debug)]
pub(super) struct FoundTicket {
    pub(super) known: KnownTicket,
    pub(super) number: String,
}

/// What became of mails that were filed before.
pub(super) async fn find_known(
    engine: Engine,
    connection: &mut AnyConnection,
    mails: &[&MailToFile],
) -> Result<BTreeMap<MailIdentity, Filed>, DatabaseFault> {
    let rows: Vec<&MailIdentity> = mails.iter().map(|mail| &mail.identity).collect();
    let found: Vec<KnownRow> = sqlx::query_as(engine.sql(FIND_KNOWN))
        .bind(text_of(&rows)?)
        .fetch_all(connection)
        .await?;
    let filed = |(mailbox, message_id, body_sha256, ticket, number, article, contact): KnownRow| {
        let identity = MailIdentity {
            mailbox,
            message_id,
            body_sha256,
        };
        let filed = Filed {
            ticket: TicketId::new(u64::try_from(ticket).unwrap_or(0)),
            number,
            article,
            contact: contact.and_then(|id| id.parse().ok()),
            rule: "repeat",
            is_new_ticket: false,
            is_repeat: true,
            acknowledged: None,
        };
        (identity, filed)
    };
    Ok(found.into_iter().map(filed).collect())
}

type KnownRow = (String, String, String, i64, String, i64, Option<String>);

type TicketRow = (i64, i64, i64, String, String, i64, Option<String>, i64, i64);

/// The tickets that the clues of each mail lead to.
pub(super) async fn find_tickets(
    engine: Engine,
    connection: &mut AnyConnection,
    mails: &[&MailToFile],
) -> Result<Vec<Vec<FoundTicket>>, DatabaseFault> {
    let mut found = vec![Vec::new(); mails.len()];
    let mut rows = Vec::new();
    for (place, mail) in mails.iter().enumerate() {
        let sender = mail.sender.address.as_ref();
        let sender = sender.and_then(|address| mail_key(address.as_str()));
        for (rank, clue) in mail.clues.iter().enumerate() {
            let (kind, value, ticket) = match clue {
                Clue::Answers(id) => ("answers", Some(id.to_string()), None),
                Clue::SubjectNumber(number) => (
                    "number",
                    Some(format!("{}{number}", mail.number_prefix)),
                    None,
                ),
                Clue::SignedAddress(ticket) | Clue::SignedMarker(ticket) => {
                    ("ticket", None, Some(ticket))
                }
            };
            rows.push(json!({
                "mail": place,
                "rank": rank,
                "kind": kind,
                "value": value,
                "ticket": ticket,
                "sender": sender,
                "caller": mail.caller,
            }));
        }
    }
    if rows.is_empty() {
        return Ok(found);
    }
    let tickets: Vec<TicketRow> = sqlx::query_as(engine.sql(FIND_TICKETS))
        .bind(text_of(&rows)?)
        .fetch_all(connection)
        .await?;
    for (mail, rank, ticket, number, status, changed_at, organisation, is_ours, is_on_it) in tickets
    {
        let place = usize::try_from(mail).unwrap_or(usize::MAX);
        let rank = usize::try_from(rank).unwrap_or(usize::MAX);
        let Some(mail) = mails.get(place) else {
            continue;
        };
        let Some(clue) = mail.clues.get(rank) else {
            continue;
        };
        let sender = mail.sender.address.iter().filter(|_| is_on_it != 0);
        let known = KnownTicket {
            clue: clue.clone(),
            ticket: TicketId::new(u64::try_from(ticket).unwrap_or(0)),
            state: match status.as_str() {
                "closed" => TicketState::Closed(Timestamp::from_millis(changed_at)),
                "solved" => TicketState::Solved,
                _ => TicketState::Open,
            },
            // Of everybody on it only the sender matters.
            people: sender.cloned().collect(),
            organisation: organisation.map(OrganisationId::new),
            answered: if is_ours != 0 {
                Answered::Ours
            } else {
                Answered::Theirs
            },
        };
        found[place].push(FoundTicket { known, number });
    }
    Ok(found)
}

/// The contact by mail that waits or is worked on for each of these tickets.
pub(super) async fn find_open_contacts(
    engine: Engine,
    connection: &mut AnyConnection,
    tickets: &BTreeSet<TicketId>,
) -> Result<BTreeMap<TicketId, ContactId>, DatabaseFault> {
    if tickets.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = tickets.iter().map(|ticket| json!({ "ticket": ticket }));
    let rows: Vec<Value> = rows.collect();
    let found: Vec<(i64, String)> = sqlx::query_as(engine.sql(FIND_OPEN_CONTACTS))
        .bind(text_of(&rows)?)
        .fetch_all(connection)
        .await?;
    let contact = |(ticket, contact): (i64, String)| {
        let ticket = TicketId::new(u64::try_from(ticket).unwrap_or(0));
        Some((ticket, contact.parse().ok()?))
    };
    Ok(found.into_iter().filter_map(contact).collect())
}

const FIND_KNOWN: &str = "\
SELECT m.mailbox, m.message_id, m.body_sha256, m.ticket, t.number, m.article, m.contact
FROM {rows} JOIN mails m ON m.mailbox = r.value->>'mailbox' AND m.message_id = r.value->>'message_id'
    AND m.body_sha256 = r.value->>'body_sha256'
JOIN tickets t ON t.id = m.ticket";

/// The newest ticket of each clue comes first; one that was merged stands for that which took it in. On it is who wrote to it or was written to from it.
const FIND_TICKETS: &str = "\
SELECT x.mail, x.rank, t.id, t.number, t.status, t.changed_at, t.organisation, x.is_ours,
    CASE WHEN t.caller = x.caller OR EXISTS (SELECT 1 FROM ticket_addresses p
        WHERE p.ticket = t.id AND p.address = x.sender) THEN 1 ELSE 0 END AS is_on_it
FROM (
    SELECT CAST(r.value->>'mail' AS BIGINT) AS mail, CAST(r.value->>'rank' AS BIGINT) AS rank,
        r.value->>'sender' AS sender, r.value->>'caller' AS caller, a.ticket AS ticket,
        CASE WHEN a.direction = 'out' THEN 1 ELSE 0 END AS is_ours
    FROM {rows} JOIN articles a ON a.message_id = r.value->>'value'
    WHERE r.value->>'kind' = 'answers'
    UNION
    SELECT CAST(r.value->>'mail' AS BIGINT), CAST(r.value->>'rank' AS BIGINT), r.value->>'sender',
        r.value->>'caller', k.id, 0
    FROM {rows} JOIN tickets k ON k.number = r.value->>'value'
    WHERE r.value->>'kind' = 'number'
    UNION
    SELECT CAST(r.value->>'mail' AS BIGINT), CAST(r.value->>'rank' AS BIGINT), r.value->>'sender',
        r.value->>'caller', k.id, 0
    FROM {rows} JOIN tickets k ON k.id = CAST(r.value->>'ticket' AS BIGINT)
) x JOIN tickets o ON o.id = x.ticket JOIN tickets t ON t.id = COALESCE(o.merged_into, o.id)
ORDER BY x.mail, x.rank, t.id DESC";

const FIND_OPEN_CONTACTS: &str = "\
SELECT l.ticket, MAX(l.contact) FROM {rows} JOIN ticket_contacts l ON l.ticket = CAST(r.value->>'ticket' AS BIGINT)
JOIN contacts c ON c.id = l.contact WHERE c.channel = 'email' AND c.ended_at IS NULL
GROUP BY l.ticket";
