//! The question how it went, put to the caller when the desk knows of the end.

use super::*;

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
        self.stage = Stage::Judging(Question::ask(now, out));
    }

    pub(super) fn end_judging(&mut self, out: &mut Vec<Command>) {
        self.hang_up_caller(out);
        self.close(ContactResult::Answered, out);
    }
}
