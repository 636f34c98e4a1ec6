//! Who reads along on a ticket: those whom a rule of `[[email.rule]]` names (`watchers`) or finds in copy of a
//! mail (`watch_cc`).
//!
//! They stand in Cc of what its agents answer and of the note that it is done, so that everybody sees who reads
//! along and an answer to all reaches all; each has an outbox row and an outcome of their own. Of what a machine
//! says they get nothing else, but acknowledgements where `[email] acknowledge_watchers` wants it. Nobody reads
//! along at the desk's own addresses, at those that read nothing, or where our mail was refused for good; and
//! a machine's or a forged mail brings nobody but whom the rule itself names.
//!
//! Where a watcher writes to the ticket, whose ticket it is gets a copy of what is answered there, and of the note
//! that it is done: nobody finds out from others what became of their own request. The quote tells what was asked.

use super::filing::MailToFile;
use super::rows::execute;
use crate::cti::mail_key;
use crate::database::{DatabaseFault, Engine};
use crate::tickets::{Tickets, WatchReason};
use ringdown_email::automatic::{Origin, OwnAddresses, is_unattended};
use ringdown_email::rules::Treatment;
use ringdown_email::threading::Authentication;
use ringdown_email::{EmailAddress, Mail, Mailbox};
use ringdown_routing::ids::TicketId;
use serde_json::json;
use sqlx::AnyConnection;
use std::collections::BTreeSet;

/// Somebody who reads along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Watcher {
    pub(super) mailbox: Mailbox,
    /// The address's plain form.
    pub(super) key: String,
    /// How they became one.
    pub(super) why: WatchReason,
}

impl Watcher {
    pub(super) fn new(mailbox: Mailbox, why: WatchReason) -> Option<Self> {
        let key = mail_key(mailbox.email.as_str())?;
        Some(Self { mailbox, key, why })
    }
}

/// Whose mails are taken onto the ticket: the sender's, and those a rule names.
pub(super) fn participants(mail: &Mail, treatment: &Treatment) -> BTreeSet<String> {
    let sender = mail.from.iter().map(|from| &from.email);
    let cc = mail.cc.iter().map(|cc| &cc.email);
    let cc = cc.filter(|_| treatment.watch_cc == Some(true));
    let people = sender.chain(cc).chain(&treatment.watchers);
    people
        .filter_map(|address| mail_key(address.as_str()))
        .collect()
}

/// Whether a copy may go to an address.
pub(super) fn may_read_along(address: &EmailAddress, own: &OwnAddresses) -> bool {
    !own.has(address) && !is_unattended(address)
}

/// Whom a mail makes watchers of its ticket.
pub(super) fn watchers_of(
    mail: &Mail,
    treatment: &Treatment,
    (origin, authentication): (Origin, Authentication),
    own: &OwnAddresses,
) -> Vec<Watcher> {
    let is_trusted = origin == Origin::Person && authentication != Authentication::Failed;
    let brings_copies = is_trusted && treatment.watch_cc == Some(true);
    let named = treatment.watchers.iter().map(|email| Mailbox {
        name: None,
        email: email.clone(),
    });
    let named = named.map(|mailbox| (mailbox, WatchReason::Rule));
    let in_copy = mail.cc.iter().filter(|_| brings_copies).cloned();
    let in_copy = in_copy.map(|mailbox| (mailbox, WatchReason::Copy));
    let author = mail.from.as_ref();
    let mut seen: BTreeSet<String> = author
        .and_then(|from| mail_key(from.email.as_str()))
        .into_iter()
        .collect();
    named
        .chain(in_copy)
        .filter(|(mailbox, _)| may_read_along(&mailbox.email, own))
        .filter_map(|(mailbox, why)| Watcher::new(mailbox, why))
        .filter(|watcher| seen.insert(watcher.key.clone()))
        .take(OF_MAIL_MAX)
        .collect()
}

/// Notes whom mails make watchers of their tickets; part of the writer's transaction.
pub(super) async fn note(
    engine: Engine,
    connection: &mut AnyConnection,
    mails: &[&MailToFile],
    tickets: &[(TicketId, String)],
) -> Result<(), DatabaseFault> {
    let mut rows = Vec::new();
    for (mail, (ticket, _)) in mails.iter().zip(tickets) {
        for watcher in &mail.watchers {
            rows.push(json!({
                "ticket": ticket,
                "address": watcher.key,
                "email": watcher.mailbox.email.as_str(),
                "name": watcher.mailbox.name,
                "why": watcher.why.as_str(),
                "at": mail.arrival.at,
                "max": OF_TICKET_MAX,
            }));
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    execute(engine, connection, INSERT, &rows).await
}

/// Who reads along on a ticket, without those at whose address our mail was refused for good.
pub(super) async fn of_ticket(
    tickets: &Tickets,
    ticket: TicketId,
) -> Result<Vec<Watcher>, DatabaseFault> {
    let watchers = tickets.watchers(ticket).await?.into_iter();
    let watchers = watchers.filter(|it| !it.is_refusing).filter_map(|it| {
        let email = EmailAddress::parse(&it.address)?;
        let name = it.name;
        Watcher::new(Mailbox { name, email }, it.why)
    });
    Ok(watchers.collect())
}

/// Most watchers that one mail brings.
const OF_MAIL_MAX: usize = 20;

/// How many watchers a ticket has before it takes no more.
pub(super) const OF_TICKET_MAX: u32 = 50;

const INSERT: &str = "\
INSERT INTO ticket_watchers (ticket, address, email, name, at, why)
SELECT CAST(r.value->>'ticket' AS BIGINT), r.value->>'address', r.value->>'email', r.value->>'name',
    CAST(r.value->>'at' AS BIGINT), r.value->>'why'
FROM {rows} WHERE (SELECT COUNT(*) FROM ticket_watchers w
    WHERE w.ticket = CAST(r.value->>'ticket' AS BIGINT) AND w.left_at IS NULL)
    < CAST(r.value->>'max' AS BIGINT)
ON CONFLICT (ticket, address) DO NOTHING";
