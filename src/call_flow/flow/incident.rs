//! A major incident that callers hear of before the line: they stay, leave noted for it, or leave a message.
//!
//! Nobody loses a place by listening: who stays stands in the line by the instant of arrival. Keys count
//! from the first word on. Who leaves from here is attached to the incident's ticket, and opens none.
//!
//! Who stands in the line when it is declared hears it there, in their place and while agents are sought for
//! them, as soon as nothing rings; the keys are the incident's until something else is offered, and silence
//! waits on. Who leaves then flows out of the line, and goes from the ticket of the call to the incident's.

use super::*;
use crate::call_flow::words::{IncidentNotice, MessageKept};
use ringdown_routing::event::InformedHow;
use ringdown_voice::call::Reject;

/// Longest that greeting and message are waited for; then the caller goes into the line.
const HEARING_MAX: Duration = Duration::from_secs(120);

/// How long a caller has to choose who has heard the message; then they go into the line.
const CHOICE_MAX: Duration = Duration::from_secs(8);

/// Longest that the recording is waited for which has come to its end.
const KEEPING_MAX: Duration = Duration::from_secs(5);

/// How long after its longest a recording is ended whose end nobody told.
const RECORDING_GRACE: Duration = Duration::from_secs(2);

const SPEAK: PlayId = PlayId(7);
const THANKS: PlayId = PlayId(8);

/// What a caller was told of, and what they keyed in before.
#[derive(Debug)]
pub(super) struct Told {
    notice: IncidentNotice,
    keyed_in: Option<String>,
    told_at: Where,
}

/// Where a caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// Before the line, which they may still enter.
    BeforeLine,
    /// In the line, which they cannot enter again once they have left it.
    InLine,
}

/// What a caller hears of an incident who stands in the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Hearing {
    /// Nothing.
    #[default]
    Nothing,
    /// The message plays, or does so as soon as the leg is open.
    Message,
    /// It was heard or cut short, and the keys are still its.
    Heard,
    /// The desk is told that they leave.
    Leaving(Wish),
}

/// What a caller wants who leaves the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// To be noted for the incident.
    BeNoted,
    /// To leave a message.
    Speak,
}

/// How far a caller is who is told of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Greeting or message plays.
    Hearing,
    /// The message was heard to its end.
    Choosing,
    /// Is told to speak after the tone.
    BeforeTone,
    /// Speaks.
    Speaking,
    /// The recording is over, and its file on its way to be whole.
    Keeping,
    /// Is thanked.
    Leaving(InformedHow),
}

/// How the greeting stands when a caller is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeted {
    /// It is still to come.
    NotYet,
    /// The caller was greeted already.
    Already,
}

impl Flow {
    pub(super) fn inform(
        &mut self,
        now: Instant,
        told: Told,
        greeted: Greeted,
        out: &mut Vec<Command>,
    ) {
        out.push(Command::Publish(EventKind::IncidentTold {
            incident: told.notice.incident.clone(),
        }));
        self.told = Some(told);
        self.stage = Stage::Informing {
            step: Step::Hearing,
            until: now + HEARING_MAX,
        };
        let leg = self.caller_leg;
        match (self.caller, greeted) {
            (CallerSide::Unanswered, _) => {
                self.caller = CallerSide::Opening;
                out.push(Command::Voice(CallCommand::OpenEarly { leg }));
            }
            // It begins when the leg is open.
            (CallerSide::Opening | CallerSide::Gone, _) => {}
            (CallerSide::Early | CallerSide::Answered, Greeted::NotYet) => self.greet_told(out),
            (CallerSide::Early | CallerSide::Answered, Greeted::Already) => self.play_message(out),
        }
    }

    fn greet_told(&self, out: &mut Vec<Command>) {
        match self.rules.greeting.clone() {
            Some(phrase) => self.play(GREETING, phrase, out),
            None => self.play_message(out),
        }
    }

    pub(super) fn play_message(&self, out: &mut Vec<Command>) {
        if let Some(told) = &self.told {
            let phrase = Phrase::Incident(told.notice.say.clone());
            self.play(MESSAGE, phrase, out);
        }
    }

