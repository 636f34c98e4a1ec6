//! The agent who has the call: the end of a talk, a bridge that broke, hold.

use super::*;

impl Flow {
    pub(super) fn on_agent_ended(
        &mut self,
        now: Instant,
        ended: LegId,
        how: LegEnd,
        out: &mut Vec<Command>,
    ) {
        match &self.stage {
            Stage::Talking { leg, .. } if *leg == ended => match how {
                LegEnd::HungUp | LegEnd::Local | LegEnd::Cancelled => {
                    self.asks_now = how == LegEnd::HungUp && self.may_be_asked();
                    if !self.asks_now {
                        self.hang_up_caller(out);
                    }
                    self.end_talk(now, EndedBy::Agent, out);
                }
                LegEnd::Lost | LegEnd::NotAcceptable => self.take_back(now, out),
            },
            Stage::Elsewhere { leg, reason } if *leg == ended => {
                let reason = *reason;
                self.end_refused(reason, out);
            }
            // The agent hung up before the desk had answered: the commit decides, then we see to it.
            Stage::Accepting { leg, .. } if *leg == ended => self.on_winner_ended(ended),
            Stage::Ringing | Stage::Accepting { .. } | Stage::AcceptingLost => {
                self.on_picked_up_ended(ended, out);
                self.on_ring_ended(ended, Refused::Unreachable { status: 480 }, out);
            }
            Stage::Talking { .. }
            | Stage::Identifying
            | Stage::Asking { .. }
            | Stage::Informing { .. }
            | Stage::Reserved
            | Stage::Enqueuing
            | Stage::Waiting { .. }
            | Stage::TakingCallBack
            | Stage::AcceptingTaken
            | Stage::Releasing
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

    /// The agent's leg broke while the caller is still there: the caller gets the old place back.
    pub(super) fn take_back(&mut self, now: Instant, out: &mut Vec<Command>) {
        self.talk.stop(now);
        self.stage = Stage::TakingBack;
        out.push(Command::Change(Verb::Requeue {
            contact: self.contact,
            reason: RequeueReason::BridgeFailed,
            token: self.claimed,
        }));
        self.play(ANNOUNCEMENT, Phrase::AgentLost, out);
    }

    pub(super) fn end_talk(&mut self, now: Instant, by: EndedBy, out: &mut Vec<Command>) {
        if let Stage::Talking { leg, .. } = &self.stage
            && self.caller_left.is_some()
        {
            out.push(Command::Voice(CallCommand::HangUp { leg: *leg }));
        }
        self.talk.stop(now);
        self.stage = Stage::Leaving {
            result: ContactResult::Answered,
        };
        out.push(Command::Change(Verb::Complete {
            contact: self.contact,
            by,
            talk: self.talk.talk,
            hold: self.talk.hold,
            token: self.claimed,
        }));
    }

    /// Somebody took the call from the agent as it ended, and it stands in the line: with its caller, if they
    /// stayed to be asked how it went.
    pub(super) fn on_end_refused(&mut self, now: Instant, out: &mut Vec<Command>) {
        if std::mem::take(&mut self.asks_now) && self.caller != CallerSide::Gone {
            self.play(ANNOUNCEMENT, Phrase::AgentLost, out);
            self.wait_again(now, out);
        } else {
            self.abandon(out);
        }
    }

    pub(super) fn on_held(&mut self, now: Instant, by: HeldBy, out: &mut Vec<Command>) {
        if !matches!(self.stage, Stage::Talking { .. }) {
            return;
        }
        self.talk.hold(now);
        out.push(Command::Publish(EventKind::Held));
        if by == HeldBy::Agent {
            self.play_music(out);
        }
    }

    pub(super) fn on_resumed(&mut self, now: Instant, by: HeldBy, out: &mut Vec<Command>) {
        if !matches!(self.stage, Stage::Talking { .. }) {
            return;
        }
        self.talk.resume(now);
        out.push(Command::Publish(EventKind::Resumed));
        if by == HeldBy::Agent {
            let leg = self.caller_leg;
            out.push(Command::Voice(CallCommand::StopPlay { leg }));
        }
    }
}
