//! The tables that are counted: read out of the same sums as the intervals.

use super::{Head, Table, TableName, Value, head};
use crate::report::{By, Report, Span};
use ringdown_routing::ids::AgentId;
use ringdown_routing::statistics::{Cause, Cell, Facet, SymptomCounts, Tally};
use ringdown_routing::time::Timestamp;
use std::collections::BTreeMap;

const VOLUME: [Head; 8] = [
    head("interval", ("interval", "時段")),
    head("offered", ("offered", "進線")),
    head("distinct_callers", ("different callers", "不同來電者")),
    head("repeat_caller_share", ("repeat callers", "重複來電")),
    head("incident_share", ("incidents", "事故比例")),
    head("service_level", ("SL A_T/O", "服務水準 A_T/O")),
    head("satisfaction", ("satisfaction 1–5", "滿意度 1–5")),
    head("ratings", ("marks", "評分數")),
];

/// The same beside another period: three rows for each interval, and behind its name which of them it is.
const VOLUME_COMPARED: [Head; VOLUME.len() + 1] = {
    let mut heads = [head("period", ("period", "期間")); VOLUME.len() + 1];
    heads[0] = VOLUME[0];
    let mut place = 1;
    while place < VOLUME.len() {
        heads[place + 1] = VOLUME[place];
        place += 1;
    }
    heads
};

/// One row an interval in which anybody came, a ticket was opened or a mark was given, and the whole; beside another
/// period its own row and the difference as well.
pub(super) fn volume(report: &Report) -> Table {
    let own = report.intervals();
    let whole = report.period.whole();
    let table = |heads: &'static [Head], words, rows| Table {
        name: TableName::Volume,
        heads,
        words,
        rows,
        left_out: 0,
    };
    let Some(compared) = &report.compared else {
        let told = own.iter().filter(|(_, tally)| has_volume(tally));
        let told = told.map(|(span, tally)| (report.period.label(span.from), tally));
        let rows = told.chain([(whole_label(report, whole), &report.total)]);
        let rows = rows.map(|(label, tally)| {
            let label = std::iter::once(Value::Text(label));
            label.chain(volume_figures(tally)).collect()
        });
        return table(&VOLUME, 1, rows.collect());
    };
    let here: BTreeMap<Timestamp, &Tally> = by_begin(&own);
    let there: BTreeMap<Timestamp, &Tally> = by_begin(&compared.intervals);
    let mut rows = Vec::new();
    for pair in report.pairs() {
        let told = |span: Option<Span>, tallies: &BTreeMap<Timestamp, &'_ Tally>| {
            let from = span?.from;
            Some((report.period.label(from), **tallies.get(&from)?))
        };
        let (here, there) = (told(pair.here, &here), told(pair.there, &there));
        let both = here.iter().chain(&there);
        if both.into_iter().any(|(_, tally)| has_volume(tally)) {
            rows.extend(volume_compared(here, there));
        }
    }
    let here = (whole_label(report, whole), report.total);
    let there = (whole_label(report, compared.whole), compared.total);
    rows.extend(volume_compared(Some(here), Some(there)));
    table(&VOLUME_COMPARED, 2, rows)
}

fn by_begin(intervals: &[(Span, Tally)]) -> BTreeMap<Timestamp, &Tally> {
    let intervals = intervals.iter();
    intervals.map(|(span, tally)| (span.from, tally)).collect()
}

/// Whether anybody came, a ticket was opened or a mark was given.
fn has_volume(tally: &Tally) -> bool {
    let counts = &tally.counts;
    counts.offered + counts.identified > 0
        || tally.tickets.opened != 0
        || tally.ratings.count() != 0
}

/// A period's first and last instant.
fn whole_label(report: &Report, whole: Span) -> String {
    let last = report.period.local(whole.to);
    let last = last.get(..16).unwrap_or("").replace('T', " ");
    format!("{} – {last}", report.period.label(whole.from))
}

/// The fields of [`VOLUME`] behind the first.
fn volume_figures(tally: &Tally) -> [Value; 7] {
    let figures = tally.figures();
    [
        Value::count(figures.counts.offered),
        Value::count(figures.distinct_callers),
        Value::share(figures.repeat_caller_share),
        Value::share(figures.incident_share),
        Value::share(figures.service_level.negative),
        figures.satisfaction.map_or(Value::Nothing, Value::Figure),
        Value::Count(figures.ratings.count()),
    ]
}

