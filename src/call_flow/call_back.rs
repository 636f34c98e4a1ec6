//! The state machine of a call-back: the agent is rung first, then the caller.
//!
//! Its path: *identifying* -> *linking* the ticket -> *ringing the agent* -> *accepting* -> *ringing the
//! caller* -> *talking* -> (*judging*) -> *over*. Whatever fails before the talk gives the contact back to the line; when
//! it was the caller who could not be reached, it leaves the line and is tried again later.

use super::asked::{Asked, NotAsked};
use super::question::{Heard, Question};
use super::talk_clock::TalkClock;
use super::words::{Command, FlowCaller, Input, LinkedTicket, Offer, Phrase};
use ringdown_routing::event::{ContactResult, EndedBy, EventKind};
use ringdown_routing::ids::{ContactId, OfferToken, QueueId};
use ringdown_routing::verb::{Answer, DeclineReason, RequeueReason, Verb};
use ringdown_voice::call::{CallCommand, LegEnd, LegId, Refused};
use ringdown_voice::media::PlayId;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where the contact of a call-back goes whose caller could not be reached; no queue has such a name.
pub const CALLER_NOT_REACHED: &str = "caller_not_reached";

const MUSIC: PlayId = PlayId(1);

/// What a call-back begins with: an agent is reserved for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallBackPlan {
    /// The contact that stands in the line.
    pub contact: ContactId,
    /// Its line.
    pub line: QueueId,
    /// The agent; the leg to ring them on is in it.
    pub offer: Offer,
    /// The leg to dial the caller on.
    pub caller_leg: LegId,
    /// The caller's number.
    pub number: Arc<str>,
    /// The digits of the ticket it is about, if there is one.
    pub ticket: Option<String>,
    /// How long the caller's phone rings.
    pub rings_for: Duration,
    /// Tries that are left, this one included.
    pub tries_left: u32,
    /// Whether the caller is asked how it went when the agent has hung up.
    pub asks_how_it_went: bool,
}

/// One call-back, from the offer to its end.
#[derive(Debug)]
pub struct CallBackFlow {
    plan: CallBackPlan,
    stage: Stage,
    talk: TalkClock,
    is_identified: bool,
    /// The caller stays to be asked how it went.
    asks_now: bool,
    /// The verb that is on its way.
    asked: Asked,
}

#[derive(Debug)]
enum Stage {
    Identifying,
    Linking,
    RingingAgent,
    /// The agent picked up; the desk is asked to commit.
    Accepting,
    /// The agent picked up and hung up again before the desk had answered.
    AcceptingLost,
    /// The desk has told that somebody else has it, before it answered.
    AcceptingTaken,
    RingingCaller,
    Talking,
    /// The desk is told that the contact is back in the line, or that it never left it.
    GivingBack {
        then: Afterwards,
    },
    /// The desk is told that the contact leaves the line, to be tried again.
    FlowingOut,
    /// The desk is told of the end.
    Leaving,
    /// The agent is free already; the caller is asked how it went.
    Judging(Question),
    Over,
}

/// What follows when the contact is back in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Afterwards {
    /// It waits for the next agent.
    Wait,
    /// It leaves the line, for the caller could not be reached.
    LeaveLine,
}

impl CallBackFlow {
    /// Begins a call-back.
    pub fn new(plan: CallBackPlan) -> Self {
        Self {
            plan,
            stage: Stage::Identifying,
            talk: TalkClock::default(),
            is_identified: false,
            asks_now: false,
            asked: Asked::default(),
        }
    }

    /// The line it stands in.
    pub fn line(&self) -> &QueueId {
        &self.plan.line
    }

    /// The offer that it has the agent by.
    pub fn token(&self) -> OfferToken {
        self.plan.offer.token
    }

    /// Whether nothing follows.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Asks who it is, so that the agent sees the record before answering.
    pub fn start(&self, out: &mut Vec<Command>) {
        out.push(Command::Identify);
    }

