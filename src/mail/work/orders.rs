//! What is still to be done in the line for a contact: committed with what it follows from, then carried out.
//!
//! Database and line are two stores, and a gateway may end between them. So a command commits what it writes
//! together with an order, and only then changes the line; whatever order is left is carried out at the next
//! look ([`super::attend`]). An order holds for one answered offer: when somebody else has the contact by
//! now, it holds no more. Carrying it out twice does nothing the second time.

use super::MailWork;
use crate::acd::StoreLost;
use crate::database::{DatabaseFault, Engine, Statement};
use ringdown_routing::contact::{Place, PlacedContact, Priority, Reserved};
use ringdown_routing::event::{ContactResult, EndedBy, EventDraft, EventKind};
use ringdown_routing::ids::{AgentId, ContactId, OfferToken, QueueId};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{Answer, Refusal, Verb};
use sqlx::AnyConnection;
use std::time::Duration;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(super) contact: ContactId,
    pub(super) act: Act,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// The agent who answered this offer has finished.
    Complete(OfferToken),
    /// The agent who answered this offer passes it on.
    HandOver {
        token: OfferToken,
        to: QueueId,
        keep_for: Option<AgentId>,
    },
    /// It waits for nothing any more: another contact of its ticket does.
    Leave,
    /// Its answer is due soon: it is told, and put forward while it waits.
    Escalate {
        due_at: Timestamp,
        priority: Option<i32>,
        to: Option<QueueId>,
        /// When that was found; it is told once since then.
        at: Timestamp,
    },
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    /// It is so, or holds no more.
    Out,
    /// The line refuses; it may take it later.
    Refused(Refusal),
    /// Somebody else moved the contact before: it stays where that brought it.
    Overtaken,
}

/// Writes an order in the place of an older one of the same contact.
pub(super) async fn insert(
    engine: Engine,
    connection: &mut AnyConnection,
    order: &Order,
    at: Timestamp,
) -> Result<(), DatabaseFault> {
    let mut escalation = (None, None);
    let (act, token, queue, keep_for) = match &order.act {
        Act::Escalate {
            due_at,
            priority,
            to,
            ..
        } => {
            escalation = (priority.map(i64::from), Some(due_at.as_millis()));
            (ESCALATE, None, to.as_ref().map(QueueId::as_str), None)
        }
        Act::Complete(token) => (COMPLETE, Some(*token), None, None),
        Act::Leave => (LEAVE, None, None, None),
        Act::HandOver {
            token,
            to,
            keep_for,
        } => (
            HAND_OVER,
            Some(*token),
            Some(to.as_str()),
            keep_for.as_ref(),
        ),
    };
    sqlx::query(engine.sql(INSERT))
        .bind(order.contact.to_string())
        .bind(act)
        .bind(token.map(|token| i64::try_from(token.as_u64()).unwrap_or(i64::MAX)))
        .bind(queue.map(str::to_owned))
        .bind(keep_for.map(|agent| agent.as_str().to_owned()))
        .bind(at.as_millis())
        .bind(escalation.0)
        .bind(escalation.1)
        .execute(connection)
        .await?;
    Ok(())
}

/// The statement that takes an order away, and no other of the same contact.
pub(super) fn removal(order: &Order) -> Statement {
    Statement::new(
        "DELETE FROM contact_orders WHERE contact = $1 AND act = $2",
        vec![order.contact.to_string().into(), order.act.word().into()],
    )
}

impl Order {
    /// Whether somebody else has the contact that was to end.
    pub(super) fn is_overtaken_by(&self, placed: &PlacedContact) -> bool {
        match (&self.act, &placed.place) {
            (Act::Complete(token), Place::Active { token: other, .. }) => token != other,
            (Act::Complete(_) | Act::HandOver { .. } | Act::Leave | Act::Escalate { .. }, _) => {
                false
            }
        }
    }
}

impl Act {
    fn word(&self) -> &'static str {
        match self {
            Self::Complete(_) => COMPLETE,
            Self::HandOver { .. } => HAND_OVER,
            Self::Leave => LEAVE,
            Self::Escalate { .. } => ESCALATE,
        }
    }
}

type Row = (
    String,
    String,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    i64,
);

fn read(row: Row) -> Result<Order, DatabaseFault> {
    let (contact, act, token, queue, keep_for, priority, due_at, at) = row;
    let unreadable = || DatabaseFault::Unreadable(format!("the order of contact {contact}"));
    let token = token.and_then(|token| u64::try_from(token).ok());
    let act = match (act.as_str(), token.map(OfferToken::new), queue) {
        (LEAVE, _, _) => Act::Leave,
        (ESCALATE, _, to) => Act::Escalate {
            due_at: Timestamp::from_millis(due_at.unwrap_or(at)),
            priority: priority.and_then(|priority| i32::try_from(priority).ok()),
            to: to.map(QueueId::new),
            at: Timestamp::from_millis(at),
        },
        (COMPLETE, Some(token), _) => Act::Complete(token),
        (HAND_OVER, Some(token), Some(queue)) => Act::HandOver {
            token,
            to: QueueId::new(queue),
            keep_for: keep_for.map(AgentId::new),
        },
        _ => return Err(unreadable()),
    };
    Ok(Order {
        contact: contact.parse().map_err(|_| unreadable())?,
        act,
    })
}

