//! Random days of a small desk: numbers turned into verbs, so that they shrink well and every store can
//! be driven by the same ones.

use ringdown_routing::agent::{AgentProfile, Precedence, Served, Status};
use ringdown_routing::contact::{
    CallBackTo, Channel, Needs, Priority, QueuedContact, Reserved, SkillStep,
};
use ringdown_routing::event::{EndedBy, Event, EventKind};
use ringdown_routing::ids::{AgentId, ContactId, NodeId, OfferToken, QueueId, SkillId};
use ringdown_routing::queue::{Aging, OverflowStep, QueueRules, Strategy};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{Change, DeclineReason, End, RequeueReason, RestoredPlace, Verb};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One step of a random day: how much later, which verb, and with whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Act {
    pub(crate) later: u8,
    pub(crate) verb: u8,
    pub(crate) who: u8,
    pub(crate) with: u8,
    pub(crate) how: u8,
}

/// Whether nodes also claim things about their contacts as after the loss of a store. Random claims
/// contradict each other (two calls with one agent), so what holds always holds only without them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claims {
    None,
    Random,
}

/// What the players know: the clock, and the tokens they were told.
#[derive(Clone, Debug)]
pub(crate) struct Players {
    pub(crate) now: Timestamp,
    claims: Claims,
    tokens: Vec<OfferToken>,
}

pub(crate) const CONTACTS: u8 = 9;
pub(crate) const AGENTS: u8 = 4;
const QUEUES: u8 = 3;

impl Players {
    pub(crate) fn new(claims: Claims) -> Self {
        Self {
            claims,
            now: Timestamp::from_millis(1_790_000_000_000),
            tokens: Vec::new(),
        }
    }

    /// The verbs that furnish the desk before the day begins.
    pub(crate) fn opening(&self) -> Vec<Change> {
        let mut verbs: Vec<Verb> = (0..QUEUES)
            .map(|number| Verb::SetQueue {
                rules: rules(number, number),
            })
            .collect();
        for number in 0..AGENTS {
            let agent = agent(number);
            verbs.push(Verb::SetAgent {
                profile: profile(number, number),
            });
            verbs.push(Verb::AgentReachable {
                agent: agent.clone(),
                is_reachable: true,
            });
            verbs.push(Verb::AgentStatus {
                agent,
                status: Status::Available,
            });
        }
        verbs
            .into_iter()
            .map(|verb| Change { at: self.now, verb })
            .collect()
    }

    /// The next change; some are late, repeated or nonsense, as in life.
    pub(crate) fn play(&mut self, act: Act) -> Change {
        // An ordinary day is shorter than ended contacts are remembered, so that no id comes twice.
        let later = match (act.later, self.claims) {
            (0..=199, _) => u64::from(act.later),
            (200..=255, Claims::None) | (200..=250, Claims::Random) => u64::from(act.later) * 10,
            (251..=255, Claims::Random) => u64::from(act.later) * 300,
        };
        self.now = self.now + Duration::from_millis(later);
        Change {
            at: self.now,
            verb: self.verb(act),
        }
    }

    /// Learns the tokens of offers.
    pub(crate) fn hear(&mut self, events: &[Event]) {
        for event in events {
            if let EventKind::Offered { token, .. } = event.kind {
                self.tokens.push(token);
            }
        }
    }

    fn token(&self, choice: u8) -> OfferToken {
        let back = usize::from(choice % 4);
        match self.tokens.len().checked_sub(back + 1) {
            Some(at) => self.tokens[at],
            None => OfferToken::new(7),
        }
    }

