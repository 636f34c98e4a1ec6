//! Session timers and routes.

use super::pair::{End, Pair, answer, is};
use crate::sip::flow::Transport;
use crate::sip::message::Method;
use crate::sip::user_agent::{Cause, Event, SessionTimers};
use bytes::Bytes;
use std::time::Duration;

fn timed(interval: u64, interval_min: u64) -> SessionTimers {
    SessionTimers::On {
        interval: Duration::from_secs(interval),
        interval_min: Duration::from_secs(interval_min),
    }
}

#[test]
fn a_session_is_refreshed_at_half_of_its_interval_for_ever() {
    let mut pair = Pair::with(Transport::Udp, 1, |settings| {
        settings.session_timers = timed(200, 90)
    });
    let (alice, _) = pair.answered_call();
    pair.run_for(Duration::from_secs(1_000));
    // The caller refreshes, as the callee wishes.
    assert!(
        (9..=10).contains(&pair.sent(End::Alice, "UPDATE")),
        "{}",
        pair.ladder.join("\n")
    );
    assert_eq!(pair.sent(End::Bob, "UPDATE"), 0);
    pair.tell(End::Alice, |agent, now| agent.hang_up(now, alice, &[]))
        .unwrap();
    pair.expect_quiet();
}

#[test]
fn a_call_whose_other_side_vanished_ends_on_both_sides() {
    let mut pair = Pair::with(Transport::Udp, 1, |settings| {
        settings.session_timers = timed(200, 90)
    });
    pair.answered_call();
    pair.lose(End::Alice, 10_000, |_| true);
    pair.lose(End::Bob, 10_000, |_| true);
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
            cause: Cause::SessionExpired,
            ..
        }
    )));
}

#[test]
fn an_interval_that_is_too_short_is_raised_as_the_other_side_asks() {
    let mut pair = Pair::new();
    *pair.agent(End::Alice) = {
        let other = Pair::with(Transport::Udp, 9, |settings| {
            settings.session_timers = timed(100, 90)
        });
        other.into_alice()
    };
    let mut bob = Pair::with(Transport::Udp, 8, |settings| {
        settings.session_timers = timed(1_800, 600)
    });
    std::mem::swap(pair.agent(End::Bob), bob.agent(End::Bob));
    let invite = pair.invite_of(End::Alice);
    pair.tell(End::Alice, |agent, now| agent.invite(now, invite))
        .unwrap();
    pair.run_for(Duration::from_millis(100));
    assert_eq!(
        (
            pair.sent(End::Bob, "SIP/2.0 422"),
            pair.sent(End::Alice, "INVITE")
        ),
        (1, 2)
    );
    let id = pair.incoming(End::Bob);
    pair.tell(End::Bob, |agent, now| agent.answer(now, id, answer()))
        .unwrap();
    pair.run_for(Duration::from_secs(310));
    assert_eq!(pair.sent(End::Alice, "UPDATE"), 1);
    pair.tell(End::Bob, |agent, now| agent.hang_up(now, id, &[]))
        .unwrap();
    pair.expect_quiet();
}

#[test]
fn a_peer_without_update_is_refreshed_by_reinvite_with_the_last_offer() {
    let mut pair = Pair::with(Transport::Udp, 1, |settings| {
        settings.session_timers = timed(200, 90)
    });
    let (_, _) = pair.answered_call();
    pair.inject(End::Bob, "x");
    // Alice's Allow without UPDATE, as an old phone would write it.
    let mut old = Pair::with(Transport::Udp, 3, |settings| {
        settings.session_timers = timed(200, 90)
    });
    old.inject(
        End::Bob,
        "INVITE sip:b@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:a@192.0.2.1>;tag=f1\r\n\
         To: <sip:b@192.0.2.2>\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\nContact: <sip:a@192.0.2.1>\r\nAllow: INVITE, ACK, BYE\r\n\r\nv=0",
    );
    let bob = old.incoming(End::Bob);
    old.tell(End::Bob, |agent, now| {
        agent.answer(now, bob, Bytes::from_static(b"v=0 of bob"))
    })
    .unwrap();
    let tag = old.agent(End::Bob).tag(bob).unwrap();
    old.inject(
        End::Bob,
        format!(
            "ACK sip:b@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK2\r\nMax-Forwards: 70\r\nFrom: <sip:a@192.0.2.1>;tag=f1\r\n\
             To: <sip:b@192.0.2.2>;tag={tag}\r\nCall-ID: c\r\nCSeq: 7 ACK\r\n\r\n"
        ),
    );
    old.run_for(Duration::from_secs(101));
    assert_eq!(old.sent(End::Bob, "INVITE sip:a@192.0.2.1"), 1);
    assert_eq!(old.sent(End::Bob, "UPDATE"), 0);
}

#[test]
fn requests_follow_the_record_route_loose_and_strict() {
    for (route, uri, routes) in [
        (
            "<sip:192.0.2.1:5060;lr>, <sip:p2.example.com;lr>",
            "sip:a@192.0.2.77",
            "<sip:192.0.2.1:5060;lr>, <sip:p2.example.com;lr>",
        ),
        (
            "<sip:192.0.2.1:5060>, <sip:p2.example.com;lr>",
            "sip:192.0.2.1:5060",
            "<sip:p2.example.com;lr>, <sip:a@192.0.2.77>",
        ),
    ] {
        let mut pair = Pair::new();
        pair.inject(
            End::Bob,
            format!(
                "INVITE sip:b@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:a@192.0.2.1>;tag=f1\r\n\
                 To: <sip:b@192.0.2.2>\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\nRecord-Route: {route}\r\nContact: <sip:a@192.0.2.77>\r\n\r\nv=0"
            ),
        );
        let bob = pair.incoming(End::Bob);
        let seen = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let kept = seen.clone();
        pair.rules.push(Box::new(move |_, message| {
            kept.borrow_mut().push(message.clone());
            None
        }));
        pair.tell(End::Bob, |agent, now| agent.answer(now, bob, answer()))
            .unwrap();
        let tag = pair.agent(End::Bob).tag(bob).unwrap();
        pair.inject(
            End::Bob,
            format!(
                "ACK sip:b@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK2\r\nMax-Forwards: 70\r\nFrom: <sip:a@192.0.2.1>;tag=f1\r\n\
                 To: <sip:b@192.0.2.2>;tag={tag}\r\nCall-ID: c\r\nCSeq: 7 ACK\r\n\r\n"
            ),
        );
        pair.tell(End::Bob, |agent, now| agent.hang_up(now, bob, &[]))
            .unwrap();
        let seen = seen.borrow();
        assert_eq!(seen[0].header("Record-Route"), Some(route.as_bytes()));
        let bye = seen
            .iter()
            .find(|message| is(Method::Bye)(message))
            .unwrap();
        assert_eq!(
            (bye.request_uri(), bye.header("Route")),
            (Some(uri.as_bytes()), Some(routes.as_bytes()))
        );
    }
}
