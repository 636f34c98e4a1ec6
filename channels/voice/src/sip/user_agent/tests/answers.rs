//! What requests from the world are answered with, by number.

use super::pair::{End, Pair};
use crate::sip::digest::Account;
use crate::sip::message::Method;
use crate::sip::user_agent::{CommandFault, Event, Limits, OutsideRequest};
use bytes::Bytes;
use std::time::Duration;

/// A request to Bob with its header fields after the usual ones.
fn request(method: &str, uri: &str, branch: &str, more: &str, body: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:a@192.0.2.1>;tag=f1\r\nTo: <sip:b@192.0.2.2>\r\nCall-ID: c-{method}\r\nCSeq: 7 {method}\r\n\
         Contact: <sip:a@192.0.2.1>\r\n{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Bob's only answer to the request.
#[track_caller]
fn check(text: &str, expected: &str) -> Pair {
    let mut pair = Pair::new();
    pair.inject(End::Bob, text);
    let sent: Vec<_> = pair
        .ladder
        .iter()
        .map(|entry| entry.split_once("Bob ").unwrap().1)
        .collect();
    assert_eq!(sent, [expected], "{text}");
    pair
}

#[test]
fn requests_that_make_no_sense_are_answered_as_the_rfc_wants() {
    let sip = "sip:b@192.0.2.2";
    check(
        &request("FROBNICATE", sip, "1", "", ""),
        "SIP/2.0 501 Not Implemented",
    );
    check(
        &request("PUBLISH", sip, "1", "", ""),
        "SIP/2.0 405 Method Not Allowed",
    );
    check(
        &request("INVITE", "soap.beep:b", "1", "", ""),
        "SIP/2.0 416 Unsupported URI Scheme",
    );
    check(
        &request("INVITE", sip, "1", "Require: nothing, 100rel\r\n", ""),
        "SIP/2.0 420 Bad Extension",
    );
    check(
        &request("INVITE", sip, "1", "Content-Type: text/plain\r\n", "x"),
        "SIP/2.0 415 Unsupported Media Type",
    );
    check(
        &request(
            "INVITE",
            sip,
            "1",
            "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n",
            "x",
        ),
        "SIP/2.0 415 Unsupported Media Type",
    );
    check(
        &request("INVITE", sip, "1", "", &"x".repeat(20_000)),
        "SIP/2.0 413 Request Entity Too Large",
    );
    check(
        &request(
            "INVITE",
            sip,
            "1",
            "Supported: timer\r\nSession-Expires: 30\r\n",
            "",
        ),
        "SIP/2.0 422 Session Interval Too Small",
    );
    check(
        &request("INVITE", sip, "1", "", "").replace("Forwards: 70", "Forwards: 0"),
        "SIP/2.0 483 Too Many Hops",
    );
    check(
        &request("INVITE", sip, "1", "", "").replace("Contact: <sip:a@192.0.2.1>\r\n", ""),
        "SIP/2.0 400 Bad Request",
    );
    check(
        &request("INVITE", sip, "1", "", "").replace("SIP/2.0\r\nVia", "SIP/3.0\r\nVia"),
        "SIP/2.0 505 Version Not Supported",
    );
    check(
        &request("INVITE", sip, "1", "", "").replace("CSeq: 7", "CSeq: x"),
        "SIP/2.0 400 Bad CSeq",
    );
    for method in ["BYE", "CANCEL", "UPDATE", "INFO", "PRACK"] {
        check(
            &request(method, sip, "1", "", ""),
            "SIP/2.0 481 Call/Transaction Does Not Exist",
        );
    }
    check(
        &request("BYE", sip, "1", "", "").replace(
            "To: <sip:b@192.0.2.2>",
            "To: <sip:b@192.0.2.2>;tag=0-0123456789abcdef",
        ),
        "SIP/2.0 481 Call/Transaction Does Not Exist",
    );
}

#[test]
fn acks_and_responses_to_nothing_are_dropped() {
    let mut pair = Pair::new();
    pair.inject(End::Bob, request("ACK", "sip:b@192.0.2.2", "1", "", ""));
    let response = request("INVITE", "sip:b@192.0.2.2", "1", "", "")
        .replace("INVITE sip:b@192.0.2.2 SIP/2.0", "SIP/2.0 200 OK");
    pair.inject(End::Bob, response);
    pair.inject(End::Bob, "\r\n\r\n");
    pair.inject(End::Bob, "\u{1}\u{2}noise");
    assert!(pair.ladder.is_empty() && pair.is_quiet());
}

#[test]
fn a_request_over_two_paths_is_taken_once_and_merged_482() {
    let mut pair = Pair::new();
    pair.inject(
        End::Bob,
        request("INVITE", "sip:b@192.0.2.2", "one", "", ""),
    );
    pair.inject(
        End::Bob,
        request("INVITE", "sip:b@192.0.2.2", "two", "", ""),
    );
    assert_eq!(pair.sent(End::Bob, "SIP/2.0 482"), 1);
    assert_eq!(
        pair.count_of(End::Bob, |event| matches!(event, Event::Incoming { .. })),
        1
    );
}

#[test]
fn what_is_above_the_limits_gets_503_and_when_to_retry() {
    for limits in [
        Limits {
            dialogs_max: 1,
            ..Limits::default()
        },
        Limits {
            transactions_max: 1,
            ..Limits::default()
        },
    ] {
        let mut pair = Pair::with(crate::sip::flow::Transport::Udp, 1, |settings| {
            settings.limits = limits
        });
        pair.inject(
            End::Bob,
            request("INVITE", "sip:b@192.0.2.2", "one", "", ""),
        );
        let next =
            request("INVITE", "sip:b@192.0.2.2", "two", "", "").replace("Call-ID: c", "Call-ID: d");
        pair.inject(End::Bob, next);
        assert_eq!(pair.sent(End::Bob, "SIP/2.0 503"), 1);
    }
    let mut pair = Pair::with(crate::sip::flow::Transport::Udp, 1, |settings| {
        settings.limits.dialogs_max = 1
    });
    pair.call();
    let invite = pair.invite_of(End::Alice);
    assert_eq!(
        pair.tell(End::Alice, |agent, now| agent.invite(now, invite)),
        Err(CommandFault::Full)
    );
}

#[test]
fn a_request_in_a_call_with_a_lower_cseq_gets_500() {
    let mut pair = Pair::new();
    pair.inject(
        End::Bob,
        request("INVITE", "sip:b@192.0.2.2", "one", "", ""),
    );
    let bob = pair.incoming(End::Bob);
    pair.tell(End::Bob, |agent, now| {
        agent.answer(now, bob, Bytes::from_static(b"v=0"))
    })
    .unwrap();
    let tag = dialog_tag(&mut pair);
    let stale = request("INFO", "sip:b@192.0.2.2", "two", "", "")
        .replace("<sip:b@192.0.2.2>", &tag)
        .replace("c-INFO", "c-INVITE")
        .replace("CSeq: 7", "CSeq: 6");
    pair.inject(End::Bob, stale.clone());
    assert_eq!(pair.sent(End::Bob, "SIP/2.0 500"), 1);
    pair.inject(
        End::Bob,
        stale
            .replace("bKtwo", "bKthree")
            .replace("CSeq: 6", "CSeq: 9"),
    );
    assert_eq!(pair.sent(End::Bob, "SIP/2.0 200"), 2);
    pair.inject(
        End::Bob,
        stale
            .replace("bKtwo", "bKfour")
            .replace("tag=f1", "tag=f2")
            .replace("CSeq: 6", "CSeq: 10"),
    );
    assert_eq!(pair.sent(End::Bob, "SIP/2.0 481"), 1);
}

fn dialog_tag(pair: &mut Pair) -> String {
    let id = pair.incoming(End::Bob);
    format!(
        "<sip:b@192.0.2.2>;tag={}",
        pair.agent(End::Bob).tag(id).unwrap()
    )
}

#[test]
fn an_old_client_without_a_branch_is_served() {
    let mut pair = Pair::new();
    let invite = request("INVITE", "sip:b@192.0.2.2", "x", "", "").replace(";branch=z9hG4bKx", "");
    pair.inject(End::Bob, invite.clone());
    pair.inject(End::Bob, invite.clone());
    assert_eq!(
        pair.count_of(End::Bob, |event| matches!(event, Event::Incoming { .. })),
        1
    );
    let bob = pair.incoming(End::Bob);
    pair.tell(End::Bob, |agent, now| {
        agent.reject(now, bob, 486, None, &[])
    })
    .unwrap();
    pair.inject(
        End::Bob,
        invite.replace("INVITE", "ACK").replace("c-ACK", "c-INVITE"),
    );
    pair.run_for(Duration::from_secs(3));
    assert_eq!(pair.sent(End::Bob, "SIP/2.0 486"), 1);
    pair.expect_quiet();
}

#[test]
fn requests_outside_of_a_dialog_are_answered_by_the_user_or_with_500() {
    let mut pair = Pair::new();
    let options = |pair: &mut Pair| {
        let flow = pair.flow_to(End::Bob);
        let request = OutsideRequest {
            method: Method::Options,
            flow,
            request_uri: "sip:192.0.2.2".into(),
            from: "<sip:192.0.2.1>".into(),
            to: "<sip:192.0.2.2>".into(),
            headers: Vec::new(),
            body: None,
            account: Some(Account::new("desk", "secret")),
            sequence: None,
        };
        pair.tell(End::Alice, |agent, now| agent.request(now, request))
            .unwrap();
        pair.run_for(Duration::from_millis(15));
        pair.events[End::Bob as usize]
            .iter()
            .rev()
            .find_map(|event| {
                if let Event::Request {
                    request,
                    dialog: None,
                    message,
                    ..
                } = event
                {
                    Some((*request, message.clone()))
                } else {
                    None
                }
            })
            .unwrap()
    };
    let (challenged, _) = options(&mut pair);
    let challenge = [(
        "WWW-Authenticate".to_owned(),
        "Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256".to_owned(),
    )];
    pair.tell(End::Bob, |agent, now| {
        agent.respond(now, challenged, 401, &challenge, None)
    })
    .unwrap();
    pair.run_for(Duration::from_millis(30));
    let (retried, message) = pair.events[End::Bob as usize]
        .iter()
        .rev()
        .find_map(|event| {
            if let Event::Request {
                request, message, ..
            } = event
            {
                Some((*request, message.clone()))
            } else {
                None
            }
        })
        .unwrap();
    assert!(
        message
            .header_text("Authorization")
            .unwrap()
            .contains("username=\"desk\"")
    );
    assert_eq!(message.sequence(), 2);
    pair.tell(End::Bob, |agent, now| {
        agent.respond(now, retried, 200, &[], None)
    })
    .unwrap();
    assert_eq!(
        pair.tell(End::Bob, |agent, now| agent.respond(
            now,
            retried,
            200,
            &[],
            None
        )),
        Err(CommandFault::Gone)
    );
    pair.run_for(Duration::from_secs(1));
    assert!(pair.heard(End::Alice, |event| matches!(
        event,
        Event::Response {
            status: 200,
            response: Some(_),
            ..
        }
    )));
    options(&mut pair);
    pair.expect_quiet();
    assert!(pair.heard(End::Alice, |event| matches!(
        event,
        Event::Response {
            status: 408 | 500,
            ..
        }
    )));
}

#[test]
fn a_challenged_call_is_made_again_with_credentials() {
    let mut pair = Pair::new();
    let mut invite = pair.invite_of(End::Alice);
    invite.account = Some(Account::new("desk", "secret"));
    pair.tell(End::Alice, |agent, now| agent.invite(now, invite))
        .unwrap();
    pair.run_for(Duration::from_millis(20));
    let challenge = [(
        "Proxy-Authenticate".to_owned(),
        "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"".to_owned(),
    )];
    let first = pair.incoming(End::Bob);
    pair.tell(End::Bob, |agent, now| {
        agent.reject(now, first, 407, None, &challenge)
    })
    .unwrap();
    pair.run_for(Duration::from_millis(50));
    let second = pair.incoming(End::Bob);
    assert_ne!(first, second);
    let message = pair.events[End::Bob as usize]
        .iter()
        .rev()
        .find_map(|event| {
            if let Event::Incoming { invite, .. } = event {
                Some(invite.clone())
            } else {
                None
            }
        })
        .unwrap();
    assert!(
        message
            .header_text("Proxy-Authorization")
            .unwrap()
            .contains("uri=\"sip:desk@192.0.2.2:5060\"")
    );
    assert_eq!(
        (message.header("X-Test"), message.body().as_ref()),
        (Some(b"1".as_slice()), b"v=0 offer".as_slice())
    );
    pair.tell(End::Bob, |agent, now| {
        agent.answer(now, second, Bytes::from_static(b"v=0"))
    })
    .unwrap();
    pair.run_for(Duration::from_millis(50));
    assert!(pair.heard(End::Bob, |event| matches!(event, Event::Confirmed { .. })));
    pair.tell(End::Bob, |agent, now| agent.hang_up(now, second, &[]))
        .unwrap();
    pair.expect_quiet();
}

#[test]
fn a_wrong_password_is_refused_and_not_tried_for_ever() {
    let mut pair = Pair::new();
    let mut invite = pair.invite_of(End::Alice);
    invite.account = Some(Account::new("desk", "wrong"));
    pair.tell(End::Alice, |agent, now| agent.invite(now, invite))
        .unwrap();
    for round in 0..2 {
        pair.run_for(Duration::from_millis(50));
        let challenge = [(
            "WWW-Authenticate".to_owned(),
            format!("Digest realm=\"r\", nonce=\"n{round}\", qop=\"auth\""),
        )];
        let id = pair.incoming(End::Bob);
        pair.tell(End::Bob, |agent, now| {
            agent.reject(now, id, 401, None, &challenge)
        })
        .unwrap();
    }
    pair.expect_quiet();
    assert_eq!(pair.sent(End::Alice, "INVITE"), 2);
    assert!(pair.heard(End::Alice, |event| matches!(
        event,
        Event::Refused { status: 401, .. }
    )));
}