    fn verb(&self, act: Act) -> Verb {
        let contact = contact(act.who);
        let agent = agent(act.with);
        match act.verb % 38 {
            0..=5 => Verb::Enqueue {
                contact: self.queued(act),
            },
            6..=11 => Verb::Offer {
                contact,
                agent,
                others: others(act),
            },
            12..=14 => Verb::Accept {
                token: self.token(act.who),
            },
            15 | 16 => Verb::Decline {
                token: self.token(act.who),
                reason: [
                    DeclineReason::Declined,
                    DeclineReason::Busy,
                    DeclineReason::Unreachable,
                ][usize::from(act.how % 3)],
            },
            17 => Verb::RingTimeout {
                token: self.token(act.who),
            },
            18 | 19 => Verb::Abandon { contact },
            20 => Verb::FlowOut {
                contact,
                to: "the \"other\" desk/ünd".to_owned(),
            },
            21 => Verb::Requeue {
                contact,
                reason: [
                    RequeueReason::BridgeFailed,
                    RequeueReason::LeaseExpired,
                    RequeueReason::ByHand,
                ][usize::from(act.how % 3)],
                token: (act.with % 4 != 1).then(|| self.token(act.who)),
            },
            22 | 23 => Verb::Complete {
                contact,
                by: EndedBy::Caller,
                talk: Duration::from_millis(u64::from(act.how) * 1_001),
                hold: Duration::from_millis(u64::from(act.with)),
                token: (!act.how.is_multiple_of(3)).then(|| self.token(act.who)),
            },
            24 => Verb::AgentStatus {
                agent,
                status: match act.how % 4 {
                    0 | 1 => Status::Available,
                    2 => Status::NotReady("lunch / \"late\"".to_owned()),
                    _ => Status::LoggedOff,
                },
            },
            25 => Verb::AgentReachable {
                agent,
                is_reachable: !act.how.is_multiple_of(3),
            },
            26 => Verb::EndWrapUp {
                agent,
                contact: act.how.is_multiple_of(2).then_some(contact),
            },
            33 | 34 => Verb::Move {
                contact,
                to: QueueId::new(format!("queue {}", act.how % (QUEUES + 1)).as_str()),
            },
            36 | 37 => Verb::HandOver {
                contact,
                to: QueueId::new(format!("queue {}", act.how % (QUEUES + 1)).as_str()),
                reserved: act.with.is_multiple_of(3).then(|| Reserved {
                    agent,
                    until: (act.how.is_multiple_of(2)).then(|| self.now + Duration::from_secs(2)),
                }),
                token: (act.with % 4 == 1).then(|| self.token(act.who)),
            },
            35 => Verb::Reprioritise {
                contact,
                priority: Priority(i32::from(act.how % 5) - 2),
            },
            32 => Verb::ExtendWrapUp {
                agent,
                contact,
                by: Duration::from_millis(u64::from(act.how) * 10),
            },
            27 => match act.how % 4 {
                0 => Verb::SetQueue {
                    rules: rules(act.who, act.with),
                },
                1 => Verb::SetAgent {
                    profile: profile(act.with, act.who % 8),
                },
                2 => Verb::RemoveAgent { agent },
                _ => Verb::SetAgent {
                    profile: profile(act.with, act.with % AGENTS),
                },
            },
            28 => Verb::NodeAlive {
                node: node(act.how),
                lease: Duration::from_millis(u64::from(act.who) * 40),
            },
            29 if self.claims == Claims::Random => Verb::Restore {
                contact: self.queued(act),
                place: self.restored(act),
            },
            _ => Verb::Expire,
        }
    }

    fn restored(&self, act: Act) -> RestoredPlace {
        let token = self.token(act.how / 5);
        match act.how % 5 {
            0 => RestoredPlace::Waiting { offer_over: None },
            1 => RestoredPlace::Waiting {
                offer_over: Some(token),
            },
            2 | 3 => RestoredPlace::Active {
                agent: agent(act.with),
                token,
                answered_at: self.now - Duration::from_secs(1),
            },
            _ => RestoredPlace::Ended {
                end: [End::Completed, End::Abandoned, End::FlowedOut, End::Lost]
                    [usize::from(act.who % 4)],
                wrap_up_until: act
                    .with
                    .is_multiple_of(2)
                    .then(|| self.now + Duration::from_secs(3)),
            },
        }
    }

    fn queued(&self, act: Act) -> QueuedContact {
        let skills = match act.how % 4 {
            0 | 1 => Needs::default(),
            2 => Needs::always(BTreeMap::from([(SkillId::from("net"), 3)])),
            _ => relaxing(act.how),
        };
        let reserved = act.how.is_multiple_of(6).then(|| Reserved {
            agent: agent(act.who),
            until: (act.with.is_multiple_of(2)).then(|| self.now + Duration::from_secs(2)),
        });
        let mut avoid = BTreeMap::new();
        if act.with.is_multiple_of(5) {
            avoid.insert(agent(act.how), self.now + Duration::from_secs(2));
        }
        QueuedContact {
            id: contact(act.who),
            queue: QueueId::new(format!("queue {}", act.with % (QUEUES + 1)).as_str()),
            channel: if act.how % 3 == 1 {
                Channel::Chat
            } else {
                Channel::Voice
            },
            priority: Priority(i32::from(act.how % 3) - 1),
            skills,
            reserved,
            enqueued_at: self.now - Duration::from_millis(u64::from(act.later)),
            entered_at: None,
            overflows_refused: 0,
            rings_one: act.later.is_multiple_of(7),
            calls_back: act.later.is_multiple_of(3).then(|| {
                Box::new(CallBackTo {
                    number: "+886912345678".to_owned(),
                    dialled: "100".to_owned(),
                })
            }),
            node: node(act.how),
            avoid,
        }
    }
}

/// Nobody, or some of the agents (now and then one of them twice).
fn others(act: Act) -> Vec<AgentId> {
    if act.how.is_multiple_of(2) {
        return Vec::new();
    }
    let named = (1..=4).filter(|place| act.how >> place & 1 == 1);
    named
        .map(|place| agent(act.with.wrapping_add(place)))
        .collect()
}

