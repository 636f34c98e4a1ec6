//! Callers who are asked how it went.

use super::*;

/// A talk that the agent has ended, in a line that asks.
fn agent_hung_up() -> (Script, Vec<Command>) {
    let line = LineRules {
        asks_how_it_went: true,
        ..line_rules()
    };
    let mut call = Script::begin(rules_with(AnswerMode::AtOnce, line));
    call.tell(Input::CallerAnswered);
    call.tell(Input::Identified(known()));
    call.tell(Input::TicketLinked(Some(ticket())));
    call.tell(Input::Verb(Answer::Done));
    call.tell(offer(1));
    call.tell(Input::AgentPickedUp { leg: LegId(101) });
    call.tell(Input::Verb(Answer::Done));
    let said = call.tell(Input::AgentEnded {
        leg: LegId(101),
        how: LegEnd::HungUp,
    });
    (call, said)
}

fn score(commands: &[Command]) -> Option<u8> {
    commands.iter().find_map(|command| {
        if let Command::KeepScore { score } = command {
            Some(*score)
        } else {
            None
        }
    })
}

#[test]
fn the_agent_is_free_before_the_caller_is_asked() {
    let (mut call, said) = agent_hung_up();
    assert!(
        matches!(verbs(&said)[..], [Verb::Complete { .. }]),
        "{said:?}"
    );
    assert!(!hangs_up(&said, CALLER));
    let said = call.tell(Input::Verb(Answer::Done));
    assert!(plays(&said, Phrase::HowItWent), "{said:?}");
    assert_eq!(score(&call.tell(Input::CallerDigit('7'))), None);
    let said = call.tell(Input::CallerDigit('4'));
    assert_eq!(score(&said), Some(4));
    assert!(plays(&said, Phrase::ThankYou));
    assert_eq!(
        score(&call.tell(Input::CallerDigit('1'))),
        None,
        "the first word stands"
    );
    let said = call.pass(Duration::from_secs(21));
    assert!(hangs_up(&said, CALLER));
    assert_eq!(closing(&said), Some(ContactResult::Answered));
}

#[test]
fn who_hangs_up_or_keys_nothing_has_given_no_answer() {
    let (mut call, _) = agent_hung_up();
    call.tell(Input::Verb(Answer::Done));
    call.tell(Input::CallerEnded(LegEnd::HungUp));
    assert_eq!(score(&call.said), None);
    let (mut call, _) = agent_hung_up();
    call.tell(Input::Verb(Answer::Done));
    let said = call.pass(Duration::from_secs(21));
    assert!(hangs_up(&said, CALLER));
    assert_eq!(score(&call.said), None);
    // Who is gone before the desk has answered is not asked.
    let (mut call, _) = agent_hung_up();
    call.tell(Input::CallerEnded(LegEnd::HungUp));
    let said = call.tell(Input::Verb(Answer::Done));
    assert!(!plays(&said, Phrase::HowItWent));
}
