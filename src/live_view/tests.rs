use super::*;
use ringdown_routing::agent::{Agent, AgentProfile, Doing, Hold, Status};
use ringdown_routing::contact::{Channel, Place, PlacedContact, QueuedContact};
use ringdown_routing::ids::{AgentId, ContactId, NodeId, OfferToken, QueueId};
use ringdown_routing::queue::QueueRules;
use ringdown_routing::time::Timestamp;
use ringdown_routing::view::{Snapshot, View};
use std::time::Duration;
use unicode_width::UnicodeWidthStr;

fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(second)
}

fn contact(number: u128, second: i64, place: Place) -> PlacedContact {
    PlacedContact {
        record: QueuedContact::new(
            ContactId::from_u128(number),
            QueueId::from("helpdesk"),
            Channel::Voice,
            at(second),
            NodeId::from("n"),
        ),
        place,
    }
}

fn agent(name: &str, talks_to: Option<ContactId>, status: Status) -> Agent {
    let queues = [QueueId::from("helpdesk")];
    let profile = AgentProfile::new(AgentId::from(name), name).serving(queues);
    let hold = |contact| {
        let doing = Doing::Talking {
            token: OfferToken::new(1),
        };
        let channel = Channel::Voice;
        (contact, Hold { channel, doing })
    };
    Agent {
        status,
        holds: talks_to.into_iter().map(hold).collect(),
        is_reachable: true,
        ..Agent::new(profile, at(90))
    }
}

fn desk() -> View {
    let token = OfferToken::new(1);
    let talks = ContactId::from_u128(1);
    View::from_snapshot(Snapshot {
        queues: vec![QueueRules::with_defaults(QueueId::from("helpdesk"))],
        agents: vec![
            agent("王小明", Some(talks), Status::Available),
            agent("陳大文", None, Status::Available),
            agent("lin", None, Status::NotReady("午餐".to_owned())),
        ],
        contacts: vec![
            contact(
                1,
                10,
                Place::Active {
                    agent: AgentId::from("王小明"),
                    token,
                    answered_at: at(20),
                },
            ),
            contact(2, 30, Place::Waiting),
            contact(3, 60, Place::Waiting),
        ],
        ..Snapshot::default()
    })
}

fn frame() -> Frame {
    let mut frame = Frame::look(&desk(), at(100), &|_| "資訊服務台".to_owned());
    frame.title = "示範服務台  dial 100".to_owned();
    frame.counters = vec![
        ("sip calls".to_owned(), "3".to_owned()),
        ("rtp packets".to_owned(), "1200".to_owned()),
    ];
    frame.events = (0..50).map(|number| format!("event {number}")).collect();
    frame
}

#[test]
fn the_frame_tells_who_waits_and_who_can_help() {
    let frame = frame();
    let queue = &frame.queues[0];
    assert_eq!((queue.waiting, queue.talking, queue.free), (2, 1, 1));
    assert_eq!(queue.longest_wait, Some(Duration::from_secs(70)));
    let doing: Vec<&str> = frame
        .agents
        .iter()
        .map(|agent| agent.doing.as_str())
        .collect();
    assert_eq!(doing, ["not ready: 午餐", "talking", "idle"]);
    assert_eq!(frame.agents[1].since, Some(Duration::from_secs(80)));
}

#[test]
fn every_line_is_exactly_as_wide_as_the_terminal() {
    for (width, height) in [(100, 30), (80, 24), (40, 10), (20, 5), (100, 1), (1, 1)] {
        let lines = frame().lines(width, height);
        assert!(lines.len() <= height, "{width}x{height}");
        for line in &lines {
            assert_eq!(line.width(), width, "{width}x{height}: {line:?}");
        }
    }
}

#[test]
fn the_newest_events_fill_the_rest() {
    let lines = frame().lines(100, 30);
    assert!(lines.last().unwrap().starts_with("event 49"), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("資訊服務台")));
    assert!(
        lines
            .iter()
            .any(|line| line.contains("sip calls 3   rtp packets 1200"))
    );
}

#[test]
fn columns_stay_straight_beside_wide_names() {
    let lines = frame().lines(110, 30);
    let head = lines
        .iter()
        .find(|line| line.starts_with("QUEUES"))
        .unwrap();
    let row = lines
        .iter()
        .find(|line| line.starts_with("資訊服務台"))
        .unwrap();
    let end = |line: &str, needle: &str| {
        line.find(needle)
            .map(|at| line[..at + needle.len()].width())
    };
    assert_eq!(end(head, "longest"), end(row, "1:10"));
}
