//! Reading tickets: one with all that belongs to it, or lists.

use super::articles::{Article, call_article};
use super::watchers::TicketWatcher;
use super::{Grade, Kind, TicketStatus, Tickets};
use crate::database::DatabaseFault;
use ringdown_routing::ids::{CallerId, CiId, ContactId, OrganisationId, QueueId, TicketId};
use ringdown_routing::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;

/// A ticket with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its key.
    pub id: TicketId,
    /// Its number as people say it.
    pub number: String,
    /// What kind of work.
    pub kind: Kind,
    /// How many it hurts.
    pub impact: Grade,
    /// How soon it is needed.
    pub urgency: Grade,
    /// From impact and urgency, 1 the most urgent.
    pub priority: u8,
    /// How far it has come.
    pub status: TicketStatus,
    /// How it ended, in words; `spam` and `merged` are the desk's own.
    pub resolution: Option<String>,
    /// The ticket that has taken this one in.
    pub merged_into: Option<TicketId>,
    /// The ticket that this one follows, was split from or names, or that of the major incident it may be about.
    #[serde(default)]
    pub linked_to: Option<TicketId>,
    /// Which of these: `follow_up`, `split`, `linked` or `incident`.
    #[serde(default)]
    pub linked_why: Option<String>,
    /// How many tickets are linked to this one.
    #[serde(default)]
    pub linked_from_total: u64,
    /// What it is about.
    pub subject: String,
    /// Whose it is.
    pub caller: Option<CallerId>,
    /// The caller's organisation when it was opened.
    pub organisation: Option<OrganisationId>,
    /// The line it came by.
    pub queue: Option<QueueId>,
    /// What it is about, in the CMS.
    pub cis: Vec<CiId>,
    /// Contacts about it, in the order they came; the newest [`WHOLE_MAX`].
    pub contacts: Vec<ContactId>,
    /// How many contacts are about it.
    #[serde(default)]
    pub contacts_total: u64,
    /// What was said and written, in the order it came; of calls and of texts the newest [`WHOLE_MAX`] each.
    pub articles: Vec<Article>,
    /// Who gets copies of what is answered by mail, in the order they came.
    #[serde(default)]
    pub watchers: Vec<TicketWatcher>,
    /// Since when it waits for an answer by mail, and when that is due; `None` while it waits for none.
    pub answer_due: Option<AnswerDue>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it or one of its contacts last changed.
    pub changed_at: Timestamp,
}

/// A ticket's wait for an answer by mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerDue {
    /// `first` while no agent has answered it, else `next`.
    pub kind: String,
    /// When the oldest mail came that is not answered.
    pub since_at: Timestamp,
    /// `None` when no time is due.
    pub due_at: Option<Timestamp>,
    /// When it was put forward.
    pub escalated_at: Option<Timestamp>,
}

/// A ticket in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketSummary {
    /// Its key.
    pub id: TicketId,
    /// Its number as people say it.
    pub number: String,
    /// What kind of work.
    pub kind: Kind,
    /// 1 the most urgent.
    pub priority: u8,
    /// How far it has come.
    pub status: TicketStatus,
    /// What it is about.
    pub subject: String,
    /// Whose it is.
    pub caller: Option<CallerId>,
    /// When it was opened.
    pub created_at: Timestamp,
}

/// Which tickets to list, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TicketsQuery {
    /// Only the one with this number.
    pub number: Option<String>,
    /// Only this contact's.
    pub contact: Option<ContactId>,
    /// Only this caller's.
    pub caller: Option<CallerId>,
    /// Only those opened before this one; from the last row of the page before.
    pub before: Option<TicketId>,
}

