//! The agent's side: offers, rings, the commit of an answer, the end of a talk.

use super::*;

impl Flow {
    pub(super) fn on_offered(&mut self, offer: Offer, out: &mut Vec<Command>) {
        match self.stage {
            Stage::Waiting { .. } => self.ring(offer, out),
            // The stream may tell of the next offer before the verb's own answer is here.
            Stage::Enqueuing
            | Stage::TakingCallBack
            | Stage::Releasing
            | Stage::TakingBack
            | Stage::Accepting { .. }
            | Stage::Moving { .. }
            | Stage::FlowingOut { .. }
            | Stage::AcceptingLost => self.next_offer = Some(offer),
            // The verb on its way (Abandon, Complete) settles an offer that crossed it.
            Stage::Identifying
            | Stage::Asking { .. }
            | Stage::Informing { .. }
            | Stage::Reserved { .. }
            | Stage::Ringing { .. }
            | Stage::Talking { .. }
            | Stage::Refusing { .. }
            | Stage::Transferring { .. }
            | Stage::Elsewhere { .. }
            | Stage::Leaving { .. }
            | Stage::Settling { .. }
            | Stage::Over => {}
        }
    }

    /// Rings the agent, who sees the ticket's number with the ring, so that comes first.
    pub(super) fn ring(&mut self, offer: Offer, out: &mut Vec<Command>) {
        if self.ticket == TicketStage::Asked {
            self.stage = Stage::Reserved { offer };
            return;
        }
        let Offer {
            token,
            agent,
            leg,
            deadline,
        } = offer;
        self.stage = Stage::Ringing {
            token,
            agent: agent.clone(),
            leg,
        };
        out.push(Command::RingAgent {
            leg,
            agent,
            deadline,
        });
    }

    pub(super) fn on_offer_lapsed(
        &mut self,
        now: Instant,
        lapsed: OfferToken,
        out: &mut Vec<Command>,
    ) {
        self.next_offer.take_if(|offer| offer.token == lapsed);
        if let Stage::Ringing { token, leg, .. } = &self.stage
            && *token == lapsed
        {
            out.push(Command::Voice(CallCommand::HangUp { leg: *leg }));
            self.wait_again(now, out);
        } else if let Stage::Reserved { offer } = &self.stage
            && offer.token == lapsed
        {
            self.wait_again(now, out);
        }
    }

    /// The agent's phone is out of reach: it is not rung to the end, the caller goes to somebody else.
    pub(super) fn on_agent_gone(&mut self, gone: &AgentId, out: &mut Vec<Command>) {
        let token = match &self.stage {
            Stage::Ringing { token, agent, leg } if agent == gone => {
                out.push(Command::Voice(CallCommand::HangUp { leg: *leg }));
                *token
            }
            Stage::Reserved { offer } if offer.agent == *gone => offer.token,
            // An offer that still waits for its turn finds no phone then; who has picked up is there.
            Stage::Identifying
            | Stage::Asking { .. }
            | Stage::Informing { .. }
            | Stage::Enqueuing
            | Stage::Waiting { .. }
            | Stage::TakingCallBack
            | Stage::Reserved { .. }
            | Stage::Ringing { .. }
            | Stage::Accepting { .. }
            | Stage::AcceptingLost
            | Stage::Releasing
            | Stage::Talking { .. }
            | Stage::TakingBack
            | Stage::Refusing { .. }
            | Stage::Transferring { .. }
            | Stage::Elsewhere { .. }
            | Stage::Moving { .. }
            | Stage::FlowingOut { .. }
            | Stage::Leaving { .. }
            | Stage::Settling { .. }
            | Stage::Over => return,
        };
        self.stage = Stage::Releasing;
        let reason = DeclineReason::Unreachable;
        out.push(Command::Change(Verb::Decline { token, reason }));
    }

    pub(super) fn on_agent_rings(&mut self, rings: LegId, out: &mut Vec<Command>) {
        if let Stage::Ringing { token, leg, .. } = &self.stage
            && *leg == rings
        {
            out.push(Command::Publish(EventKind::Rang { token: *token }));
        }
    }

