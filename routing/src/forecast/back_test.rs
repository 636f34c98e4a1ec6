//! The rolling back-test: each held-out day is guessed from the days before it alone, by every method.

use super::history::{Day, History, Profile, median};
use super::method::Method;
use serde::Serialize;

/// Most ordinary days that are held out, the latest ones: four weeks.
const HELD_OUT_MAX: usize = 28;

/// With fewer days held out nothing is known, and the default stays.
const HELD_OUT_MIN: usize = 5;

/// Same weekdays there must be before a day for it to be held out.
const WEEKS_BEFORE_MIN: i32 = 4;

/// Slots from which the spread is taken; with fewer, arrivals are taken for Poisson's.
const RESIDUALS_MIN: usize = 48;

/// The spread of Poisson's arrivals: the standard normal's 10 % and 90 %.
const POISSON: Spread = Spread {
    low: -1.281_551_565_544_6,
    high: 1.281_551_565_544_6,
};

/// What the back-test says.
#[derive(Clone, Debug, PartialEq)]
pub struct BackTest {
    /// The method to be used: the default, or the best of those that beat it.
    pub method: Method,
    /// How good each method was, the default first.
    pub scores: Vec<Score>,
    /// The days held out, in order.
    pub days: Vec<HeldOut>,
    /// How far arrivals lie from the method's guess.
    pub(super) spread: Spread,
}

/// How good a method was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Score {
    /// The method.
    pub method: Method,
    /// Weighted absolute error: sum |actual - guess| / sum actual, over all slots of all held-out days;
    /// `None` when nothing was held out or nobody came.
    pub weighted_absolute_error: Option<f64>,
    /// Days held out.
    pub days: usize,
}

/// One held-out day.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldOut {
    /// The day.
    pub day: Day,
    /// What came in.
    pub actual: f64,
    /// By method in the order of [`Method::ALL`]: what was guessed, and the sum of the slots' errors.
    pub guesses: Vec<Guess>,
}

/// A method's guess of a held-out day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guess {
    /// All arrivals of the day.
    pub expected: f64,
    /// Sum over its slots of |actual - guess|.
    pub absolute_error: f64,
}

/// How far arrivals lie from their guess in four days of five, in units of the guess's square root.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl BackTest {
    /// Holds out the latest days of a history, one after the other.
    pub fn of(history: &History) -> Self {
        let end = history.next_day().unwrap_or(Day::new(0));
        let mut held_out: Vec<(Day, &Profile)> = history
            .ordinary_before(end)
            .filter(|(day, _)| has_weeks_before(history, *day))
            .take(HELD_OUT_MAX)
            .collect();
        held_out.reverse();
        let days: Vec<HeldOut> = held_out
            .iter()
            .map(|(day, actual)| hold_out(history, *day, actual))
            .collect();
        let scores: Vec<Score> = Method::ALL
            .iter()
            .enumerate()
            .map(|(place, method)| score(*method, place, &days))
            .collect();
        let method = best(&scores);
        Self {
            method,
            spread: spread(history, &held_out, method),
            scores,
            days,
        }
    }
}

fn has_weeks_before(history: &History, day: Day) -> bool {
    let first = day.plus(-7 * WEEKS_BEFORE_MIN);
    history
        .ordinary_before(first.plus(1))
        .any(|(past, _)| past.weekday() == day.weekday())
}

fn hold_out(history: &History, day: Day, actual: &Profile) -> HeldOut {
    let guesses = Method::ALL
        .iter()
        .map(|method| {
            let guess = method.guess(history, day, day);
            let pairs = || pairs(actual, guess.as_ref());
            Guess {
                expected: pairs().map(|(_, guess)| guess).sum(),
                absolute_error: pairs().map(|(actual, guess)| (actual - guess).abs()).sum(),
            }
        })
        .collect();
    HeldOut {
        day,
        actual: actual.iter().flatten().sum(),
        guesses,
    }
}

fn score(method: Method, place: usize, days: &[HeldOut]) -> Score {
    let actual: f64 = days.iter().map(|day| day.actual).sum();
    let error: f64 = days
        .iter()
        .filter_map(|day| day.guesses.get(place))
        .map(|guess| guess.absolute_error)
        .sum();
    Score {
        method,
        weighted_absolute_error: (actual > 0.0).then(|| error / actual),
        days: days.len(),
    }
}

/// The default, unless another was better; of several the best.
fn best(scores: &[Score]) -> Method {
    let mut best: Option<Score> = None;
    for score in scores.iter().filter(|score| score.days >= HELD_OUT_MIN) {
        let (Some(error), before) = (
            score.weighted_absolute_error,
            best.and_then(|best| best.weighted_absolute_error),
        ) else {
            continue;
        };
        if before.is_none_or(|before| error < before) {
            best = Some(*score);
        }
    }
    best.map_or(Method::Median, |best| best.method)
}

fn spread(history: &History, held_out: &[(Day, &Profile)], method: Method) -> Spread {
    let mut residuals = Vec::new();
    for (day, actual) in held_out {
        let guess = method.guess(history, *day, *day);
        // Where nobody is expected nothing is to be spread, and many such nights would hide the days.
        residuals.extend(
            pairs(actual, guess.as_ref())
                .filter(|(_, guess)| *guess > 0.0)
                .map(|(actual, guess)| (actual - guess) / unit(guess)),
        );
    }
    if residuals.len() < RESIDUALS_MIN {
        return POISSON;
    }
    residuals.sort_unstable_by(f64::total_cmp);
    let last = residuals.len() - 1;
    Spread {
        low: residuals[last / 10].min(0.0),
        high: residuals[last - last / 10].max(0.0),
    }
}

/// The square root of what is expected, at least one: the standard deviation of Poisson's arrivals.
pub(super) fn unit(expected: f64) -> f64 {
    expected.max(1.0).sqrt()
}

fn pairs<'a>(
    actual: &'a Profile,
    guess: Option<&'a Profile>,
) -> impl Iterator<Item = (f64, f64)> + 'a {
    let guess = guess.into_iter().flatten();
    actual
        .iter()
        .zip(guess)
        .filter_map(|(actual, guess)| actual.zip(*guess))
}

/// What comes in on a special day as a share of an ordinary one: as told, else the median of the past
/// days of its name, else of all past special days; `None` when there were none.
pub(super) fn special_factor(history: &History, day: Day) -> Option<f64> {
    let special = history.special(day)?;
    if special.factor.is_some() {
        return special.factor;
    }
    let share = |past: Day| {
        let actual = history.profile(past)?;
        let guess = Method::Median.guess(history, past, past)?;
        let (came, usual) = pairs(actual, Some(&guess))
            .fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
        (usual > 0.0).then(|| came / usual)
    };
    let of = |same_name: bool| {
        let mut shares: Vec<f64> = history
            .special_before(day)
            .filter(|(_, past)| !same_name || past.name == special.name)
            .filter_map(|(past, _)| share(past))
            .collect();
        median(&mut shares)
    };
    of(true).or_else(|| of(false))
}
