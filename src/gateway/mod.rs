//! The gateway at work: sockets, shards, desk, CMS, tickets and API wired together.
//!
//! The path of a call through these files: `task` receives its bytes, `shard` owns the call and does what
//! its [flow](crate::call_flow) decides, `door` lets it in, `house` asks CMS, tickets and desk, `dialling`
//! rings the agent, `speech` finds the words, `ladder` notes its messages.
//!
//! | module | what lives here |
//! |---|---|
//! | [`Gateway`] | start, and end in good order |
//! | `shards`, `shard`, `task`, `inputs`, `call` | the shards, the calls of one, its loop, what it is told |
//! | `house` | what all shards share |
//! | `door`, `turned_away` | who may come in, and where phones are; what is said to others |
//! | `phones` | the same, of phones that registered at other gateways of the desk |
//! | `rules`, `dialling`, `speech` | what the configuration means for calls |
//! | `incidents` | callers who hear of a major incident, and their messages |
//! | `call_backs`, `cut_off` | callers who are called back, also those whose gateway died |
//! | `survey` | callers who say how it went |
//! | `desk`, `staff` | queues and hours, and agents, brought to the desk |
//! | `gauges` | what the operations pages ask |

mod call;
mod call_backs;
mod cut_off;
mod desk;
mod dialling;
mod door;
mod gauges;
mod house;
mod incidents;
mod inputs;
mod ladder;
mod not_asked;
mod phones;
mod rules;
mod shard;
mod shards;
mod speech;
mod staff;
mod start;
mod survey;
mod task;
mod turned_away;

pub(crate) use desk::DROPPED;
pub use start::{Gateway, Places};
