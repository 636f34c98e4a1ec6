//! `ringdown incident`: declares the major incident of a service, and ends it.

use super::{ConfigFile, Outcome};
use crate::config::Config;
use crate::database::Database;
use crate::event_log::EventLog;
use crate::incidents::{Audience, Declared, Incident, Incidents, TicketRef, Wish};
use crate::site_prompts::SitePrompts;
use crate::tickets::Tickets;
use ringdown_routing::ids::{ContactId, QueueId, TicketId};
use ringdown_routing::time::Timestamp;
use std::io::Write;
use std::sync::Arc;

/// Who does what this command does.
const BY: &str = "ringdown incident";

/// Arguments of `incident`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Declare one: who calls hears of it before the line, and may leave with it.
    Declare(Box<Declaration>),
    /// End one: callers go straight into the line again.
    End {
        /// The service, by the CMS's key, or the incident's own.
        which: String,
    },
    /// List those that hold or will hold.
    List,
}

#[derive(Debug, clap::Args)]
struct Declaration {
    /// The service, by the CMS's key or its name.
    service: String,
    /// Its ticket, by number or key; one is opened when not given.
    #[arg(long)]
    ticket: Option<String>,
    /// Only callers who would stand in this queue; may be given again.
    #[arg(long = "queue", value_name = "QUEUE")]
    queues: Vec<String>,
    /// Only callers who dialled this number; may be given again.
    #[arg(long = "number", value_name = "NUMBER")]
    numbers: Vec<String>,
    /// Who hears it.
    #[arg(long, value_enum, default_value_t)]
    audience: Audience,
    /// The prompt that callers hear, a file of `media.prompts`; the built-in one when not given.
    #[arg(long, value_name = "PROMPT")]
    say: Option<String>,
    /// Why, for people.
    #[arg(long, default_value = "")]
    reason: String,
    /// From when on, as RFC 3339; at once when not given.
    #[arg(long)]
    from: Option<jiff::Timestamp>,
    /// When it ends by itself, as RFC 3339.
    #[arg(long)]
    until: Option<jiff::Timestamp>,
}

/// Does what was asked, and tells it on stdout; a running gateway obeys within a second.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    super::block_on(async {
        let config = Arc::new(Config::load(&args.config.path)?);
        let database = Database::open(&config).await?;
        let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        let incidents = Incidents::start(Arc::clone(&config), database.clone()).await?;
        let outcome = match &args.act {
            Act::Declare(declaration) => {
                declare(&config, &database, &incidents, declaration, now).await?
            }
            Act::End { which } => end(&database, &incidents, which, now).await?,
            Act::List => list(&incidents, now)?,
        };
        database.close().await;
        Ok(outcome)
    })
}

async fn declare(
    config: &Config,
    database: &Database,
    incidents: &Incidents,
    declaration: &Declaration,
    now: Timestamp,
) -> anyhow::Result<Outcome> {
    let instant = |at: jiff::Timestamp| Timestamp::from_millis(at.as_millisecond());
    let ticket = |text: &String| match text.parse() {
        Ok(key) => TicketRef::Key(TicketId::new(key)),
        Err(_) => TicketRef::Number(text.clone()),
    };
    let wish = Wish {
        key: ContactId::new(now, rand::random()),
        service: declaration.service.clone(),
        ticket: declaration.ticket.as_ref().map(ticket),
        say: declaration.say.clone(),
        queues: declaration
            .queues
            .iter()
            .map(|it| QueueId::from(it.as_str()))
            .collect(),
        numbers: declaration.numbers.clone(),
        audience: declaration.audience,
        reason: declaration.reason.clone(),
        by: BY.to_owned(),
        at: now,
        from: declaration.from.map(instant),
        until: declaration.until.map(instant),
    };
    let (tickets, prompts) = (
        Tickets::new(database.clone(), config),
        SitePrompts::new(config),
    );
    let incident = match incidents.declare(wish, &tickets, &prompts).await? {
        Declared::New(incident) => incident,
        Declared::Before(incident) => incident,
    };
    let log = EventLog::new(database.clone());
    log.append_beside(incident.event()).await?;
    tell(&incident)?;
    Ok(Outcome::Good)
}

async fn end(
    database: &Database,
    incidents: &Incidents,
    which: &str,
    now: Timestamp,
) -> anyhow::Result<Outcome> {
    let Some(incident) = incidents.end(which, BY, now).await? else {
        writeln!(std::io::stdout(), "{which}: no major incident")?;
        return Ok(Outcome::No);
    };
    let log = EventLog::new(database.clone());
    log.append_beside(incident.event_of_end(now, BY)).await?;
    writeln!(std::io::stdout(), "{}: ended", incident.service_name)?;
    Ok(Outcome::Good)
}

fn list(incidents: &Incidents, now: Timestamp) -> anyhow::Result<Outcome> {
    for incident in incidents.open(now) {
        tell(&incident)?;
    }
    Ok(Outcome::Good)
}

fn tell(incident: &Incident) -> std::io::Result<()> {
    let Incident {
        id,
        service,
        service_name,
        ticket_number,
        by,
        reason,
        ..
    } = incident;
    writeln!(
        std::io::stdout(),
        "{id}\t{service}\t{service_name}\t{ticket_number}\t{by}\t{reason}"
    )
}
