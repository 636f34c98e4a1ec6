//! The newest events in the order of the desk, for whoever listens: bounded, and open to resume.

use ringdown_routing::event::Event;
use ringdown_routing::ids::EventId;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Most events kept for listeners who were away or are slow.
const KEPT_MAX: usize = 4_096;

/// Most events handed to a listener at once.
const BATCH_MAX: usize = 128;

/// The newest events.
#[derive(Debug)]
pub struct Feed {
    inner: Mutex<Inner>,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Place of the first kept event; places count up from 0.
    first: u64,
    kept: VecDeque<Arc<Line>>,
}

/// An event as it is sent.
#[derive(Debug)]
pub struct Line {
    /// Its identity.
    pub id: EventId,
    /// Its JSON.
    pub json: String,
}

/// Where a listener is.
#[derive(Debug)]
pub struct Listener {
    next: u64,
    newest: watch::Receiver<u64>,
}

/// What a listener gets.
#[derive(Debug)]
pub enum Heard {
    /// These events; none when nothing is new.
    Lines(Vec<Arc<Line>>),
    /// The listener was too slow, and events between were let go.
    Gap,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            newest: watch::Sender::new(0),
        }
    }
}

impl Feed {
    /// Takes the newest event.
    pub fn record(&self, event: &Event) {
        let Ok(json) = serde_json::to_string(event) else {
            return;
        };
        let line = Arc::new(Line {
            id: event.id.clone(),
            json,
        });
        let end = {
            let mut inner = self.lock();
            inner.kept.push_back(line);
            if inner.kept.len() > KEPT_MAX {
                inner.kept.pop_front();
                inner.first += 1;
            }
            inner.end()
        };
        self.newest.send_replace(end);
    }

    /// Listens from now on.
    pub fn listen(&self) -> Listener {
        Listener {
            next: self.lock().end(),
            newest: self.newest.subscribe(),
        }
    }

    /// Listens from behind an event on; `None` when it is not kept (any more).
    pub fn listen_after(&self, id: &EventId) -> Option<Listener> {
        let inner = self.lock();
        let place = inner.kept.iter().rposition(|line| line.id == *id)?;
        Some(Listener {
            next: inner.first + u64::try_from(place).unwrap_or(u64::MAX) + 1,
            newest: self.newest.subscribe(),
        })
    }

    /// What is new to a listener.
    pub fn hear(&self, listener: &mut Listener) -> Heard {
        // Marked before looking, so that an event that comes in between wakes the listener again.
        listener.newest.borrow_and_update();
        let inner = self.lock();
        let Some(skip) = listener.next.checked_sub(inner.first) else {
            listener.next = inner.first;
            return Heard::Gap;
        };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let lines: Vec<_> = inner
            .kept
            .iter()
            .skip(skip)
            .take(BATCH_MAX)
            .cloned()
            .collect();
        listener.next += u64::try_from(lines.len()).unwrap_or(u64::MAX);
        Heard::Lines(lines)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn end(&self) -> u64 {
        self.first + u64::try_from(self.kept.len()).unwrap_or(u64::MAX)
    }
}

impl Listener {
    /// Waits until there may be something new; false when nothing will ever come.
    pub async fn wait(&mut self) -> bool {
        self.newest.changed().await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringdown_routing::event::EventKind;
    use ringdown_routing::ids::NodeId;
    use ringdown_routing::time::Timestamp;

    fn id(number: u64) -> EventId {
        EventId {
            origin: NodeId::from("n"),
            number,
        }
    }

    fn event(number: u64) -> Event {
        Event {
            id: id(number),
            at: Timestamp::from_millis(0),
            contact: None,
            queue: None,
            agent: None,
            kind: EventKind::StoreReturned,
        }
    }

    fn numbers(heard: Heard) -> Option<Vec<u64>> {
        match heard {
            Heard::Lines(lines) => Some(lines.iter().map(|line| line.id.number).collect()),
            Heard::Gap => None,
        }
    }

    #[test]
    fn a_listener_hears_everything_once_and_in_order() {
        let feed = Feed::default();
        feed.record(&event(1));
        let mut listener = feed.listen();
        feed.record(&event(2));
        feed.record(&event(3));
        assert_eq!(numbers(feed.hear(&mut listener)), Some(vec![2, 3]));
        assert_eq!(numbers(feed.hear(&mut listener)), Some(vec![]));
    }

    #[test]
    fn a_listener_who_was_away_goes_on_behind_the_last_event() {
        let feed = Feed::default();
        for number in 1..=5 {
            feed.record(&event(number));
        }
        let mut listener = feed.listen_after(&id(3)).unwrap();
        assert_eq!(numbers(feed.hear(&mut listener)), Some(vec![4, 5]));
        assert!(feed.listen_after(&id(99)).is_none());
    }

    #[test]
    fn a_slow_listener_is_told_of_the_gap_and_memory_stays_bounded() {
        let feed = Feed::default();
        let mut listener = feed.listen();
        for number in 0..10_000 {
            feed.record(&event(number));
        }
        assert_eq!(numbers(feed.hear(&mut listener)), None);
        assert_eq!(feed.lock().kept.len(), KEPT_MAX);
        assert_eq!(
            numbers(feed.hear(&mut listener)).map(|heard| heard.len()),
            Some(BATCH_MAX)
        );
    }
}
