//! Which span a report is about, and how it is cut: by the wall clock of the desk's time zone.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use ringdown_routing::time::Timestamp;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use thiserror::Error;

/// Most intervals one report may have.
pub const INTERVALS_MAX: usize = 10_000;

/// The narrowest interval, in seconds.
const NARROWEST_S: i64 = 60;

/// Quarters of an hour fit the hours and days of every time zone in use.
const QUARTER_S: i64 = 900;

const DAY_S: i64 = 86_400;

/// Seven of them.
const WEEK_S: i64 = 7 * DAY_S;

/// Width of a report's rows: a part of the day, or whole days, weeks or months of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval(Width);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    /// Seconds that divide a day.
    Part(i64),
    Calendar(Calendar),
}

/// What begins at the first instant of a local date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Calendar {
    Day,
    /// ISO 8601: from Monday on.
    Week,
    Month,
}

impl Interval {
    /// Half an hour.
    pub const HALF_HOUR: Self = Self(Width::Part(1_800));

    /// Width in seconds; a day is told as 86,400 although some are longer or shorter, a month as 30 days.
    pub fn as_seconds(self) -> i64 {
        match self.0 {
            Width::Part(seconds) => seconds,
            Width::Calendar(Calendar::Day) => DAY_S,
            Width::Calendar(Calendar::Week) => WEEK_S,
            Width::Calendar(Calendar::Month) => 30 * DAY_S,
        }
    }

    /// Width in seconds as [`Self::as_seconds`] tells it; `None` for months, whose days differ.
    pub fn fixed_seconds(self) -> Option<i64> {
        (self.0 != Width::Calendar(Calendar::Month)).then(|| self.as_seconds())
    }

    /// Reads a width up to a day, for what looks at one day like any other.
    pub fn up_to_a_day(text: &str) -> Result<Self, PeriodFault> {
        let interval: Self = text.parse()?;
        if interval.as_seconds() > DAY_S {
            return Err(PeriodFault::DayPart(text.to_owned()));
        }
        Ok(interval)
    }

    /// Width of the cells that add up to such intervals in every time zone.
    pub fn cell(self) -> Duration {
        let (mut a, mut b) = match self.0 {
            Width::Part(seconds) => (seconds, QUARTER_S),
            Width::Calendar(_) => (QUARTER_S, 0),
        };
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Duration::from_secs(a.unsigned_abs())
    }

    /// Whether it is days, weeks or months of the calendar.
    pub(super) fn is_of_calendar(self) -> bool {
        matches!(self.0, Width::Calendar(_))
    }

    /// The shortest that one of them is.
    fn shortest_ms(self) -> i64 {
        1_000
            * match self.0 {
                Width::Part(seconds) => seconds,
                Width::Calendar(Calendar::Day) => DAY_S,
                Width::Calendar(Calendar::Week) => WEEK_S,
                Width::Calendar(Calendar::Month) => 28 * DAY_S,
            }
    }
}

impl FromStr for Interval {
    type Err = PeriodFault;

    fn from_str(text: &str) -> Result<Self, PeriodFault> {
        let fault = || PeriodFault::Interval(text.to_owned());
        let split = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let number: i64 = number.parse().map_err(|_| fault())?;
        let unit_s = match (unit.trim(), number) {
            ("w", 1) => return Ok(Self(Width::Calendar(Calendar::Week))),
            ("mo", 1) => return Ok(Self(Width::Calendar(Calendar::Month))),
            ("" | "s", _) => 1,
            ("m" | "min", _) => 60,
            ("h", _) => 3_600,
            ("d", _) => DAY_S,
            _ => return Err(fault()),
        };
        let seconds = number.checked_mul(unit_s).ok_or_else(fault)?;
        if !(NARROWEST_S..=DAY_S).contains(&seconds)
            || DAY_S % seconds != 0
            || seconds % NARROWEST_S != 0
        {
            return Err(fault());
        }
        Ok(Self(match seconds {
            DAY_S => Width::Calendar(Calendar::Day),
            _ => Width::Part(seconds),
        }))
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Width::Calendar(Calendar::Day) => f.write_str("1d"),
            Width::Calendar(Calendar::Week) => f.write_str("1w"),
            Width::Calendar(Calendar::Month) => f.write_str("1mo"),
            Width::Part(seconds) if seconds % 3_600 == 0 => write!(f, "{}h", seconds / 3_600),
            Width::Part(seconds) => write!(f, "{}m", seconds / 60),
        }
    }
}

