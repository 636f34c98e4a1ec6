//! What was kept in the format of before, brought forward where the log does not tell it any more.
//!
//! Format 2 knew the time of each agent, but not to which queues it counted while it passed. Sums before the instant
//! at which the log begins count it to the queues of the last word, as they were shown until then; everything after
//! that is counted again.

use super::Rollups;
use super::keeping::{LEASE, floor_of};
use super::rows::{self, Change, State};
use crate::database::DatabaseFault;
use ringdown_routing::statistics::{Ledger, Statistics};
use ringdown_routing::time::Timestamp;

/// The format that can be brought forward.
const BEFORE: i64 = 2;

/// Rows that are read, and rewritten in one transaction, at a time.
const ROWS_MAX: i64 = 16;

impl Rollups {
    /// Writes what the log cannot tell again in the format of now, and lets the rest be counted again. A change by
    /// another gateway ends it; what it has done by then does not matter, for it is done anew.
    pub(super) async fn bring_forward(&self, now: Timestamp) -> Result<(), DatabaseFault> {
        let mut connection = self.database.reads().acquire().await?;
        let mut state = State::read(&mut connection).await?;
        let steps = rows::steps(&mut connection).await?;
        let floor = floor_of(&state, &steps);
        let step = rows::step_before(&mut connection, floor).await?;
        drop(connection);
        let Some(mut step) = step.filter(|step| state.format == BEFORE && step.until == floor)
        else {
            // Counting again would lose what only the roll-ups know.
            return Err(DatabaseFault::Unreadable(format!(
                "roll-ups are written in format {}, this program reads {}, and the log begins only at {}: \
                 bring them forward with the version that wrote them",
                state.format,
                rows::FORMAT,
                state.log_from.unwrap_or(floor).as_millis(),
            )));
        };
        step.fold.serve_by_last_word();
        let mut after = i64::MIN;
        loop {
            let sums = self.sums_after(after, floor).await?;
            let Some((last, _)) = sums.last() else {
                break;
            };
            after = *last;
            let mut change = Change::in_format(self, &state, now + LEASE, BEFORE);
            for (id, body) in &sums {
                change.rewrite_part(*id, served(body, &step.fold)?);
            }
            if !change.commit(&self.database).await? {
                return Ok(());
            }
            let mut connection = self.database.reads().acquire().await?;
            state = State::read(&mut connection).await?;
        }
        let mut change = Change::new(self, &state, state.seq, now + LEASE);
        change.go_back_to(floor);
        change.rewrite_step(floor.as_millis(), super::write(&step.fold)?);
        change.commit(&self.database).await?;
        Ok(())
    }

    /// The next sums by interval that a step up to an instant has counted.
    async fn sums_after(
        &self,
        after: i64,
        until: Timestamp,
    ) -> Result<Vec<(i64, Vec<u8>)>, DatabaseFault> {
        let sums = sqlx::query_as(
            "SELECT id, body FROM rollups WHERE part = $1 AND until_at <= $2 AND id > $3 ORDER BY id LIMIT $4",
        )
        .bind(rows::INTERVALS)
        .bind(until.as_millis())
        .bind(after)
        .bind(ROWS_MAX)
        .fetch_all(self.database.reads())
        .await?;
        Ok(sums)
    }
}

