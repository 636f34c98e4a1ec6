//! Configuration: one TOML file, read whole, checked whole, typed.
//!
//! Every fault is told at once with file, line, column and a sentence. What the file does not say has
//! a default, and every default listens on loopback. `RINGDOWN_SECTION__KEY` overrides a key;
//! passwords, tokens and addresses with passwords may be `{ file = "path" }`.

mod authentication;
mod check;
mod check_reports;
mod desk;
mod fault;
mod hours;
mod imap;
mod letters;
mod mail;
mod mailed_report;
mod queue_mail;
mod redis;
mod retention;
mod services;
mod source;
mod value;
mod voice;
mod working_time;

pub use authentication::{DkimKey, DmarcReject, DomainName};
pub use desk::{
    Affinity, Agent, AtClosing, CallBackOffer, CallBackRules, LogIn, NoAgents, NotReadyReason,
    PriorityByClass, Queue, Skill, SkillStep, Survey, Then, WayOut, needs,
};
pub use fault::{Fault, Faults, Place};
pub use hours::{Group, Holidays, Hours, QueueHours};
pub use imap::{ImapFolder, OAuth};
pub use letters::LetterTemplates;
pub use mail::{Email, MailAddress, Mailbox, Smarthost, SmarthostTls};
pub use mailed_report::{Every, MailedReport, Slot};
pub use queue_mail::{Escalation, QueueMail};
pub use redis::Redis;
pub use retention::Retention;
pub use services::{Cms, Database, Limits, Rights, Site, Tickets, Token, Web};
pub use value::{AddressRange, HourlyRate, Language, Region, Secret, Zone};
pub use voice::{AnswerMode, Media, Number, Sip, Trunk};

use ringdown_routing::ids::{AgentId, QueueId};
use ringdown_routing::time::Timestamp;
use serde::Deserialize;
use source::Source;
pub(crate) use source::sentence_of;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// The whole configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder of everything the gateway writes.
    #[serde(default = "data_dir")]
    pub data_dir: PathBuf,
    /// Where the desk is and what it speaks.
    pub site: Site,
    /// The signalling side.
    #[serde(default)]
    pub sip: Sip,
    /// The audio side.
    #[serde(default)]
    pub media: Media,
    /// Carriers and exchanges.
    #[serde(default, rename = "trunk")]
    pub trunks: Vec<Trunk>,
    /// What dialled numbers lead to.
    #[serde(default, rename = "number")]
    pub numbers: Vec<Number>,
    /// Lines.
    #[serde(default, rename = "queue")]
    pub queues: Vec<Queue>,
    /// People who take contacts.
    #[serde(default, rename = "agent")]
    pub agents: Vec<Agent>,
    /// What agents can do.
    #[serde(default, rename = "skill")]
    pub skills: Vec<Skill>,
    /// Why agents take no contacts; anything when there are none.
    #[serde(default, rename = "not_ready_reason")]
    pub not_ready_reasons: Vec<NotReadyReason>,
    /// The doors of mail.
    #[serde(default)]
    pub email: Email,
    /// Addresses people write to.
    #[serde(default, rename = "mailbox")]
    pub mailboxes: Vec<Mailbox>,
    /// Reports that are mailed by themselves.
    #[serde(default, rename = "report")]
    pub reports: Vec<MailedReport>,
    /// Opening hours by name.
    #[serde(default)]
    pub hours: BTreeMap<String, Hours>,
    /// Calendars of days that differ, by name.
    #[serde(default)]
    pub holidays: BTreeMap<String, Holidays>,
    /// Who people are.
    #[serde(default)]
    pub cms: Cms,
    /// How tickets are opened and numbered.
    #[serde(default)]
    pub tickets: Tickets,
    /// The shared queue; `None` keeps it in memory.
    pub redis: Option<Redis>,
    /// The database; `None` is a SQLite file in `data_dir`.
    pub database: Option<Database>,
    /// How long what is kept is kept.
    #[serde(default)]
    pub retention: Retention,
    /// The API.
    #[serde(default)]
    pub web: Web,
    /// Bounds.
    #[serde(default)]
    pub limits: Limits,
}

