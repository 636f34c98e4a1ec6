//! What a simulation does not play, told around the events of the desk that it plays: who calls, what the CMS says,
//! holds, breaks, lost phones, failures, call-backs, tickets, symptoms and marks.

use crate::desk::{
    DAY_MS, DAYS, Dice, END_MS, FIRST_DAY_MS, HOUR_MS, LINES, at, local, rules, seconds,
};
use ringdown_routing::agent::{AgentProfile, Status};
use ringdown_routing::contact::{Channel, Needs, Priority};
use ringdown_routing::event::{
    ContactResult, EndedBy, Event, EventDraft, EventKind, IdentifiedAs, InformedHow,
};
use ringdown_routing::ids::{
    AgentId, CallerId, ContactId, EventId, IncidentId, NodeId, OfferToken, QueueId, TicketId,
};
use ringdown_routing::ticket::{ContactFacets, SymptomFacts, TicketFacts};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::RequeueReason;
use std::collections::BTreeMap;
use std::time::Duration;

/// Somebody who calls.
struct Person {
    address: String,
    id: CallerId,
    class: u8,
    is_known: bool,
}

/// Few enough that they are counted exactly.
const PEOPLE: u64 = 420;

/// Numbers that nobody in the CMS has.
const STRANGERS: u64 = 60;

/// What a contact came to, as far as tickets need it.
struct Served {
    queue: Option<QueueId>,
    channel: Channel,
    arrived: Timestamp,
    /// Who answered it last is its agent.
    facets: ContactFacets,
    /// From the first enqueue to the answer or the end.
    wait_ms: u64,
    is_answered: bool,
    is_over: bool,
}

/// The log in the making.
pub(crate) struct Story {
    dice: Dice,
    told: Vec<(&'static str, EventDraft)>,
    served: BTreeMap<ContactId, Served>,
    answered_at: BTreeMap<ContactId, Timestamp>,
}

const STORE: &str = "store";
const TICKETS: &str = "tickets";

impl Story {
    pub(crate) fn new(dice: Dice) -> Self {
        Self {
            dice,
            told: Vec::new(),
            served: BTreeMap::new(),
            answered_at: BTreeMap::new(),
        }
    }

    fn tell(&mut self, origin: &'static str, draft: EventDraft) {
        self.told.push((origin, draft));
    }

    /// Tells a fact of a contact of the gateway that has it.
    fn tell_of(&mut self, contact: ContactId, instant: Timestamp, kind: EventKind) {
        self.tell(
            gateway_of(contact),
            EventDraft::of_contact(instant, contact, kind),
        );
    }

