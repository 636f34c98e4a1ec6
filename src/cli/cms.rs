//! `ringdown cms`: the embedded CMS.

use super::{ConfigFile, Outcome};
use crate::cms::Cms;
use crate::cms::import::{Effect, Format, Report, decode, import, read};
use crate::config::Config;
use crate::cti::Normaliser;
use crate::database::Database;
use anyhow::Context;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `cms`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Bring people, organisations and CIs in from a CSV, vCard or JSON file.
    Import(ImportArgs),
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// The file; its name or content tells the format.
    file: PathBuf,
    #[command(flatten)]
    config: ConfigFile,
    /// How the report is written.
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ReportFormat {
    /// A line for each record that was added, changed or refused.
    Text,
    /// One JSON document.
    Json,
}

/// Imports, and tells on stdout what was added, changed and refused; the answer is no when a record was
/// refused.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    match &args.act {
        Act::Import(args) => super::block_on(run_import(args)),
    }
}

async fn run_import(args: &ImportArgs) -> anyhow::Result<Outcome> {
    let config = Config::load(&args.config.path)?;
    let name = args.file.display();
    let bytes = std::fs::read(&args.file).with_context(|| format!("{name} cannot be read"))?;
    let text = decode(&bytes);
    let contents = read(Format::of(&name.to_string(), &text), &text);
    let database = Database::open(&config).await?;
    let normaliser = Normaliser::new(config.site.region);
    let report = import(&Cms::new(database.clone()), &normaliser, contents).await?;
    database.close().await;
    let mut out = std::io::stdout().lock();
    match args.format {
        ReportFormat::Text => print(&mut out, &name.to_string(), &report)?,
        ReportFormat::Json => {
            serde_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        }
    }
    Ok(if report.refusals.is_empty() {
        Outcome::Good
    } else {
        Outcome::No
    })
}

fn print(out: &mut dyn Write, file: &str, report: &Report) -> std::io::Result<()> {
    for note in &report.notes {
        writeln!(out, "{file}: {note}")?;
    }
    for change in &report.changes {
        let effect = match change.effect {
            Effect::Added => "added",
            Effect::Changed => "changed",
        };
        let (line, record) = (change.line, change.record);
        writeln!(
            out,
            "{file}:{line}: {effect} {record} {} {}",
            change.id, change.name
        )?;
    }
    for refusal in &report.refusals {
        writeln!(out, "{file}:{}: refused: {}", refusal.line, refusal.reason)?;
    }
    writeln!(
        out,
        "{} added, {} changed, {} as they were, {} refused",
        report.count(Effect::Added),
        report.count(Effect::Changed),
        report.unchanged,
        report.refusals.len()
    )
}
