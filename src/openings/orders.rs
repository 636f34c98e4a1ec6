//! What people order about the opening of lines, and where it is written down.

use super::{ClosedBy, event};
use crate::database::{Database, DatabaseFault, Statement, bump};
use ringdown_routing::event::EventDraft;
use ringdown_routing::ids::QueueId;
use ringdown_routing::time::Timestamp;
use std::collections::BTreeMap;

/// What kind of order it is; of each kind a line has at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Opened or closed by hand, whatever the hours say.
    ByHand,
    /// Closed because of an emergency.
    Emergency,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::ByHand => "by_hand",
            Self::Emergency => "emergency",
        }
    }
}

/// One order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The line; `None` is the whole desk.
    pub queue: Option<QueueId>,
    /// Its kind.
    pub kind: Kind,
    /// Whether the line is to be open; an emergency never opens.
    pub is_open: bool,
    /// The site's own prompt that callers hear, when it is not the built-in one.
    pub say: Option<String>,
    /// Why, for people; may be empty.
    pub reason: String,
    /// Who gave it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// When it is over by itself; `None` when somebody has to take it back.
    pub until: Option<Timestamp>,
}

impl Order {
    /// The event that it was given.
    pub fn event(&self) -> EventDraft {
        let mut details = BTreeMap::new();
        if !self.reason.is_empty() {
            details.insert("reason".to_owned(), self.reason.clone());
        }
        if let Some(say) = &self.say {
            details.insert("say".to_owned(), say.clone());
        }
        if let Some(until) = self.until {
            details.insert("until_at".to_owned(), until.as_millis().to_string());
        }
        let act = match (self.kind, self.is_open) {
            (Kind::Emergency, _) => "emergency_closed",
            (Kind::ByHand, true) => "queue_opened",
            (Kind::ByHand, false) => "queue_closed",
        };
        event(self.at, &self.by, act, self.queue.as_ref(), details)
    }

    /// The event that it was taken back.
    pub fn event_of_end(&self, at: Timestamp, by: &str) -> EventDraft {
        let act = match self.kind {
            Kind::Emergency => "emergency_ended",
            Kind::ByHand => "queue_follows_its_hours",
        };
        event(at, by, act, self.queue.as_ref(), BTreeMap::new())
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// All orders of a desk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders(BTreeMap<(Option<QueueId>, Kind), Order>);

impl Orders {
    /// One order.
    pub fn get(&self, queue: Option<&QueueId>, kind: Kind) -> Option<&Order> {
        self.0.get(&(queue.cloned(), kind))
    }

    /// All of them, the desk's first.
    pub fn iter(&self) -> impl Iterator<Item = &Order> {
        self.0.values()
    }

    /// What closes a line at that instant, if an order does.
    pub fn closing(&self, queue: &QueueId, now: Timestamp) -> Option<ClosedBy> {
        let emergency = [Some(queue), None]
            .into_iter()
            .find_map(|place| self.in_force(place, Kind::Emergency, now));
        if let Some(order) = emergency {
            let say = order.say.as_deref().map(Into::into);
            return Some(ClosedBy::Emergency { say });
        }
        self.in_force(Some(queue), Kind::ByHand, now)
            .filter(|order| !order.is_open)
            .map(|_| ClosedBy::Hand)
    }

    /// Whether somebody opened a line against its hours.
    pub fn is_opened(&self, queue: &QueueId, now: Timestamp) -> bool {
        self.in_force(Some(queue), Kind::ByHand, now)
            .is_some_and(|order| order.is_open)
    }

    fn in_force(&self, queue: Option<&QueueId>, kind: Kind, now: Timestamp) -> Option<&Order> {
        self.get(queue, kind).filter(|order| !order.is_over(now))
    }

    pub(super) fn insert(&mut self, order: Order) {
        self.0.insert((order.queue.clone(), order.kind), order);
    }

    pub(super) fn remove(&mut self, queue: Option<&QueueId>, kind: Kind) {
        self.0.remove(&(queue.cloned(), kind));
    }

    pub(super) fn drop_over(&mut self, now: Timestamp) {
        self.0.retain(|_, order| !order.is_over(now));
    }
}

/// Reads all orders.
pub async fn read(database: &Database) -> Result<Orders, DatabaseFault> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT queue, kind, is_open, say, reason, given_by, given_at, until_at FROM openings",
    )
    .fetch_all(database.reads())
    .await?;
    let mut orders = Orders::default();
    for (queue, kind, is_open, say, reason, by, at, until) in rows {
        orders.insert(Order {
            queue: (!queue.is_empty()).then(|| QueueId::new(queue)),
            kind: if kind == Kind::Emergency.as_str() {
                Kind::Emergency
            } else {
                Kind::ByHand
            },
            is_open: is_open != 0,
            say,
            reason,
            by,
            at: Timestamp::from_millis(at),
            until: until.map(Timestamp::from_millis),
        });
    }
    Ok(orders)
}

/// Writes an order down in the place of the last of its kind, and forgets those that were over when it
/// was given.
pub async fn put(database: &Database, order: &Order) -> Result<(), DatabaseFault> {
    let forget = Statement::new(
        "DELETE FROM openings WHERE until_at <= $1",
        vec![order.at.as_millis().into()],
    );
    let put = Statement::new(
        "INSERT INTO openings (queue, kind, is_open, say, reason, given_by, given_at, until_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (queue, kind) DO UPDATE SET \
         is_open = excluded.is_open, say = excluded.say, reason = excluded.reason, \
         given_by = excluded.given_by, given_at = excluded.given_at, until_at = excluded.until_at",
        vec![
            key(order.queue.as_ref()).into(),
            order.kind.as_str().into(),
            i64::from(order.is_open).into(),
            order.say.clone().into(),
            order.reason.as_str().into(),
            order.by.as_str().into(),
            order.at.as_millis().into(),
            order.until.map(Timestamp::as_millis).into(),
        ],
    );
    database.write(vec![forget, put, bump(PART)]).await
}

/// Strikes an order out.
pub async fn remove(
    database: &Database,
    queue: Option<&QueueId>,
    kind: Kind,
) -> Result<(), DatabaseFault> {
    let remove = Statement::new(
        "DELETE FROM openings WHERE queue = $1 AND kind = $2",
        vec![key(queue).into(), kind.as_str().into()],
    );
    database.write(vec![remove, bump(PART)]).await
}

/// The whole desk has no name; the configuration refuses a queue without one.
fn key(queue: Option<&QueueId>) -> &str {
    queue.map_or("", QueueId::as_str)
}

type Row = (
    String,
    String,
    i64,
    Option<String>,
    String,
    String,
    i64,
    Option<i64>,
);

/// The part whose revision an order counts up.
pub(super) const PART: &str = "openings";
