//! The report as columns for people; wide characters keep their columns straight.

use super::answers::answer_lines;
use super::columns::write_columns;
use super::tables::Table;
use super::{By, Compared, Group, Report, Row, Words};
use crate::report::words::Column;
use ringdown_routing::statistics::{
    AgentTime, DEFINITIONS, Facet, Figures, SPREAD_DEFINITIONS, Spread, Tally,
};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::RING_ON_NO_ANSWER;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// What stands where nothing was there to divide by.
pub(super) const NOTHING: &str = "–";

/// Prints intervals, totals, agents and definitions.
pub(super) fn print(report: &Report, words: &Words, out: &mut impl Write) -> io::Result<()> {
    let whole = report.period.whole();
    writeln!(
        out,
        "{}  {} – {}  ({}, {})",
        words.title,
        minute(report, whole.from),
        minute(report, whole.to),
        report.period.interval,
        super::period::name(&report.period.zone),
    )?;
    for note in report.notes(words) {
        writeln!(out, "{note}")?;
    }
    writeln!(out)?;
    write_columns(&contact_lines(report, words), 2, out)?;
    if !report.facets.is_empty() && report.by == By::Queue {
        writeln!(out)?;
        write_columns(&facet_lines(report, words), 2, out)?;
    }
    let answers = answer_lines(report, words);
    if !answers.is_empty() {
        writeln!(out, "\n{}", super::answers::title(words))?;
        write_columns(&answers, 2, out)?;
    }
    if !report.agents.is_empty() && report.scope.queue.is_none() {
        writeln!(out)?;
        write_columns(&agent_lines(report, words), 1, out)?;
        if !report.not_ready.is_empty() {
            writeln!(out)?;
            write_columns(&reason_lines(report, words), 3, out)?;
        }
    }
    for table in report.tables().iter().filter(|it| !it.rows.is_empty()) {
        writeln!(out)?;
        print_table(report, table, words, out)?;
    }
    writeln!(out)?;
    print_soundness(report, words, out)?;
    print_definitions(words, out)
}

/// Prints one table with what it means.
pub(super) fn print_table(
    report: &Report,
    table: &Table,
    words: &Words,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "{}", table.name.title(words))?;
    write_columns(&table.lines(report, words), table.words, out)?;
    if table.left_out > 0 {
        writeln!(out, "{} {}", words.say(LEFT_OUT), table.left_out)?;
    }
    writeln!(out, "  {}", table.name.definition(words))
}

/// Rows that are not shown.
pub(super) const LEFT_OUT: (&str, &str) = ("more, not shown:", "另有未列出：");

/// A heading, each interval in which somebody came, and the totals; the first two columns are words.
pub(super) fn contact_lines(report: &Report, words: &Words) -> Vec<Vec<String>> {
    let mut lines = vec![
        [words.interval, words.by(report.by)]
            .into_iter()
            .chain(columns(report).map(|column| words.column(column)))
            .map(str::to_owned)
            .collect::<Vec<_>>(),
    ];
    for row in report.rows.iter().filter(|row| has_happened(row)) {
        lines.push(line(
            report,
            report.period.label(row.span.from),
            &row.group.name(),
            (&row.tally, &row.spread),
        ));
    }
    let totals = (&report.groups, &report.total, &report.spread);
    lines.extend(total_lines(report, words.total, totals, words));
    if let Some(compared) = &report.compared {
        let totals = (&compared.groups, &compared.total, &compared.spread);
        lines.extend(total_lines(report, words.compared, totals, words));
        lines.extend(change_lines(report, compared, words));
    }
    lines
}

/// What every queue (or agent, number, ...) and everything has more or less than in the other period.
fn change_lines(report: &Report, compared: &Compared, words: &Words) -> Vec<Vec<String>> {
    let line = |name: &str, here: &(Tally, Spread), there: &(Tally, Spread)| {
        let (here_figures, there_figures) = (here.0.figures(), there.0.figures());
        let cells = columns(report).map(|column| {
            let here = value(column, &here_figures, &here.1);
            here.less(value(column, &there_figures, &there.1))
        });
        let names = [words.change.to_owned(), name.to_owned()];
        names.into_iter().chain(cells).collect::<Vec<_>>()
    };
    let all: BTreeSet<&Group> = report.groups.keys().chain(compared.groups.keys()).collect();
    let is_one_queue = report.by == By::Queue && all.len() == 1;
    let none = (Tally::default(), Spread::default());
    let mut lines: Vec<Vec<String>> = all
        .into_iter()
        .map(|group| {
            let here = report.groups.get(group).unwrap_or(&none);
            line(&group.name(), here, &compared.sums(group))
        })
        .collect();
    if !is_one_queue {
        let here = (report.total, report.spread);
        lines.push(line(words.all, &here, &(compared.total, compared.spread)));
    }
    lines
}

