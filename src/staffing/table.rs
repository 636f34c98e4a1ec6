//! Staff as columns for people: Erlang C and Erlang A side by side, around the agents they take.

use super::{PATIENCE_TAKEN_S, Told};
use crate::report::columns::write_columns;
use ringdown_routing::staffing::{Answer, DEFINITIONS, ImpatientStaff, PatientStaff, Question};
use std::io::{self, Write};

/// Rows shown above and below the agents that are wanted.
const AROUND: u32 = 3;

/// What stands where nothing was there to divide by.
const NOTHING: &str = "–";

/// Prints the question, the rows, what else was asked for, and the formulas. Erlang C is never shown alone: where no
/// patience is known, Erlang A stands beside it by one that is taken, and said to be.
pub(super) fn print(told: Told<'_>, out: &mut impl Write) -> io::Result<()> {
    let taken = told.question.patience_s.is_none().then(|| Question {
        patience_s: Some(PATIENCE_TAKEN_S),
        ..told.question.clone()
    });
    let answered = taken.as_ref().and_then(|taken| taken.answer().ok());
    match taken.as_ref().zip(answered.as_ref()) {
        None => print_told(told, Patience::Known, out),
        Some((question, answer)) => {
            let told = Told {
                question,
                answer,
                ..told
            };
            print_told(told, Patience::Taken, out)
        }
    }
}

/// Where the patience of Erlang A comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    Known,
    Taken,
}

fn print_told(told: Told<'_>, patience: Patience, out: &mut impl Write) -> io::Result<()> {
    let Told {
        question, answer, ..
    } = told;
    writeln!(
        out,
        "{} contacts in {} s, AHT {} s, target {} % within {} s: {:.2} erlang",
        question.calls,
        question.interval_s,
        question.aht_s,
        question.target.share * 100.0,
        question.target.threshold_s,
        answer.load_erlang,
    )?;
    print_patience(told, patience, out)?;
    writeln!(out)?;
    write_columns(&rows(question, answer), 0, out)?;
    if let Some(explanation) = &answer.erlang_c.explanation {
        writeln!(out, "\nUnstable without hang-ups: {explanation}")?;
    }
    if patience == Patience::Taken {
        writeln!(
            out,
            "\nErlang C takes callers for endlessly patient and over-staffs when they hang up. How many do hangs on their \
             patience: measure it (--patience-from) or give it (--patience)."
        )?;
    }
    print_others(answer, out)?;
    writeln!(out)?;
    for definition in DEFINITIONS {
        writeln!(out, "  {:29} {}", definition.field, definition.formula)?;
    }
    Ok(())
}

fn print_patience(told: Told<'_>, patience: Patience, out: &mut impl Write) -> io::Result<()> {
    if let Some(patience_s) = told.question.patience_s {
        write!(out, "Mean patience {patience_s:.1} s")?;
        match told.patience {
            Some(from) => {
                write!(
                    out,
                    " by Kaplan-Meier from {} who left and {} who were answered; {} went elsewhere or wait still",
                    from.abandoned, from.answered, from.gone
                )?;
                match from.resolution_ms {
                    1 => writeln!(out)?,
                    more => writeln!(out, " (waits told to {more} ms)")?,
                }
            }
            None if patience == Patience::Taken => {
                writeln!(out, ", which is an assumption: none was given")?;
            }
            None => writeln!(out)?,
        }
    }
    for share in &told.question.shrinkage {
        writeln!(out, "Shrinkage {:.1} %", share * 100.0)?;
    }
    Ok(())
}

