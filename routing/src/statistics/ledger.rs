//! What the fold has counted, ready to be added up by queue, channel and interval.

use super::agent_time::TimeSheet;
use super::answers::AnswerCounts;
use super::counts::{Activity, AgentTime, Cell, Counts};
use super::distinct::{CallerKey, DistinctCount};
use super::facet::{Facet, FacetKey};
use super::figures::Figures;
use super::journey::QueueKey;
use super::reasons::ReasonKey;
use super::sighting::Sighting;
use super::sketch::Percentiles;
use super::tickets::{RatingCounts, SymptomCounts, TicketCounts};
use super::{NotReadyCells, ServedCells, Statistics};
use crate::contact::Channel;
use crate::ids::{AgentId, QueueId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{AddAssign, Range};

/// The cells of a span of time, as known at one instant.
///
/// A ledger can be stored in any format, and ledgers add up ([`AddAssign`]): those of parts of a log in which
/// no contact and no agent's minute is in two parts give that of the whole, in any order and any grouping,
/// to the last bit. [`Statistics::ledger`] of one day after the other are such parts, and so is what
/// [`Statistics::take_settled`] hands over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// The instant up to which it is known.
    pub as_of: Timestamp,
    #[serde(with = "super::entries")]
    pub(super) contacts: Cells,
    #[serde(with = "facet_entries")]
    pub(super) facets: BTreeMap<Facet, Cells>,
    #[serde(with = "super::entries")]
    pub(super) agents: BTreeMap<(i64, AgentId), AgentTime>,
    #[serde(with = "super::entries")]
    pub(super) not_ready: BTreeMap<(i64, AgentId), BTreeMap<String, u64>>,
    /// Who serves which queue by the last word on it, whatever time they have had there.
    pub(super) serving: BTreeMap<QueueId, BTreeSet<AgentId>>,
    /// The time of the agents who served a queue while it passed.
    #[serde(default, with = "super::entries")]
    pub(super) served: BTreeMap<(i64, QueueId), AgentTime>,
}

/// Which part of the desk is meant; empty means all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Only this queue, and agents' time while they served it.
    pub queue: Option<QueueId>,
    /// Only this channel; agents' time is never split by channel.
    pub channel: Option<Channel>,
}

/// The sums of a scope and span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The contacts that arrived.
    pub counts: Counts,
    /// The time of the agents.
    pub agent_time: AgentTime,
    /// The different callers among them.
    pub callers: DistinctCount,
    /// The tickets that were opened.
    pub tickets: TicketCounts,
    /// The contacts with a symptom recorded.
    pub symptoms: SymptomCounts,
    /// What callers thought of it.
    pub ratings: RatingCounts,
    /// The waits for an answer by mail.
    pub answers: AnswerCounts,
    /// Sum of the ages of those that are not over, in milliseconds, when the ledger was read.
    pub answer_backlog_age_ms: u64,
    /// What the desk cost, in millionths of the configured currency; `None` where nobody said.
    pub cost_micros: Option<u64>,
}

/// Percentiles of a scope and span, in seconds, right to a 128th.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Spread {
    /// Waits of those answered.
    pub answer_wait_s: Percentiles,
    /// Waits of those who left.
    pub abandon_wait_s: Percentiles,
    /// Talk, hold and wrap-up of each contact that ended.
    pub handle_time_s: Percentiles,
    /// Waits for an answer by mail that got one, opening hours only.
    pub answer_time_s: Percentiles,
}

impl Spread {
    fn of(sum: &Cell) -> Self {
        Self {
            answer_wait_s: Percentiles::from(&sum.answer_waits),
            abandon_wait_s: Percentiles::from(&sum.abandon_waits),
            handle_time_s: Percentiles::from(&sum.handle_times),
            answer_time_s: Percentiles::from(&sum.answer_times),
        }
    }
}

impl Tally {
    /// The figures of these sums.
    pub fn figures(&self) -> Figures {
        Figures::of(self)
    }

