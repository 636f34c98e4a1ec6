//! Calls that are not let in: what is said to them, and how they count.

use super::call::Arrival;
use super::door::reply;
use ringdown_routing::event::{ContactResult, EventKind};
use ringdown_voice::sdp::Refusal;
use ringdown_voice::sip::header::Header;
use ringdown_voice::sip::registrar::Reply;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is said to a call that is not let in.
#[derive(Clone, Debug)]
pub(super) enum TurnedAway {
    /// Nothing at all.
    Silently,
    /// This.
    With(Reply),
    /// This; it was for a number of ours, and counts.
    Counted(Reply, Box<Counted>),
}

/// A call for a number of ours that was not let in.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    /// Who called, and where to.
    pub(super) arrival: Arrival,
    /// Why it was not let in: `Blocked` or `Failed`.
    pub(super) fact: EventKind,
}

impl Counted {
    /// How it ended.
    pub(super) fn result(&self) -> ContactResult {
        if matches!(self.fact, EventKind::Failed { .. }) {
            ContactResult::Failed
        } else {
            ContactResult::Blocked
        }
    }
}

impl TurnedAway {
    /// All lines are busy.
    pub(super) fn full(arrival: Arrival) -> Self {
        let reason = "lines_busy".to_owned();
        let fact = EventKind::Blocked { reason };
        Self::Counted(full(), Box::new(Counted { arrival, fact }))
    }

    /// Its audio could not be answered.
    pub(super) fn mute(arrival: Arrival, refusal: Refusal) -> Self {
        let warning = refusal.warning().map(|code| {
            let text = format!("{code} ringdown \"{refusal}\"");
            (Header::Warning, text)
        });
        let reply = Reply {
            status: refusal.status(),
            reason: refusal.reason(),
            headers: warning.into_iter().collect(),
        };
        let cause = format!("media: {refusal}");
        let fact = EventKind::Failed { cause };
        Self::Counted(reply, Box::new(Counted { arrival, fact }))
    }
}

/// What a gateway says that would take calls.
pub(super) fn alive() -> Reply {
    reply(200, "OK")
}

/// What a gateway says to strangers.
pub(super) fn forbidden() -> Reply {
    reply(403, "Forbidden")
}

/// What a gateway says of a number that it does not have.
pub(super) fn no_such_number() -> Reply {
    reply(404, "No Such Number")
}

/// What a gateway that drains says: a proxy takes it out, and brings the call elsewhere.
pub(super) fn out_of_service() -> Reply {
    Reply {
        status: 503,
        reason: "Out Of Service",
        headers: vec![(Header::RetryAfter, "120".to_owned())],
    }
}

fn full() -> Reply {
    Reply {
        status: 503,
        reason: "All Lines Are Busy",
        headers: vec![(Header::RetryAfter, "10".to_owned())],
    }
}

/// Counts the new calls of the current second.
#[derive(Debug)]
pub(super) struct CallRate {
    calls_max: u32,
    second: Mutex<(Instant, u32)>,
}

impl CallRate {
    pub(super) fn new(calls_max: u32, now: Instant) -> Self {
        Self {
            calls_max,
            second: Mutex::new((now, 0)),
        }
    }

    pub(super) fn admits(&self, now: Instant) -> bool {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(second.0) >= Duration::from_secs(1) {
            *second = (now, 0);
        }
        second.1 = second.1.saturating_add(1);
        second.1 <= self.calls_max
    }
}

/// Bounds what is written down of calls that are not let in: who floods the desk is not to fill its log.
#[derive(Debug)]
pub(super) struct ToldRate {
    rate: CallRate,
    untold: AtomicU64,
}

impl ToldRate {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            rate: CallRate::new(TOLD_PER_SECOND_MAX, now),
            untold: AtomicU64::new(0),
        }
    }

    /// Whether the next one is written down; it is counted if not.
    pub(super) fn is_told(&self, now: Instant) -> bool {
        let is_told = self.rate.admits(now);
        if !is_told {
            self.untold.fetch_add(1, Ordering::Relaxed);
        }
        is_told
    }

    /// Calls that were not written down.
    pub(super) fn untold(&self) -> u64 {
        self.untold.load(Ordering::Relaxed)
    }
}

/// Calls not let in that are written down in one second.
const TOLD_PER_SECOND_MAX: u32 = 200;
