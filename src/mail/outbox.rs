//! What is to be sent, in the transaction that makes it due: one row for each recipient.

use super::filing::{Blob, Filed, MailToFile};
use super::letters::{Acknowledgement, Written};
use super::rows::{execute, insert_blob, text_of};
use super::tally::Silence;
use super::watchers::Watcher;
use crate::database::{DatabaseFault, Engine};
use ringdown_email::automatic::{Origin, ReturnPath};
use ringdown_email::reading::report::Report;
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::TicketId;
use ringdown_routing::time::Timestamp;
use serde_json::{Value, json};
use sqlx::AnyConnection;
use std::collections::BTreeMap;

/// Writes the acknowledgements that are due: for a mail that opened a ticket, if its sender had none within
/// the window and can be written to. What came of each is noted in `filed`.
pub(super) async fn acknowledge(
    engine: Engine,
    connection: &mut AnyConnection,
    mails: &[&MailToFile],
    filed: &mut [Filed],
) -> Result<(), DatabaseFault> {
    let mut due = Vec::new();
    for (mail, filed) in mails.iter().zip(filed.iter_mut()) {
        if !filed.is_new_ticket || filed.contact.is_none() {
            continue;
        }
        match &mail.acknowledgement {
            Ok(acknowledgement) => due.push((*mail, acknowledgement, filed)),
            Err(silence) => filed.acknowledged = Some(Err(*silence)),
        }
    }
    if due.is_empty() {
        return Ok(());
    }
    let mut left_alone = find_left_alone(engine, connection, &due).await?;
    let (mut letters, mut articles) = (Vec::new(), Vec::new());
    for (mail, acknowledgement, filed) in due {
        if let Some(silence) = left_alone.get(&acknowledgement.to_key) {
            filed.acknowledged = Some(Err(*silence));
            continue;
        }
        let cc = acknowledgement.cc.iter();
        let cc: Vec<&Watcher> = cc.filter(|it| !left_alone.contains_key(&it.key)).collect();
        let told = cc.iter().map(|it| it.key.clone());
        let told = told.chain([acknowledgement.to_key.clone()]);
        left_alone.extend(told.map(|key| (key, Silence::Window)));
        let written = mail
            .letters
            .acknowledge(acknowledgement, &cc, filed.ticket, &filed.number);
        let written = match written {
            Ok(written) => written,
            Err(fault) => {
                // The mail is worth more than its acknowledgement.
                tracing::warn!(contact = %mail.arrival.contact, %fault, "an acknowledgement was not written");
                continue;
            }
        };
        filed.acknowledged = Some(Ok(()));
        let blob = Blob::of(written.composed.bytes.clone());
        insert_blob(engine, connection, &blob).await?;
        let letter = OutLetter {
            written: &written,
            sha256: &blob.sha256,
            kind: ACKNOWLEDGEMENT,
            ticket: filed.ticket,
            mailbox: &mail.arrival.mailbox,
            at: acknowledgement.at,
        };
        let copies = cc.iter().map(|it| (it.mailbox.email.as_str(), &it.key));
        let to = (acknowledgement.to.email.as_str(), &acknowledgement.to_key);
        for (address, key) in [to].into_iter().chain(copies) {
            letters.push(letter.row(address, key));
        }
        let mut facts = json!({ "letter": ACKNOWLEDGEMENT });
        if !cc.is_empty() {
            facts["cc"] = cc.iter().map(|it| it.mailbox.to_string()).collect();
        }
        let to = acknowledgement.to.to_string();
        articles.push(letter.article(&to, Some(Origin::AutoReply), &facts));
    }
    if letters.is_empty() {
        return Ok(());
    }
    insert(engine, connection, &articles, &letters).await
}

