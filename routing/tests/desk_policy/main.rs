//! The policy's promises, one file a promise: order, needs, capacity, moves.

#[path = "../acts/mod.rs"]
mod acts;
mod capacity;
mod floor;
mod moves;
mod needs;
mod order;
