//! The state machine of one call.

mod again;
mod agent;
mod by_hand;
mod choice;
mod incident;
mod leaving;
mod rings;
mod survey;

use super::asked::{Asked, NotAsked};
use super::question::{Heard, Question};
use super::talk_clock::TalkClock;
use super::words::{
    AnswerMode, AtClosing, Command, FlowCaller, HeldBy, IncidentNotice, Input, LineRules,
    LinkedTicket, NumberRules, Offer, Phrase, Refusing,
};
use choice::Choice;
use incident::{Greeted, Hearing, Step, Told, Where};
use ringdown_routing::contact::Priority;
use ringdown_routing::event::{ContactResult, EndedBy, EventKind};
use ringdown_routing::ids::{AgentId, ContactId, OfferToken, QueueId};
use ringdown_routing::queue::RING_ALL_MAX_MOST;
use ringdown_routing::verb::{Answer, DeclineReason, Refusal, RequeueReason, Verb};
use ringdown_voice::call::{CallCommand, LegEnd, LegId, Refused};
use ringdown_voice::media::PlayId;
use rings::Rings;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest ticket number that is taken from a caller's keys.
const KEYED_DIGITS_MAX: usize = 20;

/// Longest that a reason is spoken before the call ends anyway.
const REASON_SPOKEN_MAX: Duration = Duration::from_secs(20);

/// Most ways out that one call takes, so that lines which lead to each other do not keep it for ever.
const WAYS_OUT_MAX: u8 = 8;

/// How long the other number of a way out rings.
const TRANSFER_RINGS: Duration = Duration::from_secs(45);

/// Longest wait in a line that nobody described.
const WAIT_MAX: Duration = Duration::from_secs(3_600);

const GREETING: PlayId = PlayId(1);
const MUSIC: PlayId = PlayId(2);
const ANNOUNCEMENT: PlayId = PlayId(3);
const REASON: PlayId = PlayId(4);
const QUESTION: PlayId = PlayId(5);
const MESSAGE: PlayId = PlayId(6);

/// One call on its way through the desk.
#[derive(Debug)]
pub struct Flow {
    contact: ContactId,
    caller_leg: LegId,
    rules: Arc<NumberRules>,
    caller: CallerSide,
    stage: Stage,
    ticket: TicketStage,
    /// The caller went away while a verb was on its way.
    caller_left: Option<LegEnd>,
    /// Offers that cannot be rung yet: the stream told of them before a verb's own answer came, or the
    /// ticket is not there.
    offers: Vec<Offer>,
    /// What rings.
    rings: Rings,
    /// The offer that the desk was asked last to commit.
    claimed: Option<OfferToken>,
    /// The line it stands in or wants to.
    line: QueueId,
    /// What holds there; of a line that nobody described, what held in the last.
    line_rules: Option<Arc<LineRules>>,
    /// Since when it stands in that line.
    line_since: Option<Instant>,
    /// The line was closed while a verb was on its way or a phone rang.
    closing: Option<Refusing>,
    choice: Choice,
    ways_out_taken: u8,
    /// The leg to dial when the way out is a transfer.
    way_out_leg: LegId,
    /// The result that the way out leads to.
    refused_as: ContactResult,
    who: Option<FlowCaller>,
    talk: TalkClock,
    /// A major incident that the caller is still to hear of.
    incident: Option<IncidentNotice>,
    /// The one they were told of and have not passed by.
    told: Option<Told>,
    /// What they hear of it in the line, and whether the keys are its.
    hearing: Hearing,
    /// The contact goes from its own ticket to that of the incident, once it has its own.
    changes_ticket: bool,
    /// The agent has hung up, and the caller who stayed is to be asked how it went.
    asks_now: bool,
    /// The verb that is on its way.
    asked: Asked,
    /// The call is refused for a fault of ours while the desk is told that it is not in the line.
    clears_line: bool,
}

/// What the caller's leg is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallerSide {
    /// Hears ringing from their own network.
    Unanswered,
    /// Our 183 or 200 is on its way.
    Opening,
    /// Hears what we play, pays nothing.
    Early,
    /// Answered.
    Answered,
    /// Over.
    Gone,
}

