//! Offers and answers in the less usual places.

use super::pair::{End, Pair, answer, is};
use crate::sip::flow::{Flow, Transport};
use crate::sip::message::{Message, Method};
use crate::sip::user_agent::{DialogId, Event, Progress, Reliability, UserAgent};
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(60);

fn head(method: &str, branch: &str, sequence: u32, tag: &str) -> String {
    format!(
        "{method} sip:b@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@192.0.2.1>;tag=f1\r\nTo: <sip:b@192.0.2.2>{tag}\r\nCall-ID: c\r\nCSeq: {sequence} {method}\r\nContact: <sip:a@192.0.2.1>\r\n"
    )
}

/// Keeps what Bob sends.
fn listen(pair: &mut Pair) -> std::rc::Rc<std::cell::RefCell<Vec<Message>>> {
    let seen = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let kept = seen.clone();
    pair.rules.push(Box::new(move |end, message| {
        if end == End::Bob {
            kept.borrow_mut().push(message.clone());
        }
        None
    }));
    seen
}

/// A caller that is only bytes, and Bob, who answered it.
fn answered_by_bytes(pair: &mut Pair) -> (DialogId, String) {
    pair.inject(
        End::Bob,
        head("INVITE", "1", 1, "") + "Allow: UPDATE, INVITE\r\n\r\nv=0",
    );
    let bob = pair.incoming(End::Bob);
    pair.tell(End::Bob, |agent, now| agent.answer(now, bob, answer()))
        .unwrap();
    let tag = format!(";tag={}", pair.agent(End::Bob).tag(bob).unwrap());
    pair.inject(End::Bob, head("ACK", "2", 1, &tag) + "\r\n");
    (bob, tag)
}

#[test]
fn a_reinvite_without_an_offer_gets_ours_and_brings_the_answer_in_its_ack() {
    let mut pair = Pair::new();
    let (bob, tag) = answered_by_bytes(&mut pair);
    pair.inject(End::Bob, head("INVITE", "3", 2, &tag) + "\r\n");
    assert!(pair.heard(End::Bob, |event| matches!(
        event,
        Event::OfferReceived { sdp: None, .. }
    )));
    pair.tell(End::Bob, |agent, now| {
        agent.answer_offer(now, bob, Bytes::from_static(b"v=0 ours"))
    })
    .unwrap();
    pair.inject(End::Bob, head("ACK", "4", 2, &tag) + "\r\nv=0 theirs");
    assert!(pair.heard(
        End::Bob,
        |event| matches!(event, Event::OfferAnswered { sdp: Some(sdp), .. } if sdp == "v=0 theirs")
    ));
    pair.inject(End::Bob, head("BYE", "5", 3, &tag) + "\r\n");
    pair.expect_quiet();
}

#[test]
fn a_second_offer_before_the_first_is_answered_gets_500_and_a_time() {
    let mut pair = Pair::new();
    let seen = listen(&mut pair);
    let (bob, tag) = answered_by_bytes(&mut pair);
    pair.inject(End::Bob, head("INVITE", "3", 2, &tag) + "\r\nv=0");
    pair.inject(End::Bob, head("UPDATE", "4", 3, &tag) + "\r\nv=0");
    pair.inject(End::Bob, head("INVITE", "5", 4, &tag) + "\r\nv=0");
    assert_eq!(pair.sent(End::Bob, "SIP/2.0 500"), 2);
    assert!(
        seen.borrow()
            .iter()
            .filter(|message| message.status() == Some(500))
            .all(|message| message.header("Retry-After").is_some())
    );
    pair.tell(End::Bob, |agent, now| {
        agent.answer_offer(now, bob, answer())
    })
    .unwrap();
    assert_eq!(pair.sent(End::Bob, "SIP/2.0 200"), 2);
    // A refresh without a description is answered at once, even while the ACK is missing.
    pair.inject(End::Bob, head("UPDATE", "6", 5, &tag) + "\r\n");
    assert_eq!(pair.sent(End::Bob, "SIP/2.0 200"), 3);
}

