//! What becomes of a new mail, by rules of the configuration: the first that matches says queue, kind,
//! priority and watchers. [`explain`] says of each rule why it did or did not.
//!
//! A rule in the configuration file:
//!
//! ```toml
//! [[email.rule]]
//! name = "passwords"
//! when = { subject = ["password", "密碼"], origin = ["person"], header = { X-Priority = ["1*"] } }
//! then = { queue = "accounts", kind = "service_request", urgency = 1, watchers = ["lead@example.com"] }
//! ```
//!
//! A condition that is absent holds; of several values one must. A text without `*` matches where it is
//! contained, with `*` it matches the whole, both in letters of either case.

use crate::address::EmailAddress;
use crate::authentication::{Method, Outcome as Found, Verdict};
use crate::automatic::Origin;
use crate::reading::language::Language;
use crate::reading::mail::Mail;
use crate::threading::Authentication;
use ringdown_routing::ids::QueueId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What people call it.
    pub name: String,
    /// Which mails it is for; all of them where nothing is said.
    #[serde(default)]
    pub when: Conditions,
    /// What becomes of them.
    pub then: Treatment,
}

/// What must hold of a mail; of each list one must, of the header fields each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Conditions {
    /// Mailboxes of the desk that the mail came to.
    pub mailbox: Vec<EmailAddress>,
    /// Texts in the subject.
    pub subject: Vec<Pattern>,
    /// The author's whole address; `@example.com` is everybody there.
    pub sender: Vec<Pattern>,
    /// What the desk knows of the sender.
    pub standing: Vec<Standing>,
    /// Whether the sender is who the mail says: `passed`, `unknown`, `failed`.
    pub authentication: Vec<Authentication>,
    /// What SPF found, in the words of RFC 8601: `pass`, `fail`, `softfail`, `none`, ...
    pub spf: Vec<Found>,
    /// What DKIM found of one of the signatures.
    pub dkim: Vec<Found>,
    /// What DMARC found.
    pub dmarc: Vec<Found>,
    /// What ARC found.
    pub arc: Vec<Found>,
    /// What kind of sender it is.
    pub origin: Vec<Origin>,
    /// Header fields and texts in their values.
    pub header: BTreeMap<String, Vec<Pattern>>,
    /// The language of what is new in it.
    pub language: Vec<Language>,
}

/// What becomes of a mail; what is absent stays as the mailbox has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Treatment {
    /// The line it waits in.
    pub queue: Option<QueueId>,
    /// What kind of work it is.
    pub kind: Option<Kind>,
    /// How much hangs on it.
    pub impact: Option<Grade>,
    /// How soon it is wanted.
    pub urgency: Option<Grade>,
    /// Who is kept informed besides the sender.
    pub watchers: Vec<EmailAddress>,
    /// Whether those in Cc are kept informed.
    pub watch_cc: Option<bool>,
    /// Whether the sender gets an acknowledgement, where one may be sent.
    pub acknowledge: Option<bool>,
    /// Whether it is put aside as unwanted: kept, but in nobody's line.
    pub spam: Option<bool>,
}

/// A grade of impact or urgency: 1 high, 2 middle, 3 low.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Grade(u8);

impl TryFrom<u8> for Grade {
    type Error = &'static str;

    fn try_from(grade: u8) -> Result<Self, Self::Error> {
        match grade {
            1..=3 => Ok(Self(grade)),
            _ => Err("a grade is 1 (high), 2 or 3 (low)"),
        }
    }
}

impl From<Grade> for u8 {
    fn from(grade: Grade) -> Self {
        grade.0
    }
}

/// What kind of work a mail is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Something does not work.
    Incident,
    /// Somebody wants something.
    ServiceRequest,
}

/// What the desk knows of a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// In the CMS, and the domain vouches for the mail.
    Known,
    /// In the CMS by the address, which nobody vouches for.
    Claimed,
    /// Not in the CMS.
    Unknown,
}

/// A text to look for: contained, or with `*` the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// Takes a pattern as the configuration spells it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether it matches, in letters of either case.
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text) = (self.0.to_lowercase(), text.to_lowercase());
        let mut pieces = pattern.split('*');
        let first = pieces.next().unwrap_or("");
        let Some(last) = pieces.next_back() else {
            return text.contains(first);
        };
        let Some(mut rest) = text.strip_prefix(first) else {
            return false;
        };
        for piece in pieces {
            let Some(at) = rest.find(piece) else {
                return false;
            };
            rest = &rest[at + piece.len()..];
        }
        rest.ends_with(last)
    }

    /// Whether it is this address or, with `@` before it, this domain: a domain that is only contained in
    /// another one is another one.
    fn matches_address(&self, address: &str) -> bool {
        let is_whole = self.0.contains('*') && self.matches(address);
        let address = address.to_lowercase();
        let pattern = self.0.to_lowercase();
        is_whole || address == pattern || pattern.starts_with('@') && address.ends_with(&pattern)
    }
}