/// What is wrong with the span that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PeriodFault {
    /// Not a width.
    #[error(
        "`{0}` is not an interval: give whole minutes that divide a day, such as 15m, 30m or 1h, or 1d, 1w (from Monday) or 1mo"
    )]
    Interval(String),
    /// A width that is no part of a day.
    #[error(
        "`{0}` is longer than a day: give whole minutes that divide one, such as 15m, 30m, 1h or 1d"
    )]
    DayPart(String),
    /// Not an instant.
    #[error(
        "`{0}` is not a time: give RFC 3339 (2026-11-23T09:00:00+08:00), a local time (2026-11-23T09:00), a day (2026-11-23), today, yesterday or now"
    )]
    Instant(String),
    /// Ends before it begins.
    #[error("the period ends before it begins")]
    Backwards,
    /// More rows than anybody reads.
    #[error(
        "the period has more than {INTERVALS_MAX} intervals: ask for a shorter one, or wider intervals"
    )]
    TooLong,
}

/// A span of time, cut into intervals.
#[derive(Clone, Debug)]
pub struct Period {
    /// Width of the intervals.
    pub interval: Interval,
    /// The zone whose wall clock cuts them.
    pub zone: TimeZone,
    /// The intervals, in order and without gaps.
    pub spans: Vec<Span>,
}

/// From here up to (not including) there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
}

impl Period {
    /// Cuts `from..to`, made wider to whole intervals.
    pub fn new(
        from: Timestamp,
        to: Timestamp,
        interval: Interval,
        zone: TimeZone,
    ) -> Result<Self, PeriodFault> {
        if to < from {
            return Err(PeriodFault::Backwards);
        }
        if to.as_millis().saturating_sub(from.as_millis()) / interval.shortest_ms()
            >= i64::try_from(INTERVALS_MAX).unwrap_or(i64::MAX)
        {
            return Err(PeriodFault::TooLong);
        }
        let spans = match interval.0 {
            Width::Part(part_s) => parts(from, to, part_s, interval.cell(), &zone),
            Width::Calendar(calendar) => dates(from, to, calendar, &zone)?,
        };
        Ok(Self {
            interval,
            zone,
            spans,
        })
    }

    /// The whole of it; empty at the epoch when it has no intervals.
    pub fn whole(&self) -> Span {
        let first = self.spans.first();
        let last = self.spans.last();
        Span {
            from: first.map_or(Timestamp::from_millis(0), |span| span.from),
            to: last.map_or(Timestamp::from_millis(0), |span| span.to),
        }
    }

    /// An instant by the zone's wall clock, in RFC 3339.
    pub fn local(&self, at: Timestamp) -> String {
        local(at, &self.zone)
    }

    /// The interval that begins then, for people: `2026-11-23 09:00`, `2026-11-23`, `2026-W48` or `2026-11`.
    pub fn label(&self, begin: Timestamp) -> String {
        let told = self.local(begin).replace('T', " ");
        let short = |letters: usize| told.chars().take(letters).collect();
        match self.interval.0 {
            Width::Part(_) => short(16),
            Width::Calendar(Calendar::Day) => short(10),
            Width::Calendar(Calendar::Month) => short(7),
            Width::Calendar(Calendar::Week) => match date_of(begin, &self.zone) {
                Ok(date) => {
                    let week = date.iso_week_date();
                    format!("{}-W{:02}", week.year(), week.week())
                }
                Err(_) => short(10),
            },
        }
    }
}

