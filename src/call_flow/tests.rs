//! The races of one call, on a virtual clock.

mod again;
mod call_backs;
mod incidents;
mod order;
mod properties;
mod ring_all;
mod survey;

use super::*;
use ringdown_routing::contact::{Needs, Priority};
use ringdown_routing::event::{ContactResult, EndedBy, EventKind, IdentifiedAs};
use ringdown_routing::ids::{AgentId, ContactId, OfferToken, QueueId, TicketId};
use ringdown_routing::verb::{Answer, DeclineReason, Refusal, RequeueReason, Verb};
use ringdown_voice::call::{CallCommand, LegEnd, LegId, Refused};
use ringdown_voice::media::PlayId;
use std::sync::Arc;
use std::time::{Duration, Instant};

const CALLER: LegId = LegId(1);

fn rules(answer: AnswerMode) -> NumberRules {
    rules_with(answer, line_rules())
}

fn rules_with(answer: AnswerMode, line: LineRules) -> NumberRules {
    let night = LineRules {
        announce_every: None,
        ..line_rules()
    };
    let lines = [("support", line), ("night", night)];
    NumberRules {
        queue: QueueId::new("support"),
        answer,
        greeting: Some(Phrase::Greeting),
        ask_ticket: None,
        needs: Needs::default(),
        agent: None,
        lines: Arc::new(
            lines
                .into_iter()
                .map(|(queue, rules)| (QueueId::new(queue), Arc::new(rules)))
                .collect(),
        ),
    }
}

fn line_rules() -> LineRules {
    LineRules {
        announce_every: Some(Duration::from_secs(30)),
        music: Some(Phrase::Music),
        wait_max: Duration::from_secs(600),
        priority_by_class: [Priority(20), Priority(10), Priority(0), Priority(0)],
        needs: Needs::default(),
        affinity: None,
        needs_agents: false,
        at_closing: AtClosing::Stay,
        offers_call_back: false,
        asks_how_it_went: false,
        ways_out: WaysOut::default(),
    }
}

/// One flow with its clock and everything it ordered so far.
struct Script {
    flow: Flow,
    now: Instant,
    said: Vec<Command>,
}

impl Script {
    fn begin(rules: NumberRules) -> Self {
        let mut flow = Flow::new(ContactId::from_u128(7), CALLER, LegId(2), Arc::new(rules));
        let mut said = Vec::new();
        flow.start(&mut said);
        Self {
            flow,
            now: Instant::now(),
            said,
        }
    }

    /// A call that was answered, identified, ticketed and stands in the line.
    fn waiting(answer: AnswerMode) -> Self {
        let mut script = Self::begin(rules(answer));
        if answer == AnswerMode::AtOnce {
            script.tell(Input::CallerAnswered);
        }
        script.tell(Input::Identified(known()));
        script.tell(Input::TicketLinked(Some(ticket())));
        script.tell(Input::Verb(Answer::Done));
        script
    }

    /// One whose line offers call-backs.
    fn offering_call_backs() -> Self {
        let line = LineRules {
            offers_call_back: true,
            ..line_rules()
        };
        let mut script = Self::begin(rules_with(AnswerMode::AtOnce, line));
        script.tell(Input::CallerAnswered);
        script.tell(Input::Identified(known()));
        script.tell(Input::TicketLinked(Some(ticket())));
        script.tell(Input::Verb(Answer::Done));
        script
    }

    fn ringing(answer: AnswerMode) -> Self {
        let mut script = Self::waiting(answer);
        script.tell(offer(1));
        script
    }

    /// Gives one input and returns what it led to.
    fn tell(&mut self, input: Input) -> Vec<Command> {
        let mut out = Vec::new();
        self.flow.handle(self.now, input, &mut out);
        self.said.extend(out.iter().cloned());
        out
    }

    fn pass(&mut self, time: Duration) -> Vec<Command> {
        self.now += time;
        let mut out = Vec::new();
        self.flow.handle_timeout(self.now, &mut out);
        self.said.extend(out.iter().cloned());
        out
    }
}

