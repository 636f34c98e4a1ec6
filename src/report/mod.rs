//! Reports: the statistics of a period, cut by the desk's wall clock, as table, page, workbook, CSV or JSON.
//!
//! Every figure comes out of `routing::statistics`; nothing is computed here. The definitions are
//! printed beside the figures, always.

mod answers;
mod asked;
pub(crate) mod columns;
pub(crate) mod csv;
pub mod from_log;
mod html;
mod json;
pub mod period;
mod plot;
pub mod progress;
pub mod running;
mod settings;
mod table;
pub mod words;
mod xlsx;

pub use asked::{Asked, Part, Wish, WishFault};
pub use json::JsonReport;
pub use period::{Interval, Period, PeriodFault, Span};
pub(crate) use plot::escaped;
pub use settings::Settings;
pub use words::Words;

use crate::config::NotReadyReason;
use ringdown_routing::ids::{AgentId, QueueId};
use ringdown_routing::statistics::{
    AgentTime, Counts, Facet, Health, Ledger, Scope, Spread, Statistics, Tally,
};
use ringdown_routing::time::Timestamp;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// The statistics of one period.
#[derive(Clone, Debug)]
pub struct Report {
    /// The period and its intervals.
    pub period: Period,
    /// The instant up to which it is known.
    pub as_of: Timestamp,
    /// What part of the desk was asked for.
    pub scope: Scope,
    /// Each queue over the whole period.
    pub queues: BTreeMap<QueueId, (Tally, Spread)>,
    /// All of the scope over the whole period.
    pub total: Tally,
    /// How its times are spread.
    pub spread: Spread,
    /// Each queue in each interval, intervals first.
    pub rows: Vec<Row>,
    /// Each number, caller class and skill over the whole period.
    pub facets: BTreeMap<Facet, (Tally, Spread)>,
    /// Each agent over the whole period.
    pub agents: BTreeMap<AgentId, AgentTime>,
    /// Each agent's time not ready, by reason, in milliseconds.
    pub not_ready: BTreeMap<AgentId, BTreeMap<String, u64>>,
    /// What the configuration says of the reasons.
    pub reasons: Vec<NotReadyReason>,
    /// How sound the log was.
    pub health: Health,
    /// The period it is compared with.
    pub compared: Option<Compared>,
}

/// Another period beside the one that is reported.
#[derive(Clone, Debug)]
pub struct Compared {
    /// From when to when.
    pub whole: Span,
    /// Each queue over all of it.
    pub queues: BTreeMap<QueueId, (Tally, Spread)>,
    /// All of the scope over all of it.
    pub total: Tally,
    /// How its times are spread.
    pub spread: Spread,
}

/// One queue in one interval.
#[derive(Clone, Debug)]
pub struct Row {
    /// The interval.
    pub span: Span,
    /// The queue.
    pub queue: QueueId,
    /// Its sums.
    pub tally: Tally,
    /// How its times are spread.
    pub spread: Spread,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// One line per queue and interval, every field.
    Csv,
    /// One document.
    Json,
    /// One page with plots, for screen and paper.
    Html,
    /// A workbook.
    Xlsx,
}

impl Report {
    /// Reads a report out of the fold.
    pub fn of(statistics: &Statistics, period: Period, scope: Scope, as_of: Timestamp) -> Self {
        let whole = period.whole();
        let ledger = statistics.ledger(whole.from, whole.to, as_of);
        Self::of_ledger(&ledger, period, scope, statistics.health())
    }

