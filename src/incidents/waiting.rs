//! Mails that waited already when an incident came into force: each is linked to its ticket, as those that come later
//! are when they are filed.
//!
//! Every gateway looks for them when it learns that an incident holds, and for a while after that, so that a mail is
//! found that a gateway filed which had not heard of the incident yet. A link is one row, which whoever comes first
//! writes together with the event that tells of it; so it is written and told once, however many look and whoever
//! dies. Who wrote was acknowledged before, and gets no second letter; the agent sees the link on the ticket.

use super::{Incident, Incidents};
use crate::cms::Cms;
use crate::database::{Database, DatabaseFault, Engine, Statement};
use ringdown_routing::event::{EventDraft, EventKind};
use ringdown_routing::ids::{CallerId, CiId, ContactId, IncidentId, QueueId};
use ringdown_routing::time::Timestamp;
use serde_json::{Value, json};
use sqlx::{AnyConnection, Row};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How long an incident is looked for after a gateway has learned that it holds: longer than the others take to.
const LOOKED_FOR: Duration = Duration::from_secs(10);

/// Most mails of one page; all pages are looked at.
const PAGE_MAX: i64 = 500;

/// A mail whose ticket it opened, and that no agent has had.
struct WaitingMail {
    contact: String,
    ticket: i64,
    queue: QueueId,
    /// The address of its mailbox.
    mailbox: String,
    /// The sender, where nobody else can have written it.
    caller: Option<CallerId>,
}

impl Incidents {
    /// Links the mails that wait to the incidents that concern them, while one is new here.
    pub(super) async fn link_waiting(&self, now: Timestamp) -> Result<(), DatabaseFault> {
        if !self.is_one_new(now) {
            return Ok(());
        }
        let cms = Cms::new(self.database.clone());
        let mut after = String::new();
        loop {
            let mails = read_page(&self.database, &after).await?;
            let Some(last) = mails.last() else {
                return Ok(());
            };
            after.clone_from(&last.contact);
            let mut links = Vec::new();
            for mail in &mails {
                if let Some(incident) = self.incident_of(&cms, mail, now).await? {
                    links.push(link(mail, &incident, now));
                }
            }
            if !links.is_empty() {
                let rows = Value::Array(links).to_string();
                let insert = Statement::new(INSERT_LINKS, vec![rows.into()]);
                self.database.write(vec![insert]).await?;
            }
        }
    }

    /// Whether an incident holds that this gateway has not known to hold for long.
    fn is_one_new(&self, now: Timestamp) -> bool {
        let in_force = self.in_force(now);
        let looked = self.looked_for.lock();
        let mut looked = looked.unwrap_or_else(PoisonError::into_inner);
        looked.retain(|id, _| in_force.contains(id));
        for id in in_force {
            looked.entry(id).or_insert(now);
        }
        looked.values().any(|since| now.since(*since) < LOOKED_FOR)
    }

    async fn incident_of(
        &self,
        cms: &Cms,
        mail: &WaitingMail,
        now: Timestamp,
    ) -> Result<Option<Arc<Incident>>, DatabaseFault> {
        let caller = match &mail.caller {
            Some(id) => cms.caller(id).await?,
            None => None,
        };
        let cis = caller.as_ref().map_or(&[][..], |caller| &caller.cis);
        let has = |service: &CiId| cis.iter().any(|ci| ci.id == *service);
        Ok(self.concerning(&mail.queue, &mail.mailbox, has, now))
    }
}

/// When a gateway learned of each incident that holds.
pub(super) type LookedFor = BTreeMap<IncidentId, Timestamp>;

async fn read_page(database: &Database, after: &str) -> Result<Vec<WaitingMail>, DatabaseFault> {
    let rows = sqlx::query(WAITING_MAILS)
        .bind(after.to_owned())
        .bind(PAGE_MAX)
        .fetch_all(database.reads())
        .await?;
    let mail = |row: &sqlx::any::AnyRow| {
        let text = |name: &str| row.try_get::<Option<String>, _>(name);
        let is_known = text("outcome")?.as_deref() == Some("known");
        let caller = text("caller")?.filter(|_| is_known);
        Ok(WaitingMail {
            contact: row.try_get("id")?,
            ticket: row.try_get("ticket")?,
            queue: QueueId::new(text("queue")?.unwrap_or_default()),
            mailbox: text("via")?.unwrap_or_default(),
            caller: caller.map(CallerId::new),
        })
    };
    rows.iter().map(mail).collect()
}