    /// Takes an event of the desk, with what really comes along with it.
    pub(crate) fn hear(&mut self, event: &Event) {
        let mut draft = EventDraft {
            at: event.at.max(at(FIRST_DAY_MS)),
            contact: event.contact,
            queue: event.queue.clone(),
            agent: event.agent.clone(),
            kind: event.kind.clone(),
        };
        let mut origin = STORE;
        match (&mut draft.kind, event.contact) {
            (
                EventKind::Arrived {
                    channel,
                    from,
                    to,
                    via,
                },
                Some(contact),
            ) => {
                origin = gateway_of(contact);
                let person = self.person();
                let line = LINES.iter().find(|line| {
                    event
                        .queue
                        .as_ref()
                        .is_some_and(|it| it.as_str() == line.queue)
                });
                *to = line.map_or("", |line| line.number).to_owned();
                *via = "trunk".to_owned();
                *from = match channel {
                    Channel::Email => {
                        format!("{}@example.com", person.address.trim_start_matches('+'))
                    }
                    Channel::Voice | Channel::Fax | Channel::Chat => person.address.clone(),
                };
                if self.dice.one_in(40) {
                    // Withheld: nobody knows who it is.
                    from.clear();
                } else {
                    self.identify(contact, event.at, &person);
                }
                self.served.insert(
                    contact,
                    Served {
                        queue: event.queue.clone(),
                        channel: *channel,
                        arrived: event.at,
                        facets: ContactFacets {
                            number: Some(to.clone()),
                            class: person.is_known.then_some(person.class),
                            ..ContactFacets::default()
                        },
                        wait_ms: 0,
                        is_answered: false,
                        is_over: false,
                    },
                );
            }
            (EventKind::Blocked { .. }, Some(contact)) => origin = gateway_of(contact),
            (EventKind::Closed { .. }, Some(contact)) => {
                origin = gateway_of(contact);
                if let Some(served) = self.served.get_mut(&contact) {
                    served.is_over = true;
                }
            }
            (EventKind::QueueChanged { rules }, _) => rules.wrap_up = Duration::ZERO,
            (EventKind::Answered { wait_ms, .. }, Some(contact)) => {
                self.answered_at.insert(contact, event.at);
                if let Some(served) = self.served.get_mut(&contact) {
                    served.is_answered = true;
                    served.wait_ms = *wait_ms;
                    served.facets.agent = event.agent.clone();
                    served.queue = event.queue.clone();
                }
            }
            (EventKind::Enqueued { skills, .. }, Some(contact)) => {
                if let Some(served) = self.served.get_mut(&contact) {
                    let at_once = skills.after(Duration::ZERO).flat_map(|need| need.keys());
                    served.facets.skills.extend(at_once.cloned());
                }
            }
            (EventKind::Abandoned { wait_ms }, Some(contact)) => {
                if let Some(served) = self.served.get_mut(&contact) {
                    served.wait_ms = *wait_ms;
                }
            }
            (
                EventKind::Ended {
                    talk_ms,
                    hold_ms,
                    wrap_up_until,
                    ..
                },
                Some(contact),
            ) => {
                *wrap_up_until = Some(event.at + seconds(90));
                if *talk_ms > 60_000 && contact.as_u128().is_multiple_of(7) {
                    *hold_ms = *talk_ms / 4;
                    *talk_ms -= *hold_ms;
                    let hold = Duration::from_millis(*hold_ms);
                    self.hold(event, contact, hold);
                }
            }
            _ => {}
        }
        self.tell(origin, draft);
    }

    fn person(&mut self) -> Person {
        // Some come daily, and many once or twice: the sixth power of an even draw.
        let drawn = self.dice.next() % 1_000;
        let share = drawn.pow(3) / 1_000_000 * drawn.pow(3) / 1_000_000_000;
        let number = share * (PEOPLE + STRANGERS) / 1_000;
        Person {
            address: format!("+49301{number:06}"),
            // Two numbers may be one person's.
            id: CallerId::from(format!("person-{}", number / 2).as_str()),
            class: u8::try_from(number % 3 + 1).unwrap_or(1),
            is_known: number < PEOPLE,
        }
    }

    /// What the CMS says, at once or late, and sometimes twice.
    fn identify(&mut self, contact: ContactId, arrived: Timestamp, person: &Person) {
        let (outcome, caller, class) = match person.is_known {
            true => (
                IdentifiedAs::Known,
                Some(person.id.clone()),
                Some(person.class),
            ),
            false => (IdentifiedAs::Unknown, None, None),
        };
        let mut after = Duration::from_millis(3);
        if self.dice.one_in(25) {
            let kind = EventKind::Identified {
                outcome: IdentifiedAs::Unavailable,
                caller: None,
                class: None,
            };
            self.tell_of(contact, arrived + Duration::from_millis(800), kind);
            after = seconds(2);
        }
        self.tell_of(
            contact,
            arrived + after,
            EventKind::Identified {
                outcome,
                caller,
                class,
            },
        );
    }

    /// A quarter of the conversation was on hold, from a quarter of it on.
    fn hold(&mut self, ended: &Event, contact: ContactId, hold: Duration) {
        let Some(answered) = self.answered_at.get(&contact).copied() else {
            return;
        };
        for (instant, kind) in [
            (answered + hold, EventKind::Held),
            (answered + hold + hold, EventKind::Resumed),
        ] {
            let mut draft = EventDraft::of_contact(instant, contact, kind);
            draft.queue = ended.queue.clone();
            draft.agent = ended.agent.clone();
            self.tell(STORE, draft);
        }
    }

