//! The work: step after step, back where an event came late, and steps that are old enough made one.

use super::rows::{self, Change, Part, State, Step};
use super::{DAY, Rollups, zero};
use crate::database::DatabaseFault;
use crate::event_log::PAGE_MAX;
use ringdown_routing::statistics::Ledger;
use ringdown_routing::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long after its end a step is counted: what is stored later takes the steps back.
const GRACE: Duration = Duration::from_secs(600);

/// A step of whoever has caught up.
const HOUR: Duration = Duration::from_secs(3_600);

/// From so far behind, steps are days.
const FAR_BEHIND: Duration = Duration::from_secs(2 * 86_400);

/// How long steps are kept apart: all of them, those at midnight, and from then on one in thirty days.
const HOURS_KEPT: Duration = Duration::from_secs(86_400);
const DAYS_KEPT: Duration = Duration::from_secs(40 * 86_400);
const OLD_STEP_DAYS: i64 = 30;

/// How long the lease holds without a change by its holder.
pub(super) const LEASE: Duration = Duration::from_secs(180);

/// What came of one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// A step was made, or old ones were put together; there may be more to do.
    Moved,
    /// Everything that can be counted for good is.
    Done,
    /// Another gateway does the work.
    Elsewhere,
}

impl Rollups {
    /// Does the next thing there is to do, if the work is ours.
    pub async fn advance(&self, now: Timestamp) -> Result<Advance, DatabaseFault> {
        let mut connection = self.database.reads().acquire().await?;
        let state = State::read(&mut connection).await?;
        if state.holder != self.name && state.held_until > now {
            return Ok(Advance::Elsewhere);
        }
        let seq = rows::settled_seq(&self.database, state.seq).await?;
        let steps = if state.format == rows::FORMAT {
            rows::steps(&mut connection).await?
        } else if let Some(log_from) = state.log_from {
            // Counting again would lose what only the roll-ups know.
            return Err(DatabaseFault::Unreadable(format!(
                "roll-ups are written in format {}, this program reads {}, and the log begins only at {}: \
                 bring them forward with the version that wrote them",
                state.format,
                rows::FORMAT,
                log_from.as_millis(),
            )));
        } else {
            Vec::new()
        };
        let last = steps.last().copied().unwrap_or(BEFORE_ALL);
        // What is older than what the log still has cannot be counted again.
        let floor = floor_of(&state, &steps);
        let late = rows::late(&mut connection, state.seq, seq, floor..last).await?;
        let base = match late {
            Some(at) => last_of(&steps, at),
            None => last,
        };
        let mut change = Change::new(self, &state, seq, now + LEASE);
        if base < last || state.format != rows::FORMAT {
            change.go_back_to(base);
        }
        let begin = match first_event(&mut connection, base).await? {
            Some(at) => base.max(floor_to(at, DAY)),
            None => now,
        };
        let until = next_end(begin, now);
        if until + GRACE > now {
            drop(connection);
            if base < last {
                change.commit(&self.database).await?;
                return Ok(Advance::Moved);
            }
            if self.put_together(&state, seq, &steps, now).await? {
                return Ok(Advance::Moved);
            }
            if state.seq != seq || state.holder != self.name || state.held_until < now + LEASE / 2 {
                change.commit(&self.database).await?;
            }
            return Ok(Advance::Done);
        }
        let mut step = match rows::step_before(&mut connection, base).await {
            Ok(Some(step)) if step.until == base => step,
            Ok(_) => Step {
                until: base,
                fold: zero(),
            },
            Err(fault) if state.log_from.is_some() && base <= floor => return Err(fault),
            Err(fault) => {
                // Written by another version: from zero, or from where the log begins.
                tracing::warn!(%fault, "roll-ups: a step cannot be read, all are counted again");
                change.go_back_to(floor);
                change.commit(&self.database).await?;
                return Ok(Advance::Moved);
            }
        };
        drop(connection);
        self.fold(&mut step, until, seq).await?;
        let parts = rows::parts_of(step.fold.take_settled())?;
        change.add_step(&step, parts)?;
        change.commit(&self.database).await?;
        Ok(Advance::Moved)
    }

    /// Brings them forward as far as they go; how many changes that took, `None` while another gateway holds
    /// the lease.
    pub async fn catch_up(
        &self,
        now: Timestamp,
        mut step: impl FnMut(),
    ) -> Result<Option<u64>, DatabaseFault> {
        let mut changes = 0;
        loop {
            match self.advance(now).await? {
                Advance::Moved => changes += 1,
                Advance::Done => return Ok(Some(changes)),
                Advance::Elsewhere => return Ok(None),
            }
            step();
        }
    }

    /// Throws everything away that the log still tells, and takes the lease over.
    pub async fn forget(&self, now: Timestamp) -> Result<(), DatabaseFault> {
        loop {
            let mut connection = self.database.reads().acquire().await?;
            let state = State::read(&mut connection).await?;
            let steps = rows::steps(&mut connection).await?;
            drop(connection);
            let mut change = Change::new(self, &state, 0, now + LEASE);
            change.go_back_to(floor_of(&state, &steps));
            if change.commit(&self.database).await? {
                return Ok(());
            }
        }
    }

    /// Gives the lease up.
    pub async fn let_go(&self, now: Timestamp) -> Result<(), DatabaseFault> {
        let mut connection = self.database.reads().acquire().await?;
        let state = State::read(&mut connection).await?;
        drop(connection);
        if state.holder == self.name {
            let change = Change::new(self, &state, state.seq, now);
            change.commit(&self.database).await?;
        }
        Ok(())
    }

