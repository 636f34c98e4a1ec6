//! What agents do with the mails in their hands: answer, close, pass on, put aside.
//!
//! | module | what lives here |
//! |---|---|
//! | [`MailWork`] | the commands |
//! | `reply` | an agent's answer as a letter: whom it goes to, what it quotes, its thread |
//! | `deed` | what a command writes, in one transaction |
//! | `escalation` | mails whose answer is due soon, put forward once |
//! | `copies` | who gets a copy of what is answered |
//! | `notes` | what senders are told by rule |
//! | `survey` | how well it went, by a signed link |
//! | `figures` | how answers went, by line |
//! | `joining` | two tickets become one, and a mail of one a ticket of its own |
//! | `uploads` | files that go with an answer |
//! | `watching` | who reads along by word of the desk |
//! | `orders` | what follows in the line, and is carried out after a crash as well |
//! | `attend` | offers that nobody takes, agents who leave with mails in their hands, orders that are left |
//!
//! The invariants: a command is written whole or not at all; an answer that was confirmed is in the outbox, and
//! the same request sent again makes no second one, not even after a crash; a mail in the hands of an agent
//! who is gone comes back to its old place in the line.

pub(crate) mod attend;
mod copies;
pub(crate) mod deed;
mod escalation;
mod figures;
mod joining;
mod notes;
mod orders;
mod reply;
mod survey;
#[cfg(test)]
mod tests;
mod uploads;
#[cfg(test)]
mod watched_tests;
mod watching;

pub(crate) use figures::DEFINITIONS;
pub(crate) use reply::AnswerWish;
pub(crate) use survey::Survey;
pub(crate) use watching::Added;

use super::Intake;
use super::due::WaitingEnd;
use super::tally::MailTally;
use crate::acd::{Acd, StoreLost};
use crate::cms::Cms;
use crate::config::Config;
use crate::database::{Database, DatabaseFault};
use crate::event_log::{ContactRecord, EventLog};
use crate::kept_answers::{self, RequestMark};
use crate::tickets::{TicketStatus, Tickets};
use deed::{Command, Deed, Done, LetterToSend, Note};
use notes::Told;
use orders::{Act, Carried, Order};
use ringdown_routing::contact::{Channel, Place};
use ringdown_routing::ids::{AgentId, ContactId, OfferToken, QueueId, TicketId};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::Refusal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

/// The commands on mails; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct MailWork {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    intake: Intake,
    acd: Acd,
    database: Database,
    config: Arc<Config>,
    tickets: Tickets,
    log: EventLog,
    cms: Cms,
}

/// Why a command was not carried out; nothing is changed then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkFault {
    /// There is no such thing; the sentence says what.
    #[error("{0}")]
    Unknown(String),
    /// It cannot be now; the sentence says why.
    #[error("{0}")]
    NotNow(String),
    /// It can never be so; the sentence says why.
    #[error("{0}")]
    Unfit(String),
    /// It has more octets than are taken.
    #[error("at most {0} octets are taken")]
    TooLarge(u64),
    /// It could not be written.
    #[error(transparent)]
    Database(#[from] DatabaseFault),
    /// The line could not be asked.
    #[error(transparent)]
    Store(#[from] StoreLost),
}

/// A mail in an agent's hands.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// Which contact.
    pub(crate) contact: ContactId,
    /// Who has it.
    pub(crate) agent: AgentId,
    /// Its ticket.
    pub(crate) ticket: TicketId,
    /// The request that is about it, if it has a key.
    mark: Option<RequestMark>,
    token: OfferToken,
    record: ContactRecord,
}

impl Held {
    /// The request with this mark is about it.
    pub(crate) fn marked(self, mark: Option<RequestMark>) -> Self {
        Self { mark, ..self }
    }

    /// The line it came by.
    pub(crate) fn queue(&self) -> Option<&QueueId> {
        self.record.queue.as_ref()
    }
}

/// How a ticket ends with its mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    /// It is solved; the sender may still object.
    #[default]
    Solved,
    /// It is over.
    Closed,
}

impl Ending {
    fn status(self) -> TicketStatus {
        match self {
            Self::Solved => TicketStatus::Solved,
            Self::Closed => TicketStatus::Closed,
        }
    }
}

/// Whether the contact is over with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Afterwards {
    /// The agent has it still.
    Active,
    /// It stands in a line again.
    Waiting,
    /// It is over.
    Ended,
    /// What was ordered is written, and will be carried out when the line can be changed again.
    Ordered,
}

/// Where a mail is passed on to.
#[derive(Clone, Debug)]
pub(crate) struct HandOver {
    pub(crate) to: QueueId,
    pub(crate) keep_for: Option<AgentId>,
    pub(crate) note: String,
}

