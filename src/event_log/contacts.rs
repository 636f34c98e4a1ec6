//! Contact records: what the events of one contact come to, one row a contact.

mod claimed_back;

use super::EventLog;
use crate::database::{DatabaseFault, Engine};
use crate::mail;
use crate::tickets;
use ringdown_routing::contact::Channel;
use ringdown_routing::event::{ContactResult, EndedBy, Event, EventKind, IdentifiedAs};
use ringdown_routing::ids::{AgentId, CallerId, ContactId, QueueId, SkillId, TicketId};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::RestoredPlace;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Where a contact stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactState {
    /// Reached the gateway; in no line yet, or in none any more.
    Arrived,
    /// Stands in a line.
    Waiting,
    /// An agent's phone rings for it.
    Offered,
    /// An agent has it.
    Active,
    /// An agent has it on hold.
    Held,
    /// Over.
    Ended,
}

/// One contact, as `GET /contacts` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContactRecord {
    /// Which contact.
    pub id: ContactId,
    /// How it came in; `None` while only a later event is known.
    pub channel: Option<Channel>,
    /// Who, as the channel says it; empty when withheld.
    pub from: Option<String>,
    /// What was dialled or addressed.
    pub to: Option<String>,
    /// The trunk, mailbox or page it came by.
    pub via: Option<String>,
    /// The line it stands or last stood in.
    pub queue: Option<QueueId>,
    /// The agent who is or was last asked.
    pub agent: Option<AgentId>,
    /// The person, when known.
    pub caller: Option<CallerId>,
    /// The caller's class, when known.
    pub class: Option<u8>,
    /// What came of identification.
    pub identified: Option<IdentifiedAs>,
    /// Its ticket.
    pub ticket: Option<TicketId>,
    /// Where it stands.
    pub state: Option<ContactState>,
    /// When it reached the gateway.
    pub arrived_at: Option<Timestamp>,
    /// When it first entered a line.
    pub enqueued_at: Option<Timestamp>,
    /// When an agent answered.
    pub answered_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// From the first enqueue to answer, abandon or overflow.
    pub wait_ms: Option<u64>,
    /// Time spoken, without hold.
    pub talk_ms: Option<u64>,
    /// Time on hold.
    pub hold_ms: Option<u64>,
    /// Who ended the conversation.
    pub ended_by: Option<EndedBy>,
    /// How it ended.
    pub result: Option<ContactResult>,
    /// Why it was blocked or failed, or how it left before the line.
    pub reason: Option<String>,
}

/// Which contacts to list, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContactsQuery {
    /// Only those that arrived before this one; from the last row of the page before.
    pub before: Option<ContactId>,
    /// Only this queue's.
    pub queue: Option<QueueId>,
    /// Only this caller's.
    pub caller: Option<CallerId>,
    /// Only those of this ticket.
    pub ticket: Option<TicketId>,
}

