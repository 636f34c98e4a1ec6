//! SIP: messages, transactions, dialogs, digest, registrar (RFC 3261 and what mends it).

pub mod digest;
pub mod flow;
pub mod header;
pub mod message;
pub mod registrar;
pub mod shell;
pub mod source_filter;
pub mod uri;
