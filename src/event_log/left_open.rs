//! Calls that a gateway left open in the log when it died, and agents whom it left at work, where its line was in its
//! own memory.
//!
//! With Redis another gateway, or the next one, takes a gateway for lost and ends its calls. Without it nobody is
//! there to do so, and nobody would ever tell how they ended: they would wait, and their agents talk, for ever in every
//! report. The next gateway of the same database tells it before its desk opens: they are over right after the log's
//! last event, for nobody knows of a later instant at which that gateway was alive. Nor does anybody know what its
//! agents did from then on: its desk had their status, and the next one begins with everybody logged off, so that they
//! are logged off in the log since that instant, too. (In Redis a status outlives the gateway, and its time goes on.)

use super::EventLog;
use crate::database::DatabaseFault;
use ringdown_routing::agent::Status;
use ringdown_routing::contact::VIA_CALL_BACK;
use ringdown_routing::event::{ContactResult, EndedBy, EventDraft, EventKind};
use ringdown_routing::ids::{AgentId, ContactId, EventId, NodeId, QueueId};
use ringdown_routing::time::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;
use std::collections::BTreeSet;
use std::time::Duration;

/// Why such a call failed.
const GATEWAY_DIED: &str = "gateway_died";

/// Longest that a call is taken to have gone on after the last that is known of it.
const GOES_ON_MAX: Duration = Duration::from_secs(12 * 3_600);

/// How long after the last word the end is told: of two origins' words at one instant either may count first.
const AFTER: Duration = Duration::from_millis(1);

/// Most calls read at once.
const PAGE_MAX: i64 = 1_000;

/// A call of which no end is told.
struct LeftOpen {
    contact: ContactId,
    queue: Option<QueueId>,
    agent: Option<AgentId>,
    /// Its last event's instant.
    changed_at: Timestamp,
    enqueued_at: Option<Timestamp>,
    answered_at: Option<Timestamp>,
    /// The conversation is over, and only that the contact is was not told.
    is_ended: bool,
}

impl EventLog {
    /// Ends every call that is open in the log, and logs off whoever is at work in it; how many calls there were. Only
    /// for who starts and has the desk alone ([`Tenants::One`](crate::database::Tenants)): what is open there is
    /// nobody's. Call-backs and messages are not touched: they stand in the database.
    pub async fn end_left_open(&self) -> Result<u64, DatabaseFault> {
        let (last,): (Option<i64>,) = sqlx::query_as("SELECT MAX(at) FROM events")
            .fetch_one(self.database.reads())
            .await?;
        let Some(last) = last.map(Timestamp::from_millis) else {
            return Ok(0);
        };
        let over_at = last + AFTER;
        // A node of its own, which nobody else is.
        let origin = NodeId::new(format!("{:016x}", rand::random::<u64>()));
        let (mut count, mut after) = (0, String::new());
        let mut number = self.log_off_left(over_at, &origin).await?;
        loop {
            let rows = sqlx::query(
                "SELECT id, queue, agent, changed_at, enqueued_at, answered_at, state FROM contacts \
                 WHERE id > $1 AND channel = 'voice' AND result IS NULL AND state IS NOT NULL \
                 AND (via IS NULL OR via <> $2) ORDER BY id LIMIT $3",
            )
            .bind(after.clone())
            .bind(VIA_CALL_BACK.to_owned())
            .bind(PAGE_MAX)
            .fetch_all(self.database.reads())
            .await?;
            let calls: Vec<LeftOpen> = rows.iter().map(LeftOpen::read).collect::<Result<_, _>>()?;
            let Some(newest) = calls.last() else {
                return Ok(count);
            };
            after = newest.contact.to_string();
            for call in calls {
                for draft in call.ends(over_at) {
                    number += 1;
                    let id = EventId {
                        origin: origin.clone(),
                        number,
                    };
                    if !self.append(draft.numbered(id)) {
                        return Err(DatabaseFault::Backlog);
                    }
                }
                count += 1;
            }
            self.flush().await?;
        }
    }
}

impl EventLog {
    /// Logs off whom the log has at work; the number of the last event that tells it.
    async fn log_off_left(&self, at: Timestamp, origin: &NodeId) -> Result<u64, DatabaseFault> {
        let mut at_work = BTreeSet::new();
        for event in self
            .settings_before(Timestamp::from_millis(i64::MAX))
            .await?
        {
            let Some(agent) = event.agent else {
                continue;
            };
            let is_off = matches!(
                event.kind,
                EventKind::AgentRemoved
                    | EventKind::AgentStatus {
                        status: Status::LoggedOff
                    }
            );
            if is_off {
                at_work.remove(&agent);
            } else if let EventKind::AgentStatus { .. } = event.kind {
                at_work.insert(agent);
            }
        }
        let mut number = 0;
        for agent in at_work {
            number += 1;
            let status = Status::LoggedOff;
            let draft = EventDraft::of_agent(at, agent, EventKind::AgentStatus { status });
            let id = EventId {
                origin: origin.clone(),
                number,
            };
            if !self.append(draft.numbered(id)) {
                return Err(DatabaseFault::Backlog);
            }
        }
        self.flush().await?;
        Ok(number)
    }
}

