use super::*;
use crate::database::tests::{arrived, at, contact, event, on_both_engines};
use ringdown_routing::agent::Status;
use ringdown_routing::contact::{Channel, Needs, Priority, QueuedContact};
use ringdown_routing::event::{ContactResult, EndedBy, EventKind, IdentifiedAs};
use ringdown_routing::ids::{AgentId, CallerId, ContactId, NodeId, OfferToken, QueueId, TicketId};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{GATEWAY_LOST, RestoredPlace};

fn call() -> Vec<Event> {
    let id = contact(7);
    let token = OfferToken::new(3);
    let in_line = |number, second, kind| {
        let mut event = event(number, second, id, kind);
        event.queue = Some(QueueId::new("helpdesk"));
        event
    };
    let with_agent = |number, second, kind| {
        let mut event = in_line(number, second, kind);
        event.agent = Some(AgentId::new("meiling"));
        event
    };
    let identified = EventKind::Identified {
        outcome: IdentifiedAs::Known,
        caller: Some(CallerId::new("p1")),
        class: Some(1),
    };
    let linked = EventKind::TicketLinked {
        ticket: TicketId::new(5),
        number: "RD-20261123-0005".to_owned(),
        is_new: true,
        rule: "new".to_owned(),
    };
    let enqueued = EventKind::Enqueued {
        priority: Priority(20),
        channel: Channel::Voice,
        skills: Needs::default(),
        reserved: None,
        enqueued_at: at(1),
        rings_one: false,
        calls_back: None,
        node: NodeId::new("node-a"),
    };
    let offered = EventKind::Offered {
        token,
        deadline: at(20),
        node: NodeId::new("node-a"),
    };
    let answered = EventKind::Answered {
        token,
        wait_ms: 8_000,
    };
    let ended = EventKind::Ended {
        by: EndedBy::Caller,
        talk_ms: 60_000,
        hold_ms: 0,
        wrap_up_until: None,
        wrap_up_latest: None,
    };
    vec![
        event(1, 0, id, arrived("王小明 \"<\u{0}\\u0000")),
        event(2, 0, id, identified),
        event(3, 0, id, linked),
        in_line(4, 1, enqueued),
        with_agent(5, 2, offered),
        with_agent(6, 9, answered),
        with_agent(7, 69, ended),
        in_line(
            8,
            69,
            EventKind::Closed {
                result: ContactResult::Answered,
            },
        ),
    ]
}

#[test]
fn a_call_is_stored_once_and_its_record_tells_the_whole_story() {
    on_both_engines(async |database| {
        let log = EventLog::new(database);
        for event in call() {
            assert!(log.append(event));
        }
        log.flush().await.unwrap();
        let record = log.contact(contact(7)).await.unwrap().unwrap();
        // Stored again, in another order and batch: nothing changes.
        for event in call().into_iter().rev() {
            assert!(log.append(event));
            log.flush().await.unwrap();
        }
        assert_eq!(log.contact(contact(7)).await.unwrap().unwrap(), record);
        let wanted = ContactRecord {
            id: contact(7),
            channel: Some(Channel::Voice),
            from: Some("王小明 \"<\u{fffd}\\u0000".to_owned()),
            to: Some("100".to_owned()),
            via: Some("loopback".to_owned()),
            queue: Some(QueueId::new("helpdesk")),
            agent: Some(AgentId::new("meiling")),
            caller: Some(CallerId::new("p1")),
            class: Some(1),
            identified: Some(IdentifiedAs::Known),
            ticket: Some(TicketId::new(5)),
            state: Some(ContactState::Ended),
            arrived_at: Some(at(0)),
            enqueued_at: Some(at(1)),
            answered_at: Some(at(9)),
            ended_at: Some(at(69)),
            wait_ms: Some(8_000),
            talk_ms: Some(60_000),
            hold_ms: Some(0),
            ended_by: Some(EndedBy::Caller),
            result: Some(ContactResult::Answered),
            reason: None,
        };
        assert_eq!(record, wanted);
        let events = log.events_of(contact(7)).await.unwrap();
        assert_eq!(events.len(), 8);
        assert_eq!(events[1..], call()[1..]);
    });
}