    pub(crate) fn tell_what_is_not_played(&mut self) {
        self.give_breaks_a_reason();
        self.lose_phones();
        self.change_rules();
        for day in 0..DAYS {
            for round in 0..4 {
                let start = local(
                    day,
                    (9 + round) * HOUR_MS + self.dice.between(0, 600_000),
                    false,
                );
                self.tell_of_who_never_stood_in_line(start);
            }
            self.ring_a_second_time(local(day, 15 * HOUR_MS, false));
        }
        self.tell_tickets();
    }

    /// Who comes back within two hours had a break.
    fn give_breaks_a_reason(&mut self) {
        let mut back: BTreeMap<AgentId, Timestamp> = BTreeMap::new();
        for (_, draft) in self.told.iter_mut().rev() {
            let EventKind::AgentStatus { status } = &mut draft.kind else {
                continue;
            };
            let Some(agent) = draft.agent.clone() else {
                continue;
            };
            let soon = back
                .get(&agent)
                .is_some_and(|at| at.since(draft.at) < seconds(7_200));
            match status {
                Status::Available => {
                    back.insert(agent, draft.at);
                }
                Status::LoggedOff if soon => {
                    let reason = if draft.at.as_millis() % 3 == 0 {
                        "meeting"
                    } else {
                        "lunch"
                    };
                    *status = Status::NotReady(reason.to_owned());
                }
                Status::LoggedOff | Status::NotReady(_) => {}
            }
        }
    }

    fn lose_phones(&mut self) {
        for day in 0..DAYS {
            for (agent, is_in_taipei) in [("anna", false), ("ming", true), ("hua", true)] {
                let from = local(
                    day,
                    11 * HOUR_MS + self.dice.between(0, HOUR_MS),
                    is_in_taipei,
                );
                for (instant, is_reachable) in [(from, false), (from + 420_000, true)] {
                    let kind = EventKind::AgentReachable { is_reachable };
                    self.tell(
                        STORE,
                        EventDraft::of_agent(at(instant), AgentId::from(agent), kind),
                    );
                }
            }
        }
    }

    /// From the middle of the month on other thresholds are in force.
    fn change_rules(&mut self) {
        let rules = Box::new(rules("taipei", 15, 6));
        let draft = EventDraft::of_desk(
            at(local(22, 0, true) + 5_000),
            EventKind::QueueChanged { rules },
        );
        self.tell(STORE, draft.in_queue(QueueId::from("taipei")));
    }

    fn arrives(&mut self, contact: ContactId, instant: Timestamp, queue: &str) {
        let person = self.person();
        let kind = EventKind::Arrived {
            channel: Channel::Voice,
            from: person.address.clone(),
            to: LINES[0].number.to_owned(),
            via: "trunk".to_owned(),
        };
        let draft = EventDraft::of_contact(instant, contact, kind).in_queue(QueueId::from(queue));
        self.tell(gateway_of(contact), draft);
        self.identify(contact, instant, &person);
    }

    fn enters(&mut self, contact: ContactId, instant: Timestamp, queue: &str) {
        let kind = EventKind::Enqueued {
            priority: Priority(0),
            channel: Channel::Voice,
            skills: Needs::default(),
            reserved: None,
            enqueued_at: instant,
            rings_one: false,
            calls_back: None,
            node: NodeId::from("gateway-a"),
        };
        self.step(contact, instant, queue, None, kind);
    }

    /// A fact about a contact that the desk itself tells.
    fn step(
        &mut self,
        contact: ContactId,
        instant: Timestamp,
        queue: &str,
        agent: Option<&str>,
        kind: EventKind,
    ) {
        let mut draft =
            EventDraft::of_contact(instant, contact, kind).in_queue(QueueId::from(queue));
        draft.agent = agent.map(AgentId::from);
        self.tell(STORE, draft);
    }

