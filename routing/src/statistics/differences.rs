//! What is counted without remembering anything: tickets, symptoms, ratings and answers by mail, whose events
//! tell the difference that they make. So they count the same in any order, however long a ticket lives.

use super::Statistics;
use super::answers::AnswerCounts;
use super::counts::Cell;
use super::facet::Facet;
use super::journey::CellKey;
use super::tickets::{RatingCounts, SymptomCounts, TicketCounts};
use crate::contact::Channel;
use crate::event::{Event, EventKind};
use crate::ids::QueueId;
use crate::ticket::{AnswerEnd, AnswerWait, SymptomFacts};
use crate::time::Timestamp;

impl Statistics {
    /// Counts what an event tells as a difference.
    pub(super) fn record_difference(&mut self, event: &Event) {
        let queue = event.queue.as_ref();
        if let EventKind::TicketChanged { before, now, .. } = &event.kind {
            if let Some(before) = before {
                let cell = self.cell(before.opened_at, before.queue.as_ref(), before.channel);
                cell.tickets -= TicketCounts::of(before);
            }
            let cell = self.cell(now.opened_at, now.queue.as_ref(), now.channel);
            cell.tickets += TicketCounts::of(now);
        }
        if let EventKind::SymptomRecorded { before, now } = &event.kind {
            if let Some(before) = before {
                self.each_of_class(queue, before, |cell| {
                    *cell.symptom(&before.symptom) -= SymptomCounts::of(before);
                });
            }
            self.each_of_class(queue, now, |cell| {
                *cell.symptom(&now.symptom) += SymptomCounts::of(now);
            });
        }
        if let EventKind::Rated {
            score,
            arrived_at,
            channel,
        } = &event.kind
        {
            let rating = RatingCounts::of(*score);
            let key = self.cell_key(*arrived_at, queue, *channel);
            self.cells.entry(key).or_default().ratings += rating;
            if let Some(agent) = &event.agent {
                let facet = self.facets.key(Facet::Agent(agent.clone()));
                let cell = self.facet_cells.entry((key, facet)).or_default();
                cell.ratings += rating;
            }
        }
        if let EventKind::AnswerAwaited { wait, from, .. } = &event.kind {
            if let Some(from) = from {
                let cell = self.cell(wait.since, Some(from), Channel::Email);
                cell.answers += AnswerCounts::moved_out(wait);
            }
            let cell = self.cell(wait.since, Some(&wait.queue), Channel::Email);
            cell.answers += match from {
                Some(_) => AnswerCounts::moved_in(wait),
                None => AnswerCounts::begun(wait),
            };
        }
        if let EventKind::AnswerWaitEnded { wait, end, .. } = &event.kind {
            let cell = self.cell(wait.since, Some(&wait.queue), Channel::Email);
            cell.answers += AnswerCounts::over(wait, *end);
            if let AnswerEnd::Given { working_ms } = end {
                self.count_answer(event, wait, *working_ms);
            }
        }
    }

    /// An answer belongs to the line of the agent who gave it, and to that agent.
    fn count_answer(&mut self, event: &Event, wait: &AnswerWait, working_ms: u64) {
        let queue = event.queue.as_ref().unwrap_or(&wait.queue);
        let key = self.cell_key(wait.since, Some(queue), Channel::Email);
        let given = AnswerCounts::given(wait, event.at, working_ms);
        let add = |cell: &mut Cell| {
            cell.answers += given;
            cell.answer_times.add(working_ms);
        };
        add(self.cells.entry(key).or_default());
        if let Some(agent) = &event.agent {
            let facet = self.facets.key(Facet::Agent(agent.clone()));
            add(self.facet_cells.entry((key, facet)).or_default());
        }
    }

    fn each_of_class(
        &mut self,
        queue: Option<&QueueId>,
        facts: &SymptomFacts,
        change: impl Fn(&mut Cell),
    ) {
        let key = self.cell_key(facts.arrived_at, queue, facts.channel);
        change(self.cells.entry(key).or_default());
        if let Some(class) = facts.class {
            let facet = self.facets.key(Facet::CallerClass(class));
            change(self.facet_cells.entry((key, facet)).or_default());
        }
    }

    fn cell_key(&mut self, at: Timestamp, queue: Option<&QueueId>, channel: Channel) -> CellKey {
        CellKey {
            start: self.rules.interval_of(at),
            queue: queue.map(|queue| self.queue_key(queue)),
            channel,
        }
    }

    fn cell(&mut self, at: Timestamp, queue: Option<&QueueId>, channel: Channel) -> &mut Cell {
        let key = self.cell_key(at, queue, channel);
        self.cells.entry(key).or_default()
    }
}
