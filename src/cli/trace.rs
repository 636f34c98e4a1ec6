//! `ringdown trace`: a contact's events and its SIP messages with times.

use super::{ConfigFile, Outcome, block_on};
use crate::config::Config;
use crate::database::Database;
use crate::event_log::EventLog;
use crate::trace::{Drawing, SipTrace, draw, load};
use ringdown_routing::event::Event;
use ringdown_routing::ids::ContactId;
use serde_json::json;
use std::io::Write;

/// Arguments of `trace`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The contact, as events, tickets and the header `X-Ringdown-Contact` name it.
    #[arg(value_name = "CONTACT")]
    contact: ContactId,
    #[command(flatten)]
    config: ConfigFile,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How a trace is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns and arrows.
    #[default]
    Text,
    /// One document.
    Json,
}

/// Prints the trace on stdout; the answer is no when nobody knows the contact.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let config = Config::load(&args.config.path)?;
    let (events, trace) = block_on(read(args, &config))?;
    if events.is_empty() && trace.is_none() {
        writeln!(std::io::stderr(), "ringdown: no contact {}", args.contact)?;
        return Ok(Outcome::No);
    }
    let mut stdout = std::io::stdout().lock();
    match args.format {
        Format::Text => {
            let zone = config.site.time_zone.time_zone();
            let text = draw(&Drawing {
                events: &events,
                trace: trace.as_ref(),
                zone,
            });
            write!(stdout, "contact {}\n{text}", args.contact)?;
        }
        Format::Json => {
            let document = json!({ "contact": args.contact, "events": events, "sip": trace });
            serde_json::to_writer_pretty(&mut stdout, &document)?;
            writeln!(stdout)?;
        }
    }
    Ok(Outcome::Good)
}

async fn read(args: &Args, config: &Config) -> anyhow::Result<(Vec<Event>, Option<SipTrace>)> {
    let database = Database::open(config).await?;
    let events = EventLog::new(database.clone())
        .events_of(args.contact)
        .await?;
    let trace = load(&database, args.contact).await?;
    database.close().await;
    Ok((events, trace))
}
