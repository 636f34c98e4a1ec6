//! The agents each interval of a forecast takes.

use super::Told;
use ringdown_routing::staffing::{Answer, Question, StaffingFault};

/// The staff of every interval, each by itself: no queue is carried over.
#[derive(Clone, Debug)]
pub struct Staffed {
    answers: Vec<Option<Answer>>,
}

impl Staffed {
    /// Asks the same question of every interval, with its own arrivals.
    pub fn plan(told: &Told, question: &Question) -> Result<Self, StaffingFault> {
        let answers = told.expected().map(|(expected, interval_s)| {
            let Some(calls) = expected else {
                return Ok(None);
            };
            let question = Question {
                calls,
                interval_s,
                ..question.clone()
            };
            question.answer().map(Some)
        });
        Ok(Self {
            answers: answers.collect::<Result<_, _>>()?,
        })
    }

    /// The staff of the interval at a place; `None` where no arrivals are forecast.
    pub(super) fn answer(&self, place: usize) -> Option<&Answer> {
        self.answers.get(place)?.as_ref()
    }
}

/// What is told of an interval's staff: by Erlang C, and by Erlang A where the patience is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StaffLine {
    pub(super) agents_c: Option<u32>,
    pub(super) agents_a: Option<u32>,
    pub(super) scheduled: Option<u64>,
    pub(super) service_level: Option<f64>,
    pub(super) abandon_rate: Option<f64>,
    pub(super) occupancy: Option<f64>,
}

impl StaffLine {
    /// Of an answer: roster and measures by Erlang A, else by Erlang C.
    pub(super) fn of(answer: Option<&Answer>) -> Self {
        let Some(answer) = answer else {
            return Self::default();
        };
        let patient = &answer.erlang_c;
        let agents_c = Some(patient.agents);
        match &answer.erlang_a {
            Some(impatient) => Self {
                agents_c,
                agents_a: Some(impatient.agents),
                scheduled: Some(impatient.scheduled),
                service_level: impatient.service_level.negative,
                abandon_rate: impatient.abandon_rate,
                occupancy: impatient.occupancy,
            },
            None => Self {
                agents_c,
                agents_a: None,
                scheduled: Some(patient.scheduled),
                service_level: patient.service_level,
                abandon_rate: None,
                occupancy: patient.occupancy,
            },
        }
    }
}
