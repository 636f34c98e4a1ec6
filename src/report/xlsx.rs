//! The report as a workbook: intervals, totals, facets, agents and definitions, a sheet each, figures as
//! numbers that can be calculated with.

use super::table::reason_lines;
use super::tables::{Table, TableName, Value};
use super::{Report, Words, comparison, period};
use ringdown_routing::statistics::{DEFINITIONS, Facet, SPREAD_DEFINITIONS, Spread, Tally};
use ringdown_routing::time::Timestamp;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};
use serde_json::Value as Json;
use std::io::{self, Write};

/// Fields that are shares and shown in per cent.
const SHARES: [&str; 12] = [
    "repeat_caller_share",
    "incident_share",
    "first_contact_resolution",
    "first_line_resolution",
    "solved_within_target",
    "tolerable_wait_share",
    "service_level.",
    "abandon_rate",
    "occupancy",
    "utilisation",
    "handling_rate",
    "failure_rate",
];

/// Percentiles, by kind and share.
const PERCENTILES: [&str; 5] = ["p50", "p80", "p90", "p95", "p99"];

/// Prints it: bytes for a file.
pub(super) fn print(report: &Report, words: &Words, out: &mut impl Write) -> io::Result<()> {
    let bytes = workbook(report, words).map_err(io::Error::other)?;
    out.write_all(&bytes)
}

fn workbook(report: &Report, words: &Words) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    // The same report gives the same bytes, whenever it is written.
    let made = date_time(&local(report, report.as_of))?;
    workbook.set_properties(
        &DocProperties::new()
            .set_title(words.title)
            .set_creation_datetime(&made),
    );
    let formats = Formats::new();
    write_intervals(report, workbook.add_worksheet(), words, &formats)?;
    write_totals(report, workbook.add_worksheet(), words, &formats)?;
    write_facets(report, workbook.add_worksheet(), words, &formats)?;
    write_agents(report, workbook.add_worksheet(), words, &formats)?;
    write_reasons(report, workbook.add_worksheet(), words, &formats)?;
    let tables = report.tables();
    for table in &tables {
        write_table(report, table, workbook.add_worksheet(), words, &formats)?;
    }
    write_definitions(report, workbook.add_worksheet(), words, &formats)?;
    workbook.save_to_buffer()
}

fn write_intervals(
    report: &Report,
    sheet: &mut Worksheet,
    words: &Words,
    formats: &Formats,
) -> Result<(), XlsxError> {
    begin(
        sheet,
        words.interval,
        &["start", "end", "offset", report.by.as_str()],
        formats,
    )?;
    // As in CSV, the intervals of a period it is compared with stand behind its own.
    let compared = report.compared.iter().flat_map(|other| &other.rows);
    for (line, row) in (1..).zip(report.rows.iter().chain(compared)) {
        let (start, end) = (local(report, row.span.from), local(report, row.span.to));
        sheet.write_datetime_with_format(line, 0, &date_time(&start)?, &formats.date)?;
        sheet.write_datetime_with_format(line, 1, &date_time(&end)?, &formats.date)?;
        sheet.write_string(line, 2, start.get(19..).unwrap_or(""))?;
        sheet.write_string(line, 3, row.group.name())?;
        write_figures(sheet, line, 4, (&row.tally, &row.spread), formats)?;
    }
    sheet.set_freeze_panes(1, 4)?;
    Ok(())
}

fn write_totals(
    report: &Report,
    sheet: &mut Worksheet,
    words: &Words,
    formats: &Formats,
) -> Result<(), XlsxError> {
    begin(
        sheet,
        words.total,
        &["from", "to", report.by.as_str()],
        formats,
    )?;
    let mut periods = vec![(
        report.period.whole(),
        &report.groups,
        (&report.total, &report.spread),
    )];
    if let Some(compared) = &report.compared {
        let total = (&compared.total, &compared.spread);
        periods.push((compared.whole, &compared.groups, total));
    }
    let mut line = 1;
    for (whole, groups, total) in periods {
        let of_groups = groups
            .iter()
            .map(|(group, (tally, spread))| (group.name(), (tally, spread)));
        for (name, sums) in of_groups.chain([(words.all.to_owned(), total)]) {
            sheet.write_string(line, 0, local(report, whole.from))?;
            sheet.write_string(line, 1, local(report, whole.to))?;
            sheet.write_string(line, 2, name)?;
            write_figures(sheet, line, 3, sums, formats)?;
            line += 1;
        }
    }
    if let Some(compared) = &report.compared {
        let mut changes: Vec<(String, Json)> = report
            .changes(compared)
            .into_iter()
            .map(|(group, change)| (group.name(), change))
            .collect();
        let (here, there) = (
            (report.total, report.spread),
            (compared.total, compared.spread),
        );
        changes.push((words.all.to_owned(), comparison::of_sums(&here, &there)));
        for (name, change) in changes {
            sheet.write_string(line, 0, words.change)?;
            sheet.write_string(line, 2, name)?;
            write_told(sheet, line, 3, &change, formats)?;
            line += 1;
        }
    }
    sheet.set_freeze_panes(1, 3)?;
    Ok(())
}

