//! The ways a call leaves: out of a line that cannot serve it, by its caller's going, by a shutdown.

use super::again::DESK_FAULT;
use super::incident::INFORMED;
use super::*;
use crate::call_flow::words::{Then, WayOut};
use ringdown_voice::call::Reject;

impl Flow {
    pub(super) fn on_not_taken(&mut self, now: Instant, reason: Refusing, out: &mut Vec<Command>) {
        if self.caller_left.is_some() {
            self.caller = CallerSide::Gone;
            self.end_refused(reason, out);
            return;
        }
        self.stage = Stage::Refusing {
            reason,
            until: now + REASON_SPOKEN_MAX,
        };
        let leg = self.caller_leg;
        match self.caller {
            CallerSide::Unanswered => {
                self.caller = CallerSide::Opening;
                out.push(Command::Voice(CallCommand::OpenEarly { leg }));
            }
            CallerSide::Early | CallerSide::Answered => self.speak_reason(reason, out),
            // The reason is spoken when the leg is open.
            CallerSide::Opening | CallerSide::Gone => {}
        }
    }

    /// The call cannot stay in the line: the desk is told, then the way out is taken. A way out into
    /// another line is one step, in which the place is kept.
    pub(super) fn flow_out(&mut self, reason: Refusing, out: &mut Vec<Command>) {
        let then = self.way_out(reason).map(|way| way.then.clone());
        match then.filter(|_| self.ways_out_taken < WAYS_OUT_MAX) {
            Some(Then::Queue(to)) => {
                self.ways_out_taken += 1;
                self.stage = Stage::Moving {
                    reason,
                    to: to.clone(),
                };
                out.push(Command::Move { to });
            }
            Some(Then::Transfer(to)) => self.leave_line(reason, to.to_string(), out),
            Some(Then::HangUp) | None => {
                let to = match reason {
                    Refusing::CallBack => "call_back",
                    Refusing::Incident => "incident",
                    Refusing::Closed
                    | Refusing::Emergency
                    | Refusing::Full
                    | Refusing::NoAgents
                    | Refusing::Waited
                    | Refusing::Dropped
                    | Refusing::Fault => "hang_up",
                };
                self.leave_line(reason, to.to_owned(), out);
            }
        }
    }

    pub(super) fn speak_reason(&self, reason: Refusing, out: &mut Vec<Command>) {
        let own = self.way_out(reason).and_then(|way| way.say.clone());
        self.play(REASON, own.unwrap_or(Phrase::Reason(reason)), out);
    }

    pub(super) fn way_out(&self, reason: Refusing) -> Option<&WayOut> {
        let ways = &self.line_rules.as_ref()?.ways_out;
        match reason {
            Refusing::Closed => Some(&ways.closed),
            Refusing::Emergency => Some(&ways.emergency),
            Refusing::Full => Some(&ways.full),
            Refusing::NoAgents => Some(&ways.no_agents),
            Refusing::Waited => Some(&ways.waited),
            Refusing::Dropped | Refusing::CallBack | Refusing::Incident | Refusing::Fault => None,
        }
    }

    /// The reason was spoken: goes where the line's rules say.
    pub(super) fn take_way_out(&mut self, now: Instant, reason: Refusing, out: &mut Vec<Command>) {
        let way_out = self.way_out(reason).map(|way| way.then.clone());
        // Out of a line into another it went by a move, or could not go.
        let was_in_line = self.refused_as != ContactResult::Blocked;
        let then = way_out
            .filter(|_| self.ways_out_taken < WAYS_OUT_MAX)
            .filter(|then| !(was_in_line && matches!(then, Then::Queue(_))));
        self.ways_out_taken = self.ways_out_taken.saturating_add(1);
        match then.unwrap_or_default() {
            Then::HangUp => self.end_refused(reason, out),
            Then::Queue(queue) => {
                self.play_music(out);
                self.enqueue(queue, out);
            }
            Then::Transfer(to) => {
                let leg = self.way_out_leg;
                self.stage = Stage::Transferring { leg, reason };
                out.push(Command::TransferOut {
                    leg,
                    to,
                    deadline: now + TRANSFER_RINGS,
                });
            }
        }
    }

