//! Stories of who is answered and who is not.

use super::*;
use crate::reading::mail::Limits;
use bytes::Bytes;
use ringdown_routing::ids::TicketId;
use std::time::Duration;

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn own() -> OwnAddresses {
    OwnAddresses {
        mailboxes: vec![address("desk@example.com")],
        separator: Some('+'),
    }
}

fn mail(header: &str) -> Mail {
    let raw = format!(
        "From: Ann <ann@example.org>\r\nSubject: Printer\r\n{header}\r\n\r\nIt is broken.\r\n"
    );
    crate::read(&Bytes::from(raw), &Limits::default())
}

fn check(header: &str, return_path: &ReturnPath, expected: Origin) {
    let mail = mail(header);
    assert_eq!(classify(&mail, return_path, &own()), expected, "{header}");
    let may = may_answer(&mail, return_path, &own());
    assert_eq!(may.is_ok(), expected == Origin::Person, "{header}");
}

#[test]
fn each_mark_of_a_machine_keeps_us_silent() {
    let person = ReturnPath::Address(address("ann@example.org"));
    for (header, origin) in [
        ("X-Mailer: Mail", Origin::Person),
        ("Auto-Submitted: no", Origin::Person),
        ("Auto-Submitted: auto-replied", Origin::AutoReply),
        (
            "Auto-Submitted: auto-replied; owner-email=\"a@b.example\"",
            Origin::AutoReply,
        ),
        ("Auto-Submitted: auto-generated (cron)", Origin::Generated),
        ("Auto-Submitted: made-up", Origin::Generated),
        ("Precedence: Bulk", Origin::Bulk),
        ("Precedence: list", Origin::List),
        ("Precedence: auto_reply", Origin::AutoReply),
        ("List-Id: <users.example.org>", Origin::List),
        (
            "X-Auto-Response-Suppress: DR, OOF, AutoReply",
            Origin::Suppressed,
        ),
        ("X-Auto-Response-Suppress: DR, RN", Origin::Person),
        ("X-Autoreply: yes", Origin::AutoReply),
    ] {
        check(header, &person, origin);
    }
}

#[test]
fn an_empty_return_path_is_never_answered() {
    check("X-Mailer: Mail", &ReturnPath::Null, Origin::NullSender);
    check("Return-Path: <>", &ReturnPath::Unknown, Origin::NullSender);
    check(
        "Return-Path: <ann@example.org>",
        &ReturnPath::Unknown,
        Origin::Person,
    );
}

#[test]
fn senders_are_known_by_their_names() {
    let check = |from: &str, subject: &str, expected| {
        let raw = format!("From: {from}\r\nSubject: {subject}\r\n\r\nx\r\n");
        let mail = crate::read(&Bytes::from(raw), &Limits::default());
        assert_eq!(
            classify(&mail, &ReturnPath::Unknown, &own()),
            expected,
            "{from}"
        );
    };
    check("desk@example.com", "x", Origin::Own);
    check("DESK+rd-1@example.com", "x", Origin::Own);
    check("no-reply@example.org", "x", Origin::NoReply);
    check("order.noreply@example.org", "x", Origin::NoReply);
    check("bounces-77@example.org", "x", Origin::NoReply);
    check("noreen@example.org", "x", Origin::Person);
    check(
        "ann@example.org",
        "Automatic reply: Printer",
        Origin::Person,
    );
}