    /// A call-back, a failure in the line and before it, one who left the menu, and one who heard of an incident.
    fn tell_of_who_never_stood_in_line(&mut self, start_ms: i64) {
        let ways = [
            ContactResult::CallBack,
            ContactResult::Failed,
            ContactResult::Failed,
            ContactResult::Abandoned,
            ContactResult::Informed,
        ];
        for (place, result) in (0_i64..).zip(ways) {
            if self.dice.one_in(3) {
                continue;
            }
            let arrives = at(start_ms + place * 61_000);
            let contact = ContactId::new(arrives, u128::from(self.dice.next()));
            self.arrives(contact, arrives, "berlin");
            let waited = Duration::from_millis(self.dice.between(5_000, 90_000).unsigned_abs());
            let over = arrives + waited;
            if result == ContactResult::CallBack || place == 1 {
                self.enters(contact, arrives + Duration::from_millis(40), "berlin");
            }
            match result {
                ContactResult::CallBack => {
                    let wait_ms = u64::try_from(waited.as_millis()).unwrap_or(0) - 40;
                    let to = "call_back".to_owned();
                    self.step(
                        contact,
                        over,
                        "berlin",
                        None,
                        EventKind::Overflowed { to, wait_ms },
                    );
                }
                ContactResult::Failed => {
                    let cause = if place == 1 { "media" } else { "488" };
                    let kind = EventKind::Failed {
                        cause: cause.to_owned(),
                    };
                    let draft = EventDraft::of_contact(over, contact, kind);
                    self.tell(gateway_of(contact), draft.in_queue(QueueId::from("berlin")));
                }
                ContactResult::Informed => {
                    let incident = IncidentId::from("vpn");
                    let told = EventKind::IncidentTold {
                        incident: incident.clone(),
                    };
                    self.tell_of(contact, arrives + Duration::from_millis(10), told);
                    let how = InformedHow::HungUp;
                    self.tell_of(contact, over, EventKind::Informed { incident, how });
                }
                ContactResult::Answered
                | ContactResult::Abandoned
                | ContactResult::FlowedOut
                | ContactResult::Blocked => {}
            }
            self.tell_of(
                contact,
                over + Duration::from_millis(2),
                EventKind::Closed { result },
            );
        }
    }

    /// An answer that came to nothing, a second one, and a wrap-up that was extended: agent zoe's one call a day.
    fn ring_a_second_time(&mut self, start_ms: i64) {
        let start = at(start_ms);
        let contact = ContactId::new(start, u128::from(self.dice.next()));
        let zoe = AgentId::from("zoe");
        let after = |millis: u64| start + Duration::from_millis(millis);
        let token = |which: u64| {
            let day = u64::try_from((start_ms - FIRST_DAY_MS) / DAY_MS).unwrap_or(0);
            OfferToken::new(1_000_000_000 + 2 * day + which)
        };
        let of_zoe = |instant, kind| EventDraft::of_agent(instant, zoe.clone(), kind);
        let serves = |queues: &[&str]| {
            let queues = queues.iter().map(|queue| QueueId::from(*queue));
            let profile = AgentProfile::new(zoe.clone(), "zoe").serving(queues);
            let profile = Box::new(profile);
            EventKind::AgentChanged { profile }
        };
        self.tell(STORE, of_zoe(start - seconds(60), serves(&["second"])));
        let status = |status| EventKind::AgentStatus { status };
        self.tell(
            STORE,
            of_zoe(start - seconds(50), status(Status::Available)),
        );
        self.arrives(contact, start, "second");
        self.enters(contact, after(20), "second");
        let offered = |which, millis: u64| EventKind::Offered {
            token: token(which),
            deadline: after(millis + 15_000),
            node: NodeId::from("gateway-a"),
        };
        let answered = |which, millis: u64| EventKind::Answered {
            token: token(which),
            wait_ms: millis - 20,
        };
        let steps = [
            (1_000, true, offered(0, 1_000)),
            (4_000, true, answered(0, 4_000)),
            (
                4_500,
                true,
                EventKind::Requeued {
                    reason: RequeueReason::BridgeFailed,
                    retry_at: None,
                },
            ),
            (9_000, true, offered(1, 9_000)),
            (13_000, true, answered(1, 13_000)),
            (
                133_000,
                true,
                EventKind::Ended {
                    by: EndedBy::Agent,
                    talk_ms: 120_000,
                    hold_ms: 0,
                    wrap_up_until: Some(after(143_000)),
                    wrap_up_latest: Some(after(200_000)),
                },
            ),
            (
                140_000,
                true,
                EventKind::WrapUpExtended {
                    until: after(180_000),
                },
            ),
            (
                // Nobody said that the wrap-up is over; it ended by itself.
                180_000,
                true,
                EventKind::Ready {
                    after_wrap_up: true,
                    idle_since: after(180_000),
                    rest_until: None,
                },
            ),
        ];
        for (millis, _, kind) in steps {
            self.step(contact, after(millis), "second", Some("zoe"), kind);
        }
        let result = ContactResult::Answered;
        self.tell_of(contact, after(133_010), EventKind::Closed { result });
        // She helps out: while she speaks, and then for good, until the next day.
        self.tell(STORE, of_zoe(after(70_000), serves(&["berlin", "second"])));
        self.hand_over(after(200_000), "zoe", token(0).as_u64() + 1_000_000_000);
        self.tell(STORE, of_zoe(after(205_500), serves(&["berlin"])));
        self.tell(STORE, of_zoe(after(400_000), status(Status::LoggedOff)));
    }

