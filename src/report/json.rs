//! The report as one JSON document; the API answers the same.

use super::{Report, period};
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::{AgentId, QueueId};
use ringdown_routing::statistics::{ATTRIBUTION, AgentTime, DEFINITIONS, Figures, Health};
use serde::Serialize;
use std::collections::BTreeMap;

/// The shape of `report --format json` and of `GET /api/v1/statistics`.
#[derive(Clone, Debug, Serialize)]
pub struct JsonReport {
    from: String,
    to: String,
    interval_s: i64,
    time_zone: String,
    as_of: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<QueueId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<Channel>,
    statistics: BTreeMap<QueueId, Figures>,
    total: Figures,
    intervals: Vec<JsonRow>,
    agents: BTreeMap<AgentId, JsonAgent>,
    is_conserved: bool,
    log: Health,
    definitions: BTreeMap<&'static str, &'static str>,
    attribution: &'static str,
}

#[derive(Clone, Debug, Serialize)]
struct JsonRow {
    start: String,
    end: String,
    queue: QueueId,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Clone, Debug, Serialize)]
struct JsonAgent {
    #[serde(flatten)]
    time: AgentTime,
    logged_in_ms: u64,
}

impl JsonReport {
    /// Puts a report into that shape.
    pub fn of(report: &Report) -> Self {
        let whole = report.period.whole();
        Self {
            from: report.period.local(whole.from),
            to: report.period.local(whole.to),
            interval_s: report.period.interval.as_seconds(),
            time_zone: period::name(&report.period.zone),
            as_of: report.period.local(report.as_of),
            queue: report.scope.queue.clone(),
            channel: report.scope.channel,
            statistics: report
                .queues
                .iter()
                .map(|(queue, tally)| (queue.clone(), tally.figures()))
                .collect(),
            total: report.total.figures(),
            intervals: report
                .rows
                .iter()
                .map(|row| JsonRow {
                    start: report.period.local(row.span.from),
                    end: report.period.local(row.span.to),
                    queue: row.queue.clone(),
                    figures: row.tally.figures(),
                })
                .collect(),
            agents: report
                .agents
                .iter()
                .map(|(agent, time)| {
                    let agent_time = JsonAgent {
                        time: *time,
                        logged_in_ms: time.logged_in_ms(),
                    };
                    (agent.clone(), agent_time)
                })
                .collect(),
            is_conserved: report.is_conserved(),
            log: report.health,
            definitions: DEFINITIONS
                .iter()
                .map(|definition| (definition.field, definition.formula))
                .collect(),
            attribution: ATTRIBUTION,
        }
    }
}