    /// The caller's leg opened while they are told.
    pub(super) fn on_told_open(&mut self, step: Step, out: &mut Vec<Command>) {
        match step {
            Step::Hearing => self.greet_told(out),
            Step::BeforeTone => self.play(SPEAK, Phrase::LeaveMessage, out),
            Step::Choosing | Step::Speaking | Step::Keeping | Step::Leaving(_) => {}
        }
    }

    pub(super) fn on_told_played(
        &mut self,
        now: Instant,
        step: Step,
        play: PlayId,
        out: &mut Vec<Command>,
    ) {
        match (step, play) {
            (Step::Hearing, GREETING) => self.play_message(out),
            (Step::Hearing, MESSAGE) => self.stage = informing(Step::Choosing, now + CHOICE_MAX),
            (Step::BeforeTone, SPEAK) => self.record(now, out),
            (Step::Leaving(how), THANKS) => self.leave_informed(how, out),
            (
                Step::Hearing
                | Step::Choosing
                | Step::BeforeTone
                | Step::Speaking
                | Step::Keeping
                | Step::Leaving(_),
                _,
            ) => {}
        }
    }

    pub(super) fn on_told_digit(
        &mut self,
        now: Instant,
        step: Step,
        digit: char,
        out: &mut Vec<Command>,
    ) {
        match (step, digit) {
            (Step::Hearing | Step::Choosing, '1') => self.stay(out),
            (Step::Hearing | Step::Choosing, '2') => {
                self.attach(out);
                self.thank(now, InformedHow::KeyedIn, out);
            }
            (Step::Hearing | Step::Choosing, '3') => self.ask_for_message(now, out),
            (Step::Speaking, '#') => self.end_recording(now, out),
            (
                Step::Hearing
                | Step::Choosing
                | Step::BeforeTone
                | Step::Speaking
                | Step::Keeping
                | Step::Leaving(_),
                _,
            ) => {}
        }
    }

    pub(super) fn on_told_timeout(&mut self, now: Instant, step: Step, out: &mut Vec<Command>) {
        match step {
            Step::Hearing | Step::Choosing | Step::BeforeTone => self.stay_or_be_noted(now, out),
            Step::Speaking => self.end_recording(now, out),
            // The file is found by those who look after them.
            Step::Keeping => self.thank(now, InformedHow::LeftMessage, out),
            Step::Leaving(how) => self.leave_informed(how, out),
        }
    }

    /// The caller went away: whoever heard the message to its end was informed by it.
    pub(super) fn on_told_left(
        &mut self,
        now: Instant,
        step: Step,
        how: LegEnd,
        out: &mut Vec<Command>,
    ) {
        match step {
            Step::Hearing => self.end_before_line(how, out),
            Step::Choosing | Step::BeforeTone => match how {
                LegEnd::HungUp | LegEnd::Cancelled | LegEnd::Local => {
                    self.leave_informed(InformedHow::HungUp, out);
                }
                LegEnd::Lost | LegEnd::NotAcceptable if self.has_left_line() => {
                    self.leave_informed(InformedHow::KeyedIn, out);
                }
                LegEnd::Lost | LegEnd::NotAcceptable => self.end_before_line(how, out),
            },
            // The end of the leg ends the recording, which is told in a moment.
            Step::Speaking => self.stage = informing(Step::Keeping, now + KEEPING_MAX),
            Step::Keeping => {}
            Step::Leaving(how) => self.leave_informed(how, out),
        }
    }

    pub(super) fn on_told_shutdown(&mut self, now: Instant, step: Step, out: &mut Vec<Command>) {
        self.reject_or_hang_up(out);
        match step {
            Step::BeforeTone if self.has_left_line() => {
                self.on_told_left(now, step, LegEnd::Local, out);
            }
            Step::Hearing | Step::Choosing | Step::BeforeTone => {
                out.push(Command::Publish(EventKind::Failed {
                    cause: "shutdown".to_owned(),
                }));
                self.close(ContactResult::Failed, out);
            }
            Step::Speaking | Step::Keeping | Step::Leaving(_) => {
                self.on_told_left(now, step, LegEnd::Local, out);
            }
        }
    }