/// The parts of days that hold `from..to`, of so many seconds, made of such cells.
fn parts(
    from: Timestamp,
    to: Timestamp,
    part_s: i64,
    cell: Duration,
    zone: &TimeZone,
) -> Vec<Span> {
    let cell_ms = i64::try_from(cell.as_millis()).unwrap_or(i64::MAX);
    let mark = |cell: i64| mark(cell.saturating_mul(cell_ms), part_s, zone);
    let mut cell = from.as_millis().div_euclid(cell_ms);
    while mark(cell - 1) == mark(cell) && mark(cell).is_some() {
        cell -= 1;
    }
    let mut spans = Vec::new();
    while cell.saturating_mul(cell_ms) < to.as_millis() {
        let start = cell;
        cell += 1;
        while mark(cell) == mark(start) && mark(cell).is_some() {
            cell += 1;
        }
        spans.push(Span {
            from: Timestamp::from_millis(start * cell_ms),
            to: Timestamp::from_millis(cell * cell_ms),
        });
    }
    spans
}

/// The days, weeks or months that hold `from..to`; a date that a zone has left out altogether (Samoa's 30
/// December 2011) has none.
fn dates(
    from: Timestamp,
    to: Timestamp,
    calendar: Calendar,
    zone: &TimeZone,
) -> Result<Vec<Span>, PeriodFault> {
    // Beyond the last date that there is.
    let fault = || PeriodFault::Instant(local(to, zone));
    let date = date_of(from, zone)?;
    let mut date = match calendar {
        Calendar::Day => date,
        Calendar::Week => {
            let days = i64::from(date.weekday().to_monday_zero_offset());
            date.checked_sub(jiff::Span::new().days(days))
                .map_err(|_| fault())?
        }
        Calendar::Month => date.first_of_month(),
    };
    let step = match calendar {
        Calendar::Day => jiff::Span::new().days(1),
        Calendar::Week => jiff::Span::new().days(7),
        Calendar::Month => jiff::Span::new().months(1),
    };
    let mut spans = Vec::new();
    loop {
        let next = date.checked_add(step).map_err(|_| fault())?;
        let span = Span {
            from: first_cell(date, zone)?,
            to: first_cell(next, zone)?,
        };
        if span.from >= to {
            return Ok(spans);
        }
        if span.from < span.to {
            spans.push(span);
        }
        date = next;
    }
}

/// The date of an instant by a zone's calendar.
fn date_of(at: Timestamp, zone: &TimeZone) -> Result<Date, PeriodFault> {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .map(|instant| zone.to_datetime(instant).date())
        .map_err(|_| PeriodFault::Instant(at.as_millis().to_string()))
}

/// The first instant of a date, which need not be midnight; where the offset is no whole quarter of an hour
/// (local mean times of the past), the first quarter that begins in it.
fn first_cell(date: Date, zone: &TimeZone) -> Result<Timestamp, PeriodFault> {
    let first = date
        .to_zoned(zone.clone())
        .map_err(|_| PeriodFault::Instant(date.to_string()))?;
    let quarter_ms = QUARTER_S * 1_000;
    let cells = -(-first.timestamp().as_millisecond()).div_euclid(quarter_ms);
    Ok(Timestamp::from_millis(cells * quarter_ms))
}

/// An instant by a zone's wall clock, in RFC 3339.
pub fn local(at: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(at.as_millis()) {
        Ok(instant) => instant
            .display_with_offset(zone.to_offset(instant))
            .to_string(),
        Err(_) => at.as_millis().to_string(),
    }
}

/// The zone's IANA name, or its offset.
pub fn name(zone: &TimeZone) -> String {
    zone.iana_name().map_or_else(
        || {
            local(Timestamp::from_millis(0), zone)
                .chars()
                .skip(19)
                .collect()
        },
        str::to_owned,
    )
}

/// The first instant of a date, which need not be midnight.
pub(super) fn first_instant(date: Date, zone: &TimeZone) -> Result<Timestamp, PeriodFault> {
    date.to_zoned(zone.clone())
        .map(|zoned| Timestamp::from_millis(zoned.timestamp().as_millisecond()))
        .map_err(|_| PeriodFault::Instant(date.to_string()))
}

/// Whether a text that [`instant`] reads is another one at another time.
pub(super) fn is_relative(text: &str) -> bool {
    matches!(text, "now" | "today" | "yesterday")
}