impl EventLog {
    /// One contact's record.
    pub async fn contact(&self, id: ContactId) -> Result<Option<ContactRecord>, DatabaseFault> {
        let row = sqlx::query("SELECT * FROM contacts WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(self.database.reads())
            .await?;
        row.map(|row| read(&row)).transpose()
    }

    /// At most `limit` contacts, newest first.
    pub async fn contacts(
        &self,
        query: &ContactsQuery,
        limit: usize,
    ) -> Result<Vec<ContactRecord>, DatabaseFault> {
        let rows = sqlx::query(
            "SELECT * FROM contacts WHERE ($1 = '' OR id < $1) AND ($2 = '' OR queue = $2) \
             AND ($3 = '' OR caller = $3) AND ($4 = 0 OR ticket = $4) ORDER BY id DESC LIMIT $5",
        )
        .bind(query.before.map_or(String::new(), |id| id.to_string()))
        .bind(query.queue.as_ref().map_or("", QueueId::as_str).to_owned())
        .bind(
            query
                .caller
                .as_ref()
                .map_or("", CallerId::as_str)
                .to_owned(),
        )
        .bind(query.ticket.map_or(0, |ticket| number(ticket.as_u64())))
        .bind(i64::try_from(limit.clamp(1, CONTACTS_MAX)).unwrap_or(1))
        .fetch_all(self.database.reads())
        .await?;
        rows.iter().map(read).collect()
    }
}

impl EventLog {
    /// The agent who last handled a contact of this caller (or of this number, when nobody knows whose it
    /// is) that ended since then.
    pub async fn last_agent(
        &self,
        caller: Option<&CallerId>,
        sender: &str,
        since: Timestamp,
    ) -> Result<Option<AgentId>, DatabaseFault> {
        let (column, key) = match caller {
            Some(caller) => ("caller", caller.as_str()),
            None if sender.is_empty() => return Ok(None),
            None => ("sender", sender),
        };
        let query = format!(
            "SELECT agent FROM contacts WHERE {column} = $1 AND ended_at >= $2 \
             AND result = 'answered' AND agent IS NOT NULL ORDER BY ended_at DESC LIMIT 1"
        );
        let agent: Option<(String,)> = sqlx::query_as(AssertSqlSafe(query))
            .bind(key.to_owned())
            .bind(since.as_millis())
            .fetch_optional(self.database.reads())
            .await?;
        Ok(agent.map(|(agent,)| AgentId::new(agent)))
    }
}

/// What a batch of events changes in one contact's row; a field that is missing stays as it is.
#[derive(Clone, Debug, Default, Serialize)]
struct Patch {
    id: String,
    changed_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<Channel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<QueueId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<AgentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<CallerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<IdentifiedAs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<TicketId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<ContactState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arrived_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enqueued_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    talk_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_by: Option<EndedBy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<ContactResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What it needed at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    skills: Option<BTreeSet<SkillId>>,
    /// Whose answer stands; empty when it was given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_by: Option<String>,
}

/// Folds events into the rows of their contacts.
pub(super) async fn fold(
    engine: Engine,
    connection: &mut AnyConnection,
    events: &[Event],
) -> Result<(), DatabaseFault> {
    let mut patches: BTreeMap<ContactId, Patch> = BTreeMap::new();
    for event in events {
        // What somebody orders for a contact to come (a call-back) does not make it one that came.
        if matches!(event.kind, EventKind::Intervened { .. }) {
            continue;
        }
        if let Some(contact) = event.contact {
            let patch = patches.entry(contact).or_insert_with(|| Patch::of(contact));
            patch.take(event);
        }
    }
    if patches.is_empty() {
        return Ok(());
    }
    // Who is known at arrival is known to the ticket from its start; later answers are brought to it.
    let arrived: BTreeSet<ContactId> = patches
        .iter()
        .filter(|(_, patch)| patch.arrived_at.is_some())
        .map(|(contact, _)| *contact)
        .collect();
    let mut claimed_back = claimed_back::among(events);
    let rows: Vec<&Patch> = patches.values().collect();
    let rows = serde_json::to_string(&rows)
        .map_err(|error| DatabaseFault::Unreadable(error.to_string()))?;
    let upserted = sqlx::query(engine.sql(UPSERT)).bind(super::without_nul(rows));
    if patches.values().any(Patch::is_of_an_end) {
        for row in upserted.fetch_all(&mut *connection).await? {
            let (id, changed_at): (String, i64) = (row.try_get("id")?, row.try_get("changed_at")?);
            let id = id.parse::<ContactId>();
            let patch = id.ok().and_then(|id| Some((id, patches.get(&id)?)));
            claimed_back.extend(
                patch
                    .filter(|(_, patch)| patch.is_of_an_end() && patch.changed_at < changed_at)
                    .map(|(id, _)| id),
            );
        }
    } else {
        upserted.execute(&mut *connection).await?;
    }
    claimed_back::tell_anew(engine, connection, &claimed_back).await?;
    let moved: Vec<ContactId> = events.iter().filter_map(moved).collect();
    if !moved.is_empty() {
        mail::note_moved_answers(engine, connection, &moved).await?;
    }
    let late: Vec<(ContactId, &CallerId)> = events
        .iter()
        .filter_map(caller_of)
        .filter(|(contact, _)| !arrived.contains(contact))
        .collect();
    if late.is_empty() {
        return Ok(());
    }
    tickets::name_callers(engine, connection, &late).await
}

/// Which contact an event takes to another line.
fn moved(event: &Event) -> Option<ContactId> {
    let is_it = matches!(event.kind, EventKind::Overflowed { .. });
    event.contact.filter(|_| is_it)
}

/// Who an event says the caller is without doubt.
fn caller_of(event: &Event) -> Option<(ContactId, &CallerId)> {
    let EventKind::Identified {
        outcome: IdentifiedAs::Known,
        caller: Some(caller),
        ..
    } = &event.kind
    else {
        return None;
    };
    Some((event.contact?, caller))
}

impl Patch {
    fn of(contact: ContactId) -> Self {
        Self {
            id: contact.to_string(),
            ..Self::default()
        }
    }

