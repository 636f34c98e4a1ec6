//! What was said and written on a ticket, and what came with it.

use super::WHOLE_MAX;
use super::reading::{key, word};
use super::{Ticket, Tickets};
use crate::database::DatabaseFault;
use ringdown_routing::contact::Channel;
use ringdown_routing::event::ContactResult;
use ringdown_routing::ids::{AgentId, ContactId, TicketId};
use ringdown_routing::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::Row;
use sqlx::any::AnyRow;
use std::collections::BTreeMap;

/// One thing said or written on a ticket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Article {
    /// Its key: the contact for a call, a number for a text.
    pub id: String,
    /// How it came; `None` for a note of the desk.
    pub channel: Option<Channel>,
    /// Which way.
    pub direction: Direction,
    /// Who from.
    pub from: String,
    /// Who to.
    pub to: String,
    /// Its subject; empty for a call.
    pub subject: String,
    /// The text; for a call, its facts in words.
    pub text: String,
    /// The text without quotes and signature.
    pub text_new: String,
    /// The mail's HTML made safe: no script, nothing loaded from elsewhere.
    pub html_safe: Option<String>,
    /// Whether a machine answers or reports in it: an absence, a delivery report, a receipt.
    pub auto_reply: bool,
    /// What kind of sender wrote it that is no person, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automatic: Option<String>,
    /// The mail's own Message-ID, in angle brackets.
    pub message_id: Option<String>,
    /// The Message-ID it answers.
    pub in_reply_to: Option<String>,
    /// When.
    pub at: Timestamp,
    /// The contact it came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactId>,
    /// Files that came with it.
    pub attachments: Vec<Attachment>,
    /// How the sender was recognised, who else got it, what was strange about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Value>,
    /// A call's facts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallFacts>,
}

/// A file that came with an article; its octets are at `/tickets/{id}/attachments/{aid}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its key.
    pub id: i64,
    /// A name that is safe to show and to store.
    pub filename: String,
    /// The type its sender says it has.
    pub content_type: String,
    /// How many octets it has.
    pub bytes: u64,
    /// SHA-256 of them, in hexadecimal.
    pub sha256: String,
    /// Whether it is shown within the text.
    pub inline: bool,
}

/// Which way an article went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the customer.
    In,
    /// To the customer.
    Out,
    /// Among the desk.
    Internal,
}

/// What a call was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallFacts {
    /// How it ended; `None` while it lasts.
    pub result: Option<ContactResult>,
    /// Who took it.
    pub agent: Option<AgentId>,
    /// How long the caller waited.
    pub wait_ms: Option<u64>,
    /// How long they spoke.
    pub talk_ms: Option<u64>,
    /// How long the call was on hold.
    pub hold_ms: Option<u64>,
    /// Why it was blocked or failed.
    pub reason: Option<String>,
}

impl Tickets {
    /// What people and machines wrote on a ticket, in the order it came; the newest [`WHOLE_MAX`].
    pub(super) async fn texts(&self, ticket: TicketId) -> Result<Vec<Article>, DatabaseFault> {
        let reads = self.database.reads();
        let mut attachments: BTreeMap<i64, Vec<Attachment>> = BTreeMap::new();
        let rows = sqlx::query(ATTACHMENTS_OF)
            .bind(key(ticket))
            .bind(WHOLE_MAX)
            .fetch_all(reads)
            .await?;
        for row in &rows {
            let of: i64 = row.try_get("article")?;
            attachments.entry(of).or_default().push(attachment(row)?);
        }
        let rows = sqlx::query(TEXTS_OF)
            .bind(key(ticket))
            .bind(WHOLE_MAX)
            .fetch_all(reads)
            .await?;
        rows.iter()
            .rev()
            .map(|row| {
                let id: i64 = row.try_get("id")?;
                text_article(row, attachments.remove(&id).unwrap_or_default())
            })
            .collect()
    }

    /// One file of a ticket.
    pub async fn attachment(
        &self,
        ticket: TicketId,
        id: i64,
    ) -> Result<Option<Attachment>, DatabaseFault> {
        let row = sqlx::query(
            "SELECT a.* FROM attachments a JOIN articles t ON t.id = a.article \
             WHERE a.id = $1 AND t.ticket = $2",
        )
        .bind(id)
        .bind(key(ticket))
        .fetch_optional(self.database.reads())
        .await?;
        row.as_ref().map(attachment).transpose()
    }

    /// The octets of a file, one piece after the other from 0; `None` behind the last.
    pub async fn piece(&self, sha256: &str, place: i64) -> Result<Option<Vec<u8>>, DatabaseFault> {
        let row: Option<(Vec<u8>,)> =
            sqlx::query_as("SELECT body FROM blobs WHERE sha256 = $1 AND place = $2")
                .bind(sha256.to_owned())
                .bind(place)
                .fetch_optional(self.database.reads())
                .await?;
        Ok(row.map(|(body,)| body))
    }

    /// The ticket that holds a mail with this Message-ID, the newest first; with or without brackets.
    pub async fn ticket_of_mail(&self, message_id: &str) -> Result<Option<Ticket>, DatabaseFault> {
        let bare = message_id
            .trim()
            .trim_start_matches('<')
            .trim_end_matches('>');
        let row: Option<(i64,)> = sqlx::query_as(
            "SELECT ticket FROM articles WHERE message_id = $1 ORDER BY id DESC LIMIT 1",
        )
        .bind(format!("<{bare}>"))
        .fetch_optional(self.database.reads())
        .await?;
        match row {
            Some((id,)) => {
                self.ticket(TicketId::new(u64::try_from(id).unwrap_or(0)))
                    .await
            }
            None => Ok(None),
        }
    }
}

