//! The clock: brings people's acts to the real desk in order, and lets the real policy match.
//!
//! Nothing is decided here that [`crate::desk`] or [`crate::policy`] decides. What is played is what
//! people do: callers lose patience, agents answer after a while, talk, wrap up, log in and out.

use super::agenda::{Act, Agenda, AgentPlace, Freed, OfferEnd, StatusAct};
use super::cast::{Caller, Cast};
use crate::agent::Status;
use crate::contact::{Place, QueuedContact};
use crate::desk::Desk;
use crate::event::{ContactResult, EndedBy, Event, EventDraft, EventKind};
use crate::ids::{AgentId, ContactId, NodeId, OfferToken, QueueId};
use crate::policy;
use crate::queue::QueueRules;
use crate::statistics::{AgentTime, Figures, Ledger, Rules, Scope, Statistics};
use crate::time::Timestamp;
use crate::verb::{Answer, Change, RING_ON_NO_ANSWER, Refusal, Verb};
use crate::view::View;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::ControlFlow;
use std::time::Duration;

/// Most times an agent comes back after rings that nobody answered: a phone that nobody picks up and a
/// caller who never gives up must come to an end.
const RETURNS_MAX: u32 = 1_000;

/// Most moves from queue to queue after which nobody comes and nothing else happens.
const MOVES_MAX: u64 = 10_000;

/// Arrivals after which the desk is asked to forget what is long over, though nothing is due.
const ENTERED_BETWEEN_EXPIRES: u32 = 8_192;

/// The one cell of the statistics: everything from the beginning, about 3,000 years.
const WHOLE_RUN: Duration = Duration::from_secs(100_000_000_000);

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Played {
    /// When the last thing happened.
    pub end: Timestamp,
    /// What was counted, by the fold over the desk's own events.
    pub ledger: Ledger,
}

impl Played {
    /// The figures of a queue, or of all.
    pub fn figures(&self, queue: Option<QueueId>) -> Figures {
        let scope = Scope {
            queue,
            channel: None,
        };
        self.ledger.tally(BEGINNING, END, &scope).figures()
    }

    /// What an agent's time went to.
    pub fn agent_time(&self, agent: &AgentId) -> AgentTime {
        self.ledger.agent_time(BEGINNING, END, agent)
    }
}

/// Plays until nothing can happen any more, or until `tell` breaks off. `callers` come in the order of
/// their arrival, ties by id; `tell` hears every event of the desk with the desk as it is then.
///
/// Memory is that of the contacts that are at the desk, not of those who ever were.
pub fn play(
    cast: &Cast,
    callers: impl IntoIterator<Item = Caller>,
    tell: impl FnMut(&Event, &View) -> ControlFlow<()>,
) -> Played {
    let mut stage = Stage::open(cast, callers.into_iter().peekable(), tell);
    while stage.goes_on.is_continue()
        && !stage.goes_in_circles()
        && let Some(next) = stage.next_at()
    {
        stage.now = next;
        stage.play_instant();
    }
    let ledger = stage.statistics.ledger(BEGINNING, END, stage.end);
    Played {
        end: stage.end,
        ledger,
    }
}

/// Before everything.
const BEGINNING: Timestamp = Timestamp::from_millis(i64::MIN);

/// After everything.
const END: Timestamp = Timestamp::from_millis(i64::MAX);

struct Stage<'c, C: Iterator<Item = Caller>, T> {
    cast: &'c Cast,
    places: BTreeMap<AgentId, AgentPlace>,
    returns: Vec<u32>,
    /// Moves from queue to queue since somebody last arrived or was offered.
    moves: u64,
    /// Arrivals since the desk was last asked to forget what is long over.
    entered: u32,
    coming: Peekable<C>,
    /// Callers who are at the desk, or whose wrap-up goes on.
    present: BTreeMap<ContactId, Caller>,
    agenda: Agenda,
    /// Offers that are answered at once.
    at_once: Vec<OfferToken>,
    desk: Desk,
    node: NodeId,
    statistics: Statistics,
    tell: T,
    goes_on: ControlFlow<()>,
    now: Timestamp,
    end: Timestamp,
}

