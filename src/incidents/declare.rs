//! Declaring an incident: what was asked is checked against CMS, tickets and configuration, then written.

use super::{Audience, Incident, Incidents, rows};
use crate::cms::{Ci, Cms};
use crate::database::DatabaseFault;
use crate::site_prompts::SitePrompts;
use crate::tickets::{Kind, TicketStatus, TicketWish, Tickets, TicketsQuery};
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::{ContactId, IncidentId, QueueId, TicketId};
use ringdown_routing::time::Timestamp;
use serde::Deserialize;
use std::sync::Arc;

/// What somebody asks for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Makes asking twice harmless: the same gives the same incident.
    pub key: ContactId,
    /// The service, by the CMS's key or its name.
    pub service: String,
    /// Its ticket; one is opened when `None`.
    pub ticket: Option<TicketRef>,
    /// The site's own prompt that tells of it.
    pub say: Option<String>,
    /// The lines it concerns.
    pub queues: Vec<QueueId>,
    /// The dialled numbers it concerns.
    pub numbers: Vec<String>,
    /// Who hears it.
    pub audience: Audience,
    /// Why, for people.
    pub reason: String,
    /// Who asks.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// From when on it holds; at once when `None`.
    pub from: Option<Timestamp>,
    /// When it is over by itself.
    pub until: Option<Timestamp>,
}

/// A ticket by its key or its number.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum TicketRef {
    /// The key.
    Key(TicketId),
    /// The number, as people say it.
    Number(String),
}

/// Why no incident was declared; nothing is changed then.
#[derive(Debug, thiserror::Error)]
pub enum DeclareFault {
    /// The CMS has no such service.
    #[error("the CMS has no service `{0}`")]
    NoService(String),
    /// Several services have that name.
    #[error("the CMS has several services `{name}`: give one of the keys {keys}")]
    SeveralServices {
        /// The name.
        name: String,
        /// Their keys.
        keys: String,
    },
    /// There is no such ticket.
    #[error("there is no ticket {0}")]
    NoTicket(String),
    /// The ticket is over.
    #[error("the ticket {0} is closed")]
    TicketClosed(String),
    /// The configuration has no such queue.
    #[error("there is no queue `{0}`")]
    NoQueue(QueueId),
    /// The configuration has no such number.
    #[error("there is no number `{0}`")]
    NoNumber(String),
    /// There is no such prompt.
    #[error("no {0}.wav that can be played is in the folders of [media]")]
    NoPrompt(String),
    /// It would be over before it begins.
    #[error("`until` is not after now and after `from`")]
    OverAlready,
    /// The service has one.
    #[error("the service `{service}` has the incident {incident} already")]
    Declared {
        /// The service's name.
        service: String,
        /// The incident.
        incident: IncidentId,
    },
    /// It could not be written down.
    #[error(transparent)]
    Database(#[from] DatabaseFault),
}

/// What was declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declared {
    /// It is new.
    New(Arc<Incident>),
    /// It was declared before under the same key.
    Before(Arc<Incident>),
}

impl Incidents {
    /// Declares an incident: when this returns, callers of this gateway hear of it, and those of others
    /// within a second or two.
    pub async fn declare(
        &self,
        wish: Wish,
        tickets: &Tickets,
        prompts: &SitePrompts,
    ) -> Result<Declared, DeclareFault> {
        let id = IncidentId::new(wish.key.to_string());
        if let Some(before) = rows::read_one(&self.database, &id).await? {
            return Ok(Declared::Before(Arc::new(before)));
        }
        self.check(&wish, prompts)?;
        let service = self.service(&wish.service).await?;
        self.read_news().await?;
        self.must_be_alone(&service, &id, wish.at)?;
        let (ticket, ticket_number) = match &wish.ticket {
            Some(ticket) => find_ticket(tickets, ticket).await?,
            None => self.open_ticket(tickets, &wish, &service).await?,
        };
        let incident = Incident {
            id: id.clone(),
            service: service.id.clone(),
            service_name: service.name.clone(),
            ticket,
            ticket_number,
            say: wish.say,
            queues: wish.queues.into_iter().collect(),
            numbers: wish.numbers.into_iter().collect(),
            audience: wish.audience,
            reason: wish.reason,
            by: wish.by,
            declared_at: wish.at,
            from_at: wish.from.unwrap_or(wish.at),
            until_at: wish.until,
        };
        rows::put(&self.database, &incident).await?;
        self.read_news().await?;
        // Another gateway may have been faster by a moment.
        self.must_be_alone(&service, &id, wish.at)?;
        Ok(Declared::New(Arc::new(incident)))
    }

