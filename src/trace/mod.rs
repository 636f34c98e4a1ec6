//! Why a call went as it did: its SIP messages with times, kept small while it lives.
//!
//! A [`Ladder`] is carried by the call itself and costs some hundred bytes; when the call is over it
//! becomes a [`SipTrace`], which is stored for every call that failed and, if the configuration says so,
//! for the others. `ringdown trace` draws it with the contact's events. Bodies, numbers and names of
//! people are not kept here.

mod ladder;
mod render;
mod store;

pub use ladder::{Body, Direction, Entry, Ladder, Leg, Message};
pub use render::{Drawing, draw};
pub use store::{KEPT_FOR, TraceSender, load};

use ringdown_routing::ids::ContactId;
use ringdown_routing::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The SIP messages of one contact, as they are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SipTrace {
    /// The contact.
    pub contact: ContactId,
    /// When its first message came or went.
    pub at: Timestamp,
    /// Call-ID of each leg, to find the call in a capture.
    pub call_ids: Vec<(Leg, String)>,
    /// The messages, in order.
    pub entries: Vec<Entry>,
    /// How many messages between the first and the last ones were let go.
    pub left_out: u32,
}

#[cfg(test)]
mod tests;