impl<'c, C: Iterator<Item = Caller>, T: FnMut(&Event, &View) -> ControlFlow<()>> Stage<'c, C, T> {
    fn open(cast: &'c Cast, coming: Peekable<C>, tell: T) -> Self {
        let node = NodeId::from("simulation");
        let names = cast.agents.iter().map(|agent| agent.profile.id.clone());
        let mut stage = Self {
            cast,
            places: names.zip(0..).collect(),
            returns: vec![0; cast.agents.len()],
            moves: 0,
            entered: 0,
            coming,
            present: BTreeMap::new(),
            agenda: Agenda::default(),
            at_once: Vec::new(),
            desk: Desk::new(node.clone(), 0),
            node,
            statistics: Statistics::new(Rules {
                interval: WHOLE_RUN,
                ..Rules::default()
            }),
            tell,
            goes_on: ControlFlow::Continue(()),
            now: Timestamp::default(),
            end: Timestamp::default(),
        };
        for rules in &cast.queues {
            let rules = QueueRules {
                wrap_up: LONGEST_WRAP_UP,
                ..rules.clone()
            };
            stage.apply(Verb::SetQueue { rules });
        }
        for (place, agent) in cast.agents.iter().enumerate() {
            let profile = agent.profile.clone();
            let id = profile.id.clone();
            stage.apply(Verb::SetAgent { profile });
            stage.apply(Verb::AgentReachable {
                agent: id,
                is_reachable: true,
            });
            for shift in &agent.shifts {
                let plan = |act| Act::Status(place, act);
                stage.agenda.plan(shift.from, plan(StatusAct::LogsIn));
                if let Some(to) = shift.to {
                    stage.agenda.plan(to, plan(StatusAct::LogsOut));
                }
            }
        }
        stage
    }

    fn next_at(&mut self) -> Option<Timestamp> {
        let arrival = self.coming.peek().map(|caller| caller.at);
        let due = self.desk.view().next_due().filter(|due| *due > self.now);
        let pause = policy::next_timeout(self.desk.view(), self.now);
        [arrival, self.agenda.next_at(), due, pause]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether callers who never give up are only passed round from queue to queue, with nobody to come who
    /// could change that.
    fn goes_in_circles(&mut self) -> bool {
        let nothing_comes = self.agenda.next_at().is_none() && self.coming.peek().is_none();
        nothing_comes && self.moves > MOVES_MAX
    }

    /// Everything that happens at one instant: what people do, what is due, who arrives, one by one; then
    /// matching, and again while that made something happen at the same instant.
    fn play_instant(&mut self) {
        loop {
            while let Some(act) = self.agenda.take_due(self.now) {
                self.act(act);
            }
            self.expire();
            if self.let_one_in() {
                continue;
            }
            self.match_all();
            if !self.has_due() {
                return;
            }
        }
    }

    fn has_due(&self) -> bool {
        self.agenda.next_at().is_some_and(|at| at <= self.now)
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Freed(_, contact, Freed::Talked) => {
                let talk = self.present.get(&contact).map(|caller| caller.talk);
                self.apply(Verb::Complete {
                    contact,
                    by: EndedBy::Caller,
                    talk: talk.unwrap_or_default(),
                    hold: Duration::ZERO,
                    token: None,
                });
            }
            Act::Freed(agent, contact, Freed::WrappedUp) => {
                let agent = self.cast.agents[agent].profile.id.clone();
                let contact = Some(contact);
                self.apply(Verb::EndWrapUp { agent, contact });
            }
            Act::Status(agent, act) => self.change_status(agent, act),
            Act::Leaves(contact) => {
                let waits = self.desk.view().contact(contact).is_some_and(|placed| {
                    matches!(placed.place, Place::Waiting | Place::Offered { .. })
                });
                if waits {
                    self.apply(Verb::Abandon { contact });
                    self.close(contact, ContactResult::Abandoned);
                }
            }
            Act::Offer(contact, end, token) => {
                let stands = self
                    .desk
                    .view()
                    .contact_of(token)
                    .is_some_and(|placed| placed.record.id == contact);
                if stands {
                    self.apply(match end {
                        OfferEnd::IsAnswered => Verb::Accept { token },
                        OfferEnd::RingsOut => Verb::RingTimeout { token },
                    });
                }
            }
        }
    }

