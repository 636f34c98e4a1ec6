//! Brings the contacts of mails into their lines, and those of before a restart back.
//!
//! A mail is in the database before anybody hears of its contact, so a crash in between loses nothing: what
//! is in no line is found there every [`TICK`]. A line that is closed or full refuses, and the contact is
//! tried again. Mails leave room for callers: they are brought in only while the line is less than half full.

use super::filing::{Arrival, Filed};
use crate::acd::{Acd, PublishFault};
use crate::config::Config;
use crate::database::{Database, DatabaseFault, Statement};
use ringdown_routing::contact::{Channel, Priority, QueuedContact};
use ringdown_routing::event::{ContactResult, Event, EventDraft, EventKind, IdentifiedAs};
use ringdown_routing::ids::{CallerId, ContactId, NodeId, QueueId, TicketId};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{Answer, Refusal, RestoredPlace, Verb};
use sqlx::Row;
use sqlx::any::AnyRow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Brings contacts in; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Usher {
    acd: Acd,
    database: Database,
    config: Arc<Config>,
    node: NodeId,
    /// Whether those who stood in line before have their places back; until then nobody new takes one.
    has_restored: Arc<AtomicBool>,
}

/// What the desk must know of a mail's contact.
#[derive(Clone, Debug)]
pub(super) struct MailContact {
    id: ContactId,
    at: Timestamp,
    from: String,
    to: String,
    mailbox: String,
    queue: QueueId,
    outcome: IdentifiedAs,
    caller: Option<CallerId>,
    class: Option<u8>,
    ticket: TicketId,
    number: String,
    is_new_ticket: bool,
    rule: String,
    is_spam: bool,
}

impl MailContact {
    pub(super) fn new(arrival: Arrival, filed: &Filed) -> Self {
        Self {
            id: arrival.contact,
            at: arrival.at,
            from: arrival.from,
            to: arrival.to,
            mailbox: arrival.mailbox,
            queue: arrival.queue,
            outcome: arrival.outcome,
            caller: arrival.caller,
            class: arrival.class,
            ticket: filed.ticket,
            number: filed.number.clone(),
            is_new_ticket: filed.is_new_ticket,
            rule: filed.rule.to_owned(),
            is_spam: arrival.is_spam,
        }
    }

    /// What is told of a new contact, in order.
    fn story(&self) -> [EventKind; 3] {
        [
            EventKind::Arrived {
                channel: Channel::Email,
                from: self.from.clone(),
                to: self.to.clone(),
                via: self.mailbox.clone(),
            },
            EventKind::Identified {
                outcome: self.outcome,
                caller: self.caller.clone(),
                class: self.class,
            },
            EventKind::TicketLinked {
                ticket: self.ticket,
                number: self.number.clone(),
                is_new: self.is_new_ticket,
                rule: self.rule.clone(),
            },
        ]
    }
}

impl Usher {
    pub(crate) fn new(acd: Acd, database: Database, config: Arc<Config>, node: NodeId) -> Self {
        Self {
            acd,
            database,
            config,
            node,
            has_restored: Arc::default(),
        }
    }

    /// The node whose contacts it brings in.
    pub(super) fn node(&self) -> &NodeId {
        &self.node
    }

    /// Whether those who stood in line before have their places back.
    pub(super) fn has_restored(&self) -> bool {
        self.has_restored.load(Ordering::Relaxed)
    }

    /// Tells of a contact that was just filed, and brings it into its line if that takes it.
    pub(super) async fn bring_in(&self, contact: &MailContact) {
        if let Err(fault) = self.tell(contact) {
            tracing::warn!(contact = %contact.id, %fault, "a mail's arrival was not told");
        }
        if contact.is_spam {
            self.put_aside(contact);
        } else if self.has_restored.load(Ordering::Relaxed) && self.room(&contact.queue) > 0 {
            self.enqueue(contact, contact.at).await;
        }
    }