    /// The recording is over, or never was.
    pub(super) fn on_message_kept(
        &mut self,
        now: Instant,
        kept: MessageKept,
        out: &mut Vec<Command>,
    ) {
        let Stage::Informing {
            step: Step::Speaking | Step::Keeping,
            ..
        } = self.stage
        else {
            return;
        };
        let is_gone = self.caller == CallerSide::Gone;
        match kept {
            MessageKept::Whole(duration) => {
                let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
                out.push(Command::Publish(EventKind::MessageLeft { duration_ms }));
                self.thank(now, InformedHow::LeftMessage, out);
            }
            MessageKept::Empty if is_gone => self.leave_informed(InformedHow::HungUp, out),
            MessageKept::Empty => self.thank(now, InformedHow::KeyedIn, out),
            MessageKept::Failed if is_gone => self.leave_informed(InformedHow::HungUp, out),
            // Nobody is sent away with a message that is not kept.
            MessageKept::Failed => self.stay_or_be_noted(now, out),
        }
    }

    fn has_left_line(&self) -> bool {
        let told = self.told.as_ref();
        told.is_some_and(|told| told.told_at == Where::InLine)
    }

    /// Into the line; who has left it is noted all the same.
    fn stay_or_be_noted(&mut self, now: Instant, out: &mut Vec<Command>) {
        if self.has_left_line() {
            self.thank(now, InformedHow::KeyedIn, out);
        } else {
            self.stay(out);
        }
    }

    /// Into the line, at the place of the arrival.
    fn stay(&mut self, out: &mut Vec<Command>) {
        let keyed_in = self.told.take().and_then(|told| told.keyed_in);
        self.play_music(out);
        if self.ticket == TicketStage::Unasked {
            self.ask_for_ticket(keyed_in, out);
        }
        self.enqueue(self.rules.queue.clone(), out);
    }

    /// Brings the contact to the incident's ticket.
    pub(super) fn attach(&mut self, out: &mut Vec<Command>) {
        if let (Some(told), TicketStage::Unasked) = (&self.told, self.ticket) {
            self.ticket = TicketStage::Asked;
            out.push(Command::AttachToIncident {
                incident: told.notice.incident.clone(),
            });
        }
    }

    fn thank(&mut self, now: Instant, how: InformedHow, out: &mut Vec<Command>) {
        if self.caller == CallerSide::Gone {
            self.leave_informed(how, out);
            return;
        }
        self.stage = informing(Step::Leaving(how), now + REASON_SPOKEN_MAX);
        self.play(THANKS, Phrase::IncidentNoted, out);
    }

    /// A message is recorded only from an answered call.
    fn ask_for_message(&mut self, now: Instant, out: &mut Vec<Command>) {
        self.attach(out);
        self.stage = informing(Step::BeforeTone, now + REASON_SPOKEN_MAX);
        let leg = self.caller_leg;
        match self.caller {
            CallerSide::Early => {
                self.caller = CallerSide::Opening;
                out.push(Command::Voice(CallCommand::StopPlay { leg }));
                out.push(Command::Voice(CallCommand::Answer { leg }));
            }
            CallerSide::Answered => self.play(SPEAK, Phrase::LeaveMessage, out),
            // Keys come from an open leg.
            CallerSide::Unanswered | CallerSide::Opening | CallerSide::Gone => {}
        }
    }

    fn record(&mut self, now: Instant, out: &mut Vec<Command>) {
        if let Some(told) = &self.told {
            let longest = told.notice.message_max + RECORDING_GRACE;
            let incident = told.notice.incident.clone();
            self.stage = informing(Step::Speaking, now + longest);
            out.push(Command::RecordMessage { incident });
        }
    }

    fn end_recording(&mut self, now: Instant, out: &mut Vec<Command>) {
        self.stage = informing(Step::Keeping, now + KEEPING_MAX);
        out.push(Command::EndMessage);
    }

    fn leave_informed(&mut self, how: InformedHow, out: &mut Vec<Command>) {
        if let Some(told) = &self.told {
            let incident = told.notice.incident.clone();
            out.push(Command::Publish(EventKind::Informed { incident, how }));
        }
        let leg = self.caller_leg;
        match self.caller {
            CallerSide::Gone => {}
            CallerSide::Answered => out.push(Command::Voice(CallCommand::HangUp { leg })),
            CallerSide::Unanswered | CallerSide::Opening | CallerSide::Early => {
                out.push(Command::Voice(CallCommand::Reject {
                    leg,
                    reject: INFORMED,
                }));
            }
        }
        self.close(ContactResult::Informed, out);
    }

