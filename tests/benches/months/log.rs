//! The log of a month at a service desk with eight lines and a hundred agents, drawn by chance from a fixed seed.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use ringdown_routing::agent::Status;
use ringdown_routing::contact::{Channel, Needs, Priority};
use ringdown_routing::event::{ContactResult, EndedBy, Event, EventDraft, EventKind, IdentifiedAs};
use ringdown_routing::ids::{
    AgentId, CallerId, ContactId, EventId, NodeId, OfferToken, QueueId, SkillId,
};
use ringdown_routing::time::Timestamp;
use std::collections::BTreeMap;

/// 2026-10-01T00:00+08:00, in seconds of Unix time.
pub(crate) const START_S: i64 = 1_790_784_000;

/// 2026-11-01T11:05+08:00: five minutes after an hour that is not rolled up yet.
pub(crate) const NOW_S: i64 = START_S + DAYS * DAY_S + 11 * 3_600 + 300;

const DAYS: i64 = 31;
const DAY_S: i64 = 86_400;
const QUEUES: u32 = 8;
const AGENTS: u32 = 100;

/// The month, day after day.
pub(crate) struct Month {
    random: StdRng,
    contacts: u32,
    day: i64,
    told: u32,
    number: u64,
    /// What happens after the day that is told.
    later: Vec<EventDraft>,
}

impl Month {
    pub(crate) fn of(contacts: u32) -> Self {
        Self {
            random: StdRng::seed_from_u64(31),
            contacts,
            day: 0,
            told: 0,
            number: 0,
            later: Vec::new(),
        }
    }

    /// The events of the next day in their order; `None` after the morning that follows the month.
    pub(crate) fn next_day(&mut self) -> Option<Vec<Event>> {
        if self.day > DAYS {
            return None;
        }
        let begin = START_S + self.day * DAY_S;
        let end = Timestamp::from_seconds((begin + DAY_S).min(NOW_S));
        let mut drafts = std::mem::take(&mut self.later);
        self.agents(begin, &mut drafts);
        // The month has all its contacts; the morning after it as many as any.
        let until = match self.day {
            DAYS => self.told + self.contacts / DAYS as u32,
            day => (u64::from(self.contacts) * (day as u64 + 1) / DAYS as u64) as u32,
        };
        while self.told < until {
            self.contact(begin, &mut drafts);
            self.told += 1;
        }
        drafts.sort_by_key(|draft| draft.at);
        self.later = drafts.split_off(drafts.partition_point(|draft| draft.at < end));
        self.day += 1;
        let numbered = drafts.into_iter().map(|draft| {
            self.number += 1;
            draft.numbered(EventId {
                origin: NodeId::new("node-a"),
                number: self.number,
            })
        });
        Some(numbered.collect())
    }

    /// What each agent chooses in the course of a day.
    fn agents(&mut self, begin: i64, drafts: &mut Vec<EventDraft>) {
        let lunch = || Status::NotReady("lunch".to_owned());
        for agent in 0..AGENTS {
            for (minute, status) in [
                (470, Status::Available),
                (720, lunch()),
                (765, Status::Available),
                (1_090, Status::LoggedOff),
            ] {
                let at = begin * 1_000 + minute * 60_000 + self.random.random_range(0..600_000);
                let kind = EventKind::AgentStatus { status };
                let agent = AgentId::new(format!("agent-{agent:03}"));
                drafts.push(EventDraft::of_agent(
                    Timestamp::from_millis(at),
                    agent,
                    kind,
                ));
            }
        }
    }