#[derive(Debug)]
enum Stage {
    Identifying,
    Asking {
        digits: String,
        until: Instant,
    },
    /// Hears of a major incident before the line.
    Informing {
        step: Step,
        until: Instant,
    },
    Enqueuing,
    Waiting {
        announce_at: Option<Instant>,
        /// When to look whether a call-back is offered.
        look_at: Option<Instant>,
        until: Instant,
    },
    /// The call-back is being noted.
    TakingCallBack,
    /// Agents are reserved, but the ticket that goes with the ring is not there yet.
    Reserved,
    /// Phones ring; the desk may be being told of others that came to nothing.
    Ringing,
    /// An agent picked up; the desk is asked to commit.
    Accepting {
        leg: LegId,
    },
    /// The agent picked up and hung up again before the desk had answered.
    AcceptingLost,
    /// The desk has told that the call waits again before it answered whether the agent who picked up had it.
    AcceptingTaken,
    /// The last ring came to nothing; the desk is told.
    Releasing,
    Talking {
        leg: LegId,
    },
    /// The bridge is lost though the caller is there; the desk is told to take the call back.
    TakingBack,
    /// The reason is spoken.
    Refusing {
        reason: Refusing,
        until: Instant,
    },
    /// The other number of the way out rings.
    Transferring {
        leg: LegId,
        reason: Refusing,
    },
    /// Connected to the other number.
    Elsewhere {
        leg: LegId,
        reason: Refusing,
    },
    /// The desk is told to move the call to another line, the way out of this one.
    Moving {
        reason: Refusing,
        to: QueueId,
    },
    /// The desk is told that the call leaves the line, and why.
    FlowingOut {
        reason: Refusing,
    },
    /// The desk is told of the end.
    Leaving {
        result: ContactResult,
    },
    /// The agent is free already; the caller is asked how it went.
    Judging(Question),
    /// All is over but the word on the ticket.
    Settling {
        result: ContactResult,
    },
    Over,
}

/// How far the ticket is: a place in the line does not wait for it, but a ring and the last word do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TicketStage {
    Unasked,
    Asked,
    /// Linked, or given up.
    Settled,
}

impl Stage {
    /// Whether the caller hears what waiting callers hear.
    fn is_listening(&self) -> bool {
        matches!(
            self,
            Self::Enqueuing
                | Self::Waiting { .. }
                | Self::TakingCallBack
                | Self::Reserved
                | Self::Ringing
                | Self::AcceptingTaken
                | Self::Releasing
                | Self::TakingBack
        )
    }
}

impl Flow {
    /// Begins the flow of a call that came in on `caller_leg`; `way_out_leg` is dialled if its way out
    /// is a transfer.
    pub fn new(
        contact: ContactId,
        caller_leg: LegId,
        way_out_leg: LegId,
        rules: Arc<NumberRules>,
    ) -> Self {
        Self {
            contact,
            caller_leg,
            line: rules.queue.clone(),
            line_rules: rules.lines.get(&rules.queue).map(Arc::clone),
            rules,
            caller: CallerSide::Unanswered,
            stage: Stage::Identifying,
            ticket: TicketStage::Unasked,
            caller_left: None,
            offers: Vec::new(),
            rings: Rings::default(),
            claimed: None,
            line_since: None,
            closing: None,
            choice: Choice::default(),
            ways_out_taken: 0,
            way_out_leg,
            refused_as: ContactResult::Blocked,
            who: None,
            talk: TalkClock::default(),
            incident: None,
            told: None,
            hearing: Hearing::default(),
            changes_ticket: false,
            asks_now: false,
            asked: Asked::default(),
            clears_line: false,
        }
    }

    /// The contact this flow is about.
    pub fn contact(&self) -> ContactId {
        self.contact
    }

    /// The line it stands in or wants to.
    pub fn line(&self) -> &QueueId {
        &self.line
    }

    /// Whether [`Command::Close`] was given and nothing follows.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Starts: answers or rings the caller, and asks who it is.
    pub fn start(&mut self, out: &mut Vec<Command>) {
        let leg = self.caller_leg;
        match self.rules.answer {
            AnswerMode::AtOnce => {
                self.caller = CallerSide::Opening;
                out.push(Command::Voice(CallCommand::Answer { leg }));
            }
            AnswerMode::AtAgent => out.push(Command::Voice(CallCommand::Ring { leg })),
        }
        out.push(Command::Identify);
    }

