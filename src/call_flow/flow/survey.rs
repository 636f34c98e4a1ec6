//! The question how it went, for callers who stay on the line when the agent has hung up.
//!
//! The desk is told of the end first, so that the agent's next call never waits for it. Who hangs up, or keys nothing
//! from 1 to 5 in time, has given no answer.

use super::*;

/// Longest that the question is spoken.
const ASKED_MAX: Duration = Duration::from_secs(20);

/// How long a caller has to answer who has heard it.
const ANSWER_MAX: Duration = Duration::from_secs(8);

const ASKED: PlayId = PlayId(9);
const THANKED: PlayId = PlayId(10);

/// How far the question is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judging {
    /// The question plays, or was heard; keys count from its first word on.
    Asked,
    /// The answer is kept, and the caller is thanked.
    Thanked,
}

impl Flow {
    /// Whether this caller, in this line, is asked.
    pub(super) fn may_be_asked(&self) -> bool {
        let asks = self.line_rules.as_ref();
        asks.is_some_and(|rules| rules.asks_how_it_went) && self.caller == CallerSide::Answered
    }

    /// The desk knows of the end: asks the caller, if they are still there.
    pub(super) fn ask_how_it_went(&mut self, now: Instant, out: &mut Vec<Command>) {
        self.asks_now = false;
        if self.caller != CallerSide::Answered {
            self.close(ContactResult::Answered, out);
            return;
        }
        self.stage = Stage::Judging {
            step: Judging::Asked,
            until: now + ASKED_MAX,
        };
        self.play(ASKED, Phrase::HowItWent, out);
    }

    pub(super) fn on_judging_digit(
        &mut self,
        now: Instant,
        step: Judging,
        digit: char,
        out: &mut Vec<Command>,
    ) {
        let score = digit
            .to_digit(10)
            .and_then(|digit| u8::try_from(digit).ok());
        let score = score.filter(|score| (1..=5).contains(score));
        if let (Judging::Asked, Some(score)) = (step, score) {
            out.push(Command::KeepScore { score });
            self.stage = Stage::Judging {
                step: Judging::Thanked,
                until: now + REASON_SPOKEN_MAX,
            };
            self.play(THANKED, Phrase::ThankYou, out);
        }
    }

    pub(super) fn on_judging_played(
        &mut self,
        now: Instant,
        step: Judging,
        play: PlayId,
        out: &mut Vec<Command>,
    ) {
        match (step, play) {
            (Judging::Asked, ASKED) => {
                self.stage = Stage::Judging {
                    step,
                    until: now + ANSWER_MAX,
                };
            }
            (Judging::Thanked, THANKED) => self.end_judging(out),
            (Judging::Asked | Judging::Thanked, _) => {}
        }
    }

    pub(super) fn end_judging(&mut self, out: &mut Vec<Command>) {
        self.hang_up_caller(out);
        self.close(ContactResult::Answered, out);
    }
}
