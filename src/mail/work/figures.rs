//! How answers by mail went: the figures of `GET /statistics/answers`.

use super::{MailWork, WorkFault};
use crate::database::DatabaseFault;
use ringdown_routing::ids::QueueId;
use ringdown_routing::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// The figures of one line.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct AnswerFigures {
    /// Times a ticket waited for an answer and got one.
    pub(crate) answered: i64,
    /// Their mean wait in opening hours.
    pub(crate) answer_working_s: Option<f64>,
    /// Those of them for which a time was due, and those answered by then.
    pub(crate) due: i64,
    pub(crate) in_time: i64,
    pub(crate) in_time_share: Option<f64>,
    /// Tickets that wait now.
    pub(crate) backlog: i64,
    /// The one that waits longest: since when, for how long, and how long of that in opening hours.
    pub(crate) oldest_since_at: Option<Timestamp>,
    pub(crate) oldest_age_s: Option<f64>,
    pub(crate) oldest_age_working_s: Option<f64>,
    /// People who said how it went, and the mean of 1 (badly) to 5.
    pub(crate) judged: i64,
    pub(crate) satisfaction: Option<f64>,
}

/// What each figure is, in the order of the fields.
pub(crate) const DEFINITIONS: [(&str, &str); 7] = [
    (
        "answered",
        "waits for an answer by mail that began in the period and ended with an agent's answer, by the line of that agent; a wait begins with the first mail that is not answered",
    ),
    (
        "answer_working_s",
        "sum of the time from the first unanswered mail to the answer that lies in the line's opening hours / answered",
    ),
    (
        "in_time_share",
        "answered by the due time / answered with a due time",
    ),
    (
        "backlog",
        "tickets that wait for an answer now, by the line of their contact, whatever the period",
    ),
    (
        "oldest_age_s",
        "now - the first unanswered mail of the one that waits longest; oldest_age_working_s counts opening hours only",
    ),
    (
        "judged",
        "answers to the question how it went, given in the period",
    ),
    (
        "satisfaction",
        "sum of their scores, 1 (badly) to 5 / judged",
    ),
];

type Answered = (String, i64, i64, i64, i64);

impl MailWork {
    /// The figures of all lines: of waits that began between two instants, and of what waits now.
    pub(crate) async fn figures(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<BTreeMap<QueueId, AnswerFigures>, WorkFault> {
        let reads = self.shared.database.reads();
        let mut all: BTreeMap<QueueId, AnswerFigures> = BTreeMap::new();
        let queues = self.shared.config.queues.iter();
        all.extend(queues.map(|queue| (queue.id.clone(), AnswerFigures::default())));
        let answered: Vec<Answered> = sqlx::query_as(ANSWERED)
            .bind(from.as_millis())
            .bind(to.as_millis())
            .fetch_all(reads)
            .await
            .map_err(DatabaseFault::from)?;
        for (queue, count, working_ms, due, in_time) in answered {
            let figures = all.entry(QueueId::new(queue)).or_default();
            (figures.answered, figures.due, figures.in_time) = (count, due, in_time);
            figures.answer_working_s = ratio(working_ms, count).map(|millis| millis / 1_000.0);
            figures.in_time_share = ratio(in_time, due);
        }
        let waiting: Vec<(String, i64, i64)> = sqlx::query_as(WAITING)
            .fetch_all(reads)
            .await
            .map_err(DatabaseFault::from)?;
        let now = self.now();
        for (queue, count, since) in waiting {
            let (queue, since) = (QueueId::new(queue), Timestamp::from_millis(since));
            let rules = self.shared.config.queue(&queue);
            let working = rules.map(|rules| self.shared.config.open_time(rules, since, now));
            let figures = all.entry(queue).or_default();
            figures.backlog = count;
            figures.oldest_since_at = Some(since);
            figures.oldest_age_s = Some(now.since(since).as_secs_f64());
            figures.oldest_age_working_s = working.map(|working| working.as_secs_f64());
        }
        let judged: Vec<(String, i64, i64)> = sqlx::query_as(JUDGED)
            .bind(from.as_millis())
            .bind(to.as_millis())
            .fetch_all(reads)
            .await
            .map_err(DatabaseFault::from)?;
        for (queue, count, sum) in judged {
            let figures = all.entry(QueueId::new(queue)).or_default();
            figures.judged = count;
            figures.satisfaction = ratio(sum, count);
        }
        Ok(all)
    }
}

/// Of nothing there is no mean.
fn ratio(sum: i64, count: i64) -> Option<f64> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a mean needs no more than 52 bits"
    )]
    let mean = || sum as f64 / count as f64;
    (count > 0).then(mean)
}

const ANSWERED: &str = "\
SELECT queue, COUNT(*), CAST(SUM(working_ms) AS BIGINT),
    CAST(SUM(CASE WHEN due_at IS NOT NULL THEN 1 ELSE 0 END) AS BIGINT),
    CAST(SUM(CASE WHEN due_at IS NOT NULL AND answered_at <= due_at THEN 1 ELSE 0 END) AS BIGINT)
FROM answers_due WHERE state = 'answered' AND since >= $1 AND since < $2 GROUP BY queue";

const WAITING: &str = "\
SELECT c.queue, COUNT(*), MIN(d.since) FROM answers_due d JOIN contacts c ON c.id = d.contact
WHERE d.state = 'due' AND c.queue IS NOT NULL GROUP BY c.queue";

const JUDGED: &str = "\
SELECT queue, COUNT(*), CAST(SUM(score) AS BIGINT) FROM satisfaction
WHERE at >= $1 AND at < $2 AND queue IS NOT NULL GROUP BY queue";
