//! Mails whose answer is due soon: told once, and put forward by the line's rule.
//!
//! That it was done is committed together with the order to do it, so it happens once, whoever looks and
//! whenever a gateway ends.

use super::deed::{Deed, Done};
use super::orders::{self, Act, Order};
use super::{MailWork, WorkFault};
use crate::database::{DatabaseFault, Engine};
use ringdown_routing::ids::{ContactId, QueueId};
use ringdown_routing::time::Timestamp;
use sqlx::AnyConnection;

/// One that is to be put forward.
#[derive(Clone, Debug)]
pub(crate) struct Escalate {
    row: i64,
    order: Order,
    at: Timestamp,
}

/// Puts forward what is due soon.
pub(super) async fn look(work: &MailWork) -> Result<(), WorkFault> {
    let now = work.now();
    let due: Vec<(i64, String, String, i64)> = sqlx::query_as(DUE_SOON)
        .bind(now.as_millis())
        .fetch_all(work.shared.database.reads())
        .await
        .map_err(DatabaseFault::from)?;
    for (row, contact, queue, due_at) in due {
        let Ok(contact) = contact.parse::<ContactId>() else {
            continue;
        };
        let rule = work.shared.config.queue(&QueueId::new(queue));
        let rule = rule.map(|queue| queue.mail.escalation.clone());
        let rule = rule.unwrap_or_default();
        let act = Act::Escalate {
            due_at: Timestamp::from_millis(due_at),
            priority: rule.priority,
            to: rule.queue,
            at: now,
        };
        let order = Order { contact, act };
        let escalate = Escalate {
            row,
            order: order.clone(),
            at: now,
        };
        match work
            .shared
            .database
            .do_deed(Deed::Escalate(Box::new(escalate)))
            .await?
        {
            Done::Written { .. } => {
                orders::carry_out(work, &order).await?;
            }
            // Another gateway was faster.
            Done::Repeated | Done::Merged { .. } | Done::Split(_) | Done::Refused(_) => {}
        }
    }
    Ok(())
}

/// Notes that it was put forward, with the order to do it; part of the writer's transaction.
pub(super) async fn escalate(
    engine: Engine,
    connection: &mut AnyConnection,
    escalate: &Escalate,
) -> Result<Done, DatabaseFault> {
    let claimed: Option<(i64,)> = sqlx::query_as(engine.sql(CLAIM))
        .bind(escalate.at.as_millis())
        .bind(escalate.row)
        .fetch_optional(&mut *connection)
        .await?;
    if claimed.is_none() {
        return Ok(Done::Repeated);
    }
    orders::insert(engine, connection, &escalate.order, escalate.at).await?;
    Ok(Done::Written { note: None })
}

const DUE_SOON: &str = "\
SELECT d.id, d.contact, c.queue, d.due_at FROM answers_due d JOIN contacts c ON c.id = d.contact
WHERE d.state = 'due' AND d.escalated_at IS NULL AND d.escalate_at <= $1 AND c.ended_at IS NULL
    AND c.queue IS NOT NULL
ORDER BY d.escalate_at, d.id LIMIT 100";

const CLAIM: &str = "\
UPDATE answers_due SET escalated_at = $1 WHERE id = $2 AND escalated_at IS NULL AND state = 'due' RETURNING id";
