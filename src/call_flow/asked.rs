//! What a call has asked of the desk and was not answered yet, and when it is asked again.
//!
//! A desk that could not be asked (its queue of requests is full, or its store failed at the request) has
//! done nothing that could be relied on, so the same question is put again: after 50 ms, then after twice
//! as long each time, at most every 5 s. What frees an agent, takes a contact out of the line or puts it
//! back there is asked until it is answered, for nobody else does it; a node that has lost its store
//! answers by itself. A person who waits on the line for the answer does not wait for ever: entering the
//! line and accepting an agent's answer are given up after a few tries. Every verb may be asked twice.

use super::words::Command;
use ringdown_routing::verb::Verb;
use std::time::{Duration, Instant};

/// Before the second try.
const PAUSE_FIRST: Duration = Duration::from_millis(50);

/// Between two tries at most.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Times that entering the line is tried: the last is after 1.55 s.
pub(super) const ENTRY_TRIES_MAX: u32 = 6;

/// Times that an agent's answer is tried: the last is after 150 ms.
pub(super) const ANSWER_TRIES_MAX: u32 = 3;

/// The one question that is on its way.
#[derive(Debug, Default)]
pub(super) struct Asked {
    question: Option<Command>,
    tries: u32,
    again_at: Option<Instant>,
}

/// What follows when the desk could not be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAsked {
    /// It is asked again in a while.
    Again,
    /// It was asked often enough.
    GivenUp,
}

impl Asked {
    /// Remembers what is asked among commands.
    pub(super) fn note(&mut self, commands: &[Command]) {
        if let Some(question) = commands.iter().rfind(|command| is_question(command)) {
            *self = Self {
                question: Some(question.clone()),
                tries: 1,
                again_at: None,
            };
        }
    }

    /// The desk answered.
    pub(super) fn is_answered(&mut self) {
        *self = Self::default();
    }

    /// The desk could not be asked.
    pub(super) fn is_lost(&mut self, now: Instant) -> NotAsked {
        let most = match &self.question {
            Some(Command::Enqueue { .. }) => Some(ENTRY_TRIES_MAX),
            Some(Command::Change(Verb::Accept { .. })) => Some(ANSWER_TRIES_MAX),
            Some(_) => None,
            None => return NotAsked::Again,
        };
        if most.is_some_and(|most| self.tries >= most) {
            self.is_answered();
            return NotAsked::GivenUp;
        }
        self.again_at = Some(now + pause_after(self.tries));
        NotAsked::Again
    }

    /// When the question is put again.
    pub(super) fn again_at(&self) -> Option<Instant> {
        self.again_at
    }

    /// The question, if it is to be put again by now.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Command> {
        self.again_at.take_if(|at| *at <= now)?;
        self.tries = self.tries.saturating_add(1);
        self.question.clone()
    }
}

fn is_question(command: &Command) -> bool {
    matches!(
        command,
        Command::Change(_) | Command::Enqueue { .. } | Command::Move { .. }
    )
}

fn pause_after(tries: u32) -> Duration {
    let doublings = tries.saturating_sub(1).min(16);
    (PAUSE_FIRST * 2_u32.pow(doublings)).min(PAUSE_MAX)
}
