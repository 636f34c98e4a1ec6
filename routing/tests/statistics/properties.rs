//! What holds for any day: random stories, told as logs.

use crate::log::{Log, at, fold, in_queue, whole_log};
use proptest::prelude::*;
use ringdown_routing::agent::Status;
use ringdown_routing::contact::Channel;
use ringdown_routing::event::{ContactResult, Event, EventKind, IdentifiedAs, InformedHow};
use ringdown_routing::ids::{AgentId, CallerId, IncidentId, QueueId, SkillId, TicketId};
use ringdown_routing::statistics::{AgentTime, Cause, Facet, Ledger, Rules, Scope, Statistics};
use ringdown_routing::ticket::{AnswerEnd, AnswerWait, ContactFacets, SymptomFacts, TicketFacts};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::RequeueReason;
use std::collections::BTreeSet;
use std::time::Duration;

/// What one contact of a random day does.
#[derive(Clone, Debug)]
enum Story {
    Answered {
        wait_s: u64,
        talk_s: u64,
        wrap_up_s: u8,
        is_missed_first: bool,
    },
    Abandoned {
        wait_s: u64,
    },
    FlowedOut {
        wait_s: u64,
    },
    CalledBack {
        wait_s: u64,
    },
    Blocked,
    Informed,
    Failed,
    Waits,
}

fn stories() -> impl Strategy<Value = Vec<(i64, u8, Story)>> {
    let story = prop_oneof![
        4 => (0_u64..90, 1_u64..2_000, 0_u8..60, any::<bool>()).prop_map(|(wait_s, talk_s, wrap_up_s, is_missed_first)| Story::Answered {
            wait_s,
            talk_s,
            wrap_up_s,
            is_missed_first
        }),
        2 => (0_u64..90).prop_map(|wait_s| Story::Abandoned { wait_s }),
        1 => (0_u64..90).prop_map(|wait_s| Story::FlowedOut { wait_s }),
        1 => (0_u64..90).prop_map(|wait_s| Story::CalledBack { wait_s }),
        1 => Just(Story::Blocked),
        1 => Just(Story::Informed),
        1 => Just(Story::Failed),
        1 => Just(Story::Waits),
    ];
    prop::collection::vec((0_i64..14_400, 0_u8..4, story), 1..30)
}

