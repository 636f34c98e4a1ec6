//! What must last: SQLite in one file, or PostgreSQL when several gateways share one desk.
//!
//! Reading goes through a small pool. Writing goes through one task that puts many small writes into
//! one transaction ([`writer`]); a full disk or a lost server never stops a call: what cannot be written
//! is kept up to a bound, tried again, and counted when it had to be let go.
//!
//! The two engines understand the same SQL but for three fragments: `{serial}` and `{bytes}` in the schema,
//! and `{rows}`, a JSON array read as rows, which is how a batch is written with one statement. Events are cut into
//! days on PostgreSQL alone ([`days`]).

mod days;
mod fault;
mod inbox;
mod statement;
mod tenancy;
mod writer;

pub use fault::DatabaseFault;
pub use statement::{Statement, Value};
pub(crate) use tenancy::{Tenancy, Tenants};
pub use writer::Health;

use crate::config::Config;
use crate::mail::{Deed, Done, Filed, MailToFile};
use inbox::Haste;
use ringdown_routing::event::Event;
use ringdown_routing::time::Timestamp;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, ConnectOptions, SqlSafeStr};
use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use writer::Writer;

/// The database of the desk; clones share its connections.
#[derive(Clone, Debug)]
pub struct Database {
    engine: Engine,
    reads: AnyPool,
    writer: Writer,
}

/// What keeps the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// One file, one writer.
    Sqlite,
    /// A server.
    Postgres,
}

/// What came of emptying the log of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogOfWrites {
    /// It holds nothing any more.
    Empty,
    /// Somebody reads an earlier state of the database, which needs it.
    StillRead,
}

impl Engine {
    /// The SQL as this engine wants it.
    pub(crate) fn sql(self, template: &str) -> AssertSqlSafe<String> {
        let (serial, rows, bytes) = match self {
            // Materialised, because every mention of json_each's value writes its JSON out anew.
            Self::Sqlite => (
                "INTEGER PRIMARY KEY AUTOINCREMENT",
                "(WITH m AS MATERIALIZED (SELECT value FROM json_each($1)) SELECT value FROM m) AS r",
                "BLOB",
            ),
            Self::Postgres => (
                "BIGSERIAL PRIMARY KEY",
                "json_array_elements($1::json) AS r(value)",
                "BYTEA",
            ),
        };
        let template = match (self, template.split_once(POSTGRES_ALONE)) {
            (Self::Sqlite, Some((both, _))) => both,
            (Self::Sqlite, None) | (Self::Postgres, _) => template,
        };
        let sql = template.replace("{serial}", serial).replace("{rows}", rows);
        AssertSqlSafe(sql.replace("{bytes}", bytes))
    }
}

impl Database {
    /// Opens the configured database, making its file, folder and tables where they are missing.
    pub async fn open(config: &Config) -> Result<Self, DatabaseFault> {
        let url = config.database_url();
        let connections = config.database.as_ref().map_or(4, |it| it.connections_max);
        if config.database.is_none() {
            std::fs::create_dir_all(&config.data_dir).map_err(|error| {
                DatabaseFault::NotOpened {
                    path: config.data_dir.display().to_string(),
                    source: Arc::new(sqlx::Error::Io(error)),
                }
            })?;
        }
        Self::connect(url.expose(), connections, config.limits.unwritten_max).await
    }

    /// Opens the database at this address (`sqlite:path` or `postgres://...`).
    pub async fn connect(
        url: &str,
        connections_max: u32,
        unwritten_max: u32,
    ) -> Result<Self, DatabaseFault> {
        sqlx::any::install_default_drivers();
        let engine = if url.starts_with("sqlite:") {
            Engine::Sqlite
        } else {
            Engine::Postgres
        };
        let options =
            AnyConnectOptions::from_str(&address(engine, url))?.disable_statement_logging();
        let opened = open_connection(engine, &options).await;
        let mut connection = opened.map_err(|error| match engine {
            Engine::Sqlite => DatabaseFault::NotOpened {
                path: url.trim_start_matches("sqlite:").to_owned(),
                source: Arc::new(error),
            },
            Engine::Postgres => DatabaseFault::from(error),
        })?;
        migrate(engine, &mut connection, &MIGRATIONS).await?;
        if engine == Engine::Postgres {
            let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
            if let Err(fault) = days::make(&mut connection, now).await {
                // What is stored meanwhile finds its place all the same.
                tracing::warn!(%fault, "database: the days to come were not made, will be tried again");
            }
        }
        let reads = AnyPoolOptions::new()
            .max_connections(connections_max)
            .acquire_timeout(ACQUIRE_WAIT_MAX)
            .after_connect(move |connection, _| {
                Box::pin(async move { prepare_connection(engine, connection).await })
            })
            .connect_lazy_with(options.clone());
        let writer = Writer::start(engine, options, connection, unwritten_max);
        Ok(Self {
            engine,
            reads,
            writer,
        })
    }

