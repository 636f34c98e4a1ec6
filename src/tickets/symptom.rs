//! What callers complain of, and how long such callers put up with waiting.

use serde::{Deserialize, Serialize};

/// A symptom as a ticket keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recorded {
    /// The symptom, as configured.
    pub(crate) symptom: String,
    /// How long callers of class 1, 2 and 3 put up with it, in milliseconds.
    pub(crate) tolerable_ms: [u64; 3],
    /// T of the ticket's queue, in milliseconds.
    pub(crate) service_level_ms: u64,
}

impl Recorded {
    /// What callers of a class put up with; those whose class nobody knows count as class 3.
    pub(super) fn tolerable_ms(&self, class: Option<u8>) -> u64 {
        let [first, second, third] = self.tolerable_ms;
        match class {
            Some(1) => first,
            Some(2) => second,
            Some(_) | None => third,
        }
    }
}