#[test]
fn a_cancelled_reinvite_is_withdrawn_and_the_call_goes_on() {
    let mut pair = Pair::new();
    let (_, tag) = answered_by_bytes(&mut pair);
    let reinvite = head("INVITE", "3", 2, &tag) + "\r\nv=0";
    pair.inject(End::Bob, reinvite);
    pair.inject(End::Bob, head("CANCEL", "3", 2, &tag) + "\r\n");
    assert!(pair.heard(End::Bob, |event| matches!(
        event,
        Event::OfferWithdrawn { .. }
    )));
    assert_eq!(pair.sent(End::Bob, "SIP/2.0 487"), 1);
    assert_eq!(pair.agent(End::Bob).dialogs(), 1);
}

#[test]
fn an_offer_that_our_user_leaves_open_is_refused_and_the_next_one_taken() {
    let mut pair = Pair::new();
    let (bob, tag) = answered_by_bytes(&mut pair);
    pair.inject(End::Bob, head("UPDATE", "3", 2, &tag) + "\r\nv=0");
    pair.run_for(Duration::from_secs(33));
    assert_eq!(pair.sent(End::Bob, "SIP/2.0 500"), 1);
    assert!(pair.heard(End::Bob, |event| matches!(
        event,
        Event::OfferWithdrawn { .. }
    )));
    pair.inject(End::Bob, head("UPDATE", "4", 3, &tag) + "\r\nv=0");
    pair.tell(End::Bob, |agent, now| {
        agent.answer_offer(now, bob, answer())
    })
    .unwrap();
    assert_eq!(pair.sent(End::Bob, "SIP/2.0 200"), 2);
}

#[test]
fn an_unknown_dialogs_requests_get_481_and_options_inside_one_200() {
    let mut pair = Pair::new();
    let (_, tag) = answered_by_bytes(&mut pair);
    pair.inject(End::Bob, head("OPTIONS", "3", 2, &tag) + "\r\n");
    assert_eq!(pair.sent(End::Bob, "SIP/2.0 200"), 2);
    pair.inject(
        End::Bob,
        head("OPTIONS", "4", 3, ";tag=1-0000000000000000") + "\r\n",
    );
    assert_eq!(pair.sent(End::Bob, "SIP/2.0 481"), 1);
}

#[test]
fn a_caller_that_requires_reliable_ringing_gets_it() {
    let mut pair = Pair::new();
    let seen = listen(&mut pair);
    pair.inject(
        End::Bob,
        head("INVITE", "1", 1, "") + "Require: 100rel\r\n\r\nv=0",
    );
    let bob = pair.incoming(End::Bob);
    pair.tell(End::Bob, |agent, now| {
        agent.ring(now, bob, Progress::Ringing, None, Reliability::Plain)
    })
    .unwrap();
    let tag = format!(";tag={}", pair.agent(End::Bob).tag(bob).unwrap());
    let number = seen.borrow()[0].header_text("RSeq").unwrap().into_owned();
    pair.inject(
        End::Bob,
        head("PRACK", "2", 2, &tag) + &format!("RAck: {number} 9 INVITE\r\n\r\n"),
    );
    assert_eq!(pair.sent(End::Bob, "SIP/2.0 481"), 1);
    pair.inject(
        End::Bob,
        head("PRACK", "3", 3, &tag) + &format!("RAck: {number} 1 INVITE\r\n\r\n"),
    );
    assert_eq!(pair.sent(End::Bob, "SIP/2.0 200"), 1);
    pair.run_for(Duration::from_secs(3));
    assert_eq!(pair.sent(End::Bob, "SIP/2.0 180"), 1);
}

