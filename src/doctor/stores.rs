//! Redis, the database, and the people in it.

use super::Finding;
use crate::acd::{RedisPlace, StoreLost};
use crate::config::Config;
use sqlx::{AnyConnection, Connection};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Longest wait for a database.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Clocks of machines of one desk that differ by more make wrong waits.
const DRIFT_MAX: Duration = Duration::from_secs(1);

pub(super) async fn redis(config: &Config) -> Vec<Finding> {
    let Some(redis) = &config.redis else {
        return vec![Finding::good(
            "redis",
            "not configured: the queue lives in this process",
        )];
    };
    match tokio::time::timeout(
        redis.connect_timeout + redis.command_timeout * 3,
        ask_redis(&RedisPlace::from(redis)),
    )
    .await
    {
        Ok(Ok(findings)) => findings,
        Ok(Err(error)) => vec![unreachable_redis(&error.to_string())],
        Err(_) => vec![unreachable_redis("no answer in time")],
    }
}

fn unreachable_redis(why: &str) -> Finding {
    Finding::bad(
        "redis",
        format!("cannot be reached: {why}"),
        "start it, correct [redis], or leave [redis] out to keep the queue in this process",
    )
}

async fn ask_redis(place: &RedisPlace) -> Result<Vec<Finding>, StoreLost> {
    let begun = Instant::now();
    let mut connection = place.connect().await?;
    let pong: String = redis::cmd("PING").query_async(&mut connection).await?;
    let mut findings = vec![Finding::good(
        "redis",
        format!(
            "{place} answers {pong} after {} ms",
            begun.elapsed().as_millis()
        ),
    )];
    let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut connection).await?;
    let theirs = Duration::from_secs(seconds) + Duration::from_micros(micros);
    findings.push(drift("redis clock", theirs));
    // A hosted Redis may forbid CONFIG; then there is nothing to say.
    let policy: redis::RedisResult<Vec<String>> = redis::cmd("CONFIG")
        .arg("GET")
        .arg("maxmemory-policy")
        .query_async(&mut connection)
        .await;
    if let Ok(policy) = policy
        && let Some(policy) = policy.get(1)
        && policy != "noeviction"
    {
        findings.push(Finding::warning(
            "redis memory",
            format!("maxmemory-policy is {policy}: Redis may drop callers who wait"),
            "set maxmemory-policy noeviction",
        ));
    }
    Ok(findings)
}

fn drift(name: &str, theirs: Duration) -> Finding {
    let ours = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let difference = ours.abs_diff(theirs);
    let found = format!("differs from ours by {} ms", difference.as_millis());
    if difference > DRIFT_MAX {
        Finding::warning(name, found, "set both clocks by NTP")
    } else {
        Finding::good(name, found)
    }
}

pub(super) async fn database(config: &Config) -> Vec<Finding> {
    let url = config.database_url();
    match url.expose().strip_prefix("sqlite:") {
        Some(path) => sqlite(Path::new(path.trim_start_matches("//"))).await,
        None => match tokio::time::timeout(WAIT_MAX, ask_database(url.expose())).await {
            Ok(Ok(findings)) => findings,
            Ok(Err(error)) => vec![unreachable_database(&error.to_string())],
            Err(_) => vec![unreachable_database("no answer in time")],
        },
    }
}

fn unreachable_database(why: &str) -> Finding {
    Finding::bad(
        "database",
        format!("cannot be reached: {why}"),
        "start it, or correct [database] url and its password",
    )
}

async fn sqlite(path: &Path) -> Vec<Finding> {
    if !path.exists() {
        return vec![sqlite_to_be(path)];
    }
    match ask_database(&format!("sqlite:{}?mode=rw", path.display())).await {
        Ok(findings) => findings,
        Err(error) => vec![Finding::bad(
            "database",
            format!("{} cannot be used: {error}", path.display()),
            "check its owner and rights; a broken file is replaced by the last good copy",
        )],
    }
}

/// A database that is made at the first start needs a folder that can be written.
fn sqlite_to_be(path: &Path) -> Finding {
    let folder = existing_folder(path);
    let found = format!("{} is made at the first start", path.display());
    // The rights of a folder are many things; a file that comes and goes is the honest question.
    let trial = folder.join(format!(".ringdown-doctor-{}", std::process::id()));
    match std::fs::write(&trial, "") {
        Ok(()) => {
            // Its own file; if it stays, it is empty and says whose it is.
            let _ = std::fs::remove_file(&trial);
            Finding::good("database", found)
        }
        Err(error) => Finding::bad(
            "database",
            format!("{} cannot be made: {error}", path.display()),
            "let the gateway's user write there, or set data_dir",
        ),
    }
}

/// The nearest folder above that is there.
pub(super) fn existing_folder(path: &Path) -> PathBuf {
    let above = path.ancestors().skip(1).find(|folder| folder.is_dir());
    above.map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

async fn ask_database(url: &str) -> Result<Vec<Finding>, sqlx::Error> {
    sqlx::any::install_default_drivers();
    let begun = Instant::now();
    let mut connection = AnyConnection::connect(url).await?;
    sqlx::query("SELECT 1").execute(&mut connection).await?;
    let engine = url.split(':').next().unwrap_or("");
    let mut findings = vec![Finding::good(
        "database",
        format!("{engine} answers after {} ms", begun.elapsed().as_millis()),
    )];
    let people: Result<(i64,), _> = sqlx::query_as("SELECT count(*) FROM people")
        .fetch_one(&mut connection)
        .await;
    findings.push(match people {
        Ok((0,)) => Finding::warning(
            "cms",
            "nobody is in it: every caller is unknown",
            "import people with `ringdown cms import FILE`",
        ),
        Ok((people,)) => Finding::good("cms", format!("{people} people")),
        Err(_) => Finding::good("cms", "its tables are made at the first start"),
    });
    findings.extend(rollups(&mut connection).await);
    // A connection that ends badly has answered all the same.
    let _ = connection.close().await;
    Ok(findings)
}

/// How far the roll-ups are behind the log.
async fn rollups(connection: &mut AnyConnection) -> Option<Finding> {
    let told: Result<(Option<i64>, Option<i64>), _> = sqlx::query_as(
        "SELECT (SELECT MAX(until_at) FROM rollup_steps), (SELECT MAX(at) FROM events)",
    )
    .fetch_one(connection)
    .await;
    // Its tables are made at the first start.
    let (until, newest) = told.ok()?;
    let Some(newest) = newest else {
        return Some(Finding::good("roll-ups", "the log is empty"));
    };
    let Some(until) = until else {
        return Some(Finding::warning(
            "roll-ups",
            "none yet: reports read the whole log",
            "let a gateway run, or run `ringdown rollup`",
        ));
    };
    let behind = Duration::from_millis(u64::try_from(newest.saturating_sub(until)).unwrap_or(0));
    let found = format!("{} minutes behind the log", behind.as_secs() / 60);
    Some(if behind > ROLLUP_LAG_MAX {
        Finding::warning(
            "roll-ups",
            found,
            "let a gateway run, or run `ringdown rollup`",
        )
    } else {
        Finding::good("roll-ups", found)
    })
}

/// A step is an hour, and is made some minutes after its end.
const ROLLUP_LAG_MAX: Duration = Duration::from_secs(3 * 3_600);
