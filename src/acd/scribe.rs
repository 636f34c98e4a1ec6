//! The scribe: sees to it that the event log gets every event of the stream, whoever dies.
//!
//! Each event is written down by the node whose request made it, within a moment. A node that dies in that
//! moment, an answer lost on the way, a log that was full for a while: the event is in the stream all the
//! same. So each node tells Redis up to which number its events are committed, and whoever leads copies
//! the stream of a lost node from there. The log knows an event by its id, so copying one twice changes
//! nothing. Nothing is lost as long as the stream holds it ([`super::keys::EVENTS_KEPT`] events).

use super::bus::EventSink;
use super::redis_store::RedisStore;
use super::store::{Leadership, StoreLost};
use ringdown_routing::ids::NodeId;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::JoinHandle;

/// The scribe of one node.
pub(super) struct Scribe {
    node: NodeId,
    sink: Arc<EventSink>,
    /// Every event that this node made up to this number is committed.
    written: Arc<AtomicU64>,
    round: Option<JoinHandle<()>>,
}

impl Scribe {
    pub(super) fn new(node: NodeId, sink: Arc<EventSink>) -> Self {
        Self {
            node,
            sink,
            written: Arc::default(),
            round: None,
        }
    }

    /// Begins with a stream whose last event has this number, before anything is asked of its store. What
    /// this node made before is written, or will be found missing.
    pub(super) async fn begin(&self, store: &RedisStore, last: u64) -> Result<(), StoreLost> {
        self.written.store(last, Ordering::Relaxed);
        store.note_written(&self.node, last).await
    }

    /// Goes on after the store was lost: what it answered last may not have reached us, so the stream is
    /// read again from what is surely written. It may be a shorter stream than the one that was lost.
    pub(super) async fn resume(&self, store: &RedisStore, last: u64) -> Result<(), StoreLost> {
        self.sink.miss();
        let written = self.written.load(Ordering::Relaxed).min(last);
        self.begin(store, written).await
    }

    /// Starts a round, unless one is under way: tells what is committed of all that was `seen`, and writes
    /// down what is missing of our own events and, if this node leads, of those of lost nodes.
    pub(super) fn keep_up(&mut self, store: &RedisStore, seen: u64, leads: Leadership) {
        if self
            .round
            .as_ref()
            .is_some_and(|round| !round.is_finished())
        {
            return;
        }
        let round = Round {
            store: store.clone(),
            node: self.node.clone(),
            sink: Arc::clone(&self.sink),
            written: Arc::clone(&self.written),
        };
        self.round = Some(tokio::spawn(async move {
            if let Err(cause) = round.run(seen, leads).await {
                // The next round begins where this one did.
                tracing::debug!(%cause, "the event log is behind the stream for now");
            }
        }));
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        if let Some(round) = &self.round {
            round.abort();
        }
    }
}

struct Round {
    store: RedisStore,
    node: NodeId,
    sink: Arc<EventSink>,
    written: Arc<AtomicU64>,
}

impl Round {
    async fn run(&self, seen: u64, leads: Leadership) -> Result<(), StoreLost> {
        if self.sink.take_missed() {
            let copied = self.copy_after(self.written.load(Ordering::Relaxed)).await;
            if copied.is_err() {
                self.sink.miss();
            }
            copied?;
        } else if !self.sink.flush().await {
            return Ok(());
        }
        self.written.store(seen, Ordering::Relaxed);
        self.store.note_written(&self.node, seen).await?;
        if leads == Leadership::Theirs {
            return Ok(());
        }
        for (lost, written) in self.store.unwritten().await? {
            let copied = self.copy_after(written).await?;
            self.store.forget_written(&lost, written).await?;
            tracing::info!(node = %lost, copied, "the event log has all of a lost node");
        }
        Ok(())
    }

    /// Copies the stream after a number to the log, and returns when it is committed there.
    async fn copy_after(&self, number: u64) -> Result<usize, StoreLost> {
        let (mut last, mut copied) = (number, 0);
        loop {
            let events = self.store.events_after(last).await?;
            let Some(newest) = events.last().map(|event| event.id.number) else {
                return Ok(copied);
            };
            let first = events.first().map_or(newest, |event| event.id.number);
            if last + 1 < first {
                let missing = first - last - 1;
                tracing::error!(
                    missing,
                    "the stream was trimmed before the event log had it all"
                );
            }
            last = newest;
            copied += events.len();
            for event in events {
                let event = Arc::new(event);
                if !self.sink.append(&event) {
                    // Once it has written what it holds there is room, or the next round tries again.
                    self.flush().await?;
                    if !self.sink.append(&event) {
                        return Err(StoreLost::Busy);
                    }
                }
            }
            self.flush().await?;
        }
    }

    async fn flush(&self) -> Result<(), StoreLost> {
        if self.sink.flush().await {
            Ok(())
        } else {
            Err(StoreLost::Busy)
        }
    }
}
