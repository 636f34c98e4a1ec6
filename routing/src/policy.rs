//! Which contact next, and to whom.
//!
//! [`decide`] looks at a [`View`] and proposes; a store disposes, so a proposal that is late or doubled
//! is refused and costs nothing but itself. The order of thought is fixed: first who may take what at all
//! (eligibility), only then who comes first (precedence), so that an urgent contact nobody can take never
//! keeps the others waiting.
//!
//! - Eligibility, settled when a contact or an agent comes in (the view's lines): queue, room for one more
//!   contact of the channel ([`crate::agent::AgentProfile::has_room`]), skills as far as the wait has
//!   relaxed them ([`crate::contact::Needs`]), whose the contact is ([`crate::contact::Reserved`]), the
//!   queue's limit of active contacts. Where time changes that, [`View::advance`] moves contacts between
//!   lines.
//! - What else only time changes, looked at here: back-off per agent and contact, the rest of a busy phone.
//! - Precedence among pairs: first by the precedence of the contact's queue with the agent
//!   ([`crate::agent::Precedence`]), then by the contact's place, then by the agent's.
//! - Places of contacts ([`crate::contact::PlaceInLine`]): the highest `priority + aging x time waited`,
//!   then first come first served, then by id. Within a queue that order never changes with time; between
//!   queues that age differently it is that of the instant.
//!   Who comes first is who arrived first, whenever they entered the line: a caller whom the CMS takes its time
//!   to find (800 ms by default) stands where they would have stood, and is passed only by those who met an idle
//!   agent meanwhile. Holding an agent back for a caller who is not in the line yet would idle them for one who may
//!   hang up or go elsewhere.
//! - Places of agents: as the queue's [`crate::queue::Strategy`] has it, then longest idle, ties by name.
//! - Where the queue rings all, the pair that comes first is rung together with every other agent who may
//!   take the contact and for whom nothing that waits comes before it, in the order of their places, up to
//!   the queue's bound.
//!
//! The invariant: when `decide` proposes nothing, no contact waits that a free agent may take.

use crate::agent::Precedence;
use crate::contact::{PlaceInLine, QueuedContact};
use crate::ids::{AgentId, ContactId, QueueId};
use crate::queue::Strategy;
use crate::time::Timestamp;
use crate::verb::Verb;
use crate::view::{Line, Pace, Standing, View};
use std::collections::btree_set::Iter;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

/// A contact and an agent who should meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The contact.
    pub contact: ContactId,
    /// The agent.
    pub agent: AgentId,
    /// Who is to be rung beside them, where the queue rings all; whoever answers first has the contact.
    pub others: Vec<AgentId>,
}

impl Proposal {
    /// What is to be asked of the store.
    pub fn into_verb(self) -> Verb {
        Verb::Offer {
            contact: self.contact,
            agent: self.agent,
            others: self.others,
        }
    }
}

/// Most proposals of one look; whoever asks looks again after having made them.
pub const PROPOSALS_MAX: usize = 64;

/// Proposes who should meet now, the most urgent first; no contact and no agent twice.
///
/// Costs by the number of proposals, however many wait and however many are free: the lines where somebody
/// waits and somebody is free are kept in the order of their first contacts, and are looked at in that
/// order. When the desk is quiet there is none.
pub fn decide(view: &mut View, now: Timestamp) -> Vec<Proposal> {
    view.advance(now);
    let mut look = Look::new(view, now);
    let mut proposals = Vec::new();
    while proposals.len() < PROPOSALS_MAX
        && let Some(proposal) = look.find_next()
    {
        look.taken.note(view, &proposal);
        proposals.push(proposal);
    }
    proposals
}

/// Proposes the one pair that should meet first.
pub fn decide_one(view: &mut View, now: Timestamp) -> Option<Proposal> {
    view.advance(now);
    Look::new(view, now).find_next()
}

