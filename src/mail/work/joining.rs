//! Two tickets become one, and one mail of a ticket becomes a ticket of its own; each in one transaction.
//!
//! What is merged keeps leading to where it went: the Message-IDs of its articles move with them, its number
//! and its signed addresses are followed by `tickets.merged_into`. Of several contacts by mail that are open
//! then, one stays; the others leave the line.

use super::deed::{Deed, Done, Note, Refused, insert_note, key};
use super::orders::{self, Act, Order};
use super::{MailWork, WorkFault};
use crate::database::{DatabaseFault, Engine};
use crate::event_log::ContactState;
use crate::kept_answers::RequestMark;
use crate::mail::due::{self, DuePlan, Waits};
use crate::tickets::{self, OpenTicket, TicketWish};
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::{ContactId, QueueId, TicketId};
use ringdown_routing::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::AnyConnection;
use std::collections::BTreeMap;

/// One ticket goes into another.
#[derive(Clone, Debug)]
pub(crate) struct Merge {
    from: TicketId,
    into: TicketId,
    by: String,
    at: Timestamp,
}

/// One mail leaves a ticket for one of its own.
#[derive(Clone, Debug)]
pub(crate) struct Split {
    from: TicketId,
    article: i64,
    wish: OpenTicket,
    due: Value,
    by: String,
    at: Timestamp,
}

/// A ticket that was made of a mail of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SplitOff {
    /// Its key.
    pub(crate) ticket: TicketId,
    /// Its number as people say it.
    pub(crate) number: String,
    /// Its contact, which goes into the line.
    pub(crate) contact: ContactId,
}

impl MailWork {
    /// Brings everything of a ticket to another one.
    pub(crate) async fn merge(
        &self,
        from: TicketId,
        into: TicketId,
        (by, mark): (&str, Option<&RequestMark>),
    ) -> Result<(), WorkFault> {
        if from == into {
            return Err(WorkFault::Unfit(
                "a ticket cannot go into itself".to_owned(),
            ));
        }
        let merge = Merge {
            from,
            into,
            by: by.to_owned(),
            at: self.now(),
        };
        let deed = Deed::Merge(merge).marked(mark, (200, Value::Null), self.now());
        match self.shared.database.do_deed(deed).await? {
            Done::Merged { left_over } => {
                for contact in left_over {
                    let act = Act::Leave;
                    self.carry_out(&Order { contact, act }).await;
                }
                Ok(())
            }
            Done::Refused(refused) => Err(refused.into()),
            Done::Written { .. } | Done::Repeated | Done::Split(_) => Ok(()),
        }
    }

    /// Makes a ticket of one mail of a ticket; its contact goes into the line with the mail's age.
    pub(crate) async fn split(
        &self,
        from: TicketId,
        article: i64,
        subject: Option<String>,
        (by, mark): (&str, Option<&RequestMark>),
    ) -> Result<SplitOff, WorkFault> {
        let unknown = || WorkFault::Unknown(format!("no ticket {from}"));
        let ticket = self.shared.tickets.ticket(from).await?;
        let ticket = ticket.ok_or_else(unknown)?;
        let found = ticket.articles.iter();
        let found = found.clone().find(|it| it.id == article.to_string());
        let found = found.ok_or_else(|| WorkFault::Unknown(format!("no article {article}")))?;
        let given = [subject.unwrap_or_default(), found.subject.clone()];
        let subject = given.into_iter().find(|subject| !subject.is_empty());
        let (at, found_at) = (self.now(), found.at);
        let wish = TicketWish {
            contact: crate::mail::intake::mint_contact(at),
            at,
            channel: Channel::Email,
            from: found.from.clone(),
            queue: ticket.queue.clone(),
            caller: ticket.caller.clone(),
            organisation: ticket.organisation.clone(),
            class: None,
            cis: ticket.cis.clone(),
            keyed_in: None,
            kind: ticket.kind,
            subject: subject.unwrap_or(ticket.subject),
        };
        let mut wish = self.shared.tickets.wish_for(wish);
        let (impact, urgency) = (Some(ticket.impact), Some(ticket.urgency));
        self.shared.tickets.grade(&mut wish, impact, urgency);
        let queue = ticket.queue.clone().unwrap_or_else(|| QueueId::from(""));
        let waits = Waits {
            ticket: from,
            contact: wish.contact,
            queue: &queue,
            since: found_at,
        };
        let plan = DuePlan::of(&self.shared.config, &queue, found_at);
        let split = Split {
            from,
            article,
            due: plan.row(&waits, i64::from(ticket.priority), false),
            wish,
            by: by.to_owned(),
            at,
        };
        let deed = Deed::Split(Box::new(split)).marked(mark, (201, Value::Null), at);
        match self.shared.database.do_deed(deed).await? {
            Done::Split(split) => Ok(split),
            Done::Refused(refused) => Err(refused.into()),
            Done::Written { .. } | Done::Repeated | Done::Merged { .. } => Err(unknown()),
        }
    }
}

