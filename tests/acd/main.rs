//! The queue: its stores against one contract, and the desk at work on them.

#[path = "../../routing/tests/acts/mod.rs"]
mod acts;
mod call_backs;
mod contract;
mod layout;
mod lost_nodes;
mod phones;
mod redis_kinds;
mod redis_server;
mod told;
mod work;