#[test]
fn a_late_offer_in_a_reliable_response_is_answered_in_its_prack() {
    let mut pair = Pair::new();
    let seen = listen(&mut pair);
    pair.inject(
        End::Bob,
        head("INVITE", "1", 1, "") + "Supported: 100rel\r\n\r\n",
    );
    let bob = pair.incoming(End::Bob);
    pair.tell(End::Bob, |agent, now| {
        agent.ring(
            now,
            bob,
            Progress::SessionProgress,
            Some(answer()),
            Reliability::Acknowledged,
        )
    })
    .unwrap();
    let tag = format!(";tag={}", pair.agent(End::Bob).tag(bob).unwrap());
    let number = seen.borrow()[0].header_text("RSeq").unwrap().into_owned();
    pair.inject(
        End::Bob,
        head("PRACK", "2", 2, &tag) + &format!("RAck: {number} 1 INVITE\r\n\r\nv=0 theirs"),
    );
    assert!(pair.heard(
        End::Bob,
        |event| matches!(event, Event::OfferAnswered { sdp: Some(sdp), .. } if sdp == "v=0 theirs")
    ));
}

#[test]
fn an_early_session_is_changed_by_update_once_it_is_settled() {
    let mut pair = Pair::new();
    let (alice, bob) = pair.call();
    assert!(
        pair.tell(End::Alice, |agent, now| agent.update(now, alice, answer()))
            .is_err()
    );
    pair.tell(End::Bob, |agent, now| {
        agent.ring(
            now,
            bob,
            Progress::SessionProgress,
            Some(answer()),
            Reliability::Acknowledged,
        )
    })
    .unwrap();
    pair.run_for(SHORT);
    pair.tell(End::Alice, |agent, now| {
        agent.update(now, alice, Bytes::from_static(b"v=0 early"))
    })
    .unwrap();
    pair.run_for(SHORT);
    pair.tell(End::Bob, |agent, now| {
        agent.answer_offer(now, bob, answer())
    })
    .unwrap();
    pair.run_for(SHORT);
    assert!(pair.heard(End::Alice, |event| matches!(
        event,
        Event::OfferAnswered { .. }
    )));
    pair.tell(End::Bob, |agent, now| agent.answer(now, bob, answer()))
        .unwrap();
    pair.run_for(SHORT);
    assert!(pair.heard(End::Bob, |event| matches!(event, Event::Confirmed { .. })));
    pair.tell(End::Alice, |agent, now| agent.hang_up(now, alice, &[]))
        .unwrap();
    pair.expect_quiet();
}

#[test]
fn a_new_contact_in_an_offer_is_where_the_next_request_goes() {
    let mut pair = Pair::new();
    let (bob, tag) = answered_by_bytes(&mut pair);
    pair.inject(
        End::Bob,
        head("UPDATE", "3", 2, &tag)
            .replace("<sip:a@192.0.2.1>\r\n", "<sip:moved@192.0.2.1:5060>\r\n")
            + "\r\n",
    );
    pair.tell(End::Bob, |agent, now| agent.hang_up(now, bob, &[]))
        .unwrap();
    assert_eq!(pair.sent(End::Bob, "BYE sip:moved@192.0.2.1:5060"), 1);
}

#[test]
fn the_dialog_of_a_message_is_known_for_the_ladder() {
    let mut pair = Pair::new();
    let seen = listen(&mut pair);
    let (alice, bob) = pair.answered_call();
    pair.tell(End::Alice, |agent, now| agent.hang_up(now, alice, &[]))
        .unwrap();
    pair.run_for(SHORT);
    for message in seen.borrow().iter() {
        assert_eq!(
            message.method() == Method::Invite || message.method() == Method::Bye,
            message.status() == Some(200)
        );
    }
    let ok = seen
        .borrow()
        .iter()
        .find(|message| message.method() == Method::Invite)
        .cloned()
        .unwrap();
    assert_eq!(pair.agent(End::Alice).dialog_of(&ok), Some(alice));
    let invite = pair.events[End::Bob as usize].iter().find_map(|event| {
        if let Event::Incoming { invite, .. } = event {
            Some(invite.clone())
        } else {
            None
        }
    });
    assert_eq!(pair.agent(End::Bob).dialog_of(&invite.unwrap()), Some(bob));
    assert!(!is(Method::Bye)(&ok));
}

