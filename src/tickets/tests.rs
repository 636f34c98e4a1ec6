mod facets;

use super::*;
use crate::database::tests::{arrived, at, contact, event, on_both_engines, run, sqlite};
use crate::event_log::EventLog;
use ringdown_routing::event::{ContactResult, EventKind};
use ringdown_routing::ticket::{ContactFacets, SymptomFacts};

fn wish(number: u128, second: i64) -> TicketWish {
    TicketWish {
        contact: contact(number),
        at: at(second),
        channel: Channel::Voice,
        from: "+886911000111".to_owned(),
        queue: Some(QueueId::new("helpdesk")),
        caller: Some(CallerId::new("p1")),
        organisation: Some(OrganisationId::new("o1")),
        class: Some(1),
        cis: vec![CiId::new("pc-7")],
        keyed_in: None,
        kind: Kind::Incident,
        subject: "Call".to_owned(),
    }
}

fn tickets(database: &Database) -> Tickets {
    Tickets::new(database.clone(), &Config::demo())
}

/// The events of a call that was abandoned.
fn abandon(log: &EventLog, number: u64, second: i64) {
    let id = contact(u128::from(number));
    let identified = EventKind::Identified {
        outcome: ringdown_routing::event::IdentifiedAs::Known,
        caller: Some(CallerId::new("p1")),
        class: Some(1),
    };
    let kinds = [
        arrived("+886911000111"),
        identified,
        EventKind::Abandoned { wait_ms: 4_000 },
        EventKind::Closed {
            result: ContactResult::Abandoned,
        },
    ];
    for (place, kind) in (0..).zip(kinds) {
        assert!(log.append(event(number * 10 + place, second, id, kind)));
    }
}

#[test]
fn a_contact_has_one_ticket_however_often_it_asks() {
    on_both_engines(async |database| {
        let tickets = tickets(&database);
        let first = tickets.open(wish(1, 0)).await.unwrap();
        assert!(first.is_new());
        assert!(first.number.starts_with("RD-2026"), "{}", first.number);
        assert!(first.number.ends_with("-0001"), "{}", first.number);
        assert_eq!(first.priority, 2);
        let again = tickets.open(wish(1, 5)).await.unwrap();
        assert_eq!(again, first);
        // Many at once, each twice: numbers without gap or double.
        let answers: Vec<_> = (2..=30)
            .flat_map(|number| [tickets.open(wish(number, 9)), tickets.open(wish(number, 9))])
            .collect();
        let mut numbers = std::collections::BTreeSet::new();
        for answer in answers {
            numbers.insert(answer.await.unwrap().number);
        }
        assert_eq!(numbers.len(), 29);
        assert!(numbers.last().unwrap().ends_with("-0030"));
        assert_eq!(
            tickets
                .list(&TicketsQuery::default(), 100)
                .await
                .unwrap()
                .len(),
            30
        );
    });
}

#[test]
fn a_ticket_of_many_contacts_is_shown_with_the_newest() {
    on_both_engines(async |database| {
        let tickets = tickets(&database);
        let incident = tickets.open_by_hand(wish(1, 0)).await.unwrap().ticket;
        let many = u128::try_from(WHOLE_MAX).unwrap() + 5;
        let attach = |number| tickets.attach_to_incident(wish(number, 1), incident);
        let numbers: Vec<u128> = (10..10 + many).collect();
        // The writer takes no more than a thousand at once here.
        for numbers in numbers.chunks(500) {
            let answers: Vec<_> = numbers.iter().map(|number| attach(*number)).collect();
            for answer in answers {
                assert_eq!(answer.await.unwrap().ticket, incident);
            }
        }
        let shown = tickets.ticket(incident).await.unwrap().unwrap();
        assert_eq!(u128::from(shown.contacts_total), many);
        let ends = (shown.contacts.first(), shown.contacts.last());
        let wanted = (contact(15), contact(10 + many - 1));
        assert_eq!(ends, (Some(&wanted.0), Some(&wanted.1)));
        assert_eq!(shown.contacts.len(), shown.articles.len());
    });
}

