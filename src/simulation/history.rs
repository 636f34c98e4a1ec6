//! Demand as an event log tells of it: how many came when, how long they talked, how long they waited.

use ringdown_routing::contact::Channel;
use ringdown_routing::event::{Event, EventKind};
use ringdown_routing::ids::{ContactId, QueueId};
use ringdown_routing::simulation::{Demand, Distribution, SurvivalStep, Timing};
use ringdown_routing::staffing::{Patience, Waits};
use ringdown_routing::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Width of the intervals: half an hour.
const INTERVAL_S: i64 = 1_800;

/// What a log has told so far.
#[derive(Debug, Default)]
pub struct History {
    kinds: BTreeMap<(QueueId, Channel), Kind>,
    /// Contacts that are under way: what they are, and when they ended.
    open: BTreeMap<ContactId, ((QueueId, Channel), Option<Timestamp>)>,
    waits: Waits,
}

/// Contacts of one queue and channel.
#[derive(Debug, Default)]
struct Kind {
    arrivals: Vec<Timestamp>,
    talk_s: Vec<f64>,
    wrap_up_s: Vec<f64>,
    /// Who came, for their waits.
    contacts: BTreeSet<ContactId>,
}

impl History {
    /// Takes one event, in the order of the log.
    pub fn record(&mut self, event: &Event) {
        self.waits.record(event);
        let Some(contact) = event.contact else {
            return;
        };
        if let (EventKind::Enqueued { channel, .. }, Some(queue)) = (&event.kind, &event.queue) {
            let kind = (queue.clone(), *channel);
            // A contact that overflows is one arrival, in the queue it came to.
            if !self.open.contains_key(&contact) {
                let told = self.kinds.entry(kind.clone()).or_default();
                // Nor is one who comes back to it after their end (their gateway had slept).
                if told.contacts.insert(contact) {
                    told.arrivals.push(event.at);
                }
                self.open.insert(contact, (kind, None));
            }
            return;
        }
        let Some((kind, ended_at)) = self.open.get_mut(&contact) else {
            return;
        };
        let Some(told) = self.kinds.get_mut(kind) else {
            return;
        };
        if let EventKind::Abandoned { .. } = event.kind {
            self.open.remove(&contact);
        } else if let EventKind::Ended {
            talk_ms,
            hold_ms,
            wrap_up_until,
            ..
        } = event.kind
        {
            told.talk_s.push((talk_ms + hold_ms) as f64 / 1_000.0);
            *ended_at = Some(event.at);
            if wrap_up_until.is_none() {
                told.wrap_up_s.push(0.0);
                self.open.remove(&contact);
            }
        } else if let (EventKind::Ready { .. }, Some(ended_at)) = (&event.kind, *ended_at) {
            told.wrap_up_s.push(event.at.since(ended_at).as_secs_f64());
            self.open.remove(&contact);
        }
    }

    /// The demand, from the first interval in which anybody came; kinds of which nobody was answered have
    /// no handle times and are left out.
    pub fn demand(&self) -> Vec<Demand> {
        let arrivals = self.kinds.values().flat_map(|kind| &kind.arrivals);
        let Some(first) = arrivals.min() else {
            return Vec::new();
        };
        let interval_ms = INTERVAL_S * 1_000;
        let begin = first.as_millis().div_euclid(interval_ms);
        self.kinds
            .iter()
            .filter(|(_, kind)| !kind.talk_s.is_empty())
            .map(|((queue, channel), kind)| {
                let mut arrivals: Vec<f64> = Vec::new();
                for at in &kind.arrivals {
                    let interval = at.as_millis().div_euclid(interval_ms) - begin;
                    let place = usize::try_from(interval).unwrap_or(0);
                    if arrivals.len() <= place {
                        arrivals.resize(place + 1, 0.0);
                    }
                    arrivals[place] += 1.0;
                }
                Demand {
                    queue: queue.to_string(),
                    channel: Some(*channel),
                    from_s: 0,
                    interval_s: INTERVAL_S,
                    arrivals,
                    timing: Timing::Poisson,
                    talk: Distribution::Empirical(kind.talk_s.clone()),
                    wrap_up: (!kind.wrap_up_s.is_empty())
                        .then(|| Distribution::Empirical(kind.wrap_up_s.clone())),
                    patience: self.patience(&kind.contacts),
                    priority: 0,
                    skills: Vec::new(),
                }
            })
            .collect()
    }

    /// Patience by Kaplan and Meier, because those who were answered are censored; `None` when nobody left. It is that
    /// of who came to a line, wherever they were sent while they waited.
    fn patience(&self, contacts: &BTreeSet<ContactId>) -> Option<Distribution> {
        let waits = contacts
            .iter()
            .filter_map(|contact| self.waits.of(*contact));
        let estimated = Patience::estimate(waits);
        let steps = estimated.curve.iter().map(|step| SurvivalStep {
            at_s: step.wait_s,
            longer: step.still_patient,
        });
        (!estimated.curve.is_empty()).then(|| Distribution::Survival(steps.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_log_becomes_a_demand() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/events/half_hour.jsonl");
        let mut history = History::default();
        for line in std::fs::read_to_string(path).unwrap().lines() {
            history.record(&serde_json::from_str(line).unwrap());
        }
        let demand = history.demand();
        assert_eq!(demand.len(), 1, "{demand:?}");
        assert_eq!(demand[0].queue, "helpdesk");
        assert_eq!(demand[0].arrivals.iter().sum::<f64>(), 3.0);
        assert!(matches!(&demand[0].talk, Distribution::Empirical(times) if !times.is_empty()));
        assert!(
            matches!(&demand[0].patience, Some(Distribution::Survival(steps)) if !steps.is_empty())
        );
    }
}
