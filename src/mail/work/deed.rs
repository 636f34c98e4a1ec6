//! What a command of an agent writes: all of it in one transaction, or nothing.

use super::WorkFault;
use super::escalation::{self, Escalate};
use super::joining::{self, Merge, Split, SplitOff};
use super::orders::{self, Order};
use super::survey;
use super::uploads;
use super::watching::{self, Watch};
use crate::database::{DatabaseFault, Engine};
use crate::kept_answers::{self, RequestMark};
use crate::mail::due::{self, WaitingEnd};
use crate::mail::filing::Blob;
use crate::mail::letters::Written;
use crate::mail::outbox::{self, OutLetter};
use crate::mail::rows::{execute, insert_blob};
use crate::mail::watchers::Watcher;
use crate::satisfaction::Judgement;
use crate::tickets::TicketStatus;
use ringdown_email::automatic::Origin;
use ringdown_routing::ids::{ContactId, TicketId};
use ringdown_routing::time::Timestamp;
use serde_json::{Value, json};
use sqlx::AnyConnection;
use std::collections::BTreeSet;

/// What is to be written.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// What follows from an agent's work on one mail.
    Command(Box<Command>),
    /// One ticket goes into another.
    Merge(Merge),
    /// One mail leaves its ticket.
    Split(Box<Split>),
    /// Somebody says how it went.
    Judge(Box<Judgement>),
    /// Somebody reads along, or no more.
    Watch(Box<Watch>),
    /// An answer is due soon.
    Escalate(Box<Escalate>),
    /// What a request with a key asks for.
    Marked(Box<Marked>),
}

/// A deed, and the request that it is noted for as done.
#[derive(Clone, Debug)]
pub(crate) struct Marked {
    deed: Deed,
    mark: RequestMark,
    /// What it is answered when the gateway ends before it can answer: the status, and a body where there is one.
    answer: (u16, Value),
    at: Timestamp,
}

impl Deed {
    /// Whether its commit must outlast even a crash of the machine. How it went is said of calls as well, whose desk
    /// need not wait for the disk.
    pub(crate) fn must_outlast_power(&self) -> bool {
        match self {
            Self::Judge(_) => false,
            Self::Command(_)
            | Self::Merge(_)
            | Self::Split(_)
            | Self::Watch(_)
            | Self::Escalate(_)
            | Self::Marked(_) => true,
        }
    }

    /// The deed as one that is asked for by a request with a key, if it is.
    pub(super) fn marked(
        self,
        mark: Option<&RequestMark>,
        answer: (u16, Value),
        at: Timestamp,
    ) -> Self {
        match mark {
            Some(mark) => Self::Marked(Box::new(Marked {
                deed: self,
                mark: mark.clone(),
                answer,
                at,
            })),
            None => self,
        }
    }
}

impl From<Command> for Deed {
    fn from(command: Command) -> Self {
        Self::Command(Box::new(command))
    }
}

/// What is to be written for an agent's work on one mail.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(super) ticket: TicketId,
    pub(super) at: Timestamp,
    /// How far the ticket has come by it; `None` leaves it.
    pub(super) status: Option<TicketStatus>,
    /// How the ticket ended, in words; `None` leaves it.
    pub(super) resolution: Option<String>,
    pub(super) note: Option<Note>,
    pub(super) letters: Vec<LetterToSend>,
    /// What follows in the line.
    pub(super) order: Option<Order>,
    /// A sender whose mails are put aside from now on: the address's plain form, and who says so.
    pub(super) spam: Option<(String, String)>,
    /// Files of the answer among the letters.
    pub(super) uploads: Vec<UsedUpload>,
    /// How the ticket's waiting for an answer ends, if it does.
    pub(super) waiting: Option<WaitingEnd>,
}

/// Something to remember on the ticket, seen by the desk only.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) author: String,
    pub(super) text: String,
}

/// A letter with what its rows say.
#[derive(Clone, Debug)]
pub(super) struct LetterToSend {
    pub(super) kind: LetterKind,
    pub(super) written: Written,
    pub(super) mailbox: String,
    pub(super) contact: ContactId,
    pub(super) recipients: Vec<Recipient>,
    /// As the ticket shows it: to whom, and what is new in it.
    pub(super) to: String,
    pub(super) text_new: String,
    pub(super) facts: Value,
}

/// A file that came in before, and goes with an answer.
#[derive(Clone, Debug)]
pub(super) struct UsedUpload {
    pub(super) attempt: String,
    pub(super) filename: String,
    pub(super) content_type: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// An address that gets a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recipient {
    pub(super) address: String,
    /// Its plain form.
    pub(super) key: String,
}

impl From<Watcher> for Recipient {
    fn from(watcher: Watcher) -> Self {
        Self {
            address: watcher.mailbox.email.as_str().to_owned(),
            key: watcher.key,
        }
    }
}