fn known() -> FlowCaller {
    FlowCaller {
        outcome: IdentifiedAs::Known,
        caller: Some("p1".into_caller()),
        class: Some(1),
    }
}

trait IntoCaller {
    fn into_caller(self) -> ringdown_routing::ids::CallerId;
}

impl IntoCaller for &str {
    fn into_caller(self) -> ringdown_routing::ids::CallerId {
        ringdown_routing::ids::CallerId::new(self)
    }
}

fn ticket() -> LinkedTicket {
    LinkedTicket {
        id: TicketId::new(5),
        number: "RD-5".into(),
        is_new: true,
        rule: "new",
    }
}

fn offer(token: u64) -> Input {
    offer_to("anna", token)
}

fn offer_to(agent: &str, token: u64) -> Input {
    Input::Offered(Offer {
        token: OfferToken::new(token),
        agent: AgentId::new(agent),
        leg: LegId(100 + token),
        deadline: Instant::now() + Duration::from_secs(15),
    })
}

fn verbs(commands: &[Command]) -> Vec<Verb> {
    commands
        .iter()
        .filter_map(|command| {
            if let Command::Change(verb) = command {
                Some(verb.clone())
            } else {
                None
            }
        })
        .collect()
}

fn hangs_up(commands: &[Command], wanted: LegId) -> bool {
    commands.iter().any(
        |command| matches!(command, Command::Voice(CallCommand::HangUp { leg }) if *leg == wanted),
    )
}

fn plays(commands: &[Command], wanted: Phrase) -> bool {
    commands
        .iter()
        .any(|command| matches!(command, Command::Play { phrase, .. } if *phrase == wanted))
}

fn closing(commands: &[Command]) -> Option<ContactResult> {
    commands.iter().find_map(|command| {
        if let Command::Close(result) = command {
            Some(*result)
        } else {
            None
        }
    })
}

/// Whether a command asks the desk for an answer.
fn asks_desk(command: &Command) -> bool {
    matches!(
        command,
        Command::Change(_) | Command::Enqueue { .. } | Command::Move { .. }
    )
}

#[test]
fn a_call_goes_from_greeting_to_agent_to_end() {
    let mut call = Script::begin(rules(AnswerMode::AtOnce));
    assert!(matches!(
        call.said[..],
        [
            Command::Voice(CallCommand::Answer { leg: CALLER }),
            Command::Identify
        ]
    ));
    call.tell(Input::CallerAnswered);
    let said = call.tell(Input::Identified(known()));
    assert!(plays(&said, Phrase::Greeting));
    assert!(said.iter().any(|c| matches!(
        c,
        Command::Enqueue {
            priority: Priority(20),
            ..
        }
    )));
    call.tell(Input::TicketLinked(Some(ticket())));
    call.tell(Input::Verb(Answer::Done));
    assert!(plays(
        &call.tell(Input::PlayEnded(PlayId(1))),
        Phrase::Music
    ));
    call.now += Duration::from_secs(4);
    let said = call.tell(offer(1));
    assert!(matches!(
        said[..],
        [Command::RingAgent {
            leg: LegId(101),
            ..
        }]
    ));
    let said = call.tell(Input::AgentPickedUp { leg: LegId(101) });
    assert_eq!(
        verbs(&said),
        [Verb::Accept {
            token: OfferToken::new(1)
        }]
    );
    let said = call.tell(Input::Verb(Answer::Done));
    assert!(
        said.iter()
            .any(|c| matches!(c, Command::Voice(CallCommand::Bridge { .. })))
    );
    call.now += Duration::from_secs(60);
    let said = call.tell(Input::Held(HeldBy::Agent));
    assert!(plays(&said, Phrase::Music));
    call.now += Duration::from_secs(10);
    call.tell(Input::Resumed(HeldBy::Agent));
    call.now += Duration::from_secs(5);
    let said = call.tell(Input::AgentEnded {
        leg: LegId(101),
        how: LegEnd::HungUp,
    });
    assert!(hangs_up(&said, CALLER));
    assert_eq!(
        verbs(&said),
        [Verb::Complete {
            contact: ContactId::from_u128(7),
            by: EndedBy::Agent,
            talk: Duration::from_secs(65),
            hold: Duration::from_secs(10),
            token: Some(OfferToken::new(1)),
        }]
    );
    let said = call.tell(Input::Verb(Answer::Done));
    assert_eq!(closing(&said), Some(ContactResult::Answered));
    assert!(call.flow.is_over());
}

