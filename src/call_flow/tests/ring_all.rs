//! Several phones ring for one call.

use super::*;

const ALL: [(&str, u64); 3] = [("anna", 1), ("bob", 2), ("cleo", 3)];

/// Three phones ring: 101, 102 and 103.
fn three_ring() -> Script {
    let mut call = Script::waiting(AnswerMode::AtOnce);
    for (agent, token) in ALL {
        let said = call.tell(offer_to(agent, token));
        assert!(matches!(said[..], [Command::RingAgent { leg, .. }] if leg == leg_of(token)));
    }
    call
}

fn leg_of(token: u64) -> LegId {
    LegId(100 + token)
}

fn token(number: u64) -> OfferToken {
    OfferToken::new(number)
}

fn picks_up(number: u64) -> Input {
    Input::AgentPickedUp {
        leg: leg_of(number),
    }
}

fn refuses(number: u64, why: Refused) -> Input {
    Input::AgentRefused {
        leg: leg_of(number),
        why,
    }
}

fn stale() -> Input {
    Input::Verb(Answer::Refused {
        reason: Refusal::StaleOffer,
    })
}

/// The legs that are told somebody else was first.
fn stood_down(commands: &[Command]) -> Vec<LegId> {
    let stood_down = commands.iter().filter_map(|command| {
        if let Command::Voice(CallCommand::StandDown { leg }) = command {
            Some(*leg)
        } else {
            None
        }
    });
    stood_down.collect()
}

fn bridged(commands: &[Command]) -> Option<LegId> {
    commands.iter().find_map(|command| {
        if let Command::Voice(CallCommand::Bridge { b, .. }) = command {
            Some(*b)
        } else {
            None
        }
    })
}

#[test]
fn one_answers_and_the_others_hear_that_it_was_answered_elsewhere() {
    let mut call = three_ring();
    let said = call.tell(picks_up(2));
    assert_eq!(verbs(&said), [Verb::Accept { token: token(2) }]);
    // Not before the desk has said who it is.
    assert_eq!(stood_down(&said), []);
    let said = call.tell(Input::Verb(Answer::Done));
    assert_eq!(stood_down(&said), [leg_of(1), leg_of(3)]);
    assert_eq!(bridged(&said), Some(leg_of(2)));
    // One of them was quicker than its CANCEL.
    assert!(hangs_up(&call.tell(picks_up(1)), leg_of(1)));
}

#[test]
fn of_two_who_answer_at_once_one_wins_and_the_other_is_hung_up() {
    let mut call = three_ring();
    call.tell(picks_up(3));
    assert!(call.tell(picks_up(1)).is_empty());
    let said = call.tell(Input::Verb(Answer::Done));
    assert_eq!(stood_down(&said), [leg_of(2), leg_of(1)]);
    assert_eq!(bridged(&said), Some(leg_of(3)));
    assert!(verbs(&said).is_empty());
}

#[test]
fn whoever_was_second_has_it_when_the_first_came_too_late() {
    let mut call = three_ring();
    call.tell(picks_up(3));
    call.tell(picks_up(1));
    let said = call.tell(stale());
    assert!(hangs_up(&said, leg_of(3)));
    assert_eq!(verbs(&said), [Verb::Accept { token: token(1) }]);
    let said = call.tell(Input::Verb(Answer::Done));
    assert_eq!(stood_down(&said), [leg_of(2)]);
    assert_eq!(bridged(&said), Some(leg_of(1)));
}

#[test]
fn who_declines_is_out_of_it_and_the_others_ring_on() {
    let mut call = three_ring();
    let said = call.tell(refuses(1, Refused::Declined { status: 603 }));
    let reason = DeclineReason::Declined;
    assert_eq!(
        verbs(&said),
        [Verb::Decline {
            token: token(1),
            reason
        }]
    );
    // One thing at a time: the next is told when the desk has answered.
    assert!(call.tell(refuses(2, Refused::Busy)).is_empty());
    assert!(call.tell(picks_up(3)).is_empty());
    let said = call.tell(Input::Verb(Answer::Done));
    let reason = DeclineReason::Busy;
    assert_eq!(
        verbs(&said),
        [Verb::Decline {
            token: token(2),
            reason
        }]
    );
    let said = call.tell(Input::Verb(Answer::Done));
    assert_eq!(verbs(&said), [Verb::Accept { token: token(3) }]);
    assert_eq!(
        bridged(&call.tell(Input::Verb(Answer::Done))),
        Some(leg_of(3))
    );
}

