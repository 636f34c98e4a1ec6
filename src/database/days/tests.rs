use super::super::{MIGRATIONS, migrate, open_connection};
use super::*;
use crate::config::Retention;
use crate::database::tests::{arrived, contact, event, run};
use crate::event_log::{EventLog, EventsQuery};
use crate::report::{Subject, from_log};
use crate::retention::{Keeper, Look};
use crate::rollups::Rollups;
use crate::rollups::tests::{HOURS, period_from, printed, random_log};
use ringdown_harness::postgres::Postgres;
use ringdown_routing::event::{Event, EventKind};
use sqlx::any::AnyConnectOptions;
use std::collections::BTreeMap;
use std::str::FromStr;

/// How many events lie in each table that has some.
async fn extent(database: &Database) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT CAST(c.relname AS TEXT), COUNT(*) FROM events e JOIN pg_class c ON c.oid = e.tableoid GROUP BY 1",
    )
    .fetch_all(database.reads())
    .await
    .unwrap();
    rows.into_iter().collect()
}

async fn begin(database: &Database) -> i64 {
    let mut connection = database.reads().acquire().await.unwrap();
    bounds(&mut connection).await.unwrap().0
}

async fn days(database: &Database) -> Vec<Part> {
    let mut connection = database.reads().acquire().await.unwrap();
    bounds(&mut connection).await.unwrap().1
}

async fn stored(log: &EventLog) -> Vec<Event> {
    let mut events = Vec::new();
    let all = EventsQuery::Between {
        from: Timestamp::from_millis(i64::MIN),
        to: Timestamp::from_millis(i64::MAX),
    };
    log.for_each(all, |event| events.push(event)).await.unwrap();
    events
}

async fn append(log: &EventLog, events: impl IntoIterator<Item = Event>) {
    for event in events {
        assert!(log.append(event));
    }
    log.flush().await.unwrap();
}

fn at_ms(number: u64, at: i64) -> Event {
    Event {
        at: Timestamp::from_millis(at),
        ..event(number, 0, contact(u128::from(number)), arrived("1"))
    }
}

#[test]
fn a_log_of_one_table_is_cut_into_days_and_no_event_is_lost() {
    run(async {
        let server = Postgres::start();
        let options = AnyConnectOptions::from_str(&server.url()).unwrap();
        sqlx::any::install_default_drivers();
        let mut old = open_connection(Engine::Postgres, &options).await.unwrap();
        let place = MIGRATIONS
            .iter()
            .position(|(name, _)| *name == "event days");
        let before = &MIGRATIONS[..place.unwrap()];
        migrate(Engine::Postgres, &mut old, before).await.unwrap();
        // The first of them again later, the last of a clock that is wrong by years.
        let events = [
            at_ms(1, 1_000),
            at_ms(2, 1_700_000_000_000),
            at_ms(3, 4_000_000_000_000),
        ];
        for event in &events {
            let sql = "INSERT INTO events (origin, number, at, kind, body) VALUES ($1, $2, $3, 'arrived', $4)";
            sqlx::query(sql)
                .bind(event.id.origin.as_str().to_owned())
                .bind(i64::try_from(event.id.number).unwrap())
                .bind(event.at.as_millis())
                .bind(serde_json::to_string(event).unwrap())
                .execute(&mut old)
                .await
                .unwrap();
        }
        drop(old);
        // Two gateways begin with it at once.
        let url = server.url();
        let (one, other) = tokio::join!(
            Database::connect(&url, 2, 1_000),
            Database::connect(&url, 2, 1_000)
        );
        let (one, other) = (one.unwrap(), other.unwrap());
        let log = EventLog::new(one.clone());
        assert_eq!(stored(&log).await, events);
        let wanted = [
            ("events_apart".to_owned(), 1),
            ("events_before".to_owned(), 2),
        ];
        assert_eq!(extent(&one).await, BTreeMap::from(wanted));
        append(&log, events.clone()).await;
        append(
            &EventLog::new(other.clone()),
            [at_ms(4, 5), events[0].clone()],
        )
        .await;
        assert_eq!(stored(&log).await.len(), 4, "each once");
        let (seq,): (i64,) = sqlx::query_as("SELECT seq FROM events WHERE number = 4")
            .fetch_one(one.reads())
            .await
            .unwrap();
        assert!(seq > 3, "numbers go on: {seq}");
        one.close().await;
        other.close().await;
    });
}

