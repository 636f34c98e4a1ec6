//! One agent's time: what they did at every instant, split by the clock.

use super::counts::{Activity, AgentTime};
use super::facts::{Fact, Facts, Packed, Packer, Unpacker};
use super::journey::QueueKey;
use super::reasons::ReasonKey;
use super::seen::{OriginKey, Seen};
use crate::agent::Status;
use crate::event::{Event, EventKind};
use crate::ids::{ContactId, OfferToken};
use crate::time::Timestamp;
use crate::verb::RestoredPlace;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Longest stretch counted without any event of the agent; a real working life has no longer one, and
/// a wrong clock must not make millions of intervals.
const STRETCH_MS_MAX: i64 = 31 * 24 * 3_600 * 1_000;

/// Most contacts followed at once for one agent.
const HELD_MAX: usize = 256;

/// One thing that changes what an agent does.
type Turn = Fact<Act>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Act {
    Status(Presence),
    Reachable(bool),
    Offered {
        contact: ContactId,
        token: OfferToken,
        until: Timestamp,
        /// Whose contact it is.
        queue: Option<QueueKey>,
    },
    Answered {
        contact: ContactId,
        token: OfferToken,
    },
    Held(ContactId),
    Resumed(ContactId),
    Ended {
        contact: ContactId,
        wrap_up_until: Option<Timestamp>,
    },
    Extended {
        contact: ContactId,
        until: Timestamp,
    },
    Released {
        contact: Option<ContactId>,
        why: Release,
    },
    Removed,
    /// Serves these queues from now on.
    Serves(Vec<QueueKey>),
}

/// Why an agent is free of a contact, as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Release {
    Declined,
    RingTimeout,
    WrapUpOver,
    Other,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Presence {
    Available,
    NotReady(ReasonKey),
    #[default]
    LoggedOff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    Ringing { token: OfferToken, until: Timestamp },
    Talking { token: OfferToken },
    Held { token: OfferToken },
    WrapUp { until: Timestamp },
}

/// The queues an agent serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Service {
    /// Nobody has said yet: those of which a contact was offered to them so far.
    Offered(Vec<QueueKey>),
    /// By the word on it that is in force.
    Told(Vec<QueueKey>),
}

impl Default for Service {
    fn default() -> Self {
        Self::Offered(Vec::new())
    }
}

impl Service {
    fn queues(&self) -> &[QueueKey] {
        match self {
            Self::Offered(queues) | Self::Told(queues) => queues,
        }
    }
}

/// What an event of an agent tells, by the keys of the fold.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    /// The reason of a status, if it has one.
    pub(super) reason: Option<ReasonKey>,
    /// The queue of an offer.
    pub(super) offered_in: Option<QueueKey>,
    /// The queues they serve from then on.
    pub(super) serves: Option<BTreeSet<QueueKey>>,
}

/// Where an agent's time goes: the interval's start and what is added there.
pub(super) trait TimeSheet {
    /// What is told from now on counts to these queues.
    fn serve(&mut self, queues: &[QueueKey]);
    /// Adds time spent.
    fn spend(&mut self, from: Timestamp, to: Timestamp, activity: Activity);
    /// Adds time spent not ready, and why.
    fn spend_not_ready(&mut self, from: Timestamp, to: Timestamp, reason: ReasonKey);
    /// The sums of the interval that holds `at`, to count an offer's end in.
    fn sums(&mut self, at: Timestamp) -> &mut AgentTime;
}

/// What is known of one agent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct AgentLine {
    clock: Clock,
    pending: Facts<Act>,
    is_shuffled: bool,
    /// The queues they serve by the latest word on it, whose queues are told of though nobody has time there:
    /// instant, origin's name and number, queues.
    pub(super) serves: Option<(Timestamp, crate::ids::EventId, BTreeSet<QueueKey>)>,
    /// Queues of which a contact was offered to them, for logs in which nothing else says so.
    pub(super) was_offered: BTreeSet<QueueKey>,
}

impl AgentLine {
    /// Takes an event of this agent; events that change nothing of their time are passed over.
    pub(super) fn record(&mut self, event: &Event, origin: OriginKey, keys: Keys) {
        self.was_offered.extend(keys.offered_in);
        if let Some(queues) = &keys.serves
            && self
                .serves
                .as_ref()
                .is_none_or(|(at, id, _)| (*at, id) < (event.at, &event.id))
        {
            self.serves = Some((event.at, event.id.clone(), queues.clone()));
        }
        let Some(act) = Act::of(event, keys) else {
            return;
        };
        let turn = Turn {
            at: event.at,
            origin,
            number: event.id.number,
            act,
        };
        self.is_shuffled |= self.pending.last().is_some_and(|(at, origin, number)| {
            at > turn.at || (at == turn.at && (origin != turn.origin || number > turn.number))
        });
        self.pending.push(&turn);
    }

