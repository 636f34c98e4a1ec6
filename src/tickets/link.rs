//! Which ticket a contact gets: the rules, as statements over a whole batch of contacts.

use super::{Grade, Kind, TicketStatus};
use crate::database::{DatabaseFault, Engine};
use crate::event_log::without_nul;
use ringdown_routing::ids::{CallerId, CiId, ContactId, OrganisationId, QueueId, TicketId};
use ringdown_routing::time::Timestamp;
use serde::Serialize;
use serde_json::json;
use sqlx::AnyConnection;
use std::collections::BTreeMap;

/// A wish for a ticket with everything decided that needs no look into the store.
#[derive(Clone, Debug)]
pub struct OpenTicket {
    pub(crate) contact: ContactId,
    pub(super) opened: Opened,
    pub(super) at: Timestamp,
    pub(super) from: Option<String>,
    pub(super) queue: Option<QueueId>,
    pub(super) caller: Option<CallerId>,
    pub(super) organisation: Option<OrganisationId>,
    pub(super) cis: Vec<CiId>,
    pub(super) digits: Option<String>,
    /// The ticket it belongs to, when that is known already.
    pub(super) attach: Option<(TicketId, Rule)>,
    /// An abandoned call that ended since then is repeated by this one; `None` for other channels.
    pub(super) abandoned_since: Option<Timestamp>,
    pub(super) kind: Kind,
    pub(super) impact: Grade,
    pub(super) urgency: Grade,
    pub(super) priority: u8,
    /// Whether the first line could solve it.
    pub(super) is_eligible: bool,
    pub(super) target_ms: Option<i64>,
    pub(super) subject: String,
    pub(super) prefix: String,
    pub(super) date: String,
}

/// Who asked for a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Opened {
    /// A contact, which is linked to it.
    ForContact,
    /// A person at the desk.
    ByHand,
}

/// The ticket a contact has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    /// Its key.
    pub ticket: TicketId,
    /// Its number as people say it.
    pub number: String,
    /// Its priority, 1 the most urgent.
    pub priority: u8,
    /// The rule that decided.
    pub rule: Rule,
}

impl OpenTicket {
    /// Brings the contact to a ticket that is there, by this rule.
    pub(crate) fn attach_to(&mut self, ticket: TicketId, rule: Rule) {
        self.attach = Some((ticket, rule));
    }
}

impl Linked {
    /// Whether it was opened for this contact.
    pub fn is_new(&self) -> bool {
        match self.rule {
            Rule::New => true,
            Rule::KeyedIn
            | Rule::RepeatCall
            | Rule::Reference
            | Rule::SignedAddress
            | Rule::SubjectNumber
            | Rule::SignedMarker
            | Rule::Incident => false,
        }
    }
}

/// Why a contact has the ticket it has, first match first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The caller keyed its number in, and it belongs to them, to their organisation, or to a call from
    /// the same number.
    KeyedIn,
    /// The same caller (or number, when nobody knows the caller) abandoned a call shortly before.
    RepeatCall,
    /// The mail answers or continues a mail of the ticket.
    Reference,
    /// The mail went to an address that was signed for the ticket.
    SignedAddress,
    /// The mail's subject names the ticket.
    SubjectNumber,
    /// The mail's text holds the marker that was signed for the ticket.
    SignedMarker,
    /// The caller heard of a major incident and left noted for it, before the line or out of it.
    Incident,
    /// Nothing else held.
    New,
}

impl Rule {
    /// The word in events and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyedIn => "keyed_in",
            Self::RepeatCall => "repeat_call",
            Self::Reference => "reference",
            Self::SignedAddress => "signed_address",
            Self::SubjectNumber => "subject_number",
            Self::SignedMarker => "signed_marker",
            Self::Incident => "incident",
            Self::New => "new",
        }
    }

    fn of(word: &str) -> Self {
        match word {
            "keyed_in" => Self::KeyedIn,
            "repeat_call" => Self::RepeatCall,
            "reference" => Self::Reference,
            "signed_address" => Self::SignedAddress,
            "subject_number" => Self::SubjectNumber,
            "signed_marker" => Self::SignedMarker,
            "incident" => Self::Incident,
            _ => Self::New,
        }
    }
}

