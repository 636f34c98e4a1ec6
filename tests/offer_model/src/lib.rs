//! The reservation protocol of the desk as a small model: two routers, two agents, two contacts, one crash,
//! leases that end when they like.
//!
//! What the desk does in one verb is one action here; what may come between two verbs, any other action
//! may. An agent who has a contact may lose it to the line again (by hand), and the router that joined them
//! hears of it late. A contact is offered to one agent, or to both at once as where a queue rings all: then each has a
//! token, and whoever is accepted first has it. Each of the protocol's six [`Guard`]s can be taken away,
//! and then one of the properties breaks: that is what the guard is for. The names of verbs are those of
//! `ringdown_routing::verb`.
//!
//! Time is order: a ring that carries its own deadline is over before the lease of its offer ends, because
//! the lease ends later by `LEASE_GRACE`.

use stateright::{Model, Property};
use std::collections::BTreeSet;

/// A rule that the protocol rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guard {
    /// `Offer` looks and reserves in one step.
    AtomicReserve,
    /// `Accept` commits only the offer that stands, by its token.
    TokenAtAccept,
    /// A ring carries its own deadline and dies by itself, so it is over before its lease.
    RingDeadline,
    /// A ring is cancelled before its contact is re-queued.
    CancelBeforeRequeue,
    /// `Accept` ends the offers to all others who ring for the contact in the same step.
    OneWinner,
    /// `Complete` ends only the talk that was answered by its token.
    TokenAtComplete,
}

/// The model, without the guards in `without`.
#[derive(Clone, Debug, Default)]
pub struct Offers {
    /// The guards taken away.
    pub without: BTreeSet<Guard>,
}

/// Contacts, agents and routers are two each.
const PAIR: [usize; 2] = [0, 1];

/// Offers made at most, so that the model is finite; three are enough for every known fault.
const OFFERS_MAX: u8 = 3;

/// Where the store says a contact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Contact {
    /// In the line.
    Waiting,
    /// Reserved for an agent, or for both.
    Offered {
        /// The offer to each agent, if there is one.
        tokens: [Option<u8>; 2],
    },
    /// An agent has it.
    Active {
        /// The offer that was accepted.
        token: u8,
    },
    /// Over.
    Ended,
}

/// What the store says an agent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Agent {
    /// Nothing.
    Free,
    /// A contact is reserved for them.
    Reserved {
        /// Which.
        contact: usize,
        /// The offer.
        token: u8,
    },
    /// They have a contact.
    Busy {
        /// Which.
        contact: usize,
    },
}

/// A router: what it is about to do, and whether it lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Router {
    /// Whether it has not crashed.
    pub lives: bool,
    /// A contact and agents it found free and has not reserved yet; only without
    /// [`Guard::AtomicReserve`].
    pub looked: Option<(usize, Agents)>,
    /// Offers it made and has not rung yet.
    pub to_ring: BTreeSet<Offer>,
}

/// Who is rung at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Agents {
    /// One.
    One(usize),
    /// Both, as where a queue rings all.
    Both,
}

impl Agents {
    fn each(self) -> impl Iterator<Item = usize> {
        PAIR.into_iter().filter(move |agent| match self {
            Self::One(one) => *agent == one,
            Self::Both => true,
        })
    }
}

/// Whom a router may ring.
const CHOICES: [Agents; 3] = [Agents::One(0), Agents::One(1), Agents::Both];

/// An offer as routers and phones know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offer {
    /// Its token.
    pub token: u8,
    /// The first token of those that were given in the same step.
    pub first: u8,
    /// The contact.
    pub contact: usize,
    /// The agent.
    pub agent: usize,
    /// Who made it.
    pub router: usize,
}

/// Everything at one instant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Desk {
    /// The store's contacts.
    pub contacts: [Contact; 2],
    /// The store's agents.
    pub agents: [Agent; 2],
    /// The last token it gave.
    pub last_token: u8,
    /// The routers.
    pub routers: [Router; 2],
    /// Phones that ring.
    pub rings: BTreeSet<Offer>,
    /// Rings that were answered, of which the store has not heard.
    pub picked_up: BTreeSet<Offer>,
    /// Talks that their routers have not seen the end of; of a contact that was taken back, an old one.
    pub talks: BTreeSet<Offer>,
    /// Whether a talk that went on was ended by the router of an old one.
    pub cut_off: bool,
}

