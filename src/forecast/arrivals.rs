//! Past arrivals on the desk's wall clock.

use crate::report::{Interval, Period, Report};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use ringdown_routing::forecast::{Day, History};
use ringdown_routing::time::Timestamp;
use std::collections::BTreeMap;

/// What an interval means in which nothing is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Silence {
    /// Nothing is known.
    Unknown,
    /// Within a day of which something is told: nobody came. Other days are unknown.
    Quiet,
    /// From the first to the last that is told: nobody came.
    QuietDays,
}

/// Past arrivals, added up by date and interval of the wall clock.
#[derive(Clone, Debug)]
pub struct Arrivals {
    zone: TimeZone,
    interval: Interval,
    counts: BTreeMap<(Date, usize), f64>,
    silence: Silence,
}

impl Arrivals {
    /// Arrivals of which each is told by itself, so that silence means that nobody came.
    pub fn of_events(zone: TimeZone, interval: Interval) -> Self {
        Self::new(zone, interval, Silence::QuietDays)
    }

    /// Arrivals told as counts, of which those without arrivals may be left out within a day.
    pub fn of_counts(zone: TimeZone, interval: Interval) -> Self {
        Self::new(zone, interval, Silence::Quiet)
    }

    /// Arrivals told as a table, in which an empty cell is unknown.
    pub fn of_cells(zone: TimeZone, interval: Interval) -> Self {
        Self::new(zone, interval, Silence::Unknown)
    }

    /// What was offered in each interval of a report. Before the first and after the last contact nothing
    /// is known: perhaps the desk was not there yet.
    pub fn offered(report: &Report) -> Self {
        let mut arrivals = Self::of_events(report.period.zone.clone(), report.period.interval);
        for row in &report.rows {
            if row.tally.counts.offered > 0 {
                arrivals.add_at(row.span.from, row.tally.counts.offered as f64);
            }
        }
        arrivals
    }

    fn new(zone: TimeZone, interval: Interval, silence: Silence) -> Self {
        Self {
            zone,
            interval,
            counts: BTreeMap::new(),
            silence,
        }
    }

    /// Adds arrivals at an instant.
    pub fn add_at(&mut self, at: Timestamp, count: f64) {
        if let Ok(at) = jiff::Timestamp::from_millisecond(at.as_millis()) {
            let civil = self.zone.to_datetime(at);
            self.add(civil, count);
        }
    }

    /// Adds arrivals at a time of the wall clock.
    pub fn add(&mut self, at: DateTime, count: f64) {
        let second = i64::from(at.hour()) * 3_600 + i64::from(at.minute()) * 60;
        let slot = usize::try_from(second / self.interval.as_seconds()).unwrap_or(0);
        *self.counts.entry((at.date(), slot)).or_insert(0.0) += count;
    }

    /// Days from the first to the last of which something is told.
    pub fn days(&self) -> i32 {
        let first = self.counts.first_key_value();
        let last = self.counts.last_key_value();
        let days = first.zip(last).map(|((first, _), (last, _))| {
            let span = last.0.duration_since(first.0);
            i32::try_from(span.as_hours() / 24).unwrap_or(i32::MAX)
        });
        days.unwrap_or(0)
    }

    /// The zone of the wall clock.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Width of the intervals.
    pub fn interval(&self) -> Interval {
        self.interval
    }

    /// The history, each interval as if the clock had not been changed in it.
    pub fn history(&self) -> History {
        let slots = slots(self.interval);
        let mut history = History::new(slots);
        let (Some((&first, _)), Some((&last, _))) =
            (self.counts.first_key_value(), self.counts.last_key_value())
        else {
            return history;
        };
        for date in self.dates(first.0, last.0) {
            let lengths = self.lengths(date);
            for slot in 0..slots {
                let place = (date, slot);
                let told = self.counts.get(&place).copied();
                let is_told = told.is_some()
                    || (self.silence != Silence::Unknown && place >= first && place <= last);
                let length = lengths.get(slot).copied().unwrap_or(0.0);
                if is_told && length > 0.0 {
                    history.set(day(date), slot, told.unwrap_or(0.0) / length);
                }
            }
        }
        history
    }

    /// The days of which something is known.
    fn dates(&self, first: Date, last: Date) -> Vec<Date> {
        if self.silence == Silence::QuietDays {
            return first
                .series(jiff::Span::new().days(1))
                .take_while(|date| *date <= last)
                .collect();
        }
        let mut dates: Vec<Date> = self.counts.keys().map(|(date, _)| *date).collect();
        dates.dedup();
        dates
    }

