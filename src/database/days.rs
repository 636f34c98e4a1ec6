//! The event log by day on PostgreSQL: every day of UTC is a table of its own, so that one too old goes whole.
//!
//! | table | what lies in it |
//! |---|---|
//! | `events_before` | everything up to the midnight after the log was cut into days, and whatever comes late for that time |
//! | `events_YYYYMMDD` | one day |
//! | `events_YYYYMM` | the rest of a month, of a log that has more days than are kept apart |
//! | `events_apart` | what belongs to no day that was made: events of a wrong clock, last words on agents and queues of days that went |
//!
//! Days are made some days ahead, when a gateway opens the database and by the one that keeps the roll-ups; an event is
//! stored whether its day was made or not. Where a day has events in `events_apart` already it stays there, and
//! goes row by row like all that lies in the two tables beside the days.
//!
//! A query that is not told any instants locks every table, and a server has room for 6,400 locks
//! (`max_locks_per_transaction` 64, `max_connections` 100), of which a table takes seven; so no more than
//! [`DAYS_MAX`] are kept apart. A log that is kept for longer goes on month by month, and by day again when the oldest
//! days have gone. What is too old of a month that is not over yet goes row by row. `events_apart` stays small either way,
//! which it must, for the server reads it through whenever a table is made beside it.

use super::{Database, DatabaseFault, Engine};
use ringdown_routing::time::Timestamp;
use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use std::time::Duration;

/// How many days are made beyond today.
const DAYS_AHEAD: i64 = 3;

/// Most days that are kept apart: a year, and those ahead.
const DAYS_MAX: usize = 370;

/// Most tables there are: the days, and 35 years of months.
const TABLES_MAX: usize = 800;

/// Longest wait for those who read or write; they wait for us no longer than that, too.
const LOCK_WAIT_MAX: Duration = Duration::from_millis(1_000);

/// Who makes or drops days holds this lock of the server's, so that two gateways are never at it at once.
const LOCK: i64 = 0x7269_6e67_6461_7973;

/// A table of the log: a day, or what a month has left.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    name: String,
    from: i64,
    to: i64,
}

impl Part {
    /// The day that holds an instant; `None` beyond what a calendar has.
    fn day_of(at: i64) -> Option<Self> {
        let from = at.div_euclid(DAY_MS) * DAY_MS;
        let date = date_of(from)?;
        Some(Self {
            name: format!("events_{}", date.strftime("%Y%m%d")),
            from,
            to: from + DAY_MS,
        })
    }

    /// What the month has left from a day's begin on.
    fn month_from(from: i64) -> Option<Self> {
        let date = date_of(from)?;
        let left = i64::from(date.days_in_month()) - i64::from(date.day()) + 1;
        Some(Self {
            name: format!("events_{}", date.strftime("%Y%m")),
            from,
            to: from + left * DAY_MS,
        })
    }

    fn is_day(&self) -> bool {
        self.to - self.from == DAY_MS && self.name.len() == "events_YYYYMMDD".len()
    }

    fn holds(&self, at: i64) -> bool {
        (self.from..self.to).contains(&at)
    }

    /// Reads the name and the bounds of a table back; `None` of those beside the days and months.
    fn read((name, bounds): &(String, String)) -> Option<Self> {
        let mut numbers = bounds.split('\'').skip(1).step_by(2);
        let from: i64 = numbers.next()?.parse().ok()?;
        let to: i64 = numbers.next()?.parse().ok()?;
        let parts = [Self::day_of(from), Self::month_from(from)];
        let mut parts = parts.into_iter().flatten();
        parts.find(|part| part.name == *name && part.from == from && part.to == to)
    }
}

/// The UTC date of an instant; `None` beyond what a calendar has.
fn date_of(at: i64) -> Option<jiff::civil::Date> {
    let instant = jiff::Timestamp::from_millisecond(at).ok()?;
    Some(instant.to_zoned(jiff::tz::TimeZone::UTC).date())
}

impl Database {
    /// Makes the tables of today and the days to come; nothing where there are none to be made. Where somebody reads
    /// for longer than we wait it is left to the next call, which is why they are made days ahead.
    pub(crate) async fn make_days(&self, now: Timestamp) -> Result<(), DatabaseFault> {
        let made = match self.engine {
            Engine::Sqlite => Ok(()),
            Engine::Postgres => make(&mut *self.reads.acquire().await?, now).await,
        };
        match made {
            Err(DatabaseFault::Locked(_)) => Ok(()),
            made => made,
        }
    }

    /// Lets the oldest day or month go whole that ended at an instant or before, but for the last words on agents and queues,
    /// which stay known; how many events went, `None` when there is no such day.
    pub(crate) async fn drop_day(&self, until: Timestamp) -> Result<Option<u64>, DatabaseFault> {
        match self.engine {
            Engine::Sqlite => Ok(None),
            Engine::Postgres => drop_oldest(&mut *self.reads.acquire().await?, until).await,
        }
    }
}

/// Makes the tables of the days from today on that there are not.
pub(super) async fn make(
    connection: &mut AnyConnection,
    now: Timestamp,
) -> Result<(), DatabaseFault> {
    make_with(connection, now, DAYS_MAX).await
}

