//! The policy's promises, one file a promise: order, needs, capacity, moves, rings of many.

#[path = "../acts/mod.rs"]
mod acts;
mod capacity;
mod floor;
mod moves;
mod needs;
mod order;
mod ring_all;
