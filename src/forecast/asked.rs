//! A forecast as it is asked for over HTTP: arrivals of the past, special days, the days to come and their staff.

use super::{Arrivals, Fault, Staffed, Told, day, read_special_days};
use jiff::civil::Date;
use ringdown_routing::forecast::{Day, Forecast};
use ringdown_routing::staffing::{Question, StaffingFault};

/// Most contacts, and most agents of all intervals together, that are played for one question in all runs: some seconds of
/// one processor.
const PLAYED_MAX: f64 = 300_000.0;

/// Most agents of all intervals together that are played in one run, which holds what each did.
const AGENTS_MAX: f64 = 100_000.0;

/// Most erlang of all intervals together that are staffed: a second or so, for Erlang's formulas take as long as there
/// are agents.
const ERLANG_MAX: f64 = 2e7;

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
    #[error("the plan has too many contacts or agents to be played so often: at most {0} times")]
    TooMuch(u16),
    /// Staffing every interval would take too long; so much load they have together.
    #[error(
        "the intervals have {0:.0} erlang together, more than is staffed at once ({ERLANG_MAX:.0}): ask for fewer days or \
         wider intervals"
    )]
    TooMuchLoad(f64),
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
        let staffed = staffed(&told, question, (self.runs, PLAYED_MAX))?;
        Ok((told, Some(staffed)))
    }
}

/// Staffs every interval and plays the plan so many times: as long as contacts, and agents of every interval, are at most
/// so many in all runs.
pub fn staffed(
    told: &Told,
    question: &Question,
    (runs, played_max): (u16, f64),
) -> Result<Staffed, AskedFault> {
    let calls: f64 = told.expected().filter_map(|(calls, _)| calls).sum();
    must_be_played(calls, played_max, runs)?;
    let loads = told
        .expected()
        .filter_map(|(calls, interval_s)| Some(calls? * question.aht_s / interval_s));
    let load: f64 = loads.sum();
    if load > ERLANG_MAX {
        return Err(AskedFault::TooMuchLoad(load));
    }
    let staffed = Staffed::plan(told, question).map_err(AskedFault::Staffing)?;
    let agents = staffed.agents(question);
    must_be_played(agents, played_max, runs)?;
    must_be_played(agents, AGENTS_MAX, runs.min(1))?;
    Ok(staffed.rehearsed(told, question, runs))
}

/// Whether so many may be played so often.
fn must_be_played(number: f64, most: f64, runs: u16) -> Result<(), AskedFault> {
    if number * f64::from(runs) > most {
        return Err(AskedFault::TooMuch((most / number) as u16));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::read_arrivals;
    use crate::report::Interval;
    use jiff::tz::TimeZone;

    /// Why a day of so many calls each hour is not forecast; `None` when it is.
    fn fault(calls: f64, aht_s: f64, runs: u16, first: Option<&str>) -> Option<AskedFault> {
        let hours = (0..24).map(|hour| format!("2026-11-22 {hour:02}:00,{calls}\n"));
        let csv: String = hours.collect();
        let interval: Interval = "1h".parse().unwrap();
        let target = "80/20".parse().unwrap();
        let asked = Asked {
            arrivals: read_arrivals(&csv, &TimeZone::UTC, interval).unwrap(),
            special_days: String::new(),
            first: first.map(|date| date.parse().unwrap()),
            // The same weekday is the last of them.
            days: 7,
            staff: Some(Question::new(0.0, 3_600.0, aht_s, target)),
            runs,
        };
        asked.answer().err()
    }

    #[test]
    fn a_plan_that_would_be_played_for_minutes_is_refused_before_it_is() {
        // A year of work for each caller: a hundred thousand agents.
        assert_eq!(fault(13.0, 31e6, 10, None), Some(AskedFault::TooMuch(0)));
        // 312 calls, and some 43 agents in each of 24 hours.
        let often = fault(13.0, 3_000.0, 1_000, None);
        assert_eq!(often, Some(AskedFault::TooMuch(961)));
        let often = fault(13.0, 10_800.0, 900, None);
        assert!(
            matches!(often, Some(AskedFault::TooMuch(250..=300))),
            "{often:?}"
        );
        assert_eq!(fault(13.0, 3_000.0, 1, None), None);
        let load = fault(600_000.0, 31e6, 0, None);
        assert!(matches!(load, Some(AskedFault::TooMuchLoad(_))), "{load:?}");
    }

    #[test]
    fn days_beyond_the_calendar_are_refused() {
        for first in ["9999-12-31", "-009999-01-01", "0001-01-01", "9999-12-28"] {
            let fault = fault(1.0, 60.0, 0, Some(first));
            assert_eq!(fault, Some(AskedFault::BeyondCalendar), "{first}");
        }
    }
}
