//! Tickets: every contact has one, exactly one, and people find there what the contact was.
//!
//! [`Tickets::open`] asks for a contact's ticket. The rules ([`Rule`]) attach it to one that is there
//! or open a new one, in the transaction that stores the contact's record; asked again for the same
//! contact, the answer is the same ticket. What a call was (wait, talk, agent, result) is never copied:
//! its article is read from the contact's record, so an abandoned or failed call is a trace as well.

mod articles;
mod facets;
mod link;
mod reading;
mod symptom;
mod telling;
mod watchers;

pub use articles::{Article, Attachment, CallFacts, Direction};
pub(crate) use facets::{facet_columns, facets_of, mark_learnt};
pub use link::{Linked, OpenTicket, Opened, Rule};
pub(crate) use link::{link, name_callers};
pub use reading::{AnswerDue, Ticket, TicketSummary, TicketsQuery, WHOLE_MAX};
pub(crate) use telling::{Mint, tell};
pub use watchers::{TicketWatcher, WatchReason};

use crate::config::{Config, Zone};
use crate::database::{Database, DatabaseFault, Statement};
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::{CallerId, CiId, ContactId, OrganisationId, QueueId, TicketId};
use ringdown_routing::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

/// The ticket store of the desk; clones share it.
#[derive(Clone, Debug)]
pub struct Tickets {
    database: Database,
    rules: crate::config::Tickets,
    lines: BTreeMap<QueueId, Line>,
    zone: Zone,
}

/// What a ticket store knows of a line.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// 1 the first, 2 the one behind it.
    line: u8,
    service_level: Duration,
}

/// What kind of work a ticket is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Something does not work.
    #[default]
    Incident,
    /// Somebody wants something.
    ServiceRequest,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Incident => "incident",
            Self::ServiceRequest => "service_request",
        }
    }
}

/// How far a ticket has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketStatus {
    /// Nobody works on it yet.
    #[default]
    Open,
    /// Somebody works on it.
    InProgress,
    /// Solved; the caller may still object.
    Solved,
    /// Over; nothing is attached to it any more.
    Closed,
}

impl TicketStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::InProgress => "in_progress",
            Self::Solved => "solved",
            Self::Closed => "closed",
        }
    }
}

/// A grade of impact or urgency: 1 high, 2 middle, 3 low.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

/// What is known of a contact when its ticket is asked for.
#[derive(Clone, Debug)]
pub struct TicketWish {
    /// The contact; the key that makes asking twice harmless.
    pub contact: ContactId,
    /// When.
    pub at: Timestamp,
    /// How it came in.
    pub channel: Channel,
    /// Who, exactly as the contact's `Arrived` event says it; empty when withheld.
    pub from: String,
    /// The line.
    pub queue: Option<QueueId>,
    /// The person, when one is known.
    pub caller: Option<CallerId>,
    /// The person's organisation.
    pub organisation: Option<OrganisationId>,
    /// The person's class 1 to 3.
    pub class: Option<u8>,
    /// CIs the contact is about; usually the one the caller has, if it is the only one.
    pub cis: Vec<CiId>,
    /// A ticket number as the caller keyed it in, digits only.
    pub keyed_in: Option<String>,
    /// Kind of a new ticket.
    pub kind: Kind,
    /// Subject of a new ticket.
    pub subject: String,
}

/// What a person changes on a ticket; `None` leaves it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TicketChange {
    /// New status.
    pub status: Option<TicketStatus>,
    /// New kind.
    pub kind: Option<Kind>,
    /// New impact.
    pub impact: Option<Grade>,
    /// New urgency.
    pub urgency: Option<Grade>,
    /// New subject.
    pub subject: Option<String>,
    /// The line it is brought to; another line than the first escalates it.
    pub queue: Option<QueueId>,
    /// What the caller complains of, one of `[tickets] tolerable_wait_s`.
    pub symptom: Option<String>,
    /// Something to remember on it, seen by the desk only.
    pub note: Option<String>,
    /// Who changes it; the server knows, a client does not say.
    #[serde(skip)]
    pub author: String,
}

impl Tickets {
    /// The tickets in this database, by the configuration's rules.
    pub fn new(database: Database, config: &Config) -> Self {
        Self {
            database,
            rules: config.tickets.clone(),
            lines: config
                .queues
                .iter()
                .map(|queue| {
                    let line = Line {
                        line: queue.line,
                        service_level: queue.service_level,
                    };
                    (queue.id.clone(), line)
                })
                .collect(),
            zone: config.site.time_zone.clone(),
        }
    }

