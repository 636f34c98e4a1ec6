//! Another period beside the one that is reported: which one it is, what is different about it, and by how much the
//! figures differ.

use super::period::{PeriodFault, Span, first_instant};
use super::table::minute;
use super::{Group, Period, Report, Row, Words};
use jiff::Unit;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ringdown_routing::statistics::{Spread, Tally};
use ringdown_routing::time::Timestamp;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// Another period beside the one that is reported.
#[derive(Clone, Debug)]
pub struct Compared {
    /// From when to when.
    pub whole: Span,
    /// Each of the groups over all of it.
    pub groups: BTreeMap<Group, (Tally, Spread)>,
    /// All of the scope over all of it.
    pub total: Tally,
    /// How its times are spread.
    pub spread: Spread,
    /// Each of the groups in each of its intervals.
    pub rows: Vec<Row>,
    /// Its intervals, and all of the scope in each.
    pub intervals: Vec<(Span, Tally)>,
}

/// An interval of the reported period and the one of the other period at the same place, or one of them alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// Of the reported period.
    pub(super) here: Option<Span>,
    /// Of the period it is compared with.
    pub(super) there: Option<Span>,
}

impl Compared {
    /// The sums of one of the reported period's groups, or of one that is here alone.
    pub(super) fn sums(&self, group: &Group) -> (Tally, Spread) {
        self.groups.get(group).copied().unwrap_or_default()
    }
}

/// The period that begins then and is as long as another by the wall clock: as many whole months where both begin
/// with one, else as many days and hours, however long the clock made them. `asked` is the other before it was made
/// wider to whole intervals.
pub(super) fn beside(
    period: &Period,
    asked: Span,
    begin: Timestamp,
) -> Result<Period, PeriodFault> {
    let (zone, interval) = (&period.zone, period.interval);
    let (asked, begin) = if interval.is_of_calendar() {
        let first = Period::new(
            begin,
            begin + std::time::Duration::from_millis(1),
            interval,
            zone.clone(),
        )?;
        (period.whole(), first.whole().from)
    } else {
        (asked, begin)
    };
    let (from, to, at) = (
        wall(asked.from, zone)?,
        wall(asked.to, zone)?,
        wall(begin, zone)?,
    );
    let unit = if [from, to, at].into_iter().all(is_first_of_month) {
        Unit::Month
    } else {
        Unit::Day
    };
    let fault = || PeriodFault::Instant(period.local(begin));
    let length = from.until((unit, to)).map_err(|_| fault())?;
    let end = at.checked_add(length).map_err(|_| fault())?;
    let mut end = instant(end, zone)?;
    if end <= begin && asked.from < asked.to {
        // An hour that the clock had twice, and the same by its hands.
        end = begin + asked.to.since(asked.from);
    }
    Period::new(begin, end, interval, zone.clone())
}

/// The wall clock at an instant; the first instant of a date is its midnight, also where the clock left that out.
fn wall(at: Timestamp, zone: &TimeZone) -> Result<DateTime, PeriodFault> {
    let fault = |_| PeriodFault::Instant(at.as_millis().to_string());
    let instant = jiff::Timestamp::from_millisecond(at.as_millis()).map_err(fault)?;
    let clock = zone.to_datetime(instant);
    let is_first = first_instant(clock.date(), zone)? == at;
    Ok(if is_first {
        clock.date().to_datetime(jiff::civil::Time::midnight())
    } else {
        clock
    })
}