/// The totals of every queue (or agent, number, ...), and of everything.
fn total_lines(
    report: &Report,
    label: &str,
    (groups, total, spread): (&BTreeMap<Group, (Tally, Spread)>, &Tally, &Spread),
    words: &Words,
) -> Vec<Vec<String>> {
    let line = |name: &str, sums| line(report, label.to_owned(), name, sums);
    let of_groups = groups
        .iter()
        .map(|(group, (tally, spread))| line(&group.name(), (tally, spread)));
    let is_one_queue = report.by == By::Queue && groups.len() == 1;
    let all = (!is_one_queue).then(|| line(words.all, (total, spread)));
    of_groups.chain(all).collect()
}

/// A heading, and each number, caller class and skill; the first two columns are words.
pub(super) fn facet_lines(report: &Report, words: &Words) -> Vec<Vec<String>> {
    let head = [words.counted_by, ""].into_iter();
    let columns = columns(report).map(|column| words.column(column));
    let mut lines = vec![head.chain(columns).map(str::to_owned).collect::<Vec<_>>()];
    for (facet, (tally, spread)) in &report.facets {
        let (kind, name) = match facet {
            Facet::Number(number) => (words.number, number.clone()),
            Facet::CallerClass(class) => (words.caller_class, class.to_string()),
            Facet::Skill(skill) => (words.skill, skill.to_string()),
            Facet::Agent(agent) => (words.agent_columns[0], agent.to_string()),
            Facet::Other => (words.other, String::new()),
        };
        lines.push(line(report, kind.to_owned(), &name, (tally, spread)));
    }
    lines
}

/// A heading and each agent; the first column is words.
pub(super) fn agent_lines(report: &Report, words: &Words) -> Vec<Vec<String>> {
    let mut lines = vec![
        words
            .agent_columns
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>(),
    ];
    for (agent, time) in &report.agents {
        lines.push(agent_line(agent.as_str(), time));
    }
    lines
}

/// A heading and each reason of each agent; the first three columns are words.
pub(super) fn reason_lines(report: &Report, words: &Words) -> Vec<Vec<String>> {
    let head = words.reason_columns.iter().map(|word| (*word).to_owned());
    let mut lines = vec![head.collect::<Vec<_>>()];
    for (agent, reasons) in &report.not_ready {
        for (reason, millis) in reasons {
            let known = report.reasons.iter().find(|known| known.id == *reason);
            let name = match known {
                Some(known) => known.name_in(&words.language()),
                None if reason == RING_ON_NO_ANSWER => {
                    words.say((RING_ON_NO_ANSWER, "未接來電（由系統設定）"))
                }
                None => reason.as_str(),
            };
            let counts_as = match known {
                Some(known) if known.is_productive => words.productive,
                Some(_) => words.unproductive,
                None => NOTHING,
            };
            let line = [agent.as_str(), name, counts_as, &clock(*millis)];
            lines.push(line.map(str::to_owned).to_vec());
        }
    }
    lines
}

fn print_soundness(report: &Report, words: &Words, out: &mut impl Write) -> io::Result<()> {
    let sentence = if report.is_conserved() {
        words.conserved
    } else {
        words.not_conserved
    };
    writeln!(out, "{sentence}")?;
    if let Some(currency) = &report.currency {
        writeln!(out, "{} {currency}", words.say(CURRENCY))?;
    }
    let holes = report.health.late + report.health.with_holes;
    if holes > 0 {
        writeln!(out, "{} {holes}", words.holes)?;
    }
    Ok(())
}

/// What costs are in.
pub(super) const CURRENCY: (&str, &str) = ("Costs in", "成本單位：");

fn print_definitions(words: &Words, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n{}", words.definitions)?;
    let width = DEFINITIONS
        .iter()
        .map(|definition| definition.field.width())
        .max()
        .unwrap_or(0);
    for definition in DEFINITIONS.iter().chain(SPREAD_DEFINITIONS) {
        let formula = words.formula(definition);
        writeln!(out, "  {:width$}  {formula}", definition.field)?;
    }
    writeln!(out, "{}", words.attribution)
}

/// Rows in which nobody came would only hide the others.
fn has_happened(row: &Row) -> bool {
    let counts = row.tally.counts;
    counts.offered + counts.blocked + counts.informed + counts.failed + counts.left_before_queue > 0
        || (matches!(row.group, Group::Facet(Facet::Agent(_)))
            && row.tally.agent_time.logged_in_ms() > 0)
}

const COLUMNS: [Column; 16] = [
    Column::Offered,
    Column::Answered,
    Column::Abandoned,
    Column::Short,
    Column::FlowedOut,
    Column::Callbacks,
    Column::Waiting,
    Column::Blocked,
    Column::Informed,
    Column::Failed,
    Column::Asa,
    Column::AnswerWaitP90,
    Column::Aht,
    Column::ServiceLevel,
    Column::LongestWait,
    Column::Occupancy,
];

/// Costs have columns where any are known.
const COST_COLUMNS: [Column; 3] = [Column::Cost, Column::CostPerContact, Column::CostPerMinute];

fn columns(report: &Report) -> impl Iterator<Item = Column> {
    let of_costs = COST_COLUMNS.into_iter();
    let of_costs = of_costs.filter(|_| report.currency.is_some());
    COLUMNS.into_iter().chain(of_costs)
}

