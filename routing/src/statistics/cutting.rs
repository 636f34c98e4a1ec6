//! A ledger in parts: cut into spans, put together from them, in cells of greater width, or some of its sums alone.

use super::counts::Cell;
use super::facet::Facet;
use super::ledger::{Cells, Ledger};
use crate::contact::Channel;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

impl Ledger {
    /// Cuts it into spans of a width that holds whole intervals, by the instant at which each begins.
    pub fn cut(self, width: Duration) -> BTreeMap<Timestamp, Self> {
        let width = i64::try_from(width.as_millis()).unwrap_or(i64::MAX).max(1);
        let as_of = self.as_of;
        let begin = |start: i64| {
            let begin = start.div_euclid(width).saturating_mul(width);
            Timestamp::from_millis(begin)
        };
        let mut parts = BTreeMap::new();
        for (key, cell) in self.contacts {
            let part = parts
                .entry(begin(key.0))
                .or_insert_with(|| Self::empty(as_of));
            part.contacts.insert(key, cell);
        }
        for (facet, cells) in self.facets {
            for (key, cell) in cells {
                let part = parts
                    .entry(begin(key.0))
                    .or_insert_with(|| Self::empty(as_of));
                part.facets
                    .entry(facet.clone())
                    .or_default()
                    .insert(key, cell);
            }
        }
        for (key, time) in self.agents {
            let part = parts
                .entry(begin(key.0))
                .or_insert_with(|| Self::empty(as_of));
            part.agents.insert(key, time);
        }
        for (key, reasons) in self.not_ready {
            let part = parts
                .entry(begin(key.0))
                .or_insert_with(|| Self::empty(as_of));
            part.not_ready.insert(key, reasons);
        }
        for (key, time) in self.served {
            let part = parts
                .entry(begin(key.0))
                .or_insert_with(|| Self::empty(as_of));
            part.served.insert(key, time);
        }
        parts
    }

    /// Keeps the cells of some starts, and who serves which queue.
    pub fn retain(&mut self, is_wanted: impl Fn(Timestamp) -> bool) {
        let is_wanted = |start: i64| is_wanted(Timestamp::from_millis(start));
        self.contacts.retain(|(start, _, _), _| is_wanted(*start));
        for cells in self.facets.values_mut() {
            cells.retain(|(start, _, _), _| is_wanted(*start));
        }
        self.facets.retain(|_, cells| !cells.is_empty());
        self.agents.retain(|(start, _), _| is_wanted(*start));
        self.not_ready.retain(|(start, _), _| is_wanted(*start));
        self.served.retain(|(start, _), _| is_wanted(*start));
    }

    /// Adds the cells of another that start in one of these spans, each at the begin of its span; facets by
    /// spans of their own. Spans are in order, and what lies in none is left out. Of what is asked about whole
    /// spans nothing is lost, and this does not grow with the number of cells in them.
    pub fn gather(
        &mut self,
        other: Self,
        spans: &[(Timestamp, Timestamp)],
        facet_spans: &[(Timestamp, Timestamp)],
    ) {
        self.as_of = self.as_of.max(other.as_of);
        gather_cells(&mut self.contacts, other.contacts, spans);
        for (facet, cells) in other.facets {
            gather_cells(self.facets.entry(facet).or_default(), cells, facet_spans);
        }
        self.facets.retain(|_, cells| !cells.is_empty());
        for ((start, agent), time) in other.agents {
            if let Some(start) = begin_in(spans, start) {
                *self.agents.entry((start, agent)).or_default() += time;
            }
        }
        for ((start, agent), reasons) in other.not_ready {
            if let Some(start) = begin_in(spans, start) {
                let sums = self.not_ready.entry((start, agent)).or_default();
                for (reason, millis) in reasons {
                    *sums.entry(reason).or_default() += millis;
                }
            }
        }
        for ((start, queue), time) in other.served {
            if let Some(start) = begin_in(spans, start) {
                *self.served.entry((start, queue)).or_default() += time;
            }
        }
        for (queue, agents) in other.serving {
            self.serving.entry(queue).or_default().extend(agents);
        }
    }

    /// Takes out what is counted by number, caller class and skill.
    pub fn take_facets(&mut self) -> Self {
        Self {
            facets: std::mem::take(&mut self.facets),
            ..Self::empty(self.as_of)
        }
    }

    /// What is counted by number, caller class, skill and agent, added up over all queues and channels: for who asks
    /// about the whole desk.
    pub fn facets_of_all(&self) -> Self {
        let mut ledger = Self::empty(self.as_of);
        for (facet, cells) in &self.facets {
            let sums = ledger.facets.entry(facet.clone()).or_default();
            for ((start, queue, channel), cell) in cells {
                // Who handed over is asked of each queue, and that is all that an agent's causes tell.
                let mut cell = cell.clone();
                if let Facet::Agent(_) = facet
                    && !cell.causes.is_empty()
                {
                    let causes = std::mem::take(&mut cell.causes);
                    let place = (*start, queue.clone(), *channel);
                    *sums.entry(place).or_default() += &Cell {
                        causes,
                        ..Cell::default()
                    };
                }
                // No queue, and whichever channel.
                *sums.entry((*start, None, Channel::Voice)).or_default() += &cell;
            }
        }
        ledger
    }

    /// The same sums in cells of a greater width.
    pub fn coarsened(self, width: Duration) -> Self {
        let width = i64::try_from(width.as_millis()).unwrap_or(i64::MAX).max(1);
        let begin = |start: i64| start.div_euclid(width).saturating_mul(width);
        let coarse = |cells: Cells| {
            let mut sums = Cells::new();
            for ((start, queue, channel), cell) in cells {
                *sums.entry((begin(start), queue, channel)).or_default() += &cell;
            }
            sums
        };
        let mut ledger = Self::empty(self.as_of);
        ledger.contacts = coarse(self.contacts);
        let facets = self.facets.into_iter();
        ledger.facets = facets
            .map(|(facet, cells)| (facet, coarse(cells)))
            .collect();
        for ((start, agent), time) in self.agents {
            *ledger.agents.entry((begin(start), agent)).or_default() += time;
        }
        for ((start, agent), reasons) in self.not_ready {
            let sums = ledger.not_ready.entry((begin(start), agent)).or_default();
            for (reason, millis) in reasons {
                *sums.entry(reason).or_default() += millis;
            }
        }
        for ((start, queue), time) in self.served {
            *ledger.served.entry((begin(start), queue)).or_default() += time;
        }
        ledger.serving = self.serving;
        ledger
    }
}

/// The begin of the span that holds an instant.
fn begin_in(spans: &[(Timestamp, Timestamp)], start: i64) -> Option<i64> {
    let after = spans.partition_point(|(from, _)| from.as_millis() <= start);
    let (from, to) = spans.get(after.checked_sub(1)?)?;
    (start < to.as_millis()).then_some(from.as_millis())
}

fn gather_cells(sums: &mut Cells, cells: Cells, spans: &[(Timestamp, Timestamp)]) {
    for ((start, queue, channel), cell) in cells {
        let Some(start) = begin_in(spans, start) else {
            continue;
        };
        match sums.entry((start, queue, channel)) {
            Entry::Vacant(place) => {
                place.insert(cell);
            }
            Entry::Occupied(mut sum) => *sum.get_mut() += &cell,
        }
    }
}
