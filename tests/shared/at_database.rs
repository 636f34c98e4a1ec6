//! Looks into the SQLite file of a desk that runs, for what no door tells.

use ringdown_harness::PATIENCE;
use ringdown_harness::desk::Desk;
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use std::time::Instant;

/// Waits until a number in the desk's database is as wanted.
pub(crate) fn wait_in_database(
    desk: &Desk,
    question: &'static str,
    is_wanted: impl Fn(i64) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let number = at_database(desk, async |connection| {
            let found = sqlx::query_as(question).fetch_one(connection).await;
            let (number,): (i64,) = found.expect("the question is SQL");
            number
        });
        if is_wanted(number) {
            return;
        }
        assert!(Instant::now() < deadline, "{question}: {number}");
    }
}

/// Does something with a connection of its own.
pub(crate) fn at_database<T>(desk: &Desk, act: impl AsyncFnOnce(&mut SqliteConnection) -> T) -> T {
    let file = desk.folder.path().join("data").join("ringdown.sqlite");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .busy_timeout(PATIENCE);
        let mut connection = options.connect().await.expect("the desk's database");
        act(&mut connection).await
    })
}
