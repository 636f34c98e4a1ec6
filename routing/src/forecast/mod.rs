//! Forecasts: from past arrivals to those of the days to come.
//!
//! The default is the median of the same slot over the last eight same weekdays, special days left out:
//! it has no parameters, no storm or failed switch moves it, and anybody can recompute it. Another method
//! is used only where it was better in a rolling back-test over the latest four weeks, whose table is
//! printed with every forecast.
//!
//! Days and slots are those of the desk's wall clock. Whoever calls knows the time zone: an hour that came
//! twice is told by its mean, an hour that there was not is unknown, and nothing else of the change of
//! clocks is left here. All arithmetic is exact or IEEE 754's own, so every machine forecasts the same.
//!
//! What deliberately does not live here: files, time zones, staff, and reasons. A rising volume may mean
//! that something breaks or that people have come to trust the desk; a forecast does not know.

mod back_test;
mod history;
mod method;

pub use back_test::{BackTest, Guess, HeldOut, Score};
pub use history::{Day, History, Profile, Special};
pub use method::Method;

use serde::Serialize;

/// The days to come.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// Which method was used, and why.
    pub back_test: BackTest,
    /// The days, in order.
    pub days: Vec<DayForecast>,
}

/// One day to come.
#[derive(Clone, Debug, PartialEq)]
pub struct DayForecast {
    /// The day.
    pub day: Day,
    /// What is special about it.
    pub special: Option<Special>,
    /// The share of an ordinary day's arrivals it was taken for: 1 for ordinary days, and for special
    /// ones of which nothing is known.
    pub factor: f64,
    /// Whether the factor of a special day is known.
    pub is_factor_known: bool,
    /// By slot; `None` where the past says nothing.
    pub slots: Vec<Option<Expected>>,
}

/// Arrivals that are expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Expected {
    /// The forecast.
    pub expected: f64,
    /// In four cases of five there come at least so many,
    pub low: f64,
    /// and at most so many; both as in the back-test.
    pub high: f64,
}

impl Forecast {
    /// Forecasts `days` days from `first` on.
    pub fn of(history: &History, first: Day, days: u16) -> Self {
        let back_test = BackTest::of(history);
        let days = (0..i32::from(days))
            .map(|later| forecast_day(history, &back_test, first.plus(later)))
            .collect();
        Self { back_test, days }
    }
}

impl DayForecast {
    /// All arrivals of the day; `None` when nothing is known.
    pub fn total(&self) -> Option<f64> {
        let mut known = self.slots.iter().flatten().peekable();
        known.peek()?;
        Some(known.map(|slot| slot.expected).sum())
    }
}

fn forecast_day(history: &History, back_test: &BackTest, day: Day) -> DayForecast {
    let before = history.next_day().unwrap_or(day).min(day);
    let profile = back_test.method.guess(history, before, day);
    let known = back_test::special_factor(history, day);
    let factor = known.unwrap_or(1.0);
    let spread = back_test.spread;
    let slots = match profile {
        None => vec![None; history.slots()],
        Some(profile) => profile
            .into_iter()
            .map(|slot| {
                let expected = slot? * factor;
                let unit = if expected > 0.0 {
                    back_test::unit(expected)
                } else {
                    0.0
                };
                Some(Expected {
                    expected,
                    low: (expected + spread.low * unit).max(0.0),
                    high: expected + spread.high * unit,
                })
            })
            .collect(),
    };
    DayForecast {
        day,
        special: history.special(day).cloned(),
        factor,
        is_factor_known: known.is_some() || history.special(day).is_none(),
        slots,
    }
}
