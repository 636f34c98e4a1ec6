//! Who has the desk of a database: one gateway alone, whose line is in its memory, or several that share it by Redis.
//!
//! A gateway without Redis takes every call that is open in the log for nobody's when it starts, so no other may live on
//! the same database. That is held as long as the gateway lives and no longer, however it dies: on SQLite by a lock on a
//! file beside the database (flock(2)), on PostgreSQL by a session's advisory lock (its documentation, section 13.3.5) on
//! a connection of its own, which is taken again when it was lost. Commands beside a gateway ask for none.

use super::{Database, DatabaseFault, Engine};
use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, ConnectOptions, Connection};
use std::fs::{File, TryLockError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// With whom a gateway has its desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tenants {
    /// With nobody.
    One,
    /// With others that share it in the same way.
    Several,
}

/// Why a gateway does not get the desk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TenancyFault {
    /// Another one lives there.
    #[error(
        "another gateway that runs uses this database, and without `[redis]` a gateway must have it alone: stop the \
         other one, give this one a database of its own, or give both the same `[redis]`"
    )]
    Taken,
    /// It was not to be found out.
    #[error(transparent)]
    Database(#[from] DatabaseFault),
}

/// That a gateway has the desk of its database; it ends with [`Tenancy::end`], or when it is dropped.
#[derive(Debug)]
pub(crate) struct Tenancy {
    held: Held,
}

#[derive(Debug)]
enum Held {
    /// The open file has the lock; it is never read.
    File { _file: File },
    /// A task has the connection that has the lock.
    Session {
        keeper: JoinSet<()>,
        end: Arc<Notify>,
    },
}

impl Database {
    /// Takes the desk of this database, or tells that another gateway has it.
    pub(crate) async fn move_in(&self, tenants: Tenants) -> Result<Tenancy, TenancyFault> {
        let held = match self.engine {
            Engine::Sqlite => Held::File {
                _file: self.lock_file(tenants).await?,
            },
            Engine::Postgres => {
                let options = AnyConnectOptions::clone(&self.reads.connect_options());
                let connection = lock_session(&options, tenants).await?;
                let end = Arc::new(Notify::new());
                let mut keeper = JoinSet::new();
                keeper.spawn(keep(connection, options, tenants, Arc::clone(&end)));
                Held::Session { keeper, end }
            }
        };
        Ok(Tenancy { held })
    }

    /// Locks the file beside SQLite's. It is another one, because closing any descriptor of SQLite's own file would give
    /// up the locks that SQLite has on it (sqlite.org/howtocorrupt.html section 2.2).
    async fn lock_file(&self, tenants: Tenants) -> Result<File, TenancyFault> {
        // As SQLite found it: absolute, and behind symbolic links.
        let (database,): (String,) =
            sqlx::query_as("SELECT file FROM pragma_database_list WHERE name = 'main'")
                .fetch_one(&self.reads)
                .await
                .map_err(DatabaseFault::from)?;
        let path = format!("{database}-gateway");
        let fault = |error| DatabaseFault::NotOpened {
            path: path.clone(),
            source: Arc::new(sqlx::Error::Io(error)),
        };
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(fault)?;
        let locked = match tenants {
            Tenants::One => file.try_lock(),
            Tenants::Several => file.try_lock_shared(),
        };
        match locked {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(TenancyFault::Taken),
            Err(TryLockError::Error(error)) => Err(fault(error).into()),
        }
    }
}

impl Tenancy {
    /// Gives it up in order: the next gateway has it when this returns.
    pub(crate) async fn end(self) {
        match self.held {
            Held::File { _file } => drop(_file),
            Held::Session { mut keeper, end } => {
                end.notify_one();
                while keeper.join_next().await.is_some() {}
            }
        }
    }
}

