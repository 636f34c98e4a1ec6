//! What others do to what is counted: the log is let go up to an instant, and persons get other names.

use super::keeping::LEASE;
use super::levels::floor_to;
use super::rows::{self, Change, State};
use super::{DAY, Rollups};
use crate::database::DatabaseFault;
use ringdown_routing::statistics::{CallerKey, Ledger, Statistics};
use ringdown_routing::time::Timestamp;
use std::collections::BTreeMap;

/// Sums and steps that are read, and rewritten in one transaction, at a time.
const ROWS_MAX: i64 = 16;

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Rows that hold sums.
    pub rows: u64,
    /// Steps at which the fold is kept.
    pub steps: u64,
}

impl Rollups {
    /// Lets the log begin at the last midnight of UTC up to `before` that is counted; the instant at which it begins
    /// now, `None` while it must stay whole or another gateway keeps the roll-ups. Events before that may go.
    pub async fn begin_log_at(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, DatabaseFault> {
        let mut connection = self.database.reads().acquire().await?;
        let state = State::read(&mut connection).await?;
        if state.format != rows::FORMAT || (state.holder != self.name && state.held_until > now) {
            return Ok(None);
        }
        let Some(counted) = rows::steps(&mut connection).await?.last().copied() else {
            return Ok(state.log_from);
        };
        drop(connection);
        let begin = floor_to(before.min(counted), DAY);
        if state.log_from.is_some_and(|known| begin <= known) {
            return Ok(state.log_from);
        }
        let mut change = Change::new(self, &state, state.seq, now + LEASE);
        change.begin_log_at(begin);
        Ok(change.commit(&self.database).await?.then_some(begin))
    }

    /// The instant at which the log begins now; `None` while it is whole.
    pub async fn log_from(&self) -> Result<Option<Timestamp>, DatabaseFault> {
        let mut connection = self.database.reads().acquire().await?;
        Ok(State::read(&mut connection).await?.log_from)
    }

    /// How much is kept.
    pub async fn extent(&self) -> Result<Extent, DatabaseFault> {
        let (rows, steps): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM rollups), (SELECT COUNT(*) FROM rollup_steps)",
        )
        .fetch_one(self.database.reads())
        .await?;
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        Ok(Extent {
            rows: count(rows),
            steps: count(steps),
        })
    }

    /// Puts other keys in place of callers' keys in everything that is counted, and other numbers in place of those that
    /// contacts came to and that `instead` has another for; every count stays. Takes the lease over
    /// while it lasts: what another gateway counts meanwhile does not hold, and is counted again.
    pub async fn rename_callers(
        &self,
        names: &BTreeMap<CallerKey, CallerKey>,
        instead: impl Fn(&str) -> Option<String>,
        now: Timestamp,
    ) -> Result<(), DatabaseFault> {
        let mut after = (i64::MIN, i64::MIN);
        loop {
            let mut connection = self.database.reads().acquire().await?;
            let state = State::read(&mut connection).await?;
            if state.format != rows::FORMAT && state.log_from.is_some() {
                drop(connection);
                self.bring_forward(now).await?;
                continue;
            }
            if state.format != rows::FORMAT {
                // All is counted again, from events that have the other names.
                return Ok(());
            }
            let sums: Vec<(i64, Vec<u8>)> =
                sqlx::query_as("SELECT id, body FROM rollups WHERE id > $1 ORDER BY id LIMIT $2")
                    .bind(after.0)
                    .bind(ROWS_MAX)
                    .fetch_all(&mut *connection)
                    .await?;
            let steps: Vec<(i64, Vec<u8>)> = sqlx::query_as(
                "SELECT until_at, fold FROM rollup_steps WHERE until_at > $1 ORDER BY until_at LIMIT $2",
            )
            .bind(after.1)
            .bind(ROWS_MAX)
            .fetch_all(&mut *connection)
            .await?;
            drop(connection);
            let mut change = Change::new(self, &state, state.seq, now + LEASE);
            let mut done = after;
            for (id, body) in &sums {
                let mut ledger: Ledger = super::read(body)?;
                if ledger.rename_callers(names) | ledger.rename_numbers(&instead) {
                    change.rewrite_part(*id, super::write(&ledger)?);
                }
                done.0 = *id;
            }
            for (until, fold) in &steps {
                let mut fold: Statistics = super::read(fold)?;
                if fold.rename_callers(names) | fold.rename_numbers(&instead) {
                    change.rewrite_step(*until, super::write(&fold)?);
                }
                done.1 = *until;
            }
            if done == after {
                return self.let_go(now).await;
            }
            // Where something else was faster, the same rows are looked at once more; whatever was put together
            // meanwhile has a higher number.
            if change.commit(&self.database).await? {
                after = done;
            }
        }
    }
}
