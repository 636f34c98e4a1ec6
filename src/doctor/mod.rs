//! What is reachable, what is not, and what to do: one line each.
//!
//! Nothing is changed by looking: no table is made, no message is taken off a queue, no port stays
//! bound. A gateway may run beside it. Only where a folder of mail is opened by OAuth is a refresh token exchanged,
//! and the new one kept in the database, where the gateway finds it.

mod machine;
mod mail;
mod network;
mod stores;

use crate::config::Config;
use serde::Serialize;

/// What came of one look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub name: String,
    /// Whether it is good.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do; `None` when there is nothing to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// Whether something is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is.
    Good,
    /// The gateway runs with it, but somebody should look.
    Warning,
    /// The gateway cannot run like this.
    Bad,
}

impl Verdict {
    /// The word at the beginning of its line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warn",
            Self::Bad => "FAIL",
        }
    }
}

impl Finding {
    fn good(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            verdict: Verdict::Good,
            found: found.into(),
            advice: None,
        }
    }

    fn warning(
        name: impl Into<String>,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            verdict: Verdict::Warning,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }

    fn bad(name: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            verdict: Verdict::Bad,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }
}

/// Looks at everything the configuration names.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let is_running = network::is_running(config.web.operations_listen).await;
    let mut findings = Vec::new();
    findings.extend(stores::redis(config).await);
    findings.extend(stores::database(config).await);
    findings.extend(network::ports(config, is_running));
    findings.extend(network::media(config, is_running));
    findings.extend(mail::folders(config).await);
    findings.extend(mail::smarthost(config).await);
    findings.extend(mail::signatures(config).await);
    findings.extend(machine::prompts(config));
    findings.push(machine::files(config));
    findings.extend(machine::receive_buffer());
    findings.push(machine::clock(config));
    findings.push(machine::disk(config));
    findings
}

#[cfg(test)]
mod tests;