fn tell(stories: &[(i64, u8, Story)]) -> Vec<Event> {
    let arrived = EventKind::Arrived {
        channel: Channel::Voice,
        from: String::new(),
        to: "100".into(),
        via: "t".into(),
    };
    let mut log = Log::default();
    for agent in ["a0", "a1", "a2", "a3"] {
        log = log
            .serves(0, agent, "Q")
            .status(0, agent, Status::Available);
    }
    for (place, (start, agent, story)) in stories.iter().enumerate() {
        let contact = u128::try_from(place).unwrap() + 1;
        let token = u64::try_from(place).unwrap() * 2 + 1;
        let agent = format!("a{agent}");
        let after = |wait_s: &u64| start + i64::try_from(*wait_s).unwrap();
        log = match story {
            Story::Answered {
                wait_s,
                talk_s,
                wrap_up_s,
                is_missed_first,
            } => {
                let answer = after(wait_s);
                let end = answer + i64::try_from(*talk_s).unwrap();
                let mut log = log.arrive(*start, contact);
                if *is_missed_first {
                    log = log.offer(*start, contact, "a0", token).kind(
                        *start,
                        contact,
                        EventKind::Requeued {
                            reason: RequeueReason::RingTimeout,
                            retry_at: None,
                        },
                    );
                }
                let log = log
                    .offer(answer, contact, &agent, token + 1)
                    .answer(answer, contact, &agent, token + 1, *wait_s)
                    .end(end, contact, &agent, *talk_s, i64::from(*wrap_up_s));
                if *wrap_up_s > 0 {
                    log.ready(end + i64::from(*wrap_up_s / 2), contact, &agent, true)
                } else {
                    log
                }
            }
            Story::Abandoned { wait_s } => {
                log.arrive(*start, contact)
                    .abandon(after(wait_s), contact, *wait_s)
            }
            Story::FlowedOut { wait_s } | Story::CalledBack { wait_s } => {
                let result = if matches!(story, Story::FlowedOut { .. }) {
                    ContactResult::FlowedOut
                } else {
                    ContactResult::CallBack
                };
                log.arrive(*start, contact)
                    .kind(
                        after(wait_s),
                        contact,
                        EventKind::Overflowed {
                            to: "elsewhere".into(),
                            wait_ms: wait_s * 1_000,
                        },
                    )
                    .close(after(wait_s), contact, result)
            }
            Story::Blocked => log
                .kind(*start, contact, arrived.clone())
                .kind(
                    *start,
                    contact,
                    EventKind::Blocked {
                        reason: "full".into(),
                    },
                )
                .close(*start, contact, ContactResult::Blocked),
            Story::Informed => {
                let informed = EventKind::Informed {
                    incident: IncidentId::from("i1"),
                    how: InformedHow::KeyedIn,
                };
                log.kind(*start, contact, arrived.clone())
                    .kind(*start + 9, contact, informed)
                    .close(*start + 9, contact, ContactResult::Informed)
            }
            Story::Failed => {
                log.arrive(*start, contact)
                    .close(*start + 1, contact, ContactResult::Failed)
            }
            Story::Waits => log.arrive(*start, contact),
        };
    }
    for (place, (start, _, story)) in stories.iter().enumerate() {
        log = tell_of_ticket(log, place, *start, story);
        log = tell_of_answer(log, place, *start);
    }
    for (at_s, agent, queues) in changes_of_queues(stories) {
        log = log.serves_all(at_s, agent, queues);
    }
    let mut events = log.events;
    let caller_of = |event: &Event| {
        event
            .contact
            .map(|it| usize::try_from(it.as_u128()).unwrap() - 1)
    };
    for event in &mut events {
        let Some(place) = caller_of(event) else {
            continue;
        };
        if let EventKind::Arrived { channel, from, .. } = &mut event.kind {
            *channel = CHANNELS[place % 4];
            *from = number_of(place).to_owned();
        } else if let EventKind::Enqueued { channel, .. } = &mut event.kind {
            *channel = CHANNELS[place % 4];
        } else if let EventKind::Identified {
            caller, outcome, ..
        } = &mut event.kind
        {
            *caller = person_of(place).map(CallerId::from);
            *outcome = match caller {
                Some(_) => IdentifiedAs::Claimed,
                None => IdentifiedAs::Ambiguous,
            };
        }
    }
    events.sort_by_key(|event| event.at);
    events
}

/// Which agents serve other queues from when on: one every other story or so, now and then in its midst.
fn changes_of_queues(
    stories: &[(i64, u8, Story)],
) -> impl Iterator<Item = (i64, &'static str, &'static [&'static str])> {
    const QUEUES: [&[&str]; 4] = [&["R"], &["Q", "R"], &[], &["Q"]];
    let changing = stories.iter().enumerate();
    let changing = changing.filter(|(place, _)| !place.is_multiple_of(3));
    changing.map(|(place, (start, agent, _))| {
        let agent = ["a0", "a1", "a2", "a3"][usize::from(*agent)];
        (start + 7 * (place as i64 % 40), agent, QUEUES[place % 4])
    })
}

const CHANNELS: [Channel; 4] = [Channel::Voice, Channel::Email, Channel::Fax, Channel::Chat];

/// The number of the caller of a story; every fifth withholds it.
fn number_of(place: usize) -> &'static str {
    ["+43100", "+43200", "", "+43300", "+43100"][place % 5]
}

/// Whom the CMS knows behind it.
fn person_of(place: usize) -> Option<&'static str> {
    ["ann", "", "bob"]
        .get(place % 7)
        .copied()
        .filter(|name| !name.is_empty())
}

/// Who the caller of a story is.
fn who(place: usize) -> Option<String> {
    let number = number_of(place);
    let person = person_of(place).map(|name| format!("person {name}"));
    person.or_else(|| (!number.is_empty()).then(|| number.to_owned()))
}

/// Whether that is somebody whom the CMS knows.
fn person(who: &str) -> bool {
    who.starts_with("person ")
}

