//! Whose a ticket, a symptom, a mark and a wait are: told under every facet of their contact, and nowhere else.

use super::{at, on_both_engines, tickets, wish};
use crate::database::tests::{arrived, contact, event};
use crate::database::{Database, Statement};
use crate::event_log::{EventLog, EventsQuery};
use crate::mail::Deed;
use crate::report::{By, Format, Period, Report, Subject, Words, from_log};
use crate::satisfaction::Judgement;
use crate::tickets::{TicketChange, TicketStatus};
use jiff::tz::TimeZone;
use ringdown_routing::contact::{Channel, Needs, Priority};
use ringdown_routing::event::{ContactResult, EndedBy, Event, EventKind, IdentifiedAs};
use ringdown_routing::ids::{AgentId, NodeId, OfferToken, QueueId, SkillId};
use ringdown_routing::verb::RequeueReason;
use std::collections::BTreeMap;

fn of_helpdesk(number: u64, second: i64, agent: Option<&str>, kind: EventKind) -> Event {
    Event {
        queue: Some(QueueId::new("helpdesk")),
        agent: agent.map(AgentId::new),
        ..event(number, second, contact(1), kind)
    }
}

fn enqueued() -> EventKind {
    EventKind::Enqueued {
        priority: Priority::default(),
        channel: Channel::Voice,
        skills: Needs::always(BTreeMap::from([
            (SkillId::new("vpn"), 1),
            (SkillId::new("printers"), 2),
        ])),
        reserved: None,
        enqueued_at: at(2),
        rings_one: false,
        calls_back: None,
        node: NodeId::new("node-a"),
    }
}

fn answered(token: u64) -> EventKind {
    EventKind::Answered {
        token: OfferToken::new(token),
        wait_ms: 8_000,
    }
}

fn identified(class: u8) -> EventKind {
    EventKind::Identified {
        outcome: IdentifiedAs::Known,
        caller: None,
        class: Some(class),
    }
}

async fn append(log: &EventLog, events: impl IntoIterator<Item = Event>) {
    for event in events {
        assert!(log.append(event));
    }
    log.flush().await.unwrap();
}

async fn reported(log: &EventLog, by: By) -> Report {
    let zone = TimeZone::UTC;
    let period = Period::new(at(-3_600), at(86_400), "1h".parse().unwrap(), zone).unwrap();
    let subject = Subject {
        by,
        ..Subject::default()
    };
    let report = from_log::report(log, period, &subject, at(90_000), || ()).await;
    report.unwrap()
}

fn printed(report: &Report, format: Format) -> Vec<u8> {
    let mut out = Vec::new();
    let words = Words::of(&"en".parse().unwrap());
    report.print(format, words, &mut out).unwrap();
    out
}

/// Each group's tickets, of which solved; symptoms and marks.
async fn counted(log: &EventLog, by: By) -> Vec<(String, [i64; 4])> {
    let report = reported(log, by).await;
    let of = report.groups.iter().map(|(group, (tally, _))| {
        let tickets = &tally.tickets;
        let (symptoms, marks) = (tally.symptoms.contacts, tally.ratings.count());
        let counts = [tickets.opened, tickets.solved, symptoms, marks];
        (group.name(), counts)
    });
    of.filter(|(_, counts)| *counts != [0; 4]).collect()
}

async fn rate(database: &Database, second: i64) {
    let judgement = Judgement {
        contact: contact(1),
        queue: Some(QueueId::new("helpdesk")),
        score: 5,
        comment: String::new(),
        at: at(second),
    };
    let deed = Deed::Judge(Box::new(judgement));
    database.do_deed(deed).await.unwrap();
}

fn solve(symptom: Option<&str>) -> TicketChange {
    TicketChange {
        status: Some(TicketStatus::Solved),
        symptom: symptom.map(str::to_owned),
        ..TicketChange::default()
    }
}

