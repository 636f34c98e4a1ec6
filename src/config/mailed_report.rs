//! `[[report]]`: a report that is mailed by itself, every day, week or month at a time of the wall clock.

use super::{Language, MailAddress, Zone};
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use ringdown_routing::ids::QueueId;
use ringdown_routing::time::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// A report and when it is mailed to whom.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailedReport {
    /// Its name, of letters, digits, `-` and `_`.
    pub id: String,
    /// To whom.
    pub to: Vec<MailAddress>,
    /// Who speaks; the first mailbox when not given.
    pub from: Option<MailAddress>,
    /// How often; the report is on the day, week or month before.
    pub every: Every,
    /// The time of day. One that a change of clocks leaves out is its length later; of one that comes twice it is the
    /// first.
    #[serde(default = "seven")]
    pub at: Time,
    /// With `every = "week"`: the day.
    #[serde(default = "monday", deserialize_with = "weekday")]
    pub weekday: Weekday,
    /// With `every = "month"`: the day, from 1 to 28.
    #[serde(default = "first")]
    pub day: i8,
    /// The zone of the wall clock; that of the queue, else the site's, when not given.
    pub time_zone: Option<Zone>,
    /// Width of the rows; half an hour for a day, a day for more.
    pub interval: Option<String>,
    /// Only of this queue.
    pub queue: Option<QueueId>,
    /// Of the headings; the site's when not given.
    pub language: Option<Language>,
}

/// How often a report is mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Every {
    /// Each day, on the day before.
    Day,
    /// Each week, on the seven days before.
    Week,
    /// Each month, on the calendar month before.
    Month,
}

/// One time at which a report is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The date by the wall clock, which names it.
    pub date: Date,
    /// The instant.
    pub at: Timestamp,
}

impl MailedReport {
    /// The latest slots that have come, newest first, at most so many.
    pub fn slots(&self, zone: &TimeZone, now: Timestamp, most: usize) -> Vec<Slot> {
        let Ok(instant) = jiff::Timestamp::from_millisecond(now.as_millis()) else {
            return Vec::new();
        };
        let mut slots = Vec::new();
        let mut date = zone.to_datetime(instant).date();
        for _ in 0..most.saturating_mul(31).saturating_add(31) {
            if slots.len() == most {
                break;
            }
            if let Some(slot) = self.slot(date, zone).filter(|slot| slot.at <= now) {
                slots.push(slot);
            }
            match date.yesterday() {
                Ok(before) => date = before,
                Err(_) => break,
            }
        }
        slots
    }

    fn slot(&self, date: Date, zone: &TimeZone) -> Option<Slot> {
        let is_due = match self.every {
            Every::Day => true,
            Every::Week => date.weekday() == self.weekday,
            Every::Month => date.day() == self.day,
        };
        let at = date.to_datetime(self.at).to_zoned(zone.clone()).ok()?;
        is_due.then(|| Slot {
            date,
            at: Timestamp::from_millis(at.timestamp().as_millisecond()),
        })
    }

    /// The dates a slot reports on: the first, and the first after them.
    pub fn dates(&self, slot: Slot) -> Option<(Date, Date)> {
        let date = slot.date;
        Some(match self.every {
            Every::Day => (date.yesterday().ok()?, date),
            Every::Week => (date.checked_sub(jiff::Span::new().days(7)).ok()?, date),
            Every::Month => {
                let end = date.first_of_month();
                (end.yesterday().ok()?.first_of_month(), end)
            }
        })
    }

    /// Width of its rows.
    pub fn interval(&self) -> &str {
        let usual = match self.every {
            Every::Day => "30m",
            Every::Week | Every::Month => "1d",
        };
        self.interval.as_deref().unwrap_or(usual)
    }
}

fn weekday<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Weekday, D::Error> {
    let text = String::deserialize(deserializer)?;
    let day = WEEKDAYS.iter().find(|(name, _)| *name == text);
    day.map(|(_, day)| *day).ok_or_else(|| {
        D::Error::custom(format!(
            "`{text}` is not a day of the week such as `monday`"
        ))
    })
}

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

fn monday() -> Weekday {
    Weekday::Monday
}

fn seven() -> Time {
    Time::constant(7, 0, 0, 0)
}

fn first() -> i8 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(keys: &str) -> MailedReport {
        toml::from_str(&format!("id = \"r\"\nto = [\"a@b.example\"]\n{keys}")).unwrap()
    }

    fn slots(report: &MailedReport, zone: &str, now: &str, most: usize) -> Vec<String> {
        let zone = TimeZone::get(zone).unwrap();
        let now: jiff::Timestamp = now.parse().unwrap();
        let now = Timestamp::from_millis(now.as_millisecond());
        let slots = report.slots(&zone, now, most).into_iter();
        slots
            .map(|slot| {
                let at = jiff::Timestamp::from_millisecond(slot.at.as_millis()).unwrap();
                format!("{} {at}", slot.date)
            })
            .collect()
    }

    #[test]
    fn a_day_of_changed_clocks_has_one_slot() {
        let daily = report("every = \"day\"\nat = \"02:30\"");
        // 02:30 is left out on 29 March and comes twice on 25 October.
        assert_eq!(
            slots(&daily, "Europe/Berlin", "2026-03-30T12:00:00Z", 3),
            [
                "2026-03-30 2026-03-30T00:30:00Z",
                "2026-03-29 2026-03-29T01:30:00Z",
                "2026-03-28 2026-03-28T01:30:00Z"
            ]
        );
        assert_eq!(
            slots(&daily, "Europe/Berlin", "2026-10-25T12:00:00Z", 2),
            [
                "2026-10-25 2026-10-25T00:30:00Z",
                "2026-10-24 2026-10-24T00:30:00Z"
            ]
        );
        let half = report("every = \"day\"\nat = \"02:15\"");
        assert_eq!(
            slots(&half, "Australia/Lord_Howe", "2026-10-04T06:00:00Z", 1),
            ["2026-10-04 2026-10-03T15:45:00Z"]
        );
    }

    #[test]
    fn weeks_and_months_report_on_what_is_over() {
        let weekly = report("every = \"week\"\nweekday = \"friday\"");
        let zone = TimeZone::get("Asia/Taipei").unwrap();
        let now: jiff::Timestamp = "2026-11-27T00:00:00Z".parse().unwrap();
        let now = Timestamp::from_millis(now.as_millisecond());
        let slot = weekly.slots(&zone, now, 1)[0];
        let (from, to) = weekly.dates(slot).unwrap();
        assert_eq!(
            (from.to_string(), to.to_string()),
            ("2026-11-20".into(), "2026-11-27".into())
        );
        let monthly = report("every = \"month\"\nday = 3");
        let slot = monthly.slots(&zone, now, 1)[0];
        assert_eq!(slot.date.to_string(), "2026-11-03");
        let (from, to) = monthly.dates(slot).unwrap();
        assert_eq!(
            (from.to_string(), to.to_string()),
            ("2026-10-01".into(), "2026-11-01".into())
        );
        assert_eq!(
            (monthly.interval(), report("every = \"day\"").interval()),
            ("1d", "30m")
        );
    }

    #[test]
    fn a_slot_of_today_is_none_before_its_time() {
        let daily = report("every = \"day\"");
        assert_eq!(
            slots(&daily, "Asia/Taipei", "2026-11-26T22:59:59Z", 1),
            ["2026-11-26 2026-11-25T23:00:00Z"]
        );
        assert_eq!(
            slots(&daily, "Asia/Taipei", "2026-11-26T23:00:00Z", 1),
            ["2026-11-27 2026-11-26T23:00:00Z"]
        );
    }
}