/// Everything Bob sends from now on, with where it goes.
fn transmits(pair: &mut Pair, flow: Flow, text: String) -> Vec<(SocketAddr, String)> {
    let now = pair.now;
    let agent = pair.agent(End::Bob);
    agent.handle_datagram(now, flow, Bytes::from(text));
    drain(agent)
}

fn drain(agent: &mut UserAgent) -> Vec<(SocketAddr, String)> {
    std::iter::from_fn(|| agent.poll_transmit())
        .map(|transmit| {
            let text = String::from_utf8_lossy(&transmit.bytes);
            (
                transmit.flow.remote,
                text.split(' ').next().unwrap_or("").to_owned(),
            )
        })
        .collect()
}

#[test]
fn a_phone_behind_a_translator_is_reached_where_it_comes_from() {
    let mut pair = Pair::new();
    let natted = |port: u16| {
        Flow::new(
            Transport::Udp,
            (std::net::Ipv4Addr::new(198, 51, 100, 7), port).into(),
        )
    };
    let private = |text: String| {
        text.replace("192.0.2.1:5060;branch", "192.168.1.5:5060;rport;branch")
            .replace("<sip:a@192.0.2.1>\r\n", "<sip:a@192.168.1.5>\r\n")
    };
    transmits(
        &mut pair,
        natted(4_000),
        private(head("INVITE", "1", 1, "") + "\r\nv=0"),
    );
    let now = pair.now;
    let Some(Event::Incoming { id, .. }) = pair.agent(End::Bob).poll_event() else {
        panic!("a call came in")
    };
    pair.agent(End::Bob).answer(now, id, answer()).unwrap();
    assert_eq!(
        drain(pair.agent(End::Bob)),
        [(natted(4_000).remote, "SIP/2.0".to_owned())]
    );
    let tag = format!(";tag={}", pair.agent(End::Bob).tag(id).unwrap());
    transmits(
        &mut pair,
        natted(4_000),
        private(head("ACK", "2", 1, &tag) + "\r\n"),
    );
    // The translator gives another port now.
    transmits(
        &mut pair,
        natted(4_001),
        private(head("INFO", "3", 2, &tag) + "\r\n"),
    );
    pair.agent(End::Bob).hang_up(now, id, &[]).unwrap();
    assert_eq!(
        drain(pair.agent(End::Bob)),
        [(natted(4_001).remote, "BYE".to_owned())]
    );
}

#[test]
fn an_old_phone_without_rport_is_answered_at_the_port_of_its_via_and_called_at_its_contact() {
    let mut pair = Pair::new();
    let source = Flow::new(Transport::Udp, "192.0.2.1:33333".parse().unwrap());
    let contact = "192.0.2.1:5070".parse().unwrap();
    let text = |text: String| text.replace("<sip:a@192.0.2.1>\r\n", "<sip:a@192.0.2.1:5070>\r\n");
    transmits(
        &mut pair,
        source,
        text(head("INVITE", "1", 1, "") + "\r\nv=0"),
    );
    let now = pair.now;
    let Some(Event::Incoming { id, .. }) = pair.agent(End::Bob).poll_event() else {
        panic!("a call came in")
    };
    pair.agent(End::Bob).answer(now, id, answer()).unwrap();
    pair.agent(End::Bob)
        .handle_timeout(now + Duration::from_millis(500));
    let ok = (End::Alice.address(), "SIP/2.0".to_owned());
    assert_eq!(drain(pair.agent(End::Bob)), [ok.clone(), ok]);
    let tag = format!(";tag={}", pair.agent(End::Bob).tag(id).unwrap());
    transmits(&mut pair, source, text(head("ACK", "2", 1, &tag) + "\r\n"));
    pair.agent(End::Bob).hang_up(now, id, &[]).unwrap();
    assert_eq!(drain(pair.agent(End::Bob)), [(contact, "BYE".to_owned())]);
}