    // In the line.

    /// An incident that holds for this call: before the line it is told in its turn.
    pub(super) fn on_incident(&mut self, notice: IncidentNotice, out: &mut Vec<Command>) {
        self.incident = Some(notice);
        self.tell_in_line(out);
    }

    /// Tells who waits of an incident that they have not heard of, unless they are asked for something.
    pub(super) fn tell_in_line(&mut self, out: &mut Vec<Command>) {
        let waits = matches!(self.stage, Stage::Waiting { .. });
        let is_free = matches!(self.hearing, Hearing::Nothing | Hearing::Heard);
        if !waits || !is_free || matches!(self.choice, Choice::Numbering { .. }) {
            return;
        }
        let Some(notice) = self.incident.take() else {
            return;
        };
        out.push(Command::Publish(EventKind::IncidentTold {
            incident: notice.incident.clone(),
        }));
        self.told = Some(Told::new(notice, None, Where::InLine));
        self.hearing = Hearing::Message;
        match self.caller {
            CallerSide::Unanswered => {
                self.caller = CallerSide::Opening;
                let leg = self.caller_leg;
                out.push(Command::Voice(CallCommand::OpenEarly { leg }));
            }
            CallerSide::Early | CallerSide::Answered => self.play_message(out),
            // It begins when the leg is open.
            CallerSide::Opening | CallerSide::Gone => {}
        }
    }

    pub(super) fn on_heard_digit(&mut self, digit: char, out: &mut Vec<Command>) {
        match digit {
            '1' => {
                self.told = None;
                self.hearing = Hearing::Nothing;
                self.play_music(out);
            }
            '2' => self.leave_line_for_incident(Wish::BeNoted, out),
            '3' => self.leave_line_for_incident(Wish::Speak, out),
            _ => {}
        }
    }

    fn leave_line_for_incident(&mut self, wish: Wish, out: &mut Vec<Command>) {
        self.hearing = Hearing::Leaving(wish);
        self.flow_out(Refusing::Incident, out);
    }

    /// The desk has let the caller go.
    pub(super) fn on_left_for_incident(&mut self, now: Instant, out: &mut Vec<Command>) {
        self.changes_ticket = true;
        self.change_ticket(out);
        let wish = std::mem::take(&mut self.hearing);
        if wish == Hearing::Leaving(Wish::Speak) && self.caller != CallerSide::Gone {
            self.ask_for_message(now, out);
        } else {
            self.thank(now, InformedHow::KeyedIn, out);
        }
    }

    /// Brings the contact from the ticket it has to that of the incident.
    pub(super) fn change_ticket(&mut self, out: &mut Vec<Command>) {
        if let (Some(told), TicketStage::Settled, true) =
            (&self.told, self.ticket, self.changes_ticket)
        {
            self.changes_ticket = false;
            self.ticket = TicketStage::Asked;
            out.push(Command::AttachToIncident {
                incident: told.notice.incident.clone(),
            });
        }
    }

    /// Something else is played, or they could not leave; the keys are the incident's still.
    pub(super) fn cut_message_short(&mut self) {
        if let Hearing::Message | Hearing::Leaving(_) = self.hearing {
            self.hearing = Hearing::Heard;
        }
    }

    /// They talk to somebody, who can tell them all.
    pub(super) fn forget_incident(&mut self) {
        self.incident = None;
        self.told = None;
        self.hearing = Hearing::Nothing;
    }
}

impl Told {
    pub(super) fn new(notice: IncidentNotice, keyed_in: Option<String>, told_at: Where) -> Self {
        Self {
            notice,
            keyed_in,
            told_at,
        }
    }
}

fn informing(step: Step, until: Instant) -> Stage {
    Stage::Informing { step, until }
}

/// What the network of a caller is told who was not answered and leaves informed.
pub(super) const INFORMED: Reject = Reject {
    status: 480,
    reason: "Incident Known",
    retry_after_s: None,
};
