//! `[hours.NAME]`: when a line is open.

use super::value::Zone;
use jiff::civil::{Date, Time, Weekday};
use ringdown_routing::time::Timestamp;
use serde::Deserialize;
use serde::de::Error as _;
use std::collections::BTreeSet;

/// Opening hours of a week, and the days that differ.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// Their time zone; the site's when not given.
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
    /// Days closed although the week says otherwise, `["2027-01-01"]`.
    #[serde(default)]
    closed_on: BTreeSet<Date>,
}

impl Hours {
    /// Whether the line is open at that instant, by the hours' own zone or else the site's.
    pub fn is_open(&self, at: Timestamp, site: &Zone) -> bool {
        let Ok(instant) = jiff::Timestamp::from_millisecond(at.as_millis()) else {
            return false;
        };
        let zone = self.time_zone.as_ref().unwrap_or(site);
        let local = instant.to_zoned(zone.time_zone().clone());
        if self.closed_on.contains(&local.date()) {
            return false;
        }
        let now = seconds_of(local.time());
        self.spans(local.weekday())
            .iter()
            .any(|span| span.from_s <= now && now < span.to_s)
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

/// One open span of a day, in seconds from midnight by the clock on the wall.
#[derive(Clone, Copy, Debug)]
struct Span {
    from_s: u32,
    to_s: u32,
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
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

    fn check(at: &str, wanted: bool) {
        let hours: Hours = toml::from_str(
            r#"
            time_zone = "Europe/Berlin"
            mon = ["08:00-12:00", "13:00-24:00"]
            sun = ["00:00-24:00"]
            closed_on = ["2026-12-28"]
            "#,
        )
        .unwrap();
        let at: jiff::Timestamp = at.parse().unwrap();
        let at = Timestamp::from_millis(at.as_millisecond());
        assert_eq!(hours.is_open(at, &Zone::utc()), wanted, "{at:?}");
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
    fn a_span_that_ends_before_it_begins_is_refused() {
        for wrong in ["18:00-09:00", "09:00", "9-18", "09:00-09:00", "25:00-26:00"] {
            assert!(parse_span(wrong).is_none(), "{wrong}");
        }
    }
}
