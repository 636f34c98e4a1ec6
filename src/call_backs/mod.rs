//! Call-backs: callers who keep their place in the line without being on the line.
//!
//! A call-back is a voice contact whose keeper is the database ([`Keeper::Database`]) and no gateway: it stands
//! in the line like any other and does not end with the gateway that took it in. Each gateway brings what is
//! due and missing into the line, so it survives a restart, of Redis too. When an agent is reserved for it,
//! the gateway that [claims](CallBacks::claim) the offer rings the agent, and then the caller.
//!
//! [`Keeper::Database`]: ringdown_routing::contact::Keeper::Database
//!
//! The invariants: a caller who was told "we will call you back" is in the database; of one call, and of one number
//! that is ordered for one line, never more than one is open.

mod cut_off;
#[cfg(test)]
mod tests;

pub use cut_off::CutOff;

use crate::database::{Database, DatabaseFault, Statement, Value};
use ringdown_routing::contact::Priority;
use ringdown_routing::ids::{ContactId, NodeId, OfferToken, QueueId};
use ringdown_routing::time::Timestamp;
use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;
use std::time::Duration;

/// Where the contact of a call-back goes that somebody takes back; no queue has such a name.
pub const CANCELLED: &str = "cancelled";

/// Where the contact of a call-back goes that is over but still stood in the line; no queue has such a name.
pub const OVER: &str = "call-back over";

/// One caller to be called back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallBack {
    /// The contact that stands in the line for them.
    pub contact: ContactId,
    /// The contact that it goes back to; its own when nobody called before.
    pub origin: ContactId,
    /// Whom to call.
    pub number: String,
    /// What they dialled; empty when they did not.
    pub dialled: String,
    /// The line.
    pub queue: QueueId,
    /// The priority in it.
    pub priority: Priority,
    /// The language to speak.
    pub language: String,
    /// The digits of their ticket's number; empty without one.
    pub ticket: String,
    /// Their place in the line.
    pub enqueued_at: Timestamp,
    /// Not before.
    pub due_at: Timestamp,
    /// How often they are tried at most, from now on.
    pub tries_left: u32,
    /// How often in a row its line did not take it.
    #[serde(skip)]
    pub refusals: u32,
    /// Where it stands.
    pub state: State,
    /// Who asked for it: the caller's key press (`caller`), a token's name, or nobody, because the gateway
    /// of the call died ([`ringdown_routing::verb::GATEWAY_LOST`]).
    pub asked_by: String,
    /// When.
    pub asked_at: Timestamp,
}

/// Where a call-back stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The caller is still on the line.
    Pending,
    /// It waits for its time and its turn.
    Waiting,
    /// Agent and caller talk.
    Talking,
    /// The caller was reached.
    Done,
    /// The caller was not reached at the last try.
    Failed,
    /// Somebody took it back.
    Cancelled,
}

impl State {
    /// The word in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Waiting => "waiting",
            Self::Talking => "talking",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the caller is still to be called.
    pub fn is_open(self) -> bool {
        match self {
            Self::Pending | Self::Waiting | Self::Talking => true,
            Self::Done | Self::Failed | Self::Cancelled => false,
        }
    }

    fn from_word(word: &str) -> Result<Self, DatabaseFault> {
        [
            Self::Pending,
            Self::Waiting,
            Self::Talking,
            Self::Done,
            Self::Failed,
            Self::Cancelled,
        ]
        .into_iter()
        .find(|state| state.as_str() == word)
        .ok_or_else(|| DatabaseFault::Unreadable(format!("call-back state {word}")))
    }
}

/// What came of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ordered {
    /// It is stored, like this.
    New(CallBack),
    /// It was stored before under the same key, and is this by now.
    Before(CallBack),
    /// This one stands already: it goes back to the same call, or was for the same number in the same line when
    /// the order named no call.
    HasOne(ContactId),
}

/// The call-backs of the desk; clones share them.
#[derive(Clone, Debug)]
pub struct CallBacks {
    database: Database,
}

impl CallBacks {
    /// Those in this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Writes a new one down.
    pub async fn add(&self, call_back: &CallBack) -> Result<(), DatabaseFault> {
        self.database.write(vec![insert(call_back)]).await
    }