#[test]
fn nobody_pays_for_waiting_when_answered_at_agent() {
    let mut call = Script::ringing(AnswerMode::AtAgent);
    let answered = |said: &[Command]| {
        said.iter()
            .any(|c| matches!(c, Command::Voice(CallCommand::Answer { leg: CALLER })))
    };
    assert!(!answered(&call.said));
    call.tell(Input::AgentPickedUp { leg: LegId(101) });
    assert!(answered(&call.tell(Input::Verb(Answer::Done))));
}

#[test]
fn caller_hangs_up_while_the_phone_rings_stops_the_ring_before_abandoning() {
    let mut call = Script::ringing(AnswerMode::AtOnce);
    let said = call.tell(Input::CallerEnded(LegEnd::HungUp));
    let hung = said
        .iter()
        .position(|c| matches!(c, Command::Voice(CallCommand::HangUp { .. })));
    let told = said
        .iter()
        .position(|c| matches!(c, Command::Change(Verb::Abandon { .. })));
    assert!(hung.unwrap() < told.unwrap());
    let said = call.tell(Input::Verb(Answer::Done));
    assert_eq!(closing(&said), Some(ContactResult::Abandoned));
}

#[test]
fn caller_leaves_at_the_same_moment_as_the_answer_and_the_agent_is_freed() {
    let mut call = Script::ringing(AnswerMode::AtOnce);
    call.tell(Input::AgentPickedUp { leg: LegId(101) });
    assert!(call.tell(Input::CallerEnded(LegEnd::HungUp)).is_empty());
    let said = call.tell(Input::Verb(Answer::Done));
    assert!(hangs_up(&said, LegId(101)));
    assert!(matches!(
        verbs(&said)[..],
        [Verb::Complete {
            by: EndedBy::Caller,
            ..
        }]
    ));
}

#[test]
fn an_answer_that_comes_too_late_is_hung_up_and_the_caller_keeps_waiting() {
    let mut call = Script::ringing(AnswerMode::AtOnce);
    call.tell(Input::AgentPickedUp { leg: LegId(101) });
    let said = call.tell(Input::Verb(Answer::Refused {
        reason: Refusal::StaleOffer,
    }));
    assert!(hangs_up(&said, LegId(101)));
    assert!(matches!(
        call.tell(offer(2))[..],
        [Command::RingAgent {
            leg: LegId(102),
            ..
        }]
    ));
}

#[test]
fn a_phone_that_nobody_answers_puts_the_caller_back_and_the_next_is_rung() {
    let mut call = Script::ringing(AnswerMode::AtOnce);
    let said = call.tell(Input::AgentRefused {
        leg: LegId(101),
        why: Refused::NoAnswer,
    });
    assert_eq!(
        verbs(&said),
        [Verb::RingTimeout {
            token: OfferToken::new(1)
        }]
    );
    // The stream is faster than the verb's answer.
    assert!(call.tell(offer(2)).is_empty());
    assert!(matches!(
        call.tell(Input::Verb(Answer::Done))[..],
        [Command::RingAgent {
            leg: LegId(102),
            ..
        }]
    ));
}

#[test]
fn an_agent_who_hangs_up_before_the_bridge_gives_the_caller_the_place_back() {
    let mut call = Script::ringing(AnswerMode::AtOnce);
    call.tell(Input::AgentPickedUp { leg: LegId(101) });
    call.tell(Input::AgentEnded {
        leg: LegId(101),
        how: LegEnd::HungUp,
    });
    let said = call.tell(Input::Verb(Answer::Done));
    assert!(matches!(verbs(&said)[..], [Verb::Requeue { .. }]));
    call.tell(Input::Verb(Answer::Done));
    assert!(matches!(
        call.tell(offer(2))[..],
        [Command::RingAgent { .. }]
    ));
}

