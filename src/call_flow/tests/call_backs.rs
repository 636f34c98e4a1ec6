//! Call-backs: the agent is rung first, then the caller.

use super::*;

/// A call-back whose agent is rung.
pub(super) fn ringing_the_agent(tries_left: u32) -> (CallBackFlow, Instant) {
    ringing_the_agent_of(tries_left, &line_rules())
}

fn ringing_the_agent_of(tries_left: u32, line: &LineRules) -> (CallBackFlow, Instant) {
    let Input::Offered(offer) = offer(1) else {
        panic!("an offer")
    };
    let mut flow = CallBackFlow::new(CallBackPlan {
        contact: ContactId::from_u128(8),
        line: QueueId::new("support"),
        offer,
        caller_leg: CALLER,
        number: "+886912345678".into(),
        ticket: None,
        rings_for: Duration::from_secs(30),
        tries_left,
        asks_how_it_went: line.asks_how_it_went,
    });
    let now = Instant::now();
    let mut out = Vec::new();
    flow.start(&mut out);
    for input in [
        Input::Identified(known()),
        Input::TicketLinked(Some(ticket())),
    ] {
        flow.handle(now, input, &mut out);
    }
    assert!(matches!(
        out.last(),
        Some(Command::RingAgent { leg: AGENT, .. })
    ));
    (flow, now)
}

/// A call-back whose agent has picked up and whose caller is rung.
fn calling_back(tries_left: u32) -> (CallBackFlow, Instant) {
    calling_back_of(tries_left, &line_rules())
}

fn calling_back_of(tries_left: u32, line: &LineRules) -> (CallBackFlow, Instant) {
    let (mut flow, now) = ringing_the_agent_of(tries_left, line);
    let mut out = Vec::new();
    for input in [
        Input::AgentPickedUp { leg: AGENT },
        Input::Verb(Answer::Done),
    ] {
        flow.handle(now, input, &mut out);
    }
    assert!(matches!(
        out.last(),
        Some(Command::CallCaller { leg: CALLER, .. })
    ));
    (flow, now)
}

fn tell_call_back(flow: &mut CallBackFlow, now: Instant, input: Input) -> Vec<Command> {
    let mut out = Vec::new();
    flow.handle(now, input, &mut out);
    out
}

#[test]
fn a_call_back_joins_agent_and_caller_and_ends_with_either() {
    let (mut flow, now) = calling_back(3);
    let said = tell_call_back(&mut flow, now, Input::AgentPickedUp { leg: CALLER });
    assert!(said.iter().any(|c| matches!(c, Command::CallBackTalks)));
    assert!(said.iter().any(|c| matches!(
        c,
        Command::Voice(CallCommand::Bridge {
            a: CALLER,
            b: AGENT
        })
    )));
    let later = now + Duration::from_secs(60);
    let said = tell_call_back(&mut flow, later, Input::CallerEnded(LegEnd::HungUp));
    assert!(hangs_up(&said, AGENT));
    assert!(matches!(
        &verbs(&said)[..],
        [Verb::Complete { by: EndedBy::Caller, talk, .. }] if talk.as_secs() == 60
    ));
    let said = tell_call_back(&mut flow, later, Input::Verb(Answer::Done));
    assert_eq!(closing(&said), Some(ContactResult::Answered));
    assert!(flow.is_over());
}

/// A call-back whose agent has hung up on the caller, in a line that asks.
fn agent_hung_up() -> (CallBackFlow, Instant) {
    let line = LineRules {
        asks_how_it_went: true,
        ..line_rules()
    };
    let (mut flow, now) = calling_back_of(3, &line);
    tell_call_back(&mut flow, now, Input::AgentPickedUp { leg: CALLER });
    let gone = Input::AgentEnded {
        leg: AGENT,
        how: LegEnd::HungUp,
    };
    let said = tell_call_back(&mut flow, now, gone);
    assert!(matches!(&verbs(&said)[..], [Verb::Complete { .. }]));
    assert!(!hangs_up(&said, CALLER), "{said:?}");
    (flow, now)
}

