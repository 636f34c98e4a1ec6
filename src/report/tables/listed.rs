//! The tables that list: single contacts and single callers, read from the contacts' records.

use super::{CanBeCalledBack, Head, Table, TableName, Value, head};
use crate::database::DatabaseFault;
use crate::event_log::EventLog;
use crate::report::{Shown, Span};
use ringdown_routing::contact::Channel;
use ringdown_routing::event::ContactResult;
use ringdown_routing::ids::{ContactId, QueueId};
use ringdown_routing::statistics::Scope;
use ringdown_routing::time::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use std::time::Duration;

/// Most lost contacts that are listed.
const LOST_MAX: i64 = 200;

/// Most callers that are listed.
const CALLERS_MAX: i64 = 50;

/// How far the instant within a contact's id may lie from its arrival, which its gateway tells.
const ID_SLACK: Duration = Duration::from_secs(3_600);

/// Whether a contact with this result is one that a supervisor may have called back.
pub(crate) fn is_lost(result: ContactResult) -> bool {
    match result {
        ContactResult::Abandoned | ContactResult::Blocked | ContactResult::Failed => true,
        ContactResult::Answered
        | ContactResult::FlowedOut
        | ContactResult::CallBack
        | ContactResult::Informed => false,
    }
}

/// What is listed of a period.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    lost: Vec<Lost>,
    lost_count: i64,
    callers: Vec<Caller>,
    callers_count: i64,
}

#[derive(Clone, Debug)]
struct Lost {
    contact: ContactId,
    arrived_at: Timestamp,
    channel: Option<String>,
    wait_ms: Option<i64>,
    name: Option<String>,
    sender: Option<String>,
    dialled: Option<String>,
    queue: Option<String>,
    result: Option<String>,
    reason: Option<String>,
    /// How its call-back stands.
    call_back: Option<String>,
}

#[derive(Clone, Debug)]
struct Caller {
    name: Option<String>,
    sender: Option<String>,
    contacts: i64,
    answered: i64,
    abandoned: i64,
    first_at: Timestamp,
    last_at: Timestamp,
}

/// The contacts that are meant, as the queries bind them.
struct Bounds {
    id_from: String,
    id_to: String,
    from: i64,
    to: i64,
    queue: String,
    channel: String,
}

impl Bounds {
    fn of(span: Span, scope: &Scope) -> Self {
        Self {
            id_from: ContactId::new(span.from - ID_SLACK, 0).to_string(),
            id_to: ContactId::new(span.to + ID_SLACK, 0).to_string(),
            from: span.from.as_millis(),
            to: span.to.as_millis(),
            queue: scope.queue.as_ref().map_or("", QueueId::as_str).to_owned(),
            channel: scope.channel.map_or("", Channel::as_str).to_owned(),
        }
    }

    async fn rows(
        &self,
        log: &EventLog,
        sql: &str,
        limit: i64,
    ) -> Result<Vec<AnyRow>, DatabaseFault> {
        let rows = sqlx::query(AssertSqlSafe(sql.replace("{within}", WITHIN)))
            .bind(self.id_from.clone())
            .bind(self.id_to.clone())
            .bind(self.from)
            .bind(self.to)
            .bind(self.queue.clone())
            .bind(self.channel.clone())
            .bind(limit)
            .fetch_all(log.database().reads())
            .await?;
        Ok(rows)
    }
}

/// Ids begin with the instant of arrival, so that their index finds a period.
const WITHIN: &str = "c.id >= $1 AND c.id < $2 AND c.arrived_at >= $3 AND c.arrived_at < $4 \
    AND ($5 = '' OR c.queue = $5) AND ($6 = '' OR c.channel = $6)";

const LOST_COUNT: &str = "SELECT COUNT(*) AS contacts FROM contacts c WHERE {within} \
    AND c.result IN ('abandoned', 'blocked', 'failed') AND $7 > 0";

const LOST: &str = "SELECT c.id, c.arrived_at, c.channel, c.wait_ms, p.name, c.sender, c.recipient, c.queue, \
    c.result, c.reason, (SELECT b.state FROM call_backs b WHERE b.origin = c.id ORDER BY b.asked_at DESC LIMIT 1) \
    AS call_back FROM contacts c LEFT JOIN people p ON p.id = c.caller WHERE {within} \
    AND c.result IN ('abandoned', 'blocked', 'failed') ORDER BY c.id DESC LIMIT $7";

const CALLERS: &str = "SELECT p.name, r.sender, r.contacts, r.answered, r.abandoned, r.first_at, r.last_at, \
    COUNT(*) OVER () AS callers FROM (SELECT MAX(c.caller) AS caller, MAX(c.sender) AS sender, \
    COUNT(*) AS contacts, CAST(SUM(CASE WHEN c.result = 'answered' THEN 1 ELSE 0 END) AS BIGINT) AS answered, \
    CAST(SUM(CASE WHEN c.result = 'abandoned' THEN 1 ELSE 0 END) AS BIGINT) AS abandoned, \
    MIN(c.arrived_at) AS first_at, MAX(c.arrived_at) AS last_at FROM contacts c WHERE {within} \
    AND COALESCE(c.caller, c.sender, '') <> '' GROUP BY COALESCE(c.caller, c.sender) HAVING COUNT(*) > 1) r \
    LEFT JOIN people p ON p.id = r.caller ORDER BY r.contacts DESC, r.last_at DESC, r.sender LIMIT $7";

