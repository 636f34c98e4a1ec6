//! A report read from the event log, page by page.

use super::running::Running;
use super::{By, Period, Report};
use crate::database::DatabaseFault;
use crate::event_log::{EventLog, EventsQuery};
use crate::rollups::Rollups;
use ringdown_routing::event::Event;
use ringdown_routing::statistics::{REPEAT_WINDOW, Rules, Scope, Statistics};
use ringdown_routing::time::Timestamp;
use std::time::Duration;

/// How long before the period reading begins, so that who talked at its beginning is known; what agents
/// chose before that is looked up.
const LEAD_IN: Duration = Duration::from_secs(6 * 3_600);

/// How long after the period reading goes on: a later end revises an interval.
const REVISION: Duration = Duration::from_secs(24 * 3_600);

/// Reads the report of a period from what is rolled up and what the log has beyond that; `step` is told of
/// every event. Where nothing is rolled up yet, or the intervals are narrower than what is, the log is read
/// around the period, if it is still whole there ([`DatabaseFault::LetGo`] otherwise).
pub async fn report(
    log: &EventLog,
    period: Period,
    (scope, by): (Scope, By),
    now: Timestamp,
    mut step: impl FnMut(),
) -> Result<Report, DatabaseFault> {
    let rollups = Rollups::new(log);
    let rollups = if by.is_of_facets() {
        rollups.by_facet()
    } else {
        rollups
    };
    if let Some(report) = rollups.report(&period, &scope, now, &mut step).await? {
        return Ok(report.by(by));
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
    for event in log.settings_before(whole.from - LEAD_IN).await? {
        fold.record(&event);
    }
    let from = whole.from - LEAD_IN;
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
    let as_of = now.max(fold.newest().unwrap_or(now));
    Ok(Report::of(&fold, period, scope, as_of).by(by))
}

/// Fills the running statistics with what the log has since an instant; `taken` is shown each event of it.
pub async fn warm_up(
    log: &EventLog,
    running: &Running,
    since: Timestamp,
    mut taken: impl FnMut(&Event),
) -> Result<(), DatabaseFault> {
    for event in log.settings_before(since - LEAD_IN).await? {
        running.record(&event);
        taken(&event);
    }
    let from = since - LEAD_IN;
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