    /// Counts for good what happened up to `horizon`.
    pub(super) fn settle(&mut self, seen: &Seen, horizon: Timestamp, sheet: &mut impl TimeSheet) {
        if self.is_shuffled {
            self.pending = self.straightened(seen).into_iter().collect();
            self.is_shuffled = false;
        }
        let clock = &mut self.clock;
        sheet.serve(clock.service.queues());
        self.pending
            .take_until(horizon, |turn| clock.take(turn, sheet));
    }

    /// Counts everything known up to `as_of`, without changing what is kept.
    pub(super) fn count(&self, seen: &Seen, as_of: Timestamp, sheet: &mut impl TimeSheet) {
        let mut clock = self.clock.clone();
        sheet.serve(clock.service.queues());
        for turn in self
            .straightened(seen)
            .iter()
            .filter(|turn| turn.at <= as_of)
        {
            clock.take(turn, sheet);
        }
        clock.advance(as_of, sheet);
    }

    /// The queues they serve by the latest word on it, or else those they were offered contacts of.
    pub(super) fn last_serves(&self) -> &BTreeSet<QueueKey> {
        self.serves
            .as_ref()
            .map_or(&self.was_offered, |(_, _, queues)| queues)
    }

    /// Makes the latest word on their queues the one in force, where none was kept beside the time.
    pub(super) fn serve_by_last_word(&mut self) {
        let queues = self.last_serves().iter().copied().collect();
        self.clock.service = match self.serves {
            Some(_) => Service::Told(queues),
            None => Service::Offered(queues),
        };
    }

    fn straightened(&self, seen: &Seen) -> Vec<Turn> {
        let mut turns: Vec<Turn> = self.pending.iter().collect();
        if self.is_shuffled {
            turns.sort_by(|a, b| {
                (a.at, seen.name(a.origin), a.number).cmp(&(b.at, seen.name(b.origin), b.number))
            });
        }
        turns
    }
}

impl Packed for Act {
    fn pack(&self, at: Timestamp, out: &mut Packer) {
        match *self {
            Self::Status(Presence::Available) => out.unsigned(AVAILABLE),
            Self::Status(Presence::NotReady(reason)) => {
                out.unsigned(NOT_READY);
                out.unsigned(u64::from(reason.0));
            }
            Self::Status(Presence::LoggedOff) => out.unsigned(LOGGED_OFF),
            Self::Reachable(is_reachable) => out.unsigned(match is_reachable {
                true => WITHIN_REACH,
                false => OUT_OF_REACH,
            }),
            Self::Offered {
                contact,
                token,
                until,
                queue,
            } => {
                match queue {
                    Some(queue) => {
                        out.unsigned(OFFERED_IN);
                        out.unsigned(u64::from(queue.0));
                    }
                    None => out.unsigned(OFFERED),
                }
                out.contact(contact);
                out.unsigned(token.as_u64());
                out.instant(until, at);
            }
            Self::Answered { contact, token } => {
                out.unsigned(ANSWERED);
                out.contact(contact);
                out.unsigned(token.as_u64());
            }
            Self::Held(contact) => {
                out.unsigned(HELD);
                out.contact(contact);
            }
            Self::Resumed(contact) => {
                out.unsigned(RESUMED);
                out.contact(contact);
            }
            Self::Ended {
                contact,
                wrap_up_until,
            } => {
                out.unsigned(match wrap_up_until {
                    Some(_) => ENDED_WITH_WRAP_UP,
                    None => ENDED,
                });
                out.contact(contact);
                if let Some(until) = wrap_up_until {
                    out.instant(until, at);
                }
            }
            Self::Extended { contact, until } => {
                out.unsigned(EXTENDED);
                out.contact(contact);
                out.instant(until, at);
            }
            Self::Released { contact, why } => {
                out.unsigned(match contact {
                    Some(_) => RELEASED,
                    None => RELEASED_OF_ALL,
                });
                out.unsigned(match why {
                    Release::Declined => 0,
                    Release::RingTimeout => 1,
                    Release::WrapUpOver => 2,
                    Release::Other => 3,
                });
                if let Some(contact) = contact {
                    out.contact(contact);
                }
            }
            Self::Removed => out.unsigned(REMOVED),
            Self::Serves(ref queues) => {
                out.unsigned(SERVES);
                out.unsigned(u64::try_from(queues.len()).unwrap_or(u64::MAX));
                for queue in queues {
                    out.unsigned(u64::from(queue.0));
                }
            }
        }
    }

