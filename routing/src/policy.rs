//! Which contact next, and to whom.
//!
//! [`decide`] looks at a [`View`] and proposes; a store disposes, so a proposal that is late or doubled
//! is refused and costs nothing but itself. The order of thought is fixed: first who may take what at all
//! (eligibility), only then who comes first (precedence), so that an urgent contact nobody can take never
//! keeps the others waiting.
//!
//! - Eligibility, settled by [`crate::agent::AgentProfile::can_take`] when a contact or an agent comes in
//!   (the view's lines): queue, channel capacity, skill levels. This is where steps that relax skills with
//!   waiting, opening hours and overflow to another queue belong: they change in which lines a contact
//!   stands.
//! - What only time changes, looked at here: back-off per agent and contact, the rest of a busy phone.
//! - Precedence among contacts: [`crate::contact::PlaceInLine`] (priority, first come first served, id).
//!   Ageing belongs there, as a shift of the instant of entry by the priority's worth in time, which keeps
//!   the order free of `now`.
//! - Precedence among agents: longest idle, ties by name. Other strategies are another order of a line's
//!   free agents, by [`crate::queue::Strategy`].
//!
//! The invariant: when `decide` proposes nothing, no contact waits that a free agent may take.

use crate::contact::PlaceInLine;
use crate::ids::{AgentId, ContactId};
use crate::time::Timestamp;
use crate::view::{Line, View};
use std::collections::BTreeSet;

/// A contact and an agent who should meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The contact.
    pub contact: ContactId,
    /// The agent.
    pub agent: AgentId,
}

/// Most proposals of one look; whoever asks looks again after having made them.
pub const PROPOSALS_MAX: usize = 64;

/// Proposes who should meet now, the most urgent first; no contact and no agent twice.
///
/// Costs a look at each line where somebody waits and somebody is free, of which there is none when the
/// desk is quiet, however many wait.
pub fn decide(view: &View, now: Timestamp) -> Vec<Proposal> {
    let mut taken = Taken::default();
    let mut proposals = Vec::new();
    while proposals.len() < PROPOSALS_MAX
        && let Some(proposal) = find_next(view, now, &taken)
    {
        taken.contacts.insert(proposal.contact);
        taken.agents.insert(proposal.agent.clone());
        proposals.push(proposal);
    }
    proposals
}

/// Proposes the one pair that should meet first.
pub fn decide_one(view: &View, now: Timestamp) -> Option<Proposal> {
    find_next(view, now, &Taken::default())
}

/// When time alone may make a pair eligible that is not so at `now`: the end of a back-off or a rest.
pub fn next_timeout(view: &View, now: Timestamp) -> Option<Timestamp> {
    view.next_pause_end(now)
}

/// Who is spoken for by an earlier proposal of the same look.
#[derive(Default)]
struct Taken {
    contacts: BTreeSet<ContactId>,
    agents: BTreeSet<AgentId>,
}

fn find_next(view: &View, now: Timestamp, taken: &Taken) -> Option<Proposal> {
    let mut best: Option<(PlaceInLine, &AgentId)> = None;
    for line in view.ready_lines() {
        if let Some(found) = first_pair(view, line, now, taken, best.map(|(place, _)| place)) {
            best = Some(found);
        }
    }
    best.map(|(place, agent)| Proposal {
        contact: place.contact(),
        agent: agent.clone(),
    })
}

/// The first contact of a line that a free agent may take now, if it comes before `limit`.
fn first_pair<'v>(
    view: &'v View,
    line: &'v Line,
    now: Timestamp,
    taken: &Taken,
    limit: Option<PlaceInLine>,
) -> Option<(PlaceInLine, &'v AgentId)> {
    let is_awake = |id: &&AgentId| {
        !taken.agents.contains(*id) && view.agent(id).is_some_and(|agent| !agent.is_resting(now))
    };
    // Asked once before the contacts are walked: with nobody awake the walk would be in vain.
    line.free_agents().find(is_awake)?;
    for place in line.waiting() {
        if limit.is_some_and(|limit| *place > limit) {
            return None;
        }
        if taken.contacts.contains(&place.contact()) {
            continue;
        }
        let Some(contact) = view.contact(place.contact()) else {
            continue;
        };
        let agent = line
            .free_agents()
            .filter(is_awake)
            .find(|agent| !contact.record.is_avoiding(agent, now));
        if let Some(agent) = agent {
            return Some((*place, agent));
        }
    }
    None
}
