//! Calls that go as they should, and those that are refused or lost.

use super::pair::{End, Pair, answer, answers, is};
use crate::sip::flow::Transport;
use crate::sip::message::Method;
use crate::sip::message::shard_of_call_id;
use crate::sip::user_agent::{
    Cause, CommandFault, Event, Progress, Reliability, Shard, TransportFailure,
};
use bytes::Bytes;
use std::time::Duration;

#[test]
fn a_call_is_answered_and_hung_up_by_the_caller() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut pair = Pair::with(transport, 1, |_| {});
        let (alice, bob) = pair.answered_call();
        assert!(pair.heard(
            End::Alice,
            |event| matches!(event, Event::Answered { sdp: Some(sdp), .. } if *sdp == answer())
        ));
        pair.tell(End::Alice, |agent, now| {
            agent.hang_up(now, alice, &[("Reason".into(), "Q.850;cause=16".into())])
        })
        .unwrap();
        pair.expect_quiet();
        assert!(pair.heard(End::Alice, |event| matches!(event, Event::Ended { id, cause: Cause::HungUp, status: 200 } if *id == alice)));
        assert!(pair.heard(End::Bob, |event| matches!(event, Event::Ended { id, cause: Cause::ByeReceived, status: 16 } if *id == bob)));
        assert_eq!(
            (
                pair.sent(End::Alice, "INVITE"),
                pair.sent(End::Alice, "ACK"),
                pair.sent(End::Alice, "BYE")
            ),
            (1, 1, 1)
        );
        let gone = pair.tell(End::Alice, |agent, now| agent.hang_up(now, alice, &[]));
        assert_eq!(gone, Err(CommandFault::Gone));
    }
}

#[test]
fn the_callee_hangs_up() {
    let mut pair = Pair::new();
    let (alice, bob) = pair.answered_call();
    pair.tell(End::Bob, |agent, now| agent.hang_up(now, bob, &[]))
        .unwrap();
    pair.expect_quiet();
    assert!(pair.heard(
        End::Alice,
        |event| matches!(event, Event::Ended { id, cause: Cause::ByeReceived, .. } if *id == alice)
    ));
    assert!(pair.heard(End::Bob, |event| matches!(
        event,
        Event::Ended {
            cause: Cause::HungUp,
            ..
        }
    )));
}

#[test]
fn a_slow_callee_sends_trying_once_and_ringing_every_minute() {
    let mut pair = Pair::new();
    let (_, bob) = pair.call();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.sent(End::Bob, "SIP/2.0 100"), 1);
    pair.tell(End::Bob, |agent, now| {
        agent.ring(now, bob, Progress::Ringing, None, Reliability::Plain)
    })
    .unwrap();
    pair.run_for(Duration::from_secs(130));
    assert_eq!(pair.sent(End::Bob, "SIP/2.0 180"), 3);
    assert_eq!(pair.sent(End::Alice, "INVITE"), 1);
}

#[test]
fn a_refused_call_tells_status_reason_and_when_to_retry() {
    let mut pair = Pair::new();
    let (alice, bob) = pair.call();
    pair.tell(End::Bob, |agent, now| {
        agent.reject(
            now,
            bob,
            486,
            Some("All Lines Busy"),
            &[("Retry-After".into(), "30".into())],
        )
    })
    .unwrap();
    pair.expect_quiet();
    assert!(pair.heard(End::Alice, |event| matches!(
        event,
        Event::Refused { id, status: 486, reason, retry_after: Some(30), response: Some(_) } if *id == alice && reason == "All Lines Busy"
    )));
    assert_eq!(pair.sent(End::Alice, "ACK"), 1);
}

#[test]
fn a_call_into_the_void_ends_with_408_after_64_t1() {
    let mut pair = Pair::new();
    pair.lose(End::Alice, 100, |_| true);
    let invite = pair.invite_of(End::Alice);
    pair.tell(End::Alice, |agent, now| agent.invite(now, invite))
        .unwrap();
    let begun = pair.now;
    pair.expect_quiet();
    assert_eq!(pair.now - begun, Duration::from_secs(32));
    // Timer A: 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s.
    assert_eq!(pair.sent(End::Alice, "INVITE"), 7);
    assert!(pair.heard(End::Alice, |event| matches!(
        event,
        Event::Refused {
            status: 408,
            response: None,
            ..
        }
    )));
}

