//! A desk whose contacts and agents are made as a story needs them.

use ringdown_routing::agent::{AgentProfile, State, Status};
use ringdown_routing::contact::{Channel, Priority, QueuedContact};
use ringdown_routing::desk::Desk;
use ringdown_routing::event::EndedBy;
use ringdown_routing::ids::{AgentId, ContactId, NodeId, OfferToken, QueueId};
use ringdown_routing::invariants::{Witness, state_is_sound};
use ringdown_routing::queue::{Aging, QueueRules, Strategy};
use ringdown_routing::statistics::{Rules, Statistics};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{Answer, Change, Outcome, Refusal, Verb};
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) const START: Timestamp = Timestamp::from_seconds(1_790_000_000);

pub(crate) struct Floor {
    pub(crate) desk: Desk,
    pub(crate) now: Timestamp,
    pub(crate) last: u128,
    pub(crate) statistics: Statistics,
    witness: Witness,
}

impl Floor {
    pub(crate) fn open(rules: impl IntoIterator<Item = QueueRules>) -> Self {
        let mut floor = Self {
            desk: Desk::new(NodeId::from("floor"), 0),
            now: START,
            last: 0,
            statistics: Statistics::new(Rules::default()),
            witness: Witness::default(),
        };
        for rules in rules {
            floor.done(Verb::SetQueue { rules });
        }
        floor
    }

    pub(crate) fn ask(&mut self, verb: Verb) -> Answer {
        self.outcome(verb).answer
    }

    pub(crate) fn outcome(&mut self, verb: Verb) -> Outcome {
        let at = self.now;
        let outcome = self.desk.apply(Change { at, verb });
        for event in &outcome.events {
            assert_eq!(self.witness.see(event), Ok(()));
            self.statistics.record(event);
        }
        assert_eq!(state_is_sound(self.desk.view()), Ok(()));
        outcome
    }

    pub(crate) fn done(&mut self, verb: Verb) {
        assert_eq!(self.ask(verb), Answer::Done);
    }

    pub(crate) fn later(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
    }

    pub(crate) fn log_in(&mut self, profile: AgentProfile) {
        let agent = profile.id.clone();
        self.done(Verb::SetAgent { profile });
        self.done(Verb::AgentReachable {
            agent: agent.clone(),
            is_reachable: true,
        });
        let status = Status::Available;
        self.done(Verb::AgentStatus { agent, status });
    }

    pub(crate) fn enqueue(&mut self, queue: &str, priority: i32) -> ContactId {
        let mut contact = self.contact(queue, Channel::Voice);
        contact.priority = Priority(priority);
        self.enter(contact)
    }

    /// A contact that comes now.
    pub(crate) fn contact(&mut self, queue: &str, channel: Channel) -> QueuedContact {
        self.last += 1;
        QueuedContact::new(
            ContactId::from_u128(self.last),
            QueueId::from(queue),
            channel,
            self.now,
            NodeId::from("floor"),
        )
    }

    pub(crate) fn enter(&mut self, contact: QueuedContact) -> ContactId {
        let id = contact.id;
        self.done(Verb::Enqueue { contact });
        id
    }

    pub(crate) fn refused(&mut self, verb: Verb, reason: Refusal) {
        assert_eq!(self.ask(verb), Answer::Refused { reason });
    }

    pub(crate) fn choose(&mut self, agent: &str, status: Status) {
        let agent = AgentId::from(agent);
        self.done(Verb::AgentStatus { agent, status });
    }

    pub(crate) fn state(&self, agent: &str) -> (Status, State) {
        let agent = self.desk.view().agent(&AgentId::from(agent));
        let agent = agent.expect("they work here");
        (agent.status.clone(), agent.state())
    }

    /// Who would meet next.
    pub(crate) fn next(&mut self) -> Option<(ContactId, String)> {
        let next = self.desk.decide_one(self.now)?;
        Some((next.contact, next.agent.to_string()))
    }

    pub(crate) fn offer(&mut self, contact: ContactId, agent: &str) -> OfferToken {
        let agent = AgentId::from(agent);
        let others = Vec::new();
        let answer = self.ask(Verb::Offer {
            contact,
            agent,
            others,
        });
        let Answer::Reserved { token, .. } = answer else {
            panic!("{answer:?}");
        };
        token
    }

    /// Who would be rung next, and for whom.
    pub(crate) fn ring_next(&mut self) -> Option<(ContactId, Vec<String>)> {
        let next = self.desk.decide_one(self.now)?;
        let agents = [&next.agent].into_iter().chain(&next.others);
        let names = agents.map(ToString::to_string).collect();
        Some((next.contact, names))
    }

    /// Rings whom the policy has next; the offers by the agents' names.
    pub(crate) fn ring_all(&mut self) -> BTreeMap<String, OfferToken> {
        let next = self.desk.decide_one(self.now).expect("somebody is to ring");
        let contact = next.contact;
        let answer = self.ask(next.into_verb());
        assert!(matches!(answer, Answer::Reserved { .. }), "{answer:?}");
        let placed = self.desk.view().contact(contact).expect("it is offered");
        let holders = placed.place.holders();
        holders
            .map(|(agent, token)| (agent.to_string(), token))
            .collect()
    }

    /// Lets the next pair meet and talk.
    pub(crate) fn meet(&mut self) -> Option<(ContactId, String)> {
        let next = self.desk.decide_one(self.now)?;
        let (contact, name) = (next.contact, next.agent.to_string());
        let Answer::Reserved { token, .. } = self.ask(next.into_verb()) else {
            panic!("the desk refused what the policy proposed");
        };
        self.done(Verb::Accept { token });
        Some((contact, name))
    }

    pub(crate) fn end(&mut self, contact: ContactId) {
        self.done(Verb::Complete {
            contact,
            by: EndedBy::Caller,
            talk: Duration::ZERO,
            hold: Duration::ZERO,
            token: None,
        });
    }
}

pub(crate) fn rules(queue: &str, aging_thousandths: u32, strategy: Strategy) -> QueueRules {
    QueueRules {
        aging: Aging::from_thousandths(aging_thousandths),
        strategy,
        ..QueueRules::with_defaults(QueueId::from(queue))
    }
}

pub(crate) fn agent(name: &str, queues: &[&str]) -> AgentProfile {
    let queues = queues.iter().map(|queue| QueueId::from(*queue));
    AgentProfile::new(AgentId::from(name), name).serving(queues)
}
