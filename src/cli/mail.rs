//! `ringdown mail`: takes one mail from standard input, as mail servers hand one to a pipe.
//!
//! Exit status as sysexits(3) has it, because mail servers act on it (postfix pipe(8), procmail): 0 stored,
//! 75 try again later, 67 no such mailbox, 65 nothing was read or too much, 78 the configuration is wrong.

use super::{ConfigFile, Outcome};
use crate::config::{Config, Mailbox};
use crate::cti::Identifier;
use crate::database::Database;
use crate::incidents::Incidents;
use crate::mail::{Intake, IntakeFault, MailArrival, SmtpClient};
use crate::tickets::Tickets;
use bytes::Bytes;
use ringdown_email::EmailAddress;
use ringdown_email::automatic::ReturnPath;
use ringdown_email::smtp::parse_address;
use ringdown_routing::time::Timestamp;
use serde_json::json;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Takes one mail from standard input.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The mailbox it is for, by its address; the one of --to when not given, else the first.
    #[arg(long, value_name = "ADDRESS")]
    mailbox: Option<String>,
    /// The envelope's sender; empty for a bounce. When not given, the mail's own Return-Path counts.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// The envelope's recipient; the mailbox's address when not given.
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    /// Tell what would become of the mail in this file, rule by rule, and store nothing.
    #[arg(long, value_name = "FILE")]
    explain: Option<PathBuf>,
    /// With --explain: as if it came to the SMTP door from this client, whose address SPF looks at.
    #[arg(long, value_name = "ADDRESS", requires = "explain")]
    client: Option<IpAddr>,
    /// With --client: the name that client gives itself.
    #[arg(long, value_name = "NAME", requires = "client")]
    helo: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
    /// How the ticket and article are told.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// The ticket's number.
    Text,
    /// One JSON document.
    Json,
}

/// Why a mail was not taken, for the mail server.
enum Refusal {
    NoSuchMailbox(String),
    NotAMail(String),
    TryLater(String),
    Configuration(String),
}

impl Refusal {
    /// sysexits(3): EX_NOUSER, EX_DATAERR, EX_TEMPFAIL, EX_CONFIG.
    fn status(&self) -> u8 {
        match self {
            Self::NoSuchMailbox(_) => 67,
            Self::NotAMail(_) => 65,
            Self::TryLater(_) => 75,
            Self::Configuration(_) => 78,
        }
    }

    fn sentence(&self) -> &str {
        match self {
            Self::NoSuchMailbox(sentence)
            | Self::NotAMail(sentence)
            | Self::TryLater(sentence)
            | Self::Configuration(sentence) => sentence,
        }
    }
}

/// Takes the mail; what goes wrong ends in the status a mail server understands.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let taken = super::block_on(async { Ok(take(args).await) })?;
    match taken {
        Ok(text) => {
            writeln!(std::io::stdout(), "{text}")?;
            Ok(Outcome::Good)
        }
        Err(refusal) => {
            writeln!(std::io::stderr(), "ringdown: {}", refusal.sentence())?;
            Ok(Outcome::Status(refusal.status()))
        }
    }
}

