//! Every timer fires once, also when the desk is put together again from what was kept of it: the ends of
//! wrap-ups, the leases of offers, overflow steps, back-offs and rests.

mod acts;

use acts::{Act, Claims, Players};
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use proptest::strategy::Strategy as _;
use ringdown_routing::agent::Doing;
use ringdown_routing::contact::Place;
use ringdown_routing::desk::Desk;
use ringdown_routing::event::{Event, EventKind};
use ringdown_routing::ids::{AgentId, ContactId, NodeId, OfferToken, QueueId};
use ringdown_routing::policy;
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{Change, LEASE_GRACE, Verb};
use ringdown_routing::view::View;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn act() -> impl proptest::strategy::Strategy<Value = Act> {
    any::<[u8; 5]>().prop_map(|[later, verb, who, with, how]| Act {
        later,
        // The lives of nodes are not part of what is kept: they say anew that they live.
        verb: if verb % 38 == 28 { 30 } else { verb },
        who,
        with,
        how,
    })
}

/// A desk after some history, and when that ended.
fn desk_after(acts: Vec<Act>) -> (Desk, Timestamp) {
    let mut desk = Desk::new(NodeId::from("desk"), 0);
    let mut players = Players::new(Claims::None);
    for change in players.opening() {
        desk.apply(change);
    }
    for act in acts {
        let change = players.play(act);
        let outcome = desk.apply(change);
        players.hear(&outcome.events);
    }
    (desk, players.now)
}

/// The same desk in another process, made of what was kept.
fn restarted(desk: &Desk) -> Desk {
    Desk::from_snapshot(NodeId::from("desk"), 1_000_000, desk.snapshot())
}

/// What is due at an instant, or fired at it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Timers {
    wrap_ups: Vec<(ContactId, AgentId)>,
    leases: Vec<OfferToken>,
    overflows: Vec<ContactId>,
}

impl Timers {
    fn due(view: &View, at: Timestamp) -> Self {
        let mut due = Self::default();
        for agent in view.agents() {
            for (contact, hold) in &agent.holds {
                if let Doing::WrapUp { until, .. } = hold.doing
                    && until <= at
                {
                    due.wrap_ups.push((*contact, agent.profile.id.clone()));
                }
            }
        }
        for contact in view.contacts() {
            let will_wait = match &contact.place {
                Place::Waiting => true,
                Place::Offered { deadline, .. } => {
                    let is_over = *deadline + LEASE_GRACE <= at;
                    let rings = contact.place.holders().filter(|_| is_over);
                    due.leases.extend(rings.map(|(_, token)| token));
                    is_over
                }
                Place::Active { .. } => false,
            };
            let rules = view.queue(&contact.record.queue);
            let overflow = rules.and_then(|rules| contact.record.overflow(rules));
            if will_wait && overflow.is_some_and(|(when, _)| when <= at) {
                due.overflows.push(contact.record.id);
            }
        }
        due.sorted()
    }

    fn fired(events: &[Event]) -> Self {
        let mut fired = Self::default();
        for event in events {
            if let EventKind::OfferExpired { token } = event.kind {
                fired.leases.push(token);
            }
            let Some(contact) = event.contact else {
                continue;
            };
            if let EventKind::Ready {
                after_wrap_up: true,
                ..
            } = event.kind
            {
                let agent = event.agent.iter().cloned();
                fired.wrap_ups.extend(agent.map(|agent| (contact, agent)));
            }
            // Several steps may be due at once; the last of them may take the contact.
            let is_step = if has_moved(events, contact) {
                matches!(event.kind, EventKind::Overflowed { .. })
            } else {
                matches!(event.kind, EventKind::OverflowRefused { .. })
                    && fired.overflows.last() != Some(&contact)
            };
            fired.overflows.extend(is_step.then_some(contact));
        }
        fired.sorted()
    }

    fn sorted(mut self) -> Self {
        self.wrap_ups.sort();
        self.leases.sort();
        self.overflows.sort();
        self
    }
}

fn has_moved(events: &[Event], contact: ContactId) -> bool {
    let is_move = |event: &Event| {
        event.contact == Some(contact) && matches!(event.kind, EventKind::Overflowed { .. })
    };
    events.iter().any(is_move)
}

