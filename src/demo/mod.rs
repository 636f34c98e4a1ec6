//! The whole desk on loopback with the sample data, and callers and agents played by the same stack.
//!
//! `script` decides what the played people do, by dice; `traffic` owns their sockets and does it.

mod script;
mod traffic;

pub use traffic::Traffic;