    fn unpack(at: Timestamp, from: &mut Unpacker<'_>) -> Self {
        match from.unsigned() {
            AVAILABLE => Self::Status(Presence::Available),
            NOT_READY => {
                let reason = u32::try_from(from.unsigned()).unwrap_or(u32::MAX);
                Self::Status(Presence::NotReady(ReasonKey(reason)))
            }
            LOGGED_OFF => Self::Status(Presence::LoggedOff),
            WITHIN_REACH => Self::Reachable(true),
            OUT_OF_REACH => Self::Reachable(false),
            OFFERED => Self::offered(None, at, from),
            OFFERED_IN => {
                let queue = queue_of(from.unsigned());
                Self::offered(Some(queue), at, from)
            }
            SERVES => {
                let count = from.unsigned();
                Self::Serves((0..count).map(|_| queue_of(from.unsigned())).collect())
            }
            ANSWERED => Self::Answered {
                contact: from.contact(),
                token: OfferToken::new(from.unsigned()),
            },
            HELD => Self::Held(from.contact()),
            RESUMED => Self::Resumed(from.contact()),
            ENDED => Self::Ended {
                contact: from.contact(),
                wrap_up_until: None,
            },
            ENDED_WITH_WRAP_UP => Self::Ended {
                contact: from.contact(),
                wrap_up_until: Some(from.instant(at)),
            },
            EXTENDED => Self::Extended {
                contact: from.contact(),
                until: from.instant(at),
            },
            RELEASED => {
                let why = Release::unpack(from);
                Self::Released {
                    contact: Some(from.contact()),
                    why,
                }
            }
            RELEASED_OF_ALL => Self::Released {
                contact: None,
                why: Release::unpack(from),
            },
            _ => Self::Removed,
        }
    }
}

impl Release {
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        match from.unsigned() {
            0 => Self::Declined,
            1 => Self::RingTimeout,
            2 => Self::WrapUpOver,
            _ => Self::Other,
        }
    }
}

fn queue_of(packed: u64) -> QueueKey {
    QueueKey(u32::try_from(packed).unwrap_or(u32::MAX))
}

const AVAILABLE: u64 = 0;
const NOT_READY: u64 = 1;
const LOGGED_OFF: u64 = 2;
const WITHIN_REACH: u64 = 3;
const OUT_OF_REACH: u64 = 4;
const OFFERED: u64 = 5;
const ANSWERED: u64 = 6;
const HELD: u64 = 7;
const RESUMED: u64 = 8;
const ENDED: u64 = 9;
const ENDED_WITH_WRAP_UP: u64 = 10;
const RELEASED: u64 = 11;
const RELEASED_OF_ALL: u64 = 12;
const EXTENDED: u64 = 13;
const REMOVED: u64 = 14;
const SERVES: u64 = 15;
const OFFERED_IN: u64 = 16;

impl Act {
    fn offered(queue: Option<QueueKey>, at: Timestamp, from: &mut Unpacker<'_>) -> Self {
        Self::Offered {
            contact: from.contact(),
            token: OfferToken::new(from.unsigned()),
            until: from.instant(at),
            queue,
        }
    }