    /// Leaves no earlier version of what was changed in SQLite's log of writes, unless somebody reads it for longer
    /// than we wait. PostgreSQL lets go of such by its own vacuum.
    pub(crate) async fn empty_log_of_writes(&self) -> Result<LogOfWrites, DatabaseFault> {
        if self.engine == Engine::Postgres {
            return Ok(LogOfWrites::Empty);
        }
        for attempt in 1..=EMPTYING_TRIES_MAX {
            // Whether it was kept from it; how many pages the log had, and how many of them went into the file.
            let (is_busy, _, _): (i64, i64, i64) =
                sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
                    .fetch_one(&self.reads)
                    .await?;
            if is_busy == 0 {
                return Ok(LogOfWrites::Empty);
            }
            if attempt < EMPTYING_TRIES_MAX {
                tokio::time::sleep(EMPTYING_PAUSE).await;
            }
        }
        Ok(LogOfWrites::StillRead)
    }

    /// What keeps the data.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Whether it can be written, and what waits.
    pub fn health(&self) -> Health {
        self.writer.health()
    }

    /// Waits until everything given to be written before this call is committed.
    pub async fn flush(&self) -> Result<(), DatabaseFault> {
        self.writer.flush(Haste::Awaited).await
    }

    /// The same for those who need not have it at once: no transaction is begun for it before its time.
    pub(crate) async fn flush_with_others(&self) -> Result<(), DatabaseFault> {
        self.writer.flush(Haste::WithOthers).await
    }

    /// Writes what waits, and takes no more.
    pub async fn close(&self) {
        self.writer.close().await;
        self.reads.close().await;
    }

    /// Runs statements in one transaction, committed when this returns.
    pub async fn write(&self, statements: Vec<Statement>) -> Result<(), DatabaseFault> {
        self.writer.write(statements, Haste::Awaited).await
    }

    /// The same for what nobody waits for: no transaction is begun for it before its time.
    pub(crate) async fn write_with_others(
        &self,
        statements: Vec<Statement>,
    ) -> Result<(), DatabaseFault> {
        self.writer.write(statements, Haste::WithOthers).await
    }

    /// Files a mail in one transaction; the answer comes when it is committed.
    pub(crate) async fn file_mail(&self, mail: MailToFile) -> Result<Filed, DatabaseFault> {
        self.writer.file(mail).await
    }

    /// Does what a command on a mail writes in one transaction; the answer comes when it is committed.
    pub(crate) async fn do_deed(&self, deed: Deed) -> Result<Done, DatabaseFault> {
        self.writer.do_deed(deed).await
    }

    /// How often this part was changed (`cms`, `agents`, `tokens`); 0 when never.
    pub async fn revision(&self, part: &str) -> Result<i64, DatabaseFault> {
        let revision: Option<(i64,)> =
            sqlx::query_as("SELECT revision FROM revisions WHERE part = $1")
                .bind(part.to_owned())
                .fetch_optional(&self.reads)
                .await?;
        Ok(revision.map_or(0, |(revision,)| revision))
    }

    /// A number that no other database has, minted when it is asked for first.
    pub async fn identity(&self) -> Result<i64, DatabaseFault> {
        let minted = rand::random::<i64>() & i64::MAX;
        // The counters are the table of single numbers; nobody counts this one on.
        let mint = "INSERT INTO counters (name, last) VALUES ('identity', $1) ON CONFLICT (name) DO NOTHING";
        self.write(vec![Statement::new(mint, vec![minted.into()])])
            .await?;
        let found: (i64,) = sqlx::query_as("SELECT last FROM counters WHERE name = 'identity'")
            .fetch_one(&self.reads)
            .await?;
        Ok(found.0)
    }