/// Marks the addresses that a report on a mail of ours says are no good. Only what was let onto a ticket
/// counts: anybody can write a report.
pub(super) async fn note_bad_addresses(
    engine: Engine,
    connection: &mut AnyConnection,
    mails: &[&MailToFile],
    filed: &[Filed],
) -> Result<(), DatabaseFault> {
    let rows: Vec<Value> = mails
        .iter()
        .zip(filed)
        .filter(|(mail, filed)| mail.article.origin.is_report() && !filed.is_new_ticket)
        .flat_map(|(mail, _)| {
            let bad = mail.bad_addresses.iter();
            bad.map(
                |(address, why)| json!({ "address": address, "why": why, "at": mail.arrival.at }),
            )
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    execute(engine, connection, INSERT_BAD_ADDRESSES, &rows).await
}

/// Addresses that had an acknowledgement lately, or are known to be no good, each with which.
async fn find_left_alone(
    engine: Engine,
    connection: &mut AnyConnection,
    due: &[(&MailToFile, &Acknowledgement, &mut Filed)],
) -> Result<BTreeMap<String, Silence>, DatabaseFault> {
    let mut rows = Vec::new();
    for (mail, acknowledgement, _) in due {
        let since = acknowledgement.at - mail.letters.window;
        let copies = acknowledgement.cc.iter().map(|it| &it.key);
        for address in copies.chain([&acknowledgement.to_key]) {
            rows.push(json!({ "address": address, "since": since }));
        }
    }
    let found: Vec<(String, i64)> = sqlx::query_as(engine.sql(FIND_LEFT_ALONE))
        .bind(text_of(&rows)?)
        .fetch_all(connection)
        .await?;
    let found = found.into_iter().map(|(address, is_bad)| match is_bad {
        0 => (address, Silence::Window),
        _ => (address, Silence::BadAddress),
    });
    Ok(found.collect())
}

/// A letter as it stands on its ticket and in the outbox.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutLetter<'l> {
    pub(super) written: &'l Written,
    pub(super) sha256: &'l str,
    pub(super) kind: &'l str,
    pub(super) ticket: TicketId,
    pub(super) mailbox: &'l str,
    pub(super) at: Timestamp,
}

impl OutLetter<'_> {
    /// Its row in the outbox for one recipient, by the address and its plain form.
    pub(super) fn row(&self, recipient: &str, recipient_key: &str) -> Value {
        let return_path = match &self.written.composed.return_path {
            ReturnPath::Address(address) => address.to_string(),
            ReturnPath::Null | ReturnPath::Unknown => String::new(),
        };
        json!({
            "message_id": self.written.message_id.to_string(),
            "kind": self.kind,
            "ticket": self.ticket,
            "mailbox": self.mailbox,
            "return_path": return_path,
            "recipient": recipient,
            "recipient_key": recipient_key,
            "sha256": self.sha256,
            "at": self.at,
        })
    }

    /// Its article: to whom as people read it, who spoke where that was a machine, and what is told beside.
    pub(super) fn article(&self, to: &str, automatic: Option<Origin>, facts: &Value) -> Value {
        let written = self.written;
        json!({
            "ticket": self.ticket,
            "channel": Channel::Email,
            "sender": written.from.to_string(),
            "recipient": to,
            "subject": written.text.subject,
            "body": written.text.plain,
            "html": written.text.html,
            "message_id": written.message_id.to_string(),
            "in_reply_to": written.in_reply_to.as_ref().map(ToString::to_string),
            "automatic": automatic,
            "facts": facts.to_string(),
            "at": self.at,
        })
    }
}

/// Writes letters: an article each, unless it is there, and a row of the outbox for each recipient.
pub(super) async fn insert(
    engine: Engine,
    connection: &mut AnyConnection,
    articles: &[Value],
    rows: &[Value],
) -> Result<(), DatabaseFault> {
    execute(engine, connection, INSERT_ARTICLES, articles).await?;
    execute(engine, connection, INSERT_LETTERS, rows).await
}

/// What a report says of addresses that will not work tomorrow either, each with why.
pub(super) fn bad_addresses(report: Option<&Report>) -> Vec<(String, String)> {
    let Some(Report::Delivery(report)) = report else {
        return Vec::new();
    };
    let failed = report.recipients.iter().filter(|it| it.is_permanent());
    failed
        .filter_map(|recipient| {
            let why = recipient.diagnostic.as_ref().or(recipient.status.as_ref());
            let key = crate::cti::mail_key(recipient.address.as_str())?;
            Some((key, why.cloned().unwrap_or_default()))
        })
        .collect()
}

const ACKNOWLEDGEMENT: &str = "acknowledgement";

const FIND_LEFT_ALONE: &str = "\
SELECT o.recipient_key, CAST(0 AS BIGINT) FROM {rows} JOIN outbox o ON o.recipient_key = r.value->>'address'
WHERE o.kind = 'acknowledgement' AND o.at > CAST(r.value->>'since' AS BIGINT)
UNION
SELECT b.address, CAST(1 AS BIGINT) FROM {rows} JOIN bad_addresses b ON b.address = r.value->>'address'";

const INSERT_LETTERS: &str = "\
INSERT INTO outbox (message_id, kind, ticket, mailbox, return_path, recipient, recipient_key, sha256,
    state, attempts, next_at, at)
SELECT r.value->>'message_id', r.value->>'kind', CAST(r.value->>'ticket' AS BIGINT),
    r.value->>'mailbox', r.value->>'return_path', r.value->>'recipient', r.value->>'recipient_key',
    r.value->>'sha256', 'waiting', 0, CAST(r.value->>'at' AS BIGINT), CAST(r.value->>'at' AS BIGINT)
FROM {rows} WHERE true ON CONFLICT (message_id, recipient) DO NOTHING";

const INSERT_ARTICLES: &str = "\
INSERT INTO articles (ticket, channel, direction, sender, recipient, subject, body, text_new, html, message_id,
    in_reply_to, automatic, facts, contact, at)
SELECT CAST(r.value->>'ticket' AS BIGINT), r.value->>'channel', 'out', r.value->>'sender',
    r.value->>'recipient', r.value->>'subject', r.value->>'body', r.value->>'text_new', r.value->>'html',
    r.value->>'message_id', r.value->>'in_reply_to', r.value->>'automatic', r.value->>'facts',
    r.value->>'contact', CAST(r.value->>'at' AS BIGINT)
FROM {rows} WHERE NOT EXISTS (SELECT 1 FROM articles a
    WHERE a.message_id = r.value->>'message_id' AND a.direction = 'out')";

const INSERT_BAD_ADDRESSES: &str = "\
INSERT INTO bad_addresses (address, why, at)
SELECT r.value->>'address', MAX(r.value->>'why'), MAX(CAST(r.value->>'at' AS BIGINT)) FROM {rows}
GROUP BY r.value->>'address'
ON CONFLICT (address) DO UPDATE SET why = excluded.why, at = excluded.at";
