//! Reading: the sums of whole days, and what the log has told since the last step.

use super::keeping::floor_of;
use super::rows::{self, State, Step};
use super::{CELL, DAY, Facets, Rollups};
use crate::database::{DatabaseFault, Engine};
use crate::event_log::EventsQuery;
use crate::report::{Period, Report};
use futures_util::TryStreamExt;
use ringdown_routing::statistics::{Ledger, Scope};
use ringdown_routing::time::Timestamp;
use serde::Serialize;
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
        let Some((kept, mut ledger)) = self.kept(&spans, (whole.from, whole.to)).await? else {
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
        let recent = fold.ledger(whole.from, whole.to, as_of);
        ledger.gather(
            recent,
            &spans,
            self.facets.spans(&spans, &[(whole.from, whole.to)]),
        );
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
        let mut connection = self.database.reads().acquire().await?;
        let state = State::read(&mut connection).await?;
        let steps = rows::steps(&mut connection).await?;
        let until = steps.last().copied();
        let late = match until {
            Some(until) => {
                let span = floor_of(&state, &steps)..until;
                rows::late(&mut connection, state.seq, i64::MAX, span).await?
            }
            None => None,
        };
        Ok(Lag {
            until,
            late: late.is_some(),
            log_from: state.log_from,
        })
    }

    /// The last step that no event came too late for, if it lies within reach of the period, and the sums of
    /// the days up to it by the period's intervals: all as they were at one instant. One row of sums is held at a
    /// time beside what they come to.
    async fn kept(
        &self,
        spans: &[(Timestamp, Timestamp)],
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Option<(Step, Ledger)>, DatabaseFault> {
        let mut transaction = self.database.reads().begin().await?;
        if self.database.engine() == Engine::Postgres {
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
        let base = rows::late(&mut transaction, state.seq, i64::MAX, floor..last).await?;
        let Some(step) = rows::step_before(&mut transaction, base.unwrap_or(last)).await? else {
            return Ok(None);
        };
        if step.until + REACH < from {
            return Ok(None);
        }
        let mut sums = Ledger::empty(step.until);
        let whole = [(from, to)];
        let facet_spans = self.facets.spans(spans, &whole);
        for (part, days) in parts_for(from, to, self.facets) {
            for (first, end) in days {
                let mut found = sqlx::query_as::<_, (Vec<u8>,)>(
                    "SELECT body FROM rollups WHERE day >= $1 AND day < $2 AND part = $3 \
                     AND until_at <= $4",
                )
                .bind(first.as_millis())
                .bind(end.as_millis())
                .bind(part.to_owned())
                .bind(step.until.as_millis())
                .fetch(&mut *transaction);
                while let Some((body,)) = found.try_next().await? {
                    sums.gather(super::read(&body)?, spans, facet_spans);
                }
            }
        }
        transaction.commit().await?;
        Ok(Some((step, sums)))
    }
}

impl Facets {
    /// By what spans facets are added up.
    fn spans<'a, T>(self, intervals: &'a [T], whole: &'a [T]) -> &'a [T] {
        match self {
            Self::Whole => whole,
            Self::ByInterval => intervals,
        }
    }
}

/// What of which days is read for a period: its intervals, facets by day where a day lies within it, else by
/// interval, for their sums are told of the whole period alone.
fn parts_for(
    from: Timestamp,
    to: Timestamp,
    facets: Facets,
) -> [(&'static str, Vec<(Timestamp, Timestamp)>); 3] {
    let day_ms = i64::try_from(DAY.as_millis()).unwrap_or(i64::MAX);
    let floor = from.as_millis().div_euclid(day_ms) * day_ms;
    let inner = floor + if floor == from.as_millis() { 0 } else { day_ms };
    let inner_end = to.as_millis().div_euclid(day_ms) * day_ms;
    let at = Timestamp::from_millis;
    if inner >= inner_end || facets == Facets::ByInterval {
        return [
            (rows::INTERVALS, vec![(at(floor), to)]),
            (rows::FACETS, vec![(at(floor), to)]),
            (rows::FACETS_BY_DAY, Vec::new()),
        ];
    }
    [
        (rows::INTERVALS, vec![(at(floor), to)]),
        (
            rows::FACETS,
            vec![(at(floor), at(inner)), (at(inner_end), to)],
        ),
        (rows::FACETS_BY_DAY, vec![(at(inner), at(inner_end))]),
    ]
}

/// A period that begins later than that after the last step is read from the log alone, which is shorter.
const REACH: Duration = Duration::from_secs(3 * 86_400);
