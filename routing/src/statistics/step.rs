//! One step on a contact's way, and how it is packed.

use super::facet::FacetKey;
use super::facts::{Fact, Packed, Packer, Unpacker};
use super::journey::QueueKey;
use super::reasons::ReasonKey;
use crate::event::ContactResult;
use crate::time::Timestamp;

/// One step.
pub(super) type Step = Fact<Act>;

/// What a step changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Enqueued {
        queue: QueueKey,
        since: Timestamp,
    },
    Answered {
        wait_ms: u64,
        /// Who did.
        agent: Option<FacetKey>,
    },
    Requeued,
    /// The agent who had it passed it on.
    HandedOver {
        by: FacetKey,
    },
    Abandoned {
        wait_ms: u64,
    },
    FlowedOut {
        to: ReasonKey,
    },
    Ended {
        talk_ms: u64,
        hold_ms: u64,
        wrap_up_until: Option<Timestamp>,
    },
    WrapUpExtended {
        until: Timestamp,
    },
    WrapUpOver,
    /// The contact's own end; counted only if nobody claimed it back afterwards.
    Closed(ContactResult),
    Failed(ReasonKey),
    /// Its node says that it waits, whatever was told before.
    RestoredWaiting,
    /// Its node says that an agent has it.
    RestoredActive {
        wait_ms: u64,
        agent: Option<FacetKey>,
    },
}

impl Packed for Act {
    fn pack(&self, at: Timestamp, out: &mut Packer) {
        match *self {
            Self::Enqueued { queue, since } => {
                out.unsigned(ENQUEUED);
                out.unsigned(u64::from(queue.0));
                out.instant(since, at);
            }
            Self::Answered { wait_ms, agent } => {
                out.unsigned(ANSWERED);
                out.unsigned(wait_ms);
                out.unsigned(agent.map_or(0, |agent| u64::from(agent.0) + 1));
            }
            Self::Requeued => out.unsigned(REQUEUED),
            Self::HandedOver { by } => {
                out.unsigned(HANDED_OVER);
                out.unsigned(u64::from(by.0));
            }
            Self::Abandoned { wait_ms } => {
                out.unsigned(ABANDONED);
                out.unsigned(wait_ms);
            }
            Self::FlowedOut { to } => {
                out.unsigned(FLOWED_OUT);
                out.unsigned(u64::from(to.0));
            }
            Self::Ended {
                talk_ms,
                hold_ms,
                wrap_up_until,
            } => {
                out.unsigned(match wrap_up_until {
                    Some(_) => ENDED_WITH_WRAP_UP,
                    None => ENDED,
                });
                out.unsigned(talk_ms);
                out.unsigned(hold_ms);
                if let Some(until) = wrap_up_until {
                    out.instant(until, at);
                }
            }
            Self::WrapUpExtended { until } => {
                out.unsigned(WRAP_UP_EXTENDED);
                out.instant(until, at);
            }
            Self::WrapUpOver => out.unsigned(WRAP_UP_OVER),
            Self::Closed(result) => {
                out.unsigned(CLOSED);
                out.unsigned(match result {
                    ContactResult::Answered => 0,
                    ContactResult::Abandoned => 1,
                    ContactResult::FlowedOut => 2,
                    ContactResult::CallBack => 3,
                    ContactResult::Blocked => 4,
                    ContactResult::Informed => 5,
                    ContactResult::Failed => 6,
                });
            }
            Self::Failed(cause) => {
                out.unsigned(FAILED);
                out.unsigned(u64::from(cause.0));
            }
            Self::RestoredWaiting => out.unsigned(RESTORED_WAITING),
            Self::RestoredActive { wait_ms, agent } => {
                out.unsigned(RESTORED_ACTIVE);
                out.unsigned(wait_ms);
                out.unsigned(agent.map_or(0, |agent| u64::from(agent.0) + 1));
            }
        }
    }

    fn unpack(at: Timestamp, from: &mut Unpacker<'_>) -> Self {
        match from.unsigned() {
            ENQUEUED => Self::Enqueued {
                queue: QueueKey(u32::try_from(from.unsigned()).unwrap_or(u32::MAX)),
                since: from.instant(at),
            },
            ANSWERED => Self::Answered {
                wait_ms: from.unsigned(),
                agent: agent_of(from.unsigned()),
            },
            REQUEUED => Self::Requeued,
            HANDED_OVER => Self::HandedOver {
                by: FacetKey(u32::try_from(from.unsigned()).unwrap_or(u32::MAX)),
            },
            ABANDONED => Self::Abandoned {
                wait_ms: from.unsigned(),
            },
            FLOWED_OUT => Self::FlowedOut {
                to: ReasonKey(u32::try_from(from.unsigned()).unwrap_or(u32::MAX)),
            },
            ENDED => Self::Ended {
                talk_ms: from.unsigned(),
                hold_ms: from.unsigned(),
                wrap_up_until: None,
            },
            ENDED_WITH_WRAP_UP => Self::Ended {
                talk_ms: from.unsigned(),
                hold_ms: from.unsigned(),
                wrap_up_until: Some(from.instant(at)),
            },
            WRAP_UP_EXTENDED => Self::WrapUpExtended {
                until: from.instant(at),
            },
            CLOSED => Self::Closed(match from.unsigned() {
                0 => ContactResult::Answered,
                1 => ContactResult::Abandoned,
                2 => ContactResult::FlowedOut,
                3 => ContactResult::CallBack,
                4 => ContactResult::Blocked,
                5 => ContactResult::Informed,
                _ => ContactResult::Failed,
            }),
            FAILED => Self::Failed(ReasonKey(
                u32::try_from(from.unsigned()).unwrap_or(u32::MAX),
            )),
            RESTORED_WAITING => Self::RestoredWaiting,
            RESTORED_ACTIVE => Self::RestoredActive {
                wait_ms: from.unsigned(),
                agent: agent_of(from.unsigned()),
            },
            _ => Self::WrapUpOver,
        }
    }
}

const ENQUEUED: u64 = 0;
const ANSWERED: u64 = 1;
const REQUEUED: u64 = 2;
const ABANDONED: u64 = 3;
const FLOWED_OUT: u64 = 4;
const ENDED: u64 = 5;
const ENDED_WITH_WRAP_UP: u64 = 6;
const WRAP_UP_EXTENDED: u64 = 7;
const WRAP_UP_OVER: u64 = 8;
const CLOSED: u64 = 9;
const FAILED: u64 = 10;
const RESTORED_WAITING: u64 = 11;
const RESTORED_ACTIVE: u64 = 12;
const HANDED_OVER: u64 = 13;

/// An agent as packed: 0 is none.
fn agent_of(packed: u64) -> Option<FacetKey> {
    let agent = packed.checked_sub(1)?;
    Some(FacetKey(u32::try_from(agent).unwrap_or(u32::MAX)))
}
