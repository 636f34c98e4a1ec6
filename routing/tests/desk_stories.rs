//! What the desk does in the races of a day, one story a test.

use ringdown_routing::agent::{AgentProfile, Skills, State, Status};
use ringdown_routing::contact::{
    CallBackTo, Channel, Keeper, Needs, Place, Priority, QueuedContact,
};
use ringdown_routing::desk::Desk;
use ringdown_routing::event::{ContactResult, EndedBy, EventKind};
use ringdown_routing::ids::{AgentId, ContactId, NodeId, OfferToken, QueueId, SkillId};
use ringdown_routing::policy;
use ringdown_routing::queue::QueueRules;
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{
    Answer, CALLER_IS_BACK, Change, DeclineReason, GATEWAY_LOST, LEASE_GRACE, RING_ON_NO_ANSWER,
    Refusal, RequeueReason, RestoredPlace, Verb,
};
use std::collections::BTreeMap;
use std::time::Duration;

const START: Timestamp = Timestamp::from_seconds(1_790_000_000);
const ANNA: &str = "anna";
const BOB: &str = "bob";
const DONE: Answer = Answer::Done;

/// A desk with one queue, wrap-up of ten seconds, and two agents who are available since the start.
struct Shift {
    desk: Desk,
    now: Timestamp,
}

impl Shift {
    fn begin() -> Self {
        let mut shift = Self {
            desk: Desk::new(NodeId::from("test"), 0),
            now: START,
        };
        let mut rules = QueueRules::with_defaults(queue());
        rules.wrap_up = Duration::from_secs(10);
        rules.waiting_max = Some(3);
        shift.done(Verb::SetQueue { rules });
        for name in [ANNA, BOB] {
            let profile = profile(name, Skills::new());
            shift.done(Verb::SetAgent { profile });
            let agent = AgentId::from(name);
            let is_reachable = true;
            shift.done(Verb::AgentReachable {
                agent: agent.clone(),
                is_reachable,
            });
            shift.choose(name, Status::Available);
            shift.later(1);
        }
        shift
    }

    fn later(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
    }

    fn ask(&mut self, verb: Verb) -> Answer {
        let at = self.now;
        self.desk.apply(Change { at, verb }).answer
    }

    fn done(&mut self, verb: Verb) {
        let asked = format!("{verb:?}");
        assert_eq!(self.ask(verb), DONE, "{asked}");
    }

    fn refused(&mut self, verb: Verb, reason: Refusal) {
        let asked = format!("{verb:?}");
        assert_eq!(self.ask(verb), Answer::Refused { reason }, "{asked}");
    }

    fn choose(&mut self, agent: &str, status: Status) {
        let agent = AgentId::from(agent);
        self.done(Verb::AgentStatus { agent, status });
    }

    fn enqueue(&mut self, number: u128) -> ContactId {
        let contact = contact(number, self.now);
        let id = contact.id;
        self.done(Verb::Enqueue { contact });
        id
    }

    fn offer(&mut self, contact: ContactId, agent: &str) -> OfferToken {
        let agent = AgentId::from(agent);
        let answer = self.ask(Verb::Offer {
            contact,
            agent,
            others: Vec::new(),
        });
        let Answer::Reserved { token, .. } = answer else {
            panic!("{answer:?}");
        };
        token
    }

    fn place(&self, contact: ContactId) -> Option<Place> {
        let placed = self.desk.view().contact(contact)?;
        Some(placed.place.clone())
    }

    fn agent(&self, name: &str) -> (Status, State, Timestamp) {
        let agent = AgentId::from(name);
        let agent = self.desk.view().agent(&agent).expect("they work here");
        (agent.status.clone(), agent.state(), agent.idle_since)
    }

    fn next(&mut self) -> Option<(ContactId, String)> {
        let proposal = self.desk.decide_one(self.now)?;
        Some((proposal.contact, proposal.agent.to_string()))
    }
}

fn queue() -> QueueId {
    QueueId::from("desk")
}

fn contact(number: u128, at: Timestamp) -> QueuedContact {
    let id = ContactId::from_u128(number);
    QueuedContact::new(id, queue(), Channel::Voice, at, NodeId::from("test"))
}

fn profile(name: &str, skills: Skills) -> AgentProfile {
    AgentProfile {
        skills,
        ..AgentProfile::new(AgentId::from(name), name).serving([queue()])
    }
}

