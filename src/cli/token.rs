//! `ringdown token`: who may use the API.

use super::Outcome;
use crate::config::{Config, Rights};
use crate::database::Database;
use crate::roster::{add_token, remove_token, tokens};
use anyhow::bail;
use ringdown_routing::time::Timestamp;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `token`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
    /// The configuration file.
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "ringdown.toml",
        global = true
    )]
    config: PathBuf,
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
        let config = Config::load(&args.config)?;
        let database = Database::open(&config).await?;
        let known = tokens(&database).await?;
        let mut out = std::io::stdout();
        match &args.act {
            Act::Add { name, write } => {
                let rights = if *write { Rights::Write } else { Rights::Read };
                let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
                let token = add_token(&database, &mut rand::rng(), name, rights, now).await?;
                writeln!(out, "{token}")?;
            }
            Act::List => {
                for token in known {
                    let rights = match token.rights {
                        Rights::Read => "read",
                        Rights::Write => "write",
                    };
                    writeln!(out, "{}\t{rights}", token.name)?;
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