    /// When [`CallBackFlow::handle_timeout`] is due; the legs time themselves.
    pub fn next_timeout(&self) -> Option<Instant> {
        let until = if let Stage::Judging(question) = &self.stage {
            Some(question.until())
        } else {
            None
        };
        self.asked.again_at().into_iter().chain(until).min()
    }

    /// Asks the desk again what it could not be asked, and nobody for longer than they have to answer.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Command>) {
        out.extend(self.asked.take_due(now));
        if let Stage::Judging(question) = &self.stage
            && question.until() <= now
        {
            self.end_judging(out);
        }
    }

    /// Takes one input; pushes what is to be done.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Command>) {
        let before = out.len();
        self.take(now, input, out);
        self.asked.note(&out[before..]);
    }

    fn take(&mut self, now: Instant, input: Input, out: &mut Vec<Command>) {
        match input {
            Input::Identified(who) => self.on_identified(who, out),
            Input::TicketLinked(ticket) => self.on_ticket(ticket, out),
            Input::Verb(answer) => {
                self.asked.is_answered();
                match answer {
                    Answer::Refused { .. } => self.on_refused(out),
                    Answer::Done | Answer::Reserved { .. } => self.on_done(now, out),
                }
            }
            Input::DeskLost => {
                if self.asked.is_lost(now) == NotAsked::GivenUp {
                    self.on_given_up(out);
                }
            }
            Input::OfferLapsed { token } if token == self.plan.offer.token => self.on_lapsed(out),
            Input::AgentRings { leg } => self.on_rings(leg, out),
            Input::AgentPickedUp { leg } => self.on_picked_up(now, leg, out),
            Input::AgentUnreachable { leg } => {
                self.on_no_answer(leg, Refused::Unreachable { status: 480 }, out);
            }
            Input::AgentRefused { leg, why } => self.on_no_answer(leg, why, out),
            Input::AgentGone { agent } if agent == self.plan.offer.agent => {
                self.on_agent_gone(out);
            }
            Input::AgentEnded { leg, how } if leg == self.plan.offer.leg => {
                self.on_agent_ended(now, how, out);
            }
            Input::CallerEnded(how) => self.on_caller_ended(now, how, out),
            Input::Held(_) if matches!(self.stage, Stage::Talking) => {
                self.talk.hold(now);
                out.push(Command::Publish(EventKind::Held));
            }
            Input::Resumed(_) if matches!(self.stage, Stage::Talking) => {
                self.talk.resume(now);
                out.push(Command::Publish(EventKind::Resumed));
            }
            Input::CallerDigit(digit) => {
                if let Stage::Judging(question) = &mut self.stage {
                    question.on_digit(now, digit, out);
                }
            }
            Input::PlayEnded(play) => {
                if let Stage::Judging(question) = &mut self.stage
                    && question.on_played(now, play) == Heard::All
                {
                    self.end_judging(out);
                }
            }
            Input::Moved(line) => self.on_moved(line, out),
            Input::TakenFromAgent => self.on_taken_from_agent(out),
            Input::Superseded => self.on_superseded(out),
            Input::Dropped => self.on_lapsed(out),
            Input::Shutdown => self.on_shutdown(now, out),
            // Of another offer or leg, or of a caller who waits on the line.
            Input::OfferLapsed { .. }
            | Input::Answered { .. }
            | Input::AgentGone { .. }
            | Input::AgentEnded { .. }
            | Input::Held(_)
            | Input::Resumed(_)
            | Input::Offered(_)
            | Input::NotTaken(_)
            | Input::IncidentHolds(_)
            | Input::MessageKept(_)
            | Input::LineChosen(_)
            | Input::LineClosed(_)
            | Input::LineOpened
            | Input::MayCallBack
            | Input::CallBackNoted
            | Input::CallBackRefused
            | Input::EarlyOpen
            | Input::CallerAnswered => {}
        }
    }

    fn on_identified(&mut self, who: FlowCaller, out: &mut Vec<Command>) {
        out.push(Command::Publish(EventKind::Identified {
            outcome: who.outcome,
            caller: who.caller,
            class: who.class,
        }));
        if !self.is_identified && matches!(self.stage, Stage::Identifying) {
            self.stage = Stage::Linking;
            let keyed_in = self.plan.ticket.clone();
            out.push(Command::LinkTicket { keyed_in });
        }
        self.is_identified = true;
    }

    fn on_ticket(&mut self, ticket: Option<LinkedTicket>, out: &mut Vec<Command>) {
        if let Some(ticket) = ticket {
            out.push(Command::Publish(EventKind::TicketLinked {
                ticket: ticket.id,
                number: ticket.number.to_string(),
                is_new: ticket.is_new,
                rule: ticket.rule.to_owned(),
            }));
        }
        if matches!(self.stage, Stage::Linking) {
            self.stage = Stage::RingingAgent;
            let Offer {
                agent,
                leg,
                deadline,
                ..
            } = self.plan.offer.clone();
            out.push(Command::RingAgent {
                leg,
                agent,
                deadline,
            });
        }
    }

    fn on_rings(&self, leg: LegId, out: &mut Vec<Command>) {
        if matches!(self.stage, Stage::RingingAgent) && leg == self.plan.offer.leg {
            let token = self.plan.offer.token;
            out.push(Command::Publish(EventKind::Rang { token }));
        }
    }

    fn on_picked_up(&mut self, now: Instant, leg: LegId, out: &mut Vec<Command>) {
        match self.stage {
            Stage::RingingAgent if leg == self.plan.offer.leg => {
                self.stage = Stage::Accepting;
                let token = self.plan.offer.token;
                out.push(Command::Change(Verb::Accept { token }));
            }
            Stage::RingingCaller if leg == self.plan.caller_leg => {
                self.stage = Stage::Talking;
                self.talk.start(now);
                out.push(Command::CallBackTalks);
                let agent = self.plan.offer.leg;
                // What is played to a leg is heard instead of the bridge.
                out.push(Command::Voice(CallCommand::StopPlay { leg: agent }));
                out.push(Command::Voice(CallCommand::Bridge { a: leg, b: agent }));
            }
            // Picked up as we were hanging up.
            Stage::RingingAgent
            | Stage::RingingCaller
            | Stage::Identifying
            | Stage::Linking
            | Stage::Accepting
            | Stage::AcceptingLost
            | Stage::AcceptingTaken
            | Stage::Talking
            | Stage::GivingBack { .. }
            | Stage::FlowingOut
            | Stage::Leaving
            | Stage::Judging(_)
            | Stage::Over => hang_up(leg, out),
        }
    }

    /// The desk did what was asked.
    fn on_done(&mut self, now: Instant, out: &mut Vec<Command>) {
        match self.stage {
            Stage::Accepting => {
                self.stage = Stage::RingingCaller;
                out.push(Command::PlayTo {
                    leg: self.plan.offer.leg,
                    play: MUSIC,
                    phrase: Phrase::Music,
                });
                out.push(Command::CallCaller {
                    leg: self.plan.caller_leg,
                    number: Arc::clone(&self.plan.number),
                    agent_leg: self.plan.offer.leg,
                    deadline: now + self.plan.rings_for,
                });
            }
            Stage::AcceptingLost => self.give_back(Afterwards::Wait, out),
            Stage::AcceptingTaken
            | Stage::GivingBack {
                then: Afterwards::Wait,
            } => self.stand_aside(out),
            Stage::GivingBack {
                then: Afterwards::LeaveLine,
            } => {
                self.stage = Stage::FlowingOut;
                out.push(Command::Change(Verb::FlowOut {
                    contact: self.plan.contact,
                    to: CALLER_NOT_REACHED.to_owned(),
                }));
            }
            Stage::FlowingOut => {
                out.push(Command::CallBackMissed);
                self.close(
                    if self.plan.tries_left > 1 {
                        ContactResult::CallBack
                    } else {
                        ContactResult::FlowedOut
                    },
                    out,
                );
            }
            Stage::Leaving if std::mem::take(&mut self.asks_now) => {
                self.stage = Stage::Judging(Question::ask(now, out));
            }
            Stage::Leaving => self.close(ContactResult::Answered, out),
            Stage::Identifying
            | Stage::Linking
            | Stage::RingingAgent
            | Stage::RingingCaller
            | Stage::Talking
            | Stage::Judging(_)
            | Stage::Over => {}
        }
    }

    /// The desk could not be asked whether the agent has it: nobody has, as far as this flow goes.
    fn on_given_up(&mut self, out: &mut Vec<Command>) {
        match self.stage {
            Stage::Accepting => {
                hang_up(self.plan.offer.leg, out);
                self.give_back(Afterwards::Wait, out);
            }
            Stage::AcceptingLost => self.give_back(Afterwards::Wait, out),
            Stage::AcceptingTaken => self.stand_aside(out),
            // All else is asked until it is answered.
            Stage::Identifying
            | Stage::Linking
            | Stage::RingingAgent
            | Stage::RingingCaller
            | Stage::Talking
            | Stage::GivingBack { .. }
            | Stage::FlowingOut
            | Stage::Leaving
            | Stage::Judging(_)
            | Stage::Over => {}
        }
    }

    /// The desk knows better: the contact is not ours any more, and whoever is on the line is told so.
    fn on_refused(&mut self, out: &mut Vec<Command>) {
        match self.stage {
            Stage::Accepting => {
                hang_up(self.plan.offer.leg, out);
                self.stand_aside(out);
            }
            Stage::AcceptingLost
            | Stage::AcceptingTaken
            | Stage::GivingBack { .. }
            | Stage::FlowingOut => self.stand_aside(out),
            Stage::Leaving => {
                self.hang_up_who_stayed(out);
                self.close(ContactResult::Answered, out);
            }
            Stage::Identifying
            | Stage::Linking
            | Stage::RingingAgent
            | Stage::RingingCaller
            | Stage::Talking
            | Stage::Judging(_)
            | Stage::Over => {}
        }
    }

    /// Somebody took it from the agent, or another gateway took it over because this one seemed dead: the caller
    /// is called again by whoever has it next, so nobody goes on talking here.
    fn on_taken_from_agent(&mut self, out: &mut Vec<Command>) {
        match self.stage {
            Stage::RingingCaller | Stage::Talking => {
                hang_up(self.plan.offer.leg, out);
                hang_up(self.plan.caller_leg, out);
                self.stand_aside(out);
            }
            // The news is faster than the answer: that one is about an offer that is over.
            Stage::Accepting | Stage::AcceptingLost | Stage::AcceptingTaken => {
                hang_up(self.plan.offer.leg, out);
                self.stage = Stage::AcceptingTaken;
            }
            // An offer that is over is told apart, and a verb on its way finds it gone.
            Stage::Identifying
            | Stage::Linking
            | Stage::RingingAgent
            | Stage::GivingBack { .. }
            | Stage::FlowingOut
            | Stage::Leaving
            | Stage::Judging(_)
            | Stage::Over => {}
        }
    }

    /// Another flow has the contact from now on, whatever this one was at.
    fn on_superseded(&mut self, out: &mut Vec<Command>) {
        match self.stage {
            Stage::RingingAgent | Stage::Accepting => hang_up(self.plan.offer.leg, out),
            Stage::RingingCaller | Stage::Talking => {
                hang_up(self.plan.offer.leg, out);
                hang_up(self.plan.caller_leg, out);
            }
            Stage::Leaving => self.hang_up_who_stayed(out),
            Stage::Judging(_) => hang_up(self.plan.caller_leg, out),
            Stage::Identifying
            | Stage::Linking
            | Stage::AcceptingLost
            | Stage::AcceptingTaken
            | Stage::GivingBack { .. }
            | Stage::FlowingOut
            | Stage::Over => {}
        }
        self.stand_aside(out);
    }

    /// The desk moved it to another line, and freed who was rung.
    fn on_moved(&mut self, line: QueueId, out: &mut Vec<Command>) {
        if line != self.plan.line {
            self.plan.line = line;
            self.on_lapsed(out);
        }
    }

    /// The offer is over, and with it our part; whether the contact still waits is the desk's affair.
    fn on_lapsed(&mut self, out: &mut Vec<Command>) {
        match self.stage {
            Stage::Identifying | Stage::Linking => self.stand_aside(out),
            Stage::RingingAgent => {
                hang_up(self.plan.offer.leg, out);
                self.stand_aside(out);
            }
            // The verb on its way finds the offer gone.
            Stage::Accepting
            | Stage::AcceptingLost
            | Stage::AcceptingTaken
            | Stage::RingingCaller
            | Stage::Talking
            | Stage::GivingBack { .. }
            | Stage::FlowingOut
            | Stage::Leaving
            | Stage::Judging(_)
            | Stage::Over => {}
        }
    }

    /// A phone out of reach is not rung to the end.
    fn on_agent_gone(&mut self, out: &mut Vec<Command>) {
        if matches!(self.stage, Stage::RingingAgent) {
            let leg = self.plan.offer.leg;
            hang_up(leg, out);
            self.on_no_answer(leg, Refused::Unreachable { status: 480 }, out);
        }
    }

    fn on_no_answer(&mut self, leg: LegId, why: Refused, out: &mut Vec<Command>) {
        match self.stage {
            Stage::RingingAgent if leg == self.plan.offer.leg => {
                let token = self.plan.offer.token;
                let reason = match why {
                    Refused::NoAnswer => None,
                    Refused::Busy => Some(DeclineReason::Busy),
                    Refused::Declined { .. } => Some(DeclineReason::Declined),
                    Refused::Unreachable { .. } | Refused::NoPort => {
                        Some(DeclineReason::Unreachable)
                    }
                };
                self.stage = Stage::GivingBack {
                    then: Afterwards::Wait,
                };
                out.push(Command::Change(match reason {
                    None => Verb::RingTimeout { token },
                    Some(reason) => Verb::Decline { token, reason },
                }));
            }
            Stage::RingingCaller if leg == self.plan.caller_leg => {
                hang_up(self.plan.offer.leg, out);
                self.give_back(Afterwards::LeaveLine, out);
            }
            Stage::RingingAgent
            | Stage::RingingCaller
            | Stage::Identifying
            | Stage::Linking
            | Stage::Accepting
            | Stage::AcceptingLost
            | Stage::AcceptingTaken
            | Stage::Talking
            | Stage::GivingBack { .. }
            | Stage::FlowingOut
            | Stage::Leaving
            | Stage::Judging(_)
            | Stage::Over => {}
        }
    }

    fn on_agent_ended(&mut self, now: Instant, how: LegEnd, out: &mut Vec<Command>) {
        match self.stage {
            Stage::RingingAgent => {
                self.on_no_answer(
                    self.plan.offer.leg,
                    Refused::Unreachable { status: 480 },
                    out,
                );
            }
            Stage::Accepting => self.stage = Stage::AcceptingLost,
            Stage::RingingCaller => {
                hang_up(self.plan.caller_leg, out);
                self.give_back(Afterwards::Wait, out);
            }
            Stage::Talking => {
                self.asks_now = how == LegEnd::HungUp && self.plan.asks_how_it_went;
                if !self.asks_now {
                    hang_up(self.plan.caller_leg, out);
                }
                let by = match how {
                    LegEnd::HungUp | LegEnd::Local | LegEnd::Cancelled => EndedBy::Agent,
                    LegEnd::Lost | LegEnd::NotAcceptable => EndedBy::Failure,
                };
                self.end_talk(now, by, out);
            }
            Stage::Identifying
            | Stage::Linking
            | Stage::AcceptingLost
            | Stage::AcceptingTaken
            | Stage::GivingBack { .. }
            | Stage::FlowingOut
            | Stage::Leaving
            | Stage::Judging(_)
            | Stage::Over => {}
        }
    }

    fn on_caller_ended(&mut self, now: Instant, how: LegEnd, out: &mut Vec<Command>) {
        match self.stage {
            Stage::Talking => {
                hang_up(self.plan.offer.leg, out);
                let by = match how {
                    LegEnd::HungUp | LegEnd::Cancelled => EndedBy::Caller,
                    LegEnd::Local => EndedBy::System,
                    LegEnd::Lost | LegEnd::NotAcceptable => EndedBy::Failure,
                };
                self.end_talk(now, by, out);
            }
            Stage::RingingCaller => {
                hang_up(self.plan.offer.leg, out);
                self.give_back(Afterwards::LeaveLine, out);
            }
            Stage::Leaving => self.asks_now = false,
            Stage::Judging(_) => self.close(ContactResult::Answered, out),
            Stage::Identifying
            | Stage::Linking
            | Stage::RingingAgent
            | Stage::Accepting
            | Stage::AcceptingLost
            | Stage::AcceptingTaken
            | Stage::GivingBack { .. }
            | Stage::FlowingOut
            | Stage::Over => {}
        }
    }

    fn on_shutdown(&mut self, now: Instant, out: &mut Vec<Command>) {
        match self.stage {
            Stage::Identifying | Stage::Linking => self.give_back(Afterwards::Wait, out),
            Stage::RingingAgent => {
                hang_up(self.plan.offer.leg, out);
                self.give_back(Afterwards::Wait, out);
            }
            Stage::Accepting => {
                hang_up(self.plan.offer.leg, out);
                self.stage = Stage::AcceptingLost;
            }
            Stage::RingingCaller => {
                hang_up(self.plan.offer.leg, out);
                hang_up(self.plan.caller_leg, out);
                self.give_back(Afterwards::Wait, out);
            }
            Stage::Talking => {
                hang_up(self.plan.offer.leg, out);
                hang_up(self.plan.caller_leg, out);
                self.end_talk(now, EndedBy::System, out);
            }
            Stage::Leaving => self.hang_up_who_stayed(out),
            Stage::Judging(_) => self.end_judging(out),
            Stage::AcceptingLost
            | Stage::AcceptingTaken
            | Stage::GivingBack { .. }
            | Stage::FlowingOut
            | Stage::Over => {}
        }
    }

    /// Whoever stayed to be asked is asked nothing.
    fn hang_up_who_stayed(&mut self, out: &mut Vec<Command>) {
        if std::mem::take(&mut self.asks_now) {
            hang_up(self.plan.caller_leg, out);
        }
    }

    fn end_judging(&mut self, out: &mut Vec<Command>) {
        hang_up(self.plan.caller_leg, out);
        self.close(ContactResult::Answered, out);
    }

    fn give_back(&mut self, then: Afterwards, out: &mut Vec<Command>) {
        self.stage = Stage::GivingBack { then };
        out.push(Command::Change(Verb::Requeue {
            contact: self.plan.contact,
            reason: RequeueReason::BridgeFailed,
            token: Some(self.plan.offer.token),
        }));
    }

    /// The contact waits for the next agent; nothing of it is left here.
    fn stand_aside(&mut self, out: &mut Vec<Command>) {
        self.stage = Stage::Over;
        out.push(Command::StandAside);
    }

    fn end_talk(&mut self, now: Instant, by: EndedBy, out: &mut Vec<Command>) {
        self.talk.stop(now);
        self.stage = Stage::Leaving;
        out.push(Command::CallBackDone);
        out.push(Command::Change(Verb::Complete {
            contact: self.plan.contact,
            by,
            talk: self.talk.talk,
            hold: self.talk.hold,
            token: Some(self.plan.offer.token),
        }));
    }

    fn close(&mut self, result: ContactResult, out: &mut Vec<Command>) {
        self.stage = Stage::Over;
        out.push(Command::Publish(EventKind::Closed { result }));
        out.push(Command::Close(result));
    }
}

fn hang_up(leg: LegId, out: &mut Vec<Command>) {
    out.push(Command::Voice(CallCommand::HangUp { leg }));
}