    /// Listens to the events that are written with tickets and answers, told once they are committed.
    pub(crate) fn told(&self) -> tokio::sync::broadcast::Receiver<Event> {
        self.writer.told()
    }

    pub(crate) fn reads(&self) -> &AnyPool {
        &self.reads
    }

    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }
}

/// The statement that counts up a part's revision; goes into the transaction that changes it.
pub fn bump(part: &'static str) -> Statement {
    Statement::new(
        "INSERT INTO revisions (part, revision) VALUES ($1, 1) \
         ON CONFLICT (part) DO UPDATE SET revision = revisions.revision + 1",
        vec![part.into()],
    )
}

/// A SQLite path goes into a URL, and the file is made when it is missing.
fn address(engine: Engine, url: &str) -> Cow<'_, str> {
    match engine {
        Engine::Sqlite if !url.contains('?') => Cow::Owned(format!("{url}?mode=rwc")),
        Engine::Sqlite | Engine::Postgres => Cow::Borrowed(url),
    }
}

/// The connection that writes.
async fn open_connection(
    engine: Engine,
    options: &AnyConnectOptions,
) -> Result<AnyConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    prepare_connection(engine, &mut connection).await?;
    let settings = match engine {
        Engine::Sqlite => SQLITE_WRITER_PRAGMAS,
        Engine::Postgres => POSTGRES_WRITER_SETTINGS,
    };
    sqlx::raw_sql(settings).execute(&mut connection).await?;
    Ok(connection)
}

async fn prepare_connection(
    engine: Engine,
    connection: &mut AnyConnection,
) -> Result<(), sqlx::Error> {
    match engine {
        Engine::Sqlite => {
            sqlx::raw_sql(SQLITE_PRAGMAS).execute(connection).await?;
        }
        Engine::Postgres => {
            sqlx::raw_sql(POSTGRES_SETTINGS).execute(connection).await?;
        }
    }
    Ok(())
}

async fn migrate(
    engine: Engine,
    connection: &mut AnyConnection,
    changes: &[(&'static str, &'static str)],
) -> Result<(), DatabaseFault> {
    let migrations = changes
        .iter()
        .zip(1..)
        .map(|((name, template), version)| {
            Migration::new(
                version,
                Cow::Borrowed(*name),
                MigrationType::Simple,
                engine.sql(template).into_sql_str(),
                false,
            )
        })
        .collect();
    let migrator = Migrator::with_migrations(migrations);
    if engine == Engine::Sqlite {
        // What the schema writes goes into the file as it comes, so that the log beside it stays short.
        let often = "PRAGMA wal_autocheckpoint = 32";
        sqlx::raw_sql(often).execute(&mut *connection).await?;
    }
    let migrated = migrator.run(&mut *connection).await;
    if engine == Engine::Sqlite {
        let as_ever = "PRAGMA wal_autocheckpoint = 1000";
        sqlx::raw_sql(as_ever).execute(connection).await?;
    }
    migrated.map_err(|error| DatabaseFault::from(sqlx::Error::from(error)))
}

/// In a change of the schema: what follows is for PostgreSQL.
const POSTGRES_ALONE: &str = "-- {postgres}";

