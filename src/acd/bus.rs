//! The bus: every event of the desk, in the order it was applied, to everybody in this process.

use ringdown_routing::event::Event;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::broadcast::{self, error};

/// Where events go to last: told once of each event that this node's requests made. It must not wait; an
/// event that it has no room for is brought again from the stream, where there is one.
pub struct EventSink {
    append: Append,
    flush: Flush,
    has_missed: AtomicBool,
}

type Append = Box<dyn Fn(&Arc<Event>) -> bool + Send + Sync>;
type Flush = Box<dyn Fn() -> Flushing + Send + Sync>;
type Flushing = Pin<Box<dyn Future<Output = bool> + Send>>;

impl EventSink {
    /// A sink that takes an event to be kept, or says false because it is full, and that can wait until
    /// what it took is kept for good, or say false because it never will be.
    pub fn new<F>(
        append: impl Fn(&Arc<Event>) -> bool + Send + Sync + 'static,
        flush: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = bool> + Send + 'static,
    {
        Self {
            append: Box::new(append),
            flush: Box::new(move || Box::pin(flush())),
            has_missed: AtomicBool::new(false),
        }
    }

    /// A sink that keeps an event as it takes it.
    pub fn at_once(append: impl Fn(&Arc<Event>) + Send + Sync + 'static) -> Self {
        let append = move |event: &Arc<Event>| {
            append(event);
            true
        };
        Self::new(append, || async { true })
    }

    pub(super) fn append(&self, event: &Arc<Event>) -> bool {
        (self.append)(event)
    }

    pub(super) async fn flush(&self) -> bool {
        (self.flush)().await
    }

    /// Notes that events have not come here.
    pub(super) fn miss(&self) {
        self.has_missed.store(true, Ordering::Relaxed);
    }

    /// Whether events have not come here since it was asked last.
    pub(super) fn take_missed(&self) -> bool {
        self.has_missed.swap(false, Ordering::Relaxed)
    }

    fn take(&self, event: &Arc<Event>) {
        if !self.append(event) {
            self.miss();
        }
    }
}

/// Events a subscriber may lag behind before it is told to look again.
pub const EVENTS_BEHIND_MAX: usize = 16_384;

/// What a subscriber is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// Something happened.
    Event(Arc<Event>),
    /// Events were missed (the subscriber lagged, or the store was away): take a snapshot, and go on with
    /// the events after it.
    Resync,
}

/// One receiver of the bus. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription {
    receiver: broadcast::Receiver<Notice>,
}

impl Subscription {
    /// The next notice; `None` when the desk is closed.
    pub async fn next(&mut self) -> Option<Notice> {
        match self.receiver.recv().await {
            Ok(notice) => Some(notice),
            Err(error::RecvError::Lagged(_)) => Some(Notice::Resync),
            Err(error::RecvError::Closed) => None,
        }
    }

    /// The next notice if there is one by now.
    pub fn try_next(&mut self) -> Option<Notice> {
        match self.receiver.try_recv() {
            Ok(notice) => Some(notice),
            Err(error::TryRecvError::Lagged(_)) => Some(Notice::Resync),
            Err(error::TryRecvError::Empty | error::TryRecvError::Closed) => None,
        }
    }
}

/// Who made an event happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MadeBy {
    /// A request of this node: it also writes the event down.
    Us,
    /// Another node, which writes it down.
    Others,
}

/// The sending side; whoever holds it decides the order.
pub(super) struct Bus {
    sender: broadcast::Sender<Notice>,
    sink: Arc<EventSink>,
}

impl Bus {
    pub(super) fn new(sink: EventSink) -> Self {
        Self {
            sender: broadcast::Sender::new(EVENTS_BEHIND_MAX),
            sink: Arc::new(sink),
        }
    }

    pub(super) fn sink(&self) -> Arc<EventSink> {
        Arc::clone(&self.sink)
    }

    pub(super) fn subscribe(&self) -> Subscription {
        Subscription {
            receiver: self.sender.subscribe(),
        }
    }

    /// Hands one event to everybody.
    pub(super) fn tell(&self, event: Event, made_by: MadeBy) {
        let event = Arc::new(event);
        if made_by == MadeBy::Us {
            self.sink.take(&event);
        }
        self.announce(Notice::Event(event));
    }

    pub(super) fn resync(&self) {
        self.announce(Notice::Resync);
    }

    /// Writes an event down that everybody has been told of already.
    pub(super) fn write_down(&self, event: Event) {
        self.sink.take(&Arc::new(event));
    }

    fn announce(&self, notice: Notice) {
        // Nobody listening is no fault: the log has it.
        drop(self.sender.send(notice));
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").finish_non_exhaustive()
    }
}
