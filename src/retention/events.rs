//! Events that the roll-ups have counted.

use crate::database::{DatabaseFault, Statement};
use crate::event_log::EventLog;
use crate::rollups::Rollups;
use ringdown_routing::time::Timestamp;
use serde_json::{Value, json};

/// Most events that go in one transaction.
const EVENTS_MAX: i64 = 5_000;

/// Lets a day or a batch of those go that happened before, as far as they are counted; how many.
pub(super) async fn let_go(
    log: &EventLog,
    rollups: &Rollups,
    before: Timestamp,
    now: Timestamp,
) -> Result<u64, DatabaseFault> {
    let Some(log_from) = rollups.begin_log_at(before, now).await? else {
        return Ok(0);
    };
    let database = log.database();
    loop {
        match database.drop_day(log_from).await {
            Ok(Some(0)) => {}
            Ok(Some(gone)) => return Ok(gone),
            Ok(None) => break,
            // Somebody reads for longer than we wait; event by event goes beside that.
            Err(DatabaseFault::Locked(_)) => break,
            Err(fault) => return Err(fault),
        }
    }
    let found: Vec<(i64,)> = sqlx::query_as(COUNTED)
        .bind(log_from.as_millis())
        .bind(EVENTS_MAX)
        .fetch_all(database.reads())
        .await?;
    if found.is_empty() {
        return Ok(0);
    }
    let rows: Vec<Value> = found.iter().map(|(seq,)| json!({"seq": seq})).collect();
    let sql =
        "DELETE FROM events WHERE seq IN (SELECT CAST(r.value->>'seq' AS BIGINT) FROM {rows})";
    let statement = Statement::new(sql, vec![Value::from(rows).to_string().into()]);
    database.write(vec![statement]).await?;
    Ok(u64::try_from(found.len()).unwrap_or(u64::MAX))
}

/// What agents and queues are by their last word must be known however old that is.
const COUNTED: &str = "\
SELECT e.seq FROM events e WHERE e.at < $1 AND NOT (
    e.kind IN ('agent_status', 'agent_changed', 'agent_reachable', 'agent_removed', 'queue_changed')
    AND NOT EXISTS (SELECT 1 FROM events l WHERE l.kind = e.kind
        AND COALESCE(l.agent, '') = COALESCE(e.agent, '') AND COALESCE(l.queue, '') = COALESCE(e.queue, '')
        AND l.kind IN ('agent_status', 'agent_changed', 'agent_reachable', 'agent_removed', 'queue_changed')
        AND l.at < $1 AND (l.at, l.seq) > (e.at, e.seq)))
ORDER BY e.at, e.seq LIMIT $2";
