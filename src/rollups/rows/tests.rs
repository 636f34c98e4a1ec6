//! What came late, by the quick question about the latest days and by the one about all of them.

use super::*;
use crate::database::tests::{arrived, at, contact, event, on_both_engines};
use crate::event_log::EventLog;

const DAY: i64 = 86_400;

/// What is counted: up to the last step, which ends there.
const LAST_STEP: i64 = 10 * DAY;

/// Stores events by their numbers and seconds.
async fn store(log: &EventLog, told: &[(u64, i64)]) {
    for (number, second) in told {
        assert!(log.append(event(*number, *second, contact(1), arrived("1"))));
    }
    log.flush().await.unwrap();
}

/// Counts a log of ten days, stores these events, and looks which is the earliest of those that came late; on
/// PostgreSQL the latest days alone tell that much.
fn check(stored: &'static [(u64, i64)], earliest: Option<i64>, lately: Lately) {
    on_both_engines(|database| async move {
        let log = EventLog::new(database.clone());
        store(&log, &[(1, 0), (2, 5 * DAY), (3, 9 * DAY)]).await;
        let counted = settled_seq(&database, 0).await.unwrap();
        store(&log, stored).await;
        let newest = settled_seq(&database, counted).await.unwrap();
        let engine = database.engine();
        let mut connection = database.reads().acquire().await.unwrap();
        let span = Timestamp::from_millis(i64::MIN)..at(LAST_STEP);
        // As the next step asks, and as a report does.
        let up_to_newest = NewEvents {
            after: counted,
            up_to: newest,
        };
        for new in [up_to_newest, NewEvents::after(counted)] {
            let found = late(engine, &mut connection, new, span.clone()).await;
            assert_eq!(found.unwrap(), earliest.map(at), "{engine:?}");
            if engine == Engine::Postgres {
                let found = late_lately(&mut connection, new, &span).await;
                assert_eq!(found.unwrap(), lately);
            }
        }
        // What is stored after the newest number that is asked about is looked at the next time.
        store(&log, &[(100, 9 * DAY - 1), (101, 2 * DAY)]).await;
        let found = late(engine, &mut connection, up_to_newest, span).await;
        assert_eq!(found.unwrap(), earliest.map(at), "{engine:?}");
    });
}

#[test]
fn what_happens_after_the_last_step_is_not_late() {
    let stored = &[(4, LAST_STEP), (5, LAST_STEP + 60), (6, LAST_STEP + DAY)];
    check(stored, None, Lately::All(None));
    check(&[], None, Lately::All(None));
}

#[test]
fn what_comes_a_day_late_is_found_among_the_latest_days() {
    let stored = &[(4, LAST_STEP + 60), (5, 9 * DAY + 60), (6, 9 * DAY + 30)];
    let earliest = 9 * DAY + 30;
    check(stored, Some(earliest), Lately::All(Some(at(earliest))));
}

#[test]
fn what_comes_a_week_late_is_found_among_all_days() {
    let stored = &[(4, LAST_STEP + 60), (5, 9 * DAY + 60), (6, 3 * DAY)];
    check(stored, Some(3 * DAY), Lately::NotAll);
}

#[test]
fn numbers_of_what_is_stored_already_are_no_late_events() {
    // PostgreSQL gives a number to what it then finds to be there.
    check(&[(3, 9 * DAY), (4, LAST_STEP)], None, Lately::NotAll);
    let stored = &[(1, 0), (4, 9 * DAY + 60)];
    check(stored, Some(9 * DAY + 60), Lately::NotAll);
}
