//! When mails are to be answered, and when they were: one row for each time a ticket waits for an answer.
//!
//! A ticket waits from its first unanswered mail to the next answer of an agent. Times count in the opening
//! hours of the line the mail came by; what was promised then stays when the mail goes elsewhere.
//! The event log is told when a wait begins, when its mail is in another line, and when it is over, with all that is
//! counted of it.

use super::filing::{Attendance, Decided, MailToFile};
use super::rows::{execute, text_of};
use crate::config::Config;
use crate::database::{DatabaseFault, Engine};
use crate::tickets::{facet_columns, facets_of};
use ringdown_routing::event::{EventDraft, EventKind};
use ringdown_routing::ids::{AgentId, ContactId, QueueId, TicketId};
use ringdown_routing::ticket::{AnswerEnd, AnswerWait, ContactFacets};
use ringdown_routing::time::Timestamp;
use serde_json::{Value, json};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::collections::BTreeMap;
use std::time::Duration;

/// When an answer to a mail is due, by its ticket's priority.
#[derive(Clone, Debug, Default)]
pub(super) struct DuePlan {
    first: BTreeMap<u8, DueTimes>,
    next: BTreeMap<u8, DueTimes>,
}

#[derive(Clone, Copy, Debug)]
struct DueTimes {
    due_at: Timestamp,
    /// `None` when nothing happens before it lapses.
    escalate_at: Option<Timestamp>,
}

impl DuePlan {
    /// That of a mail that came into a line.
    pub(super) fn of(config: &Config, queue: &QueueId, since: Timestamp) -> Self {
        let Some(queue) = config.queue(queue) else {
            return Self::default();
        };
        let before = queue.mail.escalate_before;
        let times = |within: Duration| DueTimes {
            due_at: config.after_open_time(queue, since, within),
            escalate_at: (before > Duration::ZERO)
                .then(|| config.after_open_time(queue, since, within.saturating_sub(before))),
        };
        let all = |by_priority: &BTreeMap<u8, Duration>| {
            let each = by_priority.iter();
            each.map(|(priority, within)| (*priority, times(*within)))
                .collect()
        };
        Self {
            first: all(&queue.mail.first_answer_due),
            next: all(&queue.mail.next_answer_due),
        }
    }

    /// The row of a ticket that waits from now on.
    pub(super) fn row(&self, waits: &Waits<'_>, priority: i64, was_answered: bool) -> Value {
        let (kind, plan) = if was_answered {
            ("next", &self.next)
        } else {
            ("first", &self.first)
        };
        let times = u8::try_from(priority).ok();
        let times = times.and_then(|priority| plan.get(&priority));
        json!({
            "ticket": waits.ticket,
            "contact": waits.contact,
            "queue": waits.queue,
            "kind": kind,
            "since": waits.since,
            "due_at": times.map(|times| times.due_at),
            "escalate_at": times.and_then(|times| times.escalate_at),
        })
    }
}

/// What waits for an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits<'w> {
    pub(super) ticket: TicketId,
    pub(super) contact: ContactId,
    pub(super) queue: &'w QueueId,
    pub(super) since: Timestamp,
}

