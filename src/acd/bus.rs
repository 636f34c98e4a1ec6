//! The bus: every event of the desk, in the order it was applied, to everybody in this process.

use ringdown_routing::event::Event;
use std::fmt;
use std::sync::Arc;
use tokio::sync::broadcast::{self, error};

/// Where events go to last: told once of each event that this node's requests made. It must not wait;
/// what it does when it is full is its own affair ([`crate::event_log::EventLog::append`] counts what it
/// lets go).
pub type EventSink = Box<dyn Fn(&Arc<Event>) + Send + Sync>;

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
    sink: EventSink,
}

impl Bus {
    pub(super) fn new(sink: EventSink) -> Self {
        Self {
            sender: broadcast::Sender::new(EVENTS_BEHIND_MAX),
            sink,
        }
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
            (self.sink)(&event);
        }
        self.announce(Notice::Event(event));
    }

    pub(super) fn resync(&self) {
        self.announce(Notice::Resync);
    }

    /// Writes an event down that everybody has been told of already.
    pub(super) fn write_down(&self, event: Event) {
        (self.sink)(&Arc::new(event));
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