#[test]
fn who_leaves_for_an_incident_goes_from_their_own_ticket_to_its() {
    on_both_engines(async |database| {
        let tickets = tickets(&database);
        let incident = tickets.open_by_hand(wish(1, 0)).await.unwrap().ticket;
        let other = |number| TicketWish {
            caller: None,
            from: format!("+88692200000{number}"),
            ..wish(number, 10)
        };
        let own = tickets.open(other(2)).await.unwrap();
        assert!(own.is_new());
        for _ in 0..2 {
            let moved = tickets.attach_to_incident(other(2), incident).await;
            let moved = moved.unwrap();
            assert_eq!((moved.ticket, moved.rule), (incident, Rule::Incident));
        }
        // What comes late finds it there.
        assert_eq!(tickets.open(other(2)).await.unwrap().ticket, incident);
        let shown = tickets.ticket(own.ticket).await.unwrap().unwrap();
        assert_eq!(shown.status, TicketStatus::Closed);
        assert_eq!(shown.merged_into, Some(incident));
        assert!(shown.contacts.is_empty(), "{shown:?}");
        let shown = tickets.ticket(incident).await.unwrap().unwrap();
        assert_eq!(shown.contacts, [contact(2)]);

        // A ticket that somebody else is on as well stays as it is.
        let shared = tickets.open(other(3)).await.unwrap();
        let mut keyed = other(4);
        keyed.from = other(3).from;
        keyed.keyed_in = Some(shared.number.chars().filter(char::is_ascii_digit).collect());
        assert_eq!(
            tickets.open(keyed.clone()).await.unwrap().ticket,
            shared.ticket
        );
        for wish in [other(3), keyed] {
            let moved = tickets.attach_to_incident(wish, incident).await.unwrap();
            assert_eq!(moved.ticket, incident);
        }
        let shown = tickets.ticket(shared.ticket).await.unwrap().unwrap();
        assert_eq!(shown.status, TicketStatus::Open);
    });
}

#[test]
fn a_keyed_in_number_counts_only_for_those_it_belongs_to() {
    on_both_engines(async |database| {
        let tickets = tickets(&database);
        let first = tickets.open(wish(1, 0)).await.unwrap();
        let digits: String = first.number.chars().filter(char::is_ascii_digit).collect();
        let keyed = |number, caller: &str, organisation: &str, from: &str| TicketWish {
            keyed_in: Some(digits.clone()),
            caller: Some(CallerId::new(caller)),
            organisation: Some(OrganisationId::new(organisation)),
            from: from.to_owned(),
            ..wish(number, 60)
        };
        let own = tickets.open(keyed(2, "p1", "o9", "1")).await.unwrap();
        assert_eq!((own.ticket, own.rule), (first.ticket, Rule::KeyedIn));
        let colleague = tickets.open(keyed(3, "p2", "o1", "2")).await.unwrap();
        assert_eq!(colleague.ticket, first.ticket);
        let stranger = tickets.open(keyed(4, "p3", "o3", "3")).await.unwrap();
        assert_eq!(stranger.rule, Rule::New);
        let closed = TicketChange {
            status: Some(TicketStatus::Closed),
            ..TicketChange::default()
        };
        tickets.change(first.ticket, &closed, at(70)).await.unwrap();
        let late = tickets.open(keyed(5, "p1", "o1", "1")).await.unwrap();
        assert_eq!(late.rule, Rule::New);
    });
}

#[test]
fn a_call_soon_after_an_abandoned_one_is_about_the_same() {
    on_both_engines(async |database| {
        let (tickets, log) = (tickets(&database), EventLog::new(database.clone()));
        let first = tickets.open(wish(1, 0)).await.unwrap();
        abandon(&log, 1, 10);
        log.flush().await.unwrap();
        let soon = tickets.open(wish(2, 100)).await.unwrap();
        assert_eq!((soon.ticket, soon.rule), (first.ticket, Rule::RepeatCall));
        let other = TicketWish {
            caller: Some(CallerId::new("p2")),
            ..wish(3, 100)
        };
        assert_eq!(tickets.open(other).await.unwrap().rule, Rule::New);
        let same_phone = TicketWish {
            caller: None,
            ..wish(4, 100)
        };
        assert_eq!(tickets.open(same_phone).await.unwrap().ticket, first.ticket);
        let withheld = TicketWish {
            caller: None,
            from: String::new(),
            ..wish(5, 100)
        };
        assert_eq!(tickets.open(withheld).await.unwrap().rule, Rule::New);
        let late = tickets.open(wish(6, 10 + 901)).await.unwrap();
        assert_eq!(late.rule, Rule::New);
        let ticket = tickets.ticket(first.ticket).await.unwrap().unwrap();
        assert_eq!(ticket.contacts, [contact(1), contact(2), contact(4)]);
        let words = "Caller left before an agent answered, waited 4 s.";
        assert_eq!(ticket.articles[0].text, words);
        assert_eq!(ticket.cis, [CiId::new("pc-7")]);
    });
}