    fn is_of_an_end(&self) -> bool {
        self.ended_at.is_some() || self.result.is_some()
    }

    /// The contact goes on: it did not end, whatever was told.
    fn take_end_back(&mut self) {
        self.ended_at = None;
        self.ended_by = None;
        self.talk_ms = None;
        self.hold_ms = None;
        self.result = None;
        self.reason = None;
    }

    fn take(&mut self, event: &Event) {
        let at = event.at.as_millis();
        self.changed_at = self.changed_at.max(at);
        // An agent is told free in the line they had it from, when it may be in another one already.
        let is_of_the_agent = matches!(event.kind, EventKind::Ready { .. });
        if let Some(queue) = event.queue.as_ref().filter(|_| !is_of_the_agent) {
            self.queue = Some(queue.clone());
        }
        match &event.kind {
            EventKind::Arrived {
                channel,
                from,
                to,
                via,
            } => {
                self.channel = Some(*channel);
                self.sender = Some(from.clone());
                self.recipient = Some(to.clone());
                self.via = Some(via.clone());
                self.arrived_at = Some(at);
                self.state = Some(ContactState::Arrived);
            }
            EventKind::Identified {
                outcome,
                caller,
                class,
            } => {
                self.outcome = Some(*outcome);
                self.caller.clone_from(caller);
                self.class = *class;
            }
            EventKind::TicketLinked { ticket, .. } => self.ticket = Some(*ticket),
            EventKind::Enqueued {
                enqueued_at,
                skills,
                ..
            } => {
                let at_once = skills.after(Duration::ZERO).flat_map(|need| need.keys());
                let at_once: BTreeSet<SkillId> = at_once.cloned().collect();
                if !at_once.is_empty() {
                    self.skills.get_or_insert_default().extend(at_once);
                }
                self.enqueued_at = Some(enqueued_at.as_millis());
                self.state = Some(ContactState::Waiting);
            }
            EventKind::Blocked { reason } => self.reason = Some(reason.clone()),
            EventKind::Informed { how, .. } => self.reason = Some(how.as_str().to_owned()),
            EventKind::Failed { cause } => self.reason = Some(cause.clone()),
            EventKind::Offered { .. } => {
                self.agent.clone_from(&event.agent);
                self.state = Some(ContactState::Offered);
            }
            EventKind::Requeued { .. } => {
                self.answered_by = Some(String::new());
                self.state = Some(ContactState::Waiting);
            }
            EventKind::Answered { wait_ms, .. } => {
                self.agent.clone_from(&event.agent);
                self.answered_by = event.agent.as_ref().map(ToString::to_string);
                self.answered_at = Some(at);
                self.wait_ms = Some(*wait_ms);
                self.state = Some(ContactState::Active);
            }
            EventKind::Held => self.state = Some(ContactState::Held),
            EventKind::Resumed => self.state = Some(ContactState::Active),
            EventKind::Abandoned { wait_ms } => {
                self.wait_ms = Some(*wait_ms);
                self.ended_at = Some(at);
                self.state = Some(ContactState::Ended);
            }
            EventKind::Overflowed { wait_ms, .. } => {
                self.wait_ms = Some(*wait_ms);
                self.state = Some(ContactState::Arrived);
            }
            EventKind::Ended {
                by,
                talk_ms,
                hold_ms,
                ..
            } => {
                self.ended_by = Some(*by);
                self.talk_ms = Some(*talk_ms);
                self.hold_ms = Some(*hold_ms);
                self.ended_at = Some(at);
                self.state = Some(ContactState::Ended);
            }
            EventKind::Closed { result } => {
                self.result = Some(*result);
                self.ended_at.get_or_insert(at);
                self.state = Some(ContactState::Ended);
            }
            EventKind::Restored { record, place } => match place {
                RestoredPlace::Waiting { .. } => {
                    self.take_end_back();
                    self.answered_by = Some(String::new());
                    self.answered_at = None;
                    self.wait_ms = None;
                    self.state = Some(ContactState::Waiting);
                }
                RestoredPlace::Active {
                    agent, answered_at, ..
                } => {
                    self.take_end_back();
                    self.agent = Some(agent.clone());
                    self.answered_by = Some(agent.to_string());
                    self.answered_at = Some(answered_at.as_millis());
                    let wait = answered_at.since(record.enqueued_at).as_millis();
                    self.wait_ms = u64::try_from(wait).ok();
                    self.state = Some(ContactState::Active);
                }
                // Its own events tell how.
                RestoredPlace::Ended { .. } => {}
            },
            // These change the line or the agent, and are followed by the contact's own event.
            EventKind::Rang { .. }
            | EventKind::Declined { .. }
            | EventKind::RingTimeout { .. }
            | EventKind::OfferExpired { .. }
            | EventKind::LeftOffer { .. }
            | EventKind::WrapUpExtended { .. }
            | EventKind::Ready { .. }
            | EventKind::AgentStatus { .. }
            | EventKind::AgentReachable { .. }
            | EventKind::KeyedIn { .. }
            | EventKind::IncidentTold { .. }
            | EventKind::MessageLeft { .. }
            | EventKind::MediaReport { .. }
            | EventKind::QueueChanged { .. }
            | EventKind::OverflowRefused { .. }
            | EventKind::Reprioritised { .. }
            | EventKind::NextStatus { .. }
            | EventKind::AgentChanged { .. }
            | EventKind::NodeLost { .. }
            | EventKind::StoreLost { .. }
            | EventKind::Escalated { .. }
            | EventKind::TicketChanged { .. }
            | EventKind::SymptomRecorded { .. }
            | EventKind::Rated { .. }
            | EventKind::AnswerAwaited { .. }
            | EventKind::AnswerWaitEnded { .. }
            | EventKind::Intervened { .. }
            | EventKind::StoreReturned
            | EventKind::AgentRemoved => {}
        }
    }
}

/// What happened first stays (arrival, first enqueue, end); of what changes, the latest counts, so that an
/// event that comes twice or late does not set a contact back.
const UPSERT: &str = "\
INSERT INTO contacts (id, changed_at, channel, sender, recipient, via, queue, agent, caller, class,
    outcome, ticket, state, arrived_at, enqueued_at, answered_at, ended_at, wait_ms, talk_ms, hold_ms,
    ended_by, result, reason, skills, answered_by)
