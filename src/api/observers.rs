//! Who is shown every event of the desk: counters, running statistics, listeners.

use super::feed::Feed;
use super::status_times::StatusTimes;
use crate::acd::{Acd, Notice, Subscription};
use crate::event_log::{EventLog, EventsQuery};
use crate::metrics::Metrics;
use crate::report::from_log;
use crate::report::running::Running;
use ringdown_routing::event::Event;
use ringdown_routing::ids::EventId;
use ringdown_routing::statistics::{Recorded, Rules};
use ringdown_routing::time::Timestamp;
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::time::MissedTickBehavior;

/// How far back is looked after a gap, so that events that were stored late are found too.
const GAP_MARGIN: Duration = Duration::from_secs(60);

/// How far back the running statistics are read at the start.
const WARM_UP: Duration = Duration::from_secs(48 * 3_600);

/// How often it is looked whether a command beside the gateways has written an event.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Whoever is shown every event of the desk, once.
#[derive(Debug)]
pub struct Observers {
    /// Counters for `/metrics`.
    pub metrics: Metrics,
    /// The statistics of the last days.
    pub running: Running,
    /// The newest events.
    pub feed: Feed,
    /// Since when agents have their status.
    pub statuses: StatusTimes,
}

impl Observers {
    /// Observers that have seen nothing yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            metrics: Metrics::default(),
            running: Running::new(rules),
            feed: Feed::default(),
            statuses: StatusTimes::default(),
        }
    }

    /// Shows an event to all of them; one that was shown before changes nothing.
    pub fn observe(&self, event: &Event) {
        match self.running.record(event) {
            Recorded::Taken => self.show(event),
            Recorded::Duplicate => {}
        }
    }

    /// Shows counters and listeners an event that happens now. That the statistics have it from the log
    /// already is no reason to pass it over: an event may be stored before it is told.
    fn observe_live(&self, event: &Event, from_log: &mut BTreeSet<EventId>) {
        match self.running.record(event) {
            Recorded::Taken => self.show(event),
            Recorded::Duplicate if from_log.remove(&event.id) => self.show(event),
            Recorded::Duplicate => {}
        }
    }

    fn show(&self, event: &Event) {
        self.metrics.record(event);
        self.feed.record(event);
        self.statuses.record(event);
    }

    /// Follows the desk from now on: first what the log has of the last two days (for the statistics
    /// alone), then every event of the bus; what the bus missed, and what commands beside the gateways
    /// wrote, is read from the log.
    pub fn follow(
        self: Arc<Self>,
        acd: &Acd,
        log: &EventLog,
    ) -> impl Future<Output = ()> + Send + 'static {
        // Listening begins here, so that nothing falls between the log and the bus.
        let (subscription, log, now) = (acd.subscribe(), log.clone(), acd.now());
        let told = log.told();
        async move {
            let beside = log.written_beside().await.unwrap_or_default();
            let mut from_log = BTreeSet::new();
            let taken = |event: &Event| {
                self.statuses.record(event);
                if event.at >= now - GAP_MARGIN {
                    from_log.insert(event.id.clone());
                }
            };
            if let Err(fault) = from_log::warm_up(&log, &self.running, now - WARM_UP, taken).await {
                tracing::warn!(%fault, "statistics: the log cannot be read, they begin with this start");
            }
            let listening = Listening {
                log,
                begun: now,
                newest: now,
                beside,
                from_log,
            };
            self.listen(subscription, told, listening).await;
        }
    }

    async fn listen(
        &self,
        mut subscription: Subscription,
        mut told: broadcast::Receiver<Event>,
        mut listening: Listening,
    ) {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                notice = subscription.next() => match notice {
                    Some(Notice::Event(event)) => listening.take(self, &event),
                    Some(Notice::Resync) => listening.catch_up(self).await,
                    None => return,
                },
                event = told.recv() => match event {
                    Ok(event) => listening.take(self, &event),
                    Err(broadcast::error::RecvError::Lagged(_)) => listening.catch_up(self).await,
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                _ = tick.tick() => listening.look_beside(self).await,
            }
        }
    }
}

/// How far a follower of the desk is.
#[derive(Debug)]
struct Listening {
    log: EventLog,
    begun: Timestamp,
    newest: Timestamp,
    /// How many events of commands beside the gateways were read.
    beside: i64,
    /// Young events that the statistics had from the log before the bus told of them, if it does.
    from_log: BTreeSet<EventId>,
}

impl Listening {
    fn take(&mut self, observers: &Observers, event: &Event) {
        self.newest = self.newest.max(event.at);
        observers.observe_live(event, &mut self.from_log);
        // What was stored at the start has been told by now.
        if self.newest > self.begun + GAP_MARGIN {
            self.from_log.clear();
        }
    }

    async fn look_beside(&mut self, observers: &Observers) {
        match self.log.written_beside().await {
            Ok(beside) if beside != self.beside => {
                self.beside = beside;
                self.catch_up(observers).await;
            }
            Ok(_) => self.look_at_other_writers(observers).await,
            Err(fault) => tracing::debug!(%fault, "statistics: the log cannot be looked at now"),
        }
    }

    /// What other gateways wrote with their tickets is on no bus.
    async fn look_at_other_writers(&mut self, observers: &Observers) {
        let since = self.newest - GAP_MARGIN;
        match self.log.told_by_others(since).await {
            Ok(events) => {
                for event in events.iter().filter(|event| event.at >= self.begun) {
                    observers.observe_live(event, &mut self.from_log);
                }
            }
            Err(fault) => tracing::debug!(%fault, "statistics: the log cannot be looked at now"),
        }
    }

    async fn catch_up(&mut self, observers: &Observers) {
        let query = EventsQuery::Between {
            from: self.newest - GAP_MARGIN,
            to: Timestamp::from_millis(i64::MAX),
        };
        let (begun, from_log) = (self.begun, &mut self.from_log);
        let log = &self.log;
        let read = async {
            log.flush().await?;
            log.for_each(query, |event| {
                // What happened before the start is news only to who has it from nowhere.
                if event.at >= begun {
                    observers.observe_live(&event, from_log);
                } else {
                    observers.observe(&event);
                }
            })
            .await
        };
        if let Err(fault) = read.await {
            tracing::warn!(%fault, "statistics: events were missed and cannot be read from the log");
        }
    }
}
