//! `ringdown emergency`: closes the desk or a line at once, and ends that.

use super::{ConfigFile, Outcome};
use crate::config::Config;
use crate::database::Database;
use crate::event_log::EventLog;
use crate::openings::{Kind, Order, put, read, remove};
use crate::site_prompts::SitePrompts;
use anyhow::{bail, ensure};
use ringdown_routing::ids::QueueId;
use ringdown_routing::time::Timestamp;
use std::io::Write;

/// Who gives the orders of this command.
const BY: &str = "ringdown emergency";

/// Arguments of `emergency`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Close the desk: who waits and who calls hears the emergency's message.
    Close {
        /// Only this queue.
        #[arg(long)]
        queue: Option<String>,
        /// The prompt that callers hear, a file of `media.prompts`; the built-in one when not given.
        #[arg(long, value_name = "PROMPT")]
        say: Option<String>,
        /// Why, for people.
        #[arg(long, default_value = "")]
        reason: String,
        /// When it ends by itself, as RFC 3339.
        #[arg(long)]
        until: Option<jiff::Timestamp>,
    },
    /// End the emergency: the lines follow their hours again.
    End {
        /// That of this queue.
        #[arg(long)]
        queue: Option<String>,
    },
    /// List the emergencies in force.
    List,
}

/// Does what was asked, and tells it on stdout; a running gateway obeys within a second.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    super::block_on(async {
        let config = Config::load(&args.config.path)?;
        let database = Database::open(&config).await?;
        let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        let outcome = match &args.act {
            Act::Close {
                queue,
                say,
                reason,
                until,
            } => {
                let order = Order {
                    queue: known(&config, queue.as_deref())?,
                    kind: Kind::Emergency,
                    is_open: false,
                    say: say.clone(),
                    reason: reason.clone(),
                    by: BY.to_owned(),
                    at: now,
                    until: until.map(|until| Timestamp::from_millis(until.as_millisecond())),
                };
                close(&config, &database, &order).await?
            }
            Act::End { queue } => {
                end(&database, known(&config, queue.as_deref())?.as_ref(), now).await?
            }
            Act::List => list(&database).await?,
        };
        database.close().await;
        Ok(outcome)
    })
}

async fn close(config: &Config, database: &Database, order: &Order) -> anyhow::Result<Outcome> {
    ensure!(
        order.until.is_none_or(|until| until > order.at),
        "`--until` has passed"
    );
    if let Some(say) = &order.say {
        ensure!(
            SitePrompts::new(config).look_again(say),
            "no {say}.wav that can be played is in the folders of [media]"
        );
    }
    put(database, order).await?;
    EventLog::new(database.clone())
        .append_beside(order.event())
        .await?;
    writeln!(std::io::stdout(), "{}: closed", name(order.queue.as_ref()))?;
    Ok(Outcome::Good)
}

async fn end(
    database: &Database,
    queue: Option<&QueueId>,
    now: Timestamp,
) -> anyhow::Result<Outcome> {
    let orders = read(database).await?;
    let Some(order) = orders.get(queue, Kind::Emergency) else {
        writeln!(std::io::stdout(), "{}: no emergency", name(queue))?;
        return Ok(Outcome::No);
    };
    remove(database, queue, Kind::Emergency).await?;
    let log = EventLog::new(database.clone());
    log.append_beside(order.event_of_end(now, BY)).await?;
    writeln!(std::io::stdout(), "{}: ended", name(queue))?;
    Ok(Outcome::Good)
}

async fn list(database: &Database) -> anyhow::Result<Outcome> {
    let mut out = std::io::stdout();
    let orders = read(database).await?;
    for order in orders.iter().filter(|order| order.kind == Kind::Emergency) {
        writeln!(
            out,
            "{}\t{}\t{}",
            name(order.queue.as_ref()),
            order.by,
            order.reason
        )?;
    }
    Ok(Outcome::Good)
}

fn known(config: &Config, queue: Option<&str>) -> anyhow::Result<Option<QueueId>> {
    let queue = queue.map(QueueId::from);
    if let Some(queue) = &queue
        && config.queue(queue).is_none()
    {
        bail!("there is no queue `{queue}`");
    }
    Ok(queue)
}

fn name(queue: Option<&QueueId>) -> &str {
    queue.map_or("the whole desk", QueueId::as_str)
}