    /// The sums of a cell as known at an instant; no agent's time.
    fn of_cell(cell: &Cell, as_of: Timestamp) -> Self {
        let mut symptoms = SymptomCounts::default();
        for counts in cell.symptoms.values() {
            symptoms += *counts;
        }
        Self {
            counts: cell.counts,
            callers: cell.callers.count(),
            tickets: cell.tickets,
            symptoms,
            ratings: cell.ratings,
            answers: cell.answers,
            answer_backlog_age_ms: cell.answers.backlog_age_ms(as_of),
            ..Self::default()
        }
    }
}

impl Ledger {
    /// A ledger of nothing, to add others to.
    pub fn empty(as_of: Timestamp) -> Self {
        Self {
            as_of,
            contacts: BTreeMap::new(),
            facets: BTreeMap::new(),
            agents: BTreeMap::new(),
            not_ready: BTreeMap::new(),
            serving: BTreeMap::new(),
            served: BTreeMap::new(),
        }
    }

    fn add_not_ready(&mut self, fold: &Statistics, cells: &NotReadyCells, wanted: &Range<i64>) {
        for ((start, agent, reason), millis) in cells {
            if wanted.contains(start) {
                let reasons = self.not_ready.entry((*start, agent.clone())).or_default();
                let reason = fold.reasons.name(*reason).to_owned();
                *reasons.entry(reason).or_default() += millis;
            }
        }
    }

    fn add_served(&mut self, fold: &Statistics, cells: &ServedCells, wanted: &Range<i64>) {
        for ((start, queue), time) in cells {
            if wanted.contains(start)
                && let Some(queue) = name(fold, *queue)
            {
                *self.served.entry((*start, queue)).or_default() += *time;
            }
        }
    }

    /// Counts agents' time to the queues that they serve by the last word of a fold: for sums of before time was
    /// counted to the queues that were served while it passed.
    pub fn serve_by_last_word(&mut self, fold: &Statistics) {
        self.served.clear();
        for ((start, agent), time) in &self.agents {
            let queues = fold.agents.get(agent).into_iter();
            let queues = queues.flat_map(|line| line.last_serves());
            for queue in queues.filter_map(|key| name(fold, *key)) {
                *self.served.entry((*start, queue)).or_default() += *time;
            }
        }
    }

    /// Puts other keys in place of callers' keys; whether one of them was there. Every count stays.
    pub fn rename_callers(&mut self, names: &BTreeMap<CallerKey, CallerKey>) -> bool {
        let of_facets = self.facets.values_mut().flat_map(BTreeMap::values_mut);
        let mut is_changed = false;
        for cell in self.contacts.values_mut().chain(of_facets) {
            is_changed |= cell.callers.rename(names);
        }
        is_changed
    }

    /// Puts other numbers in place of those that contacts came to and that `instead` has another for, which nothing else
    /// has; whether there was one. Every count stays.
    pub fn rename_numbers(&mut self, instead: impl Fn(&str) -> Option<String>) -> bool {
        let renamed = |facet: &Facet| Some((facet.clone(), facet.renamed(&instead)?));
        let renamed: Vec<(Facet, Facet)> = self.facets.keys().filter_map(renamed).collect();
        for (old, new) in &renamed {
            if let Some(cells) = self.facets.remove(old) {
                self.facets.insert(new.clone(), cells);
            }
        }
        !renamed.is_empty()
    }

    /// Adds up the cells that start in `from..to`.
    pub fn tally(&self, from: Timestamp, to: Timestamp, scope: &Scope) -> Tally {
        self.figures(from, to, scope).0
    }

    /// The same, and how their times are spread.
    pub fn figures(&self, from: Timestamp, to: Timestamp, scope: &Scope) -> (Tally, Spread) {
        self.figures_of(&self.sum(from, to, scope), from, to, scope)
    }

    /// The same of cells that are added up already.
    pub fn figures_of(
        &self,
        sum: &Cell,
        from: Timestamp,
        to: Timestamp,
        scope: &Scope,
    ) -> (Tally, Spread) {
        let mut tally = Tally::of_cell(sum, self.as_of);
        match &scope.queue {
            Some(queue) => tally.agent_time = self.time_in_queue(from, to, queue),
            None => {
                for (_, time) in self.agents_in(from, to) {
                    tally.agent_time += *time;
                }
            }
        }
        (tally, Spread::of(sum))
    }

