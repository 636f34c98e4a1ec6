//! The queue at work: the stores that hold the truth, the bus, and the dispatcher.
//!
//! [`Acd`] is all that the rest of the gateway needs: verbs in, events out.
//!
//! | module | what lives here |
//! |---|---|
//! | [`handle`] | [`Acd`]: change, submit, publish, subscribe, read, health |
//! | [`bus`] | every event to everybody in this process, in order, and once to the event log |
//! | [`store`] | what a queue store is |
//! | [`memory_store`], `memory_desk` | the desk in this process, the embedded default; dispatching within the verb |
//! | [`redis_store`], `redis_place`, `redis_link`, `shared_desk`, `worker` | the desk in Redis, shared by several gateways: where it is, the way there, what is asked, and the asking task; `keys` names its keys, `lua/` is its verbs |
//! | [`phones`] | where the agents' phones are, told by the gateway each registered at |
//! | `teller` | [`Teller`]: verbs that nobody waits for, told until they are taken |
//! | `scribe` | the event log gets what a node that died could not write |
//! | `alone` | what a node does while Redis is away, and what it tells it afterwards |
//!
//! The rules of the verbs are not here but in [`ringdown_routing::desk`]; who meets whom is decided in
//! [`ringdown_routing::policy`].

mod alone;
pub mod bus;
pub mod handle;
mod keys;
mod memory_desk;
pub mod memory_store;
pub mod phones;
mod redis_link;
mod redis_place;
pub mod redis_store;
mod scribe;
mod scripts;
mod shared_desk;
pub mod store;
mod teller;
mod worker;

pub use bus::{EventSink, Notice, Subscription};
pub use handle::{Acd, AtStart, Clock, Health, OpenFault, PublishFault, Surroundings, Told};
pub use redis_place::{Leases, RedisPlace, RedisServers, TlsFiles};
pub use store::StoreLost;
pub use teller::{About, Teller};