#[test]
fn a_lapsed_offer_stops_the_ring() {
    let mut call = Script::ringing(AnswerMode::AtOnce);
    let said = call.tell(Input::OfferLapsed {
        token: OfferToken::new(1),
    });
    assert!(hangs_up(&said, LegId(101)));
    // The phone answered just then: nobody is there for it.
    let said = call.tell(Input::AgentPickedUp { leg: LegId(101) });
    assert!(hangs_up(&said, LegId(101)));
    assert!(verbs(&said).is_empty());
}

#[test]
fn a_phone_out_of_reach_is_not_rung_to_the_end_and_the_caller_goes_to_the_next() {
    let mut call = Script::ringing(AnswerMode::AtOnce);
    let gone = |name| Input::AgentGone {
        agent: AgentId::new(name),
    };
    assert!(call.tell(gone("bob")).is_empty());
    let said = call.tell(gone("anna"));
    assert!(hangs_up(&said, LegId(101)));
    assert_eq!(
        verbs(&said),
        [Verb::Decline {
            token: OfferToken::new(1),
            reason: DeclineReason::Unreachable,
        }]
    );
    // The end of the leg that was hung up is no second refusal.
    let refused = Input::AgentRefused {
        leg: LegId(101),
        why: Refused::NoAnswer,
    };
    assert!(call.tell(refused).is_empty());
    call.tell(Input::Verb(Answer::Done));
    assert!(matches!(
        call.tell(offer(2))[..],
        [Command::RingAgent { .. }]
    ));
}

#[test]
fn a_phone_that_was_picked_up_just_before_it_went_out_of_reach_keeps_its_call() {
    let mut call = Script::ringing(AnswerMode::AtOnce);
    call.tell(Input::AgentPickedUp { leg: LegId(101) });
    let gone = Input::AgentGone {
        agent: AgentId::new("anna"),
    };
    assert!(call.tell(gone).is_empty());
    let said = call.tell(Input::Verb(Answer::Done));
    assert!(
        said.iter()
            .any(|c| matches!(c, Command::Voice(CallCommand::Bridge { .. })))
    );
}

#[test]
fn a_slow_ticket_costs_no_place_and_the_ring_waits_for_its_number() {
    let mut call = Script::begin(rules(AnswerMode::AtOnce));
    call.tell(Input::CallerAnswered);
    let said = call.tell(Input::Identified(known()));
    assert!(matches!(
        said[said.len() - 2..],
        [Command::LinkTicket { .. }, Command::Enqueue { .. }]
    ));
    call.tell(Input::Verb(Answer::Done));
    assert!(call.tell(offer(1)).is_empty());
    let said = call.tell(Input::TicketLinked(Some(ticket())));
    assert!(matches!(
        said[..],
        [
            Command::Publish(EventKind::TicketLinked { .. }),
            Command::RingAgent { .. }
        ]
    ));
}

#[test]
fn an_agent_reserved_before_the_ticket_is_there_is_freed_by_whatever_comes_first() {
    let reserved = || {
        let mut call = Script::begin(rules(AnswerMode::AtOnce));
        call.tell(Input::Identified(known()));
        call.tell(Input::Verb(Answer::Done));
        assert!(call.tell(offer(1)).is_empty());
        call
    };
    let gone = Input::AgentGone {
        agent: AgentId::new("anna"),
    };
    assert!(matches!(
        verbs(&reserved().tell(gone))[..],
        [Verb::Decline { .. }]
    ));
    let left = Input::CallerEnded(LegEnd::HungUp);
    assert!(matches!(
        verbs(&reserved().tell(left))[..],
        [Verb::Abandon { .. }]
    ));
    let mut lapsed = reserved();
    let token = OfferToken::new(1);
    assert!(lapsed.tell(Input::OfferLapsed { token }).is_empty());
    assert!(lapsed.tell(Input::TicketLinked(None)).is_empty());
    assert!(matches!(
        lapsed.tell(offer(2))[..],
        [Command::RingAgent { .. }]
    ));
}