    /// Counts the events from the step's end to `until`, as far as `seq`.
    async fn fold(&self, step: &mut Step, until: Timestamp, seq: i64) -> Result<(), DatabaseFault> {
        let (mut at, mut last) = (step.until.as_millis(), i64::MIN);
        loop {
            let rows: Vec<(i64, i64, String)> = sqlx::query_as(
                "SELECT at, seq, body FROM events WHERE at >= $1 AND at < $3 AND (at, seq) > ($1, $2) \
                 AND seq <= $4 ORDER BY at, seq LIMIT $5",
            )
            .bind(at)
            .bind(last)
            .bind(until.as_millis())
            .bind(seq)
            .bind(i64::try_from(PAGE_MAX).unwrap_or(i64::MAX))
            .fetch_all(self.database.reads())
            .await?;
            for (_, _, body) in &rows {
                step.fold.record(&crate::event_log::parse(body)?);
            }
            match rows.last() {
                Some((row_at, row_seq, _)) if rows.len() == PAGE_MAX => {
                    (at, last) = (*row_at, *row_seq);
                }
                Some(_) | None => break,
            }
            tokio::task::yield_now().await;
        }
        step.until = until;
        Ok(())
    }

    /// Makes one of the oldest steps that need not be kept apart any more; false when there are none.
    async fn put_together(
        &self,
        state: &State,
        seq: i64,
        steps: &[Timestamp],
        now: Timestamp,
    ) -> Result<bool, DatabaseFault> {
        let Some((after, until)) = first_gap(steps, now) else {
            return Ok(false);
        };
        let found: Vec<(i64, String, Vec<u8>)> = sqlx::query_as(
            "SELECT day, part, body FROM rollups WHERE until_at > $1 AND until_at <= $2 ORDER BY id",
        )
        .bind(after.as_millis())
        .bind(until.as_millis())
        .fetch_all(self.database.reads())
        .await?;
        let mut sums: BTreeMap<(i64, &'static str), Ledger> = BTreeMap::new();
        for (day, part, body) in found {
            let Some(part) = [rows::INTERVALS, rows::FACETS, rows::FACETS_BY_DAY]
                .into_iter()
                .find(|known| *known == part)
            else {
                continue;
            };
            let ledger: Ledger = super::read(&body)?;
            match sums.get_mut(&(day, part)) {
                Some(sum) => *sum += ledger,
                None => {
                    sums.insert((day, part), ledger);
                }
            }
        }
        let mut parts = Vec::with_capacity(sums.len());
        for ((day, part), ledger) in sums {
            parts.push(Part {
                day: Timestamp::from_millis(day),
                part,
                body: super::write(&ledger)?,
            });
        }
        let mut change = Change::new(self, state, seq, now + LEASE);
        change.forget_steps(after, until, parts);
        change.commit(&self.database).await?;
        Ok(true)
    }
}

/// Before every event.
const BEFORE_ALL: Timestamp = Timestamp::from_millis(i64::MIN);

/// From which step on the log can be counted again: the first one before which no event is missing.
pub(super) fn floor_of(state: &State, steps: &[Timestamp]) -> Timestamp {
    let Some(log_from) = state.log_from else {
        return BEFORE_ALL;
    };
    let first = steps.partition_point(|until| *until < log_from);
    steps.get(first).copied().unwrap_or(log_from)
}

/// The last step that ends at an instant or before.
fn last_of(steps: &[Timestamp], at: Timestamp) -> Timestamp {
    let count = steps.partition_point(|until| *until <= at);
    let before = steps.get(..count).and_then(<[Timestamp]>::last);
    before.copied().unwrap_or(BEFORE_ALL)
}

/// Where the step that begins at an instant ends.
fn next_end(begin: Timestamp, now: Timestamp) -> Timestamp {
    let width = if begin + FAR_BEHIND < now { DAY } else { HOUR };
    floor_to(begin, width) + width
}

pub(super) fn floor_to(at: Timestamp, width: Duration) -> Timestamp {
    let width = i64::try_from(width.as_millis()).unwrap_or(i64::MAX).max(1);
    Timestamp::from_millis(at.as_millis().div_euclid(width).saturating_mul(width))
}

/// Two steps with others between them that need not be kept apart.
fn first_gap(steps: &[Timestamp], now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let is_kept = |at: Timestamp| {
        let is_midnight = floor_to(at, DAY) == at;
        let day_ms = i64::try_from(DAY.as_millis()).unwrap_or(i64::MAX);
        let is_old_step = at.as_millis().div_euclid(day_ms) % OLD_STEP_DAYS == 0;
        at + HOURS_KEPT > now || (is_midnight && (at + DAYS_KEPT > now || is_old_step))
    };
    let mut kept = BEFORE_ALL;
    let mut has_between = false;
    for step in steps {
        if !is_kept(*step) {
            has_between = true;
            continue;
        }
        if has_between {
            return Some((kept, *step));
        }
        kept = *step;
    }
    None
}

async fn first_event(
    connection: &mut sqlx::AnyConnection,
    from: Timestamp,
) -> Result<Option<Timestamp>, DatabaseFault> {
    let row: (Option<i64>,) = sqlx::query_as("SELECT MIN(at) FROM events WHERE at >= $1")
        .bind(from.as_millis())
        .fetch_one(connection)
        .await?;
    Ok(row.0.map(Timestamp::from_millis))
}
