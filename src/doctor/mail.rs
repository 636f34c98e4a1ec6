//! The mail servers of others: folders that mail is fetched from, and the smarthost it is sent by.

use super::Finding;
use crate::config::Config;
use crate::mail::collector::try_folder;
use crate::mail::postman::try_smarthost;
use crate::mail::signing::compare_published;
use std::time::Duration;

/// Longest wait for a mail server.
const WAIT_MAX: Duration = Duration::from_secs(10);

pub(super) async fn folders(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in &config.email.folders {
        let name = format!("imap {}@{}/{}", folder.user, folder.host, folder.folder);
        let advice = "correct [[email.imap]]; until then its mail stays where it is";
        findings.push(
            match tokio::time::timeout(WAIT_MAX, try_folder(config, folder)).await {
                Ok(Ok(())) => Finding::good(name, "can be opened"),
                Ok(Err(fault)) => Finding::bad(name, fault.to_string(), advice),
                Err(_) => Finding::bad(name, "no answer in time", advice),
            },
        );
    }
    findings
}

pub(super) async fn smarthost(config: &Config) -> Option<Finding> {
    let smarthost = config.email.smarthost.as_ref()?;
    let name = format!("smarthost {}:{}", smarthost.host, smarthost.port);
    let advice = "correct [email.smarthost]; until then what is to be sent waits in the outbox";
    let tried = tokio::time::timeout(WAIT_MAX, try_smarthost(config, smarthost)).await;
    Some(match tried {
        Ok(Ok(())) => Finding::good(name, "takes mail"),
        Ok(Err(fault)) => Finding::bad(name, format!("{fault:#}"), advice),
        Err(_) => Finding::bad(name, "no answer in time", advice),
    })
}

/// Whether the keys that sign what we send are published.
pub(super) async fn signatures(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for key in &config.email.dkim {
        let name = format!("dkim {}", key.record_name());
        let advice = "publish the key; until then others take our signatures for broken";
        let compared = tokio::time::timeout(WAIT_MAX, compare_published(config, key)).await;
        findings.push(match compared {
            Ok(Ok(())) => Finding::good(name, "the published key is ours"),
            Ok(Err(fault)) => Finding::bad(name, fault, advice),
            Err(_) => Finding::bad(name, "the DNS did not answer in time", advice),
        });
    }
    findings
}
