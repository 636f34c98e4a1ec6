//! Ladders in the database: written behind the calls, kept for a while.

use super::SipTrace;
use crate::database::{Database, DatabaseFault, Statement};
use ringdown_routing::ids::ContactId;
use ringdown_routing::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// Most ladders that wait to be written; more are let go and counted, because no call waits for them.
const WAITING_MAX: usize = 4_096;

/// Most ladders of one transaction.
const BATCH_MAX: usize = 256;

/// How long a ladder is kept.
pub const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 3_600);

/// How often the old ones are taken away, in ladders written.
const FORGET_EVERY: u64 = 5_000;

/// Hands ladders over to be written; clones share the way.
#[derive(Clone, Debug)]
pub struct TraceSender {
    ladders: mpsc::Sender<SipTrace>,
    lost: Arc<AtomicU64>,
}

impl TraceSender {
    /// Starts the task that writes; it ends when all senders are gone and everything is written.
    pub fn start(database: Database) -> Self {
        let (ladders, inbox) = mpsc::channel(WAITING_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        tokio::spawn(write_all(database, inbox, Arc::clone(&lost)));
        Self { ladders, lost }
    }

    /// Hands a ladder over; never waits.
    pub fn keep(&self, trace: SipTrace) {
        if self.ladders.try_send(trace).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Ladders that were let go since the start.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// The ladder of one contact; `None` when none was kept.
pub async fn load(
    database: &Database,
    contact: ContactId,
) -> Result<Option<SipTrace>, DatabaseFault> {
    let row: Option<(String,)> = sqlx::query_as("SELECT body FROM sip_traces WHERE contact = $1")
        .bind(contact.to_string())
        .fetch_optional(database.reads())
        .await?;
    row.map(|(body,)| {
        serde_json::from_str(&body)
            .map_err(|error| DatabaseFault::Unreadable(format!("ladder: {error}")))
    })
    .transpose()
}

async fn write_all(database: Database, mut inbox: mpsc::Receiver<SipTrace>, lost: Arc<AtomicU64>) {
    let mut batch = Vec::new();
    let mut written: u64 = 0;
    while inbox.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let count = u64::try_from(batch.len()).unwrap_or(0);
        let newest = batch.iter().map(|trace| trace.at).max();
        let mut statements: Vec<Statement> =
            batch.drain(..).filter_map(|trace| insert(&trace)).collect();
        if (written + count) / FORGET_EVERY > written / FORGET_EVERY
            && let Some(newest) = newest
        {
            statements.push(forget_before(newest - KEPT_FOR));
        }
        written += count;
        if let Err(fault) = database.write_with_others(statements).await {
            lost.fetch_add(count, Ordering::Relaxed);
            tracing::warn!(%fault, count, "trace: ladders were not kept");
        }
    }
}

fn insert(trace: &SipTrace) -> Option<Statement> {
    let body = serde_json::to_string(trace).ok()?;
    Some(Statement::new(
        "INSERT INTO sip_traces (contact, at, body) VALUES ($1, $2, $3) \
         ON CONFLICT (contact) DO UPDATE SET at = excluded.at, body = excluded.body",
        vec![
            trace.contact.to_string().into(),
            trace.at.as_millis().into(),
            body.into(),
        ],
    ))
}

fn forget_before(before: Timestamp) -> Statement {
    Statement::new(
        "DELETE FROM sip_traces WHERE at < $1",
        vec![before.as_millis().into()],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{at, contact, run, sqlite};
    use crate::trace::{Ladder, Leg};

    fn trace(number: u128, second: i64) -> SipTrace {
        let mut ladder = Ladder::new(at(second), 8);
        ladder.note(at(second), Leg::Caller, "no RTP\0for 5 s");
        ladder.into_trace(contact(number))
    }

    #[test]
    fn a_ladder_is_found_again() {
        run(async {
            let (_folder, database) = sqlite().await;
            let sender = TraceSender::start(database.clone());
            for number in 1..=300 {
                sender.keep(trace(number, 0));
            }
            sender.keep(trace(1, 9));
            while load(&database, contact(1))
                .await
                .unwrap()
                .is_none_or(|it| it.at != at(9))
            {
                tokio::task::yield_now().await;
            }
            assert_eq!(
                load(&database, contact(300)).await.unwrap(),
                Some(trace(300, 0))
            );
            assert_eq!(load(&database, contact(301)).await.unwrap(), None);
            assert_eq!(sender.lost(), 0);
            database.close().await;
        });
    }

    #[test]
    fn ladders_are_let_go_rather_than_waited_for() {
        run(async {
            let (_folder, database) = sqlite().await;
            let sender = TraceSender::start(database.clone());
            // Nothing runs in between, so the channel fills.
            for number in 0..5_000 {
                sender.keep(trace(number, 0));
            }
            assert_eq!(sender.lost(), 5_000 - 4_096);
            database.close().await;
        });
    }
}