/// One step of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A router finds a contact and agents free; only without [`Guard::AtomicReserve`].
    Look(usize, usize, Agents),
    /// `Offer`: router, contact, agents.
    Reserve(usize, usize, Agents),
    /// A router rings the phone.
    Ring(Offer),
    /// A ring ends by its own deadline.
    RingDies(Offer),
    /// An agent picks up.
    PickUp(Offer),
    /// `Accept`, by the router that rang.
    Accept(Offer),
    /// `Decline` or `RingTimeout` by the router of a standing offer.
    Requeue(Offer),
    /// `Expire` finds a lease that is over.
    LeaseEnds(usize),
    /// `Complete`, by the router that joined them.
    Complete(Offer),
    /// `Requeue` by hand of a contact that an agent has.
    TakeBack(usize),
    /// `Expire` ends the contact of a router that died.
    NodeLost(usize),
    /// A router dies with all it meant to do.
    Crash(usize),
}

impl Offers {
    /// The protocol without one of its guards.
    pub fn without(guard: Guard) -> Self {
        Self {
            without: BTreeSet::from([guard]),
        }
    }

    fn has(&self, guard: Guard) -> bool {
        !self.without.contains(&guard)
    }
}

impl Desk {
    fn stands(&self, offer: &Offer) -> bool {
        matches!(
            self.contacts[offer.contact],
            Contact::Offered { tokens } if tokens[offer.agent] == Some(offer.token)
        )
    }

    fn is_free(&self, contact: usize, agents: Agents) -> bool {
        self.contacts[contact] == Contact::Waiting
            && agents.each().all(|agent| self.agents[agent] == Agent::Free)
    }

    /// How many different offers the phones that ring for a contact are of.
    fn offers_rung(&self, contact: usize) -> usize {
        let rings = self.rings.iter().filter(|ring| ring.contact == contact);
        rings.map(|ring| ring.first).collect::<BTreeSet<_>>().len()
    }

    /// Whether an offer of a contact is rung or about to be, answered, or about to be told.
    fn is_on_its_way(&self, contact: usize) -> bool {
        let lives = |offer: &&Offer| self.routers[offer.router].lives;
        let is_meant = |offer: &Offer| offer.contact == contact && self.stands(offer);
        let to_ring = self.routers.iter().flat_map(|router| &router.to_ring);
        let told = to_ring.chain(&self.picked_up).filter(lives).any(is_meant);
        told || self.rings.iter().any(is_meant)
    }

    fn reserve(&mut self, router: usize, contact: usize, agents: Agents) {
        let first = self.last_token + 1;
        let mut tokens = [None; 2];
        for agent in agents.each() {
            self.last_token += 1;
            let token = self.last_token;
            tokens[agent] = Some(token);
            self.agents[agent] = Agent::Reserved { contact, token };
            self.routers[router].to_ring.insert(Offer {
                token,
                first,
                contact,
                agent,
                router,
            });
        }
        self.contacts[contact] = Contact::Offered { tokens };
    }

    /// One agent does not ring any longer for a contact: with the last it waits again.
    fn leave_offer(&mut self, contact: usize, agent: usize) {
        if let Contact::Offered { mut tokens } = self.contacts[contact]
            && let Some(token) = tokens[agent].take()
        {
            if self.agents[agent] == (Agent::Reserved { contact, token }) {
                self.agents[agent] = Agent::Free;
            }
            self.contacts[contact] = match tokens {
                [None, None] => Contact::Waiting,
                [Some(_), _] | [_, Some(_)] => Contact::Offered { tokens },
            };
        }
    }

    /// The agent has the contact; whoever else rang for it is free, if that is part of the same step.
    fn accept(&mut self, offer: &Offer, model: &Offers) {
        let contact = offer.contact;
        let mut left = Contact::Active { token: offer.token };
        if let Contact::Offered { mut tokens } = self.contacts[contact] {
            tokens[offer.agent] = None;
            if model.has(Guard::OneWinner) {
                PAIR.into_iter()
                    .filter(|agent| *agent != offer.agent)
                    .for_each(|agent| self.leave_offer(contact, agent));
            } else if tokens != [None; 2] {
                left = Contact::Offered { tokens };
            }
        }
        self.contacts[contact] = left;
        self.agents[offer.agent] = Agent::Busy { contact };
    }

    /// Whether the talk is the one that the store knows of.
    fn goes_on(&self, talk: &Offer) -> bool {
        self.contacts[talk.contact] == (Contact::Active { token: talk.token })
    }

