//! One forecast, ready to be printed: its intervals on the clock of their day, and what to beware of.

use super::arrivals::{Arrivals, date, period_of, slot_of};
use super::staff::{Played, PlayedPlan, Staffed};
use super::{csv, table};
use crate::report::{Interval, Span, period};
use jiff::tz::TimeZone;
use ringdown_routing::forecast::{Expected, Forecast, History, Method};
use ringdown_routing::staffing::Answer;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// How a forecast is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// One line for each interval.
    Csv,
    /// One document.
    Json,
}

/// A forecast with its intervals.
#[derive(Clone, Debug)]
pub struct Told {
    /// The zone of the wall clock.
    pub(super) zone: TimeZone,
    /// Width of the intervals.
    pub(super) interval: Interval,
    /// Days of the past it rests on.
    pub(super) days_known: usize,
    /// What was forecast.
    pub(super) forecast: Forecast,
    /// The intervals of all days, in order.
    pub(super) rows: Vec<Row>,
}

/// One interval to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) span: Span,
    pub(super) expected: Option<Expected>,
}

impl Told {
    /// Puts a forecast on the clock: on days of changed clocks intervals are left out, come twice, or are
    /// shorter.
    pub fn new(arrivals: &Arrivals, history: &History, forecast: Forecast) -> Self {
        let (zone, interval) = (arrivals.zone().clone(), arrivals.interval());
        let mut rows = Vec::new();
        for day in &forecast.days {
            let Some(period) = period_of(date(day.day), interval, &zone) else {
                continue;
            };
            for span in period.spans {
                let slot = slot_of(span.from, interval, &zone);
                let whole = slot.and_then(|slot| day.slots.get(slot).copied().flatten());
                let length = seconds(span) / interval.as_seconds() as f64;
                rows.push(Row {
                    span,
                    expected: whole.map(|whole| Expected {
                        expected: whole.expected * length,
                        low: whole.low * length,
                        high: whole.high * length,
                    }),
                });
            }
        }
        Self {
            zone,
            interval,
            days_known: history.days(),
            forecast,
            rows,
        }
    }

    /// Arrivals that are expected in each interval, with its length in seconds.
    pub(super) fn expected(&self) -> impl Iterator<Item = (Option<f64>, f64)> + '_ {
        self.rows
            .iter()
            .map(|row| (row.expected.map(|slot| slot.expected), seconds(row.span)))
    }

    /// Prints it, with the staff it takes; a reader who has seen enough (`| head`) is no fault.
    pub fn print(
        &self,
        staffed: Option<&Staffed>,
        format: Format,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let printed = match format {
            Format::Table => table::print(self, staffed, out),
            Format::Csv => csv::print(self, staffed, out),
            Format::Json => serde_json::to_writer_pretty(&mut *out, &self.to_json(staffed))
                .map_err(io::Error::from)
                .and_then(|()| writeln!(out)),
        };
        match printed.and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// What to beware of, a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let tested = self.forecast.back_test.days.len();
        if tested < 5 {
            warnings.push(format!(
                "only {tested} days could be held out for the back-test: the past is too short to choose a method or to tell the error"
            ));
        }
        for day in &self.forecast.days {
            let date = date(day.day);
            if day.total().is_none() {
                warnings.push(format!("{date}: nothing is known of such a weekday"));
            }
            if let Some(special) = day.special.as_ref().filter(|_| !day.is_factor_known) {
                warnings.push(format!(
                    "{date} ({}): no such day in the past, taken for an ordinary one; give its factor with the special days",
                    special.name
                ));
            }
        }
        warnings
    }

    /// The shape of `forecast --format json` and of `POST /api/v1/forecasts`.
    pub fn to_json<'a>(&'a self, staffed: Option<&'a Staffed>) -> JsonForecast<'a> {
        let back_test = &self.forecast.back_test;
        let instant = |at| period::local(at, &self.zone);
        JsonForecast {
            from: self.rows.first().map(|row| instant(row.span.from)),
            to: self.rows.last().map(|row| instant(row.span.to)),
            interval_s: self.interval.as_seconds(),
            time_zone: period::name(&self.zone),
            days_known: self.days_known,
            method: back_test.method,
            methods: back_test
                .scores
                .iter()
                .map(|score| {
                    json!({
                        "method": score.method,
                        "weighted_absolute_error": score.weighted_absolute_error,
                        "days": score.days,
                        "formula": score.method.formula(),
                    })
                })
                .collect(),
            back_test: self.back_test_json(),
            days: self.days_json(),
            intervals: self
                .rows
                .iter()
                .enumerate()
                .map(|(place, row)| JsonRow {
                    start: instant(row.span.from),
                    end: instant(row.span.to),
                    expected: row.expected.map(|slot| slot.expected),
                    low: row.expected.map(|slot| slot.low),
                    high: row.expected.map(|slot| slot.high),
                    staff: staffed.and_then(|staffed| staffed.answer(place)),
                    rehearsal: staffed.and_then(|staffed| staffed.played(place)),
                })
                .collect(),
            rehearsal: staffed.and_then(Staffed::played_plan),
            warnings: self.warnings(),
            definitions: DEFINITIONS.into_iter().collect(),
        }
    }

    fn back_test_json(&self) -> Vec<Value> {
        let held_out = self.forecast.back_test.days.iter();
        held_out
            .map(|day| {
                let guesses: BTreeMap<&str, Value> = Method::ALL
                    .iter()
                    .zip(&day.guesses)
                    .map(|(method, guess)| {
                        let guess = json!({ "expected": guess.expected, "absolute_error": guess.absolute_error });
                        (method.name(), guess)
                    })
                    .collect();
                json!({ "date": date(day.day).to_string(), "actual": day.actual, "guesses": guesses })
            })
            .collect()
    }

    fn days_json(&self) -> Vec<Value> {
        let days = self.forecast.days.iter();
        days.map(|day| {
            json!({
                "date": date(day.day).to_string(),
                "expected": day.total(),
                "special": day.special.as_ref().map(|special| &special.name),
                "factor": day.factor,
                "is_factor_known": day.is_factor_known,
            })
        })
        .collect()
    }
}

/// What the figures are, printed beside them.
pub(crate) const DEFINITIONS: [(&str, &str); 5] = [
    (
        "expected",
        "arrivals in the interval, by the method; on special days times their factor",
    ),
    (
        "low, high",
        "expected plus the 10 % and 90 % quantile of the back-test's errors in units of sqrt(expected): four intervals of five lie between",
    ),
    (
        "weighted_absolute_error",
        "sum |actual - guess| / sum actual over all intervals of the held-out days, each guessed from the days before it",
    ),
    (
        "method",
        "the median, unless another was better in the back-test",
    ),
    (
        "rehearsal",
        "the plan (agents by Erlang A, else C) played by the real policy, queues carried over, all runs added up",
    ),
];

/// A forecast as one document.
#[derive(Debug, Serialize)]
pub struct JsonForecast<'a> {
    from: Option<String>,
    to: Option<String>,
    interval_s: i64,
    time_zone: String,
    days_known: usize,
    method: Method,
    methods: Vec<Value>,
    back_test: Vec<Value>,
    days: Vec<Value>,
    intervals: Vec<JsonRow<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rehearsal: Option<PlayedPlan>,
    warnings: Vec<String>,
    definitions: BTreeMap<&'static str, &'static str>,
}

#[derive(Debug, Serialize)]
struct JsonRow<'a> {
    start: String,
    end: String,
    expected: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    staff: Option<&'a Answer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rehearsal: Option<Played>,
}

fn seconds(span: Span) -> f64 {
    span.to.since(span.from).as_secs_f64()
}
