//! Major incidents: a service is down, and callers hear so before they wait.
//!
//! Somebody declares an incident of a service of the CMS. Until it ends, callers of the numbers and lines it
//! concerns hear its message before the line, and who waits already hears it there; they may go on into the line, be noted for the incident and
//! leave, or leave a message of their own ([`messages`]). Who leaves is attached to the incident's ticket and
//! opens none.
//!
//! By default everybody hears it: the CMS is seldom complete, and who calls without owning the service may
//! well call about it. An incident for `owners` is heard only by callers whose record, or whose
//! organisation's, has the service. Of several incidents that of a service the caller has comes first, then
//! the newest.
//!
//! Mails wait as ever and are linked to the incident's ticket, those that waited already ([`waiting`]) and those that
//! come while it holds.
//!
//! Incidents stand in the database, so they survive a restart and hold for every gateway of the desk; each
//! looks for news every second.
//!
//! The invariant: an incident that was answered stands in the database, and a service has one at a time.

mod declare;
pub mod messages;
mod rows;
mod waiting;

#[cfg(test)]
mod tests;

pub use declare::{DeclareFault, Declared, TicketRef, Wish};
pub(crate) use waiting::untold_links;

use crate::config::Config;
use crate::database::{Database, DatabaseFault};
use ringdown_routing::event::{EventDraft, EventKind};
use ringdown_routing::ids::{CiId, IncidentId, QueueId, TicketId};
use ringdown_routing::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// One major incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Incident {
    /// Which.
    pub id: IncidentId,
    /// The service, by the CMS's key.
    pub service: CiId,
    /// Its name when the incident was declared.
    pub service_name: String,
    /// The ticket that callers are attached to.
    pub ticket: TicketId,
    /// That ticket's number.
    pub ticket_number: String,
    /// The site's own prompt that tells of it; the built-in one when `None`.
    pub say: Option<String>,
    /// The lines it concerns.
    pub queues: BTreeSet<QueueId>,
    /// The dialled numbers it concerns; with no line and no number it concerns all.
    pub numbers: BTreeSet<String>,
    /// Who hears it.
    pub audience: Audience,
    /// Why, for people; may be empty.
    pub reason: String,
    /// Who declared it.
    pub by: String,
    /// When.
    pub declared_at: Timestamp,
    /// From when on callers hear it.
    pub from_at: Timestamp,
    /// When it is over by itself; `None` when somebody has to end it.
    pub until_at: Option<Timestamp>,
}

/// Who hears of an incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Everybody who calls.
    #[default]
    Everybody,
    /// Callers whose record, or whose organisation's, has the service.
    Owners,
}

impl Audience {
    fn as_str(self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::Owners => "owners",
        }
    }

    fn of(word: &str) -> Self {
        match word {
            "owners" => Self::Owners,
            _ => Self::Everybody,
        }
    }
}

impl Incident {
    /// Whether callers hear it at that instant.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.from_at <= now && !self.is_over(now)
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.until_at.is_some_and(|until| until <= now)
    }

    fn concerns(&self, queue: &QueueId, dialled: &str) -> bool {
        let all = self.queues.is_empty() && self.numbers.is_empty();
        all || self.queues.contains(queue) || self.numbers.contains(dialled)
    }

    /// The event that it was declared.
    pub fn event(&self) -> EventDraft {
        let mut details = self.details();
        details.insert("audience".to_owned(), self.audience.as_str().to_owned());
        let optional = [
            (
                "reason",
                Some(self.reason.clone()).filter(|it| !it.is_empty()),
            ),
            ("say", self.say.clone()),
            ("queues", list(self.queues.iter().map(QueueId::as_str))),
            ("numbers", list(self.numbers.iter().map(String::as_str))),
            (
                "until_at",
                self.until_at.map(|it| it.as_millis().to_string()),
            ),
        ];
        for (name, value) in optional {
            details.extend(value.map(|value| (name.to_owned(), value)));
        }
        details.insert("from_at".to_owned(), self.from_at.as_millis().to_string());
        event(self.declared_at, &self.by, "incident_declared", details)
    }

    /// The event that somebody ended it.
    pub fn event_of_end(&self, at: Timestamp, by: &str) -> EventDraft {
        event(at, by, "incident_ended", self.details())
    }

    fn details(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("incident".to_owned(), self.id.to_string()),
            ("service".to_owned(), self.service.to_string()),
            ("ticket".to_owned(), self.ticket_number.clone()),
        ])
    }
}

