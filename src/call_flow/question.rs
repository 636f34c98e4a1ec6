//! The question how it went, for who stays on the line when the agent has hung up: a caller, or somebody called back.
//!
//! The desk is told of the end first, so that the agent's next call never waits for it. Who hangs up, or keys nothing
//! from 1 to 5 in time, has given no answer.

use super::words::{Command, Phrase};
use ringdown_voice::media::PlayId;
use std::time::{Duration, Instant};

/// Longest that the question or the thanks are spoken.
const SPOKEN_MAX: Duration = Duration::from_secs(20);

/// How long they have to answer who have heard it.
const ANSWER_MAX: Duration = Duration::from_secs(8);

const ASKED: PlayId = PlayId(9);
const THANKED: PlayId = PlayId(10);

/// The question as it is put to one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    step: Step,
    until: Instant,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The question plays, or was heard; keys count from its first word on.
    Asked,
    /// The answer is kept, and they are thanked.
    Thanked,
}

/// Whether there is more to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    More,
    All,
}

impl Question {
    /// Asks.
    pub(super) fn ask(now: Instant, out: &mut Vec<Command>) -> Self {
        out.push(Command::Play {
            play: ASKED,
            phrase: Phrase::HowItWent,
        });
        Self {
            step: Step::Asked,
            until: now + SPOKEN_MAX,
        }
    }

    /// When it is over whatever they do.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// They pressed a key; the first that is an answer stands.
    pub(super) fn on_digit(&mut self, now: Instant, digit: char, out: &mut Vec<Command>) {
        let score = digit
            .to_digit(10)
            .and_then(|digit| u8::try_from(digit).ok());
        let score = score.filter(|score| (1..=5).contains(score));
        if let (Step::Asked, Some(score)) = (self.step, score) {
            out.push(Command::KeepScore { score });
            out.push(Command::Play {
                play: THANKED,
                phrase: Phrase::ThankYou,
            });
            *self = Self {
                step: Step::Thanked,
                until: now + SPOKEN_MAX,
            };
        }
    }

    /// Something was played to its end.
    pub(super) fn on_played(&mut self, now: Instant, play: PlayId) -> Heard {
        match (self.step, play) {
            (Step::Asked, ASKED) => {
                self.until = now + ANSWER_MAX;
                Heard::More
            }
            (Step::Thanked, THANKED) => Heard::All,
            (Step::Asked | Step::Thanked, _) => Heard::More,
        }
    }
}
