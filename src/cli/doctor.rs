//! `ringdown doctor`: what is reachable, what is not, and what to do.

use super::{ConfigFile, Outcome, block_on};
use crate::config::Config;
use crate::doctor::{Finding, Verdict, examine};
use serde_json::json;
use std::io::Write;
use unicode_width::UnicodeWidthStr;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One line each.
    #[default]
    Text,
    /// One document.
    Json,
}

/// Prints every finding on stdout; the answer is no when the gateway cannot run like this.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let findings = match Config::load(&args.config.path) {
        Ok(config) => block_on(async { Ok(examine(&config).await) })?,
        Err(faults) => vec![Finding {
            name: "configuration".to_owned(),
            verdict: Verdict::Bad,
            found: faults.to_string(),
            advice: Some(format!(
                "correct it; `ringdown check -c {}` looks again",
                args.config.path.display()
            )),
        }],
    };
    let is_good = findings
        .iter()
        .all(|finding| finding.verdict != Verdict::Bad);
    let mut stdout = std::io::stdout().lock();
    match args.format {
        Format::Text => print(&findings, &mut stdout)?,
        Format::Json => {
            serde_json::to_writer_pretty(
                &mut stdout,
                &json!({ "ok": is_good, "checks": findings }),
            )?;
            writeln!(stdout)?;
        }
    }
    Ok(if is_good { Outcome::Good } else { Outcome::No })
}

fn print(findings: &[Finding], out: &mut impl Write) -> std::io::Result<()> {
    let width = findings
        .iter()
        .map(|finding| finding.name.width())
        .max()
        .unwrap_or(0);
    for finding in findings {
        let gap = " ".repeat(width.saturating_sub(finding.name.width()));
        write!(
            out,
            "{:4}  {}{gap}  {}",
            finding.verdict.as_str(),
            finding.name,
            finding.found
        )?;
        match &finding.advice {
            Some(advice) => writeln!(out, " -> {advice}")?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}