#[test]
fn who_was_called_back_is_asked_how_it_went_when_the_agent_is_free() {
    let (mut flow, now) = agent_hung_up();
    let said = tell_call_back(&mut flow, now, Input::Verb(Answer::Done));
    assert!(plays(&said, Phrase::HowItWent), "{said:?}");
    let said = tell_call_back(&mut flow, now, Input::CallerDigit('3'));
    assert!(
        matches!(said[0], Command::KeepScore { score: 3 }),
        "{said:?}"
    );
    assert!(plays(&said, Phrase::ThankYou), "{said:?}");
    assert!(tell_call_back(&mut flow, now, Input::CallerDigit('1')).is_empty());
    let due = flow.next_timeout().unwrap();
    let mut said = Vec::new();
    flow.handle_timeout(due, &mut said);
    assert!(hangs_up(&said, CALLER));
    assert_eq!(closing(&said), Some(ContactResult::Answered));
    assert!(flow.is_over());
}

#[test]
fn who_was_called_back_and_is_gone_is_asked_nothing_and_nobody_is_left_on_the_line() {
    let hung_up = || Input::CallerEnded(LegEnd::HungUp);
    // Before the desk has answered, and while the question is asked.
    let (mut flow, now) = agent_hung_up();
    assert!(tell_call_back(&mut flow, now, hung_up()).is_empty());
    let said = tell_call_back(&mut flow, now, Input::Verb(Answer::Done));
    assert!(!plays(&said, Phrase::HowItWent), "{said:?}");
    assert_eq!(closing(&said), Some(ContactResult::Answered));
    let (mut flow, now) = agent_hung_up();
    tell_call_back(&mut flow, now, Input::Verb(Answer::Done));
    let said = tell_call_back(&mut flow, now, hung_up());
    assert_eq!(closing(&said), Some(ContactResult::Answered));
    // The desk has given the contact to somebody else, or the gateway stops.
    let reason = Refusal::StaleOffer;
    for input in [
        Input::Verb(Answer::Refused { reason }),
        Input::Shutdown,
        Input::Superseded,
    ] {
        let (mut flow, now) = agent_hung_up();
        let said = tell_call_back(&mut flow, now, input);
        assert!(hangs_up(&said, CALLER), "{said:?}");
        let (mut flow, now) = agent_hung_up();
        tell_call_back(&mut flow, now, Input::Verb(Answer::Done));
        let said = tell_call_back(&mut flow, now, Input::Shutdown);
        assert!(hangs_up(&said, CALLER), "{said:?}");
        assert!(flow.is_over());
    }
}

#[test]
fn a_caller_who_is_not_reached_leaves_the_line_until_the_next_try() {
    for (tries_left, result) in [(3, ContactResult::CallBack), (1, ContactResult::FlowedOut)] {
        let (mut flow, now) = calling_back(tries_left);
        let busy = Input::AgentRefused {
            leg: CALLER,
            why: Refused::Busy,
        };
        let said = tell_call_back(&mut flow, now, busy);
        assert!(hangs_up(&said, AGENT));
        assert!(matches!(&verbs(&said)[..], [Verb::Requeue { .. }]));
        let said = tell_call_back(&mut flow, now, Input::Verb(Answer::Done));
        assert!(matches!(&verbs(&said)[..], [Verb::FlowOut { .. }]));
        let said = tell_call_back(&mut flow, now, Input::Verb(Answer::Done));
        assert!(said.iter().any(|c| matches!(c, Command::CallBackMissed)));
        assert_eq!(closing(&said), Some(result));
    }
}

#[test]
fn an_agent_who_hangs_up_before_the_caller_answers_gives_the_call_back_back() {
    let (mut flow, now) = calling_back(3);
    let gone = Input::AgentEnded {
        leg: AGENT,
        how: LegEnd::HungUp,
    };
    let said = tell_call_back(&mut flow, now, gone);
    assert!(hangs_up(&said, CALLER));
    let said = tell_call_back(&mut flow, now, Input::Verb(Answer::Done));
    assert!(matches!(said[..], [Command::StandAside]));
}

#[test]
fn a_call_that_is_moved_stops_ringing_and_follows_its_new_line() {
    let mut call = Script::ringing(AnswerMode::AtOnce);
    let said = call.tell(Input::Moved(QueueId::new("night")));
    assert!(hangs_up(&said, AGENT));
    assert_eq!(call.flow.line().as_str(), "night");
    // That line announces nothing, and its longest wait counts from now.
    assert!(call.pass(Duration::from_secs(599)).is_empty());
    assert!(matches!(
        &verbs(&call.pass(Duration::from_secs(1)))[..],
        [Verb::FlowOut { .. }]
    ));
}

