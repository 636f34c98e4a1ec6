//! Past arrivals and special days from CSV.
//!
//! Arrivals come in one of these forms, columns separated by comma, semicolon or tab; a first line without a
//! time in its first column is a heading:
//!
//! | form | lines |
//! |---|---|
//! | list | `timestamp,count`, at most as far apart as the interval; an interval left out within a day had none |
//! | log | `timestamp`, one line for each arrival |
//! | table | heading `date,00:00,00:30,...`, then `2026-11-23,4,7,...`; an empty cell is unknown |
//!
//! A timestamp is RFC 3339 (`2026-11-23T09:00:00+08:00`) or a time of the wall clock (`2026-11-23 09:00`).
//! Special days are lines of `date[,name[,factor]]`: days of one name are alike, and the factor says what
//! share of an ordinary day comes in (0: closed). Lines that are empty or begin with `#` are passed over.

use super::arrivals::Arrivals;
use crate::report::Interval;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use ringdown_routing::forecast::Special;
use ringdown_routing::time::Timestamp;
use std::fmt;

/// Most faults told of one file.
const FAULTS_MAX: usize = 20;

/// Most arrivals of one line or cell, so that sums of them stay numbers.
const COUNT_MAX: f64 = 1e9;

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// From 1.
    pub line: usize,
    /// In letters, from 1.
    pub column: usize,
    /// What.
    pub what: Wrong,
}

/// What is wrong with a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The file says nothing.
    NoLines,
    /// Not a date.
    NoDate(String),
    /// Not a share of an ordinary day.
    NoShare(String),
    /// Not a time.
    NoTime(String),
    /// Not a count.
    NoCount(String),
    /// A time without a count.
    CountMissing,
    /// Lines so many seconds apart, and intervals of so many.
    LinesApart(i64, i64),
    /// Columns so many seconds apart, and intervals of so many.
    ColumnsApart(i64, i64),
    /// Times of a heading in the wrong order.
    Unordered,
    /// A cell under no time.
    HeadingMissing,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLines => f.write_str("there are no lines"),
            Self::NoDate(text) => write!(f, "`{text}` is not a date such as 2026-11-23"),
            Self::NoShare(text) => {
                write!(f, "`{text}` is not a share of an ordinary day, such as 0.4")
            }
            Self::NoTime(text) => {
                write!(
                    f,
                    "`{text}` is not a time: give RFC 3339 or 2026-11-23 09:00"
                )
            }
            Self::NoCount(text) => write!(f, "`{text}` is not a count from 0 to {COUNT_MAX}"),
            Self::CountMissing => f.write_str("there is no count behind the time"),
            Self::LinesApart(apart_s, interval_s) => write!(
                f,
                "the lines are {apart_s} s apart, and the intervals only {interval_s} s: ask for wider ones"
            ),
            Self::ColumnsApart(apart_s, interval_s) => write!(
                f,
                "the columns are {apart_s} s apart, and the intervals only {interval_s} s: ask for wider ones"
            ),
            Self::Unordered => f.write_str("the times of the heading must rise"),
            Self::HeadingMissing => f.write_str("there is no time in the heading above this"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.what)
    }
}

/// Reads arrivals in any of the forms; every fault is told.
pub fn read_arrivals(
    text: &str,
    zone: &TimeZone,
    interval: Interval,
) -> Result<Arrivals, Vec<Fault>> {
    let lines = lines(text);
    let Some(first) = lines.first() else {
        return Err(vec![Fault {
            line: 1,
            column: 1,
            what: Wrong::NoLines,
        }]);
    };
    let is_heading = first
        .cells
        .first()
        .is_none_or(|cell| moment(&cell.text).is_none());
    if is_heading
        && first.cells.len() > 1
        && first
            .cells
            .iter()
            .skip(1)
            .all(|cell| slot_time(&cell.text).is_some())
    {
        return read_table(first, lines.get(1..).unwrap_or_default(), zone, interval);
    }
    let rows = lines.get(usize::from(is_heading)..).unwrap_or_default();
    read_list(rows, zone, interval)
}

