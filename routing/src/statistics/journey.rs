//! One contact's way through the queues, as far as the log has told it, and what it counts for.
//!
//! Facts are only collected; what they mean is worked out from all of them together. So the order in
//! which they came does not matter, and a later end revises what was counted.

use super::counts::Counts;
use super::distinct::CallerKey;
use super::facet::FacetKey;
use super::facts::Facts;
use super::reasons::ReasonKey;
use super::seen::{OriginKey, Seen};
use super::step::{Act, Step};
use super::{QueueLine, Rules, Thresholds};
use crate::contact::Channel;
use crate::event::ContactResult;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Most steps kept for one contact; a contact that was re-queued more often keeps its first ones.
const STEPS_MAX: usize = 1_024;

/// How long after its end a contact may be claimed back by its gateway and count for what became of it since; who
/// comes later counts as failed for good. It bounds what is kept of contacts whose gateway was lost, and holds for
/// every fold alike, however much of the log it is given.
pub(crate) const CLAIM_MAX: Duration = Duration::from_secs(12 * 3_600);

/// A queue by its place in the fold's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct QueueKey(pub(super) u32);

impl QueueKey {
    /// Its place in the table.
    pub(super) fn place(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// Where a contact counts: interval of arrival, queue (none before the first), channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct CellKey {
    pub(super) start: i64,
    pub(super) queue: Option<QueueKey>,
    pub(super) channel: Channel,
}

/// All that is known of one contact.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Journey {
    pub(super) arrived: Option<Timestamp>,
    pub(super) channel: Option<Channel>,
    /// The queue it was meant for, told before it stood in one.
    pub(super) meant_for: Option<QueueKey>,
    pub(super) blocked_in: Option<Option<QueueKey>>,
    pub(super) has_failed: bool,
    /// The first end that was told.
    pub(super) closed: Option<(Timestamp, ContactResult)>,
    /// What it came to.
    pub(super) number: Option<FacetKey>,
    /// Its caller's class, the latest word on it; boxed, as most are not known.
    pub(super) class: Option<Box<(Timestamp, u8, FacetKey)>>,
    /// The number or address it came from.
    pub(super) from: Option<CallerKey>,
    /// The person it came from, the latest word on it.
    pub(super) caller: Option<(Timestamp, CallerKey)>,
    /// Why it was refused or failed, the first word on it.
    pub(super) cause: Option<(Timestamp, u64, ReasonKey)>,
    /// What it needed at once in any queue.
    pub(super) skills: BTreeSet<FacetKey>,
    steps: Facts<Act>,
    is_shuffled: bool,
    /// Its node claimed it back, maybe after it was told to have ended.
    #[serde(default)]
    was_restored: bool,
}

/// How a contact ended, as far as nobody claimed it back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ending {
    pub(super) closed: Option<(Timestamp, ContactResult)>,
    pub(super) has_failed: bool,
    /// Why it was refused or failed.
    pub(super) cause: Option<ReasonKey>,
}

/// What one stay in one queue counts for, or one end before any.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stay {
    pub(super) counts: Counts,
    /// Who answered.
    pub(super) agent: Option<FacetKey>,
    /// Where it went on to.
    pub(super) to: Option<ReasonKey>,
    /// Who had answered it and handed it over to there.
    pub(super) handed_over_by: Option<FacetKey>,
}

/// One stay in one queue.
#[derive(Clone, Copy, Debug)]
struct Visit {
    queue: QueueKey,
    /// When the wait began: kept when it overflowed from another queue.
    since: Timestamp,
    outcome: Outcome,
    /// Who handed it over last, and when: it went on to elsewhere at that instant, or stayed in the queue.
    handed_over: Option<(Timestamp, FacetKey)>,
}

#[derive(Clone, Copy, Debug)]
enum Outcome {
    Waits,
    Answered {
        wait_ms: u64,
        agent: Option<FacetKey>,
        work: Work,
    },
    Abandoned {
        wait_ms: u64,
    },
    FlowedOut {
        /// Where to, as far as that was told.
        to: Option<ReasonKey>,
    },
}

/// What followed an answer.
#[derive(Clone, Copy, Debug)]
enum Work {
    Talks,
    Ended {
        talk_ms: u64,
        hold_ms: u64,
        wrap_up: WrapUp,
    },
}

#[derive(Clone, Copy, Debug)]
struct WrapUp {
    since: Timestamp,
    until: Timestamp,
}