/// What the rules look at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The mail.
    pub mail: &'a Mail,
    /// The mailbox of the desk that it came to.
    pub mailbox: &'a EmailAddress,
    /// What kind of sender wrote it.
    pub origin: Origin,
    /// What the desk knows of the sender.
    pub standing: Standing,
    /// Whether the sender is who the mail says.
    pub verdict: &'a Verdict,
}

/// The first rule that matches.
pub fn first_match<'a>(rules: &'a [Rule], facts: &Facts<'_>) -> Option<&'a Rule> {
    rules.iter().find(|rule| rule.when.missed(facts).is_none())
}

/// What a rule did, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The rule's name.
    pub rule: String,
    /// What it did.
    pub outcome: Outcome,
}

/// What a rule did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It decides.
    Matched,
    /// It would decide, if an earlier one did not.
    MatchedTooLate,
    /// A condition does not hold.
    Missed(Miss),
}

/// The first condition of a rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Miss {
    /// Which condition, as the configuration spells it.
    pub condition: String,
    /// What it wants.
    pub wanted: String,
    /// What the mail has.
    pub found: String,
}

/// Says of each rule whether it matches and why not.
pub fn explain(rules: &[Rule], facts: &Facts<'_>) -> Vec<Explanation> {
    let mut is_decided = false;
    let explained = rules.iter().map(|rule| {
        let outcome = match rule.when.missed(facts) {
            Some(miss) => Outcome::Missed(miss),
            None if is_decided => Outcome::MatchedTooLate,
            None => Outcome::Matched,
        };
        is_decided |= outcome == Outcome::Matched;
        Explanation {
            rule: rule.name.clone(),
            outcome,
        }
    });
    explained.collect()
}

impl Conditions {
    fn missed(&self, facts: &Facts<'_>) -> Option<Miss> {
        let sender = facts
            .mail
            .from
            .as_ref()
            .map_or("", |from| from.email.as_str());
        one_of("mailbox", &self.mailbox, facts.mailbox)
            .or_else(|| matching("subject", &self.subject, [facts.mail.subject.as_str()]))
            .or_else(|| self.missed_sender(sender))
            .or_else(|| one_of("standing", &self.standing, &facts.standing))
            .or_else(|| self.missed_authentication(facts.verdict))
            .or_else(|| one_of("origin", &self.origin, &facts.origin))
            .or_else(|| self.missed_header(facts.mail))
            .or_else(|| match &facts.mail.language {
                Some(language) => one_of("language", &self.language, language),
                None if self.language.is_empty() => None,
                None => Some(miss("language", &self.language, "none told")),
            })
    }

    fn missed_sender(&self, sender: &str) -> Option<Miss> {
        let holds = self.sender.is_empty()
            || self
                .sender
                .iter()
                .any(|pattern| pattern.matches_address(sender));
        (!holds).then(|| miss("sender", &self.sender, sender))
    }

    fn missed_authentication(&self, verdict: &Verdict) -> Option<Miss> {
        let methods = [
            ("spf", Method::Spf, &self.spf),
            ("dkim", Method::Dkim, &self.dkim),
            ("dmarc", Method::Dmarc, &self.dmarc),
            ("arc", Method::Arc, &self.arc),
        ];
        let of_method = |(condition, method, wanted): (&str, Method, &Vec<Found>)| {
            let found = verdict.outcomes(method);
            let holds = wanted.is_empty() || found.iter().any(|it| wanted.contains(it));
            let told = || found.iter().map(words_of).collect::<Vec<_>>().join(", ");
            (!holds).then(|| miss(condition, wanted, &told()))
        };
        one_of("authentication", &self.authentication, &verdict.judgement)
            .or_else(|| methods.into_iter().find_map(of_method))
    }

    fn missed_header(&self, mail: &Mail) -> Option<Miss> {
        let mut conditions = self.header.iter();
        conditions.find_map(|(name, patterns)| {
            matching(
                &format!("header.{name}"),
                patterns,
                mail.headers.get_all(name),
            )
        })
    }
}

fn one_of<T: PartialEq + Serialize>(condition: &str, wanted: &[T], found: &T) -> Option<Miss> {
    let holds = wanted.is_empty() || wanted.contains(found);
    (!holds).then(|| miss(condition, wanted, &words_of(found)))
}

/// Misses when no value matches; a header field that is not there has none.
fn matching<'a>(
    condition: &str,
    wanted: &[Pattern],
    found: impl IntoIterator<Item = &'a str>,
) -> Option<Miss> {
    let found: Vec<&str> = found.into_iter().collect();
    let holds = wanted.is_empty()
        || found
            .iter()
            .any(|text| wanted.iter().any(|pattern| pattern.matches(text)));
    (!holds).then(|| miss(condition, wanted, &found.join("; ")))
}

fn miss<T: Serialize>(condition: &str, wanted: &[T], found: &str) -> Miss {
    let wanted: Vec<String> = wanted.iter().map(words_of).collect();
    Miss {
        condition: condition.to_owned(),
        wanted: wanted.join(", "),
        found: found.to_owned(),
    }
}

