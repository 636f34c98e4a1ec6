//! Who reads along on a ticket, as it is shown.

use super::reading::{key, word};
use super::{DatabaseFault, Tickets};
use ringdown_routing::ids::TicketId;
use ringdown_routing::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Somebody who gets copies of what is answered on a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketWatcher {
    /// Where the copies go.
    pub address: String,
    /// As a mail or the desk calls them.
    pub name: Option<String>,
    /// When they became one.
    pub since_at: Timestamp,
    /// How.
    pub why: WatchReason,
    /// Who at the desk made them one; `None` when a rule did.
    pub by: Option<String>,
    /// Whether that address has refused our mail for good, so that no copy goes there.
    #[serde(default)]
    pub is_refusing: bool,
}

/// How somebody became a watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchReason {
    /// A rule of `[[email.rule]]` names them.
    Rule,
    /// They stood in copy of a mail, and such a rule wants that.
    Copy,
    /// Somebody at the desk added them.
    ByHand,
}

impl WatchReason {
    /// The word that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Copy => "copy",
            Self::ByHand => "by_hand",
        }
    }
}

type Row = (String, Option<String>, i64, String, Option<String>, i64);

impl Tickets {
    /// Who reads along on a ticket now, in the order they came.
    pub async fn watchers(&self, id: TicketId) -> Result<Vec<TicketWatcher>, DatabaseFault> {
        let rows: Vec<Row> = sqlx::query_as(WATCHERS)
            .bind(key(id))
            .fetch_all(self.database.reads())
            .await?;
        rows.into_iter().map(read).collect()
    }
}

fn read((address, name, at, why, by, is_refusing): Row) -> Result<TicketWatcher, DatabaseFault> {
    Ok(TicketWatcher {
        address,
        name,
        since_at: Timestamp::from_millis(at),
        why: word(why)?,
        by,
        is_refusing: is_refusing != 0,
    })
}

const WATCHERS: &str = "\
SELECT w.email, w.name, w.at, w.why, w.given_by,
    CAST(CASE WHEN b.address IS NULL THEN 0 ELSE 1 END AS BIGINT)
FROM ticket_watchers w LEFT JOIN bad_addresses b ON b.address = w.address
WHERE w.ticket = $1 AND w.left_at IS NULL ORDER BY w.at, w.address";