    /// The counts alone of the cells that start in `from..to`.
    pub fn counts(&self, from: Timestamp, to: Timestamp, scope: &Scope) -> Counts {
        let mut sum = Counts::default();
        for cell in within(&self.contacts, from, to, scope) {
            sum += cell.counts;
        }
        sum
    }

    /// How the times of the cells that start in `from..to` are spread.
    pub fn spread(&self, from: Timestamp, to: Timestamp, scope: &Scope) -> Spread {
        Spread::of(&self.sum(from, to, scope))
    }

    /// Everything counted of the contacts in the cells that start in `from..to`: also why they were refused
    /// or failed, where they went, and by symptom.
    pub fn sum(&self, from: Timestamp, to: Timestamp, scope: &Scope) -> Cell {
        let mut sum = Cell::default();
        for cell in within(&self.contacts, from, to, scope) {
            sum += cell;
        }
        sum
    }

    /// The same of the contacts that no queue is told of.
    pub fn sum_outside(&self, from: Timestamp, to: Timestamp, channel: Option<Channel>) -> Cell {
        let mut sum = Cell::default();
        let all = span(&self.contacts, from, to, (None, Channel::Voice));
        for ((_, queue, came_by), cell) in all {
            if queue.is_none() && channel.is_none_or(|wanted| wanted == *came_by) {
                sum += cell;
            }
        }
        sum
    }

    /// The same of the contacts that have a facet.
    pub fn sum_of_facet(
        &self,
        from: Timestamp,
        to: Timestamp,
        facet: &Facet,
        scope: &Scope,
    ) -> Cell {
        let mut sum = Cell::default();
        if let Some(cells) = self.facets.get(facet) {
            for cell in within(cells, from, to, scope) {
                sum += cell;
            }
        }
        sum
    }

    /// Every channel in the ledger.
    pub fn channels(&self) -> BTreeSet<Channel> {
        self.contacts
            .keys()
            .map(|(_, _, channel)| *channel)
            .collect()
    }

    /// Every number, caller class and skill in the ledger.
    pub fn facets(&self) -> impl Iterator<Item = &Facet> {
        self.facets.keys()
    }

    /// The contacts of a scope that have a facet, in the cells that start in `from..to`: their counts and
    /// how their times are spread. Agents' time does not belong to any.
    pub fn of_facet(
        &self,
        from: Timestamp,
        to: Timestamp,
        facet: &Facet,
        scope: &Scope,
    ) -> (Tally, Spread) {
        let sum = self.sum_of_facet(from, to, facet, scope);
        (Tally::of_cell(&sum, self.as_of), Spread::of(&sum))
    }

    /// One agent's time in the cells that start in `from..to`.
    pub fn agent_time(&self, from: Timestamp, to: Timestamp, agent: &AgentId) -> AgentTime {
        let mut sum = AgentTime::default();
        let mut next = (from.as_millis(), agent.clone());
        let end = (to.as_millis().max(from.as_millis()), AgentId::from(""));
        // From interval to interval, without a look at what others did in them.
        while next < end
            && let Some(((start, who), time)) = self.agents.range(next.clone()..end.clone()).next()
        {
            match who.cmp(agent) {
                Ordering::Less => next.0 = *start,
                Ordering::Equal => {
                    sum += *time;
                    next.0 = start.saturating_add(1);
                }
                Ordering::Greater => next.0 = start.saturating_add(1),
            }
        }
        sum
    }

    /// The time of those who served a queue, while they did, in the cells that start in `from..to`. Who serves two
    /// queues at once is in both.
    fn time_in_queue(&self, from: Timestamp, to: Timestamp, queue: &QueueId) -> AgentTime {
        let first = (from.as_millis(), QueueId::from(""));
        let end = (to.as_millis().max(from.as_millis()), QueueId::from(""));
        let mut sum = AgentTime::default();
        for ((_, served), time) in self.served.range(first..end) {
            if served == queue {
                sum += *time;
            }
        }
        sum
    }

