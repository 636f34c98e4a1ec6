//! What a shard keeps of one call beside its flow.

use super::rules::DialledNumber;
use crate::call_flow::{Course, LinkedTicket};
use crate::cms::Caller;
use crate::config::Language;
use crate::cti::{Claim, Identification};
use crate::incidents::Incident;
use crate::trace::{self, Ladder};
use ringdown_routing::contact::{Channel, Priority};
use ringdown_routing::event::{ContactResult, EventKind};
use ringdown_routing::ids::{AgentId, QueueId};
use ringdown_routing::time::Timestamp;
use ringdown_voice::call::LegId;
use std::sync::Arc;
use std::time::Instant;

/// Whose a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LegRole {
    /// The caller's.
    Caller,
    /// That of the n-th who was rung, from 1.
    Rung(u16),
}

impl LegRole {
    /// The word in a media report.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Rung(_) => "agent",
        }
    }

    /// The column in the ladder.
    pub(super) fn ladder_leg(self) -> trace::Leg {
        match self {
            Self::Caller => trace::Leg::Caller,
            Self::Rung(nth) => trace::Leg::Agent(nth),
        }
    }
}

/// Who calls and where to, as the network says it.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    /// The dialled number's rules.
    pub(super) number: Arc<DialledNumber>,
    /// What was dialled.
    pub(super) to: Arc<str>,
    /// The trunk or phone it came by.
    pub(super) via: Arc<str>,
    /// Who it says it is.
    pub(super) claim: Claim,
    /// Hops it may still go, so that a call that comes back to us again and again ends.
    pub(super) max_forwards: u8,
}

impl Arrival {
    /// The first event of the call.
    pub(super) fn to_event(&self) -> EventKind {
        EventKind::Arrived {
            channel: Channel::Voice,
            from: self.claim.shown.clone(),
            to: self.to.to_string(),
            via: self.via.to_string(),
        }
    }
}

/// Who helped a caller last, as far as it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LastAgent {
    /// It was not asked; the line does not care, or not yet.
    NotAsked,
    /// It is being asked; then the call enters its line with this priority.
    Asked { line: QueueId, priority: Priority },
    /// Nobody did lately.
    Nobody,
    /// This one.
    Is(AgentId),
}

impl LastAgent {
    /// The agent.
    pub(super) fn known(&self) -> Option<&AgentId> {
        match self {
            Self::Is(agent) => Some(agent),
            Self::NotAsked | Self::Asked { .. } | Self::Nobody => None,
        }
    }
}

/// One call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) flow: Course,
    /// The timer that is set for it.
    pub(super) due: Option<Instant>,
    pub(super) caller_leg: LegId,
    pub(super) arrival: Arrival,
    pub(super) identification: Option<Box<Identification>>,
    pub(super) ticket: Option<LinkedTicket>,
    /// The major incidents that the caller was told of, or is to be.
    pub(super) incidents: Vec<Arc<Incident>>,
    /// Who helped the caller last.
    pub(super) last_agent: LastAgent,
    /// Since when it stands in the line, whatever CMS and desk take: its arrival, or the end of the time
    /// its caller had to key a number in. So a caller who is found slowly enters behind nobody who came later
    /// and waits; only an agent who was idle when such a one entered has them ([`ringdown_routing::policy`]).
    pub(super) lines_up_since: Timestamp,
    pub(super) ladder: Ladder,
    /// How it ended, once it has.
    pub(super) result: Option<ContactResult>,
    /// Legs whose last word is still to come.
    pub(super) legs: u16,
    rung: u16,
}

impl Call {
    pub(super) fn new(
        at: Timestamp,
        flow: Course,
        caller_leg: LegId,
        arrival: Arrival,
        ladder: Ladder,
    ) -> Self {
        Self {
            flow,
            due: None,
            caller_leg,
            arrival,
            identification: None,
            ticket: None,
            incidents: Vec::new(),
            lines_up_since: at,
            last_agent: LastAgent::NotAsked,
            ladder,
            result: None,
            legs: 1,
            rung: 0,
        }
    }

    /// A call that begins without a caller, who is dialled later.
    pub(super) fn of_call_back(
        at: Timestamp,
        flow: Course,
        caller_leg: LegId,
        arrival: Arrival,
        ladder: Ladder,
    ) -> Self {
        Self {
            legs: 0,
            ..Self::new(at, flow, caller_leg, arrival, ladder)
        }
    }

    /// Counts another leg that is rung, and names it.
    pub(super) fn add_rung(&mut self) -> LegRole {
        self.rung = self.rung.saturating_add(1);
        self.legs += 1;
        LegRole::Rung(self.rung)
    }

    /// The caller, when there is no doubt who it is.
    pub(super) fn known(&self) -> Option<&Caller> {
        self.identification.as_deref()?.known().map(AsRef::as_ref)
    }

    /// The language to speak: the caller's own when it is known, else the number's.
    pub(super) fn language(&self) -> &Language {
        self.known()
            .and_then(|caller| caller.language.as_ref())
            .unwrap_or(&self.arrival.number.language)
    }
}
