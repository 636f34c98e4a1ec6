//! Staffing as it is asked and told: times and shares as people write them, tables and JSON.
//!
//! Every figure comes out of `routing::staffing`; nothing is computed here. Erlang C never stands alone
//! where the callers' patience is known, and the formulas are printed beside the figures.

mod table;
mod waits;
mod words;

pub use waits::waits;
pub use words::{Seconds, Share};

use ringdown_routing::staffing::{Answer, DEFINITIONS, Patience, Question};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Mean patience that people are shown Erlang A by where none is known, in seconds, and told to be an assumption.
pub const PATIENCE_TAKEN_S: f64 = 180.0;

/// How staff is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Both models side by side, around the staff they take.
    #[default]
    Table,
    /// One document.
    Json,
}

/// A question with its answer.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// What was asked.
    pub question: &'a Question,
    /// The staff it takes.
    pub answer: &'a Answer,
    /// Where the patience comes from, when it was estimated.
    pub patience: Option<&'a Patience>,
}

/// The shape of `staff --format json` and of `POST /api/v1/staffing`.
#[derive(Clone, Debug, Serialize)]
pub struct JsonStaff<'a> {
    #[serde(flatten)]
    answer: &'a Answer,
    question: &'a Question,
    #[serde(skip_serializing_if = "Option::is_none")]
    patience: Option<&'a Patience>,
    definitions: BTreeMap<&'static str, &'static str>,
}

impl<'a> Told<'a> {
    /// Puts it into that shape.
    pub fn to_json(self) -> JsonStaff<'a> {
        JsonStaff {
            answer: self.answer,
            question: self.question,
            patience: self.patience,
            definitions: DEFINITIONS
                .iter()
                .map(|definition| (definition.field, definition.formula))
                .collect(),
        }
    }

    /// Prints it; a reader who has seen enough (`| head`) is no fault.
    pub fn print(self, format: Format, out: &mut impl Write) -> io::Result<()> {
        let printed = match format {
            Format::Table => table::print(self, out),
            Format::Json => serde_json::to_writer_pretty(&mut *out, &self.to_json())
                .map_err(io::Error::from)
                .and_then(|()| writeln!(out)),
        };
        match printed.and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringdown_routing::staffing::Wait;

    fn printed(question: &Question, format: Format) -> String {
        let answer = question.answer().unwrap();
        let told = Told {
            question,
            answer: &answer,
            patience: None,
        };
        let mut out = Vec::new();
        told.print(format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn question() -> Question {
        Question {
            patience_s: Some(180.0),
            shrinkage: vec![0.3],
            ..Question::new(75.0, 1_800.0, 240.0, "80/20".parse().unwrap())
        }
    }

    #[test]
    fn the_table_shows_both_models_around_the_staff_they_take() {
        let text = printed(&question(), Format::Table);
        let line = |agents: &str| {
            let line = text
                .lines()
                .find(|line| line.trim_start().starts_with(agents));
            line.unwrap_or_else(|| panic!("{agents}: {text}"))
                .to_owned()
        };
        assert!(line("14 ").ends_with("<- Erlang C"), "{text}");
        assert!(line("13 ").ends_with("<- Erlang A"), "{text}");
        assert!(line("10 ").contains("grows"), "{text}");
        assert!(text.contains("10.00 erlang") && text.contains("C = nB / (n - a(1-B))"));
    }

    #[test]
    fn where_no_patience_is_known_erlang_a_is_shown_by_one_that_is_said_to_be_taken() {
        let unknown = Question {
            patience_s: None,
            ..question()
        };
        let text = printed(&unknown, Format::Table);
        assert!(
            text.contains("Mean patience 180.0 s, which is an assumption"),
            "{text}"
        );
        assert!(
            text.contains("abandon") && text.contains("<- Erlang A"),
            "{text}"
        );
        let json: serde_json::Value =
            serde_json::from_str(&printed(&unknown, Format::Json)).unwrap();
        assert!(
            json.get("erlang_a").is_none(),
            "a document has what was asked for"
        );
        assert!(!printed(&question(), Format::Table).contains("assumption"));
    }

    #[test]
    fn patience_by_waits_that_are_not_told_to_the_millisecond_is_said_to_be_so() {
        let question = question();
        let answer = question.answer().unwrap();
        let exact = Patience::estimate([Wait::abandoned(1_000), Wait::answered(2_000)]);
        let coarse = Patience {
            resolution_ms: 4,
            ..exact.clone()
        };
        let printed = |patience| {
            let mut out = Vec::new();
            let told = Told {
                question: &question,
                answer: &answer,
                patience: Some(patience),
            };
            told.print(Format::Table, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert!(printed(&coarse).contains("(waits told to 4 ms)"));
        assert!(!printed(&exact).contains("waits told to"));
        assert!(!serde_json::to_string(&exact).unwrap().contains("_ms"));
    }

    #[test]
    fn those_who_call_again_are_told_with_what_share_of_attempts_is_abandoned() {
        let again = Question {
            retrial: Some(0.5),
            ..question()
        };
        let told = printed(&again, Format::Table);
        let share = again
            .answer()
            .unwrap()
            .erlang_x
            .unwrap()
            .attempt
            .abandon_rate
            .unwrap();
        let share = format!("{:.1} % of the attempts abandoned", share * 100.0);
        assert!(told.contains(&share), "{told}");
    }

    #[test]
    fn json_carries_question_answer_and_formulas() {
        let json: serde_json::Value =
            serde_json::from_str(&printed(&question(), Format::Json)).unwrap();
        assert_eq!(json["erlang_c"]["agents"], 14);
        assert_eq!(json["question"]["aht_s"], 240.0);
        assert_eq!(json["definitions"]["erlang_c.occupancy"], "a / n");
        assert!(json.get("patience").is_none());
    }
}
