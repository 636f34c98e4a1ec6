//! The desk of a node that shares it with others through Redis: the node's side of it.
//!
//! Requests go through one task (`worker`), which sends them in order and many at a time. What the node
//! knows of the desk is a view fed by events: at once by those of its own requests, which come with the
//! answers, and by those of other nodes from the stream. Both kinds carry the desk's numbering, so they
//! are applied in the one true order.

use super::alone::Alone;
use super::bus::{Bus, MadeBy, Subscription};
use super::handle::{AtStart, Health, Surroundings};
use super::phones::SharedPhones;
use super::redis_place::RedisPlace;
use super::redis_store::RedisStore;
use super::store::{Request, StoreLost};
use super::worker::Worker;
use ringdown_routing::event::{Event, EventDraft, EventKind};
use ringdown_routing::ids::{ContactId, NodeId};
use ringdown_routing::verb::{Answer, Outcome};
use ringdown_routing::view::View;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, watch};

/// Requests that may wait for the store; beyond them a request is answered [`StoreLost::Busy`].
pub(super) const REQUESTS_MAX: usize = 16_384;

/// What came of a request.
pub(super) struct Done {
    pub(super) answer: Answer,
    /// Whether anything happened by it.
    pub(super) has_changed: bool,
}

impl Done {
    pub(super) fn of(outcome: &Outcome) -> Self {
        Self {
            answer: outcome.answer.clone(),
            has_changed: !outcome.events.is_empty(),
        }
    }
}

/// Called with what came of a request.
pub(super) type OnAnswer = Box<dyn FnOnce(Result<Done, StoreLost>) + Send>;

/// A request and who wants to know.
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) on_answer: OnAnswer,
}

/// The sending side of the worker, and what it sees.
#[derive(Clone)]
pub(super) struct SharedDesk {
    requests: mpsc::Sender<Asked>,
    state: Arc<Mutex<SharedState>>,
}

impl SharedDesk {
    pub(super) async fn open(
        place: RedisPlace,
        at_start: AtStart,
        surroundings: Surroundings,
    ) -> Result<(Self, watch::Receiver<Health>), StoreLost> {
        let (requests, receiver) = mpsc::channel(REQUESTS_MAX);
        let (worker, state, health) = Worker::open(place, at_start, surroundings, receiver).await?;
        tokio::spawn(worker.run());
        Ok((Self { requests, state }, health))
    }

    pub(super) fn submit(&self, request: Request, on_answer: OnAnswer) {
        let asked = Asked { request, on_answer };
        if let Err(
            mpsc::error::TrySendError::Full(asked) | mpsc::error::TrySendError::Closed(asked),
        ) = self.requests.try_send(asked)
        {
            (asked.on_answer)(Err(StoreLost::Busy));
        }
    }

    pub(super) fn publish(&self, draft: EventDraft) -> Result<(), StoreLost> {
        let asked = Asked {
            request: Request::Publish(draft),
            on_answer: Box::new(drop),
        };
        self.requests.try_send(asked).map_err(|_| StoreLost::Busy)
    }

    pub(super) fn hand_lead_over(&self) {
        lock(&self.state).hands_lead_over = true;
    }

    pub(super) fn carry(&self, call_back: ContactId) {
        lock(&self.state).carried.insert(call_back);
    }

    pub(super) fn put_down(&self, call_back: ContactId) {
        lock(&self.state).carried.remove(&call_back);
    }

    pub(super) fn phones(&self) -> SharedPhones {
        SharedPhones::new(Arc::clone(&self.state))
    }

    pub(super) fn subscribe(&self) -> Subscription {
        lock(&self.state).bus.subscribe()
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        look(lock(&self.state).sight.view())
    }
}

impl fmt::Debug for SharedDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedDesk").finish_non_exhaustive()
    }
}

pub(super) fn lock(state: &Mutex<SharedState>) -> MutexGuard<'_, SharedState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the node sees, and whom it tells.
pub(super) struct SharedState {
    pub(super) sight: Sight,
    pub(super) bus: Bus,
    /// Another node is to dispatch; put back when that is done.
    pub(super) hands_lead_over: bool,
    /// Call-backs that this node carries out now.
    pub(super) carried: BTreeSet<ContactId>,
    /// The store while it is there, for those who keep something beside the desk.
    pub(super) store: Option<RedisStore>,
}

/// Where the node's knowledge of the desk comes from.
pub(super) enum Sight {
    /// From the shared desk's events.
    Following(Box<Following>),
    /// From its own desk, while the store is away.
    Alone(Box<Alone>),
}

impl Sight {
    pub(super) fn view(&self) -> &View {
        match self {
            Self::Following(following) => &following.view,
            Self::Alone(alone) => alone.view(),
        }
    }
}

/// A view, and the events that cannot be applied yet because earlier ones have not come.
pub(super) struct Following {
    pub(super) view: View,
    node: NodeId,
    pending: BTreeMap<u64, (Event, MadeBy)>,
}

/// What an event says of the node itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TakenIn {
    /// Nothing to be alarmed about.
    Well,
    /// The others have taken this node for lost, and what follows ends its calls.
    WeAreLost,
}

impl Following {
    pub(super) fn new(view: View, node: NodeId) -> Self {
        Self {
            view,
            node,
            pending: BTreeMap::new(),
        }
    }

    /// Whether earlier events are missing.
    pub(super) fn has_gap(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Puts an event in order; those whose turn has come are applied and told. An event comes twice when
    /// it is ours: with the answer and from the stream.
    pub(super) fn take_in(&mut self, event: Event, made_by: MadeBy, bus: &Bus) -> TakenIn {
        let number = event.id.number;
        if number <= self.view.last_event() {
            if made_by == MadeBy::Us {
                bus.write_down(event);
            }
            return TakenIn::Well;
        }
        let is_known_as_ours = matches!(self.pending.get(&number), Some((_, MadeBy::Us)));
        if !is_known_as_ours {
            self.pending.insert(number, (event, made_by));
        }
        while let Some(entry) = self.pending.first_entry()
            && *entry.key() == self.view.last_event() + 1
        {
            let (event, made_by) = entry.remove();
            self.view.apply(&event);
            let is_our_end =
                matches!(&event.kind, EventKind::NodeLost { node } if *node == self.node);
            bus.tell(event, made_by);
            if is_our_end {
                return TakenIn::WeAreLost;
            }
        }
        TakenIn::Well
    }
}
