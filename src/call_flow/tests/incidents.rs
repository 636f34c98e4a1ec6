//! Callers who hear of a major incident before the line, or in it.

use super::*;
use ringdown_routing::event::InformedHow;
use ringdown_routing::ids::IncidentId;

const GREETING: PlayId = PlayId(1);
const MESSAGE: PlayId = PlayId(6);
const SPEAK: PlayId = PlayId(7);
const THANKS: PlayId = PlayId(8);

pub(super) fn notice() -> IncidentNotice {
    IncidentNotice {
        incident: IncidentId::new("i1"),
        say: None,
        message_max: Duration::from_secs(180),
    }
}

/// A call that is identified, and whose number an incident concerns.
fn told(answer: AnswerMode) -> Script {
    let mut call = Script::begin(rules(answer));
    if answer == AnswerMode::AtOnce {
        call.tell(Input::CallerAnswered);
    }
    call.tell(Input::IncidentHolds(notice()));
    call.tell(Input::Identified(known()));
    call
}

/// One whose caller has heard the message to its end.
fn choosing() -> Script {
    let mut call = told(AnswerMode::AtOnce);
    call.tell(Input::PlayEnded(GREETING));
    call.tell(Input::PlayEnded(MESSAGE));
    call
}

/// One whose caller speaks a message.
fn speaking() -> Script {
    let mut call = choosing();
    call.tell(Input::CallerDigit('3'));
    let said = call.tell(Input::PlayEnded(SPEAK));
    assert!(
        matches!(said[..], [Command::RecordMessage { .. }]),
        "{said:?}"
    );
    call
}

fn count(said: &[Command], wanted: fn(&Command) -> bool) -> usize {
    said.iter().filter(|command| wanted(command)).count()
}

fn attaches(command: &Command) -> bool {
    matches!(command, Command::AttachToIncident { incident } if incident.as_str() == "i1")
}

fn asks_for_ticket(command: &Command) -> bool {
    matches!(command, Command::LinkTicket { .. })
}

fn enters_line(said: &[Command]) -> bool {
    said.iter()
        .any(|command| matches!(command, Command::Enqueue { .. }))
}

/// How a caller left, by the event that says so.
fn informed(said: &[Command]) -> Vec<InformedHow> {
    said.iter()
        .filter_map(|command| {
            if let Command::Publish(EventKind::Informed { how, .. }) = command {
                Some(*how)
            } else {
                None
            }
        })
        .collect()
}

#[test]
fn callers_hear_the_greeting_then_the_message_and_go_into_the_line_by_themselves() {
    let mut call = told(AnswerMode::AtOnce);
    assert!(plays(&call.said, Phrase::Greeting) && !enters_line(&call.said));
    let said = call.tell(Input::PlayEnded(GREETING));
    assert!(plays(&said, Phrase::Incident(None)), "{said:?}");
    assert!(call.tell(Input::PlayEnded(MESSAGE)).is_empty());
    assert!(call.pass(Duration::from_secs(7)).is_empty());
    let said = call.pass(Duration::from_secs(1));
    assert!(
        plays(&said, Phrase::Music) && enters_line(&said),
        "{said:?}"
    );
    assert_eq!(count(&call.said, asks_for_ticket), 1);
    assert_eq!(count(&call.said, attaches), 0);
    // From here on it is a call like any other.
    call.tell(Input::TicketLinked(Some(ticket())));
    call.tell(Input::Verb(Answer::Done));
    assert!(matches!(
        call.tell(offer(1))[..],
        [Command::RingAgent { .. }]
    ));
}

#[test]
fn a_key_stays_in_the_line_without_hearing_more() {
    let mut call = told(AnswerMode::AtOnce);
    let said = call.tell(Input::CallerDigit('1'));
    assert!(
        plays(&said, Phrase::Music) && enters_line(&said),
        "{said:?}"
    );
    assert!(call.tell(Input::CallerDigit('2')).is_empty());
}