/// Both skills for a while, then one of them, then for some an easier one, then nothing.
fn relaxing(variant: u8) -> Needs {
    let [net, mail] = ["net", "mail"].map(SkillId::from);
    let step = |need: BTreeMap<SkillId, u8>, until_ms: Option<u64>| SkillStep {
        need,
        until: until_ms.map(Duration::from_millis),
    };
    let mut steps = vec![
        step(
            BTreeMap::from([(net.clone(), 2), (mail.clone(), 4)]),
            Some(900),
        ),
        step(BTreeMap::from([(net, 4)]), Some(2_500)),
    ];
    if variant.is_multiple_of(3) {
        steps.push(step(BTreeMap::from([(mail, 2)]), None));
    }
    Needs::in_steps(steps)
}

pub(crate) fn contact(number: u8) -> ContactId {
    ContactId::from_u128(0x0190_0000_0000_0000_0000_0000_0000_0000 + u128::from(number % CONTACTS))
}

pub(crate) fn agent(number: u8) -> AgentId {
    AgentId::from(["anna", "bülent", "chloé", "dora"][usize::from(number % AGENTS)])
}

pub(crate) fn node(number: u8) -> NodeId {
    NodeId::from(["one", "two"][usize::from(number % 2)])
}

fn rules(number: u8, variant: u8) -> QueueRules {
    let mut rules =
        QueueRules::with_defaults(QueueId::new(format!("queue {}", number % QUEUES).as_str()));
    rules.ring_timeout = Duration::from_millis(500 + 250 * u64::from(variant % 4));
    if variant % 4 == 3 {
        let longer = Duration::from_millis(3_000);
        rules.take_timeout = BTreeMap::from([(Channel::Chat, longer)]);
    }
    rules.wrap_up = Duration::from_millis(700 * u64::from(variant % 2));
    rules.wrap_up_max = Duration::from_millis(500 * u64::from(variant % 5));
    rules.active_max = variant.is_multiple_of(4).then_some(1);
    rules.decline_back_off = Duration::from_millis(2_500);
    rules.waiting_max = variant.is_multiple_of(3).then_some(2);
    rules.is_open = variant % 8 != 7;
    let step = |after_ms, to| OverflowStep {
        after: Duration::from_millis(after_ms),
        to: QueueId::new(format!("queue {}", (number % QUEUES + to) % QUEUES).as_str()),
    };
    rules.overflow = match variant % 5 {
        0 | 1 => Vec::new(),
        2 => vec![step(1_500, 1)],
        // The first is itself and takes nobody.
        3 => vec![step(600, 0), step(600, 1), step(3_000, 2)],
        _ => vec![step(2_000, 2)],
    };
    rules.aging = Aging::from_thousandths([0, 500, 20_000, 3][usize::from(variant % 4)]);
    rules.strategy = [
        Strategy::LongestIdle,
        Strategy::RingAll,
        Strategy::FewestContacts,
        Strategy::RoundRobin,
        Strategy::MostSkilled,
        Strategy::Weighted,
        Strategy::LeastOccupied,
    ][usize::from(variant % 7)];
    rules.ring_all_max = [16, 3, 2, 1][usize::from(variant / 7 % 4)];
    rules
}

fn profile(number: u8, variant: u8) -> AgentProfile {
    let queues: Served = (0..QUEUES)
        .filter(|queue| !(variant + queue).is_multiple_of(3))
        .map(|queue| {
            let precedence = Precedence(1 + (variant / 2 + queue) % 2);
            (QueueId::new(format!("queue {queue}").as_str()), precedence)
        })
        .collect();
    let mut capacity = BTreeMap::from([(Channel::Voice, 1)]);
    if variant.is_multiple_of(2) {
        capacity.insert(Channel::Chat, u16::from(variant % 3));
    }
    // Everything of the matrix in some of them.
    let no_chat = BTreeMap::from([(Channel::Chat, 0)]);
    let no_call = BTreeMap::from([(Channel::Voice, 0)]);
    let while_holding = match variant % 3 {
        0 => BTreeMap::new(),
        1 => BTreeMap::from([(Channel::Voice, no_chat)]),
        _ => BTreeMap::from([(Channel::Voice, no_chat), (Channel::Chat, no_call)]),
    };
    let interrupted_by = if variant % 4 == 2 {
        BTreeMap::from([(Channel::Chat, BTreeSet::from([Channel::Voice]))])
    } else {
        BTreeMap::new()
    };
    AgentProfile {
        id: agent(number),
        name: format!("Agent {number}"),
        queues: if variant == 5 { Served::new() } else { queues },
        weight: u16::from(1 + variant % 3),
        skills: BTreeMap::from([
            (SkillId::from("net"), 1 + variant % 4),
            (SkillId::from("mail"), 2 + variant % 4),
        ]),
        capacity,
        capacity_total: (variant % 5 == 4).then_some(2),
        while_holding,
        interrupted_by,
    }
}
