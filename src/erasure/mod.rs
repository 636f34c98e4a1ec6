//! Erasure of a person: who they are goes from everything that is kept, and what is counted stays.
//!
//! Each of their numbers, addresses and keys in the CMS is replaced by a random name of its own wherever it stands
//! (events, contacts, tickets, call-backs, roll-ups), so different callers stay as many as they were, and what a
//! report tells does not change. What they wrote or was written to them (articles, mails, attachments, recordings,
//! letters, comments, SIP messages) goes. Erased is what was stored before the order was given.
//!
//! The order is a row that holds whom it is about and by what they are replaced until all is done. Every step may be
//! taken again, so whoever finds the row after a crash goes on, and two who do so at one time do the same. With the
//! end the row forgets who it was, and an event without any name tells that it was done.
//!
//! Not erased are what a gateway has in memory (until it is started anew), the newest events in the Redis stream
//! (which forgets by itself), the octets of mails and letters between others that name them in Cc or in the text (which
//! go by retention; what the ticket shows of them is without the name), and what was exported, mailed or backed up.

mod carrying;
mod finding;
mod scrub;

use crate::cti::Normaliser;
use crate::database::{Database, DatabaseFault, Statement};
use crate::event_log::EventLog;
use ringdown_routing::ids::CallerId;
use ringdown_routing::time::Timestamp;
use scrub::Name;
use serde::{Deserialize, Serialize};

/// Erases persons; clones share the database.
#[derive(Clone, Debug)]
pub struct Erasures {
    database: Database,
    log: EventLog,
    normaliser: Normaliser,
}

/// Who is to be erased: everything that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Telephone numbers, in any way of writing.
    pub phones: Vec<String>,
    /// Mail addresses.
    pub emails: Vec<String>,
    /// Keys in the CMS. The person's numbers and addresses there are erased, too, unless they are another's as well.
    pub callers: Vec<CallerId>,
    /// Whether the person goes from the embedded CMS as well.
    pub forget_in_cms: bool,
}

/// How an erasure stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Which.
    pub id: String,
    /// Whether it is done.
    pub state: ErasureState,
    /// Who ordered it.
    pub given_by: String,
    /// When.
    pub given_at: Timestamp,
    /// When it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Timestamp>,
    /// How much it is about.
    #[serde(flatten)]
    pub extent: Extent,
}

/// Whether an erasure is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasureState {
    /// Goes on, or is taken up again.
    UnderWay,
    /// Done.
    Done,
}

/// How much an erasure is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Contacts of the person.
    pub contacts: u64,
    /// Tickets of the person.
    pub tickets: u64,
}

/// Why a person is not erased.
#[derive(Debug, thiserror::Error)]
pub enum ErasureFault {
    /// Nobody was named.
    #[error("nobody is named: give a telephone number, a mail address or a caller's key")]
    Nobody,
    /// Something given is no number or address.
    #[error("`{0}` is neither a telephone number that can be called nor a mail address")]
    NotAnIdentity(String),
    /// They are on the line, in it, or to be called or written to at this moment.
    #[error(
        "the person has a contact that is not over ({0}): end it, or wait for its end, and ask again"
    )]
    IsLive(String),
    /// One at a time.
    #[error("another erasure is under way ({0}): ask again when it is done")]
    UnderWay(String),
    /// All went but what an earlier state of the database holds, which somebody reads for longer than we wait.
    #[error(
        "somebody still reads the database as it was before: the erasure stays under way, and is ended by the gateway or \
         by `ringdown erase --resume` when they have done so"
    )]
    StillRead,
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseFault),
}

/// Whom a row is about; nobody any more when all that is left is to tell that it is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Plan {
    names: Vec<Name>,
    forget_in_cms: bool,
}

impl Erasures {
    /// Those of this log's desk, whose numbers are written as in the normaliser's region.
    pub fn new(log: &EventLog, normaliser: Normaliser) -> Self {
        Self {
            database: log.database().clone(),
            log: log.clone(),
            normaliser,
        }
    }

