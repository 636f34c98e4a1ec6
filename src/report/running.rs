//! The statistics of today and the last days, kept up to date by the events as they come.

use super::{Interval, Period, PeriodFault, Report};
use crate::metrics::Exposition;
use ringdown_routing::event::Event;
use ringdown_routing::statistics::{CallerKey, Recorded, Rules, Scope, Statistics};
use ringdown_routing::time::Timestamp;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How far back the figures are kept at hand; older ones are read from the log.
pub const KEPT_FOR: Duration = Duration::from_secs(8 * 24 * 3_600);

/// How often cells that are too old are given up.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

/// The running fold.
#[derive(Debug)]
pub struct Running {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    fold: Statistics,
    /// From which instant on every event was recorded; `None` until that is known.
    whole_since: Option<Timestamp>,
    forget_at: Timestamp,
}

impl Running {
    /// Starts from zero.
    pub fn new(rules: Rules) -> Self {
        Self {
            inner: Mutex::new(Inner {
                fold: Statistics::new(rules),
                whole_since: None,
                forget_at: Timestamp::from_millis(i64::MIN),
            }),
        }
    }

    /// Counts an event, from the log or from the desk; twice is no harm.
    pub fn record(&self, event: &Event) -> Recorded {
        let mut inner = self.lock();
        let recorded = inner.fold.record(event);
        if event.at > inner.forget_at {
            inner.forget_at = event.at + FORGET_EVERY;
            let oldest = event.at - KEPT_FOR;
            inner.fold.forget_before(oldest);
            if let Some(since) = &mut inner.whole_since {
                *since = (*since).max(oldest);
            }
        }
        recorded
    }

    /// Notes a contact that came before what is read of the log.
    pub fn remember(&self, caller: CallerKey, arrived: Timestamp) {
        self.lock().fold.remember(caller, arrived);
    }

    /// Says that from this instant on the log was read whole.
    pub fn is_whole_since(&self, since: Timestamp) {
        self.lock().whole_since = Some(since);
    }

    /// The report of a period; `None` when its beginning (or its rows' width) is not at hand.
    pub fn report(&self, period: &Period, scope: &Scope, as_of: Timestamp) -> Option<Report> {
        let inner = self.lock();
        let is_covered = inner
            .whole_since
            .is_some_and(|since| since <= period.whole().from);
        let is_fitting = inner.fold.rules().interval == period.interval.cell();
        (is_covered && is_fitting)
            .then(|| Report::of(&inner.fold, period.clone(), scope.clone(), as_of))
    }

    /// The report of today so far, whatever of it is at hand; for a screen.
    pub fn today(&self, now: Timestamp, zone: &jiff::tz::TimeZone) -> Result<Report, PeriodFault> {
        let from = super::period::instant("today", now, zone)?;
        let day: Interval = "1d".parse()?;
        let period = Period::new(from, now + Duration::from_millis(1), day, zone.clone())?;
        Ok(Report::of(&self.lock().fold, period, Scope::default(), now))
    }

    /// Tells whether everybody who entered a line in the last days is accounted for.
    pub fn tell(&self, out: &mut Exposition) {
        let inner = self.lock();
        let health = inner.fold.health();
        out.gauge(
            "ringdown_statistics_unaccounted_contacts",
            "Contacts of the last 8 days that entered a line and of which no event tells what became; reports say so.",
            &[],
            inner.fold.unaccounted() as f64,
        );
        out.counter(
            "ringdown_statistics_holes_total",
            "Contacts counted as they stood, or not at all, because events of theirs are missing or came too late.",
            &[],
            health.with_holes + health.late,
        );
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
