//! Reading the log back: pages in the order of time, so that any length fits in memory.

use super::EventLog;
use crate::database::{DatabaseFault, Engine};
use futures_util::TryStreamExt;
use ringdown_routing::event::Event;
use ringdown_routing::ids::ContactId;
use ringdown_routing::statistics::CallerKey;
use ringdown_routing::time::Timestamp;
use std::io::Write;
use std::ops::Range;

/// Which events to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventsQuery {
    /// Those of one contact.
    OfContact(ContactId),
    /// Those that happened from (inclusive) to (exclusive).
    Between {
        /// First instant.
        from: Timestamp,
        /// First instant after.
        to: Timestamp,
    },
}

/// A place in the log, in the order of time and then of storing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    at: i64,
    seq: i64,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.at, self.seq)
    }
}

impl std::str::FromStr for Cursor {
    type Err = ringdown_routing::ids::IdFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (at, seq) = text.split_once('.')?;
            Some(Self {
                at: at.parse().ok()?,
                seq: seq.parse().ok()?,
            })
        };
        parse().ok_or(ringdown_routing::ids::IdFault { wanted: "cursor" })
    }
}

/// Some events, and where to go on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The events, in the order of time and then of storing.
    pub events: Vec<Event>,
    /// Where the next page begins; `None` when this is the last.
    pub next: Option<Cursor>,
}