fn write_facets(
    report: &Report,
    sheet: &mut Worksheet,
    words: &Words,
    formats: &Formats,
) -> Result<(), XlsxError> {
    begin(sheet, words.counted_by, &["kind", "name"], formats)?;
    for (line, (facet, (tally, spread))) in (1..).zip(&report.facets) {
        let (kind, name) = match facet {
            Facet::Number(number) => (words.number, number.clone()),
            Facet::CallerClass(class) => (words.caller_class, class.to_string()),
            Facet::Skill(skill) => (words.skill, skill.to_string()),
            Facet::Agent(agent) => (words.agent_columns[0], agent.to_string()),
            Facet::Other => (words.other, String::new()),
        };
        sheet.write_string(line, 0, kind)?;
        sheet.write_string(line, 1, name)?;
        write_figures(sheet, line, 2, (tally, spread), formats)?;
    }
    sheet.set_freeze_panes(1, 2)?;
    Ok(())
}

fn write_agents(
    report: &Report,
    sheet: &mut Worksheet,
    words: &Words,
    formats: &Formats,
) -> Result<(), XlsxError> {
    let [name, ..] = words.agent_columns;
    sheet.set_name(name)?;
    for (column, word) in (0..).zip(words.agent_columns) {
        sheet.write_string_with_format(0, column, word, &formats.head)?;
    }
    for (line, (agent, time)) in (1..).zip(&report.agents) {
        sheet.write_string(line, 0, agent.as_str())?;
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
        for (column, millis) in (1..).zip(spans) {
            // A day is one to a spreadsheet.
            let days = millis as f64 / 86_400_000.0;
            sheet.write_number_with_format(line, column, days, &formats.clock)?;
        }
        let counts = [time.offers, time.answers, time.ring_timeouts, time.declines];
        for (column, count) in (9..).zip(counts) {
            sheet.write_number(line, column, count as f64)?;
        }
    }
    sheet.set_freeze_panes(1, 1)?;
    sheet.autofit();
    Ok(())
}

/// Why agents were not ready, and for how long.
fn write_reasons(
    report: &Report,
    sheet: &mut Worksheet,
    words: &Words,
    formats: &Formats,
) -> Result<(), XlsxError> {
    let [_, name, ..] = words.reason_columns;
    sheet.set_name(name)?;
    for (column, word) in (0..).zip(words.reason_columns) {
        sheet.write_string_with_format(0, column, word, &formats.head)?;
    }
    let times = report.not_ready.values().flat_map(|it| it.values());
    let lines = reason_lines(report, words).into_iter().skip(1);
    for ((line, texts), millis) in (1..).zip(lines).zip(times) {
        for (column, text) in (0..3).zip(texts) {
            sheet.write_string(line, column, text)?;
        }
        // A day is one to a spreadsheet.
        let days = *millis as f64 / 86_400_000.0;
        sheet.write_number_with_format(line, 3, days, &formats.clock)?;
    }
    sheet.set_freeze_panes(1, 1)?;
    sheet.autofit();
    Ok(())
}

/// One table, its fields by their names in files.
fn write_table(
    report: &Report,
    table: &Table,
    sheet: &mut Worksheet,
    words: &Words,
    formats: &Formats,
) -> Result<(), XlsxError> {
    sheet.set_name(table.name.as_str())?;
    for (column, head) in (0..).zip(table.heads) {
        let heading = format!("{} ({})", head.heading(words), head.key);
        sheet.write_string_with_format(0, column, heading, &formats.head)?;
    }
    for (line, row) in (1..).zip(&table.rows) {
        for (column, value) in (0..).zip(row) {
            write_value(report, value, sheet, (line, column), words, formats)?;
        }
    }
    sheet.set_freeze_panes(1, 0)?;
    sheet.autofit();
    Ok(())
}

fn write_value(
    report: &Report,
    value: &Value,
    sheet: &mut Worksheet,
    (line, column): (u32, u16),
    words: &Words,
    formats: &Formats,
) -> Result<(), XlsxError> {
    match value {
        Value::Nothing => {}
        Value::Instant(at) => {
            let at = date_time(&local(report, *at))?;
            sheet.write_datetime_with_format(line, column, &at, &formats.date)?;
        }
        Value::Text(_) | Value::Word(..) | Value::Contact(..) => {
            sheet.write_string(line, column, value.told(report, words))?;
        }
        Value::Count(count) => {
            sheet.write_number_with_format(line, column, *count as f64, &formats.count)?;
        }
        Value::Seconds(seconds) => {
            sheet.write_number_with_format(line, column, *seconds, &formats.seconds)?;
        }
        Value::Share(share) => {
            sheet.write_number_with_format(line, column, *share, &formats.share)?;
        }
        Value::Figure(figure) => {
            sheet.write_number(line, column, *figure)?;
        }
        Value::Difference(figure) => {
            write_value(report, figure, sheet, (line, column), words, formats)?;
        }
    }
    Ok(())
}

