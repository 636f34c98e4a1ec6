//! Time that counts only while a line is open by its hours: due times of answers, and how long they took.

use super::{Config, Queue, QueueHours, Zone};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ringdown_routing::time::Timestamp;
use std::time::Duration;

/// A stretch of time in which a line is open, without its end.
type Stretch = (Timestamp, Timestamp);

impl Config {
    /// The instant at which so much of the line's opening hours has passed since `from`. A line without hours
    /// is always open; one that does not open within [`DAYS_MAX`] counts all time.
    pub fn after_open_time(&self, queue: &Queue, from: Timestamp, duration: Duration) -> Timestamp {
        if queue.hours.is_none() {
            return from + duration;
        }
        let mut left = duration;
        let mut window = from;
        for _ in 0..(DAYS_MAX / DAYS_AT_ONCE) {
            let next = window + DAY * DAYS_AT_ONCE;
            for (start, end) in self.open_stretches(queue, window, next) {
                let open = end.since(start);
                if open >= left {
                    return start + left;
                }
                left -= open;
            }
            window = next;
        }
        from + duration
    }

    /// How much of the time between two instants lies in the line's opening hours.
    pub fn open_time(&self, queue: &Queue, from: Timestamp, to: Timestamp) -> Duration {
        if queue.hours.is_none() {
            return to.since(from);
        }
        let stretches = self.open_stretches(queue, from, to);
        stretches
            .into_iter()
            .map(|(start, end)| end.since(start))
            .sum()
    }

    /// The open stretches between two instants, in order and apart from each other; of groups that follow the
    /// sun one suffices.
    fn open_stretches(&self, queue: &Queue, from: Timestamp, to: Timestamp) -> Vec<Stretch> {
        let mut all: Vec<Stretch> = match &queue.hours {
            None => vec![(from, to)],
            Some(QueueHours::Named(name)) => self.stretches_of(queue, name, None, (from, to)),
            Some(QueueHours::Groups(groups)) => groups
                .iter()
                .flat_map(|group| {
                    self.stretches_of(queue, &group.hours, group.time_zone.as_ref(), (from, to))
                })
                .collect(),
        };
        all.sort_unstable();
        let mut joined: Vec<Stretch> = Vec::with_capacity(all.len());
        for (start, end) in all {
            match joined.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                Some(_) | None => joined.push((start, end)),
            }
        }
        joined
    }

    fn stretches_of(
        &self,
        queue: &Queue,
        name: &str,
        zone: Option<&Zone>,
        (from, to): Stretch,
    ) -> Vec<Stretch> {
        let Some(hours) = self.hours.get(name) else {
            return vec![(from, to)];
        };
        let zone = zone
            .or(hours.time_zone.as_ref())
            .or(queue.time_zone.as_ref())
            .unwrap_or(&self.site.time_zone)
            .time_zone();
        let mut stretches = Vec::new();
        let (mut date, last) = (date_of(from, zone), date_of(to, zone));
        while date <= last {
            for (from_s, to_s) in hours.open_seconds(date, &self.holidays) {
                let start = instant(date, from_s, zone).max(from);
                let end = instant(date, to_s, zone).min(to);
                if start < end {
                    stretches.push((start, end));
                }
            }
            match date.tomorrow() {
                Ok(next) => date = next,
                Err(_) => break,
            }
        }
        stretches
    }
}

fn date_of(at: Timestamp, zone: &TimeZone) -> Date {
    let instant = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    instant.to_zoned(zone.clone()).date()
}

/// The instant at which the clock on the wall shows so many seconds since midnight; one that a change of the
/// clock leaves out is the change itself.
fn instant(date: Date, seconds: u32, zone: &TimeZone) -> Timestamp {
    let (date, seconds) = match (seconds, date.tomorrow()) {
        (86_400, Ok(next)) => (next, 0),
        (seconds, _) => (date, seconds),
    };
    let part = |value: u32| i8::try_from(value).unwrap_or(0);
    let (hour, minute) = (part(seconds / 3_600), part(seconds / 60 % 60));
    let wall = date.at(hour, minute, part(seconds % 60), 0);
    let zoned = zone.to_ambiguous_zoned(wall).compatible();
    zoned.map_or(Timestamp::from_millis(0), |zoned| {
        Timestamp::from_millis(zoned.timestamp().as_millisecond())
    })
}

