//! A desk that cannot be asked: no verb is lost, and nobody waits for ever.

use super::*;

/// Has the flow lose what it has asked this often, asking again each time; what it asks in the end.
fn lose(call: &mut Script, times: usize) -> Vec<Command> {
    let mut said = Vec::new();
    for _ in 0..times {
        assert!(asks_nothing(&call.tell(Input::DeskLost)));
        assert!(asks_nothing(&call.pass(Duration::from_millis(49))));
        said = call.pass(Duration::from_secs(5));
    }
    said
}

fn asks_nothing(said: &[Command]) -> bool {
    !said.iter().any(asks_desk)
}

fn refused(reason: Refusal) -> Input {
    Input::Verb(Answer::Refused { reason })
}

#[test]
fn the_desk_is_asked_again_after_a_pause_that_doubles_to_five_seconds() {
    let mut call = Script::waiting(AnswerMode::AtOnce);
    let asked = verbs(&call.tell(Input::CallerEnded(LegEnd::HungUp)));
    assert!(matches!(asked[..], [Verb::Abandon { .. }]));
    let mut pauses = Vec::new();
    for _ in 0..10 {
        assert!(call.tell(Input::DeskLost).is_empty());
        let due = call.flow.next_timeout().expect("it is asked again");
        pauses.push((due - call.now).as_millis());
        assert_eq!(verbs(&call.pass(due - call.now)), asked);
        assert_eq!(call.flow.next_timeout(), None);
    }
    assert_eq!(
        pauses,
        [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]
    );
    let said = call.tell(Input::Verb(Answer::Done));
    assert_eq!(closing(&said), Some(ContactResult::Abandoned));
}

#[test]
fn an_end_after_a_talk_is_told_until_the_desk_has_it() {
    let mut call = Script::ringing(AnswerMode::AtOnce);
    call.tell(Input::AgentPickedUp { leg: LegId(101) });
    call.tell(Input::Verb(Answer::Done));
    let ended = verbs(&call.tell(Input::CallerEnded(LegEnd::HungUp)));
    assert!(matches!(ended[..], [Verb::Complete { .. }]));
    assert_eq!(verbs(&lose(&mut call, 30)), ended);
    let said = call.tell(Input::Verb(Answer::Done));
    assert_eq!(closing(&said), Some(ContactResult::Answered));
}

#[test]
fn a_caller_leaves_the_line_only_when_the_desk_knows() {
    let mut call = Script::waiting(AnswerMode::AtOnce);
    let out = verbs(&call.tell(Input::LineClosed(Refusing::Emergency)));
    assert!(matches!(out[..], [Verb::FlowOut { .. }]));
    assert_eq!(verbs(&lose(&mut call, 30)), out);
    let said = call.tell(Input::Verb(Answer::Done));
    assert!(plays(&said, Phrase::Reason(Refusing::Emergency)));
}

#[test]
fn a_call_that_cannot_be_brought_into_the_line_fails_with_a_clear_status() {
    let mut call = Script::begin(rules(AnswerMode::AtAgent));
    call.tell(Input::Identified(known()));
    call.tell(Input::TicketLinked(None));
    let said = lose(&mut call, 5);
    assert!(matches!(said[..], [Command::Enqueue { .. }]));
    // The desk is told that it is not in the line, in case it is.
    let said = call.tell(Input::DeskLost);
    assert!(matches!(&verbs(&said)[..], [Verb::FlowOut { to, .. }] if to == "desk_fault"));
    assert!(plays(
        &call.tell(Input::EarlyOpen),
        Phrase::Reason(Refusing::Fault)
    ));
    let said = call.tell(Input::PlayEnded(PlayId(4)));
    assert!(said.iter().any(|c| matches!(
        c,
        Command::Voice(CallCommand::Reject { reject, .. }) if reject.status == 503
    )));
    let failed = |c: &Command| matches!(c, Command::Publish(EventKind::Failed { cause }) if cause == "desk_fault");
    assert_eq!(said.iter().filter(|c| failed(c)).count(), 1);
    assert_eq!(closing(&said), None);
    assert!(matches!(
        verbs(&lose(&mut call, 30))[..],
        [Verb::FlowOut { .. }]
    ));
    let said = call.tell(refused(Refusal::UnknownContact));
    assert_eq!(closing(&said), Some(ContactResult::Failed));
}

#[test]
fn a_caller_who_left_before_the_line_could_be_entered_has_abandoned() {
    let mut call = Script::begin(rules(AnswerMode::AtAgent));
    call.tell(Input::Identified(known()));
    call.tell(Input::TicketLinked(None));
    call.tell(Input::CallerEnded(LegEnd::Cancelled));
    lose(&mut call, 5);
    let said = call.tell(Input::DeskLost);
    assert!(matches!(verbs(&said)[..], [Verb::Abandon { .. }]));
    let said = call.tell(refused(Refusal::UnknownContact));
    assert_eq!(closing(&said), Some(ContactResult::Abandoned));
}

#[test]
fn an_answer_that_cannot_be_committed_is_stale_and_the_caller_keeps_the_place() {
    let mut call = Script::ringing(AnswerMode::AtOnce);
    call.tell(offer_to("bob", 2));
    call.tell(Input::AgentPickedUp { leg: LegId(101) });
    let said = lose(&mut call, 2);
    assert!(matches!(verbs(&said)[..], [Verb::Accept { .. }]));
    let said = call.tell(Input::DeskLost);
    assert!(hangs_up(&said, LegId(101)) && hangs_up(&said, LegId(102)));
    let token = Some(OfferToken::new(1));
    assert!(matches!(
        verbs(&said)[..],
        [Verb::Requeue { token: of, .. }] if of == token
    ));
    assert!(matches!(
        verbs(&lose(&mut call, 30))[..],
        [Verb::Requeue { .. }]
    ));
    call.tell(Input::Verb(Answer::Done));
    assert!(matches!(
        call.tell(offer(3))[..],
        [Command::RingAgent { .. }]
    ));
}

#[test]
fn a_call_back_asks_again_as_well_and_gives_the_contact_back_when_its_answer_is_not_taken() {
    let (mut flow, mut now) = call_backs::ringing_the_agent(3);
    let mut out = Vec::new();
    flow.handle(now, Input::AgentPickedUp { leg: AGENT }, &mut out);
    for _ in 0..2 {
        out.clear();
        flow.handle(now, Input::DeskLost, &mut out);
        assert!(out.is_empty());
        now = flow.next_timeout().expect("it is asked again");
        flow.handle_timeout(now, &mut out);
        assert!(matches!(verbs(&out)[..], [Verb::Accept { .. }]));
    }
    out.clear();
    flow.handle(now, Input::DeskLost, &mut out);
    assert!(hangs_up(&out, AGENT));
    assert!(matches!(
        verbs(&out)[..],
        [Verb::Requeue { token: Some(_), .. }]
    ));
    for _ in 0..30 {
        out.clear();
        flow.handle(now, Input::DeskLost, &mut out);
        now = flow.next_timeout().expect("it is asked again");
        flow.handle_timeout(now, &mut out);
        assert!(matches!(verbs(&out)[..], [Verb::Requeue { .. }]));
    }
    flow.handle(now, Input::Verb(Answer::Done), &mut out);
    assert!(flow.is_over());
}
