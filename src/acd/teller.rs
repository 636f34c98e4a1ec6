//! Verbs that nobody waits for: told in order, and again until the desk has taken them.
//!
//! Where a person or a call waits for the answer, they ask again themselves. What this tells has nobody: who an
//! agent is, whether their phone can be rung, what a lost gateway left behind. A desk that cannot be asked (its
//! queue of requests is full, or its store failed at the request) has done nothing that could be relied on, so the
//! verb is kept and told again, at each [`Teller::tell_again`]. Of one agent or contact one verb is on its way at a
//! time, so that an older word never comes after a newer one; a newer word on the same thing takes the place of one
//! that still waits. So no more is kept than a few verbs for each agent of the desk.
//!
//! What the desk refuses is over: it has understood, and asking again would change nothing.

use super::handle::Acd;
use super::store::StoreLost;
use ringdown_routing::ids::{AgentId, ContactId};
use ringdown_routing::verb::{Answer, Verb};
use std::collections::{BTreeMap, VecDeque};
use std::mem::discriminant;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whom a verb is about: of one, verbs are told in their order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// An agent.
    Agent(AgentId),
    /// A contact.
    Contact(ContactId),
}

/// Tells the desk; clones share what is still to be told.
#[derive(Clone, Debug)]
pub struct Teller {
    acd: Acd,
    untold: Arc<Mutex<Untold>>,
    not_told: Arc<AtomicU64>,
}

impl Teller {
    /// Tells this desk.
    pub fn new(acd: Acd) -> Self {
        Self {
            acd,
            untold: Arc::default(),
            not_told: Arc::default(),
        }
    }

    /// Tells the desk at once, or as soon as it takes what was to be told of the same before.
    pub fn tell(&self, about: About, verb: Verb) {
        let first = self.lock().note(&about, verb);
        if let Some(verb) = first {
            self.submit(about, verb);
        }
    }

    /// Tells again what the desk did not take; is called every second.
    pub fn tell_again(&self) {
        let due = self.lock().take_due();
        for (about, verb) in due {
            self.submit(about, verb);
        }
    }

    /// Verbs that are on their way or still to be told.
    pub fn waiting(&self) -> usize {
        self.lock().len()
    }

    /// Times that the desk could not be told, since the start.
    pub fn times_not_told(&self) -> u64 {
        self.not_told.load(Ordering::Relaxed)
    }

    fn submit(&self, about: About, verb: Verb) {
        let teller = self.clone();
        let told = verb.clone();
        self.acd.submit(verb, move |outcome| {
            teller.hear(about, &told, outcome);
        });
    }