#[test]
fn an_answered_call_is_told_by_number_class_skill_and_agent() {
    on_both_engines(async |database| {
        let tickets = tickets(&database);
        let log = EventLog::new(database.clone());
        append(&log, [of_helpdesk(1, 0, None, arrived("+886911000111"))]).await;
        let ticket = tickets.open(wish(1, 0)).await.unwrap().ticket;
        assert_eq!(counted(&log, By::Agent).await, []);
        let of_number = [("100".to_owned(), [1, 0, 0, 0])];
        assert_eq!(counted(&log, By::Number).await, of_number);
        // Who it is and who answers is told by events alone; nobody touches the ticket.
        append(&log, [of_helpdesk(2, 1, None, identified(2))]).await;
        append(&log, [of_helpdesk(3, 2, None, enqueued())]).await;
        append(&log, [of_helpdesk(4, 10, Some("ann"), answered(1))]).await;
        let one = [1, 0, 0, 0];
        assert_eq!(counted(&log, By::Agent).await, [("ann".to_owned(), one)]);
        assert_eq!(
            counted(&log, By::CallerClass).await,
            [("2".to_owned(), one)]
        );
        let skills = ["printers", "vpn"].map(|skill| (skill.to_owned(), one));
        assert_eq!(counted(&log, By::Skill).await, skills);

        let ended = EventKind::Ended {
            by: EndedBy::Caller,
            talk_ms: 50_000,
            hold_ms: 0,
            wrap_up_until: None,
            wrap_up_latest: None,
        };
        let result = ContactResult::Answered;
        append(
            &log,
            [
                of_helpdesk(5, 60, Some("ann"), ended),
                of_helpdesk(6, 60, None, EventKind::Closed { result }),
            ],
        )
        .await;
        rate(&database, 70).await;
        let change = solve(Some("slow"));
        tickets.change(ticket, &change, at(80)).await.unwrap();
        let all = [1, 1, 1, 1];
        for (by, names) in [
            (By::Agent, &["ann"][..]),
            (By::Skill, &["printers", "vpn"]),
            (By::Number, &["100"]),
            (By::CallerClass, &["2"]),
        ] {
            let wanted: Vec<_> = names.iter().map(|name| ((*name).to_owned(), all)).collect();
            assert_eq!(counted(&log, by).await, wanted, "{by:?}");
            let report = reported(&log, by).await;
            for name in names {
                let text = |format| String::from_utf8(printed(&report, format)).unwrap();

                let row = format!("{name}<");
                assert!(text(Format::Html).contains(&row), "{by:?} {name}");
                let told: serde_json::Value = serde_json::from_str(&text(Format::Json)).unwrap();
                let told = &told["statistics"][name];
                assert_eq!(told["first_contact_resolution"], 1.0, "{by:?} {name}");
                assert_eq!(told["tolerable_wait_share"], 1.0);
                assert_eq!(told["satisfaction"], 5.0);
            }
            let table = report.table(crate::report::TableName::Resolution).unwrap();
            assert_eq!(table.rows.len(), names.len(), "{by:?}");
            assert_eq!(table.heads[0].key, by.as_str());
            assert!(printed(&report, Format::Xlsx).starts_with(b"PK"));
            let csv = String::from_utf8(printed(&report, Format::Csv)).unwrap();
            let mut lines = csv.lines();
            let heads: Vec<&str> = lines.next().unwrap().split(',').collect();
            let place = heads.iter().position(|it| *it == "satisfaction").unwrap();
            for (line, name) in lines.zip(names) {
                let fields: Vec<&str> = line.split(',').collect();
                assert_eq!((fields[2], fields[place]), (*name, "5.0"), "{by:?}");
            }
        }
    });
}

#[test]
fn a_contact_that_was_handed_over_is_whose_who_answers_last() {
    on_both_engines(async |database| {
        let tickets = tickets(&database);
        let log = EventLog::new(database.clone());
        append(&log, [of_helpdesk(1, 0, None, arrived("+886911000111"))]).await;
        let ticket = tickets.open(wish(1, 0)).await.unwrap().ticket;
        let (reason, retry_at) = (RequeueReason::HandedOver, None);
        let requeued = EventKind::Requeued { reason, retry_at };
        append(&log, [of_helpdesk(2, 10, Some("ann"), answered(1))]).await;
        append(&log, [of_helpdesk(3, 60, Some("ann"), requeued)]).await;
        let of = |agent: &str, solved| vec![(agent.to_owned(), [1, solved, 0, 0])];
        assert_eq!(counted(&log, By::Agent).await, of("ann", 0));
        append(&log, [of_helpdesk(4, 90, Some("bob"), answered(2))]).await;
        assert_eq!(counted(&log, By::Agent).await, of("bob", 0));
        tickets.change(ticket, &solve(None), at(100)).await.unwrap();
        assert_eq!(counted(&log, By::Agent).await, of("bob", 1));
        // Its record is let go, and it is reopened: what was told is taken back where it was told.
        let gone = "DELETE FROM contacts";
        database
            .write(vec![Statement::new(gone, Vec::new())])
            .await
            .unwrap();
        let reopen = TicketChange {
            status: Some(TicketStatus::Open),
            ..TicketChange::default()
        };
        tickets.change(ticket, &reopen, at(7_200)).await.unwrap();
        assert_eq!(counted(&log, By::Agent).await, of("bob", 0));
        assert_eq!(counted(&log, By::Number).await, of("100", 0));
    });
}

#[test]
fn what_is_learnt_later_is_told_when_it_was_learnt() {
    on_both_engines(async |database| {
        let tickets = tickets(&database);
        let log = EventLog::new(database.clone());
        append(&log, [of_helpdesk(1, 0, None, arrived("+886911000111"))]).await;
        let ticket = tickets.open(wish(1, 0)).await.unwrap().ticket;
        let closed = TicketChange {
            status: Some(TicketStatus::Closed),
            ..TicketChange::default()
        };
        tickets.change(ticket, &closed, at(30)).await.unwrap();
        append(&log, [of_helpdesk(2, 4_000, Some("ann"), answered(1))]).await;
        append(&log, [of_helpdesk(3, 5_000, None, identified(1))]).await;
        // The same again tells nothing new.
        append(&log, [of_helpdesk(4, 6_000, None, identified(1))]).await;
        let mut told = Vec::new();
        let all = EventsQuery::Between {
            from: at(-1),
            to: at(86_400),
        };
        log.for_each(all, |event| {
            if matches!(event.kind, EventKind::TicketChanged { .. }) {
                told.push(event.at);
            }
        })
        .await
        .unwrap();
        assert_eq!(told, [at(0), at(30), at(4_000), at(5_000)]);
        let report = reported(&log, By::Agent).await;
        let tickets = &report.total.tickets;
        let reviewed = (tickets.opened, tickets.solved, tickets.reviewed);
        assert_eq!(reviewed, (1, 1, 0), "closed at once is not reviewed");
    });
}