/// The orders that nobody has carried out yet, oldest first. Whether a hand-over was carried out or overtaken is
/// known to none but who does it, so a new one is left to the gateway that took it.
pub(super) async fn left(work: &MailWork) -> Result<Vec<Order>, DatabaseFault> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT contact, act, token, queue, keep_for, priority, due_at, at FROM contact_orders \
         WHERE act <> 'hand_over' OR at <= $1 ORDER BY at, contact LIMIT 100",
    )
    .bind((work.now() - HAND_OVER_TIME_MAX).as_millis())
    .fetch_all(work.shared.database.reads())
    .await?;
    rows.into_iter().map(read).collect()
}

/// Changes the line as ordered; the order is taken away when it is so.
pub(super) async fn carry_out(work: &MailWork, order: &Order) -> Result<Carried, StoreLost> {
    let placed = find(work, order.contact);
    let carried = match (&order.act, placed) {
        (Act::Complete(token), Some(placed)) => match answered_by(&placed, *token) {
            Some(at) => complete(work, &placed, *token, at).await?,
            // Its ticket is done with, so it waits for nothing any more.
            None => leave_unless_active(work, &placed).await?,
        },
        (
            Act::HandOver {
                token,
                to,
                keep_for,
            },
            Some(placed),
        ) if answered_by(&placed, *token).is_some() => {
            let reserved = keep_for
                .clone()
                .map(|agent| Reserved { agent, until: None });
            let verb = Verb::HandOver {
                contact: order.contact,
                to: to.clone(),
                reserved,
                token: Some(*token),
            };
            of(work.shared.acd.change(verb).await?)
        }
        (Act::Leave, Some(placed)) => leave_line(work, &placed, MERGED).await?,
        (
            Act::Escalate {
                due_at,
                priority,
                to,
                at,
            },
            Some(placed),
        ) => {
            put_forward(work, &placed, *priority, to.as_ref()).await?;
            tell_escalated(work, &placed, *due_at, *at).await;
            Carried::Out
        }
        (Act::Escalate { .. }, None) => not_in_line(work, order.contact).await,
        (Act::Complete(_), None) => {
            tell_closed_if_untold(work, order.contact, ContactResult::Answered).await;
            Carried::Out
        }
        (Act::Leave, None) => {
            tell_closed_if_untold(work, order.contact, ContactResult::FlowedOut).await;
            Carried::Out
        }
        (Act::HandOver { .. }, Some(_) | None) => Carried::Overtaken,
    };
    if matches!(carried, Carried::Out | Carried::Overtaken)
        && let Err(fault) = work.shared.database.write(vec![removal(order)]).await
    {
        tracing::debug!(contact = %order.contact, %fault, "an order that was carried out stays for now");
    }
    Ok(carried)
}

async fn complete(
    work: &MailWork,
    placed: &PlacedContact,
    token: OfferToken,
    answered_at: Timestamp,
) -> Result<Carried, StoreLost> {
    let (contact, now) = (placed.record.id, work.now());
    let verb = Verb::Complete {
        contact,
        by: EndedBy::Agent,
        talk: now.since(answered_at),
        hold: Duration::ZERO,
        token: Some(token),
    };
    match work.shared.acd.change(verb).await? {
        Answer::Done => {
            let queue = placed.record.queue.clone();
            tell_closed(work, contact, queue, ContactResult::Answered);
        }
        Answer::Refused { .. } | Answer::Reserved { .. } => {
            // Somebody was faster.
            if let Some(now) = find(work, contact) {
                return leave_unless_active(work, &now).await;
            }
        }
    }
    Ok(Carried::Out)
}

/// Whoever has it by now sees on its ticket what became of it.
async fn leave_unless_active(
    work: &MailWork,
    placed: &PlacedContact,
) -> Result<Carried, StoreLost> {
    match placed.place {
        Place::Waiting | Place::Offered { .. } => leave_line(work, placed, DONE_ALREADY).await,
        Place::Active { .. } => Ok(Carried::Out),
    }
}

async fn leave_line(
    work: &MailWork,
    placed: &PlacedContact,
    to: &str,
) -> Result<Carried, StoreLost> {
    let contact = placed.record.id;
    let to = to.to_owned();
    match work
        .shared
        .acd
        .change(Verb::FlowOut { contact, to })
        .await?
    {
        Answer::Done => {
            let queue = placed.record.queue.clone();
            tell_closed(work, contact, queue, ContactResult::FlowedOut);
        }
        // Somebody has taken it, and sees where it belongs.
        Answer::Refused { .. } | Answer::Reserved { .. } => {}
    }
    Ok(Carried::Out)
}