/// What a letter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LetterKind {
    /// An agent wrote it.
    Answer,
    /// Where the mail has gone.
    Progress,
    /// That it is done.
    Closing,
    /// The question how it went.
    Satisfaction,
}

impl LetterKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Progress => "progress",
            Self::Closing => "closing",
            Self::Satisfaction => "satisfaction",
        }
    }

    /// Whether a machine speaks in it; `None` is a person.
    fn automatic(self) -> Option<Origin> {
        match self {
            Self::Answer => None,
            Self::Progress | Self::Closing | Self::Satisfaction => Some(Origin::Generated),
        }
    }
}

/// What came of a deed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// It is written; the key of the note, if there was one.
    Written { note: Option<i64> },
    /// It was written before, by the Message-ID of its answer.
    Repeated,
    /// The tickets are one; these contacts are to leave the line.
    Merged { left_over: Vec<ContactId> },
    /// There is another ticket.
    Split(SplitOff),
    /// It cannot be; nothing is written.
    Refused(Refused),
}

/// Why a deed was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no such thing; the sentence says what.
    Unknown(String),
    /// It cannot be now; the sentence says why.
    NotNow(String),
}

impl From<Refused> for WorkFault {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unknown(sentence) => Self::Unknown(sentence),
            Refused::NotNow(sentence) => Self::NotNow(sentence),
        }
    }
}

impl Command {
    /// A command on a ticket that changes nothing yet.
    pub(super) fn on(ticket: TicketId, at: Timestamp) -> Self {
        Self {
            ticket,
            at,
            status: None,
            resolution: None,
            note: None,
            letters: Vec::new(),
            order: None,
            spam: None,
            uploads: Vec::new(),
            waiting: None,
        }
    }
}

/// Writes a deed; part of the writer's transaction.
pub(crate) async fn perform(
    engine: Engine,
    connection: &mut AnyConnection,
    deed: &Deed,
) -> Result<Done, DatabaseFault> {
    match deed {
        Deed::Command(command) => write(engine, connection, command).await,
        Deed::Merge(merge) => joining::merge(engine, connection, merge).await,
        Deed::Split(split) => joining::split(engine, connection, split).await,
        Deed::Judge(judgement) => survey::judge(engine, connection, judgement).await,
        Deed::Watch(watch) => watching::watch(engine, connection, watch).await,
        Deed::Escalate(escalate) => escalation::escalate(engine, connection, escalate).await,
        Deed::Marked(marked) => {
            let done = Box::pin(perform(engine, connection, &marked.deed)).await?;
            let (status, body) = &marked.answer;
            let answer = match &done {
                Done::Written { .. } if body.is_null() => (*status, String::new()),
                Done::Written { .. } => (*status, body.to_string()),
                Done::Split(split) => (201, json!(split).to_string()),
                // The ticket as it is then.
                Done::Merged { .. } => (200, String::new()),
                Done::Repeated | Done::Refused(_) => return Ok(done),
            };
            kept_answers::note(engine, connection, &marked.mark, answer, marked.at).await?;
            Ok(done)
        }
    }
}

async fn write(
    engine: Engine,
    connection: &mut AnyConnection,
    command: &Command,
) -> Result<Done, DatabaseFault> {
    if was_written(engine, connection, command).await? {
        return Ok(Done::Repeated);
    }
    if !uploads::are_all_there(engine, connection, &command.uploads).await? {
        let sentence = "a file of the answer was sent with another one".to_owned();
        return Ok(Done::Refused(Refused::NotNow(sentence)));
    }
    sqlx::query(engine.sql(CHANGE_TICKET))
        .bind(command.status.map(|status| status.as_str().to_owned()))
        .bind(command.resolution.clone())
        .bind(command.at.as_millis())
        .bind(key(command.ticket))
        .execute(&mut *connection)
        .await?;
    let note = match &command.note {
        Some(note) => {
            Some(insert_note(engine, connection, (command.ticket, command.at), note).await?)
        }
        None => None,
    };
    for letter in &command.letters {
        insert_letter(engine, connection, command, letter).await?;
        if letter.kind == LetterKind::Answer {
            let id = letter.written.message_id.to_string();
            uploads::attach(engine, connection, &id, &command.uploads).await?;
        }
    }
    if let Some(order) = &command.order {
        orders::insert(engine, connection, order, command.at).await?;
    }
    if let Some(end) = &command.waiting {
        let ticket = (command.ticket, command.at);
        due::end_waiting(engine, connection, ticket, end).await?;
    }
    if let Some((address, by)) = &command.spam {
        sqlx::query(engine.sql(INSERT_SPAM_SENDER))
            .bind(address.clone())
            .bind(by.clone())
            .bind(command.at.as_millis())
            .execute(&mut *connection)
            .await?;
    }
    Ok(Done::Written { note })
}

