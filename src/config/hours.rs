//! `[hours.NAME]` and `[holidays.NAME]`: when a line is open.

use super::value::Zone;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use ringdown_routing::ids::QueueId;
use ringdown_routing::time::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::collections::{BTreeMap, BTreeSet};

/// What a queue says of its hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueHours {
    /// Hours by their name under `[hours]`.
    Named(String),
    /// Groups that follow each other around the sun: the first that is open takes the contacts.
    Groups(Vec<Group>),
}

/// One group of a queue whose hours follow the sun.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its hours, by their name under `[hours]`.
    pub hours: String,
    /// The zone in which they are meant; that of the hours when not given.
    pub time_zone: Option<Zone>,
    /// The line of its agents; the queue's own when not given.
    pub queue: Option<QueueId>,
}

impl<'de> Deserialize<'de> for QueueHours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = QueueHours;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the name of opening hours, or a list of groups")
            }

            fn visit_str<E>(self, name: &str) -> Result<QueueHours, E> {
                Ok(QueueHours::Named(name.to_owned()))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut items: A,
            ) -> Result<QueueHours, A::Error> {
                let mut groups = Vec::new();
                while let Some(group) = items.next_element()? {
                    groups.push(group);
                }
                Ok(QueueHours::Groups(groups))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Opening hours of a week, and the days that differ.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// Their time zone; the queue's when not given, else the site's.
    pub time_zone: Option<Zone>,
    /// Spans open on Mondays, `["09:00-12:00", "13:00-18:00"]`; the other days likewise.
    #[serde(default)]
    mon: Vec<Span>,
    #[serde(default)]
    tue: Vec<Span>,
    #[serde(default)]
    wed: Vec<Span>,
    #[serde(default)]
    thu: Vec<Span>,
    #[serde(default)]
    fri: Vec<Span>,
    #[serde(default)]
    sat: Vec<Span>,
    #[serde(default)]
    sun: Vec<Span>,
    /// Days closed although the week says otherwise, `["2027-01-01"]`, or `["01-01"]` in every year.
    #[serde(default)]
    closed_on: BTreeSet<Day>,
    /// Calendars that are kept, by their names under `[holidays]`.
    #[serde(default)]
    pub holidays: BTreeSet<String>,
}

/// `[holidays.NAME]`: the days of one calendar that differ from the week.
///
/// Of one calendar, a dated entry comes before one of every year. Of several calendars that hours keep,
/// each may close or shorten a day.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Holidays {
    /// Days closed, `["2027-02-08"]`, or `["10-10"]` in every year.
    closed: BTreeSet<Day>,
    /// Days open no longer than these spans, `{ "12-24" = ["08:30-12:30"] }`; a day closed by its week
    /// stays closed.
    half_days: BTreeMap<Day, Vec<Span>>,
    /// Days whose spans take the place of the week's, `{ "2027-02-20" = ["08:30-17:30"] }`: a Saturday
    /// that is worked for a Monday off.
    working_days: BTreeMap<Day, Vec<Span>>,
}

/// What a calendar says of a day.
enum DayRule<'c> {
    AsInTheWeek,
    Closed,
    Half(&'c [Span]),
    Working(&'c [Span]),
}

impl Holidays {
    fn rule(&self, date: Date) -> DayRule<'_> {
        for day in [Day::On(date), Day::yearly(date)] {
            if self.closed.contains(&day) {
                return DayRule::Closed;
            }
            if let Some(spans) = self.half_days.get(&day) {
                return DayRule::Half(spans);
            }
            if let Some(spans) = self.working_days.get(&day) {
                return DayRule::Working(spans);
            }
        }
        DayRule::AsInTheWeek
    }
}

impl Hours {
    /// Whether the line is open at that instant by the clocks of `zone`.
    pub(super) fn is_open(
        &self,
        at: Timestamp,
        zone: &TimeZone,
        calendars: &BTreeMap<String, Holidays>,
    ) -> bool {
        let Ok(instant) = jiff::Timestamp::from_millisecond(at.as_millis()) else {
            return false;
        };
        let local = instant.to_zoned(zone.clone());
        let (date, now) = (local.date(), seconds_of(local.time()));
        let mut spans = self.open_seconds(date, calendars).into_iter();
        spans.any(|(from_s, to_s)| from_s <= now && now < to_s)
    }

    /// The open spans of a day, each in seconds from midnight by the clock on the wall.
    pub(super) fn open_seconds(
        &self,
        date: Date,
        calendars: &BTreeMap<String, Holidays>,
    ) -> Vec<(u32, u32)> {
        if [Day::On(date), Day::yearly(date)]
            .iter()
            .any(|day| self.closed_on.contains(day))
        {
            return Vec::new();
        }
        let (mut spans, mut limits) = (self.spans(date.weekday()), Vec::new());
        for calendar in self.holidays.iter().filter_map(|name| calendars.get(name)) {
            match calendar.rule(date) {
                DayRule::AsInTheWeek => {}
                DayRule::Closed => return Vec::new(),
                DayRule::Half(within) => limits.push(within),
                DayRule::Working(instead) => spans = instead,
            }
        }
        let open = spans.iter().map(|span| (span.from_s, span.to_s)).collect();
        limits.into_iter().fold(open, |open, within| {
            let both = |span: (u32, u32)| {
                let within = within.iter();
                within.map(move |limit| (span.0.max(limit.from_s), span.1.min(limit.to_s)))
            };
            let both = open.into_iter().flat_map(both);
            both.filter(|(from_s, to_s)| from_s < to_s).collect()
        })
    }

