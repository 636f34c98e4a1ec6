//! Taking a gateway out of service without cutting anybody off.
//!
//! A gateway that drains takes no new calls: INVITE and OPTIONS are answered 503, so that a proxy in front
//! takes it out, and `/readyz` says so. It hands the dispatcher's work to another node. Calls in progress
//! go on, callers who wait are served, and when the last has gone, or the time is over, the gateway ends.

use ringdown_routing::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// How far a gateway is out of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It takes calls.
    Open,
    /// It takes no new ones.
    Draining {
        /// When it ends, whoever is still there.
        until: Timestamp,
    },
    /// It ends.
    Ended {
        /// Calls that were not over when the time was.
        cut_off: usize,
    },
}

/// The stage of a gateway; clones share it.
#[derive(Clone, Debug)]
pub struct Drain {
    stage: watch::Sender<Stage>,
    calls: Arc<AtomicUsize>,
}

/// The gateway ends already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the gateway ends already")]
pub struct TooLate;

/// How often a draining gateway looks whether its calls are over.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Drain {
    /// An open gateway whose calls are counted here.
    pub fn new(calls: Arc<AtomicUsize>) -> Self {
        Self {
            stage: watch::Sender::new(Stage::Open),
            calls,
        }
    }

    /// The stage it is in.
    pub fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Calls that are not over.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Whether new calls are taken.
    pub fn takes_calls(&self) -> bool {
        self.stage() == Stage::Open
    }

    /// Takes no new calls from now on, and ends with the last one, or then.
    pub fn begin(&self, until: Timestamp) -> Result<(), TooLate> {
        self.change(Stage::Draining { until })
    }

    /// Takes calls again.
    pub fn undo(&self) -> Result<(), TooLate> {
        self.change(Stage::Open)
    }

    fn change(&self, to: Stage) -> Result<(), TooLate> {
        let is_changed = self.stage.send_if_modified(|stage| match stage {
            Stage::Open | Stage::Draining { .. } => {
                *stage = to;
                true
            }
            Stage::Ended { .. } => false,
        });
        if is_changed { Ok(()) } else { Err(TooLate) }
    }

    /// Waits until the gateway is to end: everybody has gone, or the time is over.
    pub async fn ended(&self, now: impl Fn() -> Timestamp) -> usize {
        let mut stages = self.stage.subscribe();
        loop {
            let stage = *stages.borrow_and_update();
            match stage {
                Stage::Open => drop(stages.changed().await),
                Stage::Draining { until } => {
                    let calls = self.calls();
                    if calls == 0 || until <= now() {
                        self.stage.send_replace(Stage::Ended { cut_off: calls });
                        return calls;
                    }
                    // Whatever comes first: undone, given another end, or time to look again.
                    drop(tokio::time::timeout(LOOK_EVERY, stages.changed()).await);
                }
                Stage::Ended { cut_off } => return cut_off,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_the_last_call() {
        let calls = Arc::new(AtomicUsize::new(1));
        let drain = Drain::new(Arc::clone(&calls));
        drain.begin(at(1_000)).unwrap();
        let ending = tokio::spawn({
            let drain = drain.clone();
            async move { drain.ended(|| at(0)).await }
        });
        tokio::time::sleep(LOOK_EVERY * 3).await;
        assert!(!ending.is_finished() && !drain.takes_calls());
        calls.store(0, Ordering::Relaxed);
        assert_eq!(ending.await.unwrap(), 0);
        assert_eq!(drain.undo(), Err(TooLate));
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_its_time_is_over_and_tells_whom_it_cut_off() {
        let drain = Drain::new(Arc::new(AtomicUsize::new(2)));
        drain.begin(at(1_000)).unwrap();
        assert_eq!(drain.ended(|| at(1_000)).await, 2);
        assert_eq!(drain.stage(), Stage::Ended { cut_off: 2 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_that_is_undone_ends_nothing() {
        let drain = Drain::new(Arc::default());
        drain.begin(at(0)).unwrap();
        drain.undo().unwrap();
        let ended = tokio::time::timeout(LOOK_EVERY * 10, drain.ended(|| at(1)));
        assert!(ended.await.is_err() && drain.takes_calls());
    }
}
