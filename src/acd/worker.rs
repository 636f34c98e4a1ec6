//! The task behind a shared desk: asks, listens, keeps the leases, and dispatches.

use super::alone::Alone;
use super::bus::{Bus, MadeBy};
use super::handle::{AtStart, Clock, Health, Surroundings};
use super::memory_desk::next_wake;
use super::redis_link::EventFollower;
use super::redis_place::RedisPlace;
use super::redis_store::{Found, RedisStore};
use super::scribe::Scribe;
use super::shared_desk::{Asked, Done, Following, OnAnswer, SharedState, Sight, TakenIn, lock};
use super::store::{Leadership, QueueStore, Request, StoreLost};
use ringdown_routing::event::{Event, EventDraft, EventKind};
use ringdown_routing::ids::NodeId;
use ringdown_routing::policy;
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{Answer, Change, Outcome, Verb};
use ringdown_routing::view::{Snapshot, View};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Most requests sent at once.
const BATCH_MAX: usize = 128;

/// Shortest time between two reapings: what is due may be reaped by another node, whose event is on its
/// way.
const EXPIRE_PAUSE: Duration = Duration::from_millis(20);

/// How long an event may be missing before the view is built anew.
const GAP_MAX: Duration = Duration::from_secs(2);

/// Time between two attempts to reach a lost Redis.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

/// Reads of the stream that wait to be taken in.
const NEWS_MAX: usize = 64;

pub(super) struct Worker {
    place: RedisPlace,
    node: NodeId,
    clock: Clock,
    state: Arc<Mutex<SharedState>>,
    requests: mpsc::Receiver<Asked>,
    link: Link,
    scribe: Scribe,
    health: watch::Sender<Health>,
    leads: Leadership,
    duties: Duties,
    /// A proposal was refused, so the view is behind: no more until something new is seen.
    waits_for_news: bool,
    gap_since: Option<Timestamp>,
}

/// When the regular duties come next.
#[derive(Clone, Copy)]
struct Duties {
    lead: Timestamp,
    alive: Timestamp,
    expire: Timestamp,
    expire_not_before: Timestamp,
}

impl Duties {
    fn all_at(at: Timestamp) -> Self {
        Self {
            lead: at,
            alive: at,
            expire: at,
            expire_not_before: at,
        }
    }
}

type News = Result<Vec<Event>, StoreLost>;

enum Link {
    Up {
        store: Box<RedisStore>,
        news: mpsc::Receiver<News>,
        follower: JoinHandle<()>,
    },
    Down {
        attempts: JoinHandle<(RedisStore, Found)>,
    },
}

/// What comes from the link.
enum Heard {
    News(News),
    Back(Box<RedisStore>, Found),
    /// The seeking ended without a find.
    Nothing,
}

impl Link {
    async fn hear(&mut self) -> Heard {
        match self {
            Self::Up { news, .. } => Heard::News(news.recv().await.unwrap_or_else(|| {
                let cause = "the follower of the events stopped".to_owned();
                Err(StoreLost::Faulty(cause))
            })),
            Self::Down { attempts } => match attempts.await {
                Ok((store, found)) => Heard::Back(Box::new(store), found),
                Err(_) => Heard::Nothing,
            },
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        match self {
            Self::Up { follower, .. } => follower.abort(),
            Self::Down { attempts } => attempts.abort(),
        }
    }
}

type Opened = (Worker, Arc<Mutex<SharedState>>, watch::Receiver<Health>);

impl Worker {
    pub(super) async fn open(
        place: RedisPlace,
        at_start: AtStart,
        surroundings: Surroundings,
        requests: mpsc::Receiver<Asked>,
    ) -> Result<Opened, StoreLost> {
        let Surroundings { node, clock, sink } = surroundings;
        let at = clock.now();
        let bus = Bus::new(sink);
        let scribe = Scribe::new(node.clone(), bus.sink());
        let mut kept = None;
        let (sight, link, health) = match connect(&place, &node, &scribe, at).await {
            Ok((store, snapshot, follower)) => {
                kept = Some(store.clone());
                let link = follow(Box::new(store), follower, snapshot.last_event);
                let view = View::from_snapshot(snapshot);
                (
                    Sight::Following(Box::new(Following::new(view, node.clone()))),
                    link,
                    Health::Good,
                )
            }
            Err(cause) => match at_start {
                AtStart::RequireRedis => return Err(cause),
                AtStart::StartAlone => {
                    let alone =
                        Alone::begin(Snapshot::default(), node.clone(), BTreeSet::new(), at);
                    let health = Health::Alone {
                        since: at,
                        cause: cause.to_string(),
                    };
                    let link = seek(place.clone(), node.clone(), clock.clone());
                    (Sight::Alone(Box::new(alone)), link, health)
                }
            },
        };
        let state = Arc::new(Mutex::new(SharedState {
            sight,
            bus,
            hands_lead_over: false,
            carried: BTreeSet::new(),
            store: kept,
        }));
        let (health, watched) = watch::channel(health);
        let worker = Self {
            place,
            node,
            clock,
            state: state.clone(),
            requests,
            link,
            scribe,
            health,
            leads: Leadership::Theirs,
            duties: Duties::all_at(at),
            waits_for_news: false,
            gap_since: None,
        };
        Ok((worker, state, watched))
    }

