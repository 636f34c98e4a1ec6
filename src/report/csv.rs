//! The report as CSV (RFC 4180): one line per queue and interval, every field by its published name; the intervals of a
//! period it is compared with stand behind its own.

use super::Report;
use super::tables::Table;
use ringdown_routing::statistics::DEFINITIONS;
use serde_json::Value;
use std::io::{self, Write};

/// The percentiles that are printed.
const SPREAD_FIELDS: [&str; 9] = [
    "answer_wait_s.p50",
    "answer_wait_s.p90",
    "answer_wait_s.p95",
    "abandon_wait_s.p50",
    "abandon_wait_s.p90",
    "abandon_wait_s.p95",
    "handle_time_s.p50",
    "handle_time_s.p90",
    "handle_time_s.p95",
];

/// Prints it; a figure with nothing to divide by is an empty field.
pub(super) fn print(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let fields = DEFINITIONS.iter().map(|definition| definition.field);
    let head: Vec<&str> = ["start", "end", report.by.as_str()]
        .into_iter()
        .chain(fields)
        .chain(SPREAD_FIELDS)
        .chain(["is_conserved"])
        .collect();
    write!(out, "{}\r\n", head.join(","))?;
    let path = |field: &'static str| field.split('.').collect::<Vec<_>>();
    let figure_paths: Vec<_> = DEFINITIONS.iter().map(|it| path(it.field)).collect();
    let spread_paths = SPREAD_FIELDS.map(path);
    let compared = report.compared.iter().flat_map(|other| &other.rows);
    for row in report.rows.iter().chain(compared) {
        let (start, end) = (
            report.period.local(row.span.from),
            report.period.local(row.span.to),
        );
        write!(out, "{start},{end},{}", quoted(&row.group.name()))?;
        let figures = serde_json::to_value(row.tally.figures())?;
        for path in &figure_paths {
            write_field(&figures, path, out)?;
        }
        let spread = serde_json::to_value(row.spread)?;
        for path in &spread_paths {
            write_field(&spread, path, out)?;
        }
        write_field(&figures, &["is_conserved"], out)?;
        write!(out, "\r\n")?;
    }
    Ok(())
}

/// Prints one table; what is not known is an empty field.
pub(super) fn print_table(report: &Report, table: &Table, out: &mut impl Write) -> io::Result<()> {
    let head: Vec<&str> = table.heads.iter().map(|head| head.key).collect();
    write!(out, "{}\r\n", head.join(","))?;
    for row in &table.rows {
        let fields = row.iter().map(|value| {
            let value = value.to_json(report);
            match value.as_str() {
                Some(text) => quoted(text),
                None if value.is_null() => String::new(),
                None => value.to_string(),
            }
        });
        write!(out, "{}\r\n", fields.collect::<Vec<_>>().join(","))?;
    }
    Ok(())
}

/// Writes a comma and one figure.
fn write_field(figures: &Value, path: &[&str], out: &mut impl Write) -> io::Result<()> {
    let found = path
        .iter()
        .try_fold(figures, |figure, name| figure.get(name));
    match found {
        None | Some(Value::Null) => write!(out, ","),
        Some(value) => write!(out, ",{value}"),
    }
}

/// RFC 4180 section 2.6: fields with commas, quotes or line breaks are quoted, and quotes doubled. A
/// field that a spreadsheet would take for a formula is quoted with an apostrophe in front.
pub(crate) fn quoted(text: &str) -> String {
    let guarded = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if guarded.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringdown_routing::statistics::{Figures, Tally};

    #[test]
    fn names_of_queues_break_neither_line_nor_spreadsheet() {
        assert_eq!(quoted("help"), "help");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("=SUM(A1)"), "'=SUM(A1)");
    }

    #[test]
    fn a_figure_without_a_denominator_is_empty() {
        let figures = serde_json::to_value(Figures::of(&Tally::default())).unwrap();
        let field = |path: &[&str]| {
            let mut out = Vec::new();
            write_field(&figures, path, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(field(&["asa_s"]), ",");
        assert_eq!(field(&["service_level", "ignored"]), ",");
        assert_eq!(field(&["offered"]), ",0");
    }
}