    fn change_status(&mut self, place: AgentPlace, act: StatusAct) {
        let player = &self.cast.agents[place];
        let agent = player.profile.id.clone();
        match act {
            StatusAct::LogsOut => {
                let status = Status::LoggedOff;
                self.apply(Verb::AgentStatus { agent, status });
            }
            StatusAct::LogsIn => {
                let status = Status::Available;
                self.apply(Verb::AgentStatus {
                    agent: agent.clone(),
                    status,
                });
                let is_first = player
                    .shifts
                    .first()
                    .is_some_and(|first| first.from == self.now);
                if let Some(idle_since) = player.idle_since.filter(|_| is_first) {
                    let kind = EventKind::Ready {
                        after_wrap_up: false,
                        idle_since,
                        rest_until: None,
                    };
                    self.publish(EventDraft::of_agent(self.now, agent, kind));
                }
            }
            StatusAct::ComesBack => {
                let known = self.desk.view().agent(&agent);
                let chosen = known.map(|known| known.next_status.as_ref().unwrap_or(&known.status));
                let is_away =
                    matches!(chosen, Some(Status::NotReady(why)) if why == RING_ON_NO_ANSWER);
                if is_away {
                    let status = Status::Available;
                    self.apply(Verb::AgentStatus { agent, status });
                }
            }
        }
    }

    /// What time alone brings about at the desk.
    fn expire(&mut self) {
        if self.entered >= ENTERED_BETWEEN_EXPIRES {
            self.entered = 0;
            self.apply(Verb::Expire);
        }
        while self
            .desk
            .view()
            .next_due()
            .is_some_and(|due| due <= self.now)
        {
            let before = self.desk.view().last_event();
            self.apply(Verb::Expire);
            if self.desk.view().last_event() == before {
                return;
            }
        }
    }

    /// Lets the next one in who arrives now; whether there was one.
    fn let_one_in(&mut self) -> bool {
        let now = self.now;
        let Some(caller) = self.coming.next_if(|caller| caller.at <= now) else {
            return false;
        };
        self.entered += 1;
        self.arrive(caller);
        true
    }

    fn arrive(&mut self, caller: Caller) {
        let (id, queue) = (caller.id, caller.queue.clone());
        let kind = EventKind::Arrived {
            channel: caller.channel,
            from: String::new(),
            to: String::new(),
            via: String::new(),
        };
        self.publish(EventDraft::of_contact(self.now, id, kind).in_queue(queue.clone()));
        let contact = QueuedContact {
            priority: caller.priority,
            skills: caller.skills.clone(),
            reserved: caller.reserved.clone(),
            ..QueuedContact::new(
                id,
                queue.clone(),
                caller.channel,
                self.now,
                self.node.clone(),
            )
        };
        let patience = caller.patience;
        self.present.insert(id, caller);
        match self.apply(Verb::Enqueue { contact }) {
            Answer::Done | Answer::Reserved { .. } => {
                if let Some(patience) = patience {
                    self.agenda.plan(self.now + patience, Act::Leaves(id));
                }
            }
            Answer::Refused { reason } => {
                let reason = match reason {
                    Refusal::QueueFull => "full",
                    Refusal::QueueClosed => "closed",
                    Refusal::UnknownQueue
                    | Refusal::UnknownContact
                    | Refusal::UnknownAgent
                    | Refusal::NotWaiting
                    | Refusal::NotActive
                    | Refusal::AgentNotFree
                    | Refusal::NotEligible
                    | Refusal::QueueAtItsLimit
                    | Refusal::TooManyAtOnce
                    | Refusal::NoWrapUp
                    | Refusal::NoTimeLeft
                    | Refusal::StaleOffer
                    | Refusal::AlreadyEnded => "refused",
                };
                let kind = EventKind::Blocked {
                    reason: reason.to_owned(),
                };
                self.publish(EventDraft::of_contact(self.now, id, kind).in_queue(queue));
                self.close(id, ContactResult::Blocked);
            }
        }
    }

