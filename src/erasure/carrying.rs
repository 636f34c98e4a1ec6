//! Carrying an erasure out, in steps that may each be taken again.

use super::finding::{Found, rows_of};
use super::scrub::{Name, Whose, escaped, scrub, scrubbed};
use super::{Erasure, ErasureFault, Erasures, Plan, to_json, unreadable};
use crate::database::{DatabaseFault, LogOfWrites, Statement, bump};
use crate::retention::blobs;
use crate::rollups::Rollups;
use ringdown_routing::event::{EventDraft, EventKind};
use ringdown_routing::ids::{EventId, NodeId};
use ringdown_routing::time::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Most events read, and rewritten in one transaction, at a time.
const EVENTS_MAX: i64 = 500;

/// Most contacts and tickets that one transaction is about.
const OWNERS_MAX: usize = 100;

impl Erasures {
    /// Does all of it; whatever is done already is passed over.
    pub(super) async fn erase(
        &self,
        erasure: &Erasure,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<(), ErasureFault> {
        let names = &plan.names;
        let found = self.find(names).await?;
        self.erase_events(names, &found, erasure.given_at).await?;
        for tickets in found.tickets.chunks(OWNERS_MAX) {
            self.erase_tickets(tickets).await?;
        }
        for contacts in found.contacts.chunks(OWNERS_MAX) {
            self.erase_of_contacts(contacts).await?;
        }
        self.erase_correspondence(names).await?;
        for text in TEXTS {
            self.erase_from_texts(text, names).await?;
        }
        self.database.write(replacements(names)).await?;
        if plan.forget_in_cms {
            self.database.write(forget_in_cms(names)).await?;
        }
        let keys: BTreeMap<_, _> = names.iter().filter_map(Name::keys).collect();
        let rollups = Rollups::new(&self.log);
        let instead = |number: &str| scrubbed(number, names);
        rollups.rename_callers(&keys, instead, now).await?;
        self.finish(erasure, now).await
    }

    /// Tells that it was done, without a name, and forgets who it was.
    pub(super) async fn finish(
        &self,
        erasure: &Erasure,
        now: Timestamp,
    ) -> Result<(), ErasureFault> {
        let details = BTreeMap::from([
            ("erasure".to_owned(), erasure.id.clone()),
            ("contacts".to_owned(), erasure.extent.contacts.to_string()),
            ("tickets".to_owned(), erasure.extent.tickets.to_string()),
        ]);
        let kind = EventKind::Intervened {
            by: erasure.given_by.clone(),
            act: "person_erased".to_owned(),
            details,
        };
        // The same event however often this is reached.
        let id = EventId {
            origin: NodeId::new(format!("erasure-{}", erasure.id)),
            number: 1,
        };
        let event = EventDraft::of_desk(erasure.given_at, kind).numbered(id);
        if !self.log.append(event) {
            return Err(DatabaseFault::Backlog.into());
        }
        self.log.flush().await?;
        // Whom it was about goes before the log of writes is emptied, and the end is told after that, so that a
        // crash in between leaves it under way, with nobody left to look for.
        let nobody = to_json(&Plan::default())?;
        let forget = Statement::new(
            "UPDATE erasures SET plan = $1 WHERE id = $2 AND state = 'under_way'",
            vec![nobody.into(), erasure.id.clone().into()],
        );
        self.database.write(vec![bump("events"), forget]).await?;
        match self.database.empty_log_of_writes().await? {
            LogOfWrites::Empty => {}
            LogOfWrites::StillRead => return Err(ErasureFault::StillRead),
        }
        let done = Statement::new(
            "UPDATE erasures SET state = 'done', done_at = $1, plan = NULL WHERE id = $2",
            vec![now.as_millis().into(), erasure.id.clone().into()],
        );
        Ok(self.database.write(vec![done]).await?)
    }

    async fn erase_events(
        &self,
        names: &[Name],
        found: &Found,
        until: Timestamp,
    ) -> Result<(), DatabaseFault> {
        for contact in &found.contacts {
            let of_contact = "SELECT seq, at, body FROM events WHERE contact = $1 AND seq > $2 AND at <= $3 \
                 ORDER BY seq LIMIT $4";
            self.rewrite(of_contact, contact, until, names, Whose::Theirs)
                .await?;
        }
        let named = "SELECT seq, at, body FROM events WHERE lower(body) LIKE $1 ESCAPE '\\' AND seq > $2 AND at <= $3 \
             ORDER BY seq LIMIT $4";
        let parts: BTreeSet<String> = names.iter().flat_map(Name::parts).collect();
        // Whatever holds a part that holds another is found by that one.
        let is_needed = |part: &&String| {
            let mut others = parts.iter().filter(|other| other != part);
            !others.any(|other| part.contains(other.as_str()))
        };
        for part in parts.iter().filter(is_needed) {
            let like = format!("%{}%", escaped(part));
            self.rewrite(named, &like, until, names, Whose::Anybodys)
                .await?;
        }
        // Why somebody did something by hand is in their own words.
        let by_hand = "SELECT seq, at, body FROM events WHERE kind = 'intervened' AND lower(body) LIKE $1 ESCAPE '\\' \
             AND seq > $2 AND at <= $3 ORDER BY seq LIMIT $4";
        for like in patterns(names) {
            self.rewrite(by_hand, &like, until, names, Whose::Anybodys)
                .await?;
        }
        Ok(())
    }

    /// Scrubs the events that a query finds by a text, page by page.
    async fn rewrite(
        &self,
        query: &'static str,
        text: &str,
        until: Timestamp,
        names: &[Name],
        whose: Whose,
    ) -> Result<(), DatabaseFault> {
        let mut after = i64::MIN;
        loop {
            let rows: Vec<(i64, i64, String)> = sqlx::query_as(query)
                .bind(text.to_owned())
                .bind(after)
                .bind(until.as_millis())
                .bind(EVENTS_MAX)
                .fetch_all(self.database.reads())
                .await?;
            let Some((last, ..)) = rows.last() else {
                return Ok(());
            };
            after = *last;
            let mut changes = Vec::new();
            for (seq, at, body) in &rows {
                let mut event: Value = serde_json::from_str(body).map_err(unreadable)?;
                if scrub(&mut event, names, whose) {
                    let sql = "UPDATE events SET body = $1 WHERE seq = $2 AND at = $3";
                    let values = vec![to_json(&event)?.into(), (*seq).into(), (*at).into()];
                    changes.push(Statement::new(sql, values));
                }
            }
            if !changes.is_empty() {
                self.database.write(changes).await?;
            }
        }
    }

    /// What stands on tickets of the person, whoever wrote it.
    async fn erase_tickets(&self, tickets: &[i64]) -> Result<(), DatabaseFault> {
        let rows: Vec<Value> = tickets.iter().map(|id| json!({"id": id})).collect();
        let rows = Value::from(rows).to_string();
        let ids = "(SELECT CAST(r.value->>'id' AS BIGINT) FROM {rows})";
        let articles = format!("SELECT id FROM articles WHERE ticket IN {ids}");
        let mails = format!("(SELECT m.id FROM mails m WHERE m.ticket IN {ids})");
        let letters =
            format!("(SELECT o.id FROM outbox o WHERE o.ticket IN {ids} AND o.state <> 'sending')");
        self.erase_articles(&rows, &articles, &mails, &letters)
            .await?;
        let of_tickets =
            format!("UPDATE tickets SET subject = '', organisation = NULL WHERE id IN {ids}");
        let of_tickets = Statement::new(of_tickets, vec![rows.into()]);
        self.database.write(vec![of_tickets]).await
    }

    /// What the person wrote, or was written to them, on tickets of others.
    async fn erase_correspondence(&self, names: &[Name]) -> Result<(), DatabaseFault> {
        let rows = rows_of(names);
        let articles = "SELECT a.id FROM {rows} JOIN articles a ON lower(a.sender) = r.value->>'name' \
             OR lower(a.recipient) = r.value->>'name' WHERE r.value->>'kind' = 'address'";
        let mails = "(SELECT m.id FROM {rows} JOIN mails m ON lower(m.sender) = r.value->>'name' \
             OR lower(m.envelope_from) = r.value->>'name' WHERE r.value->>'kind' = 'address')";
        let letters = "(SELECT o.id FROM {rows} JOIN outbox o ON lower(o.recipient) = r.value->>'name' \
             OR o.recipient_key = r.value->>'name' WHERE r.value->>'kind' = 'address' AND o.state <> 'sending')";
        self.erase_articles(&rows, articles, mails, letters).await
    }

    /// Takes the names out of what others wrote, and of what was noted by itself.
    async fn erase_from_texts(&self, text: Text, names: &[Name]) -> Result<(), DatabaseFault> {
        let Text { table, column, .. } = text;
        let key = match text.key {
            Key::Number(key) | Key::Word(key) => key,
        };
        let select = format!(
            "SELECT CAST({key} AS TEXT), {column} FROM {table} WHERE lower({column}) LIKE $1 ESCAPE '\\' \
             AND CAST({key} AS TEXT) > $2 ORDER BY CAST({key} AS TEXT) LIMIT $3"
        );
        let update = format!("UPDATE {table} SET {column} = $1 WHERE {key} = $2");
        let patterns = match text.written {
            Written::ByPeople => patterns(names),
            Written::ByMachines => {
                let parts = names.iter().filter(|name| name.is_telling());
                parts
                    .map(|name| format!("%{}%", escaped(&name.name)))
                    .collect()
            }
        };
        for like in patterns {
            let mut after = String::new();
            loop {
                let rows: Vec<(String, String)> =
                    sqlx::query_as(sqlx::AssertSqlSafe(select.clone()))
                        .bind(like.clone())
                        .bind(after.clone())
                        .bind(EVENTS_MAX)
                        .fetch_all(self.database.reads())
                        .await?;
                let Some((last, _)) = rows.last() else {
                    break;
                };
                after.clone_from(last);
                let mut changes = Vec::new();
                for (row, old) in &rows {
                    let Some(new) = scrubbed(old, names) else {
                        continue;
                    };
                    let row = match (text.key, row.parse::<i64>()) {
                        (Key::Number(_), Ok(number)) => number.into(),
                        (Key::Number(_), Err(_)) | (Key::Word(_), _) => row.clone().into(),
                    };
                    changes.push(Statement::new(update.clone(), vec![new.into(), row]));
                }
                if !changes.is_empty() {
                    self.database.write(changes).await?;
                }
            }
        }
        Ok(())
    }

    /// Empties articles and takes away their attachments, with the mails and letters that go with them. The octets go
    /// in the same transaction, for nothing would find them afterwards.
    async fn erase_articles(
        &self,
        rows: &str,
        articles: &str,
        mails: &str,
        letters: &str,
    ) -> Result<(), DatabaseFault> {
        let mut octets: BTreeSet<String> = BTreeSet::new();
        for sql in [
            format!("SELECT DISTINCT t.sha256 FROM attachments t WHERE t.article IN ({articles})"),
            format!(
                "SELECT DISTINCT g.raw_sha256 FROM mails g WHERE g.id IN {mails} OR g.article IN ({articles})"
            ),
            format!("SELECT DISTINCT g.sha256 FROM outbox g WHERE g.id IN {letters}"),
        ] {
            octets.extend(self.texts_of_rows(&sql, rows).await?);
        }
        let of_rows = |sql: String| Statement::new(sql, vec![rows.to_owned().into()]);
        let mut statements = vec![
            of_rows(format!(
                "DELETE FROM attachments WHERE article IN ({articles})"
            )),
            of_rows(format!(
                "DELETE FROM mails WHERE id IN {mails} OR article IN ({articles})"
            )),
            of_rows(format!("DELETE FROM outbox WHERE id IN {letters}")),
            of_rows(format!(
                "UPDATE articles SET subject = '', body = '', text_new = NULL, html = NULL, facts = NULL, \
                 message_id = NULL, in_reply_to = NULL, sender = CASE WHEN direction = 'in' THEN '' ELSE sender END, \
                 recipient = CASE WHEN direction = 'in' THEN recipient ELSE '' END WHERE id IN ({articles})"
            )),
        ];
        let octets: Vec<String> = octets.into_iter().collect();
        statements.extend(blobs::let_go(&octets));
        blobs::write(&self.database, statements).await
    }

    /// What is kept of contacts beside their records.
    async fn erase_of_contacts(&self, contacts: &[String]) -> Result<(), DatabaseFault> {
        let rows: Vec<Value> = contacts.iter().map(|id| json!({"id": id})).collect();
        let rows = Value::from(rows).to_string();
        let ids = "(SELECT r.value->>'id' FROM {rows})";
        let of_rows = |sql: String| Statement::new(sql, vec![rows.clone().into()]);
        let all_of = |table: &str| of_rows(format!("DELETE FROM {table} WHERE contact IN {ids}"));
        self.database
            .write(vec![
                of_rows(format!(
                    "UPDATE satisfaction SET comment = '' WHERE contact IN {ids}"
                )),
                of_rows(format!(
                    "DELETE FROM blobs WHERE sha256 IN \
                     (SELECT 'upload:' || u.attempt FROM uploads u WHERE u.contact IN {ids})"
                )),
                all_of("sip_traces"),
                // Behind their octets, which are found by them.
                all_of("uploads"),
            ])
            .await
    }
}

/// What the names are looked for by in texts.
fn patterns(names: &[Name]) -> BTreeSet<String> {
    let telling = names.iter().filter(|name| name.is_telling());
    telling.map(Name::pattern).collect()
}

/// A column of text that may name anybody.
#[derive(Clone, Copy, Debug)]
struct Text {
    table: &'static str,
    key: Key,
    column: &'static str,
    written: Written,
}

/// The column by which a row is found again; where rows are few that may be the text itself.
#[derive(Clone, Copy, Debug)]
enum Key {
    Number(&'static str),
    Word(&'static str),
}

/// Who wrote a text: people set the digits of a number apart as they like, and machines do not.
#[derive(Clone, Copy, Debug)]
enum Written {
    ByPeople,
    ByMachines,
}

const fn text(table: &'static str, key: Key, column: &'static str, written: Written) -> Text {
    Text {
        table,
        key,
        column,
        written,
    }
}

const ID: Key = Key::Number("id");

/// Causes of failures are words of our own and name nobody, so the statistics hold no text that does.
const TEXTS: [Text; 19] = [
    text("tickets", ID, "subject", Written::ByPeople),
    text("tickets", ID, "resolution", Written::ByPeople),
    text("articles", ID, "subject", Written::ByPeople),
    text("articles", ID, "body", Written::ByPeople),
    text("articles", ID, "text_new", Written::ByPeople),
    text("articles", ID, "html", Written::ByPeople),
    text("articles", ID, "facts", Written::ByMachines),
    text("attachments", ID, "filename", Written::ByPeople),
    text(
        "uploads",
        Key::Word("attempt"),
        "filename",
        Written::ByPeople,
    ),
    text(
        "satisfaction",
        Key::Word("contact"),
        "comment",
        Written::ByPeople,
    ),
    text("incidents", Key::Word("id"), "reason", Written::ByPeople),
    text("openings", Key::Word("reason"), "reason", Written::ByPeople),
    text("contacts", Key::Word("id"), "reason", Written::ByMachines),
    text("contacts", Key::Word("id"), "symptom", Written::ByMachines),
    text("tickets", ID, "facts", Written::ByMachines),
    text("answers_due", ID, "facets", Written::ByMachines),
    text("outbox", ID, "reply", Written::ByMachines),
    text(
        "bad_addresses",
        Key::Word("address"),
        "why",
        Written::ByMachines,
    ),
    text(
        "sip_traces",
        Key::Word("contact"),
        "body",
        Written::ByMachines,
    ),
];

/// The names themselves, wherever a column holds one.
fn replacements(names: &[Name]) -> Vec<Statement> {
    let mut statements = Vec::new();
    for name in names {
        let values = || vec![name.instead.clone().into(), name.name.clone().into()];
        let mut replace = |sql: &'static str| statements.push(Statement::new(sql, values()));
        if !name.is_address() {
            replace("UPDATE contacts SET caller = $1 WHERE caller = $2");
            replace("UPDATE tickets SET caller = $1 WHERE caller = $2");
            continue;
        }
        replace("UPDATE contacts SET sender = $1 WHERE lower(sender) = $2");
        replace("UPDATE tickets SET sender = $1 WHERE lower(sender) = $2");
        replace(
            "UPDATE call_backs SET number = $1 WHERE lower(number) = $2 AND state NOT IN ('pending', 'waiting', 'talking')",
        );
        if name.name.len() > SHORT_MAX {
            replace("UPDATE contacts SET recipient = $1 WHERE lower(recipient) = $2");
        }
        for sql in [
            "DELETE FROM ticket_addresses WHERE address = $1",
            "DELETE FROM ticket_watchers WHERE address = $1",
            "DELETE FROM bad_addresses WHERE address = $1",
            "DELETE FROM spam_senders WHERE address = $1",
        ] {
            statements.push(Statement::new(sql, vec![name.name.clone().into()]));
        }
        let sender = format!("\"sender\":\"{}\"", name.name);
        let parts = name.parts().into_iter().chain([sender]);
        for part in parts {
            let like = format!("%{}%", escaped(&part));
            let kept = "DELETE FROM kept_answers WHERE lower(body) LIKE $1 ESCAPE '\\'";
            statements.push(Statement::new(kept, vec![like.into()]));
        }
    }
    statements
}

/// A number as short as that may be one that is dialled here.
const SHORT_MAX: usize = 5;

fn forget_in_cms(names: &[Name]) -> Vec<Statement> {
    let mut statements = vec![bump("cms")];
    for name in names.iter().filter(|name| !name.is_address()) {
        for sql in [
            "DELETE FROM phones WHERE person = $1",
            "DELETE FROM mail_addresses WHERE person = $1",
            "UPDATE cis SET person = NULL WHERE person = $1",
            "DELETE FROM people WHERE id = $1",
        ] {
            statements.push(Statement::new(sql, vec![name.name.clone().into()]));
        }
    }
    statements
}
