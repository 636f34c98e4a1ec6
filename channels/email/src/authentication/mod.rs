//! Whether a mail's author is who the mail says: what SPF, DKIM, DMARC and ARC found, and the rule that judges it.
//!
//! The address in From is a claim. [`judge`] believes it on this evidence, the first row that holds:
//!
//! | evidence | judgement |
//! |---|---|
//! | From is not exactly one address | unknown |
//! | a sealer whom the configuration trusts (ARC, RFC 8617) saw the sender confirmed | passed |
//! | DMARC passes (RFC 9989) | passed |
//! | DMARC fails | failed |
//! | an aligned signature (DKIM, RFC 6376) or an aligned envelope (SPF, RFC 7208) passes, and the domain has no DMARC policy | passed |
//! | anything else, so also an error of the DNS | unknown |
//!
//! Evidence is of ours, or of a mail server of the site in `Authentication-Results` (RFC 8601, [`results`]).
//! The look-ups are made elsewhere; this only judges.

pub mod results;

use crate::threading::Authentication;
use serde::{Deserialize, Serialize};

/// A method that looks at where a mail is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Whether the client may send for the envelope's domain (RFC 7208).
    Spf,
    /// Whether a domain signed the mail as it is (RFC 6376).
    Dkim,
    /// Whether one of them is of the author's domain, and what that domain wants done otherwise (RFC 9989).
    Dmarc,
    /// What servers on the way found, sealed by them (RFC 8617).
    Arc,
}

/// What a method found, in the words of RFC 8601 §2.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It holds.
    Pass,
    /// It does not hold.
    Fail,
    /// The domain rather thinks not (SPF).
    Softfail,
    /// The domain, or the state of the mail, allows no statement.
    Neutral,
    /// There is nothing to look at, or nobody looked.
    None,
    /// It holds, but by means that count for nothing.
    Policy,
    /// The DNS did not answer (well, or in time).
    Temperror,
    /// What the domain published makes no sense.
    Permerror,
}

impl Outcome {
    /// Reads a word of RFC 8601, in letters of either case; words that are not of it say nothing.
    pub fn of_word(word: &str) -> Self {
        let known = [
            ("pass", Self::Pass),
            ("fail", Self::Fail),
            ("hardfail", Self::Fail),
            ("softfail", Self::Softfail),
            ("neutral", Self::Neutral),
            ("policy", Self::Policy),
            ("temperror", Self::Temperror),
            ("permerror", Self::Permerror),
        ];
        let found = known
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(word));
        found.map_or(Self::None, |(_, outcome)| *outcome)
    }
}

/// Who found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Witness {
    /// This gateway.
    Ours,
    /// A mail server of the site, in `Authentication-Results`.
    Site,
    /// A trusted server on the way, by its domain.
    Sealer(String),
}

/// What one method found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The method.
    pub method: Method,
    /// What it found.
    pub outcome: Outcome,
    /// The domain that it is about: of the envelope (SPF), the signature, the author (DMARC), the last sealer (ARC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Whether that domain is the author's, in the sense of the method that compared them.
    pub is_aligned: bool,
    /// Who found it.
    pub by: Witness,
    /// Why, in one line, for the desk.
    pub reason: String,
}

/// What is known of the sender, all together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The judgement.
    pub judgement: Authentication,
    /// The evidence it rests on, in one line.
    pub reason: String,
    /// What the domain of the author wants done with mail that is not its own; told only where DMARC failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// All evidence.
    pub findings: Vec<Finding>,
}

/// What a domain wants done with mail that fails DMARC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Nothing.
    None,
    /// It is to be looked at with suspicion.
    Quarantine,
    /// It is not to be taken.
    Reject,
}

impl Default for Verdict {
    fn default() -> Self {
        Self::unknown("nobody looked")
    }
}

impl Verdict {
    /// Nothing is known.
    pub fn unknown(reason: &str) -> Self {
        Self {
            judgement: Authentication::Unknown,
            reason: reason.to_owned(),
            policy: None,
            findings: Vec::new(),
        }
    }

    /// Whether the address in From is confirmed.
    pub fn is_confirmed(&self) -> bool {
        self.judgement == Authentication::Passed
    }

    /// What a method found, best first where several looked; `None` when there was nothing.
    pub fn outcomes(&self, method: Method) -> Vec<Outcome> {
        let found = self.findings.iter().filter(|it| it.method == method);
        let mut outcomes: Vec<Outcome> = found.map(|finding| finding.outcome).collect();
        outcomes.sort_unstable();
        outcomes.dedup();
        if outcomes.is_empty() {
            outcomes.push(Outcome::None);
        }
        outcomes
    }
}

/// Judges evidence; the table is at the head of this module.
pub fn judge(findings: Vec<Finding>, policy: Option<Policy>, authors: usize) -> Verdict {
    let is = |finding: &&Finding, method, outcome| {
        finding.method == method && finding.outcome == outcome
    };
    let sealed = findings.iter().find(|finding| {
        is(finding, Method::Arc, Outcome::Pass) && matches!(finding.by, Witness::Sealer(_))
    });
    let of_dmarc = |outcome| findings.iter().find(|it| is(it, Method::Dmarc, outcome));
    let aligned = |method| {
        let mut passed = findings
            .iter()
            .filter(move |it| is(it, method, Outcome::Pass));
        passed.find(|finding| finding.is_aligned)
    };
    // A policy that could not be looked up may be there.
    let is_open = of_dmarc(Outcome::Temperror).is_none() && of_dmarc(Outcome::Permerror).is_none();
    let (judgement, reason) = if authors != 1 {
        let reason = "From does not name exactly one author".to_owned();
        (Authentication::Unknown, reason)
    } else if let Some(found) = sealed.or_else(|| of_dmarc(Outcome::Pass)) {
        (Authentication::Passed, found.reason.clone())
    } else if let Some(found) = of_dmarc(Outcome::Fail) {
        (Authentication::Failed, found.reason.clone())
    } else if let Some(found) = aligned(Method::Dkim)
        .or_else(|| aligned(Method::Spf))
        .filter(|_| is_open)
    {
        (Authentication::Passed, found.reason.clone())
    } else {
        let reason = if is_open {
            "nothing vouches for the author's domain"
        } else {
            "the policy of the author's domain could not be looked up"
        };
        (Authentication::Unknown, reason.to_owned())
    };
    let has_failed = judgement == Authentication::Failed;
    Verdict {
        judgement,
        reason,
        policy: policy.filter(|_| has_failed),
        findings,
    }
}

/// Whether a domain (or that of an address) is the author's, or one of them lies below the other: as much of
/// relaxed alignment (RFC 7489 §3.1) as can be told without a look into the DNS, so that `example.org` covers
/// `mail.example.org` and not its siblings.
pub fn is_same_organisation(value: &str, author: &str) -> bool {
    let domain = value.rsplit('@').next().unwrap_or(value);
    let domain = domain.trim_end_matches('.').to_ascii_lowercase();
    let author = author.to_ascii_lowercase();
    let below = |inner: &str, outer: &str| {
        inner
            .strip_suffix(outer)
            .is_some_and(|rest| rest.ends_with('.'))
    };
    // A top-level domain is nobody's organisation.
    let is_whole = |domain: &str| domain.contains('.');
    is_whole(&author)
        && is_whole(&domain)
        && (domain == author || below(&author, &domain) || below(&domain, &author))
}

#[cfg(test)]
mod tests;
