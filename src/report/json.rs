//! The report as one JSON document; the API answers the same.

use super::{Compared, Group, Report, Row, Words, comparison, period};
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::{AgentId, QueueId};
use ringdown_routing::statistics::{
    ATTRIBUTION, AgentTime, DEFINITIONS, Facet, Figures, Health, SPREAD_DEFINITIONS, Spread, Tally,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// The shape of `report --format json` and of `GET /api/v1/statistics`.
#[derive(Clone, Debug, Serialize)]
pub struct JsonReport {
    from: String,
    to: String,
    /// As it was asked for: `30m`, `1w`, `1mo`.
    interval: String,
    /// Null for months, which have no one length.
    interval_s: Option<i64>,
    time_zone: String,
    as_of: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<QueueId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<Channel>,
    /// What `statistics` and `intervals` are on.
    by: &'static str,
    statistics: BTreeMap<String, JsonFigures>,
    total: JsonFigures,
    intervals: Vec<JsonRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<JsonCompared>,
    numbers: BTreeMap<String, JsonFigures>,
    caller_classes: BTreeMap<String, JsonFigures>,
    skills: BTreeMap<String, JsonFigures>,
    contacts_by_agent: BTreeMap<String, JsonFigures>,
    agents: BTreeMap<AgentId, JsonAgent>,
    /// ISO 4217; absent where no costs are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    tables: BTreeMap<&'static str, serde_json::Value>,
    /// What must be known before the figures are believed, or compared; a sentence each.
    notes: Vec<String>,
    is_conserved: bool,
    log: Health,
    definitions: BTreeMap<&'static str, &'static str>,
    attribution: &'static str,
}

#[derive(Clone, Debug, Serialize)]
struct JsonRow {
    start: String,
    end: String,
    /// The name of the queue (agent, number, ...) by what it is.
    #[serde(flatten)]
    name: BTreeMap<&'static str, String>,
    #[serde(flatten)]
    figures: JsonFigures,
}

#[derive(Clone, Debug, Serialize)]
struct JsonCompared {
    from: String,
    to: String,
    statistics: BTreeMap<String, JsonFigures>,
    total: JsonFigures,
    intervals: Vec<JsonRow>,
    /// The reported figures less these: of `total`, and of each of `statistics` of either period. Null where a figure
    /// of either is.
    change: JsonChange,
}

#[derive(Clone, Debug, Serialize)]
struct JsonChange {
    statistics: BTreeMap<String, serde_json::Value>,
    total: serde_json::Value,
}

#[derive(Clone, Debug, Serialize)]
struct JsonFigures {
    #[serde(flatten)]
    figures: Figures,
    percentiles: Spread,
}

impl JsonFigures {
    fn of(tally: &Tally, percentiles: Spread) -> Self {
        Self {
            figures: tally.figures(),
            percentiles,
        }
    }
}

#[derive(Clone, Debug, Serialize)]
struct JsonAgent {
    #[serde(flatten)]
    time: AgentTime,
    logged_in_ms: u64,
    not_ready_by_reason_ms: BTreeMap<String, u64>,
    /// Of the time not ready, that of reasons that are work.
    not_ready_productive_ms: u64,
}

impl JsonReport {
    /// Puts a report into that shape.
    pub fn of(report: &Report) -> Self {
        let whole = report.period.whole();
        Self {
            from: report.period.local(whole.from),
            to: report.period.local(whole.to),
            interval: report.period.interval.to_string(),
            interval_s: report.period.interval.fixed_seconds(),
            time_zone: period::name(&report.period.zone),
            as_of: report.period.local(report.as_of),
            queue: report.scope.queue.clone(),
            channel: report.scope.channel,
            by: report.by.as_str(),
            statistics: of_groups(&report.groups),
            total: JsonFigures::of(&report.total, report.spread),
            intervals: JsonRow::each(report, &report.rows),
            compared: report.compared.as_ref().map(|compared| JsonCompared {
                from: report.period.local(compared.whole.from),
                to: report.period.local(compared.whole.to),
                statistics: of_groups(&compared.groups),
                total: JsonFigures::of(&compared.total, compared.spread),
                intervals: JsonRow::each(report, &compared.rows),
                change: JsonChange::of(report, compared),
            }),
            numbers: facets(report, |facet| match facet {
                Facet::Number(number) => Some(number.clone()),
                Facet::Other => Some("(other)".to_owned()),
                Facet::CallerClass(_) | Facet::Skill(_) | Facet::Agent(_) => None,
            }),
            caller_classes: facets(report, |facet| match facet {
                Facet::CallerClass(class) => Some(class.to_string()),
                Facet::Number(_) | Facet::Skill(_) | Facet::Agent(_) | Facet::Other => None,
            }),
            skills: facets(report, |facet| match facet {
                Facet::Skill(skill) => Some(skill.to_string()),
                Facet::Number(_) | Facet::CallerClass(_) | Facet::Agent(_) | Facet::Other => None,
            }),
            contacts_by_agent: facets(report, |facet| match facet {
                Facet::Agent(agent) => Some(agent.to_string()),
                Facet::Number(_) | Facet::CallerClass(_) | Facet::Skill(_) | Facet::Other => None,
            }),
            agents: report
                .agents
                .iter()
                .map(|(agent, time)| {
                    let agent_time = JsonAgent {
                        time: *time,
                        logged_in_ms: time.logged_in_ms(),
                        not_ready_by_reason_ms: report
                            .not_ready
                            .get(agent)
                            .cloned()
                            .unwrap_or_default(),
                        not_ready_productive_ms: report.productive_ms(agent),
                    };
                    (agent.clone(), agent_time)
                })
                .collect(),
            currency: report.currency.clone(),
            tables: report
                .tables()
                .iter()
                .map(|table| (table.name.as_str(), table.to_json(report)))
                .collect(),
            notes: report.notes(Words::english()),
            is_conserved: report.is_conserved(),
            log: report.health,
            definitions: DEFINITIONS
                .iter()
                .chain(SPREAD_DEFINITIONS)
                .map(|definition| (definition.field, definition.formula))
                .collect(),
            attribution: ATTRIBUTION,
        }
    }
}

impl JsonRow {
    fn each(report: &Report, rows: &[Row]) -> Vec<Self> {
        let rows = rows.iter().map(|row| Self {
            start: report.period.local(row.span.from),
            end: report.period.local(row.span.to),
            name: BTreeMap::from([(report.by.as_str(), row.group.name())]),
            figures: JsonFigures::of(&row.tally, row.spread),
        });
        rows.collect()
    }
}

impl JsonChange {
    fn of(report: &Report, compared: &Compared) -> Self {
        let statistics = report.changes(compared).into_iter();
        Self {
            statistics: statistics
                .map(|(group, change)| (group.name(), change))
                .collect(),
            total: comparison::of_sums(
                &(report.total, report.spread),
                &(compared.total, compared.spread),
            ),
        }
    }
}

fn of_groups(groups: &BTreeMap<Group, (Tally, Spread)>) -> BTreeMap<String, JsonFigures> {
    let groups = groups.iter();
    groups
        .map(|(group, (tally, spread))| (group.name(), JsonFigures::of(tally, *spread)))
        .collect()
}

/// The figures of the facets that have a name by `name`.
fn facets(
    report: &Report,
    name: impl Fn(&Facet) -> Option<String>,
) -> BTreeMap<String, JsonFigures> {
    let facets = report.facets.iter();
    facets
        .filter_map(|(facet, (tally, spread))| {
            Some((name(facet)?, JsonFigures::of(tally, *spread)))
        })
        .collect()
}
