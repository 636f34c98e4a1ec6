//! Forecasts through their door: a past in, the days to come out.

use proptest::prelude::*;
use ringdown_routing::forecast::{BackTest, Day, Forecast, History, Method, Special};

/// 2026-11-23, a Monday.
const MONDAY: Day = Day::new(20_780);
const SLOTS: usize = 4;

/// So many weeks up to Monday, each slot as `arrivals(weeks before Monday, weekday, slot)` says.
fn past(weeks: i32, arrivals: impl Fn(i32, i32, usize) -> f64) -> History {
    let mut history = History::new(SLOTS);
    for week in 1..=weeks {
        for weekday in 0..7 {
            for slot in 0..SLOTS {
                let day = MONDAY.plus(weekday - 7 * week);
                history.set(day, slot, arrivals(week, weekday, slot));
            }
        }
    }
    history
}

/// Every weekday and slot has its own usual level.
fn usual(weekday: i32, slot: usize) -> f64 {
    f64::from(100 - 10 * weekday) + 5.0 * slot as f64
}

fn steady(week: i32, weekday: i32, slot: usize) -> f64 {
    // A little to and fro, which the median looks through.
    usual(weekday, slot) + f64::from((week * 7 + weekday) % 3 - 1)
}

fn expected(forecast: &Forecast, later: usize) -> Vec<f64> {
    let slots = forecast.days[later].slots.iter();
    slots
        .map(|slot| slot.expect("it is known").expected)
        .collect()
}

#[test]
fn the_default_is_the_median_of_the_last_eight_same_weekdays() {
    let history = past(10, |week, weekday, slot| match week {
        // Older than eight weeks: it must not count.
        9.. => 1_000.0,
        // Four low and four high: the median is between.
        _ => usual(weekday, slot) + if week % 2 == 0 { 4.0 } else { -2.0 },
    });
    assert_eq!(MONDAY.weekday(), 0);
    let forecast = Forecast::of(&history, MONDAY, 7);
    assert_eq!(forecast.back_test.method, Method::Median);
    for later in 0..7_i32 {
        let levels: Vec<f64> = (0..SLOTS).map(|slot| usual(later, slot) + 1.0).collect();
        assert_eq!(
            expected(&forecast, usize::try_from(later).expect("small")),
            levels
        );
    }
}

#[test]
fn a_storm_moves_nothing_and_a_holiday_is_taken_out() {
    let mut history = past(8, |week, weekday, slot| match (week, weekday) {
        (3, 2) => 4.0 * usual(2, slot),
        (1..=4, 5) => 0.0,
        _ => steady(week, weekday, slot),
    });
    for week in 1..=4 {
        let day = MONDAY.plus(5 - 7 * week);
        history.mark(
            day,
            Special {
                name: "closed".to_owned(),
                factor: None,
            },
        );
    }
    let forecast = Forecast::of(&history, MONDAY, 7);
    assert!(
        (expected(&forecast, 2)[0] - usual(2, 0)).abs() <= 1.0,
        "the storm"
    );
    assert!(
        (expected(&forecast, 5)[0] - usual(5, 0)).abs() <= 1.0,
        "the holidays"
    );
}

#[test]
fn special_days_are_as_told_or_as_those_before_them() {
    let mut history = past(12, |week, weekday, slot| match (week, weekday) {
        (2, 3) => 0.25 * usual(3, slot),
        _ => usual(weekday, slot),
    });
    let mark = |history: &mut History, later: i32, name: &str, factor| {
        let special = Special {
            name: name.to_owned(),
            factor,
        };
        history.mark(MONDAY.plus(later), special);
    };
    mark(&mut history, 3 - 14, "outing", None);
    mark(&mut history, 0, "outing", None);
    mark(&mut history, 1, "campaign", Some(1.5));
    mark(&mut history, 2, "closed", Some(0.0));
    let forecast = Forecast::of(&history, MONDAY, 3);
    assert_eq!(
        expected(&forecast, 0)[0],
        0.25 * usual(0, 0),
        "as the outing before"
    );
    assert_eq!(expected(&forecast, 1)[0], 1.5 * usual(1, 0));
    assert_eq!(expected(&forecast, 2), [0.0; SLOTS]);
    assert!(forecast.days.iter().all(|day| day.is_factor_known));
    let mut unknown = past(8, |_, weekday, slot| usual(weekday, slot));
    mark(&mut unknown, 0, "first of its kind", None);
    let forecast = Forecast::of(&unknown, MONDAY, 1);
    assert!(!forecast.days[0].is_factor_known);
    assert_eq!(
        expected(&forecast, 0)[0],
        usual(0, 0),
        "taken for an ordinary day"
    );
}