    /// Orders one, which [`Erasures::carry_out`] then does; the same again while it is under way is the same one.
    /// Nothing is changed where it is refused.
    pub async fn order(
        &self,
        wish: &Wish,
        by: &str,
        now: Timestamp,
    ) -> Result<Erasure, ErasureFault> {
        let names = self.names(wish).await?;
        if let Some((erasure, plan)) = self.under_way().await? {
            if plan.names.is_empty() {
                self.finish(&erasure, now).await?;
                return Box::pin(self.order(wish, by, now)).await;
            }
            let is_same = finding::are_the_same(&plan.names, &names);
            return match is_same && plan.forget_in_cms == wish.forget_in_cms {
                true => Ok(erasure),
                false => Err(ErasureFault::UnderWay(erasure.id)),
            };
        }
        self.refuse_live(&names).await?;
        let found = self.find(&names).await?;
        let erasure = Erasure {
            id: format!("{:032x}", rand::random::<u128>()),
            state: ErasureState::UnderWay,
            given_by: by.to_owned(),
            given_at: now,
            done_at: None,
            extent: Extent {
                contacts: u64::try_from(found.contacts.len()).unwrap_or(u64::MAX),
                tickets: u64::try_from(found.tickets.len()).unwrap_or(u64::MAX),
            },
        };
        let plan = Plan {
            names,
            forget_in_cms: wish.forget_in_cms,
        };
        let insert = Statement::new(
            "INSERT INTO erasures (id, state, given_by, given_at, plan, counts) \
             VALUES ($1, 'under_way', $2, $3, $4, $5)",
            vec![
                erasure.id.clone().into(),
                by.into(),
                now.as_millis().into(),
                to_json(&plan)?.into(),
                to_json(&erasure.extent)?.into(),
            ],
        );
        match self.database.write(vec![insert]).await {
            // Somebody else was faster.
            Err(DatabaseFault::Refused(_)) => match self.under_way().await? {
                Some((other, _)) => Err(ErasureFault::UnderWay(other.id)),
                None => Err(ErasureFault::UnderWay(erasure.id)),
            },
            Err(fault) => Err(fault.into()),
            Ok(()) => Ok(erasure),
        }
    }

    /// Goes on with what is under way, from wherever it stopped, until it is done; `None` when nothing is.
    pub async fn carry_out(&self, now: Timestamp) -> Result<Option<Erasure>, ErasureFault> {
        let Some((erasure, plan)) = self.under_way().await? else {
            return Ok(None);
        };
        self.erase(&erasure, &plan, now).await?;
        self.one(&erasure.id).await
    }

    /// How one stands; `None` when there never was such a one.
    pub async fn one(&self, id: &str) -> Result<Option<Erasure>, ErasureFault> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT id, state, given_by, given_at, done_at, counts FROM erasures WHERE id = $1",
        )
        .bind(id.to_owned())
        .fetch_optional(self.database.reads())
        .await
        .map_err(DatabaseFault::from)?;
        Ok(row.map(erasure_of).transpose()?)
    }

    async fn under_way(&self) -> Result<Option<(Erasure, Plan)>, DatabaseFault> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT id, state, given_by, given_at, done_at, counts FROM erasures WHERE state = 'under_way'",
        )
        .fetch_optional(self.database.reads())
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let erasure = erasure_of(row)?;
        let plan: Option<(Option<String>,)> =
            sqlx::query_as("SELECT plan FROM erasures WHERE id = $1 AND plan IS NOT NULL")
                .bind(erasure.id.clone())
                .fetch_optional(self.database.reads())
                .await?;
        // Done between the two looks.
        let Some((Some(plan),)) = plan else {
            return Ok(None);
        };
        let plan = serde_json::from_str(&plan).map_err(unreadable)?;
        Ok(Some((erasure, plan)))
    }
}

type Row = (String, String, String, i64, Option<i64>, String);

fn erasure_of(row: Row) -> Result<Erasure, DatabaseFault> {
    let (id, state, given_by, given_at, done_at, counts) = row;
    Ok(Erasure {
        id,
        state: match state.as_str() {
            "under_way" => ErasureState::UnderWay,
            _ => ErasureState::Done,
        },
        given_by,
        given_at: Timestamp::from_millis(given_at),
        done_at: done_at.map(Timestamp::from_millis),
        extent: serde_json::from_str(&counts).map_err(unreadable)?,
    })
}

fn to_json<T: Serialize>(value: &T) -> Result<String, DatabaseFault> {
    serde_json::to_string(value).map_err(unreadable)
}

fn unreadable(error: serde_json::Error) -> DatabaseFault {
    DatabaseFault::Unreadable(format!("erasure: {error}"))
}

#[cfg(test)]
mod tests;