/// What there is of an interval of both periods, and the difference where there are both.
fn volume_compared(
    here: Option<(String, Tally)>,
    there: Option<(String, Tally)>,
) -> Vec<Vec<Value>> {
    let row = |label: &String, which: Value, figures: [Value; 7]| {
        let names = [Value::Text(label.clone()), which];
        names.into_iter().chain(figures).collect::<Vec<_>>()
    };
    let figures = |told: &Option<(String, Tally)>| {
        let (label, tally) = told.as_ref()?;
        Some((label.clone(), volume_figures(tally)))
    };
    let (here, there) = (figures(&here), figures(&there));
    let mut rows = Vec::new();
    if let Some((label, figures)) = &here {
        rows.push(row(label, Value::REPORTED, figures.clone()));
    }
    if let Some((label, figures)) = &there {
        rows.push(row(label, Value::COMPARED, figures.clone()));
    }
    if let (Some((label, here)), Some((_, there))) = (&here, &there) {
        let mut other = there.iter();
        let less = here
            .clone()
            .map(|it| it.less(other.next().unwrap_or(&Value::Nothing)));
        rows.push(row(label, Value::DIFFERENCE, less));
    }
    rows
}

const FAILURES: &[Head] = &[
    head("queue", ("queue", "佇列")),
    head("result", ("result", "結果")),
    head("cause", ("cause", "原因")),
    head("contacts", ("contacts", "來話")),
    head("share", ("share", "比例")),
];

pub(super) fn failures(report: &Report) -> Table {
    let mut rows = Vec::new();
    for (queue, cell) in &report.queues {
        let counts = &cell.counts;
        let tried = counts.offered + counts.blocked + counts.failed;
        for (cause, count) in &cell.causes {
            let (result, cause) = match cause {
                Cause::Blocked(cause) => ("blocked", cause),
                Cause::Failed(cause) => ("failed", cause),
                Cause::FlowedTo(_) => continue,
            };
            rows.push(vec![
                Value::text(queue.as_ref().map(ToString::to_string)),
                Value::result(result),
                Value::text(Some(cause.clone())),
                Value::count(*count),
                share_of(*count, tried),
            ]);
        }
    }
    Table {
        name: TableName::Failures,
        heads: FAILURES,
        words: 3,
        rows,
        left_out: 0,
    }
}

const TRANSFERS: &[Head] = &[
    head("queue", ("from queue", "自佇列")),
    head("to", ("to", "轉往")),
    head("agent", ("handed over by", "轉交專員")),
    head("contacts", ("contacts", "來話")),
    head("share", ("share", "比例")),
];

pub(super) fn transfers(report: &Report) -> Table {
    let whole = report.period.whole();
    let handed_over = report
        .ledger
        .hand_overs(whole.from, whole.to, &report.scope);
    let mut rows = Vec::new();
    for (queue, cell) in &report.queues {
        for (cause, count) in &cell.causes {
            let Cause::FlowedTo(to) = cause else {
                continue;
            };
            let mut told = |agent: Option<&AgentId>, count: u64| {
                rows.push(vec![
                    Value::text(queue.as_ref().map(ToString::to_string)),
                    Value::text(Some(to.clone())),
                    Value::text(agent.map(ToString::to_string)),
                    Value::count(count),
                    share_of(count, cell.counts.offered),
                ]);
            };
            let mut by_nobody = *count;
            for (hand_over, count) in &handed_over {
                if Some(&hand_over.queue) == queue.as_ref() && hand_over.to == *to {
                    told(Some(&hand_over.by), *count);
                    by_nobody = by_nobody.saturating_sub(*count);
                }
            }
            if by_nobody > 0 {
                told(None, by_nobody);
            }
        }
    }
    Table {
        name: TableName::Transfers,
        heads: TRANSFERS,
        words: 3,
        rows,
        left_out: 0,
    }
}

const SYMPTOMS: &[Head] = &[
    head("symptom", ("symptom", "症狀")),
    head("class", ("caller class", "來電者等級")),
    head("contacts", ("contacts", "來話")),
    head("answered", ("answered", "接聽")),
    head("service_level", ("SL", "服務水準")),
    head("mean_wait_s", ("mean wait s", "平均等候 秒")),
    head("tolerable_wait_s", ("put up with s", "可容忍 秒")),
    head("tolerable_wait_share", ("within", "容忍內")),
];

pub(super) fn symptoms(report: &Report) -> Table {
    let whole = report.period.whole();
    let classes: Vec<(u8, Cell)> = (1..=3)
        .map(|class| {
            let facet = Facet::CallerClass(class);
            let cell = report
                .ledger
                .sum_of_facet(whole.from, whole.to, &facet, &report.scope);
            (class, cell)
        })
        .collect();
    let mut rows = Vec::new();
    for (symptom, counts) in &report.all.symptoms {
        let tolerable = |class: u8| {
            let place = usize::from(class).checked_sub(1)?;
            let waits = report.tolerable_wait_s.get(symptom)?;
            waits.get(place).map(|seconds| *seconds as f64)
        };
        let mut unknown = *counts;
        for (class, cell) in &classes {
            if let Some(counts) = cell.symptoms.get(symptom) {
                unknown -= *counts;
                let class_told = Value::Text(class.to_string());
                rows.extend(of_symptom(symptom, class_told, counts, tolerable(*class)));
            }
        }
        rows.extend(of_symptom(symptom, Value::Nothing, &unknown, None));
    }
    Table {
        name: TableName::Symptoms,
        heads: SYMPTOMS,
        words: 2,
        rows,
        left_out: 0,
    }
}