/// A value as the configuration spells it.
fn words_of<T: Serialize>(value: &T) -> String {
    struct Spelled<'a, T>(&'a T);
    impl<T: Serialize> fmt::Display for Spelled<'_, T> {
        fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.serialize(out)
        }
    }
    Spelled(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authentication::{Finding, Witness};
    use crate::reading::mail::Limits;
    use bytes::Bytes;

    fn rules(json: &str) -> Vec<Rule> {
        serde_json::from_str(json).unwrap()
    }

    fn outcomes(json: &str) -> Vec<Outcome> {
        let raw = "From: Ann <ann@it.example.org>\r\nSubject: VPN password lost\r\nX-Priority: 1 (Highest)\r\n\r\n\
                   Hello, I have lost the password. Please help.\r\n";
        let mail = crate::read(&Bytes::from(raw), &Limits::default());
        let facts = Facts {
            mail: &mail,
            mailbox: &EmailAddress::parse("desk@example.com").unwrap(),
            origin: Origin::Person,
            standing: Standing::Claimed,
            verdict: &Verdict {
                findings: vec![Finding {
                    method: Method::Spf,
                    outcome: Found::Softfail,
                    domain: None,
                    is_aligned: false,
                    by: Witness::Ours,
                    reason: String::new(),
                }],
                ..Verdict::default()
            },
        };
        let rules = rules(json);
        let explained = explain(&rules, &facts);
        let first = explained
            .iter()
            .position(|one| one.outcome == Outcome::Matched);
        assert_eq!(
            first_match(&rules, &facts),
            first.map(|first| &rules[first])
        );
        explained.into_iter().map(|one| one.outcome).collect()
    }

    fn missed(condition: &str, wanted: &str, found: &str) -> Outcome {
        Outcome::Missed(Miss {
            condition: condition.to_owned(),
            wanted: wanted.to_owned(),
            found: found.to_owned(),
        })
    }

    #[test]
    fn the_first_that_matches_decides_and_the_others_say_why_not() {
        let found = outcomes(
            r#"[{"name": "a", "when": {"subject": ["printer", "toner"]}, "then": {}},
                {"name": "b", "when": {"subject": ["PASSWORD"], "language": ["en"], "header": {"x-priority": ["1*"]}},
                 "then": {"queue": "accounts"}},
                {"name": "c", "then": {"kind": "incident"}}]"#,
        );
        let printer = missed("subject", "printer, toner", "VPN password lost");
        assert_eq!(found, [printer, Outcome::Matched, Outcome::MatchedTooLate]);
    }

    #[test]
    fn each_condition_tells_what_it_wants() {
        let check = |when: &str, expected: Outcome| {
            let json = format!(r#"[{{"name": "x", "when": {{{when}}}, "then": {{}}}}]"#);
            assert_eq!(outcomes(&json), [expected], "{when}");
        };
        check(
            r#""mailbox": ["hr@example.com"]"#,
            missed("mailbox", "hr@example.com", "desk@example.com"),
        );
        check(
            r#""standing": ["known", "unknown"]"#,
            missed("standing", "known, unknown", "claimed"),
        );
        check(r#""origin": ["list"]"#, missed("origin", "list", "person"));
        check(
            r#""authentication": ["passed", "failed"]"#,
            missed("authentication", "passed, failed", "unknown"),
        );
        check(
            r#""spf": ["pass"], "dkim": ["pass"]"#,
            missed("spf", "pass", "softfail"),
        );
        check(r#""dmarc": ["fail"]"#, missed("dmarc", "fail", "none"));
        check(
            r#""spf": ["fail", "softfail"], "dkim": ["none"]"#,
            Outcome::Matched,
        );
        check(
            r#""language": ["zh-TW"]"#,
            missed("language", "zh-TW", "en"),
        );
        check(
            r#""header": {"X-No": ["a"]}"#,
            missed("header.X-No", "a", ""),
        );
        check(
            r#""sender": ["@example.org"]"#,
            missed("sender", "@example.org", "ann@it.example.org"),
        );
        check(r#""sender": ["@it.example.org"]"#, Outcome::Matched);
        check(r#""sender": ["*.example.org"]"#, Outcome::Matched);
    }

    #[test]
    fn patterns_are_contained_or_whole() {
        let check = |pattern: &str, text: &str, expected| {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern}")
        };
        check("vpn", "My VPN is down", true);
        check("vpn*", "My VPN is down", false);
        check("*vpn*down", "My VPN is down", true);
        check("a*a", "a", false);
        check("", "anything", true);
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert!(serde_json::from_str::<Rule>(r#"{"name": "x", "then": {"que": "a"}}"#).is_err());
        assert!(serde_json::from_str::<Rule>(r#"{"name": "x", "then": {"urgency": 4}}"#).is_err());
        assert!(
            serde_json::from_str::<Rule>(r#"{"name": "x", "when": {"sujet": []}, "then": {}}"#)
                .is_err()
        );
    }
}
