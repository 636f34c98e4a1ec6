//! The rows of the roll-ups, and changes that hold only if nothing else changed.

use super::Rollups;
use super::levels::{LEVELS, Level, millis};
use crate::database::{Database, DatabaseFault, Engine, Statement, Value};
use ringdown_routing::statistics::{Ledger, Statistics};
use ringdown_routing::time::Timestamp;
use sqlx::{AnyConnection, Row};
use std::ops::Range;
use std::time::Duration;

/// Changes when what is kept is written in another way; what was kept before is counted again then, or brought forward
/// where the log does not tell it any more. Sums of format 1 are brought forward by the database's migration.
pub(super) const FORMAT: i64 = 3;

/// The one row of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) revision: i64,
    pub(super) token: String,
    pub(super) seq: i64,
    pub(super) format: i64,
    pub(super) holder: String,
    pub(super) held_until: Timestamp,
    pub(super) log_from: Option<Timestamp>,
}

impl State {
    pub(super) async fn read(connection: &mut AnyConnection) -> Result<Self, DatabaseFault> {
        let row = sqlx::query("SELECT * FROM rollup_state WHERE name = 'statistics'")
            .fetch_one(connection)
            .await?;
        Ok(Self {
            revision: row.try_get("revision")?,
            token: row.try_get("token")?,
            seq: row.try_get("seq")?,
            format: row.try_get("format")?,
            holder: row.try_get("holder")?,
            held_until: Timestamp::from_millis(row.try_get("held_until")?),
            log_from: row
                .try_get::<Option<i64>, _>("log_from")?
                .map(Timestamp::from_millis),
        })
    }
}

/// Where the fold stood.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Every event before this instant is counted.
    pub(super) until: Timestamp,
    pub(super) fold: Statistics,
}

/// The latest step that ends at `until` or before.
pub(super) async fn step_before(
    connection: &mut AnyConnection,
    until: Timestamp,
) -> Result<Option<Step>, DatabaseFault> {
    let row: Option<(i64, Vec<u8>)> = sqlx::query_as(
        "SELECT until_at, fold FROM rollup_steps WHERE until_at <= $1 ORDER BY until_at DESC LIMIT 1",
    )
    .bind(until.as_millis())
    .fetch_optional(connection)
    .await?;
    row.map(|(until, fold)| {
        Ok(Step {
            until: Timestamp::from_millis(until),
            fold: super::read(&fold)?,
        })
    })
    .transpose()
}

/// The instants of all steps, in order.
pub(super) async fn steps(connection: &mut AnyConnection) -> Result<Vec<Timestamp>, DatabaseFault> {
    let rows: Vec<(i64,)> = sqlx::query_as("SELECT until_at FROM rollup_steps ORDER BY until_at")
        .fetch_all(connection)
        .await?;
    let steps = rows.into_iter();
    Ok(steps
        .map(|(until,)| Timestamp::from_millis(until))
        .collect())
}

/// Events that are new, by the numbers that they got as they were stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewEvents {
    /// Those up to this one are counted.
    pub(super) after: i64,
    /// The last that is looked at.
    pub(super) up_to: i64,
}

impl NewEvents {
    /// All that were stored after this one.
    pub(super) fn after(seq: i64) -> Self {
        Self {
            after: seq,
            up_to: i64::MAX,
        }
    }
}

/// The earliest in `span` of the events that are new.
pub(super) async fn late(
    engine: Engine,
    connection: &mut AnyConnection,
    new: NewEvents,
    span: Range<Timestamp>,
) -> Result<Option<Timestamp>, DatabaseFault> {
    if engine == Engine::Postgres
        && let Lately::All(at) = late_lately(connection, new, &span).await?
    {
        return Ok(at);
    }
    // Few events are that new: with the pluses nobody looks for the least instant along those of all others.
    let row: (Option<i64>,) = sqlx::query_as(
        "SELECT MIN(+at) FROM events WHERE seq > $1 AND seq <= $2 AND +at >= $3 AND +at < $4",
    )
    .bind(new.after)
    .bind(new.up_to)
    .bind(span.start.as_millis())
    .bind(span.end.as_millis())
    .fetch_one(connection)
    .await?;
    Ok(row.0.map(Timestamp::from_millis))
}

/// What the latest days alone tell of the events that are new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lately {
    /// All of them happened in these days: the earliest in the span.
    All(Option<Timestamp>),
    /// Some happened before these days, or some numbers belong to no event.
    NotAll,
}