/// Gives every contact its ticket; part of the writer's transaction.
///
/// Two contacts of one batch never repeat each other: a caller cannot abandon and call again within
/// the batch's 50 ms, and after an outage a second ticket is the lesser harm.
pub(crate) async fn link(
    engine: Engine,
    connection: &mut AnyConnection,
    wishes: &BTreeMap<ContactId, &OpenTicket>,
) -> Result<BTreeMap<ContactId, Linked>, DatabaseFault> {
    let mut linked = find(engine, connection, wishes).await?;
    move_to_incidents(engine, connection, wishes, &mut linked).await?;
    let is_settled = |contact: &ContactId| linked.get(contact).is_some_and(|it| it.is_settled);
    let unsettled: Vec<ContactId> = wishes
        .keys()
        .filter(|contact| !is_settled(contact))
        .copied()
        .collect();
    let without: Vec<&OpenTicket> = wishes
        .iter()
        .filter(|(contact, _)| !linked.contains_key(*contact))
        .map(|(_, wish)| *wish)
        .collect();
    if !without.is_empty() {
        for (contact, new) in open_new(engine, connection, &without).await? {
            linked.insert(contact, new);
        }
    }
    let links: Vec<serde_json::Value> = unsettled
        .iter()
        .filter_map(|contact| Some((contact, wishes.get(contact)?, linked.get(contact)?)))
        .map(|(contact, wish, found)| {
            json!({
                "contact": contact,
                "ticket": found.linked.ticket,
                "rule": found.linked.rule,
                "at": wish.at,
                "opened": wish.opened,
                "caller": wish.caller,
            })
        })
        .collect();
    if !links.is_empty() {
        let rows = serde_json::Value::Array(links).to_string();
        execute(engine, connection, INSERT_LINKS, rows.clone()).await?;
        execute(engine, connection, MARK_CONTACTS, rows.clone()).await?;
        super::telling::mark_comings_again(engine, connection, &without_nul(rows)).await?;
    }
    Ok(linked
        .into_iter()
        .map(|(contact, found)| (contact, found.linked))
        .collect())
}