    /// An answered contact that goes on to another line, and is answered there.
    fn hand_over(&mut self, start: Timestamp, agent: &str, token: u64) {
        let contact = ContactId::new(start, u128::from(self.dice.next()));
        let after = |millis: u64| start + Duration::from_millis(millis);
        self.arrives(contact, start, "second");
        self.enters(contact, after(20), "second");
        let (reason, to) = (RequeueReason::HandedOver, "berlin".to_owned());
        let retry_at = None;
        let passed_on = [
            EventKind::Requeued { reason, retry_at },
            EventKind::Overflowed {
                to,
                wait_ms: 29_980,
            },
        ];
        for (which, queue, millis) in [(0, "second", 1_000), (1, "berlin", 40_000)] {
            let token = OfferToken::new(token + which);
            let offered = EventKind::Offered {
                token,
                deadline: after(millis + 15_000),
                node: NodeId::from("gateway-a"),
            };
            self.step(contact, after(millis), queue, Some(agent), offered);
            let wait_ms = millis + 2_000 - 20;
            let answered = EventKind::Answered { token, wait_ms };
            self.step(contact, after(millis + 2_000), queue, Some(agent), answered);
            if which == 0 {
                for (kind, by) in passed_on.clone().into_iter().zip([Some(agent), None]) {
                    self.step(contact, after(30_000), queue, by, kind);
                }
                self.enters(contact, after(30_000), "berlin");
            }
        }
        let ended = EventKind::Ended {
            by: EndedBy::Caller,
            talk_ms: 58_000,
            hold_ms: 0,
            wrap_up_until: None,
            wrap_up_latest: None,
        };
        self.step(contact, after(100_000), "berlin", Some(agent), ended);
        let result = ContactResult::Answered;
        self.tell_of(contact, after(100_010), EventKind::Closed { result });
    }

    /// Tickets of two contacts in three, symptoms of one in five, marks of one in six.
    fn tell_tickets(&mut self) {
        let served = std::mem::take(&mut self.served);
        for (number, (contact, served)) in (1_u64..).zip(&served) {
            if served.is_answered && number % 3 != 0 {
                self.tell_ticket(TicketId::new(number), served);
            }
            if served.is_over && number % 5 == 0 {
                self.tell_symptom(*contact, served);
            }
            if served.is_answered && number % 6 == 1 {
                let kind = EventKind::Rated {
                    score: u8::try_from(self.dice.between(1, 6)).unwrap_or(1),
                    arrived_at: served.arrived,
                    channel: served.channel,
                    facets: Box::new(ContactFacets {
                        agent: None,
                        ..served.facets.clone()
                    }),
                };
                let mut draft =
                    EventDraft::of_contact(served.arrived + seconds(3_000), *contact, kind);
                draft.queue = served.queue.clone();
                draft.agent = served.facets.agent.clone();
                self.tell(TICKETS, draft);
            }
        }
    }

