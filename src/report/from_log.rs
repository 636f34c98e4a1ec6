//! A report read from the event log, page by page.

use super::running::Running;
use super::{Period, Report, Subject};
use crate::database::DatabaseFault;
use crate::event_log::{EventLog, EventsQuery};
use crate::rollups::Rollups;
use ringdown_routing::event::Event;
use ringdown_routing::statistics::{REPEAT_WINDOW, Rules, Statistics};
use ringdown_routing::time::Timestamp;
use std::time::Duration;

/// How long before the period reading begins; what agents chose before that is looked up, and what was under
/// way then.
const LEAD_IN: Duration = Duration::from_secs(6 * 3_600);

/// How long after the period reading goes on: a later end revises an interval. Of contacts that are not over by
/// then, their own events are read.
const REVISION: Duration = Duration::from_secs(24 * 3_600);

/// How long before reading begins a contact may have come whose handling is counted.
const LONGEST: Duration = Duration::from_secs(31 * 86_400);

/// Reads the report of a period from what is rolled up and what the log has beyond that; `step` is told of
/// every event. Where nothing is rolled up yet, or the intervals are narrower than what is, the log is read
/// around the period, if it is still whole there ([`DatabaseFault::LetGo`] otherwise).
pub async fn report(
    log: &EventLog,
    period: Period,
    subject: &Subject,
    now: Timestamp,
    mut step: impl FnMut(),
) -> Result<Report, DatabaseFault> {
    let Subject { scope, by, .. } = subject;
    let rollups = Rollups::new(log).reading(subject.facets());
    if let Some(report) = rollups.report(&period, scope, now, &mut step).await? {
        return Ok(report.by(*by));
    }
    let whole = period.whole();
    let log_from = rollups.log_from().await?;
    if let Some(log_from) = log_from.filter(|log_from| whole.from - LEAD_IN < *log_from) {
        let log_from = jiff::Timestamp::from_millisecond(log_from.as_millis());
        return Err(DatabaseFault::LetGo(log_from.unwrap_or_default()));
    }
    let mut fold = Statistics::new(Rules {
        interval: period.interval.cell(),
        ..Rules::default()
    });
    let from = whole.from - LEAD_IN;
    before(log, from, |event| {
        fold.record(&event);
    })
    .await?;
    log.callers_between(from - REPEAT_WINDOW, from, |who, at| fold.remember(who, at))
        .await?;
    let to = whole.to + REVISION;
    log.for_each(EventsQuery::Between { from, to }, |event| {
        fold.record(&event);
        step();
    })
    .await?;
    for event in log.differences_since(to).await? {
        fold.record(&event);
    }
    let later = to..Timestamp::from_millis(i64::MAX);
    log.of_contacts(whole.from..whole.to, to, later, |event| {
        fold.record(&event);
    })
    .await?;
    let as_of = now.max(fold.newest().unwrap_or(now));
    Ok(Report::of(&fold, period, scope.clone(), as_of).by(*by))
}

/// What must be known of the time before an instant, to count from there on: what agents and queues were told
/// last, and how the contacts came to where they were.
async fn before(
    log: &EventLog,
    at: Timestamp,
    mut take: impl FnMut(Event),
) -> Result<(), DatabaseFault> {
    for event in log.settings_before(at).await? {
        take(event);
    }
    let past = at - LONGEST..at;
    log.of_contacts(past.clone(), at, past, take).await
}

/// Fills the running statistics with what the log has since an instant; `taken` is shown each event of it.
pub async fn warm_up(
    log: &EventLog,
    running: &Running,
    since: Timestamp,
    mut taken: impl FnMut(&Event),
) -> Result<(), DatabaseFault> {
    let from = since - LEAD_IN;
    before(log, from, |event| {
        running.record(&event);
        taken(&event);
    })
    .await?;
    let remember = |who, at| running.remember(who, at);
    log.callers_between(from - REPEAT_WINDOW, from, remember)
        .await?;
    let query = EventsQuery::Between {
        from,
        to: Timestamp::from_millis(i64::MAX),
    };
    log.for_each(query, |event| {
        running.record(&event);
        taken(&event);
    })
    .await?;
    running.is_whole_since(since);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{at, on_both_engines};
    use crate::report::By;
    use crate::rollups::tests::{HOURS, period, printed, random_log};
    use ringdown_routing::statistics::Scope;

    #[test]
    fn narrow_intervals_know_who_was_under_way_before_and_is_long_after() {
        on_both_engines(|database| async move {
            let log = EventLog::new(database);
            // Some wait for a day, some are worked on for a day.
            let events = random_log(11);
            for event in &events {
                assert!(log.append(event.clone()));
            }
            log.flush().await.unwrap();
            let now = at((HOURS + 60) * 3_600);
            for (interval, from, to) in [
                ("5m", 20 * 3_600, 30 * 3_600),
                ("1m", 40 * 3_600, 42 * 3_600),
                ("10m", 0, 24 * 3_600),
            ] {
                let period = period(interval, from, to);
                let subject = Subject {
                    by: By::Agent,
                    ..Subject::default()
                };
                let told = report(&log, period.clone(), &subject, now, || ()).await;
                let mut fold = Statistics::new(Rules {
                    interval: period.interval.cell(),
                    ..Rules::default()
                });
                for event in &events {
                    fold.record(event);
                }
                let whole = Report::of(&fold, period, Scope::default(), now).by(By::Agent);
                let (mut told, mut whole) = (told.unwrap(), whole);
                // How much was read is not the same.
                (told.health, whole.health) = Default::default();
                assert_eq!(printed(&told), printed(&whole), "{interval}");
            }
        });
    }
}