/// Asks PostgreSQL about the latest days of a span: planning a question about every day of the log takes longer than
/// answering it. Where as many events of these days are new as numbers were given since, there are no others.
async fn late_lately(
    connection: &mut AnyConnection,
    new: NewEvents,
    span: &Range<Timestamp>,
) -> Result<Lately, DatabaseFault> {
    let recent = span.end - RECENT;
    let (count, wanted, at): (i64, i64, Option<i64>) = sqlx::query_as(
        "SELECT COUNT(*), (SELECT LEAST($2, CASE WHEN is_called THEN last_value ELSE 0 END) - $1 \
         FROM events_seq_seq), MIN(CASE WHEN +at >= $3 AND +at < $4 THEN at END) \
         FROM events WHERE seq > $1 AND seq <= $2 AND at >= $5",
    )
    .bind(new.after)
    .bind(new.up_to)
    .bind(span.start.as_millis())
    .bind(span.end.as_millis())
    .bind(recent.as_millis())
    .fetch_one(connection)
    .await?;
    if count != wanted.max(0) {
        return Ok(Lately::NotAll);
    }
    Ok(Lately::All(at.map(Timestamp::from_millis)))
}

/// What is later than that before the last step comes late seldom.
const RECENT: Duration = Duration::from_secs(2 * 86_400);

/// Cells of one width that begin within one span: a row.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) begin: Timestamp,
    pub(super) part: &'static str,
    /// Width of the cells; [`Duration::ZERO`] for those of [`super::CELL`] as a step counted them.
    pub(super) width: Duration,
    pub(super) body: Vec<u8>,
}

pub(super) const INTERVALS: &str = "intervals";
pub(super) const FACETS: &str = "facets";
/// Those of all queues and channels together.
pub(super) const FACETS_OF_ALL: &str = "facets_of_all";

/// The part of that name.
pub(super) fn part_of(name: &str) -> Option<&'static str> {
    [INTERVALS, FACETS, FACETS_OF_ALL]
        .into_iter()
        .find(|known| *known == name)
}

/// Cuts what a step has counted for good into rows of days.
pub(super) fn parts_of(settled: Ledger) -> Result<Vec<Part>, DatabaseFault> {
    let mut parts = Vec::new();
    for (begin, mut intervals) in settled.cut(super::DAY) {
        let facets = intervals.take_facets();
        for (part, ledger) in [(INTERVALS, intervals), (FACETS, facets)] {
            parts.push(Part {
                begin,
                part,
                width: Duration::ZERO,
                body: super::write(&ledger)?,
            });
        }
    }
    Ok(parts)
}

/// Cuts such a row into those of every width.
pub(super) fn parts_by_width(
    part: &'static str,
    ledger: Ledger,
) -> Result<Vec<Part>, DatabaseFault> {
    let mut parts = Vec::new();
    if part == FACETS {
        cut_by_width(FACETS_OF_ALL, ledger.facets_of_all(), &mut parts)?;
    }
    cut_by_width(part, ledger, &mut parts)?;
    Ok(parts)
}

fn cut_by_width(
    part: &'static str,
    mut ledger: Ledger,
    parts: &mut Vec<Part>,
) -> Result<(), DatabaseFault> {
    for Level { width, row } in LEVELS {
        ledger = ledger.coarsened(width);
        for (begin, ledger) in ledger.clone().cut(row) {
            let body = super::write(&ledger)?;
            parts.push(Part {
                begin,
                part,
                width,
                body,
            });
        }
    }
    Ok(())
}

/// A change of the roll-ups that holds only if they are as they were when `state` was read.
#[derive(Debug)]
pub(super) struct Change {
    token: String,
    statements: Vec<Statement>,
}

impl Change {
    /// Begins a change by whoever holds the lease until then; `seq` is what the events are counted up to.
    pub(super) fn new(rollups: &Rollups, state: &State, seq: i64, held_until: Timestamp) -> Self {
        Self::claim(rollups, state, seq, held_until, FORMAT)
    }

    /// Begins a change that leaves what is kept in a format of before.
    pub(super) fn in_format(
        rollups: &Rollups,
        state: &State,
        held_until: Timestamp,
        format: i64,
    ) -> Self {
        Self::claim(rollups, state, state.seq, held_until, format)
    }

    fn claim(
        rollups: &Rollups,
        state: &State,
        seq: i64,
        held_until: Timestamp,
        format: i64,
    ) -> Self {
        let token = format!("{:032x}", rand::random::<u128>());
        let claim = Statement::new(
            "UPDATE rollup_state SET revision = revision + 1, token = $1, seq = $2, format = $3, \
             holder = $4, held_until = $5 WHERE name = 'statistics' AND revision = $6",
            vec![
                token.clone().into(),
                seq.into(),
                format.into(),
                rollups.name.clone().into(),
                held_until.as_millis().into(),
                state.revision.into(),
            ],
        );
        Self {
            token,
            statements: vec![claim],
        }
    }

    fn push(&mut self, sql: &str, mut values: Vec<Value>) {
        let sql = format!(
            "{sql} EXISTS (SELECT 1 FROM rollup_state WHERE name = 'statistics' AND token = ${})",
            values.len() + 1
        );
        values.push(self.token.clone().into());
        self.statements.push(Statement::new(sql, values));
    }

    /// Takes away what steps after an instant have counted.
    pub(super) fn go_back_to(&mut self, until: Timestamp) {
        for table in ["rollup_steps", "rollups"] {
            let sql = format!("DELETE FROM {table} WHERE until_at > $1 AND");
            self.push(&sql, vec![until.as_millis().into()]);
        }
    }

