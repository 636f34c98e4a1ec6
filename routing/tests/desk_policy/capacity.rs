//! Several contacts in one agent's hands, and what follows from that.

use crate::acts::{Act, Claims, Players};
use crate::floor::{Floor, START, agent, rules};
use proptest::prelude::*;
use ringdown_routing::agent::{AgentProfile, State, Status};
use ringdown_routing::contact::Channel;
use ringdown_routing::desk::Desk;
use ringdown_routing::ids::{AgentId, ContactId, NodeId};
use ringdown_routing::queue::{QueueRules, Strategy as Choice};
use ringdown_routing::statistics::{Rules, Statistics};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{RING_ON_NO_ANSWER, Refusal, Verb};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One call, or three chats; no chat during a call.
fn versatile(name: &str) -> AgentProfile {
    let no_chat = BTreeMap::from([(Channel::Chat, 0)]);
    AgentProfile {
        capacity: BTreeMap::from([(Channel::Voice, 1), (Channel::Chat, 3)]),
        while_holding: BTreeMap::from([(Channel::Voice, no_chat)]),
        ..agent(name, &["desk"])
    }
}

fn open() -> Floor {
    let wrap_up = Duration::from_secs(10);
    Floor::open([QueueRules {
        wrap_up,
        wrap_up_max: Duration::from_secs(25),
        ..rules("desk", 0, Choice::LongestIdle)
    }])
}

fn chat(floor: &mut Floor) -> ContactId {
    let contact = floor.contact("desk", Channel::Chat);
    floor.enter(contact)
}

#[test]
fn chats_are_spread_before_they_are_stacked() {
    let mut floor = open();
    for name in ["anna", "bob"] {
        floor.log_in(versatile(name));
        floor.later(1);
    }
    for _ in 0..7 {
        chat(&mut floor);
    }
    let mut taken = Vec::new();
    while let Some((_, name)) = floor.meet() {
        taken.push(name);
    }
    assert_eq!(taken, ["anna", "bob", "anna", "bob", "anna", "bob"]);
}

#[test]
fn a_call_shuts_chats_out_and_a_chat_does_not_shut_a_call_out() {
    let mut floor = open();
    floor.log_in(versatile("anna"));
    let first = chat(&mut floor);
    assert_eq!(floor.meet(), Some((first, "anna".to_owned())));
    let call = floor.enqueue("desk", 0);
    assert_eq!(floor.meet(), Some((call, "anna".to_owned())));
    let second = chat(&mut floor);
    let (contact, agent) = (second, AgentId::from("anna"));
    floor.refused(
        Verb::Offer {
            contact,
            agent,
            others: Vec::new(),
        },
        Refusal::AgentNotFree,
    );
    assert_eq!(floor.next(), None);
    floor.end(call);
    // Wrap-up takes up what the call did.
    assert_eq!(floor.next(), None);
    floor.later(10);
    floor.done(Verb::Expire);
    assert_eq!(floor.next(), Some((second, "anna".to_owned())));
}

#[test]
fn what_may_be_interrupted_counts_as_nothing_for_what_interrupts() {
    let mut floor = open();
    let mut profile = versatile("anna");
    profile.capacity.insert(Channel::Email, 1);
    profile.capacity_total = Some(1);
    profile.interrupted_by = BTreeMap::from([(Channel::Email, BTreeSet::from([Channel::Voice]))]);
    floor.log_in(profile);
    let contact = floor.contact("desk", Channel::Email);
    let mail = floor.enter(contact);
    assert_eq!(floor.meet(), Some((mail, "anna".to_owned())));
    chat(&mut floor);
    assert_eq!(floor.next(), None);
    let call = floor.enqueue("desk", 0);
    assert_eq!(floor.next(), Some((call, "anna".to_owned())));
}

#[test]
fn a_status_chosen_during_contacts_stops_offers_at_once_and_holds_after_the_last() {
    let mut floor = open();
    floor.log_in(versatile("anna"));
    let [first, second] = [(); 2].map(|()| chat(&mut floor));
    floor.meet();
    let token = floor.offer(second, "anna");
    let lunch = Status::NotReady("lunch".to_owned());
    floor.choose("anna", lunch.clone());
    chat(&mut floor);
    assert_eq!(floor.next(), None);
    // Letting the second ring does not overwrite the choice, nor does it come into force yet.
    floor.done(Verb::RingTimeout { token });
    assert_eq!(floor.state("anna"), (Status::Available, State::Talking));
    floor.end(first);
    assert_eq!(floor.state("anna"), (Status::Available, State::WrapUp));
    floor.later(10);
    floor.done(Verb::Expire);
    assert_eq!(floor.state("anna"), (lunch, State::Idle));
}