impl Config {
    /// Reads and checks a file, with the process's own variables.
    pub fn load(file: &Path) -> Result<Self, Faults> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            Faults(vec![Fault {
                place: Place::File(file.to_owned()),
                sentence: format!("cannot be read: {error}"),
            }])
        })?;
        let variables: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with(source::VARIABLE_PREFIX))
            .collect();
        Self::parse(file, &text, &variables)
    }

    /// Reads and checks a text that came from `file`, with these variables.
    pub fn parse(file: &Path, text: &str, variables: &[(String, String)]) -> Result<Self, Faults> {
        let mut source = Source::new(file, text, variables);
        let config = source.read::<Self>().map(|mut config| {
            let folder = file.parent().unwrap_or(Path::new(""));
            config.resolve_paths(folder);
            config
        });
        let config = config.map(|mut config| {
            check::check(&config, &mut source);
            if let Some(folder) = &config.email.templates {
                let queues = source.texts("queue", "id");
                config.email.letters = letters::read(folder, &queues, &mut source);
            }
            config
        });
        let faults = source.into_faults();
        config.filter(|_| faults.is_empty()).ok_or(Faults(faults))
    }

    /// The sample desk that `ringdown demo` runs.
    pub fn demo() -> Self {
        #[expect(
            clippy::expect_used,
            reason = "the text is part of this build, and tested"
        )]
        Self::parse(Path::new("ringdown.toml"), DEMO, &[]).expect("the sample is a configuration")
    }

    /// What a dialled number leads to.
    pub fn number(&self, dialled: &str) -> Option<&Number> {
        self.numbers.iter().find(|number| number.number == dialled)
    }

    /// A queue by its id.
    pub fn queue(&self, id: &QueueId) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.id == *id)
    }

    /// An agent by id, as far as the file knows.
    pub fn agent(&self, id: &AgentId) -> Option<&Agent> {
        self.agents.iter().find(|agent| agent.id == *id)
    }

    /// The trunk a request from this address comes by.
    pub fn trunk_of(&self, address: IpAddr) -> Option<&Trunk> {
        self.trunks.iter().find(|trunk| trunk.is_source(address))
    }

    /// The groups of a queue whose hours are open at that instant, in their order: each by the line that
    /// takes the contacts. Empty while the queue is closed by its hours.
    pub fn lines_by_hours<'c>(
        &'c self,
        queue: &'c Queue,
        at: Timestamp,
    ) -> impl Iterator<Item = &'c QueueId> {
        let (always, groups): (_, &[Group]) = match &queue.hours {
            None => (Some(&queue.id), &[]),
            Some(QueueHours::Named(name)) => {
                let is_open = self.are_hours_open(queue, name, None, at);
                (is_open.then_some(&queue.id), &[])
            }
            Some(QueueHours::Groups(groups)) => (None, groups),
        };
        let open = groups
            .iter()
            .filter(move |group| {
                self.are_hours_open(queue, &group.hours, group.time_zone.as_ref(), at)
            })
            .map(|group| group.queue.as_ref().unwrap_or(&queue.id));
        always.into_iter().chain(open)
    }

    fn are_hours_open(
        &self,
        queue: &Queue,
        name: &str,
        zone: Option<&Zone>,
        at: Timestamp,
    ) -> bool {
        let Some(hours) = self.hours.get(name) else {
            return true;
        };
        let zone = zone
            .or(hours.time_zone.as_ref())
            .or(queue.time_zone.as_ref())
            .unwrap_or(&self.site.time_zone);
        hours.is_open(at, zone.time_zone(), &self.holidays)
    }

    /// Address of the database: configured, or the file in `data_dir`.
    pub fn database_url(&self) -> Secret {
        match &self.database {
            Some(database) => database.url.clone(),
            None => {
                let file = self.data_dir.join("ringdown.sqlite");
                Secret::new(format!("sqlite:{}", file.display()))
            }
        }
    }

    fn resolve_paths(&mut self, folder: &Path) {
        self.data_dir = folder.join(&self.data_dir);
        let files = [
            &mut self.media.prompts,
            &mut self.media.music,
            &mut self.email.certificate,
            &mut self.email.key,
            &mut self.email.templates,
        ];
        let smarthost = self.email.smarthost.as_mut();
        let authority = smarthost.and_then(|smarthost| smarthost.authority.as_mut());
        let of_folders = self.email.folders.iter_mut();
        let of_folders = of_folders.flat_map(|it| {
            let of_tokens = it.oauth.as_mut().map(|oauth| &mut oauth.authority);
            [&mut it.token_file, &mut it.authority]
                .into_iter()
                .chain(of_tokens)
        });
        let files = files.into_iter().chain(of_folders).flatten();
        let of_signing = self.email.dkim.iter_mut().map(|it| &mut it.key);
        for path in files.chain(authority).chain(of_signing) {
            *path = folder.join(&*path);
        }
        if let Some(redis) = &mut self.redis {
            redis.resolve_paths(folder);
        }
    }
}

/// The sample desk's configuration.
pub const DEMO: &str = include_str!("../../fixtures/config/ringdown.toml");

fn data_dir() -> PathBuf {
    PathBuf::from("ringdown-data")
}

#[cfg(test)]
mod tests;