#[test]
fn a_phone_that_cannot_be_reached_is_refused_at_once() {
    let mut pair = Pair::with(Transport::Tcp, 1, |_| {});
    pair.lose(End::Alice, 100, |_| true);
    let invite = pair.invite_of(End::Alice);
    let flow = invite.flow;
    pair.tell(End::Alice, |agent, now| agent.invite(now, invite))
        .unwrap();
    pair.tell(End::Alice, |agent, now| {
        agent.handle_transport_failure(now, TransportFailure::Unreachable(flow))
    });
    assert!(pair.heard(End::Alice, |event| matches!(
        event,
        Event::Refused { status: 503, .. }
    )));
    pair.expect_quiet();
}

#[test]
fn a_lost_connection_is_told_and_the_call_goes_on() {
    let mut pair = Pair::with(Transport::Tcp, 1, |_| {});
    let (alice, _) = pair.answered_call();
    let lost = pair.flow_to(End::Bob).connection.unwrap();
    pair.tell(End::Alice, |agent, now| {
        agent.handle_transport_failure(now, TransportFailure::Connection(lost))
    });
    assert!(pair.heard(
        End::Alice,
        |event| matches!(event, Event::ConnectionLost { id } if *id == alice)
    ));
    pair.tell(End::Alice, |agent, now| agent.hang_up(now, alice, &[]))
        .unwrap();
    pair.expect_quiet();
}

#[test]
fn an_invite_without_an_offer_gets_one_and_answers_in_its_ack() {
    let mut pair = Pair::new();
    let mut invite = pair.invite_of(End::Alice);
    invite.sdp = None;
    let alice = pair
        .tell(End::Alice, |agent, now| agent.invite(now, invite))
        .unwrap();
    pair.run_for(Duration::from_millis(20));
    let bob = pair.incoming(End::Bob);
    pair.tell(End::Bob, |agent, now| {
        agent.answer(now, bob, Bytes::from_static(b"v=0 offer of bob"))
    })
    .unwrap();
    pair.run_for(Duration::from_millis(700));
    assert_eq!(pair.sent(End::Alice, "ACK"), 0);
    assert!(pair.heard(
        End::Alice,
        |event| matches!(event, Event::Answered { sdp: Some(sdp), .. } if sdp == "v=0 offer of bob")
    ));
    pair.tell(End::Alice, |agent, now| {
        agent.answer_offer(now, alice, answer())
    })
    .unwrap();
    pair.run_for(Duration::from_millis(100));
    assert!(pair.heard(
        End::Bob,
        |event| matches!(event, Event::Confirmed { sdp: Some(sdp), .. } if *sdp == answer())
    ));
    pair.tell(End::Bob, |agent, now| agent.hang_up(now, bob, &[]))
        .unwrap();
    pair.expect_quiet();
}

#[test]
fn a_lost_ack_is_sent_again_for_every_repeated_200() {
    let mut pair = Pair::new();
    pair.lose(End::Alice, 3, is(Method::Ack));
    let (_, bob) = pair.call();
    pair.tell(End::Bob, |agent, now| agent.answer(now, bob, answer()))
        .unwrap();
    pair.run_for(Duration::from_secs(8));
    assert!(pair.heard(End::Bob, |event| matches!(event, Event::Confirmed { .. })));
    assert_eq!(
        (
            pair.sent(End::Bob, "SIP/2.0 200"),
            pair.sent(End::Alice, "ACK")
        ),
        (4, 4)
    );
    assert_eq!(
        pair.count_of(End::Alice, |event| matches!(event, Event::Answered { .. })),
        1
    );
}

#[test]
fn a_200_that_is_never_acknowledged_ends_in_bye_after_64_t1() {
    let mut pair = Pair::new();
    pair.lose(End::Alice, 1_000, is(Method::Ack));
    let (_, bob) = pair.call();
    pair.tell(End::Bob, |agent, now| agent.answer(now, bob, answer()))
        .unwrap();
    pair.expect_quiet();
    assert!(pair.heard(End::Bob, |event| matches!(
        event,
        Event::Ended {
            cause: Cause::AckMissing,
            ..
        }
    )));
    assert!(pair.heard(End::Alice, |event| matches!(
        event,
        Event::Ended {
            cause: Cause::ByeReceived,
            ..
        }
    )));
    assert_eq!(pair.sent(End::Bob, "BYE"), 1);
}