    /// The time of each agent who has some in the cells that start in `from..to`.
    pub fn agent_times(&self, from: Timestamp, to: Timestamp) -> BTreeMap<AgentId, AgentTime> {
        let mut sums: BTreeMap<AgentId, AgentTime> = BTreeMap::new();
        for ((_, agent), time) in self.agents_in(from, to) {
            *sums.entry(agent.clone()).or_default() += *time;
        }
        sums
    }

    /// Each agent's time not ready in the cells that start in `from..to`, by reason, in milliseconds; they add
    /// up to [`AgentTime::not_ready_ms`].
    pub fn not_ready_by_reason(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> BTreeMap<AgentId, BTreeMap<String, u64>> {
        let mut sums: BTreeMap<AgentId, BTreeMap<String, u64>> = BTreeMap::new();
        let wanted = from.as_millis()..to.as_millis();
        for ((start, agent), reasons) in &self.not_ready {
            if wanted.contains(start) {
                let sums = sums.entry(agent.clone()).or_default();
                for (reason, millis) in reasons {
                    *sums.entry(reason.clone()).or_default() += millis;
                }
            }
        }
        sums
    }

    /// Every queue that has contacts in the ledger, or that an agent serves or has served.
    pub fn queues(&self) -> BTreeSet<QueueId> {
        self.contacts
            .keys()
            .filter_map(|(_, queue, _)| queue.clone())
            .chain(self.serving.keys().cloned())
            .chain(self.served.keys().map(|(_, queue)| queue.clone()))
            .collect()
    }

    /// Every agent who has time in the ledger.
    pub fn agents(&self) -> BTreeSet<AgentId> {
        self.agents.keys().map(|(_, agent)| agent.clone()).collect()
    }

    /// Whether O = A + B + F + CB + still waiting holds in every cell.
    pub fn every_contact_is_accounted_for(&self) -> bool {
        self.contacts
            .values()
            .all(|cell| cell.counts.every_contact_is_accounted_for())
    }

    fn agents_in(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Iterator<Item = (&(i64, AgentId), &AgentTime)> {
        let first = (from.as_millis(), AgentId::from(""));
        let end = (to.as_millis().max(from.as_millis()), AgentId::from(""));
        self.agents.range(first..end)
    }
}

impl AddAssign for Ledger {
    fn add_assign(&mut self, rhs: Self) {
        self.as_of = self.as_of.max(rhs.as_of);
        add_cells(&mut self.contacts, rhs.contacts);
        for (facet, cells) in rhs.facets {
            add_cells(self.facets.entry(facet).or_default(), cells);
        }
        for (key, time) in rhs.agents {
            *self.agents.entry(key).or_default() += time;
        }
        for (key, reasons) in rhs.not_ready {
            let sums = self.not_ready.entry(key).or_default();
            for (reason, millis) in reasons {
                *sums.entry(reason).or_default() += millis;
            }
        }
        for (queue, agents) in rhs.serving {
            self.serving.entry(queue).or_default().extend(agents);
        }
        for (key, time) in rhs.served {
            *self.served.entry(key).or_default() += time;
        }
    }
}

/// Adds cells to others; most are there once, and are moved.
fn add_cells(sums: &mut Cells, cells: Cells) {
    for (key, cell) in cells {
        match sums.entry(key) {
            Entry::Vacant(place) => {
                place.insert(cell);
            }
            Entry::Occupied(mut sum) => *sum.get_mut() += &cell,
        }
    }
}

/// Cells within facets, both as lists of pairs.
mod facet_entries {
    use super::{Cells, Facet};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    #[derive(Serialize)]
    struct Lent<'a>(#[serde(with = "super::super::entries")] &'a Cells);

    #[derive(Deserialize)]
    struct Owned(#[serde(with = "super::super::entries")] Cells);

    pub(super) fn serialize<S: Serializer>(
        facets: &BTreeMap<Facet, Cells>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(facets.iter().map(|(facet, cells)| (facet, Lent(cells))))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Facet, Cells>, D::Error> {
        let pairs = Vec::<(Facet, Owned)>::deserialize(deserializer)?;
        let cells = pairs.into_iter().map(|(facet, cells)| (facet, cells.0));
        Ok(cells.collect())
    }
}

pub(super) type Cells = BTreeMap<(i64, Option<QueueId>, Channel), Cell>;

/// The cells of a scope that start in `from..to`.
fn within<'a>(
    cells: &'a Cells,
    from: Timestamp,
    to: Timestamp,
    scope: &'a Scope,
) -> impl Iterator<Item = &'a Cell> {
    span(cells, from, to, (None, Channel::Voice))
        .filter(|((_, queue, channel), _)| {
            scope
                .queue
                .as_ref()
                .is_none_or(|wanted| queue.as_ref() == Some(wanted))
                && scope.channel.is_none_or(|wanted| wanted == *channel)
        })
        .map(|(_, cell)| cell)
}

/// The cells that start in `from..to`; `least` is the least key of an interval.
pub(super) fn span(
    cells: &Cells,
    from: Timestamp,
    to: Timestamp,
    least: (Option<QueueId>, Channel),
) -> impl Iterator<Item = (&(i64, Option<QueueId>, Channel), &Cell)> {
    let (queue, channel) = least;
    let end = to.as_millis().max(from.as_millis());
    cells.range((from.as_millis(), queue.clone(), channel)..(end, queue, channel))
}

/// The queue behind a key.
fn name(fold: &Statistics, key: QueueKey) -> Option<QueueId> {
    fold.queues.get(key.place()).map(|line| line.id.clone())
}

/// What the fold has counted for good.
pub(super) fn settled(fold: &Statistics, wanted: Range<i64>, as_of: Timestamp) -> Ledger {
    let name = |key: QueueKey| name(fold, key);
    let mut ledger = Ledger::empty(as_of);
    for (key, cell) in &fold.cells {
        if wanted.contains(&key.start) {
            *ledger
                .contacts
                .entry((key.start, key.queue.and_then(name), key.channel))
                .or_default() += cell;
        }
    }
    for ((key, facet_key), cell) in &fold.facet_cells {
        if wanted.contains(&key.start)
            && let Some(facet) = fold.facets.facet(*facet_key)
        {
            let place = (key.start, key.queue.and_then(name), key.channel);
            let cells = ledger.facets.entry(facet.clone()).or_default();
            *cells.entry(place).or_default() += cell;
        }
    }
    for ((start, agent), time) in &fold.agent_cells {
        if wanted.contains(start) {
            *ledger.agents.entry((*start, agent.clone())).or_default() += *time;
        }
    }
    ledger.add_not_ready(fold, &fold.not_ready_cells, &wanted);
    ledger.add_served(fold, &fold.served_cells, &wanted);
    ledger
}

/// Reads a ledger out of the fold: what is settled, and what is still kept open.
pub(super) fn read(fold: &Statistics, from: Timestamp, to: Timestamp, as_of: Timestamp) -> Ledger {
    let wanted = from.as_millis()..to.as_millis();
    let name = |key: QueueKey| name(fold, key);
    let facet = |key: FacetKey| fold.facets.facet(key).cloned();
    let mut ledger = settled(fold, wanted.clone(), as_of);
    for journey in fold.open.values() {
        let mut copy;
        let straight = if journey.is_straight() {
            journey
        } else {
            copy = journey.clone();
            copy.straighten(&fold.seen);
            &copy
        };
        straight.count(&fold.rules, &fold.queues, as_of, &mut |key, stay| {
            if wanted.contains(&key.start) {
                let seen = Sighting::of(straight, &fold.callers, &fold.causes, &stay);
                let place = (key.start, key.queue.and_then(name), key.channel);
                for facet in straight.facets().chain(stay.agent).filter_map(facet) {
                    let cells = ledger.facets.entry(facet).or_default();
                    seen.add_to(cells.entry(place.clone()).or_default());
                }
                if let Some(by) = stay.handed_over_by.and_then(facet) {
                    let cells = ledger.facets.entry(by).or_default();
                    seen.tell_hand_over(cells.entry(place.clone()).or_default());
                }
                seen.add_to(ledger.contacts.entry(place).or_default());
            }
        });
    }
    let (mut not_ready, mut served) = (NotReadyCells::new(), ServedCells::new());
    let width = fold.rules.interval_ms();
    for (agent, line) in &fold.agents {
        let mut cells = BTreeMap::new();
        let sheets = (&mut cells, &mut not_ready, &mut served);
        line.count(&fold.seen, as_of, &mut Sheet::new(agent, width, sheets));
        for ((start, agent), time) in cells {
            if wanted.contains(&start) {
                *ledger.agents.entry((start, agent)).or_default() += time;
            }
        }
        for queue in line.last_serves().iter().filter_map(|key| name(*key)) {
            let serving = ledger.serving.entry(queue).or_default();
            serving.insert(agent.clone());
        }
    }
    ledger.add_not_ready(fold, &not_ready, &wanted);
    ledger.add_served(fold, &served, &wanted);
    ledger
}

/// One agent's cells, by interval.
pub(super) struct Sheet<'a> {
    agent: &'a AgentId,
    width: i64,
    cells: &'a mut BTreeMap<(i64, AgentId), AgentTime>,
    not_ready: &'a mut NotReadyCells,
    served: &'a mut ServedCells,
    /// The queues they serve.
    queues: Vec<QueueKey>,
    /// The interval spent in last, not yet added to its cell: nearly always the next time falls there, too.
    last: Option<(i64, AgentTime)>,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(
        agent: &'a AgentId,
        width: i64,
        (cells, not_ready, served): (
            &'a mut BTreeMap<(i64, AgentId), AgentTime>,
            &'a mut NotReadyCells,
            &'a mut ServedCells,
        ),
    ) -> Self {
        Self {
            agent,
            width,
            cells,
            not_ready,
            served,
            queues: Vec::new(),
            last: None,
        }
    }