pub(super) type TicketRow = (String, String, Option<i64>);

pub(super) async fn find(
    engine: Engine,
    connection: &mut AnyConnection,
    ticket: TicketId,
) -> Result<Option<TicketRow>, DatabaseFault> {
    let sql = "SELECT number, status, merged_into FROM tickets WHERE id = $1";
    Ok(sqlx::query_as(engine.sql(sql))
        .bind(key(ticket))
        .fetch_optional(connection)
        .await?)
}

/// Merges; part of the writer's transaction.
pub(super) async fn merge(
    engine: Engine,
    connection: &mut AnyConnection,
    merge: &Merge,
) -> Result<Done, DatabaseFault> {
    let mut numbers = Vec::with_capacity(2);
    for ticket in [merge.from, merge.into] {
        let Some((number, status, merged_into)) = find(engine, connection, ticket).await? else {
            return Ok(Done::Refused(Refused::Unknown(format!(
                "no ticket {ticket}"
            ))));
        };
        if merged_into.is_some() {
            let sentence = format!("{number} has gone into another ticket already");
            return Ok(Done::Refused(Refused::NotNow(sentence)));
        }
        if ticket == merge.into && status == "closed" {
            let sentence = format!("{number} is closed");
            return Ok(Done::Refused(Refused::NotNow(sentence)));
        }
        numbers.push(number);
    }
    for sql in MOVES {
        sqlx::query(engine.sql(sql))
            .bind(key(merge.from))
            .bind(key(merge.into))
            .execute(&mut *connection)
            .await?;
    }
    for (ticket, sql) in [(merge.from, CLOSE_MERGED), (merge.into, TOUCH)] {
        sqlx::query(engine.sql(sql))
            .bind(key(ticket))
            .bind(merge.at.as_millis())
            .execute(&mut *connection)
            .await?;
    }
    let texts = [
        format!("Merged into {}.", numbers[1]),
        format!("{} was merged into this ticket.", numbers[0]),
    ];
    for (ticket, text) in [merge.from, merge.into].into_iter().zip(texts) {
        let author = merge.by.clone();
        insert_note(
            engine,
            connection,
            (ticket, merge.at),
            &Note { author, text },
        )
        .await?;
    }
    let left_over = leave_one_contact(engine, connection, merge).await?;
    Ok(Done::Merged { left_over })
}