/// Changes of the schema, in their order; one that was released is never edited.
const MIGRATIONS: [(&str, &str); 35] = [
    ("desk", include_str!("migrations/0001_desk.sql")),
    (
        "looking back",
        include_str!("migrations/0002_looking_back.sql"),
    ),
    ("openings", include_str!("migrations/0003_openings.sql")),
    (
        "agent changes",
        include_str!("migrations/0004_agent_changes.sql"),
    ),
    ("call-backs", include_str!("migrations/0005_call_backs.sql")),
    (
        "last agents",
        include_str!("migrations/0006_last_agents.sql"),
    ),
    ("mail", include_str!("migrations/0007_mail.sql")),
    ("outbox", include_str!("migrations/0008_outbox.sql")),
    ("incidents", include_str!("migrations/0009_incidents.sql")),
    (
        "mail folders",
        include_str!("migrations/0010_mail_folders.sql"),
    ),
    ("cut off", include_str!("migrations/0011_cut_off.sql")),
    ("mail work", include_str!("migrations/0012_mail_work.sql")),
    ("survey", include_str!("migrations/0013_survey.sql")),
    (
        "answers due",
        include_str!("migrations/0014_answers_due.sql"),
    ),
    (
        "mail commands",
        include_str!("migrations/0015_mail_commands.sql"),
    ),
    ("sign-ins", include_str!("migrations/0016_sign_ins.sql")),
    (
        "report slots",
        include_str!("migrations/0017_report_slots.sql"),
    ),
    ("roll-ups", include_str!("migrations/0018_rollups.sql")),
    ("told", include_str!("migrations/0019_told.sql")),
    (
        "mail authentication",
        include_str!("migrations/0020_mail_authentication.sql"),
    ),
    (
        "call-back orders",
        include_str!("migrations/0021_call_back_orders.sql"),
    ),
    (
        "told answers",
        include_str!("migrations/0022_told_answers.sql"),
    ),
    ("erasures", include_str!("migrations/0023_erasures.sql")),
    ("watchers", include_str!("migrations/0024_watchers.sql")),
    (
        "watchers by hand",
        include_str!("migrations/0025_watchers_by_hand.sql"),
    ),
    (
        "refresh tokens",
        include_str!("migrations/0026_refresh_tokens.sql"),
    ),
    (
        "answer lines",
        include_str!("migrations/0027_answer_lines.sql"),
    ),
    (
        "call-back once",
        include_str!("migrations/0028_call_back_once.sql"),
    ),
    (
        "incident links",
        include_str!("migrations/0029_incident_links.sql"),
    ),
    ("lost", include_str!("migrations/0030_lost.sql")),
    ("event days", include_str!("migrations/0031_event_days.sql")),
    (
        "rollup widths",
        include_str!("migrations/0032_rollup_widths.sql"),
    ),
    (
        "ticket facets",
        include_str!("migrations/0033_ticket_facets.sql"),
    ),
    ("open calls", include_str!("migrations/0034_open_calls.sql")),
    ("overflows", include_str!("migrations/0035_overflows.sql")),
];

/// WAL lets readers go on while one writes; NORMAL keeps every commit through a crash of the process,
/// and the file whole through a crash of the machine (sqlite.org/pragma.html#pragma_synchronous). What is
/// deleted is overwritten, for an erased person's words must not stay in the file's free room.
const SQLITE_PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON; \
     PRAGMA busy_timeout = 2000; PRAGMA cache_size = -8000;";

/// What a transaction may have to take back is kept in memory. What a report sorts is not, where it is more than the
/// cache holds: of a million contacts that would be hundreds of megabytes. It goes into a file without a name where the
/// system keeps such (sqlite.org/tempfiles.html), as with PostgreSQL.
const SQLITE_WRITER_PRAGMAS: &str = "PRAGMA temp_store = MEMORY;";

/// A gateway that falls asleep within a transaction is thrown out of it, so that the others, which write down
/// what it did, need not wait until it wakes.
///
/// No statement of the desk runs so long that compiling it pays (`jit`), which takes 50 ms and more each time it
/// is run: the planner takes the looks that follow each row of a statement with a LIMIT for dear.
const POSTGRES_SETTINGS: &str = "SET idle_in_transaction_session_timeout = '5s'; SET jit = off";

/// What is written is found by its key. The planner cannot know how few rows the JSON of a batch holds, takes them
/// for a hundred, and would rather read whole tables through for that, or in several processes.
const POSTGRES_WRITER_SETTINGS: &str = "SET enable_seqscan = off; SET enable_hashjoin = off; \
     SET enable_mergejoin = off; SET max_parallel_workers_per_gather = 0";

/// How often it is tried to empty the log of writes. SQLite waits for readers by itself each time (`busy_timeout`),
/// but not for another checkpoint that is under way (sqlite.org/c3ref/wal_checkpoint_v2.html).
const EMPTYING_TRIES_MAX: u32 = 3;

/// Pause between two such tries.
const EMPTYING_PAUSE: Duration = Duration::from_millis(100);

/// Longest wait for a connection of the pool.
const ACQUIRE_WAIT_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
pub(crate) mod tests;