/// The same sums with agents' time by queue.
fn served(body: &[u8], fold: &Statistics) -> Result<Vec<u8>, DatabaseFault> {
    let mut ledger: Ledger = super::read(body)?;
    ledger.serve_by_last_word(fold);
    super::write(&ledger)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::on_both_engines;
    use crate::database::{Statement, Value};
    use crate::event_log::EventLog;
    use crate::report::By;
    use crate::rollups::Advance;
    use crate::rollups::tests::{period_from, printed};
    use ringdown_routing::agent::Status;
    use ringdown_routing::event::{EventDraft, EventKind};
    use ringdown_routing::ids::{AgentId, EventId, NodeId};
    use ringdown_routing::statistics::Scope;

    /// What format 2 had at the end of a day: ann is available from 0:00, has a call from 1:45 to 3:50 with its
    /// wrap-up, and one from 26:45 to 27:00; bob is at lunch from 0:10 to 28:20. Both serve R by the last word, ann
    /// of 29:50; before it she served Q.
    const SUMS: &[u8] = include_bytes!("../../fixtures/rollups/format_2/sums.msgpack");
    const STEP: &[u8] = include_bytes!("../../fixtures/rollups/format_2/step.msgpack");

    fn day(count: i64) -> Timestamp {
        Timestamp::from_seconds(count * 86_400)
    }

    /// As a desk of format 2 left it that has let its log go up to the end of the first day.
    fn of_before() -> Vec<Statement> {
        let midnight = day(1).as_millis();
        let step = |until: i64, fold: &[u8]| {
            let values = vec![until.into(), Value::Bytes(fold.to_vec())];
            let sql = "INSERT INTO rollup_steps (until_at, fold) VALUES ($1, $2)";
            Statement::new(sql, values)
        };
        let sums = |until: i64| {
            Statement::new(
                "INSERT INTO rollups (begin_at, part, width, until_at, body) \
                 VALUES (0, 'intervals', 0, $1, $2)",
                vec![until.into(), Value::Bytes(SUMS.to_vec())],
            )
        };
        vec![
            Statement::new(
                "UPDATE rollup_state SET format = 2, log_from = $1 WHERE name = 'statistics'",
                vec![midnight.into()],
            ),
            step(midnight, STEP),
            sums(midnight),
            // Counted again, for the log has it.
            step(midnight + 900_000, STEP),
            sums(midnight + 900_000),
        ]
    }

    #[test]
    fn what_the_log_tells_no_more_is_brought_forward_and_the_rest_is_counted_again() {
        on_both_engines(|database| async move {
            database.write(of_before()).await.unwrap();
            let log = EventLog::new(database.clone());
            let ann = AgentId::from("ann");
            let status = Status::LoggedOff;
            let goes = EventDraft::of_agent(
                Timestamp::from_seconds(86_400 + 600),
                ann,
                EventKind::AgentStatus { status },
            );
            let origin = NodeId::from("store");
            assert!(log.append(goes.numbered(EventId {
                origin,
                number: 100
            })));
            log.flush().await.unwrap();
            let rollups = Rollups::new(&log);
            let now = day(4);
            assert_eq!(rollups.advance(now).await.unwrap(), Advance::Moved);
            let sums = rollups.sums_after(i64::MIN, day(3)).await.unwrap();
            assert_eq!(sums.len(), 1, "what the log has is not kept twice");
            rollups.catch_up(now, || ()).await.unwrap();
            let period = period_from(0, "1d", 2 * 86_400);
            let all = Scope::default();
            let report = rollups.report(&period, &all, now, || ()).await.unwrap();
            let report = report.expect("roll-ups are kept");
            let told: serde_json::Value =
                serde_json::from_str(&printed(&report.by(By::Queue))).unwrap();
            let time = &told["statistics"]["R"]["agent_time"];
            let wanted = [
                ("talk_ms", 110),
                ("ringing_ms", 10),
                ("wrap_up_ms", 20),
                ("not_ready_ms", 1_690),
                // All of ann's time until she goes, less the rest of it.
                ("idle_ms", 87_000 - 110 - 10 - 20),
            ];
            for (field, seconds) in wanted {
                assert_eq!(time[field], seconds * 1_000, "{field}");
            }
            let in_q = &told["statistics"]["Q"]["agent_time"];
            assert_eq!(in_q["talk_ms"], 0, "she serves it no more");
            assert_eq!(told["statistics"]["Q"]["answered"], 2);
        });
    }

    #[test]
    fn a_format_that_nobody_knows_is_left_alone_where_the_log_is_not_whole() {
        on_both_engines(|database| async move {
            database.write(of_before()).await.unwrap();
            let unknown = "UPDATE rollup_state SET format = 99 WHERE name = 'statistics'";
            let unknown = vec![Statement::new(unknown, Vec::new())];
            database.write(unknown).await.unwrap();
            let rollups = Rollups::new(&EventLog::new(database.clone()));
            assert!(rollups.advance(day(4)).await.is_err());
            let sums = rollups.sums_after(i64::MIN, day(4)).await.unwrap();
            assert!(sums.len() == 2 && sums.iter().all(|(_, body)| body == SUMS));
        });
    }
}