    fn tell_ticket(&mut self, ticket: TicketId, served: &Served) {
        let opened_at = served.arrived + Duration::from_millis(served.wait_ms / 2);
        let priority = u8::try_from(self.dice.between(1, 4)).unwrap_or(1);
        let mut now = TicketFacts {
            opened_at,
            queue: served.queue.clone(),
            channel: served.channel,
            is_incident: !self.dice.one_in(4),
            priority,
            is_eligible: !self.dice.one_in(9),
            escalated_at: None,
            solved_at: None,
            is_at_first_contact: false,
            came_again: false,
            target_ms: [Some(14_400_000), Some(86_400_000), None][usize::from(priority) - 1],
            closed_at: None,
            facets: ContactFacets {
                agent: None,
                ..served.facets.clone()
            },
        };
        let mut before = None;
        let mut instant = opened_at;
        for step in -1..6 {
            match step {
                -1 => {}
                0 => now.facets = served.facets.clone(),
                1 if self.dice.one_in(4) => {
                    now.escalated_at = Some(instant);
                    now.queue = Some(QueueId::from("second"));
                }
                2 if !self.dice.one_in(5) => {
                    now.solved_at = Some(instant);
                    now.is_at_first_contact = self.dice.one_in(2);
                }
                3 if now.solved_at.is_some() && self.dice.one_in(10) => {
                    now.came_again = true;
                    now.solved_at = None;
                }
                4 if now.solved_at.is_some() && !self.dice.one_in(3) => {
                    now.closed_at = Some(instant)
                }
                5 if self.dice.one_in(30) => now.is_eligible = false,
                _ => continue,
            }
            let kind = EventKind::TicketChanged {
                ticket,
                before: before.replace(Box::new(now.clone())),
                now: Box::new(now.clone()),
            };
            let draft = EventDraft::of_desk(instant, kind);
            self.tell(TICKETS, draft);
            instant = instant + seconds(self.dice.between(60, 40_000));
        }
    }

    fn tell_symptom(&mut self, contact: ContactId, served: &Served) {
        let facts = |symptom: &str, tolerable_ms| {
            Box::new(SymptomFacts {
                symptom: symptom.to_owned(),
                arrived_at: served.arrived,
                channel: served.channel,
                class: served.facets.class,
                wait_ms: served.wait_ms,
                is_answered: served.is_answered,
                service_level_ms: 20_000,
                tolerable_ms,
                facets: served.facets.clone(),
            })
        };
        let first = facts("slow", 45_000);
        let instant = served.arrived + seconds(4_000);
        let kind = EventKind::SymptomRecorded {
            before: None,
            now: first.clone(),
        };
        let in_queue = |draft: EventDraft| EventDraft {
            queue: served.queue.clone(),
            ..draft
        };
        self.tell(
            TICKETS,
            in_queue(EventDraft::of_contact(instant, contact, kind)),
        );
        if self.dice.one_in(3) {
            let kind = EventKind::SymptomRecorded {
                before: Some(first),
                now: facts("no access", 15_000),
            };
            let draft = EventDraft::of_contact(instant + seconds(30), contact, kind);
            self.tell(TICKETS, in_queue(draft));
        }
    }

    /// The events up to the end, numbered by whoever told them.
    pub(crate) fn numbered(mut self) -> Vec<Event> {
        self.told
            .retain(|(_, draft)| draft.at.as_millis() <= END_MS);
        self.told.sort_by_key(|(_, draft)| draft.at);
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        let told = self.told.into_iter();
        told.map(|(origin, draft)| {
            let number = last.entry(origin).or_default();
            *number += 1;
            draft.numbered(EventId {
                origin: NodeId::from(origin),
                number: *number,
            })
        })
        .collect()
    }
}

fn gateway_of(contact: ContactId) -> &'static str {
    match contact.as_u128().is_multiple_of(2) {
        true => "gateway-a",
        false => "gateway-b",
    }
}