/// Reads special days; every fault is told.
pub fn read_special_days(text: &str) -> Result<Vec<(Date, Special)>, Vec<Fault>> {
    let mut faults = Faults::default();
    let mut days = Vec::new();
    for (place, line) in lines(text).iter().enumerate() {
        let Some(first) = line.cells.first() else {
            continue;
        };
        let Ok(date) = first.text.parse::<Date>() else {
            // A heading has no figures in it; a date that cannot be read has.
            if place > 0 || first.text.contains(|c: char| c.is_numeric()) {
                faults.add(line, first, Wrong::NoDate(first.text.clone()));
            }
            continue;
        };
        let name = line.cells.get(1).map_or("", |cell| cell.text.as_str());
        let factor = match line.cells.get(2).filter(|cell| !cell.text.is_empty()) {
            None => None,
            Some(cell) => match cell.text.parse::<f64>() {
                Ok(factor) if (0.0..=100.0).contains(&factor) => Some(factor),
                Ok(_) | Err(_) => {
                    faults.add(line, cell, Wrong::NoShare(cell.text.clone()));
                    continue;
                }
            },
        };
        let name = if name.is_empty() { "holiday" } else { name };
        days.push((
            date,
            Special {
                name: name.to_owned(),
                factor,
            },
        ));
    }
    faults.or(days)
}

/// A time as a line gives it.
enum Moment {
    Instant(Timestamp),
    Wall(DateTime),
}

fn moment(text: &str) -> Option<Moment> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(Moment::Instant(Timestamp::from_millis(at.as_millisecond())));
    }
    if !text.contains(':') {
        return None;
    }
    text.parse().ok().map(Moment::Wall)
}

