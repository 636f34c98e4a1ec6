//! A report counted from events as they come: what is counted for good is added up by the report's own intervals at
//! once, so that what is kept grows with the rows of the report and not with the contacts.
//!
//! Which period is meant may not be known before the last event, so more may be kept than is told at the end: what an
//! earlier first event or a later last one would bring into the period. The figures are those of a fold that keeps
//! everything ([`Report::of`]), to the last bit.

use super::period::{instant, is_relative};
use super::{By, Interval, Period, PeriodFault, Report};
use jiff::tz::TimeZone;
use ringdown_routing::event::Event;
use ringdown_routing::statistics::{Ledger, Rules, Scope, Statistics};
use ringdown_routing::time::Timestamp;
use std::ops::Range;
use std::time::Duration;

/// How late an event may come and still be counted.
const DISORDER_MAX: Duration = Duration::from_secs(3_600);

/// How often what is counted for good is added up, by the clock of the events.
const ADD_EVERY: Duration = Duration::from_secs(3_600);

const BEFORE_ALL: Timestamp = Timestamp::from_millis(i64::MIN);
const AFTER_ALL: Timestamp = Timestamp::from_millis(i64::MAX);

/// What is asked of the events; instants are told as [`instant`] reads them, `now` being that of the last event.
#[derive(Clone, Debug)]
pub struct Question {
    /// First instant; the first event's when not given.
    pub from: Option<String>,
    /// First instant after the period; just after the last event's when not given.
    pub to: Option<String>,
    /// As known at this instant; the last event's when not given.
    pub as_of: Option<String>,
    /// Width of the rows.
    pub interval: Interval,
    /// The zone whose wall clock cuts them.
    pub zone: TimeZone,
    /// What part of the desk.
    pub scope: Scope,
    /// What the rows are on.
    pub by: By,
}

impl Question {
    fn instant(
        &self,
        text: Option<&str>,
        last: Timestamp,
        otherwise: Timestamp,
    ) -> Result<Timestamp, PeriodFault> {
        text.map_or(Ok(otherwise), |text| instant(text, last, &self.zone))
    }

    /// The interval that an instant lies in; `None` where no calendar has it.
    fn interval_at(&self, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
        let after = at + Duration::from_millis(1);
        let period = Period::new(at, after, self.interval, self.zone.clone()).ok()?;
        period.spans.first().map(|span| (span.from, span.to))
    }
}

/// Counts events as they come.
#[derive(Clone, Debug)]
pub struct Recount {
    question: Question,
    fold: Statistics,
    first: Option<Timestamp>,
    /// Until when what is counted for good was added up.
    added: Timestamp,
    /// What is counted for good: each interval's cells at its begin. What is told of the whole period alone is at
    /// the begin of the period as far as it is known.
    sums: Ledger,
}

impl Recount {
    /// Begins with nothing; refused is an instant that cannot be read.
    pub fn new(question: Question) -> Result<Self, PeriodFault> {
        for text in [&question.from, &question.to, &question.as_of] {
            let epoch = Timestamp::from_millis(0);
            question.instant(text.as_deref(), epoch, epoch)?;
        }
        let fold = Statistics::new(Rules {
            interval: question.interval.cell(),
            settle_after: DISORDER_MAX,
            ..Rules::default()
        });
        Ok(Self {
            question,
            fold,
            first: None,
            added: BEFORE_ALL,
            sums: Ledger::empty(BEFORE_ALL),
        })
    }