/// Brings contacts that have a ticket and are to be on that of a major incident there. A ticket that was
/// opened for such a contact and has nothing else on it goes into the incident's.
async fn move_to_incidents(
    engine: Engine,
    connection: &mut AnyConnection,
    wishes: &BTreeMap<ContactId, &OpenTicket>,
    linked: &mut BTreeMap<ContactId, Found>,
) -> Result<(), DatabaseFault> {
    let mut rows = Vec::new();
    for (contact, found) in linked.iter() {
        let wish = wishes.get(contact);
        let Some((ticket, Rule::Incident)) = wish.and_then(|wish| wish.attach) else {
            continue;
        };
        if found.is_settled && found.linked.ticket != ticket {
            rows.push(json!({
                "contact": contact,
                "ticket": ticket,
                "at": wish.map(|wish| wish.at),
            }));
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let rows = serde_json::Value::Array(rows).to_string();
    for template in [MERGE_LEFT, MOVE_LINKS, MOVE_CONTACTS] {
        execute(engine, connection, template, rows.clone()).await?;
    }
    *linked = find(engine, connection, wishes).await?;
    Ok(())
}

/// Brings callers who were recognised late to the tickets that were opened without one; part of the
/// writer's transaction. The ticket of a major incident is nobody's.
pub(crate) async fn name_callers(
    engine: Engine,
    connection: &mut AnyConnection,
    callers: &[(ContactId, &CallerId)],
) -> Result<(), DatabaseFault> {
    let rows: Vec<_> = callers
        .iter()
        .map(|(contact, caller)| json!({ "contact": contact, "caller": caller }))
        .collect();
    let rows = serde_json::Value::Array(rows).to_string();
    execute(engine, connection, NAME_CALLERS, rows).await
}

struct Found {
    linked: Linked,
    /// Linked before; nothing is left to write.
    is_settled: bool,
}

async fn find(
    engine: Engine,
    connection: &mut AnyConnection,
    wishes: &BTreeMap<ContactId, &OpenTicket>,
) -> Result<BTreeMap<ContactId, Found>, DatabaseFault> {
    let rows: Vec<_> = wishes
        .values()
        .map(|wish| {
            json!({
                "contact": wish.contact,
                "caller": wish.caller,
                "organisation": wish.organisation,
                "sender": wish.from,
                "digits": wish.digits,
                "attach": wish.attach.map(|(ticket, _)| ticket),
                "attach_rule": wish.attach.map(|(_, rule)| rule),
                "since": wish.abandoned_since,
            })
        })
        .collect();
    let rows = serde_json::Value::Array(rows).to_string();
    let found: Vec<(String, i64, String, i64, String)> = sqlx::query_as(engine.sql(FIND))
        .bind(without_nul(rows))
        .fetch_all(&mut *connection)
        .await?;
    let mut by_contact = BTreeMap::new();
    for (contact, ticket, number, priority, rule) in found {
        let contact: ContactId = contact
            .parse()
            .map_err(|fault| DatabaseFault::Unreadable(format!("{contact}: {fault}")))?;
        let (is_settled, rule) = match rule.strip_prefix("linked ") {
            Some(rule) => (true, Rule::of(rule)),
            None => (false, Rule::of(&rule)),
        };
        let linked = Linked {
            ticket: TicketId::new(u64::try_from(ticket).unwrap_or(0)),
            number,
            priority: u8::try_from(priority).unwrap_or(u8::MAX),
            rule,
        };
        // Rows come in the order of the rules; the first holds.
        by_contact
            .entry(contact)
            .or_insert(Found { linked, is_settled });
    }
    Ok(by_contact)
}

async fn open_new(
    engine: Engine,
    connection: &mut AnyConnection,
    wishes: &[&OpenTicket],
) -> Result<Vec<(ContactId, Found)>, DatabaseFault> {
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for wish in wishes {
        *counts.entry(ID_COUNTER.to_owned()).or_default() += 1;
        *counts.entry(day_counter(wish)).or_default() += 1;
    }
    let rows: Vec<_> = counts
        .iter()
        .map(|(name, count)| json!({ "name": name, "count": count }))
        .collect();
    let rows = serde_json::Value::Array(rows).to_string();
    let last: Vec<(String, i64)> = sqlx::query_as(engine.sql(COUNT_UP))
        .bind(without_nul(rows))
        .fetch_all(&mut *connection)
        .await?;
    // The first number handed out is one above what was there before.
    let mut next: BTreeMap<String, i64> = last
        .into_iter()
        .map(|(name, last)| {
            let count = counts.get(&name).copied().unwrap_or(0);
            (name, last - count + 1)
        })
        .collect();
    let mut take = |name: &str| -> i64 {
        let slot = next.entry(name.to_owned()).or_insert(1);
        *slot += 1;
        *slot - 1
    };
    let (mut tickets, mut cis, mut opened) = (Vec::new(), Vec::new(), Vec::new());
    for wish in wishes {
        let id = take(ID_COUNTER);
        let counter = take(&day_counter(wish));
        let number = format!("{}-{}-{counter:04}", wish.prefix, wish.date);
        tickets.push(json!({
            "id": id,
            "number": number,
            "digits": format!("{}{counter:04}", wish.date),
            "kind": wish.kind,
            "impact": wish.impact,
            "urgency": wish.urgency,
            "priority": wish.priority,
            "status": TicketStatus::Open,
            "subject": wish.subject,
            "caller": wish.caller,
            "organisation": wish.organisation,
            "sender": wish.from,
            "queue": wish.queue,
            "at": wish.at,
            "eligible": i64::from(wish.is_eligible),
            "target": wish.target_ms,
        }));
        cis.extend(wish.cis.iter().map(|ci| json!({ "ticket": id, "ci": ci })));
        let linked = Linked {
            ticket: TicketId::new(u64::try_from(id).unwrap_or(0)),
            number,
            priority: wish.priority,
            rule: Rule::New,
        };
        let found = Found {
            linked,
            is_settled: false,
        };
        opened.push((wish.contact, found));
    }
    let tickets = serde_json::Value::Array(tickets).to_string();
    execute(engine, connection, INSERT_TICKETS, tickets).await?;
    if !cis.is_empty() {
        let cis = serde_json::Value::Array(cis).to_string();
        execute(engine, connection, INSERT_CIS, cis).await?;
    }
    Ok(opened)
}

async fn execute(
    engine: Engine,
    connection: &mut AnyConnection,
    template: &str,
    rows: String,
) -> Result<(), DatabaseFault> {
    sqlx::query(engine.sql(template))
        .bind(without_nul(rows))
        .execute(connection)
        .await?;
    Ok(())
}

fn day_counter(wish: &OpenTicket) -> String {
    format!("{ID_COUNTER}-{}", wish.date)
}

/// Counts tickets' keys; with a date behind it, that day's numbers.
const ID_COUNTER: &str = "ticket";

const FIND: &str = "\
SELECT x.contact, t.id, t.number, t.priority, x.rule FROM (
    SELECT r.value->>'contact' AS contact, l.ticket AS ticket, 'linked ' || l.rule AS rule, 1 AS place
    FROM {rows} JOIN ticket_contacts l ON l.contact = r.value->>'contact'
    UNION ALL
    SELECT r.value->>'contact', CAST(r.value->>'attach' AS BIGINT), r.value->>'attach_rule', 2
    FROM {rows} WHERE r.value->>'attach' IS NOT NULL
    UNION ALL
    SELECT r.value->>'contact', k.id, 'keyed_in', 3
    FROM {rows} JOIN tickets k ON k.digits = r.value->>'digits' AND k.status <> 'closed'
        AND (k.caller = r.value->>'caller' OR k.organisation = r.value->>'organisation'
            OR k.sender = r.value->>'sender')
    UNION ALL
    SELECT r.value->>'contact', c.ticket, 'repeat_call', 4
    FROM {rows} JOIN contacts c ON c.caller = r.value->>'caller' AND c.result = 'abandoned'
        AND c.ended_at >= CAST(r.value->>'since' AS BIGINT)
    UNION ALL
    SELECT r.value->>'contact', c.ticket, 'repeat_call', 5
    FROM {rows} JOIN contacts c ON c.sender = r.value->>'sender' AND c.result = 'abandoned'
        AND c.ended_at >= CAST(r.value->>'since' AS BIGINT)
    WHERE r.value->>'caller' IS NULL
    UNION ALL
    SELECT r.value->>'contact', c.ticket, 'repeat_call', 4
    FROM {rows} JOIN contacts c ON c.caller = r.value->>'caller' AND c.reason = 'gateway_lost'
        AND c.ended_at >= CAST(r.value->>'since' AS BIGINT)
    UNION ALL
    SELECT r.value->>'contact', c.ticket, 'repeat_call', 5
    FROM {rows} JOIN contacts c ON c.sender = r.value->>'sender' AND c.reason = 'gateway_lost'
        AND c.ended_at >= CAST(r.value->>'since' AS BIGINT)
    WHERE r.value->>'caller' IS NULL
) x JOIN tickets t ON t.id = x.ticket AND (x.place <= 2 OR t.status <> 'closed')
ORDER BY x.place, t.id DESC";

const COUNT_UP: &str = "\
INSERT INTO counters (name, last)
SELECT r.value->>'name', CAST(r.value->>'count' AS BIGINT) FROM {rows} WHERE true
ON CONFLICT (name) DO UPDATE SET last = counters.last + excluded.last
RETURNING name, last";

const INSERT_TICKETS: &str = "\
INSERT INTO tickets (id, number, digits, kind, impact, urgency, priority, status, subject, caller,
    organisation, sender, queue, created_at, changed_at, eligible, target_ms)