#[test]
fn answers_wanted_elsewhere_hit_a_third_party() {
    let path = ReturnPath::Unknown;
    let elsewhere = mail("Reply-To: victim@elsewhere.example");
    assert_eq!(
        may_answer(&elsewhere, &path, &own()),
        Err(WhyNot::AnswersElsewhere)
    );
    let back_to_us = mail("Reply-To: desk@example.com");
    assert_eq!(
        may_answer(&back_to_us, &path, &own()),
        Err(WhyNot::AnswersElsewhere)
    );
    assert_eq!(
        may_answer(&mail("Reply-To: help@it.example.org"), &path, &own()),
        Ok(())
    );
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

const TICKET: TicketId = TicketId::new(7);

#[test]
fn a_sender_gets_one_acknowledgement_per_window_across_a_restart() {
    let mut guard = LoopGuard::new(LoopBounds::default());
    let ann = address("ann@example.org");
    assert_eq!(guard.take_acknowledgement(at(0), &ann, TICKET), Ok(()));
    let stored = serde_json::to_string(&guard).unwrap();
    let mut guard: LoopGuard = serde_json::from_str(&stored).unwrap();
    let again =
        guard.take_acknowledgement(at(3_599), &address("ANN@example.org"), TicketId::new(8));
    assert_eq!(again, Err(WhyNot::AlreadyAcknowledged(at(0))));
    assert_eq!(guard.take_acknowledgement(at(3_600), &ann, TICKET), Ok(()));
}

#[test]
fn a_flood_opens_the_breaker_and_rest_closes_it() {
    let mut guard = LoopGuard::new(LoopBounds::default());
    let ann = address("ann@example.org");
    for second in 0..20 {
        guard.count(
            at(second),
            &ann,
            TicketId::new(u64::try_from(second).unwrap()),
        );
    }
    assert_eq!(guard.may_send(at(20), &ann, TICKET), Ok(()));
    guard.count(at(21), &ann, TICKET);
    assert_eq!(
        guard.may_send(at(21), &ann, TICKET),
        Err(WhyNot::TooManyOfSender)
    );
    assert_eq!(guard.may_send(at(21 + 3_601), &ann, TICKET), Ok(()));
}

#[test]
fn many_senders_on_one_ticket_open_its_breaker() {
    let mut guard = LoopGuard::new(LoopBounds::default());
    for number in 0..21 {
        guard.count(
            at(number),
            &address(&format!("u{number}@example.org")),
            TICKET,
        );
    }
    let ann = address("ann@example.org");
    assert_eq!(
        guard.may_send(at(21), &ann, TICKET),
        Err(WhyNot::TooManyOnTicket)
    );
    assert_eq!(guard.may_send(at(21), &ann, TicketId::new(8)), Ok(()));
}

#[test]
fn a_full_memory_forgets_nobody_within_the_window() {
    let bounds = LoopBounds {
        remembered_max: 3,
        ..LoopBounds::default()
    };
    let mut guard = LoopGuard::new(bounds);
    for number in 0..3 {
        let sender = address(&format!("u{number}@example.org"));
        assert_eq!(
            guard.take_acknowledgement(at(number), &sender, TICKET),
            Ok(())
        );
    }
    let ann = address("ann@example.org");
    assert_eq!(
        guard.take_acknowledgement(at(4), &ann, TICKET),
        Err(WhyNot::TooManySenders)
    );
    assert_eq!(guard.take_acknowledgement(at(4_000), &ann, TICKET), Ok(()));
}

#[test]
fn a_full_breaker_has_room_from_the_instant_at_which_the_first_rests() {
    let bounds = BreakerBounds {
        mails_max: 6,
        window: Duration::from_secs(60),
        rest: Duration::from_secs(60),
    };
    let mut breaker = Breaker::new(bounds, 2);
    // One mail fills ten seconds; the first key goes on talking.
    breaker.count(at(0), &"ann");
    breaker.count(at(3), &"bob");
    breaker.count(at(5), &"ann");
    for second in 6..13 {
        breaker.count(at(second), &"cy");
        assert!(breaker.is_open(at(second), &"cy"), "{second}");
    }
    breaker.count(at(13), &"cy");
    assert!(!breaker.is_open(at(13), &"cy"), "bob rests");
    assert!(!breaker.is_open(at(13), &"ann"));
    assert!(breaker.is_open(at(13), &"bob"), "others are not told apart");
}

#[test]
fn a_steady_talk_never_opens_the_breaker() {
    let bounds = BreakerBounds {
        mails_max: 6,
        window: Duration::from_secs(60),
        rest: Duration::from_secs(60),
    };
    let mut breaker = Breaker::new(bounds, 10);
    for number in 0..1_000 {
        breaker.count(at(number * 10), &TICKET);
        assert!(!breaker.is_open(at(number * 10), &TICKET));
    }
}
