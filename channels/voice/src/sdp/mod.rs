//! Session descriptions and the offer/answer model.
//!
//! | module | what lives here |
//! |---|---|
//! | [`description`] | the text of RFC 8866, read tolerantly and within bounds; faults are listed, not fatal |
//! | [`negotiation`] | one leg's side of RFC 3264: our offers and answers, and what came of them |
//! | [`terms`] | codecs, payload numbers, directions: what a description settles |
//!
//! [`Negotiation`] is a small value kept per leg. It keeps what was settled, never the texts.
//!
//! What deliberately does not live here: sockets, addresses' translation, who should hold whom.

pub mod description;
pub mod negotiation;
mod stream;
pub mod terms;

pub use description::{Description, Fault, FaultKind, parse};
pub use negotiation::{Negotiation, Refusal, refusal_of};
pub use terms::{Codec, Direction, Formats, RemoteMedia};