#[test]
fn a_way_out_into_another_line_is_one_step() {
    let mut line = line_rules();
    line.announce_every = None;
    line.ways_out.waited.then = Then::Queue(QueueId::new("night"));
    let waited = || {
        let mut call = Script::begin(rules_with(AnswerMode::AtOnce, line.clone()));
        call.tell(Input::CallerAnswered);
        call.tell(Input::Identified(known()));
        call.tell(Input::TicketLinked(None));
        call.tell(Input::Verb(Answer::Done));
        let said = call.pass(Duration::from_secs(600));
        assert!(matches!(&said[..], [Command::Move { to }] if to.as_str() == "night"));
        call
    };
    let mut call = waited();
    call.tell(Input::Verb(Answer::Done));
    assert!(
        call.pass(Duration::from_secs(599)).is_empty(),
        "the wait counts anew"
    );
    assert!(
        call.tell(Input::Moved(QueueId::new("night")))
            .iter()
            .all(|c| !asks_desk(c))
    );
    // A line that does not take it: the caller hears why, and is not sent there again.
    let mut call = waited();
    let said = call.tell(Input::Verb(Answer::Refused {
        reason: Refusal::QueueFull,
    }));
    assert!(matches!(&verbs(&said)[..], [Verb::FlowOut { .. }]));
    call.tell(Input::Verb(Answer::Done));
    assert!(hangs_up(&call.tell(Input::PlayEnded(PlayId(4))), CALLER));
}

#[test]
fn a_call_that_is_dropped_or_taken_back_leaves_its_agent_at_once() {
    let mut call = Script::ringing(AnswerMode::AtOnce);
    let said = call.tell(Input::Dropped);
    assert!(hangs_up(&said, AGENT));
    call.tell(Input::Verb(Answer::Done));
    let said = call.tell(Input::PlayEnded(PlayId(4)));
    assert_eq!(closing(&said), Some(ContactResult::FlowedOut));

    let mut call = Script::ringing(AnswerMode::AtOnce);
    assert!(hangs_up(&call.tell(Input::TakenFromAgent), AGENT));
    call.tell(offer(2));
    call.tell(Input::AgentPickedUp { leg: LegId(102) });
    call.tell(Input::Verb(Answer::Done));
    let said = call.tell(Input::TakenFromAgent);
    assert!(hangs_up(&said, LegId(102)));
    assert!(plays(&said, Phrase::AgentLost));
    assert!(verbs(&said).is_empty(), "the desk did it already");
}

#[test]
fn a_call_back_that_is_taken_away_ends_on_both_sides_and_tells_the_desk_nothing() {
    for talks in [false, true] {
        let (mut flow, now) = calling_back(3);
        if talks {
            tell_call_back(&mut flow, now, Input::AgentPickedUp { leg: CALLER });
        }
        let said = tell_call_back(&mut flow, now, Input::TakenFromAgent);
        assert!(
            hangs_up(&said, AGENT) && hangs_up(&said, CALLER),
            "{said:?}"
        );
        assert!(matches!(said.last(), Some(Command::StandAside)), "{said:?}");
        assert!(verbs(&said).is_empty() && flow.is_over(), "{said:?}");
        let said = tell_call_back(&mut flow, now, Input::CallerEnded(LegEnd::HungUp));
        assert!(said.is_empty(), "{said:?}");
    }
}

#[test]
fn a_call_back_that_is_begun_anew_here_leaves_nobody_on_the_line_of_the_old_one() {
    let (mut rings, now) = ringing_the_agent(3);
    let said = tell_call_back(&mut rings, now, Input::Superseded);
    assert!(hangs_up(&said, AGENT), "{said:?}");
    assert!(matches!(said.last(), Some(Command::StandAside)), "{said:?}");
    for talks in [false, true] {
        let (mut flow, now) = calling_back(3);
        if talks {
            tell_call_back(&mut flow, now, Input::AgentPickedUp { leg: CALLER });
        }
        let said = tell_call_back(&mut flow, now, Input::Superseded);
        assert!(
            hangs_up(&said, AGENT) && hangs_up(&said, CALLER),
            "{said:?}"
        );
        assert!(matches!(said.last(), Some(Command::StandAside)), "{said:?}");
        assert!(verbs(&said).is_empty() && flow.is_over(), "{said:?}");
    }
}

#[test]
fn a_call_back_that_is_cancelled_while_its_agent_is_rung_stops_the_ring() {
    let (mut flow, now) = ringing_the_agent(3);
    let said = tell_call_back(&mut flow, now, Input::Dropped);
    assert!(hangs_up(&said, AGENT));
    assert!(matches!(said.last(), Some(Command::StandAside)));
    assert!(verbs(&said).is_empty(), "the desk did it already");
    assert!(flow.is_over());
}
