//! `[site]`, `[cms]`, `[tickets]`, `[database]`, `[web]` and `[limits]`.

use super::value::{HourlyRate, Language, Region, Secret, Zone, millis, seconds};
use ringdown_routing::ids::AgentId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// `[site]`: where the desk is and what it speaks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Its name, for people.
    #[serde(default = "service_desk")]
    pub name: String,
    /// The region whose numbering plan national numbers follow.
    pub region: Region,
    /// Language of prompts when nothing else says which.
    #[serde(default = "english")]
    pub language: Language,
    /// Time zone of reports, opening hours and ticket numbers.
    #[serde(default = "Zone::utc")]
    pub time_zone: Zone,
    /// What an hour of a logged-in agent costs, where neither the agent nor a queue of theirs says; costs are not
    /// reported for whom nothing says it.
    pub cost_per_hour: Option<HourlyRate>,
    /// In which currency: the three letters of ISO 4217.
    pub currency: Option<String>,
}

/// `[cms]`: who people are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cms {
    /// Longest a contact waits for the answer.
    #[serde(rename = "deadline_ms", deserialize_with = "millis")]
    pub deadline: Duration,
    /// Pause before an unavailable CMS is asked again in the background.
    #[serde(rename = "retry_after_s", deserialize_with = "seconds")]
    pub retry_after: Duration,
    /// Most times it is asked again for one contact.
    pub retries_max: u32,
    /// Most contacts that are asked again at one time.
    pub retrying_max: u32,
}

impl Default for Cms {
    fn default() -> Self {
        Self {
            deadline: Duration::from_millis(800),
            retry_after: Duration::from_secs(5),
            retries_max: 5,
            retrying_max: 1_000,
        }
    }
}

/// `[tickets]`: how tickets are opened and numbered.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tickets {
    /// Text before date and counter of a number: `RD` of `RD-20261123-0007`.
    pub prefix: String,
    /// A call this soon after an abandoned one of the same caller belongs to its ticket.
    #[serde(rename = "repeat_call_window_s", deserialize_with = "seconds")]
    pub repeat_call_window: Duration,
    /// Priority by impact (row) and urgency (column), each 1 high to 3 low; 1 is the most urgent.
    pub matrix: [[u8; 3]; 3],
    /// Impact by the caller's class 1 to 3.
    pub impact_by_class: [u8; 3],
    /// Impact when nobody knows the class.
    pub impact_unknown: u8,
    /// Urgency of a new ticket.
    pub urgency: u8,
    /// Within which time a ticket is to be solved, by its priority from 1 on, in seconds by the clock; a
    /// priority beyond the list has no target.
    pub targets_s: Vec<u64>,
    /// How long callers of class 1, 2 and 3 put up with waiting, by symptom, in seconds.
    pub tolerable_wait_s: BTreeMap<String, [u64; 3]>,
}

impl Default for Tickets {
    fn default() -> Self {
        Self {
            prefix: "RD".to_owned(),
            repeat_call_window: Duration::from_secs(900),
            matrix: [[1, 2, 3], [2, 3, 4], [3, 4, 5]],
            impact_by_class: [1, 2, 3],
            impact_unknown: 3,
            urgency: 2,
            targets_s: [4, 8, 24, 72, 120].map(|hours| hours * 3_600).to_vec(),
            tolerable_wait_s: [
                ("system_crash", [10, 15, 30]),
                ("no_access", [15, 20, 40]),
                ("slow", [20, 30, 60]),
            ]
            .map(|(symptom, minutes)| (symptom.to_owned(), minutes.map(|it: u64| it * 60)))
            .into(),
        }
    }
}

/// `[database]`: what must last. Without this section it is a SQLite file in `data_dir`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `postgres://user:password@host/name` or `sqlite:path`.
    pub url: Secret,
    /// Connections for reading; writing has one of its own.
    #[serde(default = "four")]
    pub connections_max: u32,
}

/// `[web]`: the API and its doors.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Web {
    /// Address of the API and pages.
    pub listen: SocketAddr,
    /// Address of `/healthz`, `/readyz` and `/metrics`.
    pub operations_listen: SocketAddr,
    /// Bearer tokens that the API takes.
    pub tokens: Vec<Token>,
    /// Agents who see the reports: what each queue and each agent did.
    pub managers: Vec<AgentId>,
    /// Where people reach the pages, such as `https://desk.example`; with `https` the cookie is sent over TLS alone.
    pub public_url: Option<String>,
}

impl Default for Web {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            operations_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)),
            tokens: Vec::new(),
            managers: Vec::new(),
            public_url: None,
        }
    }
}

impl Web {
    /// Whether people reach the pages over TLS, as far as the configuration says.
    pub fn is_reached_by_tls(&self) -> bool {
        let url = self.public_url.as_deref();
        url.is_some_and(|url| url.starts_with("https://"))
    }
}

/// One bearer token of the API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Who uses it, for the log.
    pub name: String,
    /// The token.
    pub token: Secret,
    /// What it may do.
    #[serde(default)]
    pub rights: Rights,
    /// Whose it is; goes with the right `agent`.
    pub agent: Option<AgentId>,
}

/// What a bearer token may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rights {
    /// Look.
    #[default]
    Read,
    /// Look, and do the work of one agent.
    Agent,
    /// Look and change.
    Write,
}

impl Rights {
    /// The word in configuration and database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Agent => "agent",
            Self::Write => "write",
        }
    }
}

/// `[limits]`: bounds of what the world can make us hold.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most calls at one time; more get 503 with Retry-After.
    pub calls_max: u32,
    /// Most new calls in one second; more get 503 with Retry-After.
    pub calls_per_second_max: u32,
    /// Longest call.
    #[serde(rename = "call_max_s", deserialize_with = "seconds")]
    pub call_max: Duration,
    /// Most registered phones.
    pub registrations_max: u32,
    /// Most TCP connections.
    pub connections_max: u32,
    /// Most events, tickets and contact records held in memory while the database cannot be written.
    pub unwritten_max: u32,
    /// SIP messages kept per call for `ringdown trace`.
    pub trace_messages_max: u32,
    /// Whether they are kept of calls that were answered, too, not only of those that were not.
    pub trace_answered: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls_max: 5_000,
            calls_per_second_max: 500,
            call_max: Duration::from_secs(4 * 3_600),
            registrations_max: 10_000,
            connections_max: 10_000,
            unwritten_max: 100_000,
            trace_messages_max: 64,
            trace_answered: true,
        }
    }
}

fn service_desk() -> String {
    "Service desk".to_owned()
}

#[expect(clippy::expect_used, reason = "the tag is a constant of this file")]
fn english() -> Language {
    "en".parse().expect("`en` is a language tag")
}

fn four() -> u32 {
    4
}
