//! Figures for a monitoring system, in the text format of Prometheus.
//!
//! Counters and histograms derive from the same events as log lines and statistics. What is not an
//! event (sockets, memory, stores) is asked of its owner at the moment of the answer: whoever has
//! gauges registers a reader with [`Metrics::add`].

mod counted;
mod exposition;

pub use exposition::Exposition;

use counted::Counted;
use ringdown_routing::event::Event;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Everything `/metrics` tells.
#[derive(Default)]
pub struct Metrics {
    counted: Mutex<Counted>,
    readers: Mutex<Vec<Reader>>,
}

type Reader = Box<dyn Fn(&mut Exposition) + Send + Sync>;

impl Metrics {
    /// Counts an event.
    pub fn record(&self, event: &Event) {
        self.counted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .record(event);
    }

    /// Adds a reader of gauges and counters that its owner keeps; it is called for every answer and must
    /// not wait.
    pub fn add(&self, reader: impl Fn(&mut Exposition) + Send + Sync + 'static) {
        self.readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Box::new(reader));
    }

    /// The answer to `/metrics`.
    pub fn render(&self) -> String {
        self.render_with(|_| ())
    }

    /// The same, with what `more` tells beside it.
    pub fn render_with(&self, more: impl Fn(&mut Exposition)) -> String {
        let mut exposition = Exposition::default();
        self.counted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .tell(&mut exposition);
        for reader in self
            .readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            reader(&mut exposition);
        }
        more(&mut exposition);
        exposition.into_text()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
