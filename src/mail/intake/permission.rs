//! Whether anybody may be told anything that a person did not write: the guards against loops, kept at one place.
//!
//! Why not is counted by its reason.

use super::{Arrival, Intake, config};
use crate::cms::Caller;
use crate::cti::mail_key;
use crate::database::{Database, DatabaseFault};
use crate::mail::letters::Acknowledgement;
use crate::mail::tally::Silence;
use ringdown_email::automatic::{LoopBounds, LoopGuard, ReturnPath, WhyNot, may_answer};
use ringdown_email::composing::Thread;
use ringdown_email::reading::mail::Mail;
use ringdown_email::rules::Treatment;
use ringdown_email::{EmailAddress, Mailbox};
use ringdown_routing::ids::TicketId;
use ringdown_routing::time::Timestamp;

impl Intake {
    /// What the sender is to be told, if anything may be told: never to a machine, and to nobody whose mails
    /// come faster than a person writes.
    pub(super) fn acknowledgement(
        &self,
        arrived: &Arrival,
        mailbox: &config::Mailbox,
        mail: &Mail,
        treatment: &Treatment,
        return_path: &ReturnPath,
        known: Option<&Caller>,
    ) -> Result<Acknowledgement, Silence> {
        let shared = &self.shared;
        let is_wanted = treatment.acknowledge.unwrap_or(mailbox.acknowledge);
        if !shared.sends || !is_wanted || arrived.is_spam {
            return Err(Silence::Unwanted);
        }
        may_answer(mail, return_path, &shared.own)?;
        let to = mail.answer_to().ok_or(WhyNot::NoSender)?;
        // A new ticket has no flow of its own yet.
        self.guard()
            .may_send(arrived.at, &to.email, TicketId::new(0))?;
        let spoken = known.and_then(|caller| caller.language.as_ref());
        let spoken = spoken.or(mailbox.language.as_ref());
        Ok(Acknowledgement {
            to: to.clone(),
            to_key: mail_key(to.email.as_str()).ok_or(WhyNot::NoSender)?,
            mailbox: arrived.mailbox.clone(),
            queue: arrived.queue.clone(),
            language: spoken.map(|language| language.as_str().to_owned()),
            subject: mail.subject.clone(),
            thread: Thread::answering(mail),
            contact: arrived.contact,
            at: arrived.at,
            cc: Vec::new(),
            incident: None,
        })
    }

    /// Whom a note about a mail may go to that nobody asked for, if to anybody; it is counted as sent.
    pub(in crate::mail) fn may_be_told(
        &self,
        mail: &Mail,
        return_path: &ReturnPath,
        ticket: TicketId,
        now: Timestamp,
    ) -> Option<Mailbox> {
        let receiver = || {
            may_answer(mail, return_path, &self.shared.own)?;
            let to = mail.answer_to().ok_or(WhyNot::NoSender)?;
            let mut guard = self.guard();
            guard.may_send(now, &to.email, ticket)?;
            guard.count(now, &to.email, ticket);
            Ok(to.clone())
        };
        receiver()
            .map_err(|why: WhyNot| self.shared.tally.count_silence(NOTE, why.into()))
            .ok()
    }

    /// Whether a copy of a note may go to somebody who reads along.
    pub(in crate::mail) fn may_be_copied(
        &self,
        to: &EmailAddress,
        ticket: TicketId,
        now: Timestamp,
    ) -> bool {
        let may = self.guard().may_send(now, to, ticket);
        may.map_err(|why| self.shared.tally.count_silence(NOTE, why.into()))
            .is_ok()
    }
}

/// What the guard against loops knew before a restart: the mails of its window.
pub(super) async fn remember(
    database: &Database,
    bounds: LoopBounds,
    now: Timestamp,
) -> Result<LoopGuard, DatabaseFault> {
    let since = now - bounds.sender.window.max(bounds.ticket.window);
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT sender, ticket, at FROM mails WHERE at > $1 ORDER BY at DESC LIMIT 20000",
    )
    .bind(since.as_millis())
    .fetch_all(database.reads())
    .await?;
    let mut guard = LoopGuard::new(bounds);
    for (sender, ticket, at) in rows.into_iter().rev() {
        if let Some(sender) = EmailAddress::parse(&sender) {
            let ticket = TicketId::new(u64::try_from(ticket).unwrap_or(0));
            guard.count(Timestamp::from_millis(at), &sender, ticket);
        }
    }
    Ok(guard)
}

/// What is suppressed, in a word.
const NOTE: &str = "note";