/// What the contact of a story is counted by; of every seventh nothing was told, as in a log of before.
fn facets_of(place: usize, story: &Story) -> ContactFacets {
    if place.is_multiple_of(7) {
        return ContactFacets::default();
    }
    let all = [SkillId::from("printers"), SkillId::from("vpn")];
    let agent = AgentId::from(format!("a{}", place % 4).as_str());
    ContactFacets {
        number: Some(format!("{}00", place % 3 + 1)),
        class: u8::try_from(place % 4).ok().filter(|class| *class > 0),
        skills: all.into_iter().take(place % 3).collect(),
        agent: matches!(story, Story::Answered { .. }).then_some(agent),
    }
}

/// A ticket, symptom and mark for every story: the ticket is opened, escalated or solved, and reopened. Who
/// answered is known from the second word on, and the class of every third caller is another one in the end.
fn tell_of_ticket(log: Log, place: usize, start: i64, story: &Story) -> Log {
    let facets = facets_of(place, story);
    let contact = u128::try_from(place).unwrap() + 1;
    let channel = CHANNELS[place % 4];
    let opened = TicketFacts {
        opened_at: at(start),
        queue: Some(QueueId::from("Q")),
        channel,
        is_incident: place.is_multiple_of(2),
        priority: 3,
        is_eligible: !place.is_multiple_of(5),
        escalated_at: None,
        solved_at: None,
        is_at_first_contact: false,
        came_again: false,
        target_ms: Some(600_000),
        closed_at: None,
        facets: ContactFacets {
            agent: None,
            ..facets.clone()
        },
    };
    let solved = TicketFacts {
        facets: facets.clone(),
        solved_at: Some(at(start + 500)),
        escalated_at: place.is_multiple_of(3).then(|| at(start + 100)),
        is_at_first_contact: place.is_multiple_of(4),
        ..opened.clone()
    };
    let closed = TicketFacts {
        closed_at: Some(at(start + 5_000)),
        facets: ContactFacets {
            class: if place.is_multiple_of(3) {
                Some(3)
            } else {
                facets.class
            },
            ..facets.clone()
        },
        ..solved.clone()
    };
    let changed = |before: Option<&TicketFacts>, now: &TicketFacts| EventKind::TicketChanged {
        ticket: TicketId::new(1),
        before: before.cloned().map(Box::new),
        now: Box::new(now.clone()),
    };
    let symptom = |name: &str| SymptomFacts {
        symptom: name.to_owned(),
        arrived_at: at(start),
        channel,
        class: Some(1),
        wait_ms: 30_000,
        is_answered: matches!(story, Story::Answered { .. }),
        service_level_ms: 20_000,
        tolerable_ms: if name == "slow" { 60_000 } else { 10_000 },
        facets: facets.clone(),
    };
    let identified = EventKind::Identified {
        outcome: IdentifiedAs::Unknown,
        caller: None,
        class: None,
    };
    log.kind(start, contact, identified)
        .kind(start, contact, changed(None, &opened))
        .kind(start + 500, contact, changed(Some(&opened), &solved))
        .kind(start + 5_000, contact, changed(Some(&solved), &closed))
        .kind(
            start + 600,
            contact,
            EventKind::SymptomRecorded {
                before: None,
                now: Box::new(symptom("crash")),
            },
        )
        .kind(
            start + 700,
            contact,
            EventKind::SymptomRecorded {
                before: Some(Box::new(symptom("crash"))),
                now: Box::new(symptom("slow")),
            },
        )
        .kind(
            start + 900,
            contact,
            EventKind::Rated {
                score: 4,
                arrived_at: at(start),
                channel,
                facets: Box::new(facets.clone()),
            },
        )
}

/// What an agent did between two instants, if they served the queue: what was known at the one less what was known at
/// the other.
fn between(
    statistics: &Statistics,
    from: Timestamp,
    to: Timestamp,
    agent: &str,
    serves: bool,
) -> AgentTime {
    if !serves {
        return AgentTime::default();
    }
    let agent = AgentId::from(agent);
    let up_to = |as_of| {
        let ledger = statistics.ledger(at(0), at(DAY_S), as_of);
        ledger.agent_time(at(0), at(DAY_S), &agent)
    };
    let (less, more) = (up_to(from), up_to(to));
    AgentTime {
        idle_ms: more.idle_ms - less.idle_ms,
        ringing_ms: more.ringing_ms - less.ringing_ms,
        talk_ms: more.talk_ms - less.talk_ms,
        hold_ms: more.hold_ms - less.hold_ms,
        wrap_up_ms: more.wrap_up_ms - less.wrap_up_ms,
        not_ready_ms: more.not_ready_ms - less.not_ready_ms,
        unreachable_ms: more.unreachable_ms - less.unreachable_ms,
        ..AgentTime::default()
    }
}