const ATTACHMENTS_OF: &str = "\
SELECT a.* FROM attachments a JOIN (
    SELECT id FROM articles WHERE ticket = $1 ORDER BY at DESC, id DESC LIMIT $2
) t ON t.id = a.article ORDER BY a.article, a.place";

const TEXTS_OF: &str = "\
SELECT * FROM articles WHERE ticket = $1 ORDER BY at DESC, id DESC LIMIT $2";

fn attachment(row: &AnyRow) -> Result<Attachment, DatabaseFault> {
    let bytes: i64 = row.try_get("bytes")?;
    let inline: i64 = row.try_get("inline")?;
    Ok(Attachment {
        id: row.try_get("id")?,
        filename: row.try_get("filename")?,
        content_type: row.try_get("content_type")?,
        bytes: u64::try_from(bytes).unwrap_or(0),
        sha256: row.try_get("sha256")?,
        inline: inline != 0,
    })
}

/// The article of a contact that left no text: a call. Mails, faxes and chats are articles of their own.
pub(super) fn call_article(id: String, row: &AnyRow) -> Result<Option<Article>, DatabaseFault> {
    let text = |column| row.try_get::<Option<String>, _>(column);
    let millis = |column| {
        let value = row.try_get::<Option<i64>, _>(column)?;
        Ok::<_, sqlx::Error>(value.and_then(|it| u64::try_from(it).ok()))
    };
    let channel: Option<Channel> = text("channel")?.map(word).transpose()?;
    match channel {
        Some(Channel::Voice) | None => {}
        Some(Channel::Email | Channel::Fax | Channel::Chat) => return Ok(None),
    }
    let facts = CallFacts {
        result: text("result")?.map(word).transpose()?,
        agent: text("agent")?.map(AgentId::new),
        wait_ms: millis("wait_ms")?,
        talk_ms: millis("talk_ms")?,
        hold_ms: millis("hold_ms")?,
        reason: text("reason")?,
    };
    let linked_at: i64 = row.try_get("linked_at")?;
    let arrived_at: Option<i64> = row.try_get("arrived_at")?;
    Ok(Some(Article {
        contact: id.parse().ok(),
        id,
        channel,
        direction: Direction::In,
        from: text("sender")?.unwrap_or_default(),
        to: text("recipient")?.unwrap_or_default(),
        subject: String::new(),
        text: words_of(&facts),
        text_new: String::new(),
        html_safe: None,
        auto_reply: false,
        automatic: None,
        message_id: None,
        in_reply_to: None,
        at: Timestamp::from_millis(arrived_at.unwrap_or(linked_at)),
        attachments: Vec::new(),
        facts: None,
        call: Some(facts),
    }))
}

/// A call's facts as people read them.
fn words_of(facts: &CallFacts) -> String {
    let seconds = |millis: u64| format!("{} s", (millis + 500) / 1_000);
    let agent = facts.agent.as_ref().map_or("an agent", AgentId::as_str);
    let mut words = match facts.result {
        None => "Call in progress".to_owned(),
        Some(ContactResult::Answered) => format!("Call answered by {agent}"),
        Some(ContactResult::Abandoned) => "Caller left before an agent answered".to_owned(),
        Some(ContactResult::FlowedOut) => "Call left the queue unanswered".to_owned(),
        Some(ContactResult::CallBack) => "Caller asked to be called back".to_owned(),
        Some(ContactResult::Informed) => {
            "Caller heard of the incident and left before the queue".to_owned()
        }
        Some(ContactResult::Blocked) => "Call was refused before the queue".to_owned(),
        Some(ContactResult::Failed) => "Call failed".to_owned(),
    };
    for (name, value) in [
        ("waited", facts.wait_ms),
        ("talked", facts.talk_ms),
        ("held", facts.hold_ms.filter(|held| *held > 0)),
    ] {
        if let Some(millis) = value {
            words.push_str(&format!(", {name} {}", seconds(millis)));
        }
    }
    if let Some(reason) = &facts.reason {
        words.push_str(&format!(" ({reason})"));
    }
    words.push('.');
    words
}

/// Whether a sender of this kind answers or reports on mails; an alarm or a newsletter does not.
fn is_reply_of_a_machine(origin: &str) -> bool {
    let kinds = [
        "bounce",
        "receipt",
        "complaint",
        "out_of_office",
        "auto_reply",
        "null_sender",
    ];
    kinds.contains(&origin)
}

fn text_article(row: &AnyRow, attachments: Vec<Attachment>) -> Result<Article, DatabaseFault> {
    let id: i64 = row.try_get("id")?;
    let text = |column| row.try_get::<Option<String>, _>(column);
    let body: String = row.try_get("body")?;
    let facts = text("facts")?.map(|json| {
        serde_json::from_str(&json)
            .map_err(|error| DatabaseFault::Unreadable(format!("article {id}: {error}")))
    });
    let automatic = text("automatic")?;
    Ok(Article {
        id: id.to_string(),
        channel: text("channel")?.map(word).transpose()?,
        direction: word(row.try_get("direction")?)?,
        from: row.try_get("sender")?,
        to: row.try_get("recipient")?,
        subject: row.try_get("subject")?,
        text_new: text("text_new")?.unwrap_or_else(|| body.clone()),
        text: body,
        html_safe: text("html")?,
        auto_reply: automatic.as_deref().is_some_and(is_reply_of_a_machine),
        automatic,
        message_id: text("message_id")?,
        in_reply_to: text("in_reply_to")?,
        at: Timestamp::from_millis(row.try_get("at")?),
        contact: text("contact")?.and_then(|id| id.parse().ok()),
        attachments,
        facts: facts.transpose()?,
        call: None,
    })
}
