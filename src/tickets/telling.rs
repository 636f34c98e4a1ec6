//! Telling the event log how tickets, symptoms, ratings and answers by mail stand: in the transaction that
//! changed them, whoever did, as the difference from what was told before.

use super::facets::{facet_columns, facets_of};
use super::{TicketStatus, symptom::Recorded};
use crate::database::{DatabaseFault, Engine};
use crate::event_log;
use crate::incidents;
use crate::mail;
use ringdown_routing::contact::Channel;
use ringdown_routing::event::{Event, EventDraft, EventKind};
use ringdown_routing::ids::{AgentId, ContactId, EventId, NodeId, QueueId, TicketId};
use ringdown_routing::statistics::REPEAT_WINDOW;
use ringdown_routing::ticket::{ContactFacets, SymptomFacts, TicketFacts};
use ringdown_routing::time::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::json;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::time::Duration;

/// How long after the end of the first contact a ticket may be solved and still be solved at it: the work
/// after the contact.
const FIRST_CONTACT_GRACE: Duration = Duration::from_secs(3_600);

/// Numbers the events of one database's writer.
#[derive(Debug)]
pub(crate) struct Mint {
    origin: NodeId,
    last: u64,
}

impl Mint {
    /// A mint of its own origin.
    pub(crate) fn new() -> Self {
        Self {
            origin: NodeId::new(format!("{:016x}", rand::random::<u64>())),
            last: 0,
        }
    }

    fn number(&mut self, draft: EventDraft) -> Event {
        self.last += 1;
        draft.numbered(EventId {
            origin: self.origin.clone(),
            number: self.last,
        })
    }
}

/// Stores what is to be told as events; part of the writer's transaction, after all that it changes.
pub(crate) async fn tell(
    engine: Engine,
    connection: &mut AnyConnection,
    mint: &mut Mint,
) -> Result<Vec<Event>, DatabaseFault> {
    let mut drafts = Vec::new();
    let tickets = sqlx::query(UNTOLD_TICKETS)
        .fetch_all(&mut *connection)
        .await?;
    let mut told = Vec::with_capacity(tickets.len());
    for row in &tickets {
        told.push(tell_ticket(connection, row, &mut drafts).await?);
    }
    if !told.is_empty() {
        let told = serde_json::Value::Array(told).to_string();
        sqlx::query(engine.sql(NOTE_TOLD))
            .bind(event_log::without_nul(told))
            .execute(&mut *connection)
            .await?;
    }
    for row in sqlx::query(UNTOLD_RATINGS)
        .fetch_all(&mut *connection)
        .await?
    {
        drafts.extend(rated(&row)?);
        sqlx::query("UPDATE satisfaction SET told = 1 WHERE contact = $1")
            .bind(row.try_get::<String, _>("contact")?)
            .execute(&mut *connection)
            .await?;
    }
    drafts.extend(mail::untold_answers(engine, connection).await?);
    drafts.extend(incidents::untold_links(engine, connection).await?);
    let events: Vec<Event> = drafts.into_iter().map(|draft| mint.number(draft)).collect();
    if !events.is_empty() {
        event_log::store(engine, connection, &events).await?;
    }
    Ok(events)
}

/// Marks tickets whose caller has come again about the same service: about the same ticket, one that shares
/// a CI, or one of the same line where the ticket has no CI. Part of the writer's transaction.
pub(super) async fn mark_comings_again(
    engine: Engine,
    connection: &mut AnyConnection,
    links: &str,
) -> Result<(), DatabaseFault> {
    sqlx::query(engine.sql(MARK_COMINGS_AGAIN))
        .bind(links.to_owned())
        .bind(i64::try_from(REPEAT_WINDOW.as_millis()).unwrap_or(i64::MAX))
        .execute(connection)
        .await?;
    Ok(())
}