#[test]
fn reliable_ringing_is_acknowledged_in_order_and_answered_after() {
    let mut pair = Pair::new();
    pair.lose(End::Bob, 1, answers(Method::Invite, 183));
    pair.lose(End::Alice, 1, is(Method::Prack));
    let (alice, bob) = pair.call();
    pair.tell(End::Bob, |agent, now| {
        agent.ring(
            now,
            bob,
            Progress::SessionProgress,
            Some(answer()),
            Reliability::Acknowledged,
        )?;
        agent.ring(now, bob, Progress::Ringing, None, Reliability::Acknowledged)?;
        agent.answer(now, bob, answer())
    })
    .unwrap();
    assert_eq!(pair.sent(End::Bob, "SIP/2.0 200"), 0);
    pair.run_for(Duration::from_secs(5));
    assert!(pair.heard(End::Alice, |event| matches!(
        event,
        Event::Progress {
            status: 183,
            sdp: Some(_),
            ..
        }
    )));
    assert!(
        pair.heard(End::Alice, |event| matches!(
            event,
            Event::Answered { sdp: None, .. }
        )),
        "{}",
        pair.ladder.join("\n")
    );
    assert_eq!(
        pair.count_of(End::Alice, |event| matches!(
            event,
            Event::Progress { status: 183, .. }
        )),
        1
    );
    pair.tell(End::Alice, |agent, now| agent.hang_up(now, alice, &[]))
        .unwrap();
    pair.expect_quiet();
}

#[test]
fn reliable_ringing_that_is_never_acknowledged_refuses_the_call() {
    let mut pair = Pair::new();
    pair.lose(End::Alice, 1_000, is(Method::Prack));
    let (_, bob) = pair.call();
    pair.tell(End::Bob, |agent, now| {
        agent.ring(now, bob, Progress::Ringing, None, Reliability::Acknowledged)
    })
    .unwrap();
    pair.expect_quiet();
    assert!(pair.heard(End::Bob, |event| matches!(
        event,
        Event::Ended {
            cause: Cause::PrackMissing,
            ..
        }
    )));
    assert!(pair.heard(End::Alice, |event| matches!(
        event,
        Event::Refused { status: 504, .. }
    )));
}

#[test]
fn digits_by_info_arrive_and_unknown_packages_are_refused() {
    let mut pair = Pair::new();
    let (alice, _) = pair.answered_call();
    pair.tell(End::Alice, |agent, now| {
        agent.send_info(
            now,
            alice,
            "application/dtmf-relay",
            b"Signal=5\r\nDuration=160\r\n",
            &[],
        )?;
        agent.send_info(
            now,
            alice,
            "application/x",
            b"?",
            &[("Info-Package".into(), "nope".into())],
        )?;
        agent.send_info(now, alice, "text/plain", b"?", &[])
    })
    .unwrap();
    pair.run_for(Duration::from_secs(1));
    assert!(pair.heard(
        End::Bob,
        |event| matches!(event, Event::InfoReceived { content_type, body, .. }
        if content_type == "application/dtmf-relay" && body.starts_with(b"Signal=5"))
    ));
    assert_eq!(
        (
            pair.sent(End::Bob, "SIP/2.0 469"),
            pair.sent(End::Bob, "SIP/2.0 415")
        ),
        (1, 1)
    );
}

#[test]
fn a_silent_phone_is_cancelled_after_the_longest_ringing() {
    let mut pair = Pair::new();
    let (_, bob) = pair.call();
    pair.tell(End::Bob, |agent, now| {
        agent.ring(now, bob, Progress::Ringing, None, Reliability::Plain)
    })
    .unwrap();
    pair.expect_quiet();
    assert!(pair.heard(End::Bob, |event| matches!(event, Event::Cancelled { .. })));
    assert!(pair.heard(End::Alice, |event| matches!(
        event,
        Event::Refused { status: 487, .. }
    )));
}

#[test]
fn minted_call_ids_belong_to_their_shard() {
    let mut pair = Pair::with(Transport::Udp, 1, |settings| {
        settings.shard = Shard { index: 2, count: 7 }
    });
    for _ in 0..20 {
        let invite = pair.invite_of(End::Alice);
        let id = pair
            .tell(End::Alice, |agent, now| agent.invite(now, invite))
            .unwrap();
        let call_id = pair.agent(End::Alice).call_id(id).unwrap().to_vec();
        assert_eq!(shard_of_call_id(&call_id, 7), 2);
    }
}
