//! Reports: the statistics of a period, cut by the desk's wall clock, as table, page, workbook, CSV or JSON.
//!
//! Every figure comes out of `routing::statistics`; nothing is computed here. The definitions are
//! printed beside the figures, always.

mod answers;
mod asked;
mod by;
pub(crate) mod columns;
mod comparison;
mod costs;
pub(crate) mod csv;
pub mod from_log;
mod html;
mod json;
pub mod period;
mod plot;
pub mod progress;
pub mod recount;
pub mod running;
mod settings;
mod shown;
mod table;
pub mod tables;
pub mod words;
mod xlsx;

pub use asked::{Asked, Part, Wish, WishFault};
pub use by::{By, Group};
pub use comparison::Compared;
pub use costs::Costs;
pub use json::JsonReport;
pub use period::{Interval, Period, PeriodFault, Span};
pub(crate) use plot::escaped;
pub use settings::Settings;
pub use shown::{Shown, Subject};
pub(crate) use tables::is_lost;
pub use tables::{Listed, TableName};
pub use words::Words;

use crate::config::NotReadyReason;
use ringdown_routing::ids::{AgentId, ContactId, QueueId};
use ringdown_routing::statistics::{
    AgentTime, Cell, Facet, Health, Ledger, Scope, Spread, Statistics, Tally,
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
    /// What it is divided by.
    pub by: By,
    /// Each of those over the whole period.
    pub groups: BTreeMap<Group, (Tally, Spread)>,
    /// All of the scope over the whole period.
    pub total: Tally,
    /// How its times are spread.
    pub spread: Spread,
    /// Each of the groups in each interval, intervals first.
    pub rows: Vec<Row>,
    /// Each number, caller class and skill over the whole period.
    pub facets: BTreeMap<Facet, (Tally, Spread)>,
    /// Each agent over the whole period.
    pub agents: BTreeMap<AgentId, AgentTime>,
    /// Each agent's time not ready, by reason, in milliseconds.
    pub not_ready: BTreeMap<AgentId, BTreeMap<String, u64>>,
    /// The first instant of which anything is known; `None` where that is not looked up.
    pub begin: Option<Timestamp>,
    /// What the configuration says of the reasons.
    pub reasons: Vec<NotReadyReason>,
    /// How sound the log was.
    pub health: Health,
    /// The period it is compared with.
    pub compared: Option<Compared>,
    /// Single contacts and callers, where the contacts' records were read.
    pub listed: Option<Listed>,
    /// The currency of costs, where any are known.
    pub currency: Option<String>,
    /// How long callers of each class put up with waiting, by symptom.
    tolerable_wait_s: BTreeMap<String, [u64; 3]>,
    ledger: Ledger,
    /// Each queue's cell over the whole period; what is in no queue comes under none.
    queues: Vec<(Option<QueueId>, Cell)>,
    /// All of them.
    all: Cell,
}