    /// Nobody has the contact any longer.
    fn free(&mut self, contact: usize, place: Contact) {
        self.contacts[contact] = place;
        for agent in &mut self.agents {
            if *agent == (Agent::Busy { contact }) {
                *agent = Agent::Free;
            }
        }
    }

    fn crash(&mut self, router: usize) {
        self.routers[router] = Router {
            lives: false,
            looked: None,
            to_ring: BTreeSet::new(),
        };
    }
}

impl Model for Offers {
    type State = Desk;
    type Action = Step;

    fn init_states(&self) -> Vec<Desk> {
        let router = Router {
            lives: true,
            looked: None,
            to_ring: BTreeSet::new(),
        };
        vec![Desk {
            contacts: [Contact::Waiting; 2],
            agents: [Agent::Free; 2],
            last_token: 0,
            routers: [router.clone(), router],
            rings: BTreeSet::new(),
            picked_up: BTreeSet::new(),
            talks: BTreeSet::new(),
            cut_off: false,
        }]
    }

    fn actions(&self, desk: &Desk, steps: &mut Vec<Step>) {
        for router in PAIR
            .into_iter()
            .filter(|router| desk.routers[*router].lives)
        {
            self.offer_steps(desk, router, steps);
            if desk.routers.iter().all(|router| router.lives) {
                steps.push(Step::Crash(router));
            }
        }
        for ring in &desk.rings {
            steps.push(Step::PickUp(*ring));
            if self.has(Guard::RingDeadline) {
                steps.push(Step::RingDies(*ring));
            }
        }
        for offer in &desk.picked_up {
            if desk.routers[offer.router].lives {
                steps.push(Step::Accept(*offer));
            }
        }
        for contact in PAIR {
            match desk.contacts[contact] {
                Contact::Offered { tokens } => {
                    let rings = desk
                        .rings
                        .iter()
                        .any(|ring| tokens.contains(&Some(ring.token)));
                    // The lease ends after the ring's own deadline.
                    if !rings || !self.has(Guard::RingDeadline) {
                        steps.push(Step::LeaseEnds(contact));
                    }
                }
                Contact::Active { .. } => {
                    let talk = desk.talks.iter().find(|talk| desk.goes_on(talk));
                    steps.push(match talk {
                        Some(talk) if desk.routers[talk.router].lives => Step::TakeBack(contact),
                        Some(_) | None => Step::NodeLost(contact),
                    });
                }
                Contact::Waiting | Contact::Ended => {}
            }
        }
        for talk in &desk.talks {
            if desk.routers[talk.router].lives {
                steps.push(Step::Complete(*talk));
            }
        }
    }