    /// Tells the intervals that a stretch falls into: each one's start, and the milliseconds in it.
    fn split(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = (i64, u64)> + use<> {
        let (mut from, to, width) = (from.as_millis(), to.as_millis(), self.width);
        std::iter::from_fn(move || {
            let start = from.div_euclid(width).saturating_mul(width);
            let end = to.min(start.saturating_add(width));
            let millis = u64::try_from(end.saturating_sub(from)).unwrap_or(0);
            let is_more = from < to;
            from = end;
            is_more.then_some((start, millis))
        })
    }

    fn cell(&mut self, start: i64) -> &mut AgentTime {
        if self.last.is_none_or(|(last, _)| last != start) {
            self.add_last();
        }
        let (_, sum) = self
            .last
            .get_or_insert_with(|| (start, AgentTime::default()));
        sum
    }

    fn add_last(&mut self) {
        if let Some((start, sum)) = self.last.take() {
            for queue in &self.queues {
                *self.served.entry((start, *queue)).or_default() += sum;
            }
            *self.cells.entry((start, self.agent.clone())).or_default() += sum;
        }
    }
}

impl Drop for Sheet<'_> {
    fn drop(&mut self) {
        self.add_last();
    }
}

impl TimeSheet for Sheet<'_> {
    fn serve(&mut self, queues: &[QueueKey]) {
        if self.queues != queues {
            self.add_last();
            self.queues = queues.to_vec();
        }
    }

    fn spend(&mut self, from: Timestamp, to: Timestamp, activity: Activity) {
        for (start, millis) in self.split(from, to) {
            self.cell(start).add(activity, millis);
        }
    }

    fn spend_not_ready(&mut self, from: Timestamp, to: Timestamp, reason: ReasonKey) {
        for (start, millis) in self.split(from, to) {
            let key = (start, self.agent.clone(), reason);
            let sum = self.not_ready.entry(key).or_default();
            *sum = sum.saturating_add(millis);
        }
    }

    fn sums(&mut self, at: Timestamp) -> &mut AgentTime {
        let start = at
            .as_millis()
            .div_euclid(self.width)
            .saturating_mul(self.width);
        self.cell(start)
    }
}
