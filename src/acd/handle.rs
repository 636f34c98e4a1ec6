//! The queue as everybody else in the gateway uses it.

use super::bus::{Bus, EventSink, Subscription};
use super::memory_desk::MemoryDesk;
use super::memory_store::MemoryStore;
use super::phones::SharedPhones;
use super::redis_place::RedisPlace;
use super::shared_desk::{Done, SharedDesk};
use super::store::{Request, StoreLost};
use ringdown_routing::desk::Desk;
use ringdown_routing::event::{EventDraft, EventKind};
use ringdown_routing::ids::{ContactId, NodeId};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{Answer, Change, Refusal, Verb};
use ringdown_routing::view::{Snapshot, View};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{oneshot, watch};

/// The desk at work in this node: verbs in, events out, and the dispatcher behind. Clones share it; with
/// the last one it closes.
#[derive(Clone, Debug)]
pub struct Acd {
    backend: Backend,
    clock: Clock,
    health: watch::Receiver<Health>,
}

#[derive(Clone, Debug)]
enum Backend {
    Memory(Arc<MemoryDesk>),
    Shared(SharedDesk),
}

/// What the desk needs of its surroundings.
pub struct Surroundings {
    /// This node; minted at start.
    pub node: NodeId,
    /// What time it is.
    pub clock: Clock,
    /// Where this node's events are written down.
    pub sink: EventSink,
}

/// What a change came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is so now, by this request.
    Changed,
    /// It was so already.
    Before,
    /// It cannot be; nothing changed.
    Refused(Refusal),
}

/// What to do when Redis cannot be reached at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtStart {
    /// Fail, so that the operator sees it.
    RequireRedis,
    /// Keep the queue alone until it is there.
    StartAlone,
}

/// Whether the desk has its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It has.
    Good,
    /// Redis is away: this node keeps its own contacts, takes new ones in, and offers none.
    Alone {
        /// Since when.
        since: Timestamp,
        /// Why, for the operator.
        cause: String,
    },
}

/// Why the desk could not be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "the queue's Redis at {place} cannot be used: {cause}. Start it, or correct `[redis]`; without \
     `[redis]` the queue is kept in this process"
)]
pub struct OpenFault {
    /// Where it was looked for, without passwords.
    pub place: String,
    /// Why.
    #[source]
    pub cause: StoreLost,
}

/// Why a fact was not published.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PublishFault {
    /// Only a verb makes such an event happen.
    #[error("that event is made by a verb, not told")]
    MadeByAVerb,
    /// The store was lost, or the desk is overloaded.
    #[error(transparent)]
    Lost(#[from] StoreLost),
}

impl Acd {
    /// A desk in this process. Must be called within a runtime, which its timers use.
    pub fn in_memory(surroundings: Surroundings) -> Self {
        let clock = surroundings.clock;
        let floor = u64::try_from(clock.now().as_millis()).unwrap_or(0);
        let store = MemoryStore::new(Desk::new(surroundings.node, floor));
        let desk = MemoryDesk::start(store, Bus::new(surroundings.sink), clock.clone());
        Self {
            backend: Backend::Memory(desk),
            clock,
            health: watch::Sender::new(Health::Good).subscribe(),
        }
    }

    /// A desk shared with other gateways through Redis.
    pub async fn in_redis(
        place: RedisPlace,
        at_start: AtStart,
        surroundings: Surroundings,
    ) -> Result<Self, OpenFault> {
        let shown = place.to_string();
        let clock = surroundings.clock.clone();
        let (desk, health) = SharedDesk::open(place, at_start, surroundings)
            .await
            .map_err(|cause| OpenFault {
                place: shown,
                cause,
            })?;
        Ok(Self {
            backend: Backend::Shared(desk),
            clock,
            health,
        })
    }

    /// Asks for a change and waits for the answer. While Redis is away the answer is this node's own; a
    /// request that finds it gone waits for that at most as long as a command may take.
    pub async fn change(&self, verb: Verb) -> Result<Answer, StoreLost> {
        let request = self.request(verb);
        match &self.backend {
            Backend::Memory(desk) => Ok(desk.ask(request)),
            Backend::Shared(desk) => {
                let (sender, answer) = oneshot::channel();
                desk.submit(request, Box::new(move |result| drop(sender.send(result))));
                let done = answer.await.unwrap_or(Err(StoreLost::Busy));
                done.map(|done| done.answer)
            }
        }
    }