    pub(super) fn on_caller_ended(&mut self, now: Instant, how: LegEnd, out: &mut Vec<Command>) {
        self.caller = CallerSide::Gone;
        match &self.stage {
            Stage::Identifying | Stage::Asking { .. } => self.end_before_line(how, out),
            Stage::Informing { step, .. } => {
                let step = *step;
                self.on_told_left(now, step, how, out);
            }
            Stage::Waiting { .. } | Stage::Reserved | Stage::Ringing => {
                self.caller_left = Some(how);
                self.stop_ringing(out);
                self.stand_in_line_again(now, out);
            }
            Stage::Talking { leg, .. } => {
                out.push(Command::Voice(CallCommand::HangUp { leg: *leg }));
                self.end_talk(now, ended_by_caller(how), out);
            }
            Stage::Accepting { .. } | Stage::AcceptingLost => {
                self.caller_left = Some(how);
                self.stop_ringing(out);
            }
            Stage::Enqueuing
            | Stage::TakingCallBack
            | Stage::AcceptingTaken
            | Stage::Releasing
            | Stage::Moving { .. }
            | Stage::FlowingOut { .. }
            | Stage::TakingBack => {
                self.caller_left = Some(how);
            }
            Stage::Refusing { reason, .. } => {
                let reason = *reason;
                self.end_refused(reason, out);
            }
            Stage::Transferring { leg, reason } | Stage::Elsewhere { leg, reason } => {
                let reason = *reason;
                out.push(Command::Voice(CallCommand::HangUp { leg: *leg }));
                self.end_refused(reason, out);
            }
            Stage::Judging { .. } => self.close(ContactResult::Answered, out),
            Stage::Leaving { .. } | Stage::Settling { .. } | Stage::Over => {}
        }
    }

    /// The caller left, or the leg failed, before it stood in the line.
    pub(super) fn end_before_line(&mut self, how: LegEnd, out: &mut Vec<Command>) {
        let (result, cause) = match how {
            LegEnd::HungUp | LegEnd::Cancelled | LegEnd::Local => {
                (ContactResult::Abandoned, "left_before_the_line")
            }
            LegEnd::Lost => (ContactResult::Failed, "signalling_lost"),
            LegEnd::NotAcceptable => (ContactResult::Failed, "no_common_codec"),
        };
        if result == ContactResult::Failed {
            out.push(Command::Publish(EventKind::Failed {
                cause: cause.to_owned(),
            }));
        }
        self.close(result, out);
    }

    pub(super) fn abandon(&mut self, out: &mut Vec<Command>) {
        self.stage = Stage::Leaving {
            result: ContactResult::Abandoned,
        };
        out.push(Command::Change(Verb::Abandon {
            contact: self.contact,
        }));
    }

    pub(super) fn end_refused(&mut self, reason: Refusing, out: &mut Vec<Command>) {
        let leg = self.caller_leg;
        match self.caller {
            CallerSide::Gone => {}
            CallerSide::Answered => out.push(Command::Voice(CallCommand::HangUp { leg })),
            CallerSide::Unanswered | CallerSide::Opening | CallerSide::Early => {
                out.push(Command::Voice(CallCommand::Reject {
                    leg,
                    reject: reject_for(reason),
                }));
            }
        }
        match self.refused_as {
            ContactResult::Blocked => out.push(Command::Publish(EventKind::Blocked {
                reason: reason.as_str().to_owned(),
            })),
            ContactResult::Failed => out.push(Command::Publish(EventKind::Failed {
                cause: DESK_FAULT.to_owned(),
            })),
            ContactResult::Answered
            | ContactResult::Abandoned
            | ContactResult::FlowedOut
            | ContactResult::CallBack
            | ContactResult::Informed => {}
        }
        self.close(self.refused_as, out);
    }