/// The same with a bound on the days that are kept apart.
async fn make_with(
    connection: &mut AnyConnection,
    now: Timestamp,
    days_max: usize,
) -> Result<(), DatabaseFault> {
    let (begin, mut known) = bounds(connection).await?;
    for ahead in 0..=DAYS_AHEAD {
        let at = now.as_millis().saturating_add(ahead * DAY_MS);
        let Some(day) = Part::day_of(at) else {
            return Ok(());
        };
        let is_known = |part: &Part| part.holds(day.from);
        if day.from < begin || known.iter().any(is_known) {
            continue;
        }
        let days = known.iter().filter(|part| part.is_day()).count();
        let Some(part) = next_part(day, days, days_max) else {
            return Ok(());
        };
        if known.len() >= TABLES_MAX {
            return Ok(());
        }
        if known.iter().any(|other| part.holds(other.from)) {
            continue;
        }
        match make_one(connection, &part).await {
            Ok(()) => known.push(part),
            // Its first events came before it was made, and are in the table beside the days.
            Err(DatabaseFault::Refused(why)) => {
                tracing::debug!(table = part.name, %why, "database: a day stays with what is apart");
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(())
}

/// What is made for a day: a table of its own, or one for the rest of its month when there are days enough.
fn next_part(day: Part, days: usize, days_max: usize) -> Option<Part> {
    if days < days_max {
        return Some(day);
    }
    Part::month_from(day.from)
}

async fn make_one(connection: &mut AnyConnection, part: &Part) -> Result<(), DatabaseFault> {
    let mut transaction = connection.begin().await?;
    alone(&mut transaction).await?;
    let Part { name, from, to } = part;
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS {name} PARTITION OF events FOR VALUES FROM ({from}) TO ({to})"
    );
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

async fn drop_oldest(
    connection: &mut AnyConnection,
    until: Timestamp,
) -> Result<Option<u64>, DatabaseFault> {
    let mut transaction = connection.begin().await?;
    alone(&mut transaction).await?;
    let (_, parts) = bounds(&mut transaction).await?;
    let oldest = parts.into_iter().find(|part| part.to <= until.as_millis());
    let Some(Part { name, .. }) = oldest else {
        return Ok(None);
    };
    let detach = format!("ALTER TABLE events DETACH PARTITION {name}");
    sqlx::raw_sql(AssertSqlSafe(detach))
        .execute(&mut *transaction)
        .await?;
    let (count,): (i64,) = sqlx::query_as(AssertSqlSafe(format!("SELECT COUNT(*) FROM {name}")))
        .fetch_one(&mut *transaction)
        .await?;
    // Without their day they go to the table beside the days.
    let keep = LAST_WORDS.replace("{day}", &name);
    let kept = sqlx::query(AssertSqlSafe(keep))
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    sqlx::raw_sql(AssertSqlSafe(format!("DROP TABLE {name}")))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    let count = u64::try_from(count).unwrap_or(0);
    Ok(Some(count.saturating_sub(kept)))
}

/// What is said last of an agent or a queue in a day or month. Where a later day says more, it goes with what is beside the days.
const LAST_WORDS: &str = "\
INSERT INTO events (seq, origin, number, at, contact, queue, agent, kind, body)
SELECT DISTINCT ON (kind, COALESCE(agent, ''), COALESCE(queue, ''))
    seq, origin, number, at, contact, queue, agent, kind, body
FROM {day}
WHERE kind IN ('agent_status', 'agent_changed', 'agent_reachable', 'agent_removed', 'queue_changed')
ORDER BY kind, COALESCE(agent, ''), COALESCE(queue, ''), at DESC, seq DESC";

/// Waits for nobody longer than a moment, and until no other gateway is at it.
async fn alone(connection: &mut AnyConnection) -> Result<(), DatabaseFault> {
    let sql = format!(
        "SET LOCAL lock_timeout = '{}ms'; DO $$ BEGIN PERFORM pg_advisory_xact_lock({LOCK}); END $$",
        LOCK_WAIT_MAX.as_millis()
    );
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await?;
    Ok(())
}

/// Where the days begin, and the days and months there are, the oldest first.
async fn bounds(connection: &mut AnyConnection) -> Result<(i64, Vec<Part>), DatabaseFault> {
    let tables: Vec<(String, String)> = sqlx::query_as(
        "SELECT CAST(c.relname AS TEXT), CAST(pg_get_expr(c.relpartbound, c.oid) AS TEXT) \
         FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
         WHERE i.inhparent = CAST('events' AS regclass)",
    )
    .fetch_all(connection)
    .await?;
    let begin = tables.iter().find(|(name, _)| name == "events_before");
    let begin = begin.and_then(|(_, bounds)| bounds.split('\'').nth(1)?.parse().ok());
    let mut parts: Vec<Part> = tables.iter().filter_map(Part::read).collect();
    parts.sort_by_key(|part| part.from);
    Ok((begin.unwrap_or(i64::MIN), parts))
}

const DAY_MS: i64 = 86_400_000;

#[cfg(test)]
mod tests;