impl Journey {
    pub(super) fn push(&mut self, step: Step) {
        if self.steps.len() >= STEPS_MAX {
            return;
        }
        self.is_shuffled |= self
            .steps
            .last()
            .is_some_and(|(_, origin, number)| origin != step.origin || number > step.number);
        self.was_restored |= matches!(step.act, Act::RestoredWaiting | Act::RestoredActive { .. });
        self.steps.push(&step);
    }

    /// The steps that count: all up to a claim that comes too late. They must be straight.
    fn counted_steps(&self) -> impl Iterator<Item = Step> + '_ {
        let mut closed_at: Option<Timestamp> = None;
        self.steps.iter().take_while(move |step| {
            if let Act::Closed(_) = step.act {
                closed_at.get_or_insert(step.at);
            }
            let is_claim = matches!(step.act, Act::RestoredWaiting | Act::RestoredActive { .. });
            !is_claim
                || closed_at
                    .take()
                    .is_none_or(|closed_at| step.at < closed_at + CLAIM_MAX)
        })
    }

    /// How it ended: of a contact that was claimed back, what was told since. The steps must be straight.
    pub(super) fn ending(&self) -> Ending {
        let mut ending = Ending {
            closed: self.closed,
            has_failed: self.has_failed,
            cause: self.cause.map(|(_, _, cause)| cause),
        };
        if !self.was_restored {
            return ending;
        }
        ending = Ending::default();
        for step in self.counted_steps() {
            match step.act {
                Act::RestoredWaiting | Act::RestoredActive { .. } => ending = Ending::default(),
                Act::Closed(result) => {
                    ending.closed.get_or_insert((step.at, result));
                }
                Act::Failed(cause) => {
                    ending.has_failed = true;
                    ending.cause.get_or_insert(cause);
                }
                Act::Enqueued { .. }
                | Act::Answered { .. }
                | Act::Requeued
                | Act::HandedOver { .. }
                | Act::Abandoned { .. }
                | Act::FlowedOut { .. }
                | Act::Ended { .. }
                | Act::WrapUpExtended { .. }
                | Act::WrapUpOver => {}
            }
        }
        ending
    }

    /// Puts the steps in the order in which they happened: by number within an origin (clocks of two
    /// nodes may differ), origins by their first instant.
    pub(super) fn straighten(&mut self, seen: &Seen) {
        if !self.is_shuffled {
            return;
        }
        self.is_shuffled = false;
        let mut steps: Vec<Step> = self.steps.iter().collect();
        let mut first: Vec<(OriginKey, Timestamp)> = Vec::new();
        for step in &steps {
            match first.iter_mut().find(|(origin, _)| *origin == step.origin) {
                Some((_, at)) => *at = (*at).min(step.at),
                None => first.push((step.origin, step.at)),
            }
        }
        let rank = |step: &Step| {
            first
                .iter()
                .find(|(origin, _)| *origin == step.origin)
                .map(|(_, at)| *at)
        };
        steps.sort_by(|a, b| {
            (rank(a), seen.name(a.origin), a.number).cmp(&(rank(b), seen.name(b.origin), b.number))
        });
        self.steps = steps.into_iter().collect();
    }

    /// Whether the steps stand in the order in which they happened.
    pub(super) fn is_straight(&self) -> bool {
        !self.is_shuffled
    }

    /// Whether the log has told when it arrived or entered a queue; what its gateway claimed back too late has not.
    pub(super) fn has_begun(&self) -> bool {
        let begins = |step: Step| match step.act {
            Act::Enqueued { .. } => Some(true),
            Act::RestoredWaiting | Act::RestoredActive { .. } => Some(false),
            Act::Answered { .. }
            | Act::Requeued
            | Act::HandedOver { .. }
            | Act::Abandoned { .. }
            | Act::FlowedOut { .. }
            | Act::Ended { .. }
            | Act::WrapUpExtended { .. }
            | Act::WrapUpOver
            | Act::Closed(_)
            | Act::Failed(_) => None,
        };
        self.arrived.is_some() || self.steps.iter().find_map(begins) == Some(true)
    }

    /// Whether nothing is known but who calls: a word on that may come long after the end.
    pub(super) fn is_only_named(&self) -> bool {
        self.steps.is_empty()
            && self.closed.is_none()
            && self.blocked_in.is_none()
            && !self.has_failed
    }

    /// Whose it is: the person where one is known, else whoever has that number or address.
    pub(super) fn who(&self) -> Option<CallerKey> {
        self.caller.map(|(_, caller)| caller).or(self.from)
    }

    /// Puts other keys in place of its caller's; whether one was.
    pub(super) fn rename(&mut self, names: &BTreeMap<CallerKey, CallerKey>) -> bool {
        let caller = self.caller.as_mut().map(|(_, caller)| caller);
        let mut is_changed = false;
        for key in self.from.as_mut().into_iter().chain(caller) {
            if let Some(new) = names.get(key) {
                *key = *new;
                is_changed = true;
            }
        }
        is_changed
    }

    /// What it is counted by beside its queue and channel.
    pub(super) fn facets(&self) -> impl Iterator<Item = FacetKey> + '_ {
        let number = self.number;
        let class = self.class.as_ref().map(|class| class.2);
        let skills = self.skills.iter().copied();
        number.into_iter().chain(class).chain(skills)
    }

    /// Whether nothing is missing: it began, it is closed, and what its result implies was told.
    pub(super) fn is_whole(&self) -> bool {
        let Some((_, result)) = self.ending().closed else {
            return false;
        };
        let has = |wanted: fn(&Act) -> bool| self.steps.iter().any(|step| wanted(&step.act));
        self.arrived.is_some()
            && match result {
                ContactResult::Answered => {
                    has(|act| matches!(act, Act::Enqueued { .. }))
                        && has(|act| matches!(act, Act::Answered { .. }))
                        && self.is_worked_up()
                }
                ContactResult::Abandoned
                | ContactResult::FlowedOut
                | ContactResult::CallBack
                | ContactResult::Blocked
                | ContactResult::Informed
                | ContactResult::Failed => true,
            }
    }

    /// Whether the end of an answered contact, and of its wrap-up, were told.
    fn is_worked_up(&self) -> bool {
        let mut wrap_up_is_open = None;
        for step in self.steps.iter() {
            match step.act {
                Act::Ended { wrap_up_until, .. } => wrap_up_is_open = Some(wrap_up_until.is_some()),
                Act::WrapUpOver => wrap_up_is_open = Some(false),
                Act::Enqueued { .. }
                | Act::Answered { .. }
                | Act::Requeued
                | Act::HandedOver { .. }
                | Act::Abandoned { .. }
                | Act::WrapUpExtended { .. }
                | Act::FlowedOut { .. }
                | Act::Closed(_)
                | Act::Failed(_) => {}
                Act::RestoredWaiting | Act::RestoredActive { .. } => wrap_up_is_open = None,
            }
        }
        wrap_up_is_open == Some(false)
    }

    /// Tells `into` what the contact counts for, as known at `as_of`. The steps must be straight.
    pub(super) fn count(
        &self,
        rules: &Rules,
        queues: &[QueueLine],
        as_of: Timestamp,
        into: &mut impl FnMut(CellKey, Stay),
    ) {
        let Some(channel) = self.channel.filter(|_| self.has_begun()) else {
            return;
        };
        let first_enqueue = self.steps.iter().find_map(|step| match step.act {
            Act::Enqueued { .. } => Some(step.at),
            Act::Answered { .. }
            | Act::Requeued
            | Act::HandedOver { .. }
            | Act::Abandoned { .. }
            | Act::FlowedOut { .. }
            | Act::Ended { .. }
            | Act::WrapUpExtended { .. }
            | Act::WrapUpOver
            | Act::Closed(_)
            | Act::Failed(_)
            | Act::RestoredWaiting
            | Act::RestoredActive { .. } => None,
        });
        let Some(arrival) = self.arrived.or(first_enqueue) else {
            return;
        };
        let start = rules.interval_of(arrival);
        let thresholds_of = |queue: QueueKey| {
            queues
                .get(queue.place())
                .map_or(rules.thresholds, |line| line.thresholds(rules, arrival))
        };
        let mut has_visited = false;
        let mut last: Option<Visit> = None;
        self.visits(|visit| {
            if let Some(before) = last.replace(visit) {
                has_visited = true;
                let thresholds = thresholds_of(before.queue);
                into(
                    CellKey {
                        start,
                        queue: Some(before.queue),
                        channel,
                    },
                    before.stay(before.counts(thresholds, as_of)),
                );
            }
        });
        match last {
            Some(visit) => {
                let counts =
                    self.last_counts(visit, has_visited, thresholds_of(visit.queue), as_of);
                into(
                    CellKey {
                        start,
                        queue: Some(visit.queue),
                        channel,
                    },
                    visit.stay(counts),
                );
            }
            None => {
                let (queue, counts) = self.outside_counts();
                into(
                    CellKey {
                        start,
                        queue,
                        channel,
                    },
                    Stay {
                        counts,
                        ..Stay::default()
                    },
                );
            }
        }
    }

    /// Follows the steps and tells every stay in a queue, in order.
    fn visits(&self, mut tell: impl FnMut(Visit)) {
        let mut current: Option<Visit> = None;
        for step in self.counted_steps() {
            match (step.act, &mut current) {
                (Act::Enqueued { queue, .. }, Some(visit))
                    if visit.queue == queue && matches!(visit.outcome, Outcome::Waits) => {}
                (Act::Enqueued { queue, since }, before) => {
                    if let Some(mut visit) = before.take() {
                        if matches!(visit.outcome, Outcome::Waits) {
                            visit.outcome = Outcome::FlowedOut { to: None };
                        }
                        tell(visit);
                    }
                    current = Some(Visit {
                        queue,
                        since,
                        outcome: Outcome::Waits,
                        handed_over: None,
                    });
                }
                (act, Some(visit)) => visit.take(act, step.at),
                (_, None) => {}
            }
        }
        if let Some(visit) = current {
            tell(visit);
        }
    }

    /// The counts of the last stay, for which the contact's own end may stand in for a missing outcome.
    fn last_counts(
        &self,
        mut visit: Visit,
        has_visited: bool,
        thresholds: Thresholds,
        as_of: Timestamp,
    ) -> Counts {
        let Some((closed_at, result)) = self.ending().closed else {
            return visit.counts(thresholds, as_of);
        };
        let wait_ms = millis(visit.since, closed_at);
        match (visit.outcome, result) {
            (Outcome::FlowedOut { .. } | Outcome::Waits, ContactResult::CallBack) => Counts {
                offered: 1,
                callbacks: 1,
                ..Counts::default()
            },
            (Outcome::Waits, ContactResult::Abandoned) => {
                visit.outcome = Outcome::Abandoned { wait_ms };
                visit.counts(thresholds, as_of)
            }
            (Outcome::Waits, ContactResult::FlowedOut | ContactResult::Informed) => {
                visit.outcome = Outcome::FlowedOut { to: None };
                visit.counts(thresholds, as_of)
            }
            (Outcome::Waits, ContactResult::Blocked) if !has_visited => Counts {
                blocked: 1,
                ..Counts::default()
            },
            // Who waited when their gateway died left the line as well.
            (Outcome::Waits | Outcome::Abandoned { .. }, ContactResult::Failed) => Counts {
                failed: 1,
                ..Counts::default()
            },
            (Outcome::Waits, ContactResult::Answered | ContactResult::Blocked) => Counts {
                offered: 1,
                unaccounted: 1,
                ..Counts::default()
            },
            (
                Outcome::Answered { .. } | Outcome::Abandoned { .. } | Outcome::FlowedOut { .. },
                _,
            ) => visit.counts(thresholds, as_of),
        }
    }

    /// What a contact counts for that never stood in a queue.
    fn outside_counts(&self) -> (Option<QueueKey>, Counts) {
        let Ending {
            closed, has_failed, ..
        } = self.ending();
        let result = closed.map(|(_, result)| result);
        let none = Counts::default();
        if let Some(queue) = self.blocked_in {
            return (queue, Counts { blocked: 1, ..none });
        }
        let counts = match result {
            Some(ContactResult::Blocked) => Counts { blocked: 1, ..none },
            Some(ContactResult::Failed) => Counts { failed: 1, ..none },
            Some(ContactResult::Informed) => Counts {
                informed: 1,
                ..none
            },
            Some(_) if has_failed => Counts { failed: 1, ..none },
            Some(
                ContactResult::Answered
                | ContactResult::Abandoned
                | ContactResult::FlowedOut
                | ContactResult::CallBack,
            ) => Counts {
                left_before_queue: 1,
                ..none
            },
            None => none,
        };
        (self.meant_for, counts)
    }
}

