//! Who is meant, in every way of writing, and which contacts and tickets are theirs.

use super::scrub::{Name, NameKind, escaped};
use super::{ErasureFault, Erasures, Wish};
use crate::cti::{Claim, mail_key};
use crate::database::DatabaseFault;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What is the person's.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// Contacts, by their ids.
    pub(super) contacts: Vec<String>,
    /// Tickets, by their keys.
    pub(super) tickets: Vec<i64>,
}

/// Whether two lists name the same, by whatever it is to be replaced.
pub(super) fn are_the_same(a: &[Name], b: &[Name]) -> bool {
    let names = |list: &[Name]| -> BTreeSet<String> {
        list.iter()
            .map(|name| format!("{:?} {}", name.kind, name.name))
            .collect()
    };
    names(a) == names(b)
}

impl Erasures {
    /// All that names whoever is meant, as it is stored.
    pub(super) async fn names(&self, wish: &Wish) -> Result<Vec<Name>, ErasureFault> {
        let mut phones: BTreeSet<String> = BTreeSet::new();
        let mut emails: BTreeSet<String> = BTreeSet::new();
        for phone in &wish.phones {
            let key = Claim::of_number(phone, &self.normaliser).key();
            phones.insert(key.ok_or_else(|| ErasureFault::NotAnIdentity(phone.clone()))?);
        }
        for email in &wish.emails {
            let key = mail_key(email);
            emails.insert(key.ok_or_else(|| ErasureFault::NotAnIdentity(email.clone()))?);
        }
        for caller in &wish.callers {
            for (table, column, keys) in [
                ("phones", "number", &mut phones),
                ("mail_addresses", "address", &mut emails),
            ] {
                let sql = format!(
                    "SELECT {column} FROM {table} m WHERE person = $1 AND NOT EXISTS \
                     (SELECT 1 FROM {table} o WHERE o.{column} = m.{column} AND o.person <> m.person)"
                );
                keys.extend(self.texts(sql, caller.as_str()).await?);
            }
        }
        if phones.is_empty() && emails.is_empty() && wish.callers.is_empty() {
            return Err(ErasureFault::Nobody);
        }
        let mut names: BTreeSet<(u8, String)> = BTreeSet::new();
        for phone in phones {
            names.extend(self.ways_to_write(0, &phone).await?);
        }
        for email in emails {
            names.extend(self.ways_to_write(1, &email).await?);
        }
        names.extend(wish.callers.iter().map(|caller| (2, caller.to_string())));
        // Longer ones first: one may hold another.
        let mut names: Vec<(u8, String)> = names.into_iter().collect();
        names.sort_by_key(|(kind, name)| (std::cmp::Reverse(name.len()), *kind, name.clone()));
        let kinds = [NameKind::Phone, NameKind::Email, NameKind::Caller];
        let names = names.into_iter().filter_map(|(kind, name)| {
            let kind = kinds.get(usize::from(kind))?;
            Some(Name::new(*kind, &name))
        });
        Ok(names.collect())
    }

    /// The key itself, and every text by which contacts and events have whoever has it.
    async fn ways_to_write(&self, kind: u8, key: &str) -> Result<Vec<(u8, String)>, DatabaseFault> {
        let is_phone = kind == 0;
        let part = match is_phone {
            true => key.get(key.len().saturating_sub(4)..).unwrap_or(key),
            false => key.split('@').next().unwrap_or(key),
        };
        let like = format!("%{}%", escaped(&part.to_lowercase()));
        let senders =
            "SELECT DISTINCT lower(sender) FROM contacts WHERE lower(sender) LIKE $1 ESCAPE '\\'";
        let mut written = self.texts(senders.to_owned(), &like).await?;
        // Who shows no number may key one in, to be called back.
        let told = "SELECT body FROM events WHERE kind IN ('arrived', 'keyed_in') AND lower(body) LIKE $1 ESCAPE '\\'";
        for body in self.texts(told.to_owned(), &like).await? {
            let event: Value = serde_json::from_str(&body).map_err(super::unreadable)?;
            let told = [&event["from"], &event["digits"]];
            let told = told.into_iter().filter_map(Value::as_str);
            written.extend(told.map(str::to_lowercase));
        }
        let is_it = |text: &String| match is_phone {
            true => {
                !text.contains('@')
                    && Claim::of_number(text, &self.normaliser).key().as_deref() == Some(key)
            }
            false => mail_key(text).as_deref() == Some(key),
        };
        let mut ways: BTreeSet<String> = written.into_iter().filter(is_it).collect();
        ways.insert(key.to_lowercase());
        if is_phone {
            ways.extend(self.normaliser.ways_to_write(key));
        }
        Ok(ways.into_iter().map(|way| (kind, way)).collect())
    }