#[test]
fn pages_meet_without_gap_or_overlap() {
    on_both_engines(async |database| {
        let log = EventLog::new(database);
        for number in 1..=25 {
            let second = i64::try_from(number / 10).unwrap();
            let id = contact(u128::from(number % 3));
            assert!(log.append(event(number, second, id, arrived("1"))));
        }
        log.flush().await.unwrap();
        let query = EventsQuery::Between {
            from: at(0),
            to: at(2),
        };
        let (mut after, mut numbers): (Option<Cursor>, Vec<u64>) = (None, Vec::new());
        loop {
            let page = log.page(query, after, 4).await.unwrap();
            numbers.extend(page.events.iter().map(|event| event.id.number));
            match page.next {
                Some(next) => after = Some(next.to_string().parse().unwrap()),
                None => break,
            }
        }
        assert_eq!(numbers, (1..20).collect::<Vec<_>>());
    });
}

#[test]
fn an_export_is_read_back_as_it_was() {
    on_both_engines(async |database| {
        let log = EventLog::new(database);
        for event in call() {
            assert!(log.append(event));
        }
        log.flush().await.unwrap();
        let mut out = Vec::new();
        let all = EventsQuery::Between {
            from: Timestamp::from_millis(0),
            to: Timestamp::from_millis(i64::MAX),
        };
        assert_eq!(log.export(all, &mut out).await.unwrap(), 8);
        let lines = String::from_utf8(out).unwrap();
        let read: Vec<Event> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(read[1..], call()[1..]);
    });
}

#[test]
fn contacts_are_listed_newest_first_and_by_what_they_have() {
    on_both_engines(async |database| {
        let log = EventLog::new(database);
        for number in 1..=5 {
            let mut event = event(number, 0, contact(u128::from(number)), arrived("1"));
            event.queue = Some(QueueId::new(if number == 2 { "b" } else { "a" }));
            assert!(log.append(event));
        }
        log.flush().await.unwrap();
        let list = async |query: ContactsQuery, limit| -> Vec<u128> {
            let contacts = log.contacts(&query, limit).await.unwrap();
            contacts.iter().map(|it| it.id.as_u128() & 0xff).collect()
        };
        let of_a = ContactsQuery {
            queue: Some(QueueId::new("a")),
            ..ContactsQuery::default()
        };
        assert_eq!(list(of_a.clone(), 2).await, [5, 4]);
        let before = ContactsQuery {
            before: Some(contact(4)),
            ..of_a
        };
        assert_eq!(list(before, 10).await, [3, 1]);
    });
}

#[test]
fn an_order_for_a_contact_to_come_makes_no_record_of_one() {
    on_both_engines(async |database| {
        let log = EventLog::new(database);
        let ordered = EventKind::Intervened {
            by: "supervisor".to_owned(),
            act: "callback_ordered".to_owned(),
            details: std::collections::BTreeMap::new(),
        };
        assert!(log.append(event(1, 0, contact(7), ordered)));
        log.flush().await.unwrap();
        assert_eq!(log.contact(contact(7)).await.unwrap(), None);
    });
}

/// A call whose gateway was taken for lost while it waited, and that it claimed back: numbers 1 to 10 after `base`.
fn claimed_back(base: u64, id: ContactId) -> Vec<Event> {
    let queue = QueueId::new("helpdesk");
    let record = QueuedContact::new(
        id,
        queue.clone(),
        Channel::Voice,
        at(1),
        NodeId::new("node-a"),
    );
    let of_call = call();
    let token = OfferToken::new(3);
    let result = ContactResult::Failed;
    let kinds = [
        (0, of_call[0].kind.clone()),
        (1, of_call[3].kind.clone()),
        (31, EventKind::Abandoned { wait_ms: 30_000 }),
        (
            31,
            EventKind::Failed {
                cause: GATEWAY_LOST.to_owned(),
            },
        ),
        (31, EventKind::Closed { result }),
        (
            50,
            EventKind::Restored {
                record: Box::new(record),
                place: RestoredPlace::Waiting { offer_over: None },
            },
        ),
        (52, of_call[4].kind.clone()),
        (
            55,
            EventKind::Answered {
                token,
                wait_ms: 54_000,
            },
        ),
        (115, of_call[6].kind.clone()),
        (
            115,
            EventKind::Closed {
                result: ContactResult::Answered,
            },
        ),
    ];
    let mut events = Vec::new();
    for (number, (second, kind)) in (1_u64..).zip(kinds) {
        let mut event = event(base + number, second, id, kind);
        // A gateway tells the end of its call without the line.
        event.queue = (2..10).contains(&number).then(|| queue.clone());
        event.agent = (7..10).contains(&number).then(|| AgentId::new("meiling"));
        events.push(event);
    }
    events
}