SELECT r.value->>'id', CAST(r.value->>'changed_at' AS BIGINT), r.value->>'channel',
    r.value->>'sender', r.value->>'recipient', r.value->>'via', r.value->>'queue', r.value->>'agent',
    r.value->>'caller', CAST(r.value->>'class' AS BIGINT), r.value->>'outcome',
    CAST(r.value->>'ticket' AS BIGINT), r.value->>'state', CAST(r.value->>'arrived_at' AS BIGINT),
    CAST(r.value->>'enqueued_at' AS BIGINT), CAST(r.value->>'answered_at' AS BIGINT),
    CAST(r.value->>'ended_at' AS BIGINT), CAST(r.value->>'wait_ms' AS BIGINT),
    CAST(r.value->>'talk_ms' AS BIGINT), CAST(r.value->>'hold_ms' AS BIGINT),
    r.value->>'ended_by', r.value->>'result', r.value->>'reason', r.value->>'skills', r.value->>'answered_by'
FROM {rows} WHERE true
ON CONFLICT (id) DO UPDATE SET
    changed_at = CASE WHEN excluded.changed_at > contacts.changed_at
        THEN excluded.changed_at ELSE contacts.changed_at END,
    channel = COALESCE(excluded.channel, contacts.channel),
    sender = COALESCE(excluded.sender, contacts.sender),
    recipient = COALESCE(excluded.recipient, contacts.recipient),
    via = COALESCE(excluded.via, contacts.via),
    queue = CASE WHEN excluded.changed_at >= contacts.changed_at
        THEN COALESCE(excluded.queue, contacts.queue) ELSE COALESCE(contacts.queue, excluded.queue) END,
    agent = CASE WHEN excluded.changed_at >= contacts.changed_at
        THEN COALESCE(excluded.agent, contacts.agent) ELSE COALESCE(contacts.agent, excluded.agent) END,
    caller = COALESCE(excluded.caller, contacts.caller),
    class = COALESCE(excluded.class, contacts.class),
    outcome = CASE WHEN excluded.outcome = 'unavailable'
        THEN COALESCE(contacts.outcome, excluded.outcome)
        ELSE COALESCE(excluded.outcome, contacts.outcome) END,
    ticket = COALESCE(excluded.ticket, contacts.ticket),
    state = CASE WHEN excluded.changed_at >= contacts.changed_at
        THEN COALESCE(excluded.state, contacts.state) ELSE COALESCE(contacts.state, excluded.state) END,
    arrived_at = COALESCE(contacts.arrived_at, excluded.arrived_at),
    enqueued_at = COALESCE(contacts.enqueued_at, excluded.enqueued_at),
    answered_at = COALESCE(excluded.answered_at, contacts.answered_at),
    ended_at = COALESCE(contacts.ended_at, excluded.ended_at),
    wait_ms = COALESCE(excluded.wait_ms, contacts.wait_ms),
    talk_ms = COALESCE(excluded.talk_ms, contacts.talk_ms),
    hold_ms = COALESCE(excluded.hold_ms, contacts.hold_ms),
    ended_by = COALESCE(excluded.ended_by, contacts.ended_by),
    result = COALESCE(contacts.result, excluded.result),
    reason = COALESCE(excluded.reason, contacts.reason),
    skills = COALESCE(excluded.skills, contacts.skills),
    answered_by = CASE WHEN excluded.changed_at >= contacts.changed_at
        THEN COALESCE(excluded.answered_by, contacts.answered_by)
        ELSE COALESCE(contacts.answered_by, excluded.answered_by) END
