//! Callers whose gateway died under them: each is called back at the old place.
//!
//! When the desk takes a gateway for lost, its calls end with the cause
//! [`GATEWAY_LOST`](ringdown_routing::verb::GATEWAY_LOST), and in the same step the
//! [successor](ContactId::successor) of each stands in the line. It is written down here by whoever comes first:
//! the gateway that an agent is reserved at, or one that reads in the event log who was cut off. All of them
//! do, and each caller gets one call-back: its contact follows from the one that was cut off, and the first to
//! write it down is the only one.
//!
//! Who waited has their old place: that of their first entry. So has who was talking, which puts them
//! before all who still wait, for they were served before them. Nobody is called back whose number is
//! withheld or is none, nor when the gateway only slept and has its calls again.

use super::{CallBack, CallBacks, Value, values};
use crate::database::{DatabaseFault, Statement};
use ringdown_routing::ids::{ContactId, NodeId, OfferToken, QueueId, TicketId};
use ringdown_routing::time::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;

/// A call whose gateway died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutOff {
    /// The contact that ended by it.
    pub contact: ContactId,
    /// Who called, as the channel said it.
    pub from: String,
    /// What they dialled.
    pub dialled: String,
    /// The line they stood in.
    pub queue: QueueId,
    /// Their ticket.
    pub ticket: Option<TicketId>,
    /// Their place in the line.
    pub enqueued_at: Timestamp,
}

impl CallBacks {
    /// Callers who were cut off, have arrived since then, and have no call-back yet.
    pub async fn cut_off(&self, since: Timestamp) -> Result<Vec<CutOff>, DatabaseFault> {
        let rows = sqlx::query(
            "SELECT c.id, c.sender, c.recipient, c.queue, c.ticket, c.enqueued_at FROM contacts c \
             WHERE c.reason = 'gateway_lost' AND c.arrived_at >= $1 \
             AND c.channel = 'voice' AND c.sender <> '' \
             AND c.queue IS NOT NULL AND c.enqueued_at IS NOT NULL AND c.result IS NOT NULL \
             AND NOT EXISTS (SELECT 1 FROM call_backs b WHERE b.origin = c.id \
                 AND (b.state <> 'cancelled' OR b.asked_by = 'gateway_lost')) \
             AND NOT EXISTS (SELECT 1 FROM events e WHERE e.contact = c.id AND e.kind = 'restored') \
             ORDER BY c.enqueued_at, c.id LIMIT $2",
        )
        .bind(since.as_millis())
        .bind(CUT_OFF_MAX)
        .fetch_all(self.database.reads())
        .await?;
        rows.iter().map(read).collect()
    }

    /// Writes the call-back of a caller who was cut off down, unless they have one. Who had just asked for one
    /// and was still on the line has theirs at once, at the number they had keyed in.
    pub async fn add_for_cut_off(&self, call_back: &CallBack) -> Result<(), DatabaseFault> {
        let keep = Statement::new(
            "UPDATE call_backs SET contact = $1, state = 'waiting' \
             WHERE origin = $2 AND state = 'pending'",
            vec![
                call_back.contact.to_string().into(),
                call_back.origin.to_string().into(),
            ],
        );
        let insert = Statement::new(
            "INSERT INTO call_backs (contact, origin, number, dialled, queue, priority, language, \
             ticket, enqueued_at, due_at, tries_left, state, asked_by, asked_at, claimed_token, \
             claimed_by) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, '' \
             WHERE NOT EXISTS (SELECT 1 FROM call_backs WHERE origin = $2 \
                 AND (state <> 'cancelled' OR asked_by = $13)) \
             ON CONFLICT DO NOTHING",
            values(call_back),
        );
        self.database.write(vec![keep, insert]).await
    }

    /// Takes over what a lost gateway had taken upon itself: the offers of call-backs that it claimed. Of
    /// several gateways one gets each.
    pub async fn take_over(
        &self,
        lost: &NodeId,
        node: &NodeId,
    ) -> Result<Vec<(ContactId, OfferToken)>, DatabaseFault> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT contact, claimed_token FROM call_backs \
             WHERE claimed_by = $1 AND state IN ('waiting', 'talking')",
        )
        .bind(lost.as_str().to_owned())
        .fetch_all(self.database.reads())
        .await?;
        let mut taken = Vec::new();
        for (contact, token) in rows {
            let take = Statement::new(
                "UPDATE call_backs SET claimed_by = $1, state = 'waiting' WHERE contact = $2 \
                 AND claimed_by = $3 AND claimed_token = $4 AND state IN ('waiting', 'talking')",
                vec![
                    node.as_str().into(),
                    contact.as_str().into(),
                    lost.as_str().into(),
                    Value::from(token),
                ],
            );
            self.database.write(vec![take]).await?;
            let holder: Option<(String,)> = sqlx::query_as(
                "SELECT claimed_by FROM call_backs WHERE contact = $1 AND claimed_token = $2",
            )
            .bind(contact.clone())
            .bind(token)
            .fetch_optional(self.database.reads())
            .await?;
            if holder.is_some_and(|(holder,)| holder == node.as_str()) {
                let contact = id(&contact)?;
                taken.push((contact, OfferToken::new(u64::try_from(token).unwrap_or(0))));
            }
        }
        Ok(taken)
    }
}

fn read(row: &AnyRow) -> Result<CutOff, DatabaseFault> {
    let ticket: Option<i64> = row.try_get("ticket")?;
    Ok(CutOff {
        contact: id(&row.try_get::<String, _>("id")?)?,
        from: row.try_get("sender")?,
        dialled: row
            .try_get::<Option<String>, _>("recipient")?
            .unwrap_or_default(),
        queue: QueueId::new(row.try_get::<String, _>("queue")?),
        ticket: ticket.and_then(|key| Some(TicketId::new(u64::try_from(key).ok()?))),
        enqueued_at: Timestamp::from_millis(row.try_get("enqueued_at")?),
    })
}

fn id(text: &str) -> Result<ContactId, DatabaseFault> {
    text.parse()
        .map_err(|fault| DatabaseFault::Unreadable(format!("{text}: {fault}")))
}

/// Most callers that are given their call-back at one look.
const CUT_OFF_MAX: i64 = 1_000;