/// The beginning of a column's interval: `9:00`, `09:00`, `09:00-09:30`.
fn slot_time(text: &str) -> Option<Time> {
    let begin = text.split(['-', '–']).next()?.trim();
    let (hour, minute) = begin.split_once(':')?;
    let minute = minute
        .get(..2)
        .filter(|_| minute.len() == 2 || minute.get(2..) == Some(":00"))?;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

fn read_list(rows: &[Line], zone: &TimeZone, interval: Interval) -> Result<Arrivals, Vec<Fault>> {
    let is_log = rows.first().is_some_and(|line| line.cells.len() == 1);
    let mut arrivals = if is_log {
        Arrivals::of_events(zone.clone(), interval)
    } else {
        Arrivals::of_counts(zone.clone(), interval)
    };
    let mut faults = Faults::default();
    let mut spacing = Spacing::default();
    for line in rows {
        let Some(first) = line.cells.first() else {
            continue;
        };
        let Some(at) = moment(&first.text) else {
            faults.add(line, first, Wrong::NoTime(first.text.clone()));
            continue;
        };
        let count = match line.cells.get(1) {
            None if is_log => 1.0,
            None => {
                faults.add(line, first, Wrong::CountMissing);
                continue;
            }
            Some(cell) => match count(&cell.text) {
                Some(count) => count,
                None => {
                    faults.add(line, cell, Wrong::NoCount(cell.text.clone()));
                    continue;
                }
            },
        };
        spacing.note(&at, zone);
        match at {
            Moment::Instant(at) => arrivals.add_at(at, count),
            Moment::Wall(at) => arrivals.add(at, count),
        }
    }
    if let (Some(line), Some(apart_s), false) = (rows.first(), spacing.smallest_s, is_log)
        && apart_s > interval.as_seconds()
        && let Some(first) = line.cells.first()
    {
        faults.add(
            line,
            first,
            Wrong::LinesApart(apart_s, interval.as_seconds()),
        );
    }
    faults.or(arrivals)
}

fn read_table(
    heading: &Line,
    rows: &[Line],
    zone: &TimeZone,
    interval: Interval,
) -> Result<Arrivals, Vec<Fault>> {
    let mut faults = Faults::default();
    let times: Vec<Time> = heading
        .cells
        .iter()
        .skip(1)
        .filter_map(|cell| slot_time(&cell.text))
        .collect();
    for ((before, after), cell) in times
        .iter()
        .zip(times.iter().skip(1))
        .zip(heading.cells.iter().skip(2))
    {
        let apart_s = after.duration_since(*before).as_secs();
        if apart_s <= 0 {
            faults.add(heading, cell, Wrong::Unordered);
        } else if apart_s > interval.as_seconds() {
            faults.add(
                heading,
                cell,
                Wrong::ColumnsApart(apart_s, interval.as_seconds()),
            );
            break;
        }
    }
    let mut arrivals = Arrivals::of_cells(zone.clone(), interval);
    for line in rows {
        let Some(first) = line.cells.first() else {
            continue;
        };
        let Ok(date) = first.text.parse::<Date>() else {
            faults.add(line, first, Wrong::NoDate(first.text.clone()));
            continue;
        };
        if let Some(cell) = line.cells.get(times.len() + 1) {
            faults.add(line, cell, Wrong::HeadingMissing);
        }
        for (time, cell) in times.iter().zip(line.cells.iter().skip(1)) {
            if cell.text.is_empty() {
                continue;
            }
            match count(&cell.text) {
                Some(count) => arrivals.add(date.to_datetime(*time), count),
                None => faults.add(line, cell, Wrong::NoCount(cell.text.clone())),
            }
        }
    }
    faults.or(arrivals)
}

fn count(text: &str) -> Option<f64> {
    text.parse::<f64>()
        .ok()
        .filter(|count| (0.0..=COUNT_MAX).contains(count))
}

/// How near two lines that follow each other are.
#[derive(Default)]
struct Spacing {
    last_s: Option<i64>,
    smallest_s: Option<i64>,
}

impl Spacing {
    fn note(&mut self, at: &Moment, zone: &TimeZone) {
        let second = match at {
            Moment::Instant(at) => at.as_millis().div_euclid(1_000),
            Moment::Wall(at) => at
                .to_zoned(zone.clone())
                .map_or(0, |at| at.timestamp().as_second()),
        };
        if let Some(apart_s) = self
            .last_s
            .map(|last_s| (second - last_s).abs())
            .filter(|apart_s| *apart_s > 0)
        {
            self.smallest_s = Some(self.smallest_s.map_or(apart_s, |least| least.min(apart_s)));
        }
        self.last_s = Some(second);
    }
}

#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, line: &Line, cell: &Cell, what: Wrong) {
        if self.0.len() < FAULTS_MAX {
            self.0.push(Fault {
                line: line.number,
                column: cell.column,
                what,
            });
        }
    }

    fn or<T>(self, good: T) -> Result<T, Vec<Fault>> {
        if self.0.is_empty() {
            Ok(good)
        } else {
            Err(self.0)
        }
    }
}

struct Line {
    number: usize,
    cells: Vec<Cell>,
}

struct Cell {
    column: usize,
    text: String,
}

fn lines(text: &str) -> Vec<Line> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let is_told = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
    let separator = separator(text.lines().find(is_told).unwrap_or(""));
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| is_told(line))
        .map(|(number, line)| Line {
            number,
            cells: cells(line, separator),
        })
        .collect()
}

fn separator(line: &str) -> char {
    [',', ';', '\t']
        .into_iter()
        .max_by_key(|separator| (line.matches(*separator).count(), *separator == ','))
        .unwrap_or(',')
}