    /// Writes an order down unless it is there already: by its key, because the call that it goes back to has one,
    /// or, when it goes back to none, because one for its number is open in its line. Who showed a number on
    /// several calls may be several people behind it, so each call has its own; an order that names nothing but
    /// the number can only mean the same one again. Of gateways that take one at the same instant the database
    /// lets one through (its unique indices). What is answered was read after it was written.
    pub async fn order(
        &self,
        call_back: &CallBack,
        key: Option<&str>,
    ) -> Result<Ordered, DatabaseFault> {
        if let Some(before) = self.by_order_key(key).await? {
            return Ok(Ordered::Before(before));
        }
        let ordered_in = ordered_in(call_back);
        let mut values = values(call_back);
        values.push(key.map(str::to_owned).into());
        values.push(ordered_in.clone().into());
        let insert = Statement::new(
            "INSERT INTO call_backs (contact, origin, number, dialled, queue, priority, language, \
             ticket, enqueued_at, due_at, tries_left, state, asked_by, asked_at, claimed_token, \
             claimed_by, order_key, ordered_in) \
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, '', $15, $16 \
             WHERE NOT EXISTS (SELECT 1 FROM call_backs WHERE state IN ('pending', 'waiting', 'talking') \
                 AND (origin = $2 OR (number = $3 AND queue = $5 AND CAST($16 AS TEXT) IS NOT NULL))) \
             ON CONFLICT DO NOTHING",
            values,
        );
        self.database.write(vec![insert]).await?;
        if let Some(stored) = self.one(call_back.contact).await? {
            return Ok(Ordered::New(stored));
        }
        // Another gateway was faster by a moment.
        if let Some(before) = self.by_order_key(key).await? {
            return Ok(Ordered::Before(before));
        }
        let other = self.in_the_way_of(call_back, ordered_in).await?;
        Ok(Ordered::HasOne(other))
    }

    /// The one for which an order was not written down; it may be over by now.
    async fn in_the_way_of(
        &self,
        order: &CallBack,
        ordered_in: Option<String>,
    ) -> Result<ContactId, DatabaseFault> {
        let row = sqlx::query(
            "SELECT * FROM call_backs WHERE origin = $1 \
             OR (number = $2 AND (queue = $3 OR ordered_in = $3)) \
             ORDER BY CASE WHEN state IN ('pending', 'waiting', 'talking') THEN 0 ELSE 1 END, \
             asked_at DESC, contact LIMIT 1",
        )
        .bind(order.origin.to_string())
        .bind(order.number.clone())
        .bind(ordered_in)
        .fetch_optional(self.database.reads())
        .await?;
        let row = row.ok_or_else(|| {
            DatabaseFault::Unreadable(format!(
                "no call-back stands in the way of {}",
                order.contact
            ))
        })?;
        Ok(read(&row)?.contact)
    }

    async fn by_order_key(&self, key: Option<&str>) -> Result<Option<CallBack>, DatabaseFault> {
        let Some(key) = key else {
            return Ok(None);
        };
        let row = sqlx::query("SELECT * FROM call_backs WHERE order_key = $1")
            .bind(key.to_owned())
            .fetch_optional(self.database.reads())
            .await?;
        row.map(|row| read(&row)).transpose()
    }

    /// The caller has left the line for it: it counts.
    pub async fn keep(&self, origin: ContactId) -> Result<(), DatabaseFault> {
        self.set_state_of_origin(origin, State::Waiting).await
    }

    /// The caller was served after all.
    pub async fn drop_pending(&self, origin: ContactId) -> Result<(), DatabaseFault> {
        self.set_state_of_origin(origin, State::Cancelled).await
    }

    async fn set_state_of_origin(
        &self,
        origin: ContactId,
        state: State,
    ) -> Result<(), DatabaseFault> {
        let set = Statement::new(
            "UPDATE call_backs SET state = $1 WHERE origin = $2 AND state = 'pending'",
            vec![state.as_str().into(), origin.to_string().into()],
        );
        self.database.write(vec![set]).await
    }

    /// Agent and caller talk.
    pub async fn talk(&self, contact: ContactId) -> Result<(), DatabaseFault> {
        let set = Statement::new(
            "UPDATE call_backs SET state = 'talking' WHERE contact = $1 AND state = 'waiting'",
            vec![contact.to_string().into()],
        );
        self.database.write(vec![set]).await
    }