    fn spans(&self, day: Weekday) -> &[Span] {
        match day {
            Weekday::Monday => &self.mon,
            Weekday::Tuesday => &self.tue,
            Weekday::Wednesday => &self.wed,
            Weekday::Thursday => &self.thu,
            Weekday::Friday => &self.fri,
            Weekday::Saturday => &self.sat,
            Weekday::Sunday => &self.sun,
        }
    }
}

/// A day, once or in every year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Day {
    On(Date),
    Yearly { month: i8, day: i8 },
}

impl Day {
    fn yearly(date: Date) -> Self {
        Self::Yearly {
            month: date.month(),
            day: date.day(),
        }
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if let Ok(date) = text.parse() {
            return Ok(Self::On(date));
        }
        // A leap year, so that 29 February is a day.
        match format!("2000-{text}").parse::<Date>() {
            Ok(date) if text.len() == 5 => Ok(Self::yearly(date)),
            Ok(_) | Err(_) => Err(D::Error::custom(format!(
                "`{text}` is not a day such as `2027-02-08`, or `10-10` for every year"
            ))),
        }
    }
}

/// One open span of a day, in seconds from midnight by the clock on the wall.
#[derive(Clone, Copy, Debug)]
struct Span {
    from_s: u32,
    to_s: u32,
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_span(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is not a span such as `09:00-18:00` that ends after it begins"
            ))
        })
    }
}

fn parse_span(text: &str) -> Option<Span> {
    let (from, to) = text.split_once('-')?;
    let from_s = seconds_of(from.trim().parse().ok()?);
    let to_s = match to.trim() {
        "24:00" => 86_400,
        other => seconds_of(other.parse().ok()?),
    };
    (from_s < to_s).then_some(Span { from_s, to_s })
}

fn seconds_of(time: Time) -> u32 {
    let second =
        i32::from(time.hour()) * 3_600 + i32::from(time.minute()) * 60 + i32::from(time.second());
    u32::try_from(second).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BERLIN: &str = r#"
        mon = ["08:00-12:00", "13:00-24:00"]
        sun = ["00:00-24:00"]
        closed_on = ["2026-12-28"]
        holidays = ["land", "company"]
    "#;

    const CALENDARS: &str = r#"
        [land]
        closed = ["10-05", "2026-11-30", "02-29"]
        half_days = { "2026-10-05" = ["08:00-12:00"] }

        [company]
        half_days = { "2026-12-07" = ["09:00-14:00"], "11-28" = ["09:00-14:00"] }
        working_days = { "2026-12-05" = ["10:00-11:00"] }
    "#;

    fn check(at: &str, wanted: bool) {
        let hours: Hours = toml::from_str(BERLIN).unwrap();
        let calendars: BTreeMap<String, Holidays> = toml::from_str(CALENDARS).unwrap();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let instant: jiff::Timestamp = at.parse().unwrap();
        let at = Timestamp::from_millis(instant.as_millisecond());
        assert_eq!(hours.is_open(at, &zone, &calendars), wanted, "{instant}");
    }

    #[test]
    fn spans_are_half_open_and_local() {
        check("2026-11-23T06:59:59Z", false);
        check("2026-11-23T07:00:00Z", true);
        check("2026-11-23T11:00:00Z", false);
        check("2026-11-23T12:00:00Z", true);
        check("2026-11-23T22:59:59Z", true);
        check("2026-11-23T23:00:00Z", false);
    }

    #[test]
    fn summer_time_moves_the_instant_not_the_wall_clock() {
        check("2026-07-06T05:59:59Z", false);
        check("2026-07-06T06:00:00Z", true);
    }

    #[test]
    fn the_hour_that_comes_twice_is_open_twice() {
        check("2026-10-25T00:30:00Z", true);
        check("2026-10-25T01:30:00Z", true);
    }

    #[test]
    fn a_day_closed_by_date_is_closed() {
        check("2026-12-28T09:00:00Z", false);
        check("2026-12-21T09:00:00Z", true);
    }

    #[test]
    fn a_holiday_of_every_year_closes_and_its_dated_word_comes_first() {
        check("2027-10-04T09:00:00Z", true);
        check("2020-10-05T09:00:00Z", false);
        check("2026-10-05T09:00:00Z", true);
        check("2026-10-05T12:00:00Z", false);
        check("2026-11-30T09:00:00Z", false);
        check("2016-02-29T09:00:00Z", false);
    }

    #[test]
    fn a_half_day_shortens_the_week_and_opens_nothing() {
        check("2026-12-07T07:30:00Z", false);
        check("2026-12-07T08:30:00Z", true);
        check("2026-12-07T11:30:00Z", false);
        check("2026-12-07T13:30:00Z", false);
        check("2026-11-28T09:00:00Z", false);
    }

    #[test]
    fn a_working_day_takes_the_place_of_the_week() {
        check("2026-12-05T09:30:00Z", true);
        check("2026-12-05T10:30:00Z", false);
        check("2026-12-12T09:30:00Z", false);
    }

    #[test]
    fn a_span_that_ends_before_it_begins_is_refused() {
        for wrong in ["18:00-09:00", "09:00", "9-18", "09:00-09:00", "25:00-26:00"] {
            assert!(parse_span(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_day_that_no_year_has_is_refused() {
        for wrong in ["13-01", "02-30", "1-1", "2027-02-30", "tomorrow"] {
            let text = format!("closed = [\"{wrong}\"]");
            assert!(toml::from_str::<Holidays>(&text).is_err(), "{wrong}");
        }
    }
}