/// The row of what is told of a ticket from now on.
async fn tell_ticket(
    connection: &mut AnyConnection,
    row: &AnyRow,
    drafts: &mut Vec<EventDraft>,
) -> Result<serde_json::Value, DatabaseFault> {
    let (id, changed_at): (i64, i64) = (row.try_get("id")?, row.try_get("changed_at")?);
    let before: Option<TicketFacts> = written(row.try_get("facts")?)?;
    let now = facts(row, before.as_ref())?;
    // What is learnt of a ticket that nobody changed is told when it was learnt.
    let learnt_at: Option<i64> = row.try_get("learnt_at")?;
    let at = Timestamp::from_millis(learnt_at.unwrap_or(changed_at).max(changed_at));
    if before.as_ref() != Some(&now) {
        let kind = EventKind::TicketChanged {
            ticket: TicketId::new(u64::try_from(id).unwrap_or(0)),
            before: before.map(Box::new),
            now: Box::new(now.clone()),
        };
        let draft = EventDraft::of_desk(at, kind);
        drafts.push(match &now.queue {
            Some(queue) => draft.in_queue(queue.clone()),
            None => draft,
        });
    }
    let is_first = now.is_at_first_contact && now.escalated_at.is_none() && now.is_eligible;
    let first_solved_at = now.solved_at.filter(|_| is_first);
    let facts = serde_json::to_string(&now).map_err(unreadable)?;
    let recorded: Option<Recorded> = written(row.try_get("symptom")?)?;
    if let Some(recorded) = recorded {
        tell_symptom(connection, id, at, &recorded, drafts).await?;
    }
    Ok(json!({ "id": id, "facts": facts, "first_solved_at": first_solved_at }))
}

/// How the ticket of a row stands.
fn facts(row: &AnyRow, before: Option<&TicketFacts>) -> Result<TicketFacts, DatabaseFault> {
    let text = |name: &str| row.try_get::<Option<String>, _>(name);
    let number = |name: &str| row.try_get::<Option<i64>, _>(name);
    let instant = |millis: Option<i64>| millis.map(Timestamp::from_millis);
    let changed_at = Timestamp::from_millis(row.try_get("changed_at")?);
    let status = text("status")?.unwrap_or_default();
    let is_over = [TicketStatus::Solved, TicketStatus::Closed]
        .iter()
        .any(|over| over.as_str() == status);
    // A mail that nobody wanted, or what another ticket took in, was not solved.
    let is_void = matches!(text("resolution")?.as_deref(), Some("spam" | "merged"));
    let was_solved_at = before.and_then(|before| before.solved_at);
    let solved_at = (is_over && !is_void).then(|| was_solved_at.unwrap_or(changed_at));
    let is_at_first_contact = match (solved_at, was_solved_at, before) {
        (None, _, _) => false,
        (Some(_), Some(_), Some(before)) => before.is_at_first_contact,
        (Some(solved_at), _, _) => {
            let contacts = number("contacts")?.unwrap_or(0);
            let ended_at = instant(number("ended_at")?);
            contacts <= 1 && ended_at.is_none_or(|end| solved_at <= end + FIRST_CONTACT_GRACE)
        }
    };
    let is_closed = status == TicketStatus::Closed.as_str();
    let was_closed_at = before.and_then(|before| before.closed_at);
    // What is closed at once was not reviewed, however often it is told.
    let closed_at = was_solved_at
        .filter(|was_solved_at| is_closed && solved_at.is_some() && *was_solved_at < changed_at)
        .map(|_| was_closed_at.unwrap_or(changed_at));
    let channel = text("channel")?.and_then(|word| channel(&word));
    let has_contact = text("contact")?.is_some();
    let told = || before.map(|before| before.facets.clone());
    let facets = if has_contact {
        facets_of(row)?
    } else {
        // It went to another ticket, or its record was too old to be kept.
        told().unwrap_or_default()
    };
    Ok(TicketFacts {
        opened_at: Timestamp::from_millis(row.try_get("created_at")?),
        queue: text("queue")?.map(|queue| QueueId::from(queue.as_str())),
        channel: before
            .map(|before| before.channel)
            .or(channel)
            .unwrap_or(Channel::Voice),
        is_incident: text("kind")?.as_deref() == Some("incident"),
        priority: u8::try_from(number("priority")?.unwrap_or(0)).unwrap_or(u8::MAX),
        is_eligible: number("eligible")? == Some(1) && !is_void,
        escalated_at: instant(number("escalated_at")?),
        solved_at,
        is_at_first_contact,
        came_again: is_at_first_contact && number("came_again")? == Some(1),
        target_ms: number("target_ms")?.and_then(|millis| u64::try_from(millis).ok()),
        closed_at,
        facets,
    })
}

