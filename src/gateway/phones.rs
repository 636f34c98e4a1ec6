//! Phones of a desk that several gateways share: each tells the others who registered at it.
//!
//! A call is rung by the gateway that has it, wherever the phone registered: the newest registration
//! counts. The desk is told that an agent is out of reach when no gateway knows a phone of theirs any
//! more. A phone that only a flow leads to (a connection, a NAT) is reached by the gateway that has the flow,
//! which hands the messages on ([`Edge`](ringdown_voice::sip::edge::Edge)); with that gateway it is gone until
//! it registers again. The answer to a REGISTER does not wait for Redis: until the others know, they ring the phone
//! where it was before.

use super::dialling::{Dialling, Parties};
use super::door::Location;
use super::house::{House, Reach};
use crate::acd::phones::{PhoneAt, PhonesOfAgent, SharedPhones, Way};
use crate::acd::{Acd, StoreLost};
use ringdown_routing::ids::{AgentId, NodeId};
use ringdown_routing::verb::Answer;
use ringdown_voice::call::Dial;
use ringdown_voice::sip::registrar::NextHop;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How often it is looked which registrations have run out, and tried again what Redis did not take.
const TICK: Duration = Duration::from_secs(1);

/// Longest look for a phone that registered elsewhere.
const FIND_DEADLINE: Duration = Duration::from_secs(2);

/// The phones of a shared desk, as one gateway sees to them.
#[derive(Debug)]
pub(super) struct Phones {
    shared: SharedPhones,
    /// Agents whose registrations here have changed; no more than have registered.
    changed: Mutex<BTreeSet<Arc<str>>>,
    news: Notify,
}

impl Phones {
    /// `None` when no other gateway shares the desk.
    pub(super) fn of(acd: &Acd) -> Option<Self> {
        Some(Self {
            shared: acd.phones()?,
            changed: Mutex::default(),
            news: Notify::new(),
        })
    }

    /// Notes that an agent's registrations here have changed.
    pub(super) fn note(&self, agents: impl IntoIterator<Item = Arc<str>>) {
        self.lock().extend(agents);
        self.news.notify_one();
    }

    fn take_changed(&self) -> BTreeSet<Arc<str>> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<Arc<str>>> {
        // A set of names is whole between any two steps.
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells Redis what changes here, and the desk who comes within reach or leaves it, for as long as the
/// gateway runs.
pub(super) async fn keep(house: Arc<House>) {
    let Some(phones) = &house.phones else {
        return;
    };
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            _ = tick.tick() => match phones.shared.drop_over(house.now()).await {
                Ok(gone) => phones.note(gone.iter().map(|agent| agent.as_str().into())),
                Err(fault) => tracing::debug!(%fault, "registrations cannot be reaped now"),
            },
            () = phones.news.notified() => {}
        }
        let mut untold = BTreeSet::new();
        for agent in phones.take_changed() {
            if let Err(fault) = bring(&house, phones, &AgentId::new(Arc::clone(&agent))).await {
                tracing::debug!(%agent, %fault, "other gateways are not told of a phone yet");
                untold.insert(agent);
            }
        }
        // Tried again with the next tick.
        phones.lock().append(&mut untold);
    }
}

/// What only a lost gateway led to is out of reach.
pub(super) async fn drop_lost(house: Arc<House>, lost: NodeId) {
    let Some(phones) = &house.phones else {
        return;
    };
    match phones.shared.drop_lost(&lost).await {
        Ok(gone) => phones.note(gone.iter().map(|agent| agent.as_str().into())),
        // The offers that find it out are declined as unreachable.
        Err(fault) => tracing::debug!(%lost, %fault, "a lost gateway's phones are not dropped"),
    }
}

/// Tells Redis where an agent's phone is, and the desk whether it is anywhere. Another gateway may do so
/// at the same moment: who spoke last to the desk looks again until it was right.
async fn bring(house: &House, phones: &Phones, agent: &AgentId) -> Result<(), StoreLost> {
    let here = phone_here(house, agent);
    let told = phones
        .shared
        .tell(house.now(), agent, &house.node, here.as_ref());
    let mut known = match told.await {
        Ok(known) => known,
        Err(fault) => {
            // The calls of this gateway must hear of it all the same.
            settle_reach(house, agent, &PhonesOfAgent::new()).await?;
            return Err(fault);
        }
    };
    loop {
        settle_reach(house, agent, &known).await?;
        let again = phones.shared.find(house.now(), agent).await?;
        if again.is_empty() == known.is_empty() {
            return Ok(());
        }
        known = again;
    }
}