/// Notes that tickets wait for an answer, unless they do already; part of the writer's transaction.
pub(super) async fn note_waiting(
    engine: Engine,
    connection: &mut AnyConnection,
    mails: &[&MailToFile],
    decided: &[Decided],
    tickets: &[(TicketId, String)],
) -> Result<(), DatabaseFault> {
    let waiting: Vec<(&MailToFile, Waits<'_>)> = mails
        .iter()
        .zip(decided.iter().zip(tickets))
        .filter_map(|(mail, (decided, (ticket, _)))| {
            let contact = match decided.attendance {
                Attendance::Own(contact) | Attendance::Joins(contact) => contact,
                Attendance::Nobody => return None,
            };
            let waits = Waits {
                ticket: *ticket,
                contact,
                queue: &mail.arrival.queue,
                since: mail.arrival.at,
            };
            (!mail.arrival.is_spam).then_some((*mail, waits))
        })
        .collect();
    if waiting.is_empty() {
        return Ok(());
    }
    let asked: Vec<Value> = waiting
        .iter()
        .map(|(_, waits)| json!({ "ticket": waits.ticket }))
        .collect();
    let found: Vec<(i64, i64, i64)> = sqlx::query_as(engine.sql(FIND_PRIORITIES))
        .bind(text_of(&asked)?)
        .fetch_all(&mut *connection)
        .await?;
    let known: BTreeMap<i64, (i64, bool)> = found
        .into_iter()
        .map(|(ticket, priority, answered)| (ticket, (priority, answered != 0)))
        .collect();
    let rows: Vec<Value> = waiting
        .iter()
        .filter_map(|(mail, waits)| {
            let key = i64::try_from(waits.ticket.as_u64()).ok()?;
            let (priority, was_answered) = known.get(&key)?;
            Some(mail.due.row(waits, *priority, *was_answered))
        })
        .collect();
    insert(engine, connection, &rows).await
}

/// Writes rows of tickets that wait; one that waits already keeps its time.
pub(super) async fn insert(
    engine: Engine,
    connection: &mut AnyConnection,
    rows: &[Value],
) -> Result<(), DatabaseFault> {
    execute(engine, connection, INSERT, rows).await
}

/// How a ticket's waiting ends.
#[derive(Clone, Debug)]
pub(super) enum WaitingEnd {
    /// An agent answered.
    Answered {
        /// The line whose agent did.
        queue: QueueId,
        /// How much of the wait lay in opening hours.
        working: Duration,
        /// Who it was.
        agent: AgentId,
    },
    /// Nobody answers any more.
    Dropped,
}

/// Notes how a ticket's waiting ended, if it waits; part of the writer's transaction.
pub(super) async fn end_waiting(
    engine: Engine,
    connection: &mut AnyConnection,
    (ticket, at): (TicketId, Timestamp),
    end: &WaitingEnd,
) -> Result<(), DatabaseFault> {
    let ticket = i64::try_from(ticket.as_u64()).unwrap_or(i64::MAX);
    match end {
        WaitingEnd::Answered {
            queue,
            working,
            agent,
        } => {
            let working = i64::try_from(working.as_millis()).unwrap_or(i64::MAX);
            sqlx::query(engine.sql(ANSWERED))
                .bind(at.as_millis())
                .bind(working)
                .bind(queue.as_str().to_owned())
                .bind(agent.as_str().to_owned())
                .bind(ticket)
                .execute(connection)
                .await?;
        }
        WaitingEnd::Dropped => {
            sqlx::query(engine.sql(DROPPED))
                .bind(ticket)
                .execute(connection)
                .await?;
        }
    }
    Ok(())
}

/// Notes that contacts went to other lines; part of the writer's transaction. A wait goes with its contact.
pub(crate) async fn note_moved(
    engine: Engine,
    connection: &mut AnyConnection,
    contacts: &[ContactId],
) -> Result<(), DatabaseFault> {
    let rows: Vec<Value> = contacts.iter().map(|it| json!({ "contact": it })).collect();
    execute(engine, connection, NOTE_MOVED, &rows).await
}

/// What the event log was not told yet of waits, noted as told; part of the writer's transaction, after all
/// that changes them.
pub(crate) async fn untold(
    engine: Engine,
    connection: &mut AnyConnection,
) -> Result<Vec<EventDraft>, DatabaseFault> {
    let rows = sqlx::query(UNTOLD).fetch_all(&mut *connection).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let (mut drafts, mut told) = (Vec::new(), Vec::with_capacity(rows.len()));
    for row in &rows {
        let wait = tell(row, &mut drafts)?;
        told.push(json!({
            "id": row.try_get::<i64, _>("id")?,
            "line": wait.queue,
            "facets": serde_json::to_string(&wait.facets).map_err(unreadable)?,
        }));
    }
    execute(engine, connection, NOTE_TOLD, &told).await?;
    Ok(drafts)
}

/// Gives the wait as it is told, with the line whose backlog it is.
fn tell(row: &AnyRow, drafts: &mut Vec<EventDraft>) -> Result<AnswerWait, DatabaseFault> {
    let text = |name: &str| row.try_get::<Option<String>, _>(name);
    let number = |name: &str| row.try_get::<Option<i64>, _>(name);
    let since = Timestamp::from_millis(row.try_get("since")?);
    let queue = text("queue")?.unwrap_or_default();
    let came_by = QueueId::new(text("came_by")?.unwrap_or_else(|| queue.clone()));
    let told_before = text("line")?.map(QueueId::new);
    let mut wait = AnswerWait {
        since,
        queue: told_before.clone().unwrap_or_else(|| came_by.clone()),
        is_first: text("kind")?.as_deref() == Some("first"),
        due_at: number("due_at")?.map(Timestamp::from_millis),
        facets: Box::new(facets_told(row, told_before.is_some())?),
    };
    let ticket = row.try_get::<i64, _>("ticket")?;
    let ticket = TicketId::new(u64::try_from(ticket).unwrap_or(0));
    let changed_at = number("changed_at")?.map_or(since, Timestamp::from_millis);
    let changed_at = changed_at.max(since);
    let contact = text("contact")?.and_then(|id| id.parse::<ContactId>().ok());
    let mut draft = |at, queue, agent, kind| {
        drafts.push(EventDraft {
            at,
            contact,
            queue: Some(queue),
            agent,
            kind,
        });
    };
    if told_before.is_none() {
        let kind = EventKind::AnswerAwaited {
            ticket,
            wait: wait.clone(),
            from: None,
        };
        draft(changed_at, wait.queue.clone(), None, kind);
    }
    let is_due = text("state")?.as_deref() == Some(DUE);
    if is_due
        && let Some(now) = text("now_in")?
            .map(QueueId::new)
            .filter(|now| *now != wait.queue)
    {
        let from = std::mem::replace(&mut wait.queue, now);
        let moved_at = number("moved_at")?.map_or(since, Timestamp::from_millis);
        let kind = EventKind::AnswerAwaited {
            ticket,
            wait: wait.clone(),
            from: Some(from),
        };
        draft(moved_at.max(since), wait.queue.clone(), None, kind);
    }
    let (at, end) = match text("state")?.as_deref() {
        Some("answered") => {
            let at = number("answered_at")?.map_or(changed_at, Timestamp::from_millis);
            let working_ms = number("working_ms")?.unwrap_or(0);
            let working_ms = u64::try_from(working_ms).unwrap_or(0);
            (at, AnswerEnd::Given { working_ms })
        }
        Some("dropped") => (changed_at, AnswerEnd::Dropped),
        Some(_) | None => return Ok(wait),
    };
    let agent = text("agent")?.map(AgentId::new);
    let kind = EventKind::AnswerWaitEnded {
        ticket,
        wait: wait.clone(),
        end,
    };
    draft(at, QueueId::new(queue), agent, kind);
    Ok(wait)
}

/// What a wait is counted by: as it was told before, else as the contact's record has it.
fn facets_told(row: &AnyRow, was_told: bool) -> Result<ContactFacets, DatabaseFault> {
    if was_told {
        let told: Option<String> = row.try_get("facets")?;
        let told = told.map(|told| serde_json::from_str(&told).map_err(unreadable));
        return Ok(told.transpose()?.unwrap_or_default());
    }
    Ok(ContactFacets {
        agent: None,
        ..facets_of(row)?
    })
}

fn unreadable(error: serde_json::Error) -> DatabaseFault {
    DatabaseFault::Unreadable(format!("what a wait for an answer is counted by: {error}"))
}

const FIND_PRIORITIES: &str = "\
SELECT t.id, t.priority, CASE WHEN EXISTS (SELECT 1 FROM articles a
    WHERE a.ticket = t.id AND a.direction = 'out' AND a.automatic IS NULL) THEN 1 ELSE 0 END