    /// It is over; the first word on how stands.
    pub async fn end(&self, contact: ContactId, state: State) -> Result<(), DatabaseFault> {
        let set = Statement::new(
            "UPDATE call_backs SET state = $1 WHERE contact = $2 \
             AND state IN ('pending', 'waiting', 'talking')",
            vec![state.as_str().into(), contact.to_string().into()],
        );
        self.database.write(vec![set]).await
    }

    /// Its line does not take it now: it is not asked again before `retry_at`.
    pub async fn put_off(
        &self,
        contact: ContactId,
        retry_at: Timestamp,
    ) -> Result<(), DatabaseFault> {
        let set = Statement::new(
            "UPDATE call_backs SET refusals = refusals + 1, retry_at = $1 WHERE contact = $2",
            vec![retry_at.as_millis().into(), contact.to_string().into()],
        );
        self.database.write(vec![set]).await
    }

    /// Its contact is gone without anybody having been called: another one stands for it at once.
    pub async fn stand_anew(
        &self,
        contact: ContactId,
        again: ContactId,
    ) -> Result<(), DatabaseFault> {
        let set = Statement::new(
            "UPDATE call_backs SET contact = $1, state = 'waiting' WHERE contact = $2 \
             AND state IN ('pending', 'waiting', 'talking')",
            vec![again.to_string().into(), contact.to_string().into()],
        );
        self.database.write(vec![set]).await
    }

    /// The caller was not reached: another contact stands for them at a later time, or it has failed.
    pub async fn try_again(
        &self,
        contact: ContactId,
        again: ContactId,
        due_at: Timestamp,
    ) -> Result<(), DatabaseFault> {
        let statement = Statement::new(
            "UPDATE call_backs SET \
             state = CASE WHEN tries_left > 1 THEN 'waiting' ELSE 'failed' END, \
             contact = CASE WHEN tries_left > 1 THEN $1 ELSE contact END, \
             tries_left = tries_left - 1, due_at = $2, refusals = 0 WHERE contact = $3 \
             AND state IN ('pending', 'waiting', 'talking')",
            vec![
                again.to_string().into(),
                due_at.as_millis().into(),
                contact.to_string().into(),
            ],
        );
        self.database.write(vec![statement]).await
    }

    /// Takes an offer upon this gateway; `None` when another one has, or the call-back is over.
    pub async fn claim(
        &self,
        contact: ContactId,
        token: OfferToken,
        node: &NodeId,
    ) -> Result<Option<CallBack>, DatabaseFault> {
        let token = i64::try_from(token.as_u64()).unwrap_or(i64::MAX);
        let claim = Statement::new(
            "UPDATE call_backs SET claimed_token = $1, claimed_by = $2, state = 'waiting' \
             WHERE contact = $3 AND claimed_token < $1 \
             AND state IN ('pending', 'waiting', 'talking')",
            vec![
                Value::from(token),
                node.as_str().into(),
                contact.to_string().into(),
            ],
        );
        self.database.write(vec![claim]).await?;
        let row = sqlx::query(
            "SELECT * FROM call_backs WHERE contact = $1 AND claimed_token = $2 \
             AND claimed_by = $3 AND state = 'waiting'",
        )
        .bind(contact.to_string())
        .bind(token)
        .bind(node.as_str().to_owned())
        .fetch_optional(self.database.reads())
        .await?;
        row.map(|row| read(&row)).transpose()
    }

    /// Those that should stand in the line or be with an agent at that instant, but for those that their
    /// line did not take a moment ago; one whose gateway died before the caller had left the line is among
    /// them after a minute.
    pub async fn due(&self, now: Timestamp) -> Result<Vec<CallBack>, DatabaseFault> {
        let rows = sqlx::query(
            "SELECT * FROM call_backs WHERE retry_at <= $1 \
             AND ((state IN ('waiting', 'talking') AND due_at <= $1) \
             OR (state = 'pending' AND asked_at <= $2)) ORDER BY due_at LIMIT $3",
        )
        .bind(now.as_millis())
        .bind((now - PENDING_MAX).as_millis())
        .bind(DUE_MAX)
        .fetch_all(self.database.reads())
        .await?;
        rows.iter().map(read).collect()
    }