/// Tells the ticket's symptom for each of its contacts that was answered or has left.
async fn tell_symptom(
    connection: &mut AnyConnection,
    ticket: i64,
    at: Timestamp,
    recorded: &Recorded,
    drafts: &mut Vec<EventDraft>,
) -> Result<(), DatabaseFault> {
    let contacts = sqlx::query(CONTACTS_OF_TICKET)
        .bind(ticket)
        .fetch_all(&mut *connection)
        .await?;
    for row in &contacts {
        let before: Option<SymptomFacts> = written(row.try_get("symptom")?)?;
        let id: String = row.try_get("id")?;
        let number = |name: &str| row.try_get::<Option<i64>, _>(name);
        let class = number("class")?.and_then(|class| u8::try_from(class).ok());
        let word: Option<String> = row.try_get("channel")?;
        let (Ok(contact), Some(channel)) = (
            id.parse::<ContactId>(),
            word.and_then(|word| channel(&word)),
        ) else {
            continue;
        };
        let now = SymptomFacts {
            symptom: recorded.symptom.clone(),
            arrived_at: Timestamp::from_millis(row.try_get("arrived_at")?),
            channel,
            class,
            wait_ms: u64::try_from(number("wait_ms")?.unwrap_or(0)).unwrap_or(0),
            is_answered: number("answered_at")?.is_some(),
            service_level_ms: recorded.service_level_ms,
            tolerable_ms: recorded.tolerable_ms(class),
            facets: facets_of(row)?,
        };
        if before.as_ref() == Some(&now) {
            continue;
        }
        sqlx::query("UPDATE contacts SET symptom = $1 WHERE id = $2")
            .bind(serde_json::to_string(&now).map_err(unreadable)?)
            .bind(id)
            .execute(&mut *connection)
            .await?;
        let kind = EventKind::SymptomRecorded {
            before: before.map(Box::new),
            now: Box::new(now),
        };
        let draft = EventDraft::of_contact(at, contact, kind);
        let queue: Option<String> = row.try_get("queue")?;
        drafts.push(match queue {
            Some(queue) => draft.in_queue(QueueId::from(queue.as_str())),
            None => draft,
        });
    }
    Ok(())
}

/// What a row of an answer tells; nothing when the contact is not known any more.
fn rated(row: &AnyRow) -> Result<Option<EventDraft>, DatabaseFault> {
    let contact: String = row.try_get("contact")?;
    let arrived_at: Option<i64> = row.try_get("arrived_at")?;
    let word: Option<String> = row.try_get("channel")?;
    let (Ok(contact), Some(arrived_at), Some(channel)) = (
        contact.parse::<ContactId>(),
        arrived_at,
        word.and_then(|word| channel(&word)),
    ) else {
        return Ok(None);
    };
    // The agent is the event's.
    let facets = Box::new(ContactFacets {
        agent: None,
        ..facets_of(row)?
    });
    let kind = EventKind::Rated {
        score: u8::try_from(row.try_get::<i64, _>("score")?).unwrap_or(0),
        arrived_at: Timestamp::from_millis(arrived_at),
        channel,
        facets,
    };
    let mut draft =
        EventDraft::of_contact(Timestamp::from_millis(row.try_get("at")?), contact, kind);
    draft.queue = row
        .try_get::<Option<String>, _>("queue")?
        .map(|queue| QueueId::from(queue.as_str()));
    draft.agent = row
        .try_get::<Option<String>, _>("agent")?
        .map(|agent| AgentId::from(agent.as_str()));
    Ok(Some(draft))
}

