//! When lines are open: by the hours of the configuration, by hand, or not at all in an emergency.
//!
//! What people order stands in the database, so it survives a restart and holds for every gateway of the
//! desk; each looks for news every second. An emergency comes before what was ordered by hand, and that
//! before the hours.
//!
//! In an emergency nobody is brought to an agent from the line: callers hear its message and leave, and what
//! waits without a caller on the line (call-backs, mails) keeps its place until it is over.
//!
//! The invariant: an order that was answered stands in the database, and the desk of this node obeys it.

mod orders;

#[cfg(test)]
mod tests;

pub use orders::{Kind, Order, Orders, put, read, remove};

use crate::acd::{Acd, StoreLost};
use crate::config::{self, Config};
use crate::database::{Database, DatabaseFault};
use ringdown_routing::event::{EventDraft, EventKind};
use ringdown_routing::ids::QueueId;
use ringdown_routing::queue::QueueRules;
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::Verb;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{Mutex, watch};

/// Whether a line takes contacts, and where they go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It does; they stand in this line, another one when its hours follow the sun.
    Open {
        /// Which line.
        line: QueueId,
    },
    /// It does not.
    Closed(ClosedBy),
}

/// What closed a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// Its hours.
    Hours,
    /// Somebody.
    Hand,
    /// An emergency.
    Emergency {
        /// The site's own prompt that callers hear; the built-in one when `None`.
        say: Option<Arc<str>>,
    },
}

impl ClosedBy {
    /// The word in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Hours => "hours",
            Self::Hand => "hand",
            Self::Emergency { .. } => "emergency",
        }
    }
}

impl Opening {
    /// Whether it takes contacts.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Open { .. } => true,
            Self::Closed(_) => false,
        }
    }

    fn flow(&self) -> LineFlow {
        match self {
            Self::Open { .. } => LineFlow::Open,
            Self::Closed(ClosedBy::Hours | ClosedBy::Hand) => LineFlow::RunsDry,
            Self::Closed(ClosedBy::Emergency { .. }) => LineFlow::Halted,
        }
    }
}

/// What a line does with contacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineFlow {
    /// It takes them and brings them to agents.
    Open,
    /// It takes none; who stands in it is served.
    RunsDry,
    /// It takes none, and nobody is brought to an agent: callers leave, call-backs and mails wait.
    Halted,
}

impl LineFlow {
    fn rules(self, queue: &config::Queue) -> QueueRules {
        let rules = queue.rules(self == Self::Open);
        match self {
            Self::Open | Self::RunsDry => rules,
            Self::Halted => QueueRules {
                active_max: Some(0),
                ..rules
            },
        }
    }
}

