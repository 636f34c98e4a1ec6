//! A major incident that callers hear of before the line: they stay, leave noted for it, or leave a message.
//!
//! Nobody loses a place by listening: who stays stands in the line by the instant of arrival. Keys count
//! from the first word on. Who leaves from here is attached to the incident's ticket, and opens none.

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

const MESSAGE: PlayId = PlayId(6);
const SPEAK: PlayId = PlayId(7);
const THANKS: PlayId = PlayId(8);

/// What a caller was told of, and what they keyed in before.
#[derive(Debug)]
pub(super) struct Told {
    notice: IncidentNotice,
    keyed_in: Option<String>,
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

    fn play_message(&self, out: &mut Vec<Command>) {
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
            Step::Hearing | Step::Choosing | Step::BeforeTone => self.stay(out),
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
            MessageKept::Failed => self.stay(out),
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
            self.stage = informing(Step::Speaking, now + longest);
            out.push(Command::RecordMessage);
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
}

impl Told {
    pub(super) fn new(notice: IncidentNotice, keyed_in: Option<String>) -> Self {
        Self { notice, keyed_in }
    }
}

fn informing(step: Step, until: Instant) -> Stage {
    Stage::Informing { step, until }
}

/// What the network of a caller is told who was not answered and leaves informed.
const INFORMED: Reject = Reject {
    status: 480,
    reason: "Incident Known",
    retry_after_s: None,
};
