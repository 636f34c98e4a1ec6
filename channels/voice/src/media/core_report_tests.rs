//! Stories of reports (RTCP), on virtual time and without sockets.

use super::*;
use crate::media::rtcp::{Block, SenderFacts};

#[test]
fn a_port_reports_of_itself_while_nobody_is_bridged() {
    let mut desk = Desk::new();
    desk.open(1, &[Codec::Pcmu]);
    desk.play(1, 160, Repeat::Forever);
    desk.receive(1, packet(7, 0, 5, 0, &[0; 160]));
    let sent = desk.pass(20_000);
    let reports: Vec<&Sent> = sent
        .iter()
        .filter(|sent| sent.socket == Socket::Rtcp)
        .collect();
    assert!((3..=6).contains(&reports.len()), "{}", reports.len());
    let report = rtcp::parse(&reports[0].bytes).unwrap();
    assert_eq!(reports[0].to, remote(1, &[Codec::Pcmu]).rtcp);
    let sender = report.sender.unwrap();
    assert!(sender.ntp > NTP && sender.packets > 90 && sender.bytes == sender.packets * 160);
    assert_eq!(report.blocks[0].unwrap().ssrc, 5);
    let (_, sent) = desk.close(1);
    assert!(rtcp::parse(&sent[0].bytes).unwrap().has_bye);
}

#[test]
fn the_peers_report_tells_the_round_trip() {
    let mut desk = Desk::new();
    desk.open(1, &[Codec::Pcmu]);
    desk.play(1, 160, Repeat::Forever);
    let sent = desk.pass(5_000);
    let ours = sent
        .iter()
        .find(|sent| sent.socket == Socket::Rtcp)
        .unwrap();
    let ours = rtcp::parse(&ours.bytes).unwrap();
    let said_at = desk.now;
    desk.now = said_at + Duration::from_millis(30);
    let block = Block {
        ssrc: ours.ssrc,
        lost: 4,
        last_report: ours.sender.unwrap().ntp_middle(),
        delay: 0,
        ..Block::default()
    };
    let answer = Compound {
        ssrc: 5,
        blocks: [Some(block), None],
        ..Compound::default()
    };
    assert!(
        desk.receive_rtcp(1, &answer).is_none(),
        "nobody to pass it on to"
    );
    let (report, _) = desk.close(1);
    assert!(report.round_trip.unwrap() >= Duration::from_millis(30));
    assert_eq!(report.packets_lost_by_peer, Some(4));
}

#[test]
fn reports_pass_a_bridge_in_the_other_legs_numbers() {
    let mut desk = Desk::bridged();
    let to_2 = desk
        .receive(1, packet(10, 1_000, 5, 0, &[0; 160]))
        .unwrap()
        .header();
    let to_1 = desk
        .receive(2, packet(900, 5_000, 6, 0, &[0; 160]))
        .unwrap()
        .header();
    let report = Compound {
        ssrc: 5,
        sender: Some(SenderFacts {
            ntp: 0x0102_0304_0506_0708,
            rtp_timestamp: 1_160,
            packets: 1,
            bytes: 160,
        }),
        blocks: [
            Some(Block {
                ssrc: to_1.ssrc,
                lost: 3,
                highest_sequence: u32::from(to_1.sequence),
                last_report: 0x1234,
                ..Block::default()
            }),
            None,
        ],
        has_bye: false,
    };
    let (sent, passed) = desk.receive_rtcp(1, &report).unwrap();
    assert_eq!((sent.index, sent.socket), (2, Socket::Rtcp));
    assert_eq!(passed.ssrc, to_2.ssrc);
    let sender = passed.sender.unwrap();
    assert_eq!(sender.ntp, 0x0102_0304_0506_0708);
    assert_eq!(sender.rtp_timestamp, to_2.timestamp.wrapping_add(160));
    let block = passed.blocks[0].unwrap();
    assert_eq!(
        (block.ssrc, block.lost, block.highest_sequence),
        (6, 3, 900)
    );
    assert_eq!(block.last_report, 0, "leg 1 never saw a report of leg 2");
}

#[test]
fn reports_of_strangers_are_left_aside() {
    let mut desk = Desk::bridged();
    let mut bytes = [0; COMPOUND_BYTES_MAX];
    let length = rtcp::write(&Compound::default(), CanonicalName(5), &mut bytes);
    let thief: SocketAddr = "198.51.100.66:9".parse().unwrap();
    let mut into = [0; COMPOUND_BYTES_MAX];
    let answer = desk
        .ports
        .handle_rtcp(desk.now, 1, thief, &bytes[..length], &mut into);
    assert_eq!(answer, None);
}

#[test]
fn a_report_on_the_wrong_port_is_no_audio() {
    let mut desk = Desk::bridged();
    let mut bytes = [0; COMPOUND_BYTES_MAX];
    let length = rtcp::write(&Compound::default(), CanonicalName(5), &mut bytes);
    assert!(desk.receive(1, bytes[..length].to_vec()).is_none());
    assert_eq!(desk.events, []);
    assert_eq!(desk.close(1).0.packets_received, 0);
}

#[test]
fn reports_share_the_port_when_that_was_agreed() {
    let mut desk = Desk::bridged();
    for index in 1..3 {
        let remote = RemoteMedia {
            has_rtcp_mux: true,
            rtcp: peer(index),
            ..remote(index, &[Codec::Pcmu])
        };
        desk.command(index, PortCommand::SetRemote(Some(remote)));
    }
    desk.receive(1, packet(10, 1_000, 5, 0, &[0; 160]));
    let report = Compound {
        ssrc: 5,
        sender: Some(SenderFacts {
            ntp: 1,
            rtp_timestamp: 1_160,
            packets: 1,
            bytes: 160,
        }),
        ..Compound::default()
    };
    let mut bytes = [0; COMPOUND_BYTES_MAX];
    let length = rtcp::write(&report, CanonicalName(5), &mut bytes);
    let sent = desk.receive(1, bytes[..length].to_vec()).unwrap();
    assert_eq!(
        (sent.index, sent.socket, sent.to),
        (2, Socket::Rtp, peer(2))
    );
    assert!(rtcp::parse(&sent.bytes).unwrap().sender.is_some());
}

#[test]
fn a_flood_of_reports_is_not_passed_on() {
    let mut desk = Desk::bridged();
    desk.receive(1, packet(10, 1_000, 5, 0, &[0; 160]));
    let report = Compound {
        ssrc: 5,
        sender: Some(SenderFacts::default()),
        ..Compound::default()
    };
    let passed = (0..1_000).filter(|_| desk.receive_rtcp(1, &report).is_some());
    assert_eq!(passed.count(), 4);
}