    fn check(&self, wish: &Wish, prompts: &SitePrompts) -> Result<(), DeclareFault> {
        let begins = wish.from.unwrap_or(wish.at).max(wish.at);
        if wish.until.is_some_and(|until| until <= begins) {
            return Err(DeclareFault::OverAlready);
        }
        let queue = |queue: &&QueueId| self.config.queue(queue).is_none();
        if let Some(queue) = wish.queues.iter().find(queue) {
            return Err(DeclareFault::NoQueue(queue.clone()));
        }
        let number = |number: &&String| self.config.number(number).is_none();
        if let Some(number) = wish.numbers.iter().find(number) {
            return Err(DeclareFault::NoNumber(number.clone()));
        }
        match &wish.say {
            Some(say) if !prompts.look_again(say) => Err(DeclareFault::NoPrompt(say.clone())),
            Some(_) | None => Ok(()),
        }
    }

    async fn service(&self, key: &str) -> Result<Ci, DeclareFault> {
        let mut found = Cms::new(self.database.clone()).cis_named(key).await?;
        match found.len() {
            0 => Err(DeclareFault::NoService(key.to_owned())),
            1 => Ok(found.remove(0)),
            _ => {
                let keys: Vec<&str> = found.iter().map(|ci| ci.id.as_str()).collect();
                Err(DeclareFault::SeveralServices {
                    name: key.to_owned(),
                    keys: keys.join(", "),
                })
            }
        }
    }

    fn must_be_alone(
        &self,
        service: &Ci,
        id: &IncidentId,
        now: Timestamp,
    ) -> Result<(), DeclareFault> {
        let open = self.open(now);
        let other = open
            .iter()
            .find(|other| other.service == service.id && other.id != *id);
        match other {
            None => Ok(()),
            Some(other) => Err(DeclareFault::Declared {
                service: service.name.clone(),
                incident: other.id.clone(),
            }),
        }
    }

    async fn open_ticket(
        &self,
        tickets: &Tickets,
        wish: &Wish,
        service: &Ci,
    ) -> Result<(TicketId, String), DeclareFault> {
        let subject = match self.config.site.language.primary() {
            "zh" => format!("重大事故：{}", service.name),
            _ => format!("Major incident: {}", service.name),
        };
        let wish = TicketWish {
            contact: wish.key,
            at: wish.at,
            channel: Channel::Voice,
            from: String::new(),
            queue: wish.queues.first().cloned(),
            caller: None,
            organisation: None,
            class: None,
            cis: vec![service.id.clone()],
            keyed_in: None,
            kind: Kind::Incident,
            subject,
        };
        let opened = tickets.open_for_incident(wish).await?;
        Ok((opened.ticket, opened.number))
    }
}

async fn find_ticket(
    tickets: &Tickets,
    which: &TicketRef,
) -> Result<(TicketId, String), DeclareFault> {
    let (id, name) = match which {
        TicketRef::Key(id) => (Some(*id), id.to_string()),
        TicketRef::Number(number) => {
            let query = TicketsQuery {
                number: Some(number.clone()),
                ..TicketsQuery::default()
            };
            let found = tickets.list(&query, 1).await?;
            (found.first().map(|ticket| ticket.id), number.clone())
        }
    };
    let found = match id {
        Some(id) => tickets.ticket(id).await?,
        None => None,
    };
    let ticket = found.ok_or(DeclareFault::NoTicket(name))?;
    match ticket.status {
        TicketStatus::Closed => Err(DeclareFault::TicketClosed(ticket.number)),
        TicketStatus::Open | TicketStatus::InProgress | TicketStatus::Solved => {
            Ok((ticket.id, ticket.number))
        }
    }
}