    /// Works until nobody holds the desk any more.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            self.do_duties().await;
            self.dispatch().await;
            let wake = self.next_wake();
            let Self {
                requests,
                link,
                clock,
                ..
            } = &mut self;
            tokio::select! {
                count = requests.recv_many(&mut batch, BATCH_MAX) => {
                    if count == 0 {
                        return self.close().await;
                    }
                    self.serve(std::mem::take(&mut batch)).await;
                }
                heard = link.hear() => match heard {
                    Heard::News(Ok(events)) => self.take_in(events, MadeBy::Others),
                    Heard::News(Err(lost)) => self.go_alone(&lost),
                    Heard::Back(store, found) => self.come_back(store, found).await,
                    Heard::Nothing => self.seek_again(),
                },
                () = clock.sleep_until(wake) => {}
            }
        }
    }

    /// Gives the leases up, so that the others need not wait for their end.
    async fn close(self) {
        if let Link::Up { store, .. } = &self.link {
            let gone = Verb::NodeAlive {
                node: self.node.clone(),
                lease: Duration::ZERO,
            };
            let at = self.clock.now();
            // Best effort: both end by themselves.
            drop(store.resign(&self.node).await);
            drop(
                store
                    .ask(vec![Request::Change(Change { at, verb: gone })])
                    .await,
            );
        }
    }

    async fn serve(&mut self, batch: Vec<Asked>) {
        let (requests, waiting): (Vec<Request>, Vec<OnAnswer>) = batch
            .into_iter()
            .map(|asked| (asked.request, asked.on_answer))
            .unzip();
        let results = self.ask(requests).await;
        for (on_answer, result) in waiting.into_iter().zip(results) {
            on_answer(result);
        }
    }

    /// Asks the store, or this node's own desk while the store is away, and takes in what happened. A
    /// request that finds the store lost is done alone.
    async fn ask(&mut self, requests: Vec<Request>) -> Vec<Result<Done, StoreLost>> {
        let outcomes = match &self.link {
            Link::Up { store, .. } => store.ask(requests.clone()).await,
            Link::Down { .. } => Vec::new(),
        };
        let mut outcomes = outcomes.into_iter();
        let mut answers = Vec::with_capacity(requests.len());
        for request in requests {
            let answer = match outcomes.next() {
                Some(Ok(outcome)) => {
                    let done = Done::of(&outcome);
                    self.take_in(outcome.events, MadeBy::Us);
                    Ok(done)
                }
                Some(Err(StoreLost::Faulty(fault))) => {
                    tracing::error!(%fault, ?request, "the queue store failed at a request");
                    Err(StoreLost::Faulty(fault))
                }
                Some(Err(lost)) => {
                    self.go_alone(&lost);
                    Ok(self.ask_alone(request))
                }
                None => Ok(self.ask_alone(request)),
            };
            answers.push(answer);
        }
        answers
    }

    fn ask_alone(&self, request: Request) -> Done {
        let mut state = lock(&self.state);
        let SharedState { sight, bus, .. } = &mut *state;
        match sight {
            Sight::Alone(alone) => tell(bus, alone.ask(request)),
            // Only a lost link leads here, and losing it is what puts the sight in this state.
            Sight::Following(_) => Done {
                answer: Answer::Refused {
                    reason: ringdown_routing::verb::Refusal::UnknownContact,
                },
                has_changed: false,
            },
        }
    }

    fn take_in(&mut self, events: Vec<Event>, made_by: MadeBy) {
        if events.is_empty() {
            return;
        }
        self.waits_for_news = false;
        let mut state = lock(&self.state);
        let SharedState { sight, bus, .. } = &mut *state;
        let mut taken = TakenIn::Well;
        match sight {
            Sight::Following(following) => {
                let mut events = events.into_iter();
                while taken == TakenIn::Well
                    && let Some(event) = events.next()
                {
                    taken = following.take_in(event, made_by, bus);
                }
                self.gap_since = match (following.has_gap(), self.gap_since) {
                    (true, since) => since.or_else(|| Some(self.clock.now())),
                    (false, _) => None,
                };
            }
            // Came too late: the store was lost meanwhile. What we made is written down all the same.
            Sight::Alone(_) => {
                for event in events {
                    if made_by == MadeBy::Us {
                        bus.write_down(event);
                    }
                }
            }
        }
        drop(state);
        if taken == TakenIn::WeAreLost {
            // Its calls live, whatever the others think: it keeps them, and claims them back.
            self.go_alone(&StoreLost::Forgotten);
        }
    }

    /// Offers until the matcher is quiet, if this node leads and sees the desk as it is.
    async fn dispatch(&mut self) {
        while self.leads == Leadership::Ours && !self.waits_for_news && self.gap_since.is_none() {
            let at = self.clock.now();
            let proposals = match &mut lock(&self.state).sight {
                Sight::Following(following) => policy::decide(&mut following.view, at),
                Sight::Alone(_) => Vec::new(),
            };
            if proposals.is_empty() {
                return;
            }
            let offers = proposals.into_iter().map(|proposal| {
                let verb = proposal.into_verb();
                Request::Change(Change { at, verb })
            });
            let answers = self.ask(offers.collect()).await;
            let is_reserved = |done: &Result<Done, StoreLost>| {
                matches!(
                    done.as_ref().map(|it| &it.answer),
                    Ok(Answer::Reserved { .. })
                )
            };
            self.waits_for_news = !answers.iter().all(is_reserved);
        }
    }

    async fn do_duties(&mut self) {
        let Link::Up { store, .. } = &self.link else {
            return;
        };
        let (at, leases) = (self.clock.now(), self.place.leases);
        let hands_over = std::mem::take(&mut lock(&self.state).hands_lead_over);
        if hands_over && self.leads == Leadership::Ours {
            self.leads = Leadership::Theirs;
            // Long enough for the others, who seek it more often; when nobody is there, it is ours again.
            self.duties.lead = at + leases.lead;
            if let Err(lost) = store.resign(&self.node).await {
                return self.go_alone(&lost);
            }
        } else if self.duties.lead <= at {
            self.duties.lead = at + leases.lead_renewal();
            match store.lead(&self.node, leases.lead).await {
                Ok(leads) => self.leads = leads,
                Err(lost) => return self.go_alone(&lost),
            }
            // A view that is right is not refused for ever.
            self.waits_for_news = false;
        }
        if self.gap_since.is_some_and(|since| since + GAP_MAX <= at) {
            return self.go_alone(&StoreLost::Faulty("events are missing".to_owned()));
        }
        let mut verbs = Vec::new();
        if self.duties.alive <= at {
            self.duties.alive = at + leases.node_renewal();
            let seen = lock(&self.state).sight.view().last_event();
            self.scribe.keep_up(store, seen, self.leads);
            verbs.push(Verb::NodeAlive {
                node: self.node.clone(),
                lease: leases.node,
            });
        }
        let due = lock(&self.state).sight.view().next_due();
        let is_due = due.is_some_and(|due| due <= at) && self.duties.expire_not_before <= at;
        if is_due || self.duties.expire <= at {
            self.duties.expire = at + leases.node_renewal();
            self.duties.expire_not_before = at + EXPIRE_PAUSE;
            verbs.push(Verb::Expire);
        }
        if !verbs.is_empty() {
            let requests = verbs.into_iter();
            let requests = requests.map(|verb| Request::Change(Change { at, verb }));
            self.ask(requests.collect()).await;
        }
    }

    fn next_wake(&self) -> Timestamp {
        let at = self.clock.now();
        match &self.link {
            Link::Down { .. } => at + self.place.leases.lead_renewal(),
            Link::Up { .. } => {
                let mut state = lock(&self.state);
                if let Sight::Following(following) = &mut state.sight {
                    // Who does not lead decides nothing, and yet sees time pass.
                    following.view.advance(at);
                }
                let soon = next_wake(state.sight.view(), at);
                let soon = soon.map(|soon| soon.max(self.duties.expire_not_before));
                let Duties {
                    lead,
                    alive,
                    expire,
                    ..
                } = self.duties;
                let regular = lead.min(alive).min(expire);
                soon.map_or(regular, |soon| soon.min(regular))
            }
        }
    }

    fn go_alone(&mut self, cause: &StoreLost) {
        if let Link::Down { .. } = self.link {
            return;
        }
        let at = self.clock.now();
        tracing::warn!(%cause, "the queue store is lost: this node keeps its own contacts");
        self.seek_again();
        self.leads = Leadership::Theirs;
        self.gap_since = None;
        let cause = cause.to_string();
        let kind = EventKind::StoreLost {
            cause: cause.clone(),
        };
        {
            let mut state = lock(&self.state);
            let SharedState {
                sight,
                bus,
                carried,
                ..
            } = &mut *state;
            let seen = sight.view().snapshot();
            let mut alone = Alone::begin(seen, self.node.clone(), carried.clone(), at);
            tell(
                bus,
                alone.ask(Request::Publish(EventDraft::of_desk(at, kind))),
            );
            *sight = Sight::Alone(Box::new(alone));
            state.store = None;
        }
        let health = Health::Alone { since: at, cause };
        self.health.send_replace(health);
    }

    /// The store is back: tells it what happened here, and follows it again.
    async fn come_back(&mut self, store: Box<RedisStore>, found: Found) {
        if let Err(lost) = self.try_come_back(store, found).await {
            tracing::warn!(cause = %lost, "the queue store was there for a moment only");
            self.seek_again();
        }
    }

    fn seek_again(&mut self) {
        self.link = seek(self.place.clone(), self.node.clone(), self.clock.clone());
    }

    async fn try_come_back(
        &mut self,
        store: Box<RedisStore>,
        found: Found,
    ) -> Result<(), StoreLost> {
        let remote = store.snapshot().await?;
        self.scribe.resume(&store, remote.last_event).await?;
        let at = self.clock.now();
        let requests = {
            let mut state = lock(&self.state);
            let SharedState { sight, bus, .. } = &mut *state;
            match sight {
                Sight::Following(_) => Vec::new(),
                Sight::Alone(alone) => {
                    let plan = alone.prepare_return(&remote, found, self.place.leases.node, at);
                    for event in plan.told {
                        bus.tell(event, MadeBy::Us);
                    }
                    plan.requests
                }
            }
        };
        let mut made = Vec::new();
        for chunk in requests.chunks(BATCH_MAX) {
            let outcomes = store.ask(chunk.to_vec()).await;
            for (request, outcome) in chunk.iter().zip(outcomes) {
                let outcome = outcome?;
                if let Answer::Refused { reason } = outcome.answer {
                    tracing::warn!(?reason, ?request, "the returned queue store knows better");
                }
                made.extend(outcome.events);
            }
        }
        let returned = EventDraft::of_desk(at, EventKind::StoreReturned);
        for outcome in store.ask(vec![Request::Publish(returned)]).await {
            made.extend(outcome?.events);
        }
        let snapshot = store.snapshot().await?;
        let follower = store.follow_events().await?;
        {
            let mut state = lock(&self.state);
            for event in made {
                state.bus.write_down(event);
            }
            let last = snapshot.last_event;
            let view = View::from_snapshot(snapshot);
            state.sight = Sight::Following(Box::new(Following::new(view, self.node.clone())));
            state.store = Some((*store).clone());
            state.bus.resync();
            self.link = follow(store, follower, last);
        }
        self.duties = Duties::all_at(at);
        self.duties.expire = at + self.place.leases.node;
        self.waits_for_news = false;
        self.health.send_replace(Health::Good);
        Ok(())
    }
}