    pub(super) fn on_picked_up(&mut self, picked: LegId, out: &mut Vec<Command>) {
        match &self.stage {
            Stage::Ringing { token, leg, .. } if *leg == picked => {
                let token = *token;
                self.stage = Stage::Accepting { leg: picked };
                out.push(Command::Change(Verb::Accept { token }));
            }
            Stage::Transferring { leg, reason } if *leg == picked => {
                self.stage = Stage::Elsewhere {
                    leg: picked,
                    reason: *reason,
                };
                self.connect(picked, out);
            }
            // Picked up as we were hanging up: nobody is there for the agent.
            Stage::Ringing { .. }
            | Stage::Identifying
            | Stage::Asking { .. }
            | Stage::Informing { .. }
            | Stage::Reserved { .. }
            | Stage::Enqueuing
            | Stage::Waiting { .. }
            | Stage::TakingCallBack
            | Stage::Accepting { .. }
            | Stage::AcceptingLost
            | Stage::Releasing
            | Stage::Talking { .. }
            | Stage::TakingBack
            | Stage::Refusing { .. }
            | Stage::Transferring { .. }
            | Stage::Elsewhere { .. }
            | Stage::Moving { .. }
            | Stage::FlowingOut { .. }
            | Stage::Leaving { .. }
            | Stage::Settling { .. }
            | Stage::Over => out.push(Command::Voice(CallCommand::HangUp { leg: picked })),
        }
    }

    pub(super) fn on_accepted(&mut self, now: Instant, leg: LegId, out: &mut Vec<Command>) {
        self.talk.start(now);
        self.stage = Stage::Talking { leg };
        match self.caller_left {
            Some(how) => self.end_talk(now, ended_by_caller(how), out),
            None => self.connect(leg, out),
        }
    }

    pub(super) fn on_accept_stale(&mut self, now: Instant, leg: LegId, out: &mut Vec<Command>) {
        out.push(Command::Voice(CallCommand::HangUp { leg }));
        self.wait_again(now, out);
    }

    pub(super) fn on_ring_ended(&mut self, ended: LegId, why: Refused, out: &mut Vec<Command>) {
        if let Stage::Transferring { leg, reason } = self.stage
            && leg == ended
        {
            self.end_refused(reason, out);
            return;
        }
        let Stage::Ringing { token, leg, .. } = &self.stage else {
            return;
        };
        if *leg != ended {
            return;
        }
        let token = *token;
        self.stage = Stage::Releasing;
        let reason = match why {
            Refused::NoAnswer => {
                out.push(Command::Change(Verb::RingTimeout { token }));
                return;
            }
            Refused::Busy => DeclineReason::Busy,
            Refused::Declined { .. } => DeclineReason::Declined,
            Refused::Unreachable { .. } | Refused::NoPort => DeclineReason::Unreachable,
        };
        out.push(Command::Change(Verb::Decline { token, reason }));
    }

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
                    self.hang_up_caller(out);
                    self.end_talk(now, EndedBy::Agent, out);
                }
                LegEnd::Lost | LegEnd::NotAcceptable => self.take_back(now, out),
            },
            Stage::Elsewhere { leg, reason } if *leg == ended => {
                let reason = *reason;
                self.end_refused(reason, out);
            }
            // The agent hung up before the desk had answered: the commit decides, then we see to it.
            Stage::Accepting { leg, .. } if *leg == ended => {
                self.stage = Stage::AcceptingLost;
            }
            Stage::Ringing { leg, .. } if *leg == ended => {
                self.on_ring_ended(ended, Refused::Unreachable { status: 480 }, out);
            }
            Stage::Talking { .. }
            | Stage::Accepting { .. }
            | Stage::AcceptingLost
            | Stage::Ringing { .. }
            | Stage::Identifying
            | Stage::Asking { .. }
            | Stage::Informing { .. }
            | Stage::Reserved { .. }
            | Stage::Enqueuing
            | Stage::Waiting { .. }
            | Stage::TakingCallBack
            | Stage::Releasing
            | Stage::TakingBack
            | Stage::Refusing { .. }
            | Stage::Transferring { .. }
            | Stage::Elsewhere { .. }
            | Stage::Moving { .. }
            | Stage::FlowingOut { .. }
            | Stage::Leaving { .. }
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
        }));
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
