//! The phones that ring for a call: one, or several where the line rings all. Whoever picks up first is
//! brought before the desk, and with its word all others stop.

use super::*;
use std::collections::VecDeque;

/// One agent's phone that rings, or was just picked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ring {
    pub(super) token: OfferToken,
    agent: AgentId,
    pub(super) leg: LegId,
}

/// What rings for a call, in the stages in which something does.
#[derive(Debug, Default)]
pub(super) struct Rings {
    /// Phones that ring.
    ringing: Vec<Ring>,
    /// Phones that were picked up and did not win yet, in that order.
    picked_up: VecDeque<Ring>,
    /// What the desk is to be told of rings that came to nothing. The first is on its way, unless an
    /// answer is.
    untold: VecDeque<Verb>,
}

impl Rings {
    /// Whether no phone rings any longer and none was picked up.
    fn is_silent(&self) -> bool {
        self.ringing.is_empty() && self.picked_up.is_empty()
    }

    fn knows(&self, token: OfferToken) -> bool {
        let mut all = self.ringing.iter().chain(&self.picked_up);
        all.any(|ring| ring.token == token)
    }

    /// Takes out a phone that rings.
    fn take(&mut self, is_meant: impl Fn(&Ring) -> bool) -> Option<Ring> {
        let place = self.ringing.iter().position(is_meant)?;
        Some(self.ringing.remove(place))
    }

    /// Takes out a phone that was picked up.
    fn take_picked_up(&mut self, is_meant: impl Fn(&Ring) -> bool) -> Option<Ring> {
        let place = self.picked_up.iter().position(is_meant)?;
        self.picked_up.remove(place)
    }
}

impl Flow {
    /// Rings the agent, who sees the ticket's number with the ring, so that comes first.
    pub(super) fn ring(&mut self, offer: Offer, out: &mut Vec<Command>) {
        if self.ticket == TicketStage::Asked {
            self.stage = Stage::Reserved;
            self.keep_offer(offer);
            return;
        }
        let Offer {
            token,
            agent,
            leg,
            deadline,
        } = offer;
        self.stage = Stage::Ringing;
        self.rings.ringing.push(Ring {
            token,
            agent: agent.clone(),
            leg,
        });
        out.push(Command::RingAgent {
            leg,
            agent,
            deadline,
        });
    }

    /// Rings those who were reserved meanwhile.
    pub(super) fn ring_reserved(&mut self, out: &mut Vec<Command>) {
        for offer in std::mem::take(&mut self.offers) {
            self.ring(offer, out);
        }
    }

    /// Keeps an offer that cannot be rung yet.
    fn keep_offer(&mut self, offer: Offer) {
        if self.offers.len() < usize::from(RING_ALL_MAX_MOST) {
            self.offers.push(offer);
        }
    }