    /// Brings back what stood in line before a restart, then looks for what is in no line, until the gateway
    /// stops.
    pub(crate) async fn run(self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(fault) = self.sweep().await {
                tracing::debug!(%fault, "mail: contacts that wait cannot be read now");
            }
        }
    }

    pub(super) async fn sweep(&self) -> Result<(), DatabaseFault> {
        let has_restored = self.has_restored.load(Ordering::Relaxed);
        self.claim(has_restored).await?;
        // What was told of contacts must be readable, or it would be told again.
        self.database.flush().await?;
        if !has_restored {
            self.restore().await?;
            self.has_restored.store(true, Ordering::Relaxed);
        }
        let mut queues: Vec<&QueueId> = self.config.mailboxes.iter().map(|it| &it.queue).collect();
        queues.sort();
        queues.dedup();
        for queue in queues {
            let room = self.room(queue).min(PAGE);
            if room > 0 {
                self.bring_in_from(queue, room).await?;
            }
        }
        Ok(())
    }

    /// Takes on contacts that no node has: those of `ringdown mail`, and those of nodes that are gone. A desk
    /// in memory has no other nodes.
    async fn claim(&self, has_restored: bool) -> Result<(), DatabaseFault> {
        let others = if self.acd.is_shared() {
            "node IS NULL"
        } else if has_restored {
            "node IS NULL AND contact IS NOT NULL"
        } else {
            "contact IS NOT NULL AND (node IS NULL OR node <> $1)"
        };
        let sql = format!(
            "UPDATE mails SET node = $1 WHERE {others} \
             AND contact IN (SELECT id FROM contacts WHERE channel = 'email' AND ended_at IS NULL)"
        );
        let statement = Statement::new(sql, vec![self.node.as_str().into()]);
        self.database.write(vec![statement]).await
    }

    /// Brings contacts back that stood in line when the desk was lost, at their old place.
    async fn restore(&self) -> Result<(), DatabaseFault> {
        let mut after = String::new();
        loop {
            let rows = sqlx::query(IN_LINE)
                .bind(self.node.as_str().to_owned())
                .bind(after.clone())
                .bind(i64::try_from(PAGE).unwrap_or(i64::MAX))
                .fetch_all(self.database.reads())
                .await?;
            for row in &rows {
                after = row.try_get("id")?;
                let contact = read(row)?;
                let at: i64 = row.try_get("enqueued_at")?;
                let place = self.place_before(row)?;
                self.put_back(&contact, Timestamp::from_millis(at), place)
                    .await;
            }
            if rows.len() < PAGE {
                return Ok(());
            }
        }
    }

    /// A mail stays with the agent who took it, under the same token, as long as there is such an agent; one
    /// that was only offered waits.
    fn place_before(&self, row: &AnyRow) -> Result<RestoredPlace, DatabaseFault> {
        let waiting = RestoredPlace::Waiting { offer_over: None };
        let answered: Option<String> = row.try_get("answered")?;
        let (Some(answered), "active" | "held") = (answered, row.try_get::<&str, _>("state")?)
        else {
            return Ok(waiting);
        };
        let event: Event = serde_json::from_str(&answered)
            .map_err(|fault| DatabaseFault::Unreadable(fault.to_string()))?;
        let (EventKind::Answered { token, .. }, Some(agent)) = (&event.kind, event.agent) else {
            return Ok(waiting);
        };
        if self.acd.read(|view| view.agent(&agent).is_none()) {
            return Ok(waiting);
        }
        Ok(RestoredPlace::Active {
            agent,
            token: *token,
            answered_at: event.at,
        })
    }

    async fn put_back(&self, contact: &MailContact, enqueued_at: Timestamp, place: RestoredPlace) {
        let verb = Verb::Restore {
            contact: self.queued(contact, enqueued_at),
            place,
        };
        match self.acd.change(verb).await {
            Ok(Answer::Done) => {}
            answer @ (Ok(Answer::Refused { .. } | Answer::Reserved { .. }) | Err(_)) => {
                tracing::warn!(contact = %contact.id, ?answer, "a mail could not be brought back into its line");
            }
        }
    }

    async fn bring_in_from(&self, queue: &QueueId, room: usize) -> Result<(), DatabaseFault> {
        let before = self.acd.now() - AGE_MIN;
        let rows = sqlx::query(IN_NO_LINE)
            .bind(self.node.as_str().to_owned())
            .bind(queue.as_str().to_owned())
            .bind(before.as_millis())
            .bind(i64::try_from(room).unwrap_or(i64::MAX))
            .fetch_all(self.database.reads())
            .await?;
        for row in &rows {
            let contact = read(row)?;
            let is_told: i64 = row.try_get("is_told")?;
            if is_told == 0
                && let Err(fault) = self.tell(&contact)
            {
                tracing::warn!(contact = %contact.id, %fault, "a mail's arrival was not told");
                continue;
            }
            self.enqueue(&contact, contact.at).await;
        }
        Ok(())
    }

    /// Tells that a contact ends before the line.
    fn put_aside(&self, contact: &MailContact) {
        let kinds = [
            EventKind::Blocked {
                reason: "spam".to_owned(),
            },
            EventKind::Closed {
                result: ContactResult::Blocked,
            },
        ];
        for kind in kinds {
            let draft = EventDraft::of_contact(contact.at, contact.id, kind);
            if let Err(fault) = self.acd.publish(draft.in_queue(contact.queue.clone())) {
                tracing::warn!(contact = %contact.id, %fault, "a mail that is put aside was not told");
            }
        }
    }

    fn tell(&self, contact: &MailContact) -> Result<(), PublishFault> {
        for kind in contact.story() {
            let draft = EventDraft::of_contact(contact.at, contact.id, kind);
            self.acd.publish(draft.in_queue(contact.queue.clone()))?;
        }
        Ok(())
    }

    async fn enqueue(&self, contact: &MailContact, enqueued_at: Timestamp) {
        let verb = Verb::Enqueue {
            contact: self.queued(contact, enqueued_at),
        };
        match self.acd.change(verb).await {
            Ok(Answer::Done | Answer::Reserved { .. }) => {}
            Ok(Answer::Refused {
                reason: Refusal::QueueClosed | Refusal::QueueFull,
            }) => {
                tracing::debug!(contact = %contact.id, "a mail waits for its line");
            }
            Ok(Answer::Refused { reason }) => {
                tracing::warn!(contact = %contact.id, ?reason, "a mail's line refused it");
            }
            Err(fault) => {
                tracing::warn!(contact = %contact.id, %fault, "a mail could not be brought into its line");
            }
        }
    }

    fn queued(&self, contact: &MailContact, enqueued_at: Timestamp) -> QueuedContact {
        let queue = self.config.queue(&contact.queue);
        let (id, node) = (contact.id, self.node.clone());
        QueuedContact {
            priority: queue.map_or(Priority(0), |queue| queue.priority.of(contact.class)),
            ..QueuedContact::new(id, contact.queue.clone(), Channel::Email, enqueued_at, node)
        }
    }

    /// How many mails a line takes now.
    fn room(&self, queue: &QueueId) -> usize {
        self.acd.read(|view| {
            let Some(rules) = view.queue(queue).filter(|rules| rules.is_open) else {
                return 0;
            };
            let half = rules.waiting_max.map_or(usize::MAX, |most| {
                usize::try_from(most.div_ceil(2)).unwrap_or(usize::MAX)
            });
            half.saturating_sub(view.unanswered(queue))
        })
    }
}