#[test]
fn a_contact_that_its_gateway_claimed_back_is_told_by_what_became_of_it() {
    let whole = [&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10][..]];
    let one_by_one = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(|number| [number]);
    let backwards = [10, 9, 8, 7, 6, 5, 4, 3, 2, 1].map(|number| [number]);
    let one_by_one = one_by_one.each_ref().map(|batch| &batch[..]);
    let backwards = backwards.each_ref().map(|batch| &batch[..]);
    let lost_last = [&[1, 2, 6, 7, 8, 9, 10][..], &[3, 4, 5]];
    let lost_in_pieces = [&[1, 2, 6][..], &[3], &[7, 8], &[4], &[9, 10], &[5]];
    let claim_last = [&[1, 2, 3, 4, 5, 7, 8, 9, 10][..], &[6]];
    let repeated = [
        &[1, 2, 3, 4, 5][..],
        &[6],
        &[3],
        &[5],
        &[7, 8],
        &[3, 4, 5],
        &[9, 10],
        &[3],
    ];
    let orders: [&[&[u64]]; 7] = [
        &whole,
        &one_by_one,
        &backwards,
        &lost_last,
        &lost_in_pieces,
        &claim_last,
        &repeated,
    ];
    on_both_engines(async |database| {
        let log = EventLog::new(database);
        for (place, batches) in (1_u64..).zip(orders) {
            let id = contact(u128::from(place));
            let events = claimed_back(place * 100, id);
            for batch in batches {
                for number in *batch {
                    let event = events[usize::try_from(*number).unwrap() - 1].clone();
                    assert!(log.append(event));
                }
                log.flush().await.unwrap();
            }
            let record = log.contact(id).await.unwrap().unwrap();
            let told = (record.state, record.result, record.reason, record.ended_by);
            let answered = Some(ContactResult::Answered);
            let ended = Some(ContactState::Ended);
            assert_eq!(
                told,
                (ended, answered, None, Some(EndedBy::Caller)),
                "{batches:?}"
            );
            let times = (record.answered_at, record.ended_at, record.wait_ms);
            let wanted = (Some(at(55)), Some(at(115)), Some(54_000));
            assert_eq!(times, wanted, "{batches:?}");
            assert_eq!(record.talk_ms, Some(60_000), "{batches:?}");
            assert_eq!(record.agent, Some(AgentId::new("meiling")), "{batches:?}");
        }
    });
}

#[test]
fn the_last_word_on_an_agent_is_the_latest_whichever_gateway_stored_its_own_first() {
    on_both_engines(|database| async move {
        let log = EventLog::new(database);
        let said = |origin: &str, second: i64, status: Status| {
            let kind = EventKind::AgentStatus { status };
            let agent = AgentId::new("meiling");
            let id = EventId {
                origin: NodeId::new(origin),
                number: 1,
            };
            EventDraft::of_agent(at(second), agent, kind).numbered(id)
        };
        let later = said("node-a", 20, Status::LoggedOff);
        let earlier = said("node-b", 10, Status::Available);
        for event in [&later, &earlier] {
            assert!(log.append(event.clone()));
            log.flush().await.unwrap();
        }
        assert_eq!(log.settings_before(at(30)).await.unwrap(), [later]);
        assert_eq!(log.settings_before(at(15)).await.unwrap(), [earlier]);
    });
}
