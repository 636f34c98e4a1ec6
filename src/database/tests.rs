use super::*;
use crate::event_log::{EventLog, EventsQuery};
use ringdown_harness::place::Folder;
use ringdown_harness::postgres::Postgres;
use ringdown_routing::contact::Channel;
use ringdown_routing::event::{Event, EventDraft, EventKind};
use ringdown_routing::ids::{ContactId, EventId, NodeId};
use ringdown_routing::time::Timestamp;
use std::future::Future;

/// A SQLite database in a folder of its own, which goes when this goes.
pub(crate) async fn sqlite() -> (Folder, Database) {
    let folder = Folder::new();
    let url = format!("sqlite:{}/desk.sqlite", folder.path().display());
    let database = Database::connect(&url, 2, 1_000).await.unwrap();
    (folder, database)
}

/// Runs a test on SQLite and on a real PostgreSQL.
pub(crate) fn on_both_engines<F: Future<Output = ()>>(test: impl Fn(Database) -> F) {
    run(async {
        let (_folder, database) = sqlite().await;
        test(database.clone()).await;
        database.close().await;
    });
    let server = Postgres::start();
    run(async {
        let database = Database::connect(&server.url(), 2, 1_000).await.unwrap();
        test(database.clone()).await;
        database.close().await;
    });
}

pub(crate) fn run(test: impl Future<Output = ()>) {
    crate::cli::block_on(async {
        test.await;
        Ok(())
    })
    .unwrap();
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(1_795_000_000 + second)
}

pub(crate) fn contact(number: u128) -> ContactId {
    ContactId::new(at(0), number)
}

pub(crate) fn event(number: u64, second: i64, contact: ContactId, kind: EventKind) -> Event {
    let id = EventId {
        origin: NodeId::new("node-a"),
        number,
    };
    EventDraft::of_contact(at(second), contact, kind).numbered(id)
}

pub(crate) fn arrived(from: &str) -> EventKind {
    EventKind::Arrived {
        channel: Channel::Voice,
        from: from.to_owned(),
        to: "100".to_owned(),
        via: "loopback".to_owned(),
    }
}

async fn stored(log: &EventLog) -> Vec<u64> {
    let mut numbers = Vec::new();
    let all = EventsQuery::Between {
        from: Timestamp::from_millis(0),
        to: Timestamp::from_millis(i64::MAX),
    };
    log.for_each(all, |event| numbers.push(event.id.number))
        .await
        .unwrap();
    numbers
}