    /// It stands in this line now.
    pub async fn move_to(&self, contact: ContactId, queue: &QueueId) -> Result<(), DatabaseFault> {
        let set = Statement::new(
            "UPDATE call_backs SET queue = $1 WHERE contact = $2 AND queue <> $1",
            vec![queue.as_str().into(), contact.to_string().into()],
        );
        self.database.write(vec![set]).await
    }

    /// It has this priority now.
    pub async fn reprioritise(
        &self,
        contact: ContactId,
        priority: Priority,
    ) -> Result<(), DatabaseFault> {
        let set = Statement::new(
            "UPDATE call_backs SET priority = $1 WHERE contact = $2",
            vec![i64::from(priority.0).into(), contact.to_string().into()],
        );
        self.database.write(vec![set]).await
    }

    /// One of them.
    pub async fn one(&self, contact: ContactId) -> Result<Option<CallBack>, DatabaseFault> {
        let row = sqlx::query("SELECT * FROM call_backs WHERE contact = $1")
            .bind(contact.to_string())
            .fetch_optional(self.database.reads())
            .await?;
        row.map(|row| read(&row)).transpose()
    }

    /// At most `limit` that are not over, by their time.
    pub async fn open(&self, limit: usize) -> Result<Vec<CallBack>, DatabaseFault> {
        let rows = sqlx::query(
            "SELECT * FROM call_backs WHERE state IN ('pending', 'waiting', 'talking') \
             ORDER BY due_at, contact LIMIT $1",
        )
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(self.database.reads())
        .await?;
        rows.iter().map(read).collect()
    }
}

fn insert(call_back: &CallBack) -> Statement {
    Statement::new(
        "INSERT INTO call_backs (contact, origin, number, dialled, queue, priority, language, \
         ticket, enqueued_at, due_at, tries_left, state, asked_by, asked_at, claimed_token, \
         claimed_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, '') \
         ON CONFLICT DO NOTHING",
        values(call_back),
    )
}

/// The line of an order that goes back to no call: of two for one number in it one stands, whatever line it is moved
/// to meanwhile. `None` for one that goes back to a call.
fn ordered_in(order: &CallBack) -> Option<String> {
    let names_no_call = order.origin == order.contact;
    names_no_call.then(|| order.queue.as_str().to_owned())
}

/// Every column but those of the claim and the order, in the order of the table.
fn values(call_back: &CallBack) -> Vec<Value> {
    vec![
        call_back.contact.to_string().into(),
        call_back.origin.to_string().into(),
        call_back.number.as_str().into(),
        call_back.dialled.as_str().into(),
        call_back.queue.as_str().into(),
        i64::from(call_back.priority.0).into(),
        call_back.language.as_str().into(),
        call_back.ticket.as_str().into(),
        call_back.enqueued_at.as_millis().into(),
        call_back.due_at.as_millis().into(),
        i64::from(call_back.tries_left).into(),
        call_back.state.as_str().into(),
        call_back.asked_by.as_str().into(),
        call_back.asked_at.as_millis().into(),
    ]
}

fn read(row: &AnyRow) -> Result<CallBack, DatabaseFault> {
    let text = |column| row.try_get::<String, _>(column);
    let whole = |column| row.try_get::<i64, _>(column);
    let instant = |column| Ok::<_, sqlx::Error>(Timestamp::from_millis(whole(column)?));
    let contact = |column| {
        let id = text(column)?;
        id.parse()
            .map_err(|fault| DatabaseFault::Unreadable(format!("{id}: {fault}")))
    };
    Ok(CallBack {
        contact: contact("contact")?,
        origin: contact("origin")?,
        number: text("number")?,
        dialled: text("dialled")?,
        queue: QueueId::new(text("queue")?),
        priority: Priority(i32::try_from(whole("priority")?).unwrap_or(0)),
        language: text("language")?,
        ticket: text("ticket")?,
        enqueued_at: instant("enqueued_at")?,
        due_at: instant("due_at")?,
        tries_left: u32::try_from(whole("tries_left")?).unwrap_or(0),
        refusals: u32::try_from(whole("refusals")?).unwrap_or(0),
        state: State::from_word(&text("state")?)?,
        asked_by: text("asked_by")?,
        asked_at: instant("asked_at")?,
    })
}

/// How long the caller may be on the line after having asked; then their gateway has died.
const PENDING_MAX: Duration = Duration::from_secs(60);

/// Most that are brought into the line at one look.
const DUE_MAX: i64 = 1_000;
