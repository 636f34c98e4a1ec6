//! The report as one page that needs nothing else: plots, tables and definitions, for screen and paper.

use super::answers::{self, answer_lines};
use super::comparison::Pair;
use super::plot::{self, Bar, Names, Other, escaped};
use super::table::{
    CURRENCY, LEFT_OUT, agent_lines, contact_lines, facet_lines, minute, reason_lines,
};
use super::tables::{CanBeCalledBack, Table, Value};
use super::words::Column;
use super::{By, Group, Report, Row, Span, Words};
use ringdown_routing::ids::ContactId;
use ringdown_routing::statistics::{DEFINITIONS, SPREAD_DEFINITIONS, Tally};
use ringdown_routing::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// How it looks; on paper tables go on with their heading and plots are never cut.
pub(super) const STYLE: &str = "\
body{font:14px/1.45 system-ui,'Noto Sans TC','PingFang TC',sans-serif;color:#222;max-width:1200px;margin:2em auto;padding:0 1em}\
h1{font-size:1.4em;margin:0}h2{font-size:1.1em;margin:1.6em 0 .4em}.when{color:#555;margin:.2em 0 1em}\
table{margin:.8em 0 1.6em;border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:12px;width:100%}\
th,td{padding:.25em .5em;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}\
th{border-bottom:2px solid #222;white-space:normal;vertical-align:bottom}.text{text-align:left}tr.total td{font-weight:600}\
svg{width:100%;height:auto;display:block}.wide svg{min-width:680px}svg text{font-size:10px;fill:#555}svg .left{text-anchor:end}\
.grid{stroke:#ddd;stroke-width:1}.key{font-size:12px;margin:.2em 0;print-color-adjust:exact;-webkit-print-color-adjust:exact}svg.line{display:inline-block;width:34px;height:12px;vertical-align:middle}\
.sound{margin:1em 0}.note{margin:.4em 0}.unsound{margin:1em 0;font-weight:600;color:#b5484b}\
dl{font-size:12px;display:grid;grid-template-columns:max-content 1fr;gap:.15em 1em}dt{font-family:monospace}dd{margin:0}\
.wide{overflow-x:auto}\
@page{size:A4 landscape;margin:12mm}\
@media print{body{max-width:none;margin:0;padding:0;font-size:11px}thead{display:table-header-group}\
table{font-size:9px}tr,svg,dl div{break-inside:avoid}.wide svg{min-width:0}h2{break-after:avoid}.wide{overflow:visible}}";

/// How bars are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plots {
    /// As SVG.
    Svg,
    /// As coloured cells of tables, which mail programs show.
    Cells,
}

/// Prints it.
pub(super) fn print(
    report: &Report,
    words: &Words,
    plots: Plots,
    out: &mut impl Write,
) -> io::Result<()> {
    let whole = report.period.whole();
    let when = format!(
        "{} – {} ({}, {})",
        minute(report, whole.from),
        minute(report, whole.to),
        report.period.interval,
        super::period::name(&report.period.zone),
    );
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title} {when}</title>\
         <style>{STYLE}</style></head><body>\n<h1>{title}</h1><p class=\"when\">{when}</p>\n",
        words.tag,
        title = escaped(words.title),
        when = escaped(&when),
    )?;
    print_body(report, words, plots, &|contact| contact.to_string(), out)?;
    writeln!(out, "</body></html>")
}

/// Prints what stands below the heading.
pub(super) fn print_body(
    report: &Report,
    words: &Words,
    plots: Plots,
    order: &impl Fn(ContactId) -> String,
    out: &mut impl Write,
) -> io::Result<()> {
    print_soundness(report, words, out)?;
    print_plots(report, words, plots, out)?;
    write_table(&contact_lines(report, words), 2, out)?;
    if !report.facets.is_empty() && report.by == By::Queue {
        write_table(&facet_lines(report, words), 2, out)?;
    }
    let answers = answer_lines(report, words);
    if !answers.is_empty() {
        writeln!(out, "<h2>{}</h2>", escaped(answers::title(words)))?;
        write_table(&answers, 2, out)?;
    }
    if !report.agents.is_empty() && report.scope.queue.is_none() {
        write_table(&agent_lines(report, words), 1, out)?;
        if !report.not_ready.is_empty() {
            write_table(&reason_lines(report, words), 3, out)?;
        }
    }
    for table in report.tables().iter().filter(|it| !it.rows.is_empty()) {
        print_table(report, table, words, order, out)?;
    }
    writeln!(out, "<h2>{}</h2><dl>", escaped(words.definitions))?;
    for definition in DEFINITIONS.iter().chain(SPREAD_DEFINITIONS) {
        writeln!(
            out,
            "<dt>{}</dt><dd>{}</dd>",
            definition.field,
            escaped(words.formula(definition))
        )?;
    }
    writeln!(
        out,
        "</dl><p class=\"key\">{}</p>",
        escaped(words.attribution)
    )
}