#[test]
fn a_key_attaches_the_caller_once_and_ends_the_call() {
    let mut call = choosing();
    let said = call.tell(Input::CallerDigit('2'));
    assert!(plays(&said, Phrase::IncidentNoted), "{said:?}");
    assert!(call.tell(Input::CallerDigit('2')).is_empty());
    let said = call.tell(Input::PlayEnded(THANKS));
    assert!(hangs_up(&said, CALLER), "{said:?}");
    assert_eq!(informed(&said), [InformedHow::KeyedIn]);
    assert_eq!(closing(&said), None, "its ticket is not linked yet");
    let said = call.tell(Input::TicketLinked(Some(ticket())));
    assert_eq!(closing(&said), Some(ContactResult::Informed));
    assert_eq!(count(&call.said, attaches), 1);
    assert_eq!(count(&call.said, asks_for_ticket), 0);
    assert!(!enters_line(&call.said));
}

#[test]
fn who_hangs_up_is_informed_only_when_the_message_was_heard() {
    for (heard, result, how) in [
        (false, ContactResult::Abandoned, vec![]),
        (true, ContactResult::Informed, vec![InformedHow::HungUp]),
    ] {
        let mut call = if heard {
            choosing()
        } else {
            told(AnswerMode::AtOnce)
        };
        call.tell(Input::CallerEnded(LegEnd::HungUp));
        let said = call.tell(Input::TicketLinked(Some(ticket())));
        assert_eq!(closing(&said), Some(result));
        assert_eq!(informed(&call.said), how);
        // No flood of tickets: all of them are on that of the incident.
        assert_eq!(count(&call.said, attaches), 1);
        assert_eq!(count(&call.said, asks_for_ticket), 0);
    }
}

#[test]
fn a_message_ends_by_hash_by_hanging_up_or_by_time_and_is_told_once() {
    let second = Duration::from_secs(1);
    for end in ["hash", "hang up", "time"] {
        let mut call = speaking();
        match end {
            "hash" => {
                let said = call.tell(Input::CallerDigit('#'));
                assert!(matches!(said[..], [Command::EndMessage]), "{said:?}");
            }
            "hang up" => assert!(call.tell(Input::CallerEnded(LegEnd::HungUp)).is_empty()),
            _ => {
                assert!(call.pass(Duration::from_secs(181)).is_empty());
                let said = call.pass(second);
                assert!(matches!(said[..], [Command::EndMessage]), "{said:?}");
            }
        }
        call.tell(Input::TicketLinked(Some(ticket())));
        let kept = Input::MessageKept(MessageKept::Whole(second));
        let said = call.tell(kept.clone());
        assert!(
            said.iter().any(|command| matches!(
                command,
                Command::Publish(EventKind::MessageLeft { duration_ms: 1_000 })
            )),
            "{end}: {said:?}"
        );
        assert_eq!(plays(&said, Phrase::IncidentNoted), end != "hang up");
        assert!(call.tell(kept).is_empty(), "{end}");
        call.tell(Input::PlayEnded(THANKS));
        assert_eq!(informed(&call.said), [InformedHow::LeftMessage], "{end}");
        assert_eq!(closing(&call.said), Some(ContactResult::Informed), "{end}");
        assert_eq!(count(&call.said, attaches), 1);
    }
}

#[test]
fn nobody_is_sent_away_with_a_message_that_is_not_kept() {
    let mut call = speaking();
    let said = call.tell(Input::MessageKept(MessageKept::Failed));
    assert!(enters_line(&said), "{said:?}");
    assert_eq!(count(&call.said, asks_for_ticket), 0, "it has one already");
}

#[test]
fn a_message_whose_end_nobody_tells_ends_the_call_all_the_same() {
    let mut call = speaking();
    call.tell(Input::TicketLinked(None));
    call.tell(Input::CallerEnded(LegEnd::HungUp));
    let said = call.pass(Duration::from_secs(5));
    assert_eq!(closing(&said), Some(ContactResult::Informed));
}

