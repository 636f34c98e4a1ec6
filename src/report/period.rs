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

/// Width of a report's rows: a part of the day, or a whole day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval(i64);

impl Interval {
    /// Half an hour.
    pub const HALF_HOUR: Self = Self(1_800);

    /// Width in seconds; a day is told as 86,400 although some are longer or shorter.
    pub fn as_seconds(self) -> i64 {
        self.0
    }

    /// Width of the cells that add up to such intervals in every time zone.
    pub fn cell(self) -> Duration {
        let (mut a, mut b) = (self.0, QUARTER_S);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Duration::from_secs(a.unsigned_abs())
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
        let unit_s = match unit.trim() {
            "" | "s" => 1,
            "m" | "min" => 60,
            "h" => 3_600,
            "d" => DAY_S,
            _ => return Err(fault()),
        };
        let seconds = number.checked_mul(unit_s).ok_or_else(fault)?;
        if !(NARROWEST_S..=DAY_S).contains(&seconds)
            || DAY_S % seconds != 0
            || seconds % NARROWEST_S != 0
        {
            return Err(fault());
        }
        Ok(Self(seconds))
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            DAY_S => f.write_str("1d"),
            seconds if seconds % 3_600 == 0 => write!(f, "{}h", seconds / 3_600),
            seconds => write!(f, "{}m", seconds / 60),
        }
    }
}

/// What is wrong with the span that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PeriodFault {
    /// Not a width.
    #[error(
        "`{0}` is not an interval: give whole minutes that divide a day, such as 15m, 30m, 1h or 1d"
    )]
    Interval(String),
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
        let cell_ms = i64::try_from(interval.cell().as_millis()).unwrap_or(i64::MAX);
        let widest = interval.0.saturating_mul(1_000);
        if to.as_millis().saturating_sub(from.as_millis()) / widest
            >= i64::try_from(INTERVALS_MAX).unwrap_or(i64::MAX)
        {
            return Err(PeriodFault::TooLong);
        }
        let mark = |cell: i64| mark(cell.saturating_mul(cell_ms), interval, &zone);
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

/// Reads an instant: RFC 3339, a local time, a day (its first instant), or a word.
pub fn instant(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, PeriodFault> {
    let fault = || PeriodFault::Instant(text.to_owned());
    let first_of = |date: Date| {
        date.to_zoned(zone.clone())
            .map(|zoned| Timestamp::from_millis(zoned.timestamp().as_millisecond()))
            .map_err(|_| fault())
    };
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

/// What the cells of one interval have in common: the wall clock cut down to the interval, and (within
/// a day) the offset, so that an hour that comes twice is two hours.
fn mark(cell_ms: i64, interval: Interval, zone: &TimeZone) -> Option<(i64, i32)> {
    let instant = jiff::Timestamp::from_millisecond(cell_ms).ok()?;
    let offset_s = zone.to_offset(instant).seconds();
    let wall_s = cell_ms.div_euclid(1_000) + i64::from(offset_s);
    let offset_s = if interval.0 == DAY_S { 0 } else { offset_s };
    Some((wall_s.div_euclid(interval.0), offset_s))
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
    fn a_day_without_midnight_begins_at_its_first_instant() {
        let period = day("America/Sao_Paulo", "2018-11-04", "1d");
        assert_eq!(period.spans.len(), 1);
        assert_eq!(
            period.local(period.spans[0].from),
            "2018-11-04T01:00:00-02:00"
        );
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
        for good in ["1m", "5m", "15m", "30m", "1h", "1800", "900s", "1d"] {
            assert!(good.parse::<Interval>().is_ok(), "{good}");
        }
        for bad in ["", "0m", "7m", "30", "2d", "-5m", "1w", "30 s"] {
            assert!(bad.parse::<Interval>().is_err(), "{bad}");
        }
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