    /// Asks for the contact's ticket; the answer comes when it is committed. Whoever stops waiting
    /// loses only the answer: the ticket is written, at once or when the database can be written again.
    pub fn open(
        &self,
        wish: TicketWish,
    ) -> impl Future<Output = Result<Linked, DatabaseFault>> + Send + 'static {
        let answer = self
            .database
            .writer()
            .link(self.resolve(wish, Opened::ForContact));
        async move { answer.await.unwrap_or(Err(DatabaseFault::Backlog)) }
    }

    /// Opens a ticket that no contact asked for. `wish.contact` is the key that makes asking twice
    /// harmless, and names no contact.
    pub fn open_by_hand(
        &self,
        wish: TicketWish,
    ) -> impl Future<Output = Result<Linked, DatabaseFault>> + Send + 'static {
        let answer = self
            .database
            .writer()
            .link(self.resolve(wish, Opened::ByHand));
        async move { answer.await.unwrap_or(Err(DatabaseFault::Backlog)) }
    }

    /// Opens the ticket of a major incident, graded as one; `wish.contact` is the key that makes asking
    /// twice harmless, and names no contact.
    pub fn open_for_incident(
        &self,
        wish: TicketWish,
    ) -> impl Future<Output = Result<Linked, DatabaseFault>> + Send + 'static {
        let mut open = self.resolve(wish, Opened::ByHand);
        self.grade(&mut open, Some(Grade(1)), Some(Grade(1)));
        let answer = self.database.writer().link(open);
        async move { answer.await.unwrap_or(Err(DatabaseFault::Backlog)) }
    }

    /// Attaches a contact to the ticket of a major incident, like [`Tickets::open`].
    pub fn attach_to_incident(
        &self,
        wish: TicketWish,
        ticket: TicketId,
    ) -> impl Future<Output = Result<Linked, DatabaseFault>> + Send + 'static {
        let mut open = self.resolve(wish, Opened::ForContact);
        open.attach_to(ticket, Rule::Incident);
        let answer = self.database.writer().link(open);
        async move { answer.await.unwrap_or(Err(DatabaseFault::Backlog)) }
    }

    /// Changes a ticket, and its priority with impact and urgency; `None` when there is no such ticket.
    pub async fn change(
        &self,
        id: TicketId,
        change: &TicketChange,
        at: Timestamp,
    ) -> Result<Option<Ticket>, DatabaseFault> {
        let Some(ticket) = self.ticket(id).await? else {
            return Ok(None);
        };
        let impact = change.impact.unwrap_or(ticket.impact);
        let urgency = change.urgency.unwrap_or(ticket.urgency);
        let is_regraded = change.impact.is_some() || change.urgency.is_some();
        let priority = if is_regraded {
            self.priority(impact, urgency)
        } else {
            ticket.priority
        };
        let is_behind = change
            .queue
            .as_ref()
            .is_some_and(|queue| !self.is_first_line(Some(queue)));
        let escalated_at = is_behind.then_some(at);
        let queue = change.queue.as_ref().or(ticket.queue.as_ref());
        let symptom = change.symptom.as_ref();
        let symptom = symptom.and_then(|symptom| self.recorded(symptom, queue));
        let statement = Statement::new(
            "UPDATE tickets SET status = $1, kind = $2, impact = $3, urgency = $4, priority = $5, \
             subject = $6, changed_at = $7, told_at = NULL, target_ms = $9, queue = COALESCE($10, queue), \
             escalated_at = COALESCE(escalated_at, $11), symptom = COALESCE($12, symptom) WHERE id = $8",
            vec![
                change.status.unwrap_or(ticket.status).as_str().into(),
                change.kind.unwrap_or(ticket.kind).as_str().into(),
                i64::from(impact.0).into(),
                i64::from(urgency.0).into(),
                i64::from(priority).into(),
                change.subject.clone().unwrap_or(ticket.subject).into(),
                at.as_millis().into(),
                i64::try_from(id.as_u64()).unwrap_or(i64::MAX).into(),
                self.target_ms(priority).into(),
                change.queue.as_ref().map(ToString::to_string).into(),
                escalated_at.map(Timestamp::as_millis).into(),
                symptom.into(),
            ],
        );
        let note = change.note.as_ref().filter(|note| !note.trim().is_empty());
        let note = note.map(|note| note_of(id, &change.author, note, at));
        let is_over = matches!(
            change.status,
            Some(TicketStatus::Solved | TicketStatus::Closed)
        );
        let waits_no_more = is_over.then(|| {
            Statement::new(
                "UPDATE answers_due SET state = 'dropped' WHERE ticket = $1 AND state = 'due'",
                vec![i64::try_from(id.as_u64()).unwrap_or(i64::MAX).into()],
            )
        });
        let statements = [statement].into_iter().chain(waits_no_more).chain(note);
        let statements = statements.collect();
        self.database.write(statements).await?;
        self.ticket(id).await
    }

    /// Priority of this impact and urgency, 1 the most urgent.
    pub fn priority(&self, impact: Grade, urgency: Grade) -> u8 {
        let place = |grade: Grade| usize::from(grade.0.clamp(1, 3) - 1);
        self.rules.matrix[place(impact)][place(urgency)]
    }

    /// Whether there is such a symptom.
    pub fn knows_symptom(&self, symptom: &str) -> bool {
        self.rules.tolerable_wait_s.contains_key(symptom)
    }

    /// Whether there is such a line.
    pub fn knows_queue(&self, queue: &QueueId) -> bool {
        self.lines.contains_key(queue)
    }

    /// A symptom as a ticket keeps it.
    fn recorded(&self, symptom: &str, queue: Option<&QueueId>) -> Option<String> {
        let tolerable_s = self.rules.tolerable_wait_s.get(symptom)?;
        let line = queue.and_then(|queue| self.lines.get(queue));
        let service_level = line.map_or(Duration::from_secs(20), |line| line.service_level);
        let recorded = symptom::Recorded {
            symptom: symptom.to_owned(),
            tolerable_ms: tolerable_s.map(|seconds| seconds.saturating_mul(1_000)),
            service_level_ms: u64::try_from(service_level.as_millis()).unwrap_or(u64::MAX),
        };
        serde_json::to_string(&recorded).ok()
    }

    fn is_first_line(&self, queue: Option<&QueueId>) -> bool {
        let line = queue.and_then(|queue| self.lines.get(queue));
        line.is_none_or(|line| line.line <= 1)
    }

    /// Within which time tickets of a priority are to be solved.
    fn target_ms(&self, priority: u8) -> Option<i64> {
        let place = usize::from(priority).checked_sub(1)?;
        let seconds = self.rules.targets_s.get(place)?;
        i64::try_from(seconds.saturating_mul(1_000)).ok()
    }

    /// A wish with the rules of the configuration applied, for a writer that has more to write with it.
    pub(crate) fn wish_for(&self, wish: TicketWish) -> OpenTicket {
        self.resolve(wish, Opened::ForContact)
    }

    /// Gives a wish other grades than those that follow from the caller's class.
    pub(crate) fn grade(
        &self,
        wish: &mut OpenTicket,
        impact: Option<Grade>,
        urgency: Option<Grade>,
    ) {
        wish.impact = impact.unwrap_or(wish.impact);
        wish.urgency = urgency.unwrap_or(wish.urgency);
        wish.priority = self.priority(wish.impact, wish.urgency);
        wish.target_ms = self.target_ms(wish.priority);
    }

    fn resolve(&self, wish: TicketWish, opened: Opened) -> OpenTicket {
        let impact = match wish.class {
            Some(class @ 1..=3) => self.rules.impact_by_class[usize::from(class) - 1],
            Some(_) | None => self.rules.impact_unknown,
        };
        let (impact, urgency) = (
            Grade(impact.clamp(1, 3)),
            Grade(self.rules.urgency.clamp(1, 3)),
        );
        let window = self.rules.repeat_call_window;
        let priority = self.priority(impact, urgency);
        let is_eligible = match opened {
            Opened::ForContact => self.is_first_line(wish.queue.as_ref()),
            Opened::ByHand => false,
        };
        OpenTicket {
            contact: wish.contact,
            opened,
            at: wish.at,
            from: Some(wish.from).filter(|from| !from.is_empty()),
            queue: wish.queue,
            caller: wish.caller,
            organisation: wish.organisation,
            cis: wish.cis,
            digits: wish.keyed_in,
            attach: None,
            abandoned_since: match wish.channel {
                Channel::Voice => Some(wish.at - window),
                Channel::Email | Channel::Fax | Channel::Chat => None,
            },
            kind: wish.kind,
            impact,
            urgency,
            priority,
            is_eligible,
            target_ms: self.target_ms(priority),
            subject: wish.subject,
            prefix: self.rules.prefix.clone(),
            date: date_of(wish.at, &self.zone),
        }
    }
}

fn note_of(id: TicketId, author: &str, note: &str, at: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO articles (ticket, channel, direction, sender, recipient, subject, body, at) \
         VALUES ($1, NULL, 'internal', $2, '', '', $3, $4)",
        vec![
            i64::try_from(id.as_u64()).unwrap_or(i64::MAX).into(),
            author.into(),
            note.into(),
            at.as_millis().into(),
        ],
    )
}

/// The day a ticket's number names, `20261123`, by the site's clock.
fn date_of(at: Timestamp, zone: &Zone) -> String {
    let instant = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    let local = instant.to_zoned(zone.time_zone().clone());
    local.strftime("%Y%m%d").to_string()
}

#[cfg(test)]
mod tests;