    /// When [`Flow::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        let of_stage = self.stage_timeout();
        of_stage.into_iter().chain(self.asked.again_at()).min()
    }

    fn stage_timeout(&self) -> Option<Instant> {
        if let Stage::Waiting {
            announce_at,
            look_at,
            until,
        } = self.stage
        {
            [announce_at, look_at]
                .into_iter()
                .flatten()
                .chain([until])
                .min()
        } else if let Stage::Asking { until, .. }
        | Stage::Informing { until, .. }
        | Stage::Refusing { until, .. } = self.stage
        {
            Some(until)
        } else if let Stage::Judging(question) = &self.stage {
            Some(question.until())
        } else {
            None
        }
    }

    /// Does what is due at `now`; nothing when it is early.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Command>) {
        out.extend(self.asked.take_due(now));
        let before = out.len();
        if self.stage_timeout().is_some_and(|due| due <= now) {
            self.on_stage_timeout(now, out);
        }
        self.asked.note(&out[before..]);
    }

    fn on_stage_timeout(&mut self, now: Instant, out: &mut Vec<Command>) {
        if let Stage::Waiting {
            announce_at,
            look_at,
            until,
        } = &mut self.stage
        {
            if *until <= now {
                self.flow_out(Refusing::Waited, out);
            } else if look_at.is_some_and(|at| at <= now) {
                self.look_whether_to_offer(now, out);
            } else {
                *announce_at = next_announcement(self.line_rules.as_deref(), now);
                // Who keys a number in is not interrupted, nor is the message of an incident.
                let hears_message = matches!(self.hearing, Hearing::Message);
                if !hears_message && !matches!(self.choice, Choice::Numbering { .. }) {
                    self.play(ANNOUNCEMENT, Phrase::Position, out);
                }
            }
        } else if let Stage::Asking { digits, .. } = &mut self.stage {
            let digits = std::mem::take(digits);
            self.link(now, digits, out);
        } else if let Stage::Informing { step, .. } = self.stage {
            self.on_told_timeout(now, step, out);
        } else if let Stage::Refusing { reason, .. } = self.stage {
            self.take_way_out(now, reason, out);
        } else if matches!(self.stage, Stage::Judging { .. }) {
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
            Input::Identified(who) => self.on_identified(now, who, out),
            Input::IncidentHolds(notice) => self.on_incident(notice, out),
            Input::MessageKept(kept) => self.on_message_kept(now, kept, out),
            Input::TicketLinked(ticket) => self.on_ticket(ticket, out),
            Input::Verb(answer) => {
                self.asked.is_answered();
                self.on_verb(now, &answer, out);
            }
            Input::NotTaken(reason) => {
                self.asked.is_answered();
                if matches!(self.stage, Stage::Enqueuing) {
                    self.on_not_taken(now, reason, out);
                }
            }
            Input::LineChosen(line) => self.on_line_chosen(line),
            Input::LineClosed(reason) => self.on_line_closed(reason, out),
            Input::LineOpened => {
                self.closing.take_if(|reason| *reason != Refusing::Dropped);
            }
            Input::Moved(line) => self.on_moved(now, line, out),
            Input::TakenFromAgent => self.on_taken_from_agent(now, out),
            Input::Dropped => self.on_dropped(now, out),
            Input::MayCallBack => self.on_may_call_back(out),
            Input::CallBackNoted => self.on_call_back_noted(out),
            Input::CallBackRefused => self.on_call_back_refused(now, out),
            Input::DeskLost => {
                if self.asked.is_lost(now) == NotAsked::GivenUp {
                    self.on_given_up(now, out);
                }
            }
            Input::Offered(offer) => self.on_offered(offer, out),
            Input::OfferLapsed { token } => self.on_offer_lapsed(now, token, out),
            Input::Answered { token } => self.on_answered(now, token, out),
            Input::AgentGone { agent } => self.on_agent_gone(&agent, out),
            Input::EarlyOpen => self.on_caller_open(CallerSide::Early, out),
            Input::CallerAnswered => self.on_caller_open(CallerSide::Answered, out),
            Input::CallerEnded(how) => self.on_caller_ended(now, how, out),
            Input::CallerDigit(digit) => self.on_digit(now, digit, out),
            Input::PlayEnded(play) => self.on_play_ended(now, play, out),
            Input::AgentRings { leg } => self.on_agent_rings(leg, out),
            Input::AgentPickedUp { leg } => self.on_picked_up(now, leg, out),
            Input::AgentUnreachable { leg } => {
                self.on_ring_ended(leg, Refused::Unreachable { status: 480 }, out);
            }
            Input::AgentRefused { leg, why } => self.on_ring_ended(leg, why, out),
            Input::AgentEnded { leg, how } => self.on_agent_ended(now, leg, how, out),
            Input::Held(by) => self.on_held(now, by, out),
            Input::Resumed(by) => self.on_resumed(now, by, out),
            Input::Shutdown => self.on_shutdown(now, out),
            // Nobody begins the call of somebody on the line anew.
            Input::Superseded => {}
        }
    }

    fn on_identified(&mut self, now: Instant, who: FlowCaller, out: &mut Vec<Command>) {
        out.push(Command::Publish(EventKind::Identified {
            outcome: who.outcome,
            caller: who.caller.clone(),
            class: who.class,
        }));
        let is_first = self.who.is_none();
        self.who = Some(who);
        // A second answer is the CMS that came back after its deadline: it is noted, the call goes on.
        if !is_first || !matches!(self.stage, Stage::Identifying) {
            return;
        }
        match self.rules.time_to_key_in() {
            Some(time) => {
                self.stage = Stage::Asking {
                    digits: String::new(),
                    until: now + time,
                };
                self.play(QUESTION, Phrase::AskTicket, out);
            }
            None => self.link(now, String::new(), out),
        }
    }

    fn link(&mut self, now: Instant, digits: String, out: &mut Vec<Command>) {
        let keyed_in = Some(digits).filter(|d| !d.is_empty());
        if let Some(digits) = &keyed_in {
            out.push(Command::Publish(EventKind::KeyedIn {
                digits: digits.clone(),
            }));
        }
        if let Some(notice) = self.incident.take() {
            let greeted = if matches!(self.stage, Stage::Asking { .. }) {
                Greeted::Already
            } else {
                Greeted::NotYet
            };
            self.inform(
                now,
                Told::new(notice, keyed_in, Where::BeforeLine),
                greeted,
                out,
            );
            return;
        }
        self.play_entrance(out);
        self.ask_for_ticket(keyed_in, out);
        self.enqueue(self.rules.queue.clone(), out);
    }

    fn ask_for_ticket(&mut self, keyed_in: Option<String>, out: &mut Vec<Command>) {
        self.ticket = TicketStage::Asked;
        out.push(Command::LinkTicket { keyed_in });
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
        self.ticket = TicketStage::Settled;
        self.change_ticket(out);
        if self.ticket != TicketStage::Settled {
            return;
        }
        if let Stage::Reserved = &self.stage {
            self.ring_reserved(out);
        } else if let Stage::Settling { result } = self.stage {
            self.close(result, out);
        }
    }

    fn enqueue(&mut self, queue: QueueId, out: &mut Vec<Command>) {
        self.stage = Stage::Enqueuing;
        let class = self.who.as_ref().and_then(|who| who.class);
        let place = match class {
            Some(class @ 1..=3) => usize::from(class) - 1,
            Some(_) | None => 3,
        };
        let priorities = self.rules.lines.get(&queue).or(self.line_rules.as_ref());
        let priority = priorities.map_or(Priority(0), |rules| rules.priority_by_class[place]);
        out.push(Command::Enqueue { queue, priority });
    }

    fn on_line_chosen(&mut self, line: QueueId) {
        if let Some(rules) = self.rules.lines.get(&line) {
            self.line_rules = Some(Arc::clone(rules));
        }
        self.line = line;
        self.line_since = None;
        self.closing = None;
    }

    /// The desk answered.
    fn on_verb(&mut self, now: Instant, answer: &Answer, out: &mut Vec<Command>) {
        let refusal = match answer {
            Answer::Refused { reason } => Some(*reason),
            Answer::Done | Answer::Reserved { .. } => None,
        };
        self.clears_line = false;
        match &self.stage {
            Stage::Enqueuing => match refusal {
                None => self.on_enqueued(now, out),
                Some(reason) => self.on_not_taken(now, refusing(reason), out),
            },
            Stage::Moving { reason, to } => {
                let (reason, to) = (*reason, to.clone());
                self.on_way_out_moved(now, reason, to, refusal, out);
            }
            Stage::FlowingOut { reason } => match refusal {
                None if *reason == Refusing::Incident => self.on_left_for_incident(now, out),
                None => {
                    let reason = *reason;
                    self.refused_as = ContactResult::FlowedOut;
                    if reason == Refusing::CallBack {
                        self.refused_as = ContactResult::CallBack;
                        out.push(Command::KeepCallBack);
                    }
                    self.on_not_taken(now, reason, out);
                }
                // An agent was found at the last moment, or the caller's end crossed it.
                Some(_) => {
                    if *reason == Refusing::CallBack {
                        out.push(Command::DropCallBack);
                    }
                    self.cut_message_short();
                    self.wait_again(now, out);
                }
            },
            Stage::Accepting { leg } => {
                let leg = *leg;
                match refusal {
                    None => self.on_accepted(now, leg, out),
                    Some(_) => self.on_accept_stale(now, leg, out),
                }
            }
            Stage::AcceptingLost => match refusal {
                None => self.on_accepted_lost(now, out),
                Some(_) => self.go_on_ringing(now, out),
            },
            Stage::AcceptingTaken => self.go_on_ringing(now, out),
            Stage::Reserved | Stage::Ringing | Stage::Releasing => self.on_told_of_ring(now, out),
            Stage::TakingBack => self.wait_again(now, out),
            Stage::Leaving {
                result: ContactResult::Answered,
            } if matches!(refusal, Some(Refusal::NotActive | Refusal::StaleOffer)) => {
                self.on_end_refused(now, out);
            }
            Stage::Leaving { result } => {
                let result = *result;
                if self.asks_now {
                    self.ask_how_it_went(now, out);
                } else {
                    self.close(result, out);
                }
            }
            Stage::Identifying
            | Stage::Asking { .. }
            | Stage::Informing { .. }
            | Stage::Waiting { .. }
            | Stage::TakingCallBack
            | Stage::Talking { .. }
            | Stage::Refusing { .. }
            | Stage::Transferring { .. }
            | Stage::Elsewhere { .. }
            | Stage::Judging { .. }
            | Stage::Settling { .. }
            | Stage::Over => {}
        }
    }

    fn on_enqueued(&mut self, now: Instant, out: &mut Vec<Command>) {
        self.line_since.get_or_insert(now);
        self.wait_again(now, out);
    }

    fn leave_line(&mut self, reason: Refusing, to: String, out: &mut Vec<Command>) {
        self.stage = Stage::FlowingOut { reason };
        out.push(Command::Change(Verb::FlowOut {
            contact: self.contact,
            to,
        }));
    }

    /// Joins the caller with whoever answered on `leg`; the caller's call is answered by now at the latest.
    fn connect(&self, leg: LegId, out: &mut Vec<Command>) {
        let caller = self.caller_leg;
        if self.caller != CallerSide::Answered {
            out.push(Command::Voice(CallCommand::Answer { leg: caller }));
        }
        // What is played to a leg is heard instead of the bridge.
        out.push(Command::Voice(CallCommand::StopPlay { leg: caller }));
        out.push(Command::Voice(CallCommand::Bridge { a: caller, b: leg }));
    }

    /// Stands in the line, which the desk knows already.
    fn wait_again(&mut self, now: Instant, out: &mut Vec<Command>) {
        let rules = self.line_rules.as_deref();
        let wait_max = rules.map_or(WAIT_MAX, |rules| rules.wait_max);
        self.stage = Stage::Waiting {
            announce_at: next_announcement(rules, now),
            look_at: self.next_look(now),
            until: self.line_since.unwrap_or(now) + wait_max,
        };
        if matches!(self.choice, Choice::Numbering { .. }) {
            self.choice = Choice::Offered;
        }
        if self.caller_left.is_some() {
            self.abandon(out);
        } else if !self.offers.is_empty() {
            self.ring_reserved(out);
        } else if let Some(reason) = self.closing.take() {
            self.flow_out(reason, out);
        } else {
            self.tell_in_line(out);
        }
    }

    fn on_caller_open(&mut self, side: CallerSide, out: &mut Vec<Command>) {
        self.caller = side;
        if let Stage::Refusing { reason, .. } = self.stage {
            self.speak_reason(reason, out);
        } else if let Stage::Informing { step, .. } = self.stage {
            self.on_told_open(step, out);
        } else if matches!(self.stage, Stage::Asking { .. }) {
            self.play(QUESTION, Phrase::AskTicket, out);
        } else if self.stage.is_listening() {
            match self.hearing {
                Hearing::Message => self.play_message(out),
                Hearing::Nothing | Hearing::Heard | Hearing::Leaving(_) => self.play_entrance(out),
            }
        }
    }

    fn on_digit(&mut self, now: Instant, digit: char, out: &mut Vec<Command>) {
        if let Stage::Informing { step, .. } = self.stage {
            self.on_told_digit(now, step, digit, out);
            return;
        }
        if matches!(self.stage, Stage::Waiting { .. }) {
            match self.hearing {
                Hearing::Message | Hearing::Heard => self.on_heard_digit(digit, out),
                Hearing::Nothing | Hearing::Leaving(_) => self.on_choice_digit(digit, out),
            }
            self.tell_in_line(out);
            return;
        }
        if let Stage::Judging(question) = &mut self.stage {
            question.on_digit(now, digit, out);
            return;
        }
        let Stage::Asking { digits, .. } = &mut self.stage else {
            return;
        };
        match digit {
            '#' => {
                let digits = std::mem::take(digits);
                self.link(now, digits, out);
            }
            '*' => digits.clear(),
            other if digits.len() < KEYED_DIGITS_MAX => digits.push(other),
            _ => {}
        }
    }

    fn on_play_ended(&mut self, now: Instant, play: PlayId, out: &mut Vec<Command>) {
        if let Stage::Refusing { reason, .. } = self.stage {
            if play == REASON {
                self.take_way_out(now, reason, out);
            }
        } else if let Stage::Informing { step, .. } = self.stage {
            self.on_told_played(now, step, play, out);
        } else if self.stage.is_listening() && play == MESSAGE {
            self.cut_message_short();
            self.play_music(out);
        } else if let Stage::Judging(question) = &mut self.stage {
            if question.on_played(now, play) == Heard::All {
                self.end_judging(out);
            }
        } else if self.stage.is_listening() && (play == GREETING || play == ANNOUNCEMENT) {
            self.play_music(out);
        }
    }

    /// What a caller hears first: the greeting, else music.
    fn play_entrance(&self, out: &mut Vec<Command>) {
        match self.rules.greeting.clone() {
            Some(phrase) => self.play(GREETING, phrase, out),
            None => self.play_music(out),
        }
    }

    fn play_music(&self, out: &mut Vec<Command>) {
        if let Some(phrase) = self.line_rules.as_ref().and_then(|it| it.music.clone()) {
            self.play(MUSIC, phrase, out);
        }
    }

    /// Plays to the caller, when there is somebody to hear it.
    fn play(&self, play: PlayId, phrase: Phrase, out: &mut Vec<Command>) {
        match self.caller {
            CallerSide::Early | CallerSide::Answered => out.push(Command::Play { play, phrase }),
            CallerSide::Unanswered | CallerSide::Opening | CallerSide::Gone => {}
        }
    }

    /// Every contact has a ticket, however short it was, and its link is told before the last word.
    fn close(&mut self, result: ContactResult, out: &mut Vec<Command>) {
        if self.clears_line {
            self.stage = Stage::Leaving { result };
            return;
        }
        self.attach(out);
        if self.ticket == TicketStage::Unasked {
            self.ask_for_ticket(None, out);
        }
        if self.ticket == TicketStage::Asked {
            self.stage = Stage::Settling { result };
            return;
        }
        self.stage = Stage::Over;
        out.push(Command::Publish(EventKind::Closed { result }));
        out.push(Command::Close(result));
    }
}

fn next_announcement(rules: Option<&LineRules>, now: Instant) -> Option<Instant> {
    Some(now + rules?.announce_every?)
}

fn refusing(reason: Refusal) -> Refusing {
    match reason {
        Refusal::QueueClosed => Refusing::Closed,
        Refusal::QueueFull => Refusing::Full,
        Refusal::UnknownQueue
        | Refusal::UnknownContact
        | Refusal::UnknownAgent
        | Refusal::AlreadyEnded
        | Refusal::NotWaiting
        | Refusal::NotActive
        | Refusal::AgentNotFree
        | Refusal::NotEligible
        | Refusal::QueueAtItsLimit
        | Refusal::TooManyAtOnce
        | Refusal::NoWrapUp
        | Refusal::NoTimeLeft
        | Refusal::StaleOffer => Refusing::Fault,
    }
}

fn ended_by_caller(how: LegEnd) -> EndedBy {
    match how {
        LegEnd::HungUp | LegEnd::Cancelled => EndedBy::Caller,
        LegEnd::Local => EndedBy::System,
        LegEnd::Lost | LegEnd::NotAcceptable => EndedBy::Failure,
    }
}