fn print_others(answer: &Answer, out: &mut impl Write) -> io::Result<()> {
    if let Some(retrying) = &answer.erlang_x {
        writeln!(
            out,
            "\nErlang X, when those who gave up call again: {} agents, {} on the roster; {} attempts a contact, \
             {} of the attempts abandoned, {} answered in time (A_T/O), {} of the callers never answered",
            retrying.attempt.agents,
            retrying.attempt.scheduled,
            figure(retrying.attempts_each),
            percent(retrying.attempt.abandon_rate),
            percent(retrying.attempt.service_level.negative),
            percent(retrying.lost_share),
        )?;
    }
    if let Some(backlog) = &answer.deadline {
        writeln!(
            out,
            "\n{} that lie there and all that come in, each within {} s: {} agents, {} on the roster; the last waits {:.0} s{}",
            backlog.backlog,
            backlog.deadline_s,
            backlog.agents,
            backlog.scheduled,
            backlog.longest_wait_s,
            if backlog.met {
                ""
            } else {
                ": the deadline is missed"
            },
        )?;
    }
    Ok(())
}

fn rows(question: &Question, answer: &Answer) -> Vec<Vec<String>> {
    let wanted: Vec<u32> = [
        Some(answer.erlang_c.agents),
        answer.erlang_a.as_ref().map(|a| a.agents),
    ]
    .into_iter()
    .flatten()
    .collect();
    let first = wanted
        .iter()
        .min()
        .copied()
        .unwrap_or(0)
        .saturating_sub(AROUND)
        .max(1);
    let last = wanted.iter().max().copied().unwrap_or(0) + AROUND;
    let mut lines = vec![head(answer)];
    for agents in first..=last {
        let at = Question {
            agents: Some(agents),
            retrial: None,
            deadline: None,
            ..question.clone()
        };
        if let Ok(at) = at.answer() {
            let mut line = row(&at);
            let mut marks = Vec::new();
            if question.agents.is_none() && answer.erlang_c.agents == agents {
                marks.push("Erlang C");
            }
            if question.agents.is_none()
                && answer.erlang_a.as_ref().is_some_and(|a| a.agents == agents)
            {
                marks.push("Erlang A");
            }
            if question.agents == Some(agents) {
                marks.push("asked");
            }
            if !marks.is_empty() {
                line.push(format!("<- {}", marks.join(", ")));
            }
            lines.push(line);
        }
    }
    lines
}

fn head(answer: &Answer) -> Vec<String> {
    let common = ["agents", "scheduled"];
    let patient = ["C: waits", "SL", "ASA s", "p90 s", "occupancy"];
    let impatient = [
        "A: waits",
        "SL A_T/O",
        "(A_T+B_T)/O",
        "A_T/(O-B_T)",
        "A_T/A",
        "abandon",
        "wait s",
        "p90 s",
        "occupancy",
    ];
    let impatient = impatient.iter().filter(|_| answer.erlang_a.is_some());
    let words = common.iter().chain(&patient).chain(impatient);
    words.map(|word| (*word).to_owned()).collect()
}

fn row(answer: &Answer) -> Vec<String> {
    let patient = &answer.erlang_c;
    let mut line = vec![patient.agents.to_string(), patient.scheduled.to_string()];
    line.extend(patient_cells(patient));
    if let Some(impatient) = &answer.erlang_a {
        line.extend(impatient_cells(impatient));
    }
    line
}

fn patient_cells(staff: &PatientStaff) -> Vec<String> {
    if !staff.stable {
        let grows = std::iter::once("grows").chain(std::iter::repeat_n(NOTHING, 4));
        return grows.map(str::to_owned).collect();
    }
    vec![
        percent(staff.probability_of_wait),
        percent(staff.service_level),
        figure(staff.asa_s),
        figure(staff.wait_percentiles_s.p90),
        percent(staff.occupancy),
    ]
}

fn impatient_cells(staff: &ImpatientStaff) -> Vec<String> {
    let level = &staff.service_level;
    vec![
        percent(staff.probability_of_wait),
        percent(level.negative),
        percent(level.positive),
        percent(level.ignored),
        percent(level.handled),
        percent(staff.abandon_rate),
        figure(staff.mean_wait_s),
        figure(staff.wait_percentiles_s.p90),
        percent(staff.occupancy),
    ]
}

fn figure(figure: Option<f64>) -> String {
    figure.map_or_else(|| NOTHING.to_owned(), |figure| format!("{figure:.2}"))
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(
        || NOTHING.to_owned(),
        |share| format!("{:.1} %", share * 100.0),
    )
}