fn complete(contact: ContactId) -> Verb {
    Verb::Complete {
        contact,
        by: EndedBy::Caller,
        talk: Duration::from_secs(60),
        hold: Duration::ZERO,
        token: None,
    }
}

#[test]
fn caller_hangs_up_while_offered_frees_the_agent_with_the_idle_time_intact() {
    let mut shift = Shift::begin();
    let caller = shift.enqueue(1);
    let token = shift.offer(caller, ANNA);
    shift.later(3);
    shift.done(Verb::Abandon { contact: caller });
    assert_eq!(shift.agent(ANNA), (Status::Available, State::Idle, START));
    shift.refused(Verb::Accept { token }, Refusal::StaleOffer);
    shift.done(Verb::Abandon { contact: caller });
    let agent = AgentId::from(ANNA);
    let ring = Verb::Offer {
        contact: caller,
        agent,
        others: Vec::new(),
    };
    shift.refused(ring, Refusal::NotWaiting);
}

#[test]
fn a_caller_who_leaves_as_the_agent_answers_ends_as_answered() {
    let mut shift = Shift::begin();
    let caller = shift.enqueue(1);
    let token = shift.offer(caller, ANNA);
    shift.done(Verb::Accept { token });
    shift.refused(Verb::Abandon { contact: caller }, Refusal::NotWaiting);
    shift.done(Verb::Accept { token });
    shift.done(complete(caller));
    shift.done(complete(caller));
    let contact = contact(1, shift.now);
    shift.refused(Verb::Enqueue { contact }, Refusal::AlreadyEnded);
}

#[test]
fn a_command_by_an_offer_that_is_over_changes_nothing() {
    let mut shift = Shift::begin();
    let caller = shift.enqueue(1);
    let first = shift.offer(caller, ANNA);
    let pass_on = |token| Verb::HandOver {
        contact: caller,
        to: queue(),
        reserved: None,
        token: Some(token),
    };
    let finish = |token| Verb::Complete {
        contact: caller,
        by: EndedBy::Agent,
        talk: Duration::from_secs(60),
        hold: Duration::ZERO,
        token: Some(token),
    };
    let take_back = |token| Verb::Requeue {
        contact: caller,
        reason: RequeueReason::BridgeFailed,
        token: Some(token),
    };
    shift.refused(finish(first), Refusal::NotActive);
    shift.done(Verb::Accept { token: first });
    shift.done(pass_on(first));
    shift.later(3_600);
    let second = shift.offer(caller, ANNA);
    shift.done(Verb::Accept { token: second });
    let before = shift.place(caller);
    shift.refused(pass_on(first), Refusal::StaleOffer);
    shift.refused(finish(first), Refusal::StaleOffer);
    shift.refused(take_back(first), Refusal::StaleOffer);
    assert_eq!(shift.place(caller), before);
    shift.done(take_back(second));
    shift.done(take_back(first));
    shift.later(3_600);
    let third = shift.offer(caller, ANNA);
    shift.refused(take_back(second), Refusal::StaleOffer);
    shift.done(Verb::Accept { token: third });
    shift.done(finish(third));
    assert_eq!(shift.place(caller), None);
}

#[test]
fn an_offered_contact_is_offered_to_nobody_else() {
    let mut shift = Shift::begin();
    let caller = shift.enqueue(1);
    shift.offer(caller, ANNA);
    for name in [ANNA, BOB] {
        let agent = AgentId::from(name);
        let again = Verb::Offer {
            contact: caller,
            agent,
            others: Vec::new(),
        };
        shift.refused(again, Refusal::NotWaiting);
    }
}

#[test]
fn who_declines_is_left_alone_with_that_contact_and_goes_behind_the_others() {
    let mut shift = Shift::begin();
    let caller = shift.enqueue(1);
    let behind = shift.enqueue(2);
    let token = shift.offer(caller, ANNA);
    shift.later(2);
    let reason = DeclineReason::Declined;
    shift.done(Verb::Decline { token, reason });
    assert_eq!(shift.desk.view().position(caller), Some(1));
    assert_eq!(shift.agent(ANNA).2, shift.now);
    assert_eq!(shift.next(), Some((caller, BOB.to_owned())));
    shift.offer(caller, BOB);
    assert_eq!(shift.next(), Some((behind, ANNA.to_owned())));
    let wake = policy::next_timeout(shift.desk.view(), shift.now);
    assert_eq!(wake, Some(shift.now + Duration::from_secs(30)));
}