    /// Refuses while a contact of theirs is not over.
    pub(super) async fn refuse_live(&self, names: &[Name]) -> Result<(), ErasureFault> {
        let rows = rows_of(names);
        for sql in [
            "SELECT c.id FROM {rows} JOIN contacts c ON (r.value->>'kind' = 'address' AND lower(c.sender) = r.value->>'name') \
             OR (r.value->>'kind' = 'caller' AND c.caller = r.value->>'name') \
             WHERE c.ended_at IS NULL AND (c.state IS NULL OR c.state <> 'ended') ORDER BY c.id LIMIT 1",
            "SELECT b.contact FROM {rows} JOIN call_backs b ON lower(b.number) = r.value->>'name' \
             WHERE r.value->>'kind' = 'address' AND b.state IN ('pending', 'waiting', 'talking') ORDER BY b.contact LIMIT 1",
            "SELECT o.message_id FROM {rows} JOIN outbox o ON o.recipient_key = r.value->>'name' \
             WHERE r.value->>'kind' = 'address' AND o.state = 'sending' ORDER BY o.id LIMIT 1",
        ] {
            if let Some(live) = self.texts_of_rows(sql, &rows).await?.pop() {
                return Err(ErasureFault::IsLive(live));
            }
        }
        Ok(())
    }

    /// What is theirs, also where their names are replaced already.
    pub(super) async fn find(&self, names: &[Name]) -> Result<Found, DatabaseFault> {
        let rows = rows_of(names);
        let contacts = "SELECT DISTINCT c.id FROM {rows} JOIN contacts c \
             ON (r.value->>'kind' = 'address' AND lower(c.sender) IN (r.value->>'name', r.value->>'instead')) \
             OR (r.value->>'kind' = 'caller' AND c.caller IN (r.value->>'name', r.value->>'instead')) ORDER BY c.id";
        let called_back = "SELECT DISTINCT b.{id} FROM {rows} JOIN call_backs b \
             ON lower(b.number) IN (r.value->>'name', r.value->>'instead') WHERE r.value->>'kind' = 'address'";
        let tickets = "SELECT DISTINCT CAST(t.id AS TEXT) FROM {rows} JOIN tickets t \
             ON (r.value->>'kind' = 'address' AND lower(t.sender) IN (r.value->>'name', r.value->>'instead')) \
             OR (r.value->>'kind' = 'caller' AND t.caller IN (r.value->>'name', r.value->>'instead'))";
        let mut contacts: BTreeSet<String> = self
            .texts_of_rows(contacts, &rows)
            .await?
            .into_iter()
            .collect();
        for id in ["contact", "origin"] {
            let sql = called_back.replace("{id}", id);
            contacts.extend(self.texts_of_rows(&sql, &rows).await?);
        }
        let tickets = self.texts_of_rows(tickets, &rows).await?;
        Ok(Found {
            contacts: contacts.into_iter().collect(),
            tickets: tickets.iter().filter_map(|id| id.parse().ok()).collect(),
        })
    }

    pub(super) async fn texts_of_rows(
        &self,
        sql: &str,
        rows: &str,
    ) -> Result<Vec<String>, DatabaseFault> {
        let found: Vec<(String,)> = sqlx::query_as(self.database.engine().sql(sql))
            .bind(rows.to_owned())
            .fetch_all(self.database.reads())
            .await?;
        Ok(found.into_iter().map(|(text,)| text).collect())
    }

    async fn texts(&self, sql: String, value: &str) -> Result<Vec<String>, DatabaseFault> {
        let found: Vec<(String,)> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(value.to_owned())
            .fetch_all(self.database.reads())
            .await?;
        Ok(found.into_iter().map(|(text,)| text).collect())
    }
}

/// The names as rows of a statement.
pub(super) fn rows_of(names: &[Name]) -> String {
    let row = |name: &Name| {
        let kind = if name.is_address() {
            "address"
        } else {
            "caller"
        };
        json!({"kind": kind, "name": name.name, "instead": name.instead})
    };
    Value::from(names.iter().map(row).collect::<Vec<_>>()).to_string()
}