/// The same without what was asked of them.
fn only_times(time: AgentTime) -> AgentTime {
    AgentTime {
        offers: 0,
        answers: 0,
        declines: 0,
        ring_timeouts: 0,
        ..time
    }
}

/// A wait for an answer by mail for every story.
fn wait(place: usize, start: i64) -> AnswerWait {
    AnswerWait {
        since: at(start),
        queue: QueueId::from("Q"),
        is_first: place.is_multiple_of(2),
        due_at: (!place.is_multiple_of(3)).then(|| at(start + 400)),
        facets: Box::new(facets_of(place, &Story::Waits)),
    }
}

/// The lines that have its mail one after the other: of every third two, of every ninth the first again.
fn lines_of(place: usize) -> &'static [&'static str] {
    match place % 9 {
        0 => &["Q", "R", "Q"],
        3 | 6 => &["Q", "R"],
        _ => &["Q"],
    }
}

/// How it ends, and when: every fourth does not, one is dropped, and every fourth is answered by another line.
fn end_of(place: usize, start: i64) -> Option<(i64, AnswerEnd)> {
    let working_ms = 100_000 + u64::try_from(place).unwrap() * 1_000;
    match place % 4 {
        0 => None,
        1 => Some((start + 300, AnswerEnd::Given { working_ms })),
        2 => Some((start + 500, AnswerEnd::Given { working_ms })),
        _ => Some((start + 100, AnswerEnd::Dropped)),
    }
}

fn tell_of_answer(mut log: Log, place: usize, start: i64) -> Log {
    let contact = Some(u128::try_from(place).unwrap() + 1);
    let (ticket, wait) = (TicketId::new(1), wait(place, start));
    let awaited = EventKind::AnswerAwaited {
        ticket,
        wait: wait.clone(),
        from: None,
    };
    log.add(start * 1_000, contact, None, awaited);
    let mut wait = wait;
    for (moved, to) in lines_of(place).windows(2).map(|pair| (pair[0], pair[1])) {
        wait.queue = QueueId::from(to);
        let awaited = EventKind::AnswerAwaited {
            ticket,
            wait: wait.clone(),
            from: Some(QueueId::from(moved)),
        };
        log.add((start + 50) * 1_000, contact, None, awaited);
    }
    let Some((end_at, end)) = end_of(place, start) else {
        return log;
    };
    let agent = matches!(end, AnswerEnd::Given { .. }).then_some("a0");
    let ended = EventKind::AnswerWaitEnded { ticket, wait, end };
    log.add(end_at * 1_000, contact, agent, ended);
    let queue = if place % 4 == 2 { "R" } else { "Q" };
    log.queue(queue)
}

/// A day's end at which every story is over.
const DAY_S: i64 = 20_000;