/// Whether the command's answer is on a ticket already: the same request came again.
async fn was_written(
    engine: Engine,
    connection: &mut AnyConnection,
    command: &Command,
) -> Result<bool, DatabaseFault> {
    let answer = command
        .letters
        .iter()
        .find(|letter| letter.kind == LetterKind::Answer);
    let Some(answer) = answer else {
        return Ok(false);
    };
    let found: Option<(i64,)> = sqlx::query_as(engine.sql(FIND_OUR_ARTICLE))
        .bind(answer.written.message_id.to_string())
        .fetch_optional(connection)
        .await?;
    Ok(found.is_some())
}

pub(super) async fn insert_note(
    engine: Engine,
    connection: &mut AnyConnection,
    (ticket, at): (TicketId, Timestamp),
    note: &Note,
) -> Result<i64, DatabaseFault> {
    let (id,): (i64,) = sqlx::query_as(engine.sql(INSERT_NOTE))
        .bind(key(ticket))
        .bind(note.author.clone())
        .bind(note.text.clone())
        .bind(at.as_millis())
        .fetch_one(connection)
        .await?;
    Ok(id)
}

/// One article, and one row of the outbox for each recipient. What a machine says never goes to an address
/// that is known to be no good.
async fn insert_letter(
    engine: Engine,
    connection: &mut AnyConnection,
    command: &Command,
    letter: &LetterToSend,
) -> Result<(), DatabaseFault> {
    let mut recipients = letter.recipients.clone();
    if letter.kind.automatic().is_some() {
        let bad = find_bad(engine, connection, &recipients).await?;
        recipients.retain(|recipient| !bad.contains(&recipient.key));
    }
    if recipients.is_empty() {
        return Ok(());
    }
    let blob = Blob::of(letter.written.composed.bytes.clone());
    insert_blob(engine, connection, &blob).await?;
    let out = OutLetter {
        written: &letter.written,
        sha256: &blob.sha256,
        kind: letter.kind.as_str(),
        ticket: command.ticket,
        mailbox: &letter.mailbox,
        at: command.at,
    };
    let mut article = out.article(&letter.to, letter.kind.automatic(), &letter.facts);
    article["text_new"] = letter.text_new.as_str().into();
    article["contact"] = json!(letter.contact);
    let rows = recipients.iter().map(|it| out.row(&it.address, &it.key));
    let rows: Vec<Value> = rows.collect();
    outbox::insert(engine, connection, &[article], &rows).await?;
    if letter.kind == LetterKind::Answer {
        // Who was written to is on the ticket, and may answer there.
        execute(engine, connection, INSERT_ADDRESSES, &rows).await?;
    }
    Ok(())
}

/// Those of the recipients that are known to be no good.
pub(super) async fn find_bad(
    engine: Engine,
    connection: &mut AnyConnection,
    recipients: &[Recipient],
) -> Result<BTreeSet<String>, DatabaseFault> {
    let rows: Vec<Value> = recipients
        .iter()
        .map(|recipient| json!({ "address": recipient.key }))
        .collect();
    let found: Vec<(String,)> = sqlx::query_as(engine.sql(FIND_BAD))
        .bind(Value::Array(rows).to_string())
        .fetch_all(connection)
        .await?;
    Ok(found.into_iter().map(|(address,)| address).collect())
}

pub(super) fn key(id: TicketId) -> i64 {
    i64::try_from(id.as_u64()).unwrap_or(i64::MAX)
}

const CHANGE_TICKET: &str = "\
UPDATE tickets SET status = COALESCE($1, status), resolution = COALESCE($2, resolution), changed_at = $3
WHERE id = $4";

const FIND_OUR_ARTICLE: &str =
    "SELECT id FROM articles WHERE message_id = $1 AND direction = 'out' LIMIT 1";

const INSERT_NOTE: &str = "\
INSERT INTO articles (ticket, channel, direction, sender, recipient, subject, body, at)
VALUES ($1, NULL, 'internal', $2, '', '', $3, $4) RETURNING id";

const INSERT_ADDRESSES: &str = "\
INSERT INTO ticket_addresses (ticket, address)
SELECT CAST(r.value->>'ticket' AS BIGINT), r.value->>'recipient_key' FROM {rows} WHERE true
ON CONFLICT (ticket, address) DO NOTHING";

const FIND_BAD: &str = "\
SELECT b.address FROM {rows} JOIN bad_addresses b ON b.address = r.value->>'address'";

const INSERT_SPAM_SENDER: &str = "\
INSERT INTO spam_senders (address, given_by, at) VALUES ($1, $2, $3)
ON CONFLICT (address) DO UPDATE SET given_by = excluded.given_by, at = excluded.at";