#[test]
fn a_busy_phone_is_not_tried_by_every_caller_in_turn() {
    let mut shift = Shift::begin();
    shift.choose(BOB, Status::LoggedOff);
    let caller = shift.enqueue(1);
    shift.enqueue(2);
    let token = shift.offer(caller, ANNA);
    let reason = DeclineReason::Busy;
    shift.done(Verb::Decline { token, reason });
    assert_eq!(shift.agent(ANNA), (Status::Available, State::Idle, START));
    assert_eq!(shift.next(), None);
    shift.later(30);
    assert_eq!(shift.next(), Some((caller, ANNA.to_owned())));
}

#[test]
fn a_phone_that_cannot_be_reached_is_not_rung_until_it_is_seen_again() {
    let mut shift = Shift::begin();
    let caller = shift.enqueue(1);
    let token = shift.offer(caller, ANNA);
    let reason = DeclineReason::Unreachable;
    shift.done(Verb::Decline { token, reason });
    shift.later(60);
    assert_eq!(shift.next(), Some((caller, BOB.to_owned())));
    let agent = AgentId::from(ANNA);
    let is_reachable = true;
    shift.done(Verb::AgentReachable {
        agent,
        is_reachable,
    });
    assert_eq!(shift.next(), Some((caller, ANNA.to_owned())));
}

#[test]
fn ring_on_no_answer_makes_the_agent_not_ready_and_keeps_the_place() {
    let mut shift = Shift::begin();
    let caller = shift.enqueue(1);
    shift.enqueue(2);
    let token = shift.offer(caller, ANNA);
    shift.later(15);
    shift.done(Verb::RingTimeout { token });
    let reason = Status::NotReady(RING_ON_NO_ANSWER.to_owned());
    assert_eq!(shift.agent(ANNA).0, reason);
    assert_eq!(shift.next(), Some((caller, BOB.to_owned())));
}

#[test]
fn what_an_agent_chose_during_a_contact_is_taken_when_it_is_over_and_not_overwritten() {
    let mut shift = Shift::begin();
    let lunch = Status::NotReady("lunch".to_owned());
    let caller = shift.enqueue(1);
    let token = shift.offer(caller, ANNA);
    shift.choose(ANNA, lunch.clone());
    assert_eq!(shift.agent(ANNA).0, Status::Available);
    shift.done(Verb::RingTimeout { token });
    assert_eq!(shift.agent(ANNA).0, lunch);

    let token = shift.offer(caller, BOB);
    shift.done(Verb::Accept { token });
    shift.choose(BOB, Status::LoggedOff);
    shift.choose(BOB, lunch.clone());
    shift.done(complete(caller));
    assert_eq!(shift.agent(BOB).1, State::WrapUp);
    assert_eq!(shift.agent(BOB).0, Status::Available);
    shift.later(10);
    shift.done(Verb::Expire);
    assert_eq!(shift.agent(BOB), (lunch, State::Idle, shift.now));
}

#[test]
fn an_offer_whose_gateway_is_gone_lapses_without_blame() {
    let mut shift = Shift::begin();
    let caller = shift.enqueue(1);
    let token = shift.offer(caller, ANNA);
    shift.later(15);
    shift.done(Verb::Expire);
    assert!(matches!(shift.place(caller), Some(Place::Offered { .. })));
    shift.now = shift.now + LEASE_GRACE;
    shift.done(Verb::Expire);
    assert_eq!(shift.place(caller), Some(Place::Waiting));
    assert_eq!(shift.agent(ANNA), (Status::Available, State::Idle, START));
    shift.refused(Verb::Accept { token }, Refusal::StaleOffer);
    shift.offer(caller, ANNA);
}

#[test]
fn a_bridge_that_fails_keeps_the_callers_place_and_tries_somebody_else() {
    let mut shift = Shift::begin();
    let caller = shift.enqueue(1);
    let behind = shift.enqueue(2);
    let token = shift.offer(caller, ANNA);
    shift.done(Verb::Accept { token });
    assert_eq!(shift.desk.view().position(behind), Some(1));
    let reason = RequeueReason::BridgeFailed;
    let contact = caller;
    shift.done(Verb::Requeue {
        contact,
        reason,
        token: None,
    });
    assert_eq!(shift.desk.view().position(caller), Some(1));
    assert_eq!(shift.next(), Some((caller, BOB.to_owned())));
}