#[test]
fn every_event_is_stored_whether_its_day_was_made_or_not() {
    run(async {
        let server = Postgres::start();
        let one = Database::connect(&server.url(), 2, 1_000).await.unwrap();
        let other = Database::connect(&server.url(), 2, 1_000).await.unwrap();
        let log = EventLog::new(one.clone());
        let begin = begin(&one).await;
        let midnight = begin + 20 * DAY_MS;
        // The last millisecond of a day, and two gateways that both make what is to come.
        let late = Timestamp::from_millis(midnight - 1);
        let made = tokio::join!(one.make_days(late), other.make_days(late));
        made.0.and(made.1).unwrap();
        let name = |at: i64| Part::day_of(at).unwrap().name;
        let known: Vec<String> = days(&one).await.into_iter().map(|day| day.name).collect();
        for ahead in 0..=DAYS_AHEAD {
            assert!(
                known.contains(&name(midnight - 1 + ahead * DAY_MS)),
                "{known:?}"
            );
        }
        let far = midnight + 10 * DAY_MS;
        append(
            &log,
            [
                at_ms(1, midnight - 1),
                at_ms(2, midnight),
                at_ms(3, -86_400_000_000),
                at_ms(4, begin - 1),
                at_ms(5, far),
            ],
        )
        .await;
        let wanted = [
            (name(midnight - 1), 1),
            (name(midnight), 1),
            ("events_before".to_owned(), 2),
            ("events_apart".to_owned(), 1),
        ];
        assert_eq!(extent(&one).await, BTreeMap::from(wanted));
        // A day that has begun without a table of its own stays apart, those after it are made.
        one.make_days(Timestamp::from_millis(far)).await.unwrap();
        let known: Vec<String> = days(&one).await.into_iter().map(|day| day.name).collect();
        assert!(!known.contains(&name(far)) && known.contains(&name(far + DAY_MS)));
        append(&log, [at_ms(6, far + 1), at_ms(5, far)]).await;
        assert_eq!(extent(&one).await["events_apart"], 2, "and each once");
        assert_eq!(stored(&log).await.len(), 6);
        one.close().await;
        other.close().await;
    });
}

/// Some days' log that begins when the days do.
fn log_from(begin: i64) -> Vec<Event> {
    let mut events = random_log(5);
    let first = events[0].at.as_millis();
    let shift = begin + DAY_MS - first.div_euclid(DAY_MS) * DAY_MS;
    for event in &mut events {
        // What is told within an event may stay where it is; every fold takes both logs alike.
        event.at = Timestamp::from_millis(event.at.as_millis() + shift);
    }
    events
}

#[test]
fn days_that_are_counted_go_whole_but_for_the_last_words() {
    run(async {
        let server = Postgres::start();
        let database = Database::connect(&server.url(), 4, 10_000).await.unwrap();
        let log = EventLog::new(database.clone());
        let begin = begin(&database).await;
        let events = log_from(begin);
        let last = events.last().unwrap().at.as_millis();
        let mut at = begin;
        while at <= last {
            database
                .make_days(Timestamp::from_millis(at))
                .await
                .unwrap();
            at += DAY_MS;
        }
        append(&log, events.clone()).await;
        let all = i64::try_from(events.len()).unwrap();
        let extent_before = extent(&database).await;
        assert!(extent_before.len() >= 4, "{extent_before:?}");
        assert!(!extent_before.contains_key("events_apart"));
        let now = Timestamp::from_millis(last + 40 * DAY_MS);
        let rollups = Rollups::new(&log);
        rollups.catch_up(now, || ()).await.unwrap().unwrap();
        let report = async || {
            let period = period_from(begin + DAY_MS, "1h", HOURS * 3_600);
            let report = from_log::report(&log, period, &Subject::default(), now, || ()).await;
            printed(&report.unwrap())
        };
        let before = report().await;
        let keeper = Keeper::new(
            Retention {
                events_days: Some(7),
                ..Retention::default()
            },
            &log,
        );
        // Somebody reads for a long time: then it goes event by event.
        let mut reader = database.reads().begin().await.unwrap();
        let read = "SET LOCAL idle_in_transaction_session_timeout = 0; SELECT COUNT(*) FROM events";
        sqlx::raw_sql(read).execute(&mut *reader).await.unwrap();
        assert_eq!(keeper.look(&rollups, now).await.unwrap(), Look::Went);
        assert!(extent(&database).await.values().sum::<i64>() < all);
        reader.rollback().await.unwrap();
        while keeper.look(&rollups, now).await.unwrap() == Look::Went {}
        let words = [("events_apart".to_owned(), 3)];
        let left = extent(&database).await;
        assert_eq!(left, BTreeMap::from(words), "the last word on each agent");
        // What lies beyond the last event is not counted yet.
        let whole_from = rollups.log_from().await.unwrap().unwrap();
        let stay = days(&database).await;
        assert!(stay.iter().all(|day| day.to > whole_from.as_millis()));
        assert_eq!(keeper.counts().events, u64::try_from(all - 3).unwrap());
        assert_eq!(report().await, before);
        // What comes far too late is stored all the same, and is found.
        let late = at_ms(100_000, begin + 5);
        append(&log, [late.clone()]).await;
        let found = log
            .page(EventsQuery::OfContact(late.contact.unwrap()), None, 10)
            .await;
        assert_eq!(found.unwrap().events, [late]);
        database.close().await;
    });
}

