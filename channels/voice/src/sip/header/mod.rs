//! Header values: the one place where their texts become types.
//!
//! Every message is read by the scanners of [`scan`] and [`value`], which borrow from the message and
//! allocate nothing: `Via`, `From`, `To`, `CSeq`, tags and branches are needed several times per
//! message, and the `rsip` crate allocates a `String` per part, reads no folded values, drops URI
//! headers (`?a=b`) and refuses methods and transports it does not know. [`typed`] gives its owned
//! types to the callers that keep or take apart a whole value and do so seldom.

mod name;
pub mod scan;
pub mod typed;
mod value;

pub use name::{Header, HeaderName};
pub use value::{CSeq, NameAddr, RAck, Refresher, SessionExpires, Via, list_has};
