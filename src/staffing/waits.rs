//! The waits of the desk's own calls, from which the callers' patience is estimated.

use crate::database::{Database, DatabaseFault};
use futures_util::TryStreamExt;
use ringdown_routing::contact::VIA_CALL_BACK;
use ringdown_routing::ids::QueueId;
use ringdown_routing::staffing::{Wait, Waits};
use ringdown_routing::time::Timestamp;
use std::ops::Range;

/// Most calls whose waits are read, the newest.
const CALLS_MAX: i64 = 200_000;

/// Calls that came since $1 and entered a line, the newest, without those that the desk makes ($3), where nobody holds
/// the line.
const CALLS: &str = "SELECT id, queue, enqueued_at, answered_at, answered_by, ended_at, wait_ms, result FROM contacts \
    WHERE arrived_at >= $1 AND channel = 'voice' AND COALESCE(via, '') <> $3 \
    AND COALESCE(wait_ms, enqueued_at) IS NOT NULL \
    ORDER BY arrived_at DESC LIMIT $2";

/// Those whose record does not tell each of their waits: they were in several lines, or an answer was taken back.
const IN_PARTS: &str = "(c.answered_by = '' OR EXISTS (SELECT 1 FROM events o WHERE o.contact = c.id \
    AND o.kind = 'overflowed'))";

/// The waits of calls that came within a span, as known at its end: in one line, as that has seen them, or in all,
/// from the first entry to the last end.
pub async fn waits(
    database: &Database,
    queue: Option<&QueueId>,
    span: Range<Timestamp>,
) -> Result<Vec<Wait>, DatabaseFault> {
    let mut waits = of_one_part(database, queue, &span).await?;
    let sql = format!(
        "SELECT e.body FROM ({CALLS}) c JOIN events e ON e.contact = c.id WHERE {IN_PARTS} AND e.kind IN \
         ('arrived', 'enqueued', 'overflowed', 'answered', 'requeued', 'abandoned', 'restored', 'closed')"
    );
    let mut found = sqlx::query_as::<_, (String,)>(sqlx::AssertSqlSafe(sql))
        .bind(span.start.as_millis())
        .bind(CALLS_MAX)
        .bind(VIA_CALL_BACK)
        .fetch(database.reads());
    let mut in_parts = Waits::known_at(span.end);
    while let Some((body,)) = found.try_next().await? {
        in_parts.record(&crate::event_log::parse(&body)?);
    }
    waits.extend(match queue {
        Some(queue) => in_parts.in_queue(queue),
        None => in_parts.of_all(),
    });
    Ok(waits)
}

