use super::*;
use jiff::tz::TimeZone;
use ringdown_routing::event::EventKind;
use ringdown_routing::ids::{EventId, NodeId};
use std::fmt::Write;

const BEGUN: Timestamp = Timestamp::from_millis(1_000_000);

fn after(millis: i64) -> Timestamp {
    Timestamp::from_millis(BEGUN.as_millis() + millis)
}

fn contact() -> ContactId {
    ContactId::from_u128(7)
}

fn event(number: u64, millis: i64, kind: EventKind) -> Event {
    Event {
        id: EventId {
            origin: NodeId::from("n"),
            number,
        },
        at: after(millis),
        contact: Some(contact()),
        queue: None,
        agent: None,
        kind,
    }
}

use ringdown_routing::event::{ContactResult, Event};

/// A caller whose 200 is lost twice, who waits, is rung to a busy agent and then leaves.
fn a_bad_night() -> (Vec<Event>, SipTrace) {
    let mut ladder = Ladder::new(BEGUN, 64);
    ladder.call_id(Leg::Caller, "a84b4c76e66710@192.0.2.9");
    ladder.request(after(0), Leg::Caller, Direction::In, "INVITE", 1, Body::Sdp);
    ladder.response(
        after(2),
        Leg::Caller,
        Direction::Out,
        100,
        "INVITE",
        1,
        Body::Without,
    );
    ladder.response(
        after(3),
        Leg::Caller,
        Direction::Out,
        200,
        "INVITE",
        1,
        Body::Sdp,
    );
    ladder.response(
        after(503),
        Leg::Caller,
        Direction::Out,
        200,
        "INVITE",
        1,
        Body::Sdp,
    );
    ladder.request(
        after(520),
        Leg::Caller,
        Direction::In,
        "ACK",
        1,
        Body::Without,
    );
    ladder.request(
        after(4_000),
        Leg::Agent(1),
        Direction::Out,
        "INVITE",
        1,
        Body::Sdp,
    );
    ladder.response(
        after(4_050),
        Leg::Agent(1),
        Direction::In,
        486,
        "INVITE",
        1,
        Body::Without,
    );
    ladder.request(
        after(4_051),
        Leg::Agent(1),
        Direction::Out,
        "ACK",
        1,
        Body::Without,
    );
    ladder.note(after(9_000), Leg::Caller, "no RTP for 5 s\x1b[2J");
    ladder.request(
        after(9_500),
        Leg::Caller,
        Direction::In,
        "BYE",
        2,
        Body::Without,
    );
    ladder.response(
        after(9_501),
        Leg::Caller,
        Direction::Out,
        200,
        "BYE",
        2,
        Body::Without,
    );
    let events = vec![
        event(1, 1, EventKind::KeyedIn { digits: "1".into() }),
        event(
            2,
            9_502,
            EventKind::Closed {
                result: ContactResult::Abandoned,
            },
        ),
    ];
    (events, ladder.into_trace(contact()))
}

#[test]
fn the_drawing_shows_messages_retransmissions_pauses_and_events() {
    let (events, trace) = a_bad_night();
    let text = draw(&Drawing {
        events: &events,
        trace: Some(&trace),
        zone: &TimeZone::UTC,
    });
    let fixture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/traces/a_bad_night.txt"
    );
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(fixture, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(fixture).unwrap(), "\n{text}");
}

#[test]
fn a_contact_without_messages_is_told_by_its_events() {
    let (events, _) = a_bad_night();
    let text = draw(&Drawing {
        events: &events,
        trace: None,
        zone: &TimeZone::UTC,
    });
    assert!(text.contains("* closed result=abandoned"), "{text}");
    assert!(text.contains("No SIP messages were kept"), "{text}");
}

#[test]
fn a_ladder_keeps_its_beginning_and_its_end_within_the_bound() {
    let mut ladder = Ladder::new(BEGUN, 30);
    for cseq in 0..100 {
        ladder.request(
            after(i64::from(cseq)),
            Leg::Caller,
            Direction::In,
            "OPTIONS",
            cseq,
            Body::Without,
        );
    }
    let trace = ladder.into_trace(contact());
    let cseqs: Vec<u32> = trace
        .entries
        .iter()
        .filter_map(|entry| match entry.message {
            Message::Request { cseq, .. } => Some(cseq),
            Message::Response { .. } | Message::Note { .. } => None,
        })
        .collect();
    assert_eq!(cseqs, (0..24).chain(94..100).collect::<Vec<_>>());
    assert_eq!(trace.left_out, 70);
}

#[test]
fn a_bound_of_none_keeps_nothing() {
    let mut ladder = Ladder::new(BEGUN, 0);
    ladder.note(after(0), Leg::Caller, "x");
    let trace = ladder.into_trace(contact());
    assert_eq!((trace.entries.len(), trace.left_out), (0, 1));
}

#[test]
fn texts_from_the_network_are_bounded() {
    let mut ladder = Ladder::new(BEGUN, 4);
    let mut long = String::new();
    for _ in 0..500 {
        let _ = write!(long, "台");
    }
    ladder.request(
        after(0),
        Leg::Caller,
        Direction::In,
        &long,
        1,
        Body::Without,
    );
    ladder.call_id(Leg::Caller, &long);
    let trace = ladder.into_trace(contact());
    assert_eq!(trace.call_ids[0].1.len(), 96);
    let json = serde_json::to_string(&trace).unwrap();
    assert!(json.len() < 700, "{}", json.len());
}

#[test]
fn a_trace_survives_storing() {
    let (_, trace) = a_bad_night();
    let json = serde_json::to_string(&trace).unwrap();
    assert_eq!(serde_json::from_str::<SipTrace>(&json).unwrap(), trace);
}

#[test]
fn a_waiting_call_costs_less_than_a_kilobyte_and_a_half() {
    assert!(
        size_of::<Ladder>() + 8 * size_of::<Entry>() + 64 <= 1_536,
        "{} {}",
        size_of::<Ladder>(),
        size_of::<Entry>()
    );
}
