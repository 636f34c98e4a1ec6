//! `ringdown agent`: who takes contacts.

use super::{ConfigFile, Outcome};
use crate::config::{Config, LogIn};
use crate::database::Database;
use crate::roster::{Origin, Roster, RosterAgent, WebPassword, generate, put_agent, remove_agent};
use anyhow::{Context, bail, ensure};
use ringdown_routing::agent::AgentProfile;
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::{AgentId, QueueId, SkillId};
use ringdown_voice::sip::digest::Ha1;
use std::io::{Read, Write};
use std::path::PathBuf;

/// Arguments of `agent`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Make an agent, or change one with --replace.
    Add(AddArgs),
    /// List all agents, of the configuration and of this command.
    List(ListArgs),
    /// Set a password; without --file one is made up and printed.
    Passwd(PasswdArgs),
    /// Take an agent away that this command made.
    Remove {
        /// Which agent.
        id: String,
    },
}

#[derive(Debug, clap::Args)]
struct AddArgs {
    /// The name used to register and to log in.
    id: String,
    /// Name shown to people; the id when not given.
    #[arg(long)]
    name: Option<String>,
    /// A queue served; may be given several times.
    #[arg(long = "queue", value_name = "QUEUE")]
    queues: Vec<String>,
    /// A skill with its level; may be given several times.
    #[arg(long = "skill", value_name = "SKILL=LEVEL")]
    skills: Vec<String>,
    /// Contacts held at once on a channel (voice, email, fax, chat); one call when not given.
    #[arg(long = "capacity", value_name = "CHANNEL=NUMBER")]
    capacity: Vec<String>,
    /// A phone behind another exchange, in the place of a registration.
    #[arg(long, value_name = "SIP-URI")]
    contact: Option<String>,
    /// The agent says themselves when they are available, not their phone.
    #[arg(long)]
    by_hand: bool,
    /// Changes an agent who is there; passwords stay.
    #[arg(long)]
    replace: bool,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// How the list is written.
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    format: ListFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ListFormat {
    /// A line for each agent.
    Text,
    /// One JSON document.
    Json,
}

#[derive(Debug, clap::Args)]
struct PasswdArgs {
    /// Which agent.
    id: String,
    /// Which password.
    #[arg(long, value_enum, default_value_t = Door::Sip)]
    door: Door,
    /// File whose first line is the password; `-` reads standard input.
    #[arg(long)]
    file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Door {
    /// The phone's registration.
    Sip,
    /// The desktop.
    Web,
}

/// Does what was asked, and tells it on stdout.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    super::block_on(async {
        let config = Config::load(&args.config.path)?;
        let database = Database::open(&config).await?;
        let desk = Desk {
            roster: Roster::load(&database, &config).await?,
            database,
            config,
        };
        match &args.act {
            Act::Add(args) => desk.add(args).await?,
            Act::List(args) => desk.list(args)?,
            Act::Passwd(args) => desk.set_password(args).await?,
            Act::Remove { id } => desk.remove(id).await?,
        }
        desk.database.close().await;
        Ok(Outcome::Good)
    })
}

struct Desk {
    config: Config,
    database: Database,
    roster: Roster,
}

