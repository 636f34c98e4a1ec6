//! How well it went, as people say who have the link: once for each contact, until the link ends. What callers key in
//! is noted on the ticket in the same way.

use super::deed::{Deed, Done, Note, insert_note};
use super::{MailWork, WorkFault};
use crate::database::{DatabaseFault, Engine};
use crate::satisfaction::{self, Judgement, Kept};
use ringdown_email::survey::SurveyLink;
use ringdown_routing::ids::TicketId;
use sqlx::AnyConnection;

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
        self.record(link.contact).await?;
        let judgement = Judgement {
            contact: link.contact,
            queue: None,
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

/// Keeps a judgement, and notes it on the ticket; part of the writer's transaction.
pub(super) async fn judge(
    engine: Engine,
    connection: &mut AnyConnection,
    judgement: &Judgement,
) -> Result<Done, DatabaseFault> {
    let ticket = match satisfaction::keep(engine, connection, judgement).await? {
        Kept::Before => return Ok(Done::Repeated),
        Kept::First { ticket: None } => return Ok(Done::Written { note: None }),
        Kept::First {
            ticket: Some(ticket),
        } => TicketId::new(u64::try_from(ticket).unwrap_or_default()),
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
