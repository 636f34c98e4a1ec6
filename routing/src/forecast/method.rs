//! The ways to guess an ordinary day from those before it.

use super::history::{Day, History, Profile, median, total};
use serde::{Deserialize, Serialize};

/// How many same weekdays count.
const WEEKS: usize = 8;

/// A trend never makes a forecast more than twice or less than half of what was.
const TREND: std::ops::RangeInclusive<f64> = 0.5..=2.0;

/// A way to guess a day's arrivals by slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The median of the same slot over the last eight same weekdays, special days left out.
    Median,
    /// The last same weekday that was not special.
    LastWeek,
    /// The median, carried on along the median slope of the last eight weeks.
    Trend,
}

impl Method {
    /// The default first, then what may be used in its place.
    pub const ALL: [Self; 3] = [Self::Median, Self::LastWeek, Self::Trend];

    /// Its name in every answer.
    pub fn name(self) -> &'static str {
        match self {
            Self::Median => "median",
            Self::LastWeek => "last_week",
            Self::Trend => "trend",
        }
    }

    /// What it is, in words.
    pub fn formula(self) -> &'static str {
        match self {
            Self::Median => {
                "median of the same interval over the last 8 same weekdays, special days left out"
            }
            Self::LastWeek => "the last same weekday that was not special",
            Self::Trend => {
                "median x (1 + s w): s the median slope per week of the daily totals over the last 8 weeks, w the weeks since their middle"
            }
        }
    }

    /// Guesses an ordinary `day` from what was known before the day `before`; a slot of which nothing
    /// is known is `None`, as is the day when there is no such weekday.
    pub(super) fn guess(self, history: &History, before: Day, day: Day) -> Option<Profile> {
        let like: Vec<(Day, &Profile)> = same_weekdays(history, before, day.weekday());
        match self {
            Self::Median => medians(history.slots(), &like),
            Self::LastWeek => like.first().map(|(_, profile)| (*profile).clone()),
            Self::Trend => {
                let mut weeks: Vec<f64> = like
                    .iter()
                    .map(|(past, _)| day.weeks_since(*past))
                    .collect();
                let away = median(&mut weeks)?;
                let factor = 1.0 + slope(history, before).unwrap_or(0.0) * away;
                let factor = factor.clamp(*TREND.start(), *TREND.end());
                let mut profile = medians(history.slots(), &like)?;
                for slot in profile.iter_mut().flatten() {
                    *slot *= factor;
                }
                Some(profile)
            }
        }
    }
}

/// The last ordinary days of a weekday, the latest first.
fn same_weekdays(history: &History, before: Day, weekday: u8) -> Vec<(Day, &Profile)> {
    history
        .ordinary_before(before)
        .filter(|(day, _)| day.weekday() == weekday)
        .take(WEEKS)
        .collect()
}

fn medians(slots: usize, days: &[(Day, &Profile)]) -> Option<Profile> {
    if days.is_empty() {
        return None;
    }
    let mut known = Vec::with_capacity(days.len());
    let profile = (0..slots).map(|slot| {
        known.clear();
        known.extend(days.iter().filter_map(|(_, profile)| *profile.get(slot)?));
        median(&mut known)
    });
    Some(profile.collect())
}

/// How much of itself the desk grows in a week: the median slope between any two days of a weekday
/// (Theil and Sen's), over all weekdays, as a share of that weekday's median.
fn slope(history: &History, before: Day) -> Option<f64> {
    let mut slopes = Vec::new();
    for weekday in 0..7 {
        let totals: Vec<(Day, f64)> = same_weekdays(history, before, weekday)
            .into_iter()
            .filter_map(|(day, profile)| Some((day, total(profile)?)))
            .collect();
        let usual = median(&mut totals.iter().map(|(_, total)| *total).collect::<Vec<_>>());
        let Some(usual) = usual.filter(|usual| *usual > 0.0) else {
            continue;
        };
        for (place, (late, late_total)) in totals.iter().enumerate() {
            for (early, early_total) in totals.iter().skip(place + 1) {
                slopes.push((late_total - early_total) / usual / late.weeks_since(*early));
            }
        }
    }
    median(&mut slopes)
}