fn write_definitions(
    report: &Report,
    sheet: &mut Worksheet,
    words: &Words,
    formats: &Formats,
) -> Result<(), XlsxError> {
    sheet.set_name(words.definitions)?;
    let definitions = DEFINITIONS.iter().chain(SPREAD_DEFINITIONS);
    for (line, definition) in (0..).zip(definitions) {
        sheet.write_string_with_format(line, 0, definition.field, &formats.head)?;
        sheet.write_string(line, 1, words.formula(definition))?;
    }
    let sound = if report.is_conserved() {
        words.conserved
    } else {
        words.not_conserved
    };
    let zone = period::name(&report.period.zone);
    let mut last = u32::try_from(DEFINITIONS.len() + SPREAD_DEFINITIONS.len()).unwrap_or(0);
    for name in TableName::ALL {
        sheet.write_string_with_format(last, 0, name.as_str(), &formats.head)?;
        sheet.write_string(last, 1, name.definition(words))?;
        last += 1;
    }
    let currency = report.currency.as_deref().unwrap_or("");
    let notes = report.notes(words);
    let sentences = [sound, words.attribution, zone.as_str(), currency];
    let sentences = sentences
        .into_iter()
        .chain(notes.iter().map(String::as_str));
    for (line, sentence) in (last + 1..).zip(sentences) {
        sheet.write_string(line, 1, sentence)?;
    }
    sheet.autofit();
    Ok(())
}

/// Names a sheet and writes its heading: what the line is about, then every field.
fn begin(
    sheet: &mut Worksheet,
    name: &str,
    about: &[&str],
    formats: &Formats,
) -> Result<(), XlsxError> {
    sheet.set_name(name)?;
    let fields = DEFINITIONS
        .iter()
        .map(|definition| definition.field.to_owned());
    let percentiles = SPREAD_DEFINITIONS.iter().flat_map(|definition| {
        PERCENTILES.map(|percentile| format!("{}.{percentile}", definition.field))
    });
    let about = about.iter().map(|word| (*word).to_owned());
    for (column, word) in (0..).zip(about.chain(fields).chain(percentiles)) {
        sheet.write_string_with_format(0, column, word, &formats.head)?;
    }
    sheet.autofit();
    Ok(())
}

/// Writes every field from a column on; where nothing was there to divide by the cell stays empty.
fn write_figures(
    sheet: &mut Worksheet,
    line: u32,
    first: u16,
    (tally, spread): (&Tally, &Spread),
    formats: &Formats,
) -> Result<(), XlsxError> {
    let sums = (*tally, *spread);
    write_told(sheet, line, first, &comparison::told(&sums), formats)
}

/// The same of figures by their names, percentiles beside them.
fn write_told(
    sheet: &mut Worksheet,
    line: u32,
    first: u16,
    told: &Json,
    formats: &Formats,
) -> Result<(), XlsxError> {
    let fields = DEFINITIONS.iter().map(|definition| {
        (
            format!("/{}", definition.field.replace('.', "/")),
            definition.field,
        )
    });
    let percentiles = SPREAD_DEFINITIONS.iter().flat_map(|definition| {
        PERCENTILES.map(|percentile| {
            let path = format!("/{}/{percentile}", definition.field.replace('.', "/"));
            (path, definition.field)
        })
    });
    for (column, (path, field)) in (first..).zip(fields.chain(percentiles)) {
        if let Some(figure) = told.pointer(&path).and_then(Json::as_f64) {
            let format = formats.of(field);
            sheet.write_number_with_format(line, column, figure, format)?;
        }
    }
    Ok(())
}

struct Formats {
    head: Format,
    date: Format,
    clock: Format,
    share: Format,
    seconds: Format,
    money: Format,
    count: Format,
}

impl Formats {
    fn new() -> Self {
        Self {
            head: Format::new().set_bold(),
            date: Format::new().set_num_format("yyyy-mm-dd hh:mm"),
            clock: Format::new().set_num_format("[h]:mm:ss"),
            share: Format::new().set_num_format("0.0%"),
            seconds: Format::new().set_num_format("0.0"),
            money: Format::new().set_num_format("0.00"),
            count: Format::new().set_num_format("0"),
        }
    }

    fn of(&self, field: &str) -> &Format {
        if SHARES.iter().any(|share| field.starts_with(share)) {
            &self.share
        } else if field.ends_with("_s") {
            &self.seconds
        } else if field.starts_with("cost") || field == "satisfaction" {
            &self.money
        } else {
            &self.count
        }
    }
}

fn local(report: &Report, at: Timestamp) -> String {
    report.period.local(at)
}

/// The wall clock of an RFC 3339 time, as spreadsheets count.
fn date_time(local: &str) -> Result<ExcelDateTime, XlsxError> {
    ExcelDateTime::parse_from_str(local.get(..19).unwrap_or(local))
}
