//! The queue at work: the stores that hold the truth, and (above them) the bus and the dispatcher.
//!
//! | module | what lives here |
//! |---|---|
//! | [`store`] | what a queue store is |
//! | [`memory_store`] | the desk in this process: the embedded default |
//! | [`redis_store`] | the desk in Redis, shared by several gateways; `keys` names its keys, `lua/` is its verbs |
//!
//! The rules of the verbs are not here but in [`ringdown_routing::desk`].

mod keys;
pub mod memory_store;
pub mod redis_store;
mod scripts;
pub mod store;
