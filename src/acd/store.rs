//! What a queue store is.

use ringdown_routing::event::EventDraft;
use ringdown_routing::ids::NodeId;
use ringdown_routing::verb::{Change, Outcome};
use ringdown_routing::view::Snapshot;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Holds what waits and who is free, and changes it only as asked, one whole step at a time. Both kinds
/// obey one contract test, whose model is [`ringdown_routing::desk::Desk`].
pub trait QueueStore: Clone + Send + Sync + 'static {
    /// Does what is asked, in order. Each is done or refused by itself; a lost store fails all that were
    /// not answered, and those may or may not have been done.
    fn ask(
        &self,
        requests: Vec<Request>,
    ) -> impl Future<Output = Vec<Result<Outcome, StoreLost>>> + Send;

    /// The whole state at one instant.
    fn snapshot(&self) -> impl Future<Output = Result<Snapshot, StoreLost>> + Send;

    /// Takes or keeps the dispatcher's lease.
    fn lead(
        &self,
        node: &NodeId,
        lease: Duration,
    ) -> impl Future<Output = Result<Leadership, StoreLost>> + Send;

    /// Gives the dispatcher's lease up, so that another need not wait for its end.
    fn resign(&self, node: &NodeId) -> impl Future<Output = Result<(), StoreLost>> + Send;
}

/// Something asked of a store.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// A verb.
    Change(Change),
    /// A fact that no verb made, to be put in order with the others.
    Publish(EventDraft),
}

/// Who holds the dispatcher's lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// This node: it proposes.
    Ours,
    /// Another node.
    Theirs,
}

/// The store cannot be relied on at the moment.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreLost {
    /// No connection, no answer in time, or a server that serves nobody.
    #[error("Redis does not answer: {0}")]
    Unreachable(#[source] Arc<redis::RedisError>),
    /// The server is there, but the desk in it is gone (it restarted without its data).
    #[error("Redis is there, but it has lost the desk")]
    Emptied,
    /// The other nodes took this one for lost, because it was silent for too long.
    #[error("this node was silent for so long that the others took it for lost")]
    Forgotten,
    /// It answered what we do not understand: another version's scripts, or a fault of ours.
    #[error("Redis answered out of turn: {0}")]
    Faulty(String),
    /// What is configured cannot be used; it says what.
    #[error("{0}")]
    Misconfigured(String),
    /// The desk goes down, or more is asked of it than it can take.
    #[error("the desk takes no more requests at the moment")]
    Busy,
}

impl From<redis::RedisError> for StoreLost {
    fn from(error: redis::RedisError) -> Self {
        if error.code() == Some(NOT_OPEN) {
            return Self::Emptied;
        }
        // A script that failed is a fault of ours, and the server is there; all else (no connection, no
        // answer, loading, a replica, scripts flushed) is mended by connecting anew.
        if matches!(error.code(), Some("ERR" | "WRONGTYPE")) {
            return Self::Faulty(error.to_string());
        }
        Self::Unreachable(Arc::new(error))
    }
}

/// The error code with which a verb answers when the desk is gone; `desk.lua`.
const NOT_OPEN: &str = "NOTOPEN";