#[test]
fn another_method_is_used_only_where_it_beats_the_median() {
    let growing = past(16, |week, weekday, slot| {
        usual(weekday, slot) * (1.0 - 0.03 * f64::from(week))
    });
    let test = BackTest::of(&growing);
    assert_eq!(test.method, Method::Trend);
    let error = |method| {
        let score = test.scores.iter().find(|score| score.method == method);
        score
            .and_then(|score| score.weighted_absolute_error)
            .expect("a score")
    };
    assert!(error(Method::Trend) < 0.02 && error(Method::Median) > 0.1);
    let forecast = Forecast::of(&growing, MONDAY, 1);
    assert!((expected(&forecast, 0)[0] / usual(0, 0) - 1.0).abs() < 0.02);

    let moved = past(12, |week, weekday, slot| {
        usual(weekday, slot) * if week <= 5 { 1.7 } else { 1.0 }
    });
    assert_eq!(
        BackTest::of(&moved).method,
        Method::LastWeek,
        "a step four weeks ago"
    );
    assert_eq!(BackTest::of(&past(12, steady)).method, Method::Median);
}

#[test]
fn the_back_test_never_looks_ahead() {
    let whole = past(12, steady);
    let told = BackTest::of(&whole);
    let held_out = told.days.first().expect("days are held out");
    // The same past, with nonsense from that day on.
    let before = past(12, |week, weekday, slot| {
        let day = MONDAY.plus(weekday - 7 * week);
        if day < held_out.day {
            steady(week, weekday, slot)
        } else {
            9_999.0
        }
    });
    let other = BackTest::of(&before);
    let guesses = |test: &BackTest| -> Vec<f64> {
        let same = test.days.iter().find(|day| day.day == held_out.day);
        same.expect("the same day")
            .guesses
            .iter()
            .map(|guess| guess.expected)
            .collect()
    };
    assert_eq!(guesses(&told), guesses(&other));
}

#[test]
fn four_intervals_of_five_lie_within_the_spread() {
    let mut chance = 1_u64;
    let mut noise = move || {
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        // The sum of twelve even draws is nearly normal, with deviation 1.
        (0..12)
            .map(|bits| ((chance >> (bits * 5 + 3)) & 31) as f64 / 31.0)
            .sum::<f64>()
            - 6.0
    };
    let mut draws = Vec::new();
    for _ in 0..14 * 7 * SLOTS {
        draws.push(noise());
    }
    let history = past(14, |week, weekday, slot| {
        let place = (usize::try_from(week).expect("small") * 7
            + usize::try_from(weekday).expect("small"))
            * SLOTS
            + slot;
        let usual = usual(weekday, slot);
        // The line is closed for half of the day, which must not make the other half look certain.
        if slot >= SLOTS / 2 {
            return 0.0;
        }
        usual + 2.0 * usual.sqrt() * draws[place % draws.len()]
    });
    let forecast = Forecast::of(&history, MONDAY, 1);
    let slot = forecast.days[0].slots[0].expect("it is known");
    let unit = slot.expected.sqrt();
    let (down, up) = (
        (slot.expected - slot.low) / unit,
        (slot.high - slot.expected) / unit,
    );
    assert!(
        (1.8..3.6).contains(&down) && (1.8..3.6).contains(&up),
        "{down} {up}"
    );
}

#[test]
fn a_short_past_says_so_and_an_empty_one_nothing() {
    let short = past(2, steady);
    let forecast = Forecast::of(&short, MONDAY, 1);
    assert_eq!(forecast.back_test.method, Method::Median);
    assert!(forecast.back_test.days.is_empty());
    assert_eq!(forecast.back_test.scores[0].weighted_absolute_error, None);
    let slot = forecast.days[0].slots[0].expect("it is known");
    let poisson = 1.281_551_565_544_6 * slot.expected.sqrt();
    assert!(
        (slot.high - slot.expected - poisson).abs() < 1e-9,
        "Poisson's spread"
    );
    let nothing = Forecast::of(&History::new(SLOTS), MONDAY, 2);
    assert_eq!(nothing.days.len(), 2);
    assert!(nothing.days.iter().all(|day| day.total().is_none()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_order_of_telling_changes_nothing_and_bounds_enclose(levels in prop::collection::vec(0_u16..200, 84 * SLOTS), turn in 0_usize..84) {
        let tell = |turn: usize| {
            let mut history = History::new(SLOTS);
            for place in 0..84 {
                let place = (place + turn) % 84;
                let day = MONDAY.plus(i32::try_from(place).expect("small") - 84);
                for slot in 0..SLOTS {
                    history.set(day, slot, f64::from(levels[place * SLOTS + slot]));
                }
            }
            Forecast::of(&history, MONDAY, 7)
        };
        let forecast = tell(0);
        prop_assert_eq!(&forecast, &tell(turn));
        for slot in forecast.days.iter().flat_map(|day| &day.slots).flatten() {
            prop_assert!(0.0 <= slot.low && slot.low <= slot.expected && slot.expected <= slot.high);
        }
        let best = forecast.back_test.scores.iter().filter_map(|score| score.weighted_absolute_error).fold(f64::INFINITY, f64::min);
        let used = forecast.back_test.scores.iter().find(|score| score.method == forecast.back_test.method);
        prop_assert_eq!(used.and_then(|score| score.weighted_absolute_error), Some(best));
    }
}
