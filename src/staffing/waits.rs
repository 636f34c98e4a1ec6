//! The waits of the desk's own calls, from which the callers' patience is estimated.

use crate::database::{Database, DatabaseFault};
use ringdown_routing::ids::QueueId;
use ringdown_routing::staffing::Wait;
use ringdown_routing::time::Timestamp;

/// Most waits that are read, the newest.
const WAITS_MAX: i64 = 200_000;

/// How the waits of calls ended that came since an instant: answered, or left while waiting.
pub async fn waits(
    database: &Database,
    queue: Option<&QueueId>,
    since: Timestamp,
) -> Result<Vec<Wait>, DatabaseFault> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT CAST(CASE WHEN answered_at IS NULL THEN 0 ELSE 1 END AS BIGINT), wait_ms FROM contacts \
         WHERE arrived_at >= $1 AND channel = 'voice' AND wait_ms IS NOT NULL \
         AND (answered_at IS NOT NULL OR result = 'abandoned') AND ($2 = '' OR queue = $2) \
         ORDER BY arrived_at DESC LIMIT $3",
    )
    .bind(since.as_millis())
    .bind(queue.map_or("", QueueId::as_str).to_owned())
    .bind(WAITS_MAX)
    .fetch_all(database.reads())
    .await?;
    Ok(rows
        .into_iter()
        .map(|(answered, wait_ms)| {
            let wait_ms = u64::try_from(wait_ms).unwrap_or(0);
            if answered == 1 {
                Wait::Answered(wait_ms)
            } else {
                Wait::Abandoned(wait_ms)
            }
        })
        .collect())
}