    /// Keeps a step and what it has counted for good.
    pub(super) fn add_step(&mut self, step: &Step, parts: Vec<Part>) -> Result<(), DatabaseFault> {
        self.push(
            "INSERT INTO rollup_steps (until_at, fold) SELECT CAST($1 AS BIGINT), CAST($2 AS {bytes}) WHERE",
            vec![
                step.until.as_millis().into(),
                Value::Bytes(super::write(&step.fold)?),
            ],
        );
        for part in parts {
            self.add_part(part, step.until);
        }
        Ok(())
    }

    fn add_part(&mut self, part: Part, until: Timestamp) {
        self.push(
            "INSERT INTO rollups (begin_at, part, width, until_at, body) SELECT CAST($1 AS BIGINT), \
             CAST($2 AS TEXT), CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS {bytes}) WHERE",
            vec![
                part.begin.as_millis().into(),
                part.part.into(),
                millis(part.width).into(),
                until.as_millis().into(),
                Value::Bytes(part.body),
            ],
        );
    }

    /// Forgets the steps between two others.
    pub(super) fn forget_steps(&mut self, after: Timestamp, until: Timestamp) {
        self.push(
            "DELETE FROM rollup_steps WHERE until_at > $1 AND until_at < $2 AND",
            vec![after.as_millis().into(), until.as_millis().into()],
        );
    }

    /// Makes what the steps between two others have counted the later one's.
    pub(super) fn hand_on(&mut self, after: Timestamp, until: Timestamp) {
        self.push(
            "UPDATE rollups SET until_at = $2 WHERE until_at > $1 AND until_at < $2 AND",
            vec![after.as_millis().into(), until.as_millis().into()],
        );
    }

    /// Puts other rows in place of these, of the same sums, as counted by a step.
    pub(super) fn replace(&mut self, ids: &[i64], parts: Vec<Part>, until: Timestamp) {
        for id in ids {
            self.push("DELETE FROM rollups WHERE id = $1 AND", vec![(*id).into()]);
        }
        for part in parts {
            self.add_part(part, until);
        }
    }

    /// Lets the log begin there.
    pub(super) fn begin_log_at(&mut self, begin: Timestamp) {
        self.push(
            "UPDATE rollup_state SET log_from = $1 WHERE name = 'statistics' AND",
            vec![begin.as_millis().into()],
        );
    }

    /// Writes what is kept of a day anew.
    pub(super) fn rewrite_part(&mut self, id: i64, body: Vec<u8>) {
        let values = vec![Value::Bytes(body), id.into()];
        self.push("UPDATE rollups SET body = $1 WHERE id = $2 AND", values);
    }

    /// Writes where the fold stood anew.
    pub(super) fn rewrite_step(&mut self, until: i64, fold: Vec<u8>) {
        let values = vec![Value::Bytes(fold), until.into()];
        self.push(
            "UPDATE rollup_steps SET fold = $1 WHERE until_at = $2 AND",
            values,
        );
    }

    /// Carries it out; false when something else was faster, and nothing is changed.
    pub(super) async fn commit(self, database: &Database) -> Result<bool, DatabaseFault> {
        database.write(self.statements).await?;
        let mut connection = database.reads().acquire().await?;
        // Who changes it after us leaves another token; then it is ours no longer, which is looked at anew.
        Ok(State::read(&mut connection).await?.token == self.token)
    }
}

/// Up to which number every event is there or never will be.
///
/// SQLite has one writer, so numbers come in the order of commits. PostgreSQL hands them out before the
/// commit; a lock that no writer can hold at the same time, held for a moment, tells that none is under way.
pub(super) async fn settled_seq(database: &Database, known: i64) -> Result<i64, DatabaseFault> {
    let mut transaction = database.reads().begin().await?;
    if database.engine() == Engine::Postgres {
        let lock = format!(
            "SET LOCAL lock_timeout = '{}ms'; LOCK TABLE ONLY events IN SHARE MODE",
            LOCK_WAIT_MAX.as_millis()
        );
        let locked = sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut *transaction);
        match locked.await.map_err(DatabaseFault::from) {
            Ok(_) => {}
            Err(DatabaseFault::Locked(_)) => return Ok(known),
            Err(fault) => return Err(fault),
        }
    }
    // While nobody writes, each number that was given belongs to an event that is there, or to none.
    let newest = match database.engine() {
        Engine::Sqlite => "SELECT MAX(seq) FROM events",
        Engine::Postgres => "SELECT CASE WHEN is_called THEN last_value END FROM events_seq_seq",
    };
    let row: (Option<i64>,) = sqlx::query_as(newest).fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(row.0.unwrap_or(0).max(known))
}

/// Longest wait for writers to finish; they wait for us no longer than that, too.
const LOCK_WAIT_MAX: Duration = Duration::from_millis(1_000);

#[cfg(test)]
mod tests;