/// What happened, without the numbers of the events.
type Told = (
    Timestamp,
    Option<ContactId>,
    Option<QueueId>,
    Option<AgentId>,
    EventKind,
);

/// What a desk does when only time passes.
#[derive(Debug, Default, PartialEq)]
struct Course {
    told: Vec<Told>,
    woken: Vec<Timestamp>,
}

/// Lets time pass, as the keeper of a desk does: it wakes when something is due or a pause ends.
fn let_time_pass(desk: &mut Desk, from: Timestamp, until: Timestamp) -> Course {
    let mut course = Course::default();
    let mut at = from;
    while at <= until {
        let due = Timers::due(desk.view(), at);
        let verb = Verb::Expire;
        let events = desk.apply(Change { at, verb }).events;
        assert_eq!(Timers::fired(&events), due, "at {at:?}");
        let left = desk.view().next_due();
        assert!(
            left.is_none_or(|left| left > at),
            "{left:?} is left at {at:?}"
        );
        course.woken.push(at);
        course.told.extend(events.into_iter().map(|event| {
            (
                event.at,
                event.contact,
                event.queue,
                event.agent,
                event.kind,
            )
        }));
        // Nobody is offered anything, and yet the lines see time pass.
        desk.decide_one(at);
        let pause = policy::next_timeout(desk.view(), at);
        let Some(next) = left.into_iter().chain(pause).min() else {
            break;
        };
        assert!(next > at, "it would wake at {at:?} again");
        at = next;
    }
    course
}

/// When back-offs and rests end that nothing but time ends, as the course shows.
fn pauses(view: &View, from: Timestamp, course: &Course) -> BTreeSet<Timestamp> {
    let contacts: BTreeSet<_> = course.told.iter().filter_map(|told| told.1).collect();
    let agents: BTreeSet<_> = course
        .told
        .iter()
        .filter_map(|told| told.3.clone())
        .collect();
    let back_offs = view
        .contacts()
        .filter(|contact| !contacts.contains(&contact.record.id))
        .flat_map(|contact| contact.record.avoid.values().copied());
    let rests = view
        .agents()
        .filter(|agent| !agents.contains(&agent.profile.id))
        .filter_map(|agent| agent.rest_until);
    back_offs.chain(rests).filter(|end| *end > from).collect()
}

/// Each contact goes by each step of a stay in a queue once.
fn no_step_is_taken_twice(course: &Course) {
    let mut stays: BTreeMap<ContactId, BTreeSet<String>> = BTreeMap::new();
    for (_, contact, _, _, kind) in &course.told {
        let Some(contact) = contact else {
            continue;
        };
        let steps = stays.entry(*contact).or_default();
        if let EventKind::Overflowed { .. } = kind {
            steps.clear();
        } else if let EventKind::OverflowRefused { to, .. } = kind {
            // No chain of these desks names a queue twice.
            assert!(
                steps.insert(to.to_string()),
                "{contact} was refused by {to} twice"
            );
        }
    }
}

const A_WHILE: Duration = Duration::from_secs(30);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_timer_fires_once_after_a_restart(acts in prop::collection::vec(act(), 0..100)) {
        let (mut desk, now) = desk_after(acts);
        let mut again = restarted(&desk);
        let before = desk.view().clone();
        let course = let_time_pass(&mut desk, now, now + A_WHILE);
        no_step_is_taken_twice(&course);
        let missed: Vec<_> = pauses(&before, now, &course)
            .into_iter()
            .filter(|end| *end <= now + A_WHILE && !course.woken.contains(end))
            .collect();
        assert!(missed.is_empty(), "nobody woke at {missed:?}");
        // The restarted desk does the same, at the same instants.
        assert_eq!(let_time_pass(&mut again, now, now + A_WHILE), course);
        assert_eq!(again.snapshot(), desk.snapshot());
    }

    #[test]
    fn what_became_due_while_nobody_was_there_fires_once(
        acts in prop::collection::vec(act(), 0..100),
        away_ms in 0_u64..20_000,
    ) {
        let (desk, now) = desk_after(acts);
        let mut again = restarted(&desk);
        let back = now + Duration::from_millis(away_ms);
        let course = let_time_pass(&mut again, back, back + A_WHILE);
        no_step_is_taken_twice(&course);
    }
}