    pub(super) fn hang_up_caller(&mut self, out: &mut Vec<Command>) {
        if self.caller != CallerSide::Gone {
            self.caller = CallerSide::Gone;
            out.push(Command::Voice(CallCommand::HangUp {
                leg: self.caller_leg,
            }));
        }
    }

    pub(super) fn on_shutdown(&mut self, now: Instant, out: &mut Vec<Command>) {
        match &self.stage {
            Stage::Identifying | Stage::Asking { .. } | Stage::Refusing { .. } => {
                self.reject_or_hang_up(out);
                out.push(Command::Publish(EventKind::Failed {
                    cause: "shutdown".to_owned(),
                }));
                self.close(ContactResult::Failed, out);
            }
            Stage::Informing { step, .. } => {
                let step = *step;
                self.on_told_shutdown(now, step, out);
            }
            Stage::Waiting { .. } | Stage::Reserved | Stage::Ringing => {
                self.caller_left = Some(LegEnd::Local);
                self.stop_ringing(out);
                self.reject_or_hang_up(out);
                self.stand_in_line_again(now, out);
            }
            Stage::Talking { leg, .. } => {
                out.push(Command::Voice(CallCommand::HangUp { leg: *leg }));
                self.hang_up_caller(out);
                self.end_talk(now, EndedBy::System, out);
            }
            Stage::Accepting { .. } | Stage::AcceptingLost => {
                self.stop_ringing(out);
                self.reject_or_hang_up(out);
                self.caller_left = Some(LegEnd::Local);
            }
            Stage::Enqueuing
            | Stage::TakingCallBack
            | Stage::AcceptingTaken
            | Stage::Releasing
            | Stage::Moving { .. }
            | Stage::FlowingOut { .. }
            | Stage::TakingBack => {
                self.reject_or_hang_up(out);
                self.caller_left = Some(LegEnd::Local);
            }
            Stage::Transferring { leg, reason } | Stage::Elsewhere { leg, reason } => {
                let reason = *reason;
                out.push(Command::Voice(CallCommand::HangUp { leg: *leg }));
                self.end_refused(reason, out);
            }
            Stage::Judging { .. } => self.end_judging(out),
            Stage::Leaving { .. } | Stage::Settling { .. } | Stage::Over => {}
        }
    }

    pub(super) fn reject_or_hang_up(&mut self, out: &mut Vec<Command>) {
        let leg = self.caller_leg;
        match self.caller {
            CallerSide::Gone => {}
            CallerSide::Answered => out.push(Command::Voice(CallCommand::HangUp { leg })),
            CallerSide::Unanswered | CallerSide::Opening | CallerSide::Early => {
                out.push(Command::Voice(CallCommand::Reject {
                    leg,
                    reject: reject_for(Refusing::Fault),
                }));
            }
        }
        self.caller = CallerSide::Gone;
    }
}

/// What the caller's network is told after the reason was spoken.
fn reject_for(reason: Refusing) -> Reject {
    match reason {
        Refusing::Closed | Refusing::Emergency => Reject {
            status: 480,
            reason: "Queue Closed",
            retry_after_s: None,
        },
        Refusing::Full => Reject {
            status: 486,
            reason: "Queue Full",
            retry_after_s: None,
        },
        Refusing::NoAgents => Reject {
            status: 480,
            reason: "No Agents Logged In",
            retry_after_s: None,
        },
        Refusing::Incident => INFORMED,
        Refusing::Waited | Refusing::Dropped | Refusing::CallBack => Reject {
            status: 480,
            reason: "Temporarily Unavailable",
            retry_after_s: None,
        },
        Refusing::Fault => Reject {
            status: 503,
            reason: "Service Unavailable",
            retry_after_s: Some(30),
        },
    }
}