impl Desk {
    async fn add(&self, args: &AddArgs) -> anyhow::Result<()> {
        let id = AgentId::new(args.id.as_str());
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        ensure!(
            !args.id.is_empty() && args.id.bytes().all(is_name),
            "`{}` cannot be registered: letters, digits, `-`, `_` and `.` make an id",
            args.id
        );
        let old = self.roster.agent(&id);
        if old.is_some() && !args.replace {
            bail!("there is an agent `{id}` already; --replace changes them");
        }
        let mut agent = RosterAgent {
            profile: self.profile(args)?,
            contact: args.contact.clone(),
            log_in: if args.by_hand {
                LogIn::ByHand
            } else {
                LogIn::WithPhone
            },
            ha1: old.and_then(|old| old.ha1.clone()),
            web_password: old.and_then(|old| old.web_password.clone()),
            origin: Origin::Command,
        };
        let mut made = None;
        if agent.ha1.is_none() && agent.contact.is_none() {
            let password = generate(&mut rand::rng(), PASSWORD_LETTERS);
            agent.ha1 = Some(Ha1::new(&args.id, self.config.sip.realm(), &password));
            made = Some(password);
        }
        put_agent(&self.database, self.config.sip.realm(), &agent).await?;
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "{id}: {}",
            if old.is_some() { "changed" } else { "added" }
        )?;
        if let Some(password) = made {
            let domain = &self.config.sip.domain;
            writeln!(
                out,
                "register as sip:{id}@{domain} with the password {password}"
            )?;
        }
        Ok(())
    }

    fn profile(&self, args: &AddArgs) -> anyhow::Result<AgentProfile> {
        let name = args.name.clone().unwrap_or_else(|| args.id.clone());
        let queues = args.queues.iter().map(|it| QueueId::new(it.as_str()));
        let mut profile = AgentProfile::new(AgentId::new(args.id.as_str()), name).serving(queues);
        for queue in profile.queues.keys() {
            ensure!(
                self.config.queue(queue).is_some(),
                "there is no queue `{queue}`"
            );
        }
        for text in &args.skills {
            let (skill, level) = pair(text)?;
            let skill = SkillId::new(skill);
            let is_known = self.config.skills.iter().any(|it| it.id == skill);
            ensure!(is_known, "there is no skill `{skill}`");
            ensure!(
                (1..=255).contains(&level),
                "the level of a skill is 1 to 255"
            );
            profile.skills.insert(skill, u8::try_from(level)?);
        }
        if !args.capacity.is_empty() {
            profile.capacity.clear();
        }
        for text in &args.capacity {
            let (channel, number) = pair(text)?;
            let channel = [Channel::Voice, Channel::Email, Channel::Fax, Channel::Chat]
                .into_iter()
                .find(|it| it.as_str() == channel)
                .with_context(|| format!("there is no channel `{channel}`"))?;
            profile.capacity.insert(channel, number);
        }
        Ok(profile)
    }

    fn list(&self, args: &ListArgs) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        let origin = |agent: &RosterAgent| match agent.origin {
            Origin::File => "file",
            Origin::Command => "command",
        };
        match args.format {
            ListFormat::Text => {
                for agent in self.roster.iter() {
                    let AgentProfile {
                        id, name, queues, ..
                    } = &agent.profile;
                    let queues: Vec<&str> = queues.keys().map(QueueId::as_str).collect();
                    let queues = queues.join(",");
                    writeln!(out, "{id}\t{name}\t{queues}\t{}", origin(agent))?;
                }
            }
            ListFormat::Json => {
                let agents: Vec<serde_json::Value> = self
                    .roster
                    .iter()
                    .map(|agent| {
                        serde_json::json!({
                            "profile": agent.profile,
                            "contact": agent.contact,
                            "log_in": agent.log_in,
                            "has_sip_password": agent.ha1.is_some(),
                            "has_web_password": agent.web_password.is_some(),
                            "origin": origin(agent),
                        })
                    })
                    .collect();
                serde_json::to_writer_pretty(&mut out, &agents)?;
                writeln!(out)?;
            }
        }
        Ok(())
    }

    async fn set_password(&self, args: &PasswdArgs) -> anyhow::Result<()> {
        let id = AgentId::new(args.id.as_str());
        let old = self.roster.agent(&id);
        let mut agent = old
            .with_context(|| format!("there is no agent `{id}`"))?
            .clone();
        let (password, is_made) = match &args.file {
            Some(file) => (read_password(file)?, false),
            None => (generate(&mut rand::rng(), PASSWORD_LETTERS), true),
        };
        match args.door {
            Door::Sip => {
                ensure!(!password.is_empty(), "the password is empty");
                agent.ha1 = Some(Ha1::new(&args.id, self.config.sip.realm(), &password));
            }
            Door::Web => agent.web_password = Some(WebPassword::hash(&password)?),
        }
        put_agent(&self.database, self.config.sip.realm(), &agent).await?;
        let mut out = std::io::stdout().lock();
        if is_made {
            writeln!(out, "{id}: the password is now {password}")?;
        } else {
            writeln!(out, "{id}: the password is set")?;
        }
        Ok(())
    }

    async fn remove(&self, id: &str) -> anyhow::Result<()> {
        let id = AgentId::new(id);
        match self.roster.agent(&id).map(|agent| agent.origin) {
            None => bail!("there is no agent `{id}`"),
            Some(Origin::File) => {
                bail!("the agent `{id}` is in the configuration; take them out there")
            }
            Some(Origin::Command) => remove_agent(&self.database, &id).await?,
        }
        writeln!(std::io::stdout().lock(), "{id}: removed")?;
        Ok(())
    }
}

fn pair(text: &str) -> anyhow::Result<(&str, u16)> {
    let parts = text.split_once('=');
    let (name, number) = parts.with_context(|| format!("`{text}` is not NAME=NUMBER"))?;
    let number = number
        .parse()
        .with_context(|| format!("`{number}` is not a number"))?;
    Ok((name, number))
}

fn read_password(file: &PathBuf) -> anyhow::Result<String> {
    let mut text = String::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
    }
    Ok(text.lines().next().unwrap_or("").to_owned())
}

/// 80 bits.
const PASSWORD_LETTERS: usize = 16;