    pub(crate) fn of_ledger(ledger: &Ledger, period: Period, scope: Scope, health: Health) -> Self {
        let whole = period.whole();
        let wanted: Vec<QueueId> = match &scope.queue {
            Some(queue) => vec![queue.clone()],
            None => ledger.queues().into_iter().collect(),
        };
        let in_queue = |queue: &QueueId| Scope {
            queue: Some(queue.clone()),
            channel: scope.channel,
        };
        let queues = wanted
            .iter()
            .map(|queue| {
                let scope = in_queue(queue);
                let tally = ledger.tally(whole.from, whole.to, &scope);
                let spread = ledger.spread(whole.from, whole.to, &scope);
                (queue.clone(), (tally, spread))
            })
            .collect();
        let mut rows = Vec::with_capacity(period.spans.len() * wanted.len());
        for span in &period.spans {
            for queue in &wanted {
                rows.push(Row {
                    span: *span,
                    queue: queue.clone(),
                    tally: ledger.tally(span.from, span.to, &in_queue(queue)),
                    spread: ledger.spread(span.from, span.to, &in_queue(queue)),
                });
            }
        }
        let facets = ledger
            .facets()
            .map(|facet| {
                let sums = ledger.of_facet(whole.from, whole.to, facet, &scope);
                (facet.clone(), sums)
            })
            .filter(|(_, (tally, _))| tally.counts != Counts::default())
            .collect();
        let not_ready = ledger.agents().into_iter().map(|agent| {
            let reasons = ledger.not_ready_by_reason(whole.from, whole.to, &agent);
            (agent, reasons)
        });
        let not_ready = not_ready.filter(|(_, reasons)| !reasons.is_empty());
        let not_ready = not_ready.collect();
        let agents = ledger
            .agents()
            .into_iter()
            .map(|agent| {
                let time = ledger.agent_time(whole.from, whole.to, &agent);
                (agent, time)
            })
            .collect();
        Self {
            as_of: ledger.as_of,
            total: ledger.tally(whole.from, whole.to, &scope),
            spread: ledger.spread(whole.from, whole.to, &scope),
            queues,
            rows,
            facets,
            agents,
            not_ready,
            reasons: Vec::new(),
            health,
            compared: None,
            period,
            scope,
        }
    }

    /// The same report with the configuration's word on why agents are not ready.
    pub fn with_reasons(mut self, reasons: &[NotReadyReason]) -> Self {
        self.reasons = reasons.to_vec();
        self
    }

    /// The same report with the totals of another beside its own.
    pub fn compared_with(mut self, other: Self) -> Self {
        self.compared = Some(Compared {
            whole: other.period.whole(),
            queues: other.queues,
            total: other.total,
            spread: other.spread,
        });
        self
    }

    /// Whether O = A + B + F + CB + still waiting holds in the total and in every row.
    pub fn is_conserved(&self) -> bool {
        self.rows
            .iter()
            .map(|row| &row.tally)
            .chain([&self.total])
            .all(|tally| tally.counts.every_contact_is_accounted_for())
    }

    /// Of an agent's time not ready, that of reasons that are work, in milliseconds.
    pub(super) fn productive_ms(&self, agent: &AgentId) -> u64 {
        let reasons = self.not_ready.get(agent).into_iter().flatten();
        let productive = reasons.filter(|(reason, _)| {
            let known = self.reasons.iter().find(|known| known.id == **reason);
            known.is_some_and(|known| known.is_productive)
        });
        productive.map(|(_, millis)| millis).sum()
    }

    /// Prints it; a reader who has seen enough (`| head`) is no fault.
    pub fn print(&self, format: Format, words: &Words, out: &mut impl Write) -> io::Result<()> {
        let printed = match format {
            Format::Table => table::print(self, words, out),
            Format::Csv => csv::print(self, out),
            Format::Json => self.print_json(out),
            Format::Html => html::print(self, words, out),
            Format::Xlsx => xlsx::print(self, words, out),
        };
        match printed.and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Prints what stands below the heading of the page, to stand within another page beside [`PAGE_STYLE`].
    pub fn print_body(&self, words: &Words, out: &mut impl Write) -> io::Result<()> {
        html::print_body(self, words, out)
    }

    fn print_json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, &JsonReport::of(self))?;
        writeln!(out)
    }
}

/// How the page of a report looks.
pub const PAGE_STYLE: &str = html::STYLE;

#[cfg(test)]
mod tests;