#[test]
fn a_caller_who_leaves_while_being_identified_ends_once_with_a_ticket() {
    let mut call = Script::begin(rules(AnswerMode::AtAgent));
    let said = call.tell(Input::CallerEnded(LegEnd::Cancelled));
    assert!(matches!(said[..], [Command::LinkTicket { keyed_in: None }]));
    // The CMS answers after all: it is noted, and nothing begins.
    let said = call.tell(Input::Identified(known()));
    assert!(matches!(
        said[..],
        [Command::Publish(EventKind::Identified { .. })]
    ));
    let said = call.tell(Input::TicketLinked(Some(ticket())));
    assert!(matches!(
        said[..],
        [
            Command::Publish(EventKind::TicketLinked { .. }),
            Command::Publish(EventKind::Closed {
                result: ContactResult::Abandoned
            }),
            Command::Close(ContactResult::Abandoned)
        ]
    ));
}

#[test]
fn a_full_queue_is_spoken_in_early_media_and_refused() {
    let mut call = Script::begin(rules(AnswerMode::AtAgent));
    call.tell(Input::Identified(known()));
    call.tell(Input::TicketLinked(None));
    let said = call.tell(Input::Verb(Answer::Refused {
        reason: Refusal::QueueFull,
    }));
    assert!(matches!(
        said[..],
        [Command::Voice(CallCommand::OpenEarly { .. })]
    ));
    assert!(plays(
        &call.tell(Input::EarlyOpen),
        Phrase::Reason(Refusing::Full)
    ));
    let said = call.tell(Input::PlayEnded(PlayId(4)));
    assert!(said.iter().any(|c| matches!(
        c,
        Command::Voice(CallCommand::Reject { reject, .. }) if reject.status == 486
    )));
    assert_eq!(closing(&said), Some(ContactResult::Blocked));
}

#[test]
fn a_closed_queue_with_a_way_out_enters_the_other_queue() {
    let mut line = line_rules();
    line.ways_out.closed = WayOut {
        say: None,
        then: Then::Queue(QueueId::new("night")),
    };
    let mut call = Script::begin(rules_with(AnswerMode::AtOnce, line));
    call.tell(Input::CallerAnswered);
    call.tell(Input::Identified(known()));
    call.tell(Input::TicketLinked(None));
    let said = call.tell(Input::Verb(Answer::Refused {
        reason: Refusal::QueueClosed,
    }));
    assert!(plays(&said, Phrase::Reason(Refusing::Closed)));
    let said = call.tell(Input::PlayEnded(PlayId(4)));
    assert!(
        said.iter()
            .any(|c| matches!(c, Command::Enqueue { queue, .. } if queue.as_str() == "night"))
    );
    // That one is closed too, and has no way out.
    call.tell(Input::LineChosen(QueueId::new("night")));
    call.tell(Input::Verb(Answer::Refused {
        reason: Refusal::QueueClosed,
    }));
    assert!(hangs_up(&call.tell(Input::PlayEnded(PlayId(4))), CALLER));
}

#[test]
fn a_wait_that_is_too_long_flows_out_to_the_other_number() {
    let mut line = line_rules();
    line.announce_every = None;
    line.ways_out.waited = WayOut {
        say: None,
        then: Then::Transfer("+886223450000".into()),
    };
    let mut call = Script::begin(rules_with(AnswerMode::AtOnce, line));
    call.tell(Input::CallerAnswered);
    call.tell(Input::Identified(known()));
    call.tell(Input::TicketLinked(None));
    call.tell(Input::Verb(Answer::Done));
    assert!(call.pass(Duration::from_secs(599)).is_empty());
    let said = call.pass(Duration::from_secs(1));
    assert!(matches!(&verbs(&said)[..], [Verb::FlowOut { to, .. }] if to == "+886223450000"));
    call.tell(Input::Verb(Answer::Done));
    let said = call.tell(Input::PlayEnded(PlayId(4)));
    assert!(matches!(
        said[..],
        [Command::TransferOut { leg: LegId(2), .. }]
    ));
    let said = call.tell(Input::AgentPickedUp { leg: LegId(2) });
    assert!(matches!(
        said[..],
        [
            Command::Voice(CallCommand::StopPlay { .. }),
            Command::Voice(CallCommand::Bridge { .. })
        ]
    ));
    let said = call.tell(Input::AgentEnded {
        leg: LegId(2),
        how: LegEnd::HungUp,
    });
    assert!(hangs_up(&said, CALLER));
    assert_eq!(closing(&said), Some(ContactResult::FlowedOut));
}