impl Outcome {
    fn after(self, act: Act, at: Timestamp) -> Self {
        match (self, act) {
            (Self::Waits, Act::Answered { wait_ms, agent }) => Self::Answered {
                wait_ms,
                agent,
                work: Work::Talks,
            },
            (Self::Waits, Act::Abandoned { wait_ms }) => Self::Abandoned { wait_ms },
            (Self::Waits, Act::FlowedOut { to }) => Self::FlowedOut { to: Some(to) },
            (
                Self::Answered {
                    work: Work::Talks, ..
                },
                Act::Requeued | Act::HandedOver { .. },
            ) => Self::Waits,
            (
                Self::Answered {
                    wait_ms,
                    agent,
                    work: Work::Talks,
                },
                Act::Ended {
                    talk_ms,
                    hold_ms,
                    wrap_up_until,
                },
            ) => Self::Answered {
                wait_ms,
                agent,
                work: Work::Ended {
                    talk_ms,
                    hold_ms,
                    wrap_up: WrapUp {
                        since: at,
                        until: wrap_up_until.unwrap_or(at),
                    },
                },
            },
            (
                Self::Answered {
                    wait_ms,
                    agent,
                    work:
                        Work::Ended {
                            talk_ms,
                            hold_ms,
                            wrap_up,
                        },
                },
                Act::WrapUpExtended { until },
            ) => Self::Answered {
                wait_ms,
                agent,
                work: Work::Ended {
                    talk_ms,
                    hold_ms,
                    wrap_up: WrapUp { until, ..wrap_up },
                },
            },
            (
                Self::Answered {
                    wait_ms,
                    agent,
                    work:
                        Work::Ended {
                            talk_ms,
                            hold_ms,
                            wrap_up,
                        },
                },
                Act::WrapUpOver,
            ) => Self::Answered {
                wait_ms,
                agent,
                work: Work::Ended {
                    talk_ms,
                    hold_ms,
                    wrap_up: WrapUp {
                        until: wrap_up.until.min(at),
                        ..wrap_up
                    },
                },
            },
            // An end that others told, because its node gave no sign of life, is nothing when it has it.
            (_, Act::RestoredWaiting) => Self::Waits,
            (Self::Answered { wait_ms, agent, .. }, Act::RestoredActive { .. })
            | (
                Self::Waits | Self::Abandoned { .. } | Self::FlowedOut { .. },
                Act::RestoredActive { wait_ms, agent },
            ) => Self::Answered {
                wait_ms,
                agent,
                work: Work::Talks,
            },
            (
                same,
                Act::Enqueued { .. }
                | Act::Answered { .. }
                | Act::Requeued
                | Act::HandedOver { .. }
                | Act::Abandoned { .. }
                | Act::FlowedOut { .. }
                | Act::Ended { .. }
                | Act::WrapUpExtended { .. }
                | Act::WrapUpOver
                | Act::Closed(_)
                | Act::Failed(_),
            ) => same,
        }
    }
}

