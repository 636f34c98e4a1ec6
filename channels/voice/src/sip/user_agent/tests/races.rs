//! Messages that cross, forks, and the two ends doing the same at once.

use super::pair::{End, Pair, answer, answers, is};
use crate::sip::flow::Transport;
use crate::sip::message::Method;
use crate::sip::user_agent::{Cause, Event, Progress, Reliability};
use bytes::Bytes;
use std::time::Duration;

const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

#[test]
fn a_cancelled_call_gets_487_on_both_sides() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut pair = Pair::with(transport, 1, |_| {});
        let (alice, bob) = pair.call();
        pair.tell(End::Bob, |agent, now| {
            agent.ring(now, bob, Progress::Ringing, None, Reliability::Plain)
        })
        .unwrap();
        pair.run_for(Duration::from_millis(50));
        pair.tell(End::Alice, |agent, now| {
            agent.cancel(
                now,
                alice,
                Some("SIP;cause=200;text=\"Call completed elsewhere\""),
            )
        })
        .unwrap();
        pair.expect_quiet();
        assert!(pair.heard(End::Bob, |event| matches!(event, Event::Cancelled { id, reason: Some(reason) } if *id == bob && reason.contains("elsewhere"))));
        assert!(pair.heard(
            End::Alice,
            |event| matches!(event, Event::Refused { id, status: 487, .. } if *id == alice)
        ));
    }
}