    fn hear(&self, about: About, told: &Verb, outcome: Result<Answer, StoreLost>) {
        match outcome {
            Ok(Answer::Done | Answer::Reserved { .. }) => {}
            Ok(Answer::Refused { reason }) => {
                tracing::warn!(verb = ?told, ?reason, "the desk refused");
            }
            Err(fault) => {
                let times = self.not_told.fetch_add(1, Ordering::Relaxed);
                // The first of each thousand: a desk that is overloaded has no use for as many lines of log.
                if times.is_multiple_of(LOGGED_OF) {
                    tracing::warn!(verb = ?told, %fault, "the desk is told again what it could not take");
                }
                return self.lock().is_lost(&about);
            }
        }
        let next = self.lock().is_taken(&about);
        if let Some(verb) = next {
            self.submit(about, verb);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Untold> {
        // It is whole between any two steps.
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of how many verbs that were not taken one is logged.
const LOGGED_OF: u64 = 1_000;

/// What is still to be told.
#[derive(Debug, Default)]
struct Untold {
    lines: BTreeMap<About, Line>,
}

/// The verbs about one agent or contact, in order; never empty.
#[derive(Debug)]
struct Line {
    verbs: VecDeque<Verb>,
    /// Whether the first is on its way.
    is_asked: bool,
}

impl Untold {
    /// Puts a verb behind those about the same; gives it when it is to be told now.
    fn note(&mut self, about: &About, verb: Verb) -> Option<Verb> {
        if let Some(line) = self.lines.get_mut(about) {
            line.put(verb);
            return None;
        }
        let line = Line {
            verbs: VecDeque::from([verb.clone()]),
            is_asked: true,
        };
        self.lines.insert(about.clone(), line);
        Some(verb)
    }

    /// The first is done; gives the next to tell.
    fn is_taken(&mut self, about: &About) -> Option<Verb> {
        let line = self.lines.get_mut(about)?;
        line.verbs.pop_front();
        let next = line.verbs.front().cloned();
        if next.is_none() {
            self.lines.remove(about);
        }
        next
    }

    /// The first was not taken: it waits with the others, as if it had never been on its way.
    fn is_lost(&mut self, about: &About) {
        if let Some(line) = self.lines.get_mut(about) {
            line.is_asked = false;
            for verb in std::mem::take(&mut line.verbs) {
                line.put(verb);
            }
        }
    }

    fn take_due(&mut self) -> Vec<(About, Verb)> {
        let mut due = Vec::new();
        for (about, line) in &mut self.lines {
            if !line.is_asked
                && let Some(verb) = line.verbs.front()
            {
                due.push((about.clone(), verb.clone()));
                line.is_asked = true;
            }
        }
        due
    }

    fn len(&self) -> usize {
        self.lines.values().map(|line| line.verbs.len()).sum()
    }
}

impl Line {
    /// Puts a verb to those that wait. Who an agent is comes before all that was said of them, for the desk knows
    /// nobody before; anything else is the newest word.
    fn put(&mut self, verb: Verb) {
        let on_its_way = usize::from(self.is_asked);
        let waiting = self.verbs.split_off(on_its_way);
        let place = waiting.iter().position(|old| is_same_kind(old, &verb));
        let mut kept: VecDeque<Verb> = waiting
            .iter()
            .filter(|old| !is_same_kind(old, &verb))
            .cloned()
            .collect();
        match place {
            Some(place) if matches!(verb, Verb::SetAgent { .. }) => kept.insert(place, verb),
            Some(_) | None => kept.push_back(verb),
        }
        self.verbs.append(&mut kept);
    }
}

/// Whether the newer of two verbs about the same makes the older one void.
fn is_same_kind(one: &Verb, other: &Verb) -> bool {
    let is_of_roster =
        |verb: &Verb| matches!(verb, Verb::SetAgent { .. } | Verb::RemoveAgent { .. });
    discriminant(one) == discriminant(other) || (is_of_roster(one) && is_of_roster(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringdown_routing::agent::{AgentProfile, Status};

    fn anna() -> About {
        About::Agent(AgentId::from("anna"))
    }

    fn set(name: &str) -> Verb {
        let profile = AgentProfile::new(AgentId::from("anna"), name);
        Verb::SetAgent { profile }
    }

    fn remove() -> Verb {
        let agent = AgentId::from("anna");
        Verb::RemoveAgent { agent }
    }

    fn reach(is_reachable: bool) -> Verb {
        let agent = AgentId::from("anna");
        Verb::AgentReachable {
            agent,
            is_reachable,
        }
    }

    fn status(status: Status) -> Verb {
        let agent = AgentId::from("anna");
        Verb::AgentStatus { agent, status }
    }

    /// What is told of her, one after the other, when the first was not taken and the desk takes what follows.
    fn told_after_loss(verbs: impl IntoIterator<Item = Verb>) -> Vec<Verb> {
        let mut untold = Untold::default();
        for verb in verbs {
            untold.note(&anna(), verb);
        }
        untold.is_lost(&anna());
        let mut told = Vec::new();
        let mut next = untold.take_due().pop().map(|(_, verb)| verb);
        while let Some(verb) = next {
            told.push(verb);
            next = untold.is_taken(&anna());
        }
        assert_eq!(untold.len(), 0);
        told
    }

    #[test]
    fn what_was_not_taken_is_told_again_before_what_came_after_it() {
        assert_eq!(told_after_loss([reach(true)]), [reach(true)]);
        let all = [set("Anna"), reach(true), status(Status::Available)];
        assert_eq!(told_after_loss(all.clone()), all);
    }

    #[test]
    fn an_older_word_never_comes_after_a_newer_one() {
        let flaps = [true, false, true, false].map(reach);
        assert_eq!(told_after_loss(flaps), [reach(false)]);
        let replaced = [set("Anna"), reach(true), set("Anna Lin")];
        // What the desk did not take made nobody known, so who she is comes before her phone.
        assert_eq!(told_after_loss(replaced), [set("Anna Lin"), reach(true)]);
    }

    #[test]
    fn who_leaves_and_comes_again_is_there_in_the_end() {
        let verbs = [
            reach(true),
            status(Status::LoggedOff),
            remove(),
            set("Anna"),
            status(Status::Available),
        ];
        let told = [reach(true), set("Anna"), status(Status::Available)];
        assert_eq!(told_after_loss(verbs), told);
        let verbs = [
            reach(true),
            set("Anna"),
            status(Status::LoggedOff),
            remove(),
        ];
        let told = [reach(true), status(Status::LoggedOff), remove()];
        assert_eq!(told_after_loss(verbs), told);
    }

    #[test]
    fn one_verb_about_an_agent_is_on_its_way_at_a_time() {
        let mut untold = Untold::default();
        assert_eq!(untold.note(&anna(), reach(true)), Some(reach(true)));
        assert_eq!(untold.note(&anna(), reach(false)), None);
        let bob = About::Agent(AgentId::from("bob"));
        assert!(untold.note(&bob, set("Bob")).is_some());
        assert_eq!(untold.take_due(), []);
        assert_eq!(untold.is_taken(&anna()), Some(reach(false)));
        assert_eq!(untold.is_taken(&anna()), None);
        assert_eq!(untold.len(), 1);
    }

    #[test]
    fn however_long_the_desk_takes_nothing_a_few_verbs_are_kept_for_an_agent() {
        let mut untold = Untold::default();
        for round in 0..100 {
            let is_reachable = round % 2 == 0;
            for verb in [
                set(&round.to_string()),
                reach(is_reachable),
                status(Status::Available),
                remove(),
            ] {
                untold.note(&anna(), verb);
            }
            untold.is_lost(&anna());
            untold.take_due();
        }
        assert!(untold.len() <= 4, "{}", untold.len());
    }
}