/// Reads what was told before.
pub(super) fn written<T: DeserializeOwned>(
    text: Option<String>,
) -> Result<Option<T>, DatabaseFault> {
    text.map(|text| serde_json::from_str(&text).map_err(unreadable))
        .transpose()
}

fn unreadable(error: serde_json::Error) -> DatabaseFault {
    DatabaseFault::Unreadable(format!("what was told of a ticket: {error}"))
}

fn channel(word: &str) -> Option<Channel> {
    [Channel::Voice, Channel::Email, Channel::Fax, Channel::Chat]
        .into_iter()
        .find(|channel| channel.as_str() == word)
}

const UNTOLD_TICKETS: &str = concat!(
    "SELECT ",
    facet_columns!(),
    ", c.id AS contact, \
t.id, t.kind, t.priority, t.status, t.queue, t.resolution, t.created_at, t.changed_at, t.eligible,
    t.target_ms, t.escalated_at, t.came_again, t.symptom, t.facts, t.learnt_at,
    (SELECT COUNT(*) FROM ticket_contacts l WHERE l.ticket = t.id) AS contacts,
    (SELECT MAX(c.ended_at) FROM contacts c WHERE c.ticket = t.id) AS ended_at,
    (SELECT MIN(c.channel) FROM contacts c WHERE c.ticket = t.id) AS channel
FROM tickets t LEFT JOIN contacts c ON c.id = COALESCE(
    (SELECT MIN(f.contact) FROM ticket_contacts f
        WHERE f.ticket = t.id AND f.rule = 'new' AND f.linked_at = t.created_at),
    (SELECT MIN(f.contact) FROM ticket_contacts f WHERE f.ticket = t.id AND f.rule = 'new'))
WHERE t.told_at IS NULL OR t.told_at < t.changed_at ORDER BY t.id LIMIT 5000"
);

const NOTE_TOLD: &str = "\
UPDATE tickets SET told_at = changed_at, facts = x.facts, first_solved_at = x.first_solved_at FROM (
    SELECT CAST(r.value->>'id' AS BIGINT) AS id, r.value->>'facts' AS facts,
        CAST(r.value->>'first_solved_at' AS BIGINT) AS first_solved_at FROM {rows}
) x WHERE tickets.id = x.id";

const CONTACTS_OF_TICKET: &str = concat!(
    "SELECT ",
    facet_columns!(),
    ", c.id, c.queue, c.channel, c.arrived_at, c.wait_ms, c.answered_at, c.symptom FROM contacts c
WHERE c.ticket = $1 AND c.wait_ms IS NOT NULL AND c.arrived_at IS NOT NULL ORDER BY c.id LIMIT 1000"
);

const UNTOLD_RATINGS: &str = concat!(
    "SELECT ",
    facet_columns!(),
    ", s.contact, s.queue, s.agent, s.score, s.at, c.arrived_at, c.channel
FROM satisfaction s LEFT JOIN contacts c ON c.id = s.contact WHERE s.told = 0 ORDER BY s.contact LIMIT 5000"
);

const MARK_COMINGS_AGAIN: &str = "\
UPDATE tickets SET came_again = 1, told_at = NULL, learnt_at = x.at FROM (
    SELECT t.id AS id, MAX(CAST(r.value->>'at' AS BIGINT)) AS at FROM {rows} JOIN tickets t ON t.caller = r.value->>'caller'
        AND t.first_solved_at >= CAST(r.value->>'at' AS BIGINT) - $2
        AND t.first_solved_at < CAST(r.value->>'at' AS BIGINT)
    JOIN tickets n ON n.id = CAST(r.value->>'ticket' AS BIGINT)
    WHERE t.came_again = 0 AND (t.id = n.id
        OR EXISTS (SELECT 1 FROM ticket_cis a JOIN ticket_cis b ON b.ci = a.ci WHERE a.ticket = t.id AND b.ticket = n.id)
        OR (t.queue = n.queue AND NOT EXISTS (SELECT 1 FROM ticket_cis a WHERE a.ticket = t.id)))
    GROUP BY t.id
) x WHERE tickets.id = x.id";
