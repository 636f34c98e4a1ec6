//! Export: events, contacts and tickets of a period as rows, a page in memory at a time.
//!
//! JSON Lines of events are what `ringdown replay` reads; of the others, one object a row. CSV and Parquet
//! have the same columns: instants are milliseconds of UTC, and nothing known is an empty field (CSV) or
//! null.

mod columnar;
mod partial;

pub use partial::Partial;

use crate::database::{Database, DatabaseFault};
use crate::report::csv::quoted;
use columnar::Columnar;
use ringdown_routing::time::Timestamp;
use serde_json::{Map, Value};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use std::io::Write;

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Subject {
    /// Every event that happened in the period, in the order of time.
    Events,
    /// Every contact that arrived in it, in that order.
    Contacts,
    /// Every ticket that was opened in it, in that order.
    Tickets,
}

/// How it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One JSON object a line.
    #[default]
    Jsonl,
    /// A line a row under a line of names (RFC 4180).
    Csv,
    /// Apache Parquet, for tools that reckon by column.
    Parquet,
}

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportFault {
    /// The database could not be read.
    #[error(transparent)]
    Database(#[from] DatabaseFault),
    /// The file could not be written.
    #[error("the export cannot be written: {0}")]
    Io(#[from] std::io::Error),
    /// The Parquet file could not be written.
    #[error("the Parquet file cannot be written: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
}

/// One field of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    Text(Option<String>),
    Number(Option<i64>),
}

type Columns = &'static [(&'static str, Kind)];

const EVENTS: Columns = &[
    ("seq", Kind::Number),
    ("origin", Kind::Text),
    ("number", Kind::Number),
    ("at", Kind::Number),
    ("contact", Kind::Text),
    ("queue", Kind::Text),
    ("agent", Kind::Text),
    ("kind", Kind::Text),
    ("body", Kind::Text),
];

const CONTACTS: Columns = &[
    ("id", Kind::Text),
    ("channel", Kind::Text),
    ("sender", Kind::Text),
    ("recipient", Kind::Text),
    ("via", Kind::Text),
    ("queue", Kind::Text),
    ("agent", Kind::Text),
    ("caller", Kind::Text),
    ("class", Kind::Number),
    ("outcome", Kind::Text),
    ("ticket", Kind::Number),
    ("state", Kind::Text),
    ("arrived_at", Kind::Number),
    ("enqueued_at", Kind::Number),
    ("answered_at", Kind::Number),
    ("ended_at", Kind::Number),
    ("wait_ms", Kind::Number),
    ("talk_ms", Kind::Number),
    ("hold_ms", Kind::Number),
    ("ended_by", Kind::Text),
    ("result", Kind::Text),
    ("reason", Kind::Text),
];

const TICKETS: Columns = &[
    ("id", Kind::Number),
    ("number", Kind::Text),
    ("kind", Kind::Text),
    ("impact", Kind::Number),
    ("urgency", Kind::Number),
    ("priority", Kind::Number),
    ("status", Kind::Text),
    ("subject", Kind::Text),
    ("caller", Kind::Text),
    ("organisation", Kind::Text),
    ("sender", Kind::Text),
    ("queue", Kind::Text),
    ("created_at", Kind::Number),
    ("changed_at", Kind::Number),
    ("resolution", Kind::Text),
    ("merged_into", Kind::Number),
];

impl Subject {
    fn columns(self) -> Columns {
        match self {
            Self::Events => EVENTS,
            Self::Contacts => CONTACTS,
            Self::Tickets => TICKETS,
        }
    }

    /// The query of one page: $1 and $2 are the period, of events from the instant of the last row on, and $3 is the
    /// key of that.
    fn query(self) -> String {
        let names: Vec<&str> = self.columns().iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        match self {
            Self::Events => format!(
                "SELECT {names} FROM events WHERE at >= $1 AND at < $2 AND (at, seq) > ($1, $3) \
                 ORDER BY at, seq LIMIT {PAGE_ROWS}"
            ),
            // Their keys stand in the order of arrival.
            Self::Contacts => format!(
                "SELECT {names} FROM contacts WHERE arrived_at >= $1 AND arrived_at < $2 \
                 AND id > $3 ORDER BY id LIMIT {PAGE_ROWS}"
            ),
            Self::Tickets => format!(
                "SELECT {names} FROM tickets WHERE created_at >= $1 AND created_at < $2 \
                 AND id > $3 ORDER BY id LIMIT {PAGE_ROWS}"
            ),
        }
    }
}

