//! What others do to a call: the desk that moves it by its rules, a supervisor who does so by hand.

use super::*;

impl Flow {
    /// It stands in another line now, whose rules hold from now on.
    pub(super) fn on_moved(&mut self, now: Instant, line: QueueId, out: &mut Vec<Command>) {
        if line == self.line {
            return;
        }
        self.on_line_chosen(line);
        self.line_since = Some(now);
        match &self.stage {
            Stage::Waiting { .. } | Stage::Reserved | Stage::Ringing => {
                self.stop_ringing(out);
                self.cut_message_short();
                self.play_music(out);
                self.stand_in_line_again(now, out);
            }
            // The verb on its way is answered in the light of it.
            Stage::Enqueuing
            | Stage::TakingCallBack
            | Stage::Accepting { .. }
            | Stage::AcceptingLost
            | Stage::AcceptingTaken
            | Stage::Releasing
            | Stage::TakingBack
            | Stage::Moving { .. }
            | Stage::FlowingOut { .. } => self.all_offers_over(out),
            Stage::Identifying
            | Stage::Asking { .. }
            | Stage::Informing { .. }
            | Stage::Talking { .. }
            | Stage::Refusing { .. }
            | Stage::Transferring { .. }
            | Stage::Elsewhere { .. }
            | Stage::Leaving { .. }
            | Stage::Judging { .. }
            | Stage::Settling { .. }
            | Stage::Over => {}
        }
    }

    /// Waiting calls leave a line that an emergency closes, and any other closed line if it says so. While
    /// a phone rings the agent may still answer.
    pub(super) fn on_line_closed(&mut self, reason: Refusing, out: &mut Vec<Command>) {
        let rules = self.line_rules.as_deref();
        let stays = rules.is_none_or(|rules| rules.at_closing == AtClosing::Stay);
        if stays && reason != Refusing::Emergency {
            return;
        }
        match &self.stage {
            Stage::Waiting { .. } => self.flow_out(reason, out),
            Stage::Enqueuing
            | Stage::TakingCallBack
            | Stage::Reserved
            | Stage::Ringing
            | Stage::Accepting { .. }
            | Stage::AcceptingLost
            | Stage::AcceptingTaken
            | Stage::Releasing
            | Stage::TakingBack => self.closing = Some(reason),
            // Not in the line yet, or not any more.
            Stage::Identifying
            | Stage::Asking { .. }
            | Stage::Informing { .. }
            | Stage::Talking { .. }
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

    pub(super) fn on_taken_from_agent(&mut self, now: Instant, out: &mut Vec<Command>) {
        match &self.stage {
            Stage::Talking { leg } => {
                out.push(Command::Voice(CallCommand::HangUp { leg: *leg }));
                self.talk.stop(now);
                self.play(ANNOUNCEMENT, Phrase::AgentLost, out);
                self.wait_again(now, out);
            }
            Stage::Reserved | Stage::Ringing => {
                self.stop_ringing(out);
                self.stand_in_line_again(now, out);
            }
            // The news is faster than the answer to the verb on its way.
            Stage::Enqueuing
            | Stage::TakingCallBack
            | Stage::Accepting { .. }
            | Stage::AcceptingLost
            | Stage::AcceptingTaken
            | Stage::Releasing
            | Stage::TakingBack
            | Stage::Moving { .. }
            | Stage::FlowingOut { .. } => self.all_offers_over(out),
            Stage::Identifying
            | Stage::Asking { .. }
            | Stage::Informing { .. }
            | Stage::Waiting { .. }
            | Stage::Refusing { .. }
            | Stage::Transferring { .. }
            | Stage::Elsewhere { .. }
            | Stage::Leaving { .. }
            | Stage::Judging { .. }
            | Stage::Settling { .. }
            | Stage::Over => {}
        }
    }

    /// The desk has let it go already; the caller is told good-bye.
    pub(super) fn on_dropped(&mut self, now: Instant, out: &mut Vec<Command>) {
        match &self.stage {
            Stage::Waiting { .. } | Stage::Reserved | Stage::Ringing => {
                self.closing = Some(Refusing::Dropped);
                self.stop_ringing(out);
                self.stand_in_line_again(now, out);
            }
            Stage::Enqueuing
            | Stage::TakingCallBack
            | Stage::Accepting { .. }
            | Stage::AcceptingLost
            | Stage::AcceptingTaken
            | Stage::Releasing
            | Stage::Moving { .. }
            | Stage::TakingBack => {
                self.closing = Some(Refusing::Dropped);
                self.all_offers_over(out);
            }
            Stage::Identifying
            | Stage::Asking { .. }
            | Stage::Informing { .. }
            | Stage::Talking { .. }
            | Stage::Refusing { .. }
            | Stage::Transferring { .. }
            | Stage::Elsewhere { .. }
            | Stage::FlowingOut { .. }
            | Stage::Leaving { .. }
            | Stage::Judging { .. }
            | Stage::Settling { .. }
            | Stage::Over => {}
        }
    }

    /// The way out was another line, and the desk has answered.
    pub(super) fn on_way_out_moved(
        &mut self,
        now: Instant,
        reason: Refusing,
        to: QueueId,
        refusal: Option<Refusal>,
        out: &mut Vec<Command>,
    ) {
        match refusal {
            None => {
                let say = self.way_out(reason).and_then(|way| way.say.clone());
                // Where the hours of that queue follow the sun, the desk tells the line in a moment.
                self.on_line_chosen(to);
                self.line_since = Some(now);
                self.cut_message_short();
                match say {
                    Some(phrase) => self.play(ANNOUNCEMENT, phrase, out),
                    None => self.play_music(out),
                }
                self.wait_again(now, out);
            }
            // An agent was found at the last moment.
            Some(Refusal::NotWaiting) => self.wait_again(now, out),
            // The other line does not take it: it ends here.
            Some(_) if self.caller_left.is_some() => self.wait_again(now, out),
            Some(_) => self.leave_line(reason, "hang_up".to_owned(), out),
        }
    }
}
