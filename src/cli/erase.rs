//! `ringdown erase`: takes a person out of everything that is kept; what is counted stays.

use super::{Outcome, block_on};
use crate::config::Config;
use crate::cti::Normaliser;
use crate::database::Database;
use crate::erasure::{ErasureFault, Erasures, Wish};
use crate::event_log::EventLog;
use ringdown_routing::ids::CallerId;
use ringdown_routing::time::Timestamp;
use std::io::Write;
use std::path::PathBuf;

/// Who gives the orders of this command.
const BY: &str = "ringdown erase";

/// Arguments of `erase`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A telephone number of the person, in any way of writing; may be given several times.
    #[arg(long = "phone", value_name = "NUMBER")]
    phones: Vec<String>,
    /// A mail address of the person; may be given several times.
    #[arg(long = "email", value_name = "ADDRESS")]
    emails: Vec<String>,
    /// The person's key in the CMS: erases the numbers and addresses that nobody else has there as well.
    #[arg(long = "caller", value_name = "KEY")]
    callers: Vec<String>,
    /// Take the person out of the embedded CMS as well.
    #[arg(long)]
    forget_in_cms: bool,
    /// Only go on with what a crash interrupted.
    #[arg(long, conflicts_with_all = ["phones", "emails", "callers", "forget_in_cms"])]
    resume: bool,
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", default_value = "ringdown.toml")]
    config: PathBuf,
}

/// Erases, and tells on stdout how much that was about; the answer is no where it cannot be now.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let config = match Config::load(&args.config) {
        Ok(config) => config,
        Err(faults) => {
            writeln!(std::io::stderr(), "{faults}")?;
            return Ok(Outcome::No);
        }
    };
    let wish = Wish {
        phones: args.phones.clone(),
        emails: args.emails.clone(),
        callers: args
            .callers
            .iter()
            .map(|key| CallerId::from(key.as_str()))
            .collect(),
        forget_in_cms: args.forget_in_cms,
    };
    let erased = block_on(async {
        let database = Database::open(&config).await?;
        let log = EventLog::new(database.clone());
        let erasures = Erasures::new(&log, Normaliser::new(config.site.region));
        let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        let erased = async {
            if !args.resume {
                erasures.order(&wish, BY, now).await?;
            }
            erasures.carry_out(now).await
        };
        let erased = erased.await;
        database.close().await;
        Ok(erased)
    })?;
    match erased {
        Ok(Some(erasure)) => {
            writeln!(
                std::io::stdout(),
                "erased: {} contacts, {} tickets (erasure {})",
                erasure.extent.contacts,
                erasure.extent.tickets,
                erasure.id
            )?;
            Ok(Outcome::Good)
        }
        Ok(None) => {
            writeln!(std::io::stdout(), "no erasure is under way")?;
            Ok(Outcome::Good)
        }
        Err(ErasureFault::Database(fault)) => Err(fault.into()),
        Err(
            fault @ (ErasureFault::Nobody
            | ErasureFault::NotAnIdentity(_)
            | ErasureFault::IsLive(_)
            | ErasureFault::UnderWay(_)
            | ErasureFault::StillRead),
        ) => {
            writeln!(std::io::stderr(), "ringdown: {fault}")?;
            Ok(Outcome::No)
        }
    }
}