RETURNING id, changed_at";

fn read(row: &AnyRow) -> Result<ContactRecord, DatabaseFault> {
    let text = |column| row.try_get::<Option<String>, _>(column);
    let whole = |column| row.try_get::<Option<i64>, _>(column);
    let count = |column| Ok::<_, sqlx::Error>(whole(column)?.and_then(|it| u64::try_from(it).ok()));
    let instant = |column| Ok::<_, sqlx::Error>(whole(column)?.map(Timestamp::from_millis));
    let id: String = row.try_get("id")?;
    Ok(ContactRecord {
        id: id
            .parse()
            .map_err(|fault| DatabaseFault::Unreadable(format!("{id}: {fault}")))?,
        channel: word(text("channel")?)?,
        from: text("sender")?,
        to: text("recipient")?,
        via: text("via")?,
        queue: text("queue")?.map(QueueId::new),
        agent: text("agent")?.map(AgentId::new),
        caller: text("caller")?.map(CallerId::new),
        class: whole("class")?.and_then(|class| u8::try_from(class).ok()),
        identified: word(text("outcome")?)?,
        ticket: count("ticket")?.map(TicketId::new),
        state: word(text("state")?)?,
        arrived_at: instant("arrived_at")?,
        enqueued_at: instant("enqueued_at")?,
        answered_at: instant("answered_at")?,
        ended_at: instant("ended_at")?,
        wait_ms: count("wait_ms")?,
        talk_ms: count("talk_ms")?,
        hold_ms: count("hold_ms")?,
        ended_by: word(text("ended_by")?)?,
        result: word(text("result")?)?,
        reason: text("reason")?,
    })
}

/// Reads one of our enums from its word.
fn word<T: DeserializeOwned>(text: Option<String>) -> Result<Option<T>, DatabaseFault> {
    text.map(|text| {
        serde_json::from_value(serde_json::Value::String(text))
            .map_err(|error| DatabaseFault::Unreadable(error.to_string()))
    })
    .transpose()
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Most contacts of one page.
const CONTACTS_MAX: usize = 500;
