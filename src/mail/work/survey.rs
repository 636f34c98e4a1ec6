//! How well it went, as people say who have the link: once for each contact, until the link ends.

use super::deed::{Deed, Done, Note, insert_note};
use super::{MailWork, WorkFault};
use crate::database::{DatabaseFault, Engine};
use ringdown_email::survey::SurveyLink;
use ringdown_routing::ids::{AgentId, ContactId, QueueId, TicketId};
use ringdown_routing::time::Timestamp;
use sqlx::AnyConnection;

/// What somebody says.
#[derive(Clone, Debug)]
pub(crate) struct Judgement {
    contact: ContactId,
    ticket: Option<TicketId>,
    queue: Option<QueueId>,
    agent: Option<AgentId>,
    /// 1 (badly) to 5.
    score: u8,
    comment: String,
    at: Timestamp,
}

/// What a link leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Survey {
    /// It was not made here.
    Unknown,
    /// Its time is over.
    Over,
    /// It was answered.
    Answered,
    /// It may be answered.
    Open { number: String },
}

impl MailWork {
    /// What a link leads to now.
    pub(crate) async fn survey(&self, token: &str) -> Result<Survey, WorkFault> {
        let Some(link) = self.link(token).await? else {
            return Ok(Survey::Unknown);
        };
        let reads = self.shared.database.reads();
        let answered: Option<(i64,)> =
            sqlx::query_as("SELECT score FROM satisfaction WHERE contact = $1")
                .bind(link.contact.to_string())
                .fetch_optional(reads)
                .await
                .map_err(DatabaseFault::from)?;
        if answered.is_some() {
            return Ok(Survey::Answered);
        }
        if link.until <= self.now() {
            return Ok(Survey::Over);
        }
        let number: Option<(String,)> = sqlx::query_as(
            "SELECT t.number FROM ticket_contacts l JOIN tickets t ON t.id = l.ticket WHERE l.contact = $1",
        )
        .bind(link.contact.to_string())
        .fetch_optional(reads)
        .await
        .map_err(DatabaseFault::from)?;
        Ok(number.map_or(Survey::Unknown, |(number,)| Survey::Open { number }))
    }

    /// Keeps what somebody says; the first word stands.
    pub(crate) async fn judge(
        &self,
        token: &str,
        score: u8,
        comment: &str,
    ) -> Result<Survey, WorkFault> {
        let found = self.survey(token).await?;
        let (Survey::Open { .. }, Some(link)) = (&found, self.link(token).await?) else {
            return Ok(found);
        };
        let record = self.record(link.contact).await?;
        let judgement = Judgement {
            contact: link.contact,
            ticket: record.ticket,
            queue: record.queue,
            agent: record.agent,
            score,
            comment: comment.to_owned(),
            at: self.now(),
        };
        match self
            .shared
            .database
            .do_deed(Deed::Judge(Box::new(judgement)))
            .await?
        {
            Done::Repeated => Ok(Survey::Answered),
            Done::Written { .. } | Done::Merged { .. } | Done::Split(_) | Done::Refused(_) => {
                Ok(found)
            }
        }
    }

    async fn link(&self, token: &str) -> Result<Option<SurveyLink>, WorkFault> {
        let key = self.shared.intake.survey_key().await?;
        Ok(SurveyLink::verify(token, &key))
    }
}

/// Keeps a judgement, and tells it on the ticket; part of the writer's transaction.
pub(super) async fn judge(
    engine: Engine,
    connection: &mut AnyConnection,
    judgement: &Judgement,
) -> Result<Done, DatabaseFault> {
    let ticket = judgement.ticket.map(super::deed::key);
    let new: Option<(String,)> = sqlx::query_as(engine.sql(INSERT))
        .bind(judgement.contact.to_string())
        .bind(ticket)
        .bind(judgement.queue.as_ref().map(ToString::to_string))
        .bind(judgement.agent.as_ref().map(ToString::to_string))
        .bind(i64::from(judgement.score))
        .bind(judgement.comment.clone())
        .bind(judgement.at.as_millis())
        .fetch_optional(&mut *connection)
        .await?;
    if new.is_none() {
        return Ok(Done::Repeated);
    }
    let Some(ticket) = judgement.ticket else {
        return Ok(Done::Written { note: None });
    };
    let text = format!(
        "How it went: {} of 5. {}",
        judgement.score, judgement.comment
    );
    let note = Note {
        author: String::new(),
        text: text.trim_end().to_owned(),
    };
    let note = insert_note(engine, connection, (ticket, judgement.at), &note).await?;
    Ok(Done::Written { note: Some(note) })
}

const INSERT: &str = "\
INSERT INTO satisfaction (contact, ticket, queue, agent, score, comment, at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (contact) DO NOTHING RETURNING contact";