fn print_soundness(report: &Report, words: &Words, out: &mut impl Write) -> io::Result<()> {
    let (class, sentence) = if report.is_conserved() {
        ("sound", words.conserved)
    } else {
        ("unsound", words.not_conserved)
    };
    writeln!(out, "<p class=\"{class}\">{}</p>", escaped(sentence))?;
    for note in report.notes(words) {
        writeln!(out, "<p class=\"note\">{}</p>", escaped(&note))?;
    }
    if let Some(currency) = &report.currency {
        let told = words.say(CURRENCY);
        writeln!(out, "<p class=\"key\">{told} {}</p>", escaped(currency))?;
    }
    let holes = report.health.late + report.health.with_holes;
    if holes > 0 {
        writeln!(
            out,
            "<p class=\"unsound\">{} {holes}</p>",
            escaped(words.holes)
        )?;
    }
    Ok(())
}

/// One table with what it means above it; what can be called back has what it is ordered by.
fn print_table(
    report: &Report,
    table: &Table,
    words: &Words,
    order: &impl Fn(ContactId) -> String,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(
        out,
        "<section id=\"{}\"><h2>{}</h2><p class=\"key\">{}</p>",
        table.name.as_str(),
        escaped(table.name.title(words)),
        escaped(table.name.definition(words)),
    )?;
    let mut lines = table.lines(report, words);
    for (line, row) in lines.iter_mut().skip(1).zip(&table.rows) {
        for (cell, value) in line.iter_mut().zip(row) {
            *cell = if let Value::Contact(contact, CanBeCalledBack::Yes) = value {
                order(*contact)
            } else {
                escaped(cell)
            };
        }
    }
    if let Some(heading) = lines.first_mut() {
        heading.iter_mut().for_each(|cell| *cell = escaped(cell));
    }
    write_html_table(&lines, table.words, out)?;
    if table.left_out > 0 {
        let told = escaped(words.say(LEFT_OUT));
        writeln!(out, "<p class=\"key\">{told} {}</p>", table.left_out)?;
    }
    writeln!(out, "</section>")
}

/// Most plots of a page; of more groups those with the most contacts have one.
const PLOTS_MAX: usize = 12;

/// One plot for each queue: what became of those who entered it, and the service level; beside another period what
/// that had in the same place.
fn print_plots(
    report: &Report,
    words: &Words,
    plots: Plots,
    out: &mut impl Write,
) -> io::Result<()> {
    let parts = PARTS.map(|column| words.column(column));
    let line = words.column(Column::ServiceLevel);
    let names = Names {
        parts: &parts,
        line,
        other: report.compared.as_ref().map(|compared| {
            let other = report.span(compared.whole);
            [words.column(Column::Offered), line].map(|name| format!("{name}, {other}"))
        }),
    };
    let other = report.compared.as_ref().map(|it| &it.groups);
    let all: BTreeSet<&Group> = report
        .groups
        .keys()
        .chain(other.into_iter().flatten().map(|(group, _)| group))
        .collect();
    let offered = |group: &&Group| {
        let (tally, _) = report.groups.get(*group).copied().unwrap_or_default();
        tally.counts.offered
    };
    let mut groups: Vec<&Group> = all.into_iter().collect();
    if groups.len() > PLOTS_MAX {
        groups.sort_by_key(|group| std::cmp::Reverse(offered(group)));
        groups.truncate(PLOTS_MAX);
    }
    for group in groups {
        let bars = bars(report, group, words);
        let name = group.name();
        let drawn = match plots {
            Plots::Svg => plot::bars(&bars, &names, &name),
            Plots::Cells => plot::cells(&bars, &names),
        };
        writeln!(out, "<h2>{}</h2>{drawn}", escaped(&name))?;
    }
    Ok(())
}