/// Opens a session and takes the lock in it. The session of a gateway that was killed is over within moments; for those
/// the server waits.
async fn lock_session(
    options: &AnyConnectOptions,
    tenants: Tenants,
) -> Result<AnyConnection, TenancyFault> {
    let opened = tokio::time::timeout(ANSWER_WAIT_MAX, options.connect()).await;
    let opened = opened.map_err(|_| DatabaseFault::no_answer(ANSWER_WAIT_MAX))?;
    let mut connection = opened.map_err(DatabaseFault::from)?;
    let prepared = sqlx::raw_sql(SESSION_SETTINGS);
    let prepared = prepared.execute(&mut connection).await;
    prepared.map_err(DatabaseFault::from)?;
    let lock = match tenants {
        Tenants::One => "SELECT CAST(pg_advisory_lock($1, hashtext(current_schema())) AS TEXT)",
        Tenants::Several => {
            "SELECT CAST(pg_advisory_lock_shared($1, hashtext(current_schema())) AS TEXT)"
        }
    };
    let locked = sqlx::query(lock).bind(LOCK).execute(&mut connection).await;
    match locked.map_err(DatabaseFault::from) {
        Ok(_) => Ok(connection),
        Err(DatabaseFault::Locked(_)) => Err(TenancyFault::Taken),
        Err(fault) => Err(fault.into()),
    }
}

/// Looks whether the session lives, and takes the lock again in another one when it does not, until the end.
async fn keep(
    connection: AnyConnection,
    options: AnyConnectOptions,
    tenants: Tenants,
    end: Arc<Notify>,
) {
    let mut held = Some(connection);
    let mut is_told = false;
    loop {
        tokio::select! {
            () = end.notified() => break,
            () = tokio::time::sleep(LOOK_PAUSE) => {}
        }
        if let Some(connection) = &mut held {
            let looked = tokio::time::timeout(ANSWER_WAIT_MAX, connection.ping()).await;
            if matches!(looked, Ok(Ok(()))) {
                continue;
            }
            tracing::warn!("the connection that keeps other gateways off the database was lost");
            held = None;
        }
        match lock_session(&options, tenants).await {
            Ok(connection) => {
                tracing::info!("other gateways are kept off the database again");
                held = Some(connection);
                is_told = false;
            }
            // Calls go on; whoever looks after the gateways has to choose between them.
            Err(TenancyFault::Taken) if !is_told => {
                tracing::error!(
                    "another gateway took the database while ours was lost: stop one of the two"
                );
                is_told = true;
            }
            Err(fault) => tracing::debug!(%fault, "the database is not held yet"),
        }
    }
    if let Some(connection) = held {
        // Where it fails the session is over as well.
        let _ = connection.close().await;
    }
}

/// The first half of the advisory lock's key, "ring"; the second is the schema's, so that desks in several schemas of one
/// database do not meet.
const LOCK: i32 = 0x7269_6e67;

/// A session whose gateway vanished with its machine is over within half a minute; `lock_timeout` is how long one is
/// waited for that ends at this moment.
const SESSION_SETTINGS: &str = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; \
     SET tcp_keepalives_count = 4; SET lock_timeout = '5s'; SET application_name = 'ringdown gateway'";

/// Pause between two looks at the session.
const LOOK_PAUSE: Duration = Duration::from_secs(5);

/// Longest wait for an answer to such a look.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::on_both_engines;

    #[test]
    fn a_gateway_that_is_alone_shares_with_nobody_and_the_others_with_each_other() {
        on_both_engines(async |database| {
            let is_refused = async |tenants| {
                let moved_in = database.move_in(tenants).await;
                matches!(moved_in, Err(TenancyFault::Taken))
            };
            let alone = database.move_in(Tenants::One).await.unwrap();
            assert!(is_refused(Tenants::One).await && is_refused(Tenants::Several).await);
            alone.end().await;
            let first = database.move_in(Tenants::Several).await.unwrap();
            let second = database.move_in(Tenants::Several).await.unwrap();
            assert!(is_refused(Tenants::One).await);
            first.end().await;
            assert!(is_refused(Tenants::One).await);
            second.end().await;
            database.move_in(Tenants::One).await.unwrap().end().await;
        });
    }
}