#[test]
fn who_lets_one_ring_while_talking_is_not_ready_once_that_is_over() {
    let mut floor = open();
    floor.log_in(versatile("anna"));
    let [first, second] = [(); 2].map(|()| chat(&mut floor));
    floor.meet();
    let token = floor.offer(second, "anna");
    floor.done(Verb::RingTimeout { token });
    assert_eq!(floor.state("anna"), (Status::Available, State::Talking));
    floor.later(60);
    assert_eq!(floor.next(), None);
    floor.end(first);
    let agent = AgentId::from("anna");
    let contact = Some(first);
    floor.done(Verb::EndWrapUp { agent, contact });
    let missed = Status::NotReady(RING_ON_NO_ANSWER.to_owned());
    assert_eq!(floor.state("anna"), (missed, State::Idle));
}

#[test]
fn wrap_up_is_extended_as_far_as_the_queue_allows() {
    let mut floor = open();
    floor.log_in(versatile("anna"));
    let call = floor.enqueue("desk", 0);
    floor.meet();
    let extend = |contact| Verb::ExtendWrapUp {
        agent: AgentId::from("anna"),
        contact,
        by: Duration::from_secs(10),
    };
    floor.refused(extend(call), Refusal::NoWrapUp);
    floor.end(call);
    floor.later(9);
    floor.done(extend(call));
    floor.done(extend(call));
    floor.refused(extend(call), Refusal::NoTimeLeft);
    floor.later(15);
    floor.done(Verb::Expire);
    assert_eq!(floor.state("anna").1, State::WrapUp);
    floor.later(1);
    floor.done(Verb::Expire);
    assert_eq!(floor.state("anna").1, State::Idle);
    floor.refused(extend(call), Refusal::NoWrapUp);
}

#[test]
fn a_queue_at_its_limit_of_active_contacts_offers_no_more() {
    let mut floor = Floor::open([
        QueueRules {
            active_max: Some(1),
            ..rules("desk", 0, Choice::LongestIdle)
        },
        rules("other", 0, Choice::LongestIdle),
    ]);
    for name in ["anna", "bob"] {
        floor.log_in(agent(name, &["desk", "other"]));
    }
    let [first, second] = [(); 2].map(|()| floor.enqueue("desk", 0));
    assert_eq!(floor.desk.decide(floor.now).len(), 1);
    assert_eq!(floor.meet().map(|(contact, _)| contact), Some(first));
    assert_eq!(floor.next(), None);
    let (contact, agent) = (second, AgentId::from("bob"));
    floor.refused(
        Verb::Offer {
            contact,
            agent,
            others: Vec::new(),
        },
        Refusal::QueueAtItsLimit,
    );
    let elsewhere = floor.enqueue("other", 0);
    assert_eq!(floor.next(), Some((elsewhere, "bob".to_owned())));
    floor.end(first);
    assert_eq!(floor.next().map(|(contact, _)| contact), Some(second));
}

/// How long each agent was logged in, by the desk's own word after every step.
#[derive(Default)]
struct Staffed {
    since: BTreeMap<AgentId, Timestamp>,
    total_ms: BTreeMap<AgentId, u64>,
}

impl Staffed {
    fn look(&mut self, desk: &Desk, now: Timestamp) {
        let view = desk.view();
        let is_here = |id: &AgentId| {
            view.agent(id)
                .is_some_and(|agent| agent.status != Status::LoggedOff)
        };
        for number in 0..crate::acts::AGENTS {
            let id = crate::acts::agent(number);
            match (self.since.get(&id).copied(), is_here(&id)) {
                (None, true) => {
                    self.since.insert(id, now);
                }
                (Some(since), false) => {
                    self.since.remove(&id);
                    self.add(id, since, now);
                }
                (None, false) | (Some(_), true) => {}
            }
        }
    }

    fn add(&mut self, id: AgentId, since: Timestamp, now: Timestamp) {
        let stretch = u64::try_from(now.since(since).as_millis()).expect("a short day");
        *self.total_ms.entry(id).or_default() += stretch;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// However many contacts an agent has in hand, every instant is counted to one state.
    #[test]
    fn time_in_states_sums_to_staffed_time(acts in prop::collection::vec(any::<[u8; 5]>(), 0..150)) {
        let mut players = Players::new(Claims::None);
        let mut desk = Desk::new(NodeId::from("desk"), 0);
        let mut statistics = Statistics::new(Rules::default());
        let mut staffed = Staffed::default();
        let opening = players.opening();
        for change in opening.into_iter().map(Ok).chain(acts.into_iter().map(Err)) {
            let change = change.unwrap_or_else(|[later, verb, who, with, how]| {
                players.play(Act { later, verb, who, with, how })
            });
            let outcome = desk.apply(change);
            players.hear(&outcome.events);
            for event in &outcome.events {
                statistics.record(event);
            }
            staffed.look(&desk, players.now);
        }
        let now = players.now;
        for (id, since) in std::mem::take(&mut staffed.since) {
            staffed.add(id, since, now);
        }
        let (from, to) = (START - Duration::from_secs(86_400), now + Duration::from_secs(86_400));
        let ledger = statistics.ledger(from, to, now);
        for number in 0..crate::acts::AGENTS {
            let id = crate::acts::agent(number);
            let counted = ledger.agent_time(from, to, &id).logged_in_ms();
            prop_assert_eq!(counted, staffed.total_ms.get(&id).copied().unwrap_or(0), "{}", id);
        }
    }
}
