//! The work: step after step, back where an event came late, and steps that are old enough made one.

use super::levels::floor_to;
use super::rows::{self, Change, NewEvents, Part, State, Step};
use super::{CELL, DAY, Rollups, zero};
use crate::database::DatabaseFault;
use crate::event_log::PAGE_MAX;
use ringdown_routing::statistics::Ledger;
use ringdown_routing::time::Timestamp;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

/// How long after its end a step is counted: what is stored later takes the steps back.
const GRACE: Duration = Duration::from_secs(600);

/// How wide steps are by how far they are behind: so wide from so far on.
const WIDTHS: [(Duration, Duration); 3] = [
    (Duration::from_secs(2 * 86_400), DAY),
    (Duration::from_secs(2 * 3_600), HOUR),
    (Duration::ZERO, CELL),
];

const HOUR: Duration = Duration::from_secs(3_600);

/// How long steps are kept apart: all of them, those of whole hours, every four hours and at midnight, and from
/// then on one in thirty days.
const KEPT: [(Duration, Duration); 4] = [
    (CELL, Duration::from_secs(2 * 3_600)),
    (HOUR, Duration::from_secs(8 * 3_600)),
    (
        Duration::from_secs(4 * 3_600),
        Duration::from_secs(48 * 3_600),
    ),
    (DAY, Duration::from_secs(40 * 86_400)),
];
const OLD_STEP: Duration = Duration::from_secs(30 * 86_400);

/// From what age on what a step has counted is cut up by width; until then it is likely to be put together with
/// more, or to be counted again.
const CUT_AFTER: Duration = Duration::from_secs(2 * 3_600);

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
        } else if state.log_from.is_some() {
            drop(connection);
            self.bring_forward(now).await?;
            return Ok(Advance::Moved);
        } else {
            Vec::new()
        };
        let last = steps.last().copied().unwrap_or(BEFORE_ALL);
        // What is older than what the log still has cannot be counted again.
        let floor = floor_of(&state, &steps);
        let new = NewEvents {
            after: state.seq,
            up_to: seq,
        };
        let engine = self.database.engine();
        let late = rows::late(engine, &mut connection, new, floor..last).await?;
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
            if let Some(tidied) = self.tidied(&state, seq, &steps, now).await? {
                tidied.commit(&self.database).await?;
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

    /// What there is to do beside counting: to make one of steps that need not be kept apart any more, or to cut up
    /// by width what one has counted. `None` when there is nothing.
    async fn tidied(
        &self,
        state: &State,
        seq: i64,
        steps: &[Timestamp],
        now: Timestamp,
    ) -> Result<Option<Change>, DatabaseFault> {
        let mut change = Change::new(self, state, seq, now + LEASE);
        if let Some((after, until)) = first_gap(steps, now) {
            change.forget_steps(after, until);
            if until + kept_apart() > now {
                self.put_together((after, until), &mut change).await?;
            }
            change.hand_on(after, until);
            return Ok(Some(change));
        }
        let uncut: Option<(i64, i64)> = sqlx::query_as(
            "SELECT until_at, begin_at FROM rollups WHERE width = 0 AND until_at <= $1 \
             ORDER BY until_at, begin_at LIMIT 1",
        )
        .bind((now - CUT_AFTER).as_millis())
        .fetch_optional(self.database.reads())
        .await?;
        let Some((until, day)) = uncut else {
            return Ok(None);
        };
        let (until, day) = (Timestamp::from_millis(until), Timestamp::from_millis(day));
        self.cut_up(until, day, &mut change).await?;
        Ok(Some(change))
    }

    /// Adds up what the steps after one up to another have counted. Days that were put together once are left as
    /// they are, of which little would be added up and all be read.
    async fn put_together(
        &self,
        (after, until): (Timestamp, Timestamp),
        change: &mut Change,
    ) -> Result<(), DatabaseFault> {
        let found: Vec<(i64, i64, String, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT id, begin_at, part, width, body FROM rollups WHERE until_at > $1 AND until_at <= $2 \
             ORDER BY id",
        )
        .bind(after.as_millis())
        .bind(until.as_millis())
        .fetch_all(self.database.reads())
        .await?;
        let mut sums: BTreeMap<(i64, &'static str, i64), (Vec<i64>, Ledger)> = BTreeMap::new();
        for (id, begin, part, width, body) in found {
            let Some(part) = rows::part_of(&part) else {
                continue;
            };
            let ledger: Ledger = super::read(&body)?;
            match sums.entry((begin, part, width)) {
                Entry::Vacant(place) => {
                    place.insert((vec![id], ledger));
                }
                Entry::Occupied(mut sum) => {
                    let (ids, sum) = sum.get_mut();
                    ids.push(id);
                    *sum += ledger;
                }
            }
        }
        for ((begin, part, width), (ids, ledger)) in sums {
            // Whatever is a step's alone is handed on as it is.
            if ids.len() > 1 {
                let part = Part {
                    begin: Timestamp::from_millis(begin),
                    part,
                    width: Duration::from_millis(u64::try_from(width).unwrap_or(0)),
                    body: super::write(&ledger)?,
                };
                change.replace(&ids, vec![part], until);
            }
        }
        Ok(())
    }

    /// Cuts up by width what the step that ends at `until` has counted of a day.
    async fn cut_up(
        &self,
        until: Timestamp,
        day: Timestamp,
        change: &mut Change,
    ) -> Result<(), DatabaseFault> {
        let found: Vec<(i64, String, Vec<u8>)> = sqlx::query_as(
            "SELECT id, part, body FROM rollups WHERE width = 0 AND until_at = $1 AND begin_at = $2 ORDER BY id",
        )
        .bind(until.as_millis())
        .bind(day.as_millis())
        .fetch_all(self.database.reads())
        .await?;
        for (id, part, body) in found {
            let cut = match rows::part_of(&part) {
                Some(part) => rows::parts_by_width(part, super::read(&body)?)?,
                None => Vec::new(),
            };
            change.replace(&[id], cut, until);
        }
        Ok(())
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
    let mut fitting = WIDTHS.iter().filter(|(behind, _)| begin + *behind < now);
    let width = fitting.next().map_or(CELL, |(_, width)| *width);
    floor_to(begin, width) + width
}

/// From what age on only one step in thirty days is kept.
fn kept_apart() -> Duration {
    KEPT.iter()
        .map(|(_, kept_for)| *kept_for)
        .max()
        .unwrap_or(DAY)
}

/// Two steps with others between them that need not be kept apart.
fn first_gap(steps: &[Timestamp], now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let is_kept = |at: Timestamp| {
        let is_aligned = |width: Duration| floor_to(at, width) == at;
        let is_young =
            |(width, kept_for): &(Duration, Duration)| at + *kept_for > now && is_aligned(*width);
        is_aligned(OLD_STEP) || KEPT.iter().any(is_young)
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