/// When time alone may make a pair eligible that is not so at `now`: the end of a back-off or a rest, or a
/// wait that is long enough for other agents. It may lie in the past of a view that has not been asked to
/// decide since.
pub fn next_timeout(view: &View, now: Timestamp) -> Option<Timestamp> {
    let pause = view.next_pause_end(now).into_iter();
    pause.chain(view.next_change()).min()
}

/// Who is spoken for by an earlier proposal of the same look.
#[derive(Default)]
struct Taken {
    contacts: BTreeSet<ContactId>,
    agents: BTreeSet<AgentId>,
    of_queue: BTreeMap<QueueId, u32>,
}

impl Taken {
    fn note(&mut self, view: &View, proposal: &Proposal) {
        self.contacts.insert(proposal.contact);
        self.agents.insert(proposal.agent.clone());
        self.agents.extend(proposal.others.iter().cloned());
        if let Some(contact) = view.contact(proposal.contact) {
            let queue = contact.record.queue.clone();
            *self.of_queue.entry(queue).or_default() += 1;
        }
    }

    /// Whether an agent may take a contact that waits in a line where they stand.
    fn may_meet(&self, view: &View, now: Timestamp, id: &AgentId, record: &QueuedContact) -> bool {
        self.is_awake(view, now, id)
            && !record.is_avoiding(id, now)
            // A clock that was set back sees a contact that stands too far already.
            && view.agent(id).is_some_and(|agent| view.is_eligible(record, agent, now))
    }

    fn is_awake(&self, view: &View, now: Timestamp, id: &AgentId) -> bool {
        !self.agents.contains(id) && view.agent(id).is_some_and(|agent| !agent.is_resting(now))
    }

    /// Whether the proposals so far bring a queue to its limit of active contacts.
    fn fills(&self, view: &View, queue: &QueueId) -> bool {
        view.room_left(queue)
            .is_some_and(|left| self.of_queue.get(queue).is_some_and(|taken| *taken >= left))
    }
}

/// The lines of a pace that are still to come, by the places of their first contacts.
type Lines<'v> = Peekable<Iter<'v, (PlaceInLine, usize)>>;

/// One look at the desk. While it lasts more and more are spoken for, so the first pair of a line only ever
/// comes later, and what is known of it stays true as the earliest it can be.
struct Look<'v> {
    view: &'v View,
    now: Timestamp,
    taken: Taken,
    /// Lines that were not looked at yet, the first at the head of each pace.
    unseen: Vec<(Pace, Lines<'v>)>,
    /// Lines that were, by the earliest that their first pair can stand.
    seen: BTreeSet<(Standing, usize)>,
}

impl<'v> Look<'v> {
    fn new(view: &'v View, now: Timestamp) -> Self {
        let unseen = view.ready_by_pace();
        Self {
            view,
            now,
            taken: Taken::default(),
            unseen: unseen
                .map(|(pace, lines)| (pace, lines.iter().peekable()))
                .collect(),
            seen: BTreeSet::new(),
        }
    }

    /// The pair that comes first of all, with those who are rung beside it.
    fn find_next(&mut self) -> Option<Proposal> {
        let (view, now) = (self.view, self.now);
        while let Some(line_at) = self.take_first_line() {
            let Some(line) = view.line(line_at) else {
                continue;
            };
            if self.taken.fills(view, line.queue()) {
                continue;
            }
            let Some((standing, agent)) = first_pair(view, line, now, &self.taken) else {
                continue;
            };
            self.seen.insert((standing, line_at));
            if self.earliest().is_some_and(|earliest| earliest < standing) {
                continue;
            }
            return Some(Proposal {
                contact: standing.1.contact(),
                agent: agent.clone(),
                others: beside(view, line, now, &self.taken, standing, agent),
            });
        }
        None
    }

    /// The earliest that any pair can stand.
    fn earliest(&mut self) -> Option<Standing> {
        let seen = self.seen.first().map(|(standing, _)| *standing);
        let unseen = self.first_unseen().map(|(standing, _)| standing);
        seen.into_iter().chain(unseen).min()
    }

