//! `ringdown token`: who may use the API.

use super::{ConfigFile, Outcome};
use crate::config::{Config, Rights};
use crate::database::Database;
use crate::roster::{add_token, remove_token, tokens};
use anyhow::bail;
use ringdown_routing::ids::AgentId;
use ringdown_routing::time::Timestamp;
use std::io::Write;

/// Arguments of `token`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Make a token and print it; it is kept nowhere else.
    Add {
        /// Who uses it.
        name: String,
        /// It may change things, too.
        #[arg(long)]
        write: bool,
        /// It may do the work of this agent: take offers, answer mails, set the status.
        #[arg(long, value_name = "ID", conflicts_with = "write")]
        agent: Option<String>,
    },
    /// List the names of all tokens made by this command.
    List,
    /// Take all tokens of a name away.
    Remove {
        /// Whose.
        name: String,
    },
}

/// Does what was asked, and tells it on stdout.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    super::block_on(async {
        let config = Config::load(&args.config.path)?;
        let database = Database::open(&config).await?;
        let known = tokens(&database).await?;
        let mut out = std::io::stdout();
        match &args.act {
            Act::Add { name, write, agent } => {
                let agent = agent.clone().map(AgentId::new);
                let rights = match (write, &agent) {
                    (true, _) => Rights::Write,
                    (false, Some(_)) => Rights::Agent,
                    (false, None) => Rights::Read,
                };
                let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
                let token = add_token(
                    &database,
                    &mut rand::rng(),
                    name,
                    rights,
                    agent.as_ref(),
                    now,
                )
                .await?;
                writeln!(out, "{token}")?;
            }
            Act::List => {
                for token in known {
                    let whose = token.agent.as_ref().map_or("", AgentId::as_str);
                    let line = format!("{}\t{}\t{whose}", token.name, token.rights.as_str());
                    writeln!(out, "{}", line.trim_end())?;
                }
            }
            Act::Remove { name } => {
                if !known.iter().any(|token| token.name == *name) {
                    bail!("there is no token of `{name}`");
                }
                remove_token(&database, name).await?;
                writeln!(out, "{name}: removed")?;
            }
        }
        database.close().await;
        Ok(Outcome::Good)
    })
}