    /// Counts one event; the same event again changes nothing.
    pub fn record(&mut self, event: &Event) {
        self.first = Some(self.first.map_or(event.at, |first| first.min(event.at)));
        self.fold.record(event);
        if event.at > self.added + ADD_EVERY {
            self.add_settled(event.at);
            self.added = event.at;
        }
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The report of all that was recorded; `None` where nothing was.
    pub fn report(mut self) -> Result<Option<Report>, PeriodFault> {
        let (Some(first), Some(last)) = (self.first, self.fold.newest()) else {
            return Ok(None);
        };
        self.add_settled(last);
        let Self {
            question,
            fold,
            mut sums,
            ..
        } = self;
        let after = last + Duration::from_millis(1);
        let from = question.instant(question.from.as_deref(), last, first)?;
        let to = question.instant(question.to.as_deref(), last, after)?;
        let as_of = question.instant(question.as_of.as_deref(), last, last)?;
        let period = Period::new(from, to, question.interval, question.zone)?;
        let whole = period.whole();
        sums.retain(|start| whole.from <= start && start < whole.to);
        let spans: Vec<(Timestamp, Timestamp)> = period
            .spans
            .iter()
            .map(|span| (span.from, span.to))
            .collect();
        let open = fold.ledger(whole.from, whole.to, as_of);
        sums.gather(open, &spans, &spans);
        sums.as_of = as_of;
        let report = Report::of_ledger(sums, period, question.scope, fold.health());
        Ok(Some(report.by(question.by).since(Some(first))))
    }

    /// Adds up what the fold has counted for good, as far as it may be asked for.
    fn add_settled(&mut self, last: Timestamp) {
        let Self {
            question,
            fold,
            first,
            sums,
            ..
        } = self;
        let mut settled = fold.take_settled();
        let mut facets = settled.take_facets();
        if question.scope == Scope::default() {
            facets = facets.facets_of_all();
        }
        let by_interval = facets.take_facets_if(|facet| question.by.holds(facet));
        settled += by_interval;
        let reach = Reach::of(question, first.unwrap_or(last), last);
        let cell = fold.rules().interval;
        for (start, part) in settled.cut(cell) {
            if let Some(span) = reach.interval_of(question, start) {
                sums.gather(part, &[span], &[span]);
            }
        }
        for (start, part) in facets.cut(cell) {
            if reach.sure.contains(&start) {
                sums.gather(part, &[], &[(reach.sure.start, AFTER_ALL)]);
            } else if let Some(span) = reach.interval_of(question, start) {
                sums.gather(part, &[], &[span]);
            }
        }
    }
}

/// What is known of the period before the last event.
#[derive(Debug)]
struct Reach {
    /// What is in it whatever comes.
    sure: Range<Timestamp>,
    /// What may be in it.
    possible: Range<Timestamp>,
}

impl Reach {
    /// What the events so far tell, of which these are the earliest and the latest.
    fn of(question: &Question, first: Timestamp, last: Timestamp) -> Self {
        let begin = |at: Timestamp| question.interval_at(at).map(|(from, _)| from);
        let end = |at: Timestamp| question.interval_at(at).map(|(_, to)| to);
        let read = |text: &String| instant(text, last, &question.zone).ok();
        // A later event moves `today` and its like on, and never back.
        let from = question.from.as_ref();
        let read_from = from.and_then(read).and_then(begin);
        let sure_from = match from {
            Some(text) if is_relative(text) => None,
            Some(_) => read_from,
            None => begin(first),
        };
        let to = question.to.as_ref();
        let read_to = to.and_then(read);
        let read_to = read_to.and_then(|to| end(to - Duration::from_millis(1)));
        let (sure_to, possible_to) = match to {
            Some(text) if is_relative(text) => (read_to, None),
            Some(_) => (read_to, read_to),
            None => (end(last), None),
        };
        Self {
            sure: sure_from.unwrap_or(AFTER_ALL)..sure_to.unwrap_or(BEFORE_ALL),
            possible: read_from.unwrap_or(BEFORE_ALL)..possible_to.unwrap_or(AFTER_ALL),
        }
    }

    /// The interval of a cell that may be in the period.
    fn interval_of(&self, question: &Question, start: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let is_possible = self.possible.contains(&start);
        is_possible.then(|| question.interval_at(start)).flatten()
    }
}

#[cfg(test)]
mod tests;
