//! Retention: what is older than the site wants to keep goes; what was counted of it stays.
//!
//! | what | goes when | stays |
//! |---|---|---|
//! | events | they are counted by the roll-ups, whole UTC days at a time | the last word on every agent's and queue's settings |
//! | contacts | they have ended, with their SIP messages, call-backs and what callers wrote of them | their marks |
//! | mails | their ticket is over: the octets, attachments, and letters that were sent | the text on the ticket |
//! | recordings | whatever the ticket is | the article that tells of them |
//!
//! The gateway that keeps the roll-ups does it, a bounded batch at a time. From which instant on the log is whole is
//! written down before the first event goes, in a change that holds only if the roll-ups have not changed, so that
//! nothing goes that is not counted, and nothing is counted again that the log does not tell any more.

pub(crate) mod blobs;
mod events;
mod others;

use crate::config::Retention;
use crate::database::{Database, DatabaseFault};
use crate::erasure::{ErasureFault, Erasures};
use crate::event_log::EventLog;
use crate::metrics::Metrics;
use crate::rollups::{Advance, Rollups};
use ringdown_routing::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Lets go of what is too old; clones share the counts.
#[derive(Clone, Debug)]
pub struct Keeper {
    rules: Retention,
    database: Database,
    log: EventLog,
    gone: Arc<Gone>,
}

/// What has gone since the start of the gateway, and how the roll-ups stand.
#[derive(Debug, Default)]
struct Gone {
    events: AtomicU64,
    contacts: AtomicU64,
    mails: AtomicU64,
    recordings: AtomicU64,
    ran_at_s: AtomicU64,
    rolled_up_until_s: AtomicU64,
    rows: AtomicU64,
    steps: AtomicU64,
}

/// How much has gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events.
    pub events: u64,
    /// Contacts.
    pub contacts: u64,
    /// Mails and letters.
    pub mails: u64,
    /// Recordings.
    pub recordings: u64,
}

/// What came of one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Something went; there may be more.
    Went,
    /// Nothing is too old.
    Nothing,
}

impl Keeper {
    /// Keeps what these rules want kept.
    pub fn new(rules: Retention, log: &EventLog) -> Self {
        Self {
            rules,
            database: log.database().clone(),
            log: log.clone(),
            gone: Arc::default(),
        }
    }

