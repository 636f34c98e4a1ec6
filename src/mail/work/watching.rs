//! Who reads along by word of the desk: added and taken off by hand.
//!
//! Whoever is taken off gets no copies from then on, and no rule brings them back; only the desk does. What they
//! write still comes to the ticket, where an agent sees it.

use super::deed::{Deed, Done, Refused, find_bad, key};
use super::joining;
use super::{MailWork, WorkFault};
use crate::database::{DatabaseFault, Engine};
use crate::kept_answers::RequestMark;
use crate::mail::watchers::{OF_TICKET_MAX, Watcher, may_read_along};
use crate::tickets::{TicketWatcher, WatchReason};
use ringdown_email::Mailbox;
use ringdown_routing::ids::TicketId;
use ringdown_routing::time::Timestamp;
use serde_json::{Value, json};
use sqlx::AnyConnection;

/// Somebody is to read along on a ticket, or no more.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    ticket: TicketId,
    watcher: Watcher,
    wish: Wish,
    at: Timestamp,
}

#[derive(Clone, Debug)]
enum Wish {
    /// They are to, as this person of the desk says.
    In(String),
    /// They are not.
    Out,
}

/// What came of adding somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// They read along from now on.
    Now(TicketWatcher),
    /// They did already.
    Before(TicketWatcher),
}

impl MailWork {
    /// Has somebody read along on a ticket.
    pub(crate) async fn add_watcher(
        &self,
        ticket: TicketId,
        mailbox: Mailbox,
        (by, mark): (&str, Option<&RequestMark>),
    ) -> Result<Added, WorkFault> {
        let address = mailbox.email.clone();
        if !may_read_along(&address, self.shared.intake.own()) {
            let sentence =
                format!("nobody reads what is sent to {address}, or it is the desk's own");
            return Err(WorkFault::Unfit(sentence));
        }
        let watcher = watcher(mailbox)?;
        if let Some(known) = self.watcher_of(ticket, &watcher).await? {
            return Ok(Added::Before(known));
        }
        let at = self.now();
        let shown = TicketWatcher {
            address: watcher.mailbox.email.as_str().to_owned(),
            name: watcher.mailbox.name.clone(),
            since_at: at,
            why: WatchReason::ByHand,
            by: Some(by.to_owned()),
            is_refusing: false,
        };
        let wish = Wish::In(by.to_owned());
        let watch = Watch {
            ticket,
            watcher,
            wish,
            at,
        };
        self.watch(watch, (201, json!(shown)), mark).await?;
        Ok(Added::Now(shown))
    }

    /// Has somebody read along no more.
    pub(crate) async fn remove_watcher(
        &self,
        ticket: TicketId,
        mailbox: Mailbox,
        mark: Option<&RequestMark>,
    ) -> Result<(), WorkFault> {
        let watch = Watch {
            ticket,
            watcher: watcher(mailbox)?,
            wish: Wish::Out,
            at: self.now(),
        };
        self.watch(watch, (204, Value::Null), mark).await
    }

    async fn watcher_of(
        &self,
        ticket: TicketId,
        wanted: &Watcher,
    ) -> Result<Option<TicketWatcher>, WorkFault> {
        let all = self.shared.tickets.watchers(ticket).await?;
        let is_it = |known: &TicketWatcher| {
            crate::cti::mail_key(&known.address).as_ref() == Some(&wanted.key)
        };
        Ok(all.into_iter().find(is_it))
    }

    async fn watch(
        &self,
        watch: Watch,
        answer: (u16, Value),
        mark: Option<&RequestMark>,
    ) -> Result<(), WorkFault> {
        let at = watch.at;
        let deed = Deed::Watch(Box::new(watch)).marked(mark, answer, at);
        match self.shared.database.do_deed(deed).await? {
            Done::Refused(refused) => Err(refused.into()),
            Done::Written { .. } | Done::Repeated | Done::Merged { .. } | Done::Split(_) => Ok(()),
        }
    }
}