    fn of(event: &Event, keys: Keys) -> Option<Self> {
        let contact = event.contact;
        Some(match &event.kind {
            EventKind::AgentStatus { status } => Self::Status(match status {
                Status::Available => Presence::Available,
                Status::NotReady(_) => Presence::NotReady(keys.reason?),
                Status::LoggedOff => Presence::LoggedOff,
            }),
            EventKind::AgentReachable { is_reachable } => Self::Reachable(*is_reachable),
            EventKind::AgentRemoved => Self::Removed,
            EventKind::Offered {
                token, deadline, ..
            } => Self::Offered {
                contact: contact?,
                token: *token,
                until: *deadline,
                queue: keys.offered_in,
            },
            EventKind::AgentChanged { .. } => Self::Serves(keys.serves?.into_iter().collect()),
            EventKind::Answered { token, .. }
            | EventKind::Restored {
                place: RestoredPlace::Active { token, .. },
                ..
            } => Self::Answered {
                contact: contact?,
                token: *token,
            },
            EventKind::Held => Self::Held(contact?),
            EventKind::Resumed => Self::Resumed(contact?),
            EventKind::Ended { wrap_up_until, .. } => Self::Ended {
                contact: contact?,
                wrap_up_until: *wrap_up_until,
            },
            EventKind::WrapUpExtended { until } => Self::Extended {
                contact: contact?,
                until: *until,
            },
            EventKind::Declined { .. } => Self::Released {
                contact,
                why: Release::Declined,
            },
            EventKind::RingTimeout { .. } => Self::Released {
                contact,
                why: Release::RingTimeout,
            },
            EventKind::OfferExpired { .. }
            | EventKind::LeftOffer { .. }
            | EventKind::Requeued { .. }
            | EventKind::Abandoned { .. }
            | EventKind::Overflowed { .. }
            | EventKind::Ready {
                after_wrap_up: false,
                ..
            } => Self::Released {
                contact,
                why: Release::Other,
            },
            EventKind::Ready {
                after_wrap_up: true,
                ..
            } => Self::Released {
                contact,
                why: Release::WrapUpOver,
            },
            EventKind::Arrived { .. }
            | EventKind::Identified { .. }
            | EventKind::TicketLinked { .. }
            | EventKind::Enqueued { .. }
            | EventKind::Blocked { .. }
            | EventKind::Failed { .. }
            | EventKind::Rang { .. }
            | EventKind::KeyedIn { .. }
            | EventKind::IncidentTold { .. }
            | EventKind::MessageLeft { .. }
            | EventKind::Informed { .. }
            | EventKind::MediaReport { .. }
            | EventKind::Closed { .. }
            | EventKind::QueueChanged { .. }
            | EventKind::OverflowRefused { .. }
            | EventKind::Reprioritised { .. }
            | EventKind::NextStatus { .. }
            | EventKind::Restored {
                place: RestoredPlace::Waiting { .. } | RestoredPlace::Ended { .. },
                ..
            }
            | EventKind::NodeLost { .. }
            | EventKind::StoreLost { .. }
            | EventKind::Escalated { .. }
            | EventKind::TicketChanged { .. }
            | EventKind::SymptomRecorded { .. }
            | EventKind::Rated { .. }
            | EventKind::AnswerAwaited { .. }
            | EventKind::AnswerWaitEnded { .. }
            | EventKind::Intervened { .. }
            | EventKind::StoreReturned => return None,
        })
    }
}

/// What an agent does now, and since when that is not yet counted.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Clock {
    since: Option<Timestamp>,
    presence: Presence,
    is_reachable: bool,
    held: Vec<(ContactId, Phase)>,
    #[serde(default)]
    service: Service,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            since: None,
            presence: Presence::LoggedOff,
            is_reachable: true,
            held: Vec::new(),
            service: Service::default(),
        }
    }
}

impl Clock {
    fn activity(&self) -> Option<Activity> {
        let mut most = None;
        for (_, phase) in &self.held {
            let activity = match phase {
                Phase::Talking { .. } => Activity::Talk,
                Phase::Held { .. } => Activity::Hold,
                Phase::WrapUp { .. } => Activity::WrapUp,
                Phase::Ringing { .. } => Activity::Ringing,
            };
            most = Some(most.map_or(activity, |other: Activity| other.min(activity)));
        }
        most.or(match (self.presence, self.is_reachable) {
            (Presence::Available, true) => Some(Activity::Idle),
            (Presence::Available, false) => Some(Activity::Unreachable),
            (Presence::NotReady(_), _) => Some(Activity::NotReady),
            (Presence::LoggedOff, _) => None,
        })
    }

    /// Counts the time up to `to`; a ring or wrap-up ends by itself at its own bound.
    fn advance(&mut self, to: Timestamp, sheet: &mut impl TimeSheet) {
        let Some(mut from) = self.since else {
            self.since = Some(to);
            return;
        };
        while from < to {
            let bound = self
                .held
                .iter()
                .filter_map(|(_, phase)| phase.until())
                .min()
                .map_or(to, |until| until.max(from).min(to));
            if let Some(activity) = self.activity() {
                let counted = Timestamp::from_millis(
                    bound
                        .as_millis()
                        .min(from.as_millis().saturating_add(STRETCH_MS_MAX)),
                );
                sheet.spend(from, counted, activity);
                if let (Activity::NotReady, Presence::NotReady(reason)) = (activity, self.presence)
                {
                    sheet.spend_not_ready(from, counted, reason);
                }
            }
            if bound < to || bound == from {
                self.held
                    .retain(|(_, phase)| phase.until().is_none_or(|until| until > bound));
            }
            from = bound;
        }
        self.since = Some(from);
    }