/// The waits of those whose record tells all of it.
async fn of_one_part(
    database: &Database,
    queue: Option<&QueueId>,
    span: &Range<Timestamp>,
) -> Result<Vec<Wait>, DatabaseFault> {
    let sql = format!(
        "SELECT CAST(CASE WHEN c.answered_at IS NOT NULL THEN 1 WHEN c.result = 'abandoned' THEN 2 ELSE 0 END AS BIGINT), \
         COALESCE(c.wait_ms, COALESCE(c.ended_at, $4) - c.enqueued_at) FROM ({CALLS}) c \
         WHERE NOT COALESCE({IN_PARTS}, FALSE) AND ($5 = '' OR c.queue = $5)"
    );
    let rows: Vec<(i64, i64)> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(span.start.as_millis())
        .bind(CALLS_MAX)
        .bind(VIA_CALL_BACK)
        .bind(span.end.as_millis())
        .bind(queue.map_or("", QueueId::as_str).to_owned())
        .fetch_all(database.reads())
        .await?;
    let wait = |(end, wait_ms): (i64, i64)| {
        let wait_ms = u64::try_from(wait_ms).unwrap_or(0);
        match end {
            1 => Wait::answered(wait_ms),
            2 => Wait::abandoned(wait_ms),
            _ => Wait::gone(wait_ms),
        }
    };
    Ok(rows.into_iter().map(wait).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{at, on_both_engines};
    use crate::event_log::EventLog;
    use ringdown_routing::contact::{Channel, Needs, Priority};
    use ringdown_routing::event::{ContactResult, Event, EventDraft, EventKind};
    use ringdown_routing::ids::{ContactId, EventId, NodeId, OfferToken};
    use ringdown_routing::staffing::WaitEnd;
    use ringdown_routing::verb::RequeueReason;

    /// A log in the making.
    #[derive(Default)]
    struct Day(Vec<Event>);

    impl Day {
        fn tell(&mut self, after_s: i64, contact: u32, queue: &str, kind: EventKind) -> &mut Self {
            let contact = ContactId::new(at(0), contact.into());
            let draft = EventDraft::of_contact(at(after_s), contact, kind);
            let id = EventId {
                origin: NodeId::from("store"),
                number: self.0.len() as u64 + 1,
            };
            self.0
                .push(draft.in_queue(QueueId::from(queue)).numbered(id));
            self
        }

        fn comes(&mut self, contact: u32, queue: &str, via: &str) -> &mut Self {
            let arrived = EventKind::Arrived {
                channel: Channel::Voice,
                from: "+886".to_owned(),
                to: "100".to_owned(),
                via: via.to_owned(),
            };
            self.tell(0, contact, queue, arrived)
                .enters(0, contact, queue)
        }

        /// Who was in another line before has the time of their first entry.
        fn enters(&mut self, after_s: i64, contact: u32, queue: &str) -> &mut Self {
            let enqueued = EventKind::Enqueued {
                priority: Priority::default(),
                channel: Channel::Voice,
                skills: Needs::default(),
                reserved: None,
                enqueued_at: at(0),
                rings_one: false,
                calls_back: None,
                node: NodeId::from("a"),
            };
            self.tell(after_s, contact, queue, enqueued)
        }

        fn goes_to(&mut self, after_s: u32, contact: u32, queue: &str, to: &str) -> &mut Self {
            let overflowed = EventKind::Overflowed {
                to: to.to_owned(),
                wait_ms: u64::from(after_s) * 1_000,
            };
            self.tell(after_s.into(), contact, queue, overflowed)
        }

        fn is_answered(&mut self, after_s: u32, contact: u32, queue: &str) -> &mut Self {
            let answered = EventKind::Answered {
                token: OfferToken::new(contact.into()),
                wait_ms: u64::from(after_s) * 1_000,
            };
            self.tell(after_s.into(), contact, queue, answered)
        }

        fn goes_back(
            &mut self,
            after_s: u32,
            contact: u32,
            queue: &str,
            reason: RequeueReason,
        ) -> &mut Self {
            let requeued = EventKind::Requeued {
                reason,
                retry_at: None,
            };
            self.tell(after_s.into(), contact, queue, requeued)
        }

        fn leaves(&mut self, after_s: u32, contact: u32, queue: &str) -> &mut Self {
            let wait_ms = u64::from(after_s) * 1_000;
            let result = ContactResult::Abandoned;
            self.tell(
                after_s.into(),
                contact,
                queue,
                EventKind::Abandoned { wait_ms },
            )
            .ends(after_s, contact, queue, result)
        }

        fn ends(
            &mut self,
            after_s: u32,
            contact: u32,
            queue: &str,
            result: ContactResult,
        ) -> &mut Self {
            self.tell(after_s.into(), contact, queue, EventKind::Closed { result })
        }
    }

    fn day() -> Vec<Event> {
        use ContactResult::{Answered, CallBack, Failed, FlowedOut};
        let mut day = Day::default();
        day.comes(1, "q", "trunk")
            .is_answered(10, 1, "q")
            .ends(100, 1, "q", Answered)
            .comes(2, "q", "trunk")
            .leaves(20, 2, "q")
            // To another line, where they leave.
            .comes(3, "q", "trunk")
            .goes_to(30, 3, "q", "r")
            .enters(30, 3, "r")
            .leaves(70, 3, "r")
            // To somewhere else, to be called back, and lost.
            .comes(4, "q", "trunk")
            .goes_to(40, 4, "q", "voicemail")
            .ends(41, 4, "q", FlowedOut)
            .comes(5, "q", "trunk")
            .ends(50, 5, "q", CallBack)
            .comes(6, "q", "trunk")
            .ends(60, 6, "q", Failed)
            // Waits still.
            .comes(7, "r", "trunk")
            // An answer that came to nothing; then they leave.
            .comes(8, "q", "trunk")
            .is_answered(15, 8, "q")
            .goes_back(16, 8, "q", RequeueReason::BridgeFailed)
            .leaves(80, 8, "q")
            // Handed over after a conversation, and impatient then.
            .comes(9, "q", "trunk")
            .is_answered(12, 9, "q")
            .goes_back(300, 9, "q", RequeueReason::HandedOver)
            .goes_to(300, 9, "q", "r")
            .enters(300, 9, "r")
            .leaves(301, 9, "r")
            // The desk calls: nobody holds the line.
            .comes(10, "q", VIA_CALL_BACK)
            .is_answered(5_000, 10, "q");
        day.0
    }

    fn told(waits: Vec<Wait>) -> Vec<(u64, u64, WaitEnd)> {
        let each = waits.into_iter();
        let mut told: Vec<_> = each
            .map(|wait| (wait.from_ms / 1_000, wait.ms / 1_000, wait.end))
            .collect();
        told.sort_unstable();
        told
    }

    #[test]
    fn every_wait_of_the_desks_calls_is_told_once_as_its_line_has_seen_it() {
        use WaitEnd::{Abandoned, Answered, Gone};
        on_both_engines(|database| async move {
            let log = EventLog::new(database.clone());
            for event in day() {
                assert!(log.append(event));
            }
            log.flush().await.unwrap();
            let of = async |queue: Option<&str>| {
                let queue = queue.map(QueueId::from);
                told(
                    waits(&database, queue.as_ref(), at(0)..at(900))
                        .await
                        .unwrap(),
                )
            };
            let in_q = vec![
                (0, 10, Answered),
                (0, 12, Answered),
                (0, 20, Abandoned),
                (0, 30, Gone),
                (0, 40, Gone),
                (0, 50, Gone),
                (0, 60, Gone),
                (0, 80, Abandoned),
            ];
            assert_eq!(of(Some("q")).await, in_q);
            let in_r = vec![(0, 900, Gone), (30, 70, Abandoned)];
            assert_eq!(of(Some("r")).await, in_r);
            let mut in_all = in_q;
            in_all.retain(|wait| *wait != (0, 30, Gone));
            in_all.extend([(0, 70, Abandoned), (0, 900, Gone)]);
            in_all.sort_unstable();
            assert_eq!(of(None).await, in_all);
            let late = waits(&database, None, at(1)..at(900)).await.unwrap();
            assert!(late.is_empty());
        });
    }

    #[test]
    fn the_log_alone_tells_the_same_in_any_order() {
        let mut events = day();
        let fold = |events: &[Event]| {
            let mut waits = Waits::known_at(at(900));
            for event in events {
                waits.record(event);
            }
            let in_queue = |queue| told(waits.in_queue(&QueueId::from(queue)));
            (in_queue("q"), in_queue("r"), told(waits.of_all()))
        };
        let in_order = fold(&events);
        assert_eq!(
            (in_order.0.len(), in_order.1.len(), in_order.2.len()),
            (8, 2, 9)
        );
        assert!(in_order.1.contains(&(30, 70, WaitEnd::Abandoned)));
        events.extend(day());
        events.reverse();
        assert_eq!(fold(&events), in_order);
    }
}
