//! What is counted without remembering anything: tickets, symptoms, ratings and answers by mail, whose events
//! tell the difference that they make. So they count the same in any order, however long a ticket lives.
//!
//! Each tells the facets of the contact it is about as well, and counts under each of them. What an event takes back
//! it takes from where the event before had put it, so no facet is left with more or less than its own.

use super::Statistics;
use super::answers::AnswerCounts;
use super::counts::Cell;
use super::facet::{Facet, FacetKey};
use super::journey::CellKey;
use super::tickets::{RatingCounts, SymptomCounts, TicketCounts};
use crate::contact::Channel;
use crate::event::{Event, EventKind};
use crate::ids::{AgentId, QueueId};
use crate::ticket::{AnswerEnd, AnswerWait, ContactFacets, SymptomFacts, TicketFacts};
use crate::time::Timestamp;
use std::collections::BTreeSet;

impl Statistics {
    /// Counts what an event tells as a difference.
    pub(super) fn record_difference(&mut self, event: &Event) {
        let queue = event.queue.as_ref();
        if let EventKind::TicketChanged { before, now, .. } = &event.kind {
            if let Some(before) = before {
                self.change_ticket(before, |cell| cell.tickets -= TicketCounts::of(before));
            }
            self.change_ticket(now, |cell| cell.tickets += TicketCounts::of(now));
        }
        if let EventKind::SymptomRecorded { before, now } = &event.kind {
            if let Some(before) = before {
                self.change_symptom(queue, before, |cell| {
                    *cell.symptom(&before.symptom) -= SymptomCounts::of(before);
                });
            }
            self.change_symptom(queue, now, |cell| {
                *cell.symptom(&now.symptom) += SymptomCounts::of(now);
            });
        }
        if let EventKind::Rated {
            score,
            arrived_at,
            channel,
            facets,
        } = &event.kind
        {
            let rating = RatingCounts::of(*score);
            let key = self.cell_key(*arrived_at, queue, *channel);
            let facets = self.facet_keys(facets, event.agent.as_ref());
            self.change(key, &facets, |cell| cell.ratings += rating);
        }
        if let EventKind::AnswerAwaited { wait, from, .. } = &event.kind {
            if let Some(from) = from {
                self.change_wait(wait, from, AnswerCounts::moved_out(wait));
            }
            let counts = match from {
                Some(_) => AnswerCounts::moved_in(wait),
                None => AnswerCounts::begun(wait),
            };
            self.change_wait(wait, &wait.queue, counts);
        }
        if let EventKind::AnswerWaitEnded { wait, end, .. } = &event.kind {
            self.change_wait(wait, &wait.queue, AnswerCounts::over(wait, *end));
            if let AnswerEnd::Given { working_ms } = end {
                self.count_answer(event, wait, *working_ms);
            }
        }
    }

    fn change_ticket(&mut self, facts: &TicketFacts, change: impl Fn(&mut Cell)) {
        let key = self.cell_key(facts.opened_at, facts.queue.as_ref(), facts.channel);
        let facets = self.facet_keys(&facts.facets, None);
        self.change(key, &facets, change);
    }

    fn change_symptom(
        &mut self,
        queue: Option<&QueueId>,
        facts: &SymptomFacts,
        change: impl Fn(&mut Cell),
    ) {
        let key = self.cell_key(facts.arrived_at, queue, facts.channel);
        let mut facets = self.facet_keys(&facts.facets, None);
        // Told of every symptom, also where nothing else was.
        facets.extend(
            facts
                .class
                .map(|class| self.facets.key(Facet::CallerClass(class))),
        );
        self.change(key, &facets, change);
    }

    fn change_wait(&mut self, wait: &AnswerWait, queue: &QueueId, counts: AnswerCounts) {
        let key = self.cell_key(wait.since, Some(queue), Channel::Email);
        let facets = self.facet_keys(&wait.facets, None);
        self.change(key, &facets, |cell| cell.answers += counts);
    }

    /// An answer belongs to the line of the agent who gave it, and to that agent.
    fn count_answer(&mut self, event: &Event, wait: &AnswerWait, working_ms: u64) {
        let queue = event.queue.as_ref().unwrap_or(&wait.queue);
        let key = self.cell_key(wait.since, Some(queue), Channel::Email);
        let facets = self.facet_keys(&wait.facets, event.agent.as_ref());
        let given = AnswerCounts::given(wait, event.at, working_ms);
        self.change(key, &facets, |cell| {
            cell.answers += given;
            cell.answer_times.add(working_ms);
        });
    }

    /// Changes the cell of a queue, channel and interval, and that of each facet in it once.
    fn change(&mut self, key: CellKey, facets: &BTreeSet<FacetKey>, change: impl Fn(&mut Cell)) {
        change(self.cells.entry(key).or_default());
        for facet in facets {
            change(self.facet_cells.entry((key, *facet)).or_default());
        }
    }

    fn facet_keys(
        &mut self,
        facets: &ContactFacets,
        agent: Option<&AgentId>,
    ) -> BTreeSet<FacetKey> {
        let ContactFacets {
            number,
            class,
            skills,
            agent: answered_by,
        } = facets;
        let number = number.clone().map(Facet::Number);
        let class = class.map(Facet::CallerClass);
        let skills = skills.iter().cloned().map(Facet::Skill);
        let agent = agent.or(answered_by.as_ref()).cloned().map(Facet::Agent);
        let all = number.into_iter().chain(class).chain(skills).chain(agent);
        all.map(|facet| self.facets.key(facet)).collect()
    }

    fn cell_key(&mut self, at: Timestamp, queue: Option<&QueueId>, channel: Channel) -> CellKey {
        CellKey {
            start: self.rules.interval_of(at),
            queue: queue.map(|queue| self.queue_key(queue)),
            channel,
        }
    }
}
