//! SMTP and LMTP, the server's side: mail comes in, and nothing goes through.
//!
//! [`Connection`] is the core: bytes and instants in, bytes and [`ConnectionEvent`]s out, no socket and
//! no clock. It speaks RFC 5321 and RFC 2033 with STARTTLS (RFC 3207), SIZE (RFC 1870), 8BITMIME
//! (RFC 6152), SMTPUTF8 (RFC 6531), CHUNKING (RFC 3030), PIPELINING (RFC 2920) and
//! ENHANCEDSTATUSCODES (RFC 2034). [`Sources`] counts what each address asks of us. `shell` owns the
//! sockets and decides nothing.
//!
//! | module | what lives here |
//! |---|---|
//! | `command`, `path` | a line read as a command, an address read from it |
//! | `content` | the octets after DATA: dots, the end, and what is not the end |
//! | `reply` | what is said, with its codes |
//! | `connection` | the order of things: who may say what when |
//! | `sources` | connections and mails by address, bounded |
//! | `shell` | listeners, TLS, spooling |
//!
//! The invariants: a recipient that is not one of our mailboxes is never taken (no relay); a mail is
//! answered 250 only when whoever stores it said so; the end of a mail is CR LF dot CR LF and nothing
//! that looks like it (SMTP smuggling); a peer never makes us hold more than one line, one chunk and
//! one envelope.

mod command;
mod connection;
mod content;
mod path;
mod reply;
pub mod shell;
mod sources;
#[cfg(test)]
mod tests;

pub use connection::{
    Connection, ConnectionEvent, Envelope, Protocol, Recipients, Rules, Tls, Trust,
};
pub use path::{Address, PathFault, parse_address};
pub use reply::{Reply, Verdict};
pub use sources::{SourceLimits, Sources, Turned};