    /// How long each slot of a date was, in intervals: 0 where the clock was put forward, 2 where it was
    /// put back.
    fn lengths(&self, date: Date) -> Vec<f64> {
        let mut lengths = vec![0.0; slots(self.interval)];
        let Some(period) = period_of(date, self.interval, &self.zone) else {
            return lengths;
        };
        let whole_ms = self.interval.as_seconds() as f64 * 1_000.0;
        for span in &period.spans {
            if let Some(length) =
                slot_of(span.from, self.interval, &self.zone).and_then(|slot| lengths.get_mut(slot))
            {
                *length += span.to.since(span.from).as_millis() as f64 / whole_ms;
            }
        }
        lengths
    }
}

/// Slots of a day.
pub(super) fn slots(interval: Interval) -> usize {
    usize::try_from(86_400 / interval.as_seconds()).unwrap_or(1)
}

/// The slot an instant falls into by the wall clock.
pub(super) fn slot_of(at: Timestamp, interval: Interval, zone: &TimeZone) -> Option<usize> {
    let at = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
    let civil = zone.to_datetime(at);
    let second = i64::from(civil.hour()) * 3_600 + i64::from(civil.minute()) * 60;
    usize::try_from(second / interval.as_seconds()).ok()
}

/// The intervals of a date as they are on that day.
pub(super) fn period_of(date: Date, interval: Interval, zone: &TimeZone) -> Option<Period> {
    let first = |date: Date| {
        let zoned = date.to_zoned(zone.clone()).ok()?;
        Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
    };
    let (from, to) = (first(date)?, first(date.tomorrow().ok()?)?);
    Period::new(from, to, interval, zone.clone()).ok()
}

/// A date as the core counts days.
pub fn day(date: Date) -> Day {
    // Without a zone: the last date of the calendar has no instant in some.
    let hours = date.duration_since(Date::constant(1970, 1, 1)).as_hours();
    Day::new(i32::try_from(hours.div_euclid(24)).unwrap_or(0))
}

/// A day of the core as a date.
pub(super) fn date(day: Day) -> Date {
    jiff::Timestamp::from_second(i64::from(day.number()) * 86_400)
        .map_or(Date::ZERO, |at| TimeZone::UTC.to_datetime(at).date())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(zone: &str, date: &str, interval: &str) -> Vec<f64> {
        let zone = TimeZone::get(zone).unwrap();
        Arrivals::of_counts(zone, interval.parse().unwrap()).lengths(date.parse().unwrap())
    }

    #[test]
    fn changed_clocks_make_slots_of_no_or_double_length() {
        let forward = lengths("Europe/Berlin", "2026-03-29", "30m");
        assert_eq!((forward[3], forward[4], forward[5]), (1.0, 0.0, 0.0));
        let back = lengths("Europe/Berlin", "2026-10-25", "30m");
        assert_eq!((back[3], back[4], back[5]), (1.0, 2.0, 2.0));
        let half = lengths("Australia/Lord_Howe", "2026-04-05", "1h");
        assert_eq!(half[1], 1.5, "half an hour comes twice at Lord Howe");
        let midnight = lengths("America/Santiago", "2026-09-06", "30m");
        assert_eq!(
            (midnight[0], midnight[2]),
            (0.0, 1.0),
            "a day without midnight"
        );
        assert_eq!(lengths("Asia/Taipei", "2026-03-29", "1h"), vec![1.0; 24]);
    }

    #[test]
    fn a_half_hour_that_came_twice_counts_half() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let mut arrivals = Arrivals::of_counts(zone, Interval::HALF_HOUR);
        // 02:00 in summer time, and an hour later 02:00 in winter time.
        for instant in ["2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"] {
            let at: jiff::Timestamp = instant.parse().unwrap();
            arrivals.add_at(Timestamp::from_millis(at.as_millisecond()), 6.0);
        }
        let history = arrivals.history();
        let date: Date = "2026-10-25".parse().unwrap();
        assert_eq!(history.known(day(date), 4), Some(6.0));
    }

    #[test]
    fn dates_and_days_are_the_same() {
        for text in ["1970-01-01", "2026-11-23", "1969-12-31"] {
            let there: Date = text.parse().unwrap();
            assert_eq!(date(day(there)), there);
        }
        assert_eq!(day("2026-11-23".parse().unwrap()).weekday(), 0, "a Monday");
    }
}