SELECT CAST(r.value->>'id' AS BIGINT), r.value->>'number', r.value->>'digits', r.value->>'kind',
    CAST(r.value->>'impact' AS BIGINT), CAST(r.value->>'urgency' AS BIGINT),
    CAST(r.value->>'priority' AS BIGINT), r.value->>'status', r.value->>'subject',
    r.value->>'caller', r.value->>'organisation', r.value->>'sender', r.value->>'queue',
    CAST(r.value->>'at' AS BIGINT), CAST(r.value->>'at' AS BIGINT),
    CAST(r.value->>'eligible' AS BIGINT), CAST(r.value->>'target' AS BIGINT)
FROM {rows}";

const INSERT_CIS: &str = "\
INSERT INTO ticket_cis (ticket, ci)
SELECT CAST(r.value->>'ticket' AS BIGINT), r.value->>'ci' FROM {rows} WHERE true
ON CONFLICT (ticket, ci) DO NOTHING";

const INSERT_LINKS: &str = "\
INSERT INTO ticket_contacts (contact, ticket, rule, linked_at)
SELECT r.value->>'contact', CAST(r.value->>'ticket' AS BIGINT), r.value->>'rule',
    CAST(r.value->>'at' AS BIGINT)
FROM {rows}";

const MERGE_LEFT: &str = "\
UPDATE tickets SET status = 'closed', resolution = 'merged', merged_into = x.ticket, changed_at = x.at FROM (
    SELECT l.contact AS contact, l.ticket AS left_behind, CAST(r.value->>'ticket' AS BIGINT) AS ticket,
        CAST(r.value->>'at' AS BIGINT) AS at
    FROM {rows} JOIN ticket_contacts l ON l.contact = r.value->>'contact' AND l.rule = 'new'
) x WHERE tickets.id = x.left_behind AND tickets.merged_into IS NULL
    AND NOT EXISTS (SELECT 1 FROM ticket_contacts o WHERE o.ticket = tickets.id AND o.contact <> x.contact)
    AND NOT EXISTS (SELECT 1 FROM articles a WHERE a.ticket = tickets.id)";