fn list<'n>(names: impl Iterator<Item = &'n str>) -> Option<String> {
    let names: Vec<&str> = names.collect();
    (!names.is_empty()).then(|| names.join(","))
}

fn event(at: Timestamp, by: &str, act: &str, details: BTreeMap<String, String>) -> EventDraft {
    let kind = EventKind::Intervened {
        by: by.to_owned(),
        act: act.to_owned(),
        details,
    };
    EventDraft::of_desk(at, kind)
}

/// The incidents of a desk, as one gateway or command knows them.
#[derive(Debug)]
pub struct Incidents {
    config: Arc<Config>,
    database: Database,
    known: RwLock<Known>,
    looked_for: Mutex<waiting::LookedFor>,
}

#[derive(Debug, Default)]
struct Known {
    /// Those that nobody ended, the newest first.
    open: Vec<Arc<Incident>>,
    revision: i64,
}

impl Incidents {
    /// Reads what was declared.
    pub async fn start(config: Arc<Config>, database: Database) -> Result<Self, DatabaseFault> {
        let incidents = Self {
            config,
            database,
            known: RwLock::default(),
            looked_for: Mutex::default(),
        };
        incidents.read_news().await?;
        Ok(incidents)
    }

    /// The incident that a caller of this line and number is to hear of, if there is one; `has` tells
    /// whether the caller's record has a service.
    pub fn concerning(
        &self,
        queue: &QueueId,
        dialled: &str,
        has: impl Fn(&CiId) -> bool,
        now: Timestamp,
    ) -> Option<Arc<Incident>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let holds = |incident: &&Arc<Incident>| {
            incident.is_in_force(now) && incident.concerns(queue, dialled)
        };
        let of_caller = |incident: &&Arc<Incident>| has(&incident.service);
        let for_all = |incident: &&Arc<Incident>| incident.audience == Audience::Everybody;
        let mut holding = known.open.iter().filter(holds).filter(of_caller);
        let own = holding.next();
        own.or_else(|| known.open.iter().filter(holds).find(for_all))
            .map(Arc::clone)
    }

    /// The incidents that hold at that instant.
    pub fn in_force(&self, now: Timestamp) -> BTreeSet<IncidentId> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let holding = known
            .open
            .iter()
            .filter(|incident| incident.is_in_force(now));
        holding.map(|incident| incident.id.clone()).collect()
    }

    /// Those that hold or will hold, the newest first.
    pub fn open(&self, now: Timestamp) -> Vec<Arc<Incident>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let open = known.open.iter().filter(|incident| !incident.is_over(now));
        open.map(Arc::clone).collect()
    }

    /// Looks whether somebody elsewhere has declared or ended one, and links the mails that wait; is called every
    /// second.
    pub async fn keep_up(&self, now: Timestamp) {
        if let Err(fault) = self.read_news().await {
            tracing::debug!(%fault, "incidents: they cannot be read now");
        }
        if let Err(fault) = self.link_waiting(now).await {
            tracing::warn!(%fault, "incidents: mails that wait are not linked yet");
        }
    }

    /// Ends one, by its id or its service's; `None` when there is none. When this returns, nobody who calls
    /// this gateway hears of it.
    pub async fn end(
        &self,
        which: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<Option<Arc<Incident>>, DatabaseFault> {
        let open = self.open(now);
        let is_meant = |incident: &&Arc<Incident>| {
            incident.id.as_str() == which || incident.service.as_str() == which
        };
        let Some(incident) = open.iter().find(is_meant) else {
            return Ok(None);
        };
        rows::end(&self.database, &incident.id, by, now).await?;
        self.read_news().await?;
        Ok(Some(Arc::clone(incident)))
    }

    async fn read_news(&self) -> Result<(), DatabaseFault> {
        let revision = self.database.revision(rows::PART).await?;
        let is_known = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            known.revision == revision
        };
        if !is_known {
            let open = rows::read_open(&self.database).await?;
            let open = open.into_iter().map(Arc::new).collect();
            *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known { open, revision };
        }
        Ok(())
    }
}
