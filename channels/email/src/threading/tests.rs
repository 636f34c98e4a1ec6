//! Stories of where a mail belongs, and of who does not get in.

use super::*;
use crate::reading::mail::Limits;
use bytes::Bytes;

const NOW: Timestamp = Timestamp::from_seconds(100 * 86_400);
const TICKET: TicketId = TicketId::new(7);

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn answers(id: &str) -> Clue {
    Clue::Answers(MessageId::parse(id).unwrap())
}

fn known(clue: Clue, state: TicketState) -> KnownTicket {
    KnownTicket {
        clue,
        ticket: TICKET,
        state,
        people: [address("ann@example.org")].into(),
        organisation: Some("acme".into()),
        answered: Answered::Ours,
    }
}

fn sender(from: &str) -> Sender {
    Sender {
        address: Some(address(from)),
        organisation: None,
        authentication: Authentication::Unknown,
        origin: Origin::Person,
    }
}

fn place(found: KnownTicket, sender: &Sender) -> Placement {
    let clue = found.clue.clone();
    place_in_thread(&[clue], &[found], sender, ReopenRule::default(), NOW)
}

#[test]
fn clues_come_in_their_order() {
    let key = ThreadingKey::new("secret");
    let token = |number| ReplyToken::sign(TicketId::new(number), &key);
    let raw = format!(
        "From: ann@example.org\r\nTo: Desk <desk+{}@example.com>\r\nSubject: Re: [rd# 2025-17 ] x [RD#18] [RD#]\r\n\
         In-Reply-To: <b@x>\r\nReferences: <a@x>\r\n <b@x>\r\n\r\nyes\r\n> ({})\r\n",
        token(5).as_str(),
        token(6).marker()
    );
    let mail = crate::read(&Bytes::from(raw), &Limits::default());
    let own = OwnAddresses {
        mailboxes: vec![address("desk@example.com")],
        separator: Some('+'),
    };
    let found = clues(
        &mail,
        &[address("desk@example.com")],
        &own,
        &TicketHook::default(),
        &key,
    );
    let expected = [
        answers("b@x"),
        answers("a@x"),
        Clue::SignedAddress(TicketId::new(5)),
        Clue::SubjectNumber("2025-17".to_owned()),
        Clue::SubjectNumber("18".to_owned()),
        Clue::SignedMarker(TicketId::new(6)),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_mail_without_clues_is_new() {
    let placed = place_in_thread(
        &[],
        &[],
        &sender("ann@example.org"),
        ReopenRule::default(),
        NOW,
    );
    assert_eq!(placed, Placement::New);
    let unknown = [answers("nobody@knows")];
    assert_eq!(
        place_in_thread(
            &unknown,
            &[],
            &sender("ann@example.org"),
            ReopenRule::default(),
            NOW
        ),
        Placement::New
    );
}

#[test]
fn who_is_on_the_ticket_gets_in_by_any_clue() {
    for clue in [
        answers("a@x"),
        Clue::SignedAddress(TICKET),
        Clue::SubjectNumber("7".to_owned()),
        Clue::SignedMarker(TICKET),
    ] {
        let placed = place(
            known(clue.clone(), TicketState::Open),
            &sender("Ann@Example.org"),
        );
        assert_eq!(placed, Placement::Append(TICKET, clue));
    }
}

#[test]
fn a_colleague_gets_in() {
    let colleague = Sender {
        organisation: Some("acme".into()),
        ..sender("bob@example.org")
    };
    let clue = Clue::SubjectNumber("7".to_owned());
    assert_eq!(
        place(known(clue.clone(), TicketState::Open), &colleague),
        Placement::Append(TICKET, clue)
    );
}

#[test]
fn a_stranger_gets_a_linked_ticket_whatever_he_quotes() {
    for clue in [
        answers("a@x"),
        Clue::SignedAddress(TICKET),
        Clue::SubjectNumber("7".to_owned()),
        Clue::SignedMarker(TICKET),
    ] {
        let placed = place(
            known(clue.clone(), TicketState::Open),
            &sender("mallory@evil.example"),
        );
        assert_eq!(placed, Placement::Linked(TICKET, clue));
    }
}

#[test]
fn two_people_without_organisation_are_not_of_the_same() {
    let mut found = known(Clue::SubjectNumber("7".to_owned()), TicketState::Open);
    found.organisation = None;
    let clue = found.clue.clone();
    assert_eq!(
        place(found, &sender("mallory@evil.example")),
        Placement::Linked(TICKET, clue)
    );
}

#[test]
fn a_forged_sender_needs_a_secret() {
    let forged = Sender {
        authentication: Authentication::Failed,
        ..sender("ann@example.org")
    };
    let number = Clue::SubjectNumber("7".to_owned());
    assert_eq!(
        place(known(number.clone(), TicketState::Open), &forged),
        Placement::Linked(TICKET, number)
    );
    let ours = answers("a@x");
    assert_eq!(
        place(known(ours.clone(), TicketState::Open), &forged),
        Placement::Append(TICKET, ours.clone())
    );
    let theirs = KnownTicket {
        answered: Answered::Theirs,
        ..known(ours.clone(), TicketState::Open)
    };
    assert_eq!(place(theirs, &forged), Placement::Linked(TICKET, ours));
}

#[test]
fn a_later_clue_that_lets_in_beats_an_earlier_that_does_not() {
    let (strange, own) = (answers("a@x"), Clue::SubjectNumber("8".to_owned()));
    let mut other = known(strange.clone(), TicketState::Open);
    (other.people, other.organisation) = (BTreeSet::new(), None);
    let mine = KnownTicket {
        ticket: TicketId::new(8),
        ..known(own.clone(), TicketState::Open)
    };
    let clues = [strange, own.clone()];
    let placed = place_in_thread(
        &clues,
        &[other, mine],
        &sender("ann@example.org"),
        ReopenRule::default(),
        NOW,
    );
    assert_eq!(placed, Placement::Append(TicketId::new(8), own));
}

#[test]
fn an_answer_to_a_closed_ticket_opens_it_or_follows_it_up_by_age() {
    let day = Duration::from_secs(86_400);
    let ann = sender("ann@example.org");
    let clue = answers("a@x");
    let check = |state, expected| assert_eq!(place(known(clue.clone(), state), &ann), expected);
    check(TicketState::Solved, Placement::Reopen(TICKET, clue.clone()));
    check(
        TicketState::Closed(NOW - day * 14),
        Placement::Reopen(TICKET, clue.clone()),
    );
    check(
        TicketState::Closed(NOW - day * 15),
        Placement::FollowUp(TICKET, clue.clone()),
    );
}

#[test]
fn a_bounce_comes_to_the_mail_that_caused_it_and_opens_nothing() {
    let bounce = Sender {
        origin: Origin::Bounce,
        ..sender("mailer-daemon@mx.example.net")
    };
    let clue = answers("sent@example.com");
    let placed = place(known(clue.clone(), TicketState::Closed(NOW)), &bounce);
    assert_eq!(placed, Placement::Append(TICKET, clue.clone()));
    let forged = KnownTicket {
        answered: Answered::Theirs,
        ..known(clue.clone(), TicketState::Open)
    };
    assert_eq!(place(forged, &bounce), Placement::Linked(TICKET, clue));
}