impl Listed {
    /// Reads what is shown: of the contacts that arrived in a span.
    pub async fn read(
        log: &EventLog,
        span: Span,
        scope: &Scope,
        shown: Shown,
    ) -> Result<Self, DatabaseFault> {
        let bounds = Bounds::of(span, scope);
        let mut listed = Self::default();
        if shown.has(TableName::Lost) {
            let counted = bounds.rows(log, LOST_COUNT, 1).await?;
            if let Some(row) = counted.first() {
                listed.lost_count = row.try_get("contacts")?;
            }
            let lost = bounds.rows(log, LOST, LOST_MAX).await?;
            listed.lost = lost.iter().map(Lost::read).collect::<Result<_, _>>()?;
        }
        if shown.has(TableName::RepeatCallers) {
            let callers = bounds.rows(log, CALLERS, CALLERS_MAX).await?;
            if let Some(row) = callers.first() {
                listed.callers_count = row.try_get("callers")?;
            }
            let read = callers.iter().map(Caller::read);
            listed.callers = read.collect::<Result<_, _>>()?;
        }
        Ok(listed)
    }

    pub(super) fn lost(&self) -> Table {
        let rows = self.lost.iter().map(Lost::row);
        Table {
            name: TableName::Lost,
            heads: LOST_HEADS,
            words: 9,
            rows: rows.collect(),
            left_out: beyond(self.lost_count, self.lost.len()),
        }
    }

    pub(super) fn repeat_callers(&self) -> Table {
        let rows = self.callers.iter().map(Caller::row);
        Table {
            name: TableName::RepeatCallers,
            heads: CALLER_HEADS,
            words: 4,
            rows: rows.collect(),
            left_out: beyond(self.callers_count, self.callers.len()),
        }
    }
}

const LOST_HEADS: &[Head] = &[
    head("arrived_at", ("when", "時間")),
    head("caller", ("who", "來電者")),
    head("from", ("from", "來電號碼")),
    head("to", ("dialled", "撥打號碼")),
    head("queue", ("queue", "佇列")),
    head("result", ("result", "結果")),
    head("reason", ("cause", "原因")),
    head("call_back", ("call-back", "回撥")),
    head("contact", ("contact", "來話識別碼")),
    head("waited_s", ("waited s", "等候 秒")),
];

const CALLER_HEADS: &[Head] = &[
    head("caller", ("who", "來電者")),
    head("from", ("from", "來電號碼")),
    head("first_at", ("first", "首次")),
    head("last_at", ("last", "最近")),
    head("contacts", ("contacts", "來話")),
    head("answered", ("answered", "接聽")),
    head("abandoned", ("abandoned", "放棄")),
];

impl Lost {
    fn read(row: &AnyRow) -> Result<Self, DatabaseFault> {
        let id: String = row.try_get("id")?;
        let contact = id
            .parse()
            .map_err(|fault| DatabaseFault::Unreadable(format!("{id}: {fault}")))?;
        Ok(Self {
            contact,
            arrived_at: Timestamp::from_millis(row.try_get("arrived_at")?),
            channel: row.try_get("channel")?,
            wait_ms: row.try_get("wait_ms")?,
            name: row.try_get("name")?,
            sender: row.try_get("sender")?,
            dialled: row.try_get("recipient")?,
            queue: row.try_get("queue")?,
            result: row.try_get("result")?,
            reason: row.try_get("reason")?,
            call_back: row.try_get("call_back")?,
        })
    }

    fn row(&self) -> Vec<Value> {
        let is_call = self.channel.as_deref() == Some(Channel::Voice.as_str());
        let has_number = self
            .sender
            .as_ref()
            .is_some_and(|sender| !sender.is_empty());
        let is_open = match self.call_back.as_deref() {
            None | Some("failed" | "cancelled") => true,
            Some(_) => false,
        };
        let can_be = if is_call && has_number && is_open {
            CanBeCalledBack::Yes
        } else {
            CanBeCalledBack::No
        };
        vec![
            Value::Instant(self.arrived_at),
            Value::text(self.name.clone()),
            Value::text(self.sender.clone()),
            Value::text(self.dialled.clone()),
            Value::text(self.queue.clone()),
            self.result.as_deref().map_or(Value::Nothing, Value::result),
            Value::text(self.reason.clone()),
            Value::text(self.call_back.clone()),
            Value::Contact(self.contact, can_be),
            Value::seconds(self.wait_ms.map(|millis| millis as f64 / 1_000.0)),
        ]
    }
}

impl Caller {
    fn read(row: &AnyRow) -> Result<Self, DatabaseFault> {
        Ok(Self {
            name: row.try_get("name")?,
            sender: row.try_get("sender")?,
            contacts: row.try_get("contacts")?,
            answered: row.try_get("answered")?,
            abandoned: row.try_get("abandoned")?,
            first_at: Timestamp::from_millis(row.try_get("first_at")?),
            last_at: Timestamp::from_millis(row.try_get("last_at")?),
        })
    }

    fn row(&self) -> Vec<Value> {
        vec![
            Value::text(self.name.clone()),
            Value::text(self.sender.clone()),
            Value::Instant(self.first_at),
            Value::Instant(self.last_at),
            Value::Count(self.contacts),
            Value::Count(self.answered),
            Value::Count(self.abandoned),
        ]
    }
}

fn beyond(all: i64, shown: usize) -> u64 {
    let shown = i64::try_from(shown).unwrap_or(i64::MAX);
    u64::try_from(all.saturating_sub(shown)).unwrap_or(0)
}