/// One queue (or agent, number, ...) in one interval.
#[derive(Clone, Debug)]
pub struct Row {
    /// The interval.
    pub span: Span,
    /// Which.
    pub group: Group,
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
        Self::of_ledger(ledger, period, scope, statistics.health()).by(By::Queue)
    }

    /// The report of what is counted; its rows come with [`Report::by`].
    pub(crate) fn of_ledger(ledger: Ledger, period: Period, scope: Scope, health: Health) -> Self {
        let whole = period.whole();
        let facets = ledger
            .facets()
            .map(|facet| {
                let sums = ledger.of_facet(whole.from, whole.to, facet, &scope);
                (facet.clone(), sums)
            })
            .filter(|(_, (tally, _))| by::is_something(tally))
            .collect();
        let mut not_ready = ledger.not_ready_by_reason(whole.from, whole.to);
        not_ready.retain(|_, reasons| !reasons.is_empty());
        let mut agents = ledger.agent_times(whole.from, whole.to);
        for agent in ledger.agents() {
            agents.entry(agent).or_default();
        }
        let queues = by::queues(&ledger, whole, &scope);
        let mut all = Cell::default();
        for (_, cell) in &queues {
            all += cell;
        }
        let (total, spread) = ledger.figures_of(&all, whole.from, whole.to, &scope);
        Self {
            as_of: ledger.as_of,
            by: By::Queue,
            groups: BTreeMap::new(),
            total,
            spread,
            rows: Vec::new(),
            facets,
            agents,
            not_ready,
            begin: None,
            reasons: Vec::new(),
            health,
            compared: None,
            listed: None,
            currency: None,
            tolerable_wait_s: BTreeMap::new(),
            period,
            scope,
            ledger,
            queues,
            all,
        }
    }

    /// The same report with the configuration's word: on why agents are not ready, on what callers put up with, and on
    /// what everything costs.
    pub fn with(mut self, settings: &Settings) -> Self {
        self.reasons.clone_from(&settings.reasons);
        self.tolerable_wait_s.clone_from(&settings.tolerable_wait_s);
        self.with_costs(settings.costs.as_ref())
    }

    /// The same report with single contacts and callers.
    pub fn with_listed(mut self, listed: Listed) -> Self {
        self.listed = Some(listed);
        self
    }

    /// The same report with another beside it.
    pub fn compared_with(mut self, other: Self) -> Self {
        self.compared = Some(Compared {
            intervals: other.intervals(),
            whole: other.period.whole(),
            groups: other.groups,
            total: other.total,
            spread: other.spread,
            rows: other.rows,
        });
        self
    }

    /// The intervals of the period, and all of the scope in each.
    fn intervals(&self) -> Vec<(Span, Tally)> {
        let spans = self.period.spans.iter();
        let tally = |span: &Span| self.ledger.tally(span.from, span.to, &self.scope);
        spans.map(|span| (*span, tally(span))).collect()
    }

    /// The same report with the first instant of which anything is known.
    pub fn since(self, begin: Option<Timestamp>) -> Self {
        Self { begin, ..self }
    }

    /// Whether O = A + B + F + CB + still waiting holds in the total and in every row, of both periods where two are
    /// compared.
    pub fn is_conserved(&self) -> bool {
        let compared = self.compared.as_ref();
        let rows = self
            .rows
            .iter()
            .chain(compared.iter().flat_map(|it| &it.rows));
        rows.map(|row| &row.tally)
            .chain([&self.total])
            .chain(compared.map(|it| &it.total))
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
            Format::Html => html::print(self, words, html::Plots::Svg, out),
            Format::Xlsx => xlsx::print(self, words, out),
        };
        match printed.and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Prints one table alone, as [`Format::Csv`] or as columns; `false` where there is none of that name.
    pub fn print_table(
        &self,
        name: TableName,
        format: Format,
        words: &Words,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let Some(table) = self.table(name) else {
            return Ok(());
        };
        let printed = match format {
            Format::Csv => csv::print_table(self, &table, out),
            Format::Json => {
                serde_json::to_writer_pretty(&mut *out, &table.to_json(self))?;
                writeln!(out)
            }
            Format::Table | Format::Html | Format::Xlsx => {
                table::print_table(self, &table, words, out)
            }
        };
        match printed.and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Prints what stands below the heading of the page, to stand within another page beside [`PAGE_STYLE`];
    /// `order` makes what a call-back is ordered by.
    pub fn print_body(
        &self,
        words: &Words,
        order: impl Fn(ContactId) -> String,
        out: &mut impl Write,
    ) -> io::Result<()> {
        html::print_body(self, words, html::Plots::Svg, &order, out)
    }

    /// Prints the page for a mail program: one that draws no SVG shows the same bars as coloured cells.
    pub fn print_for_mail(&self, words: &Words, out: &mut impl Write) -> io::Result<()> {
        html::print(self, words, html::Plots::Cells, out)
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