#[test]
fn when_nobody_answers_the_desk_hears_of_each_and_the_next_are_rung() {
    let mut call = three_ring();
    let mut told = Vec::new();
    for number in 1..=3 {
        told.extend(verbs(&call.tell(refuses(number, Refused::NoAnswer))));
    }
    for _ in 0..2 {
        told.extend(verbs(&call.tell(Input::Verb(Answer::Done))));
    }
    let timeout = |number| Verb::RingTimeout {
        token: token(number),
    };
    assert_eq!(told, [timeout(1), timeout(2), timeout(3)]);
    // The stream is faster than the last answer.
    assert!(call.tell(offer(4)).is_empty());
    assert!(call.tell(offer_to("bob", 5)).is_empty());
    let said = call.tell(Input::Verb(Answer::Done));
    assert!(matches!(
        said[..],
        [Command::RingAgent { .. }, Command::RingAgent { .. }]
    ));
}

#[test]
fn a_caller_who_hangs_up_while_three_ring_stops_them_all_first() {
    let mut call = three_ring();
    let said = call.tell(Input::CallerEnded(LegEnd::HungUp));
    assert!((1..=3).all(|number| hangs_up(&said, leg_of(number))));
    assert!(matches!(
        said.last(),
        Some(Command::Change(Verb::Abandon { .. }))
    ));

    // While the desk is being told of one, the others stop at once and the rest follows.
    let mut call = three_ring();
    call.tell(refuses(1, Refused::Busy));
    let said = call.tell(Input::CallerEnded(LegEnd::HungUp));
    assert!(hangs_up(&said, leg_of(2)) && hangs_up(&said, leg_of(3)));
    assert!(verbs(&said).is_empty());
    let said = call.tell(Input::Verb(Answer::Done));
    assert!(matches!(verbs(&said)[..], [Verb::Abandon { .. }]));
    let said = call.tell(Input::Verb(Answer::Done));
    assert_eq!(closing(&said), Some(ContactResult::Abandoned));
}

#[test]
fn a_caller_who_leaves_as_one_answers_stops_the_others_at_once() {
    let mut call = three_ring();
    call.tell(picks_up(2));
    let said = call.tell(Input::CallerEnded(LegEnd::HungUp));
    assert!(hangs_up(&said, leg_of(1)) && hangs_up(&said, leg_of(3)));
    assert!(!hangs_up(&said, leg_of(2)) && verbs(&said).is_empty());
    let said = call.tell(Input::Verb(Answer::Done));
    assert!(hangs_up(&said, leg_of(2)));
    assert!(matches!(verbs(&said)[..], [Verb::Complete { .. }]));
}

#[test]
fn a_winner_who_hangs_up_at_once_costs_the_caller_nothing_but_time() {
    let mut call = three_ring();
    call.tell(picks_up(2));
    let gone = Input::AgentEnded {
        leg: leg_of(2),
        how: LegEnd::HungUp,
    };
    call.tell(gone);
    let said = call.tell(Input::Verb(Answer::Done));
    assert!(hangs_up(&said, leg_of(1)) && hangs_up(&said, leg_of(3)));
    assert!(matches!(verbs(&said)[..], [Verb::Requeue { .. }]));
    call.tell(Input::Verb(Answer::Done));
    assert!(matches!(
        call.tell(offer(4))[..],
        [Command::RingAgent { .. }]
    ));
}

#[test]
fn an_offer_that_lapses_stops_each_phone_and_one_out_of_reach_stops_alone() {
    let mut call = three_ring();
    let gone = Input::AgentGone {
        agent: AgentId::new("bob"),
    };
    let said = call.tell(gone);
    assert!(hangs_up(&said, leg_of(2)) && !hangs_up(&said, leg_of(1)));
    assert!(matches!(verbs(&said)[..], [Verb::Decline { .. }]));
    call.tell(Input::Verb(Answer::Done));
    for number in [1, 3] {
        let lapsed = Input::OfferLapsed {
            token: token(number),
        };
        assert!(hangs_up(&call.tell(lapsed), leg_of(number)));
    }
    assert!(matches!(
        call.tell(offer(4))[..],
        [Command::RingAgent { .. }]
    ));
}

#[test]
fn all_who_were_reserved_before_the_ticket_was_there_are_rung_with_it() {
    let mut call = Script::begin(rules(AnswerMode::AtOnce));
    call.tell(Input::Identified(known()));
    call.tell(Input::Verb(Answer::Done));
    for (agent, token) in ALL {
        assert!(call.tell(offer_to(agent, token)).is_empty());
    }
    let gone = Input::AgentGone {
        agent: AgentId::new("cleo"),
    };
    assert!(matches!(
        verbs(&call.tell(gone))[..],
        [Verb::Decline { .. }]
    ));
    let said = call.tell(Input::TicketLinked(Some(ticket())));
    let rung = said
        .iter()
        .filter(|command| matches!(command, Command::RingAgent { .. }));
    assert_eq!(rung.count(), 2);
}