/// Reads an instant: RFC 3339, a local time, a day (its first instant), or a word.
pub fn instant(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, PeriodFault> {
    let fault = || PeriodFault::Instant(text.to_owned());
    let first_of = |date: Date| first_instant(date, zone).map_err(|_| fault());
    let today = || {
        jiff::Timestamp::from_millisecond(now.as_millis())
            .map(|at| at.to_zoned(zone.clone()).date())
            .map_err(|_| fault())
    };
    match text {
        "now" => return Ok(now),
        "today" => return first_of(today()?),
        "yesterday" => return first_of(today()?.yesterday().map_err(|_| fault())?),
        _ => {}
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp::from_millis(at.as_millisecond()));
    }
    if text.contains(['T', ' ', ':']) {
        let civil: DateTime = text.parse().map_err(|_| fault())?;
        let zoned = civil.to_zoned(zone.clone()).map_err(|_| fault())?;
        return Ok(Timestamp::from_millis(zoned.timestamp().as_millisecond()));
    }
    first_of(text.parse().map_err(|_| fault())?)
}

/// What the cells of one part of a day have in common: the wall clock cut down to it, and the offset, so that
/// an hour that comes twice is two hours.
fn mark(cell_ms: i64, part_s: i64, zone: &TimeZone) -> Option<(i64, i32)> {
    let instant = jiff::Timestamp::from_millisecond(cell_ms).ok()?;
    let offset_s = zone.to_offset(instant).seconds();
    let wall_s = cell_ms.div_euclid(1_000) + i64::from(offset_s);
    Some((wall_s.div_euclid(part_s), offset_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(zone: &str, date: &str, interval: &str) -> Period {
        let zone = TimeZone::get(zone).unwrap();
        let date: Date = date.parse().unwrap();
        let now = Timestamp::from_millis(0);
        let from = instant(&date.to_string(), now, &zone).unwrap();
        let to = instant(&date.tomorrow().unwrap().to_string(), now, &zone).unwrap();
        Period::new(from, to, interval.parse().unwrap(), zone).unwrap()
    }

    #[test]
    fn change_days_have_46_and_50_half_hours_in_berlin() {
        assert_eq!(day("Europe/Berlin", "2026-03-29", "30m").spans.len(), 46);
        assert_eq!(day("Europe/Berlin", "2026-10-25", "30m").spans.len(), 50);
    }

    #[test]
    fn change_days_have_47_and_49_half_hours_at_lord_howe() {
        assert_eq!(
            day("Australia/Lord_Howe", "2026-10-04", "30m").spans.len(),
            47
        );
        assert_eq!(
            day("Australia/Lord_Howe", "2026-04-05", "30m").spans.len(),
            49
        );
    }

    #[test]
    fn change_days_have_46_and_50_half_hours_in_santiago_and_taipei() {
        // Santiago's clocks go on at midnight; Taipei's went on and back in 1979, and do not any more.
        assert_eq!(day("America/Santiago", "2026-09-06", "30m").spans.len(), 46);
        assert_eq!(day("America/Santiago", "2026-04-04", "30m").spans.len(), 50);
        assert_eq!(day("Asia/Taipei", "1979-07-01", "30m").spans.len(), 46);
        assert_eq!(day("Asia/Taipei", "2026-11-23", "30m").spans.len(), 48);
    }

    #[test]
    fn a_day_without_midnight_begins_at_its_first_instant() {
        let first = |zone: &str, date: &str, interval: &str| {
            let period = day(zone, date, interval);
            let (first, second) = (period.spans[0], period.spans.get(1));
            assert!(second.is_none_or(|second| second.from == first.to));
            (period.local(first.from), period.label(first.from))
        };
        let sao_paulo = ("2018-11-04T01:00:00-02:00".into(), "2018-11-04".into());
        assert_eq!(first("America/Sao_Paulo", "2018-11-04", "1d"), sao_paulo);
        let santiago = ("2026-09-06T01:00:00-03:00".into(), "2026-09-06".into());
        assert_eq!(first("America/Santiago", "2026-09-06", "1d"), santiago);
        let half_hour = (
            "2026-09-06T01:00:00-03:00".into(),
            "2026-09-06 01:00".into(),
        );
        assert_eq!(first("America/Santiago", "2026-09-06", "30m"), half_hour);
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_their_first_also_over_a_change_of_clocks() {
        let told = |zone: &str, from: &str, to: &str, interval: &str| -> Vec<(String, i64)> {
            let zone = TimeZone::get(zone).unwrap();
            let now = Timestamp::from_millis(0);
            let at = |text: &str| instant(text, now, &zone).unwrap();
            let period = Period::new(at(from), at(to), interval.parse().unwrap(), zone.clone());
            let period = period.unwrap();
            let spans = period.spans.iter();
            spans
                .map(|span| {
                    let hours = (span.to.as_millis() - span.from.as_millis()) / 3_600_000;
                    (period.label(span.from), hours)
                })
                .collect()
        };
        let weeks = told("Europe/Berlin", "2026-10-21", "2026-11-02", "1w");
        assert_eq!(weeks, [("2026-W43".into(), 169), ("2026-W44".into(), 168)]);
        // The week of New Year belongs to the year that has its Thursday.
        let weeks = told("Asia/Taipei", "2027-01-01", "2027-01-02", "1w");
        assert_eq!(weeks, [("2026-W53".into(), 168)]);
        let months = told("America/Santiago", "2026-08-31", "2026-10-01", "1mo");
        assert_eq!(
            months,
            [("2026-08".into(), 31 * 24), ("2026-09".into(), 30 * 24 - 1)]
        );
        // Half an hour more.
        let days = told("Australia/Lord_Howe", "2026-04-05", "2026-04-06", "1d");
        assert_eq!(days, [("2026-04-05".into(), 24)]);
        // Samoa went over the date line.
        let days = told("Pacific/Apia", "2011-12-29", "2012-01-01", "1d");
        let labels: Vec<&str> = days.iter().map(|(label, _)| label.as_str()).collect();
        assert_eq!(labels, ["2011-12-29", "2011-12-31"]);
    }

    #[test]
    fn half_hours_of_kathmandu_begin_at_its_own_half_hours() {
        let period = day("Asia/Kathmandu", "2026-11-23", "30m");
        assert_eq!(period.spans.len(), 48);
        assert_eq!(
            period.local(period.spans[1].from),
            "2026-11-23T00:30:00+05:45"
        );
    }

    #[test]
    fn a_period_is_widened_to_whole_intervals() {
        let zone = TimeZone::get("Asia/Taipei").unwrap();
        let now = Timestamp::from_millis(0);
        let from = instant("2026-11-23T09:10", now, &zone).unwrap();
        let to = instant("2026-11-23T09:31", now, &zone).unwrap();
        let period = Period::new(from, to, Interval::HALF_HOUR, zone).unwrap();
        assert_eq!(
            period.local(period.whole().from),
            "2026-11-23T09:00:00+08:00"
        );
        assert_eq!(period.local(period.whole().to), "2026-11-23T10:00:00+08:00");
    }

    #[test]
    fn intervals_are_parts_of_a_day() {
        for good in [
            "1m", "5m", "15m", "30m", "1h", "1800", "900s", "1d", "1w", "1mo",
        ] {
            assert!(good.parse::<Interval>().is_ok(), "{good}");
        }
        for bad in ["", "0m", "7m", "30", "2d", "-5m", "2w", "3mo", "w", "30 s"] {
            assert!(bad.parse::<Interval>().is_err(), "{bad}");
        }
        for longer in ["1w", "1mo"] {
            let fault = Interval::up_to_a_day(longer).unwrap_err();
            assert_eq!(fault, PeriodFault::DayPart(longer.to_owned()));
            assert_eq!(longer.parse::<Interval>().unwrap().to_string(), longer);
        }
        assert!(Interval::up_to_a_day("1d").is_ok());
        assert_eq!("30m".parse::<Interval>().unwrap().cell().as_secs(), 900);
        assert_eq!("10m".parse::<Interval>().unwrap().cell().as_secs(), 300);
    }

    #[test]
    fn an_endless_period_is_refused() {
        let (zone, end) = (TimeZone::UTC, Timestamp::from_seconds(1 << 40));
        let fault = Period::new(Timestamp::from_seconds(0), end, Interval::HALF_HOUR, zone);
        assert_eq!(fault.map(|_| ()), Err(PeriodFault::TooLong));
    }
}