impl MailWork {
    pub(crate) fn new(
        intake: Intake,
        acd: Acd,
        database: &Database,
        config: Arc<Config>,
        tickets: Tickets,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                intake,
                acd,
                log: EventLog::new(database.clone()),
                cms: Cms::new(database.clone()),
                database: database.clone(),
                config,
                tickets,
            }),
        }
    }

    /// What mail has done so far.
    pub(crate) fn tally(&self) -> &MailTally {
        self.shared.intake.tally()
    }

    fn now(&self) -> Timestamp {
        self.shared.acd.now()
    }

    /// The mail, if an agent has it.
    pub(crate) async fn held(&self, contact: ContactId) -> Result<Held, WorkFault> {
        let record = self.record(contact).await?;
        let place = orders::find(self, contact).map(|placed| placed.place);
        let (agent, token) = match place {
            Some(Place::Active { agent, token, .. }) => (agent, token),
            Some(Place::Waiting | Place::Offered { .. }) => {
                return Err(WorkFault::NotNow("no agent has the contact".to_owned()));
            }
            None => return Err(WorkFault::NotNow("the contact has ended".to_owned())),
        };
        let ticket = record
            .ticket
            .ok_or_else(|| WorkFault::NotNow("the contact has no ticket yet".to_owned()))?;
        Ok(Held {
            contact,
            agent,
            ticket,
            mark: None,
            token,
            record,
        })
    }

    /// Writes what a command does to a mail, and that its request was done.
    async fn write(&self, held: &Held, command: Command) -> Result<Done, DatabaseFault> {
        let answer = json!({
            "contact": held.contact,
            "ticket": held.ticket,
            "state": Afterwards::Ordered,
        });
        let deed = Deed::from(command).marked(held.mark.as_ref(), (200, answer), self.now());
        self.shared.database.do_deed(deed).await
    }

    async fn record(&self, contact: ContactId) -> Result<ContactRecord, WorkFault> {
        let record = self.shared.log.contact(contact).await?;
        let record = record.ok_or_else(|| WorkFault::Unknown(format!("no contact `{contact}`")))?;
        match record.channel {
            Some(Channel::Email) => Ok(record),
            Some(Channel::Voice | Channel::Fax | Channel::Chat) | None => Err(WorkFault::NotNow(
                "only a mail can be handled so".to_owned(),
            )),
        }
    }

    /// The mail is done with: its ticket ends so.
    pub(crate) async fn close(
        &self,
        held: &Held,
        ending: Ending,
        result: &str,
        told: &str,
    ) -> Result<Afterwards, WorkFault> {
        let letters = self
            .told_by_rule(held, &[Told::Done(told), Told::Asks])
            .await?;
        let order = Order {
            contact: held.contact,
            act: Act::Complete(held.token),
        };
        let command = Command {
            status: Some(ending.status()),
            resolution: Some(result.to_owned()),
            letters,
            order: Some(order.clone()),
            waiting: Some(WaitingEnd::Dropped),
            ..Command::on(held.ticket, self.now())
        };
        self.write(held, command).await?;
        Ok(self.carry_out(&order).await)
    }

    /// The mail is unwanted: its ticket is over, nobody is answered, and the sender's later mails are put aside
    /// where the configuration says so.
    pub(crate) async fn mark_spam(&self, held: &Held, by: &str) -> Result<Afterwards, WorkFault> {
        let order = Order {
            contact: held.contact,
            act: Act::Complete(held.token),
        };
        let sender = held.record.from.as_deref().and_then(crate::cti::mail_key);
        let is_listed = self.shared.config.email.spam_senders_aside;
        let command = Command {
            status: Some(TicketStatus::Closed),
            resolution: Some(SPAM.to_owned()),
            order: Some(order.clone()),
            spam: sender
                .filter(|_| is_listed)
                .map(|sender| (sender, by.to_owned())),
            waiting: Some(WaitingEnd::Dropped),
            ..Command::on(held.ticket, self.now())
        };
        self.write(held, command).await?;
        Ok(self.carry_out(&order).await)
    }

    /// The mail goes to another line or agent, with its age; the note is written in the same step.
    pub(crate) async fn hand_over(
        &self,
        held: &Held,
        goal: HandOver,
        by: &str,
    ) -> Result<Afterwards, WorkFault> {
        self.must_be_taken(held, &goal)?;
        let letters = if held.queue() == Some(&goal.to) {
            Vec::new()
        } else {
            self.told_by_rule(held, &[Told::Passed(&goal.to)]).await?
        };
        let order = Order {
            contact: held.contact,
            act: Act::HandOver {
                token: held.token,
                to: goal.to,
                keep_for: goal.keep_for,
            },
        };
        let note = Note {
            author: by.to_owned(),
            text: goal.note,
        };
        let command = Command {
            note: Some(note).filter(|note| !note.text.is_empty()),
            order: Some(order.clone()),
            ..Command::on(held.ticket, self.now())
        };
        let done = self.write(held, command).await?;
        match orders::carry_out(self, &order).await {
            Ok(Carried::Out) => {
                // Said only once it is so; what a machine says is rather not said than wrong.
                self.send_notes(held, letters).await;
                Ok(Afterwards::Waiting)
            }
            Ok(Carried::Refused(reason)) => {
                self.take_back(held, &order, done).await?;
                Err(WorkFault::NotNow(refusal(reason).to_owned()))
            }
            Ok(Carried::Overtaken) => {
                self.take_back(held, &order, done).await?;
                let sentence = "the agent has the contact no more";
                Err(WorkFault::NotNow(sentence.to_owned()))
            }
            Err(_) => Ok(Afterwards::Ordered),
        }
    }

    async fn send_notes(&self, held: &Held, letters: Vec<LetterToSend>) {
        if letters.is_empty() {
            return;
        }
        let command = Command {
            letters,
            ..Command::on(held.ticket, self.now())
        };
        if let Err(fault) = self.shared.database.do_deed(command.into()).await {
            tracing::warn!(contact = %held.contact, %fault, "a note to the sender was not written");
        }
    }

    /// What cannot be is said before anything is written.
    fn must_be_taken(&self, held: &Held, goal: &HandOver) -> Result<(), WorkFault> {
        let is_elsewhere = held.record.queue.as_ref() != Some(&goal.to);
        self.shared.acd.read(|view| {
            let rules = view
                .queue(&goal.to)
                .ok_or_else(|| WorkFault::Unfit(format!("no queue `{}`", goal.to)))?;
            if is_elsewhere && !rules.is_open {
                return Err(WorkFault::NotNow(refusal(Refusal::QueueClosed).to_owned()));
            }
            if let Some(agent) = &goal.keep_for {
                let known = view
                    .agent(agent)
                    .ok_or_else(|| WorkFault::Unfit(format!("no agent `{agent}`")))?;
                if !known.profile.serves(&goal.to, Channel::Email) {
                    let sentence = format!("`{agent}` takes no mails of `{}`", goal.to);
                    return Err(WorkFault::Unfit(sentence));
                }
            }
            Ok(())
        })
    }

    /// The line refused what was written down already.
    async fn take_back(&self, held: &Held, order: &Order, done: Done) -> Result<(), WorkFault> {
        let note = match done {
            Done::Written { note } => note,
            Done::Repeated | Done::Merged { .. } | Done::Split(_) | Done::Refused(_) => None,
        };
        let note = note.map(|id| {
            crate::database::Statement::new("DELETE FROM articles WHERE id = $1", vec![id.into()])
        });
        let statements = [orders::removal(order)].into_iter().chain(note);
        let kept = held.mark.as_ref().map(kept_answers::removal);
        let statements = statements.chain(kept).collect();
        Ok(self.shared.database.write(statements).await?)
    }

    /// Carries a committed order out; what cannot be now is done at the next look.
    async fn carry_out(&self, order: &Order) -> Afterwards {
        match orders::carry_out(self, order).await {
            Ok(Carried::Out | Carried::Overtaken) => {
                // Told is told: the end is in the database before anybody hears of it.
                if let Err(fault) = self.shared.log.flush().await {
                    tracing::debug!(%fault, "a mail's end is not stored yet");
                }
                match orders::find(self, order.contact) {
                    Some(placed) if order.is_overtaken_by(&placed) => Afterwards::Active,
                    Some(_) | None => Afterwards::Ended,
                }
            }
            Ok(Carried::Refused(_)) | Err(_) => Afterwards::Ordered,
        }
    }
}

fn refusal(reason: Refusal) -> &'static str {
    match reason {
        Refusal::QueueClosed => "the queue is closed",
        Refusal::QueueFull => "the queue is full",
        Refusal::UnknownQueue
        | Refusal::UnknownContact
        | Refusal::UnknownAgent
        | Refusal::NotWaiting
        | Refusal::NotActive
        | Refusal::AgentNotFree
        | Refusal::NotEligible
        | Refusal::QueueAtItsLimit
        | Refusal::TooManyAtOnce
        | Refusal::NoWrapUp
        | Refusal::NoTimeLeft
        | Refusal::StaleOffer
        | Refusal::AlreadyEnded => "the contact cannot be passed on now",
    }
}

/// The resolution of a ticket that was spam.
const SPAM: &str = "spam";