FROM {rows} JOIN tickets t ON t.id = CAST(r.value->>'ticket' AS BIGINT)";

const INSERT: &str = "\
INSERT INTO answers_due (ticket, contact, queue, came_by, kind, since, due_at, escalate_at, state)
SELECT CAST(r.value->>'ticket' AS BIGINT), r.value->>'contact', r.value->>'queue', r.value->>'queue',
    r.value->>'kind',
    CAST(r.value->>'since' AS BIGINT), CAST(r.value->>'due_at' AS BIGINT),
    CAST(r.value->>'escalate_at' AS BIGINT), 'due'
FROM {rows} WHERE true ON CONFLICT DO NOTHING";

const ANSWERED: &str = "\
UPDATE answers_due SET state = 'answered', answered_at = $1, working_ms = $2, queue = $3, agent = $4
WHERE ticket = $5 AND state = 'due'";

const DROPPED: &str =
    "UPDATE answers_due SET state = 'dropped' WHERE ticket = $1 AND state = 'due'";

const UNTOLD: &str = concat!(
    "SELECT ",
    facet_columns!(),
    ", d.id, d.ticket, d.contact, d.queue, d.came_by, d.kind, d.since, d.due_at, d.state, d.answered_at,
    d.working_ms, d.agent, d.line, d.facets, t.changed_at, c.queue AS now_in, c.changed_at AS moved_at
FROM answers_due d LEFT JOIN tickets t ON t.id = d.ticket LEFT JOIN contacts c ON c.id = d.contact
WHERE d.told = 0 OR (d.told = 1 AND d.state <> 'due') ORDER BY d.id LIMIT 5000"
);

const NOTE_TOLD: &str = "\
UPDATE answers_due SET told = CASE WHEN answers_due.state = 'due' THEN 1 ELSE 2 END, line = x.line,
    facets = x.facets FROM (
    SELECT CAST(r.value->>'id' AS BIGINT) AS id, r.value->>'line' AS line, r.value->>'facets' AS facets FROM {rows}
) x WHERE answers_due.id = x.id";

/// What waits and is in another line than the log was told, is to be told.
const NOTE_MOVED: &str = "\
UPDATE answers_due SET told = 0 WHERE state = 'due' AND told = 1
    AND contact IN (SELECT r.value->>'contact' FROM {rows})";

/// The state of a wait that goes on.
const DUE: &str = "due";