/// Writes the rows of `from..to`, and tells how many they were.
pub async fn export(
    database: &Database,
    subject: Subject,
    from: Timestamp,
    to: Timestamp,
    format: Format,
    out: Box<dyn Write + Send>,
) -> Result<u64, ExportFault> {
    let columns = subject.columns();
    let mut writer = Writer::begin(format, subject, columns, out)?;
    let query = subject.query();
    let (mut at, mut key) = (from.as_millis(), Field::Number(Some(i64::MIN)));
    if subject == Subject::Contacts {
        key = Field::Text(Some(String::new()));
    }
    let mut count = 0;
    loop {
        let rows = sqlx::query(AssertSqlSafe(query.clone()))
            .bind(at)
            .bind(to.as_millis());
        let rows = match &key {
            Field::Text(key) => rows.bind(key.clone()),
            Field::Number(key) => rows.bind(*key),
        };
        let rows = rows.fetch_all(database.reads()).await;
        let rows = rows.map_err(DatabaseFault::from)?;
        let page: Result<Vec<Vec<Field>>, sqlx::Error> =
            rows.iter().map(|row| fields(columns, row)).collect();
        let page = page.map_err(DatabaseFault::from)?;
        count += u64::try_from(page.len()).unwrap_or(0);
        if let Some(last) = page.last().and_then(|row| row.first()) {
            key = last.clone();
        }
        if subject == Subject::Events
            && let Some(last) = rows.last()
        {
            at = last.try_get("at").map_err(DatabaseFault::from)?;
        }
        let is_last = page.len() < PAGE_ROWS;
        writer.write(&page)?;
        if is_last {
            writer.end()?;
            return Ok(count);
        }
    }
}

fn fields(columns: Columns, row: &AnyRow) -> Result<Vec<Field>, sqlx::Error> {
    let field = |(name, kind): &(&'static str, Kind)| {
        Ok(match kind {
            Kind::Text => Field::Text(row.try_get(*name)?),
            Kind::Number => Field::Number(row.try_get(*name)?),
        })
    };
    columns.iter().map(field).collect()
}

/// What is being written.
enum Writer {
    /// The bodies of events as they are.
    Bodies(Box<dyn Write + Send>, usize),
    Objects(Box<dyn Write + Send>, Columns),
    Csv(Box<dyn Write + Send>),
    Parquet(Columnar),
}

impl Writer {
    fn begin(
        format: Format,
        subject: Subject,
        columns: Columns,
        mut out: Box<dyn Write + Send>,
    ) -> Result<Self, ExportFault> {
        Ok(match (format, subject) {
            (Format::Jsonl, Subject::Events) => Self::Bodies(out, columns.len() - 1),
            (Format::Jsonl, Subject::Contacts | Subject::Tickets) => Self::Objects(out, columns),
            (Format::Csv, _) => {
                let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
                write!(out, "{}\r\n", names.join(","))?;
                Self::Csv(out)
            }
            (Format::Parquet, _) => Self::Parquet(Columnar::begin(columns, out)?),
        })
    }

    fn write(&mut self, page: &[Vec<Field>]) -> Result<(), ExportFault> {
        match self {
            Self::Bodies(out, place) => {
                for row in page {
                    if let Some(Field::Text(Some(body))) = row.get(*place) {
                        writeln!(out, "{body}")?;
                    }
                }
            }
            Self::Objects(out, columns) => {
                for row in page {
                    let named = columns.iter().zip(row);
                    let object: Map<String, Value> = named
                        .map(|((name, _), field)| ((*name).to_owned(), field.to_json()))
                        .collect();
                    writeln!(out, "{}", Value::Object(object))?;
                }
            }
            Self::Csv(out) => {
                for row in page {
                    let texts: Vec<String> = row.iter().map(Field::to_csv).collect();
                    write!(out, "{}\r\n", texts.join(","))?;
                }
            }
            Self::Parquet(columnar) => columnar.write(page)?,
        }
        Ok(())
    }

    fn end(self) -> Result<(), ExportFault> {
        match self {
            Self::Bodies(mut out, _) | Self::Objects(mut out, _) | Self::Csv(mut out) => {
                out.flush()?;
            }
            Self::Parquet(columnar) => columnar.end()?,
        }
        Ok(())
    }
}

impl Field {
    fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => text.clone().map_or(Value::Null, Value::from),
            Self::Number(number) => number.map_or(Value::Null, Value::from),
        }
    }

    /// Text is guarded against being taken for a formula; numbers are what they are.
    fn to_csv(&self) -> String {
        match self {
            Self::Text(text) => text.as_deref().map_or_else(String::new, quoted),
            Self::Number(number) => number.map_or_else(String::new, |number| number.to_string()),
        }
    }
}

/// Rows that are in memory at a time; a row group of a Parquet file.
const PAGE_ROWS: usize = 5_000;

#[cfg(test)]
mod tests;