    fn next_state(&self, before: &Desk, step: Step) -> Option<Desk> {
        let mut desk = before.clone();
        match step {
            Step::Look(router, contact, agents) => {
                desk.routers[router].looked = Some((contact, agents));
            }
            Step::Reserve(router, contact, agents) => {
                desk.routers[router].looked = None;
                desk.reserve(router, contact, agents);
            }
            Step::Ring(offer) => {
                desk.routers[offer.router].to_ring.remove(&offer);
                // A ring whose deadline has passed is not begun.
                if desk.stands(&offer) || !self.has(Guard::RingDeadline) {
                    desk.rings.insert(offer);
                }
            }
            Step::RingDies(ring) => {
                desk.rings.remove(&ring);
            }
            Step::PickUp(ring) => {
                desk.rings.remove(&ring);
                desk.picked_up.insert(ring);
            }
            Step::Accept(offer) => {
                desk.picked_up.remove(&offer);
                if desk.stands(&offer) || !self.has(Guard::TokenAtAccept) {
                    // Its router stops the other phones with the desk's word.
                    desk.rings.retain(|ring| ring.first != offer.first);
                    desk.accept(&offer, self);
                    desk.talks.insert(offer);
                }
            }
            Step::Requeue(offer) => {
                if self.has(Guard::CancelBeforeRequeue) {
                    desk.rings.remove(&offer);
                }
                desk.leave_offer(offer.contact, offer.agent);
            }
            Step::LeaseEnds(contact) => {
                for agent in PAIR {
                    desk.leave_offer(contact, agent);
                }
            }
            Step::Complete(talk) => {
                desk.talks.remove(&talk);
                let is_its_own = desk.goes_on(&talk);
                let is_active = matches!(desk.contacts[talk.contact], Contact::Active { .. });
                if is_its_own || (is_active && !self.has(Guard::TokenAtComplete)) {
                    desk.cut_off |= !is_its_own;
                    desk.free(talk.contact, Contact::Ended);
                }
            }
            Step::TakeBack(contact) => desk.free(contact, Contact::Waiting),
            Step::NodeLost(contact) => desk.free(contact, Contact::Ended),
            Step::Crash(router) => desk.crash(router),
        }
        Some(desk)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "agents_share_a_contact_only_by_one_offer",
                |_, desk: &Desk| {
                    PAIR.into_iter().all(|agent| match desk.agents[agent] {
                        Agent::Free => true,
                        Agent::Reserved { contact, token } => matches!(
                            desk.contacts[contact],
                            Contact::Offered { tokens } if tokens[agent] == Some(token)
                        ),
                        Agent::Busy { contact } => {
                            matches!(desk.contacts[contact], Contact::Active { .. })
                        }
                    })
                },
            ),
            Property::always("no_contact_is_answered_by_two", |_, desk: &Desk| {
                PAIR.into_iter().all(|contact| {
                    let has = |agent: &&Agent| **agent == Agent::Busy { contact };
                    desk.agents.iter().filter(has).count() <= 1
                })
            }),
            Property::always(
                "no_talk_is_ended_by_the_router_of_an_old_one",
                |_, desk: &Desk| !desk.cut_off,
            ),
            Property::always("no_contact_rings_phones_of_two_offers", |_, desk: &Desk| {
                PAIR.into_iter()
                    .all(|contact| desk.offers_rung(contact) <= 1)
            }),
            Property::always("no_phone_rings_for_who_does_not_ring", |_, desk: &Desk| {
                desk.rings.iter().all(|ring| desk.stands(ring))
            }),
            Property::always("nobody_is_stuck", |model: &Self, desk: &Desk| {
                let mut steps = Vec::new();
                model.actions(desk, &mut steps);
                let is_over = |contact: &Contact| *contact == Contact::Ended;
                let offered = |contact: usize| {
                    matches!(desk.contacts[contact], Contact::Offered { .. })
                        && !desk.is_on_its_way(contact)
                        && !steps.contains(&Step::LeaseEnds(contact))
                };
                let nothing_left = steps.is_empty() && desk.last_token < OFFERS_MAX;
                !PAIR.into_iter().any(offered)
                    && (!nothing_left || desk.contacts.iter().all(is_over))
            }),
            Property::sometimes("everybody_is_served", |_, desk: &Desk| {
                desk.contacts == [Contact::Ended; 2]
            }),
            Property::sometimes("a_late_answer_is_refused", |_, desk: &Desk| {
                desk.picked_up.iter().any(|offer| !desk.stands(offer))
            }),
            Property::sometimes("an_old_talk_is_ended_late", |_, desk: &Desk| {
                desk.talks.iter().any(|talk| !desk.goes_on(talk))
            }),
            Property::sometimes("two_answer_at_once", |_, desk: &Desk| {
                let standing = desk.picked_up.iter().filter(|offer| desk.stands(offer));
                standing.count() == 2
            }),
        ]
    }
}

impl Offers {
    fn offer_steps(&self, desk: &Desk, router: usize, steps: &mut Vec<Step>) {
        let looked = desk.routers[router].looked;
        if let (false, Some((contact, agents))) = (self.has(Guard::AtomicReserve), looked) {
            if has_tokens(desk, agents) {
                steps.push(Step::Reserve(router, contact, agents));
            }
        } else {
            for (contact, agents) in PAIR
                .into_iter()
                .flat_map(|contact| CHOICES.map(|of| (contact, of)))
            {
                if has_tokens(desk, agents) && desk.is_free(contact, agents) {
                    steps.push(if self.has(Guard::AtomicReserve) {
                        Step::Reserve(router, contact, agents)
                    } else {
                        Step::Look(router, contact, agents)
                    });
                }
            }
        }
        for offer in &desk.routers[router].to_ring {
            steps.push(Step::Ring(*offer));
        }
        let own = desk.rings.iter().filter(|ring| ring.router == router);
        for ring in own.filter(|ring| desk.stands(ring)) {
            steps.push(Step::Requeue(*ring));
        }
    }
}

fn has_tokens(desk: &Desk, agents: Agents) -> bool {
    let wanted = agents.each().count();
    usize::from(desk.last_token) + wanted <= usize::from(OFFERS_MAX)
}