#[test]
fn position_is_announced_and_music_follows() {
    let mut call = Script::waiting(AnswerMode::AtOnce);
    assert!(call.pass(Duration::from_secs(29)).is_empty());
    assert!(plays(&call.pass(Duration::from_secs(1)), Phrase::Position));
    assert!(plays(
        &call.tell(Input::PlayEnded(PlayId(3))),
        Phrase::Music
    ));
}

#[test]
fn a_ticket_number_is_keyed_in() {
    let mut rules = rules(AnswerMode::AtOnce);
    rules.ask_ticket = Some(Duration::from_secs(8));
    let mut call = Script::begin(rules);
    call.tell(Input::CallerAnswered);
    assert!(plays(
        &call.tell(Input::Identified(known())),
        Phrase::AskTicket
    ));
    for digit in "9*42".chars() {
        call.tell(Input::CallerDigit(digit));
    }
    let said = call.tell(Input::CallerDigit('#'));
    assert!(
        said.iter()
            .any(|c| matches!(c, Command::LinkTicket { keyed_in: Some(digits) } if digits == "42"))
    );
}

#[test]
fn a_lost_desk_costs_no_call() {
    let mut call = Script::ringing(AnswerMode::AtOnce);
    call.tell(Input::AgentPickedUp { leg: LegId(101) });
    assert!(call.tell(Input::DeskLost).is_empty());
    let said = call.pass(Duration::from_millis(50));
    assert!(matches!(verbs(&said)[..], [Verb::Accept { .. }]));
    // A node that has lost its store answers by itself.
    let said = call.tell(Input::Verb(Answer::Done));
    assert!(
        said.iter()
            .any(|c| matches!(c, Command::Voice(CallCommand::Bridge { .. })))
    );
    call.tell(Input::CallerEnded(LegEnd::HungUp));
    assert!(closing(&call.tell(Input::DeskLost)).is_none());
    call.pass(Duration::from_millis(50));
    assert!(closing(&call.tell(Input::Verb(Answer::Done))).is_some());
}

#[test]
fn a_cms_that_comes_back_late_is_noted_without_a_second_ticket() {
    let mut call = Script::waiting(AnswerMode::AtOnce);
    let said = call.tell(Input::Identified(known()));
    assert!(matches!(
        said[..],
        [Command::Publish(EventKind::Identified { .. })]
    ));
}

#[test]
fn lines_that_lead_to_each_other_do_not_keep_a_call_for_ever() {
    let mut line = line_rules();
    line.ways_out.closed.then = Then::Queue(QueueId::new("support"));
    let mut call = Script::begin(rules_with(AnswerMode::AtOnce, line));
    call.tell(Input::CallerAnswered);
    call.tell(Input::Identified(known()));
    call.tell(Input::TicketLinked(None));
    let mut tries = 0;
    while !call.flow.is_over() {
        tries += 1;
        assert!(tries < 20);
        call.tell(Input::NotTaken(Refusing::Closed));
        call.tell(Input::PlayEnded(PlayId(4)));
    }
    assert_eq!(closing(&call.said), Some(ContactResult::Blocked));
}

#[test]
fn an_emergency_takes_waiting_calls_out_of_the_line_and_spares_talks() {
    let mut call = Script::waiting(AnswerMode::AtOnce);
    let said = call.tell(Input::LineClosed(Refusing::Emergency));
    assert!(matches!(&verbs(&said)[..], [Verb::FlowOut { .. }]));
    let said = call.tell(Input::Verb(Answer::Done));
    assert!(plays(&said, Phrase::Reason(Refusing::Emergency)));
    let said = call.tell(Input::PlayEnded(PlayId(4)));
    assert!(hangs_up(&said, CALLER));
    assert_eq!(closing(&said), Some(ContactResult::FlowedOut));

    let mut talk = Script::ringing(AnswerMode::AtOnce);
    talk.tell(Input::AgentPickedUp { leg: LegId(101) });
    talk.tell(Input::Verb(Answer::Done));
    assert!(talk.tell(Input::LineClosed(Refusing::Emergency)).is_empty());
}