/// Orders all but one of the ticket's open contacts by mail out of the line: that of an agent stays, else the
/// oldest.
async fn leave_one_contact(
    engine: Engine,
    connection: &mut AnyConnection,
    merge: &Merge,
) -> Result<Vec<ContactId>, DatabaseFault> {
    let open: Vec<(String, Option<String>)> = sqlx::query_as(engine.sql(OPEN_CONTACTS))
        .bind(key(merge.into))
        .fetch_all(&mut *connection)
        .await?;
    let is_active = |state: &Option<String>| matches!(state.as_deref(), Some("active" | "held"));
    let stays = open.iter().position(|(_, state)| is_active(state));
    let stays = stays.unwrap_or(0);
    let mut left_over = Vec::new();
    for (place, (contact, state)) in open.iter().enumerate() {
        if place == stays || is_active(state) {
            continue;
        }
        let Ok(contact) = contact.parse() else {
            continue;
        };
        let act = Act::Leave;
        orders::insert(engine, connection, &Order { contact, act }, merge.at).await?;
        left_over.push(contact);
    }
    Ok(left_over)
}

type ArticleRow = (
    String,
    String,
    String,
    String,
    Option<String>,
    Option<i64>,
    i64,
);

/// Splits; part of the writer's transaction.
pub(super) async fn split(
    engine: Engine,
    connection: &mut AnyConnection,
    split: &Split,
) -> Result<Done, DatabaseFault> {
    let found: Option<ArticleRow> = sqlx::query_as(engine.sql(FIND_ARTICLE))
        .bind(split.article)
        .bind(key(split.from))
        .fetch_optional(&mut *connection)
        .await?;
    let not_now = |sentence: &str| Ok(Done::Refused(Refused::NotNow(sentence.to_owned())));
    let Some((sender, recipient, mailbox, number, contact, ended_at, others)) = found else {
        return not_now("only a mail that came in, and is on this ticket, can be split off");
    };
    if others == 0 {
        return not_now("nothing would be left on the ticket");
    }
    if contact.is_some() && ended_at.is_none() {
        return not_now("its contact is open: answer or close that first, or split the others");
    }
    let own = split.wish.contact;
    sqlx::query(engine.sql(INSERT_CONTACT))
        .bind(own.to_string())
        .bind(sender.clone())
        .bind(recipient)
        .bind(mailbox)
        .bind(word(ContactState::Arrived))
        .bind(split.article)
        .bind(key(split.from))
        .execute(&mut *connection)
        .await?;
    let wishes = BTreeMap::from([(own, &split.wish)]);
    let linked = tickets::link(engine, connection, &wishes).await?;
    let linked = linked
        .get(&own)
        .cloned()
        .ok_or_else(|| DatabaseFault::Unreadable(format!("no ticket for contact {own}")))?;
    for sql in [MOVE_ARTICLE, MOVE_MAIL] {
        sqlx::query(engine.sql(sql))
            .bind(split.article)
            .bind(key(linked.ticket))
            .bind(own.to_string())
            .execute(&mut *connection)
            .await?;
    }
    let mut waits = split.due.clone();
    waits["ticket"] = serde_json::json!(linked.ticket);
    due::insert(engine, connection, &[waits]).await?;
    if let Some(address) = crate::cti::mail_key(&sender) {
        sqlx::query(engine.sql(INSERT_ADDRESS))
            .bind(key(linked.ticket))
            .bind(address)
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query(engine.sql(INSERT_LINK))
        .bind(key(linked.ticket))
        .bind(key(split.from))
        .execute(&mut *connection)
        .await?;
    for (ticket, text) in [
        (
            split.from,
            format!("A mail was split off as {}.", linked.number),
        ),
        (linked.ticket, format!("Split off from {number}.")),
    ] {
        let author = split.by.clone();
        insert_note(
            engine,
            connection,
            (ticket, split.at),
            &Note { author, text },
        )
        .await?;
    }
    Ok(Done::Split(SplitOff {
        ticket: linked.ticket,
        number: linked.number,
        contact: own,
    }))
}

fn word(state: ContactState) -> String {
    let word = serde_json::to_value(state).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}

/// Everything of `$1` becomes that of `$2`.
const MOVES: [&str; 13] = [
    "UPDATE articles SET ticket = $2 WHERE ticket = $1",
    "UPDATE answers_due SET state = 'dropped' WHERE ticket = $1 AND state = 'due' AND EXISTS \
     (SELECT 1 FROM answers_due o WHERE o.ticket = $2 AND o.state = 'due')",
    "UPDATE answers_due SET ticket = $2 WHERE ticket = $1",
    "UPDATE mails SET ticket = $2 WHERE ticket = $1",
    "UPDATE outbox SET ticket = $2 WHERE ticket = $1",
    "UPDATE contacts SET ticket = $2 WHERE ticket = $1",
    "UPDATE ticket_contacts SET ticket = $2 WHERE ticket = $1",
    "INSERT INTO ticket_addresses (ticket, address) SELECT CAST($2 AS BIGINT), address FROM ticket_addresses \
     WHERE ticket = $1 ON CONFLICT (ticket, address) DO NOTHING",
    "INSERT INTO ticket_watchers (ticket, address, email, name, at, why, given_by, left_at) \
     SELECT CAST($2 AS BIGINT), address, email, name, at, why, given_by, left_at FROM ticket_watchers WHERE ticket = $1 \
     ON CONFLICT (ticket, address) DO NOTHING",
    "INSERT INTO ticket_cis (ticket, ci) SELECT CAST($2 AS BIGINT), ci FROM ticket_cis WHERE ticket = $1 \
     ON CONFLICT (ticket, ci) DO NOTHING",
    "UPDATE ticket_links SET origin = $2 WHERE origin = $1 AND ticket <> $2",
    "UPDATE tickets SET merged_into = $2 WHERE merged_into = $1",
    "UPDATE tickets SET merged_into = $2 WHERE id = $1",
];

const CLOSE_MERGED: &str =
    "UPDATE tickets SET status = 'closed', resolution = 'merged', changed_at = $2 WHERE id = $1";

const TOUCH: &str = "UPDATE tickets SET changed_at = $2 WHERE id = $1";

const OPEN_CONTACTS: &str = "\
SELECT id, state FROM contacts WHERE ticket = $1 AND channel = 'email' AND ended_at IS NULL
ORDER BY arrived_at, id";

const FIND_ARTICLE: &str = "\
SELECT m.sender, m.envelope_to, m.mailbox, t.number, m.contact, c.ended_at,
    (SELECT COUNT(*) FROM articles o WHERE o.ticket = a.ticket AND o.direction = 'in' AND o.id <> a.id)
FROM articles a JOIN mails m ON m.article = a.id JOIN tickets t ON t.id = a.ticket
LEFT JOIN contacts c ON c.id = m.contact
WHERE a.id = $1 AND a.ticket = $2 AND a.direction = 'in'";

/// The contact arrives when the mail did; who it is from is known as it was for the contact it came with.
const INSERT_CONTACT: &str = "\
INSERT INTO contacts (id, changed_at, channel, sender, recipient, via, queue, caller, class, outcome, state,
    arrived_at)
SELECT $1, a.at, 'email', $2, $3, $4, COALESCE(c.queue, t.queue), c.caller, c.class,
    COALESCE(c.outcome, 'unknown'), $5, a.at
FROM articles a JOIN tickets t ON t.id = a.ticket LEFT JOIN contacts c ON c.id = a.contact
WHERE a.id = $6 AND t.id = $7";

const MOVE_ARTICLE: &str = "UPDATE articles SET ticket = $2, contact = $3 WHERE id = $1";

const MOVE_MAIL: &str =
    "UPDATE mails SET ticket = $2, contact = $3, node = NULL WHERE article = $1";

pub(super) const INSERT_ADDRESS: &str = "\
INSERT INTO ticket_addresses (ticket, address) VALUES ($1, $2) ON CONFLICT (ticket, address) DO NOTHING";

const INSERT_LINK: &str = "\
INSERT INTO ticket_links (ticket, origin, why) VALUES ($1, $2, 'split') ON CONFLICT (ticket) DO NOTHING";
