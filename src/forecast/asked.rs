//! A forecast as it is asked for over HTTP: arrivals of the past, special days, the days to come and their staff.

use super::{Arrivals, Fault, Staffed, Told, day, read_special_days};
use jiff::civil::Date;
use ringdown_routing::forecast::{Day, Forecast};
use ringdown_routing::staffing::{Question, StaffingFault};

/// Most contacts that are played for one question: some seconds of one processor.
const PLAYED_MAX: f64 = 300_000.0;

/// Most days between the first and the last arrival: ten years.
pub const PAST_DAYS_MAX: i32 = 3_660;

/// A forecast that is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The past.
    pub arrivals: Arrivals,
    /// Special days, past and to come, as [`read_special_days`] takes them.
    pub special_days: String,
    /// First day; the day after the last known one when not given.
    pub first: Option<Date>,
    /// Days to forecast.
    pub days: u16,
    /// What is asked of every interval's staff; its calls are the forecast's.
    pub staff: Option<Question>,
    /// How often the plan is played by the real policy.
    pub runs: u16,
}

/// Why there is no forecast.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AskedFault {
    /// The special days cannot be read.
    #[error("special days, line {}, column {}: {}", .0.line, .0.column, .0.what)]
    SpecialDays(Fault),
    /// The past says nothing.
    #[error("nothing is known of the past")]
    NoPast,
    /// The past is longer than anybody forecasts from.
    #[error("the past is longer than {PAST_DAYS_MAX} days: leave out what is older")]
    TooLong,
    /// The days to forecast lie where no calendar reaches.
    #[error("the days to forecast must lie between the years 1970 and 9999")]
    BeyondCalendar,
    /// The staff cannot be computed.
    #[error("{0}")]
    Staffing(StaffingFault),
    /// Playing the plan would take too long; so many times it may be played.
    #[error("the plan has too many contacts to be played so often: at most {0} times")]
    TooMuch(u16),
}

/// Whether all of so many days have a date.
pub fn must_be_dates(first: Day, days: u16) -> Result<(), AskedFault> {
    let last = first.plus(i32::from(days));
    let is_within = first.number() >= 0 && last <= day(Date::constant(9999, 12, 30));
    is_within.then_some(()).ok_or(AskedFault::BeyondCalendar)
}

impl Asked {
    /// Forecasts, staffs, and plays the plan. Takes seconds.
    pub fn answer(&self) -> Result<(Told, Option<Staffed>), AskedFault> {
        if self.arrivals.days() > PAST_DAYS_MAX {
            return Err(AskedFault::TooLong);
        }
        let mut history = self.arrivals.history();
        let special_days = read_special_days(&self.special_days).map_err(|faults| {
            let first = faults.into_iter().next();
            first.map_or(AskedFault::NoPast, AskedFault::SpecialDays)
        })?;
        for (date, special) in special_days {
            history.mark(day(date), special);
        }
        let first = self.first.map(day).or(history.next_day());
        let first = first.filter(|_| history.days() > 0);
        let first = first.ok_or(AskedFault::NoPast)?;
        must_be_dates(first, self.days)?;
        let forecast = Forecast::of(&history, first, self.days);
        let told = Told::new(&self.arrivals, &history, forecast);
        let Some(question) = &self.staff else {
            return Ok((told, None));
        };
        let calls: f64 = told.expected().filter_map(|(calls, _)| calls).sum();
        if calls * f64::from(self.runs) > PLAYED_MAX {
            return Err(AskedFault::TooMuch((PLAYED_MAX / calls) as u16));
        }
        let staffed = Staffed::plan(&told, question, self.runs).map_err(AskedFault::Staffing)?;
        Ok((told, Some(staffed)))
    }
}