proptest! {
    #[test]
    fn every_contact_is_accounted_for(stories in stories()) {
        let events = tell(&stories);
        let statistics = fold(&events, Rules::default());
        let ledger = statistics.ledger(at(0), at(DAY_S), at(DAY_S));
        prop_assert!(ledger.every_contact_is_accounted_for());
        let counts = ledger.tally(at(0), at(DAY_S), &Scope::default()).counts;
        let total = counts.offered + counts.blocked + counts.informed + counts.failed + counts.left_before_queue;
        prop_assert_eq!(total, u64::try_from(stories.len()).unwrap());
        let how_many = |wanted: fn(&Story) -> bool| u64::try_from(stories.iter().filter(|(_, _, story)| wanted(story)).count()).unwrap();
        prop_assert_eq!(counts.answered, how_many(|story| matches!(story, Story::Answered { .. })));
        prop_assert_eq!(counts.abandoned, how_many(|story| matches!(story, Story::Abandoned { .. })));
        prop_assert_eq!(counts.callbacks, how_many(|story| matches!(story, Story::CalledBack { .. })));
        prop_assert_eq!(counts.waiting, how_many(|story| matches!(story, Story::Waits)));
        prop_assert_eq!(statistics.health().late, 0);
        prop_assert_eq!(statistics.health().with_holes, 0);
    }

    #[test]
    fn callers_tickets_symptoms_and_marks_are_counted_as_lists_of_all_would(stories in stories()) {
        let events = tell(&stories);
        let ledger = fold(&events, Rules::default()).ledger(at(0), at(DAY_S), at(DAY_S));
        let tally = ledger.tally(at(0), at(DAY_S), &Scope::default());
        let callers: Vec<(i64, String)> = stories
            .iter()
            .enumerate()
            .filter_map(|(place, (start, _, _))| Some((*start, who(place)?)))
            .collect();
        let number = |count: usize| u64::try_from(count).unwrap();
        let distinct: BTreeSet<_> = callers.iter().map(|(_, who)| who).collect();
        prop_assert_eq!(tally.callers.count, number(distinct.len()));
        prop_assert_eq!(tally.counts.identified, number(callers.len()));
        let had_come = |(start, who): &&(i64, String)| match person(who) {
            // A person counts by the CMS's word; a number also by those whom the CMS knew behind it.
            true => callers.iter().any(|(then, other)| other == who && then < start),
            false => stories.iter().enumerate().any(|(place, (then, _, _))| number_of(place) == who && then < start),
        };
        prop_assert_eq!(tally.counts.repeated, number(callers.iter().filter(had_come).count()));
        let places = 0..stories.len();
        let signed = |count: usize| i64::try_from(count).unwrap();
        let is_first_line = |place: &usize| !place.is_multiple_of(5) && !place.is_multiple_of(3);
        let first_line = places.clone().filter(is_first_line);
        prop_assert_eq!(tally.tickets.opened, signed(stories.len()));
        prop_assert_eq!(tally.tickets.first_line_solved, signed(first_line.clone().count()));
        prop_assert_eq!(tally.tickets.first_contact_solved, signed(first_line.clone().filter(|place| place.is_multiple_of(4)).count()));
        prop_assert_eq!(tally.tickets.first_line_ms, signed(first_line.count()) * 500_000);
        prop_assert_eq!(tally.tickets.reviewed, signed(stories.len()));
        prop_assert_eq!(tally.tickets.review_ms, signed(stories.len()) * 4_500_000);
        prop_assert_eq!(tally.symptoms.contacts, signed(stories.len()));
        prop_assert_eq!(tally.symptoms.tolerable, signed(stories.len()), "slow, and no crash any more");
        prop_assert_eq!(tally.ratings.marks[3], signed(stories.len()));
        let by_channel = CHANNELS.map(|channel| ledger.tally(at(0), at(DAY_S), &Scope { queue: None, channel: Some(channel) }));
        let sum: u64 = by_channel.iter().map(|tally| tally.counts.offered).sum();
        prop_assert_eq!(sum, tally.counts.offered);
        let answered: u64 = ledger
            .facets()
            .filter(|facet| matches!(facet, Facet::Agent(_)))
            .map(|facet| ledger.of_facet(at(0), at(DAY_S), facet, &Scope::default()).0.counts.answered)
            .sum();
        prop_assert_eq!(answered, tally.counts.answered, "every answer is an agent's");
        let causes = ledger.sum(at(0), at(DAY_S), &Scope::default()).causes;
        let of = |wanted: fn(&Cause) -> bool| causes.iter().filter(|(cause, _)| wanted(cause)).map(|(_, count)| count).sum::<u64>();
        prop_assert_eq!(of(|cause| matches!(cause, Cause::Blocked(_))), tally.counts.blocked);
        prop_assert_eq!(of(|cause| matches!(cause, Cause::Failed(_))), tally.counts.failed);
        prop_assert_eq!(of(|cause| matches!(cause, Cause::FlowedTo(_))), tally.counts.flowed_out);
    }

    #[test]
    fn tickets_symptoms_marks_and_answers_count_under_every_facet_of_their_contact(stories in stories()) {
        let events = tell(&stories);
        let ledger = fold(&events, Rules::default()).ledger(at(0), at(DAY_S), at(DAY_S));
        let total = ledger.tally(at(0), at(DAY_S), &Scope::default());
        let told = |facet: &Facet| ledger.of_facet(at(0), at(DAY_S), facet, &Scope::default()).0;
        for facet in ledger.facets() {
            let told = told(facet);
            prop_assert!((0..=total.tickets.opened).contains(&told.tickets.opened), "{:?}", facet);
            prop_assert!((0..=total.tickets.solved).contains(&told.tickets.solved), "{:?}", facet);
            prop_assert!((0..=total.tickets.review_ms).contains(&told.tickets.review_ms), "{:?}", facet);
            prop_assert!((0..=total.symptoms.contacts).contains(&told.symptoms.contacts), "{:?}", facet);
            prop_assert!((0..=total.ratings.count()).contains(&told.ratings.count()), "{:?}", facet);
            prop_assert!(told.answers.awaited <= total.answers.awaited, "{:?}", facet);
            prop_assert!(told.answers.backlog() <= total.answers.backlog(), "{:?}", facet);
            prop_assert!(told.answers.all().given <= total.answers.all().given, "{:?}", facet);
        }
        let at_last: Vec<(usize, &Story, ContactFacets)> = stories
            .iter()
            .enumerate()
            .map(|(place, (_, _, story))| (place, story, facets_of(place, story)))
            .collect();
        let how_many = |wanted: &dyn Fn(&(usize, &Story, ContactFacets)) -> bool| {
            i64::try_from(at_last.iter().filter(|it| wanted(it)).count()).unwrap()
        };
        for number in ["100", "200", "300"] {
            let wanted = how_many(&|(_, _, facets)| facets.number.as_deref() == Some(number));
            let told = told(&Facet::Number(number.to_owned()));
            prop_assert_eq!(told.tickets.opened, wanted);
            prop_assert_eq!(told.symptoms.contacts, wanted);
            prop_assert_eq!(told.ratings.count(), wanted);
            prop_assert_eq!(i64::try_from(told.answers.awaited).unwrap(), wanted);
        }
        for skill in ["printers", "vpn"].map(SkillId::from) {
            let wanted = how_many(&|(_, _, facets)| facets.skills.contains(&skill));
            let told = told(&Facet::Skill(skill.clone()));
            prop_assert_eq!((told.tickets.opened, told.ratings.count()), (wanted, wanted));
            prop_assert_eq!(told.symptoms.contacts, wanted);
        }
        for class in 1..=3 {
            let of_ticket = |(place, _, facets): &(usize, &Story, ContactFacets)| match place.is_multiple_of(3) {
                true => class == 3,
                false => facets.class == Some(class),
            };
            let told = told(&Facet::CallerClass(class));
            prop_assert_eq!(told.tickets.opened, how_many(&of_ticket));
            prop_assert_eq!(told.tickets.reviewed, how_many(&of_ticket));
            let of_mark = how_many(&|(_, _, facets)| facets.class == Some(class));
            prop_assert_eq!(told.ratings.count(), of_mark);
            // A symptom tells its caller's class by itself, which is 1 here, and its contact's.
            let of_symptom = how_many(&|(_, _, facets)| class == 1 || facets.class == Some(class));
            prop_assert_eq!(told.symptoms.contacts, of_symptom);
        }
        for agent in ["a0", "a1", "a2", "a3"].map(AgentId::from) {
            let wanted = how_many(&|(_, _, facets)| facets.agent.as_ref() == Some(&agent));
            let told = told(&Facet::Agent(agent.clone()));
            prop_assert_eq!((told.tickets.opened, told.tickets.solved), (wanted, wanted));
            prop_assert_eq!(told.symptoms.contacts, wanted);
            prop_assert_eq!(told.answers.awaited, 0, "nobody's");
        }
    }

    #[test]
    fn answers_by_mail_are_counted_as_a_list_of_all_would(stories in stories()) {
        let events = tell(&stories);
        let ledger = fold(&events, Rules::default()).ledger(at(0), at(DAY_S), at(DAY_S));
        let of = |queue: &str| ledger.tally(at(0), at(DAY_S), &in_queue(queue));
        let starts: Vec<(usize, i64)> = stories.iter().map(|(start, _, _)| *start).enumerate().collect();
        let number = |count: usize| u64::try_from(count).unwrap();
        let (came_by, other) = (of("Q").answers, of("R").answers);
        prop_assert_eq!(came_by.awaited, number(starts.len()));
        prop_assert_eq!(other.awaited, 0);
        for (queue, told) in [("Q", of("Q")), ("R", of("R"))] {
            let is_there = |place: usize| lines_of(place).last() == Some(&queue);
            let open: Vec<i64> = starts.iter().filter(|(place, _)| place % 4 == 0 && is_there(*place)).map(|(_, start)| *start).collect();
            prop_assert_eq!(told.answers.backlog(), number(open.len()), "{}", queue);
            let ages: i64 = open.iter().map(|start| (DAY_S - start) * 1_000).sum();
            prop_assert_eq!(told.answer_backlog_age_ms, u64::try_from(ages).unwrap());
            let dropped = starts.iter().filter(|(place, _)| place % 4 == 3 && is_there(*place));
            prop_assert_eq!(told.answers.dropped, number(dropped.count()));
        }
        // Whatever is taken from a line is brought to another, and what began is over or waits somewhere.
        let both = ledger.tally(at(0), at(DAY_S), &Scope::default()).answers;
        prop_assert_eq!(both.moved_in, both.moved_out);
        prop_assert_eq!(both.awaited, both.ended + both.backlog());
        prop_assert_eq!(both.backlog(), came_by.backlog() + other.backlog());
        for (queue, rest) in [("Q", 1), ("R", 2)] {
            let (first, next): (Vec<_>, Vec<_>) =
                starts.iter().filter(|(place, _)| place % 4 == rest).partition(|(place, _)| place.is_multiple_of(2));
            for (told, wanted) in [(of(queue).answers.first, first), (of(queue).answers.next, next)] {
                prop_assert_eq!(told.given, number(wanted.len()));
                let ended = || wanted.iter().filter_map(|(place, start)| Some((*place, *start, end_of(*place, *start)?)));
                let elapsed: i64 = ended().map(|(_, start, (end, _))| (end - start) * 1_000).sum();
                prop_assert_eq!(told.elapsed_ms, u64::try_from(elapsed).unwrap());
                let working: u64 = ended().map(|(_, _, (_, end))| match end {
                    AnswerEnd::Given { working_ms } => working_ms,
                    AnswerEnd::Dropped => 0,
                }).sum();
                prop_assert_eq!(told.working_ms, working);
                let due = || ended().filter(|(place, _, _)| !place.is_multiple_of(3));
                prop_assert_eq!(told.due, number(due().count()));
                prop_assert_eq!(told.in_time, number(due().filter(|(_, start, (end, _))| *end <= start + 400).count()));
            }
        }
        let all = ledger.tally(at(0), at(DAY_S), &Scope::default());
        let of_agent = ledger.of_facet(at(0), at(DAY_S), &Facet::Agent("a0".into()), &Scope::default()).0;
        prop_assert_eq!(of_agent.answers.all(), all.answers.all(), "whoever answered is counted, too");
        let times = ledger.spread(at(0), at(DAY_S), &Scope::default()).answer_time_s;
        prop_assert_eq!(times.p50.is_some(), all.answers.all().given > 0);
    }

    #[test]
    fn order_and_repetition_change_nothing(stories in stories(), shuffled in any::<prop::sample::Index>(), seed in any::<u64>()) {
        let events = tell(&stories);
        let plain = fold(&events, whole_log()).ledger(at(0), at(DAY_S), at(DAY_S));
        let mut mixed: Vec<Event> = events.iter().chain(events.iter().skip(shuffled.index(events.len()))).cloned().collect();
        mixed.sort_by_key(|event| {
            let key = event.id.number.wrapping_add(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            key.rotate_left(u32::try_from(event.id.origin.as_str().len()).unwrap() * 7)
        });
        let other = fold(&mixed, whole_log()).ledger(at(0), at(DAY_S), at(DAY_S));
        prop_assert_eq!(plain, other);
    }

    #[test]
    fn settling_as_it_goes_counts_the_same_as_keeping_everything(stories in stories()) {
        let events = tell(&stories);
        let kept = fold(&events, whole_log()).ledger(at(0), at(DAY_S), at(DAY_S));
        let settled = fold(&events, Rules { settle_after: Duration::from_secs(1), ..Rules::default() });
        prop_assert_eq!(kept, settled.ledger(at(0), at(DAY_S), at(DAY_S)));
    }

    #[test]
    fn two_quarters_add_up_to_the_half_hour(stories in stories()) {
        let events = tell(&stories);
        let quarters = fold(&events, Rules::default()).ledger(at(0), at(DAY_S), at(DAY_S));
        let halves = fold(&events, Rules { interval: Duration::from_secs(1_800), ..Rules::default() }).ledger(at(0), at(DAY_S), at(DAY_S));
        for start in (0..DAY_S).step_by(1_800) {
            let (from, to) = (at(start), at(start + 1_800));
            prop_assert_eq!(quarters.tally(from, to, &in_queue("Q")), halves.tally(from, to, &in_queue("Q")));
            prop_assert_eq!(quarters.spread(from, to, &in_queue("Q")), halves.spread(from, to, &in_queue("Q")));
        }
    }

    #[test]
    fn logged_in_time_never_exceeds_the_clock(stories in stories()) {
        let events = tell(&stories);
        let ledger = fold(&events, Rules::default()).ledger(at(0), at(DAY_S), at(DAY_S));
        for agent in ledger.agents() {
            prop_assert_eq!(ledger.agent_time(at(0), at(DAY_S), &agent).logged_in_ms(), u64::try_from(DAY_S * 1_000).unwrap());
        }
    }

    #[test]
    fn ledgers_of_parts_add_up_to_that_of_the_whole_in_any_order(stories in stories(), cuts in prop::collection::vec(0_i64..DAY_S, 1..4), turn in 0_usize..4) {
        let events = tell(&stories);
        let statistics = fold(&events, Rules::default());
        let whole = statistics.ledger(at(0), at(DAY_S), at(DAY_S));
        let mut cuts: Vec<i64> = cuts.into_iter().chain([0, DAY_S]).collect();
        cuts.sort_unstable();
        let mut parts: Vec<Ledger> = cuts
            .windows(2)
            .map(|cut| statistics.ledger(at(cut[0]), at(cut[1]), at(DAY_S)))
            .collect();
        let turn = turn % parts.len();
        parts.rotate_left(turn);
        let mut sum = Ledger::empty(at(0));
        for part in &parts {
            // As they come out of a store.
            let stored = serde_json::to_string(part).unwrap();
            sum += serde_json::from_str::<Ledger>(&stored).unwrap();
        }
        prop_assert_eq!(&sum, &whole);
        let mut from_the_right = Ledger::empty(at(0));
        for part in parts.iter().rev() {
            let mut joined = part.clone();
            joined += from_the_right;
            from_the_right = joined;
        }
        prop_assert_eq!(&from_the_right, &whole);
        let mut of_hours = Ledger::empty(at(0));
        for (_, hour) in whole.clone().cut(Duration::from_secs(3_600)) {
            of_hours += hour;
        }
        let (from, to) = (at(0), at(DAY_S));
        prop_assert_eq!(of_hours.spread(from, to, &in_queue("Q")), whole.spread(from, to, &in_queue("Q")));
        let day = whole.clone().coarsened(Duration::from_secs(86_400));
        prop_assert_eq!(day.tally(from, to, &in_queue("Q")), whole.tally(from, to, &in_queue("Q")));
        prop_assert_eq!(day.spread(from, to, &in_queue("Q")), whole.spread(from, to, &in_queue("Q")));
    }
}

proptest! {
    // Every case reads the ledger at each change of queues.
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_time_in_a_queue_is_what_passed_while_agents_served_it(stories in stories()) {
        let events = tell(&stories);
        let statistics = fold(&events, whole_log());
        let ledger = statistics.ledger(at(0), at(DAY_S), at(DAY_S));
        for queue in ["Q", "R"] {
            let mut wanted = AgentTime::default();
            for agent in ["a0", "a1", "a2", "a3"] {
                let told = |event: &&Event| event.agent.as_ref().is_some_and(|it| it.as_str() == agent);
                let mut serves = false;
                let mut since = at(0);
                for event in events.iter().filter(told) {
                    let EventKind::AgentChanged { profile } = &event.kind else {
                        continue;
                    };
                    wanted += between(&statistics, since, event.at, agent, serves);
                    (since, serves) = (event.at, profile.queues.contains_key(&QueueId::from(queue)));
                }
                wanted += between(&statistics, since, at(DAY_S), agent, serves);
            }
            let told = ledger.tally(at(0), at(DAY_S), &in_queue(queue)).agent_time;
            prop_assert_eq!(only_times(told), wanted, "{}", queue);
        }
    }
}