/// RFC 4180 section 2, but for line breaks within quotes, which neither times nor counts have.
fn cells(line: &str, separator: char) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut cell = Cell {
        column: 1,
        text: String::new(),
    };
    let mut is_quoted = false;
    for (column, letter) in (1..).zip(line.chars()) {
        if letter == '"' {
            is_quoted = !is_quoted;
        } else if letter == separator && !is_quoted {
            cells.push(cell);
            cell = Cell {
                column: column + 1,
                text: String::new(),
            };
        } else {
            cell.text.push(letter);
        }
    }
    cells.push(cell);
    for cell in &mut cells {
        cell.text = cell.text.trim().to_owned();
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringdown_routing::forecast::Day;

    fn taipei() -> TimeZone {
        TimeZone::get("Asia/Taipei").unwrap()
    }

    fn read(text: &str) -> Result<Arrivals, Vec<String>> {
        read_arrivals(text, &taipei(), Interval::HALF_HOUR)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    /// 2026-11-23, a Monday.
    fn monday() -> Day {
        super::super::arrivals::day("2026-11-23".parse().unwrap())
    }

    #[test]
    fn the_three_forms_say_the_same() {
        let list =
            "when,calls\n2026-11-23T09:00:00+08:00,4\n2026-11-23 09:10,2\n2026-11-23T09:30,7\n";
        let log: String = ["09:00"; 6]
            .iter()
            .chain(&["09:30"; 7])
            .map(|time| format!("2026-11-23 {time}\n"))
            .collect();
        let table = "date;09:00;09:30-10:00\n# a note\n2026-11-23;6;7\n2026-11-24;;3\n";
        for text in [list, &log, table] {
            let history = read(text).unwrap().history();
            assert_eq!(history.known(monday(), 18), Some(6.0), "{text}");
            assert_eq!(history.known(monday(), 19), Some(7.0), "{text}");
            assert_eq!(history.known(monday(), 20), None, "{text}");
        }
        assert_eq!(
            read(table).unwrap().history().known(monday().plus(1), 18),
            None
        );
    }

    #[test]
    fn silence_between_counts_is_nobody() {
        let history = read("2026-11-23 09:00,4\n2026-11-23 10:00,5\n2026-11-23 10:30,5\n")
            .unwrap()
            .history();
        assert_eq!(history.known(monday(), 19), Some(0.0));
        assert_eq!(history.known(monday(), 17), None, "before the first");
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        let told = |text: &str| read(text).map(|_| ()).unwrap_err();
        assert_eq!(
            told("t,n\n2026-11-23 09:00,x\nyesterday,4\n2026-11-23 09:30\n"),
            [
                "2:18: `x` is not a count from 0 to 1000000000",
                "3:1: `yesterday` is not a time: give RFC 3339 or 2026-11-23 09:00",
                "4:1: there is no count behind the time",
            ]
        );
        assert_eq!(told(""), ["1:1: there are no lines"]);
        assert_eq!(
            told("date,09:00,11:00\n2026-11-23,1,2\n"),
            [
                "1:12: the columns are 7200 s apart, and the intervals only 1800 s: ask for wider ones"
            ]
        );
        assert_eq!(
            told("date,09:00,09:30\n2026-13-23,1,2\n2026-11-23,1,-2,3\n"),
            [
                "2:1: `2026-13-23` is not a date such as 2026-11-23",
                "3:17: there is no time in the heading above this",
                "3:14: `-2` is not a count from 0 to 1000000000",
            ]
        );
        assert!(told("2026-11-23 09:00,4\n2026-11-23 10:00,5\n")[0].contains("3600 s apart"));
    }

    #[test]
    fn special_days_have_names_and_factors() {
        let days =
            read_special_days("date,name,factor\n2026-12-25,Christmas,0.4\n2026-12-26\n").unwrap();
        assert_eq!(
            days[0].1,
            Special {
                name: "Christmas".to_owned(),
                factor: Some(0.4)
            }
        );
        assert_eq!(
            days[1].1,
            Special {
                name: "holiday".to_owned(),
                factor: None
            }
        );
        let faults = read_special_days("2026-12-25,x,lots\n2026-12-45\n").unwrap_err();
        assert_eq!(
            faults[0].to_string(),
            "1:14: `lots` is not a share of an ordinary day, such as 0.4"
        );
        assert_eq!(
            faults[1].to_string(),
            "2:1: `2026-12-45` is not a date such as 2026-11-23"
        );
        for line in ["Dec 25 2026", "民國115年12月25日"] {
            let faults = read_special_days(&format!("{line},Christmas\n")).unwrap_err();
            let told = format!("1:1: `{line}` is not a date such as 2026-11-23");
            assert_eq!(faults[0].to_string(), told, "no heading has figures in it");
        }
    }
}