#[test]
fn who_was_cut_off_and_calls_again_is_about_the_same() {
    on_both_engines(async |database| {
        let (tickets, log) = (tickets(&database), EventLog::new(database.clone()));
        let first = tickets.open(wish(1, 0)).await.unwrap();
        let cause = ringdown_routing::verb::GATEWAY_LOST.to_owned();
        let kinds = [
            arrived("+886911000111"),
            EventKind::Failed { cause },
            EventKind::Closed {
                result: ContactResult::Failed,
            },
        ];
        for (number, kind) in (1..).zip(kinds) {
            assert!(log.append(event(number, 10, contact(1), kind)));
        }
        log.flush().await.unwrap();
        let again = TicketWish {
            caller: None,
            ..wish(2, 100)
        };
        let again = tickets.open(again).await.unwrap();
        assert_eq!((again.ticket, again.rule), (first.ticket, Rule::RepeatCall));
    });
}

#[test]
fn a_ticket_is_regraded_by_its_matrix_and_found_open() {
    on_both_engines(async |database| {
        let tickets = tickets(&database);
        let first = tickets.open(wish(1, 0)).await.unwrap();
        let change: TicketChange =
            serde_json::from_str(r#"{"urgency": 1, "status": "in_progress"}"#).unwrap();
        let changed = tickets.change(first.ticket, &change, at(9)).await.unwrap();
        let changed = changed.unwrap();
        assert_eq!(
            (changed.priority, changed.status),
            (1, TicketStatus::InProgress)
        );
        let caller = CallerId::new("p1");
        assert_eq!(tickets.open_tickets(&caller).await.unwrap().len(), 1);
        let solved = TicketChange {
            status: Some(TicketStatus::Solved),
            ..TicketChange::default()
        };
        tickets.change(first.ticket, &solved, at(10)).await.unwrap();
        assert_eq!(tickets.open_tickets(&caller).await.unwrap(), []);
        let nobody = tickets.change(TicketId::new(999), &solved, at(10)).await;
        assert_eq!(nobody.unwrap(), None);
    });
}

#[test]
fn a_caller_recognised_late_gets_the_ticket_and_a_note_stays_on_it() {
    on_both_engines(async |database| {
        let (tickets, log) = (tickets(&database), EventLog::new(database.clone()));
        let person = "INSERT INTO people (id, name, organisation) VALUES ('p7', 'Ann', 'o7')";
        database
            .write(vec![Statement::new(person, Vec::new())])
            .await
            .unwrap();
        assert!(log.append(event(1, 0, contact(1), arrived("1"))));
        let nobody = TicketWish {
            caller: None,
            organisation: None,
            ..wish(1, 0)
        };
        let first = tickets.open(nobody).await.unwrap();
        for (number, caller) in [(2, "p7"), (3, "p8")] {
            let identified = EventKind::Identified {
                outcome: ringdown_routing::event::IdentifiedAs::Known,
                caller: Some(CallerId::new(caller)),
                class: None,
            };
            assert!(log.append(event(number, 5, contact(1), identified)));
            log.flush().await.unwrap();
        }
        let change = TicketChange {
            note: Some("call back after lunch".to_owned()),
            author: "meiling".to_owned(),
            ..TicketChange::default()
        };
        let ticket = tickets.change(first.ticket, &change, at(9)).await.unwrap();
        let ticket = ticket.unwrap();
        assert_eq!(ticket.caller, Some(CallerId::new("p7")));
        assert_eq!(ticket.organisation, Some(OrganisationId::new("o7")));
        let note = ticket.articles.last().unwrap();
        assert_eq!(
            (note.from.as_str(), note.direction),
            ("meiling", Direction::Internal)
        );
        assert_eq!(note.text, "call back after lunch");
    });
}

#[test]
fn a_ticket_opened_by_hand_belongs_to_no_contact() {
    on_both_engines(async |database| {
        let (tickets, log) = (tickets(&database), EventLog::new(database.clone()));
        let first = tickets.open_by_hand(wish(1, 0)).await.unwrap();
        assert_eq!(tickets.open_by_hand(wish(1, 3)).await.unwrap(), first);
        let ticket = tickets.ticket(first.ticket).await.unwrap().unwrap();
        assert_eq!(ticket.contacts, []);
        assert_eq!(log.contact(contact(1)).await.unwrap(), None);
    });
}

#[test]
fn a_caller_who_stops_waiting_for_a_locked_database_gets_the_ticket_later() {
    run(async {
        let (_folder, database) = sqlite().await;
        let tickets = tickets(&database);
        let mut other = database.reads().acquire().await.unwrap();
        sqlx::raw_sql("BEGIN IMMEDIATE")
            .execute(&mut *other)
            .await
            .unwrap();
        drop(tickets.open(wish(1, 0)));
        sqlx::raw_sql("ROLLBACK")
            .execute(&mut *other)
            .await
            .unwrap();
        drop(other);
        database.flush().await.unwrap();
        let of_contact = TicketsQuery {
            contact: Some(contact(1)),
            ..TicketsQuery::default()
        };
        assert_eq!(tickets.list(&of_contact, 9).await.unwrap().len(), 1);
    });
}

/// What the log counts of tickets, by folding all of it.
async fn counted(database: &Database) -> ringdown_routing::statistics::Tally {
    use crate::event_log::EventsQuery;
    use ringdown_routing::statistics::{Rules, Scope, Statistics};
    let mut fold = Statistics::new(Rules::default());
    let log = EventLog::new(database.clone());
    let all = EventsQuery::Between {
        from: at(-1_000_000),
        to: at(10_000_000),
    };
    // Twice: what was told once counts once.
    for _ in 0..2 {
        log.for_each(all, |event| {
            fold.record(&event);
        })
        .await
        .unwrap();
    }
    let ledger = fold.ledger(at(-1_000_000), at(10_000_000), at(10_000_000));
    ledger.tally(at(-1_000_000), at(10_000_000), &Scope::default())
}

/// STATISTICS, "Minutes a user puts up with": the symptom, then caller class 1, 2 and 3.
const PUT_UP_WITH_MINUTES: [(&str, [u64; 3]); 3] = [
    ("system_crash", [10, 15, 30]),
    ("no_access", [15, 20, 40]),
    ("slow", [20, 30, 60]),
];

/// How many of the contacts with a symptom waited no longer than such callers put up with, by the fold.
fn tolerable(recorded: &symptom::Recorded, class: Option<u8>, wait_ms: u64) -> i64 {
    use ringdown_routing::statistics::{Rules, Scope, Statistics};
    let now = Box::new(SymptomFacts {
        symptom: recorded.symptom.clone(),
        arrived_at: at(0),
        channel: Channel::Voice,
        class,
        wait_ms,
        is_answered: true,
        service_level_ms: recorded.service_level_ms,
        tolerable_ms: recorded.tolerable_ms(class),
        facets: ContactFacets::default(),
    });
    let mut fold = Statistics::new(Rules::default());
    let kind = EventKind::SymptomRecorded { before: None, now };
    fold.record(&event(1, 0, contact(1), kind));
    let ledger = fold.ledger(at(-1_000), at(1_000), at(1_000));
    let tally = ledger.tally(at(-1_000), at(1_000), &Scope::default());
    assert_eq!(tally.symptoms.contacts, 1);
    tally.symptoms.tolerable
}

#[test]
fn callers_put_up_with_what_the_definition_says_by_symptom_and_class() {
    run(async {
        let (_folder, database) = sqlite().await;
        let tickets = Tickets::new(database.clone(), &Config::demo());
        for (symptom, minutes) in PUT_UP_WITH_MINUTES {
            let recorded = tickets.recorded(symptom, None).unwrap();
            let recorded: symptom::Recorded = serde_json::from_str(&recorded).unwrap();
            // Whose class nobody knows counts as one of class 3.
            let classes = [Some(1), Some(2), Some(3), None];
            for (class, minutes) in classes
                .into_iter()
                .zip(minutes.into_iter().chain([minutes[2]]))
            {
                let limit_ms = minutes * 60_000;
                assert_eq!(
                    tolerable(&recorded, class, limit_ms),
                    1,
                    "{symptom} {class:?}"
                );
                assert_eq!(
                    tolerable(&recorded, class, limit_ms + 1),
                    0,
                    "{symptom} {class:?}"
                );
            }
        }
        let known = PUT_UP_WITH_MINUTES.map(|(symptom, _)| symptom);
        let ours = crate::config::Tickets::default().tolerable_wait_s;
        assert!(
            ours.keys()
                .map(String::as_str)
                .collect::<std::collections::BTreeSet<_>>()
                == known.into()
        );
        database.close().await;
    });
}

#[test]
fn the_log_tells_how_tickets_went_and_who_came_again() {
    on_both_engines(async |database| {
        let tickets = tickets(&database);
        let log = EventLog::new(database.clone());
        abandon(&log, 1, 0);
        log.flush().await.unwrap();
        let first = tickets.open(wish(1, 1)).await.unwrap().ticket;
        let solve = TicketChange {
            status: Some(TicketStatus::Solved),
            symptom: Some("slow".to_owned()),
            ..TicketChange::default()
        };
        tickets.change(first, &solve, at(61)).await.unwrap();
        let tally = counted(&database).await;
        assert_eq!((tally.tickets.opened, tally.tickets.eligible), (1, 1));
        assert_eq!(tally.tickets.first_contact_solved, 1);
        assert_eq!(tally.tickets.first_line_ms, 60_000);
        assert_eq!(
            (tally.tickets.with_target, tally.tickets.solved_within),
            (1, 1)
        );
        assert_eq!((tally.symptoms.contacts, tally.symptoms.tolerable), (1, 1));
        assert_eq!(tally.symptoms.wait_ms, 4_000);
        // Another symptom takes the first one's place; closing is the review.
        let close = TicketChange {
            status: Some(TicketStatus::Closed),
            symptom: Some("no_access".to_owned()),
            ..TicketChange::default()
        };
        tickets.change(first, &close, at(161)).await.unwrap();
        let tally = counted(&database).await;
        assert_eq!(tally.symptoms.contacts, 1);
        assert_eq!(
            (tally.tickets.reviewed, tally.tickets.review_ms),
            (1, 100_000)
        );
        // The same caller calls about the same CI an hour later.
        let again = tickets.open(wish(2, 3_661)).await.unwrap().ticket;
        assert_ne!(again, first);
        let tally = counted(&database).await;
        assert_eq!(tally.tickets.first_contact_solved, 0);
        assert_eq!(tally.tickets.first_line_solved, 1);
        assert_eq!((tally.tickets.opened, tally.tickets.incidents), (2, 2));
        // Reopened: it was not solved after all.
        let reopen = TicketChange {
            status: Some(TicketStatus::Open),
            ..TicketChange::default()
        };
        tickets.change(first, &reopen, at(3_700)).await.unwrap();
        let tally = counted(&database).await;
        assert_eq!((tally.tickets.solved, tally.tickets.reviewed), (0, 0));
    });
}

#[test]
fn a_ticket_brought_to_another_line_is_escalated_once() {
    on_both_engines(async |database| {
        let mut config = Config::demo();
        let experts = config.queues.last_mut().unwrap();
        experts.line = 2;
        let experts = experts.id.clone();
        let tickets = Tickets::new(database.clone(), &config);
        let ticket = tickets.open(wish(1, 0)).await.unwrap().ticket;
        let bring = TicketChange {
            queue: Some(experts),
            ..TicketChange::default()
        };
        tickets.change(ticket, &bring, at(300)).await.unwrap();
        tickets.change(ticket, &bring, at(400)).await.unwrap();
        let solve = TicketChange {
            status: Some(TicketStatus::Solved),
            ..TicketChange::default()
        };
        tickets.change(ticket, &solve, at(900)).await.unwrap();
        let tally = counted(&database).await;
        assert_eq!(
            (tally.tickets.escalated, tally.tickets.escalate_ms),
            (1, 300_000)
        );
        assert_eq!(
            (tally.tickets.solved, tally.tickets.first_line_solved),
            (1, 0)
        );
        let by_hand = tickets.open_by_hand(wish(9, 1_000)).await.unwrap().ticket;
        tickets.change(by_hand, &solve, at(1_000)).await.unwrap();
        let tally = counted(&database).await;
        assert_eq!((tally.tickets.opened, tally.tickets.eligible), (2, 1));
    });
}
