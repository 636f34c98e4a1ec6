//! What the desk could not be asked, however often it was tried.

use super::*;

/// Why a call failed that could not be brought into the line.
pub(super) const DESK_FAULT: &str = "desk_fault";

impl Flow {
    /// Whatever the desk has done of it after all is taken back.
    pub(super) fn on_given_up(&mut self, now: Instant, out: &mut Vec<Command>) {
        match &self.stage {
            Stage::Enqueuing => self.on_not_entered(now, out),
            // As an answer that comes too late: nobody else rings, and the caller keeps the place.
            Stage::Accepting { leg } => {
                let leg = *leg;
                self.rings_no_more(leg, out);
                self.on_accepted_lost(now, out);
            }
            Stage::AcceptingLost => self.on_accepted_lost(now, out),
            Stage::AcceptingTaken => self.go_on_ringing(now, out),
            // All else is asked until it is answered.
            Stage::Identifying
            | Stage::Asking { .. }
            | Stage::Informing { .. }
            | Stage::Waiting { .. }
            | Stage::TakingCallBack
            | Stage::Reserved
            | Stage::Ringing
            | Stage::Releasing
            | Stage::Talking { .. }
            | Stage::TakingBack
            | Stage::Refusing { .. }
            | Stage::Transferring { .. }
            | Stage::Elsewhere { .. }
            | Stage::Moving { .. }
            | Stage::FlowingOut { .. }
            | Stage::Leaving { .. }
            | Stage::Judging { .. }
            | Stage::Settling { .. }
            | Stage::Over => {}
        }
    }

    /// The call is not in the line, as far as anybody knows: it ends with a fault, and the desk is told so
    /// in case it is.
    fn on_not_entered(&mut self, now: Instant, out: &mut Vec<Command>) {
        if self.caller_left.is_some() {
            self.abandon(out);
            return;
        }
        self.refused_as = ContactResult::Failed;
        self.clears_line = true;
        self.offers.clear();
        out.push(Command::Change(Verb::FlowOut {
            contact: self.contact,
            to: DESK_FAULT.to_owned(),
        }));
        self.on_not_taken(now, Refusing::Fault, out);
    }
}