    /// One contact, most of them in office hours.
    fn contact(&mut self, begin: i64, drafts: &mut Vec<EventDraft>) {
        let random = &mut self.random;
        let second = match random.random_range(0..10) {
            0 => random.random_range(0..DAY_S),
            _ => random.random_range(8 * 3_600..18 * 3_600),
        };
        let arrived = begin * 1_000 + second * 1_000 + random.random_range(0..1_000);
        let contact = ContactId::new(Timestamp::from_millis(arrived), random.random());
        // Half of them are by those who come often.
        let person = match random.random() {
            true => random.random_range(0..20_000),
            false => random.random_range(20_000..420_000),
        };
        let channel = match random.random_range(0..20) {
            0 => Channel::Fax,
            1 => Channel::Chat,
            2..6 => Channel::Email,
            _ => Channel::Voice,
        };
        let line = random.random_range(0..QUEUES);
        let mut story = Story {
            at: arrived,
            contact,
            queue: QueueId::new(format!("queue-{line}")),
            agent: None,
            drafts,
        };
        story.begin(person, channel, line * 8 + random.random_range(0..8));
        story.go_on(random);
    }
}

/// A contact as it is told, event by event.
struct Story<'a> {
    at: i64,
    contact: ContactId,
    queue: QueueId,
    agent: Option<AgentId>,
    drafts: &'a mut Vec<EventDraft>,
}

impl Story<'_> {
    fn tell(&mut self, after_ms: i64, kind: EventKind) {
        self.at += after_ms;
        let at = Timestamp::from_millis(self.at);
        let draft = EventDraft::of_contact(at, self.contact, kind).in_queue(self.queue.clone());
        self.drafts.push(match &self.agent {
            Some(agent) => draft.with_agent(agent.clone()),
            None => draft,
        });
    }

    fn begin(&mut self, person: u32, channel: Channel, number: u32) {
        let from = match channel {
            Channel::Voice | Channel::Fax => format!("+8869{person:08}"),
            Channel::Email | Channel::Chat => format!("person{person}@example.org"),
        };
        let arrived = EventKind::Arrived {
            channel,
            from,
            to: format!("{}", 100 + number),
            via: "loopback".to_owned(),
        };
        self.tell(0, arrived);
        let identified = EventKind::Identified {
            outcome: IdentifiedAs::Known,
            caller: Some(CallerId::new(format!("p{person}"))),
            class: Some((person % 3) as u8 + 1),
        };
        self.tell(5, identified);
        let skill = SkillId::new(format!("skill-{}", number % 10));
        let enqueued = EventKind::Enqueued {
            priority: Priority(10),
            channel,
            skills: Needs::always(BTreeMap::from([(skill, 1)])),
            reserved: None,
            enqueued_at: Timestamp::from_millis(self.at),
            rings_one: false,
            calls_back: None,
            node: NodeId::new("node-a"),
        };
        self.tell(0, enqueued);
    }

    fn go_on(&mut self, random: &mut StdRng) {
        // Mostly seconds, sometimes minutes.
        let wait_ms = 2_000 + (random.random::<f64>().powi(4) * 300_000.0) as i64;
        if random.random_range(0..100) < 6 {
            let waited = u64::try_from(wait_ms).unwrap_or(0);
            self.tell(wait_ms, EventKind::Abandoned { wait_ms: waited });
            let result = ContactResult::Abandoned;
            return self.tell(0, EventKind::Closed { result });
        }
        let agent = random.random_range(0..AGENTS);
        self.agent = Some(AgentId::new(format!("agent-{agent:03}")));
        let token = OfferToken::new(random.random());
        let offered = EventKind::Offered {
            token,
            deadline: Timestamp::from_millis(self.at + wait_ms + 20_000),
            node: NodeId::new("node-a"),
        };
        self.tell(wait_ms, offered);
        let ring_ms = random.random_range(1_000..9_000);
        let answered = EventKind::Answered {
            token,
            wait_ms: u64::try_from(wait_ms + ring_ms).unwrap_or(0),
        };
        self.tell(ring_ms, answered);
        let talk_ms = random.random_range(10_000..180_000);
        let ended = EventKind::Ended {
            by: EndedBy::Caller,
            talk_ms: u64::try_from(talk_ms).unwrap_or(0),
            hold_ms: 0,
            wrap_up_until: Some(Timestamp::from_millis(self.at + talk_ms + 15_000)),
            wrap_up_latest: None,
        };
        self.tell(talk_ms, ended);
        let result = ContactResult::Answered;
        self.tell(0, EventKind::Closed { result });
    }
}