impl Visit {
    fn take(&mut self, act: Act, at: Timestamp) {
        self.outcome = self.outcome.after(act, at);
        if let Act::HandedOver { by } = act {
            self.handed_over = Some((at, by));
        } else if let Act::FlowedOut { .. } = act {
            // What becomes of it later is no agent's doing.
            self.handed_over = self.handed_over.filter(|(since, _)| *since == at);
        }
    }

    /// The stay with what it counts for.
    fn stay(&self, counts: Counts) -> Stay {
        let (agent, to) = match self.outcome {
            Outcome::Answered { agent, .. } => (agent, None),
            Outcome::FlowedOut { to } => (None, to.filter(|_| counts.flowed_out > 0)),
            Outcome::Waits | Outcome::Abandoned { .. } => (None, None),
        };
        Stay {
            counts,
            agent,
            to,
            handed_over_by: self.handed_over.filter(|_| to.is_some()).map(|(_, by)| by),
        }
    }

    fn counts(&self, thresholds: Thresholds, as_of: Timestamp) -> Counts {
        let entered = Counts {
            offered: 1,
            ..Counts::default()
        };
        match self.outcome {
            Outcome::Waits => Counts {
                waiting: 1,
                longest_wait_ms: millis(self.since, as_of),
                ..entered
            },
            Outcome::Answered { wait_ms, work, .. } => {
                let answered = Counts {
                    answered: 1,
                    answered_within: u64::from(wait_ms <= thresholds.service_level_ms),
                    answer_wait_ms: wait_ms,
                    longest_wait_ms: wait_ms,
                    ..entered
                };
                match work {
                    Work::Talks => Counts {
                        in_progress: 1,
                        ..answered
                    },
                    Work::Ended {
                        talk_ms,
                        hold_ms,
                        wrap_up,
                    } => Counts {
                        talk_ms,
                        hold_ms,
                        wrap_up_ms: millis(wrap_up.since, wrap_up.until.min(as_of)),
                        ..answered
                    },
                }
            }
            Outcome::Abandoned { wait_ms } => Counts {
                abandoned: 1,
                abandoned_within: u64::from(wait_ms <= thresholds.service_level_ms),
                short_abandoned: u64::from(wait_ms < thresholds.short_abandon_ms),
                abandon_wait_ms: wait_ms,
                longest_wait_ms: wait_ms,
                ..entered
            },
            Outcome::FlowedOut { .. } => Counts {
                flowed_out: 1,
                ..entered
            },
        }
    }
}

fn millis(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX)
}
