//! The desk in this process: the embedded default.

use super::store::{Leadership, QueueStore, Request, StoreLost};
use ringdown_routing::desk::Desk;
use ringdown_routing::ids::NodeId;
use ringdown_routing::policy::Proposal;
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{Answer, Outcome};
use ringdown_routing::view::{Snapshot, View};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A [`Desk`] behind a lock. A verb costs microseconds and is never refused for want of the store.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    desk: Arc<Mutex<Desk>>,
}

impl MemoryStore {
    /// Takes the desk.
    pub fn new(desk: Desk) -> Self {
        Self {
            desk: Arc::new(Mutex::new(desk)),
        }
    }

    /// Does what is asked, at once.
    pub fn ask_now(&self, request: Request) -> Outcome {
        let mut desk = self.lock();
        match request {
            Request::Change(change) => desk.apply(change),
            Request::Publish(draft) => Outcome {
                answer: Answer::Done,
                events: vec![desk.publish(draft)],
            },
        }
    }

    /// Looks at the state as it is now.
    pub fn read<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        look(self.lock().view())
    }

    /// Who should meet first.
    pub fn decide_one(&self, now: Timestamp) -> Option<Proposal> {
        self.lock().decide_one(now)
    }

    fn lock(&self) -> MutexGuard<'_, Desk> {
        // A verb that panicked is a bug, but the desk of everybody else goes on.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueueStore for MemoryStore {
    async fn ask(&self, requests: Vec<Request>) -> Vec<Result<Outcome, StoreLost>> {
        requests
            .into_iter()
            .map(|request| Ok(self.ask_now(request)))
            .collect()
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreLost> {
        Ok(self.lock().snapshot())
    }

    async fn lead(&self, _node: &NodeId, _lease: Duration) -> Result<Leadership, StoreLost> {
        Ok(Leadership::Ours)
    }

    async fn resign(&self, _node: &NodeId) -> Result<(), StoreLost> {
        Ok(())
    }
}
