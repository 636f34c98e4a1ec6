//! The desk on a terminal: queues, agents, the last events, and what the wires do, drawn anew as it changes.
//!
//! [`Frame`] is what is seen, [`Frame::lines`] draws it for a width and height, and both are pure;
//! [`screen`] puts the lines on a terminal. The figures of today come from the statistics, what waits
//! now from the desk; the heading of each part says which.

mod columns;
mod frame;
pub mod screen;

pub use frame::{AgentRow, Frame, QueueRow, ServiceLevelToday};

#[cfg(test)]
mod tests;