fn instant(clock: DateTime, zone: &TimeZone) -> Result<Timestamp, PeriodFault> {
    let zoned = clock.to_zoned(zone.clone());
    let zoned = zoned.map_err(|_| PeriodFault::Instant(clock.to_string()))?;
    Ok(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

fn is_first_of_month(clock: DateTime) -> bool {
    clock
        == clock
            .date()
            .first_of_month()
            .to_datetime(jiff::civil::Time::midnight())
}

/// Where each interval stands in its period: which day, week or month it is, or how far its clock is from the first
/// midnight or hour, and how often the clock has shown that before.
fn places(spans: &[Span], period: &Period) -> Vec<(i64, u32)> {
    let clock = |at: Timestamp| {
        let instant = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
        Some(period.zone.to_datetime(instant))
    };
    let first = spans.first();
    let first = first.and_then(|first| wall(first.from, &period.zone).ok());
    let mut seen: BTreeMap<i64, u32> = BTreeMap::new();
    let places = (0..).zip(spans).map(|(count, span)| {
        let distance = match (first, clock(span.from)) {
            (Some(first), Some(at)) if !period.interval.is_of_calendar() => {
                at.duration_since(first).as_secs()
            }
            _ => count,
        };
        let times = seen.entry(distance).or_default();
        *times += 1;
        (distance, *times)
    });
    places.collect()
}

impl Report {
    /// The intervals, each beside that of the other period at the same place by the wall clock.
    pub(super) fn pairs(&self) -> Vec<Pair> {
        let here = &self.period.spans;
        let other = self.compared.iter().flat_map(|it| &it.intervals);
        let there: Vec<Span> = other.map(|(span, _)| *span).collect();
        let mut pairs: BTreeMap<(i64, u32), Pair> = BTreeMap::new();
        for (place, span) in places(here, &self.period).into_iter().zip(here) {
            let (here, there) = (Some(*span), None);
            pairs.insert(place, Pair { here, there });
        }
        for (place, span) in places(&there, &self.period).into_iter().zip(there) {
            let alone = Pair {
                here: None,
                there: None,
            };
            pairs.entry(place).or_insert(alone).there = Some(span);
        }
        pairs.into_values().collect()
    }

    /// What must be known before the figures are believed, or compared: that the period is not over or began before
    /// the log, and how the other period differs from it.
    pub fn notes(&self, words: &Words) -> Vec<String> {
        let whole = self.period.whole();
        let mut notes = Vec::new();
        if let Some(compared) = &self.compared {
            notes.push(self.comparison(compared.whole, words));
            notes.extend(self.unknown(compared.whole, words));
            if whole.from < compared.whole.to && compared.whole.from < whole.to {
                let told = words.say(("The two periods overlap.", "兩期間互相重疊。"));
                notes.push(told.to_owned());
            }
        }
        notes.extend(self.unknown(whole, words));
        notes
    }

    /// Which period it is compared with, and whether both are equally long.
    fn comparison(&self, other: Span, words: &Words) -> String {
        let whole = self.period.whole();
        let (other_told, here, there) =
            (self.span(other), length(whole, words), length(other, words));
        let is_as_long = here == there;
        match (words.is_chinese(), is_as_long) {
            (false, true) => format!(
                "Compared with {other_told}, as long ({there}), by the same clock and of the same part of the desk."
            ),
            (false, false) => format!(
                "Compared with {other_told}, by the same clock and of the same part of the desk. The periods are not \
                 equally long: {here} here, {there} there; counts and sums differ for that reason too, shares and \
                 means do not."
            ),
            (true, true) => {
                format!("比較期間：{other_told}，長度相同（{there}），時區與範圍相同。")
            }
            (true, false) => format!(
                "比較期間：{other_told}，時區與範圍相同。兩期長度不同：本期 {here}，比較期 {there}；件數與總和因此也會不同，\
                 比例與平均值則不受影響。"
            ),
        }
    }

    /// What of a span is not known: what is still to come, and what was before the log.
    fn unknown(&self, span: Span, words: &Words) -> Vec<String> {
        let told = self.span(span);
        let mut notes = Vec::new();
        if span.to > self.as_of {
            let known = minute(self, self.as_of.max(span.from));
            notes.push(if words.is_chinese() {
                format!("期間 {told} 尚未結束：資料至 {known} 為止。")
            } else {
                format!("The period {told} is not over: it is known up to {known}.")
            });
        }
        if let Some(begin) = self.begin.filter(|begin| span.from < *begin) {
            let known = minute(self, begin);
            notes.push(if words.is_chinese() {
                format!("事件紀錄始於 {known}：{told} 之中更早的部分並無資料。")
            } else {
                format!("The event log begins at {known}: nothing is known of {told} before that.")
            });
        }
        notes
    }

    /// From when to when, by the wall clock.
    pub(super) fn span(&self, span: Span) -> String {
        format!("{} – {}", minute(self, span.from), minute(self, span.to))
    }
}

/// Days, hours and minutes, as they went by.
fn length(span: Span, words: &Words) -> String {
    let minutes = span.to.since(span.from).as_secs() / 60;
    let parts = [
        (minutes / 1_440, ("d", "天")),
        (minutes / 60 % 24, ("h", "小時")),
        (minutes % 60, ("min", "分")),
    ];
    let told: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {}", words.say(unit)))
        .collect();
    if told.is_empty() {
        format!("0 {}", words.say(("min", "分")))
    } else {
        told.join(" ")
    }
}

impl Report {
    /// What each group of either period has more or less of here than there, by the names of the figures.
    pub(super) fn changes(&self, compared: &Compared) -> BTreeMap<Group, Json> {
        let all = self.groups.keys().chain(compared.groups.keys());
        let each = all.map(|group| {
            let here = self.groups.get(group).copied().unwrap_or_default();
            (group.clone(), of_sums(&here, &compared.sums(group)))
        });
        each.collect()
    }
}

/// The differences of two sums, as figures beside their percentiles.
pub(super) fn of_sums(here: &(Tally, Spread), there: &(Tally, Spread)) -> Json {
    change(&told(here), &told(there))
}

/// Figures by their names, and percentiles beside them.
pub(super) fn told((tally, spread): &(Tally, Spread)) -> Json {
    let mut told = serde_json::to_value(tally.figures()).unwrap_or(Json::Null);
    if let Json::Object(fields) = &mut told {
        let spread = serde_json::to_value(spread).unwrap_or(Json::Null);
        fields.insert("percentiles".to_owned(), spread);
    }
    told
}

/// Every number of one object less that of another; null where either is. What is no number is left out.
fn change(here: &Json, there: &Json) -> Json {
    match (here, there) {
        (Json::Object(here), Json::Object(there)) => {
            let each = here.iter().filter_map(|(name, value)| {
                let other = there.get(name).unwrap_or(&Json::Null);
                let is_told =
                    |value: &Json| value.is_number() || value.is_null() || value.is_object();
                (is_told(value) && is_told(other)).then(|| (name.clone(), change(value, other)))
            });
            Json::Object(each.collect::<Map<_, _>>())
        }
        (Json::Number(a), Json::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Json::from(a - b),
            _ => a
                .as_f64()
                .zip(b.as_f64())
                .map_or(Json::Null, |(a, b)| Json::from(a - b)),
        },
        _ => Json::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::period;
    use serde_json::json;

    fn at(text: &str, zone: &TimeZone) -> Timestamp {
        period::instant(text, Timestamp::from_millis(0), zone).unwrap()
    }

    /// The period beside another: its first instant, the first after it, and its intervals.
    fn other(
        zone: &str,
        (from, to): (&str, &str),
        interval: &str,
        begin: &str,
    ) -> (String, String, usize) {
        let zone = TimeZone::get(zone).unwrap();
        let asked = Span {
            from: at(from, &zone),
            to: at(to, &zone),
        };
        let period = Period::new(
            asked.from,
            asked.to,
            interval.parse().unwrap(),
            zone.clone(),
        );
        let period = period.unwrap();
        let other = beside(&period, asked, at(begin, &zone)).unwrap();
        let whole = other.whole();
        (
            other.local(whole.from),
            other.local(whole.to),
            other.spans.len(),
        )
    }

    #[test]
    fn a_month_is_compared_with_a_month_whatever_their_days() {
        let october = ("2026-10-01", "2026-11-01");
        for (interval, rows) in [("1mo", 1), ("1d", 30)] {
            let (from, to, count) = other("Europe/Berlin", october, interval, "2026-09-01");
            assert_eq!(
                (&*from, &*to, count),
                (
                    "2026-09-01T00:00:00+02:00",
                    "2026-10-01T00:00:00+02:00",
                    rows
                )
            );
        }
        let (_, to, _) = other("Europe/Berlin", october, "1d", "2026-09-02");
        assert_eq!(
            to, "2026-10-03T00:00:00+02:00",
            "31 days from any other day"
        );
    }

    #[test]
    fn a_day_of_changed_clocks_is_compared_with_one_day() {
        for (zone, day, next, begin, to) in [
            (
                "Europe/Berlin",
                "2026-10-25",
                "2026-10-26",
                "2026-10-18",
                "2026-10-19T00:00:00+02:00",
            ),
            (
                "Europe/Berlin",
                "2026-03-29",
                "2026-03-30",
                "2026-03-22",
                "2026-03-23T00:00:00+01:00",
            ),
            (
                "Australia/Lord_Howe",
                "2026-04-05",
                "2026-04-06",
                "2026-03-29",
                "2026-03-30T00:00:00+11:00",
            ),
            (
                "America/Santiago",
                "2026-09-06",
                "2026-09-07",
                "2026-08-30",
                "2026-08-31T00:00:00-04:00",
            ),
            (
                "Asia/Taipei",
                "2026-10-25",
                "2026-10-26",
                "2026-10-18",
                "2026-10-19T00:00:00+08:00",
            ),
        ] {
            for (interval, rows) in [("1d", 1), ("30m", 48)] {
                let told = other(zone, (day, next), interval, begin);
                assert_eq!((&*told.1, told.2), (to, rows), "{zone} {interval}");
            }
        }
        let (_, to, count) = other(
            "America/Santiago",
            ("2026-08-30", "2026-08-31"),
            "30m",
            "2026-09-06",
        );
        assert_eq!(
            (&*to, count),
            ("2026-09-07T00:00:00-03:00", 46),
            "and the other way round"
        );
    }

    #[test]
    fn a_part_of_a_day_ends_at_the_same_hand_of_the_clock() {
        let (_, to, _) = other(
            "Europe/Berlin",
            ("2026-10-25", "2026-10-25T14:10"),
            "30m",
            "2026-10-24",
        );
        assert_eq!(to, "2026-10-24T14:30:00+02:00");
        // The hour that came twice, from its first to its second begin.
        let twice = ("2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z");
        let (from, to, _) = other("Europe/Berlin", twice, "30m", "2026-10-24T02:00");
        assert_eq!(
            (&*from, &*to),
            ("2026-10-24T02:00:00+02:00", "2026-10-24T03:00:00+02:00")
        );
    }

    #[test]
    fn differences_are_of_numbers_and_null_where_either_is() {
        let here = json!({"offered": 3, "asa_s": 2.5, "abandon_rate": null, "is_conserved": true, "level": {"negative": 0.5}});
        let there = json!({"offered": 5, "asa_s": 1.0, "abandon_rate": 0.5, "is_conserved": true, "level": {"negative": 0.75}});
        assert_eq!(
            change(&here, &there),
            json!({"offered": -2, "asa_s": 1.5, "abandon_rate": null, "level": {"negative": -0.25}})
        );
    }
}
