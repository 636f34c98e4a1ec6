//! What came in on past days, on the desk's wall clock.

use std::collections::BTreeMap;

/// A date of the desk's calendar, as days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(i32);

impl Day {
    /// Takes days since 1970-01-01.
    pub const fn new(days: i32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// The day of the week: 0 Monday to 6 Sunday.
    pub const fn weekday(self) -> u8 {
        // 1970-01-01 was a Thursday.
        (self.0.wrapping_add(3)).rem_euclid(7) as u8
    }

    /// The day so many days later.
    pub const fn plus(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Weeks from `earlier` to this day.
    pub(super) fn weeks_since(self, earlier: Self) -> f64 {
        f64::from(self.0 - earlier.0) / 7.0
    }
}

/// A day that is not like its weekday: a holiday, a campaign, the day after a storm.
#[derive(Clone, Debug, PartialEq)]
pub struct Special {
    /// What it is called; special days of one name are taken to be alike.
    pub name: String,
    /// What comes in on it, as a share of an ordinary day; learned from its past when not given.
    pub factor: Option<f64>,
}

/// Arrivals of one day by slot of the wall clock; `None` where nothing is known, or where the clock was
/// put forward and there was no such time.
pub type Profile = Vec<Option<f64>>;

/// Past arrivals, day by day.
#[derive(Clone, Debug)]
pub struct History {
    slots: usize,
    days: BTreeMap<Day, Profile>,
    special: BTreeMap<Day, Special>,
}

impl History {
    /// A history of days with so many slots each, which is empty yet.
    pub fn new(slots: usize) -> Self {
        Self {
            slots,
            days: BTreeMap::new(),
            special: BTreeMap::new(),
        }
    }

    /// Slots of a day.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Tells the arrivals in a slot, for a whole slot: where the clock was put back and a slot came
    /// twice, half of both. Slots beyond the day are passed over.
    pub fn set(&mut self, day: Day, slot: usize, arrivals: f64) {
        let slots = self.slots;
        let profile = self.days.entry(day).or_insert_with(|| vec![None; slots]);
        if let Some(place) = profile.get_mut(slot) {
            *place = Some(arrivals);
        }
    }

    /// The arrivals of a slot, if they are known.
    pub fn known(&self, day: Day, slot: usize) -> Option<f64> {
        *self.days.get(&day)?.get(slot)?
    }

    /// Says that a day, past or to come, is special.
    pub fn mark(&mut self, day: Day, special: Special) {
        self.special.insert(day, special);
    }

    /// The first day after all that is known.
    pub fn next_day(&self) -> Option<Day> {
        self.days.keys().next_back().map(|day| day.plus(1))
    }

    /// How many days are known.
    pub fn days(&self) -> usize {
        self.days.len()
    }

    pub(super) fn profile(&self, day: Day) -> Option<&Profile> {
        self.days.get(&day)
    }

    pub(super) fn special(&self, day: Day) -> Option<&Special> {
        self.special.get(&day)
    }

    /// Special days before a day of which arrivals are known.
    pub(super) fn special_before(&self, before: Day) -> impl Iterator<Item = (Day, &Special)> {
        self.special
            .range(..before)
            .filter(|(day, _)| self.days.contains_key(day))
            .map(|(day, special)| (*day, special))
    }

    /// Ordinary days before a day, the latest first.
    pub(super) fn ordinary_before(&self, before: Day) -> impl Iterator<Item = (Day, &Profile)> {
        self.days
            .range(..before)
            .rev()
            .filter(|(day, _)| !self.special.contains_key(day))
            .map(|(day, profile)| (*day, profile))
    }
}

/// Everything known of a day, and whether it is nearly the whole day.
pub(super) fn total(profile: &Profile) -> Option<f64> {
    let known = profile.iter().flatten().count();
    // A day on which the clock is changed lacks an hour or two, of the night.
    (known > 0 && known * 10 >= profile.len() * 9).then(|| profile.iter().flatten().sum())
}

/// The middle of some figures; of two middle ones, their mean.
pub(super) fn median(figures: &mut [f64]) -> Option<f64> {
    figures.sort_unstable_by(f64::total_cmp);
    let middle = figures.len() / 2;
    let upper = figures.get(middle).copied()?;
    if figures.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = figures.get(middle.wrapping_sub(1)).copied()?;
    Some(lower + (upper - lower) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekdays_are_counted_from_monday() {
        assert_eq!(Day::new(0).weekday(), 3, "1970-01-01 was a Thursday");
        assert_eq!(Day::new(4).weekday(), 0);
        assert_eq!(Day::new(-4).weekday(), 6);
    }

    #[test]
    fn the_median_lies_in_the_middle() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [5.0, 1.0, 3.0]), Some(3.0));
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), Some(2.5));
    }
}