#[test]
fn a_cancel_waits_for_the_first_provisional_response() {
    let mut pair = Pair::new();
    let invite = pair.invite_of(End::Alice);
    let alice = pair
        .tell(End::Alice, |agent, now| agent.invite(now, invite))
        .unwrap();
    pair.tell(End::Alice, |agent, now| agent.cancel(now, alice, None))
        .unwrap();
    assert_eq!(pair.sent(End::Alice, "CANCEL"), 0);
    pair.expect_quiet();
    // Bob's 100 comes after 200 ms.
    assert_eq!(pair.sent(End::Alice, "CANCEL"), 1);
    assert!(pair.heard(End::Alice, |event| matches!(
        event,
        Event::Refused { status: 487, .. }
    )));
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_hung_up() {
    let mut pair = Pair::new();
    let (alice, bob) = pair.call();
    pair.tell(End::Bob, |agent, now| {
        agent.ring(now, bob, Progress::Ringing, None, Reliability::Plain)
    })
    .unwrap();
    pair.run_for(Duration::from_millis(50));
    pair.tell(End::Alice, |agent, now| {
        agent.cancel(now, alice, Some(ELSEWHERE))
    })
    .unwrap();
    pair.tell(End::Bob, |agent, now| agent.answer(now, bob, answer()))
        .unwrap();
    pair.expect_quiet();
    assert!(pair.heard(End::Alice, |event| matches!(
        event,
        Event::Ended {
            cause: Cause::Cancelled,
            ..
        }
    )));
    assert!(!pair.heard(End::Alice, |event| matches!(
        event,
        Event::Answered { .. } | Event::Refused { .. }
    )));
    assert!(pair.heard(End::Bob, |event| matches!(
        event,
        Event::Ended {
            cause: Cause::ByeReceived,
            status: 200,
            ..
        }
    )));
    assert_eq!(
        (pair.sent(End::Alice, "ACK"), pair.sent(End::Alice, "BYE")),
        (1, 1)
    );
}

#[test]
fn a_call_that_is_cancelled_before_anything_is_heard_and_answered_at_once_is_hung_up() {
    let mut pair = Pair::new();
    let (alice, bob) = pair.call();
    pair.tell(End::Alice, |agent, now| agent.cancel(now, alice, None))
        .unwrap();
    pair.tell(End::Bob, |agent, now| agent.answer(now, bob, answer()))
        .unwrap();
    pair.expect_quiet();
    assert_eq!(
        (
            pair.sent(End::Alice, "CANCEL"),
            pair.sent(End::Alice, "BYE")
        ),
        (0, 1)
    );
    assert!(pair.heard(End::Alice, |event| matches!(
        event,
        Event::Ended {
            cause: Cause::Cancelled,
            ..
        }
    )));
}

#[test]
fn a_refusal_that_crosses_the_cancel_stands() {
    let mut pair = Pair::new();
    let (alice, bob) = pair.call();
    pair.tell(End::Bob, |agent, now| {
        agent.ring(now, bob, Progress::Ringing, None, Reliability::Plain)
    })
    .unwrap();
    pair.run_for(Duration::from_millis(50));
    pair.tell(End::Alice, |agent, now| agent.cancel(now, alice, None))
        .unwrap();
    pair.tell(End::Bob, |agent, now| {
        agent.reject(now, bob, 486, None, &[])
    })
    .unwrap();
    pair.expect_quiet();
    assert!(pair.heard(End::Alice, |event| matches!(
        event,
        Event::Refused { status: 486, .. }
    )));
    assert_eq!(pair.sent(End::Bob, "SIP/2.0 200"), 1);
}

#[test]
fn both_hang_up_at_once_and_each_is_told_once() {
    let mut pair = Pair::new();
    let (alice, bob) = pair.answered_call();
    pair.tell(End::Alice, |agent, now| agent.hang_up(now, alice, &[]))
        .unwrap();
    pair.tell(End::Bob, |agent, now| agent.hang_up(now, bob, &[]))
        .unwrap();
    pair.expect_quiet();
    for end in [End::Alice, End::Bob] {
        assert_eq!(
            pair.count_of(end, |event| matches!(
                event,
                Event::Ended {
                    cause: Cause::HungUp,
                    ..
                }
            )),
            1
        );
    }
}

#[test]
fn a_callee_that_hangs_up_at_once_sends_bye_after_the_ack() {
    let mut pair = Pair::new();
    pair.delay(End::Alice, Duration::from_millis(200), is(Method::Ack));
    let (_, bob) = pair.call();
    pair.tell(End::Bob, |agent, now| agent.answer(now, bob, answer()))
        .unwrap();
    pair.tell(End::Bob, |agent, now| agent.hang_up(now, bob, &[]))
        .unwrap();
    assert_eq!(pair.sent(End::Bob, "BYE"), 0);
    pair.expect_quiet();
    let place = |line: &str| {
        pair.ladder
            .iter()
            .position(|entry| entry.contains(line))
            .unwrap()
    };
    assert!(place("Alice ACK") < place("Bob BYE"));
    assert!(!pair.heard(End::Bob, |event| matches!(event, Event::Confirmed { .. })));
}

#[test]
fn a_bye_that_overtakes_the_ack_ends_the_call() {
    let mut pair = Pair::new();
    pair.delay(End::Alice, Duration::from_secs(1), is(Method::Ack));
    let (alice, bob) = pair.call();
    pair.tell(End::Bob, |agent, now| agent.answer(now, bob, answer()))
        .unwrap();
    pair.run_for(Duration::from_millis(20));
    pair.tell(End::Alice, |agent, now| agent.hang_up(now, alice, &[]))
        .unwrap();
    pair.expect_quiet();
    assert!(pair.heard(End::Bob, |event| matches!(
        event,
        Event::Ended {
            cause: Cause::ByeReceived,
            ..
        }
    )));
}

#[test]
fn offers_that_collide_are_refused_491_and_one_side_tries_again() {
    let mut pair = Pair::new();
    let (alice, bob) = pair.answered_call();
    pair.tell(End::Alice, |agent, now| {
        agent.offer(now, alice, Bytes::from_static(b"v=0 of alice"))
    })
    .unwrap();
    pair.tell(End::Bob, |agent, now| {
        agent.offer(now, bob, Bytes::from_static(b"v=0 of bob"))
    })
    .unwrap();
    pair.run_for(Duration::from_millis(100));
    assert_eq!(
        (
            pair.sent(End::Alice, "SIP/2.0 491"),
            pair.sent(End::Bob, "SIP/2.0 491")
        ),
        (1, 1)
    );
    // RFC 3261 §14.1: Bob, who does not own the Call-ID, comes first, within 2 s.
    pair.run_for(Duration::from_millis(2_050));
    assert!(pair.heard(
        End::Alice,
        |event| matches!(event, Event::OfferReceived { sdp: Some(sdp), .. } if sdp == "v=0 of bob")
    ));
    assert!(pair.heard(End::Alice, |event| matches!(
        event,
        Event::OfferRefused { status: 491, .. }
    )));
    pair.tell(End::Alice, |agent, now| {
        agent.answer_offer(now, alice, answer())
    })
    .unwrap();
    pair.run_for(Duration::from_secs(1));
    assert!(pair.heard(End::Bob, |event| matches!(
        event,
        Event::OfferAnswered { sdp: Some(_), .. }
    )));
    // The way is free again.
    pair.tell(End::Alice, |agent, now| {
        agent.update(now, alice, Bytes::from_static(b"v=0 of alice"))
    })
    .unwrap();
    pair.run_for(Duration::from_millis(30));
    pair.tell(End::Bob, |agent, now| {
        agent.answer_offer(now, bob, answer())
    })
    .unwrap();
    pair.run_for(Duration::from_millis(30));
    assert!(pair.heard(End::Alice, |event| matches!(
        event,
        Event::OfferAnswered { .. }
    )));
    pair.tell(End::Alice, |agent, now| agent.hang_up(now, alice, &[]))
        .unwrap();
    pair.expect_quiet();
}

#[test]
fn an_offer_is_refused_and_the_call_goes_on() {
    let mut pair = Pair::new();
    let (alice, bob) = pair.answered_call();
    pair.tell(End::Alice, |agent, now| agent.offer(now, alice, answer()))
        .unwrap();
    pair.run_for(Duration::from_millis(30));
    pair.tell(End::Bob, |agent, now| agent.refuse_offer(now, bob, 488))
        .unwrap();
    pair.run_for(Duration::from_secs(1));
    assert!(pair.heard(End::Alice, |event| matches!(
        event,
        Event::OfferRefused { status: 488, .. }
    )));
    assert_eq!(pair.agent(End::Alice).dialogs(), 1);
    pair.tell(End::Bob, |agent, now| agent.hang_up(now, bob, &[]))
        .unwrap();
    pair.expect_quiet();
}

#[test]
fn a_bye_while_an_offer_is_open_answers_the_offer_487() {
    let mut pair = Pair::new();
    let (alice, bob) = pair.answered_call();
    pair.tell(End::Alice, |agent, now| agent.offer(now, alice, answer()))
        .unwrap();
    pair.run_for(Duration::from_millis(30));
    pair.tell(End::Alice, |agent, now| agent.hang_up(now, alice, &[]))
        .unwrap();
    pair.expect_quiet();
    assert_eq!(pair.sent(End::Bob, "SIP/2.0 487"), 1);
    assert!(pair.heard(
        End::Bob,
        |event| matches!(event, Event::Ended { id, .. } if *id == bob)
    ));
}

#[test]
fn a_reinvite_without_answer_ends_the_call() {
    let mut pair = Pair::new();
    let (alice, _) = pair.answered_call();
    pair.lose(End::Alice, 1_000, is(Method::Invite));
    pair.tell(End::Alice, |agent, now| agent.offer(now, alice, answer()))
        .unwrap();
    pair.expect_quiet();
    assert!(pair.heard(End::Alice, |event| matches!(
        event,
        Event::Ended {
            cause: Cause::PeerLost,
            ..
        }
    )));
    assert!(pair.heard(End::Bob, |event| matches!(
        event,
        Event::Ended {
            cause: Cause::ByeReceived,
            status: 408,
            ..
        }
    )));
}

#[test]
fn a_lost_bye_response_ends_both_sides_all_the_same() {
    let mut pair = Pair::new();
    pair.lose(End::Bob, 1_000, answers(Method::Bye, 200));
    let (alice, _) = pair.answered_call();
    pair.tell(End::Alice, |agent, now| agent.hang_up(now, alice, &[]))
        .unwrap();
    pair.expect_quiet();
    assert!(pair.heard(End::Alice, |event| matches!(
        event,
        Event::Ended {
            cause: Cause::HungUp,
            status: 408,
            ..
        }
    )));
    assert_eq!(
        pair.count_of(End::Bob, |event| matches!(event, Event::Ended { .. })),
        1
    );
}

#[test]
fn the_answer_of_a_second_fork_is_acknowledged_and_hung_up() {
    let mut pair = Pair::new();
    let (alice, bob) = pair.call();
    pair.tell(End::Bob, |agent, now| agent.answer(now, bob, answer()))
        .unwrap();
    pair.run_for(Duration::from_millis(15));
    let invite = pair.events[End::Bob as usize].iter().find_map(|event| {
        if let Event::Incoming { invite, .. } = event {
            Some(invite.clone())
        } else {
            None
        }
    });
    let mut fork =
        crate::sip::message::Builder::response(&invite.unwrap(), 200, "OK", Some("other-fork"));
    fork.header("Contact", "<sip:other@192.0.2.2>");
    let fork = fork.finish_with("application/sdp", b"v=0 other");
    pair.inject(End::Alice, fork.clone());
    pair.inject(End::Alice, fork);
    assert_eq!(
        (
            pair.sent(End::Alice, "ACK sip:other@"),
            pair.sent(End::Alice, "BYE sip:other@")
        ),
        (2, 1)
    );
    pair.tell(End::Alice, |agent, now| agent.hang_up(now, alice, &[]))
        .unwrap();
    pair.expect_quiet();
    assert_eq!(
        pair.count_of(End::Alice, |event| matches!(event, Event::Answered { .. })),
        1
    );
}

#[test]
fn a_repeated_invite_makes_one_call() {
    let mut pair = Pair::new();
    pair.lose(End::Bob, 1, answers(Method::Invite, 180));
    pair.lose(End::Bob, 1, answers(Method::Invite, 100));
    let (alice, bob) = pair.call();
    pair.tell(End::Bob, |agent, now| {
        agent.ring(now, bob, Progress::Ringing, None, Reliability::Plain)
    })
    .unwrap();
    pair.run_for(Duration::from_secs(2));
    assert_eq!(
        pair.count_of(End::Bob, |event| matches!(event, Event::Incoming { .. })),
        1
    );
    assert!(pair.heard(End::Alice, |event| matches!(
        event,
        Event::Progress { status: 180, .. }
    )));
    pair.tell(End::Alice, |agent, now| agent.hang_up(now, alice, &[]))
        .unwrap();
    pair.expect_quiet();
}
