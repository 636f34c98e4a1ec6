//! Expected contacts from a table: `queue,at_s,contacts`, one line an interval.

use ringdown_routing::simulation::WhatIf;
use serde::Deserialize;
use std::io::Read;

/// Most intervals of one demand: five-minute intervals of ten years.
const INTERVALS_MAX: usize = 1_051_200;

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArrivalsFault {
    /// A line is not as it must be.
    #[error("{0}")]
    Table(#[from] csv::Error),
    /// A line fits no demand.
    #[error("line {line}: {sentence}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        sentence: String,
    },
}

/// One line.
#[derive(Debug, Deserialize)]
struct Row {
    queue: String,
    /// When the interval begins.
    at_s: i64,
    contacts: f64,
}

/// Replaces the arrivals of every demand whose queue the table names, by the demand's own intervals.
pub fn fill(what_if: &mut WhatIf, table: impl Read) -> Result<(), ArrivalsFault> {
    let mut filled = vec![false; what_if.demand.len()];
    let mut rows = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(table);
    let headers = rows.headers()?.clone();
    let mut record = csv::StringRecord::new();
    while rows.read_record(&mut record)? {
        let line = record.position().map_or(0, csv::Position::line);
        let fault = |sentence: String| ArrivalsFault::Line { line, sentence };
        let row: Row = record.deserialize(Some(&headers))?;
        let found = (what_if.demand.iter_mut().zip(&mut filled))
            .find(|(demand, _)| demand.queue == row.queue);
        let Some((demand, is_filled)) = found else {
            return Err(fault(format!("no demand is of the queue `{}`", row.queue)));
        };
        if !std::mem::replace(is_filled, true) {
            demand.arrivals.clear();
        }
        let offset = row.at_s - demand.from_s;
        let place = (offset.checked_div(demand.interval_s))
            .filter(|_| offset.checked_rem(demand.interval_s) == Some(0))
            .and_then(|place| usize::try_from(place).ok())
            .filter(|place| *place < INTERVALS_MAX);
        let Some(place) = place else {
            let sentence = format!(
                "at_s {} begins no interval of {} s from {}",
                row.at_s, demand.interval_s, demand.from_s
            );
            return Err(fault(sentence));
        };
        if demand.arrivals.len() <= place {
            demand.arrivals.resize(place + 1, 0.0);
        }
        demand.arrivals[place] += row.contacts;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn what_if() -> WhatIf {
        serde_json::from_value(json!({
            "queues": [{"id": "Q"}],
            "demand": [{"queue": "Q", "from_s": 3600, "arrivals": [9], "talk": {"constant": 9}}],
        }))
        .unwrap()
    }

    #[test]
    fn a_table_takes_the_place_of_the_arrivals() {
        let mut what_if = what_if();
        let table = "queue,at_s,contacts\nQ, 7200, 12.5\n# lunch\nQ,3600,4\nQ,3600,1\n";
        fill(&mut what_if, table.as_bytes()).unwrap();
        assert_eq!(what_if.demand[0].arrivals, [5.0, 0.0, 12.5]);
    }

    #[test]
    fn lines_that_fit_nothing_are_told_by_their_number() {
        for (line, sentence) in [
            ("X,3600,1", "line 3: no demand is of the queue `X`"),
            (
                "Q,3601,1",
                "line 3: at_s 3601 begins no interval of 1800 s from 3600",
            ),
            (
                "Q,0,1",
                "line 3: at_s 0 begins no interval of 1800 s from 3600",
            ),
        ] {
            let table = format!("queue,at_s,contacts\nQ,3600,1\n{line}\n");
            let fault = fill(&mut what_if(), table.as_bytes()).unwrap_err();
            assert_eq!(fault.to_string(), sentence);
        }
        let fault = fill(&mut what_if(), "queue,at_s,contacts\nQ,soon,1\n".as_bytes());
        assert!(fault.unwrap_err().to_string().contains("line: 2"));
    }
}