/// A mail that is in no line yet, because that is closed or full, is put forward when it comes in; one that is
/// over needs nothing any more.
async fn not_in_line(work: &MailWork, contact: ContactId) -> Carried {
    match work.shared.log.contact(contact).await {
        Ok(Some(record)) if record.ended_at.is_none() => Carried::Refused(Refusal::NotWaiting),
        Ok(_) => Carried::Out,
        Err(fault) => {
            tracing::debug!(%contact, %fault, "a mail that is due soon cannot be read now");
            Carried::Refused(Refusal::NotWaiting)
        }
    }
}

/// Puts a contact that waits forward; who refuses it (a line that is closed or full) leaves it where it is.
async fn put_forward(
    work: &MailWork,
    placed: &PlacedContact,
    priority: Option<i32>,
    to: Option<&QueueId>,
) -> Result<(), StoreLost> {
    let contact = placed.record.id;
    match placed.place {
        Place::Waiting | Place::Offered { .. } => {}
        Place::Active { .. } => return Ok(()),
    }
    if let Some(priority) = priority
        .map(Priority)
        .filter(|it| *it > placed.record.priority)
    {
        let verb = Verb::Reprioritise { contact, priority };
        work.shared.acd.change(verb).await?;
    }
    if let Some(to) = to {
        let to = to.clone();
        work.shared.acd.change(Verb::Move { contact, to }).await?;
    }
    Ok(())
}

/// Told once: a gateway may have ended after it told it, and before the order was taken away.
async fn tell_escalated(
    work: &MailWork,
    placed: &PlacedContact,
    due_at: Timestamp,
    since: Timestamp,
) {
    let contact = placed.record.id;
    let told: Result<Option<(i64,)>, sqlx::Error> = sqlx::query_as(
        "SELECT seq FROM events WHERE contact = $1 AND kind = 'escalated' AND at >= $2 LIMIT 1",
    )
    .bind(contact.to_string())
    .bind(since.as_millis())
    .fetch_optional(work.shared.database.reads())
    .await;
    if told.is_ok_and(|told| told.is_some()) {
        return;
    }
    let kind = EventKind::Escalated { due_at };
    let draft = EventDraft::of_contact(work.now(), contact, kind);
    if let Err(fault) = work
        .shared
        .acd
        .publish(draft.in_queue(placed.record.queue.clone()))
    {
        tracing::warn!(%contact, %fault, "that an answer is due soon was not told");
    }
}

fn tell_closed(work: &MailWork, contact: ContactId, queue: QueueId, result: ContactResult) {
    let kind = EventKind::Closed { result };
    let draft = EventDraft::of_contact(work.now(), contact, kind).in_queue(queue);
    if let Err(fault) = work.shared.acd.publish(draft) {
        tracing::warn!(%contact, %fault, "a mail's end was not told");
    }
}

/// A gateway may have ended between the contact's end and its last word; and who was to leave may stand in
/// no line yet.
async fn tell_closed_if_untold(work: &MailWork, contact: ContactId, result: ContactResult) {
    match work.shared.log.contact(contact).await {
        Ok(Some(record)) if record.result.is_none() => {
            if let Some(queue) = record.queue {
                tell_closed(work, contact, queue, result);
            }
        }
        Ok(_) => {}
        Err(fault) => tracing::debug!(%contact, %fault, "a mail's end cannot be read now"),
    }
}

fn of(answer: Answer) -> Carried {
    match answer {
        Answer::Done | Answer::Reserved { .. } => Carried::Out,
        Answer::Refused {
            reason: reason @ (Refusal::QueueClosed | Refusal::QueueFull),
        } => Carried::Refused(reason),
        // Whatever it was to change is not there any more.
        Answer::Refused { .. } => Carried::Overtaken,
    }
}

pub(super) fn find(work: &MailWork, contact: ContactId) -> Option<PlacedContact> {
    work.shared.acd.read(|view| view.contact(contact).cloned())
}

/// When the offer was answered by which somebody has the contact, if it is this one.
fn answered_by(placed: &PlacedContact, wanted: OfferToken) -> Option<Timestamp> {
    match &placed.place {
        Place::Active {
            token, answered_at, ..
        } => (*token == wanted).then_some(*answered_at),
        Place::Waiting | Place::Offered { .. } => None,
    }
}

/// How long a hand-over may take that a gateway carries out.
const HAND_OVER_TIME_MAX: Duration = Duration::from_secs(10);

const COMPLETE: &str = "complete";
const HAND_OVER: &str = "hand_over";
const LEAVE: &str = "leave";
const ESCALATE: &str = "escalate";

/// Where a contact goes whose ticket was done with while somebody put it back into a line.
const DONE_ALREADY: &str = "done";

/// Where a contact goes whose ticket has another one.
const MERGED: &str = "merged";

/// An order to end or to move a contact takes the place of any other; one to escalate of none.
const INSERT: &str = "\
INSERT INTO contact_orders (contact, act, token, queue, keep_for, at, priority, due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (contact) DO UPDATE SET act = excluded.act, token = excluded.token, queue = excluded.queue,
    keep_for = excluded.keep_for, at = excluded.at, priority = excluded.priority, due_at = excluded.due_at
WHERE excluded.act <> 'escalate'";