fn watcher(mailbox: Mailbox) -> Result<Watcher, WorkFault> {
    let address = mailbox.email.to_string();
    let watcher = Watcher::new(mailbox, WatchReason::ByHand);
    watcher.ok_or_else(|| WorkFault::Unfit(format!("`{address}` is not a mail address")))
}

/// Writes who reads along; part of the writer's transaction.
pub(super) async fn watch(
    engine: Engine,
    connection: &mut AnyConnection,
    watch: &Watch,
) -> Result<Done, DatabaseFault> {
    let Some((number, _, merged_into)) = joining::find(engine, connection, watch.ticket).await?
    else {
        let sentence = format!("no ticket {}", watch.ticket);
        return Ok(Done::Refused(Refused::Unknown(sentence)));
    };
    if merged_into.is_some() {
        let sentence = format!("{number} has gone into another ticket");
        return Ok(Done::Refused(Refused::NotNow(sentence)));
    }
    match &watch.wish {
        Wish::In(by) => add(engine, connection, watch, by).await,
        Wish::Out => remove(engine, connection, watch, &number).await,
    }
}

async fn add(
    engine: Engine,
    connection: &mut AnyConnection,
    watch: &Watch,
    by: &str,
) -> Result<Done, DatabaseFault> {
    let (mailbox, address) = (&watch.watcher.mailbox, &watch.watcher.key);
    let refused = |sentence: String| Ok(Done::Refused(Refused::NotNow(sentence)));
    let recipient = watch.watcher.clone().into();
    if !find_bad(engine, connection, &[recipient]).await?.is_empty() {
        return refused(format!("{} has refused our mail for good", mailbox.email));
    }
    let (count,): (i64,) = sqlx::query_as(engine.sql(HOW_MANY))
        .bind(key(watch.ticket))
        .fetch_one(&mut *connection)
        .await?;
    if count >= i64::from(OF_TICKET_MAX) {
        return refused(format!("{OF_TICKET_MAX} read along already"));
    }
    sqlx::query(engine.sql(ADD))
        .bind(key(watch.ticket))
        .bind(address.clone())
        .bind(mailbox.email.as_str().to_owned())
        .bind(mailbox.name.clone())
        .bind(watch.at.as_millis())
        .bind(by.to_owned())
        .execute(&mut *connection)
        .await?;
    // Whoever gets copies may answer them.
    sqlx::query(engine.sql(joining::INSERT_ADDRESS))
        .bind(key(watch.ticket))
        .bind(address.clone())
        .execute(connection)
        .await?;
    Ok(Done::Written { note: None })
}

async fn remove(
    engine: Engine,
    connection: &mut AnyConnection,
    watch: &Watch,
    number: &str,
) -> Result<Done, DatabaseFault> {
    let removed = sqlx::query(engine.sql(REMOVE))
        .bind(key(watch.ticket))
        .bind(watch.watcher.key.clone())
        .bind(watch.at.as_millis())
        .execute(connection)
        .await?;
    if removed.rows_affected() == 0 {
        let sentence = format!(
            "{} does not read along on {number}",
            watch.watcher.mailbox.email
        );
        return Ok(Done::Refused(Refused::Unknown(sentence)));
    }
    Ok(Done::Written { note: None })
}

const HOW_MANY: &str = "SELECT COUNT(*) FROM ticket_watchers WHERE ticket = $1 AND left_at IS NULL";

const ADD: &str = "\
INSERT INTO ticket_watchers (ticket, address, email, name, at, why, given_by) VALUES ($1, $2, $3, $4, $5, 'by_hand', $6)
ON CONFLICT (ticket, address) DO UPDATE SET email = excluded.email, name = COALESCE(excluded.name, ticket_watchers.name),
    at = excluded.at, why = excluded.why, given_by = excluded.given_by, left_at = NULL";

const REMOVE: &str = "\
UPDATE ticket_watchers SET left_at = $3 WHERE ticket = $1 AND address = $2 AND left_at IS NULL";
