//! Reading: the sums up to the last step, and what the log has told since.

use super::keeping::floor_of;
use super::levels::{self, LEVELS, millis};
use super::rows::{self, NewEvents, State, Step};
use super::{CELL, DAY, Facets, Rollups};
use crate::database::{DatabaseFault, Engine};
use crate::event_log::EventsQuery;
use crate::report::{Period, Report};
use futures_util::TryStreamExt;
use ringdown_routing::statistics::{Ledger, Scope};
use ringdown_routing::time::Timestamp;
use serde::Serialize;
use serde_json::json;
use sqlx::{AnyConnection, AssertSqlSafe};
use std::time::Duration;

/// How far the roll-ups are behind the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// Every event before this instant is counted for good; `None` before the first step.
    pub until: Option<Timestamp>,
    /// Events stored before that instant's step that it does not have yet.
    pub late: bool,
    /// The first instant of which the log still has every event; `None` when it is whole.
    pub log_from: Option<Timestamp>,
}

impl Rollups {
    /// The report of a period; `None` when its intervals are narrower than what is kept, or nothing is kept
    /// that would shorten the reading.
    pub async fn report(
        &self,
        period: &Period,
        scope: &Scope,
        now: Timestamp,
        mut step: impl FnMut(),
    ) -> Result<Option<Report>, DatabaseFault> {
        if !period
            .interval
            .cell()
            .as_millis()
            .is_multiple_of(CELL.as_millis())
        {
            return Ok(None);
        }
        let whole = period.whole();
        let spans: Vec<(Timestamp, Timestamp)> = period
            .spans
            .iter()
            .map(|span| (span.from, span.to))
            .collect();
        let Some((kept, mut ledger)) = self.kept(&spans, (whole.from, whole.to), scope).await?
        else {
            return Ok(None);
        };
        let Step { until, mut fold } = kept;
        let query = EventsQuery::Between {
            from: until,
            to: Timestamp::from_millis(i64::MAX),
        };
        self.log
            .for_each(query, |event| {
                fold.record(&event);
                step();
            })
            .await?;
        let as_of = now.max(fold.newest().unwrap_or(now));
        let recent = self.facets.of(fold.ledger(whole.from, whole.to, as_of));
        let whole_span = [(whole.from, whole.to)];
        ledger.gather(recent, &spans, self.facets.spans(&spans, &whole_span));
        let health = fold.health();
        Ok(Some(Report::of_ledger(
            ledger,
            period.clone(),
            scope.clone(),
            health,
        )))
    }

    /// How far they are.
    pub async fn lag(&self) -> Result<Lag, DatabaseFault> {
        let engine = self.database.engine();
        let mut connection = self.database.reads().acquire().await?;
        let state = State::read(&mut connection).await?;
        let steps = rows::steps(&mut connection).await?;
        let until = steps.last().copied();
        let late = match until {
            Some(until) => {
                let span = floor_of(&state, &steps)..until;
                rows::late(engine, &mut connection, NewEvents::after(state.seq), span).await?
            }
            None => None,
        };
        Ok(Lag {
            until,
            late: late.is_some(),
            log_from: state.log_from,
        })
    }

    /// The last step that no event came too late for, if it lies within reach of the period, and the sums
    /// up to it by the period's intervals: all as they were at one instant. One row of sums is held at a
    /// time beside what they come to.
    async fn kept(
        &self,
        spans: &[(Timestamp, Timestamp)],
        (from, to): (Timestamp, Timestamp),
        scope: &Scope,
    ) -> Result<Option<(Step, Ledger)>, DatabaseFault> {
        let engine = self.database.engine();
        let mut transaction = self.database.reads().begin().await?;
        if engine == Engine::Postgres {
            sqlx::raw_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                .execute(&mut *transaction)
                .await?;
        }
        let state = State::read(&mut transaction).await?;
        if state.format != rows::FORMAT {
            return Ok(None);
        }
        let steps = rows::steps(&mut transaction).await?;
        let Some(last) = steps.last().copied() else {
            return Ok(None);
        };
        let floor = floor_of(&state, &steps);
        let base = rows::late(
            engine,
            &mut transaction,
            NewEvents::after(state.seq),
            floor..last,
        )
        .await?;
        let Some(step) = rows::step_before(&mut transaction, base.unwrap_or(last)).await? else {
            return Ok(None);
        };
        if step.until + REACH < from {
            return Ok(None);
        }
        let whole = [(from, to)];
        let facet_spans = self.facets.spans(spans, &whole);
        let mut reading = Reading {
            until: step.until,
            sums: Ledger::empty(step.until),
            spans,
            facets: self.facets,
            facet_spans,
        };
        let facets = match scope {
            Scope {
                queue: None,
                channel: None,
            } => rows::FACETS_OF_ALL,
            Scope { .. } => rows::FACETS,
        };
        for (uncut, part, spans) in [
            (rows::INTERVALS, rows::INTERVALS, spans),
            (rows::FACETS, facets, facet_spans),
        ] {
            if spans.is_empty() {
                continue;
            }
            let connection = &mut *transaction;
            reading.add_uncut(connection, uncut, (from, to)).await?;
            for (level, wanted) in LEVELS.iter().zip(levels::cells_of(spans)) {
                if wanted.is_empty() {
                    continue;
                }
                let sql = self.database.engine().sql(CELLS);
                let cells = (part, millis(level.width), &wanted);
                reading.add_cells(&mut transaction, sql, cells).await?;
            }
        }
        let sums = reading.sums;
        transaction.commit().await?;
        Ok(Some((step, sums)))
    }
}

