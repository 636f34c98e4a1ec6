//! A forecast as columns for people: the back-test, the days, the intervals, and what they mean.

use super::arrivals::date;
use super::staff::{PlayedPlan, StaffLine};
use super::told::{DEFINITIONS, Row};
use super::{Staffed, Told};
use crate::report::columns::write_columns;
use crate::report::period;
use ringdown_routing::forecast::Method;
use ringdown_routing::staffing;
use std::io::{self, Write};

/// What stands where nothing is known.
const NOTHING: &str = "–";

/// Prints it.
pub(super) fn print(
    told: &Told,
    staffed: Option<&Staffed>,
    out: &mut impl Write,
) -> io::Result<()> {
    let method = told.forecast.back_test.method;
    writeln!(
        out,
        "Arrivals by {} ({}), from {} days of the past; {}, {}",
        method.name(),
        method.formula(),
        told.days_known,
        told.interval,
        period::name(&told.zone),
    )?;
    for warning in told.warnings() {
        writeln!(out, "Beware: {warning}.")?;
    }
    if staffed.is_some_and(Staffed::is_patient) {
        writeln!(
            out,
            "Beware: no patience is given: the plan is Erlang C's, which over-staffs where callers hang up, and nobody \
             hangs up when it is played; give --patience."
        )?;
    }
    writeln!(out)?;
    print_back_test(told, out)?;
    writeln!(out)?;
    print_days(told, out)?;
    writeln!(out)?;
    print_intervals(told, staffed, out)?;
    if let Some(played) = staffed.and_then(Staffed::played_plan) {
        print_played(&played, out)?;
    }
    writeln!(out)?;
    for (field, formula) in DEFINITIONS {
        writeln!(out, "  {field:24} {formula}")?;
    }
    if staffed.is_some() {
        for definition in staffing::DEFINITIONS {
            writeln!(out, "  {:24} {}", definition.field, definition.formula)?;
        }
    }
    Ok(())
}

fn print_back_test(told: &Told, out: &mut impl Write) -> io::Result<()> {
    let back_test = &told.forecast.back_test;
    let head = ["held out", "actual"].map(str::to_owned);
    let names = Method::ALL.iter().map(|method| method.name().to_owned());
    let mut lines = vec![head.into_iter().chain(names).collect::<Vec<_>>()];
    for day in &back_test.days {
        let error = |error: f64| percent((day.actual > 0.0).then(|| error / day.actual));
        let mut line = vec![
            weekday_and_date(date(day.day)),
            format!("{:.0}", day.actual),
        ];
        line.extend(day.guesses.iter().map(|guess| error(guess.absolute_error)));
        lines.push(line);
    }
    let mut all = vec!["weighted absolute error".to_owned(), String::new()];
    let scores = back_test.scores.iter();
    all.extend(scores.map(|score| percent(score.weighted_absolute_error)));
    lines.push(all);
    write_columns(&lines, 1, out)
}

fn print_days(told: &Told, out: &mut impl Write) -> io::Result<()> {
    let mut lines = vec![["day", "", "expected"].map(str::to_owned).to_vec()];
    for day in &told.forecast.days {
        let special = day.special.as_ref().map_or_else(String::new, |special| {
            format!("{} x {:.2}", special.name, day.factor)
        });
        lines.push(vec![
            weekday_and_date(date(day.day)),
            special,
            figure(day.total()),
        ]);
    }
    write_columns(&lines, 2, out)
}

fn print_intervals(told: &Told, staffed: Option<&Staffed>, out: &mut impl Write) -> io::Result<()> {
    let mut head = vec!["interval", "expected", "low", "high"];
    if staffed.is_some() {
        head.extend([
            "C agents",
            "A agents",
            "scheduled",
            "SL A_T/O",
            "abandon",
            "occupancy",
            "played: SL A_T/O",
            "abandon",
        ]);
    }
    let mut lines = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for (place, row) in told.rows.iter().enumerate().filter(|(_, row)| is_told(row)) {
        let start = period::local(row.span.from, &told.zone).replace('T', " ");
        let mut line = vec![
            start.chars().take(16).collect(),
            figure(row.expected.map(|slot| slot.expected)),
            figure(row.expected.map(|slot| slot.low)),
            figure(row.expected.map(|slot| slot.high)),
        ];
        if let Some(staffed) = staffed {
            let staff = StaffLine::of(staffed.answer(place));
            let played = staffed.played(place);
            line.extend([
                count(staff.agents_c),
                count(staff.agents_a),
                count(staff.scheduled),
                percent(staff.service_level),
                percent(staff.abandon_rate),
                percent(staff.occupancy),
                percent(played.and_then(|played| played.service_level.negative)),
                percent(played.and_then(|played| played.abandon_rate)),
            ]);
        }
        lines.push(line);
    }
    write_columns(&lines, 1, out)
}

fn print_played(played: &PlayedPlan, out: &mut impl Write) -> io::Result<()> {
    let level = played.service_level_negative;
    let within = level
        .and_then(|level| level.within)
        .map_or_else(String::new, |within| format!(" +- {:.1}", within * 100.0));
    writeln!(
        out,
        "\nPlayed {} times by the real policy: {}{within} answered in time, {} hung up, occupancy {}",
        played.runs,
        percent(level.map(|level| level.mean)),
        percent(played.total.abandon_rate),
        percent(played.total.occupancy),
    )
}

/// Intervals in which nobody is expected would only hide the others.
fn is_told(row: &Row) -> bool {
    row.expected.is_some_and(|slot| slot.high > 0.0)
}

fn weekday_and_date(date: jiff::civil::Date) -> String {
    date.strftime("%a %Y-%m-%d").to_string()
}

fn count<T: ToString>(figure: Option<T>) -> String {
    figure.map_or_else(|| NOTHING.to_owned(), |figure| figure.to_string())
}

fn figure(figure: Option<f64>) -> String {
    figure.map_or_else(|| NOTHING.to_owned(), |figure| format!("{figure:.1}"))
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(
        || NOTHING.to_owned(),
        |share| format!("{:.1} %", share * 100.0),
    )
}
