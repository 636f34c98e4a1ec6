//! Roll-ups: what the event log comes to, counted once and kept, so that a month's report need not read a
//! month's events.
//!
//! The log is folded in the order of time, a quarter of an hour a step (more when behind), each step where the one
//! before ended: the fold as it stood there is kept beside the sums that are counted for good. So a report is
//! those sums, and the fold of the last step with the events since then, which is exactly the fold of
//! the whole log. Nothing is a matter of days or midnights: who arrived before one and was answered after it
//! counts in the interval of the arrival, whichever step saw the end.
//!
//! What is counted by quarter hour is added up by hour, four hours and day of UTC besides ([`levels`]), so that a
//! report reads the widest that fit between the midnights of its own time zone.
//!
//! An event that is stored later than the step that should have had it takes the steps back to the last one
//! before it, and they are counted again. Until that is done a report goes back by itself, so that it is right at
//! any instant. One gateway at a time does the work, by a lease; every change holds only if nothing else has
//! changed meanwhile, so a gateway that slept with the lease in its hand breaks nothing.

mod forward;
mod keeping;
mod letting_go;
mod levels;
mod reading;
mod rows;

pub use keeping::Advance;
pub use letting_go::Extent;
pub use reading::Lag;

use crate::database::{Database, DatabaseFault};
use crate::event_log::EventLog;
use crate::report::By;
use ringdown_routing::statistics::{Rules, Statistics};
use std::time::Duration;

/// The width of the cells that are kept; every interval of a report must be made of such.
pub const CELL: Duration = Duration::from_secs(900);

/// A day of UTC.
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// The roll-ups of a desk; clones share them.
#[derive(Clone, Debug)]
pub struct Rollups {
    database: Database,
    log: EventLog,
    /// Names this one as the holder of the lease.
    name: String,
    facets: Facets,
}

/// How narrow the sums by facet are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Facets {
    /// Not at all; for a report that shows none.
    Unread,
    /// As wide as they come; for a report that tells them of its whole period alone.
    Whole,
    /// By interval.
    ByInterval,
    /// By interval, those alone that the report is divided by; for one that shows nothing else.
    Only(By),
}

impl Rollups {
    /// The roll-ups in this log's database.
    pub fn new(log: &EventLog) -> Self {
        Self {
            database: log.database().clone(),
            log: log.clone(),
            name: format!("{:016x}", rand::random::<u64>()),
            facets: Facets::Whole,
        }
    }

    /// The same, whose reports have the sums by facet that narrow.
    pub(crate) fn reading(self, facets: Facets) -> Self {
        Self { facets, ..self }
    }
}

/// A fold that has counted nothing.
fn zero() -> Statistics {
    Statistics::new(Rules {
        interval: CELL,
        ..Rules::default()
    })
}

/// What is kept is written in MessagePack, whose numbers take as few octets as they need.
fn write<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, DatabaseFault> {
    rmp_serde::to_vec(value).map_err(|error| DatabaseFault::Unreadable(format!("roll-up: {error}")))
}

fn read<T: serde::de::DeserializeOwned>(octets: &[u8]) -> Result<T, DatabaseFault> {
    rmp_serde::from_slice(octets)
        .map_err(|error| DatabaseFault::Unreadable(format!("roll-up: {error}")))
}

#[cfg(test)]
pub(crate) mod tests;