impl LeftOpen {
    fn read(row: &AnyRow) -> Result<Self, DatabaseFault> {
        let instant = |name: &str| -> Result<Option<Timestamp>, DatabaseFault> {
            let millis: Option<i64> = row.try_get(name)?;
            Ok(millis.map(Timestamp::from_millis))
        };
        let text = |name: &str| -> Result<Option<String>, DatabaseFault> { Ok(row.try_get(name)?) };
        let id = text("id")?.unwrap_or_default();
        let fault = |_| DatabaseFault::Unreadable(format!("`{id}` is no contact"));
        Ok(Self {
            contact: id.parse().map_err(fault)?,
            queue: text("queue")?.map(QueueId::new),
            agent: text("agent")?.map(AgentId::new),
            changed_at: instant("changed_at")?.unwrap_or_default(),
            enqueued_at: instant("enqueued_at")?,
            answered_at: instant("answered_at")?,
            is_ended: text("state")?.as_deref() == Some("ended"),
        })
    }

    /// What is told of it, as the desk would have of a gateway that is lost.
    fn ends(&self, over_at: Timestamp) -> Vec<EventDraft> {
        let at = over_at.min(self.changed_at + GOES_ON_MAX);
        let at = at.max(self.changed_at + AFTER);
        let draft = |kind| {
            let draft = EventDraft::of_contact(at, self.contact, kind);
            match &self.queue {
                Some(queue) => draft.in_queue(queue.clone()),
                None => draft,
            }
        };
        let with_agent = |kind| match &self.agent {
            Some(agent) => draft(kind).with_agent(agent.clone()),
            None => draft(kind),
        };
        let millis =
            |from: Timestamp| u64::try_from(at.since(from).as_millis()).unwrap_or(u64::MAX);
        let cause = GATEWAY_DIED.to_owned();
        let failed = draft(EventKind::Failed { cause });
        let closed = |result| draft(EventKind::Closed { result });
        match (self.answered_at, self.enqueued_at) {
            (Some(_), _) if self.is_ended => vec![closed(ContactResult::Answered)],
            (Some(answered_at), _) => {
                let ended = EventKind::Ended {
                    by: EndedBy::Failure,
                    talk_ms: millis(answered_at),
                    hold_ms: 0,
                    wrap_up_until: None,
                    wrap_up_latest: None,
                };
                vec![with_agent(ended), failed, closed(ContactResult::Answered)]
            }
            (None, Some(enqueued_at)) => {
                let wait_ms = millis(enqueued_at);
                let left = with_agent(EventKind::Abandoned { wait_ms });
                vec![left, failed, closed(ContactResult::Failed)]
            }
            (None, None) => vec![failed, closed(ContactResult::Failed)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{arrived, at, contact, event, on_both_engines};
    use crate::event_log::EventsQuery;
    use crate::report::{Period, Report};
    use jiff::tz::TimeZone;
    use ringdown_routing::contact::{Channel, Needs, Priority};
    use ringdown_routing::event::Event;
    use ringdown_routing::ids::OfferToken;
    use ringdown_routing::statistics::{Rules, Scope, Statistics};

    /// One answer, one early abandon, and one caller who waits.
    const LOG: &str = include_str!("../../fixtures/events/half_hour.jsonl");

    async fn figures(log: &EventLog) -> Report {
        let mut fold = Statistics::new(Rules::default());
        let query = EventsQuery::Between {
            from: Timestamp::from_millis(0),
            to: Timestamp::from_millis(i64::MAX),
        };
        log.for_each(query, |event| {
            fold.record(&event);
        })
        .await
        .unwrap();
        let newest = fold.newest().unwrap();
        let from = newest - Duration::from_secs(3_600);
        let to = newest + Duration::from_secs(86_400);
        let hours = "1h".parse().unwrap();
        let period = Period::new(from, to, hours, TimeZone::UTC).unwrap();
        Report::of(&fold, period, Scope::default(), to)
    }

    #[test]
    fn calls_of_a_gateway_that_died_end_with_its_last_word_and_once() {
        on_both_engines(async |database| {
            let log = EventLog::new(database);
            // Before the first answer is over: one talks, one has left, one waits.
            let is_known = |event: &Event| {
                !matches!(
                    event.kind,
                    EventKind::Ended { .. }
                        | EventKind::Ready { .. }
                        | EventKind::Closed {
                            result: ContactResult::Answered
                        }
                )
            };
            let events = LOG
                .lines()
                .map(|line| serde_json::from_str::<Event>(line).unwrap());
            for event in events.filter(is_known) {
                assert!(log.append(event));
            }
            log.flush().await.unwrap();
            let before = figures(&log).await.total;
            assert_eq!((before.counts.waiting, before.counts.in_progress), (1, 1));
            assert_eq!(
                before.counts.longest_wait_ms,
                86_400_000 + 580_000,
                "it grows for ever"
            );
            assert_eq!(log.end_left_open().await.unwrap(), 2);
            let report = figures(&log).await;
            let counts = report.total.counts;
            assert!(report.is_conserved(), "{counts:?}");
            assert_eq!(
                (counts.waiting, counts.in_progress, counts.failed),
                (0, 0, 1)
            );
            assert_eq!((counts.answered, counts.abandoned), (1, 1));
            assert!(counts.longest_wait_ms < 86_400_000, "{counts:?}");
            let talked = report.agents.values().map(|time| time.talk_ms).sum::<u64>();
            assert_eq!(talked, counts.talk_ms, "the agent is free as well");
            assert!(
                counts.talk_ms > 0 && counts.talk_ms < 3_600_000,
                "{counts:?}"
            );
            assert_eq!(log.end_left_open().await.unwrap(), 0, "once");
        });
    }

    #[test]
    fn what_a_gateway_told_as_it_died_is_told_before_the_end_of_it() {
        on_both_engines(async |database| {
            let log = EventLog::new(database);
            let (waits, talks) = (contact(1), contact(2));
            let node = NodeId::new("node-a");
            let enqueued = || EventKind::Enqueued {
                priority: Priority::default(),
                channel: Channel::Voice,
                skills: Needs::default(),
                reserved: None,
                enqueued_at: at(0),
                rings_one: false,
                calls_back: None,
                node: node.clone(),
            };
            let token = OfferToken::new(1);
            let offered = EventKind::Offered {
                token,
                deadline: at(20),
                node: node.clone(),
            };
            let wait_ms = 9_000;
            // Its last words, at one instant: somebody is in the line, and somebody is answered.
            let told = [
                event(1, 0, talks, arrived("1")),
                event(2, 0, talks, enqueued()),
                event(3, 1, talks, offered),
                event(4, 9, waits, arrived("2")),
                event(5, 9, waits, enqueued()),
                event(6, 9, talks, EventKind::Answered { token, wait_ms }),
            ];
            for mut event in told {
                event.queue = Some(QueueId::new("helpdesk"));
                let is_of_agent = matches!(
                    event.kind,
                    EventKind::Offered { .. } | EventKind::Answered { .. }
                );
                event.agent = is_of_agent.then(|| AgentId::new("meiling"));
                assert!(log.append(event));
            }
            log.flush().await.unwrap();
            assert_eq!(log.end_left_open().await.unwrap(), 2);
            let report = figures(&log).await;
            let counts = report.total.counts;
            assert_eq!((counts.waiting, counts.in_progress), (0, 0), "{counts:?}");
            assert_eq!((counts.answered, counts.abandoned), (1, 0), "{counts:?}");
            assert_eq!(counts.failed, 1, "{counts:?}");
            let talked = report.agents.values().map(|time| time.talk_ms).sum::<u64>();
            assert_eq!(talked, counts.talk_ms, "the agent is free as well");
        });
    }

    #[test]
    fn agents_of_a_gateway_that_died_are_off_since_its_last_word() {
        on_both_engines(async |database| {
            let log = EventLog::new(database);
            let events = LOG
                .lines()
                .map(|line| serde_json::from_str::<Event>(line).unwrap());
            let is_known = |event: &Event| {
                !matches!(
                    event.kind,
                    EventKind::AgentStatus {
                        status: Status::LoggedOff
                    }
                )
            };
            let mut last = Timestamp::from_millis(i64::MIN);
            for event in events.filter(is_known) {
                last = last.max(event.at);
                assert!(log.append(event));
            }
            log.flush().await.unwrap();
            let logged_in = |report: &Report| -> Vec<u64> {
                let times = report.agents.values();
                times.map(|time| time.logged_in_ms()).collect()
            };
            let before = logged_in(&figures(&log).await);
            assert!(before.iter().any(|time| *time > 86_400_000), "{before:?}");
            log.end_left_open().await.unwrap();
            let after = logged_in(&figures(&log).await);
            assert_eq!(after.len(), before.len());
            for (after, before) in after.iter().zip(before) {
                // To the end of the report, a day after the last word.
                let none_of_it = before.saturating_sub(86_400_000 - 1);
                assert_eq!(*after, none_of_it, "{last:?}");
            }
            let newest = figures(&log).await.as_of;
            log.end_left_open().await.unwrap();
            assert_eq!(figures(&log).await.as_of, newest, "once");
        });
    }
}