    /// Offers until the matcher is quiet; who answers at once does so before the next offer.
    fn match_all(&mut self) {
        while let Some(proposal) = self.desk.decide_one(self.now) {
            let answer = self.apply(proposal.into_verb());
            if let Answer::Refused { .. } = answer {
                // The policy looked at the very desk that refused; going on would ask the same again.
                return;
            }
            // Of several who would answer at once the first one rung does; the others find it gone.
            for place in 0..self.at_once.len() {
                let token = self.at_once[place];
                self.apply(Verb::Accept { token });
            }
            self.at_once.clear();
        }
    }

    fn apply(&mut self, verb: Verb) -> Answer {
        let outcome = self.desk.apply(Change { at: self.now, verb });
        for event in &outcome.events {
            self.take(event);
        }
        outcome.answer
    }

    fn publish(&mut self, draft: EventDraft) {
        let event = self.desk.publish(draft);
        self.take(&event);
    }

    /// The contact is over for the channel that brought it.
    fn close(&mut self, contact: ContactId, result: ContactResult) {
        self.present.remove(&contact);
        let kind = EventKind::Closed { result };
        self.publish(EventDraft::of_contact(self.now, contact, kind));
    }

    /// Counts and tells an event, and plans what the people it concerns will do.
    fn take(&mut self, event: &Event) {
        self.end = self.end.max(event.at);
        if let EventKind::Overflowed { .. } = event.kind {
            self.moves += 1;
        } else if let EventKind::Offered { .. } | EventKind::Arrived { .. } = event.kind {
            self.moves = 0;
        }
        self.statistics.record(event);
        if self.goes_on.is_continue() {
            self.goes_on = (self.tell)(event, self.desk.view());
        }
        let place = event
            .agent
            .as_ref()
            .and_then(|agent| self.places.get(agent).copied());
        if let (Some(contact), Some(place)) = (event.contact, place) {
            self.plan_ahead(event, contact, place);
        }
    }

    fn plan_ahead(&mut self, event: &Event, contact: ContactId, place: AgentPlace) {
        if let EventKind::Offered {
            token, deadline, ..
        } = event.kind
        {
            self.plan_offer(contact, place, token, deadline);
        } else if let EventKind::Answered { .. } = event.kind
            && let Some(caller) = self.present.get(&contact)
        {
            let act = Act::Freed(place, contact, Freed::Talked);
            self.agenda.plan(self.now + caller.talk, act);
        } else if let EventKind::Ended { .. } = event.kind
            && let Some(caller) = self.present.get(&contact)
        {
            let act = Act::Freed(place, contact, Freed::WrappedUp);
            self.agenda.plan(self.now + caller.wrap_up, act);
        } else if let EventKind::Ready {
            after_wrap_up: true,
            ..
        } = event.kind
        {
            self.close(contact, ContactResult::Answered);
        } else if let EventKind::RingTimeout { .. } = event.kind
            && let Some(back) = self.cast.agents[place].ready_after_rona
            && self.returns[place] < RETURNS_MAX
        {
            self.returns[place] += 1;
            let act = Act::Status(place, StatusAct::ComesBack);
            self.agenda.plan(self.now + back, act);
        }
    }

    /// An answer in the very second in which the ring ends is still an answer.
    fn plan_offer(
        &mut self,
        contact: ContactId,
        place: AgentPlace,
        token: OfferToken,
        deadline: Timestamp,
    ) {
        match self.cast.agents[place].answer_after {
            Some(Duration::ZERO) => self.at_once.push(token),
            Some(after) if self.now + after <= deadline => {
                let act = Act::Offer(contact, OfferEnd::IsAnswered, token);
                self.agenda.plan(self.now + after, act);
            }
            Some(_) | None => {
                let act = Act::Offer(contact, OfferEnd::RingsOut, token);
                self.agenda.plan(deadline, act);
            }
        }
    }
}

/// Agents end their wrap-up themselves when the caller's is over; the desk's own end of it comes later
/// than any of them.
const LONGEST_WRAP_UP: Duration = Duration::from_secs(2_000_000_000);