fn of_symptom(
    symptom: &str,
    class: Value,
    counts: &SymptomCounts,
    tolerable_s: Option<f64>,
) -> Option<Vec<Value>> {
    let of_all = |part: i64| (counts.contacts > 0).then(|| part as f64 / counts.contacts as f64);
    (counts.contacts != 0).then(|| {
        vec![
            Value::Text(symptom.to_owned()),
            class,
            Value::Count(counts.contacts),
            Value::Count(counts.answered),
            Value::share(of_all(counts.answered_within)),
            Value::seconds(of_all(counts.wait_ms).map(|millis| millis / 1_000.0)),
            Value::seconds(tolerable_s),
            Value::share(of_all(counts.tolerable)),
        ]
    })
}

const fn resolution_of(first: Head) -> [Head; 13] {
    [
        first,
        head("opened", ("opened", "開立")),
        head("incidents", ("incidents", "事故")),
        head("eligible", ("eligible", "合格")),
        head(
            "first_contact_resolution",
            ("first contact", "首次聯絡解決"),
        ),
        head("first_line_resolution", ("first line", "第一線解決")),
        head("mean_time_to_resolve_s", ("to resolve s", "平均解決 秒")),
        head("mean_time_to_escalate_s", ("to escalate s", "平均轉線 秒")),
        head("mean_time_to_close_s", ("to close s", "平均結案 秒")),
        head("solved_within_target", ("within target", "目標內解決")),
        head("tolerable_wait_share", ("tolerable wait", "容忍內等候")),
        head("satisfaction", ("satisfaction 1–5", "滿意度 1–5")),
        head("ratings", ("marks", "評分數")),
    ]
}

const OF_QUEUES: &[Head] = &resolution_of(head("queue", ("queue", "佇列")));
const OF_AGENTS: &[Head] = &resolution_of(head("agent", ("agent", "專員")));
const OF_SKILLS: &[Head] = &resolution_of(head("skill", ("skill", "技能")));
const OF_CHANNELS: &[Head] = &resolution_of(head("channel", ("channel", "管道")));
const OF_NUMBERS: &[Head] = &resolution_of(head("number", ("number", "號碼")));
const OF_CLASSES: &[Head] = &resolution_of(head("caller_class", ("caller class", "來電者等級")));

/// One row for each of those that the report is divided by and that has a ticket, a symptom or a mark.
pub(super) fn resolution(report: &Report) -> Table {
    let heads = match report.by {
        By::Queue => OF_QUEUES,
        By::Agent => OF_AGENTS,
        By::Skill => OF_SKILLS,
        By::Channel => OF_CHANNELS,
        By::Number => OF_NUMBERS,
        By::CallerClass => OF_CLASSES,
    };
    let rows = match report.by {
        By::Queue => {
            let queues = report.queues.iter();
            let told = queues.filter_map(|(queue, cell)| {
                let name = Value::text(queue.as_ref().map(ToString::to_string));
                resolved(name, &judged(cell))
            });
            told.collect()
        }
        By::Agent | By::Skill | By::Channel | By::Number | By::CallerClass => {
            let groups = report.groups.iter();
            let told =
                groups.filter_map(|(group, (tally, _))| resolved(Value::Text(group.name()), tally));
            told.collect()
        }
    };
    Table {
        name: TableName::Resolution,
        heads,
        words: 1,
        rows,
        left_out: 0,
    }
}

/// What became of the contacts of a cell.
fn judged(cell: &Cell) -> Tally {
    let mut symptoms = SymptomCounts::default();
    for counts in cell.symptoms.values() {
        symptoms += *counts;
    }
    Tally {
        tickets: cell.tickets,
        symptoms,
        ratings: cell.ratings,
        ..Tally::default()
    }
}

fn resolved(name: Value, tally: &Tally) -> Option<Vec<Value>> {
    let figures = tally.figures();
    let tickets = &figures.tickets;
    let is_any =
        tickets.opened != 0 || tally.symptoms.contacts != 0 || figures.ratings.count() != 0;
    is_any.then(|| {
        vec![
            name,
            Value::Count(tickets.opened),
            Value::Count(tickets.incidents),
            Value::Count(tickets.eligible),
            Value::share(figures.first_contact_resolution),
            Value::share(figures.first_line_resolution),
            Value::seconds(figures.mean_time_to_resolve_s),
            Value::seconds(figures.mean_time_to_escalate_s),
            Value::seconds(figures.mean_time_to_close_s),
            Value::share(figures.solved_within_target),
            Value::share(figures.tolerable_wait_share),
            figures.satisfaction.map_or(Value::Nothing, Value::Figure),
            Value::Count(figures.ratings.count()),
        ]
    })
}

fn share_of(part: u64, whole: u64) -> Value {
    Value::share((whole > 0).then(|| part as f64 / whole as f64))
}