/// One bar for each interval, also where nobody came, and for those that the other period alone has.
fn bars(report: &Report, group: &Group, words: &Words) -> Vec<Bar> {
    let of_group = |rows: &'_ [Row]| -> BTreeMap<Timestamp, Tally> {
        let rows = rows.iter().filter(|row| row.group == *group);
        rows.map(|row| (row.span.from, row.tally)).collect()
    };
    let here = of_group(&report.rows);
    let there = report.compared.as_ref().map(|it| of_group(&it.rows));
    let tally = |span: Option<Span>, tallies: &BTreeMap<Timestamp, Tally>| {
        span.and_then(|span| tallies.get(&span.from))
            .copied()
            .unwrap_or_default()
    };
    let bar = |pair: Pair| {
        let own = tally(pair.here, &here);
        let other = pair.there.zip(there.as_ref());
        let other = other.map(|(span, there)| (span, tally(Some(span), there)));
        let span = pair.here.or(pair.there)?;
        let start = report.period.label(span.from);
        let mut title = bar_title(&start, &own, words);
        if let Some((span, tally)) = &other {
            let start = report.period.label(span.from);
            title += "; ";
            title += &bar_title(&start, tally, words);
        }
        Some(Bar {
            title,
            label: label(report, &start),
            parts: parts(&own).map(|count| count as f64).to_vec(),
            line: own.figures().service_level.negative,
            other: other.map(|(_, tally)| Other {
                height: tally.counts.offered as f64,
                line: tally.figures().service_level.negative,
            }),
        })
    };
    report.pairs().into_iter().filter_map(bar).collect()
}

/// Where those who entered the line are or went; together they are the offered.
const PARTS: [Column; 5] = [
    Column::Answered,
    Column::Abandoned,
    Column::FlowedOut,
    Column::Callbacks,
    Column::Waiting,
];

/// The counts of [`PARTS`].
fn parts(tally: &Tally) -> [u64; 5] {
    let counts = &tally.counts;
    [
        counts.answered,
        counts.abandoned,
        counts.flowed_out,
        counts.callbacks,
        counts.waiting,
    ]
}

fn bar_title(start: &str, tally: &Tally, words: &Words) -> String {
    let offered = (Column::Offered, tally.counts.offered);
    let told: Vec<String> = std::iter::once(offered)
        .chain(PARTS.into_iter().zip(parts(tally)))
        .map(|(column, count)| format!("{} {count}", words.column(column)))
        .collect();
    format!("{start}: {}", told.join(", "))
}

/// The time within a day, the date over several; weeks and months by their names.
fn label(report: &Report, start: &str) -> String {
    let whole = report.period.whole();
    let is_one_day = whole.to.since(whole.from).as_secs() <= 90_000;
    let (date, time) = start.split_at(start.len().min(10));
    if is_one_day { time } else { date }.trim().to_owned()
}

/// The first line is the heading, the first `words` columns are text.
fn write_table(lines: &[Vec<String>], words: usize, out: &mut impl Write) -> io::Result<()> {
    let escaped_lines = lines
        .iter()
        .map(|line| line.iter().map(|cell| escaped(cell)).collect());
    write_html_table(&escaped_lines.collect::<Vec<_>>(), words, out)
}

/// The same of what is HTML already.
fn write_html_table(lines: &[Vec<String>], words: usize, out: &mut impl Write) -> io::Result<()> {
    let Some((head, rows)) = lines.split_first() else {
        return Ok(());
    };
    let class = |column| {
        if column < words {
            " class=\"text\""
        } else {
            ""
        }
    };
    write!(out, "<div class=\"wide\"><table><thead><tr>")?;
    for (column, cell) in head.iter().enumerate() {
        write!(out, "<th{}>{cell}</th>", class(column))?;
    }
    writeln!(out, "</tr></thead><tbody>")?;
    for row in rows {
        write!(out, "<tr>")?;
        for (column, cell) in row.iter().enumerate() {
            write!(out, "<td{}>{cell}</td>", class(column))?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody></table></div>")
}