    pub(super) fn on_offered(&mut self, offer: Offer, out: &mut Vec<Command>) {
        let mut kept = self.offers.iter();
        if self.rings.knows(offer.token) || kept.any(|other| other.token == offer.token) {
            return;
        }
        match self.stage {
            Stage::Waiting { .. } => self.ring(offer, out),
            // One more phone of the same offer.
            Stage::Ringing if self.rings.ringing.len() < usize::from(RING_ALL_MAX_MOST) => {
                self.ring(offer, out);
            }
            // The stream may tell of the next offer before the verb's own answer is here.
            Stage::Enqueuing
            | Stage::TakingCallBack
            | Stage::Reserved
            | Stage::Releasing
            | Stage::TakingBack
            | Stage::Accepting { .. }
            | Stage::Moving { .. }
            | Stage::FlowingOut { .. }
            | Stage::AcceptingLost
            | Stage::AcceptingTaken => self.keep_offer(offer),
            // The verb on its way (Abandon, Complete) settles an offer that crossed it.
            Stage::Ringing
            | Stage::Identifying
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

    pub(super) fn on_offer_lapsed(
        &mut self,
        now: Instant,
        lapsed: OfferToken,
        out: &mut Vec<Command>,
    ) {
        self.offers.retain(|offer| offer.token != lapsed);
        let is_lapsed = |ring: &Ring| ring.token == lapsed;
        let mut over = self.rings.take(is_lapsed);
        // What the desk is being asked about is its to answer.
        if over.is_none() && !matches!(self.stage, Stage::Accepting { .. }) {
            over = self.rings.take_picked_up(is_lapsed);
        }
        if let Some(ring) = over {
            out.push(Command::Voice(CallCommand::HangUp { leg: ring.leg }));
        }
        if self.is_left_without_phone() {
            self.stand_in_line_again(now, out);
        }
    }

    /// The desk's news of an answer, behind that of every offer it ended. Those that are heard of only when that
    /// answer's agent is gone again would ring for nobody.
    pub(super) fn on_answered(&mut self, now: Instant, token: OfferToken, out: &mut Vec<Command>) {
        self.offers.retain(|offer| offer.token == token);
        let is_other = |ring: &Ring| ring.token != token;
        while let Some(ring) = self
            .rings
            .take(is_other)
            .or_else(|| self.rings.take_picked_up(is_other))
        {
            out.push(Command::Voice(CallCommand::StandDown { leg: ring.leg }));
        }
        if self.is_left_without_phone() {
            self.stand_in_line_again(now, out);
        }
    }

    /// The agent's phone is out of reach: it is not rung to the end.
    pub(super) fn on_agent_gone(&mut self, gone: &AgentId, out: &mut Vec<Command>) {
        let reason = DeclineReason::Unreachable;
        if let Some(Ring { token, leg, .. }) = self.rings.take(|ring| ring.agent == *gone) {
            out.push(Command::Voice(CallCommand::HangUp { leg }));
            self.tell_of_ring(Verb::Decline { token, reason }, out);
        } else if let Stage::Reserved = self.stage
            && let Some(place) = self.offers.iter().position(|offer| offer.agent == *gone)
        {
            let token = self.offers.remove(place).token;
            self.tell_of_ring(Verb::Decline { token, reason }, out);
        }
        // An offer that still waits for its turn finds no phone then; who has picked up is there.
    }

    pub(super) fn on_agent_rings(&mut self, rings: LegId, out: &mut Vec<Command>) {
        if let Some(ring) = self.rings.ringing.iter().find(|ring| ring.leg == rings) {
            let token = ring.token;
            out.push(Command::Publish(EventKind::Rang { token }));
        }
    }

    /// A phone stopped ringing of its own.
    pub(super) fn on_ring_ended(&mut self, ended: LegId, why: Refused, out: &mut Vec<Command>) {
        if let Stage::Transferring { leg, reason } = self.stage
            && leg == ended
        {
            self.end_refused(reason, out);
            return;
        }
        let Some(Ring { token, .. }) = self.rings.take(|ring| ring.leg == ended) else {
            return;
        };
        let reason = match why {
            Refused::NoAnswer => return self.tell_of_ring(Verb::RingTimeout { token }, out),
            Refused::Busy => DeclineReason::Busy,
            Refused::Declined { .. } => DeclineReason::Declined,
            Refused::Unreachable { .. } | Refused::NoPort => DeclineReason::Unreachable,
        };
        self.tell_of_ring(Verb::Decline { token, reason }, out);
    }

    /// A phone that was picked up is hung up again before the desk was asked about it.
    pub(super) fn on_picked_up_ended(&mut self, ended: LegId, out: &mut Vec<Command>) {
        if let Some(Ring { token, .. }) = self.rings.take_picked_up(|ring| ring.leg == ended) {
            let reason = DeclineReason::Declined;
            self.tell_of_ring(Verb::Decline { token, reason }, out);
        }
    }

    /// Tells the desk of a ring that came to nothing, as soon as it has answered what it was asked before.
    fn tell_of_ring(&mut self, verb: Verb, out: &mut Vec<Command>) {
        let asks_for_answer = matches!(
            self.stage,
            Stage::Accepting { .. } | Stage::AcceptingLost | Stage::AcceptingTaken
        );
        if self.rings.untold.is_empty() && !asks_for_answer {
            out.push(Command::Change(verb.clone()));
        }
        self.rings.untold.push_back(verb);
        if self.is_left_without_phone() {
            self.stage = Stage::Releasing;
        }
    }

    /// Whether the contact was offered, and nobody of those rings or will ring any more.
    fn is_left_without_phone(&self) -> bool {
        match self.stage {
            Stage::Ringing => self.rings.is_silent(),
            Stage::Reserved => self.offers.is_empty(),
            Stage::Identifying
            | Stage::Asking { .. }
            | Stage::Informing { .. }
            | Stage::Enqueuing
            | Stage::Waiting { .. }
            | Stage::TakingCallBack
            | Stage::Accepting { .. }
            | Stage::AcceptingLost
            | Stage::AcceptingTaken
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
            | Stage::Over => false,
        }
    }

    /// The desk was told of a ring that came to nothing.
    pub(super) fn on_told_of_ring(&mut self, now: Instant, out: &mut Vec<Command>) {
        if self.rings.untold.pop_front().is_none() {
            return;
        }
        self.go_on_ringing(now, out);
    }

    /// Sees to what is next while nothing is on its way: the desk is told of the rings that came to
    /// nothing, then asked for the phone that was picked up; without either the others ring on.
    pub(super) fn go_on_ringing(&mut self, now: Instant, out: &mut Vec<Command>) {
        if let Some(verb) = self.rings.untold.front() {
            out.push(Command::Change(verb.clone()));
        }
        let has_untold = !self.rings.untold.is_empty();
        match self.rings.picked_up.front() {
            Some(Ring { token, leg, .. }) if !has_untold => {
                let (token, leg) = (*token, *leg);
                self.stage = Stage::Accepting { leg };
                self.claimed = Some(token);
                out.push(Command::Change(Verb::Accept { token }));
            }
            Some(_) => self.stage = Stage::Ringing,
            None if !self.rings.ringing.is_empty() => self.stage = Stage::Ringing,
            None if matches!(self.stage, Stage::Reserved) && !self.offers.is_empty() => {}
            None if has_untold => self.stage = Stage::Releasing,
            None => self.wait_again(now, out),
        }
    }

    pub(super) fn on_picked_up(&mut self, now: Instant, picked: LegId, out: &mut Vec<Command>) {
        if let Some(ring) = self.rings.take(|ring| ring.leg == picked) {
            self.rings.picked_up.push_back(ring);
            // Whoever is second waits for what the desk says to the first.
            if matches!(self.stage, Stage::Ringing) && self.rings.untold.is_empty() {
                self.go_on_ringing(now, out);
            }
        } else if let Stage::Transferring { leg, reason } = self.stage
            && leg == picked
        {
            self.stage = Stage::Elsewhere { leg, reason };
            self.connect(picked, out);
        } else {
            // Picked up as we were hanging up: nobody is there for the agent.
            out.push(Command::Voice(CallCommand::HangUp { leg: picked }));
        }
    }

    /// The desk committed the answer: the others hear that somebody else was first.
    pub(super) fn on_accepted(&mut self, now: Instant, leg: LegId, out: &mut Vec<Command>) {
        self.rings.picked_up.retain(|ring| ring.leg != leg);
        self.all_lost(|leg| CallCommand::StandDown { leg }, out);
        self.talk.start(now);
        self.forget_incident();
        self.stage = Stage::Talking { leg };
        match self.caller_left {
            Some(how) => self.end_talk(now, ended_by_caller(how), out),
            None => self.connect(leg, out),
        }
    }

    /// The desk committed the answer of an agent who is gone again.
    pub(super) fn on_accepted_lost(&mut self, now: Instant, out: &mut Vec<Command>) {
        self.all_lost(|leg| CallCommand::HangUp { leg }, out);
        self.take_back(now, out);
    }

    /// The desk has freed all who rang beside; there is nothing left to tell of them.
    fn all_lost(&mut self, stop: fn(LegId) -> CallCommand, out: &mut Vec<Command>) {
        let ringing = self.rings.ringing.drain(..);
        let others = ringing.chain(self.rings.picked_up.drain(..));
        out.extend(others.map(|ring| Command::Voice(stop(ring.leg))));
        self.rings.untold.clear();
        self.offers.clear();
    }

    pub(super) fn on_accept_stale(&mut self, now: Instant, leg: LegId, out: &mut Vec<Command>) {
        self.rings_no_more(leg, out);
        self.go_on_ringing(now, out);
    }

    /// The phone that was picked up first is nobody's any more.
    pub(super) fn rings_no_more(&mut self, leg: LegId, out: &mut Vec<Command>) {
        self.rings.picked_up.retain(|ring| ring.leg != leg);
        out.push(Command::Voice(CallCommand::HangUp { leg }));
    }

    /// The desk has told of what ends every offer made until now, before it answered what is on its way:
    /// whatever the answer is, it is about one of those.
    pub(super) fn all_offers_over(&mut self, out: &mut Vec<Command>) {
        if let Stage::Accepting { .. } | Stage::AcceptingLost = self.stage {
            self.stage = Stage::AcceptingTaken;
            self.stop_ringing(out);
            self.rings.untold.clear();
        }
        self.offers.clear();
    }

    /// The agent whose answer is before the desk hung up again.
    pub(super) fn on_winner_ended(&mut self, ended: LegId) {
        self.rings.picked_up.retain(|ring| ring.leg != ended);
        self.stage = Stage::AcceptingLost;
    }

    /// Stops every phone, other than the one whose answer is before the desk.
    pub(super) fn stop_ringing(&mut self, out: &mut Vec<Command>) {
        let asked = match self.stage {
            Stage::Accepting { leg } => Some(leg),
            Stage::Identifying
            | Stage::Asking { .. }
            | Stage::Informing { .. }
            | Stage::Enqueuing
            | Stage::Waiting { .. }
            | Stage::TakingCallBack
            | Stage::Reserved
            | Stage::Ringing
            | Stage::AcceptingLost
            | Stage::AcceptingTaken
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
            | Stage::Over => None,
        };
        let rings = &mut self.rings;
        let all = rings.ringing.iter().chain(&rings.picked_up);
        let stopped = all.filter(|ring| Some(ring.leg) != asked);
        out.extend(stopped.map(|ring| Command::Voice(CallCommand::HangUp { leg: ring.leg })));
        rings.ringing.clear();
        rings.picked_up.retain(|ring| Some(ring.leg) == asked);
        self.offers.clear();
    }

    /// Stands in the line again, or leaves it if the caller has gone, as soon as the desk has been told of
    /// the rings that came to nothing.
    pub(super) fn stand_in_line_again(&mut self, now: Instant, out: &mut Vec<Command>) {
        if self.rings.untold.is_empty() {
            self.wait_again(now, out);
        } else {
            self.stage = Stage::Releasing;
        }
    }
}