const MOVE_LINKS: &str = "\
UPDATE ticket_contacts SET ticket = x.ticket, rule = 'incident', linked_at = x.at FROM (
    SELECT r.value->>'contact' AS contact, CAST(r.value->>'ticket' AS BIGINT) AS ticket,
        CAST(r.value->>'at' AS BIGINT) AS at
    FROM {rows}
) x WHERE ticket_contacts.contact = x.contact";

const MOVE_CONTACTS: &str = "\
UPDATE contacts SET ticket = x.ticket FROM (
    SELECT r.value->>'contact' AS contact, CAST(r.value->>'ticket' AS BIGINT) AS ticket FROM {rows}
) x WHERE contacts.id = x.contact";

const NAME_CALLERS: &str = "\
UPDATE tickets SET caller = x.caller, organisation = x.organisation FROM (
    SELECT l.ticket AS ticket, r.value->>'caller' AS caller, p.organisation AS organisation
    FROM {rows} JOIN ticket_contacts l ON l.contact = r.value->>'contact' AND l.rule <> 'incident'
    LEFT JOIN people p ON p.id = r.value->>'caller'
) x WHERE tickets.id = x.ticket AND tickets.caller IS NULL";

const MARK_CONTACTS: &str = "\
INSERT INTO contacts (id, changed_at, ticket)
SELECT r.value->>'contact', CAST(r.value->>'at' AS BIGINT), CAST(r.value->>'ticket' AS BIGINT)
FROM {rows} WHERE r.value->>'opened' = 'for_contact'
ON CONFLICT (id) DO UPDATE SET ticket = excluded.ticket";
