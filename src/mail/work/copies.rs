//! Who gets a copy of what is answered on a ticket: those in copy of the mail who take part, whoever reads along,
//! and, where one of these wrote it, whose ticket it is.

use super::deed::{Recipient, find_bad};
use super::reply::Asked;
use super::{Held, MailWork, WorkFault};
use crate::cti::mail_key;
use crate::database::DatabaseFault;
use crate::mail::watchers::{self, Watcher};
use crate::tickets::WatchReason;
use ringdown_email::{Mail, Mailbox};
use ringdown_routing::ids::TicketId;
use std::collections::BTreeSet;
use std::slice;

impl MailWork {
    /// Those of an answer to whoever wrote the mail, or to others. Whoever may get no copy is left out, for nobody
    /// named them now.
    pub(super) async fn who_reads_along(
        &self,
        held: &Held,
        asked: Option<&Asked>,
        goes_to: GoesTo,
    ) -> Result<Vec<Mailbox>, WorkFault> {
        let requester = match (goes_to, asked) {
            (GoesTo::Writer, Some(asked)) => self.requester(held.ticket, asked).await?,
            (GoesTo::Writer | GoesTo::Others, _) => None,
        };
        let requester = requester.map(|requester| requester.mailbox);
        let in_copy = asked.map_or(&[][..], |asked| &asked.mail.cc);
        let on_it: Vec<(String,)> = sqlx::query_as(MAY_BE_COPIED)
            .bind(row_of(held.ticket))
            .fetch_all(self.shared.database.reads())
            .await
            .map_err(DatabaseFault::from)?;
        let on_it: BTreeSet<String> = on_it.into_iter().map(|(address,)| address).collect();
        let in_copy = in_copy.iter().filter(|person| {
            mail_key(person.email.as_str()).is_some_and(|key| on_it.contains(&key))
        });
        let watchers = watchers::of_ticket(&self.shared.tickets, held.ticket).await?;
        let watchers = watchers.into_iter().map(|watcher| watcher.mailbox);
        let own = self.shared.intake.own();
        let mut seen = BTreeSet::new();
        let all = requester.into_iter().chain(in_copy.cloned());
        let all = all.chain(watchers);
        Ok(all
            .filter(|person| watchers::may_read_along(&person.email, own))
            .filter(|person| seen.insert(mail_key(person.email.as_str())))
            .collect())
    }

    /// Those who may be told by a machine what the sender of a mail is told.
    pub(super) async fn told_along(
        &self,
        ticket: TicketId,
        asked: &Asked,
        sender: &str,
    ) -> Result<Vec<Watcher>, WorkFault> {
        let (intake, now) = (&self.shared.intake, self.now());
        let requester = self.requester(ticket, asked).await?;
        let watchers = watchers::of_ticket(&self.shared.tickets, ticket).await?;
        let mut seen = BTreeSet::new();
        let watchers = requester.into_iter().chain(watchers);
        let watchers = watchers.filter(|watcher| seen.insert(watcher.key.clone()));
        let may = |watcher: &Watcher| {
            watcher.key != sender
                && watchers::may_read_along(&watcher.mailbox.email, intake.own())
                && intake.may_be_copied(&watcher.mailbox.email, ticket, now)
        };
        Ok(watchers.filter(may).collect())
    }

    /// Whose ticket it is, where somebody who reads along wrote the mail: who wrote its first one, as they want to be
    /// answered. `None` where they wrote this one themselves, or whoever did is no watcher: an agent may have
    /// asked others what the requester is not to read.
    async fn requester(
        &self,
        ticket: TicketId,
        asked: &Asked,
    ) -> Result<Option<Watcher>, WorkFault> {
        let key = |mailbox: &Mailbox| mail_key(mailbox.email.as_str());
        let Some(author) = asked.mail.from.as_ref().and_then(key) else {
            return Ok(None);
        };
        let watchers = self.shared.tickets.watchers(ticket).await?;
        let mut watchers = watchers.iter().map(|it| mail_key(&it.address));
        if !watchers.any(|watcher| watcher.as_ref() == Some(&author)) {
            return Ok(None);
        }
        let Some(first) = self.first_mail(ticket).await? else {
            return Ok(None);
        };
        if first.from.as_ref().and_then(key).as_ref() == Some(&author) {
            return Ok(None);
        }
        let requester = first.answer_to().cloned();
        // They are no watcher, and get this copy alone.
        let requester = requester.and_then(|it| Watcher::new(it, WatchReason::ByHand));
        let own = self.shared.intake.own();
        let Some(requester) =
            requester.filter(|it| watchers::may_read_along(&it.mailbox.email, own))
        else {
            return Ok(None);
        };
        let recipient = Recipient::from(requester.clone());
        let database = &self.shared.database;
        let mut reads = database
            .reads()
            .acquire()
            .await
            .map_err(DatabaseFault::from)?;
        let bad = find_bad(database.engine(), &mut reads, slice::from_ref(&recipient)).await?;
        Ok(bad.is_empty().then_some(requester))
    }

    /// The first mail of a person on a ticket, if one is kept.
    async fn first_mail(&self, ticket: TicketId) -> Result<Option<Mail>, WorkFault> {
        let found: Option<(String, i64)> = sqlx::query_as(FIRST_MAIL)
            .bind(row_of(ticket))
            .fetch_optional(self.shared.database.reads())
            .await
            .map_err(DatabaseFault::from)?;
        let Some((sha256, bytes)) = found else {
            return Ok(None);
        };
        let intake = &self.shared.intake;
        let _room = intake.room_for(u64::try_from(bytes).unwrap_or(0)).await;
        let octets = self.octets(&sha256).await?;
        Ok(Some(intake.reread(octets).await))
    }
}

/// Whom an answer goes to, before anybody gets a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GoesTo {
    /// Whoever wrote the mail.
    Writer,
    /// Those whom the agent named.
    Others,
}

fn row_of(ticket: TicketId) -> i64 {
    i64::try_from(ticket.as_u64()).unwrap_or(i64::MAX)
}

const FIRST_MAIL: &str = "\
SELECT m.raw_sha256, m.bytes FROM articles a JOIN mails m ON m.article = a.id
WHERE a.ticket = $1 AND a.direction = 'in' AND a.automatic IS NULL ORDER BY a.at, a.id LIMIT 1";

/// Who takes part, but those whose address is no good, and those whom the desk wants to get no copies.
const MAY_BE_COPIED: &str = "\
SELECT a.address FROM ticket_addresses a WHERE a.ticket = $1
    AND NOT EXISTS (SELECT 1 FROM bad_addresses b WHERE b.address = a.address)
    AND NOT EXISTS (SELECT 1 FROM ticket_watchers w
        WHERE w.ticket = a.ticket AND w.address = a.address AND w.left_at IS NOT NULL)";