#[test]
fn a_line_that_closes_by_its_hours_keeps_those_who_wait_unless_it_says_otherwise() {
    let mut call = Script::waiting(AnswerMode::AtOnce);
    assert!(call.tell(Input::LineClosed(Refusing::Closed)).is_empty());

    let line = LineRules {
        at_closing: AtClosing::Leave,
        ..line_rules()
    };
    let mut call = Script::begin(rules_with(AnswerMode::AtOnce, line));
    call.tell(Input::CallerAnswered);
    call.tell(Input::Identified(known()));
    call.tell(Input::TicketLinked(Some(ticket())));
    call.tell(Input::Verb(Answer::Done));
    call.tell(offer(1));
    // While a phone rings the agent may still answer.
    assert!(call.tell(Input::LineClosed(Refusing::Closed)).is_empty());
    call.tell(Input::AgentRefused {
        leg: LegId(101),
        why: Refused::Busy,
    });
    let said = call.tell(Input::Verb(Answer::Done));
    assert!(matches!(&verbs(&said)[..], [Verb::FlowOut { .. }]));
    // What was opened again meanwhile is not left.
    call.tell(Input::Verb(Answer::Refused {
        reason: Refusal::NotWaiting,
    }));
    call.tell(offer(2));
    call.tell(Input::LineClosed(Refusing::Closed));
    call.tell(Input::LineOpened);
    call.tell(Input::AgentRefused {
        leg: LegId(102),
        why: Refused::Busy,
    });
    assert!(verbs(&call.tell(Input::Verb(Answer::Done))).is_empty());
}

#[test]
fn a_caller_keys_in_another_number_keeps_the_place_and_hangs_up() {
    let mut call = Script::offering_call_backs();
    let said = call.pass(Duration::from_secs(5));
    assert!(matches!(said[..], [Command::LookWhetherToOffer]));
    assert!(plays(&call.tell(Input::MayCallBack), Phrase::CallBackOffer));
    assert!(plays(
        &call.tell(Input::CallerDigit('1')),
        Phrase::CallBackNumber
    ));
    for digit in "0223#".chars() {
        call.tell(Input::CallerDigit(digit));
    }
    let taken = call
        .said
        .iter()
        .any(|c| matches!(c, Command::TakeCallBack { number: Some(number) } if number == "0223"));
    assert!(taken);
    // An agent who is found meanwhile is not rung: the caller has made the choice.
    assert!(verbs(&call.tell(offer(1))).is_empty());
    let said = call.tell(Input::CallBackNoted);
    assert!(matches!(&verbs(&said)[..], [Verb::FlowOut { to, .. }] if to == "call_back"));
    let said = call.tell(Input::Verb(Answer::Done));
    assert!(said.iter().any(|c| matches!(c, Command::KeepCallBack)));
    assert!(plays(&said, Phrase::Reason(Refusing::CallBack)));
    let said = call.tell(Input::PlayEnded(PlayId(4)));
    assert!(hangs_up(&said, CALLER));
    assert_eq!(closing(&said), Some(ContactResult::CallBack));
}

#[test]
fn a_call_back_that_crosses_an_answer_is_dropped() {
    let mut call = Script::offering_call_backs();
    call.tell(Input::MayCallBack);
    call.tell(Input::CallerDigit('1'));
    call.tell(Input::CallerDigit('#'));
    call.tell(Input::CallBackNoted);
    let said = call.tell(Input::Verb(Answer::Refused {
        reason: Refusal::NotWaiting,
    }));
    assert!(said.iter().any(|c| matches!(c, Command::DropCallBack)));
    // One that could not be noted leaves the caller waiting, who may choose again.
    call.tell(Input::CallerDigit('1'));
    call.tell(Input::CallerDigit('#'));
    assert!(plays(
        &call.tell(Input::CallBackRefused),
        Phrase::CallBackOffer
    ));
}

const AGENT: LegId = LegId(101);