    /// How much has gone.
    pub fn counts(&self) -> Counts {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            events: count(&self.gone.events),
            contacts: count(&self.gone.contacts),
            mails: count(&self.gone.mails),
            recordings: count(&self.gone.recordings),
        }
    }

    /// Adds to `/metrics` what has gone, and how far the roll-ups are behind; `now` is asked at each answer.
    pub fn show_in(&self, metrics: &Metrics, now: impl Fn() -> Timestamp + Send + Sync + 'static) {
        let keeper = self.clone();
        metrics.add(move |out| {
            let counts = keeper.counts();
            for (kind, count) in [
                ("events", counts.events),
                ("contacts", counts.contacts),
                ("mails", counts.mails),
                ("recordings", counts.recordings),
            ] {
                out.counter(
                    "ringdown_retention_gone_total",
                    "What was older than is kept and went.",
                    &[("kind", kind)],
                    count,
                );
            }
            let number = |number: &AtomicU64| number.load(Ordering::Relaxed);
            let ran_at_s = number(&keeper.gone.ran_at_s);
            if ran_at_s == 0 {
                // Another gateway does the work, or this one has just begun.
                return;
            }
            let (until_s, rows, steps) = (
                number(&keeper.gone.rolled_up_until_s),
                number(&keeper.gone.rows),
                number(&keeper.gone.steps),
            );
            let now_s = u64::try_from(now().as_millis() / 1_000).unwrap_or(0);
            let gauges = [
                (
                    "ringdown_rollup_last_run_seconds",
                    "When roll-ups and retention were last looked after, in Unix time.",
                    ran_at_s,
                ),
                (
                    "ringdown_rollup_lag_seconds",
                    "How long ago the last instant is that is rolled up.",
                    now_s.saturating_sub(until_s),
                ),
                ("ringdown_rollup_rows", "Rows that hold sums of days.", rows),
                (
                    "ringdown_rollup_steps",
                    "Steps at which the fold is kept.",
                    steps,
                ),
            ];
            for (name, help, value) in gauges {
                out.gauge(name, help, &[], value as f64);
            }
        });
    }

    async fn note_rollups(&self, rollups: &Rollups, now: Timestamp) -> Result<(), DatabaseFault> {
        let seconds = |at: Timestamp| u64::try_from(at.as_millis() / 1_000).unwrap_or(0);
        let extent = rollups.extent().await?;
        let until = rollups.lag().await?.until;
        self.gone.rows.store(extent.rows, Ordering::Relaxed);
        self.gone.steps.store(extent.steps, Ordering::Relaxed);
        self.gone
            .rolled_up_until_s
            .store(until.map_or(0, seconds), Ordering::Relaxed);
        self.gone.ran_at_s.store(seconds(now), Ordering::Relaxed);
        Ok(())
    }

    /// Lets one batch of each kind go, and makes the days to come of the event log. The caller holds the lease of these roll-ups.
    pub async fn look(&self, rollups: &Rollups, now: Timestamp) -> Result<Look, DatabaseFault> {
        let before = |days: Option<u32>| days.map(|days| now - DAY * days);
        let mut is_more = false;
        self.database.make_days(now).await?;
        if let Some(before) = before(self.rules.events_days) {
            let gone = events::let_go(&self.log, rollups, before, now).await?;
            is_more |= self.note(&self.gone.events, gone);
        }
        if let Some(before) = before(self.rules.contacts_days) {
            let gone = others::contacts(&self.database, before).await?;
            is_more |= self.note(&self.gone.contacts, gone);
        }
        if let Some(before) = before(self.rules.mails_days) {
            let gone = others::mails(&self.database, before).await?;
            is_more |= self.note(&self.gone.mails, gone);
        }
        if let Some(before) = before(self.rules.recordings_days) {
            let gone = others::recordings(&self.database, before).await?;
            is_more |= self.note(&self.gone.recordings, gone);
        }
        Ok(if is_more { Look::Went } else { Look::Nothing })
    }

    fn note(&self, sum: &AtomicU64, gone: u64) -> bool {
        sum.fetch_add(gone, Ordering::Relaxed);
        gone > 0
    }
}

/// Keeps the roll-ups up to date and what is too old away for ever, and goes on with an erasure that a crash
/// interrupted.
pub async fn keep(
    rollups: Rollups,
    keeper: Keeper,
    erasures: Erasures,
    now: impl Fn() -> Timestamp,
) {
    loop {
        match work(&rollups, &keeper, &erasures, now()).await {
            Ok(Look::Went) => tokio::task::yield_now().await,
            Ok(Look::Nothing) => tokio::time::sleep(LOOK_EVERY).await,
            Err(fault) => {
                tracing::warn!(%fault, "roll-ups and retention: could not be brought forward, will be tried again");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }
}

async fn work(
    rollups: &Rollups,
    keeper: &Keeper,
    erasures: &Erasures,
    now: Timestamp,
) -> Result<Look, ErasureFault> {
    match rollups.advance(now).await? {
        Advance::Moved => return Ok(Look::Went),
        Advance::Elsewhere => return Ok(Look::Nothing),
        Advance::Done => {}
    }
    match erasures.carry_out(now).await {
        Ok(Some(_)) => return Ok(Look::Went),
        Ok(None) => {}
        // Whoever reads for so long holds up the end of the erasure, and nothing else.
        Err(fault @ ErasureFault::StillRead) => tracing::warn!(%fault, "an erasure waits"),
        Err(fault) => return Err(fault),
    }
    keeper.note_rollups(rollups, now).await?;
    Ok(keeper.look(rollups, now).await?)
}

/// How often it is looked whether there is something to do.
const LOOK_EVERY: Duration = Duration::from_secs(60);

const DAY: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests;