impl Tickets {
    /// A ticket with all that belongs to it.
    pub async fn ticket(&self, id: TicketId) -> Result<Option<Ticket>, DatabaseFault> {
        let key = key(id);
        let reads = self.database.reads();
        let row = sqlx::query("SELECT * FROM tickets WHERE id = $1")
            .bind(key)
            .fetch_optional(reads)
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let cis: Vec<(String,)> =
            sqlx::query_as("SELECT ci FROM ticket_cis WHERE ticket = $1 ORDER BY ci")
                .bind(key)
                .fetch_all(reads)
                .await?;
        let mut contacts = sqlx::query(CONTACTS_OF)
            .bind(key)
            .bind(WHOLE_MAX)
            .fetch_all(reads)
            .await?;
        contacts.reverse();
        let (contacts_total,): (i64,) = sqlx::query_as(HOW_MANY_CONTACTS)
            .bind(key)
            .fetch_one(reads)
            .await?;
        let link: Option<(i64, String)> =
            sqlx::query_as("SELECT origin, why FROM ticket_links WHERE ticket = $1")
                .bind(key)
                .fetch_optional(reads)
                .await?;
        let (linked_to, linked_why) = link.unzip();
        let (linked_from,): (i64,) =
            sqlx::query_as("SELECT COUNT(*) FROM ticket_links WHERE origin = $1")
                .bind(key)
                .fetch_one(reads)
                .await?;
        let texts = self.texts(id).await?;
        let answer_due = self.answer_due(id).await?;
        let watchers = self.watchers(id).await?;
        let mut changed_at: i64 = row.try_get("changed_at")?;
        let mut articles = Vec::with_capacity(contacts.len() + texts.len());
        let mut contact_ids = Vec::with_capacity(contacts.len());
        for contact in &contacts {
            let id: String = contact.try_get("contact")?;
            contact_ids.push(
                id.parse()
                    .map_err(|fault| DatabaseFault::Unreadable(format!("{id}: {fault}")))?,
            );
            changed_at = changed_at.max(contact.try_get("changed_at")?);
            articles.extend(call_article(id, contact)?);
        }
        articles.extend(texts);
        articles.sort_by_key(|article| article.at);
        let optional = |column| row.try_get::<Option<String>, _>(column);
        Ok(Some(Ticket {
            id,
            number: row.try_get("number")?,
            kind: word(row.try_get("kind")?)?,
            impact: grade(&row, "impact")?,
            urgency: grade(&row, "urgency")?,
            priority: small(&row, "priority")?,
            status: word(row.try_get("status")?)?,
            resolution: optional("resolution")?,
            merged_into: row
                .try_get::<Option<i64>, _>("merged_into")?
                .and_then(|id| u64::try_from(id).ok())
                .map(TicketId::new),
            linked_to: linked_to
                .and_then(|id| u64::try_from(id).ok())
                .map(TicketId::new),
            linked_why,
            linked_from_total: u64::try_from(linked_from).unwrap_or(0),
            subject: row.try_get("subject")?,
            caller: optional("caller")?.map(CallerId::new),
            organisation: optional("organisation")?.map(OrganisationId::new),
            queue: optional("queue")?.map(QueueId::new),
            cis: cis.into_iter().map(|(ci,)| CiId::new(ci)).collect(),
            contacts: contact_ids,
            contacts_total: u64::try_from(contacts_total).unwrap_or(0),
            articles,
            watchers,
            answer_due,
            created_at: Timestamp::from_millis(row.try_get("created_at")?),
            changed_at: Timestamp::from_millis(changed_at),
        }))
    }

    /// Whether the ticket waits for an answer by mail.
    pub async fn answer_due(&self, id: TicketId) -> Result<Option<AnswerDue>, DatabaseFault> {
        let row: Option<(String, i64, Option<i64>, Option<i64>)> = sqlx::query_as(
            "SELECT kind, since, due_at, escalated_at FROM answers_due WHERE ticket = $1 AND state = 'due'",
        )
        .bind(key(id))
        .fetch_optional(self.database.reads())
        .await?;
        Ok(row.map(|(kind, since, due_at, escalated_at)| AnswerDue {
            kind,
            since_at: Timestamp::from_millis(since),
            due_at: due_at.map(Timestamp::from_millis),
            escalated_at: escalated_at.map(Timestamp::from_millis),
        }))
    }