/// Waits until the writer reports trouble; the test's own time limit is the bound.
async fn trouble(database: &Database) -> String {
    loop {
        if let Some(trouble) = database.health().trouble {
            return trouble;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn opening_twice_migrates_once() {
    run(async {
        let (folder, database) = sqlite().await;
        database.close().await;
        let url = format!("sqlite:{}/desk.sqlite", folder.path().display());
        let again = Database::connect(&url, 2, 1_000).await.unwrap();
        assert_eq!(again.revision("cms").await.unwrap(), 0);
        again.write(vec![bump("cms"), bump("cms")]).await.unwrap();
        assert_eq!(again.revision("cms").await.unwrap(), 2);
    });
}

#[test]
fn a_database_that_cannot_be_opened_is_told_in_a_sentence() {
    run(async {
        let fault = Database::connect("sqlite:/nowhere/desk.sqlite", 2, 10)
            .await
            .unwrap_err();
        let sentence = fault.to_string();
        let wanted =
            "the database file /nowhere/desk.sqlite cannot be opened: check that its folder";
        assert!(sentence.starts_with(wanted), "{sentence}");
        let nobody = ringdown_harness::place::free_address();
        let fault = Database::connect(&format!("postgres://x@{nobody}/x"), 2, 10).await;
        let sentence = fault.unwrap_err().to_string();
        assert!(
            sentence.starts_with("the database cannot be reached"),
            "{sentence}"
        );
    });
}

#[test]
fn a_full_disk_stops_nobody_and_loses_nothing_within_the_bound() {
    run(async {
        let (_folder, database) = sqlite().await;
        let ballast = "CREATE TABLE ballast (x BLOB); \
                       INSERT INTO ballast VALUES (zeroblob(8000000));";
        sqlx::raw_sql(ballast)
            .execute(database.reads())
            .await
            .unwrap();
        let (pages,): (i64,) = sqlx::query_as("SELECT page_count FROM pragma_page_count()")
            .fetch_one(database.reads())
            .await
            .unwrap();
        let limit = format!("PRAGMA max_page_count = {pages}");
        database
            .write(vec![Statement::new(limit, Vec::new())])
            .await
            .unwrap();
        let log = EventLog::new(database.clone());
        let appended = 500;
        for number in 1..=appended {
            let kind = arrived(&"5".repeat(4_000));
            assert!(log.append(event(number, 0, contact(1), kind)));
        }
        let sentence = trouble(&database).await;
        assert!(
            sentence.starts_with("the database is full: free space"),
            "{sentence}"
        );
        sqlx::raw_sql("DROP TABLE ballast")
            .execute(database.reads())
            .await
            .unwrap();
        log.flush().await.unwrap();
        assert_eq!(database.health().trouble, None);
        assert_eq!(database.health().lost, 0);
        assert_eq!(stored(&log).await, (1..=appended).collect::<Vec<_>>());
    });
}

#[test]
fn beyond_the_bound_events_are_let_go_and_counted() {
    run(async {
        let (_folder, database) = sqlite().await;
        let log = EventLog::new(database.clone());
        // Without an await the writer has no turn, so the channel's 1,000 places fill.
        let taken = (1..=1_200)
            .filter(|number| log.append(event(*number, 0, contact(1), arrived("1"))))
            .count();
        assert_eq!(taken, 1_000);
        assert_eq!(database.health().lost, 200);
        log.flush().await.unwrap();
        assert_eq!(database.health().waiting, 0);
        assert_eq!(stored(&log).await.len(), 1_000);
    });
}

#[test]
fn a_locked_or_read_only_database_is_told_and_tried_again() {
    run(async {
        let (_folder, database) = sqlite().await;
        let pragma = |text: &'static str| Statement::new(text, Vec::new());
        database
            .write(vec![pragma("PRAGMA busy_timeout = 0")])
            .await
            .unwrap();
        let log = EventLog::new(database.clone());
        let mut other = database.reads().acquire().await.unwrap();
        sqlx::raw_sql("BEGIN IMMEDIATE")
            .execute(&mut *other)
            .await
            .unwrap();
        assert!(log.append(event(1, 0, contact(1), arrived("1"))));
        let sentence = trouble(&database).await;
        assert!(
            sentence.starts_with("the database is locked by another process"),
            "{sentence}"
        );
        // Whoever can come again is told so, and waits behind nobody.
        let told = database.write(vec![bump("cms")]).await.unwrap_err();
        assert!(matches!(told, DatabaseFault::Locked(_)), "{told}");
        assert!(log.append(event(2, 0, contact(2), arrived("2"))));
        sqlx::raw_sql("ROLLBACK")
            .execute(&mut *other)
            .await
            .unwrap();
        log.flush().await.unwrap();
        assert_eq!(stored(&log).await, [1, 2]);
        database
            .write(vec![pragma("PRAGMA query_only = ON")])
            .await
            .unwrap();
        let refused = database.write(vec![bump("cms")]).await.unwrap_err();
        assert!(matches!(refused, DatabaseFault::ReadOnly(_)), "{refused}");
    });
}

#[test]
fn a_gateway_that_stops_does_not_wait_for_a_locked_database() {
    run(async {
        let (_folder, database) = sqlite().await;
        let pragma = Statement::new("PRAGMA busy_timeout = 0", Vec::new());
        database.write(vec![pragma]).await.unwrap();
        let log = EventLog::new(database.clone());
        // Not the pool's any more, which waits for its own when it closes.
        let mut other = database.reads().acquire().await.unwrap().detach();
        sqlx::raw_sql("BEGIN IMMEDIATE")
            .execute(&mut other)
            .await
            .unwrap();
        for number in 1..=2_000 {
            log.append(event(number, 0, contact(1), arrived("1")));
        }
        trouble(&database).await;
        drop(log);
        database.close().await;
        assert!(database.health().lost > 0);
    });
}

#[test]
fn a_statement_the_database_refuses_costs_only_itself() {
    on_both_engines(async |database| {
        let log = EventLog::new(database.clone());
        let bad = Statement::new("INSERT INTO revisions (part) VALUES ($1)", vec!["x".into()]);
        for number in 1..=20 {
            assert!(log.append(event(number, 0, contact(u128::from(number)), arrived("1"))));
        }
        let refused = database.write(vec![bad]).await;
        assert!(
            matches!(refused, Err(DatabaseFault::Refused(_))),
            "{refused:?}"
        );
        database.write(vec![bump("agents")]).await.unwrap();
        assert_eq!(database.revision("agents").await.unwrap(), 1);
        assert_eq!(stored(&log).await.len(), 20);
    });
}

#[test]
fn a_server_that_went_away_is_waited_for() {
    run(async {
        let server = Postgres::start();
        let database = Database::connect(&server.url(), 2, 1_000).await.unwrap();
        let log = EventLog::new(database.clone());
        // The server's own way to cut a connection.
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()",
        )
        .execute(database.reads())
        .await
        .unwrap();
        assert!(log.append(event(1, 0, contact(1), arrived("1"))));
        log.flush().await.unwrap();
        assert_eq!(stored(&log).await, [1]);
        assert_eq!(database.health().lost, 0);
        drop(server);
        assert!(log.append(event(2, 0, contact(1), arrived("1"))));
        let sentence = trouble(&database).await;
        assert!(
            sentence.starts_with("the database cannot be reached"),
            "{sentence}"
        );
        // So do those who wait for a commit, but not more of them than writes.
        let flushes = (0..1_100).map(|_| Box::pin(database.flush()));
        let first = futures_util::future::select_all(flushes);
        let (first, _, _) = tokio::time::timeout(Duration::from_secs(60), first)
            .await
            .expect("one of them is told");
        assert!(matches!(first, Err(DatabaseFault::Backlog)), "{first:?}");
    });
}

#[test]
fn a_gateway_that_falls_asleep_in_a_transaction_does_not_hold_up_the_others() {
    let server = Postgres::start();
    run(async {
        let database = Database::connect(&server.url(), 2, 1_000).await.unwrap();
        let insert = "INSERT INTO counters (name, last) VALUES ('asleep', 1) \
                      ON CONFLICT (name) DO NOTHING";
        let mut asleep = database.reads().begin().await.unwrap();
        sqlx::query(insert).execute(&mut *asleep).await.unwrap();
        // The row is the sleeper's as long as its transaction is open.
        let written = database.write(vec![Statement::new(insert, Vec::new())]);
        let written = tokio::time::timeout(Duration::from_secs(60), written).await;
        written.expect("the sleeper is thrown out").unwrap();
        let fault = DatabaseFault::from(asleep.commit().await.unwrap_err());
        assert!(
            fault.is_transient(),
            "what it meant to write is tried again: {fault}"
        );
        database.close().await;
    });
}

#[test]
fn a_database_that_does_not_answer_within_its_time_is_told_and_what_can_wait_is_written_later() {
    let server = Postgres::start();
    run(async {
        let database = Database::connect(&server.url(), 2, 1_000).await.unwrap();
        let insert =
            "INSERT INTO counters (name, last) VALUES ('held', 1) ON CONFLICT (name) DO NOTHING";
        let mut holder = database.reads().begin().await.unwrap();
        sqlx::query(insert).execute(&mut *holder).await.unwrap();
        let log = EventLog::new(database.clone());
        // Nothing else happens here, so the clock goes on to what is due next: the end of the writer's patience.
        tokio::time::pause();
        let began = tokio::time::Instant::now();
        let fault = database
            .write(vec![Statement::new(insert, Vec::new())])
            .await
            .unwrap_err();
        let waited = began.elapsed();
        assert!(log.append(event(1, 0, contact(1), arrived("1"))));
        tokio::time::resume();
        assert!(
            fault.to_string().contains("no answer within 15 s"),
            "{fault}"
        );
        assert!(fault.is_transient(), "{fault}");
        let bound = Duration::from_secs(15)..Duration::from_secs(16);
        assert!(bound.contains(&waited), "{waited:?}");
        assert!(database.health().trouble.is_some());
        holder.rollback().await.unwrap();
        log.flush().await.unwrap();
        assert_eq!(stored(&log).await, [1]);
        assert_eq!(
            (database.health().trouble, database.health().lost),
            (None, 0)
        );
        database.close().await;
    });
}