const DAY: Duration = Duration::from_secs(86_400);

/// Days looked at in one go.
const DAYS_AT_ONCE: u32 = 14;

/// Days looked ahead; a line that stays closed for longer has no hours to count.
const DAYS_MAX: u32 = 364;

#[cfg(test)]
mod tests {
    use super::*;
    use ringdown_routing::ids::QueueId;
    use std::path::Path;

    const TEXT: &str = r#"
        [site]
        region = "DE"
        time_zone = "Europe/Berlin"
        [[queue]]
        id = "office"
        hours = "office"
        [[queue]]
        id = "always"
        [[queue]]
        id = "sun"
        hours = [{ hours = "office" }, { hours = "office", time_zone = "America/New_York" }]
        [[queue]]
        id = "never"
        hours = "never"
        [hours.never]
        [hours.office]
        mon = ["08:00-12:00", "13:00-17:00"]
        tue = ["08:00-12:00", "13:00-17:00"]
        wed = ["08:00-12:00", "13:00-17:00"]
        thu = ["08:00-12:00", "13:00-17:00"]
        fri = ["08:00-12:00"]
        sun = ["00:00-24:00"]
        holidays = ["land"]
        [holidays.land]
        closed = ["2026-12-25"]
        half_days = { "2026-12-24" = ["09:00-11:30"] }
        working_days = { "2026-12-19" = ["10:00-11:00"] }
    "#;

    fn config() -> Config {
        Config::parse(Path::new("x.toml"), TEXT, &[]).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        let zoned: jiff::Zoned = format!("{text}[Europe/Berlin]").parse().unwrap();
        Timestamp::from_millis(zoned.timestamp().as_millisecond())
    }

    fn due(queue: &str, from: &str, hours: u64, expected: &str) {
        let config = config();
        let queue = config.queue(&QueueId::from(queue)).unwrap();
        let duration = Duration::from_secs(hours * 3_600);
        let due = config.after_open_time(queue, at(from), duration);
        assert_eq!(due, at(expected), "{from} and {hours} h");
        if queue.hours.is_some() && due.since(at(from)) != duration {
            assert_eq!(config.open_time(queue, at(from), due), duration);
        }
    }

    #[test]
    fn an_answer_is_due_after_hours_in_which_the_line_is_open() {
        // 2026-11-26 is a Thursday.
        due("office", "2026-11-26T09:00", 2, "2026-11-26T11:00");
        due("office", "2026-11-26T11:00", 2, "2026-11-26T14:00");
        due("office", "2026-11-26T16:00", 2, "2026-11-27T09:00");
        due("office", "2026-11-27T11:00", 2, "2026-11-29T01:00");
        due("always", "2026-11-27T11:00", 2, "2026-11-27T13:00");
        due("office", "2026-12-24T08:00", 2, "2026-12-24T11:00");
        due("office", "2026-12-24T11:00", 1, "2026-12-27T00:30");
        due("office", "2026-12-18T11:00", 2, "2026-12-19T11:00");
        due("sun", "2026-11-26T16:00", 3, "2026-11-26T20:00");
        due("never", "2026-11-26T16:00", 3, "2026-11-26T19:00");
    }

    #[test]
    fn a_change_of_the_clock_neither_adds_nor_takes_open_time() {
        // Sundays from midnight to midnight: 23 and 25 hours.
        let config = config();
        let queue = config.queue(&QueueId::from("office")).unwrap();
        let hours =
            |from: &str, to: &str| config.open_time(queue, at(from), at(to)).as_secs() / 3_600;
        assert_eq!(hours("2026-03-29T00:00", "2026-03-30T00:00"), 23);
        assert_eq!(hours("2026-10-25T00:00", "2026-10-26T00:00"), 25);
    }

    #[test]
    fn stretches_are_when_the_line_is_open() {
        let config = config();
        for queue in &config.queues {
            let (from, to) = (at("2026-12-17T00:00"), at("2026-12-29T00:00"));
            let stretches = config.open_stretches(queue, from, to);
            let mut now = from;
            while now < to {
                let is_open = config.lines_by_hours(queue, now).next().is_some();
                let is_within = stretches
                    .iter()
                    .any(|(start, end)| *start <= now && now < *end);
                assert_eq!(is_open, is_within, "{} at {now:?}", queue.id);
                now = now + Duration::from_secs(300);
            }
        }
    }
}