fn phone_here(house: &House, agent: &AgentId) -> Option<PhoneAt> {
    let registration = house.door.registration(agent)?;
    let now = house.now();
    let instant = Instant::now();
    let left = registration.until.saturating_duration_since(instant);
    let ago = instant.saturating_duration_since(registration.since);
    let mut route = registration.path;
    let (way, next_hop) = match (registration.open_way, &house.edge) {
        (Some(uri), _) => {
            let uri = std::str::from_utf8(&uri).ok().map(str::to_owned);
            (Way::Open, uri)
        }
        // Only our flow leads there, so others send it by us.
        (None, Some(edge)) => {
            let ours = edge.route_to(registration.flow);
            let uri = ours.trim_matches(['<', '>']).to_owned();
            route.insert(0, ours);
            (Way::Edge, Some(uri))
        }
        (None, None) => (Way::Edge, None),
    };
    Some(PhoneAt {
        uri: registration.uri,
        route,
        next_hop,
        way,
        since: now - ago,
        until: now + left,
    })
}

/// Tells the desk; an error when it could not be told.
async fn settle_reach(
    house: &House,
    agent: &AgentId,
    known: &PhonesOfAgent,
) -> Result<(), StoreLost> {
    let is_within = !known.is_empty() || house.door.locate(agent).is_some();
    let was_within = house
        .acd
        .read(|view| view.agent(agent).is_some_and(|agent| agent.is_reachable));
    let reach = if is_within {
        Reach::Within
    } else {
        Reach::Outside
    };
    // A refreshed registration logs nobody in who has logged off by hand.
    let log_in = (is_within != was_within)
        .then(|| house.log_in_verb(agent, reach))
        .flatten();
    if let Answer::Refused { reason } = house.acd.change(house.reach_verb(agent, reach)).await? {
        tracing::warn!(%agent, ?reach, ?reason, "the desk refused");
    }
    // The next look would no longer see that there was anything to say.
    if let Some(verb) = log_in {
        house.tell_of_agent(agent, verb);
    }
    Ok(())
}

/// A phone that has to be looked for before it is rung.
#[derive(Debug)]
pub(super) struct Search {
    agent: AgentId,
    /// Where it is if Redis knows of none, or cannot tell.
    otherwise: Option<Location>,
}

impl Search {
    /// For an agent's phone, which this gateway would ring there.
    pub(super) fn new(agent: &AgentId, otherwise: Option<Location>) -> Self {
        Self {
            agent: agent.clone(),
            otherwise,
        }
    }

    /// Leads a call there; `None` when there is no way.
    pub(super) async fn lead(self, house: &House, dial: Box<Dial>) -> Option<Box<Dial>> {
        let location = self.find(house).await?;
        match Parties::lead(dial, location) {
            Dialling::Now(dial) => Some(dial),
            Dialling::LookUp(dial, host) => {
                let flow = host.look_up().await?;
                Some(Box::new(Dial { flow, ..*dial }))
            }
            // A place is known by now.
            Dialling::Search(..) | Dialling::Nowhere => None,
        }
    }

    async fn find(self, house: &House) -> Option<Location> {
        let phones = house.phones.as_ref()?;
        let found = phones.shared.find(house.now(), &self.agent);
        let known = match tokio::time::timeout(FIND_DEADLINE, found).await {
            Ok(Ok(known)) => known,
            Ok(Err(_)) | Err(_) => return self.otherwise,
        };
        let mut known: Vec<(NodeId, PhoneAt)> = known.into_iter().collect();
        known.sort_by_key(|(_, phone)| Reverse(phone.since));
        let mut otherwise = self.otherwise;
        let mut leads = known.into_iter().filter_map(|(node, phone)| {
            if node == house.node {
                otherwise.take()
            } else {
                elsewhere(phone)
            }
        });
        leads.next().or(otherwise)
    }
}

fn elsewhere(phone: PhoneAt) -> Option<Location> {
    Some(Location {
        next_hop: NextHop::Uri(phone.next_hop?.into_bytes().into()),
        uri: phone.uri,
        path: phone.route,
    })
}