    /// Asks for a change as [`Acd::change`] does; of several who ask for the same, one hears that it was by
    /// them that something changed.
    pub async fn change_told(&self, verb: Verb) -> Result<Told, StoreLost> {
        let request = self.request(verb);
        let done = match &self.backend {
            Backend::Memory(desk) => desk.do_request(request),
            Backend::Shared(desk) => {
                let (sender, answer) = oneshot::channel();
                desk.submit(request, Box::new(move |result| drop(sender.send(result))));
                answer.await.unwrap_or(Err(StoreLost::Busy))?
            }
        };
        Ok(match done.answer {
            Answer::Refused { reason } => Told::Refused(reason),
            Answer::Done | Answer::Reserved { .. } if done.has_changed => Told::Changed,
            Answer::Done | Answer::Reserved { .. } => Told::Before,
        })
    }

    /// Changes the desk at once if that needs no waiting (the store in memory); `None` when it does.
    pub fn try_change_now(&self, verb: Verb) -> Option<Answer> {
        match &self.backend {
            Backend::Memory(desk) => Some(desk.ask(self.request(verb))),
            Backend::Shared(_) => None,
        }
    }

    /// Whether the desk is shared with other gateways, so that a change takes a moment.
    pub fn is_shared(&self) -> bool {
        match &self.backend {
            Backend::Memory(_) => false,
            Backend::Shared(_) => true,
        }
    }

    /// Asks for a change without waiting; `on_answer` is called from here (memory) or from the desk's
    /// task, so it must be quick. Requests are done in the order they were submitted.
    pub fn submit(
        &self,
        verb: Verb,
        on_answer: impl FnOnce(Result<Answer, StoreLost>) + Send + 'static,
    ) {
        let request = self.request(verb);
        match &self.backend {
            Backend::Memory(desk) => on_answer(Ok(desk.ask(request))),
            Backend::Shared(desk) => {
                let on_done = |done: Result<Done, StoreLost>| on_answer(done.map(|it| it.answer));
                desk.submit(request, Box::new(on_done));
            }
        }
    }

    /// Tells a fact that no verb makes (an arrival, a media report), without waiting. It takes its place
    /// among the events after everything submitted before.
    pub fn publish(&self, draft: EventDraft) -> Result<(), PublishFault> {
        if is_made_by_a_verb(&draft.kind) {
            return Err(PublishFault::MadeByAVerb);
        }
        match &self.backend {
            Backend::Memory(desk) => {
                desk.ask(Request::Publish(draft));
                Ok(())
            }
            Backend::Shared(desk) => Ok(desk.publish(draft)?),
        }
    }

    /// Listens to all events from now on.
    pub fn subscribe(&self) -> Subscription {
        match &self.backend {
            Backend::Memory(desk) => desk.subscribe(),
            Backend::Shared(desk) => desk.subscribe(),
        }
    }