async fn take(args: &Args) -> Result<String, Refusal> {
    let config = Config::load(&args.config.path)
        .map_err(|faults| Refusal::Configuration(faults.to_string()))?;
    let mailbox = find_mailbox(&config, args)?;
    let raw = read_mail(&config, args)?;
    let later = |fault: &dyn std::fmt::Display| Refusal::TryLater(fault.to_string());
    let database = Database::open(&config)
        .await
        .map_err(|fault| later(&fault))?;
    let (identifier, _) = Identifier::start(&database, &config);
    let tickets = Tickets::new(database.clone(), &config);
    let opened = Intake::without_desk(&database, tickets.clone(), identifier, &config, now()).await;
    let intake = opened.map_err(|fault| later(&fault))?;
    let incidents = Incidents::start(Arc::new(config.clone()), database.clone()).await;
    intake.watch(Arc::new(incidents.map_err(|fault| later(&fault))?));
    let arrival = MailArrival {
        mailbox: mailbox.key(),
        return_path: return_path(args),
        to: args
            .to
            .clone()
            .unwrap_or_else(|| mailbox.address.to_string()),
        peer: "pipe".to_owned(),
        // Whoever may run this is the site.
        is_relay: args.client.is_none(),
        client: args.client.map(|address| SmtpClient {
            address,
            helo: args.helo.clone().unwrap_or_default(),
        }),
        at: now(),
    };
    let refusal = |fault: IntakeFault| match fault {
        IntakeFault::UnknownMailbox(_) => Refusal::NoSuchMailbox(fault.to_string()),
        IntakeFault::Unauthenticated(_) => Refusal::NotAMail(fault.to_string()),
        IntakeFault::Unstored(_) => later(&fault),
    };
    if args.explain.is_some() {
        let told = intake.explain(&arrival, raw).await.map_err(refusal)?;
        return Ok(format!("{:#}", json!(told)));
    }
    let filed = intake.take(arrival, raw).await.map_err(refusal)?;
    let ticket = tickets
        .ticket(filed.ticket)
        .await
        .map_err(|fault| later(&fault))?;
    database.close().await;
    let text = match (args.format, ticket) {
        (Format::Text, _) | (Format::Json, None) => filed.number,
        (Format::Json, Some(ticket)) => {
            let wanted = filed.article.to_string();
            let article = ticket.articles.iter().find(|article| article.id == wanted);
            let told = crate::api::told(&json!({
                "ticket": ticket,
                "article": article,
                "rule": filed.rule,
                "is_new_ticket": filed.is_new_ticket,
                "is_repeat": filed.is_repeat,
            }));
            format!("{told:#}")
        }
    };
    Ok(text)
}

fn return_path(args: &Args) -> ReturnPath {
    match args
        .from
        .as_deref()
        .map(|from| from.trim_matches(['<', '>']))
    {
        None => ReturnPath::Unknown,
        Some("") => ReturnPath::Null,
        Some(from) => EmailAddress::parse(from).map_or(ReturnPath::Unknown, ReturnPath::Address),
    }
}

fn find_mailbox<'c>(config: &'c Config, args: &Args) -> Result<&'c Mailbox, Refusal> {
    let Some(wanted) = args.mailbox.as_ref().or(args.to.as_ref()) else {
        let none = || Refusal::Configuration("the configuration has no [[mailbox]]".to_owned());
        return config.mailboxes.first().ok_or_else(none);
    };
    let key = parse_address(wanted.trim_matches(['<', '>'])).map(|address| address.key());
    let leads_here = |mailbox: &&Mailbox| {
        let key = key.as_ref().ok();
        key.is_some_and(|key| mailbox.addresses().any(|address| address.key() == *key))
    };
    let unknown = || Refusal::NoSuchMailbox(format!("there is no mailbox `{wanted}`"));
    config.mailboxes.iter().find(leads_here).ok_or_else(unknown)
}

/// The mail from the file that is to be explained, else from standard input.
fn read_mail(config: &Config, args: &Args) -> Result<Bytes, Refusal> {
    let most = config.email.mail_bytes_max;
    let mut raw = Vec::new();
    let read = match &args.explain {
        Some(file) => File::open(file).and_then(|file| file.take(most + 1).read_to_end(&mut raw)),
        None => std::io::stdin().lock().take(most + 1).read_to_end(&mut raw),
    };
    read.map_err(|fault| Refusal::TryLater(format!("the mail cannot be read: {fault}")))?;
    let bytes = u64::try_from(raw.len()).unwrap_or(u64::MAX);
    if bytes > most {
        return Err(Refusal::NotAMail(format!(
            "the mail has more than {most} octets"
        )));
    }
    if raw.is_empty() {
        return Err(Refusal::NotAMail("the mail is empty".to_owned()));
    }
    Ok(raw.into())
}

fn now() -> Timestamp {
    crate::acd::Clock::of_the_machine().now()
}
