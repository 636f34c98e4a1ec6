//! Either way a call may take its course.

use super::call_back::CallBackFlow;
use super::flow::Flow;
use super::words::{Command, Input};
use ringdown_routing::ids::QueueId;
use std::time::Instant;

/// The flow of a call.
#[derive(Debug)]
pub enum Course {
    /// Somebody calls.
    Incoming(Box<Flow>),
    /// Somebody is called back.
    CallBack(Box<CallBackFlow>),
}

impl Course {
    /// Starts it.
    pub fn start(&mut self, out: &mut Vec<Command>) {
        match self {
            Self::Incoming(flow) => flow.start(out),
            Self::CallBack(flow) => flow.start(out),
        }
    }

    /// Takes one input; pushes what is to be done.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Command>) {
        match self {
            Self::Incoming(flow) => flow.handle(now, input, out),
            Self::CallBack(flow) => flow.handle(now, input, out),
        }
    }

    /// When [`Course::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        match self {
            Self::Incoming(flow) => flow.next_timeout(),
            Self::CallBack(flow) => flow.next_timeout(),
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Command>) {
        match self {
            Self::Incoming(flow) => flow.handle_timeout(now, out),
            Self::CallBack(flow) => flow.handle_timeout(now, out),
        }
    }

    /// The line it stands in or wants to.
    pub fn line(&self) -> &QueueId {
        match self {
            Self::Incoming(flow) => flow.line(),
            Self::CallBack(flow) => flow.line(),
        }
    }
}