#[test]
fn who_is_not_answered_yet_hears_it_in_early_media_and_is_answered_to_speak() {
    let mut call = told(AnswerMode::AtAgent);
    assert!(matches!(
        call.said[..],
        [.., Command::Voice(CallCommand::OpenEarly { leg: CALLER })]
    ));
    assert!(plays(&call.tell(Input::EarlyOpen), Phrase::Greeting));
    call.tell(Input::PlayEnded(GREETING));
    let said = call.tell(Input::CallerDigit('3'));
    assert!(
        matches!(
            said[..],
            [.., Command::Voice(CallCommand::Answer { leg: CALLER })]
        ),
        "{said:?}"
    );
    let said = call.tell(Input::CallerAnswered);
    assert!(plays(&said, Phrase::LeaveMessage), "{said:?}");
    let mut call = told(AnswerMode::AtAgent);
    call.tell(Input::EarlyOpen);
    call.tell(Input::CallerDigit('2'));
    let said = call.tell(Input::PlayEnded(THANKS));
    assert!(
        said.iter().any(|command| matches!(
            command,
            Command::Voice(CallCommand::Reject { reject, .. }) if reject.status == 480
        )),
        "{said:?}"
    );
}

#[test]
fn a_shutdown_keeps_what_was_said() {
    let mut call = speaking();
    let said = call.tell(Input::Shutdown);
    assert!(hangs_up(&said, CALLER), "{said:?}");
    call.tell(Input::TicketLinked(Some(ticket())));
    let said = call.tell(Input::MessageKept(MessageKept::Whole(Duration::from_secs(
        2,
    ))));
    assert_eq!(closing(&said), Some(ContactResult::Informed));
}

/// A call whose caller waits when an incident is declared.
fn told_in_line() -> Script {
    let mut call = Script::waiting(AnswerMode::AtOnce);
    let said = call.tell(Input::IncidentHolds(notice()));
    assert!(plays(&said, Phrase::Incident(None)), "{said:?}");
    assert!(!enters_line(&said) && verbs(&said).is_empty(), "{said:?}");
    call
}

fn flows_out(said: &[Command]) -> bool {
    verbs(said)
        .iter()
        .any(|verb| matches!(verb, Verb::FlowOut { to, .. } if to == "incident"))
}

#[test]
fn who_waits_hears_it_once_in_their_place_and_silence_waits_on() {
    let mut call = told_in_line();
    // It is not talked over, and agents are sought meanwhile.
    assert!(call.pass(Duration::from_secs(30)).is_empty());
    let said = call.tell(Input::PlayEnded(MESSAGE));
    assert!(plays(&said, Phrase::Music), "{said:?}");
    let said = call.pass(Duration::from_secs(30));
    assert!(plays(&said, Phrase::Position), "{said:?}");
    let said = call.tell(offer(1));
    assert!(matches!(said[..], [Command::RingAgent { .. }]), "{said:?}");
    call.tell(Input::AgentPickedUp { leg: LegId(101) });
    call.tell(Input::Verb(Answer::Done));
    assert!(informed(&call.said).is_empty());
    assert_eq!(count(&call.said, attaches), 0);
}

#[test]
fn a_key_in_the_line_goes_on_waiting_at_once() {
    let mut call = told_in_line();
    let said = call.tell(Input::CallerDigit('1'));
    assert!(plays(&said, Phrase::Music), "{said:?}");
    for digit in ['2', '3'] {
        assert!(call.tell(Input::CallerDigit(digit)).is_empty());
    }
}

#[test]
fn who_leaves_the_line_for_it_goes_to_its_ticket_once_the_desk_has_let_them_go() {
    let mut call = told_in_line();
    call.tell(Input::PlayEnded(MESSAGE));
    let said = call.tell(Input::CallerDigit('2'));
    assert!(flows_out(&said), "{said:?}");
    assert_eq!(count(&said, attaches), 0);
    let said = call.tell(Input::Verb(Answer::Done));
    assert!(plays(&said, Phrase::IncidentNoted), "{said:?}");
    assert_eq!(count(&said, attaches), 1);
    let said = call.tell(Input::PlayEnded(THANKS));
    assert!(hangs_up(&said, CALLER), "{said:?}");
    assert_eq!(informed(&said), [InformedHow::KeyedIn]);
    assert_eq!(closing(&said), None, "it is on its way to the other ticket");
    let said = call.tell(Input::TicketLinked(Some(ticket())));
    assert_eq!(closing(&said), Some(ContactResult::Informed));
}