    /// Looks at the desk as this node sees it. The look holds the desk up, so it must be short: take out
    /// what is wanted and work on it outside.
    pub fn read<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        match &self.backend {
            Backend::Memory(desk) => desk.read(look),
            Backend::Shared(desk) => desk.read(look),
        }
    }

    /// The whole desk as this node sees it.
    pub fn snapshot(&self) -> Snapshot {
        self.read(View::snapshot)
    }

    /// This node takes a call-back upon itself: if the store is lost, what becomes of it here is told when the
    /// store is back. Until [`Acd::put_down`].
    pub fn carry(&self, call_back: ContactId) {
        match &self.backend {
            // What keeps the desk ends with the node.
            Backend::Memory(_) => {}
            Backend::Shared(desk) => desk.carry(call_back),
        }
    }

    /// This node has nothing more to do with a call-back.
    pub fn put_down(&self, call_back: ContactId) {
        match &self.backend {
            Backend::Memory(_) => {}
            Backend::Shared(desk) => desk.put_down(call_back),
        }
    }

    /// Whether Redis is away, so that nothing is offered.
    pub fn is_alone(&self) -> bool {
        match &*self.health.borrow() {
            Health::Good => false,
            Health::Alone { .. } => true,
        }
    }

    /// Where a contact stands in its queue: 1 is next; `None` when it does not wait.
    pub fn position(&self, contact: ContactId) -> Option<usize> {
        self.read(|view| view.position(contact))
    }

    /// Where the phones of the desk are, if other gateways share it.
    pub fn phones(&self) -> Option<SharedPhones> {
        match &self.backend {
            Backend::Memory(_) => None,
            Backend::Shared(desk) => Some(desk.phones()),
        }
    }

    /// Leaves the dispatching to another node, if there is one.
    pub fn hand_lead_over(&self) {
        match &self.backend {
            Backend::Memory(_) => {}
            Backend::Shared(desk) => desk.hand_lead_over(),
        }
    }

    /// Whether the store is there, now and as it changes.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// What time it is at this desk.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn request(&self, verb: Verb) -> Request {
        let at = self.clock.now();
        Request::Change(Change { at, verb })
    }
}

/// Whether an event changes the desk, so that only a verb may make it.
fn is_made_by_a_verb(kind: &EventKind) -> bool {
    match kind {
        EventKind::Enqueued { .. }
        | EventKind::Offered { .. }
        | EventKind::Declined { .. }
        | EventKind::RingTimeout { .. }
        | EventKind::OfferExpired { .. }
        | EventKind::LeftOffer { .. }
        | EventKind::Requeued { .. }
        | EventKind::Answered { .. }
        | EventKind::Abandoned { .. }
        | EventKind::Overflowed { .. }
        | EventKind::Ended { .. }
        | EventKind::WrapUpExtended { .. }
        | EventKind::Ready { .. }
        | EventKind::AgentStatus { .. }
        | EventKind::OverflowRefused { .. }
        | EventKind::Reprioritised { .. }
        | EventKind::NextStatus { .. }
        | EventKind::AgentReachable { .. }
        | EventKind::QueueChanged { .. }
        | EventKind::AgentChanged { .. }
        | EventKind::AgentRemoved
        | EventKind::Restored { .. }
        | EventKind::NodeLost { .. } => true,
        EventKind::Arrived { .. }
        | EventKind::Identified { .. }
        | EventKind::TicketLinked { .. }
        | EventKind::Blocked { .. }
        | EventKind::Failed { .. }
        | EventKind::Rang { .. }
        | EventKind::Held
        | EventKind::Resumed
        | EventKind::KeyedIn { .. }
        | EventKind::IncidentTold { .. }
        | EventKind::MessageLeft { .. }
        | EventKind::Informed { .. }
        | EventKind::MediaReport { .. }
        | EventKind::Closed { .. }
        | EventKind::StoreLost { .. }
        | EventKind::Escalated { .. }
        | EventKind::TicketChanged { .. }
        | EventKind::SymptomRecorded { .. }
        | EventKind::Rated { .. }
        | EventKind::AnswerAwaited { .. }
        | EventKind::AnswerWaitEnded { .. }
        | EventKind::Intervened { .. }
        | EventKind::StoreReturned => false,
    }
}

/// What time it is, and waiting until it is.
#[derive(Clone)]
pub struct Clock {
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Clock {
    /// The clock of the machine.
    pub fn of_the_machine() -> Self {
        Self::new(|| {
            let since = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
        })
    }

    /// Any other clock, for tests and replays. Waiting is by the runtime's timers, so it should go at
    /// their pace.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { now: Arc::new(now) }
    }

    /// The instant.
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// Waits until the instant has come; timers may be early by a fraction of a millisecond.
    pub(super) async fn sleep_until(&self, until: Timestamp) {
        let wait = until.since(self.now()).min(LONGEST_SLEEP);
        tokio::time::sleep(wait).await;
    }
}

/// Longest single wait: a clock that was set back is noticed by then.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}