    fn take(&mut self, turn: &Turn, sheet: &mut impl TimeSheet) {
        self.advance(turn.at, sheet);
        match &turn.act {
            Act::Status(presence) => self.presence = *presence,
            Act::Reachable(is_reachable) => self.is_reachable = *is_reachable,
            Act::Offered {
                contact,
                token,
                until,
                queue,
            } => {
                self.note_offer(*queue, sheet);
                sheet.sums(turn.at).offers += 1;
                if self
                    .phase(*contact)
                    .is_none_or(|phase| phase.token().is_none_or(|standing| standing < *token))
                {
                    self.set(
                        *contact,
                        Phase::Ringing {
                            token: *token,
                            until: *until,
                        },
                    );
                }
            }
            Act::Answered { contact, token } => {
                sheet.sums(turn.at).answers += 1;
                self.set(*contact, Phase::Talking { token: *token });
            }
            Act::Held(contact) => {
                if let Some(Phase::Talking { token }) = self.phase(*contact) {
                    self.set(*contact, Phase::Held { token });
                }
            }
            Act::Resumed(contact) => {
                if let Some(Phase::Held { token }) = self.phase(*contact) {
                    self.set(*contact, Phase::Talking { token });
                }
            }
            Act::Ended {
                contact,
                wrap_up_until,
            } => {
                self.held.retain(|(held, _)| held != contact);
                if let Some(until) = wrap_up_until {
                    self.set(*contact, Phase::WrapUp { until: *until });
                }
            }
            Act::Extended { contact, until } => {
                if let Some(Phase::WrapUp { .. }) = self.phase(*contact) {
                    self.set(*contact, Phase::WrapUp { until: *until });
                }
            }
            Act::Released { contact, why } => {
                match why {
                    Release::Declined => sheet.sums(turn.at).declines += 1,
                    Release::RingTimeout => sheet.sums(turn.at).ring_timeouts += 1,
                    Release::WrapUpOver | Release::Other => {}
                }
                self.release(*contact, *why);
            }
            Act::Removed => {
                self.presence = Presence::LoggedOff;
                self.held.clear();
            }
            Act::Serves(queues) => {
                self.service = Service::Told(queues.clone());
                sheet.serve(queues);
            }
        }
    }

    /// Takes whose contact it is for a queue that they serve, if nobody has said which those are.
    fn note_offer(&mut self, queue: Option<QueueKey>, sheet: &mut impl TimeSheet) {
        if let (Service::Offered(queues), Some(queue)) = (&mut self.service, queue)
            && !queues.contains(&queue)
        {
            queues.push(queue);
            sheet.serve(queues);
        }
    }

    fn release(&mut self, contact: Option<ContactId>, why: Release) {
        match contact {
            Some(contact) => self.held.retain(|(held, _)| *held != contact),
            None => self.held.retain(|(_, phase)| match phase {
                Phase::WrapUp { .. } => why != Release::WrapUpOver,
                Phase::Ringing { .. } => why == Release::WrapUpOver,
                Phase::Talking { .. } | Phase::Held { .. } => true,
            }),
        }
    }

    fn phase(&self, contact: ContactId) -> Option<Phase> {
        self.held
            .iter()
            .find(|(held, _)| *held == contact)
            .map(|(_, phase)| *phase)
    }

    fn set(&mut self, contact: ContactId, phase: Phase) {
        if let Some((_, standing)) = self.held.iter_mut().find(|(held, _)| *held == contact) {
            *standing = phase;
        } else if self.held.len() < HELD_MAX {
            self.held.push((contact, phase));
        }
    }
}

impl Phase {
    fn until(self) -> Option<Timestamp> {
        match self {
            Self::Ringing { until, .. } | Self::WrapUp { until } => Some(until),
            Self::Talking { .. } | Self::Held { .. } => None,
        }
    }

    fn token(self) -> Option<OfferToken> {
        match self {
            Self::Ringing { token, .. } | Self::Talking { token } | Self::Held { token } => {
                Some(token)
            }
            Self::WrapUp { .. } => None,
        }
    }
}