#[test]
fn an_agent_who_is_found_as_the_caller_leaves_rings_and_the_keys_hold_afterwards() {
    let mut call = told_in_line();
    call.tell(Input::CallerDigit('2'));
    call.tell(offer(1));
    let said = call.tell(Input::Verb(Answer::Refused {
        reason: Refusal::NotWaiting,
    }));
    assert!(matches!(said[..], [Command::RingAgent { .. }]), "{said:?}");
    call.tell(Input::AgentRefused {
        leg: LegId(101),
        why: Refused::Busy,
    });
    call.tell(Input::Verb(Answer::Done));
    let said = call.tell(Input::CallerDigit('2'));
    assert!(flows_out(&said), "{said:?}");
}

#[test]
fn who_leaves_the_line_to_speak_is_noted_even_when_nothing_is_kept() {
    for kept in [
        MessageKept::Whole(Duration::from_secs(1)),
        MessageKept::Failed,
    ] {
        let mut call = told_in_line();
        call.tell(Input::CallerDigit('3'));
        let said = call.tell(Input::Verb(Answer::Done));
        assert!(plays(&said, Phrase::LeaveMessage), "{said:?}");
        let said = call.tell(Input::PlayEnded(SPEAK));
        assert!(
            matches!(said[..], [Command::RecordMessage { .. }]),
            "{said:?}"
        );
        let said = call.tell(Input::MessageKept(kept));
        assert!(plays(&said, Phrase::IncidentNoted), "{said:?}");
        let entered = |command: &Command| matches!(command, Command::Enqueue { .. });
        assert_eq!(count(&call.said, entered), 1, "{:?}", call.said);
        call.tell(Input::TicketLinked(Some(ticket())));
        let said = call.tell(Input::PlayEnded(THANKS));
        assert_eq!(closing(&said), Some(ContactResult::Informed));
    }
}

#[test]
fn it_is_told_after_the_ring_that_came_to_nothing_and_not_after_a_talk() {
    let mut call = Script::ringing(AnswerMode::AtOnce);
    assert!(call.tell(Input::IncidentHolds(notice())).is_empty());
    call.tell(Input::AgentRefused {
        leg: LegId(101),
        why: Refused::Busy,
    });
    let said = call.tell(Input::Verb(Answer::Done));
    assert!(plays(&said, Phrase::Incident(None)), "{said:?}");

    let mut call = Script::ringing(AnswerMode::AtOnce);
    call.tell(Input::IncidentHolds(notice()));
    call.tell(Input::AgentPickedUp { leg: LegId(101) });
    call.tell(Input::Verb(Answer::Done));
    call.tell(Input::TakenFromAgent);
    assert!(
        !plays(&call.said, Phrase::Incident(None)),
        "{:?}",
        call.said
    );
}

#[test]
fn the_keys_are_of_what_was_offered_last() {
    let mut call = Script::offering_call_backs();
    call.tell(Input::IncidentHolds(notice()));
    assert!(
        call.tell(Input::MayCallBack).is_empty(),
        "it is not talked over"
    );
    call.tell(Input::PlayEnded(MESSAGE));
    let said = call.tell(Input::MayCallBack);
    assert!(plays(&said, Phrase::CallBackOffer), "{said:?}");
    let said = call.tell(Input::CallerDigit('1'));
    assert!(plays(&said, Phrase::CallBackNumber), "{said:?}");
    // Who keys a number in hears of the next one afterwards.
    let other = IncidentNotice {
        incident: IncidentId::new("i2"),
        ..notice()
    };
    assert!(call.tell(Input::IncidentHolds(other)).is_empty());
    let said = call.tell(Input::CallerDigit('*'));
    assert!(plays(&said, Phrase::Incident(None)), "{said:?}");
}

#[test]
fn who_pays_nothing_for_waiting_hears_it_in_the_line_in_early_media() {
    let mut call = Script::waiting(AnswerMode::AtAgent);
    let said = call.tell(Input::IncidentHolds(notice()));
    assert!(
        said.iter().any(|command| matches!(
            command,
            Command::Voice(CallCommand::OpenEarly { leg: CALLER })
        )),
        "{said:?}"
    );
    assert!(plays(&call.tell(Input::EarlyOpen), Phrase::Incident(None)));
    call.tell(Input::CallerDigit('2'));
    call.tell(Input::Verb(Answer::Done));
    let said = call.tell(Input::PlayEnded(THANKS));
    assert!(
        said.iter().any(|command| matches!(
            command,
            Command::Voice(CallCommand::Reject { reject, .. }) if reject.status == 480
        )),
        "{said:?}"
    );
}