fn line(
    report: &Report,
    interval: String,
    name: &str,
    (tally, spread): (&Tally, &Spread),
) -> Vec<String> {
    let figures = tally.figures();
    let cells = columns(report).map(|column| value(column, &figures, spread).told());
    [interval, name.to_owned()]
        .into_iter()
        .chain(cells)
        .collect()
}

fn value(column: Column, figures: &Figures, spread: &Spread) -> Shown {
    let counts = &figures.counts;
    match column {
        Column::Offered => Shown::Count(counts.offered),
        Column::Answered => Shown::Count(counts.answered),
        Column::Abandoned => Shown::Count(counts.abandoned),
        Column::Short => Shown::Count(counts.short_abandoned),
        Column::FlowedOut => Shown::Count(counts.flowed_out),
        Column::Callbacks => Shown::Count(counts.callbacks),
        Column::Waiting => Shown::Count(counts.waiting),
        Column::Blocked => Shown::Count(counts.blocked),
        Column::Informed => Shown::Count(counts.informed),
        Column::Failed => Shown::Count(counts.failed),
        Column::Asa => Shown::Seconds(figures.asa_s),
        Column::AnswerWaitP90 => Shown::Seconds(spread.answer_wait_s.p90),
        Column::Aht => Shown::Seconds(figures.aht_s),
        Column::ServiceLevel => Shown::Share(figures.service_level.negative),
        Column::LongestWait => Shown::Seconds(figures.longest_wait_s),
        Column::Occupancy => Shown::Share(figures.occupancy),
        Column::Cost => Shown::Money(figures.cost),
        Column::CostPerContact => Shown::Money(figures.cost_per_contact),
        Column::CostPerMinute => Shown::Money(figures.cost_per_minute),
    }
}

/// A figure of the table; where nothing was there to divide by there is none.
#[derive(Clone, Copy, Debug)]
enum Shown {
    Count(u64),
    Seconds(Option<f64>),
    Share(Option<f64>),
    Money(Option<f64>),
}

impl Shown {
    fn told(self) -> String {
        match self {
            Self::Count(count) => count.to_string(),
            Self::Seconds(figure) => seconds(figure),
            Self::Share(figure) => percent(figure),
            Self::Money(figure) => money(figure),
        }
    }

    /// How much more it is than the same figure of another period, with its sign; shares in points of a hundred.
    fn less(self, other: Self) -> String {
        let difference = |a: Option<f64>, b: Option<f64>| Some(a? - b?);
        let told = |figure: Option<f64>, tell: &dyn Fn(f64) -> String| {
            figure.map_or_else(|| NOTHING.to_owned(), tell)
        };
        match (self, other) {
            (Self::Count(a), Self::Count(b)) => format!("{:+}", i128::from(a) - i128::from(b)),
            (Self::Seconds(a), Self::Seconds(b)) => {
                told(difference(a, b), &|it| format!("{it:+.1}"))
            }
            (Self::Share(a), Self::Share(b)) => {
                told(difference(a, b), &|it| format!("{:+.1} pp", it * 100.0))
            }
            (Self::Money(a), Self::Money(b)) => told(difference(a, b), &|it| format!("{it:+.2}")),
            (Self::Count(_) | Self::Seconds(_) | Self::Share(_) | Self::Money(_), _) => {
                NOTHING.to_owned()
            }
        }
    }
}

fn agent_line(agent: &str, time: &AgentTime) -> Vec<String> {
    let spans = [
        time.logged_in_ms(),
        time.idle_ms,
        time.ringing_ms,
        time.talk_ms,
        time.hold_ms,
        time.wrap_up_ms,
        time.not_ready_ms,
        time.unreachable_ms,
    ];
    let counts = [time.offers, time.answers, time.ring_timeouts, time.declines];
    std::iter::once(agent.to_owned())
        .chain(spans.iter().map(|millis| clock(*millis)))
        .chain(counts.iter().map(u64::to_string))
        .collect()
}

/// Hours, minutes and seconds: `1:02:03`.
pub(super) fn clock(millis: u64) -> String {
    let seconds = millis / 1_000;
    format!(
        "{}:{:02}:{:02}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}

fn seconds(figure: Option<f64>) -> String {
    figure.map_or_else(|| NOTHING.to_owned(), |seconds| format!("{seconds:.1}"))
}

fn money(figure: Option<f64>) -> String {
    figure.map_or_else(|| NOTHING.to_owned(), |money| format!("{money:.2}"))
}

pub(super) fn percent(figure: Option<f64>) -> String {
    figure.map_or_else(
        || NOTHING.to_owned(),
        |share| format!("{:.1} %", share * 100.0),
    )
}

/// The wall clock to the minute, `2026-11-23 09:00`; the offset stands once at the top.
pub(super) fn minute(report: &Report, at: Timestamp) -> String {
    report
        .period
        .local(at)
        .replace('T', " ")
        .chars()
        .take(16)
        .collect()
}
