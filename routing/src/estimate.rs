//! How long somebody will wait: "unknown" when it is unknown.

use crate::event::{Event, EventKind};
use crate::ids::QueueId;
use std::collections::BTreeMap;
use std::time::Duration;

/// Most positions whose terms are added up; behind these nobody is told a wait.
const POSITIONS_MAX: usize = 100_000;

/// The estimated wait at a position (1 is next) with `agents` at work who each take `handle` for a contact,
/// when those who wait give up after `patience` in the mean: the sum over i < position of
/// 1 / (agents/handle + i/patience).
///
/// Without `patience` nobody is expected to give up. `None` without agents or a handle time.
pub fn estimated_wait(
    position: usize,
    agents: usize,
    handle: Duration,
    patience: Option<Duration>,
) -> Option<Duration> {
    let agents = u32::try_from(agents).ok()?;
    if agents == 0 || handle.is_zero() || position > POSITIONS_MAX {
        return None;
    }
    let served_per_s = f64::from(agents) / handle.as_secs_f64();
    let leaving = patience.filter(|patience| !patience.is_zero());
    let left_per_s = leaving.map_or(0.0, |patience| 1.0 / patience.as_secs_f64());
    let waits = (0..u32::try_from(position).ok()?)
        .map(|before| 1.0 / (served_per_s + f64::from(before) * left_per_s));
    Duration::try_from_secs_f64(waits.sum()).ok()
}

/// How fast the lines move lately, learned from the desk's events; newer ones weigh more.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    queues: BTreeMap<QueueId, QueuePace>,
}

#[derive(Clone, Copy, Debug, Default)]
struct QueuePace {
    /// Mean time a contact takes its agent (talk, hold and wrap-up).
    handle: Option<Duration>,
    /// Time waited by those who were answered or left, in seconds, and how many left: patience is the one
    /// by the other when it is exponential, those who were answered being censored.
    waited_s: f64,
    left: f64,
}

/// How many contacts the mean handle time remembers.
const HANDLED_REMEMBERED: u32 = 20;

/// Share of the waits that one more makes the older ones count less by: it remembers about 200.
const WAITS_KEPT: f64 = 1.0 - 1.0 / 200.0;

impl Pace {
    /// Learns from an event, if it tells of a wait or of the work on a contact.
    pub fn observe(&mut self, event: &Event) {
        let Some(queue) = &event.queue else {
            return;
        };
        if let EventKind::Ended {
            talk_ms,
            hold_ms,
            wrap_up_until,
            ..
        } = &event.kind
        {
            let wrap_up = wrap_up_until.map_or(Duration::ZERO, |until| until.since(event.at));
            let handled = Duration::from_millis(talk_ms.saturating_add(*hold_ms)) + wrap_up;
            self.of(queue).handled(handled);
        } else if let EventKind::Answered { wait_ms, .. } = &event.kind {
            self.of(queue).waited(*wait_ms, 0.0);
        } else if let EventKind::Abandoned { wait_ms } = &event.kind {
            self.of(queue).waited(*wait_ms, 1.0);
        }
    }

    /// The estimated wait at a position of a queue with that many agents at work; `None` without agents or
    /// experience.
    pub fn estimated_wait(
        &self,
        queue: &QueueId,
        position: usize,
        agents: usize,
    ) -> Option<Duration> {
        let pace = self.queues.get(queue)?;
        estimated_wait(position, agents, pace.handle?, pace.patience())
    }

    fn of(&mut self, queue: &QueueId) -> &mut QueuePace {
        self.queues.entry(queue.clone()).or_default()
    }
}

impl QueuePace {
    fn handled(&mut self, handled: Duration) {
        let mean = self.handle.map_or(handled, |mean| {
            (mean.saturating_mul(HANDLED_REMEMBERED - 1) + handled) / HANDLED_REMEMBERED
        });
        self.handle = Some(mean);
    }

    fn waited(&mut self, wait_ms: u64, left: f64) {
        let wait_s = Duration::from_millis(wait_ms).as_secs_f64();
        self.waited_s = self.waited_s * WAITS_KEPT + wait_s;
        self.left = self.left * WAITS_KEPT + left;
    }

    /// Mean patience; `None` until somebody has left.
    fn patience(&self) -> Option<Duration> {
        if self.left <= 0.0 {
            return None;
        }
        Duration::try_from_secs_f64(self.waited_s / self.left).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EndedBy;
    use crate::ids::{EventId, NodeId, OfferToken};
    use crate::time::Timestamp;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_sum_is_that_of_the_definition() {
        assert_eq!(estimated_wait(0, 2, MINUTE, None), Some(Duration::ZERO));
        assert_eq!(
            estimated_wait(3, 2, MINUTE, None),
            Some(Duration::from_secs(90))
        );
        // 1/(1/60) + 1/(1/60 + 1/60) + 1/(1/60 + 2/60) = 60 + 30 + 20.
        let wait = estimated_wait(3, 1, MINUTE, Some(MINUTE)).expect("known");
        assert!((wait.as_secs_f64() - 110.0).abs() < 1e-6, "{wait:?}");
    }

    #[test]
    fn without_agents_or_experience_it_is_unknown() {
        assert_eq!(estimated_wait(1, 0, MINUTE, None), None);
        assert_eq!(estimated_wait(1, 2, Duration::ZERO, None), None);
        let queue = QueueId::from("desk");
        assert_eq!(Pace::default().estimated_wait(&queue, 1, 3), None);
    }

    #[test]
    fn pace_and_patience_are_learned_from_events() {
        let event = |kind| Event {
            id: EventId {
                origin: NodeId::from("desk"),
                number: 1,
            },
            at: Timestamp::default(),
            contact: None,
            queue: Some(QueueId::from("desk")),
            agent: None,
            kind,
        };
        let mut pace = Pace::default();
        let queue = QueueId::from("desk");
        pace.observe(&event(EventKind::Ended {
            by: EndedBy::Caller,
            talk_ms: 40_000,
            hold_ms: 10_000,
            wrap_up_until: Some(Timestamp::from_seconds(10)),
            wrap_up_latest: None,
        }));
        assert_eq!(pace.estimated_wait(&queue, 2, 1), Some(MINUTE * 2));
        pace.observe(&event(EventKind::Abandoned { wait_ms: 30_000 }));
        let token = OfferToken::new(1);
        let wait_ms = 30_000;
        pace.observe(&event(EventKind::Answered { token, wait_ms }));
        // A minute waited for one who left, but for what a wait fades: the second place waits less.
        let wait = pace.estimated_wait(&queue, 2, 1).expect("known");
        assert!((89.0..91.0).contains(&wait.as_secs_f64()), "{wait:?}");
    }
}
