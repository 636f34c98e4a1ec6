//! Who is shown every event of the desk: counters, running statistics, listeners.

use super::feed::Feed;
use crate::acd::{Acd, Notice, Subscription};
use crate::event_log::{EventLog, EventsQuery};
use crate::metrics::Metrics;
use crate::report::from_log;
use crate::report::running::Running;
use ringdown_routing::event::Event;
use ringdown_routing::statistics::{Recorded, Rules};
use ringdown_routing::time::Timestamp;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// How far back is looked after a gap, so that events that were stored late are found too.
const GAP_MARGIN: Duration = Duration::from_secs(60);

/// How far back the running statistics are read at the start.
const WARM_UP: Duration = Duration::from_secs(48 * 3_600);

/// Whoever is shown every event of the desk, once.
#[derive(Debug)]
pub struct Observers {
    /// Counters for `/metrics`.
    pub metrics: Metrics,
    /// The statistics of the last days.
    pub running: Running,
    /// The newest events.
    pub feed: Feed,
}

impl Observers {
    /// Observers that have seen nothing yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            metrics: Metrics::default(),
            running: Running::new(rules),
            feed: Feed::default(),
        }
    }

    /// Shows an event to all of them; one that was shown before changes nothing.
    pub fn observe(&self, event: &Event) {
        match self.running.record(event) {
            Recorded::Taken => {
                self.metrics.record(event);
                self.feed.record(event);
            }
            Recorded::Duplicate => {}
        }
    }

    /// Follows the desk from now on: first what the log has of the last two days (for the statistics
    /// alone), then every event of the bus; what the bus missed is read from the log.
    pub fn follow(
        self: Arc<Self>,
        acd: &Acd,
        log: &EventLog,
    ) -> impl Future<Output = ()> + Send + 'static {
        // Listening begins here, so that nothing falls between the log and the bus.
        let (subscription, log, now) = (acd.subscribe(), log.clone(), acd.now());
        async move {
            if let Err(fault) = from_log::warm_up(&log, &self.running, now - WARM_UP).await {
                tracing::warn!(%fault, "statistics: the log cannot be read, they begin with this start");
            }
            self.listen(subscription, &log, now).await;
        }
    }

    async fn listen(&self, mut subscription: Subscription, log: &EventLog, begun: Timestamp) {
        let mut newest = begun;
        while let Some(notice) = subscription.next().await {
            match notice {
                Notice::Event(event) => {
                    newest = newest.max(event.at);
                    self.observe(&event);
                }
                Notice::Resync => self.catch_up(log, newest).await,
            }
        }
    }

    async fn catch_up(&self, log: &EventLog, newest: Timestamp) {
        let query = EventsQuery::Between {
            from: newest - GAP_MARGIN,
            to: Timestamp::from_millis(i64::MAX),
        };
        let read = async {
            log.flush().await?;
            log.for_each(query, |event| self.observe(&event)).await
        };
        if let Err(fault) = read.await {
            tracing::warn!(%fault, "statistics: events were missed and cannot be read from the log");
        }
    }
}