#[test]
fn days_that_went_are_gone_for_an_export_that_is_under_way_and_it_ends() {
    run(async {
        let server = Postgres::start();
        let database = Database::connect(&server.url(), 4, 10_000).await.unwrap();
        let log = EventLog::new(database.clone());
        let begin = begin(&database).await;
        database
            .make_days(Timestamp::from_millis(begin))
            .await
            .unwrap();
        let two_days = (1..=20_u64)
            .map(|number| at_ms(number, begin + i64::try_from(number).unwrap() * DAY_MS / 11));
        append(&log, two_days).await;
        let all = EventsQuery::Between {
            from: Timestamp::from_millis(0),
            to: Timestamp::from_millis(i64::MAX),
        };
        let first = log.page(all, None, 5).await.unwrap();
        let until = Timestamp::from_millis(begin + DAY_MS);
        assert_eq!(database.drop_day(until).await.unwrap(), Some(10));
        assert_eq!(database.drop_day(until).await.unwrap(), None);
        let rest = log.page(all, first.next, 100).await.unwrap();
        assert_eq!((first.events.len(), rest.events.len()), (5, 10));
        assert_eq!(rest.events[0].id.number, 11);
        assert!(matches!(rest.events[0].kind, EventKind::Arrived { .. }));
        database.close().await;
    });
}

/// The first instant of a month.
fn month(name: &str) -> i64 {
    let date: jiff::civil::Date = format!("{name}-01").parse().unwrap();
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    midnight.timestamp().as_millisecond()
}

#[test]
fn a_log_with_more_days_than_are_kept_apart_goes_on_by_the_month() {
    run(async {
        let server = Postgres::start();
        let database = Database::connect(&server.url(), 2, 10_000).await.unwrap();
        let log = EventLog::new(database.clone());
        let begin = begin(&database).await;
        let mut connection = database.reads().acquire().await.unwrap();
        // Three years, of which no more than ten days at a time have a table of their own.
        let years = 3 * 365;
        let mut stored_until = begin;
        for day in 0..years {
            let now = begin + day * DAY_MS;
            make_with(&mut connection, Timestamp::from_millis(now), 10)
                .await
                .unwrap();
            if day % 7 == 0 {
                append(&log, [at_ms(u64::try_from(day).unwrap() + 1, now)]).await;
                stored_until = now;
            }
        }
        let parts = days(&database).await;
        let of_days = parts.iter().filter(|part| part.is_day()).count();
        assert_eq!(of_days, 10);
        assert!(
            (36..=38).contains(&(parts.len() - of_days)),
            "{}",
            parts.len()
        );
        // Without a gap from the first day to the last.
        for pair in parts.windows(2) {
            assert_eq!(pair[0].to, pair[1].from, "{pair:?}");
        }
        assert!(parts.last().unwrap().to > stored_until);
        let extent_whole = extent(&database).await;
        assert!(
            !extent_whole.contains_key("events_apart"),
            "{extent_whole:?}"
        );
        let all = stored(&log).await.len();
        assert_eq!(i64::try_from(all).unwrap(), (years - 1) / 7 + 1);
        // Days and months go whole, and then there is room for days again.
        let until = Timestamp::from_millis(begin + 2 * 365 * DAY_MS);
        let mut gone = 0;
        while let Some(count) = database.drop_day(until).await.unwrap() {
            gone += count;
        }
        let left = days(&database).await;
        assert!(
            left.iter()
                .all(|part| !part.is_day() && part.to > until.as_millis())
        );
        let left = stored(&log).await.len();
        assert_eq!(u64::try_from(all - left).unwrap(), gone);
        assert!(left > 50, "{left}");
        let late = begin + (years + 40) * DAY_MS;
        make_with(&mut connection, Timestamp::from_millis(late), 10)
            .await
            .unwrap();
        assert!(days(&database).await.contains(&Part::day_of(late).unwrap()));
        drop(connection);
        database.close().await;
    });
}

#[test]
fn what_a_month_has_left_ends_with_it() {
    for (from, name, to) in [
        (month("2027-02"), "events_202702", month("2027-03")),
        (
            month("2028-02") + 27 * DAY_MS,
            "events_202802",
            month("2028-03"),
        ),
        (
            month("2027-12") + 30 * DAY_MS,
            "events_202712",
            month("2028-01"),
        ),
    ] {
        let part = Part::month_from(from).unwrap();
        assert_eq!((part.name.as_str(), part.from, part.to), (name, from, to));
        assert!(!part.is_day());
        let bounds = format!("FOR VALUES FROM ('{from}') TO ('{to}')");
        assert_eq!(Part::read(&(name.to_owned(), bounds)), Some(part));
    }
}
