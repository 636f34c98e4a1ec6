//! What holds for a call whatever comes in, in any order.

use super::*;
use proptest::prelude::*;

fn any_input() -> impl Strategy<Value = Input> {
    let leg = (100_u64..104).prop_map(LegId);
    let end = prop_oneof![
        Just(LegEnd::HungUp),
        Just(LegEnd::Cancelled),
        Just(LegEnd::Lost),
        Just(LegEnd::NotAcceptable)
    ];
    let why = prop_oneof![
        Just(Refused::NoAnswer),
        Just(Refused::Busy),
        Just(Refused::Declined { status: 603 }),
        Just(Refused::Unreachable { status: 408 })
    ];
    prop_oneof![
        Just(Input::Identified(known())),
        Just(Input::IncidentHolds(incidents::notice())),
        Just(Input::MessageKept(MessageKept::Whole(Duration::from_secs(
            1
        )))),
        Just(Input::MessageKept(MessageKept::Empty)),
        Just(Input::MessageKept(MessageKept::Failed)),
        Just(Input::TicketLinked(Some(ticket()))),
        Just(Input::Verb(Answer::Done)),
        Just(Input::Verb(Answer::Refused {
            reason: Refusal::StaleOffer
        })),
        Just(Input::DeskLost),
        (1_u64..4).prop_map(offer),
        (1_u64..4).prop_map(|token| offer_to(["bob", "cleo", "dora"][token as usize - 1], token)),
        (1_u64..4).prop_map(|token| Input::OfferLapsed {
            token: OfferToken::new(token)
        }),
        (1_u64..4).prop_map(|token| Input::Answered {
            token: OfferToken::new(token)
        }),
        Just(Input::LineChosen(QueueId::new("night"))),
        Just(Input::LineClosed(Refusing::Emergency)),
        Just(Input::LineClosed(Refusing::Closed)),
        Just(Input::LineOpened),
        Just(Input::Moved(QueueId::new("night"))),
        Just(Input::Moved(QueueId::new("support"))),
        Just(Input::TakenFromAgent),
        Just(Input::Superseded),
        Just(Input::Dropped),
        Just(Input::MayCallBack),
        Just(Input::CallBackNoted),
        Just(Input::CallBackRefused),
        prop::sample::select(vec!['1', '2', '3']).prop_map(Input::CallerDigit),
        Just(Input::AgentGone {
            agent: AgentId::new("anna")
        }),
        Just(Input::EarlyOpen),
        Just(Input::CallerAnswered),
        end.clone().prop_map(Input::CallerEnded),
        Just(Input::CallerDigit('#')),
        (1_u64..9).prop_map(|id| Input::PlayEnded(PlayId(id))),
        leg.clone().prop_map(|leg| Input::AgentRings { leg }),
        leg.clone().prop_map(|leg| Input::AgentPickedUp { leg }),
        (leg.clone(), why).prop_map(|(leg, why)| Input::AgentRefused { leg, why }),
        (leg, end).prop_map(|(leg, how)| Input::AgentEnded { leg, how }),
        Just(Input::Held(HeldBy::Agent)),
        Just(Input::Resumed(HeldBy::Caller)),
        Just(Input::Shutdown),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn at_most_one_verb_is_on_its_way_and_every_call_ends_exactly_once(
        inputs in prop::collection::vec(prop::option::weighted(0.93, any_input()), 0..60)
    ) {
        let mut call = Script::begin(rules(AnswerMode::AtOnce));
        let mut on_its_way = 0_usize;
        let mut caller_left = false;
        // The desk could not be asked, and is to be asked again.
        let mut owed = false;
        for input in inputs {
            let Some(input) = input else {
                let said = call.pass(Duration::from_secs(5));
                on_its_way += said.iter().filter(|c| asks_desk(c)).count();
                prop_assert!(on_its_way <= 1, "two verbs on their way");
                prop_assert!(!owed || on_its_way == 1, "a verb is lost");
                owed = false;
                continue;
            };
            let is_answer = matches!(input, Input::Verb(_) | Input::DeskLost);
            // The world answers only what was asked, and a leg ends once.
            if is_answer && on_its_way == 0 { continue; }
            if caller_left && matches!(input, Input::CallerEnded(_) | Input::CallerAnswered | Input::EarlyOpen) { continue; }
            caller_left |= matches!(input, Input::CallerEnded(_) | Input::Shutdown);
            if is_answer { on_its_way -= 1; }
            let is_lost = matches!(input, Input::DeskLost);
            let said = call.tell(input);
            let asked = said.iter().filter(|c| asks_desk(c)).count();
            prop_assert!(!owed || asked == 0, "two verbs on their way");
            on_its_way += asked;
            owed |= is_lost && asked == 0;
            prop_assert!(on_its_way <= 1, "two verbs on their way");
            let rings = said.iter().any(|c| matches!(c, Command::RingAgent { .. }));
            prop_assert!(!(caller_left && rings), "rings for a caller who left");
        }
        // The rest of the world's duties: the caller leaves, and every question gets its answer.
        if !caller_left {
            let said = call.tell(Input::CallerEnded(LegEnd::HungUp));
            on_its_way += said.iter().filter(|c| asks_desk(c)).count();
        }
        if owed {
            let said = call.pass(Duration::from_secs(5));
            on_its_way += said.iter().filter(|c| asks_desk(c)).count();
            prop_assert_eq!(on_its_way, 1, "a verb is lost");
        }
        if on_its_way == 0 {
            let said = call.tell(Input::CallBackNoted);
            on_its_way += said.iter().filter(|c| asks_desk(c)).count();
        }
        // Each of many rings that ended is told one by one.
        for _ in 0..80 {
            if on_its_way == 0 { break; }
            on_its_way -= 1;
            let said = call.tell(Input::Verb(Answer::Done));
            on_its_way += said.iter().filter(|c| asks_desk(c)).count();
        }
        // A recording ends with its leg.
        call.tell(Input::MessageKept(MessageKept::Empty));
        // A call asks twice at most: for its own ticket, and to go from there to an incident's.
        for _ in 0..2 {
            call.tell(Input::TicketLinked(None));
        }
        prop_assert!(call.flow.is_over(), "{:?}", call.flow);
        let closings = call.said.iter().filter(|c| matches!(c, Command::Close(_))).count();
        prop_assert_eq!(closings, 1);
    }
}
