//! SIP: messages, transactions, dialogs, digest, registrar (RFC 3261 and what mends it).

mod alarm;
pub mod digest;
pub mod edge;
pub mod flow;
pub mod header;
pub mod message;
mod random;
pub mod registrar;
pub mod shell;
mod slab;
pub mod source_filter;
pub mod transaction;
pub mod uri;
pub mod user_agent;