impl EventLog {
    /// Reads at most `limit` events after the cursor; the first page has none.
    pub async fn page(
        &self,
        query: EventsQuery,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, DatabaseFault> {
        let limit = limit.clamp(1, PAGE_MAX);
        let cursor = after.unwrap_or(Cursor {
            at: i64::MIN,
            seq: i64::MIN,
        });
        let limit_rows = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows: Vec<(i64, i64, String)> = match query {
            EventsQuery::OfContact(contact) => {
                sqlx::query_as(
                    "SELECT at, seq, body FROM events \
                     WHERE contact = $1 AND (at, seq) > ($2, $3) ORDER BY at, seq LIMIT $4",
                )
                .bind(contact.to_string())
                .bind(cursor.at)
                .bind(cursor.seq)
                .bind(limit_rows)
                .fetch_all(self.database.reads())
                .await?
            }
            EventsQuery::Between { from, to } => {
                let first = Cursor {
                    at: from.as_millis(),
                    seq: i64::MIN,
                };
                let cursor = cursor.max(first);
                // Each bound begins at the cursor: an engine goes to the first of one of them, whichever it
                // likes, and from there through every event to where the other one begins.
                sqlx::query_as(
                    "SELECT at, seq, body FROM events \
                     WHERE at >= $1 AND at < $3 AND (at, seq) > ($1, $2) \
                     ORDER BY at, seq LIMIT $4",
                )
                .bind(cursor.at)
                .bind(cursor.seq)
                .bind(to.as_millis())
                .bind(limit_rows)
                .fetch_all(self.database.reads())
                .await?
            }
        };
        let next = rows
            .last()
            .filter(|_| rows.len() == limit)
            .map(|(at, seq, _)| Cursor { at: *at, seq: *seq });
        let events = rows.iter().map(|(_, _, body)| parse(body));
        Ok(Page {
            events: events.collect::<Result<_, _>>()?,
            next,
        })
    }

    /// Hands every event of the query to `take`, in order, holding one page at a time.
    pub async fn for_each(
        &self,
        query: EventsQuery,
        mut take: impl FnMut(Event),
    ) -> Result<(), DatabaseFault> {
        let mut after = None;
        loop {
            let page = self.page(query, after, PAGE_MAX).await?;
            page.events.into_iter().for_each(&mut take);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// The first instant of which anything is known: that of the first event, or that of the first sums where
    /// events before it were let go. `None` of an empty log.
    pub async fn begin(&self) -> Result<Option<Timestamp>, DatabaseFault> {
        let (event, day): (Option<i64>, Option<i64>) = sqlx::query_as(
            "SELECT (SELECT MIN(at) FROM events), (SELECT MIN(begin_at) FROM rollups)",
        )
        .fetch_one(self.database.reads())
        .await?;
        const DAY_MS: i64 = 86_400_000;
        let is_let_go =
            |day: i64| event.is_none_or(|event| event.div_euclid(DAY_MS) * DAY_MS > day);
        let begin = day.filter(|day| is_let_go(*day)).or(event);
        Ok(begin.map(Timestamp::from_millis))
    }

    /// The last word before an instant on every agent's status, profile and reach, and on every queue's
    /// rules: what must be known to count from there on. The last by its instant: what one of several gateways
    /// tells is stored when it comes.
    pub async fn settings_before(&self, before: Timestamp) -> Result<Vec<Event>, DatabaseFault> {
        let rows: Vec<(String,)> = sqlx::query_as(
            "SELECT body FROM (SELECT body, at, seq, ROW_NUMBER() OVER \
             (PARTITION BY kind, agent, queue ORDER BY at DESC, seq DESC) AS place FROM events \
             WHERE kind IN ('agent_status', 'agent_changed', 'agent_reachable', 'agent_removed', \
             'queue_changed') AND at < $1) x WHERE place = 1 ORDER BY at, seq",
        )
        .bind(before.as_millis())
        .fetch_all(self.database.reads())
        .await?;
        rows.iter().map(|(body,)| parse(body)).collect()
    }

    /// The events of tickets, symptoms, ratings and answers by mail since an instant. What they count for belongs to an
    /// interval that may lie weeks before them.
    pub async fn differences_since(&self, since: Timestamp) -> Result<Vec<Event>, DatabaseFault> {
        let rows: Vec<(String,)> = sqlx::query_as(
            "SELECT body FROM events WHERE kind IN ('ticket_changed', 'symptom_recorded', 'rated', \
             'answer_awaited', 'answer_wait_ended') AND at >= $1 ORDER BY at, seq",
        )
        .bind(since.as_millis())
        .fetch_all(self.database.reads())
        .await?;
        rows.iter().map(|(body,)| parse(body)).collect()
    }

    /// The same where other gateways may have written some; none where this process alone writes.
    pub(crate) async fn told_by_others(
        &self,
        since: Timestamp,
    ) -> Result<Vec<Event>, DatabaseFault> {
        match self.database.engine() {
            Engine::Sqlite => Ok(Vec::new()),
            Engine::Postgres => self.differences_since(since).await,
        }
    }

    /// Whose contacts arrived from (inclusive) to (exclusive), and when: the person where one is known, and
    /// the number or address.
    pub async fn callers_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        mut take: impl FnMut(CallerKey, Timestamp),
    ) -> Result<(), DatabaseFault> {
        let mut after = ContactId::new(from, 0).to_string();
        let end = ContactId::new(to, 0).to_string();
        loop {
            let rows: Vec<CallerRow> = sqlx::query_as(
                "SELECT id, arrived_at, sender, caller, outcome FROM contacts \
                 WHERE id > $1 AND id < $2 AND arrived_at IS NOT NULL ORDER BY id LIMIT $3",
            )
            .bind(after.clone())
            .bind(end.clone())
            .bind(i64::try_from(PAGE_MAX).unwrap_or(i64::MAX))
            .fetch_all(self.database.reads())
            .await?;
            for (_, arrived_at, sender, caller, outcome) in &rows {
                let arrived = Timestamp::from_millis(*arrived_at);
                let is_known = matches!(outcome.as_deref(), Some("known" | "claimed"));
                let caller = caller.as_deref().filter(|_| is_known);
                let address = sender.as_deref().and_then(CallerKey::of_address);
                for who in caller.map(CallerKey::of_caller).into_iter().chain(address) {
                    take(who, arrived);
                }
            }
            match rows.last() {
                Some((id, ..)) if rows.len() == PAGE_MAX => after = id.clone(),
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// Events of contacts that arrived within a span and of which something happened since an instant: of theirs, those
    /// of another span, in no order.
    pub async fn of_contacts(
        &self,
        arrived: Range<Timestamp>,
        changed_since: Timestamp,
        happened: Range<Timestamp>,
        mut take: impl FnMut(Event),
    ) -> Result<(), DatabaseFault> {
        // Few of the contacts have changed since, which no planner knows: by itself PostgreSQL would read all events of
        // the span through. A query with an offset is asked for each of them; SQLite leaves the order of a cross join
        // alone.
        let sql = match self.database.engine() {
            Engine::Sqlite => {
                "SELECT e.body FROM contacts c CROSS JOIN events e \
                 WHERE c.id >= $1 AND c.id < $2 AND c.changed_at >= $3 \
                 AND e.contact = c.id AND e.at >= $4 AND e.at < $5"
            }
            Engine::Postgres => {
                "SELECT e.body FROM contacts c CROSS JOIN LATERAL \
                 (SELECT body FROM events WHERE contact = c.id AND at >= $4 AND at < $5 OFFSET 0) e \
                 WHERE c.id >= $1 AND c.id < $2 AND c.changed_at >= $3"
            }
        };
        let mut found = sqlx::query_as::<_, (String,)>(sql)
            .bind(ContactId::new(arrived.start, 0).to_string())
            .bind(ContactId::new(arrived.end, 0).to_string())
            .bind(changed_since.as_millis())
            .bind(happened.start.as_millis())
            .bind(happened.end.as_millis())
            .fetch(self.database.reads());
        while let Some((body,)) = found.try_next().await? {
            take(parse(&body)?);
        }
        Ok(())
    }

    /// Every event of one contact, in order.
    pub async fn events_of(&self, contact: ContactId) -> Result<Vec<Event>, DatabaseFault> {
        let mut events = Vec::new();
        self.for_each(EventsQuery::OfContact(contact), |event| events.push(event))
            .await?;
        Ok(events)
    }

    /// Writes the events of the query as JSON Lines, which `ringdown replay` reads.
    pub async fn export(
        &self,
        query: EventsQuery,
        out: &mut (dyn Write + Send),
    ) -> Result<u64, ExportFault> {
        let (mut after, mut count) = (None, 0);
        loop {
            let page = self.page(query, after, PAGE_MAX).await?;
            for event in &page.events {
                serde_json::to_writer(&mut *out, event).map_err(std::io::Error::from)?;
                out.write_all(b"\n")?;
                count += 1;
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(count),
            }
        }
    }
}

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportFault {
    /// The log could not be read.
    #[error(transparent)]
    Database(#[from] DatabaseFault),
    /// The file could not be written.
    #[error("the export cannot be written: {0}")]
    Io(#[from] std::io::Error),
}

pub(crate) fn parse(body: &str) -> Result<Event, DatabaseFault> {
    serde_json::from_str(body).map_err(|error| DatabaseFault::Unreadable(format!("event: {error}")))
}

/// A contact's id, arrival, number or address, person, and what the CMS said.
type CallerRow = (String, i64, Option<String>, Option<String>, Option<String>);

/// Most events of one page.
pub const PAGE_MAX: usize = 5_000;