fn link(mail: &WaitingMail, incident: &Incident, now: Timestamp) -> Value {
    json!({
        "ticket": mail.ticket,
        "contact": mail.contact,
        "origin": incident.ticket,
        "incident": incident.id,
        "at": now,
    })
}

/// What the event log is still to be told of contacts that were linked to an incident's ticket, noted as told; part
/// of the writer's transaction.
pub(crate) async fn untold_links(
    engine: Engine,
    connection: &mut AnyConnection,
) -> Result<Vec<EventDraft>, DatabaseFault> {
    let rows = sqlx::query(UNTOLD_LINKS)
        .fetch_all(&mut *connection)
        .await?;
    let (mut drafts, mut told) = (Vec::new(), Vec::new());
    for row in &rows {
        let text = |name: &str| row.try_get::<String, _>(name);
        told.push(json!({ "ticket": row.try_get::<i64, _>("ticket")? }));
        let Ok(contact) = text("contact")?.parse::<ContactId>() else {
            continue;
        };
        let details = BTreeMap::from([
            ("incident".to_owned(), text("incident")?),
            ("ticket".to_owned(), text("ticket_number")?),
        ]);
        let kind = EventKind::Intervened {
            by: text("declared_by")?,
            act: LINKED.to_owned(),
            details,
        };
        let at = Timestamp::from_millis(row.try_get("linked_at")?);
        let mut draft = EventDraft::of_contact(at, contact, kind);
        let queue: Option<String> = row.try_get("queue")?;
        draft.queue = queue.map(QueueId::new);
        drafts.push(draft);
    }
    if !told.is_empty() {
        sqlx::query(engine.sql(NOTE_LINKS_TOLD))
            .bind(Value::Array(told).to_string())
            .execute(connection)
            .await?;
    }
    Ok(drafts)
}

/// The act of the event that tells of a link.
const LINKED: &str = "contact_linked_to_incident";

/// Who opened a ticket by mail and waits: as in the intake, only people.
const WAITING_MAILS: &str = "\
SELECT c.id, t.ticket, c.queue, c.via, c.caller, c.outcome FROM contacts c \
JOIN ticket_contacts t ON t.contact = c.id AND t.rule = 'new' \
WHERE c.channel = 'email' AND c.ended_at IS NULL AND c.answered_at IS NULL AND c.id > $1 \
AND NOT EXISTS (SELECT 1 FROM ticket_links l WHERE l.ticket = t.ticket) \
AND NOT EXISTS (SELECT 1 FROM articles a WHERE a.contact = c.id AND a.automatic IS NOT NULL) \
ORDER BY c.id LIMIT $2";

/// Who has been answered, has left or was linked meanwhile stays as they are.
const INSERT_LINKS: &str = "\
INSERT INTO ticket_links (ticket, origin, why, incident, contact, linked_at, told) \
SELECT CAST(r.value->>'ticket' AS BIGINT), CAST(r.value->>'origin' AS BIGINT), 'incident', \
    r.value->>'incident', r.value->>'contact', CAST(r.value->>'at' AS BIGINT), 0 \
FROM {rows} JOIN contacts c ON c.id = r.value->>'contact' AND c.ended_at IS NULL AND c.answered_at IS NULL \
WHERE true ON CONFLICT (ticket) DO NOTHING";

const UNTOLD_LINKS: &str = "\
SELECT l.ticket, l.contact, l.incident, l.linked_at, i.declared_by, i.ticket_number, c.queue FROM ticket_links l \
JOIN incidents i ON i.id = l.incident LEFT JOIN contacts c ON c.id = l.contact \
WHERE l.told = 0 ORDER BY l.ticket LIMIT 5000";

const NOTE_LINKS_TOLD: &str = "\
UPDATE ticket_links SET told = 1 WHERE ticket IN (SELECT CAST(r.value->>'ticket' AS BIGINT) FROM {rows})";