fn tell(bus: &Bus, outcome: Outcome) -> Done {
    let done = Done::of(&outcome);
    for event in outcome.events {
        bus.tell(event, MadeBy::Us);
    }
    done
}

async fn connect(
    place: &RedisPlace,
    node: &NodeId,
    scribe: &Scribe,
    at: Timestamp,
) -> Result<(RedisStore, Snapshot, EventFollower), StoreLost> {
    let (store, _) = RedisStore::open(place.clone(), node, at).await?;
    let snapshot = store.snapshot().await?;
    scribe.begin(&store, snapshot.last_event).await?;
    let follower = store.follow_events().await?;
    Ok((store, snapshot, follower))
}

/// Follows the events after a number in a task of its own.
fn follow(store: Box<RedisStore>, mut follower: EventFollower, mut last: u64) -> Link {
    let (sender, news) = mpsc::channel(NEWS_MAX);
    let follower = tokio::spawn(async move {
        loop {
            let read = follower.read_after(last).await;
            if let Ok(events) = &read {
                last = events.last().map_or(last, |event| event.id.number);
                if events.is_empty() {
                    continue;
                }
            }
            let is_lost = read.is_err();
            if sender.send(read).await.is_err() || is_lost {
                return;
            }
        }
    });
    Link::Up {
        store,
        news,
        follower,
    }
}

/// Tries to reach the store again and again, in a task of its own.
fn seek(place: RedisPlace, node: NodeId, clock: Clock) -> Link {
    let attempts = tokio::spawn(async move {
        loop {
            match RedisStore::open(place.clone(), &node, clock.now()).await {
                Ok(opened) => return opened,
                Err(cause) => tracing::debug!(%cause, "the queue store is still away"),
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    });
    Link::Down { attempts }
}
