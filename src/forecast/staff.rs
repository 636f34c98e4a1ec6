//! The agents each interval of a forecast takes, and what the whole plan does when it is rehearsed.

use super::Told;
use ringdown_routing::staffing::{
    Answer, Estimate, Plan, Question, Rehearsal, StaffingFault, Stretch,
};
use ringdown_routing::statistics::{Figures, ServiceLevel};
use serde::Serialize;

/// Seed of the rehearsals, so that the same forecast is told the same twice.
const SEED: u64 = 1;

/// The staff of every interval, each by itself, and the plan they make together.
#[derive(Clone, Debug)]
pub struct Staffed {
    answers: Vec<Option<Answer>>,
    rehearsed: Option<Rehearsed>,
}

/// A plan that was played.
#[derive(Clone, Debug)]
struct Rehearsed {
    runs: u16,
    rehearsal: Rehearsal,
}

/// What a rehearsal says of an interval, or of the whole plan.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Played {
    /// Contacts of a run, on average.
    pub(super) offered: f64,
    pub(super) service_level: ServiceLevel,
    pub(super) abandon_rate: Option<f64>,
    pub(super) asa_s: Option<f64>,
    pub(super) occupancy: Option<f64>,
}

/// The whole plan as it was played.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct PlayedPlan {
    pub(super) runs: u16,
    seed: u64,
    /// Mean over the runs of the negative service level, and what it may be off by.
    pub(super) service_level_negative: Option<Estimate>,
    pub(super) total: Played,
}

impl Played {
    fn of(figures: &Figures, runs: u16) -> Self {
        Self {
            offered: figures.counts.offered as f64 / f64::from(runs.max(1)),
            service_level: figures.service_level,
            abandon_rate: figures.abandon_rate,
            asa_s: figures.asa_s,
            occupancy: figures.occupancy,
        }
    }
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
            answers: answers.collect::<Result<Vec<_>, _>>()?,
            rehearsed: None,
        })
    }

    /// Plays the plan so many times.
    pub fn rehearsed(self, told: &Told, question: &Question, runs: u16) -> Self {
        let rehearsed = (runs > 0).then(|| Rehearsed {
            runs,
            rehearsal: rehearsable(told, &self.answers, question).rehearse(runs, SEED),
        });
        Self { rehearsed, ..self }
    }

    /// The agents that are played, of all intervals together.
    pub(super) fn agents(&self, question: &Question) -> f64 {
        let answers = self.answers.iter().flatten();
        answers
            .map(|answer| f64::from(played(answer, question)))
            .sum()
    }

    /// Whether nobody in it hangs up, because no patience is known.
    pub(super) fn is_patient(&self) -> bool {
        let mut answers = self.answers.iter().flatten();
        answers.any(|answer| answer.erlang_a.is_none())
    }

    /// What the rehearsal says of the interval at a place.
    pub(super) fn played(&self, place: usize) -> Option<Played> {
        let rehearsed = self.rehearsed.as_ref()?;
        let figures = rehearsed.rehearsal.stretches.get(place)?;
        Some(Played::of(figures, rehearsed.runs))
    }

    /// What it says of the whole plan.
    pub(super) fn played_plan(&self) -> Option<PlayedPlan> {
        let rehearsed = self.rehearsed.as_ref()?;
        Some(PlayedPlan {
            runs: rehearsed.runs,
            seed: SEED,
            service_level_negative: rehearsed.rehearsal.service_level,
            total: Played::of(&rehearsed.rehearsal.total, rehearsed.runs),
        })
    }

    /// The staff of the interval at a place; `None` where no arrivals are forecast.
    pub(super) fn answer(&self, place: usize) -> Option<&Answer> {
        self.answers.get(place)?.as_ref()
    }
}

/// The plan of the agents by Erlang A, or by Erlang C where no patience is known. Who handles several
/// contacts at once is played as that many who handle one.
fn rehearsable(told: &Told, answers: &[Option<Answer>], question: &Question) -> Plan {
    Plan {
        stretches: told
            .rows
            .iter()
            .zip(answers)
            .map(|(row, answer)| Stretch {
                from: row.span.from,
                to: row.span.to,
                calls: row.expected.map_or(0.0, |slot| slot.expected),
                agents: answer.as_ref().map_or(0, |answer| played(answer, question)),
            })
            .collect(),
        cell: told.interval.cell(),
        aht_s: question.aht_s,
        patience_s: question.patience_s,
        target: question.target,
    }
}

/// The agents of an interval as they are played.
fn played(answer: &Answer, question: &Question) -> u32 {
    let impatient = answer.erlang_a.as_ref().map(|it| it.agents);
    let agents = impatient.unwrap_or(answer.erlang_c.agents);
    agents.saturating_mul(question.concurrency)
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