/// Sums that are being read, as a step left them.
struct Reading<'a> {
    until: Timestamp,
    sums: Ledger,
    spans: &'a [(Timestamp, Timestamp)],
    facets: Facets,
    facet_spans: &'a [(Timestamp, Timestamp)],
}

/// Rows of one width that begin at the instants of a list.
const CELLS: &str = "SELECT begin_at, body FROM rollups WHERE part = $2 AND width = $3 AND until_at <= $4 \
    AND begin_at IN (SELECT CAST(CAST(r.value AS TEXT) AS BIGINT) FROM {rows})";

impl Reading<'_> {
    /// Adds what the latest steps have counted of the days that a period touches.
    async fn add_uncut(
        &mut self,
        connection: &mut AnyConnection,
        part: &'static str,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<(), DatabaseFault> {
        let mut found = sqlx::query_as::<_, (Vec<u8>,)>(
            "SELECT body FROM rollups WHERE part = $1 AND width = 0 AND begin_at >= $2 AND begin_at < $3 \
             AND until_at <= $4",
        )
        .bind(part)
        .bind(levels::floor_to(from, DAY).as_millis())
        .bind(to.as_millis())
        .bind(self.until.as_millis())
        .fetch(connection);
        while let Some((body,)) = found.try_next().await? {
            self.add(super::read(&body)?);
        }
        Ok(())
    }

    /// Adds these cells of one width.
    async fn add_cells(
        &mut self,
        connection: &mut AnyConnection,
        sql: AssertSqlSafe<String>,
        (part, width, wanted): (&'static str, i64, &levels::Wanted),
    ) -> Result<(), DatabaseFault> {
        let begins: Vec<i64> = wanted.keys().map(|begin| begin.as_millis()).collect();
        let mut found = sqlx::query_as::<_, (i64, Vec<u8>)>(sql)
            .bind(json!(begins).to_string())
            .bind(part)
            .bind(width)
            .bind(self.until.as_millis())
            .fetch(connection);
        while let Some((begin, body)) = found.try_next().await? {
            let mut ledger: Ledger = super::read(&body)?;
            let cells = wanted.get(&Timestamp::from_millis(begin));
            ledger.retain(|start| cells.is_some_and(|cells| cells.contains(&start)));
            self.add(ledger);
        }
        Ok(())
    }

    fn add(&mut self, ledger: Ledger) {
        let ledger = self.facets.of(ledger);
        self.sums.gather(ledger, self.spans, self.facet_spans);
    }
}

impl Facets {
    /// By what spans facets are added up.
    fn spans<'a, T>(self, intervals: &'a [T], whole: &'a [T]) -> &'a [T] {
        match self {
            Self::Unread => &[],
            Self::Whole => whole,
            Self::ByInterval | Self::Only(_) => intervals,
        }
    }

    /// The same sums without those by facet that are not wanted.
    fn of(self, mut ledger: Ledger) -> Ledger {
        if let Self::Only(by) = self {
            let wanted = ledger.take_facets_if(|facet| by.holds(facet));
            ledger.take_facets();
            ledger += wanted;
        }
        ledger
    }
}

/// A period that begins later than that after the last step is read from the log alone, which is shorter.
const REACH: Duration = Duration::from_secs(3 * 86_400);