const IN_LINE: &str = "\
SELECT c.*, t.number, (SELECT e.body FROM events e WHERE e.contact = c.id AND e.kind = 'answered'
    ORDER BY e.at DESC, e.seq DESC LIMIT 1) AS answered
FROM mails m JOIN contacts c ON c.id = m.contact JOIN tickets t ON t.id = m.ticket
WHERE m.node = $1 AND c.ended_at IS NULL AND c.enqueued_at IS NOT NULL AND c.id > $2
ORDER BY c.id LIMIT $3";

const IN_NO_LINE: &str = "\
SELECT c.*, t.number, (SELECT COUNT(*) FROM events e WHERE e.contact = c.id AND e.kind = 'arrived') AS is_told
FROM contacts c JOIN mails m ON m.contact = c.id JOIN tickets t ON t.id = m.ticket
WHERE m.node = $1 AND c.queue = $2 AND c.channel = 'email' AND c.ended_at IS NULL AND c.enqueued_at IS NULL
    AND c.arrived_at < $3
ORDER BY c.id LIMIT $4";

fn read(row: &AnyRow) -> Result<MailContact, DatabaseFault> {
    let text = |column| row.try_get::<Option<String>, _>(column);
    let id: String = row.try_get("id")?;
    let unreadable = |fault: String| DatabaseFault::Unreadable(format!("contact {id}: {fault}"));
    let outcome = text("outcome")?.unwrap_or_default();
    let ticket: Option<i64> = row.try_get("ticket")?;
    let class: Option<i64> = row.try_get("class")?;
    let at: i64 = row.try_get("arrived_at")?;
    Ok(MailContact {
        id: id
            .parse()
            .map_err(|fault: ringdown_routing::ids::IdFault| unreadable(fault.to_string()))?,
        at: Timestamp::from_millis(at),
        from: text("sender")?.unwrap_or_default(),
        to: text("recipient")?.unwrap_or_default(),
        mailbox: text("via")?.unwrap_or_default(),
        queue: QueueId::new(text("queue")?.unwrap_or_default()),
        outcome: serde_json::from_value(serde_json::Value::String(outcome))
            .map_err(|fault| unreadable(fault.to_string()))?,
        caller: text("caller")?.map(CallerId::new),
        class: class.and_then(|class| u8::try_from(class).ok()),
        ticket: TicketId::new(ticket.and_then(|id| u64::try_from(id).ok()).unwrap_or(0)),
        number: row.try_get("number")?,
        // Only the first telling says how the ticket was found; whoever tells late says that it is there.
        is_new_ticket: false,
        rule: "restored".to_owned(),
        is_spam: false,
    })
}

/// How often contacts that are in no line are looked for.
const TICK: Duration = Duration::from_secs(2);

/// How old such a contact must be: a younger one is on its way.
const AGE_MIN: Duration = Duration::from_secs(5);

/// Most contacts brought in at one look.
const PAGE: usize = 500;
