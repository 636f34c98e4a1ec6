//! The policy's promises, one file a promise: order, needs, capacity.

#[path = "../acts/mod.rs"]
mod acts;
mod capacity;
mod floor;
mod needs;
mod order;
