//! The desk of a single gateway: store in memory, bus and dispatcher in one lock.
//!
//! A verb, its events and the offers that follow from them are one step, done by whoever asked: an agent
//! who hangs up has the next contact reserved before the call returns. Only what time alone brings about
//! needs a task, the keeper.

use super::bus::{Bus, MadeBy, Subscription};
use super::handle::Clock;
use super::memory_store::MemoryStore;
use super::shared_desk::Done;
use super::store::Request;
use ringdown_routing::policy;
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{Answer, Change, Outcome, Verb};
use ringdown_routing::view::View;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::Notify;

#[derive(Debug)]
pub(super) struct MemoryDesk {
    store: MemoryStore,
    bus: Mutex<Bus>,
    clock: Clock,
    /// When the keeper means to wake; told anew when something is due before.
    planned: Mutex<Option<Timestamp>>,
    sooner: Arc<Notify>,
}

impl MemoryDesk {
    /// Starts the keeper, which ends with the desk.
    pub(super) fn start(store: MemoryStore, bus: Bus, clock: Clock) -> Arc<Self> {
        let desk = Arc::new(Self {
            store,
            bus: Mutex::new(bus),
            clock,
            planned: Mutex::new(None),
            sooner: Arc::new(Notify::new()),
        });
        tokio::spawn(keep(Arc::downgrade(&desk), desk.sooner.clone()));
        desk
    }

    pub(super) fn ask(&self, request: Request) -> Answer {
        self.do_request(request).answer
    }

    pub(super) fn do_request(&self, request: Request) -> Done {
        let bus = self.lock();
        let outcome = self.store.ask_now(request);
        let done = Done::of(&outcome);
        tell(&bus, outcome);
        if done.has_changed {
            let at = self.clock.now();
            self.dispatch(&bus, at);
            self.plan(at);
        }
        done
    }

    pub(super) fn subscribe(&self) -> Subscription {
        self.lock().subscribe()
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        self.store.read(look)
    }

    /// Offers until the matcher is quiet.
    fn dispatch(&self, bus: &Bus, at: Timestamp) {
        while let Some(proposal) = self.store.decide_one(at) {
            let verb = proposal.into_verb();
            let outcome = self.store.ask_now(Request::Change(Change { at, verb }));
            if let Answer::Refused { reason } = tell(bus, outcome) {
                // The policy looked at the very desk that refused, so this is a fault of ours; going on
                // would ask the same again.
                tracing::error!(?reason, "the desk refused what the policy proposed");
                return;
            }
        }
    }

    /// Wakes the keeper when something is due, after what was looked at, before it means to wake.
    fn plan(&self, at: Timestamp) {
        let next = self.store.read(|view| next_wake(view, at));
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        if next.is_some() && planned.is_none_or(|planned| next < Some(planned)) {
            *planned = next;
            self.sooner.notify_one();
        }
    }

    /// Does what is due, and says when to come again.
    fn keep_up(&self) -> Option<Timestamp> {
        let bus = self.lock();
        let at = self.clock.now();
        if self.store.read(View::next_due).is_some_and(|due| due <= at) {
            let verb = Verb::Expire;
            tell(
                &bus,
                self.store.ask_now(Request::Change(Change { at, verb })),
            );
        }
        self.dispatch(&bus, at);
        let next = self.store.read(|view| next_wake(view, at));
        *self.planned.lock().unwrap_or_else(PoisonError::into_inner) = next;
        next
    }

    fn lock(&self) -> MutexGuard<'_, Bus> {
        self.bus.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When time alone changes what the desk should do.
pub(super) fn next_wake(view: &View, at: Timestamp) -> Option<Timestamp> {
    let due = view.next_due().into_iter();
    due.chain(policy::next_timeout(view, at)).min()
}

fn tell(bus: &Bus, outcome: Outcome) -> Answer {
    for event in outcome.events {
        bus.tell(event, MadeBy::Us);
    }
    outcome.answer
}

async fn keep(desk: Weak<MemoryDesk>, sooner: Arc<Notify>) {
    while let Some(held) = desk.upgrade() {
        let next = held.keep_up();
        let clock = held.clock.clone();
        drop(held);
        match next {
            Some(next) => {
                tokio::select! {
                    () = clock.sleep_until(next) => {}
                    () = sooner.notified() => {}
                }
            }
            None => sooner.notified().await,
        }
    }
}

impl Drop for MemoryDesk {
    fn drop(&mut self) {
        self.sooner.notify_one();
    }
}