/// Why an order was not carried out; nothing is changed then.
#[derive(Debug, thiserror::Error)]
pub enum OrderFault {
    /// It could not be written down.
    #[error(transparent)]
    Database(#[from] DatabaseFault),
    /// The desk could not be told.
    #[error(transparent)]
    Store(#[from] StoreLost),
}

/// The openings of all lines of one gateway.
#[derive(Debug)]
pub struct Openings {
    config: Arc<Config>,
    acd: Acd,
    database: Database,
    /// What is ordered; held while the desk is changed, so that changes come one after the other.
    orders: Mutex<Known>,
    lines: RwLock<BTreeMap<QueueId, Opening>>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Known {
    orders: Orders,
    revision: i64,
}

impl Openings {
    /// Reads what is ordered and opens and closes every line of the desk accordingly.
    pub async fn start(
        config: Arc<Config>,
        acd: Acd,
        database: Database,
    ) -> Result<Self, OrderFault> {
        let openings = Self {
            config,
            acd,
            database,
            orders: Mutex::default(),
            lines: RwLock::default(),
            changes: watch::Sender::new(0),
        };
        let mut known = openings.orders.lock().await;
        openings.read_news(&mut known).await?;
        openings.obey(&known.orders).await?;
        drop(known);
        Ok(openings)
    }

    /// Whether a line is open now; a line that the configuration does not know is.
    pub fn opening(&self, queue: &QueueId) -> Opening {
        let lines = self.lines.read().unwrap_or_else(PoisonError::into_inner);
        lines.get(queue).cloned().unwrap_or_else(|| Opening::Open {
            line: queue.clone(),
        })
    }

    /// Whether the configuration has such a line.
    pub fn knows(&self, queue: &QueueId) -> bool {
        self.config.queue(queue).is_some()
    }

    /// Is told whenever an opening has changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// What is ordered at the moment.
    pub async fn ordered(&self) -> Orders {
        let mut orders = self.orders.lock().await.orders.clone();
        orders.drop_over(self.acd.now());
        orders
    }

    /// Looks whether time, or somebody elsewhere, has changed an opening; is called every second.
    pub async fn keep_up(&self) {
        let mut known = self.orders.lock().await;
        if let Err(fault) = self.read_news(&mut known).await {
            tracing::debug!(%fault, "openings: orders cannot be read now");
        }
        if let Err(fault) = self.obey(&known.orders).await {
            tracing::warn!(%fault, "openings: the desk could not be told that a line opens or closes");
        }
    }

    /// Writes an order down and carries it out: when this returns, the desk obeys it.
    pub async fn give(&self, order: Order) -> Result<(), OrderFault> {
        let event = order.event();
        let mut known = self.orders.lock().await;
        let before = known.orders.get(order.queue.as_ref(), order.kind).cloned();
        put(&self.database, &order).await?;
        known.orders.insert(order.clone());
        if let Err(fault) = self.obey(&known.orders).await {
            match before {
                Some(before) => {
                    put(&self.database, &before).await?;
                    known.orders.insert(before);
                }
                None => {
                    remove(&self.database, order.queue.as_ref(), order.kind).await?;
                    known.orders.remove(order.queue.as_ref(), order.kind);
                }
            }
            return Err(fault.into());
        }
        self.tell(event);
        Ok(())
    }

    /// Takes an order back: the line follows what remains. Again: nothing happens.
    pub async fn take_back(
        &self,
        queue: Option<&QueueId>,
        kind: Kind,
        by: &str,
    ) -> Result<(), OrderFault> {
        let mut known = self.orders.lock().await;
        let Some(before) = known.orders.get(queue, kind).cloned() else {
            return Ok(());
        };
        remove(&self.database, queue, kind).await?;
        known.orders.remove(queue, kind);
        if let Err(fault) = self.obey(&known.orders).await {
            put(&self.database, &before).await?;
            known.orders.insert(before);
            return Err(fault.into());
        }
        self.tell(before.event_of_end(self.acd.now(), by));
        Ok(())
    }

    fn tell(&self, event: EventDraft) {
        if let Err(fault) = self.acd.publish(event) {
            tracing::warn!(%fault, "an order was carried out, but its event was not kept");
        }
    }

    async fn read_news(&self, known: &mut Known) -> Result<(), DatabaseFault> {
        let revision = self.database.revision(orders::PART).await?;
        if revision != known.revision {
            known.orders = read(&self.database).await?;
            known.revision = revision;
        }
        Ok(())
    }

    /// Brings the desk to what the orders and the hours say.
    async fn obey(&self, orders: &Orders) -> Result<(), StoreLost> {
        let after = self.work_out(orders, self.acd.now());
        let before = {
            let lines = self.lines.read().unwrap_or_else(PoisonError::into_inner);
            lines.clone()
        };
        if after == before {
            return Ok(());
        }
        let mut reached = before.clone();
        for queue in &self.config.queues {
            let Some(opening) = after.get(&queue.id) else {
                continue;
            };
            if before.get(&queue.id).map(Opening::flow) != Some(opening.flow()) {
                let rules = opening.flow().rules(queue);
                if let Err(lost) = self.acd.change(Verb::SetQueue { rules }).await {
                    // What the desk was told already is so, until the next look sets it right.
                    self.take(reached);
                    return Err(lost);
                }
            }
            reached.insert(queue.id.clone(), opening.clone());
        }
        self.take(after);
        Ok(())
    }

    fn take(&self, lines: BTreeMap<QueueId, Opening>) {
        *self.lines.write().unwrap_or_else(PoisonError::into_inner) = lines;
        self.changes.send_modify(|count| *count += 1);
    }

    /// Every line's opening; those of groups need the openings of the lines they lead to.
    fn work_out(&self, orders: &Orders, now: Timestamp) -> BTreeMap<QueueId, Opening> {
        let by_order = |queue: &QueueId| orders.closing(queue, now).map(Opening::Closed);
        let leads_here = |queue: &QueueId| {
            by_order(queue).is_none()
                && (orders.is_opened(queue, now)
                    || self.config.queue(queue).is_none_or(|rules| {
                        self.config.lines_by_hours(rules, now).next().is_some()
                    }))
        };
        let look = |queue: &config::Queue| {
            if let Some(closed) = by_order(&queue.id) {
                return closed;
            }
            let open = self
                .config
                .lines_by_hours(queue, now)
                .find(|line| **line == queue.id || leads_here(line));
            match open {
                Some(line) => Opening::Open { line: line.clone() },
                None if orders.is_opened(&queue.id, now) => Opening::Open {
                    line: queue.id.clone(),
                },
                None => Opening::Closed(ClosedBy::Hours),
            }
        };
        let queues = self.config.queues.iter();
        queues
            .map(|queue| (queue.id.clone(), look(queue)))
            .collect()
    }
}

/// The event of an order: who gave it, and what.
fn event(
    at: Timestamp,
    by: &str,
    act: &str,
    queue: Option<&QueueId>,
    details: BTreeMap<String, String>,
) -> EventDraft {
    let mut draft = EventDraft::of_desk(
        at,
        EventKind::Intervened {
            by: by.to_owned(),
            act: act.to_owned(),
            details,
        },
    );
    draft.queue = queue.cloned();
    draft
}