#[test]
fn a_queue_says_why_it_takes_nobody() {
    let mut shift = Shift::begin();
    let first = shift.enqueue(1);
    shift.enqueue(2);
    shift.enqueue(3);
    shift.offer(first, ANNA);
    let fourth = contact(4, shift.now);
    let enqueue = Verb::Enqueue { contact: fourth };
    // Who rings still waits for an answer.
    shift.refused(enqueue.clone(), Refusal::QueueFull);
    let mut rules = QueueRules::with_defaults(queue());
    rules.is_open = false;
    shift.done(Verb::SetQueue { rules });
    shift.refused(enqueue, Refusal::QueueClosed);
    let mut elsewhere = contact(5, shift.now);
    elsewhere.queue = QueueId::from("elsewhere");
    let enqueue = Verb::Enqueue { contact: elsewhere };
    shift.refused(enqueue, Refusal::UnknownQueue);
}

#[test]
fn an_urgent_contact_that_nobody_can_take_keeps_nobody_waiting() {
    let mut shift = Shift::begin();
    let mut urgent = contact(1, shift.now);
    urgent.priority = Priority(9);
    urgent.skills = Needs::always(BTreeMap::from([(SkillId::from("network"), 4)]));
    let urgent_id = urgent.id;
    shift.done(Verb::Enqueue { contact: urgent });
    let usual = shift.enqueue(2);
    assert_eq!(shift.next(), Some((usual, ANNA.to_owned())));
    let skills = BTreeMap::from([(SkillId::from("network"), 4)]);
    let profile = profile(BOB, skills);
    shift.done(Verb::SetAgent { profile });
    assert_eq!(shift.next(), Some((urgent_id, BOB.to_owned())));
}

#[test]
fn a_silent_node_ends_its_calls_and_frees_their_agents() {
    let mut shift = Shift::begin();
    let (talks, waits) = (shift.enqueue(1), shift.enqueue(2));
    let mut mail = contact(3, shift.now);
    mail.channel = Channel::Email;
    let mail_id = mail.id;
    shift.done(Verb::Enqueue { contact: mail });
    let token = shift.offer(talks, ANNA);
    shift.done(Verb::Accept { token });
    let lease = Duration::from_secs(15);
    let node = NodeId::from("test");
    shift.done(Verb::NodeAlive { node, lease });
    shift.later(15);
    let at = shift.now;
    let verb = Verb::Expire;
    let outcome = shift.desk.apply(Change { at, verb });
    let closed = |kind: &EventKind| matches!(kind, EventKind::Closed { .. });
    let ends = outcome.events.iter().filter(|event| closed(&event.kind));
    assert_eq!(ends.count(), 2);
    let causes = outcome.events.iter().filter_map(|event| {
        let EventKind::Failed { cause } = &event.kind else {
            return None;
        };
        Some(cause.as_str())
    });
    assert!(causes.eq([GATEWAY_LOST; 2]));
    assert_eq!((shift.place(talks), shift.place(waits)), (None, None));
    assert_eq!(shift.place(mail_id), Some(Place::Waiting));
    assert_eq!(shift.agent(ANNA).1, State::WrapUp);
}

#[test]
fn who_was_rung_by_a_lost_node_rests_until_that_ring_must_have_ended() {
    let mut shift = Shift::begin();
    let rings = shift.enqueue(1);
    let node = NodeId::from("test");
    let lease = Duration::from_secs(5);
    shift.done(Verb::NodeAlive { node, lease });
    let token = shift.offer(rings, ANNA);
    let Some(Place::Offered { deadline, .. }) = shift.place(rings) else {
        panic!("it rings");
    };
    shift.choose(BOB, Status::LoggedOff);
    let since = shift.agent(ANNA).2;
    shift.later(5);
    shift.done(Verb::Expire);
    assert_eq!(shift.place(rings), None);
    let (status, state, idle_since) = shift.agent(ANNA);
    assert_eq!((status, state), (Status::Available, State::Idle));
    assert_eq!(idle_since, since, "it was no fault of theirs");
    // The phone may still ring: nothing else may.
    let mut next = contact(2, shift.now);
    next.node = NodeId::from("living");
    let waits = next.id;
    shift.done(Verb::Enqueue { contact: next });
    assert_eq!(shift.next(), None);
    let agent = AgentId::from(ANNA);
    let offer = Verb::Offer {
        contact: waits,
        agent,
        others: Vec::new(),
    };
    shift.refused(offer, Refusal::AgentNotFree);
    assert_eq!(
        policy::next_timeout(shift.desk.view(), shift.now),
        Some(deadline)
    );
    shift.now = deadline;
    assert_eq!(shift.next(), Some((waits, ANNA.to_owned())));
    shift.refused(Verb::Accept { token }, Refusal::StaleOffer);
}