    /// At most `limit` tickets, newest first.
    pub async fn list(
        &self,
        query: &TicketsQuery,
        limit: usize,
    ) -> Result<Vec<TicketSummary>, DatabaseFault> {
        let rows = sqlx::query(LIST)
            .bind(query.number.clone().unwrap_or_default())
            .bind(query.contact.map_or(String::new(), |id| id.to_string()))
            .bind(
                query
                    .caller
                    .as_ref()
                    .map_or("", CallerId::as_str)
                    .to_owned(),
            )
            .bind(query.before.map_or(i64::MAX, key))
            .bind(i64::try_from(limit.clamp(1, TICKETS_MAX)).unwrap_or(1))
            .fetch_all(self.database.reads())
            .await?;
        rows.iter().map(summary).collect()
    }

    /// The caller's tickets that are neither solved nor closed, most urgent first.
    pub async fn open_tickets(
        &self,
        caller: &CallerId,
    ) -> Result<Vec<TicketSummary>, DatabaseFault> {
        let rows = sqlx::query(
            "SELECT * FROM tickets WHERE caller = $1 AND status IN ('open', 'in_progress') \
             ORDER BY priority, id DESC LIMIT 50",
        )
        .bind(caller.as_str().to_owned())
        .fetch_all(self.database.reads())
        .await?;
        rows.iter().map(summary).collect()
    }
}

const CONTACTS_OF: &str = "\
SELECT l.contact, l.linked_at, COALESCE(c.changed_at, l.linked_at) AS changed_at, c.channel, c.sender,
    c.recipient, c.arrived_at, c.result, c.agent, c.wait_ms, c.talk_ms, c.hold_ms, c.reason
FROM ticket_contacts l JOIN contacts c ON c.id = l.contact WHERE l.ticket = $1
ORDER BY l.contact DESC LIMIT $2";

const HOW_MANY_CONTACTS: &str = "\
SELECT COUNT(*) FROM ticket_contacts l JOIN contacts c ON c.id = l.contact WHERE l.ticket = $1";

/// Most contacts, and most texts, that a ticket is shown with: the ticket of a major incident may have any
/// number. `GET /contacts?ticket=` pages through all of them.
pub const WHOLE_MAX: i64 = 1_000;

const LIST: &str = "\
SELECT t.* FROM tickets t WHERE ($1 = '' OR t.number = $1)
    AND ($2 = '' OR t.id IN (SELECT ticket FROM ticket_contacts WHERE contact = $2))
    AND ($3 = '' OR t.caller = $3) AND t.id < $4 ORDER BY t.id DESC LIMIT $5";

fn summary(row: &AnyRow) -> Result<TicketSummary, DatabaseFault> {
    let id: i64 = row.try_get("id")?;
    Ok(TicketSummary {
        id: TicketId::new(u64::try_from(id).unwrap_or(0)),
        number: row.try_get("number")?,
        kind: word(row.try_get("kind")?)?,
        priority: small(row, "priority")?,
        status: word(row.try_get("status")?)?,
        subject: row.try_get("subject")?,
        caller: row
            .try_get::<Option<String>, _>("caller")?
            .map(CallerId::new),
        created_at: Timestamp::from_millis(row.try_get("created_at")?),
    })
}

fn grade(row: &AnyRow, column: &str) -> Result<Grade, DatabaseFault> {
    Grade::try_from(small(row, column)?)
        .map_err(|fault| DatabaseFault::Unreadable(fault.to_owned()))
}

fn small(row: &AnyRow, column: &str) -> Result<u8, DatabaseFault> {
    let value: i64 = row.try_get(column)?;
    u8::try_from(value).map_err(|_| DatabaseFault::Unreadable(format!("{column} {value}")))
}

/// Reads one of our enums from its word.
pub(super) fn word<T: DeserializeOwned>(text: String) -> Result<T, DatabaseFault> {
    serde_json::from_value(serde_json::Value::String(text))
        .map_err(|error| DatabaseFault::Unreadable(error.to_string()))
}

pub(super) fn key(id: TicketId) -> i64 {
    i64::try_from(id.as_u64()).unwrap_or(i64::MAX)
}

/// Most tickets of one page.
const TICKETS_MAX: usize = 500;