    /// The pace whose next line can have the earliest pair of those that were not looked at.
    fn first_unseen(&mut self) -> Option<(Standing, usize)> {
        let now = self.now;
        let paces = self.unseen.iter_mut().enumerate();
        let heads = paces.filter_map(|(at, (pace, lines))| {
            let (first, _) = lines.peek()?;
            Some((pace.earliest(*first, now), at))
        });
        heads.min()
    }

    /// Takes out the line that can have the earliest pair.
    fn take_first_line(&mut self) -> Option<usize> {
        let seen = self.seen.first().map(|(standing, _)| *standing);
        match self.first_unseen() {
            Some((standing, pace)) if seen.is_none_or(|seen| standing < seen) => {
                let (_, lines) = self.unseen.get_mut(pace)?;
                lines.next().map(|(_, line)| *line)
            }
            Some(_) | None => self.seen.pop_first().map(|(_, line)| line),
        }
    }
}

/// Who is rung beside the first agent of a pair that comes before all others.
fn beside(
    view: &View,
    line: &Line,
    now: Timestamp,
    taken: &Taken,
    standing: Standing,
    first: &AgentId,
) -> Vec<AgentId> {
    let (earliest, place) = standing;
    let contact = view.contact(place.contact());
    let (Strategy::RingAll, Some(contact)) = (line.strategy(), contact) else {
        return Vec::new();
    };
    let record = &contact.record;
    let at_once = view.rings_at_once(record);
    let others = line.free_agents().filter(|(precedence, id)| {
        *id != first
            && taken.may_meet(view, now, id, record)
            // No pair comes before the first one, so only who has the queue later may have another before it.
            && (*precedence == earliest || !has_earlier(view, now, taken, id, (*precedence, place)))
    });
    let others = others.map(|(_, id)| id.clone());
    others.take(at_once - 1).collect()
}

/// Whether an agent may take something that comes before what stands so.
fn has_earlier(
    view: &View,
    now: Timestamp,
    taken: &Taken,
    id: &AgentId,
    standing: Standing,
) -> bool {
    let mut lines = view.ready_lines_of(id);
    lines.any(|(precedence, line)| {
        let seen = |place: &&PlaceInLine| (precedence, place.seen_at(line.aging(), now));
        !taken.fills(view, line.queue())
            && line
                .waiting()
                .take_while(|place| seen(place) < standing)
                .filter(|place| !taken.contacts.contains(&place.contact()))
                .filter_map(|place| view.contact(place.contact()))
                .any(|other| taken.may_meet(view, now, id, &other.record))
    })
}

/// The first pair of a line that may meet now.
fn first_pair<'v>(
    view: &'v View,
    line: &'v Line,
    now: Timestamp,
    taken: &Taken,
) -> Option<(Standing, &'v AgentId)> {
    // Without somebody awake the contacts would be walked in vain; and those for whom the queue comes
    // later are looked at only if the earlier ones are to be left alone by everybody who waits.
    let is_awake = |(_, id): &(Precedence, &AgentId)| taken.is_awake(view, now, id);
    let mut awake = line.free_agents().filter(is_awake).peekable();
    while let Some((precedence, _)) = awake.peek().copied() {
        for place in line.waiting() {
            if taken.contacts.contains(&place.contact()) {
                continue;
            }
            let Some(contact) = view.contact(place.contact()) else {
                continue;
            };
            let agent = line
                .free_agents()
                .skip_while(|(other, _)| *other < precedence)
                .take_while(|(other, _)| *other == precedence)
                .find(|(_, id)| taken.may_meet(view, now, id, &contact.record));
            if let Some((_, agent)) = agent {
                return Some(((precedence, place.seen_at(line.aging(), now)), agent));
            }
        }
        while awake.next_if(|(other, _)| *other == precedence).is_some() {}
    }
    None
}