/// A caller of another gateway, who can be called back if that dies.
fn reachable(number: u128, at: Timestamp) -> QueuedContact {
    QueuedContact {
        calls_back: Some(Box::new(CallBackTo {
            number: "+886912345678".to_owned(),
            dialled: "100".to_owned(),
        })),
        ..contact(number, at)
    }
}

/// One caller of a node talks to Anna, who is alone at work, and three of a living node wait; then the node is
/// lost. Gives the caller and the first of those who wait.
fn cut_off(shift: &mut Shift) -> (QueuedContact, ContactId) {
    let caller = reachable(1, shift.now);
    shift.done(Verb::Enqueue {
        contact: caller.clone(),
    });
    let token = shift.offer(caller.id, ANNA);
    shift.done(Verb::Accept { token });
    shift.choose(BOB, Status::LoggedOff);
    shift.later(1);
    for number in [2, 3, 4] {
        let mut next = contact(number, shift.now);
        next.node = NodeId::from("living");
        shift.done(Verb::Enqueue { contact: next });
        shift.later(1);
    }
    let node = NodeId::from("test");
    let lease = Duration::from_secs(5);
    shift.done(Verb::NodeAlive { node, lease });
    shift.later(5);
    (caller, ContactId::from_u128(2))
}

#[test]
fn who_was_cut_off_while_talking_keeps_the_place_in_the_step_that_ends_the_talk() {
    let mut shift = Shift::begin();
    let (caller, second) = cut_off(&mut shift);
    let at = shift.now;
    let verb = Verb::Expire;
    let events = shift.desk.apply(Change { at, verb }).events;
    let call_back = caller.id.successor();
    let of_it: Vec<_> = events
        .iter()
        .filter(|event| event.contact == Some(call_back))
        .map(|event| &event.kind)
        .collect();
    let [
        EventKind::Arrived { from, via, .. },
        EventKind::Enqueued { enqueued_at, .. },
    ] = of_it[..]
    else {
        panic!("{of_it:?}");
    };
    assert_eq!(
        (from.as_str(), via.as_str()),
        ("+886912345678", "call_back")
    );
    assert_eq!(*enqueued_at, caller.enqueued_at);
    let placed = shift.desk.view().contact(call_back).expect("it waits");
    assert_eq!(placed.record.keeper(), Keeper::Database);
    // The full line took it all the same, and Anna's first contact after her wrap-up is this one.
    assert_eq!(shift.desk.view().position(call_back), Some(1));
    assert_eq!(shift.next(), None);
    shift.later(10);
    shift.done(Verb::Expire);
    assert_eq!(shift.next(), Some((call_back, ANNA.to_owned())));
    let token = shift.offer(call_back, ANNA);
    shift.done(Verb::Accept { token });
    shift.done(complete(call_back));
    shift.later(10);
    shift.done(Verb::Expire);
    assert_eq!(shift.next(), Some((second, ANNA.to_owned())));
}

#[test]
fn who_was_taken_for_cut_off_and_is_on_the_line_is_not_called_back() {
    let mut shift = Shift::begin();
    let (caller, second) = cut_off(&mut shift);
    shift.done(Verb::Expire);
    let call_back = caller.id.successor();
    let at = shift.now;
    let verb = Verb::Restore {
        contact: caller.clone(),
        place: RestoredPlace::Waiting { offer_over: None },
    };
    let events = shift.desk.apply(Change { at, verb }).events;
    assert_eq!(shift.place(call_back), None);
    assert_eq!(shift.desk.view().position(caller.id), Some(1));
    let kinds: Vec<_> = events.iter().map(|event| &event.kind).collect();
    let [
        EventKind::Restored { .. },
        EventKind::Overflowed { to, .. },
        EventKind::Closed {
            result: ContactResult::FlowedOut,
        },
    ] = kinds[..]
    else {
        panic!("{kinds:?}");
    };
    assert_eq!(to, CALLER_IS_BACK);
    // Lost once more: nobody is told of the same call-back twice.
    let node = NodeId::from("test");
    let lease = Duration::from_secs(5);
    shift.done(Verb::NodeAlive { node, lease });
    shift.later(5);
    shift.done(Verb::Expire);
    assert_eq!(shift.place(call_back), None);
    assert_eq!(shift.desk.view().position(second), Some(1));
}
